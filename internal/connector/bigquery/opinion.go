// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
)

// Opinion says of which statements a dry run at the service has to agree with what
// the gateway has found out.
type Opinion string

// The opinions.
const (
	OpinionOff    Opinion = "off"
	OpinionHeld   Opinion = "held" // of those that wait for a human
	OpinionAlways Opinion = "always"
)

// patience is how long a dry run may take: somebody waits for what comes after it.
const patience = 30 * time.Second

// maxNames bounds the names of an estimate that go on record, in bytes.
const maxNames = 8 << 10

// maxTables is how many tables of an estimate are kept. The service lists 50.
const maxTables = 60

// runsText reports whether the call runs the text of a query.
func (e *exchange) runsText() bool {
	c := e.call
	if c.Statement.Refused != "" || c.DryRun || c.Kind != "query" || c.Upload != analyze.UploadNone {
		return false
	}
	return c.Method.ID == "bigquery.jobs.insert" || c.Method.ID == "bigquery.jobs.query"
}

// estimate is what the service says that the held call would do. A service that says
// nothing keeps nobody from deciding; one that reads the text otherwise does.
func (e *exchange) estimate(ctx context.Context) (sallyport.Estimate, error) {
	got, err := e.dryRun(ctx)
	if err != nil {
		reason, _ := sallyport.Public(err)
		return sallyport.Estimate{None: reason}, nil
	}
	if e.t.cfg.Opinion == OpinionHeld || e.t.cfg.Opinion == OpinionAlways {
		err = e.agrees(got)
	}
	got.Tables = few(got.Tables)
	return got, err
}

// few are as many names as fit on a record.
func few(tables []string) []string {
	left := maxNames
	for i, name := range tables {
		if left -= len(name); left < 0 {
			return append(tables[:i:i], "(and "+strconv.Itoa(len(tables)-i)+" more)")
		}
	}
	return tables
}

// secondOpinion returns nil where the service reads the call as the gateway does.
func (e *exchange) secondOpinion(ctx context.Context) error {
	got, err := e.dryRun(ctx)
	if err != nil {
		return err
	}
	return e.agrees(got)
}

// agrees compares what the service says with what the call was judged by: the kind of
// statement by its verb, and that every table is one that was judged. Of more than 50
// tables the service lists some only, so that the contrary is no disagreement.
func (e *exchange) agrees(got sallyport.Estimate) error {
	otherwise := func(what string) error {
		return sallyport.E(sallyport.Denied, "bigquery", "the target reads the query otherwise: "+what).
			WithHint("write the query in a simpler way, or ask the gateway's operator (bigquery.second_opinion)")
	}
	ours, _, _ := strings.Cut(e.whole().Class, "_")
	theirs, _, _ := strings.Cut(got.Kind, "_")
	script := theirs == "SCRIPT" && (ours == "CALL" || ours == "EXECUTE" || ours == "BEGIN")
	if theirs != "" && theirs != ours && !script {
		return otherwise("it is " + got.Kind + " there, and " + cmp.Or(e.whole().Class, "nothing") + " here")
	}
	for _, name := range got.Tables {
		if !e.names(name) {
			return otherwise("it touches " + name)
		}
	}
	return nil
}

// names reports whether a table is one that the call was judged by: it was named, or a
// view that was named reads it. What the service keeps for itself is the session's own.
func (e *exchange) names(table string) bool {
	at := strings.LastIndexByte(table, '.')
	dataset, id := table[:at], table[at+1:]
	if at = strings.LastIndexByte(dataset, '.'); strings.HasPrefix(dataset[at+1:], "_") {
		return true
	}
	if dataset[:at] == e.t.cfg.Project {
		dataset = dataset[at+1:]
	}
	stem, wild := strings.CutSuffix(id, "*")
	return slices.ContainsFunc(e.whole().Accesses, func(a sallyport.Access) bool {
		p := a.Object.Path
		return len(p) == 3 && p[1] == dataset && (p[2] == id || wild && strings.HasPrefix(p[2], stem))
	})
}

