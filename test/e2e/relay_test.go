// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// relayPolicy lets everybody work in two schemas. Only in pub may tables be
// emptied, and payroll is not mentioned.
const relayPolicy = `
permit(principal, action == Action::"connect", resource == Resource::"clinic");
permit(principal, action in [Action::"read", Action::"write", Action::"delete"], resource in Schema::"clinic/public");
permit(principal, action in [Action::"read", Action::"write", Action::"delete", Action::"destroy"], resource in Schema::"clinic/pub");
permit(principal, action == Action::"read", resource in Schema::"clinic/pg_catalog");
permit(principal, action in [Action::"read", Action::"write", Action::"define"], resource) when { resource.kind like "temp *" };
permit(principal, action in [Action::"readRaw", Action::"filterBy"], resource in Label::"public");
permit(principal, action in [Action::"readRaw", Action::"filterBy"], resource in Label::"system");
`

// relaySchema has tables in pub whose names mean protected ones in public.
const relaySchema = `
CREATE SCHEMA pub;
GRANT USAGE ON SCHEMA pub TO gateway, gateway_analyser;
CREATE TABLE pub.patients (id int, name text);
INSERT INTO pub.patients VALUES (1, 'nobody');
CREATE TABLE pub.scrap (id int);
CREATE TABLE public.scrap (id int);
INSERT INTO pub.scrap VALUES (1);
INSERT INTO public.scrap VALUES (1);
GRANT ALL ON pub.patients, pub.scrap, public.scrap TO gateway;
`

func relayGateway(t *testing.T, lineage string) *gatewaytest.Gateway {
	t.Helper()
	return gatewaytest.Start(t, gatewaytest.Policy(relayPolicy), gatewaytest.Schema(relaySchema), gatewaytest.Lineage(lineage),
		gatewaytest.MoreLabels("  pub.patients.*: public\n  pub.scrap.*: public\n  public.scrap.*: public\n"))
}

// The messages of a client, short.

func msgQuery(sql string) *pgproto3.Query       { return &pgproto3.Query{String: sql} }
func msgParse(name, sql string) *pgproto3.Parse { return &pgproto3.Parse{Name: name, Query: sql} }
func msgSync() *pgproto3.Sync                   { return &pgproto3.Sync{} }
func msgFlush() *pgproto3.Flush                 { return &pgproto3.Flush{} }

func msgBind(portal, stmt string) *pgproto3.Bind {
	return &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: stmt}
}

func msgExecute(portal string, rows uint32) *pgproto3.Execute {
	return &pgproto3.Execute{Portal: portal, MaxRows: rows}
}

