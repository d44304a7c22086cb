// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package postgres is the PostgreSQL connector. It speaks the protocol on both
// sides and nothing else: who may do what, what is held, recorded and masked is
// decided by the session engine on what this package reports.
//
// A session is a [relay]: two goroutines that move bytes through one [machine],
// which knows which answers the server owes. Rows that need no mask are
// forwarded in runs without being decoded. Every statement is known by the
// server's own analysed and rewritten query tree before a row of its answer
// passes; where the tree is missing or differs, the answer is masked whole or
// the session ends.
package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/connector/postgres/pglogin"
	"github.com/sallyport-dev/sallyport/internal/door"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// Protocol is the connector's name in the configuration and on the record.
const Protocol = "postgres"

// Options are what a connector works with. All are required.
type Options struct {
	Engine  *session.Engine
	Targets map[sallyport.ResourceID]*Target
	TLS     *tls.Config // of the listener
	Now     func() time.Time
	Rand    io.Reader
	Log     *slog.Logger
}

// Connector accepts PostgreSQL clients.
type Connector struct {
	o    Options
	keys *pglogin.Keys
}

// New returns a connector.
func New(o Options) *Connector {
	return &Connector{o: o, keys: pglogin.NewKeys(pglogin.KeysOptions{Rand: o.Rand, Now: o.Now})}
}

// Serve accepts connections until ctx ends or the listener fails, and waits for
// those that it accepted.
func (c *Connector) Serve(ctx context.Context, ln net.Listener) error {
	return door.Serve(ctx, ln, Protocol, c.o.Log, c.serve)
}

// serve is the life of one connection.
func (c *Connector) serve(ctx context.Context, nc net.Conn, entered func()) error {
	cl, err := pglogin.Accept(ctx, nc, pglogin.AcceptOptions{TLS: c.o.TLS, Now: c.o.Now})
	if err != nil {
		return err
	}
	if cl.Cancel != nil {
		defer cl.Conn.Close()
		return c.cancel(ctx, nc, *cl.Cancel)
	}
	entered()
	greeted := &greeting{client: cl}
	sess, err := c.open(ctx, cl, greeted)
	if err != nil {
		greeted.refuse(err)
		return err
	}
	return c.session(sess, cl, greeted)
}

// cancel serves a CancelRequest. Its sender is not authenticated, so it learns
// nothing of what came of it.
func (c *Connector) cancel(ctx context.Context, nc net.Conn, key pgwire.CancelKey) error {
	addr, err := netip.ParseAddrPort(nc.RemoteAddr().String())
	if err != nil {
		return err
	}
	do, err := c.keys.Find(addr.Addr(), key)
	if err != nil {
		return err
	}
	return do(ctx)
}

// open asks the engine for a session. The start-up's database names the
// resource and its user the role.
func (c *Connector) open(ctx context.Context, cl *pglogin.Client, g *greeting) (*session.Session, error) {
	db := cl.Startup.Database
	if db == "" {
		db = cl.Startup.User
	}
	client := cl.Conn.RemoteAddr().String()
	if app := cl.Startup.Application; app != "" {
		client += " " + app
	}
	defer cl.ClearPassword()
	ctx = identity.WithClient(ctx, client)
	return c.o.Engine.Open(ctx, session.Ask{
		Protocols: []string{Protocol}, Token: string(cl.Password), Resource: sallyport.ResourceID(db), Role: sallyport.RoleID(cl.Startup.User),
		Client: client, TLS: tlsName(cl.TLS), Notify: g.notice,
	})
}

// tlsName names a TLS leg for the record.
func tlsName(s *tls.ConnectionState) string {
	if s == nil {
		return "none"
	}
	return tls.VersionName(s.Version) + " " + tls.CipherSuiteName(s.CipherSuite)
}

