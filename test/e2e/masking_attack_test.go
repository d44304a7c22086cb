// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// attackRules show a part of most values: what a client can make of it is what
// the attacks look for.
const attackRules = `version: 1
profile: need-to-know
names: off
keys: [{version: 1, secret: "file:masking.key"}]
labels:
  phi.mrn: {op: token, domain: mrn}
  phi.zip: zip3
  phi.dob: {op: date_shift, domain: dob}
  phi.date: date_year
  phi.weight: {op: noise, domain: weight}
patient: phi.mrn
`

// attackSchema has what the charts lack: a view, a table with rules of its own
// and a generated column.
const attackSchema = `
CREATE VIEW public.chart_view AS SELECT a.mrn, b.born, a.name, b.note FROM public.charts a, public.charts b WHERE b.id = 1;
CREATE TABLE public.letters (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, body text, name text);
INSERT INTO public.letters (id, body, name) VALUES (1, 'Thimblewood wrote', 'Osric Thimblewood');
CREATE TABLE public.doses (dose real);
INSERT INTO public.doses VALUES (71.3);
GRANT ALL ON public.chart_view, public.letters, public.doses TO gateway;
`

const attackLabels = `  public.letters.id: public
  public.letters.twice: public
  public.letters.body: phi.note
  public.letters.name: phi.name
  public.doses.dose: phi.weight
`

func attackGateway(t *testing.T, major int) *gatewaytest.Gateway {
	t.Helper()
	return gatewaytest.Start(t, gatewaytest.Major(major), gatewaytest.Policy(openPolicy()+scanPolicy), gatewaytest.Schema(charts+attackSchema),
		gatewaytest.MoreLabels(chartLabels+attackLabels), gatewaytest.Masking(attackRules))
}

// TestMaskingAttacks lets a client that may read and write, but not see, try to
// see all the same.
func TestMaskingAttacks(t *testing.T) {
	t.Parallel()
	for _, major := range []int{pgtest.Oldest, pgtest.Newest} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			g := attackGateway(t, major)
			t.Run("rewrite", func(t *testing.T) { rewriteAttacks(t, g, major) })
			t.Run("other row", func(t *testing.T) { otherRowAttacks(t, g) })
			t.Run("same row", func(t *testing.T) { sameRow(t, g) })
			t.Run("settings", func(t *testing.T) { settingAttacks(t, g) })
			t.Run("noise", func(t *testing.T) { noiseAttacks(t, g) })
			t.Run("expressions", func(t *testing.T) { expressionAttacks(t, g) })
			t.Run("copy", func(t *testing.T) { copyAttacks(t, g) })
		})
	}
}

// noChart fails the test when what no rule lets through is in a row.
func noChart(t *testing.T, what, row string) {
	t.Helper()
	low := strings.ToLower(row)
	for _, s := range []string{
		"900-11-2233", "555-0101", "adela@", "mrn-0001", "03601", "71.25", "10.20.3", "2026-01-12", "2026-02-03", "3322", "rehtaefll",
		"1949-02-17", "1967-07-04", "17.02.", "17/02", "02/17", "feb 17", "12/01", "09:30", "14:00",
	} {
		if strings.Contains(low, s) {
			t.Errorf("%s shows %q: %q", what, s, row)
		}
	}
}

// answers runs a statement and returns its rows, each as text.
func answers(t *testing.T, conn *pgx.Conn, sql string) ([]string, error) {
	t.Helper()
	rows, err := conn.Query(bound(t), sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var fields []string
		for _, v := range rows.RawValues() {
			fields = append(fields, string(v))
		}
		out = append(out, strings.Join(fields, "|"))
	}
	return out, rows.Err()
}

// undone runs a statement in a transaction that is rolled back.
func undone(t *testing.T, conn *pgx.Conn, sql ...string) (out []string, err error) {
	t.Helper()
	if _, err := conn.Exec(bound(t), "begin"); err != nil {
		t.Fatal(err)
	}
	for _, s := range sql {
		if out, err = answers(t, conn, s); err != nil {
			break
		}
	}
	if _, err := conn.Exec(bound(t), "rollback"); err != nil {
		t.Fatal(err)
	}
	return out, err
}

