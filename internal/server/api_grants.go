// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"net/http"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/grant"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// grantDoc is a grant and what became of it.
type grantDoc struct {
	ID        sallyport.GrantID      `json:"id"`
	State     grant.State            `json:"state"` // "active", "expired" or "revoked"
	Principal sallyport.PrincipalID  `json:"principal"`
	Resource  sallyport.ResourceID   `json:"resource"`
	Role      sallyport.RoleID       `json:"role"`
	Request   sallyport.RequestID    `json:"request"`
	NotBefore time.Time              `json:"not_before"`
	NotAfter  time.Time              `json:"not_after"`
	Policy    sallyport.PolicyDigest `json:"policy"`
	Ended     time.Time              `json:"ended,omitzero"`
	By        sallyport.PrincipalID  `json:"by,omitempty"` // who revoked it
	Reason    string                 `json:"reason,omitempty"`
}

func grantOf(g grant.Grant) grantDoc {
	return grantDoc{
		ID: g.ID, State: g.State, Principal: g.Principal, Resource: g.Resource, Role: g.Role, Request: g.Request,
		NotBefore: g.NotBefore, NotAfter: g.NotAfter, Policy: g.Policy, Ended: g.Ended, By: g.By, Reason: g.Reason,
	}
}

// listGrants lists the caller's own grants, those of requests that they may
// decide, and all for auditors and administrators; newest first.
func (a *api) listGrants(ctx context.Context, r *http.Request, c caller) (any, error) {
	q, err := query(r, "state", "limit", "before")
	if err != nil {
		return nil, err
	}
	limit, err := number(q, "limit", defaultPage, maxPage)
	if err != nil {
		return nil, err
	}
	f := grant.GrantFilter{Limit: int(limit), Before: sallyport.GrantID(q.Get("before"))}
	switch q.Get("state") {
	case "", "active":
		f.States = []grant.State{grant.Active}
	case "all":
	default:
		return nil, invalid("state is neither active nor all", "")
	}
	if c.viaToken() {
		f.Principal = c.ID
	}
	var out []grantDoc
	for {
		page, err := a.g.grants.Grants(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, g := range page {
			ok, err := a.seesGrant(ctx, c, g)
			if err != nil {
				return nil, err
			}
			if ok && len(out) < int(limit) {
				out = append(out, grantOf(g))
			}
		}
		if len(page) < f.Limit || len(out) == int(limit) {
			break
		}
		f.Before = page[len(page)-1].ID
	}
	return map[string]any{"grants": nonNil(out)}, nil
}

// seesGrant reports whether the caller may look at a grant.
func (a *api) seesGrant(ctx context.Context, c caller, g grant.Grant) (bool, error) {
	if g.Principal == c.ID || c.auditor || c.administrator {
		return true, nil
	}
	return a.approves(ctx, c, g)
}

// approves reports whether the caller is among those who could approve the
// grant.
func (a *api) approves(ctx context.Context, c caller, g grant.Grant) (bool, error) {
	if c.viaToken() {
		return false, nil
	}
	req, err := a.g.grants.Lookup(ctx, g.Request)
	if err != nil {
		return false, err
	}
	return c.names(req.Approvers), nil
}

// revokeGrant ends a grant, the gateway tokens that rest on it, and so the
// sessions under it. Its holder, its approvers and administrators may.
func (a *api) revokeGrant(ctx context.Context, r *http.Request, c caller) (any, error) {
	var in struct {
		Reason string `json:"reason"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if err := c.loggedIn(); err != nil {
		return nil, err
	}
	reason, err := words("reason", in.Reason)
	if err != nil {
		return nil, err
	}
	g, err := a.g.grants.Grant(ctx, sallyport.GrantID(r.PathValue("id")))
	if err != nil && sallyport.KindOf(err) != sallyport.NotFound {
		return nil, err
	}
	if err == nil {
		ok, serr := a.seesGrant(ctx, c, g)
		if serr != nil {
			return nil, serr
		}
		if !ok {
			err = sallyport.E(sallyport.NotFound, "api", "")
		}
	}
	if err != nil {
		return nil, sallyport.E(sallyport.NotFound, "api", "there is no such grant").WithHint("`sallyport grant list` shows those that you may see")
	}
	if err := a.mayRevoke(ctx, c, g); err != nil {
		return nil, err
	}
	if g, err = a.g.grants.Revoke(ctx, g.ID, c.ID, reason); err != nil {
		return nil, err
	}
	// The grant has ended whether or not its tokens can be swept with it: a token
	// lets nobody in without the grant.
	_, err = a.g.tokens.Revoke(context.WithoutCancel(ctx), identity.TokenFilter{Grant: g.ID}, c.ID)
	return grantOf(g), err
}

func (a *api) mayRevoke(ctx context.Context, c caller, g grant.Grant) error {
	if c.administrator || g.Principal == c.ID {
		return nil
	}
	ok, err := a.approves(ctx, c, g)
	if err == nil && !ok {
		err = sallyport.E(sallyport.Denied, "api", "this grant is not yours to revoke").
			WithHint("its holder, its approvers and the administrators may")
	}
	return err
}
