// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"io"

	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Rewrite masks a payload that is not read from its beginning to its end, or is
// written anew. write reads it by itself and hands out the masked form, which
// deliver takes in pieces that are good during the call only. The counts are those
// of [Body.Counts].
func Rewrite(like Count, write func(w *text.Work, out io.Writer) error, deliver func(Masked) error) ([]Count, error) {
	b := &Body{work: &text.Work{}, w: rewriting{}, seen: 1}
	if err := write(b.work, delivery(deliver)); err != nil {
		return nil, err
	}
	return b.Counts(like), nil
}

// delivery is a writer to who takes masked pieces.
type delivery func(Masked) error

// Write implements [io.Writer].
func (d delivery) Write(b []byte) (int, error) {
	if err := d(Masked{b: b}); err != nil {
		return 0, err
	}
	return len(b), nil
}

// rewriting stands in the place of a payload's writer where there is none.
type rewriting struct{}

func (rewriting) Write(b []byte) (int, error) { return len(b), nil }
func (rewriting) Flush() error                { return nil }
func (rewriting) Abort()                      {}
func (rewriting) Failed() int                 { return 0 }

// Failed returns how many parts of the payload were not of its kind and were masked
// whole.
func (b *Body) Failed() int {
	if b.w == nil {
		return 0
	}
	return b.w.Failed()
}

// Restored returns what was [Masked] before it was sealed, and has been opened
// again. It is sound as long as who calls it opens bytes only by an authenticated
// cipher whose key never left the gateway, and seals nothing but Masked under that
// key: then no bytes open but those that were masked. internal/lint holds the one
// caller to it. b is not copied and must not change afterwards.
func Restored(b []byte) Masked { return Masked{b: b} }