// talk sends messages and compares what comes, up to the last ReadyForQuery that
// is wanted, with want.
func talk(t *testing.T, r *raw, want []string, msgs ...pgproto3.FrontendMessage) {
	t.Helper()
	ready := 0
	for _, w := range want {
		if strings.HasPrefix(w, "ready ") {
			ready++
		}
	}
	got := r.exchange(t, ready, msgs...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	noSecret(t, "the answer", []byte(strings.Join(got, "\n")))
}

// until sends messages and reads up to an answer of type M, where no
// ReadyForQuery is due.
func until[M pgproto3.BackendMessage](t *testing.T, r *raw, msgs ...pgproto3.FrontendMessage) {
	t.Helper()
	for _, m := range msgs {
		r.Send(m)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := r.Receive()
		if err != nil {
			t.Fatalf("before the message that was waited for: %v", err)
		}
		if _, ok := m.(M); ok {
			return
		}
	}
}

// goesOn checks that a session still answers.
func goesOn(t *testing.T, r *raw) {
	t.Helper()
	talk(t, r, []string{"fields beds", "row |12", "SELECT 1", "ready I"}, msgQuery("SELECT beds FROM wards WHERE id = 1"))
}

// history is what is on record about a session.
type history struct {
	Session struct {
		ID     string `json:"id"`
		Client string `json:"client"`
		State  string `json:"state"`
	} `json:"session"`
	Statements []struct {
		Phase    string              `json:"phase"`
		Readable string              `json:"readable"`
		Digest   string              `json:"digest"`
		Masks    []evidence.MaskPlan `json:"masks"`
		Outcome  *evidence.Outcome   `json:"outcome"`
	} `json:"statements"`
}

// historyOf asks for the record of a client's session.
func historyOf(t *testing.T, g *gatewaytest.Gateway, r *raw) (h history) {
	t.Helper()
	auditor := apiAs(t, g, g.HumanToken(t, "audrey", "auditors"))
	get := func(path string, out any) {
		status, b := auditor.call(t, "GET", path, nil)
		if err := json.Unmarshal(b, out); err != nil || status != 200 {
			t.Fatalf("%s: %d %v %s", path, status, err, b)
		}
	}
	var list struct {
		Sessions []struct {
			ID     string `json:"id"`
			Client string `json:"client"`
		} `json:"sessions"`
	}
	get("/v1/sessions?limit=500", &list)
	for _, s := range list.Sessions {
		if address, _, _ := strings.Cut(s.Client, " "); address == r.LocalAddr().String() {
			get("/v1/sessions/"+s.ID, &h)
			return h
		}
	}
	t.Fatalf("no session of %s is on record", r.LocalAddr())
	return h
}

// executed returns the outcomes of a client's executions of a statement, as
// status, code and rows.
func executed(t *testing.T, g *gatewaytest.Gateway, r *raw, readable string) (out []string) {
	t.Helper()
	for _, s := range historyOf(t, g, r).Statements {
		if s.Phase == "execute" && strings.Contains(s.Readable, readable) && s.Outcome != nil {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %d %s", s.Outcome.Status, s.Outcome.Rows, s.Outcome.Code)))
		}
	}
	return out
}

// rowsIn asks the target itself how many rows a table has.
func rowsIn(t *testing.T, g *gatewaytest.Gateway, table string) (n int) {
	t.Helper()
	if err := g.Server.Connect(t, "clinic").QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// fiveNames are the rows of the patients' names as a client may see them.
func fiveNames() []string {
	const row = "row |[phi.name]"
	return []string{row, row, row, row, row}
}

// TestRelayNames checks that what the gateway takes a name for is what the
// target takes it for, also when a message fails, and that a failure in the
// middle of a pipeline leaves the session in step with the target.
func TestRelayNames(t *testing.T) {
	g := relayGateway(t, "auto")
	for _, c := range []struct {
		name string
		run  func(*testing.T, *gatewaytest.Gateway)
	}{
		{"a query destroys the unnamed statement", unnamedStatement},
		{"a query destroys the unnamed portal", unnamedPortal},
		{"a parse that failed does not name a denied statement", failedParseDenied},
		{"a parse that failed does not name a masked statement", failedParseMasked},
		{"a bind that failed does not name a portal", failedBind},
		{"a portal bound after a DECLARE is the cursor of that name", portalOverCursor},
		{"an EXPLAIN ANALYZE that fails shows no value", castErrors},
		{"a prepared statement follows the search path", preparedAfterPath},
		{"a prepared DECLARE follows the search path", declareAfterPath},
		{"a prepared TRUNCATE follows the search path", truncateAfterPath},
		{"a SET bound earlier counts when it runs", pathPortal},
		{"a TRUNCATE bound earlier does not run under another search path", truncatePortal},
		{"SET LOCAL ends with its query", setLocalTruncate},
		{"known statements after an error in an earlier packet", errorThenKnown},
		{"unknown statements after an error in an earlier packet", errorThenUnknown},
		{"a question of the gateway's own after an error", errorThenQuestion},
		{"the end of a query does not end a later portal", laterPortal},
		{"texts of the same length have their own digests", ownDigests},
		{"COPY data after the COPY failed", copyAfterFailure},
		{"a mask plan of many columns fits in a leaf", wideMaskPlan},
		// The target starts anew after this one, so it is the last.
		{"the target's process is killed while it is waited for", killedWhileWaiting},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, g) })
	}
}

