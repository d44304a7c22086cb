// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package arrowmask

import (
	"encoding/binary"
	"math"

	"github.com/sallyport-dev/sallyport/internal/mask"
)

// values adds a column of which each value becomes what it says itself.
func (s *stream) values(o *output, c *column, rows []int32) error {
	v, err := s.view(c)
	if err != nil {
		return err
	}
	s.plan.See(c.field, v.nulls, v.nulls)
	row := s.rows(rows)
	if c.layout == strings {
		return s.texts(o, c, v, row)
	}
	present, data, nulls := reuse(&s.validity, (v.n+7)/8), reuse(&s.data, v.n*c.width), 0
	for i := range v.n {
		if !v.valid(i) {
			nulls++
			continue
		}
		row(i)
		at := data[i*c.width : (i+1)*c.width]
		if s.value(c, at, v, i) {
			clear(at)
			nulls++
			continue
		}
		present[i>>3] |= 1 << (i & 7)
	}
	s.finish(o, v.n, nulls, present)
	s.put(o, s.in, data)
	return nil
}

// finish adds the node and the validity of a column that was made value by value.
func (s *stream) finish(o *output, n, nulls int, present []byte) {
	o.node(n, nulls)
	if nulls == 0 {
		present = nil
	}
	s.put(o, s.in, present)
}

// texts adds a column of texts or bytes.
func (s *stream) texts(o *output, c *column, v *view, row func(int)) error {
	present, offsets := reuse(&s.validity, (v.n+7)/8), reuse(&s.offsets, (v.n+1)*c.width)
	data, nulls := s.data[:0], 0
	for i := range v.n {
		null := true
		if v.valid(i) {
			row(i)
			data, null = s.appendText(c.field, data, v.bytes(i))
		}
		if null {
			nulls++
		} else {
			present[i>>3] |= 1 << (i & 7)
		}
		if len(data) > maxMasked {
			return refuse(msgSize)
		}
		putOffsetAt(offsets, c.width, i+1, len(data))
	}
	s.data = data
	s.finish(o, v.n, nulls, present)
	s.put(o, s.in, offsets)
	s.put(o, s.in, data)
	return nil
}

// appendText appends what stands for one text, or for bytes.
func (s *stream) appendText(f *mask.BQField, dst, v []byte) (out []byte, null bool) {
	if f.Kind != mask.BQBytes {
		return s.plan.Text(f, dst, v)
	}
	n := len(dst)
	if out, null = s.plan.Bytes(f, dst, v); null {
		return out[:n], true
	}
	return out, false
}

// rows returns what tells the plan the row of a value before it is masked.
func (s *stream) rows(rows []int32) func(i int) {
	if !s.plan.Collects() {
		return func(int) {}
	}
	last := -1
	return func(i int) {
		row := i
		if rows != nil {
			row = int(rows[i])
		}
		if row == last && row >= 0 {
			return
		}
		last = row
		s.plan.BeginRow()
		if row < 0 {
			return
		}
		for _, c := range s.leaves {
			if !c.field.Context() {
				continue
			}
			if v := s.views[c]; v.valid(row) {
				if text := s.plain(c, v, row); text != nil {
					s.plan.Collect(c.field, text)
				}
			}
		}
	}
}

// value writes what stands for one value of a fixed width.
func (s *stream) value(c *column, out []byte, v *view, i int) (null bool) {
	f, le := c.field, binary.LittleEndian
	switch f.Kind {
	case mask.BQInt:
		n, null := s.plan.Int(f, v.int64(i))
		le.PutUint64(out, uint64(n))
		return null
	case mask.BQFloat:
		x, null := s.plan.Float(f, math.Float64frombits(uint64(v.int64(i))))
		le.PutUint64(out, math.Float64bits(x))
		return null
	case mask.BQDate:
		day, null := s.plan.Day(f, int64(int32(le.Uint32(v.fixed(i)))))
		le.PutUint32(out, uint32(int32(day)))
		return null
	case mask.BQDatetime, mask.BQTimestamp:
		micros, null := s.plan.Instant(f, toMicros(v.int64(i), c.typ.unit))
		at, ok := fromMicros(micros, c.typ.unit)
		if !ok { // a nanosecond has no room for the years of BigQuery
			at, null = 0, f.Nullable
		}
		le.PutUint64(out, uint64(at))
		return null
	case mask.BQNumeric, mask.BQBigNumeric:
		s.text = appendDecimal(s.text[:0], v.fixed(i), int(c.typ.scale))
		answer, null := s.plan.Decimal(f, s.answer[:0], s.text)
		s.answer = answer
		if null {
			return true
		}
		if fixed, ok := appendFixedDecimal(s.text[:0], answer, c); ok {
			copy(out, fixed)
			return false
		}
		return f.Nullable
	}
	return true
}
