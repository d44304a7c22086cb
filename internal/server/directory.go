// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connector/postgres"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

// catalogueEvery is how often a target's catalogue is read again, so that
// changes made beside the gateway are noticed.
const catalogueEvery = 30 * time.Second

// directory answers for the configuration's resources and roles.
type directory struct{ cfg *config.Config }

// Resource implements [session.Directory].
func (d directory) Resource(id sallyport.ResourceID) (session.Resource, bool) {
	for _, r := range d.cfg.Resources {
		if r.Name == id {
			ns := ""
			if r.Patients != nil {
				ns = r.Patients.Of(id)
			}
			return session.Resource{
				ID: id, Patients: ns, Protocol: string(r.Type), Credential: vault.Ref(r.Credential.Password), Credentials: roleCredentials(r),
				BeforeRelease: r.Intent == config.BeforeRelease,
				Idle:          r.Limits.Idle, MaxSession: r.Limits.MaxSession, MaxSessions: r.Limits.Sessions,
				Retention: retentionOf(d.cfg, r),
			}, true
		}
	}
	return session.Resource{}, false
}

// retentionOf returns the retention class of a resource, which validation has
// found to exist.
func retentionOf(cfg *config.Config, r config.Resource) sallyport.Retention {
	period, _ := cfg.Retention.Period(r.Retention)
	return sallyport.Retention{Class: cmp.Or(r.Retention, sallyport.DefaultClass), Period: period}
}

// Eligible implements [session.Directory].
func (d directory) Eligible(p sallyport.Principal, r sallyport.ResourceID, role sallyport.RoleID) bool {
	for _, x := range d.cfg.Roles {
		if x.Name == role && slices.Contains(x.Resources, r) && member(p, x.Members) {
			return true
		}
	}
	return false
}

// member reports whether the principal is in a list of "group:NAME" and
// "principal:ID".
func member(p sallyport.Principal, list []string) bool {
	if slices.Contains(list, "principal:"+string(p.ID)) {
		return true
	}
	return slices.ContainsFunc(p.Groups, func(g string) bool { return slices.Contains(list, "group:"+g) })
}

// granter binds gateway tokens to grants.
type granter struct{ g *Gateway }

// Bind implements identity's Granter: it asks the connect rules, and files a
// request where they want a grant that does not exist yet.
func (b granter) Bind(ctx context.Context, p sallyport.Principal, r sallyport.ResourceID, role sallyport.RoleID) (sallyport.Grant, error) {
	e := b.g.engine
	v, gr, err := e.Connectable(ctx, p, r, role)
	if err != nil {
		return sallyport.Grant{}, err
	}
	switch v.Outcome {
	case sallyport.Allow:
		if gr == nil {
			return sallyport.Grant{}, nil
		}
		return *gr, nil
	case sallyport.Hold:
		req, err := e.FileRequest(ctx, p, r, role, b.g.cfg.Requests.Window, "by asking for a token", v)
		if err != nil {
			return sallyport.Grant{}, err
		}
		return sallyport.Grant{}, sallyport.E(sallyport.Held, "token", "request "+string(req.ID)+" waits for approval by "+req.Approvers).
			WithHint("an approver runs: sallyport request approve " + string(req.ID) + " --reason \"...\"; then ask again")
	}
	return sallyport.Grant{}, sallyport.E(sallyport.Denied, "token", v.Reason)
}

// openTargets makes the targets of the configuration's PostgreSQL resources.
func (g *Gateway) openTargets(ctx context.Context) (map[sallyport.ResourceID]*postgres.Target, error) {
	out := map[sallyport.ResourceID]*postgres.Target{}
	src := Sources{Lease: g.vault.Lease, Lexicon: sync.OnceValues(lexicon.Load), Log: g.deps.Log}
	for _, r := range g.cfg.Resources {
		if r.Type != config.Postgres {
			continue
		}
		cfg, err := TargetConfig(ctx, r, src, g.deps)
		if err != nil {
			return nil, err
		}
		cfg.Labels.State = g.store.Labels(r.Name)
		out[r.Name] = postgres.NewTarget(cfg)
	}
	return out, nil
}

// TargetConfig makes the connector's form of a resource's configuration.
func TargetConfig(ctx context.Context, r config.Resource, src Sources, deps Deps) (postgres.TargetConfig, error) {
	cfg := postgres.TargetConfig{
		Resource: r.Name, Address: r.Address, Database: r.Database, InsecurePlaintext: r.TLS.Mode == config.InsecurePlaintext,
		Credential: vault.Ref(r.Credential.Password), Username: r.Credential.Username, Lineage: string(r.Lineage),
		MaxMessage: int(r.Limits.MaxMessage), Refresh: catalogueEvery, Lease: src.Lease, Now: deps.Now, Log: deps.Log,
	}
	var err error
	if cfg.Masking, err = MaskingRules(ctx, string(r.Masking), src, deps.Now); err != nil {
		return cfg, err
	}
	if r.Patients != nil {
		cfg.Patients = r.Patients.Label
	}
	if r.Analyser != nil {
		cfg.Analyser, cfg.AnalyserUsername = vault.Ref(r.Analyser.Password), r.Analyser.Username
	}
	if !cfg.InsecurePlaintext {
		host, _, err := net.SplitHostPort(r.Address)
		if err != nil {
			return cfg, sallyport.E(sallyport.Invalid, "resource", "the address of "+string(r.Name)+" is not host:port").Because(err)
		}
		t, err := upstreamTLS(r, host)
		if err != nil {
			return cfg, err
		}
		cfg.TLS = t
	}
	if r.Labels != "" {
		b, err := os.ReadFile(string(r.Labels))
		if err != nil {
			return cfg, sallyport.E(sallyport.Invalid, "labels", "the labels file of "+string(r.Name)+" cannot be read").
				WithHint("make one with: sallyport resource scan").Because(err)
		}
		if cfg.Labels.Labels, err = catalog.ParseLabels(string(r.Labels), b); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

func upstreamTLS(r config.Resource, host string) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: r.TLS.ServerName}
	if t.ServerName == "" {
		t.ServerName = host
	}
	if r.TLS.CA == "" {
		return t, nil
	}
	pem, err := os.ReadFile(string(r.TLS.CA))
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, "resource", "the CA file of "+string(r.Name)+" cannot be read").Because(err)
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, sallyport.E(sallyport.Invalid, "resource", "the CA file of "+string(r.Name)+" holds no certificate")
	}
	return t, nil
}