// TestRelayPreflight checks the same of names that the analyser role resolves.
func TestRelayPreflight(t *testing.T) {
	g := relayGateway(t, "preflight")
	t.Run("a prepared statement follows the search path", func(t *testing.T) { preparedAfterPath(t, g) })
	t.Run("a question of the gateway's own after an error", func(t *testing.T) { errorThenQuestion(t, g) })
	t.Run("a SET bound earlier counts when it runs", func(t *testing.T) {
		r := rawClient(t, g)
		talk(t, r, []string{"SET", "ready I"}, msgQuery("SET search_path = pub"))
		talk(t, r, []string{"BEGIN", "ready T", "ParseComplete", "BindComplete", "ready T"},
			msgQuery("BEGIN"), msgParse("set", "SET search_path = public"), msgBind("set", "set"), msgSync())
		talk(t, r, []string{"ParseComplete", "ready T"}, msgParse("s", "SELECT name FROM patients"), msgSync())
		talk(t, r, []string{"SET", "ready T"}, msgExecute("set", 0), msgSync())
		talk(t, r, append(append([]string{"BindComplete"}, fiveNames()...), "SELECT 5", "ready T"), msgBind("", "s"), msgExecute("", 0), msgSync())
	})
	t.Run("SET LOCAL ends with its query", func(t *testing.T) {
		r := rawClient(t, g)
		talk(t, r, []string{"SET", "fields name", "row |nobody", "SELECT 1", "ready I"}, msgQuery("SET LOCAL search_path = pub; SELECT name FROM patients"))
		talk(t, r, append(append([]string{"fields name"}, fiveNames()...), "SELECT 5", "ready I"), msgQuery("SELECT name FROM patients"))
	})
}

// unnamedStatement has a Query run in steps, which uses the unnamed statement,
// and then binds that name.
func unnamedStatement(t *testing.T, g *gatewaytest.Gateway) {
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{"SELECT name AS steps FROM patients", append(append([]string{"fields steps"}, fiveNames()...), "SELECT 5", "ready I")},
		{"SELECT staff AS steps FROM payroll.salaries", []string{"ERROR 42501", "ready I"}},
	} {
		r := rawClient(t, g)
		talk(t, r, []string{"ParseComplete", "ready I"}, msgParse("", "SELECT code FROM wards"), msgSync())
		talk(t, r, c.want, msgQuery(c.sql))
		talk(t, r, []string{"ERROR 26000", "ready I"}, msgBind("", ""), msgExecute("", 0), msgSync())
		goesOn(t, r)
	}
}

func unnamedPortal(t *testing.T, g *gatewaytest.Gateway) {
	r := rawClient(t, g)
	talk(t, r, []string{"BEGIN", "ready T"}, msgQuery("BEGIN"))
	talk(t, r, []string{"ParseComplete", "BindComplete", "ready T"}, msgParse("", "SELECT code FROM wards"), msgBind("", ""), msgSync())
	talk(t, r, append(append([]string{"fields portal"}, fiveNames()...), "SELECT 5", "ready T"), msgQuery("SELECT name AS portal FROM patients"))
	talk(t, r, []string{"ERROR 34000", "ready E"}, msgExecute("", 0), msgSync())
	talk(t, r, []string{"ROLLBACK", "ready I"}, msgQuery("ROLLBACK"))
}

