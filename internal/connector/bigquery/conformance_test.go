// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/connector/connectortest"
	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
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
			f := gatewaytest.NewFront(t, peer.URL, "/slow/data")
			return &conforming{world: startAt(t, peer, "http://"+via(f.Address())), front: f}
		},
		Canaries:  []string{"219-09-999", "ada example", "1961-04-02", "hugesecret"},
		Asks:      true, // what the tables are
		HugeBytes: hugeRows * hugeRow,
	})
}

type conforming struct {
	*world
	front *gatewaytest.Front
}

func (c *conforming) Listener() string { return c.HTTPAddress() }

// Open asks once, since a session begins with its first request, and so does the
// gateway's connection to the target.
func (c *conforming) Open(ctx context.Context) (connectortest.Caller, error) {
	one := &caller{c}
	_, err := one.Read(ctx)
	return one, err
}

func (c *conforming) Intents(t *testing.T) int { return c.Gateway.Intents(t) }

func (c *conforming) Upstream(*testing.T) int { return c.front.Waiting() }

func (c *conforming) Disk() connectortest.Disk { return c.Gateway.Disk }

func (c *conforming) Traces(t *testing.T) map[string][]byte { return c.Gateway.Traces(t) }

func (c *conforming) Stop(t *testing.T) { c.Gateway.Stop(t) }

type caller struct{ c *conforming }

func (c *caller) do(ctx context.Context, verb, path, body string) (out []byte, err error) {
	_, err = c.c.Stream(ctx, c.c.http, c.c.token, verb, "/bigquery/v2/projects/"+bigquerypeer.Project+path, body, func(b []byte) bool { out = append(out, b...); return true })
	return out, err
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
	var r *gatewaytest.Refusal
	return errors.As(err, &r) && r.Status == http.StatusForbidden && strings.Contains(r.Body, `"reason":"accessDenied"`) && strings.Contains(r.Body, "to do:")
}

// Fatal reports whether the session is over: no request is answered any more.
func (c *caller) Fatal(err error) bool {
	var r *gatewaytest.Refusal
	return errors.As(err, &r) && r.Status == http.StatusServiceUnavailable && strings.Contains(r.Body, "to do:")
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
