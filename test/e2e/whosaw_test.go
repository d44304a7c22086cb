// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// hospital has the keys of patients in every type, shown in some tables and masked
// in others.
const hospital = `
CREATE TABLE public.people (pid int PRIMARY KEY, name text, mother int);
CREATE TABLE public.labs (id int PRIMARY KEY, pid bigint, result text);
CREATE TABLE public.texts (pid text, note text);
CREATE TABLE public.pads (pid char(12), note text);
CREATE TABLE public.amounts (pid numeric(10,2), note text);
CREATE TABLE public.uids (pid uuid, note text);
CREATE TABLE public.births (mother int, child int, note text);
INSERT INTO public.births VALUES (700001, 700030, 'note');
CREATE TABLE public.big (pid int PRIMARY KEY, note text);
CREATE VIEW public.people_labs AS SELECT p.pid, l.result FROM people p JOIN labs l ON l.pid = p.pid;
CREATE FUNCTION public.reads() RETURNS bigint LANGUAGE plpgsql AS 'begin return (select count(*) from labs); end';
INSERT INTO public.people SELECT 700000 + i, 'name ' || i FROM generate_series(1, 40) i;
INSERT INTO public.labs SELECT i, 700000 + i, 'result ' || i FROM generate_series(1, 20) i;
INSERT INTO public.texts SELECT (700000 + i)::text, 'note' FROM generate_series(1, 10) i;
INSERT INTO public.texts VALUES ('K-canary-81726354-k', 'canary');
INSERT INTO public.pads SELECT (700000 + i)::text, 'note' FROM generate_series(1, 10) i;
INSERT INTO public.amounts SELECT 700000 + i, 'note' FROM generate_series(1, 10) i;
INSERT INTO public.uids VALUES ('0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0', 'note');
INSERT INTO public.big SELECT 1000000 + i, 'note' FROM generate_series(1, 100000) i;
GRANT ALL ON ALL TABLES IN SCHEMA public TO gateway;
`

const hospitalLabels = `  public.people.*: public
  public.people.pid: pkey.shown
  public.labs.*: public
  public.labs.pid: pkey.masked
  public.texts.*: public
  public.texts.pid: pkey.masked
  public.pads.*: public
  public.pads.pid: pkey.shown
  public.amounts.*: public
  public.amounts.pid: pkey.shown
  public.uids.*: public
  public.uids.pid: pkey.shown
  public.births.*: public
  public.births.mother: [public, pkey.shown]
  public.births.child: pkey.masked
  public.big.*: public
  public.big.pid: pkey.masked
`

// hospitalPolicy lets everything of it be reached, and the one half of the keys be
// seen.
func hospitalPolicy() string {
	open := strings.Replace(gatewaytest.OpenPolicy(), `action in [Action::"destroy", Action::"administer"], resource) unless`, `action == Action::"administer", resource) unless`, 1)
	return open + `
@id("etl-sees-keys")
permit(principal in Role::"claims-etl", action in [Action::"readRaw", Action::"filterBy"], resource in Label::"pkey.shown");
@id("etl-filters-keys")
permit(principal in Role::"claims-etl", action == Action::"filterBy", resource in Label::"pkey");
@id("etl-runs")
permit(principal in Role::"claims-etl", action in [Action::"execute", Action::"read"], resource in Resource::"clinic");
`
}

func startHospital(t *testing.T, more ...gatewaytest.Option) *gatewaytest.Gateway {
	t.Helper()
	return gatewaytest.Start(t, append([]gatewaytest.Option{
		gatewaytest.Policy(hospitalPolicy()), gatewaytest.Schema(hospital), gatewaytest.MoreLabels(hospitalLabels), gatewaytest.Patients("pkey", 1),
	}, more...)...)
}

