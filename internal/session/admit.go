// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/grant"
	"github.com/sallyport-dev/sallyport/internal/policy"
)

// freshness is how long a verdict may be used again for the same statement
// before policy is asked anew. It bounds how late a rule about the time of day,
// or a new policy set, takes effect.
const freshness = time.Second

// inlineSealed is the largest ciphertext kept inside a leaf, in bytes. Base64
// makes a third more of it, and the rest of the leaf needs room as well.
const inlineSealed = 16 << 10

// Admission says that policy allows one statement, now. It is made by
// [Session.Admit] only; the zero value is rejected.
type Admission struct {
	session  *Session
	stmt     *sallyport.Statement
	verdict  sallyport.Verdict
	approval *sallyport.Approval // set for a statement that was held; good for one intent
	spent    bool                // an approved admission was used; guarded by session.mu
	set      *policy.Set
	at       time.Time
	inTx     bool
	text     []byte // the exact text
	digest   string
	// told is the Of under which an intent of this admission has named its
	// objects and masks; later ones with the same Of need not. Guarded by
	// session.mu.
	told uint64
}

// Masks returns the outputs that must be masked, in order.
func (a *Admission) Masks() []sallyport.Mask { return a.verdict.Masks }

// Statement returns what was admitted.
func (a *Admission) Statement() *sallyport.Statement { return a.stmt }

// Command is a statement as a connector submits it.
type Command struct {
	Statement *sallyport.Statement
	// Text is the statement exactly as the client sent it. It is sealed to the
	// auditors' keys; the session keeps a reference as long as the admission.
	Text []byte
	// Params are the bound parameters as sent; nil when there are none or they
	// come later. They are part of what an approval is bound to.
	Params []byte
	// Objects are the target's own stable names of the objects concerned, for
	// the binding of an approval, beyond those in Statement.
	Objects       []string
	InTransaction bool
	// Notify tells the client that its statement is held. May be nil.
	Notify func(message, hint string)
	// Estimate asks the target what the statement would do, for whoever decides about
	// it; nil where it cannot be asked. On an error the statement is refused, and not held.
	Estimate func(context.Context) (sallyport.Estimate, error)
	estimate *sallyport.Estimate // what it has said
}

// Admit decides about one statement. A denial is recorded and returned as an
// error of Kind Denied; a held statement waits for a human as long as the
// configuration says and is then decided again with the approval in the
// context. Cancelling ctx withdraws the request.
func (s *Session) Admit(ctx context.Context, c Command) (*Admission, error) {
	s.touch()
	digest := s.engine.deps.Vault.Fingerprint(c.Text)
	if err := s.still(ctx, &Admission{stmt: c.Statement, text: c.Text, digest: digest}); err != nil {
		return nil, err
	}
	a := s.decide(c, nil, digest)
	switch a.verdict.Outcome {
	case sallyport.Allow:
		return a, nil
	case sallyport.Hold:
		return s.hold(ctx, c, a)
	}
	return nil, s.deny(ctx, a, "")
}

// Hopeless reports whether policy denies a statement about an object of a cluster whatever
// labels the object has, so that a connector need not ask the target for them: its answer
// would tell somebody without rights whether there is such an object.
func (s *Session) Hopeless(c Command) bool {
	return s.engine.deps.Policy().Hopeless(s.query(c.Statement, nil, c.InTransaction))
}

// decide asks policy and wraps the answer, whatever it is.
func (s *Session) decide(c Command, ap *sallyport.Approval, digest string) *Admission {
	set := s.engine.deps.Policy()
	return &Admission{
		session: s, stmt: c.Statement, verdict: set.Decide(s.query(c.Statement, ap, c.InTransaction)), approval: ap,
		set: set, at: s.engine.deps.Now(), inTx: c.InTransaction, text: c.Text, digest: digest,
	}
}

// Renew returns an admission for the same statement that is good now: a itself
// while it is fresh, else the answer to asking policy again. It reports false
// when policy no longer simply allows the statement, for an admission that rests
// on an approval, and while the ledger is not witnessed; then [Session.Admit]
// must be asked.
func (s *Session) Renew(a *Admission, inTx bool) (*Admission, bool) {
	s.touch()
	if a.approval != nil || s.engine.fresh() != nil {
		return nil, false
	}
	if a.inTx == inTx && a.set == s.engine.deps.Policy() {
		if age := s.engine.deps.Now().Sub(a.at); age >= 0 && age < freshness {
			return a, true
		}
	}
	b := s.decide(Command{Statement: a.stmt, Text: a.text, InTransaction: inTx}, nil, a.digest)
	return b, b.verdict.Outcome == sallyport.Allow
}

