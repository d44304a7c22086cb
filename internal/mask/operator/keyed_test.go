// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
)

// code computes by hand, from what docs/reference/masking.md says, the keyed hash
// under version 2 of the keys.
func code(kind, domain, v string) []byte {
	derived := hmac.New(sha256.New, bytes.Repeat([]byte{2}, 32))
	derived.Write([]byte("sallyport mask v1\x00" + kind + "\x00" + domain))
	h := hmac.New(sha256.New, derived.Sum(nil))
	h.Write([]byte(v))
	return h.Sum(nil)
}

// TestHash compares each form of a hash with one made by hand.
func TestHash(t *testing.T) {
	t.Parallel()
	const long = "an identifier that is longer than one block of the hash function, which has sixty-four bytes"
	for _, kind := range []operator.Kind{operator.Hash, operator.Token} {
		o := compile(t, operator.Spec{Kind: kind, Domain: "mrn"})
		prefix := map[operator.Kind]string{operator.Token: "tok_mrn_2_"}[kind]
		for _, v := range []string{"", "M-0012345", "\xff", long} {
			sum := code(kind.String(), "mrn", v)
			want := prefix + strings.ToLower(base32.StdEncoding.EncodeToString(sum))[:26]
			if got, ok := o.Text([]byte("> "), []byte(v), nil); !ok || string(got) != "> "+want {
				t.Errorf("%v of %q: %q, %v, want %q", kind, v, got, ok, want)
			}
			if got, ok := o.Bytes([]byte("> "), []byte(v), nil); !ok || string(got) != "> "+string(sum) {
				t.Errorf("%v of bytes %q: %x, %v, want %x", kind, v, got, ok, sum)
			}
		}
		for _, v := range []int64{0, -1, 12345, math.MaxInt64, math.MinInt64} {
			want := int64(binary.BigEndian.Uint64(code(kind.String(), "mrn", strconv.FormatInt(v, 10))) >> 1)
			if got, ok := o.Int(v, nil); !ok || got != want || got < 0 {
				t.Errorf("%v of %d: %d, %v, want %d", kind, v, got, ok, want)
			}
		}
		want := strconv.FormatInt(int64(binary.BigEndian.Uint64(code(kind.String(), "mrn", "12345"))>>1), 10)
		if got, ok := o.Decimal(nil, []byte("0012345"), nil); !ok || string(got) != want {
			t.Errorf("%v of a decimal: %s, %v, want %s", kind, got, ok, want)
		}
		sum := code(kind.String(), "mrn", "00112233-4455-6677-8899-aabbccddeeff")
		got, ok := o.UUID([16]byte{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}, nil)
		if !ok || !bytes.Equal(got[:6], sum[:6]) || !bytes.Equal(got[9:], sum[9:16]) || got[6]>>4 != 8 || got[8]>>6 != 2 {
			t.Errorf("%v of a UUID: %x, %v, from %x", kind, got, ok, sum)
		}
	}
}

