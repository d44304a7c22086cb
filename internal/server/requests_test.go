// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// request is what a client needs of a request.
type request struct {
	ID, Kind, State, Principal, Resource, Role, Approvers, Reason string

	WindowMS  int64 `json:"window_ms"`
	Rules     []string
	MayDecide bool `json:"may_decide"`
	Decision  *struct{ Approver, Decision, Rationale string }
	Hold      *struct {
		Session, Readable       string
		Stmt                    uint64
		Objects, Effects, Rules []string
	}
	Grant *struct {
		ID        string
		NotBefore time.Time `json:"not_before"`
		NotAfter  time.Time `json:"not_after"`
	}
}

type requests struct{ Requests []request }

type grants struct {
	Grants []struct{ ID, State, Principal, Request, By, Reason string }
}

func ask(reason string) object {
	return object{"resource": "clinic", "role": "claims-etl", "reason": reason}
}

// grantTo has a request of a token's principal approved.
func grantTo(c *client, token, approver string) request {
	c.t.Helper()
	r := call[request](c, token, "POST", "/v1/requests", ask("nightly claims"))
	return call[request](c, approver, "POST", "/v1/requests/"+r.ID+"/approve", object{"rationale": "agreed, ticket 12"})
}

func TestRequestForGrant(t *testing.T) {
	g := gatewaytest.Start(t)
	c := newClient(t, g)
	ci, ann, bob := g.CIToken(t), g.HumanToken(t, "ann", "privacy-officers"), g.HumanToken(t, "bob", "billing")

	long := ask("nightly claims")
	long["window"] = "9h"
	r := call[request](c, ci, "POST", "/v1/requests", long)
	if r.Kind != "grant" || r.State != "open" || r.Principal != "ci:acme/claims" || r.Approvers != "group:privacy-officers" ||
		r.Reason != "nightly claims" || r.MayDecide || r.Grant != nil || r.Decision != nil {
		t.Errorf("got %+v", r)
	}
	if r.WindowMS != time.Hour.Milliseconds() {
		t.Errorf("a window of 9h came to %d ms and not to the rule's 1h", r.WindowMS)
	}
	if again := call[request](c, ci, "POST", "/v1/requests", long); again.ID != r.ID {
		t.Errorf("asking again made another request, %s beside %s", again.ID, r.ID)
	}
	path := "/v1/requests/" + r.ID
	agree := object{"rationale": "agreed, ticket 12"}

	// Who sees it.
	for name, want := range map[string]struct {
		token string
		sees  bool
	}{
		"the requester": {ci, true}, "an approver": {ann, true}, "somebody else": {bob, false},
		"an auditor": {g.HumanToken(t, "eve", "auditors"), true}, "an administrator": {g.HumanToken(t, "sam", "security"), true},
	} {
		list := call[requests](c, want.token, "GET", "/v1/requests", nil)
		if (len(list.Requests) == 1) != want.sees {
			t.Errorf("%s is shown %d requests", name, len(list.Requests))
		}
		if status, _ := c.raw(want.token, "GET", path, nil); (status == http.StatusOK) != want.sees {
			t.Errorf("%s looks at it: %d", name, status)
		}
	}
	if shown := call[request](c, ann, "GET", path, nil); !shown.MayDecide {
		t.Error("the approver is not told that they may decide")
	}

	// Who decides it.
	c.refused(ci, "POST", path+"/approve", agree, http.StatusForbidden, "denied")
	c.refused(bob, "POST", path+"/approve", agree, http.StatusNotFound, "not found")
	c.refused(g.HumanToken(t, "eve", "auditors"), "POST", path+"/approve", agree, http.StatusForbidden, "denied")
	c.refused(ann, "POST", path+"/approve", nil, http.StatusBadRequest, "invalid")
	c.refused(ann, "POST", path+"/withdraw", nil, http.StatusForbidden, "denied")

	// Somebody who waits hears of it.
	waited := make(chan request, 1)
	go func() {
		defer close(waited)
		waited <- call[request](c, ci, "GET", path+"?wait=30s", nil)
	}()
	done := call[request](c, ann, "POST", path+"/approve", agree)
	if done.State != "approved" || done.Grant == nil || done.Decision == nil || done.Decision.Approver != "human:ann" ||
		done.Decision.Decision != "approved" || done.Decision.Rationale != "agreed, ticket 12" {
		t.Errorf("got %+v", done)
	}
	if w := <-waited; w.State != "approved" {
		t.Errorf("who waited was told %q", w.State)
	}
	c.refused(ann, "POST", path+"/deny", agree, http.StatusConflict, "conflict")
	if got := call[request](c, ci, "POST", "/v1/requests", ask("again")); got.State != "granted" || got.ID != "" || got.Grant == nil || got.Grant.ID != done.Grant.ID {
		t.Errorf("asking with an active grant: %+v", got)
	}
	if list := call[requests](c, ann, "GET", "/v1/requests", nil); len(list.Requests) != 0 {
		t.Errorf("still open: %+v", list)
	}
	if list := call[requests](c, ann, "GET", "/v1/requests?state=all", nil); len(list.Requests) != 1 {
		t.Errorf("all: %+v", list)
	}
}

