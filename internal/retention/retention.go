// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package retention ends what has been kept for long enough, and keeps what must
// not end: it destroys the keys of sessions whose retention class's period is
// over or that an administrator erases, unless a legal hold covers them, and
// says which leaves of the ledger may be pruned.
//
// Everything that it does is on the ledger before it is done. A key that is to
// be destroyed is first noted as doomed beside itself, then the event is made
// durable, then the key and the session's blobs are removed, and the note last.
// So a crash leaves at most a doomed key, which [Service.Complete] finishes or,
// where nothing is on record yet and a hold has come, spares. There is no order
// of events in which a key is gone without a record.
//
// The holds in force are what the ledger says; there is no second list of them.
package retention

import (
	"context"
	"encoding/base32"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

// Keys is the store of the sessions' keys.
type Keys interface {
	// SessionKeys calls fn for each key that expires in the month of until or
	// earlier, and for each that is doomed; the zero time is no bound.
	SessionKeys(until time.Time, fn func(vault.KeyInfo) error) error
	// SessionTerms returns the terms of a key that may be used; else NotFound.
	SessionTerms(id string) (vault.Terms, error)
	DoomKey(id string, note []byte) error
	SpareKey(id string) error
	DestroyKey(id string) error
}

// Index finds what the ledger says.
type Index interface {
	Session(ctx context.Context, id sallyport.SessionID) (store.Session, error)
	Events(ctx context.Context, f store.EventFilter) ([]store.Event, error)
	First(ctx context.Context, f store.EventFilter) (uint64, bool, error)
	Latest(ctx context.Context, before uint64) (time.Time, error)
	Begun(ctx context.Context, before uint64) ([]store.Session, error)
	Policies(ctx context.Context, from uint64) ([]sallyport.PolicyDigest, error)
	Prune(ctx context.Context, before uint64) error
}

// Journal writes the events.
type Journal interface {
	LegalHold(ctx context.Context, b evidence.LegalHold) error
	KeysDestroyed(ctx context.Context, list ...evidence.KeyDestroyed) error
	LogPruned(ctx context.Context, b evidence.LogPruned) error
	PolicyLoaded(ctx context.Context, digest sallyport.PolicyDigest, source, text string) error
}

// Log is the ledger.
type Log interface {
	Read(ctx context.Context, index uint64) ([]byte, error)
	Size() uint64
	Minimum() uint64
	// Prunable is the highest index that Prune takes.
	Prunable() uint64
	Prune(ctx context.Context, minimum uint64) error
}

// Blobs stores the sealed payloads that are not in leaves.
type Blobs interface {
	Delete(ctx context.Context, digest string) error
}

// Deps are the parts that a service works with. All are required.
type Deps struct {
	Keys    Keys
	Index   Index
	Journal Journal
	Log     Log
	Blobs   Blobs
	// CatchUp returns when the index has everything that is on the ledger.
	CatchUp func(ctx context.Context) error
	// Leaves calls fn with each leaf of a session, in order.
	Leaves func(ctx context.Context, id sallyport.SessionID, fn func(leaf []byte) error) error
	// Alive reports whether a session is open.
	Alive func(id sallyport.SessionID) bool
	// Default is the period of the default class, by which leaves outside of
	// sessions are kept.
	Default sallyport.Period
	Now     func() time.Time
	Rand    io.Reader
	Logger  *slog.Logger
}

// Service is the gateway's one keeper of retention. Its methods may be called
// from any goroutine.
type Service struct {
	deps Deps

	work sync.Mutex // held by whoever destroys, so that destructions do not cross

	// mu is held from the look at the holds until the event is durable, so that a
	// hold that was acknowledged is heeded by everything that comes after it.
	mu    sync.Mutex
	holds []Hold // in force; guarded by mu
	doubt string // why the sweeper does not believe the clock; "" when it does; guarded by mu
}

// New returns a service that knows the holds in force.
func New(ctx context.Context, d Deps) (*Service, error) {
	s := &Service{deps: d}
	if err := s.loadHolds(ctx); err != nil {
		return nil, err
	}
	return s, s.judgeClock(ctx)
}

// maxJump is how far the clock may be ahead of the last sign of life before the
// sweeper does not destroy by it. A clock that is wrong once would destroy what
// nothing brings back.
const maxJump = 45 * 24 * time.Hour

// judgeClock compares the clock with the last event of the epoch before this one.
func (s *Service) judgeClock(ctx context.Context) error {
	starts, err := s.deps.Index.Events(ctx, store.EventFilter{Types: []evidence.Type{evidence.TypeStart}, Limit: 1})
	if err != nil || len(starts) == 0 {
		return err
	}
	last, err := s.deps.Index.Latest(ctx, starts[0].Index)
	if err == nil && !last.IsZero() {
		s.jumped(last, s.deps.Now())
	}
	return err
}

// jumped notes a clock that went on too far between two looks at it.
func (s *Service) jumped(last, now time.Time) {
	if now.Sub(last) <= maxJump {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doubt = fmt.Sprintf("the clock stands at %s, and the last sign of life is of %s", now.UTC().Format(time.DateOnly), last.UTC().Format(time.DateOnly))
	s.deps.Logger.Error("nothing is destroyed until an administrator runs `sallyport retention sweep`: " + s.doubt)
}

const op = "retention"

// token returns 80 random bits in lower-case base32.
func (s *Service) token() (string, error) {
	var b [10]byte
	if _, err := io.ReadFull(s.deps.Rand, b[:]); err != nil {
		return "", sallyport.E(sallyport.Internal, op, "no randomness for an id").Because(err)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:])), nil
}

// body reads a leaf of the ledger and the body of its type.
func body[B any](ctx context.Context, s *Service, index uint64) (b B, err error) {
	raw, err := s.deps.Log.Read(ctx, index)
	if err != nil {
		return b, err
	}
	leaf, err := evidence.ParseLeaf(raw)
	if err != nil {
		return b, err
	}
	return evidence.Body[B](leaf)
}

// Erasure says when and why a session was erased.
type Erasure struct {
	Index uint64    `json:"event"` // of the key-destroyed event
	At    time.Time `json:"at"`
	evidence.KeyDestroyed
}

// String says it in a sentence.
func (e Erasure) String() string { return e.Say(e.Index, e.At) }

// Erased returns the erasure of a session, or nil.
func (s *Service) Erased(ctx context.Context, id sallyport.SessionID) (*Erasure, error) {
	if err := s.deps.CatchUp(ctx); err != nil {
		return nil, err
	}
	return s.erased(ctx, id)
}

func (s *Service) erased(ctx context.Context, id sallyport.SessionID) (*Erasure, error) {
	found, err := s.deps.Index.Events(ctx, store.EventFilter{Types: []evidence.Type{evidence.TypeKeyDestroyed}, Session: id})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	first := found[len(found)-1] // a later one only repeats it
	b, err := body[evidence.KeyDestroyed](ctx, s, first.Index)
	return &Erasure{Index: first.Index, At: first.Time, KeyDestroyed: b}, err
}
