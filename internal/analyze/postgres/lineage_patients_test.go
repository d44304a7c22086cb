// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

const patientRows = `
INSERT INTO p SELECT i, 'm' || i, 'n' || i % 3 FROM generate_series(1, 6) i;
INSERT INTO v SELECT i, 1 + i % 5, 'o' || i % 4, 'c' || i % 2, 'c' || i % 3, i % 7 FROM generate_series(1, 9) i;
INSERT INTO v VALUES (10, NULL, 'o1', 'c1', 'c1', 2);
INSERT INTO w SELECT i, 1 + i % 6, 'o' || i % 4 FROM generate_series(2, 6) i;
`

// queries makes random queries over the tables of occurrenceSchema.
type queries struct{ *rand.Rand }

func (q queries) pick(from ...string) string { return from[q.IntN(len(from))] }

// source is an item of FROM, with the columns that it has: keys first, then others.
type source struct {
	sql        string
	keys, rest []string
}

func (q queries) source(depth int) source {
	n := 6
	if depth == 0 {
		n = 4
	}
	switch q.IntN(n) {
	case 0:
		return source{"p", []string{"id"}, []string{"name", "mrn"}}
	case 1:
		return source{"v", []string{"pid"}, []string{"note", "id", "other"}}
	case 2:
		return source{"w", []string{"pid"}, []string{"note", "id"}}
	case 3:
		if q.IntN(2) == 0 {
			return source{"pv", []string{"patient"}, []string{"note"}}
		}
		return source{"pu", []string{"id"}, []string{"id"}}
	}
	s := q.query(depth-1, false)
	return source{"(" + s.sql + ")", s.keys, s.rest}
}

// query makes a query whose outputs are k0, k1 ... and r0, r1 ...; top ones get no
// names.
func (q queries) query(depth int, top bool) source {
	alias := func(i int) string { return fmt.Sprintf("t%d", i) }
	first := q.source(depth)
	from := first.sql + " t0"
	sources := []source{first}
	for i := 1; i <= q.IntN(3); i++ {
		s := q.source(depth)
		on := q.condition(append(slices.Clone(sources), s), i)
		from += " " + q.pick("join", "join", "left join", "left join", "right join", "full join") + " " + s.sql + " " + alias(i) + " on " + on
		sources = append(sources, s)
	}
	var keys, rest, outs []string
	for i, s := range sources {
		for _, k := range s.keys {
			if q.IntN(3) > 0 {
				keys = append(keys, alias(i)+"."+k)
			}
		}
		for _, r := range s.rest {
			if q.IntN(3) == 0 {
				rest = append(rest, alias(i)+"."+r)
			}
		}
	}
	grouped := q.IntN(4) == 0 && len(keys) > 0
	if grouped {
		rest = []string{q.pick("count(*)", "max("+alias(0)+"."+sources[0].rest[0]+")")}
	}
	out := source{}
	for i, k := range keys {
		name := fmt.Sprintf("k%d", i)
		outs, out.keys = append(outs, k+" as "+name), append(out.keys, name)
	}
	if len(rest) == 0 {
		rest = []string{"1"}
	}
	for i, r := range rest {
		name := fmt.Sprintf("r%d", i)
		outs, out.rest = append(outs, r+" as "+name), append(out.rest, name)
	}
	out.sql = "select " + q.pick("", "", "", "distinct ") + strings.Join(outs, ", ") + " from " + from
	if q.IntN(3) == 0 {
		out.sql += " where " + q.condition(sources, len(sources)-1)
	}
	if grouped {
		out.sql += " group by " + strings.Join(keys, ", ")
	}
	return out
}

// condition compares columns of the last source with those of another.
func (q queries) condition(s []source, last int) string {
	other := q.IntN(last + 1)
	col := func(i int) string {
		if len(s[i].keys) == 0 {
			return "1"
		}
		return fmt.Sprintf("t%d.%s", i, q.pick(s[i].keys...))
	}
	text := func(i int) string { return fmt.Sprintf("t%d.%s::text", i, q.pick(s[i].rest...)) }
	equal := col(last) + " = " + col(other)
	switch q.IntN(10) {
	case 0:
		return col(last) + " < " + col(other)
	case 1:
		return text(last) + " = " + text(other)
	case 2:
		return equal + " or " + text(last) + " = " + text(other)
	case 3:
		return equal + " and " + text(last) + " >= " + text(other)
	case 4:
		return text(last) + " is null"
	case 5:
		return "not (" + equal + ")"
	}
	return equal
}

