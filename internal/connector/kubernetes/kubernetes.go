// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package kubernetes is the connector for the API of Kubernetes clusters. Who may do
// what, what is held, recorded and masked is decided by the session engine on what
// package analyze/kube makes of a request.
//
// A request is read by the API server's own code, and what is sent is written anew
// from what was read, so that the cluster cannot find another request in it. Answers
// are asked for in JSON alone, whatever else a client would take, and masked object
// by object as they come: lists, tables and watches need no more memory than their
// largest object. Whom the request is from the cluster hears by impersonation, so that
// its own rights hold and its own audit log has the machine's name.
package kubernetes

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/kube"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask/kubemask"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/terminal"
)

// Protocol is the connector's name in the configuration and on the record.
const Protocol = "kubernetes"

// Config says where a cluster is and what it holds.
type Config struct {
	Resource sallyport.ResourceID
	// Base is the API server's address.
	Base *url.URL
	TLS  *tls.Config // nil for plain HTTP
	Auth upstream.Auth
	// Impersonate says as whom the gateway acts; nil for as itself.
	Impersonate *Impersonate
	Layout      *kube.Layout
	// Masking says how what must be masked is masked.
	Masking *rules.Set
	// MaxRequest bounds the body of a request, in bytes.
	MaxRequest int64
	// Timeout is how long the first byte of an answer may take, and the body of a request.
	Timeout time.Duration
	// Programs say what may run in containers.
	Programs Programs
	Now      func() time.Time
	Log      *slog.Logger
}

// Target serves one cluster. It is an [httpgate.Handler].
type Target struct {
	machinery
	cfg    Config
	client *upstream.Client
	masks  *kubemask.Masks
	// terminal has the masks of logs, and of what runs in containers.
	terminal *terminal.Masks
	kinds    *runtime.Scheme // of bodies in protobuf
	pieces   sync.Pool       // of *[pieceSize]byte, for answers on their way
}

// New returns a target; it does not connect yet. Errors have kind Invalid.
func New(cfg Config) (*Target, error) {
	t := &Target{cfg: cfg, pieces: sync.Pool{New: func() any { return new([pieceSize]byte) }}}
	var err error
	if t.machinery, err = newMachinery(&t.cfg); err != nil {
		return nil, err
	}
	if t.kinds, err = kinds(); err != nil {
		return nil, sallyport.E(sallyport.Internal, Protocol, "the types of Kubernetes do not fit together").Because(err)
	}
	if t.masks, err = kubemask.New(cfg.Masking, cfg.Now, fieldNames(t.kinds)...); err != nil {
		return nil, err
	}
	if t.terminal, err = terminal.New(cfg.Masking); err != nil {
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
func (t *Target) Fail(w http.ResponseWriter, r *http.Request, err error) { failed(w, r, err) }

// Serve implements [httpgate.Handler].
func (t *Target) Serve(w http.ResponseWriter, r *http.Request, v httpgate.Visit) {
	v.Ended(t.cfg.Log, Protocol, t.serve(w, r, v))
}

// serve takes a request through the steps of the engine. What it returns was told
// to the client already.
func (t *Target) serve(w http.ResponseWriter, r *http.Request, v httpgate.Visit) error {
	told := func(err error) error {
		failed(w, r, err)
		return err
	}
	if err := unusable(r); err != nil {
		return told(err)
	}
	c, err := read(r.Method, v.Path, r.URL.RawQuery)
	if err != nil {
		return told(err)
	}
	if c.Streams() {
		return t.stream(w, r, v, c)
	}
	return t.exchange(w, r, v, c)
}
