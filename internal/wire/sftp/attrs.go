// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sftp

import "encoding/binary"

// Flags of attributes (section 5).
const (
	AttrSize        = 0x01
	AttrOwner       = 0x02
	AttrPermissions = 0x04
	AttrTimes       = 0x08
	attrExtended    = 0x80000000
	attrAll         = AttrSize | AttrOwner | AttrPermissions | AttrTimes
)

// Bits of permissions that tell what a file is, as POSIX has them.
const (
	ModeType    = 0o170000
	ModeDir     = 0o040000
	ModeRegular = 0o100000
	ModeLink    = 0o120000
)

// Attrs are a file's attributes; Flags says which of them there are.
type Attrs struct {
	Flags        uint32
	Size         uint64
	UID, GID     uint32
	Permissions  uint32
	Atime, Mtime uint32
}

// Has reports whether all attributes of the flags are there.
func (a Attrs) Has(flags uint32) bool { return a.Flags&flags == flags }

// Is reports whether the permissions say that the file is of a type.
func (a Attrs) Is(mode uint32) bool { return a.Has(AttrPermissions) && a.Permissions&ModeType == mode }

// attrs takes attributes. Extended ones have no meaning that is agreed on: where
// they come from a client they are malformed, in answers they are left out.
func (d *decoder) attrs(client bool) (a Attrs) {
	flags := d.uint32()
	if flags&^uint32(attrAll|attrExtended) != 0 || client && flags&attrExtended != 0 {
		d.bad = true
	}
	a.Flags = flags & attrAll
	if a.Has(AttrSize) {
		a.Size = d.uint64()
	}
	if a.Has(AttrOwner) {
		a.UID, a.GID = d.uint32(), d.uint32()
	}
	if a.Has(AttrPermissions) {
		a.Permissions = d.uint32()
	}
	if a.Has(AttrTimes) {
		a.Atime, a.Mtime = d.uint32(), d.uint32()
	}
	if flags&attrExtended != 0 {
		n := d.uint32()
		if n > maxPairs {
			d.bad = true
		}
		for i := uint32(0); i < n && !d.bad; i++ {
			d.string(MaxPacket)
			d.string(MaxPacket)
		}
	}
	return a
}

// AppendAttrs appends attributes.
func AppendAttrs(dst []byte, a Attrs) []byte {
	flags := a.Flags & attrAll
	dst = binary.BigEndian.AppendUint32(dst, flags)
	if flags&AttrSize != 0 {
		dst = binary.BigEndian.AppendUint64(dst, a.Size)
	}
	if flags&AttrOwner != 0 {
		dst = binary.BigEndian.AppendUint32(dst, a.UID)
		dst = binary.BigEndian.AppendUint32(dst, a.GID)
	}
	if flags&AttrPermissions != 0 {
		dst = binary.BigEndian.AppendUint32(dst, a.Permissions)
	}
	if flags&AttrTimes != 0 {
		dst = binary.BigEndian.AppendUint32(dst, a.Atime)
		dst = binary.BigEndian.AppendUint32(dst, a.Mtime)
	}
	return dst
}
