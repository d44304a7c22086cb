// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir

import (
	"bytes"
	"hash/maphash"
)

// ordinals numbers keys in the order in which they are first asked for. It is
// used again for the next document without new memory.
type ordinals struct {
	seed  maphash.Seed
	table []uint32 // by hash, open addressing; 0 is free, else the number
	keys  []span   // by number, from 1
	arena []byte
}

type span struct {
	start, end int
	hash       uint64
}

func (o *ordinals) reset() {
	if len(o.table) == 0 {
		o.seed = maphash.MakeSeed() // spreads keys; no result depends on it
		o.table = make([]uint32, 64)
	}
	if len(o.keys) > 0 {
		clear(o.table)
	}
	o.keys, o.arena = o.keys[:0], o.arena[:0]
}

// of returns the number of the key that parts make together.
func (o *ordinals) of(parts ...[]byte) uint32 {
	start := len(o.arena)
	for _, p := range parts {
		o.arena = append(o.arena, p...)
	}
	key := o.arena[start:]
	h := maphash.Bytes(o.seed, key)
	slot := o.slot(h, key)
	if n := o.table[slot]; n != 0 {
		o.arena = o.arena[:start]
		return n
	}
	o.keys = append(o.keys, span{start, len(o.arena), h})
	n := uint32(len(o.keys))
	o.table[slot] = n
	if len(o.keys)*2 > len(o.table) {
		o.grow()
	}
	return n
}

// slot returns where a key stands, or where it would.
func (o *ordinals) slot(h uint64, key []byte) uint64 {
	mask := uint64(len(o.table) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		n := o.table[i]
		if n == 0 {
			return i
		}
		if k := o.keys[n-1]; k.hash == h && bytes.Equal(o.arena[k.start:k.end], key) {
			return i
		}
	}
}

func (o *ordinals) grow() {
	o.table = make([]uint32, 2*len(o.table))
	for i, k := range o.keys {
		o.table[o.slot(k.hash, o.arena[k.start:k.end])] = uint32(i + 1)
	}
}
