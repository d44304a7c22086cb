// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/gcs"
)

func layout(t testing.TB) *gcs.Layout {
	t.Helper()
	l, err := gcs.NewLayout([]gcs.Bucket{
		{Name: "clinic", Labels: []sallyport.Label{"phi"}, Prefixes: []gcs.Prefix{
			{Prefix: "public/", Labels: []sallyport.Label{"public"}, Plain: true},
			{Prefix: "public/inner/", Labels: []sallyport.Label{"phi.note"}},
			{Prefix: "exports/2026", Labels: nil},
		}},
		{Name: "open", Labels: []sallyport.Label{"public"}, Plain: true},
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// shape writes down what a test compares.
func shape(c *gcs.Call) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", c.Statement.Readable)
	for _, a := range c.Statement.Accesses {
		fmt.Fprintf(&b, "; %s %s", a.Effect, a.Object.Name())
	}
	for _, o := range c.Statement.Outputs {
		fmt.Fprintf(&b, "; shows %s %v", o.Sources[0].Object.Name(), o.Sources[0].Labels)
	}
	for _, f := range c.Statement.Flows {
		fmt.Fprintf(&b, "; %s%v to %s%v", f.Sources[0].Object.Name(), f.Sources[0].Labels, f.Target.Object.Name(), f.Target.Labels)
	}
	return b.String()
}

func TestAnalyse(t *testing.T) {
	t.Parallel()
	l := layout(t)
	for _, tc := range []struct{ verb, path, query, body, want string }{
		{"GET", "/storage/v1/b", "project=p", "", "storage.buckets.list; read lake"},
		{"GET", "/storage/v1/storage/v1/b/clinic", "", "", "storage.buckets.get clinic; read lake/clinic"},
		{"DELETE", "/storage/v1/b/clinic", "", "", "storage.buckets.delete clinic; destroy lake/clinic"},
		{"PATCH", "/storage/v1/b/clinic", "", `{"labels":{"a":"b"}}`, "storage.buckets.patch clinic; define lake/clinic"},
		{"PATCH", "/storage/v1/b/clinic", "", `{"lifecycle":{"rule":[]}}`, "storage.buckets.patch clinic; define lake/clinic; destroy lake/clinic"},
		{"PATCH", "/storage/v1/b/clinic", "", `{"softDeletePolicy":{"retentionDurationSeconds":"0"}}`, "storage.buckets.patch clinic; define lake/clinic; administer lake/clinic"},
		{"PATCH", "/storage/v1/b/clinic", "predefinedAcl=publicRead", `{}`, "storage.buckets.patch clinic; define lake/clinic; administer lake/clinic"},
		{"PUT", "/storage/v1/b/clinic/iam", "", `{"bindings":[]}`, "storage.buckets.setIamPolicy clinic; administer lake/clinic"},
		{"GET", "/storage/v1/b/clinic/o", "prefix=&fields=items(name)&projection=full", "", "storage.objects.list clinic; read lake/clinic; shows lake/clinic/*/body [phi]; shows lake/clinic/public/inner/*/body [phi.note]; shows lake/clinic/exports/2026/*/body [phi]; shows lake/clinic/public/*/body [public]"},
		{"GET", "/storage/v1/b/clinic/o", "prefix=public/x", "", "storage.objects.list clinic; read lake/clinic; shows lake/clinic/public/*/body [public]"},
		{"GET", "/storage/v1/b/clinic/o", "prefix=pub", "", "storage.objects.list clinic; read lake/clinic; shows lake/clinic/*/body [phi]; shows lake/clinic/public/inner/*/body [phi.note]; shows lake/clinic/public/*/body [public]"},
		{"GET", "/storage/v1/b/clinic/o/quill%2Fotto.csv", "alt=media", "", "storage.objects.get clinic/*; read lake/clinic/*; shows lake/clinic/*/body [phi]"},
		{"GET", "/download/storage/v1/b/clinic/o/public%2Fa%2Fb.csv", "alt=media&generation=7", "", "storage.objects.get clinic/public/a/b.csv; read lake/clinic/public/a/b.csv; shows lake/clinic/public/a/b.csv/body [public]"},
		{"GET", "/storage/v1/b/clinic/o/public%2Finner%2F..%2Fb.csv", "", "", "storage.objects.get clinic/public/inner/*; read lake/clinic/public/inner/*; shows lake/clinic/public/inner/*/body [phi.note]"},
		{"GET", "/clinic/quill/otto.csv", "generation=3", "", "storage.objects.get clinic/*; read lake/clinic/*; shows lake/clinic/*/body [phi]"},
		{"HEAD", "/open/a/b", "", "", "storage.objects.get open/a/b; read lake/open/a/b; shows lake/open/a/b/body [public]"},
		{"GET", "/open/a/../b", "", "", "storage.objects.get open/a/../b; read lake/open/a/../b; shows lake/open/a/../b/body [public]"},
		{"PUT", "/open/a/b", "", "", "storage.objects.insert open/a/b; write lake/open/a/b"},
		{"POST", "/upload/storage/v1/b/open/o", "uploadType=media&name=a%2Fb", "", "storage.objects.insert open/a/b; write lake/open/a/b"},
		{"POST", "/storage/v1/upload/storage/v1/b/open/o", "uploadType=resumable", `{"name":"x","acl":[]}`, "storage.objects.insert open/x; write lake/open/x; administer lake/open/x"},
		{"DELETE", "/storage/v1/b/open/o/a%2Fb", "", "", "storage.objects.delete open/a/b; delete lake/open/a/b"},
		{"PATCH", "/storage/v1/b/open/o/a", "", `{"temporaryHold":false}`, "storage.objects.patch open/a; write lake/open/a; administer lake/open/a; shows lake/open/a/body [public]"},
		{"POST", "/storage/v1/b/clinic/o/x/rewriteTo/b/open/o/y", "", `{"contentType":"text/csv"}`, "storage.objects.rewrite clinic/* to open/y; read lake/clinic/*; write lake/open/y; shows lake/open/y/body [public]; lake/clinic/*/body[phi] to lake/open/y/body[public]"},
		{"POST", "/storage/v1/b/clinic/o/x/moveTo/o/public%2Fx", "", "", "storage.objects.move clinic/* to clinic/public/x; read lake/clinic/*; delete lake/clinic/*; write lake/clinic/public/x; shows lake/clinic/public/x/body [public]; lake/clinic/*/body[phi] to lake/clinic/public/x/body[public]"},
		{"POST", "/storage/v1/b/clinic/o/public%2Fz/compose", "", `{"sourceObjects":[{"name":"a"}],"destination":{"contentType":"text/csv"}}`, "storage.objects.compose clinic/public/z; read lake/clinic/*; write lake/clinic/public/z; shows lake/clinic/public/z/body [public]; lake/clinic/*/body[phi] to lake/clinic/public/z/body[public]"},
	} {
		c := l.Analyse("lake", gcs.Request{Verb: tc.verb, Path: tc.path, Query: tc.query, Body: []byte(tc.body)})
		if c.Statement.Refused != "" {
			t.Errorf("%s %s: %s", tc.verb, tc.path, c.Statement.Refused)
			continue
		}
		if got := shape(c); got != tc.want {
			t.Errorf("%s %s?%s:\n got %s\nwant %s", tc.verb, tc.path, tc.query, got, tc.want)
		}
		for _, e := range c.Statement.Effects {
			if !slices.ContainsFunc(c.Statement.Accesses, func(a sallyport.Access) bool { return a.Effect == e }) {
				t.Errorf("%s %s: %s without an object", tc.verb, tc.path, e)
			}
		}
		if c.Params.Has("fields") || c.Params.Has("projection") {
			t.Errorf("%s %s: %v is sent on", tc.verb, tc.path, c.Params)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	l := layout(t)
	for _, tc := range []struct{ verb, path, query, body string }{
		{"GET", "", "", ""},
		{"GET", "/", "", ""},
		{"GET", "/storage/v1/", "", ""},
		{"GET", "/storage/v2/b/clinic", "", ""},
		{"GET", "/storage/v1/b/clinic/secrets", "", ""},
		{"TRACE", "/storage/v1/b/clinic", "", ""},
		{"GET", "/storage/v1/b/elsewhere", "", ""},
		{"GET", "/storage/v1/b/CLINIC", "", ""},
		{"GET", "/storage/v1/b/clinic%2Fo%2Fx", "", ""},
		{"GET", "/storage/v1/b/clinic/o/%ff", "", ""},
		{"GET", "/storage/v1/b/clinic/o/a%0Ab", "", ""},
		{"GET", "/storage/v1/b/clinic/o/", "", ""},
		{"GET", "/storage/v1/b/clinic/o/" + strings.Repeat("a", 1025), "", ""},
		{"GET", "/storage/v1/b/clinic/o/a", "access_token=x", ""},
		{"GET", "/storage/v1/b/clinic/o/a", "userProject=x", ""},
		{"GET", "/storage/v1/b/clinic/o/a", "alt=proto", ""},
		{"GET", "/storage/v1/b/clinic/o/a", "wat=1", ""},
		{"GET", "/storage/v1/b/clinic/o/a", "generation=1&generation=2", ""},
		{"GET", "/storage/v1/b/clinic/o/a", "a=%zz", ""},
		{"POST", "/storage/v1/projects/p/hmacKeys", "", ""},
		{"POST", "/storage/v1/b/clinic/o/watch", "", "{}"},
		{"POST", "/upload/storage/v1/b/clinic/o", "uploadType=media", ""},
		{"POST", "/upload/storage/v1/b/clinic/o", "uploadType=multipart&name=a", `{"name":"b"}`},
		{"POST", "/upload/storage/v1/b/clinic", "", `{"name":"b"}`},
		{"POST", "/storage/v1/b", "project=p", `{}`},
		{"POST", "/storage/v1/b", "project=p", `{"name":"new-bucket"}`},
		{"PATCH", "/storage/v1/b/clinic", "", `{"lifecycle":{},"lifecycle":null}`},
		{"PATCH", "/storage/v1/b/clinic", "", `{"life_cycle":{}}`},
		{"PATCH", "/storage/v1/b/clinic", "", `[]`},
		{"PATCH", "/storage/v1/b/clinic", "", `{} {}`},
		{"PATCH", "/storage/v1/b/clinic", "", strings.Repeat(`{"labels":`, 30) + "1" + strings.Repeat("}", 30)},
		{"POST", "/storage/v1/b/clinic/o/a/compose", "", `{"sourceObjects":[]}`},
		{"POST", "/storage/v1/b/clinic/o/a/rewriteTo/b/elsewhere/o/b", "", ""},
		{"POST", "/storage/v1/b/clinic/o/public%2Fz/compose", "", `{"sourceObjects":[{"name":"a","Name":"public/b"}]}`},
		{"POST", "/storage/v1/b/clinic/o/public%2Fz/compose", "", `{"sourceObjects":[{"name":"public/b","bucket":"elsewhere"}]}`},
		{"DELETE", "/storage/v1/b/clinic/acl/..", "", ""},
		{"DELETE", "/storage/v1/b/clinic/acl/", "", ""},
		{"DELETE", "/storage/v1/b/clinic/notificationConfigs/..%2Fo%2Fa", "", ""},
		{"GET", "/storage/v1/b/clinic/o/a/acl/%2e%2E", "", ""},
		{"GET", "/storage/v1/projects/../serviceAccount", "", ""},
		{"DELETE", "/open/../clinic/a", "", ""},
		{"PUT", "/clinic/public/../a", "", ""},
		{"DELETE", "/clinic/public/%2e%2e/a", "", ""},
		{"PUT", "/clinic/public%2F..%2Fa", "", ""},
		{"DELETE", "/clinic//public/a", "", ""},
		{"POST", "/storage/v1/b/clinic/o/public%2Fz/compose", "", `{"sourceObjects":[{"name":"public/a"}],"destination":{"name":"z"}}`},
		{"POST", "/storage/v1/b/open/o/a/rewriteTo/b/open/o/b", "", `{"bucket":"clinic"}`},
		{"POST", "/storage/v1/b/open/o/a/copyTo/b/open/o/b", "", `{"name":"c"}`},
		{"POST", "/upload/storage/v1/b/open/o", "uploadType=multipart&name=a", `{"bucket":"clinic"}`},
		{"POST", "/upload/storage/v1/b/open/o", "uploadType=Resumable&name=a", ""},
		{"POST", "/upload/storage/v1/b/open/o", "name=a", ""},
		{"GET", "/clinic", "", ""},
		{"GET", "/clinic/a", "acl=", ""},
		{"POST", "/clinic/a", "uploads=", ""},
	} {
		c := l.Analyse("lake", gcs.Request{Verb: tc.verb, Path: tc.path, Query: tc.query, Body: []byte(tc.body)})
		if c.Statement.Refused == "" || c.Statement.Hint == "" {
			t.Errorf("%s %.60s?%s %.60s passes as %s", tc.verb, tc.path, tc.query, tc.body, c.Statement.Readable)
		}
	}
	if c := l.Analyse("lake", gcs.Request{Verb: "PUT", Path: "/clinic/a", HasCopySource: true}); c.Statement.Refused == "" {
		t.Error("a copy by the XML API passes")
	}
}

func TestLayoutsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, b := range [][]gcs.Bucket{
		{{Name: "A"}},
		{{Name: "ab"}},
		{{Name: "abc"}, {Name: "abc"}},
		{{Name: "abc", Prefixes: []gcs.Prefix{{}}}},
		{{Name: "abc", Prefixes: []gcs.Prefix{{Prefix: "x"}, {Prefix: "x"}}}},
		{{Name: "abc", Prefixes: []gcs.Prefix{{Prefix: "/x"}}}},
	} {
		if _, err := gcs.NewLayout(b, true); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%v: %v", b, err)
		}
	}
}

func FuzzAnalyse(f *testing.F) {
	l := layout(f)
	f.Add("GET", "/storage/v1/b/clinic/o/public%2Fa", "alt=media&generation=7", []byte(nil))
	f.Add("POST", "/upload/storage/v1/b/clinic/o", "uploadType=multipart", []byte(`{"name":"a","metadata":{"b":"c"}}`))
	f.Add("PATCH", "/storage/v1/b/clinic", "predefinedAcl=x", []byte(`{"lifecycle":{"rule":[]}}`))
	f.Add("GET", "/clinic/quill/otto.csv", "", []byte(nil))
	f.Fuzz(func(t *testing.T, verb, path, query string, body []byte) {
		c := l.Analyse("lake", gcs.Request{Verb: verb, Path: path, Query: query, Body: body})
		st := c.Statement
		if st.Refused != "" {
			if st.Hint == "" {
				t.Fatal("a refusal without a hint")
			}
			return
		}
		if len(st.Effects) == 0 || len(st.Accesses) == 0 {
			t.Fatalf("%s has no effect", st.Readable)
		}
		for _, bucket := range []string{c.Bucket, c.ToBucket} {
			if bucket != "" && bucket != "clinic" && bucket != "open" {
				t.Fatalf("the bucket %q passes", bucket)
			}
		}
		for name := range c.Params {
			if strings.Contains(strings.ToLower(name), "token") && name != "pageToken" && name != "rewriteToken" && name != "restoreToken" {
				t.Fatalf("%q is sent on", name)
			}
		}
		for _, a := range st.Accesses {
			if a.Object.Path[0] != "lake" || slices.Contains(a.Object.Path, "") {
				t.Fatalf("object %v", a.Object.Path)
			}
		}
	})
}
