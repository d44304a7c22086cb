// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package ledgertest has a file system in memory for tests of the ledger: it knows
// what is durable and what is not, counts its operations, and can end the world
// at any of them.
package ledgertest

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

// errCrashed is what every operation returns after the crash.
var errCrashed = errors.New("the machine has stopped")

// Survival says what of the unsynced state outlives a crash.
type Survival int

// The ways to crash.
const (
	NothingMore Survival = iota // only what was made durable: the power failed
	Everything                  // all of it: the process was killed
	Mixed                       // any part of it, sector by sector
)

// Mem is the file system. It implements [ledger.FS]. The exported fields are set
// before it is used, or with Set.
type Mem struct {
	// CrashAt is the operation that changes something, from 1, during which the
	// world ends; 0 for never.
	CrashAt int
	How     Survival
	Rand    *rand.Rand
	// Fault, if set, may fail an operation: "mkdir", "write", "syncfile",
	// "replace", "remove", "syncdir", "create" (of a segment) or "segment" (a write
	// to one).
	Fault func(op, name string) error

	mu      sync.Mutex
	files   map[string]*memFile // volatile names
	safe    map[string]*memFile // durable names
	dirs    map[string]bool
	ops     int
	crashed bool
}

// Set changes the exported fields while the file system is in use.
func (m *Mem) Set(change func(m *Mem)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

// Ops returns how many operations changed something.
func (m *Mem) Ops() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ops
}

// Crashed reports whether the world has ended.
func (m *Mem) Crashed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.crashed
}

// Crash ends the world between two operations.
func (m *Mem) Crash(how Survival) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.How, m.crashed = how, true
}

// Change lets f change the content of a file, durably and beside everything
// else, as a fault of the disk or an intruder would.
func (m *Mem) Change(name string, f func(content []byte)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	file := m.files[name]
	f(file.now)
	file.safe = slices.Clone(file.now)
}

// Content returns a copy of what a file holds.
func (m *Mem) Content(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.files[name].now)
}

// Put puts a file there, durably and beside everything else.
func (m *Mem) Put(name string, content []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := &memFile{now: slices.Clone(content), safe: slices.Clone(content)}
	m.files[name], m.safe[name] = f, f
}

// Drop takes a file away, durably and beside everything else.
func (m *Mem) Drop(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	delete(m.safe, name)
}

// Same reports whether two file systems hold the same files.
func Same(a, b *Mem) bool {
	names := a.Names("")
	if !slices.Equal(names, b.Names("")) {
		return false
	}
	return !slices.ContainsFunc(names, func(n string) bool { return !slices.Equal(a.Content(n), b.Content(n)) })
}

type memFile struct {
	now, safe []byte
}

// New returns an empty file system.
func New() *Mem {
	return &Mem{files: map[string]*memFile{}, safe: map[string]*memFile{}, dirs: map[string]bool{}, Rand: rand.New(rand.NewPCG(1, 2))}
}

// step counts an operation. It returns errCrashed from the crash on; partly is
// true for the very operation in which the crash happens.
func (m *Mem) step(op, name string) (partly bool, err error) {
	if m.crashed {
		return false, errCrashed
	}
	if m.Fault != nil {
		if err := m.Fault(op, name); err != nil {
			return false, err
		}
	}
	m.ops++
	if m.ops == m.CrashAt {
		m.crashed = true
		return true, errCrashed
	}
	return false, nil
}

// Reboot returns the file system as it is found after the crash.
func (m *Mem) Reboot() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := New()
	names := m.safe
	if m.How == Everything {
		names = m.files
	}
	if m.How == Mixed {
		names = map[string]*memFile{}
		for name, f := range m.safe {
			names[name] = f
		}
		for name, f := range m.files {
			if m.Rand.IntN(2) == 0 {
				names[name] = f
			}
		}
	}
	for name, f := range names {
		content := slices.Clone(f.safe)
		switch m.How {
		case Everything:
			content = slices.Clone(f.now)
		case Mixed:
			content = m.blend(f.safe, f.now)
		}
		g := &memFile{now: content, safe: slices.Clone(content)}
		n.files[name], n.safe[name] = g, g
	}
	n.dirs = m.dirs
	return n
}

// blend takes each sector from one or the other.
func (m *Mem) blend(a, b []byte) []byte {
	out := make([]byte, 0, max(len(a), len(b)))
	for off := 0; off < max(len(a), len(b)); off += 512 {
		src := a
		if m.Rand.IntN(2) == 0 {
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

// MkdirAll implements [ledger.Files].
func (m *Mem) MkdirAll(dir string) error {
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

// List implements [ledger.Files].
func (m *Mem) List(dir string) ([]string, error) {
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

// ReadFile implements [ledger.Files].
func (m *Mem) ReadFile(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[name]
	if f == nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	return slices.Clone(f.now), nil
}

// WriteFile implements [ledger.Files].
func (m *Mem) WriteFile(name string, data []byte) error {
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
		f.now = f.now[:m.Rand.IntN(len(data)+1)]
		f.safe = nil
		return err
	}
	return nil
}

// SyncFile implements [ledger.Files].
func (m *Mem) SyncFile(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	partly, err := m.step("syncfile", name)
	if err != nil && (!partly || m.Rand.IntN(2) == 0) {
		return err
	}
	if f := m.files[name]; f != nil {
		f.safe = slices.Clone(f.now)
	}
	return err
}

// Replace implements [ledger.Files].
func (m *Mem) Replace(name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	partly, err := m.step("replace", name)
	if err != nil && (!partly || m.Rand.IntN(2) == 0) {
		return err
	}
	f := &memFile{now: slices.Clone(data), safe: slices.Clone(data)}
	m.files[name], m.safe[name] = f, f
	return err
}

// Remove implements [ledger.Files].
func (m *Mem) Remove(name string) error {
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

// SyncDir implements [ledger.Files].
func (m *Mem) SyncDir(dir string) error {
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

// Lock implements [ledger.Segments].
func (m *Mem) Lock(string) (io.Closer, error) { return nopCloser{}, nil }

// CreateSegment implements [ledger.Segments].
func (m *Mem) CreateSegment(name string, size int64) (ledger.Segment, error) {
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
		size = m.Rand.Int64N(size)
	}
	f := &memFile{now: make([]byte, size), safe: make([]byte, size)}
	m.files[name] = f
	if partly {
		return nil, err
	}
	m.safe[name] = f
	return &memSegment{m, f, name}, nil
}

// OpenSegment implements [ledger.Segments].
func (m *Mem) OpenSegment(name string) (ledger.Segment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[name]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memSegment{m, f, name}, nil
}

type memSegment struct {
	m    *Mem
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
		if s.m.How == NothingMore && s.m.Rand.IntN(3) > 0 {
			continue
		}
		if s.m.How == Mixed && s.m.Rand.IntN(2) == 0 {
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

// Flip changes one bit of a file.
func (m *Mem) Flip(name string, off int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[name].now[off] ^= 1
	m.files[name].safe[off] = m.files[name].now[off]
}

// Clone copies the file system.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := New()
	for name, f := range m.files {
		g := &memFile{now: slices.Clone(f.now), safe: slices.Clone(f.safe)}
		n.files[name], n.safe[name] = g, g
	}
	for d := range m.dirs {
		n.dirs[d] = true
	}
	return n
}

// Names returns the files below a directory, or all for "", sorted.
func (m *Mem) Names(below string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name := range m.files {
		if below == "" || strings.HasPrefix(name, below+"/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