// who asks who saw a patient.
func who(t *testing.T, g *gatewaytest.Gateway, patient string, more ...string) evidence.Sightings {
	t.Helper()
	in := map[string]string{"patient": patient, "purpose": "case 17"}
	for i := 0; i < len(more); i += 2 {
		in[more[i]] = more[i+1]
	}
	status, b := apiAs(t, g, g.HumanToken(t, "petra", "privacy-office")).call(t, "POST", "/v1/audit/who-saw", in)
	var out evidence.Sightings
	if status != 200 {
		t.Fatalf("who-saw: %d %s", status, b)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("who-saw: %v in %s", err, b)
	}
	return out
}

// seen reports whether one of the statements has the text.
func seen(list []evidence.Sighting, text string) bool {
	return slices.ContainsFunc(list, func(x evidence.Sighting) bool { return strings.Contains(x.Readable, text) })
}

// disclosureCases are statements; in says which of the patients 700001, 700030 and
// 700099 (whom nobody has) they are to be found under, and unknown the reason with
// which they are listed as any patient's.
var disclosureCases = []struct {
	sql     string
	in      []int
	unknown string
}{
	{"select pid, name as c1 from people", []int{700001, 700030}, ""},
	{"select pid, name as c2 from people where pid = 700030", []int{700030}, ""},
	{"select name as c3 from people", nil, "no-key"},
	{"select count(*) as c4 from people", nil, "no-key"},
	{"select pid, result as c5 from labs", []int{700001}, ""}, // masked
	{"select * from people_labs as c6", []int{700001}, ""},
	{"select p.pid, l.result as c7 from people p left join labs l on l.pid = p.pid", []int{700001, 700030}, ""},
	{"select l.pid, p.name as c8 from people p left join labs l on l.pid = p.pid", []int{700001}, "null-key"},
	{"select pid, note as c9 from texts", []int{700001}, ""},
	{"select pid, note as c10 from pads", []int{700001}, ""},
	{"select pid, note as c11 from amounts", []int{700001}, ""},
	{"select pid + 0 as c12 from people", nil, "no-key"},
	{"select pid as c13 from people union all select pid from labs", []int{700001, 700030}, ""},
	{"select pid, lag(name) over (order by pid) as c14 from people", []int{700001, 700030}, "no-key"},
	{"select pid as c15 from people where pid = 700099", nil, ""},
	{"select code as c16 from wards", nil, ""},
	{"insert into people (pid, name) values (700099, 'c17')", nil, "no-key"},
	{"update people set name = 'c18' where pid = 700099 returning pid", []int{700099}, ""},
	{"update people set pid = 700098 where pid = 700099 returning pid, 'c19'", nil, "no-key"},
	{"delete from people where pid = 700098", nil, "no-key"},
	{"select reads() as c20", nil, "function"},
	{"select pid as c21, (select count(*) from labs) from people where pid = 700001", []int{700001}, "no-key"},
	{"select mother, child as c24 from births", []int{700001, 700030}, ""},
	{"select mother as c25 from births", []int{700001}, "no-key"},
	{"select * from births b where exists (select 1 from labs l where l.pid = b.mother)", []int{700001, 700030}, "no-key"},
	{"with gone as (delete from pads where pid = '700010' returning pid) select pid as c26 from gone", nil, "no-key"},
	{"explain select name as c22 from people", nil, ""},
	{"explain analyze select name as c23 from people", nil, "no-key"},
}

// TestWhoSaw runs statements in every way that a client can, and asks for each
// patient where it was.
func TestWhoSaw(t *testing.T) {
	for _, lineage := range []string{"in-band", "preflight"} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeDescribeExec} {
			t.Run(lineage+"/"+mode.String(), func(t *testing.T) {
				t.Parallel()
				g := startHospital(t, gatewaytest.Lineage(lineage))
				conn := g.Connect(t, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = mode })
				for i, c := range disclosureCases {
					if _, err := conn.Exec(bound(t), "begin"); err != nil {
						t.Fatal(err)
					}
					if _, err := values(conn, bound(t), c.sql); err != nil {
						t.Errorf("%d %s: %v", i, c.sql, err)
					}
					if _, err := conn.Exec(bound(t), "commit"); err != nil {
						t.Fatal(err)
					}
				}
				_ = conn.Close(bound(t))
				checkDisclosures(t, g)
			})
		}
	}
}

