// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"context"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
)

// The methods of the Storage Read API, as the paths of calls and statements name them.
const (
	ReadService       = "google.cloud.bigquery.storage.v1.BigQueryRead"
	CreateReadSession = ReadService + ".CreateReadSession"
	ReadRows          = ReadService + ".ReadRows"
	SplitReadStream   = ReadService + ".SplitReadStream"
)

// MaxCall is the longest message of a request, in bytes: a restriction of rows may
// be a megabyte.
const MaxCall = 2 << 20

// snapshot stands in a table for the time that a session names beside it.
const snapshot = "@SNAPSHOT"

// maxSelected bounds the fields that a session selects.
const maxSelected = 10_000

// ReadSession is a request for a session, as far as it may have a meaning.
type ReadSession struct {
	// Selected are the fields that are asked for; none means all.
	Selected    []string
	Restriction string
	// SnapshotSeconds and SnapshotNanos are the time whose rows are asked for, if Old.
	Old                            bool
	SnapshotSeconds, SnapshotNanos uint64
	// Sample is how much of the table is asked for in percent, as bits; Sampled says
	// that it is said.
	Sampled bool
	Sample  uint64
	// Compression is the codec of buffers, and Picos how precise timestamps are.
	Compression, Picos  uint64
	MaxStreams, Streams uint64
}

// Stream is a request about one stream.
type Stream struct {
	Name   string
	Offset uint64
	// Fraction is where a stream is split, as bits.
	Fraction uint64
}

// AnalyseRead says what a call of the Storage Read API means, of which message is
// the only one: of ReadRows and SplitReadStream what stream they are about, whose
// session says the rest. It returns errors as [Analyser.Analyse] does.
func (a *Analyser) AnalyseRead(ctx context.Context, method string, message []byte) (*Call, error) {
	c := &Call{Statement: &sallyport.Statement{Protocol: Protocol, Class: method, Readable: method[strings.LastIndexByte(method, '.')+1:]}}
	c.Method, c.Answer = &Method{ID: method, Class: ClassRead}, AnswerRows
	b := &build{a: a, ctx: ctx, c: c, st: c.Statement}
	var err error
	switch method {
	case CreateReadSession:
		c.Read = &ReadSession{}
		if err = b.parseSession(message); err == nil {
			err = b.readSession()
		}
	case ReadRows:
		c.Stream, err = parseStream(message, protowire.VarintType)
	case SplitReadStream:
		c.Stream, err = parseStream(message, protowire.Fixed64Type)
	default:
		err = unknownMethod()
	}
	if err != nil {
		refuse(c.Statement, err)
	}
	return c, err
}

// refuse makes of a statement that of a request that cannot pass.
func refuse(st *sallyport.Statement, err error) {
	st.Refused, st.Hint = sallyport.Public(err)
	st.Effects, st.Accesses, st.Outputs, st.Predicates, st.Flows = nil, nil, nil, nil, nil
}

// fields reads a message by the fields that are known.
func fields(message string, b []byte, known map[int32]func(grpc.Field) error) error {
	return grpc.Fields(b, func(f grpc.Field) error {
		read, ok := known[f.Number]
		if !ok {
			return grpc.UnknownField(message)
		}
		return read(f)
	})
}

func intoText(to *string) func(grpc.Field) error {
	return func(f grpc.Field) (err error) {
		*to, err = f.String()
		return err
	}
}

func intoNumber(to *uint64, most uint64) func(grpc.Field) error {
	return func(f grpc.Field) (err error) {
		if *to, err = f.Varint(); err == nil && *to > most {
			err = invalid("a number in the request is none that the gateway knows", "look for what the interface's reference allows")
		}
		return err
	}
}

// nothing is a field that the service fills in, or that means nothing to it.
func nothing(grpc.Field) error { return nil }

// inner is a field with a message, of which there may be one.
func inner(message string, known map[int32]func(grpc.Field) error) func(grpc.Field) error {
	seen := false
	return func(f grpc.Field) error {
		b, err := f.Message()
		if err != nil {
			return err
		}
		if seen { // the parts would be merged
			return invalid("a part of the request comes twice", "send each part once")
		}
		seen = true
		return fields(message, b, known)
	}
}

