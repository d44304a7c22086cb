// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sftp

import "encoding/binary"

// Request is what a client asks. Which fields count depends on the type.
type Request struct {
	Type Type
	ID   uint32 // of Init it is the version
	// Extension is the name of an extended request. One that is not known has its
	// fields in Rest.
	Extension []byte
	Rest      []byte

	Path []byte // or what a link leads to
	To   []byte // the second path
	// Handle is of the file that is asked about, or read for a copy; ToHandle is
	// written.
	Handle, ToHandle []byte
	Flags            uint32 // of Open
	Attrs            Attrs
	Offset           uint64
	Length           uint64 // how much is read or copied
	ToOffset         uint64
	Data             []byte
	UIDs, GIDs       []uint32
}

// ParseRequest decodes a packet of a client. One whose type is not known has a zero
// Type in what is returned, and the id where it has room for one.
func ParseRequest(b []byte) (Request, error) {
	d := &decoder{b: b}
	r := Request{Type: Type(d.byte()), ID: d.uint32()}
	switch r.Type {
	case Init: // extensions may follow, which nobody has ever defined
		d.b = nil
	case Open:
		r.Path, r.Flags, r.Attrs = d.string(maxPath), d.uint32(), d.attrs(true)
		if r.Flags&^uint32(flagAll) != 0 || r.Flags&(FlagRead|FlagWrite) == 0 {
			d.bad = true
		}
	case Close, Fstat, Readdir:
		r.Handle = d.string(MaxHandle)
	case Read:
		r.Handle, r.Offset, r.Length = d.string(MaxHandle), d.uint64(), uint64(d.uint32())
	case Write:
		r.Handle, r.Offset, r.Data = d.string(MaxHandle), d.uint64(), d.string(MaxPacket)
	case Lstat, Stat, Opendir, Remove, Rmdir, Realpath, Readlink:
		r.Path = d.string(maxPath)
	case Setstat, Mkdir:
		r.Path, r.Attrs = d.string(maxPath), d.attrs(true)
	case Fsetstat:
		r.Handle, r.Attrs = d.string(MaxHandle), d.attrs(true)
	case Rename, Symlink: // OpenSSH has the target of a link first, and so has everybody
		r.Path, r.To = d.string(maxPath), d.string(maxPath)
	case Extended:
		r.extended(d)
	default:
		if d.bad {
			return Request{}, d.end("request")
		}
		return Request{ID: r.ID}, nil
	}
	return r, d.end("request")
}

func (r *Request) extended(d *decoder) {
	r.Extension = d.string(maxPath)
	switch string(r.Extension) {
	case ExtPosixRename, ExtHardlink:
		r.Path, r.To = d.string(maxPath), d.string(maxPath)
	case ExtStatvfs, ExtExpandPath, ExtHome:
		r.Path = d.string(maxPath)
	case ExtFstatvfs, ExtFsync:
		r.Handle = d.string(MaxHandle)
	case ExtLsetstat:
		r.Path, r.Attrs = d.string(maxPath), d.attrs(true)
	case ExtLimits:
	case ExtCopyData:
		r.Handle, r.Offset, r.Length = d.string(MaxHandle), d.uint64(), d.uint64()
		r.ToHandle, r.ToOffset = d.string(MaxHandle), d.uint64()
	case ExtUsersGroups:
		r.UIDs, r.GIDs = d.ids(), d.ids()
	default:
		r.Rest, d.b = d.b, nil
	}
}

// ids takes numbers that are packed in a string.
func (d *decoder) ids() (out []uint32) {
	b := d.string(4 * maxPairs)
	if len(b)%4 != 0 {
		d.bad = true
		return nil
	}
	for ; len(b) > 0; b = b[4:] {
		out = append(out, binary.BigEndian.Uint32(b))
	}
	return out
}

// AppendRequest appends a packet that asks r, with its length.
func AppendRequest(dst []byte, r Request) []byte {
	dst, at := begin(dst, r.Type)
	dst = binary.BigEndian.AppendUint32(dst, r.ID)
	switch r.Type {
	case Open:
		dst = appendString(dst, r.Path)
		dst = binary.BigEndian.AppendUint32(dst, r.Flags)
		dst = AppendAttrs(dst, r.Attrs)
	case Close, Fstat, Readdir:
		dst = appendString(dst, r.Handle)
	case Read:
		dst = binary.BigEndian.AppendUint64(appendString(dst, r.Handle), r.Offset)
		dst = binary.BigEndian.AppendUint32(dst, uint32(r.Length))
	case Write:
		dst = binary.BigEndian.AppendUint64(appendString(dst, r.Handle), r.Offset)
		dst = appendString(dst, r.Data)
	case Lstat, Stat, Opendir, Remove, Rmdir, Realpath, Readlink:
		dst = appendString(dst, r.Path)
	case Setstat, Mkdir:
		dst = AppendAttrs(appendString(dst, r.Path), r.Attrs)
	case Fsetstat:
		dst = AppendAttrs(appendString(dst, r.Handle), r.Attrs)
	case Rename, Symlink:
		dst = appendString(appendString(dst, r.Path), r.To)
	case Extended:
		dst = r.appendExtended(appendString(dst, r.Extension))
	}
	return finish(dst, at)
}

func (r *Request) appendExtended(dst []byte) []byte {
	switch string(r.Extension) {
	case ExtPosixRename, ExtHardlink:
		return appendString(appendString(dst, r.Path), r.To)
	case ExtStatvfs, ExtExpandPath, ExtHome:
		return appendString(dst, r.Path)
	case ExtFstatvfs, ExtFsync:
		return appendString(dst, r.Handle)
	case ExtLsetstat:
		return AppendAttrs(appendString(dst, r.Path), r.Attrs)
	case ExtCopyData:
		dst = binary.BigEndian.AppendUint64(appendString(dst, r.Handle), r.Offset)
		dst = binary.BigEndian.AppendUint64(dst, r.Length)
		return binary.BigEndian.AppendUint64(appendString(dst, r.ToHandle), r.ToOffset)
	case ExtUsersGroups:
		return appendIDs(appendIDs(dst, r.UIDs), r.GIDs)
	}
	return append(dst, r.Rest...)
}

func appendIDs(dst []byte, ids []uint32) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(4*len(ids)))
	for _, id := range ids {
		dst = binary.BigEndian.AppendUint32(dst, id)
	}
	return dst
}
