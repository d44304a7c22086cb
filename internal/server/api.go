// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

const (
	// maxInFlight bounds the requests that are served at once.
	maxInFlight = 512
	// maxWaiting bounds, among them, those that wait for a decision.
	maxWaiting = 256
	// maxHeavy bounds the answers that read much of the ledger.
	maxHeavy = 2
)

// api serves the HTTP API of docs/reference/api.md.
type api struct {
	g       *Gateway
	mux     *http.ServeMux
	slots   chan struct{} // one for each request being served
	waiting chan struct{} // one for each of them that waits for a decision
	heavy   chan struct{} // one for each answer that reads much of the ledger
}

func newAPI(g *Gateway) *api {
	a := &api{
		g: g, mux: http.NewServeMux(),
		slots: make(chan struct{}, maxInFlight), waiting: make(chan struct{}, maxWaiting), heavy: make(chan struct{}, maxHeavy),
	}
	tokens := identity.TokenHandler(g.tokens, granter{g})
	for _, path := range []string{"/v1/token", "/v1/token/", "/v1/introspect"} {
		a.mux.Handle(path, a.timed(tokens))
	}
	a.mux.HandleFunc("GET /healthz", a.health)
	for pattern, serve := range map[string]endpoint{
		"GET /v1/whoami":                  a.whoami,
		"GET /v1/resources":               a.resources,
		"GET /v1/connect":                 a.connect,
		"POST /v1/requests":               a.fileRequest,
		"GET /v1/requests":                a.listRequests,
		"GET /v1/requests/{id}":           a.showRequest,
		"POST /v1/requests/{id}/approve":  a.approve,
		"POST /v1/requests/{id}/deny":     a.deny,
		"POST /v1/requests/{id}/withdraw": a.withdraw,
		"GET /v1/grants":                  a.listGrants,
		"POST /v1/grants/{id}/revoke":     a.revokeGrant,
		"GET /v1/sessions":                a.listSessions,
		"GET /v1/sessions/{id}":           a.showSession,
		"POST /v1/sessions/{id}/end":      a.endSession,
		"GET /v1/audit/verify":            a.verifyLedger,
		"GET /v1/audit/proof":             a.proof,
		"GET /v1/shipping":                a.shipping,
		"POST /v1/audit/who-saw":          a.whoSaw,
		"POST /v1/evidence/open":          a.openEvidence,
		"GET /v1/retention":               a.retentionStatus,
		"POST /v1/retention/sweep":        a.sweepNow,
		"POST /v1/retention/prune":        a.pruneLedger,
		"GET /v1/retention/holds":         a.listHolds,
		"POST /v1/retention/holds":        a.setHold,
		"POST /v1/sessions/{id}/erase":    a.eraseSession,

		"POST /v1/retention/holds/{id}/release": a.releaseHold,
		"GET /v1/audit/completeness":            a.completeness,
		"POST /v1/audit/reviews":                a.reviewActivity,
		"GET /v1/identities":                    a.listIdentities,
		"POST /v1/identities/review":            a.reviewIdentity,
		"GET /v1/ssh":                           a.showSSH,
		"POST /v1/ssh/certificate":              a.certifySSH,
	} {
		a.mux.Handle(pattern, a.json(serve))
	}
	for pattern, serve := range map[string]streamer{
		"GET /v1/sessions/{id}/replay": a.replaySession,

		"GET /v1/sessions/{id}/statements/{n}/terminal": a.exportTerminal,

		"POST /v1/evidence":        a.exportEvidence,
		"GET /v1/audit/checkpoint": a.checkpoint,
		"GET /v1/audit/key":        a.verifierKey,
		"GET /v1/ledger/{path...}": a.tile,
	} {
		a.mux.Handle(pattern, a.stream(serve))
	}
	return a
}

// ServeHTTP sets what every answer carries, bounds how many are made at once,
// and finds the endpoint.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.deadline(w)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	default:
		a.fail(w, r, sallyport.E(sallyport.Unavailable, "api", "the gateway is serving too many requests").WithHint("try again in a moment"))
		return
	}
	next, pattern := a.mux.Handler(r)
	if pattern == "" {
		a.noRoute(w, r, next)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// noRoute answers for a path or a method that there is not, in the API's own
// form instead of the mux's.
func (a *api) noRoute(w http.ResponseWriter, r *http.Request, refuse http.Handler) {
	probe := &probe{header: http.Header{}}
	refuse.ServeHTTP(probe, r)
	if allow := probe.header.Get("Allow"); probe.status == http.StatusMethodNotAllowed && allow != "" {
		w.Header().Set("Allow", allow)
		a.answer(w, r, http.StatusMethodNotAllowed, problemOf(sallyport.E(sallyport.Invalid, "api", "this path does not take the method").
			WithHint("it takes "+allow)))
		return
	}
	a.fail(w, r, sallyport.E(sallyport.NotFound, "api", "there is no such path").WithHint("see docs/reference/api.md"))
}

// probe takes in what the mux would answer.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }

// serveAPI serves the HTTP API until ctx ends.
func (g *Gateway) serveAPI(ctx context.Context) error {
	srv := &http.Server{
		Handler: newAPI(g), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		// Who waits for a decision is let go when the gateway stops. What changes
		// something does not heed the end of its request.
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(g.deps.Log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(tls.NewListener(g.apiListener, g.apiTLS)) }()
	select {
	case err := <-done:
		return sallyport.E(sallyport.Unavailable, "api", "the API cannot be served").Because(err)
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
