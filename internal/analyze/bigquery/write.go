// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
)

// The methods of the Storage Write API, as statements name them.
const (
	WriteService            = "google.cloud.bigquery.storage.v1.BigQueryWrite"
	CreateWriteStream       = WriteService + ".CreateWriteStream"
	AppendRows              = WriteService + ".AppendRows"
	GetWriteStream          = WriteService + ".GetWriteStream"
	FinalizeWriteStream     = WriteService + ".FinalizeWriteStream"
	BatchCommitWriteStreams = WriteService + ".BatchCommitWriteStreams"
	FlushRows               = WriteService + ".FlushRows"
)

// maxStreams bounds the streams of one commit.
const maxStreams = 10_000

// Types of streams.
const (
	streamCommitted = 1
	streamPending   = 2
	streamBuffered  = 3
)

// WriteCall is a call of the Storage Write API as it was understood.
type WriteCall struct {
	Method string
	Table  Table
	// Streams are those that the call names, in the form that [Analyser.WriteStream]
	// returns. Of a stream that appends there is one.
	Streams []WriteStream
	// First is the first message of AppendRows; nil for other methods.
	First *Append
	// Statement is never nil.
	Statement *sallyport.Statement

	a       *Analyser
	object  sallyport.Object
	kind    uint64 // of a new stream
	view    uint64
	offset  *uint64
	message []byte
}

// WriteStream is a stream by its name.
type WriteStream struct {
	Table Table
	ID    string
}

// Default reports whether the stream is the one that every table has, which belongs
// to nobody.
func (s WriteStream) Default() bool { return s.ID == "_default" }

// String is the stream's name, as the service takes it.
func (s WriteStream) String() string { return resourceName(s.Table) + "/streams/" + s.ID }

func resourceName(t Table) string {
	return "projects/" + t.Project + "/datasets/" + t.Dataset.ID + "/tables/" + t.ID + t.Decorator
}

// WriteStream reads the name of a stream and brings it into one form.
func (a *Analyser) WriteStream(name string) (WriteStream, error) {
	table, id, ok := strings.Cut(name, "/streams/")
	if !ok {
		if table, ok = strings.CutSuffix(name, "/_default"); ok {
			id = "_default"
		}
	}
	if !ok || !word(id, "-.=") || len(name) > 4*maxName {
		return WriteStream{}, invalid("the name of the stream is none", "send projects/PROJECT/datasets/DATASET/tables/TABLE/streams/STREAM")
	}
	t, err := a.writable(table)
	return WriteStream{Table: t, ID: id}, err
}

// writable is the table that a call names.
func (a *Analyser) writable(name string) (Table, error) {
	p := strings.Split(name, "/")
	if len(p) != 6 || p[0] != "projects" || p[2] != "datasets" || p[4] != "tables" || p[1] == "" {
		return Table{}, invalid("the name of the table is not one", "send projects/PROJECT/datasets/DATASET/tables/TABLE")
	}
	t, err := a.table(p[1], p[3], p[5])
	if err == nil && t.Old() {
		err = invalid("rows are appended to an earlier state of a table", "name the table without a time")
	}
	return t, err
}

// AnalyseWrite says what a call of the Storage Write API means, of which message is
// the first, and the only one but for AppendRows. With an error, which has the kind
// for the answer, the call's statement is refused, so that it can stand on record.
func (a *Analyser) AnalyseWrite(ctx context.Context, method string, message []byte) (*WriteCall, error) {
	c := &WriteCall{Method: method, a: a, Statement: &sallyport.Statement{Protocol: Protocol, Class: method, Readable: method[strings.LastIndexByte(method, '.')+1:]}}
	err := c.read(message)
	if err == nil {
		err = c.meaning(ctx)
	}
	if err != nil {
		st := c.Statement
		st.Refused, st.Hint = sallyport.Public(err)
		st.Effects, st.Accesses = nil, nil
	}
	return c, err
}

