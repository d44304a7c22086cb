// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"unicode"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
)

// form is how a word is written.
type form uint8

const (
	formUnread form = iota // of a word that nobody has asked for
	formLower
	formTitle // "Smith", "McDonald"
	formUpper // "SMITH"
	formCode  // part of something else: "H1N1", "[NAME]", longer than any name
)

// gap is what stands between a word and the one before it.
type gap uint16

const (
	gapSpace    gap = 1 << iota
	gapLine         // a line ends, or text begins, or there is much space
	gapStop         // "!", "?", ";" or what else ends a sentence
	gapPeriod       // "."
	gapComma        // ","
	gapColon        // ":"
	gapHyphen       // "-"
	gapOwn          // "'s"
	gapQuote        // a quotation mark or a bracket
	gapDigit        // a number
	gapAnd          // "&"
	gapOther        // anything else
	gapContract     // the rest of "don't"
)

const (
	// maxWord is the length in bytes of the longest word that can be a name.
	maxWord = 30
	// wideGap is the length in bytes from which a gap divides like a new line.
	wideGap = 16
)

// word is a run of letters, with what the lexicon says of it and what the pass
// makes of it.
type word struct {
	start, end int
	classes    lexicon.Class
	gap        gap
	letters    uint8
	form       form
	wide       bool // has letters beyond ASCII
	// found is what the word is by itself or by its neighbours as they are
	// written, or None; joined says that it is part of a name beside it.
	found  Entity
	joined bool
	rule   Rule
}

// gaps gives what a byte that is no letter means in a gap.
var gaps = buildGaps()

func buildGaps() (t [256]gap) {
	for c := range 256 {
		t[c] = gapOther
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = gapDigit
	}
	for _, m := range []struct {
		bytes string
		gap   gap
	}{
		{" \t\u00a0", gapSpace},
		{"\n\r\f\v\x00", gapLine},
		{"!?;|", gapStop},
		{".", gapPeriod},
		{",", gapComma},
		{":", gapColon},
		{"-", gapHyphen},
		{"\"'()[]<>`*", gapQuote},
		{"&", gapAnd},
	} {
		for _, b := range []byte(m.bytes) {
			if b < utf8.RuneSelf {
				t[b] = m.gap
			}
		}
	}
	return t
}

// tokenizer walks over the words of a text.
type tokenizer struct {
	text []byte
	pos  int
}

// next reads the next word into w and reports whether there is one.
func (t *tokenizer) next(w *word) bool {
	g := gap(0)
	begin := t.pos
	if begin == 0 {
		g = gapLine
	}
	for t.pos < len(t.text) {
		c := t.text[t.pos]
		if isAlpha(c) {
			break
		}
		if c == ' ' {
			g |= gapSpace
			t.pos++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(t.text[t.pos:])
			if isLetter(r) {
				break
			}
			g |= wideRune(r)
			t.pos += n
			continue
		}
		if c == '\'' {
			if n := t.suffix(begin); n > 0 {
				g |= t.contraction(n)
				t.pos += n
				continue
			}
		}
		g |= gaps[c]
		t.pos++
	}
	if t.pos == len(t.text) {
		return false
	}
	if t.pos-begin > wideGap {
		g |= gapLine
	}
	*w = word{start: t.pos, gap: g}
	t.read(w)
	return true
}

// wideRune gives what a character beyond ASCII means in a gap.
func wideRune(r rune) gap {
	switch {
	case unicode.IsSpace(r):
		return gapSpace
	case r == '’' || r == '“' || r == '”' || r == '«' || r == '»' || r == '„' || r == '‘':
		return gapQuote
	case r == '–' || r == '—' || r == '•' || r == '·' || r == '…':
		return gapStop
	}
	return gapOther
}

// suffix returns the length of "'s", "'t" and their like at the apostrophe where
// the tokenizer stands, right behind a word that ended at begin, or 0.
func (t *tokenizer) suffix(begin int) int {
	if begin == 0 || t.pos != begin {
		return 0
	}
	rest := t.text[t.pos+1:]
	n := wordAfter(rest, 0, 3)
	if n == 0 || n > 2 || len(rest) > n && rest[n] >= utf8.RuneSelf {
		return 0
	}
	switch string(rest[:n]) {
	case "s", "S", "t", "T", "m", "M", "d", "D", "ll", "re", "ve", "LL", "RE", "VE":
		return 1 + n
	}
	return 0
}

