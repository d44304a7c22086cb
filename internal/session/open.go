// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/grant"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/policy"
	"github.com/sallyport-dev/sallyport/internal/record"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

// Ask is what a caller presents to open a session.
type Ask struct {
	// Protocols are those that the caller's connector speaks; the resource must
	// have one of them.
	Protocols []string
	Token     string // an issuer's JWT or a gateway token; never kept
	// Proved takes the place of Token for who proved a key that stands for one.
	Proved identity.Proved
	// Resource and Role are what is asked for. Where both are empty, or the role
	// alone, a gateway token's own count.
	Resource sallyport.ResourceID
	Role     sallyport.RoleID
	Client   string // address and application, for the record
	TLS      string // version and cipher of the client's leg
	// Notify tells the client, in its protocol's own form, that it is waiting and
	// for what. May be nil.
	Notify func(message, hint string)
}

// Session is one authenticated stretch of traffic. Its methods are safe for
// concurrent use; statements are numbered in the order of [Session.Intend].
type Session struct {
	engine    *Engine
	id        sallyport.SessionID
	resource  Resource
	principal sallyport.Principal
	role      sallyport.RoleID
	grant     *sallyport.Grant
	verdict   sallyport.Verdict // of the connect
	ask       Ask

	ctx    context.Context // ends with the session; its cause says why
	cancel context.CancelCauseFunc
	stops  []func()

	textKey *vault.DataKey
	keys    []evidence.WrappedKey
	rec     *record.Recording
	opened  time.Time

	touched atomic.Int64 // when the last statement came, in nanoseconds since opened
	watcher sync.WaitGroup

	mu      sync.Mutex // guards the fields below and the order of leaves
	chain   evidence.Chain
	stmts   uint64
	denials uint64
	begun   bool
	closed  bool
	buf     []byte
}

// ID returns the session's id.
func (s *Session) ID() sallyport.SessionID { return s.id }

// Principal returns who the session belongs to.
func (s *Session) Principal() sallyport.Principal { return s.principal }

// Role returns the role under which it runs.
func (s *Session) Role() sallyport.RoleID { return s.role }

// Resource returns the target's configuration.
func (s *Session) Resource() Resource { return s.resource }

// Context ends when the session must end; context.Cause says why, as an error
// whose public message may be shown to the client.
func (s *Session) Context() context.Context { return s.ctx }

// Busy tells the idle clock that a statement is at work: its bytes come or go.
func (s *Session) Busy() { s.touch() }

// Fingerprint returns the keyed digest of b: of what must be told again and must
// not be guessed.
func (s *Session) Fingerprint(b []byte) string { return s.engine.deps.Vault.Fingerprint(b) }

// Open identifies the caller, finds the resource and the role, and asks policy
// whether a session may be opened; where policy wants a grant that nobody has
// given yet, it files a request and waits. The returned session forwards
// nothing until [Session.Begin].
func (e *Engine) Open(ctx context.Context, a Ask) (*Session, error) {
	p, bound, err := e.identify(ctx, a)
	a.Token = ""
	if err != nil {
		return nil, err
	}
	if a.Role == "" && (a.Resource == "" || a.Resource == bound.Resource) {
		a.Resource, a.Role = bound.Resource, bound.Role
	}
	r, ok := e.deps.Directory.Resource(a.Resource)
	if !ok || !slices.Contains(a.Protocols, r.Protocol) {
		return nil, e.refuse(ctx, p, a, sallyport.Verdict{Reason: "there is no such resource"},
			"name a configured resource as the database; `sallyport resource list` shows those you may reach")
	}
	if bound.Resource != "" && (bound.Resource != a.Resource || bound.Role != a.Role) {
		return nil, e.refuse(ctx, p, a, sallyport.Verdict{Reason: "this token is bound to another resource or role"},
			"exchange a workload token for this resource and role")
	}
	if !e.deps.Directory.Eligible(p, a.Resource, a.Role) {
		return nil, e.refuse(ctx, p, a, sallyport.Verdict{Reason: fmt.Sprintf("%s may not hold the role %q on %q", p.ID, a.Role, a.Resource)},
			"give a role that you are a member of as the user name")
	}
	if err := e.stillOpen(ctx, p, a); err != nil {
		return nil, err
	}
	s := &Session{engine: e, resource: r, principal: p, role: a.Role, ask: a, opened: e.deps.Now()}
	token, err := e.token()
	if err != nil {
		return nil, err
	}
	s.id = sallyport.SessionID("s_" + token)
	s.chain = evidence.NewChain(s.id)
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	if err := e.stillOpen(ctx, p, a); err != nil { // the grant may have come late
		return nil, err
	}
	if err := e.enter(s); err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.watch()
	return s, nil
}

