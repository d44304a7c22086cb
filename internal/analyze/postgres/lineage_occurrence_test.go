// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

const occurrenceSchema = `
CREATE TABLE p (id int PRIMARY KEY, mrn text, name text);
CREATE TABLE v (id int, pid int, note text, code varchar(9), c text COLLATE "C", other int);
CREATE TABLE w (id int, pid bigint, note text);
CREATE VIEW pv AS SELECT p.id AS patient, v.note FROM p JOIN v ON v.pid = p.id;
CREATE VIEW pu AS SELECT id FROM p UNION ALL SELECT pid FROM v;
`

// occurrenceCases say for each place of the tables p, v and w, in the order of the
// tables, which outputs (from 0) tell the key p.id, v.pid, w.pid of its rows; "-"
// for none. "!" follows where the key was set anew.
var occurrenceCases = []struct{ sql, want string }{
	{"select id, name from p", "p:0"},
	{"select name from p", "p:-"},
	{"select name, id, id from p", "p:1,2"},
	{"select id + 0 from p", "p:-"},
	{"select count(*) from p", "p:-"},
	{"select max(id) from p", "p:-"},
	{"select pid, count(*) from v group by pid", "v:0"},
	{"select pid, count(*) from v group by rollup (pid)", "v:0"}, // NULL in the row of the total
	{"select distinct pid from v", "v:0"},
	{"select distinct on (pid) pid, note from v", "v:0"},
	{"select note from v group by note", "v:-"},
	{"select p.id, note from p join v on v.pid = p.id", "p:0 v:0"},
	{"select v.pid, name from p join v on v.pid = p.id", "p:0 v:0"},
	{"select p.id, note from p, v where v.pid = p.id and note is not null", "p:0 v:0"},
	{"select p.id, note from p, v where v.pid = p.id or note is null", "p:0 v:-"},
	{"select p.id, note from p, v where not (v.pid = p.id)", "p:0 v:-"},
	{"select p.id, note from p, v where v.pid <= p.id", "p:0 v:-"},
	{"select p.id, note from p, v where v.pid = p.id + 1", "p:0 v:-"},
	{"select p.id, note from p left join v on v.pid = p.id", "p:0 v:0"},
	{"select p.id, note from p full join v on v.pid = p.id", "p:0 v:0"}, // NULL where p is not there
	{"select p.id, w.note from p join w on w.pid = p.id", "p:0 w:0"},
	{"select p.id, v.note, w.note from p join v on v.pid = p.id join w on w.pid = v.pid", "p:0 v:0 w:0"},
	{"select p.id, v.note from p join v on v.id = p.id", "p:0 v:-"},
	{"select * from pv", "p:0 v:0"},
	{"select note from pv", "p:- v:-"},
	{"select a.patient, b.note from pv a, pv b", "p:- p:0 v:- v:0"},
	{"select a.id, b.name from p a, p b", "p:- p:0"},
	{"select a.id, b.name from p a join p b using (id)", "p:0 p:0"},
	{"select * from pu", "p:0 v:0"},
	{"select id from p union select pid from v", "p:0 v:0"},
	{"select id from p union all select pid from w", "p:0 w:0"}, // of another width, but one canonical form
	{"select id from p except select pid from v", "p:- v:-"},
	{"select id from p intersect select pid from v", "p:- v:-"},
	{"select id from p union all select id from v", "p:0 v:-"},
	{"with c as (select id, name from p) select a.id, b.name from c a, c b", "p:- p:0"},
	{"with c as (select id, name from p) select a.id, b.name from c a join c b on a.id = b.id", "p:0 p:0"},
	{"with recursive r as (select id from p union all select r.id from r join v on v.pid = r.id) select id from r", "p:- v:-"},
	{"select id, (select note from v where v.pid = p.id limit 1) from p", "p:0 v:-"},
	{"select id from p where exists (select 1 from v where v.pid = p.id)", "p:0 v:-"},
	{"select id from p where id in (select pid from v)", "p:0 v:-"},
	{"select id, lag(name) over (order by id) from p", "p:-"},
	{"select * from (select id, sum(id) over () from p) s", "p:-"},
	{"select p.id, s.note from p, lateral (select note from v where v.pid = p.id) s", "p:0 v:-"},
	{"select p.id, s.note from p join (select pid, max(note) as note from v group by pid) s on s.pid = p.id", "p:0 v:0"},
	{"select code from v where code = c", "v:-"},
	{"insert into v (id, pid) values (1, 2)", "v:-"},
	{"insert into v (id, pid) values (1, 2) returning pid", "v:0"},
	{"insert into v (id, pid) select id, id from p returning pid", "p:- v:0"},
	{"insert into p (id) values (1) on conflict (id) do update set name = 'x' returning id", "p:0"},
	{"insert into p (id) values (1) on conflict (id) do update set id = 7 returning id", "p:0!"},
	{"update v set note = 'x' where pid = 1", "v:-"},
	{"update v set note = 'x' returning pid", "v:0"},
	{"update v set pid = 3 returning pid", "v:0!"},
	{"update v set note = name from p where p.id = v.pid returning v.pid", "p:0 v:0"},
	{"delete from v returning pid", "v:0"},
	{"delete from v using p where p.id = v.pid returning p.id", "p:0 v:0"},
	{"with d as (delete from v returning pid) select pid from d", "v:-"},
	{"with d as (delete from v returning pid) select 1", "v:-"},
	{"select 1", ""},
}

