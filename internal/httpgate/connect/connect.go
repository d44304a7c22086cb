// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package connect is the front for clients that can be given a proxy but no other
// address of a service: it answers CONNECT for the hosts of a table, as those hosts.
//
// Nothing is tunnelled anywhere. What a CONNECT opens ends here: TLS with a
// certificate of a private authority, HTTP/1.1 or HTTP/2, and then the gate of the
// HTTP front, as for any other request. Whose the requests are is said by the token
// of the CONNECT. What the client believes to be its credential for the service is
// never sent on; a gateway token there has to be of the same principal and good for
// the same.
package connect

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// Identify knows tokens.
type Identify interface {
	Authenticate(ctx context.Context, raw string) (sallyport.Principal, identity.Binding, error)
	Inspect(ctx context.Context, raw string) (info identity.TokenInfo, ours, good bool, err error)
}

// Journal is where refusals are written down.
type Journal interface {
	Denial(ctx context.Context, d evidence.Denial) error
}

// Options are what a server works with. All but TLS are required.
type Options struct {
	Gate      *httpgate.Gate
	Table     Table
	Authority *Authority
	Identify  Identify
	Tokens    http.Handler // the gateway's endpoints for tokens
	Journal   Journal
	TLS       *tls.Config // of the listener; nil for one on the loopback without
	Log       *slog.Logger
}

// Server answers CONNECT.
type Server struct {
	o      Options
	tokens chan struct{} // one for each request for a token

	mu   sync.Mutex
	open map[sallyport.PrincipalID]int // tunnels; guarded by mu
}

// Bounds of the listener.
const (
	maxConns       = 1024 // connections at once, those that became tunnels included
	maxTokens      = 64   // requests for tokens at once
	maxOfOne       = 256  // tunnels of one principal, so that it leaves room for others
	maxHeaderBytes = 64 << 10
	headerWait     = 10 * time.Second // also for handshakes
	idleWait       = 2 * time.Minute
	shutdownWait   = 10 * time.Second
)

// New returns a server.
func New(o Options) *Server {
	return &Server{o: o, tokens: make(chan struct{}, maxTokens), open: map[sallyport.PrincipalID]int{}}
}

// tunnel is a connection after its CONNECT.
type tunnel struct {
	net.Conn
	early     *bufio.Reader // what came with the CONNECT, and the connection behind it
	host      string
	principal sallyport.PrincipalID
	who       httpgate.Known
	leave     func() // gives its place among the principal's back
}

// Close implements net.Conn.
func (t *tunnel) Close() error {
	defer t.leave()
	return t.Conn.Close()
}

// Read implements net.Conn.
func (t *tunnel) Read(b []byte) (int, error) { return t.early.Read(b) }

type tunnelKey struct{}

// Serve accepts connections until ctx ends or the listener fails, and waits for the
// requests in them.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	// A request ends with its session, which hears from the gateway why.
	requests, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	tunnels := newQueue(ln.Addr())
	base := func(net.Listener) context.Context { return requests }
	log := slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug)
	outer := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.accept(w, r, tunnels) }),
		ReadHeaderTimeout: headerWait, ReadTimeout: headerWait, IdleTimeout: headerWait, MaxHeaderBytes: maxHeaderBytes, ErrorLog: log, BaseContext: base,
		Protocols: new(http.Protocols), // a CONNECT of HTTP/2 is a stream, which is not for here
	}
	outer.Protocols.SetHTTP1(true)
	inner := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(ctx, w, r) }),
		ReadHeaderTimeout: headerWait, IdleTimeout: idleWait, MaxHeaderBytes: maxHeaderBytes, ErrorLog: log, BaseContext: base,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, tunnelKey{}, tunnelOf(c))
		},
	}
	front := newBounded(ln, maxConns)
	done := make(chan error, 2)
	go func() {
		if s.o.TLS == nil {
			done <- outer.Serve(front)
			return
		}
		conf := s.o.TLS.Clone()
		conf.NextProtos = []string{"http/1.1"}
		done <- outer.Serve(tls.NewListener(front, conf))
	}()
	go func() { done <- inner.Serve(tunnels) }()
	var failed error
	left := 2
	select {
	case err := <-done:
		left--
		failed = sallyport.E(sallyport.Unavailable, "connect listener", "no connection can be accepted").Because(err)
	case <-ctx.Done():
	}
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownWait)
	defer cancel()
	err := errors.Join(failed, shutdown(sctx, outer, stop), shutdown(sctx, inner, stop))
	for range left {
		if serr := <-done; !errors.Is(serr, http.ErrServerClosed) {
			err = errors.Join(err, serr)
		}
	}
	return err
}

