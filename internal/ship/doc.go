// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package ship sends the ledger's events to receivers outside of the gateway, at
// least once, in the order of the ledger.
//
// A [Shipper] serves one destination. It reads what is under a published
// checkpoint, turns it into OCSF events (package ocsf), and hands them to its
// [Sink] in batches. Its cursor, the ledger index of the first event that the
// receiver does not have, is a file of its own. It moves after the receiver has
// acknowledged a batch and never before, so that a gateway that is killed at any
// moment sends a batch twice rather than not at all.
//
// A shipper stands beside the way of statements: nobody waits for it, and a
// destination that is down, slow or refuses delays nothing but itself. How far
// behind it is stands in its [Status], in the operator's log, and in the ledger
// itself as a shipping event whenever that changes.
//
// What a receiver refuses is tried again slowly, for ever, and never skipped.
package ship
