// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// requestState is a request and what became of it.
type requestState struct {
	index    uint64
	opened   time.Time
	state    string
	body     Request
	decision *Decision
	decided  time.Time
}

// grantState is a grant and what became of it.
type grantState struct {
	index  uint64
	state  string
	body   sallyport.Grant
	ended  time.Time
	by     sallyport.PrincipalID
	reason string
	// sessions counts those that rest on it.
	sessions int
}

// identityState is what the leaves say of one principal.
type identityState struct {
	index                         uint64
	principal                     sallyport.Principal
	groups, methods               set
	roles, resources, approvers   set
	grants                        uint64
	first, last                   time.Time
	sessions, statements, denials uint64
	granted                       uint64 // sessions that rest on a grant
	ran                           uint64 // statements, without their analyses
	login, used                   time.Time
}

// set is a set of texts.
type set map[string]bool

func (s set) add(text string) {
	if text != "" && !s[text] {
		s[text] = true
	}
}

func (s set) sorted() []string { return sortedKeys(s) }

func (d *Deriver) identity(index uint64, id sallyport.PrincipalID, at time.Time) *identityState {
	i := d.identities[id]
	if i == nil {
		i = &identityState{
			index: index, first: at, groups: set{}, methods: set{}, roles: set{}, resources: set{}, approvers: set{},
		}
		i.principal.ID = id
		d.identities[id] = i
	}
	return i
}

// seen takes in what an event says of who somebody is.
func (d *Deriver) seen(index uint64, p sallyport.Principal, at time.Time) *identityState {
	i := d.identity(index, p.ID, at)
	i.principal.Kind, i.principal.Subject = p.Kind, p.Subject
	i.methods.add(p.Authn.Method)
	for _, g := range p.Groups {
		i.groups.add(g)
	}
	return i
}

func (d *Deriver) opened(e event, b *SessionOpen) {
	i := d.seen(e.index, b.Principal, e.leaf.Time)
	i.sessions++
	i.last, i.used = e.leaf.Time, e.leaf.Time
	if b.Grant != nil {
		i.granted++
		if g := d.grants[b.Grant.ID]; g != nil {
			g.sessions++
		}
	}
	i.roles.add(string(b.Role))
	i.resources.add(string(b.Resource))
}

// used counts a statement of a principal, which ran or was refused.
func (d *Deriver) used(id sallyport.PrincipalID, at time.Time, ran bool) {
	i := d.identities[id]
	if i == nil {
		return
	}
	i.last, i.used = at, at
	if ran {
		i.statements++
	} else {
		i.denials++
	}
}

func (d *Deriver) login(e event, b *Identity) error {
	var p sallyport.Principal
	if b.Principal != nil {
		p = *b.Principal
		i := d.seen(e.index, p, e.leaf.Time)
		if b.Accepted {
			i.login = e.leaf.Time
		}
	}
	d.tally.login(b.Accepted)
	return d.tables[tableLogins].time(e.leaf.Time).flag(b.Accepted).text(string(p.ID)).text(string(p.Kind)).text(p.Subject.Issuer).
		text(p.Subject.ID).text(p.Authn.Method).text(p.Authn.TokenID).text(b.Client).text(b.Reason).number(e.index).end()
}

func (d *Deriver) token(e event, b *Token) error {
	return d.tables[tableTokens].time(e.leaf.Time).text(b.Action).text(b.TokenID).text(string(b.Principal)).text(string(b.Resource)).
		text(string(b.Role)).text(string(b.Grant)).time(b.Expires).text(string(b.By)).number(e.index).end()
}

// refusal writes a statement or a connection that was refused.
func (d *Deriver) refusal(e event, b *Denial, s *sessionState) error {
	w := d.tables[tableRefusals]
	w.text(string(e.leaf.Session)).number(b.Stmt).time(e.leaf.Time).text(string(s.body.Principal.ID)).text(string(s.body.Resource)).
		text(b.Class).text(b.Readable)
	texts(texts(texts(w, b.Effects), b.Objects).text(b.Reason), b.Rules).text(string(b.Policy)).text(string(b.Request)).number(e.index)
	return w.end()
}

func (d *Deriver) review(e event, what string, by sallyport.PrincipalID, of, purpose string, size uint64) error {
	return d.tables[tableReviews].time(e.leaf.Time).text(what).text(string(by)).text(of).text(purpose).number(size).number(e.index).end()
}

