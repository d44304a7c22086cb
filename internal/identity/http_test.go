// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// roles is a granter with a fixed table: the role decides the answer.
type roles struct{ now func() time.Time }

func (r roles) Bind(_ context.Context, p sallyport.Principal, resource sallyport.ResourceID, role sallyport.RoleID) (sallyport.Grant, error) {
	switch {
	case resource != "clinic":
		return sallyport.Grant{}, sallyport.E(sallyport.NotFound, "bind", "no such resource")
	case role == "claims-etl":
		return sallyport.Grant{ID: "g-1", Principal: p.ID, Resource: resource, Role: role, NotAfter: r.now().Add(5 * time.Minute)}, nil
	case role == "held":
		return sallyport.Grant{}, sallyport.E(sallyport.Held, "bind", "request r-42 waits for approval").WithHint("try again when it is approved")
	case role == "broken":
		return sallyport.Grant{}, errors.New("secret internals")
	case role == "full":
		return sallyport.Grant{}, sallyport.E(sallyport.Exhausted, "bind", "too many requests")
	case role == "down":
		return sallyport.Grant{}, sallyport.E(sallyport.Unavailable, "bind", "the policy is not loaded")
	}
	return sallyport.Grant{}, sallyport.E(sallyport.Denied, "bind", "no policy permits the rôle \"x\"").WithHint("ask for another role")
}

// api is the token endpoint on a real listener.
type api struct {
	*tokenBench
	url string
}

func newAPI(t *testing.T) *api {
	t.Helper()
	return serveAPI(t, newTokenBench(t))
}

func serveAPI(t *testing.T, b *tokenBench) *api {
	t.Helper()
	srv := httptest.NewServer(identity.TokenHandler(b.tokens, roles{b.clock.Now}))
	t.Cleanup(srv.Close)
	return &api{tokenBench: b, url: srv.URL}
}

// post sends a form and returns the status, the headers and the JSON answer.
func (a *api) post(t *testing.T, path string, form map[string]string, bearer string) (int, http.Header, map[string]any) {
	t.Helper()
	v := url.Values{}
	for k, s := range form {
		v.Set(k, s)
	}
	return a.send(t, path, "application/x-www-form-urlencoded", v.Encode(), bearer)
}

func (a *api) send(t *testing.T, path, contentType, body, bearer string) (int, http.Header, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	if len(b) > 0 {
		if err := json.Unmarshal(b, &answer); err != nil {
			t.Fatalf("status %d, not JSON: %v", resp.StatusCode, err)
		}
	}
	if resp.Header.Get("Cache-Control") != "no-store" {
		t.Error("the answer may be cached")
	}
	return resp.StatusCode, resp.Header, answer
}

func (a *api) form(t *testing.T, over map[string]string) map[string]string {
	t.Helper()
	m := map[string]string{
		"grant_type": identity.GrantTypeTokenExchange, "subject_token": a.is.token(t, a.clock, nil), "subject_token_type": identity.TokenTypeJWT,
		"audience": "clinic", "scope": "claims-etl",
	}
	maps.Copy(m, over)
	for k, v := range over {
		if v == "-" {
			delete(m, k)
		}
	}
	return m
}

func TestExchange(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	status, _, got := a.post(t, "/v1/token", a.form(t, nil), "")
	if status != http.StatusOK {
		t.Fatalf("status %d: %v", status, got)
	}
	raw, _ := got["access_token"].(string)
	delete(got, "access_token")
	want := map[string]any{
		"issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer", "expires_in": 300.0, "scope": "claims-etl",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("answer (-want +got):\n%s", d)
	}
	p, binding, err := a.tokens.Authenticate(t.Context(), raw)
	if err != nil || p.ID != "ci:acme/claims" || binding != (identity.Binding{Resource: "clinic", Role: "claims-etl", Grant: "g-1"}) {
		t.Errorf("the token is good for %v %v: %v", p.ID, binding, err)
	}
	if c := a.journal.identities[0].Client; c != "127.0.0.1" {
		t.Errorf("client on record: %q", c)
	}
	// The same resource may be named either way.
	for _, over := range []map[string]string{{"audience": "-", "resource": "clinic"}, {"resource": "clinic"}} {
		if status, _, got := a.post(t, "/v1/token", a.form(t, over), "ignored"); status != http.StatusOK {
			t.Errorf("%v: status %d: %v", over, status, got)
		}
	}
}

