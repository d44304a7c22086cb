// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"net/url"
	"os"
	"sync"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/httpapi"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connector/bigquery"
	"github.com/sallyport-dev/sallyport/internal/connector/gcs"
	"github.com/sallyport-dev/sallyport/internal/connector/httpapi"
	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes"
	"github.com/sallyport-dev/sallyport/internal/googleauth"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
)

// openHTTP makes the front of the resources that speak HTTP.
func (g *Gateway) openHTTP(ctx context.Context) error {
	if !g.cfg.HasHTTP() {
		return nil
	}
	src := Sources{Lease: g.vault.Lease, Lexicon: sync.OnceValues(lexicon.Load), Log: g.deps.Log}
	handlers := map[sallyport.ResourceID]httpgate.Handler{}
	for _, r := range g.cfg.Resources {
		if !r.OverHTTP() {
			continue
		}
		h, err := g.handler(ctx, r, src)
		if err != nil {
			return err
		}
		g.opened(func(context.Context) error { h.Close(); return nil })
		handlers[r.Name] = h
	}
	g.gate = httpgate.New(httpgate.Options{
		Engine: g.engine, Handlers: handlers, Protocols: []string{httpapi.Protocol, gcs.Protocol, bigquery.Protocol, kubernetes.Protocol}, TLS: g.httpTLS, Now: g.deps.Now, Log: g.deps.Log,
	})
	return nil
}

// handler is a connector behind the front of HTTP.
type handler interface {
	httpgate.Handler
	Close()
}

// handler makes the connector of a resource that speaks HTTP.
func (g *Gateway) handler(ctx context.Context, r config.Resource, src Sources) (handler, error) {
	switch r.Type {
	case config.Warehouse:
		cfg, err := BigQueryConfig(ctx, r, src, g.deps)
		if err != nil {
			return nil, err
		}
		a, err := g.analyser(ctx, r)
		if err != nil {
			return nil, err
		}
		if a != nil { // a nil pointer in an interface would be an analyser
			cfg.Lineage = a
		}
		return bigquery.New(cfg)
	case config.CloudStorage:
		cfg, err := GCSConfig(ctx, r, src, g.deps)
		if err != nil {
			return nil, err
		}
		if cfg.Derived, err = g.derivedObjects(r); err != nil {
			return nil, err
		}
		return gcs.New(cfg)
	case config.Cluster:
		cfg, err := KubernetesConfig(ctx, r, src, g.deps)
		if err != nil {
			return nil, err
		}
		return kubernetes.New(cfg)
	}
	cfg, err := HTTPConfig(ctx, r, src, g.deps)
	if err != nil {
		return nil, err
	}
	return httpapi.New(cfg)
}

// HTTPConfig makes the connector's form of the configuration of a resource that
// speaks HTTP.
func HTTPConfig(ctx context.Context, r config.Resource, src Sources, deps Deps) (httpapi.Config, error) {
	h := r.HTTP
	cfg := httpapi.Config{
		Resource: r.Name, Headers: h.Headers, MaxRequest: int64(h.MaxRequest), Timeout: h.Timeout, Log: deps.Log,
		Auth: upstreamAuth(h.Auth, deps),
	}
	var err error
	if cfg.Base, err = url.Parse(h.URL); err != nil {
		return cfg, sallyport.E(sallyport.Invalid, "resource", "the address of "+string(r.Name)+" is none").Because(err)
	}
	for _, name := range h.Headers {
		if httpapi.Never(name) {
			return cfg, sallyport.E(sallyport.Invalid, "resource", "the header "+name+" of "+string(r.Name)+" can never pass").
				WithHint("the gateway sets credentials and addresses itself, and what was judged must be what is sent")
		}
	}
	if cfg.Masking, err = MaskingRules(ctx, string(r.Masking), src, deps.Now); err != nil {
		return cfg, err
	}
	if cfg.Base.Scheme == "https" {
		if cfg.TLS, err = upstreamTLS(r, cfg.Base.Hostname()); err != nil {
			return cfg, err
		}
		cfg.TLS.NextProtos = []string{"h2", "http/1.1"}
	}
	cfg.Routes, err = httpRoutes(r)
	return cfg, err
}

func upstreamAuth(a config.HTTPAuth, deps Deps) upstream.Auth {
	return upstream.Auth{Mode: upstream.Mode(a.Mode), Header: a.Header, Google: googleauth.Options{
		Audience: a.Audience, Scopes: a.Scopes, Impersonate: a.Impersonate, Machine: a.Machine, Now: deps.Now,
	}}
}

// httpRoutes are the routes of a resource: those of its OpenAPI file and its own.
func httpRoutes(r config.Resource) (*analyze.Routes, error) {
	var routes []analyze.RouteConfig
	if name := string(r.HTTP.OpenAPI); name != "" {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, sallyport.E(sallyport.Invalid, "resource", "the OpenAPI file of "+string(r.Name)+" cannot be read").Because(err)
		}
		if routes, err = analyze.ParseOpenAPI(name, b); err != nil {
			return nil, err
		}
	}
	for _, x := range r.HTTP.Routes {
		c := analyze.RouteConfig{Path: x.Path, Labels: x.Labels, Operations: map[string]analyze.Operation{}}
		for _, o := range x.Operations {
			e, ok := analyze.ParseEffect(o.Effect)
			if !ok {
				return nil, sallyport.E(sallyport.Invalid, "resource", "an operation of "+string(r.Name)+" has no known effect")
			}
			c.Operations[o.Method] = analyze.Operation{Name: o.Name, Effect: e}
		}
		routes = append(routes, c)
	}
	return analyze.NewRoutes(routes, r.HTTP.Unlisted != "judge", r.HTTP.Labels)
}

// HTTPAddress returns the address that HTTP clients connect to, "" where there is
// no resource for them.
func (g *Gateway) HTTPAddress() string {
	if g.httpListener == nil {
		return ""
	}
	return g.httpListener.Addr().String()
}

// listenerOf returns the address that clients of a resource connect to.
func (g *Gateway) listenerOf(r config.Resource) string {
	if r.OverHTTP() {
		return g.HTTPAddress()
	}
	if r.Type == config.Machine {
		return g.SSHAddress()
	}
	return g.PostgresAddress()
}

// CheckResource finds whatever would keep a resource from being served, without
// reaching its target.
func CheckResource(ctx context.Context, r config.Resource, src Sources, deps Deps) error {
	switch r.Type {
	case config.Warehouse:
		cfg, err := BigQueryConfig(ctx, r, src, deps)
		if err != nil {
			return err
		}
		t, err := bigquery.New(cfg)
		if err == nil {
			t.Close()
		}
		return err
	case config.CloudStorage:
		cfg, err := GCSConfig(ctx, r, src, deps)
		if err != nil {
			return err
		}
		t, err := gcs.New(cfg)
		if err == nil {
			t.Close()
		}
		return err
	case config.Cluster:
		cfg, err := KubernetesConfig(ctx, r, src, deps)
		if err != nil {
			return err
		}
		t, err := kubernetes.New(cfg)
		if err == nil {
			t.Close()
		}
		return err
	case config.HTTPAPI:
		cfg, err := HTTPConfig(ctx, r, src, deps)
		if err != nil {
			return err
		}
		t, err := httpapi.New(cfg)
		if err == nil {
			t.Close()
		}
		return err
	}
	if r.Type == config.Machine {
		_, err := SSHConfig(ctx, r, src, deps)
		return err
	}
	_, err := TargetConfig(ctx, r, src, deps)
	return err
}
