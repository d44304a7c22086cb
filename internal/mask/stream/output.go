// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"io"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Oversized stands for what was too large to be decided about.
const Oversized = "[OVERSIZED]"

// maxToken is how many bytes without a boundary are held back at most.
const maxToken = 64 << 10

// The rules of masking events that no scanner gave.
const (
	ruleOversized = "stream.oversized"
	ruleFailed    = "stream.failed"
)

// output collects masked bytes and hands them to the sink.
type output struct {
	m    *text.Masker
	w    *text.Work
	sink io.Writer
	buf  []byte
	base int64 // bytes of the stream before the text that is scanned
	err  error // once set, nothing goes out any more
}

// flush hands on what was collected.
func (o *output) flush() error {
	if o.err != nil || len(o.buf) == 0 {
		return o.err
	}
	_, o.err = o.sink.Write(o.buf)
	o.buf = o.buf[:0]
	return o.err
}

// end refuses everything from now on.
func (o *output) end() {
	if o.err == nil {
		o.err = sallyport.E(sallyport.Internal, "mask stream", "the stream has ended").
			WithHint("make a new writer for each stream")
	}
}

// keeps reports whether the profile leaves findings of an entity as they are.
func (o *output) keeps(e scan.Entity) bool {
	return o.m.Profile.Entity(e).Kind() == operator.Keep
}

// count tells of the finding s in b, and returns what is to be done about it.
func (o *output) count(b []byte, s scan.Span) *operator.Operator {
	op := o.m.Profile.Entity(s.Entity)
	if o.w.Spans != nil {
		o.w.Base = o.base
		o.w.Spans(b, s, op.Kind())
	}
	o.w.Tally.Add(text.Key{Rule: o.m.Scanner.Rule(s.Rule), Entity: s.Entity, Operator: op.Kind(), Locus: o.w.Locus}, 1)
	return op
}

// replace appends what stands for the finding s in b. When a part of it has gone
// out already, no operator is asked about the rest, which would be another value.
func (o *output) replace(b []byte, s scan.Span, partly bool) {
	op := o.count(b, s)
	if partly {
		o.buf = append(append(append(o.buf, '['), s.Entity.String()...), ']')
		return
	}
	o.buf = o.m.Replace(o.buf, b[s.Start:s.End], s.Entity, op, o.w)
}

// oversized appends what stands for a token without end.
func (o *output) oversized() {
	o.buf = append(o.buf, Oversized...)
	o.w.Tally.Add(text.Key{Rule: ruleOversized, Entity: scan.Unique, Operator: operator.Redact, Locus: o.w.Locus}, 1)
}

// isSpace tells boundaries of tokens.
func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// indexSpace returns where the first boundary in b is, or -1.
func indexSpace(b []byte) int {
	for i, c := range b {
		if isSpace(c) {
			return i
		}
	}
	return -1
}

// cutBefore returns the last place in (from, limit] that follows white space and
// lies inside no finding, or from.
func cutBefore(b []byte, found []scan.Span, from, limit int) int {
	i := len(found)
	for c := limit; c > from; c-- {
		for i > 0 && found[i-1].Start >= c {
			i--
		}
		if i > 0 && c < found[i-1].End {
			c = found[i-1].Start + 1
			continue
		}
		if isSpace(b[c-1]) {
			return c
		}
	}
	return from
}

// contextBefore returns where the context of b[at:] begins: [scan.Left] bytes
// before, and from there back to the next boundary outside every finding, so
// that what is scanned again does not begin within a number.
func contextBefore(b []byte, found []scan.Span, at int) int {
	if at <= scan.Left {
		return 0
	}
	from := max(0, at-2*scan.Left-scan.Right)
	if c := cutBefore(b, found, from, at-scan.Left); c > from || from == 0 {
		return c
	}
	return at - scan.Left
}
