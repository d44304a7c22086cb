// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"cmp"
	"slices"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres/nodetree"
)

// Whose rows an answer is made of is a question about places, not about tables: of
// two readings of one table the answer may show the key of one and not of the
// other. A place is a way of range table entries, from the statement's own down to
// the table's.
//
// What an output shows holds for all rows of a place that have a part in a row of
// the answer, for the output is the value of a column of the place: a query that
// groups or makes distinct does so by that value, one that aggregates without
// grouping by it does not return it. Only a window function lets a row of the
// answer tell of rows that are not its own.

// maxPlaces bounds the places of a statement; with more nothing is known of any.
const maxPlaces = 4096

// changes notes that rows of the result relation get another value in a column.
func (q *context) changes(attnum int16) {
	if q.set == nil {
		q.set = map[int16]bool{}
	}
	q.set[attnum] = true
}

// onlyUnion reports whether a tree of set operations has no other than UNION. The
// rows of the right side of EXCEPT, say, do not come out.
func onlyUnion(v nodetree.Value) bool {
	if v.Kind != nodetree.Object {
		return false
	}
	if v.Node.Name == "RANGETBLREF" {
		return true
	}
	number, _ := v.Node.Get("op")
	op, ok := number.Int()
	left, _ := v.Node.Get("larg")
	right, _ := v.Node.Get("rarg")
	return ok && op == setUnion && onlyUnion(left) && onlyUnion(right)
}

// setUnion is SETOP_UNION of nodes/parsenodes.h.
const setUnion = 1

// equalOperator reports whether an operator is one of the built-in ones whose
// operands have one canonical form when they are equal (pg_operator.dat): those of
// integers, numeric, text, bpchar, name and uuid.
func equalOperator(oid int64) bool {
	switch oid {
	case 94, 96, 410, 15, 416, 532, 533, 1862, 1868, // int2, int4 and int8, among each other
		1752, 98, 1054, 93, 254, 260, 607, 2972: // numeric, text, bpchar, name (also with text), oid, uuid
		return true
	}
	return false
}

// plainCollation reports whether texts that are equal under a collation are the
// same bytes: none, the database's own, "C" and "POSIX". Others may be
// nondeterministic.
func plainCollation(oid int64) bool { return oid == 0 || oid == 100 || oid == 950 || oid == 951 }

// equalities notes the columns that a condition makes equal: it, or each part of it
// that is joined by AND, compares two columns of this query.
func (l *lineage) equalities(v nodetree.Value, q *context) error {
	if v.Kind == nodetree.List {
		for _, item := range v.Items {
			if err := l.equalities(item, q); err != nil {
				return err
			}
		}
		return nil
	}
	if v.Kind != nodetree.Object {
		return nil
	}
	n := v.Node
	switch n.Name {
	case "BOOLEXPR":
		if op, ok := n.Get("boolop"); !ok || op.Text != "and" {
			return nil
		}
		args, err := l.field(n, "args")
		if err != nil {
			return err
		}
		return l.equalities(args, q)
	case "OPEXPR":
		return l.equality(n, q)
	}
	return nil
}

func (l *lineage) equality(n *nodetree.Node, q *context) error {
	op, err := l.num(n, "opno")
	if err != nil {
		return err
	}
	collation, err := l.num(n, "inputcollid")
	if err != nil {
		return err
	}
	args, err := l.list(n, "args")
	if err != nil || len(args) != 2 || !equalOperator(op) || !plainCollation(collation) {
		return err
	}
	var pair [2]*cell
	for i, a := range args {
		if a.Name == "RELABELTYPE" { // varchar as text
			inner, err := l.field(a, "arg")
			if err != nil {
				return err
			}
			if inner.Kind != nodetree.Object {
				return nil
			}
			a = inner.Node
		}
		if a.Name != "VAR" || !isColumn(nodetree.Value{Kind: nodetree.Object, Node: a}) {
			return nil
		}
		levels, err := l.num(a, "varlevelsup")
		if err != nil || levels != 0 {
			return err
		}
		c := &cell{copied: true}
		if err := l.variable(a, q, c); err != nil {
			return err
		}
		pair[i] = c
	}
	q.equal = append(q.equal, pair)
	return nil
}

// place is a column of a place.
type place struct {
	way    string // the numbers of the entries
	attnum int16
}

// places is the state of one search for occurrences.
type places struct {
	l       *lineage
	numbers map[*entry]rune
	found   []occurrence
	seen    map[*context]bool
	equal   map[place]place // a forest; its roots stand for classes
	lost    bool            // nothing is known of any place
}

// occurrence is a place with what is needed to complete it.
type occurrence struct {
	way    string
	entry  *entry
	effect sallyport.Effect
	set    map[int16]bool
	blind  bool // rows of the answer tell of other rows of it as well
}

