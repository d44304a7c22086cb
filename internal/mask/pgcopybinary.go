// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"encoding/binary"
)

// copySignature begins a binary copy (manual: COPY, Binary Format).
const copySignature = "PGCOPY\n\xff\r\n\x00"

// copyStep is what a binary stream holds next.
type copyStep uint8

const (
	stepHeader    copyStep = iota // signature, flags, length of the extension
	stepExtension                 // bytes that nobody defined; dropped
	stepTuple                     // number of fields, or the trailer
	stepLength                    // length of a field
	stepValue                     // bytes of a field
	stepDone                      // after the trailer
)

// copyBinary parses the binary format. Words are gathered in word until they
// are whole; values stream by, or are held.
type copyBinary struct {
	step  copyStep
	word  [len(copySignature) + 8]byte
	have  int
	left  uint32 // bytes of the value or extension still to come
	mode  copyMode
	over  bool // the row is too large to be held; its masked fields are constants
	field int
}

func (p *copyBinary) feed(c *PGCopy, dst, data []byte) ([]byte, error) {
	for len(data) > 0 {
		switch p.step {
		case stepExtension, stepValue:
			n := min(uint64(p.left), uint64(len(data)))
			if p.step == stepValue {
				dst = p.value(c, dst, data[:n])
			}
			data = data[n:]
			p.left -= uint32(n)
			if p.left == 0 {
				dst = p.afterBytes(c, dst)
			}
			continue
		case stepDone:
			return nil, refuse(opCopy, "the copy goes on behind its trailer")
		}
		n := copy(p.word[p.have:p.wordSize()], data)
		data = data[n:]
		p.have += n
		if p.have < p.wordSize() {
			break
		}
		p.have = 0
		var err error
		if dst, err = p.whole(c, dst); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// value takes further bytes of the current value.
func (p *copyBinary) value(c *PGCopy, dst, b []byte) []byte {
	switch p.mode {
	case copyHold:
		c.held.add(&c.fields[p.field], b) // room has been made
	case copyPass:
		return append(dst, b...)
	}
	return dst
}

// wordSize is the length of what is being gathered.
func (p *copyBinary) wordSize() int {
	switch p.step {
	case stepHeader:
		return len(p.word)
	case stepTuple:
		return 2
	}
	return 4
}

// whole acts on the word that is now complete.
func (p *copyBinary) whole(c *PGCopy, dst []byte) ([]byte, error) {
	switch p.step {
	case stepHeader:
		return p.header(dst)
	case stepTuple:
		return p.tuple(c, dst)
	}
	return p.length(c, dst)
}

// header checks the file header. All flags are refused: the one that was ever
// defined (OIDs) is gone since version 12. An extension is dropped.
func (p *copyBinary) header(dst []byte) ([]byte, error) {
	sig := len(copySignature)
	if string(p.word[:sig]) != copySignature || binary.BigEndian.Uint32(p.word[sig:]) != 0 {
		return nil, refuse(opCopy, "a binary copy begins with an unknown header")
	}
	p.left = binary.BigEndian.Uint32(p.word[sig+4:])
	if p.left > maxMessage {
		return nil, refuse(opCopy, "a binary copy begins with an unknown header")
	}
	p.step = stepTuple
	if p.left > 0 {
		p.step = stepExtension
	}
	dst = append(dst, p.word[:sig+4]...)
	return append(dst, 0, 0, 0, 0), nil
}

func (p *copyBinary) tuple(c *PGCopy, dst []byte) ([]byte, error) {
	n := binary.BigEndian.Uint16(p.word[:])
	dst = append(dst, p.word[:2]...)
	switch {
	case n == 0xFFFF:
		p.step = stepDone
	case int(n) != len(c.fields):
		return nil, refuse(opCopy, msgCopyColumns)
	default:
		p.field, p.over = -1, false
		dst = p.nextField(c, dst)
	}
	return dst, nil
}

func (p *copyBinary) length(c *PGCopy, dst []byte) ([]byte, error) {
	n := binary.BigEndian.Uint32(p.word[:])
	if n != pgNull && n > maxMessage {
		return nil, refuse(opCopy, "a copied field has an impossible length")
	}
	null := n == pgNull
	if null {
		n = 0
	}
	f := &c.fields[p.field]
	if c.held != nil && !p.over && !c.held.room(f, n) {
		p.over = true
		c.unreadableKey()
		dst = c.appendFields(dst)
		c.held.reset()
	}
	switch {
	case c.held != nil && !p.over:
		p.mode = copyHold
	case f.act == actConstant || f.act == actValue:
		p.mode = copyDrop
		dst = c.appendConstant(dst, p.field, null)
	default:
		p.mode = copyPass
		if null && f.act == actKeep {
			c.nulls[p.field]++
		}
		dst = append(dst, p.word[:4]...)
	}
	p.left, p.step = n, stepValue
	if p.mode == copyHold && null {
		c.held.end(true, false)
		return p.nextField(c, dst), nil
	}
	if n == 0 {
		dst = p.afterBytes(c, dst)
	}
	return dst, nil
}

// afterBytes moves on when the last byte of the extension or of a value has
// passed.
func (p *copyBinary) afterBytes(c *PGCopy, dst []byte) []byte {
	if p.step == stepExtension {
		p.step = stepTuple
		return dst
	}
	if p.mode == copyHold {
		c.held.end(false, false)
	}
	return p.nextField(c, dst)
}

func (p *copyBinary) nextField(c *PGCopy, dst []byte) []byte {
	p.field++
	p.step = stepLength
	if p.field < len(c.fields) {
		return dst
	}
	p.step = stepTuple
	c.rows++
	if c.held != nil && !p.over {
		dst = c.flush(dst)
	}
	return dst
}

func (p *copyBinary) end(*PGCopy) error {
	if p.step != stepDone {
		return refuse(opCopy, msgCopyShort)
	}
	return nil
}
