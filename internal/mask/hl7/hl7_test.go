// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7_test

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/hl7"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
	"github.com/sallyport-dev/sallyport/test/masktest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// messages returns the synthetic messages of testdata by name.
func messages(tb testing.TB) map[string]string {
	tb.Helper()
	return masktest.Files(tb, "testdata/*.hl7", 6)
}

// TestGolden compares what each profile shows of each message with what was
// agreed on.
func TestGolden(t *testing.T) {
	for _, p := range []string{profile.SafeHarbor, profile.LimitedDataSet, profile.NeedToKnow} {
		m := masker(t, profile.Spec{Name: p}, hl7.Options{})
		for name, src := range messages(t) {
			t.Run(p+"/"+name, func(t *testing.T) {
				masktest.Golden(t, filepath.Join("testdata", p, name+".txt"), mask(t, m, src), *update)
			})
		}
	}
}

// TestCanaries looks for every word of the messages that says who somebody is.
func TestCanaries(t *testing.T) {
	canaries := []string{
		"Zimmerwald", "Ottilie", "Brenna", "Tilly", "Hollowbrook", "Ingrid", "Casimir", "Quillfeather", "Dorian", "Brackenridge", "Saoirse",
		"Thistlewood", "Agnes", "Winterbourne", "Marchetti", "Umberfield", "Oduya", "Larkspur", "Fennel", "Eugene", "Salem", "Astoria", "Junction", "97405",
		"97301", "55120", "900-55", "D4471902", "ACC77", "555-01", "5550", "GRP33", "POL88", "CASM22", "EMP20", "PRE88", "VN66", "19310704", "202403",
		"0704", "ADT0099", "LAB2024", "PLC99", "FIL77", "DOC77", "LOT77", "Fluffernutter", "secretvalue", "JVBER", "http", "example.org", "NORTHFIELD",
		"CASCADE", "Cascade", "TX2024", "BATCH77", "APT99", "zimmerwald",
	}
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, hl7.Options{})
	held := ""
	for name, src := range messages(t) {
		held += src
		got := mask(t, m, src)
		for _, c := range canaries {
			if strings.Contains(got, c) {
				t.Errorf("%s: %q survives", name, c)
			}
		}
	}
	for _, c := range canaries {
		if !strings.Contains(held, c) {
			t.Errorf("no message holds %q, so its absence proves nothing", c)
		}
	}
}

// TestClinical checks that what is no identifier stays.
func TestClinical(t *testing.T) {
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, hl7.Options{})
	all := messages(t)
	for name, wants := range map[string][]string{
		"adt_a01": {"R07.9^Chest pain, unspecified^I10", "7980^PENICILLIN^RXN", "|ADT^A01^ADT_A01|", "^OR^97400^USA", "|I|", "2106-3^White^HL70005"},
		"oru_r01": {"|2345-7^Glucose^LN||98|mg/dL^mg/dL^UCUM|70-99|N|||F|", "|>^145|", "371244009^Yellow^SCT", "119297000^Blood specimen^SCT"},
		"batch":   {"207^COVID-19 mRNA^CVX", "MOD^Moderna^MVX", "LD^Left deltoid^HL70163", "BTS|2|", "FTS|1"},
	} {
		got := mask(t, m, all[name])
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is gone", name, want)
			}
		}
	}
}

