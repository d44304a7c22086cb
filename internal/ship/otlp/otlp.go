// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package otlp is the sink that sends events as log records of the OpenTelemetry
// protocol over HTTP, in protobuf and gzip.
//
// The record's body is the event's JSON; index, origin and type are attributes.
// A partial success says that the receiver has dropped some records and does not
// want them again: the protocol forbids to repeat the request, so that the
// cursor moves on, and what was dropped goes on record. Statuses that the
// protocol calls retryable are retried; every other failure keeps the batch and
// tries it slowly, where the protocol would have it dropped.
package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/export/ocsf"
	"github.com/sallyport-dev/sallyport/internal/ship"
	"github.com/sallyport-dev/sallyport/internal/ship/httpsend"
)

const op = "ship otlp"

// Options say where the receiver is.
type Options struct {
	URL     string // of the signal, such as https://collector.example:4318/v1/logs
	TLS     *tls.Config
	Headers []httpsend.Header
	Now     func() time.Time
}

// Sink sends to one receiver.
type Sink struct {
	opt    Options
	client *httpsend.Client
}

// New returns a sink.
func New(opt Options) *Sink {
	return &Sink{opt: opt, client: httpsend.New(op, opt.URL, opt.TLS, opt.Headers, opt.Now)}
}

// Send implements [ship.Sink].
func (s *Sink) Send(ctx context.Context, b ship.Batch) error {
	// LogsData has the wire form of ExportLogsServiceRequest, whose own package
	// would bring gRPC along.
	text, err := proto.Marshal(s.request(b))
	if err != nil {
		return sallyport.E(sallyport.Internal, op, "a batch cannot be encoded").Because(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err = z.Write(text); err == nil {
		err = z.Close()
	}
	if err != nil {
		return sallyport.E(sallyport.Internal, op, "a batch cannot be packed").Because(err)
	}
	h := http.Header{}
	h.Set("Content-Type", "application/x-protobuf")
	h.Set("Content-Encoding", "gzip")
	answer, err := s.client.Post(ctx, h, packed.Bytes(),
		http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout)
	if err != nil {
		return err
	}
	rejected, msg := PartialSuccess(answer)
	if rejected == 0 {
		return nil // a message alone is a warning
	}
	return &ship.RejectedError{
		Events: rejected,
		Err:    sallyport.E(sallyport.Denied, op, fmt.Sprintf("the receiver rejected %d records: %s", rejected, httpsend.Foreign(msg))),
	}
}

func (s *Sink) request(b ship.Batch) *logs.LogsData {
	now := uint64(s.opt.Now().UnixNano())
	records := make([]*logs.LogRecord, len(b.Events))
	for i, e := range b.Events {
		n, name := severity(e.Severity)
		records[i] = &logs.LogRecord{
			ObservedTimeUnixNano: now, SeverityNumber: n, SeverityText: name, EventName: "sallyport." + string(e.Type),
			Body: text(string(e.JSON)),
			Attributes: []*common.KeyValue{
				{Key: "sallyport.origin", Value: text(b.Origin)},
				{Key: "sallyport.index", Value: number(e.Index)},
				{Key: "sallyport.type", Value: text(string(e.Type))},
				{Key: "ocsf.type_uid", Value: number(uint64(e.TypeUID))},
				{Key: "ocsf.version", Value: text(ocsf.Version)},
			},
		}
		if !e.Time.IsZero() {
			records[i].TimeUnixNano = uint64(e.Time.UnixNano())
		}
	}
	return &logs.LogsData{ResourceLogs: []*logs.ResourceLogs{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{
			{Key: "service.name", Value: text("sallyport")},
			{Key: "service.version", Value: text(b.Product)},
			{Key: "service.instance.id", Value: text(b.Origin)},
		}},
		ScopeLogs: []*logs.ScopeLogs{{
			Scope: &common.InstrumentationScope{Name: "sallyport/ocsf", Version: ocsf.Version, Attributes: []*common.KeyValue{
				{Key: "sallyport.from", Value: number(b.From())}, {Key: "sallyport.to", Value: number(b.To())},
			}},
			LogRecords: records,
		}},
	}}}
}

// severity is OpenTelemetry's number of OCSF's severity_id.
func severity(id int) (logs.SeverityNumber, string) {
	switch {
	case id <= 1:
		return logs.SeverityNumber_SEVERITY_NUMBER_INFO, "Informational"
	case id == 2:
		return logs.SeverityNumber_SEVERITY_NUMBER_INFO2, "Low"
	case id == 3:
		return logs.SeverityNumber_SEVERITY_NUMBER_WARN, "Medium"
	}
	return logs.SeverityNumber_SEVERITY_NUMBER_ERROR, "High"
}

func text(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}

func number(n uint64) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: int64(n)}}
}

// PartialSuccess reads how many records an answer says were rejected, and why.
// An answer of another form, as a proxy's page, rejects nothing.
func PartialSuccess(answer []byte) (rejected int64, msg string) {
	partial := field(answer, 1, protowire.BytesType, true)
	n, used := protowire.ConsumeVarint(field(partial, 1, protowire.VarintType, false))
	if used > 0 && int64(n) > 0 {
		rejected = int64(n)
	}
	return rejected, string(field(partial, 2, protowire.BytesType, false))
}

// field returns the value of a field of a message, as the wire format says: of a
// field that is there several times the last one, and of a message all of them
// one after the other, which is how they are merged.
func field(b []byte, want protowire.Number, as protowire.Type, message bool) []byte {
	var found []byte
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil
		}
		b = b[n:]
		n = protowire.ConsumeFieldValue(num, typ, b)
		if n < 0 {
			return nil
		}
		if num == want && typ == as {
			value := b[:n]
			if typ == protowire.BytesType {
				value, _ = protowire.ConsumeBytes(value)
			}
			if !message {
				found = nil
			}
			found = append(found, value...)
		}
		b = b[n:]
	}
	return found
}

// Close ends the connections that are kept.
func (s *Sink) Close() error { s.client.Close(); return nil }
