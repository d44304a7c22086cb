// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport-dev/sallyport/internal/demo/clinic"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// holdPolicy is the clinic's, open, with a hold for deletes of work as well and
// a short one for the table "brief".
func holdPolicy() string {
	return openPolicy() + `
@id("hold-delete") @hold("group:privacy-officers") @expires("1m")
forbid(principal, action == Action::"delete", resource == Table::"clinic/public/work") unless { context has approval };
@id("hold-brief") @hold("group:privacy-officers") @expires("1s")
forbid(principal, action == Action::"destroy", resource == Table::"clinic/public/brief") unless { context has approval };
`
}

// openPolicy is the clinic's without the rule that asks for a grant.
func openPolicy() string {
	before, rest, _ := strings.Cut(clinic.Policy(), `@id("clinic-needs-grant")`)
	_, after, _ := strings.Cut(rest, ";")
	return before + after
}

const scraps = `
CREATE TABLE public.s1 (id int); CREATE TABLE public.s2 (id int); CREATE TABLE public.s3 (id int); CREATE TABLE public.s4 (id int);
CREATE TABLE public.s5 (id int); CREATE TABLE public.s6 (id int); CREATE TABLE public.s7 (id int); CREATE TABLE public.brief (id int);
ALTER TABLE public.s1 OWNER TO gateway; ALTER TABLE public.s2 OWNER TO gateway; ALTER TABLE public.s3 OWNER TO gateway;
ALTER TABLE public.s4 OWNER TO gateway; ALTER TABLE public.s5 OWNER TO gateway; ALTER TABLE public.s6 OWNER TO gateway;
ALTER TABLE public.s7 OWNER TO gateway; ALTER TABLE public.brief OWNER TO gateway;
INSERT INTO public.work (id, kind) SELECT i, 'held' FROM generate_series(1001, 1010) i;
`

// holder is one session whose statements are held.
type holder struct {
	g       *gatewaytest.Gateway
	officer *api
	notices chan string
	conn    *pgx.Conn
}

func newHolder(t *testing.T, g *gatewaytest.Gateway) *holder {
	t.Helper()
	h := &holder{g: g, notices: make(chan string, 16), officer: apiAs(t, g, g.HumanToken(t, "olivia", "privacy-officers"))}
	h.conn = g.Connect(t, func(c *pgx.ConnConfig) {
		c.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { h.notices <- n.Message + " | " + n.Hint }
	})
	return h
}

// start runs a statement and returns where its error will come.
func (h *holder) start(t *testing.T, sql string, args ...any) <-chan error {
	done := make(chan error, 1)
	ctx := bound(t)
	go func() {
		_, err := h.conn.Exec(ctx, sql, args...)
		done <- err
	}()
	return done
}

// finish waits for a statement's end.
func finish(t *testing.T, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("the statement did not end")
	}
	return nil
}

// exists asks the target itself whether a table is there.
func exists(t *testing.T, g *gatewaytest.Gateway, table string) (is bool) {
	t.Helper()
	if err := g.Server.Connect(t, "clinic").QueryRow(t.Context(), "select to_regclass($1) is not null", "public."+table).Scan(&is); err != nil {
		t.Fatal(err)
	}
	return is
}

// goesOn checks that the session still works.
func (h *holder) goesOn(t *testing.T) {
	t.Helper()
	if v, err := values(h.conn, bound(t), "select id from wards where id = 1"); err != nil || len(v) != 1 {
		t.Errorf("the session does not go on: %v, %v", v, err)
	}
}

func (h *holder) state(t *testing.T, id string) string {
	t.Helper()
	status, b := h.officer.call(t, "GET", "/v1/requests/"+id, nil)
	var r request
	if err := json.Unmarshal(b, &r); err != nil || status != 200 {
		t.Fatalf("request: %d %v %s", status, err, b)
	}
	return r.State
}

