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
	frameMagic   = "SPLYWAL2"
	frameHeader  = 96
	frameTrailer = sha256.Size + 4 // the MAC and its checksum
	framePad     = 0xff

	// Frames of logs that were begun before frames had keys.
	oldMagic  = "SPLYWAL1"
	oldHeader = 72
)

// frame is a parsed frame of the write-ahead log.
type frame struct {
	first   uint64 // index of the first record
	count   uint32
	segment uint64
	prev    [sha256.Size]byte
	hash    [sha256.Size]byte // of this frame
	stamp   stamp
	mac     [sha256.Size]byte
	records []byte // varint lengths and leaves; aliases the input
	size    int64  // on disk, with padding
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
// then the records, and has capacity for the MAC and the padding. It returns the
// padded bytes and the frame's hash.
func sealFrame(buf []byte, f frame, keys *Ratchet) ([]byte, [sha256.Size]byte) {
	n := len(buf)
	out := buf[:padded(n+frameTrailer)]
	for i := n + frameTrailer; i < len(out); i++ {
		out[i] = framePad
	}
	stamp, key := keys.take()
	copy(out, frameMagic)
	binary.BigEndian.PutUint32(out[8:], uint32(n))
	binary.BigEndian.PutUint32(out[12:], f.count)
	binary.BigEndian.PutUint64(out[16:], f.first)
	binary.BigEndian.PutUint64(out[24:], f.segment)
	copy(out[32:], f.prev[:])
	copy(out[72:], stamp.key[:])
	binary.BigEndian.PutUint64(out[80:], stamp.interval)
	binary.BigEndian.PutUint32(out[88:], stamp.number)
	binary.BigEndian.PutUint32(out[92:], 0)
	binary.BigEndian.PutUint32(out[64:], bodySum(out, frameHeader, n, frameTrailer))
	binary.BigEndian.PutUint32(out[68:], headerSum(out[:frameHeader]))
	hash := sha256.Sum256(out[:n])
	mac := out[n : n+sha256.Size]
	clear(mac)
	if keys != nil {
		sum := key.MAC(hash)
		copy(mac, sum[:])
	}
	binary.BigEndian.PutUint32(out[n+sha256.Size:], crc32.Checksum(mac, castagnoli()))
	return out, hash
}

// headerSum is the checksum of a header, which does not cover itself.
func headerSum(header []byte) uint32 {
	return crc32.Update(crc32.Checksum(header[:68], castagnoli()), castagnoli(), header[72:])
}

// bodySum is the checksum of the records, which end at n, and of the padding.
func bodySum(whole []byte, header, n, trailer int) uint32 {
	return crc32.Update(crc32.Checksum(whole[header:n], castagnoli()), castagnoli(), whole[n+trailer:])
}

// parseFrame reads the frame at the start of b, which runs to the segment's end.
// The error is errNoFrame, errTorn or errChanged.
func parseFrame(b []byte) (frame, error) {
	if len(b) < BlockSize || allZero(b[:sectorSize]) {
		return frame{}, errNoFrame
	}
	header, trailer := frameHeader, frameTrailer
	switch string(b[:8]) {
	case frameMagic:
	case oldMagic:
		header, trailer = oldHeader, 0
	default:
		return frame{}, errChanged
	}
	if binary.BigEndian.Uint32(b[68:]) != headerSum(b[:header]) {
		return frame{}, errChanged
	}
	n := int(binary.BigEndian.Uint32(b[8:]))
	if n < header || n > len(b)-trailer || padded(n+trailer) > len(b) {
		return frame{}, errChanged
	}
	f := frame{
		count:   binary.BigEndian.Uint32(b[12:]),
		first:   binary.BigEndian.Uint64(b[16:]),
		segment: binary.BigEndian.Uint64(b[24:]),
		records: b[header:n],
		size:    int64(padded(n + trailer)),
	}
	whole := b[:f.size]
	if !f.whole(whole, header, n, trailer) {
		for off := 0; off < len(whole); off += sectorSize {
			if allZero(whole[off : off+sectorSize]) {
				return frame{}, errTorn
			}
		}
		return frame{}, errChanged
	}
	copy(f.prev[:], b[32:64])
	if trailer > 0 {
		copy(f.stamp.key[:], b[72:])
		f.stamp.interval, f.stamp.number = binary.BigEndian.Uint64(b[80:]), binary.BigEndian.Uint32(b[88:])
	}
	f.hash = sha256.Sum256(b[:n])
	if err := eachRecord(f.records, int(f.count), nil); err != nil {
		return frame{}, errChanged
	}
	return f, nil
}

// whole checks what follows the header of a frame, and takes its MAC.
func (f *frame) whole(b []byte, header, n, trailer int) bool {
	if binary.BigEndian.Uint32(b[64:]) != bodySum(b, header, n, trailer) {
		return false
	}
	if trailer == 0 {
		return true
	}
	copy(f.mac[:], b[n:])
	return binary.BigEndian.Uint32(b[n+sha256.Size:]) == crc32.Checksum(f.mac[:], castagnoli())
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
