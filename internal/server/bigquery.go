// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"net/url"
	"os"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql/lineage"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connector/bigquery"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
)

// BigQueryConfig makes the connector's form of the configuration of a resource on
// BigQuery, but for its analyser.
func BigQueryConfig(ctx context.Context, r config.Resource, src Sources, deps Deps) (bigquery.Config, error) {
	b := r.BigQuery
	cfg := bigquery.Config{
		Resource: r.Name, Project: b.Project, Number: b.Number, Auth: upstreamAuth(b.Auth, deps), Timeout: b.Timeout, Now: deps.Now, Rand: deps.Rand, Log: deps.Log,
	}
	var err error
	if cfg.Endpoint, err = url.Parse(b.URL); err != nil {
		return cfg, sallyport.E(sallyport.Invalid, "resource", "the address of "+string(r.Name)+" is none").Because(err)
	}
	if cfg.Endpoint.Scheme == "https" {
		if cfg.TLS, err = upstreamTLS(r, cfg.Endpoint.Hostname()); err != nil {
			return cfg, err
		}
		cfg.TLS.NextProtos = []string{"h2", "http/1.1"}
	}
	if to := b.Storage(); to != "" {
		if cfg.Storage, err = url.Parse(to); err != nil {
			return cfg, sallyport.E(sallyport.Invalid, "resource", "the address of the Storage API of "+string(r.Name)+" is none").Because(err)
		}
		if cfg.StorageTLS, err = upstreamTLS(r, cfg.Storage.Hostname()); err != nil {
			return cfg, err
		}
		cfg.StorageTLS.NextProtos = []string{"h2"}
	}
	if cfg.Masking, err = MaskingRules(ctx, string(r.Masking), src, deps.Now); err != nil {
		return cfg, err
	}
	if r.Labels != "" {
		text, err := os.ReadFile(string(r.Labels))
		if err != nil {
			return cfg, sallyport.E(sallyport.Invalid, "labels", "the labels file of "+string(r.Name)+" cannot be read").Because(err)
		}
		if cfg.Labels, err = catalog.ParseLabels(string(r.Labels), text); err != nil {
			return cfg, err
		}
	}
	cfg.Opinion = bigquery.Opinion(b.SecondOpinion)
	cfg.Native = native(b, cfg.Auth)
	return cfg, nil
}

// native makes the connector's form of native mode; nil in the other one.
func native(b *config.BigQuery, own upstream.Auth) *bigquery.Native {
	if b.Mode != "native" {
		return nil
	}
	n := &bigquery.Native{Roles: map[sallyport.RoleID]upstream.Auth{}, Every: b.Native.Every}
	for _, r := range b.Native.Roles {
		auth := own
		auth.Google.Impersonate, auth.Google.IAM = r.Impersonate, b.Native.IAM
		n.Roles[r.Role] = auth
	}
	for _, c := range b.Native.Canaries {
		dataset, table, _ := strings.Cut(c.Table, ".")
		n.Canaries = append(n.Canaries, bigquery.Canary{
			Dataset: dataset, Table: table, Column: strings.Split(c.Column, "."), Key: c.Key, Row: c.Row, Value: c.Value,
		})
	}
	return n
}

// analyser starts the program that traces the queries of a resource; nil where the
// configuration names none.
func (g *Gateway) analyser(ctx context.Context, r config.Resource) (*lineage.Analyser, error) {
	if r.BigQuery.Analyser == "" {
		return nil, nil
	}
	a, err := lineage.Start(context.WithoutCancel(ctx), lineage.Config{Path: string(r.BigQuery.Analyser), Now: g.deps.Now})
	if err != nil {
		return nil, err
	}
	g.opened(func(context.Context) error { return a.Close() })
	return a, nil
}
