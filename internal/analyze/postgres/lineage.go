// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres/nodetree"
)

// The oldest and newest major release whose trees are known. A newer one may
// number its node kinds differently, so that its trees are not to be trusted.
const (
	OldestMajor = 14
	NewestMajor = 18
)

// Supported reports whether the trees and the catalogue of a major release are
// known.
func Supported(major int) bool { return major >= OldestMajor && major <= NewestMajor }

// errUnknown is the cause of every failure to follow a tree.
var errUnknown = errors.New("lineage unknown")

// Lineage follows a rewritten query tree, as the server prints it, from its
// output columns to the base columns. The plan holds for the catalog snapshot
// that cat answers from.
//
// An error (kind Integrity) means that the tree could not be read with
// certainty: every output of the statement is unknown then. The error names
// parts of PostgreSQL's format only, no value and no name of the client's.
func Lineage(tree string, cat Catalog) (*Plan, error) {
	const op = "read query tree"
	if p := utilityTree(tree); p != nil {
		return p, nil
	}
	v, err := nodetree.Parse(tree)
	if err != nil {
		return nil, sallyport.E(sallyport.Integrity, op, "the server's query tree cannot be read").Because(err)
	}
	l := &lineage{cat: cat, functions: map[uint32]verdict{}, relations: map[relationKey]map[int16]bool{}, missing: map[uint32]bool{}}
	p, err := l.plan(v)
	if err != nil {
		return nil, sallyport.E(sallyport.Integrity, op, "the server's query tree cannot be followed").Because(err)
	}
	return p, nil
}

// utilityTree recognises the tree of a utility statement, whose inside differs
// between the releases and tells nothing of rows.
func utilityTree(tree string) *Plan {
	head := strings.Join(strings.Fields(tree[:min(len(tree), 60)]), " ")
	switch {
	case strings.HasPrefix(head, "({QUERY :commandType 6 "):
	case strings.HasPrefix(head, "({QUERY :commandType 5 ") && !strings.Contains(tree, ":mergeActionList"):
		// 14 has no MERGE, and its number for utility statements.
	default:
		return nil
	}
	return &Plan{Command: CommandUtility}
}

// cell is a value that can be traced: an output column, a column of a range
// table entry, the predicates of a query. It derives from base columns directly
// and from other cells; cycles (recursive queries) are allowed.
type cell struct {
	base    []ColumnRef
	next    []*cell
	unknown string
	// copied says that the value is that of the only next, unchanged; union that it
	// is that of one of all next.
	copied, union bool
	// entry is what the cell is a column of, for tables and subqueries.
	entry *entry
}

// direct reports whether a cell's value is that of one base column, unchanged,
// and through which entries it came. Of each entry a row of the answer sees one
// row, so that what came through the same ones is of the same row. A cycle is
// none.
func (c *cell) direct() (through []*entry, ok bool) {
	for range maxCopies {
		if c.entry != nil {
			through = append(through, c.entry)
		}
		switch {
		case c.unknown != "":
			return nil, false
		case len(c.next) == 0:
			return through, len(c.base) == 1
		case len(c.next) > 1 || len(c.base) > 0 || !c.copied:
			return nil, false
		}
		c = c.next[0]
	}
	return nil, false
}

// maxCopies bounds through how many queries a column is followed as unchanged.
const maxCopies = 256

// isColumn reports whether an expression is a column as it is. The whole row of
// something is none: it has number 0.
func isColumn(v nodetree.Value) bool {
	if v.Kind != nodetree.Object || v.Node.Name != "VAR" {
		return false
	}
	number, ok := v.Node.Get("varattno")
	n, isInt := number.Int()
	return ok && isInt && n > 0
}

func (c *cell) from(o *cell) { c.next = append(c.next, o) }

func (c *cell) mark(why string) {
	if c.unknown == "" {
		c.unknown = why
	}
}

// reach gathers the base columns of all cells that can be reached.
func reach(cells ...*cell) (columns []ColumnRef, unknown string) {
	seen := make(map[*cell]bool, len(cells))
	stack := slices.Clone(cells)
	for len(stack) > 0 {
		c := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if c == nil || seen[c] {
			continue
		}
		seen[c] = true
		columns = append(columns, c.base...)
		if unknown == "" {
			unknown = c.unknown
		}
		stack = append(stack, c.next...)
	}
	slices.SortFunc(columns, compareColumns)
	return slices.Compact(columns), unknown
}

