// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pglogin_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/connector/postgres/pglogin"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

const secret = "synthetic-Pa55word"

func roots(t *testing.T, caFile string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in %s", caFile)
	}
	return pool
}

// target makes a role on the server, which goes with the server, and the
// options to log in as it.
func target(t *testing.T, srv *pgtest.Server) pglogin.DialOptions {
	t.Helper()
	user := "r" + strings.ToLower(rand.Text())
	srv.Exec(t, "postgres", "create role "+user+" login password '"+secret+"'")
	return pglogin.DialOptions{
		Address: srv.Addr, Database: "postgres", User: user, Password: secret,
		TLS: &tls.Config{RootCAs: roots(t, srv.CAFile), ServerName: "localhost"},
	}
}

// query sends a simple query on an upstream connection and returns the values
// of its first row and the SQLSTATE of its error.
func query(t *testing.T, conn net.Conn, sql string) (row []string, state string) {
	t.Helper()
	write(t, conn, pgwire.AppendQuery(nil, sql))
	for {
		typ, body := readMessage(t, conn)
		switch typ {
		case pgwire.ServerDataRow:
			v, err := pgwire.DecodeDataRow(body)
			if err != nil {
				t.Fatal(err)
			}
			for _, value := range v.All() {
				row = append(row, string(value))
			}
		case pgwire.ServerErrorResponse:
			d, err := pgwire.DecodeDiagnostic(body)
			if err != nil {
				t.Fatal(err)
			}
			state = string(d.Get('C'))
		case pgwire.ServerReadyForQuery:
			return row, state
		}
	}
}

func TestDial(t *testing.T) {
	t.Parallel()
	for _, major := range pgtest.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			o := target(t, pgtest.Shared(t, major))
			o.Application = "sallyport"
			o.RuntimeParams = map[string]string{"timezone": "Asia/Tokyo", "debug_print_rewritten": "on"}
			u, err := pglogin.Dial(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = u.Close(t.Context()) }()
			if u.Key.PID == 0 || len(u.Key.Secret) < pgwire.MinCancelKey || u.Tx != pgwire.TxIdle || !strings.HasPrefix(u.Version, fmt.Sprint(major)) {
				t.Errorf("key %d of %d bytes, state %c, version %q", u.Key.PID, len(u.Key.Secret), u.Tx, u.Version)
			}
			params := map[string]string{}
			for _, p := range u.Parameters {
				params[p.Name] = p.Value
			}
			if params["TimeZone"] != "Asia/Tokyo" || params["application_name"] != "sallyport" || params["server_encoding"] != "UTF8" {
				t.Errorf("parameters %v", params)
			}
			row, state := query(t, u.Conn, "select current_user, ssl, pg_backend_pid(), current_setting('debug_print_rewritten') "+
				"from pg_stat_ssl where pid = pg_backend_pid()")
			if want := []string{o.User, "t", fmt.Sprint(u.Key.PID), "on"}; state != "" || fmt.Sprint(row) != fmt.Sprint(want) {
				t.Errorf("%v, %s; want %v", row, state, want)
			}
		})
	}
}

