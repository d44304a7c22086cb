// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package arrowmask

import (
	"encoding/binary"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/mask"
)

// column adds the masked form of a column and of those within it. rows has the row
// of each value, or -1, where values have rows at all and are not one to a row.
func (s *stream) column(o *output, c *column, rows []int32) error {
	switch {
	case o.err != nil:
		return o.err
	case !c.masks:
		s.clear(o, c)
		return nil
	case c.dictionary:
		return s.indices(o, c)
	case c.layout == lists && c.empty:
		return s.emptyList(o, c)
	case c.layout == lists:
		return s.list(o, c, rows)
	case c.layout == structs:
		return s.fieldsOf(o, c, rows)
	case !c.field.ByValue():
		return s.constant(o, c)
	}
	return s.values(o, c, rows)
}

// clear copies a column as it came.
func (s *stream) clear(o *output, c *column) {
	length, nulls := s.in.length(c), int(s.in.nodes[2*c.node+1])
	o.node(length, nulls)
	if c.field != nil && c.field.Kept() && c.layout != lists && !c.values {
		s.plan.See(c.field, length, max(nulls, 0))
	}
	n := c.layout.buffers()
	if c.dictionary {
		n = fixed.buffers()
	}
	for i := range n {
		o.raw(s.in.raw(c.buffer + i))
	}
	for _, child := range c.children {
		s.clear(o, child)
	}
}

// reuse returns a scratch buffer of n zeros.
func reuse(b *[]byte, n int) []byte {
	if cap(*b) < n {
		*b = make([]byte, n)
		return *b
	}
	*b = (*b)[:n]
	clear(*b)
	return *b
}

// presenceOf adds the validity of a column, with nothing behind its last bit.
func (s *stream) presenceOf(o *output, v *view) {
	o.node(v.n, v.nulls)
	if v.nulls == 0 {
		s.put(o, s.in, nil)
		return
	}
	out := reuse(&s.validity, (v.n+7)/8)
	copy(out, v.present)
	trim(out, v.n)
	s.put(o, s.in, out)
}

// trim clears the bits from n on.
func trim(b []byte, n int) {
	if n%8 != 0 {
		b[len(b)-1] &= 1<<(n%8) - 1
	}
}

// nothing adds a column of which every value is NULL, and those within it.
func (s *stream) nothing(o *output, c *column, n int) {
	o.node(n, n)
	s.put(o, s.in, reuse(&s.validity, (n+7)/8))
	s.zeros(o, c, n)
}

// zeros adds the buffers behind the validity of n values that are NULL, or of none.
func (s *stream) zeros(o *output, c *column, n int) {
	layout, width := c.layout, c.width
	if c.dictionary {
		layout, width = fixed, c.index
	}
	switch layout {
	case bits:
		s.put(o, s.in, reuse(&s.data, (n+7)/8))
	case fixed:
		s.put(o, s.in, reuse(&s.data, n*width))
	case strings:
		s.put(o, s.in, reuse(&s.offsets, (n+1)*width))
		s.put(o, s.in, nil)
	case lists:
		s.put(o, s.in, reuse(&s.offsets, (n+1)*width))
		s.nothing(o, c.children[0], 0)
	case structs:
		for _, child := range c.children {
			s.nothing(o, child, n)
		}
	}
}

// emptyList adds a list of which every value is the empty list.
func (s *stream) emptyList(o *output, c *column) error {
	v, err := s.presence(c)
	if err != nil {
		return err
	}
	if !s.complete(c, v.n) {
		return refuse(msgShape)
	}
	s.plan.See(c.field, v.n, v.nulls)
	s.presenceOf(o, v)
	s.zeros(o, c, v.n)
	return nil
}

// complete reports whether a batch brings n values of a column.
func (s *stream) complete(c *column, n int) bool {
	switch c.layout {
	case bits:
		return s.holds(c.buffer+1, (n+7)/8)
	case fixed:
		return s.holds(c.buffer+1, n*c.width)
	case strings, lists:
		return n == 0 || s.holds(c.buffer+1, (n+1)*c.width)
	}
	for _, child := range c.children {
		if s.in.length(child) != n || !s.complete(child, n) {
			return false
		}
	}
	return true
}

