// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"regexp"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	pageRows  = 20_000 // of one question to the counterpart
	batchRows = 10_000 // at most
	batchesOf = 8      // what a small table is divided into
	life      = 6 * time.Hour
	maxStream = 4
)

// The services, as the control port knows them.
const (
	reads  = "BigQueryRead"
	writes = "BigQueryWrite"
)

// service is the Storage Read API.
type service struct {
	storagepb.UnimplementedBigQueryReadServer
	control control

	mu      sync.Mutex
	streams map[string]*stream // by name; guarded by mu
}

func newService(url string) *service {
	return &service{control: control{url: url}, streams: make(map[string]*stream)}
}

// session is what the streams of one session share.
type session struct {
	name     string
	identity string
	schema   []byte
	options  []ipc.Option
}

// stream is a part of a session's batches. A split replaces nothing: who reads the
// stream that was split still gets all of it.
type stream struct {
	*session
	batches []arrow.RecordBatch
}

func tableOf(name string) (table, error) {
	m := regexp.MustCompile(`^projects/([^/]+)/datasets/([^/]+)/tables/([^/]+)$`).FindStringSubmatch(name)
	if m == nil {
		return table{}, status.Errorf(codes.InvalidArgument, "Invalid table name %q", name)
	}
	return table{m[1], m[2], m[3]}, nil
}

// CreateReadSession reads the whole table and keeps it.
func (s *service) CreateReadSession(ctx context.Context, r *storagepb.CreateReadSessionRequest) (*storagepb.ReadSession, error) {
	who, err := s.control.admit(ctx, reads, "CreateReadSession", r)
	if err != nil {
		return nil, err
	}
	want := r.GetReadSession()
	if want.GetDataFormat() != storagepb.DataFormat_ARROW {
		return nil, status.Error(codes.Unimplemented, "Only Arrow is served by this counterpart")
	}
	options, err := compression(want.GetReadOptions())
	if err != nil {
		return nil, err
	}
	t, err := tableOf(want.GetTable())
	if err != nil {
		return nil, err
	}
	project, ok := strings.CutPrefix(r.GetParent(), "projects/")
	if !ok || project == "" || strings.Contains(project, "/") {
		return nil, status.Errorf(codes.InvalidArgument, "Invalid parent %q", r.GetParent())
	}
	schema, all, err := s.read(ctx, question{Identity: who.identity, Table: t, Fields: want.GetReadOptions().GetSelectedFields(), Restriction: want.GetReadOptions().GetRowRestriction()})
	if err != nil {
		return nil, err
	}
	bytes, err := serialized(schema)
	if err != nil {
		return nil, err
	}
	made := &session{name: "projects/" + project + "/locations/us/sessions/" + rand.Text(), identity: who.identity, schema: bytes, options: options}
	out := proto.Clone(want).(*storagepb.ReadSession)
	out.Name, out.ExpireTime = made.name, timestamppb.New(time.Now().Add(life))
	out.Schema = &storagepb.ReadSession_ArrowSchema{ArrowSchema: &storagepb.ArrowSchema{SerializedSchema: bytes}}
	for _, b := range all {
		out.EstimatedRowCount += b.NumRows()
		out.EstimatedTotalBytesScanned += 64 * b.NumRows()
	}
	out.Streams = s.open(made, all, int(r.GetMaxStreamCount()))
	return out, nil
}

func compression(o *storagepb.ReadSession_TableReadOptions) ([]ipc.Option, error) {
	if o.GetResponseCompressionCodec() != storagepb.ReadSession_TableReadOptions_RESPONSE_COMPRESSION_CODEC_UNSPECIFIED {
		return nil, status.Error(codes.Unimplemented, "Compression of whole responses is not served by this counterpart")
	}
	if o.GetSamplePercentage() != 0 {
		return nil, status.Error(codes.Unimplemented, "Samples are not served by this counterpart")
	}
	switch o.GetArrowSerializationOptions().GetBufferCompression() {
	case storagepb.ArrowSerializationOptions_COMPRESSION_UNSPECIFIED:
		return nil, nil
	case storagepb.ArrowSerializationOptions_LZ4_FRAME:
		return []ipc.Option{ipc.WithLZ4()}, nil
	case storagepb.ArrowSerializationOptions_ZSTD:
		return []ipc.Option{ipc.WithZstd()}, nil
	default:
		return nil, status.Error(codes.InvalidArgument, "Unknown compression")
	}
}