// occurrences lists where the statement reaches tables and which outputs tell of
// the rows there.
func (l *lineage) occurrences(p *Plan, answering []*context) {
	s := &places{l: l, numbers: map[*entry]rune{}, seen: map[*context]bool{}, equal: map[place]place{}}
	if len(answering) == 1 {
		s.walk(answering[0], "", nil, false)
	}
	for _, q := range l.contexts { // sublinks, statements that return nothing, and the like
		if !s.seen[q] {
			s.tables(q, "", true)
		}
	}
	shown := map[place][]int{} // by the root of the class
	if len(answering) == 1 && !s.lost {
		for i, out := range answering[0].outs {
			at, refs := s.origins(out, "", 0)
			p.Outputs[i].Origins = refs
			for _, x := range at {
				root := s.root(x)
				shown[root] = append(shown[root], i)
			}
		}
	}
	for _, o := range s.found {
		p.Occurrences = append(p.Occurrences, s.complete(o, shown))
	}
	slices.SortStableFunc(p.Occurrences, func(a, b Occurrence) int { return cmp.Compare(a.Relation, b.Relation) })
}

// walk lists the tables of a query that is reached by way, and of those it draws
// on. The rows of a recursive query tell of rows of several turns.
func (s *places) walk(q *context, way string, above []*context, blind bool) {
	if len(s.found) > maxPlaces || len(above) > maxCopies {
		s.lost = true
		return
	}
	s.seen[q] = true
	if slices.Contains(above, q) {
		s.lost = true
		return
	}
	above = append(above[:len(above):len(above)], q)
	blind = blind || q.windows
	// What a common table expression writes is written though it is not read.
	s.tables(q, way, blind || len(above) > 1 && q.result != 0)
	for _, e := range q.entries {
		if e.query != nil && (e.kind == rteSubquery || e.kind == rteCTE) {
			s.walk(e.query, way+s.number(e), above, blind)
		}
	}
	for _, pair := range q.equal {
		a, _ := s.origins(pair[0], way, 0)
		b, _ := s.origins(pair[1], way, 0)
		if len(a) == 1 && len(b) == 1 {
			s.equal[s.root(a[0])] = s.root(b[0])
		}
	}
}

// tables lists the tables of one query.
func (s *places) tables(q *context, way string, blind bool) {
	for i, e := range q.entries {
		if e.kind != rteRelation || i+1 == q.excluded {
			continue
		}
		o := occurrence{way: way + s.number(e), entry: e, effect: sallyport.Read, blind: blind}
		if i+1 == q.result {
			o.set = q.set
			switch q.command {
			case CommandInsert, CommandUpdate, CommandMerge:
				o.effect = sallyport.Write
			case CommandDelete:
				o.effect = sallyport.Delete
			}
		} else if r, ok := s.l.cat.Relation(e.relid); ok && r.Kind == 'v' {
			continue // what a view reads is in its query
		}
		s.found = append(s.found, o)
	}
}

// number returns what stands for an entry in a way.
func (s *places) number(e *entry) string {
	n, ok := s.numbers[e]
	if !ok {
		n = rune(len(s.numbers) + 1)
		s.numbers[e] = n
	}
	return string([]byte{byte(n >> 16), byte(n >> 8), byte(n)})
}

// origins returns the columns of places that a cell, seen from the query at way,
// has the value of, unchanged; none when it may have another.
func (s *places) origins(c *cell, way string, depth int) (at []place, refs []ColumnRef) {
	for ; depth < maxCopies; depth++ {
		if c.entry != nil {
			way += s.number(c.entry)
		}
		switch {
		case c.unknown != "":
			return nil, nil
		case len(c.next) == 0:
			if len(c.base) != 1 || c.entry == nil {
				return nil, nil
			}
			return []place{{way, c.base[0].Attnum}}, c.base
		case len(c.base) > 0 || !c.copied || len(c.next) > 1 && !c.union || len(c.next) > maxArms:
			return nil, nil
		}
		if c.union {
			return s.arms(c, way, depth+1)
		}
		c = c.next[0]
	}
	return nil, nil
}

// maxArms bounds the arms of a UNION that are followed.
const maxArms = 256

// arms joins the origins of the arms of a UNION.
func (s *places) arms(c *cell, way string, depth int) (at []place, refs []ColumnRef) {
	for _, arm := range c.next {
		a, r := s.origins(arm, way, depth)
		if len(a) == 0 || len(at)+len(a) > maxPlaces {
			return nil, nil
		}
		at, refs = append(at, a...), append(refs, r...)
	}
	slices.SortFunc(refs, compareColumns)
	return at, slices.Compact(refs)
}

// root returns what stands for all columns of places that are equal to x.
func (s *places) root(x place) place {
	for {
		next, ok := s.equal[x]
		if !ok || next == x {
			return x
		}
		x = next
	}
}

func (s *places) complete(o occurrence, shown map[place][]int) Occurrence {
	out := Occurrence{Relation: o.entry.relid, Effect: o.effect}
	for a := range o.set {
		out.Set = append(out.Set, a)
	}
	slices.Sort(out.Set)
	if o.blind || s.lost {
		return out
	}
	for a := range o.entry.columns { // those that the statement names
		if a <= 0 {
			continue
		}
		a := int16(a)
		for _, i := range shown[s.root(place{o.way, a})] {
			out.Shown = append(out.Shown, ShownColumn{Attnum: a, Output: i})
		}
	}
	slices.SortFunc(out.Shown, func(x, y ShownColumn) int {
		return cmp.Or(cmp.Compare(x.Attnum, y.Attnum), cmp.Compare(x.Output, y.Output))
	})
	out.Shown = slices.Compact(out.Shown)
	return out
}
