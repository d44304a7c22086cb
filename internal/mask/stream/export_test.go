// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream

// SetStepForTest has t scan after every n bytes, so that it cuts at every place.
func (t *Text) SetStepForTest(n int) { t.step, t.due = n, n }

// HeldForTest returns how many bytes t holds memory for.
func (t *Text) HeldForTest() int { return cap(t.buf) + cap(t.out.buf) }

// HeldForTest returns how many bytes t holds memory for.
func (t *Terminal) HeldForTest() int { return cap(t.line) + cap(t.seq) + cap(t.context) }

// HeldForTest returns how many bytes r holds memory for.
func (r *Records) HeldForTest() int { return cap(r.buf) }