func TestRequestEndsUnapproved(t *testing.T) {
	g := gatewaytest.Start(t)
	c := newClient(t, g)
	ci, ann := g.CIToken(t), g.HumanToken(t, "ann", "privacy-officers")
	first := call[request](c, ci, "POST", "/v1/requests", ask("one"))
	denied := call[request](c, ann, "POST", "/v1/requests/"+first.ID+"/deny", object{"rationale": "not this month"})
	if denied.State != "denied" || denied.Decision == nil || denied.Decision.Decision != "denied" || denied.Grant != nil {
		t.Errorf("got %+v", denied)
	}
	second := call[request](c, ci, "POST", "/v1/requests", ask("two"))
	if second.ID == first.ID {
		t.Fatal("a denied request was reused")
	}
	if got := call[request](c, ci, "POST", "/v1/requests/"+second.ID+"/withdraw", nil); got.State != "withdrawn" {
		t.Errorf("got %+v", got)
	}
	c.refused(ann, "POST", "/v1/requests/"+second.ID+"/approve", object{"rationale": "too late"}, http.StatusConflict, "conflict")

	// Pages.
	list := call[requests](c, ci, "GET", "/v1/requests?state=all&limit=1", nil)
	if len(list.Requests) != 1 || list.Requests[0].ID != second.ID {
		t.Fatalf("the first page: %+v", list)
	}
	list = call[requests](c, ci, "GET", "/v1/requests?state=all&limit=1&before="+second.ID, nil)
	if len(list.Requests) != 1 || list.Requests[0].ID != first.ID {
		t.Fatalf("the second page: %+v", list)
	}

	// A person who is a member of the role and of its approvers cannot approve
	// their own request.
	both := g.HumanToken(t, "cleo", "ci", "privacy-officers")
	own := call[request](c, both, "POST", "/v1/requests", ask("mine"))
	if own.MayDecide {
		t.Error("the requester is told that they may decide")
	}
	c.refused(both, "POST", "/v1/requests/"+own.ID+"/approve", object{"rationale": "why not"}, http.StatusForbidden, "denied")

	for name, body := range map[string]object{
		"no reason": ask(" "), "a reason that does not print": ask("a\x1b[2J"), "a window that is none": {"resource": "clinic", "role": "claims-etl", "reason": "x", "window": "soon"},
	} {
		if p := c.refused(ci, "POST", "/v1/requests", body, http.StatusBadRequest, "invalid"); p.Error.Hint == "" {
			t.Errorf("%s: no hint", name)
		}
	}
	c.refused(ci, "POST", "/v1/requests", object{"resource": "nosuch", "role": "claims-etl", "reason": "x"}, http.StatusNotFound, "not found")
	c.refused(ci, "POST", "/v1/requests", object{"resource": "clinic", "role": "root", "reason": "x"}, http.StatusForbidden, "denied")
}

