// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// markLife is how long a revocation is remembered beside the store. It only has
// to outlast calls that were under way, and the longest token.
const markLife = 2 * MaxTokenLifetime

// watch tells sessions that the token they were opened with is revoked. Its
// zero value is ready.
type watch struct {
	mu       sync.Mutex // guards what follows
	watchers map[string]map[*watcher]struct{}
	ended    map[string]time.Time // token id -> when it was revoked
	grants   map[sallyport.GrantID]time.Time
	owners   map[sallyport.PrincipalID]time.Time
}

type watcher struct{ ch chan struct{} }

func (w *watch) add(id string, now time.Time) (<-chan struct{}, func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prune(now)
	one := &watcher{ch: make(chan struct{})}
	if _, gone := w.ended[id]; gone {
		close(one.ch)
		return one.ch, func() {}
	}
	if w.watchers == nil {
		w.watchers = map[string]map[*watcher]struct{}{}
	}
	if w.watchers[id] == nil {
		w.watchers[id] = map[*watcher]struct{}{}
	}
	w.watchers[id][one] = struct{}{}
	return one.ch, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.watchers[id], one)
		if len(w.watchers[id]) == 0 {
			delete(w.watchers, id)
		}
	}
}

// forbid notes a revocation before the store is asked, for [Tokens.keep].
func (w *watch) forbid(f TokenFilter, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prune(now)
	if f.Grant != "" {
		if w.grants == nil {
			w.grants = map[sallyport.GrantID]time.Time{}
		}
		w.grants[f.Grant] = now
	}
	if f.Principal != "" {
		if w.owners == nil {
			w.owners = map[sallyport.PrincipalID]time.Time{}
		}
		w.owners[f.Principal] = now
	}
}

// forbids reports whether a new token was overtaken by a revocation. A grant
// does not come back; a principal may get new tokens afterwards.
func (w *watch) forbids(st StoredToken, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prune(now)
	if _, gone := w.grants[st.Grant]; gone && st.Grant != "" {
		return true
	}
	at, gone := w.owners[st.Principal.ID]
	return gone && !at.Before(st.IssuedAt)
}

func (w *watch) end(tokens []StoredToken, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended == nil {
		w.ended = map[string]time.Time{}
	}
	for _, t := range tokens {
		w.ended[t.ID] = now
		for one := range w.watchers[t.ID] {
			close(one.ch)
		}
		delete(w.watchers, t.ID)
	}
}

// prune forgets old marks. The caller holds mu.
func (w *watch) prune(now time.Time) {
	drop(w.ended, now)
	drop(w.grants, now)
	drop(w.owners, now)
}

func drop[K comparable](m map[K]time.Time, now time.Time) {
	for k, at := range m {
		if now.Sub(at) > markLife {
			delete(m, k)
		}
	}
}
