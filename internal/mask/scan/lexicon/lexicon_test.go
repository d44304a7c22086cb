// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lexicon_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
)

func load(t testing.TB) *lexicon.Lexicon {
	t.Helper()
	l, err := lexicon.Load()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func lookup(l *lexicon.Lexicon, phrase string) lexicon.Class {
	var sum uint64
	for _, w := range lexicon.Words(phrase) {
		sum = lexicon.Join(sum, lexicon.Sum([]byte(w)))
	}
	return l.Lookup(sum)
}

func TestLookup(t *testing.T) {
	l := load(t)
	for _, tt := range []struct {
		word      string
		has, lack lexicon.Class
	}{
		{"patient", lexicon.Common | lexicon.Cue, lexicon.Frequent},
		{"PATIENT", lexicon.Common | lexicon.Cue, lexicon.Frequent},
		{"metformin", lexicon.Medical, lexicon.First},
		{"Rose", lexicon.Common | lexicon.First | lexicon.Frequent, lexicon.Medical},
		{"O'Brien", lexicon.Surname, lexicon.Common},
		{"Müller", lexicon.Surname, lexicon.Common},
		{"Zealand", 0, lexicon.PlaceHead},
		{"New", lexicon.PlaceHead, 0},
		{"New Zealand", lexicon.Place, 0},
		{"Zealand New", 0, lexicon.Place},
		{"Norway", lexicon.Place, lexicon.Common},
		{"norwegian", lexicon.Nation, lexicon.Common},
		{"Dr", lexicon.Title, lexicon.Frequent},
		{"friday", lexicon.Weekday, 0},
		{"syndrome", lexicon.Eponymous, lexicon.Frequent},
		{"van", lexicon.Particle, 0},
		{"hospital", lexicon.Org, lexicon.Frequent},
		{"librarian", lexicon.Occupation, 0},
	} {
		c := lookup(l, tt.word)
		if c&tt.has != tt.has || c.Has(tt.lack) {
			t.Errorf("%s: classes %016b, want those of %016b and none of %016b", tt.word, c, tt.has, tt.lack)
		}
	}
	if c := lookup(l, "xyltharn"); c != 0 {
		t.Errorf("an invented word has the classes %016b", c)
	}
	if n := l.Words(); n < 300_000 {
		t.Errorf("%d words, want at least 300,000", n)
	}
}

func TestSumFolds(t *testing.T) {
	for _, same := range [][]string{
		{"smith", "Smith", "SMITH"},
		{"muller", "Müller", "MÜLLER", "Mu\u0308ller"},
		{"obrien", "O'Brien", "O’Brien"},
		{"strasse", "Straße"},
		{"aebelo", "Æbelø"},
		{"ωμεγα", "ΩΜΕΓΑ"},
	} {
		for _, w := range same[1:] {
			if lexicon.Sum([]byte(w)) != lexicon.Sum([]byte(same[0])) {
				t.Errorf("%q and %q have different sums", w, same[0])
			}
		}
	}
	if lexicon.Sum([]byte("ab")) == lexicon.Sum([]byte("ba")) {
		t.Error("the order of letters does not matter")
	}
	var h lexicon.Hash
	if h.Letter('O').Rune('ñ').Sum() != lexicon.Sum([]byte("on")) {
		t.Error("a hash made letter by letter is another")
	}
}

func TestWords(t *testing.T) {
	if diff := cmp.Diff([]string{"saint", "jean", "de", "lozere"}, lexicon.Words("Saint-Jean de Lozère (1)")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	l, word := load(t), []byte("Müller")
	if n := testing.AllocsPerRun(100, func() { l.Lookup(lexicon.Sum(word)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDamagedListsAreRefused(t *testing.T) {
	for _, text := range []string{"\x00", "\x00\x01\x00\x05abc", "\xff\x01\x00\xffabc"} {
		_, err := lexicon.Parse([]byte(text))
		if got := sallyport.KindOf(err); err == nil || got != sallyport.Integrity {
			t.Errorf("%q: kind %v, want Integrity", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\x00\x01\x00\x03new\x03\x40\x00\x08 zealand"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := lexicon.Parse(text)
		if err == nil && l.Words() > len(text)/4 {
			t.Errorf("%d words from %d bytes", l.Words(), len(text))
		}
	})
}
