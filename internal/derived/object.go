// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/payload"
)

// Object is a masked object. Its fields do not change; its methods may be called
// from any number of goroutines.
type Object struct {
	Size   int64
	CRC32C uint32 // with the polynomial of Castagnoli
	MD5    [16]byte
	// ETag is the object's own, without quotes: the source's would name other bytes.
	ETag        string
	ContentType string
	Kind        payload.Kind
	// Counts say what the masks did, to be put on record with each delivery.
	Counts []mask.Count
	Made   time.Time

	store  *Store
	entry  *entry
	f      *os.File
	box    *box
	begin  int64 // of the first chunk in the file
	key    Key
	making Making
	closed sync.Once
}

// open opens the file of an entry, whose reference the object takes over. A file
// that is not what was made is Integrity.
func (s *Store) open(e *entry) (*Object, error) {
	f, err := os.Open(s.path(e.name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, damaged(err) // somebody removed it
	}
	if err != nil {
		return nil, unavailable("derived object", err)
	}
	o := &Object{store: s, entry: e, f: f}
	if err := o.read(e.name); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return o, nil
}

// read opens the key and the manifest.
func (o *Object) read(name string) error {
	info, err := o.f.Stat()
	if err != nil {
		return unavailable("derived object", err)
	}
	head := make([]byte, len(magic)+2)
	if _, err := o.f.ReadAt(head, 0); err != nil || string(head[:len(magic)]) != magic {
		return damaged(err)
	}
	wrapped := make([]byte, binary.BigEndian.Uint16(head[len(magic):]))
	if _, err := o.f.ReadAt(wrapped, int64(len(head))); err != nil {
		return damaged(err)
	}
	key, err := o.store.o.Keys.UnwrapCacheKey(name, wrapped)
	if err != nil {
		return damaged(err)
	}
	defer clear(key)
	if o.box, err = newBox(name, key); err != nil {
		return err
	}
	o.begin = int64(len(head) + len(wrapped))
	var tail [4]byte
	end := info.Size() - int64(len(tail))
	if end < o.begin {
		return damaged(io.ErrUnexpectedEOF)
	}
	if _, err := o.f.ReadAt(tail[:], end); err != nil {
		return damaged(err)
	}
	n := int64(binary.BigEndian.Uint32(tail[:]))
	if n > maxManifest+tagSize || n > end-o.begin {
		return damaged(io.ErrUnexpectedEOF)
	}
	sealed := make([]byte, n)
	if _, err := o.f.ReadAt(sealed, end-n); err != nil {
		return damaged(err)
	}
	plain, err := o.box.open(theManifest, sealed)
	if err != nil {
		return err
	}
	return o.describe(plain, end-n-o.begin)
}

// describe takes the manifest; chunks is how many bytes of the file the chunks are.
func (o *Object) describe(plain []byte, chunks int64) error {
	var m manifest
	if err := json.Unmarshal(plain, &m); err != nil {
		return damaged(err)
	}
	sum, err := hex.DecodeString(m.MD5)
	if err != nil || len(sum) != len(o.MD5) || m.Size < 0 || m.Size+(m.Size+chunkSize-1)/chunkSize*tagSize != chunks {
		return damaged(errors.New("its sizes do not fit"))
	}
	o.Size, o.CRC32C, o.ContentType, o.Kind, o.Counts, o.Made = m.Size, m.CRC32C, m.ContentType, payload.Kind(m.Kind), m.Counts, m.Made
	copy(o.MD5[:], sum)
	tag := sha256.Sum256(append([]byte("sallyport/derived/etag/"+o.entry.name+"/"), sum...))
	o.ETag = base64.RawURLEncoding.EncodeToString(tag[:12])
	return nil
}

// Close gives the object back. Readers of it must have ended.
func (o *Object) Close() error {
	var err error
	o.closed.Do(func() {
		err = o.f.Close()
		o.store.release(o.entry)
	})
	return err
}

// Reader gives a range of an object in pieces. It is used by one goroutine.
type Reader struct {
	o        *Object
	at, end  int64
	mended   *Object // in place of o, once a chunk of that did not open
	attempts int
}

// Read returns a reader of length bytes from offset on, or to the end if length is
// negative. A range that begins behind the object, or ends there, is cut.
func (o *Object) Read(offset, length int64) *Reader {
	at := min(max(offset, 0), o.Size)
	end := o.Size
	if length >= 0 && length < end-at {
		end = at + length
	}
	return &Reader{o: o, at: at, end: end}
}

// Next returns the next piece, at most 64 KiB, and [io.EOF] when there is none. A
// chunk that does not open is not delivered: the object is made again, and the
// reading goes on with it where its checksums are the same.
func (r *Reader) Next(ctx context.Context) (mask.Masked, error) {
	if r.at >= r.end {
		return mask.Masked{}, io.EOF
	}
	if err := ctx.Err(); err != nil {
		return mask.Masked{}, sallyport.E(sallyport.Unavailable, "derived object", "the caller left").Because(err)
	}
	o := r.o
	if r.mended != nil {
		o = r.mended
	}
	number := r.at / chunkSize
	plain, err := o.chunk(number)
	if sallyport.KindOf(err) == sallyport.Integrity && r.attempts == 0 {
		r.attempts++
		if o, err = r.mend(ctx); err == nil {
			plain, err = o.chunk(number)
		}
	}
	if err != nil {
		return mask.Masked{}, err
	}
	from := r.at - number*chunkSize
	to := min(int64(len(plain)), r.end-number*chunkSize)
	r.at += to - from
	return mask.Restored(plain[from:to:to]), nil
}

// Close ends the reading.
func (r *Reader) Close() error {
	if r.mended == nil {
		return nil
	}
	return r.mended.Close()
}

// chunk reads and opens one chunk.
func (o *Object) chunk(number int64) ([]byte, error) {
	size := min(o.Size-number*chunkSize, chunkSize) + tagSize
	sealed := make([]byte, size)
	if _, err := o.f.ReadAt(sealed, o.begin+number*(chunkSize+tagSize)); err != nil {
		return nil, damaged(err)
	}
	return o.box.open(uint64(number), sealed)
}

// mend makes the object again.
func (r *Reader) mend(ctx context.Context) (*Object, error) {
	o := r.o
	o.store.drop(o.entry)
	again, err := o.store.Get(ctx, o.key, o.making)
	if err != nil {
		return nil, err
	}
	if again.Size != o.Size || again.MD5 != o.MD5 || again.CRC32C != o.CRC32C {
		err := sallyport.E(sallyport.Integrity, "derived object", "the masked object was damaged, and became another when it was made again").
			WithHint("read it from its beginning")
		return nil, errors.Join(err, again.Close())
	}
	r.mended = again
	return again, nil
}