// read reads the message, and writes the one that is sent on.
func (c *WriteCall) read(message []byte) error {
	switch c.Method {
	case CreateWriteStream:
		return c.readCreate(message)
	case AppendRows:
		return c.readFirst(message)
	case GetWriteStream:
		return c.readNamed("GetWriteStreamRequest", message, writeFields{3: numberInto(&c.view, 2)})
	case FinalizeWriteStream:
		return c.readNamed("FinalizeWriteStreamRequest", message, nil)
	case FlushRows:
		return c.readNamed("FlushRowsRequest", message, writeFields{2: c.readOffset})
	case BatchCommitWriteStreams:
		return c.readCommit(message)
	}
	c.Statement.Class, c.Statement.Readable = "unknown", "(a request that cannot be judged)"
	return grpc.Error(grpc.Unimplemented, "the Storage Write API has no such method that the gateway knows").
		WithHint("call CreateWriteStream, AppendRows, GetWriteStream, FinalizeWriteStream, BatchCommitWriteStreams or FlushRows")
}

// writeFields are the fields of a message that are known, each with who reads it.
type writeFields map[int32]func(grpc.Field) error

// read reads a message. Each field but those of many may come once: of two the
// service would make one that nobody has judged.
func (k writeFields) read(name string, b []byte, many ...int32) error {
	seen := map[int32]bool{}
	return grpc.Fields(b, func(f grpc.Field) error {
		read, ok := k[f.Number]
		switch {
		case !ok:
			return grpc.UnknownField(name)
		case seen[f.Number] && !slices.Contains(many, f.Number):
			return invalid("a part of the request comes twice", "send each part once")
		}
		seen[f.Number] = true
		return read(f)
	})
}

// textInto reads a text.
func textInto(to *string) func(grpc.Field) error {
	return func(f grpc.Field) (err error) {
		*to, err = f.String()
		return err
	}
}

// numberInto reads a number up to a bound.
func numberInto(to *uint64, most uint64) func(grpc.Field) error {
	return func(f grpc.Field) (err error) {
		if *to, err = f.Varint(); err == nil && *to > most {
			err = invalid("a number in the request is none that the gateway knows", "look for what the interface's reference allows")
		}
		return err
	}
}

// output is a field that the service fills in, whatever a request has there.
func output(grpc.Field) error { return nil }

func (c *WriteCall) readCreate(message []byte) error {
	parent, mode := "", uint64(0)
	stream := writeFields{1: output, 2: numberInto(&c.kind, streamBuffered), 3: output, 4: output, 5: output, 7: numberInto(&mode, 1), 8: output}
	err := writeFields{1: textInto(&parent), 2: func(f grpc.Field) error {
		b, err := f.Message()
		if err != nil {
			return err
		}
		return stream.read("WriteStream", b)
	}}.read("CreateWriteStreamRequest", message)
	if err != nil {
		return err
	}
	if c.kind == 0 {
		return invalid("the type of the stream is not said", "ask for COMMITTED, PENDING or BUFFERED; the default stream need not be created")
	}
	if c.Table, err = c.a.writable(parent); err != nil {
		return err
	}
	inner := grpc.AppendVarint(grpc.AppendVarint(nil, 2, c.kind), 7, mode)
	c.message = grpc.AppendMessage(grpc.AppendString(nil, 1, resourceName(c.Table)), 2, inner)
	return nil
}

// readNamed reads a request about one stream, whose other fields are more.
func (c *WriteCall) readNamed(message string, b []byte, more writeFields) error {
	name := ""
	k := writeFields{1: textInto(&name)}
	for n, read := range more {
		k[n] = read
	}
	if err := k.read(message, b); err != nil {
		return err
	}
	s, err := c.a.WriteStream(name)
	if err != nil {
		return err
	}
	if s.Default() && c.Method != GetWriteStream {
		return invalid("the default stream of a table is neither ended nor flushed", "append to it; each acknowledged row is in the table")
	}
	c.Table, c.Streams = s.Table, []WriteStream{s}
	c.message = grpc.AppendVarint(grpc.AppendString(nil, 1, s.String()), 3, c.view)
	if c.offset != nil {
		c.message = grpc.AppendMessage(c.message, 2, grpc.AppendVarint(nil, 1, *c.offset))
	}
	return nil
}

func (c *WriteCall) readOffset(f grpc.Field) (err error) {
	c.offset, err = wrapped(f)
	return err
}

// wrapped is a field with a number that may be absent.
func wrapped(f grpc.Field) (*uint64, error) {
	b, err := f.Message()
	if err != nil {
		return nil, err
	}
	n := new(uint64)
	return n, writeFields{1: numberInto(n, math.MaxInt64)}.read("Int64Value", b)
}

