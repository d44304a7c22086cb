// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pglogin_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/connector/postgres/pglogin"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// responder is the smallest server that real drivers can log in to: it takes
// the password that it was made with, answers every simple query with the user
// and the database that the client asked for, and a query that begins with
// "wait" with nothing until it is cancelled.
type responder struct {
	id       identity
	password string
	keys     *pglogin.Keys

	ln      net.Listener
	ctx     context.Context
	wg      sync.WaitGroup
	mu      sync.Mutex
	clients []pgwire.Startup
}

func newResponder(t *testing.T, password string) *responder {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &responder{
		id: newIdentity(t), password: password, ln: ln, ctx: t.Context(),
		keys: pglogin.NewKeys(pglogin.KeysOptions{Rand: rand.Reader, Now: time.Now}),
	}
	r.wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			r.wg.Go(func() { r.serve(nc) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		r.wg.Wait()
		if n := r.keys.Len(); n != 0 {
			t.Errorf("%d keys are left", n)
		}
	})
	return r
}

func (r *responder) serve(nc net.Conn) {
	c, err := pglogin.Accept(r.ctx, nc, pglogin.AcceptOptions{TLS: r.id.server, Timeout: 20 * time.Second})
	if err != nil {
		return
	}
	defer func() { _ = c.Conn.Close() }()
	if c.Cancel != nil {
		source := netip.MustParseAddrPort(nc.RemoteAddr().String()).Addr()
		if cancel, err := r.keys.Find(source, *c.Cancel); err == nil {
			_ = cancel(r.ctx)
		}
		return
	}
	if string(c.Password) != r.password {
		c.Refuse(sallyport.E(sallyport.Unauthenticated, "test", "the token was not accepted").
			WithHint("get a new one").Because(pgwire.InvalidPassword))
		return
	}
	c.ClearPassword()
	r.mu.Lock()
	r.clients = append(r.clients, c.Startup)
	r.mu.Unlock()
	cancelled := make(chan struct{}, 1)
	key, release, err := r.keys.Issue(c.Startup.Version, func(context.Context) error { cancelled <- struct{}{}; return nil })
	if err != nil {
		return
	}
	defer release()
	params := []pglogin.ParameterStatus{
		{Name: "server_version", Value: "15.18"},
		{Name: "client_encoding", Value: "UTF8"},
		{Name: "standard_conforming_strings", Value: "on"},
	}
	if c.Ready(r.ctx, params, key, pgwire.TxIdle) != nil {
		return
	}
	r.answer(c, cancelled)
}

func (r *responder) answer(c *pglogin.Client, cancelled <-chan struct{}) {
	var head [pgwire.HeaderLen]byte
	for {
		if _, err := io.ReadFull(c.Conn, head[:]); err != nil {
			return
		}
		typ, total, _, err := pgwire.NextClient(head[:], pgwire.MaxClientMessage)
		if err != nil || typ != pgwire.ClientQuery {
			return
		}
		body := make([]byte, total-pgwire.HeaderLen)
		if _, err := io.ReadFull(c.Conn, body); err != nil {
			return
		}
		var out []byte
		if bytes.HasPrefix(body, []byte("wait")) {
			<-cancelled
			out = pgwire.AppendError(out, pgwire.SeverityError, pgwire.QueryCanceled, "cancelled", "", "")
		} else {
			out = pgwire.AppendRowDescription(out, []pgwire.Field{{Name: []byte("who"), TypeOID: 25, TypeSize: -1, TypeMod: -1}})
			out = pgwire.AppendDataRow(out, [][]byte{[]byte(c.Startup.User + "@" + c.Startup.Database)})
			out = pgwire.AppendCommandComplete(out, "SELECT 1")
		}
		if _, err := c.Conn.Write(pgwire.AppendReadyForQuery(out, pgwire.TxIdle)); err != nil {
			return
		}
	}
}

func (r *responder) url(query string) string {
	return fmt.Sprintf("postgres://etl@%s/clinic?%s", strings.Replace(r.ln.Addr().String(), "127.0.0.1", "localhost", 1), query)
}

