// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql"
)

// uses writes what a text names in one line for each statement.
func uses(s *googlesql.Script) (out []string) {
	for _, p := range s.Statements {
		line := p.Kind
		for _, t := range p.Tables {
			line += " " + t.Effect.String() + ":" + strings.Join(t.Parts, "/")
			for _, flag := range []struct {
				on   bool
				name string
			}{{t.Wildcard, "*"}, {t.TimeTravel, "@"}, {t.System, "!"}, {t.New, "+"}} {
				if flag.on {
					line += flag.name
				}
			}
		}
		for _, r := range p.Routines {
			line += " " + r.Effect.String() + ":" + strings.Join(r.Parts, "/") + "()"
		}
		for _, d := range p.Schemas {
			line += " " + d.Effect.String() + ":" + strings.Join(d.Parts, "/") + "/"
		}
		for _, v := range p.Variables {
			line += " $" + v
		}
		if p.Refused != "" {
			line += " refused"
		}
		out = append(out, line)
	}
	return out
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ sql, want string }{
		{"SELECT 1", "SELECT"},
		{"SELECT * FROM t", "SELECT read:t"},
		{"SELECT * FROM d.t, `p-1.d.t` AS u, p.`d`.t", "SELECT read:d/t read:p-1/d/t read:p/d/t"},
		{"SELECT * FROM my-project.d.t", "SELECT read:my-project/d/t"},
		{"SELECT * FROM `example.com:p.d.t`", "SELECT read:example.com:p/d/t"},
		{"SELECT * FROM `d.t$20260101`", "SELECT read:d/t@"},
		{"SELECT * FROM `d.t@-3600000`", "SELECT read:d/t@"},
		{"SELECT * FROM `d.t_*`", "SELECT read:d/t_**"},
		{"SELECT * FROM `d.t*x`", "SELECT refused"},
		{"SELECT * FROM d.t FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()", "SELECT read:d/t@"},
		{"SELECT * FROM d.INFORMATION_SCHEMA.TABLES", "SELECT read:d/INFORMATION_SCHEMA/TABLES!"},
		{"SELECT * FROM `region-eu`.information_schema.jobs", "SELECT read:region-eu/INFORMATION_SCHEMA/JOBS!"},
		{"SELECT * FROM INFORMATION_SCHEMA.JOBS.x", "SELECT refused"},
		{"SELECT * FROM p.d.t.x", "SELECT refused"},
		{"SELECT * FROM `d..t`", "SELECT refused"},
		{"SELECT * FROM ``", ""},
		{"SELECT f(x), d.f(x), NET.HOST(x), SAFE.d.g(x), SAFE.UPPER(x) FROM t", "SELECT read:t execute:d/f() execute:d/g()"},
		{"SELECT AI.CLASSIFY(x), EXTERNAL_QUERY(x) FROM t", "SELECT read:t execute:AI/CLASSIFY() execute:EXTERNAL_QUERY()"},
		{"SELECT (SELECT MAX(x) FROM d.u) FROM t WHERE EXISTS (SELECT 1 FROM d.v) ORDER BY (SELECT 1 FROM d.w)", "SELECT read:t read:d/u read:d/v read:d/w"},
		{"SELECT * FROM a JOIN b ON a.x IN (SELECT x FROM d.c)", "SELECT read:a read:b read:d/c"},
		{"SELECT * FROM t PIVOT(SUM(x) FOR y IN ('a'))", "SELECT read:t"},
		{"FROM d.t |> JOIN d.u ON TRUE |> WHERE x IN (SELECT x FROM d.v) |> SELECT x", "SELECT read:d/t read:d/u read:d/v"},
		{"SELECT * FROM t |> UNION ALL (SELECT * FROM d.u)", "SELECT read:t read:d/u"},
	} {
		s, err := googlesql.Read(tt.sql)
		if tt.want == "" {
			if sallyport.KindOf(err) != sallyport.Invalid {
				t.Errorf("%s: %v", tt.sql, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.sql, err)
			continue
		}
		if diff := cmp.Diff([]string{tt.want}, uses(s)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.sql, diff)
		}
	}
}

