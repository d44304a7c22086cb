// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// database makes a database with the given statements.
func database(t *testing.T, sql string) *pgx.Conn {
	t.Helper()
	srv := pgtest.Shared(t, 15)
	return srv.Connect(t, srv.NewDatabase(t, sql))
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// TestLabelsSurviveRenames follows one column through renames and restarts: each
// load is a new process that knows only the file and the state.
func TestLabelsSurviveRenames(t *testing.T) {
	t.Parallel()
	conn := database(t, "create table patients (id int, ssn text, note text)")
	state := &memory{}
	cfg := catalog.Config{State: state, Labels: labels(t, "public.patients.ssn: phi.ssn", "public.patients.id: public")}
	c := load(t, conn, cfg)
	wantWarnings(t, c)
	want := []catalog.RememberedColumn{
		{OID: oidOf(t, conn, "patients"), Attnum: 1, Schema: "public", Table: "patients", Column: "id", Labels: []sallyport.Label{"public"}},
		{OID: oidOf(t, conn, "patients"), Attnum: 2, Schema: "public", Table: "patients", Column: "ssn", Labels: []sallyport.Label{"phi.ssn"}},
	}
	if diff := cmp.Diff(want, state.m.Columns); diff != "" {
		t.Errorf("memory (-want +got):\n%s", diff)
	}
	if load(t, conn, cfg); state.saves != 1 {
		t.Errorf("an unchanged memory was saved %d times", state.saves)
	}

	exec(t, conn, "alter table patients rename column ssn to code")
	for range 2 { // it sticks for good
		c = load(t, conn, cfg)
		if got := labelsOf(t, c, "public", "patients", "code"); got != "phi.ssn" {
			t.Errorf("after a rename the column has %q", got)
		}
		wantWarnings(t, c, "public.patients.code was public.patients.ssn when it was labelled; phi.ssn stays with it")
	}

	// The table is renamed too, and moved.
	exec(t, conn, "create schema other; alter table patients rename to people; alter table people set schema other")
	c = load(t, conn, cfg)
	if got := labelsOf(t, c, "other", "people", "code") + labelsOf(t, c, "other", "people", "id"); got != "phi.ssnpublic" {
		t.Errorf("after moving the table the columns have %q", got)
	}

	// The dead line is taken out of the file: the label stays.
	cfg.Labels = labels(t, "other.people.id: public")
	c = load(t, conn, cfg)
	if got := labelsOf(t, c, "other", "people", "code"); got != "phi.ssn" {
		t.Errorf("without its line the column has %q", got)
	}

	// A rule for the whole table adds to it.
	cfg.Labels = labels(t, "other.people.*: public")
	if got := labelsOf(t, load(t, conn, cfg), "other", "people", "code"); got != "phi.ssn public" {
		t.Errorf("with a rule for the table the column has %q", got)
	}

	// A line by the new name decides, now and later.
	cfg.Labels = labels(t, "other.people.code: phi.code")
	c = load(t, conn, cfg)
	if got := labelsOf(t, c, "other", "people", "code"); got != "phi.code" {
		t.Errorf("with a line of its own the column has %q", got)
	}
	cfg.Labels = labels(t, "other.people.code: public")
	if got := labelsOf(t, load(t, conn, cfg), "other", "people", "code"); got != "public" {
		t.Errorf("after its line changed the column has %q", got)
	}

	// Without a line and under the same name there is nothing to remember.
	cfg.Labels = nil
	if got := labelsOf(t, load(t, conn, cfg), "other", "people", "code"); got != "" {
		t.Errorf("without a line the column has %q", got)
	}
}

// TestSwappedNames: two columns that swap names do not swap labels.
func TestSwappedNames(t *testing.T) {
	t.Parallel()
	conn := database(t, "create table patients (id int, ssn text)")
	cfg := catalog.Config{State: &memory{}, Labels: labels(t, "public.patients.ssn: phi.ssn", "public.patients.id: public")}
	load(t, conn, cfg)
	exec(t, conn, "alter table patients rename ssn to x; alter table patients rename id to ssn; alter table patients rename x to id")
	for range 2 {
		c := load(t, conn, cfg)
		if got := labelsOf(t, c, "public", "patients", "id"); got != "phi.ssn public" {
			t.Errorf("the number under the name id has %q", got)
		}
		wantWarnings(t, c, "public.patients.ssn was public.patients.id", "public.patients.id was public.patients.ssn")
	}
	// A new column under the old name is labelled as the file says.
	exec(t, conn, "alter table patients drop column ssn; alter table patients add column ssn text")
	if got := labelsOf(t, load(t, conn, cfg), "public", "patients", "ssn"); got != "phi.ssn" {
		t.Errorf("a new column under a labelled name has %q", got)
	}
}

func TestDropAndCreate(t *testing.T) {
	t.Parallel()
	conn := database(t, "create table patients (id int, ssn text); create table other (a text)")
	state := &memory{}
	cfg := catalog.Config{State: state, Labels: labels(t, "public.patients.ssn: phi.ssn")}
	first := load(t, conn, cfg)
	old := oidOf(t, conn, "patients")
	exec(t, conn, "drop table patients")
	c := load(t, conn, cfg)
	if _, ok := c.Relation(old); ok || len(state.m.Columns) != 0 {
		t.Error("a dropped table is still known")
	}
	wantWarnings(t, c, "3: public.patients.ssn matches no column")
	exec(t, conn, "create table patients (ssn text, id int)")
	c = load(t, conn, cfg)
	if got := labelsOf(t, c, "public", "patients", "ssn"); got != "phi.ssn" {
		t.Errorf("a table made again has %q", got)
	}
	// A snapshot does not change.
	if r, ok := first.Relation(old); !ok || len(columnOf(t, r, "ssn").Labels) != 1 {
		t.Error("an old snapshot changed")
	}
	if got := labelsOf(t, c, "public", "other", "a"); got != "" {
		t.Errorf("an unlabelled column has %q", got)
	}
}

// TestOtherDatabase: OIDs of one database mean nothing in another.
func TestOtherDatabase(t *testing.T) {
	t.Parallel()
	srv := pgtest.Shared(t, 15)
	conn := srv.Connect(t, srv.NewDatabase(t, "create table a (x text)"))
	state := &memory{}
	cfg := catalog.Config{State: state, Labels: labels(t, "public.a.x: phi.x")}
	load(t, conn, cfg)
	exec(t, conn, "alter table a rename x to y")
	moved := state.m
	moved.Database = "1/elsewhere"
	other := &memory{m: moved}
	c := load(t, conn, catalog.Config{State: other, Labels: cfg.Labels})
	if got := labelsOf(t, c, "public", "a", "y"); got != "" {
		t.Errorf("labels of another database came in: %q", got)
	}
	wantWarnings(t, c, "of another database", "matches no column")
}

func TestInheritance(t *testing.T) {
	t.Parallel()
	conn := database(t, `
		create table visits (id int, ssn text, note text) partition by range (id);
		create table visits_1 partition of visits for values from (0) to (10) partition by range (id);
		create table visits_1a partition of visits_1 for values from (0) to (5);
		create table loose (note text, id int, ssn text);
		alter table visits attach partition loose for values from (10) to (20);
		create table base (a text, b text);
		create table child (c text) inherits (base);
		create table sibling () inherits (base);`)
	cfg := catalog.Config{Labels: labels(t, "public.visits.ssn: phi.ssn", "public.visits.id: public",
		"public.visits_1a.note: phi.note", "public.base.a: public", "public.child.a: phi.name", "public.child.c: phi.c")}
	c := load(t, conn, cfg)
	wantWarnings(t, c)
	check := func(table, column, want string) {
		t.Helper()
		if got := labelsOf(t, c, "public", table, column); got != want {
			t.Errorf("%s.%s has %q, want %q", table, column, got, want)
		}
	}
	for _, table := range []string{"visits", "visits_1", "visits_1a", "loose"} {
		check(table, "ssn", "phi.ssn")
		check(table, "id", "public")
	}
	// What a child holds comes out through its parents, but not through others.
	check("visits_1a", "note", "phi.note")
	check("visits_1", "note", "phi.note")
	check("visits", "note", "phi.note")
	check("loose", "note", "")
	check("base", "a", "public phi.name")
	check("child", "a", "phi.name public")
	check("sibling", "a", "public")
	check("child", "c", "phi.c")
	// A new partition is protected from the start, whatever its columns' order.
	exec(t, conn, "create table visits_2 (note text, x int, ssn text, id int); alter table visits_2 drop column x; alter table visits attach partition visits_2 for values from (20) to (30)")
	c = load(t, conn, cfg)
	check("visits_2", "ssn", "phi.ssn")
	check("visits_2", "id", "public")
}

func TestViewsAndTempTables(t *testing.T) {
	t.Parallel()
	conn := database(t, "create table p (ssn text); create view v as select ssn from p; create materialized view m as select ssn from p")
	exec(t, conn, "create temp table p (ssn text); create temp table q (ssn text)")
	c := load(t, conn, catalog.Config{Labels: labels(t, "public.p.ssn: phi.ssn", "public.v.ssn: phi.ssn", "public.m.ssn: phi.ssn")})
	wantWarnings(t, c, "4: public.v.ssn is a column of a view")
	if got := labelsOf(t, c, "public", "m", "ssn"); got != "phi.ssn" {
		t.Errorf("a materialised view has %q", got)
	}
	r, ok := c.Relation(oidOf(t, conn, "pg_temp.p"))
	if !ok || !r.Temp || len(columnOf(t, r, "ssn").Labels) != 0 {
		t.Errorf("a temporary table of a labelled name is %+v", r)
	}
	if r, ok := c.Resolve("", "q", []string{r.Schema, "public"}); !ok || r.Name != "q" {
		t.Error("a temporary table is not found in its schema")
	}
}

func TestUnmatchedLines(t *testing.T) {
	t.Parallel()
	conn := database(t, `create table a (x text, "Y.z" text)`)
	c := load(t, conn, catalog.Config{Labels: labels(t, "public.a.X: phi.x", "public.a.x: phi.x", `'public.a."Y.z"': phi.y`, "public.a.*: public", "public.b.*: public", "nowhere.a.x: public")})
	wantWarnings(t, c, "3: public.a.X matches no column", "7: public.b.* matches", "8: nowhere.a.x matches")
	if got := labelsOf(t, c, "public", "a", "Y.z"); got != "phi.y" {
		t.Errorf("a quoted name has %q", got)
	}
}

func TestPureFunctions(t *testing.T) {
	t.Parallel()
	conn := database(t, `
		create function fmt(text, int4[]) returns text language sql immutable as 'select $1';
		create function fmt(text) returns text language sql immutable as 'select $1';
		create function odd() returns text language sql immutable as 'select ''x''';`)
	parse := func(list string) *catalog.Labels {
		l, err := catalog.ParseLabels("l", []byte("version: 1\nfunctions:\n  pure: "+list+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	state := &memory{}
	cfg := catalog.Config{State: state, Labels: parse(`["public.fmt(text,int[])", "public.odd()", "public.none(text)", "pg_catalog.upper(text)"]`)}
	pure := func(c *catalog.Catalog, sig string) bool {
		var oid uint32
		if err := conn.QueryRow(t.Context(), "select $1::text::regprocedure::oid", sig).Scan(&oid); err != nil {
			t.Fatal(err)
		}
		f, ok := c.Function(oid)
		return ok && f.Pure
	}
	c := load(t, conn, cfg)
	wantWarnings(t, c, "3: pg_catalog.upper(text) is built in", "3: public.none(text) matches no function")
	if !pure(c, "fmt(text,int[])") || !pure(c, "odd()") || pure(c, "fmt(text)") || pure(c, "upper(text)") {
		t.Error("the listed functions are not the pure ones")
	}
	exec(t, conn, `create or replace function odd() returns text language sql immutable as 'select current_user::text'`)
	cfg.Labels = parse(`["public.odd()"]`)
	for range 2 {
		c = load(t, conn, cfg)
		if wantWarnings(t, c, "3: public.odd() was replaced since it was listed"); pure(c, "odd()") {
			t.Error("a replaced function still counts as pure")
		}
	}
	cfg.Labels = nil
	load(t, conn, cfg)
	cfg.Labels = parse(`["public.odd()"]`)
	if c = load(t, conn, cfg); !pure(c, "odd()") {
		t.Error("a function that was listed again does not count as pure")
	}
}
