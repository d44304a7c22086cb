// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package grant

import (
	"context"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// wait is what the callers of Wait for one request share.
type wait struct {
	changed chan struct{} // closed at the next change
	callers int           // guarded by Service.mu
}

// Wait blocks until the request is no longer open and returns it, whatever
// became of it. When ctx ends first, the error has kind Held and wraps ctx's.
func (s *Service) Wait(ctx context.Context, id sallyport.RequestID) (Request, error) {
	for {
		r, err := s.waitOnce(ctx, id)
		if err != nil || r.State != Open {
			return r, err
		}
	}
}

// waitOnce returns the request at once when it is not open, and else after its
// next change or the next tick: another process may decide it, and the clock
// may be set.
func (s *Service) waitOnce(ctx context.Context, id sallyport.RequestID) (Request, error) {
	// Enter before reading, so that a change in between is not missed.
	changed, leave := s.enter(id)
	defer leave()
	r, err := s.deps.Store.Request(ctx, id)
	switch {
	case ctx.Err() != nil:
	case err != nil || r.State != Open:
		return r, err
	case r.Overdue(s.clock.read()):
		if err := s.expireRequest(ctx, id); err != nil && sallyport.KindOf(err) != sallyport.Conflict {
			return Request{}, err
		}
		return s.deps.Store.Request(ctx, id)
	}
	t := time.NewTimer(tick)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return Request{}, sallyport.E(sallyport.Held, "wait for decision", "request "+string(id)+" is not decided yet").Because(ctx.Err())
	case <-changed:
	case <-t.C:
	}
	return r, nil
}

// enter returns the channel that the next change of the request closes, and a
// function to be called when it is not needed any longer.
func (s *Service) enter(id sallyport.RequestID) (<-chan struct{}, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.waits[id]
	if w == nil {
		w = &wait{changed: make(chan struct{})}
		s.waits[id] = w
	}
	w.callers++
	return w.changed, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if w.callers--; w.callers == 0 && s.waits[id] == w {
			delete(s.waits, id)
		}
	}
}
