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
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"github.com/sallyport-dev/sallyport/test/clients"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// TestClients runs real clients against one gateway and compares what they get
// with what they get from the target itself.
func TestClients(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open(), gatewaytest.Schema(kinds), gatewaytest.Labels(kindLabels()))
	for name, f := range map[string]func(*testing.T, *gatewaytest.Gateway){
		"psql-same": psqlSame, "psql-masked": psqlMasked, "psql-session": psqlSession,
		"pgx-modes": pgxModes, "pgx-batch": pgxBatch, "pgx-copy": pgxCopy, "pgx-cancel": pgxCancel, "pgx-large": pgxLarge,
		"node": nodePostgres,
	} {
		t.Run(name, func(t *testing.T) { f(t, g) })
	}
	noSecret(t, "the gateway's log", []byte(g.Log.String()))
}

// psqlSame runs what must come out byte for byte as from the target.
func psqlSame(t *testing.T, g *gatewaytest.Gateway) {
	dsn, straight := g.DSN(g.CIToken(t)), g.Server.URL("clinic", "gateway", "gatewaypassword")
	out := filepath.Join(t.TempDir(), "wards.csv")
	for _, args := range [][]string{
		{"-c", "select * from wards order by id"},
		{"-c", "select * from kinds order by id"},
		{"-x", "-c", "select * from kinds order by id"},
		{"-A", "-t", "-c", "select 1; select 2 as b, null; select 'x' where false"},
		{"-c", `\d`},
		{"-c", `\d+ wards`},
		{"-c", `\d patients`},
		{"-c", `\dn`},
		{"-c", `\dt *.*`},
		{"-c", `\df pg_catalog.ab*`},
		{"-c", `\dT`},
		{"-c", `\ds`},
		{"-c", `\dv`},
		{"-c", `\di`},
		{"-c", `\du`},
		{"-c", `\l`},
		{"-c", `\dp`},
		script(t, `select id, code from wards order by id \gdesc`), script(t, `select id, beds, code from wards \crosstabview id beds code`),
		{"-c", `\copy wards to stdout`},
		{"-c", `\copy (select id, beds from wards order by id) to stdout csv header`},
		{"-c", `\copy wards to '` + out + `' csv`},
		{"-c", "copy wards to stdout (format csv, header, force_quote *)"},
		{"-v", "FETCH_COUNT=1", "-c", "select id, code from wards order by id"},
		{"-v", "FETCH_COUNT=700", "-A", "-t", "-c", "select id, tag from pairs order by id"},
		{"-c", "select * from nosuch"},
		{"-c", "select nosuch from wards"},
		{"-v", "VERBOSITY=sqlstate", "-c", "selec 1"},
		{"-v", "VERBOSITY=sqlstate", "-c", "select 1 +"},
		{"-c", ""},
		{"-c", ";"},
		{"-c", "select"},
		{"-c", "values (1, 'a'), (2, null)"},
		{"-c", "begin", "-c", "select 1/1", "-c", "commit"},
		{"-v", "VERBOSITY=sqlstate", "-c", "rollback"},
		{"-v", "VERBOSITY=sqlstate", "-c", "begin; commit; commit"},
		{"-c", "set search_path = public, pg_catalog", "-c", "show search_path", "-c", "select id from wards order by 1"},
		{"-c", "set work_mem = '1MB'; show work_mem", "-c", "reset all"},
		{"-c", "begin isolation level serializable; show transaction_isolation; rollback"},
		{"-c", "create temp table tt (a int, b text)", "-c", "insert into tt values (1, 'x')", "-c", "select count(*) from tt"},
		{"-c", "explain (costs off) select id from wards where id = 1"},
		{"-c", "begin; declare c cursor for select id, code from wards order by id; fetch 2 from c; move 1 in c; close c; commit"},
		{"-c", "insert into work (kind) values ('same') returning kind", "-c", "delete from work where kind = 'same'"},
		{"-v", "ON_ERROR_ROLLBACK=on", "-c", "begin", "-c", "select nosuch", "-c", "select 2", "-c", "commit"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			want := pgtest.Psql(t, straight, args...)
			file, _ := os.ReadFile(out)
			got := pgtest.Psql(t, dsn, args...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-directly +through the gateway\n%s", diff)
			}
			if again, _ := os.ReadFile(out); !bytes.Equal(file, again) {
				t.Errorf("the file has %q, directly %q", again, file)
			}
		})
	}
}

// script has psql read its commands from a file.
func script(t *testing.T, text string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script.sql")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"-f", file}
}

