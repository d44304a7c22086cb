// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/catalog"
)

// item is a small thing by name.
type item struct {
	value []byte
	at    time.Time
}

func putItem(ctx context.Context, tx *sql.Tx, space, name string, at int64, value []byte) error {
	if value == nil {
		value = []byte{}
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO items (space, name, at, value) VALUES ($1, $2, $3, $4)
		ON CONFLICT (space, name) DO UPDATE SET at = excluded.at, value = excluded.value`, space, name, at, value)
	if err != nil {
		return unavailable("store item", err)
	}
	return nil
}

func (s *Store) save(ctx context.Context, space, name string, at time.Time, value []byte) error {
	const op = "store item"
	return s.change(ctx, op, func(tx *sql.Tx) error {
		if value != nil {
			return putItem(ctx, tx, space, name, micros(at), value)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM items WHERE space = $1 AND name = $2`, space, name); err != nil {
			return unavailable(op, err)
		}
		return nil
	})
}

// load returns a zero item when there is none.
func (s *Store) load(ctx context.Context, space, name string) (item, error) {
	v, err := one(ctx, s.read, "find item", "there is no such item", `SELECT value, at FROM items WHERE space = $1 AND name = $2`,
		[]any{space, name}, func(row scanner) (item, error) {
			var v item
			var at int64
			err := row.Scan(&v.value, &at)
			v.at = instant(at)
			return v, err
		})
	if sallyport.KindOf(err) == sallyport.NotFound {
		return item{}, nil
	}
	return v, err
}

// Keys keeps the key sets that were fetched from issuers; it implements
// [identity.KeyCache].
type Keys struct{ s *Store }

// Keys returns the store's key sets.
func (s *Store) Keys() Keys { return Keys{s} }

// LoadKeys returns the set last saved for the issuer and when it was fetched; a
// nil set when there is none.
func (k Keys) LoadKeys(ctx context.Context, issuerURL string) ([]byte, time.Time, error) {
	v, err := k.s.load(ctx, "jwks", issuerURL)
	return v.value, v.at, err
}

// SaveKeys replaces the set of the issuer; a nil set removes it.
func (k Keys) SaveKeys(ctx context.Context, issuerURL string, jwks []byte, fetched time.Time) error {
	return k.s.save(ctx, "jwks", issuerURL, fetched, jwks)
}

// Labels keeps what the catalog of one resource labelled; it implements
// [catalog.State].
type Labels struct {
	s        *Store
	resource sallyport.ResourceID
}

// Labels returns the memory of a resource's catalog.
func (s *Store) Labels(resource sallyport.ResourceID) Labels { return Labels{s, resource} }

// Load implements [catalog.State].
func (l Labels) Load(ctx context.Context) (catalog.Memory, error) {
	var m catalog.Memory
	v, err := l.s.load(ctx, "labels", string(l.resource))
	if err != nil || v.value == nil {
		return m, err
	}
	if err := json.Unmarshal(v.value, &m); err != nil {
		return catalog.Memory{}, sallyport.E(sallyport.Integrity, "load labels", "what the catalog of "+string(l.resource)+" remembers is damaged").
			WithHint("restore the store from a backup").Because(err)
	}
	return m, nil
}

// Save implements [catalog.State].
func (l Labels) Save(ctx context.Context, m catalog.Memory) error {
	b, err := json.Marshal(m)
	if err != nil {
		return sallyport.E(sallyport.Internal, "save labels", "the labels cannot be encoded").Because(err)
	}
	return l.s.save(ctx, "labels", string(l.resource), time.Time{}, b)
}
