// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgwire

import (
	"bytes"
	"encoding/binary"
	"iter"

	"github.com/sallyport-dev/sallyport"
)

// malformed reports a message that breaks the protocol. The reason is one of
// our own sentences and never holds bytes of the message.
func malformed(message, why string) error {
	return sallyport.E(sallyport.Invalid, "postgres protocol", "malformed "+message+": "+why).
		WithHint("the peer does not speak PostgreSQL's protocol 3 correctly; check the driver and its version").
		Because(ProtocolViolation)
}

// cursor reads a body from its start. The first failure sticks in why, later
// reads return zero values, so that decoders check once, at their end.
type cursor struct {
	b   []byte
	why string
}

func (c *cursor) fail(why string) {
	if c.why == "" {
		c.why = why
	}
	c.b = nil
}

// take returns the next n bytes as a view without spare capacity.
func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.fail("it ends too early")
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) u8() byte {
	v := c.take(1)
	if v == nil {
		return 0
	}
	return v[0]
}

func (c *cursor) u16() uint16 {
	v := c.take(2)
	if v == nil {
		return 0
	}
	return binary.BigEndian.Uint16(v)
}

func (c *cursor) u32() uint32 {
	v := c.take(4)
	if v == nil {
		return 0
	}
	return binary.BigEndian.Uint32(v)
}

// str returns the bytes up to the next zero byte and steps over it.
func (c *cursor) str() []byte {
	i := bytes.IndexByte(c.b, 0)
	if i < 0 {
		c.fail("a string is not terminated")
		return nil
	}
	v := c.b[:i:i]
	c.b = c.b[i+1:]
	return v
}

// value returns a length-prefixed value; nil stands for NULL (length -1).
func (c *cursor) value() []byte {
	n := int32(c.u32())
	if c.why != "" || n == -1 {
		return nil
	}
	return c.take(int(n)) // refuses what is below -1
}

// formats returns a count and as many format codes.
func (c *cursor) formats() Formats {
	f := Formats{b: c.take(2 * int(c.u16()))}
	for i := range f.Len() {
		if code := f.At(i); code != FormatText && code != FormatBinary {
			c.fail("a format code is unknown")
			return Formats{}
		}
	}
	return f
}

// values returns a count and as many values. It walks by hand, since it runs for
// every row that is masked.
func (c *cursor) values() Values {
	n := int(c.u16())
	b, at, size := c.b, 0, 0
	for range n {
		if len(b)-at < 4 {
			c.fail("it ends too early")
			return Values{}
		}
		length := int(int32(binary.BigEndian.Uint32(b[at:])))
		at += 4
		if length == -1 {
			continue
		}
		if length < 0 || length > len(b)-at {
			c.fail("a value's length exceeds the message")
			return Values{}
		}
		at += length
		size += length
	}
	return Values{n: n, size: size, b: c.take(at)}
}

// end reports the first failure, or bytes that are left over.
func (c *cursor) end(message string) error {
	if c.why == "" && len(c.b) != 0 {
		c.why = "it is longer than its contents"
	}
	if c.why != "" {
		return malformed(message, c.why)
	}
	return nil
}

// Formats is a list of format codes as it stands in a message. The zero value
// is the empty list.
type Formats struct{ b []byte }

// Len returns the number of codes.
func (f Formats) Len() int { return len(f.b) / 2 }

// At returns code i, from 0; i must be below Len.
func (f Formats) At(i int) int16 { return int16(binary.BigEndian.Uint16(f.b[2*i:])) }

// For returns the code that applies to value i, from 0: no codes mean text for
// all, one code stands for all, otherwise there is a code for each. A value
// beyond the codes counts as binary, since nothing may be concluded about it.
func (f Formats) For(i int) int16 {
	switch n := f.Len(); {
	case n == 0:
		return FormatText
	case n == 1:
		return f.At(0)
	case i >= 0 && i < n:
		return f.At(i)
	}
	return FormatBinary
}

// fits reports whether the list may stand beside n values.
func (f Formats) fits(n int) bool { return f.Len() <= 1 || f.Len() == n }

// OIDs is a list of object identifiers as it stands in a message. The zero
// value is the empty list.
type OIDs struct{ b []byte }

// Len returns the number of OIDs.
func (o OIDs) Len() int { return len(o.b) / 4 }

// At returns OID i, from 0; i must be below Len.
func (o OIDs) At(i int) uint32 { return binary.BigEndian.Uint32(o.b[4*i:]) }

// Values is a list of length-prefixed values as it stands in a message. The
// zero value is the empty list.
type Values struct {
	n, size int
	b       []byte
}

// Len returns the number of values.
func (v Values) Len() int { return v.n }

// Size returns the number of bytes of all values together, without their
// lengths.
func (v Values) Size() int { return v.size }

// next splits the first value off b, which was checked when it was decoded.
func next(b []byte) (value, rest []byte) {
	length := int(int32(binary.BigEndian.Uint32(b)))
	b = b[4:]
	if length < 0 {
		return nil, b
	}
	return b[:length:length], b[length:]
}

// All yields the values with their index, from 0. A NULL is nil, an empty value
// is not.
func (v Values) All() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		var value []byte
		rest := v.b
		for i := range v.n {
			if value, rest = next(rest); !yield(i, value) {
				return
			}
		}
	}
}

// Append appends the values to dst; a NULL is nil, an empty value is not.
func (v Values) Append(dst [][]byte) [][]byte {
	var value []byte
	rest := v.b
	for range v.n {
		value, rest = next(rest)
		dst = append(dst, value)
	}
	return dst
}

// Strings is a list of zero-terminated strings as it stands in a message. The
// zero value is the empty list.
type Strings struct{ b []byte }

// All yields the strings in their order.
func (s Strings) All() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for c := (cursor{b: s.b}); len(c.b) > 0; {
			if !yield(c.str()) {
				return
			}
		}
	}
}

// Has reports whether the list holds name.
func (s Strings) Has(name string) bool {
	for v := range s.All() {
		if string(v) == name {
			return true
		}
	}
	return false
}
