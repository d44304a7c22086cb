// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/identity"
)

// recorded sends a request of testdata/clients with a token in its place. Those of
// google-auth for Python were recorded from the library, 2.39.0; those of Java's
// are composed as its source composes them, with versions that stand for any.
func (a *api) recorded(t *testing.T, name, placeholder, token string) (int, map[string]any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "clients", name+".http"))
	if err != nil {
		t.Fatal(err)
	}
	head, body, ok := strings.Cut(strings.TrimSuffix(string(b), "\n"), "\n\n")
	lines := strings.Split(head, "\n")
	method, rest, okLine := strings.Cut(lines[0], " ")
	path, _, _ := strings.Cut(rest, " ")
	if !ok || !okLine || !strings.Contains(body, placeholder) {
		t.Fatalf("%s is no request with %s in it", name, placeholder)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, a.url+path, strings.NewReader(strings.Replace(body, placeholder, token, 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines[1:] {
		k, v, _ := strings.Cut(line, ": ")
		req.Header.Set(k, v)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	err = json.NewDecoder(res.Body).Decode(&got)
	if cerr := res.Body.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	if kind := res.Header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("%s: the answer is %s", name, kind)
	}
	return res.StatusCode, got
}

// TestRecordedExchange: what the libraries for Python and Java send for files of
// the type external_account, and what they insist on in the answer.
func TestRecordedExchange(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, name := range []string{"python-google-auth", "java-google-auth"} {
		status, got := a.recorded(t, name, "{TOKEN}", a.is.token(t, a.clock, nil))
		if status != http.StatusOK {
			t.Errorf("%s: status %d: %v", name, status, got)
			continue
		}
		for _, text := range []string{"access_token", "issued_token_type", "token_type", "scope"} {
			if s, ok := got[text].(string); !ok || s == "" {
				t.Errorf("%s: %s is %v; it has to be a text", name, text, got[text])
			}
		}
		if n, ok := got["expires_in"].(float64); !ok || n != float64(int64(n)) || n <= 0 {
			t.Errorf("%s: expires_in is %v; it has to be whole", name, got["expires_in"])
		}
		a.wantTarget(t, name, got)
		// A refusal has both members that they make their own errors of.
		status, got = a.recorded(t, name, "{TOKEN}", "a.b.c")
		for _, text := range []string{"error", "error_description"} {
			if s, ok := got[text].(string); status != http.StatusBadRequest || !ok || s == "" {
				t.Errorf("%s: refused with status %d, %s is %v", name, status, text, got[text])
			}
		}
	}
}

// TestRecordedAssertion: the same for key files. Python makes its assertions out to
// Google's endpoint wherever it sends them, Java has done so or named the file's.
func TestRecordedAssertion(t *testing.T) {
	t.Parallel()
	a := newAPIWithKeys(t)
	for _, name := range []string{"python-service-account", "java-service-account"} {
		for _, aud := range []string{"https://oauth2.googleapis.com/token", a.url + "/v1/token"} {
			status, got := a.recorded(t, name, "{ASSERTION}", a.assertion(t, map[string]any{"aud": aud}))
			if status != http.StatusOK || got["token_type"] != "Bearer" {
				t.Errorf("%s, %s: status %d: %v", name, aud, status, got)
				continue
			}
			a.wantTarget(t, name, got)
		}
	}
}

// wantTarget checks what the token of an answer is good for.
func (a *api) wantTarget(t *testing.T, name string, answer map[string]any) {
	t.Helper()
	raw, _ := answer["access_token"].(string)
	_, b, err := a.tokens.Authenticate(t.Context(), raw)
	if err != nil || b != (identity.Binding{Resource: "clinic", Role: "claims-etl", Grant: "g-1"}) {
		t.Errorf("%s: the token is good for %v: %v", name, b, err)
	}
}
