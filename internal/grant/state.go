// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package grant

import (
	"crypto/subtle"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Overdue reports whether the request's time is up although its state does not
// say so yet.
func (r Request) Overdue(now time.Time) bool {
	live := r.State == Open || r.State == Approved && r.Kind == ForHold
	return live && !now.Before(r.Expires)
}

// Overdue reports whether the grant's window has ended although its state does
// not say so yet.
func (g Grant) Overdue(now time.Time) bool {
	return g.State == Active && !now.Before(g.NotAfter)
}

// Decide is the transition open -> approved or denied. Who may decide is
// checked by [Service.Decide]. Errors: Conflict when it was decided or ended
// before, Denied when its time is up.
func (r Request) Decide(now time.Time, approve bool, d Decision) (Request, error) {
	const op = "decide"
	if r.State != Open {
		return Request{}, r.closed(op)
	}
	if r.Overdue(now) {
		return Request{}, r.late(op)
	}
	r.State, r.Decision = Denied, d
	if approve {
		r.State = Approved
	}
	r.DecidedAt, r.Changed = now, now
	return r, nil
}

// Withdraw is the transition to withdrawn, from open and, for a hold, from
// approved and not used. Conflict otherwise.
func (r Request) Withdraw(now time.Time) (Request, error) {
	if r.State != Open && (r.State != Approved || r.Kind != ForHold) {
		return Request{}, r.closed("withdraw")
	}
	r.State, r.Changed = Withdrawn, now
	return r, nil
}

// Expire is the transition to expired of a request whose time is up. Conflict
// otherwise.
func (r Request) Expire(now time.Time) (Request, error) {
	if !r.Overdue(now) {
		return Request{}, r.closed("expire")
	}
	r.State, r.Changed = Expired, now
	return r, nil
}

// Use is the transition approved -> used of a hold, by the statement with the
// given binding and by no other. Errors: Held while nobody has decided,
// Conflict when it was used or ended, Denied when its time is up, it was
// denied, or the binding is another.
func (r Request) Use(now time.Time, binding string) (Request, error) {
	const op = "use approval"
	switch {
	case r.Kind != ForHold || r.Hold == nil:
		return Request{}, sallyport.E(sallyport.Invalid, op, "request "+string(r.ID)+" holds no statement")
	case r.Overdue(now) || r.State == Expired:
		return Request{}, r.late(op)
	case r.State == Open:
		return Request{}, sallyport.E(sallyport.Held, op, "request "+string(r.ID)+" waits for approval by "+r.Approvers).
			WithHint("an approver runs: sallyport request approve " + string(r.ID) + " --reason \"...\"")
	case r.State == Denied:
		return Request{}, sallyport.E(sallyport.Denied, op, "request "+string(r.ID)+" was denied: "+r.Rationale).
			WithHint("see the approver's reason; send the statement again to ask again")
	case r.State != Approved:
		return Request{}, r.closed(op)
	case subtle.ConstantTimeCompare([]byte(binding), []byte(r.Hold.Binding)) != 1:
		return Request{}, sallyport.E(sallyport.Denied, op, "the approval of request "+string(r.ID)+" is for another statement").
			WithHint("the statement, its parameters, its objects or the policy changed since; send it again to ask again")
	}
	r.State, r.Changed = Used, now
	return r, nil
}

// Expire is the transition active -> expired of a grant whose window has ended.
// Conflict otherwise.
func (g Grant) Expire(now time.Time) (Grant, error) {
	if !g.Overdue(now) {
		return Grant{}, g.over("expire")
	}
	g.State, g.Ended = Expired, now
	return g, nil
}

// Revoke is the transition active -> revoked. Conflict when the grant has ended.
func (g Grant) Revoke(now time.Time, by sallyport.PrincipalID, reason string) (Grant, error) {
	if g.State != Active || g.Overdue(now) {
		return Grant{}, g.over("revoke")
	}
	g.State, g.Ended, g.By, g.Reason = Revoked, now, by, reason
	return g, nil
}

// closed is the error for a transition that the request's state does not have.
func (r Request) closed(op string) error {
	msg := "request " + string(r.ID) + " is " + string(r.State)
	if r.Approver != "" {
		msg += " already, by " + string(r.Approver)
	}
	return sallyport.E(sallyport.Conflict, op, msg).
		WithHint("see `sallyport request show " + string(r.ID) + "`; a new request can be made")
}

func (r Request) late(op string) error {
	return sallyport.E(sallyport.Denied, op, "request "+string(r.ID)+" has expired").
		WithHint("ask again: a request that expired can no longer be decided or used")
}

func (g Grant) over(op string) error {
	return sallyport.E(sallyport.Conflict, op, "grant "+string(g.ID)+" is "+string(g.State)+" and its window ends at "+
		g.NotAfter.UTC().Format(time.RFC3339)).
		WithHint("see `sallyport grant list`")
}
