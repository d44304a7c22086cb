// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package meta

import (
	"context"
	"net/url"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql"
)

// The limits of one text.
const (
	maxTables  = 500 // that it names, those inside views and behind wildcards included
	maxMembers = 100 // behind one wildcard
	maxPages   = 20  // of a dataset's list
)

// snapshot answers every question about one text from one state. The interface of
// the analysis knows no errors: the first is kept, and whoever made the snapshot
// has to look at it before anything that was found out counts.
type snapshot struct {
	ctx       context.Context // of the one call that the snapshot lives in
	catalogue *Catalogue
	temporary []string // names of the request's own tables
	tables    map[googlesql.Name]*table
	wildcards map[googlesql.Name][]googlesql.Table
	before    []googlesql.Name // those that had been read before the text came
	unknown   map[googlesql.Name]bool
	err       error
}

var _ googlesql.Catalog = (*snapshot)(nil)

func (c *Catalogue) snapshot(ctx context.Context, temporary []string) *snapshot {
	return &snapshot{
		ctx: ctx, catalogue: c, temporary: temporary, tables: map[googlesql.Name]*table{},
		wildcards: map[googlesql.Name][]googlesql.Table{}, unknown: map[googlesql.Name]bool{},
	}
}

// Table implements [googlesql.Catalog].
func (s *snapshot) Table(n googlesql.Name) (googlesql.Table, bool) {
	if t := s.table(n); t != nil {
		return t.known, true
	}
	return googlesql.Table{}, false
}

func (s *snapshot) table(n googlesql.Name) *table {
	if t, ok := s.tables[n]; ok || s.err != nil {
		return t
	}
	if strings.HasSuffix(n.Table, "*") {
		return nil // a wildcard, which is no table
	}
	if len(s.tables) >= maxTables {
		s.err = sallyport.E(sallyport.Exhausted, op, "the query names more than 500 tables, or its views do").WithHint("split the query")
		return nil
	}
	if s.own(n.Table, false) || !readable(n) {
		s.unknown[n], s.tables[n] = true, nil
		return nil
	}
	t, before, err := s.catalogue.get(s.ctx, n)
	if err != nil {
		s.err = err
		return nil
	}
	if before {
		s.before = append(s.before, n)
	}
	s.tables[n] = t
	return t
}

// own reports whether a name may mean a table of the request's own, whatever stands
// before it.
func (s *snapshot) own(name string, prefix bool) bool {
	return slices.ContainsFunc(s.temporary, func(t string) bool {
		return strings.EqualFold(t, name) || prefix && strings.HasPrefix(strings.ToLower(t), strings.ToLower(name))
	})
}

// Wildcard implements [googlesql.Catalog]. The list is read for each text: a table
// that is new has to count.
func (s *snapshot) Wildcard(n googlesql.Name) ([]googlesql.Table, bool) {
	if out, ok := s.wildcards[n]; ok || s.err != nil {
		return out, len(out) > 0
	}
	s.wildcards[n] = nil
	names, ok := s.members(n)
	var out []googlesql.Table
	for _, name := range names {
		t, found := s.Table(name)
		if ok = ok && found; !ok {
			break
		}
		out = append(out, t)
	}
	if !ok {
		n.Table += "*"
		s.unknown[n] = true
		return nil, false
	}
	s.wildcards[n] = out
	return out, len(out) > 0
}

// members lists the tables of which the names begin with n's. ok is false where
// they cannot be told.
func (s *snapshot) members(n googlesql.Name) (out []googlesql.Name, ok bool) {
	if s.own(n.Table, true) || !validProject(n.Project) || !inDataset(n.Dataset) || hidden(n.Dataset) {
		return nil, false
	}
	query := url.Values{"maxResults": {"1000"}}
	path := "/bigquery/v2/projects/" + url.PathEscape(n.Project) + "/datasets/" + url.PathEscape(n.Dataset) + "/tables"
	for range maxPages {
		body, err := s.catalogue.fetch(s.ctx, path, query)
		if err != nil {
			s.err = err
		}
		if body == nil {
			return nil, err == nil // no dataset, and so no tables
		}
		var page struct {
			Tables []struct {
				Reference struct {
					Table string `json:"tableId"`
				} `json:"tableReference"`
			} `json:"tables"`
			Next string `json:"nextPageToken"`
		}
		if s.err = decode(body, &page); s.err != nil {
			return nil, false
		}
		for _, t := range page.Tables {
			if strings.HasPrefix(t.Reference.Table, n.Table) {
				out = append(out, googlesql.Name{Project: n.Project, Dataset: n.Dataset, Table: t.Reference.Table})
			}
		}
		if len(out) > maxMembers {
			return nil, false
		}
		if page.Next == "" {
			slices.SortFunc(out, func(a, b googlesql.Name) int { return strings.Compare(a.Table, b.Table) })
			return out, true
		}
		query.Set("pageToken", page.Next)
	}
	return nil, false
}
