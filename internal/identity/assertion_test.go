// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

const (
	tokenURL = "https://gw.example/v1/token"
	account  = "claims-etl@clinic.sallyport"
)

func publicPEM(k crypto.Signer) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(k.Public()))}))
}

// withKeys gives the bench's configuration a key of each kind.
func (b *bench) withKeys(t *testing.T, change ...func(*identity.Config)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rsa.pem")
	if err := os.WriteFile(file, []byte(publicPEM(rsaKey())), 0o600); err != nil {
		t.Fatal(err)
	}
	key := func(id, public string) identity.Key {
		return identity.Key{
			ID: id, Principal: "key:etl", Kind: sallyport.ServiceAccount, Groups: []string{"etl", "ci"},
			Attributes: map[string]string{"team": "claims"}, PublicKey: public,
		}
	}
	b.cfg.Keys = []identity.Key{key("rsa", file), key("ec", publicPEM(ecKey())), key("ed", publicPEM(edKey()))}
	b.cfg.TokenURLs = []string{tokenURL}
	for _, f := range change {
		f(&b.cfg)
	}
	b.restart(t)
}

// assertion signs what a client signs with a key file, changed by over.
func (b *bench) assertion(t *testing.T, over map[string]any) string {
	t.Helper()
	return sign(t, rsaKey(), map[string]any{"alg": "RS256", "typ": "JWT", "kid": "rsa"}, b.assertionClaims(over))
}

func (b *bench) assertionClaims(over map[string]any) map[string]any {
	m := map[string]any{
		"iss": account, "aud": tokenURL, "scope": "https://www.googleapis.com/auth/cloud-platform",
		"iat": b.clock.Now().Unix() - 10, "exp": b.clock.Now().Unix() + 3590,
	}
	maps.Copy(m, over)
	for k, v := range over {
		if v == nil {
			delete(m, k)
		}
	}
	return m
}

func TestAssertion(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.withKeys(t)
	for kid, k := range map[string]struct {
		alg string
		key any
	}{"rsa": {"RS256", rsaKey()}, "ec": {"ES256", ecKey()}, "ed": {"EdDSA", edKey()}} {
		raw := sign(t, k.key, map[string]any{"alg": k.alg, "kid": kid}, b.assertionClaims(map[string]any{"sub": account, "target_audience": "https://fn.example"}))
		a, err := b.VerifyAssertion(t.Context(), raw, "https://elsewhere.example/v1/token")
		if err != nil {
			t.Fatalf("%s: %v", kid, err)
		}
		want := sallyport.Principal{
			ID: "key:etl", Kind: sallyport.ServiceAccount, Groups: []string{"ci", "etl"}, Attributes: map[string]string{"team": "claims"},
			Subject: sallyport.Subject{Issuer: identity.KeySubject, ID: kid},
		}
		want.Authn = sallyport.Authentication{
			Method: "key", TokenID: a.Principal.Authn.TokenID, KeyID: kid, Audience: tokenURL, At: b.clock.Now(), Expires: b.clock.Now().Add(3590 * time.Second),
		}
		if d := cmp.Diff(want, a.Principal); d != "" {
			t.Errorf("%s (-want +got):\n%s", kid, d)
		}
		if a.Target != (identity.Target{Resource: "clinic", Role: "claims-etl"}) || a.TargetAudience != "https://fn.example" {
			t.Errorf("%s: %+v", kid, a)
		}
		if d := cmp.Diff(evidence.Identity{Accepted: true, Principal: &want}, b.journal.last(t)); d != "" {
			t.Errorf("on record (-want +got):\n%s", d)
		}
	}
	if _, err := b.VerifyAssertion(t.Context(), b.assertion(t, map[string]any{"aud": "https://oauth2.googleapis.com/token"}), ""); err != nil {
		t.Errorf("Google's own audience: %v", err)
	}
	b.journal.setFail(true)
	_, err := b.VerifyAssertion(t.Context(), b.assertion(t, nil), "")
	wantKind(t, err, sallyport.Unavailable)
}

