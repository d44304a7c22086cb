// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"slices"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// machine is one row of the inventory of machine identities.
type machine struct {
	id       string
	state    *identityState      // nil for one that was never seen
	entry    *ConfiguredMember   // nil for one that nobody registered
	access   map[string][]string // "role on resource" by accessStanding and accessGranted
	grants   []string            // active
	review   time.Time
	reviewer sallyport.PrincipalID
	next     time.Time // zero when there has been no review, or none is due
	overdue  bool
}

// machines is the inventory as of a time: every principal that is not human,
// and what was registered and never seen.
func (d *Deriver) machines(asOf time.Time) []machine {
	active := d.activeGrants(asOf)
	var out []machine
	used := map[string]bool{} // registered entries that a principal matched
	for id, s := range d.identities {
		if s.principal.Kind == sallyport.Human {
			continue
		}
		m := machine{id: string(id), state: s, grants: active[id]}
		if m.entry = d.config.current.registered(m.id); m.entry != nil {
			used[m.entry.Principal] = true
		}
		out = append(out, m)
	}
	for i := range d.config.current.Identities {
		if e := &d.config.current.Identities[i]; !used[e.Principal] {
			used[e.Principal] = true
			out = append(out, machine{id: e.Principal, entry: e})
		}
	}
	slices.SortFunc(out, func(a, b machine) int { return cmp.Compare(a.id, b.id) })
	for i := range out {
		d.judge(&out[i], asOf)
	}
	return out
}

// registered finds the entry of a principal: its own, or else the first pattern
// that it fits.
func (c *Configuration) registered(id string) *ConfiguredMember {
	var fits *ConfiguredMember
	for i := range c.Identities {
		e := &c.Identities[i]
		if e.Principal == id {
			return e
		}
		if fits == nil && strings.Contains(e.Principal, "*") && fitsPattern(e.Principal, id) {
			fits = e
		}
	}
	return fits
}

// fitsPattern reports whether text fits a pattern in which "*" stands for any
// text.
func fitsPattern(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	last := len(parts) - 1
	text, ok := strings.CutPrefix(text, parts[0])
	if !ok || last == 0 {
		return ok && text == ""
	}
	for _, part := range parts[1:last] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, parts[last])
}

// judge adds what access an identity has and when it is due for review.
func (d *Deriver) judge(m *machine, asOf time.Time) {
	var groups set
	if m.state != nil {
		groups = m.state.groups
	}
	m.access = map[string][]string{}
	for _, r := range d.config.current.Roles {
		if !holds(r.Members, m.id, groups) {
			continue
		}
		for _, res := range r.Resources {
			word := d.config.current.connects(r.Name, res)
			m.access[word] = append(m.access[word], string(r.Name)+" on "+string(res))
		}
	}
	for _, list := range m.access {
		slices.Sort(list)
	}
	if r, ok := d.config.reviews[sallyport.PrincipalID(m.id)]; ok {
		m.review, m.reviewer = r.at, r.by
	}
	if m.entry == nil {
		m.overdue = m.review.IsZero()
		return
	}
	if m.entry.Reviewed.After(m.review) && !m.entry.Reviewed.After(asOf) {
		m.review, m.reviewer = m.entry.Reviewed, ""
	}
	switch {
	case m.review.IsZero():
		m.overdue = true
	case m.entry.EveryMS > 0:
		m.next = m.review.Add(time.Duration(m.entry.EveryMS) * time.Millisecond)
		m.overdue = !m.next.After(asOf)
	}
}

func holds(members []string, id string, groups set) bool {
	return slices.ContainsFunc(members, func(m string) bool {
		group, ok := strings.CutPrefix(m, "group:")
		return m == "principal:"+id || ok && groups[group]
	})
}

// connects says how a member of a role comes to a resource.
func (c *Configuration) connects(role sallyport.RoleID, resource sallyport.ResourceID) string {
	for _, a := range c.Access {
		if a.Role == role && a.Resource == resource {
			return accessWord(a.Connect)
		}
	}
	return accessRefused
}

// activeGrants lists the grants that held at a time, by principal.
func (d *Deriver) activeGrants(asOf time.Time) map[sallyport.PrincipalID][]string {
	active := map[sallyport.PrincipalID][]string{}
	for id, g := range d.grants {
		over := !g.ended.IsZero() && !g.ended.After(asOf)
		if !over && !g.body.NotBefore.After(asOf) && g.body.NotAfter.After(asOf) {
			active[g.body.Principal] = append(active[g.body.Principal], string(id))
		}
	}
	for _, list := range active {
		slices.Sort(list)
	}
	return active
}

// writeMachines writes the inventory and notes what needs an answer.
func (d *Deriver) writeMachines() error {
	asOf := d.life.scope.end()
	w := d.tables[tableMachines]
	for _, m := range d.machines(asOf) {
		var s identityState
		if m.state != nil {
			s = *m.state
		}
		var entry ConfiguredMember
		if m.entry != nil {
			entry = *m.entry
		}
		w.text(m.id).text(string(s.principal.Kind)).text(s.principal.Subject.Issuer).text(s.principal.Subject.ID).
			text(entry.Owner).text(entry.Purpose).text(entry.Ticket).text(entry.Principal)
		texts(texts(texts(texts(w, s.groups.sorted()), m.access[accessStanding]), m.access[accessGranted]), m.grants)
		texts(w, s.approvers.sorted()).number(s.granted).number(s.sessions - s.granted).time(s.login).time(s.used).
			time(m.review).text(string(m.reviewer)).time(m.next).flag(m.overdue).flag(m.entry == nil)
		if err := w.time(asOf).end(); err != nil {
			return err
		}
		d.tally.machine(m, s.sessions > s.granted)
	}
	return nil
}