// failedParseDenied names a statement again that is there already. The target
// refuses that and keeps the old one, which policy denies.
func failedParseDenied(t *testing.T, g *gatewaytest.Gateway) {
	const denied, allowed = "DELETE FROM payroll.salaries", "UPDATE wards SET beds = 7 WHERE id = 99"
	known := func(t *testing.T) *raw {
		r := rawClient(t, g)
		talk(t, r, []string{"UPDATE 0", "ready I"}, msgQuery(allowed))
		talk(t, r, []string{"ParseComplete", "ready I"}, msgParse("a", denied), msgSync())
		talk(t, r, []string{"ERROR 42501", "ready I"}, msgBind("", "a"), msgExecute("", 0), msgSync())
		return r
	}
	t.Run("in steps", func(t *testing.T) {
		r := known(t)
		talk(t, r, []string{"ERROR 42P05", "ready I"}, msgParse("a", allowed), msgSync())
		talk(t, r, []string{"ERROR 26000", "ready I"}, msgBind("", "a"), msgExecute("", 0), msgSync())
	})
	t.Run("at once", func(t *testing.T) {
		r := known(t)
		talk(t, r, []string{"ERROR 42P05", "ready I", "ERROR 26000", "ready I"},
			msgParse("a", allowed), msgSync(), msgBind("", "a"), msgExecute("", 0), msgSync())
	})
	if n := rowsIn(t, g, "payroll.salaries"); n != 2 {
		t.Errorf("payroll.salaries has %d rows after a denied DELETE, want 2", n)
	}
}

// failedParseMasked does the same with a statement whose answer is masked.
func failedParseMasked(t *testing.T, g *gatewaytest.Gateway) {
	const masked, plain = "SELECT name FROM patients", "SELECT code FROM wards"
	for _, first := range []string{masked, plain} {
		second := plain
		if first == plain {
			second = masked
		}
		r := rawClient(t, g)
		talk(t, r, []string{"ParseComplete", "ready I"}, msgParse("a", first), msgSync())
		talk(t, r, []string{"ERROR 42P05", "ready I"}, msgParse("a", second), msgSync())
		talk(t, r, []string{"ERROR 26000", "ready I"}, msgBind("", "a"), msgExecute("", 0), msgSync())
		// What the client can do about it.
		talk(t, r, []string{"CloseComplete", "ParseComplete", "BindComplete", "row |WEST-1", "PortalSuspended", "ready I"},
			&pgproto3.Close{ObjectType: 'S', Name: "a"}, msgParse("a", plain), msgBind("", "a"), msgExecute("", 1), msgSync())
	}
}

// failedBind names a portal again that is there already, and goes back to before
// that.
func failedBind(t *testing.T, g *gatewaytest.Gateway) {
	r := rawClient(t, g)
	talk(t, r, []string{"ParseComplete", "ParseComplete", "ready I"},
		msgParse("masked", "SELECT name FROM patients"), msgParse("plain", "SELECT code FROM wards"), msgSync())
	talk(t, r, []string{"BEGIN", "ready T", "BindComplete", "row |[phi.name]", "PortalSuspended", "ready T", "SAVEPOINT", "ready T"},
		msgQuery("BEGIN"), msgBind("p", "masked"), msgExecute("p", 1), msgSync(), msgQuery("SAVEPOINT s"))
	talk(t, r, []string{"ERROR 42P03", "ready E", "ROLLBACK", "ready T", "ERROR 34000", "ready E"},
		msgBind("p", "plain"), msgSync(), msgQuery("ROLLBACK TO SAVEPOINT s"), msgExecute("p", 0), msgSync())
	talk(t, r, []string{"ROLLBACK", "ready I"}, msgQuery("ROLLBACK"))
	goesOn(t, r)
}

// portalOverCursor declares a cursor, closes it and binds a portal of its name
// before the DECLARE has been answered. FETCH then reads the portal.
func portalOverCursor(t *testing.T, g *gatewaytest.Gateway) {
	r := rawClient(t, g)
	talk(t, r, []string{"ParseComplete", "ParseComplete", "ready I"},
		msgParse("masked", "SELECT name FROM patients"), msgParse("declare", "DECLARE c CURSOR FOR SELECT code FROM wards"), msgSync())
	talk(t, r, []string{"BEGIN", "ready T"}, msgQuery("BEGIN"))
	talk(t, r, []string{"BindComplete", "DECLARE CURSOR", "CloseComplete", "BindComplete", "ready T"},
		msgBind("", "declare"), msgExecute("", 0), &pgproto3.Close{ObjectType: 'P', Name: "c"}, msgBind("c", "masked"), msgSync())
	talk(t, r, []string{"ERROR 34000", "ready E"}, msgQuery("FETCH 10 FROM c"))
	talk(t, r, []string{"ROLLBACK", "ready I"}, msgQuery("ROLLBACK"))
	goesOn(t, r)
}

