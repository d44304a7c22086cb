// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package httpgate is the front of all targets that speak HTTP. It finds the
// session that a request belongs to, or opens one, and hands the request to the
// connector of the session's resource.
//
// HTTP has no connections that a session could live as long as. A session here is
// what one token does on one resource under one role: it begins with the first
// request, and ends when the token or the grant does, when nothing came for the
// resource's idle time, or with the gateway. Each request is a statement of it.
package httpgate

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// Handler is a connector for one resource.
type Handler interface {
	// Target says how the connector reaches its target, for the record.
	Target() session.Target
	// Serve answers one request of a session.
	Serve(w http.ResponseWriter, r *http.Request, v Visit)
	// Fail answers with an error in the form of the resource's protocol.
	Fail(w http.ResponseWriter, r *http.Request, err error)
}

// A Continuer is a [Handler] with addresses that a client may use without a token,
// because it got them in a session and nobody can guess them.
type Continuer interface {
	// Continues returns the session that such an address was given out in, and
	// whether the request has one.
	Continues(r *http.Request) (sallyport.SessionID, bool)
}

// Visit is what a connector is told of a request beside the request itself.
type Visit struct {
	Session *session.Session
	// Path is the request's path as the client escaped it, without the gate's own
	// prefix, and Base that prefix: what stands before the target's paths in links.
	Path, Base string
}

// Options are what a gate works with. All are required.
type Options struct {
	Engine   *session.Engine
	Handlers map[sallyport.ResourceID]Handler
	// Protocols are those of the handlers' resources.
	Protocols []string
	TLS       *tls.Config
	Now       func() time.Time
	Log       *slog.Logger
}

// Gate serves HTTP clients.
type Gate struct {
	o Options

	mu    sync.Mutex
	stays map[key]*stay  // guarded by mu
	ended bool           // no stay begins any more; guarded by mu
	wg    sync.WaitGroup // one for each stay
	slots chan struct{}  // one for each request that is served
}

// key is what a session belongs to. It holds no token.
type key struct {
	token    [sha256.Size]byte
	resource sallyport.ResourceID
	role     sallyport.RoleID
}

// stay is a session, or the opening of one.
type stay struct {
	ready chan struct{} // closed when the opening has ended
	sess  *session.Session
	err   error
	slots chan struct{} // one for each request that is served
}

// Bounds of the listener.
const (
	maxRequests    = 1024 // that are served at once
	maxBusy        = 256  // of these for one session, so that it leaves room for others
	maxStays       = 4096 // sessions and openings
	maxHeaderBytes = 64 << 10
	halfOpen       = 30 * time.Second // without a sign of the client, until it is asked for one, and without an answer
	maxTokenBytes  = identity.MaxToken
)

// New returns a gate.
func New(o Options) *Gate {
	return &Gate{o: o, stays: map[key]*stay{}, slots: make(chan struct{}, maxRequests)}
}

// Serve accepts requests until ctx ends or the listener fails, and waits for
// those that it accepted and for the sessions to be sealed.
func (g *Gate) Serve(ctx context.Context, ln net.Listener) error {
	// A request ends with its session, which hears from the gateway why.
	requests, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serve(ctx, w, r) }), TLSConfig: g.o.TLS,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeaderBytes,
		HTTP2:    &http.HTTP2Config{SendPingTimeout: halfOpen, PingTimeout: halfOpen},
		ErrorLog: slog.NewLogLogger(g.o.Log.Handler(), slog.LevelDebug), BaseContext: func(net.Listener) context.Context { return requests },
	}
	done := make(chan error, 1)
	go func() { done <- srv.ServeTLS(ln, "", "") }()
	select {
	case err := <-done:
		g.wait()
		return sallyport.E(sallyport.Unavailable, "http listener", "no request can be accepted").Because(err)
	case <-ctx.Done():
	}
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := srv.Shutdown(sctx)
	if errors.Is(err, context.DeadlineExceeded) {
		stop()
		err = srv.Close()
	}
	if serr := <-done; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	g.wait()
	return err
}

// wait lets no further stay begin, and waits for those that there are.
func (g *Gate) wait() {
	g.mu.Lock()
	g.ended = true
	g.mu.Unlock()
	g.wg.Wait()
}

// Known is whose a request is where another front has found that out.
type Known struct {
	Token    string
	Resource sallyport.ResourceID
	Role     sallyport.RoleID
}

