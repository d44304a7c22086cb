// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export"
)

const (
	// maxSample is the largest sample of sessions.
	maxSample = 10_000
	// maxLacks bounds the places that a report of completeness lists, and maxPrincipal
	// the length of a principal's id in a review, in bytes.
	maxLacks     = 1000
	maxPrincipal = 500
)

// day reads a day, which means the end of it in UTC, or a time.
func day(name, text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return export.EndOfDay(t), nil
	}
	t, err := instant(name, text)
	if err != nil {
		return t, invalid(name+" is neither a day nor a time", "write 2026-01-31, which means the end of that day in UTC, or a time as in RFC 3339")
	}
	return t, nil
}

// needOverseer refuses whoever is neither an auditor nor an administrator.
func (c caller) needOverseer() error {
	if c.auditor || c.administrator {
		return nil
	}
	return sallyport.E(sallyport.Denied, "api", "this is for auditors and administrators").
		WithHint("they are named in the api section of the gateway's configuration")
}

// completenessReport is the answer of GET /v1/audit/completeness.
type completenessReport struct {
	evidence.Completeness
	Origin  string `json:"origin"`
	Leaves  uint64 `json:"leaves"`  // that were read
	Unfound int    `json:"omitted"` // lacks and running things beyond those that are listed
}

// completeness says of a period: whole, or exactly where not.
func (a *api) completeness(ctx context.Context, r *http.Request, c caller) (any, error) {
	if err := c.needOverseer(); err != nil {
		return nil, err
	}
	q, err := query(r, "from", "to")
	if err != nil {
		return nil, err
	}
	scope := evidence.Scope{Created: a.g.deps.Now()}
	if scope.From, err = instant("from", q.Get("from")); err != nil {
		return nil, err
	}
	if scope.To, err = instant("to", q.Get("to")); err != nil {
		return nil, err
	}
	if !scope.From.IsZero() && scope.From.After(scope.Created) || !scope.To.IsZero() && scope.To.Before(scope.From) {
		return nil, invalid("the period ends before it begins, or has not begun", "give --from and --to in this order, in the past")
	}
	release, err := a.weighty()
	if err != nil {
		return nil, err
	}
	defer release()
	size := a.g.log.Size()
	_, found, err := export.Derive(ctx, a.source(), size, scope, "")
	if err != nil {
		return nil, err
	}
	out := completenessReport{Completeness: found, Origin: a.g.cfg.Origin, Leaves: size}
	for _, list := range []*[]evidence.Lack{&out.Lacks, &out.Running} {
		if n := len(*list); n > maxLacks {
			out.Unfound += n - maxLacks
			*list = (*list)[:maxLacks]
		}
	}
	return out, nil
}

// reviewActivity puts on record that the caller reviewed the activity of a
// period.
func (a *api) reviewActivity(ctx context.Context, r *http.Request, c caller) (any, error) {
	if err := c.needAuditor(); err != nil {
		return nil, err
	}
	var in struct {
		From string `json:"from"`
		To   string `json:"to"`
		Note string `json:"note"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	b := evidence.Review{Kind: "activity", By: c.ID, Size: a.g.log.Size()}
	var err error
	if b.Note, err = words("note", in.Note); err != nil {
		return nil, err
	}
	if b.From, err = instant("from", in.From); err != nil {
		return nil, err
	}
	if b.To, err = instant("to", in.To); err != nil {
		return nil, err
	}
	if b.From.IsZero() || b.To.IsZero() || b.To.Before(b.From) || b.To.After(a.g.deps.Now()) {
		return nil, invalid("a review is of a period that has ended", "give from and to, in this order, in the past")
	}
	return b, a.g.events.Review(ctx, b)
}

// reviewIdentity puts on record that the caller reviewed the access of a
// machine identity.
func (a *api) reviewIdentity(ctx context.Context, r *http.Request, c caller) (any, error) {
	if err := c.needOverseer(); err != nil {
		return nil, err
	}
	var in struct {
		Principal sallyport.PrincipalID `json:"principal"`
		Note      string                `json:"note"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	b := evidence.Review{Kind: "identity", By: c.ID, Principal: in.Principal, Size: a.g.log.Size()}
	var err error
	if b.Note, err = words("note", in.Note); err != nil {
		return nil, err
	}
	switch _, err := words("principal", string(in.Principal)); {
	case err != nil || len(in.Principal) > maxPrincipal:
		return nil, invalid("the principal is missing, too long, or holds what does not print", "give its id as `sallyport identity list` shows it")
	case in.Principal == c.ID:
		return nil, sallyport.E(sallyport.Denied, "review", "nobody reviews their own access").WithHint("have another auditor or administrator do it")
	}
	return b, a.g.events.Review(ctx, b)
}

// listIdentities answers the inventory of machine identities as of a day, in the
// words of a bundle's table.
func (a *api) listIdentities(ctx context.Context, r *http.Request, c caller) (any, error) {
	if err := c.needOverseer(); err != nil {
		return nil, err
	}
	q, err := query(r, "as_of")
	if err != nil {
		return nil, err
	}
	scope := evidence.Scope{Created: a.g.deps.Now()}
	if scope.AsOf, err = day("as_of", q.Get("as_of")); err != nil {
		return nil, err
	}
	release, err := a.weighty()
	if err != nil {
		return nil, err
	}
	defer release()
	rows, _, err := export.Derive(ctx, a.source(), a.g.log.Size(), scope, evidence.InventoryTable)
	if err != nil {
		return nil, err
	}
	return map[string]json.RawMessage{"identities": rows}, nil
}
