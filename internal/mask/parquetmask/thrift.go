// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package parquetmask

import "encoding/binary"

// Limits of a structure in Thrift's compact protocol.
const (
	maxThriftDepth = 32
	maxElements    = 4 << 20   // of lists, in all
	maxStructs     = 512 << 10 // among them
)

// The types of the compact protocol.
const (
	thriftTrue = iota + 1
	thriftFalse
	thriftByte
	thriftI16
	thriftI32
	thriftI64
	thriftDouble
	thriftBinary
	thriftList
	thriftSet
	thriftMap
	thriftStruct
)

// skimmer goes over a structure without keeping any of it, so that what is decoded
// after it is known to be of bounded size: the decoder allocates what a length says
// before it looks whether there is as much.
type skimmer struct {
	b                 []byte
	elements, structs int
	short             bool // the structure is longer than what is there
}

// skim returns the length of the structure at the beginning of b. short says that b
// ends before it.
func skim(b []byte) (n int, short, ok bool) {
	s := &skimmer{b: b}
	ok = s.fields(0)
	return len(b) - len(s.b), s.short, ok && !s.short
}

func (s *skimmer) uvarint() (uint64, bool) {
	v, n := binary.Uvarint(s.b)
	if n <= 0 {
		s.short = s.short || n == 0
		return 0, false
	}
	s.b = s.b[n:]
	return v, true
}

func (s *skimmer) byte() (byte, bool) {
	if len(s.b) == 0 {
		s.short = true
		return 0, false
	}
	c := s.b[0]
	s.b = s.b[1:]
	return c, true
}

func (s *skimmer) pass(n uint64) bool {
	if n > uint64(len(s.b)) {
		s.short = true
		return false
	}
	s.b = s.b[n:]
	return true
}

func (s *skimmer) fields(depth int) bool {
	if s.structs++; depth > maxThriftDepth || s.structs > maxStructs {
		return false
	}
	for {
		head, ok := s.byte()
		if !ok {
			return false
		}
		if head == 0 {
			return true
		}
		if head>>4 == 0 { // the field's number follows
			if _, ok := s.uvarint(); !ok {
				return false
			}
		}
		if t := head & 0x0f; t != thriftTrue && t != thriftFalse && !s.value(t, depth) {
			return false
		}
	}
}

func (s *skimmer) value(t byte, depth int) bool {
	switch t {
	case thriftTrue, thriftFalse, thriftByte: // in a list, where a boolean is a byte
		return s.pass(1)
	case thriftI16, thriftI32, thriftI64:
		_, ok := s.uvarint()
		return ok
	case thriftDouble:
		return s.pass(8)
	case thriftBinary:
		n, ok := s.uvarint()
		return ok && s.pass(n)
	case thriftList:
		return s.list(depth)
	case thriftStruct:
		return s.fields(depth + 1)
	}
	return false // Parquet has no sets and no maps
}

func (s *skimmer) list(depth int) bool {
	head, ok := s.byte()
	if !ok {
		return false
	}
	n := uint64(head >> 4)
	if n == 15 {
		if n, ok = s.uvarint(); !ok {
			return false
		}
	}
	if n > uint64(maxElements-s.elements) || depth > maxThriftDepth {
		return false
	}
	s.elements += int(n)
	for range n {
		if !s.value(head&0x0f, depth+1) {
			return false
		}
	}
	return true
}
