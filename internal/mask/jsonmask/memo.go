// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package jsonmask

import (
	"bytes"
	"encoding/binary"
)

// Limits of what a run remembers. Each kind has a table in which a newer one takes the
// place of an older one; what is longer is looked at each time.
const (
	nameSlots  = 256
	valueSlots = 512
	maxKept    = 128 // bytes of a value
)

// names remembers the names of members: what their number is, which has to be looked up
// otherwise, and whether there is anything to find in them.
type names struct {
	slots [nameSlots]name
	long  name // the latest that is too long
}

// name is what is known of a name.
type name struct {
	key    []byte
	known  bool
	number int
	named  bool // it has a number, or holds no data for another reason
	clean  bool // nothing is found in it
}

// of returns what is known of a name. What its caller finds out of it is remembered, if
// it says so before the next call.
func (n *names) of(key []byte, numbers map[string]int) *name {
	slot := &n.long
	if len(key) <= maxKept {
		slot = &n.slots[mix(key)%nameSlots]
		if slot.known && bytes.Equal(slot.key, key) {
			return slot
		}
		slot.key, slot.known = append(slot.key[:0], key...), true
	}
	slot.number, slot.named = numbers[string(key)]
	slot.clean = false
	return slot
}

// values remembers strings in which nothing is found. What a scan finds in a string
// depends on it, on the name that it stands behind and on the rules of its place, as
// long as no words are known of a row.
type values struct{ slots []value }

type value struct {
	v, under []byte
	place    place
	known    bool
}

// slot is where a value is remembered, nil for one that is too long.
func (m *values) slot(v, under []byte) *value {
	if len(v) > maxKept || len(under) > maxKept {
		return nil
	}
	if m.slots == nil {
		m.slots = make([]value, valueSlots)
	}
	return &m.slots[(mix(v)+mix(under)*31)%valueSlots]
}

func (s *value) holds(v, under []byte, p place) bool {
	return s.known && s.place == p && bytes.Equal(s.v, v) && bytes.Equal(s.under, under)
}

func (s *value) keep(v, under []byte, p place) {
	s.v, s.under, s.place, s.known = append(s.v[:0], v...), append(s.under[:0], under...), p, true
}

// mix makes a number of the length, the beginning and the end of b. Those who choose
// what they send can have all of it in one place, and gain that it is looked at each time.
func mix(b []byte) uint64 {
	const odd = 0x9E3779B97F4A7C15
	h := uint64(len(b))
	if len(b) >= 8 {
		h ^= binary.LittleEndian.Uint64(b) * odd
		h = (h ^ h>>29) + binary.LittleEndian.Uint64(b[len(b)-8:])
	} else {
		for _, c := range b {
			h = h<<8 | uint64(c)
		}
	}
	h *= odd
	return h >> 32
}
