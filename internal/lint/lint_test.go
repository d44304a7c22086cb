// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lint_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/lint"
)

const root = "../.."

type rule struct {
	name  string
	check func(*lint.Tree) []lint.Finding
}

func rules() []rule {
	return []rule{
		{"directions", lint.Directions},
		{"calls", lint.Calls},
		{"skips", lint.Skips},
		{"state", lint.State},
		{"lengths", lint.Lengths},
		{"headers", lint.Headers},
		{"docs", lint.Docs},
		{"traces", lint.Traces},
		{"fuzzed", lint.Fuzzed},
		{"dependencies", lint.Dependencies},
		{"named tests", lint.Named},
	}
}

// TestHouseRules holds the whole tree to them.
func TestHouseRules(t *testing.T) {
	t.Parallel()
	tree, err := lint.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Files) < 20 {
		t.Fatalf("only %d Go files found below %s", len(tree.Files), root)
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			for _, f := range r.check(tree) {
				t.Error(f)
			}
		})
	}
}

// TestLinked holds packages to what they may be built from.
func TestLinked(t *testing.T) {
	t.Parallel()
	findings, err := lint.Linked(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

const header = "// Copyright The Sallyport Authors\n// SPDX-License-Identifier: Apache-2.0\n\n"

// TestRulesFindWhatTheyForbid breaks each rule in a tree of one or two files; a
// rule that finds nothing there would find nothing anywhere.
func TestRulesFindWhatTheyForbid(t *testing.T) {
	t.Parallel()
	imports := func(pkg string, paths ...string) string {
		return "package " + pkg + "\nimport (\n_ \"" + strings.Join(paths, "\"\n_ \"") + "\"\n)\n"
	}
	const mod = lint.Module
	for _, tt := range []struct {
		name  string
		check func(*lint.Tree) []lint.Finding
		files map[string]string
		want  string // part of the only finding; empty when none is wanted
	}{
		{"later layer", lint.Directions, map[string]string{"internal/policy/p.go": imports("policy", mod+"/internal/session")}, "later layer"},
		{"earlier layer", lint.Directions, map[string]string{"internal/session/s.go": imports("session", mod+"/internal/policy", mod)}, ""},
		{"connector to connector", lint.Directions, map[string]string{"internal/connector/ssh/s.go": imports("ssh", mod+"/internal/connector/postgres")}, "connector ssh imports connector postgres"},
		{"inside a connector", lint.Directions, map[string]string{"internal/connector/ssh/s.go": imports("ssh", mod+"/internal/connector/ssh/sftp")}, ""},
		{"pure package", lint.Directions, map[string]string{"internal/mask/fhir/m.go": imports("fhir", "net/http")}, "a pure package cannot leak"},
		{"pure package's test", lint.Directions, map[string]string{"internal/mask/m_test.go": imports("mask_test", "net/http")}, ""},
		{"vocabulary", lint.Directions, map[string]string{"s.go": imports("sallyport", mod+"/evidence")}, "the vocabulary depends on nothing"},
		{"unknown package", lint.Directions, map[string]string{"internal/stuff/s.go": "package stuff\n"}, "has no layer"},
		{"test support in the product", lint.Directions, map[string]string{"internal/session/s.go": imports("session", mod+"/test/pgtest")}, "does not import its tests"},

		{"clock", lint.Calls, map[string]string{"internal/grant/g.go": "package grant\nimport \"time\"\nvar _ = time.Now()\n"}, "uses time.Now"},
		{"clock injected", lint.Calls, map[string]string{"internal/grant/g.go": "package grant\nimport \"time\"\nvar _ = time.Now\n"}, ""},
		{"clock under another name", lint.Calls, map[string]string{"internal/grant/g.go": "package grant\nimport t \"time\"\nfunc f() { _ = t.Now() }\n"}, "uses t.Now"},
		{"clock in main", lint.Calls, map[string]string{"cmd/sallyport/main.go": "package main\nimport \"time\"\nvar _ = time.Now()\n"}, ""},
		{"hidden import", lint.Calls, map[string]string{"internal/grant/g.go": "package grant\nimport \"time\"\nfunc f(time interface{ Now() }) { time.Now() }\nvar _ time.Time\n"}, ""},
		{"context", lint.Calls, map[string]string{"internal/grant/g.go": "package grant\nimport \"context\"\nfunc f() { _ = context.Background() }\n"}, "uses context.Background"},
		{"print", lint.Calls, map[string]string{"internal/cli/c.go": "package cli\nimport \"fmt\"\nfunc f() { fmt.Println() }\n"}, "uses fmt.Println"},
		{"exit", lint.Calls, map[string]string{"internal/cli/c.go": "package cli\nimport \"os\"\nfunc f() { os.Exit(1) }\n"}, "uses os.Exit"},
		{"panic", lint.Calls, map[string]string{"internal/cli/c.go": "package cli\nfunc f() { panic(1) }\n"}, "panics"},
		{"init", lint.Calls, map[string]string{"internal/cli/c.go": "package cli\nfunc init() {}\n"}, "declares init"},
		{"raw data", lint.Calls, map[string]string{"internal/session/s.go": "package session\nimport \"" + mod + "/internal/mask\"\nvar _ = mask.FromUpstream\n"}, "uses mask.FromUpstream"},
		{"raw data in a connector", lint.Calls, map[string]string{"internal/connector/postgres/s.go": "package postgres\nimport \"" + mod + "/internal/mask\"\nvar _ = mask.FromUpstream\n"}, ""},

		{"skip", lint.Skips, map[string]string{"internal/cli/c_test.go": "package cli\nimport \"testing\"\nfunc TestX(t *testing.T) { t.Skip() }\n"}, "calls Skip"},
		{"short", lint.Skips, map[string]string{"internal/cli/c_test.go": "package cli\nimport \"testing\"\nfunc TestX(t *testing.T) { _ = testing.Short() }\n"}, "calls Short"},

		{"variable without value", lint.State, map[string]string{"internal/cli/c.go": "package cli\nvar n int\n"}, "has no value"},
		{"map", lint.State, map[string]string{"internal/cli/c.go": "package cli\nvar m = make(map[int]int)\n"}, "made to be filled"},
		{"pool", lint.State, map[string]string{"internal/cli/c.go": "package cli\nimport \"sync\"\nvar p = sync.Pool{}\n"}, "exists to change"},
		{"assigned in another file", lint.State, map[string]string{"internal/cli/a.go": "package cli\nvar n = 1\n", "internal/cli/b.go": "package cli\nfunc f() { n++ }\n"}, "changes n"},
		{"element assigned", lint.State, map[string]string{"internal/cli/a.go": "package cli\nvar n = []int{1}\nfunc f() { n[0] = 2 }\n"}, "changes n"},
		{"local of the same name", lint.State, map[string]string{"internal/cli/a.go": "package cli\nvar n = 1\nfunc f() { n := 2; n++ }\n"}, ""},
		{"error and table", lint.State, map[string]string{"internal/cli/a.go": "package cli\nimport \"errors\"\nvar errX = errors.New(\"x\")\nvar t = [...]int{1}\nvar _ error = errX\n"}, ""},

		{"long function", lint.Lengths, map[string]string{"internal/cli/a.go": "package cli\nfunc f() {\n" + strings.Repeat("\n", 100) + "}\n" + strings.Repeat("func g() {}\n", 10)}, "f has 102 lines"},
		{"long file", lint.Lengths, map[string]string{"internal/cli/a.go": "package cli\n" + strings.Repeat("\n", 800), "internal/cli/b.go": "package cli\n"}, "801 lines"},

		{"no header", lint.Headers, map[string]string{"internal/cli/a.go": "package cli\n"}, "licence header"},
		{"header", lint.Headers, map[string]string{"internal/cli/a.go": header + "package cli\n", "test/run": "#!/bin/sh\n# Copyright The Sallyport Authors\n# SPDX-License-Identifier: Apache-2.0\n"}, ""},
		{"script without", lint.Headers, map[string]string{"test/run": "#!/bin/sh\ntrue\n"}, "licence header"},

		{"no package comment", lint.Docs, map[string]string{"internal/cli/a.go": "package cli\n"}, "no doc comment"},
		{"no comment", lint.Docs, map[string]string{"internal/cli/a.go": "// Package cli.\npackage cli\nfunc F() {}\ntype t struct{}\nfunc (t) M() {}\n"}, "1 of 1 have no comment"},
		{"group comment", lint.Docs, map[string]string{"internal/cli/a.go": "// Package cli.\npackage cli\n// Both.\nconst (\nA = 1\nB = 2\n)\n"}, ""},

		{"machine path", lint.Traces, map[string]string{"docs/a.md": "see /ho" + "me/me/x\n"}, "path of somebody's machine"},
		{"not a machine path", lint.Traces, map[string]string{"docs/a.md": "see https://example.org/work/x and a/home/b\n"}, ""},
		{"registry", lint.Traces, map[string]string{"package-lock.json": `"resol` + `ved": "https://example.org/x.tgz"` + "\n"}, "set to fetch them"},
		{"unfinished", lint.Traces, map[string]string{"docs/a.md": "TO" + "DO: x\n"}, "belongs into an issue"},

		{"test of no name", lint.Named, map[string]string{"docs/a.md": "`TestX` and `TestY` and `Testing`\n", "a_test.go": "package a\nfunc TestX() {}\n"}, "TestY is no test"},

		{"dependency without row", lint.Dependencies, map[string]string{
			"go.mod": "module x\nrequire (\n\texample.org/a/v2 v2.0.1\n)\n", "a.go": imports("a", "example.org/a/v2/b"), "docs/dependencies.md": "",
		}, "example.org/a/v2 has no row"},
		{"dependency at another version", lint.Dependencies, map[string]string{
			"go.mod": "module x\nrequire example.org/a v1.0.1\n", "a.go": imports("a", "example.org/a"), "docs/dependencies.md": "| `example.org/a` | v1.0.0 | MIT |\n",
		}, "is at v1.0.1, not v1.0.0"},
		{"row without dependency", lint.Dependencies, map[string]string{"go.mod": "module x\n", "docs/dependencies.md": "| `example.org/a` | v1.0.0 | MIT |\n"}, "is not imported"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := tt.check(load(t, tt.files))
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("got %v, want nothing", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0].String(), tt.want)):
				t.Errorf("got %v, want one with %q", got, tt.want)
			}
		})
	}
}

// TestFuzzedFindsPackagesWithoutTarget is apart because its list is fixed.
func TestFuzzedFindsPackagesWithoutTarget(t *testing.T) {
	t.Parallel()
	without := lint.Fuzzed(load(t, nil))
	with := lint.Fuzzed(load(t, map[string]string{"internal/config/c_test.go": "package config\nimport \"testing\"\nfunc FuzzX(*testing.F) {}\n"}))
	if len(without) == 0 || len(with) != len(without)-1 {
		t.Errorf("%d findings without a target, %d with one", len(without), len(with))
	}
}

func load(t *testing.T, files map[string]string) *lint.Tree {
	t.Helper()
	dir := t.TempDir()
	for name, src := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := lint.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
