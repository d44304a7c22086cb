// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package text masks what a scanner finds in a text, by a profile. The masks of
// structured payloads use it for the strings that no path decides about.
package text

import (
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// Masker is a scanner and a profile. It does not change and is safe for
// concurrent use.
type Masker struct {
	Scanner *scan.Scanner
	Profile *profile.Profile
}

// Work is what one user of a masker holds: memory that is used again, what is
// known in the current row or message, and the counts. It is used by one
// goroutine at a time. The zero value is ready.
type Work struct {
	Known scan.Known   // names of the current row, resource or message
	Row   operator.Row // of the current row, resource or message
	Tally Tally
	// Locus is where the current text stands: a column, the template of a path, a
	// field. It never holds a value of the data.
	Locus string
	// Base is how many bytes of the same stream came before the text that is
	// scanned, so that a report can say where something was found.
	Base int64
	// Spans, when not nil, is called with each finding in the text last given to
	// [Masker.Append], for reports. The text is good during the call only.
	Spans func(text []byte, s scan.Span, op operator.Kind)

	found []scan.Span
}

// Append appends src to dst with every finding replaced, and returns the result.
// Nothing is found in what a mask left behind, so that masking twice changes
// nothing.
func (m *Masker) Append(dst, src []byte, w *Work) []byte {
	w.found = m.Scanner.Scan(w.found[:0], src, &w.Known)
	at := 0
	for _, s := range w.found {
		op := m.Profile.Entity(s.Entity)
		if w.Spans != nil {
			w.Spans(src, s, op.Kind())
		}
		dst = append(dst, src[at:s.Start]...)
		dst = m.Replace(dst, src[s.Start:s.End], s.Entity, op, w)
		w.Tally.Add(Key{Rule: m.Scanner.Rule(s.Rule), Entity: s.Entity, Operator: op.Kind(), Locus: w.Locus}, 1)
		at = s.End
	}
	return append(dst, src[at:]...)
}

// Replace appends what op makes of one value that is an e to dst: its answer, or
// the entity's name in brackets where it has none.
func (m *Masker) Replace(dst, v []byte, e scan.Entity, op *operator.Operator, w *Work) []byte {
	switch op.Kind() {
	case operator.Keep:
		return append(dst, v...)
	case operator.Null, operator.Drop:
		return dst
	}
	if out, ok := op.Text(dst, v, &w.Row); ok {
		return out
	}
	dst = append(dst, '[')
	dst = append(dst, e.String()...)
	return append(dst, ']')
}
