// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ocsf

import (
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// describe fills the event of a leaf that could be read.
func (d *draft) describe() {
	ok := false
	switch d.leaf.Type {
	case evidence.TypeStart:
		ok = with(d, d.start)
	case evidence.TypeStop:
		ok = with(d, d.stop)
	case evidence.TypeHeartbeat:
		ok = with(d, d.heartbeat)
	case evidence.TypeGap:
		ok = with(d, d.gap)
	case evidence.TypePolicyLoaded:
		ok = with(d, d.policyLoaded)
	case evidence.TypeIdentity:
		ok = with(d, d.identity)
	case evidence.TypeToken:
		ok = with(d, d.token)
	case evidence.TypeRequest:
		ok = with(d, d.request)
	case evidence.TypeDecision:
		ok = with(d, d.decision)
	case evidence.TypeGrant:
		ok = with(d, d.grant)
	case evidence.TypeSessionOpen:
		ok = with(d, d.sessionOpen)
	case evidence.TypeSessionClose:
		ok = with(d, d.sessionClose)
	case evidence.TypeDenial:
		ok = with(d, d.denial)
	case evidence.TypeIntent:
		ok = with(d, d.intent)
	case evidence.TypeOutcome:
		ok = with(d, d.outcome)
	case evidence.TypeMasking:
		ok = with(d, d.masking)
	case evidence.TypeRecording:
		ok = with(d, d.recording)
	case evidence.TypeExport:
		ok = with(d, d.export)
	case evidence.TypeReplay:
		ok = with(d, d.replay)
	case evidence.TypeKeyRotate:
		ok = with(d, d.keyRotate)
	case evidence.TypeRollback:
		ok = with(d, d.rollback)
	case evidence.TypeLegalHold:
		ok = with(d, d.legalHold)
	case evidence.TypeKeyDestroyed:
		ok = with(d, d.keyDestroyed)
	case evidence.TypeLogPruned:
		ok = with(d, d.logPruned)
	case evidence.TypeEvidenceOpen:
		ok = with(d, d.evidenceOpen)
	case evidence.TypeConfigLoaded:
		ok = with(d, d.configLoaded)
	case evidence.TypeReview:
		ok = with(d, d.review)
	case evidence.TypeDisclosure:
		ok = with(d, d.disclosure)
	case evidence.TypeWhoSaw:
		ok = with(d, d.whoSaw)
	case evidence.TypeShipping:
		ok = with(d, d.shipping)
	}
	if !ok {
		d.other()
	}
}

// with reads the body and ships it as its type knows it. The function may take
// out what is not to be shipped.
func with[B any](d *draft, f func(*B)) bool {
	b, err := evidence.Body[B](d.leaf)
	if err != nil {
		return false
	}
	f(&b)
	d.body = treeOf(b)
	return true
}

// other is an event of which only the envelope is shipped: its type is not
// known, or its body is not of the type's form.
func (d *draft) other() {
	d.is(baseEvent, 99, string(d.leaf.Type))
	d.say("A record of type %s", d.leaf.Type)
}

func (d *draft) app(version string) {
	d.set["application"] = obj{"name": "Sallyport", "uid": d.origin, "version": or(version, "unknown")}
	// Before 1.9 the class has app, which is deprecated since.
	d.set["app"] = obj{"name": "Sallyport", "vendor_name": "The Sallyport Authors", "uid": d.origin, "version": or(version, "unknown")}
}

func (d *draft) start(b *evidence.Start) {
	b.SealKey = nil // for the auditors only
	d.is(applicationLifecycle, 3, "")
	d.app(b.Version)
	d.status(true)
	d.say("The gateway %s started, epoch %d", d.origin, b.Epoch)
	if !b.Clean {
		d.severity = medium
		d.say("The gateway %s started, epoch %d; the epoch before did not stop in order", d.origin, b.Epoch)
	}
}

func (d *draft) stop(b *evidence.Stop) {
	d.is(applicationLifecycle, 4, "")
	d.app("")
	d.status(true)
	put(d.set, "status_detail", b.Reason)
	d.say("The gateway %s stopped: %s", d.origin, b.Reason)
}

func (d *draft) heartbeat(b *evidence.Heartbeat) {
	d.is(baseEvent, 99, "Heartbeat")
	d.say("The gateway %s is alive with %d open sessions", d.origin, b.Sessions)
}

func (d *draft) gap(b *evidence.Gap) {
	d.is(baseEvent, 99, "Gap")
	d.severity = high
	d.set["start_time"], d.set["end_time"] = millis(b.Since), millis(d.leaf.Time)
	put(d.set, "status_detail", b.Reason)
	d.say("A gap in the record: %s; %d statements may have executed", b.Reason, len(b.MayHaveExecuted))
}

// entity is what an Entity Management event is about. Its data is shipped in
// unmapped with the rest of the leaf, once.
func (d *draft) entity(kind, uid, name string) obj {
	e := obj{"type_id": 99, "type": kind, "uid": uid}
	put(e, "name", name)
	d.set["entity"] = e
	return e
}

func (d *draft) by(id sallyport.PrincipalID) {
	if id != "" {
		d.set["actor"] = obj{"user": named(id)}
	}
}

func (d *draft) policyLoaded(b *evidence.PolicyLoaded) {
	d.is(entityManagement, 10, "")
	b.Text = ""
	uid := or(string(b.Digest), "refused")
	e := d.entity("Policy", uid, b.Source)
	e["type_id"] = 5
	e["policy"] = obj{"uid": uid, "name": or(b.Source, uid), "type": "Cedar", "is_applied": b.Error == ""}
	d.status(b.Error == "")
	d.say("A policy set was loaded from %s", b.Source)
	if b.Error != "" {
		d.severity = medium
		d.set["status_detail"] = b.Error
		d.say("A policy set from %s was refused; the one before stays", b.Source)
	}
}

func (d *draft) identity(b *evidence.Identity) {
	d.is(authentication, 1, "")
	d.set["service"] = obj{"name": "Sallyport", "uid": d.origin}
	d.set["src_endpoint"] = endpoint(b.Client)
	d.set["is_remote"] = true
	d.status(b.Accepted)
	put(d.set, "status_detail", b.Reason)
	who := "somebody unknown"
	if p := b.Principal; p != nil {
		who = string(p.ID)
		d.set["user"] = user(*p)
		d.set["actor"] = d.actor(*p)
		d.agent(*p)
		d.authProtocol(p.Authn)
	} else {
		d.set["user"] = obj{"name": "unknown", "type_id": 0, "type": "Unknown"}
	}
	if b.Accepted {
		d.decided(allowed, nil, "")
		d.say("%s logged in", who)
		return
	}
	d.severity = low
	d.decided(blocked, nil, "")
	d.say("A login of %s was refused: %s", who, b.Reason)
}

func (d *draft) token(b *evidence.Token) {
	d.is(entityManagement, 1, "")
	if b.Action == "revoked" {
		d.is(entityManagement, 4, "")
		d.decided(revoked, nil, "")
	}
	d.entity("Gateway token", b.TokenID, "")
	by := b.By
	if by == "" {
		by = b.Principal
	}
	d.by(by)
	d.status(true)
	d.say("A gateway token of %s was %s", b.Principal, b.Action)
}

func (d *draft) request(b *evidence.Request) {
	d.is(entityManagement, 3, "")
	if b.State == "open" {
		d.is(entityManagement, 1, "")
		d.severity = low
	}
	kind := "Request for a grant"
	if b.Kind == "hold" {
		kind = "Held statement"
	}
	d.entity(kind, string(b.ID), "")
	d.by(b.Principal)
	if b.State == "open" {
		d.decided(delayed, b.Rules, b.Policy)
	}
	put(d.set, "comment", b.Reason)
	d.status(true)
	d.say("%s of %s on %s is %s, for %s to decide", kind, b.Principal, b.Resource, b.State, b.Approvers)
}

func (d *draft) decision(b *evidence.Decision) {
	d.is(entityManagement, 3, "")
	kind := "Request for a grant"
	if b.Kind == "hold" {
		kind = "Held statement"
	}
	d.entity(kind, string(b.Request), "")
	d.set["actor"] = d.actor(sallyport.Principal{ID: b.Approver, Kind: sallyport.Human, Groups: b.Groups, Subject: b.Subject, Authn: b.Authn})
	v := rejected
	if b.Decision == "approved" {
		v = approved
	}
	d.decided(v, nil, "")
	put(d.set, "comment", b.Rationale)
	d.status(true)
	d.say("%s %s request %s", b.Approver, b.Decision, b.Request)
}

func (d *draft) grant(b *evidence.GrantEvent) {
	g := b.Grant
	switch b.State {
	case "active":
		d.is(entityManagement, 10, "")
		d.decided(allowed, nil, g.Policy)
	case "revoked":
		d.is(entityManagement, 4, "")
		d.decided(revoked, nil, g.Policy)
	default:
		d.is(entityManagement, 11, "")
	}
	d.entity("Grant", string(g.ID), string(g.Role))
	by := b.By
	if by == "" {
		by = g.Principal
	}
	d.by(by)
	put(d.set, "comment", b.Reason)
	d.set["start_time"], d.set["end_time"] = millis(g.NotBefore), millis(g.NotAfter)
	d.status(true)
	d.say("The grant of %s on %s to %s is %s", g.Role, g.Resource, g.Principal, b.State)
}

func (d *draft) export(b *evidence.Export) {
	d.is(entityManagement, 2, "")
	d.entity("Evidence bundle", or(b.Filter, "all"), "")
	d.by(b.By)
	put(d.set, "comment", b.Purpose)
	d.severity = low
	d.status(true)
	d.say("%s exported evidence", b.By)
}

func (d *draft) replay(b *evidence.Replay) {
	d.is(entityManagement, 2, "")
	d.entity("Session recording", string(b.Session), "")
	d.by(b.By)
	d.severity = low
	d.status(true)
	d.say("%s replayed the session %s", b.By, b.Session)
}

func (d *draft) keyRotate(b *evidence.KeyRotate) {
	d.is(entityManagement, 3, "")
	d.entity("Ledger key", strings.Join(b.New, ", "), "")
	d.severity = low
	d.status(true)
	d.say("The key of the ledger %s was replaced", d.origin)
}

func (d *draft) shipping(b *evidence.Shipping) {
	d.is(baseEvent, 99, "Shipping")
	if b.State != evidence.ShippingCaughtUp {
		d.severity = medium
	}
	d.status(b.State == evidence.ShippingCaughtUp)
	put(d.set, "status_detail", b.Reason)
	d.say("Shipping to %s is %s at %d of %d", b.Destination, b.State, b.Next, b.Size)
}
