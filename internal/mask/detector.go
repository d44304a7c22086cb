// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"cmp"
	"context"
	"slices"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Detector finds identifiers in free text by means that this package does not
// have, such as a language model behind an interface. What it finds is added to
// what the column's scanner finds; it can take nothing away.
type Detector interface {
	// Name and Version go into the counts.
	Name() string
	Version() string
	// Detect returns the findings of each text of the batch, in bytes. The texts
	// are valid UTF-8 and good during the call only. With an error, with fewer or
	// more answers than texts, or with one finding that is out of range, cuts a
	// character or has no entity, every text of the batch is masked whole.
	Detect(ctx context.Context, batch [][]byte) ([][]scan.Span, error)
}

// pgBatch is what a detector was asked about one column of a run of rows.
type pgBatch struct {
	texts  [][]byte
	spans  [][]scan.Span
	next   int  // the text that the next value of the column is
	failed bool // all of it is masked whole
}

// add notes a value of the run. What is no text is not shown to a detector.
func (b *pgBatch) add(v []byte) {
	if utf8.Valid(v) {
		b.texts = append(b.texts, v)
	}
}

// ask has the detector look at what was added. Without a context nobody waits
// for an answer, and the batch fails.
func (b *pgBatch) ask(ctx context.Context, d Detector) {
	b.next, b.failed, b.spans = 0, true, nil
	if ctx == nil || len(b.texts) == 0 {
		return
	}
	spans, err := d.Detect(ctx, b.texts)
	if err != nil || len(spans) != len(b.texts) {
		return
	}
	for i := range spans {
		if !spansFit(b.texts[i], spans[i]) {
			return
		}
	}
	b.spans, b.failed = spans, false
}

// spansFit reports whether each finding is a piece of the text, ends between
// characters and has an entity that is known.
func spansFit(text []byte, spans []scan.Span) bool {
	edge := func(i int) bool { return i == len(text) || utf8.RuneStart(text[i]) }
	for _, s := range spans {
		if s.Start < 0 || s.Start >= s.End || s.End > len(text) || !edge(s.Start) || !edge(s.End) || s.Entity.Label() == "" {
			return false
		}
	}
	return true
}

// byDetector is the rule of a detector's findings. No scanner has as many.
const byDetector = ^scan.Rule(0)

// maskDetected masks one value of a column that has a detector.
func (t *pgScalar) maskDetected(w *pgWork, b *pgBatch, dst, v []byte) ([]byte, pgOutcome) {
	if !utf8.Valid(v) {
		return dst, undecodable
	}
	at := b.next
	b.next++
	if b.failed || at >= len(b.spans) {
		return dst, unavailable
	}
	w.found = t.text.Scanner.Scan(w.found[:0], v, &w.text.Known)
	for _, s := range b.spans[at] {
		s.Rule = byDetector
		w.found = append(w.found, s)
	}
	w.found = unite(w.found)
	n := len(dst)
	from := 0
	for _, s := range w.found {
		op := t.text.Profile.Entity(s.Entity)
		dst = append(dst, v[from:s.Start]...)
		dst = t.text.Replace(dst, v[s.Start:s.End], s.Entity, op, &w.text)
		rule := ruleDetector
		if s.Rule != byDetector {
			rule = t.text.Scanner.Rule(s.Rule)
		}
		w.text.Tally.Add(text.Key{Rule: rule, Entity: s.Entity, Operator: op.Kind(), Locus: w.text.Locus}, 1)
		from = s.End
	}
	dst = append(dst, v[from:]...)
	return t.cut(dst, n), answered
}

// ruleDetector is the name of the rule that a detector's findings are counted by.
const ruleDetector = "detector"

// unite sorts findings and joins those that overlap: all of their bytes are
// masked, as what the longest of them is.
func unite(spans []scan.Span) []scan.Span {
	slices.SortFunc(spans, func(a, b scan.Span) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End))
	})
	out := spans[:0]
	longest := 0 // of those that the last one was joined from
	for _, s := range spans {
		if n := len(out); n > 0 && s.Start < out[n-1].End {
			last := &out[n-1]
			if s.End-s.Start > longest {
				longest, last.Entity, last.Rule = s.End-s.Start, s.Entity, s.Rule
			}
			last.End = max(last.End, s.End)
			continue
		}
		out, longest = append(out, s), s.End-s.Start
	}
	return out
}
