// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package grant_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/grant"
)

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestWatch runs in synthetic time: the bench's own clock is set along with it.
func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		sleep := func(d time.Duration) { b.pass(d); time.Sleep(d); synctest.Wait() }
		sp := spec()
		sp.Window = 30 * time.Second // short: every tick of synthetic time asks the real store
		r, err := b.Request(t.Context(), sp)
		if err != nil {
			t.Fatal(err)
		}
		expiring := b.approve(t, r.ID).Grant
		sp.Role, sp.Window = "other", time.Hour
		if r, err = b.Request(t.Context(), sp); err != nil {
			t.Fatal(err)
		}
		revoked := b.approve(t, r.ID).Grant
		end1, stop1 := b.Watch(expiring)
		end2, stop2 := b.Watch(expiring)
		end3, stop3 := b.Watch(revoked)
		defer stop1()
		defer stop3()
		sleep(29 * time.Second)
		if isClosed(end1) || isClosed(end2) || isClosed(end3) {
			t.Fatal("a watch ended before its grant")
		}
		stop2()
		stop2()
		sleep(2 * time.Second)
		if !isClosed(end1) {
			t.Error("the watch outlived the grant by a second")
		}
		if isClosed(end2) || isClosed(end3) {
			t.Error("another watch ended as well")
		}
		if _, err := b.Revoke(t.Context(), revoked, "human:ann", "incident 7"); err != nil {
			t.Fatal(err)
		}
		if !isClosed(end3) {
			t.Error("the watch outlived the revocation")
		}
		_, err = b.Revoke(t.Context(), revoked, "human:ann", "again")
		wantKind(t, "second Revoke", err, sallyport.Conflict)
		_, err = b.Revoke(t.Context(), "gr_none", "human:ann", "incident 7")
		wantKind(t, "Revoke of nothing", err, sallyport.NotFound)
		_, err = b.Revoke(t.Context(), revoked, "human:ann", "")
		wantKind(t, "Revoke without a reason", err, sallyport.Invalid)
		for _, id := range []sallyport.GrantID{expiring, revoked, "gr_none", ""} {
			end, stop := b.Watch(id)
			if !isClosed(end) {
				t.Errorf("the watch of %q, which is not active, is open", id)
			}
			stop()
		}
		sp.Role = "third"
		if r, err = b.Request(t.Context(), sp); err != nil {
			t.Fatal(err)
		}
		end4, stop4 := b.Watch(b.approve(t, r.ID).Grant)
		defer stop4()
		b.Close()
		if !isClosed(end4) {
			t.Error("a watch outlived the service that would have ended it")
		}
		end5, stop5 := b.Watch(revoked)
		defer stop5()
		if !isClosed(end5) {
			t.Error("a closed service watches")
		}
	})
}

// TestForeignRevocation has another process on the same store revoke.
func TestForeignRevocation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		g := b.approve(t, b.request(t).ID).Grant
		first := b.Service
		end, stop := first.Watch(g)
		defer stop()
		waiting := b.hold(t)
		decided := make(chan grant.State, 1)
		go func() {
			r, err := first.Wait(t.Context(), waiting.ID)
			if err != nil {
				t.Errorf("Wait: %v", err)
			}
			decided <- r.State
		}()
		b.open(t) // the second process
		if _, err := b.Revoke(t.Context(), g, "human:ann", "incident 7"); err != nil {
			t.Fatal(err)
		}
		b.approve(t, waiting.ID)
		time.Sleep(time.Second)
		synctest.Wait()
		if !isClosed(end) {
			t.Error("the watch outlived a revocation elsewhere by a second")
		}
		if s := <-decided; s != grant.Approved {
			t.Errorf("Wait returned %s", s)
		}
	})
}

func TestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		type result struct {
			r   grant.Request
			err error
		}
		wait := func(ctx context.Context, id sallyport.RequestID) <-chan result {
			c := make(chan result, 1)
			go func() { r, err := b.Wait(ctx, id); c <- result{r, err} }()
			return c
		}
		approved, denied, expired, withdrawn, left := b.hold(t), b.hold(t), b.hold(t), b.hold(t), b.hold(t)
		ctx, cancel := context.WithCancel(t.Context())
		waits := []<-chan result{
			wait(t.Context(), approved.ID), wait(t.Context(), denied.ID), wait(t.Context(), expired.ID), wait(t.Context(), withdrawn.ID), wait(ctx, left.ID),
		}
		second := wait(t.Context(), approved.ID)
		time.Sleep(3 * time.Second)
		b.approve(t, approved.ID)
		if _, err := b.Decide(t.Context(), denied.ID, ann(), false, "not today"); err != nil {
			t.Fatal(err)
		}
		if err := b.Withdraw(t.Context(), withdrawn.ID, "the client went away"); err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		if got := <-waits[4]; !errors.Is(got.err, context.Canceled) || sallyport.KindOf(got.err) != sallyport.Held {
			t.Errorf("cancelled Wait = %v", got.err)
		}
		b.pass(10 * time.Minute)
		for i, want := range []grant.State{grant.Approved, grant.Denied, grant.Expired, grant.Withdrawn} {
			if got := <-waits[i]; got.err != nil || got.r.State != want {
				t.Errorf("Wait %d = %s, %v; want %s", i, got.r.State, got.err, want)
			}
		}
		if got := <-second; got.err != nil || got.r.Rationale != "agreed with the owner" {
			t.Errorf("second Wait = %+v, %v", got.r, got.err)
		}
		if got := <-wait(t.Context(), denied.ID); got.err != nil || got.r.State != grant.Denied || got.r.Rationale != "not today" {
			t.Errorf("Wait for a decided one = %+v, %v", got.r, got.err)
		}
		if got := <-wait(t.Context(), "req_none"); sallyport.KindOf(got.err) != sallyport.NotFound {
			t.Errorf("Wait for nothing = %v, want not found", got.err)
		}
		late, cancelLate := context.WithTimeout(t.Context(), time.Second)
		defer cancelLate()
		if got := <-wait(late, b.hold(t).ID); !errors.Is(got.err, context.DeadlineExceeded) {
			t.Errorf("Wait in vain = %v, want deadline exceeded", got.err)
		}
	})
}

