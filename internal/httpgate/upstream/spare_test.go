// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
)

// echo is a server of TLS that sends back each line. It hands on each connection of
// which the handshake has ended.
func echo(t *testing.T) (addr string, secure *tls.Config, conns <-chan net.Conn) {
	t.Helper()
	h := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(h.Close)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: h.TLS.Certificates, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	ready, done := make(chan net.Conn, 16), make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if c.(*tls.Conn).HandshakeContext(t.Context()) == nil {
				ready <- c
				go serveEcho(c)
			}
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	pool := x509.NewCertPool()
	pool.AddCert(h.Certificate())
	return ln.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "example.com", MinVersion: tls.VersionTLS12}, ready
}

func serveEcho(c net.Conn) {
	_, _ = io.Copy(c, c) // until either side has closed it
	_ = c.Close()
}

// says sends a line and wants it back.
func says(t *testing.T, c net.Conn, line string) {
	t.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(c).ReadString('\n'); err != nil || got != line+"\n" {
		t.Fatalf("%q came back: %v", got, err)
	}
}

// TestSpare takes connections that were made before anybody asked.
func TestSpare(t *testing.T) {
	t.Parallel()
	addr, secure, conns := echo(t)
	s := upstream.NewSpare(secure)
	defer s.Close()
	for i := range 3 {
		c, err := s.Dial(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			<-conns
		}
		next := <-conns // is made while this one is used
		says(t, c, "hello")
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		s.Settle()
		if made, err := s.Dial(t.Context(), addr); err != nil {
			t.Fatal(err)
		} else {
			if made.LocalAddr().String() != next.RemoteAddr().String() {
				t.Errorf("%d: the connection is from %s, and the one in waiting from %s", i, made.LocalAddr(), next.RemoteAddr())
			}
			<-conns
			_ = made.Close()
			s.Settle()
		}
	}
}

// TestSpareClosed has the target close the connection in waiting.
func TestSpareClosed(t *testing.T) {
	t.Parallel()
	addr, secure, conns := echo(t)
	s := upstream.NewSpare(secure)
	defer s.Close()
	c, err := s.Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-conns
	next := <-conns
	s.Settle()
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	s.Ended() // it has heard
	again, err := s.Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	says(t, again, "hello again")
}

// TestSpareEnds closes what is in waiting, and makes no other one.
func TestSpareEnds(t *testing.T) {
	t.Parallel()
	addr, secure, conns := echo(t)
	s := upstream.NewSpare(secure)
	c, err := s.Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	<-conns
	next := <-conns
	s.Settle()
	s.Close()
	if n, err := next.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes from a connection that is closed", n)
	}
	says(t, c, "still here")
	_ = c.Close()
	if last, err := s.Dial(t.Context(), addr); err == nil {
		says(t, last, "by itself")
		_ = last.Close()
	} else {
		t.Error(err)
	}
	s.Settle()
	if s.Ready() {
		t.Error("a connection is made for a client that is closed")
	}
}
