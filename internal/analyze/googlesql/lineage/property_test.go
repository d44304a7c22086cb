// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lineage_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql/corpus"
)

// set is a set of columns by name.
type columnSet map[string]bool

func union(sets ...columnSet) columnSet {
	out := columnSet{}
	for _, s := range sets {
		maps.Copy(out, s)
	}
	return out
}

// relation is a query under construction: its text, and what each of its columns
// and its rows must be seen to derive from.
type relation struct {
	sql     string
	columns []columnSet // named c0, c1, ...
	rows    columnSet
}

// maker writes random queries in which it knows what depends on what.
type maker struct {
	*rand.Rand
	n int
}

func (m *maker) base() relation {
	if m.IntN(2) == 0 {
		return relation{
			sql:     "SELECT name AS c0, ssn AS c1, zip AS c2 FROM clinic.patients",
			columns: []columnSet{{"clinic.patients.name": true}, {"clinic.patients.ssn": true}, {"clinic.patients.zip": true}}, rows: columnSet{},
		}
	}
	return relation{
		sql:     "SELECT code AS c0, CAST(n AS STRING) AS c1 FROM clinic.pub",
		columns: []columnSet{{"clinic.pub.code": true}, {"clinic.pub.n": true}}, rows: columnSet{},
	}
}

// from is a relation as an item of FROM.
func (m *maker) from(r relation) (sql, alias string) {
	m.n++
	alias = fmt.Sprintf("t%d", m.n)
	return "(" + r.sql + ") AS " + alias, alias
}

// expr makes a string of some columns.
func (m *maker) expr(r relation, alias string) (string, columnSet) {
	i, j := m.IntN(len(r.columns)), m.IntN(len(r.columns))
	a, b := fmt.Sprintf("%s.c%d", alias, i), fmt.Sprintf("%s.c%d", alias, j)
	both := union(r.columns[i], r.columns[j])
	switch m.IntN(7) {
	case 0:
		return fmt.Sprintf("CONCAT(%s, %s)", a, b), both
	case 1:
		return fmt.Sprintf("IF(%s = 'x', %s, 'y')", a, b), both
	case 2:
		return fmt.Sprintf("UPPER(%s)", a), r.columns[i]
	case 3:
		return fmt.Sprintf("STRUCT(%s AS f, %s AS g).g", a, b), r.columns[j]
	case 4:
		return fmt.Sprintf("[%s, %s][OFFSET(0)]", a, b), both
	case 5:
		return fmt.Sprintf("(SELECT MAX(q.code) FROM clinic.pub AS q WHERE q.code = %s)", a), union(r.columns[i], columnSet{"clinic.pub.code": true})
	}
	return a, r.columns[i]
}

