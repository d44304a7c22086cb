// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package derived keeps masked objects: what a client that may not see an object of
// a bucket gets in its place. A masked object is an object of its own, with a size,
// checksums, an entity tag and ranges that fit its bytes, because clients check all
// of them.
//
// An object is made once for each [Key] by streaming it from its store through the
// masks (package objectmask) into a sealed file. Who asks for it meanwhile waits for
// the same making. The files survive a restart, and none is served unless it opens:
// one that was damaged, cut or put there by somebody else is thrown out and made
// again. What was used longest ago makes room for what is new.
//
// Each file has a key of its own, drawn when the file is made and used for it alone,
// wrapped by the vault to the file's name, so that a file opens in its own place
// only. Nothing but [mask.Masked] is sealed under it: that is why what opens is
// masked. A raw byte is never written.
package derived

import (
	"cmp"
	"container/list"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/objectmask"
)

// The limits unless Options say otherwise.
const (
	DefaultMaxSource = 10 << 30
	DefaultMaxTotal  = 20 << 30
	DefaultMakings   = 2
)

// attempts is how often an object is made again in one call.
const attempts = 3

// Keys wrap the files' keys and name the files. A vault does both.
type Keys interface {
	// Fingerprint is a keyed digest, in lower-case hex, that tells nothing of text.
	Fingerprint(text []byte) string
	WrapCacheKey(name string, key []byte) ([]byte, error)
	UnwrapCacheKey(name string, wrapped []byte) ([]byte, error)
}

// Options say how masked objects are kept. Dir, Keys, Now and Rand are required.
type Options struct {
	Dir  string // made when it is missing; of this store alone
	Keys Keys
	Now  func() time.Time
	Rand io.Reader
	// Release is the gateway's version. What another release has masked is made
	// again, since its masks may have been others.
	Release string
	// MaxSource is the largest object that is masked, in bytes; 0 is
	// [DefaultMaxSource].
	MaxSource int64
	// MaxTotal is how much the store may take on disk, in bytes; 0 is
	// [DefaultMaxTotal].
	MaxTotal int64
	// Makings is how many objects are made at a time, each in some hundreds of
	// megabytes of memory at most; 0 is [DefaultMakings].
	Makings int
}

// Key says which object at which generation, masked how.
type Key struct {
	Resource       sallyport.ResourceID
	Bucket, Object string
	Generation     int64
	// Version is whatever else the masked form depends on, such as the shape of the
	// verdict. The store adds the rules and the profile, whether text is scanned, the
	// release, and the year, which ages and dates long ago are masked by.
	Version string
}

// Making is how an object is made where it is not kept yet.
type Making struct {
	// Source is read after Get has returned to the caller that gave it, as long as
	// another waits, with a context that has the values of that caller's.
	Source objectmask.Source
	Masks  *objectmask.Masks
	Scan   bool       // as objectmask.Options has it
	Pack   bool       // as well
	Like   mask.Count // what the counts have in common
}

// Store keeps masked objects in a directory that no other process uses. Its methods
// may be called from any number of goroutines.
type Store struct {
	o    Options
	slot chan struct{} // one for each object that may be made now
	wg   sync.WaitGroup

	mu      sync.Mutex
	closed  bool                  // guarded by mu
	entries map[string]*entry     // guarded by mu
	recent  *list.List            // of *entry, the one used last in front; guarded by mu
	total   int64                 // bytes on disk, those being written included; guarded by mu
	makings map[string]*inProcess // guarded by mu
}

// entry is one file. Its fields are guarded by the store's mu.
type entry struct {
	name string
	size int64 // of the file
	refs int   // objects that are open
	gone bool  // no longer found, and removed when refs is 0
	at   *list.Element
}

// inProcess is a making that somebody waits for.
type inProcess struct {
	cancel  context.CancelFunc
	done    chan struct{}
	waiters int // guarded by the store's mu
	// Set before done is closed.
	entry *entry // with a reference for each who waited then
	err   error
}