// TestAssertionRefused: everything but what a key's own client makes.
func TestAssertionRefused(t *testing.T) {
	t.Parallel()
	head := func(over map[string]any) map[string]any {
		m := map[string]any{"alg": "RS256", "typ": "JWT", "kid": "rsa"}
		maps.Copy(m, over)
		return m
	}
	for name, tt := range map[string]struct {
		make func(*testing.T, *bench) string
		says string
	}{
		"nothing": {func(*testing.T, *bench) string { return "" }, "no token"},
		"no JWT":  {func(*testing.T, *bench) string { return "a.b" }, "not a JSON Web Token"},
		"unknown kid": {func(t *testing.T, b *bench) string {
			return sign(t, rsaKey(), head(map[string]any{"kid": "x"}), b.assertionClaims(nil))
		}, "not one that this gateway knows"},
		"no kid": {func(t *testing.T, b *bench) string {
			return sign(t, rsaKey(), map[string]any{"alg": "RS256"}, b.assertionClaims(nil))
		}, "not one that this gateway knows"},
		"other key": {func(t *testing.T, b *bench) string { return sign(t, otherRSA(), head(nil), b.assertionClaims(nil)) }, "signature"},
		"none": {func(t *testing.T, b *bench) string {
			return sign(t, nil, head(map[string]any{"alg": "none"}), b.assertionClaims(nil)) + "AA"
		}, "algorithm"},
		"HMAC": {func(t *testing.T, b *bench) string {
			return sign(t, []byte(publicPEM(rsaKey())), head(map[string]any{"alg": "HS256"}), b.assertionClaims(nil))
		}, "algorithm"},
		"PS256": {func(t *testing.T, b *bench) string {
			return sign(t, rsaKey(), head(map[string]any{"alg": "PS256"}), b.assertionClaims(nil))
		}, "algorithm"},
		"own key": {func(t *testing.T, b *bench) string {
			return sign(t, rsaKey(), head(map[string]any{"jwk": map[string]any{}}), b.assertionClaims(nil))
		}, "brings its own key"},
		"crit": {func(t *testing.T, b *bench) string {
			return sign(t, rsaKey(), head(map[string]any{"crit": []string{"x"}}), b.assertionClaims(nil))
		}, "extension"},
		"access token": {func(t *testing.T, b *bench) string {
			return sign(t, rsaKey(), head(map[string]any{"typ": "at+jwt"}), b.assertionClaims(nil))
		}, "typ"},
		"issuer's": {func(t *testing.T, b *bench) string { return b.is.token(t, b.clock, nil) }, "not one that this gateway knows"},
		"iss": {func(t *testing.T, b *bench) string {
			return b.assertion(t, map[string]any{"iss": "etl@project.iam.gserviceaccount.com"})
		}, "does not name a role and a resource"},
		"no iss": {func(t *testing.T, b *bench) string { return b.assertion(t, map[string]any{"iss": nil}) }, "does not name"},
		"sub": {func(t *testing.T, b *bench) string {
			return b.assertion(t, map[string]any{"sub": "admin@clinic.sallyport"})
		}, "speaks for somebody else"},
		"prn": {func(t *testing.T, b *bench) string { return b.assertion(t, map[string]any{"sub": account, "prn": 7}) }, "speaks for somebody else"},
		"act": {func(t *testing.T, b *bench) string {
			return b.assertion(t, map[string]any{"act": map[string]any{"sub": "x"}})
		}, "not supported (act)"},
		"aud": {func(t *testing.T, b *bench) string {
			return b.assertion(t, map[string]any{"aud": "https://other.example/v1/token"})
		}, "(aud)"},
		"two auds": {func(t *testing.T, b *bench) string {
			return b.assertion(t, map[string]any{"aud": []string{tokenURL, "https://other.example"}})
		}, "audience has more than 1"},
		"no aud": {func(t *testing.T, b *bench) string { return b.assertion(t, map[string]any{"aud": nil}) }, "(aud)"},
		"no exp": {func(t *testing.T, b *bench) string { return b.assertion(t, map[string]any{"exp": nil}) }, "(exp)"},
		"no iat": {func(t *testing.T, b *bench) string { return b.assertion(t, map[string]any{"iat": nil}) }, "(iat)"},
		"too long": {func(t *testing.T, b *bench) string {
			return b.assertion(t, map[string]any{"exp": b.clock.Now().Unix() + 3591})
		}, "lives longer"},
		"over": {func(t *testing.T, b *bench) string {
			raw := b.assertion(t, nil)
			b.clock.add(2 * time.Hour)
			return raw
		}, "expired"},
		"future": {func(t *testing.T, b *bench) string {
			return b.assertion(t, map[string]any{"iat": b.clock.Now().Unix() + 60})
		}, "future"},
		"target": {func(t *testing.T, b *bench) string {
			return b.assertion(t, map[string]any{"target_audience": strings.Repeat("x", 3000)})
		}, "target_audience"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.withKeys(t)
			_, err := b.VerifyAssertion(t.Context(), tt.make(t, b), tokenURL)
			wantKind(t, err, sallyport.Unauthenticated)
			msg, hint := sallyport.Public(err)
			if !strings.Contains(msg, tt.says) || hint == "" {
				t.Errorf("%q (hint %q), want %q", msg, hint, tt.says)
			}
			if e := b.journal.last(t); e.Accepted || e.Reason != msg {
				t.Errorf("on record: %+v", e)
			}
		})
	}
}

