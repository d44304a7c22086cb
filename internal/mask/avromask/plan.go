// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package avromask

import (
	"encoding/json"

	"github.com/sallyport-dev/sallyport/internal/mask/column"
)

// node is a type at one place of the schema, with what is done to its values there.
// A type that contains itself is one node at all depths.
type node struct {
	schema   *schema
	col      column.Column // of types that hold values
	children []*node       // fields, branches, or the one item
	key      *column.Column
	null     int // of unions: the branch that is null, or -1
}

// plan is what is done to the data of one file.
type plan struct {
	root   *node
	text   []byte // the schema of the masked file
	learns bool
}

// planner makes the nodes.
type planner struct {
	rules *column.Rules
	work  *column.Work
	open  map[*named]*node // records around the current one
	count int
	plan  *plan
}

// plan reads a schema and decides about everything in it.
func (m *Masker) plan(text []byte, w *column.Work) (*plan, error) {
	s, err := parseSchema(text)
	if err != nil {
		return nil, err
	}
	p := &planner{rules: m.rules, work: w, open: map[*named]*node{}, plan: &plan{}}
	if p.plan.root, err = p.node(s, nil); err != nil {
		return nil, err
	}
	out := &writer{rules: m.rules, work: w, names: map[string]string{}}
	if p.plan.text, err = json.Marshal(out.write(s)); err != nil {
		return nil, broken("its schema cannot be written again")
	}
	return p.plan, nil
}

func (p *planner) node(s *schema, path []string) (*node, error) {
	if p.count++; p.count > maxTypes || len(path) > maxSchemaDepth {
		return nil, broken("its schema is too large")
	}
	n := &node{schema: s, null: -1}
	switch s.kind {
	case kRecord:
		return p.record(n, path)
	case kUnion:
		for i, b := range s.branches {
			if b.kind == kNull {
				n.null = i
			}
		}
		return n, p.children(n, s.branches, path)
	case kArray:
		return n, p.children(n, []*schema{s.items}, path)
	case kMap:
		c := p.column(join(path, "key"))
		n.key = &c
		return n, p.children(n, []*schema{s.items}, path)
	}
	n.col = p.column(path)
	if s.kind == kEnum && !s.named.masked {
		s.named.masked = p.hides(n)
	}
	return n, nil
}

func join(path []string, name string) []string {
	return append(path[:len(path):len(path)], name)
}

func (p *planner) column(path []string) column.Column {
	c := p.rules.Nested(path, p.count)
	p.plan.learns = p.plan.learns || c.Learns()
	return c
}

func (p *planner) children(n *node, of []*schema, path []string) error {
	for _, s := range of {
		c, err := p.node(s, path)
		if err != nil {
			return err
		}
		n.children = append(n.children, c)
	}
	return nil
}

func (p *planner) record(n *node, path []string) (*node, error) {
	def := n.schema.named
	if around := p.open[def]; around != nil {
		return around, nil
	}
	p.open[def] = n
	defer delete(p.open, def)
	for _, f := range def.fields {
		c, err := p.node(f.typ, join(path, f.name))
		if err != nil {
			return nil, err
		}
		n.children = append(n.children, c)
	}
	return n, nil
}

// hides reports whether the symbols of an enumeration may not be shown: its values
// are masked, or there is something in a symbol.
func (p *planner) hides(n *node) bool {
	if n.col.Shown {
		return false
	}
	p.work.Text.Known.Reset()
	for _, symbol := range n.schema.named.symbols {
		if n.col.Op != nil || p.rules.Name(symbol, p.work.Text) == "" {
			return true
		}
	}
	return false
}