// TestSeparation shows that domains, versions and kinds do not meet.
func TestSeparation(t *testing.T) {
	t.Parallel()
	old, err := operator.NewKeys(operator.Key{Version: 1, Secret: bytes.Repeat([]byte{1}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []operator.Kind{operator.Hash, operator.Token, operator.FPE, operator.Surrogate, operator.Noise} {
		results := map[string]string{}
		for _, domain := range []string{"a", "b"} {
			for name, k := range map[string]*operator.Keys{"version 1": old, "version 2": keys(t)} {
				o, err := operator.Compile(operator.Spec{Kind: kind, Domain: domain, Scale: 1e9}, k, now)
				if err != nil {
					t.Fatal(err)
				}
				out := answer(t, o, "9001234567")
				if again := answer(t, o, "9001234567"); again != out {
					t.Errorf("%v is %q and then %q", kind, out, again)
				}
				if other := results[out]; other != "" {
					t.Errorf("%v gives the same for %s and for %s of domain %s", kind, other, name, domain)
				}
				results[out] = name + " of domain " + domain
			}
		}
	}
	hash := compile(t, operator.Spec{Kind: operator.Hash, Domain: "a"})
	token := compile(t, operator.Spec{Kind: operator.Token, Domain: "a"})
	if h, tok := answer(t, hash, "x"), answer(t, token, "x"); strings.HasSuffix(tok, h) {
		t.Errorf("the token %q ends in the hash %q", tok, h)
	}
}

func answer(t *testing.T, o *operator.Operator, v string) string {
	t.Helper()
	out, ok := o.Text(nil, []byte(v), nil)
	if !ok {
		t.Fatalf("%v has no answer for %q", o.Kind(), v)
	}
	return string(out)
}

// TestConcurrent shares one operator between goroutines.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	o := compile(t, operator.Spec{Kind: operator.Hash, Domain: "a"})
	want := make([]string, 100)
	for i := range want {
		want[i] = answer(t, o, strconv.Itoa(i))
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i, w := range want {
				if got, _ := o.Text(nil, []byte(strconv.Itoa(i)), nil); string(got) != w {
					t.Errorf("%d is %q, want %q", i, got, w)
				}
			}
		})
	}
	wg.Wait()
}

// TestFPE keeps form and alphabet, and comes back.
func TestFPE(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		spec     operator.Spec
		in, form string // an expression for the result; "" for no answer
	}{
		{"digits", operator.Spec{}, "900-12-3456", `^\d{3}-\d\d-\d{4}$`},
		{"six digits", operator.Spec{}, "000000", `^\d{6}$`},
		{"five digits", operator.Spec{}, "12345", ``},
		{"long", operator.Spec{}, strings.Repeat("12345678", 16), `^\d{128}$`},
		{"too long", operator.Spec{}, strings.Repeat("12345678", 16) + "9", ``},
		{"letters among digits", operator.Spec{}, "MRN-123456", ``},
		{"not ASCII", operator.Spec{}, "123456é", ``},
		{"not UTF-8", operator.Spec{}, "123456\xff", ``},
		{"nothing", operator.Spec{}, "", ``},
		{"lower", operator.Spec{Alphabet: "lower"}, "quen.by", `^[a-z]{4}\.[a-z]{2}$`},
		{"upper", operator.Spec{Alphabet: "upper"}, "QUENBY", `^[A-Z]{6}$`},
		{"upper for lower", operator.Spec{Alphabet: "upper"}, "quenby", ``},
		{"alnum", operator.Spec{Alphabet: "alnum"}, "AB-12/cd", `^\w\w-\w\w/\w\w$`},
		{"three of alnum", operator.Spec{Alphabet: "alnum"}, "A1b", ``},
		{"luhn", operator.Spec{Check: "luhn"}, "4111 1111 1111 1111", `^\d{4} \d{4} \d{4} \d{4}$`},
		{"luhn of a wrong digit", operator.Spec{Check: "luhn"}, "4111111111111112", ``},
		{"luhn of six digits", operator.Spec{Check: "luhn"}, "123455", ``},
		{"npi", operator.Spec{Check: "npi"}, "1234567893", `^[12]\d{9}$`},
		{"npi of a wrong digit", operator.Spec{Check: "npi"}, "1234567890", ``},
		{"npi that begins with 3", operator.Spec{Check: "npi"}, "3234567891", ``},
		{"npi of nine digits", operator.Spec{Check: "npi"}, "123456789", ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.spec.Kind, tt.spec.Domain = operator.FPE, "test"
			o := compile(t, tt.spec)
			got, ok := o.Text([]byte("> "), []byte(tt.in), nil)
			if ok != (tt.form != "") {
				t.Fatalf("%q: %q, %v", tt.in, got, ok)
			}
			if !ok {
				return
			}
			got = bytes.TrimPrefix(got, []byte("> "))
			if !regexp.MustCompile(tt.form).Match(got) || string(got) == tt.in {
				t.Errorf("%q became %q", tt.in, got)
			}
			if tt.spec.Check != "" && !luhn(got, tt.spec.Check) {
				t.Errorf("%q has a wrong check digit", got)
			}
			if back, ok := o.Reveal(nil, got, 2); !ok || string(back) != tt.in {
				t.Errorf("%q came back as %q, %v", tt.in, back, ok)
			}
			if back, ok := o.Reveal(nil, got, 1); !ok || string(back) == tt.in {
				t.Errorf("%q came back under the key of another version: %q, %v", tt.in, back, ok)
			}
			if back, ok := o.Reveal(nil, got, 3); ok {
				t.Errorf("%q came back under a version that there is not: %q", tt.in, back)
			}
		})
	}
}

