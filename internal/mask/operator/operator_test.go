// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"bytes"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
)

// now is the clock of all tests: what is of 1936 or before is of 1936.
func now() time.Time { return time.Date(2026, 11, 28, 15, 0, 0, 0, time.UTC) }

func keys(t testing.TB) *operator.Keys {
	t.Helper()
	k, err := operator.NewKeys(
		operator.Key{Version: 2, Secret: bytes.Repeat([]byte{2}, 32)},
		operator.Key{Version: 1, Secret: bytes.Repeat([]byte{1}, 32)},
	)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func compile(t testing.TB, s operator.Spec) *operator.Operator {
	t.Helper()
	o, err := operator.Compile(s, keys(t), now)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func days(year int, month time.Month, day int) int64 {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400
}

// TestText holds what each operator that needs no key makes of a text. An empty
// want is no answer.
func TestText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		spec operator.Spec
		text map[string]string
	}{
		{"redact", operator.Spec{}, map[string]string{"": "", "x": ""}},
		{"redact with placeholder", operator.Spec{Placeholder: "SSN"}, map[string]string{"x": "[SSN]", "[SSN]": "[SSN]", "": "[SSN]", "\xff": "[SSN]"}},
		{"null", operator.Spec{Kind: operator.Null}, map[string]string{"x": ""}},
		{"default", operator.Spec{Kind: operator.Default}, map[string]string{"x": ""}},
		{"drop", operator.Spec{Kind: operator.Drop}, map[string]string{"x": ""}},
		{"const", operator.Spec{Kind: operator.Const, Value: "hidden"}, map[string]string{"x": "hidden", "\xff": "hidden"}},
		{"keep", operator.Spec{Kind: operator.Keep}, map[string]string{"x y": "x y", "\xff": "\xff"}},
		{"partial last", operator.Spec{Kind: operator.Partial, Last: 4}, map[string]string{
			"900-12-3456": "***-**-3456", "900123456": "*****3456",
			"12345678": "", // half
			"":         "", "----------": "", "\xff23456789": "",
			"1234567Ä9": "*****67Ä9",
			// What is neither letter, digit nor separator is masked and not counted.
			"#####1234": "", "#900-12-3456": "****-**-3456",
		}},
		{"partial both", operator.Spec{Kind: operator.Partial, First: 1, Last: 1}, map[string]string{
			"Quenby": "Q****y", "Quen": "", "Ada Quenby": "A** *****y", "日本語文字": "日***字",
		}},
		{"email_domain", operator.Spec{Kind: operator.EmailDomain}, map[string]string{
			"ada.quenby@clinic.example": "***@clinic.example", "***@clinic.example": "***@clinic.example", " a@b.example ": "***@b.example",
			"a@b": "", "@b.example": "", "a@": "", "a b@c.example": "", "a@b@c.example": "", "a@-b.example": "", "a@b..example": "",
			"a@b.example.": "", "a@10.0.0.1": "", "Ada <a@b.example>": "", "a@b.example, c@d.example": "", "": "",
		}},
		{"phone_region", operator.Spec{Kind: operator.PhoneRegion}, map[string]string{
			"(212) 555-0123": "(212) ***-****", "+1 212 555 0123": "+1 212 *** ****", "1-212-555-0123": "1-212-***-****", "2125550123": "212*******",
			"(212) ***-****": "(212) ***-****", "+49 30 5550123": "+49 ** *******", "+1 (112) 555-0123": "", "+353 1 555 0123": "+353 * *** ****",
			"+7 495 555 0123": "+7 *** *** ****", "+44": "", "555-0123": "", "0049 30 5550123": "", "112-555-0123": "", "212-555-0123 x5": "",
			"+49 30 55501235550123": "", "": "", "+": "", "+** 30 5550123": "", "030 5550123": "", "21255501234": "",
		}},
		{"ip_prefix", operator.Spec{Kind: operator.IPPrefix}, map[string]string{
			"192.0.2.77": "192.0.2.0/24", "192.0.2.77/32": "192.0.2.0/24", "192.0.0.0/16": "192.0.0.0/16", "2001:db8:1:2::3": "2001:db8:1::/48",
			"::ffff:192.0.2.77": "192.0.2.0/24", "fe80::1%eth0": "fe80::/48", "192.0.2.0/24": "192.0.2.0/24",
			"192.0.2": "", "192.0.2.77:80": "", "": "", "x": "", "192.0.2.256": "",
		}},
		{"ip_prefix of other bits", operator.Spec{Kind: operator.IPPrefix, Bits4: 8, Bits6: 32}, map[string]string{
			"192.0.2.77": "192.0.0.0/8", "2001:db8:1:2::3": "2001:db8::/32",
		}},
		{"zip3", operator.Spec{Kind: operator.ZIP3}, map[string]string{
			"02139": "02100", "02139-4307": "02100", "02139 4307": "02100", "021394307": "02100", " 10001 ": "10000", "02100": "02100",
			"03601": "00000", "20301": "00000", "83001": "00000", "00000": "00000", "34001": "00000", "99999": "99900",
			"2139": "", "021394": "", "02139-43": "", "02139-430x": "", "K1A 0B1": "", "SW1A 1AA": "", "": "", "٠٢١٣٩": "",
		}},
		{"age90", operator.Spec{Kind: operator.Age90}, map[string]string{
			"0": "0", "45": "45", "89": "89", "90": "90+", "092": "90+", "90+": "90+", "89+": "90+", "89.5": "90+", "88.5": "88.5", "123456": "90+",
			"92 y/o": "90+", "45 y/o": "45 y/o", "92-year-old": "90+", "age 92": "90+", "aged 31": "aged 31", "over 89": "over 89",
			"1080 months": "90+", "18 months": "18 months", "1079 mo": "1079 mo", "3 years 2 months": "3 years 2 months", "85-95": "90+",
			"92 M": "", "45 years, Ada": "", "ninety-two": "", "": "", "years": "", "900-12-3456": "", "9001234567": "", "-": "",
		}},
		{"bucket", operator.Spec{Kind: operator.Bucket}, map[string]string{
			"57": "50", "-1": "-10", "50": "50", "57.25": "50.00", "0": "0", "57 mg": "", "": "", "1e3": "", "NaN": "", "1234567890123456789": "",
		}},
		{"round", operator.Spec{Kind: operator.Round, Width: 0.25}, map[string]string{
			"1.3": "1.25", "1.375": "1.500", "-1.375": "-1.500", "1": "1.00", "0.1": "0.00", ".5": "", "5.": "", "+0.9": "1.00",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := compile(t, tt.spec)
			for in, want := range tt.text {
				got, ok := o.Text([]byte("before "), []byte(in), nil)
				if ok != (want != "") || string(got) != "before "+want {
					t.Errorf("%q: %q, %v, want %q", in, got, ok, want)
				}
			}
		})
	}
}

