// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package grant

import "time"

// Ratchet returns the rule of the service's clock, started at wall with what the
// store remembers. Tests need the wall clock and the monotonic one apart, which
// a time.Time does not offer.
func Ratchet(wall, floor time.Time) func(wall time.Time, elapsed time.Duration) time.Time {
	r := newRatchet(wall, floor)
	return r.next
}
