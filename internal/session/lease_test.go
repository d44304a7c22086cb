// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/grant"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// away is what a lease says that has ended.
func away() *sallyport.Error {
	return sallyport.E(sallyport.Unavailable, "witness", "the witnesses are out of reach; nothing was forwarded").WithHint("bring them back")
}

// unwitnessed wants the error of a refusal for that reason.
func unwitnessed(t *testing.T, what string, err error, kind sallyport.Kind) {
	t.Helper()
	msg, hint := sallyport.Public(err)
	if !errors.Is(err, session.ErrUnwitnessed) || sallyport.KindOf(err) != kind || !strings.Contains(msg, "nothing was forwarded") || hint != "bring them back" {
		t.Errorf("%s: %v", what, err)
	}
}

// denials counts the refusals on record for want of witnesses.
func (p *parts) denials(t *testing.T) (statements, connects int) {
	t.Helper()
	leaves, _ := p.leaves(t)
	for _, l := range leaves {
		if l.Type != evidence.TypeDenial {
			continue
		}
		d, err := evidence.Body[evidence.Denial](l)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Rules) != 1 || d.Rules[0] != "sallyport.witness" || !strings.Contains(d.Reason, "out of reach") {
			continue
		}
		if l.Session == "" {
			connects++
		} else {
			statements++
			if d.Digest == "" || d.Sealed == nil || d.Readable == "" {
				t.Errorf("the refused statement is not on record: %+v", d)
			}
		}
	}
	return statements, connects
}

func TestNothingIsForwardedWithoutWitnesses(t *testing.T) {
	t.Parallel()
	p := newParts(t, func(r *session.Resource) { r.BeforeRelease = true })
	s := p.open(t)
	c := statement(sallyport.Read, "public", "patients", "public")
	a, err := s.Admit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Admit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}

	p.stale.Store(away())
	_, err = s.Admit(t.Context(), c)
	unwitnessed(t, "admit", err, sallyport.Unavailable)
	if _, ok := s.Renew(a, false); ok {
		t.Error("an admission is renewed")
	}
	// What was admitted before gets no permit now, one by one on record.
	permits, err := s.Intend(t.Context(), session.Intent{Admission: a}, session.Intent{Admission: b})
	unwitnessed(t, "intend", err, sallyport.Unavailable)
	early, durable, err2 := s.IntendEarly(t.Context(), session.Intent{Admission: a})
	unwitnessed(t, "intend early", err2, sallyport.Unavailable)
	_, err = s.Intend(t.Context(), session.Intent{Admission: s.Analysis(c), Phase: session.Analyse})
	unwitnessed(t, "analyse", err, sallyport.Unavailable)
	if permits != nil || early != nil || durable != nil {
		t.Error("there is a permit")
	}
	unwitnessed(t, "witnessed", s.Witnessed(t.Context(), func() session.Command { return c }), sallyport.Unavailable)
	_, err = p.engine.Open(t.Context(), p.ask(t))
	unwitnessed(t, "open", err, sallyport.Unavailable)
	if statements, connects := p.denials(t); statements != 6 || connects != 1 {
		t.Errorf("on record: %d statements, %d connections", statements, connects)
	}
	if p.engine.Live() != 1 {
		t.Errorf("%d sessions are live", p.engine.Live())
	}

	disputed := sallyport.E(sallyport.Integrity, "witness", "the witness has seen a longer log; out of reach of it nothing was forwarded").WithHint("bring them back")
	p.stale.Store(disputed)
	_, err = s.Admit(t.Context(), c)
	unwitnessed(t, "a disputed ledger", err, sallyport.Integrity)

	p.stale.Store(nil)
	if err := s.Witnessed(t.Context(), func() session.Command { t.Error("asked for the statement"); return c }); err != nil {
		t.Error(err)
	}
	a, ok := s.Renew(a, false)
	if !ok {
		t.Fatal("the witnesses are back, and the admission is not renewed")
	}
	if permits, err := s.Intend(t.Context(), session.Intent{Admission: a}); err != nil || !permits[0].Valid(s) {
		t.Errorf("the witnesses are back: %v", err)
	}
	if err := s.Close("done"); err != nil {
		t.Fatal(err)
	}
	_, raw := p.leaves(t)
	var own [][]byte
	for i := range raw {
		if l, err := evidence.ParseLeaf(raw[i]); err == nil && l.Session == s.ID() {
			own = append(own, raw[i])
		}
	}
	if _, err := evidence.VerifyChain(own); err != nil {
		t.Errorf("the session's chain: %v", err)
	}
}

// TestAnApprovalDoesNotOutliveTheLease has the witnesses go while a human
// decides.
func TestAnApprovalDoesNotOutliveTheLease(t *testing.T) {
	t.Parallel()
	p := newParts(t)
	s := p.open(t)
	c := statement(sallyport.Destroy, "public", "patients", "public")
	c.Notify = func(string, string) {
		open, err := p.grants.List(context.Background(), grant.RequestFilter{Kind: grant.ForHold, States: []grant.State{grant.Open}})
		if err != nil || len(open) != 1 {
			t.Errorf("open holds: %v, %v", open, err)
			return
		}
		p.stale.Store(away())
		if _, err := p.grants.Decide(context.Background(), open[0].ID, p.officer(), true, "as announced"); err != nil {
			t.Error(err)
		}
	}
	_, err := s.Admit(t.Context(), c)
	unwitnessed(t, "after the approval", err, sallyport.Unavailable)
	if statements, _ := p.denials(t); statements != 1 {
		t.Errorf("%d refusals on record", statements)
	}
}
