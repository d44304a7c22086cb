// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lexicon

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The sum is FNV-1a, stirred at the end because FNV leaves the upper bits of
// short words poor, and the table uses these.
const (
	offset = 0xcbf29ce484222325
	prime  = 0x100000001b3
	stir   = 0x9e3779b97f4a7c15
)

// Hash is a sum in the making: [Begin], then the runes of a word, then
// [Hash.Sum].
type Hash uint64

// Begin is the hash of nothing.
const Begin Hash = offset

// Letter adds an ASCII letter of any case.
func (h Hash) Letter(c byte) Hash { return (h ^ Hash(c|0x20)) * prime }

// Rune adds any rune, folded.
func (h Hash) Rune(r rune) Hash {
	base, second := fold(r)
	if base == 0 {
		return h
	}
	h = (h ^ Hash(base&0xff)) * prime
	if base >= utf8.RuneSelf {
		return (h ^ Hash(base>>8)) * prime
	}
	if second != 0 {
		h = (h ^ Hash(second)) * prime
	}
	return h
}

// Sum returns the sum of the word that was added. It is no secret and has no
// key.
func (h Hash) Sum() uint64 {
	s := uint64(h)
	s ^= s >> 29
	s *= stir
	return s ^ s>>32
}

// Sum returns the hash of a word's folded form.
func Sum(word []byte) uint64 {
	h := Begin
	for i := 0; i < len(word); {
		r, n := utf8.DecodeRune(word[i:])
		h = h.Rune(r)
		i += n
	}
	return h.Sum()
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
