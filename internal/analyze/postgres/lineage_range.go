// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres/nodetree"
)

// The kinds of range table entry (RTEKind of nodes/parsenodes.h).
const (
	rteRelation = iota
	rteSubquery
	rteJoin
	rteFunction
	rteTableFunc
	rteValues
	rteCTE
	rteTuplestore
	rteResult
	rteGroup // since 18
)

// maxWidth bounds how many columns an entry may have; tables have at most 1600,
// joins of several more.
const maxWidth = 100_000

// rangeField lists the fields of RangeTblEntry that are followed, or that hold
// nothing to follow.
func rangeField(name string) bool {
	switch name {
	case "alias", "eref", "tablesample", "subquery", "joinaliasvars", "join_using_alias", "functions", "tablefunc",
		"values_lists", "securityQuals", "groupexprs", "coltypes":
		return true
	}
	return false
}

func (l *lineage) rangeTable(n *nodetree.Node, q *context) error {
	list, err := l.list(n, "rtable")
	if err != nil {
		return err
	}
	// All entries first: expressions of one refer to others (LATERAL).
	for _, r := range list {
		e, err := l.entry(r, q)
		if err != nil {
			return err
		}
		q.entries = append(q.entries, e)
	}
	for _, e := range q.entries {
		if err := l.source(e); err != nil {
			return err
		}
	}
	return nil
}

func (l *lineage) entry(n *nodetree.Node, q *context) (*entry, error) {
	if n.Name != "RANGETBLENTRY" && n.Name != "RTE" {
		return nil, l.fail("a range table entry of another kind")
	}
	for _, f := range n.Fields {
		if (f.Value.Kind == nodetree.Object || f.Value.Kind == nodetree.List && f.Value.Tag == 0) && !rangeField(f.Name) {
			return nil, l.fail("a range table entry has a field that is not known")
		}
	}
	kind, err := l.num(n, "rtekind")
	if err != nil {
		return nil, err
	}
	e := &entry{kind: kind, node: n, owner: q, columns: map[int64]*cell{}}
	eref, err := l.field(n, "eref")
	if err != nil {
		return nil, err
	}
	if eref.Kind == nodetree.Object {
		names, _ := eref.Node.Get("colnames")
		e.width = len(names.Items)
	}
	if e.width > maxWidth {
		return nil, l.fail("too many columns")
	}
	switch kind {
	case rteRelation:
		oid, err := l.num(n, "relid")
		if err != nil {
			return nil, err
		}
		if oid <= 0 || oid > 1<<32-1 {
			return nil, l.fail("a relation without OID")
		}
		e.relid = uint32(oid)
	case rteSubquery:
		// Since 16 the entry of an expanded view keeps the view's OID.
		if v, ok := n.Get("relid"); ok {
			if oid, ok := v.Int(); ok && oid > 0 && oid <= 1<<32-1 {
				e.relid = uint32(oid)
			}
		}
	}
	if e.relid != 0 {
		if _, ok := l.cat.Relation(e.relid); !ok {
			l.missing[e.relid] = true
		}
	}
	return e, nil
}

// source walks what an entry draws its columns from.
func (l *lineage) source(e *entry) error {
	q := e.owner
	if v, ok := e.node.Get("securityQuals"); ok {
		if err := l.expr(v, q, q.preds); err != nil {
			return err
		}
	}
	switch e.kind {
	case rteRelation:
		if v, ok := e.node.Get("tablesample"); ok {
			return l.expr(v, q, q.preds)
		}
		return nil
	case rteSubquery:
		v, err := l.field(e.node, "subquery")
		if err != nil {
			return err
		}
		if v.Kind != nodetree.Object || v.Node.Name != "QUERY" {
			return l.fail("a subquery of another kind")
		}
		e.query, err = l.query(v.Node, q)
		return err
	case rteCTE:
		return l.commonTable(e)
	case rteFunction:
		return l.shared(e, "functions")
	case rteTableFunc:
		return l.shared(e, "tablefunc")
	case rteValues:
		return l.values(e)
	case rteJoin, rteResult, rteGroup:
		return nil // followed when a Var refers to it
	case rteTuplestore:
		e.whole = &cell{unknown: "rows that only a trigger knows"}
		return nil
	}
	return l.fail("a range table entry of another kind")
}

func (l *lineage) shared(e *entry, field string) error {
	v, err := l.field(e.node, field)
	if err != nil {
		return err
	}
	e.whole = &cell{}
	return l.expr(v, e.owner, e.whole)
}

