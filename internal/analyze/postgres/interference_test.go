// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres/corpus"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// The same rows with two sets of protected values.
var protectedValues = [2]string{
	`update hc.patient set name = 'Ann' || id, ssn = '111-11-000' || id, dob = date '1970-01-01' + id, note = jsonb_build_object('a', 'x' || id);
	 update hc.visit set dx = 'A0' || id; update hc.rls set ssn = '1' || id`,
	`update hc.patient set name = 'Zoe and more' || 9 - id, ssn = '9' || 9 - id, dob = date '2001-12-31' - id, note = jsonb_build_object('b', id, 'a', 'yy');
	 update hc.visit set dx = 'Z' || 9 - id; update hc.rls set ssn = '2' || id`,
}

const rows = `insert into hc.patient (id, zip) select i, '9000' || i from generate_series(1, 4) i;
	insert into hc.visit (id, patient_id, cost, at) select i, 4, i * 10, timestamptz '2020-01-01' + i * interval '1 day' from generate_series(1, 6) i;
	insert into hc.pub select i, 'p' || i from generate_series(1, 3) i;
	insert into hc.feel values (1, 'low'), (2, 'high');
	insert into hc.rls values (1, 'a', null)`

// TestNonInterference runs the corpus on two databases that differ in protected
// values only: outputs that are said to be clean, of statements whose rows no
// protected column decides and that write none, must be the same. It finds lineage that is too short
// without knowing what is right.
func TestNonInterference(t *testing.T) {
	set, err := corpus.Load()
	if err != nil {
		t.Fatal(err)
	}
	// These differ between any two runs.
	moment := []string{"101b", "101h", "101p", "101s", "101q"}
	for _, major := range pgtest.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			srv := pgtest.Shared(t, major)
			p := connect(t, srv, srv.NewDatabase(t, set.Schema+rows))
			compared := 0
			for _, c := range set.Cases {
				g := gate(t, c.SQL)
				if c.From > major || c.ServerError || g.Refused != "" || c.Refused != "" || len(c.Predicates)+len(c.Flows) > 0 || g.Params > 0 ||
					g.Answer != postgres.AnswerTree || slices.Contains(moment, c.ID) || !slices.Contains(c.Outputs, corpus.Clean) {
					continue
				}
				a, b := p.clean(t, c, protectedValues[0]), p.clean(t, c, protectedValues[1])
				if diff := cmp.Diff(a, b); diff != "" {
					t.Errorf("%s %s: a clean output depends on a protected value:\n%s", c.ID, c.SQL, diff)
				}
				compared++
			}
			if compared < 40 {
				t.Errorf("only %d statements were compared", compared)
			}
		})
	}
}

// clean runs a case with the given protected values and returns the values of
// its clean outputs, row by row in a fixed order.
func (p *probe) clean(t *testing.T, c corpus.Case, values string) (out []string) {
	t.Helper()
	exec := func(sql string) []*pgconn.Result {
		r, err := p.PgConn().Exec(t.Context(), sql).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return r
	}
	exec("begin; set local statement_timeout = '20s'")
	defer exec("rollback")
	exec(values)
	for _, s := range c.Setup {
		exec(s)
	}
	for _, row := range exec(c.SQL)[0].Rows {
		var line []string
		for i, v := range row {
			if c.Outputs[i] == corpus.Clean {
				line = append(line, string(v))
			}
		}
		out = append(out, fmt.Sprint(line))
	}
	slices.Sort(out)
	return out
}
