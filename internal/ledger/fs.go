// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"io"
)

// FS is what the ledger asks of a file system. It exists so that tests can end
// the world at every single write; [OS] is the real one. Names are slash
// separated paths. A missing file or directory gives an error that is
// [io/fs.ErrNotExist].
type FS interface {
	Files
	Segments
}

// Files are small files that are written once.
type Files interface {
	// MkdirAll makes a directory and its parents; they are durable on return.
	MkdirAll(dir string) error
	// List returns the sorted names in a directory.
	List(dir string) ([]string, error)
	ReadFile(name string) ([]byte, error)
	// WriteFile creates or replaces a file. Its content is durable after SyncFile
	// only, its name after SyncDir.
	WriteFile(name string, data []byte) error
	SyncFile(name string) error
	// Replace puts data under the name atomically and durably: after a crash the
	// name holds either the old content or the new.
	Replace(name string, data []byte) error
	Remove(name string) error
	SyncDir(dir string) error
}

// Segments are preallocated files for durable writes in place.
type Segments interface {
	// Lock takes the directory for this process, or fails at once.
	Lock(name string) (io.Closer, error)
	// CreateSegment makes a file of size bytes of zeros that are really written,
	// durable with its name on return.
	CreateSegment(name string, size int64) (Segment, error)
	// OpenSegment opens an existing one.
	OpenSegment(name string) (Segment, error)
}

// Segment is a file of the write-ahead log.
type Segment interface {
	io.ReaderAt
	// WriteAt writes whole blocks at a multiple of [BlockSize], from a buffer
	// aligned to it; they are durable on return.
	io.WriterAt
	io.Closer
	Size() (int64, error)
	// Method says how WriteAt makes a write durable, for Stats.
	Method() string
}

// BlockSize is the unit of writes to a segment in bytes. A block is written
// once.
const BlockSize = 4096

// sectorSize is the unit that a disk writes wholly or not at all.
const sectorSize = 512
