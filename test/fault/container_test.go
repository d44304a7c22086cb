// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport-dev/sallyport/evidence"
)

// entry is a file of a container that the harness writes itself, in the exact form
// that bundles have and with whatever in it that a forger likes.
type entry struct {
	name   string
	method uint16
	packed []byte
	size   uint64
	crc    uint32
	sha256 string
}

// stored is an entry that is not packed.
func stored(name string, content []byte) entry {
	sum := sha256.Sum256(content)
	return entry{name: name, packed: content, size: uint64(len(content)), crc: crc32.ChecksumIEEE(content), sha256: hex.EncodeToString(sum[:])}
}

// bomb is an entry of zeros that is a thousand times smaller in the archive.
func bomb(t *testing.T, name string, mib int) entry {
	t.Helper()
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	mark := []int{0}
	for range 2 {
		_, werr := w.Write(zeros)
		if err := errors.Join(werr, w.Flush()); err != nil {
			t.Fatal(err)
		}
		mark = append(mark, buf.Len())
	}
	first, again := bytes.Clone(buf.Bytes()[:mark[1]]), bytes.Clone(buf.Bytes()[mark[1]:])
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	end := buf.Bytes()[mark[2]:]
	e := entry{name: name, method: 8, size: uint64(mib) << 20, packed: append(append(first, bytes.Repeat(again, mib-1)...), end...)}
	h := sha256.New()
	for range mib {
		e.crc = crc32.Update(e.crc, crc32.IEEETable, zeros)
		_, _ = h.Write(zeros) // a hash does not fail
	}
	e.sha256 = hex.EncodeToString(h.Sum(nil))
	return e
}

// header is the part that local and central headers share.
func (e entry) header(b []byte) []byte {
	le := binary.LittleEndian
	b = append(b, 20, 0, 0, 0)
	b = le.AppendUint16(b, e.method)
	b = append(b, 0, 0, 33, 0)
	b = le.AppendUint32(b, e.crc)
	b = le.AppendUint32(b, uint32(len(e.packed)))
	b = le.AppendUint32(b, uint32(e.size))
	return le.AppendUint16(b, uint16(len(e.name)))
}

// container writes entries in the form of a bundle.
func container(entries []entry) []byte {
	le := binary.LittleEndian
	var b, dir []byte
	for _, e := range entries {
		at := uint32(len(b))
		b = le.AppendUint32(b, 0x04034b50)
		b = append(e.header(b), 0, 0)
		b = append(append(b, e.name...), e.packed...)
		dir = le.AppendUint32(dir, 0x02014b50)
		dir = e.header(append(dir, 20, 0))
		dir = append(dir, make([]byte, 12)...)
		dir = append(le.AppendUint32(dir, at), e.name...)
	}
	at := uint32(len(b))
	b = append(b, dir...)
	b = append(le.AppendUint32(b, 0x06054b50), 0, 0, 0, 0)
	b = le.AppendUint16(b, uint16(len(entries)))
	b = le.AppendUint16(b, uint16(len(entries)))
	b = le.AppendUint32(b, uint32(len(dir)))
	return append(le.AppendUint32(b, at), 0, 0)
}

// unpack returns the manifest of a bundle and its other files, in order.
func unpack(t *testing.T, bundle []byte) (m evidence.Manifest, files []entry) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		switch f.Name {
		case evidence.ManifestName:
			if err := json.Unmarshal(content, &m); err != nil {
				t.Fatal(err)
			}
		case evidence.SignatureName:
		default:
			files = append(files, stored(f.Name, content))
		}
	}
	return m, files
}

// sealed writes a bundle of files whose manifest lists and whose signature covers
// them all, as whoever holds the key can make it.
func sealed(t *testing.T, m evidence.Manifest, files []entry, signer note.Signer) []byte {
	t.Helper()
	m.Files = nil
	for _, f := range files {
		sum := sha256.Sum256(f.packed)
		m.Files = append(m.Files, evidence.ManifestFile{Name: f.name, Bytes: f.size, SHA256: f.sha256, Packed: hex.EncodeToString(sum[:])})
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	sum := sha256.Sum256(text)
	sig, err := note.Sign(&note.Note{Text: fmt.Sprintf("sallyport.dev/evidence-manifest/v1\n%s\nsha256:%x\n", m.Origin, sum)}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return container(append(append([]entry{}, files...), stored(evidence.ManifestName, text), stored(evidence.SignatureName, sig)))
}

// fileOf returns the content of a file of a bundle.
func fileOf(bundle []byte, name string) (content []byte, err error) {
	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		return nil, err
	}
	f, err := z.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(f)
}
