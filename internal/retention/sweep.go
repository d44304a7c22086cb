// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package retention

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

// batchSize is how many keys are destroyed under one write of the ledger.
const batchSize = 64

// look is the pace at which the sweeper looks at the clock, which may jump.
const look = time.Minute

// Run sweeps at once and then after each interval, until ctx ends. When the clock
// has jumped it leaves everything until somebody sweeps by hand.
func (s *Service) Run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(min(look, every))
	defer tick.Stop()
	next := s.deps.Now()
	last := next
	for {
		now := s.deps.Now()
		s.jumped(last, now)
		last = now
		if !now.Before(next) {
			next = now.Add(every)
			s.sweepByItself(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Service) sweepByItself(ctx context.Context) {
	s.mu.Lock()
	doubt := s.doubt
	s.mu.Unlock()
	if doubt != "" {
		return
	}
	switch r, err := s.sweep(ctx, false); {
	case ctx.Err() != nil:
	case err != nil:
		s.deps.Logger.Error("what has expired could not be destroyed; it is tried again at the next sweep", "err", err)
	case r.Destroyed > 0 || r.Failed > 0:
		s.deps.Logger.Info("keys of expired sessions were destroyed", "destroyed", r.Destroyed, "held", r.Held, "failed", r.Failed)
	}
}

// Swept is what a sweep found.
type Swept struct {
	Destroyed int `json:"destroyed"` // or would be, of a dry run
	Held      int `json:"held"`      // expired, and covered by a legal hold
	Open      int `json:"open"`      // expired, and the session is not over
	Failed    int `json:"failed"`    // to be tried again
	// Due lists what a dry run would destroy, at most maxListed.
	Due []Due `json:"due,omitempty"`
}

// Due is a session whose keys would be destroyed.
type Due struct {
	Session sallyport.SessionID `json:"session"`
	Class   string              `json:"retention"`
	Expires time.Time           `json:"retained_until"`
	Held    string              `json:"held,omitempty"` // by this legal hold, so that it is not
}

// maxListed bounds what a dry run lists.
const maxListed = 1000

// Sweep destroys the keys whose retention is over and that no hold covers, after
// completing what an earlier sweep began. A dry run only says what it would do.
// Whoever calls it vouches for the clock.
func (s *Service) Sweep(ctx context.Context, dry bool) (Swept, error) {
	if !dry {
		s.mu.Lock()
		s.doubt = ""
		s.mu.Unlock()
	}
	return s.sweep(ctx, dry)
}

func (s *Service) sweep(ctx context.Context, dry bool) (Swept, error) {
	s.work.Lock()
	defer s.work.Unlock()
	var r Swept
	if err := s.deps.CatchUp(ctx); err != nil {
		return r, err
	}
	if !dry {
		if err := s.completeAll(ctx); err != nil {
			return r, err
		}
	}
	now := s.deps.Now()
	var batch []evidence.KeyDestroyed
	flush := func() error {
		done, err := s.destroy(ctx, batch)
		r.Destroyed += done
		r.Failed += len(batch) - done
		batch = batch[:0]
		return err
	}
	err := s.deps.Keys.SessionKeys(now, func(k vault.KeyInfo) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if k.Damaged != nil {
			s.deps.Logger.Error("a session's key cannot be read, and stays", "key", k.ID, "err", k.Damaged)
			r.Failed++
			return nil
		}
		if k.Doom != nil || k.Terms.Expires.After(now) {
			return nil
		}
		if s.deps.Alive(k.Terms.Session) {
			r.Open++
			return nil
		}
		sub, err := s.subject(ctx, k.Terms)
		if err != nil {
			return err
		}
		s.mu.Lock()
		held := s.holding(sub)
		s.mu.Unlock()
		if held != nil {
			r.Held++
		} else if dry {
			r.Destroyed++
		}
		switch {
		case dry && len(r.Due) < maxListed:
			d := Due{Session: k.Terms.Session, Class: k.Terms.Class, Expires: k.Terms.Expires}
			if held != nil {
				d.Held = held.ID
			}
			r.Due = append(r.Due, d)
			return nil
		case dry || held != nil:
			return nil
		}
		batch = append(batch, order(k, evidence.RuleExpired, "", ""))
		if len(batch) < batchSize {
			return nil
		}
		return flush()
	})
	if err == nil && len(batch) > 0 {
		err = flush()
	}
	return r, err
}

// order is what will be on record of a key's destruction, so far.
func order(k vault.KeyInfo, rule string, by sallyport.PrincipalID, reason string) evidence.KeyDestroyed {
	return evidence.KeyDestroyed{
		Key: k.ID, Keys: []string{}, OfSession: k.Terms.Session, Class: k.Terms.Class, Expires: k.Terms.Expires, Rule: rule, By: by, Reason: reason,
	}
}

// subject returns what holds are compared with.
func (s *Service) subject(ctx context.Context, t vault.Terms) (subject, error) {
	sub := subject{session: t.Session, principal: t.Principal, resource: t.Resource, grant: t.Grant, opened: t.Opened}
	row, err := s.deps.Index.Session(ctx, t.Session)
	if err != nil && sallyport.KindOf(err) != sallyport.NotFound {
		return sub, err
	}
	sub.ended = row.Closed
	return sub, nil
}

// destroy destroys keys and returns of how many it is done. What has come under
// a hold since it was chosen is left.
func (s *Service) destroy(ctx context.Context, list []evidence.KeyDestroyed) (int, error) {
	var blobs [][]string
	var orders []evidence.KeyDestroyed
	for _, b := range list {
		digests, err := s.payloads(ctx, &b)
		if err != nil {
			return 0, err
		}
		orders, blobs = append(orders, b), append(blobs, digests)
	}
	doomed, err := s.record(ctx, orders)
	if err != nil {
		return 0, err
	}
	done := 0
	for i, b := range orders {
		if !doomed[i] {
			continue
		}
		if err := s.finish(ctx, b.Key, blobs[i]); err != nil {
			s.deps.Logger.Error("a key could not be destroyed; it is tried again", "key", b.Key, "err", err)
			continue
		}
		done++
	}
	return done, nil
}

// record dooms keys and puts their destruction on record. It returns which it
// doomed.
func (s *Service) record(ctx context.Context, orders []evidence.KeyDestroyed) ([]bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	doomed := make([]bool, len(orders))
	var events []evidence.KeyDestroyed
	for i, b := range orders {
		terms, err := s.deps.Keys.SessionTerms(b.Key)
		if sallyport.KindOf(err) == sallyport.NotFound && err != nil {
			continue // somebody else has doomed it since
		}
		if err != nil {
			return doomed, err
		}
		sub, err := s.subject(ctx, terms)
		if err != nil {
			return doomed, err
		}
		if s.holding(sub) != nil {
			continue
		}
		note, err := json.Marshal(b)
		if err != nil {
			return doomed, sallyport.E(sallyport.Internal, op, "an event cannot be encoded").Because(err)
		}
		if err := s.deps.Keys.DoomKey(b.Key, note); err != nil {
			return doomed, err
		}
		doomed[i] = true
		events = append(events, b)
	}
	if len(events) == 0 {
		return doomed, nil
	}
	return doomed, s.deps.Journal.KeysDestroyed(context.WithoutCancel(ctx), events...)
}

// finish removes what a doomed key is for, and the key. It may be called again.
func (s *Service) finish(ctx context.Context, key string, blobs []string) error {
	if err := s.deps.Keys.DestroyKey(key); err != nil {
		return err
	}
	for _, digest := range blobs {
		if err := s.deps.Blobs.Delete(ctx, digest); err != nil {
			return err
		}
	}
	return s.deps.Keys.SpareKey(key)
}

// payloads reads a session's leaves, counts what it sealed, and returns the
// digests of what lies outside of leaves.
func (s *Service) payloads(ctx context.Context, b *evidence.KeyDestroyed) (blobs []string, err error) {
	b.Payloads = 0
	err = s.deps.Leaves(ctx, b.OfSession, func(raw []byte) error {
		leaf, err := evidence.ParseLeaf(raw)
		if err != nil {
			return err
		}
		if leaf.Type == evidence.TypeSessionOpen {
			open, err := evidence.Body[evidence.SessionOpen](leaf)
			if err != nil {
				return err
			}
			for _, w := range open.Keys {
				if w.By == b.Key && !slices.Contains(b.Keys, w.ID) {
					b.Keys = append(b.Keys, w.ID)
				}
			}
			return nil
		}
		sealed, err := evidence.SealedOf(leaf)
		if err != nil || sealed == nil {
			return err
		}
		b.Payloads++
		if len(sealed.Data) == 0 {
			blobs = append(blobs, sealed.SHA256)
		}
		return nil
	})
	b.Blobs = len(blobs)
	return blobs, err
}

// Complete finishes the destructions that were interrupted: those that are on
// record are carried out; those that are not are put on record first, or taken
// back where a hold has come. A pruning that is on record is carried out as well.
func (s *Service) Complete(ctx context.Context) error {
	s.work.Lock()
	defer s.work.Unlock()
	return s.completeAll(ctx)
}

func (s *Service) completeAll(ctx context.Context) error {
	if err := s.deps.CatchUp(ctx); err != nil {
		return err
	}
	if err := s.completePruning(ctx); err != nil {
		return err
	}
	return s.deps.Keys.SessionKeys(time.Unix(0, 0), func(k vault.KeyInfo) error {
		if k.Doom == nil {
			return nil
		}
		var b evidence.KeyDestroyed
		if err := json.Unmarshal(k.Doom, &b); err != nil || b.Key != k.ID {
			return sallyport.E(sallyport.Integrity, op, "the note that the key "+k.ID+" is to be destroyed is damaged").
				WithHint("remove the file with the suffix .doom beside the key; the next sweep decides anew")
		}
		return s.complete(ctx, k, b)
	})
}

func (s *Service) complete(ctx context.Context, k vault.KeyInfo, b evidence.KeyDestroyed) error {
	done, err := s.recorded(ctx, b)
	if err != nil {
		return err
	}
	if !done {
		spared, err := s.recordAgain(ctx, k, b)
		if err != nil || spared {
			return err
		}
	}
	digests, err := s.payloads(ctx, &b)
	if err != nil {
		return err
	}
	return s.finish(ctx, k.ID, digests)
}

// recorded reports whether the destruction of a key is on record.
func (s *Service) recorded(ctx context.Context, b evidence.KeyDestroyed) (bool, error) {
	found, err := s.deps.Index.Events(ctx, store.EventFilter{Types: []evidence.Type{evidence.TypeKeyDestroyed}, Session: b.OfSession})
	if err != nil {
		return false, err
	}
	for _, ev := range found {
		on, err := body[evidence.KeyDestroyed](ctx, s, ev.Index)
		if err != nil {
			return false, err
		}
		if on.Key == b.Key {
			return true, nil
		}
	}
	return false, nil
}

// recordAgain puts on record what a crash kept from it, or spares the key where
// a hold covers it now.
func (s *Service) recordAgain(ctx context.Context, k vault.KeyInfo, b evidence.KeyDestroyed) (spared bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !k.Gone && k.Damaged == nil {
		sub, err := s.subject(ctx, k.Terms)
		if err != nil {
			return false, err
		}
		if s.holding(sub) != nil {
			return true, s.deps.Keys.SpareKey(k.ID)
		}
	}
	return false, s.deps.Journal.KeysDestroyed(context.WithoutCancel(ctx), b)
}
