// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gatewaytest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// HTTPClient returns a client that trusts the gateway and follows nothing.
func (g *Gateway) HTTPClient(t testing.TB) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(g.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Exchange gets a CI job's gateway token that is bound to a resource and a role.
func (g *Gateway) Exchange(t testing.TB, c *http.Client, resource, role string) string {
	t.Helper()
	res, err := c.PostForm("https://"+g.APIAddress()+"/v1/token", url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {g.CIToken(t)}, "resource": {resource}, "scope": {role},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(res.Body)
	var out struct {
		Token string `json:"access_token"`
	}
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil || out.Token == "" {
		t.Fatalf("no token: %d %s %v", res.StatusCode, b, err)
	}
	return out.Token
}

// Caller is a CI job that asks the gateway's front of HTTP with a token.
type Caller struct {
	*Gateway
	HTTP  *http.Client
	Token string
}

// Caller returns one whose token is bound to a resource and a role.
func (g *Gateway) Caller(t testing.TB, resource, role string) Caller {
	t.Helper()
	c := g.HTTPClient(t)
	return Caller{g, c, g.Exchange(t, c, resource, role)}
}

// Answer is an answer that came whole.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Ask sends a request, which set may change before it is sent, and wants an answer.
func (c Caller) Ask(t testing.TB, verb, path, body string, set ...func(*http.Request)) Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, verb, "https://"+c.HTTPAddress()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, f := range set {
		f(req)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{res.StatusCode, res.Header, string(b)}
}

// Call calls the gateway's API as a human of a group, and wants an answer.
func (g *Gateway) Call(t testing.TB, c *http.Client, group, verb, path string, in, out any) {
	t.Helper()
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(t.Context(), verb, "https://"+g.APIAddress()+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+g.HumanToken(t, "ann", group))
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %s %v", verb, path, res.StatusCode, b, err)
	}
	if err := json.Unmarshal(b, out); err != nil {
		t.Fatal(err)
	}
}

// Held waits for a held statement whose readable text holds part, and returns the id of
// the request for it.
func (g *Gateway) Held(t testing.TB, c *http.Client, part string) string {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var out struct {
			Requests []struct {
				ID   string `json:"id"`
				Hold struct {
					Readable string `json:"readable"`
				} `json:"hold"`
			} `json:"requests"`
		}
		g.Call(t, c, "privacy-officers", "GET", "/v1/requests?state=open", nil, &out)
		for _, r := range out.Requests {
			if strings.Contains(r.Hold.Readable, part) {
				return r.ID
			}
		}
	}
	t.Fatalf("nothing like %q is held", part)
	return ""
}

// Decide waits for a held statement as [Gateway.Held] does, and has a privacy officer
// "approve" or "deny" it.
func (g *Gateway) Decide(t testing.TB, c *http.Client, part, how string) {
	t.Helper()
	var got map[string]any
	g.Call(t, c, "privacy-officers", "POST", "/v1/requests/"+g.Held(t, c, part)+"/"+how, map[string]string{"rationale": "because the test says so"}, &got)
}