// Open opens the store in a directory. What an interrupted making of an earlier
// process left is removed.
func Open(o Options) (*Store, error) {
	o.MaxSource = cmp.Or(o.MaxSource, DefaultMaxSource)
	o.MaxTotal = cmp.Or(o.MaxTotal, DefaultMaxTotal)
	o.Makings = cmp.Or(o.Makings, DefaultMakings)
	s := &Store{o: o, slot: make(chan struct{}, o.Makings), entries: map[string]*entry{}, recent: list.New(), makings: map[string]*inProcess{}}
	if err := s.load(); err != nil {
		return nil, unavailable("derived open", err)
	}
	return s, nil
}

func unavailable(op string, err error) error {
	e := sallyport.E(sallyport.Unavailable, op, "the directory of masked objects cannot be used").Because(err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return e.WithHint("the disk is full: make room, or lower the limit of what masked objects may take")
	}
	return e.WithHint("check that the directory exists and that the gateway may write in it")
}

// name returns the name of a key's file, from which nothing can be told of the key.
func (s *Store) name(k Key, m Making) string {
	var b []byte
	scan := "strict"
	if m.Scan {
		scan = "scan"
	}
	if m.Pack {
		scan += "/packed"
	}
	for _, part := range []string{"sallyport/derived/1", string(k.Resource), k.Bucket, k.Object, k.Version, m.Masks.Version(), scan, s.o.Release} {
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	b = binary.AppendVarint(b, k.Generation)
	return s.o.Keys.Fingerprint(binary.AppendVarint(b, int64(s.o.Now().Year())))
}

// Get returns the masked form of an object, made now where it is not kept. The
// caller closes it. Errors: Denied for an object that is too large or of a kind that
// cannot be masked, Integrity for a file that is broken, Exhausted when there is no
// room, and what the source returned. A caller whose context ends leaves; the making
// goes on while anybody waits for it.
func (s *Store) Get(ctx context.Context, k Key, m Making) (*Object, error) {
	name := s.name(k, m)
	for attempt := 1; ; attempt++ {
		e, err := s.entry(ctx, name, m)
		if err != nil {
			return nil, err
		}
		o, err := s.open(e)
		if err == nil {
			o.key, o.making = k, m
			o.Counts = like(o.Counts, m.Like)
			return o, nil
		}
		damaged := sallyport.KindOf(err) == sallyport.Integrity
		if damaged {
			s.drop(e)
		}
		s.release(e)
		if !damaged || attempt == attempts {
			return nil, err
		}
	}
}

// Kept returns the masked form of an object where it is kept already, and nil where
// it would have to be made. The caller closes it.
func (s *Store) Kept(k Key, m Making) (*Object, error) {
	s.mu.Lock()
	e := s.entries[s.name(k, m)]
	if e != nil {
		e.refs++
	}
	s.mu.Unlock()
	if e == nil {
		return nil, nil
	}
	o, err := s.open(e)
	if err != nil {
		if sallyport.KindOf(err) == sallyport.Integrity {
			s.drop(e)
			err = nil // as if it had never been made
		}
		s.release(e)
		return nil, err
	}
	o.key, o.making = k, m
	o.Counts = like(o.Counts, m.Like)
	return o, nil
}

// like gives counts what the counts of this caller have in common: the labels of a
// verdict may be others than those that the object was made under.
func like(counts []mask.Count, l mask.Count) []mask.Count {
	for i := range counts {
		c := &counts[i]
		c.Output, c.Columns, c.Labels = l.Output, l.Columns, l.Labels
		if c.Reason != mask.ReasonFinding {
			c.Reason = l.Reason
		}
	}
	return counts
}

// entry returns the file of a name with a reference, and waits for it to be made
// where there is none.
func (s *Store) entry(ctx context.Context, name string, m Making) (*entry, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, sallyport.E(sallyport.Unavailable, "derived object", "the gateway is stopping")
	}
	if e := s.entries[name]; e != nil {
		e.refs++
		s.recent.MoveToFront(e.at)
		s.mu.Unlock()
		s.touch(name)
		return e, nil
	}
	p := s.makings[name]
	if p == nil {
		if size := m.Source.Size(); size > s.o.MaxSource {
			s.mu.Unlock()
			return nil, tooLarge(size, s.o.MaxSource)
		}
		p = s.start(ctx, name, m)
	}
	p.waiters++
	s.mu.Unlock()
	select {
	case <-p.done:
		return p.entry, p.err
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-p.done: // just now: it counted this caller
		if p.entry != nil {
			s.unref(p.entry)
		}
	default:
		if p.waiters--; p.waiters == 0 {
			p.cancel()
			if s.makings[name] == p { // who comes next begins anew
				delete(s.makings, name)
			}
		}
	}
	return nil, sallyport.E(sallyport.Unavailable, "derived object", "the caller left before the object was masked").Because(context.Cause(ctx))
}