// TestDates holds what becomes of dates in a text.
func TestDates(t *testing.T) {
	t.Parallel()
	year := compile(t, operator.Spec{Kind: operator.DateYear})
	month := compile(t, operator.Spec{Kind: operator.DateTrunc})
	quarter := compile(t, operator.Spec{Kind: operator.DateTrunc, Unit: "quarter"})
	for _, tt := range []struct{ in, year, month, quarter string }{
		{"2020-05-17", "2020", "2020-05", "2020-04"},
		{"2020-02-29", "2020", "2020-02", "2020-01"},
		{"2019-02-29", "", "", ""},
		{"1900-02-29", "", "", ""},
		{"2000-02-29", "2000", "2000-02", "2000-01"},
		{"2020-05", "2020", "2020-05", "2020-04"},
		{"2020", "2020", "", ""},
		{"2020-13-01", "", "", ""},
		{"2020-00-00", "", "", ""},
		{"0000-00-00", "", "", ""},
		{"0044-03-15", "1936", "0044-03", "0044-01"},
		{"0044-03-15 BC", "", "", ""},
		{"9999-12-31", "9999", "9999-12", "9999-10"},
		{"12020-05-17", "", "", ""},
		{"1936-12-31", "1936", "1936-12", "1936-10"},
		{"1935-12-31", "1936", "1935-12", "1935-10"},
		{"1937-01-01", "1937", "1937-01", "1937-01"},
		{"1900", "1936", "", ""},
		{"0999", "", "", ""},
		{"2047", "", "", ""},
		{"2020-05-17T10:30:00.000Z", "2020", "2020-05", "2020-04"},
		{"2020-05-17T10:30:00+02:00", "2020", "2020-05", "2020-04"},
		{"2020-05-17 10:30:00.123456+02", "2020", "2020-05", "2020-04"},
		{"2020-05-17 10:30:00 UTC", "2020", "2020-05", "2020-04"},
		{"2020-05-17 10:30:00 -0500", "2020", "2020-05", "2020-04"},
		{"2020-05-17 10:30:00+01:02:03", "2020", "2020-05", "2020-04"},
		{"2020-05-17 10", "2020", "2020-05", "2020-04"},
		{"2020-05-17 Ada", "", "", ""},
		{"2020-05-17 25:00", "", "", ""},
		{"2020-05-17 10:30 Ada", "", "", ""},
		{"2020/5/7", "2020", "2020-05", "2020-04"},
		{"2020/5-7", "", "", ""},
		{"20200517", "2020", "2020-05", "2020-04"},
		{"202005", "2020", "2020-05", "2020-04"},
		{"202013", "", "", ""},
		{"20200517103000", "2020", "2020-05", "2020-04"},
		{"20200517103000.1234-0500", "2020", "2020-05", "2020-04"},
		{"20200517T103000Z", "2020", "2020-05", "2020-04"},
		{"20200517-0500", "2020", "2020-05", "2020-04"},
		{"202005171", "", "", ""},
		{"2020051799", "", "", ""},
		{"12252020", "", "", ""},
		{"25122020", "", "", ""},
		{"051720", "", "", ""},
		{"5/17/2020", "2020", "2020-05", "2020-04"},
		{"17/5/2020", "2020", "2020-05", "2020-04"},
		{"05/04/2020 3:45 PM", "2020", "2020-05", "2020-04"},
		{"5.4.2020", "2020", "2020-04", "2020-04"},
		{"05-17-2020", "2020", "2020-05", "2020-04"},
		{"5/17/20", "", "", ""},
		{"5/17", "", "", ""},
		{"32/1/2020", "", "", ""},
		{"January 5, 2020", "2020", "2020-01", "2020-01"},
		{"Jan. 5th, 2020", "2020", "2020-01", "2020-01"},
		{"SEPT 5 2020", "2020", "2020-09", "2020-07"},
		{"5-Jan-2020", "2020", "2020-01", "2020-01"},
		{"05JAN2020", "2020", "2020-01", "2020-01"},
		{"5th of January 2020", "2020", "2020-01", "2020-01"},
		{"Sun, 05 Jan 2020 10:00:00 GMT", "2020", "2020-01", "2020-01"},
		{"Sunday, January 5, 2020 at 10:00 am", "2020", "2020-01", "2020-01"},
		{"January 2020", "2020", "2020-01", "2020-01"},
		{"2020 Jan 5", "2020", "2020-01", "2020-01"},
		{"2020-Jan-05", "2020", "2020-01", "2020-01"},
		{"5-Jan-20", "", "", ""},
		{"31 February 2020", "", "", ""},
		{"January", "", "", ""},
		{"January 5", "", "", ""},
		{"January February 2020", "", "", ""},
		{"5 5 January 2020", "", "", ""},
		{"Ada 5 January 2020", "", "", ""},
		{"  2020-05-17\n", "2020", "2020-05", "2020-04"},
		{"infinity", "", "", ""},
		{"", "", "", ""},
		{"-", "", "", ""},
		{"\xff020-05-17", "", "", ""},
		{"900-12-3456", "", "", ""},
	} {
		for _, c := range []struct {
			name string
			op   *operator.Operator
			want string
		}{{"year", year, tt.year}, {"month", month, tt.month}, {"quarter", quarter, tt.quarter}} {
			got, ok := c.op.Text(nil, []byte(tt.in), nil)
			if ok != (c.want != "") || string(got) != c.want {
				t.Errorf("%s of %q: %q, %v, want %q", c.name, tt.in, got, ok, c.want)
			}
			if again, ok := c.op.Text(nil, got, nil); c.name == "year" && c.want != "" && tt.in != "9999-12-31" && (!ok || !bytes.Equal(again, got)) {
				t.Errorf("%s of %q, twice: %q, %v, want %q", c.name, tt.in, again, ok, got)
			}
		}
	}
}