// identify turns what the caller presents into a principal.
func (e *Engine) identify(ctx context.Context, a Ask) (sallyport.Principal, identity.Binding, error) {
	if a.Proved.Valid() {
		return e.deps.Identify.Recognise(ctx, a.Proved)
	}
	return e.deps.Identify.Authenticate(ctx, a.Token)
}

// token returns 80 random bits in lower-case base32.
func (e *Engine) token() (string, error) {
	var b [10]byte
	if _, err := io.ReadFull(e.deps.Rand, b[:]); err != nil {
		return "", sallyport.E(sallyport.Internal, "session open", "no randomness for an id").Because(err)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:])), nil
}

// refuse records that a connection was denied and returns the error for the
// client. If the record fails, that error is returned instead.
func (e *Engine) refuse(ctx context.Context, p sallyport.Principal, a Ask, v sallyport.Verdict, hint string) error {
	err := e.deps.Events.Denial(ctx, evidence.Denial{
		Class: "connect", Readable: "connect to " + string(a.Resource) + " as " + string(a.Role) + " by " + string(p.ID),
		Objects: []string{string(a.Resource)}, Rules: v.Rules, Policy: v.Policy, Reason: v.Reason,
	})
	if err != nil {
		return err
	}
	return sallyport.E(sallyport.Denied, "connect", v.Reason).WithHint(hint)
}

// query returns the policy query of this session.
func (s *Session) query(st *sallyport.Statement, ap *sallyport.Approval, inTx bool) policy.Query {
	return policy.Query{
		Principal: s.principal, Roles: []sallyport.RoleID{s.role}, Resource: s.resource.ID,
		Grant: s.grant, Approval: ap, Statement: st, Now: s.engine.deps.Now(), InTransaction: inTx,
	}
}

// connect asks policy for the connection and, where a rule wants a grant, waits
// for one as long as the configuration says.
func (s *Session) connect(ctx context.Context) error {
	d := &s.engine.deps
	if g, ok := d.Grants.Active(ctx, s.principal.ID, s.resource.ID, s.role); ok {
		s.grant = &g
	}
	s.verdict = d.Policy().Connect(s.query(nil, nil, false))
	switch s.verdict.Outcome {
	case sallyport.Allow:
		return nil
	case sallyport.Hold:
		return s.awaitGrant(ctx)
	}
	return s.engine.refuse(ctx, s.principal, s.ask, s.verdict, "ask the owner of the policy for a rule that permits it")
}

func (s *Session) awaitGrant(ctx context.Context) error {
	d := &s.engine.deps
	req, err := s.engine.FileRequest(ctx, s.principal, s.resource.ID, s.role, d.Waits.GrantWindow, "by connecting: "+s.ask.Client, s.verdict)
	if err != nil {
		return err
	}
	msg := fmt.Sprintf("%s has no active grant for %q on %q; request %s waits for approval by %s",
		s.principal.ID, s.role, s.resource.ID, req.ID, req.Approvers)
	hint := fmt.Sprintf("an approver runs: sallyport request approve %s --reason \"...\"", req.ID)
	if d.Waits.Grant > 0 {
		if s.ask.Notify != nil {
			s.ask.Notify(msg, fmt.Sprintf("%s; this connection waits %s for it", hint, d.Waits.Grant))
		}
		wctx, cancel := context.WithTimeout(ctx, d.Waits.Grant)
		req, err = d.Grants.Wait(wctx, req.ID)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		case err != nil:
			return err
		case req.State == grant.Approved:
			return s.granted(ctx)
		case req.State == grant.Denied:
			return s.engine.refuse(ctx, s.principal, s.ask, sallyport.Verdict{
				Rules: s.verdict.Rules, Policy: s.verdict.Policy,
				Reason: fmt.Sprintf("request %s was denied: %s", req.ID, req.Rationale),
			}, "see the approver's reason, then ask again with `sallyport request`")
		}
	}
	return sallyport.E(sallyport.Held, "connect", msg).WithHint(hint + ", then connect again")
}

// granted asks policy once more with the grant that now exists.
func (s *Session) granted(ctx context.Context) error {
	d := &s.engine.deps
	g, ok := d.Grants.Active(ctx, s.principal.ID, s.resource.ID, s.role)
	if !ok {
		return sallyport.E(sallyport.Denied, "connect", "the grant ended before the connection could use it").
			WithHint("ask for a new one with `sallyport request`")
	}
	s.grant = &g
	s.verdict = d.Policy().Connect(s.query(nil, nil, false))
	if s.verdict.Outcome != sallyport.Allow {
		return s.engine.refuse(ctx, s.principal, s.ask, s.verdict, "the policy still does not permit it with a grant; ask its owner")
	}
	return nil
}

