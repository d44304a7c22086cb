// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package jsonmask_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

func masker(t testing.TB, r jsonmask.Rules) *jsonmask.Masker {
	t.Helper()
	m, err := jsonmask.Compile(texts(t), r)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func texts(t testing.TB) *text.Masker {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC) }
	p, err := profile.Compile(profile.Spec{Name: profile.SafeHarbor}, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scan.New(scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &text.Masker{Scanner: s, Profile: p}
}

func op(t testing.TB, s operator.Spec) *operator.Operator {
	t.Helper()
	o, err := operator.Compile(s, nil, func() time.Time { return time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC) })
	if err != nil {
		t.Fatal(err)
	}
	return o
}

const (
	mail = "otto@saltmarsh.example"
	note = "write to otto@saltmarsh.example today"
)

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	return string(b)
}

func TestScan(t *testing.T) {
	m := masker(t, jsonmask.Rules{})
	b64 := base64.StdEncoding.EncodeToString
	inner := `{"a":[1,"` + note + `"]}`
	innerMasked := `{"a":[1,"write to [EMAIL] today"]}`
	for _, tt := range []struct{ name, in, want string }{
		{"nothing to find", " {\n\t\"a\" : [ 1.50, -0e+1, true, null, \"\\u00e9\\/\" ] }\n", " {\n\t\"a\" : [ 1.50, -0e+1, true, null, \"\\u00e9\\/\" ] }\n"},
		{"empty", `{"a":{},"b":[],"c":""}`, `{"a":{},"b":[],"c":""}`},
		{"a string", `{"a":"` + note + `"}`, `{"a":"write to [EMAIL] today"}`},
		{"at the top", `"` + mail + `"`, `"[EMAIL]"`},
		{"beside escapes", `{"a":"\"\n` + mail + `\t\u00e9\\"}`, `{"a":"\"\n[EMAIL]\té\\"}`},
		{"written in escapes", `{"a":"otto\u0040saltmarsh.ex\u0061mple"}`, `{"a":"[EMAIL]"}`},
		{"each of two of a name", `{"a":"` + mail + `","a":"` + mail + `"}`, `{"a":"[EMAIL]","a":"[EMAIL]"}`},
		{"names of members", `{"` + mail + `":1,"x":2,"b@saltmarsh.example":{"c@saltmarsh.example":3}}`, `{"[EMAIL]":1,"x":2,"[EMAIL]_2":{"[EMAIL]":3}}`},
		{"JSON in a string", `{"a":` + quoted(inner) + `}`, `{"a":` + quoted(innerMasked) + `}`},
		{"in a string in a string", `[` + quoted(quoted(inner)) + `]`, `[` + quoted(quoted(innerMasked)) + `]`},
		{"no JSON after all", `["{otto@saltmarsh.example"]`, `["{[EMAIL]"]`},
		{"base64", `["` + b64([]byte(note)) + `"]`, `["[ENCODED]"]`},
		{"base64 of base64", `["` + b64([]byte(b64([]byte(note)))) + `"]`, `["[ENCODED]"]`},
		{"base64 of JSON with escapes", `["` + b64([]byte(`{"a":"otto\u0040saltmarsh.example"}`)) + `"]`, `["[ENCODED]"]`},
		{"base64 of nothing to find", `["` + b64([]byte("the door is green, the wall is not")) + `"]`, `["` + b64([]byte("the door is green, the wall is not")) + `"]`},
		{"hexadecimal", `["` + hex.EncodeToString([]byte(note)) + `"]`, `["[ENCODED]"]`},
		{"of a URL", `["` + url.QueryEscape(note) + `"]`, `["[ENCODED]"]`},
		{"an image", `["` + b64([]byte("\xff\xd8\xff\xe0 and what follows of it")) + `"]`, `["[PHOTO]"]`},
		{"a data URI", `["data:image/png;base64,AAAA"]`, `["[PHOTO]"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w text.Work
			got, err := m.Append([]byte("before:"), []byte(tt.in), &w)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("before:"+tt.want, string(got)); diff != "" {
				t.Errorf("masked (-want +got):\n%s", diff)
			}
			again, err := m.Append(nil, []byte(tt.want), &w)
			if err != nil || string(again) != tt.want {
				t.Errorf("masked twice: %s, %v", again, err)
			}
		})
	}
}

func TestNumber(t *testing.T) {
	p := texts(t)
	s, err := scan.New(scan.Options{Rules: []scan.UserRule{{Name: "seven", Entity: scan.Unique, Prefilter: "777", Pattern: "777[0-9]+"}}})
	if err != nil {
		t.Fatal(err)
	}
	p.Scanner = s
	m, err := jsonmask.Compile(p, jsonmask.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	var w text.Work
	got, err := m.Append(nil, []byte(`[1, 77712, 2]`), &w)
	if err != nil || string(got) != `[1, null, 2]` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestRules(t *testing.T) {
	mask := func(l sallyport.Label) jsonmask.Rule { return jsonmask.Rule{Action: jsonmask.Mask, Label: l} }
	keep, drop := jsonmask.Rule{Action: jsonmask.Keep}, jsonmask.Rule{Action: jsonmask.Drop}
	m := masker(t, jsonmask.Rules{Paths: map[string]jsonmask.Rule{
		"$.patient.name":    mask("phi.name"),
		"$.items[*].serial": mask("phi.device"),
		"$..ssn":            mask("phi.ssn"),
		"$.public":          keep,
		"$.public.born":     mask("phi.date"),
		"$.gone":            drop,
		"$.gone.stays":      keep,
		"$.list[*]":         drop,
		"$['odd name']":     mask(""),
		"$.any.*.x":         mask("phi.phone"),
		"$.any.one.x":       keep,
		"$.years":           {Action: jsonmask.Mask, Operator: op(t, operator.Spec{Kind: operator.Age90})},
		"$.nothing":         {Action: jsonmask.Mask, Operator: op(t, operator.Spec{Kind: operator.Null})},
	}})
	for _, tt := range []struct{ name, in, want string }{
		{"a member", `{"patient":{"name":"Ottoline","sex":"f"},"name":"x"}`, `{"patient":{"name":"[NAME]","sex":"f"},"name":"x"}`},
		{"all below it", `{"patient":{"name":{"given":["Otto","Line"],"n":3,"b":true,"z":null}}}`, `{"patient":{"name":{"given":["[NAME]","[NAME]"],"n":null,"b":null,"z":null}}}`},
		{"of every element", `{"items":[{"serial":"X"},{"serial":"Y","n":1}]}`, `{"items":[{"serial":"[DEVICE]"},{"serial":"[DEVICE]","n":1}]}`},
		{"at any depth", `{"ssn":"1","a":[[{"b":{"ssn":["2"]}}]]}`, `{"ssn":"[SSN]","a":[[{"b":{"ssn":["[SSN]"]}}]]}`},
		{"the nearer rule", `{"public":{"who":"` + mail + `","born":"1974-05-06"}}`, `{"public":{"who":"` + mail + `","born":"1974"}}`},
		{"left out", `{"a":1,"gone":{"x":1},"b":2}`, `{"a":1,"b":2}`},
		{"left out first", `{ "gone" : 5, "b":2}`, `{ "b":2}`},
		{"left out but for a part", `{"gone":{"x":1,"stays":"` + mail + `","y":2}}`, `{"gone":{"stays":"` + mail + `"}}`},
		{"elements left out", `{"list":[1,{"a":2},[3]]}`, `{"list":[]}`},
		{"a quoted step", `{"odd name":"x"}`, `{"odd name":"[TEXT]"}`},
		{"a wildcard and the name it gives way to", `{"any":{"one":{"x":"y"},"two":{"x":"z"}}}`, `{"any":{"one":{"x":"y"},"two":{"x":"[PHONE]"}}}`},
		{"a number by its operator", `{"years":95}`, `{"years":90}`},
		{"to null", `{"nothing":"x"}`, `{"nothing":null}`},
		{"a name written in escapes", `{"\u0073sn":"1"}`, `{"\u0073sn":"[SSN]"}`},
		{"in a string", `{"doc":"{\"ssn\":\"1\"}"}`, `{"doc":"{\"ssn\":\"[SSN]\"}"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w text.Work
			got, err := m.Append(nil, []byte(tt.in), &w)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("masked (-want +got):\n%s", diff)
			}
		})
	}
	all := masker(t, jsonmask.Rules{Default: drop})
	var w text.Work
	if got, err := all.Append(nil, []byte(` {"a":1} `), &w); err != nil || string(got) != ` null ` {
		t.Errorf("a document that is left out became %s, %v", got, err)
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, path := range []string{"", "a", "$a", "$.", "$..", "$.a.", "$[0]", "$['a]", "$." + strings.Repeat("a.", 80) + "a"} {
		_, err := jsonmask.Compile(texts(t), jsonmask.Rules{Paths: map[string]jsonmask.Rule{path: {}}})
		if sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("the path %q gave %v", path, err)
		}
	}
	many := make(map[string]jsonmask.Rule)
	for _, a := range "abcdefghijklmnop" {
		many["$.."+string(a)+strings.Repeat(".*", 9)] = jsonmask.Rule{}
	}
	if _, err := jsonmask.Compile(texts(t), jsonmask.Rules{Paths: many}); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("rules that need millions of states gave %v", err)
	}
}