// luhn checks the last digit, by the textbook.
func luhn(v []byte, check string) bool {
	digits := regexp.MustCompile(`\D`).ReplaceAllString(string(v), "")
	if check == "npi" {
		digits = "80840" + digits
	}
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			d *= 2
		}
		sum += d/10 + d%10
	}
	return sum%10 == 0
}

// TestFPENumbers keeps sign, digits and places of numbers.
func TestFPENumbers(t *testing.T) {
	t.Parallel()
	o := compile(t, operator.Spec{Kind: operator.FPE, Domain: "test"})
	for _, v := range []int64{
		1_000_000, 9_999_999, 12_345_678, 1_234_567_890_123_456_789, math.MaxInt64, -math.MaxInt64, -12_345_678,
		9_000_000_000_000_000_000, 1_000_000_000_000_000_000,
	} {
		got, ok := o.Int(v, nil)
		if !ok || len(strconv.FormatInt(got, 10)) != len(strconv.FormatInt(v, 10)) || got == v || (got < 0) != (v < 0) {
			t.Errorf("%d became %d, %v", v, got, ok)
		}
		if back, ok := o.RevealInt(got, 2); !ok || back != v {
			t.Errorf("%d came back as %d, %v", v, back, ok)
		}
	}
	for _, v := range []int64{0, 5, 999_999, -999_999, math.MinInt64} {
		if got, ok := o.Int(v, nil); ok {
			t.Errorf("%d became %d", v, got)
		}
	}
	for in, form := range map[string]string{
		"-12345.67": `^-[1-9]\d{4}\.\d\d$`, "1234567": `^[1-9]\d{6}$`, "0.123456": `^0\.\d{6}$`, "-0.123456": `^-0\.\d{6}$`,
		"123456": ``, "0": ``, "007.1234567": ``, "12345.": ``, ".1234567": ``, "NaN": ``, "": ``, "1.2.3456789": ``, "1e7": ``, strings.Repeat("1", 129): ``,
	} {
		got, ok := o.Decimal(nil, []byte(in), nil)
		if ok != (form != "") || ok && !regexp.MustCompile(form).Match(got) {
			t.Errorf("%s became %s, %v", in, got, ok)
		}
		if back, ok2 := o.RevealDecimal(nil, got, 2); ok && (!ok2 || string(back) != in) {
			t.Errorf("%s came back as %s, %v", in, back, ok2)
		}
	}
	check := compile(t, operator.Spec{Kind: operator.FPE, Domain: "test", Check: "npi"})
	if got, ok := check.Int(1_234_567_893, nil); !ok || !luhn(strconv.AppendInt(nil, got, 10), "npi") {
		t.Errorf("the NPI became %d, %v", got, ok)
	}
	if _, ok := compile(t, operator.Spec{Kind: operator.Hash, Domain: "test"}).Reveal(nil, []byte("123456"), 2); ok {
		t.Error("a hash can be revealed")
	}
}