// answer runs a query and returns its rows, sorted.
func answer(ctx context.Context, c *pgx.Conn, sql string) (rows [][]any, texts []string, err error) {
	r, err := c.Query(ctx, sql)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	for r.Next() {
		v, err := r.Values()
		if err != nil {
			return nil, nil, err
		}
		rows, texts = append(rows, v), append(texts, fmt.Sprint(v))
	}
	slices.Sort(texts)
	return rows, texts, r.Err()
}

// toldPatients returns the patients that the outputs tell of, or false where rows of
// unknown patients have a part in the answer.
func toldPatients(p *postgres.Plan, cat *snapshot, rows [][]any) (map[string]bool, bool) {
	keyOf := func(oid uint32) int16 {
		switch cat.relations[oid].Name {
		case "p":
			return 1
		case "v", "w":
			return 2
		}
		return 0
	}
	keys := make([]bool, len(p.Outputs))
	for i, o := range p.Outputs {
		keys[i] = len(o.Origins) > 0 && !slices.ContainsFunc(o.Origins, func(c postgres.ColumnRef) bool { return keyOf(c.Relation) != c.Attnum })
	}
	for _, o := range p.Occurrences {
		key := keyOf(o.Relation)
		if !slices.ContainsFunc(o.Shown, func(s postgres.ShownColumn) bool { return s.Attnum == key && keys[s.Output] }) {
			return nil, false
		}
	}
	told := map[string]bool{}
	for _, row := range rows {
		for i, v := range row {
			if keys[i] && v == nil {
				return nil, false
			}
			if keys[i] {
				told[fmt.Sprint(v)] = true
			}
		}
	}
	return told, true
}

// TestNoPatientIsMissed takes each patient away in turn: where that changes an
// answer, the outputs told of the patient, or the answer was known not to tell.
func TestNoPatientIsMissed(t *testing.T) {
	t.Parallel()
	for _, major := range pgtest.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			srv := pgtest.Shared(t, major)
			conn := connect(t, srv, srv.NewDatabase(t, occurrenceSchema+patientRows))
			cat := &snapshot{}
			cat.loadFunctions(t, conn.Conn, nil)
			cat.loadRelations(t, conn.Conn, nil)
			q := queries{rand.New(rand.NewPCG(7, uint64(major)))}
			judged, told := 0, 0
			for judged < 120 {
				sql := q.query(2, true).sql
				rows, before, err := answer(t.Context(), conn.Conn, sql)
				if err != nil || len(rows) == 0 { // a FULL JOIN that PostgreSQL cannot do; or nothing was told
					continue
				}
				tree, err := conn.tree(t, sql)
				if err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
				plan, err := postgres.Lineage(tree, cat)
				if err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
				judged++
				patients, ok := toldPatients(plan, cat, rows)
				if !ok {
					continue
				}
				told++
				for i := 1; i <= 6; i++ {
					if after := without(t, conn.Conn, i, sql); !slices.Equal(before, after) && !patients[fmt.Sprint(i)] {
						t.Errorf("patient %d has a part in the answer of\n%s\nbut is not among %v\n%v\n%v", i, sql, patients, before, after)
					}
				}
			}
			if told < judged/8 {
				t.Errorf("only %d of %d queries tell of their patients", told, judged)
			}
			t.Logf("%d of %d queries tell of their patients", told, judged)
		})
	}
}

// without returns the answer of a query without a patient's rows.
func without(t *testing.T, c *pgx.Conn, patient int, sql string) []string {
	t.Helper()
	tx, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	for _, del := range []string{"delete from p where id = $1", "delete from v where pid = $1", "delete from w where pid = $1"} {
		if _, err := tx.Exec(t.Context(), del, patient); err != nil {
			t.Fatal(err)
		}
	}
	_, rows, err := answer(t.Context(), c, sql)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