func checkDisclosures(t *testing.T, g *gatewaytest.Gateway) {
	t.Helper()
	for _, p := range []int{700001, 700030, 700099} {
		got := who(t, g, fmt.Sprint(p))
		at := order(t, g)
		for i, c := range disclosureCases {
			found := slices.ContainsFunc(got.Found, func(x evidence.Sighting) bool { return x.Stmt == at[i] })
			if found != slices.Contains(c.in, p) {
				t.Errorf("patient %d, %s: found is %v", p, c.sql, found)
			}
			var why []string
			for _, x := range got.Unknown {
				if x.Stmt == at[i] {
					why = append(why, x.Reason)
				}
			}
			if strings.Join(why, " ") != c.unknown {
				t.Errorf("patient %d, %s: unknown is %q, want %q", p, c.sql, why, c.unknown)
			}
		}
		if got.ExpectedFalse > 1e-9 || got.Searched == 0 || len(got.Unsearched) != 0 {
			t.Errorf("patient %d: %+v", p, got)
		}
	}
}

// order returns the numbers of the statements of disclosureCases: those that are
// neither of the transactions around them nor for analysis alone.
func order(t *testing.T, g *gatewaytest.Gateway) (out []uint64) {
	t.Helper()
	auditor := apiAs(t, g, g.HumanToken(t, "audrey", "auditors"))
	var list struct {
		Sessions []struct{ ID string }
	}
	status, b := auditor.call(t, "GET", "/v1/sessions?limit=100", nil)
	if err := json.Unmarshal(b, &list); err != nil || status != 200 || len(list.Sessions) != 1 {
		t.Fatalf("%d %s", status, b)
	}
	status, b = auditor.call(t, "GET", "/v1/sessions/"+list.Sessions[0].ID+"?limit=500", nil)
	var session struct {
		Statements []struct {
			Stmt  uint64
			Phase string
			Class string
		}
	}
	if err := json.Unmarshal(b, &session); err != nil || status != 200 {
		t.Fatalf("%d %s", status, b)
	}
	for _, s := range session.Statements {
		if s.Phase == "execute" && s.Class != "begin" && s.Class != "commit" {
			out = append(out, s.Stmt)
		}
	}
	if len(out) != len(disclosureCases) {
		t.Fatalf("%d statements for %d", len(out), len(disclosureCases))
	}
	return out
}

