// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

const (
	frameMagic  = "SPLYWAL1"
	frameHeader = 72
	framePad    = 0xff
)

// frame is a parsed frame of the write-ahead log.
type frame struct {
	first   uint64 // index of the first record
	count   uint32
	segment uint64
	prev    [sha256.Size]byte
	hash    [sha256.Size]byte // of this frame
	records []byte            // varint lengths and leaves; aliases the input
	size    int64             // on disk, with padding
}

// How a place where a frame should stand can fail to hold one.
var (
	errNoFrame = errors.New("no frame")                               // the first sector is zeros
	errTorn    = errors.New("frame has unwritten sectors")            // a write that was cut short
	errChanged = errors.New("frame does not match its own checksums") // not what was written
)

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// padded rounds n up to whole blocks.
func padded(n int) int { return (n + BlockSize - 1) / BlockSize * BlockSize }

// firstPrev is what stands for the previous frame in a log's first frame: it
// ties the write-ahead log to its origin.
func firstPrev(origin string) [sha256.Size]byte {
	return sha256.Sum256([]byte("sallyport wal\n" + origin))
}

// sealFrame completes a frame in place: buf holds frameHeader bytes of space and
// then the records, and has capacity for the padding. It returns the padded
// bytes and the frame's hash.
func sealFrame(buf []byte, first uint64, count uint32, segment uint64, prev [sha256.Size]byte) ([]byte, [sha256.Size]byte) {
	n := len(buf)
	out := buf[:padded(n)]
	for i := n; i < len(out); i++ {
		out[i] = framePad
	}
	copy(out, frameMagic)
	binary.BigEndian.PutUint32(out[8:], uint32(n))
	binary.BigEndian.PutUint32(out[12:], count)
	binary.BigEndian.PutUint64(out[16:], first)
	binary.BigEndian.PutUint64(out[24:], segment)
	copy(out[32:], prev[:])
	binary.BigEndian.PutUint32(out[64:], crc32.Checksum(out[frameHeader:], castagnoli()))
	binary.BigEndian.PutUint32(out[68:], crc32.Checksum(out[:68], castagnoli()))
	return out, sha256.Sum256(out[:n])
}

// parseFrame reads the frame at the start of b, which runs to the segment's end.
// The error is errNoFrame, errTorn or errChanged.
func parseFrame(b []byte) (frame, error) {
	if len(b) < BlockSize || allZero(b[:sectorSize]) {
		return frame{}, errNoFrame
	}
	if string(b[:8]) != frameMagic || binary.BigEndian.Uint32(b[68:]) != crc32.Checksum(b[:68], castagnoli()) {
		return frame{}, errChanged
	}
	n := int64(binary.BigEndian.Uint32(b[8:]))
	if n < frameHeader || n > int64(len(b)) || int64(padded(int(n))) > int64(len(b)) {
		return frame{}, errChanged
	}
	f := frame{
		count:   binary.BigEndian.Uint32(b[12:]),
		first:   binary.BigEndian.Uint64(b[16:]),
		segment: binary.BigEndian.Uint64(b[24:]),
		records: b[frameHeader:n],
		size:    int64(padded(int(n))),
	}
	whole := b[:f.size]
	if binary.BigEndian.Uint32(b[64:]) != crc32.Checksum(whole[frameHeader:], castagnoli()) {
		for off := 0; off < len(whole); off += sectorSize {
			if allZero(whole[off : off+sectorSize]) {
				return frame{}, errTorn
			}
		}
		return frame{}, errChanged
	}
	copy(f.prev[:], b[32:64])
	f.hash = sha256.Sum256(b[:n])
	if err := eachRecord(f.records, int(f.count), nil); err != nil {
		return frame{}, errChanged
	}
	return f, nil
}

// appendRecord appends a leaf in the form in which frames hold it.
func appendRecord(dst, leaf []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(leaf)))
	return append(dst, leaf...)
}

// recordSize is how much appendRecord adds at most.
func recordSize(leaf []byte) int { return len(leaf) + binary.MaxVarintLen32 }

// eachRecord calls fn, if there is one, for each of exactly count records in b.
func eachRecord(b []byte, count int, fn func(i int, leaf []byte) error) error {
	for i := range count {
		n, w := binary.Uvarint(b)
		if w <= 0 || n > uint64(len(b)-w) {
			return fmt.Errorf("record %d of %d is cut short", i, count)
		}
		if fn != nil {
			if err := fn(i, b[w:w+int(n)]); err != nil {
				return err
			}
		}
		b = b[w+int(n):]
	}
	if len(b) != 0 {
		return fmt.Errorf("%d bytes after the last record", len(b))
	}
	return nil
}

// allZero reports whether b holds only zeros.
func allZero(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1])
}
