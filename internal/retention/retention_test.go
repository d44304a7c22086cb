// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package retention_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/retention"
)

var (
	year  = sallyport.Period{Years: 1}
	short = sallyport.Period{Days: 90}
)

func (b *bench) sweep(dry bool) retention.Swept {
	b.t.Helper()
	r, err := b.keeper.Sweep(b.t.Context(), dry)
	b.must(err)
	return r
}

func (b *bench) hold(f evidence.HoldFilter) retention.Hold {
	b.t.Helper()
	h, err := b.keeper.SetHold(b.t.Context(), "human:eve", f, "matter 7", "litigation")
	b.must(err)
	return h
}

func TestSweep(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	brief, long, open := b.session("clinic", "short", short), b.session("clinic", "year", year), b.session("clinic", "short", short)
	b.alive[open.id] = true
	if r := b.sweep(false); r.Destroyed+r.Held+r.Open+r.Failed != 0 {
		t.Errorf("nothing has expired, and: %+v", r)
	}
	b.now = short.After(b.now)
	if r := b.sweep(true); r.Destroyed != 1 || r.Open != 1 || len(r.Due) != 1 || r.Due[0].Session != brief.id {
		t.Errorf("a dry run: %+v", r)
	}
	b.wantReadable("after a dry run", brief, true)
	if r := b.sweep(false); r.Destroyed != 1 || r.Open != 1 || r.Failed != 0 {
		t.Errorf("swept: %+v", r)
	}
	b.wantReadable("the expired session", brief, false)
	b.wantReadable("the session that is kept longer", long, true)
	b.wantReadable("the open session", open, true)
	want := []evidence.KeyDestroyed{{
		Key: brief.key, Keys: []string{brief.keys[0].ID, brief.keys[2].ID}, OfSession: brief.id, Class: "short",
		Expires: short.After(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)), Rule: "expired", Payloads: 3, Blobs: 2,
	}}
	if diff := cmp.Diff(want, eventsOf[evidence.KeyDestroyed](b, evidence.TypeKeyDestroyed)); diff != "" {
		t.Errorf("on record (-want +got):\n%s", diff)
	}
	if n, err := b.log.Verify(t.Context()); err != nil || n != b.log.Size() {
		t.Errorf("verify: %d, %v", n, err)
	}
	e, err := b.keeper.Erased(t.Context(), brief.id)
	if err != nil || e == nil || !strings.HasPrefix(e.String(), "erased on 2027-02-19 by retention class short (event ") {
		t.Errorf("erased: %v, %v", e, err)
	}
	if e, err := b.keeper.Erased(t.Context(), long.id); e != nil || err != nil {
		t.Errorf("a session that is kept: %v, %v", e, err)
	}
	b.alive = map[sallyport.SessionID]bool{}
	b.now = year.After(b.now)
	if r := b.sweep(false); r.Destroyed != 2 {
		t.Errorf("a year later: %+v", r)
	}
	b.reopen()
	b.wantReadable("after a restart", long, false)
}

// TestCrashWhileSweeping ends the process before and after each change of a
// sweep. Whatever it leaves, a key is never gone without a record, a record is
// never without its destruction after the next start, and there is one record.
func TestCrashWhileSweeping(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for at := 1; ; at++ {
			b := newBench(t)
			gone, kept := b.session("clinic", "short", short), b.session("clinic", "year", year)
			b.now = short.After(b.now)
			b.stop.at, b.stop.after = at, after
			_, err := b.keeper.Sweep(t.Context(), false)
			crashed := b.stop.dead
			if !crashed && err != nil {
				t.Fatal(err)
			}
			if _, err := b.vault.SessionTerms(gone.key); err != nil && at > 2 {
				if n := len(eventsOf[evidence.KeyDestroyed](b, evidence.TypeKeyDestroyed)); n != 1 {
					t.Fatalf("crash at %d (after: %v): the key is not used any more and there are %d records", at, after, n)
				}
			}
			b.reopen()
			b.sweep(false)
			b.wantReadable("the expired session", gone, false)
			b.wantReadable("the other", kept, true)
			if n := len(eventsOf[evidence.KeyDestroyed](b, evidence.TypeKeyDestroyed)); n != 1 {
				t.Errorf("crash at %d (after: %v): %d records", at, after, n)
			}
			st, err := b.keeper.Status(t.Context())
			if err != nil || st.Doomed != 0 || st.Damaged != 0 {
				t.Errorf("crash at %d: %+v, %v", at, st, err)
			}
			if !crashed {
				if at < 6 {
					t.Errorf("a sweep makes only %d changes", at-1)
				}
				break
			}
		}
	}
}

