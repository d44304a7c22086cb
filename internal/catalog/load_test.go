// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

const clinic = `
create schema hc;
create table public.patients (id int primary key, ssn text, gone text, born date);
alter table public.patients drop column gone;
create table hc.notes (id int primary key, patient int references public.patients, body text);
create view hc.shown as select ssn as code from public.patients;
create materialized view hc.stored as select ssn as code from public.patients;
create table "Odd.Schema" ("a b" text);
create function hc.fmt_code(text) returns text language sql immutable as 'select upper($1)';
create function hc.roll() returns int language plpgsql volatile as 'begin return 4; end';`

// TestLoad reads the catalogue of every supported version.
func TestLoad(t *testing.T) {
	t.Parallel()
	for _, major := range pgtest.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			srv := pgtest.Shared(t, major)
			conn := srv.Connect(t, srv.NewDatabase(t, clinic))
			if _, err := conn.Exec(t.Context(), "create temp table scratch (a int)"); err != nil {
				t.Fatal(err)
			}
			c := load(t, conn, catalog.Config{Labels: labels(t, "public.patients.ssn: phi.ssn", "hc.notes.*: phi.note", "hc.notes.id: public")})
			wantWarnings(t, c)
			if c.ServerVersion()/10000 != major {
				t.Errorf("version %d", c.ServerVersion())
			}
			checkRelations(t, conn, c)
			checkFunctions(t, conn, c)
			checkNames(t, c)
		})
	}
}

func checkRelations(t *testing.T, conn *pgx.Conn, c *catalog.Catalog) {
	t.Helper()
	oid := oidOf(t, conn, "public.patients")
	r, ok := c.Relation(oid)
	if !ok {
		t.Fatal("the table is not known")
	}
	want := postgres.Relation{OID: oid, Schema: "public", Name: "patients", Kind: 'r', Columns: map[int16]postgres.Column{
		1: {Name: "id", TypeOID: 23},
		2: {Name: "ssn", TypeOID: 25, Labels: []sallyport.Label{"phi.ssn"}},
		3: {Name: "........pg.dropped.3........", Dropped: true},
		4: {Name: "born", TypeOID: 1082},
	}}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("relation (-want +got):\n%s", diff)
	}
	for name, kind := range map[string]byte{"hc.notes": 'r', "hc.shown": 'v', "hc.stored": 'm', "public.patients_pkey": 'i', "scratch": 'r'} {
		if r, ok := c.Relation(oidOf(t, conn, name)); !ok || r.Kind != kind || r.Temp != (name == "scratch") {
			t.Errorf("%s is %+v, %v", name, r, ok)
		}
	}
	for column, want := range map[string]string{"id": "public", "patient": "phi.note", "body": "phi.note"} {
		if got := labelsOf(t, c, "hc", "notes", column); got != want {
			t.Errorf("hc.notes.%s has %q, want %q", column, got, want)
		}
	}
	if _, ok := c.Relation(1); ok {
		t.Error("an OID that nothing has is known")
	}
}

func checkFunctions(t *testing.T, conn *pgx.Conn, c *catalog.Catalog) {
	t.Helper()
	for sql, want := range map[string]postgres.Function{
		"'hc.fmt_code(text)'":          {Name: "fmt_code", Schema: "hc", Volatility: 'i', Language: "sql"},
		"'hc.roll()'":                  {Name: "roll", Schema: "hc", Volatility: 'v', Language: "plpgsql"},
		"'pg_catalog.upper(text)'":     {Name: "upper", Schema: "pg_catalog", Volatility: 'i', Language: "internal"},
		"'pg_catalog.count(\"any\")'":  {Name: "count", Schema: "pg_catalog", Volatility: 'i', Language: "internal"},
		"'pg_catalog.pg_sleep(float)'": {Name: "pg_sleep", Schema: "pg_catalog", Volatility: 'v', Language: "internal"},
	} {
		var oid uint32
		if err := conn.QueryRow(t.Context(), "select "+sql+"::regprocedure::oid").Scan(&oid); err != nil {
			t.Fatal(err)
		}
		if got, ok := c.Function(oid); !ok || got != want {
			t.Errorf("%s is %+v, %v", sql, got, ok)
		}
	}
	if _, ok := c.Function(1); ok {
		t.Error("an OID that nothing has is known")
	}
}

