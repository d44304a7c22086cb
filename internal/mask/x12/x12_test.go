// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package x12_test

import (
	"flag"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
	"github.com/sallyport-dev/sallyport/internal/mask/x12"
	"github.com/sallyport-dev/sallyport/test/masktest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// interchanges returns the synthetic interchanges of testdata by name.
func interchanges(tb testing.TB) map[string]string {
	tb.Helper()
	return masktest.Files(tb, "testdata/*.edi", 4)
}

// TestGolden compares what each profile shows with what was agreed on.
func TestGolden(t *testing.T) {
	for _, p := range []string{profile.SafeHarbor, profile.LimitedDataSet, profile.NeedToKnow} {
		m := masker(t, profile.Spec{Name: p}, x12.Options{})
		for name, src := range interchanges(t) {
			t.Run(p+"/"+name, func(t *testing.T) {
				masktest.Golden(t, filepath.Join("testdata", p, name+".txt"), mask(t, m, src), *update)
			})
		}
	}
}

// TestCanaries looks for every word of the interchanges that says who somebody is.
func TestCanaries(t *testing.T) {
	canaries := []string{
		"ZIMMERWALD", "OTTILIE", "QUILLFEATHER", "DORIAN", "BRACKENRIDGE", "SAOIRSE", "HAZEL", "WINTERBOURNE", "FEMI", "ODUYA", "LARKSPUR", "EUGENE",
		"PORTLAND", "97405", "974051234", "900550199", "900123456", "5512", "ACC77", "GRP33", "UMBERFIELD", "1999999984", "1999999976", "19310704",
		"202403", "202412", "RCV7781", "REF7781", "INQ998", "TRACE99", "CHK0012", "98765432", "011000015", "5415550142", "555012", "5035550", "hazel@", "LINE778", "0000351",
		"NWHCLM", "OVERPAY", "NORTHWIND", "CEDAR", "4471", "000000905", "BOX 7781", "GOLD",
	}
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, x12.Options{})
	held := ""
	for name, src := range interchanges(t) {
		held += src
		got := mask(t, m, src)
		for _, c := range canaries {
			if strings.Contains(got, c) {
				t.Errorf("%s: %q survives", name, c)
			}
		}
	}
	for _, c := range canaries {
		if c != "0000351" && !strings.Contains(held, c) {
			t.Errorf("no interchange holds %q, so its absence proves nothing", c)
		}
	}
}

// check takes an interchange apart by splitting alone and returns what is wrong
// with its envelopes, its dates and its lengths.
func check(src string) error {
	if len(src) < 106 {
		return fmt.Errorf("too short")
	}
	sep, comp, end := src[3:4], src[104:105], src[105:106]
	control := map[string]string{}
	inSet := 0
	for _, s := range strings.Split(src, end) {
		e := strings.Split(strings.Trim(s, "\r\n "), sep)
		inSet++
		switch e[0] {
		case "ISA":
			control["IEA"] = e[13]
			for i, n := range []int{3, 2, 10, 2, 10, 2, 15, 2, 15, 6, 4, 1, 5, 9, 1, 1, 1} {
				if len(e[i]) != n {
					return fmt.Errorf("ISA%02d has %d bytes", i, len(e[i]))
				}
			}
		case "GS":
			control["GE"] = e[6]
		case "ST":
			control["SE"], inSet = e[2], 1
		case "SE":
			if e[1] != strconv.Itoa(inSet) {
				return fmt.Errorf("SE01 is %s, not %d", e[1], inSet)
			}
		case "DMG", "DTP":
			if d := e[len(e)-1]; e[0] == "DTP" && e[2] == "D8" {
				if _, err := time.Parse("20060102", d); err != nil {
					return err
				}
			}
		case "HI":
			if c := strings.Split(e[1], comp); len(c) > 3 && c[2] == "D8" {
				if _, err := time.Parse("20060102", c[3]); err != nil {
					return err
				}
			}
		}
		if want, ok := control[e[0]]; ok && (e[0] == "IEA" || e[0] == "GE" || e[0] == "SE") && e[2] != want {
			return fmt.Errorf("%s02 is %s, not %s", e[0], e[2], want)
		}
	}
	return nil
}

// shape is an interchange without its values.
func shape(src string) string {
	sep, end := regexp.QuoteMeta(src[3:4]), regexp.QuoteMeta(src[105:106])
	return regexp.MustCompile("("+sep+")[^"+sep+end+"\r\n]+").ReplaceAllString(src[105:], "${1}x")
}

