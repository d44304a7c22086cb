// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// Hints are what is cheap to remember of values that [Known] would hold: how
// their words begin. By them [Scanner.Silent] tells most texts in which nothing is
// found without looking at their words. The zero value is empty.
type Hints struct {
	begins [64]uint8 // a bit for the first three letters of a word
	all    bool      // a value holds letters that are written in more than one way
}

// Reset forgets everything.
func (h *Hints) Reset() { *h = Hints{} }

// Add remembers the words of a value.
func (h *Hints) Add(value []byte) {
	if len(value) < minKnown {
		return
	}
	beginning, letters := uint(0), 0
	for _, c := range value {
		switch {
		case !isAlpha(c):
			h.all = h.all || c >= 0x80 || c == '\''
			beginning, letters = 0, 0
			continue
		case letters < minKnown:
			beginning = beginning*hintSpread + uint(c&foldMask)
		}
		if letters++; letters == minKnown {
			i := hintOf(beginning)
			h.begins[i>>3] |= 1 << (i & 7)
		}
	}
}

const (
	hintSpread = 37
	foldMask   = 0x1f // of a letter, what is the same for both cases
)

func hintOf(beginning uint) uint { return (beginning ^ beginning>>9) & 511 }

// Silent reports whether certainly nothing is found in text, whatever is known of
// the values added to h. Most texts without digits are silent.
func (s *Scanner) Silent(text []byte, h *Hints) bool {
	if s.names != NamesOff || len(s.user) > 0 || h.all {
		return false
	}
	beginning, letters := uint(0), 0
	for _, c := range text {
		switch {
		case !isAlpha(c):
			if c >= anchorLow && c <= anchorHigh || c == '\'' || c >= 0x80 {
				return false
			}
			beginning, letters = 0, 0
			continue
		case letters < minKnown:
			beginning = beginning*hintSpread + uint(c&foldMask)
		}
		if letters++; letters == minKnown {
			if i := hintOf(beginning); h.begins[i>>3]&(1<<(i&7)) != 0 {
				return false
			}
		}
	}
	return true
}
