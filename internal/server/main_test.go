// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// client calls the API of a gateway.
type client struct {
	t    testing.TB
	base string
	http *http.Client
}

func newClient(t testing.TB, g *gatewaytest.Gateway) *client {
	t.Helper()
	pem, err := os.ReadFile(g.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("the authority's file holds no certificate")
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(tr.CloseIdleConnections)
	return &client{t: t, base: "https://" + g.APIAddress(), http: &http.Client{Transport: tr, Timeout: time.Minute}}
}

// send sends a request and returns the answer with its whole body.
func (c *client) send(token, method, path, contentType string, body []byte) (*http.Response, []byte) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res, b
}

// raw sends v as JSON, or nothing for nil.
func (c *client) raw(token, method, path string, v any) (int, []byte) {
	c.t.Helper()
	var body []byte
	contentType := ""
	if v != nil {
		var err error
		if body, err = json.Marshal(v); err != nil {
			c.t.Fatal(err)
		}
		contentType = "application/json"
	}
	res, b := c.send(token, method, path, contentType, body)
	return res.StatusCode, b
}

// call sends a request that must succeed.
func call[T any](c *client, token, method, path string, v any) T {
	c.t.Helper()
	status, b := c.raw(token, method, path, v)
	if status != http.StatusOK {
		c.t.Fatalf("%s %s: %d %s", method, path, status, b)
	}
	return parse[T](c.t, b)
}

func parse[T any](t testing.TB, b []byte) T {
	t.Helper()
	var out T
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return out
}

// problem is the API's form of an error.
type problem struct {
	Error struct{ Kind, Message, Hint string }
}

// refused sends a request that must fail with a status and a kind.
func (c *client) refused(token, method, path string, v any, status int, kind string) problem {
	c.t.Helper()
	got, b := c.raw(token, method, path, v)
	p := parse[problem](c.t, b)
	if got != status || p.Error.Kind != kind || p.Error.Message == "" {
		c.t.Errorf("%s %s: got %d %s, want %d and kind %q", method, path, got, b, status, kind)
	}
	return p
}

type object = map[string]any