// parseSession reads the request for a session. Labels for tracing are not sent on.
func (b *build) parseSession(message []byte) error {
	s, parent, table, format := b.c.Read, "", "", uint64(0)
	options := map[int32]func(grpc.Field) error{
		1: func(f grpc.Field) error {
			name, err := f.String()
			if err == nil && (name == "" || len(name) > maxName || strings.ContainsAny(name, ", \t\r\n") || len(s.Selected) >= maxSelected) {
				err = invalid("a field is selected whose name is none, or there are too many", "name columns, and fields of records as record.field")
			}
			s.Selected = append(s.Selected, name)
			return err
		},
		2: intoText(&s.Restriction),
		3: inner("ArrowSerializationOptions", map[int32]func(grpc.Field) error{2: intoNumber(&s.Compression, 2), 3: intoNumber(&s.Picos, 3)}),
		5: func(f grpc.Field) error {
			if v := math.Float64frombits(f.Uint); f.Type != protowire.Fixed64Type || !(v >= 0 && v <= 100) {
				return invalid("the sample is no percentage", "send a number from 0 to 100")
			}
			s.Sampled, s.Sample = true, f.Uint
			return nil
		},
		// The whole of an answer packed once more: it is not asked for, and an answer
		// that is not packed says so.
		6: nothing,
	}
	at := inner("Timestamp", map[int32]func(grpc.Field) error{1: intoNumber(&s.SnapshotSeconds, 1<<40), 2: intoNumber(&s.SnapshotNanos, 999_999_999)})
	session := map[int32]func(grpc.Field) error{
		1: nothing, 2: nothing, 3: intoNumber(&format, math.MaxInt32), 4: nothing, 5: nothing, 6: intoText(&table),
		7:  inner("TableModifiers", map[int32]func(grpc.Field) error{1: func(f grpc.Field) error { s.Old = true; return at(f) }}),
		8:  inner("TableReadOptions", options),
		10: nothing, 12: nothing, 13: nothing, 14: nothing, 15: nothing,
	}
	err := fields("CreateReadSessionRequest", message, map[int32]func(grpc.Field) error{
		1: intoText(&parent), 2: inner("ReadSession", session), 3: intoNumber(&b.c.Read.MaxStreams, math.MaxInt32), 4: intoNumber(&b.c.Read.Streams, math.MaxInt32),
	})
	if err != nil {
		return err
	}
	if format != 2 {
		return invalid("rows are asked for in another format than Arrow", "ask for data_format ARROW; the gateway masks no other")
	}
	return b.sessionNames(parent, table)
}

// sessionNames reads the names in a request for a session.
func (b *build) sessionNames(parent, table string) error {
	c := b.c
	project, ok := strings.CutPrefix(parent, "projects/")
	if !ok {
		return invalid("the parent of the session is no project", "send projects/PROJECT")
	}
	var err error
	if c.Project, err = b.a.project(project); err != nil {
		return err
	}
	if c.Project != b.a.config.Project {
		return sallyport.E(sallyport.Denied, op, "the session is to be of another project").WithHint("name the resource's own project as the parent")
	}
	parts := strings.Split(table, "/")
	if len(parts) != 6 || parts[0] != "projects" || parts[2] != "datasets" || parts[4] != "tables" {
		return invalid("the name of the table is not one", "send projects/PROJECT/datasets/DATASET/tables/TABLE")
	}
	if c.Table, err = b.a.table(parts[1], parts[3], parts[5]); err != nil {
		return err
	}
	c.Dataset = c.Table.Dataset
	if c.Read.Old {
		if c.Table.Decorator != "" {
			return invalid("the session names a part of a table and a time", "name the table without a decorator")
		}
		c.Table.Decorator = snapshot
	}
	return nil
}

// readSession says what a session reads: a table, as tabledata.list does, by a
// condition, as a query does.
func (b *build) readSession() error {
	c, s := b.c, b.c.Read
	b.st.Readable += " " + b.a.readableTable(c.Table)
	if n := len(s.Selected); n > 0 {
		b.st.Readable += " (" + counted(n, "field", "fields") + ")"
	}
	c.Selected = strings.Join(s.Selected, ",")
	if err := b.tableRows(); err != nil || s.Restriction == "" {
		return err
	}
	return b.restriction()
}