// read gets all rows from the counterpart.
func (s *service) read(ctx context.Context, q question) (*arrow.Schema, []arrow.RecordBatch, error) {
	var schema *arrow.Schema
	var all []arrow.RecordBatch
	q.Limit = pageRows
	for {
		p, err := s.control.read(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		if schema == nil {
			if schema, err = arrowSchema(p.Schema); err != nil {
				return nil, nil, status.Error(codes.Unimplemented, err.Error())
			}
		}
		size := batchRows
		if !p.More && q.Offset == 0 {
			size = min(size, max(1, (len(p.Rows)+batchesOf-1)/batchesOf))
		}
		made, err := batches(schema, p, size)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, made...)
		if !p.More {
			return schema, all, nil
		}
		q.Offset += len(p.Rows)
	}
}

// open divides a session's batches into streams. An empty table has none.
func (s *service) open(of *session, all []arrow.RecordBatch, most int) []*storagepb.ReadStream {
	n := min(maxStream, len(all)/2+len(all)%2)
	if most > 0 {
		n = min(n, most)
	}
	var out []*storagepb.ReadStream
	for i := range n {
		out = append(out, s.add(of, all[i*len(all)/n:(i+1)*len(all)/n]))
	}
	return out
}

func (s *service) add(of *session, batches []arrow.RecordBatch) *storagepb.ReadStream {
	name := of.name + "/streams/" + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[name] = &stream{of, batches}
	return &storagepb.ReadStream{Name: name}
}

// find is a stream of the caller's own.
func (s *service) find(name, identity string) (*stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, ok := s.streams[name]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "Stream %s does not exist", name)
	}
	if st.identity != identity {
		return nil, status.Errorf(codes.PermissionDenied, "there was an error operating on '%s': the user does not have 'bigquery.readsessions.getData' permission", name)
	}
	return st, nil
}

// ReadRows sends a stream from an offset on.
func (s *service) ReadRows(r *storagepb.ReadRowsRequest, to storagepb.BigQueryRead_ReadRowsServer) error {
	who, err := s.control.admit(to.Context(), reads, "ReadRows", r)
	if err != nil {
		return err
	}
	st, err := s.find(r.GetReadStream(), who.identity)
	if err != nil {
		return err
	}
	skip, total, sent := r.GetOffset(), int64(0), int64(0)
	for _, b := range st.batches {
		total += b.NumRows()
	}
	if skip < 0 || skip > total {
		return status.Errorf(codes.OutOfRange, "The offset %d is not in the stream", skip)
	}
	first := true
	for _, b := range st.batches {
		if skip >= b.NumRows() {
			skip -= b.NumRows()
			continue
		}
		if who.cut && !first {
			return status.Error(codes.Unavailable, "The stream ended in its middle")
		}
		slice := b.NewSlice(skip, b.NumRows())
		skip = 0
		bytes, err := message(slice, st.options...)
		if err != nil {
			return err
		}
		sent += slice.NumRows()
		answer := &storagepb.ReadRowsResponse{
			Rows:     &storagepb.ReadRowsResponse_ArrowRecordBatch{ArrowRecordBatch: &storagepb.ArrowRecordBatch{SerializedRecordBatch: bytes, RowCount: slice.NumRows()}},
			RowCount: slice.NumRows(), Stats: &storagepb.StreamStats{Progress: &storagepb.StreamStats_Progress{AtResponseEnd: float64(sent) / float64(total)}},
		}
		if first {
			answer.Schema = &storagepb.ReadRowsResponse_ArrowSchema{ArrowSchema: &storagepb.ArrowSchema{SerializedSchema: st.schema}}
			first = false
		}
		if err := to.Send(answer); err != nil {
			return err
		}
	}
	return nil
}

// SplitReadStream makes two streams of one, or none when there is but one batch.
func (s *service) SplitReadStream(ctx context.Context, r *storagepb.SplitReadStreamRequest) (*storagepb.SplitReadStreamResponse, error) {
	who, err := s.control.admit(ctx, reads, "SplitReadStream", r)
	if err != nil {
		return nil, err
	}
	st, err := s.find(r.GetName(), who.identity)
	if err != nil {
		return nil, err
	}
	fraction := r.GetFraction()
	if fraction == 0 {
		fraction = 0.5
	}
	if !(fraction > 0 && fraction < 1) {
		return nil, status.Error(codes.InvalidArgument, "The fraction is not between 0 and 1")
	}
	if len(st.batches) < 2 {
		return &storagepb.SplitReadStreamResponse{}, nil
	}
	at := min(max(1, int(fraction*float64(len(st.batches)))), len(st.batches)-1)
	return &storagepb.SplitReadStreamResponse{PrimaryStream: s.add(st.session, st.batches[:at]), RemainderStream: s.add(st.session, st.batches[at:])}, nil
}
