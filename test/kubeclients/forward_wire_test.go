// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubeclients_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes/ports"
	"github.com/sallyport-dev/sallyport/test/kubepeer"
)

const forwardPath = "/k8s/prod/api/v1/namespaces/clinic/pods/open/portforward"

// ask sends a request by HTTP/1.1 and returns the connection with the answer's head.
func (w *world) ask(t *testing.T, verb, path string, header ...string) (net.Conn, *bufio.Reader, *http.Response) {
	t.Helper()
	ca, err := os.ReadFile(w.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	d := &tls.Dialer{Config: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}}
	conn, err := d.DialContext(t.Context(), "tcp", w.HTTPAddress())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer %s\r\n%s\r\n\r\n", verb, path, w.caller.Token, strings.Join(header, "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, &http.Request{Method: verb})
	if err != nil {
		t.Fatal(err)
	}
	return conn, r, res
}

// plain is a connection whose first bytes were read already.
type plain struct {
	net.Conn
	r *bufio.Reader
}

// Read implements [io.Reader].
func (p plain) Read(b []byte) (int, error) { return p.r.Read(b) }

// forward opens a connection on which ports can be asked for.
func (w *world) forward(t *testing.T) *ports.Conn {
	t.Helper()
	conn, r, res := w.ask(t, http.MethodPost, forwardPath, "Connection: Upgrade", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: portforward.k8s.io")
	if res.StatusCode != http.StatusSwitchingProtocols {
		b, _ := io.ReadAll(res.Body)
		t.Fatalf("status %d: %s", res.StatusCode, b)
	}
	c, err := ports.Dial(plain{conn, r})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func streamOf(kind, port, id string) http.Header {
	h := http.Header{}
	h.Set("streamType", kind)
	h.Set("port", port)
	h.Set("requestID", id)
	return h
}

// TestPortForwardOnRecord has the ledger's disk stand still: the intent of a connection
// waits, and so does the connection. Then it has the disk go on, and looks at what is on
// record of it.
func TestPortForwardOnRecord(t *testing.T) {
	w := start(t)
	w.cluster.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "open"})
	port := served(t)
	c := w.forward(t)
	w.Disk.Hold()
	defer w.Disk.Release()
	errs, err := c.Open(streamOf("error", port, "7"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := c.Open(streamOf("data", port, "7"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(data, "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc"); err != nil {
		t.Fatal(err)
	}
	answered := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(data)
		answered <- string(b)
	}()
	for !w.Disk.Waiting() {
		time.Sleep(5 * time.Millisecond)
	}
	select {
	case got := <-answered:
		t.Fatalf("the port answers before the intent is on record: %q", got)
	case <-time.After(300 * time.Millisecond):
	}
	w.Disk.Release()
	if got := <-answered; !strings.HasSuffix(got, "through 3") {
		t.Errorf("the answer: %q", got)
	}
	if b, err := io.ReadAll(errs); err != nil || len(b) > 0 {
		t.Errorf("the error stream: %q %v", b, err)
	}
	w.onRecord(t, `"readable":"create pods/open/portforward in clinic, port `+port+`"`)
	w.onRecord(t, `"tag":"to the port 41 bytes [^ "]+, from it \d+ bytes [^ "]+"`)
	c.Close()
	w.onRecord(t, `"tag":"1 connections"`)
}

// TestPortForwardRefused has requests that are no forwarding of ports, and streams that
// are of no connection.
func TestPortForwardRefused(t *testing.T) {
	w := start(t)
	w.cluster.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "open"})
	before := w.Intents(t)
	const upgrade, spdy, protocol = "Connection: Upgrade", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: portforward.k8s.io"
	for name, tc := range map[string]struct {
		verb, path string
		header     []string
		want       string
	}{
		"WebSocket":             {"GET", forwardPath, []string{upgrade, "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io"}, "SPDY"},
		"WebSocket, old":        {"GET", forwardPath + "?ports=22", []string{upgrade, "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: v4.channel.k8s.io"}, "SPDY"},
		"no upgrade":            {"POST", forwardPath, []string{"Content-Length: 0"}, "SPDY"},
		"by GET":                {"GET", forwardPath, []string{upgrade, spdy, protocol}, "POST"},
		"two upgrades":          {"POST", forwardPath, []string{upgrade, spdy, "Upgrade: websocket", protocol}, "SPDY"},
		"another protocol":      {"POST", forwardPath, []string{upgrade, spdy, "X-Stream-Protocol-Version: v4.channel.k8s.io"}, "portforward.k8s.io"},
		"with a body":           {"POST", forwardPath, []string{upgrade, spdy, protocol, "Content-Length: 3\r\n\r\nabc"}, "body"},
		"with ports":            {"POST", forwardPath + "?ports=22", []string{upgrade, spdy, protocol}, "parameters"},
		"as somebody else":      {"POST", forwardPath, []string{upgrade, spdy, protocol, "Impersonate-User: admin"}, "impersonation"},
		"a path behind it":      {"POST", forwardPath + "/22", []string{upgrade, spdy, protocol}, "another protocol"},
		"a path that is hidden": {"POST", strings.Replace(forwardPath, "pods/open", "pods/x/..%2fopen", 1), []string{upgrade, spdy, protocol}, "path"},
	} {
		conn, _, res := w.ask(t, tc.verb, tc.path, tc.header...)
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		b, _ := io.ReadAll(res.Body)
		if res.StatusCode < 400 || !strings.Contains(string(b), tc.want) || !strings.Contains(string(b), `"kind":"Status"`) {
			t.Errorf("%s: %d %s", name, res.StatusCode, b)
		}
	}
	if got := w.Intents(t); got != before {
		t.Errorf("%d intents for what was refused", got-before)
	}
	c := w.forward(t)
	for name, h := range map[string]http.Header{
		"port 0": streamOf("data", "0", "1"), "a port too large": streamOf("data", "65536", "1"), "no port": streamOf("data", "", "1"),
		"no number": streamOf("data", "80", ""), "no kind": streamOf("", "80", "1"), "another kind": streamOf("stdin", "80", "1"),
	} {
		if _, err := c.Open(h); err == nil {
			t.Errorf("%s: the stream was opened", name)
		}
	}
	if _, err := c.Open(streamOf("error", "80", "2")); err != nil {
		t.Error(err)
	}
	for name, h := range map[string]http.Header{"twice": streamOf("error", "80", "2"), "another port": streamOf("data", "22", "2")} {
		if _, err := c.Open(h); err == nil {
			t.Errorf("%s: the stream was opened", name)
		}
	}
}

// TestPortForwardEndsWithSession revokes the token that ports are forwarded by.
func TestPortForwardEndsWithSession(t *testing.T) {
	w := start(t)
	w.cluster.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "open"})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it has done its work
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := w.forward(t)
	if _, err := c.Open(streamOf("error", port, "1")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open(streamOf("data", port, "1")); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept() // which never says anything
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()                                                                                                      //nolint:errcheck // as above
	res, err := w.caller.HTTP.PostForm("https://"+w.APIAddress()+"/v1/token/revoke", url.Values{"token": {w.caller.Token}}) //nolint:noctx // it is here
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("revoke: %v %v", res, err)
	}
	_ = res.Body.Close()
	<-c.Gone()
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the target's side: %v", err)
	}
	w.onRecord(t, `"status":"cancelled"[^}]*"tag":"to the port 0 bytes, from it 0 bytes"`)
}