// TestClockSetBack sets the wall clock back, while the service runs and while it
// does not: neither prolongs a grant or an approval.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	g := b.approve(t, b.request(t).ID).Grant
	h := b.hold(t)
	b.approve(t, h.ID)
	b.pass(14 * time.Minute)
	if _, ok := b.Active(t.Context(), "ci:etl", "clinic", "claims-etl"); !ok {
		t.Fatal("the grant ended early")
	}
	b.setTo(-24 * time.Hour)
	_, err := b.Use(t.Context(), h.ID, "bound")
	wantKind(t, "Use after the clock was set back", err, sallyport.Denied)
	b.setTo(15 * time.Minute)
	if _, ok := b.Active(t.Context(), "ci:etl", "clinic", "claims-etl"); ok {
		t.Fatal("the grant outlived its window")
	}
	b.setTo(0)
	if _, ok := b.Active(t.Context(), "ci:etl", "clinic", "claims-etl"); ok {
		t.Error("setting the clock back revived a grant")
	}
	waitFor(t, "the record of the expiry", func() bool { return !activeGrant(t, b, g) })

	// A window that was still open when the process died, with the time on record.
	g = b.approve(t, b.request(t).ID).Grant
	granted, err := b.Grant(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	if _, err := b.store.Grants().Clock(t.Context(), granted.NotAfter); err != nil {
		t.Fatal(err)
	}
	b.setTo(0)
	b.open(t)
	if activeGrant(t, b, g) {
		t.Error("a restart with the clock set back prolonged a grant")
	}
	if _, ok := b.Active(t.Context(), "ci:etl", "clinic", "claims-etl"); ok {
		t.Error("a restart with the clock set back prolonged a grant")
	}
}

// TestExpiredWhileDown starts on a store whose requests and grants ran out.
func TestExpiredWhileDown(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	g := b.approve(t, b.request(t).ID).Grant
	open, approved := b.hold(t), b.hold(t)
	b.approve(t, approved.ID)
	b.Close()
	b.pass(time.Hour)
	b.open(t)
	if activeGrant(t, b, g) {
		t.Error("the grant is still active")
	}
	for _, id := range []sallyport.RequestID{open.ID, approved.ID} {
		if r, err := b.Lookup(t.Context(), id); err != nil || r.State != grant.Expired {
			t.Errorf("request is %s, %v; want expired", r.State, err)
		}
	}
	got, err := b.List(t.Context(), grant.RequestFilter{States: []grant.State{grant.Approved}})
	if err != nil || len(got) != 1 || got[0].Kind != grant.ForGrant {
		t.Errorf("approved: %+v, %v; want the request for the grant alone", got, err)
	}
}

// TestRatchet moves the wall clock against the monotonic one.
func TestRatchet(t *testing.T) {
	t.Parallel()
	type reading struct{ wall, elapsed, want time.Duration } // from start
	tests := []struct {
		name     string
		floor    time.Duration
		readings []reading
	}{
		{"as it should be", 0, []reading{{0, 0, 0}, {time.Second, time.Second, time.Second}, {time.Hour, time.Hour, time.Hour}}},
		{"set back: time goes on", 0, []reading{{time.Minute, time.Minute, time.Minute}, {-time.Hour, 2 * time.Minute, 2 * time.Minute}}},
		{"the machine slept: time leaps", 0, []reading{{time.Hour, time.Second, time.Hour}, {time.Hour + time.Second, 2 * time.Second, time.Hour + time.Second}}},
		{"leapt and set right: time goes on from the leap", 0, []reading{
			{time.Hour, time.Second, time.Hour}, {2 * time.Second, 2 * time.Second, time.Hour + time.Second}, {time.Minute, time.Minute, time.Hour + 59*time.Second},
		}},
		{"started behind the record: time goes on from the record", time.Hour, []reading{{0, 0, time.Hour}, {time.Second, time.Second, time.Hour + time.Second}}},
		{"no monotonic clock, set back: time stands", 0, []reading{{time.Hour, time.Hour, time.Hour}, {time.Minute, time.Minute, time.Hour}}},
	}
	for _, tt := range tests {
		next := grant.Ratchet(start(), start().Add(tt.floor))
		for i, r := range tt.readings {
			if got := next(start().Add(r.wall), r.elapsed); !got.Equal(start().Add(r.want)) {
				t.Errorf("%s: reading %d is start + %v, want + %v", tt.name, i, got.Sub(start()), r.want)
			}
		}
	}
}
