// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/demo/pgcluster"
	"github.com/sallyport-dev/sallyport/internal/ship/verify"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

const hookSecret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

// receivers are a webhook that refuses at first and an OTLP collector; each
// keeps the events that it took.
type receivers struct {
	*httptest.Server
	mu         sync.Mutex
	hook, otlp bytes.Buffer
}

func listenForEvents(t *testing.T) *receivers {
	t.Helper()
	r := &receivers{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hook", func(w http.ResponseWriter, req *http.Request) {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		wh, err := standardwebhooks.NewWebhook(hookSecret)
		if err == nil {
			err = wh.Verify(b, req.Header)
		}
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.hook.Write(append(b, '\n'))
	})
	mux.HandleFunc("POST /v1/logs", func(w http.ResponseWriter, req *http.Request) {
		z, err := gzip.NewReader(req.Body)
		if err != nil {
			t.Error(err)
			return
		}
		b, err := io.ReadAll(z)
		if err != nil {
			return
		}
		var logs collector.ExportLogsServiceRequest
		if err := proto.Unmarshal(b, &logs); err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, rec := range logs.ResourceLogs[0].ScopeLogs[0].LogRecords {
			r.otlp.WriteString(rec.Body.GetStringValue() + "\n")
		}
	})
	mux.HandleFunc("POST /refuses", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	r.Server = httptest.NewServer(mux)
	t.Cleanup(r.Close)
	return r
}

// listenForSyslog takes octet-counted messages over TLS. It returns its address
// and its authority, and a function that ends it and returns the messages, one a
// line.
func listenForSyslog(t *testing.T) (addr, ca string, end func() string) {
	t.Helper()
	certs, err := pgcluster.NewCertificates(rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certs.Cert, certs.Key)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(conn)
			for {
				var n int
				if _, err := fmt.Fscanf(in, "%d ", &n); err != nil {
					break
				}
				msg := make([]byte, n)
				if _, err := io.ReadFull(in, msg); err != nil {
					break
				}
				got.Write(append(msg, '\n'))
			}
			_ = conn.Close()
		}
	}()
	end = func() string {
		_ = ln.Close()
		<-done
		return got.String()
	}
	t.Cleanup(func() { end() })
	return ln.Addr().String(), string(certs.CA), end
}

type shippingStatus struct {
	Shipping []struct {
		Name, Type, State string
		Next, Size        uint64
		Behind            uint64
		LastError         string    `json:"last_error"`
		LastSuccess       time.Time `json:"last_success"`
	}
}

