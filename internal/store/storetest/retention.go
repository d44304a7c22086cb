// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/store"
)

// indexRetention: what is about a session and not of it, the questions that
// retention asks, and an index that forgets.
func indexRetention(t *testing.T, s Store, _ func() Store) {
	all := world(t)
	x := s.Index
	must(t, x.Put(t.Context(), all...))
	before, err := x.Session(t.Context(), "s_1")
	must(t, err)
	size := uint64(len(all))
	about := &ledger{t: t, seq: map[sallyport.SessionID]uint64{}, entries: all}
	about.add("", evidence.TypeKeyDestroyed, evidence.KeyDestroyed{Key: "sk_1", OfSession: "s_1", Rule: evidence.RuleExpired})
	about.add("", evidence.TypeEvidenceOpen, evidence.EvidenceOpen{By: "human:eve", OfSession: "s_1"})
	must(t, x.Put(t.Context(), about.entries...))

	destroyed, err := x.Events(t.Context(), store.EventFilter{Types: []evidence.Type{evidence.TypeKeyDestroyed}, Session: "s_1"})
	if err != nil || len(destroyed) != 1 || destroyed[0].Index != size {
		t.Errorf("the destruction of a session's key: %+v, %v", destroyed, err)
	}
	if after, err := x.Session(t.Context(), "s_1"); err != nil || after != before {
		t.Errorf("what is only about a session changed it: %+v, %v", after, err)
	}
	leaves, err := x.Leaves(t.Context(), "s_1")
	if err != nil || len(leaves) == 0 || leaves[len(leaves)-1] >= size {
		t.Errorf("the session's own leaves: %v, %v", leaves, err)
	}

	if n, ok, err := x.First(t.Context(), store.EventFilter{Session: "s_2"}); !ok || err != nil || all[n].Leaf.Session != "s_2" {
		t.Errorf("First = %d, %v, %v", n, ok, err)
	}
	if _, ok, err := x.First(t.Context(), store.EventFilter{Session: "s_none"}); ok || err != nil {
		t.Errorf("First of nothing = %v, %v", ok, err)
	}
	if at, err := x.Latest(t.Context(), 3); err != nil || !at.Equal(all[2].Leaf.Time) {
		t.Errorf("Latest = %v, %v", at, err)
	}
	if at, err := x.Latest(t.Context(), 0); err != nil || !at.Equal(time.Time{}) {
		t.Errorf("Latest of nothing = %v, %v", at, err)
	}
	begun, err := x.Begun(t.Context(), size)
	if err != nil || len(begun) < 2 || begun[0].First >= begun[1].First {
		t.Errorf("Begun = %+v, %v", begun, err)
	}
	if none, err := x.Begun(t.Context(), begun[0].First); err != nil || len(none) != 0 {
		t.Errorf("Begun before the first = %+v, %v", none, err)
	}
	if used, err := x.Policies(t.Context(), 0); err != nil || len(used) == 0 {
		t.Errorf("Policies = %v, %v", used, err)
	}
	if used, err := x.Policies(t.Context(), size); err != nil || len(used) != 0 {
		t.Errorf("Policies after the last statement = %v, %v", used, err)
	}

	cut := begun[1].First
	must(t, x.Prune(t.Context(), cut))
	_, err = x.Session(t.Context(), begun[0].ID)
	wantKind(t, "a pruned session", err, sallyport.NotFound)
	if rest, err := x.Statements(t.Context(), store.StatementFilter{Session: begun[0].ID}); err != nil || len(rest) != 0 {
		t.Errorf("statements of a pruned session: %+v, %v", rest, err)
	}
	if n, ok, err := x.First(t.Context(), store.EventFilter{}); n != cut || !ok || err != nil {
		t.Errorf("the index begins at %d, %v", n, err)
	}
	if n, err := x.Cursor(t.Context()); n != size+2 || err != nil {
		t.Errorf("Cursor = %d, %v", n, err)
	}
	must(t, x.StartAt(t.Context(), 3)) // not empty: nothing happens
	if n, err := x.Cursor(t.Context()); n != size+2 || err != nil {
		t.Errorf("Cursor = %d, %v", n, err)
	}
	must(t, x.Reset(t.Context()))
	must(t, x.StartAt(t.Context(), cut))
	must(t, x.Put(t.Context(), all[cut:]...))
	if n, err := x.Cursor(t.Context()); n != size || err != nil {
		t.Errorf("built anew from %d: Cursor = %d, %v", cut, n, err)
	}
}
