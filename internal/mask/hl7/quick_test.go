// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
	"github.com/sallyport-dev/sallyport/test/masktest"
)

// byRules compiles a masker that takes no value for a usual one.
func byRules(t *testing.T, m *text.Masker, o Options) *Masker {
	t.Helper()
	masker, err := Compile(m, o)
	if err != nil {
		t.Fatal(err)
	}
	clear(masker.quicks[:])
	slow := func(s *segment) {
		s.codes, s.rest.quick = 0, quickNone
		for i := range s.fields {
			s.fields[i].quick = quickNone
		}
	}
	slow(&masker.table.unknown)
	for _, s := range masker.table.index {
		if s.segment != nil {
			slow(s.segment)
		}
	}
	return masker
}

// TestUsualValues compares what is shown and counted of random messages with what the
// rules alone make of them.
func TestUsualValues(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 13))
	for name, c := range map[string]struct {
		spec    profile.Spec
		options Options
	}{
		"safe harbor":  {spec: profile.Spec{Name: profile.SafeHarbor}},
		"limited":      {spec: profile.Spec{Name: profile.LimitedDataSet}},
		"need to know": {spec: profile.Spec{Name: profile.NeedToKnow}},
		"scanned":      {profile.Spec{Name: profile.SafeHarbor}, Options{ScanText: true}},
		"site":         {profile.Spec{Name: profile.SafeHarbor}, Options{Keep: []string{"PID-5", "ZZZ-1", "OBX-5", "PV1-70"}, Mask: []string{"DG1-4", "PV1-2"}}},
		"other operators": {spec: profile.Spec{Name: profile.NeedToKnow, Entities: map[scan.Entity]operator.Spec{
			scan.Name: {Kind: operator.Const, Value: `a|b^c and more than sixteen`}, scan.Unique: {Kind: operator.Drop}, scan.Place: {Kind: operator.Keep},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			m := masktest.Masker(t, c.spec)
			slow := byRules(t, m, c.options)
			fast, err := Compile(m, c.options)
			if err != nil {
				t.Fatal(err)
			}
			for range 4000 {
				src := []byte(randomMessage(rng))
				var a, b text.Work
				want, slowErr := slow.Append(nil, src, &a)
				got, fastErr := fast.Append(nil, src, &b)
				if d := cmp.Diff(string(want), string(got)); d != "" || (slowErr == nil) != (fastErr == nil) {
					t.Fatalf("%q, %v, %v (-rules +usual):\n%s", src, slowErr, fastErr, d)
				}
				if d := cmp.Diff(a.Tally.Take(), b.Tally.Take()); d != "" {
					t.Fatalf("counts of %q (-rules +usual):\n%s", src, d)
				}
			}
		})
	}
}

// values are what fields of random messages are made of.
var values = slices.Concat(
	strings.Fields(`"" A F 12 123 1234 12345 20200102 20200229 20201301 19630306 1920 192003 202403 19310704112233 1234567 12-34-567 1.2.3.4 1.2.3 2.6 mg/dL % 70-99
		QUILLEN Zimmerwald 718-7 LN I10 HL70005 UCUM 99X MR SS FX PH AGE 30525-0 92 é \T\ \.br\ a_b_c_d ORU_R01 FEMALE loinc R07.9 00000741 ACC-77/1 4471 OR 97405 USA
		2.16.840.1.113883.19.4.6 12.50 (541)555-0142 o.z@example.org O'Neil`),
	[]string{"Otto Quill", "Chest pain", "", "", strings.Repeat("x", 63), strings.Repeat("Y1", 32), strings.Repeat("long text ", 9), "\x1c", "\x7f"},
)

func randomMessage(rng *rand.Rand) string {
	var b strings.Builder
	pick := func(of []string) { b.WriteString(of[rng.IntN(len(of))]) }
	b.WriteString("MSH|^~\\&|A|B|C|D|2020||ADT^A01|7|P|2.5\r")
	types := strings.Fields("TX ST NM CE CWE DT TS XPN XCN CX XAD XTN ID SN EI PL ED TM QQ")
	for range rng.IntN(6) {
		name := []string{"PID", "PV1", "OBX", "OBR", "MSH", "NK1", "IN1", "DG1", "AL1", "ORC", "EVN", "ZZZ", "NTE", "MRG", "ROL"}[rng.IntN(15)]
		b.WriteString(name)
		if name == "MSH" {
			pick([]string{"|^~\\&", "|^~\\\\&", "|^~\\&#", "$*@!%"})
		}
		if name == "OBX" {
			b.WriteString("|1|")
			pick(types)
		}
		for range rng.IntN(40) {
			b.WriteByte('|')
			for range rng.IntN(4) * rng.IntN(2) * rng.IntN(8) {
				pick([]string{"", "", "^", "^", "^", "~", "&"})
				if rng.IntN(3) > 0 {
					pick(values)
				}
			}
			if rng.IntN(3) == 0 {
				pick(values)
			}
		}
		pick([]string{"\r", "\r", "\n", "\r\n", "\x1c\r", "\r\x0b"})
	}
	return b.String()
}
