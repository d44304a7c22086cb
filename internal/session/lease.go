// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"

	sallyport "github.com/sallyport-dev/sallyport"
)

// ErrUnwitnessed is in the chain of the error of a statement or a session that
// was refused because the witnesses of the ledger have not cosigned it lately.
// The session need not end for it: the same statement passes when they are back.
var ErrUnwitnessed = errors.New("the ledger is not witnessed")

// ruleWitness is the rule that such refusals name on record.
const ruleWitness sallyport.RuleID = "sallyport.witness"

// fresh says whether anything may be forwarded now.
func (e *Engine) fresh() error {
	if e.deps.Fresh == nil {
		return nil
	}
	return e.deps.Fresh(e.deps.Now())
}

// unwitnessed is the error for the client.
func unwitnessed(op string, err error) error {
	msg, hint := sallyport.Public(err)
	return sallyport.E(sallyport.KindOf(err), op, msg).WithHint(hint).Because(ErrUnwitnessed)
}

// Witnessed returns nil while the ledger is witnessed, at the cost of a look at
// the clock; otherwise it records the refusal of the statement that submit
// returns, and returns the error for the client. A connector asks it before
// anything is asked of the target on behalf of a statement, and again before what
// runs later than its intent, such as an Execute of a portal that was bound
// before.
func (s *Session) Witnessed(ctx context.Context, submit func() Command) error {
	err := s.engine.fresh()
	if err == nil {
		return nil
	}
	c := submit()
	return s.refuseUnwitnessed(ctx, &Admission{stmt: c.Statement, text: c.Text, digest: s.engine.deps.Vault.Fingerprint(c.Text)}, err)
}

// still is Witnessed for a statement of which a digest is there.
func (s *Session) still(ctx context.Context, a *Admission) error {
	if err := s.engine.fresh(); err != nil {
		return s.refuseUnwitnessed(ctx, a, err)
	}
	return nil
}

// refuseUnwitnessed records a denial of a's statement for the reason err.
func (s *Session) refuseUnwitnessed(ctx context.Context, a *Admission, err error) error {
	s.touch()
	msg, hint := sallyport.Public(err)
	b := &Admission{
		session: s, stmt: a.stmt, text: a.text, digest: a.digest,
		verdict: sallyport.Verdict{Reason: msg, Rules: []sallyport.RuleID{ruleWitness}, Policy: s.engine.deps.Policy().Digest()},
	}
	if derr := s.denyWith(ctx, b, "", hint); sallyport.KindOf(derr) != sallyport.Denied {
		return derr
	}
	return unwitnessed("statement", err)
}

// stillAll asks still for every intent, so that each refusal is on record.
func (s *Session) stillAll(ctx context.Context, intents []Intent) error {
	if s.engine.fresh() == nil {
		return nil
	}
	var refused error
	for _, in := range intents {
		if in.Admission == nil || in.Admission.session != s {
			return sallyport.E(sallyport.Internal, "intend", "the statement was not admitted")
		}
		if err := s.still(ctx, in.Admission); err != nil {
			refused = err
		}
	}
	return refused
}

// stillOpen is the same for a connection that has no session yet.
func (e *Engine) stillOpen(ctx context.Context, p sallyport.Principal, a Ask) error {
	err := e.fresh()
	if err == nil {
		return nil
	}
	msg, hint := sallyport.Public(err)
	v := sallyport.Verdict{Reason: msg, Rules: []sallyport.RuleID{ruleWitness}, Policy: e.deps.Policy().Digest()}
	if derr := e.refuse(ctx, p, a, v, hint); sallyport.KindOf(derr) != sallyport.Denied {
		return derr
	}
	return unwitnessed("connect", err)
}
