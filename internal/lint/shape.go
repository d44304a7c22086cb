// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

// The budgets of CONTRIBUTING.md, in lines.
const (
	functionLines    = 100 // more needs a reason in longFunctions
	functionMost     = 150
	functionP90      = 45
	fileP90          = 450
	fileMost         = 800
	documentedShare  = 0.95
	licenceFirstLine = "Copyright The Sallyport Authors"
	licenceSecond    = "SPDX-License-Identifier: Apache-2.0"
)

// longFunctions lists functions of more than functionLines lines, by
// "package.name", with the reason why they are better whole.
func longFunctions() map[string]string { return map[string]string{} }

// Lengths checks functions and files of the product against the budgets.
func Lengths(t *Tree) []Finding {
	var fs []Finding
	var functions, files []int
	for _, f := range t.Files {
		if !f.product() || ast.IsGenerated(f.AST) {
			continue
		}
		lines := bytes.Count(f.Src, []byte("\n"))
		files = append(files, lines)
		if lines > fileMost {
			fs = append(fs, Finding{"lengths", f.Path, fmt.Sprintf("%d lines, more than %d", lines, fileMost), "a file is read as a whole"})
		}
		for _, decl := range f.AST.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			n := t.Fset.Position(fn.End()).Line - t.Fset.Position(fn.Pos()).Line + 1
			functions = append(functions, n)
			name := f.Pkg + "." + fn.Name.Name
			if _, reason := longFunctions()[name]; n > functionMost || n > functionLines && !reason {
				fs = append(fs, Finding{"lengths", t.pos(fn.Pos()), fmt.Sprintf("%s has %d lines", fn.Name.Name, n), "a function is held in the head at once; a reason for up to 150 lines goes into longFunctions"})
			}
		}
	}
	if p := percentile90(functions); p > functionP90 {
		fs = append(fs, Finding{"lengths", "functions", fmt.Sprintf("one in ten has more than %d lines (budget %d)", p, functionP90), "short functions are the habit, long ones the exception"})
	}
	if p := percentile90(files); p > fileP90 {
		fs = append(fs, Finding{"lengths", "files", fmt.Sprintf("one in ten has more than %d lines (budget %d)", p, fileP90), "a file has one subject"})
	}
	return fs
}

func percentile90(v []int) int {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[(len(v)-1)*9/10]
}

// Headers checks that every Go file and script begins with the licence.
func Headers(t *Tree) []Finding {
	var fs []Finding
	for _, p := range sortedKeys(t.Texts) {
		src := t.Texts[p]
		script := bytes.HasPrefix(src, []byte("#!"))
		ours := path.Ext(p) == ".go" || path.Base(p) == "Makefile" || script || path.Ext(p) == ".mjs" || path.Ext(p) == ".js"
		if !ours || strings.Contains(p, "testdata/") {
			continue
		}
		lines := strings.SplitN(string(src), "\n", 4)
		if script {
			lines = lines[1:]
		}
		comment := "// "
		if script || path.Base(p) == "Makefile" {
			comment = "# "
		}
		if script && path.Ext(p) == ".mjs" {
			comment = "// " // a script of Node.js
		}
		if len(lines) < 2 || lines[0] != comment+licenceFirstLine || lines[1] != comment+licenceSecond {
			fs = append(fs, Finding{"headers", p, "does not begin with the licence header", "a file is read apart from its repository too"})
		}
	}
	return fs
}

// Docs checks that every package has a doc comment, and nearly every exported
// name.
func Docs(t *Tree) []Finding {
	var fs []Finding
	documented := make(map[string]bool)
	var total, with int
	var without []string
	for _, f := range t.Files {
		if f.Test {
			continue
		}
		documented[f.Pkg] = documented[f.Pkg] || f.AST.Doc.Text() != ""
		for _, name := range exportedOf(f.AST) {
			total++
			if name.doc {
				with++
			} else {
				without = append(without, t.pos(name.pos)+" "+name.name)
			}
		}
	}
	for _, pkg := range sortedKeys(documented) {
		if !documented[pkg] {
			fs = append(fs, Finding{"docs", pkg, "the package has no doc comment", "a package comment is the package's manual"})
		}
	}
	if float64(with) < documentedShare*float64(total) {
		fs = append(fs, Finding{
			"docs", "exported names", fmt.Sprintf("%d of %d have no comment: %s", total-with, total, strings.Join(without, ", ")),
			"what is exported is a promise, and a promise is written down",
		})
	}
	return fs
}

type exported struct {
	name string
	pos  token.Pos
	doc  bool
}

// exportedOf lists the exported functions, methods of exported types, types,
// constants and variables of a file. A comment on a group counts for all of it.
func exportedOf(f *ast.File) []exported {
	var out []exported
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && (d.Recv == nil || receiverExported(d.Recv)) {
				out = append(out, exported{d.Name.Name, d.Pos(), d.Doc.Text() != ""})
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() {
						out = append(out, exported{s.Name.Name, s.Pos(), d.Doc.Text() != "" || s.Doc.Text() != ""})
					}
				case *ast.ValueSpec:
					for _, n := range s.Names {
						if n.IsExported() {
							out = append(out, exported{n.Name, n.Pos(), d.Doc.Text() != "" || s.Doc.Text() != "" || s.Comment.Text() != ""})
						}
					}
				}
			}
		}
	}
	return out
}

func receiverExported(recv *ast.FieldList) bool {
	e := recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
