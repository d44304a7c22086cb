// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package detector

import (
	"sync"
	"time"
)

const (
	breakAfter = 5 // failures in a row
	breakFor   = 30 * time.Second
)

// outcome is how a call to the service went.
type outcome uint8

const (
	undecided outcome = iota // the caller gave up
	succeeded
	failed
)

// breaker keeps calls from a service that fails. When its time is over, one call
// is let through; the others wait for how that one goes.
type breaker struct {
	mu       sync.Mutex
	failures int       // in a row
	until    time.Time // no calls before
	trying   bool      // a call is out that decides
}

// enter reports whether a call may be made; then leave must follow.
func (b *breaker) enter(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < breakAfter {
		return true
	}
	if b.trying || now.Before(b.until) {
		return false
	}
	b.trying = true
	return true
}

func (b *breaker) leave(o outcome, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
	switch o {
	case succeeded:
		b.failures = 0
	case failed:
		b.failures++
		if b.failures >= breakAfter {
			b.until = now.Add(breakFor)
		}
	}
}
