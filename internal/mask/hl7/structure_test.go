// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/hl7"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// parsed is a file taken apart by splitting alone, without any of the masker's
// code: lines, of fields, of repetitions.
type parsed struct {
	lines [][][]string
	marks [5]byte // of the last header, for identifiers()
}

func parse(src string) (parsed, error) {
	var p parsed
	sep, rep := "", ""
	for _, line := range regexp.MustCompile("\r\n|\r|\n").Split(strings.TrimPrefix(src, "\ufeff"), -1) {
		bare := strings.TrimRight(strings.TrimLeft(line, "\x0b"), "\x1c")
		if len(bare) >= 8 && (strings.HasPrefix(bare, "MSH") || strings.HasPrefix(bare, "BHS") || strings.HasPrefix(bare, "FHS")) {
			sep, rep = bare[3:4], bare[5:6]
			copy(p.marks[:], bare[3:8])
		}
		if bare == "" {
			p.lines = append(p.lines, nil)
			continue
		}
		if sep == "" {
			return p, fmt.Errorf("no header before %q", bare)
		}
		var fields [][]string
		for i, f := range strings.Split(bare, sep) {
			if i == 1 && regexp.MustCompile("^(MSH|[BF]HS)").MatchString(bare) {
				fields = append(fields, []string{f}) // the separators themselves
				continue
			}
			fields = append(fields, strings.Split(f, rep))
		}
		p.lines = append(p.lines, fields)
	}
	return p, nil
}

// sameStructure says where two files differ in more than values.
func sameStructure(in, out string) error {
	a, err := parse(in)
	if err != nil {
		return err
	}
	b, err := parse(out)
	if err != nil {
		return err
	}
	if len(a.lines) != len(b.lines) {
		return fmt.Errorf("%d lines of %d", len(b.lines), len(a.lines))
	}
	for i := range a.lines {
		if !isSegment(a.lines[i]) {
			continue // masked whole
		}
		if len(a.lines[i]) != len(b.lines[i]) || a.lines[i][0][0] != b.lines[i][0][0] {
			return fmt.Errorf("line %d: %d fields of %d, %q", i+1, len(b.lines[i]), len(a.lines[i]), b.lines[i][0])
		}
		for n := range a.lines[i] {
			if len(a.lines[i][n]) != len(b.lines[i][n]) {
				return fmt.Errorf("%s-%d: %d repetitions of %d", a.lines[i][0][0], n, len(b.lines[i][n]), len(a.lines[i][n]))
			}
		}
	}
	return nil
}

func isSegment(fields [][]string) bool {
	return len(fields) > 0 && len(fields[0]) == 1 && regexp.MustCompile(`^[A-Z][A-Z0-9]{2}$`).MatchString(fields[0][0])
}

// identifiers walks a file and returns the values of the fields that the
// eighteen identifiers occupy. It has a list of its own.
func identifiers(p parsed) []string {
	where := map[string][]int{
		"MSH": {9}, "EVN": {2, 3, 5, 6}, "PID": {2, 3, 4, 5, 6, 7, 9, 11, 12, 13, 14, 18, 19, 20, 21, 23, 29, 33}, "NK1": {2, 4, 5, 6, 12, 16, 30, 31, 32, 33, 37},
		"GT1": {2, 3, 4, 5, 6, 7, 8, 12, 16, 17, 18, 19}, "IN1": {2, 3, 6, 7, 8, 10, 12, 13, 16, 18, 19, 36, 49}, "PV1": {5, 7, 8, 9, 17, 19, 44, 45, 50, 52},
		"NTE": {3}, "MRG": {1, 2, 3, 4, 7}, "ORC": {2, 3, 9, 10, 11, 12, 15}, "OBR": {2, 3, 6, 7, 8, 10, 14, 16, 17, 22, 36}, "SCH": {1, 2, 12, 13, 14, 16},
		"AL1": {6}, "DG1": {5, 16, 19}, "FT1": {2, 4, 5, 20, 21}, "RXA": {3, 4, 10, 15}, "TXA": {4, 5, 6, 7, 8, 9, 12}, "ACC": {1, 3}, "SPM": {2, 17, 18},
		"AIP": {3, 6}, "AIL": {6}, "AIS": {4},
	}
	var out []string
	leaf := regexp.MustCompile("[" + regexp.QuoteMeta(string(p.marks[1:3])+string(p.marks[4:])) + "]")
	code := regexp.MustCompile(`^[A-Z0-9]{1,6}$|^[A-Z][a-z]+net$|^\d{4}$`)
	take := func(v string) {
		for _, s := range leaf.Split(v, -1) {
			if len(s) >= 3 && !code.MatchString(s) {
				out = append(out, s)
			}
		}
	}
	for _, fields := range p.lines {
		if !isSegment(fields) {
			continue
		}
		name := fields[0][0]
		for _, n := range where[name] {
			if n < len(fields) {
				for _, v := range fields[n] {
					take(v)
				}
			}
		}
		if name == "OBX" && len(fields) > 5 && regexp.MustCompile("^(TX|FT|ST|DT|TS|X..|CX|ED|RP|TM)$").MatchString(fields[2][0]) {
			for _, v := range fields[5] {
				take(v)
			}
		}
		if name[0] == 'Z' {
			for _, f := range fields[1:] {
				take(f[0])
			}
		}
	}
	return out
}

