// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package avromask masks Avro object container files (Apache Avro 1.12).
//
// A file is read block by block and written anew: the values by the rules of their
// columns (package column, by the path of fields), the schema without what can
// carry data, and nothing else of the original. Of a schema stay the types, the
// names, the symbols and the logical types; documentation, defaults, aliases and
// properties of the writer's own go, as do the metadata of the file. The symbols of
// an enumeration that is masked anywhere become "MASKED", and so does a name in
// which the scanner finds something.
//
// A value for which the rules have no answer of its type becomes null where a union
// around it has null, and else the type's constant. The keys of a map are a column
// "path.key". A file that is not what it says to be is refused with Kind Integrity:
// what was written before is then worth nothing.
package avromask

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/column"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Magic begins a file.
const Magic = "Obj\x01"

// Limits of a file. A block is as large as its writer's buffer, 64 KB as a rule.
const (
	maxMeta  = 16 << 20 // bytes of the metadata, of which the schema is one
	maxBlock = 64 << 20 // bytes of a block, packed and unpacked
	syncLen  = 16
)

// Masker masks files by one set of rules. It does not change and is safe for
// concurrent use.
type Masker struct{ rules *column.Rules }

// New returns the mask for rules.
func New(r *column.Rules) *Masker { return &Masker{rules: r} }

func broken(msg string) error {
	return sallyport.E(sallyport.Integrity, "avro file", "the Avro file is broken: "+msg).
		WithHint("have it written again; nothing of it was delivered")
}

func unsupported(msg string) error {
	return sallyport.E(sallyport.Denied, "avro file", msg).
		WithHint("write the file with the codec null, deflate, snappy or zstandard")
}

// errRead keeps an error of the source apart from one of the file.
func errRead(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return broken("it ends in the middle")
	}
	return err
}

// Copy writes the masked form of the file src to dst.
func (m *Masker) Copy(ctx context.Context, dst io.Writer, src io.Reader, w *text.Work) error {
	f := &file{in: bufio.NewReaderSize(src, 64<<10), out: dst, work: &column.Work{Text: w}}
	defer f.close()
	meta, err := f.header()
	if err != nil {
		return err
	}
	if err := f.codec(string(meta["avro.codec"])); err != nil {
		return err
	}
	p, err := m.plan(meta["avro.schema"], f.work)
	if err != nil {
		return err
	}
	if err := f.writeHeader(p.text); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		done, err := f.block(p)
		if done || err != nil {
			return err
		}
	}
}

// file is one file on its way.
type file struct {
	in     *bufio.Reader
	out    io.Writer
	work   *column.Work
	sync   [syncLen]byte // the source's
	mark   [syncLen]byte // ours
	name   string        // of the codec
	unpack func(dst, src []byte) ([]byte, error)
	pack   func(dst, src []byte) ([]byte, error)
	dec    *zstd.Decoder
	enc    *zstd.Encoder

	packed, plain, masked, head []byte
}

func (f *file) close() {
	if f.dec != nil {
		f.dec.Close()
	}
	if f.enc != nil {
		_ = f.enc.Close() // it has no stream that could fail
	}
}

// long reads a number from the file.
func (f *file) long() (int64, error) {
	var u uint64
	for shift := uint(0); shift < 64; shift += 7 {
		b, err := f.in.ReadByte()
		if err != nil {
			return 0, errRead(err)
		}
		if u |= uint64(b&0x7f) << shift; b < 0x80 {
			return int64(u>>1) ^ -int64(u&1), nil
		}
	}
	return 0, broken("a number does not end")
}

// bytes reads a string of at most limit bytes.
func (f *file) bytes(limit int64) ([]byte, error) {
	n, err := f.long()
	if err != nil {
		return nil, err
	}
	if n < 0 || n > limit {
		return nil, broken("a length is out of range")
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, f.in, n); err != nil {
		return nil, errRead(err)
	}
	return b.Bytes(), nil
}

// header reads what is before the first block.
func (f *file) header() (map[string][]byte, error) {
	var magic [len(Magic)]byte
	if _, err := io.ReadFull(f.in, magic[:]); err != nil {
		return nil, errRead(err)
	}
	if string(magic[:]) != Magic {
		return nil, broken("it does not begin like one")
	}
	meta := map[string][]byte{}
	room := int64(maxMeta)
	for {
		n, err := f.long()
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		if n < 0 { // its size in bytes follows
			if _, err := f.long(); err != nil {
				return nil, err
			}
			n = -n
		}
		if n < 0 || n > 1000 {
			return nil, broken("it has too much metadata")
		}
		for range n {
			key, err := f.bytes(room)
			if err != nil {
				return nil, err
			}
			value, err := f.bytes(room - int64(len(key)))
			if err != nil {
				return nil, err
			}
			room -= int64(len(key)+len(value)) + 2
			meta[string(key)] = value
		}
	}
	_, err := io.ReadFull(f.in, f.sync[:])
	if err != nil {
		return nil, errRead(err)
	}
	return meta, nil
}

