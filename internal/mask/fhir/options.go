// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// apply changes the fields that a site names. Data types come before resources,
// because a path from a resource makes copies of the types on its way.
func (b *builder) apply(o Options) error {
	type change struct {
		path []string
		keep bool
	}
	var changes []change
	for _, p := range o.Keep {
		changes = append(changes, change{strings.Split(p, "."), true})
	}
	for _, p := range o.Scan {
		if p == "*" {
			b.scanTexts()
			continue
		}
		changes = append(changes, change{strings.Split(p, "."), false})
	}
	slices.SortStableFunc(changes, func(x, y change) int {
		return cmp.Or(cmp.Compare(b.rank(x.path), b.rank(y.path)), cmp.Compare(len(x.path), len(y.path)))
	})
	for _, c := range changes {
		f, err := b.resolve(c.path)
		if err != nil {
			return err
		}
		switch text := f.child == nil && !f.resource && !f.boolean && !f.number; {
		case c.keep:
			f.whole = true
		case text && f.rule.treat != div:
			f.rule.treat = scanned
		default:
			return invalid("the FHIR path "+strings.Join(c.path, ".")+" is no text", "only texts can be scanned; to keep an element, list it under keep")
		}
	}
	return nil
}

func (b *builder) rank(path []string) int {
	if b.resources[path[0]] {
		return 1
	}
	return 0
}

// scanTexts has all texts scanned that nothing is known about.
func (b *builder) scanTexts() {
	for _, n := range b.nodes {
		for _, f := range n.fields {
			if f.rule == (rule{treat: mask}) {
				f.rule.treat = scanned
			}
		}
	}
}

// resolve returns the field that a path names. From a resource on, the nodes on
// the way become copies that only this way leads to.
func (b *builder) resolve(path []string) (*field, error) {
	n := b.nodes[path[0]]
	if n == nil || len(path) < 2 {
		return nil, invalid("the FHIR path "+strings.Join(path, ".")+" does not begin with a type and an element", "write it as in Observation.note.text")
	}
	own := b.resources[path[0]]
	for i, name := range path[1:] {
		f := n.fields[name]
		if f == nil && (name == "extension" || name == "modifierExtension") {
			f = &field{name: name, locus: n.name + "." + name}
			n.fields[name] = f
		}
		if f == nil {
			return nil, invalid("the FHIR path "+strings.Join(path, ".")+" names an element that neither R4 nor R5 has", "name elements as in JSON, such as valueString")
		}
		if i == len(path)-2 {
			return f, nil
		}
		if f.child == nil {
			break
		}
		if own {
			f.child = f.child.copy()
		}
		n = f.child
	}
	return nil, invalid("the FHIR path "+strings.Join(path, ".")+" goes on below an element that has none", "end it earlier")
}

// copy returns a node with fields of its own, which lead to the same nodes.
func (n *node) copy() *node {
	c := &node{name: n.name, kind: n.kind, fields: maps.Clone(n.fields)}
	for name, f := range c.fields {
		own := *f
		c.fields[name] = &own
	}
	return c
}

func invalid(msg, hint string) error {
	return sallyport.E(sallyport.Invalid, "fhir", msg).WithHint(hint)
}
