// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"go/ast"
	"slices"
	"strings"
)

// restricted names that only some packages may use. A reference counts as a
// call does, for a function handed on is called by somebody, unless calls is
// set.
type restricted struct {
	pkg   string   // import path
	names []string // "Print*" takes in what begins with Print
	// calls restricts calls alone: naming time.Now as the default of an injected
	// clock is the injection.
	calls   bool
	allowed []string // directories; tests, test support and tools are free
	why     string
}

func restrictions() []restricted {
	wiring := []string{"cmd"}
	return []restricted{
		{
			pkg: "time", names: []string{"Now", "Since", "Until"}, calls: true, allowed: wiring,
			why: "the clock is injected (now func() time.Time), so that expiry can be tested and a set-back clock be survived",
		},
		{
			pkg: "context", names: []string{"Background", "TO" + "DO"}, allowed: wiring,
			why: "a context that comes from nowhere is never cancelled",
		},
		{
			pkg: "fmt", names: []string{"Print*"}, allowed: wiring,
			why: "standard output belongs to the command line, which writes to the writer that it is given",
		},
		{
			pkg: "os", names: []string{"Exit"}, allowed: wiring,
			why: "an exit runs no deferred call: nothing is sealed, flushed or released",
		},
		{
			pkg: "math/rand/v2", names: []string{"Int*", "Uint*", "Float*", "N", "Perm", "Shuffle", "NormFloat64", "ExpFloat64"}, allowed: nil,
			why: "the global generator cannot be injected",
		},
		{
			pkg: Module + "/internal/mask", names: []string{"FromUpstream", "Synthetic", "NewBody", "ClearBody", "OpenBatches"},
			allowed: []string{"internal/connector", "internal/wire", "internal/mask", "internal/terminal"},
			why:     "only decoders of a target's bytes may make raw data, and only codecs data that is nobody's; the types guard the client and the recording",
		},
		{
			pkg: Module + "/internal/mask", names: []string{"Rewrite"}, allowed: []string{"internal/mask"},
			why: "who writes a payload anew vouches for every byte of it, as a mask does",
		},
		{
			pkg: Module + "/internal/httpgate/upstream", names: []string{"Describe", "DryRun", "Count"}, allowed: []string{"internal/connector/bigquery"},
			why: "what is sent without a permit is no statement of a caller's: it asks what a table is, whether a job is over, what a query would do, or for two numbers of a canary, and nothing else",
		},
		{
			pkg: Module + "/internal/httpgate/upstream", names: []string{"Look"}, allowed: []string{"internal/connector/kubernetes"},
			why: "what is sent without a permit is no statement of a caller's: it asks for the labels of an object that a statement is about, and nothing else",
		},
		{
			pkg: Module + "/internal/mask", names: []string{"Less"}, allowed: []string{"internal/connector/bigquery"},
			why: "who changes what is masked has to take away only, as the selection of an answer's members does",
		},
		{
			pkg: Module + "/internal/mask", names: []string{"Restored"}, allowed: []string{"internal/derived"},
			why: "only what was sealed as masked, under a key that seals nothing else, is masked when it is opened again",
		},
	}
}

// panics are the functions that may panic, each with its reason.
func panics() map[string]string {
	return map[string]string{
		"internal/httpgate.BreakOff": "http.ErrAbortHandler is how a handler of net/http breaks an answer off; the server recovers it",
	}
}

// Calls checks that what is restricted stays where it belongs, and that nothing
// panics or hides in init.
func Calls(t *Tree) []Finding {
	var fs []Finding
	for _, f := range t.Files {
		if !f.product() || under(f.Pkg, "internal/lint") {
			continue
		}
		fs = append(fs, restrictedIn(t, f)...)
		for _, decl := range f.AST.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				fs = append(fs, Finding{"init", t.pos(fn.Pos()), "declares init", "what runs on import cannot be ordered, configured or tested"})
			}
		}
		for _, decl := range f.AST.Decls {
			fs = append(fs, builtinsIn(t, f, decl)...)
		}
	}
	return fs
}

// builtinsIn finds the built-in functions that end or write past everything.
func builtinsIn(t *Tree, f *File, decl ast.Decl) []Finding {
	var fs []Finding
	fn, _ := decl.(*ast.FuncDecl)
	ast.Inspect(decl, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		id, ok := call.Fun.(*ast.Ident)
		if !ok || id.Obj != nil {
			return true
		}
		switch id.Name {
		case "panic":
			if fn == nil || panics()[f.Pkg+"."+fn.Name.Name] == "" {
				fs = append(fs, Finding{"panic", t.pos(id.Pos()), "panics", "one client's input must not end every client's session; return an error of kind Internal"})
			}
		case "print", "println":
			fs = append(fs, Finding{"calls", t.pos(id.Pos()), "calls " + id.Name, "it writes to standard error past every redaction"})
		}
		return true
	})
	return fs
}

func restrictedIn(t *Tree, f *File) []Finding {
	var fs []Finding
	imports := f.imports()
	called := make(map[ast.Node]bool) // a call is visited before its function
	ast.Inspect(f.AST, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			called[call.Fun] = true
		}
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		id, ok := sel.X.(*ast.Ident)
		// An identifier with an object is a local name that hides the import.
		if !ok || id.Obj != nil {
			return true
		}
		for _, r := range restrictions() {
			if r.calls && !called[sel] {
				continue
			}
			if imports[id.Name] == r.pkg && slices.ContainsFunc(r.names, func(p string) bool { return named(sel.Sel.Name, p) }) && !anyUnder(f.Pkg, r.allowed) {
				fs = append(fs, Finding{"calls", t.pos(sel.Pos()), "uses " + id.Name + "." + sel.Sel.Name, r.why})
			}
		}
		return true
	})
	return fs
}

func named(name, pattern string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return name == pattern
}

// Skips finds tests that leave themselves out.
func Skips(t *Tree) []Finding {
	var fs []Finding
	for _, f := range t.Files {
		if !f.Test && !under(f.Pkg, "test") && !strings.HasSuffix(f.Pkg, "test") {
			continue
		}
		imports := f.imports()
		ast.Inspect(f.AST, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			id, _ := sel.X.(*ast.Ident)
			short := id != nil && imports[id.Name] == "testing" && sel.Sel.Name == "Short"
			if short || slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
				fs = append(fs, Finding{"skips", t.pos(sel.Pos()), "calls " + sel.Sel.Name, "a test that is skipped passes for one that passed; fail and say what to install"})
			}
			return true
		})
	}
	return fs
}