// exchange asks for a gateway token.
func exchange(c *client, subject string) (status int, token, code string) {
	c.t.Helper()
	form := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {subject},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"}, "audience": {"clinic"}, "scope": {"claims-etl"},
	}
	res, b := c.send("", "POST", "/v1/token", "application/x-www-form-urlencoded", []byte(form.Encode()))
	out := parse[struct {
		AccessToken string `json:"access_token"`
		Error       string
	}](c.t, b)
	return res.StatusCode, out.AccessToken, out.Error
}

func TestGatewayTokenSteersNothing(t *testing.T) {
	g := gatewaytest.Start(t)
	c := newClient(t, g)
	ci, ann := g.CIToken(t), g.HumanToken(t, "ann", "privacy-officers", "auditors", "security", "ci")
	if status, _, code := exchange(c, ci); status != http.StatusBadRequest || code != "authorization_pending" {
		t.Fatalf("without a grant: %d %q", status, code)
	}
	open := call[requests](c, ann, "GET", "/v1/requests", nil).Requests
	if len(open) != 1 {
		t.Fatalf("asking for a token filed %d requests", len(open))
	}
	call[request](c, ann, "POST", "/v1/requests/"+open[0].ID+"/approve", object{"rationale": "agreed"})
	status, token, _ := exchange(c, ci)
	if status != http.StatusOK || !strings.HasPrefix(token, "spt_") {
		t.Fatalf("with a grant: %d %q", status, token[:min(len(token), 4)])
	}
	me := call[struct {
		ID    string
		Token struct{ Resource, Role, Grant string }
	}](c, token, "GET", "/v1/whoami", nil)
	if me.ID != "ci:acme/claims" || me.Token.Resource != "clinic" || me.Token.Role != "claims-etl" || me.Token.Grant == "" {
		t.Errorf("whoami: %+v", me)
	}
	c.refused(token, "POST", "/v1/requests", ask("more"), http.StatusForbidden, "denied")
	c.refused(token, "POST", "/v1/grants/"+me.Token.Grant+"/revoke", object{"reason": "mine"}, http.StatusForbidden, "denied")

	// A token of somebody who is everything makes them nothing.
	other := call[request](c, ann, "POST", "/v1/requests", ask("for me"))
	call[request](c, g.HumanToken(t, "dora", "privacy-officers"), "POST", "/v1/requests/"+other.ID+"/approve", object{"rationale": "agreed"})
	status, strong, _ := exchange(c, ann)
	if status != http.StatusOK {
		t.Fatalf("exchange: %d", status)
	}
	who := call[struct{ Auditor, Administrator bool }](c, strong, "GET", "/v1/whoami", nil)
	if who.Auditor || who.Administrator {
		t.Errorf("a gateway token makes %+v", who)
	}
	pending := call[request](c, g.HumanToken(t, "cleo", "ci"), "POST", "/v1/requests", ask("pending"))
	c.refused(strong, "POST", "/v1/requests/"+pending.ID+"/approve", object{"rationale": "agreed"}, http.StatusForbidden, "denied")
	c.refused(strong, "GET", "/v1/requests/"+pending.ID, nil, http.StatusNotFound, "not found")
	c.refused(strong, "GET", "/v1/audit/verify", nil, http.StatusForbidden, "denied")
	c.refused(strong, "POST", "/v1/evidence", object{"purpose": "x"}, http.StatusForbidden, "denied")
	if list := call[grants](c, strong, "GET", "/v1/grants", nil).Grants; len(list) != 1 || list[0].Principal != "human:ann" {
		t.Errorf("a gateway token is shown %+v", list)
	}
}

