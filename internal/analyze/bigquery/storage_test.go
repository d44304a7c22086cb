// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
)

// asks is a request for a session in Arrow of a table, with more of the session.
func asks(table string, more ...[]byte) []byte {
	s := grpc.AppendString(grpc.AppendVarint(nil, 3, 2), 6, table)
	for _, m := range more {
		s = append(s, m...)
	}
	return grpc.AppendMessage(grpc.AppendString(nil, 1, "projects/"+project), 2, s)
}

func options(b []byte) []byte { return grpc.AppendMessage(nil, 8, b) }

const patientsTable = "projects/" + project + "/datasets/clinic/tables/patients"

// conditions is what the reader of queries knows of conditions: one.
type conditions struct{ asked []bigquery.Query }

func (q *conditions) Analyse(_ context.Context, query bigquery.Query) (*sallyport.Statement, bigquery.Basis, error) {
	q.asked = append(q.asked, query)
	if query.Condition != "ssn = 'x'" {
		return nil, nil, sallyport.E(sallyport.Invalid, "googlesql", "it is no condition")
	}
	table := sallyport.Object{Kind: "table", Path: []string{resource, "clinic", "patients"}}
	return &sallyport.Statement{
		Class: "SELECT", Readable: "SELECT ? WHERE (ssn = ?)", Effects: []sallyport.Effect{sallyport.Read}, Predicates: []sallyport.Column{column("clinic", "patients", "ssn")},
		Accesses: []sallyport.Access{
			{Effect: sallyport.Read, Object: table, Columns: []sallyport.Column{column("clinic", "patients", "ssn")}},
			{Effect: sallyport.Execute, Object: sallyport.Object{Kind: "function", Path: []string{resource, "clinic", "f"}}},
		},
		Outputs: []sallyport.Output{{}},
	}, nil, nil
}

// TestReadSession reads a table as tabledata.list does.
func TestReadSession(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	listed := analyse(t, a, "GET "+p+"/datasets/clinic/tables/patients/data?selectedFields=name,address.city", "")
	fields := grpc.AppendString(grpc.AppendString(nil, 1, "name"), 1, "address.city")
	c, err := a.AnalyseRead(t.Context(), bigquery.CreateReadSession, asks(patientsTable, options(fields)))
	if err != nil {
		t.Fatal(err)
	}
	if told(c.Statement) != told(listed.Statement) || len(c.Statement.Outputs) != 2 || len(listed.Statement.Outputs) != 2 || c.Selected != "name,address.city" {
		t.Errorf("%s\n%+v\n%s\n%+v", told(c.Statement), c.Statement.Outputs, told(listed.Statement), listed.Statement.Outputs)
	}
	if c.Statement.Class != bigquery.CreateReadSession || c.Statement.Readable != "CreateReadSession clinic.patients (2 fields)" {
		t.Errorf("%s: %s", c.Statement.Class, c.Statement.Readable)
	}
	if want := asks(patientsTable, options(fields)); !bytes.Equal(c.Message(), want) {
		t.Errorf("it is written as %q, not %q", c.Message(), want)
	}
	byNumber, err := a.AnalyseRead(t.Context(), bigquery.CreateReadSession, asks(strings.Replace(patientsTable, project, number, 1)))
	if err != nil || byNumber.Table.Resource() != patientsTable {
		t.Errorf("the project's number: %v, %v", byNumber.Table, err)
	}
	hidden, err := a.AnalyseRead(t.Context(), bigquery.CreateReadSession, asks("projects/"+project+"/datasets/_anon/tables/x"))
	if err != nil || len(hidden.Hidden) != 1 || !hidden.Statement.Outputs[0].Unknown {
		t.Errorf("a hidden table: %+v, %v", hidden.Statement, err)
	}
	old, err := a.AnalyseRead(t.Context(), bigquery.CreateReadSession, asks(patientsTable, grpc.AppendMessage(nil, 7, grpc.AppendMessage(nil, 1, grpc.AppendVarint(nil, 1, 5)))))
	if err != nil || !old.Statement.Outputs[0].Unknown || !strings.Contains(old.Statement.Readable, "earlier time") || old.Table.Resource() != patientsTable {
		t.Errorf("old rows: %+v, %v", old.Statement, err)
	}
}

