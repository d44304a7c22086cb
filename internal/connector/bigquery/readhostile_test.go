// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
)

// readFront stands before the Storage APIs of a counterpart, and answers ReadRows and
// AppendRows by itself where it has something to answer.
type readFront struct {
	*httptest.Server
	rows atomic.Pointer[http.HandlerFunc]
}

// startFront starts a gateway whose Storage Read API is behind a front.
func startFront(t *testing.T) (*world, *readFront) {
	t.Helper()
	peer := bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithRead())
	ca, err := os.ReadFile(peer.ReadCA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	to := &url.URL{Scheme: "https", Host: peer.Read}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(p *httputil.ProxyRequest) { p.SetURL(to) },
		Transport: transport, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
	}
	f := &readFront{}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := f.rows.Load(); h != nil && strings.HasSuffix(r.URL.Path, "Rows") {
			w.Header().Set("Content-Type", grpc.ContentType)
			(*h)(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	f.EnableHTTP2 = true
	f.StartTLS()
	t.Cleanup(func() {
		f.Close()
		transport.CloseIdleConnections()
	})
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	return startReadAt(t, peer, strings.TrimPrefix(f.URL, "https://"), string(own)), f
}

func (f *readFront) answer(h http.HandlerFunc) { f.rows.Store(&h) }

// whole is the answer of the counterpart to a stream: its messages.
func (f *readFront) whole(t *testing.T, w *world, stream string) [][]byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	f.rows.Store(nil)
	req, err := http.NewRequestWithContext(ctx, "POST", f.URL+"/"+analyze.ReadService+"/ReadRows", strings.NewReader(string(grpc.Append(nil, grpc.AppendString(nil, 1, stream)))))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {grpc.ContentType}, "Te": {"trailers"}, "Authorization": {"Bearer " + w.peer.Token}}
	res, err := f.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	var out [][]byte
	for in := grpc.NewReader(res.Body, 1<<20); ; {
		m, err := in.Next()
		if err != nil {
			break
		}
		out = append(out, append([]byte(nil), m...))
	}
	if len(out) < 2 {
		t.Fatalf("%d messages: %v %v", len(out), res.Header, res.Trailer)
	}
	return out
}

func end(w http.ResponseWriter, code string) {
	w.Header().Set(http.TrailerPrefix+grpc.HeaderStatus, code)
}

// TestHostileAnswers has the target answer in ways that the service does not: nothing
// leaves that was not masked.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	w, f := startFront(t)
	name := streamOf(t, w.goClient(t, session(""))[0])
	good := f.whole(t, w, name)
	field := func(num int32, b string) []byte {
		return grpc.AppendMessage(nil, num, grpc.AppendMessage(nil, 1, []byte(b)))
	}
	say := func(code string, messages ...[]byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for _, m := range messages {
				_, _ = w.Write(grpc.Append(nil, m))
			}
			if code != "" {
				end(w, code)
			}
		}
	}
	raw := func(b string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(b)); end(w, "0") }
	}
	for what, h := range map[string]http.HandlerFunc{
		"rows in Avro":        say("0", append(field(3, "Ada Example"), grpc.AppendVarint(nil, 6, 1)...)),
		"a schema of Avro":    say("0", field(7, "Ada Example")),
		"another schema":      say("0", field(8, "Ada Example")),
		"a batch of nonsense": say("0", field(4, "Ada Example")),
		"more rows said":      say("0", append(append([]byte(nil), good[0]...), grpc.AppendVarint(nil, 6, 77)...)),
		"no trailers":         say("", good...),
		"no message":          say("0", []byte("\xff\xff")),
		"a packed message":    raw("\x01\x00\x00\x00\x0bAda Example"),
		"half a message":      raw("\x00\x00\x00\x00\x7fAda Example"),
		"a message too large": raw("\x00\x7f\xff\xff\xffAda Example"),
		"another status": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("Ada Example"))
		},
		"another type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("Ada Example"))
		},
		"the credential":   say("0", grpc.AppendMessage(nil, 99, []byte(w.peer.Token))),
		"a status of none": say("x"),
	} {
		f.answer(h)
		got := w.goClient(t, call{Name: "stream", Object: name})[0]
		if got.Error == nil || got.Error.Reason != "Unavailable" || strings.Contains(got.Error.Message, w.peer.Token) {
			t.Errorf("%s: %+v", what, got)
		}
	}
	// What is not known does not pass, and does not keep what is from passing.
	f.answer(say("0", append(append([]byte(nil), good[0]...), grpc.AppendMessage(nil, 99, []byte("Ada Example"))...), good[1]))
	if got := w.message(t, "ReadRows", grpc.AppendString(nil, 1, name)); !strings.Contains(got, "[phi.ssn]") {
		t.Errorf("an unknown field: %q", got)
	}
	// The code of an error passes, and not its text.
	f.answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(grpc.HeaderStatus, "11")
		w.Header().Set(grpc.HeaderMessage, "Ada Example")
	})
	if got := w.goClient(t, call{Name: "stream", Object: name})[0]; got.Error == nil || got.Error.Reason != "OutOfRange" {
		t.Errorf("an error: %+v", got)
	}
}

