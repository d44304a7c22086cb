// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs_test

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

	"github.com/sallyport-dev/sallyport/internal/connector/connectortest"
	"github.com/sallyport-dev/sallyport/test/gcspeer"
)

// Parts of the huge object: so many lines, of which each leaves so much at least.
const (
	hugeLines = 12_000
	hugeLine  = 500
)

func TestConformance(t *testing.T) {
	connectortest.Run(t, connectortest.Harness{
		Start: func(t *testing.T, via func(string) string) connectortest.Gateway {
			var lines strings.Builder
			for i := range hugeLines {
				fmt.Fprintf(&lines, `{"row":%d,"ssn":"219-09-9991","name":"Ada Example","n":[%s1]}`+"\n", i, strings.Repeat("1,", hugeLine/4))
			}
			peer := gcspeer.Start(t, gcspeer.WithClinic())
			peer.Seed("clinic-exports", "huge.ndjson", "application/x-ndjson", lines.String())
			f := newFront(t, peer.URL)
			return &conforming{world: startAt(t, peer, "http://"+via(strings.TrimPrefix(f.URL, "http://"))), front: f, t: t}
		},
		Canaries:  []string{"219-09-999", "ada example", "1961-04-02"},
		HugeBytes: hugeLines * hugeLine,
	})
}

// front stands before the counterpart and has an object that is never given out
// whole.
type front struct {
	*httptest.Server
	end    chan struct{}
	slowly atomic.Int64
}

func newFront(t *testing.T, behind string) *front {
	t.Helper()
	to, err := url.Parse(behind)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{end: make(chan struct{})}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(to)
		p.Out.Host = to.Host
	}, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0)}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/slow") {
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

type conforming struct {
	*world
	front *front
	t     *testing.T
}

func (c *conforming) Listener() string { return c.HTTPAddress() }

// Open asks once, since a session begins with its first request, and so does the
// gateway's connection to the target.
func (c *conforming) Open(ctx context.Context) (connectortest.Caller, error) {
	one := &caller{c}
	_, err := one.Read(ctx)
	return one, err
}

// Intents counts the intents in the ledger's write-ahead log, which is what makes
// them durable.
func (c *conforming) Intents(t *testing.T) (n int) {
	t.Helper()
	for name, b := range c.Traces(t) {
		if strings.Contains(name, "/ledger/wal/") {
			n += bytes.Count(b, []byte(`"type":"intent"`))
		}
	}
	return n
}

func (c *conforming) Upstream(*testing.T) int { return int(c.front.slowly.Load()) }

func (c *conforming) Disk() connectortest.Disk { return c.Gateway.Disk }

func (c *conforming) Traces(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{"the log": []byte(c.Log.String())}
	err := filepath.WalkDir(filepath.Join(c.Dir, "data"), func(name string, d fs.DirEntry, err error) error {
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

func (c *conforming) Stop(t *testing.T) { c.Gateway.Stop(t) }

type caller struct{ c *conforming }

// refusal is an answer that is an error.
type refusal struct {
	status int
	kind   string
	body   string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s %s", r.status, r.kind, r.body) }

func (c *caller) do(ctx context.Context, path string, each func([]byte) bool) (n int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.c.HTTPAddress()+path, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+c.c.token)
	res, err := c.c.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if res.StatusCode >= 400 {
		b, err := io.ReadAll(res.Body)
		return 0, errors.Join(err, &refusal{res.StatusCode, res.Header.Get("Content-Type"), string(b)})
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

func (c *caller) Read(ctx context.Context) (out []byte, err error) {
	_, err = c.do(ctx, "/storage/v1/b/clinic-exports/o/notes%2F1001.txt?alt=media", func(b []byte) bool { out = append(out, b...); return true })
	return out, err
}

func (c *caller) Denied(ctx context.Context) error {
	_, err := c.do(ctx, "/storage/v1/b/payroll/o", func([]byte) bool { return true })
	return err
}

// Native reports whether an error is one of Google's, as its clients read them.
func (c *caller) Native(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == http.StatusForbidden && strings.Contains(r.body, `"reason":"accessDenied"`) && strings.Contains(r.body, "to do:")
}

// Fatal reports whether the session is over: no request is answered any more.
func (c *caller) Fatal(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == http.StatusServiceUnavailable && strings.Contains(r.body, "to do:")
}

func (c *caller) Slow(ctx context.Context) error {
	_, err := c.do(ctx, "/storage/v1/b/clinic-public/o/slow?alt=media", func([]byte) bool { return true })
	return err
}

func (c *caller) Huge(ctx context.Context, each func([]byte) bool) (int64, error) {
	return c.do(ctx, "/storage/v1/b/clinic-exports/o/huge.ndjson?alt=media", each)
}

func (c *caller) Close() { c.c.http.CloseIdleConnections() }
