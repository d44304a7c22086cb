// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5" // what the stores' clients compare; nothing here rests on it
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/objectmask"
)

// The format of a file:
//
//	file     = "spd1" len(wrapped) wrapped chunk... manifest len(manifest)
//	chunk    = up to 64 KiB of the object, sealed
//	manifest = JSON, sealed
//
// wrapped is the file's key as the vault wraps it; the first length has 2 bytes, the
// last one 4, the most significant first. All is sealed by AES-256-GCM under the key,
// with the number of the chunk as nonce and the file's name as additional data; the
// manifest's number is the last one that there is. The sizes of the manifest and of
// the chunks give that of the file, so that one that was cut does not open.
const (
	magic       = "spd1"
	chunkSize   = 64 << 10
	tagSize     = 16
	nonceSize   = 12
	keySize     = 32
	maxManifest = 16 << 20
	step        = 1 << 20 // how much room a making takes at a time
	tempDir     = "tmp"
)

// manifest is what a file says of its object.
type manifest struct {
	Size        int64        `json:"size"`
	CRC32C      uint32       `json:"crc32c"`
	MD5         string       `json:"md5"` // hex
	ContentType string       `json:"content_type"`
	Kind        string       `json:"kind"`
	Counts      []mask.Count `json:"counts"`
	Made        time.Time    `json:"made"`
}

// box seals and opens the parts of one file.
type box struct {
	aead cipher.AEAD
	aad  []byte
}

func newBox(name string, key []byte) (*box, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, damaged(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, damaged(err)
	}
	return &box{aead: aead, aad: []byte("sallyport/derived/1/" + name)}, nil
}

func nonce(number uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, nonceSize-8, nonceSize), number)
}

func (b *box) seal(number uint64, plain []byte) []byte {
	return b.aead.Seal(nil, nonce(number), plain, b.aad)
}

func (b *box) open(number uint64, sealed []byte) ([]byte, error) {
	plain, err := b.aead.Open(nil, nonce(number), sealed, b.aad)
	if err != nil {
		return nil, damaged(err)
	}
	return plain, nil
}

// theManifest is the number of the manifest.
const theManifest = math.MaxUint64

func damaged(err error) error {
	return sallyport.E(sallyport.Integrity, "derived object", "the masked object does not open").
		WithHint("it is made again").Because(err)
}

func tooLarge(size, most int64) error {
	return sallyport.E(sallyport.Denied, "derived object", fmt.Sprintf("the object has %d bytes, and objects are masked up to %d", size, most)).
		WithHint("split it, or have the operator raise the limit")
}

// load finds the files of an earlier process, and removes what it left unfinished.
func (s *Store) load() error {
	tmp := filepath.Join(s.o.Dir, tempDir)
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return err
	}
	dir, err := os.ReadDir(s.o.Dir)
	if err != nil {
		return err
	}
	type found struct {
		e    *entry
		used time.Time
	}
	var all []found
	for _, d := range dir {
		if !validName(d.Name()) {
			continue
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			all = append(all, found{&entry{name: d.Name(), size: info.Size()}, info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.e.name, b.e.name))
	})
	for _, f := range all {
		s.keep(f.e, 0)
		s.total += f.e.size
	}
	return s.reserve(0) // the limit may be lower than it was
}

// validName reports whether a file may be one of the store's.
func validName(name string) bool {
	b, err := hex.DecodeString(name)
	return err == nil && len(b) == 32 && hex.EncodeToString(b) == name
}

// make makes the file of a name. With an error nothing of it is left.
func (s *Store) make(ctx context.Context, name string, m Making) (*entry, error) {
	select {
	case s.slot <- struct{}{}:
	case <-ctx.Done():
		return nil, stopped(ctx)
	}
	defer func() { <-s.slot }()
	f, err := os.CreateTemp(filepath.Join(s.o.Dir, tempDir), "make-*")
	if err != nil {
		return nil, unavailable("derived object", err)
	}
	w := &sealing{store: s, f: f, md5: md5.New()}
	err = w.all(ctx, name, m)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = unavailable("derived object", cerr)
	}
	// It is not made durable first: a file that a crash left half does not open, and
	// is made again.
	if err == nil && ctx.Err() == nil {
		if rerr := os.Rename(f.Name(), s.path(name)); rerr != nil {
			err = unavailable("derived object", rerr)
		}
	} else if err == nil {
		err = stopped(ctx)
	}
	if err != nil {
		s.unreserve(w.reserved)
		return nil, errors.Join(err, ignoreAbsent(os.Remove(f.Name())))
	}
	s.unreserve(w.reserved - w.written)
	s.touch(name)
	return &entry{name: name, size: w.written}, nil
}