// TestStructure checks by the parser above that the messages keep their structure
// and hold no value of a field that identifies, and that masking twice changes
// nothing.
func TestStructure(t *testing.T) {
	for _, p := range []string{profile.SafeHarbor, profile.NeedToKnow} {
		m := masker(t, profile.Spec{Name: p}, hl7.Options{})
		for name, src := range messages(t) {
			got := mask(t, m, src)
			if err := sameStructure(src, got); err != nil {
				t.Errorf("%s, %s: %v", p, name, err)
			}
			if again := mask(t, m, got); again != got {
				t.Errorf("%s, %s: masked again it is\n%s\nnot\n%s", p, name, again, got)
			}
			in, err := parse(src)
			if err != nil {
				t.Fatal(err)
			}
			values := identifiers(in)
			if len(values) < 4 {
				t.Errorf("%s holds only %d identifiers", name, len(values))
			}
			for _, v := range values {
				if strings.Contains(got, v) {
					t.Errorf("%s, %s: %q survives", p, name, v)
				}
			}
		}
	}
}

// canary is in no message, in no list of names, and nothing that a mask writes.
const canary = "Qxzvyw"

// FuzzHL7 masks any bytes: they are refused, or keep their structure. Values of
// identifying fields after them are gone, and masking twice changes nothing.
func FuzzHL7(f *testing.F) {
	for _, src := range messages(f) {
		f.Add([]byte(src))
	}
	m := masker(f, profile.Spec{Name: profile.SafeHarbor}, hl7.Options{})
	scanning := masker(f, profile.Spec{Name: profile.SafeHarbor}, hl7.Options{ScanText: true})
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, m := range []*hl7.Masker{m, scanning} {
			check(t, m, src)
		}
		seeded := string(src) + "\rMSH|^~\\&|A|" + canary + "\rPID|1|" + canary + "|" + canary + "^^^" + canary + " x||" + canary + "^" + canary +
			"||" + canary + "||||" + canary + "^" + canary + "^" + canary + "\rNTE|1||" + canary + "\rZZZ|" + canary + "\r" + canary + "\r"
		got, err := m.Append(nil, []byte(seeded), &text.Work{})
		if _, tail, found := strings.Cut(string(got), "MSH|^~\\&|A|[ORG]\rPID|"); err == nil && (!found || strings.Contains(tail, canary)) {
			t.Errorf("a canary survives in %q", tail)
		}
	})
}

func check(t *testing.T, m *hl7.Masker, src []byte) {
	var w text.Work
	once, err := m.Append(nil, src, &w)
	if err != nil {
		return
	}
	if err := sameStructure(string(src), string(once)); err != nil {
		t.Errorf("%v:\n%q\n%q", err, src, once)
	}
	if slices.ContainsFunc(w.Tally.Take(), func(c text.Count) bool { return c.Rule != "field" }) {
		return // next to what a finding leaves, the scanner may find something more
	}
	twice, err := m.Append(nil, once, &text.Work{})
	if err != nil || string(twice) != string(once) {
		t.Errorf("masked twice, %v:\n%q\n%q", err, once, twice)
	}
}
