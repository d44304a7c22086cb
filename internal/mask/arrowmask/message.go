// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package arrowmask

import (
	"encoding/binary"

	sallyport "github.com/sallyport-dev/sallyport"
)

// The limits of a batch.
const (
	maxBatch    = 256 << 20 // bytes as it comes; gRPC answers of BigQuery have 128 MB at most
	maxUnpacked = 256 << 20 // bytes of its masked columns without their compression
	maxMasked   = 512 << 20 // bytes of what a mask makes of it
	maxValues   = 1 << 24   // of a column
)

const opBatch = "mask arrow batch"

func refuse(msg string) error {
	return sallyport.E(sallyport.Integrity, opBatch, msg).
		WithHint("the rows were withheld, because they could not be masked with certainty")
}

// What is refused of batches.
const (
	msgDamaged = "a record batch is damaged"
	msgShape   = "a record batch does not fit its schema"
	msgSize    = "a record batch is larger than may be masked"
)

// Kinds of messages.
const (
	kindSchema     = 1
	kindDictionary = 2
	kindBatch      = 3
)

// Versions of the metadata that are known: the fourth and the fifth.
const (
	versionFour = 3
	versionFive = 4
)

// message is one encapsulated message: metadata and a body.
type message struct {
	flat    *flat
	kind    uint8
	version int16
	header  table
	body    []byte
}

// continuation stands before the length of a message's metadata, since version 0.15
// of the format.
const continuation = 0xFFFFFFFF

// cutMessage cuts the first message off b.
func cutMessage(b []byte) (m message, rest []byte, err error) {
	if len(b) >= 4 && binary.LittleEndian.Uint32(b) == continuation {
		b = b[4:]
	}
	if len(b) < 4 {
		return m, nil, refuse(msgDamaged)
	}
	n := binary.LittleEndian.Uint32(b)
	b = b[4:]
	if n < 8 || uint64(n) > uint64(len(b)) {
		return m, nil, refuse(msgDamaged)
	}
	f := &flat{b: b[:n:n]}
	b = b[n:]
	t := f.table(f.indirect(0))
	size := t.i64(3)
	m = message{flat: f, kind: t.u8(1, 0), version: t.i16(0, 0)}
	var ok bool
	m.header, ok = t.child(2)
	if f.bad || !ok || size < 0 || size > int64(len(b)) || m.version != versionFour && m.version != versionFive {
		return m, nil, refuse(msgDamaged)
	}
	m.body = b[:size:size]
	return m, b[size:], nil
}

// atEnd reports whether nothing follows but the mark of the end of a stream.
func atEnd(b []byte) bool {
	return len(b) == 0 || len(b) == 8 && binary.LittleEndian.Uint64(b) == continuation
}

// span is a buffer in the body of a batch.
type span struct{ offset, size int64 }

// batch is a record batch, or the values of a dictionary.
type batch struct {
	message
	rows   int64
	nodes  []int64 // lengths and counts of NULLs, by turns
	spans  []span
	packed bool // buffers are compressed
	codec  uint8
}

// readBatch reads the table of a record batch. Its buffers lie in the body in
// order and apart from each other, so that what is copied of one column holds
// nothing of another.
func readBatch(m message, t table, nodes, buffers int) (*batch, error) {
	b := &batch{message: m, rows: t.i64(0)}
	at, n := t.vector(1, 16)
	from, count := t.vector(2, 16)
	if n != nodes || count != buffers || b.rows < 0 || b.rows > maxValues {
		return nil, refuse(msgShape)
	}
	if c, ok := t.child(3); ok {
		b.packed, b.codec = true, c.u8(0, 0)
		if c.u8(1, 0) != 0 || b.codec > codecZSTD {
			return nil, refuse("a record batch is compressed in a way that is not known")
		}
	}
	b.nodes = make([]int64, 0, 2*n)
	for i := range n {
		length, nulls := m.flat.i64(at+16*i), m.flat.i64(at+16*i+8)
		if length < 0 || length > maxValues || nulls < -1 || nulls > length {
			return nil, refuse(msgShape)
		}
		b.nodes = append(b.nodes, length, nulls)
	}
	b.spans = make([]span, 0, count)
	end := int64(0)
	for i := range count {
		s := span{m.flat.i64(from + 16*i), m.flat.i64(from + 16*i + 8)}
		if s.size < 0 || s.offset < 0 || s.offset > int64(len(m.body)) || s.size > int64(len(m.body))-s.offset || s.size > 0 && s.offset < end {
			return nil, refuse(msgShape)
		}
		if s.size > 0 {
			end = s.offset + s.size
		}
		b.spans = append(b.spans, s)
	}
	if m.flat.bad {
		return nil, refuse(msgDamaged)
	}
	return b, nil
}

// raw returns a buffer as it came.
func (b *batch) raw(i int) []byte {
	s := b.spans[i]
	return b.body[s.offset : s.offset+s.size]
}

