// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Bounds of what is remembered of streams that are written to.
const (
	maxWritten    = 100_000
	maxOwnWritten = 10_000 // of one owner
	writtenLife   = jobLife
)

// writeStream is a stream of the Storage Write API.
type writeStream struct {
	owner owner
	until time.Time
	// changes says that what was appended can delete rows once it is committed;
	// guarded by the registry's mu.
	changes bool
}

// writes knows whose streams are that rows are written to. It is kept in memory, as
// the registry of jobs is: after a restart what was not committed is nobody's.
type writes struct {
	now func() time.Time

	mu      sync.Mutex
	streams map[string]*writeStream // by the service's name; guarded by mu
	owned   map[owner]int           // streams, and those that are being made; guarded by mu
	making  int                     // guarded by mu
}

func newWrites(now func() time.Time) *writes {
	return &writes{now: now, streams: map[string]*writeStream{}, owned: map[owner]int{}}
}

// reserve makes room for a stream before the service is asked for it: what the
// service has must never be unknown here.
func (r *writes) reserve(o owner) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	full := func() bool { return len(r.streams)+r.making >= maxWritten || r.owned[o] >= maxOwnWritten }
	if full() {
		for name, s := range r.streams {
			if r.now().After(s.until) {
				delete(r.streams, name)
				r.drop(s.owner)
			}
		}
	}
	if full() {
		return sallyport.E(sallyport.Exhausted, "bigquery", "the gateway remembers as many streams as it can").
			WithHint("append to the default stream, or use the streams that are there")
	}
	r.owned[o]++
	r.making++
	return nil
}

// drop counts a stream of an owner's less. The caller holds mu.
func (r *writes) drop(o owner) {
	if r.owned[o]--; r.owned[o] <= 0 {
		delete(r.owned, o)
	}
}

// settle takes the place that was reserved for a stream of a name, or gives it back
// where there is none.
func (r *writes) settle(o owner, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.making--
	if name == "" || r.streams[name] != nil {
		r.drop(o)
		return
	}
	r.streams[name] = &writeStream{owner: o, until: r.now().Add(writtenLife)}
}

// find checks that a stream is an owner's, and reports whether what was appended to it
// can delete rows.
func (r *writes) find(o owner, name string) (changes bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.streams[name]
	if s == nil || s.owner != o || r.now().After(s.until) {
		return false, notTheirs("stream")
	}
	return s.changes, nil
}

// change notes that what is appended to a stream can delete rows.
func (r *writes) change(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.streams[name]; s != nil {
		s.changes = true
	}
}
