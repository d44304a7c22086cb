// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package retention

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

// Erase destroys the key of one session before its time. Errors: NotFound for an
// unknown session; Conflict while it is open, when it is erased already, or when
// a legal hold covers it; Invalid when its keys stand in the ledger itself, as
// old releases wrote them.
func (s *Service) Erase(ctx context.Context, by sallyport.PrincipalID, id sallyport.SessionID, reason string) (*Erasure, error) {
	s.work.Lock()
	defer s.work.Unlock()
	if err := s.deps.CatchUp(ctx); err != nil {
		return nil, err
	}
	row, err := s.deps.Index.Session(ctx, id)
	if err != nil {
		return nil, err
	}
	conflict := func(msg, hint string) error { return sallyport.E(sallyport.Conflict, op, msg).WithHint(hint) }
	if s.deps.Alive(id) {
		return nil, conflict("the session is not over", "end it first: sallyport session end "+string(id))
	}
	switch e, err := s.erased(ctx, id); {
	case err != nil:
		return nil, err
	case e != nil:
		if again, err := s.repeat(ctx, e); again || err != nil {
			return e, err
		}
		return nil, conflict("the session was "+e.String(), "nothing is left to erase")
	}
	open, err := body[evidence.SessionOpen](ctx, s, row.First)
	if err != nil {
		return nil, err
	}
	key := KeyOf(open)
	if key == "" {
		return nil, sallyport.E(sallyport.Invalid, op, "the session's keys stand in its record, which nothing is taken out of").
			WithHint("it was recorded by a release before keys could be destroyed; see docs/limits.md")
	}
	terms, err := s.deps.Keys.SessionTerms(key)
	if err != nil {
		return nil, err
	}
	done, err := s.destroy(ctx, []evidence.KeyDestroyed{order(vault.KeyInfo{ID: key, Terms: terms}, evidence.RuleErased, by, reason)})
	if err != nil {
		return nil, err
	}
	e, err := s.Erased(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case e == nil: // it was not even put on record
		return nil, conflict("the session is under a legal hold", "`sallyport retention holds` lists them; a hold must be released first")
	case done == 0:
		return nil, sallyport.E(sallyport.Unavailable, op, "the erasure is on record and is not complete").
			WithHint("it is completed at the next sweep; the operator must look at the gateway's disk")
	}
	return e, nil
}

// repeat destroys once more a key whose destruction is on record and that a key
// store restored from a backup brought back. It reports whether there was one.
func (s *Service) repeat(ctx context.Context, e *Erasure) (bool, error) {
	if _, err := s.deps.Keys.SessionTerms(e.Key); err != nil {
		if sallyport.KindOf(err) == sallyport.NotFound {
			err = nil
		}
		return false, err
	}
	note, err := json.Marshal(e.KeyDestroyed)
	if err != nil {
		return false, sallyport.E(sallyport.Internal, op, "an event cannot be encoded").Because(err)
	}
	if err := s.deps.Keys.DoomKey(e.Key, note); err != nil {
		return false, err
	}
	blobs, err := s.payloads(ctx, &e.KeyDestroyed)
	if err != nil {
		return false, err
	}
	return true, s.finish(ctx, e.Key, blobs)
}

// KeyOf returns the id of the key that a session's keys are wrapped by; "" where
// the record is of a release before there was one.
func KeyOf(open evidence.SessionOpen) string {
	for _, w := range open.Keys {
		if w.By != "" {
			return w.By
		}
	}
	return ""
}

// Class is what is kept of one retention class.
type Class struct {
	Name   string    `json:"retention"`
	Kept   int       `json:"kept"`              // sessions whose keys are there
	Due    int       `json:"due"`               // of them, those whose period is over
	Held   int       `json:"held"`              // of those that are due, the held ones
	Oldest time.Time `json:"oldest,omitzero"`   // begin of the oldest
	Next   time.Time `json:"next_end,omitzero"` // the next end of a period that is to come
}

// Status is what is kept and what is not.
type Status struct {
	At       time.Time `json:"at"`
	Classes  []Class   `json:"classes"`
	Doomed   int       `json:"doomed"`  // destructions that are not complete
	Damaged  int       `json:"damaged"` // keys that cannot be read
	Holds    int       `json:"holds"`   // in force
	Minimum  uint64    `json:"minimum"` // the ledger's lowest index that is kept
	TreeSize uint64    `json:"tree_size"`
	// Stopped says why the sweeper destroys nothing by itself; "" when it does.
	Stopped string `json:"stopped,omitempty"`
}

// Status reads every key's terms.
func (s *Service) Status(ctx context.Context) (Status, error) {
	st := Status{At: s.deps.Now().UTC(), Classes: []Class{}, Minimum: s.deps.Log.Minimum(), TreeSize: s.deps.Log.Size()}
	if err := s.deps.CatchUp(ctx); err != nil {
		return st, err
	}
	s.mu.Lock()
	st.Holds, st.Stopped = len(s.holds), s.doubt
	s.mu.Unlock()
	classes := map[string]*Class{}
	err := s.deps.Keys.SessionKeys(time.Time{}, func(k vault.KeyInfo) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case k.Doom != nil:
			st.Doomed++
			return nil
		case k.Damaged != nil:
			st.Damaged++
			return nil
		}
		c := classes[k.Terms.Class]
		if c == nil {
			c = &Class{Name: k.Terms.Class}
			classes[c.Name] = c
		}
		return s.count(ctx, c, k.Terms, st.At)
	})
	for _, c := range classes {
		st.Classes = append(st.Classes, *c)
	}
	slices.SortFunc(st.Classes, func(a, b Class) int { return cmp.Compare(a.Name, b.Name) })
	return st, err
}

func (s *Service) count(ctx context.Context, c *Class, t vault.Terms, now time.Time) error {
	c.Kept++
	if c.Oldest.IsZero() || t.Opened.Before(c.Oldest) {
		c.Oldest = t.Opened
	}
	if t.Expires.After(now) {
		if c.Next.IsZero() || t.Expires.Before(c.Next) {
			c.Next = t.Expires
		}
		return nil
	}
	c.Due++
	sub, err := s.subject(ctx, t)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holding(sub) != nil {
		c.Held++
	}
	return nil
}
