// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pglogin_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/connector/postgres/pglogin"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// startTLS does what libpq does with sslmode=require.
func startTLS(t *testing.T, conn net.Conn, id identity) *tls.Conn {
	t.Helper()
	write(t, conn, pgwire.AppendSSLRequest(nil))
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil || answer[0] != 'S' {
		t.Fatalf("answer %q, %v", answer[:], err)
	}
	c := tls.Client(conn, id.client())
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

func startup() []byte {
	return pgwire.AppendStartup(nil, pgwire.Version30, "user", "etl", "database", "clinic", "application_name", "test")
}

func TestAccept(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	token := strings.Repeat("eyJhbGciOiJFUzI1NiJ9", 16<<10/20)
	tests := []struct {
		name string
		way  func(t *testing.T, conn net.Conn) *tls.Conn
	}{
		{"SSLRequest", func(t *testing.T, conn net.Conn) *tls.Conn { return startTLS(t, conn, id) }},
		{"GSSENCRequest, then SSLRequest", func(t *testing.T, conn net.Conn) *tls.Conn {
			write(t, conn, pgwire.AppendGSSENCRequest(nil))
			var answer [1]byte
			if _, err := io.ReadFull(conn, answer[:]); err != nil || answer[0] != 'N' {
				t.Fatalf("answer %q, %v", answer[:], err)
			}
			return startTLS(t, conn, id)
		}},
		{"direct TLS", func(t *testing.T, conn net.Conn) *tls.Conn {
			c := tls.Client(conn, id.client("postgresql"))
			if err := c.Handshake(); err != nil {
				t.Fatal(err)
			}
			return c
		}},
		{"SSLRequest byte by byte", func(t *testing.T, conn net.Conn) *tls.Conn {
			for _, b := range pgwire.AppendSSLRequest(nil) {
				write(t, conn, []byte{b})
			}
			var answer [1]byte
			if _, err := io.ReadFull(conn, answer[:]); err != nil || answer[0] != 'S' {
				t.Fatalf("answer %q, %v", answer[:], err)
			}
			c := tls.Client(conn, id.client())
			if err := c.Handshake(); err != nil {
				t.Fatal(err)
			}
			return c
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr, result := accepting(t, t.Context(), pglogin.AcceptOptions{TLS: id.server})
			conn := tt.way(t, dial(t, addr))
			write(t, conn, startup())
			if typ, body := readMessage(t, conn); typ != 'R' || !bytes.Equal(body, []byte{0, 0, 0, 3}) {
				t.Fatalf("%c %x instead of AuthenticationCleartextPassword", typ, body)
			}
			// What a client sends behind its password must reach the relay.
			write(t, conn, pgwire.AppendQuery(pgwire.AppendPassword(nil, token), "select 1"))
			got := <-result
			if got.err != nil {
				t.Fatal(got.err)
			}
			c := got.c
			want := pgwire.Startup{
				Kind: pgwire.StartupMessage, Asked: pgwire.Version30, Version: pgwire.Version30,
				User: "etl", Database: "clinic", Application: "test", Settings: map[string]string{},
			}
			if diff := cmp.Diff(want, c.Startup); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if string(c.Password) != token || c.Cancel != nil || c.TLS == nil || c.TLS.ServerName != "localhost" {
				t.Errorf("password of %d bytes, cancel %v, TLS %v", len(c.Password), c.Cancel, c.TLS)
			}
			view := c.Password
			c.ClearPassword()
			if bytes.Trim(view, "\x00") != nil || c.Password != nil {
				t.Error("the password is still in memory")
			}
			if typ, body := readMessage(t, c.Conn); typ != 'Q' || string(body) != "select 1\x00" {
				t.Errorf("%c %q behind the password", typ, body)
			}
			key := pgwire.CancelKey{PID: 1, Secret: []byte("abcd")}
			if err := c.Ready(t.Context(), []pglogin.ParameterStatus{{Name: "server_version", Value: "15.18"}}, key, pgwire.TxIdle); err != nil {
				t.Fatal(err)
			}
			var types []byte
			for range 4 {
				typ, _ := readMessage(t, conn)
				types = append(types, typ)
			}
			if string(types) != "RSKZ" {
				t.Errorf("messages %q", types)
			}
			if err := c.Conn.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAcceptNegotiatesTheVersion(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	for asked, answer := range map[uint32]uint32{3<<16 | 9999: pgwire.Version32, 3<<16 | 1: pgwire.Version30} {
		addr, result := accepting(t, t.Context(), pglogin.AcceptOptions{TLS: id.server})
		conn := startTLS(t, dial(t, addr), id)
		write(t, conn, pgwire.AppendStartup(nil, asked, "user", "etl", "_pq_.test_protocol_negotiation", ""))
		typ, body := readMessage(t, conn)
		n, err := pgwire.DecodeNegotiation(body)
		if typ != pgwire.ServerNegotiateProtocolVersion || err != nil || n.Version != answer || !n.Unknown.Has("_pq_.test_protocol_negotiation") {
			t.Errorf("%c %+v, %v", typ, n, err)
		}
		if typ, _ := readMessage(t, conn); typ != pgwire.ServerAuthentication {
			t.Errorf("%c instead of the question for a password", typ)
		}
		write(t, conn, pgwire.AppendPassword(nil, "synthetic"))
		got := <-result
		if got.err != nil {
			t.Fatal(got.err)
		}
		if got.c.Startup.Version != answer {
			t.Errorf("version %x", got.c.Startup.Version)
		}
		if err := got.c.Conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAcceptRefusesInPlaintext sends bytes outside TLS (items 95 and 96 of the
// hostile corpus).
func TestAcceptRefusesInPlaintext(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	huge := binary.BigEndian.AppendUint32(nil, 0x7fffffff)
	tests := []struct {
		name  string
		send  []byte
		eat   int // bytes answered before the refusal
		state pgwire.State
	}{
		{"start-up without TLS", startup(), 0, "28000"},
		{"start-up and password without TLS", join(startup(), pgwire.AppendPassword(nil, "synthetic")), 0, "08P01"},
		{"SSLRequest with a start-up behind it", join(pgwire.AppendSSLRequest(nil), startup()), 0, "08P01"},
		{"SSLRequest with one byte behind it", append(pgwire.AppendSSLRequest(nil), 0x16), 0, "08P01"},
		{"SSLRequest twice", join(pgwire.AppendSSLRequest(nil), pgwire.AppendSSLRequest(nil)), 0, "08P01"},
		{"GSSENCRequest with a start-up behind it", join(pgwire.AppendGSSENCRequest(nil), startup()), 0, "08P01"},
		{"replication without TLS", pgwire.AppendStartup(nil, pgwire.Version30, "user", "etl", "replication", "true"), 0, "0A000"},
		{"version 2.0", pgwire.AppendStartup(nil, 2<<16, "user", "etl"), 0, "0A000"},
		{"2 GB declared", huge, 0, "08P01"},
		{"negative length", binary.BigEndian.AppendUint32(nil, 0xffffffff), 0, "08P01"},
		{"length 3", []byte{0, 0, 0, 3}, 0, "08P01"},
		{"length 7", []byte{0, 0, 0, 7, 0, 0, 0}, 0, "08P01"},
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), 0, "08P01"},
		{"SSH", []byte("SSH-2.0-OpenSSH_9.2\r\n"), 0, "08P01"},
		{"a megabyte of zeros", make([]byte, 1<<20), 0, "08P01"},
		{"cancel request with a long key", pgwire.AppendCancelRequest(nil, pgwire.CancelKey{Secret: make([]byte, 300)}), 0, "08P01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr, result := accepting(t, t.Context(), pglogin.AcceptOptions{TLS: id.server})
			conn := dial(t, addr)
			write(t, conn, tt.send)
			wantRefusal(t, conn, tt.state)
			got := <-result
			if got.err == nil || pgwire.StateOf(got.err) != tt.state {
				t.Errorf("Accept returned %v", got.err)
			}
		})
	}
}

// TestAcceptRepeatedGSS needs a dialogue: the second request comes after the
// answer to the first.
func TestAcceptRepeatedGSS(t *testing.T) {
	t.Parallel()
	addr, result := accepting(t, t.Context(), pglogin.AcceptOptions{TLS: newIdentity(t).server})
	conn := dial(t, addr)
	write(t, conn, pgwire.AppendGSSENCRequest(nil))
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil || answer[0] != 'N' {
		t.Fatalf("answer %q, %v", answer[:], err)
	}
	write(t, conn, pgwire.AppendGSSENCRequest(nil))
	wantRefusal(t, conn, "08P01")
	if got := <-result; got.err == nil {
		t.Error("taken")
	}
}

// TestAcceptPlaintextBehindSSLRequest is a client that goes on in plaintext
// after 'S': nothing that it sends may be read as a start-up packet.
func TestAcceptPlaintextBehindSSLRequest(t *testing.T) {
	t.Parallel()
	addr, result := accepting(t, t.Context(), pglogin.AcceptOptions{TLS: newIdentity(t).server})
	conn := dial(t, addr)
	write(t, conn, pgwire.AppendSSLRequest(nil))
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		t.Fatal(err)
	}
	write(t, conn, startup())
	got := <-result
	if sallyport.KindOf(got.err) != sallyport.Unauthenticated {
		t.Errorf("Accept returned %v", got.err)
	}
	rest, _ := io.ReadAll(conn)
	if len(rest) > 0 && rest[0] != 0x15 { // a TLS alert, no message of the protocol
		t.Errorf("answer %q", rest)
	}
}

// TestAcceptRefusesInTLS sends bytes inside TLS.
func TestAcceptRefusesInTLS(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	password := func(length uint32, rest int) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{'p'}, length), bytes.Repeat([]byte("x"), rest)...)
	}
	tests := []struct {
		name   string
		first  []byte
		second []byte // after the question for a password
		state  pgwire.State
	}{
		{"SSLRequest", pgwire.AppendSSLRequest(nil), nil, "08P01"},
		{"GSSENCRequest", pgwire.AppendGSSENCRequest(nil), nil, "08P01"},
		{"version 2.0", pgwire.AppendStartup(nil, 2<<16, "user", "etl"), nil, "0A000"},
		{"replication=database", pgwire.AppendStartup(nil, pgwire.Version30, "user", "etl", "replication", "database"), nil, "0A000"},
		{"options with role", pgwire.AppendStartup(nil, pgwire.Version30, "user", "etl", "options", "-c role=postgres"), nil, "42501"},
		{"no user", pgwire.AppendStartup(nil, pgwire.Version30, "database", "clinic"), nil, "28000"},
		{"length above the limit", binary.BigEndian.AppendUint32(nil, 10_001), nil, "08P01"},
		{"a query instead of the password", startup(), pgwire.AppendQuery(nil, "select 1"), "08P01"},
		{"an empty password", startup(), pgwire.AppendPassword(nil, ""), "28P01"},
		{"a password of 16 KiB and a byte", startup(), pgwire.AppendPassword(nil, strings.Repeat("x", 16<<10+1)), "54000"},
		{"a password of a megabyte", startup(), pgwire.AppendPassword(nil, strings.Repeat("x", 1<<20)), "54000"},
		{"a password of 2 GB declared", startup(), password(0x7fffffff, 10), "54000"},
		{"a password of negative length", startup(), password(0xfffffff0, 10), "54000"},
		{"a password without its zero byte", startup(), password(14, 10), "08P01"},
		{"a password with bytes behind its zero byte", startup(), pgwire.AppendMessage(nil, 'p', []byte("a\x00b\x00")), "08P01"},
		{"SASL that was not offered", startup(), pgwire.AppendMessage(nil, 'p', []byte("SCRAM-SHA-256\x00\x00\x00\x00\x04n,,n")), "08P01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr, result := accepting(t, t.Context(), pglogin.AcceptOptions{TLS: id.server})
			conn := startTLS(t, dial(t, addr), id)
			write(t, conn, tt.first)
			if tt.second != nil {
				if typ, _ := readMessage(t, conn); typ != 'R' {
					t.Fatalf("%c instead of the question for a password", typ)
				}
				write(t, conn, tt.second)
			}
			wantRefusal(t, conn, tt.state)
			if got := <-result; pgwire.StateOf(got.err) != tt.state || strings.Contains(got.err.Error(), "xxx") {
				t.Errorf("Accept returned %v", got.err)
			}
		})
	}
}

