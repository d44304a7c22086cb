// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package grant

import (
	"context"
	"errors"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// saveClock is how often the time is put into the store.
const saveClock = 30 * time.Second

// watch is one caller's interest in a grant.
type watch struct {
	grant sallyport.Grant // guarded by Service.mu until it is known, and then never changed
	ended chan struct{}
	once  sync.Once
}

func (w *watch) end() { w.once.Do(func() { close(w.ended) }) }

// Active returns the active grant of a principal for a role on a resource: of
// several, the one that ends last. A store that cannot be read counts as none,
// and is logged.
func (s *Service) Active(ctx context.Context, p sallyport.PrincipalID, r sallyport.ResourceID, role sallyport.RoleID) (sallyport.Grant, bool) {
	grants, err := s.deps.Store.Grants(ctx, GrantFilter{States: []State{Active}, Principal: p, Resource: r, Role: role})
	if err != nil {
		s.deps.Logger.Error("grants cannot be read, so none is found", "error", err)
		return sallyport.Grant{}, false
	}
	now := s.clock.read()
	var best sallyport.Grant
	for _, g := range grants {
		if g.Active(now) && (best.ID == "" || g.NotAfter.After(best.NotAfter)) {
			best = g.Grant
		}
	}
	return best, best.ID != ""
}

// Revoke ends a grant before its time. Who may do so is for the caller to say.
// Errors: Invalid without a reason, NotFound, Conflict when it has ended,
// Unavailable.
func (s *Service) Revoke(ctx context.Context, id sallyport.GrantID, by sallyport.PrincipalID, reason string) (Grant, error) {
	const op = "revoke"
	if err := validText(op, "reason", reason, minRationale); err != nil {
		return Grant{}, err
	}
	return s.changeGrant(ctx, op, id, func(g Grant) (Grant, error) { return g.Revoke(s.clock.read(), by, reason) })
}

// changeGrant ends a grant by one of its transitions.
func (s *Service) changeGrant(ctx context.Context, op string, id sallyport.GrantID, change func(Grant) (Grant, error)) (Grant, error) {
	ctx, cancel := settled(ctx)
	defer cancel()
	g, err := s.deps.Store.UpdateGrant(ctx, id, func(g Grant) (Grant, error) {
		next, err := change(g)
		if err != nil {
			return Grant{}, err
		}
		return next, journalled(op, s.deps.Journal.Grant(ctx, next.event()))
	})
	if err != nil {
		return Grant{}, err
	}
	s.endWatches(id)
	return g, nil
}

// Watch returns a channel that is closed within a second after the grant ends,
// by its window or by revocation, and a function that ends the watch. For a
// grant that is not active, or that cannot be read, it is closed already.
func (s *Service) Watch(id sallyport.GrantID) (<-chan struct{}, func()) {
	w := &watch{ended: make(chan struct{})}
	s.mu.Lock()
	if s.watches == nil {
		s.mu.Unlock()
		w.end()
		return w.ended, func() {}
	}
	if s.watches[id] == nil {
		s.watches[id] = map[*watch]struct{}{}
	}
	s.watches[id][w] = struct{}{}
	s.mu.Unlock()

	// Read after entering the watch, so that an end in between is not missed.
	ctx, cancel := context.WithTimeout(s.life, patience)
	defer cancel()
	g, err := s.deps.Store.Grant(ctx, id)
	if err != nil {
		s.deps.Logger.Error("a grant cannot be read, so it counts as ended", "grant", id, "error", err)
	}
	if err != nil || g.State != Active || g.Overdue(s.clock.read()) {
		w.end()
	}
	s.mu.Lock()
	w.grant = g.Grant
	s.mu.Unlock()
	return w.ended, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watches[id], w)
		if len(s.watches[id]) == 0 {
			delete(s.watches, id)
		}
	}
}

func (s *Service) endWatches(id sallyport.GrantID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watches[id] {
		w.end()
	}
}

// run sweeps until the service ends, and then ends every watch.
func (s *Service) run() {
	t := time.NewTicker(tick)
	defer t.Stop()
	var saved time.Time
	for {
		select {
		case <-s.life.Done():
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, ws := range s.watches {
				for w := range ws {
					w.end()
				}
			}
			s.watches = nil
			return
		case <-t.C:
		}
		s.endOverdue()
		err := s.sweep(s.life)
		if now := s.clock.read(); err == nil && now.Sub(saved) >= saveClock {
			if _, err = s.deps.Store.Clock(s.life, now); err == nil {
				saved = now
			}
		}
		if err != nil && !s.faulty && s.life.Err() == nil {
			s.deps.Logger.Error("expired requests and grants cannot be put on record; they have no effect all the same", "error", err)
		}
		s.faulty = err != nil
	}
}

// endOverdue ends the watches whose grant's window is over. It needs neither
// the journal nor the store: the end of a window must not wait for them.
func (s *Service) endOverdue() {
	now := s.clock.read()
	for _, w := range s.watched() {
		if !w.grant.Active(now) {
			w.end()
		}
	}
}

// sweep expires what is overdue, and ends the watches of grants that another
// process ended.
func (s *Service) sweep(ctx context.Context) error {
	now := s.clock.read()
	var errs []error
	for _, f := range []RequestFilter{
		{States: []State{Open}, Due: now},
		{Kind: ForHold, States: []State{Approved}, Due: now}, // an approved request for a grant stays what it is
	} {
		due, err := s.deps.Store.Requests(ctx, f)
		errs = append(errs, err)
		for _, r := range due {
			if err := s.expireRequest(ctx, r.ID); sallyport.KindOf(err) != sallyport.Conflict {
				errs = append(errs, err)
			}
		}
	}
	over, err := s.deps.Store.Grants(ctx, GrantFilter{States: []State{Active}, Due: now})
	errs = append(errs, err)
	for _, g := range over {
		_, err := s.changeGrant(ctx, "expire grant", g.ID, func(g Grant) (Grant, error) { return g.Expire(s.clock.read()) })
		if sallyport.KindOf(err) != sallyport.Conflict {
			errs = append(errs, err)
		}
	}
	errs = append(errs, s.endForeign(ctx))
	return errors.Join(errs...)
}

// endForeign ends the watches of grants that the store no longer holds as
// active.
func (s *Service) endForeign(ctx context.Context) error {
	// Only watches that were complete before the store is read: a grant may be
	// made and watched while it is.
	watched := s.watched()
	if len(watched) == 0 {
		return nil
	}
	grants, err := s.deps.Store.Grants(ctx, GrantFilter{States: []State{Active}})
	if err != nil {
		return err
	}
	active := make(map[sallyport.GrantID]bool, len(grants))
	for _, g := range grants {
		active[g.ID] = true
	}
	for _, w := range watched {
		if !active[w.grant.ID] {
			w.end()
		}
	}
	return nil
}

// watched returns the watches whose grant is known.
func (s *Service) watched() []*watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*watch
	for _, ws := range s.watches {
		for w := range ws {
			if w.grant.ID != "" {
				out = append(out, w)
			}
		}
	}
	return out
}
