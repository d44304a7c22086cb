// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"encoding/json"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
)

// selection reads the parameter fields as a request brings it.
func selection(t testing.TB, fields string) (*bigquery.Selection, error) {
	t.Helper()
	r := request("GET "+p+"/queries/j", "")
	r.Query = "fields=" + strings.NewReplacer("%", "%25", "+", "%2B", "&", "%26", "#", "%23", ";", "%3B", " ", "%20").Replace(fields)
	c, err := analyser(t).Analyse(t.Context(), r)
	return c.Fields, err
}

func TestSelection(t *testing.T) {
	t.Parallel()
	const doc = `{"kind":"k","rows":[{"f":[{"v":"a","w":1},{"v":null}]},{"f":[]}],"job":{"id":"x","status":{"state":"DONE","n":{}}}, "\u0061b":true}`
	for fields, want := range map[string]string{
		"":                          doc,
		"*":                         strings.Replace(doc, `, "\u`, `,"\u`, 1),
		"kind":                      `{"kind":"k"}`,
		"rows(f/v),kind":            `{"kind":"k","rows":[{"f":[{"v":"a"},{"v":null}]},{"f":[]}]}`,
		"rows/f(v,w),rows":          `{"rows":[{"f":[{"v":"a","w":1},{"v":null}]},{"f":[]}]}`,
		"job.id":                    `{"job":{"id":"x"}}`,
		"job/id,job/status(state)":  `{"job":{"id":"x","status":{"state":"DONE"}}}`,
		"job(status(n),id)":         `{"job":{"id":"x","status":{"n":{}}}}`,
		"*/id":                      `{"kind":"k","rows":[{},{}],"job":{"id":"x"},"\u0061b":true}`,
		"*/id,job/status/state":     `{"kind":"k","rows":[{},{}],"job":{"id":"x","status":{"state":"DONE"}},"\u0061b":true}`,
		"ab":                        `{"\u0061b":true}`,
		"other":                     `{}`,
		"rows/none":                 `{"rows":[{},{}]}`,
		"job/status/state/more,job": `{"job":{"id":"x","status":{"state":"DONE","n":{}}}}`,
	} {
		s, err := selection(t, fields)
		if err != nil {
			t.Errorf("%q: %v", fields, err)
			continue
		}
		got, err := s.Apply([]byte("x"), []byte(doc))
		if err != nil || string(got) != "x"+want {
			t.Errorf("%q\ngot  %s, %v\nwant x%s", fields, got, err, want)
		}
	}
	for _, fields := range []string{",", "a,", "a(", "a)", "a()", "a(b", "a//b", "/a", "a b", "a(b))", "a(b)c", strings.Repeat("a/", 100) + "a", strings.Repeat("a,", 2000) + "a", "a%b"} {
		if _, err := selection(t, fields); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%q: %v", fields, err)
		}
	}
	s, err := selection(t, "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{"", "{", `{"a":1}x`, `{"a":1,}`, `{"b":[1,]}`, `{a:1}`, `{"a" 1}`, "\xff", `{"b":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + "}", `{"a":1`, `[1 2]`} {
		if _, err := s.Apply(nil, []byte(doc)); sallyport.KindOf(err) != sallyport.Unavailable {
			t.Errorf("%q: %v", doc, err)
		}
	}
}

// FuzzSelection looks for a document of which more comes out than went in, or
// something that is no JSON.
func FuzzSelection(f *testing.F) {
	f.Add("a,b/c,d(e,f/g)", `{"a":1,"b":[{"c":null}],"d":{"e":"\u00e9","x":[]}}`)
	f.Add("*/a,a", `{"a":{"a":1},"b":{"a":2,"c":3}}`)
	f.Fuzz(func(t *testing.T, fields, doc string) {
		s, err := selection(t, fields)
		if err != nil {
			return
		}
		out, err := s.Apply(nil, []byte(doc))
		if s == nil {
			return
		}
		if (err == nil) && (!json.Valid(out) || len(out) > len(doc)) {
			t.Fatalf("%q of %q is %q", fields, doc, out)
		}
		if err == nil && !json.Valid([]byte(doc)) {
			t.Fatalf("%q passed", doc)
		}
	})
}
