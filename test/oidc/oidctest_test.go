// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package oidctest_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	oidctest "github.com/sallyport-dev/sallyport/test/oidc"
)

// TestIssuer: the issuer answers discovery and makes the tokens it is asked for.
func TestIssuer(t *testing.T) {
	t.Parallel()
	is := oidctest.Start(t)
	tr := &http.Transport{DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, is.URL+"/.well-known/openid-configuration", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var doc map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil || doc["issuer"] != is.URL {
		t.Fatalf("discovery: %v %v", doc["issuer"], err)
	}
	raw := is.Token(map[string]any{"repository": "acme/claims"}, oidctest.WithAlgorithm("ES256"),
		oidctest.WithAudience("https://other.example"), oidctest.WithLifetime(90*time.Second))
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	var header, claims map[string]any
	for i, into := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatal(err)
		}
	}
	exp, _ := claims["exp"].(float64)
	iat, _ := claims["iat"].(float64)
	if header["alg"] != "ES256" || header["typ"] != "at+jwt" || claims["aud"] != "https://other.example" ||
		claims["repository"] != "acme/claims" || claims["sub"] != "ci" || exp-iat != 90 {
		t.Errorf("header %v, claims %v", header, claims)
	}
}