// TestHoldAfterACrash: a destruction that is not on record yet gives way to a
// hold; one that is on record does not.
func TestHoldAfterACrash(t *testing.T) {
	t.Parallel()
	for at, spared := range map[int]bool{1: true, 2: false} { // 1: doomed; 2: on record
		b := newBench(t)
		w := b.session("clinic", "short", short)
		b.now = short.After(b.now)
		b.stop.at, b.stop.after = at, true
		if _, err := b.keeper.Sweep(t.Context(), false); err == nil {
			t.Fatal("the world did not end")
		}
		b.close()
		b.open()
		b.hold(evidence.HoldFilter{Resource: "clinic"})
		b.must(b.keeper.Complete(t.Context()))
		b.wantReadable("under a hold", w, spared)
	}
}

func TestLegalHold(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	begin := b.now
	first, other := b.session("clinic", "short", short), b.session("billing", "short", short)
	for name, f := range map[string]evidence.HoldFilter{
		"session": {Session: first.id}, "resource": {Resource: "clinic"}, "grant": {Grant: "g_1"},
		"resource and principal": {Resource: "clinic", Principal: "ci:etl"},
		"time":                   {To: begin.Add(30 * time.Minute)}, "end": {From: begin.Add(time.Hour), To: begin.Add(59 * time.Minute).Add(time.Minute - 1).Add(1)},
	} {
		if name == "end" { // both sessions touch it
			continue
		}
		h := b.hold(f)
		b.now = short.After(b.now)
		r := b.sweep(true)
		held := map[sallyport.SessionID]string{}
		for _, d := range r.Due {
			held[d.Session] = d.Held
		}
		if r.Held != 1 || held[first.id] != h.ID || held[other.id] != "" {
			t.Errorf("%s: %+v", name, r)
		}
		b.now = b.now.AddDate(0, 0, -90)
		if _, err := b.keeper.ReleaseHold(t.Context(), "human:eve", h.ID, "settled"); err != nil {
			t.Fatal(err)
		}
	}
	h := b.hold(evidence.HoldFilter{Resource: "clinic"})
	later := b.session("clinic", "short", short) // begins under the hold
	b.now = short.After(b.now)
	b.reopen() // the ledger remembers
	if r := b.sweep(false); r.Held != 2 || r.Destroyed != 1 {
		t.Errorf("swept: %+v", r)
	}
	b.wantReadable("held", first, true)
	b.wantReadable("begun under the hold", later, true)
	b.wantReadable("not held", other, false)
	if _, err := b.keeper.Erase(t.Context(), "human:sam", first.id, "please"); sallyport.KindOf(err) != sallyport.Conflict || !strings.Contains(err.Error(), "legal hold") {
		t.Errorf("an erasure under a hold: %v", err)
	}
	b.wantReadable("after a refused erasure", first, true)

	if _, err := b.keeper.ReleaseHold(t.Context(), "human:eve", h.ID, "settled"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.keeper.ReleaseHold(t.Context(), "human:eve", h.ID, "again"); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("released twice: %v", err)
	}
	b.reopen()
	if r := b.sweep(false); r.Held != 0 || r.Destroyed != 2 {
		t.Errorf("after the release: %+v", r)
	}
	b.wantReadable("released", first, false)
	inForce, err := b.keeper.Holds(t.Context(), false)
	if err != nil || len(inForce) != 0 {
		t.Errorf("in force: %+v, %v", inForce, err)
	}
	all, err := b.keeper.Holds(t.Context(), true)
	if err != nil || len(all) != 6 || all[5].State != "released" || all[5].Why != "settled" || all[5].Case != "matter 7" || all[5].Reason != "litigation" {
		t.Errorf("all: %+v, %v", all, err)
	}
	for _, f := range []evidence.HoldFilter{{}, {From: b.now, To: b.now.Add(-1)}} {
		if _, err := b.keeper.SetHold(t.Context(), "human:eve", f, "m", "r"); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

func TestErase(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w, other := b.session("clinic", "year", year), b.session("clinic", "year", year)
	if _, err := b.keeper.Erase(t.Context(), "human:sam", "s_none", "x"); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("an unknown session: %v", err)
	}
	b.alive[w.id] = true
	if _, err := b.keeper.Erase(t.Context(), "human:sam", w.id, "x"); sallyport.KindOf(err) != sallyport.Conflict {
		t.Errorf("a live session: %v", err)
	}
	b.alive[w.id] = false
	path := filepath.Join(b.dir, "session-keys", "2027-11", w.key)
	backup, err := os.ReadFile(path)
	b.must(err)
	e, err := b.keeper.Erase(t.Context(), "human:sam", w.id, "ordered by the court")
	if err != nil || e.Rule != "erased" || e.By != "human:sam" || e.Reason != "ordered by the court" || e.Payloads != 3 || e.Blobs != 2 {
		t.Fatalf("%+v, %v", e, err)
	}
	if got := e.String(); !strings.HasPrefix(got, "erased on 2026-11-21 by order of human:sam (event ") {
		t.Errorf("it says: %s", got)
	}
	b.wantReadable("the erased session", w, false)
	b.wantReadable("the other", other, true)
	if _, err := b.keeper.Erase(t.Context(), "human:sam", w.id, "again"); sallyport.KindOf(err) != sallyport.Conflict || !strings.Contains(err.Error(), "erased on") {
		t.Errorf("twice: %v", err)
	}
	// A key store that is restored brings the key back, and it can be destroyed
	// again under the same record.
	b.must(os.WriteFile(path, backup, 0o600))
	if again, err := b.keeper.Erase(t.Context(), "human:sam", w.id, "again"); err != nil || again.Index != e.Index || again.Reason != "ordered by the court" {
		t.Errorf("after a restore: %+v, %v", again, err)
	}
	b.wantReadable("erased again", w, false)
	if n := len(eventsOf[evidence.KeyDestroyed](b, evidence.TypeKeyDestroyed)); n != 1 {
		t.Errorf("%d records", n)
	}
	st, err := b.keeper.Status(t.Context())
	if err != nil || len(st.Classes) != 1 || st.Classes[0].Kept != 1 || st.Classes[0].Name != "year" {
		t.Errorf("status: %+v, %v", st, err)
	}

	// A record of a release before there were keys to destroy.
	chain := evidence.NewChain("s_old")
	append1(b, &chain, evidence.TypeSessionOpen, evidence.SessionOpen{
		Principal: sallyport.Principal{ID: "ci:etl"}, Resource: "clinic", Keys: []evidence.WrappedKey{{ID: "dk_1", Purpose: "text", To: "age"}},
	})
	if _, err := b.keeper.Erase(t.Context(), "human:sam", "s_old", "x"); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("an old record: %v", err)
	}
}

