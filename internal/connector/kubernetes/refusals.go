// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"crypto/sha256"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// refusals are what clients were told over WebSocket a moment ago. kubectl takes every
// refusal for one of the protocol and asks once more over SPDY: what a person has
// denied would be put to them again.
type refusals struct {
	now func() time.Time

	mu sync.Mutex
	by map[[sha256.Size]byte]refusedOnce // guarded by mu
}

// refusedOnce is a refusal that is good for one request.
type refusedOnce struct {
	err   error
	until time.Time
}

// Bounds of the refusals that are kept.
const (
	maxRefusals = 1000
	refusalLife = 10 * time.Second
)

func newRefusals(now func() time.Time) *refusals {
	return &refusals{now: now, by: map[[sha256.Size]byte]refusedOnce{}}
}

func refusalKey(id sallyport.SessionID, text []byte) [sha256.Size]byte {
	return sha256.Sum256(append([]byte(string(id)+"\x00"), text...))
}

// keep remembers what a client was told over WebSocket.
func (f *refusals) keep(id sallyport.SessionID, text []byte, web bool, err error) {
	if !web {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	for k, r := range f.by {
		if now.After(r.until) {
			delete(f.by, k)
		}
	}
	if len(f.by) < maxRefusals {
		f.by[refusalKey(id, text)] = refusedOnce{err, now.Add(refusalLife)}
	}
}

// again returns what the client was told over WebSocket of the same request, once.
func (f *refusals) again(id sallyport.SessionID, text []byte, web bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := refusalKey(id, text)
	r, ok := f.by[k]
	delete(f.by, k)
	if !ok || web || f.now().After(r.until) {
		return nil
	}
	return r.err
}
