// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package session is the engine: the only package that sequences the steps of a
// statement's way (identify, resource, grant, decide, hold, intent, outcome).
// Connectors speak protocols and call it; they neither decide nor record.
//
// The laws are held by types. An [Admission] exists only for a statement that
// policy allowed (after a human's approval where one was asked for), a [Permit]
// only for an admitted statement whose intent is durable, and upstream writers
// accept nothing without one.
package session

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/disclosure"
	"github.com/sallyport-dev/sallyport/internal/grant"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/policy"
	"github.com/sallyport-dev/sallyport/internal/record"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

// Identifier turns what a caller presents into a principal.
type Identifier interface {
	// Authenticate accepts an issuer's JWT or a gateway token. Errors have Kind
	// Unauthenticated, or Unavailable when the issuer's keys are too old.
	Authenticate(ctx context.Context, raw string) (sallyport.Principal, identity.Binding, error)
	// Recognise is Authenticate for who proved a key that stands for a gateway token.
	Recognise(ctx context.Context, p identity.Proved) (sallyport.Principal, identity.Binding, error)
	// Watch returns a channel that is closed when the token with the given id is
	// revoked or expires.
	Watch(tokenID string) (<-chan struct{}, func())
}

// Grants is the service of requests, approvals, grants and holds.
type Grants interface {
	Active(ctx context.Context, p sallyport.PrincipalID, r sallyport.ResourceID, role sallyport.RoleID) (sallyport.Grant, bool)
	Request(ctx context.Context, spec grant.RequestSpec) (grant.Request, error)
	Hold(ctx context.Context, spec grant.HoldSpec) (grant.Request, error)
	Wait(ctx context.Context, id sallyport.RequestID) (grant.Request, error)
	Withdraw(ctx context.Context, id sallyport.RequestID, reason string) error
	Use(ctx context.Context, id sallyport.RequestID, binding string) (sallyport.Approval, error)
	Watch(id sallyport.GrantID) (<-chan struct{}, func())
}

// Vault leases target credentials and keeps the keys of sessions.
type Vault interface {
	Lease(ctx context.Context, ref vault.Ref) (*vault.Lease, error)
	NewSessionKey(t vault.Terms) (*vault.SessionKey, error)
	Fingerprint(text []byte) string
}

// Directory answers what the configuration says about resources and roles.
type Directory interface {
	// Resource returns the target's configuration, or false.
	Resource(id sallyport.ResourceID) (Resource, bool)
	// Eligible reports whether the principal may ask for or hold the role on the
	// resource.
	Eligible(p sallyport.Principal, r sallyport.ResourceID, role sallyport.RoleID) bool
}

// Resource is what the engine needs to know of a target.
type Resource struct {
	ID         sallyport.ResourceID
	Protocol   string
	Credential vault.Ref
	// Credentials are those of roles, in place of Credential; nil where all have one.
	Credentials map[sallyport.RoleID]vault.Ref
	// BeforeRelease lets statements that are proven read-only run while their
	// intents are made durable; nothing of an answer leaves before.
	BeforeRelease bool
	Idle          time.Duration // end a session after this long without a statement; 0 = never
	MaxSession    time.Duration // end a session after this long; 0 = never
	MaxSessions   int           // at once; 0 = no limit
	// Patients is the namespace of the patients' keys; "" when it names none, and
	// nothing is then recorded of whose rows answers are made of.
	Patients string
	// Retention is how long what the session seals is kept; the zero value is the
	// default class.
	Retention sallyport.Retention
}

// Waits says how long the engine keeps a client waiting for a human.
type Waits struct {
	Grant       time.Duration // for a grant, at connect
	Hold        time.Duration // for a held statement
	HoldInTx    time.Duration // for a held statement inside a transaction, which holds locks
	GrantWindow time.Duration // the window that a request by trying asks for
}

// Deps are the parts that an engine sequences. All but Fresh and Privacy are
// required.
type Deps struct {
	Events    *Events
	Policy    func() *policy.Set // the loaded set; never nil
	Identify  Identifier
	Grants    Grants
	Vault     Vault
	Directory Directory
	Recorder  *record.Recorder
	Blobs     Blobs
	Waits     Waits
	// Fresh returns nil while enough witnesses have cosigned the ledger lately;
	// otherwise nothing is forwarded, and its error says why. It is asked for every
	// statement. Nil where no witnesses are demanded.
	Fresh func(now time.Time) error
	// Privacy holds the keys that blind the keys of patients; nil when no resource
	// names any.
	Privacy *disclosure.Keyring
	Now     func() time.Time
	Rand    io.Reader
	Logger  *slog.Logger
}

// Blobs stores sealed payloads that are too large for a leaf.
type Blobs interface {
	// Put stores data under its hex SHA-256 and returns when it is durable.
	Put(ctx context.Context, digest string, data []byte) error
}

// Engine opens sessions and knows the live ones. Its methods are safe for
// concurrent use.
type Engine struct {
	deps Deps

	mu     sync.Mutex
	live   map[sallyport.SessionID]*Session // guarded by mu
	counts map[sallyport.ResourceID]int     // guarded by mu
	closed bool                             // guarded by mu
	wg     sync.WaitGroup                   // one per live session
}

// New returns an engine.
func New(d Deps) *Engine {
	return &Engine{deps: d, live: map[sallyport.SessionID]*Session{}, counts: map[sallyport.ResourceID]int{}}
}

// Live returns the number of open sessions.
func (e *Engine) Live() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.live)
}

// Alive reports whether a session is open.
func (e *Engine) Alive(id sallyport.SessionID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.live[id] != nil
}

// End ends the live session with the given id, for the reason that its client
// is told. It returns NotFound when there is none.
func (e *Engine) End(id sallyport.SessionID, reason error) error {
	e.mu.Lock()
	s := e.live[id]
	e.mu.Unlock()
	if s == nil {
		return sallyport.E(sallyport.NotFound, "session end", "there is no live session "+string(id))
	}
	s.cancel(reason)
	return nil
}

// Shutdown refuses new sessions, ends the live ones and waits for them until
// ctx ends.
func (e *Engine) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	for _, s := range e.live {
		s.cancel(sallyport.E(sallyport.Unavailable, "shutdown", "the gateway is shutting down").
			WithHint("connect again in a moment"))
	}
	e.mu.Unlock()
	done := make(chan struct{})
	go func() { e.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enter counts a session in, or refuses it.
func (e *Engine) enter(s *Session) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return sallyport.E(sallyport.Unavailable, "session open", "the gateway is shutting down").
			WithHint("connect again in a moment")
	}
	r := s.resource
	if r.MaxSessions > 0 && e.counts[r.ID] >= r.MaxSessions {
		return sallyport.E(sallyport.Exhausted, "session open", "too many sessions on this resource").
			WithHint("close idle sessions, or ask for a higher limits.sessions of the resource")
	}
	e.counts[r.ID]++
	e.live[s.id] = s
	e.wg.Add(1)
	return nil
}

// leave counts a session out.
func (e *Engine) leave(s *Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.live[s.id]; !ok {
		return
	}
	delete(e.live, s.id)
	e.counts[s.resource.ID]--
	e.wg.Done()
}

// binding is the digest of everything that an approval of a held statement is
// good for.
func binding(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		for i, l := 0, uint64(len(p)); i < 8; i++ {
			n[i] = byte(l >> (8 * i))
		}
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// equal compares two bindings in constant time.
func equal(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }
