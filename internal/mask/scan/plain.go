// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"encoding/binary"
	"math/bits"
)

// idle passes over what can be no finding, from i on, and returns the place of the
// first anchor that has to be looked at, or len(text), and seen as next does. end is
// where the last finding ends.
func (s *Scanner) idle(text []byte, i, end int, seen uint64) (int, uint64) {
	for i, seen = next(text, i, seen); i < len(text); i, seen = next(text, i, seen) {
		c := text[i]
		if isDigit(c) {
			to := s.passed(text, i, end)
			if to == 0 {
				return i, seen
			}
			i = to
			continue
		}
		switch {
		case c == ':' && i+1 < len(text) && text[i+1] == ' ', c == '.' && at(text, i-1)|0x20 != 'w':
		case c == ':', c == '.', c == '@':
			return i, seen
		}
		i++
	}
	return len(text), seen
}

// passed returns where the number at i ends that idle can pass over, or 0.
func (s *Scanner) passed(text []byte, i, end int) int {
	if i == 0 || i == end {
		return s.plain(text, i)
	}
	switch c := text[i-1]; {
	case c == ' ':
	case isWord(c):
		return s.short(text, i, end)
	case classes[c]&classKey != 0:
		if to := s.keyed(text, i); to > 0 {
			return to
		}
	case (c == '-' || c == '.') && i-1 > end && isDigit(text[i-2]):
		return digitsEnd(text, i) // the rest of something that was looked at
	}
	return s.plain(text, i)
}

// short passes over a word of at most three letters and digits, as "A1c" or the
// beginning of "E11.9", whose first digit is at i. It returns where the word ends, or 0
// when it has to be looked at.
func (s *Scanner) short(text []byte, i, end int) int {
	from, to := i-1, digitsEnd(text, i)
	if from > end && isAlnum(text[from-1]) {
		from--
	}
	for to < len(text) && isAlpha(text[to]) {
		to++
	}
	if to-from > 3 || len(s.mrn) > 0 || !isAlnum(text[from]) || from > 0 && (isWord(text[from-1]) || text[from-1] == '-') {
		return 0
	}
	switch c := at(text, to); {
	case c == '-' || c == '@' || isWord(c) || c == ' ' && isDigit(at(text, to+1)):
		return 0
	}
	return to
}

// plain passes over most numbers that are none of ours as fast as it can: a
// short number or a decimal fraction with neither a further group behind it nor a
// word beside it that could make it one. It returns where the number at i ends, or 0
// when it has to be looked at.
func (s *Scanner) plain(text []byte, i int) int {
	if len(s.mrn) > 0 {
		return 0
	}
	w := eight(text, i)
	n := bits.TrailingZeros64(nonDigits(w)) >> 3
	j := i + n
	if i == 0 && len(text) <= maxCode && code(text, j) {
		return len(text)
	}
	if n > 3 {
		return 0
	}
	w >>= 8 * uint(n) & 63
	switch c, d := byte(w), byte(w>>8); {
	case c == '.' && isDigit(d):
		return fraction(text, j, bits.TrailingZeros64(nonDigits(w>>8))>>3, n)
	case c == '/' && isDigit(d):
		return ratio(text, i, j)
	case follows(c, d):
		return 0
	case c == ' ':
		if classes[d]&classBehind != 0 && wordBehind(text, j) {
			return 0
		}
	case n == 3 || c == '\n' || (c == ',' || c == '.') && wordBehind(text, j):
		return 0
	}
	if wordBeside(text, i) {
		return 0
	}
	return j
}

// fraction passes over the decimal fraction of n digits before the point at i and m
// behind it, and over a short number behind that which a "*" follows, as in
// "4.5 10*3/uL": the two are no groups of one number.
func fraction(text []byte, i, m, n int) int {
	k := i + 1 + m
	if m > 3 {
		return 0
	}
	if !further(text, k) {
		return k
	}
	if text[k] != ' ' || n+m > 5 {
		return 0
	}
	j := digitsEnd(text, k+1)
	if j == k+1 || j > k+4 || at(text, j) != '*' {
		return 0
	}
	return j
}

// eight returns the eight bytes of text that begin at i, with zeros beyond its end.
func eight(text []byte, i int) uint64 {
	if 0 <= i && i <= len(text)-8 {
		return binary.LittleEndian.Uint64(text[i:])
	}
	return few(text, i)
}

