// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package sftp encodes and decodes the packets of the SSH File Transfer Protocol,
// version 3 (draft-ietf-secsh-filexfer-02), with the extensions that OpenSSH's
// server has (its PROTOCOL, section 4). It does no I/O beyond taking a packet off a
// reader, and believes no length before it has compared it.
//
// What is decoded refers to the packet that it was decoded from. A packet with bytes
// behind its last field is malformed: two readers could understand it differently.
package sftp

import (
	"encoding/binary"
	"fmt"
	"io"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Version is the protocol's version.
const Version = 3

// Limits, in bytes. Those of packets are OpenSSH's.
const (
	MaxPacket = 256 << 10         // without the length in front
	MaxData   = MaxPacket - 1<<10 // of a file in one packet
	MaxHandle = 256
	// maxPath is more than any system takes, so that a path that is too long is
	// refused as one, and not as a broken packet.
	maxPath = 64 << 10
	// maxPairs bounds the extensions of a server, and the ids of one question.
	maxPairs = 256
	// MaxNames bounds the entries of one answer.
	MaxNames = 8192
)

// Type is a packet's type.
type Type byte

// The types (section 3).
const (
	Init          Type = 1
	VersionReply  Type = 2
	Open          Type = 3
	Close         Type = 4
	Read          Type = 5
	Write         Type = 6
	Lstat         Type = 7
	Fstat         Type = 8
	Setstat       Type = 9
	Fsetstat      Type = 10
	Opendir       Type = 11
	Readdir       Type = 12
	Remove        Type = 13
	Mkdir         Type = 14
	Rmdir         Type = 15
	Realpath      Type = 16
	Stat          Type = 17
	Rename        Type = 18
	Readlink      Type = 19
	Symlink       Type = 20
	StatusReply   Type = 101
	HandleReply   Type = 102
	DataReply     Type = 103
	NameReply     Type = 104
	AttrsReply    Type = 105
	Extended      Type = 200
	ExtendedReply Type = 201
)

// Code is the code of a status (section 7).
type Code uint32

// The codes.
const (
	OK Code = iota
	EOF
	NoSuchFile
	PermissionDenied
	Failure
	BadMessage
	NoConnection
	ConnectionLost
	OpUnsupported
)

// String returns what a code means, for a person.
func (c Code) String() string {
	switch c {
	case OK:
		return "success"
	case EOF:
		return "end of file"
	case NoSuchFile:
		return "no such file or directory"
	case PermissionDenied:
		return "the target denies permission"
	case BadMessage:
		return "the message cannot be understood"
	case NoConnection, ConnectionLost:
		return "the connection to the target is lost"
	case OpUnsupported:
		return "the operation is not known"
	}
	return "the target reports a failure"
}

// Flags of Open (section 6.3).
const (
	FlagRead   = 0x01
	FlagWrite  = 0x02
	FlagAppend = 0x04
	FlagCreate = 0x08
	FlagTrunc  = 0x10
	FlagExcl   = 0x20
	flagAll    = 0x3f
)

// Names of the extensions.
const (
	ExtPosixRename = "posix-rename@openssh.com"
	ExtStatvfs     = "statvfs@openssh.com"
	ExtFstatvfs    = "fstatvfs@openssh.com"
	ExtHardlink    = "hardlink@openssh.com"
	ExtFsync       = "fsync@openssh.com"
	ExtLsetstat    = "lsetstat@openssh.com"
	ExtLimits      = "limits@openssh.com"
	ExtExpandPath  = "expand-path@openssh.com"
	ExtCopyData    = "copy-data"
	ExtHome        = "home-directory"
	ExtUsersGroups = "users-groups-by-id@openssh.com"
)

// ReadPacket takes one packet off r into buf, or into more memory where that is too
// small, and returns it with the four bytes of its length in front. A length of 0, or
// beyond [MaxPacket], is an error: nothing behind it can be understood. The error is
// [io.EOF] when r ended before a packet.
func ReadPacket(r io.Reader, buf []byte) ([]byte, error) {
	if cap(buf) < head {
		buf = make([]byte, head)
	}
	buf = buf[:head]
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(buf)
	if n == 0 || n > MaxPacket {
		return nil, malformed("packet", "its declared length is not 1 to 256 KiB")
	}
	if cap(buf) < head+int(n) {
		buf = append(make([]byte, 0, head+int(n)), buf...)
	}
	buf = buf[:head+int(n)]
	if _, err := io.ReadFull(r, buf[head:]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return buf, nil
}

// head is how many bytes a packet's length has.
const head = 4

// Body is a packet without the length in front.
func Body(packet []byte) []byte { return packet[head:] }

// Renumber gives an answer that was decoded, and has its length in front, another id.
func Renumber(packet []byte, id uint32) { binary.BigEndian.PutUint32(packet[head+1:], id) }

func malformed(what, why string) error {
	return sallyport.E(sallyport.Invalid, "sftp", fmt.Sprintf("the %s cannot be understood: %s", what, why)).WithHint("send what SFTP version 3 has")
}

// decoder takes fields off a packet. After the first failure it gives zero values.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n uint64) []byte {
	if d.bad || n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	out := d.b[:n:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if b := d.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if b := d.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// string takes a string of at most n bytes.
func (d *decoder) string(n int) []byte {
	length := d.uint32()
	if uint64(length) > uint64(n) {
		d.bad = true
	}
	return d.take(uint64(length))
}

func (d *decoder) end(what string) error {
	if d.bad {
		return malformed(what, "a field is missing or too long")
	}
	if len(d.b) > 0 {
		return malformed(what, "something follows its last field")
	}
	return nil
}

func appendString[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}

// begin leaves room for a packet's length, and finish fills it in.
func begin(dst []byte, t Type) ([]byte, int) {
	at := len(dst)
	return append(dst, 0, 0, 0, 0, byte(t)), at
}

func finish(dst []byte, at int) []byte {
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}
