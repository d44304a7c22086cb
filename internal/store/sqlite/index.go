// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/store"
)

// Index is the index over the ledger: sessions, statements and events by what
// they are about.
type Index struct{ s *Store }

// Index returns the store's index over the ledger.
func (s *Store) Index() Index { return Index{s} }

// Cursor returns the ledger index of the next leaf to put.
func (x Index) Cursor(ctx context.Context) (uint64, error) {
	return cursor(ctx, x.s.read)
}

func cursor(ctx context.Context, q querier) (uint64, error) {
	return one(ctx, q, "index cursor", "", `SELECT coalesce(max(leaf) + 1, 0) FROM events`, nil, func(row scanner) (uint64, error) {
		var n uint64
		err := row.Scan(&n)
		return n, err
	})
}

// Put indexes leaves in the ledger's order, all of them or none. Leaves that
// the index has already are passed over; a gap is refused with kind Conflict,
// since an index with holes would answer wrongly for ever.
func (x Index) Put(ctx context.Context, entries ...store.Entry) error {
	const op = "index put"
	return x.s.change(ctx, op, func(tx *sql.Tx) error {
		next, err := cursor(ctx, tx)
		if err != nil {
			return err
		}
		w := indexer{ctx: ctx, tx: tx}
		for _, e := range entries {
			if e.Index < next {
				continue
			}
			if e.Index != next {
				return sallyport.E(sallyport.Conflict, op, fmt.Sprintf("leaf %d was given and leaf %d is next", e.Index, next)).
					WithHint("index on from the cursor")
			}
			next++
			if w.put(e); w.err != nil {
				return unavailable(op, w.err)
			}
		}
		return nil
	})
}

// Reset forgets everything, so that the index can be built anew.
func (x Index) Reset(ctx context.Context) error {
	const op = "index reset"
	return x.s.change(ctx, op, func(tx *sql.Tx) error {
		for _, table := range []string{"sessions", "statements", "events"} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+table); err != nil {
				return unavailable(op, err)
			}
		}
		return nil
	})
}

// indexer writes the rows of leaves inside one transaction. It keeps the first
// error and does nothing after it.
type indexer struct {
	ctx context.Context
	tx  *sql.Tx
	err error
}

func (w *indexer) exec(query string, args ...any) {
	if w.err == nil {
		_, w.err = w.tx.ExecContext(w.ctx, query, args...)
	}
}

