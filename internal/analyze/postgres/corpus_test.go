// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres/corpus"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// finding is what a case expects, and what was found.
type finding struct {
	Outputs, Predicates, Flows, Effects []string
	Refused                             string
	ServerError                         bool
}

// TestCorpus runs every case against every supported release of PostgreSQL.
func TestCorpus(t *testing.T) {
	set, err := corpus.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, major := range pgtest.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			srv := pgtest.Shared(t, major)
			db := srv.NewDatabase(t, set.Schema)
			p := connect(t, srv, db)
			world := &world{probe: p, set: set, labels: map[postgres.ColumnRef]sallyport.Label{}}
			world.load(t)
			for _, c := range set.Cases {
				if c.From > major {
					continue
				}
				t.Run(c.ID, func(t *testing.T) {
					want := finding{
						Outputs: c.Outputs, Predicates: c.Predicates, Flows: c.Flows,
						Effects: c.Effects, Refused: c.Refused, ServerError: c.ServerError,
					}
					if c.ServerError {
						want.Outputs = nil
					}
					got := world.find(t, c)
					if c.Effects == nil {
						got.Effects = nil
					}
					if diff := cmp.Diff(want, got, cmp.Transformer("list", func(s []string) string { return strings.Join(s, ", ") })); diff != "" {
						t.Errorf("%s\n-want +got:\n%s", c.SQL, diff)
					}
				})
			}
		})
	}
}

// world is one database with the corpus' schema.
type world struct {
	*probe
	set     *corpus.Set
	catalog snapshot
	labels  map[postgres.ColumnRef]sallyport.Label
}

func (w *world) load(t *testing.T) {
	w.catalog.loadFunctions(t, w.Conn, w.set.Pure)
	w.catalog.loadRelations(t, w.Conn, nil)
	for _, r := range w.catalog.relations {
		for n, c := range r.Columns {
			if l := w.set.Labels[r.Schema+"."+r.Name+"."+c.Name]; l != "" {
				w.labels[postgres.ColumnRef{Relation: r.OID, Attnum: n}] = sallyport.Label(l)
			}
		}
	}
	w.catalog.loadRelations(t, w.Conn, w.labels)
}

// find gates a case's statement, asks the server for its tree in a transaction
// that is rolled back, and says what came out.
func (w *world) find(t *testing.T, c corpus.Case) (f finding) {
	script, err := postgres.Gate(c.SQL)
	if err != nil {
		t.Fatalf("gate: %v", err)
	}
	g := script.Statements[0]
	if g.Refused != "" {
		t.Log(g.Refused)
		f.Refused = "gate"
		return f
	}
	ctx := t.Context()
	if _, err := w.Exec(ctx, "begin"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := w.Exec(ctx, "rollback"); err != nil {
			t.Fatal(err)
		}
	}()
	for _, s := range c.Setup {
		if _, err := w.Exec(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	catalog := w.catalog
	if c.Setup != nil {
		catalog.loadRelations(t, w.Conn, w.labels)
	}
	text := g.Text
	if g.Inner != nil {
		text = g.Inner.Query
	}
	tree, err := w.tree(t, text)
	if err != nil {
		f.ServerError = true
		return f
	}
	p, err := postgres.Lineage(tree, &catalog)
	if err != nil {
		t.Fatalf("lineage: %v\n%s", err, tree)
	}
	if len(p.Missing) > 0 {
		t.Errorf("not in the catalog: %v", p.Missing)
	}
	return describe(p.Statement(g, "clinic", &catalog))
}

// describe writes a statement in the corpus' words.
func describe(st *sallyport.Statement) (f finding) {
	if st.Refused != "" {
		f.Refused = "tree"
		return f
	}
	for _, o := range st.Outputs {
		switch {
		case o.Unknown:
			f.Outputs = append(f.Outputs, corpus.Unknown)
		case len(protected(o.Sources)) > 0:
			f.Outputs = append(f.Outputs, corpus.Masked)
		default:
			f.Outputs = append(f.Outputs, corpus.Clean)
		}
	}
	f.Predicates = protected(st.Predicates)
	flows := map[string]bool{}
	for _, fl := range st.Flows {
		for _, s := range protected(fl.Sources) {
			flows[strings.Join(fl.Target.Object.Path[1:], ".")+" <- "+s] = true
		}
	}
	f.Flows = slices.Sorted(maps.Keys(flows))
	for _, e := range st.Effects {
		f.Effects = append(f.Effects, e.String())
	}
	return f
}

// protected returns the names of the columns that are not public.
func protected(columns []sallyport.Column) (names []string) {
	for _, c := range columns {
		if len(c.Labels) == 0 || !slices.Contains([]sallyport.Label{"public", "system"}, c.Labels[0]) {
			names = append(names, strings.Join(c.Object.Path[1:], "."))
		}
	}
	slices.Sort(names)
	return names
}