func checkNames(t *testing.T, c *catalog.Catalog) {
	t.Helper()
	for _, n := range []struct {
		field byte
		name  string
		want  bool
	}{
		{'s', "hc", true},
		{'t', "patients", true},
		{'c', "ssn", true},
		{'d', "date", true},
		{'n', "patients_pkey", true},
		{'n', "notes_patient_fkey", true},
		{'t', "ssn", false},
		{'s', "987-65-4320", false},
		{'t', "scratch", false},
		{'d', "scratch", false},
		{'c', "gone", false},
		{'M', "patients", false},
	} {
		if got := c.Known(n.field, n.name); got != n.want {
			t.Errorf("known %c %s: %v", n.field, n.name, got)
		}
	}
	for _, r := range []struct {
		schema, name string
		path         []string
		want         string
	}{
		{"hc", "notes", nil, "hc.notes"},
		{"", "notes", []string{"public", "hc"}, "hc.notes"},
		{"", "notes", []string{"public"}, ""},
		{"", "pg_class", []string{"public"}, "pg_catalog.pg_class"},
		{"", "pg_class", nil, "pg_catalog.pg_class"},
		{"pg_temp", "scratch", nil, ""},
		{"", "scratch", []string{"pg_temp", "public"}, ""},
		{"Odd.Schema", "a b", nil, ""},
		{"public", "Odd.Schema", nil, "public.Odd.Schema"},
	} {
		got := ""
		if rel, ok := c.Resolve(r.schema, r.name, r.path); ok {
			got = rel.Schema + "." + rel.Name
		}
		if got != r.want {
			t.Errorf("%q.%q along %v is %q, want %q", r.schema, r.name, r.path, got, r.want)
		}
	}
}

func oidOf(t testing.TB, conn *pgx.Conn, name string) uint32 {
	t.Helper()
	var oid uint32
	if err := conn.QueryRow(t.Context(), "select $1::text::regclass::oid", name).Scan(&oid); err != nil {
		t.Fatal(err)
	}
	return oid
}

// TestResolveShadows: a path that names pg_catalog last lets a table of the same
// name come first.
func TestResolveShadows(t *testing.T) {
	t.Parallel()
	srv := pgtest.Shared(t, 15)
	conn := srv.Connect(t, srv.NewDatabase(t, "create table public.pg_class (a int)"))
	c := load(t, conn, catalog.Config{})
	if r, _ := c.Resolve("", "pg_class", []string{"public", "pg_catalog"}); r.Schema != "public" {
		t.Errorf("resolved to %s", r.Schema)
	}
	if r, _ := c.Resolve("", "pg_class", []string{"public"}); r.Schema != "pg_catalog" {
		t.Errorf("resolved to %s", r.Schema)
	}
}

