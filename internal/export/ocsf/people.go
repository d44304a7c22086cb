// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ocsf

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// user is a principal as OCSF's user.
func user(p sallyport.Principal) obj {
	u := obj{"uid": string(p.ID), "name": string(p.ID)}
	switch p.Kind {
	case sallyport.ServiceAccount, sallyport.CIJob:
		u["type_id"], u["type"] = 4, "Service"
	case sallyport.Human:
		u["type_id"], u["type"] = 1, "User"
	case sallyport.AIAgent:
		u["type_id"], u["type"] = 99, "AI agent"
	default:
		u["type_id"], u["type"] = 0, "Unknown"
	}
	put(u, "uid_alt", p.Subject.ID)
	if len(p.Groups) > 0 {
		groups := make([]any, len(p.Groups))
		for i, g := range p.Groups {
			groups[i] = obj{"name": g}
		}
		u["groups"] = groups
	}
	return u
}

// named is a user of whom only the id is known.
func named(id sallyport.PrincipalID) obj {
	return obj{"uid": string(id), "name": string(id), "type_id": 0, "type": "Unknown"}
}

// actor is who did it, with the session in which it was done.
func (d *draft) actor(p sallyport.Principal) obj {
	a := obj{"user": user(p)}
	if p.Subject.Issuer != "" {
		a["idp"] = obj{"uid": p.Subject.Issuer}
	}
	if d.leaf.Session != "" {
		a["session"] = d.sessionOf(p)
	}
	return a
}

func (d *draft) sessionOf(p sallyport.Principal) obj {
	s := obj{"uid": string(d.leaf.Session), "is_remote": true}
	put(s, "issuer", p.Subject.Issuer)
	put(s, "credential_uid", p.Authn.TokenID)
	if d.session != nil {
		s["created_time"] = d.session.at.UnixMilli()
	}
	return s
}

// agent adds ai_agent for a principal that is one. A run of the agent is known
// by the credential with which it logged in, not by that which it was given in
// exchange.
func (d *draft) agent(p sallyport.Principal) {
	if p.Kind != sallyport.AIAgent {
		return
	}
	d.profile("ai_operation")
	login := p.Authn
	for login.Via != nil {
		login = *login.Via
	}
	a := obj{"uid": string(p.ID), "name": string(p.ID), "type_id": 0, "type": "Unknown"}
	put(a, "instance_uid", login.TokenID)
	d.set["ai_agent"] = a
}

// endpoint is the client of a leaf: an address, mostly with a port and the name
// of an application.
func endpoint(client string) obj {
	address, app, _ := strings.Cut(client, " ")
	e := obj{}
	if ap, err := netip.ParseAddrPort(address); err == nil {
		e["ip"], e["port"] = ap.Addr().String(), int(ap.Port())
	} else if a, err := netip.ParseAddr(address); err == nil {
		e["ip"] = a.String()
	} else {
		e["name"], app = or(client, "unknown"), ""
	}
	put(e, "svc_name", app)
	return e
}

// authProtocol sets how a principal logged in.
func (d *draft) authProtocol(a sallyport.Authentication) {
	switch a.Method {
	case "":
	case "oidc":
		d.set["auth_protocol_id"], d.set["auth_protocol"] = 4, "OpenID"
	default:
		d.set["auth_protocol_id"], d.set["auth_protocol"] = 99, a.Method
	}
}

// decided sets what a control did, and by which rules.
func (d *draft) decided(v disposition, rules []sallyport.RuleID, set sallyport.PolicyDigest) {
	d.profile("security_control")
	d.set["action_id"], d.set["action"] = v.action, v.actionName
	d.set["disposition_id"], d.set["disposition"] = v.id, v.name
	if set != "" {
		d.set["policy"] = obj{"uid": string(set), "name": "Cedar policy set", "type": "Cedar", "is_applied": true}
	}
	if len(rules) == 0 {
		return
	}
	auth := make([]any, len(rules))
	for i, r := range rules {
		auth[i] = obj{"decision": v.inWord, "policy": obj{"uid": string(r), "name": string(r)}}
	}
	d.set["authorizations"] = auth
}

func (d *draft) status(ok bool) {
	if ok {
		d.set["status_id"], d.set["status"] = 1, "Success"
		return
	}
	d.set["status_id"], d.set["status"] = 2, "Failure"
}

func (d *draft) say(format string, args ...any) { d.set["message"] = fmt.Sprintf(format, args...) }

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
