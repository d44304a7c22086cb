// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"

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