// TestStructure checks that interchanges keep their structure under every
// profile, and that masking twice changes nothing.
func TestStructure(t *testing.T) {
	for _, p := range []string{profile.SafeHarbor, profile.LimitedDataSet, profile.NeedToKnow} {
		m := masker(t, profile.Spec{Name: p}, x12.Options{})
		for name, src := range interchanges(t) {
			got := mask(t, m, src)
			for which, s := range map[string]string{"source": src, "result": got} {
				if err := check(s); err != nil {
					t.Errorf("%s, %s: the %s: %v", p, name, which, err)
				}
			}
			if d := cmp.Diff(shape(src), shape(got)); d != "" {
				t.Errorf("%s, %s: shape (-want +got):\n%s", p, name, d)
			}
			if again := mask(t, m, got); again != got {
				t.Errorf("%s, %s: masked again it is\n%s\nnot\n%s", p, name, again, got)
			}
		}
	}
}

// wrapped returns a transaction of some segments.
func wrapped(segments string) string {
	return "ISA*00*          *00*          *ZZ*A              *ZZ*B              *240311*1253*^*00501*000000905*0*P*:~GS*HC*A1*B1*20240311*1253*7*X*005010X222A1~ST*837*0007~" +
		segments + "~SE*3*0007~GE*1*7~IEA*1*000000905~"
}

func TestElements(t *testing.T) {
	tests := []struct {
		name, in, want string
		options        x12.Options
		spec           map[scan.Entity]operator.Spec
	}{
		{name: "person", in: "NM1*IL*1*DOE*JO****MI*12", want: "NM1*IL*1*[NAME]*[NAME]****MI*[PLAN]"},
		{name: "organisation", in: "NM1*PR*2*ACME*****PI*12", want: "NM1*PR*2*[ORG]*****PI*[ID]"},
		{name: "social security number", in: "REF*SY*900550199", want: "REF*SY*[SSN]"},
		{name: "range", in: "DTP*434*RD8*20240305-20240309", want: "DTP*434*RD8*20240101-20240101"},
		{name: "moment", in: "DTP*435*DT*202403051545", want: "DTP*435*DT*202401010000"},
		{name: "time of day", in: "DTP*096*TM*1545", want: "DTP*096*TM*0000"},
		{name: "month", in: "DTP*096*CM*202403", want: "DTP*096*CM*202401"},
		{name: "short date", in: "DTP*096*D6*240305", want: "DTP*096*D6*240101"},
		{name: "no date", in: "DTP*096*D8*20241305", want: "DTP*096*D8*00000000"},
		{name: "unknown format", in: "DTP*096*XX*March 5", want: "DTP*096*XX*XXXXXXX"},
		{name: "format without a value", in: "DTP*096", want: "DTP*096"},
		{name: "born ninety years ago", in: "DMG*D8*19310704*F", want: "DMG*D8*19360101*F"},
		{name: "hidden date is a valid one", in: "DMG*D8*19310704*F", spec: map[scan.Entity]operator.Spec{scan.Date: {Kind: operator.Null}}, want: "DMG*D8*19700101*F"},
		{name: "amounts", in: "CLM*A*12345678.90***11:B:1", want: "CLM*[ACCOUNT]*12345678.90***11:B:1"},
		{name: "an identifier as an amount", in: "CLM*A*900550199", want: "CLM*[ACCOUNT]*000000000"},
		{name: "a telephone as a code", in: "CLM*A*1***541-555-0142", want: "CLM*[ACCOUNT]*1***XXXXXXXXXXXX"},
		{name: "ten bytes exactly", in: "TRN*1*ABC*1900123456", want: "TRN*1*[ID]*[ACCOUNT]X"},
		{name: "ZIP plus four", in: "N4*EUGENE*OR*974051234", want: "N4*[PLACE]*OR*97400"},
		{name: "a spelled state", in: "N4*EUGENE*OREGON", want: "N4*[PLACE]*XXXXXX"},
		{name: "text", in: "NTE*ADD*DOE CALLED", want: "NTE*ADD*[TEXT]"},
		{name: "scanned text", in: "NM1*IL*1*Zimmerwald~NTE*ADD*ZIMMERWALD AT 541-555-0142", options: x12.Options{ScanText: true}, want: "NM1*IL*1*[NAME]~NTE*ADD*[NAME] AT [PHONE]"},
		{name: "unknown segment", in: "ZZ1*DOE*123*A:B", want: "ZZ1*XXX*000*XXX"},
		{name: "beyond the table", in: "N3*a*b*DOE", want: "N3*[ADDRESS]*[ADDRESS]*XXX"},
		{name: "an operator's separators", in: "REF*SY*1", spec: map[scan.Entity]operator.Spec{scan.SSN: {Kind: operator.Const, Value: "a*b:c~d"}}, want: "REF*SY*a b c d"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := masker(t, profile.Spec{Name: profile.SafeHarbor, Entities: tt.spec}, tt.options)
			got := mask(t, m, wrapped(tt.in))
			_, got, _ = strings.Cut(got, "~ST*837*0001~")
			got, _, _ = strings.Cut(got, "~SE*3*0001~GE*1*1~IEA*1*000000001~")
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("masked otherwise (-want +got):\n%s", d)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	good := wrapped("LX*1")
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, x12.Options{})
	mask(t, m, good)
	for name, src := range map[string]string{
		"nothing":                "",
		"other text":             "hello",
		"half a header":          good[:50],
		"no trailer":             strings.TrimSuffix(good, "IEA*1*000000905~"),
		"half a segment":         good + "ISA",
		"no terminator":          strings.TrimSuffix(good, "~"),
		"wrong widths":           strings.Replace(good, "*ZZ*A ", "*ZZ*A*", 1),
		"equal separators":       strings.Replace(good, "*P*:~", "*P**~", 1),
		"letter as separator":    strings.Replace(good, "*P*:~", "*P*a~", 1),
		"set outside a group":    strings.Replace(good, "GS*HC", "LX*HC", 1),
		"two headers of a set":   strings.Replace(good, "LX*1", "ST*837*0008", 1),
		"header within":          strings.Replace(good, "LX*1", "ISA*1", 1),
		"group without a number": strings.Replace(good, "*7*X*005010X222A1", "**X*005010X222A1", 1),
		"segment without a name": strings.Replace(good, "LX*1", "DOE JOHN*1", 1),
		"too many elements":      strings.Replace(good, "LX*1", "LX"+strings.Repeat("*1", 300), 1),
	} {
		t.Run(name, func(t *testing.T) {
			var w text.Work
			got, err := m.Append([]byte("before"), []byte(src), &w)
			if sallyport.KindOf(err) != sallyport.Integrity || string(got) != "before" {
				t.Errorf("got %q, %v", got, err)
			}
			if strings.Contains(fmt.Sprint(err), "DOE") {
				t.Errorf("the error holds a value: %v", err)
			}
		})
	}
}

func TestTally(t *testing.T) {
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, x12.Options{})
	var w text.Work
	if _, err := m.Append(nil, []byte(wrapped("NM1*IL*1*DOE~NM1*Q*1*DOE~REF*SY*1")), &w); err != nil {
		t.Fatal(err)
	}
	loci := map[string]scan.Entity{}
	for _, c := range w.Tally.Take() {
		loci[c.Locus] = c.Entity
	}
	for locus, e := range map[string]scan.Entity{"NM1*IL-03": scan.Name, "NM1-03": scan.Name, "REF*SY-02": scan.SSN, "ST-02": scan.Unique} {
		if loci[locus] != e {
			t.Errorf("%s is counted as %v", locus, loci[locus])
		}
	}
}

