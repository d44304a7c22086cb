// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package lexicon holds the words that tell names from other words.
//
// A word is looked up by its hash, which [Sum] computes from the folded form:
// lower case, without diacritics. A word can be of several classes at once, as
// "Rose" is: which one is meant, only its neighbours can say, and the scanner
// asks them. README.md says where the lists come from.
package lexicon

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"encoding/binary"
	"io"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Class is a set of the ways in which a word is known.
type Class uint16

// The classes.
const (
	Common     Class = 1 << iota // an English word that is written in lower case
	Basic                        // one of the ten thousand most frequent of them, or an abbreviation
	Medical                      // a term of medicine, a drug, the author of a sign or a scale
	First                        // a first name
	Surname                      // a family name
	Frequent                     // as a name or a place it is better known than as a word
	Place                        // a city, region, state or country
	PlaceHead                    // the first word of a place of several words
	Title                        // "Mr", "Dr"
	Particle                     // "van", "de": part of a name between others
	Cue                          // a word that often introduces a person
	Org                          // a last word of an organisation's name: "Inc", "Hospital"
	Nation                       // a nationality, religion or political group
	Occupation                   // the last word of an occupation
	Weekday                      // a day of the week
	Eponymous                    // what is named after people: "syndrome", "test"
)

// Has reports whether c is of any of the classes in any.
func (c Class) Has(any Class) bool { return c&any != 0 }

// lexicon.bin is what the command test/lexicongen packed.
//
//go:embed lexicon.bin
var packed []byte

const (
	classBits = 16
	// slotBits makes a table of 2^slotBits slots, two in five of which stay free.
	slotBits = 19
	// unpackedLimit bounds what a damaged file could unpack to.
	unpackedLimit = 16 << 20
)

// Lexicon is a set of word lists. It does not change and is safe for concurrent
// use.
type Lexicon struct {
	// slots is a hash table with open addressing: the upper 48 bits of a word's
	// sum, and its classes below. No word has the classes 0.
	slots []uint64
	words int
}

// Load unpacks the lists that come with the product.
func Load() (*Lexicon, error) {
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), unpackedLimit))
	if err != nil {
		return nil, damaged()
	}
	return parse(text)
}

// parse reads the unpacked lists, whose form the command test/lexicongen documents.
func parse(text []byte) (*Lexicon, error) {
	l := &Lexicon{slots: make([]uint64, 1<<slotBits)}
	var entry [256]byte
	for len(text) > 0 {
		if len(text) < 4 {
			return nil, damaged()
		}
		shared, classes, rest := int(text[0]), binary.LittleEndian.Uint16(text[1:]), int(text[3])
		if len(text) < 4+rest || shared+rest > len(entry) || l.words >= len(l.slots)/4*3 {
			return nil, damaged()
		}
		copy(entry[shared:], text[4:4+rest])
		l.add(phrase(entry[:shared+rest]), Class(classes))
		text = text[4+rest:]
	}
	return l, nil
}

func damaged() error {
	return sallyport.E(sallyport.Integrity, "lexicon.load", "the word lists are damaged").
		WithHint("reinstall the program; the lists are part of it")
}

// phrase returns the sum of an entry of one or more words with single spaces.
func phrase(entry []byte) uint64 {
	var sum uint64
	for {
		word, rest, more := bytes.Cut(entry, []byte{' '})
		sum = Join(sum, Sum(word))
		if !more {
			return sum
		}
		entry = rest
	}
}

func (l *Lexicon) add(sum uint64, c Class) {
	i := l.slot(sum)
	if l.slots[i] == 0 {
		l.words++
	}
	l.slots[i] |= sum>>classBits<<classBits | uint64(c)
}

// slot returns where the sum is, or the free slot where it would be.
func (l *Lexicon) slot(sum uint64) uint64 {
	const mask = 1<<slotBits - 1
	for i := sum >> (64 - slotBits); ; i = (i + 1) & mask {
		if s := l.slots[i&mask]; s == 0 || s>>classBits == sum>>classBits {
			return i & mask
		}
	}
}

// Lookup returns the classes of a word by its [Sum], or of a phrase by the
// [Join] of its words' sums: 0 when it is in no list.
func (l *Lexicon) Lookup(sum uint64) Class {
	return Class(l.slots[l.slot(sum)])
}

// filterBits makes a filter of 2^filterBits groups of 64 bits. A word has two bits of a
// group: of a hundred words that were not added, ninety-nine are told from those that were.
const filterBits = 16

// Filter tells of most words that they are not among those that were added to it, in one
// look. Once made it does not change and is safe for concurrent use. A nil one is empty.
type Filter struct {
	groups [1 << filterBits]uint64
}

// Filter returns a filter with the words and phrases whose classes are picked.
func (l *Lexicon) Filter(pick func(Class) bool) *Filter {
	f := &Filter{}
	for _, s := range l.slots {
		if c := Class(s); c != 0 && pick(c) {
			f.Add(s) // the upper bits are those of the sum
		}
	}
	return f
}

// Add adds a word by its [Sum].
func (f *Filter) Add(sum uint64) { f.groups[sum>>(64-filterBits)] |= bitsOf(sum) }

// Has reports whether a word may have been added.
func (f *Filter) Has(sum uint64) bool {
	return f != nil && bitsOf(sum)&^f.groups[sum>>(64-filterBits)] == 0
}

// bitsOf returns a word's two bits, from the upper bits of its sum behind those that tell
// the group.
func bitsOf(sum uint64) uint64 { return 1<<(sum>>(58-filterBits)&63) | 1<<(sum>>(52-filterBits)&63) }

// Words returns how many words and phrases there are.
func (l *Lexicon) Words() int { return l.words }
