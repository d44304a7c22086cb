// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// Token is a gateway token with its life as the gateway told it.
type Token struct {
	Text string
	Life time.Duration
}

// Options are what a sidecar is made of. Fetch and Now are required.
type Options struct {
	// Target is what the tokens are good for.
	Target identity.Target
	// Issuer is the gateway's URL, which ID tokens name.
	Issuer string
	// Project is told to clients that ask which one they are in; empty means none.
	Project string
	// Fetch gets a new token from the gateway. It is called by one request at a
	// time.
	Fetch func(context.Context) (Token, error)
	// Active asks the gateway whether a token is good still; nil means that nobody
	// asks. It too is called by one request at a time.
	Active func(ctx context.Context, token string) (bool, error)
	Now    func() time.Time
	Log    *slog.Logger // nil means none
}

// Server answers as a metadata server does. It is safe for concurrent use.
type Server struct {
	opts Options
	log  *slog.Logger

	turn chan struct{} // held by whoever speaks to the gateway

	mu    sync.Mutex
	held  Token     // guarded by mu
	since time.Time // when it was asked for; guarded by mu
	seen  time.Time // when it was known to be good; guarded by mu
	said  error     // the gateway's last answer, if it was a refusal; guarded by mu
	at    time.Time // when it came; guarded by mu
}

// New makes a server that has no token yet.
func New(o Options) *Server {
	s := &Server{opts: o, log: o.Log, turn: make(chan struct{}, 1)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

const (
	// fetchTimeout bounds one exchange with the gateway.
	fetchTimeout = 30 * time.Second
	// refusedFor is how long a refusal is repeated without asking again. Clients ask
	// in loops, and each exchange is a login on the gateway's record.
	refusedFor = 5 * time.Second
	// activeFor is how long a token counts as good that was so when the gateway was
	// asked, and activeTimeout how long that may take.
	activeFor     = 5 * time.Second
	activeTimeout = 3 * time.Second
)

// live is a token and when it ends.
type live struct {
	text    string
	issued  time.Time
	expires time.Time
}

// Renew fetches a token if there is none with more than a third of its life
// left. It fails only when there is none to hand out at all.
func (s *Server) Renew(ctx context.Context) error {
	_, err := s.token(ctx)
	return err
}

// token returns a token with more than a third of its life left that was not
// revoked, or, when the gateway gives no other, whatever is left of the last one. A
// refusal ends that one as well.
func (s *Server) token(ctx context.Context) (live, error) {
	if t, ok := s.ready(); ok {
		return t, nil
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return live{}, ctx.Err()
	}
	if t, ok := s.ready(); ok { // another request saw to it meanwhile
		return t, nil
	}
	old, fresh := s.current()
	if old.text != "" && !s.active(ctx, old.text) {
		old, fresh = live{}, false
	}
	if fresh {
		return old, nil
	}
	if err := s.refused(); err != nil {
		return live{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	asked := s.opts.Now()
	t, err := s.opts.Fetch(ctx)
	if err == nil && (t.Text == "" || t.Life <= 0) {
		err = sallyport.E(sallyport.Invalid, "sidecar", "the gateway's answer holds no token with a life")
	}
	if err != nil {
		s.log.WarnContext(ctx, "no new token", "error", err)
		switch {
		case refusal(err):
			s.drop(err)
		case old.text != "":
			return old, nil
		}
		return live{}, err
	}
	s.keep(t, asked)
	now, _ := s.current()
	return now, nil
}

// refusal reports whether the gateway said no, which asking again at once does
// not change.
func refusal(err error) bool {
	switch sallyport.KindOf(err) {
	case sallyport.Denied, sallyport.Unauthenticated, sallyport.NotFound, sallyport.Held, sallyport.Invalid:
		return true
	}
	return false
}

func (s *Server) keep(t Token, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.since, s.seen, s.said = t, at, at, nil
}

// active asks whether the token that is kept is good still, and forgets one that
// is not: it was revoked, and there may be a new grant by now. A gateway that gives
// no answer changes nothing.
func (s *Server) active(ctx context.Context, token string) bool {
	if s.opts.Active == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, activeTimeout)
	defer cancel()
	ok, err := s.opts.Active(ctx, token)
	if err != nil {
		s.log.WarnContext(ctx, "whether the token is good still is not known", "error", err)
		ok = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = s.opts.Now()
	if !ok {
		s.held = Token{}
	}
	return ok
}

// ready returns a token that needs no word with the gateway.
func (s *Server) ready() (live, bool) {
	t, fresh := s.current()
	s.mu.Lock()
	defer s.mu.Unlock()
	return t, fresh && t.text == s.held.Text && (s.opts.Active == nil || s.opts.Now().Sub(s.seen) < activeFor)
}

// drop forgets the token that is kept, and remembers why there is none.
func (s *Server) drop(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.said, s.at = Token{}, err, s.opts.Now()
}

// refused returns the refusal that is still to be repeated, or nil.
func (s *Server) refused() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.said != nil && s.opts.Now().Sub(s.at) < refusedFor {
		return s.said
	}
	return nil
}

// current returns the token that is kept, if it has not ended, and whether more
// than a third of its life is left.
func (s *Server) current() (t live, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.since.Add(s.held.Life)
	left := end.Sub(s.opts.Now())
	if s.held.Text == "" || left <= 0 {
		return live{}, false
	}
	return live{s.held.Text, s.since, end}, left > s.held.Life/3
}

// Listen binds an address, which must be one of the loopback.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	const op = "sidecar"
	host, _, err := net.SplitHostPort(address)
	if err != nil || !isLoopback(host) {
		return nil, sallyport.E(sallyport.Invalid, op, "the sidecar listens on loopback only").
			WithHint("give an address such as 127.0.0.1:0; whoever reaches the sidecar is the workload")
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, op, "cannot listen on "+address).
			WithHint("stop what uses the address, or choose another").Because(err)
	}
	// A name may stand for any address in a hosts file.
	if a, ok := ln.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return nil, errors.Join(sallyport.E(sallyport.Invalid, op, "the address is not one of the loopback"), ln.Close())
	}
	return ln, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback() && a.Zone() == ""
}

// Serve answers on ln until ctx ends, and closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	select {
	case err := <-done:
		return sallyport.E(sallyport.Unavailable, "sidecar", "the sidecar cannot serve").Because(err)
	case <-ctx.Done():
	}
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := srv.Shutdown(sctx)
	if errors.Is(err, context.DeadlineExceeded) { // a client that does not take its answer
		err = srv.Close()
	}
	if serr := <-done; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}
