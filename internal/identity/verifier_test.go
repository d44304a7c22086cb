// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

func TestVerifyMapsToPrincipal(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	raw := b.is.token(t, b.clock, map[string]any{
		"act": map[string]any{"sub": "agent-7", "act": map[string]any{"sub": "scheduler", "iss": "https://other.example"}},
	})
	got, err := b.Verify(identity.WithClient(t.Context(), "192.0.2.7"), raw)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(raw))
	want := sallyport.Principal{
		ID: "ci:acme/claims", Kind: sallyport.CIJob, Groups: []string{"ci"},
		Attributes: map[string]string{"repository": "acme/claims", "run_id": "7123", "sha": "0badc0de"},
		Subject:    sallyport.Subject{Issuer: b.is.srv.URL, ID: "repo:acme/claims"},
		Delegation: []sallyport.Subject{{Issuer: b.is.srv.URL, ID: "agent-7"}, {Issuer: "https://other.example", ID: "scheduler"}},
		Authn: sallyport.Authentication{
			Method: "oidc", TokenID: hex.EncodeToString(sum[:])[:32], KeyID: "rsa-1", Audience: audience,
			At: b.clock.Now(), Expires: b.clock.Now().Add(10 * time.Minute),
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("principal (-want +got):\n%s", d)
	}
	e := b.journal.last(t)
	if !e.Accepted || e.Client != "192.0.2.7" {
		t.Errorf("journal: accepted %v, client %q", e.Accepted, e.Client)
	}
	if d := cmp.Diff(&want, e.Principal); d != "" {
		t.Errorf("journalled principal (-want +got):\n%s", d)
	}
}

