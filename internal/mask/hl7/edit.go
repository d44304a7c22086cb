// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import "slices"

// edit is a changed copy of src in the making, in dst[:to]. What does not change is
// copied late and in one piece, so that kept values cost nothing.
type edit struct {
	src, dst []byte // dst is as long as there is room
	from, to int    // src[from:] is not in dst yet
	counts   []uint32
	nothing  value // stands for what is left out
}

// value is what stands for others, with room behind it: it is copied in one piece
// whatever its size, and so are gaps of a size between two changes.
type value struct {
	text [valueSize]byte
	size int
}

const (
	valueSize = 16
	gapSize   = 32
)

func valueOf(text string) (v value) {
	v.size = copy(v.text[:], text)
	return v
}

// begin begins the copy of src behind dst.
func (e *edit) begin(src, dst []byte) {
	e.src, e.from, e.to, e.counts = src, 0, len(dst), e.counts[:0]
	dst = slices.Grow(dst, len(src)+len(src)/4+gapSize+valueSize)
	e.dst = dst[:cap(dst)]
}

// put puts the first bytes of a value in the place of src[start:end], which is not before
// the last change. Indexes are compared in a way that leaves the compiler nothing to
// check again.
func (e *edit) put(start, end int, v *value, size int) {
	const room = gapSize + valueSize
	n, from, to := start-e.from, e.from, e.to
	if n < 0 || n > gapSize || from < 0 || from > len(e.src)-gapSize || to < 0 || to > len(e.dst)-room {
		e.change(start, end, v.text[:size])
		return
	}
	s, d := e.src[from:from+gapSize], e.dst[to:to+room]
	copyValue(d, s)
	copyValue(d[valueSize:], s[valueSize:])
	copyValue(d[n:], v.text[:])
	e.from, e.to = end, to+n+size
}

// copyValue copies as many bytes as a value has at most.
func copyValue(dst, src []byte) { *(*[valueSize]byte)(dst) = *(*[valueSize]byte)(src) }

// change puts a text in the place of src[start:end].
func (e *edit) change(start, end int, text []byte) {
	e.add(e.src[e.from:start])
	e.add(text)
	e.from = end
}

func (e *edit) add(text []byte) {
	if len(e.dst)-e.to < len(text) {
		dst := slices.Grow(e.dst[:e.to], len(text)+gapSize+valueSize)
		e.dst = dst[:cap(dst)]
	}
	e.to += copy(e.dst[e.to:], text)
}

// count counts a value by a number.
func (e *edit) count(number uint32) { e.counts = append(e.counts, number) }

// done returns the copy.
func (e *edit) done() []byte {
	e.add(e.src[e.from:])
	return e.dst[:e.to]
}