func TestHolds(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Policy(holdPolicy()), gatewaytest.Schema(scraps), gatewaytest.Waits(0, 40*time.Second))
	for name, f := range map[string]func(*testing.T, *holder){
		"approve": holdApproved, "deny": holdDenied, "time-out": holdTimesOut, "cancel": holdCancelled, "leave": holdLeft,
		"session ended": holdSessionEnded, "single use": holdSingleUse, "parameters": holdParameters, "transaction": holdInTransaction,
		"pipelined": holdPipelined,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, newHolder(t, g))
		})
	}
}

func holdApproved(t *testing.T, h *holder) {
	done := h.start(t, "drop table s1")
	r := h.officer.await(t, "s1")
	if n := <-h.notices; !strings.Contains(n, r.ID) || !strings.Contains(n, "sallyport request approve "+r.ID) {
		t.Errorf("the client was told %q", n)
	}
	if !exists(t, h.g, "s1") {
		t.Fatal("the statement ran before its approval")
	}
	// Neither the requester nor somebody of another group may release it.
	for _, token := range []string{h.g.CIToken(t), h.g.HumanToken(t, "mallory", "auditors")} {
		if status, b := apiAs(t, h.g, token).call(t, "POST", "/v1/requests/"+r.ID+"/approve", map[string]string{"rationale": "let me do it myself"}); status < 400 || status >= 500 {
			t.Errorf("another one's approval gave %d %s", status, b)
		}
	}
	if !exists(t, h.g, "s1") {
		t.Fatal("the statement ran without the officer's approval")
	}
	h.officer.decide(t, r.ID, "approve")
	if err := finish(t, done); err != nil {
		t.Fatal(err)
	}
	if exists(t, h.g, "s1") {
		t.Error("the approved statement did not run")
	}
	if s := h.state(t, r.ID); s != "used" {
		t.Errorf("the request is %s", s)
	}
	h.goesOn(t)
}

func holdDenied(t *testing.T, h *holder) {
	done := h.start(t, "drop table s2")
	h.officer.decide(t, h.officer.await(t, "s2").ID, "deny")
	if err := finish(t, done); code(err) != "42501" || !strings.Contains(err.Error(), "because the test says so") {
		t.Errorf("a denied statement gave %v", err)
	}
	if !exists(t, h.g, "s2") {
		t.Error("the denied statement ran")
	}
	h.goesOn(t)
}

func holdTimesOut(t *testing.T, h *holder) {
	err := finish(t, h.start(t, "drop table brief"))
	if code(err) != "42501" || !strings.Contains(err.Error(), "nobody decided") && !strings.Contains(err.Error(), "expired") {
		t.Errorf("a hold that nobody decided gave %v", err)
	}
	if !exists(t, h.g, "brief") {
		t.Error("it ran")
	}
	h.goesOn(t)
}

func holdCancelled(t *testing.T, h *holder) {
	done := h.start(t, "drop table s3")
	r := h.officer.await(t, "s3")
	if err := h.conn.PgConn().CancelRequest(bound(t)); err != nil {
		t.Fatal(err)
	}
	if err := finish(t, done); code(err) != "57014" {
		t.Errorf("a cancelled hold gave %v", err)
	}
	if s := h.state(t, r.ID); s != "withdrawn" {
		t.Errorf("the request is %s", s)
	}
	if !exists(t, h.g, "s3") {
		t.Error("it ran")
	}
	h.goesOn(t)
}

func holdLeft(t *testing.T, h *holder) {
	done := h.start(t, "drop table s4")
	r := h.officer.await(t, "s4")
	_ = h.conn.PgConn().Conn().Close()
	if err := finish(t, done); err == nil {
		t.Error("no error on a closed connection")
	}
	eventually(t, "the withdrawal", func() bool { return h.state(t, r.ID) == "withdrawn" })
	if status, _ := h.officer.call(t, "POST", "/v1/requests/"+r.ID+"/approve", map[string]string{"rationale": "too late for this one"}); status == 200 {
		t.Error("a withdrawn request could be approved")
	}
	if !exists(t, h.g, "s4") {
		t.Error("it ran")
	}
}

