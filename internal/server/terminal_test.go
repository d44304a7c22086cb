// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/analyze/shell"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
	engine "github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/terminal"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

const programs = `
@id("run") permit(principal in Role::"claims-etl", action == Action::"execute", resource in Resource::"clinic");
@id("output") permit(principal in Role::"claims-etl", action == Action::"readScanned", resource in Label::"phi.note");
`

// program runs what prints some lines in a session of its own, and returns the
// session's id once it is on record.
func program(t *testing.T, c *client, g *gatewaytest.Gateway, auditor string, chatter int) string {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := g.EngineForTest().Open(t.Context(), engine.Ask{
		Protocols: []string{"postgres"}, Token: g.CIToken(t), Resource: "clinic", Role: "claims-etl", Client: "test",
	})
	must(err)
	defer s.Close("test over") //nolint:errcheck // it was closed by then, unless the test failed
	must(s.Begin(t.Context(), engine.Target{Lineage: "none"}))
	commands, err := shell.NewCommands(nil, true, []sallyport.Label{"phi.note"})
	must(err)
	set, err := rules.Compile(rules.Default(), rules.Deps{Lexicon: lexicon.Load, Now: time.Now})
	must(err)
	masks, err := terminal.New(set)
	must(err)
	a, p, err := s.Permit(t.Context(), engine.Command{Statement: commands.Line("clinic", "notes").Statement, Text: []byte("notes")})
	must(err)
	run, err := masks.Start(terminal.Options{
		Session: s, Permit: p, Admission: a, TTY: true, Size: terminal.Size{Columns: 90, Rows: 20}, Title: a.Statement().Readable, Now: time.Now, Input: true,
	})
	must(err)
	must(run.Typed([]byte("4\r")))
	must(run.Resize(terminal.Size{Columns: 91, Rows: 21}))
	_, err = io.WriteString(run.Output(terminal.Stdout, io.Discard), "SSN \x1b[1m900-12\x1b[0m-3456 ü\r\n"+strings.Repeat("nothing to see\r\n", chatter))
	must(err)
	_, err = io.WriteString(run.Output(terminal.Stderr, io.Discard), "done\r\n")
	must(err)
	must(s.Settle(p, run.Finish(terminal.Exit{Code: 4}, nil)))
	must(s.Close("the client closed it"))
	return string(s.ID())
}

type terminalStep struct {
	Stmt     uint64
	Terminal *struct {
		TTY           bool
		Columns, Rows int
		Title         string
		Events        [][3]any
	}
	Truncated uint64
	Error     *struct{ Code string }
}

func TestExportTerminal(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Policy(gatewaytest.OpenPolicy()+programs))
	c := newClient(t, g)
	eve, ci := g.HumanToken(t, "eve", "auditors"), g.CIToken(t)
	id := program(t, c, g, eve, 0)
	path := "/v1/sessions/" + id + "/statements/1/terminal?format="
	for format, want := range map[string][]string{
		"asciicast-v2": {`{"version":2,"width":90,"height":20,`, `,"i","4\n"]`, `,"r","91x21"]`, `,"o","SSN \u001b[1m[SSN]\u001b[0m ü\r\n"]`, `,"o","done\r\n"]`, `,"m","exit 4"]`},
		"asciicast-v3": {`{"version":3,"term":{"cols":90,"rows":20},`, `,"i","4\n"]`, `,"r","91x21"]`, `,"o","SSN \u001b[1m[SSN]\u001b[0m ü\r\n"]`, `,"o","done\r\n"]`, `,"x","4"]`},
	} {
		res, b := c.send(eve, "GET", path+format, "", nil)
		lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/x-asciicast" || len(lines) != len(want) {
			t.Fatalf("%s: %d %s: %s", format, res.StatusCode, res.Header.Get("Content-Type"), b)
		}
		for i, l := range lines {
			if !strings.Contains(l, want[i]) || !json.Valid([]byte(l)) || strings.Contains(l, "900-12") {
				t.Errorf("%s: line %d is %s, want %s", format, i+1, l, want[i])
			}
		}
	}

	_, b := c.raw(eve, "GET", "/v1/sessions/"+id+"/replay", nil)
	s := parse[terminalStep](t, []byte(strings.SplitN(string(b), "\n", 2)[0]))
	if s.Terminal == nil || !s.Terminal.TTY || s.Terminal.Columns != 90 || s.Terminal.Title != "(a command that no template has)" || s.Error == nil || s.Error.Code != "4" {
		t.Fatalf("the replay: %s", b)
	}
	var events []string
	for _, e := range s.Terminal.Events {
		events = append(events, fmt.Sprint(e[1], e[2]))
	}
	want := []string{"i4\n", "r91x21", "oSSN \x1b[1m[SSN]\x1b[0m ü\r\n", "edone\r\n", "x4"}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Errorf("the replay (-want +got):\n%s", diff)
	}

	// Every look is on record.
	e, _ := bundle(t, c, g, object{"session": id})
	if looks := bodies[evidence.Replay](t, e, evidence.TypeReplay); len(looks) != 3 || looks[0].By != "human:eve" {
		t.Errorf("looks on record: %+v", looks)
	}
	c.refused(ci, "GET", path+"asciicast-v2", nil, http.StatusForbidden, "denied")
	c.refused(eve, "GET", path, nil, http.StatusBadRequest, "invalid")
	c.refused(eve, "GET", path+"asciicast-v2&x=1", nil, http.StatusBadRequest, "invalid")
	for _, n := range []string{"0", "-1", "x", "99999999999999999999"} {
		c.refused(eve, "GET", "/v1/sessions/"+id+"/statements/"+n+"/terminal?format=asciicast-v2", nil, http.StatusBadRequest, "invalid")
	}
	c.refused(eve, "GET", "/v1/sessions/"+id+"/statements/2/terminal?format=asciicast-v2", nil, http.StatusNotFound, "not found")
	c.refused(eve, "GET", "/v1/sessions/s_none/statements/1/terminal?format=asciicast-v2", nil, http.StatusNotFound, "not found")
	rows := ended(t, c, g, eve, simple, "select 1")
	c.refused(eve, "GET", "/v1/sessions/"+rows+"/statements/1/terminal?format=asciicast-v2", nil, http.StatusNotFound, "not found")

	// Of what was not kept, both the end and how much it was are told.
	id = program(t, c, g, eve, 100_000)
	_, b = c.raw(eve, "GET", "/v1/sessions/"+id+"/statements/1/terminal?format=asciicast-v3", nil)
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if last := strings.Join(lines[len(lines)-2:], "\n"); !strings.Contains(last, `bytes more were not kept"]`) || !strings.HasSuffix(last, `,"x","4"]`) {
		t.Errorf("a cast that was cut ends with %.200s", last)
	}

	// Of a session that was erased it is said that it was.
	sam := g.HumanToken(t, "sam", "security")
	c.raw(sam, "POST", "/v1/sessions/"+id+"/erase", object{"reason": "ticket 12"})
	status, b := c.raw(eve, "GET", "/v1/sessions/"+id+"/statements/1/terminal?format=asciicast-v3", nil)
	if status != http.StatusNotFound || !strings.Contains(string(b), "were erased") {
		t.Errorf("of an erased session: %d %s", status, b)
	}
}
