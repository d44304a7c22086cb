// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

type sessions struct {
	Sessions []struct {
		ID, State, Principal, Role, Reason string
		Statements, Denials, Masked, First uint64
	}
}

type session struct {
	Session    struct{ ID, State, Reason string }
	Statements []statement
	More       bool
	Close      *struct{ Reason string }
}

type statement struct {
	Stmt, Of                                               uint64
	Phase, Mode, Class, Readable, Verdict, Reason, Request string
	Objects, Rules                                         []string
	Approval                                               *struct{ Approver, Rationale string }
	Masks                                                  []struct{ Labels []string }
	Masked                                                 []struct{ Seen, Masked uint64 }
	Outcome                                                *struct{ Status, Tag string }
}

// extended leaves pgx as it is: with the extended protocol and binary values.
func extended(*pgx.ConnConfig) {}

// simple makes pgx send what it is given as one simple Query.
func simple(cfg *pgx.ConnConfig) { cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol }

// ended runs statements in a session of its own and returns its id when it is
// closed. Errors of the target or the gateway do not matter.
func ended(t *testing.T, c *client, g *gatewaytest.Gateway, auditor string, configure func(*pgx.ConnConfig), sql ...string) string {
	t.Helper()
	conn := g.Connect(t, configure)
	for _, s := range sql {
		if strings.HasPrefix(s, "COPY") {
			_, _ = conn.PgConn().CopyTo(t.Context(), &bytes.Buffer{}, s)
			continue
		}
		rows, err := conn.Query(t.Context(), s)
		if err == nil {
			rows.Close()
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var id string
	eventually(t, "the session to close", func() bool {
		list := call[sessions](c, auditor, "GET", "/v1/sessions?limit=1", nil).Sessions
		if len(list) == 1 {
			id = list[0].ID
		}
		return len(list) == 1 && list[0].State == "closed"
	})
	return id
}

func TestSessions(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	c := newClient(t, g)
	ci, eve, sam := g.CIToken(t), g.HumanToken(t, "eve", "auditors"), g.HumanToken(t, "sam", "security")
	bob := g.HumanToken(t, "bob", "ci")
	id := ended(t, c, g, eve, extended, "select id, name from patients where id < 3", "select * from payroll.salaries")

	for name, tt := range map[string]struct {
		token string
		sees  bool
	}{"its principal": {ci, true}, "an auditor": {eve, true}, "an administrator": {sam, true}, "somebody else": {bob, false}} {
		list := call[sessions](c, tt.token, "GET", "/v1/sessions", nil).Sessions
		if (len(list) == 1) != tt.sees {
			t.Errorf("%s is shown %d sessions", name, len(list))
		}
		if status, _ := c.raw(tt.token, "GET", "/v1/sessions/"+id, nil); (status == http.StatusOK) != tt.sees {
			t.Errorf("%s looks at it: %d", name, status)
		}
		if status, _ := c.raw(tt.token, "GET", "/v1/sessions/"+id+"/replay", nil); (status == http.StatusOK) != (tt.token == eve) {
			t.Errorf("%s replays it: %d", name, status)
		}
	}
	c.refused(ci, "GET", "/v1/sessions?principal=human:bob", nil, http.StatusForbidden, "denied")
	for path, want := range map[string]int{
		"?principal=ci:acme/claims": 1, "?principal=human:bob": 0, "?resource=clinic": 1, "?resource=lab": 0, "?open=true": 0,
		"?since=2020-01-01T00:00:00Z": 1, "?until=2020-01-01T00:00:00Z": 0,
	} {
		if list := call[sessions](c, eve, "GET", "/v1/sessions"+path, nil).Sessions; list == nil || len(list) != want {
			t.Errorf("%s: %d sessions, want %d", path, len(list), want)
		}
	}

	s := call[session](c, ci, "GET", "/v1/sessions/"+id, nil)
	if s.Session.State != "closed" || s.More || s.Close == nil || s.Close.Reason != "the client closed it" || len(s.Statements) != 4 {
		t.Fatalf("got %+v", s)
	}
	run, refused := s.Statements[1], s.Statements[3]
	if run.Phase != "execute" || run.Mode != "before-forward" || run.Of != 1 || run.Verdict != "allow" || run.Outcome == nil || run.Outcome.Tag != "SELECT 2" ||
		len(run.Masks) != 1 || len(run.Masked) != 1 || run.Masked[0].Masked != 2 {
		t.Errorf("the statement that ran: %+v", run)
	}
	if run.Readable != "select id, name from patients where id < ?" {
		t.Errorf("readable: %q", run.Readable)
	}
	if refused.Verdict != "deny" || refused.Outcome != nil || refused.Reason == "" || len(refused.Rules) == 0 {
		t.Errorf("the statement that was denied: %+v", refused)
	}

	// A statement that is executed again names the one that holds its text; alone
	// on its page it has the text all the same.
	page := call[session](c, ci, "GET", "/v1/sessions/"+id+"?after=1&limit=1", nil)
	if len(page.Statements) != 1 || !page.More {
		t.Fatalf("the page: %+v", page)
	}
	if diff := cmp.Diff(run, page.Statements[0]); diff != "" {
		t.Errorf("on a page of its own (-whole +page):\n%s", diff)
	}
}

// steps reads a replay.
func steps(t testing.TB, b []byte) (lines []step, last struct {
	End, More, Closed bool
	Statements, Gaps  int
},
) {
	t.Helper()
	all := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	for _, l := range all[:len(all)-1] {
		lines = append(lines, parse[step](t, l))
	}
	last = parse[struct {
		End, More, Closed bool
		Statements, Gaps  int
	}](t, all[len(all)-1])
	return lines, last
}

type step struct {
	Stmt                                       uint64
	Phase, Class, Readable, Verdict, Tag, Lost string
	Columns                                    []string
	Rows                                       [][]*string
	Error                                      *struct{ Code, Message string }
	Truncated                                  uint64
}

// rows renders a step's rows.
func (s step) rows() string {
	var b strings.Builder
	for _, row := range s.Rows {
		for i, v := range row {
			if i > 0 {
				b.WriteByte('|')
			}
			if v == nil {
				b.WriteString("NULL")
			} else {
				b.WriteString(*v)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestReplaySession(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	c := newClient(t, g)
	eve := g.HumanToken(t, "eve", "auditors")
	const patients = "select id, name, birth_date, active, null as none from patients where id < 3 order by id"
	masked := "1|[phi.name]|1970-01-01|%[1]s|NULL\n2|[phi.name]|1970-01-01|%[1]s|NULL\n"

	id := ended(t, c, g, eve, simple, patients, "select 1; select code from wards order by id", "COPY (select id, name from patients where id < 3 order by id) TO STDOUT",
		"select 1/(beds-12) from wards where id = 1", "select * from nosuch")
	status, b := c.raw(eve, "GET", "/v1/sessions/"+id+"/replay", nil)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, b)
	}
	lines, last := steps(t, b)
	if !last.End || last.More || !last.Closed || last.Gaps != 0 || last.Statements != len(lines) || len(lines) < 5 {
		t.Fatalf("got %+v after %s", last, b)
	}
	var got []string
	for _, s := range lines {
		if s.Phase == "analyse" && s.Error == nil {
			continue // nothing to see
		}
		code := ""
		if s.Error != nil {
			code = s.Error.Code
		}
		if s.Lost != "" || s.Truncated != 0 {
			t.Errorf("statement %d: lost %q, truncated %d", s.Stmt, s.Lost, s.Truncated)
		}
		shown := s.Verdict + " " + s.Tag
		if code == "" {
			shown += fmt.Sprintf(" %v\n%s", s.Columns, s.rows())
		}
		got = append(got, shown+code)
	}
	want := []string{
		"allow SELECT 2 [id name birth_date active none]\n" + fmt.Sprintf(masked, "t"),
		"allow SELECT 1 [?column?]\n1\n",
		"allow SELECT 3 [code]\nWEST-1\nWEST-2\nEAST-1\n",
		"allow COPY 2 []\n1\t[phi.name]\n2\t[phi.name]\n",
		"allow 22012",
		"allow 42P01",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the replay (-want +got):\n%s", diff)
	}

	// pgx asks for the binary format in the extended protocol.
	id = ended(t, c, g, eve, extended, patients)
	_, b = c.raw(eve, "GET", "/v1/sessions/"+id+"/replay?after=1", nil)
	if lines, _ = steps(t, b); len(lines) != 1 || lines[0].rows() != fmt.Sprintf(masked, "t") {
		t.Errorf("binary values: %s", b)
	}
	for _, phi := range []string{"Quillfeather", "Thimblewood", "900-11", "1949-02-17", "Penicillin"} {
		if bytes.Contains(b, []byte(phi)) || strings.Contains(g.Log.String(), phi) {
			t.Errorf("%q is in a replay or a log", phi)
		}
	}
}

// TestReplayOfManyChunks reads a recording that is larger than one chunk, in
// whole, by page, and when some of it is lost.
func TestReplayOfManyChunks(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	c := newClient(t, g)
	eve := g.HumanToken(t, "eve", "auditors")
	var sql []string
	for range 8 {
		sql = append(sql, fmt.Sprintf("select '%s' as x, id from patients order by id", strings.Repeat("x", 20_000)))
	}
	id := ended(t, c, g, eve, simple, sql...)
	path := "/v1/sessions/" + id + "/replay"
	_, b := c.raw(eve, "GET", path, nil)
	whole, last := steps(t, b)
	if last.Gaps != 0 || last.More {
		t.Fatalf("got %+v", last)
	}
	rows := func(lines []step) (n int) {
		for _, s := range lines {
			n += len(s.Rows)
		}
		return n
	}
	if n := rows(whole); n != 8*5 {
		t.Fatalf("%d rows", n)
	}
	end := whole[len(whole)-1].Stmt
	_, b = c.raw(eve, "GET", fmt.Sprintf("%s?after=%d", path, end-1), nil)
	page, last := steps(t, b)
	if last.Gaps != 0 || last.More || len(page) != 1 || len(page[0].Rows) != 5 || page[0].Lost != "" {
		t.Errorf("the last page: %+v and %d steps", last, len(page))
	}
	_, b = c.raw(eve, "GET", path+"?limit=2", nil)
	if page, last = steps(t, b); last.Gaps != 0 || !last.More || len(page) != 2 {
		t.Errorf("the first page: %+v and %d steps", last, len(page))
	}

	// The first chunk is lost.
	e, _ := bundle(t, c, g, object{"session": id})
	chunks := bodies[evidence.Recording](t, e, evidence.TypeRecording)
	if len(chunks) < 3 {
		t.Fatalf("the recording has %d chunks, want some", len(chunks))
	}
	digest := chunks[0].Sealed.SHA256
	if err := os.Remove(filepath.Join(g.Dir, "data", "recordings", digest[:2], digest)); err != nil {
		t.Fatal(err)
	}
	_, b = c.raw(eve, "GET", path, nil)
	left, last := steps(t, b)
	lost := 0
	for _, s := range left {
		if s.Lost != "" {
			lost++
		}
	}
	if last.Gaps != 1 || lost == 0 || lost == len(left) || len(left) != len(whole) || rows(left) == 0 {
		t.Errorf("without its first chunk: %+v, %d of %d steps lost, %d rows", last, lost, len(left), rows(left))
	}
	if _, r := bundle(t, c, g, object{"session": id}); len(r.Notices) == 0 {
		t.Error("the bundle does not say that a chunk is missing")
	}

	// Of an answer that is too large, the recording keeps the begin and says so.
	id = ended(t, c, g, eve, simple, fmt.Sprintf("select '%s' as x, id from patients order by id", strings.Repeat("x", 300_000)))
	_, b = c.raw(eve, "GET", "/v1/sessions/"+id+"/replay", nil)
	large, last := steps(t, b)
	if s := large[len(large)-1]; last.Gaps != 0 || s.Truncated < 400_000 || s.Lost != "" || len(s.Rows) != 3 || s.Tag != "SELECT 5" {
		t.Errorf("too large: %+v, %d bytes left out, lost %q, %d rows, %s", last, s.Truncated, s.Lost, len(s.Rows), s.Tag)
	}
}

func TestEndSession(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	c := newClient(t, g)
	ci, sam := g.CIToken(t), g.HumanToken(t, "sam", "security")
	conn := g.Connect(t, simple)
	list := call[sessions](c, sam, "GET", "/v1/sessions?open=true", nil).Sessions
	if len(list) != 1 || list[0].State != "open" {
		t.Fatalf("got %+v", list)
	}
	path := "/v1/sessions/" + list[0].ID
	why := object{"reason": "runs in a loop"}
	c.refused(ci, "POST", path+"/end", why, http.StatusForbidden, "denied")
	c.refused(g.HumanToken(t, "eve", "auditors"), "POST", path+"/end", why, http.StatusForbidden, "denied")
	c.refused(sam, "POST", path+"/end", nil, http.StatusBadRequest, "invalid")
	call[struct{ ID string }](c, sam, "POST", path+"/end", why)
	eventually(t, "the session to close", func() bool {
		return call[session](c, ci, "GET", path, nil).Session.State == "closed"
	})
	const reason = "the session was ended by human:sam: runs in a loop"
	if got := call[session](c, ci, "GET", path, nil).Session.Reason; got != reason {
		t.Errorf("the record says %q", got)
	}
	_, err := conn.Exec(t.Context(), "select 1")
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || !strings.Contains(pg.Message, reason) {
		t.Errorf("the client is told %v", err)
	}
	c.refused(sam, "POST", path+"/end", why, http.StatusNotFound, "not found")
}
