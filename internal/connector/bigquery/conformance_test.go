// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
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
			return &conforming{gatewaytest.Conforming{Caller: startAt(t, peer, "http://"+via(f.Address())).Caller, Front: f}}
		},
		Canaries:  []string{"219-09-999", "ada example", "1961-04-02", "hugesecret"},
		Asks:      true, // what the tables are
		HugeBytes: hugeRows * hugeRow,
	})
}

type conforming struct{ gatewaytest.Conforming }

// Open asks once, since a session begins with its first request, and so does the
// gateway's connection to the target.
func (c *conforming) Open(ctx context.Context) (connectortest.Caller, error) {
	one := &caller{c}
	_, err := one.Read(ctx)
	return one, err
}

func (c *conforming) Disk() connectortest.Disk { return c.Gateway.Disk }

type caller struct{ *conforming }

func (c *caller) do(ctx context.Context, verb, path, body string) (out []byte, err error) {
	_, err = c.Stream(ctx, c.HTTP, c.Token, verb, "/bigquery/v2/projects/"+bigquerypeer.Project+path, body, func(b []byte) bool { out = append(out, b...); return true })
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
