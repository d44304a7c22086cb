// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unsafe"
)

// OS is the real file system.
type OS struct {
	// Buffered turns direct writes off, so that every write goes through the page
	// cache and fdatasync.
	Buffered bool
}

// MkdirAll implements [Files].
func (o OS) MkdirAll(dir string) error {
	parent := filepath.Dir(dir)
	if fi, err := os.Stat(dir); err == nil && fi.IsDir() {
		// A process that died may have made it a moment before. Where the parent
		// may not be read, it is the operator's, and older.
		if err := o.SyncDir(parent); err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
		return nil
	}
	if parent != dir {
		if err := o.MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return o.SyncDir(parent)
}

// List implements [Files].
func (OS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// ReadFile implements [Files].
func (OS) ReadFile(name string) ([]byte, error) { return os.ReadFile(name) }

// WriteFile implements [Files].
func (OS) WriteFile(name string, data []byte) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.Write(data)
	return err
}

// SyncFile implements [Files]. The kernel keeps an error of writing the file back
// until somebody asks, so that it does not matter that the file was closed.
func (o OS) SyncFile(name string) error { return o.SyncDir(name) }

// Replace implements [Files].
func (o OS) Replace(name string, data []byte) error {
	tmp := name + ".tmp"
	if err := o.WriteFile(tmp, data); err != nil {
		return err
	}
	if err := o.SyncFile(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, name); err != nil {
		return err
	}
	return o.SyncDir(filepath.Dir(name))
}

// Remove implements [Files].
func (OS) Remove(name string) error { return os.Remove(name) }

// SyncDir implements [Files].
func (OS) SyncDir(dir string) (err error) {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Sync()
}

// CreateSegment implements [Segments].
func (o OS) CreateSegment(name string, size int64) (Segment, error) {
	if err := fillZeros(name, size); err != nil {
		return nil, err
	}
	if err := o.SyncDir(filepath.Dir(name)); err != nil {
		return nil, err
	}
	return o.OpenSegment(name)
}

// fillZeros writes the zeros instead of asking for the space only: blocks that
// were merely reserved cost a journal commit at their first write. It syncs as
// it goes, so that the writes of the log next to it never queue behind more than
// one piece.
func fillZeros(name string, size int64) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	zeros := make([]byte, min(size, 1<<20))
	for done := int64(0); done < size; {
		n, err := f.Write(zeros[:min(size-done, int64(len(zeros)))])
		if err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		done += int64(n)
	}
	return nil
}

// osSegment is a segment on disk.
type osSegment struct {
	read   *os.File // through the page cache
	write  *os.File
	method string
	sync   func() error // nil when a write is durable by itself
}

func (s *osSegment) ReadAt(p []byte, off int64) (int, error) { return s.read.ReadAt(p, off) }

func (s *osSegment) WriteAt(p []byte, off int64) (int, error) {
	if off%BlockSize != 0 || len(p)%BlockSize != 0 {
		return 0, fmt.Errorf("write of %d bytes at %d is not in whole blocks", len(p), off)
	}
	n, err := s.write.WriteAt(p, off)
	if err != nil || s.sync == nil {
		return n, err
	}
	return n, s.sync()
}

func (s *osSegment) Size() (int64, error) {
	fi, err := s.read.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

func (s *osSegment) Method() string { return s.method }

func (s *osSegment) Close() error {
	err := s.read.Close()
	if s.write != s.read {
		err = errors.Join(err, s.write.Close())
	}
	return err
}

// alignedBytes returns n bytes that begin at a multiple of BlockSize in memory,
// as direct writes need. The collector does not move them.
func alignedBytes(n int) []byte {
	b := make([]byte, n+BlockSize)
	skip := 0
	if rest := int(uintptr(unsafe.Pointer(unsafe.SliceData(b))) % BlockSize); rest != 0 {
		skip = BlockSize - rest
	}
	return b[skip : skip+n : skip+n]
}

// lockFile is a taken lock.
type lockFile struct{ f *os.File }

func (l lockFile) Close() error { return l.f.Close() }

// Lock implements [Segments]. The lock ends with the process.
func (OS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := takeLock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return lockFile{f}, nil
}