func compareColumns(a, b ColumnRef) int {
	return cmp.Or(cmp.Compare(a.Relation, b.Relation), cmp.Compare(a.Attnum, b.Attnum))
}

type relationKey struct {
	oid    uint32
	effect sallyport.Effect
}

// lineage is the state of one walk.
type lineage struct {
	cat       Catalog
	merge     bool // the tree knows MERGE: release 15 or newer
	functions map[uint32]verdict
	calls     []Call
	relations map[relationKey]map[int16]bool
	missing   map[uint32]bool
	contexts  []*context // every query of the tree
	flows     []flow
	pending   []pending
	refused   string
}

// pending is a cell that stands for an output of a query which may not have
// been walked yet, as happens in a recursive one.
type pending struct {
	cell   *cell
	query  *context
	number int64 // from 1
}

// flow is one assignment.
type flow struct {
	target ColumnRef
	from   *cell
}

// context is one Query node with what its expressions refer to.
type context struct {
	parent  *context
	command Command
	result  int // index of the result relation, from 1; 0 for none
	entries []*entry
	ctes    []cte
	outs    []*cell         // columns that it returns
	names   []string        // their names
	preds   *cell           // what decides its rows
	targets map[int64]*cell // target list by ressortgroupref
	writes  map[int64]*cell // target list by resno, for INSERT
	multi   *cell           // sources of UPDATE (a, b) = (SELECT ...)
	// excluded is the index of ON CONFLICT's EXCLUDED entry, from 1.
	excluded int
	canTag   bool
	equal    [][2]*cell     // columns that a condition makes equal in every row
	set      map[int16]bool // columns of the result relation that rows get anew
	windows  bool           // rows see other rows
}

type cte struct {
	name  string
	query *context
}

// entry is one range table entry.
type entry struct {
	kind    int64
	node    *nodetree.Node
	owner   *context
	relid   uint32
	query   *context // subquery, or the query of a common table expression
	columns map[int64]*cell
	whole   *cell // shared source of all columns, for functions and the like
	width   int   // number of columns by its eref
}

func (l *lineage) fail(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUnknown, fmt.Sprintf(format, args...))
}

// plan walks the list of queries that one statement was rewritten to.
func (l *lineage) plan(v nodetree.Value) (*Plan, error) {
	p := &Plan{Command: CommandNothing}
	if v.Kind == nodetree.Null {
		return p, nil
	}
	if v.Kind != nodetree.List || len(v.Items) == 0 {
		return nil, l.fail("no list of queries at the top")
	}
	var answering []*context
	for i, item := range v.Items {
		if item.Kind != nodetree.Object || item.Node.Name != "QUERY" {
			return nil, l.fail("no query at the top")
		}
		_, l.merge = item.Node.Get("mergeActionList")
		q, err := l.query(item.Node, nil)
		if err != nil {
			return nil, err
		}
		if i == 0 || q.canTag {
			p.Command = q.command
		}
		if q.outs != nil {
			answering = append(answering, q)
		}
	}
	for _, w := range l.pending {
		if w.number > int64(len(w.query.outs)) {
			w.cell.mark("a column that its query does not return")
			continue
		}
		w.cell.from(w.query.outs[w.number-1])
	}
	if len(answering) > 1 {
		p.Refused = "a rule makes the statement return more than one set of rows"
		p.Hint = "address the base table instead of the view or table with the rule"
	}
	l.finish(p, answering)
	return p, nil
}

