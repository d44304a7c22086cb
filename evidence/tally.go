// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"slices"
	"strings"
)

// tally counts what the summary says.
type tally struct {
	index     *sheetWriter
	leaves    uint64
	sessions  uint64
	granted   uint64 // sessions that rest on a grant
	notClosed uint64
	loggedOff uint64
	results   map[string]uint64 // statements by how they ended
	decisions map[[2]string]uint64
	logins    [2]uint64 // refused, accepted
	masks     map[maskKey]*maskCount
	reviews   uint64

	overdue, unowned, standing []string // machine identities
}

// maskKey is one way in which a kind of data was masked.
type maskKey struct{ labels, operator string }

type maskCount struct{ columns, seen, masked, nulls uint64 }

func newTally() tally {
	return tally{results: map[string]uint64{}, decisions: map[[2]string]uint64{}, masks: map[maskKey]*maskCount{}}
}

func (t *tally) statement(phase, result string) {
	if phase != "analyse" {
		t.results[result]++
	}
}

func (t *tally) session(granted, closed bool) {
	t.sessions++
	if granted {
		t.granted++
	}
	if !closed {
		t.notClosed++
	}
}

func (t *tally) login(accepted bool) {
	if accepted {
		t.logins[1]++
	} else {
		t.logins[0]++
	}
}

func (t *tally) decision(b *Decision) { t.decisions[[2]string{b.Kind, b.Decision}]++ }

func (t *tally) masking(b *Masking) {
	key := maskKey{operator: b.Operator}
	switch len(b.Labels) {
	case 0:
		key.labels = "(no label)"
	case 1:
		key.labels = string(b.Labels[0])
	default:
		key.labels = strings.Join(plainTexts(b.Labels), ", ")
	}
	c := t.masks[key]
	if c == nil {
		c = &maskCount{}
		t.masks[key] = c
	}
	c.columns++
	c.seen, c.masked, c.nulls = c.seen+b.Seen, c.masked+b.Masked, c.nulls+b.Nulls
}

// machine notes what about an identity needs an answer.
func (t *tally) machine(m machine, ungranted bool) {
	if m.entry == nil {
		t.unowned = append(t.unowned, m.id)
	}
	if m.overdue {
		t.overdue = append(t.overdue, m.id)
	}
	if m.review.IsZero() && (ungranted || len(m.access[accessStanding]) > 0) {
		t.standing = append(t.standing, m.id)
	}
}

// maskKeys are the ways of masking, those with the most values first.
func (t *tally) maskKeys() []maskKey {
	keys := make([]maskKey, 0, len(t.masks))
	for k := range t.masks {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b maskKey) int {
		return cmp.Or(cmp.Compare(t.masks[b].masked, t.masks[a].masked), cmp.Compare(a.labels, b.labels), cmp.Compare(a.operator, b.operator))
	})
	return keys
}
