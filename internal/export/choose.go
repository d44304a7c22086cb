// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

type parsedLeaf = evidence.Leaf[json.RawMessage]

// scan calls fn with each leaf below size.
func scan(ctx context.Context, src Source, size uint64, fn func(uint64, []byte, parsedLeaf) error) error {
	stop := sallyport.E(sallyport.Internal, op, "the end of the scan")
	err := src.Scan(ctx, 0, func(index uint64, raw []byte) error {
		if index >= size {
			return stop
		}
		leaf, err := evidence.ParseLeaf(raw)
		if err != nil {
			return fmt.Errorf("leaf %d: %w", index, err)
		}
		return fn(index, raw, leaf)
	})
	if errors.Is(err, stop) {
		return nil
	}
	return err
}

// choice is what a filter comes to on a log.
type choice struct {
	filter   Filter
	all      bool
	narrow   bool // the filter names a session or a grant
	from, to time.Time
	// start and beat are the last signs of life before from, without which the
	// first silence could not be judged.
	start, beat int64
	config      map[uint64]bool // leaves of the configuration in force at from
	limit       uint64          // leaves from here on are later than the bundle
	sample      *evidence.Sample
	sessions    map[sallyport.SessionID]*span
	grants      map[sallyport.GrantID]*span
	requests    map[sallyport.RequestID]*span
	policies    map[sallyport.PolicyDigest]bool
	// roots are the sizes of earlier trees that the bundle shows the roots of.
	roots []uint64
}

// span is what is known of a session, a grant or a request, and what it rests
// on.
type span struct {
	principal sallyport.PrincipalID
	resource  sallyport.ResourceID
	from, to  time.Time
	closed    bool
	chosen    bool
	grants    map[sallyport.GrantID]bool
	requests  map[sallyport.RequestID]bool
	policies  map[sallyport.PolicyDigest]bool
}

func newSpan(at time.Time) *span {
	return &span{from: at, to: at, grants: map[sallyport.GrantID]bool{}, requests: map[sallyport.RequestID]bool{}, policies: map[sallyport.PolicyDigest]bool{}}
}

// choose reads the log once and decides which sessions, grants, requests and
// policies go into the bundle.
func choose(ctx context.Context, src Source, f Filter, size uint64) (*choice, error) {
	limit, err := until(ctx, src, f.AsOf, size)
	if err != nil {
		return nil, err
	}
	c := &choice{
		limit: limit, config: map[uint64]bool{}, filter: f, all: f.all(), narrow: f.Session != "" || f.Grant != "", from: f.From, to: f.To, start: -1, beat: -1,
		sessions: map[sallyport.SessionID]*span{}, grants: map[sallyport.GrantID]*span{},
		requests: map[sallyport.RequestID]*span{}, policies: map[sallyport.PolicyDigest]bool{},
	}
	if c.all {
		return c, c.findRoots(ctx, src, size)
	}
	if !f.AsOf.IsZero() && (c.to.IsZero() || f.AsOf.Before(c.to)) {
		c.to = f.AsOf
	}
	if err := scan(ctx, src, limit, func(_ uint64, _ []byte, leaf parsedLeaf) error { return c.learn(leaf) }); err != nil {
		return nil, err
	}
	if c.sessions[f.Session] == nil && f.Session != "" {
		return nil, sallyport.E(sallyport.NotFound, op, "the ledger has no such session")
	}
	if c.grants[f.Grant] == nil && f.Grant != "" {
		return nil, sallyport.E(sallyport.NotFound, op, "the ledger has no such grant")
	}
	c.chooseSessions()
	c.chooseRest()
	if err := scan(ctx, src, limit, c.findSignsOfLife); err != nil {
		return nil, err
	}
	return c, c.findRoots(ctx, src, size)
}

// all reports whether the filter selects the whole log.
func (f Filter) all() bool {
	f.Earlier, f.By, f.Purpose, f.Seed = nil, "", "", 0
	return reflect.DeepEqual(f, Filter{})
}

// until returns the number of leaves up to the last one that is not later than a
// time: a clock that jumped ahead for a moment cuts nothing off.
func until(ctx context.Context, src Source, at time.Time, size uint64) (limit uint64, err error) {
	if at.IsZero() {
		return size, nil
	}
	err = scan(ctx, src, size, func(index uint64, _ []byte, leaf parsedLeaf) error {
		if !leaf.Time.After(at) {
			limit = index + 1
		}
		return nil
	})
	return limit, err
}

