// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

const secret = "a masking secret of at least thirty-two bytes"

func deps() rules.Deps {
	return rules.Deps{
		Lexicon: lexicon.Load,
		Now:     func() time.Time { return time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC) },
		Secret: func(ref string) ([]byte, error) {
			if ref != "env:KEY" {
				return nil, errors.New("no such secret")
			}
			return []byte(secret), nil
		},
	}
}

// full has every key.
const full = `
version: 1
profile: limited-data-set
names: listed
day_first: true
patient: phi.mrn
keys: [{version: 2, secret: "env:KEY"}]
labels:
  phi.zip: zip3
  phi.mrn: {op: token, domain: mrn}
  phi.amount: {op: bucket, width: 100}
entities:
  AGE: age90
  PHONE: {op: redact, placeholder: TEL}
ignore: [WEEKDAY]
mrn: ["ZZ-######"]
rules:
  - {name: study, entity: ID, prefilter: "STUDY-", pattern: 'STUDY-\d{5}', context: [trial]}
paths: {"$.patient.name": phi.name, "$.id": public, "$.raw": drop}
columns: {pt_no: phi.mrn}
fhir: {keep: [Observation.status], scan: [Observation.note.text], systems: ["http://clinic.example/wards"]}
hl7: {keep: [MSA-2], mask: [PV1-3]}
`

func compile(t *testing.T, text string) *rules.Set {
	t.Helper()
	f, err := rules.Parse("rules.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := rules.Compile(f, deps())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCompile(t *testing.T) {
	t.Parallel()
	s := compile(t, full)
	for label, want := range map[sallyport.Label]operator.Kind{
		"phi.zip": operator.ZIP3, "phi.mrn": operator.Token, "phi.amount": operator.Bucket, "phi.ssn": operator.Redact,
	} {
		if got := s.Profile().Label([]sallyport.Label{label}).Kind(); got != want {
			t.Errorf("%s has %v, want %v", label, got, want)
		}
	}
	var w text.Work
	got := string(s.Text().Append(nil, []byte("trial STUDY-12345, chart ZZ-123456, call 212-555-0101 on Monday; STUDY-1"), &w))
	if want := "trial [ID], chart [MRN], call [TEL] on Monday; STUDY-1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	doc, err := s.JSON().Append(nil, []byte(`{"id": "900-11-2233", "raw": 1, "patient": {"name": "Ada"}, "x": "900-11-2233"}`), &w)
	if want := `{"id": "900-11-2233", "patient": {"name": "[NAME]"}, "x": "[SSN]"}`; err != nil || string(doc) != want {
		t.Errorf("got %s, %v, want %s", doc, err, want)
	}
	if v := s.Profile().Version(); !strings.HasPrefix(v, "1+") {
		t.Errorf("version is %q", v)
	}
	if _, err := rules.Compile(rules.Default(), deps()); err != nil {
		t.Errorf("the default: %v", err)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"no version":            {"profile: safe-harbor\n", "version is 0"},
		"unknown key":           {"version: 1\ncolour: red\n", "colour"},
		"unknown profile":       {"version: 1\nprofile: strict\n", `profile "strict"`},
		"unknown names":         {"version: 1\nnames: some\n", "off, listed, safe-list"},
		"literal secret":        {"version: 1\nkeys: [{version: 1, secret: hunter-two}]\n", "must not stand in the file"},
		"unknown operator":      {"version: 1\nlabels: {phi.x: smudge}\n", `no operator "smudge"`},
		"unknown parameter":     {"version: 1\nlabels: {phi.x: {op: hash, salt: y}}\n", "salt"},
		"unknown entity":        {"version: 1\nentities: {SHOE: redact}\n", `no entity "SHOE"`},
		"keyed without keys":    {"version: 1\nlabels: {phi.x: {op: hash, domain: x}}\n", "key"},
		"derived under harbor":  {"version: 1\nprofile: safe-harbor\nkeys: [{version: 1, secret: \"env:KEY\"}]\nlabels: {phi.x: {op: hash, domain: x}}\n", "safe-harbor"},
		"rule without a filter": {"version: 1\nrules: [{name: a, entity: ID, pattern: 'x\\d'}]\n", "prefilter"},
		"no such secret":        {"version: 1\nkeys: [{version: 1, secret: \"env:NONE\"}]\n", "no such secret"},
		"detector in clear":     {"version: 1\ndetectors: [{name: a, type: presidio, url: \"http://notes.example\", labels: [phi.note]}]\n", "want https"},
		"detector unknown":      {"version: 1\ndetectors: [{name: a, type: oracle, labels: [phi.note]}]\n", "neither presidio nor dlp"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := rules.Parse("rules.yaml", []byte(tc.text))
			if err == nil {
				_, err = rules.Compile(f, deps())
			}
			if err == nil || sallyport.KindOf(err) != sallyport.Invalid || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want one of kind Invalid that says %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter-two") {
				t.Errorf("the error repeats a secret: %v", err)
			}
		})
	}
}

