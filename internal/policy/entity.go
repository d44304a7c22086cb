// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	sallyport "github.com/sallyport-dev/sallyport"
)

// entity is a principal or an object with all its ancestors, nearest first.
type entity struct {
	uid       types.EntityUID
	ancestors []types.EntityUID
	// containers is how many of the ancestors are the chain of containers, each
	// the parent of the one before it; the rest is the chain of a label. A
	// principal has -1: all its ancestors are its parents.
	containers int
	kind, name string // of an object: the attributes resource.kind and resource.name
}

// principalEntity makes Principal::"<id>" below its groups, its roles and its
// kind.
func principalEntity(p *sallyport.Principal, roles []sallyport.RoleID) entity {
	e := entity{uid: types.EntityUID{Type: typePrincipal, ID: types.String(p.ID)}, containers: -1}
	e.ancestors = make([]types.EntityUID, 0, len(p.Groups)+len(roles)+1)
	for _, g := range p.Groups {
		e.ancestors = append(e.ancestors, types.EntityUID{Type: typeGroup, ID: types.String(g)})
	}
	for _, r := range roles {
		e.ancestors = append(e.ancestors, types.EntityUID{Type: typeRole, ID: types.String(r)})
	}
	if p.Kind.Valid() {
		e.ancestors = append(e.ancestors, types.EntityUID{Type: typeKind, ID: types.String(p.Kind)})
	}
	return e
}

func (e *entity) resource(id sallyport.ResourceID) {
	*e = entity{
		uid:       types.EntityUID{Type: typeResource, ID: types.String(id)},
		ancestors: e.ancestors[:0], kind: "resource", name: string(id),
	}
}

// object fills e with an object below its containers, reusing e's memory. The
// first part of the path is the resource; the second is taken for a schema and
// the third for a table wherever more parts follow. Paths lie below each other, and
// so do addresses.
func (e *entity) object(o *sallyport.Object) {
	e.ancestors, e.containers = e.ancestors[:0], 0
	n := len(o.Path)
	e.kind, e.name = o.Kind, o.Path[n-1]
	full := escapedPath(o.Path)
	e.uid = types.EntityUID{Type: entityType(o.Kind), ID: types.String(full)}
	if n == 1 {
		if e.uid.Type != typeResource {
			e.container(typeResource, full)
		}
		return
	}
	folder := types.EntityType("")
	switch e.uid.Type {
	case typePath, typeBody:
		folder = typePath
	case typeURL:
		folder = typeURL
	case typeConnection:
		folder = typeConnection
	case typeCommand, typeOutput:
		folder = typeCommand
	}
	for depth := n - 1; depth >= 1; depth-- {
		full = full[:strings.LastIndexByte(full, '/')]
		switch {
		case depth > 1 && folder != "":
			e.container(folder, full)
		case depth == 1:
			e.container(typeResource, full)
		case depth == 3, depth == n-1 && e.uid.Type == typeColumn:
			e.container(typeTable, full)
		case depth == 2:
			e.container(typeSchema, full)
		}
	}
}

func (e *entity) container(t types.EntityType, id string) {
	e.ancestors = append(e.ancestors, types.EntityUID{Type: t, ID: types.String(id)})
	e.containers++
}

// label makes l, and whatever it lies under, the only labels of e.
func (e *entity) label(l sallyport.Label) {
	e.ancestors = e.ancestors[:e.containers]
	for id := string(l); ; {
		e.ancestors = append(e.ancestors, types.EntityUID{Type: typeLabel, ID: types.String(id)})
		dot := strings.LastIndexByte(id, '.')
		if dot < 0 {
			return
		}
		id = id[:dot]
	}
}

// escapedPath joins the parts by "/". Where a part holds a "/" itself, it is
// written %2F (and "%" is %25), so that two objects never share a name.
func escapedPath(parts []string) string {
	for i, p := range parts {
		if strings.IndexByte(p, '/') >= 0 || strings.IndexByte(p, '%') >= 0 {
			parts = slices.Clone(parts)
			for j := i; j < len(parts); j++ {
				parts[j] = strings.ReplaceAll(strings.ReplaceAll(parts[j], "%", "%25"), "/", "%2F")
			}
			break
		}
	}
	return strings.Join(parts, "/")
}

// labelUnknown stands for the labels of data that could come from anywhere.
const labelUnknown sallyport.Label = "unknown"

// isUnknown reports whether a column can hold data of any label: a temporary
// table's, into which everything may be written, if nobody followed what was.
func isUnknown(c *sallyport.Column) bool {
	return c.Object.Kind == "temp column" && len(c.Labels) == 0
}

// labelsOf returns the labels of a column; one without labels is unclassified.
func labelsOf(c *sallyport.Column) []sallyport.Label {
	if isUnknown(c) {
		return []sallyport.Label{labelUnknown}
	}
	if len(c.Labels) == 0 || slices.Contains(c.Labels, "") {
		return withoutEmpty(c.Labels)
	}
	return c.Labels
}

func withoutEmpty(ls []sallyport.Label) []sallyport.Label {
	out := []sallyport.Label{sallyport.Unclassified}
	for _, l := range ls {
		if l != "" && !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}

// graph gives Cedar the entities of one request.
type graph struct {
	principal, object *entity
	attributes        types.Record // of the principal
	objectAttributes  types.Record
}

// Get implements types.EntityGetter.
func (g *graph) Get(uid types.EntityUID) (types.Entity, bool) {
	switch uid {
	case g.principal.uid:
		return types.Entity{UID: uid, Parents: types.NewEntityUIDSet(g.principal.ancestors...), Attributes: g.attributes}, true
	case g.object.uid:
		var parents []types.EntityUID
		if g.object.containers > 0 {
			parents = append(parents, g.object.ancestors[0])
		}
		if g.object.containers < len(g.object.ancestors) {
			parents = append(parents, g.object.ancestors[g.object.containers])
		}
		return types.Entity{UID: uid, Parents: types.NewEntityUIDSet(parents...), Attributes: g.objectAttributes}, true
	}
	i := slices.Index(g.object.ancestors, uid)
	if i < 0 {
		return types.Entity{}, false
	}
	e := types.Entity{UID: uid}
	if next := i + 1; next < len(g.object.ancestors) && next != g.object.containers {
		e.Parents = types.NewEntityUIDSet(g.object.ancestors[next])
	}
	return e, true
}

// attributesOf returns a principal's attributes as policies see them. Its id and
// kind cannot be shadowed by an attribute of the same name.
func attributesOf(p *sallyport.Principal) types.Record {
	m := make(types.RecordMap, len(p.Attributes)+2)
	for k, v := range p.Attributes {
		m[types.String(k)] = types.String(v)
	}
	m["id"], m["kind"] = types.String(p.ID), types.String(p.Kind)
	return types.NewRecord(m)
}
