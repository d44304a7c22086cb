// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/identity"
)

func compactOf(header, payload []byte) string {
	e := base64.RawURLEncoding
	return e.EncodeToString(header) + "." + e.EncodeToString(payload) + ".c2ln"
}

// FuzzParse: the parser never panics, accepts nothing that encoding/json reads
// otherwise, and never a document with a repeated name.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"alg":"RS256","typ":"JWT","kid":"k"}`), []byte(`{"iss":"https://a.example","aud":["x"],"exp":1.5e9,"act":{"sub":"a"}}`))
	f.Add([]byte(`{"alg":"none"}`), []byte(`{"a":1,"\u0061":2}`))
	f.Add([]byte(`{}`), []byte(`{"a":{"b":[{"c":null}]}}`))
	f.Add([]byte(`[]`), []byte("{\"a\":\"\xff\"}"))
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		gotHeader, gotPayload, err := identity.ParseForTest(compactOf(header, payload))
		if err != nil {
			return
		}
		for _, d := range []struct {
			raw []byte
			got map[string]any
		}{{header, gotHeader}, {payload, gotPayload}} {
			dec := json.NewDecoder(bytes.NewReader(d.raw))
			dec.UseNumber()
			var want map[string]any
			if err := dec.Decode(&want); err != nil {
				t.Fatalf("accepted what is not JSON: %v", err)
			}
			if diff := cmp.Diff(want, d.got); diff != "" {
				t.Errorf("(-encoding/json +ours):\n%s", diff)
			}
		}
	})
}

// FuzzRaw feeds whole tokens.
func FuzzRaw(f *testing.F) {
	f.Add(compactOf([]byte(`{"alg":"ES256"}`), []byte(`{"iss":"x"}`)))
	f.Add("a.b.c")
	f.Add("a.b.c.d.e")
	f.Add("e30.e30.\n")
	f.Fuzz(func(t *testing.T, raw string) {
		header, payload, err := identity.ParseForTest(raw)
		if err == nil && (header == nil || payload == nil || len(raw) > identity.MaxToken) {
			t.Error("accepted without a header or claims, or too large")
		}
	})
}

// FuzzKeySet: a published key set never panics and never gives a key that is
// not a sound public one.
func FuzzKeySet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if n, err := identity.ParseKeySetForTest(raw); err == nil && (n < 1 || n > 256) {
			t.Errorf("%d keys", n)
		}
	})
}

// FuzzAssertion: the claims of an assertion never panic, and none is accepted
// that lives too long, has ended, or names another target than its issuer.
func FuzzAssertion(f *testing.F) {
	const good = `{"iss":"claims-etl@clinic.sallyport","sub":"claims-etl@clinic.sallyport","aud":"https://gw.example/v1/token","iat":1700000000,"exp":1700003600}`
	f.Add([]byte(good))
	f.Add([]byte(`{"iss":"a@b.sallyport","aud":["https://oauth2.googleapis.com/token"],"iat":1700000000.5,"exp":17e8,"target_audience":"https://fn.example"}`))
	f.Add([]byte(`{"iss":"@.sallyport","aud":"","iat":0,"exp":0}`))
	f.Add([]byte(`{"iss":"a@b@c.sallyport","prn":1,"act":{}}`))
	now := time.Unix(1_700_000_010, 0)
	f.Fuzz(func(t *testing.T, payload []byte) {
		a, err := identity.ReadAssertionForTest(payload, now)
		if err != nil {
			return
		}
		end := a.Principal.Authn.Expires
		if !end.After(now.Add(-time.Minute)) || end.After(now.Add(time.Hour+time.Minute)) {
			t.Errorf("ends %v", end)
		}
		var c struct {
			Issuer string `json:"iss"`
		}
		if json.Unmarshal(payload, &c) != nil || c.Issuer != a.Target.Account() {
			t.Errorf("issuer %q is taken for %+v", c.Issuer, a.Target)
		}
	})
}

// FuzzTarget: a name that is accepted is written back as it was.
func FuzzTarget(f *testing.F) {
	f.Add("//sallyport/clinic/claims-etl")
	f.Add("claims-etl@clinic.sallyport")
	f.Add("//sallyport/a/b/c")
	f.Add("a@b@c.sallyport")
	f.Fuzz(func(t *testing.T, s string) {
		if g, ok := identity.ParseAudience(s); ok && g.Audience() != s {
			t.Errorf("audience %q became %q", s, g.Audience())
		}
		if g, ok := identity.ParseAccount(s); ok && g.Account() != s {
			t.Errorf("account %q became %q", s, g.Account())
		}
	})
}

// FuzzPublicKey: a public key of the configuration never panics, and none is
// accepted without an algorithm.
func FuzzPublicKey(f *testing.F) {
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if alg, err := identity.ParsePublicKeyForTest(raw); err == nil && alg != "RS256" && alg != "ES256" && alg != "EdDSA" {
			t.Errorf("algorithm %q", alg)
		}
	})
}

// FuzzBearer: of an ID token nothing but its last part counts, and only when
// that is a gateway token.
func FuzzBearer(f *testing.F) {
	id, err := identity.IDToken("spt_x", identity.IDClaims{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(id)
	f.Add(strings.TrimSuffix(id, "spt_x"))
	f.Add("spt_x")
	f.Add("a.b.spt_x")
	f.Fuzz(func(t *testing.T, raw string) {
		got := identity.UndressForTest(raw)
		if got != raw && (!strings.HasPrefix(got, "spt_") || !strings.HasSuffix(raw, "."+got)) {
			t.Errorf("%q became %q", raw, got)
		}
	})
}