// touch notes when a file was used, by which they are in order after a restart.
// Nothing else rests on it.
func (s *Store) touch(name string) {
	now := s.o.Now()
	_ = os.Chtimes(s.path(name), now, now)
}

func ignoreAbsent(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func stopped(ctx context.Context) error {
	return sallyport.E(sallyport.Unavailable, "derived object", "nobody waits for the object any longer, or the gateway is stopping").Because(context.Cause(ctx))
}

// sealing writes one file.
type sealing struct {
	store    *Store
	f        *os.File
	box      *box
	reserved int64
	written  int64
	buf      []byte // of the chunk that is being filled
	chunks   uint64
	size     int64
	crc      uint32
	md5      hash.Hash
}

// all makes the whole file.
func (w *sealing) all(ctx context.Context, name string, m Making) error {
	key := make([]byte, keySize)
	defer clear(key)
	if _, err := io.ReadFull(w.store.o.Rand, key); err != nil {
		return sallyport.E(sallyport.Internal, "derived object", "no randomness for a key").Because(err)
	}
	wrapped, err := w.store.o.Keys.WrapCacheKey(name, key)
	if err != nil {
		return err
	}
	if w.box, err = newBox(name, key); err != nil {
		return err
	}
	head := append(binary.BigEndian.AppendUint16([]byte(magic), uint16(len(wrapped))), wrapped...)
	if err := w.put(head); err != nil {
		return err
	}
	o := objectmask.Options{Scan: m.Scan, Pack: m.Pack, Like: m.Like, MaxUnpacked: w.store.o.MaxSource}
	result, err := m.Masks.Mask(ctx, m.Source, o, w.masked)
	if err != nil {
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		return err
	}
	if len(w.buf) > 0 {
		if err := w.chunk(); err != nil {
			return err
		}
	}
	return w.end(result)
}

// masked takes a piece of the object. It is the only way into a file.
func (w *sealing) masked(m mask.Masked) error {
	_, err := m.WriteTo(pieces{w})
	return err
}

// pieces is the writer behind masked, apart from sealing so that nothing else
// writes to that.
type pieces struct{ w *sealing }

// castagnoli is the polynomial of the stores' checksums.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Write implements [io.Writer].
func (p pieces) Write(b []byte) (int, error) {
	w := p.w
	n := len(b)
	w.size += int64(n)
	w.crc = crc32.Update(w.crc, castagnoli(), b)
	w.md5.Write(b)
	for len(b) > 0 {
		k := min(len(b), chunkSize-len(w.buf))
		w.buf = append(w.buf, b[:k]...)
		b = b[k:]
		if len(w.buf) == chunkSize {
			if err := w.chunk(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

// chunk seals what is in the buffer.
func (w *sealing) chunk() error {
	sealed := w.box.seal(w.chunks, w.buf)
	w.chunks++
	w.buf = w.buf[:0]
	return w.put(sealed)
}

// put writes to the file, for which it takes room first.
func (w *sealing) put(b []byte) error {
	for w.written+int64(len(b)) > w.reserved {
		if err := w.store.reserve(step); err != nil {
			return err
		}
		w.reserved += step
	}
	if _, err := w.f.Write(b); err != nil {
		return unavailable("derived object", err)
	}
	w.written += int64(len(b))
	return nil
}

func (w *sealing) end(r objectmask.Result) error {
	b, err := json.Marshal(manifest{
		Size: w.size, CRC32C: w.crc, MD5: hex.EncodeToString(w.md5.Sum(nil)), ContentType: r.ContentType, Kind: string(r.Kind), Counts: r.Counts,
		Made: w.store.o.Now().UTC(),
	})
	if err != nil || len(b) > maxManifest {
		return sallyport.E(sallyport.Internal, "derived object", "the object cannot be described").Because(err)
	}
	sealed := w.box.seal(theManifest, b)
	return w.put(binary.BigEndian.AppendUint32(sealed, uint32(len(sealed))))
}