// TestScopes is about what hides a table and what does not.
func TestScopes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ sql, want string }{
		{"WITH t AS (SELECT 1) SELECT * FROM t, T", "SELECT"},
		{"WITH t AS (SELECT * FROM t) SELECT * FROM t", "SELECT read:t"},
		{"WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT * FROM t) SELECT * FROM t", "SELECT"},
		{"WITH t AS (SELECT 1) SELECT * FROM d.t", "SELECT read:d/t"},
		{"SELECT * FROM (WITH t AS (SELECT 1) SELECT * FROM t), t", "SELECT read:t"},
		{"WITH t AS (SELECT 1) SELECT (SELECT 1 FROM t)", "SELECT"},
		{"WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", "SELECT read:b"},
		{"WITH `d.t` AS (SELECT 1) SELECT * FROM `d.t`", "SELECT refused"},
		{"SELECT * FROM d.t AS a, a.items", "SELECT read:d/t"},
		{"SELECT * FROM d.t, t.items", "SELECT read:d/t"},
		{"SELECT * FROM a.items, d.t AS a", "SELECT read:a/items read:d/t"},
		{"SELECT (SELECT 1 FROM a.items) FROM d.t AS a", "SELECT read:d/t"},
		{"SELECT * FROM d.t AS a, (SELECT 1 FROM a.items)", "SELECT read:d/t read:a/items"},
		{"SELECT * FROM d.t AS a WHERE EXISTS (SELECT 1 FROM d.u AS b, b.x, a.y)", "SELECT read:d/t read:d/u"},
		{"SELECT * FROM `p.d.t`, t.items", "SELECT read:p/d/t refused"},
		{"SELECT * FROM `p.d.t` AS t, t.items", "SELECT read:p/d/t"},
		{"SELECT * FROM d.t AS `x.y`, `x.y`.z", "SELECT read:d/t refused"},
		{"SELECT * FROM UNNEST([1]) AS a, a.b", "SELECT"},
		{"SELECT a FROM d.t AS a UNION ALL SELECT x FROM a.items", "SELECT read:d/t read:a/items"},
	} {
		s, err := googlesql.Read(tt.sql)
		if err != nil {
			t.Errorf("%s: %v", tt.sql, err)
			continue
		}
		if diff := cmp.Diff([]string{tt.want}, uses(s)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.sql, diff)
		}
	}
}