// shutdown ends a server in order, or after its time at once.
func shutdown(ctx context.Context, srv *http.Server, stop func()) error {
	err := srv.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		stop()
		err = srv.Close()
	}
	return err
}

// tunnelOf returns the tunnel that a connection of the inner server is.
func tunnelOf(c net.Conn) *tunnel {
	if tc, ok := c.(*tls.Conn); ok {
		if t, ok := tc.NetConn().(*tunnel); ok {
			return t
		}
	}
	return nil
}

// accept answers a request of the listener, which has to be a CONNECT.
func (s *Server) accept(w http.ResponseWriter, r *http.Request, tunnels *queue) {
	if r.Method != http.MethodConnect {
		httpgate.Problem(w, sallyport.E(sallyport.Invalid, "connect", "this is a proxy for CONNECT alone").
			WithHint("ask for https addresses through it; nothing else is forwarded"))
		return
	}
	ctx := identity.WithClient(r.Context(), r.RemoteAddr)
	t, err := s.identify(ctx, r)
	if err != nil {
		if sallyport.KindOf(err) == sallyport.Unauthenticated {
			proxyAuthenticate(w, err)
			return
		}
		httpgate.Problem(w, err)
		return
	}
	if r.ContentLength != 0 || len(r.TransferEncoding) > 0 || r.URL.Path != "" {
		err = denied("the CONNECT has a body or a path", "send none: CONNECT HOST:443")
	} else {
		t.host, err = s.o.Table.Reach(r.RequestURI, t.who.Resource)
	}
	if err != nil {
		httpgate.Problem(w, s.refuse(ctx, t, "CONNECT", err))
		return
	}
	if t.leave, err = s.enter(t.principal); err != nil {
		httpgate.Problem(w, err)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.leave()
		httpgate.Problem(w, sallyport.E(sallyport.Internal, "connect", "the connection cannot be taken over").Because(err))
		return
	}
	t.Conn, t.early = conn, rw.Reader
	if err := established(conn); err != nil {
		_ = t.Close() // the client is gone
		return
	}
	tunnels.put(tls.Server(t, s.tls(t)))
}

// enter counts a tunnel of a principal until the returned function is called.
func (s *Server) enter(p sallyport.PrincipalID) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[p] >= maxOfOne {
		return nil, sallyport.E(sallyport.Exhausted, "connect", "the principal has too many connections at once").WithHint("close some, or use them again")
	}
	s.open[p]++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[p]--; s.open[p] == 0 {
			delete(s.open, p)
		}
	}), nil
}

// established tells a client that it can go on, within the time for headers.
func established(c net.Conn) error {
	if err := c.SetWriteDeadline(time.Time{}); err != nil {
		return err
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil { // the inner server sets its own
		return err
	}
	_, err := c.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n"))
	return err
}

// tls is for the TLS inside of a tunnel, which has to be for the host of its CONNECT.
func (s *Server) tls(t *tunnel) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if !sameHost(hello.ServerName, t.host) {
				return nil, s.refuse(hello.Context(), t, "TLS", denied("the TLS inside of the CONNECT is for another host, or names none", "ask for the host by its name"))
			}
			return s.o.Authority.Certificate(t.host)
		},
	}
}

// refuse puts a refusal on record and returns the error for the client. If the record
// fails, that error is returned instead.
func (s *Server) refuse(ctx context.Context, t *tunnel, method string, why error) error {
	msg, _ := sallyport.Public(why)
	at := t.host
	if at == "" {
		at = "a host"
	}
	err := s.o.Journal.Denial(context.WithoutCancel(ctx), evidence.Denial{
		Class: "connect", Readable: method + " to " + at + " as " + string(t.who.Role) + " by " + string(t.principal),
		Objects: []string{string(t.who.Resource)}, Reason: msg,
	})
	if err != nil {
		return err
	}
	return why
}