// psqlMasked runs what is masked or refused.
func psqlMasked(t *testing.T, g *gatewaytest.Gateway) {
	dsn := g.DSN(g.CIToken(t))
	for _, c := range []struct{ sql, out, err string }{
		{"select id, name, ssn, birth_date from patients order by id limit 1", "1|[phi.name]|[phi.ssn]|1970-01-01\n", ""},
		{"select count(*) from patients", "5\n", ""},
		{"copy (select id, name from patients order by id limit 2) to stdout", "1\t[phi.name]\n2\t[phi.name]\n", ""},
		{"copy (select id, name from patients order by id limit 1) to stdout csv header", "id,name\n1,[phi.name]\n", ""},
		{`\copy (select ssn from patients limit 1) to stdout`, "[phi.ssn]\n", ""},
		{"select id from wards where id = 1; select name from patients limit 1; select 3", "1\n[phi.name]\n3\n", ""},
		{"select label, code from patient_cards limit 1", "[phi.name]|[phi.ssn]\n", ""},
		{"begin; declare c cursor for select id, ssn from patients order by id; fetch 1 from c; commit", "BEGIN\nDECLARE CURSOR\n1|[phi.ssn]\nCOMMIT\n", ""},
		// The catalogue does not see what a transaction has not committed yet.
		{"create temp table t2 as select id, ssn from patients; select ssn from t2 limit 1", "SELECT 5\n", "ERROR:  42501"},
		{"select * from payroll.salaries", "", "ERROR:  42501"},
		{"select id from patients where ssn = '900-11-2233'", "", "ERROR:  42501"},
		{"listen c", "", "ERROR:  42501"},
		{"notify c, 'x'", "", "ERROR:  42501"},
		{"insert into patients values (1, 'MRN-000101', 'a', 'b', now())", "", "ERROR:  23505"},
		{"insert into wards (id, code, beds) select id, ssn, 1 from patients", "", "ERROR:  42501"},
		{"select cast(name as int) from patients", "", "ERROR:  22P02"},
		{"select 1/(id-1) from patients", "", "ERROR:  22012"},
	} {
		t.Run(c.sql, func(t *testing.T) {
			r := pgtest.Psql(t, dsn, "-A", "-t", "-v", "VERBOSITY=sqlstate", "-c", c.sql)
			if r.Stdout != c.out || !strings.HasPrefix(r.Stderr, c.err) || (r.Stderr == "") != (c.err == "") {
				t.Errorf("got %q and %q, want %q and %q", r.Stdout, r.Stderr, c.out, c.err)
			}
			r = pgtest.Psql(t, dsn, "-v", "VERBOSITY=verbose", "-c", c.sql)
			if strings.Contains(c.sql, "900-11-2233") {
				r.Stderr = "" // psql shows the line that it sent itself
			}
			noSecret(t, "psql's output", []byte(r.Stdout+r.Stderr))
		})
	}
	temp := pgtest.Psql(t, dsn, "-A", "-t", "-c", "create temp table t2 as select id, ssn from patients", "-c", "select ssn from t2 limit 1")
	if temp.Stdout != "SELECT 5\n[unknown]\n" {
		t.Errorf("a copy in a temporary table gave %+v", temp)
	}
	in := filepath.Join(t.TempDir(), "in.csv")
	if err := os.WriteFile(in, []byte("901,NEW-1,3\n902,NEW-2,4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := pgtest.Psql(t, dsn, "-A", "-t", "-c", `\copy wards from '`+in+`' csv`, "-c", "select code from wards where id > 900 order by 1", "-c", "delete from wards where id > 900")
	if r.Stdout != "COPY 2\nNEW-1\nNEW-2\nDELETE 2\n" {
		t.Errorf("\\copy in gave %q, %q", r.Stdout, r.Stderr)
	}
}

// psqlSession checks that one session goes on after denials and errors.
func psqlSession(t *testing.T, g *gatewaytest.Gateway) {
	dsn := g.DSN(g.CIToken(t))
	r := pgtest.Psql(t, dsn, "-A", "-t", "-c", "select * from payroll.salaries", "-c", "select 1", "-c", "listen x", "-c", "select 2",
		"-c", "insert into work (kind) values ('kept'); select * from payroll.salaries; insert into work (kind) values ('not')",
		"-c", "select count(*) from work where kind in ('kept', 'not')")
	if r.Stdout != "1\n2\nINSERT 0 1\n0\n" {
		t.Errorf("got %q, %q", r.Stdout, r.Stderr)
	}
}

var modes = []pgx.QueryExecMode{
	pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
}

func values(conn *pgx.Conn, ctx context.Context, sql string, args ...any) (out []string, err error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		v, err := rows.Values()
		if err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprintf("%#v", v))
	}
	return out, rows.Err()
}