func (t *tokenizer) contraction(n int) gap {
	if n == 2 && t.text[t.pos+1]|0x20 == 's' {
		return gapOwn
	}
	return gapContract
}

// read reads the word that begins where the tokenizer stands.
func (t *tokenizer) read(w *word) {
	var upper, letters int
	first := false
	i := t.pos
	for i < len(t.text) {
		c := t.text[i]
		if isAlpha(c) {
			if c < 'a' {
				upper++
				first = first || letters == 0
			}
			letters++
			i++
			continue
		}
		if c == '\'' || c >= utf8.RuneSelf {
			r, n, ok := t.wide(i, letters)
			if !ok {
				break
			}
			if unicode.IsUpper(r) || r == increment {
				upper++
				first = first || letters == 0
			}
			w.wide = w.wide || c >= utf8.RuneSelf
			letters++
			i += n
			continue
		}
		break
	}
	t.pos, w.end = i, i
	w.letters = uint8(min(letters, 255))
	w.form = t.form(w, upper, letters, first)
}

// sum returns the lexicon's sum of a word.
func (t *tokenizer) sum(w *word) uint64 {
	// An apostrophe in a word stands behind one or two letters.
	if w.wide || at(t.text, w.start+1) == '\'' || at(t.text, w.start+2) == '\'' {
		return lexicon.Sum(t.text[w.start:w.end])
	}
	return lexicon.SumLetters(t.text, w.start, w.end)
}

// form says how a word is written in which so many letters are capitals, and the first
// one is or is not.
func (t *tokenizer) form(w *word, upper, letters int, first bool) form {
	switch {
	case w.end-w.start > maxWord || t.attached(w):
		return formCode
	case upper == letters && letters > 1:
		return formUpper
	case first || upper > 0 && letters > 4:
		return formTitle
	}
	return formLower
}

// wide reads a letter beyond ASCII, a combining mark, or an apostrophe inside of
// a word.
func (t *tokenizer) wide(i, letters int) (r rune, n int, ok bool) {
	r, n = utf8.DecodeRune(t.text[i:])
	switch {
	case r == '\'' || r == '’':
		// "O'Neil", but neither "Smith's" nor a closing quotation mark.
		after, _ := utf8.DecodeRune(t.text[i+n:])
		return r, n, letters > 0 && letters <= 2 && unicode.IsLetter(after) && !t.isSuffix(i+n) && !t.chained()
	case r == utf8.RuneError:
		return r, n, false
	}
	return r, n, isLetter(r) || unicode.IsMark(r)
}

// chained reports whether the word that begins where the tokenizer stands follows an
// apostrophe that parts it from another. Then no further one joins it: in a long chain,
// which of them join would depend on where it begins.
func (t *tokenizer) chained() bool {
	r, n := utf8.DecodeLastRune(t.text[:t.pos])
	if r != '\'' && r != '’' {
		return false
	}
	before, _ := utf8.DecodeLastRune(t.text[:t.pos-n])
	return isLetter(before) || unicode.IsMark(before)
}

// increment is a sign that often stands for the Greek capital delta.
const increment = '\u2206'

func isLetter(r rune) bool { return unicode.IsLetter(r) || r == increment }

// isSuffix reports whether a single letter stands at i: the "s" of "it's".
func (t *tokenizer) isSuffix(i int) bool {
	n := wordAfter(t.text, i, 3) - i
	return n == 1 || n == 2 && i+2 <= len(t.text) && (string(t.text[i:i+2]) == "ll" || string(t.text[i:i+2]) == "re" || string(t.text[i:i+2]) == "ve")
}

// attached reports whether a word is part of something that is no word: digits,
// "_" or "@" stand at it, or the brackets of a placeholder.
func (t *tokenizer) attached(w *word) bool {
	before, after := at(t.text, w.start-1), at(t.text, w.end)
	switch {
	case isDigit(before), isDigit(after), before == '_', after == '_', before == '@', after == '@', before == '\\':
		return true
	case before == '[':
		for i := w.end; i < min(len(t.text), w.end+24); i++ {
			if c := t.text[i]; c == ']' {
				return true
			} else if !isAlnum(c) && c != '.' && c != '-' && c != '_' {
				return false
			}
		}
	}
	return false
}
