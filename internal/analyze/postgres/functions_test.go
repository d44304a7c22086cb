// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// TestBuiltInOperators proves the assumption that every built-in operator is a
// function of its operands: its function is immutable, or stable and listed.
func TestBuiltInOperators(t *testing.T) {
	for _, major := range pgtest.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			c := pgtest.Shared(t, major).Connect(t, "postgres")
			names := query(t, c, `select distinct p.proname || ':' || p.provolatile::text from pg_operator o
				join pg_proc p on p.oid = o.oprcode where o.oid < 16384`)
			if len(names) < 300 {
				t.Fatalf("only %d operators", len(names))
			}
			for _, n := range names {
				name, volatility, _ := strings.Cut(n, ":")
				compare := strings.HasPrefix(name, "date_") || strings.HasPrefix(name, "timestamp")
				if volatility != "i" && (volatility != "s" || !compare && !postgres.Harmless(name)) {
					t.Errorf("the operator function %s (%s) is not known to be pure", name, volatility)
				}
			}
		})
	}
}

// TestUnprovedFunctions keeps the built-in functions that are neither immutable
// nor listed in a file, one list for all releases: a new one shows up as a
// fault and is judged by a human.
func TestUnprovedFunctions(t *testing.T) {
	var all []string
	for _, major := range pgtest.Majors() {
		c := pgtest.Shared(t, major).Connect(t, "postgres")
		for _, name := range query(t, c, `select distinct p.proname from pg_proc p join pg_language l on l.oid = p.prolang
			where p.oid < 16384 and not (p.provolatile = 'i' and l.lanname in ('internal', 'sql'))
			and not p.proargtypes::oid[] && array['internal'::regtype::oid, 'cstring'::regtype::oid]
			and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype, 'cstring'::regtype,
				'language_handler'::regtype, 'index_am_handler'::regtype, 'table_am_handler'::regtype)`) {
			switch {
			case postgres.Harmless(name) && postgres.RefusedFunction(name) != "":
				t.Errorf("%s is both listed and refused", name)
			case postgres.Harmless(name):
			case postgres.RefusedFunction(name) != "":
				all = append(all, name+" refused")
			default:
				all = append(all, name+" unknown")
			}
		}
	}
	slices.Sort(all)
	got := slices.Compact(all)
	const file = "testdata/unproved.txt"
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// Minor releases differ by a function now and then, so a line that no server
	// here has is no fault; a function without a line is.
	listed := strings.Split(strings.TrimSpace(string(want)), "\n")
	for _, line := range got {
		if !slices.Contains(listed, line) {
			t.Errorf("%s lacks a function that a server has: %s", file, line)
		}
	}
	for _, line := range listed {
		if !slices.Contains(got, line) {
			t.Logf("%s has a function that none of these servers has: %s", file, line)
		}
	}
}

func query(t *testing.T, c *pgx.Conn, sql string) []string {
	t.Helper()
	rows, err := c.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}