func (d *Deriver) request(e event, b *Request) {
	r := d.requests[b.ID]
	if r == nil {
		r = &requestState{index: e.index, opened: e.leaf.Time, body: *b}
		d.requests[b.ID] = r
		i := d.identity(e.index, b.Principal, e.leaf.Time)
		i.roles.add(string(b.Role))
	}
	d.policies.name(b.Policy)
	r.state = b.State
}

func (d *Deriver) decision(e event, b *Decision) error {
	d.tally.decision(b)
	if r := d.requests[b.Request]; r != nil && r.decision == nil {
		r.decision, r.decided = b, e.leaf.Time
		if b.Decision == "approved" {
			d.identity(e.index, r.body.Principal, e.leaf.Time).approvers.add(string(b.Approver))
		}
	}
	w := d.tables[tableApprovals]
	w.text(string(b.Request)).text(b.Kind).text(b.Decision).time(e.leaf.Time).text(string(b.Approver))
	return texts(w, b.Groups).text(b.Subject.Issuer).text(b.Subject.ID).text(b.Authn.Method).text(b.Authn.TokenID).
		time(b.Authn.At).text(b.Rationale).text(b.Binding).number(e.index).end()
}

func (d *Deriver) grant(e event, b *GrantEvent) {
	g := d.grants[b.Grant.ID]
	if g == nil {
		g = &grantState{index: e.index, body: b.Grant}
		d.grants[b.Grant.ID] = g
		i := d.identity(e.index, b.Grant.Principal, e.leaf.Time)
		i.grants++
		i.roles.add(string(b.Grant.Role))
		i.resources.add(string(b.Grant.Resource))
	}
	d.policies.name(b.Grant.Policy)
	g.state = b.State
	if b.State != "active" {
		g.ended, g.by, g.reason = e.leaf.Time, b.By, b.Reason
	}
}

func (d *Deriver) writeRequests() error {
	w := d.tables[tableRequests]
	for _, id := range sortedBy(d.requests, func(r *requestState) uint64 { return r.index }) {
		r := d.requests[id]
		b, decision := r.body, Decision{}
		if r.decision != nil {
			decision = *r.decision
		}
		w.text(string(b.ID)).text(b.Kind).time(r.opened).text(string(b.Principal)).text(string(b.Resource)).text(string(b.Role)).
			text(b.Reason).text(b.Approvers).integer(b.WindowMS).time(b.Expires).text(string(b.Session)).number(b.Stmt).text(b.Readable)
		texts(texts(texts(w, b.Objects), b.Effects), b.Rules).text(string(b.Policy)).text(b.Binding).text(decision.Decision).
			time(r.decided).text(string(decision.Approver)).text(decision.Rationale).text(r.state).number(r.index)
		if err := w.end(); err != nil {
			return err
		}
		if b.Kind == "hold" {
			if err := d.writeHold(r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Deriver) writeGrants() error {
	w := d.tables[tableGrants]
	for _, id := range sortedBy(d.grants, func(g *grantState) uint64 { return g.index }) {
		g := d.grants[id]
		b := g.body
		w.text(string(b.ID)).text(string(b.Request)).text(string(b.Principal)).text(string(b.Resource)).text(string(b.Role)).
			time(b.NotBefore).time(b.NotAfter).text(g.state).time(g.ended).text(string(g.by)).text(g.reason).
			text(string(b.Policy)).text(d.policies.text(b.Policy)).number(g.index)
		if err := w.end(); err != nil {
			return err
		}
	}
	return nil
}

// writeIdentities writes what is known of principals as of the end of the
// bundle's time.
func (d *Deriver) writeIdentities() error {
	asOf := d.life.scope.end()
	active := d.activeGrants(asOf)
	w := d.tables[tableIdentities]
	for _, id := range sortedBy(d.identities, func(i *identityState) uint64 { return i.index }) {
		i := d.identities[id]
		p := i.principal
		w.text(string(id)).text(string(p.Kind)).text(p.Subject.Issuer).text(p.Subject.ID)
		for _, s := range []set{i.groups, i.methods, i.roles, i.resources} {
			texts(w, s.sorted())
		}
		w.time(i.first).time(i.last).number(i.sessions).number(i.statements).number(i.denials).number(i.grants)
		if err := texts(texts(w, active[id]), i.approvers.sorted()).time(asOf).end(); err != nil {
			return err
		}
	}
	return nil
}
