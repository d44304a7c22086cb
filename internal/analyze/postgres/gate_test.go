// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
)

// short writes a gated statement on one line: class [effects] objects | functions.
func short(g *postgres.Gated) string {
	if g.Refused != "" {
		return g.Class + " REFUSED"
	}
	var b strings.Builder
	b.WriteString(g.Class + " [")
	for i, e := range g.Effects {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(e.String())
	}
	b.WriteString("]")
	for _, o := range g.Objects {
		fmt.Fprintf(&b, " %s:%s:", o.Effect, o.Kind)
		if o.Schema != "" {
			b.WriteString(o.Schema + ".")
		}
		b.WriteString(o.Name)
		if o.New {
			b.WriteString("+")
		}
	}
	for _, f := range g.Functions {
		b.WriteString(" " + f.Schema + "." + f.Name + "()")
	}
	return b.String()
}

func TestGate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sql, want string }{
		// queries and changes of data
		{"select 1", "select [read]"},
		{"select * from hc.patient p, (select 1 from pub) x where p.id in (select id from visit)", "select [read] read:table:hc.patient read:table:pub read:table:visit"},
		{"with a as (select 1 from patient), patient as (select 2) select * from a, patient", "select [read] read:table:patient"},
		{"with patient as (select * from patient) select * from patient", "select [read] read:table:patient"},
		{"with recursive a as (select 1 union select * from a) select * from a, hc.a", "select [read] read:table:hc.a"},
		{"with d as (delete from visit returning *) select * from d", "select [read delete] delete:table:visit"},
		{"with a as (select 1) insert into a select * from a", "insert [write] write:table:a"},
		{"select (with a as (select 1) select * from a), (select 1 from a)", "select [read] read:table:a"},
		{"select nextval('s'), upper(x), hc.f(1) from t for update", "select [read write] read:table:t .nextval() .upper() hc.f()"},
		{"insert into t (a, b) values (1, lower('x')) on conflict (a) do update set b = excluded.b", "insert [read write] write:table:t .lower()"},
		{"update t set a = (select max(b) from u)", "update [read write] write:table:t read:table:u .max()"},
		{"delete from t using u where t.id = u.id", "delete [read delete] delete:table:t read:table:u"},
		{"merge into t using u on t.id = u.id when matched then delete when not matched then insert values (1)", "merge [read write delete] delete:table:t write:table:t read:table:t read:table:u"},
		{"values (1), (2)", "select [read]"},
		{"table hc.pub", "select [read] read:table:hc.pub"},
		// holders of queries
		{"explain select * from t", "explain [read] read:table:t"},
		{"explain delete from t", "explain [read] read:table:t"},
		{"explain analyze delete from t", "explain [delete] delete:table:t"},
		{"explain (analyze off) delete from t", "explain [read] read:table:t"},
		{"explain (analyze, sideways) select 1", "explain REFUSED"},
		{"explain execute a", "explain REFUSED"},
		{"explain create table x as select 1", "explain REFUSED"},
		{"create table x as select * from t", "create table as [read define] define:table:x+ read:table:t"},
		{"create table x as execute a", "create table as REFUSED"},
		{"create temp table x as select 1", "create table as [read define] define:table:pg_temp.x+"},
		{"select * into x from t", "select into [read define] define:table:x+ read:table:t"},
		{"select 1 into temp x union select 2", "select into [read define] define:table:pg_temp.x+"},
		{"with a as (select 1 into x) select 1", "select REFUSED"},
		{"create materialized view m as select * from t", "create materialized view [read define] define:materialized view:m+ read:table:t"},
		{"create or replace view v as select * from t", "create view [read define] define:view:v read:table:t"},
		{"declare c cursor for select * from t", "declare cursor [read] read:table:t"},
		{"copy t to stdout", "copy to [read] read:table:t"},
		{"copy t from stdin", "copy from [write] write:table:t"},
		{"copy (delete from t returning *) to stdout", "copy to [delete] delete:table:t"},
		{"copy t from stdin where hc.f(a)", "copy from [write] write:table:t hc.f()"},
		{"copy t to 'x'", "copy to REFUSED"},
		{"copy t from program 'x'", "copy from REFUSED"},
		{"copy t to stdout (format xml)", "copy to REFUSED"},
		{"copy t to stdout (encoding 'latin1')", "copy to REFUSED"},
		{"copy t to stdout (delimiter 'ab')", "copy to REFUSED"},
		// the session
		{"begin isolation level serializable read only", "begin [control]"},
		{"commit and chain", "commit [control]"},
		{"rollback to a", "rollback to [control]"},
		{"prepare transaction 'x'", "prepare transaction REFUSED"},
		{"set search_path = a, b", "set [control]"},
		{"set time zone 'UTC'", "set [control]"},
		{"set names 'utf8'", "set [control]"},
		{"set names 'latin1'", "set REFUSED"},
		{"set local statement_timeout = 1000", "set [control]"},
		{"set extra_float_digits = 3", "set [control]"},
		{"set extra_float_digits = -2", "set REFUSED"},
		{"set session characteristics as transaction read only", "set transaction [control]"},
		{"set transaction snapshot 'x'", "set transaction REFUSED"},
		{"set app.tenant = 'x'", "set REFUSED"},
		{"set debug_pretty_print = on", "set REFUSED"},
		{"set log_min_messages = debug5", "set REFUSED"},
		{"set session_replication_role = replica", "set REFUSED"},
		{"set session authorization default", "set REFUSED"},
		{"set role none", "set REFUSED"},
		{"reset role", "reset REFUSED"},
		{"reset client_min_messages", "reset REFUSED"},
		{"reset all", "reset all [control]"},
		{"reset search_path", "reset [control]"},
		{"show server_version", "show [control]"},
		{"discard all", "discard all [control]"},
		{"deallocate all", "deallocate all [control]"},
		{"close all", "close all [control]"},
		{"fetch 5 from c", "fetch [control]"},
		{"unlisten *", "unlisten [control]"},
		{"listen x", "listen REFUSED"},
		{"notify x, 'y'", "listen REFUSED"},
		{"prepare a as select 1", "prepare REFUSED"},
		{"execute a", "execute REFUSED"},
		// definitions
		{"create table hc.t (id int primary key, x text default lower('A'), y int references u)", "create table [read define] define:table:hc.t+ read:table:u .lower()"},
		{"create table t (like hc.patient including all)", "create table [read define] define:table:t+ read:table:hc.patient"},
		{"create table p partition of t for values in (1)", "create table [read define] define:table:p+ read:table:t"},
		{"create index i on hc.t (lower(x)) where y > 0", "create index [define] define:table:hc.t .lower()"},
		{"create sequence s", "create sequence [define] define:sequence:s+"},
		{"create schema s", "create schema [define] define:schema:s+"},
		{"create schema s create table t (a int)", "create schema REFUSED"},
		{"create type e as enum ('a')", "create type [define] define:type:e+"},
		{"create type c as (a int)", "create type [define] define:type:c+"},
		{"create type b (input = f, output = g)", "create define REFUSED"},
		{"create domain hc.d as text check (value ~ 'x')", "create domain [define] define:type:hc.d+"},
		{"comment on column hc.t.x is 'y'", "comment [define] define:table:hc.t"},
		{"alter table t add column x int, drop column y", "alter table [define destroy] define:table:t destroy:table:t"},
		{"alter table t alter x type int using x::int", "alter table [define] define:table:t"},
		{"alter table t alter x type text using ssn", "alter table REFUSED"},
		{"alter table t alter x type text using reverse(x)", "alter table REFUSED"},
		{"alter table t alter x type text using x || x", "alter table REFUSED"},
		{"alter table t alter x type text using x[1]", "alter table REFUSED"},
		{"alter table t alter x type text using (x::int)::text", "alter table [define] define:table:t"},
		{"alter table t add column y text generated always as (ssn) stored", "alter table REFUSED"},
		{"create table t (a text, b text generated always as (a) stored)", "create table REFUSED"},
		{"alter table t add column x int generated always as identity", "alter table [define] define:table:t"},
		{"alter table t alter x type text using (select 'a')", "alter table REFUSED"},
		{"alter table t alter x type text using t::text", "alter table REFUSED"},
		{"alter table t alter x set expression as (ssn)", "alter table REFUSED"},
		{"alter table t inherit u", "alter table [administer] administer:table:u administer:table:t"},
		{"alter table t attach partition u for values in (1)", "alter table [administer] administer:table:u administer:table:t"},
		{"alter table t owner to x", "alter table [administer] administer:table:t"},
		{"alter table t disable row level security", "alter table [administer] administer:table:t"},
		{"alter table t disable trigger all", "alter table [administer] administer:table:t"},
		{"alter table hc.t rename column a to b", "alter column rename [define] define:table:hc.t"},
		{"alter table t rename to u", "alter table rename [define] define:table:t"},
		{"alter function f(int) rename to g", "alter function rename [administer] administer:function:f"},
		{"alter schema s rename to u", "alter schema rename [administer] administer:schema:s"},
		{"alter table t set schema u", "alter table set schema [define] define:table:t define:schema:u"},
		{"alter function f() set schema u", "alter function set schema [administer] administer:function:f administer:schema:u"},
		{"alter schema s owner to x", "alter schema owner [administer] administer:schema:s"},
		{"drop table a, hc.b", "drop table [destroy] destroy:table:a destroy:table:hc.b"},
		{"drop view if exists v cascade", "drop view [destroy] destroy:view:v"},
		{"drop schema s", "drop schema [destroy] destroy:schema:s"},
		{"drop function f(int)", "drop function [destroy] destroy:function:f"},
		{"drop trigger g on hc.t", "drop trigger [destroy] destroy:table:hc.t"},
		{"drop extension x", "drop extension [destroy] destroy:extension:x"},
		{"drop database d", "drop database [destroy] destroy:database:d"},
		{"truncate a, b", "truncate [destroy] destroy:table:a destroy:table:b"},
		{"refresh materialized view m", "refresh materialized view [write] write:materialized view:m"},
		// administration
		{"grant select on hc.t to x", "grant [administer] administer:table:hc.t administer:role:x"},
		{"grant select on all tables in schema s to public", "grant [administer] administer:schema:s administer:role:public"},
		{"grant set on parameter log_min_messages to x", "grant REFUSED"},
		{"grant a to b", "grant role [administer] administer:role:a administer:role:b"},
		{"create role x login password 'y'", "create role [administer] administer:role:x+"},
		{"alter role x superuser", "alter role [administer] administer:role:x"},
		{"alter role x set client_min_messages = error", "alter role set REFUSED"},
		{"alter database x set client_min_messages = error", "alter role set REFUSED"},
		{"drop role x", "drop role [destroy] destroy:role:x"},
		{"vacuum", "vacuum [administer] administer:database:*"},
		{"analyze t", "analyze [administer] administer:table:t"},
		{"checkpoint", "checkpoint [administer] administer:database:*"},
		{"create policy p on t using (f(a))", "create policy [administer] administer:table:t .f()"},
		// never
		{"do $$begin end$$", "do REFUSED"},
		{"call p(1)", "call [execute] execute:function:p .p()"},
		{"create function f() returns int language sql as 'select 1'", "create function REFUSED"},
		{"create procedure f() language sql as 'select 1'", "create function REFUSED"},
		{"alter function f() set client_min_messages = error", "create function REFUSED"},
		{"create trigger a after insert on t execute function f()", "create trigger REFUSED"},
		{"create rule r as on insert to t do nothing", "create trigger REFUSED"},
		{"create extension x", "create extension REFUSED"},
		{"create server s foreign data wrapper w", "create server REFUSED"},
		{"create publication p for all tables", "create publication REFUSED"},
		{"create cast (text as int) with function f(text)", "create cast REFUSED"},
		{"lock table t", "lock table REFUSED"},
		{"load 'x'", "load REFUSED"},
		{"security label on table t is 'x'", "security label REFUSED"},
		{"select pg_catalog.pg_read_file('x')", "select REFUSED"},
		{"insert into t values (set_config('a', 'b', false))", "insert REFUSED"},
		{"create table t (a text default lo_get(1))", "create table REFUSED"},
		{"select hc.set_config('a')", "select [read] hc.set_config()"},
		{"select set_config from t", "select [read] read:table:t"},
		{"select t.pg_read_file from t", "select REFUSED"},
		{"explain select pg_ls_dir('.')", "explain REFUSED"},
	} {
		t.Run(c.sql, func(t *testing.T) {
			t.Parallel()
			s, err := postgres.Gate(c.sql)
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Statements) != 1 {
				t.Fatalf("%d statements", len(s.Statements))
			}
			g := s.Statements[0]
			if got := short(g); got != c.want {
				t.Errorf("got  %s (%s)\nwant %s", got, g.Refused, c.want)
			}
			if g.Text != c.sql {
				t.Errorf("text %q", g.Text)
			}
		})
	}
}

