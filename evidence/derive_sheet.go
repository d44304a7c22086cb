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

// sheetKey is who did something under which role where.
type sheetKey struct {
	principal sallyport.PrincipalID
	role      sallyport.RoleID
	resource  sallyport.ResourceID
}

// sheet is what one principal touched under one role on one resource.
type sheet struct {
	objects map[string]*objectUse // by "effect kind name"
	columns map[string]*columnUse
}

type objectUse struct {
	statements, refused uint64
	last                time.Time
}

type columnUse struct {
	labels, operators   set
	seen, masked, nulls uint64
	last                time.Time
}

// sheetOf returns the sheet of a session.
func (d *Deriver) sheetOf(s *sessionState) *sheet {
	if s.sheet == nil {
		key := sheetKey{s.body.Principal.ID, s.body.Role, s.body.Resource}
		if s.sheet = d.sheets[key]; s.sheet == nil {
			s.sheet = &sheet{objects: map[string]*objectUse{}, columns: map[string]*columnUse{}}
			d.sheets[key] = s.sheet
		}
	}
	return s.sheet
}

// touch counts a statement for the objects that it is about.
func (s *sheet) touch(objects []string, refused bool, at time.Time) {
	for _, name := range objects {
		if strings.HasPrefix(name, "(") { // "(and 7 more)"
			continue
		}
		u := s.objects[name]
		if u == nil {
			u = &objectUse{}
			s.objects[name] = u
		}
		if refused {
			u.refused++
		} else {
			u.statements++
		}
		u.last = at
	}
}

// mask counts the values of an output.
func (s *sheet) mask(b *Masking, at time.Time) {
	name := "(not traced to a column)"
	switch len(b.Columns) {
	case 0:
	case 1:
		name = b.Columns[0]
	default:
		name = strings.Join(b.Columns, "; ")
	}
	u := s.columns[name]
	if u == nil {
		u = &columnUse{labels: set{}, operators: set{}}
		s.columns[name] = u
	}
	for _, l := range b.Labels {
		u.labels.add(string(l))
	}
	u.operators.add(b.Operator)
	u.seen, u.masked, u.nulls, u.last = u.seen+b.Seen, u.masked+b.Masked, u.nulls+b.Nulls, at
}

// writeSheets writes what each principal touched, and what it may use and did
// not.
func (d *Deriver) writeSheets() error {
	keys := make([]sheetKey, 0, len(d.sheets))
	for k := range d.sheets {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b sheetKey) int {
		return cmp.Or(cmp.Compare(a.principal, b.principal), cmp.Compare(a.role, b.role), cmp.Compare(a.resource, b.resource))
	})
	w := d.tables[tableSheet]
	for _, k := range keys {
		s := d.sheets[k]
		for _, name := range sortedKeys(s.objects) {
			u := s.objects[name]
			effect, object, _ := strings.Cut(name, " ")
			w.text(string(k.principal)).text(string(k.role)).text(string(k.resource)).text("object").text(object).text(effect)
			texts(texts(w.number(u.statements).number(u.refused), []string(nil)), []string(nil)).number(0).number(0).number(0)
			if err := w.time(u.last).end(); err != nil {
				return err
			}
		}
		for _, name := range sortedKeys(s.columns) {
			u := s.columns[name]
			w.text(string(k.principal)).text(string(k.role)).text(string(k.resource)).text("column").text(name).text("read")
			texts(texts(w.number(0).number(0), u.labels.sorted()), u.operators.sorted()).number(u.seen).number(u.masked).number(u.nulls)
			if err := w.time(u.last).end(); err != nil {
				return err
			}
		}
	}
	return d.writeUnused(keys)
}

// writeUnused writes roles and grants that no session of the bundle used.
func (d *Deriver) writeUnused(used []sheetKey) error {
	w := d.tables[tableUnused]
	for _, r := range d.config.current.Roles {
		for _, res := range r.Resources {
			if slices.ContainsFunc(used, func(k sheetKey) bool { return k.role == r.Name && k.resource == res }) {
				continue
			}
			w.text("role").text(string(r.Name)).text("").text(string(r.Name)).text(string(res)).text(d.config.current.connects(r.Name, res))
			if err := texts(w, r.Members).time(time.Time{}).time(time.Time{}).end(); err != nil {
				return err
			}
		}
	}
	for _, id := range sortedBy(d.grants, func(g *grantState) uint64 { return g.index }) {
		g := d.grants[id]
		if g.sessions > 0 {
			continue
		}
		b := g.body
		w.text("grant").text(string(id)).text(string(b.Principal)).text(string(b.Role)).text(string(b.Resource)).text(accessGranted)
		if err := texts(w, []string(nil)).time(b.NotBefore).time(b.NotAfter).end(); err != nil {
			return err
		}
	}
	return nil
}
