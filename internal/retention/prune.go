// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package retention

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/store"
)

// Pruning says what was pruned, or could be.
type Pruning struct {
	Minimum uint64 `json:"minimum"` // the lowest index that is kept
	Bound   uint64 `json:"bound"`   // the highest that Minimum may be now
	Why     string `json:"why"`     // what stands at the bound
	Done    bool   `json:"done"`
}

// bound is how far pruning may go, and why not further.
type bound struct {
	index uint64
	why   string
}

func (b *bound) lower(index uint64, why string, args ...any) {
	if index < b.index {
		b.index, b.why = index, fmt.Sprintf(why, args...)
	}
}

// PruneBefore prunes the leaves that are older than t; see [Service.Prune].
func (s *Service) PruneBefore(ctx context.Context, by sallyport.PrincipalID, t time.Time, reason string, dry bool) (Pruning, error) {
	if err := s.deps.CatchUp(ctx); err != nil {
		return Pruning{}, err
	}
	index, ok, err := s.deps.Index.First(ctx, store.EventFilter{From: t})
	if err != nil {
		return Pruning{}, err
	}
	if !ok {
		index = s.deps.Log.Size()
	}
	return s.Prune(ctx, by, index, reason, dry)
}

// Prune gives up the leaves below an index: the minimum is put on record and the
// ledger keeps what proofs of the rest need. Only what has been kept for the
// default class's period is given up, of sessions only those whose own retention
// is over and whose keys are destroyed, and nothing that a legal hold covers. A
// dry run only says how far it could go. Errors: Conflict when the index lies
// beyond that.
func (s *Service) Prune(ctx context.Context, by sallyport.PrincipalID, minimum uint64, reason string, dry bool) (Pruning, error) {
	if err := s.deps.CatchUp(ctx); err != nil {
		return Pruning{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bound(ctx)
	if err != nil {
		return Pruning{}, err
	}
	p := Pruning{Minimum: s.deps.Log.Minimum(), Bound: b.index, Why: b.why}
	switch {
	case minimum <= p.Minimum || dry:
		return p, nil
	case minimum > b.index:
		return p, sallyport.E(sallyport.Conflict, op, fmt.Sprintf("pruning may go up to leaf %d and no further: %s", b.index, b.why)).
			WithHint("name that index, or an earlier date")
	}
	policies, err := s.carryOver(ctx, minimum)
	if err != nil {
		return p, err
	}
	through, err := s.deps.Index.Latest(ctx, minimum)
	if err != nil {
		return p, err
	}
	ctx = context.WithoutCancel(ctx) // what is on record is done
	if err := s.deps.Journal.LogPruned(ctx, evidence.LogPruned{Minimum: minimum, Through: through, Policies: policies, By: by, Reason: reason}); err != nil {
		return p, err
	}
	if err := s.deps.Log.Prune(ctx, minimum); err != nil {
		return p, err
	}
	p.Minimum, p.Done = minimum, true
	return p, s.deps.Index.Prune(ctx, minimum)
}

// bound finds how far pruning may go. The caller holds mu.
func (s *Service) bound(ctx context.Context) (bound, error) {
	b := bound{s.deps.Log.Size(), "the log ends there"}
	b.lower(s.deps.Log.Prunable(), "the write-ahead log still holds the leaves from there on")
	now := s.deps.Now()
	first, ok, err := s.deps.Index.First(ctx, store.EventFilter{From: s.before(now)})
	if err != nil {
		return b, err
	}
	if ok {
		b.lower(first, "from there on leaves have not been kept for %s yet", s.deps.Default)
	}
	for i := range s.holds {
		if err := s.lowerByHold(ctx, &b, &s.holds[i]); err != nil {
			return b, err
		}
	}
	return b, s.lowerBySessions(ctx, &b, now)
}

// before returns a time such that the default period of all that is older is
// over.
func (s *Service) before(now time.Time) time.Time {
	p := s.deps.Default
	t := now.UTC().AddDate(-p.Years, -p.Months, -p.Days)
	for p.After(t).After(now) { // the calendar does not subtract as it adds
		t = t.AddDate(0, 0, -1)
	}
	return t
}

// lowerBySessions keeps every leaf from the first session on that must be kept.
func (s *Service) lowerBySessions(ctx context.Context, b *bound, now time.Time) error {
	sessions, err := s.deps.Index.Begun(ctx, b.index)
	if err != nil {
		return err
	}
	for _, row := range sessions { // oldest first: the first that is kept decides
		if row.First >= b.index {
			return nil
		}
		open, err := body[evidence.SessionOpen](ctx, s, row.First)
		if err != nil {
			return err
		}
		expires := open.Expires
		if expires.IsZero() {
			expires = s.deps.Default.After(row.Opened)
		}
		sub := subject{row.ID, row.Principal, row.Resource, row.Grant, row.Opened, row.Closed}
		switch key := KeyOf(open); {
		case s.deps.Alive(row.ID):
			b.lower(row.First, "the session %s is not over", row.ID)
		case expires.After(now):
			b.lower(row.First, "the session %s is kept until %s", row.ID, expires.UTC().Format(time.DateOnly))
		case s.holding(sub) != nil:
			b.lower(row.First, "the legal hold %s covers the session %s", s.holding(sub).ID, row.ID)
		case key != "":
			_, err := s.deps.Keys.SessionTerms(key)
			if err == nil {
				b.lower(row.First, "the key of the session %s is not destroyed yet; the next sweep does it", row.ID)
			} else if sallyport.KindOf(err) != sallyport.NotFound {
				return err
			}
		}
	}
	return nil
}

// lowerByHold keeps everything from the first leaf on that a hold is about, the
// requests and grants that its sessions rest on included.
func (s *Service) lowerByHold(ctx context.Context, b *bound, h *Hold) error {
	b.lower(h.Index, "the legal hold %s was set there and is in force", h.ID)
	f := store.EventFilter{Session: h.Filter.Session, Principal: h.Filter.Principal, Resource: h.Filter.Resource, Grant: h.Filter.Grant, From: h.Filter.From}
	filters := []store.EventFilter{f}
	grant := h.Filter.Grant
	if f.Session != "" {
		row, err := s.deps.Index.Session(ctx, f.Session)
		if err != nil && sallyport.KindOf(err) != sallyport.NotFound {
			return err
		}
		grant = row.Grant
	}
	if grant != "" {
		filters = append(filters, store.EventFilter{Grant: grant})
		events, err := s.deps.Index.Events(ctx, store.EventFilter{Types: []evidence.Type{evidence.TypeGrant}, Grant: grant})
		if err != nil {
			return err
		}
		for _, ev := range events {
			if ev.Request != "" {
				filters = append(filters, store.EventFilter{Request: ev.Request})
			}
		}
	}
	for _, f := range filters {
		first, ok, err := s.deps.Index.First(ctx, f)
		if err != nil {
			return err
		}
		if ok {
			b.lower(first, "the legal hold %s covers what begins there", h.ID)
		}
	}
	return nil
}

// carryOver records again the policies whose texts would be pruned although
// leaves that stay name them, and returns their digests.
func (s *Service) carryOver(ctx context.Context, minimum uint64) ([]sallyport.PolicyDigest, error) {
	wanted, err := s.wanted(ctx, minimum)
	if err != nil {
		return nil, err
	}
	events, err := s.deps.Index.Events(ctx, store.EventFilter{Types: []evidence.Type{evidence.TypePolicyLoaded}})
	if err != nil {
		return nil, err
	}
	parts := map[sallyport.PolicyDigest][]string{}
	sources := map[sallyport.PolicyDigest]string{}
	for _, ev := range slices.Backward(events) { // oldest first
		p, err := body[evidence.PolicyLoaded](ctx, s, ev.Index)
		if err != nil {
			return nil, err
		}
		switch {
		case !wanted[p.Digest] || p.Error != "":
		case ev.Index >= minimum && p.Part <= 1: // its text stays
			delete(wanted, p.Digest)
			delete(parts, p.Digest)
		default:
			if p.Part <= 1 {
				parts[p.Digest] = nil
			}
			parts[p.Digest] = append(parts[p.Digest], p.Text)
			sources[p.Digest] = p.Source
		}
	}
	var out []sallyport.PolicyDigest
	for digest, text := range parts {
		if err := s.deps.Journal.PolicyLoaded(ctx, digest, sources[digest], strings.Join(text, "")); err != nil {
			return nil, err
		}
		out = append(out, digest)
	}
	slices.Sort(out)
	return out, nil
}

// wanted returns the policies that leaves from an index on name.
func (s *Service) wanted(ctx context.Context, minimum uint64) (map[sallyport.PolicyDigest]bool, error) {
	used, err := s.deps.Index.Policies(ctx, minimum)
	if err != nil {
		return nil, err
	}
	out := map[sallyport.PolicyDigest]bool{}
	for _, d := range used {
		out[d] = true
	}
	events, err := s.deps.Index.Events(ctx, store.EventFilter{Types: []evidence.Type{evidence.TypeRequest, evidence.TypeGrant, evidence.TypeDenial}})
	if err != nil {
		return nil, err
	}
	for _, ev := range events {
		if ev.Index < minimum {
			continue
		}
		var d sallyport.PolicyDigest
		switch ev.Type {
		case evidence.TypeRequest:
			b, err := body[evidence.Request](ctx, s, ev.Index)
			if err != nil {
				return nil, err
			}
			d = b.Policy
		case evidence.TypeGrant:
			b, err := body[evidence.GrantEvent](ctx, s, ev.Index)
			if err != nil {
				return nil, err
			}
			d = b.Grant.Policy
		case evidence.TypeDenial:
			b, err := body[evidence.Denial](ctx, s, ev.Index)
			if err != nil {
				return nil, err
			}
			d = b.Policy
		}
		out[d] = true
	}
	return out, nil
}

// PrunedTo returns the minimum that the ledger's latest event about it names;
// zero when there is none.
func (s *Service) PrunedTo(ctx context.Context) (uint64, error) {
	if err := s.deps.CatchUp(ctx); err != nil {
		return 0, err
	}
	found, err := s.deps.Index.Events(ctx, store.EventFilter{Types: []evidence.Type{evidence.TypeLogPruned}, Limit: 1})
	if err != nil || len(found) == 0 {
		return 0, err
	}
	b, err := body[evidence.LogPruned](ctx, s, found[0].Index)
	return b.Minimum, err
}

// completePruning carries out a pruning that is on record and was interrupted.
func (s *Service) completePruning(ctx context.Context) error {
	to, err := s.PrunedTo(ctx)
	if err != nil || to <= s.deps.Log.Minimum() {
		return err
	}
	if err := s.deps.Log.Prune(ctx, to); err != nil {
		return err
	}
	return s.deps.Index.Prune(ctx, to)
}
