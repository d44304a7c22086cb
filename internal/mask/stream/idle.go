// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// openFrom returns where the end of b begins that further bytes could make part
// of a finding: words with digits or capitals next to each other, with particles
// ("van", "de la") between them, and a word that is not finished.
func openFrom(b []byte, typing bool) int {
	from, particles := len(b), 0
	for end := len(b); end > 0 && end > len(b)-scan.Right; {
		stop := end
		for stop > 0 && (b[stop-1] == ' ' || b[stop-1] == '\t') {
			stop--
		}
		start := stop
		for start > 0 && !isSpace(b[start-1]) {
			start--
		}
		word := b[start:stop]
		switch {
		case len(word) == 0:
			return from
		case particles > 0 && !hasCapital(word) && !isLower(word):
			return from
		case isOpen(word, stop < len(b), typing):
			from, particles = start, 0
		case particles < 2 && len(word) <= 3 && isLower(word):
			particles++
		default:
			return from
		}
		end = start
	}
	return from
}

// isOpen reports whether a word can be the beginning of a finding, or of more of
// one. A word that is finished has white space behind it.
func isOpen(word []byte, finished, typing bool) bool {
	digit, upper := bytes.ContainsAny(word, "0123456789"), hasCapital(word)
	last := word[len(word)-1]
	closed := bytes.IndexByte([]byte(">#$%?;!]}:"), last) >= 0 || last == ')' && !digit
	switch {
	case finished:
		return (digit || upper) && !closed
	case bytes.Contains(word, []byte("://")):
		return true
	case bytes.IndexByte(word, '@') >= 0:
		return bytes.IndexByte([]byte("#$%>"), last) < 0
	case digit:
		return !closed || last == ':'
	}
	return !closed && (upper || !typing || !isLower(word))
}

// hasCapital reports whether there is a letter in a word that may be a capital.
func hasCapital(word []byte) bool {
	for _, c := range word {
		if 'A' <= c && c <= 'Z' || c >= 0x80 {
			return true
		}
	}
	return false
}

// isLower reports whether a word is nothing but lower-case letters, or an option
// of them.
func isLower(word []byte) bool {
	for _, c := range bytes.TrimLeft(word, "-") {
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}
