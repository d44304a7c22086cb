// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package syslog_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/tlog"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export/ocsf"
	"github.com/sallyport-dev/sallyport/internal/ship"
	"github.com/sallyport-dev/sallyport/internal/ship/syslog"
	"github.com/sallyport-dev/sallyport/internal/ship/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const origin = "sallyport.test/gw"

// events are of leaves that are made here, so that they chain.
func events(t testing.TB, n int) []ocsf.Event {
	t.Helper()
	m := ocsf.New(ocsf.Options{Origin: origin, Product: "v1", MaxEvent: 8 << 10})
	var out []ocsf.Event
	var prev *ocsf.Ref
	for i := range n {
		leaf, err := evidence.Marshal(evidence.Leaf[evidence.Heartbeat]{
			V: 1, Type: evidence.TypeHeartbeat, Origin: origin, Time: time.Unix(1700000000+int64(i), 0), Body: evidence.Heartbeat{Sessions: i},
		})
		if err != nil {
			t.Fatal(err)
		}
		e := m.Map(uint64(i), leaf, prev, nil)
		prev = &e.Ref
		out = append(out, e)
	}
	return out
}

func batch(e []ocsf.Event) ship.Batch { return ship.Batch{Origin: origin, Product: "v1", Events: e} }

func sinkFor(t testing.TB, addr string, conf *tls.Config, again uint64) *syslog.Sink {
	t.Helper()
	s := syslog.New(syslog.Options{Address: addr, TLS: conf, Again: again, Now: time.Now})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A real rsyslog, killed in between and restarted, has every event in the end.
func TestRsyslog(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	r := startRsyslog(t, a)
	all := events(t, 300)
	s := sinkFor(t, r.addr, a.client(), 50)
	send := func(e []ocsf.Event) {
		t.Helper()
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			err := s.Send(ctx, batch(e))
			cancel()
			if err == nil {
				return
			}
			if sallyport.KindOf(err) != sallyport.Unavailable {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatal("the batch does not arrive")
	}
	for i := 0; i < 100; i += 20 {
		send(all[i : i+20])
	}
	r.lines("events", 100)
	r.end(syscall.SIGKILL)
	if err := s.Send(t.Context(), batch(all[100:120])); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Fatalf("a batch was sent to nobody: %v", err)
	}
	r.start()
	for i := 100; i < 300; i += 20 {
		send(all[i : i+20])
	}
	r.lines("events", 350) // the last 50 were sent again
	f, err := os.Open(r.path("events"))
	if err != nil {
		t.Fatal(err)
	}
	c := verify.New(verify.Options{Version: "v1"})
	if err := errors.Join(c.Add("events", f), f.Close()); err != nil {
		t.Fatal(err)
	}
	if rep := c.Report(); !rep.OK() || rep.Logs[0].Events != 300 || rep.Logs[0].First != 0 || rep.Logs[0].Duplicates == 0 {
		t.Errorf("%+v", rep)
	}
	want := fmt.Sprintf(`110|2023-11-14T22:13:20.000000Z|sallyport.test|sallyport|heartbeat|[sallyport@32473 origin="%s" index="0"]`, origin)
	if got := r.lines("headers", 300)[0]; strings.TrimSpace(got) != want {
		t.Errorf("rsyslog read\n%s, want\n%s", got, want)
	}
}

// A receiver that does not want this client, or is not the configured one, is a
// refusal and not a fault of the network.
func TestTLSRefusals(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	r := startRsyslog(t, a)
	for name, conf := range map[string]*tls.Config{
		"no client certificate": a.anonymous(),
		"another authority":     newAuthority(t).client(),
		"another name":          func() *tls.Config { c := a.client(); c.ServerName = "elsewhere.example"; return c }(),
	} {
		s := sinkFor(t, r.addr, conf, 0)
		err := s.Send(t.Context(), batch(events(t, 1)))
		if err == nil {
			t.Errorf("%s: the batch counts as sent", name)
		} else if sallyport.KindOf(err) != sallyport.Denied {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, err := os.ReadFile(r.path("events")); err == nil && len(b) > 0 {
		t.Error("something arrived")
	}
}

// listen accepts one connection at a time and hands it to a test.
func listen(t *testing.T, a *authority, serve func(conn net.Conn)) string {
	t.Helper()
	cert, key := a.issue("receiver")
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serve(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return ln.Addr().String()
}

// The frames are octet-counted RFC 5424 messages.
func TestFrames(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	got := make(chan string, 10)
	addr := listen(t, a, func(conn net.Conn) {
		for {
			var digits []byte
			for {
				var b [1]byte
				if _, err := io.ReadFull(conn, b[:]); err != nil {
					return
				}
				if b[0] == ' ' {
					break
				}
				digits = append(digits, b[0])
			}
			n, err := strconv.Atoi(string(digits))
			if err != nil {
				t.Errorf("the length is %q", digits)
				return
			}
			msg := make([]byte, n)
			if _, err := io.ReadFull(conn, msg); err != nil {
				t.Error(err)
				return
			}
			got <- string(msg)
		}
	})
	all := events(t, 3)
	s := sinkFor(t, addr, a.anonymous(), 0)
	if err := s.Send(t.Context(), batch(all)); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		want := fmt.Sprintf(`<110>1 2023-11-14T22:13:2%d.000000Z sallyport.test sallyport - heartbeat [sallyport@32473 origin="%s" index="%d"] %s`, i, origin, i, all[i].JSON)
		if msg := <-got; msg != want {
			t.Errorf("got\n%s\nwant\n%s", msg, want)
		}
	}
}

// A receiver that closes after it has read counts as one that has nothing.
func TestClosedConnectionIsNoticed(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	addr := listen(t, a, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 64))
	})
	s := sinkFor(t, addr, a.anonymous(), 10)
	if err := s.Send(t.Context(), batch(events(t, 1))); sallyport.KindOf(err) != sallyport.Unavailable || err == nil {
		t.Errorf("got %v", err)
	}
}

// A receiver that reads nothing holds a batch up until its time is over.
func TestStuckReceiver(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	stop := make(chan struct{})
	addr := listen(t, a, func(conn net.Conn) {
		if err := conn.(*tls.Conn).HandshakeContext(context.Background()); err != nil {
			t.Error(err)
		}
		<-stop
	})
	defer close(stop)
	s := sinkFor(t, addr, a.anonymous(), 0)
	big := make([]ocsf.Event, 200)
	for i := range big {
		big[i] = ocsf.Event{Ref: ocsf.Ref{Index: uint64(i)}, JSON: make([]byte, 1<<16)}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := s.Send(ctx, batch(big)); err == nil || sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("got %v", err)
	}
}

// What stands in a header cannot end it.
func TestFrameEscapes(t *testing.T) {
	t.Parallel()
	e := ocsf.Event{Ref: ocsf.Ref{Index: 5, Hash: tlog.Hash{}}, Type: evidence.Type("a b\n" + strings.Repeat("c", 40)), Severity: 99, JSON: []byte("{}")}
	want := `<110>1 - ` + `x"] sallyport - ab` + strings.Repeat("c", 30) + ` [sallyport@32473 origin="x\"\]/\\y" index="5"] {}`
	if got := string(syslog.Frame(`x"]/\y`, e)); got != fmt.Sprintf("%d %s", len(want), want) {
		t.Errorf("got %s", got)
	}
}
