// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lexicon

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A sum is made of eight bytes at a time, each multiplied and stirred, so that a word
// of up to eight letters costs one step. The table uses the upper bits.
const (
	seed  = 0xcbf29ce484222325
	prime = 0xa0761d6478bd642f
	stir  = 0x9e3779b97f4a7c15
	lower = 0x2020202020202020
	chunk = 8
)

// Hash is a sum in the making: the zero value, then the runes of a word, then
// [Hash.Sum].
type Hash struct {
	sum, tail uint64 // of the whole chunks but the last; the last
	n         uint
}

// Letter adds an ASCII letter of any case.
func (h Hash) Letter(c byte) Hash { return h.add(c | 0x20) }

// Rune adds any rune, folded.
func (h Hash) Rune(r rune) Hash {
	base, second := fold(r)
	if base >= utf8.RuneSelf {
		h = h.add(byte(base)).add(byte(base >> 8))
		if base > 0xffff {
			h = h.add(byte(base >> 16))
		}
		return h
	}
	if base != 0 {
		h = h.add(byte(base))
	}
	if second != 0 {
		h = h.add(byte(second))
	}
	return h
}

func (h Hash) add(c byte) Hash {
	if h.n > 0 && h.n%chunk == 0 {
		h.sum, h.tail = step(h.sum, h.tail), 0
	}
	h.tail |= uint64(c) << (8 * (h.n % chunk))
	h.n++
	return h
}

// Sum returns the sum of the word that was added. It is no secret and has no
// key.
func (h Hash) Sum() uint64 { return finish(h.sum, h.tail, h.n) }

func step(sum, chunk uint64) uint64 {
	hi, lo := bits.Mul64(sum^chunk^seed, prime)
	return hi ^ lo
}

func finish(sum, tail uint64, n uint) uint64 { return step(sum^uint64(n)<<56, tail) }

// Sum returns the hash of a word's folded form.
func Sum(word []byte) uint64 {
	var h Hash
	for i := 0; i < len(word); {
		r, n := utf8.DecodeRune(word[i:])
		h = h.Rune(r)
		i += n
	}
	return h.Sum()
}

// SumLetters is [Sum] for text[from:to], which are ASCII letters and nothing else.
func SumLetters(text []byte, from, to int) uint64 {
	sum, n := uint64(0), uint(to-from)
	for ; to-from > chunk; from += chunk {
		sum = step(sum, binary.LittleEndian.Uint64(text[from:])|lower)
	}
	tail, k := uint64(0), to-from
	if from+chunk <= len(text) {
		tail = binary.LittleEndian.Uint64(text[from:])
	} else {
		for i := range k {
			tail |= uint64(text[from+i]) << (8 * i)
		}
	}
	return finish(sum, (tail|lower)&(1<<(8*k)-1), n)
}

// SumOf is [Sum] for the first n bytes of w, at most eight, which are ASCII letters.
func SumOf(w uint64, n int) uint64 {
	return finish(0, (w|lower)&(1<<(8*uint(n))-1), uint(n))
}

// Join returns the sum of a phrase from that of its beginning, 0 when it has
// none, and that of its next word.
func Join(phrase, word uint64) uint64 {
	if phrase == 0 {
		return word
	}
	h := (phrase ^ word>>7) * stir
	return h ^ h>>31
}

// latin gives the base letters of U+00C0 to U+017F; "?" stands where there is no
// base letter, "=" for those that become two.
const latin = "aaaaaa=ceeeeiiiidnooooo?ouuuuy==aaaaaa=ceeeeiiiidnooooo?ouuuuy=y" +
	"aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii==jjkkkllllllllllnnnnnnnnnoooooo==rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs"

// fold returns the lower-case base letter of a rune, and a second one for those
// that become two; 0 for a combining mark and an apostrophe.
func fold(r rune) (base, second rune) {
	switch {
	case r == '\'' || r == '’':
		return 0, 0
	case r < utf8.RuneSelf:
		return unicode.ToLower(r), 0
	case r == 'æ' || r == 'Æ':
		return 'a', 'e'
	case r == 'œ' || r == 'Œ':
		return 'o', 'e'
	case r == 'ß':
		return 's', 's'
	case r == 'þ' || r == 'Þ':
		return 't', 'h'
	case r >= 0xC0 && r < 0x180 && latin[r-0xC0] != '?' && latin[r-0xC0] != '=':
		return rune(latin[r-0xC0]), 0
	case r >= 0x300 && r < 0x370:
		return 0, 0
	}
	return unicode.ToLower(r), 0
}

// Words returns the words of a text as the scanner would split them, folded.
func Words(text string) []string {
	split := strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && r != '\'' && r != '’'
	})
	for i, w := range split {
		split[i] = foldString(w)
	}
	return split
}

func foldString(word string) string {
	var b strings.Builder
	for _, r := range word {
		base, second := fold(r)
		if base != 0 {
			b.WriteRune(base)
		}
		if second != 0 {
			b.WriteRune(second)
		}
	}
	return b.String()
}
