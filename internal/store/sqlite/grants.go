// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/grant"
)

// Grants keeps requests and grants; it implements [grant.Store].
type Grants struct{ s *Store }

// Grants returns the store's requests and grants.
func (s *Store) Grants() Grants { return Grants{s} }

// scanDoc reads a row's JSON.
func scanDoc[T any](row scanner) (T, error) {
	var v T
	var doc string
	if err := row.Scan(&doc); err != nil {
		return v, err
	}
	err := json.Unmarshal([]byte(doc), &v)
	return v, err
}

func toDoc(op string, v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", sallyport.E(sallyport.Internal, op, "a row cannot be encoded").Because(err)
	}
	return string(b), nil
}

// CreateRequest implements [grant.Store].
func (g Grants) CreateRequest(ctx context.Context, r grant.Request, commit func() error) (grant.Request, bool, error) {
	const op = "store request"
	created := false
	err := g.s.change(ctx, op, func(tx *sql.Tx) error {
		if key := r.Key(); key != "" {
			same, err := collect(ctx, tx, op, `SELECT doc FROM requests WHERE same = $1 AND state = 'open' AND same <> ''`,
				[]any{key}, scanDoc[grant.Request])
			if err != nil {
				return err
			}
			if len(same) > 0 {
				r = same[0]
				return nil
			}
		}
		created = true
		if err := commit(); err != nil {
			return err
		}
		return putRequest(ctx, tx, r)
	})
	if err != nil {
		return grant.Request{}, false, err
	}
	return r, created, nil
}

// UpdateRequest implements [grant.Store].
func (g Grants) UpdateRequest(ctx context.Context, id sallyport.RequestID,
	change func(grant.Request) (grant.Request, *grant.Grant, error),
) (grant.Request, error) {
	const op = "store request"
	var next grant.Request
	err := g.s.change(ctx, op, func(tx *sql.Tx) error {
		r, err := findRequest(ctx, tx, id)
		if err != nil {
			return err
		}
		var made *grant.Grant
		if next, made, err = change(r); err != nil {
			return err
		}
		if made != nil {
			if err := putGrant(ctx, tx, *made); err != nil {
				return err
			}
		}
		return putRequest(ctx, tx, next)
	})
	if err != nil {
		return grant.Request{}, err
	}
	return next, nil
}

func putRequest(ctx context.Context, tx *sql.Tx, r grant.Request) error {
	const op = "store request"
	doc, err := toDoc(op, r)
	if err != nil {
		return err
	}
	session := ""
	if r.Hold != nil {
		session = string(r.Hold.Session)
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO requests (id, kind, state, principal, resource, session, approvers, same, created, expires, doc)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, expires = excluded.expires, doc = excluded.doc`,
		string(r.ID), string(r.Kind), string(r.State), string(r.Principal.ID), string(r.Resource), session,
		r.Approvers, r.Key(), micros(r.Created), micros(r.Expires), doc)
	if err != nil {
		return unavailable(op, err)
	}
	return nil
}

// Request implements [grant.Store].
func (g Grants) Request(ctx context.Context, id sallyport.RequestID) (grant.Request, error) {
	return findRequest(ctx, g.s.read, id)
}

func findRequest(ctx context.Context, q querier, id sallyport.RequestID) (grant.Request, error) {
	return one(ctx, q, "find request", "there is no such request", `SELECT doc FROM requests WHERE id = $1`,
		[]any{string(id)}, scanDoc[grant.Request])
}

// Requests implements [grant.Store].
func (g Grants) Requests(ctx context.Context, f grant.RequestFilter) ([]grant.Request, error) {
	var w where
	w.equal("kind", string(f.Kind))
	in(&w, "state", f.States)
	w.equal("principal", string(f.Principal))
	w.equal("resource", string(f.Resource))
	w.equal("session", string(f.Session))
	in(&w, "approvers", f.Approvers)
	if !f.Due.IsZero() {
		w.add("expires <= ?", micros(f.Due))
	}
	if f.Before != "" {
		w.add("(created, id) < (SELECT created, id FROM requests WHERE id = ?)", string(f.Before))
	}
	return collect(ctx, g.s.read, "list requests", w.query("SELECT doc FROM requests", "created DESC, id DESC", f.Limit),
		w.args, scanDoc[grant.Request])
}

// UpdateGrant implements [grant.Store].
func (g Grants) UpdateGrant(ctx context.Context, id sallyport.GrantID, change func(grant.Grant) (grant.Grant, error)) (grant.Grant, error) {
	var next grant.Grant
	err := g.s.change(ctx, "store grant", func(tx *sql.Tx) error {
		old, err := findGrant(ctx, tx, id)
		if err != nil {
			return err
		}
		if next, err = change(old); err != nil {
			return err
		}
		return putGrant(ctx, tx, next)
	})
	if err != nil {
		return grant.Grant{}, err
	}
	return next, nil
}

func putGrant(ctx context.Context, tx *sql.Tx, g grant.Grant) error {
	const op = "store grant"
	doc, err := toDoc(op, g)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO grants (id, state, principal, resource, role, not_before, not_after, doc)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, not_after = excluded.not_after, doc = excluded.doc`,
		string(g.ID), string(g.State), string(g.Principal), string(g.Resource), string(g.Role),
		micros(g.NotBefore), micros(g.NotAfter), doc)
	if err != nil {
		return unavailable(op, err)
	}
	return nil
}

// Grant implements [grant.Store].
func (g Grants) Grant(ctx context.Context, id sallyport.GrantID) (grant.Grant, error) {
	return findGrant(ctx, g.s.read, id)
}

func findGrant(ctx context.Context, q querier, id sallyport.GrantID) (grant.Grant, error) {
	return one(ctx, q, "find grant", "there is no such grant", `SELECT doc FROM grants WHERE id = $1`,
		[]any{string(id)}, scanDoc[grant.Grant])
}

// Grants implements [grant.Store].
func (g Grants) Grants(ctx context.Context, f grant.GrantFilter) ([]grant.Grant, error) {
	var w where
	in(&w, "state", f.States)
	w.equal("principal", string(f.Principal))
	w.equal("resource", string(f.Resource))
	w.equal("role", string(f.Role))
	if !f.Due.IsZero() {
		w.add("not_after <= ?", micros(f.Due))
	}
	if f.Before != "" {
		w.add("(not_before, id) < (SELECT not_before, id FROM grants WHERE id = ?)", string(f.Before))
	}
	return collect(ctx, g.s.read, "list grants", w.query("SELECT doc FROM grants", "not_before DESC, id DESC", f.Limit),
		w.args, scanDoc[grant.Grant])
}

// Clock implements [grant.Store].
func (g Grants) Clock(ctx context.Context, seen time.Time) (time.Time, error) {
	const op = "store clock"
	var latest int64
	err := g.s.change(ctx, op, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(at), 0) FROM items WHERE space = 'clock'`).Scan(&latest); err != nil {
			return unavailable(op, err)
		}
		if m := micros(seen); m > latest {
			latest = m
			return putItem(ctx, tx, "clock", "latest", m, nil)
		}
		return nil
	})
	if err != nil {
		return time.Time{}, err
	}
	return instant(latest), nil
}