// TestWhoSawStreams has keys pass in copies, cursors and binary answers.
func TestWhoSawStreams(t *testing.T) {
	t.Parallel()
	g := startHospital(t)
	conn := g.Connect(t)
	copied := func(sql string) {
		t.Helper()
		if _, err := conn.PgConn().CopyTo(bound(t), io.Discard, sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	copied("copy (select pid, name as c1 from people) to stdout")
	copied("copy (select name as c2, pid from people) to stdout (format csv, header)")
	copied("copy (select pid, name as c3 from people) to stdout (format binary)")
	copied("copy labs to stdout")
	copied("copy (select pid, result as c4 from labs) to stdout (format binary)")
	copied("copy (select name as c5 from people) to stdout")
	copied("copy (select note as c6, pid from uids) to stdout csv")
	for _, sql := range []string{
		"begin", "declare c cursor for select pid, name from people order by pid", "fetch 10 from c", "fetch 25 from c", "commit",
	} {
		if _, err := values(conn, bound(t), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if _, err := values(conn, bound(t), "select note as c7, pid from uids", pgx.QueryResultFormats{1}); err != nil {
		t.Error(err)
	}
	if _, err := conn.CopyFrom(bound(t), pgx.Identifier{"labs"}, []string{"id", "pid", "result"}, pgx.CopyFromRows([][]any{{901, int64(700001), "x"}})); err != nil {
		t.Error(err)
	}
	for _, sql := range []string{"create temp table tt as select name as c8 from people", "truncate pads", "table tt"} {
		if _, err := values(conn, bound(t), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	first, last, uid := who(t, g, "700001"), who(t, g, "700030"), who(t, g, "0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0")
	for _, c := range []struct {
		text          string
		first, second bool
	}{{"c1", true, true}, {"c2", true, true}, {"c3", true, true}, {"c4", true, false}, {"copy labs", true, false}, {"fetch ? from", true, true}} {
		if seen(first.Found, c.text) != c.first || seen(last.Found, c.text) != c.second {
			t.Errorf("%s: %v %v", c.text, seen(first.Found, c.text), seen(last.Found, c.text))
		}
	}
	fetches := 0
	for _, list := range [][]evidence.Sighting{first.Found, last.Found} {
		for _, x := range list {
			if strings.HasPrefix(x.Readable, "fetch") {
				fetches++
			}
		}
	}
	if fetches != 2 {
		t.Errorf("%d fetches hold the patients; one has each", fetches)
	}
	if !seen(uid.Found, "c6") || !seen(uid.Found, "c7") || len(uid.Found) != 2 {
		t.Errorf("the UUID: %+v", uid.Found)
	}
	for _, text := range []string{"c5", "from stdin", "c8", "truncate pads"} {
		if !seen(first.Unknown, text) {
			t.Errorf("%s is not among the unknown: %+v", text, first.Unknown)
		}
	}
	if seen(first.Unknown, "declare") || len(first.Unknown) != 4 {
		t.Errorf("unknown: %+v", first.Unknown)
	}
}

// TestWhoSawAtWork: of a statement that has no outcome yet nobody knows whose rows it
// touches.
func TestWhoSawAtWork(t *testing.T) {
	t.Parallel()
	g := startHospital(t)
	first, second := g.Connect(t), g.Connect(t)
	for _, sql := range []string{"begin", "update people set name = 'held' where pid = 700001 returning pid"} {
		if _, err := values(first, bound(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() {
		_, err := values(second, bound(t), "update people set name = 'waits' where pid = 700001 returning pid")
		done <- err
	}()
	waits := func() bool {
		for _, x := range who(t, g, "700001").Unknown {
			if x.Reason == "no-outcome" && strings.HasPrefix(x.Readable, "update") && slices.Contains(x.Relations, "write table clinic/public/people") {
				return true
			}
		}
		return false
	}
	eventually(t, "a statement that is at work", waits)
	if _, err := values(first, bound(t), "commit"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := who(t, g, "700001"); waits() || len(got.Found) != 2 {
		t.Errorf("when it has ended: %+v", got)
	}
}

// TestWhoSawPortals: the rows of a portal that is run in pieces are of one
// statement, and those of a session that is cut off are on record.
func TestWhoSawPortals(t *testing.T) {
	t.Parallel()
	g := startHospital(t)
	pg := g.Connect(t)
	if _, err := pg.Exec(bound(t), "begin"); err != nil {
		t.Fatal(err)
	}
	f := pg.PgConn().Frontend()
	f.SendParse(&pgproto3.Parse{Query: "select pid, name from people order by pid"})
	f.SendBind(&pgproto3.Bind{})
	f.SendExecute(&pgproto3.Execute{MaxRows: 5})
	f.SendExecute(&pgproto3.Execute{MaxRows: 5})
	f.SendSync(&pgproto3.Sync{})
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := f.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := m.(*pgproto3.ErrorResponse); ok {
			t.Fatal(e.Message)
		}
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			break
		}
	}
	_ = pg.PgConn().Conn().Close() // in the middle of the portal
	eventually(t, "the end of the session", func() bool { return len(who(t, g, "700007").Found) == 1 })
	if got := who(t, g, "700011"); len(got.Found) != 0 {
		t.Errorf("a patient whose row was not fetched: %+v", got.Found)
	}
	if got := who(t, g, "700001"); len(got.Found) != 1 || got.Found[0].Patients != 10 || got.Found[0].Rows != 10 {
		t.Errorf("%+v", got.Found)
	}
}

// TestWhoSawLarge compares the false hits of a large answer with the rate that is
// stated.
func TestWhoSawLarge(t *testing.T) {
	t.Parallel()
	g := startHospital(t)
	conn := g.Connect(t)
	if _, err := values(conn, bound(t), "select pid, note from big"); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(bound(t))
	got := who(t, g, "1099999")
	if len(got.Found) != 1 || got.Found[0].Patients != 100_000 || got.Found[0].Shown != "part" || got.Found[0].Rows != 100_000 {
		t.Fatalf("%+v", got)
	}
	rate := got.Found[0].FalseRate
	if got.ExpectedFalse != rate || rate <= 0 || rate > 1e-5 {
		t.Errorf("stated are %g and %g", got.ExpectedFalse, rate)
	}
	sets, session := largeSets(t, g)
	blind := evidence.NewBlinder([]byte(gatewaytest.PrivacyKey(1)), "hospital")
	salt := evidence.NewSalt(session, sets[0].Stmt)
	var all, strange []uint64
	for i := 1; i <= 100_000; i++ {
		all = append(all, salt.Of(blind.Blind(fmt.Appendf(nil, "%d", 1_000_000+i))))
	}
	const tries = 4_000_000
	for i := range tries {
		strange = append(strange, salt.Of(blind.Blind(fmt.Appendf(nil, "%d", 5_000_000+i))))
	}
	hits, false_ := 0, 0
	for _, s := range sets {
		h, err := s.Hits(all)
		if err != nil {
			t.Fatal(err)
		}
		f, err := s.Hits(strange)
		if err != nil {
			t.Fatal(err)
		}
		hits, false_ = hits+h, false_+f
	}
	if hits != 100_000 {
		t.Errorf("%d of the patients are found", hits)
	}
	// 3.8 are expected; more than 15 would come in one of a million runs.
	if false_ > 15 {
		t.Errorf("%d false hits among %d, stated is %g", false_, tries, rate)
	}
	t.Logf("%d leaves, %d false hits among %d strangers, %.1f expected", len(sets), false_, tries, rate*tries)
}

// TestWhoSawSecrets looks for keys of patients wherever a gateway leaves anything,
// rotates the privacy key, and asks with a wrong one.
func TestWhoSawSecrets(t *testing.T) {
	t.Parallel()
	g := startHospital(t)
	const canary = "K-canary-81726354-k"
	read := func(marker string) {
		conn := g.Connect(t)
		if _, err := values(conn, bound(t), "select pid, note as "+marker+" from texts"); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close(bound(t))
	}
	read("old")
	if got := who(t, g, canary); !seen(got.Found, "old") || len(got.Found) != 1 || got.Found[0].Shown != "part" || got.Found[0].Principal == "" {
		t.Errorf("%+v", got)
	}
	if got := who(t, g, "K-canary-81726354-x"); len(got.Found) != 0 {
		t.Errorf("somebody else: %+v", got.Found)
	}
	g.Stop(t)
	g.Rewrite(t, "    - {version: 1, key: \"file:privacy-1.key\"}\n", "    - {version: 1, key: \"file:privacy-1.key\"}\n    - {version: 2, key: \"file:privacy-2.key\"}\n")
	g.Run(t)
	read("new")
	if got := who(t, g, canary); !seen(got.Found, "old") || !seen(got.Found, "new") || len(got.Unknown) != 0 {
		t.Errorf("after a rotation: %+v", got)
	}
	bundle := filepath.Join(t.TempDir(), "b.zip")
	status, b := apiAs(t, g, g.HumanToken(t, "audrey", "auditors")).call(t, "POST", "/v1/evidence", map[string]string{"purpose": "case 17"})
	if status != 200 {
		t.Fatalf("%d %s", status, b)
	}
	if err := os.WriteFile(bundle, b, 0o600); err != nil {
		t.Fatal(err)
	}
	offline(t, b, canary, 2, 0, 1, 2)
	offline(t, b, canary, 1, 1, 1)
	offline(t, b, canary, 0, 2, 3)
	offline(t, b, "K-canary-81726354-x", 0, 0, 1, 2)
	g.Stop(t)
	g.Rewrite(t, "    - {version: 1, key: \"file:privacy-1.key\"}\n    - {version: 2, key: \"file:privacy-2.key\"}\n", "    - {version: 3, key: \"file:privacy-3.key\"}\n")
	g.Run(t)
	if got := who(t, g, canary); len(got.Found) != 0 || len(got.Unknown) != 2 || got.Unknown[0].Reason != "no-privacy-key" {
		t.Errorf("with a wrong key: %+v", got)
	}
	status, b = apiAs(t, g, g.HumanToken(t, "mallory", "nobody")).call(t, "POST", "/v1/audit/who-saw", map[string]string{"patient": canary, "purpose": "curious"})
	if status != 403 || bytes.Contains(b, []byte(canary)) {
		t.Errorf("somebody else: %d %s", status, b)
	}
	g.Stop(t)
	for _, form := range []string{canary, strings.ToLower(canary)} {
		nowhere(t, g.Dir, form)
		if strings.Contains(g.Log.String(), form) {
			t.Error("the log holds the key of a patient")
		}
	}
}

// offline asks a bundle, with the privacy keys of some versions.
func offline(t *testing.T, bundle []byte, patient string, found, unknown int, versions ...int) {
	t.Helper()
	s := &evidence.Search{Namespace: "hospital"}
	for _, v := range versions {
		s.Keys = append(s.Keys, evidence.NewSearchKey([]byte(gatewaytest.PrivacyKey(v)), "hospital", patient))
	}
	b, report, err := evidence.OpenBundle(bytes.NewReader(bundle), int64(len(bundle)), evidence.Options{})
	if err != nil {
		t.Fatal(err, report)
	}
	if err := b.Each(s.Leaf); err != nil {
		t.Fatal(err)
	}
	if r := s.Result(); len(r.Found) != found || len(r.Unknown) != unknown {
		t.Errorf("with the keys %v: %+v", versions, r)
	}
}

// nowhere fails the test when a text is in a file of a directory.
func nowhere(t *testing.T, dir, text string) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			t.Errorf("%s holds the key of a patient", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// largeSets returns the sets of the only statement that has several leaves, and its
// session, from a bundle.
func largeSets(t *testing.T, g *gatewaytest.Gateway) (sets []evidence.Disclosure, session sallyport.SessionID) {
	t.Helper()
	status, b := apiAs(t, g, g.HumanToken(t, "audrey", "auditors")).call(t, "POST", "/v1/evidence", map[string]string{"purpose": "case 17"})
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if status != 200 || err != nil {
		t.Fatalf("%d %v", status, err)
	}
	f, err := z.Open(evidence.LeavesName)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var l struct {
			Leaf evidence.Leaf[evidence.Disclosure] `json:"leaf"`
		}
		if bytes.Contains(line, []byte(`"type":"outcome"`)) && len(sets) > 0 && len(sets) < sets[0].Parts {
			t.Error("an outcome stands before the patients of its answer")
		}
		if !bytes.Contains(line, []byte(`"type":"disclosure"`)) {
			continue
		}
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		if l.Leaf.Body.Parts > 0 {
			sets, session = append(sets, l.Leaf.Body), l.Leaf.Session
		}
	}
	if len(sets) < 2 || len(sets) != sets[0].Parts {
		t.Fatalf("%d parts", len(sets))
	}
	return sets, session
}
