// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package payload_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/payload"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

const (
	ssn = "900-11-2233"
	isa = "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260112*0930*^*00501*000000905*0*T*:~" +
		"GS*HS*SENDER*RECEIVER*20260112*0930*1*X*005010X279A1~ST*270*1234*005010X279A1~BHT*0022*13*10001234*20260112*0930~" +
		"HL*1**20*1~NM1*PR*2*PLAN*****PI*842610001~HL*2*1*22*0~NM1*IL*1*QUILL*ADA****MI*11122333301~DMG*D8*19490217~SE*7*1234~GE*1*1~IEA*1*000000905~"
)

// samples has a payload of each kind; each holds the number above or a name.
func samples() map[payload.Kind]string {
	return map[payload.Kind]string{
		payload.Text:   "Seen on 2026-01-12.\nSSN " + ssn + ", call 212-555-0101 or a.quill@clinic.example.\n",
		payload.JSON:   `{"a": {"ssn": "` + ssn + `"}, "n": [1, "call 212-555-0101"]}`,
		payload.NDJSON: `{"ssn": "` + ssn + `"}` + "\n" + `{"resourceType": "Patient", "name": [{"family": "Quill"}]}` + "\n",
		payload.FHIR:   `{"resourceType": "Patient", "identifier": [{"value": "` + ssn + `"}], "birthDate": "1949-02-17"}`,
		payload.HL7:    "MSH|^~\\&|A|B|C|D|20260112093000||ADT^A01|77|P|2.6\rPID|1||4711^^^H^MR||Quill^Ada||19490217|F|||||||||||" + ssn + "\r",
		payload.X12:    isa,
		payload.CSV:    "id,ssn,name\n1," + ssn + ",Ada Quill\n",
	}
}

func masks(t testing.TB, o payload.Options) *payload.Masks {
	t.Helper()
	f := rules.Default()
	f.Profile, f.Names = "safe-harbor", "listed"
	f.Columns = map[string]string{"ssn": "phi.ssn", "name": "phi.name", "id": "phi.id"}
	set, err := rules.Compile(f, rules.Deps{Lexicon: lexicon.Load, Now: func() time.Time { return time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC) }})
	if err != nil {
		t.Fatal(err)
	}
	m, err := payload.New(set, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// run masks pieces and returns the result and how many parts were none of the kind.
func run(t testing.TB, m *payload.Masks, kind payload.Kind, pieces ...[]byte) (string, int) {
	t.Helper()
	var out bytes.Buffer
	var w text.Work
	wr := m.Writer(kind, &w, &out)
	for _, p := range pieces {
		if n, err := wr.Write(p); n != len(p) || err != nil {
			t.Fatalf("wrote %d of %d: %v", n, len(p), err)
		}
	}
	if err := wr.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String(), wr.Failed()
}

func TestSniff(t *testing.T) {
	t.Parallel()
	for kind, sample := range samples() {
		if got := payload.Sniff([]byte(sample)); got != kind {
			t.Errorf("a sample of %s is taken for %s", kind, got)
		}
		if got := payload.Sniff([]byte("\xef\xbb\xbf" + sample)); got != kind {
			t.Errorf("a sample of %s with a byte order mark is taken for %s", kind, got)
		}
	}
	for sample, want := range map[string]payload.Kind{
		"":                                    payload.Text,
		"Dear Ada, hello\nBest, Tim\n":        payload.Text,
		"MSH is a segment, PID another":       payload.Text,
		"ISA is the interchange header":       payload.Text,
		"\x0bMSH|^~\\&|A\r\x1c\r":             payload.HL7,
		"FHS|^~\\&|A|B\rBHS|^~\\&|A\r":        payload.HL7,
		`[{"a": 1}]`:                          payload.JSON,
		`{"note": "the \"resourceType\" of"}`: payload.JSON,
		"{\n \"a\": 1\n}":                     payload.JSON,
		"a;b\n1;2\n":                          payload.CSV,
		"first name,last name,age\nA,B,3\n":   payload.CSV,
		"1,2,3\n4,5,6\n":                      payload.Text,
		"a,b,c\n1,2\n":                        payload.Text,
	} {
		if got := payload.Sniff([]byte(sample)); got != want {
			t.Errorf("%q is taken for %s, want %s", sample, got, want)
		}
	}
}

// TestEverySplit cuts each sample at every place, and into single bytes: the result
// is that of the whole, and holds nothing that it should not.
func TestEverySplit(t *testing.T) {
	t.Parallel()
	m := masks(t, payload.Options{})
	for kind, sample := range samples() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			whole, failed := run(t, m, kind, []byte(sample))
			if failed != 0 {
				t.Fatalf("the sample was taken for none: %s", whole)
			}
			for _, s := range []string{ssn, "Quill", "QUILL", "11122333301", "19490217", "1949-02-17", "212-555"} {
				if strings.Contains(whole, s) {
					t.Errorf("%q survived in %s", s, whole)
				}
			}
			for i := range len(sample) + 1 {
				if got, _ := run(t, m, kind, []byte(sample[:i]), []byte(sample[i:])); got != whole {
					t.Fatalf("cut at %d:\n%s\nwhole:\n%s", i, got, whole)
				}
			}
			var bytes [][]byte
			for i := range len(sample) {
				bytes = append(bytes, []byte(sample[i:i+1]))
			}
			if got, _ := run(t, m, kind, bytes...); got != whole {
				t.Errorf("by bytes:\n%s\nwhole:\n%s", got, whole)
			}
			if twice, _ := run(t, m, kind, []byte(whole)); twice != whole {
				t.Errorf("masking twice (-once +twice):\n%s", cmp.Diff(whole, twice))
			}
		})
	}
}