func pgxModes(t *testing.T, g *gatewaytest.Gateway) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			ctx := bound(t)
			conn := g.Connect(t, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = mode })
			straight := direct(t, g, mode)
			for range 3 { // the second time statements and plans are known
				for _, q := range []struct {
					sql  string
					args []any
				}{
					{"select id, b, i2, i8, t, v, c, y, d, ia, ta, u from kinds order by id", nil},
					{"select n, f4, f8, ti, ts, iv, j, jb, ip, net, r, p, bits from kinds order by id", nil},
					{"select id, code from wards where id = $1 or code = $2 order by id", []any{1, "EAST-1"}},
					{"select $1::text, $2::int, $3::bool", []any{"x'y", nil, true}},
					{"select id from wards where id = any($1) order by id", []any{[]int32{1, 3}}},
					{"select count(*) from pairs", nil},
				} {
					want, werr := values(straight, ctx, q.sql, q.args...)
					got, err := values(conn, ctx, q.sql, q.args...)
					if fmt.Sprint(werr) != fmt.Sprint(err) {
						t.Errorf("%s: error %v, directly %v", q.sql, err, werr)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s: -directly +through the gateway\n%s", q.sql, diff)
					}
				}
				masked, err := values(conn, ctx, "select id, name, ssn, birth_date, note from patients where id = $1", 1)
				if err != nil {
					t.Fatal(err)
				}
				noSecret(t, "the rows", []byte(strings.Join(masked, "\n")))
				if len(masked) != 1 || !strings.Contains(masked[0], `"[phi.name]", "[phi.ssn]"`) || !strings.Contains(masked[0], `"[phi.note]"`) {
					t.Errorf("masked rows are %s", masked)
				}
				// NULLs stay; everything else is a constant.
				all, err := values(conn, ctx, "select * from secrets order by id")
				if err != nil {
					t.Fatalf("every type masked: %v", err)
				}
				for _, leak := range []string{"täxt", "abcde", "9007199254740993", "12345", "0xde", "2001", "10.1", "0x8, 0x0", "4711", "fat", "{1, 2"} {
					if strings.Contains(all[0], leak) {
						t.Errorf("a masked row has %q: %s", leak, all[0])
					}
				}
				if n := strings.Count(all[1], "(nil)"); n != 31 {
					t.Errorf("%d NULLs came back of 31: %s", n, all[1])
				}
				if _, err := values(conn, ctx, "select * from payroll.salaries where id = $1", 1); code(err) != "42501" {
					t.Errorf("a denied read gave %v", err)
				}
				if _, err := conn.Exec(ctx, "listen c"); code(err) != "42501" {
					t.Errorf("LISTEN gave %v", err)
				}
			}
		})
	}
}

func pgxBatch(t *testing.T, g *gatewaytest.Gateway) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			ctx := bound(t)
			conn := g.Connect(t, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = mode })
			b := &pgx.Batch{}
			for i := range 20 {
				b.Queue("select id, name from patients where id = $1", i%5+1)
				b.Queue("select id, code from wards where id = $1", i%3+1)
			}
			res := conn.SendBatch(ctx, b)
			for i := range 40 {
				var id int
				var s string
				if err := res.QueryRow().Scan(&id, &s); err != nil {
					t.Fatal(err)
				}
				if i%2 == 0 && s != "[phi.name]" || i%2 == 1 && !strings.Contains("WEST-1 WEST-2 EAST-1", s) {
					t.Errorf("answer %d is %d, %q", i, id, s)
				}
			}
			if err := res.Close(); err != nil {
				t.Fatal(err)
			}
			// A denial in the middle undoes the batch, and the connection goes on.
			b = &pgx.Batch{}
			b.Queue("insert into work (kind) values ($1)", "batch")
			b.Queue("select * from payroll.salaries")
			b.Queue("insert into work (kind) values ($1)", "batch")
			if err := conn.SendBatch(ctx, b).Close(); code(err) != "42501" {
				t.Errorf("a batch with a denied statement gave %v", err)
			}
			var n int
			if err := conn.QueryRow(ctx, "select count(*) from work where kind = $1", "batch").Scan(&n); err != nil || n != 0 {
				t.Errorf("%d rows of the batch stayed, %v", n, err)
			}
		})
	}
	// pgconn's pipeline: several Syncs on their way at once.
	conn := g.Connect(t).PgConn()
	p := conn.StartPipeline(bound(t))
	p.SendPrepare("a", "select name from patients where id = $1", nil)
	p.SendQueryPrepared("a", [][]byte{[]byte("1")}, nil, []int16{1})
	if err := errors.Join(p.Sync()); err != nil {
		t.Fatal(err)
	}
	p.SendQueryParams("select code from wards where id = 1", nil, nil, nil, nil)
	if err := p.Sync(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		r, err := p.GetResults()
		if err != nil {
			t.Fatal(err)
		}
		if r == nil {
			break
		}
		if rr, ok := r.(*pgconn.ResultReader); ok {
			for rr.NextRow() {
				got = append(got, string(rr.Values()[0]))
			}
			if _, err := rr.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"[phi.name]", "WEST-1"}, got); diff != "" {
		t.Errorf("pipeline (-want +got)\n%s", diff)
	}
}

