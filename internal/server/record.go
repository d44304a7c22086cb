// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/policy"
)

// openRecord puts on record what access depends on, now and whenever other
// policies come into force.
func (g *Gateway) openRecord(ctx context.Context) error {
	g.policy.loaded = g.recordConfiguration
	return g.recordConfiguration(ctx)
}

func (g *Gateway) recordConfiguration(ctx context.Context) error {
	parts, err := g.configuration().Split()
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := g.events.ConfigLoaded(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// configuration is the part of the configuration that says who can reach what.
// Neither credentials nor references to them are in it.
func (g *Gateway) configuration() evidence.Configuration {
	var c evidence.Configuration
	for _, r := range g.cfg.Roles {
		c.Roles = append(c.Roles, evidence.ConfigRole{Name: r.Name, Resources: r.Resources, Members: r.Members})
		for _, res := range r.Resources {
			c.Access = append(c.Access, g.connects(r.Name, res, r.Members))
		}
	}
	for _, r := range g.cfg.Resources {
		target := r.Address + "/" + r.Database
		switch r.Type {
		case config.HTTPAPI:
			target = r.HTTP.URL
		case config.CloudStorage:
			target = r.GCS.URL
		case config.Warehouse:
			target = r.BigQuery.URL + "/" + r.BigQuery.Project
		case config.Cluster:
			target = r.Kubernetes.URL
		case config.Machine:
			target = r.SSH.User + "@" + r.Address
		}
		c.Resources = append(c.Resources, evidence.ConfigResource{
			Name: r.Name, Type: string(r.Type), Target: target, TLS: string(r.TLS.Mode), Lineage: string(r.Lineage),
			Intent: string(r.Intent), IdleMS: r.Limits.Idle.Milliseconds(), LongestMS: r.Limits.MaxSession.Milliseconds(), Sessions: int64(r.Limits.Sessions),
		})
	}
	for _, i := range g.cfg.Identity.Issuers {
		c.Issuers = append(c.Issuers, evidence.ConfigIssuer{Name: i.Name, URL: i.URL, Audiences: i.Audiences})
	}
	set := func(name string, values ...string) {
		c.Settings = append(c.Settings, evidence.ConfigSetting{Name: name, Values: values})
	}
	q := g.cfg.Requests
	set("api.auditors", g.cfg.API.Auditors...)
	set("api.administrators", g.cfg.API.Administrators...)
	set("auditor_keys", g.cfg.Auditors...)
	set("recording.max_response", g.cfg.Recording.MaxResponse.String())
	set("requests.expires", q.Expires.String())
	set("requests.window", q.Window.String())
	set("requests.wait", q.Wait.String())
	set("requests.hold_wait", q.HoldWait.String())
	set("requests.hold_wait_in_transaction", q.HoldWaitInTransaction.String())
	for _, i := range g.cfg.Identities {
		c.Identities = append(c.Identities, evidence.ConfiguredMember{
			Principal: i.Principal, Owner: i.Owner, Purpose: i.Purpose, Ticket: i.Ticket, Reviewed: i.Reviewed.Time(), EveryMS: i.ReviewEvery.Milliseconds(),
		})
	}
	return c
}

// connects asks the policies in force about a member of a role without a grant:
// a service account that is in all groups of the role's members. Rules about
// single principals or their attributes are not seen in this way.
func (g *Gateway) connects(role sallyport.RoleID, resource sallyport.ResourceID, members []string) evidence.ConfigAccess {
	p := sallyport.Principal{ID: "sallyport:member", Kind: sallyport.ServiceAccount}
	for _, m := range members {
		if group, ok := strings.CutPrefix(m, "group:"); ok {
			p.Groups = append(p.Groups, group)
		}
	}
	set := g.policy.current()
	v := set.Connect(policy.Query{Principal: p, Roles: []sallyport.RoleID{role}, Resource: resource, Now: g.deps.Now()})
	return evidence.ConfigAccess{
		Role: role, Resource: resource, Connect: v.Outcome.String(), Approvers: v.Approvers, WindowMS: v.Wait.Milliseconds(), Rules: v.Rules, Policy: set.Digest(),
	}
}