// TestAcceptHearsTheClientOut refuses a client that is still sending, over a
// connection without buffers: the client must be able to finish, else it would
// see a broken connection and not the reason.
func TestAcceptHearsTheClientOut(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	near, far := net.Pipe()
	result := make(chan outcome, 1)
	go func() {
		c, err := pglogin.Accept(t.Context(), far, pglogin.AcceptOptions{TLS: id.server})
		result <- outcome{c, err}
	}()
	conn := startTLS(t, near, id)
	write(t, conn, startup())
	readMessage(t, conn)
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(pgwire.AppendPassword(nil, strings.Repeat("x", 512<<10)))
		sent <- err
	}()
	typ, body := readMessage(t, conn)
	if d, err := pgwire.DecodeDiagnostic(body); typ != 'E' || err != nil || string(d.Get('C')) != "54000" {
		t.Errorf("%c %q, %v", typ, body, err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d bytes, %v behind FATAL", n, err)
	}
	if err := <-sent; err != nil {
		t.Errorf("the client was cut off: %v", err)
	}
	_ = near.Close()
	if got := <-result; got.err == nil {
		t.Error("taken")
	}
}

func TestAcceptDirectTLSNeedsALPN(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	addr, result := accepting(t, t.Context(), pglogin.AcceptOptions{TLS: id.server})
	conn := tls.Client(dial(t, addr), id.client())
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, conn, "08P01")
	if got := <-result; got.err == nil {
		t.Error("taken")
	}

	addr, result = accepting(t, t.Context(), pglogin.AcceptOptions{TLS: id.server})
	if err := tls.Client(dial(t, addr), id.client("http/1.1")).Handshake(); err == nil {
		t.Error("a client of another protocol got a TLS session")
	}
	if got := <-result; got.err == nil {
		t.Error("taken")
	}
}