// findRoots gathers the sizes that the chosen seals and the auditor's earlier
// checkpoints name.
func (c *choice) findRoots(ctx context.Context, src Source, size uint64) error {
	minimum := uint64(0) // below it the tree cannot be shown any more
	if src.Minimum != nil {
		minimum = src.Minimum()
	}
	for _, n := range c.filter.Earlier {
		if n < size && n >= minimum {
			c.roots = append(c.roots, n)
		}
	}
	err := scan(ctx, src, size, func(index uint64, _ []byte, leaf parsedLeaf) error {
		var seal *evidence.Seal
		switch leaf.Type {
		case evidence.TypeHeartbeat:
			b, err := evidence.Body[evidence.Heartbeat](leaf)
			if err != nil {
				return err
			}
			seal = b.Seal
		case evidence.TypeStop:
			b, err := evidence.Body[evidence.Stop](leaf)
			if err != nil {
				return err
			}
			seal = b.Seal
		}
		if seal == nil || seal.Size > index || seal.Size < minimum {
			return nil
		}
		taken, err := c.takes(index, leaf)
		if taken {
			c.roots = append(c.roots, seal.Size)
		}
		return err
	})
	slices.Sort(c.roots)
	c.roots = slices.Compact(c.roots)
	return err
}

// learn takes in what one leaf says about who did what when.
func (c *choice) learn(leaf parsedLeaf) error {
	if leaf.Session != "" {
		return c.learnSession(leaf)
	}
	switch leaf.Type {
	case evidence.TypeRequest:
		b, err := evidence.Body[evidence.Request](leaf)
		if err != nil {
			return err
		}
		s := c.requests[b.ID]
		if s == nil {
			s = newSpan(leaf.Time)
			c.requests[b.ID] = s
		}
		s.principal, s.resource, s.to = b.Principal, b.Resource, leaf.Time
		s.policies[b.Policy] = true
	case evidence.TypeGrant:
		b, err := evidence.Body[evidence.GrantEvent](leaf)
		if err != nil {
			return err
		}
		s := newSpan(b.Grant.NotBefore)
		s.principal, s.resource, s.to = b.Grant.Principal, b.Grant.Resource, b.Grant.NotAfter
		s.closed = true
		s.requests[b.Grant.Request] = true
		s.policies[b.Grant.Policy] = true
		c.grants[b.Grant.ID] = s
	}
	return nil
}

func (c *choice) learnSession(leaf parsedLeaf) error {
	s := c.sessions[leaf.Session]
	if s == nil {
		s = newSpan(leaf.Time)
		c.sessions[leaf.Session] = s
	}
	s.to = leaf.Time
	switch leaf.Type {
	case evidence.TypeSessionOpen:
		b, err := evidence.Body[evidence.SessionOpen](leaf)
		if err != nil {
			return err
		}
		s.principal, s.resource = b.Principal.ID, b.Resource
		s.policies[b.Policy] = true
		if b.Grant != nil {
			s.grants[b.Grant.ID] = true
		}
	case evidence.TypeSessionClose:
		s.closed = true
	case evidence.TypeIntent:
		b, err := evidence.Body[evidence.Intent](leaf)
		if err != nil {
			return err
		}
		s.policies[b.Policy] = true
		if b.Grant != "" {
			s.grants[b.Grant] = true
		}
		if b.Approval != nil {
			s.requests[b.Approval.Request] = true
		}
	case evidence.TypeDenial:
		b, err := evidence.Body[evidence.Denial](leaf)
		if err != nil {
			return err
		}
		s.policies[b.Policy] = true
		if b.Request != "" {
			s.requests[b.Request] = true
		}
	}
	return nil
}

// matches reports whether a span fits the filter's principal, resource and time.
func (c *choice) matches(s *span) bool {
	f := &c.filter
	if f.Principal != "" && s.principal != f.Principal || f.Resource != "" && s.resource != f.Resource {
		return false
	}
	if !f.To.IsZero() && s.from.After(f.To) || !f.AsOf.IsZero() && s.from.After(f.AsOf) {
		return false
	}
	return f.From.IsZero() || !s.closed || !s.to.Before(f.From)
}

func (c *choice) chooseSessions() {
	f := &c.filter
	var ids []sallyport.SessionID
	for id, s := range c.sessions {
		if (f.Session == "" || id == f.Session) && (f.Grant == "" || s.grants[f.Grant]) && c.matches(s) {
			ids = append(ids, id)
		}
	}
	if f.Sample > 0 {
		c.sample = new(evidence.Draw(ids, f.Sample, f.Seed))
		ids = c.sample.Sessions
	}
	open := false
	for _, id := range ids {
		s := c.sessions[id]
		s.chosen = true
		open = open || !s.closed
		for g := range s.grants {
			c.pick(g)
		}
		for r := range s.requests {
			c.pickRequest(r)
		}
		for p := range s.policies {
			c.policies[p] = true
		}
		if c.narrow && f.From.IsZero() && (c.from.IsZero() || s.from.Before(c.from)) {
			c.from = s.from
		}
		if c.narrow && f.To.IsZero() && f.AsOf.IsZero() && s.to.After(c.to) {
			c.to = s.to
		}
	}
	if open && c.narrow && f.To.IsZero() && f.AsOf.IsZero() {
		c.to = time.Time{} // whether the gateway ended under it shows later
	}
}

