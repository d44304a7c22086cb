// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package bigquery is the connector for BigQuery's REST interface and its Storage
// APIs. Who may do
// what, what is held, recorded and masked is decided by the session engine on what
// package analyze/bigquery finds in a request.
//
// To BigQuery all callers are one identity, the gateway's. So BigQuery does not
// keep them apart, and the connector has to: jobs, the hidden tables of their
// answers, page tokens, uploads and sessions belong to the caller that made them,
// and what reads an answer later is judged by what the query was, under the policy
// of that moment. Requests are written anew from what was judged; of answers those
// members pass that are known, each as what it is.
package bigquery

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/internal/connector/bigquery/meta"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/wire/googleapi"
)

// Protocol is the connector's name in the configuration and on the record.
const Protocol = "bigquery"

// Config says where the service is and how its answers are masked.
type Config struct {
	Resource sallyport.ResourceID
	// Project is the one project of the resource, and Number its number, which may be
	// empty.
	Project, Number string
	// Endpoint is the service's address; its path is not used.
	Endpoint *url.URL
	TLS      *tls.Config // nil for plain HTTP
	// Storage is the address of the Storage APIs, with its TLS; nil where there are
	// none.
	Storage    *url.URL
	StorageTLS *tls.Config
	Auth       upstream.Auth
	// Masking says how what must be masked is masked.
	Masking *rules.Set
	// Lineage traces texts to columns; nil where there is no analyser.
	Lineage meta.Analyser
	// Labels are those of columns.
	Labels *catalog.Labels
	// Timeout is how long the first byte of an answer may take.
	Timeout time.Duration
	// Native is nil where the gateway masks, and the service shows it everything.
	Native *Native
	// Opinion says when a dry run has to agree; empty means never.
	Opinion Opinion
	Now     func() time.Time
	Rand    io.Reader
	Log     *slog.Logger
}

// Target serves one resource. It is an [httpgate.Handler].
type Target struct {
	cfg       Config
	client    *upstream.Client
	storage   *upstream.Client // of the Storage APIs; nil where there are none
	analyser  *analyze.Analyser
	catalogue *meta.Catalogue
	jobs      *registry
	reads     *reads
	writes    *writes
	tokens    *sealer
	// identities are those of the roles, in native mode.
	identities map[sallyport.RoleID]*identity
}

// New returns a target; it does not connect yet. Errors have kind Invalid.
func New(cfg Config) (*Target, error) {
	t := &Target{cfg: cfg, jobs: newRegistry(cfg.Now), reads: newReads(cfg.Now), writes: newWrites(cfg.Now)}
	var err error
	if t.tokens, err = newSealer(cfg.Rand); err != nil {
		return nil, err
	}
	t.client = upstream.NewClient(Protocol, cfg.Endpoint, cfg.TLS, cfg.Auth, cfg.Timeout)
	if cfg.Storage != nil {
		t.storage = upstream.NewClient(Protocol, cfg.Storage, cfg.StorageTLS, cfg.Auth, cfg.Timeout)
	}
	t.identities = t.newIdentities()
	if t.catalogue, err = meta.New(meta.Config{Resource: cfg.Resource, Project: cfg.Project, Labels: cfg.Labels, Fetch: t.fetch, Now: cfg.Now}); err != nil {
		return nil, err
	}
	t.analyser, err = analyze.New(analyze.Config{
		Resource: cfg.Resource, Project: cfg.Project, Number: cfg.Number, Catalog: t.catalogue,
		Queries: meta.NewQueries(t.catalogue, cfg.Lineage),
	})
	return t, err
}

// Close closes connections that are idle.
func (t *Target) Close() {
	t.client.Close()
	if t.storage != nil {
		t.storage.Close()
	}
	for _, id := range t.identities {
		id.client.Close()
		if id.storage != nil {
			id.storage.Close()
		}
	}
}

// Target implements [httpgate.Handler].
func (t *Target) Target() session.Target {
	lineage := "none"
	if t.cfg.Lineage != nil {
		lineage = "analyser"
	}
	return session.Target{Lineage: lineage, TLS: t.client.Leg()}
}