// finish turns the cells into the plan's lists.
func (l *lineage) finish(p *Plan, answering []*context) {
	if p.Refused == "" && l.refused != "" {
		p.Refused = l.refused
	}
	var all []ColumnRef
	var rows [][]*entry // by number
	if len(answering) > 0 {
		p.HasRows = true
		for i, c := range answering[0].outs {
			o := PlanOutput{Name: answering[0].names[i]}
			o.Columns, o.Unknown = reach(c)
			var row []*entry
			if row, o.Direct = c.direct(); o.Direct {
				at := slices.IndexFunc(rows, func(r []*entry) bool { return slices.Equal(r, row) })
				if at < 0 {
					at, rows = len(rows), append(rows, row)
				}
				o.Row = at + 1
			}
			all = append(all, o.Columns...)
			p.Outputs = append(p.Outputs, o)
		}
	}
	preds := make([]*cell, len(l.contexts))
	for i, q := range l.contexts {
		preds[i] = q.preds
	}
	p.Predicates, _ = reach(preds...)
	all = append(all, p.Predicates...)
	for _, f := range l.flows {
		columns, unknown := reach(f.from)
		all = append(all, columns...)
		if len(columns) > 0 || unknown != "" {
			_, direct := f.from.direct()
			p.Flows = append(p.Flows, PlanFlow{Target: f.target, Columns: columns, Direct: direct, Unknown: unknown})
		}
	}
	p.Calls = l.calls
	l.uses(p, all)
	l.occurrences(p, answering)
	for oid := range l.missing {
		p.Missing = append(p.Missing, oid)
	}
	slices.Sort(p.Missing)
}

// uses lists the relations with the columns read from each.
func (l *lineage) uses(p *Plan, read []ColumnRef) {
	for _, c := range read {
		l.use(c.Relation, sallyport.Read, c.Attnum)
	}
	for k, columns := range l.relations {
		u := RelationUse{Relation: k.oid, Effect: k.effect}
		for a := range columns {
			u.Columns = append(u.Columns, a)
		}
		slices.Sort(u.Columns)
		p.Relations = append(p.Relations, u)
	}
	slices.SortFunc(p.Relations, func(a, b RelationUse) int {
		return cmp.Or(cmp.Compare(a.Relation, b.Relation), cmp.Compare(a.Effect, b.Effect))
	})
}

func (l *lineage) use(oid uint32, e sallyport.Effect, columns ...int16) {
	k := relationKey{oid, e}
	if l.relations[k] == nil {
		l.relations[k] = map[int16]bool{}
	}
	for _, a := range columns {
		if a > 0 {
			l.relations[k][a] = true
		}
	}
}

// Absorb adds what a tree says that the server printed while it ran a
// statement: the query inside a function, say. Such a tree only ever adds: its
// columns join every output, so that a client who makes the server print one
// cannot lift a mask.
func (p *Plan) Absorb(inner *Plan) {
	if p.Refused == "" {
		p.Refused, p.Hint = inner.Refused, inner.Hint
	}
	var sources []ColumnRef
	unknown := ""
	for _, o := range inner.Outputs {
		sources = append(sources, o.Columns...)
		unknown = cmp.Or(unknown, o.Unknown)
	}
	for i := range p.Outputs {
		o := &p.Outputs[i]
		if len(sources) > 0 || unknown != "" {
			o.Direct, o.Row, o.Origins = false, 0, nil
		}
		o.Columns = union(o.Columns, sources)
		o.Unknown = cmp.Or(o.Unknown, unknown)
	}
	p.Predicates = union(p.Predicates, inner.Predicates)
	p.Flows = append(p.Flows, inner.Flows...)
	p.Calls = append(p.Calls, inner.Calls...)
	p.Missing = append(p.Missing, inner.Missing...)
	p.Relations = append(p.Relations, inner.Relations...)
	for _, o := range inner.Occurrences {
		o.Shown = nil
		p.Occurrences = append(p.Occurrences, o)
	}
}

// Explained is the plan of EXPLAIN of p's statement, which returns text. The
// text holds the statement's own constants and estimates that are drawn from the
// columns of its predicates, and it may hold the result of a function that the
// planner ran.
func (p *Plan) Explained() *Plan {
	e := *p
	e.HasRows = true
	o := PlanOutput{Name: "QUERY PLAN", Columns: p.Predicates}
	if len(p.Calls) > 0 {
		o.Unknown = "the plan may show the result of a function that is not known to be pure"
	}
	e.Outputs = []PlanOutput{o}
	return &e
}

func union(a, b []ColumnRef) []ColumnRef {
	out := append(slices.Clone(a), b...)
	slices.SortFunc(out, compareColumns)
	return slices.Compact(out)
}
