// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package text

import (
	"iter"
	"math/bits"
)

// Numbers counts by numbers, of which few occur. The zero value is empty.
type Numbers struct {
	slots []slot // as many as a power of two, most of them free
	used  int
	shift uint8 // leaves of a hash as many bits as tell the slots
}

// slot is a number and its count, which is 0 where the slot is free.
type slot struct {
	n      uint64
	number uint32
}

// leastSlots is the first number of slots.
const leastSlots = 256

// spread makes a hash of a number, in its highest bits.
const spread = 0x9e3779b1

// AddEach counts one more of each of some numbers.
func (c *Numbers) AddEach(numbers []uint32) {
	slots, shift := c.slots, c.shift
	for _, number := range numbers {
		if i := int(number * spread >> (shift & 31)); i < len(slots) {
			if s := &slots[i]; s.number == number && s.n > 0 {
				s.n++
				continue
			}
		}
		c.Add(number, 1)
		slots, shift = c.slots, c.shift
	}
}

// Add counts n more of a number; n is not 0.
func (c *Numbers) Add(number uint32, n uint64) {
	if 4*c.used >= len(c.slots) {
		c.grow()
	}
	s := c.slot(number)
	if s.n == 0 {
		s.number = number
		c.used++
	}
	s.n += n
}

// slot returns the slot that a number has, or is to have.
func (c *Numbers) slot(number uint32) *slot {
	for i := int(number * spread >> c.shift); ; i++ {
		if s := &c.slots[i&(len(c.slots)-1)]; s.n == 0 || s.number == number {
			return s
		}
	}
}

func (c *Numbers) grow() {
	old := c.slots
	c.slots = make([]slot, max(leastSlots, 2*len(old)))
	c.shift = uint8(32 - bits.TrailingZeros(uint(len(c.slots))))
	for _, s := range old {
		if s.n > 0 {
			*c.slot(s.number) = s
		}
	}
}

// All goes through the numbers that have been counted, in no order.
func (c *Numbers) All() iter.Seq2[uint32, uint64] {
	return func(yield func(uint32, uint64) bool) {
		for _, s := range c.slots {
			if s.n > 0 && !yield(s.number, s.n) {
				return
			}
		}
	}
}

// Reset sets all counts back to zero.
func (c *Numbers) Reset() {
	clear(c.slots)
	c.used = 0
}
