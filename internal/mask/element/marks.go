// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package element

import (
	"encoding/binary"
	"math/bits"
)

// Word is eight bytes of a text, of which the first is the lowest.
type Word uint64

// Marks are bytes of a [Word]: the highest bit of each byte that is marked.
type Marks uint64

const (
	lowest  = 0x0101010101010101
	highest = 0x8080808080808080
)

// Load returns the word at an index of src, which may be beyond its end, where all
// is 0.
func Load(src []byte, at int) Word {
	if at+8 <= len(src) {
		return Word(binary.LittleEndian.Uint64(src[at:]))
	}
	return loadTail(src[min(at, len(src)):])
}

func loadTail(src []byte) Word {
	var w Word
	for i, b := range src {
		w |= Word(b) << (8 * i)
	}
	return w
}

// Controls marks the bytes below 0x20.
func (w Word) Controls() Marks {
	return Marks(^((w&^highest + 0x60*lowest) | w)) & highest
}

// notDigits marks the bytes that are not "0" to "9".
func (w Word) notDigits() Marks {
	d := w ^ '0'*lowest
	return Marks((d&^highest+(0x7f-9)*lowest)|d) & highest
}

// First returns the index of the first marked byte, or 8 when there is none.
func (m Marks) First() int { return bits.TrailingZeros64(uint64(m)) >> 3 }

// Rest returns the marks without the first.
func (m Marks) Rest() Marks { return m & (m - 1) }
