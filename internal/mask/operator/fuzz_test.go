// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"bytes"
	"math"
	"testing"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/mask/operator"
)

// FuzzText gives any text to every operator. No answer is more than so many bytes
// longer than the text, what was UTF-8 stays it, dst is never changed, and what
// may be masked twice stays as it is.
func FuzzText(f *testing.F) {
	for _, s := range []string{
		"", "900-12-3456", "4111 1111 1111 1111", "1234567893", "2020-02-29T23:59:60.5+01:00", "20200517103000.1234-0500", "3/4/2020 3:45 PM",
		"Sun, 5th of January 2020", "2020-Jan-05", "ada@clinic.example", "+353 1 555 0123", "fe80::1%eth0", "192.0.2.0/24", "02139-4307", "92 y/o",
		"3 years 2 months", "-0.123456", "99999999999999999.9", "日本語文字", "\xff\xfe", "Ada Quenby", "0000-00-00",
	} {
		f.Add([]byte(s), []byte("p"), uint64(1))
	}
	var all []*operator.Operator
	for _, k := range kinds() {
		all = append(all, compile(f, operator.Spec{Kind: k, Placeholder: "X", First: 1, Last: 1, Domain: "d", Width: 2.5, Days: 3650}))
	}
	all = append(all,
		compile(f, operator.Spec{Kind: operator.Const, Value: "hidden"}),
		compile(f, operator.Spec{Kind: operator.FPE, Domain: "d", Alphabet: "alnum"}),
		compile(f, operator.Spec{Kind: operator.FPE, Domain: "d", Check: "luhn"}),
		compile(f, operator.Spec{Kind: operator.FPE, Domain: "d", Check: "npi"}),
	)
	f.Fuzz(func(t *testing.T, v, patient []byte, number uint64) {
		const longer = 64
		row := &operator.Row{Patient: patient, Number: number}
		before := []byte("before")
		for _, o := range all {
			in := bytes.Clone(v)
			for name, answer := range map[string]func(dst, v []byte, r *operator.Row) ([]byte, bool){"text": o.Text, "decimal": o.Decimal, "bytes": o.Bytes} {
				out, ok := answer(bytes.Clone(before), in, row)
				if !bytes.HasPrefix(out, before) || !bytes.Equal(in, v) || !ok && len(out) != len(before) {
					t.Fatalf("%v of %s %q: %q, %v", o.Kind(), name, v, out, ok)
				}
				out = out[len(before):]
				if len(out) > len(v)+longer {
					t.Fatalf("%v of %s %q: %d bytes longer", o.Kind(), name, v, len(out)-len(v))
				}
				if ok && name != "bytes" && utf8.Valid(v) && !utf8.Valid(out) {
					t.Fatalf("%v of %s %q: %q is not UTF-8", o.Kind(), name, v, out)
				}
				if ok && name == "text" {
					again(t, o, v, out, row)
				}
			}
		}
	})
}

// again masks or reveals what an operator answered.
func again(t *testing.T, o *operator.Operator, v, out []byte, row *operator.Row) {
	t.Helper()
	switch o.Kind() {
	case operator.Redact, operator.Const, operator.Keep, operator.ZIP3, operator.Age90, operator.DateYear, operator.EmailDomain, operator.PhoneRegion, operator.IPPrefix:
		// A date beyond the years that are believed alone has no second answer.
		if twice, ok := o.Text(nil, out, row); ok && !bytes.Equal(twice, out) || !ok && o.Kind() != operator.DateYear {
			t.Fatalf("%v of %q is %q, and of that %q", o.Kind(), v, out, twice)
		}
	case operator.FPE:
		if back, ok := o.Reveal(nil, out, 2); !ok || !bytes.Equal(back, v) {
			t.Fatalf("%q became %q and came back as %q, %v", v, out, back, ok)
		}
	}
}

// FuzzNumbers gives any number to every operator.
func FuzzNumbers(f *testing.F) {
	for _, n := range []int64{0, 1, -1, 92, 2139, 1990, 20200517, 1234567893, 12_345_678, math.MaxInt64, math.MinInt64} {
		f.Add(n, float64(n), uint64(1))
	}
	f.Add(int64(5), math.Inf(-1), uint64(math.MaxUint64))
	var all []*operator.Operator
	for _, k := range kinds() {
		all = append(all, compile(f, operator.Spec{Kind: k, First: 1, Domain: "d"}))
	}
	f.Fuzz(func(t *testing.T, n int64, x float64, number uint64) {
		for _, row := range []*operator.Row{nil, {Patient: []byte("p"), Number: number}} {
			for _, o := range all {
				if got, ok := o.Float(x, row); ok && o.Kind() != operator.Keep && (math.IsNaN(got) || math.IsInf(got, 0)) {
					t.Fatalf("%v of %g: %g", o.Kind(), x, got)
				}
				o.Day(n, row)
				o.Instant(n, row)
				got, ok := o.Int(n, row)
				if !ok {
					continue
				}
				switch o.Kind() {
				case operator.Bucket:
					if got > n || n-got >= 10 || got%10 != 0 {
						t.Fatalf("the bucket of %d is %d", n, got)
					}
				case operator.FPE:
					if back, ok := o.RevealInt(got, 2); !ok || back != n {
						t.Fatalf("%d became %d and came back as %d, %v", n, got, back, ok)
					}
				}
			}
		}
	})
}