func TestStatements(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sql  string
		want []string
	}{
		{"INSERT d.t (a) SELECT a FROM d.u", []string{"INSERT write:d/t read:d/u"}},
		{"MERGE d.t USING d.u ON TRUE WHEN MATCHED THEN DELETE", []string{"MERGE write:d/t read:d/u delete:d/t"}},
		{"MERGE d.t x USING d.u AS y ON x.a = y.a WHEN MATCHED THEN UPDATE SET a = (SELECT 1 FROM d.v)", []string{"MERGE write:d/t read:d/u read:d/v"}},
		{"CREATE TABLE d.t LIKE d.u", []string{"CREATE_TABLE define:d/t+ read:d/u"}},
		{"CREATE OR REPLACE TABLE d.t AS SELECT 1 AS a", []string{"CREATE_TABLE_AS_SELECT define:d/t+ destroy:d/t+"}},
		{"DROP MATERIALIZED VIEW d.v", []string{"DROP_MATERIALIZED_VIEW destroy:d/v"}},
		{"DROP SNAPSHOT TABLE d.t", []string{"DROP_SNAPSHOT_TABLE destroy:d/t"}},
		{"DROP EXTERNAL TABLE d.t", []string{"DROP_EXTERNAL_TABLE destroy:d/t"}},
		{"DROP TABLE FUNCTION d.f", []string{"DROP_TABLE_FUNCTION destroy:d/f()"}},
		{"DROP MODEL d.m", []string{"DROP_MODEL destroy:d/m()"}},
		{"DROP PROCEDURE d.p", []string{"DROP_PROCEDURE destroy:d/p()"}},
		{"DROP ALL ROW ACCESS POLICIES ON d.t", []string{"DROP_ROW_ACCESS_POLICY administer:d/t"}},
		{"DROP DATABASE d", []string{"UNKNOWN refused"}},
		{"REVOKE `roles/x` ON SCHEMA d FROM 'user:a@example.org'", []string{"REVOKE administer:d/"}},
		{"ALTER TABLE d.t ADD COLUMN a INT64", []string{"ALTER_TABLE define:d/t"}},
		{"ALTER TABLE d.t SET OPTIONS (expiration_timestamp = NULL)", []string{"ALTER_TABLE administer:d/t"}},
		{"ALTER SCHEMA d SET OPTIONS (description = 'x')", []string{"ALTER_SCHEMA administer:d/"}},
		{"ALTER DATABASE d SET OPTIONS (a = 1)", []string{"UNKNOWN refused"}},
		{"CREATE PROCEDURE d.p() BEGIN DROP TABLE d.t; END", []string{"CREATE_PROCEDURE destroy:d/t define:d/p()"}},
		{"CREATE PROCEDURE d.p() BEGIN EXECUTE IMMEDIATE q; END", []string{"CREATE_PROCEDURE define:d/p() refused"}},
		{"CREATE TABLE d.t OPTIONS (description = (SELECT MAX(a) FROM d.u)) AS SELECT 1 AS a", []string{"CREATE_TABLE_AS_SELECT define:d/t+ refused"}},
		{"CREATE TABLE FUNCTION d.f(x INT64) AS SELECT * FROM d.t", []string{"CREATE_TABLE_FUNCTION read:d/t define:d/f()"}},
		{"CREATE SEARCH INDEX i ON d.t (a)", []string{"CREATE_SEARCH_INDEX define:d/t"}},
		{"DECLARE a, b INT64; SET (a, b) = (1, 2); SET @@query_label = 'x'", []string{"DECLARE $a $b", "SET $a $b", "SET $@@query_label"}},
		{
			"BEGIN CREATE TEMP TABLE x AS SELECT * FROM d.t; SELECT * FROM x; EXCEPTION WHEN ERROR THEN RAISE; END",
			[]string{"BEGIN_END", "CREATE_TABLE_AS_SELECT define:_SESSION/x+ read:d/t", "SELECT read:_SESSION/x", "RAISE"},
		},
		{
			"LOOP IF (SELECT TRUE FROM d.t) THEN BREAK; ELSEIF EXISTS (SELECT 1 FROM d.u) THEN CONTINUE; ELSE RETURN; END IF; END LOOP",
			[]string{"WHILE", "IF read:d/t read:d/u", "BREAK", "CONTINUE", "RETURN"},
		},
		{"REPEAT SELECT 1; UNTIL (SELECT TRUE FROM d.t) END REPEAT", []string{"REPEAT read:d/t", "SELECT"}},
		{"EXECUTE IMMEDIATE 'SELECT * FROM d.t WHERE a = ?' USING (SELECT 1 FROM d.u)", []string{"EXECUTE_IMMEDIATE read:d/u read:d/t"}},
		{`EXECUTE IMMEDIATE 'SELECT \x31'`, []string{"EXECUTE_IMMEDIATE refused"}},
		{"EXECUTE IMMEDIATE 'SELECT 1; DROP TABLE d.t'", []string{"EXECUTE_IMMEDIATE refused"}},
		{"DEFINE MACRO m 1", nil},
		{"EXPLAIN SELECT 1", []string{"UNKNOWN refused"}},
		{"RENAME TABLE a TO b", []string{"UNKNOWN refused"}},
	} {
		s, err := googlesql.Read(tt.sql)
		if tt.want == nil {
			if sallyport.KindOf(err) != sallyport.Invalid {
				t.Errorf("%s: %v", tt.sql, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.sql, err)
			continue
		}
		if diff := cmp.Diff(tt.want, uses(s)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.sql, diff)
		}
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	const sql = "SELECT a FROM t QUALIFY RANK() OVER (ORDER BY a) = 1; MERGE d.t x USING d.u y ON TRUE WHEN MATCHED THEN DELETE; SELECT 2"
	s, err := googlesql.Read(sql)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range strings.Split(sql, "; ") {
		p := s.Statements[i]
		if got := sql[p.Start:p.End]; got != want {
			t.Errorf("statement %d is %q, not %q", i, got, want)
		}
	}
	if !s.Multi {
		t.Error("three statements are no script")
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sql  string
		kind sallyport.Kind
		msg  string
	}{
		"syntax":               {"SELECT 1 FROM WHERE canary", sallyport.Invalid, "at line 1, column 15"},
		"syntax after an edit": {"SELECT a FROM t QUALIFY TRUE; SELECT FROM canary", sallyport.Invalid, "at line 1, column 38"},
		"literal":              {"SELECT 'canary", sallyport.Invalid, ""},
		"encoding":             {"SELECT '\xff'", sallyport.Invalid, "UTF-8"},
		"NUL":                  {"SELECT 1\x00", sallyport.Invalid, "UTF-8"},
		"legacy":               {"#legacySQL\nSELECT 1", sallyport.Denied, "legacy"},
		"legacy after space":   {"\n  # LegacySQL\nSELECT 1", sallyport.Denied, "legacy"},
		"length":               {"SELECT '" + strings.Repeat("x", googlesql.MaxText) + "'", sallyport.Exhausted, "longer"},
		"brackets":             {"SELECT " + strings.Repeat("(", googlesql.MaxNesting+1) + "1" + strings.Repeat(")", googlesql.MaxNesting+1), sallyport.Exhausted, "nested"},
		"minus":                {"SELECT " + strings.Repeat("- ", 100_000) + "1", sallyport.Exhausted, "nested"},
		"not":                  {"SELECT " + strings.Repeat("NOT ", 100_000) + "TRUE", sallyport.Exhausted, "nested"},
		"case":                 {"SELECT " + strings.Repeat("CASE WHEN ", 100_000) + "1", sallyport.Exhausted, "nested"},
		"types":                {"SELECT CAST(x AS " + strings.Repeat("ARRAY<", 100_000), sallyport.Exhausted, "nested"},
		"blocks":               {strings.Repeat("BEGIN ", 100_000), sallyport.Exhausted, "nested"},
		"statements":           {strings.Repeat("SELECT 1;", googlesql.MaxStatements+1), sallyport.Exhausted, "statements"},
	} {
		s, err := googlesql.Read(tt.sql)
		var e *sallyport.Error
		if s != nil || !errors.As(err, &e) {
			t.Errorf("%s: %v, %v", name, s, err)
			continue
		}
		if e.Kind != tt.kind || !strings.Contains(e.Msg, tt.msg) || e.Hint == "" || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %s: %v (%s)", name, e.Kind, err, e.Hint)
		}
	}
}

// TestLongChains are texts that are wide and not deep.
func TestLongChains(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"sum":   "SELECT 1" + strings.Repeat(" * 1", 4000),
		"list":  "SELECT 1 IN (1" + strings.Repeat(", 1", 100_000) + ")",
		"and":   "SELECT TRUE" + strings.Repeat(" AND a = b", 20_000),
		"union": "SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", 10_000),
		"join":  "SELECT 1 FROM t" + strings.Repeat(" JOIN t USING (a)", 1000),
	} {
		s, err := googlesql.Read(sql)
		if err != nil || s.Statements[0].Refused != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
