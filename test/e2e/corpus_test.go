// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sallyport-dev/sallyport/internal/analyze/postgres/corpus"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// corpusRows fills the corpus' tables. What is labelled holds values that occur
// nowhere else.
const corpusRows = `
INSERT INTO hc.patient SELECT i, 'Zylphia Quorn' || i, '917-46-000' || i, date '1951-03-10' + i, '1000' || i,
	jsonb_build_object('a', 'canarynote' || i) FROM generate_series(1, 4) i;
INSERT INTO hc.visit SELECT i + 10, i, 'dxcanary' || i, 10 * i, '2026-01-01 00:00+00' FROM generate_series(2, 4) i;
INSERT INTO hc.pub SELECT i, 'code' || i FROM generate_series(3, 6) i;
INSERT INTO hc.feel VALUES (1, 'low'), (2, 'high');
INSERT INTO hc.rls SELECT i, 't', '918-46-000' || i FROM generate_series(1, 4) i;
REFRESH MATERIALIZED VIEW hc.m_pat;
ALTER ROLE gateway SUPERUSER;
GRANT USAGE ON SCHEMA hc, evil TO gateway_analyser;
ANALYZE;
`

// canaries are parts of every labelled value, in the forms in which a function
// or an error could show them.
var canaries = []string{"zylphia", "quorn", "917-46", "918-46", "canarynote", "dxcanary", "1951-03", "3931372d3436"}

// corpusPolicy has two roles: "wide" may do everything but see labelled values,
// and "strict" may not filter by them nor write them elsewhere either.
const corpusPolicy = `
permit(principal, action == Action::"connect", resource == Resource::"clinic");
permit(principal, action in [Action::"read", Action::"write", Action::"delete", Action::"define", Action::"destroy", Action::"execute", Action::"administer"], resource);
permit(principal, action in [Action::"readRaw", Action::"filterBy"], resource in Label::"public");
permit(principal, action in [Action::"readRaw", Action::"filterBy"], resource in Label::"system");
permit(principal in Role::"wide", action in [Action::"filterBy", Action::"declassify"], resource);
`

func corpusLabels(set *corpus.Set) string {
	var b strings.Builder
	b.WriteString("version: 1\ncolumns:\n")
	for _, t := range []string{"patient", "visit", "pub", "feel", "rls"} {
		fmt.Fprintf(&b, "  hc.%s.*: public\n", t)
	}
	for column, label := range set.Labels {
		fmt.Fprintf(&b, "  %s: %s\n", column, label)
	}
	b.WriteString("functions:\n  pure: [\"hc.fixed(text)\"]\n")
	return b.String()
}

// volatile are the cases whose clean outputs differ from one execution to the
// next, or from one connection to another.
var volatile = []string{"101b", "101p", "101q", "101h", "101s", "101m", "67b", "69"}

// TestCorpus sends every case of the corpus through a whole gateway, over the
// simple and the extended protocol (binary results), to every supported release
// of PostgreSQL and in both ways of lineage, and compares what comes back with
// what a direct connection gets.
func TestCorpus(t *testing.T) {
	set, err := corpus.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range []struct {
		major   int
		lineage string
	}{{14, "in-band"}, {15, "in-band"}, {16, "in-band"}, {17, "in-band"}, {18, "in-band"}, {18, "preflight"}} {
		t.Run(fmt.Sprintf("%d-%s", run.major, run.lineage), func(t *testing.T) {
			t.Parallel()
			g := gatewaytest.Start(t, gatewaytest.Major(run.major), gatewaytest.Lineage(run.lineage),
				gatewaytest.Schema(set.Schema+corpusRows), gatewaytest.Labels(corpusLabels(set)),
				gatewaytest.Policy(corpusPolicy), gatewaytest.Role("wide"), gatewaytest.Role("strict"))
			w := &corpusRun{g: g, preflight: run.lineage == "preflight", states: map[string]string{}, direct: connectTo(t, g.Server.URL("clinic", "gateway", "gatewaypassword"))}
			for _, c := range set.Cases {
				if c.From > run.major {
					continue
				}
				for role, conn := range map[string]**pgx.Conn{"wide": &w.wide, "strict": &w.strict} {
					if *conn == nil || (*conn).IsClosed() { // the case before failed
						*conn = connectTo(t, g.DSNAs(role, g.CIToken(t)))
					}
				}
				t.Run(c.ID, func(t *testing.T) { w.run(t, c) })
			}
			t.Run("psql", func(t *testing.T) { w.psql(t, set.Cases, run.major) })
		})
	}
}