// Fail implements [httpgate.Handler].
func (t *Target) Fail(w http.ResponseWriter, _ *http.Request, err error) { fail(w, err) }

// fail answers with an error as Google's clients read it. What a client may repeat
// it repeats until its own patience ends; only what may pass by itself is told so.
func fail(w http.ResponseWriter, err error) {
	f := googleapi.Fail(err, sallyport.KindOf(err) == sallyport.Unavailable)
	if f.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="sallyport"`)
	}
	write(w, f.Status, f.Body)
}

// write answers with JSON of the gateway's own.
func write(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=UTF-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone has nothing to be told
}

// Serve implements [httpgate.Handler].
func (t *Target) Serve(w http.ResponseWriter, r *http.Request, v httpgate.Visit) {
	if httpgate.IsCall(r) {
		v.Ended(t.cfg.Log, Protocol, t.serveCall(w, r, v))
		return
	}
	v.Ended(t.cfg.Log, Protocol, t.serve(w, r, v))
}

// serve takes a request through the steps of the engine. What it returns was told
// to the client already.
func (t *Target) serve(w http.ResponseWriter, r *http.Request, v httpgate.Visit) error {
	told := func(err error) error {
		fail(w, err)
		return err
	}
	e, err := t.enter(r, v)
	if err != nil {
		return told(err)
	}
	body := &tee{r: r.Body}
	call, cerr := t.analyser.Analyse(withSession(r.Context(), v.Session), analyze.Request{
		Method: r.Method, Path: v.Path, Query: r.URL.RawQuery, Header: r.Header, Body: body,
	})
	e.call, body.off = call, true
	cmd := session.Command{Statement: call.Statement, Text: e.text(v.Path, body.seen)}
	if cerr != nil {
		switch sallyport.KindOf(cerr) {
		case sallyport.Invalid, sallyport.Denied, sallyport.NotFound:
			_, _ = v.Session.Admit(r.Context(), cmd) // it is refused, which is put on record; the client is told why
		}
		return told(cerr)
	}
	if err := e.resolve(); err != nil {
		return told(e.refuse(cmd, err))
	}
	e.relax()
	if cmd.Statement = call.Statement; e.runsText() {
		cmd.Estimate = e.estimate
		if t.cfg.Opinion == OpinionAlways {
			if err := e.secondOpinion(r.Context()); err != nil {
				return told(e.refuse(cmd, err))
			}
		}
	}
	var p session.Permit
	if e.admission, p, err = v.Session.Permit(r.Context(), cmd); err != nil {
		return told(err)
	}
	return e.run(w, p)
}

// enter begins the way of a request. None of a role gets further that the service is
// not proven to mask for.
func (t *Target) enter(r *http.Request, v httpgate.Visit) (*exchange, error) {
	e := &exchange{t: t, sess: v.Session, base: v.Base, request: r, owner: ownerOf(v.Session)}
	if err := t.proven(r.Context(), v.Session); err != nil {
		return nil, e.unfit(v.Path, err)
	}
	e.judged = t.cfg.Now() // after the proof, which says nothing of what was before
	return e, nil
}

// refuse puts on record that a statement cannot pass, for a reason that is not
// policy's, and returns the reason.
func (e *exchange) refuse(cmd session.Command, err error) error {
	reason, hint := sallyport.Public(err)
	return errors.Join(err, ignoreDenied(e.sess.Refuse(e.request.Context(), cmd, reason, hint)))
}

// ignoreDenied keeps what the engine says of a refusal that was asked for apart
// from a failure to put it on record.
func ignoreDenied(err error) error {
	if sallyport.KindOf(err) == sallyport.Denied {
		return nil
	}
	return err
}

// tee remembers what was read of a body, until it is off.
type tee struct {
	r    io.Reader
	seen []byte
	off  bool
}

// Read implements [io.Reader].
func (t *tee) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if !t.off {
		t.seen = append(t.seen, p[:n]...)
	}
	return n, err
}