func TestAcceptCancelRequest(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	want := pgwire.CancelKey{PID: 42, Secret: []byte("0123456789abcdef0123456789abcdef")}
	for _, inTLS := range []bool{false, true} {
		addr, result := accepting(t, t.Context(), pglogin.AcceptOptions{TLS: id.server})
		conn := dial(t, addr)
		if inTLS {
			conn = startTLS(t, conn, id)
		}
		write(t, conn, pgwire.AppendCancelRequest(nil, want))
		got := <-result
		if got.err != nil {
			t.Fatal(got.err)
		}
		if diff := cmp.Diff(&want, got.c.Cancel); diff != "" {
			t.Errorf("in TLS %v (-want +got):\n%s", inTLS, diff)
		}
		if (got.c.TLS != nil) != inTLS || got.c.Startup.Kind != 0 {
			t.Errorf("in TLS %v: %+v", inTLS, got.c)
		}
		if err := got.c.Conn.Close(); err != nil {
			t.Error(err)
		}
		if rest, _ := io.ReadAll(conn); len(rest) != 0 {
			t.Errorf("a cancel request was answered with %q", rest)
		}
	}
}

// TestAcceptClientLeaves cuts the connection at every stage: no answer, no
// hanging, and an error that says so.
func TestAcceptClientLeaves(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	stages := map[string]func(t *testing.T, conn net.Conn){
		"at once":           func(*testing.T, net.Conn) {},
		"in a packet":       func(t *testing.T, conn net.Conn) { write(t, conn, startup()[:9]) },
		"before TLS":        func(t *testing.T, conn net.Conn) { write(t, conn, pgwire.AppendSSLRequest(nil)) },
		"in the handshake":  func(t *testing.T, conn net.Conn) { write(t, conn, []byte{0x16, 3, 1, 0, 200, 1}) },
		"before a start-up": func(t *testing.T, conn net.Conn) { startTLS(t, conn, id) },
		"in the start-up":   func(t *testing.T, conn net.Conn) { write(t, startTLS(t, conn, id), startup()[:20]) },
		"at the password":   func(t *testing.T, conn net.Conn) { write(t, startTLS(t, conn, id), startup()) },
		"with Terminate": func(t *testing.T, conn net.Conn) {
			write(t, startTLS(t, conn, id), pgwire.AppendTerminate(startup()))
		},
		"in the password": func(t *testing.T, conn net.Conn) {
			write(t, startTLS(t, conn, id), append(startup(), pgwire.AppendPassword(nil, "synthetic")[:9]...))
		},
	}
	for name, stage := range stages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, result := accepting(t, t.Context(), pglogin.AcceptOptions{TLS: id.server})
			conn := dial(t, addr)
			stage(t, conn)
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if got := <-result; !errors.Is(got.err, io.EOF) {
				t.Errorf("Accept returned %v", got.err)
			}
		})
	}
}