func (w *indexer) put(e store.Entry) {
	ev, body := store.Read(e)
	if ev.Session != "" && ev.Principal == "" {
		w.owner(&ev)
	}
	w.exec(`INSERT INTO events (leaf, type, at, session, seq, principal, resource, request, grant_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		ev.Index, string(ev.Type), micros(ev.Time), string(ev.Session), ev.Seq,
		string(ev.Principal), string(ev.Resource), string(ev.Request), string(ev.Grant))
	switch b := body.(type) {
	case *evidence.SessionOpen:
		w.open(ev, b)
	case *evidence.Intent:
		w.intent(ev, b)
	case *evidence.Denial:
		w.denial(ev, b)
	case *evidence.Outcome:
		w.exec(`UPDATE statements SET status = $1, code = $2, tag = $3, row_count = $4, bytes = $5, micros = $6
			WHERE session = $7 AND stmt = $8`,
			b.Status, b.Code, b.Tag, b.Rows, b.Bytes, b.Micros, string(ev.Session), b.Stmt)
	case *evidence.Masking:
		w.exec(`UPDATE statements SET masked = masked + $1 WHERE session = $2 AND stmt = $3`, b.Masked, string(ev.Session), b.Stmt)
		w.exec(`UPDATE sessions SET masked = masked + $1 WHERE id = $2`, b.Masked, string(ev.Session))
	case *evidence.Recording:
		w.exec(`UPDATE sessions SET chunks = chunks + 1 WHERE id = $1`, string(ev.Session))
	case *evidence.SessionClose:
		w.exec(`UPDATE sessions SET closed = $1, reason = $2, statements = $3, denials = $4 WHERE id = $5`,
			micros(ev.Time), b.Reason, b.Statements, b.Denials, string(ev.Session))
	}
	if ev.Session != "" {
		w.exec(`UPDATE sessions SET events = events + 1, last_leaf = $1 WHERE id = $2`, ev.Index, string(ev.Session))
	}
}

// owner fills in whose session an event belongs to.
func (w *indexer) owner(ev *store.Event) {
	if w.err != nil {
		return
	}
	type owner struct{ principal, resource string }
	found, err := collect(w.ctx, w.tx, "index put", `SELECT principal, resource FROM sessions WHERE id = $1`, []any{string(ev.Session)},
		func(row scanner) (o owner, err error) { err = row.Scan(&o.principal, &o.resource); return o, err })
	if w.err = err; err == nil && len(found) == 1 {
		ev.Principal, ev.Resource = sallyport.PrincipalID(found[0].principal), sallyport.ResourceID(found[0].resource)
	}
}

func (w *indexer) open(ev store.Event, b *evidence.SessionOpen) {
	w.exec(`INSERT INTO sessions (id, principal, kind, resource, protocol, role, grant_id, client, lineage, policy, opened,
			closed, reason, statements, denials, masked, events, chunks, first_leaf, last_leaf)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, '', 0, 0, 0, 0, 0, $12, $12)
		ON CONFLICT (id) DO NOTHING`,
		string(ev.Session), string(b.Principal.ID), string(b.Principal.Kind), string(b.Resource), b.Protocol, string(b.Role),
		string(ev.Grant), b.Client, b.Lineage, string(b.Policy), micros(ev.Time), ev.Index)
}

func (w *indexer) intent(ev store.Event, b *evidence.Intent) {
	st := store.Statement{
		Verdict: b.Verdict, Phase: b.Phase, Class: b.Class, Readable: b.Readable, Digest: b.Digest, Objects: b.Objects, Effects: b.Effects,
		Rules: b.Rules, Policy: b.Policy, Stmt: b.Stmt,
	}
	if b.Of != 0 {
		w.refer(ev, b.Of, &st)
	}
	w.statement(ev, st)
}

// refer completes a statement from the earlier one that holds its text.
func (w *indexer) refer(ev store.Event, of uint64, st *store.Statement) {
	if w.err != nil {
		return
	}
	found, err := collect(w.ctx, w.tx, "index put", selectStatement+` WHERE session = $1 AND stmt = $2`,
		[]any{string(ev.Session), of}, scanStatement)
	if w.err = err; err != nil || len(found) == 0 {
		return
	}
	if st.Class == "" {
		st.Class = found[0].Class
	}
	if st.Readable == "" {
		st.Readable = found[0].Readable
	}
	if len(st.Objects) == 0 {
		st.Objects = found[0].Objects
	}
	if len(st.Effects) == 0 {
		st.Effects = found[0].Effects
	}
}

func (w *indexer) denial(ev store.Event, b *evidence.Denial) {
	if ev.Session == "" { // of a connection, which has no session: found as an event
		return
	}
	w.statement(ev, store.Statement{
		Verdict: sallyport.Deny.String(), Class: b.Class, Readable: b.Readable, Digest: b.Digest, Objects: b.Objects, Effects: b.Effects,
		Rules: b.Rules, Policy: b.Policy, Stmt: b.Stmt, Reason: b.Reason, Status: "denied",
	})
	w.exec(`UPDATE sessions SET denials = denials + 1 WHERE id = $1`, string(ev.Session))
}

func (w *indexer) statement(ev store.Event, st store.Statement) {
	w.exec(`INSERT INTO statements (session, stmt, principal, resource, at, leaf, verdict, phase, class, readable, digest, objects, effects,
			rules, policy, grant_id, request, reason, status, code, tag, row_count, bytes, micros, masked)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, '', '', 0, 0, 0, 0)
		ON CONFLICT (session, stmt) DO NOTHING`,
		string(ev.Session), st.Stmt, string(ev.Principal), string(ev.Resource), micros(ev.Time), ev.Index, st.Verdict, st.Phase,
		st.Class, st.Readable, st.Digest, w.list(st.Objects), w.list(st.Effects), list(w, st.Rules), string(st.Policy),
		string(ev.Grant), string(ev.Request), st.Reason, st.Status)
	w.exec(`UPDATE sessions SET statements = $1 WHERE id = $2 AND statements < $1`, st.Stmt, string(ev.Session))
}

func (w *indexer) list(v []string) string { return list(w, v) }

// list renders a list as JSON, "[]" when it is empty.
func list[T ~string](w *indexer, v []T) string {
	if v == nil {
		return "[]"
	}
	b, err := json.Marshal(v)
	if err != nil && w.err == nil {
		w.err = err
	}
	return string(b)
}