// psql runs the real psql with the password in PGPASSWORD.
func (r *responder) psql(t *testing.T, password, query string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	path, err := exec.LookPath("psql")
	if err != nil {
		t.Fatal("psql is not installed; run: make test-deps")
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"-X", "-w", "-A", "-t", "-d", r.url(query)}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "PGPASSWORD=" + password, "PGCONNECT_TIMEOUT=20"}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// TestPsql logs in with a token of 8 KiB, as an issuer with many claims makes
// them.
func TestPsql(t *testing.T) {
	t.Parallel()
	token := strings.Repeat("synthetic-claim.", 8<<10/16)
	r := newResponder(t, token)
	verify := "sslmode=verify-full&sslrootcert=" + r.id.caFile
	tests := []struct {
		name, password, query string
		stdout, stderr        string
	}{
		{"verify-full", token, verify, "etl@clinic\n", ""},
		{"GSSAPI first", token, verify + "&gssencmode=prefer", "etl@clinic\n", ""},
		{"options", token, verify + "&options=-c%20statement_timeout%3D5s", "etl@clinic\n", ""},
		{"wrong token", "wrong", verify, "", "FATAL:  the token was not accepted\nHINT:  get a new one"},
		{"no token", "", verify, "", "fe_sendauth: no password supplied"},
		{"no TLS", token, "sslmode=disable", "", "FATAL:  TLS is required\nHINT:  connect with sslmode=require"},
		{"forbidden option", token, verify + "&options=-c%20role%3Dpostgres", "", "FATAL:  the connection asks for a setting that the gateway does not pass on"},
		{"replication", token, verify + "&replication=database", "", "FATAL:  replication connections do not pass"},
		{"password of a megabyte's twentieth", strings.Repeat("x", 1<<20/20), verify, "", "FATAL:  the credential is malformed or longer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, err := r.psql(t, tt.password, tt.query, "-c", "select 1")
			if stdout != tt.stdout || !strings.Contains(stderr, tt.stderr) || (err == nil) != (tt.stderr == "") {
				t.Errorf("stdout %q, stderr %q, %v", stdout, stderr, err)
			}
		})
	}
}

// TestPgx logs in through both negotiations and both versions of the protocol,
// and cancels.
func TestPgx(t *testing.T) {
	t.Parallel()
	r := newResponder(t, "synthetic")
	tests := []struct {
		name, query string
		version     uint32
	}{
		{"SSLRequest", "sslnegotiation=postgres", pgwire.Version30},
		{"direct TLS", "sslnegotiation=direct", pgwire.Version30},
		{"version 3.2", "max_protocol_version=3.2", pgwire.Version32},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg, err := pgx.ParseConfig(r.url("sslmode=verify-full&sslrootcert=" + r.id.caFile + "&" + tt.query))
			if err != nil {
				t.Fatal(err)
			}
			cfg.Password, cfg.DefaultQueryExecMode = "synthetic", pgx.QueryExecModeSimpleProtocol
			cfg.RuntimeParams["application_name"] = tt.name
			conn, err := pgx.ConnectConfig(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close(t.Context()) }()
			var who string
			if err := conn.QueryRow(t.Context(), "select 1").Scan(&who); err != nil || who != "etl@clinic" {
				t.Errorf("%q, %v", who, err)
			}
			if want := 4 + 28*int(tt.version&0xffff)/2; len(conn.PgConn().SecretKey()) != want {
				t.Errorf("a key of %d bytes, want %d", len(conn.PgConn().SecretKey()), want)
			}
			done := make(chan error, 1)
			go func() {
				_, err := conn.Exec(t.Context(), "wait")
				done <- err
			}()
			if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
				t.Error(err)
			}
			err = <-done
			if pe, ok := errors.AsType[*pgconn.PgError](err); !ok || pe.Code != string(pgwire.QueryCanceled) {
				t.Errorf("cancelled query: %v", err)
			}
		})
	}
}

// TestRealClientsReachRealTarget joins both log-ins: psql through the gateway's
// end to a real server, with the bytes passed on as they are.
func TestRealClientsReachRealTarget(t *testing.T) {
	t.Parallel()
	srv := pgtest.Shared(t, 15)
	id := newIdentity(t)
	o := target(t, srv)
	addr, result := accepting(t, t.Context(), pglogin.AcceptOptions{TLS: id.server})
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		got := <-result
		if got.err != nil {
			t.Error(got.err)
			return
		}
		defer func() { _ = got.c.Conn.Close() }()
		up, err := pglogin.Dial(t.Context(), o)
		if err != nil {
			got.c.Refuse(err)
			t.Error(err)
			return
		}
		defer func() { _ = up.Close(t.Context()) }()
		key := pgwire.CancelKey{PID: 1, Secret: []byte("none")}
		if err := got.c.Ready(t.Context(), up.Parameters, key, up.Tx); err != nil {
			t.Error(err)
			return
		}
		var back sync.WaitGroup
		back.Go(func() { _, _ = io.Copy(got.c.Conn, up.Conn) })
		_, _ = io.Copy(up.Conn, got.c.Conn)
		_ = up.Conn.Close()
		back.Wait()
	})
	r := &responder{id: id}
	r.ln = fixedListener(t, addr)
	stdout, stderr, err := r.psql(t, "synthetic", "sslmode=verify-full&sslrootcert="+id.caFile,
		"-c", "select current_user, 6 * 7", "-c", `\conninfo`)
	if err != nil || !strings.HasPrefix(stdout, o.User+"|42\n") {
		t.Errorf("stdout %q, stderr %q, %v", stdout, stderr, err)
	}
}

// fixedListener stands for an address that somebody else listens on.
func fixedListener(t *testing.T, addr string) net.Listener {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return elsewhere{a}
}

type elsewhere struct{ addr net.Addr }

func (e elsewhere) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (e elsewhere) Close() error              { return nil }
func (e elsewhere) Addr() net.Addr            { return e.addr }