// list adds a list of which the values are masked.
func (s *stream) list(o *output, c *column, rows []int32) error {
	v, err := s.view(c)
	if err != nil {
		return err
	}
	s.presenceOf(o, v)
	s.put(o, s.in, v.offsets[:(v.n+1)*c.width])
	child := c.children[0]
	if s.plan.Collects() {
		inner := make([]int32, s.in.length(child))
		for i := range inner {
			inner[i] = -1
		}
		for i := range v.n {
			row := int32(i)
			if rows != nil {
				row = rows[i]
			}
			for k := v.offset(i); k < v.offset(i+1); k++ {
				inner[k] = row
			}
		}
		rows = inner
	}
	return s.column(o, child, rows)
}

// fieldsOf adds a record of which fields are masked, or a range.
func (s *stream) fieldsOf(o *output, c *column, rows []int32) error {
	v, err := s.presence(c)
	if err != nil {
		return err
	}
	if c.field.Kind == mask.BQRange {
		if !s.complete(c, v.n) {
			return refuse(msgShape)
		}
		s.plan.See(c.field, v.n, v.nulls)
		if c.null {
			s.nothing(o, c, v.n)
			return nil
		}
		s.presenceOf(o, v)
		s.zeros(o, c, v.n) // ends that are NULL are open
		return nil
	}
	s.presenceOf(o, v)
	for _, child := range c.children {
		if s.in.length(child) != v.n {
			return refuse(msgShape)
		}
		if err := s.column(o, child, rows); err != nil {
			return err
		}
	}
	return nil
}

// constant adds a column of which every value becomes the same.
func (s *stream) constant(o *output, c *column) error {
	v, err := s.presence(c)
	if err != nil {
		return err
	}
	if !s.complete(c, v.n) {
		return refuse(msgShape)
	}
	if v.n*(c.width+len(c.fill)) > maxMasked {
		return refuse(msgSize)
	}
	s.plan.See(c.field, v.n, v.nulls)
	if c.null {
		s.nothing(o, c, v.n)
		return nil
	}
	s.presenceOf(o, v)
	switch c.layout {
	case bits:
		out := reuse(&s.data, (v.n+7)/8)
		if c.fill[0] != 0 {
			for i := range v.n {
				if v.valid(i) {
					out[i>>3] |= 1 << (i & 7)
				}
			}
		}
		s.put(o, s.in, out)
	case fixed:
		out := reuse(&s.data, v.n*c.width)
		if slices.ContainsFunc(c.fill, func(b byte) bool { return b != 0 }) {
			s.fill(out, v, c.fill)
		}
		s.put(o, s.in, out)
	case strings:
		s.sameText(o, c, v)
	}
	return nil
}

// fill writes a constant wherever a value is not NULL.
func (s *stream) fill(out []byte, v *view, value []byte) {
	if v.present == nil {
		repeat(out, value)
		return
	}
	for i := range v.n {
		if bit(v.present, i) {
			copy(out[i*len(value):], value)
		}
	}
}

// repeat fills out with a value.
func repeat(out, value []byte) {
	if len(value) == 0 {
		return
	}
	for n := copy(out, value); n < len(out); n *= 2 {
		copy(out[n:], out[:n])
	}
}

// sameText adds the offsets and the bytes of a constant text.
func (s *stream) sameText(o *output, c *column, v *view) {
	offsets := reuse(&s.offsets, (v.n+1)*c.width)
	size, end := len(c.fill), 0
	if c.width == 4 && v.present == nil {
		for i := range v.n {
			end += size
			binary.LittleEndian.PutUint32(offsets[4*i+4:], uint32(end))
		}
	} else {
		for i := range v.n {
			if v.valid(i) {
				end += size
			}
			putOffsetAt(offsets, c.width, i+1, end)
		}
	}
	s.put(o, s.in, offsets)
	data := reuse(&s.data, end)
	repeat(data, c.fill)
	s.put(o, s.in, data)
}

func putOffsetAt(offsets []byte, width, i, end int) {
	if width == 4 {
		binary.LittleEndian.PutUint32(offsets[4*i:], uint32(end))
		return
	}
	binary.LittleEndian.PutUint64(offsets[8*i:], uint64(end))
}
