// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package bitmap says where in a text the bytes of some classes stand, as bitmaps.
// Whoever looks for separators, or asks whether a value consists of digits alone,
// then works on 64 bytes of the text at once.
//
// A class is one set of bytes that can be told by their two halves: those whose low
// four bits are in one set and whose high four bits are in another, as the digits
// are (0 to 9, and 3) or any single byte. Processors look a half up for 32 bytes at a
// time.
package bitmap

// Size is how many bytes a [Block] describes.
const Size = 64

// Classes is how many classes a [Table] has.
const Classes = 8

// Block describes 64 bytes of a text: bit i of word c says whether byte i is of class
// c.
type Block [Classes]uint64

// Table gives every byte its classes. The zero value has none.
type Table struct {
	low, high [16]uint8 // classes of a byte's halves, which it has to have in both
}

// Set makes a class of the bytes whose low four bits are in one set and whose high
// four bits are in the other; bit n of a set stands for n.
func (t *Table) Set(class int, low, high uint16) {
	for n := range 16 {
		t.low[n] = t.low[n]&^(1<<class) | uint8(low>>n&1)<<class
		t.high[n] = t.high[n]&^(1<<class) | uint8(high>>n&1)<<class
	}
}

// SetByte makes a class of one byte.
func (t *Table) SetByte(class int, b byte) { t.Set(class, 1<<(b&15), 1<<(b>>4)) }

// pad is Fill by fill, which describes whole blocks.
func (t *Table) pad(blocks []Block, text []byte) {
	whole := len(text) / Size
	if whole > 0 {
		t.fill(blocks[:whole], text)
	}
	rest := text[whole*Size:]
	if len(rest) == 0 {
		return
	}
	var padded [Size]byte
	copy(padded[:], rest)
	last := blocks[whole : whole+1]
	t.fill(last, padded[:])
	for c := range last[0] {
		last[0][c] &= 1<<len(rest) - 1
	}
}

// fillPortable describes 64 bytes in each block.
func (t *Table) fillPortable(blocks []Block, text []byte) {
	for i := range blocks {
		b, v := &blocks[i], text[i*Size:(i+1)*Size]
		*b = Block{}
		for at := 0; at < Size; at += 8 {
			eight := uint64(0)
			for k, c := range v[at : at+8] {
				eight |= uint64(t.low[c&15]&t.high[c>>4]) << (8 * k)
			}
			for c := range b {
				b[c] |= gather(eight>>c) << at
			}
		}
	}
}

// gather returns the lowest bits of the eight bytes of w in the order of the bytes.
func gather(w uint64) uint64 { return w & 0x0101010101010101 * 0x0102040810204080 >> 56 }