// FileRequest files a request for a grant that a connect verdict asked for. The
// window is cut to what the rule allows.
func (e *Engine) FileRequest(ctx context.Context, p sallyport.Principal, r sallyport.ResourceID, role sallyport.RoleID,
	window time.Duration, reason string, v sallyport.Verdict,
) (grant.Request, error) {
	if window <= 0 || window > v.Wait {
		window = v.Wait
	}
	return e.deps.Grants.Request(ctx, grant.RequestSpec{
		Principal: p, Resource: r, Role: role, Approvers: v.Approvers,
		Window: window, Reason: reason, Rules: v.Rules, Policy: v.Policy,
	})
}

// Connectable answers for a principal whether it could connect now, without
// opening anything: the verdict of the connect rules.
func (e *Engine) Connectable(ctx context.Context, p sallyport.Principal, r sallyport.ResourceID, role sallyport.RoleID) (sallyport.Verdict, *sallyport.Grant, error) {
	res, ok := e.deps.Directory.Resource(r)
	if !ok {
		return sallyport.Verdict{}, nil, sallyport.E(sallyport.NotFound, "connect", "there is no such resource").
			WithHint("`sallyport resource list` shows those you may reach")
	}
	if !e.deps.Directory.Eligible(p, r, role) {
		return sallyport.Verdict{}, nil, sallyport.E(sallyport.Denied, "connect", fmt.Sprintf("%s may not hold the role %q on %q", p.ID, role, r)).
			WithHint("name a role that you are a member of")
	}
	s := &Session{engine: e, resource: res, principal: p, role: role}
	if g, ok := e.deps.Grants.Active(ctx, p.ID, r, role); ok {
		s.grant = &g
	}
	return e.deps.Policy().Connect(s.query(nil, nil, false)), s.grant, nil
}

// sinkChunk posts the leaf that commits to a sealed chunk of the recording.
func (s *Session) sinkChunk(_ context.Context, r evidence.Recording) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return postLeaf(s, evidence.TypeRecording, r)
}

// watch ends the session when its grant or token ends, or a limit of the
// resource is reached.
func (s *Session) watch() {
	type end struct {
		c   <-chan struct{}
		err error
	}
	var ends []end
	if s.grant != nil {
		c, stop := s.engine.deps.Grants.Watch(s.grant.ID)
		s.stops = append(s.stops, stop)
		ends = append(ends, end{c, sallyport.E(sallyport.Denied, "session", "the grant "+string(s.grant.ID)+" has ended").
			WithHint("ask for a new one with `sallyport request`, or connect again to file a request")})
	}
	if a := s.principal.Authn; a.Method == identity.MethodGatewayToken {
		c, stop := s.engine.deps.Identify.Watch(a.TokenID)
		s.stops = append(s.stops, stop)
		ends = append(ends, end{c, sallyport.E(sallyport.Denied, "session", "the gateway token of this session has ended").
			WithHint("exchange a new workload token and connect again")})
	}
	for _, x := range ends {
		s.watcher.Go(func() {
			select {
			case <-x.c:
				s.cancel(x.err)
			case <-s.ctx.Done():
			}
		})
	}
	s.watcher.Go(s.clock)
}

// expiry returns how long the session's gateway token has still to live; a login
// with an issuer's own token does not end with it.
func (s *Session) expiry() (time.Duration, bool) {
	a := s.principal.Authn
	if a.Method != identity.MethodGatewayToken || a.Expires.IsZero() {
		return 0, false
	}
	return max(a.Expires.Sub(s.engine.deps.Now()), 0), true
}

// clock enforces the idle and the total limit of the session.
func (s *Session) clock() {
	var idle, total, token <-chan time.Time
	var timer *time.Timer
	if d := s.resource.Idle; d > 0 {
		timer = time.NewTimer(d)
		defer timer.Stop()
		idle = timer.C
	}
	if d := s.resource.MaxSession; d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		total = t.C
	}
	if d, ok := s.expiry(); ok {
		t := time.NewTimer(d)
		defer t.Stop()
		token = t.C
	}
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-idle:
			quiet := s.engine.deps.Now().Sub(s.opened) - time.Duration(s.touched.Load())
			if left := s.resource.Idle - quiet; left > 0 {
				timer.Reset(left)
				continue
			}
			s.cancel(sallyport.E(sallyport.Denied, "session", "the session was idle for too long").WithHint("connect again"))
		case <-token:
			s.cancel(sallyport.E(sallyport.Denied, "session", "the gateway token of this session has expired").
				WithHint("exchange a new workload token and connect again"))
		case <-total:
			s.cancel(sallyport.E(sallyport.Denied, "session", "the session reached its longest duration").WithHint("connect again"))
		}
	}
}

