// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package disclosure keeps account of the patients whose rows the answers of
// statements are made of.
//
// A [Collector] takes the keys of patients as they pass a mask, blinds them at
// once and keeps each once; when the statement has ended it makes the bodies of
// the leaves that go on record. A [Keyring] holds the privacy keys, of which every
// version stays good for searching. What a leaf holds, and why nobody can read a
// patient out of it, package evidence says.
package disclosure

import (
	"bytes"
	"fmt"
	"slices"
	"sync/atomic"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// Key is one version of the privacy key.
type Key struct {
	Version int
	Secret  []byte
}

// Keyring holds the versions of a privacy key. It is safe for concurrent use.
type Keyring struct {
	keys []Key // the newest last
	ids  []string
	// room is how many more patients all collectors together may keep.
	room atomic.Int64
}

// Room is how many slots for patients all collectors of a keyring may have at
// once, of 8 bytes each.
const Room = 1 << 25

// NewKeyring returns a keyring. The key with the highest version blinds what is
// recorded from now on.
func NewKeyring(keys ...Key) (*Keyring, error) {
	const op = "privacy key"
	r := &Keyring{keys: slices.Clone(keys)}
	slices.SortFunc(r.keys, func(a, b Key) int { return a.Version - b.Version })
	if len(keys) == 0 {
		return nil, sallyport.E(sallyport.Invalid, op, "there is no privacy key")
	}
	for i, k := range r.keys {
		switch {
		case k.Version < 1:
			return nil, sallyport.E(sallyport.Invalid, op, "a version of the privacy key is less than 1")
		case i > 0 && r.keys[i-1].Version == k.Version:
			return nil, sallyport.E(sallyport.Invalid, op, fmt.Sprintf("version %d of the privacy key is there twice", k.Version))
		case len(k.Secret) < evidence.MinPrivacyKey:
			return nil, sallyport.E(sallyport.Invalid, op, fmt.Sprintf("version %d of the privacy key has fewer than %d bytes", k.Version, evidence.MinPrivacyKey)).
				WithHint("make one with: openssl rand -base64 48")
		}
		id := evidence.PrivacyKeyID(k.Secret)
		if slices.Contains(r.ids, id) {
			return nil, sallyport.E(sallyport.Invalid, op, fmt.Sprintf("version %d of the privacy key is that of an earlier version", k.Version))
		}
		r.ids = append(r.ids, id)
	}
	r.room.Store(Room)
	return r, nil
}

// Search blinds a patient's key, as a person writes it, under every version.
func (r *Keyring) Search(namespace, patient string) []evidence.SearchKey {
	out := make([]evidence.SearchKey, len(r.keys))
	for i, k := range r.keys {
		out[i] = evidence.NewSearchKey(k.Secret, namespace, patient)
	}
	return out
}

// Subject returns what stands for a patient in the record of a search, and the
// version of the key that made it.
func (r *Keyring) Subject(namespace, patient string) (version int, subject string) {
	k := r.keys[len(r.keys)-1]
	forms := evidence.PatientForms(patient)
	return k.Version, evidence.NewBlinder(k.Secret, namespace).Subject([]byte(forms[len(forms)-1]))
}

// Collector returns a collector for one statement of a resource whose patients are
// of the namespace.
func (r *Keyring) Collector(namespace string) *Collector {
	last := len(r.keys) - 1
	return &Collector{
		ring: r, blinder: evidence.NewBlinder(r.keys[last].Secret, namespace),
		base: evidence.Disclosure{Namespace: namespace, Key: r.keys[last].Version, KeyID: r.ids[last]},
	}
}

// Collector takes the keys of the patients of one answer and keeps each once,
// blinded, in bounded memory. It implements mask.Keys, and is used by one
// goroutine at a time.
type Collector struct {
	ring    *Keyring
	blinder *evidence.Blinder
	base    evidence.Disclosure

	last  []byte // the latest key: the rows of one patient often follow each other
	any   bool   // last is one
	slots []uint64
	n     int  // slots in use
	zero  bool // the value 0, which marks a free slot, is in the set
	over  bool // too many; the set was dropped

	nulls, unreadable uint64
}

// Key implements mask.Keys.
func (c *Collector) Key(key []byte) {
	if c.over || c.any && bytes.Equal(c.last, key) {
		return
	}
	c.last, c.any = append(c.last[:0], key...), true
	c.add(c.blinder.Blind(key))
}

// Null implements mask.Keys.
func (c *Collector) Null() { c.nulls++ }

// Unreadable implements mask.Keys.
func (c *Collector) Unreadable() { c.unreadable++ }

// firstSlots is the size of the first table of a collector.
const firstSlots = 64

// add puts a value into the set: a table with open addressing, at most half full.
func (c *Collector) add(v uint64) {
	if v == 0 {
		c.zero = true
		return
	}
	if 2*(c.n+1) > len(c.slots) && !c.grow() {
		return
	}
	if put(c.slots, v) {
		c.n++
	}
	if c.n > evidence.SetMost {
		c.lose()
	}
}

// lose gives the set up: there are too many patients for it.
func (c *Collector) lose() {
	c.over = true
	c.drop()
}

// put reports whether v was not there yet.
func put(slots []uint64, v uint64) bool {
	mask := uint64(len(slots) - 1)
	for i := v & mask; ; i = (i + 1) & mask {
		switch slots[i] {
		case v:
			return false
		case 0:
			slots[i] = v
			return true
		}
	}
}

// grow doubles the table. Where there is no room it drops the set.
func (c *Collector) grow() bool {
	size := max(2*len(c.slots), firstSlots)
	more := int64(size - len(c.slots))
	if c.ring.room.Add(-more) < 0 {
		c.ring.room.Add(more)
		c.lose()
		return false
	}
	slots := make([]uint64, size)
	for _, v := range c.slots {
		if v != 0 {
			put(slots, v)
		}
	}
	c.slots = slots
	return true
}

func (c *Collector) drop() {
	c.ring.room.Add(int64(len(c.slots)))
	c.slots, c.n, c.zero = nil, 0, false
}

// Release forgets everything. What comes after it is lost.
func (c *Collector) Release() {
	c.drop()
	c.over = true
	clear(c.last)
}

// Leaves returns the bodies of the leaves for a statement that has ended: none when
// there is nothing to say. tables are those with keys of patients that it reached;
// unknown is what is known beside the keys. Number, rows and what was shown are left
// to the caller. It empties the collector.
func (c *Collector) Leaves(session sallyport.SessionID, stmt uint64, tables []string, unknown []evidence.UnknownPatients, rows uint64) []evidence.Disclosure {
	note := func(reason string, rows uint64) {
		if rows > 0 {
			unknown = append(unknown, evidence.UnknownPatients{Relations: tables, Reason: reason, Rows: rows})
		}
	}
	note(evidence.UnknownNullKey, c.nulls)
	note(evidence.UnknownForm, c.unreadable)
	if c.over {
		note(evidence.UnknownTooMany, max(rows, 1))
	}
	sets := evidence.NewBlindSets(c.salted(session, stmt))
	if len(sets) == 0 {
		if len(unknown) == 0 {
			return nil
		}
		sets = []evidence.BlindSet{{}}
	}
	out := make([]evidence.Disclosure, len(sets))
	for i, s := range sets {
		d := c.base
		d.Stmt, d.Rows, d.BlindSet = stmt, rows, s
		if len(sets) > 1 {
			d.Part, d.Parts = i+1, len(sets)
		}
		if i == 0 {
			d.Unknown = unknown
		}
		out[i] = d
	}
	return out
}

// salted empties the set and returns its values as the record of a statement has
// them.
func (c *Collector) salted(session sallyport.SessionID, stmt uint64) []uint64 {
	n := c.n
	if c.zero {
		n++
	}
	values := make([]uint64, 0, n)
	salt := evidence.NewSalt(session, stmt)
	for _, v := range c.slots {
		if v != 0 {
			values = append(values, salt.Of(v))
		}
	}
	if c.zero {
		values = append(values, salt.Of(0))
	}
	c.drop()
	return values
}
