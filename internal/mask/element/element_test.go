// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package element_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

func TestShapeOf(t *testing.T) {
	c := element.NewClasses()
	for v, want := range map[string]element.Shape{
		"":                      element.Code,
		"R07.9":                 element.Code,
		"12345-6":               element.Code,
		"mg/dL":                 element.Code,
		"ADT_A01":               element.Code,
		"123456":                element.Code,
		"20231301":              element.Number, // no date, but too many digits
		"1234567":               element.Number,
		"202311":                element.Number, // a month
		"209911":                element.Number,
		"201300":                element.Code, // no month
		"1-2-345":               element.Number,
		"3/4/1999":              element.Number,
		"10.1.1.5":              element.Number,
		"10.1":                  element.Code,
		"a@b.org":               element.Text,
		"Zo\xc3\xab":            element.Text,
		string(make([]byte, 5)): element.Text,
	} {
		if got := c.ShapeOf([]byte(v)); got != want {
			t.Errorf("%q has shape %v, not %v", v, got, want)
		}
	}
}

func TestIsOID(t *testing.T) {
	for v, want := range map[string]bool{
		"2.16.840.1.113883.19.4.6": true, "1.2.840.99999.1.77": true, "10.1.1.5": false, "2.16.840": false, "2.16..840.1.113883.19": false, "3.1.1.1.1.1.1": false,
		"2.16.840.1.113883.19.": false, "": false, "1.2.840.99999.1.x": false,
	} {
		if got := element.IsOID([]byte(v)); got != want {
			t.Errorf("%q: %v", v, got)
		}
	}
}

func TestMeasure(t *testing.T) {
	for v, want := range map[string]bool{
		"98": true, "-1.5": true, "+0.25": true, "250000": true, "12345678": false, "19630306": false, "123456789": false, "1.2.3": false, "": false, "-": false,
		"5-6": false, "1e5": false,
	} {
		if got := element.Measure([]byte(v)); got != want {
			t.Errorf("%q: %v", v, got)
		}
	}
}

// TestDays compares with the standard library over four centuries and more.
func TestDays(t *testing.T) {
	for at := time.Date(1795, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2205; at = at.AddDate(0, 0, 13) {
		v := []byte(at.Format("20060102"))
		day, width, ok := element.ParseDay(v)
		if want := at.Unix() / 86400; !ok || width != 8 || (day != want && at.Unix()%86400 == 0) {
			t.Fatalf("%s is day %d, not %d", v, day, want)
		}
		if got := element.AppendDay(nil, day, 8); string(got) != string(v) {
			t.Fatalf("%s came back as %s", v, got)
		}
	}
}

func TestParseDay(t *testing.T) {
	type result struct {
		Shown string
		OK    bool
	}
	for v, want := range map[string]result{
		"1974": {"1974", true}, "197402": {"197402", true}, "19740229": {"", false}, "19760229": {"19760229", true}, "20240311142233.1-0500": {"20240311", true},
		"197413": {"", false}, "19741": {"", false}, "0000": {"", false}, "": {"", false}, "1974-02": {"1974", true}, "19740400": {"", false}, "x1974": {"", false},
	} {
		day, width, ok := element.ParseDay([]byte(v))
		got := result{OK: ok}
		if ok {
			got.Shown = string(element.AppendDay(nil, day, width))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", v, d)
		}
	}
	if got := element.AppendDay([]byte("x"), 1<<40, 8); string(got) != "x" {
		t.Errorf("a year of more than four digits: %s", got)
	}
}

func TestCounts(t *testing.T) {
	p, err := profile.Compile(profile.Spec{Name: profile.SafeHarbor}, nil, func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) })
	if err != nil {
		t.Fatal(err)
	}
	ops := element.NewOps(&text.Masker{Profile: p})
	c := element.NewCounts(element.NewPlaces(ops, "field", []string{"A-1", "B-2"}))
	c.Add(0, scan.SSN)
	c.Reset()
	c.Add(1, scan.Name)
	c.Add(1, scan.Name)
	c.Add(0, scan.Date)
	var tally text.Tally
	c.Flush(&tally)
	c.Flush(&tally)
	want := []text.Count{
		{Key: text.Key{Rule: "field", Entity: scan.Date, Operator: operator.DateYear, Locus: "A-1"}, N: 1},
		{Key: text.Key{Rule: "field", Entity: scan.Name, Operator: operator.Redact, Locus: "B-2"}, N: 2},
	}
	if d := cmp.Diff(want, tally.Take()); d != "" {
		t.Errorf("counts (-want +got):\n%s", d)
	}
}

func TestPut(t *testing.T) {
	spec := profile.Spec{Name: profile.NeedToKnow, Entities: map[scan.Entity]operator.Spec{scan.Phone: {Kind: operator.Partial, Last: 2}, scan.Place: {Kind: operator.Keep}}}
	p, err := profile.Compile(spec, nil, func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) })
	if err != nil {
		t.Fatal(err)
	}
	ops := element.NewOps(&text.Masker{Profile: p})
	var w text.Work
	for e, want := range map[scan.Entity]string{scan.SSN: "<[SSN]", scan.Place: "<5415550142"} {
		if got := ops.Put([]byte("<"), []byte("5415550142"), e, &w); string(got) != want {
			t.Errorf("%v: %q", e, got)
		}
	}
	if ops.Fixed(scan.SSN) == nil || ops.Fixed(scan.Phone) != nil || ops.Kind(scan.Phone) != operator.Partial {
		t.Error("what depends on the value and what does not is mixed up")
	}
}
