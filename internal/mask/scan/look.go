// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"unicode"
	"unicode/utf8"
)

// The detectors read ASCII. A number in other digits, or with invisible characters
// inside, reads the same to people, so a text that has such characters is scanned
// as what it looks like, and the findings are moved back to where they stand.

// Looks of a character.
const (
	itself    = -1
	invisible = -2
)

// looks returns the ASCII character that r looks like, itself, or invisible.
func looks(r rune) rune {
	switch {
	case r < 0xA0:
		return itself
	case r >= 0xFF01 && r <= 0xFF5E: // full width
		return r - 0xFF01 + '!'
	case r >= 0x2010 && r <= 0x2015, r == 0x2212, r == 0xFE58, r == 0xFE63:
		return '-'
	case r == 0xA0, r >= 0x2000 && r <= 0x200A, r == 0x202F, r == 0x205F, r == 0x3000:
		return ' '
	case r == 0x2028, r == 0x2029:
		return '\n'
	case r == 0x2044, r == 0x2215:
		return '/'
	case r == 0x2024, r == 0xFE52:
		return '.'
	case r == 0xFE6B:
		return '@'
	case r == 0xFE55, r == 0x2236:
		return ':'
	case r == 0xAD, r == 0x34F, r == 0x180E, r >= 0xFE00 && r <= 0xFE0F, unicode.Is(unicode.Cf, r):
		return invisible
	case unicode.Is(unicode.Nd, r):
		return digitOf(r)
	}
	return itself
}

// digitOf returns the ASCII digit for a decimal digit of another script. Each
// script's ten lie in a row, and rows lie together only in whole tens (Unicode
// Standard, section 4.6).
func digitOf(r rune) rune {
	for _, g := range unicode.Nd.R16 {
		if rune(g.Lo) <= r && r <= rune(g.Hi) {
			return '0' + (r-rune(g.Lo))%10
		}
	}
	for _, g := range unicode.Nd.R32 {
		if rune(g.Lo) <= r && r <= rune(g.Hi) {
			return '0' + (r-rune(g.Lo))%10
		}
	}
	return itself
}

// likeness is a text as it looks, and where each of its bytes comes from.
type likeness struct {
	text       []byte
	start, end []int // of the character in the source that a byte is of
}

// otherLooks reports whether a character of a text looks like another, or like
// nothing.
func otherLooks(text []byte) bool {
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if looks(r) != itself {
			return true
		}
		i += n
	}
	return false
}

// likenessOf returns the likeness of a text, or false where it looks as it is.
func likenessOf(text []byte) (likeness, bool) {
	if !otherLooks(text) {
		return likeness{}, false
	}
	l := likeness{text: make([]byte, 0, len(text)), start: make([]int, 0, len(text)), end: make([]int, 0, len(text))}
	for i := 0; i < len(text); {
		r, n := rune(text[i]), 1
		if text[i] >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(text[i:])
		}
		switch c := looks(r); c {
		case invisible:
		case itself:
			for j := range n {
				l.add(text[i+j], i, i+n)
			}
		default:
			l.add(byte(c), i, i+n)
		}
		i += n
	}
	return l, true
}

func (l *likeness) add(c byte, start, end int) {
	l.text, l.start, l.end = append(l.text, c), append(l.start, start), append(l.end, end)
}

// back moves findings in the likeness to where they stand in the source.
func (l *likeness) back(spans []Span) {
	for i := range spans {
		s := &spans[i]
		s.Start, s.End = l.start[s.Start], l.end[s.End-1]
	}
}
