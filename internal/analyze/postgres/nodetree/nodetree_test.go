// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package nodetree_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/analyze/postgres/nodetree"
)

func TestParse(t *testing.T) {
	t.Parallel()
	atom := func(s string) nodetree.Value { return nodetree.Value{Kind: nodetree.Atom, Text: s} }
	field := func(name string, v nodetree.Value) nodetree.Field { return nodetree.Field{Name: name, Value: v} }
	node := func(name string, f ...nodetree.Field) nodetree.Value {
		return nodetree.Value{Kind: nodetree.Object, Node: &nodetree.Node{Name: name, Fields: f}}
	}
	for _, c := range []struct {
		name, in string
		want     nodetree.Value
	}{
		{"null", "<>", nodetree.Value{}},
		{"node", "{A :x 1 :y <> :z true}", node("A", field("x", atom("1")), field("y", nodetree.Value{}), field("z", atom("true")))},
		{"line ends", "{A\n:x\n1}", node("A", field("x", atom("1")))},
		{"escaped", `{A :x a\ b\(\)\\}`, node("A", field("x", atom(`a b()\`)))},
		{"escaped null is a name", `{A :x \<>}`, node("A", field("x", atom("<>")))},
		{"numbers", "{A :x (i 1 -2) :y (b) :z (o 5)}", node("A",
			field("x", nodetree.Value{Kind: nodetree.List, Tag: 'i', Items: []nodetree.Value{atom("1"), atom("-2")}}),
			field("y", nodetree.Value{Kind: nodetree.List, Tag: 'b'}),
			field("z", nodetree.Value{Kind: nodetree.List, Tag: 'o', Items: []nodetree.Value{atom("5")}}))},
		{"list of nodes", "({A :x 1} {B :y 2})", nodetree.Value{Kind: nodetree.List, Items: []nodetree.Value{
			node("A", field("x", atom("1"))), node("B", field("y", atom("2"))),
		}}},
		{"strings", `{A :x ("id" "a\ b" "" "b")}`, node("A", field("x", nodetree.Value{Kind: nodetree.List, Items: []nodetree.Value{
			{Kind: nodetree.String, Text: "id"}, {Kind: nodetree.String, Text: "a b"}, {Kind: nodetree.String}, {Kind: nodetree.String, Text: "b"},
		}}))},
		{"datum", "{C :constvalue 4 [ 1 0 -1 0 ] :x 1}", node("C", field("constvalue", nodetree.Value{Kind: nodetree.Bytes}), field("x", atom("1")))},
		{"null datum", "{C :constvalue <>}", node("C", field("constvalue", nodetree.Value{}))},
		{"brackets in a name", `{A :x [ :y ]}`, node("A", field("x", atom("[")), field("y", atom("]")))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := nodetree.Parse(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 80)
	for name, in := range map[string]string{
		"empty":              "",
		"open node":          "{A :x 1",
		"open list":          "(1 2",
		"stray bracket":      "{A :x )}",
		"trailing":           "{A :x 1} {B}",
		"two values":         "{A :x 1 2}",
		"injected node":      "{A :x 1 {B :y 2} :z 3}",
		"no value":           "{A :x :y 1}",
		"field twice":        "{A :x 1 :x 2}",
		"no field name":      "{A : 1}",
		"odd field name":     "{A :a\\ b 1}",
		"open string":        `("a)`,
		"letters in numbers": "(i 1 a)",
		"node in numbers":    "(o {A :x 1})",
		"datum":              "{C :constvalue 4 1 2}",
		"open datum":         "{C :constvalue 4 [ 1 2",
		"datum letters":      "{C :constvalue 4 [ 1 a ]}",
		"broken word":        "{A :x\n" + long[:78] + "\n:y 1}",
		// The break may stand between a backslash and its bracket.
		"broken escape": "{A :x\n" + strings.Repeat("y", 77) + "\\\n(}",
		// An escaped line break may be no line end at all, so that the line began before it.
		"hidden line start": "{A :x\n\\\n" + long[:76] + "\n:y 1}",
		"many line breaks":  "{A :x " + strings.Repeat("\\\n", 40) + "}",
		"deep":              strings.Repeat("(", nodetree.MaxDepth+2),
		"large":             strings.Repeat(" ", nodetree.MaxBytes) + "<>",
	} {
		if v, err := nodetree.Parse(in); !errors.Is(err, nodetree.ErrSyntax) {
			t.Errorf("%s: %v %v", name, v.Kind, err)
		}
	}
}

func TestAppendKey(t *testing.T) {
	t.Parallel()
	key := func(s string) string {
		t.Helper()
		k, ok := nodetree.AppendKey(nil, []byte(s))
		if !ok {
			t.Fatalf("no key for %q", s)
		}
		return string(k)
	}
	const base = "{C :consttype 23 :constisnull false :location 12 :constvalue 4 [ 1 0 0 0 ]} {V :varno 1 :location 3}"
	for name, same := range map[string]string{
		"value":    strings.Replace(base, "1 0 0 0", "9 9 9 9 9 -9", 1),
		"length":   strings.Replace(base, "4 [", "77 [", 1),
		"location": strings.Replace(base, "12", "-1", 1),
		"lines":    strings.ReplaceAll(base, " :", "\n:"),
	} {
		if key(same) != key(base) {
			t.Errorf("%s changes the key", name)
		}
	}
	for name, other := range map[string]string{
		"type":   strings.Replace(base, "23", "25", 1),
		"column": strings.Replace(base, "varno 1", "varno 2", 1),
		"name":   strings.Replace(base, "{V", "{W", 1),
		"null":   strings.Replace(base, "constisnull false", "constisnull true", 1),
	} {
		if key(other) == key(base) {
			t.Errorf("%s does not change the key", name)
		}
	}
	if key(`{A :x a\ :location\ 1}`) == key(`{A :x a\ :location\ 2}`) {
		t.Error("a name that looks like a field was left out")
	}
	for _, bad := range []string{"{A :constvalue x}", "{A :location (1)}", "{A :constvalue 4 [ 1", `{A \`, strings.Repeat("x", 78) + "\n"} {
		if _, ok := nodetree.AppendKey(nil, []byte(bad)); ok {
			t.Errorf("%q has a key", bad)
		}
	}
}

// trees returns real trees of every release.
func trees(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../testdata/trees/*.tree")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d trees, %v", len(files), err)
	}
	var out []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	return out
}

func FuzzParse(f *testing.F) {
	for _, tree := range trees(f) {
		f.Add(tree)
	}
	f.Add("{A :x\n\\\n(i 1) :constvalue 1 [ 2 ]}")
	f.Fuzz(func(t *testing.T, tree string) {
		v, err := nodetree.Parse(tree)
		key, ok := nodetree.AppendKey(nil, []byte(tree))
		if ok && len(key) > len(tree)+len(tree)/2+16 {
			t.Errorf("the key of %d bytes has %d", len(tree), len(key))
		}
		if err != nil || !ok {
			return
		}
		// The key alone tells all of the tree but what was left out.
		again, err := nodetree.Parse(restore(string(key)))
		if err != nil {
			t.Fatalf("the key of a readable tree is not readable: %v", err)
		}
		if want, got := blank(v), blank(again); !reflect.DeepEqual(want, got) {
			t.Error(cmp.Diff(want, got))
		}
	})
}

// leftOut matches what a key writes in place of a value.
var leftOut = regexp.MustCompile(`(^|[^\\])( :(?:location|constvalue|stmt_location|stmt_len|list_start|list_end))\?`)

func restore(key string) string {
	for range 2 { // matches may touch
		key = leftOut.ReplaceAllString(key, "$1$2 <>")
	}
	return key
}

// blank removes from a tree what a key leaves out.
func blank(v nodetree.Value) nodetree.Value {
	v.Text = strings.ReplaceAll(v.Text, "\n", " ")
	v.Items = slices.Clone(v.Items)
	for i := range v.Items {
		v.Items[i] = blank(v.Items[i])
	}
	if v.Node == nil {
		return v
	}
	n := &nodetree.Node{Name: strings.ReplaceAll(v.Node.Name, "\n", " ")}
	for _, f := range v.Node.Fields {
		switch f.Name {
		case "location", "constvalue", "stmt_location", "stmt_len", "list_start", "list_end":
			f.Value = nodetree.Value{}
		}
		n.Fields = append(n.Fields, nodetree.Field{Name: f.Name, Value: blank(f.Value)})
	}
	v.Node = n
	return v
}