func TestGateSplit(t *testing.T) {
	t.Parallel()
	text := " select 1; -- ;\n select $a$;$a$, E'\\';' /* /* */ ; */ ;; update t set a = ';'  ; "
	s, err := postgres.Gate(text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range s.Statements {
		got = append(got, g.Class)
		if text[g.Start:g.End] != g.Text {
			t.Errorf("span %d:%d is not %q", g.Start, g.End, g.Text)
		}
	}
	if diff := cmp.Diff([]string{"select", "select", "update"}, got); diff != "" {
		t.Error(diff)
	}
	for _, empty := range []string{"", " ", ";", "-- x", "/* */;;"} {
		if s, err := postgres.Gate(empty); err != nil || len(s.Statements) != 0 {
			t.Errorf("%q: %d statements, %v", empty, len(s.Statements), err)
		}
	}
}

// TestGateDetails looks at what only some statements carry.
func TestGateDetails(t *testing.T) {
	t.Parallel()
	one := func(sql string) *postgres.Gated {
		s, err := postgres.Gate(sql)
		if err != nil || len(s.Statements) != 1 {
			t.Fatalf("%s: %v", sql, err)
		}
		return s.Statements[0]
	}
	g := one(`copy "We ird".t (a, "B") to stdout with (format csv, header, delimiter ';', null 'NIL', quote '''', escape '!', force_quote (a), encoding 'utf8')`)
	want := &postgres.CopyOptions{
		Format: "csv", Header: true, Delimiter: ';', Null: "NIL", Quote: '\'', Escape: '!',
		ForceQuote: []string{"a"}, Encoding: "utf8", Columns: []string{"a", "B"},
	}
	if diff := cmp.Diff(want, g.Copy); diff != "" {
		t.Error(diff)
	}
	if got, want := g.Inner.Query, `SELECT "a", "B" FROM ONLY "We ird"."t"`; got != want || g.Answer != postgres.AnswerInner {
		t.Errorf("inner %q, want %q", got, want)
	}
	if diff := cmp.Diff(&postgres.CopyOptions{In: true, Format: "text", Delimiter: '\t', Null: `\N`}, one("copy t from stdin").Copy); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&postgres.CopyOptions{Format: "binary"}, one("copy binary t to stdout").Copy); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&postgres.CopyOptions{Format: "csv", Delimiter: ',', Quote: '"', Escape: '"', ForceQuote: []string{"*"}, HeaderMust: false, Header: true},
		one("copy t to stdout csv header force quote *").Copy); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&postgres.Setting{Verb: postgres.SettingSet, Name: "search_path", Value: []string{"a", "B", ""}},
		one(`SET Search_Path TO a, "B", ''`).Setting); diff != "" {
		t.Error(diff)
	}
	if g := one("set local timezone to default"); g.Setting.Value != nil || !g.Setting.Local {
		t.Errorf("%+v", g.Setting)
	}
	if g := one("discard all"); g.Drops != (postgres.Drops{Statements: true, Cursors: true, Settings: true, TempTables: true}) {
		t.Errorf("%+v", g.Drops)
	}
	if g := one("deallocate x"); g.Drops.Statement != "x" || g.Drops.Statements {
		t.Errorf("%+v", g.Drops)
	}
	if g := one("savepoint s"); g.Txn != postgres.Savepoint || g.Savepoint != "s" {
		t.Errorf("%+v", g)
	}
	if g := one("fetch 2 from c"); g.Answer != postgres.AnswerCursor || g.Cursor != "c" {
		t.Errorf("%+v", g)
	}
	if g := one("call p(1)"); g.Answer != postgres.AnswerUnknown || g.NeedsTree {
		t.Errorf("%+v", g)
	}
	if g := one("select $3, $1 from t for share"); g.Params != 3 || !g.Locks || !g.NeedsTree || g.Utility {
		t.Errorf("%+v", g)
	}
	if g := one("explain (analyze, format json) select 1"); *g.Explain != (postgres.Explain{Analyze: true, Format: "json"}) || g.Answer != postgres.AnswerExplain {
		t.Errorf("%+v", g.Explain)
	}
	if g := one("update t set (a, b) = (1, 2), c = 3"); !cmp.Equal(g.Objects[0].Columns, []string{"a", "b", "c"}) {
		t.Errorf("%+v", g.Objects)
	}
}

