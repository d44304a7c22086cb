// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package grant

import (
	"context"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Decide takes one human's decision about an open request. An approval of a
// request for a grant makes the grant, whose window begins now.
//
// The approver must be a human, must be named by the request's approvers, and
// must not be the requester under any guise: by name, by subject, anywhere in
// either chain of delegation, or through one and the same login. The rationale
// is required. Errors: Invalid, Denied, NotFound, Conflict (decided already),
// Unavailable.
func (s *Service) Decide(ctx context.Context, id sallyport.RequestID, approver sallyport.Principal, approve bool, rationale string) (Request, error) {
	const op = "decide"
	rationale = strings.TrimSpace(rationale)
	if err := validText(op, "rationale", rationale, minRationale); err != nil {
		return Request{}, err
	}
	r, err := s.changeRequest(ctx, id, func(ctx context.Context, r Request) (Request, *Grant, error) {
		now := s.clock.read()
		if err := mayDecide(r, approver); err != nil {
			return Request{}, nil, err
		}
		next, err := r.Decide(now, approve, Decision{
			Approver: approver.ID, Groups: approver.Groups, Subject: approver.Subject, Authn: approver.Authn, Rationale: rationale,
		})
		if err != nil {
			return Request{}, nil, err
		}
		var g *Grant
		if approve && r.Kind == ForGrant {
			gid, err := s.newID("gr_")
			if err != nil {
				return Request{}, nil, err
			}
			g = &Grant{State: Active, Grant: sallyport.Grant{
				ID: sallyport.GrantID(gid), Request: r.ID, Principal: r.Principal.ID, Resource: r.Resource, Role: r.Role,
				NotBefore: now, NotAfter: now.Add(r.Window), Policy: r.Policy,
			}}
			next.Grant = g.ID
		}
		if err := journalled(op, s.deps.Journal.Decision(ctx, next.decision())); err != nil {
			return Request{}, nil, err
		}
		if g != nil {
			if err := journalled(op, s.deps.Journal.Grant(ctx, g.event())); err != nil {
				return Request{}, nil, err
			}
		}
		return next, g, nil
	})
	return r, err
}

// mayDecide refuses everybody who may not decide about r.
func mayDecide(r Request, approver sallyport.Principal) error {
	const op = "decide"
	if sameOrigin(r.Principal, approver) {
		return sallyport.E(sallyport.Denied, op, "nobody decides about their own request").
			WithHint("ask another member of " + r.Approvers)
	}
	if approver.ID == "" || approver.Kind != sallyport.Human {
		return sallyport.E(sallyport.Denied, op, "a decision is a human's; "+string(approver.ID)+" is a "+string(approver.Kind)).
			WithHint("sign in as a person")
	}
	kind, name, _ := strings.Cut(r.Approvers, ":")
	named := false
	switch kind {
	case "group":
		named = slices.Contains(approver.Groups, name)
	case "principal":
		named = approver.ID == sallyport.PrincipalID(name)
	}
	if name == "" || !named {
		return sallyport.E(sallyport.Denied, op, string(approver.ID)+" is not among the approvers of request "+string(r.ID)).
			WithHint("it is decided by " + r.Approvers)
	}
	return nil
}
