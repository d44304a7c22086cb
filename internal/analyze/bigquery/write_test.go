// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
)

const (
	ownTable  = "projects/clinic-prod/datasets/clinic/tables/visits"
	ownStream = ownTable + "/streams/_default"
)

func writeAnalyser(t testing.TB) *bigquery.Analyser {
	t.Helper()
	a, err := bigquery.New(bigquery.Config{Resource: "dwh", Project: "clinic-prod", Number: "1234"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// protoField is a field of a writer's schema, with options if there are any.
func protoField(name string, options []byte) []byte {
	b := grpc.AppendVarint(grpc.AppendVarint(grpc.AppendVarint(grpc.AppendString(nil, 1, name), 3, 1), 4, 1), 5, 9)
	if options != nil {
		b = grpc.AppendMessage(b, 8, options)
	}
	return b
}

// descriptor is a schema of columns.
func descriptor(columns ...[]byte) []byte {
	b := grpc.AppendString(nil, 1, "Row")
	for _, c := range columns {
		b = grpc.AppendMessage(b, 2, c)
	}
	return b
}

// rows are two rows, with a schema if there is one.
func rows(schema []byte) []byte {
	var b []byte
	if schema != nil {
		b = grpc.AppendMessage(b, 1, grpc.AppendMessage(nil, 1, schema))
	}
	return grpc.AppendMessage(b, 2, grpc.AppendMessage(grpc.AppendMessage(nil, 1, []byte("one")), 1, []byte("two")))
}

func appended(stream string, schema []byte, more ...byte) []byte {
	return append(grpc.AppendMessage(grpc.AppendString(nil, 1, stream), 4, rows(schema)), more...)
}

// TestAppends are writes of their table, and deletions where the rows can delete.
func TestAppends(t *testing.T) {
	t.Parallel()
	a := writeAnalyser(t)
	plain := protoField("id", nil)
	named := protowire.AppendString(protowire.AppendTag(nil, 454943157, protowire.BytesType), "_change_TYPE")
	for what, one := range map[string]struct {
		schema  []byte
		changes bool
	}{
		"plain":                 {descriptor(plain), false},
		"changes":               {descriptor(plain, protoField("_CHANGE_TYPE", nil)), true},
		"by another case":       {descriptor(protoField("_Change_Type", nil)), true},
		"by the column's name":  {descriptor(protoField("x", named)), true},
		"by a name that is two": {descriptor(append(protoField("_CHANGE_TYPE", nil), grpc.AppendString(nil, 1, "x")...)), true},
		"within a record":       {append(descriptor(plain), grpc.AppendMessage(nil, 3, descriptor(protoField("_CHANGE_TYPE", nil)))...), true},
		"options of its own":    {descriptor(protoField("id", grpc.AppendVarint(nil, 2, 1))), false},
	} {
		in := appended(ownStream, one.schema)
		c, err := a.AnalyseWrite(t.Context(), bigquery.AppendRows, in)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if c.First.Changes != one.changes || slices.Contains(c.Statement.Effects, sallyport.Delete) != one.changes || !slices.Contains(c.Statement.Effects, sallyport.Write) {
			t.Errorf("%s: %v, %v", what, c.First.Changes, c.Statement.Effects)
		}
		if !bytes.Equal(c.Message(), in) || c.First.Rows != 2 || !c.First.Schema {
			t.Errorf("%s: %d rows became %q", what, c.First.Rows, c.Message())
		}
		if text := string(c.Text()); strings.Contains(text, "two") || !strings.Contains(text, ownStream) {
			t.Errorf("%s: sealed as %q", what, text)
		}
	}
	// One form of each name, and each part in its place.
	interpretation := grpc.AppendMessage(nil, 7, grpc.AppendVarint(grpc.AppendString(nil, 1, "id"), 2, 2))
	m, err := a.Append(slices.Concat(grpc.AppendString(nil, 6, "trace"), grpc.AppendVarint(nil, 8, 1), interpretation, grpc.AppendMessage(nil, 4, rows(nil)),
		grpc.AppendMessage(nil, 2, grpc.AppendVarint(nil, 1, 7)), grpc.AppendString(nil, 1, "projects/1234/datasets/clinic/tables/visits/_default")))
	want := slices.Concat(grpc.AppendString(nil, 1, ownStream), grpc.AppendMessage(nil, 2, grpc.AppendVarint(nil, 1, 7)), grpc.AppendMessage(nil, 4, rows(nil)),
		grpc.AppendVarint(nil, 8, 1), interpretation, grpc.AppendString(nil, 6, "trace"))
	if err != nil || !bytes.Equal(m.Message, want) || m.Schema {
		t.Errorf("%q, %v, want %q", m.Message, err, want)
	}
}

// TestAppendsRefused are messages that are not sent on.
func TestAppendsRefused(t *testing.T) {
	t.Parallel()
	a := writeAnalyser(t)
	good := descriptor(protoField("id", nil))
	unknown := func(n int32) []byte { return grpc.AppendVarint(nil, n, 1) }
	deep := good
	for range 30 {
		deep = grpc.AppendMessage(descriptor(), 3, deep)
	}
	for what, in := range map[string][]byte{
		"nothing": nil, "no rows": grpc.AppendString(nil, 1, ownStream), "no stream": grpc.AppendMessage(nil, 4, rows(good)), "no schema": appended(ownStream, nil),
		"an unknown field": appended(ownStream, good, unknown(99)...), "Arrow": grpc.AppendMessage(appended(ownStream, good), 5, nil),
		"rows twice":   grpc.AppendMessage(appended(ownStream, good), 4, rows(descriptor(protoField("_CHANGE_TYPE", nil)))),
		"stream twice": grpc.AppendString(appended(ownStream, good), 1, ownStream), "a long trace": grpc.AppendString(appended(ownStream, good), 6, strings.Repeat("x", 5000)),
		"an offset below zero":  grpc.AppendMessage(appended(ownStream, good), 2, grpc.AppendVarint(nil, 1, 1<<63)),
		"an interpretation":     grpc.AppendMessage(appended(ownStream, good), 7, grpc.AppendVarint(nil, 2, 3)),
		"a schema that is none": appended(ownStream, []byte("\xff")), "a field of another": appended(ownStream, descriptor(grpc.AppendString(protoField("id", nil), 2, ".Other"))),
		"extensions": appended(ownStream, grpc.AppendMessage(good, 6, protoField("x", nil))), "unknown in a schema": appended(ownStream, append(good, unknown(77)...)),
		"unknown options": appended(ownStream, descriptor(protoField("id", unknown(50000)))), "a deep schema": appended(ownStream, deep),
		"another table's name": appended("projects/clinic-prod/tables/visits/streams/_default", good), "a stream's name": appended(ownTable+"/streams/a b", good),
		"a project by its number": appended("projects/99/datasets/clinic/tables/visits/streams/_default", good), "a project of none": appended("projects//datasets/clinic/tables/visits/streams/_default", good),
	} {
		c, err := a.AnalyseWrite(t.Context(), bigquery.AppendRows, in)
		if sallyport.KindOf(err) != sallyport.Invalid || c.Statement.Refused == "" || len(c.Statement.Accesses) > 0 {
			t.Errorf("%s: %v %+v", what, err, c.Statement)
		}
	}
}

// TestWriteCalls are the calls of one message.
func TestWriteCalls(t *testing.T) {
	t.Parallel()
	a := writeAnalyser(t)
	mine := ownTable + "/streams/Ab-1"
	create := grpc.AppendMessage(grpc.AppendString(nil, 1, ownTable), 2, grpc.AppendVarint(nil, 2, 2))
	commit := grpc.AppendString(grpc.AppendString(nil, 1, ownTable), 2, mine)
	offset := grpc.AppendMessage(grpc.AppendString(nil, 1, mine), 2, grpc.AppendVarint(nil, 1, 9))
	name := grpc.AppendString(nil, 1, mine)
	for what, one := range map[string]struct {
		method string
		in     []byte
		want   []byte // nil: refused
	}{
		"create": {bigquery.CreateWriteStream, create, create}, "get": {bigquery.GetWriteStream, name, name}, "end": {bigquery.FinalizeWriteStream, name, name},
		"flush": {bigquery.FlushRows, offset, offset}, "commit": {bigquery.BatchCommitWriteStreams, commit, commit},
		"what the service fills in": {bigquery.CreateWriteStream, grpc.AppendMessage(grpc.AppendString(nil, 1, ownTable), 2, grpc.AppendString(grpc.AppendVarint(nil, 2, 2), 1, "x")), create},
		"no type":                   {bigquery.CreateWriteStream, grpc.AppendString(nil, 1, ownTable), nil},
		"another type":              {bigquery.CreateWriteStream, grpc.AppendMessage(grpc.AppendString(nil, 1, ownTable), 2, grpc.AppendVarint(nil, 2, 4)), nil},
		"an unknown field":          {bigquery.FinalizeWriteStream, grpc.AppendVarint(name, 9, 1), nil},
		"the default stream's end":  {bigquery.FinalizeWriteStream, grpc.AppendString(nil, 1, ownStream), nil},
		"nothing to commit":         {bigquery.BatchCommitWriteStreams, grpc.AppendString(nil, 1, ownTable), nil},
		"another table's stream":    {bigquery.BatchCommitWriteStreams, grpc.AppendString(commit, 2, "projects/clinic-prod/datasets/clinic/tables/others/streams/x"), nil},
	} {
		c, err := a.AnalyseWrite(t.Context(), one.method, one.in)
		if (err == nil) != (one.want != nil) || err == nil && !bytes.Equal(c.Message(), one.want) {
			t.Errorf("%s: %q, %v", what, c.Message(), err)
		}
		if err == nil && (len(c.Statement.Accesses) != 1 || c.Statement.Accesses[0].Effect != sallyport.Write || c.Statement.Accesses[0].Object.Name() != "dwh/clinic/visits") {
			t.Errorf("%s: %+v", what, c.Statement.Accesses)
		}
	}
	if c, err := a.AnalyseWrite(t.Context(), bigquery.WriteService+".Elsewhere", name); grpc.StatusOf(err).Code != grpc.Unimplemented || c.Statement.Refused == "" {
		t.Errorf("a method that is none: %v", err)
	}
}

// FuzzAppend reads messages with rows: what is sent on reads as what came.
func FuzzAppend(f *testing.F) {
	a := writeAnalyser(f)
	f.Add(appended(ownStream, descriptor(protoField("id", nil))))
	f.Add(appended(ownStream, descriptor(protoField("_CHANGE_TYPE", nil))))
	f.Add([]byte("\x22\x02\x12\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := a.Append(in)
		if err != nil {
			return
		}
		again, err := a.Append(m.Message)
		if err != nil || again.Rows != m.Rows || again.Changes != m.Changes || again.Schema != m.Schema || !bytes.Equal(again.Message, m.Message) {
			t.Fatalf("%q became %q, which is read otherwise: %v", in, m.Message, err)
		}
	})
}

// FuzzWriteCall reads calls of one message: what is sent on reads as what came.
func FuzzWriteCall(f *testing.F) {
	a := writeAnalyser(f)
	methods := []string{bigquery.CreateWriteStream, bigquery.GetWriteStream, bigquery.FinalizeWriteStream, bigquery.BatchCommitWriteStreams, bigquery.FlushRows}
	f.Add(0, grpc.AppendMessage(grpc.AppendString(nil, 1, ownTable), 2, grpc.AppendVarint(nil, 2, 2)))
	f.Add(3, grpc.AppendString(grpc.AppendString(nil, 1, ownTable), 2, ownTable+"/streams/x"))
	f.Fuzz(func(t *testing.T, n int, in []byte) {
		method := methods[uint(n)%uint(len(methods))]
		c, err := a.AnalyseWrite(t.Context(), method, in)
		if err != nil {
			return
		}
		again, err := a.AnalyseWrite(t.Context(), method, c.Message())
		if err != nil || !bytes.Equal(again.Message(), c.Message()) || !bytes.Equal(again.Text(), c.Text()) {
			t.Fatalf("%s: %q became %q, which is read otherwise: %v", method, in, c.Message(), err)
		}
	})
}
