// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/blob/blobtest"
	"github.com/sallyport-dev/sallyport/internal/blob/file"
)

func open(t *testing.T, dir string) *file.Store {
	t.Helper()
	s, err := file.Open(dir)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t *testing.T) blobtest.Blob { return open(t, t.TempDir()) })
}

// TestDamage flips every byte of a stored file, shortens it and lengthens it:
// the reader never ends cleanly, and a new Put heals it.
func TestDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	b := []byte("sealed chunk of a recording")
	d := blobtest.Digest(b)
	path := filepath.Join(dir, d[:2], d)
	put := func() {
		t.Helper()
		if err := s.Put(t.Context(), d, b); err != nil {
			t.Fatalf("Put: %v", err)
		}
	}
	get := func() error {
		_, err := s.Get(t.Context(), d)
		return err
	}
	damaged := [][]byte{b[:len(b)-1], append(bytes.Clone(b), 0), {}}
	for i := range b {
		c := bytes.Clone(b)
		c[i] ^= 1
		damaged = append(damaged, c)
	}
	for i, c := range damaged {
		put()
		if err := os.WriteFile(path, c, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := get(); sallyport.KindOf(err) != sallyport.Integrity {
			t.Errorf("damage %d: read = %v, want integrity", i, err)
		}
	}
	put()
	if err := get(); err != nil {
		t.Errorf("after healing: %v", err)
	}
}

func TestModesAndLeftovers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "blobs")
	s := open(t, dir)
	b := []byte("x")
	d := blobtest.Digest(b)
	if err := s.Put(t.Context(), d, b); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, d[:2]): 0o700, filepath.Join(dir, d[:2], d): 0o600} {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != want {
			t.Errorf("mode of %s = %o, want %o", filepath.Base(path), st.Mode().Perm(), want)
		}
	}
	left := filepath.Join(dir, "tmp", "put-123")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("a half-written blob outlived Open: %v", err)
	}
}

func TestUnwritable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	b := []byte("x")
	d := blobtest.Digest(b)
	// A file stands where the shard's directory has to be.
	if err := os.WriteFile(filepath.Join(dir, d[:2]), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), d, b); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("Put = %v, want unavailable", err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := file.Open(filepath.Join(dir, d[:2], "under-a-file")); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("Open under a file = %v, want unavailable", err)
	}
}
