// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/test/phigen"
)

func TestNewRefuses(t *testing.T) {
	rule := scan.UserRule{Name: "badge", Entity: scan.Unique, Prefilter: "BDG", Pattern: `BDG\d{4}`}
	with := func(change func(*scan.UserRule)) scan.Options {
		r := rule
		change(&r)
		return scan.Options{Rules: []scan.UserRule{r}}
	}
	cases := map[string]scan.Options{
		"names without lexicon":     {Names: scan.NamesListed},
		"unknown mode":              {Names: 9},
		"record without digit":      {MRN: []string{"ABCD"}},
		"record of two digits":      {MRN: []string{"##"}},
		"record with space":         {MRN: []string{"## ##"}},
		"record with inner star":    {MRN: []string{"#*###"}},
		"record too long":           {MRN: []string{strings.Repeat("#", 33)}},
		"record begins with a dash": {MRN: []string{"-####"}},
		"rule without name":         with(func(r *scan.UserRule) { r.Name = "" }),
		"rule without entity":       with(func(r *scan.UserRule) { r.Entity = scan.None }),
		"rule without prefilter":    with(func(r *scan.UserRule) { r.Prefilter = "B" }),
		"prefilter not in pattern":  with(func(r *scan.UserRule) { r.Prefilter = "XYZ" }),
		"prefilter in one branch":   with(func(r *scan.UserRule) { r.Pattern = `BDG\d{4}|EMP\d{4}` }),
		"prefilter optional":        with(func(r *scan.UserRule) { r.Pattern = `(?:BDG)?\d{4}` }),
		"prefilter beyond ASCII":    with(func(r *scan.UserRule) { r.Prefilter, r.Pattern = "ÄÖ", "ÄÖ" }),
		"pattern tied to the text":  with(func(r *scan.UserRule) { r.Pattern = `^BDG\d{4}$` }),
		"pattern broken":            with(func(r *scan.UserRule) { r.Pattern = `BDG(` }),
		"pattern too long":          with(func(r *scan.UserRule) { r.Pattern = "BDG" + strings.Repeat("x", 1024) }),
		"empty context word":        with(func(r *scan.UserRule) { r.Context = []string{""} }),
	}
	for name, o := range cases {
		_, err := scan.New(o)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if _, hint := sallyport.Public(err); sallyport.KindOf(err) != sallyport.Invalid || hint == "" {
			t.Errorf("%s: %v: want Kind Invalid and a hint", name, err)
		}
	}
	scanner(t, scan.Options{Rules: []scan.UserRule{rule}})
}

func TestRecordPatterns(t *testing.T) {
	s := scanner(t, scan.Options{MRN: []string{"########", "MC-######", "@@#*"}})
	for text, want := range map[string][]string{
		"12345678":           {"MRN:12345678"},
		"20200105":           {"MRN:20200105"},
		"see MC-123456, ok":  {"MRN:MC-123456"},
		"AB12":               {"MRN:AB12"},
		"123456789":          nil,
		"MC-12345":           nil,
		"XMC-123456":         nil,
		"12345678-9":         nil,
		"a 1234567 b":        nil,
		"SSN is 900-12-3456": {"SSN:900-12-3456"},
	} {
		if d := cmp.Diff(want, found(s, text)); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
	}
}

func TestUserRules(t *testing.T) {
	s := scanner(t, scan.Options{Rules: []scan.UserRule{
		{Name: "badge", Entity: scan.Unique, Prefilter: "bdg", Pattern: `(?i)\bBDG\d{4}\b`},
		{Name: "study", Entity: scan.MRN, Prefilter: "st-", Pattern: `ST-[A-Z]+`, Context: []string{"Trial", "arm"}},
		{Name: "wide", Entity: scan.Unique, Prefilter: "bdg", Pattern: `BDG\d{4} [a-z]+`},
	}})
	for text, want := range map[string][]string{
		"Bdg1234 and BDG5678, bdg12345": {"ID:Bdg1234", "ID:BDG5678"},
		"trial ST-AB":                   {"MRN:ST-AB"},
		"trials ST-AB":                  nil,
		"ST-AB":                         nil,
		"BDG1234 x 900-12-3456":         {"ID:BDG1234 x", "SSN:900-12-3456"},
		"no rule":                       nil,
	} {
		if d := cmp.Diff(want, found(s, text)); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
	}
	got := s.Scan(nil, []byte("BDG1234"), nil)
	if len(got) != 1 || s.Rule(got[0].Rule) != "user.badge" {
		t.Errorf("Scan = %v, want one finding of user.badge", got)
	}
}