// chooseRest adds requests and grants that fit although no session used them.
func (c *choice) chooseRest() {
	c.pick(c.filter.Grant)
	if c.narrow {
		return
	}
	for id, s := range c.grants {
		if c.matches(s) {
			c.pick(id)
		}
	}
	for id, s := range c.requests {
		if c.matches(s) {
			c.pickRequest(id)
		}
	}
}

func (c *choice) pick(id sallyport.GrantID) {
	s := c.grants[id]
	if s == nil {
		return
	}
	s.chosen = true
	for p := range s.policies {
		c.policies[p] = true
	}
	for r := range s.requests {
		c.pickRequest(r)
	}
}

func (c *choice) pickRequest(id sallyport.RequestID) {
	s := c.requests[id]
	if s == nil {
		return
	}
	s.chosen = true
	for p := range s.policies {
		c.policies[p] = true
	}
}

// findSignsOfLife finds the last start and heartbeat before the chosen time, and
// the configuration that was in force.
func (c *choice) findSignsOfLife(index uint64, _ []byte, leaf parsedLeaf) error {
	if c.from.IsZero() || !leaf.Time.Before(c.from) {
		return nil
	}
	switch leaf.Type {
	case evidence.TypeConfigLoaded:
		b, err := evidence.Body[evidence.ConfigLoaded](leaf)
		if err != nil {
			return err
		}
		if b.Part == 1 {
			clear(c.config)
		}
		c.config[index] = true
	case evidence.TypeStart:
		c.start, c.beat = int64(index), -1
	case evidence.TypeHeartbeat:
		c.beat = int64(index)
	}
	return nil
}

// during reports whether a leaf outside of sessions lies in the chosen time.
func (c *choice) during(at time.Time) bool {
	return (c.from.IsZero() || !at.Before(c.from)) && (c.to.IsZero() || !at.After(c.to))
}

// takes reports whether a leaf goes into the bundle.
func (c *choice) takes(index uint64, leaf parsedLeaf) (bool, error) {
	if c.all {
		return true, nil
	}
	if index >= c.limit {
		return false, nil
	}
	if leaf.Session != "" {
		return c.sessions[leaf.Session].chosen, nil
	}
	switch leaf.Type {
	case evidence.TypeStart, evidence.TypeStop, evidence.TypeHeartbeat, evidence.TypeGap, evidence.TypeKeyRotate:
		return c.during(leaf.Time) || int64(index) == c.start || int64(index) == c.beat, nil
	case evidence.TypeConfigLoaded:
		return c.during(leaf.Time) || c.config[index], nil
	case evidence.TypeReview:
		// The review of an identity counts until the next one, however long ago it was.
		b, err := evidence.Body[evidence.Review](leaf)
		if b.Kind == "identity" {
			return c.to.IsZero() || !leaf.Time.After(c.to), err
		}
		return !c.narrow && c.during(leaf.Time), err
	case evidence.TypePolicyLoaded:
		b, err := evidence.Body[evidence.PolicyLoaded](leaf)
		return c.policies[b.Digest] || !c.narrow && c.during(leaf.Time), err
	case evidence.TypeRequest:
		b, err := evidence.Body[evidence.Request](leaf)
		return chosen(c.requests[b.ID]), err
	case evidence.TypeDecision:
		b, err := evidence.Body[evidence.Decision](leaf)
		return chosen(c.requests[b.Request]), err
	case evidence.TypeGrant:
		b, err := evidence.Body[evidence.GrantEvent](leaf)
		return chosen(c.grants[b.Grant.ID]), err
	case evidence.TypeIdentity:
		b, err := evidence.Body[evidence.Identity](leaf)
		who := c.filter.Principal == "" || b.Principal != nil && b.Principal.ID == c.filter.Principal
		return !c.narrow && who && c.during(leaf.Time), err
	case evidence.TypeToken:
		b, err := evidence.Body[evidence.Token](leaf)
		who := c.filter.Principal == "" || b.Principal == c.filter.Principal
		return !c.narrow && who && c.during(leaf.Time), err
	case evidence.TypeReplay:
		b, err := evidence.Body[evidence.Replay](leaf)
		return chosen(c.sessions[b.Session]), err
	case evidence.TypeKeyDestroyed:
		b, err := evidence.Body[evidence.KeyDestroyed](leaf)
		return chosen(c.sessions[b.OfSession]), err
	case evidence.TypeEvidenceOpen:
		b, err := evidence.Body[evidence.EvidenceOpen](leaf)
		return chosen(c.sessions[b.OfSession]), err
	case evidence.TypeLegalHold:
		b, err := evidence.Body[evidence.LegalHold](leaf)
		return !c.narrow && c.during(leaf.Time) || chosen(c.sessions[b.Filter.Session]) || chosen(c.grants[b.Filter.Grant]), err
	}
	return !c.narrow && c.during(leaf.Time), nil
}

func chosen(s *span) bool { return s != nil && s.chosen }
