// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

const (
	// maxKnown bounds the words of one row or message, and what a hostile one
	// can make us remember.
	maxKnown = 256
	// minKnown is the least number of letters of a known word: two-letter names
	// are words of too many languages.
	minKnown = 3
)

// Known holds values that are known to be identifiers because structure says so:
// the patient's name of the same row, resource or message. A scanner finds their
// words wherever they occur, whatever their case and diacritics. It is used by
// one goroutine at a time; the zero value is empty.
type Known struct {
	words map[uint64]Entity // by hash of the folded word
	sums  [8]uint64         // a bit for each of 512 parts of the hashes
}

// Add remembers the words of a value, as the entity that a finding of one shall
// be. Words of fewer than three letters are left out, and so is everything
// beyond the 256th word.
func (k *Known) Add(e Entity, value []byte) {
	if k.words == nil {
		k.words = map[uint64]Entity{}
	}
	t := tokenizer{text: value}
	var w word
	for t.next(&w) {
		if w.letters < minKnown || w.form == formCode || len(k.words) >= maxKnown {
			continue
		}
		sum := t.sum(&w)
		if _, found := k.words[sum]; !found {
			k.words[sum] = e
			k.sums[sum>>61] |= 1 << (sum >> 55 & 63)
		}
	}
}

// Reset forgets everything and keeps the memory.
func (k *Known) Reset() {
	clear(k.words)
	k.sums = [8]uint64{}
}

// Empty reports whether nothing is known.
func (k *Known) Empty() bool { return k == nil || len(k.words) == 0 }

// entity returns what a word is known to be, or None.
func (k *Known) entity(sum uint64) Entity {
	if k == nil || len(k.words) == 0 {
		return None
	}
	return k.words[sum]
}

// perhaps reports whether a word may be known. Most of those that are not are told
// from their hash.
func (k *Known) perhaps(sum uint64) bool {
	return k != nil && k.sums[sum>>61]>>(sum>>55&63)&1 != 0
}