func TestExchangeRefuses(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	gateway, _ := a.issue(t)
	for name, tt := range map[string]struct {
		over   map[string]string
		status int
		code   string
		says   string
	}{
		"no grant type":       {map[string]string{"grant_type": "-"}, 400, "unsupported_grant_type", "grant_type"},
		"password":            {map[string]string{"grant_type": "password"}, 400, "unsupported_grant_type", "grant_type"},
		"no token":            {map[string]string{"subject_token": "-"}, 400, "invalid_request", "subject_token is missing"},
		"no type":             {map[string]string{"subject_token_type": "-"}, 400, "invalid_request", "subject_token_type"},
		"SAML":                {map[string]string{"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, 400, "invalid_request", "subject_token_type"},
		"bad token":           {map[string]string{"subject_token": "x.y.z"}, 400, "invalid_request", "header"},
		"gateway token":       {map[string]string{"subject_token": gateway}, 400, "invalid_request", "cannot be exchanged"},
		"actor":               {map[string]string{"actor_token": "x"}, 400, "invalid_request", "actor_token"},
		"refresh token":       {map[string]string{"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, 400, "invalid_request", "requested_token_type"},
		"no resource":         {map[string]string{"audience": "-"}, 400, "invalid_target", "audience"},
		"two resources":       {map[string]string{"resource": "other"}, 400, "invalid_target", "two resources"},
		"unknown resource":    {map[string]string{"audience": "other"}, 400, "invalid_target", "no such resource"},
		"resource characters": {map[string]string{"audience": "a\x00"}, 400, "invalid_target", "characters"},
		"no role":             {map[string]string{"scope": "-"}, 400, "invalid_scope", "one role"},
		"two roles":           {map[string]string{"scope": "a b"}, 400, "invalid_scope", "one role"},
		"denied":              {map[string]string{"scope": "admin"}, 400, "invalid_target", "no policy permits the r?le 'x'; ask for another role"},
		"held":                {map[string]string{"scope": "held"}, 400, "authorization_pending", "r-42"},
		"limit":               {map[string]string{"scope": "full"}, 429, "temporarily_unavailable", "too many"},
		"down":                {map[string]string{"scope": "down"}, 503, "temporarily_unavailable", "not loaded"},
		"internal":            {map[string]string{"scope": "broken"}, 500, "server_error", "internal error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, head, got := a.post(t, "/v1/token", a.form(t, tt.over), "")
			description, _ := got["error_description"].(string)
			if status != tt.status || got["error"] != tt.code || !strings.Contains(description, tt.says) {
				t.Errorf("status %d %v %q, want %d %v %q", status, got["error"], description, tt.status, tt.code, tt.says)
			}
			if strings.Contains(description, "secret") || got["access_token"] != nil {
				t.Errorf("the answer says too much: %v", got)
			}
			if (status == 429 || status == 503) != (head.Get("Retry-After") != "") {
				t.Errorf("Retry-After %q at status %d", head.Get("Retry-After"), status)
			}
		})
	}
}

func TestFormRefused(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	const formType = "application/x-www-form-urlencoded"
	for name, tt := range map[string]struct {
		path, contentType, body string
		status                  int
	}{
		"JSON":            {"/v1/token", "application/json", "{}", 400},
		"no type":         {"/v1/token", "", "", 400},
		"query":           {"/v1/token?token=x", formType, "token=x", 400},
		"twice":           {"/v1/token/revoke", formType, "token=a&token=b", 400},
		"malformed":       {"/v1/token/revoke", formType, "token=%zz", 400},
		"too large":       {"/v1/token/revoke", formType, "token=" + strings.Repeat("x", 70<<10), 413},
		"no token":        {"/v1/token/revoke", formType, "", 400},
		"nothing to show": {"/v1/token/introspect", formType, "", 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if status, _, got := a.send(t, tt.path, tt.contentType, tt.body, ""); status != tt.status || got["error"] != "invalid_request" {
				t.Errorf("status %d: %v", status, got)
			}
		})
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+"/v1/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d, %v", resp.StatusCode, err)
	}
}

func TestRevokeEndpoint(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	raw, info := a.issue(t)
	ended, stop := a.tokens.Watch(info.ID)
	defer stop()
	for range 2 { // the second time it is revoked already, which is what is wanted
		if status, _, got := a.post(t, "/v1/token/revoke", map[string]string{"token": raw}, ""); status != http.StatusOK || got != nil {
			t.Fatalf("status %d: %v", status, got)
		}
	}
	if !closed(ended) {
		t.Error("the session is not told")
	}
	_, _, err := a.tokens.Authenticate(t.Context(), raw)
	wantKind(t, err, sallyport.Unauthenticated)
	if status, _, _ := a.post(t, "/v1/token/revoke", map[string]string{"token": "spt_unknown"}, ""); status != http.StatusOK {
		t.Errorf("an unknown token: status %d", status)
	}
	jwt := a.is.token(t, a.clock, nil)
	if status, _, got := a.post(t, "/v1/token/revoke", map[string]string{"token": jwt}, ""); status != 400 || got["error"] != "unsupported_token_type" {
		t.Errorf("an issuer's token: status %d: %v", status, got)
	}
}

func TestIntrospect(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	raw, info := a.issue(t)
	want := map[string]any{
		"active": true, "scope": "claims-etl", "token_type": "Bearer", "sub": "ci:acme/claims", "aud": "clinic",
		"iat": float64(info.IssuedAt.Unix()), "exp": float64(info.NotAfter.Unix()), "jti": info.ID, "principal_kind": "ci-job", "grant": "g-1",
	}
	inactive := map[string]any{"active": false}
	stranger := a.is.token(t, a.clock, map[string]any{"repository": "acme/other"})
	for name, tt := range map[string]struct {
		token, bearer string
		status        int
		want          map[string]any
	}{
		"itself":         {raw, raw, 200, want},
		"own login":      {raw, a.is.token(t, a.clock, nil), 200, want},
		"stranger":       {raw, stranger, 200, inactive},
		"unknown":        {"spt_" + strings.Repeat("A", 43), raw, 200, inactive},
		"issuer's token": {stranger, stranger, 200, inactive},
		"no bearer":      {raw, "", 401, nil},
		"bad bearer":     {raw, "spt_nothing", 401, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, head, got := a.post(t, "/v1/token/introspect", map[string]string{"token": tt.token}, tt.bearer)
			if status != tt.status {
				t.Fatalf("status %d: %v", status, got)
			}
			if tt.want == nil {
				if head.Get("WWW-Authenticate") == "" || got["error"] != "invalid_token" {
					t.Errorf("not an answer to a missing credential: %v", got)
				}
				return
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("answer (-want +got):\n%s", d)
			}
		})
	}
}

func TestIntrospectEnded(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	raw, _ := a.issue(t)
	a.clock.add(15 * time.Minute)
	status, _, got := a.post(t, "/v1/token/introspect", map[string]string{"token": raw}, raw)
	if d := cmp.Diff(map[string]any{"active": false}, got); status != 200 || d != "" {
		t.Errorf("status %d (-want +got):\n%s", status, d)
	}
}