// TestRun sweeps by the injected clock.
func TestRun(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w := b.session("clinic", "short", short)
	b.now = short.After(b.now)
	b.must(func() error {
		ctx, cancel := contextFor(t)
		defer cancel()
		done := make(chan struct{})
		go func() { defer close(done); b.keeper.Run(ctx, time.Hour) }()
		for range 1000 {
			if _, err := b.vault.SessionTerms(w.key); err != nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
		<-done
		return nil
	}())
	b.reopen()
	b.wantReadable("what the sweeper found", w, false)
}

// TestClockThatJumped: a sweeper does not destroy by a clock that is far ahead of
// the last sign of life, until somebody vouches for it.
func TestClockThatJumped(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	append1(b, nil, evidence.TypeStart, evidence.Start{Epoch: 1})
	w := b.session("clinic", "short", short)
	b.now = short.After(b.now)
	append1(b, nil, evidence.TypeStart, evidence.Start{Epoch: 2})
	b.reopen()
	runOnce(t, b)
	b.wantReadable("after a jump of the clock", w, true)
	if st, err := b.keeper.Status(t.Context()); err != nil || !strings.Contains(st.Stopped, "the last sign of life is of 2026-11-21") {
		t.Errorf("status: %+v, %v", st, err)
	}
	if r := b.sweep(true); r.Destroyed != 1 {
		t.Errorf("a dry run: %+v", r)
	}
	runOnce(t, b)
	b.wantReadable("after a dry run", w, true)
	if r := b.sweep(false); r.Destroyed != 1 {
		t.Errorf("by hand: %+v", r)
	}
	b.wantReadable("by hand", w, false)
}

// runOnce lets the sweeper look once: an end that has come already is heeded
// after the look.
func runOnce(t *testing.T, b *bench) {
	t.Helper()
	ctx, cancel := contextFor(t)
	done := make(chan struct{})
	go func() { defer close(done); b.keeper.Run(ctx, time.Hour) }()
	b.sweep(true) // the sweeper is at work or was
	cancel()
	<-done
}
