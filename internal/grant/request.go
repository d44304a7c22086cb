// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package grant

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// Kind says what a request asks for.
type Kind string

// The kinds of request.
const (
	ForGrant Kind = "grant" // a role on a resource for a window
	ForHold  Kind = "hold"  // the release of one held statement
)

// State is where a request or a grant stands.
type State string

// The states. The first six are of requests, the last three and Expired of
// grants.
const (
	Open      State = "open"
	Approved  State = "approved"
	Denied    State = "denied"
	Withdrawn State = "withdrawn"
	Used      State = "used" // a hold's approval that released its statement
	Expired   State = "expired"
	Active    State = "active"
	Revoked   State = "revoked"
)

// Request waits, or waited, for a human's decision.
type Request struct {
	ID        sallyport.RequestID    `json:"id"`
	Kind      Kind                   `json:"kind"`
	State     State                  `json:"state"`
	Principal sallyport.Principal    `json:"principal"` // who asks, as authenticated then
	Resource  sallyport.ResourceID   `json:"resource"`
	Role      sallyport.RoleID       `json:"role"`
	Approvers string                 `json:"approvers"` // "group:NAME" or "principal:ID"
	Reason    string                 `json:"reason,omitempty"`
	Window    time.Duration          `json:"window,omitempty"` // of the grant asked for, in nanoseconds
	Rules     []sallyport.RuleID     `json:"rules,omitempty"`
	Policy    sallyport.PolicyDigest `json:"policy"`
	Created   time.Time              `json:"created"`
	Expires   time.Time              `json:"expires"` // a hold's approval ends then as well
	Changed   time.Time              `json:"changed"` // when it came into its state
	Hold      *Hold                  `json:"hold,omitempty"`
	Grant     sallyport.GrantID      `json:"grant,omitempty"` // what an approval of ForGrant made
	Decision
}

// Hold is what a request of kind [ForHold] would release.
type Hold struct {
	Session  sallyport.SessionID `json:"session"`
	Stmt     uint64              `json:"stmt"`
	Readable string              `json:"readable"` // literals masked
	Digest   string              `json:"digest"`   // keyed digest of the exact text
	Binding  string              `json:"binding"`  // digest of everything an approval is good for
	Objects  []string            `json:"objects,omitempty"`
	Effects  []string            `json:"effects,omitempty"`
	// Estimate is what the target says that the statement would do; nil where it is not
	// asked.
	Estimate *sallyport.Estimate `json:"estimate,omitempty"`
}

// Decision is what a human decided about a request. It is zero before.
type Decision struct {
	Approver  sallyport.PrincipalID    `json:"approver,omitempty"`
	Groups    []string                 `json:"approver_groups,omitempty"`
	Subject   sallyport.Subject        `json:"approver_subject,omitzero"`
	Authn     sallyport.Authentication `json:"approver_authn,omitzero"`
	Rationale string                   `json:"rationale,omitempty"`
	DecidedAt time.Time                `json:"decided_at,omitzero"`
}

// Grant is a grant with what became of it.
type Grant struct {
	sallyport.Grant
	State  State                 `json:"state"`
	Ended  time.Time             `json:"ended,omitzero"`
	By     sallyport.PrincipalID `json:"by,omitempty"` // who revoked it
	Reason string                `json:"reason,omitempty"`
}

// Key is equal for requests that ask for the same: while one is open, no second
// one with its key is made. It is empty for holds, each of which is about a
// statement of its own. The reason is not part of it, since a client that
// connects again and again gives another each time.
func (r Request) Key() string {
	if r.Kind != ForGrant {
		return ""
	}
	h := sha256.New()
	for _, s := range []string{
		string(r.Principal.ID), r.Principal.Subject.Issuer, r.Principal.Subject.ID,
		string(r.Resource), string(r.Role), r.Approvers, r.Window.String(), string(r.Policy),
	} {
		sum := sha256.Sum256([]byte(s)) // a fixed size each, so that no two lists run together
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Approval returns the approval in the form that policy and ledger take.
func (r Request) Approval() sallyport.Approval {
	a := sallyport.Approval{Request: r.ID, Approver: r.Approver, Authn: r.Authn, Rationale: r.Rationale, At: r.DecidedAt}
	if r.Hold != nil {
		a.Binding = r.Hold.Binding
	}
	return a
}

// event renders a request for the journal.
func (r Request) event() evidence.Request {
	e := evidence.Request{
		ID: r.ID, Kind: string(r.Kind), State: string(r.State), Principal: r.Principal.ID, Resource: r.Resource, Role: r.Role,
		Reason: r.Reason, Approvers: r.Approvers, WindowMS: r.Window.Milliseconds(), Expires: r.Expires,
		Rules: r.Rules, Policy: r.Policy,
	}
	if h := r.Hold; h != nil {
		e.Session, e.Stmt, e.Readable, e.Digest, e.Binding = h.Session, h.Stmt, h.Readable, h.Digest, h.Binding
		e.Objects, e.Effects, e.Estimate = h.Objects, h.Effects, h.Estimate
	}
	return e
}

// decision renders a decided request's decision for the journal.
func (r Request) decision() evidence.Decision {
	return evidence.Decision{
		Request: r.ID, Kind: string(r.Kind), Decision: string(r.State), Approver: r.Approver, Groups: r.Groups,
		Authn: r.Authn, Subject: r.Subject, Rationale: r.Rationale, Binding: r.Approval().Binding,
	}
}

func (g Grant) event() evidence.GrantEvent {
	return evidence.GrantEvent{State: string(g.State), Grant: g.Grant, By: g.By, Reason: g.Reason}
}

// RequestFilter selects requests; empty fields select all. Results come newest
// first.
type RequestFilter struct {
	Kind      Kind
	States    []State
	Principal sallyport.PrincipalID
	Resource  sallyport.ResourceID
	Session   sallyport.SessionID // of a hold
	Approvers []string            // any of these, as in Request.Approvers
	Due       time.Time           // only those that expire at or before this instant
	Before    sallyport.RequestID // only those older than this one: the last of the page before
	Limit     int                 // 0 is no limit
}

// GrantFilter selects grants; empty fields select all. Results come newest
// first.
type GrantFilter struct {
	States    []State
	Principal sallyport.PrincipalID
	Resource  sallyport.ResourceID
	Role      sallyport.RoleID
	Due       time.Time         // only those whose window ends at or before this instant
	Before    sallyport.GrantID // only those older than this one
	Limit     int               // 0 is no limit
}

// origin is every identity that stands behind a principal: the subjects of the
// chain of delegation and the tokens of the chain of logins.
type origin struct {
	subjects []sallyport.Subject
	tokens   []string
}

func originOf(p sallyport.Principal) origin {
	var o origin
	for _, s := range append([]sallyport.Subject{p.Subject}, p.Delegation...) {
		if s != (sallyport.Subject{}) {
			o.subjects = append(o.subjects, s)
		}
	}
	for a := &p.Authn; a != nil; a = a.Via {
		if a.TokenID != "" {
			o.tokens = append(o.tokens, a.TokenID)
		}
	}
	return o
}

// sameOrigin reports whether any one identity stands behind both principals:
// the same name, the same subject anywhere in either chain of delegation, or
// one and the same login.
func sameOrigin(a, b sallyport.Principal) bool {
	if a.ID == b.ID {
		return true
	}
	x, y := originOf(a), originOf(b)
	return slices.ContainsFunc(x.subjects, func(s sallyport.Subject) bool { return slices.Contains(y.subjects, s) }) ||
		slices.ContainsFunc(x.tokens, func(t string) bool { return slices.Contains(y.tokens, t) })
}