func TestKeyExpires(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	end := b.clock.Now().Add(5 * time.Minute)
	b.withKeys(t, func(c *identity.Config) { c.Keys[0].Expires = end.Format(time.RFC3339) })
	a, err := b.VerifyAssertion(t.Context(), b.assertion(t, nil), "")
	if err != nil || !a.Principal.Authn.Expires.Equal(end) {
		t.Fatalf("ends %v, want %v: %v", a.Principal.Authn.Expires, end, err)
	}
	b.clock.add(5 * time.Minute)
	_, err = b.VerifyAssertion(t.Context(), b.assertion(t, nil), "")
	wantKind(t, err, sallyport.Unauthenticated)
	if e := b.journal.last(t); e.Principal == nil || e.Principal.ID != "key:etl" {
		t.Errorf("who tried is not on record: %+v", e)
	}
}

func TestKeyUnreadable(t *testing.T) {
	t.Parallel()
	small := pemOf([]byte("x"))
	for name, public := range map[string]string{
		"no file": filepath.Join(t.TempDir(), "none.pem"), "certificate": string(small), "two": publicPEM(ecKey()) + publicPEM(ecKey()),
		"P-384": publicPEM(ec384()), "malformed": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
	} {
		b := newBench(t)
		b.cfg.Keys = []identity.Key{{ID: "k", Principal: "key:k", Kind: sallyport.ServiceAccount, PublicKey: public}}
		_, err := identity.New(t.Context(), b.cfg, b.deps)
		if sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeyProblems(t *testing.T) {
	t.Parallel()
	good := func() identity.Config {
		return identity.Config{
			Keys: []identity.Key{
				{ID: "a", Principal: "key:a", Kind: sallyport.ServiceAccount, Groups: []string{"x", "y"}, PublicKey: "a.pem", Expires: "2027-01-31"},
				{ID: "b", Principal: "key:a", Kind: sallyport.ServiceAccount, Groups: []string{"y", "x"}, PublicKey: "b.pem"},
			},
			TokenURLs: []string{tokenURL},
		}
	}
	if p := good().Validate(); len(p) != 0 {
		t.Fatalf("keys alone: %v", p)
	}
	is := identity.Issuer{
		Name: "a", URL: "https://a.example", Audiences: []string{"g"}, Algorithms: []string{"RS256"},
		Map: []identity.Rule{{Principal: "key:{sub}", Kind: sallyport.CIJob}},
	}
	for want, spoil := range map[string]func(*identity.Config){
		"keys[1].id: \"a\" is used twice":  func(c *identity.Config) { c.Keys[1].ID = "a" },
		"keys[0].id: want":                 func(c *identity.Config) { c.Keys[0].ID = "../a" },
		"keys[0].principal: want":          func(c *identity.Config) { c.Keys[0].Principal = "key:{x}" },
		"keys[0].kind":                     func(c *identity.Config) { c.Keys[0].Kind = "robot" },
		"keys[0].groups":                   func(c *identity.Config) { c.Keys[0].Groups = []string{""} },
		"keys[0].attributes":               func(c *identity.Config) { c.Keys[0].Attributes = map[string]string{"a": "\n"} },
		"keys[0].public_key: missing":      func(c *identity.Config) { c.Keys[0].PublicKey = "" },
		"keys[0].expires: want a day":      func(c *identity.Config) { c.Keys[0].Expires = "tomorrow" },
		"keys[1].principal: keys[0] has":   func(c *identity.Config) { c.Keys[1].Groups = []string{"x"} },
		"issuers[0].map[0], \"key:{sub}\"": func(c *identity.Config) { c.Issuers = []identity.Issuer{is} },
		"token_urls[0]":                    func(c *identity.Config) { c.TokenURLs = []string{"http://gw.example/v1/token"} },
	} {
		c := good()
		spoil(&c)
		found := false
		for _, p := range c.Validate() {
			found = found || strings.Contains(p.Error(), want)
		}
		if !found {
			t.Errorf("no problem %q in %v", want, c.Validate())
		}
	}
}

// TestGrantJWTBearer takes an assertion over the wire, and the token that comes
// back in both of its forms.
func TestGrantJWTBearer(t *testing.T) {
	t.Parallel()
	a := newAPIWithKeys(t)
	form := map[string]string{"grant_type": identity.GrantTypeJWTBearer, "assertion": a.assertion(t, map[string]any{"aud": a.url + "/v1/token"})}
	status, _, got := a.post(t, "/v1/token", form, "")
	if status != http.StatusOK || got["expires_in"] != 300.0 || got["token_type"] != "Bearer" || got["scope"] != "claims-etl" {
		t.Fatalf("status %d: %v", status, got)
	}
	raw, _ := got["access_token"].(string)
	id, _ := got["id_token"].(string)
	parts := strings.Split(id, ".")
	if len(parts) != 3 || parts[2] != raw {
		t.Fatalf("the ID token has %d parts", len(parts))
	}
	var head, claims map[string]any
	for i, into := range []*map[string]any{&head, &claims} {
		if err := json.Unmarshal(must(base64.RawURLEncoding.DecodeString(parts[i])), into); err != nil {
			t.Fatal(err)
		}
	}
	now := a.clock.Now().Unix()
	want := map[string]any{
		"iss": a.url, "sub": "key:etl", "aud": "//sallyport/clinic/claims-etl", "email": account, "iat": float64(now), "exp": float64(now + 300),
	}
	if d := cmp.Diff(want, claims); d != "" || head["alg"] != "spt" || head["typ"] != "JWT" {
		t.Errorf("head %v, claims (-want +got):\n%s", head, d)
	}
	for _, form := range []string{raw, id} {
		p, binding, err := a.tokens.Authenticate(t.Context(), form)
		if err != nil || p.ID != "key:etl" || p.Authn.Via == nil || p.Authn.Via.Method != "key" || binding.Resource != "clinic" || binding.Role != "claims-etl" {
			t.Errorf("the token is good for %v %v: %v", p, binding, err)
		}
		if status, _, got := a.post(t, "/v1/introspect", map[string]string{"token": form}, ""); status != 200 || got["active"] != true {
			t.Errorf("introspection: status %d, %v", status, got)
		}
	}
	if d := cmp.Diff([]evidence.Token{{
		Action: "issued", TokenID: a.journal.tokens[0].TokenID, Principal: "key:etl", Resource: "clinic", Role: "claims-etl", Grant: "g-1",
		Expires: a.clock.Now().Add(5 * time.Minute), By: "key:etl",
	}}, a.journal.tokens); d != "" {
		t.Errorf("on record (-want +got):\n%s", d)
	}
	// An ID token opens nothing that the token in it does not.
	if status, _, _ := a.post(t, "/v1/token/revoke", map[string]string{"token": id}, ""); status != http.StatusOK {
		t.Errorf("revocation: status %d", status)
	}
	_, _, err := a.tokens.Authenticate(t.Context(), id)
	wantKind(t, err, sallyport.Unauthenticated)
	_, _, err = a.tokens.Authenticate(t.Context(), parts[0]+"."+parts[1]+".")
	wantKind(t, err, sallyport.Unauthenticated)
}

func TestGrantJWTBearerRefuses(t *testing.T) {
	t.Parallel()
	a := newAPIWithKeys(t)
	for name, tt := range map[string]struct {
		over   map[string]any
		form   map[string]string
		status int
		code   string
		says   string
	}{
		"nothing":   {nil, map[string]string{"assertion": ""}, 400, "invalid_request", "assertion is missing"},
		"malformed": {nil, map[string]string{"assertion": "x"}, 400, "invalid_grant", "not a JSON Web Token"},
		"too large": {nil, map[string]string{"assertion": strings.Repeat("x", 17<<10)}, 400, "invalid_grant", "larger than"},
		"audience":  {map[string]any{"aud": "https://evil.example/v1/token"}, nil, 400, "invalid_grant", "token_uri"},
		"denied":    {map[string]any{"iss": "admin@clinic.sallyport"}, nil, 400, "invalid_target", "no policy permits"},
		"held":      {map[string]any{"iss": "held@clinic.sallyport"}, nil, 400, "authorization_pending", "r-42"},
		"unknown":   {map[string]any{"iss": "claims-etl@other.sallyport"}, nil, 400, "invalid_target", "no such resource"},
	} {
		over := map[string]any{"aud": a.url + "/v1/token"}
		maps.Copy(over, tt.over)
		form := map[string]string{"grant_type": identity.GrantTypeJWTBearer, "assertion": a.assertion(t, over)}
		maps.Copy(form, tt.form)
		status, _, got := a.post(t, "/v1/token", form, "")
		description, _ := got["error_description"].(string)
		if status != tt.status || got["error"] != tt.code || !strings.Contains(description, tt.says) {
			t.Errorf("%s: status %d %v %q, want %d %v %q", name, status, got["error"], description, tt.status, tt.code, tt.says)
		}
	}
}

// newAPIWithKeys is newAPI with keys and no token_urls: an assertion is then
// for where it was sent to.
func newAPIWithKeys(t *testing.T) *api {
	t.Helper()
	b := newTokenBench(t)
	b.withKeys(t, func(c *identity.Config) { c.TokenURLs = nil })
	ts, err := identity.NewTokens(identity.TokenConfig{}, b.Verifier, b.store, b.deps)
	if err != nil {
		t.Fatal(err)
	}
	b.tokens = ts
	return serveAPI(t, b)
}

// TestExchangeAsGoogleClients sends what gcloud sends: the file's audience,
// Google's scopes, a client id that everybody knows, a token with its line's end.
func TestExchangeAsGoogleClients(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	form := a.form(t, map[string]string{
		"audience": "//sallyport/clinic/claims-etl", "scope": "openid https://www.googleapis.com/auth/cloud-platform",
		"requested_token_type": identity.TokenTypeAccessToken, "subject_token_type": identity.TokenTypeIDToken,
		"subject_token": a.is.token(t, a.clock, nil) + "\n", "actor_token": "",
	})
	status, _, got := a.post(t, "/v1/token", form, "")
	if status != http.StatusOK || got["scope"] != "claims-etl" {
		t.Fatalf("status %d: %v", status, got)
	}
	raw, _ := got["access_token"].(string)
	if _, b, err := a.tokens.Authenticate(t.Context(), raw); err != nil || b.Resource != "clinic" || b.Role != "claims-etl" {
		t.Errorf("good for %v: %v", b, err)
	}
	for _, audience := range []string{
		"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x", "//sallyport/clinic", "//sallyport/clinic/", "//sallyport//claims-etl",
		"//sallyport/clinic/claims-etl/x", "//sallyport/clinic/claims etl", "//sallyport/CLINIC/claims-etl",
	} {
		status, _, got := a.post(t, "/v1/token", a.form(t, map[string]string{"audience": audience}), "")
		if description, _ := got["error_description"].(string); status != 400 || got["error"] != "invalid_target" || !strings.Contains(description, "//sallyport/RESOURCE/ROLE") {
			t.Errorf("%s: status %d: %v", audience, status, got)
		}
	}
}

func TestIntrospectHeld(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	raw, info := a.issue(t)
	want := map[string]any{
		"active": true, "scope": "claims-etl", "token_type": "Bearer", "sub": "ci:acme/claims", "aud": "clinic", "username": account, "iss": a.url,
		"iat": float64(info.IssuedAt.Unix()), "exp": float64(info.NotAfter.Unix()), "jti": info.ID, "principal_kind": "ci-job", "grant": "g-1",
	}
	for token, want := range map[string]map[string]any{
		raw: want, "spt_" + strings.Repeat("A", 43): {"active": false}, "x": {"active": false}, a.is.token(t, a.clock, nil): {"active": false},
	} {
		status, _, got := a.post(t, "/v1/introspect", map[string]string{"token": token, "token_type_hint": identity.TokenTypeAccessToken}, "")
		if d := cmp.Diff(want, got); status != 200 || d != "" {
			t.Errorf("status %d (-want +got):\n%s", status, d)
		}
	}
	if status, _, got := a.post(t, "/v1/introspect", nil, raw); status != 400 || got["error"] != "invalid_request" {
		t.Errorf("no token: status %d: %v", status, got)
	}
	if _, err := a.tokens.Revoke(t.Context(), identity.TokenFilter{ID: info.ID}, "x"); err != nil {
		t.Fatal(err)
	}
	if _, _, got := a.post(t, "/v1/introspect", map[string]string{"token": raw}, ""); len(got) != 1 || got["active"] != false {
		t.Errorf("a revoked one: %v", got)
	}
}