// FuzzX12 masks any bytes: they are refused, or keep their envelopes and shape,
// and masking twice changes nothing.
func FuzzX12(f *testing.F) {
	for _, src := range interchanges(f) {
		f.Add([]byte(src))
	}
	m := masker(f, profile.Spec{Name: profile.SafeHarbor}, x12.Options{})
	const canary = "QXZVYW"
	f.Fuzz(func(t *testing.T, src []byte) {
		var w text.Work
		once, err := m.Append(nil, src, &w)
		if err == nil {
			// Next to what a finding leaves, the scanner may find something more.
			found := slices.ContainsFunc(w.Tally.Take(), func(c text.Count) bool { return c.Rule != "element" })
			again, err := m.Append(nil, once, &text.Work{})
			if err != nil || string(again) != string(once) && !found {
				t.Errorf("masked twice, %v:\n%q\n%q", err, once, again)
			}
			a, b := strings.TrimLeft(string(src), " \r\n\t"), strings.TrimLeft(string(once), " \r\n\t")
			if n, m := strings.Count(a, a[105:106]), strings.Count(b, a[105:106]); n != m {
				t.Errorf("%d segments of %d:\n%q\n%q", m, n, a, b)
			}
			if n, m := strings.Count(a, a[3:4]), strings.Count(b, a[3:4]); n != m {
				t.Errorf("%d elements of %d:\n%q\n%q", m, n, a, b)
			}
		}
		seeded := string(src) + wrapped("NM1*IL*1*"+canary+"*"+canary+"***"+canary+"*MI*"+canary+"~N3*"+canary+"~NTE*A*"+canary+"~ZZ*"+canary)
		got, err := m.Append(nil, []byte(seeded), &text.Work{})
		if err == nil && strings.Contains(string(got[strings.LastIndex(string(got), "NM1*IL"):]), canary) {
			t.Errorf("a canary survives in %q", got)
		}
	})
}