func (f *file) writeHeader(schema []byte) error {
	sum := sha256.Sum256(schema)
	copy(f.mark[:], sum[:])
	b := append(f.head[:0], Magic...)
	b = binary.AppendVarint(b, 2)
	b = appendBytes(appendBytes(b, []byte("avro.schema")), schema)
	b = appendBytes(appendBytes(b, []byte("avro.codec")), []byte(f.name))
	b = append(binary.AppendVarint(b, 0), f.mark[:]...)
	_, err := f.out.Write(b)
	return err
}

func appendBytes(dst, v []byte) []byte {
	return append(binary.AppendVarint(dst, int64(len(v))), v...)
}

// block masks one block; done says that there was none.
func (f *file) block(p *plan) (done bool, err error) {
	if _, err := f.in.Peek(1); errors.Is(err, io.EOF) {
		return true, nil
	}
	count, err := f.long()
	if err != nil {
		return false, err
	}
	size, err := f.long()
	if err != nil {
		return false, err
	}
	if size < 0 || size > maxBlock || count < 0 {
		return false, broken("a block is larger than 64 MiB")
	}
	if f.packed, err = f.take(f.packed[:0], int(size)); err != nil {
		return false, err
	}
	var mark [syncLen]byte
	if _, err := io.ReadFull(f.in, mark[:]); err != nil {
		return false, errRead(err)
	}
	if mark != f.sync {
		return false, broken("a block does not end where it should")
	}
	if f.plain, err = f.unpack(f.plain[:0], f.packed); err != nil {
		return false, broken("a block does not unpack, or to more than 64 MiB")
	}
	if f.masked, err = p.block(f.masked[:0], f.plain, count, f.work); err != nil {
		return false, err
	}
	if f.packed, err = f.pack(f.packed[:0], f.masked); err != nil {
		return false, err
	}
	b := binary.AppendVarint(f.head[:0], count)
	b = append(appendBytes(b, f.packed), f.mark[:]...)
	f.head = b
	_, err = f.out.Write(b)
	return false, err
}

// take reads n bytes behind dst, growing it as they come.
func (f *file) take(dst []byte, n int) ([]byte, error) {
	const step = 1 << 20
	for n > 0 {
		k := min(n, step)
		at := len(dst)
		dst = append(dst, make([]byte, k)...)
		if _, err := io.ReadFull(f.in, dst[at:]); err != nil {
			return dst, errRead(err)
		}
		n -= k
	}
	return dst, nil
}

var errTooLarge = errors.New("larger than a block may be")

// codec chooses how blocks are packed.
func (f *file) codec(name string) error {
	f.name = name
	switch name {
	case "", "null":
		f.name = "null"
		f.unpack = func(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }
		f.pack = f.unpack
	case "deflate":
		f.unpack, f.pack = inflate, deflate
	case "snappy":
		f.unpack, f.pack = unsnap, snap
	case "zstandard":
		var err error
		if f.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlock)); err != nil {
			return err
		}
		if f.enc, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest)); err != nil {
			return err
		}
		f.unpack = func(dst, src []byte) ([]byte, error) { return f.dec.DecodeAll(src, dst) }
		f.pack = func(dst, src []byte) ([]byte, error) { return f.enc.EncodeAll(src, dst), nil }
	default:
		return unsupported("the Avro file is packed by a codec that is not known here")
	}
	return nil
}

func inflate(dst, src []byte) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	n, err := io.Copy(b, io.LimitReader(flate.NewReader(bytes.NewReader(src)), maxBlock+1))
	if n > maxBlock {
		return dst, errTooLarge
	}
	return b.Bytes(), err
}

func deflate(dst, src []byte) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	w, err := flate.NewWriter(b, flate.BestSpeed)
	if err != nil {
		return dst, err
	}
	if _, err = w.Write(src); err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}

func unsnap(dst, src []byte) ([]byte, error) {
	const sum = 4 // CRC-32 of what was packed, behind it
	if len(src) < sum {
		return dst, io.ErrUnexpectedEOF
	}
	n, err := snappy.DecodedLen(src[:len(src)-sum])
	if err != nil || n > maxBlock {
		return dst, errTooLarge
	}
	out, err := snappy.Decode(dst[:cap(dst)], src[:len(src)-sum])
	if err != nil {
		return dst, err
	}
	if crc32.ChecksumIEEE(out) != binary.BigEndian.Uint32(src[len(src)-sum:]) {
		return dst, errors.New("its checksum is another")
	}
	return out, nil
}

func snap(dst, src []byte) ([]byte, error) {
	out := snappy.Encode(dst[:cap(dst)], src)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(src)), nil
}
