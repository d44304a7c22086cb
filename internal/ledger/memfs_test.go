// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/sallyport-dev/sallyport/internal/ledger"
)

var errCrashed = errors.New("the machine has stopped")

// survival says what of the unsynced state outlives a crash.
type survival int

const (
	nothingMore survival = iota // only what was made durable: the power failed
	everything                  // all of it: the process was killed
	mixed                       // any part of it, sector by sector
)

// memFS is a file system in memory that knows what is durable and what is not,
// and that can stop the world at any of its operations.
type memFS struct {
	mu    sync.Mutex
	files map[string]*memFile // volatile names
	safe  map[string]*memFile // durable names
	dirs  map[string]bool
	ops   int
	// crashAt is the operation, from 1, during which the world ends; 0 for never.
	crashAt int
	how     survival
	rng     *rand.Rand
	crashed bool
	// fault, if set, may fail an operation.
	fault func(op, name string) error
}

type memFile struct {
	now, safe []byte
}

func newMemFS() *memFS {
	return &memFS{files: map[string]*memFile{}, safe: map[string]*memFile{}, dirs: map[string]bool{}, rng: rand.New(rand.NewPCG(1, 2))}
}

// step counts an operation. It returns errCrashed from the crash on; partly is
// true for the very operation in which the crash happens.
func (m *memFS) step(op, name string) (partly bool, err error) {
	if m.crashed {
		return false, errCrashed
	}
	if m.fault != nil {
		if err := m.fault(op, name); err != nil {
			return false, err
		}
	}
	m.ops++
	if m.ops == m.crashAt {
		m.crashed = true
		return true, errCrashed
	}
	return false, nil
}

// reboot returns the file system as it is found after the crash.
func (m *memFS) reboot() *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := newMemFS()
	names := m.safe
	if m.how == everything {
		names = m.files
	}
	if m.how == mixed {
		names = map[string]*memFile{}
		for name, f := range m.safe {
			names[name] = f
		}
		for name, f := range m.files {
			if m.rng.IntN(2) == 0 {
				names[name] = f
			}
		}
	}
	for name, f := range names {
		content := slices.Clone(f.safe)
		switch m.how {
		case everything:
			content = slices.Clone(f.now)
		case mixed:
			content = m.blend(f.safe, f.now)
		}
		g := &memFile{now: content, safe: slices.Clone(content)}
		n.files[name], n.safe[name] = g, g
	}
	n.dirs = m.dirs
	return n
}

// blend takes each sector from one or the other.
func (m *memFS) blend(a, b []byte) []byte {
	out := make([]byte, 0, max(len(a), len(b)))
	for off := 0; off < max(len(a), len(b)); off += 512 {
		src := a
		if m.rng.IntN(2) == 0 {
			src = b
		}
		if off >= len(src) {
			continue
		}
		if len(out) < off {
			out = append(out, make([]byte, off-len(out))...)
		}
		out = append(out, src[off:min(off+512, len(src))]...)
	}
	return out
}

func (m *memFS) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dirs[dir] {
		return nil
	}
	if _, err := m.step("mkdir", dir); err != nil {
		return err
	}
	for d := dir; d != "." && d != "/"; d = path.Dir(d) {
		m.dirs[d] = true
	}
	return nil
}

func (m *memFS) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name := range m.files {
		if path.Dir(name) == dir {
			names = append(names, path.Base(name))
		}
	}
	for d := range m.dirs {
		if path.Dir(d) == dir {
			names = append(names, path.Base(d))
		}
	}
	slices.Sort(names)
	return names, nil
}

func (m *memFS) ReadFile(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[name]
	if f == nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	return slices.Clone(f.now), nil
}

func (m *memFS) WriteFile(name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	partly, err := m.step("write", name)
	if err != nil && !partly {
		return err
	}
	f := m.files[name]
	if f == nil {
		f = &memFile{}
		m.files[name] = f
	}
	f.now = slices.Clone(data)
	if partly {
		f.now = f.now[:m.rng.IntN(len(data)+1)]
		f.safe = nil
		return err
	}
	return nil
}