// TestVerifyAccepts holds the tokens that must pass, so that the refusals below
// cannot pass for a wrong reason.
func TestVerifyAccepts(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(i *identity.Issuer) { i.Algorithms = append(i.Algorithms, "ES384") })
	now := b.clock.Now()
	header := func(alg, typ, kid string) map[string]any { return map[string]any{"alg": alg, "typ": typ, "kid": kid} }
	tests := map[string]string{
		"RS256":             b.is.token(t, b.clock, nil),
		"PS256":             sign(t, rsaKey(), header("PS256", "JWT", "rsa-1"), b.is.claims(b.clock, nil)),
		"ES256":             sign(t, ecKey(), header("ES256", "JWT", "ec-1"), b.is.claims(b.clock, nil)),
		"ES384":             sign(t, ec384(), header("ES384", "JWT", "ec-384"), b.is.claims(b.clock, nil)),
		"EdDSA":             sign(t, edKey(), header("EdDSA", "JWT", "ed-1"), b.is.claims(b.clock, nil)),
		"at+jwt":            sign(t, rsaKey(), header("RS256", "AT+JWT", "rsa-1"), b.is.claims(b.clock, nil)),
		"application/...":   sign(t, rsaKey(), header("RS256", "application/at+jwt", "rsa-1"), b.is.claims(b.clock, nil)),
		"no kid, one key":   sign(t, ecKey(), map[string]any{"alg": "ES256", "typ": "JWT"}, b.is.claims(b.clock, nil)),
		"8 KiB":             b.is.token(t, b.clock, map[string]any{"padding": strings.Repeat("x", 6000)}),
		"iat within skew":   b.is.token(t, b.clock, map[string]any{"iat": now.Add(29 * time.Second).Unix()}),
		"nbf within skew":   b.is.token(t, b.clock, map[string]any{"nbf": now.Add(29 * time.Second).Unix()}),
		"exp within skew":   b.is.token(t, b.clock, map[string]any{"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(-29 * time.Second).Unix()}),
		"fractional dates":  b.is.token(t, b.clock, map[string]any{"exp": float64(now.Unix()) + 60.5}),
		"two aud with azp":  b.is.token(t, b.clock, map[string]any{"aud": []string{"other", audience}, "azp": audience}),
		"one aud, any azp":  b.is.token(t, b.clock, map[string]any{"aud": []string{audience}, "azp": "1234"}),
		"x5t is no concern": sign(t, rsaKey(), map[string]any{"alg": "RS256", "typ": "JWT", "kid": "rsa-1", "x5t": "abc"}, b.is.claims(b.clock, nil)),
	}
	for name, raw := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := b.Verify(t.Context(), raw); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.is.keys = append(b.is.keys, jose.JSONWebKey{Key: otherRSA().Public(), KeyID: "rsa-only", Algorithm: "RS256"})
	other := newIssuer(t)
	other.keys = []jose.JSONWebKey{{Key: otherRSA().Public(), KeyID: "foreign"}}
	now := b.clock.Now()
	std := map[string]any{"alg": "RS256", "typ": "JWT", "kid": "rsa-1"}
	with := func(over map[string]any) map[string]any {
		h := map[string]any{"alg": "RS256", "typ": "JWT", "kid": "rsa-1"}
		for k, v := range over {
			if h[k] = v; v == nil {
				delete(h, k)
			}
		}
		return h
	}
	plain := func(over map[string]any) map[string]any { return b.is.claims(b.clock, over) }
	claim := func(over map[string]any) string { return b.is.token(t, b.clock, over) }
	hdr := func(over map[string]any) string { return sign(t, rsaKey(), with(over), plain(nil)) }
	payload := string(must(json.Marshal(plain(nil))))
	good := claim(nil)
	pubPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(rsaKey().Public()))})
	embedded := must(json.Marshal(jose.JSONWebKey{Key: otherRSA().Public(), KeyID: "rsa-1"}))
	nested := func(n int) (act map[string]any) {
		for range n {
			act = map[string]any{"sub": "a", "act": act}
			if act["act"].(map[string]any) == nil {
				delete(act, "act")
			}
		}
		return act
	}

	tests := map[string]struct{ raw, why string }{
		"nothing":                 {"", "no token was presented"},
		"not a token":             {"hello", "not a JSON Web Token"},
		"17 KiB":                  {claim(map[string]any{"padding": strings.Repeat("x", 13000)}), "larger than"},
		"encrypted":               {"a.b.c.d.e", "encrypted"},
		"padding":                 {good + "=", "base64url"},
		"line break":              {good[:20] + "\n" + good[20:], "base64url"},
		"second object":           {signRaw(t, rsaKey(), "RS256", string(must(json.Marshal(std))), payload+"{}"), "valid JSON"},
		"array":                   {signRaw(t, rsaKey(), "RS256", string(must(json.Marshal(std))), "[]"), "not a JSON object"},
		"not UTF-8":               {signRaw(t, rsaKey(), "RS256", string(must(json.Marshal(std))), "{\"a\":\"\xff\"}"), "UTF-8"},
		"deep":                    {signRaw(t, rsaKey(), "RS256", string(must(json.Marshal(std))), `{"a":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+"}"), "nested"},
		"many members":            {signRaw(t, rsaKey(), "RS256", string(must(json.Marshal(std))), `{"a":[0`+strings.Repeat(",0", 1200)+"]}"), "members"},
		"duplicate claim":         {signRaw(t, rsaKey(), "RS256", string(must(json.Marshal(std))), strings.Replace(payload, "{", `{"sub":"root",`, 1)), "twice"},
		"duplicate by escape":     {signRaw(t, rsaKey(), "RS256", string(must(json.Marshal(std))), strings.Replace(payload, "{", `{"\u0073ub":"root",`, 1)), "twice"},
		"duplicate nested":        {signRaw(t, rsaKey(), "RS256", string(must(json.Marshal(std))), strings.Replace(payload, "{", `{"x":{"a":1,"a":2},`, 1)), "twice"},
		"duplicate header":        {signRaw(t, rsaKey(), "RS256", `{"alg":"RS256","alg":"none","typ":"JWT","kid":"rsa-1"}`, payload), "twice"},
		"no signature":            {good[:strings.LastIndex(good, ".")+1], "signature is missing"},
		"alg none":                {sign(t, nil, with(map[string]any{"alg": "none"}), plain(nil)) + "AA", "algorithm"},
		"alg NonE":                {sign(t, nil, with(map[string]any{"alg": "NonE"}), plain(nil)) + "AA", "algorithm"},
		"alg missing":             {hdr(map[string]any{"alg": nil}), "algorithm"},
		"HS256 with public key":   {sign(t, pubPEM, with(map[string]any{"alg": "HS256"}), plain(nil)), "algorithm"},
		"alg not of the issuer":   {hdr(map[string]any{"alg": "RS512"}), "algorithm"},
		"alg not of the key":      {sign(t, rsaKey(), with(map[string]any{"kid": "ec-1"}), plain(nil)), "not one for the token's algorithm"},
		"alg against the JWK":     {sign(t, ec384(), map[string]any{"alg": "ES256", "typ": "JWT", "kid": "ec-384"}, plain(nil)), "not one for the token's algorithm"},
		"PS256 with an RS256 key": {sign(t, rsaKey(), with(map[string]any{"alg": "PS256", "kid": "rsa-only"}), plain(nil)), "not one for the token's algorithm"},
		"stray bits in signature": {strayBits(good), "base64url"},
		"embedded key":            {sign(t, otherRSA(), with(map[string]any{"jwk": json.RawMessage(embedded)}), plain(nil)), "its own key"},
		"jku":                     {sign(t, otherRSA(), with(map[string]any{"jku": other.srv.URL + "/jwks"}), plain(nil)), "its own key"},
		"x5u":                     {sign(t, otherRSA(), with(map[string]any{"x5u": other.srv.URL + "/jwks"}), plain(nil)), "its own key"},
		"crit":                    {hdr(map[string]any{"crit": []string{"exp"}}), "extension"},
		"b64":                     {hdr(map[string]any{"b64": false}), "extension"},
		"typ other":               {hdr(map[string]any{"typ": "logout+jwt"}), "type"},
		"typ missing":             {hdr(map[string]any{"typ": nil}), "type"},
		"typ a number":            {hdr(map[string]any{"typ": 1}), "type"},
		"kid a number":            {hdr(map[string]any{"kid": 1}), "key id"},
		"kid with control":        {hdr(map[string]any{"kid": "rsa-1\x00"}), "key id"},
		"kid of another issuer":   {sign(t, otherRSA(), with(map[string]any{"kid": "foreign"}), plain(nil)), "does not publish"},
		"kid unknown":             {hdr(map[string]any{"kid": "rsa-2"}), "does not publish"},
		"other's key, our kid":    {sign(t, otherRSA(), std, plain(nil)), "signature is not"},
		"claims changed":          {tampered(good, payload), "signature is not"},
		"issuer unknown":          {claim(map[string]any{"iss": "https://evil.example"}), "issuer is not one"},
		"issuer with slash":       {claim(map[string]any{"iss": b.is.srv.URL + "/"}), "issuer is not one"},
		"issuer in other case":    {claim(map[string]any{"iss": strings.ToUpper(b.is.srv.URL)}), "issuer is not one"},
		"issuer missing":          {claim(map[string]any{"iss": nil, "ISS": b.is.srv.URL}), "issuer is not one"},
		"subject missing":         {claim(map[string]any{"sub": nil}), "subject"},
		"subject with control":    {claim(map[string]any{"sub": "a\x1bb"}), "subject"},
		"expired":                 {claim(map[string]any{"iat": now.Add(-time.Hour).Unix(), "exp": now.Add(-31 * time.Second).Unix()}), "expired"},
		"exp missing":             {claim(map[string]any{"exp": nil}), "expire"},
		"exp a string":            {claim(map[string]any{"exp": "9999999999"}), "exp"},
		"exp beyond dates":        {claim(map[string]any{"exp": 1e300}), "date"},
		"iat missing":             {claim(map[string]any{"iat": nil}), "iat"},
		"iat in the future":       {claim(map[string]any{"iat": now.Add(31 * time.Second).Unix()}), "issued in the future"},
		"nbf in the future":       {claim(map[string]any{"nbf": now.Add(31 * time.Second).Unix()}), "not valid yet"},
		"lives too long":          {claim(map[string]any{"exp": now.Add(time.Hour + time.Second).Unix()}), "lives longer"},
		"exp before iat":          {claim(map[string]any{"iat": now.Add(20 * time.Second).Unix(), "exp": now.Add(10 * time.Second).Unix()}), "before it was issued"},
		"aud other":               {claim(map[string]any{"aud": "https://other.example"}), "not made out"},
		"aud missing":             {claim(map[string]any{"aud": nil}), "not made out"},
		"aud prefix":              {claim(map[string]any{"aud": audience + "/"}), "not made out"},
		"aud a number":            {claim(map[string]any{"aud": []any{audience, 1}}), "audience"},
		"two aud, no azp":         {claim(map[string]any{"aud": []string{"other", audience}}), "azp"},
		"two aud, azp other":      {claim(map[string]any{"aud": []string{"other", audience}, "azp": "other"}), "azp"},
		"azp a list":              {claim(map[string]any{"azp": []string{audience}}), "azp"},
		"bound to a key":          {claim(map[string]any{"cnf": map[string]any{"jkt": "x"}}), "cnf"},
		"act malformed":           {claim(map[string]any{"act": "agent"}), "actors"},
		"act without sub":         {claim(map[string]any{"act": map[string]any{"iss": "x"}}), "actor"},
		"act too deep":            {claim(map[string]any{"act": nested(9)}), "longer than"},
		"no rule":                 {claim(map[string]any{"repository_owner": "evil"}), "no rule"},
		"condition on a list":     {claim(map[string]any{"repository_owner": []string{"acme"}}), "no rule"},
		"template claim missing":  {claim(map[string]any{"repository": nil}), "no claim"},
		"template claim control":  {claim(map[string]any{"repository": "acme/\nx"}), "control character"},
		"template claim bidi":     {claim(map[string]any{"repository": "acme/\u202ex"}), "control character"},
		"template claim long":     {claim(map[string]any{"repository": strings.Repeat("r", 257)}), "longer than"},
		"attribute with control":  {claim(map[string]any{"sha": "a\tb"}), "control character"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := b.Verify(t.Context(), tt.raw)
			if err == nil {
				t.Fatal("accepted")
			}
			if k := sallyport.KindOf(err); k != sallyport.Unauthenticated {
				t.Errorf("kind %v, want unauthenticated: %v", k, err)
			}
			msg, hint := sallyport.Public(err)
			if !strings.Contains(msg, tt.why) {
				t.Errorf("message %q does not say %q", msg, tt.why)
			}
			if hint == "" {
				t.Error("no hint")
			}
			for _, part := range strings.Split(tt.raw, ".") {
				if len(part) > 8 && strings.Contains(err.Error(), part) {
					t.Error("the error holds a part of the token")
				}
			}
		})
	}
	t.Cleanup(func() {
		if n := other.jwksHits.Load(); n != 0 {
			t.Errorf("a token's header made the gateway fetch keys %d times", n)
		}
	})
}

// strayBits changes the bits of the last character that encode nothing, so that
// the same signature has another text.
func strayBits(raw string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(raw) - 1
	return raw[:last] + string(alphabet[strings.IndexByte(alphabet, raw[last])+1])
}

// tampered puts other claims under a good signature.
func tampered(good, payload string) string {
	p := strings.Split(good, ".")
	changed := strings.Replace(payload, "acme/claims", "acme/secret", 1)
	return p[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(changed)) + "." + p[2]
}

// TestWeakKeyRefused signs with 1024 bits, which the standard library would let
// pass under this setting, so that the refusal is ours.
func TestWeakKeyRefused(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	b.is.set(func(i *issuer) { i.keys = append(i.keys, jose.JSONWebKey{Key: weak.Public(), KeyID: "weak"}) })
	raw := sign(t, weak, map[string]any{"alg": "RS256", "typ": "JWT", "kid": "weak"}, b.is.claims(b.clock, nil))
	if _, err := b.Verify(t.Context(), raw); sallyport.KindOf(err) != sallyport.Unauthenticated || err == nil {
		t.Errorf("a 1024-bit key: %v", err)
	}
	if _, err := b.Verify(t.Context(), b.is.token(t, b.clock, nil)); err != nil {
		t.Errorf("the good key beside it: %v", err)
	}
}

func TestEncryptionKeyRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.is.keys = []jose.JSONWebKey{{Key: rsaKey().Public(), KeyID: "rsa-1", Use: "enc"}}
	if _, err := b.Verify(t.Context(), b.is.token(t, b.clock, nil)); err == nil {
		t.Error("a key published for encryption verified a signature")
	}
}

func TestNoKidWithSeveralKeys(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.is.keys = append(b.is.keys, jose.JSONWebKey{Key: otherRSA().Public(), KeyID: "rsa-2"})
	raw := sign(t, rsaKey(), map[string]any{"alg": "RS256", "typ": "JWT"}, b.is.claims(b.clock, nil))
	_, err := b.Verify(t.Context(), raw)
	if msg, _ := sallyport.Public(err); !strings.Contains(msg, "names no key") {
		t.Errorf("got %v", err)
	}
}

// TestClockSetBack: a token that was good is from the future once the gateway's
// clock is set back, and is refused rather than trusted for longer.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	raw := b.is.token(t, b.clock, nil)
	if _, err := b.Verify(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	b.clock.add(-time.Hour)
	if _, err := b.Verify(t.Context(), raw); err == nil {
		t.Error("accepted a token from the future")
	}
}

func TestAuthorizedParties(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(i *identity.Issuer) { i.AuthorizedParties = []string{"svc-etl"} })
	if _, err := b.Verify(t.Context(), b.is.token(t, b.clock, map[string]any{"azp": "svc-etl"})); err != nil {
		t.Error(err)
	}
	for _, azp := range []any{nil, "", "svc-other"} {
		if _, err := b.Verify(t.Context(), b.is.token(t, b.clock, map[string]any{"azp": azp})); err == nil {
			t.Errorf("azp %v accepted", azp)
		}
	}
}

func TestKubernetesTokenWithoutType(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(i *identity.Issuer) { i.TokenTypes = []string{""} })
	k8s := map[string]any{"namespace": "etl", "serviceaccount": map[string]any{"name": "loader", "uid": "u-1"}}
	raw := sign(t, rsaKey(), map[string]any{"alg": "RS256", "kid": "rsa-1"},
		b.is.claims(b.clock, map[string]any{"repository_owner": nil, "kubernetes.io": k8s, "groups": []string{"b", "a", "b"}}))
	p, err := b.Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if p.ID != "k8s:etl:loader" || p.Kind != sallyport.ServiceAccount {
		t.Errorf("got %v %v", p.ID, p.Kind)
	}
	if d := cmp.Diff([]string{"a", "b"}, p.Groups); d != "" {
		t.Errorf("groups (-want +got):\n%s", d)
	}
	if _, err := b.Verify(t.Context(), b.is.token(t, b.clock, nil)); err == nil {
		t.Error("a token with a type was accepted of an issuer that makes none")
	}
}

// TestGroups: groups come from a token only where the rule names the claim, and
// only if they are all there.
func TestGroups(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(i *identity.Issuer) {
		i.Map = []identity.Rule{{Principal: "svc:{sub}", Kind: sallyport.Human, Groups: []string{"staff"}, GroupsClaim: "groups"}}
	})
	tests := map[string]struct {
		over map[string]any
		want []string
		why  string
	}{
		"list":      {map[string]any{"groups": []string{"b", "a"}}, []string{"a", "b", "staff"}, ""},
		"one":       {map[string]any{"groups": "a"}, []string{"a", "staff"}, ""},
		"none":      {map[string]any{"groups": nil}, []string{"staff"}, ""},
		"elsewhere": {map[string]any{"groups": nil, "_claim_names": map[string]any{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "https://evil.example"}}}, nil, "points elsewhere"},
		"number":    {map[string]any{"groups": []any{"a", 1}}, nil, "other than text"},
		"control":   {map[string]any{"groups": []any{"a\x00"}}, nil, "control character"},
		"object":    {map[string]any{"groups": map[string]any{"a": true}}, nil, "neither text"},
		"too many":  {map[string]any{"groups": strings.Split(strings.Repeat("g,", 300)+"g", ",")}, nil, "more than"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := b.Verify(t.Context(), b.is.token(t, b.clock, tt.over))
			if msg, _ := sallyport.Public(err); err != nil && (tt.why == "" || !strings.Contains(msg, tt.why)) {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, p.Groups); d != "" {
				t.Errorf("groups (-want +got):\n%s", d)
			}
		})
	}
}

// TestAmbiguousNames: two different claims must not make one principal.
func TestAmbiguousNames(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(i *identity.Issuer) {
		i.Map = []identity.Rule{{Principal: "ci:{org}/{repo}", Kind: sallyport.CIJob}}
	})
	if _, err := b.Verify(t.Context(), b.is.token(t, b.clock, map[string]any{"org": "a", "repo": "b/c"})); err != nil {
		t.Error(err)
	}
	if _, err := b.Verify(t.Context(), b.is.token(t, b.clock, map[string]any{"org": "a/b", "repo": "c"})); err == nil {
		t.Error("ci:a/b/c was made of two different pairs")
	}
}

func TestFirstRuleWins(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(i *identity.Issuer) {
		i.Map = []identity.Rule{
			{When: map[string]identity.Values{"protected": {"true"}, "run_id": {"1", "2"}}, Principal: "ci:one", Kind: sallyport.CIJob},
			{When: map[string]identity.Values{"protected": {"true"}}, Principal: "ci:two", Kind: sallyport.CIJob},
		}
	})
	for _, tt := range []struct {
		over map[string]any
		want sallyport.PrincipalID
	}{
		{map[string]any{"protected": true, "run_id": 2}, "ci:one"},
		{map[string]any{"protected": "true", "run_id": 3}, "ci:two"},
		{map[string]any{"protected": true, "run_id": 1.5}, "ci:two"},
	} {
		p, err := b.Verify(t.Context(), b.is.token(t, b.clock, tt.over))
		if err != nil || p.ID != tt.want {
			t.Errorf("%v: got %q %v, want %q", tt.over, p.ID, err, tt.want)
		}
	}
}

// TestJournal: what is accepted and what is refused is written down, and what
// cannot be written down is refused.
func TestJournal(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	raw := b.is.token(t, b.clock, map[string]any{"repository_owner": "evil"})
	if _, err := b.Verify(t.Context(), raw); err == nil {
		t.Fatal("accepted")
	}
	e := b.journal.last(t)
	if e.Accepted || e.Reason == "" || e.Principal == nil || e.Principal.ID != "" || e.Principal.Subject.ID != "repo:acme/claims" {
		t.Errorf("a proved subject without a rule: %+v", e)
	}
	if _, err := b.Verify(t.Context(), sign(t, otherRSA(), map[string]any{"alg": "RS256", "typ": "JWT", "kid": "rsa-1"}, b.is.claims(b.clock, nil))); err == nil {
		t.Fatal("accepted")
	}
	if e := b.journal.last(t); e.Accepted || e.Principal != nil || e.Reason == "" {
		t.Errorf("an unproved subject is on record: %+v", e)
	}
	b.journal.setFail(true)
	for name, raw := range map[string]string{"good": b.is.token(t, b.clock, nil), "bad": "x"} {
		p, err := b.Verify(t.Context(), raw)
		if sallyport.KindOf(err) != sallyport.Unavailable || err == nil {
			t.Errorf("%s token with a failing journal: %v", name, err)
		}
		if d := cmp.Diff(sallyport.Principal{}, p); d != "" {
			t.Errorf("%s token: a principal came back: %s", name, d)
		}
	}
}
