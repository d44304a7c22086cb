// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	storagewrite "cloud.google.com/go/bigquery/storage/apiv1"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// message is one message of the call "append_raw".
type message struct {
	Stream         string
	Schema         [][2]string
	Rows           []map[string]any
	Offset         *int64
	Column         map[string]string
	Arrow, Unknown bool
}

func tableName(project string, one call) string {
	return fmt.Sprintf("projects/%s/datasets/%s/tables/%s", project, one.Dataset, one.Table)
}

// descriptor is the schema of rows. column says of fields what column they are.
func descriptor(schema [][2]string, column map[string]string) (*descriptorpb.DescriptorProto, error) {
	types := map[string]descriptorpb.FieldDescriptorProto_Type{
		"INTEGER": descriptorpb.FieldDescriptorProto_TYPE_INT64, "STRING": descriptorpb.FieldDescriptorProto_TYPE_STRING, "DATE": descriptorpb.FieldDescriptorProto_TYPE_INT32,
		"FLOAT": descriptorpb.FieldDescriptorProto_TYPE_DOUBLE, "BOOLEAN": descriptorpb.FieldDescriptorProto_TYPE_BOOL,
	}
	d := &descriptorpb.DescriptorProto{Name: proto.String("Row")}
	for i, f := range schema {
		t, ok := types[f[1]]
		if !ok {
			return nil, fmt.Errorf("no type %q", f[1])
		}
		field := &descriptorpb.FieldDescriptorProto{Name: proto.String(f[0]), Number: proto.Int32(int32(i + 1)), Type: t.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
		if name := column[f[0]]; name != "" {
			field.Options = &descriptorpb.FieldOptions{}
			proto.SetExtension(field.Options, storagepb.E_ColumnName, name)
		}
		d.Field = append(d.Field, field)
	}
	return d, nil
}

// serialized are rows by a schema.
func serialized(d *descriptorpb.DescriptorProto, rows []map[string]any) ([][]byte, error) {
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{Name: proto.String("row.proto"), MessageType: []*descriptorpb.DescriptorProto{d}}, nil)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for _, row := range rows {
		m := dynamicpb.NewMessage(file.Messages().Get(0))
		for name, v := range row {
			f := m.Descriptor().Fields().ByName(protoreflect.Name(name))
			if f == nil {
				return nil, fmt.Errorf("no field %q", name)
			}
			n, _ := v.(float64)
			switch f.Kind() {
			case protoreflect.Int64Kind:
				v = int64(n)
			case protoreflect.Int32Kind:
				v = int32(n)
			}
			m.Set(f, protoreflect.ValueOf(v))
		}
		b, err := proto.Marshal(m)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// append is a managed stream to {name}, or of {type} to {dataset, table}, with
// messages of {page} rows: {stream, offsets}.
func (c *clients) append(ctx context.Context, one call) (any, error) {
	w, err := managedwriter.NewClient(ctx, c.project, c.write...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Close() }()
	d, err := descriptor(one.Schema, nil)
	if err != nil {
		return nil, err
	}
	rows, err := serialized(d, one.Rows)
	if err != nil {
		return nil, err
	}
	options := []managedwriter.WriterOption{managedwriter.WithSchemaDescriptor(d)}
	if one.Name != "" {
		options = append(options, managedwriter.WithStreamName(one.Name))
	} else {
		options = append(options, managedwriter.WithDestinationTable(tableName(c.project, one)), managedwriter.WithType(managedwriter.StreamType(one.Type)))
	}
	stream, err := w.NewManagedStream(ctx, options...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = stream.Close() }()
	size := one.Page
	if size == 0 {
		size = len(rows)
	}
	var results []*managedwriter.AppendResult
	for len(rows) > 0 {
		n := min(size, len(rows))
		r, err := stream.AppendRows(ctx, rows[:n])
		if err != nil {
			return nil, err
		}
		results, rows = append(results, r), rows[n:]
	}
	offsets := []int64{}
	for _, r := range results {
		at, err := r.GetResult(ctx)
		if err != nil {
			return nil, err
		}
		offsets = append(offsets, at)
	}
	return map[string]any{"stream": stream.StreamName(), "offsets": offsets}, nil
}

func (c *clients) writer(ctx context.Context) (*storagewrite.BigQueryWriteClient, error) {
	return storagewrite.NewBigQueryWriteClient(ctx, c.write...)
}

// request is a message as the service takes it.
func request(m message) (*storagepb.AppendRowsRequest, error) {
	r := &storagepb.AppendRowsRequest{WriteStream: m.Stream}
	if m.Offset != nil {
		r.Offset = wrapperspb.Int64(*m.Offset)
	}
	if m.Unknown {
		r.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1))
	}
	if m.Arrow {
		r.Rows = &storagepb.AppendRowsRequest_ArrowRows{ArrowRows: &storagepb.AppendRowsRequest_ArrowData{Rows: &storagepb.ArrowRecordBatch{SerializedRecordBatch: []byte("rows")}}}
		return r, nil
	}
	d, err := descriptor(m.Schema, m.Column)
	if err != nil {
		return nil, err
	}
	rows, err := serialized(d, m.Rows)
	if err != nil {
		return nil, err
	}
	data := &storagepb.AppendRowsRequest_ProtoData{Rows: &storagepb.ProtoRows{SerializedRows: rows}, WriterSchema: &storagepb.ProtoSchema{ProtoDescriptor: d}}
	r.Rows = &storagepb.AppendRowsRequest_ProtoRows{ProtoRows: data}
	return r, nil
}

