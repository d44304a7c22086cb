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
// are whole; values stream by.
type copyBinary struct {
	step  copyStep
	word  [len(copySignature) + 8]byte
	have  int
	left  uint32 // bytes of the value or extension still to come
	drop  bool   // the value is masked
	field int
}

func (p *copyBinary) feed(c *PGCopy, dst, data []byte) ([]byte, error) {
	for len(data) > 0 {
		switch p.step {
		case stepExtension, stepValue:
			n := min(uint64(p.left), uint64(len(data)))
			if p.step == stepValue && !p.drop {
				dst = append(dst, data[:n]...)
			}
			data = data[n:]
			p.left -= uint32(n)
			if p.left == 0 {
				p.afterBytes(c)
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
	switch {
	case n == 0xFFFF:
		p.step = stepDone
	case int(n) != len(c.fields):
		return nil, refuse(opCopy, msgCopyColumns)
	default:
		p.field = -1
		p.nextField(c)
	}
	return append(dst, p.word[:2]...), nil
}

func (p *copyBinary) length(c *PGCopy, dst []byte) ([]byte, error) {
	n := binary.BigEndian.Uint32(p.word[:])
	masked := c.fields[p.field].mask
	if n == pgNull {
		if masked {
			c.nulls[p.field]++
		}
		p.nextField(c)
		return append(dst, p.word[:4]...), nil
	}
	if n > maxMessage {
		return nil, refuse(opCopy, "a copied field has an impossible length")
	}
	p.left, p.drop = n, masked
	if masked {
		dst = append(dst, c.repl[p.field]...)
	} else {
		dst = append(dst, p.word[:4]...)
	}
	p.step = stepValue
	if n == 0 {
		p.nextField(c)
	}
	return dst, nil
}

// afterBytes moves on when the last byte of the extension or of a value has
// passed.
func (p *copyBinary) afterBytes(c *PGCopy) {
	if p.step == stepExtension {
		p.step = stepTuple
		return
	}
	p.nextField(c)
}

func (p *copyBinary) nextField(c *PGCopy) {
	p.field++
	p.step = stepLength
	if p.field == len(c.fields) {
		p.step = stepTuple
		c.rows++
	}
}

func (p *copyBinary) end(*PGCopy) error {
	if p.step != stepDone {
		return refuse(opCopy, msgCopyShort)
	}
	return nil
}
