// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// before starts a gateway before a target of the test's.
func before(t *testing.T, target http.HandlerFunc) *caller {
	t.Helper()
	s := httptest.NewServer(target)
	t.Cleanup(s.Close)
	return newCaller(t, gatewaytest.Start(t, gatewaytest.Policy(policy), gatewaytest.File("api.token", "upstream-token"),
		gatewaytest.Resource("records", "records", fmt.Sprintf(resource, s.URL))))
}

// TestAnswersThatAreNone has the target answer with something else than HTTP.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	texts := map[string]string{
		"/patients/garbled":  "HTTP/1.1 200 OK\r\nOtto Quill " + canary + "\r\n\r\n",
		"/patients/word":     "HTTP/1.1 " + canary + "\r\n\r\n",
		"/patients/status":   "HTTP/1.1 099 No\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"/patients/protocol": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n{}",
	}
	c := before(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, texts[strings.TrimPrefix(r.URL.Path, "/base")])
		_ = conn.Close()
	})
	for path := range texts {
		if got := c.ask("GET", path, ""); got.status != http.StatusServiceUnavailable || strings.Contains(got.body, canary) {
			t.Errorf("%s: %d %v %s", path, got.status, got.err, got.body)
		}
	}
	if said := c.g.Log.String(); strings.Contains(said, canary) || strings.Contains(said, "panic") {
		t.Errorf("the log: %s", said)
	}
}

// TestHeadersHoldNoData has the target put values into headers that pass.
func TestHeadersHoldNoData(t *testing.T) {
	t.Parallel()
	c := before(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Language", "Otto Quill, "+canary)
		w.Header().Set("Allow", "Otto Quill")
		w.Header().Set("Retry-After", canary)
		w.Header().Set("Content-Type", "application/json; name="+canary)
		_, _ = io.WriteString(w, "{}")
	})
	if got := c.ask("GET", "/patients/1", ""); strings.Contains(fmt.Sprint(got.header), canary) || strings.Contains(fmt.Sprint(got.header), "Quill") {
		t.Errorf("%d %v", got.status, got.header)
	}
}

// TestHeadersThatPass has the target send them as they should be.
func TestHeadersThatPass(t *testing.T) {
	t.Parallel()
	want := map[string]string{"Content-Language": "de-CH, en", "Allow": "GET, HEAD", "Retry-After": "120"}
	c := before(t, func(w http.ResponseWriter, r *http.Request) {
		for name, v := range want {
			w.Header().Set(name, v)
		}
		if strings.HasSuffix(r.URL.Path, "/2") {
			w.Header().Set("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT")
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	})
	got := c.ask("GET", "/patients/1", "")
	for name, v := range want {
		if got.header.Get(name) != v {
			t.Errorf("%s: %q", name, got.header.Get(name))
		}
	}
	if got := c.ask("GET", "/patients/2", ""); got.header.Get("Retry-After") != "Fri, 31 Dec 1999 23:59:59 GMT" {
		t.Errorf("%v", got.header)
	}
}