func TestUpstreamCancel(t *testing.T) {
	t.Parallel()
	for _, major := range []int{pgtest.Oldest, pgtest.Newest} {
		o := target(t, pgtest.Shared(t, major))
		u, err := pglogin.Dial(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		state := make(chan string, 1)
		go func() {
			_, s := query(t, u.Conn, "select pg_sleep(60)")
			state <- s
		}()
		// The request may overtake the query; the server ignores it then.
		ticker := time.NewTicker(50 * time.Millisecond)
		for cancelled := false; !cancelled; {
			if err := u.Cancel(t.Context()); err != nil {
				t.Fatal(err)
			}
			select {
			case s := <-state:
				if s != string(pgwire.QueryCanceled) {
					t.Errorf("PostgreSQL %d: SQLSTATE %q", major, s)
				}
				cancelled = true
			case <-ticker.C:
			}
		}
		ticker.Stop()
		if err := u.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := u.Close(t.Context()); err != nil {
			t.Errorf("closing twice: %v", err)
		}
	}
}

// TestDialRefusesToConfigure lists what is refused before a byte is sent.
func TestDialRefusesToConfigure(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		o    pglogin.DialOptions
	}{
		{"no TLS", pglogin.DialOptions{Address: "db.example:5432"}},
		{"plaintext to another host", pglogin.DialOptions{Address: "db.example:5432", InsecurePlaintext: true}},
		{"plaintext to an address", pglogin.DialOptions{Address: "192.0.2.1:5432", InsecurePlaintext: true}},
		{"plaintext not asked for", pglogin.DialOptions{Address: "127.0.0.1:5432"}},
		{"unverified TLS", pglogin.DialOptions{Address: "127.0.0.1:5432", TLS: &tls.Config{InsecureSkipVerify: true}}},
		{"no port", pglogin.DialOptions{Address: "127.0.0.1", InsecurePlaintext: true}},
		{"no host", pglogin.DialOptions{Address: ":5432", InsecurePlaintext: true}},
		{"TLS over a socket without a name", pglogin.DialOptions{Address: "/run/postgresql/.s.PGSQL.5432", TLS: &tls.Config{}}},
	}
	for _, tt := range tests {
		u, err := pglogin.Dial(t.Context(), tt.o)
		if u != nil || sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestDialFails lists what goes wrong on the way; no error may hold the
// password, and the client is told the same every time.
func TestDialFails(t *testing.T) {
	t.Parallel()
	srv := pgtest.Shared(t, 15)
	good := target(t, srv)
	tests := []struct {
		name   string
		change func(o *pglogin.DialOptions)
		hint   string
	}{
		{"wrong password", func(o *pglogin.DialOptions) { o.Password = "another-" + secret }, "credential"},
		{"no such database", func(o *pglogin.DialOptions) { o.Database = "absent" }, "database of the resource"},
		{"no such role", func(o *pglogin.DialOptions) { o.User = "absent" }, "credential"},
		{"forbidden setting", func(o *pglogin.DialOptions) { o.RuntimeParams = map[string]string{"log_statement": "all"} }, "refuses a setting"},
		{"unknown authority", func(o *pglogin.DialOptions) { o.TLS = &tls.Config{RootCAs: x509.NewCertPool()} }, "authority"},
		{"wrong server name", func(o *pglogin.DialOptions) { o.TLS = o.TLS.Clone(); o.TLS.ServerName = "db.example" }, "server name"},
		{"password that is also the role's name", func(o *pglogin.DialOptions) { o.User, o.Address = secret, "127.0.0.1:1" }, "that it is up"},
		{"nobody there", func(o *pglogin.DialOptions) { o.Address = "127.0.0.1:1" }, "that it is up"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := good
			tt.change(&o)
			_, err := pglogin.Dial(t.Context(), o)
			if sallyport.KindOf(err) != sallyport.Unavailable || pgwire.StateOf(err) != pgwire.CannotConnectNow {
				t.Fatalf("kind %v, SQLSTATE %s: %v", sallyport.KindOf(err), pgwire.StateOf(err), err)
			}
			msg, hint := sallyport.Public(err)
			if msg != "the gateway could not log in to the target" || !strings.Contains(hint, tt.hint) {
				t.Errorf("message %q, hint %q, want %q in it", msg, hint, tt.hint)
			}
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, o.Password) || strings.Contains(text, secret) {
				t.Errorf("the password is in %q", text)
			}
		})
	}
}

// TestDialPlaintext uses the ways that need no TLS: a loopback address and a
// Unix socket, without a password where the target trusts.
func TestDialPlaintext(t *testing.T) {
	t.Parallel()
	// A socket's path has at most 107 bytes, and the server's account must reach
	// it.
	dir, err := os.MkdirTemp("", "sp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	srv := pgtest.Start(t, 15, pgtest.WithSetting("unix_socket_directories", dir), pgtest.WithHBA("local all all trust"))
	for _, o := range []pglogin.DialOptions{
		{Address: srv.Addr, Password: srv.Password},
		{Address: strings.Replace(srv.Addr, "127.0.0.1", "localhost", 1), Password: srv.Password},
		{Address: filepath.Join(dir, fmt.Sprintf(".s.PGSQL.%d", srv.Port))},
	} {
		o.User, o.Database, o.InsecurePlaintext = srv.Superuser, "postgres", true
		u, err := pglogin.Dial(t.Context(), o)
		if err != nil {
			t.Errorf("%s: %v", o.Address, err)
			continue
		}
		if row, state := query(t, u.Conn, "select 42"); len(row) != 1 || row[0] != "42" {
			t.Errorf("%s: %v, %s", o.Address, row, state)
		}
		if err := u.Cancel(t.Context()); err != nil {
			t.Errorf("%s: %v", o.Address, err)
		}
		if err := u.Close(t.Context()); err != nil {
			t.Errorf("%s: %v", o.Address, err)
		}
	}
}

// TestDialRefusesTrustingTarget checks that a password which the target never
// asks for is not taken for a log-in.
func TestDialRefusesTrustingTarget(t *testing.T) {
	t.Parallel()
	srv := pgtest.Start(t, 15, pgtest.WithTLS(), pgtest.WithHBA("host all all 127.0.0.1/32 trust"))
	o := pglogin.DialOptions{
		Address: srv.Addr, Database: "postgres", User: srv.Superuser, Password: secret,
		TLS: &tls.Config{RootCAs: roots(t, srv.CAFile)},
	}
	if _, err := pglogin.Dial(t.Context(), o); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("%v", err)
	}
}

