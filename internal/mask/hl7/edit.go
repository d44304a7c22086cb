// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

// edit is a changed copy of src in the making, appended to dst. What does not
// change is copied late and in one piece, so that kept fields cost nothing.
type edit struct {
	src, dst []byte
	from     int // src[from:] is not in dst yet
}

// cut leaves src[start:end] out; what is appended to dst next stands in its place.
func (e *edit) cut(start, end int) {
	e.dst = append(e.dst, e.src[e.from:start]...)
	e.from = end
}

// replace puts v in the place of src[start:end].
func (e *edit) replace(start, end int, v []byte) {
	e.cut(start, end)
	e.dst = append(e.dst, v...)
}
