// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import "math/bits"

// Lines of logs are full of keys and values: "status=200 duration=12ms", "\"code\":404".
// Behind "=" or ":" stands no house number and no day of a month in letters before it,
// and what else a short number can be there, the key says: an age, a postal code, an
// identifier. So where the key is no such word, the value is passed over.

// maxValue is the length of the longest value that is passed over. From eight letters and
// digits on, a word further back than the key can say what it is.
const maxValue = 7

// keyed passes over the value that begins with the digit at i, behind "=" or ":": up to
// three digits, a decimal fraction with a unit, or up to seven digits and letters in lower
// case. It returns where the value ends, or 0 when it has to be looked at.
func (s *Scanner) keyed(text []byte, i int) int {
	w := eight(text, i)
	n := bits.TrailingZeros64(nonDigits(w)) >> 3
	j := i + n
	switch c, d := at(text, j), at(text, j+1); {
	case n > maxValue-1 || len(s.mrn) > 0:
		return 0
	case c == '.' && isDigit(d):
		if j = digitsEnd(text, j+1); n > 3 || j-i-n > 4 || !isAlpha(at(text, j)) {
			return 0
		}
		fallthrough
	case isAlpha(c):
		to := j
		for to < len(text) && to <= j+maxValue && (text[to]-'a' < 26 || isDigit(text[to])) {
			to++
		}
		if c := at(text, to); to-j > maxValue-n || to == j || isWord(c) || c == '-' || c == '@' || ordinal(text, j) > j || ageAfter(text, j) || !silentKey(text, i-1) {
			return 0
		}
		return to
	case n > 3 || isWord(c) || follows(c, d) || c == '\n' || c == '/' && isAlpha(d) || c == ' ' && (isUpper(d) || classes[d]&classBehind != 0 && wordBehind(text, j)) ||
		(c == ',' || c == '.') && wordBehind(text, j) || !silentKey(text, i-1):
		return 0
	}
	return j
}

// silentKey reports whether the word before the "=" or ":" at i says nothing of a number
// behind it.
func silentKey(text []byte, i int) bool {
	if text[i] == ':' && at(text, i-1) == '"' {
		i--
	}
	w := wordBefore(text, i, 24)
	if w == i || w > 0 && text[w-1] >= 0x80 {
		return false
	}
	t := termOf(text, w, i)
	return t.clue == clueNone && !t.is(traitBeside) && (i-w != 1 && i-w != 8 || clueBeside(text, w, i) == clueNone)
}
