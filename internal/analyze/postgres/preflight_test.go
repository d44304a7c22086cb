// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres/corpus"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

func TestPreflightText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, sql, want string }{
		{"strings", "select 'a', 'b' || x from t where y = 'c'", "SELECT NULL, NULL || x FROM t WHERE y = NULL"},
		{"typed string", "select date '2020-01-01', interval '1 day', 'x'::varchar(3000)", "SELECT NULL::date, NULL::interval, NULL::varchar(3000)"},
		{"small integers stay", "select 1 from t order by 2 limit 100", "SELECT 1 FROM t ORDER BY 2 LIMIT 100"},
		{"integers by type", "select 123456789, 12345678901, 123456789012345678901, 1.25, 1e10", "SELECT 1665, 2147483648, 0.5, 0.5, 0.5"},
		{"bits", "select b'101', x'1F'", "SELECT b'0', x'0'"},
		{"field of extract", "select extract(year from d)", "SELECT extract ('year' FROM d)"},
		{"comment", "select /* 123-45-6789 */ x", "SELECT x"},
		{"parameters stay", "select $1, $2::text", "SELECT $1, $2::text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := postgres.PreflightText(c.sql)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Join(strings.Fields(got), " ") != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	for _, sql := range []string{"select 1; select 2", "", "select (", "select * from json_table('{}', '$.secret' columns (a int path '$'))"} {
		if got, err := postgres.PreflightText(sql); err == nil {
			t.Errorf("%q became %q", sql, got)
		}
	}
}

// TestPreflightLineage proves on every release that the neutral text has the
// lineage of the original.
func TestPreflightLineage(t *testing.T) {
	set, err := corpus.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, major := range pgtest.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			srv := pgtest.Shared(t, major)
			p := connect(t, srv, srv.NewDatabase(t, set.Schema))
			var catalog snapshot
			catalog.loadFunctions(t, p.Conn, set.Pure)
			catalog.loadRelations(t, p.Conn, nil)
			compared := 0
			for _, c := range set.Cases {
				script, err := postgres.Gate(c.SQL)
				if err != nil {
					t.Fatal(err)
				}
				if c.From > major || c.Setup != nil || c.ServerError || script.Statements[0].Inner != nil || !script.Statements[0].NeedsTree {
					continue
				}
				text, err := postgres.PreflightText(c.SQL)
				if err != nil {
					if c.ID == "25" { // JSON_TABLE's path cannot be replaced
						continue
					}
					t.Errorf("%s: %v", c.SQL, err)
					continue
				}
				tree, err := p.tree(t, c.SQL)
				if c.Refused != "" && err != nil {
					continue
				}
				if err != nil {
					t.Fatalf("%s: %v", c.SQL, err)
				}
				neutral, err := p.tree(t, text)
				if err != nil {
					t.Errorf("%s became %s: %v", c.SQL, text, err)
					continue
				}
				want, err := postgres.Lineage(tree, &catalog)
				if err != nil {
					t.Fatal(err)
				}
				got, err := postgres.Lineage(neutral, &catalog)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s became %s:\n%s", c.SQL, text, diff)
				}
				compared++
			}
			if compared < 80 {
				t.Errorf("only %d statements were compared", compared)
			}
		})
	}
}
