// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	sallyport "github.com/sallyport-dev/sallyport"
)

// The container is a zip archive of which every byte is determined by the names
// and the packed contents: no times, no comments, no extra fields, no padding.
// A verifier writes the headers again and compares, so that no byte of the
// archive is outside of what is checked.

const (
	zipStore   = 0
	zipDeflate = 8

	maxZipEntries = 1<<16 - 2
	maxZipBytes   = 1<<32 - 2
)

// zipEntry is a file of the container.
type zipEntry struct {
	name   string
	method uint16
	crc    uint32
	packed uint64 // bytes in the archive
	size   uint64 // bytes of the content
}

// zipLayout writes the headers of a container.
type zipLayout struct {
	entries []zipEntry
	offsets []uint64
	at      uint64
}

// local returns the header that stands before an entry's packed content.
func (z *zipLayout) local(e zipEntry) ([]byte, error) {
	if len(z.entries) >= maxZipEntries || e.packed > maxZipBytes || e.size > maxZipBytes || z.at+e.packed > maxZipBytes {
		return nil, sallyport.E(sallyport.Exhausted, "bundle write", "the bundle would be larger than the format allows").
			WithHint("narrow the filter, for example to a shorter time, and export several bundles")
	}
	b := binary.LittleEndian.AppendUint32(nil, 0x04034b50)
	b = appendEntryFields(b, e)
	b = binary.LittleEndian.AppendUint16(b, 0) // no extra field
	b = append(b, e.name...)
	z.entries = append(z.entries, e)
	z.offsets = append(z.offsets, z.at)
	z.at += uint64(len(b)) + e.packed
	return b, nil
}

// appendEntryFields appends what local and central headers share, up to the
// length of the name.
func appendEntryFields(b []byte, e zipEntry) []byte {
	le := binary.LittleEndian
	b = le.AppendUint16(b, 20) // version that is needed
	b = le.AppendUint16(b, 0)  // flags
	b = le.AppendUint16(b, e.method)
	b = le.AppendUint16(b, 0)      // 00:00:00
	b = le.AppendUint16(b, 1<<5|1) // on 1 January 1980, the format's first day
	b = le.AppendUint32(b, e.crc)
	b = le.AppendUint32(b, uint32(e.packed))
	b = le.AppendUint32(b, uint32(e.size))
	return le.AppendUint16(b, uint16(len(e.name)))
}

// end returns the central directory and the end record.
func (z *zipLayout) end() []byte {
	le := binary.LittleEndian
	var b []byte
	for i, e := range z.entries {
		b = le.AppendUint32(b, 0x02014b50)
		b = le.AppendUint16(b, 20) // version that wrote it
		b = appendEntryFields(b, e)
		b = append(b, make([]byte, 2+2+2+2+4)...) // extra, comment, disk, attributes
		b = le.AppendUint32(b, uint32(z.offsets[i]))
		b = append(b, e.name...)
	}
	size := len(b)
	b = le.AppendUint32(b, 0x06054b50)
	b = append(b, 0, 0, 0, 0)
	b = le.AppendUint16(b, uint16(len(z.entries)))
	b = le.AppendUint16(b, uint16(len(z.entries)))
	b = le.AppendUint32(b, uint32(size))
	b = le.AppendUint32(b, uint32(z.at))
	return append(b, 0, 0)
}

// pack chooses the smaller form of a content, as far as a verifier takes it.
func pack(content []byte) (method uint16, packed []byte, err error) {
	var buf bytes.Buffer
	fw, err := flate.NewWriter(&buf, flate.DefaultCompression)
	if err != nil {
		return 0, nil, err
	}
	if _, err := fw.Write(content); err != nil {
		return 0, nil, err
	}
	if err := fw.Close(); err != nil {
		return 0, nil, err
	}
	if buf.Len() >= len(content) || isBomb(uint64(buf.Len()), uint64(len(content))) {
		return zipStore, content, nil
	}
	return zipDeflate, buf.Bytes(), nil
}

// zipWriter writes a container.
type zipWriter struct {
	w      io.Writer
	layout zipLayout
}

func (z *zipWriter) add(name string, method uint16, packed []byte, content []byte) error {
	head, err := z.layout.local(zipEntry{name: name, method: method, crc: crc32.ChecksumIEEE(content), packed: uint64(len(packed)), size: uint64(len(content))})
	if err != nil {
		return err
	}
	for _, b := range [][]byte{head, packed} {
		if _, err := z.w.Write(b); err != nil {
			return fmt.Errorf("bundle write: %w", err)
		}
	}
	return nil
}

func (z *zipWriter) close() error {
	if _, err := z.w.Write(z.layout.end()); err != nil {
		return fmt.Errorf("bundle write: %w", err)
	}
	return nil
}
