// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ship

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// State says in one word how a destination does.
type State string

// The states.
const (
	StateOK       State = "ok"
	StateRetrying State = "retrying" // the receiver cannot be reached; not for long yet
	StateBehind   State = "behind"   // events have waited longer than they should
	StateRefused  State = "refused"  // the receiver does not take what it is sent, or the cursor cannot be believed
)

// Status is how a destination does.
type Status struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Next   uint64 `json:"next"`   // cursor: index of the first event that the receiver does not have
	Size   uint64 `json:"size"`   // leaves under the ledger's checkpoint when it looked last
	Behind uint64 `json:"behind"` // events between the two
	// Sent counts events since the gateway's start; one that was sent twice counts
	// twice.
	Sent        uint64    `json:"sent"`
	Rejected    uint64    `json:"rejected,omitempty"` // events that the receiver took note of and did not keep
	LastSuccess time.Time `json:"last_success,omitzero"`
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	Failures    int       `json:"failures"` // in a row
	// Waiting is the time of the first event that the receiver does not have.
	Waiting time.Time `json:"waiting_since,omitzero"`
}

// Status returns how the destination does.
func (s *Shipper) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	st.Size = s.opt.Ledger.Published()
	st.Behind = st.Size - min(st.Size, st.Next)
	return st
}

// The pauses after a failure.
const (
	firstPause   = 500 * time.Millisecond
	longestPause = time.Minute
	refusedPause = 5 * time.Minute
	// laterMost is the longest that a receiver may ask for.
	laterMost = 15 * time.Minute
)

// pause is how long to wait after an error: twice as long each time up to a
// bound, and somewhere in the upper half of that, so that gateways that lost
// the same receiver do not come back at the same moment.
func (s *Shipper) pause(err error) time.Duration {
	d := refusedPause
	if sallyport.KindOf(err) == sallyport.Unavailable {
		d = min(firstPause<<min(s.tries-1, 16), longestPause)
	}
	var later *LaterError
	if errors.As(err, &later) {
		d = max(d, min(later.After, laterMost))
	}
	var b [8]byte
	if _, err := io.ReadFull(s.opt.Rand, b[:]); err != nil {
		return d
	}
	half := uint64(d / 2)
	return d - time.Duration(binary.BigEndian.Uint64(b[:])%(half+1))
}

// told is what was put on record last.
type told struct {
	state string
	at    time.Time
}

// quiet is the shortest time between two events on record about a destination:
// one that comes and goes must not fill the ledger that it cannot keep up with.
const quiet = time.Minute

// note brings the status up to date after a step.
func (s *Shipper) note(ctx context.Context, n int, err error) {
	now := s.opt.Now()
	if err != nil && ctx.Err() != nil {
		return // the gateway stops; that says nothing about the receiver
	}
	s.mu.Lock()
	st := &s.status
	st.Next = s.cur.Next
	before := st.State
	switch {
	case err != nil:
		s.tries++
		st.Failures = s.tries
		st.LastErrorAt = now.UTC()
		st.LastError, _ = sallyport.Public(err)
	case n > 0:
		s.tries = 0
		st.Failures, st.LastError = 0, ""
		st.LastSuccess = now.UTC()
		st.Sent += uint64(n)
	default:
		s.tries, st.Failures = 0, 0
	}
	st.Waiting = time.Time{}
	waits := time.Duration(0)
	if s.pending != nil {
		st.Waiting = s.pending.batch.Events[0].Time.UTC()
		waits = now.Sub(later(s.pending.batch.Events[0].Time, s.begun))
	} else if n > 0 && s.cur.Next < s.opt.Ledger.Published() {
		// Not later than the first one that did not arrive.
		st.Waiting = s.sent.UTC()
		waits = now.Sub(later(st.Waiting, s.begun))
	}
	st.State = stateOf(err, s.opt.BehindAfter > 0 && waits > s.opt.BehindAfter)
	state, next, reason := st.State, st.Next, st.LastError
	s.mu.Unlock()
	s.log(ctx, before, state, err)
	s.record(ctx, state, next, reason)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func stateOf(err error, behind bool) State {
	switch {
	case err != nil && sallyport.KindOf(err) != sallyport.Unavailable:
		return StateRefused
	case behind:
		return StateBehind
	case err != nil:
		return StateRetrying
	}
	return StateOK
}

// log tells the operator. A failure that goes on is told now and then.
func (s *Shipper) log(ctx context.Context, before, state State, err error) {
	l := s.opt.Log.With("destination", s.opt.Name, "state", string(state))
	switch {
	case err != nil && (before != state || s.tries&(s.tries-1) == 0):
		level := l.WarnContext
		if state == StateRefused {
			level = l.ErrorContext
		}
		level(ctx, "shipping fails", "failures", s.tries, "next", s.cur.Next, "err", err)
	case err == nil && before != state && state == StateBehind:
		l.WarnContext(ctx, "shipping is behind", "next", s.cur.Next)
	case err == nil && before != state && state == StateOK:
		l.InfoContext(ctx, "shipping has caught up", "next", s.cur.Next)
	}
}

// record puts a change on record.
func (s *Shipper) record(ctx context.Context, state State, next uint64, reason string) {
	word := ""
	switch state {
	case StateBehind:
		word = evidence.ShippingBehind
	case StateRefused:
		word = evidence.ShippingRefused
	case StateOK:
		if s.told.state != "" {
			word = evidence.ShippingCaughtUp
		}
	}
	now := s.opt.Now()
	if word == "" || word == s.told.state || now.Sub(s.told.at) < quiet {
		return
	}
	if s.put(ctx, evidence.Shipping{State: word, Next: next, Reason: reason}) {
		s.told = told{word, now}
		if word == evidence.ShippingCaughtUp {
			s.told.state = ""
		}
	}
}

// rejected puts on record that the receiver did not keep some events.
func (s *Shipper) rejected(ctx context.Context, b Batch, r *RejectedError) {
	s.mu.Lock()
	s.status.Rejected += uint64(max(r.Events, 0))
	s.mu.Unlock()
	msg, _ := sallyport.Public(r)
	s.opt.Log.ErrorContext(ctx, "a receiver did not keep some events", "destination", s.opt.Name, "events", r.Events, "from", b.From(), "to", b.To(), "err", r)
	s.put(ctx, evidence.Shipping{
		State: evidence.ShippingRejected, Next: b.From(),
		Reason: fmt.Sprintf("%d of the events %d to %d: %s", r.Events, b.From(), b.To(), msg),
	})
}

func (s *Shipper) put(ctx context.Context, e evidence.Shipping) bool {
	if s.opt.Journal == nil {
		return true
	}
	e.Destination, e.Size = s.opt.Name, s.opt.Ledger.Published()
	if err := s.opt.Journal.Shipping(ctx, e); err != nil {
		if ctx.Err() == nil {
			s.opt.Log.WarnContext(ctx, "how shipping goes cannot be put on record", "err", err)
		}
		return false
	}
	return true
}
