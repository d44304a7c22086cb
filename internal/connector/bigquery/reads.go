// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
)

// Bounds of what is remembered of sessions of the Storage Read API.
const (
	maxStreams    = 100_000
	maxOwnStreams = 20_000   // of one owner
	maxSchemas    = 64 << 20 // bytes of all sessions' schemas
	readLife      = 24 * time.Hour
)

// readSession is a session of the Storage Read API. Its fields do not change, but
// for streams.
type readSession struct {
	owner owner
	// call is what the session was begun by, with the statement that it is judged by.
	call *analyze.Call
	// job is the one whose hidden table is read, or stands for the session itself.
	job     *job
	schema  []byte // Arrow's, as the service has sent it
	until   time.Time
	streams int // guarded by the registry's mu
}

// reads knows whose streams are. It is kept in memory, as the registry of jobs is.
type reads struct {
	now func() time.Time

	mu      sync.Mutex
	streams map[string]*readSession // guarded by mu
	owned   map[owner]int           // streams; guarded by mu
	schemas int                     // bytes; guarded by mu
}

func newReads(now func() time.Time) *reads {
	return &reads{now: now, streams: map[string]*readSession{}, owned: map[owner]int{}}
}

// add remembers streams of a session. A name is one session's: the service gives
// none twice.
func (r *reads) add(s *readSession, names []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full(s, len(names)) {
		r.purge()
	}
	if r.full(s, len(names)) {
		return sallyport.E(sallyport.Exhausted, "bigquery", "the gateway remembers as many streams as it can").
			WithHint("ask for fewer streams, or try again later")
	}
	for _, name := range names {
		if is := r.streams[name]; is != nil && is != s {
			return unknownForm(nil)
		}
	}
	for _, name := range names {
		if r.streams[name] == s {
			continue
		}
		if s.streams == 0 {
			r.schemas += len(s.schema)
		}
		s.streams++
		r.owned[s.owner]++
		r.streams[name] = s
	}
	return nil
}

// full reports whether there is no room for more streams. The caller holds mu.
func (r *reads) full(s *readSession, more int) bool {
	return len(r.streams)+more > maxStreams || r.owned[s.owner]+more > maxOwnStreams || s.streams == 0 && r.schemas+len(s.schema) > maxSchemas
}

// purge forgets what is over. The caller holds mu.
func (r *reads) purge() {
	now := r.now()
	for name, s := range r.streams {
		if !now.After(s.until) {
			continue
		}
		delete(r.streams, name)
		if r.owned[s.owner]--; r.owned[s.owner] == 0 {
			delete(r.owned, s.owner)
		}
		if s.streams--; s.streams == 0 {
			r.schemas -= len(s.schema)
		}
	}
}

// stream returns the session that a stream is of.
func (r *reads) stream(o owner, name string) (*readSession, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.streams[name]
	if s == nil || s.owner != o || r.now().After(s.until) {
		return nil, notTheirs("stream")
	}
	return s, nil
}