// scripted is a target that says what a test wants, to a client that was let in
// without a password.
func scripted(t *testing.T, script func(conn net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer func() {
			_ = conn.Close()
			// A log-in that failed must not go on over another connection.
			if err := ln.(*net.TCPListener).SetDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
				return
			}
			if second, err := ln.Accept(); err == nil {
				t.Error("the target got a second connection")
				_ = second.Close()
			}
		}()
		if _, err := pgproto3.NewBackend(conn, conn).ReceiveStartupMessage(); err != nil {
			return
		}
		script(conn)
	}()
	t.Cleanup(func() {
		<-done
		_ = ln.Close()
	})
	return ln.Addr().String()
}

// TestDialReadsNoByteTooMany has a target that sends on behind ReadyForQuery in
// the same packet.
func TestDialReadsNoByteTooMany(t *testing.T) {
	t.Parallel()
	greeting := pgwire.AppendAuthOK(nil)
	greeting = pgwire.AppendParameterStatus(greeting, "server_version", "15.18")
	greeting = pgwire.AppendBackendKeyData(greeting, pgwire.CancelKey{PID: 9, Secret: []byte("0123456789abcdef")})
	greeting = pgwire.AppendReadyForQuery(greeting, pgwire.TxIdle)
	behind := pgwire.AppendNotification(nil, 1, "channel", strings.Repeat("payload", 3000))
	addr := scripted(t, func(conn net.Conn) {
		if _, err := conn.Write(append(bytes.Clone(greeting), behind...)); err != nil {
			t.Error(err)
		}
		_, _ = io.Copy(io.Discard, conn)
	})
	u, err := pglogin.Dial(t.Context(), pglogin.DialOptions{Address: addr, User: "u", Database: "d", InsecurePlaintext: true})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(behind))
	if _, err := io.ReadFull(u.Conn, got); err != nil || !bytes.Equal(got, behind) {
		t.Errorf("the bytes behind the log-in are lost: %v", err)
	}
	if len(u.Key.Secret) != 16 {
		t.Errorf("a key of %d bytes", len(u.Key.Secret))
	}
	if err := u.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestGateEndsAtReadyForQuery reads as a reader in the background does: greedily
// and on after the log-in.
func TestGateEndsAtReadyForQuery(t *testing.T) {
	t.Parallel()
	login := pgwire.AppendReadyForQuery(pgwire.AppendParameterStatus(pgwire.AppendAuthOK(nil), "a", "b"), pgwire.TxIdle)
	behind := pgwire.AppendNotification(nil, 1, "channel", "payload")
	near, far := net.Pipe()
	go func() {
		_, _ = far.Write(append(bytes.Clone(login), behind...))
		_ = far.Close()
	}()
	defer func() { _ = near.Close() }()
	gate := pglogin.Gate(near)
	var got []byte
	buf := make([]byte, 8192)
	for {
		n, err := gate.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			break
		}
	}
	if !bytes.Equal(got, login) {
		t.Errorf("the gate let %q through, want %q", got, login)
	}
	if rest, err := io.ReadAll(near); err != nil || !bytes.Equal(rest, behind) {
		t.Errorf("%q, %v is left for the relay, want %q", rest, err, behind)
	}
}

// TestDialHostileTarget has targets that never become ready.
func TestDialHostileTarget(t *testing.T) {
	t.Parallel()
	tests := map[string]func(conn net.Conn){
		"says nothing": func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) },
		"leaves":       func(net.Conn) {},
		"2 GB message": func(conn net.Conn) { _, _ = conn.Write([]byte("N\x7f\xff\xff\xff")) },
		"length 3":     func(conn net.Conn) { _, _ = conn.Write([]byte("R\x00\x00\x00\x03")) },
		"endless notices": func(conn net.Conn) {
			notice := pgwire.AppendNotice(nil, pgwire.SeverityNotice, "00000", strings.Repeat("x", 1000), "", "")
			for {
				if _, err := conn.Write(notice); err != nil {
					return
				}
			}
		},
		"ready before it was asked": func(conn net.Conn) { _, _ = conn.Write(pgwire.AppendReadyForQuery(nil, 'I')) },
		"rows":                      func(conn net.Conn) { _, _ = conn.Write(pgwire.AppendDataRow(nil, [][]byte{[]byte("x")})) },
		"speaks TLS unasked":        func(conn net.Conn) { _, _ = conn.Write([]byte{0x15, 3, 3, 0, 2, 2, 40}) },
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if name == "says nothing" { // the others must fail by themselves
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
			}
			addr := scripted(t, script)
			u, err := pglogin.Dial(ctx, pglogin.DialOptions{Address: addr, User: "u", Password: secret, InsecurePlaintext: true})
			if u != nil || sallyport.KindOf(err) != sallyport.Unavailable {
				t.Errorf("%v", err)
			}
		})
	}
}