// step builds a query on others.
func (m *maker) step(depth int) relation {
	if depth == 0 {
		return m.base()
	}
	r := m.step(depth - 1)
	sql, t := m.from(r)
	switch m.IntN(8) {
	case 0: // filter
		e, deps := m.expr(r, t)
		return relation{"SELECT " + list(r, t) + " FROM " + sql + " WHERE " + e + " > 'm'", r.columns, union(r.rows, deps)}
	case 1: // projection
		e1, d1 := m.expr(r, t)
		e2, d2 := m.expr(r, t)
		return relation{"SELECT " + e1 + " AS c0, " + e2 + " AS c1 FROM " + sql, []columnSet{d1, d2}, r.rows}
	case 2: // join
		other := m.step(depth - 1)
		osql, o := m.from(other)
		on := fmt.Sprintf("%s.c0 = %s.c1", t, o)
		return relation{
			fmt.Sprintf("SELECT %s.c0 AS c0, %s.c0 AS c1 FROM %s LEFT JOIN %s ON %s", t, o, sql, osql, on),
			[]columnSet{r.columns[0], other.columns[0]},
			union(r.rows, other.rows, r.columns[0], other.columns[1]),
		}
	case 3: // group
		return relation{
			fmt.Sprintf("SELECT %s.c0 AS c0, MAX(%s.c1) AS c1 FROM %s GROUP BY c0 HAVING COUNT(*) > 1", t, t, sql),
			[]columnSet{r.columns[0], r.columns[1]},
			union(r.rows, r.columns[0]),
		}
	case 4: // union
		other := m.step(depth - 1)
		osql, o := m.from(other)
		op, rows := "UNION ALL", union(r.rows, other.rows)
		if m.IntN(2) == 0 {
			op, rows = "EXCEPT DISTINCT", union(rows, r.columns[0], r.columns[1], other.columns[0], other.columns[1])
		}
		return relation{
			fmt.Sprintf("SELECT %s.c0 AS c0, %s.c1 AS c1 FROM %s %s SELECT %s.c0, %s.c1 FROM %s", t, t, sql, op, o, o, osql),
			[]columnSet{union(r.columns[0], other.columns[0]), union(r.columns[1], other.columns[1])},
			rows,
		}
	case 5: // window
		return relation{
			fmt.Sprintf("SELECT %s.c0 AS c0, CAST(RANK() OVER (PARTITION BY %s.c0 ORDER BY %s.c1) AS STRING) AS c1 FROM %s", t, t, t, sql),
			[]columnSet{r.columns[0], union(r.columns[0], r.columns[1])},
			r.rows,
		}
	case 6: // order and limit
		return relation{"SELECT " + list(r, t) + " FROM " + sql + " ORDER BY " + t + ".c1 LIMIT 3", r.columns, union(r.rows, r.columns[1])}
	}
	// common table expression, used twice
	return relation{
		fmt.Sprintf("WITH w AS (%s) SELECT a.c0 AS c0, b.c1 AS c1 FROM w AS a JOIN w AS b ON a.c0 = b.c0", r.sql),
		[]columnSet{r.columns[0], r.columns[1]},
		union(r.rows, r.columns[0]),
	}
}

func list(r relation, alias string) string {
	var out []string
	for i := range r.columns {
		out = append(out, fmt.Sprintf("%s.c%d AS c%d", alias, i, i))
	}
	return strings.Join(out, ", ")
}

// TestEverythingThatCanChangeAnOutputIsSeen holds random queries to what their
// maker knows of them.
func TestEverythingThatCanChangeAnOutputIsSeen(t *testing.T) {
	set, err := corpus.Load()
	if err != nil {
		t.Fatal(err)
	}
	a := start(t)
	m := &maker{Rand: rand.New(rand.NewPCG(1, 2))}
	for range 300 {
		r := m.step(1 + m.IntN(4))
		st, err := statement(t, a, set, corpus.Case{SQL: r.sql})
		if err != nil {
			t.Fatalf("%v\n%s", err, r.sql)
		}
		predicates := names(st.Predicates)
		missing(t, r.sql, "rows", r.rows, predicates)
		if len(st.Outputs) != len(r.columns) {
			t.Fatalf("%d outputs, not %d\n%s", len(st.Outputs), len(r.columns), r.sql)
		}
		for i, o := range st.Outputs {
			if o.Unknown {
				t.Fatalf("output %d is unknown: %s\n%s", i, o.Why, r.sql)
			}
			missing(t, r.sql, fmt.Sprint("output ", i), r.columns[i], names(o.Sources))
			if o.Direct && len(o.Sources) != 1 {
				t.Errorf("output %d is direct with %d sources\n%s", i, len(o.Sources), r.sql)
			}
		}
	}
}

func names(columns []sallyport.Column) columnSet {
	out := columnSet{}
	for _, c := range columns {
		out[name(c.Object)] = true
	}
	return out
}

func missing(t *testing.T, sql, what string, want, got columnSet) {
	t.Helper()
	for _, c := range slices.Sorted(maps.Keys(want)) {
		if !got[c] {
			t.Errorf("%s: %s is not among %v\n%s", what, c, slices.Sorted(maps.Keys(got)), sql)
		}
	}
}