// TestOccurrences asks the servers of every release for the trees.
func TestOccurrences(t *testing.T) {
	t.Parallel()
	for _, major := range pgtest.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			srv := pgtest.Shared(t, major)
			db := srv.NewDatabase(t, occurrenceSchema)
			conn := connect(t, srv, db)
			cat := &snapshot{}
			cat.loadFunctions(t, conn.Conn, nil)
			cat.loadRelations(t, conn.Conn, nil)
			for _, c := range occurrenceCases {
				tree, err := conn.tree(t, c.sql)
				if err != nil {
					t.Fatalf("%s: %v", c.sql, err)
				}
				plan, err := postgres.Lineage(tree, cat)
				if err != nil {
					t.Fatalf("%s: %v", c.sql, err)
				}
				if diff := cmp.Diff(c.want, tell(plan, cat)); diff != "" {
					t.Errorf("%s: %s", c.sql, diff)
				}
			}
		})
	}
}

// tell writes the occurrences of a plan as occurrenceCases has them.
func tell(p *postgres.Plan, cat *snapshot) string {
	var out []string
	for _, o := range p.Occurrences {
		name := cat.relations[o.Relation].Name
		key := int16(2)
		if name == "p" {
			key = 1
		}
		var shown []string
		for _, s := range o.Shown {
			if s.Attnum == key {
				shown = append(shown, fmt.Sprint(s.Output))
			}
		}
		if shown == nil {
			shown = []string{"-"}
		}
		text := name + ":" + strings.Join(shown, ",")
		if slices.Contains(o.Set, key) {
			text += "!"
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestEqualOperators has every release confirm what the operators are that make
// two columns one patient's.
func TestEqualOperators(t *testing.T) {
	t.Parallel()
	for _, major := range pgtest.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			srv := pgtest.Shared(t, major)
			conn := connect(t, srv, "postgres")
			rows, err := conn.Query(t.Context(), `select oid::int8, oprname = '=' and oprcanhash and format_type(oprleft, null) in
				('smallint', 'integer', 'bigint', 'numeric', 'text', 'character', 'name', 'oid', 'uuid') from pg_operator where oid < 16384`)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var oid int64
				var equal bool
				if err := rows.Scan(&oid, &equal); err != nil {
					t.Fatal(err)
				}
				if postgres.EqualOperator(oid) != equal {
					t.Errorf("operator %d is %v", oid, equal)
				}
			}
			if rows.Err() != nil {
				t.Fatal(rows.Err())
			}
		})
	}
}
