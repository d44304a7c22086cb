// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
)

const (
	resource = "wh"
	project  = "clinic-test"
	number   = "123456789012"
)

// texts is what the reader of queries knows here: a few texts. It remembers what
// it was asked.
type texts struct{ asked []bigquery.Query }

func column(path ...string) sallyport.Column {
	c := sallyport.Column{Object: sallyport.Object{Kind: "column", Path: append([]string{resource}, path...)}}
	if last := path[len(path)-1]; last == "ssn" || last == "name" || last == "mrn" {
		c.Labels = []sallyport.Label{sallyport.Label("phi." + last)}
	}
	return c
}

func (q *texts) Analyse(_ context.Context, query bigquery.Query) (*sallyport.Statement, bigquery.Basis, error) {
	q.asked = append(q.asked, query)
	patients := sallyport.Object{Kind: "table", Path: []string{resource, "clinic", "patients"}}
	text := query.Text
	if first, rest, ok := strings.Cut(text, "\n"); ok && strings.HasPrefix(first, "#") {
		text = rest
	}
	switch text {
	case "SELECT ssn FROM clinic.patients":
		ssn := column("clinic", "patients", "ssn")
		return &sallyport.Statement{
			Class: "SELECT", Readable: "SELECT ssn FROM clinic.patients", Effects: []sallyport.Effect{sallyport.Read},
			Accesses: []sallyport.Access{{Effect: sallyport.Read, Object: patients, Columns: []sallyport.Column{ssn}}},
			Outputs:  []sallyport.Output{{Sources: []sallyport.Column{ssn}, Direct: true}},
		}, nil, nil
	case "DROP TABLE clinic.patients":
		return &sallyport.Statement{
			Class: "DROP_TABLE", Readable: "DROP TABLE clinic.patients", Effects: []sallyport.Effect{sallyport.Destroy},
			Accesses: []sallyport.Access{{Effect: sallyport.Destroy, Object: patients}},
		}, nil, nil
	case "EXECUTE IMMEDIATE x":
		return &sallyport.Statement{Class: "EXECUTE_IMMEDIATE", Readable: "EXECUTE IMMEDIATE x", Refused: "text made at run time cannot be read"}, nil, nil
	}
	return nil, nil, sallyport.E(sallyport.Invalid, "googlesql", "the text is not GoogleSQL")
}

type tables map[string]bigquery.Facts

func (t tables) Table(_ context.Context, name bigquery.Table) (bigquery.Facts, error) {
	return t[name.Dataset.ID+"."+name.ID], nil
}

func clinic() tables {
	return tables{
		"clinic.patients": {Known: true, Kind: "table", Columns: []sallyport.Column{
			column("clinic", "patients", "mrn"), column("clinic", "patients", "name"), column("clinic", "patients", "ssn"),
			column("clinic", "patients", "address"), column("clinic", "patients", "address", "city"),
		}},
		"clinic.twin": {Known: true, Kind: "table", Columns: []sallyport.Column{column("clinic", "twin", "MRN"), column("clinic", "twin", "SSN")}},
		"clinic.v":    {Known: true, Kind: "view", Columns: []sallyport.Column{column("clinic", "v", "mrn")}},
	}
}

func analyser(t testing.TB, change ...func(*bigquery.Config)) *bigquery.Analyser {
	t.Helper()
	c := bigquery.Config{Resource: resource, Project: project, Number: number, Queries: &texts{}, Catalog: clinic()}
	for _, f := range change {
		f(&c)
	}
	a, err := bigquery.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// request makes one from "POST /path?query" and a body.
func request(line, body string) bigquery.Request {
	method, rest, _ := strings.Cut(line, " ")
	path, query, _ := strings.Cut(rest, "?")
	r := bigquery.Request{Method: method, Path: path, Query: query, Header: map[string][]string{}}
	if body != "" {
		r.Body = strings.NewReader(body)
		r.Header["Content-Type"] = []string{"application/json"}
	}
	return r
}

// p is the path of the resource's own project.
const p = "/bigquery/v2/projects/" + project

func analyse(t testing.TB, a *bigquery.Analyser, line, body string) *bigquery.Call {
	t.Helper()
	c, err := a.Analyse(t.Context(), request(line, body))
	if err != nil {
		t.Fatalf("%s %s: %v", line, body, err)
	}
	return c
}

// refused returns the error of a request that has to have one.
func refused(t testing.TB, a *bigquery.Analyser, line, body string) error {
	t.Helper()
	c, err := a.Analyse(t.Context(), request(line, body))
	if err == nil {
		t.Fatalf("%s %s passed: %s", line, body, told(c.Statement))
	}
	if c.Statement.Refused == "" || len(c.Statement.Accesses) > 0 {
		t.Errorf("%s %s: the statement of a refused request: %+v", line, body, c.Statement)
	}
	if _, err := c.Rewrite(bigquery.Own{Job: "sp_1"}); err == nil {
		t.Errorf("%s %s: a refused request can be sent on", line, body)
	}
	return err
}

// told writes what a statement does in lines.
func told(st *sallyport.Statement) string {
	var lines []string
	for _, a := range st.Accesses {
		line := a.Effect.String() + " " + a.Object.Kind + " " + a.Object.Name()
		if len(a.Columns) > 0 {
			line += fmt.Sprintf(" (%d columns)", len(a.Columns))
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	for _, f := range st.Flows {
		line := f.Target.Object.Name() + " <-"
		for _, s := range f.Sources {
			line += " " + s.Object.Name()
		}
		if f.Unknown {
			line += " unknown"
		}
		if f.Altered {
			line += " altered"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// expect compares what a statement does with lines.
func expect(t testing.TB, c *bigquery.Call, want ...string) {
	t.Helper()
	if got := told(c.Statement); got != strings.Join(want, "\n") {
		t.Errorf("%s\ngot:\n%s\nwant:\n%s", c.Statement.Readable, got, strings.Join(want, "\n"))
	}
	for _, a := range c.Statement.Accesses {
		if !slices.Contains(c.Statement.Effects, a.Effect) {
			t.Errorf("the effects %v lack %s", c.Statement.Effects, a.Effect)
		}
	}
}