// TestDay holds dates and points in time.
func TestDay(t *testing.T) {
	t.Parallel()
	year := operator.Spec{Kind: operator.DateYear}
	month := operator.Spec{Kind: operator.DateTrunc}
	quarter := operator.Spec{Kind: operator.DateTrunc, Unit: "quarter"}
	for _, tt := range []struct {
		name    string
		spec    operator.Spec
		in      int64
		want    int64
		instant bool // also as an instant, at 13:14:15
	}{
		{"year", year, days(2020, 5, 17), days(2020, 1, 1), true},
		{"year of the epoch", year, -1, days(1969, 1, 1), true},
		{"year of a leap day", year, days(2000, 2, 29), days(2000, 1, 1), true},
		{"year 90 years ago", year, days(1936, 12, 31), days(1936, 1, 1), true},
		{"year before", year, days(1901, 2, 3), days(1936, 1, 1), true},
		{"year BC", year, days(-43, 3, 15), days(1936, 1, 1), true},
		{"year far ahead", year, 2_000_000_000, days(5477784, 1, 1), false},
		{"month", month, days(2020, 2, 29), days(2020, 2, 1), true},
		{"month long ago", month, days(1901, 2, 3), days(1901, 2, 1), true},
		{"month BC", month, days(-43, 3, 15), days(-43, 3, 1), true},
		{"quarter", quarter, days(2020, 12, 31), days(2020, 10, 1), true},
		{"quarter's first", quarter, days(2020, 1, 1), days(2020, 1, 1), true},
		{"shift without a patient", operator.Spec{Kind: operator.DateShift, Domain: "d"}, days(2020, 5, 17), days(2020, 1, 1), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := compile(t, tt.spec)
			if got, ok := o.Day(tt.in, nil); got != tt.want || !ok {
				t.Errorf("day %d: %d, %v, want %d", tt.in, got, ok, tt.want)
			}
			if !tt.instant {
				return
			}
			const day = 86_400_000_000
			if got, ok := o.Instant(tt.in*day+47_655_123_456, nil); got != tt.want*day || !ok {
				t.Errorf("instant on day %d: %d, %v, want %d", tt.in, got, ok, tt.want*day)
			}
		})
	}
	for _, v := range []int64{math.MinInt64, math.MaxInt64, 3_000_000_001, -3_000_000_001} {
		if got, ok := compile(t, year).Day(v, nil); ok {
			t.Errorf("day %d: %d, want no answer", v, got)
		}
	}
	if got, ok := compile(t, month).Instant(math.MinInt64, nil); ok {
		t.Errorf("the first instant: %d, want no answer", got)
	}
	if _, ok := compile(t, year).Instant(math.MaxInt64, nil); !ok {
		t.Error("the last instant has no year")
	}
}

