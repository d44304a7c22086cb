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
		w := newIndexer(ctx, tx)
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
		if w.finish(); w.err != nil {
			return unavailable(op, w.err)
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
// error and does nothing after it. Within its transaction it prepares each
// statement once, asks once whose a session is, and sums up what it counts per
// session: a session has many leaves in a batch.
type indexer struct {
	ctx    context.Context
	tx     *sql.Tx
	stmts  map[string]*sql.Stmt
	owners map[sallyport.SessionID]owner
	texts  map[textKey]store.Statement
	counts map[sallyport.SessionID]*counts
	err    error
}

// owner is whose a session is, and of which resource.
type owner struct{ principal, resource string }

// textKey names the statement that holds a text.
type textKey struct {
	session sallyport.SessionID
	stmt    uint64
}

// counts are what a batch adds to a session's row.
type counts struct {
	events, chunks, masked, denials uint64
	last, statements                uint64
}

func newIndexer(ctx context.Context, tx *sql.Tx) *indexer {
	return &indexer{
		ctx: ctx, tx: tx, stmts: map[string]*sql.Stmt{}, owners: map[sallyport.SessionID]owner{},
		texts: map[textKey]store.Statement{}, counts: map[sallyport.SessionID]*counts{},
	}
}

// prepared returns the statement of a query; it is closed with the transaction.
func (w *indexer) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := w.stmts[query]; st != nil {
		return st, nil
	}
	st, err := w.tx.PrepareContext(ctx, query)
	if err == nil {
		w.stmts[query] = st
	}
	return st, err
}

func (w *indexer) exec(query string, args ...any) {
	if w.err != nil {
		return
	}
	st, err := w.prepared(w.ctx, query)
	if err == nil {
		_, err = st.ExecContext(w.ctx, args...)
	}
	w.err = err
}

// QueryContext implements querier.
func (w *indexer) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := w.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// of returns the counts of a session.
func (w *indexer) of(id sallyport.SessionID) *counts {
	c := w.counts[id]
	if c == nil {
		c = &counts{}
		w.counts[id] = c
	}
	return c
}

// settle writes what was counted for a session so far.
func (w *indexer) settle(id sallyport.SessionID) {
	c := w.counts[id]
	if c == nil {
		return
	}
	delete(w.counts, id)
	w.exec(`UPDATE sessions SET events = events + $1, chunks = chunks + $2, masked = masked + $3, denials = denials + $4,
		statements = max(statements, $5), last_leaf = max(last_leaf, $6) WHERE id = $7`,
		c.events, c.chunks, c.masked, c.denials, c.statements, c.last, string(id))
}

// finish writes all that was counted.
func (w *indexer) finish() {
	for id := range w.counts {
		w.settle(id)
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
		w.of(ev.Session).masked += b.Masked
	case *evidence.Recording:
		w.of(ev.Session).chunks++
	case *evidence.SessionClose:
		w.settle(ev.Session) // what the close says of the same counts is the last word
		w.exec(`UPDATE sessions SET closed = $1, reason = $2, statements = $3, denials = $4 WHERE id = $5`,
			micros(ev.Time), b.Reason, b.Statements, b.Denials, string(ev.Session))
	}
	if e.Leaf.Session != "" { // not what is only about a session
		c := w.of(ev.Session)
		c.events++
		c.last = ev.Index
	}
}

// owner fills in whose session an event belongs to.
func (w *indexer) owner(ev *store.Event) {
	if w.err != nil {
		return
	}
	if o, ok := w.owners[ev.Session]; ok {
		ev.Principal, ev.Resource = sallyport.PrincipalID(o.principal), sallyport.ResourceID(o.resource)
		return
	}
	found, err := collect(w.ctx, w, "index put", `SELECT principal, resource FROM sessions WHERE id = $1`, []any{string(ev.Session)},
		func(row scanner) (o owner, err error) { err = row.Scan(&o.principal, &o.resource); return o, err })
	if w.err = err; err == nil && len(found) == 1 {
		w.owners[ev.Session] = found[0]
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
	key := textKey{ev.Session, of}
	if held, ok := w.texts[key]; ok {
		complete(st, held)
		return
	}
	found, err := collect(w.ctx, w, "index put", selectStatement+` WHERE session = $1 AND stmt = $2`,
		[]any{string(ev.Session), of}, scanStatement)
	if w.err = err; err != nil || len(found) == 0 {
		return
	}
	w.texts[key] = found[0]
	complete(st, found[0])
}

func complete(st *store.Statement, held store.Statement) {
	if st.Class == "" {
		st.Class = held.Class
	}
	if st.Readable == "" {
		st.Readable = held.Readable
	}
	if len(st.Objects) == 0 {
		st.Objects = held.Objects
	}
	if len(st.Effects) == 0 {
		st.Effects = held.Effects
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
	w.of(ev.Session).denials++
}

func (w *indexer) statement(ev store.Event, st store.Statement) {
	w.exec(`INSERT INTO statements (session, stmt, principal, resource, at, leaf, verdict, phase, class, readable, digest, objects, effects,
			rules, policy, grant_id, request, reason, status, code, tag, row_count, bytes, micros, masked)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, '', '', 0, 0, 0, 0)
		ON CONFLICT (session, stmt) DO NOTHING`,
		string(ev.Session), st.Stmt, string(ev.Principal), string(ev.Resource), micros(ev.Time), ev.Index, st.Verdict, st.Phase,
		st.Class, st.Readable, st.Digest, w.list(st.Objects), w.list(st.Effects), list(w, st.Rules), string(st.Policy),
		string(ev.Grant), string(ev.Request), st.Reason, st.Status)
	c := w.of(ev.Session)
	c.statements = max(c.statements, st.Stmt)
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
