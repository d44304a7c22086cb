// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package jsonl is the sink that writes events to files of its own as JSON
// lines, for an agent that collects files and for archives.
//
// A file is named after the index of the first event that was put into it, so
// that names sort as events do. A batch is written at once and made durable
// before it counts as arrived. A line that a crash has torn is cut off at the
// next start; its event is then sent again, so that a file never has half a line.
// Old files are nobody's to remove but the operator's.
package jsonl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/ship"
)

const (
	op     = "ship file"
	prefix = "sallyport-"
	suffix = ".jsonl"
)

// Sink appends to the newest file of a directory.
type Sink struct {
	dir  string
	most int64 // bytes of a file after which another is begun
	f    *os.File
	size int64
}

// New returns a sink for a directory, which it makes when it is needed. Only one
// sink may write there.
func New(dir string, most int64) *Sink { return &Sink{dir: dir, most: most} }

// Send implements [ship.Sink].
func (s *Sink) Send(_ context.Context, b ship.Batch) error {
	lines := make([]byte, 0, b.Bytes+len(b.Events))
	for _, e := range b.Events {
		lines = append(append(lines, e.JSON...), '\n')
	}
	if err := s.ready(b.From(), int64(len(lines))); err != nil {
		return errors.Join(s.cannot(err), s.Close())
	}
	_, err := s.f.Write(lines)
	if err == nil {
		err = s.f.Sync()
	}
	if err != nil {
		// What lies there now is known again when the file is opened anew.
		return errors.Join(s.cannot(err), s.Close())
	}
	s.size += int64(len(lines))
	return nil
}

// ready opens the file that the next n bytes go to.
func (s *Sink) ready(from uint64, n int64) error {
	if s.f == nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	if s.f != nil && (s.size == 0 || s.size+n <= s.most) {
		return nil
	}
	if err := s.Close(); err != nil {
		return err
	}
	return s.begin(from)
}

// open opens the newest file, if there is one, and cuts off a torn last line.
func (s *Sink) open() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	names, err := s.names()
	if err != nil || len(names) == 0 {
		return err
	}
	f, err := os.OpenFile(filepath.Join(s.dir, names[len(names)-1]), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	size, err := wholeLines(f)
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	s.f, s.size = f, size
	return nil
}

// names returns the sink's files in their order.
func (s *Sink) names() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), suffix) && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// wholeLines returns the length of the file up to its last line break.
func wholeLines(f *os.File) (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	for end := st.Size(); end > 0; {
		n := min(end, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], end-n); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return end - n + int64(i) + 1, nil
		}
		end -= n
	}
	return 0, nil
}

// begin makes a new file. When events are sent again from an earlier index on
// there may be one of the name; the number behind it keeps both.
func (s *Sink) begin(from uint64) error {
	for n := range 10_000 {
		name := filepath.Join(s.dir, fmt.Sprintf("%s%020d-%04d%s", prefix, from, n, suffix))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := syncDir(s.dir); err != nil {
			return errors.Join(err, f.Close())
		}
		s.f, s.size = f, 0
		return nil
	}
	return fs.ErrExist
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Close closes the file that is open.
func (s *Sink) Close() error {
	if s.f == nil {
		return nil
	}
	f := s.f
	s.f, s.size = nil, 0
	return f.Close()
}

func (s *Sink) cannot(err error) error {
	e := sallyport.E(sallyport.Unavailable, op, "the files of shipped events cannot be written").Because(err)
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return e.WithHint("free space on the disk of " + s.dir)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return e.WithHint("make " + s.dir + " writable for the gateway")
	}
	return e.WithHint("look after " + s.dir)
}
