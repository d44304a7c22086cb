// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/grant"
)

const (
	defaultPage = 100
	maxPage     = 1000
	// maxWait is the longest that a request for a request's state waits for a
	// change.
	maxWait = time.Minute
)

// request is a request for a grant or for the release of a held statement.
type request struct {
	ID        sallyport.RequestID     `json:"id"`
	Kind      grant.Kind              `json:"kind"`  // "grant" or "hold"
	State     grant.State             `json:"state"` // "open", "approved", "denied", "expired", "withdrawn" or "used"
	Principal sallyport.PrincipalID   `json:"principal"`
	Type      sallyport.PrincipalKind `json:"principal_kind"`
	Resource  sallyport.ResourceID    `json:"resource"`
	Role      sallyport.RoleID        `json:"role"`
	Approvers string                  `json:"approvers"`
	Reason    string                  `json:"reason,omitempty"`
	WindowMS  int64                   `json:"window_ms,omitempty"`
	Rules     []sallyport.RuleID      `json:"rules"`
	Policy    sallyport.PolicyDigest  `json:"policy"`
	Created   time.Time               `json:"created"`
	Expires   time.Time               `json:"expires"`
	Changed   time.Time               `json:"changed"`
	Decision  *decision               `json:"decision,omitempty"`
	Hold      *hold                   `json:"hold,omitempty"`
	Grant     *grantWindow            `json:"grant,omitempty"`
	MayDecide bool                    `json:"may_decide"` // the caller is among the approvers, and it is open
}

type decision struct {
	Approver  sallyport.PrincipalID `json:"approver"`
	Decision  string                `json:"decision"` // "approved" or "denied"
	Rationale string                `json:"rationale"`
	At        time.Time             `json:"at"`
}

type hold struct {
	Session  sallyport.SessionID `json:"session"`
	Stmt     uint64              `json:"stmt"`
	Readable string              `json:"readable"`
	Objects  []string            `json:"objects"`
	Effects  []string            `json:"effects"`
	Rules    []sallyport.RuleID  `json:"rules"`
	Estimate *sallyport.Estimate `json:"estimate,omitempty"`
}

type grantWindow struct {
	ID        sallyport.GrantID `json:"id"`
	NotBefore time.Time         `json:"not_before"`
	NotAfter  time.Time         `json:"not_after"`
}

func windowOf(g sallyport.Grant) *grantWindow { return &grantWindow{g.ID, g.NotBefore, g.NotAfter} }

// render makes a request's answer for a caller.
func (a *api) render(ctx context.Context, c caller, r grant.Request) (request, error) {
	out := request{
		ID: r.ID, Kind: r.Kind, State: r.State, Principal: r.Principal.ID, Type: r.Principal.Kind, Resource: r.Resource, Role: r.Role,
		Approvers: r.Approvers, Reason: r.Reason, WindowMS: r.Window.Milliseconds(), Rules: nonNil(r.Rules), Policy: r.Policy,
		Created: r.Created, Expires: r.Expires, Changed: r.Changed, MayDecide: r.State == grant.Open && c.names(r.Approvers) && c.ID != r.Principal.ID,
	}
	if !r.DecidedAt.IsZero() {
		out.Decision = &decision{Approver: r.Approver, Decision: string(grant.Approved), Rationale: r.Rationale, At: r.DecidedAt}
		if r.State == grant.Denied {
			out.Decision.Decision = string(grant.Denied)
		}
	}
	if h := r.Hold; h != nil {
		out.Hold = &hold{h.Session, h.Stmt, h.Readable, nonNil(h.Objects), nonNil(h.Effects), nonNil(r.Rules), h.Estimate}
	}
	if r.Grant != "" {
		g, err := a.g.grants.Grant(ctx, r.Grant)
		if err != nil {
			return request{}, err
		}
		out.Grant = windowOf(g.Grant)
	}
	return out, nil
}