func (c *WriteCall) readCommit(message []byte) error {
	parent := ""
	var names []string
	err := writeFields{1: textInto(&parent), 2: func(f grpc.Field) error {
		name, err := f.String()
		if names = append(names, name); err == nil && len(names) > maxStreams {
			err = invalid("there are too many streams", fmt.Sprintf("commit at most %d at once", maxStreams))
		}
		return err
	}}.read("BatchCommitWriteStreamsRequest", message, 2)
	if err != nil {
		return err
	}
	if c.Table, err = c.a.writable(parent); err != nil {
		return err
	}
	c.message = grpc.AppendString(nil, 1, resourceName(c.Table))
	for _, name := range names {
		s, err := c.a.WriteStream(name)
		switch {
		case err != nil:
			return err
		case s.Default():
			return invalid("the default stream of a table is not committed", "append to it; each acknowledged row is in the table")
		case s.Table.Dataset != c.Table.Dataset || s.Table.ID != c.Table.ID:
			return invalid("a stream is of another table than the commit", "commit the streams of each table by themselves")
		}
		c.Streams = append(c.Streams, s)
		c.message = grpc.AppendString(c.message, 2, s.String())
	}
	if len(names) == 0 {
		return invalid("there is no stream to be committed", "name the streams")
	}
	return nil
}

func (c *WriteCall) readFirst(message []byte) error {
	m, err := c.a.Append(message)
	if err != nil {
		return err
	}
	if m.Stream == nil {
		return invalid("the first message names no stream", "name the stream in write_stream")
	}
	if !m.Schema {
		return invalid("the first message has no schema of its rows", "send writer_schema with the first rows")
	}
	c.First, c.Table, c.Streams, c.message = m, m.Stream.Table, []WriteStream{*m.Stream}, m.Message
	return nil
}

// meaning says what the call does: rows go into a table, as by tabledata.insertAll.
// They are the client's own and leave no trace but their number.
func (c *WriteCall) meaning(ctx context.Context) error {
	b := &build{a: c.a, ctx: ctx, c: &Call{}, st: c.Statement}
	c.Statement.Readable += " " + c.a.readableTable(c.Table)
	if err := b.visible(c.Table.Dataset); err != nil {
		return err
	}
	f, err := b.facts(c.Table)
	if err != nil {
		return err
	}
	c.object = b.tableAs(c.Table, f)
	b.access(sallyport.Write, c.object)
	switch {
	case c.Method == GetWriteStream && c.view == 2: // which columns the table has
		b.access(sallyport.Read, c.object)
	case c.First != nil && c.First.Changes:
		c.Deletes()
	case c.Method == BatchCommitWriteStreams:
		c.Statement.Readable += " (" + counted(len(c.Streams), "stream", "streams") + ")"
	}
	return nil
}

// Deletes says that rows of the table may be deleted by what the call writes.
func (c *WriteCall) Deletes() {
	b := &build{a: c.a, st: c.Statement}
	b.access(sallyport.Delete, c.object)
	c.Statement.Readable += " (with changes of rows)"
}

// Message is the message that is sent on, written from what was judged.
func (c *WriteCall) Message() []byte { return c.message }

// Text is the call as it is sealed for auditors, and as an approval is bound to it:
// without rows.
func (c *WriteCall) Text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", c.Method)
	if c.Table.ID != "" {
		fmt.Fprintf(&b, "table: %s\n", resourceName(c.Table))
	}
	for _, s := range c.Streams {
		fmt.Fprintf(&b, "stream: %s\n", s)
	}
	if c.kind != 0 {
		fmt.Fprintf(&b, "type: %s\n", map[uint64]string{streamCommitted: "COMMITTED", streamPending: "PENDING", streamBuffered: "BUFFERED"}[c.kind])
	}
	if c.offset != nil {
		fmt.Fprintf(&b, "offset: %d\n", *c.offset)
	}
	if c.First != nil {
		fmt.Fprintf(&b, "fields of rows: %s\nschema of rows: sha256 %x\n", strings.Join(c.First.columns, " "), c.First.sum)
	}
	return []byte(b.String())
}
