// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// wiretap keeps every byte that a client got from the gateway, after TLS.
type wiretap struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *wiretap) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

// on makes a connection's received bytes go to the tap as well.
func (w *wiretap) on(c *pgx.ConnConfig) {
	c.BuildFrontend = func(r io.Reader, out io.Writer) *pgproto3.Frontend {
		return pgproto3.NewFrontend(io.TeeReader(r, w), out)
	}
}

// typed is what clients of the canary test send in clear themselves.
const typed = "Barnabas Wetherford-Quick"

// TestCanary has clients do much of what they can do with labelled data, and
// then looks for its values everywhere where the gateway could have left them.
func TestCanary(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Policy(holdPolicy()), gatewaytest.Schema(kinds+scraps), gatewaytest.Labels(kindLabels()), gatewaytest.Waits(0, 20*time.Second),
		gatewaytest.Patients("phi.mrn", 1))
	tap := &wiretap{}
	token := g.CIToken(t)
	for _, mode := range modes {
		workWithPHI(t, g, tap, mode)
	}
	for _, c := range canaryStatements {
		r := pgtest.Psql(t, g.DSN(token), "-v", "VERBOSITY=verbose", "-v", "FETCH_COUNT=2", "-c", c)
		_, _ = tap.Write([]byte(r.Stdout))
		if !strings.Contains(c, "'") { // psql shows the line at fault from its own memory
			_, _ = tap.Write([]byte(r.Stderr))
		}
	}
	holdPHI(t, g)
	noSecret(t, "what the clients received", tap.b.Bytes())
	if tap.b.Len() < 100_000 {
		t.Fatalf("the tap saw only %d bytes", tap.b.Len())
	}

	everyAnswer(t, g)
	noTrace(t, "the gateway's log", []byte(g.Log.String()))
	noTrace(t, "the target's log", []byte(g.Server.Log()))
	atRest(t, g.Dir) // while it runs, with the store's journal
	g.Stop(t)
	if n := atRest(t, g.Dir); n < 10 {
		t.Errorf("only %d files are at rest; has the layout changed?", n)
	}
	noTrace(t, "the gateway's log", []byte(g.Log.String()))
	if strings.Contains(g.Log.String(), token) {
		t.Error("the log has a token")
	}
}

// canaryStatements bring labelled values into every channel that there is.
var canaryStatements = []string{
	"select * from patients", "table patients", "select p from patients p", "select row_to_json(p) from patients p",
	"select string_agg(name, ',') from patients", "select name || ssn || birth_date from patients", "select * from patient_cards",
	"select id, md5(name), upper(ssn), length(note) from patients", "copy patients to stdout", "copy patients to stdout csv header",
	"copy (select name, ssn from patients) to stdout", "select name::int from patients", "select ssn::date from patients",
	"select 1/(id - id) from patients where id = 1", "select diagnosis from visits", "select * from secrets",
	"insert into patients (id, mrn, name, ssn, birth_date) select 77, mrn, name, ssn, birth_date from patients where id = 1",
	"insert into patients (id, mrn, name, ssn, birth_date) values (1, 'x', '" + typed + "', '900-11-2233', now())",
	"update patients set ssn = '900-22-3344' where id = 1", "update patients set name = null where id = 1", "delete from patients where id = 1",
	"select id from patients where ssn = '900-11-2233'", "select id from patients where name = '" + typed + "'",
	"select '" + typed + "'::int", "select * from \"" + typed + "\"", "select '" + typed + "' as \"" + typed + "\"",
	"do $$ begin raise notice '%', (select ssn from patients limit 1); end $$", "explain analyze select name from patients where id = 1",
	"select most_common_vals, histogram_bounds from pg_stats", "select query from pg_stat_activity",
	"select set_config('application_name', (select name from patients limit 1), false)",
	"set application_name = '" + typed + "'", "select current_query()", "select * from payroll.salaries", "selec '" + typed + "'",
	"begin; declare c cursor for select name, ssn from patients; fetch all from c; commit", "prepare p as select name from patients", "execute p",
	"create temp table cp as select * from patients", "select pg_notify('c', name) from patients", "listen c",
	"/* " + typed + " */ select 1 -- " + typed, "select $q$" + typed + "$q$, U&'" + typed + "', E'" + typed + "'",
}

