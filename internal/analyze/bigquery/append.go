// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"crypto/sha256"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
)

// MaxAppend bounds one message with rows, in bytes, as the service does.
const MaxAppend = 10 << 20

// Bounds of a message with rows.
const (
	maxTrace  = 1024   // bytes of trace_id
	maxNested = 20     // levels of a schema; the service has 15
	maxSchema = 10_000 // fields of a schema, and columns that are named beside it
)

// changeType is the column that says of a row that it is put in place of another or
// deletes one.
const changeType = "_CHANGE_TYPE"

// columnName is the number of the option of a field that names its column.
const columnName = 454943157

// Append is one message of AppendRows.
type Append struct {
	Stream *WriteStream // nil where it names none: that of the message before
	Rows   int
	// Schema says that it has a schema of its rows, and Changes that this has the
	// column by which rows are deleted.
	Schema, Changes bool
	// Message is what is sent on.
	Message []byte

	columns []string
	sum     [sha256.Size]byte // of the schema
}

// Append reads a message of AppendRows and writes it anew. Rows are not looked into.
func (a *Analyser) Append(message []byte) (*Append, error) {
	m := &Append{}
	var head, tail, data []byte
	name, trace, found, missing := "", "", false, 0
	err := writeFields{
		1: textInto(&name),
		2: func(f grpc.Field) error {
			at, err := wrapped(f)
			if err == nil {
				head = grpc.AppendMessage(head, 2, grpc.AppendVarint(nil, 1, *at))
			}
			return err
		},
		4: func(f grpc.Field) (err error) {
			found = true
			data, err = f.Message()
			return err
		},
		5: func(grpc.Field) error {
			return invalid("the rows are in Arrow, which the gateway does not read", "send them in protocol buffers, as proto_rows")
		},
		6: textInto(&trace),
		7: func(f grpc.Field) (err error) {
			if missing++; missing > maxSchema {
				return invalid("there are too many interpretations of missing values", "send one for each column at most")
			}
			tail, err = interpretation(tail, f)
			return err
		},
		8: func(f grpc.Field) error {
			var n uint64
			err := numberInto(&n, 2)(f)
			tail = grpc.AppendVarint(tail, 8, n)
			return err
		},
	}.read("AppendRowsRequest", message, 7)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, invalid("the message has no rows", "send them as proto_rows")
	case len(trace) > maxTrace:
		return nil, invalid("trace_id is too long", "send a short name of the client")
	}
	if name != "" {
		s, err := a.WriteStream(name)
		if err != nil {
			return nil, err
		}
		m.Stream = &s
		head = append(grpc.AppendString(nil, 1, s.String()), head...)
	}
	tail = grpc.AppendString(tail, 6, trace)
	return m, m.write(head, data, tail)
}

// interpretation appends what a column has where a row has no value for it.
func interpretation(b []byte, f grpc.Field) ([]byte, error) {
	entry, err := f.Message()
	if err != nil {
		return nil, err
	}
	column, how := "", uint64(0)
	if err := (writeFields{1: textInto(&column), 2: numberInto(&how, 2)}).read("an interpretation of missing values", entry); err != nil {
		return nil, err
	}
	return grpc.AppendMessage(b, 7, grpc.AppendVarint(grpc.AppendString(nil, 1, column), 2, how)), nil
}