// ServeKnown answers a request that came in by another front, as a visit of the
// session that the token has on the resource. No header of the request counts for
// that. ctx is what [Gate.Serve] runs under.
func (g *Gate) ServeKnown(ctx context.Context, w http.ResponseWriter, r *http.Request, who Known) {
	k := key{sha256.Sum256([]byte(who.Token)), who.Resource, who.Role}
	g.answer(w, r, func() (*stay, Visit, error) {
		return g.enter(ctx, r, k, who.Token), Visit{Path: r.URL.EscapedPath()}, nil
	}, k)
}

// Refuse answers with an error in the form of the resource's protocol.
func (g *Gate) Refuse(w http.ResponseWriter, r *http.Request, resource sallyport.ResourceID, err error) {
	fail(w, r, g.o.Handlers[resource], err)
}

// serve answers one request of the gate's own listener.
func (g *Gate) serve(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	k, token, visit, err := identify(r)
	g.answer(w, r, func() (*stay, Visit, error) {
		if err == nil {
			return g.enter(ctx, r, k, token), visit, nil
		}
		if v := g.continued(r); v != nil {
			return v, visit, nil
		}
		return nil, visit, err
	}, k)
}

// answer answers one request of the stay that find returns.
func (g *Gate) answer(w http.ResponseWriter, r *http.Request, find func() (*stay, Visit, error), k key) {
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	default:
		fail(w, r, nil, sallyport.E(sallyport.Unavailable, "http", "the gateway is serving too many requests").WithHint("try again in a moment"))
		return
	}
	v, visit, err := find()
	if err != nil {
		fail(w, r, g.o.Handlers[k.resource], err)
		return
	}
	select {
	case v.slots <- struct{}{}:
		defer func() { <-v.slots }()
	default:
		fail(w, r, g.o.Handlers[k.resource], sallyport.E(sallyport.Exhausted, "http", "the session has too many requests at once").WithHint("wait for the answers to some, and send it again"))
		return
	}
	select {
	case <-v.ready:
	case <-r.Context().Done():
		return // nobody is there any more; the opening goes on for the next request
	}
	if v.err != nil {
		fail(w, r, g.o.Handlers[k.resource], v.err)
		return
	}
	h := g.o.Handlers[v.sess.Resource().ID]
	if until := v.sess.Principal().Authn.Expires; !until.IsZero() && !g.o.Now().Before(until) {
		// A connection may outlive its login; a request brings its own.
		ended := sallyport.E(sallyport.Unauthenticated, "http", "the token has expired").WithHint("get a new one, and send the request again")
		_ = g.o.Engine.End(v.sess.ID(), ended) // it may have ended by itself
		fail(w, r, h, ended)
		return
	}
	r, done := during(v.sess, w, r, g.o.Now)
	defer done()
	visit.Session = v.sess
	h.Serve(w, r, visit)
}

// during returns a request that ends with a session, and what must be called when
// it has been answered.
func during(s *session.Session, w http.ResponseWriter, r *http.Request, now func() time.Time) (*http.Request, func()) {
	ctx, cancel := context.WithCancelCause(r.Context())
	over := make(chan struct{})
	stop := context.AfterFunc(s.Context(), func() {
		defer close(over)
		cancel(context.Cause(s.Context()))
		// What still reads the request's body would wait as long as the client likes.
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // the connection may be gone
		if IsCall(r) {                                                     // and who does not read a stream hears of its end only in time
			_ = http.NewResponseController(w).SetWriteDeadline(now().Add(lastWords))
		}
	})
	return r.WithContext(ctx), func() {
		if !stop() {
			<-over // w is not used after the answer
		}
		cancel(nil)
	}
}

// lastWords is how long the status of a call may take to leave when its session has
// ended.
const lastWords = 5 * time.Second

// prefix begins the paths that name resource and role:
// /r/RESOURCE/ROLE/whatever the target has; and clusters those that name a resource
// alone, whose role is that of the token.
const (
	prefix   = "/r/"
	clusters = "/k8s/"
)

