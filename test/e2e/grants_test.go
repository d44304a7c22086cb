// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// cut waits until the gateway ends an idle session and returns the error that
// the client was told.
func cut(t *testing.T, conn *pgx.Conn) *pgconn.PgError {
	t.Helper()
	err := conn.PgConn().WaitForNotification(bound(t))
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		t.Fatalf("the session did not end with an error of the protocol: %v", err)
	}
	return pe
}

// noUpstream waits until no session of the gateway's clients is left in the target.
func noUpstream(t *testing.T, g *gatewaytest.Gateway, left int) {
	t.Helper()
	conn := g.Server.Connect(t, "clinic")
	eventually(t, "the end of the sessions in the target", func() bool {
		var n int
		// The catalogue is read over a connection of the gateway's own.
		err := conn.QueryRow(t.Context(), "select count(*) from pg_stat_activity where usename = 'gateway' and query not like '%pg_catalog%'").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n <= left
	})
}

// grantFor approves the request that a connection files and returns the grant.
func grantFor(t *testing.T, officer *api) string {
	t.Helper()
	var r request
	eventually(t, "a request for a grant", func() bool {
		for _, o := range officer.open(t, "open") {
			if o.Kind == "grant" {
				r = o
				return true
			}
		}
		return false
	})
	officer.decide(t, r.ID, "approve")
	status, b := officer.call(t, "GET", "/v1/requests/"+r.ID, nil)
	if err := json.Unmarshal(b, &r); err != nil || status != 200 || r.Grant.ID == "" {
		t.Fatalf("the approved request is %d %v %s", status, err, b)
	}
	return r.Grant.ID
}

func TestGrants(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Waits(20*time.Second, 5*time.Second))
	officer := apiAs(t, g, g.HumanToken(t, "olivia", "privacy-officers"))
	admin := apiAs(t, g, g.HumanToken(t, "sasha", "security"))

	// The first connection waits for its grant and is told so.
	result := make(chan pgtest.PsqlResult, 1)
	go func() {
		result <- pgtest.Psql(t, g.DSN(g.CIToken(t)), "-A", "-t", "-c", "select id, name from patients where id = 1")
	}()
	grant := grantFor(t, officer)
	if r := <-result; r.Stdout != "1|[phi.name]\n" || !strings.Contains(r.Stderr, "waits for approval") {
		t.Fatalf("psql that waited for a grant gave %+v", r)
	}

	live := g.Connect(t)
	if v, err := values(live, bound(t), "select id from wards where id = 1"); err != nil || len(v) != 1 {
		t.Fatalf("%v %v", v, err)
	}
	busy := g.Connect(t)
	done := make(chan error, 1)
	go func() { _, err := busy.Exec(bound(t), "select pg_sleep(600)"); done <- err }()
	eventually(t, "pg_sleep at work", func() bool { return atWork(t, g, "pg_sleep(600)") == 1 })

	if status, b := admin.call(t, "POST", "/v1/grants/"+grant+"/revoke", map[string]string{"reason": "the test revokes it"}); status != 200 {
		t.Fatalf("revoke: %d %s", status, b)
	}
	if pe := cut(t, live); pe.Severity != "FATAL" || pe.Code != "57P01" || !strings.Contains(pe.Message, "grant") || pe.Hint == "" {
		t.Errorf("an idle session whose grant was revoked was told %+v", pe)
	}
	if err := finish(t, done); code(err) != "57P01" {
		t.Errorf("a busy session whose grant was revoked was told %v", err)
	}
	eventually(t, "the end of the statement in the target", func() bool { return atWork(t, g, "pg_sleep(600)") == 0 })
	noUpstream(t, g, 0)

	// A grant for a short window ends its sessions by itself.
	ci := apiAs(t, g, g.CIToken(t))
	if status, b := ci.call(t, "POST", "/v1/requests", map[string]string{"resource": "clinic", "role": "claims-etl", "window": "3s", "reason": "a short look"}); status/100 != 2 {
		t.Fatalf("request: %d %s", status, b)
	}
	grantFor(t, officer)
	short := g.Connect(t)
	if pe := cut(t, short); pe.Severity != "FATAL" || pe.Code != "57P01" {
		t.Errorf("a session whose grant expired was told %+v", pe)
	}
	noUpstream(t, g, 0)
	noSecret(t, "the gateway's log", []byte(g.Log.String()))
}

