// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// caller is who sent a request to the API.
type caller struct {
	sallyport.Principal
	bound identity.Binding // of a gateway token
	// auditor and administrator say whether the configuration names the caller as
	// such, and privacy whether it is an officer for privacy. A gateway token never makes one: it is good for its resource alone.
	auditor, administrator, privacy bool
}

// viaToken reports whether the caller came with a gateway token.
func (c caller) viaToken() bool { return c.Authn.Method == identity.MethodGatewayToken }

// loggedIn refuses a gateway token, which is handed to programs that have no
// business in steering anything.
func (c caller) loggedIn() error {
	if c.viaToken() {
		return sallyport.E(sallyport.Denied, "api", "a gateway token is good for its resource, not for this").
			WithHint("present the issuer's own token")
	}
	return nil
}

// names reports whether the caller is named by an entry such as "group:x" or
// "principal:y".
func (c caller) names(entry string) bool {
	return !c.viaToken() && member(c.Principal, []string{entry})
}

// needAuditor refuses whoever is not among the auditors.
func (c caller) needAuditor() error {
	if c.auditor {
		return nil
	}
	return sallyport.E(sallyport.Denied, "api", "this is for auditors").WithHint("they are named in api.auditors of the gateway's configuration")
}

func (a *api) authenticate(ctx context.Context, r *http.Request) (caller, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return caller{}, sallyport.E(sallyport.Unauthenticated, "api", "who calls is not known").
			WithHint("send an issuer's token or a gateway token: Authorization: Bearer TOKEN")
	}
	p, bound, err := a.g.tokens.Authenticate(ctx, token)
	if err != nil {
		return caller{}, err
	}
	c := caller{Principal: p, bound: bound}
	if !c.viaToken() {
		c.auditor, c.administrator = member(p, a.g.cfg.API.Auditors), member(p, a.g.cfg.API.Administrators)
		c.privacy = member(p, a.g.cfg.API.Privacy)
	}
	return c, nil
}

// whoami is the answer of GET /v1/whoami.
type whoami struct {
	ID            sallyport.PrincipalID   `json:"id"`
	Kind          sallyport.PrincipalKind `json:"kind"`
	Groups        []string                `json:"groups"`
	Attributes    map[string]string       `json:"attributes,omitempty"`
	Subject       sallyport.Subject       `json:"subject"`
	Delegation    []sallyport.Subject     `json:"delegation,omitempty"`
	Method        string                  `json:"method"`
	Expires       time.Time               `json:"expires"`
	Token         *binding                `json:"token,omitempty"`
	Auditor       bool                    `json:"auditor"`
	Administrator bool                    `json:"administrator"`
	Privacy       bool                    `json:"privacy"`
}

// binding is what a gateway token is good for.
type binding struct {
	Resource sallyport.ResourceID `json:"resource"`
	Role     sallyport.RoleID     `json:"role"`
	Grant    sallyport.GrantID    `json:"grant,omitempty"`
}

func (a *api) whoami(_ context.Context, r *http.Request, c caller) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	w := whoami{
		ID: c.ID, Kind: c.Kind, Groups: nonNil(c.Groups), Attributes: c.Attributes, Subject: c.Subject, Delegation: c.Delegation,
		Method: c.Authn.Method, Expires: c.Authn.Expires, Auditor: c.auditor, Administrator: c.administrator, Privacy: c.privacy,
	}
	if c.viaToken() {
		w.Token = &binding{c.bound.Resource, c.bound.Role, c.bound.Grant}
	}
	return w, nil
}

// nonNil makes an empty list be written as one.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// resource is a target that the caller may hold some role on. Neither its
// address nor its credential is told.
type resource struct {
	Name     sallyport.ResourceID `json:"name"`
	Type     string               `json:"type"`
	Listener string               `json:"listener"` // the gateway's own address for it
	Roles    []eligible           `json:"roles"`
}

// eligible is a role that the caller may ask for, and what the connect rules
// say about it now.
type eligible struct {
	Role      sallyport.RoleID   `json:"role"`
	Connect   string             `json:"connect"` // "allow", "hold" or "deny"
	Approvers string             `json:"approvers,omitempty"`
	WindowMS  int64              `json:"max_window_ms,omitempty"`
	Grant     *grantWindow       `json:"grant,omitempty"`
	Rules     []sallyport.RuleID `json:"rules,omitempty"`
}

func (a *api) resources(ctx context.Context, r *http.Request, c caller) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	out := []resource{}
	for _, res := range a.g.cfg.Resources {
		entry := resource{Name: res.Name, Type: string(res.Type), Listener: a.g.listenerOf(res)}
		for _, role := range a.g.cfg.Roles {
			if !slices.Contains(role.Resources, res.Name) || !member(c.Principal, role.Members) || !c.reaches(res.Name, role.Name) {
				continue
			}
			v, g, err := a.g.engine.Connectable(ctx, c.Principal, res.Name, role.Name)
			if err != nil {
				return nil, err
			}
			e := eligible{Role: role.Name, Connect: v.Outcome.String(), Approvers: v.Approvers, WindowMS: v.Wait.Milliseconds(), Rules: v.Rules}
			if g != nil {
				e.Grant = windowOf(*g)
			}
			entry.Roles = append(entry.Roles, e)
		}
		if len(entry.Roles) > 0 {
			out = append(out, entry)
		}
	}
	return map[string]any{"resources": out}, nil
}

// reaches reports whether the caller's token is good for a role on a resource.
func (c caller) reaches(res sallyport.ResourceID, role sallyport.RoleID) bool {
	return !c.viaToken() || c.bound.Resource == res && c.bound.Role == role
}

// health is the answer of GET /healthz.
type health struct {
	OK      bool `json:"ok"`      // the ledger takes records, so that statements can pass
	Ready   bool `json:"ready"`   // and the catalogue of every target was read
	Targets int  `json:"targets"` // configured
	Read    int  `json:"read"`    // of them, those whose catalogue was read
}

// health tells no name and needs no login, for probes.
func (a *api) health(w http.ResponseWriter, r *http.Request) {
	h := health{OK: a.g.log.Err() == nil, Targets: len(a.g.targets)}
	for _, t := range a.g.targets {
		if t.Ready() {
			h.Read++
		}
	}
	h.Ready = h.OK && h.Read == h.Targets
	status := http.StatusOK
	if !h.OK {
		status = http.StatusServiceUnavailable
	}
	a.answer(w, r, status, h)
}
