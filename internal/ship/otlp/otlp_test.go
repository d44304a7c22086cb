// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package otlp_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export/ocsf"
	"github.com/sallyport-dev/sallyport/internal/ship"
	"github.com/sallyport-dev/sallyport/internal/ship/httpsend"
	"github.com/sallyport-dev/sallyport/internal/ship/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func batch(from, to uint64) ship.Batch {
	b := ship.Batch{Origin: "sallyport.test/gw", Product: "v1"}
	for i := from; i <= to; i++ {
		e := ocsf.Event{
			Ref: ocsf.Ref{Index: i, TypeUID: 600504}, Type: evidence.TypeIntent, Time: time.Unix(1700000000, int64(i)), Severity: int(i % 5),
			JSON: fmt.Appendf(nil, `{"index":%d}`, i),
		}
		b.Events = append(b.Events, e)
		b.Bytes += len(e.JSON)
	}
	return b
}

// serve answers each request with what a test returns for its decoded form.
func serve(t *testing.T, answer func(req *collector.ExportLogsServiceRequest, h http.Header) (int, []byte)) *otlp.Sink {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		b, err := io.ReadAll(z)
		if err != nil {
			t.Error(err)
		}
		var req collector.ExportLogsServiceRequest
		if err := proto.Unmarshal(b, &req); err != nil {
			t.Error(err)
		}
		if len(req.ProtoReflect().GetUnknown()) > 0 {
			t.Error("the request has fields that the official types do not know")
		}
		status, body := answer(&req, r.Header)
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	t.Cleanup(srv.Close)
	s := otlp.New(otlp.Options{URL: srv.URL + "/v1/logs", Now: time.Now, Headers: []httpsend.Header{
		{Name: "Api-Key", Value: func(context.Context) (string, error) { return "abc", nil }},
	}})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func attributes(list []*common.KeyValue) map[string]any {
	out := map[string]any{}
	for _, kv := range list {
		switch v := kv.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			out[kv.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			out[kv.Key] = v.IntValue
		}
	}
	return out
}

func TestRequest(t *testing.T) {
	t.Parallel()
	calls := 0
	s := serve(t, func(req *collector.ExportLogsServiceRequest, h http.Header) (int, []byte) {
		calls++
		if h.Get("Content-Type") != "application/x-protobuf" || h.Get("Api-Key") != "abc" {
			t.Errorf("headers: %v", h)
		}
		if len(req.ResourceLogs) != 1 || len(req.ResourceLogs[0].ScopeLogs) != 1 {
			t.Fatalf("request: %v", req)
		}
		if a := attributes(req.ResourceLogs[0].Resource.Attributes); a["service.name"] != "sallyport" || a["service.instance.id"] != "sallyport.test/gw" {
			t.Errorf("resource: %v", a)
		}
		scope := req.ResourceLogs[0].ScopeLogs[0]
		if a := attributes(scope.Scope.Attributes); a["sallyport.from"] != int64(7) || a["sallyport.to"] != int64(9) {
			t.Errorf("scope: %v", a)
		}
		if len(scope.LogRecords) != 3 {
			t.Fatalf("%d records", len(scope.LogRecords))
		}
		for i, r := range scope.LogRecords {
			a := attributes(r.Attributes)
			if a["sallyport.index"] != int64(7+i) || a["sallyport.type"] != "intent" || a["ocsf.type_uid"] != int64(600504) {
				t.Errorf("record %d: %v", i, a)
			}
			if r.Body.GetStringValue() != fmt.Sprintf(`{"index":%d}`, 7+i) || r.TimeUnixNano != uint64(1700000000_000000007+i) || r.SeverityNumber == 0 {
				t.Errorf("record %d: %v", i, r)
			}
		}
		body, err := proto.Marshal(&collector.ExportLogsServiceResponse{})
		if err != nil {
			t.Error(err)
		}
		return 200, body
	})
	if err := s.Send(t.Context(), batch(7, 9)); err != nil || calls != 1 {
		t.Fatalf("%d calls, %v", calls, err)
	}
}

// A partial success is not sent again; its count and message are told. One that
// rejects nothing is a warning.
func TestPartialSuccess(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rejected int64
		msg      string
	}{{0, ""}, {0, "deprecated"}, {2, "too old\n\x1b[31m"}} {
		s := serve(t, func(*collector.ExportLogsServiceRequest, http.Header) (int, []byte) {
			body, err := proto.Marshal(&collector.ExportLogsServiceResponse{PartialSuccess: &collector.ExportLogsPartialSuccess{
				RejectedLogRecords: tt.rejected, ErrorMessage: tt.msg,
			}})
			if err != nil {
				t.Error(err)
			}
			return 200, body
		})
		err := s.Send(t.Context(), batch(0, 3))
		var r *ship.RejectedError
		if errors.As(err, &r) != (tt.rejected > 0) || err != nil && r == nil {
			t.Errorf("%+v: %v", tt, err)
		}
		if r != nil {
			if msg, _ := sallyport.Public(err); r.Events != 2 || msg != "the receiver rejected 2 records: too old  [31m" {
				t.Errorf("%d, %q", r.Events, msg)
			}
		}
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]sallyport.Kind{
		429: sallyport.Unavailable, 502: sallyport.Unavailable, 503: sallyport.Unavailable, 504: sallyport.Unavailable,
		400: sallyport.Denied, 401: sallyport.Denied, 404: sallyport.Denied, 413: sallyport.Denied, 500: sallyport.Denied,
	} {
		s := serve(t, func(*collector.ExportLogsServiceRequest, http.Header) (int, []byte) { return status, nil })
		if err := s.Send(t.Context(), batch(0, 0)); err == nil || sallyport.KindOf(err) != want {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func FuzzPartialSuccess(f *testing.F) {
	body, err := proto.Marshal(&collector.ExportLogsServiceResponse{PartialSuccess: &collector.ExportLogsPartialSuccess{RejectedLogRecords: 3, ErrorMessage: "x"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rejected, msg := otlp.PartialSuccess(b)
		if rejected < 0 || len(msg) > len(b) {
			t.Errorf("%d, %q", rejected, msg)
		}
		var res collector.ExportLogsServiceResponse
		if proto.Unmarshal(b, &res) != nil {
			return
		}
		if want := max(res.GetPartialSuccess().GetRejectedLogRecords(), 0); want != rejected {
			t.Errorf("%d, and the official types read %d", rejected, want)
		}
	})
}
