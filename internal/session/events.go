// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"sync/atomic"
	"time"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// Journal is the ledger's writing side.
type Journal interface {
	// Append returns when all leaves are durable, in order. Any error means that
	// the ledger takes nothing more: fail closed.
	Append(ctx context.Context, leaves ...[]byte) (uint64, error)
	// Post queues a leaf for the next commit without waiting for it.
	Post(leaf []byte) error
	// Sync returns when everything posted before the call is durable.
	Sync(ctx context.Context) error
}

// Events writes the events that belong to no session. It implements the
// journals of the identity and the grant services.
type Events struct {
	journal Journal
	origin  string
	now     func() time.Time
	start   time.Time
	last    atomic.Int64 // greatest mono written, so that it never goes back
}

// NewEvents returns a writer of events under the ledger's origin.
func NewEvents(j Journal, origin string, now func() time.Time) *Events {
	return &Events{journal: j, origin: origin, now: now, start: now()}
}

// stamp returns the wall clock in UTC and the nanoseconds since the start.
func (e *Events) stamp() (time.Time, int64) {
	t := e.now()
	m := int64(t.Sub(e.start))
	for {
		last := e.last.Load()
		if m <= last {
			return t.UTC(), last
		}
		if e.last.CompareAndSwap(last, m) {
			return t.UTC(), m
		}
	}
}

func leafOf[B any](e *Events, t evidence.Type, body B) evidence.Leaf[B] {
	wall, mono := e.stamp()
	return evidence.Leaf[B]{V: evidence.LeafVersion, Type: t, Origin: e.origin, Time: wall, Mono: mono, Body: body}
}

// write appends one event and returns when it is durable.
func write[B any](ctx context.Context, e *Events, t evidence.Type, body B) error {
	b, err := evidence.Marshal(leafOf(e, t, body))
	if err != nil {
		return err
	}
	_, err = e.journal.Append(ctx, b)
	return err
}

// Identity records a login.
func (e *Events) Identity(ctx context.Context, b evidence.Identity) error {
	return write(ctx, e, evidence.TypeIdentity, b)
}

// Token records a gateway token's issue or revocation.
func (e *Events) Token(ctx context.Context, b evidence.Token) error {
	return write(ctx, e, evidence.TypeToken, b)
}

// Request records a request and its changes of state.
func (e *Events) Request(ctx context.Context, b evidence.Request) error {
	return write(ctx, e, evidence.TypeRequest, b)
}

// Decision records a human's decision.
func (e *Events) Decision(ctx context.Context, b evidence.Decision) error {
	return write(ctx, e, evidence.TypeDecision, b)
}

// Grant records a grant's begin, expiry or revocation.
func (e *Events) Grant(ctx context.Context, b evidence.GrantEvent) error {
	return write(ctx, e, evidence.TypeGrant, b)
}

// Denial records the refusal of a connection, which has no session yet.
func (e *Events) Denial(ctx context.Context, b evidence.Denial) error {
	return write(ctx, e, evidence.TypeDenial, b)
}

// Export records that a bundle was made.
func (e *Events) Export(ctx context.Context, b evidence.Export) error {
	return write(ctx, e, evidence.TypeExport, b)
}

// Replay records that somebody looked at a recording.
func (e *Events) Replay(ctx context.Context, b evidence.Replay) error {
	return write(ctx, e, evidence.TypeReplay, b)
}

// WhoSaw records that somebody asked in which statements a patient is.
func (e *Events) WhoSaw(ctx context.Context, b evidence.WhoSaw) error {
	return write(ctx, e, evidence.TypeWhoSaw, b)
}

// Start records the beginning of an epoch.
func (e *Events) Start(ctx context.Context, b evidence.Start) error {
	return write(ctx, e, evidence.TypeStart, b)
}

// KeyRotate records that other keys sign the ledger.
func (e *Events) KeyRotate(ctx context.Context, b evidence.KeyRotate) error {
	return write(ctx, e, evidence.TypeKeyRotate, b)
}

// Rollback records that this log takes the place of one that lost its end.
func (e *Events) Rollback(ctx context.Context, b evidence.Rollback) error {
	return write(ctx, e, evidence.TypeRollback, b)
}

// ConfigLoaded records a part of what access depends on.
func (e *Events) ConfigLoaded(ctx context.Context, b evidence.ConfigLoaded) error {
	return write(ctx, e, evidence.TypeConfigLoaded, b)
}

// Review records that somebody attests to a review.
func (e *Events) Review(ctx context.Context, b evidence.Review) error {
	return write(ctx, e, evidence.TypeReview, b)
}

// Stop records the end of an epoch in order.
func (e *Events) Stop(ctx context.Context, b evidence.Stop) error {
	return write(ctx, e, evidence.TypeStop, b)
}

// Gap records what is known of the time between two epochs.
func (e *Events) Gap(ctx context.Context, b evidence.Gap) error {
	return write(ctx, e, evidence.TypeGap, b)
}

// Heartbeat records that the gateway is alive.
func (e *Events) Heartbeat(ctx context.Context, b evidence.Heartbeat) error {
	return write(ctx, e, evidence.TypeHeartbeat, b)
}

// policyPart is the largest piece of policy text put into one leaf, in bytes;
// JSON escaping can double it.
const policyPart = 24 << 10

// PolicyLoaded records a policy set with its whole text, in as many leaves as
// it needs.
func (e *Events) PolicyLoaded(ctx context.Context, digest sallyport.PolicyDigest, source, text string) error {
	parts := splitText(text, policyPart)
	if len(parts) <= 1 {
		return write(ctx, e, evidence.TypePolicyLoaded, evidence.PolicyLoaded{Digest: digest, Source: source, Text: text})
	}
	for i, part := range parts {
		err := write(ctx, e, evidence.TypePolicyLoaded, evidence.PolicyLoaded{
			Digest: digest, Source: source, Text: part, Part: i + 1, Parts: len(parts),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// splitText cuts text into pieces of at most size bytes, never inside a rune.
func splitText(text string, size int) []string {
	var parts []string
	for len(text) > size {
		end := size
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		if end == 0 { // not UTF-8 at all
			end = size
		}
		parts, text = append(parts, text[:end]), text[end:]
	}
	return append(parts, text)
}

// PolicyRefused records a policy set that did not compile; the old one stays.
func (e *Events) PolicyRefused(ctx context.Context, source, why string) error {
	return write(ctx, e, evidence.TypePolicyLoaded, evidence.PolicyLoaded{Source: source, Error: why})
}
