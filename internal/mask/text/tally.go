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
// The zero value is empty.
type Tally struct {
	counts map[Key]uint64
	last   Key // most values follow one of the same key
	n      uint64
}

// Add counts n more of k.
func (t *Tally) Add(k Key, n uint64) {
	if k == t.last {
		t.n += n
		return
	}
	t.flush()
	t.last, t.n = k, n
}

func (t *Tally) flush() {
	if t.n == 0 {
		return
	}
	if t.counts == nil {
		t.counts = make(map[Key]uint64)
	}
	t.counts[t.last] += t.n
	t.n = 0
}

// Take returns the counts in a fixed order and sets them back to zero.
func (t *Tally) Take() []Count {
	t.flush()
	out := make([]Count, 0, len(t.counts))
	for k, n := range t.counts {
		out = append(out, Count{k, n})
	}
	clear(t.counts)
	slices.SortFunc(out, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Locus, b.Locus), cmp.Compare(a.Entity, b.Entity), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Operator, b.Operator))
	})
	return out
}
