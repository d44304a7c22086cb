// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// trace is a mark of one machine, one network or one unfinished day that has no
// place in a published tree.
type trace struct {
	marks []string // one of them is in every text that the expression matches
	re    *regexp.Regexp
	why   string
}

// traces are assembled from pieces, so that this file is not their own first
// finding.
func traces() []trace {
	homes := []string{"/ho" + "me/", "/Us" + "ers/", "/ro" + "ot/", "/wo" + "rk/"}
	registries := []string{`"resol` + `ved"`, "regis" + "try.", "index" + "-url", "GOPR" + "OXY="}
	unfinished := []string{"TO" + "DO", "FIX" + "ME"}
	return []trace{
		{
			homes, regexp.MustCompile(`(^|[^\w.])(` + strings.Join(homes, "|") + `)[\w.-]+`),
			"a path of somebody's machine means nothing on another",
		},
		{
			registries, regexp.MustCompile(registries[0] + `\s*:\s*"https?:|\bregis` + `try\.[a-z0-9-]+\.[a-z]+|index` + `-url|GOPR` + `OXY=https?:`),
			"packages come from where the user's own client is set to fetch them",
		},
		{
			unfinished, regexp.MustCompile(`\b(` + strings.Join(unfinished, "|") + `)\b`),
			"an unfinished thought belongs into an issue, where somebody owns it",
		},
	}
}

// Traces looks for them in every text of the tree.
func Traces(t *Tree) []Finding {
	var fs []Finding
	all := traces()
	for _, p := range sortedKeys(t.Texts) {
		if strings.Contains(p, "testdata/fuzz/") || path.Base(p) == "go.sum" {
			continue
		}
		text := string(t.Texts[p])
		for _, tr := range all {
			// The search for a word is far quicker than the expression.
			if !slices.ContainsFunc(tr.marks, func(m string) bool { return strings.Contains(text, m) }) {
				continue
			}
			for i, line := range strings.Split(text, "\n") {
				if m := tr.re.FindString(line); m != "" {
					fs = append(fs, Finding{"traces", fmt.Sprintf("%s:%d", p, i+1), fmt.Sprintf("has %q", strings.TrimSpace(m)), tr.why})
				}
			}
		}
	}
	return fs
}

// parsers are the packages that read foreign bytes.
func parsers() []string {
	return []string{
		"evidence",
		"internal/analyze/bigquery",
		"internal/analyze/files",
		"internal/analyze/googlesql",
		"internal/analyze/kube",
		"internal/analyze/postgres",
		"internal/analyze/shell",
		"internal/catalog",
		"internal/config",
		"internal/connector/bigquery/meta",
		"internal/connector/kubernetes",
		"internal/connector/kubernetes/archive",
		"internal/connector/kubernetes/ports",
		"internal/connector/kubernetes/streams",
		"internal/detector/dlp",
		"internal/detector/presidio",
		"internal/identity",
		"internal/ledger",
		"internal/mask",
		"internal/mask/avromask",
		"internal/mask/csvmask",
		"internal/mask/fhir",
		"internal/mask/hl7",
		"internal/mask/jsonmask",
		"internal/mask/jsonmask/lex",
		"internal/mask/kubemask",
		"internal/mask/objectmask",
		"internal/mask/operator",
		"internal/mask/parquetmask",
		"internal/mask/payload",
		"internal/mask/rules",
		"internal/mask/scan",
		"internal/mask/stream",
		"internal/mask/x12",
		"internal/policy",
		"internal/record",
		"internal/record/asciicast",
		"internal/ship/otlp",
		"internal/ship/verify",
		"internal/wire/bqanalyzer",
		"internal/wire/grpc",
		"internal/wire/pgwire",
		"internal/wire/sftp",
		"internal/wire/spdywire",
		"internal/wire/websocket",
		"internal/witness",
	}
}

// Fuzzed checks that every package that reads foreign bytes has a fuzz target.
func Fuzzed(t *Tree) []Finding {
	has := make(map[string]bool)
	for _, f := range t.Files {
		if !f.Test {
			continue
		}
		for name := range f.AST.Scope.Objects {
			if strings.HasPrefix(name, "Fuzz") {
				has[f.Pkg] = true
			}
		}
	}
	var fs []Finding
	for _, pkg := range parsers() {
		if !has[pkg] {
			fs = append(fs, Finding{"fuzzed", pkg, "has no fuzz target", "what reads foreign bytes must not be ended by them"})
		}
	}
	return fs
}

// Dependencies checks that docs/dependencies.md has a row, with the version of
// go.mod, for every module that our packages import, and no other row.
func Dependencies(t *Tree) []Finding {
	const doc = "docs/dependencies.md"
	const why = "a dependency is chosen, with a reason that can be looked up"
	versions := requires(t.Texts["go.mod"])
	used := make(map[string]bool)
	// Tools, and what judges from outside, are modules of their own, each with its
	// own versions.
	apart := make(map[[2]string]bool)
	var elsewhere []string
	for _, p := range sortedKeys(t.Texts) {
		if path.Base(p) == "go.mod" && p != "go.mod" {
			for mod, version := range requires(t.Texts[p]) {
				apart[[2]string{mod, version}] = true
			}
			elsewhere = append(elsewhere, path.Dir(p))
		}
	}
	for _, f := range t.Files {
		if anyUnder(f.Pkg, elsewhere) {
			continue
		}
		for _, spec := range f.AST.Imports {
			if mod := moduleOf(importPath(spec), versions); mod != "" {
				used[mod] = true
			}
		}
	}
	var fs []Finding
	rows := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^ |]+) \\|").FindAllStringSubmatch(string(t.Texts[doc]), -1) {
		rows[m[1]] = m[2]
	}
	for _, mod := range sortedKeys(used) {
		switch rows[mod] {
		case versions[mod]:
		case "":
			fs = append(fs, Finding{"dependencies", doc, mod + " has no row", why})
		default:
			fs = append(fs, Finding{"dependencies", doc, fmt.Sprintf("%s is at %s, not %s", mod, versions[mod], rows[mod]), why})
		}
	}
	for _, mod := range sortedKeys(rows) {
		if !used[mod] && !apart[[2]string{mod, rows[mod]}] {
			fs = append(fs, Finding{"dependencies", doc, mod + " has a row and is not imported", why})
		}
	}
	return fs
}

// Named finds tests that the documents point to and that are not there.
func Named(t *Tree) []Finding {
	tests := make(map[string]bool)
	for _, f := range t.Files {
		for _, d := range f.AST.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.Test {
				tests[fn.Name.Name] = true
			}
		}
	}
	var fs []Finding
	for _, p := range sortedKeys(t.Texts) {
		if path.Ext(p) != ".md" {
			continue
		}
		for _, m := range regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9]*)`").FindAllStringSubmatch(string(t.Texts[p]), -1) {
			if !tests[m[1]] {
				fs = append(fs, Finding{"named tests", p, m[1] + " is no test", "a document says what is proved, and by what"})
			}
		}
	}
	return fs
}

// requires reads the module versions of a go.mod.
func requires(gomod []byte) map[string]string {
	m := make(map[string]string)
	for line := range strings.Lines(string(gomod)) {
		f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(f) >= 2 && strings.Contains(f[0], ".") && strings.HasPrefix(f[1], "v") {
			m[f[0]] = f[1]
		}
	}
	return m
}

// moduleOf returns the longest required module that holds an import, or "".
func moduleOf(imp string, versions map[string]string) string {
	for p := imp; p != "."; p = path.Dir(p) {
		if _, ok := versions[p]; ok {
			return p
		}
	}
	return ""
}