func holdSessionEnded(t *testing.T, h *holder) {
	done := h.start(t, "drop table s5")
	r := h.officer.await(t, "s5")
	admin := apiAs(t, h.g, h.g.HumanToken(t, "sasha", "security"))
	if status, b := admin.call(t, "POST", "/v1/sessions/"+r.Hold.Session+"/end", map[string]string{"reason": "the test ends it"}); status != 200 {
		t.Fatalf("end: %d %s", status, b)
	}
	if err := finish(t, done); code(err) != "57P01" {
		t.Errorf("a session that was ended gave %v", err)
	}
	eventually(t, "the withdrawal", func() bool { return h.state(t, r.ID) == "withdrawn" })
	if !exists(t, h.g, "s5") {
		t.Error("it ran")
	}
}

func holdSingleUse(t *testing.T, h *holder) {
	done := h.start(t, "truncate s6")
	first := h.officer.await(t, "s6")
	h.officer.decide(t, first.ID, "approve")
	if err := finish(t, done); err != nil {
		t.Fatal(err)
	}
	done = h.start(t, "truncate s6")
	second := h.officer.await(t, "s6")
	if second.ID == first.ID {
		t.Fatal("an approval was taken twice")
	}
	h.officer.decide(t, second.ID, "deny")
	if err := finish(t, done); code(err) != "42501" {
		t.Errorf("the second execution gave %v", err)
	}
}

func holdParameters(t *testing.T, h *holder) {
	const sql = "delete from work where id = $1"
	for i, how := range []string{"approve", "deny"} {
		done := h.start(t, sql, 1001+i)
		h.officer.decide(t, h.officer.await(t, "delete from work where id").ID, how)
		if err := finish(t, done); (err == nil) != (how == "approve") {
			t.Errorf("%s gave %v", how, err)
		}
	}
	var left []int
	rows, err := h.g.Server.Connect(t, "clinic").Query(t.Context(), "select id from work where id in (1001, 1002)")
	if err != nil {
		t.Fatal(err)
	}
	if left, err = pgx.CollectRows(rows, pgx.RowTo[int]); err != nil || len(left) != 1 || left[0] != 1002 {
		t.Errorf("left are %v, %v; the approval was for 1001 only", left, err)
	}
}

func holdInTransaction(t *testing.T, h *holder) {
	ctx := bound(t)
	tx, err := h.conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "insert into work (kind) values ('with the drop')"); err != nil {
		t.Fatal(err)
	}
	done := h.start(t, "drop table s7")
	h.officer.decide(t, h.officer.await(t, "s7").ID, "deny")
	if err := finish(t, done); code(err) != "42501" {
		t.Errorf("a denied statement gave %v", err)
	}
	if _, err := tx.Exec(ctx, "select 1"); code(err) != "25P02" {
		t.Errorf("after a denial the transaction gave %v", err)
	}
	if err := tx.Commit(ctx); err == nil {
		t.Error("a transaction with a denied statement was committed")
	}
	if v, err := values(h.conn, ctx, "select 1 from work where kind = 'with the drop'"); err != nil || len(v) != 0 {
		t.Errorf("what the transaction wrote stayed: %v, %v", v, err)
	}
}

// holdPipelined sends more behind a held statement; all of it must run after the
// approval, in order.
func holdPipelined(t *testing.T, h *holder) {
	ctx := bound(t)
	b := &pgx.Batch{}
	b.Queue("delete from public.work where id = 1005")
	b.Queue("select count(*) from work where id = 1005")
	b.Queue("select code from wards where id = 1")
	done := make(chan error, 1)
	var n int
	var ward string
	go func() {
		res := h.conn.SendBatch(ctx, b)
		_, err := res.Exec()
		if err == nil {
			err = res.QueryRow().Scan(&n)
		}
		if err == nil {
			err = res.QueryRow().Scan(&ward)
		}
		_ = res.Close()
		done <- err
	}()
	h.officer.decide(t, h.officer.await(t, "delete from public.work").ID, "approve")
	if err := finish(t, done); err != nil || n != 0 || ward != "WEST-1" {
		t.Errorf("the pipeline gave %d, %q, %v", n, ward, err)
	}
}
