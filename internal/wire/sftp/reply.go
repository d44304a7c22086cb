// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sftp

import "encoding/binary"

// Name is an entry of a directory.
type Name struct {
	Name, Long []byte
	Attrs      Attrs
}

// Reply is what a server answers. Which fields count depends on the type.
type Reply struct {
	Type Type
	ID   uint32 // of VersionReply it is the version
	// Extensions of VersionReply, by name.
	Extensions map[string]string
	Code       Code
	Message    []byte
	Handle     []byte
	Data       []byte // of DataReply, and the fields of ExtendedReply
	Names      []Name
	Attrs      Attrs
}

// ParseReply decodes a packet of a server.
func ParseReply(b []byte) (Reply, error) {
	d := &decoder{b: b}
	r := Reply{Type: Type(d.byte()), ID: d.uint32()}
	switch r.Type {
	case VersionReply:
		r.Extensions = map[string]string{}
		for len(d.b) > 0 && !d.bad {
			name, value := d.string(MaxPacket), d.string(MaxPacket)
			if len(r.Extensions) == maxPairs {
				d.bad = true
			}
			r.Extensions[string(name)] = string(value)
		}
	case StatusReply:
		r.Code = Code(d.uint32())
		if len(d.b) > 0 { // old servers leave the texts out
			r.Message = d.string(MaxPacket)
			d.string(MaxPacket) // its language
		}
	case HandleReply:
		r.Handle = d.string(MaxHandle)
	case DataReply:
		r.Data = d.string(MaxPacket)
	case NameReply:
		n := d.uint32()
		if n > MaxNames {
			d.bad = true
		}
		for i := uint32(0); i < n && !d.bad; i++ {
			r.Names = append(r.Names, Name{d.string(MaxPacket), d.string(MaxPacket), d.attrs(false)})
		}
	case AttrsReply:
		r.Attrs = d.attrs(false)
	case ExtendedReply:
		r.Data, d.b = d.b, nil
	default:
		return r, malformed("answer", "its type is not known")
	}
	return r, d.end("answer")
}

// AppendVersion appends a server's first packet. extensions are pairs of a name and
// its value.
func AppendVersion(dst []byte, extensions ...string) []byte {
	dst, at := begin(dst, VersionReply)
	dst = binary.BigEndian.AppendUint32(dst, Version)
	for _, e := range extensions {
		dst = appendString(dst, e)
	}
	return finish(dst, at)
}

// AppendStatus appends a packet with a status.
func AppendStatus(dst []byte, id uint32, code Code, message string) []byte {
	dst, at := begin(dst, StatusReply)
	dst = binary.BigEndian.AppendUint32(dst, id)
	dst = binary.BigEndian.AppendUint32(dst, uint32(code))
	return finish(appendString(appendString(dst, message), ""), at)
}

// AppendHandle appends a packet with a handle.
func AppendHandle(dst []byte, id uint32, handle []byte) []byte {
	dst, at := begin(dst, HandleReply)
	return finish(appendString(binary.BigEndian.AppendUint32(dst, id), handle), at)
}

// AppendAttrsReply appends a packet with attributes.
func AppendAttrsReply(dst []byte, id uint32, a Attrs) []byte {
	dst, at := begin(dst, AttrsReply)
	return finish(AppendAttrs(binary.BigEndian.AppendUint32(dst, id), a), at)
}

// AppendExtendedReply appends the answer to an extension.
func AppendExtendedReply(dst []byte, id uint32, fields []byte) []byte {
	dst, at := begin(dst, ExtendedReply)
	return finish(append(binary.BigEndian.AppendUint32(dst, id), fields...), at)
}

// AppendDataHead appends what stands before n bytes of a file.
func AppendDataHead(dst []byte, id uint32, n int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(1+4+4+n))
	dst = binary.BigEndian.AppendUint32(append(dst, byte(DataReply)), id)
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

// AppendNames appends a packet with entries.
func AppendNames(dst []byte, id uint32, names ...Name) []byte {
	dst, at := begin(dst, NameReply)
	dst = binary.BigEndian.AppendUint32(dst, id)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(names)))
	for _, n := range names {
		dst = AppendAttrs(appendString(appendString(dst, n.Name), n.Long), n.Attrs)
	}
	return finish(dst, at)
}

// Limits are what a server says of itself (limits@openssh.com); 0 is no bound.
type Limits struct{ Packet, Read, Write, Handles uint64 }

// ParseLimits decodes the fields of an answer to limits@openssh.com.
func ParseLimits(b []byte) (Limits, error) {
	d := &decoder{b: b}
	l := Limits{d.uint64(), d.uint64(), d.uint64(), d.uint64()}
	return l, d.end("answer")
}

// AppendLimits appends the fields of an answer to limits@openssh.com.
func AppendLimits(dst []byte, l Limits) []byte {
	for _, n := range []uint64{l.Packet, l.Read, l.Write, l.Handles} {
		dst = binary.BigEndian.AppendUint64(dst, n)
	}
	return dst
}
