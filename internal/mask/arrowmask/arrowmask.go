// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package arrowmask masks record batches in the streaming format of Apache Arrow,
// as BigQuery's Storage Read API delivers them, by the plan that masks the same
// columns of the REST interface. The schema stays as it is.
//
// A batch is cut into its buffers by the metadata in front. Those of columns that
// are shown are copied as they come, compressed ones too; of a masked column every
// buffer is made anew, so that nothing of it is left in offsets, in values that are
// NULL, or between buffers. The metadata is written anew as well, without what
// others have added to it. Buffers of masked columns are compressed with the codec
// of the batch.
//
// The format is read here and not by a library of Arrow: a library takes every column
// apart, unpacks it, and asks for as much memory as the length in front of a
// compressed buffer says. Here every length is checked; what is left of panics, as in
// a decompressor, ends in an error at one place. Columns that are shown are copied
// and not looked at: whether they are sound is for the client to see.
//
// # Dictionaries
//
// The values of a masked dictionary are masked once, equal answers become one
// value, and indices follow; so indices do not tell apart what the mask makes equal.
// A dictionary has no row: dates of a patient are not moved but cut to the year, and
// names of the row are not looked for; and its values are counted, not the rows that
// hold them.
package arrowmask

import (
	"strconv"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
)

// stream masks the batches of one stream. It is used by one goroutine.
type stream struct {
	plan    *mask.BQPlan
	columns []*column
	leaves  []*column // those with a field, in order
	nodes   int
	buffers int
	dicts   map[int64]*dictionary
	codec   codec
	packed  []byte // scratch: a compressed buffer

	// Of the current batch, and of the dictionaries in front of it.
	left  int64 // bytes that may still be unpacked
	in    *batch
	views map[*column]*view

	validity, offsets, data, answer, text []byte // scratch: of a column in the making
}

// Open makes the mask of a stream whose schema is given as it came. The plan has the
// columns of the schema, in its order; it holds the counts.
func Open(plan *mask.BQPlan, schema mask.Raw) (*mask.Batches, error) {
	return mask.OpenBatches(schema, func(b []byte) (m mask.BatchMasker, err error) {
		defer recovered(&err)
		return open(plan, b)
	})
}

func open(plan *mask.BQPlan, schema []byte) (*stream, error) {
	p := &parser{ids: make(map[int64]int)}
	columns, err := parseSchema(schema, p)
	if err != nil {
		return nil, err
	}
	s := &stream{plan: plan, columns: columns, nodes: p.nodes, buffers: p.buffers, dicts: make(map[int64]*dictionary)}
	if err := s.match(columns, plan.Fields()); err != nil {
		return nil, err
	}
	for _, c := range s.leaves {
		if c.dictionary && c.masks && p.ids[c.id] > 1 {
			return nil, refuseSchema("a masked column shares its dictionary with another")
		}
	}
	return s, nil
}

// recovered makes an error of a panic. What the panic says may hold values.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = sallyport.E(sallyport.Integrity, opBatch, "a record batch could not be read").
			WithHint("the rows were withheld, because they could not be masked with certainty")
	}
}

// AppendBatch implements [mask.BatchMasker]. In front of the batch there may be
// dictionaries.
func (s *stream) AppendBatch(dst, src []byte) (out []byte, err error) {
	defer recovered(&err)
	defer func() { s.in, s.views = nil, nil }()
	if len(src) > maxBatch {
		return nil, refuse(msgSize)
	}
	if dst == nil {
		dst = make([]byte, 0, len(src)+len(src)/8+1024)
	}
	start, batches := len(dst), 0
	s.left = maxUnpacked
	for !atEnd(src) {
		m, rest, err := cutMessage(src)
		if err != nil {
			return nil, err
		}
		switch m.kind {
		case kindBatch:
			if batches++; batches > 1 {
				return nil, refuse("there are two record batches where one has to be")
			}
			dst, err = s.record(dst, m)
		case kindDictionary:
			dst, err = s.dictionary(dst, m)
		default:
			err = refuse("there is another message where a record batch has to be")
		}
		if err == nil && len(dst)-start > maxMasked {
			err = refuse(msgSize)
		}
		if err != nil {
			return nil, err
		}
		src = rest
	}
	return dst, nil
}

// record masks one record batch.
func (s *stream) record(dst []byte, m message) ([]byte, error) {
	b, err := readBatch(m, m.header, s.nodes, s.buffers)
	if err != nil {
		return nil, err
	}
	s.in, s.views = b, make(map[*column]*view)
	for _, c := range s.columns {
		if b.length(c) != int(b.rows) {
			return nil, refuse(msgShape)
		}
	}
	if err := s.look(); err != nil {
		return nil, err
	}
	o := begin(dst, b, nil)
	for _, c := range s.columns {
		if err := s.column(o, c, nil); err != nil {
			return nil, err
		}
	}
	s.plan.AddRows(int(b.rows))
	return o.end()
}

// look gives the keys of patients on, and has detectors look at texts, before
// anything is masked.
func (s *stream) look() error {
	detects := false
	for _, c := range s.leaves {
		f := c.field
		if f.Key() && s.plan.WantsKeys() || f.Context() {
			if _, err := s.view(c); err != nil {
				return err
			}
		}
		detects = detects || c.masks && f.ByValue() && f.Detects() && !c.dictionary
	}
	if s.plan.WantsKeys() {
		for _, c := range s.columns {
			if err := s.keys(c, nil); err != nil {
				return err
			}
		}
	}
	if !detects {
		return nil
	}
	s.plan.NoteTexts()
	for _, c := range s.leaves {
		if !c.masks || !c.field.ByValue() || !c.field.Detects() || c.dictionary {
			continue
		}
		v, err := s.view(c)
		if err != nil {
			return err
		}
		for i := range v.n {
			if v.valid(i) {
				s.plan.NoteText(c.field, v.bytes(i))
			}
		}
	}
	s.plan.DetectTexts()
	return nil
}

// keys gives on the keys in a column. present, when not nil, says of which values
// the record that they are in is there.
func (s *stream) keys(c *column, present []byte) error {
	f := c.field
	if f == nil || !f.Keys {
		return nil
	}
	v, err := s.view(c)
	if err != nil {
		return err
	}
	if c.layout == lists {
		return s.keys(c.children[0], v.inner(s.in.length(c.children[0]), present))
	}
	here := v.both(present)
	if c.layout == structs {
		for _, child := range c.children {
			if s.in.length(child) != v.n {
				return refuse(msgShape)
			}
			if err := s.keys(child, here); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range v.n {
		switch {
		case present != nil && !bit(present, i):
		case here != nil && !bit(here, i):
			s.plan.TellKey(f, nil, true)
		default:
			s.plan.TellKey(f, s.plain(c, v, i), false)
		}
	}
	return nil
}

// plain returns the text of a value as the REST interface has it, of the types that
// keys of patients have.
func (s *stream) plain(c *column, v *view, i int) []byte {
	switch {
	case c.layout == strings:
		return v.bytes(i)
	case c.typ.id == typeInt && c.width == 8:
		s.text = strconv.AppendInt(s.text[:0], v.int64(i), 10)
	case c.typ.id == typeDecimal:
		s.text = appendDecimal(s.text[:0], v.fixed(i), int(c.typ.scale))
	default:
		return nil
	}
	return s.text
}
