// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package storetest is the conformance suite of stores: every database behind
// the gateway passes [Run].
package storetest

import (
	"context"
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/internal/grant"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/store"
)

// Index is the index over the ledger.
type Index interface {
	Cursor(ctx context.Context) (uint64, error)
	Put(ctx context.Context, entries ...store.Entry) error
	Reset(ctx context.Context) error
	Session(ctx context.Context, id sallyport.SessionID) (store.Session, error)
	Sessions(ctx context.Context, f store.SessionFilter) ([]store.Session, error)
	Leaves(ctx context.Context, id sallyport.SessionID) ([]uint64, error)
	Statements(ctx context.Context, f store.StatementFilter) ([]store.Statement, error)
	Events(ctx context.Context, f store.EventFilter) ([]store.Event, error)
	First(ctx context.Context, f store.EventFilter) (uint64, bool, error)
	Latest(ctx context.Context, before uint64) (time.Time, error)
	Begun(ctx context.Context, before uint64) ([]store.Session, error)
	Policies(ctx context.Context, from uint64) ([]sallyport.PolicyDigest, error)
	Prune(ctx context.Context, before uint64) error
	StartAt(ctx context.Context, next uint64) error
}

// Store is one open database, with the parts that its consumers use.
type Store struct {
	Grants grant.Store
	Tokens identity.TokenStore
	Keys   identity.KeyCache
	Labels func(sallyport.ResourceID) catalog.State
	Index  Index
}

// Run tests the store that open makes. Each subtest opens an empty database and
// gets a function that opens the same one once more, as a second process would.
// Both clean up through t.
func Run(t *testing.T, open func(t *testing.T) (first Store, again func() Store)) {
	for name, f := range map[string]func(*testing.T, Store, func() Store){
		"requests":         requests,
		"request filters":  requestFilters,
		"request conflict": requestConflict,
		"request at once":  requestAtOnce,
		"update at once":   updateAtOnce,
		"failing change":   failingChange,
		"grants":           grants,
		"clock":            clock,
		"tokens":           tokens,
		"tokens at once":   tokensAtOnce,
		"items":            items,
		"index":            index,
		"index search":     indexSearch,
		"index order":      indexOrder,
		"index retention":  indexRetention,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, again := open(t)
			f(t, s, again)
		})
	}
}

// start is when the suite's synthetic world begins.
func start() time.Time { return time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC) }

func wantKind(t *testing.T, what string, err error, kind sallyport.Kind) {
	t.Helper()
	if err == nil || sallyport.KindOf(err) != kind {
		t.Errorf("%s = %v, want kind %v", what, err, kind)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