// castErrors has the target complain about a value while it runs a query inside
// another statement. Each comes twice: first unknown, then known.
func castErrors(t *testing.T, g *gatewaytest.Gateway) {
	for _, sql := range []string{
		"EXPLAIN ANALYZE SELECT name::int FROM patients", "EXPLAIN (ANALYZE, VERBOSE) SELECT phone::uuid FROM patients",
		"CREATE TEMP TABLE x AS SELECT name::int AS n FROM patients", "COPY (SELECT name::int FROM patients) TO STDOUT", "SELECT name::int FROM patients",
	} {
		for range 2 {
			tap := &wiretap{}
			conn := g.Connect(t, tap.on, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
			_, err := conn.PgConn().Exec(bound(t), sql).ReadAll()
			if c := code(err); c != "22P02" {
				t.Errorf("%s gave %v, want an error of the cast", sql, err)
			}
			noSecret(t, "the answer to "+sql, tap.b.Bytes())
			if tap.b.Len() == 0 {
				t.Error("the tap saw nothing")
			}
		}
	}
}

// preparedAfterPath is item 34 of the list of attacks: a prepared statement whose
// names mean something else when it is executed.
func preparedAfterPath(t *testing.T, g *gatewaytest.Gateway) {
	r := rawClient(t, g)
	talk(t, r, []string{"SET", "ready I"}, msgQuery("SET search_path = pub"))
	talk(t, r, []string{"ParseComplete", "ready I"}, msgParse("s", "SELECT name FROM patients"), msgSync())
	talk(t, r, []string{"BindComplete", "row |nobody", "SELECT 1", "ready I"}, msgBind("", "s"), msgExecute("", 0), msgSync())
	talk(t, r, []string{"SET", "ready I"}, msgQuery("SET search_path = public"))
	talk(t, r, append(append([]string{"BindComplete"}, fiveNames()...), "SELECT 5", "ready I"), msgBind("", "s"), msgExecute("", 0), msgSync())
}

func declareAfterPath(t *testing.T, g *gatewaytest.Gateway) {
	r := rawClient(t, g)
	talk(t, r, []string{"SET", "ready I"}, msgQuery("SET search_path = pub"))
	talk(t, r, []string{"ParseComplete", "ready I"}, msgParse("d", "DECLARE c CURSOR FOR SELECT name FROM patients"), msgSync())
	talk(t, r, []string{"SET", "ready I"}, msgQuery("SET search_path = public"))
	want := []string{"BEGIN", "ready T", "BindComplete", "DECLARE CURSOR", "ready T", "fields name"}
	want = append(append(want, fiveNames()...), "FETCH 5", "ready T", "ROLLBACK", "ready I")
	talk(t, r, want, msgQuery("BEGIN"), msgBind("", "d"), msgExecute("", 0), msgSync(), msgQuery("FETCH 10 FROM c"), msgQuery("ROLLBACK"))
}

func truncateAfterPath(t *testing.T, g *gatewaytest.Gateway) {
	r := rawClient(t, g)
	talk(t, r, []string{"SET", "ready I"}, msgQuery("SET search_path = pub"))
	talk(t, r, []string{"ParseComplete", "ready I"}, msgParse("t", "TRUNCATE scrap"), msgSync())
	talk(t, r, []string{"SET", "ready I"}, msgQuery("SET search_path = public"))
	talk(t, r, []string{"ERROR 42501", "ready I"}, msgBind("", "t"), msgExecute("", 0), msgSync())
	if n := rowsIn(t, g, "public.scrap"); n != 1 {
		t.Errorf("public.scrap has %d rows, want 1: the TRUNCATE of pub.scrap reached it", n)
	}
}

// pathPortal has a portal change the search path after the next statement was
// parsed, in one segment and in a transaction.
func pathPortal(t *testing.T, g *gatewaytest.Gateway) {
	begun := func(t *testing.T) *raw {
		r := rawClient(t, g)
		talk(t, r, []string{"SET", "ready I"}, msgQuery("SET search_path = pub"))
		talk(t, r, []string{"ParseComplete", "ready I"}, msgParse("set", "SET search_path = public"), msgSync())
		return r
	}
	talk(t, begun(t), []string{"BindComplete", "ParseComplete", "SET", "ERROR 42501", "ready I"},
		msgBind("set", "set"), msgParse("t", "TRUNCATE scrap"), msgExecute("set", 0), msgBind("", "t"), msgExecute("", 0), msgSync())
	r := begun(t)
	talk(t, r, []string{"BEGIN", "ready T", "BindComplete", "ready T", "ParseComplete", "ParseComplete", "ready T", "SET", "ready T"},
		msgQuery("BEGIN"), msgBind("set", "set"), msgSync(),
		msgParse("t", "TRUNCATE scrap"), msgParse("d", "DECLARE c CURSOR FOR SELECT name FROM patients"), msgSync(), msgExecute("set", 0), msgSync())
	want := append([]string{"BindComplete", "DECLARE CURSOR", "ready T", "fields name"}, fiveNames()...)
	talk(t, r, append(want, "FETCH 5", "ready T"), msgBind("", "d"), msgExecute("", 0), msgSync(), msgQuery("FETCH 10 FROM c"))
	talk(t, r, []string{"ERROR 42501", "ready E", "ROLLBACK", "ready I"}, msgBind("", "t"), msgExecute("", 0), msgSync(), msgQuery("COMMIT"))
	if n := rowsIn(t, g, "public.scrap"); n != 1 {
		t.Errorf("public.scrap has %d rows, want 1: the TRUNCATE of pub.scrap reached it", n)
	}
}

// truncatePortal binds a utility statement, whose names the target resolves when
// it runs, and changes the search path before that. A SELECT is resolved already.
func truncatePortal(t *testing.T, g *gatewaytest.Gateway) {
	r := rawClient(t, g)
	talk(t, r, []string{"SET", "ready I"}, msgQuery("SET search_path = pub"))
	talk(t, r, []string{"ParseComplete", "ParseComplete", "ready I"}, msgParse("t", "TRUNCATE scrap"), msgParse("s", "SELECT name FROM patients"), msgSync())
	talk(t, r, []string{"BEGIN", "ready T", "BindComplete", "BindComplete", "ready T", "SET", "ready T"},
		msgQuery("BEGIN"), msgBind("t", "t"), msgBind("s", "s"), msgSync(), msgQuery("SET search_path = public"))
	talk(t, r, []string{"row |nobody", "SELECT 1", "ready T", "ERROR 42501", "ready E", "ROLLBACK", "ready I"},
		msgExecute("s", 0), msgSync(), msgExecute("t", 0), msgSync(), msgQuery("COMMIT"))
	if n := rowsIn(t, g, "public.scrap"); n != 1 {
		t.Errorf("public.scrap has %d rows, want 1: the TRUNCATE of pub.scrap reached it", n)
	}
}

func setLocalTruncate(t *testing.T, g *gatewaytest.Gateway) {
	r := rawClient(t, g)
	talk(t, r, []string{"SET", "TRUNCATE TABLE", "ready I"}, msgQuery("SET LOCAL search_path = pub; TRUNCATE scrap"))
	if n := rowsIn(t, g, "pub.scrap"); n != 0 {
		t.Errorf("pub.scrap has %d rows, want none", n)
	}
	talk(t, r, []string{"ERROR 42501", "ready I"}, msgQuery("TRUNCATE scrap"))
	if n := rowsIn(t, g, "public.scrap"); n != 1 {
		t.Errorf("public.scrap has %d rows, want 1: the TRUNCATE of pub.scrap reached it", n)
	}
}

// errorThenKnown sends the rest of a pipeline when the error of its first part
// has come already. The target discards it, and so must the gateway.
func errorThenKnown(t *testing.T, g *gatewaytest.Gateway) {
	r := rawClient(t, g)
	talk(t, r, []string{"ParseComplete", "ParseComplete", "ready I"},
		msgParse("zero", "SELECT 1/(id-id) AS failed FROM wards"), msgParse("ok", "SELECT code FROM wards"), msgSync())
	until[*pgproto3.ErrorResponse](t, r, msgBind("", "zero"), msgExecute("", 0))
	talk(t, r, []string{"ready I"}, msgBind("", "ok"), msgExecute("", 0), msgSync())
	goesOn(t, r)
	eventually(t, "the outcome of the failed statement", func() bool {
		return cmp.Equal([]string{"error 0 22012"}, executed(t, g, r, "AS failed"))
	})
	for _, o := range executed(t, g, r, "SELECT code FROM wards") {
		if o != "skipped 0" {
			t.Errorf("a statement that the target discarded is on record as %q", o)
		}
	}
}

func errorThenUnknown(t *testing.T, g *gatewaytest.Gateway) {
	r := rawClient(t, g)
	talk(t, r, []string{"ParseComplete", "ready I"}, msgParse("zero", "SELECT 1/(id-id) AS b FROM wards"), msgSync())
	until[*pgproto3.ErrorResponse](t, r, msgBind("", "zero"), msgExecute("", 0))
	talk(t, r, []string{"ready I"}, msgParse("", "SELECT code AS b, beds FROM wards"), msgBind("", ""), msgExecute("", 0), msgSync())
	goesOn(t, r)
}

// errorThenQuestion has the gateway ask the target about the second statement
// while the first one fails.
func errorThenQuestion(t *testing.T, g *gatewaytest.Gateway) {
	for _, sql := range []string{"DECLARE q CURSOR FOR SELECT beds FROM wards", "TRUNCATE scrap", "EXPLAIN SELECT beds FROM wards"} {
		r := rawClient(t, g)
		talk(t, r, []string{"ParseComplete", "BindComplete", "ERROR 22012", "ready I"},
			msgParse("", "SELECT 1/(id-id) AS c FROM wards"), msgBind("", ""), msgExecute("", 0), msgParse("", sql), msgBind("", ""), msgExecute("", 0), msgSync())
		goesOn(t, r)
	}
}

// laterPortal binds a portal behind a Query in the same packet. The Query's
// ReadyForQuery comes after the Bind was sent, and does not end the portal.
func laterPortal(t *testing.T, g *gatewaytest.Gateway) {
	r := rawClient(t, g)
	talk(t, r, []string{"ParseComplete", "ready I"}, msgParse("s", "SELECT name AS later FROM patients"), msgSync())
	for range 2 { // the second time the Query is known
		goesOn(t, r)
		until[*pgproto3.PortalSuspended](t, r, msgQuery("SELECT beds FROM wards WHERE id = 1"), msgBind("p", "s"), msgExecute("p", 2), msgFlush())
		talk(t, r, []string{"row |[phi.name]", "row |[phi.name]", "row |[phi.name]", "SELECT 3", "ready I"}, msgExecute("p", 0), msgSync())
	}
	eventually(t, "the outcomes of the portals", func() bool {
		return cmp.Equal([]string{"ok 5", "ok 5"}, executed(t, g, r, "AS later"))
	})
}

// ownDigests sends statements that differ in a literal of the same length on a
// plan that another session made.
func ownDigests(t *testing.T, g *gatewaytest.Gateway) {
	const text = "SELECT beds AS digest FROM wards WHERE id = "
	talk(t, rawClient(t, g), []string{"fields digest", "SELECT 0", "ready I"}, msgQuery(text+"2000"))
	r := rawClient(t, g)
	sent := []string{"2001", "2002", "2003", "2001", "2003"}
	for _, n := range sent {
		talk(t, r, []string{"fields digest", "SELECT 0", "ready I"}, msgQuery(text+n))
	}
	var got []string
	names := map[string]string{} // of digests, by the first literal that had them
	for _, s := range historyOf(t, g, r).Statements {
		if s.Phase == "execute" && len(got) < len(sent) {
			if names[s.Digest] == "" {
				names[s.Digest] = sent[len(got)]
			}
			got = append(got, names[s.Digest])
		}
	}
	if diff := cmp.Diff(sent, got); diff != "" {
		t.Errorf("the digests are those of other texts: -want +got\n%s", diff)
	}
}

// copyAfterFailure goes on with COPY data as a client does that has not heard of
// the failure yet.
func copyAfterFailure(t *testing.T, g *gatewaytest.Gateway) {
	r := rawClient(t, g)
	until[*pgproto3.CopyInResponse](t, r, msgQuery("COPY wards FROM STDIN"))
	talk(t, r, []string{"ERROR 22P02", "ready I"}, &pgproto3.CopyData{Data: []byte("bad\tx\t1\n")}, &pgproto3.CopyData{Data: []byte("9\tNINE\t9\n")})
	talk(t, r, []string{"fields n", "row |0", "SELECT 1", "ready I"}, &pgproto3.CopyData{Data: []byte("10\tTEN\t10\n")}, &pgproto3.CopyDone{},
		msgQuery("SELECT count(*) AS n FROM wards WHERE id > 3"))
}

// wideMaskPlan has so many masked columns with so many sources that their plan
// is larger than a leaf.
func wideMaskPlan(t *testing.T, g *gatewaytest.Gateway) {
	const columns = 199
	r := rawClient(t, g)
	outputs := strings.TrimSuffix(strings.Repeat("concat(name, ssn, mrn, phone, zip, note, birth_date), ", columns), ", ")
	got := r.exchange(t, 1, msgQuery("SELECT "+outputs+" FROM patients LIMIT 1"))
	if len(got) != 4 || got[2] != "SELECT 1" || got[3] != "ready I" || strings.Count(got[1], "|") != columns {
		t.Errorf("the answer is %.300q", got)
	}
	noSecret(t, "the answer", []byte(strings.Join(got, "\n")))
	goesOn(t, r)
	for _, s := range historyOf(t, g, r).Statements {
		if s.Phase == "execute" && strings.Contains(s.Readable, "concat") {
			if len(s.Masks) == 0 || len(s.Masks) > columns {
				t.Errorf("%d masks are on record before the answer", len(s.Masks))
			}
			return
		}
	}
	t.Error("the statement is not on record")
}

// killedWhileWaiting kills the target's process while the session waits for its
// analysis of a statement. The client must hear of it, and the session end.
func killedWhileWaiting(t *testing.T, g *gatewaytest.Gateway) {
	const text = "SELECT cost AS waiting FROM visits"
	lock, look := g.Server.Connect(t, "clinic"), g.Server.Connect(t, "clinic")
	if _, err := lock.Exec(t.Context(), "BEGIN; LOCK TABLE visits IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	r := rawClient(t, g)
	r.Send(msgQuery(text))
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	eventually(t, "a process that waits for the lock", func() bool {
		err := look.QueryRow(t.Context(), "SELECT pid FROM pg_stat_activity WHERE usename = 'gateway' AND wait_event_type = 'Lock' AND query = $1", text).Scan(&pid)
		return err == nil
	})
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := r.read(1); len(got) < 2 || !strings.HasPrefix(got[len(got)-2], "FATAL ") || got[len(got)-1] != "end" {
		t.Errorf("the client was told %q", got)
	}
	eventually(t, "the end of the session on record", func() bool { return historyOf(t, g, r).Session.State == "closed" })
}
