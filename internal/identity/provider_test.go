// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
	oidctest "github.com/sallyport-dev/sallyport/test/oidc"
)

// TestCertifiedIssuer logs in with tokens of an issuer that is not ours, on the
// real clock, and goes the whole way to a gateway token and its end.
func TestCertifiedIssuer(t *testing.T) {
	t.Parallel()
	is := oidctest.Start(t)
	j := &journal{}
	cfg := identity.Config{Issuers: []identity.Issuer{{
		Name: "provider", URL: is.URL, Audiences: []string{oidctest.DefaultAudience}, Algorithms: []string{"RS256", "ES256"},
		TokenTypes: []string{"at+jwt"}, AllowLoopbackHTTP: true,
		Map: []identity.Rule{{
			When: map[string]identity.Values{"repository_owner": {"acme"}}, Principal: "ci:{repository}", Kind: sallyport.CIJob,
			GroupsClaim: "groups", Attributes: []string{"run_id"},
		}},
	}}}
	deps := identity.Deps{Journal: j}
	v, err := identity.New(t.Context(), cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{"repository": "acme/claims", "repository_owner": "acme", "run_id": "7", "groups": []string{"etl"}}
	for _, alg := range []string{"RS256", "ES256"} {
		p, err := v.Verify(t.Context(), is.Token(claims, oidctest.WithAlgorithm(alg)))
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if !strings.HasPrefix(p.Authn.KeyID, alg) {
			t.Errorf("%s: checked with key %q", alg, p.Authn.KeyID)
		}
		p.Authn = sallyport.Authentication{}
		want := sallyport.Principal{
			ID: "ci:acme/claims", Kind: sallyport.CIJob, Groups: []string{"etl"}, Attributes: map[string]string{"run_id": "7"},
			Subject: sallyport.Subject{Issuer: is.URL, ID: "ci"},
		}
		if d := cmp.Diff(want, p); d != "" {
			t.Errorf("%s: principal (-want +got):\n%s", alg, d)
		}
	}
	for name, raw := range map[string]string{
		"another audience": is.Token(claims, oidctest.WithAudience("https://other.example")),
		"too long a life":  is.Token(claims, oidctest.WithLifetime(2*time.Hour)),
		"no rule":          is.Token(map[string]any{"repository": "acme/claims"}),
	} {
		_, err := v.Verify(t.Context(), raw)
		if sallyport.KindOf(err) != sallyport.Unauthenticated || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	tokens, err := identity.NewTokens(cfg.Tokens, v, identity.NewMemoryTokens(), deps)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(identity.TokenHandler(tokens, roles{time.Now}))
	t.Cleanup(srv.Close)
	a := &api{url: srv.URL}
	status, _, got := a.post(t, "/v1/token", map[string]string{
		"grant_type": identity.GrantTypeTokenExchange, "subject_token": is.Token(claims), "subject_token_type": identity.TokenTypeAccessToken,
		"audience": "clinic", "scope": "claims-etl",
	}, "")
	raw, _ := got["access_token"].(string)
	if status != http.StatusOK {
		t.Fatalf("status %d: %v", status, got)
	}
	p, binding, err := tokens.Authenticate(t.Context(), raw)
	if err != nil || binding.Role != "claims-etl" || p.Authn.Via == nil || p.Authn.Via.Method != identity.MethodOIDC {
		t.Errorf("the gateway token: %+v %+v %v", p.Authn, binding, err)
	}
	if status, _, got := a.post(t, "/v1/token/revoke", map[string]string{"token": raw}, ""); status != http.StatusOK {
		t.Errorf("revoke: status %d: %v", status, got)
	}
	_, _, err = tokens.Authenticate(t.Context(), raw)
	wantKind(t, err, sallyport.Unauthenticated)
}