// TestAcceptEnds checks both ends of the wait for a silent client.
func TestAcceptEnds(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	t.Run("too slow", func(t *testing.T) {
		t.Parallel()
		addr, result := accepting(t, t.Context(), pglogin.AcceptOptions{TLS: id.server, Timeout: 50 * time.Millisecond})
		conn := dial(t, addr)
		write(t, conn, startup()[:5])
		wantRefusal(t, conn, pgwire.QueryCanceled)
		if got := <-result; sallyport.KindOf(got.err) != sallyport.Unauthenticated {
			t.Errorf("Accept returned %v", got.err)
		}
	})
	t.Run("shut down", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		addr, result := accepting(t, ctx, pglogin.AcceptOptions{TLS: id.server})
		conn := startTLS(t, dial(t, addr), id)
		write(t, conn, startup())
		readMessage(t, conn)
		cancel()
		wantRefusal(t, conn, pgwire.AdminShutdown)
		if got := <-result; sallyport.KindOf(got.err) != sallyport.Unavailable {
			t.Errorf("Accept returned %v", got.err)
		}
	})
	t.Run("silent in the handshake", func(t *testing.T) {
		t.Parallel()
		addr, result := accepting(t, t.Context(), pglogin.AcceptOptions{TLS: id.server, Timeout: 50 * time.Millisecond})
		conn := dial(t, addr)
		write(t, conn, []byte{0x16, 3, 1})
		if rest, _ := io.ReadAll(conn); bytes.Contains(rest, []byte("FATAL")) {
			t.Errorf("a message of the protocol fell into a handshake: %q", rest)
		}
		if got := <-result; got.err == nil {
			t.Error("taken")
		}
	})
}

