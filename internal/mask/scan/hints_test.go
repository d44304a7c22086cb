// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

func TestSilent(t *testing.T) {
	s, err := scan.New(scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	user, err := scan.New(scan.Options{Rules: []scan.UserRule{{Name: "ward", Entity: scan.Place, Prefilter: "ward", Pattern: `ward [a-z]+`}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, known, text string
		scanner           *scan.Scanner
		want              bool
	}{
		{"no anchor and no name", "Zimmerwald", "ECHO CARDIOGRAM COMPLETE", s, true},
		{"a known name", "Zimmerwald", "seen by Dr Zimmerwald", s, false},
		{"in another case", "Zimmerwald", "ZIMMERWALD", s, false},
		{"a word that begins like one", "Zimmerwald", "a zimmer frame", s, false},
		{"nothing known", "", "seen by Dr Zimmerwald", s, true},
		{"two letters are no name", "Li", "Li", s, true},
		{"a digit", "", "room 4", s, false},
		{"an address of mail", "", "a@b", s, false},
		{"an apostrophe in a text", "ONeil", "O'Neil", s, false},
		{"an apostrophe in a name", "O'Neil", "ONeil", s, false},
		{"another script in a text", "Zoe", "Zoë", s, false},
		{"another script in a name", "Zoë", "Zoe", s, false},
		{"the second word", "Anna Zimmerwald", "zimmerwald", s, false},
		{"a rule of the site", "", "the room", user, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var h scan.Hints
			h.Add([]byte(tt.known))
			if got := tt.scanner.Silent([]byte(tt.text), &h); got != tt.want {
				t.Errorf("silent: %v", got)
			}
		})
	}
	var h scan.Hints
	h.Add([]byte("Zimmerwald"))
	h.Reset()
	if !s.Silent([]byte("Zimmerwald"), &h) {
		t.Error("what was forgotten is remembered")
	}
}

// FuzzSilent compares with a scan: in a silent text nothing is found.
func FuzzSilent(f *testing.F) {
	f.Add("Zimmerwald Ottilie", "seen by Dr Zimmerwald")
	f.Add("O'Neil", "oneil and O’Neil")
	f.Add("Zoë Åsa", "zoe asa ZOE")
	f.Add("Anne-Marie", "annemarie and Anne")
	f.Add("McDonald", "www.x.org/mcdonald: it's")
	s, err := scan.New(scan.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, names, text string) {
		var h scan.Hints
		var known scan.Known
		for name := range strings.FieldsSeq(names) {
			h.Add([]byte(name))
			known.Add(scan.Name, []byte(name))
		}
		if !s.Silent([]byte(text), &h) {
			return
		}
		if found := s.Scan(nil, []byte(text), &known); len(found) > 0 {
			t.Errorf("%v in %q, which is silent for %q", found, text, names)
		}
	})
}
