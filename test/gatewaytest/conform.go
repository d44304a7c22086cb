// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gatewaytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// Traces are what the gateway left outside of answers: its files, by name, and its
// log.
func (g *Gateway) Traces(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{"the log": []byte(g.Log.String())}
	err := filepath.WalkDir(filepath.Join(g.Dir, "data"), func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // files come and go
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		out[name] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Intents counts the intents in the ledger's write-ahead log, which is what makes
// them durable.
func (g *Gateway) Intents(t testing.TB) (n int) {
	t.Helper()
	for name, b := range g.Traces(t) {
		if strings.Contains(name, "/ledger/wal/") {
			n += bytes.Count(b, []byte(`"type":"intent"`))
		}
	}
	return n
}

// Front stands before a target that speaks HTTP, and never answers some paths.
type Front struct {
	*httptest.Server
	end    chan struct{}
	slowly atomic.Int64
}

// NewFront starts a front of behind. A path that ends with slow is not answered
// before its client is gone or the test is over.
func NewFront(t testing.TB, behind, slow string) *Front {
	t.Helper()
	to, err := url.Parse(behind)
	if err != nil {
		t.Fatal(err)
	}
	f := &Front{end: make(chan struct{})}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(to)
		p.Out.Host = to.Host
	}, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0)}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, slow) {
			proxy.ServeHTTP(w, r)
			return
		}
		f.slowly.Add(1)
		defer f.slowly.Add(-1)
		select {
		case <-r.Context().Done():
		case <-f.end:
		}
	}))
	t.Cleanup(func() {
		close(f.end)
		f.Close()
	})
	return f
}

// Address is the front's host and port.
func (f *Front) Address() string { return strings.TrimPrefix(f.URL, "http://") }

// Waiting counts the requests that are not answered.
func (f *Front) Waiting() int { return int(f.slowly.Load()) }

// Refusal is an answer that is an error.
type Refusal struct {
	Status int
	Kind   string // its Content-Type
	Body   string
}

// Error implements [error].
func (r *Refusal) Error() string { return fmt.Sprintf("%d %s %s", r.Status, r.Kind, r.Body) }

// Stream asks the gateway's front of HTTP and hands the answer's pieces to each,
// until that returns false. It returns the bytes that came; an answer of an error
// is a *[Refusal].
func (g *Gateway) Stream(ctx context.Context, c *http.Client, token, verb, path, body string, each func([]byte) bool) (n int64, err error) {
	req, err := http.NewRequestWithContext(ctx, verb, "https://"+g.HTTPAddress()+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read as far as it is needed
	if res.StatusCode >= http.StatusBadRequest {
		b, err := io.ReadAll(res.Body)
		return 0, errors.Join(err, &Refusal{res.StatusCode, res.Header.Get("Content-Type"), string(b)})
	}
	buf := make([]byte, 32<<10)
	for {
		got, err := res.Body.Read(buf)
		n += int64(got)
		if got > 0 && !each(buf[:got]) {
			return n, nil
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// Conforming is a gateway before a [Front] as the conformance suite wants it, but
// for how a caller is opened.
type Conforming struct {
	Caller
	Front *Front
}

// Listener returns the address of the gateway's front of HTTP.
func (c Conforming) Listener() string { return c.HTTPAddress() }

// Intents counts the intents that are on record.
func (c Conforming) Intents(t *testing.T) int { return c.Gateway.Intents(t) }

// Upstream counts the requests that the target does not answer.
func (c Conforming) Upstream(*testing.T) int { return c.Front.Waiting() }

// Traces are what the gateway left outside of answers.
func (c Conforming) Traces(t *testing.T) map[string][]byte { return c.Gateway.Traces(t) }

// Stop ends the gateway.
func (c Conforming) Stop(t *testing.T) { c.Gateway.Stop(t) }

// Native reports whether an error is a denial in the form of Google's interfaces,
// with what to do about it.
func (c Conforming) Native(err error) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Status == http.StatusForbidden && strings.Contains(r.Body, `"reason":"accessDenied"`) && strings.Contains(r.Body, "to do:")
}

// Fatal reports whether the session is over: no request is answered any more.
func (c Conforming) Fatal(err error) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Status == http.StatusServiceUnavailable && strings.Contains(r.Body, "to do:")
}

// Close closes the caller's connections.
func (c Conforming) Close() { c.HTTP.CloseIdleConnections() }