// TestCalendar compares the calendar with that of the time package.
func TestCalendar(t *testing.T) {
	t.Parallel()
	month := compile(t, operator.Spec{Kind: operator.DateTrunc})
	for v := int64(-1_500_000); v < 1_500_000; v += 13 {
		at := time.Unix(v*86400, 0).UTC()
		if got, ok := month.Day(v, nil); got != days(at.Year(), at.Month(), 1) || !ok {
			t.Fatalf("the month of %v begins on day %d, %v", at, got, ok)
		}
	}
}

// TestInt holds integers, with those at the ends of their range.
func TestInt(t *testing.T) {
	t.Parallel()
	none := []int64(nil)
	for _, tt := range []struct {
		name string
		spec operator.Spec
		want map[int64][]int64 // empty: no answer
	}{
		{"redact", operator.Spec{Placeholder: "X"}, map[int64][]int64{5: none}},
		{"const", operator.Spec{Kind: operator.Const, Value: "-7"}, map[int64][]int64{5: {-7}}},
		{"const text", operator.Spec{Kind: operator.Const, Value: "x"}, map[int64][]int64{5: none}},
		{"keep", operator.Spec{Kind: operator.Keep}, map[int64][]int64{math.MinInt64: {math.MinInt64}}},
		{"age90", operator.Spec{Kind: operator.Age90}, map[int64][]int64{89: {89}, 90: {90}, 91: {90}, math.MaxInt64: {90}, 0: {0}}},
		{"zip3", operator.Spec{Kind: operator.ZIP3}, map[int64][]int64{
			2139: {2100}, 10001: {10000}, 3601: {0}, 0: {0}, 21394307: {2100}, 999_999_999: {99900}, 1_000_000_000: none, -1: none, math.MinInt64: none,
		}},
		{"date_year", operator.Spec{Kind: operator.DateYear}, map[int64][]int64{
			1990: {1990}, 1901: {1936}, 19901231: {1990}, 199012: {1990}, 12: none, 99999999: none, -1990: none, math.MaxInt64: none, math.MinInt64: none,
		}},
		{"bucket", operator.Spec{Kind: operator.Bucket}, map[int64][]int64{
			57: {50}, -1: {-10}, 0: {0}, math.MaxInt64: {9223372036854775800}, math.MinInt64: none,
		}},
		{"round", operator.Spec{Kind: operator.Round}, map[int64][]int64{
			54: {50}, 55: {60}, -54: {-50}, -55: {-60}, math.MaxInt64 - 3: {9223372036854775800}, math.MaxInt64: none, math.MinInt64: none,
		}},
		{"bucket of fractions", operator.Spec{Kind: operator.Bucket, Width: 0.5}, map[int64][]int64{57: none}},
		{"partial", operator.Spec{Kind: operator.Partial, Last: 1}, map[int64][]int64{123456: none}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := compile(t, tt.spec)
			for in, want := range tt.want {
				got, ok := o.Int(in, nil)
				if ok != (len(want) == 1) || ok && got != want[0] {
					t.Errorf("%d: %d, %v, want %v", in, got, ok, want)
				}
			}
		})
	}
}

