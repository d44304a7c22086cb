// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ship

import (
	"context"
	"time"

	"github.com/sallyport-dev/sallyport/internal/export/ocsf"
)

// Batch is a run of events without a gap.
type Batch struct {
	Origin  string
	Product string // version of the gateway
	Events  []ocsf.Event
	Bytes   int // of all events
}

// From returns the index of the first event.
func (b Batch) From() uint64 { return b.Events[0].Index }

// To returns the index of the last event.
func (b Batch) To() uint64 { return b.Events[len(b.Events)-1].Index }

// Sink is the sending side of one kind of receiver. It is used by one goroutine
// at a time.
type Sink interface {
	// Send returns nil when the receiver has the whole batch, as far as its
	// protocol can tell. The kind of an error says what to do: after Unavailable
	// the batch is sent again soon, after any other kind slowly, since somebody has
	// to do something first. Events that were sent before may be sent again.
	Send(ctx context.Context, b Batch) error
	// Close gives up what the sink holds.
	Close() error
}

// Rewinder is a sink whose protocol has no acknowledgement. At its start it is
// sent again what was sent last.
type Rewinder interface {
	// Rewind returns how many events that is.
	Rewind() uint64
}

// LaterError is an error of a receiver that says when to try again.
type LaterError struct {
	After time.Duration
	Err   error
}

// Error renders the cause.
func (e *LaterError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *LaterError) Unwrap() error { return e.Err }

// TooLargeError is an error of a receiver that takes no batch of this size. The
// batch is made smaller as long as it has more than one event.
type TooLargeError struct{ Err error }

// Error renders the cause.
func (e *TooLargeError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *TooLargeError) Unwrap() error { return e.Err }

// RejectedError says that the receiver took a batch except for some events, and
// must not be sent it again. The cursor moves on; what was rejected goes on
// record.
type RejectedError struct {
	Events int64
	Err    error
}

// Error renders the cause.
func (e *RejectedError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RejectedError) Unwrap() error { return e.Err }
