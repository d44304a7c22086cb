// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres/corpus"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// TestHostileNames gives columns and queries names that are made of the format's
// own signs, in lengths at which the server breaks its lines. The tree may then
// be unreadable, but never read wrongly.
func TestHostileNames(t *testing.T) {
	set, err := corpus.Load()
	if err != nil {
		t.Fatal(err)
	}
	pieces := []string{"{", "}", "(", ")", " ", "\n", "\t", `\`, "[", "]", "<>", ":", "a", "1", `""`, ":resjunk true ", ":varattno 1", "{VAR ", "(b)", " :rtekind 8 "}
	for _, major := range pgtest.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			srv := pgtest.Shared(t, major)
			p := connect(t, srv, srv.NewDatabase(t, set.Schema))
			var catalog snapshot
			catalog.loadFunctions(t, p.Conn, nil)
			catalog.loadRelations(t, p.Conn, nil)
			ssn := column(t, &catalog, "hc", "patient", "ssn")
			r := rand.New(rand.NewPCG(1, uint64(major)))
			name := func(filler string) string {
				var b strings.Builder
				b.WriteString(strings.Repeat(filler, r.IntN(40)))
				for range r.IntN(8) + 1 {
					b.WriteString(pieces[r.IntN(len(pieces))])
				}
				return b.String()
			}
			read, unreadable := 0, 0
			for range 150 {
				filler := []string{"(", "x", `\`, " ", "{"}[r.IntN(5)]
				c1, c2, c3 := name(filler), name(filler), name(filler)
				sql := fmt.Sprintf(`with "%s1" (p, "%s2") as (select id, ssn from hc.patient), "%s3" as (select 1)
					select x."%s2" as "%s4", x.p as "%s2" from "%s1" x, "%s3"`, c1, c2, c3, c2, c3, c1, c1, c3)
				tree, err := p.tree(t, sql)
				if err != nil {
					continue // cut to the same 63 bytes: the server sees twins
				}
				plan, err := postgres.Lineage(tree, &catalog)
				if err != nil {
					unreadable++
					continue
				}
				read++
				if len(plan.Outputs) != 2 || !slices.Contains(plan.Outputs[0].Columns, ssn) && plan.Outputs[0].Unknown == "" {
					t.Errorf("%q: %+v", sql, plan.Outputs)
				}
			}
			if read < 50 || unreadable == 0 {
				t.Errorf("%d trees were read, %d were not: the names do not test much", read, unreadable)
			}
		})
	}
}

func column(t *testing.T, s *snapshot, schema, relation, name string) postgres.ColumnRef {
	t.Helper()
	r, ok := s.resolve(schema, relation)
	if !ok {
		t.Fatalf("no relation %s.%s", schema, relation)
	}
	for n, c := range r.Columns {
		if c.Name == name {
			return postgres.ColumnRef{Relation: r.OID, Attnum: n}
		}
	}
	t.Fatalf("no column %s", name)
	return postgres.ColumnRef{}
}

// readTree returns a tree that a real server printed.
func readTree(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "trees", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// everything is a catalog that takes every function for pure.
type everything struct{ empty }

func (everything) Function(oid uint32) (postgres.Function, bool) {
	return postgres.Function{Name: "f", Schema: "pg_catalog", Volatility: 'i', Language: "internal", Pure: true}, true
}

// TestLineageFailsClosed changes a readable tree in ways that a newer release
// might, and expects an error instead of a guess.
func TestLineageFailsClosed(t *testing.T) {
	t.Parallel()
	tree := readTree(t, "17-3.tree")
	if _, err := postgres.Lineage(tree, everything{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, new string }{
		{"unknown expression", "{OPEXPR ", "{FUTUREEXPR "},
		{"unknown kind of entry", ":rtekind 0", ":rtekind 10"},
		{"unknown command", ":commandType 1", ":commandType 9"},
		{"unknown node field of a query", ":cteList <>", ":cteList <> :qualify {VAR :varno 1}"},
		{"unknown list field of a query", ":cteList <>", ":cteList <> :qualify ({VAR :varno 1})"},
		{"unknown node field of an entry", ":lateral false", ":lateral false :graph {QUERY :x 1}"},
		{"missing column number", ":varattno 1", ":varattnum 1"},
		{"missing target list", ":targetList ", ":targets "},
		{"missing quals", ":quals ", ":tests "},
		{"reference to no entry", ":varno 1 ", ":varno 7 "},
		{"reference outwards", ":varlevelsup 0", ":varlevelsup 2"},
		{"unknown join tree", "{RANGETBLREF ", "{RANGEREF "},
		{"no relation", ":relid ", ":relid -"},
		{"unknown entry", "{RANGETBLENTRY ", "{RANGEENTRY "},
		{"cut off", tree[len(tree)-40:], ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(tree, c.old, c.new, 1)
			if changed == tree {
				t.Fatal("nothing to change")
			}
			if p, err := postgres.Lineage(changed, everything{}); err == nil {
				t.Errorf("read as %+v", p)
			} else if sallyport.KindOf(err) != sallyport.Integrity {
				t.Error(err)
			}
		})
	}
}

// TestLineageFromFiles follows one tree of each release without a server.
func TestLineageFromFiles(t *testing.T) {
	t.Parallel()
	for major := postgres.OldestMajor; major <= postgres.NewestMajor; major++ {
		p, err := postgres.Lineage(readTree(t, fmt.Sprintf("%d-3.tree", major)), everything{})
		if err != nil {
			t.Fatalf("%d: %v", major, err)
		}
		if len(p.Relations) != 1 {
			t.Fatalf("%d: %+v", major, p)
		}
		oid := p.Relations[0].Relation
		want := &postgres.Plan{
			Command: postgres.CommandSelect, HasRows: true,
			Outputs: []postgres.PlanOutput{
				{Name: "id", Columns: []postgres.ColumnRef{{Relation: oid, Attnum: 1}}, Direct: true, Row: 1, Origins: []postgres.ColumnRef{{Relation: oid, Attnum: 1}}},
				{Name: "zip", Columns: []postgres.ColumnRef{{Relation: oid, Attnum: 5}}, Direct: true, Row: 1, Origins: []postgres.ColumnRef{{Relation: oid, Attnum: 5}}},
			},
			Predicates: []postgres.ColumnRef{{Relation: oid, Attnum: 1}, {Relation: oid, Attnum: 5}},
			Relations:  []postgres.RelationUse{{Relation: oid, Effect: sallyport.Read, Columns: []int16{1, 5}}},
			Occurrences: []postgres.Occurrence{{
				Relation: oid, Effect: sallyport.Read,
				Shown: []postgres.ShownColumn{{Attnum: 1, Output: 0}, {Attnum: 5, Output: 1}},
			}},
			Missing: []uint32{oid},
		}
		if diff := cmp.Diff(want, p); diff != "" {
			t.Errorf("%d: %s", major, diff)
		}
	}
}

func TestUtilityTree(t *testing.T) {
	t.Parallel()
	for _, tree := range []string{
		"({QUERY :commandType 6 :querySource 0 :utilityStmt ? :mergeActionList <>})",
		"({QUERY\n:commandType 6 :querySource 0 :utilityStmt {A_EXPR NOT :x 1}",
		"({QUERY :commandType 5 :querySource 0 :utilityStmt ?})",
	} {
		p, err := postgres.Lineage(tree, empty{})
		if err != nil || p.Command != postgres.CommandUtility || p.HasRows {
			t.Errorf("%s: %+v %v", tree, p, err)
		}
	}
	if p, err := postgres.Lineage("<>", empty{}); err != nil || p.Command != postgres.CommandNothing || p.HasRows {
		t.Errorf("%+v %v", p, err)
	}
}

func TestAbsorb(t *testing.T) {
	t.Parallel()
	a, b, c := postgres.ColumnRef{Relation: 1, Attnum: 1}, postgres.ColumnRef{Relation: 2, Attnum: 1}, postgres.ColumnRef{Relation: 3, Attnum: 1}
	p := &postgres.Plan{HasRows: true, Outputs: []postgres.PlanOutput{{Columns: []postgres.ColumnRef{b}}, {Unknown: "f"}}}
	p.Absorb(&postgres.Plan{
		HasRows: true, Refused: "no", Predicates: []postgres.ColumnRef{c},
		Outputs: []postgres.PlanOutput{{Columns: []postgres.ColumnRef{a}}, {Unknown: "g"}},
	})
	want := &postgres.Plan{HasRows: true, Refused: "no", Predicates: []postgres.ColumnRef{c}, Outputs: []postgres.PlanOutput{
		{Columns: []postgres.ColumnRef{a, b}, Unknown: "g"}, {Columns: []postgres.ColumnRef{a}, Unknown: "f"},
	}}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
}

// TestForgedTree proves that what a function prints is told from the server's.
func TestForgedTree(t *testing.T) {
	for _, major := range pgtest.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			srv := pgtest.Shared(t, major)
			p := connect(t, srv, srv.NewDatabase(t, ""))
			p.trees = nil
			_, err := p.Exec(t.Context(), `do $$ begin raise log using message = 'rewritten parse tree:', detail = 'forged'; end $$`)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.trees) == 0 || slices.ContainsFunc(p.trees, func(s string) bool { return s == "forged" }) {
				t.Errorf("%d trees, a forged one among them", len(p.trees))
			}
		})
	}
}

func FuzzLineage(f *testing.F) {
	files, err := filepath.Glob("testdata/trees/*.tree")
	if err != nil || len(files) < 25 {
		f.Fatalf("%d trees, %v", len(files), err)
	}
	for _, file := range files {
		f.Add(readTree(f, filepath.Base(file)))
	}
	f.Fuzz(func(t *testing.T, tree string) {
		p, err := postgres.Lineage(tree, everything{})
		if (p == nil) == (err == nil) {
			t.Fatalf("%v %v", p, err)
		}
		if err != nil {
			return
		}
		g := &postgres.Gated{Text: "select 1", Class: "select", Effects: []sallyport.Effect{sallyport.Read}, Answer: postgres.AnswerTree}
		st := p.Statement(g, "clinic", everything{})
		if p.HasRows && len(st.Outputs) != len(p.Outputs) {
			t.Errorf("%d outputs became %d", len(p.Outputs), len(st.Outputs))
		}
	})
}

// TestDirect tells columns that come as they are from what is made of them, and by
// number of which row they are; 0 is no column as it is. Every release prints what
// it prints, so each is asked.
func TestDirect(t *testing.T) {
	t.Parallel()
	set, err := corpus.Load()
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]int{
		"select ssn, name from hc.patient":                                                                          {1, 1},
		"select p.ssn s from hc.patient p join hc.visit v on v.patient_id = p.id":                                   {1},
		"select x.s from (select ssn s from (select * from hc.patient) a) x":                                        {1},
		"with c as materialized (select ssn from hc.patient) select c.ssn from c":                                   {1},
		"select code, n from hc.v_pat":                                                                              {1, 0},
		"select code from hc.v_v":                                                                                   {1},
		"select name from hc.patient group by name":                                                                 {1},
		"select j.name from (hc.patient p left join hc.visit v using (id)) j":                                       {1},
		"delete from hc.patient returning ssn":                                                                      {1},
		"select distinct ssn from hc.patient order by ssn":                                                          {1},
		"select upper(ssn), ssn || '', ssn::varchar(3), (ssn), coalesce(ssn, '') from hc.patient":                   {0, 0, 0, 1, 0},
		"select id from (hc.patient full join hc.visit using (id))":                                                 {0},
		"select ssn from hc.patient union all select name from hc.patient":                                          {0},
		"select ssn from hc.patient union select ssn from hc.patient":                                               {0},
		"select min(ssn), (select ssn from hc.patient limit 1), array_agg(ssn) from hc.patient":                     {0, 0, 0},
		"select p, row(ssn), case when id = 1 then ssn end from hc.patient p":                                       {0, 0, 0},
		"select 'x', $1::text, now(), ctid from hc.patient":                                                         {0, 0, 0, 0},
		"with recursive r as (select ssn from hc.patient union all select ssn from r) select * from r":              {0},
		"select x from (values (1), (2)) v (x)":                                                                     {0},
		"update hc.patient set ssn = name returning ssn, name || ssn":                                               {1, 0},
		"select a.ssn, b.name, a.name, b.ssn from hc.patient a, hc.patient b":                                       {1, 2, 1, 2},
		"select s.x, s.y from (select a.ssn x, b.name y from hc.patient a, hc.patient b) s":                         {1, 2},
		"with c as (select * from hc.patient) select a.ssn, b.name, a.name from c a, c b":                           {1, 2, 1},
		"select a.ssn, s.name, s.own from hc.patient a, lateral (select b.name, a.name as own from hc.patient b) s": {1, 2, 3},
		"select j.ssn, j.name from (hc.patient p left join hc.visit v using (id)) j":                                {1, 1},
		"update hc.patient p set ssn = b.ssn from hc.patient b returning p.ssn, b.name, p.name":                     {1, 2, 1},
		"select ssn, name from hc.patient group by grouping sets ((ssn), (name))":                                   {1, 1},
		"select upper(ssn), ssn, 1, name from hc.patient":                                                           {0, 1, 0, 1},
	}
	for _, major := range pgtest.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			srv := pgtest.Shared(t, major)
			p := connect(t, srv, srv.NewDatabase(t, set.Schema))
			var catalog snapshot
			catalog.loadFunctions(t, p.Conn, nil)
			catalog.loadRelations(t, p.Conn, nil)
			for sql, want := range cases {
				tree, err := p.tree(t, sql)
				if err != nil {
					t.Errorf("%s: %v", sql, err)
					continue
				}
				plan, err := postgres.Lineage(tree, &catalog)
				if err != nil {
					t.Errorf("%s: %v", sql, err)
					continue
				}
				var got []int
				for _, o := range plan.Outputs {
					got = append(got, o.Row)
					if o.Direct != (o.Row > 0) {
						t.Errorf("%s: %+v", sql, o)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", sql, diff)
				}
			}
		})
	}
}
