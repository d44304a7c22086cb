// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package text

import (
	"cmp"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// Key is what masked values are counted by. None of it comes from a value.
type Key struct {
	Rule     string // why: a scanner's rule, or "path" and the like for structure
	Entity   scan.Entity
	Operator operator.Kind
	Locus    string
}

// Count is a key and how often it applied.
type Count struct {
	Key
	N uint64
}

// Tally counts what was masked. It holds no value and nothing derived from one.
// The zero value is empty. A copy is the same tally.
type Tally struct{ c *counts }

// recentKeys are how many keys wait for the map: the columns of a row, or the
// fields of a message, come again soon.
const recentKeys = 16

type counts struct {
	recent   [recentKeys]Count
	all      map[Key]uint64
	numbered []numbered
	added    uint64
}

// numbered are the counts of a mask that numbers its keys.
type numbered struct {
	keys   Keys
	counts Numbers
}

// Keys are the keys of a mask that counts by numbers of its own. They are
// compared as pointers.
type Keys interface {
	Key(number uint32) Key
}

func (t *Tally) made() *counts {
	if t.c == nil {
		t.c = &counts{all: make(map[Key]uint64)}
	}
	return t.c
}

// Add counts n more of k.
func (t *Tally) Add(k Key, n uint64) {
	c := t.made()
	slot := uint(k.Entity) + uint(len(k.Locus))
	if k.Locus != "" {
		slot += uint(k.Locus[len(k.Locus)-1])
	}
	r := &c.recent[slot%recentKeys]
	if r.Key != k {
		c.all[r.Key] += r.N
		*r = Count{Key: k}
	}
	r.N += n
	c.added++
}

// Added returns how often [Tally.Add] was called, so that who compares two answers learns
// whether anything was counted between them.
func (t *Tally) Added() uint64 {
	if t.c == nil {
		return 0
	}
	return t.c.added
}

// Numbers returns the counts of a mask by its own numbers, which are part of the
// tally until [Tally.Take].
func (t *Tally) Numbers(k Keys) *Numbers {
	c := t.made()
	for i := range c.numbered {
		if c.numbered[i].keys == k {
			return &c.numbered[i].counts
		}
	}
	c.numbered = append(c.numbered, numbered{keys: k})
	return &c.numbered[len(c.numbered)-1].counts
}

// Take returns the counts in a fixed order and sets them back to zero.
func (t *Tally) Take() []Count {
	if t.c == nil {
		return []Count{}
	}
	c := t.c
	for i := range c.recent {
		c.all[c.recent[i].Key] += c.recent[i].N
		c.recent[i] = Count{}
	}
	// A mask that counted nothing may be one whose rules have been replaced.
	c.numbered = slices.DeleteFunc(c.numbered, func(s numbered) bool { return s.counts.used == 0 })
	for i := range c.numbered {
		s := &c.numbered[i]
		for number, n := range s.counts.All() {
			c.all[s.keys.Key(number)] += n
		}
		s.counts.Reset()
	}
	out := make([]Count, 0, len(c.all))
	for k, n := range c.all {
		if n > 0 {
			out = append(out, Count{k, n})
		}
	}
	clear(c.all)
	slices.SortFunc(out, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Locus, b.Locus), cmp.Compare(a.Entity, b.Entity), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Operator, b.Operator))
	})
	return out
}
