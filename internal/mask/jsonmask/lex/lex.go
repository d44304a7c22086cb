// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package lex finds the bounds of JSON's tokens in a document that is held whole,
// without making values of them, so that a mask can copy what it does not change
// byte for byte.
//
// It is strict (RFC 8259): every function that meets malformed bytes returns a
// negative index. Positions past the end of the document are malformed, so that
// callers need not compare. That the document is UTF-8 is checked by the caller
// once, with [unicode/utf8.Valid]; escapes that are half a surrogate pair are
// malformed here.
package lex

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may be nested.
const MaxDepth = 512

const (
	ones     = 0x0101010101010101
	highs    = 0x8080808080808080
	lows     = 0x7f7f7f7f7f7f7f7f
	spaces   = ones * ' '
	newlines = ones * '\n'
)

// Space returns the index of the first byte from i on that is no white space; it
// may be the length of b.
func Space(b []byte, i int) int {
	if uint(i) < uint(len(b)) && b[i] > ' ' {
		return i
	}
	return space(b, i)
}

func space(b []byte, i int) int {
	if i+1 < len(b) && b[i] == ' ' && b[i+1] > ' ' { // behind a colon
		return i + 1
	}
	for {
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			if other := nonzero(w^spaces) & nonzero(w^newlines) & highs; other != 0 {
				i += bits.TrailingZeros64(other) / 8
				break
			}
			i += 8
		}
		switch At(b, i) {
		case ' ', '\n', '\r', '\t':
			i++
		default:
			return i
		}
	}
}

// nonzero sets the highest bit of each byte that is not zero; the other bits mean
// nothing.
func nonzero(w uint64) uint64 { return (w&^highs + lows) | w }

// At returns the byte at i, or 0, which no token begins with.
func At(b []byte, i int) byte {
	if uint(i) < uint(len(b)) {
		return b[i]
	}
	return 0
}

// String returns the index after the string whose opening quote is at i, and
// whether there is an escape in it.
func String(b []byte, i int) (end int, escaped bool) {
	i++
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, slash := w^ones*'"', w^ones*'\\'
		// The lowest hit is exact; those above it may be borrows.
		hit := ((quote - ones) &^ quote) | ((slash - ones) &^ slash) | ((w - spaces) &^ w)
		if hit &= highs; hit == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(hit) / 8
		if b[i] == '"' {
			return i + 1, escaped
		}
		if i = escape(b, i); i < 0 {
			return -1, true
		}
		escaped = true
	}
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			return i + 1, escaped
		case c == '\\':
			escaped = true
			if i = escape(b, i); i < 0 {
				return -1, true
			}
		case c < ' ':
			return -1, escaped
		default:
			i++
		}
	}
	return -1, escaped
}

// Stop returns the index of the first quotation mark or backslash in b, or its length:
// where the text of a string that began before b may end, or an escape begins.
func Stop(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, slash := w^ones*'"', w^ones*'\\'
		// The lowest hit is exact; those above it may be borrows.
		if hit := (((quote - ones) &^ quote) | ((slash - ones) &^ slash)) & highs; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// escape returns the index after the escape at i; what is none, as a control
// character, is malformed.
func escape(b []byte, i int) int {
	if b[i] != '\\' {
		return -1
	}
	switch At(b, i+1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		r := hex4(b, i+2)
		switch {
		case r < 0:
			return -1
		case !utf16.IsSurrogate(r):
			return i + 6
		case At(b, i+6) == '\\' && At(b, i+7) == 'u' && utf16.DecodeRune(r, hex4(b, i+8)) != utf8.RuneError:
			return i + 12
		}
	}
	return -1
}

func hex4(b []byte, i int) rune {
	if i+4 > len(b) {
		return -1
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

func digits(b []byte, i int) int {
	for uint(i) < uint(len(b)) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// Number returns the index after the number at i.
func Number(b []byte, i int) int {
	if At(b, i) == '-' {
		i++
	}
	whole := digits(b, i)
	if whole == i || b[i] == '0' && whole > i+1 {
		return -1
	}
	i = whole
	if At(b, i) == '.' {
		if i = digits(b, i+1); b[i-1] == '.' {
			return -1
		}
	}
	if At(b, i)|0x20 == 'e' {
		i++
		if c := At(b, i); c == '+' || c == '-' {
			i++
		}
		end := digits(b, i)
		if end == i {
			return -1
		}
		i = end
	}
	return i
}

// Scalar returns the index after the string, number, true, false or null at i.
func Scalar(b []byte, i int) int {
	word := ""
	switch At(b, i) {
	case '"':
		end, _ := String(b, i)
		return end
	case 't':
		word = "true"
	case 'f':
		word = "false"
	case 'n':
		word = "null"
	default:
		return Number(b, i)
	}
	if end := i + len(word); end <= len(b) && string(b[i:end]) == word {
		return end
	}
	return -1
}

// Key returns the index after the string at i, whether there is an escape in it,
// and the index of the value that follows the colon.
func Key(b []byte, i int) (end int, escaped bool, value int) {
	if At(b, i) != '"' {
		return -1, false, -1
	}
	if end, escaped = String(b, i); end < 0 {
		return -1, false, -1
	}
	colon := Space(b, end)
	if At(b, colon) != ':' {
		return -1, false, -1
	}
	return end, escaped, Space(b, colon+1)
}

// Value returns the index after the value at i, which already stands depth
// containers deep.
func Value(b []byte, i, depth int) int {
	c := At(b, i)
	if c != '{' && c != '[' {
		return Scalar(b, i)
	}
	if depth++; depth > MaxDepth {
		return -1
	}
	closing := c + 2 // "}" for "{", "]" for "["
	if i = Space(b, i+1); At(b, i) == closing {
		return i + 1
	}
	for {
		if c == '{' {
			if _, _, i = Key(b, i); i < 0 {
				return -1
			}
		}
		if i = Value(b, i, depth); i < 0 {
			return -1
		}
		switch i = Space(b, i); At(b, i) {
		case ',':
			i = Space(b, i+1)
		case closing:
			return i + 1
		default:
			return -1
		}
	}
}