// TestTokens logs in with what may stand for a password.
func TestTokens(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	form := func(kv ...string) string {
		v := url.Values{}
		for i := 0; i < len(kv); i += 2 {
			v.Set(kv[i], kv[i+1])
		}
		return v.Encode()
	}
	anyone := apiAs(t, g, "")
	status, b := anyone.do(t, "POST", "/v1/token", "application/x-www-form-urlencoded", strings.NewReader(form(
		"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token", g.CIToken(t),
		"subject_token_type", "urn:ietf:params:oauth:token-type:jwt", "audience", "clinic", "scope", "claims-etl")))
	var out struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(b, &out); err != nil || status != 200 || out.Token == "" {
		t.Fatalf("exchange: %d %v %s", status, err, b)
	}
	conn := connectTo(t, g.DSN(out.Token))
	if v, err := values(conn, bound(t), "select code from wards where id = 1"); err != nil || len(v) != 1 {
		t.Fatalf("%v %v", v, err)
	}
	if _, err := pgx.Connect(bound(t), g.DSNAs("other", out.Token)); code(err) == "" {
		t.Errorf("a token bound to a role logged in with another: %v", err)
	}
	status, b = anyone.do(t, "POST", "/v1/token/revoke", "application/x-www-form-urlencoded", strings.NewReader(form("token", out.Token)))
	if status != 200 {
		t.Fatalf("revoke: %d %s", status, b)
	}
	if pe := cut(t, conn); pe.Severity != "FATAL" || pe.Code != "57P01" || !strings.Contains(pe.Message, "token") {
		t.Errorf("a session whose token was revoked was told %+v", pe)
	}
	if _, err := pgx.Connect(bound(t), g.DSN(out.Token)); code(err) != "28P01" && code(err) != "28000" {
		t.Errorf("a revoked token gave %v", err)
	}

	claims := map[string]any{"kind": "ci", "repository": "acme/claims", "workflow": "nightly", "run_id": "1", "actor": "dana", "sha": "0f1e2d", "pad": strings.Repeat("p", 5600)}
	long, err := g.Issuer.Token("repo:acme/claims:ref:refs/heads/main", time.Minute, claims)
	if err != nil {
		t.Fatal(err)
	}
	if len(long) < 7500 || len(long) > 8192 {
		t.Fatalf("the long token has %d bytes", len(long))
	}
	if r := pgtest.Psql(t, g.DSN(long), "-A", "-t", "-c", "select code from wards where id = 1"); r.Stdout != "WEST-1\n" {
		t.Errorf("psql with a token of %d bytes gave %+v", len(long), r)
	}
	for name, token := range map[string]string{
		"expired": expired(t, g), "of nobody": "nonsense", "changed": long[:len(long)-8] + "AAAAAAAA",
		"of a human": g.HumanToken(t, "olivia", "privacy-officers"),
	} {
		if _, err := pgx.Connect(bound(t), g.DSN(token)); code(err) == "" {
			t.Errorf("a token that is %s gave %v", name, err)
		}
	}
	noUpstream(t, g, 0)
	for _, secret := range []string{out.Token, long} {
		if strings.Contains(g.Log.String(), secret) {
			t.Error("a token is in the gateway's log")
		}
	}
}

func expired(t *testing.T, g *gatewaytest.Gateway) string {
	t.Helper()
	tok, err := g.Issuer.Token("repo:acme/claims:ref:refs/heads/main", -10*time.Minute, map[string]any{"kind": "ci", "repository": "acme/claims"})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// walk runs statements and tells of each what it gave, how it ended and what
// became of the transaction.
func walk(conn *pgx.Conn, ctx context.Context, steps []string) (out []string) {
	for _, sql := range steps {
		v, err := values(conn, ctx, sql)
		out = append(out, fmt.Sprintf("%s: %v %s %c", sql, v, code(err), conn.PgConn().TxStatus()))
	}
	return out
}

// TestTransactions compares how transactions end with the target itself.
func TestTransactions(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open(), gatewaytest.Lineage("auto"))
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			ctx := bound(t)
			conn := g.Connect(t, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = mode })
			straight := direct(t, g, mode)
			for _, steps := range [][]string{
				{"begin", "insert into work (kind) values ('a')", "select 1/0", "select 1", "commit", "select count(*) from work where kind = 'a'"},
				{"begin", "select nosuch", "insert into work (kind) values ('b')", "rollback", "select count(*) from work where kind = 'b'"},
				{"begin", "savepoint s", "select 1/0", "rollback to s", "insert into work (kind) values ('c')", "commit", "select count(*) from work where kind = 'c'", "delete from work where kind = 'c'"},
				{"begin", "declare c cursor for select id from wards order by id", "fetch 2 from c", "fetch 2 from c", "fetch 2 from c", "commit", "fetch 1 from c"},
				{"begin read only", "insert into work (kind) values ('d')", "commit", "select 5"},
				{"begin", "create table t_tx (a int)", "rollback", "select to_regclass('t_tx') is null"},
				{"savepoint x", "select 3"},
				{"commit", "select 4"},
			} {
				want, got := walk(straight, ctx, steps), walk(conn, ctx, steps)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("-directly +through the gateway\n%s", diff)
				}
			}
			// A denial aborts a transaction as an error of the target would.
			for _, sql := range []string{"begin", "insert into work (kind) values ('denied')", "select * from payroll.salaries"} {
				_, err := conn.Exec(ctx, sql)
				if (code(err) == "42501") != strings.Contains(sql, "payroll") {
					t.Errorf("%s gave %v", sql, err)
				}
			}
			if s := conn.PgConn().TxStatus(); s != 'E' {
				t.Errorf("after a denial the transaction is %c", s)
			}
			if _, err := conn.Exec(ctx, "select 1"); code(err) != "25P02" {
				t.Errorf("then a statement gave %v", err)
			}
			if tag, err := conn.Exec(ctx, "commit"); err != nil || tag.String() != "ROLLBACK" {
				t.Errorf("COMMIT gave %v, %v", tag, err)
			}
			if v, err := values(conn, ctx, "select 1 from work where kind = 'denied'"); err != nil || len(v) != 0 {
				t.Errorf("what the transaction wrote stayed: %v, %v", v, err)
			}
		})
	}
}