// TestColumn says which column gets what.
func TestColumn(t *testing.T) {
	t.Parallel()
	s := compile(t, full)
	out := func(direct bool, labels ...sallyport.Label) sallyport.Output {
		return sallyport.Output{Direct: direct, Sources: []sallyport.Column{{Labels: labels}}}
	}
	must := func(scan bool, labels ...sallyport.Label) *sallyport.Mask {
		return &sallyport.Mask{Labels: labels, Reason: "label", Scan: scan}
	}
	for name, tc := range map[string]struct {
		out  sallyport.Output
		mask *sallyport.Mask
		want string
	}{
		"shown":                  {out(true, "public"), nil, ""},
		"shown patient key":      {out(true, "phi.mrn"), nil, "patient"},
		"patient key":            {out(true, "phi.mrn"), must(false, "phi.mrn"), "mask token patient"},
		"expression over it":     {out(false, "phi.mrn"), must(false, "phi.mrn"), "mask"},
		"name":                   {out(true, "phi.name.last"), must(false, "phi.name.last"), "mask redact known"},
		"scanned note":           {out(true, "phi.note"), must(true, "phi.note"), "mask scan"},
		"unknown lineage":        {sallyport.Output{Unknown: true}, must(false, "unclassified"), "mask"},
		"unknown, though direct": {sallyport.Output{Unknown: true, Direct: true, Sources: out(true, "phi.zip").Sources}, must(false, "phi.zip"), "mask"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.Column(mask.PGColumn{TypeOID: 25, Typmod: -1}, tc.out, tc.mask)
			var got []string
			add := func(on bool, word string) {
				if on {
					got = append(got, word)
				}
			}
			add(c.Mask, "mask")
			if c.Operator != nil {
				got = append(got, c.Operator.Kind().String())
			}
			add(c.Text != nil, "scan")
			add(c.Patient, "patient")
			add(c.Known == scan.Name, "known")
			if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("column (-want +got):\n%s", diff)
			}
			if c.Mask && (c.ProfileVersion == "" || !slices.Equal(c.Labels, tc.mask.Labels)) {
				t.Errorf("column is %+v", c)
			}
			b := s.BQColumn(mask.BQColumn{Name: "c", Type: "STRING"}, tc.out, tc.mask)
			if b.Mask != c.Mask || b.Operator != c.Operator || b.Text != c.Text || b.Patient != c.Patient || b.Known != c.Known ||
				b.ProfileVersion != c.ProfileVersion || !slices.Equal(b.Labels, c.Labels) || b.Reason != c.Reason || (b.Format != nil) != (b.Text != nil) {
				t.Errorf("of BigQuery it is %+v, of PostgreSQL %+v", b, c)
			}
		})
	}
}

// TestPartial says which labels an operator shows a part of.
func TestPartial(t *testing.T) {
	t.Parallel()
	s := compile(t, full)
	for want, labels := range map[bool][]sallyport.Label{true: {"phi.zip", "phi.mrn", "phi.amount", "phi.dob", "phi.zip.home"}, false: {"phi.note", "phi.ssn", "unclassified", "public"}} {
		for _, l := range labels {
			if got := s.Partial([]sallyport.Label{l}); got != want {
				t.Errorf("%s: %v", l, got)
			}
		}
	}
	if !s.Partial([]sallyport.Label{"phi.note", "phi.zip"}) || s.Partial(nil) {
		t.Error("several labels, or none, are taken wrongly")
	}
	if s := compile(t, strings.Replace(full, "phi.zip: zip3", "unclassified: {op: partial, last: 2}", 1)); !s.Partial(nil) {
		t.Error("what is unclassified has an operator that is forgotten")
	}
	if c := s.Column(mask.PGColumn{}, sallyport.Output{Direct: true, Row: 3}, nil); c.Row != 3 {
		t.Errorf("the row is %d", c.Row)
	}
}

// FuzzParse holds that no file makes the parser panic, and that one that parses
// compiles or says why not.
func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("version: 1\nlabels: {a: [b]}\n"))
	f.Add([]byte("version: 1\nentities: {SSN: {op: const, value: x}}\nmrn: ['@@##*']\n"))
	lex, err := lexicon.Load()
	if err != nil {
		f.Fatal(err)
	}
	d := deps()
	d.Lexicon = func() (*lexicon.Lexicon, error) { return lex, nil }
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := rules.Parse("f", b)
		if err != nil {
			return
		}
		s, err := rules.Compile(file, d)
		if err != nil {
			if sallyport.KindOf(err) != sallyport.Invalid {
				t.Fatal(err)
			}
			return
		}
		var w text.Work
		if out := s.Text().Append(nil, []byte("SSN 900-11-2233"), &w); len(out) == 0 {
			t.Fatal("everything went")
		}
	})
}
