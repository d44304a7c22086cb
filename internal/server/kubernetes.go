// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"net/url"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/kube"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

// KubernetesConfig makes the connector's form of the configuration of a cluster.
func KubernetesConfig(ctx context.Context, r config.Resource, src Sources, deps Deps) (kubernetes.Config, error) {
	k := r.Kubernetes
	cfg := kubernetes.Config{
		Resource: r.Name, Auth: upstreamAuth(k.Auth, deps), MaxRequest: int64(k.MaxRequest), Timeout: k.Timeout, Now: deps.Now, Log: deps.Log,
	}
	var err error
	if cfg.Base, err = url.Parse(k.URL); err != nil {
		return cfg, sallyport.E(sallyport.Invalid, "resource", "the address of "+string(r.Name)+" is none").Because(err)
	}
	if cfg.Base.Scheme == "https" {
		if cfg.TLS, err = upstreamTLS(r, cfg.Base.Hostname()); err != nil {
			return cfg, err
		}
		cfg.TLS.NextProtos = []string{"h2", "http/1.1"}
	}
	if cfg.Masking, err = MaskingRules(ctx, string(r.Masking), src, deps.Now); err != nil {
		return cfg, err
	}
	if !k.Impersonate.Off && len(k.Roles) == 0 {
		cfg.Impersonate = &kubernetes.Impersonate{User: k.Impersonate.User, Groups: k.Impersonate.Groups}
	}
	var objects []kube.Objects
	for _, o := range k.Objects {
		objects = append(objects, kube.Objects{Namespaces: o.Namespaces, Resources: o.Resources, Names: o.Names, Labels: o.Labels})
	}
	cfg.Layout = kube.NewLayout(k.Labels, objects, k.Secrets)
	cfg.Programs, err = kubernetesPrograms(r, deps)
	return cfg, err
}

// roleCredentials are those that a resource has for single roles.
func roleCredentials(r config.Resource) map[sallyport.RoleID]vault.Ref {
	if r.Kubernetes == nil || len(r.Kubernetes.Roles) == 0 {
		return nil
	}
	out := map[sallyport.RoleID]vault.Ref{}
	for _, x := range r.Kubernetes.Roles {
		out[x.Role] = vault.Ref(x.Credential)
	}
	return out
}