// WithText returns the admission for another text of the same statement, which
// differs in its literals only. The text is kept, not copied.
func (a *Admission) WithText(text []byte) *Admission {
	if bytes.Equal(a.text, text) {
		return a
	}
	b := &Admission{
		session: a.session, stmt: a.stmt, verdict: a.verdict, set: a.set, at: a.at, inTx: a.inTx,
		text: text, digest: a.session.engine.deps.Vault.Fingerprint(text),
	}
	return b
}

// Approved reports whether the admission rests on a human's approval; it is then
// good for one intent.
func (a *Admission) Approved() bool { return a.approval != nil }

// Recheck decides about a statement whose lineage turned out different from what
// was admitted (the target resolved a name otherwise). It never waits: anything
// but Allow is a denial.
func (s *Session) Recheck(ctx context.Context, a *Admission, st *sallyport.Statement) (*Admission, error) {
	b := s.decide(Command{Statement: st, Text: a.text, InTransaction: a.inTx}, a.approval, a.digest)
	if b.verdict.Outcome == sallyport.Allow {
		return b, nil
	}
	return nil, s.deny(ctx, b, "")
}

// Refuse records that a statement cannot pass, for a reason that is not
// policy's (it could not be parsed, it is not handled), and returns the error
// for the client.
func (s *Session) Refuse(ctx context.Context, c Command, reason, hint string) error {
	s.touch()
	a := &Admission{
		session: s, stmt: c.Statement, text: c.Text, digest: s.engine.deps.Vault.Fingerprint(c.Text),
		verdict: sallyport.Verdict{Reason: reason, Policy: s.engine.deps.Policy().Digest(), Rules: []sallyport.RuleID{"sallyport.refused"}},
	}
	return s.denyWith(ctx, a, "", hint)
}

// deny records a denial durably and returns the error for the client.
func (s *Session) deny(ctx context.Context, a *Admission, req sallyport.RequestID) error {
	hint := a.stmt.Hint
	if hint == "" {
		hint = "`sallyport policy explain` says which rule would permit it"
	}
	return s.denyWith(ctx, a, req, hint)
}

func (s *Session) denyWith(ctx context.Context, a *Admission, req sallyport.RequestID, hint string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stmts++
	s.denials++
	sealed, err := s.seal(ctx, s.stmts, a.text)
	if err != nil {
		return err
	}
	v := &a.verdict
	err = appendLeaf(ctx, s, evidence.TypeDenial, evidence.Denial{
		Stmt: s.stmts, Class: a.stmt.Class, Readable: cut(a.stmt.Readable), Digest: a.digest,
		Objects: objects(a.stmt), Effects: effects(a.stmt), Rules: v.Rules, Policy: v.Policy, Reason: v.Reason,
		Request: req, Sealed: sealed,
	})
	if err != nil {
		return err
	}
	return sallyport.E(sallyport.Denied, "statement", v.Reason).WithHint(hint)
}

// hold files a request for the release of a statement and waits for a human.
func (s *Session) hold(ctx context.Context, c Command, a *Admission) (*Admission, error) {
	d := &s.engine.deps
	wait := d.Waits.Hold
	if c.InTransaction {
		wait = d.Waits.HoldInTx
	}
	wait = min(wait, a.verdict.Wait)
	if c.Estimate != nil {
		e, err := c.Estimate(ctx)
		if err != nil {
			reason, hint := sallyport.Public(err)
			a.verdict.Reason = reason
			return nil, s.denyWith(ctx, a, "", hint)
		}
		c.estimate = &e
	}
	bound := s.bindingOf(c, a.digest)
	s.mu.Lock()
	number := s.stmts + 1
	s.mu.Unlock()
	req, err := d.Grants.Hold(ctx, grant.HoldSpec{
		Session: s.id, Stmt: number, Principal: s.principal, Resource: s.resource.ID, Role: s.role,
		Readable: cut(c.Statement.Readable), Digest: a.digest, Binding: bound,
		Objects: objects(c.Statement), Effects: effects(c.Statement), Rules: a.verdict.Rules, Policy: a.verdict.Policy,
		Approvers: a.verdict.Approvers, Expires: d.Now().Add(wait), Estimate: c.estimate,
	})
	if err != nil {
		return nil, err
	}
	if c.Notify != nil {
		c.Notify(fmt.Sprintf("statement held: %s; request %s waits for approval by %s", a.verdict.Reason, req.ID, req.Approvers),
			fmt.Sprintf("an approver runs: sallyport request approve %s --reason \"...\"; it is withdrawn after %s", req.ID, wait))
	}
	wctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	id := req.ID
	req, err = d.Grants.Wait(wctx, id)
	if err != nil {
		return nil, s.unheld(ctx, a, id, wait, err)
	}
	if req.State != grant.Approved {
		a.verdict.Reason = fmt.Sprintf("request %s was %s", req.ID, req.State)
		if req.Rationale != "" {
			a.verdict.Reason += ": " + req.Rationale
		}
		return nil, s.denyWith(ctx, a, req.ID, "see the approver's reason; send the statement again to ask again")
	}
	ap, err := d.Grants.Use(ctx, req.ID, s.bindingOf(c, a.digest))
	if err != nil {
		return nil, err
	}
	if !equal(ap.Binding, bound) {
		return nil, sallyport.E(sallyport.Integrity, "hold", "the approval is for another statement")
	}
	b := s.decide(c, &ap, a.digest)
	if b.verdict.Outcome == sallyport.Allow && b.verdict.Approvers != "" && b.verdict.Approvers != req.Approvers {
		// The rules changed meanwhile: this approval is not the one they ask for.
		b.verdict.Outcome, b.verdict.Reason = sallyport.Deny, "another group must approve it now: "+b.verdict.Approvers
	}
	if b.verdict.Outcome != sallyport.Allow {
		return nil, s.deny(ctx, b, req.ID)
	}
	if err := s.still(ctx, b); err != nil { // a human took their time
		return nil, err
	}
	return b, nil
}

