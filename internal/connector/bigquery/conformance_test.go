// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"bytes"
	"context"
	"encoding/json"
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
	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
)

// Parts of the huge table: rows, the bytes of each that are shown, and the rows of
// a page.
const (
	hugeRows = 30_000
	hugeRow  = 1000
	hugePage = 1000
)

func TestConformance(t *testing.T) {
	connectortest.Run(t, connectortest.Harness{
		Start: func(t *testing.T, via func(string) string) connectortest.Gateway {
			peer := bigquerypeer.Start(t, bigquerypeer.WithClinic())
			peer.Seed(bigquerypeer.Project, fmt.Sprintf("CREATE TABLE scratch.huge AS SELECT i AS id, repeat('t', %d) AS tag, 'hugesecret ' || i AS secret FROM range(%d) r(i)", hugeRow, hugeRows))
			f := newFront(t, peer.URL)
			return &conforming{world: startAt(t, peer, "http://"+via(strings.TrimPrefix(f.URL, "http://"))), front: f}
		},
		Canaries:  []string{"219-09-999", "ada example", "1961-04-02", "hugesecret"},
		Asks:      true, // what the tables are
		HugeBytes: hugeRows * hugeRow,
	})
}

// front stands before the counterpart and has a table whose rows never come.
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
		if !strings.HasSuffix(r.URL.Path, "/slow/data") {
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
	body   string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s", r.status, r.body) }

func (c *caller) do(ctx context.Context, verb, path, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, verb, "https://"+c.c.HTTPAddress()+"/bigquery/v2/projects/"+bigquerypeer.Project+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.c.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if res.StatusCode >= 400 {
		err = errors.Join(err, &refusal{res.StatusCode, string(b)})
	}
	return b, err
}

func (c *caller) query(ctx context.Context, sql string) ([]byte, error) {
	b, err := json.Marshal(map[string]any{"query": sql, "useLegacySql": false})
	if err != nil {
		return nil, err
	}
	return c.do(ctx, "POST", "/queries", string(b))
}

func (c *caller) Read(ctx context.Context) ([]byte, error) {
	return c.query(ctx, "SELECT mrn, name, ssn, birth FROM clinic.patients")
}

func (c *caller) Denied(ctx context.Context) error {
	_, err := c.query(ctx, "SELECT mrn FROM clinic.patients WHERE ssn IS NULL")
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
	_, err := c.do(ctx, "GET", "/datasets/scratch/tables/slow/data", "")
	return err
}

// Huge reads a table page by page.
func (c *caller) Huge(ctx context.Context, each func([]byte) bool) (n int64, err error) {
	token := ""
	for {
		b, err := c.do(ctx, "GET", fmt.Sprintf("/datasets/scratch/tables/huge/data?maxResults=%d&pageToken=%s", hugePage, url.QueryEscape(token)), "")
		if err != nil {
			return n, err
		}
		n += int64(len(b))
		if !each(b) {
			return n, nil
		}
		var page struct{ PageToken string }
		if err := json.Unmarshal(b, &page); err != nil {
			return n, err
		}
		if token = page.PageToken; token == "" {
			return n, nil
		}
	}
}

func (c *caller) Close() { c.c.http.CloseIdleConnections() }
