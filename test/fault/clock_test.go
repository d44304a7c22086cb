// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// clock is a clock that can be set.
type clock struct{ off atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Round(0).Add(time.Duration(c.off.Load())) }

// TestClock sets the gateway's clock back and forward while a session is open. The
// session goes on, new ones begin, checkpoints and heartbeats follow, and the
// events show what the clock did.
func TestClock(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, how string
		jump      time.Duration
		shown     func(t *testing.T, bundle []byte, rep *evidence.Report) bool
	}{
		{"gateway: clock set back", "injected clock, by two hours", -2 * time.Hour, wentBack},
		{"gateway: clock set forward", "injected clock, by three days", 72 * time.Hour, wentForward},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := fault(t, tc.name, tc.how)
			c := &clock{}
			g := &rig{acked: map[string]bool{}}
			g.Gateway = gatewaytest.Start(t, gatewaytest.Open(), gatewaytest.Schema(marks), gatewaytest.MoreLabels("  public.marks.*: public\n"), gatewaytest.Clock(c.now))
			conn := g.Connect(t)
			statement(t, r, conn)
			before := c.now()
			c.off.Store(int64(tc.jump))
			if got := c.now().Sub(before); (got < 0) == (tc.jump < 0) {
				r.fired++
			}
			statement(t, r, conn)                                 // of the open session
			statement(t, r, g.Connect(t))                         // of a new one
			time.Sleep(time.Duration(pick(12, 25)) * time.Second) // for a heartbeat, or two
			statement(t, r, conn)
			c.off.Store(0) // deadlines of the export are by this clock too, where the machine's own has a part that nobody sets
			bundle := g.bundle(t)
			rep, err := evidence.Verify(bytes.NewReader(bundle), int64(len(bundle)), evidence.Options{Keys: []string{g.VerifierKeys()[0]}})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range rep.Faults {
				t.Errorf("fault in an honest bundle: %v", f)
			}
			if !rep.WholeLog || rep.Sessions < 2 || len(rep.MayHaveExecuted) > 0 {
				t.Errorf("the report: whole %v, %d sessions, may have executed %v", rep.WholeLog, rep.Sessions, rep.MayHaveExecuted)
			}
			if !tc.shown(t, bundle, rep) {
				r.undetected++
				t.Errorf("the evidence does not show it")
			}
			if beats := heartbeats(t, bundle); beats < pick(1, 2) {
				t.Errorf("%d heartbeats", beats)
			}
			g.Stop(t)
			g.aftermath(t, r)
		})
	}
}

// statement makes one statement, which must be answered.
func statement(t *testing.T, r *row, conn *pgx.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := conn.Exec(ctx, "update marks set n = n + 1 where id = 1"); err != nil {
		r.lost++
		t.Errorf("a statement failed: %v", err)
		return
	}
	r.acked++
}

// events calls f with every event of a bundle, in order.
func events(t *testing.T, bundle []byte, f func(typ evidence.Type, at time.Time, mono int64)) {
	t.Helper()
	for line := range bytes.Lines(member(t, bundle, evidence.LeavesName)) {
		var l struct {
			Leaf struct {
				Type evidence.Type
				Time time.Time
				Mono int64
			}
		}
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		f(l.Leaf.Type, l.Leaf.Time, l.Leaf.Mono)
	}
}

// wentBack reports whether the events show a clock that was set back: the wall
// clock of one is far behind that of the event before, and the other is not.
func wentBack(t *testing.T, bundle []byte, _ *evidence.Report) (shown bool) {
	t.Helper()
	var wall time.Time
	var last int64
	events(t, bundle, func(_ evidence.Type, at time.Time, mono int64) {
		if at.Before(wall.Add(-time.Hour)) {
			shown = true
		}
		if mono < last {
			t.Errorf("the clock that never goes back did: %d after %d", mono, last)
		}
		wall, last = at, mono
	})
	return shown
}

// wentForward reports whether the evidence shows the time that was left out.
func wentForward(_ *testing.T, _ []byte, rep *evidence.Report) bool {
	return slices.ContainsFunc(rep.Record.Lacks, func(x evidence.Lack) bool { return x.Kind == evidence.LackSilence })
}

func heartbeats(t *testing.T, bundle []byte) (n int) {
	t.Helper()
	events(t, bundle, func(typ evidence.Type, _ time.Time, _ int64) {
		if typ == evidence.TypeHeartbeat {
			n++
		}
	})
	return n
}
