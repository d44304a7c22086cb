// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package retention_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/store"
)

// ballast fills the ledger with heartbeats until the write-ahead log has given
// up what came before, n of them.
func (b *bench) ballast(n int) {
	b.t.Helper()
	for i := range n {
		b.now = b.now.Add(time.Minute)
		append1(b, nil, evidence.TypeStop, evidence.Stop{Reason: strings.Repeat("ballast ", 200)})
		if i%100 == 99 {
			_, err := b.log.Publish(b.t.Context())
			b.must(err)
		}
	}
}

func (b *bench) prune(index uint64) error {
	_, err := b.keeper.Prune(b.t.Context(), "human:sam", index, "yearly", false)
	return err
}

func (b *bench) bound() (uint64, string) {
	b.t.Helper()
	p, err := b.keeper.Prune(b.t.Context(), "human:sam", 0, "", true)
	b.must(err)
	return p.Bound, p.Why
}

func TestPrune(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	begin := b.now
	first := b.session("clinic", "default", sallyport.DefaultPeriod())
	b.ballast(700)
	middle := b.log.Size()
	long := b.session("clinic", "long", sallyport.Period{Years: 9})
	b.ballast(700)

	wantBound := func(what string, index uint64, why string) {
		t.Helper()
		if got, because := b.bound(); got != index || !strings.Contains(because, why) {
			t.Errorf("%s: up to %d because %s; want %d", what, got, because, index)
		}
	}
	wantBound("at once", 0, "have not been kept for 6 years 1 month")
	b.now = sallyport.DefaultPeriod().After(b.now)
	wantBound("before the sweep", 1, "the key of the session "+string(first.id)+" is not destroyed yet")
	if r := b.sweep(false); r.Destroyed != 1 {
		t.Fatalf("swept: %+v", r)
	}
	wantBound("a session that is kept longer", middle, "the session "+string(long.id)+" is kept until 2035-")
	if err := b.prune(middle + 1); sallyport.KindOf(err) != sallyport.Conflict || !strings.Contains(err.Error(), "kept until") {
		t.Errorf("into it: %v", err)
	}

	// A hold stops pruning at what it covers.
	h := b.hold(evidence.HoldFilter{Session: long.id})
	wantBound("a hold on it", middle, "")
	g := b.hold(evidence.HoldFilter{Grant: "g_1"})
	wantBound("a hold on the grant of the first", 1, "legal hold "+g.ID)
	for _, id := range []string{g.ID, h.ID} {
		if _, err := b.keeper.ReleaseHold(t.Context(), "human:eve", id, "settled"); err != nil {
			t.Fatal(err)
		}
	}

	size := b.log.Size()
	p, err := b.keeper.PruneBefore(t.Context(), "human:sam", begin.Add(8*time.Hour), "yearly", false)
	if err != nil || !p.Done || p.Minimum <= 400 || p.Minimum > middle || b.log.Minimum() != p.Minimum {
		t.Fatalf("%+v, %v; the minimum is %d", p, err, b.log.Minimum())
	}
	if n, err := b.log.Verify(t.Context()); err != nil || n <= size {
		t.Errorf("verify: %d, %v", n, err)
	}
	if _, err := b.log.Read(t.Context(), 1); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("a leaf that was pruned: %v", err)
	}
	pruned := eventsOf[evidence.LogPruned](b, evidence.TypeLogPruned)
	if len(pruned) != 1 || pruned[0].Minimum != p.Minimum || pruned[0].By != "human:sam" || pruned[0].Reason != "yearly" ||
		!pruned[0].Through.Before(begin.Add(8*time.Hour)) || !slices.Equal(pruned[0].Policies, []sallyport.PolicyDigest{b.policy}) {
		t.Errorf("on record: %+v", pruned)
	}
	// What stays is decided by a policy whose text stays.
	if loaded := eventsOf[evidence.PolicyLoaded](b, evidence.TypePolicyLoaded); len(loaded) != 1 || loaded[0].Text != policyText || loaded[0].Digest != b.policy {
		t.Errorf("the policy: %+v", loaded)
	}
	if _, err := b.db.Index().Session(t.Context(), first.id); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("the pruned session is in the index: %v", err)
	}
	b.wantReadable("the session that is kept", long, true)
	b.reopen()
	if b.log.Minimum() != p.Minimum {
		t.Errorf("after a restart the minimum is %d", b.log.Minimum())
	}
	if to, err := b.keeper.PrunedTo(t.Context()); to != p.Minimum || err != nil {
		t.Errorf("on record: %d, %v", to, err)
	}
	if err := b.prune(10); err != nil || b.log.Minimum() != p.Minimum {
		t.Errorf("below the minimum: %v", err)
	}
	b.wantReadable("after a restart", long, true)
}

// TestPruningIsCompleted: what is on record of a pruning is carried out at the
// next start.
func TestPruningIsCompleted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ballast(800)
	b.now = sallyport.DefaultPeriod().After(b.now)
	b.must(b.events.LogPruned(t.Context(), evidence.LogPruned{Minimum: 300, By: "human:sam", Reason: "yearly"}))
	b.reopen()
	if b.log.Minimum() != 300 {
		t.Errorf("the minimum is %d", b.log.Minimum())
	}
	// An index that is lost is built anew from what is left.
	b.must(b.db.Index().Reset(t.Context()))
	b.must(b.db.Index().StartAt(t.Context(), b.log.Minimum()))
	b.must(b.catchUp(t.Context()))
	if first, ok, err := b.db.Index().First(t.Context(), store.EventFilter{Types: []evidence.Type{evidence.TypeStop}}); first != 300 || !ok || err != nil {
		t.Errorf("the index begins at %d, %v", first, err)
	}
}
