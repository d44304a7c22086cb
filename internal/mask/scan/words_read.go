// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"math/bits"

	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
)

// Most words of a text are in lower case and can be no part of a finding by themselves.
// skim passes over these with a few steps for eight bytes: it notes where they are, and
// complete reads the rest when another word asks. Every other word is read whole, by the
// tokenizer.

// read reads words until it is due to look at some, or the text ends.
func (p *pass) read() {
	for p.n < p.due {
		start, end := p.skim()
		if p.n >= p.due {
			return
		}
		if !p.readWhole(start, end) {
			p.ended = true
			return
		}
	}
}

// block is how many bytes skim looks at together, one bit for each.
const block = 64

// letterBits returns a bit for each of the 64 bytes from i on that is an ASCII letter, and
// whether all of them are ASCII.
func letterBits(text []byte, i int) (m uint64, ascii bool) {
	const gather = 0x0002040810204081 // brings the high bits of eight bytes together
	seen := uint64(0)
	for k := uint(0); k < block && i+int(k) < len(text); k += 8 {
		w := eight(text, i+int(k))
		seen |= w
		m |= (letters(w) * gather) >> 56 << (k & 63)
	}
	return m, seen&highs == 0
}

const lowerCase = 0x20 * ones

// letters sets the high bit of each byte of w that is an ASCII letter.
func letters(w uint64) uint64 {
	x := (w | lowerCase) &^ highs
	return (x + (0x80-'a')*ones) &^ (x + (0x7f-'z')*ones) &^ w & highs
}

// skim passes over words in lower case that rouse nothing, from where the last word ends,
// and stops before the first other word. They are in ASCII and stand apart from bytes that
// are not, and from apostrophes, which may join words. Where the other word is such a one
// too, skim returns where it stands.
func (p *pass) skim() (start, end int) {
	text := p.text
	if p.introduces || at(text, p.pos) == '\'' {
		return 0, 0
	}
	if k := p.pos - p.block; k >= block {
		p.look(p.pos)
	} else if k > 0 {
		p.letters = p.letters >> (k & 63) << (k & 63)
	}
	for p.ascii {
		m, next := p.letters, p.block+block
		for m != 0 {
			first := uint(bits.TrailingZeros64(m))
			n := uint(bits.TrailingZeros64(^(m >> (first & 63))))
			start, end := p.block+int(first), p.block+int(first+n)
			if first+n >= block && end < len(text) { // it may go on
				next = start
				break
			}
			if at(text, end) == '\'' {
				return 0, 0
			}
			if !p.dull(start, end) {
				return start, end
			}
			p.words[uint(p.n)%window] = word{start: start, end: end}
			p.pos = end
			if p.n++; p.n >= p.due {
				return 0, 0
			}
			m &= m + 1<<(first&63) // without this word
		}
		if next == p.block || next >= len(text) {
			return 0, 0
		}
		p.look(next)
	}
	return 0, 0
}

// look reads which of the bytes from i on are letters.
func (p *pass) look(i int) {
	p.block = i
	p.letters, p.ascii = letterBits(p.text, i)
}

// dull reports whether the word text[start:end] of ASCII letters, the next one, rouses
// nothing: one that is not among those that do in any case, and with a capital as dullCapital
// says, one that is too long to be a word, or a letter beside a digit.
func (p *pass) dull(start, end int) bool {
	n := end - start
	head, sum, capitals := eight(p.text, start), uint64(0), 0
	switch {
	case n <= 8:
		capitals = bits.OnesCount64(^head & lowerCase & (1<<(8*uint(n)) - 1))
		sum = lexicon.SumOf(head, n)
	case n > maxWord:
		return true
	default:
		for _, c := range p.text[start:end] {
			capitals += int(^c >> 5 & 1)
		}
		sum = lexicon.SumLetters(p.text, start, end)
	}
	if p.known.perhaps(sum) || p.scanner.rousing.Has(sum) {
		return false
	}
	if capitals == 0 {
		return true
	}
	if n == 1 && (isDigit(at(p.text, start-1)) || isDigit(at(p.text, end))) {
		return true
	}
	return isUpper(byte(head)) && p.dullCapital(sum, n, capitals == n && n > 1)
}

// readWhole reads the next word with all that there is to say of it, wakes the words that
// it may make something of, and reports whether there is one. It stands where skim says,
// or skim does not know: then end is 0.
func (p *pass) readWhole(start, end int) bool {
	i := p.n
	w := &p.words[uint(i)%window]
	if end > 0 {
		*w = word{start: start, end: end}
		p.spell(i)
	} else if t := (tokenizer{text: p.text, pos: p.pos}); !t.next(w) {
		return false
	}
	p.n, p.pos, p.introduces = i+1, w.end, p.introducer(w)
	if w.form == formCode {
		return true
	}
	sum := p.sum(w)
	if p.known.perhaps(sum) {
		p.wake(i, i)
	}
	if p.scanner.names == NamesOff {
		return true
	}
	p.lookUp(w, sum)
	p.wakeBefore(i)
	switch {
	case w.capital():
		p.wakeCapital(i)
	case p.rousesLower(i):
		p.wake(i, i)
	}
	return true
}

// sum returns the lexicon's sum of a word that is no code.
func (p *pass) sum(w *word) uint64 {
	t := tokenizer{text: p.text}
	return t.sum(w)
}

// lookUp asks the lexicon for the classes of a word with that sum.
func (p *pass) lookUp(w *word, sum uint64) {
	w.classes = p.scanner.lexicon.Lookup(sum)
	if w.wide {
		w.classes &^= lexicon.Common | lexicon.Basic | lexicon.Medical // "Åsa" is not "ASA"
	}
}

// complete reads what skim left unread of the i-th word.
func (p *pass) complete(i int) {
	p.spell(i)
	if w := &p.words[uint(i)%window]; w.form != formCode && p.scanner.names != NamesOff {
		p.lookUp(w, lexicon.SumLetters(p.text, w.start, w.end))
	}
}

// spell reads the form of the i-th word, which skim has seen, and what stands before it:
// nothing but ASCII, and no apostrophe right behind the word before it.
func (p *pass) spell(i int) {
	w, from := &p.words[uint(i)%window], 0
	if i > 0 {
		from = p.words[uint(i-1)%window].end
	}
	g := gap(0)
	for _, c := range p.text[from:w.start] {
		g |= gaps[c]
	}
	if from == 0 || w.start-from > wideGap {
		g |= gapLine
	}
	w.gap = g
	upper, n := 0, w.end-w.start
	for _, c := range p.text[w.start:w.end] {
		upper += int(^c >> 5 & 1)
	}
	t := tokenizer{text: p.text}
	w.letters = uint8(min(n, 255))
	w.form = t.form(w, upper, n, isUpper(p.text[w.start]))
}
