// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"io"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// PayloadWriter masks one payload that is written to it in pieces, and hands the
// masked pieces to the sink that it was made with. Package payload makes them.
type PayloadWriter interface {
	io.Writer
	// Flush says that the payload has ended and hands on what is pending.
	Flush() error
	// Abort drops what is pending.
	Abort()
	// Failed returns how many parts were not of the payload's kind.
	Failed() int
}

// Body masks a payload as it comes from a target: the body of an HTTP answer, an
// object, a page of results. It is used by one goroutine.
type Body struct {
	out  pieces
	w    PayloadWriter
	work *text.Work
	seen uint64
}

// pieces gathers what a writer hands on.
type pieces struct{ b []byte }

// Write implements [io.Writer].
func (p *pieces) Write(b []byte) (int, error) {
	p.b = append(p.b, b...)
	return len(b), nil
}

// NewBody returns the mask of one payload; open makes the writer for it.
func NewBody(open func(w *text.Work, sink io.Writer) PayloadWriter) *Body {
	b := &Body{work: &text.Work{}}
	b.w = open(b.work, &b.out)
	return b
}

// ClearBody returns the mask of a payload that policy shows as it is. What it makes of
// a piece is not a copy of it: it is good only as long as the piece is.
func ClearBody() *Body { return &Body{} }

// Write takes a piece and returns what may leave now, which can be nothing. After
// an error nothing more of the payload may leave.
func (b *Body) Write(r Raw) (Masked, error) {
	b.seen += uint64(len(r.b))
	if b.w == nil {
		return Masked(r), nil
	}
	if _, err := b.w.Write(r.b); err != nil {
		return Masked{}, err
	}
	return b.take(), nil
}

// Idle tells that nothing has come for a while, and returns what of the pending
// bytes no further one can make part of a finding. Only masks of terminals have
// anything to say then.
func (b *Body) Idle() (Masked, error) {
	w, ok := b.w.(interface{ Idle() error })
	if !ok {
		return Masked{}, nil
	}
	if err := w.Idle(); err != nil {
		return Masked{}, err
	}
	return b.take(), nil
}

// Flush ends the payload and returns what was pending.
func (b *Body) Flush() (Masked, error) {
	if b.w == nil {
		return Masked{}, nil
	}
	if err := b.w.Flush(); err != nil {
		return Masked{}, err
	}
	return b.take(), nil
}

// Abort drops what is pending.
func (b *Body) Abort() {
	if b.w != nil {
		b.w.Abort()
	}
}

func (b *Body) take() Masked {
	m := Masked{b: b.out.b}
	b.out.b = nil
	return m
}

// maxFindings bounds the kinds of findings that the counts of one payload name.
const maxFindings = 500

// Counts returns what was done to the payload, under what like says of it: the
// payload as a whole first, and then each kind of finding.
func (b *Body) Counts(like Count) []Count {
	if b.w == nil || b.seen == 0 {
		return nil
	}
	found := b.work.Tally.Take()
	whole := like
	whole.Operator, whole.Seen = OpScan, 1
	if len(found) > 0 || b.w.Failed() > 0 {
		whole.Masked = 1
	}
	whole.Fallback = uint64(b.w.Failed())
	whole.Undecodable = whole.Fallback
	out := []Count{whole}
	for i, f := range found {
		c := like
		c.Reason, c.Operator, c.Entity, c.Rule, c.Locus, c.Hits = ReasonFinding, f.Operator.String(), f.Entity.String(), f.Rule, f.Locus, f.N
		if i == maxFindings {
			c.Entity, c.Rule, c.Locus = "(and "+strconv.Itoa(len(found)-i)+" more kinds)", "", ""
			c.Hits = 0
			for _, rest := range found[i:] {
				c.Hits += rest.N
			}
			return append(out, c)
		}
		out = append(out, c)
	}
	return out
}

// Whole is the count of a payload of which nothing is shown.
func Whole(like Count) Count {
	like.Operator, like.Seen, like.Masked = OpRedact, 1, 1
	return like
}
