// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// field is an element of a type, ready to be met.
type field struct {
	name     string
	locus    string
	rule     rule
	op       *operator.Operator // of the rule's entity; nil where that is none
	boolean  bool               // true and false are kept
	number   bool               // numbers are kept
	child    *node              // what an object is; nil: dropped
	resource bool               // an object is a resource of any type
	whole    bool               // kept with all that is in it
	required bool
	id       int
}

// kind tells apart the types whose elements depend on each other.
type kind uint8

const (
	plain kind = iota
	coding
	quantity
	age
	identity
	telecom
)

var kindOf = map[string]kind{
	"Coding": coding, "Quantity": quantity, "Count": quantity, "Distance": quantity, "Duration": quantity, "Age": age,
	"Identifier": identity, "ContactPoint": telecom,
}

// node is a type, or what two versions of FHIR have as the type of one element.
type node struct {
	name   string
	kind   kind
	fields map[string]*field
	slots  []*field // the same by hash, for the way of every byte
}

// field returns the element of a name, or nil.
func (n *node) field(name []byte) *field {
	mask := uint64(len(n.slots) - 1)
	for i := hash(name) & mask; ; i = (i + 1) & mask {
		f := n.slots[i]
		if f == nil || f.name == string(name) {
			return f
		}
	}
}

func (n *node) index() {
	size := 4
	for size < 2*len(n.fields)+1 {
		size *= 2
	}
	n.slots = make([]*field, size)
	for name, f := range n.fields {
		i := hash([]byte(name)) & uint64(size-1)
		for n.slots[i] != nil {
			i = (i + 1) & uint64(size-1)
		}
		n.slots[i] = f
	}
}

// hash spreads names of elements; the table is small and fixed, so that nobody
// can choose names that collide.
func hash(name []byte) uint64 {
	const prime = 0x9e3779b97f4a7c15
	h := uint64(len(name))
	if len(name) >= 8 {
		h = (h ^ binary.LittleEndian.Uint64(name)) * prime
		h ^= binary.LittleEndian.Uint64(name[len(name)-8:])
	} else {
		for _, c := range name {
			h = h<<8 ^ uint64(c)
		}
	}
	return (h * prime) >> 40
}

// definition is an element as the table has it.
type definition struct {
	owner    string
	name     string
	required bool
	types    []string
}

// builder makes nodes out of the table.
type builder struct {
	profile   *profile.Profile
	types     map[string][]definition
	resources map[string]bool
	codes     map[string]struct{}
	any       []string // the types of an open choice
	nodes     map[string]*node
}

// newBuilder reads the table; see tools/fhirelements for its form.
func newBuilder(table string, p *profile.Profile) *builder {
	b := &builder{
		profile: p, types: make(map[string][]definition), resources: make(map[string]bool),
		codes: make(map[string]struct{}), nodes: make(map[string]*node),
	}
	owner := ""
	for line := range strings.Lines(table) {
		line = strings.TrimSuffix(line, "\n")
		entry, nested := strings.CutPrefix(line, " ")
		switch {
		case !nested:
			name, resource := strings.CutPrefix(line, "#")
			owner = name
			b.resources[owner] = resource
		case owner == "codes":
			for c := range strings.FieldsSeq(entry) {
				b.codes[c] = struct{}{}
			}
		default:
			f := strings.Fields(entry)
			name, required := strings.CutSuffix(f[0], "!")
			b.types[owner] = append(b.types[owner], definition{owner, name, required, f[1:]})
			if owner == "Extension" && name == "value[x]" {
				b.any = f[1:]
			}
		}
	}
	maps.DeleteFunc(b.resources, func(_ string, is bool) bool { return !is })
	for name := range b.resources {
		b.codes[name] = struct{}{}
		b.types[name] = append(b.types[name],
			definition{"Resource", "id", false, []string{"id"}}, definition{"Resource", "meta", false, []string{"Meta"}},
			definition{"Resource", "language", false, []string{"code:free"}}, definition{"Resource", "contained", false, []string{"Resource"}})
	}
	for name := range b.resources {
		b.node([]string{name})
	}
	return b
}

// node returns the node of a type, or of several at once.
func (b *builder) node(names []string) *node {
	slices.Sort(names)
	id := strings.Join(names, "|")
	if n := b.nodes[id]; n != nil {
		return n
	}
	n := &node{name: id, fields: make(map[string]*field)}
	b.nodes[id] = n
	merged := make(map[string]definition)
	for _, name := range names {
		n.kind = max(n.kind, kindOf[name])
		for _, d := range b.types[name] {
			for _, d := range b.choices(d) {
				m, met := merged[d.name]
				if met {
					d.owner = m.owner
				}
				d.required = d.required || m.required
				d.types = slices.Concat(m.types, d.types)
				merged[d.name] = d
			}
		}
	}
	for name, d := range merged {
		n.fields[name] = b.field(n, d)
	}
	return n
}

// choices returns what an element is named in JSON, by its types.
func (b *builder) choices(d definition) []definition {
	types := d.types
	if types[0] == "*" {
		types = b.any
	}
	base, choice := strings.CutSuffix(d.name, "[x]")
	if !choice {
		return []definition{{d.owner, d.name, d.required, types}}
	}
	var out []definition
	for _, t := range types {
		short, _, _ := strings.Cut(t, ":")
		out = append(out, definition{d.owner, base + strings.ToUpper(short[:1]) + short[1:], d.required, []string{t}})
	}
	return out
}

func (b *builder) field(n *node, d definition) *field {
	f := &field{name: d.name, locus: n.name + "." + d.name, required: d.required}
	special, ok := ruleFor(d)
	var children []string
	for _, t := range d.types {
		p, primitive := primitives[t]
		switch {
		case !primitive && t == "Resource":
			f.resource = true
		case !primitive:
			if ok && special.treat == drop {
				continue
			}
			if t = strings.TrimPrefix(t, "="); !slices.Contains(children, t) {
				children = append(children, t)
			}
		case t == "boolean":
			f.boolean = true
		case p == rule{}:
			f.number = true
		case ok:
			f.rule = special
		case f.rule == rule{} || p.treat == mask || p.treat == instant:
			f.rule = p
		}
	}
	if ok && special.treat == drop {
		f.rule = special
	}
	if f.rule.entity != scan.None {
		f.op = b.profile.Entity(f.rule.entity)
	}
	if len(children) > 0 {
		f.child = b.node(children)
	}
	return f
}

// ruleFor returns the most exact rule for an element.
func ruleFor(d definition) (rule, bool) {
	if d.owner == "Resource" && d.name == "id" {
		return rule{ident, scan.Unique}, true
	}
	if r, ok := rules[d.owner+"."+d.name]; ok {
		return r, true
	}
	if slices.Contains(d.types, "string") || slices.Contains(d.types, "markdown") {
		if r, ok := rules[d.owner+".*"]; ok {
			return r, true
		}
	}
	r, ok := rules["*."+d.name]
	return r, ok
}

// finish numbers the fields and returns what the mask needs.
func (b *builder) finish() (resources map[string]*node, codes map[string]struct{}, fields []*field) {
	resources = make(map[string]*node)
	seen := make(map[*node]bool)
	var visit func(n *node)
	visit = func(n *node) {
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		n.index()
		for _, name := range slices.Sorted(maps.Keys(n.fields)) {
			f := n.fields[name]
			f.id = len(fields)
			fields = append(fields, f)
			visit(f.child)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.resources)) {
		resources[name] = b.nodes[name]
		visit(resources[name])
	}
	return resources, b.codes, fields
}