// TestStatusTexts has the target say things at the end of a call that reads nothing that
// is masked. The client hears the text, and neither the log nor the records do; and
// nobody hears the gateway's credential.
func TestStatusTexts(t *testing.T) {
	t.Parallel()
	w, f := startFront(t)
	name := streamOf(t, w.goClient(t, session("", "mrn", "zip"))[0])
	for _, trailer := range []bool{false, true} {
		say := func(text string) {
			f.answer(func(w http.ResponseWriter, _ *http.Request) {
				prefix := ""
				if trailer {
					prefix = http.TrailerPrefix
					_ = http.NewResponseController(w).Flush()
				}
				w.Header().Set(prefix+grpc.HeaderStatus, "11")
				w.Header().Set(prefix+grpc.HeaderMessage, text)
			})
		}
		say("the row 02139-7741 cannot be read")
		if got := w.goClient(t, call{Name: "stream", Object: name})[0]; got.Error == nil || !strings.Contains(got.Error.Message, "02139-7741") {
			t.Errorf("a text: %+v", got.Error)
		}
		for _, text := range []string{"no such token: " + w.peer.Token, "no such token: %" + fmt.Sprintf("%02X", w.peer.Token[0]) + w.peer.Token[1:]} {
			say(text)
			if got := w.goClient(t, call{Name: "stream", Object: name})[0]; got.Error == nil || strings.Contains(got.Error.Message, w.peer.Token) {
				t.Errorf("the credential: %+v", got.Error)
			}
		}
	}
	w.Stop(t)
	for where, b := range w.Traces(t) {
		if strings.Contains(string(b), "02139-7741") || strings.Contains(string(b), w.peer.Token) {
			t.Errorf("%s holds what the target said", where)
		}
	}
}

// TestStreamsEnd has a stream end in its middle, because its client goes away or its
// token is taken back: the target hears of it.
func TestStreamsEnd(t *testing.T) {
	t.Parallel()
	w, f := startFront(t)
	name := streamOf(t, w.goClient(t, session(""))[0])
	good := f.whole(t, w, name)
	gone := make(chan struct{}, 2)
	f.answer(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(grpc.Append(nil, good[0]))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			gone <- struct{}{}
		case <-time.After(30 * time.Second):
		}
	})
	begin := func(ctx context.Context) *http.Response {
		body := string(grpc.Append(nil, grpc.AppendString(nil, 1, name)))
		req, err := http.NewRequestWithContext(ctx, "POST", "https://"+w.HTTPAddress()+"/r/dwh/dwh/"+analyze.ReadService+"/ReadRows", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Content-Type": {grpc.ContentType}, "Te": {"trailers"}, "Authorization": {"Bearer " + w.Token}}
		res, err := w.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := grpc.NewReader(res.Body, 1<<20).Next(); err != nil || !strings.Contains(string(m), "[phi.ssn]") {
			t.Fatalf("the first message did not come by itself: %q %v", m, err)
		}
		return res
	}
	heard := func(what string) {
		select {
		case <-gone:
		case <-time.After(30 * time.Second):
			t.Errorf("%s: the target goes on", what)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	res := begin(ctx)
	cancel()
	heard("a client that is gone")
	_ = res.Body.Close()

	res = begin(t.Context())
	form := "token=" + w.Token
	revoked, err := w.HTTP.Post("https://"+w.APIAddress()+"/v1/token/revoke", "application/x-www-form-urlencoded", strings.NewReader(form))
	if err != nil || revoked.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", revoked, err)
	}
	_ = revoked.Body.Close()
	heard("a token that is taken back")
	rest, err := io.ReadAll(res.Body)
	clean(t, "the rest", string(rest))
	s, ok := grpc.ParseStatus(res.Trailer.Get(grpc.HeaderStatus), res.Trailer.Get(grpc.HeaderMessage))
	if err != nil || !ok || s.Code == grpc.OK {
		t.Errorf("the stream ends with %v, %v", s, err)
	}
	_ = res.Body.Close()
}