func (m *memFS) SyncFile(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	partly, err := m.step("syncfile", name)
	if err != nil && (!partly || m.rng.IntN(2) == 0) {
		return err
	}
	if f := m.files[name]; f != nil {
		f.safe = slices.Clone(f.now)
	}
	return err
}

func (m *memFS) Replace(name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	partly, err := m.step("replace", name)
	if err != nil && (!partly || m.rng.IntN(2) == 0) {
		return err
	}
	f := &memFile{now: slices.Clone(data), safe: slices.Clone(data)}
	m.files[name], m.safe[name] = f, f
	return err
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.step("remove", name); err != nil {
		return err
	}
	if m.dirs[name] {
		delete(m.dirs, name)
		return nil
	}
	if m.files[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(m.files, name)
	return nil
}

func (m *memFS) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.step("syncdir", dir); err != nil {
		return err
	}
	for name, f := range m.files {
		if path.Dir(name) == dir {
			m.safe[name] = f
		}
	}
	for name := range m.safe {
		if path.Dir(name) == dir && m.files[name] == nil {
			delete(m.safe, name)
		}
	}
	return nil
}

type nopCloser struct{}

func (nopCloser) Close() error { return nil }

func (m *memFS) Lock(string) (io.Closer, error) { return nopCloser{}, nil }

func (m *memFS) CreateSegment(name string, size int64) (ledger.Segment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	partly, err := m.step("create", name)
	if err != nil && !partly {
		return nil, err
	}
	if partly {
		size = m.rng.Int64N(size)
	}
	f := &memFile{now: make([]byte, size), safe: make([]byte, size)}
	m.files[name] = f
	if partly {
		return nil, err
	}
	m.safe[name] = f
	return &memSegment{m, f, name}, nil
}

func (m *memFS) OpenSegment(name string) (ledger.Segment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[name]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memSegment{m, f, name}, nil
}

type memSegment struct {
	m    *memFS
	f    *memFile
	name string
}

func (s *memSegment) ReadAt(p []byte, off int64) (int, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if off >= int64(len(s.f.now)) {
		return 0, io.EOF
	}
	n := copy(p, s.f.now[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s *memSegment) WriteAt(p []byte, off int64) (int, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if off%ledger.BlockSize != 0 || len(p)%ledger.BlockSize != 0 || off+int64(len(p)) > int64(len(s.f.now)) {
		return 0, fmt.Errorf("write of %d bytes at %d", len(p), off)
	}
	partly, err := s.m.step("segment", s.name)
	if err != nil && !partly {
		return 0, err
	}
	if !partly {
		copy(s.f.now[off:], p)
		copy(s.f.safe[off:], p)
		return len(p), nil
	}
	for i := 0; i < len(p); i += 512 {
		if s.m.how == nothingMore && s.m.rng.IntN(3) > 0 {
			continue
		}
		if s.m.how == mixed && s.m.rng.IntN(2) == 0 {
			continue
		}
		copy(s.f.now[off+int64(i):], p[i:i+512])
		copy(s.f.safe[off+int64(i):], p[i:i+512])
	}
	return 0, err
}

func (s *memSegment) Close() error { return nil }

func (s *memSegment) Size() (int64, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return int64(len(s.f.now)), nil
}

func (s *memSegment) Method() string { return "memory" }

// flip changes one bit of a file.
func (m *memFS) flip(name string, off int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[name].now[off] ^= 1
	m.files[name].safe[off] = m.files[name].now[off]
}

// clone copies the file system.
func (m *memFS) clone() *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := newMemFS()
	for name, f := range m.files {
		g := &memFile{now: slices.Clone(f.now), safe: slices.Clone(f.safe)}
		n.files[name], n.safe[name] = g, g
	}
	for d := range m.dirs {
		n.dirs[d] = true
	}
	return n
}

// names returns the files below a directory, sorted.
func (m *memFS) names(below string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name := range m.files {
		if strings.HasPrefix(name, below+"/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
