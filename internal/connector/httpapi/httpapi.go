// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package httpapi is the connector for HTTP APIs: Cloud Functions, Cloud Run, FHIR
// servers, anything that answers requests with documents. Who may call what, what
// is held, recorded and masked is decided by the session engine on what package
// analyze/httpapi finds in a request.
//
// What is judged is what is sent: the method, the path and the query are written
// anew from what was judged, headers pass by a list, and the body is read to its
// end before anybody decides, since an approval is good for exactly these bytes.
// Answers are masked by the kind that their content has; what no mask knows is
// withheld. No header of an answer that could hold data passes, and links lead
// back through the gateway.
package httpapi

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/httpapi"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask/payload"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// Protocol is the connector's name in the configuration and on the record.
const Protocol = "http"

// Config says where an API is and what its answers hold.
type Config struct {
	Resource sallyport.ResourceID
	// Base is the address that the paths of requests are appended to.
	Base *url.URL
	TLS  *tls.Config // nil for plain HTTP
	// Auth is how the gateway proves itself to the API.
	Auth   upstream.Auth
	Routes *analyze.Routes
	// Masking says how what must be masked is masked.
	Masking *rules.Set
	// Headers are names of further headers of requests that pass.
	Headers []string
	// MaxRequest bounds the body of a request, in bytes.
	MaxRequest int64
	// Timeout is how long the first byte of an answer may take.
	Timeout time.Duration
	Log     *slog.Logger
}

// Target serves one API. It is an [httpgate.Handler].
type Target struct {
	cfg    Config
	client *upstream.Client
	// Masks of answers whose texts may be shown without what a scanner finds in
	// them, and of those whose texts may not.
	scanned, strict *payload.Masks
	headers         map[string]bool
}

// New returns a target; it does not connect yet. Errors have kind Invalid.
func New(cfg Config) (*Target, error) {
	t := &Target{cfg: cfg, headers: passing(cfg.Headers)}
	var err error
	if t.scanned, err = payload.New(cfg.Masking, payload.Options{ScanText: true}); err != nil {
		return nil, err
	}
	if t.strict, err = payload.New(cfg.Masking, payload.Options{Strict: true}); err != nil {
		return nil, err
	}
	t.client = upstream.NewClient(Protocol, cfg.Base, cfg.TLS, cfg.Auth, cfg.Timeout)
	return t, nil
}

// Close closes connections that are idle.
func (t *Target) Close() { t.client.Close() }

// Target implements [httpgate.Handler].
func (t *Target) Target() session.Target {
	return session.Target{Lineage: "none", TLS: t.client.Leg()}
}

// Fail implements [httpgate.Handler].
func (t *Target) Fail(w http.ResponseWriter, _ *http.Request, err error) { httpgate.Problem(w, err) }

// Serve implements [httpgate.Handler].
func (t *Target) Serve(w http.ResponseWriter, r *http.Request, v httpgate.Visit) {
	v.Ended(t.cfg.Log, Protocol, t.serve(w, r, v))
}

// serve takes a request through the steps of the engine. What it returns was told
// to the client already.
func (t *Target) serve(w http.ResponseWriter, r *http.Request, v httpgate.Visit) error {
	told := func(err error) error {
		httpgate.Problem(w, err)
		return err
	}
	if err := unusable(r); err != nil {
		return told(err)
	}
	body, err := t.body(w, r)
	if err != nil {
		return told(err)
	}
	st, target := t.cfg.Routes.Analyse(t.cfg.Resource, analyze.Call{Method: r.Method, Path: v.Path, Query: r.URL.RawQuery})
	e := &exchange{t: t, sess: v.Session, base: v.Base, target: target, body: body, request: r}
	var p session.Permit
	if e.admission, p, err = v.Session.Permit(r.Context(), session.Command{Statement: st, Text: e.text()}); err != nil {
		return told(err)
	}
	return e.run(w, p)
}

// unusable refuses what no connector for documents can pass on.
func unusable(r *http.Request) error {
	for name := range r.Header {
		switch http.CanonicalHeaderKey(name) {
		case "X-Http-Method-Override", "X-Http-Method", "X-Method-Override":
			return sallyport.E(sallyport.Invalid, "http", "the request names two methods").WithHint("send the method itself, without a header that overrides it")
		case "Upgrade":
			return sallyport.E(sallyport.Invalid, "http", "the request asks for another protocol on this connection").
				WithHint("WebSockets cannot be masked and are not passed on; use requests, or server-sent events")
		}
	}
	if r.Header.Get("Content-Encoding") != "" && r.Header.Get("Content-Encoding") != "identity" {
		return sallyport.E(sallyport.Invalid, "http", "the request's body is packed").WithHint("send it without Content-Encoding")
	}
	return nil
}

// body reads the body of a request to its end.
func (t *Target) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, t.cfg.MaxRequest))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, sallyport.E(sallyport.Invalid, "http", "the request's body is larger than this resource allows").
			WithHint("send less at once, or have max_request raised")
	case err != nil:
		return nil, sallyport.E(sallyport.Invalid, "http", "the request's body did not come whole").Because(err)
	}
	return b, nil
}