// workWithPHI does it from pgx, with parameters and binary results.
func workWithPHI(t *testing.T, g *gatewaytest.Gateway, tap *wiretap, mode pgx.QueryExecMode) {
	ctx := bound(t)
	conn := g.Connect(t, tap.on, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = mode })
	for _, q := range []struct {
		sql  string
		args []any
		code string
	}{
		{"select * from patients where id = $1", []any{1}, ""},
		{"select * from secrets where id = $1", []any{1}, ""},
		{"select id, secret from pairs where id < $1", []any{3000}, ""},
		{"select id from patients where ssn = $1", []any{"900-11-2233"}, "42501"},
		{"insert into work (kind) values ($1)", []any{typed}, ""},
		{"delete from wards where code = $1", []any{typed}, ""},
		{"select $1::text", []any{typed}, ""},
		{"insert into patients (id, mrn, name, ssn, birth_date) values ($1, 'm', $2, '900-11-2233', '1949-02-17')", []any{1, typed}, "23505"},
		{"select note::numeric from patients where id = $1", []any{2}, "22P02"},
	} {
		_, err := values(conn, ctx, q.sql, q.args...)
		if code(err) != q.code && !(err == nil && q.code == "") {
			t.Errorf("%s: %s gave %v, want %q", mode, q.sql, err, q.code)
		}
	}
	// What the client typed itself may come back to it; only that is taken out.
	tap.mu.Lock()
	defer tap.mu.Unlock()
	left := bytes.ReplaceAll(tap.b.Bytes(), []byte(typed), nil)
	tap.b.Reset()
	tap.b.Write(left)
}

// holdPHI has a statement with values held, shown to an approver, and denied.
func holdPHI(t *testing.T, g *gatewaytest.Gateway) {
	h := newHolder(t, g)
	done := h.start(t, "delete from work where kind = '"+typed+"' and id <> $1", 5)
	h.officer.decide(t, h.officer.await(t, "delete from work where kind").ID, "deny")
	if err := finish(t, done); code(err) != "42501" {
		t.Errorf("the held statement gave %v", err)
	}
	noTrace(t, "the notice to the client", []byte(<-h.notices))
}

// everyAnswer asks the API for everything that an auditor and the others may
// see, with the exported bundle taken apart, and looks into each answer. A
// replay shows what the client got, its own constants too; so of a replay only
// the target's values are looked for.
func everyAnswer(t *testing.T, g *gatewaytest.Gateway) {
	t.Helper()
	auditor := apiAs(t, g, g.HumanToken(t, "audrey", "auditors", "security", "privacy-officers"))
	get := func(path string) []byte {
		status, b := auditor.call(t, "GET", path, nil)
		if status != 200 {
			t.Fatalf("%s: %d %s", path, status, b)
		}
		noTrace(t, path, b)
		return b
	}
	for _, path := range []string{"/v1/requests?state=all", "/v1/grants?state=all", "/v1/resources", "/v1/audit/checkpoint", "/v1/audit/verify"} {
		get(path)
	}
	var list struct {
		Sessions []struct {
			ID string `json:"id"`
		} `json:"sessions"`
	}
	if err := json.Unmarshal(get("/v1/sessions?limit=100"), &list); err != nil || len(list.Sessions) < 10 {
		t.Fatalf("%d sessions, %v", len(list.Sessions), err)
	}
	for _, s := range list.Sessions {
		get("/v1/sessions/" + s.ID)
		status, b := auditor.call(t, "GET", "/v1/sessions/"+s.ID+"/replay", nil)
		if status != 200 {
			t.Fatalf("replay: %d %s", status, b)
		}
		noSecret(t, "a replay", b)
	}
	status, b := auditor.call(t, "POST", "/v1/evidence", map[string]string{"purpose": "the test looks for canaries"})
	if status != 200 {
		t.Fatalf("evidence: %d %s", status, b)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(f.Name, "replay/") {
			noSecret(t, "the bundle's "+f.Name, b)
		} else {
			noTrace(t, "the bundle's "+f.Name, b)
		}
		_ = r.Close()
	}
}

// noTrace fails the test when a value of the clinic or what the clients typed is
// in b, as it is or encoded.
func noTrace(t *testing.T, what string, b []byte) {
	t.Helper()
	noSecret(t, what, b)
	for _, s := range []string{typed, "900-11-2233", "Adela Quillfeather", "Osric Thimblewood", "Wilhelmina Starling"} {
		forms := []string{s, strings.ToUpper(s), hex.EncodeToString([]byte(s))}
		for shift := range 3 { // base64 of s inside something longer
			e := base64.StdEncoding.EncodeToString(append(make([]byte, shift), s...))
			forms = append(forms, e[4:len(e)-4])
		}
		for _, f := range forms {
			if i := bytes.Index(b, []byte(f)); i >= 0 {
				t.Errorf("%s holds %q as %q: ...%q...", what, s, f, b[max(0, i-80):min(len(b), i+80)])
			}
		}
	}
}

// atRest looks into every file of a gateway's directory and returns how many
// there were.
func atRest(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		rel, _ := filepath.Rel(dir, path)
		noTrace(t, rel, b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