func TestGateErrors(t *testing.T) {
	t.Parallel()
	const secret = "123-45-6789"
	for _, c := range []struct {
		name, sql string
		kind      sallyport.Kind
	}{
		{"syntax", "select '" + secret + "' '" + secret + "' from", sallyport.Invalid},
		{"lexer", "select '" + secret, sallyport.Invalid},
		{"nul", "select 1\x00; drop table t", sallyport.Invalid},
		{"utf8", "select '\xff'", sallyport.Invalid},
		{"long", "select '" + strings.Repeat("x", postgres.MaxText) + "'", sallyport.Exhausted},
	} {
		_, err := postgres.Gate(c.sql)
		if sallyport.KindOf(err) != c.kind || err == nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error holds a value", c.name)
		}
	}
}

// TestGateDepth sends what overflows the stack of the C parser's printer, which
// would end the process.
func TestGateDepth(t *testing.T) {
	t.Parallel()
	const n = 100_000
	for name, sql := range map[string]string{
		"plus":     "select 1" + strings.Repeat("+1", n),
		"cast":     "select 1" + strings.Repeat("::int", n),
		"union":    "select 1" + strings.Repeat(" union select 1", n/2),
		"join":     "select * from a" + strings.Repeat(" cross join a", n/2),
		"brackets": "select " + strings.Repeat("(", n) + "1" + strings.Repeat(")", n),
		"left":     "select " + strings.Repeat("(", 1000) + "1" + strings.Repeat(strings.Repeat("+1", 90)+")", 1000),
		"right":    "select " + strings.Repeat(strings.Repeat("1+", 90)+"(", 1000) + "1" + strings.Repeat(")", 1000),
		"not":      "select " + strings.Repeat("not ", n) + "true",
		"minus":    "select " + strings.Repeat("- ", n) + "1",
		"collate":  "select 'x'" + strings.Repeat(` collate "C"`, n/2),
		"zone":     "select now()" + strings.Repeat(" at time zone 'x'", n/2),
		"subquery": strings.Repeat("select (", n) + "1" + strings.Repeat(")", n),
		"case":     "select " + strings.Repeat("case when true then ", n/4) + "1" + strings.Repeat(" end", n/4),
		"comma":    "select 1" + strings.Repeat("+1", n) + ", 2",
		"and":      "select " + strings.Repeat("1+", n) + "1 and true",
		"index":    "select a" + strings.Repeat("[1]", n),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := postgres.Gate(sql)
			if err == nil && name != "index" { // a flat list
				t.Error("passed")
			}
		})
	}
	for name, sql := range map[string]string{
		"values": "insert into t values (1, 'a', 2 + 3)" + strings.Repeat(", (1, 'a', 2 + 3)", 20_000),
		"in":     "select 1 from t where a in (1" + strings.Repeat(", 2", 50_000) + ")",
		"or":     "select 1 from t where a = 1" + strings.Repeat(" or a = 1", 20_000),
		"script": strings.Repeat("insert into t values (1 + 2);", 9_000),
		"list":   "select a as b" + strings.Repeat(", a + 1 as b", 20_000) + " from t",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := postgres.Gate(sql); err != nil {
				t.Error(err)
			}
		})
	}
}
