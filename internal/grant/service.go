// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package grant

import (
	"cmp"
	"context"
	"encoding/base32"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// The service's limits.
const (
	// MaxText is the longest reason or rationale, in characters.
	MaxText = 2000
	// minRationale is the fewest characters, blanks aside, that explain anything.
	minRationale = 3
	// MaxOpen is how many open requests one principal may have.
	MaxOpen = 100
	// MaxWindow is the longest grant, whatever a policy says.
	MaxWindow = 30 * 24 * time.Hour
	// requestLife is how long a request for a grant stays open by default.
	requestLife = 24 * time.Hour
	// tick is the pace of the sweep: how late an expiry, or a revocation by
	// another process on the same store, is noticed at most.
	tick = 500 * time.Millisecond
	// patience is how long one transition may take in journal and store together.
	patience = 15 * time.Second
)

// Store keeps requests and grants. Its methods may be called from any number of
// goroutines; a change is durable when they return. The functions handed to
// CreateRequest, UpdateRequest and UpdateGrant run inside the change's
// transaction, while no other change of the same thing can happen, here or in
// another process; they do not call the store. When they fail, their error is
// returned and nothing has changed.
type Store interface {
	// CreateRequest stores r after commit succeeded. While a request with the same
	// non-empty key is open, it returns that one and false instead.
	CreateRequest(ctx context.Context, r Request, commit func() error) (Request, bool, error)
	// UpdateRequest stores what change returns: the request, and a new grant
	// unless it is nil. NotFound for an unknown id.
	UpdateRequest(ctx context.Context, id sallyport.RequestID, change func(Request) (Request, *Grant, error)) (Request, error)
	// UpdateGrant stores what change returns. NotFound for an unknown id.
	UpdateGrant(ctx context.Context, id sallyport.GrantID, change func(Grant) (Grant, error)) (Grant, error)
	// Request returns one request; NotFound for an unknown id.
	Request(ctx context.Context, id sallyport.RequestID) (Request, error)
	// Requests returns the selected requests, newest first.
	Requests(ctx context.Context, f RequestFilter) ([]Request, error)
	// Grant returns one grant; NotFound for an unknown id.
	Grant(ctx context.Context, id sallyport.GrantID) (Grant, error)
	// Grants returns the selected grants, newest first.
	Grants(ctx context.Context, f GrantFilter) ([]Grant, error)
	// Clock remembers the latest instant it was ever given and returns it.
	Clock(ctx context.Context, seen time.Time) (time.Time, error)
}

// Journal puts events on record. Each method returns when its event is durable.
type Journal interface {
	Request(ctx context.Context, e evidence.Request) error
	Decision(ctx context.Context, e evidence.Decision) error
	Grant(ctx context.Context, e evidence.GrantEvent) error
}

// Deps are what a service works with. All but RequestLife are required.
type Deps struct {
	Store   Store
	Journal Journal
	Now     func() time.Time
	Rand    io.Reader
	Logger  *slog.Logger
	// RequestLife is how long a request for a grant stays open; 0 means a day.
	RequestLife time.Duration
}

// Service makes requests, takes decisions and keeps grants. Its methods may be
// called from any number of goroutines.
type Service struct {
	deps  Deps
	clock *clock

	life context.Context // from New to Close: what Watch, which has no context of its own, works under
	stop context.CancelFunc
	done sync.WaitGroup

	mu      sync.Mutex
	watches map[sallyport.GrantID]map[*watch]struct{} // guarded by mu; nil once closed
	waits   map[sallyport.RequestID]*wait             // guarded by mu
	faulty  bool                                      // the last sweep failed; of the sweeping goroutine
}

// New starts a service on what the store holds: whatever ran out while no
// gateway was running is expired first. The service works until ctx ends or
// Close is called.
func New(ctx context.Context, d Deps) (*Service, error) {
	floor, err := d.Store.Clock(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	if behind := floor.Sub(d.Now()); behind > time.Minute {
		d.Logger.Warn("the wall clock stands behind the latest time on record; grants are counted from the latter", "behind", behind)
	}
	s := &Service{
		deps: d, clock: newClock(d.Now, floor),
		watches: map[sallyport.GrantID]map[*watch]struct{}{}, waits: map[sallyport.RequestID]*wait{},
	}
	if err := s.sweep(ctx); err != nil {
		return nil, err
	}
	s.life, s.stop = context.WithCancel(ctx)
	s.done.Go(s.run)
	return s, nil
}

// Close ends the service, closes every watch, since nobody would see its grant
// end any more, and waits for its goroutine.
func (s *Service) Close() {
	s.stop()
	s.done.Wait()
}

// RequestSpec says what a request for a grant asks for.
type RequestSpec struct {
	Principal sallyport.Principal
	Resource  sallyport.ResourceID
	Role      sallyport.RoleID
	Approvers string
	Window    time.Duration
	Reason    string // the requester's words
	Rules     []sallyport.RuleID
	Policy    sallyport.PolicyDigest
}

// Request files a request for a grant, or returns the open one that asks for
// the same. Errors: Invalid, Exhausted (see [MaxOpen]), Unavailable.
func (s *Service) Request(ctx context.Context, spec RequestSpec) (Request, error) {
	const op = "request grant"
	if spec.Principal.ID == "" || spec.Resource == "" || spec.Role == "" {
		return Request{}, sallyport.E(sallyport.Invalid, op, "a request names a principal, a resource and a role")
	}
	if spec.Window <= 0 || spec.Window > MaxWindow {
		return Request{}, sallyport.E(sallyport.Invalid, op, "the window of a grant must be more than nothing and at most "+MaxWindow.String()).
			WithHint("ask for a shorter window")
	}
	if err := validText(op, "reason", spec.Reason, 0); err != nil {
		return Request{}, err
	}
	now := s.clock.read()
	return s.file(ctx, op, Request{
		Kind: ForGrant, State: Open, Principal: spec.Principal, Resource: spec.Resource, Role: spec.Role,
		Approvers: spec.Approvers, Reason: spec.Reason, Window: spec.Window, Rules: spec.Rules, Policy: spec.Policy,
		Created: now, Changed: now, Expires: now.Add(cmp.Or(s.deps.RequestLife, requestLife)),
	})
}

// HoldSpec says which statement is held.
type HoldSpec struct {
	Session   sallyport.SessionID
	Stmt      uint64
	Principal sallyport.Principal
	Resource  sallyport.ResourceID
	Role      sallyport.RoleID
	Readable  string
	Digest    string
	Binding   string
	Objects   []string
	Effects   []string
	Rules     []sallyport.RuleID
	Policy    sallyport.PolicyDigest
	Approvers string
	Expires   time.Time
	Estimate  *sallyport.Estimate
}

// Hold files a request for the release of a held statement. Errors: Invalid,
// Exhausted, Unavailable.
func (s *Service) Hold(ctx context.Context, spec HoldSpec) (Request, error) {
	const op = "hold"
	now := s.clock.read()
	switch {
	case spec.Principal.ID == "" || spec.Resource == "" || spec.Session == "":
		return Request{}, sallyport.E(sallyport.Invalid, op, "a hold names a principal, a resource and a session")
	case spec.Binding == "":
		return Request{}, sallyport.E(sallyport.Invalid, op, "a hold is bound to its statement")
	case !spec.Expires.After(now):
		return Request{}, sallyport.E(sallyport.Denied, op, "the time to decide about the statement is up already").
			WithHint("give holds a longer time in the configuration or in the rule's @expires")
	}
	return s.file(ctx, op, Request{
		Kind: ForHold, State: Open, Principal: spec.Principal, Resource: spec.Resource, Role: spec.Role,
		Approvers: spec.Approvers, Rules: spec.Rules, Policy: spec.Policy,
		Created: now, Changed: now, Expires: spec.Expires.UTC().Truncate(time.Microsecond),
		Hold: &Hold{
			Session: spec.Session, Stmt: spec.Stmt, Readable: spec.Readable, Digest: spec.Digest, Binding: spec.Binding,
			Objects: spec.Objects, Effects: spec.Effects, Estimate: spec.Estimate,
		},
	})
}

// file puts a new request on record and into the store.
func (s *Service) file(ctx context.Context, op string, r Request) (Request, error) {
	if kind, name, ok := strings.Cut(r.Approvers, ":"); !ok || name == "" || kind != "group" && kind != "principal" {
		return Request{}, sallyport.E(sallyport.Invalid, op, "nobody is named who could approve it").
			WithHint(`name the approvers as "group:NAME" or "principal:ID" in the rule`)
	}
	open, err := s.deps.Store.Requests(ctx, RequestFilter{Principal: r.Principal.ID, States: []State{Open}, Limit: MaxOpen + 1})
	if err != nil {
		return Request{}, err
	}
	for _, o := range open {
		if o.Key() != "" && o.Key() == r.Key() && !o.Overdue(r.Created) {
			return o, nil
		}
	}
	if len(open) >= MaxOpen {
		return Request{}, sallyport.E(sallyport.Exhausted, op, fmt.Sprintf("%s has %d open requests already", r.Principal.ID, len(open))).
			WithHint("wait for a decision, or withdraw what is no longer needed")
	}
	id, err := s.newID("req_")
	if err != nil {
		return Request{}, err
	}
	r.ID = sallyport.RequestID(id)
	ctx, cancel := settled(ctx)
	defer cancel()
	for range 2 {
		got, created, err := s.deps.Store.CreateRequest(ctx, r, func() error {
			return journalled(op, s.deps.Journal.Request(ctx, r.event()))
		})
		if err != nil || created || !got.Overdue(r.Created) {
			return got, err
		}
		if err := s.expireRequest(ctx, got.ID); err != nil && sallyport.KindOf(err) != sallyport.Conflict {
			return Request{}, err
		}
	}
	return Request{}, sallyport.E(sallyport.Unavailable, op, "an expired request stands in the way").WithHint("try again")
}

// Withdraw ends a request that nobody waits for any longer. Errors: NotFound,
// Conflict, Unavailable.
func (s *Service) Withdraw(ctx context.Context, id sallyport.RequestID, reason string) error {
	const op = "withdraw"
	if err := validText(op, "reason", reason, 0); err != nil {
		return err
	}
	_, err := s.changeRequest(ctx, id, func(ctx context.Context, r Request) (Request, *Grant, error) {
		next, err := r.Withdraw(s.clock.read())
		if err != nil {
			return Request{}, nil, err
		}
		e := next.event()
		e.Reason = reason // the event tells why it ended; the request keeps why it was made
		return next, nil, journalled(op, s.deps.Journal.Request(ctx, e))
	})
	return err
}

// Use takes the approval of a held statement, once, for the statement with the
// given binding. Errors: see [Request.Use]; NotFound, Unavailable.
func (s *Service) Use(ctx context.Context, id sallyport.RequestID, binding string) (sallyport.Approval, error) {
	r, err := s.changeRequest(ctx, id, func(ctx context.Context, r Request) (Request, *Grant, error) {
		next, err := r.Use(s.clock.read(), binding)
		if err != nil {
			return Request{}, nil, err
		}
		return next, nil, journalled("use approval", s.deps.Journal.Request(ctx, next.event()))
	})
	if err != nil {
		return sallyport.Approval{}, err
	}
	return r.Approval(), nil
}

// Lookup returns one request; NotFound for an unknown id.
func (s *Service) Lookup(ctx context.Context, id sallyport.RequestID) (Request, error) {
	return s.deps.Store.Request(ctx, id)
}

// List returns the selected requests, newest first.
func (s *Service) List(ctx context.Context, f RequestFilter) ([]Request, error) {
	return s.deps.Store.Requests(ctx, f)
}

// Grant returns one grant; NotFound for an unknown id.
func (s *Service) Grant(ctx context.Context, id sallyport.GrantID) (Grant, error) {
	return s.deps.Store.Grant(ctx, id)
}

// Grants returns the selected grants, newest first.
func (s *Service) Grants(ctx context.Context, f GrantFilter) ([]Grant, error) {
	return s.deps.Store.Grants(ctx, f)
}

// changeRequest makes one transition and wakes who waits for it.
func (s *Service) changeRequest(ctx context.Context, id sallyport.RequestID,
	change func(context.Context, Request) (Request, *Grant, error),
) (Request, error) {
	ctx, cancel := settled(ctx)
	defer cancel()
	r, err := s.deps.Store.UpdateRequest(ctx, id, func(r Request) (Request, *Grant, error) { return change(ctx, r) })
	if err != nil {
		return Request{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w, ok := s.waits[id]; ok {
		close(w.changed)
		delete(s.waits, id)
	}
	return r, nil
}

func (s *Service) expireRequest(ctx context.Context, id sallyport.RequestID) error {
	_, err := s.changeRequest(ctx, id, func(ctx context.Context, r Request) (Request, *Grant, error) {
		next, err := r.Expire(s.clock.read())
		if err != nil {
			return Request{}, nil, err
		}
		return next, nil, journalled("expire request", s.deps.Journal.Request(ctx, next.event()))
	})
	return err
}

// settled returns a context for one transition. The caller going away must not
// cut it between the journal and the store.
func settled(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), patience)
}

// journalled wraps the journal's error: what is not on record does not happen.
func journalled(op string, err error) error {
	if err == nil {
		return nil
	}
	return sallyport.E(sallyport.Unavailable, op, "it cannot be put on record, so it did not happen").
		WithHint("the operator must look at the gateway's ledger").Because(err)
}

// newID returns prefix and 96 random bits in lower-case base32.
func (s *Service) newID(prefix string) (string, error) {
	var b [12]byte
	if _, err := io.ReadFull(s.deps.Rand, b[:]); err != nil {
		return "", sallyport.E(sallyport.Internal, "make id", "no randomness for an id").Because(err)
	}
	return prefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:])), nil
}

// validText checks a reason or a rationale, which ends up in records and on
// terminals. The error does not repeat it.
func validText(op, what, text string, least int) error {
	n := 0
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r) {
			return sallyport.E(sallyport.Invalid, op, "the "+what+" holds characters that do not print").WithHint("write plain text")
		}
		if !unicode.IsSpace(r) {
			n++
		}
	}
	if n < least {
		return sallyport.E(sallyport.Invalid, op, "a "+what+" is required").
			WithHint(fmt.Sprintf("say why in at least %d characters: --reason \"...\"", least))
	}
	if utf8.RuneCountInString(text) > MaxText {
		return sallyport.E(sallyport.Invalid, op, fmt.Sprintf("the %s is longer than %d characters", what, MaxText)).WithHint("shorten it")
	}
	return nil
}
