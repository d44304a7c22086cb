// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"github.com/apache/arrow/go/v15/arrow/ipc"
)

// session is CreateReadSession: {streams, columns}.
func (c *clients) session(ctx context.Context, one call) (any, error) {
	if one.Format == "" {
		one.Format = "ARROW"
	}
	options := &storagepb.ReadSession_TableReadOptions{SelectedFields: one.Fields, RowRestriction: one.Restriction}
	if one.Compression != "" {
		codec := storagepb.ArrowSerializationOptions_CompressionCodec(storagepb.ArrowSerializationOptions_CompressionCodec_value[one.Compression])
		options.OutputFormatSerializationOptions = &storagepb.ReadSession_TableReadOptions_ArrowSerializationOptions{
			ArrowSerializationOptions: &storagepb.ArrowSerializationOptions{BufferCompression: codec},
		}
	}
	s, err := c.api.CreateReadSession(ctx, &storagepb.CreateReadSessionRequest{
		Parent: "projects/" + c.project,
		ReadSession: &storagepb.ReadSession{
			Table:      fmt.Sprintf("projects/%s/datasets/%s/tables/%s", c.project, one.Dataset, one.Table),
			DataFormat: storagepb.DataFormat(storagepb.DataFormat_value[one.Format]), ReadOptions: options,
		},
		MaxStreamCount: int32(one.Streams),
	})
	if err != nil {
		return nil, err
	}
	r, err := ipc.NewReader(bytes.NewReader(s.GetArrowSchema().GetSerializedSchema()))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	streams, columns := []string{}, []string{}
	for _, st := range s.GetStreams() {
		streams = append(streams, st.GetName())
	}
	for _, f := range r.Schema().Fields() {
		columns = append(columns, fmt.Sprintf("%s %s", f.Name, f.Type))
	}
	return map[string]any{"streams": streams, "columns": columns}, nil
}

// stream is ReadRows, to the end: {rows, batches, bytes}, with the rows as Arrow's
// library makes JSON of them.
func (c *clients) stream(ctx context.Context, one call) (any, error) {
	in, err := c.api.ReadRows(ctx, &storagepb.ReadRowsRequest{ReadStream: one.Name, Offset: one.Offset})
	if err != nil {
		return nil, err
	}
	rows := []any{}
	var schema []byte
	batches, size := 0, 0
	for {
		answer, err := in.Recv()
		if err == io.EOF {
			return map[string]any{"rows": rows, "batches": batches, "bytes": size}, nil
		}
		if err != nil {
			return nil, err
		}
		if s := answer.GetArrowSchema().GetSerializedSchema(); s != nil {
			schema = s
		}
		batch := answer.GetArrowRecordBatch().GetSerializedRecordBatch()
		batches, size = batches+1, size+len(batch)
		got, err := decode(schema, batch)
		if err != nil {
			return nil, err
		}
		if int64(len(got)) != answer.GetRowCount() {
			return nil, fmt.Errorf("%d rows where %d were announced", len(got), answer.GetRowCount())
		}
		rows = append(rows, got...)
	}
}

func decode(schema, batch []byte) ([]any, error) {
	r, err := ipc.NewReader(io.MultiReader(bytes.NewReader(schema), bytes.NewReader(batch)))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	var rows []any
	for r.Next() {
		text, err := r.Record().MarshalJSON()
		if err != nil {
			return nil, err
		}
		var got []any
		if err := json.Unmarshal(text, &got); err != nil {
			return nil, err
		}
		rows = append(rows, got...)
	}
	return rows, r.Err()
}

// split is SplitReadStream: {primary, remainder}.
func (c *clients) split(ctx context.Context, one call) (any, error) {
	s, err := c.api.SplitReadStream(ctx, &storagepb.SplitReadStreamRequest{Name: one.Name, Fraction: one.Fraction})
	if err != nil {
		return nil, err
	}
	return map[string]any{"primary": s.GetPrimaryStream().GetName(), "remainder": s.GetRemainderStream().GetName()}, nil
}
