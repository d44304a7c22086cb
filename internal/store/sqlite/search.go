// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"encoding/json"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/store"
)

const selectSession = `SELECT id, principal, kind, resource, protocol, role, grant_id, client, lineage, policy, opened, closed, reason,
	statements, denials, masked, events, chunks, first_leaf, last_leaf FROM sessions`

func scanSession(row scanner) (store.Session, error) {
	var s store.Session
	var opened, closed int64
	err := row.Scan(&s.ID, &s.Principal, &s.Kind, &s.Resource, &s.Protocol, &s.Role, &s.Grant, &s.Client, &s.Lineage, &s.Policy,
		&opened, &closed, &s.Reason, &s.Statements, &s.Denials, &s.Masked, &s.Events, &s.Chunks, &s.First, &s.Last)
	s.Opened, s.Closed = instant(opened), instant(closed)
	return s, err
}

// Session returns one session; NotFound for an unknown id.
func (x Index) Session(ctx context.Context, id sallyport.SessionID) (store.Session, error) {
	return one(ctx, x.s.read, "find session", "there is no session "+string(id), selectSession+` WHERE id = $1`, []any{string(id)}, scanSession)
}

// Sessions returns the selected sessions, newest first.
func (x Index) Sessions(ctx context.Context, f store.SessionFilter) ([]store.Session, error) {
	var w where
	w.equal("principal", string(f.Principal))
	w.equal("resource", string(f.Resource))
	w.equal("role", string(f.Role))
	w.equal("grant_id", string(f.Grant))
	w.within("opened", f.From, f.To)
	if f.OpenOnly {
		w.conds = append(w.conds, "closed = 0")
	}
	if f.Before > 0 {
		w.add("first_leaf < ?", f.Before)
	}
	return collect(ctx, x.s.read, "list sessions", w.query(selectSession, "first_leaf DESC", f.Limit), w.args, scanSession)
}

// Leaves returns the ledger indexes of a session's events in order; none for an
// unknown session.
func (x Index) Leaves(ctx context.Context, id sallyport.SessionID) ([]uint64, error) {
	return collect(ctx, x.s.read, "list leaves", `SELECT leaf FROM events WHERE session = $1 AND session <> '' AND seq > 0 ORDER BY leaf`, []any{string(id)},
		func(row scanner) (n uint64, err error) { err = row.Scan(&n); return n, err })
}

const selectStatement = `SELECT session, stmt, principal, resource, at, leaf, verdict, phase, class, readable, digest, objects, effects, rules,
	policy, grant_id, request, reason, status, code, tag, row_count, bytes, micros, masked FROM statements`

func scanStatement(row scanner) (store.Statement, error) {
	var s store.Statement
	var at int64
	var objects, effects, rules string
	err := row.Scan(&s.Session, &s.Stmt, &s.Principal, &s.Resource, &at, &s.Index, &s.Verdict, &s.Phase, &s.Class, &s.Readable, &s.Digest,
		&objects, &effects, &rules, &s.Policy, &s.Grant, &s.Request, &s.Reason, &s.Status, &s.Code, &s.Tag, &s.Rows, &s.Bytes, &s.Micros, &s.Masked)
	if err != nil {
		return s, err
	}
	s.At = instant(at)
	for _, l := range []struct {
		text string
		to   any
	}{{objects, &s.Objects}, {effects, &s.Effects}, {rules, &s.Rules}} {
		if l.text == "[]" { // an empty list reads back as none
			continue
		}
		if err := json.Unmarshal([]byte(l.text), l.to); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Statements returns the selected statements, newest first.
func (x Index) Statements(ctx context.Context, f store.StatementFilter) ([]store.Statement, error) {
	var w where
	w.equal("session", string(f.Session))
	w.equal("principal", string(f.Principal))
	w.equal("resource", string(f.Resource))
	w.equal("verdict", f.Verdict)
	w.contains("objects", f.Object)
	w.contains("readable", f.Text)
	w.within("at", f.From, f.To)
	if f.Before > 0 {
		w.add("leaf < ?", f.Before)
	}
	return collect(ctx, x.s.read, "list statements", w.query(selectStatement, "leaf DESC", f.Limit), w.args, scanStatement)
}

// Events returns the selected events, newest first.
func (x Index) Events(ctx context.Context, f store.EventFilter) ([]store.Event, error) {
	var w where
	in(&w, "type", f.Types)
	w.equal("session", string(f.Session))
	w.equal("principal", string(f.Principal))
	w.equal("resource", string(f.Resource))
	w.equal("request", string(f.Request))
	w.equal("grant_id", string(f.Grant))
	w.within("at", f.From, f.To)
	if f.Before > 0 {
		w.add("leaf < ?", f.Before)
	}
	query := w.query(`SELECT leaf, type, at, session, seq, principal, resource, request, grant_id FROM events`, "leaf DESC", f.Limit)
	return collect(ctx, x.s.read, "list events", query, w.args, func(row scanner) (store.Event, error) {
		var e store.Event
		var at int64
		var typ string
		err := row.Scan(&e.Index, &typ, &at, &e.Session, &e.Seq, &e.Principal, &e.Resource, &e.Request, &e.Grant)
		e.Type, e.Time = evidence.Type(typ), instant(at)
		return e, err
	})
}
