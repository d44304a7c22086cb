// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package grant

import (
	"sync"
	"time"
)

// clock is a wall clock that never runs backwards. It takes the latest of: the
// wall clock, the time since its start by the monotonic clock, and everything
// that it told before, in this process or, through the store, in an earlier one.
type clock struct {
	now  func() time.Time
	from time.Time // the first reading, with its monotonic part

	mu sync.Mutex
	r  ratchet // guarded by mu
}

func newClock(now func() time.Time, floor time.Time) *clock {
	from := now()
	return &clock{now: now, from: from, r: newRatchet(from, floor)}
}

// read returns the time in UTC, to the microsecond, which is what stores keep.
func (c *clock) read() time.Time {
	t := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.r.next(t, t.Sub(c.from)).Truncate(time.Microsecond)
}

// ratchet is the rule by which the clock goes on.
type ratchet struct {
	base time.Time // what the clock's start counts as
	last time.Time // what was told last
}

func newRatchet(wall, floor time.Time) ratchet {
	base := wall.Round(0).UTC() // without the monotonic part
	if floor.After(base) {
		base = floor
	}
	return ratchet{base: base, last: base}
}

// next takes the wall clock and the monotonic time since the start.
func (r *ratchet) next(wall time.Time, elapsed time.Duration) time.Time {
	wall = wall.Round(0).UTC()
	at := r.base.Add(elapsed)
	// When the wall clock leaps ahead, the monotonic count goes on from there:
	// else a later step back would let this clock stand still, and what is granted
	// meanwhile would last longer than it says.
	if wall.After(at) {
		r.base = r.base.Add(wall.Sub(at))
		at = wall
	}
	if at.After(r.last) {
		r.last = at
	}
	return r.last
}
