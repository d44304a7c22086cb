// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"
	"strings"
)

// layer is one tier of docs/ARCHITECTURE.md. A package imports its own tier and
// those before it.
type layer struct {
	dirs []string
	why  string
}

// layers from the one that everything may import to the one that nothing may.
// The root package is before the first.
func layers() []layer {
	return []layer{
		{
			[]string{
				"evidence", "internal/wire", "internal/analyze", "internal/policy", "internal/mask", "internal/ledger",
				"internal/demo/pgcluster",
			},
			"these know bytes, text and rules; they have to be checkable without anything around them",
		},
		{
			[]string{
				"internal/identity", "internal/grant", "internal/vault", "internal/record", "internal/catalog",
				"internal/store", "internal/blob", "internal/derived", "internal/cloudkms", "internal/googleauth", "internal/detector", "internal/witness",
				"internal/disclosure", "internal/sidecar",
				"internal/analyze/googlesql/lineage", // owns a process
			},
			"these know one part of the domain each, and nothing of sessions",
		},
		{
			[]string{"internal/session", "internal/export", "internal/retention", "internal/ship"},
			"the session engine is the only package that sequences the steps",
		},
		{
			[]string{"internal/httpgate", "internal/terminal", "internal/door"},
			"they find sessions for requests and carry the streams of programs, and leave what they mean to connectors",
		},
		{
			[]string{"internal/connector"},
			"connectors only speak a protocol; they do not decide, mask, record or hold",
		},
		{
			[]string{"internal/config", "internal/telemetry", "internal/server", "internal/cli", "internal/demo"},
			"these put the parts together",
		},
		{[]string{"cmd"}, "a command is wiring"},
	}
}

// outside are the directories that the layers do not govern: they may import
// everything, and nothing of the product may import them.
func outside() []string { return []string{"test", "tools", "internal/lint"} }

// ban forbids imports to packages.
type ban struct {
	dirs    []string // importers, with what lies below
	imports []string // import paths; a trailing "/..." takes in what lies below
	except  []string // importers exempt
	why     string
}

func bans() []ban {
	return []ban{
		{
			dirs:    []string{"", "internal/wire", "internal/analyze", "internal/policy", "internal/mask", "internal/export/ocsf", "internal/ship/verify"},
			imports: []string{"net", "net/http/...", "os/...", "database/sql/...", "log/slog", "syscall"},
			except:  []string{"internal/analyze/googlesql/lineage"}, // starts the analyser, which is a process
			why:     "a pure package cannot leak PHI and is tested and fuzzed without a world around it",
		},
		{
			dirs:    []string{"cmd", "internal", "evidence", ""},
			imports: []string{"log", "math/rand", "io/ioutil"},
			why:     "log/slog through an injected logger, an injected source of randomness, io and os",
		},
		{
			dirs:    []string{"cmd", "internal", "evidence", ""},
			imports: []string{"testing/...", "github.com/google/go-cmp/...", "go.uber.org/goleak", "pgregory.net/rapid"},
			except:  append([]string{"internal/lint"}, suites...),
			why:     "test support is not linked into the product",
		},
		{
			dirs:    []string{"cmd", "internal", "evidence", ""},
			imports: []string{Module + "/test/...", Module + "/internal/lint", Module + "/tools/..."},
			why:     "the product does not import its tests and tools",
		},
	}
}

// inScope is anyUnder, except that "" means the root package alone.
func inScope(pkg string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool {
		if d == "" {
			return pkg == ""
		}
		return under(pkg, d)
	})
}

func matches(imp, pattern string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/..."); ok {
		return under(imp, dir)
	}
	return imp == pattern
}

// Directions checks who imports whom.
func Directions(t *Tree) []Finding {
	var fs []Finding
	unknown := make(map[string]bool)
	for _, f := range t.Files {
		if anyUnder(f.Pkg, outside()) {
			continue
		}
		rank, _ := rankOf(f.Pkg)
		if rank < 0 && !unknown[f.Pkg] {
			unknown[f.Pkg] = true
			fs = append(fs, Finding{"directions", f.Pkg, "the package has no layer", "every package has a place in internal/lint/layers.go"})
		}
		for _, spec := range f.AST.Imports {
			imp := importPath(spec)
			for _, b := range bans() {
				if f.Test || !inScope(f.Pkg, b.dirs) || anyUnder(f.Pkg, b.except) {
					continue
				}
				if slices.ContainsFunc(b.imports, func(p string) bool { return matches(imp, p) }) {
					fs = append(fs, Finding{"directions", t.pos(spec.Pos()), "imports " + imp, b.why})
				}
			}
			if dir, ok := own(imp); ok && !f.Test && rank >= 0 {
				fs = append(fs, direction(t.pos(spec.Pos()), f.Pkg, dir, rank)...)
			}
		}
	}
	return fs
}

// direction checks one import of a package of ours.
func direction(pos, from, to string, rank int) []Finding {
	var fs []Finding
	toRank, why := rankOf(to)
	if toRank > rank {
		_, why = rankOf(from)
		fs = append(fs, Finding{"directions", pos, fmt.Sprintf("imports %s, which is of a later layer", to), why})
	}
	a, b := connectorOf(from), connectorOf(to)
	if a != "" && b != "" && a != b && b != "connectortest" {
		fs = append(fs, Finding{"directions", pos, fmt.Sprintf("connector %s imports connector %s", a, b), "what two connectors share belongs into the session engine or a codec; " + why})
	}
	return fs
}

// rankOf returns the place of a package's layer, from 0 for the root package,
// and the layer's reason; -1 when it has none. The longest directory counts.
func rankOf(pkg string) (int, string) {
	if pkg == "" {
		return 0, "the vocabulary depends on nothing, so that everything can depend on it"
	}
	rank, why, length := -1, "", 0
	for i, l := range layers() {
		for _, d := range l.dirs {
			if under(pkg, d) && len(d) > length {
				rank, why, length = i+1, l.why, len(d)
			}
		}
	}
	return rank, why
}

// connectorOf returns the connector that a package belongs to, or "".
func connectorOf(pkg string) string {
	rest, ok := strings.CutPrefix(pkg, "internal/connector/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}
