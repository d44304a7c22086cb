// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/httpapi"
)

func routes(t testing.TB, only bool) *httpapi.Routes {
	t.Helper()
	r, err := httpapi.NewRoutes([]httpapi.RouteConfig{
		{Path: "/"},
		{Path: "/patients/{mrn}", Operations: map[string]httpapi.Operation{"GET": {}, "DELETE": {Name: "erase", Effect: sallyport.Destroy}}},
		{Path: "/patients/search", Operations: map[string]httpapi.Operation{"POST": {Name: "search", Effect: sallyport.Read}}, Labels: []sallyport.Label{"phi.name"}},
		{Path: "/files/{rest...}"},
		{Path: "/folder/"},
	}, only, []sallyport.Label{"phi"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAnalyse(t *testing.T) {
	t.Parallel()
	r := routes(t, true)
	for _, tc := range []struct {
		method, path, query string
		readable, class     string
		effect              sallyport.Effect
		object              string
		label               sallyport.Label
		sent                string
	}{
		{"GET", "/", "", "GET /", "get", sallyport.Read, "r", "phi", "/"},
		{"GET", "/patients/MRN%2012345", "", "GET /patients/{mrn}", "get", sallyport.Read, "r/patients/{mrn}", "phi", "/patients/MRN%2012345"},
		{"HEAD", "/patients/1", "", "HEAD /patients/{mrn}", "head", sallyport.Read, "r/patients/{mrn}", "phi", "/patients/1"},
		{"DELETE", "/patients/1", "", "DELETE /patients/{mrn}", "erase", sallyport.Destroy, "r/patients/{mrn}", "phi", "/patients/1"},
		{"POST", "/patients/search", "", "POST /patients/search", "search", sallyport.Read, "r/patients/search", "phi.name", "/patients/search"},
		{"POST", "/patients/%73earch", "", "POST /patients/search", "search", sallyport.Read, "r/patients/search", "phi.name", "/patients/search"},
		{"PUT", "/files/a/b/c", "", "PUT /files/{rest...}", "put", sallyport.Write, "r/files/{rest...}", "phi", "/files/a/b/c"},
		{"POST", "/folder/", "", "POST /folder/", "post", sallyport.Execute, "r/folder/", "phi", "/folder/"},
		{"GET", "/patients/1", "ssn=219-09-9999&219099999=x&&flag", "GET /patients/{mrn}?ssn=*&*=*&flag=*", "get", sallyport.Read, "r/patients/{mrn}", "phi", "/patients/1?ssn=219-09-9999&219099999=x&flag"},
		{"GET", "/patients/1", "q=a%20b%26c", "GET /patients/{mrn}?q=*", "get", sallyport.Read, "r/patients/{mrn}", "phi", "/patients/1?q=a+b%26c"},
	} {
		st, to := r.Analyse("r", httpapi.Call{Method: tc.method, Path: tc.path, Query: tc.query})
		if st.Refused != "" {
			t.Errorf("%s %s: %s", tc.method, tc.path, st.Refused)
			continue
		}
		sent := to.Path
		if to.Query != "" {
			sent += "?" + to.Query
		}
		if st.Readable != tc.readable || st.Class != tc.class || sent != tc.sent {
			t.Errorf("%s %s: %q %q %q", tc.method, tc.path, st.Readable, st.Class, sent)
		}
		if a := st.Accesses[0]; a.Effect != tc.effect || a.Object.Name() != tc.object || !slices.Equal(st.Effects, []sallyport.Effect{tc.effect}) {
			t.Errorf("%s %s: %v %s", tc.method, tc.path, a.Effect, a.Object.Name())
		}
		if c := st.Outputs[0].Sources[0]; !slices.Equal(c.Labels, []sallyport.Label{tc.label}) {
			t.Errorf("%s %s: labels %v", tc.method, tc.path, c.Labels)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	r := routes(t, true)
	for _, c := range []httpapi.Call{
		{Method: "get", Path: "/"},
		{Method: "", Path: "/"},
		{Method: "BREW", Path: "/"},
		{Method: "PUT", Path: "/patients/1"},
		{Method: "GET", Path: ""},
		{Method: "GET", Path: "patients/1"},
		{Method: "GET", Path: "/elsewhere"},
		{Method: "GET", Path: "/patients/"},
		{Method: "GET", Path: "/patients//1"},
		{Method: "GET", Path: "/patients/../files/a"},
		{Method: "GET", Path: "/patients/%2e%2E/files"},
		{Method: "GET", Path: "/patients/1%2f2"},
		{Method: "GET", Path: "/patients/1%5c2"},
		{Method: "GET", Path: "/patients/1;v=2"},
		{Method: "GET", Path: "/patients/%00"},
		{Method: "GET", Path: "/patients/%ff"},
		{Method: "GET", Path: "/patients/%zz"},
		{Method: "GET", Path: "/files/" + strings.Repeat("a/", 100)},
		{Method: "GET", Path: "/files/" + strings.Repeat("a", 9000)},
		{Method: "GET", Path: "/", Query: "access_token=x"},
		{Method: "GET", Path: "/", Query: "%61ccess_token=x"},
		{Method: "GET", Path: "/", Query: "a=1;b=2"},
		{Method: "GET", Path: "/", Query: "a=%zz"},
		{Method: "GET", Path: "/", Query: "callback=f"},
		{Method: "GET", Path: "/", Query: strings.Repeat("a=b&", 200)},
		{Method: "GET", Path: "/", Query: strings.Repeat("a", 20000)},
	} {
		st, to := r.Analyse("r", c)
		if st.Refused == "" || st.Hint == "" || to.Path != "" {
			t.Errorf("%s %.40q %.40q passes: %+v", c.Method, c.Path, c.Query, to)
		}
	}
	open := routes(t, false)
	if st, to := open.Analyse("r", httpapi.Call{Method: "GET", Path: "/elsewhere/MRN1"}); st.Refused != "" || st.Readable != "GET /*" || to.Path != "/elsewhere/MRN1" || st.Accesses[0].Object.Name() != "r/*" {
		t.Errorf("a path of no route: %+v %+v", st, to)
	}
}

func TestRoutesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, paths := range [][]string{
		{"patients"},
		{"/patients/{mrn"},
		{"/patients/mrn}"},
		{"/patients/{}"},
		{"/patients/{a b}"},
		{"/files/{rest...}/x"},
		{"/a//b"},
		{"/a?b"},
		{"/a*"},
		{"/patients/{mrn}", "/patients/{id}"},
	} {
		var cs []httpapi.RouteConfig
		for _, p := range paths {
			cs = append(cs, httpapi.RouteConfig{Path: p})
		}
		if _, err := httpapi.NewRoutes(cs, true, nil); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%v: %v", paths, err)
		}
	}
}

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	got, err := httpapi.ParseOpenAPI("api.yaml", []byte(`
openapi: 3.1.0
info: {title: Clinic, version: "1"}
paths:
  /patients/{mrn}:
    summary: One patient
    x-sallyport-labels: [phi.name, phi.ssn]
    parameters: [{name: mrn, in: path, required: true}]
    get: {operationId: getPatient, responses: {}}
    post: {operationId: findPatient, x-sallyport-effect: read}
  /health: {get: {}}
`))
	if err != nil || len(got) != 2 || got[1].Path != "/patients/{mrn}" || !slices.Equal(got[1].Labels, []sallyport.Label{"phi.name", "phi.ssn"}) ||
		got[1].Operations["GET"] != (httpapi.Operation{Name: "getPatient"}) || got[1].Operations["POST"] != (httpapi.Operation{Name: "findPatient", Effect: sallyport.Read}) ||
		len(got[1].Operations) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{
		"", "swagger: '2.0'", "openapi: 3.0.0\npaths: {/a: 7}", "openapi: 3.0.0\npaths: {/a: {get: {x-sallyport-effect: fly}}}",
		"openapi: 3.0.0\npaths: {/a: {x-sallyport-labels: {a: b}, get: {}}}", "openapi: 3.0.0\npaths: {/a: {get: {}}, /a: {get: {}}}", "\t{",
	} {
		if _, err := httpapi.ParseOpenAPI("api.yaml", []byte(bad)); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzAnalyse(f *testing.F) {
	r := routes(f, false)
	f.Add("GET", "/patients/1", "a=b&access_token=c")
	f.Add("POST", "/patients/%73earch", "")
	f.Add("GET", "/files/a/%2e%2e/b", "x=%00")
	f.Add("DELETE", "/a;b", "%41=1&;")
	f.Fuzz(func(t *testing.T, method, path, query string) {
		st, to := r.Analyse("r", httpapi.Call{Method: method, Path: path, Query: query})
		if st.Refused != "" {
			if to.Path != "" || st.Hint == "" {
				t.Fatalf("refused, and sent on: %+v", to)
			}
			return
		}
		// Another reader of what is sent must find the same request in it.
		u, err := url.ParseRequestURI(to.Path + "?" + to.Query)
		if err != nil {
			t.Fatalf("%q cannot be read: %v", to.Path, err)
		}
		for s := range strings.SplitSeq(strings.TrimPrefix(u.Path, "/"), "/") {
			if s == "." || s == ".." {
				t.Fatalf("%q has a dot segment", to.Path)
			}
		}
		if u.Query().Has("access_token") {
			t.Fatalf("%q holds a credential", to.Query)
		}
		again, second := r.Analyse("r", httpapi.Call{Method: method, Path: to.Path, Query: to.Query})
		if again.Refused != "" || second.Path != to.Path || second.Query != to.Query || again.Readable != st.Readable {
			t.Fatalf("read again: %q %q become %q %q (%s)", to.Path, to.Query, second.Path, second.Query, again.Refused)
		}
	})
}

func FuzzOpenAPI(f *testing.F) {
	f.Add([]byte("openapi: 3.0.0\npaths: {/a/{b}: {get: {operationId: x}}}"))
	f.Add([]byte(`{"openapi":"3.1.0","paths":{"/a":{"post":{"x-sallyport-effect":"read"}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		rs, err := httpapi.ParseOpenAPI("f", b)
		if err != nil {
			if sallyport.KindOf(err) != sallyport.Invalid {
				t.Fatalf("kind of %v", err)
			}
			return
		}
		if _, err := httpapi.NewRoutes(rs, true, nil); err != nil && sallyport.KindOf(err) != sallyport.Invalid {
			t.Fatalf("kind of %v", err)
		}
	})
}