// TestShift moves the dates of one patient by the same days, which are never 0.
func TestShift(t *testing.T) {
	t.Parallel()
	o := compile(t, operator.Spec{Kind: operator.DateShift, Domain: "visit", Days: 30})
	seen := map[int64]bool{}
	day := days(2020, 2, 29)
	for i := range 2000 {
		row := &operator.Row{Patient: strconv.AppendInt(nil, int64(i), 10)}
		got, ok := o.Day(day, row)
		offset := got - day
		if !ok || offset == 0 || offset < -30 || offset > 30 {
			t.Fatalf("patient %d: moved by %d, %v", i, offset, ok)
		}
		seen[offset] = true
		if again, _ := o.Day(day+1000, row); again-day-1000 != offset {
			t.Errorf("patient %d: moved by %d and %d", i, offset, again-day-1000)
		}
		const micros = 86_400_000_000
		if at, ok := o.Instant(day*micros+47_655_123_456, row); !ok || at != got*micros+47_655_123_456 {
			t.Errorf("patient %d: instant %d, %v", i, at, ok)
		}
	}
	if len(seen) != 60 {
		t.Errorf("%d different offsets, want 60", len(seen))
	}
	row := &operator.Row{Patient: []byte("p")}
	for _, v := range []int64{math.MaxInt64, math.MinInt64} {
		if got, ok := o.Instant(v, row); ok && (got > v) == (v > 0) {
			t.Errorf("instant %d became %d", v, got)
		}
	}
}

// TestShiftText keeps the form of dates.
func TestShiftText(t *testing.T) {
	t.Parallel()
	o := compile(t, operator.Spec{Kind: operator.DateShift, Domain: "visit"})
	row := &operator.Row{Patient: []byte("p")}
	day := days(2020, 3, 4)
	moved, _ := o.Day(day, row)
	at := time.Unix(moved*86400, 0).UTC()
	for _, tt := range []struct{ in, layout, rest string }{
		{"2020-03-04", "2006-01-02", ""},
		{"2020/3/04", "2006/1/02", ""},
		{"20200304", "20060102", ""},
		{"20200304103000.1234-0500", "20060102", "103000.1234-0500"},
		{"3/4/2020", "1/2/2006", ""},
		{"03/04/2020 3:45 PM", "01/02/2006", " 3:45 PM"},
		{"4.3.2020", "2.1.2006", ""},
		{"March 4, 2020", "2006-01-02", ""},
		{"4-Mar-2020 10:30", "2006-01-02", " 10:30"},
		{"2020-03-04T10:30:00.5Z", "2006-01-02", "T10:30:00.5Z"},
		{"2020-03-04 10:30:00.123+02", "2006-01-02", " 10:30:00.123+02"},
	} {
		want := at.Format(tt.layout) + tt.rest
		if got, ok := o.Text(nil, []byte(tt.in), row); !ok || string(got) != want {
			t.Errorf("%q: %q, %v, want %q", tt.in, got, ok, want)
		}
	}
	for in, want := range map[string]string{"2020-03": "2020", "2020": "2020", "x": ""} {
		if got, ok := o.Text(nil, []byte(in), row); string(got) != want || ok != (want != "") {
			t.Errorf("%q: %q, %v, want %q", in, got, ok, want)
		}
	}
	edge := "0001-01-01"
	if moved > day {
		edge = "9999-12-31"
	}
	if got, ok := o.Text(nil, []byte(edge), row); ok {
		t.Errorf("%q left the calendar: %q", edge, got)
	}
	if got := answer(t, o, "2020-03-04"); got != "2020" {
		t.Errorf("without a patient: %q", got)
	}
}