func pgxCopy(t *testing.T, g *gatewaytest.Gateway) {
	ctx := bound(t)
	conn := g.Connect(t)
	rows := make([][]any, 5000)
	for i := range rows {
		rows[i] = []any{100000 + i, fmt.Sprintf("copied %d", i)}
	}
	n, err := conn.CopyFrom(ctx, pgx.Identifier{"work"}, []string{"id", "kind"}, pgx.CopyFromRows(rows))
	if err != nil || n != 5000 {
		t.Fatalf("CopyFrom: %d, %v", n, err)
	}
	var got, want bytes.Buffer
	const sql = "copy (select id, kind from work where id >= 100000 order by id) to stdout"
	if _, err := conn.PgConn().CopyTo(ctx, &got, sql); err != nil {
		t.Fatal(err)
	}
	if _, err := direct(t, g, modes[0]).PgConn().CopyTo(ctx, &want, sql); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("%d bytes came, directly %d", got.Len(), want.Len())
	}
	// A COPY that fails on the client's side leaves the session usable.
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"work"}, []string{"id", "kind"}, pgx.CopyFromFunc(func() ([]any, error) { return nil, errors.New("no more") }))
	if err == nil {
		t.Error("a COPY that the client ended did not fail")
	}
	got.Reset()
	if _, err := conn.PgConn().CopyTo(ctx, &got, "copy (select secret from pairs) to stdout (format binary)"); err != nil {
		t.Fatal(err)
	}
	noSecret(t, "a binary COPY", got.Bytes())
	if n := bytes.Count(got.Bytes(), []byte("[phi.note]")); n != 20000 {
		t.Errorf("%d masked values came, want 20000", n)
	}
	if _, err := conn.Exec(ctx, "delete from work where id >= 100000"); err != nil {
		t.Fatal(err)
	}
}

func pgxCancel(t *testing.T, g *gatewaytest.Gateway) {
	conn := g.Connect(t)
	cfg := conn.Config().Copy()
	cfg.BuildContextWatcherHandler = func(pc *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: pc, DeadlineDelay: 20 * time.Second}
	}
	c, err := pgx.ConnectConfig(bound(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	for _, mode := range modes {
		ctx, cancel := context.WithCancel(t.Context())
		running := make(chan struct{})
		go func() {
			defer close(running)
			eventually(t, "pg_sleep at work", func() bool { return atWork(t, g, "pg_sleep(600)") == 1 })
			cancel()
		}()
		_, err := c.Exec(ctx, "select pg_sleep(600)", mode)
		<-running
		cancel()
		if code(err) != "57014" {
			t.Fatalf("%s: a cancelled statement gave %v", mode, err)
		}
		if v, err := values(c, bound(t), "select 1"); err != nil || len(v) != 1 {
			t.Fatalf("%s: the session does not go on: %v %v", mode, v, err)
		}
	}
}

// atWork counts the target's active statements that hold a text.
func atWork(t testing.TB, g *gatewaytest.Gateway, text string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), g.Server.URL("clinic", "", ""))
	if err != nil {
		t.Error(err)
		return -1
	}
	defer conn.Close(context.Background())
	err = conn.QueryRow(t.Context(), "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and position($1 in query) > 0", text).Scan(&n)
	if err != nil {
		t.Error(err)
	}
	return n
}