// start begins a making. The caller holds mu.
func (s *Store) start(ctx context.Context, name string, m Making) *inProcess {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &inProcess{cancel: cancel, done: make(chan struct{})}
	s.makings[name] = p
	s.wg.Go(func() { // Close waits for it
		defer cancel()
		e, err := s.make(ctx, name, m)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.makings[name] == p {
			delete(s.makings, name)
		}
		if p.err = err; err == nil {
			p.entry = s.keep(e, p.waiters)
		}
		close(p.done)
	})
	return p
}

// keep takes a new file into the store with refs references. The caller holds mu.
func (s *Store) keep(e *entry, refs int) *entry {
	if old := s.entries[e.name]; old != nil { // made twice, when all left a making and others came
		s.forget(old)
	}
	e.refs = refs
	e.at = s.recent.PushFront(e)
	s.entries[e.name] = e
	return e
}

// forget takes an entry out of the store, whose file has been replaced or is to be
// removed. The caller holds mu.
func (s *Store) forget(e *entry) {
	if e.gone {
		return
	}
	e.gone = true
	delete(s.entries, e.name)
	s.recent.Remove(e.at)
	if e.refs == 0 {
		s.total -= e.size
	}
}

// drop throws out an entry that does not open.
func (s *Store) drop(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !e.gone {
		s.forget(e)
		_ = os.Remove(s.path(e.name)) // what stays is found not to open again
	}
}

// release gives a reference back.
func (s *Store) release(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unref(e)
}

// unref is release for who holds mu.
func (s *Store) unref(e *entry) {
	if e.refs--; e.refs == 0 && e.gone {
		s.total -= e.size
	}
}

// reserve makes room for n more bytes, at the cost of what nobody reads and was used
// longest ago.
func (s *Store) reserve(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := s.recent.Back(); s.total+n > s.o.MaxTotal; {
		if at == nil {
			return sallyport.E(sallyport.Exhausted, "derived object", "there is no room for another masked object").
				WithHint("wait until others have been read, or have the operator raise the limit of what masked objects may take")
		}
		e := at.Value.(*entry)
		at = at.Prev()
		if e.refs > 0 {
			continue
		}
		s.forget(e)
		if err := os.Remove(s.path(e.name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return unavailable("derived object", err)
		}
	}
	s.total += n
	return nil
}

// unreserve gives room back that a making took.
func (s *Store) unreserve(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total -= n
}

// Close ends all makings and waits for them. Objects that are open may be read on.
func (s *Store) Close() {
	s.mu.Lock()
	s.closed = true
	for _, p := range s.makings {
		p.cancel()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *Store) path(name string) string { return filepath.Join(s.o.Dir, name) }

// Usage is what a store holds.
type Usage struct {
	Objects int
	Bytes   int64
}

// Usage returns what the store holds now.
func (s *Store) Usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Usage{Objects: len(s.entries), Bytes: s.total}
}
