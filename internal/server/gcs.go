// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"net/url"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/gcs"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connector/gcs"
	"github.com/sallyport-dev/sallyport/internal/derived"
)

// GCSConfig makes the connector's form of the configuration of a resource on
// Cloud Storage, but for its store of masked objects.
func GCSConfig(ctx context.Context, r config.Resource, src Sources, deps Deps) (gcs.Config, error) {
	cfg := gcs.Config{
		Resource: r.Name, Auth: upstreamAuth(r.GCS.Auth, deps), Guess: catalog.LabelOf, Timeout: r.GCS.Timeout, Now: deps.Now, Rand: deps.Rand, Log: deps.Log,
	}
	var err error
	if cfg.Endpoint, err = url.Parse(r.GCS.URL); err != nil {
		return cfg, sallyport.E(sallyport.Invalid, "resource", "the address of "+string(r.Name)+" is none").Because(err)
	}
	if cfg.Endpoint.Scheme == "https" {
		if cfg.TLS, err = upstreamTLS(r, cfg.Endpoint.Hostname()); err != nil {
			return cfg, err
		}
		cfg.TLS.NextProtos = []string{"h2", "http/1.1"}
	}
	if cfg.Masking, err = MaskingRules(ctx, string(r.Masking), src, deps.Now); err != nil {
		return cfg, err
	}
	var buckets []analyze.Bucket
	for _, b := range r.GCS.Buckets {
		to := analyze.Bucket{Name: b.Name, Labels: b.Labels, Plain: b.PlainNames}
		for _, p := range b.Prefixes {
			to.Prefixes = append(to.Prefixes, analyze.Prefix{Prefix: p.Prefix, Labels: p.Labels, Plain: p.PlainNames})
		}
		buckets = append(buckets, to)
	}
	cfg.Layout, err = analyze.NewLayout(buckets, r.GCS.Unlisted != "judge")
	return cfg, err
}

// derivedObjects opens the store of a resource's masked objects.
func (g *Gateway) derivedObjects(r config.Resource) (*derived.Store, error) {
	return g.maskedFiles(r, int64(r.GCS.MaxObject))
}
