// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package column_test

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/column"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
	"github.com/sallyport-dev/sallyport/test/masktest"
)

const siteRules = `
version: 1
profile: limited-data-set
names: safe-list
keys: [{version: 1, secret: "env:KEY"}]
labels:
  phi.dob: date_year
  phi.mrn: {op: hash, domain: mrn}
  phi.amount: {op: round, width: 10}
  phi.flag: {op: const, value: "true"}
  phi.gone: "null"
  phi.clear: keep
entities: {DATE: date_year}
`

func rules(tb testing.TB, labels map[string]sallyport.Label) *column.Rules {
	tb.Helper()
	of := map[string][]sallyport.Label{}
	for name, l := range labels {
		of[name] = []sallyport.Label{l}
	}
	return column.NewRules(masktest.Rules(tb, siteRules).Text(), of, func(name string) sallyport.Label {
		return map[string]sallyport.Label{"zip": "phi.zip", "surname": "phi.name"}[name]
	})
}

// TestNested says which rule counts for a field within others.
func TestNested(t *testing.T) {
	t.Parallel()
	r := rules(t, map[string]sallyport.Label{
		"patient": "phi.name", "patient.ward": "public", "SSN": "phi.ssn", "name": "public", "note": "scan", "patient.contact.zip": "scan",
	})
	for path, want := range map[string]string{
		"patient.ward": "shown patient.ward", "patient.x": "redact patient", "patient.x.ssn": "redact patient", "visit.ssn": "redact ssn",
		"visit.Ssn": "redact ssn", "name": "shown name", "visit.name": "scanned column 4", "note": "scanned note", "visit.note": "scanned column 4",
		"zip": "zip3 column 4", "visit.zip": "zip3 column 4", "zip2": "zip3 column 4", "patient.contact.zip": "scanned patient.contact.zip",
		"other": "scanned column 4",
	} {
		var parts []string
		for p := range bytes.SplitSeq([]byte(path), []byte{'.'}) {
			parts = append(parts, string(p))
		}
		c := r.Nested(parts, 3)
		got := "scanned"
		switch {
		case c.Shown:
			got = "shown"
		case c.Op != nil:
			got = c.Op.Kind().String()
		}
		if got += " " + c.Locus; got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if c := r.Nested(nil, 0); c.Op != nil || c.Shown {
		t.Errorf("no path: %+v", c)
	}
	if c := r.Column("surname", 0); !c.Names || !c.Learns() {
		t.Errorf("names: %+v", c)
	}
}

// TestStrict holds that under strict rules nothing of what nobody knows is shown, and
// that a rule still counts.
func TestStrict(t *testing.T) {
	t.Parallel()
	r := rules(t, map[string]sallyport.Label{"open": "public", "seen": "scan"}).Strict()
	c := r.Column("other", 0)
	want := map[string]string{"string": "[UNCLASSIFIED]", "bytes": "[UNCLASSIFIED]"}
	for name, got := range typed(&c, &column.Work{Text: &text.Work{}}) {
		if want[name] == "" && got != "-" || want[name] != "" && got != want[name] {
			t.Errorf("%s became %s", name, got)
		}
	}
	if c := r.Column("open", 0); !c.Shown || c.Unknown {
		t.Errorf("public: %+v", c)
	}
	if c := r.Column("seen", 0); c.Op != nil || c.Unknown {
		t.Errorf("scan: %+v", c)
	}
}

// TestName says which names may stand in a schema.
func TestName(t *testing.T) {
	t.Parallel()
	r := rules(t, map[string]sallyport.Label{"Zqxwv": "scan"})
	for name, shown := range map[string]bool{
		"ward": true, "admitDate": true, "PatientRecord": true, "patient_id": true, "900-55-1234": false, "Quillfeather": false, "zqxwv": true,
		"mail of quill@example.org": false,
	} {
		if got := r.Name(name, &text.Work{}); got != name && shown || got != "" && !shown {
			t.Errorf("%q became %q", name, got)
		}
	}
}

// typed masks a value of each meaning and writes what became of it.
func typed(c *column.Column, w *column.Work) map[string]string {
	out := map[string]string{}
	note := func(name string, v any, ok bool) {
		if out[name] = fmt.Sprint(v); !ok {
			out[name] = "-"
		}
	}
	w.Row()
	text := func(b []byte, ok bool) (string, bool) { return string(b), ok }
	day := time.Date(1951, 7, 9, 0, 0, 0, 0, time.UTC)
	v, ok := c.Int(87, w)
	note("int", v, ok)
	f, ok := c.Float(87.25, w)
	note("float", f, ok)
	g, ok := c.Float32(87.25, w)
	note("float32", g, ok)
	b, ok := c.Bool(false, w)
	note("bool", b, ok)
	v, ok = c.Span(5, w)
	note("span", v, ok)
	v, ok = c.Day(day.Unix()/86400, w)
	note("day", time.Unix(v*86400, 0).UTC().Format(time.DateOnly), ok)
	v, ok = c.Instant(day.UnixMicro()+7, w)
	note("instant", time.UnixMicro(v).UTC().Format(time.RFC3339Nano), ok)
	v, ok = c.Millis(day.UnixMilli()+7, w)
	note("millis", time.UnixMilli(v).UTC().Format(time.RFC3339Nano), ok)
	v, ok = c.Nanos(day.UnixNano()+7, w)
	note("nanos", time.Unix(0, v).UTC().Format(time.RFC3339Nano), ok)
	s, ok := text(c.String(nil, []byte("seen by 900-55-1234"), w))
	note("string", s, ok)
	s, ok = text(c.Bytes(nil, []byte("900-55-1234"), w))
	note("bytes", s, ok)
	s, ok = text(c.Bytes(nil, []byte{0, 0xff}, w))
	note("binary", len(s), ok)
	s, ok = text(c.Decimal(nil, []byte("87.25"), w))
	note("decimal", s, ok)
	v, ok = c.Scaled(8725, 2, w)
	note("scaled", v, ok)
	s, ok = text(c.Unscaled(nil, []byte{0x22, 0x15}, 2, 0, w))
	note("unscaled", fmt.Sprintf("%x", s), ok)
	s, ok = text(c.Opaque(nil, []byte("xy"), w))
	note("opaque", s, ok)
	return out
}

// TestTyped says what becomes of values of each meaning under each form of rule.
func TestTyped(t *testing.T) {
	t.Parallel()
	own := map[string]string{
		"int": "87", "float": "87.25", "float32": "87.25", "bool": "false", "span": "5", "day": "1951-07-09", "instant": "1951-07-09T00:00:00.000007Z",
		"millis": "1951-07-09T00:00:00.007Z", "nanos": "1951-07-09T00:00:00.000000007Z", "string": "seen by 900-55-1234", "bytes": "900-55-1234",
		"binary": "2", "decimal": "87.25", "scaled": "8725", "unscaled": "2215", "opaque": "xy",
	}
	with := func(changes map[string]string) map[string]string {
		out := map[string]string{}
		for name := range own {
			out[name] = own[name]
			if c, ok := changes[name]; ok {
				out[name] = c
			}
		}
		return out
	}
	none := map[string]string{}
	for name := range own {
		none[name] = "-"
	}
	nothingBut := func(changes map[string]string) map[string]string {
		out := with(none)
		for name, c := range changes {
			out[name] = c
		}
		return out
	}
	for label, want := range map[sallyport.Label]map[string]string{
		"public":    own,
		"phi.clear": own,
		"scan": with(map[string]string{
			"string": "seen by [SSN]", "bytes": "[SSN]", "binary": "-", "opaque": "-", "day": "1951-01-01", "instant": "1951-01-01T00:00:00Z",
			"millis": "1951-01-01T00:00:00Z", "nanos": "1951-01-01T00:00:00Z",
		}),
		"phi.gone": none,
		"phi.ssn":  nothingBut(map[string]string{"string": "[SSN]", "bytes": "[SSN]"}),
		"phi.amount": nothingBut(map[string]string{
			"int": "90", "float": "90", "float32": "90", "decimal": "90.00", "scaled": "9000", "unscaled": "2328", "string": "[AMOUNT]", "bytes": "[AMOUNT]",
		}),
		"phi.dob": nothingBut(map[string]string{
			"day": "1951-01-01", "instant": "1951-01-01T00:00:00Z", "millis": "1951-01-01T00:00:00Z", "nanos": "1951-01-01T00:00:00Z",
			"string": "[DATE]", "bytes": "[DATE]",
		}),
		"phi.flag": nothingBut(map[string]string{"bool": "true", "string": "true", "bytes": "true", "binary": "4"}),
	} {
		t.Run(string(label), func(t *testing.T) {
			t.Parallel()
			c := rules(t, map[string]sallyport.Label{"a": label}).Column("a", 0)
			got := typed(&c, &column.Work{Text: &text.Work{}})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEdges holds that values at the ends of their types are masked or refused, and
// never shown by mistake.
func TestEdges(t *testing.T) {
	t.Parallel()
	c := rules(t, map[string]sallyport.Label{"a": "phi.dob"}).Column("a", 0)
	w := &column.Work{Text: &text.Work{}}
	for _, v := range []int64{math.MinInt64, math.MaxInt64, math.MinInt64 + 1, -1 << 53} {
		for name, f := range map[string]func(int64, *column.Work) (int64, bool){"day": c.Day, "millis": c.Millis, "instant": c.Instant, "nanos": c.Nanos} {
			if got, ok := f(v, w); ok && got == v {
				t.Errorf("%s %d stays", name, v)
			}
		}
	}
	s := rules(t, nil).Column("a", 0)
	for _, v := range []int64{math.MinInt64, math.MaxInt64} {
		if _, ok := s.Day(v, w); ok {
			t.Errorf("the day %d is shown though nobody can read it", v)
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.MaxFloat64} {
		if got, ok := c.Float(v, w); ok {
			t.Errorf("%v became %v", v, got)
		}
	}
	if _, ok := c.Unscaled(nil, make([]byte, 1000), 2, 0, w); ok {
		t.Error("a number of 1000 bytes has an answer")
	}
	if _, ok := s.String(nil, []byte{0xff, 'a'}, w); ok {
		t.Error("a text that is none is shown")
	}
}

// TestUnscaled holds that a decimal goes into a text and back unchanged.
func TestUnscaled(t *testing.T) {
	t.Parallel()
	c := rules(t, map[string]sallyport.Label{"a": "scan"}).Column("a", 0)
	if c.Op != nil || operator.Keep.String() == "" {
		t.Fatal("the column is not scanned")
	}
	w := &column.Work{Text: &text.Work{}}
	rapid.Check(t, func(t *rapid.T) {
		n := big.NewInt(rapid.Int64Range(-99_999, 99_999).Draw(t, "n"))
		scale := rapid.IntRange(0, 6).Draw(t, "scale")
		size := rapid.IntRange(4, 20).Draw(t, "size")
		two := new(big.Int).Set(n)
		if n.Sign() < 0 {
			two.Add(two, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
		}
		in := two.FillBytes(make([]byte, size))
		out, ok := c.Unscaled(nil, in, scale, size, w)
		if ok && !bytes.Equal(in, out) {
			t.Fatalf("%x became %x", in, out)
		}
		if v, ok := c.Scaled(n.Int64(), scale, w); ok && v != n.Int64() {
			t.Fatalf("%d became %d", n, v)
		}
	})
}

// TestRow holds that a row knows its names and its patient, and forgets them.
func TestRow(t *testing.T) {
	t.Parallel()
	r := rules(t, map[string]sallyport.Label{"name": "phi.name", "mrn": "phi.mrn", "note": "scan"})
	name, mrn, note := r.Column("name", 0), r.Column("mrn", 1), r.Column("note", 2)
	w := &column.Work{Text: &text.Work{}}
	w.Row()
	name.Know([]byte("walker"), w)
	mrn.Know([]byte("1"), w)
	mrn.Know([]byte("2"), w)
	if got, _ := note.String(nil, []byte("the walker came"), w); string(got) != "the [NAME] came" || string(w.Text.Row.Patient) != "1" {
		t.Errorf("%s, patient %s", got, w.Text.Row.Patient)
	}
	w.Row()
	if got, _ := note.String(nil, []byte("the walker came"), w); string(got) != "the walker came" || w.Text.Row.Patient != nil {
		t.Errorf("%s, patient %s", got, w.Text.Row.Patient)
	}
}