// TestFloat holds floating-point numbers, and those that are none.
func TestFloat(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		spec     operator.Spec
		in, want float64
		ok       bool
	}{
		{"age", operator.Spec{Kind: operator.Age90}, 45.5, 45.5, true},
		{"age above", operator.Spec{Kind: operator.Age90}, 89.5, 90, true},
		{"age not a number", operator.Spec{Kind: operator.Age90}, math.NaN(), 0, false},
		{"age without end", operator.Spec{Kind: operator.Age90}, math.Inf(1), 90, true},
		{"age below all", operator.Spec{Kind: operator.Age90}, math.Inf(-1), 0, false},
		{"bucket", operator.Spec{Kind: operator.Bucket, Width: 0.5}, 1.75, 1.5, true},
		{"bucket below zero", operator.Spec{Kind: operator.Bucket}, -0.1, -10, true},
		{"bucket of the least", operator.Spec{Kind: operator.Bucket, Width: 0.5}, -math.MaxFloat64, 0, false},
		{"round", operator.Spec{Kind: operator.Round, Width: 0.5}, 1.75, 2, true},
		{"round not a number", operator.Spec{Kind: operator.Round}, math.NaN(), 0, false},
		{"const", operator.Spec{Kind: operator.Const, Value: "2.5"}, 9, 2.5, true},
		{"const not finite", operator.Spec{Kind: operator.Const, Value: "NaN"}, 9, 0, false},
		{"keep", operator.Spec{Kind: operator.Keep}, math.Inf(1), math.Inf(1), true},
		{"redact", operator.Spec{}, 9, 0, false},
		{"hash", operator.Spec{Kind: operator.Hash, Domain: "d"}, 9, 0, false},
		{"noise not a number", operator.Spec{Kind: operator.Noise, Domain: "d"}, math.NaN(), 0, false},
		{"noise without end", operator.Spec{Kind: operator.Noise, Domain: "d"}, math.Inf(-1), 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ok := compile(t, tt.spec).Float(tt.in, nil)
			if ok != tt.ok || ok && math.Abs(got-tt.want) > 1e-9 {
				t.Errorf("%g: %g, %v, want %g, %v", tt.in, got, ok, tt.want, tt.ok)
			}
		})
	}
}