func pgxLarge(t *testing.T, g *gatewaytest.Gateway) {
	for _, mode := range modes {
		ctx := bound(t)
		conn := g.Connect(t, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = mode })
		rows, err := conn.Query(ctx, "select id, tag, secret, repeat(tag, 10) from pairs order by id")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for rows.Next() {
			n++
			var id int
			var tag, secret, long string
			if err := rows.Scan(&id, &tag, &secret, &long); err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("tag %d", n); id != n || tag != want || secret != "[phi.note]" || long != strings.Repeat(want, 10) {
				t.Fatalf("row %d is %d %q %q %q", n, id, tag, secret, long)
			}
		}
		if rows.Err() != nil || n != 20000 {
			t.Fatalf("%d rows, %v", n, rows.Err())
		}
		// One value that spans many reads, masked and not.
		var big string
		if err := conn.QueryRow(ctx, "select repeat('x', 3000000)").Scan(&big); err != nil || len(big) != 3000000 {
			t.Errorf("a large value came as %d bytes, %v", len(big), err)
		}
		if err := conn.QueryRow(ctx, "select string_agg(repeat(secret, 20), '') from pairs").Scan(&big); err != nil || big != "[phi.note]" {
			t.Errorf("a large masked value came as %d bytes, %v", len(big), err)
		}
		// A client that stops in the middle of a result.
		rows, err = conn.Query(ctx, "select secret from pairs")
		if err != nil {
			t.Fatal(err)
		}
		rows.Next()
		rows.Close()
		if v, err := values(conn, ctx, "select 2"); err != nil || len(v) != 1 {
			t.Errorf("the session does not go on: %v %v", v, err)
		}
	}
}

func nodePostgres(t *testing.T, g *gatewaytest.Gateway) {
	ca, err := os.ReadFile(g.CA)
	if err != nil {
		t.Fatal(err)
	}
	straight := []clients.Statement{
		{Text: "select id, code, beds from wards order by id"},
		{Text: "select id, t, n, b, i8, ia, jb, y from kinds order by id"},
		{Text: "select id, code from wards where id = $1", Values: []any{2}},
		{Text: "select id, code from wards where id = $1", Values: []any{1}, Name: "ward"},
		{Text: "select id, code from wards where id = $1", Values: []any{3}, Name: "ward"},
		{Text: "select id, t from kinds where id = $1", Values: []any{1}, Binary: true},
		{Text: "select nosuch from wards"},
		{Text: "select 1/0 as n", Values: []any{}},
		{Text: "begin"},
		{Text: "declare c cursor for select id, code from wards order by id"},
		{Text: "fetch 2 from c"},
		{Text: "fetch 2 from c"},
		{Text: "commit"},
		{Text: "select current_setting('server_version') is not null as v"},
	}
	got := clients.Node(t, nodeURL(g, g.CIToken(t)), string(ca), straight...)
	want := clients.Node(t, g.Server.URL("clinic", "gateway", "gatewaypassword"), "", straight...)
	for i, w := range want {
		if w.Error != nil && i < len(got) && got[i].Error != nil && w.Error.Code == got[i].Error.Code {
			want[i].Error = got[i].Error // the message may be withheld
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-directly +through the gateway\n%s", diff)
	}
	got = clients.Node(t, nodeURL(g, g.CIToken(t)), string(ca),
		clients.Statement{Text: "select name, ssn, birth_date::text as d from patients limit 1"},
		clients.Statement{Text: "select name, ssn from patients where id = $1", Values: []any{1}, Name: "p"},
		clients.Statement{Text: "select name, ssn from patients where id = $1", Values: []any{2}, Name: "p"},
		clients.Statement{Text: "select name from patients where id = $1", Values: []any{2}, Binary: true},
		clients.Statement{Text: "select * from payroll.salaries"},
		clients.Statement{Text: "select id from wards where id = 1"},
	)
	masked := clients.Result{Fields: []string{"name", "ssn"}, Rows: [][]any{{"[phi.name]", "[phi.ssn]"}}}
	wantMasked := []clients.Result{
		{Fields: []string{"name", "ssn", "d"}, Rows: [][]any{{"[phi.name]", "[phi.ssn]", "[phi.birth_date]"}}},
		masked, masked,
		{Fields: []string{"name"}, Rows: [][]any{{"[phi.name]"}}},
		{Error: &clients.Error{Code: "42501", Message: "no policy permits read on table clinic/payroll/salaries", Hint: "`sallyport policy explain` says which rule would permit it"}},
		{Fields: []string{"id"}, Rows: [][]any{{1.0}}},
	}
	if diff := cmp.Diff(wantMasked, got); diff != "" {
		t.Errorf("masked (-want +got)\n%s", diff)
	}
}
