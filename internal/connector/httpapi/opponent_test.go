// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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

// halfSent sends a request whose body does not end before the test does, and
// returns where its answer comes.
func (c *caller) halfSent(ctx context.Context, token string, rest io.Reader) <-chan answer {
	out := make(chan answer, 1)
	req, err := http.NewRequestWithContext(ctx, "PUT", "https://"+c.g.HTTPAddress()+"/r/records/records/patients/1", io.MultiReader(strings.NewReader("{"), rest))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	go func() {
		res, err := c.http.Do(req)
		if err != nil {
			out <- answer{err: err}
			return
		}
		out <- answer{status: res.StatusCode}
		_ = res.Body.Close() // it waits for the rest of the request
	}()
	return out
}

// TestOneCallerLeavesRoom sends the halves of as many requests as one caller may
// have, and then more.
func TestOneCallerLeavesRoom(t *testing.T) {
	t.Parallel()
	const most = 256
	_, c := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	pipe, end := io.Pipe()
	var waiting []<-chan answer
	// A connection has room for fewer, so that there are several.
	connections := []*caller{newCaller(t, c.g), newCaller(t, c.g), newCaller(t, c.g)}
	send := func(i int) <-chan answer {
		w := connections[i%3].halfSent(ctx, c.token, pipe)
		waiting = append(waiting, w)
		return w
	}
	for i := range most {
		send(i)
	}
	refused := false
	for end := time.Now().Add(30 * time.Second); !refused && time.Now().Before(end); {
		select {
		case x := <-send(0):
			refused = x.status == http.StatusTooManyRequests
			waiting = waiting[:len(waiting)-1]
		case <-time.After(20 * time.Millisecond):
		}
	}
	if !refused {
		t.Error("one caller may have any number of requests")
	}
	token := c.g.Exchange(t, c.http, "records", "records")
	if got := c.ask("GET", "/patients/1", "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }); got.status != http.StatusOK {
		t.Errorf("another session: %d %s", got.status, got.body)
	}
	cancel()
	_ = end.Close()
	for _, w := range waiting {
		<-w
	}
}

// TestRevokedWhileSending takes a token back while the body of a request is on its
// way.
func TestRevokedWhileSending(t *testing.T) {
	t.Parallel()
	a, c := start(t)
	token := c.g.Exchange(t, c.http, "records", "records")
	if got := c.ask("GET", "/patients/1", "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	pipe, end := io.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got := c.halfSent(ctx, token, pipe)
	res, err := c.http.Post("https://"+c.g.APIAddress()+"/v1/token/revoke", "application/x-www-form-urlencoded", strings.NewReader("token="+token))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if x := <-got; ctx.Err() != nil || x.err == nil && x.status < 400 {
		t.Errorf("the request waits for its body: %d %v", x.status, x.err)
	}
	_ = end.Close()
	if n := a.count(); n != 1 {
		t.Errorf("the target was asked %d times", n)
	}
}