// TestLoadNeedsNoRights: a role that may read nothing can load the catalogue.
func TestLoadNeedsNoRights(t *testing.T) {
	t.Parallel()
	srv := pgtest.Shared(t, 15)
	db := srv.NewDatabase(t, clinic+"create role catalog_reader login password 'synthetic'; revoke all on schema public, hc from public;")
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), srv.URL("postgres", "", ""))
		if err == nil {
			_, err = conn.Exec(context.Background(), "drop role catalog_reader")
			err = errors.Join(err, conn.Close(context.Background()))
		}
		if err != nil {
			t.Error(err)
		}
	})
	conn, err := pgx.Connect(t.Context(), srv.URL(db, "catalog_reader", "synthetic"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	c := load(t, conn, catalog.Config{Labels: labels(t, "public.patients.ssn: phi.ssn")})
	if got := labelsOf(t, c, "public", "patients", "ssn"); got != "phi.ssn" {
		t.Errorf("labels %q", got)
	}
}

// TestSystemLabels checks every column of the system catalogues of every version.
func TestSystemLabels(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"pg_statistic.stavalues1": "", "pg_statistic.stavalues5": "", "pg_statistic.stanumbers1": "", "pg_statistic.starelid": "system",
		"pg_statistic_ext_data.stxdmcv": "", "pg_statistic_ext_data.stxdexpr": "", "pg_statistic_ext_data.stxoid": "system",
		"pg_largeobject.data": "", "pg_largeobject.loid": "system", "pg_attribute.attmissingval": "", "pg_attribute.attname": "system",
		"pg_authid.rolpassword": "secret", "pg_authid.rolname": "system", "pg_user_mapping.umoptions": "secret", "pg_subscription.subconninfo": "secret",
		"pg_foreign_server.srvoptions": "secret", "pg_db_role_setting.setconfig": "", "pg_description.description": "", "pg_class.relname": "system",
		"pg_index.indpred": "system",
	}
	for _, major := range pgtest.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			conn := pgtest.Shared(t, major).Connect(t, "postgres")
			c := load(t, conn, catalog.Config{})
			for name, label := range want {
				var table, column string
				for i := range name {
					if name[i] == '.' {
						table, column = name[:i], name[i+1:]
					}
				}
				if got := labelsOf(t, c, "pg_catalog", table, column); got != label {
					t.Errorf("%s has %q, want %q", name, got, label)
				}
			}
			// No column whose type can hold anything passes as system: samples of data
			// are of type anyarray or bytea.
			rows, err := conn.Query(t.Context(), `select c.oid, a.attnum, c.relname || '.' || a.attname from pg_class c join pg_attribute a on attrelid = c.oid
				where relnamespace in ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace) and relkind in ('r', 't') and attnum > 0 and (atttypid in ('anyarray'::regtype, 'pg_mcv_list'::regtype)
				or atttypid = 'bytea'::regtype and relname <> 'pg_trigger')`)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for ; rows.Next(); n++ {
				var oid uint32
				var attnum int16
				var name string
				if err := rows.Scan(&oid, &attnum, &name); err != nil {
					t.Fatal(err)
				}
				r, _ := c.Relation(oid)
				if col := r.Columns[attnum]; len(col.Labels) != 0 {
					t.Errorf("%s has %v", name, col.Labels)
				}
			}
			if rows.Err() != nil || n < 7 {
				t.Errorf("looked at %d columns, %v", n, rows.Err())
			}
		})
	}
}

// failing is a Querier that fails, or claims to be of another version.
type failing struct {
	conn *pgx.Conn
	sql  string // what replaces the first query
	err  error
}

func (f *failing) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if f.err != nil {
		return nil, f.err
	}
	if f.sql != "" {
		sql, f.sql = f.sql, ""
	}
	return f.conn.Query(ctx, sql, args...)
}

func TestLoadFails(t *testing.T) {
	t.Parallel()
	conn := pgtest.Shared(t, 15).Connect(t, "postgres")
	_, err := catalog.Load(t.Context(), &failing{err: errors.New("gone")}, catalog.Config{})
	wantKind(t, err, sallyport.Unavailable)
	for _, version := range []string{"130011", "190000"} {
		_, err = catalog.Load(t.Context(), &failing{conn: conn, sql: "select " + version + ", 1::int8, 'x'"}, catalog.Config{})
		wantKind(t, err, sallyport.Invalid)
	}
	_, err = catalog.Load(t.Context(), &failing{conn: conn, sql: "select 'x'"}, catalog.Config{})
	wantKind(t, err, sallyport.Unavailable)
	_, err = catalog.Load(t.Context(), conn, catalog.Config{State: &memory{loadErr: errors.New("disk")}})
	wantKind(t, err, sallyport.Unavailable)
	_, err = catalog.Load(t.Context(), conn, catalog.Config{State: &memory{save: errors.New("disk")}})
	wantKind(t, err, sallyport.Unavailable)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = catalog.Load(ctx, pgtest.Shared(t, 15).Connect(t, "postgres"), catalog.Config{})
	wantKind(t, err, sallyport.Unavailable)
}
