// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/hl7"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
)

// sharedMessages are the examples beside the checkout.
const sharedMessages = "../../../../shared/data/phi/hl7v2"

// examples returns the shared messages by name, or the project's own where they are
// absent.
func examples(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(sharedMessages, "*.hl7"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Logf("THE SHARED EXAMPLES ARE ABSENT: %s holds no message. The project's own are checked in their place.", sharedMessages)
		return messages(t)
	}
	out := make(map[string]string)
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(p)] = string(b)
	}
	return out
}

// fieldTypes gives fields their data types, as the standard's chapters do, apart
// from the masker's table. It holds every field in which one of the eighteen
// identifiers stands, and some that hold none.
var fieldTypes = map[string]string{
	"MSH-4": "HD", "MSH-6": "HD", "MSH-7": "TS", "MSH-10": "ID#", "MSH-22": "XON", "MSH-24": "HD", "MSH-25": "HD",
	"EVN-2": "TS", "EVN-3": "TS", "EVN-5": "XCN", "EVN-6": "TS", "EVN-7": "HD",
	"PID-1": "SI", "PID-2": "CX", "PID-3": "CX", "PID-4": "CX", "PID-5": "XPN", "PID-6": "XPN", "PID-7": "TS", "PID-9": "XPN", "PID-10": "CE",
	"PID-11": "XAD", "PID-12": "ID#", "PID-13": "XTN", "PID-14": "XTN", "PID-18": "CX", "PID-19": "ID#", "PID-20": "ID#", "PID-21": "CX",
	"PID-23": "ID#", "PID-29": "TS", "PID-33": "TS",
	"NK1-1": "SI", "NK1-2": "XPN", "NK1-4": "XAD", "NK1-5": "XTN", "NK1-6": "XTN",
	"PV1-1": "SI", "PV1-5": "CX", "PV1-7": "XCN", "PV1-8": "XCN", "PV1-9": "XCN", "PV1-17": "XCN", "PV1-19": "CX", "PV1-44": "TS", "PV1-45": "TS",
	"PV1-50": "CX", "PV1-52": "XCN", "PV2-5": "ID#", "PV2-8": "TS", "PV2-9": "TS", "PV2-12": "TEXT",
	"GT1-1": "SI", "GT1-2": "CX", "GT1-3": "XPN", "GT1-5": "XAD", "GT1-6": "XTN", "GT1-8": "TS", "GT1-12": "ID#", "GT1-16": "XPN", "GT1-17": "XAD", "GT1-18": "XTN",
	"IN1-3": "CX", "IN1-5": "XAD", "IN1-6": "XPN", "IN1-7": "XTN", "IN1-8": "ID#", "IN1-16": "XPN", "IN1-18": "TS", "IN1-19": "XAD", "IN1-36": "ID#", "IN1-49": "CX",
	"ORC-2": "EI", "ORC-3": "EI", "ORC-9": "TS", "ORC-10": "XCN", "ORC-11": "XCN", "ORC-12": "XCN", "ORC-14": "XTN", "ORC-15": "TS",
	"OBR-1": "SI", "OBR-2": "EI", "OBR-3": "EI", "OBR-4": "CE", "OBR-6": "TS", "OBR-7": "TS", "OBR-8": "TS", "OBR-10": "XCN", "OBR-14": "TS",
	"OBR-16": "XCN", "OBR-17": "XTN", "OBR-22": "TS", "OBR-28": "XCN",
	"OBX-1": "SI", "OBX-3": "CE", "OBX-14": "TS", "OBX-16": "XCN",
	"NTE-1": "SI", "NTE-3": "TEXT", "AL1-1": "SI", "AL1-3": "CE", "AL1-6": "TS", "DG1-1": "SI", "DG1-3": "CE", "DG1-5": "TS", "DG1-16": "XCN",
	"PRB-2": "TS", "PRB-3": "CE", "PRB-4": "EI", "PRB-7": "TS",
}

// stays are the components of data types that identify nobody: schemes of check
// digits, authorities, types, states and countries.
var stays = map[string]map[int]bool{
	"CX": {3: true, 4: true, 5: true, 6: true}, "EI": {2: true, 3: true, 4: true}, "HD": {3: true}, "XON": {2: true},
	"XPN": {7: true, 8: true}, "XCN": {8: true, 9: true, 10: true, 12: true, 13: true}, "XAD": {4: true, 6: true, 7: true}, "XTN": {2: true, 3: true},
}

