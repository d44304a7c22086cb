// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package element holds what the masks of HL7 v2, X12 and CSV have in common:
// formats that write short values between separators.
//
// An [Ops] is a profile prepared for that: the operator of each entity with its
// placeholder at hand, so that the usual mask is one copy. [Classes] decide
// whether a value that a table calls a code looks like one. [ParseDay] and
// [AppendDay] are dates written as digits. [Counts] counts by the numbers of
// [Places] and gives them to a tally once per call. [Load] and [Marks] look at
// eight bytes at a time.
package element

import (
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Entities bounds the entities, for arrays; a [scan.Set] holds no more either.
const Entities = 64

// Ops holds the operators of a profile by entity. It does not change and is safe
// for concurrent use.
type Ops struct {
	masker *text.Masker
	ops    [Entities]op
	year   int
}

type op struct {
	*operator.Operator
	kind operator.Kind
	// fixed is what the operator shows for any value, when it does.
	fixed []byte
}

// NewOps prepares the masker's profile. A value whose entity follows from
// structure is masked as a finding of that entity is.
func NewOps(m *text.Masker) *Ops {
	o := &Ops{masker: m}
	for _, e := range scan.Entities() {
		found := m.Profile.Entity(e)
		c := op{Operator: found, kind: found.Kind()}
		if c.kind == operator.Redact {
			c.fixed = m.Replace(nil, nil, e, found, &text.Work{})
		}
		o.ops[e] = c
	}
	o.year = int(o.ops[scan.Date].PlainYear())
	return o
}

// PlainYear returns the year after which a date that is reduced to its year shows it
// as it is, so that nothing has to be computed.
func (o *Ops) PlainYear() int { return o.year }

// Kind returns what happens to values of e.
func (o *Ops) Kind(e scan.Entity) operator.Kind { return o.ops[e].kind }

// Put appends what stands for v, a whole value that is an e.
func (o *Ops) Put(dst, v []byte, e scan.Entity, w *text.Work) []byte {
	c := &o.ops[e]
	if c.fixed != nil {
		return append(dst, c.fixed...)
	}
	return o.masker.Replace(dst, v, e, c.Operator, w)
}

// Fixed returns what stands for every e, or nil when that depends on the value.
func (o *Ops) Fixed(e scan.Entity) []byte { return o.ops[e].fixed }

// OldestYear returns the year before which a date that is reduced to its year shows this
// one. It asks a clock.
func (o *Ops) OldestYear() int { return int(o.ops[scan.Date].OldestYear()) }

// Day returns what stands for a day, counted from 1970-01-01.
func (o *Ops) Day(day int64, w *text.Work) (int64, bool) {
	return o.ops[scan.Date].Day(day, &w.Row)
}

// Age returns what stands for an age in years.
func (o *Ops) Age(years int64, w *text.Work) (int64, bool) {
	if o.ops[scan.Age].kind == operator.Keep {
		return years, true
	}
	return o.ops[scan.Age].Int(years, &w.Row)
}

// Places are the places of a table where values are masked, as keys of a tally.
// They do not change and are safe for concurrent use.
type Places struct {
	ops  *Ops
	rule string
	loci []string
}

// NewPlaces numbers places by their loci, under the rule that masks there.
func NewPlaces(o *Ops, rule string, loci []string) *Places {
	return &Places{ops: o, rule: rule, loci: loci}
}

// Key implements [text.Keys].
func (p *Places) Key(number uint32) text.Key {
	e := scan.Entity(number % Entities)
	return text.Key{Rule: p.rule, Entity: e, Operator: p.ops.ops[e].kind, Locus: p.loci[number/Entities]}
}

// NumberOf returns the number of an entity's values at a place.
func NumberOf(place int, e scan.Entity) uint32 { return uint32(place*Entities) + uint32(e) }

// Counts counts masked values by place and entity, until it is known whether they
// count. It is used by one goroutine at a time.
type Counts struct {
	places  *Places
	pending []uint32 // the number of each value
}

// NewCounts returns counts of places.
func NewCounts(p *Places) *Counts { return &Counts{places: p} }

// Add counts a value at a place.
func (c *Counts) Add(place int, e scan.Entity) {
	c.pending = append(c.pending, NumberOf(place, e))
}

// Reset forgets what was counted.
func (c *Counts) Reset() { c.pending = c.pending[:0] }

// Flush moves the counts into a tally.
func (c *Counts) Flush(t *text.Tally) {
	if len(c.pending) == 0 {
		return
	}
	t.Numbers(c.places).AddEach(c.pending)
	c.Reset()
}