// appendRaw is AppendRows with {messages} as they are: {answers, end}, with the
// offset or the error of each, and how the stream ended. One that goes on for ever
// sends its last message again until it is ended.
func (c *clients) appendRaw(ctx context.Context, one call) (any, error) {
	w, err := c.writer(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Close() }()
	stream, err := w.AppendRows(ctx)
	if err != nil {
		return nil, err
	}
	var last *storagepb.AppendRowsRequest
	answers := []any{}
	for _, m := range one.Messages {
		if last, err = request(m); err != nil {
			return nil, err
		}
		if err = stream.Send(last); err != nil {
			break
		}
	}
	for deadline := time.Now().Add(time.Minute); one.Endless && err == nil && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		last.WriteStream = ""
		if err = stream.Send(last); err == nil {
			_, err = stream.Recv()
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return map[string]any{"answers": answers, "end": failed(err).Reason, "message": failed(err).Message}, nil
	}
	_ = stream.CloseSend() // it may have ended
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return map[string]any{"answers": answers, "end": "OK", "message": ""}, nil
		}
		if err != nil {
			return map[string]any{"answers": answers, "end": failed(err).Reason, "message": failed(err).Message}, nil
		}
		answer := map[string]any{"offset": float64(-1)}
		if o := r.GetAppendResult().GetOffset(); o != nil {
			answer["offset"] = float64(o.GetValue())
		}
		if s := r.GetError(); s != nil {
			answer["error"], answer["message"] = codes.Code(s.GetCode()).String(), s.GetMessage()
		}
		for _, e := range r.GetRowErrors() {
			answer["row"], answer["row_message"] = float64(e.GetIndex()), e.GetMessage()
		}
		answers = append(answers, answer)
	}
}

// writeStream is CreateWriteStream of a {type} on {dataset, table}: {name, columns}.
func (c *clients) writeStream(ctx context.Context, one call) (any, error) {
	w, err := c.writer(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Close() }()
	kind := storagepb.WriteStream_Type(storagepb.WriteStream_Type_value[one.Type])
	s, err := w.CreateWriteStream(ctx, &storagepb.CreateWriteStreamRequest{Parent: tableName(c.project, one), WriteStream: &storagepb.WriteStream{Type: kind}})
	return described(s), err
}

// getWriteStream is GetWriteStream of {name}, whole if {contents}: {name, type, columns}.
func (c *clients) getWriteStream(ctx context.Context, one call) (any, error) {
	w, err := c.writer(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Close() }()
	view := storagepb.WriteStreamView_BASIC
	if one.Contents {
		view = storagepb.WriteStreamView_FULL
	}
	s, err := w.GetWriteStream(ctx, &storagepb.GetWriteStreamRequest{Name: one.Name, View: view})
	return described(s), err
}

func described(s *storagepb.WriteStream) any {
	columns := []string{}
	for _, f := range s.GetTableSchema().GetFields() {
		columns = append(columns, f.GetName()+" "+f.GetType().String())
	}
	return map[string]any{"name": s.GetName(), "type": s.GetType().String(), "columns": columns}
}

// finalize is FinalizeWriteStream of {name}: the number of its rows.
func (c *clients) finalize(ctx context.Context, one call) (any, error) {
	w, err := c.writer(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Close() }()
	r, err := w.FinalizeWriteStream(ctx, &storagepb.FinalizeWriteStreamRequest{Name: one.Name})
	return r.GetRowCount(), err
}

// commit is BatchCommitWriteStreams of {names} on {dataset, table}: the codes of
// what is wrong with streams.
func (c *clients) commit(ctx context.Context, one call) (any, error) {
	w, err := c.writer(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Close() }()
	r, err := w.BatchCommitWriteStreams(ctx, &storagepb.BatchCommitWriteStreamsRequest{Parent: tableName(c.project, one), WriteStreams: one.Names})
	out := []string{}
	for _, e := range r.GetStreamErrors() {
		out = append(out, e.GetCode().String())
	}
	return out, err
}

// flush is FlushRows of {name} up to {offset}: the offset that it has come to.
func (c *clients) flush(ctx context.Context, one call) (any, error) {
	w, err := c.writer(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Close() }()
	r, err := w.FlushRows(ctx, &storagepb.FlushRowsRequest{WriteStream: one.Name, Offset: wrapperspb.Int64(one.Offset)})
	return r.GetOffset(), err
}
