// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package arrowmask

import (
	"encoding/binary"
)

// dictionaryHead is what stands before the values of a dictionary.
type dictionaryHead struct {
	id    int64
	delta bool
}

// dictionary is what became of the values of a masked dictionary.
type dictionary struct {
	places []int32          // by the index that came: the one that goes, or -1 for NULL
	known  map[string]int32 // of each answer, the index that goes
}

// dictionary masks the values of a dictionary.
func (s *stream) dictionary(dst []byte, m message) ([]byte, error) {
	head := &dictionaryHead{id: m.header.i64(0), delta: m.header.u8(2, 0) != 0}
	t, ok := m.header.child(1)
	c := s.owner(s.columns, head.id)
	if !ok || c == nil {
		return nil, refuse(msgShape)
	}
	b, err := readBatch(m, t, 1, c.layout.buffers())
	if err != nil {
		return nil, err
	}
	s.in, s.views = b, make(map[*column]*view)
	// The values are a column of their own, the first of a batch.
	values := *c
	values.dictionary, values.values, values.node, values.buffer = false, true, 0, 0
	if b.length(&values) != int(b.rows) {
		return nil, refuse(msgShape)
	}
	if !values.masks {
		o := begin(dst, b, head)
		s.clear(o, &values)
		return o.end()
	}
	if !c.field.ByValue() {
		return s.onlyValue(dst, &values, head)
	}
	return s.distinct(dst, &values, head)
}

// owner returns a column with a dictionary.
func (s *stream) owner(columns []*column, id int64) *column {
	for _, c := range columns {
		if c.dictionary && c.id == id {
			return c
		}
		if in := s.owner(c.children, id); in != nil {
			return in
		}
	}
	return nil
}

// onlyValue writes a dictionary with one value, the constant of the column; what is
// added to one later is nothing.
func (s *stream) onlyValue(dst []byte, c *column, head *dictionaryHead) ([]byte, error) {
	n := 1
	if head.delta {
		n = 0
	}
	s.in.rows = int64(n)
	o := begin(dst, s.in, head)
	if c.null {
		s.nothing(o, c, n)
		return o.end()
	}
	v := &view{n: n}
	s.presenceOf(o, v)
	switch c.layout {
	case bits:
		s.put(o, s.in, append(reuse(&s.data, 0), c.fill[:n]...))
	case fixed:
		s.put(o, s.in, append(reuse(&s.data, 0), c.fill[:n*len(c.fill)]...))
	default:
		s.sameText(o, c, v)
	}
	return o.end()
}

// distinct writes the different answers for the values of a dictionary.
func (s *stream) distinct(dst []byte, c *column, head *dictionaryHead) ([]byte, error) {
	v, err := s.view(c)
	if err != nil {
		return nil, err
	}
	d := s.dicts[head.id]
	if d == nil || !head.delta {
		d = &dictionary{known: make(map[string]int32)}
		s.dicts[head.id] = d
	}
	if len(d.places)+v.n > maxValues {
		return nil, refuse(msgSize)
	}
	s.plan.BeginRow()
	if c.field.Detects() {
		s.plan.NoteTexts()
		for i := range v.n {
			if v.valid(i) {
				s.plan.NoteText(c.field, v.bytes(i))
			}
		}
		s.plan.DetectTexts()
	}
	s.plan.See(c.field, v.nulls, v.nulls)
	var answers []int // where each new one ends
	data := s.data[:0]
	for i := range v.n {
		place := int32(-1)
		if v.valid(i) {
			n, null := len(data), false
			if data, null = s.appendText(c.field, data, v.bytes(i)); !null {
				var ok bool
				if place, ok = d.known[string(data[n:])]; ok {
					data = data[:n]
				} else {
					place = int32(len(d.known))
					d.known[string(data[n:])] = place
					answers = append(answers, len(data))
				}
			}
		}
		if len(data) > maxMasked {
			return nil, refuse(msgSize)
		}
		d.places = append(d.places, place)
	}
	s.data = data
	s.in.rows = int64(len(answers))
	o := begin(dst, s.in, head)
	s.finish(o, len(answers), 0, nil)
	offsets := reuse(&s.offsets, (len(answers)+1)*c.width)
	for i, end := range answers {
		putOffsetAt(offsets, c.width, i+1, end)
	}
	s.put(o, s.in, offsets)
	s.put(o, s.in, data)
	return o.end()
}

// indices adds the indices of a column with a masked dictionary.
func (s *stream) indices(o *output, c *column) error {
	v, err := s.view(c)
	if err != nil {
		return err
	}
	if !c.field.ByValue() {
		s.plan.See(c.field, v.n, v.nulls)
		if c.null {
			s.nothing(o, c, v.n)
			return nil
		}
		s.presenceOf(o, v)
		s.put(o, s.in, reuse(&s.data, v.n*c.index))
		return nil
	}
	d := s.dicts[c.id]
	present, out, nulls := reuse(&s.validity, (v.n+7)/8), reuse(&s.data, v.n*c.index), 0
	for i := range v.n {
		place := int32(-1)
		if v.valid(i) {
			at := index(v.fixed(i))
			if d == nil || at >= uint64(len(d.places)) {
				return refuse(msgShape)
			}
			place = d.places[at]
		}
		if place < 0 {
			nulls++
			continue
		}
		present[i>>3] |= 1 << (i & 7)
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], uint64(place))
		copy(out[i*c.index:(i+1)*c.index], word[:])
	}
	s.finish(o, v.n, nulls, present)
	s.put(o, s.in, out)
	return nil
}

// index reads an index. One that is negative is larger than any.
func index(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}