// dryRun asks the service what the call would do, as the call would be sent. Errors
// have kind Unavailable and tell no part of the answer.
func (e *exchange) dryRun(ctx context.Context) (sallyport.Estimate, error) {
	none := func(why string, err error) (sallyport.Estimate, error) {
		return sallyport.Estimate{}, sallyport.E(sallyport.Unavailable, "bigquery", "the target does not say what the query would do: "+why).
			WithHint("look at the query, and send it again").Because(err)
	}
	query, err := e.configuration()
	if err != nil {
		return none("it cannot be asked", err)
	}
	client, err := e.t.as(e.owner.role)
	if err != nil {
		return none("it cannot be asked", err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	res, err := upstream.DryRun(ctx, client, e.sess, client.At("/bigquery/v2/projects/"+url.PathEscape(e.call.Project)+"/jobs", ""), query)
	if err != nil {
		return none("it does not answer", err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(io.LimitReader(res.Body, maxQuestion))
	if err != nil {
		return none("it does not answer", err)
	}
	if res.StatusCode != http.StatusOK {
		return none("it answers "+strconv.Itoa(res.StatusCode)+" "+http.StatusText(res.StatusCode), nil)
	}
	got, err := estimated(b)
	if err != nil {
		return none("its answer is not understood", err)
	}
	return got, nil
}

// configuration is the query of the call as it goes to the service, in the form that
// jobs.insert has it in. Of jobs.query it takes what decides how the text is read.
func (e *exchange) configuration() (json.RawMessage, error) {
	f, err := e.call.Rewrite(e.own)
	if err != nil {
		return nil, err
	}
	var body struct {
		Configuration struct {
			Query json.RawMessage `json:"query"`
		} `json:"configuration"`
	}
	if e.call.Method.ID == "bigquery.jobs.insert" {
		err := json.Unmarshal(f.Body, &body)
		return body.Configuration.Query, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(f.Body, &all); err != nil {
		return nil, err
	}
	query := map[string]json.RawMessage{}
	for _, name := range []string{"query", "useLegacySql", "defaultDataset", "parameterMode", "queryParameters", "connectionProperties", "maximumBytesBilled"} {
		if v := all[name]; v != nil {
			query[name] = v
		}
	}
	return json.Marshal(query)
}

// estimated reads the answer to a dry run. Names of tables that are none of the
// service's form are an error.
func estimated(b []byte) (sallyport.Estimate, error) {
	type table struct {
		ProjectID string `json:"projectId"`
		DatasetID string `json:"datasetId"`
		TableID   string `json:"tableId"`
	}
	var got struct {
		Statistics struct {
			Query struct {
				StatementType       string  `json:"statementType"`
				TotalBytesProcessed uint64  `json:"totalBytesProcessed,string"`
				ReferencedTables    []table `json:"referencedTables"`
				DDLTargetTable      *table  `json:"ddlTargetTable"`
			} `json:"query"`
		} `json:"statistics"`
	}
	if err := json.Unmarshal(b, &got); err != nil {
		return sallyport.Estimate{}, err
	}
	q := got.Statistics.Query
	if !isWord(q.StatementType) {
		return sallyport.Estimate{}, errors.New("the kind of the statement is no word")
	}
	out := sallyport.Estimate{Kind: q.StatementType, Bytes: q.TotalBytesProcessed}
	tables := q.ReferencedTables
	if q.DDLTargetTable != nil {
		tables = append(tables, *q.DDLTargetTable)
	}
	for _, t := range tables {
		name := t.ProjectID + "." + t.DatasetID + "." + t.TableID
		if t.ProjectID == "" || t.DatasetID == "" || t.TableID == "" || len(name) > 2000 || len(out.Tables) == maxTables || strings.Contains(t.DatasetID, ".") {
			return sallyport.Estimate{}, errors.New("a table has no name, or there are too many")
		}
		if !slices.Contains(out.Tables, name) {
			out.Tables = append(out.Tables, name)
		}
	}
	return out, nil
}
