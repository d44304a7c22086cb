// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan_test

import (
	"math/rand/v2"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// keyed checks that nothing is lost of the values that are passed over in a text.
func keyed(t *testing.T, s *scan.Scanner, text []byte) int {
	t.Helper()
	return s.Keyed(text, func(from, to int) {
		t.Errorf("%q is passed over in %q", text[from:to], text)
	})
}

// TestKeyed writes values of many forms behind many keys.
func TestKeyed(t *testing.T) {
	t.Parallel()
	s := scanner(t, scan.Options{})
	keys := []string{
		"status", "http_status", "took", "n", "S/N", "age", "aged", "zip", "zip code", "postal", "ssn", "security", "social security", "id", "patient", "DEA", "npi request", "DEA request", "account took",
		"é", "x1", "the", "of", "May", "born on", "since", "phone", "tel. no", "mrn", "pre", "Mai", "April", "ssn of", "ssn was", "last ssn request", "SSN took", "ssn foo bar", "ssn foo bar baz", "\"code", "order", "\"zip", "",
	}
	values := []string{
		"5", "12", "200", "1999", "2014", "6789", "12345", "021394", "1234567", "20200105", "12ms", "3s", "7f3a", "2d", "5y", "5yo", "5yof", "3m", "6mo", "1st", "22nd", "3rd", "4th", "2014s", "1.5s", "12.25ms", "123.456ms", "0.5mo", "2.5e10", "40.7128n",
		"12AB", "5MAY", "5may", "5May2020", "12b", "100kb", "9a8b7c6", "9a8b7c6d", "0x1f", "5_", "5é",
	}
	behind := []string{
		"", " ", " ok", ",", ", ", ". ", "\n", "]", "\"", "%", ":80", "-", "-12", "-a", "/", "/May", "/12", ".5", " May", ". May 2020", " of May", "th of May", " y/o", " years old", "-year-old", " days", "@example.org", " 12", " (12", " - 12", " Oak Street",
		" rue Oak", ", Apt. 4", " 5th Avenue", " Utca", " fax", " NSW", " MA 02139", " é", "\u00a012",
	}
	passed := 0
	for _, k := range keys {
		for _, sep := range []string{"=", ":", "\":", "/", "["} {
			for _, v := range values {
				for _, b := range behind {
					passed += keyed(t, s, []byte("so "+k+sep+v+b))
				}
			}
		}
	}
	if passed < 10000 {
		t.Errorf("%d values are passed over, which tests little", passed)
	}
}

func FuzzKeyed(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Add([]byte("2026-01-02T03:04:05Z INFO claims request=7f3a status=200 duration=12.5ms zip=021 \"age\":53, \"code\":404}"))
	rnd := rand.New(rand.NewPCG(7, 8))
	f.Add(salad(rnd, 200))
	s := scanner(f, scan.Options{DayFirst: true})
	f.Fuzz(func(t *testing.T, text []byte) { keyed(t, s, text) })
}