func TestUserRuleReachesNoFurtherThanItsWindow(t *testing.T) {
	s := scanner(t, scan.Options{Rules: []scan.UserRule{{Name: "run", Entity: scan.Unique, Prefilter: "zz", Pattern: `[a-z]+zz[a-z]+`}}})
	text := strings.Repeat("a", 4*scan.Right) + "zz" + strings.Repeat("b", 4*scan.Right)
	got := s.Scan(nil, []byte(text), nil)
	if len(got) != 1 || got[0].Start != 4*scan.Right-scan.Left || got[0].End != 5*scan.Right {
		t.Errorf("Scan = %v, want one finding from Left before the prefilter to Right behind it", got)
	}
}

func TestIgnore(t *testing.T) {
	s := scanner(t, scan.Options{Ignore: scan.SetOf(scan.Date, scan.Year, scan.SSN, scan.Email)})
	want := []string{"PHONE:617-555-0123"}
	if d := cmp.Diff(want, found(s, "2020-01-05 in 2014, 900-12-3456, a@example.org, 617-555-0123")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDayFirst(t *testing.T) {
	for _, c := range []struct {
		first bool
		text  string
		want  []string
	}{
		{false, "on 25/12", nil},
		{true, "on 25/12", []string{"DATE:25/12"}},
		{true, "05.04.92", []string{"DATE:05.04.92"}},
		{false, "05.04.92", nil},
	} {
		s := scanner(t, scan.Options{DayFirst: c.first})
		if d := cmp.Diff(c.want, found(s, c.text)); d != "" {
			t.Errorf("%q with DayFirst %v (-want +got):\n%s", c.text, c.first, d)
		}
	}
}

func TestRuleNames(t *testing.T) {
	s := scanner(t, scan.Options{})
	if got := s.Rule(0); got != "" {
		t.Errorf("Rule(0) = %q, want none", got)
	}
	if got := s.Rule(60000); got != "" {
		t.Errorf("Rule(60000) = %q, want none", got)
	}
	got := s.Scan(nil, []byte("900-12-3456"), nil)
	if len(got) != 1 || s.Rule(got[0].Rule) != "ssn.itin" {
		t.Errorf("Scan = %v, want one finding of ssn.itin", got)
	}
}

func TestScanAppends(t *testing.T) {
	s := scanner(t, scan.Options{})
	first := scan.Span{Start: 1, End: 900, Entity: scan.Name}
	got := s.Scan([]scan.Span{first}, []byte("900-12-3456"), nil)
	if len(got) != 2 || got[0] != first || got[1].Start != 0 {
		t.Errorf("Scan = %v, want the given span untouched and one more", got)
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	s := scanner(t, scan.Options{})
	text := phigen.DenseText(1 << 14)
	dst := make([]scan.Span, 0, 1024)
	if n := testing.AllocsPerRun(10, func() { dst = s.Scan(dst[:0], text, nil) }); n != 0 {
		t.Errorf("Scan allocates %v times", n)
	}
	if len(dst) < 100 {
		t.Errorf("%d findings in %d bytes of dense text, want at least 100", len(dst), len(text))
	}
}

func TestCleanTextHasNoFindings(t *testing.T) {
	s := scanner(t, scan.Options{})
	for _, v := range phigen.CleanColumns(600) {
		if f := found(s, string(v)); f != nil {
			t.Errorf("%q: %v", v, f)
		}
	}
}
