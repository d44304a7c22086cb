// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

// TypeShipping is a [Shipping]: a change in how a destination outside of the
// gateway keeps up with the ledger.
const TypeShipping Type = "shipping"

// The states of a [Shipping].
const (
	ShippingBehind   = "behind"    // events have waited longer than they should
	ShippingRefused  = "refused"   // the receiver does not take what it is sent
	ShippingRejected = "rejected"  // the receiver did not keep some events, and does not want them again
	ShippingCaughtUp = "caught-up" // after one of the others
)

// Shipping is the body of TypeShipping.
type Shipping struct {
	Destination string `json:"destination"`
	State       string `json:"state"`
	Next        uint64 `json:"next"` // ledger index of the first event that the receiver does not have
	Size        uint64 `json:"size"` // of the ledger then
	Reason      string `json:"reason,omitempty"`
}