// TestReadCondition has the condition judged as one of a query, and by itself.
func TestReadCondition(t *testing.T) {
	t.Parallel()
	q := &conditions{}
	a := analyser(t, func(c *bigquery.Config) { c.Queries = q })
	c, err := a.AnalyseRead(t.Context(), bigquery.CreateReadSession, asks(patientsTable, options(grpc.AppendString(nil, 2, "ssn = 'x'"))))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, c, "execute function "+sallyport.Object{Kind: "function", Path: []string{resource, "clinic", "f"}}.Name(), "read table "+sallyport.Object{Kind: "table", Path: []string{resource, "clinic", "patients"}}.Name()+" (5 columns)")
	if len(c.Statement.Predicates) != 1 || len(c.Statement.Outputs) != 4 || strings.Contains(c.Statement.Readable, "'x'") {
		t.Errorf("%+v", c.Statement)
	}
	if got := q.asked[0]; got.Text != "SELECT 1 FROM `"+project+".clinic.patients` WHERE (\nssn = 'x'\n)" || got.Condition != "ssn = 'x'" || got.Session {
		t.Errorf("%+v", got)
	}
	if _, err := a.AnalyseRead(t.Context(), bigquery.CreateReadSession, asks(patientsTable, options(grpc.AppendString(nil, 2, "x) OR (y")))); err == nil {
		t.Error("what is no condition passes")
	}
	if _, err := a.AnalyseRead(t.Context(), bigquery.CreateReadSession, asks("projects/"+project+"/datasets/_anon/tables/x", options(grpc.AppendString(nil, 2, "ssn = 'x'")))); err != nil || !q.asked[2].Session {
		t.Errorf("a condition on a hidden table: %+v, %v", q.asked, err)
	}
}

// TestReadOptions pass anew, are left out, or are refused.
func TestReadOptions(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	half := protowire.AppendFixed64(protowire.AppendTag(nil, 5, protowire.Fixed64Type), 0x4049000000000000) // 50 %
	arrow := grpc.AppendMessage(nil, 3, grpc.AppendVarint(grpc.AppendVarint(nil, 2, 1), 3, 2))
	told := asks(patientsTable, options(append(append(grpc.AppendVarint(nil, 6, 2), half...), arrow...)), grpc.AppendString(nil, 13, "trace"), grpc.AppendString(nil, 1, "projects/x"))
	c, err := a.AnalyseRead(t.Context(), bigquery.CreateReadSession, grpc.AppendVarint(grpc.AppendVarint(told, 3, 4), 4, 2))
	if err != nil {
		t.Fatal(err)
	}
	want := append(asks(patientsTable, options(append(append([]byte(nil), arrow...), half...))), grpc.AppendVarint(grpc.AppendVarint(nil, 3, 4), 4, 2)...)
	if got := c.Message(); !bytes.Equal(got, want) {
		t.Errorf("it is written as %q, not %q", got, want)
	}
	for what, message := range map[string][]byte{
		"Avro":                  bytes.Replace(asks(patientsTable), []byte{0x18, 2}, []byte{0x18, 1}, 1),
		"options of Avro":       asks(patientsTable, options(grpc.AppendMessage(nil, 4, nil))),
		"a field of no number":  asks(patientsTable, grpc.AppendVarint(nil, 99, 1)),
		"an option of none":     asks(patientsTable, options(grpc.AppendVarint(nil, 99, 1))),
		"options twice":         asks(patientsTable, options(nil), options(nil)),
		"another codec":         asks(patientsTable, options(grpc.AppendMessage(nil, 3, grpc.AppendVarint(nil, 2, 9)))),
		"an empty field's name": asks(patientsTable, options(grpc.AppendMessage(nil, 1, nil))),
		"two fields in one":     asks(patientsTable, options(grpc.AppendString(nil, 1, "mrn,ssn"))),
		"a wildcard":            asks("projects/" + project + "/datasets/clinic/tables/pat*"),
		"a table of SQL":        asks("clinic.patients"),
		"two times":             asks(patientsTable+"@-1", grpc.AppendMessage(nil, 7, grpc.AppendMessage(nil, 1, nil))),
		"no parent":             grpc.AppendMessage(nil, 2, grpc.AppendVarint(nil, 3, 2)),
		"another parent":        grpc.AppendMessage(grpc.AppendString(nil, 1, "projects/other"), 2, grpc.AppendString(grpc.AppendVarint(nil, 3, 2), 6, patientsTable)),
		"a sample of too much":  asks(patientsTable, options(protowire.AppendFixed64(protowire.AppendTag(nil, 5, protowire.Fixed64Type), 0x7ff8000000000001))),
		"nothing":               nil, "nonsense": []byte("\xff\xff"),
	} {
		c, err := a.AnalyseRead(t.Context(), bigquery.CreateReadSession, message)
		if k := sallyport.KindOf(err); err == nil || k != sallyport.Invalid && k != sallyport.Denied || c.Statement.Refused == "" || len(c.Statement.Accesses) > 0 {
			t.Errorf("%s: %v, %+v", what, err, c.Statement)
		}
	}
}