func TestAcceptWithoutTLSConfiguration(t *testing.T) {
	t.Parallel()
	addr, result := accepting(t, t.Context(), pglogin.AcceptOptions{})
	conn := dial(t, addr)
	if got := <-result; got.err == nil {
		t.Error("a client was taken without TLS")
	}
	if rest, _ := io.ReadAll(conn); len(rest) != 0 {
		t.Errorf("answer %q", rest)
	}
}

func TestAcceptSkipsPassword(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	skip := func(_ tls.ConnectionState, s pgwire.Startup) bool { return s.User == "etl" }
	addr, result := accepting(t, t.Context(), pglogin.AcceptOptions{TLS: id.server, SkipPassword: skip})
	conn := startTLS(t, dial(t, addr), id)
	write(t, conn, startup())
	got := <-result
	if got.err != nil || len(got.c.Password) != 0 {
		t.Fatalf("%+v, %v", got.c, got.err)
	}
	refusal := sallyport.E(sallyport.Unauthenticated, "test", "no such principal").WithHint("ask").Because(pgwire.InvalidPassword)
	done := make(chan struct{})
	go func() {
		defer close(done)
		got.c.Refuse(refusal)
	}()
	wantRefusal(t, conn, pgwire.InvalidPassword)
	_ = conn.Close()
	<-done
}
