// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// DryRun asks BigQuery what a query would do, by jobs.insert. query is a job's
// configuration of a query. The rest of the body is written here, so that nothing is
// ever carried out by it; internal/lint holds the list of callers, as for [Describe].
func DryRun(ctx context.Context, c *Client, s *session.Session, to *url.URL, query json.RawMessage) (*http.Response, error) {
	type configuration struct {
		DryRun bool            `json:"dryRun"`
		Query  json.RawMessage `json:"query"`
	}
	return c.pose(ctx, s, to, struct {
		Configuration configuration `json:"configuration"`
	}{configuration{DryRun: true, Query: query}})
}

// Tally is a question for how many rows of a table of BigQuery's there are.
type Tally struct {
	// Table, Key and Column are quoted as in a text of a query; the latter is a column
	// or a field.
	Table, Key, Column string
	// Row is the value of Key of the rows that are counted, and Value what Column is
	// held against in them.
	Row, Value string
}

// Count asks BigQuery a [Tally], by jobs.query. The text of the query is written here:
// it gives two numbers, and no value of the table's. internal/lint holds the list of
// callers, as for [Describe].
func Count(ctx context.Context, c *Client, s *session.Session, to *url.URL, t Tally) (*http.Response, error) {
	type object = map[string]any
	parameter := func(name, value string) object {
		return object{"name": name, "parameterType": object{"type": "STRING"}, "parameterValue": object{"value": value}}
	}
	return c.pose(ctx, s, to, object{
		"query":        "SELECT COUNT(*) AS found, COUNTIF(CAST(" + t.Column + " AS STRING) = @value) AS raw FROM " + t.Table + " WHERE CAST(" + t.Key + " AS STRING) = @row",
		"useLegacySql": false, "useQueryCache": false, "timeoutMs": 30_000, "parameterMode": "NAMED",
		"queryParameters": []object{parameter("row", t.Row), parameter("value", t.Value)},
	})
}

// pose sends a question of the gateway's own that takes a body.
func (c *Client) pose(ctx context.Context, s *session.Session, to *url.URL, body any) (*http.Response, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, sallyport.E(sallyport.Internal, c.protocol, "the question cannot be written").Because(err)
	}
	h := http.Header{"Accept-Encoding": {"identity"}, "Content-Type": {"application/json"}}
	return c.send(ctx, s, Request{Verb: http.MethodPost, To: to, Header: h, Body: bytes.NewReader(b), Length: int64(len(b))})
}