// TestStreams names the stream that a call is about.
func TestStreams(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	rows := grpc.AppendVarint(grpc.AppendString(nil, 1, "s"), 2, 7)
	split := protowire.AppendFixed64(protowire.AppendTag(grpc.AppendString(nil, 1, "s"), 2, protowire.Fixed64Type), 0x3fe0000000000000)
	for method, message := range map[string][]byte{bigquery.ReadRows: rows, bigquery.SplitReadStream: split} {
		c, err := a.AnalyseRead(t.Context(), method, message)
		if err != nil || c.Stream.Name != "s" || !bytes.Equal(c.Message(), message) {
			t.Errorf("%s: %+v, %v", method, c.Stream, err)
		}
	}
	for _, message := range [][]byte{nil, split, grpc.AppendVarint(rows, 3, 1), grpc.AppendString(nil, 1, strings.Repeat("s", 2000))} {
		if _, err := a.AnalyseRead(t.Context(), bigquery.ReadRows, message); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%q: %v", message, err)
		}
	}
	if _, err := a.AnalyseRead(t.Context(), bigquery.ReadService+".Other", rows); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("another method: %v", err)
	}
}

// FuzzReadSession has what passes be written so that it means the same again.
func FuzzReadSession(f *testing.F) {
	f.Add(asks(patientsTable))
	f.Add(asks(patientsTable, options(grpc.AppendString(grpc.AppendString(nil, 1, "name"), 2, "ssn = 'x'"))))
	f.Add(asks(patientsTable, grpc.AppendMessage(nil, 7, grpc.AppendMessage(nil, 1, grpc.AppendVarint(nil, 1, 5)))))
	a := analyser(f, func(c *bigquery.Config) { c.Queries = &conditions{} })
	f.Fuzz(func(t *testing.T, message []byte) {
		c, err := a.AnalyseRead(t.Context(), bigquery.CreateReadSession, message)
		if err != nil {
			var e *sallyport.Error
			if !errors.As(err, &e) || c.Statement.Refused == "" {
				t.Fatalf("%v", err)
			}
			return
		}
		again, err := a.AnalyseRead(t.Context(), bigquery.CreateReadSession, c.Message())
		if err != nil || told(again.Statement) != told(c.Statement) || !bytes.Equal(again.Message(), c.Message()) {
			t.Fatalf("%q is written as %q: %v", message, c.Message(), err)
		}
	})
}
