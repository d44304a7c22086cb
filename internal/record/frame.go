// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// The format of a chunk's plain text:
//
//	chunk = "spr1" frame...
//	frame = stmt at len(kind) kind len(data) data
//
// where stmt, at (microseconds since the session was opened) and both lengths
// are unsigned varints (encoding/binary). The data of the frames of one
// statement and kind, put together, are the stream that went by; where one frame
// ends and the next begins means nothing. The data of a frame of kind
// [KindTruncated] is one unsigned varint: how many bytes were left out there.
const magic = "spr1"

const (
	// maxChunk is the largest plain text of a chunk in bytes.
	maxChunk = 256 << 10
	// maxKind is the longest kind in bytes.
	maxKind = 32
	// maxHeader is the most that a frame takes besides its data, the chunk's magic
	// before it included.
	maxHeader = len(magic) + 4*binary.MaxVarintLen64 + maxKind
)

// The kinds of frame that the recording itself makes. Those of a protocol are
// its connector's words: "pg.client", "pg.server".
const (
	// KindTruncated says that the rest of a statement's bytes were left out, for
	// size.
	KindTruncated = "truncated"
	// KindGap is never written: a reader makes it where chunks are missing or
	// damaged.
	KindGap = "gap"
)

// Frame is one stretch of a recorded session.
type Frame struct {
	Chunk   uint64        `json:"chunk"`
	Stmt    uint64        `json:"stmt"`
	At      time.Duration `json:"at"` // since the session was opened, in nanoseconds
	Kind    string        `json:"kind"`
	Data    []byte        `json:"data,omitempty"`    // masked
	Omitted uint64        `json:"omitted,omitempty"` // bytes left out, for KindTruncated
}

// validKind reports whether kind is lower-case letters, digits, dots and dashes
// of a fair length. It goes into replays as it is.
func validKind(kind string) bool {
	if kind == "" || len(kind) > maxKind {
		return false
	}
	for _, c := range []byte(kind) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

// appendHeader appends a frame up to its data, of which there are n bytes.
func appendHeader(dst []byte, stmt uint64, at time.Duration, kind string, n int) []byte {
	dst = binary.AppendUvarint(dst, stmt)
	dst = binary.AppendUvarint(dst, uint64(max(at.Microseconds(), 0)))
	dst = binary.AppendUvarint(dst, uint64(len(kind)))
	dst = append(dst, kind...)
	return binary.AppendUvarint(dst, uint64(n))
}

// Frames yields the frames in the plain text of a chunk, whose Data share the
// text's memory. Text that does not have the format ends the sequence with an
// error of kind Integrity after the frames before it.
func Frames(chunk []byte) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		if len(chunk) < len(magic) || string(chunk[:len(magic)]) != magic {
			yield(Frame{}, malformed(0, "it is no chunk of a recording, or one of a later format"))
			return
		}
		d := decoder{b: chunk, off: len(magic)}
		for d.off < len(d.b) {
			f, err := d.frame()
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// decoder reads a chunk's plain text from off on.
type decoder struct {
	b   []byte
	off int
}

func (d *decoder) frame() (Frame, error) {
	var f Frame
	start := d.off
	stmt, ok1 := d.uvarint()
	at, ok2 := d.uvarint()
	if !ok1 || !ok2 || at > math.MaxInt64/1000 {
		return Frame{}, malformed(start, "the head of a frame is broken")
	}
	kind, ok := d.bytes(maxKind)
	if !ok || !validKind(string(kind)) || string(kind) == KindGap {
		return Frame{}, malformed(start, "the kind of a frame is broken")
	}
	f.Stmt, f.At, f.Kind = stmt, time.Duration(at)*time.Microsecond, string(kind)
	if f.Data, ok = d.bytes(maxChunk); !ok {
		return Frame{}, malformed(start, "the data of a frame is cut")
	}
	if f.Kind == KindTruncated {
		n, size := binary.Uvarint(f.Data)
		if size <= 0 || size != len(f.Data) {
			return Frame{}, malformed(start, "the count of omitted bytes is broken")
		}
		f.Omitted, f.Data = n, nil
	}
	return f, nil
}

func (d *decoder) uvarint() (uint64, bool) {
	v, n := binary.Uvarint(d.b[d.off:])
	if n <= 0 {
		return 0, false
	}
	d.off += n
	return v, true
}

// bytes reads a length of at most limit and as many bytes.
func (d *decoder) bytes(limit uint64) ([]byte, bool) {
	n, ok := d.uvarint()
	if !ok || n > limit || n > uint64(len(d.b)-d.off) {
		return nil, false
	}
	b := d.b[d.off : d.off+int(n) : d.off+int(n)]
	d.off += int(n)
	return b, true
}

func malformed(off int, msg string) error {
	return sallyport.E(sallyport.Integrity, "read recording", fmt.Sprintf("at byte %d of the chunk: %s", off, msg)).
		WithHint("replay it with the release that wrote it, or a later one")
}
