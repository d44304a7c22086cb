// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import "math/bits"

// Lines of logs are full of keys and values: "status=200 duration=12ms", "\"code\":404",
// "claims/1234", "worker[812]". Behind "=", ":", "/" or "[" stands no house number, and
// what else a short number can be there, the key says: an age, a postal code, a day of a
// month, an identifier. So where the key is no such word, the value is passed over.

// maxValue is the length of the longest value that is passed over. From seven digits on,
// a number can be a telephone's, and from eight letters and digits on, a word further back
// than the key can say what it is.
const maxValue = 7

// keyed passes over the value that begins with the digit at i, behind a byte of class
// classKey: up to six digits, a decimal fraction with a unit, or up to seven digits and
// letters in lower case. It returns where the value ends, or 0 when it has to be looked at.
func (s *Scanner) keyed(text []byte, i int) int {
	n := bits.TrailingZeros64(nonDigits(eight(text, i))) >> 3
	j := i + n
	c, d := at(text, j), at(text, j+1)
	if n >= maxValue || len(s.mrn) > 0 {
		return 0
	}
	fraction := c == '.' && isDigit(d)
	if fraction {
		if j = digitsEnd(text, j+1); n > 3 || j-i-n > 4 {
			return 0
		}
		c = at(text, j)
	}
	switch {
	case isAlpha(c):
		return valueWithUnit(text, i, j, n)
	case fraction, isWord(c), follows(c, d), c == '\n', n <= 3 && countBehind(text, j), !silentKey(text, i-1, n):
		return 0
	}
	return j
}

// valueWithUnit returns where the value at i ends, of which the n first are digits and the
// letters begin at j, or 0.
func valueWithUnit(text []byte, i, j, n int) int {
	to := j
	for to < len(text) && to <= j+maxValue && (text[to]-'a' < 26 || isDigit(text[to])) {
		to++
	}
	if c := at(text, to); to-j > maxValue-n || to == j || isWord(c) || c == '-' || c == '@' || ordinal(text, j) > j || ageAfter(text, j) || !silentKey(text, i-1, n) {
		return 0
	}
	return to
}

// countBehind reports whether a word may follow at j that makes a day or an age of the
// digits before it.
func countBehind(text []byte, j int) bool {
	switch d := at(text, j+1); at(text, j) {
	case ' ':
		return isUpper(d) || classes[d]&classBehind != 0 && wordBehind(text, j)
	case '/':
		return isAlpha(d)
	case ',', '.':
		return wordBehind(text, j)
	}
	return false
}

// silentKey reports whether the word before the byte at i says nothing of a number of n
// digits behind it.
func silentKey(text []byte, i, n int) bool {
	slash := text[i] == '/'
	if text[i] == ':' && at(text, i-1) == '"' {
		i--
	}
	w := wordBefore(text, i, 24)
	if w == i || w > 0 && text[w-1] >= 0x80 || i-w == 1 || i-w == 8 && clueBeside(text, w, i) != clueNone {
		return false
	}
	t := termOf(text, w, i)
	if t.clue != clueNone || t.is(traitBeside) || slash && (t.is(traitLeads) || monthOf(text[w:i]) != 0) {
		return false
	}
	return n != 4 || before(text, i, 2).clue != clueSSN // of which four digits are enough
}
