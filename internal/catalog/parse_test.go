// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/catalog"
)

func TestParseLabelsRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, src string
		want      []string // parts of the problems, all of them at once
	}{
		{"empty", "", []string{"f:"}},
		{"no version", "columns: {}\n", []string{"f:1: version is missing"}},
		{"other version", "version: 2\n", []string{"f:1: version must be 1"}},
		{"not a mapping", "- a\n", []string{"f:1: the file must be a mapping", "f:1: version is missing"}},
		{"unknown keys", "version: 1\ncolumn: {}\nfunctions: {impure: []}\n", []string{`f:2: unknown key "column"`, `f:3: unknown key "impure"`}},
		{"repeated keys", "version: 1\ncolumns:\n  a.b.c: x\n  a.b.c: y\n  '\"a\".b.c': z\n", []string{`f:4: the key "a.b.c" stands in line 3`, `f:5: a.b.c stands in line 3`}},
		{
			"names", "version: 1\ncolumns:\n  a.b: x\n  a.b.c.d: x\n  a..c: x\n  'a.b.\"c': x\n  'a b.c.d': x\n",
			[]string{"f:3:", "f:4:", "f:5:", "f:6:", "f:7:"},
		},
		{
			"labels", "version: 1\ncolumns:\n  a.b.c: PHI\n  a.b.d: phi..x\n  a.b.e: [x, 'y z']\n  a.b.f: {x: y}\n  a.b.g: []\n  a.b.h:\n  a.b.i: " + strings.Repeat("x", 65) + "\n",
			[]string{"f:3:", "f:4:", "f:5:", "f:6:", "f:7: a.b.g has no label", "f:8:", "f:9:"},
		},
		{
			"functions", "version: 1\nfunctions:\n  pure: [a.b, 'a.b(', 'b(x)', 'a.b(x,)', 'a.b(int)', 'a.b(int4)']\n",
			[]string{`"a.b" is not`, `"a.b(" is not`, `"b(x)" is not`, `"a.b(x,)" is not`, `a.b(integer) stands in line 3`},
		},
		{"pure is no list", "version: 1\nfunctions:\n  pure: a.b(x)\n", []string{"f:3: pure must be a list"}},
		{"alias", "version: 1\ncolumns: &a\n  a.b.c: x\nfunctions: *a\n", []string{"f:4: functions must be a mapping"}},
		{"not YAML", "version: [\n", []string{"f:"}},
		{"two documents", "version: 1\n---\nversion: 1\n", []string{"f:"}},
		{"too large", "version: 1 #" + strings.Repeat("x", 16<<20), []string{"f:1: the file is larger"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l, err := catalog.ParseLabels("f", []byte(tc.src))
			if wantKind(t, err, sallyport.Invalid); l != nil || err == nil {
				t.Fatal("parsed")
			}
			lines := strings.Split(err.Error(), "\n")
			if tc.want[0] != "f:" && len(lines) != len(tc.want) {
				t.Errorf("problems %q, want %d", lines, len(tc.want))
			}
			for i, want := range tc.want {
				if i < len(lines) && !strings.Contains(lines[i], want) {
					t.Errorf("problem %q, want %q", lines[i], want)
				}
			}
		})
	}
	for _, ok := range []string{"version: 1\n", "version: 1\ncolumns:\nfunctions:\n", "version: 1\ncolumns: {a.b.c: phi.x-1_y}\nfunctions: {pure: []}\n"} {
		if _, err := catalog.ParseLabels("f", []byte(ok)); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
}

func TestEach(t *testing.T) {
	t.Parallel()
	l, err := catalog.ParseLabels("f", []byte("version: 1\ncolumns:\n  a.b.*: x\n  a.b.\"c.d\": [y, z]\n  a.b.\"*\": w\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	l.Each(func(schema, table, column string, labels []sallyport.Label) {
		got[schema+"/"+table+"/"+column] = fmt.Sprint(labels)
	})
	if want := map[string]string{"a/b/": "[x]", "a/b/c.d": "[y z]", "a/b/*": "[w]"}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func FuzzParseLabels(f *testing.F) {
	f.Add([]byte("version: 1\ncolumns:\n  public.patients.ssn: phi.ssn\n  'a.\"b.c\".*': [x, y]\nfunctions:\n  pure: [\"public.f(text, int)\"]\n"))
	f.Add([]byte("version: 1\ncolumns: &a {a.b.c: *a}\n"))
	f.Add([]byte("version: 1\ncolumns:\n  'a.b.\"c\"\"d\"': x\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		l, err := catalog.ParseLabels("f", src)
		if (l == nil) == (err == nil) {
			t.Fatalf("%v, %v", l, err)
		}
		if err != nil {
			wantKind(t, err, sallyport.Invalid)
		}
	})
}

func TestFileState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := catalog.FileState{Path: filepath.Join(dir, "labels.json")}
	m, err := s.Load(t.Context())
	if err != nil || !cmp.Equal(m, catalog.Memory{}) {
		t.Fatalf("without a file: %+v, %v", m, err)
	}
	want := catalog.Memory{
		Database:  "16384/clinic",
		Columns:   []catalog.RememberedColumn{{OID: 4294967295, Attnum: 3, Schema: "public", Table: "a", Column: "b", Labels: []sallyport.Label{"phi.x"}}},
		Functions: []catalog.RememberedFunction{{OID: 16390, Body: "d41d8cd98f00b204e9800998ecf8427e"}},
	}
	for range 2 {
		if err := s.Save(t.Context(), want); err != nil {
			t.Fatal(err)
		}
	}
	if m, err = s.Load(t.Context()); err != nil || !cmp.Equal(m, want) {
		t.Errorf("loaded %+v, %v", m, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("left in the directory: %v, %v", files, err)
	}
	if err := os.WriteFile(s.Path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context()); err == nil {
		t.Error("a broken file was loaded")
	}
	if err := (catalog.FileState{Path: filepath.Join(dir, "none", "x")}).Save(t.Context(), want); err == nil {
		t.Error("saved into a directory that does not exist")
	}
	if err := (catalog.FileState{Path: dir}).Save(t.Context(), want); err == nil {
		t.Error("saved over a directory")
	}
}