// TestDecimal holds decimals, which keep their decimal places.
func TestDecimal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		spec operator.Spec
		want map[string]string
	}{
		{"age90", operator.Spec{Kind: operator.Age90}, map[string]string{
			"89": "89", "89.00": "89.00", "89.01": "90.00", "90": "90", "-3": "-3", "NaN": "", "Infinity": "", "99.9999999999999999": "90.0000000000000000",
		}},
		{"bucket", operator.Spec{Kind: operator.Bucket, Width: 2.5}, map[string]string{
			"12.34": "10.00", "-0.01": "-2.50", "0": "0.0", "3": "2.5", "-999999999999999999": "", "123456789.123456789": "123456787.500000000",
		}},
		{"round", operator.Spec{Kind: operator.Round}, map[string]string{"12.34": "10.00", "15.00": "20.00", "-15": "-20", "14.99": "10.00"}},
		{"const", operator.Spec{Kind: operator.Const, Value: "-1.50"}, map[string]string{"7": "-1.50"}},
		{"const text", operator.Spec{Kind: operator.Const, Value: "x"}, map[string]string{"7": ""}},
		{"keep", operator.Spec{Kind: operator.Keep}, map[string]string{"NaN": "NaN"}},
		{"redact", operator.Spec{Placeholder: "X"}, map[string]string{"7": ""}},
		{"hash of places", operator.Spec{Kind: operator.Hash, Domain: "d"}, map[string]string{"7.5": "", "NaN": ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := compile(t, tt.spec)
			for in, want := range tt.want {
				got, ok := o.Decimal([]byte("> "), []byte(in), nil)
				if ok != (want != "") || string(got) != "> "+want {
					t.Errorf("%s: %q, %v, want %q", in, got, ok, want)
				}
			}
		})
	}
}

