// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package meta

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"

	"golang.org/x/sync/errgroup"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql"
)

// questions is how many tables are asked about at once.
const questions = 8

// definition is the digest of what a table or view is; zero for one that is not
// there.
type definition [sha256.Size]byte

// definition digests what the analysis rests on. Rows come and go in a table, with
// which its time of change moves on; a view has that of its text.
func (r *resource) definition() (d definition, err error) {
	c := *r
	if c.View == nil {
		c.Modified = ""
	}
	b, err := json.Marshal(c)
	if err != nil {
		return d, unreadable()
	}
	return sha256.Sum256(b), nil
}

// basis is what the tables and views were that a text was judged by, those inside
// views and behind wildcards included. It does not change.
type basis struct {
	catalogue *Catalogue
	tables    map[googlesql.Name]definition
	wildcards map[googlesql.Name][]googlesql.Name
}

var _ analyze.Basis = (*basis)(nil)

// basis is what the snapshot has answered with.
func (s *snapshot) basis() *basis {
	b := &basis{catalogue: s.catalogue, tables: make(map[googlesql.Name]definition, len(s.tables)), wildcards: make(map[googlesql.Name][]googlesql.Name, len(s.wildcards))}
	for n, t := range s.tables {
		if readable(n) && !s.unknown[n] {
			b.tables[n] = t.digest()
		}
	}
	for n, tables := range s.wildcards {
		var names []googlesql.Name
		for _, t := range tables {
			names = append(names, t.Name)
		}
		if len(names) > 0 { // of others nothing was known
			b.wildcards[n] = names
		}
	}
	return b
}

// Holds implements [analyze.Basis]. What it reads is read after it was called.
func (b *basis) Holds(ctx context.Context) error {
	since := b.catalogue.config.Now()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(questions)
	for n, was := range b.tables {
		g.Go(func() error {
			t, _, err := b.catalogue.since(ctx, n, since)
			if err == nil && t.digest() != was {
				err = changed()
			}
			return err
		})
	}
	for n, were := range b.wildcards {
		g.Go(func() error {
			s := b.catalogue.snapshot(ctx, nil)
			names, _ := s.members(n)
			if s.err == nil && !slices.Equal(names, were) {
				return changed()
			}
			return s.err
		})
	}
	return g.Wait()
}

func (t *table) digest() definition {
	if t == nil {
		return definition{}
	}
	return t.definition
}

func changed() error {
	return sallyport.E(sallyport.Conflict, op, "a table or view that the query reads was defined anew since it was judged").
		WithHint("send the query again, under another id")
}
