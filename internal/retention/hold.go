// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package retention

import (
	"context"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/store"
)

// The states of a legal hold.
const (
	holdSet      = "set"
	holdReleased = "released"
)

// Hold is a legal hold, as the ledger tells of it.
type Hold struct {
	Index uint64    `json:"event"`
	At    time.Time `json:"at"`
	evidence.LegalHold
	// Of a released one:
	Released   time.Time             `json:"released,omitzero"`
	ReleasedBy sallyport.PrincipalID `json:"released_by,omitempty"`
	Why        string                `json:"released_reason,omitempty"`
}

// subject is what a hold may cover: a session, as its key's terms tell of it.
type subject struct {
	session   sallyport.SessionID
	principal sallyport.PrincipalID
	resource  sallyport.ResourceID
	grant     sallyport.GrantID
	opened    time.Time
	ended     time.Time // zero while it is open, and when that is not known
}

// covers reports whether a filter covers a session. What is not known of the
// session counts as covered.
func covers(f evidence.HoldFilter, s subject) bool {
	switch {
	case f.Session != "" && s.session != "" && f.Session != s.session,
		f.Principal != "" && s.principal != "" && f.Principal != s.principal,
		f.Resource != "" && s.resource != "" && f.Resource != s.resource,
		f.Grant != "" && f.Grant != s.grant && s.session != "",
		!f.To.IsZero() && s.opened.After(f.To),
		!f.From.IsZero() && !s.ended.IsZero() && s.ended.Before(f.From):
		return false
	}
	return true
}

// loadHolds takes the holds in force from the ledger.
func (s *Service) loadHolds(ctx context.Context) error {
	all, err := s.readHolds(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds = slices.DeleteFunc(all, func(h Hold) bool { return h.State == holdReleased })
	return nil
}

// readHolds reads every hold that is on the ledger, oldest first.
func (s *Service) readHolds(ctx context.Context) ([]Hold, error) {
	if err := s.deps.CatchUp(ctx); err != nil {
		return nil, err
	}
	events, err := s.deps.Index.Events(ctx, store.EventFilter{Types: []evidence.Type{evidence.TypeLegalHold}})
	if err != nil {
		return nil, err
	}
	var out []Hold
	for _, ev := range slices.Backward(events) {
		b, err := body[evidence.LegalHold](ctx, s, ev.Index)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(out, func(h Hold) bool { return h.ID == b.ID })
		switch {
		case i < 0:
			out = append(out, Hold{Index: ev.Index, At: ev.Time, LegalHold: b})
		case b.State == holdReleased:
			h := &out[i]
			h.State, h.Released, h.ReleasedBy, h.Why = holdReleased, ev.Time, b.By, b.Reason
		}
	}
	return out, nil
}

// Holds returns the holds in force, and with all the released ones as well,
// oldest first.
func (s *Service) Holds(ctx context.Context, all bool) ([]Hold, error) {
	found, err := s.readHolds(ctx)
	if err != nil || all {
		return found, err
	}
	return slices.DeleteFunc(found, func(h Hold) bool { return h.State == holdReleased }), nil
}

// SetHold puts a legal hold in force. When it returns, nothing that the filter
// covers is destroyed any more until the hold is released.
func (s *Service) SetHold(ctx context.Context, by sallyport.PrincipalID, f evidence.HoldFilter, matter, reason string) (Hold, error) {
	switch {
	case f == evidence.HoldFilter{}:
		return Hold{}, sallyport.E(sallyport.Invalid, op, "the hold says nothing of what it covers").
			WithHint("give a session, a principal, a resource, a grant or a time span")
	case !f.From.IsZero() && !f.To.IsZero() && f.To.Before(f.From):
		return Hold{}, sallyport.E(sallyport.Invalid, op, "the end of the time span lies before its beginning")
	}
	id, err := s.token()
	if err != nil {
		return Hold{}, err
	}
	f.From, f.To = f.From.UTC(), f.To.UTC()
	h := Hold{LegalHold: evidence.LegalHold{ID: "lh_" + id, State: holdSet, Filter: f, Case: matter, Reason: reason, By: by}}
	s.mu.Lock()
	defer s.mu.Unlock()
	// In force before it is on record: should the record fail, the gateway stops.
	h.At, h.Index = s.deps.Now().UTC(), s.deps.Log.Size()
	s.holds = append(s.holds, h)
	if err := s.deps.Journal.LegalHold(ctx, h.LegalHold); err != nil {
		return h, err
	}
	all, err := s.readHolds(ctx) // which event it became
	if i := slices.IndexFunc(all, func(x Hold) bool { return x.ID == h.ID }); i >= 0 {
		h = all[i]
		s.holds[len(s.holds)-1] = h
	}
	return h, err
}

// ReleaseHold ends a legal hold. Errors: NotFound when no such hold is in force.
func (s *Service) ReleaseHold(ctx context.Context, by sallyport.PrincipalID, id, reason string) (Hold, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.holds, func(h Hold) bool { return h.ID == id })
	if i < 0 {
		return Hold{}, sallyport.E(sallyport.NotFound, op, "no such legal hold is in force").
			WithHint("`sallyport retention holds` lists them")
	}
	h := s.holds[i]
	b := h.LegalHold
	b.State, b.By, b.Reason = holdReleased, by, reason
	if err := s.deps.Journal.LegalHold(ctx, b); err != nil {
		return Hold{}, err
	}
	s.holds = slices.Delete(s.holds, i, i+1)
	h.State, h.Released, h.ReleasedBy, h.Why = holdReleased, s.deps.Now().UTC(), by, reason
	return h, nil
}

// holding returns the first hold that covers a session, or nil. The caller holds
// mu.
func (s *Service) holding(sub subject) *Hold {
	for i := range s.holds {
		if covers(s.holds[i].Filter, sub) {
			return &s.holds[i]
		}
	}
	return nil
}
