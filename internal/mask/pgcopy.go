// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"encoding/binary"

	sallyport "github.com/sallyport-dev/sallyport"
)

// CopyKind is the format of a COPY.
type CopyKind uint8

// The formats of COPY, as the statement's FORMAT option names them.
const (
	CopyText CopyKind = iota
	CopyCSV
	CopyBinary
)

// CopyFormat is the format of a COPY TO STDOUT, from the statement's options
// (PostgreSQL manual, COPY). Zero bytes and the zero Null stand for the
// format's default where NullSet is false: text has delimiter tab and null
// \N; CSV has delimiter comma, quote and escape ", and an empty null.
type CopyFormat struct {
	Kind      CopyKind
	Delimiter byte
	Null      string
	NullSet   bool // Null was given, though it may be empty
	Quote     byte // CSV only
	Escape    byte // CSV only; the default is Quote
	Header    bool // text (server 15 and later) and CSV: the first line holds names
}

// PGCopy masks the payload of a COPY TO STDOUT while it streams by. Message
// boundaries mean nothing to it: a row may span messages and a message may hold
// rows. Where every mask is a constant, a masked field is dropped as it passes and
// never held. Where a mask depends on values, a row is held until it is whole;
// then a masked field above 1 MiB, and the masked fields of a row above 4 MiB,
// become their constants, so that memory does not grow with a value. The stream
// must be in UTF-8 (or another encoding in which no ASCII byte is part of a longer
// character). It is used by one goroutine at a time.
type PGCopy struct {
	pgMasker
	repl   [][]byte // per field, its constant as the format writes it
	format CopyFormat
	parser copyParser
	held   *copyHeld // nil when no mask depends on values
	err    error     // the first failure; everything after it is refused
}

// copyParser is one format's state machine. feed appends the masked form of
// data to dst; end checks that the stream ended where it may.
type copyParser interface {
	feed(c *PGCopy, dst, data []byte) ([]byte, error)
	end(c *PGCopy) error
}

// Copy appends the masked form of one CopyData message to the buffer, as one
// CopyData message, or as nothing when all of it was dropped. body is the
// message without its type byte and length. After an error every further call
// fails.
func (b *Buffer) Copy(c *PGCopy, body Raw) error {
	if c.err != nil {
		return c.err
	}
	start := len(b.b)
	out := append(b.b, pgCopyData, 0, 0, 0, 0)
	out, err := c.parser.feed(c, out, body.b)
	if err == nil && len(out)-start-1 > maxMessage {
		err = refuse("mask copy", "a masked message is larger than a message can be")
	}
	if err != nil {
		c.err = err
		return err
	}
	if len(out) == start+pgHeader {
		return nil
	}
	binary.BigEndian.PutUint32(out[start+1:], uint32(len(out)-start-1))
	b.b = out
	return nil
}

// Close says that the stream ended (CopyDone). It fails when it ended inside a
// row.
func (c *PGCopy) Close() error {
	if c.err != nil {
		return c.err
	}
	if c.err = c.parser.end(c); c.err != nil {
		return c.err
	}
	c.err = sallyport.E(sallyport.Internal, "mask copy", "the copy has ended already")
	return nil
}