var (
	isTimestamp = regexp.MustCompile(`^([12]\d{3}((0[1-9]|1[0-2])((0[1-9]|[12]\d|3[01])(\d{2}(\d{2}(\d{2}(\.\d{1,4})?)?)?)?)?)?([+-]\d{4})?)?$`)
	isSequence  = regexp.MustCompile(`^\d{0,4}$`)
	isNumber    = regexp.MustCompile(`^([+-]?\d+(\.\d*)?)?$`)
	isBroken    = regexp.MustCompile("[\x00-\x09\x0e-\x1f]")
)

// leaf is a component of a message: where it stands, what type its field has, and
// its value.
type leaf struct {
	locus, kind string
	component   int
	value       string
}

// leaves takes a message apart down to components.
func leaves(t *testing.T, src string) []leaf {
	t.Helper()
	p, err := parse(src)
	if err != nil {
		t.Fatal(err)
	}
	var out []leaf
	for i, fields := range p.lines {
		if !isSegment(fields) {
			continue
		}
		name := fields[0][0]
		for n, field := range fields[1:] {
			if name == "MSH" && n == 0 {
				continue
			}
			number := n + 1
			if name == "MSH" {
				number++
			}
			kind := fieldTypes[fmt.Sprintf("%s-%d", name, number)]
			if name == "OBX" && number == 5 {
				kind = map[string]string{"": "TEXT", "TX": "TEXT", "FT": "TEXT", "ST": "TEXT", "NM": "NM", "CE": "CE", "CWE": "CE", "TS": "TS", "DT": "TS"}[fields[2][0]]
			}
			for rep, one := range field {
				for c, v := range strings.Split(one, string(p.marks[1])) {
					out = append(out, leaf{fmt.Sprintf("line %d %s-%d[%d].%d", i+1, name, number, rep+1, c+1), kind, c + 1, v})
				}
			}
		}
	}
	return out
}

// identifies reports whether a leaf holds an identifier, or a part of one.
func (l leaf) identifies() bool {
	switch l.kind {
	case "", "SI", "NM", "CE":
		return false
	case "TS":
		return len(l.value) > len("2024") // a year may stay
	}
	return l.value != "" && l.value != `""` && !stays[l.kind][l.component]
}

// valid says what is wrong with a leaf by its type.
func (l leaf) valid() error {
	bad := isBroken.MatchString(l.value)
	switch l.kind {
	case "TS":
		bad = bad || l.component == 1 && !isTimestamp.MatchString(l.value)
	case "SI":
		bad = bad || !isSequence.MatchString(l.value)
	case "NM":
		bad = bad || !isNumber.MatchString(l.value)
	}
	if bad {
		return fmt.Errorf("%s is no %s: %q", l.locus, l.kind, l.value)
	}
	return nil
}

// TestExamples checks every example under Safe Harbor with a parser and a list of
// types of its own: it keeps its structure, its values are valid for their types,
// coded values keep their components, no value stays where an identifier was or
// anywhere else, and masking again changes nothing.
func TestExamples(t *testing.T) {
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, hl7.Options{})
	identifying := 0
	for name, src := range examples(t) {
		got := mask(t, m, src)
		if err := sameStructure(src, got); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		before, after := leaves(t, src), leaves(t, got)
		shown := make(map[string]bool)
		for _, l := range after {
			shown[l.value] = true
			if err := l.valid(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		elsewhere := make(map[string]bool) // values that are no identifiers where they stand
		components := make(map[string]string)
		for _, l := range before {
			if !l.identifies() {
				elsewhere[l.value] = true
			}
		}
		for _, l := range after {
			components[l.locus] = l.value
		}
		for _, l := range before {
			now, found := components[l.locus]
			switch {
			case l.kind == "CE" && !found:
				t.Errorf("%s: %s is gone", name, l.locus)
			case !l.identifies():
				continue
			case now == l.value:
				t.Errorf("%s: %s still holds %q", name, l.locus, l.value)
			case shown[l.value] && !elsewhere[l.value]:
				t.Errorf("%s: the value %q of %s is shown elsewhere", name, l.value, l.locus)
			case len(l.value) >= 5 && strings.Contains(got, l.value) && !elsewhere[l.value]:
				t.Errorf("%s: the value %q of %s is shown as a part", name, l.value, l.locus)
			}
			identifying++
		}
		if again := mask(t, m, got); again != got {
			t.Errorf("%s: masked again it is\n%q\nnot\n%q", name, again, got)
		}
	}
	if identifying < 60 {
		t.Errorf("only %d identifying values were looked for", identifying)
	}
	t.Logf("%d identifying values are gone", identifying)
}