// TestOthers holds addresses, UUIDs and bytes.
func TestOthers(t *testing.T) {
	t.Parallel()
	prefix := compile(t, operator.Spec{Kind: operator.IPPrefix})
	for in, want := range map[string]string{
		"192.0.2.77/32": "192.0.2.0/24", "10.0.0.0/8": "10.0.0.0/8", "2001:db8:1:2::3/128": "2001:db8:1::/48", "::ffff:192.0.2.77/128": "192.0.2.0/24",
	} {
		if got, ok := prefix.Prefix(netip.MustParsePrefix(in), nil); !ok || got.String() != want {
			t.Errorf("%s: %v, %v, want %s", in, got, ok, want)
		}
	}
	if got, ok := prefix.Prefix(netip.Prefix{}, nil); ok {
		t.Errorf("no prefix: %v, want no answer", got)
	}
	const uuid = "00112233-4455-6677-8899-aabbccddeeff"
	want := [16]byte{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	if got, ok := compile(t, operator.Spec{Kind: operator.Const, Value: uuid}).UUID([16]byte{}, nil); !ok || got != want {
		t.Errorf("constant UUID: %x, %v", got, ok)
	}
	if got, ok := compile(t, operator.Spec{Kind: operator.Const, Value: "192.0.2.1"}).Prefix(netip.Prefix{}, nil); !ok || got.String() != "192.0.2.1/32" {
		t.Errorf("constant address: %v, %v", got, ok)
	}
	if got, ok := compile(t, operator.Spec{Kind: operator.Const, Value: "1950-02-03"}).Day(5, nil); !ok || got != days(1950, 2, 3) {
		t.Errorf("constant day: %v, %v", got, ok)
	}
	if got, ok := compile(t, operator.Spec{Kind: operator.Const, Value: "1950-02-03T04:05:06Z"}).Instant(5, nil); !ok || got != days(1950, 2, 3)*86_400_000_000+14_706_000_000 {
		t.Errorf("constant instant: %v, %v", got, ok)
	}
	if got, ok := compile(t, operator.Spec{Kind: operator.Const, Value: "b"}).Bytes([]byte("a"), []byte{0}, nil); !ok || string(got) != "ab" {
		t.Errorf("constant bytes: %q, %v", got, ok)
	}
}

// TestFits compares Fits with what the methods answer: a kind fits a meaning if
// and only if it has an answer for one of some values.
func TestFits(t *testing.T) {
	t.Parallel()
	texts := [][]byte{
		[]byte("12345"), []byte("2020-01-05"), []byte("ada@clinic.example"), []byte("(212) 555-0123"), []byte("192.0.2.1"), []byte("1234567890"),
	}
	row := &operator.Row{Patient: []byte("p")}
	specs := []operator.Spec{
		{Kind: operator.Const, Value: "x"},
		{Kind: operator.Const, Value: "5"},
		{Kind: operator.Const, Value: "1.5"},
		{Kind: operator.Const, Value: "2020-01-05"},
		{Kind: operator.Const, Value: "2020-01-05T10:00:00Z"},
		{Kind: operator.Const, Value: "192.0.2.0/24"},
		{Kind: operator.Const, Value: "00112233-4455-6677-8899-aabbccddeeff"},
	}
	for _, k := range kinds() {
		specs = append(specs, operator.Spec{Kind: k, Placeholder: "X", First: 1, Domain: "d"})
	}
	for _, s := range specs {
		o := compile(t, s)
		answers := func(m operator.Meaning) (ok bool) {
			switch m {
			case operator.OfInt:
				_, a := o.Int(2020, row)
				_, b := o.Int(1234567890, row)
				return a || b
			case operator.OfFloat:
				_, ok = o.Float(5, row)
			case operator.OfDecimal:
				_, ok = o.Decimal(nil, []byte("1234567890"), row)
			case operator.OfDay:
				_, ok = o.Day(5, row)
			case operator.OfInstant:
				_, ok = o.Instant(5, row)
			case operator.OfPrefix:
				_, ok = o.Prefix(netip.MustParsePrefix("192.0.2.1/32"), row)
			case operator.OfUUID:
				_, ok = o.UUID([16]byte{1}, row)
			case operator.OfBytes:
				_, ok = o.Bytes(nil, []byte{1}, row)
			case operator.OfText:
				return slices.ContainsFunc(texts, func(v []byte) bool { _, ok := o.Text(nil, v, row); return ok })
			}
			return ok
		}
		for m := operator.OfText; m <= operator.OfBytes; m++ {
			if s.Kind == operator.ZIP3 && m == operator.OfInt {
				continue // 2020 is a ZIP code and 1234567890 is none
			}
			if got, want := answers(m), o.Fits(m); got != want {
				t.Errorf("%v %q of meaning %d: answers %v, fits %v", s.Kind, s.Value, m, got, want)
			}
		}
	}
}

func kinds() []operator.Kind {
	var all []operator.Kind
	for k := operator.Redact; k <= operator.Keep; k++ {
		if k != operator.Const {
			all = append(all, k)
		}
	}
	return all
}

// TestKindNames reads back the name of every kind.
func TestKindNames(t *testing.T) {
	t.Parallel()
	for k := operator.Redact; k <= operator.Keep; k++ {
		if got, ok := operator.ParseKind(k.String()); got != k || !ok {
			t.Errorf("%v is read as %v, %v", k, got, ok)
		}
	}
	if k, ok := operator.ParseKind("shuffle"); ok {
		t.Errorf("there is a kind shuffle: %v", k)
	}
	if got := operator.Kind(200).String(); got != "redact" {
		t.Errorf("an unknown kind is called %q", got)
	}
}

// TestCompileRefuses holds what a spec may not ask for.
func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]operator.Spec{
		"no such kind":               {Kind: 99},
		"hash without a domain":      {Kind: operator.Hash},
		"domain in capitals":         {Kind: operator.Token, Domain: "MRN"},
		"domain with a zero":         {Kind: operator.Hash, Domain: "a\x00b"},
		"domain too long":            {Kind: operator.Hash, Domain: string(bytes.Repeat([]byte("a"), 65))},
		"unknown unit":               {Kind: operator.DateTrunc, Unit: "day"},
		"negative days":              {Kind: operator.DateShift, Domain: "d", Days: -1},
		"too many days":              {Kind: operator.DateShift, Domain: "d", Days: 3651},
		"negative width":             {Kind: operator.Bucket, Width: -1},
		"endless width":              {Kind: operator.Round, Width: math.Inf(1)},
		"width that is no number":    {Kind: operator.Round, Width: math.NaN()},
		"width too fine":             {Kind: operator.Round, Width: 1e-18},
		"negative scale":             {Kind: operator.Noise, Domain: "d", Scale: -1},
		"scale that is no number":    {Kind: operator.Noise, Domain: "d", Scale: math.NaN()},
		"constant that is no text":   {Kind: operator.Const, Value: "\xff"},
		"constant with a zero":       {Kind: operator.Const, Value: "a\x00"},
		"placeholder with a bracket": {Placeholder: "a]"},
		"placeholder with a break":   {Placeholder: "a\n"},
		"partial keeps nothing":      {Kind: operator.Partial},
		"partial keeps less":         {Kind: operator.Partial, First: -1, Last: 3},
		"all bits":                   {Kind: operator.IPPrefix, Bits4: 32},
		"all bits of six":            {Kind: operator.IPPrefix, Bits6: 128},
		"unknown alphabet":           {Kind: operator.FPE, Domain: "d", Alphabet: "greek"},
		"unknown check digit":        {Kind: operator.FPE, Domain: "d", Check: "mod11"},
		"check digit of letters":     {Kind: operator.FPE, Domain: "d", Alphabet: "lower", Check: "luhn"},
	} {
		o, err := operator.Compile(s, keys(t), now)
		if o != nil || sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		if _, hint := sallyport.Public(err); hint == "" {
			t.Errorf("%s: %v has no hint", name, err)
		}
	}
	for _, k := range []operator.Kind{operator.Hash, operator.Token, operator.FPE, operator.DateShift, operator.Noise, operator.Surrogate} {
		if _, err := operator.Compile(operator.Spec{Kind: k, Domain: "d"}, nil, now); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%v without a key: %v", k, err)
		}
	}
	if _, err := operator.Compile(operator.Spec{Kind: operator.DateYear}, nil, nil); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("a date without a clock: %v", err)
	}
}

