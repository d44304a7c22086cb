// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package arrowmask

import (
	"encoding/binary"
	mathbits "math/bits"
)

// view is the values of a column of the current batch, unpacked, with every offset
// checked.
type view struct {
	n       int
	nulls   int
	present []byte // a bit for each value that is not NULL; nil when none is
	offsets []byte
	data    []byte
	width   int
}

// bit returns one bit of a bitmap.
func bit(b []byte, i int) bool { return b[i>>3]&(1<<(i&7)) != 0 }

func (v *view) valid(i int) bool { return v.present == nil || bit(v.present, i) }

func (v *view) fixed(i int) []byte { return v.data[i*v.width : (i+1)*v.width] }

func (v *view) int64(i int) int64 { return int64(binary.LittleEndian.Uint64(v.data[8*i:])) }

func (v *view) offset(i int) int {
	if v.width == 4 {
		return int(int32(binary.LittleEndian.Uint32(v.offsets[4*i:])))
	}
	return int(binary.LittleEndian.Uint64(v.offsets[8*i:]))
}

// bytes returns a value of a column of texts.
func (v *view) bytes(i int) []byte { return v.data[v.offset(i):v.offset(i+1)] }

// view returns the values of a column. Of a list there are the offsets, of a record
// which ones are NULL.
func (s *stream) view(c *column) (*view, error) {
	if v := s.views[c]; v != nil {
		return v, nil
	}
	v, err := s.presence(c)
	if err != nil {
		return nil, err
	}
	layout, width := c.layout, c.width
	if c.dictionary {
		layout, width = fixed, c.index
	}
	v.width = width
	switch layout {
	case bits, fixed:
		if v.data, err = s.unpack(s.in, c.buffer+1); err != nil {
			return nil, err
		}
		need := v.n * width
		if layout == bits {
			need = (v.n + 7) / 8
		}
		if len(v.data) < need {
			return nil, refuse(msgShape)
		}
	case strings, lists:
		if v.offsets, err = s.unpack(s.in, c.buffer+1); err != nil {
			return nil, err
		}
		end := 0
		if layout == lists {
			end = s.in.length(c.children[0])
		} else {
			if v.data, err = s.unpack(s.in, c.buffer+2); err != nil {
				return nil, err
			}
			end = len(v.data)
		}
		if !v.ordered(end) {
			return nil, refuse(msgShape)
		}
	}
	s.views[c] = v
	return v, nil
}

// presence returns a view of which values are NULL.
func (s *stream) presence(c *column) (*view, error) {
	v := &view{n: s.in.length(c)}
	present, err := s.unpack(s.in, c.buffer)
	if err != nil {
		return nil, err
	}
	if len(present) == 0 {
		if s.in.nodes[2*c.node+1] > 0 {
			return nil, refuse(msgShape)
		}
		return v, nil
	}
	if len(present) < (v.n+7)/8 {
		return nil, refuse(msgShape)
	}
	if v.nulls = v.n - ones(present, v.n); v.nulls > 0 {
		v.present = present
	}
	return v, nil
}

// ordered reports whether the offsets are none before the last and end within the
// data.
func (v *view) ordered(end int) bool {
	if v.n == 0 && len(v.offsets) == 0 {
		v.offsets = make([]byte, v.width)
		return true
	}
	if len(v.offsets) < (v.n+1)*v.width {
		return false
	}
	last, bad := v.offset(0), v.offset(0) < 0
	if v.width == 4 {
		from := int32(last)
		for i := 1; i <= v.n; i++ {
			to := int32(binary.LittleEndian.Uint32(v.offsets[4*i:]))
			bad = bad || to < from
			from = to
		}
		last = int(from)
	} else {
		for i := 1; i <= v.n; i++ {
			to := v.offset(i)
			bad = bad || to < last
			last = to
		}
	}
	return !bad && last <= end
}

// ones counts the bits that are set among the first n.
func ones(b []byte, n int) int {
	count, i := 0, 0
	for ; i+64 <= n; i += 64 {
		count += mathbits.OnesCount64(binary.LittleEndian.Uint64(b[i/8:]))
	}
	for ; i < n; i++ {
		if bit(b, i) {
			count++
		}
	}
	return count
}

// both returns a bitmap of the values that are present and whose record is, or nil
// when all are.
func (v *view) both(record []byte) []byte {
	if v.present == nil || record == nil {
		if v.present == nil {
			return record
		}
		return v.present
	}
	out := make([]byte, (v.n+7)/8)
	for i := range out {
		out[i] = v.present[i] & record[i]
	}
	return out
}

// inner returns a bitmap of the n values of the child of a list that are in a list
// which is present.
func (v *view) inner(n int, record []byte) []byte {
	out := make([]byte, (n+7)/8)
	here := v.both(record)
	for i := range v.n {
		if here != nil && !bit(here, i) {
			continue
		}
		for k := v.offset(i); k < v.offset(i+1); k++ {
			out[k>>3] |= 1 << (k & 7)
		}
	}
	return out
}