func TestFields(t *testing.T) {
	const head = "MSH|^~\\&|A|B|C|D|2024||ADT^A01|7|P|2.5\r"
	tests := []struct {
		name, in, want string
		options        hl7.Options
		spec           map[scan.Entity]operator.Spec
	}{
		{name: "name in the given name alone", in: "PID|||||^Ottilie", want: "PID|||||[NAME]^"},
		{name: "null in the given name alone", in: `PID|||||^""~^""^Brenna`, want: `PID|||||^""~[NAME]^""^`},
		{name: "a code beside a coded element and a person", in: "PV1|1|I~I^Inpatient^HL70004~7781^Quillfeather^Dorian", want: "PV1|1|I~I^Inpatient^HL70004~[ID]"},
		{name: "more components than any type has", in: "PID|||||Zimmerwald" + strings.Repeat("^Ottilie", 40), want: "PID|||||[NAME]" + strings.Repeat("^", 31)},
		{name: "one mark is no escape", in: `AL1|1|DA^x^HL70127|R56.9^Seizures\r^I10`, want: `AL1|1|DA^x^HL70127|R56.9^Seizures\r^I10`},
		{name: "a name after the text", in: "DG1|1||W19^Fell beside Casimir^I10\rNK1|1|Zimmerwald^Casimir", want: "DG1|1||W19^Fell beside [NAME]^I10\rNK1|1|[NAME]^"},
		{name: "null deletes", in: `PID|||""||""||""`, want: `PID|||""||""||""`},
		{name: "a date that is none", in: "PID|||||||19321301", want: "PID|||||||"},
		{name: "a year of ninety years ago", in: "PID|||||||1920", want: "PID|||||||1936"},
		{name: "a coded element where a code was", in: "PV1|1|I^Inpatient^HL70004", want: "PV1|1|I^Inpatient^HL70004"},
		{name: "a person where a code should be", in: "PV1|1|7781^Quillfeather^Dorian", want: "PV1|1|[ID]"},
		{name: "a number where a code should be", in: "PV1|1|5415550142", want: "PV1|1|"},
		{name: "a date where a code should be", in: "PV1|1|20240312~I", want: "PV1|1|~I"},
		{name: "a telephone in a code", in: "PV1|1|call (541) 555-0142", want: "PV1|1|"},
		{name: "beyond the table", in: "AL1|1|||||||||Ottilie", want: "AL1|1|||||||||[ID]"},
		{name: "a segment of the site", in: "ZZZ|x^y~z||", want: "ZZZ|[ID]~[ID]||"},
		{name: "a site's field is free", in: "ZZZ|x^y|z", want: "ZZZ|x^y|[ID]", options: hl7.Options{Keep: []string{"ZZZ-1"}}},
		{name: "a site's field is not", in: "DG1|1|||Chest pain", want: "DG1|1|||[ID]", options: hl7.Options{Mask: []string{"DG1-4"}}},
		{name: "an object identifier", in: "PID|||1^^^NFG&2.16.840.1.113883.19.4.6&ISO^MR", want: "PID|||[MRN]^^^NFG&2.16.840.1.113883.19.4.6&ISO^MR"},
		{name: "an institution as authority", in: "PID|||1^^^North Field Clinic^MR", want: "PID|||[MRN]^^^^MR"},
		{name: "fax", in: "PID|||||||||||||^^FX^^^541^5550142", want: "PID|||||||||||||[FAX]^^FX^^^^"},
		{name: "scanned text", in: "PID|||||Zimmerwald^Ottilie\rNTE|1||Zimmerwald \\H\\Ott\\N\\ilie 541\\X2D\\555-0142\\.br\\ok \\T\\ so", options: hl7.Options{ScanText: true}, want: "PID|||||[NAME]^\rNTE|1||[NAME] [PHONE]\\.br\\ok \\T\\ so"},
		{name: "an operator's separators are escaped", in: "PID|||||Zimmerwald", spec: map[scan.Entity]operator.Spec{scan.Name: {Kind: operator.Const, Value: `a|b^c&d~e\f`}}, want: `PID|||||a\F\b\S\c\T\d\R\e\E\f`},
		{name: "dropped", in: "PID|||1||Zimmerwald^O", spec: map[scan.Entity]operator.Spec{scan.Name: {Kind: operator.Drop}, scan.MRN: {Kind: operator.Null}}, want: "PID|||||^"},
		{name: "no age", in: "OBX|1|NM|2345-7^Glucose^LN||92", want: "OBX|1|NM|2345-7^Glucose^LN||92"},
		{name: "lines that are no segments", in: "ottilie\rPIDx\rPI", want: "[TEXT]\r[TEXT]\r[TEXT]"},
		{name: "a segment of its name alone", in: "PID", want: "PID"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := masker(t, profile.Spec{Name: profile.SafeHarbor, Entities: tt.spec}, tt.options)
			got, ok := strings.CutPrefix(mask(t, m, head+tt.in), "MSH|^~\\&|A|[ORG]|C|[ORG]|2024||ADT^A01|1|P|2.5\r")
			if d := cmp.Diff(tt.want, got); d != "" || !ok {
				t.Errorf("masked otherwise (-want +got):\n%s", d)
			}
		})
	}
}

// TestShift moves the dates of a message by its patient.
func TestShift(t *testing.T) {
	m := masker(t, profile.Spec{Name: profile.LimitedDataSet, Entities: map[scan.Entity]operator.Spec{
		scan.Date: {Kind: operator.DateShift, Domain: "dates", Days: 30},
	}}, hl7.Options{})
	message := func(id string) string {
		return "MSH|^~\\&|A|B|C|D|20240312081500||ADT^A01|7|P|2.5\rPID|||" + id + "||||19800229\r"
	}
	one, again, other := mask(t, m, message("P1")), mask(t, m, message("P1")), mask(t, m, message("P2"))
	if one != again || one == other || strings.Contains(one, "20240312") || !strings.Contains(one, "081500|") {
		t.Errorf("shifted to %q, again %q, and for another patient %q", one, again, other)
	}
	if none := mask(t, m, message("")); !strings.Contains(none, "|2024||") || !strings.HasSuffix(none, "|1980\r") {
		t.Errorf("without a patient: %q", none)
	}
}

