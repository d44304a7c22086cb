// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// Tokens keeps gateway tokens by their digest; it implements
// [identity.TokenStore].
type Tokens struct{ s *Store }

// Tokens returns the store's gateway tokens.
func (s *Store) Tokens() Tokens { return Tokens{s} }

// PutToken implements [identity.TokenStore].
func (k Tokens) PutToken(ctx context.Context, t identity.StoredToken, limit int) error {
	const op = "put token"
	return k.s.change(ctx, op, func(tx *sql.Tx) error {
		var taken, live int
		hash := hex.EncodeToString(t.Hash[:])
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM tokens WHERE hash = $1 OR id = $2`, hash, t.ID).Scan(&taken)
		if err != nil {
			return unavailable(op, err)
		}
		if taken > 0 {
			return sallyport.E(sallyport.Conflict, op, "a token with this id exists")
		}
		err = tx.QueryRowContext(ctx, `SELECT count(*) FROM tokens WHERE principal = $1 AND revoked = 0 AND not_after > $2`,
			string(t.Principal.ID), micros(t.IssuedAt)).Scan(&live)
		if err != nil {
			return unavailable(op, err)
		}
		if live >= limit {
			return sallyport.E(sallyport.Exhausted, op, "the principal has too many live tokens").
				WithHint("use a token until it ends, or revoke those that are not needed")
		}
		doc, err := toDoc(op, t)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO tokens (hash, id, principal, grant_id, not_after, revoked, doc) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			hash, t.ID, string(t.Principal.ID), string(t.Grant), micros(t.NotAfter), micros(t.RevokedAt), doc)
		if err != nil {
			return unavailable(op, err)
		}
		return nil
	})
}

// Token implements [identity.TokenStore].
func (k Tokens) Token(ctx context.Context, hash [sha256.Size]byte) (identity.StoredToken, error) {
	return one(ctx, k.s.read, "find token", "no such token", `SELECT doc FROM tokens WHERE hash = $1`,
		[]any{hex.EncodeToString(hash[:])}, scanDoc[identity.StoredToken])
}

// RevokeTokens implements [identity.TokenStore].
func (k Tokens) RevokeTokens(ctx context.Context, f identity.TokenFilter, at time.Time) ([]identity.StoredToken, error) {
	const op = "revoke tokens"
	if !f.Valid() {
		return nil, sallyport.E(sallyport.Invalid, op, "name a token, a grant or a principal, and only one of them")
	}
	var w where
	w.conds = append(w.conds, "revoked = 0")
	w.equal("id", f.ID)
	w.equal("grant_id", string(f.Grant))
	w.equal("principal", string(f.Principal))
	var out []identity.StoredToken
	err := k.s.change(ctx, op, func(tx *sql.Tx) error {
		var err error
		out, err = collect(ctx, tx, op, w.query("SELECT doc FROM tokens", "id", 0), w.args, scanDoc[identity.StoredToken])
		if err != nil {
			return err
		}
		for i := range out {
			out[i].RevokedAt = at
			doc, err := toDoc(op, out[i])
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `UPDATE tokens SET revoked = $1, doc = $2 WHERE id = $3`, micros(at), doc, out[i].ID)
			if err != nil {
				return unavailable(op, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// SweepTokens implements [identity.TokenStore].
func (k Tokens) SweepTokens(ctx context.Context, before time.Time) (int, error) {
	const op = "sweep tokens"
	var n int64
	err := k.s.change(ctx, op, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM tokens WHERE not_after < $1`, micros(before))
		if err == nil {
			n, err = r.RowsAffected()
		}
		if err != nil {
			return unavailable(op, err)
		}
		return nil
	})
	return int(n), err
}