// length returns how many values the column of a node has.
func (b *batch) length(c *column) int { return int(b.nodes[2*c.node]) }

// output is a batch in the making. Nodes and buffers of a batch are those of its
// schema, so its metadata has the same length whatever is in it.
type output struct {
	dst    []byte
	start  int // of the message in dst
	meta   int // length of the metadata
	nodes  int // where the next node goes, in dst
	spans  int // where the next buffer goes
	packed bool
	err    error
}

// Positions in the metadata, which is laid out by hand: a FlatBuffer of five tables
// at most, of which none has a default left out.
const (
	metaMessage = 16
	metaHeader  = 40 // of a dictionary its own table, and then that of the batch
	metaDict    = 32
)

// begin writes the frame and the metadata of a message that is like m.
func begin(dst []byte, b *batch, dictionary *dictionaryHead) *output {
	le := binary.LittleEndian
	at := metaHeader
	if dictionary != nil {
		at += metaDict
	}
	n, count := len(b.nodes)/2, len(b.spans)
	// Tables of the batch and of its compression, and the two vectors.
	nodes := at + 64
	spans := nodes + 16*n + 8
	o := &output{dst: dst, start: len(dst), meta: spans + 16*count, packed: b.packed}
	o.dst = append(o.dst, 0xFF, 0xFF, 0xFF, 0xFF)
	o.dst = le.AppendUint32(o.dst, uint32(o.meta))
	base := len(o.dst)
	o.dst = append(o.dst, make([]byte, o.meta)...)
	meta := o.dst[base:]
	o.nodes, o.spans = base+nodes, base+spans

	le.PutUint32(meta, metaMessage)
	putTable(meta, 4, metaMessage, 24, 16, 18, 4, 8)
	le.PutUint16(meta[metaMessage+16:], uint16(b.version))
	header := at + 16
	meta[metaMessage+18] = kindBatch
	if dictionary != nil {
		head := metaHeader + 12
		meta[metaMessage+18] = kindDictionary
		putTable(meta, metaHeader, head, 20, 4, 12, 16)
		le.PutUint64(meta[head+4:], uint64(dictionary.id))
		putOffset(meta, head+12, header)
		if dictionary.delta {
			meta[head+16] = 1
		}
		header = head
	}
	putOffset(meta, metaMessage+4, header)

	rec := at + 16
	compression := uint16(0)
	if b.packed {
		compression = 20
		putTable(meta, at+40, at+48, 6, 4, 5)
		meta[at+52] = b.codec
		putOffset(meta, rec+20, at+48)
	}
	putTable(meta, at, rec, 24, 8, 4, 16, compression)
	le.PutUint64(meta[rec+8:], uint64(b.rows))
	putOffset(meta, rec+4, nodes-4)
	le.PutUint32(meta[nodes-4:], uint32(n))
	putOffset(meta, rec+16, spans-4)
	le.PutUint32(meta[spans-4:], uint32(count))
	return o
}

// putTable writes a vtable with the offsets of a table's fields, and what leads from
// the table to it.
func putTable(meta []byte, vtable, pos, size int, fields ...uint16) {
	le := binary.LittleEndian
	le.PutUint16(meta[vtable:], uint16(4+2*len(fields)))
	le.PutUint16(meta[vtable+2:], uint16(size))
	for i, off := range fields {
		le.PutUint16(meta[vtable+4+2*i:], off)
	}
	le.PutUint32(meta[pos:], uint32(pos-vtable))
}

func putOffset(meta []byte, at, target int) {
	binary.LittleEndian.PutUint32(meta[at:], uint32(target-at))
}

// body returns the length of the body so far.
func (o *output) body() int { return len(o.dst) - o.start - 8 - o.meta }

// node adds a node.
func (o *output) node(length, nulls int) {
	binary.LittleEndian.PutUint64(o.dst[o.nodes:], uint64(length))
	binary.LittleEndian.PutUint64(o.dst[o.nodes+8:], uint64(nulls))
	o.nodes += 16
}

// raw adds a buffer, in the form that buffers have in the batch. Between buffers
// there are zeros.
func (o *output) raw(b []byte) {
	binary.LittleEndian.PutUint64(o.dst[o.spans:], uint64(o.body()))
	binary.LittleEndian.PutUint64(o.dst[o.spans+8:], uint64(len(b)))
	o.spans += 16
	o.dst = append(o.dst, b...)
	o.pad()
}

// pad fills the body up to a whole word.
func (o *output) pad() {
	const word = 8
	for len(o.dst)%word != o.start%word {
		o.dst = append(o.dst, 0)
	}
	if o.body() > maxMasked {
		o.err = refuse(msgSize)
	}
}

// end finishes the message.
func (o *output) end() ([]byte, error) {
	if o.err != nil {
		return nil, o.err
	}
	binary.LittleEndian.PutUint64(o.dst[o.start+8+metaMessage+8:], uint64(o.body()))
	return o.dst, nil
}