// rewriteAttacks write an expression over a masked column into a column of the
// same label, of which a part is shown.
func rewriteAttacks(t *testing.T, g *gatewaytest.Gateway, major int) {
	conn := g.Connect(t)
	attacks := [][]string{
		{"update charts set note = reverse(note) returning note"},
		{"update charts set zip = reverse(zip) returning zip"},
		{"update charts set mrn = substr(mrn, 7, 1) returning mrn"},
		{"update charts set seen = '2000-01-01'::timestamptz + extract(day from seen) * interval '1 year' returning seen"},
		{"insert into charts (id, note) select id + 100, reverse(note) from charts returning note"},
		{"insert into letters (id, body) select 9, string_agg(reverse(note), ' ') from charts returning body"},
		{"with u as (update charts set note = reverse(note) returning note) select note from u"},
		{"insert into charts as c (id) values (1) on conflict (id) do update set note = reverse(c.note) returning note"},
		{"update charts c set (note) = (select reverse(o.note) from charts o where o.id = c.id) returning note"},
		{"update charts set tags = array[reverse(note)] returning tags"},
		{"update charts set note = note || note", "select note from charts"},
	}
	if major >= 15 {
		attacks = append(attacks, []string{
			"merge into charts c using (select 1) s on true when matched then update set note = reverse(c.note)", "select note from charts",
		})
	}
	for _, sql := range attacks {
		if out, err := undone(t, conn, sql...); code(err) != "42501" {
			t.Errorf("%s: %v %v", sql, out, err)
		}
	}
	// What is not altered, or is the client's own, may be written.
	for _, sql := range []string{
		"update charts c set note = o.note from charts o where o.id = 2 returning c.note",
		"insert into letters (id, body) select id + 10, note from charts returning body",
		"update charts set note = 'a new note' where id = 1",
		"update charts set id = id + 100",
	} {
		if _, err := undone(t, conn, sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// otherRowAttacks put a value beside the name or the key of another row, so that
// what is masked in it tells about that row.
func otherRowAttacks(t *testing.T, g *gatewaytest.Gateway) {
	conn := g.Connect(t)
	for _, sql := range []string{
		"select a.name, b.body from charts a, letters b where a.id < 3",
		"select s.name, s.note from (select a.name, b.note from charts a, charts b where b.id = 1) s",
		"with c as (select id, name, note from charts) select a.name, b.note from c a, c b where b.id = 1",
		"select a.name, s.note from charts a, lateral (select note from charts where id = 1 limit 1) s",
		"select a.mrn, b.born from charts a, charts b where b.id = 1",
		"with c as (select * from charts) select a.mrn, b.born from c a, c b where b.id = 1",
		"select s.mrn, s.born from (select a.mrn, b.born from charts a, charts b where b.id = 1) s",
		"select a.mrn, b.mrn, b.born from charts a, charts b where b.id = 1",
		"select b.mrn, a.mrn, b.born from charts a, charts b where b.id = 1",
		"select mrn, born from chart_view",
		"select name, note from chart_view",
		"select a.mrn, b.born from charts a left join charts b on b.id = 1",
		"select weight from charts, generate_series(1, 20) where id = 1",
	} {
		for _, s := range []string{sql, "copy (" + sql + ") to stdout", "declare c cursor for " + sql} {
			rows := rowsOf(t, conn, s)
			var last []string
			for _, r := range rows {
				last = append(last, r[strings.LastIndexByte(r, '|')+1:])
			}
			slices.Sort(last)
			if len(rows) < 2 || len(slices.Compact(last)) != 1 {
				t.Errorf("%s: %q", s, rows)
			}
		}
	}
}

// rowsOf runs a query or a copy, or a query through a cursor.
func rowsOf(t *testing.T, conn *pgx.Conn, sql string) []string {
	t.Helper()
	if strings.HasPrefix(sql, "declare ") {
		rows, err := undone(t, conn, sql, "fetch 100 from c")
		if err != nil {
			t.Errorf("%s: %v", sql, err)
		}
		return rows
	}
	if !strings.HasPrefix(sql, "copy ") {
		rows, err := answers(t, conn, sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
		}
		return rows
	}
	var b strings.Builder
	if _, err := conn.PgConn().CopyTo(bound(t), &b, sql); err != nil {
		t.Errorf("%s: %v", sql, err)
	}
	return strings.Split(strings.ReplaceAll(strings.TrimSpace(b.String()), "\t", "|"), "\n")
}

// sameRow holds that what a row says of itself still counts.
func sameRow(t *testing.T, g *gatewaytest.Gateway) {
	conn := g.Connect(t)
	for _, sql := range []string{
		"select mrn, name, born, note from charts where id = 1",
		"select s.mrn, s.name, s.born, s.note from (select * from charts where id = 1) s",
		"with c as (select * from charts) select x.mrn, x.name, x.born, x.note from c x join c y on y.id = x.id where x.id = 1",
		"select mrn, name, born, note from charts where id = 1 group by mrn, name, born, note",
		"delete from charts where id = 1 returning mrn, name, born, note",
	} {
		rows, err := undone(t, conn, sql)
		if code(err) == "42501" && strings.Contains(sql, "group by") {
			continue // grouping asks for filterBy
		}
		if err != nil || len(rows) != 1 {
			t.Errorf("%s: %q %v", sql, rows, err)
			continue
		}
		fields := strings.Split(rows[0], "|")
		if born := fields[2]; strings.HasSuffix(born, "-01-01") || born == "1949-02-17" {
			t.Errorf("%s: born is %q", sql, born)
		}
		if note := fields[3]; !strings.HasPrefix(note, "[NAME] seen [DATE]") {
			t.Errorf("%s: note is %q", sql, note)
		}
	}
}

// settingAttacks change how values are written.
func settingAttacks(t *testing.T, g *gatewaytest.Gateway) {
	conn := g.Connect(t)
	for _, set := range []string{
		"datestyle = 'German'", "datestyle = 'SQL, DMY'", "datestyle = 'SQL, MDY'", "datestyle = 'Postgres, DMY'", "datestyle = 'ISO, DMY'",
		"timezone = 'Pacific/Kiritimati'", "timezone = 'America/St_Johns'", "timezone = 'Africa/Monrovia'",
		"intervalstyle = 'iso_8601'", "bytea_output = 'escape'",
	} {
		if _, err := conn.Exec(bound(t), "set "+set); err != nil {
			t.Fatalf("%s: %v", set, err)
		}
		for _, sql := range []string{"select * from charts", "copy charts to stdout", "copy charts to stdout csv"} {
			for _, r := range rowsOf(t, conn, sql) {
				noChart(t, set+": "+sql, r)
			}
		}
		if _, err := conn.Exec(bound(t), "reset all"); err != nil {
			t.Fatal(err)
		}
	}
}

// noiseAttacks have one value written in many ways, to take the mean of the noise.
func noiseAttacks(t *testing.T, g *gatewaytest.Gateway) {
	seen := map[string]bool{}
	conn := g.Connect(t)
	for _, digits := range []string{"-15", "-3", "-1", "0", "1", "2", "3"} {
		if _, err := conn.Exec(bound(t), "set extra_float_digits = "+digits); (code(err) == "42501" || code(err) == "0A000") != (digits[0] == '-') {
			t.Errorf("%s digits: %v", digits, err)
		}
		for _, r := range rowsOf(t, conn, "select dose from doses, generate_series(1, 5)") {
			seen[r] = true
		}
	}
	var dose float32
	if err := conn.QueryRow(bound(t), "select dose from doses", pgx.QueryResultFormats{pgx.BinaryFormatCode}).Scan(&dose); err != nil {
		t.Fatal(err)
	}
	seen[strconv.FormatFloat(float64(dose), 'g', -1, 32)] = true
	if len(seen) != 1 {
		t.Errorf("one value was shown as %v", seen)
	}
	cfg := g.Connect(t).Config().Copy()
	cfg.RuntimeParams["extra_float_digits"] = "-3"
	if c, err := pgx.ConnectConfig(bound(t), cfg); err == nil {
		_ = c.Close(bound(t))
		t.Error("fewer digits were to be had when connecting")
	}
}

// expressionAttacks pass a masked column through everything that is no function.
func expressionAttacks(t *testing.T, g *gatewaytest.Gateway) {
	conn := g.Connect(t)
	for _, sql := range []string{
		"select note::varchar(9) from charts", "select note::name from charts", "select (c).note::char(5) from charts c", "select coalesce(note) from charts",
		"select x from charts, lateral (values (reverse(note)), (note)) v(x)", "select x from charts, unnest(tags) x", "select tags[1] from charts",
		"select (row(note, 1)).f1 from charts", "select array[note] from charts", "select case when true then note end from charts",
		"select note from charts union all select reverse(note) from charts", "select note from charts union all select note from charts",
		"with recursive r(n, i) as (select note, 1 from charts union all select substr(n, 2), i + 1 from r where i < 5) select n from r",
		"select (select note from charts where id = c.id) from charts c", "select min(note) from charts", "select first_value(note) over () from charts",
		"select a.note from charts a full join charts b using (note)",
		"select nullif(note, '') from charts", "select greatest(note, 'a') from charts", "select note collate \"C\" from charts",
		"select lower(note) from charts", "select c from charts c", "select row_to_json(c) from charts c", "select to_jsonb(c) -> 'note' from charts c",
		"select xmlforest(note) from charts", "select doc ->> 'text' from charts", "select doc['text'] from charts",
		"update charts set id = id returning upper(note)", "update charts set id = id returning note || ''",
		"explain (verbose, costs off) select note from charts", "explain analyze select * from charts where id = 1",
	} {
		rows, err := undone(t, conn, sql)
		if c := code(err); err != nil && c != "42501" && c != "0A000" && c != "42P18" && c != "42601" && c != "42804" {
			t.Errorf("%s: %v", sql, err)
		}
		for _, r := range rows {
			noChart(t, sql, r)
			if strings.Contains(r, "HbA1c") || strings.Contains(r, "Quillfeather") {
				t.Errorf("%s shows a note: %q", sql, r)
			}
		}
	}
}

// copyAttacks choose the options of a copy so that its fields are hard to tell
// apart.
func copyAttacks(t *testing.T, g *gatewaytest.Gateway) {
	conn := g.Connect(t)
	const query = "select id, note, born, name, tags, doc from charts order by id"
	for _, options := range []string{
		"format csv, header, force_quote *", "format csv, force_quote (note, born)", "format csv, quote '-'", "format csv, quote '1', escape '9'",
		"format csv, delimiter ' '", "format csv, delimiter '-', quote ','", "format csv, escape '0'", "format csv, null '1949-02-17'",
		"format csv, null 'MRN-000101'", "delimiter '-'", "delimiter ' '", "null '1949-02-17'", "delimiter ',', null ''", "delimiter '[', null 'phi'",
		"format binary", "format csv, delimiter E'\\t', quote '[', escape ']'", "header",
	} {
		for _, what := range []string{"(" + query + ")", "charts", "letters (name, id, body)", "charts (note, name)"} {
			var b strings.Builder
			if _, err := conn.PgConn().CopyTo(bound(t), &b, "copy "+what+" to stdout with ("+options+")"); err != nil {
				if c := code(err); c != "42601" && c != "0A000" && c != "22023" && c != "42703" && c != "42P10" {
					t.Errorf("copy %s (%s): %v", what, options, err)
				}
				continue
			}
			out := b.String()
			if strings.Contains(options, "null ") { // the last row's NULLs are the client's own marker
				out = out[:strings.LastIndexByte(strings.TrimSpace(out), '\n')+1]
			}
			noChart(t, "copy "+what+" ("+options+")", out)
			if strings.HasPrefix(what, "letters") && !strings.Contains(b.String(), "wrote") && !strings.Contains(options, "binary") {
				t.Errorf("copy %s (%s): %q", what, options, b.String())
			}
		}
	}
}

// TestDefinitionAttacks has a client that may define structure fill a column that
// it sees from one that it does not.
func TestDefinitionAttacks(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, gatewaytest.Policy(openPolicy()+scanPolicy), gatewaytest.Schema(charts+`
		CREATE TABLE public.owned (id int, secret text, note text);
		INSERT INTO public.owned VALUES (1, 'pairsecret 1', 'SSN 900-11-2233');
		ALTER TABLE public.owned OWNER TO gateway; GRANT ALL ON SCHEMA public TO gateway;`),
		gatewaytest.MoreLabels(chartLabels+"  public.owned.*: public\n  public.owned.secret: phi.ssn\n  public.owned.note: phi.note\n"), gatewaytest.Masking(attackRules))
	conn := g.Connect(t)
	for _, sql := range []string{
		"alter table owned add column shown text generated always as (secret) stored",
		"alter table owned alter note type text using reverse(note)",
		"alter table owned alter id type text using secret",
		"create table other as select reverse(note) as note from owned",
		"create view turned as select reverse(note) as note, secret from owned",
		"alter table owned rename column secret to shown",
		"create table child (like owned including all)",
	} {
		_, _ = answers(t, conn, sql) // most are refused; what counts is what can be seen afterwards
	}
	for _, sql := range []string{"select * from owned", "select * from turned", "select * from other", "select * from child"} {
		rows, err := answers(t, conn, sql)
		if c := code(err); err != nil && c != "42P01" && c != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
		for _, r := range rows {
			noSecret(t, sql, []byte(r))
			if strings.Contains(r, "3322-11-009") {
				t.Errorf("%s: %q", sql, r)
			}
		}
	}
}