func TestRevokeGrant(t *testing.T) {
	g := gatewaytest.Start(t)
	c := newClient(t, g)
	ci, ann := g.CIToken(t), g.HumanToken(t, "ann", "privacy-officers")
	id := grantTo(c, ci, ann).Grant.ID
	_, token, _ := exchange(c, ci)
	conn := g.Connect(t)
	for name, tok := range map[string]string{"the holder": ci, "an approver": ann} {
		if list := call[grants](c, tok, "GET", "/v1/grants", nil).Grants; len(list) != 1 || list[0].ID != id || list[0].State != "active" {
			t.Errorf("%s is shown %+v", name, list)
		}
	}
	bob, eve := g.HumanToken(t, "bob", "billing"), g.HumanToken(t, "eve", "auditors")
	if list := call[grants](c, bob, "GET", "/v1/grants?state=all", nil).Grants; list == nil || len(list) != 0 {
		t.Errorf("a stranger is shown %+v", list)
	}
	why := object{"reason": "the job moved"}
	path := "/v1/grants/" + id + "/revoke"
	c.refused(bob, "POST", path, why, http.StatusNotFound, "not found")
	c.refused(eve, "POST", path, why, http.StatusForbidden, "denied")
	c.refused(ann, "POST", path, nil, http.StatusBadRequest, "invalid")

	type doc struct{ ID, State, By, Reason string }
	if got := call[doc](c, ann, "POST", path, why); got != (doc{id, "revoked", "human:ann", "the job moved"}) {
		t.Errorf("got %+v", got)
	}
	c.refused(ann, "POST", path, why, http.StatusConflict, "conflict")
	c.refused(token, "GET", "/v1/whoami", nil, http.StatusUnauthorized, "unauthenticated")
	eventually(t, "the session under the grant to end", func() bool {
		_, err := conn.Exec(t.Context(), "select 1")
		return err != nil
	})
	if list := call[grants](c, ci, "GET", "/v1/grants", nil).Grants; len(list) != 0 {
		t.Errorf("still active: %+v", list)
	}
}

// eventually waits for something that another goroutine brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

