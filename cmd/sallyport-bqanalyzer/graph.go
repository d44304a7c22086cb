// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/wire/bqanalyzer"
)

// maxPath is the deepest field access that is followed; BigQuery nests 15 levels.
const maxPath = 32

// op is what a node makes of its arguments.
type op uint8

const (
	opNone   op = iota // no column takes part
	opBase             // a table's column
	opColumn           // a column of the resolved tree, by its id
	opField            // a field of args[0]
	opStruct           // a struct of args
	opDerive           // anything computed of args
	opElem             // an element of the array args[0], chosen by the other args
	opChoice           // one of args, unchanged
	opShape            // how many elements the array args[0] has
)

// node is a value of the statement, reduced to where it comes from.
type node struct {
	op    op
	id    int32 // opColumn
	table int   // opBase
	index int   // opBase: the column; opField: the field
	args  []*node
}

// graph holds how each column of the resolved tree is defined. A column of a
// union or of a recursion has several definitions.
type graph struct {
	tables  []bqanalyzer.Table
	views   map[int]view // by table, for tables that are views
	columns map[int32][]*node
}

// view is the lineage of a view's query.
type view struct {
	outputs    []bqanalyzer.Output
	raises     []bool // which outputs' computation can fail
	predicates []bqanalyzer.Ref
}

func derive(args ...*node) *node {
	args = slices.DeleteFunc(args, func(n *node) bool { return n == nil || n.op == opNone })
	if len(args) == 0 {
		return &node{}
	}
	return &node{op: opDerive, args: args}
}

func column(id int32) *node { return &node{op: opColumn, id: id} }

func (g *graph) define(id int32, n *node) {
	if n != nil {
		g.columns[id] = append(g.columns[id], n)
	}
}

// place is a node together with the fields that are taken of its value.
type place struct {
	n    *node
	path []int
}

func (p place) key() string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(int(p.n.id)))
	for _, i := range p.path {
		b.WriteByte('.')
		b.WriteString(strconv.Itoa(i))
	}
	return b.String()
}

// sources returns every base column from which n's value can derive, sorted. It
// is false when a column has no definition or the tree is not what it should be.
func (g *graph) sources(n *node) ([]bqanalyzer.Ref, bool) {
	var out []bqanalyzer.Ref
	seen := make(map[string]bool)
	pending := []place{{n: n}}
	for len(pending) > 0 {
		p := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if len(p.path) > maxPath {
			return nil, false
		}
		switch p.n.op {
		case opBase:
			refs, ok := g.base(p)
			if !ok {
				return nil, false
			}
			out = append(out, refs...)
		case opColumn:
			if k := p.key(); seen[k] {
				continue
			} else {
				seen[k] = true
			}
			defs := g.columns[p.n.id]
			if len(defs) == 0 {
				return nil, false
			}
			for _, d := range defs {
				pending = append(pending, place{d, p.path})
			}
		case opShape:
			if ref, ok := g.direct(p.n.args[0]); ok {
				ref.Shape = true
				out = append(out, ref)
			} else {
				pending = append(pending, place{n: p.n.args[0]})
			}
		default:
			next, ok := p.step()
			if !ok {
				return nil, false
			}
			pending = append(pending, next...)
		}
	}
	return tidy(out), true
}

// step goes from a node to its arguments.
func (p place) step() ([]place, bool) {
	var out []place
	switch p.n.op {
	case opNone:
	case opField:
		out = append(out, place{p.n.args[0], append([]int{p.n.index}, p.path...)})
	case opStruct:
		if len(p.path) > 0 {
			if p.path[0] >= len(p.n.args) {
				return nil, false
			}
			return []place{{p.n.args[p.path[0]], p.path[1:]}}, true
		}
		for _, a := range p.n.args {
			out = append(out, place{n: a})
		}
	case opDerive:
		for _, a := range p.n.args {
			out = append(out, place{n: a})
		}
	case opElem:
		out = append(out, place{p.n.args[0], p.path})
		for _, a := range p.n.args[1:] {
			out = append(out, place{n: a})
		}
	case opChoice:
		for _, a := range p.n.args {
			out = append(out, place{a, p.path})
		}
	default:
		return nil, false
	}
	return out, true
}

// base names a table's column, or what a view's column derives from.
func (g *graph) base(p place) ([]bqanalyzer.Ref, bool) {
	if v, ok := g.views[p.n.table]; ok {
		if p.n.index >= len(v.outputs) {
			return nil, false
		}
		return v.outputs[p.n.index].Sources, true
	}
	ref, ok := g.name(p)
	return []bqanalyzer.Ref{ref}, ok
}

func (g *graph) name(p place) (bqanalyzer.Ref, bool) {
	fields := g.tables[p.n.table].Columns
	ref := bqanalyzer.Ref{Table: p.n.table}
	for _, i := range append([]int{p.n.index}, p.path...) {
		if i < 0 || i >= len(fields) {
			return ref, false
		}
		ref.Path = append(ref.Path, fields[i].Name)
		fields = fields[i].Fields
	}
	return ref, true
}

// direct returns the base column whose value n is, unchanged.
func (g *graph) direct(n *node) (bqanalyzer.Ref, bool) {
	p := place{n: n}
	for range 10_000 {
		switch p.n.op {
		case opBase:
			if v, ok := g.views[p.n.table]; ok {
				if len(p.path) > 0 || p.n.index >= len(v.outputs) || !v.outputs[p.n.index].Direct {
					return bqanalyzer.Ref{}, false
				}
				return v.outputs[p.n.index].Sources[0], true
			}
			return g.name(p)
		case opColumn:
			defs := g.columns[p.n.id]
			if len(defs) != 1 {
				return bqanalyzer.Ref{}, false
			}
			p.n = defs[0]
		case opField, opStruct:
			if p.n.op == opStruct && len(p.path) == 0 {
				return bqanalyzer.Ref{}, false
			}
			next, ok := p.step()
			if !ok {
				return bqanalyzer.Ref{}, false
			}
			p = next[0]
		default:
			return bqanalyzer.Ref{}, false
		}
	}
	return bqanalyzer.Ref{}, false
}

// tidy sorts refs and drops what is there twice.
func tidy(refs []bqanalyzer.Ref) []bqanalyzer.Ref {
	slices.SortFunc(refs, func(a, b bqanalyzer.Ref) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), slices.Compare(a.Path, b.Path), cmpBool(a.Shape, b.Shape))
	})
	// What counts whole need not count by its shape as well.
	return slices.CompactFunc(refs, func(a, b bqanalyzer.Ref) bool {
		return a.Table == b.Table && slices.Equal(a.Path, b.Path)
	})
}

// cmpBool puts false first.
func cmpBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
