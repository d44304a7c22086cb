// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import "slices"

// separator reports whether c only divides what a value is made of.
func separator(c rune) bool {
	switch c {
	case ' ', '.', '-', '/', '_', '@', ':':
		return true
	}
	return false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// leadingDigits returns how many digits v begins with and what follows them.
func leadingDigits(v []byte) (n int, rest []byte) {
	for n < len(v) && isDigit(v[n]) {
		n++
	}
	return n, v[n:]
}

// leadingLetters returns the ASCII letters that v begins with.
func leadingLetters(v []byte) []byte {
	n := 0
	for n < len(v) && isLetter(v[n]) {
		n++
	}
	return v[:n]
}

// integer returns the number of at most 18 digits.
func integer(digits []byte) int64 {
	n := int64(0)
	for _, c := range digits {
		n = 10*n + int64(c-'0')
	}
	return n
}

// foldEqual compares letters with a lower-case word.
func foldEqual(letters []byte, word string) bool {
	if len(letters) != len(word) {
		return false
	}
	for i, c := range letters {
		if c|0x20 != word[i] {
			return false
		}
	}
	return true
}

func oneOf(letters []byte, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return foldEqual(letters, w) })
}