// unheld ends a hold that nobody decided: its time is up, the client cancelled
// or went away, or the session ended.
func (s *Session) unheld(ctx context.Context, a *Admission, id sallyport.RequestID, wait time.Duration, err error) error {
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	reason := "the session ended"
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		reason = fmt.Sprintf("nobody decided within %s", wait)
	case errors.Is(context.Cause(ctx), ErrCancelled):
		reason = "the client cancelled it"
	case ctx.Err() == nil:
		return err
	}
	if werr := s.engine.deps.Grants.Withdraw(clean, id, reason); werr != nil && sallyport.KindOf(werr) != sallyport.Conflict {
		return werr
	}
	a.verdict.Reason = fmt.Sprintf("request %s was withdrawn: %s", id, reason)
	derr := s.denyWith(clean, a, id, "send the statement again when an approver is at hand")
	if errors.Is(context.Cause(ctx), ErrCancelled) {
		return ErrCancelled
	}
	return derr
}

// ErrCancelled is the cause with which a connector cancels the context of
// [Session.Admit] when the client cancels a held statement.
var ErrCancelled error = sallyport.E(sallyport.Denied, "statement", "canceling statement due to user request")

// bindingOf digests everything that an approval of this statement is good for.
func (s *Session) bindingOf(c Command, digest string) string {
	parts := []string{
		string(s.principal.ID), s.principal.Subject.Issuer, s.principal.Subject.ID,
		string(s.resource.ID), string(s.role), string(s.engine.deps.Policy().Digest()), digest,
		s.engine.deps.Vault.Fingerprint(c.Params),
	}
	for _, acc := range c.Statement.Accesses {
		parts = append(parts, acc.Effect.String(), acc.Object.Kind, acc.Object.Name(), acc.Object.Key)
	}
	if e := c.estimate; e != nil {
		parts = append(append(parts, "estimate", e.Kind, strconv.FormatUint(e.Bytes, 10), e.None), e.Tables...)
	}
	return binding(append(parts, c.Objects...)...)
}

// maxReadable bounds the readable text in a leaf, in bytes.
const maxReadable = 8 << 10

func cut(readable string) string {
	if len(readable) <= maxReadable {
		return readable
	}
	return strings.ToValidUTF8(readable[:maxReadable], "") + " ... (cut)"
}

// Bounds of the lists of objects in a leaf, in entries and in bytes.
const (
	maxObjects     = 200
	maxObjectBytes = 8 << 10
)

func objects(st *sallyport.Statement) []string {
	var out []string
	left := maxObjectBytes
	for i, a := range st.Accesses {
		name := a.Effect.String() + " " + a.Object.Kind + " " + a.Object.Name()
		left -= len(name) + 3
		if len(out) == maxObjects || left < 0 {
			return append(out, fmt.Sprintf("(and %d more)", len(st.Accesses)-i))
		}
		out = append(out, name)
	}
	return out
}

func effects(st *sallyport.Statement) []string {
	out := make([]string, len(st.Effects))
	for i, e := range st.Effects {
		out[i] = e.String()
	}
	return out
}