func TestRefuses(t *testing.T) {
	m := masker(t, jsonmask.Rules{})
	for _, in := range []string{
		``, ` `, `{`, `{"a":1}x`, `{"a":1,}`, `["\ud800"]`, "[\"\xff\"]", "[\"\n\"]", `[01]`, `[nul]`,
		strings.Repeat("[", 513) + strings.Repeat("]", 513),
	} {
		var w text.Work
		got, err := m.Append([]byte("before"), []byte(in), &w)
		if sallyport.KindOf(err) != sallyport.Integrity || string(got) != "before" {
			t.Errorf("Append(%.20q) = %q, %v", in, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "ud800") {
			t.Errorf("the error shows the document: %v", err)
		}
	}
}

func TestAppendLines(t *testing.T) {
	m := masker(t, jsonmask.Rules{})
	var w text.Work
	got, refused := m.AppendLines(nil, []byte("{\"a\":\""+mail+"\"}\r\n\n{\"a\":"+mail+"\n[1]"), &w)
	if want := "{\"a\":\"[EMAIL]\"}\r\n\n\"[UNPARSABLE]\"\n[1]"; string(got) != want || refused != 1 {
		t.Errorf("got %q and %d refused, want %q", got, refused, want)
	}
}

// TestLocus: counts name places by the names that rules have, and by no other.
func TestLocus(t *testing.T) {
	m := masker(t, jsonmask.Rules{Paths: map[string]jsonmask.Rule{"$.people[*].ssn": {Action: jsonmask.Mask, Label: "phi.ssn"}}})
	w := text.Work{Locus: "the column"}
	in := `{"people":[{"ssn":"1","Ottoline":"` + mail + `"},{"ssn":"2"}],"` + mail + `":[["` + mail + `"]]}`
	if _, err := m.Append(nil, []byte(in), &w); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]uint64)
	for _, c := range w.Tally.Take() {
		got[c.Locus+" "+c.Entity.String()+" "+c.Operator.String()] += c.N
	}
	want := map[string]uint64{"$.people.ssn SSN redact": 2, "$.people.* EMAIL redact": 1, "$.* EMAIL redact": 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if w.Locus != "the column" {
		t.Errorf("the caller's locus became %q", w.Locus)
	}
}

