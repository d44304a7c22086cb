// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"sync/atomic"
	"time"
)

// Live holds the current snapshot of one database. Its methods may be called
// by many goroutines.
type Live struct {
	load  func(context.Context) (*Catalog, error)
	every time.Duration
	now   func() time.Time

	cur     atomic.Pointer[Catalog]
	started atomic.Uint64 // loads begun
	// turn holds one token; who has it may load and use what is below.
	turn    chan struct{}
	began   time.Time // of the last load
	last    uint64    // number of the last load that ended by itself
	lastErr error     // how it ended
}

// NewLive returns a holder whose snapshots come from load, with at least every
// between the beginnings of two loads. load is never called twice at a time.
// Nothing is loaded yet.
func NewLive(load func(context.Context) (*Catalog, error), every time.Duration, now func() time.Time) *Live {
	l := &Live{load: load, every: every, now: now, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// Current returns the last snapshot, or nil before the first.
func (l *Live) Current() *Catalog { return l.cur.Load() }

// Refresh returns a snapshot that was begun after the call, so that it knows
// what the caller's own statements made. Callers that wait share one load. A
// load waits until the last one is as old as the holder asks for. When it fails,
// its error is returned and the old snapshot stays current.
func (l *Live) Refresh(ctx context.Context) (*Catalog, error) {
	asked := l.started.Load()
	select {
	case <-l.turn:
		defer func() { l.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if l.last > asked {
		if l.lastErr != nil {
			return nil, l.lastErr
		}
		return l.cur.Load(), nil
	}
	if err := l.pause(ctx); err != nil {
		return nil, err
	}
	l.began = l.now()
	number := l.started.Add(1)
	c, err := l.load(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, err // it says something about this caller, not about the target
	}
	l.last, l.lastErr = number, err
	if err != nil {
		return nil, err
	}
	l.cur.Store(c)
	return c, nil
}

// pause waits until another load may begin.
func (l *Live) pause(ctx context.Context) error {
	wait := l.every - l.now().Sub(l.began)
	if l.began.IsZero() || wait <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