// few returns what is left of text from i on, less than eight bytes, and zeros.
func few(text []byte, i int) (w uint64) {
	n := len(text)
	switch {
	case n >= 8:
		return binary.LittleEndian.Uint64(text[n-8:]) >> (8 * uint(8-n+i) & 63)
	case n >= 4:
		w = uint64(binary.LittleEndian.Uint32(text)) | uint64(binary.LittleEndian.Uint32(text[n-4:]))<<(8*uint(n-4)&63)
	default:
		for n--; n >= 0; n-- {
			w = w<<8 | uint64(text[n])
		}
	}
	return w >> (8 * uint(i) & 63)
}

// ratio passes over a blood pressure or a score, "120/80" or "3/10", whose first
// number is text[i:j].
func ratio(text []byte, i, j int) int {
	k := digitsEnd(text, j+1)
	if k-j > 3 || further(text, k) {
		return 0
	}
	if j-i == 3 {
		if k-j == 3 && !wordBehind(text, k) && !wordBeside(text, i) {
			return k
		}
		return 0
	}
	if i < 2 || text[i-1] != ' ' || !isAlpha(text[i-2]) || lineGoesOn(text, k) {
		return 0
	}
	w := wordBefore(text, i-1, maxTerm+1)
	if termOf(text, w, i-1).clue != clueNone || w > 0 && text[w-1] >= 0x80 {
		return 0 // what may be a date
	}
	return k
}

// maxCode is the length of the longest text that code takes.
const maxCode = 7

// code reports whether the whole text is a number of at most seven digits, the
// first group of which ends at j, with or without a check digit behind a dash:
// nothing can say what it is.
func code(text []byte, j int) bool {
	return j == len(text) || j+2 == len(text) && text[j] == '-' && isDigit(text[j+1])
}

// further reports whether a letter or a group of digits may follow what ends at
// i.
func further(text []byte, i int) bool { return follows(at(text, i), at(text, i+1)) }

// follows is further for the two bytes that follow.
func follows(c, d byte) bool {
	if classes[c]&classJoint == 0 {
		return classes[c]&classGoesOn != 0
	}
	return isDigit(d) || c == ' ' && (d == '(' || d == '-') || c == '-' && isAlpha(d)
}

// wordBehind reports whether a word follows that makes a day, an age or a house
// number of the digits that end at i.
func wordBehind(text []byte, i int) bool {
	end := i
	if c := at(text, i); c == ',' || c == '.' {
		i++
	}
	if at(text, i) != ' ' {
		return at(text, i) == '\n'
	}
	switch c := at(text, i+1); {
	case c == 'M':
		return at(text, i+2)|0x20 != 'm' && at(text, i+2)|0x20 != 'g' && at(text, i+2)|0x20 != 'l'
	case c == 'm', c == 'w':
		d := at(text, i+2)
		return (d == 'o' || d == 'e') && ageAfter(text, end)
	case classes[c]&(classLower|classBehind) == classLower|classBehind:
		to := wordAfter(text, i+1, 10)
		n := to - i - 1
		if (c == 'y' || c == 'd') && ageAfter(text, end) || c == 'o' && n == 2 {
			return true
		}
		return terms.behind.has(c, n) && (termOf(text, i+1, to).is(traitParticle|traitOpening) || monthOf(text[i+1:to]) != 0)
	default:
		return isUpper(c) || c >= 0x80
	}
}

// wordBeside reports whether what stands before the digits at i may make a day,
// an age or a part of an address of them.
func wordBeside(text []byte, i int) bool {
	if i == 0 {
		return false
	}
	switch text[i-1] {
	case ' ':
	case ':', '=', '-', '/', '#', ',', '.', '\n':
		return true
	default:
		return text[i-1] >= 0x80
	}
	w := wordBefore(text, i-1, 24)
	if w == i-1 {
		return w > 0 && text[w-1] != ' ' && !isDigit(text[w-1])
	}
	if isUpper(text[w]) || w > 0 && text[w-1] >= 0x80 {
		return true
	}
	return terms.beside.has(text[w], i-1-w) && termOf(text, w, i-1).is(traitBeside)
}
