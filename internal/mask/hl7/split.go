// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"bytes"
	"math/bits"

	"github.com/sallyport-dev/sallyport/internal/mask/bitmap"
)

// The classes of bytes in a view.
const (
	inField = iota // the separator of fields
	inEnd          // what may end a line; see [run.endOf]
	inDigit
	inRepetition
	inPart  // the separators of components and repetitions
	inWord  // letters, digits and "_"
	inPlain // these, and marks that codes have

	// What parts, words and plain values are made of at first.
	inComponent = inPart
	inEarly     = inWord  // "A" to "O"
	inLate      = inPlain // "P" to "Z" and "_"
	inMark      = 7
)

// view shows a part of src as bitmaps: blocks of 64 bytes, from a whole number of them
// on. There is one block more, which is empty.
type view struct {
	table  bitmap.Table
	blocks []bitmap.Block
	first  int // src[64*first:] is what blocks show
	end    int // up to here
	moved  bitmap.Block
}

// viewSize is how many bytes are shown at once: few enough for their bitmaps to stay
// where the processor has them at hand. Longer lines are shown as a whole.
const viewSize = 4096

// Positions in blocks.
const (
	blockShift = 6
	blockMask  = bitmap.Size - 1
)

// del is a control character that has the two halves of letters.
const del = 0x7f

// separate sets the separators.
func (v *view) separate(d delimiters) {
	v.table.SetByte(inField, d.field)
	v.table.Set(inEnd, 1<<('\r'&15)|1<<('\n'&15)|1<<(frameEnd&15), 0b11)
	v.table.Set(inDigit, 0x03ff, 1<<3)
	v.table.SetByte(inRepetition, d.repetition)
	v.table.SetByte(inComponent, d.component)
	v.table.Set(inEarly, 0xfffe, 1<<4|1<<6)
	v.table.Set(inLate, 0x87ff, 1<<5|1<<7)
	marks := uint16(0)
	for _, b := range []byte("%*+,-./") {
		if !d.has(b) {
			marks |= 1 << (b & 15)
		}
	}
	v.table.Set(inMark, marks, 1<<2)
	v.end = 0
}

// show shows src from an index on, at least size bytes of it.
func (v *view) show(src []byte, at, size int) {
	v.first = at >> blockShift
	base := v.first << blockShift
	v.end = min(len(src), base+size)
	n := (v.end-base+blockMask)>>blockShift + 1
	if cap(v.blocks) < n {
		v.blocks = make([]bitmap.Block, n)
	}
	v.blocks = v.blocks[:n]
	v.table.Fill(v.blocks, src[base:v.end])
	v.blocks[n-1] = bitmap.Block{}
	for at := base; ; at++ { // which has the halves of letters and "_", but is none of them
		i := bytes.IndexByte(src[at:v.end], del)
		if i < 0 {
			break
		}
		at += i
		v.blocks[(at-base)>>blockShift][inLate] &^= 1 << (at & blockMask)
	}
	for i := range v.blocks {
		b := &v.blocks[i]
		b[inWord] = b[inEarly] | b[inLate] | b[inDigit]
		b[inPlain] = b[inWord] | b[inMark]
		b[inPart] = b[inComponent] | b[inRepetition]
	}
}

// from returns a block of the 64 bytes from an index on, with those classes that values
// are looked at by. It is good until the next one is asked for.
func (v *view) from(at int) *bitmap.Block {
	i, low, high := at>>blockShift-v.first, at&blockMask, blockMask-at&blockMask
	a, b, m := &v.blocks[i], &v.blocks[i+1], &v.moved
	m[inDigit] = a[inDigit]>>low | b[inDigit]<<1<<high
	m[inPart] = a[inPart]>>low | b[inPart]<<1<<high
	m[inWord] = a[inWord]>>low | b[inWord]<<1<<high
	m[inPlain] = a[inPlain]>>low | b[inPlain]<<1<<high
	return m
}

// quoted reports whether there is a quotation mark in src[start:end].
func quoted(src []byte, start, end int) bool {
	return bytes.IndexByte(src[start:end], '"') >= 0
}

// endOf returns where in the 64 bytes from base on the line ends, of whose possible ends
// bits tell, or -1 when it goes on. What closes a frame does not belong to a line.
func (r *run) endOf(ends uint64, base int) int {
	for ; ends != 0; ends &= ends - 1 {
		at := base + bits.TrailingZeros64(ends)
		end := at
		for end < len(r.src) && r.src[end] == frameEnd {
			end++
		}
		if end == len(r.src) || r.src[end] == '\r' || r.src[end] == '\n' {
			return at
		}
	}
	if len(r.src)-base < bitmap.Size {
		return len(r.src)
	}
	return -1
}

// maxComponents are as many as any data type has; what is beyond stays with the
// last, where it is emptied.
const maxComponents = 32

// parted is a repetition and where its components end.
type parted struct {
	start, count int
	ends         [maxComponents]int
}

// end returns where the repetition ends.
func (p *parted) end() int { return p.ends[p.count-1] }

// component returns component n, counted from 1, or nil.
func (p *parted) component(src []byte, n int) []byte {
	if n > p.count {
		return nil
	}
	start := p.start
	if n > 1 {
		start = p.ends[n-2] + 1
	}
	return src[start:p.ends[n-1]]
}

// split takes the repetition apart that begins src[start:end].
func (r *run) split(p *parted, start, end int) {
	p.start = start
	n := 0
	for i := start; i < end; i++ {
		switch r.src[i] {
		case r.d.component:
			p.ends[n] = i
			n = min(n+1, maxComponents-1)
		case r.d.repetition:
			p.ends[n] = i
			p.count = n + 1
			return
		}
	}
	p.ends[n] = end
	p.count = n + 1
}
