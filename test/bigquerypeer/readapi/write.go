// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// maxMessage bounds one message with rows, in bytes, as the service does.
const maxMessage = 10 << 20

// writer is the Storage Write API.
type writer struct {
	storagepb.UnimplementedBigQueryWriteServer
	control control

	mu      sync.Mutex
	streams map[string]*written // by name; guarded by mu
}

func newWriter(url string) *writer {
	return &writer{control: control{url: url}, streams: make(map[string]*written)}
}

// written is a stream. The writer's mu guards what changes of it.
type written struct {
	name, identity string
	table          table
	kind           storagepb.WriteStream_Type
	columns        []field
	rows           []json.RawMessage // those that are not in the table yet
	next           int64             // offset
	stored         int64             // how many are in the table
	ended, over    bool              // finalized; committed
}

func (w *written) proto(full bool) *storagepb.WriteStream {
	out := &storagepb.WriteStream{Name: w.name, Type: w.kind, Location: "us", WriteMode: storagepb.WriteStream_INSERT, CreateTime: timestamppb.Now()}
	if full {
		out.TableSchema = &storagepb.TableSchema{Fields: tableFields(w.columns)}
	}
	return out
}

// CreateWriteStream makes a stream of a type.
func (s *writer) CreateWriteStream(ctx context.Context, r *storagepb.CreateWriteStreamRequest) (*storagepb.WriteStream, error) {
	who, err := s.control.admit(ctx, writes, "CreateWriteStream", r)
	if err != nil {
		return nil, err
	}
	t, err := tableOf(r.GetParent())
	if err != nil {
		return nil, err
	}
	w := &written{identity: who.identity, table: t, kind: r.GetWriteStream().GetType(), name: r.GetParent() + "/streams/" + rand.Text()}
	if w.kind == storagepb.WriteStream_TYPE_UNSPECIFIED {
		return nil, status.Error(codes.InvalidArgument, "Invalid stream type")
	}
	if w.columns, err = s.control.schema(ctx, t); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[w.name] = w
	return w.proto(true), nil
}

// find is a stream of the caller's own, or the table's own of that name.
func (s *writer) find(ctx context.Context, name, identity string) (*written, error) {
	if parent, ok := cutDefault(name); ok {
		t, err := tableOf(parent)
		if err != nil {
			return nil, err
		}
		columns, err := s.control.schema(ctx, t)
		return &written{name: parent + "/streams/_default", identity: identity, table: t, kind: storagepb.WriteStream_COMMITTED, columns: columns}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.streams[name]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "Requested entity was not found. Entity: %s", name)
	}
	if w.identity != identity {
		return nil, status.Errorf(codes.PermissionDenied, "Permission 'TABLES_UPDATE_DATA' denied on resource '%s'", name)
	}
	return w, nil
}

func cutDefault(name string) (parent string, ok bool) {
	if parent, ok = strings.CutSuffix(name, "/streams/_default"); ok {
		return parent, true
	}
	return strings.CutSuffix(name, "/_default")
}

// GetWriteStream tells what a stream is.
func (s *writer) GetWriteStream(ctx context.Context, r *storagepb.GetWriteStreamRequest) (*storagepb.WriteStream, error) {
	who, err := s.control.admit(ctx, writes, "GetWriteStream", r)
	if err != nil {
		return nil, err
	}
	w, err := s.find(ctx, r.GetName(), who.identity)
	if err != nil {
		return nil, err
	}
	return w.proto(r.GetView() == storagepb.WriteStreamView_FULL), nil
}

// AppendRows takes rows until the caller ends.
func (s *writer) AppendRows(conn storagepb.BigQueryWrite_AppendRowsServer) error {
	ctx := conn.Context()
	var who admitted
	var to *written
	var d decoder
	for n := 0; ; n++ {
		r, err := conn.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 {
			if who, err = s.control.admit(ctx, writes, "AppendRows", r); err != nil {
				return err
			}
		} else if who.cut {
			return status.Error(codes.Unavailable, "The stream ended in its middle")
		}
		if name := r.GetWriteStream(); name != "" && (to == nil || name != to.name) {
			if to, err = s.find(ctx, name, who.identity); err != nil {
				return err
			}
		}
		if to == nil {
			return status.Error(codes.InvalidArgument, "The first request names no stream")
		}
		answer, err := s.append(ctx, to, &d, r)
		if err != nil {
			return err
		}
		if err := conn.Send(answer); err != nil {
			return err
		}
	}
}

