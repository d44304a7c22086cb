// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package arrowmask

import "encoding/binary"

// flat reads a FlatBuffer that nobody has checked. What lies outside of it reads as
// zero and makes it bad, so that callers look once, at the end.
type flat struct {
	b   []byte
	bad bool
}

func (f *flat) at(i, n int) []byte {
	if i < 0 || i > len(f.b)-n {
		f.bad = true
		return make([]byte, 8)
	}
	return f.b[i:]
}

func (f *flat) u8(i int) uint8   { return f.at(i, 1)[0] }
func (f *flat) u16(i int) uint16 { return binary.LittleEndian.Uint16(f.at(i, 2)) }
func (f *flat) u32(i int) uint32 { return binary.LittleEndian.Uint32(f.at(i, 4)) }
func (f *flat) i64(i int) int64  { return int64(binary.LittleEndian.Uint64(f.at(i, 8))) }

// indirect follows the offset at i.
func (f *flat) indirect(i int) int { return i + int(f.u32(i)) }

// table is a table of a flat, or one that is not there, of which every field has
// its default.
type table struct {
	f           *flat
	pos, vtable int
	size        int // of the vtable; 0 for a table that is not there
}

func (f *flat) table(pos int) table {
	vtable := pos - int(int32(f.u32(pos)))
	return table{f, pos, vtable, int(f.u16(vtable))}
}

// field returns where a field is, or 0.
func (t table) field(id int) int {
	slot := 4 + 2*id
	if slot+2 > t.size {
		return 0
	}
	off := int(t.f.u16(t.vtable + slot))
	if off == 0 {
		return 0
	}
	return t.pos + off
}

func (t table) u8(id int, def uint8) uint8 {
	if p := t.field(id); p != 0 {
		return t.f.u8(p)
	}
	return def
}

func (t table) i16(id int, def int16) int16 {
	if p := t.field(id); p != 0 {
		return int16(t.f.u16(p))
	}
	return def
}

func (t table) i32(id int, def int32) int32 {
	if p := t.field(id); p != 0 {
		return int32(t.f.u32(p))
	}
	return def
}

func (t table) i64(id int) int64 {
	if p := t.field(id); p != 0 {
		return t.f.i64(p)
	}
	return 0
}

// child returns the table that a field refers to.
func (t table) child(id int) (c table, ok bool) {
	p := t.field(id)
	if p == 0 {
		return table{f: t.f}, false
	}
	return t.f.table(t.f.indirect(p)), true
}

// vector returns where the elements of a vector begin, each of a size, and how many
// there are. All of them are in the buffer.
func (t table) vector(id, size int) (pos, n int) {
	p := t.field(id)
	if p == 0 {
		return 0, 0
	}
	v := t.f.indirect(p)
	n = int(t.f.u32(v))
	if t.f.bad || n > (len(t.f.b)-v-4)/size {
		t.f.bad = true
		return 0, 0
	}
	return v + 4, n
}

// text returns a string, which is a short one.
func (t table) text(id int) string {
	pos, n := t.vector(id, 1)
	if n > maxName {
		t.f.bad = true
		return ""
	}
	return string(t.f.b[pos : pos+n])
}
