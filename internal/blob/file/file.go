// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package file keeps blobs as files named by their own SHA-256. It is the
// embedded default for the sealed chunks of session recordings and for sealed
// texts that are too large for a leaf.
//
// A blob is durable when [Store.Put] returns: it is written beside its place,
// flushed, moved there and the directories that changed are flushed as well.
// [Store.Get] checks the digest before it returns anything.
package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	sallyport "github.com/sallyport-dev/sallyport"
)

// tempDir holds blobs while they are written. It lies in the same file system
// as their final place, so that the move is atomic.
const tempDir = "tmp"

// MaxSize is the largest blob in bytes; what Get reads is bounded by it.
const MaxSize = 64 << 20

// Store is a directory of blobs. Its methods may be called from any number of
// goroutines and from several processes at once.
type Store struct {
	dir string
}

// Open makes dir (mode 0700) when it is missing and returns the store in it.
// What an interrupted Put of an earlier process left in the temporary
// directory is removed. Errors have kind Unavailable.
func Open(dir string) (*Store, error) {
	tmp := filepath.Join(dir, tempDir)
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return nil, unavailable("blob open", err)
	}
	left, err := os.ReadDir(tmp)
	if err != nil {
		return nil, unavailable("blob open", err)
	}
	for _, e := range left {
		if err := os.Remove(filepath.Join(tmp, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, unavailable("blob open", err)
		}
	}
	if err := syncDir(dir); err != nil {
		return nil, unavailable("blob open", err)
	}
	return &Store{dir: dir}, nil
}

// Put stores data under digest, its SHA-256 in lower-case hex. It stores nothing
// when the digest does not fit (kind Integrity). Storing what is there already
// writes it anew, which also heals a damaged copy.
func (s *Store) Put(ctx context.Context, digest string, data []byte) error {
	const op = "blob put"
	if !validDigest(digest) {
		return invalidDigest(op)
	}
	if len(data) > MaxSize {
		return sallyport.E(sallyport.Invalid, op, "the blob is larger than a blob may be")
	}
	if !fits(data, digest) {
		return sallyport.E(sallyport.Integrity, op, "the bytes do not have the digest they were to be stored under")
	}
	if err := ctx.Err(); err != nil {
		return unavailable(op, err)
	}
	f, err := os.CreateTemp(filepath.Join(s.dir, tempDir), "put-*")
	if err != nil {
		return unavailable(op, err)
	}
	if err := s.settle(f, digest, data); err != nil {
		_ = os.Remove(f.Name()) // what cannot be removed now, Open removes
		return unavailable(op, err)
	}
	return nil
}

// settle writes data to f, makes it durable and moves it to its place.
func (s *Store) settle(f *os.File, digest string, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	shard := filepath.Join(s.dir, digest[:2])
	switch err := os.Mkdir(shard, 0o700); {
	case err == nil:
		if err := syncDir(s.dir); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(shard, digest)); err != nil {
		return err
	}
	return syncDir(shard)
}

// Get returns the blob with the given digest, verified. An absent blob is
// NotFound; one whose bytes are not those that were stored is Integrity.
func (s *Store) Get(ctx context.Context, digest string) ([]byte, error) {
	const op = "blob get"
	if !validDigest(digest) {
		return nil, invalidDigest(op)
	}
	if err := ctx.Err(); err != nil {
		return nil, unavailable(op, err)
	}
	f, err := os.Open(filepath.Join(s.dir, digest[:2], digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, sallyport.E(sallyport.NotFound, op, "no blob "+digest).
			WithHint("it was pruned, or the directory is not the one it was written to").Because(err)
	}
	if err != nil {
		return nil, unavailable(op, err)
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, unavailable(op, err)
	}
	if len(data) > MaxSize || !fits(data, digest) {
		return nil, sallyport.E(sallyport.Integrity, op, "blob "+digest+" is not what was stored under that name").
			WithHint("the file was changed or damaged; fetch it from a backup")
	}
	return data, nil
}

// Has reports whether a blob with the digest is stored. It does not read it.
func (s *Store) Has(ctx context.Context, digest string) (bool, error) {
	const op = "blob has"
	if !validDigest(digest) {
		return false, invalidDigest(op)
	}
	if err := ctx.Err(); err != nil {
		return false, unavailable(op, err)
	}
	_, err := os.Stat(filepath.Join(s.dir, digest[:2], digest))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, unavailable(op, err)
	}
	return true, nil
}

// Delete removes a blob durably. A blob that is not there is
// no error. Its bytes are ciphertext; what the file system keeps of them opens
// with no key that was destroyed.
func (s *Store) Delete(ctx context.Context, digest string) error {
	const op = "blob delete"
	if !validDigest(digest) {
		return invalidDigest(op)
	}
	if err := ctx.Err(); err != nil {
		return unavailable(op, err)
	}
	shard := filepath.Join(s.dir, digest[:2])
	err := os.Remove(filepath.Join(shard, digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(shard)
	}
	if err != nil {
		return unavailable(op, err)
	}
	return nil
}

// fits reports whether data has the given digest.
func fits(data []byte, digest string) bool {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]) == digest
}

// validDigest reports whether d is a SHA-256 in lower-case hex. Nothing else
// may become a file name.
func validDigest(d string) bool {
	if len(d) != 2*sha256.Size {
		return false
	}
	for _, c := range []byte(d) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func invalidDigest(op string) error {
	return sallyport.E(sallyport.Invalid, op, "a blob's name is a SHA-256 in lower-case hex")
}

func unavailable(op string, err error) error {
	e := sallyport.E(sallyport.Unavailable, op, "the blob directory cannot be used").Because(err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return e.WithHint("the disk is full: make room; no traffic passes until blobs can be written")
	}
	return e.WithHint("check that the directory exists and that the gateway may write in it")
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		_ = d.Close()
		return err
	}
	return d.Close()
}