// session logs in to the target, records that the session is open, and relays
// until it ends.
func (c *Connector) session(sess *session.Session, cl *pglogin.Client, g *greeting) error {
	target := c.o.Targets[sess.Resource().ID]
	ctx, cancel := context.WithTimeout(sess.Context(), 30*time.Second)
	up, preflight, err := target.login(ctx, sess, cl.Startup.Settings)
	if err != nil {
		cancel()
		g.refuse(err)
		return errors.Join(err, sess.Close("the target could not be reached"))
	}
	err = sess.Begin(ctx, session.Target{Lineage: lineageName(preflight), TLS: upstreamTLS(up.Conn)})
	cancel()
	if err != nil {
		g.refuse(err)
		return errors.Join(err, up.Conn.Close(), sess.Close("the ledger cannot take a record"))
	}
	r := &relay{
		target: target, sess: sess, client: cl.Conn, m: newMachine(), preflight: preflight,
		admitted: map[*plan]*session.Admission{}, greeted: map[string]string{},
	}
	if path, ok := cl.Startup.Settings["search_path"]; ok {
		r.private = "path " + path // names mean something else than to other sessions
	}
	if preflight {
		// Asked for here, so that the first statement has to ask nothing.
		if r.path, _, err = ask(sess.Context(), up.Conn, pathText); err != nil {
			g.refuse(err)
			return errors.Join(err, up.Conn.Close(), sess.Close("the target could not be asked"))
		}
	}
	parameters := clientParameters(up.Parameters, cl.Startup)
	for _, p := range parameters {
		r.greeted[p.Name] = p.Value
	}
	r.up = upstream{conn: up.Conn, sess: sess, cancel: func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(sess.Context()), 5*time.Second)
		defer cancel()
		if err := up.Cancel(ctx); err != nil {
			c.o.Log.Debug("cancel", "err", err)
		}
	}}
	key, release, err := c.keys.Issue(cl.Startup.Version, func(context.Context) error { r.Cancel(); return nil })
	if err == nil {
		err = g.ready(parameters, key)
	}
	if err != nil {
		return errors.Join(err, up.Conn.Close(), sess.Close("the client went away"))
	}
	err = r.run()
	release()
	reason := "the client closed it"
	if err != nil {
		reason, _ = sallyport.Public(err)
	}
	return errors.Join(err, sess.Close(reason))
}

func lineageName(preflight bool) string {
	if preflight {
		return "preflight"
	}
	return "in-band"
}

func upstreamTLS(conn net.Conn) string {
	if t, ok := conn.(*tls.Conn); ok {
		s := t.ConnectionState()
		return tlsName(&s)
	}
	return "none"
}

// clientParameters are the settings that a client is told at its login: those of
// the target that it may see, and its own role as the session's user.
func clientParameters(up []pglogin.ParameterStatus, s pgwire.Startup) []pglogin.ParameterStatus {
	var out []pglogin.ParameterStatus
	for _, p := range up {
		if reported(p.Name) {
			out = append(out, p)
		}
	}
	return append(out,
		pglogin.ParameterStatus{Name: "application_name", Value: s.Application},
		pglogin.ParameterStatus{Name: "session_authorization", Value: s.User})
}

// greeting is the end of a client's login. Notices are understood after
// AuthenticationOk only, so that one is sent early when there is something to
// say while the client waits.
type greeting struct {
	client *pglogin.Client
	mu     sync.Mutex
	sent   bool // AuthenticationOk is out
}

func (g *greeting) notice(message, hint string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var b []byte
	if !g.sent {
		b = pgwire.AppendAuthOK(b)
		g.sent = true
	}
	b = pgwire.AppendNotice(b, pgwire.SeverityNotice, noticeState, "sallyport: "+message, "", hint)
	_, _ = mask.Synthetic(b).WriteTo(g.client.Conn) // a client that is gone is noticed later
}

func (g *greeting) refuse(err error) { g.client.Refuse(err) }

func (g *greeting) ready(params []pglogin.ParameterStatus, key pgwire.CancelKey) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := pglogin.AppendReady(nil, params, key, pgwire.TxIdle)
	if g.sent {
		b = b[len(pgwire.AppendAuthOK(nil)):]
	}
	_, err := mask.Synthetic(b).WriteTo(g.client.Conn)
	return err
}