// commonTable finds the query that an entry names. Names are compared with line
// breaks read as spaces, since the format cannot tell them apart; two that are
// the same then cannot be told apart either.
func (l *lineage) commonTable(e *entry) error {
	up, err := l.num(e.node, "ctelevelsup")
	if err != nil {
		return err
	}
	name, err := l.field(e.node, "ctename")
	if err != nil {
		return err
	}
	at, err := l.up(e.owner, up)
	if err != nil {
		return err
	}
	for _, c := range at.ctes {
		if c.name != spaced(name.Text) {
			continue
		}
		if e.query != nil {
			return l.fail("two common table expressions that cannot be told apart")
		}
		e.query = c.query
	}
	if e.query == nil {
		return l.fail("a common table expression that is not there")
	}
	return nil
}

// up goes some query levels outwards.
func (l *lineage) up(q *context, levels int64) (*context, error) {
	for ; levels > 0 && q != nil; levels-- {
		q = q.parent
	}
	if q == nil || levels < 0 {
		return nil, l.fail("a reference past the outermost query")
	}
	return q, nil
}

func (l *lineage) values(e *entry) error {
	v, err := l.field(e.node, "values_lists")
	if err != nil {
		return err
	}
	if v.Kind != nodetree.List {
		return l.fail("VALUES of another kind")
	}
	for _, row := range v.Items {
		if row.Kind != nodetree.List || row.Tag != 0 {
			return l.fail("VALUES of another kind")
		}
		for i, item := range row.Items {
			c := e.columns[int64(i+1)]
			if c == nil {
				c = &cell{}
				e.columns[int64(i+1)] = c
			}
			if err := l.expr(item, e.owner, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// column returns the cell of an entry's column. 0 stands for the whole row,
// negative numbers for system columns, which hold no data.
func (l *lineage) column(e *entry, number int64) (*cell, error) {
	if number < 0 && (e.kind == rteRelation || e.kind == rteSubquery) {
		return &cell{}, nil
	}
	if number < 0 || number > maxWidth {
		return nil, l.fail("a column that cannot be")
	}
	if c := e.columns[number]; c != nil {
		return c, nil
	}
	c := &cell{}
	e.columns[number] = c
	if number == 0 {
		return c, l.wholeRow(e, c)
	}
	switch e.kind {
	case rteRelation:
		if number > 1<<15-1 {
			return nil, l.fail("a column that cannot be")
		}
		c.base, c.entry = []ColumnRef{{e.relid, int16(number)}}, e
	case rteSubquery, rteCTE:
		c.copied, c.entry = true, e
		l.pending = append(l.pending, pending{c, e.query, number})
	case rteJoin:
		return c, l.element(e, "joinaliasvars", number, c)
	case rteGroup:
		return c, l.element(e, "groupexprs", number, c)
	case rteFunction, rteTableFunc, rteTuplestore:
		c.from(e.whole)
	default:
		c.mark("a column of something that has none")
	}
	return c, nil
}

// element walks one expression of a list field.
func (l *lineage) element(e *entry, field string, number int64, c *cell) error {
	v, err := l.field(e.node, field)
	if err != nil {
		return err
	}
	if v.Kind != nodetree.List || number > int64(len(v.Items)) {
		return l.fail("a reference past the columns of a join or group")
	}
	c.copied = isColumn(v.Items[number-1])
	return l.expr(v.Items[number-1], e.owner, c)
}

// wholeRow makes c derive from every column of e.
func (l *lineage) wholeRow(e *entry, c *cell) error {
	if e.kind == rteRelation {
		r, ok := l.cat.Relation(e.relid)
		if !ok {
			c.mark("a row of a relation that is not in the catalog")
			return nil
		}
		for a, column := range r.Columns {
			if !column.Dropped {
				c.base = append(c.base, ColumnRef{e.relid, a})
			}
		}
		return nil
	}
	if e.whole != nil {
		c.from(e.whole)
		return nil
	}
	width := e.width
	if e.kind == rteValues {
		width = max(width, len(e.columns)-1)
	}
	if width == 0 && e.kind != rteResult {
		c.mark("a row whose columns are not known")
	}
	for i := range width {
		column, err := l.column(e, int64(i+1))
		if err != nil {
			return err
		}
		c.from(column)
	}
	return nil
}
