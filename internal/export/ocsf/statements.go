// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ocsf

import (
	"fmt"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

func (d *draft) sessionOpen(b *evidence.SessionOpen) {
	d.is(authorizeSession, 1, "")
	b.Keys = nil
	d.set["user"] = user(b.Principal)
	d.set["actor"] = d.actor(b.Principal)
	d.agent(b.Principal)
	d.set["session"] = d.sessionOf(b.Principal)
	d.set["privileges"] = []any{string(b.Role)}
	d.set["src_endpoint"] = endpoint(b.Client)
	d.set["dst_endpoint"] = obj{"name": string(b.Resource), "svc_name": or(b.Protocol, "unknown")}
	v := allowed
	if b.Grant != nil {
		v = approved
	}
	d.decided(v, b.Rules, b.Policy)
	d.status(true)
	d.say("%s opened a session on %s as %s", b.Principal.ID, b.Resource, b.Role)
}

func (d *draft) sessionClose(b *evidence.SessionClose) {
	if d.session == nil {
		d.orphan("Session closed")
		return
	}
	s := d.session
	d.is(authentication, 2, "")
	d.set["user"] = user(s.Principal)
	d.set["actor"] = d.actor(s.Principal)
	d.agent(s.Principal)
	d.set["session"] = d.sessionOf(s.Principal)
	d.set["service"] = obj{"name": "Sallyport", "uid": d.origin}
	d.set["src_endpoint"] = endpoint(s.Client)
	d.set["dst_endpoint"] = obj{"name": string(s.Resource), "svc_name": or(s.Protocol, "unknown")}
	d.authProtocol(s.Principal.Authn)
	d.set["is_remote"] = true
	put(d.set, "status_detail", b.Reason)
	d.status(true)
	d.say("%s closed a session on %s: %d statements, %d denied", s.Principal.ID, s.Resource, b.Statements, b.Denials)
}

// orphan is an event of a session that is not known, or of none.
func (d *draft) orphan(name string) {
	d.is(baseEvent, 99, name)
	d.say("%s, of a session whose begin is not known", name)
	if d.leaf.Session == "" {
		d.say("%s, of no session", name)
	}
}

// statement sets what all events of a statement have. It reports false when the
// session is not known, for then neither class of statements can be filled.
func (d *draft) statement(a activityOf, name string) bool {
	s := d.session
	if s == nil {
		return false
	}
	if datastores[s.Protocol] {
		d.is(datastoreActivity, a.datastore, name)
		d.set["database"] = obj{"name": string(s.Resource), "uid": string(s.Resource), "type_id": 1, "type": "Relational"}
		d.set["type_id"], d.set["type"] = 1, "Database"
	} else {
		d.is(apiActivity, a.api, name)
		d.set["api"] = obj{"operation": name, "service": obj{"name": or(s.Protocol, "unknown")}}
		d.set["resources"] = []any{obj{"uid": string(s.Resource), "name": string(s.Resource)}}
	}
	d.set["actor"] = d.actor(s.Principal)
	d.agent(s.Principal)
	d.set["src_endpoint"] = endpoint(s.Client)
	d.set["dst_endpoint"] = obj{"name": string(s.Resource), "svc_name": or(s.Protocol, "unknown")}
	return true
}

// about sets the text of a statement and the first table among its objects.
func (d *draft) about(stmt uint64, readable string, objects []string) {
	if d.class.uid != datastoreActivity.uid {
		if api, ok := d.set["api"].(obj); ok && readable != "" {
			api["request"] = obj{"uid": d.stmt(stmt)}
			d.set["resources"] = resources(objects, d.set["resources"])
		}
		return
	}
	if readable != "" {
		d.set["query_info"] = obj{"query_string": readable, "uid": d.stmt(stmt), "query_time": millis(d.leaf.Time)}
	}
	for _, o := range objects {
		// The name of a table is resource, schema and table.
		if parts := strings.Split(o, "/"); len(parts) == 3 {
			d.set["table"] = obj{"uid": o, "name": parts[1] + "." + parts[2]}
			d.set["type_id"], d.set["type"] = 3, "Table"
			return
		}
	}
}

func resources(objects []string, instead any) any {
	if len(objects) == 0 {
		return instead
	}
	out := make([]any, len(objects))
	for i, o := range objects {
		out[i] = obj{"uid": o, "name": o}
	}
	return out
}

func (d *draft) stmt(n uint64) string { return fmt.Sprintf("%s/%d", d.leaf.Session, n) }

// byEffects is the activity of a statement. One that is executed again does not
// repeat its effects: they are those of an earlier event.
func byEffects(effects []string) (activityOf, string) {
	for _, e := range effectOrder {
		for _, have := range effects {
			if have == e.effect {
				return e.activityOf, title(e.effect)
			}
		}
	}
	return activityOf{}, "Unknown"
}

func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func (d *draft) denial(b *evidence.Denial) {
	dropData(b.Sealed)
	a, name := byEffects(b.Effects)
	if !d.statement(a, name) {
		d.orphan("Denial")
		d.say("Denied: %s", b.Readable)
	} else {
		d.about(b.Stmt, b.Readable, b.Objects)
		d.say("A statement of %s on %s was denied: %s", d.session.Principal.ID, d.session.Resource, b.Reason)
	}
	d.severity = medium
	d.decided(blocked, b.Rules, b.Policy)
	d.status(false)
	put(d.set, "status_detail", b.Reason)
}

func (d *draft) intent(b *evidence.Intent) {
	dropData(b.Sealed)
	a, name := byEffects(b.Effects)
	if !d.statement(a, name) {
		d.orphan("Intent")
	} else {
		d.about(b.Stmt, b.Readable, b.Objects)
		d.say("%s is let through to %s a statement on %s", d.session.Principal.ID, or(b.Phase, "execute"), d.session.Resource)
	}
	v := allowed
	if b.Approval != nil {
		v = approved
	}
	if b.Verdict != sallyport.Allow.String() {
		v = blocked
	}
	d.decided(v, b.Rules, b.Policy)
	// Whether it succeeds is in the outcome's event.
	d.set["status_id"], d.set["status"] = 99, "Intended"
}

func (d *draft) outcome(b *evidence.Outcome) {
	word, _, _ := strings.Cut(b.Tag, " ")
	a := tagActivities[word]
	if !d.statement(a, or(title(strings.ToLower(word)), "Unknown")) {
		d.orphan("Outcome")
	} else {
		d.say("A statement of %s on %s ended: %s", d.session.Principal.ID, d.session.Resource, b.Status)
	}
	switch b.Status {
	case "ok":
		d.status(true)
	case "cut":
		d.severity = medium
		d.set["status_id"], d.set["status"] = 99, "Cut: it may have executed"
	default:
		d.status(false)
	}
	put(d.set, "status_code", b.Code)
	put(d.set, "status_detail", b.Tag)
	d.set["duration"] = b.Micros / 1000
}

func (d *draft) masking(b *evidence.Masking) {
	if !d.statement(activityOf{4, 2}, "Read") {
		d.orphan("Masking")
	} else {
		d.say("%d of %d values were masked for %s on %s", b.Masked, b.Seen, d.session.Principal.ID, d.session.Resource)
	}
	d.decided(masked, nil, "")
	d.status(true)
}

func (d *draft) recording(b *evidence.Recording) {
	dropData(&b.Sealed)
	d.is(baseEvent, 99, "Recording")
	d.say("A part of a recording was sealed")
}

// dropData takes a ciphertext out; its digest stays.
func dropData(s *evidence.Sealed) {
	if s != nil {
		s.Data = nil
	}
}
