// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package gcs is the connector for Google Cloud Storage: its JSON API with media
// and resumable uploads, downloads in ranges and batches, and of its XML API the
// content of objects. Who may do what, what is held, recorded and masked is decided
// by the session engine on what package analyze/gcs finds in a request.
//
// Where an object must be masked, a client is shown another object, derived from
// the first: with its own size, checksums, entity tag and ranges, so that every
// client's checks of integrity hold. What describes the first is not shown: a
// checksum of it would tell whether a guess is right. Links in answers lead back
// through the gateway.
package gcs

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/gcs"
	"github.com/sallyport-dev/sallyport/internal/derived"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask/objectmask"
	"github.com/sallyport-dev/sallyport/internal/mask/payload"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// Protocol is the connector's name in the configuration and on the record.
const Protocol = "gcs"

// Config says where the service is and what its buckets hold.
type Config struct {
	Resource sallyport.ResourceID
	// Endpoint is the service's address; its path is not used.
	Endpoint *url.URL
	TLS      *tls.Config // nil for plain HTTP
	Auth     upstream.Auth
	Layout   *analyze.Layout
	// Masking says how what must be masked is masked, and Derived keeps what came of
	// it.
	Masking *rules.Set
	// Guess gives a column that no rule names a label, or "". May be nil.
	Guess   func(column string) sallyport.Label
	Derived *derived.Store
	// Timeout is how long the first byte of an answer may take.
	Timeout time.Duration
	Now     func() time.Time
	Rand    io.Reader
	Log     *slog.Logger
}

// Target serves one resource. It is an [httpgate.Handler].
type Target struct {
	cfg     Config
	client  *upstream.Client
	masks   map[bool]*payload.Masks // by whether texts may be shown scanned
	objects *objectmask.Masks
	uploads *uploads
}

// New returns a target; it does not connect yet. Errors have kind Invalid.
func New(cfg Config) (*Target, error) {
	t := &Target{cfg: cfg, masks: map[bool]*payload.Masks{}, uploads: newUploads(cfg.Now, cfg.Rand)}
	for _, scan := range []bool{false, true} {
		m, err := payload.New(cfg.Masking, payload.Options{ScanText: scan, Strict: !scan})
		if err != nil {
			return nil, err
		}
		t.masks[scan] = m
	}
	var err error
	if t.objects, err = objectmask.New(cfg.Masking, cfg.Guess); err != nil {
		return nil, err
	}
	t.client = upstream.NewClient(Protocol, cfg.Endpoint, cfg.TLS, cfg.Auth, cfg.Timeout)
	return t, nil
}

// Close closes connections that are idle.
func (t *Target) Close() { t.client.Close() }

// Target implements [httpgate.Handler].
func (t *Target) Target() session.Target {
	return session.Target{Lineage: "none", TLS: t.client.Leg()}
}

// Fail implements [httpgate.Handler].
func (t *Target) Fail(w http.ResponseWriter, r *http.Request, err error) { fail(w, r, err) }

// Serve implements [httpgate.Handler].
func (t *Target) Serve(w http.ResponseWriter, r *http.Request, v httpgate.Visit) {
	var err error
	if isBatch(v.Path) {
		err = t.batch(w, r, v)
	} else {
		err = t.serve(w, r, v)
	}
	v.Ended(t.cfg.Log, Protocol, err)
}

// serve takes a request through the steps of the engine. What it returns was told
// to the client already.
func (t *Target) serve(w http.ResponseWriter, r *http.Request, v httpgate.Visit) error {
	told := func(err error) error {
		fail(w, r, err)
		return err
	}
	if err := unusable(r); err != nil {
		return told(err)
	}
	in, err := t.incoming(r, v)
	if err != nil {
		return told(err)
	}
	e := &exchange{t: t, sess: v.Session, base: v.Base, request: r, in: in}
	ask := analyze.Request{Verb: r.Method, Path: v.Path, Query: r.URL.RawQuery, Body: in.json, HasCopySource: r.Header.Get("X-Goog-Copy-Source") != ""}
	if id := r.URL.Query().Get("upload_id"); id != "" {
		if e.upload, err = t.uploads.find(id, ownerOf(v.Session)); err != nil {
			return told(err)
		}
		ask.GoesOn = e.upload.object
	}
	e.call = t.cfg.Layout.Analyse(t.cfg.Resource, ask)
	if e.upload != nil && e.upload.bucket != e.call.Bucket {
		return told(bad("the upload is of another bucket", "send the address that began the upload"))
	}
	var p session.Permit
	if e.admission, p, err = v.Session.Permit(r.Context(), session.Command{Statement: e.call.Statement, Text: e.text(v.Path)}); err != nil {
		return told(err)
	}
	return e.run(w, p)
}
