// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sallyport_test

import (
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

func TestParsePeriod(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]sallyport.Period{
		"6 years 1 month":     {Years: 6, Months: 1},
		"90 days":             {Days: 90},
		" 1 year  1 day ":     {Years: 1, Days: 1},
		"18 months":           {Months: 18},
		"0 years 1 month":     {Months: 1},
		"":                    {},
		"6y":                  {},
		"6 years 1":           {},
		"1 month 6 years":     {},
		"1 day 1 day":         {},
		"-1 days":             {},
		"0 days":              {},
		"1 fortnight":         {},
		"201 years":           {},
		"99999999999999 days": {},
	} {
		got, err := sallyport.ParsePeriod(text)
		if got != want || (err == nil) != (want != sallyport.Period{}) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		if err != nil {
			continue
		}
		if again, err := sallyport.ParsePeriod(got.String()); err != nil || again != got {
			t.Errorf("%q is written as %q", text, got)
		}
	}
}

func TestPeriodAfter(t *testing.T) {
	t.Parallel()
	day := func(s string) time.Time {
		d, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, tt := range []struct {
		from   string
		period sallyport.Period
		want   string
	}{
		{"2026-11-21", sallyport.DefaultPeriod(), "2032-12-21"},
		{"2028-02-29", sallyport.Period{Years: 1}, "2029-03-01"},   // never a day short
		{"2027-01-31", sallyport.Period{Months: 1}, "2027-03-03"},  // nor at a month's end
		{"2026-12-31", sallyport.Period{Days: 1}, "2027-01-01"},    //
		{"2026-11-21", sallyport.Period{Months: 14}, "2028-01-21"}, //
	} {
		if got := tt.period.After(day(tt.from)); !got.Equal(day(tt.want)) {
			t.Errorf("%s after %s: %s, want %s", tt.period, tt.from, got.Format(time.DateOnly), tt.want)
		}
	}
}