// append takes one message. What is wrong with it is in the answer.
func (s *writer) append(ctx context.Context, to *written, d *decoder, r *storagepb.AppendRowsRequest) (*storagepb.AppendRowsResponse, error) {
	refused := func(code codes.Code, text string) *storagepb.AppendRowsResponse {
		return &storagepb.AppendRowsResponse{WriteStream: to.name, Response: &storagepb.AppendRowsResponse_Error{Error: status.New(code, text).Proto()}}
	}
	if r.GetProtoRows() == nil {
		return refused(codes.Unimplemented, "Only rows in proto are served by this counterpart"), nil
	}
	if p := r.GetProtoRows().GetWriterSchema().GetProtoDescriptor(); p != nil {
		if err := d.use(p, to.columns); err != nil {
			return refused(codes.InvalidArgument, err.Error()), nil
		}
	}
	rows, failed := d.rows(r.GetProtoRows().GetRows().GetSerializedRows())
	if len(failed) > 0 {
		out := refused(codes.InvalidArgument, "Errors found while processing rows. Please refer to the row_errors field for details.")
		out.RowErrors = failed
		return out, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	named := s.streams[to.name] != nil
	at := to.next
	switch o := r.GetOffset(); {
	case to.ended:
		return refused(codes.InvalidArgument, "The stream is finalized"), nil
	case o != nil && !named:
		return refused(codes.InvalidArgument, "The default stream takes no offset"), nil
	case o != nil && o.GetValue() < at:
		return refused(codes.AlreadyExists, "The offset is within stream"), nil
	case o != nil && o.GetValue() > at:
		return refused(codes.OutOfRange, "The offset is beyond stream"), nil
	}
	if to.kind == storagepb.WriteStream_COMMITTED {
		if err := s.control.append(ctx, to.table, rows); err != nil {
			return refused(status.Code(err), status.Convert(err).Message()), nil
		}
	} else {
		to.rows = append(to.rows, rows...)
	}
	result := &storagepb.AppendRowsResponse_AppendResult{}
	if named {
		to.next += int64(len(rows))
		result.Offset = wrapperspb.Int64(at)
	}
	return &storagepb.AppendRowsResponse{WriteStream: to.name, Response: &storagepb.AppendRowsResponse_AppendResult_{AppendResult: result}}, nil
}

// FinalizeWriteStream ends a stream.
func (s *writer) FinalizeWriteStream(ctx context.Context, r *storagepb.FinalizeWriteStreamRequest) (*storagepb.FinalizeWriteStreamResponse, error) {
	who, err := s.control.admit(ctx, writes, "FinalizeWriteStream", r)
	if err != nil {
		return nil, err
	}
	w, err := s.find(ctx, r.GetName(), who.identity)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.ended = true
	return &storagepb.FinalizeWriteStreamResponse{RowCount: w.next}, nil
}

// BatchCommitWriteStreams puts the rows of streams into their table, or of none.
func (s *writer) BatchCommitWriteStreams(ctx context.Context, r *storagepb.BatchCommitWriteStreamsRequest) (*storagepb.BatchCommitWriteStreamsResponse, error) {
	who, err := s.control.admit(ctx, writes, "BatchCommitWriteStreams", r)
	if err != nil {
		return nil, err
	}
	t, err := tableOf(r.GetParent())
	if err != nil {
		return nil, err
	}
	var all []*written
	for _, name := range r.GetWriteStreams() {
		w, err := s.find(ctx, name, who.identity)
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &storagepb.BatchCommitWriteStreamsResponse{}
	var rows []json.RawMessage
	for _, w := range all {
		code := storagepb.StorageError_STORAGE_ERROR_CODE_UNSPECIFIED
		switch {
		case w.table != t:
			return nil, status.Error(codes.InvalidArgument, "A stream is of another table")
		case w.kind != storagepb.WriteStream_PENDING:
			code = storagepb.StorageError_INVALID_STREAM_TYPE
		case w.over:
			code = storagepb.StorageError_STREAM_ALREADY_COMMITTED
		case !w.ended:
			code = storagepb.StorageError_INVALID_STREAM_STATE
		}
		if code != 0 {
			out.StreamErrors = append(out.StreamErrors, &storagepb.StorageError{Code: code, Entity: w.name, ErrorMessage: code.String()})
		}
		rows = append(rows, w.rows...)
	}
	if len(out.StreamErrors) > 0 {
		return out, nil
	}
	if err := s.control.append(ctx, t, rows); err != nil {
		return nil, err
	}
	for _, w := range all {
		w.over, w.rows = true, nil
	}
	out.CommitTime = timestamppb.New(time.Now())
	return out, nil
}

// FlushRows puts the rows of a buffered stream into its table, up to an offset.
func (s *writer) FlushRows(ctx context.Context, r *storagepb.FlushRowsRequest) (*storagepb.FlushRowsResponse, error) {
	who, err := s.control.admit(ctx, writes, "FlushRows", r)
	if err != nil {
		return nil, err
	}
	w, err := s.find(ctx, r.GetWriteStream(), who.identity)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.kind != storagepb.WriteStream_BUFFERED {
		return nil, status.Error(codes.InvalidArgument, "Only buffered streams are flushed")
	}
	until := r.GetOffset().GetValue()
	if until >= w.next {
		return nil, status.Error(codes.OutOfRange, "The offset is beyond stream")
	}
	if n := until + 1 - w.stored; n > 0 {
		if err := s.control.append(ctx, w.table, w.rows[:n]); err != nil {
			return nil, err
		}
		w.rows, w.stored = w.rows[n:], until+1
	}
	return &storagepb.FlushRowsResponse{Offset: until}, nil
}