func connectTo(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

type corpusRun struct {
	g                    *gatewaytest.Gateway
	preflight            bool
	direct, wide, strict *pgx.Conn
	states               map[string]string // how each case ended directly, by SQLSTATE
}

// answer is what a statement gave.
type answer struct {
	fields []pgconn.FieldDescription
	rows   [][][]byte
	err    error
}

// beside reports whether a case's setup has to be made beside the gateway, which
// refuses it, and returns what undoes it.
func beside(setup string) (undo string, ok bool) {
	f := strings.Fields(setup)
	switch {
	case strings.HasPrefix(setup, "CREATE RULE"):
		return "DROP RULE r ON " + f[slices.Index(f, "TO")+1], true
	case strings.Contains(setup, "pg_read_file"):
		return "DROP VIEW hc.v_file", true
	}
	return "", false
}

// run runs one case.
func (w *corpusRun) run(t *testing.T, c corpus.Case) {
	if c.ID == "13b" {
		c.SQL += " LIMIT 20" // it would not end by itself
	}
	var setup []string
	for _, s := range c.Setup {
		undo, ok := beside(s)
		if !ok {
			setup = append(setup, s)
			continue
		}
		w.g.Server.Exec(t, "clinic", s)
		defer w.g.Server.Exec(t, "clinic", undo)
	}
	for _, binary := range []bool{false, true} {
		isCopy := strings.HasPrefix(c.SQL, "COPY")
		if binary && isCopy || !binary && strings.Contains(c.SQL, "$1") {
			continue // the one has no result to be described, the other no parameters
		}
		// In band a simple query runs in steps of the extended protocol, in which PostgreSQL
		// does not show the rows of a rule's own SELECT.
		want := ask(t, w.direct, setup, c.SQL, binary || c.ID == "w14" && !w.preflight)
		if !binary {
			w.states[c.ID] = state(want.err)
		}
		got := ask(t, w.wide, setup, c.SQL, binary)
		if w.preflight && slices.ContainsFunc(setup, func(s string) bool { return !strings.HasPrefix(s, "SET") }) {
			// The analyser role cannot see what this transaction made or locked.
			noCanary(t, got)
			if got.err == nil {
				t.Errorf("a statement on objects of its own transaction was analysed by another session: %q", got.rows)
			}
			continue
		}
		if w.preflight && c.ID == "25" { // a path of JSON_TABLE must be a constant
			noCanary(t, got)
			if got.err == nil {
				t.Errorf("a constant was replaced that cannot be: %q", got.rows)
			}
			continue
		}
		w.check(t, c, binary, want, got)
		strict := ask(t, w.strict, setup, c.SQL, binary)
		if denied := len(c.Predicates) > 0 || laundered(c.Flows); denied && !c.ServerError && c.Refused == "" {
			wantDenied(t, strict)
		} else {
			w.check(t, c, binary, want, strict)
		}
	}
}

// laundered reports whether a flow of the case writes a labelled value into a
// column that does not carry its label.
func laundered(flows []string) bool {
	return slices.ContainsFunc(flows, func(f string) bool {
		to, from, _ := strings.Cut(f, " <- ")
		// What is read back from a temporary table is masked as unclassified.
		return to != from && !strings.HasPrefix(to, "pg_temp.")
	})
}

// state returns an error's SQLSTATE.
func state(err error) string {
	var pe *pgconn.PgError
	switch {
	case err == nil:
		return "00000"
	case errors.As(err, &pe):
		return pe.Code
	}
	return "client"
}

// ask runs a statement after its setup in a transaction that is rolled back.
func ask(t *testing.T, conn *pgx.Conn, setup []string, sql string, binary bool) (a answer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := conn.PgConn()
	for _, s := range append([]string{"BEGIN"}, setup...) {
		if _, err := c.Exec(ctx, s).ReadAll(); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	defer func() {
		if _, err := c.Exec(ctx, "ROLLBACK").ReadAll(); err != nil {
			t.Fatalf("the session does not go on: %v", err)
		}
	}()
	switch {
	case strings.HasPrefix(sql, "COPY"):
		var b bytes.Buffer
		_, a.err = c.CopyTo(ctx, &b, sql)
		sep := "\t"
		if strings.Contains(sql, "csv") {
			sep = ","
		}
		for line := range strings.Lines(b.String()) {
			var row [][]byte
			for _, v := range strings.Split(strings.TrimSuffix(line, "\n"), sep) {
				row = append(row, []byte(v))
			}
			a.rows = append(a.rows, row)
		}
		if a.err == nil && strings.Contains(sql, "HEADER") {
			a.rows = a.rows[1:]
		}
	case binary:
		var params [][]byte
		if strings.Contains(sql, "$1") {
			params = [][]byte{[]byte("7"), []byte("seven")}
		}
		r := c.ExecParams(ctx, sql, params, nil, nil, []int16{pgx.BinaryFormatCode}).Read()
		a.fields, a.rows, a.err = r.FieldDescriptions, r.Rows, r.Err
	default:
		rs, err := c.Exec(ctx, sql).ReadAll()
		a.err = err
		if len(rs) > 0 {
			last := rs[len(rs)-1]
			a.fields, a.rows = last.FieldDescriptions, last.Rows
		}
	}
	return a
}

// wantDenied checks that a statement was refused in the protocol's own form,
// with no row before it and with a way on.
func wantDenied(t *testing.T, got answer) {
	t.Helper()
	var pe *pgconn.PgError
	switch {
	case !errors.As(got.err, &pe):
		t.Errorf("not refused: %v", got.err)
	case pe.Severity != "ERROR" || pe.Code != "42501" || pe.Hint == "":
		t.Errorf("refused with %s %s %q, hint %q; want ERROR 42501 with a hint", pe.Severity, pe.Code, pe.Message, pe.Hint)
	}
	if len(got.rows) != 0 {
		t.Errorf("%d rows came before the refusal", len(got.rows))
	}
}

func (w *corpusRun) check(t *testing.T, c corpus.Case, binary bool, want, got answer) {
	t.Helper()
	noCanary(t, got)
	switch {
	case c.Refused != "":
		wantDenied(t, got)
		return
	case want.err != nil:
		if state(got.err) != state(want.err) {
			t.Errorf("binary %t: got error %v, want as directly: %v", binary, got.err, want.err)
		}
		return
	case got.err != nil:
		t.Errorf("binary %t: %v", binary, got.err)
		return
	case len(got.rows) != len(want.rows):
		t.Errorf("binary %t: %d rows, directly %d", binary, len(got.rows), len(want.rows))
		return
	}
	for i, kind := range c.Outputs {
		f := pgconn.FieldDescription{DataTypeOID: pgtype.TextOID}
		if len(got.fields) > 0 {
			f = got.fields[i]
		}
		g, d := column(got.rows, i), column(want.rows, i)
		if kind == corpus.Clean {
			if !slices.Contains(volatile, c.ID) && !slices.Equal(g, d) {
				t.Errorf("binary %t: output %d (%s) came out as %q, directly %q", binary, i, f.Name, g, d)
			}
			continue
		}
		for r, v := range g {
			raw := want.rows[r][i]
			if !isMask(f.DataTypeOID, f.Format, got.rows[r][i], raw == nil, isCopyText(c.SQL)) {
				t.Errorf("binary %t: output %d (%s) of row %d is %q, which is no mask", binary, i, f.Name, r, v)
			}
		}
	}
}

// psql runs the cases in one psql and checks how each ended; nothing labelled
// may come out anywhere.
func (w *corpusRun) psql(t *testing.T, cases []corpus.Case, major int) {
	var script strings.Builder
	want := map[string]string{}
	for _, c := range cases {
		if c.From > major || c.ID == "13b" || w.preflight && (c.ID == "25" || len(c.Setup) > 0) || strings.Contains(c.SQL, "$1") ||
			slices.ContainsFunc(c.Setup, func(s string) bool { _, ok := beside(s); return ok }) {
			continue
		}
		want[c.ID] = w.states[c.ID]
		if c.Refused != "" {
			want[c.ID] = "42501"
		}
		fmt.Fprintf(&script, "BEGIN;\n%s\n%s;\n\\echo '@@' %s :SQLSTATE\nROLLBACK;\n", strings.Join(append(c.Setup, ""), ";\n"), c.SQL, c.ID)
	}
	file := filepath.Join(t.TempDir(), "cases.sql")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	r := pgtest.Psql(t, w.g.DSNAs("wide", w.g.CIToken(t)), "-v", "VERBOSITY=verbose", "-f", file)
	clean(t, "psql's output", []byte(r.Stdout+r.Stderr))
	got := map[string]string{}
	for line := range strings.Lines(r.Stdout) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "@@" {
			got[f[1]] = f[2]
		}
	}
	for id, state := range want {
		if got[id] != state {
			t.Errorf("case %s ended with %q, want %q", id, got[id], state)
		}
	}
}

func isCopyText(sql string) bool { return strings.HasPrefix(sql, "COPY") }

// column returns a column's values in a form that can be compared and printed.
func column(rows [][][]byte, i int) (out []string) {
	for _, r := range rows {
		if r[i] == nil {
			out = append(out, "NULL")
		} else {
			out = append(out, "="+string(r[i]))
		}
	}
	slices.Sort(out)
	return out
}

// maskTexts are the constants that stand for masked values, in text.
var maskTexts = map[uint32]string{
	pgtype.Int2OID: "0", pgtype.Int4OID: "0", pgtype.Int8OID: "0", pgtype.NumericOID: "0", pgtype.OIDOID: "0", pgtype.Float8OID: "0",
	pgtype.BoolOID: "f", pgtype.DateOID: "1970-01-01", pgtype.TimestamptzOID: "1970-01-01 00:00:00+00", pgtype.IntervalOID: "00:00:00",
	pgtype.JSONOID: "null", pgtype.JSONBOID: "null", pgtype.ByteaOID: `\x`, 142: "<masked/>",
	pgtype.TextArrayOID: "{}", pgtype.Int4ArrayOID: "{}", pgtype.Float4ArrayOID: "{}",
}

// isMask reports whether a value is the constant for its type. A NULL stays one,
// and a type without a constant becomes one.
func isMask(oid uint32, format int16, v []byte, null, copied bool) bool {
	if copied {
		s := string(v)
		return strings.HasPrefix(s, "[phi.") || s == `\N` || s == "" || s == "1970-01-01" || s == "null"
	}
	text, known := maskTexts[oid]
	switch oid {
	case pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID, pgtype.NameOID:
		return v == nil == null && (null || bytes.HasPrefix(v, []byte("[")))
	}
	if null || !known {
		return v == nil
	}
	if format == pgx.TextFormatCode {
		return string(v) == text
	}
	m := pgtype.NewMap()
	dt, ok := m.TypeForOID(oid)
	if !ok {
		return false
	}
	got, err := dt.Codec.DecodeValue(m, oid, pgx.BinaryFormatCode, v)
	if err != nil {
		return false
	}
	want, err := dt.Codec.DecodeValue(m, oid, pgx.TextFormatCode, []byte(text))
	return err == nil && fmt.Sprint(got) == fmt.Sprint(want)
}

func noCanary(t *testing.T, a answer) {
	t.Helper()
	for _, r := range a.rows {
		for _, v := range r {
			clean(t, "a row", v)
		}
	}
	var pe *pgconn.PgError
	if errors.As(a.err, &pe) {
		clean(t, "an error", []byte(fmt.Sprintf("%+v", *pe)))
	}
}

// clean fails the test when one of the corpus' labelled values is in b.
func clean(t *testing.T, what string, b []byte) {
	t.Helper()
	low := bytes.ToLower(b)
	for _, c := range canaries {
		if bytes.Contains(low, []byte(c)) {
			t.Errorf("%s holds the labelled value %q: %.200q", what, c, b)
		}
	}
}