func TestRefused(t *testing.T) {
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, hl7.Options{})
	for name, src := range map[string]string{
		"nothing":                  "",
		"no header":                "PID|||1\r",
		"text before":              "hello\rMSH|^~\\&|A\r",
		"short separators":         "MSH|^~\\|A\r",
		"equal separators":         "MSH|^^\\&|A\r",
		"letters as separators":    "MSH|^~x&|A\r",
		"a bracket":                "MSH|^~\\[|A\r",
		"shifting character sets":  "MSH|^~\\&||||||||||||||||ASCII~ISO IR87\r",
		"Big5":                     "MSH|^~\\&||||||||||||||||BIG-5\r",
		"second header is damaged": "MSH|^~\\&|A\rPID|||1\rMSH|^^^^|A\r",
	} {
		t.Run(name, func(t *testing.T) {
			var w text.Work
			got, err := m.Append([]byte("before"), []byte(src), &w)
			if sallyport.KindOf(err) != sallyport.Integrity || string(got) != "before" {
				t.Errorf("got %q, %v", got, err)
			}
			if n := w.Tally.Take(); len(n) != 0 {
				t.Errorf("counted %v of what did not pass", n)
			}
		})
	}
}

func TestSiteRules(t *testing.T) {
	for _, locus := range []string{"PID", "PID-0", "pid-3", "PIDX-3", "PID-x", "PID-9999", "MSH-2", "MSH-18", "OBX-2"} {
		if _, err := hl7.Compile(masktest.Masker(t, profile.Spec{Name: profile.SafeHarbor}), hl7.Options{Mask: []string{locus}}); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", locus, err)
		}
	}
}

func TestTally(t *testing.T) {
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, hl7.Options{})
	var w text.Work
	if _, err := m.Append(nil, []byte("MSH|^~\\&|A|B||||||7\rPID|||1~2^^^^SS||Zimmerwald\rZZZ|1|2\rOBX|1|CE|1|1|8867-4^call 541-555-0142^LN\r"), &w); err != nil {
		t.Fatal(err)
	}
	want := []text.Count{
		{Key: text.Key{Rule: "field", Entity: scan.Unique, Operator: operator.Redact, Locus: "MSH-10"}, N: 1},
		{Key: text.Key{Rule: "field", Entity: scan.Org, Operator: operator.Redact, Locus: "MSH-4"}, N: 1},
		{Key: text.Key{Rule: "field", Entity: scan.Phone, Operator: operator.Redact, Locus: "OBX-5"}, N: 1},
		{Key: text.Key{Rule: "field", Entity: scan.SSN, Operator: operator.Redact, Locus: "PID-3"}, N: 1},
		{Key: text.Key{Rule: "field", Entity: scan.MRN, Operator: operator.Redact, Locus: "PID-3"}, N: 1},
		{Key: text.Key{Rule: "field", Entity: scan.Name, Operator: operator.Redact, Locus: "PID-5"}, N: 1},
		{Key: text.Key{Rule: "field", Entity: scan.Unique, Operator: operator.Redact, Locus: "segment without a table"}, N: 2},
	}
	got := w.Tally.Take()
	for i := range got {
		if got[i].Locus == "OBX-5" {
			got[i].Rule = "field" // the scanner's own rule
		}
	}
	byLocus := cmp.Transformer("set", func(cs []text.Count) map[text.Count]bool {
		set := make(map[text.Count]bool)
		for _, c := range cs {
			set[c] = true
		}
		return set
	})
	if d := cmp.Diff(want, got, byLocus); d != "" {
		t.Errorf("counts (-want +got):\n%s", d)
	}
}

// TestOrdinals numbers messages on over the calls of one stream.
func TestOrdinals(t *testing.T) {
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, hl7.Options{})
	var w text.Work
	var out []byte
	var err error
	for range 3 {
		if out, err = m.Append(out, []byte("MSH|^~\\&|||||||ACK|X99|P\r"), &w); err != nil {
			t.Fatal(err)
		}
	}
	if want := "MSH|^~\\&|||||||ACK|1|P\rMSH|^~\\&|||||||ACK|2|P\rMSH|^~\\&|||||||ACK|3|P\r"; string(out) != want {
		t.Errorf("got %q", out)
	}
}