// Every event of a gateway with real traffic arrives at every receiver, the stop
// included; nothing that the traffic held in clear is among it; and a receiver
// that refuses is told of, on record too, and holds nobody up.
func TestShipping(t *testing.T) {
	t.Parallel()
	r := listenForEvents(t)
	addr, ca, messages := listenForSyslog(t)
	g := gatewaytest.Start(t, gatewaytest.Open(), gatewaytest.File("hook.secret", hookSecret+"\n"), gatewaytest.File("siem.pem", ca),
		gatewaytest.Shipping("  - {name: archive, type: file, file: {dir: shipped, max_size: 64KiB}}\n"),
		gatewaytest.Shipping(fmt.Sprintf("  - {name: hook, type: webhook, webhook: {url: %s/hook, format: json-array, secrets: [\"file:hook.secret\"]}}\n", r.URL)),
		gatewaytest.Shipping(fmt.Sprintf("  - {name: collector, type: otlp, batch: 7, otlp: {url: %s/v1/logs}}\n", r.URL)),
		gatewaytest.Shipping(fmt.Sprintf("  - {name: refuses, type: webhook, webhook: {url: %s/refuses, secrets: [\"file:hook.secret\"]}}\n", r.URL)),
		gatewaytest.Shipping(fmt.Sprintf("  - {name: siem, type: syslog, syslog: {address: \"%s\", tls: {ca: siem.pem}}}\n", addr)),
	)
	c := newClient(t, g)
	conn := g.Connect(t)
	ctx := t.Context()
	for _, sql := range []string{
		"select id, name, ssn from patients order by id", "select name from patients where ssn = '219-09-9999'",
	} {
		rows, err := conn.Query(ctx, sql)
		if err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
	if _, err := conn.Exec(ctx, "drop table patients"); err == nil {
		t.Fatal("a table was dropped")
	}
	if err := conn.Close(ctx); err != nil {
		t.Fatal(err)
	}
	auditor := g.HumanToken(t, "eve", "auditors")
	st := allShipped(t, c, auditor)
	if s := st.Shipping[0]; s.State != "ok" || s.Type != "file" || s.LastSuccess.IsZero() {
		t.Errorf("archive: %+v", s)
	}
	if s := st.Shipping[3]; s.State != "refused" || s.Next != 0 || s.LastError != "the receiver answered 401 Unauthorized" {
		t.Errorf("refuses: %+v", s)
	}
	if status, _ := c.raw(g.HumanToken(t, "mallory", "staff"), "GET", "/v1/shipping", nil); status != http.StatusForbidden {
		t.Errorf("anybody sees the receivers: %d", status)
	}
	b, _ := bundle(t, c, g, object{})
	if states := bodies[evidence.Shipping](t, b, evidence.TypeShipping); len(states) == 0 || states[0].Destination != "refuses" || states[0].State != evidence.ShippingRefused {
		t.Errorf("on record: %+v", states)
	}
	key := g.VerifierKeys()[0]
	allShipped(t, c, auditor) // syslog repeats what is under way when the gateway ends
	g.Stop(t)
	judgeShipped(t, g, key, b, r, messages())
}

// allShipped waits until every receiver has all there is, but for the one that
// refuses.
func allShipped(t *testing.T, c *client, auditor string) (st shippingStatus) {
	t.Helper()
	for range 200 {
		status, b := c.raw(auditor, "GET", "/v1/shipping", nil)
		if status != http.StatusOK {
			t.Fatalf("%d %s", status, b)
		}
		st = parse[shippingStatus](t, b)
		there := true
		for _, s := range st.Shipping {
			if s.Name == "refuses" {
				there = there && s.State == "refused"
			} else {
				there = there && s.Behind == 0 && s.Next > 10
			}
		}
		if there {
			return st
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("not everything arrives: %+v", st.Shipping)
	return st
}

// judgeShipped checks what every receiver has against the ledger.
func judgeShipped(t *testing.T, g *gatewaytest.Gateway, key string, b []byte, r *receivers, syslog string) {
	t.Helper()
	v, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := os.ReadFile(filepath.Join(g.Dir, "data", "ledger", "tiles", "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	cp, err := evidence.OpenCheckpoint(signed, note.VerifierList(v))
	if err != nil {
		t.Fatal(err)
	}
	opened, _, err := evidence.OpenBundle(bytes.NewReader(b), int64(len(b)), evidence.Options{Keys: []string{key}})
	if err != nil {
		t.Fatal(err)
	}
	leaves, err := opened.Leaves()
	if err != nil {
		t.Fatal(err)
	}
	var files bytes.Buffer
	names, err := filepath.Glob(filepath.Join(g.Dir, "shipped", "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(&files, f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for name, got := range map[string]string{"archive": files.String(), "hook": r.hook.String(), "collector": r.otlp.String(), "siem": syslog} {
		for _, raw := range []string{"219-09-9999", "gatewaypassword", "whsec_"} {
			if strings.Contains(got, raw) {
				t.Errorf("%s has %q", name, raw)
			}
		}
		for _, want := range []string{`"event_code":"stop"`, `"query_string":"`, `"disposition":"Blocked"`, `"event_code":"masking"`} {
			if !strings.Contains(got, want) {
				t.Errorf("%s lacks %s", name, want)
			}
		}
		whole := verify.New(verify.Options{Version: "test"})
		whole.Checkpoint(cp)
		compared := verify.New(verify.Options{Version: "test"})
		compared.Bundle(opened.Checkpoint, leaves)
		for _, c := range []*verify.Checker{whole, compared} {
			if err := c.Add(name, strings.NewReader(got)); err != nil {
				t.Fatal(err)
			}
			rep := c.Report()
			if !rep.OK() || len(rep.Logs) != 1 || rep.Logs[0].Root == "" || rep.Logs[0].Duplicates != 0 {
				t.Errorf("%s: %+v", name, rep)
			}
			if c == whole && rep.Logs[0].Events != cp.Size {
				t.Errorf("%s has %d of %d events", name, rep.Logs[0].Events, cp.Size)
			}
			if c == compared && len(rep.Notices) > 0 {
				t.Errorf("%s: %v", name, rep.Notices)
			}
		}
	}
}