// TestNoise looks at the distribution, and that it is one for each row.
func TestNoise(t *testing.T) {
	t.Parallel()
	o := compile(t, operator.Spec{Kind: operator.Noise, Domain: "weight", Scale: 5})
	const n = 20_000
	samples := make([]float64, n)
	sum, spread := 0.0, 0.0
	for i := range samples {
		row := &operator.Row{Number: uint64(i)}
		got, ok := o.Float(100, row)
		if again, _ := o.Float(100, row); !ok || got != again || math.IsNaN(got) || math.IsInf(got, 0) {
			t.Fatalf("row %d: %g, %v, then %g", i, got, ok, again)
		}
		samples[i] = got - 100
		sum += samples[i]
		spread += math.Abs(samples[i])
	}
	slices.Sort(samples)
	// The mean absolute deviation of a Laplace distribution is its scale.
	if mean, scale := sum/n, spread/n; math.Abs(mean) > 0.3 || math.Abs(scale-5) > 0.2 || math.Abs(samples[n/2]) > 0.2 {
		t.Errorf("mean %g, scale %g, median %g", mean, scale, samples[n/2])
	}
	row := &operator.Row{Number: 7}
	if got, ok := o.Decimal(nil, []byte("70.50"), row); !ok || !regexp.MustCompile(`^-?\d+\.\d\d$`).Match(got) {
		t.Errorf("decimal: %s, %v", got, ok)
	}
	whole, ok1 := o.Int(100, row)
	again, ok2 := o.Int(100, row)
	if !ok1 || !ok2 || whole != again || whole < -100 || whole > 300 {
		t.Errorf("integer: %d, then %d", whole, again)
	}
	for _, v := range []int64{math.MaxInt64, math.MinInt64} {
		for i := range uint64(50) {
			if got, ok := o.Int(v, &operator.Row{Number: i}); ok && (got < 0) != (v < 0) {
				t.Errorf("%d became %d", v, got)
			}
		}
	}
}

// TestSurrogate gives an invented name, the same for the same value.
func TestSurrogate(t *testing.T) {
	t.Parallel()
	o := compile(t, operator.Spec{Kind: operator.Surrogate, Domain: "name"})
	seen := map[string]bool{}
	for i := range 1000 {
		got := answer(t, o, strconv.Itoa(i))
		if !regexp.MustCompile(`^[A-Z][a-z]+ [A-Z][a-z]+$`).MatchString(got) {
			t.Fatalf("%q is no name", got)
		}
		seen[got] = true
	}
	if len(seen) < 800 {
		t.Errorf("a thousand values have %d names", len(seen))
	}
}

// TestKeys holds what keys may be, and that nothing prints them.
func TestKeys(t *testing.T) {
	t.Parallel()
	secret := bytes.Repeat([]byte("S"), 32)
	for name, ks := range map[string][]operator.Key{
		"short":           {{Version: 1, Secret: secret[:31]}},
		"no version":      {{Secret: secret}},
		"the same twice":  {{Version: 1, Secret: secret}, {Version: 2, Secret: secret}, {Version: 1, Secret: secret}},
		"negative number": {{Version: -1, Secret: secret}},
	} {
		k, err := operator.NewKeys(ks...)
		if k != nil || sallyport.KindOf(err) != sallyport.Invalid || strings.Contains(fmt.Sprint(err), "SSSS") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := (*operator.Keys)(nil).Current(); got != 0 {
		t.Errorf("no keys have version %d", got)
	}
	k, err := operator.NewKeys(operator.Key{Version: 3, Secret: secret}, operator.Key{Version: 2, Secret: secret})
	if err != nil || k.Current() != 3 {
		t.Fatalf("current is %d: %v", k.Current(), err)
	}
	o, err := operator.Compile(operator.Spec{Kind: operator.Hash, Domain: "a"}, k, now)
	if err != nil {
		t.Fatal(err)
	}
	before := answer(t, o, "x")
	secret[0] = 'X' // what the caller does with its memory is nothing to the keys
	if o, err = operator.Compile(operator.Spec{Kind: operator.Hash, Domain: "a"}, k, now); err != nil || answer(t, o, "x") != before {
		t.Errorf("the keys changed with the caller's memory: %v", err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if out := fmt.Sprintf(verb+verb, k, operator.Key{Version: 3, Secret: secret}); strings.Contains(out, "SSSS") || strings.Contains(out, "5353") || strings.Contains(out, "83 83") {
			t.Errorf("%s prints %s", verb, out)
		}
	}
}
