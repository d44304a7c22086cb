// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"bytes"
	"io"

	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/csvmask"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Table returns the mask of a file of CSV of any size, record by record. Where a
// record is not one of the table it ends with an error of kind Integrity; then
// nothing may be made of what it gave before. It is for what is delivered only when
// it is whole; [Masks.Body] gathers the file and masks it or none of it.
func (m *Masks) Table() *mask.Body {
	return mask.NewBody(func(w *text.Work, sink io.Writer) mask.PayloadWriter { return &table{m: m, w: w, sink: sink} })
}

// table masks one file.
type table struct {
	m    *Masks
	w    *text.Work
	sink io.Writer
	head []byte          // the beginning, until its first line is there
	s    *csvmask.Stream // nil until then
	out  []byte
}

// Write implements [Writer].
func (t *table) Write(p []byte) (int, error) {
	if t.s == nil {
		t.head = append(t.head, p...)
		if len(t.head) < HeadLen {
			return len(p), nil
		}
		return len(p), t.begin()
	}
	return len(p), t.put(p)
}

// begin decides about the table by its beginning.
func (t *table) begin() error {
	sep, after := cutSeparator(bytes.TrimPrefix(t.head, byteOrderMark))
	body := t.head
	if after != nil {
		body = after
	}
	if headless(bytes.TrimPrefix(body, byteOrderMark)) {
		return errHeadless()
	}
	c, err := t.m.csv(body, sep)
	if err != nil {
		return err
	}
	if _, err := t.sink.Write(t.head[:len(t.head)-len(body)]); err != nil {
		return err
	}
	t.s = c.Stream(t.w)
	t.head = nil
	return t.put(body)
}

func (t *table) put(p []byte) error {
	var err error
	if t.out, err = t.s.Append(t.out[:0], p); err != nil {
		return err
	}
	_, err = t.sink.Write(t.out)
	return err
}

// Flush implements [Writer].
func (t *table) Flush() error {
	if t.s == nil {
		if err := t.begin(); err != nil {
			return err
		}
	}
	var err error
	if t.out, err = t.s.Flush(t.out[:0]); err != nil {
		return err
	}
	_, err = t.sink.Write(t.out)
	return err
}

// Abort implements [Writer].
func (t *table) Abort() {
	clear(t.head)
	t.head = nil
}

// Failed implements [Writer]. A part that is not of the table is an error.
func (t *table) Failed() int { return 0 }
