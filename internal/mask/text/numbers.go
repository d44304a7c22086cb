// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package text

// Numbers counts by numbers, of which few occur. The zero value is empty.
type Numbers struct {
	list  []entry
	index []uint32 // where in list a number stands, plus one; its length is a power of two
}

type entry struct {
	number uint32
	n      uint64
}

// leastIndex is the first length of an index.
const leastIndex = 64

// Add counts n more of a number.
func (c *Numbers) Add(number uint32, n uint64) {
	if 2*len(c.list) >= len(c.index) {
		c.grow()
	}
	at := c.slot(number)
	if c.index[at] == 0 {
		c.list = append(c.list, entry{number: number})
		c.index[at] = uint32(len(c.list))
	}
	c.list[c.index[at]-1].n += n
}

// slot returns the place in the index that a number has, or is to have.
func (c *Numbers) slot(number uint32) int {
	const spread = 0x9e3779b1
	mask := len(c.index) - 1
	at := int(number*spread>>16) & mask
	for c.index[at] != 0 && c.list[c.index[at]-1].number != number {
		at = (at + 1) & mask
	}
	return at
}

func (c *Numbers) grow() {
	c.index = make([]uint32, max(leastIndex, 2*len(c.index)))
	for i, e := range c.list {
		c.index[c.slot(e.number)] = uint32(i) + 1
	}
}

// Reset sets all counts back to zero.
func (c *Numbers) Reset() {
	clear(c.index)
	c.list = c.list[:0]
}