func TestHeldStatement(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open(), gatewaytest.Waits(0, 30*time.Second))
	c := newClient(t, g)
	ann := g.HumanToken(t, "ann", "privacy-officers")
	for _, tt := range []struct{ decision, state, want string }{
		{"deny", "denied", "not in business hours"},
		{"approve", "used", ""},
	} {
		conn := g.Connect(t, func(cfg *pgx.ConnConfig) { cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
		ended := make(chan error, 1)
		go func() { _, err := conn.Exec(t.Context(), "TRUNCATE work"); ended <- err }()
		var held request
		eventually(t, "the statement to be held", func() bool {
			list := call[requests](c, ann, "GET", "/v1/requests", nil).Requests
			if len(list) == 1 {
				held = list[0]
			}
			return len(list) == 1
		})
		if h := held.Hold; held.Kind != "hold" || !held.MayDecide || h == nil || h.Session == "" || h.Stmt != 1 ||
			!strings.EqualFold(h.Readable, "TRUNCATE work") || len(h.Objects) == 0 || len(h.Effects) == 0 || len(h.Rules) == 0 {
			t.Fatalf("got %+v %+v", held, held.Hold)
		}
		call[request](c, ann, "POST", "/v1/requests/"+held.ID+"/"+tt.decision, object{"rationale": "not in business hours"})
		err := <-ended
		if (err == nil) != (tt.want == "") {
			t.Errorf("%s: %v", tt.decision, err)
		}
		var pg *pgconn.PgError
		if tt.want != "" && (!errors.As(err, &pg) || !strings.Contains(pg.Message, tt.want)) {
			t.Errorf("the client is not told why: %v", err)
		}
		if got := call[request](c, ann, "GET", "/v1/requests/"+held.ID, nil); got.State != tt.state {
			t.Errorf("after %s the state is %q", tt.decision, got.State)
		}
		_ = conn.Close(t.Context())
	}
}

func TestAPIForm(t *testing.T) {
	g := gatewaytest.Start(t)
	c := newClient(t, g)
	ci := g.CIToken(t)
	eventually(t, "the catalogue to be read", func() bool {
		return call[struct{ Ready bool }](c, "", "GET", "/healthz", nil).Ready
	})
	res, _ := c.send("", "GET", "/v1/whoami", "", nil)
	if res.StatusCode != http.StatusUnauthorized || res.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("without a token: %d %v", res.StatusCode, res.Header)
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Type": "application/json",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Strict-Transport-Security": "max-age=31536000",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	c.refused("nonsense", "GET", "/v1/whoami", nil, http.StatusUnauthorized, "unauthenticated")
	c.refused("spt_"+strings.Repeat("A", 43), "GET", "/v1/whoami", nil, http.StatusUnauthorized, "unauthenticated")
	c.refused(ci, "GET", "/v1/nosuch", nil, http.StatusNotFound, "not found")
	c.refused(ci, "GET", "/v1/whoami?a=b", nil, http.StatusBadRequest, "invalid")
	c.refused(ci, "GET", "/v1/requests?state=odd", nil, http.StatusBadRequest, "invalid")
	c.refused(ci, "GET", "/v1/requests?limit=0", nil, http.StatusBadRequest, "invalid")
	c.refused(ci, "GET", "/v1/requests?limit=1&limit=2", nil, http.StatusBadRequest, "invalid")
	c.refused(ci, "GET", "/v1/sessions?since=yesterday", nil, http.StatusBadRequest, "invalid")
	c.refused(ci, "GET", "/v1/requests/req_none", nil, http.StatusNotFound, "not found")
	c.refused(ci, "GET", "/v1/sessions/s_none", nil, http.StatusNotFound, "not found")
	c.refused(ci, "GET", "/v1/whoami", object{}, http.StatusBadRequest, "invalid")
	c.refused(ci, "DELETE", "/v1/sessions", nil, http.StatusMethodNotAllowed, "invalid")
	for name, tt := range map[string]struct{ contentType, body string }{
		"an unknown key":        {"application/json", `{"reason":"x","root":true}`},
		"two values":            {"application/json", `{} {}`},
		"no object":             {"application/json", `[]`},
		"nonsense":              {"application/json", `{`},
		"not declared":          {"", `{}`},
		"a body that is a form": {"application/x-www-form-urlencoded", `a=b`},
		"too large":             {"application/json", `{"reason":"` + strings.Repeat("x", 70<<10) + `"}`},
	} {
		res, b := c.send(ci, "POST", "/v1/requests", tt.contentType, []byte(tt.body))
		if p := parse[problem](t, b); res.StatusCode != http.StatusBadRequest || p.Error.Kind != "invalid" {
			t.Errorf("%s: %d %s", name, res.StatusCode, b)
		}
	}
	if status, b := c.raw("", "POST", "/v1/token", nil); status != http.StatusBadRequest || !strings.Contains(string(b), "invalid_request") {
		t.Errorf("the token endpoint: %d %s", status, b)
	}
	if strings.Contains(g.Log.String(), ci) {
		t.Error("a token is in the log")
	}
}

func TestResources(t *testing.T) {
	g := gatewaytest.Start(t)
	c := newClient(t, g)
	type list struct {
		Resources []struct {
			Name, Type, Listener string
			Roles                []struct {
				Role, Connect, Approvers string
				Window                   int64 `json:"max_window_ms"`
				Grant                    *struct{ ID string }
			}
		}
	}
	ci, ann := g.CIToken(t), g.HumanToken(t, "ann", "privacy-officers")
	if got := call[list](c, ann, "GET", "/v1/resources", nil); len(got.Resources) != 0 {
		t.Errorf("who holds no role is shown %+v", got)
	}
	_, before := c.raw(ci, "GET", "/v1/resources", nil)
	if got := parse[list](t, before); len(got.Resources) != 1 || got.Resources[0].Listener != g.PostgresAddress() || len(got.Resources[0].Roles) != 1 ||
		got.Resources[0].Roles[0].Connect != "hold" || got.Resources[0].Roles[0].Approvers != "group:privacy-officers" ||
		got.Resources[0].Roles[0].Window != time.Hour.Milliseconds() {
		t.Errorf("got %s", before)
	}
	grantTo(c, ci, ann)
	_, after := c.raw(ci, "GET", "/v1/resources", nil)
	if got := parse[list](t, after); got.Resources[0].Roles[0].Connect != "allow" || got.Resources[0].Roles[0].Grant == nil {
		t.Errorf("got %s", after)
	}
	for _, secret := range []string{g.Server.Addr, "gatewaypassword", "target.pw"} {
		if strings.Contains(string(before)+string(after), secret) {
			t.Errorf("the resource list tells %q", secret)
		}
	}
}
