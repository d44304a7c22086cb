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

	mu   sync.Mutex
	base time.Time // what the first reading counts as; guarded by mu
	last time.Time // guarded by mu
}

func newClock(now func() time.Time, floor time.Time) *clock {
	from := now()
	base := from.Round(0).UTC() // without the monotonic part
	if floor.After(base) {
		base = floor
	}
	return &clock{now: now, from: from, base: base, last: base}
}

// read returns the time in UTC, to the microsecond, which is what stores keep.
func (c *clock) read() time.Time {
	t := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.base.Add(t.Sub(c.from))
	// When the wall clock leaps ahead, the monotonic count goes on from there:
	// else a later step back would let this clock stand still, and what is granted
	// meanwhile would last longer than it says.
	if wall := t.Round(0).UTC(); wall.After(at) {
		c.base = c.base.Add(wall.Sub(at))
		at = wall
	}
	if at.After(c.last) {
		c.last = at
	}
	return c.last.Truncate(time.Microsecond)
}
