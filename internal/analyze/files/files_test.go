// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"fmt"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/files"
)

func layout(t testing.TB, judge bool) *files.Layout {
	t.Helper()
	l, err := files.NewLayout(files.Options{Root: "/", Judge: judge, Prefixes: []files.Prefix{
		{Prefix: "/srv/data", Labels: []sallyport.Label{"phi"}},
		{Prefix: "/srv/data/public", Labels: []sallyport.Label{"public"}, Plain: true},
		{Prefix: "/srv/drop", Labels: []sallyport.Label{"phi.note"}, Plain: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// shape writes down what a test compares.
func shape(st *sallyport.Statement) string {
	if st.Refused != "" {
		return "refused: " + st.Refused
	}
	var b strings.Builder
	b.WriteString(st.Readable)
	for _, a := range st.Accesses {
		fmt.Fprintf(&b, "; %s %s", a.Effect, a.Object.Name())
	}
	for _, o := range st.Outputs {
		fmt.Fprintf(&b, "; shows %s %v", o.Sources[0].Object.Name(), o.Sources[0].Labels)
	}
	for _, f := range st.Flows {
		fmt.Fprintf(&b, "; %s%v to %s%v", f.Sources[0].Object.Name(), f.Sources[0].Labels, f.Target.Object.Name(), f.Target.Labels)
	}
	return b.String()
}

func TestStatement(t *testing.T) {
	t.Parallel()
	l := layout(t, false)
	for _, tc := range []struct {
		op    files.Op
		paths string
		want  string
	}{
		{files.Get, "/srv/data/quill.csv", "files.get /srv/data/*; read h/srv/data/*; shows h/srv/data/*/body [phi]"},
		{files.Get, "/srv/data/public/a.csv", "files.get /srv/data/public/a.csv; read h/srv/data/public/a.csv; shows h/srv/data/public/a.csv/body [public]"},
		{files.Get, "/srv/data/public/l /srv/data/x", "files.get /srv/data/public/l is /srv/data/*; read h/srv/data/public/l; read h/srv/data/*; shows h/srv/data/public/l/body [public]; shows h/srv/data/*/body [phi]"},
		{files.Get, "/srv/data/l /srv/data/x", "files.get /srv/data/*; read h/srv/data/*; shows h/srv/data/*/body [phi]"},
		{files.Get, "/srv/database", "refused: the resource has no such path"},
		{files.Get, "/srv/data/l /etc/shadow", "refused: the resource has no such path"},
		{files.Get, "/srv/data/../x", "refused: the path is none that can be judged"},
		{files.Get, "srv/data", "refused: the path is none that can be judged"},
		{files.Get, "", "refused: the path is none that can be judged"},
		{files.OpUnknown, "/srv/data/x", "refused: the operation is not known"},
		{files.List, "/", "files.list /; read h; shows h/body []"},
		{files.List, "/srv", "files.list /srv; read h/srv; shows h/srv/body []; shows h/srv/data/body [phi]; shows h/srv/drop/body [phi.note]"},
		{files.List, "/srv/data", "files.list /srv/data; read h/srv/data; shows h/srv/data/body [phi]; shows h/srv/data/public/body [public]"},
		{files.Stat, "/srv/data/x/y", "files.stat /srv/data/*; read h/srv/data/*; shows h/srv/data/*/body [phi]"},
		{files.Readlink, "/srv/data/l", "files.readlink /srv/data/*; read h/srv/data/*; shows h/srv/data/*/body [phi]"},
		{files.Put, "/srv/drop/n.txt", "files.put /srv/drop/n.txt; write h/srv/drop/n.txt"},
		{files.Edit, "/srv/drop/n.txt", "files.edit /srv/drop/n.txt; read h/srv/drop/n.txt; write h/srv/drop/n.txt; shows h/srv/drop/n.txt/body [phi.note]"},
		{files.Remove, "/srv/drop/n.txt", "files.remove /srv/drop/n.txt; delete h/srv/drop/n.txt"},
		{files.Mkdir, "/srv/drop/n", "files.mkdir /srv/drop/n; define h/srv/drop/n"},
		{files.Own, "/srv/drop/n", "files.own /srv/drop/n; administer h/srv/drop/n"},
		{
			files.Rename, "/srv/drop/a /srv/data/public/b",
			"files.rename /srv/drop/a to /srv/data/public/b; read h/srv/drop/a; delete h/srv/drop/a; define h/srv/drop/a; write h/srv/data/public/b; define h/srv/data/public/b; h/srv/drop/a/body[phi.note] to h/srv/data/public/b/body[public]",
		},
		{
			files.Rename, "/srv/data /srv/drop/b",
			"files.rename /srv/data to /srv/drop/b; read h/srv/data; delete h/srv/data; define h/srv/data; write h/srv/drop/b; define h/srv/drop/b; read h/srv/data/public; delete h/srv/data/public; define h/srv/data/public" +
				"; h/srv/data/body[phi] to h/srv/drop/b/body[phi.note]; h/srv/data/public/body[public] to h/srv/drop/b/body[phi.note]",
		},
		{ // what comes to lie in public has the labels of where it was
			files.Rename, "/srv/drop/b /srv/data",
			"files.rename /srv/drop/b to /srv/data; read h/srv/drop/b; delete h/srv/drop/b; define h/srv/drop/b; write h/srv/data; define h/srv/data; write h/srv/data/public; define h/srv/data/public" +
				"; h/srv/drop/b/body[phi.note] to h/srv/data/body[phi]; h/srv/drop/b/public/body[phi.note] to h/srv/data/public/body[public]",
		},
		{files.Rename, "/srv/drop/a", "refused: the operation is not known"},
		{
			files.Symlink, "/srv/data/x /srv/drop/l",
			"files.symlink /srv/data/* to /srv/drop/l; read h/srv/data/*; define h/srv/drop/l; h/srv/data/*/body[phi] to h/srv/drop/l/body[phi.note]",
		},
		{
			files.GetTree, "/srv/data",
			"files.get-tree /srv/data; read h/srv/data; read h/srv/data/public; shows h/srv/data/body [phi]; shows h/srv/data/public/body [public]",
		},
	} {
		if got := shape(l.Statement("h", tc.op, strings.Split(tc.paths, " ")...)); got != tc.want {
			t.Errorf("%d %s:\n got %s\nwant %s", tc.op, tc.paths, got, tc.want)
		}
	}
	if got := shape(layout(t, true).Statement("h", files.Get, "/etc/hosts")); got != "files.get /*; read h/*; shows h/*/body []" {
		t.Errorf("an unlisted path that is judged: %s", got)
	}
}

func TestEntries(t *testing.T) {
	t.Parallel()
	l := layout(t, false)
	st := l.Statement("h", files.List, "/srv/data")
	for _, tc := range []struct {
		dir, name      string
		output         int
		plain, visible bool
	}{
		{"/srv/data", "quill.csv", 0, false, true}, {"/srv/data", "public", 1, true, true}, {"/", "etc", -1, false, false}, {"/", "srv", -1, true, true},
	} {
		child := strings.TrimSuffix(tc.dir, "/") + "/" + tc.name
		if o, p, v := l.Output("h", st, tc.dir, tc.name), l.Plain(child), l.Visible(child); o != tc.output || p != tc.plain || v != tc.visible {
			t.Errorf("%s: output %d, plain %v, visible %v", child, o, p, v)
		}
	}
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	for _, tc := range [][2]string{
		{"a", "/base/x/a"},
		{"", "/base/x"},
		{".", "/base/x"},
		{"..", "/base"},
		{"/a//b/./c/../d/", "/a/b/d"},
		{"/../../x", "/x"},
		{"//x", "/x"},
		{"/a\x00b", ""},
		{"/a\nb", ""},
		{"/a\xff", ""},
		{"/" + strings.Repeat("a", 256), ""},
		{"/" + strings.Repeat("a/", 3000), ""},
		{"/a\u0085", ""},
	} {
		if got, ok := files.Canonical("/base/x", tc[0]); got != tc[1] && ok || ok != (tc[1] != "") {
			t.Errorf("%q became %q, %v", tc[0], got, ok)
		}
	}
}

func TestLayoutInvalid(t *testing.T) {
	t.Parallel()
	for _, o := range []files.Options{
		{Root: "srv"},
		{Root: "/srv/"},
		{Root: "/srv", Prefixes: []files.Prefix{{Prefix: "/etc"}}},
		{Prefixes: []files.Prefix{{Prefix: "/a"}, {Prefix: "/a"}}},
		{Prefixes: []files.Prefix{{Prefix: ""}}},
		{Prefixes: []files.Prefix{{Prefix: "/a/../b"}}},
	} {
		if _, err := files.NewLayout(o); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