// TestUncovered: what encodes something is found also where digits that are masked follow
// it, with which it could not be decoded.
func TestUncovered(t *testing.T) {
	m := masker(t, jsonmask.Rules{})
	const glued = "00A0000u00070000000000000+CC0000000000000"
	for in, want := range map[string]string{`["` + glued + `"]`: `["[ENCODED]"]`, `{"` + glued + `":1}`: `{"[ENCODED]":1}`} {
		var w text.Work
		if got, err := m.Append(nil, []byte(in), &w); err != nil || string(got) != want {
			t.Errorf("%s became %s, %v", in, got, err)
		}
	}
}

func FuzzAppend(f *testing.F) {
	const canary = "zebu@canary.example"
	m := masker(f, jsonmask.Rules{Paths: map[string]jsonmask.Rule{
		"$..ssn": {Action: jsonmask.Mask, Label: "phi.ssn"}, "$.gone": {Action: jsonmask.Drop}, "$.a[*].b": {Action: jsonmask.Drop},
	}})
	for _, s := range []string{
		`{"a":[{"b":1,"c":"` + canary + `"}],"ssn":12,"gone":[1]}`, `"{\"ssn\":\"\\u0041\"}"`, `[1.5e3,"data:,x","%41%42"]`, `{"` + canary + `":null}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var w text.Work
		once, err := m.Append(nil, doc, &w)
		if err != nil {
			if len(once) > 0 {
				t.Fatalf("%q came out with an error", once)
			}
			return
		}
		if !json.Valid(once) {
			t.Fatalf("%q became %q", doc, once)
		}
		// A placeholder ends a word where digits went on before, so that masking once more
		// may find more beside it. It comes to an end.
		passes := [][]byte{once}
		for len(passes) < 2 || string(passes[len(passes)-1]) != string(passes[len(passes)-2]) {
			next, err := m.Append(nil, passes[len(passes)-1], &w)
			if passes = append(passes, next); err != nil || !json.Valid(next) || len(passes) > 8 {
				t.Fatalf("%q became %q (%v)", doc, passes, err)
			}
		}
		held, err := m.Append(nil, []byte(`{"x":[`+string(doc)+`,"`+canary+`"],"gone":"`+canary+`","ssn":"`+canary+`"}`), &w)
		if err == nil && strings.Contains(string(held), canary) && !strings.Contains(string(doc), "canary") {
			t.Fatalf("the canary survived in %q", held)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	m := masker(b, jsonmask.Rules{Paths: map[string]jsonmask.Rule{"$..ssn": {Action: jsonmask.Mask, Label: "phi.ssn"}}})
	row := `{"id": 4711, "status": "final", "code": {"system": "http://loinc.org", "code": "718-7"}, "value": 13.2, "unit": "g/dL", "ssn": "900551234", "note": "stable since the last visit, no complaints, returns in spring"}`
	doc := []byte("[" + strings.Repeat(row+",\n", 200) + row + "]")
	var w text.Work
	var dst []byte
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = m.Append(dst[:0], doc, &w); err != nil {
			b.Fatal(err)
		}
	}
}