// touch tells the idle clock that a statement came.
func (s *Session) touch() { s.touched.Store(int64(s.engine.deps.Now().Sub(s.opened))) }

// Lease returns the target's credential for the connector to log in with. It is
// never shown to the caller.
func (s *Session) Lease(ctx context.Context) (*vault.Lease, error) {
	ref := s.resource.Credential
	if s.resource.Credentials != nil {
		if ref = s.resource.Credentials[s.role]; ref == "" {
			return nil, sallyport.E(sallyport.Denied, "credential", "the resource has no credential for this role").
				WithHint("ask for another role, or have the operator give this one a credential")
		}
	}
	return s.engine.deps.Vault.Lease(ctx, ref)
}

// Target says how the connector reached the target.
type Target struct {
	Lineage string   // "in-band", "preflight" or "none"
	TLS     string   // version and cipher of the target's leg
	Notes   []string // degradations that apply, in words
}

// Begin records that the session is open. Nothing may be forwarded before it
// returns.
func (s *Session) Begin(ctx context.Context, t Target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	terms, err := s.prepare()
	if err != nil {
		return err
	}
	err = appendLeaf(ctx, s, evidence.TypeSessionOpen, evidence.SessionOpen{
		Principal: s.principal, Resource: s.resource.ID, Protocol: s.resource.Protocol, Role: s.role, Grant: s.grant,
		Rules: s.verdict.Rules, Policy: s.verdict.Policy, Client: s.ask.Client, TLS: s.ask.TLS,
		Lineage: t.Lineage, Upstream: t.TLS, Notes: t.Notes, Keys: s.keys, Patients: s.patients(),
		Class: terms.Class, Expires: terms.Expires,
	})
	s.begun = err == nil
	return err
}

// Close seals the session: its recording, the head of its chain and its count
// of statements. The reason is a sentence without values.
func (s *Session) Close(reason string) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	begun := s.begun
	s.mu.Unlock()
	s.cancel(errClosed)
	for _, stop := range s.stops {
		stop()
	}
	s.watcher.Wait()
	defer s.engine.leave(s)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 10*time.Second)
	defer cancel()
	if s.rec == nil { // its begin was never to be recorded
		return nil
	}
	chunks, digest, err := s.rec.Close(ctx)
	s.textKey.Wipe()
	if !begun {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	closeErr := appendLeaf(ctx, s, evidence.TypeSessionClose, evidence.SessionClose{
		Reason: reason, Statements: s.stmts, Denials: s.denials, Events: s.chain.Seq() + 1, Head: s.chain.Head(),
		Recording: digest, Chunks: chunks,
	})
	return errors.Join(err, closeErr)
}

var errClosed = sallyport.E(sallyport.Unavailable, "session", "the session is closed")

// appendLeaf writes one event of the session's chain and waits until it is
// durable. The caller holds s.mu.
func appendLeaf[B any](ctx context.Context, s *Session, t evidence.Type, body B) error {
	b, err := chained(s, t, body)
	if err != nil {
		return err
	}
	// It is part of the chain now, so it is written even if the caller goes away.
	_, err = s.engine.deps.Events.journal.Append(context.WithoutCancel(ctx), b)
	return s.poisoned(err)
}

// postLeaf writes one event of the session's chain without waiting. The caller
// holds s.mu.
func postLeaf[B any](s *Session, t evidence.Type, body B) error {
	b, err := chained(s, t, body)
	if err != nil {
		return err
	}
	return s.poisoned(s.engine.deps.Events.journal.Post(b))
}

func chained[B any](s *Session, t evidence.Type, body B) ([]byte, error) {
	leaf := leafOf(s.engine.deps.Events, t, body)
	s.chain.Next(&leaf.Session, &leaf.Seq, &leaf.Prev)
	b, err := evidence.Marshal(leaf)
	if err != nil {
		return nil, err
	}
	s.chain.Add(b)
	return b, nil
}

// poisoned ends the session when the ledger no longer takes its events: a
// statement without a record must not run.
func (s *Session) poisoned(err error) error {
	if err != nil {
		s.cancel(sallyport.E(sallyport.Unavailable, "session", "the ledger cannot take a record, so nothing is forwarded").
			WithHint("the operator must look at the gateway's ledger").Because(err))
	}
	return err
}