// restriction reads the condition on rows, as that of a query of the table. It has to
// be one expression by itself, so that it means the same there.
func (b *build) restriction() error {
	t := b.c.Table
	q := Query{Project: b.c.Project, Condition: b.c.Read.Restriction}
	from := "`" + t.Project + "." + t.Dataset.ID + "." + t.ID + "`"
	switch {
	case t.Hidden(): // what its columns are is not known here
		q.Session, from = true, "(SELECT 1)"
	case t.Old():
		from += " FOR SYSTEM_TIME AS OF TIMESTAMP_SECONDS(0)"
	}
	q.Text = "SELECT 1 FROM " + from + " WHERE (\n" + q.Condition + "\n)"
	st, err := b.text(q)
	if err != nil {
		return err
	}
	b.st.Readable += " by " + st.Readable
	if st.Refused != "" {
		b.st.Refused, b.st.Hint = st.Refused, st.Hint
	}
	for _, a := range st.Accesses {
		if a.Effect != sallyport.Read || len(a.Object.Path) < 3 || !t.Hidden() && !b.has(a) {
			b.access(a.Effect, a.Object, a.Columns...)
		}
	}
	for _, e := range st.Effects {
		if e != sallyport.Control {
			b.effect(e)
		}
	}
	b.st.Predicates = append(b.st.Predicates, st.Predicates...)
	return nil
}

// has reports whether an access is there already, whatever its columns.
func (b *build) has(a sallyport.Access) bool {
	for _, is := range b.st.Accesses {
		if is.Effect == a.Effect && is.Object.Name() == a.Object.Name() {
			return true
		}
	}
	return false
}

// parseStream reads a request about one stream, whose second field is an offset or
// a fraction.
func parseStream(message []byte, second protowire.Type) (*Stream, error) {
	s := &Stream{}
	err := fields("the request", message, map[int32]func(grpc.Field) error{
		1: intoText(&s.Name),
		2: func(f grpc.Field) error {
			if f.Type != second {
				return invalid("the request about a stream cannot be read", "send it as its definition has it")
			}
			s.Offset, s.Fraction = f.Uint, f.Uint
			return nil
		},
	})
	if err == nil && (s.Name == "" || len(s.Name) > maxName) {
		err = invalid("the name of the stream is none", "send the name that the session has")
	}
	return s, err
}

// Resource is a table as the Storage APIs name it.
func (t Table) Resource() string {
	decorator := t.Decorator
	if decorator == snapshot {
		decorator = ""
	}
	return "projects/" + t.Project + "/datasets/" + t.Dataset.ID + "/tables/" + t.ID + decorator
}

// Message writes the call's message anew from what was judged.
func (c *Call) Message() []byte {
	if s := c.Stream; s != nil {
		b := grpc.AppendString(nil, 1, s.Name)
		if c.Method.ID == SplitReadStream {
			return appendDouble(b, 2, s.Fraction)
		}
		return grpc.AppendVarint(b, 2, s.Offset)
	}
	b := grpc.AppendString(nil, 1, "projects/"+c.Project)
	b = grpc.AppendMessage(b, 2, c.ReadSession())
	return grpc.AppendVarint(grpc.AppendVarint(b, 3, c.Read.MaxStreams), 4, c.Read.Streams)
}

// ReadSession writes the session that is asked for.
func (c *Call) ReadSession() []byte {
	s := c.Read
	var options []byte
	for _, name := range s.Selected {
		options = grpc.AppendString(options, 1, name)
	}
	options = grpc.AppendString(options, 2, s.Restriction)
	if arrow := grpc.AppendVarint(grpc.AppendVarint(nil, 2, s.Compression), 3, s.Picos); len(arrow) > 0 {
		options = grpc.AppendMessage(options, 3, arrow)
	}
	if s.Sampled {
		options = protowire.AppendFixed64(protowire.AppendTag(options, 5, protowire.Fixed64Type), s.Sample)
	}
	session := grpc.AppendVarint(nil, 3, 2)
	session = grpc.AppendString(session, 6, c.Table.Resource())
	if s.Old {
		at := grpc.AppendVarint(grpc.AppendVarint(nil, 1, s.SnapshotSeconds), 2, s.SnapshotNanos)
		session = grpc.AppendMessage(session, 7, grpc.AppendMessage(nil, 1, at))
	}
	if len(options) > 0 {
		session = grpc.AppendMessage(session, 8, options)
	}
	return session
}

func appendDouble(b []byte, num protowire.Number, bits uint64) []byte {
	if bits == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), bits)
}
