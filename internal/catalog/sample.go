// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// maxSample bounds what is read of one value, in characters, and maxSampled how
// many rows of a table.
const (
	maxSample  = 4096
	maxSampled = 10_000
)

// Sample reads up to rows rows of each table and corrects the proposal by what a
// scanner finds in their values: a column that is proposed as unclassified or
// public and holds identifiers gets their label. It never proposes less
// protection than the names did, and keeps no value.
//
// Unlike [Scan] this reads data; the values go no further than this call.
func (p *Proposal) Sample(ctx context.Context, conn Querier, rows int, s *scan.Scanner) error {
	const op = "sample tables"
	if rows < 1 || rows > maxSampled {
		return sallyport.E(sallyport.Invalid, op, fmt.Sprintf("%d rows are asked for", rows)).
			WithHint(fmt.Sprintf("sample 1 to %d rows", maxSampled))
	}
	p.sampled = rows
	for from := 0; from < len(p.Suggestions); {
		to := from + 1
		for to < len(p.Suggestions) && sameTable(p.Suggestions[from], p.Suggestions[to]) {
			to++
		}
		if err := sampleTable(ctx, conn, p.Suggestions[from:to], rows, s); err != nil {
			return sallyport.E(sallyport.Unavailable, op, "the rows of table "+p.Suggestions[from].Schema+"."+p.Suggestions[from].Table+" cannot be read").
				WithHint("the gateway's role needs SELECT on it; without --sample only the catalogue is read").Because(err)
		}
		from = to
	}
	return nil
}

func sameTable(a, b Suggestion) bool { return a.Schema == b.Schema && a.Table == b.Table }

// findings is what a scanner found in the sampled values of one column.
type findings struct {
	values, hit int                 // not empty; with any finding
	whole       map[scan.Entity]int // values that are an entity from end to end
	within      map[scan.Entity]int // values that hold an entity
}

// sampleTable reads rows of one table and corrects the suggestions for its
// columns.
func sampleTable(ctx context.Context, conn Querier, cols []Suggestion, rows int, s *scan.Scanner) error {
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = fmt.Sprintf("pg_catalog.left(%s::pg_catalog.text, %d)", pgx.Identifier{c.Column}.Sanitize(), maxSample)
	}
	sql := fmt.Sprintf("select %s from %s limit %d", strings.Join(names, ", "), pgx.Identifier{cols[0].Schema, cols[0].Table}.Sanitize(), rows)
	found := make([]findings, len(cols))
	values := make([]*string, len(cols))
	into := make([]any, len(cols))
	for i := range cols {
		found[i] = findings{whole: map[scan.Entity]int{}, within: map[scan.Entity]int{}}
		into[i] = &values[i]
	}
	var spans []scan.Span
	err := each(ctx, conn, sql, func(r pgx.Rows) error {
		if err := r.Scan(into...); err != nil {
			return err
		}
		for i, v := range values {
			if v != nil && strings.TrimSpace(*v) != "" {
				spans = s.Scan(spans[:0], []byte(*v), nil)
				found[i].add(strings.TrimSpace(*v), spans)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range cols {
		found[i].correct(&cols[i])
	}
	return nil
}

// add counts what was found in a value.
func (f *findings) add(value string, spans []scan.Span) {
	f.values++
	if len(spans) == 0 {
		return
	}
	f.hit++
	seen := scan.Set(0)
	for _, sp := range spans {
		if !seen.Has(sp.Entity) {
			seen |= scan.SetOf(sp.Entity)
			f.within[sp.Entity]++
		}
	}
	if len(spans) == 1 && spans[0].End-spans[0].Start >= len(value) {
		f.whole[spans[0].Entity]++
	}
}

// correct changes a suggestion that says too little.
func (f *findings) correct(s *Suggestion) {
	if f.hit == 0 {
		return
	}
	if s.Label != sallyport.Unclassified && s.Label != "public" {
		return // the name said more than a sample can
	}
	for _, e := range scan.Entities() {
		if n := f.whole[e]; n*2 > f.values {
			s.Label, s.Reason = e.Label(), fmt.Sprintf("%d of %d sampled values are %s", n, f.values, e)
			return
		}
	}
	var kinds []string
	for _, e := range scan.Entities() {
		if f.within[e] > 0 {
			kinds = append(kinds, e.String())
		}
	}
	slices.Sort(kinds)
	s.Label = "phi.note"
	s.Reason = fmt.Sprintf("text in which %d of %d sampled values hold %s", f.hit, f.values, strings.Join(kinds, ", "))
}