// sees reports whether the caller may look at a request: their own, one that
// they may decide, and all for auditors and administrators.
func (c caller) sees(r grant.Request) bool {
	return r.Principal.ID == c.ID || c.auditor || c.administrator || c.names(r.Approvers)
}

// fileRequest asks for a grant. Where one is active, or none is needed, the
// state is "granted" and there is no request.
func (a *api) fileRequest(ctx context.Context, r *http.Request, c caller) (any, error) {
	var in struct {
		Resource sallyport.ResourceID `json:"resource"`
		Role     sallyport.RoleID     `json:"role"`
		Window   string               `json:"window"`
		Reason   string               `json:"reason"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	reason, err := words("reason", in.Reason)
	if err != nil {
		return nil, err
	}
	window := a.g.cfg.Requests.Window
	if in.Window != "" {
		if window, err = time.ParseDuration(in.Window); err != nil || window <= 0 {
			return nil, invalid("the window is not a length of time", "write it with a unit: 30m")
		}
	}
	if err := c.loggedIn(); err != nil {
		return nil, err
	}
	v, g, err := a.g.engine.Connectable(ctx, c.Principal, in.Resource, in.Role)
	if err != nil {
		return nil, err
	}
	switch v.Outcome {
	case sallyport.Hold:
		req, err := a.g.engine.FileRequest(ctx, c.Principal, in.Resource, in.Role, window, reason, v)
		if err != nil {
			return nil, err
		}
		return a.render(ctx, c, req)
	case sallyport.Allow:
		granted := struct {
			State     string                `json:"state"` // "granted"
			Principal sallyport.PrincipalID `json:"principal"`
			Resource  sallyport.ResourceID  `json:"resource"`
			Role      sallyport.RoleID      `json:"role"`
			Grant     *grantWindow          `json:"grant,omitempty"`
		}{State: "granted", Principal: c.ID, Resource: in.Resource, Role: in.Role}
		if g != nil {
			granted.Grant = windowOf(*g)
		}
		return granted, nil
	}
	return nil, sallyport.E(sallyport.Denied, "request", v.Reason).WithHint("no approval can lift this; ask the owner of the policy")
}

// listRequests lists what the caller may see, newest first.
func (a *api) listRequests(ctx context.Context, r *http.Request, c caller) (any, error) {
	q, err := query(r, "state", "limit", "before")
	if err != nil {
		return nil, err
	}
	limit, err := number(q, "limit", defaultPage, maxPage)
	if err != nil {
		return nil, err
	}
	f := grant.RequestFilter{Limit: int(limit), Before: sallyport.RequestID(q.Get("before"))}
	switch q.Get("state") {
	case "", "open":
		f.States = []grant.State{grant.Open}
	case "all":
	default:
		return nil, invalid("state is neither open nor all", "")
	}
	found, err := a.visible(ctx, c, f)
	if err != nil {
		return nil, err
	}
	out := make([]request, len(found))
	for i, req := range found {
		if out[i], err = a.render(ctx, c, req); err != nil {
			return nil, err
		}
	}
	return map[string]any{"requests": out}, nil
}

// visible returns the requests that the caller may see, newest first, at most
// f.Limit.
func (a *api) visible(ctx context.Context, c caller, f grant.RequestFilter) ([]grant.Request, error) {
	if c.auditor || c.administrator {
		return a.g.grants.List(ctx, f)
	}
	own, theirs := f, f
	own.Principal = c.ID
	found, err := a.g.grants.List(ctx, own)
	if err != nil || c.viaToken() {
		return found, err
	}
	theirs.Approvers = []string{"principal:" + string(c.ID)}
	for _, g := range c.Groups {
		theirs.Approvers = append(theirs.Approvers, "group:"+g)
	}
	more, err := a.g.grants.List(ctx, theirs)
	if err != nil {
		return nil, err
	}
	for _, req := range more {
		if req.Principal.ID != c.ID {
			found = append(found, req)
		}
	}
	slices.SortFunc(found, func(x, y grant.Request) int {
		return cmp.Or(y.Created.Compare(x.Created), cmp.Compare(y.ID, x.ID))
	})
	return found[:min(len(found), f.Limit)], nil
}

// lookup returns a request that the caller may see. One that they may not see
// is not told from one that there is not.
func (a *api) lookup(ctx context.Context, r *http.Request, c caller) (grant.Request, error) {
	req, err := a.g.grants.Lookup(ctx, sallyport.RequestID(r.PathValue("id")))
	if err == nil && c.sees(req) {
		return req, nil
	}
	if err == nil || sallyport.KindOf(err) == sallyport.NotFound {
		err = sallyport.E(sallyport.NotFound, "api", "there is no such request").WithHint("`sallyport request list` shows those that you may see")
	}
	return grant.Request{}, err
}

// showRequest shows one request; with wait, it first waits so long for a
// decision.
func (a *api) showRequest(ctx context.Context, r *http.Request, c caller) (any, error) {
	q, err := query(r, "wait")
	if err != nil {
		return nil, err
	}
	req, err := a.lookup(ctx, r, c)
	if err != nil {
		return nil, err
	}
	if q.Has("wait") {
		wait, err := time.ParseDuration(q.Get("wait"))
		if err != nil || wait < 0 || wait > maxWait {
			return nil, invalid("wait is not a length of time up to "+maxWait.String(), "write it with a unit: 30s")
		}
		if req, err = a.await(ctx, req, wait); err != nil {
			return nil, err
		}
	}
	return a.render(ctx, c, req)
}

// await waits for a decision about a request that is open, and returns the
// request as it is then. When very many wait already, it does not.
func (a *api) await(ctx context.Context, req grant.Request, wait time.Duration) (grant.Request, error) {
	if req.State != grant.Open {
		return req, nil
	}
	select {
	case a.waiting <- struct{}{}:
		defer func() { <-a.waiting }()
	default:
		return req, nil
	}
	wctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	now, err := a.g.grants.Wait(wctx, req.ID)
	if err == nil {
		return now, nil
	}
	if sallyport.KindOf(err) == sallyport.Held && ctx.Err() == nil {
		return req, nil
	}
	return req, err
}

func (a *api) approve(ctx context.Context, r *http.Request, c caller) (any, error) {
	return a.decide(ctx, r, c, true)
}

func (a *api) deny(ctx context.Context, r *http.Request, c caller) (any, error) {
	return a.decide(ctx, r, c, false)
}

// decide takes the caller's decision. Who may decide is for the grant service
// to say.
func (a *api) decide(ctx context.Context, r *http.Request, c caller, approve bool) (any, error) {
	var in struct {
		Rationale string `json:"rationale"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if err := c.loggedIn(); err != nil {
		return nil, err
	}
	req, err := a.lookup(ctx, r, c)
	if err != nil {
		return nil, err
	}
	req, err = a.g.grants.Decide(ctx, req.ID, c.Principal, approve, in.Rationale)
	if err != nil {
		return nil, err
	}
	return a.render(ctx, c, req)
}

// withdraw takes back the caller's own request.
func (a *api) withdraw(ctx context.Context, r *http.Request, c caller) (any, error) {
	if err := decode(r, &struct{}{}); err != nil {
		return nil, err
	}
	req, err := a.lookup(ctx, r, c)
	if err != nil {
		return nil, err
	}
	if req.Principal.ID != c.ID {
		return nil, sallyport.E(sallyport.Denied, "api", "only the requester withdraws a request").WithHint("deny it instead, if you may")
	}
	if err := c.loggedIn(); err != nil {
		return nil, err
	}
	if err := a.g.grants.Withdraw(ctx, req.ID, "by its requester"); err != nil {
		return nil, err
	}
	if req, err = a.g.grants.Lookup(ctx, req.ID); err != nil {
		return nil, err
	}
	return a.render(ctx, c, req)
}
