// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
)

// passing are the fields of a message of the service that pass, each with who appends
// it to what the client gets. All else is dropped.
type passing map[int32]func(out []byte, f grpc.Field) ([]byte, error)

// of is what passes of a message.
func (k passing) of(b []byte) (out []byte, err error) {
	err = grpc.Fields(b, func(f grpc.Field) (err error) {
		if pass := k[f.Number]; pass != nil {
			out, err = pass(out, f)
		}
		return err
	})
	return out, err
}

// same lets a field pass as it is.
func same(out []byte, f grpc.Field) ([]byte, error) {
	n := protowire.Number(f.Number)
	switch f.Type {
	case protowire.VarintType:
		return protowire.AppendVarint(protowire.AppendTag(out, n, f.Type), f.Uint), nil
	case protowire.BytesType:
		return grpc.AppendMessage(out, f.Number, f.Bytes), nil
	}
	return out, nil // no field that passes has another form
}

// within lets of the message in a field pass what inner says.
func within(inner passing) func([]byte, grpc.Field) ([]byte, error) {
	return func(out []byte, f grpc.Field) ([]byte, error) {
		b, err := f.Message()
		if err != nil {
			return nil, err
		}
		if b, err = inner.of(b); err != nil {
			return nil, err
		}
		return grpc.AppendMessage(out, f.Number, b), nil
	}
}

// passingSchema are the fields of a table's schema: what people wrote of columns, and
// how missing values are computed, is not told to who writes rows.
func passingSchema() passing {
	column := passing{1: same, 2: same, 3: same, 7: same, 8: same, 9: same, 11: within(passing{1: same}), 27: within(passing{1: same})}
	column[4] = within(column)
	return passing{1: within(column)}
}

func passingTime() func([]byte, grpc.Field) ([]byte, error) { return within(passing{1: same, 2: same}) }

// passingError are the fields of what the service finds wrong with a row or a stream.
// Its text can hold values, so that it passes as one of an error does by REST.
func (x *writing) passingError(text int32, more ...int32) passing {
	k := passing{text: func(out []byte, f grpc.Field) ([]byte, error) {
		s, err := f.String()
		if err != nil || s == "" {
			return out, err
		}
		return grpc.AppendString(out, f.Number, x.message(s, "the target refuses it")), nil
	}}
	for _, n := range more {
		k[n] = same
	}
	return k
}

// storageError is what a status says beside its text.
const storageError = "type.googleapis.com/google.cloud.bigquery.storage.v1.StorageError"

// detail lets a detail of a status pass that is known.
func (x *writing) detail(out []byte, f grpc.Field) ([]byte, error) {
	b, err := f.Message()
	if err != nil {
		return nil, err
	}
	var kind string
	var value []byte
	err = grpc.Fields(b, func(f grpc.Field) (err error) {
		switch f.Number {
		case 1:
			kind, err = f.String()
		case 2:
			value, err = f.Message()
		}
		return err
	})
	if err != nil || kind != storageError {
		return out, err
	}
	if value, err = x.streamError().of(value); err != nil {
		return nil, err
	}
	return grpc.AppendMessage(out, f.Number, grpc.AppendMessage(grpc.AppendString(nil, 1, kind), 2, value)), nil
}

// streamError are the fields of an error about a stream, which is named where it is one
// that the caller named.
func (x *writing) streamError() passing {
	k := x.passingError(3, 1)
	k[2] = func(out []byte, f grpc.Field) ([]byte, error) {
		name, err := f.String()
		for _, s := range x.write.Streams {
			if s.String() == name {
				return grpc.AppendString(out, 2, name), err
			}
		}
		return out, err
	}
	return k
}

// answer is a message of the service as the client gets it, with what the gateway has
// to know of it.
type answer struct {
	message      []byte
	stream       string // that was made
	done, failed bool   // the rows were taken, or refused
}

// answered reads an answer and writes it anew.
func (x *writing) answered(b []byte) (a answer, err error) {
	var known passing
	switch x.write.Method {
	case analyze.CreateWriteStream, analyze.GetWriteStream:
		known = passing{2: same, 3: passingTime(), 4: passingTime(), 5: within(passingSchema()), 7: same, 8: same}
		known[1] = func(out []byte, f grpc.Field) ([]byte, error) {
			name, err := f.String()
			if err != nil {
				return nil, err
			}
			s, err := x.t.analyser.WriteStream(name)
			if err != nil || s.Table.Dataset != x.write.Table.Dataset || s.Table.ID != x.write.Table.ID {
				return nil, unknownForm(err)
			}
			a.stream = s.String()
			return grpc.AppendString(out, 1, a.stream), nil
		}
	case analyze.AppendRows:
		known = passing{
			1: func(out []byte, f grpc.Field) ([]byte, error) {
				a.done = true
				return within(passing{1: within(passing{1: same})})(out, f)
			},
			2: func(out []byte, f grpc.Field) ([]byte, error) {
				a.failed = true
				status := x.passingError(2, 1)
				status[3] = x.detail
				return within(status)(out, f)
			},
			3: within(passingSchema()), 4: within(x.passingError(3, 1, 2)), 5: same,
		}
	case analyze.BatchCommitWriteStreams:
		known = passing{1: passingTime(), 2: within(x.streamError())}
	default: // of FinalizeWriteStream and FlushRows: a number
		known = passing{1: same}
	}
	a.message, err = known.of(b)
	if err == nil && x.write.Method == analyze.CreateWriteStream && (a.stream == "" || strings.HasSuffix(a.stream, "/_default")) {
		err = unknownForm(nil)
	}
	if err != nil {
		return answer{}, unknownForm(err)
	}
	return a, nil
}