// write writes the message with its rows between head and tail. They are copied once.
func (m *Append) write(head, data, tail []byte) error {
	var schema, rows []byte
	haveRows := false
	err := writeFields{
		1: func(f grpc.Field) (err error) {
			schema, err = m.schema(f)
			return err
		},
		2: func(f grpc.Field) (err error) {
			haveRows = true
			rows, err = f.Message()
			return err
		},
	}.read("ProtoData", data)
	if err != nil {
		return err
	}
	err = writeFields{1: func(f grpc.Field) error {
		m.Rows++
		_, err := f.Message()
		return err
	}}.read("ProtoRows", rows, 1)
	if err != nil {
		return err
	}
	length := len(schema)
	if haveRows {
		length += protowire.SizeTag(2) + protowire.SizeBytes(len(rows))
	}
	b := make([]byte, 0, len(head)+len(tail)+length+2*protowire.SizeVarint(uint64(length))) //nolint:gosec // it is a length
	b = append(b, head...)
	b = protowire.AppendVarint(protowire.AppendTag(b, 4, protowire.BytesType), uint64(length)) //nolint:gosec // it is a length
	b = append(b, schema...)
	if haveRows {
		b = grpc.AppendMessage(b, 2, rows) // nothing but rows, each as it came
	}
	m.Message = append(b, tail...)
	return nil
}

// schema reads what says how rows are to be read, and returns it as it is sent on.
func (m *Append) schema(f grpc.Field) ([]byte, error) {
	b, err := f.Message()
	if err != nil {
		return nil, err
	}
	var descriptor []byte
	err = writeFields{1: func(f grpc.Field) (err error) {
		m.Schema = true
		descriptor, err = f.Message()
		return err
	}}.read("ProtoSchema", b)
	if err == nil {
		err = m.descriptor(descriptor, 0)
	}
	if err != nil {
		return nil, err
	}
	if !m.Schema {
		return grpc.AppendMessage(nil, 1, nil), nil
	}
	m.sum = sha256.Sum256(descriptor)
	return grpc.AppendMessage(nil, 1, grpc.AppendMessage(nil, 1, descriptor)), nil
}

// descriptor checks a DescriptorProto: it has nothing that is not known, and whether
// a field of it is the column by which rows are deleted. A name counts wherever it
// stands, so that it does not matter which of two the service would take.
func (m *Append) descriptor(b []byte, level int) error {
	if level > maxNested {
		return invalid("the schema of the rows is nested too deeply", "nest records less deeply")
	}
	return grpc.Fields(b, func(f grpc.Field) error {
		switch f.Number {
		case 2, 3:
			inner, err := f.Message()
			if err != nil {
				return err
			}
			if f.Number == 2 {
				return m.field(inner, level)
			}
			return m.descriptor(inner, level+1)
		case 7:
			return options("MessageOptions", f, nil)
		case 1, 4, 5, 8, 9, 10:
			_, err := f.Message()
			return err
		case 11:
			_, err := f.Varint()
			return err
		}
		return grpc.UnknownField("DescriptorProto")
	})
}

// field checks a FieldDescriptorProto.
func (m *Append) field(b []byte, level int) error {
	return grpc.Fields(b, func(f grpc.Field) error {
		switch f.Number {
		case 1, 10:
			name, err := f.String()
			if err == nil && f.Number == 1 && level == 0 {
				m.columns = append(m.columns, name)
			}
			return m.named(name, err)
		case 6, 7:
			_, err := f.Message()
			return err
		case 3, 4, 5, 9, 17:
			_, err := f.Varint()
			return err
		case 8:
			return options("FieldOptions", f, m)
		}
		return grpc.UnknownField("FieldDescriptorProto") // extendee among them: a field of another message
	})
}

// named takes a name that a field has.
func (m *Append) named(name string, err error) error {
	if strings.EqualFold(name, changeType) {
		m.Changes = true
	}
	if err == nil && len(m.columns) > maxSchema {
		err = invalid("the schema of the rows has too many fields", "send the columns of one table")
	}
	return err
}

// firstExtension is the first number of options that are not the language's own.
const firstExtension = 1000

// options checks options: the language's own, and for a field the name of its column,
// which m takes.
func options(name string, f grpc.Field, m *Append) error {
	b, err := f.Message()
	if err != nil {
		return err
	}
	return grpc.Fields(b, func(f grpc.Field) error {
		switch {
		case f.Number < firstExtension:
			return nil
		case f.Number == columnName && m != nil:
			return m.named(f.String())
		}
		return grpc.UnknownField(name)
	})
}