// TestNotOfTheKind gives each mask what it cannot read.
func TestNotOfTheKind(t *testing.T) {
	t.Parallel()
	m := masks(t, payload.Options{})
	for kind, bad := range map[payload.Kind]string{
		payload.JSON:   `{"ssn": "` + ssn + `"`,
		payload.NDJSON: `{"ssn": "` + ssn + "\n{\"a\": 1}\n",
		payload.FHIR:   `{"resourceType": "Nonesuch", "ssn": "` + ssn + `"}`,
		payload.HL7:    "PID|1||" + ssn + "\r",
		payload.X12:    isa[:200] + ssn,
		payload.CSV:    "a,b\n\"" + ssn + ",1\n2\n",
		payload.Text:   "SSN " + ssn + "\x00",
	} {
		out, failed := run(t, m, kind, []byte(bad))
		if failed == 0 || strings.Contains(out, ssn) || out == "" {
			t.Errorf("%s: %d failed, and out came %q", kind, failed, out)
		}
	}
	if out, failed := run(t, m, payload.NDJSON, []byte("{\"a\": \n{\"b\": 1}\n")); failed != 1 || !strings.HasSuffix(out, "\n{\"b\": 1}\n") {
		t.Errorf("one bad line in two: %d failed, %q", failed, out)
	}
}

// TestEncodings reads texts that are not in UTF-8.
func TestEncodings(t *testing.T) {
	t.Parallel()
	m := masks(t, payload.Options{})
	const plain = "Señor SSN " + ssn + ", Zürich"
	want, _ := run(t, m, payload.Text, []byte(plain))
	if !strings.Contains(want, "[SSN]") || !strings.Contains(want, "Señor") {
		t.Fatalf("UTF-8 gives %q", want)
	}
	var little, big []byte
	for _, u := range utf16.Encode([]rune("\ufeff" + plain)) {
		little, big = binary.LittleEndian.AppendUint16(little, u), binary.BigEndian.AppendUint16(big, u)
	}
	var latin []byte
	for _, r := range plain {
		latin = append(latin, byte(r))
	}
	long := strings.Repeat("é ", payload.HeadLen/2) + "SSN " + ssn
	for name, b := range map[string][]byte{"UTF-16, little end first": little, "UTF-16, big end first": big, "Latin-1": latin, "UTF-8 with a mark": []byte("\ufeff" + plain)} {
		if got, failed := run(t, m, payload.Text, b); got != want || failed != 0 {
			t.Errorf("%s gives %q, %d failed; want %q", name, got, failed, want)
		}
	}
	if got, _ := run(t, m, payload.Text, []byte(long)); !strings.HasSuffix(got, "é SSN [SSN]") {
		t.Errorf("a long text in UTF-8 ends in %q", got[max(0, len(got)-40):])
	}
	if got, _ := run(t, m, payload.Text, []byte("\ufeff"+ssn+"\n")); got != "[SSN]\n" {
		t.Errorf("a number right behind the mark gives %q", got)
	}
	if got, failed := run(t, m, payload.Text, little[2:]); failed != 1 || strings.Contains(got, "9") {
		t.Errorf("UTF-16 without its mark gives %q, %d failed", got, failed)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	m := masks(t, payload.Options{Guess: func(name string) sallyport.Label {
		if name == "social" {
			return "phi.ssn"
		}
		return ""
	}, ScanText: true})
	if got, _ := run(t, m, payload.CSV, []byte("social;x\n123;fine\n")); got != "social;x\n[SSN];fine\n" {
		t.Errorf("a guessed column gives %q", got)
	}
	got, _ := run(t, m, payload.HL7, []byte("MSH|^~\\&|A|B|C|D|2026||ORU^R01|7|P|2.6\rNTE|1||stable, SSN "+ssn+"\r"))
	if !strings.Contains(got, "NTE|1||stable, SSN [SSN]") {
		t.Errorf("scanned free text gives %q", got)
	}
	wr := m.Writer(payload.JSON, &text.Work{}, &bytes.Buffer{})
	wr.Abort()
	if err := wr.Flush(); sallyport.KindOf(err) != sallyport.Internal {
		t.Errorf("after Abort, Flush says %v", err)
	}
}

// FuzzWriter cuts any bytes of any kind anywhere: nothing panics, and the pieces
// give what the whole gives.
func FuzzWriter(f *testing.F) {
	for i, kind := range payload.Kinds() {
		f.Add(uint8(i), []byte(samples()[kind]), 7)
	}
	f.Add(uint8(0), []byte("\xff\xfe9\x000\x00"), 3)
	m := masks(f, payload.Options{})
	f.Fuzz(func(t *testing.T, k uint8, b []byte, cut int) {
		kind := payload.Kinds()[int(k)%len(payload.Kinds())]
		payload.Sniff(b)
		whole, n := run(t, m, kind, b)
		cut = min(max(cut, 0), len(b))
		if got, again := run(t, m, kind, b[:cut], b[cut:]); got != whole || n != again {
			t.Fatalf("%s cut at %d: %q, whole: %q", kind, cut, got, whole)
		}
	})
}
