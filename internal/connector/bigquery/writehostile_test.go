// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
)

// firstAppend is a first message, with one row.
func firstAppend() []byte {
	field := grpc.AppendVarint(grpc.AppendVarint(grpc.AppendVarint(grpc.AppendString(nil, 1, "id"), 3, 1), 4, 1), 5, 3)
	schema := grpc.AppendMessage(nil, 1, grpc.AppendMessage(grpc.AppendString(nil, 1, "Row"), 2, field))
	rows := grpc.AppendMessage(grpc.AppendMessage(nil, 1, schema), 2, grpc.AppendMessage(nil, 1, []byte("\x08\x01")))
	return grpc.AppendMessage(grpc.AppendString(nil, 1, tablePath("scratch", "notes")+byDefault), 4, rows)
}

// beginAppend sends the beginning of a stream and leaves the rest to body.
func (w *world) beginAppend(t *testing.T, ctx context.Context, body io.Reader) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, "POST", "https://"+w.HTTPAddress()+"/r/dwh/dwh/"+analyze.WriteService+"/AppendRows", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {grpc.ContentType}, "Te": {"trailers"}, "Authorization": {"Bearer " + w.Token}}
	res, err := w.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestHostileAppendAnswers has the target answer rows in ways that the service does not.
func TestHostileAppendAnswers(t *testing.T) {
	t.Parallel()
	w, f := startFront(t)
	taken := grpc.AppendMessage(nil, 1, nil)
	say := func(code string, messages ...[]byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			for _, m := range messages {
				_, _ = w.Write(grpc.Append(nil, m))
			}
			if code != "" {
				end(w, code)
			}
		}
	}
	ask := func() (grpc.Status, string) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		res := w.beginAppend(t, ctx, bytes.NewReader(grpc.Append(nil, firstAppend())))
		defer res.Body.Close() //nolint:errcheck // it was read
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		h := res.Trailer
		if h.Get(grpc.HeaderStatus) == "" {
			h = res.Header
		}
		s, _ := grpc.ParseStatus(h.Get(grpc.HeaderStatus), h.Get(grpc.HeaderMessage))
		return s, string(b)
	}
	for what, h := range map[string]http.HandlerFunc{
		"more answers than messages": say("0", taken, taken), "no trailers": say("", taken), "nonsense": say("0", []byte("\xff\xff")), "no status": say("x", taken),
		"the credential": say("0", grpc.AppendString(taken, 5, w.peer.Token)),
		"another type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("Ada Example"))
		},
	} {
		f.answer(h)
		s, b := ask()
		if s.Code != grpc.Unavailable || strings.Contains(b+s.Message, w.peer.Token) {
			t.Errorf("%s: %v %q", what, s, b)
		}
		clean(t, what, b+s.Message)
	}
	// What is not known does not pass.
	other := grpc.AppendMessage(grpc.AppendString(nil, 1, "type.googleapis.com/google.rpc.DebugInfo"), 2, []byte("Ada Example"))
	status := grpc.AppendMessage(grpc.AppendVarint(nil, 1, 3), 3, other)
	f.answer(say("0", grpc.AppendString(grpc.AppendMessage(nil, 2, status), 99, "Ada Example")))
	if s, b := ask(); s.Code != grpc.OK || b != string(grpc.Append(nil, grpc.AppendMessage(nil, 2, grpc.AppendVarint(nil, 1, 3)))) {
		t.Errorf("what is not known: %v %q", s, b)
	}
}

// TestAppendsHalfOpen has a client be gone whose stream is open: the target hears of it.
func TestAppendsHalfOpen(t *testing.T) {
	t.Parallel()
	w, f := startFront(t)
	gone := make(chan struct{}, 1)
	f.answer(func(w http.ResponseWriter, r *http.Request) {
		_, _ = grpc.NewReader(r.Body, 1<<20).Next()
		_, _ = w.Write(grpc.Append(nil, grpc.AppendMessage(nil, 1, nil)))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			gone <- struct{}{}
		case <-time.After(30 * time.Second):
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	open, more := io.Pipe()
	res := w.beginAppend(t, ctx, io.MultiReader(bytes.NewReader(grpc.Append(nil, firstAppend())), open))
	defer res.Body.Close() //nolint:errcheck // the stream is over
	if _, err := grpc.NewReader(res.Body, 1<<20).Next(); err != nil {
		t.Fatalf("the answer did not come while the stream is open: %v", err)
	}
	cancel()
	_ = more.CloseWithError(context.Canceled) // it returns nil
	select {
	case <-gone:
	case <-time.After(30 * time.Second):
		t.Error("the target goes on")
	}
}
