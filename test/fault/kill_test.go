// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKillAtEveryCall kills the writer at its first, second, third … call of each
// kind that the ledger makes, until there are no more of it.
func TestKillAtEveryCall(t *testing.T) {
	for _, call := range []string{"openat", "mkdirat", "write", "pwrite64", "fsync", "fdatasync", "renameat", "unlinkat"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			r := fault(t, "kill -9 at "+call, "strace, the writer's n-th call")
			for when := 1; when <= pick(60, 200); when += step(when, pick(4, 12)) {
				wrap, fired := injection{call: call, what: "signal=SIGKILL", when: when}.tracer(t)
				w := writer{dir: t.TempDir(), writers: 2, count: 120, buffered: call == "fdatasync", wrap: wrap}
				res := w.run(t, 0, map[uint64]string{})
				n := fired()
				if n == 0 {
					if res.code != exitDone {
						t.Errorf("call %d: nothing was injected, and the writer ended with %d: %s", when, res.code, res.text)
					}
					break
				}
				r.fired += n
				r.acked += len(res.acked)
				opt, err := options(w.dir, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.lost += inspect(t, opt, res.acked)
			}
		})
	}
}

// step goes through the first few one by one and then in growing strides.
func step(when, dense int) int { return 1 + when/dense }

// TestKillAtRandom kills a writer under load again and again, on one log.
func TestKillAtRandom(t *testing.T) {
	t.Parallel()
	r := fault(t, "kill -9 at random", "a signal after 10 to 250 ms")
	rng := rand.New(rand.NewPCG(4, 4))
	w := writer{dir: t.TempDir(), writers: 8, count: 1 << 30}
	opt, err := options(w.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	acked := map[uint64]string{}
	for range pick(8, 60) {
		res := w.run(t, time.Duration(10+rng.IntN(240))*time.Millisecond, acked)
		if res.code != -1 {
			t.Fatalf("the writer ended by itself with %d: %s", res.code, res.text)
		}
		r.fired++
		r.lost = max(r.lost, inspect(t, opt, acked))
	}
	r.acked = len(acked)
}

// TestFailingCalls lets a call fail and wants every later write to fail as well,
// no acknowledged leaf lost, and the failed write not tried again.
func TestFailingCalls(t *testing.T) {
	for _, tc := range []struct {
		call     string
		buffered bool
		whens    []int
		once     bool // a second failing call would be a second try
		on       []string
	}{
		{call: "pwrite64", whens: []int{1, 2, 5, 20}, once: true},
		{call: "fdatasync", buffered: true, whens: []int{1, 2, 5, 20}, once: true},
		{call: "fsync", whens: []int{3, 10, 150}},
		{call: "write", whens: []int{1, 2}, on: []string{"wal/0000000000000000.wal", "wal/0000000000000001.wal", "wal/0000000000000002.wal", "tiles/checkpoint.tmp"}},
		{call: "renameat", whens: []int{1, 2, 3}},
	} {
		for _, errno := range []string{"EIO", "ENOSPC"} {
			t.Run(tc.call+" "+errno, func(t *testing.T) {
				t.Parallel()
				r := fault(t, errno+" on "+tc.call, "strace, the writer's n-th call")
				for _, when := range tc.whens {
					dir := t.TempDir()
					inj := injection{call: tc.call, what: "error=" + errno, when: when}
					for _, name := range tc.on {
						inj.on = append(inj.on, filepath.Join(dir, name))
					}
					wrap, fired := inj.tracer(t)
					w := writer{dir: dir, writers: 3, count: 200, buffered: tc.buffered, wrap: wrap}
					res := w.run(t, 0, map[uint64]string{})
					n := fired()
					r.fired += n
					r.acked += len(res.acked)
					if n == 0 {
						continue
					}
					if tc.once && n != 1 {
						t.Errorf("call %d failed %d times: the write was tried again", when, n)
					}
					judge(t, r, res, when)
					opt, err := options(w.dir, nil)
					if err != nil {
						t.Fatal(err)
					}
					r.lost += inspect(t, opt, res.acked)
				}
			})
		}
	}
}

// judge looks at how the writer ended after a call of it had failed.
func judge(t *testing.T, r *row, res result, when int) {
	t.Helper()
	switch {
	case res.code == exitRevived:
		t.Errorf("call %d: the log took something after it had failed", when)
	case res.code == exitDone:
		r.undetected++
		t.Errorf("call %d: the failure went unnoticed: %s", when, res.text)
	case res.code != exitDone && res.code != exitPoisoned && res.code != exitRefused:
		t.Errorf("call %d: the writer ended with %d: %s", when, res.code, res.text)
	case res.code == exitRefused && !strings.Contains(res.text, "unavailable"):
		t.Errorf("call %d: refused by the wrong kind: %s", when, res.text)
	}
}
