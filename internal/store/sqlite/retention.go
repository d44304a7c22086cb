// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"database/sql"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/store"
)

// First returns the ledger index of the oldest selected event; false when there
// is none. Before and Limit of the filter are not heeded.
func (x Index) First(ctx context.Context, f store.EventFilter) (uint64, bool, error) {
	var w where
	in(&w, "type", f.Types)
	w.equal("session", string(f.Session))
	w.equal("principal", string(f.Principal))
	w.equal("resource", string(f.Resource))
	w.equal("request", string(f.Request))
	w.equal("grant_id", string(f.Grant))
	w.within("at", f.From, f.To)
	found, err := collect(ctx, x.s.read, "first event", w.query(`SELECT leaf FROM events`, "leaf", 1), w.args,
		func(row scanner) (n uint64, err error) { err = row.Scan(&n); return n, err })
	if err != nil || len(found) == 0 {
		return 0, false, err
	}
	return found[0], true, nil
}

// Latest returns the latest time of an event below a ledger index; the zero time
// when there is none.
func (x Index) Latest(ctx context.Context, before uint64) (time.Time, error) {
	return one(ctx, x.s.read, "latest event", "", `SELECT coalesce(max(at), 0) FROM events WHERE leaf < $1`, []any{before},
		func(row scanner) (time.Time, error) {
			var at int64
			err := row.Scan(&at)
			return instant(at), err
		})
}

// Begun returns the sessions whose first event lies below a ledger index, oldest
// first.
func (x Index) Begun(ctx context.Context, before uint64) ([]store.Session, error) {
	return collect(ctx, x.s.read, "list sessions", selectSession+` WHERE first_leaf < $1 ORDER BY first_leaf`, []any{before}, scanSession)
}

// Policies returns the digests of policies that events from a ledger index on
// were decided by.
func (x Index) Policies(ctx context.Context, from uint64) ([]sallyport.PolicyDigest, error) {
	return collect(ctx, x.s.read, "list policies", `SELECT DISTINCT policy FROM (
		SELECT policy FROM sessions WHERE last_leaf >= $1 UNION SELECT policy FROM statements WHERE leaf >= $1) AS used
		WHERE policy <> '' ORDER BY policy`, []any{from},
		func(row scanner) (d sallyport.PolicyDigest, err error) { err = row.Scan(&d); return d, err })
}

// Prune forgets the events below a ledger index, and the sessions that began
// there with their statements.
func (x Index) Prune(ctx context.Context, before uint64) error {
	const op = "index prune"
	return x.s.change(ctx, op, func(tx *sql.Tx) error {
		for _, q := range []string{
			`DELETE FROM statements WHERE session IN (SELECT id FROM sessions WHERE first_leaf < $1)`,
			`DELETE FROM sessions WHERE first_leaf < $1`,
			`DELETE FROM events WHERE leaf < $1`,
		} {
			if _, err := tx.ExecContext(ctx, q, before); err != nil {
				return unavailable(op, err)
			}
		}
		return nil
	})
}

// prunedRow is the type of the row that stands for leaves that were pruned.
const prunedRow = "pruned"

// StartAt makes next the index of the leaf to put next, in an index that is empty:
// the leaves before it were pruned.
func (x Index) StartAt(ctx context.Context, next uint64) error {
	const op = "index start"
	return x.s.change(ctx, op, func(tx *sql.Tx) error {
		at, err := cursor(ctx, tx)
		if err != nil || at != 0 || next == 0 {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO events (leaf, type, at, session, seq, principal, resource, request, grant_id)
			VALUES ($1, $2, 0, '', 0, '', '', '', '')`, next-1, prunedRow)
		if err != nil {
			return unavailable(op, err)
		}
		return nil
	})
}
