// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"io"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// window is how many bytes come in between two scans. Each scan reads what is
// held back and its context once more, so a window of sixteen times as much
// costs little; it bounds, too, how far the output is behind.
const window = 16 << 10

// Text masks running text. It holds back up to 16 KiB, and up to 64 KiB where
// the text has no white space; a longer token is replaced by [Oversized].
type Text struct {
	out   output
	buf   []byte // context that has gone out, then what is pending
	at    int    // where the pending bytes begin
	step  int    // how many bytes come in between two scans
	due   int    // how many pending bytes the next scan waits for
	skip  bool   // inside a token that was replaced
	found []scan.Span
}

// NewText returns a writer that hands masked text to sink.
func NewText(m *text.Masker, w *text.Work, sink io.Writer) *Text {
	return &Text{out: output{m: m, w: w, sink: sink}, step: window, due: window}
}

// Write takes the next piece. It keeps nothing of p.
func (t *Text) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if t.out.err != nil {
			return n - len(p), t.out.err
		}
		if t.skip {
			i := indexSpace(p)
			if i < 0 {
				t.out.base += int64(len(p))
				return n, nil
			}
			t.skip, p = false, p[i:]
			t.out.base += int64(i)
		}
		k := min(len(p), t.at+t.due-len(t.buf))
		t.buf = append(t.buf, p[:k]...)
		p = p[k:]
		if len(t.buf) == t.at+t.due {
			t.advance()
		}
	}
	return n, t.out.err
}

// advance hands on what can be decided about.
func (t *Text) advance() {
	t.scan()
	cut := cutBefore(t.buf, t.found, t.at, len(t.buf)-scan.Right)
	switch {
	case cut > t.at:
		t.release(cut)
		from := contextBefore(t.buf, t.found, cut)
		t.buf = t.buf[:copy(t.buf, t.buf[from:])]
		t.at = cut - from
		t.out.base += int64(from)
	case t.due == maxToken:
		t.out.oversized()
		t.out.base += int64(len(t.buf))
		t.buf, t.at, t.skip = t.buf[:0], 0, true
	}
	t.due = min(len(t.buf)-t.at+t.step, maxToken)
	_ = t.out.flush() // Write returns out.err
}

func (t *Text) scan() {
	t.found = t.out.m.Scanner.Scan(t.found[:0], t.buf, &t.out.w.Known)
}

// release masks the pending bytes before to, which no finding crosses. A finding
// that begins in the context is one that only what followed has shown: what is
// left of it goes.
func (t *Text) release(to int) {
	at, o := t.at, &t.out
	for _, s := range t.found {
		if s.End <= at {
			continue
		}
		if s.Start >= to {
			break
		}
		partly := s.Start < at
		if partly && o.keeps(s.Entity) {
			continue
		}
		o.buf = append(o.buf, t.buf[at:max(at, s.Start)]...)
		o.replace(t.buf, s, partly)
		at = s.End
	}
	o.buf = append(o.buf, t.buf[at:to]...)
}

// Flush hands on the rest and ends the stream.
func (t *Text) Flush() error {
	if t.out.err != nil {
		return t.out.err
	}
	t.scan()
	t.release(len(t.buf))
	err := t.out.flush()
	t.Abort()
	return err
}

// Abort drops what is pending and ends the stream.
func (t *Text) Abort() {
	clear(t.buf)
	t.buf, t.at = nil, 0
	t.out.end()
}
