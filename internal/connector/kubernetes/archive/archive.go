// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package archive takes archives of tar apart and writes them anew: what leaves the
// gateway, on either side, is made of files and directories whose names were judged,
// and of nothing else that a tar can say.
package archive

import (
	"archive/tar"
	"errors"
	"io"
	"path"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/files"
)

const op = "archive"

// Limits of an archive.
const (
	MaxEntries = 100_000
	// maxPadding is how much may follow behind an archive's end, in bytes.
	maxPadding = 1 << 20
)

// Entry is a file or a directory.
type Entry struct {
	// Path is where it lies, canonical and absolute.
	Path string
	Dir  bool
	Size int64
	Mode int64 // permissions alone
	At   time.Time
	// UID and GID are its owners. Names of owners are not kept.
	UID, GID int
}

// Reader reads an archive. It is used by one goroutine.
type Reader struct {
	src  io.Reader
	in   *tar.Reader
	base string
	n    int
}

// NewReader returns the reader of an archive whose names count from base, which is
// canonical.
func NewReader(r io.Reader, base string) *Reader {
	return &Reader{src: r, in: tar.NewReader(r), base: base}
}

// Next returns the next entry, or io.EOF behind the last. What is neither a file nor a
// directory, or is named in a way that leads elsewhere, is refused with kind Denied.
func (r *Reader) Next() (Entry, error) {
	h, err := r.in.Next()
	if errors.Is(err, io.EOF) {
		return Entry{}, r.drain()
	}
	if err != nil {
		return Entry{}, sallyport.E(sallyport.Integrity, op, "the archive is broken, or broke off").WithHint("copy it again")
	}
	if r.n++; r.n > MaxEntries {
		return Entry{}, refused("the archive holds too many files")
	}
	e := Entry{Size: h.Size, Mode: h.Mode & 0o777, At: h.ModTime.Truncate(time.Second), UID: number(h.Uid), GID: number(h.Gid)}
	switch h.Typeflag {
	case tar.TypeReg:
	case tar.TypeDir:
		e.Dir, e.Size = true, 0
	default:
		return Entry{}, refused("the archive holds a link, a device or another thing that is no file")
	}
	for record := range h.PAXRecords {
		if strings.HasPrefix(record, "GNU.sparse.") { // a few bytes that stand for any number
			return Entry{}, refused("the archive holds a sparse file")
		}
	}
	name := strings.TrimSuffix(h.Name, "/")
	if name == "" || strings.HasPrefix(name, "/") || hasDots(name) {
		return Entry{}, refused("the archive names a file outside the directory that it is of")
	}
	var ok bool
	if e.Path, ok = files.Canonical(r.base, name); !ok || e.Path == r.base {
		return Entry{}, refused("the archive names a file in a way that cannot be judged")
	}
	return e, nil
}

// hasDots reports whether a name leads upwards.
func hasDots(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

// number is an owner as every form of tar can hold it.
func number(id int) int {
	if id < 0 || id > 0o7777777 {
		return 0
	}
	return id
}

func refused(msg string) error {
	return sallyport.E(sallyport.Denied, op, msg+", so it is not copied").WithHint("copy files and directories by their own names")
}

// Read reads of the entry's content.
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = sallyport.E(sallyport.Integrity, op, "the archive is broken, or broke off").WithHint("copy it again")
	}
	return n, err
}

// drain reads what follows behind the end.
func (r *Reader) drain() error {
	n, err := io.Copy(io.Discard, io.LimitReader(r.src, maxPadding+1))
	if err != nil || n > maxPadding {
		return sallyport.E(sallyport.Integrity, op, "the archive does not end").WithHint("copy it again").Because(err)
	}
	return io.EOF
}

// Writer writes an archive. It is used by one goroutine.
type Writer struct {
	out  *tar.Writer
	base string
}

// NewWriter returns the writer of an archive whose names count from base.
func NewWriter(w io.Writer, base string) *Writer { return &Writer{out: tar.NewWriter(w), base: base} }

// Begin writes an entry, whose content of its size is to follow.
func (w *Writer) Begin(e Entry) error {
	name := strings.TrimPrefix(e.Path, strings.TrimSuffix(w.base, "/")+"/")
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: e.Size, Mode: e.Mode, ModTime: e.At, Uid: e.UID, Gid: e.GID}
	if e.Dir {
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	}
	if path.IsAbs(name) {
		return sallyport.E(sallyport.Internal, op, "the entry lies outside the archive")
	}
	return w.out.WriteHeader(h)
}

// Write implements [io.Writer] for the entry's content.
func (w *Writer) Write(p []byte) (int, error) { return w.out.Write(p) }

// Close ends the archive. It does not close what it is written to.
func (w *Writer) Close() error { return w.out.Close() }