// TestDefaults shows what a spec that says nothing means.
func TestDefaults(t *testing.T) {
	t.Parallel()
	for _, want := range []operator.Spec{
		{Kind: operator.IPPrefix, Bits4: 24, Bits6: 48},
		{Kind: operator.DateTrunc, Unit: "month", Days: 365},
		{Kind: operator.Bucket, Width: 10},
		{Kind: operator.Noise, Scale: 1, Domain: "d"},
	} {
		in := operator.Spec{Kind: want.Kind, Domain: want.Domain}
		if diff := cmp.Diff(want, compile(t, in).Spec()); diff != "" {
			t.Errorf("%v (-want +got):\n%s", want.Kind, diff)
		}
	}
}

// TestNoAllocation holds that what needs no key allocates nothing.
func TestNoAllocation(t *testing.T) {
	in := [][]byte{
		[]byte("2020-05-17T10:30:00Z"), []byte("January 5, 2020"), []byte("02139-4307"), []byte("92 y/o"), []byte("57.25"), []byte("ada@clinic.example"),
		[]byte("(212) 555-0123"), []byte("900-12-3456"),
	}
	dst := make([]byte, 0, 256)
	for _, k := range kinds() {
		switch k {
		case operator.Hash, operator.Token, operator.FPE, operator.DateShift, operator.Noise, operator.Surrogate, operator.IPPrefix:
			continue
		}
		o := compile(t, operator.Spec{Kind: k, Placeholder: "X", Last: 4})
		if n := testing.AllocsPerRun(100, func() {
			for _, v := range in {
				o.Text(dst, v, nil)
				o.Decimal(dst, v, nil)
			}
			o.Int(1990, nil)
			o.Day(1990, nil)
		}); n != 0 {
			t.Errorf("%v allocates %g times", k, n)
		}
	}
}

// TestYearsPass runs an operator past the year in which it was made.
func TestYearsPass(t *testing.T) {
	t.Parallel()
	at := now()
	o, err := operator.Compile(operator.Spec{Kind: operator.DateYear}, nil, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		year     int
		in, want string
	}{
		{2026, "1937-05-01", "1937"},
		{2026, "1936-05-01", "1936"},
		{2026, "1935-05-01", "1936"},
		{2050, "1961-05-01", "1961"},
		{2050, "1955-05-01", "1960"},
		{2050, "20700501", "2070"},
		{2026, "20700501", ""},
	} {
		at = time.Date(tc.year, 6, 1, 0, 0, 0, 0, time.UTC)
		if got, _ := o.Text(nil, []byte(tc.in), nil); string(got) != tc.want {
			t.Errorf("in %d, %s gives %q, want %q", tc.year, tc.in, got, tc.want)
		}
	}
}