// identify finds out which session a request belongs to, and takes the gate's own
// prefix off its path.
func identify(r *http.Request) (k key, token string, v Visit, err error) {
	v.Path = r.URL.EscapedPath()
	if named, ok := strings.CutPrefix(v.Path, prefix); ok {
		resource, rest, _ := strings.Cut(named, "/")
		role, rest, _ := strings.Cut(rest, "/")
		k.resource, k.role = sallyport.ResourceID(resource), sallyport.RoleID(role)
		v.Base, v.Path = prefix+resource+"/"+role, "/"+rest
	} else if named, ok := strings.CutPrefix(v.Path, clusters); ok {
		resource, rest, _ := strings.Cut(named, "/")
		k.resource = sallyport.ResourceID(resource)
		v.Base, v.Path = clusters+resource, "/"+rest
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	switch {
	case len(r.Header.Values("Authorization")) > 1:
		err = sallyport.E(sallyport.Unauthenticated, "http", "the request has two credentials").WithHint("send one Authorization header")
	case !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxTokenBytes:
		err = sallyport.E(sallyport.Unauthenticated, "http", "the request has no token").
			WithHint("send a gateway token: Authorization: Bearer TOKEN; `sallyport login` gets one")
	}
	k.token = sha256.Sum256([]byte(token))
	return k, token, v, err
}

// continued returns the stay that a request without any token goes on with, or nil.
func (g *Gate) continued(r *http.Request) *stay {
	if r.Header.Get("Authorization") != "" {
		return nil
	}
	for _, h := range g.o.Handlers {
		c, ok := h.(Continuer)
		if !ok {
			continue
		}
		id, ok := c.Continues(r)
		if !ok {
			continue
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, v := range g.stays {
			select {
			case <-v.ready:
				if v.err == nil && v.sess.ID() == id {
					return v
				}
			default: // it gave out nothing yet
			}
		}
		return nil
	}
	return nil
}

// enter returns the stay of a request, and begins it where there is none.
func (g *Gate) enter(ctx context.Context, r *http.Request, k key, token string) *stay {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v := g.stays[k]; v != nil {
		return v
	}
	v := &stay{ready: make(chan struct{}), slots: make(chan struct{}, maxBusy)}
	if len(g.stays) >= maxStays || g.ended || ctx.Err() != nil {
		v.err = sallyport.E(sallyport.Unavailable, "http", "the gateway has too many sessions, or is shutting down").WithHint("try again in a moment")
		close(v.ready)
		return v
	}
	g.stays[k] = v
	client, leg := r.RemoteAddr, tlsName(r.TLS)
	if agent := r.UserAgent(); agent != "" {
		client += " " + agent[:min(len(agent), 200)]
	}
	g.wg.Go(func() {
		g.keep(ctx, k, v, session.Ask{
			Protocols: g.o.Protocols, Token: token, Resource: k.resource, Role: k.role, Client: client, TLS: leg,
		})
	})
	return v
}

// keep opens a session and waits for its end.
func (g *Gate) keep(ctx context.Context, k key, v *stay, ask session.Ask) {
	v.sess, v.err = g.open(identity.WithClient(ctx, ask.Client), ask)
	if v.err != nil {
		g.leave(k)
		close(v.ready)
		return
	}
	close(v.ready)
	<-v.sess.Context().Done()
	g.leave(k)
	v.finish()
	reason, _ := sallyport.Public(context.Cause(v.sess.Context()))
	if err := v.sess.Close(reason); err != nil {
		g.o.Log.Warn("session not sealed", "session", v.sess.ID(), "err", err)
	}
}

// finish waits until the requests that the session's end has cut off have put on record
// how far they came, and not for longer than that may take.
func (v *stay) finish() {
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	for range maxBusy {
		select {
		case v.slots <- struct{}{}:
		case <-timer.C:
			return
		}
	}
}

func (g *Gate) open(ctx context.Context, ask session.Ask) (*session.Session, error) {
	s, err := g.o.Engine.Open(ctx, ask)
	if err != nil {
		return nil, err
	}
	if err := s.Begin(ctx, g.o.Handlers[s.Resource().ID].Target()); err != nil {
		return nil, errors.Join(err, s.Close("the ledger cannot take a record"))
	}
	return s, nil
}

// leave forgets a stay, so that the next request begins another.
func (g *Gate) leave(k key) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.stays, k)
}

// tlsName names a TLS leg for the record.
func tlsName(s *tls.ConnectionState) string {
	if s == nil {
		return "none"
	}
	return tls.VersionName(s.Version) + " " + tls.CipherSuiteName(s.CipherSuite)
}
