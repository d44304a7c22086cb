// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package arrowmask

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codecs of compressed buffers.
const (
	codecLZ4  = 0
	codecZSTD = 1
)

// codec packs and unpacks buffers. What it is made of is made when it is needed.
type codec struct {
	reader  *lz4.Reader
	writer  *lz4.Writer
	decoder *zstd.Decoder
	encoder *zstd.Encoder
	buf     bytes.Buffer
}

// plain is the length of a packed buffer that was left as it is.
const plain = -1

// How many bytes come of one that is compressed at most; of ZSTD, a block of 128 KiB
// that is the same throughout.
const (
	mostLZ4  = 256
	mostZSTD = 1 << 15
)

// unpack returns the content of a buffer of a batch, in memory of its own where it
// was compressed.
func (s *stream) unpack(b *batch, i int) ([]byte, error) {
	raw := b.raw(i)
	if !b.packed || len(raw) == 0 {
		return raw, nil
	}
	if len(raw) < 8 {
		return nil, refuse(msgDamaged)
	}
	size := int64(binary.LittleEndian.Uint64(raw))
	if raw = raw[8:]; size == plain {
		return raw, nil
	}
	if size < 0 || size > s.left || b.codec == codecLZ4 && size/mostLZ4 > int64(len(raw)) {
		return nil, refuse(msgSize)
	}
	s.left -= size
	if b.codec == codecZSTD {
		return s.codec.fromZSTD(raw, int(size))
	}
	return s.codec.fromLZ4(raw, int(size))
}

// holds reports whether a buffer of the current batch has a number of bytes, without
// unpacking it: a batch cannot claim values that it does not bring.
func (s *stream) holds(i, need int) bool {
	raw := s.in.raw(i)
	if !s.in.packed || len(raw) < 8 {
		return len(raw) >= need
	}
	size := int64(binary.LittleEndian.Uint64(raw))
	switch packed := int64(len(raw)) - 8; {
	case size == plain:
		size = packed
	case s.in.codec == codecLZ4 && size/mostLZ4 > packed, size/mostZSTD > packed:
		return false
	}
	return size >= int64(need)
}

func (c *codec) fromLZ4(raw []byte, size int) ([]byte, error) {
	if c.reader == nil {
		c.reader = lz4.NewReader(nil)
	}
	c.reader.Reset(bytes.NewReader(raw))
	out := make([]byte, size)
	if _, err := io.ReadFull(c.reader, out); err != nil {
		return nil, refuse(msgDamaged)
	}
	var one [1]byte
	if n, _ := c.reader.Read(one[:]); n > 0 {
		return nil, refuse(msgDamaged)
	}
	return out, nil
}

func (c *codec) fromZSTD(raw []byte, size int) ([]byte, error) {
	if c.decoder == nil {
		var err error
		c.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxUnpacked), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, refuse(msgDamaged)
		}
	}
	out, err := c.decoder.DecodeAll(raw, nil)
	if err != nil || len(out) != size {
		return nil, refuse(msgDamaged)
	}
	return out, nil
}

// pack appends content to dst as a packed buffer has it, with the codec of the
// batch: whoever asked for one reads that one, and not every reader takes buffers
// that were left as they are.
func (c *codec) pack(dst, content []byte, codec uint8) ([]byte, error) {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(content)))
	if codec == codecZSTD {
		if c.encoder == nil {
			var err error
			c.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
			if err != nil {
				return nil, refuse(msgDamaged)
			}
		}
		return c.encoder.EncodeAll(content, dst), nil
	}
	if c.writer == nil {
		c.writer = lz4.NewWriter(nil)
		if err := c.writer.Apply(lz4.ChecksumOption(false), lz4.BlockSizeOption(lz4.Block64Kb)); err != nil {
			return nil, refuse(msgDamaged)
		}
	}
	c.buf.Reset()
	c.writer.Reset(&c.buf)
	if _, err := c.writer.Write(content); err != nil {
		return nil, refuse(msgDamaged)
	}
	if err := c.writer.Close(); err != nil {
		return nil, refuse(msgDamaged)
	}
	return append(dst, c.buf.Bytes()...), nil
}

// put adds a buffer that a mask made.
func (s *stream) put(o *output, b *batch, content []byte) {
	if !b.packed || len(content) == 0 {
		o.raw(content)
		return
	}
	packed, err := s.codec.pack(s.packed[:0], content, b.codec)
	if err != nil {
		o.err = err
		return
	}
	s.packed = packed
	o.raw(packed)
}
