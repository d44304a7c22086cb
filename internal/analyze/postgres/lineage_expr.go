// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres/nodetree"
)

// expr makes acc derive from everything that an expression uses. Lists are
// walked element by element.
func (l *lineage) expr(v nodetree.Value, q *context, acc *cell) error {
	switch v.Kind {
	case nodetree.List:
		for _, item := range v.Items {
			if err := l.expr(item, q, acc); err != nil {
				return err
			}
		}
		return nil
	case nodetree.Object:
		return l.node(v.Node, q, acc)
	}
	return nil // numbers, names, null
}

// children walks all fields of a node.
func (l *lineage) children(n *nodetree.Node, q *context, acc *cell) error {
	for _, f := range n.Fields {
		if err := l.expr(f.Value, q, acc); err != nil {
			return err
		}
	}
	return nil
}

func (l *lineage) node(n *nodetree.Node, q *context, acc *cell) error {
	switch n.Name {
	case "VAR":
		return l.variable(n, q, acc)
	case "PARAM":
		return l.param(n, q, acc)
	case "SUBLINK":
		return l.sublink(n, q, acc)
	case "CASE", "CASEEXPR":
		return l.caseExpr(n, q, acc)
	case "FUNCEXPR":
		return l.calling(n, "funcid", q, acc)
	case "AGGREF":
		return l.aggregate(n, q, acc)
	case "WINDOWFUNC":
		return l.calling(n, "winfnoid", q, acc, "aggfilter")
	case "OPEXPR", "DISTINCTEXPR", "NULLIFEXPR", "SCALARARRAYOPEXPR":
		return l.operator(n, q, acc)
	case "GROUPINGFUNC", "CURRENTOFEXPR", "MERGESUPPORTFUNC", "SETTODEFAULT", "CONST", "SQLVALUEFUNCTION",
		"NEXTVALUEEXPR", "CASETESTEXPR", "COERCETODOMAINVALUE":
		return nil // constants of the statement or of the moment, no data
	}
	if !transparent(n.Name) {
		return l.fail("an expression node that is not known: %s", printable(n.Name))
	}
	return l.children(n, q, acc)
}

// transparent lists the nodes whose value derives from their children only.
func transparent(name string) bool {
	switch name {
	case "BOOLEXPR", "RELABELTYPE", "COERCEVIAIO", "ARRAYCOERCEEXPR", "CONVERTROWTYPEEXPR", "COLLATE", "COLLATEEXPR",
		"WHEN", "CASEWHEN", "ARRAY", "ARRAYEXPR", "ROW", "ROWEXPR", "ROWCOMPARE", "ROWCOMPAREEXPR", "COALESCE",
		"COALESCEEXPR", "MINMAX", "MINMAXEXPR", "XMLEXPR", "NULLTEST", "BOOLEANTEST", "COERCETODOMAIN", "FIELDSELECT",
		"FIELDSTORE", "SUBSCRIPTINGREF", "NAMEDARGEXPR", "TARGETENTRY", "INFERENCEELEM", "PLACEHOLDERVAR",
		"RETURNINGEXPR", "RANGETBLFUNCTION", "TABLEFUNC", "TABLESAMPLECLAUSE",
		"JSONFORMAT", "JSONRETURNING", "JSONVALUEEXPR", "JSONCONSTRUCTOREXPR", "JSONISPREDICATE", "JSONBEHAVIOR",
		"JSONEXPR", "JSONTABLEPATH", "JSONTABLEPATHSCAN", "JSONTABLESIBLINGJOIN":
		return true
	}
	return false
}

// printable keeps anything but PostgreSQL's own node names out of an error.
func printable(name string) string {
	if len(name) > 40 {
		return "?"
	}
	for _, r := range name {
		if (r < 'A' || r > 'Z') && r != '_' {
			return "?"
		}
	}
	return name
}

func (l *lineage) variable(n *nodetree.Node, q *context, acc *cell) error {
	number, err := l.num(n, "varno")
	if err != nil {
		return err
	}
	column, err := l.num(n, "varattno")
	if err != nil {
		return err
	}
	levels, err := l.num(n, "varlevelsup")
	if err != nil {
		return err
	}
	at, err := l.up(q, levels)
	if err != nil {
		return err
	}
	if number < 1 || number > int64(len(at.entries)) {
		return l.fail("a reference to no range table entry")
	}
	if int(number) == at.excluded && column >= 0 {
		// EXCLUDED is the row that was to be inserted.
		for i, c := range at.writes {
			if column == 0 || i == column {
				acc.from(c)
			}
		}
		return nil
	}
	c, err := l.column(at.entries[number-1], column)
	if err != nil {
		return err
	}
	acc.from(c)
	return nil
}

// The kinds of Param (ParamKind of nodes/primnodes.h).
const (
	paramExtern = iota
	paramExec
	paramSublink
	paramMultiexpr
)

func (l *lineage) param(n *nodetree.Node, q *context, acc *cell) error {
	kind, err := l.num(n, "paramkind")
	if err != nil {
		return err
	}
	switch kind {
	case paramExtern, paramSublink: // bound by the client; or by the SubLink around it
		return nil
	case paramMultiexpr:
		acc.from(q.multi)
		return nil
	}
	return l.fail("a parameter of another kind")
}

// The kinds of SubLink that differ (SubLinkType of nodes/primnodes.h).
const (
	sublinkExists    = 0
	sublinkMultiexpr = 5
	sublinkNewest    = 7
)

// sublink walks a subquery inside an expression. Its value tells about its
// predicates as well: EXISTS (SELECT ... WHERE ssn = '...') answers whether the
// row is there.
func (l *lineage) sublink(n *nodetree.Node, q *context, acc *cell) error {
	kind, err := l.num(n, "subLinkType")
	if err != nil {
		return err
	}
	if kind < 0 || kind > sublinkNewest {
		return l.fail("a subquery of another kind")
	}
	v, err := l.field(n, "subselect")
	if err != nil {
		return err
	}
	if v.Kind != nodetree.Object || v.Node.Name != "QUERY" {
		return l.fail("a subquery of another kind")
	}
	test, err := l.field(n, "testexpr")
	if err != nil {
		return err
	}
	if err := l.expr(test, q, acc); err != nil {
		return err
	}
	if test.Kind != nodetree.Null { // a comparison with the subquery's rows
		if err := l.expr(test, q, q.preds); err != nil {
			return err
		}
	}
	sub, err := l.query(v.Node, q)
	if err != nil {
		return err
	}
	acc.from(sub.preds)
	if kind != sublinkExists {
		for _, out := range sub.outs {
			acc.from(out)
			if test.Kind != nodetree.Null {
				q.preds.from(out)
			}
		}
	}
	if kind == sublinkMultiexpr {
		q.multi.from(acc)
	}
	return nil
}

// caseExpr walks CASE. Its tests count as predicates too: they decide what is
// evaluated, which errors and delays tell.
func (l *lineage) caseExpr(n *nodetree.Node, q *context, acc *cell) error {
	arg, err := l.field(n, "arg")
	if err != nil {
		return err
	}
	whens, err := l.list(n, "args")
	if err != nil {
		return err
	}
	tests := &cell{}
	if err := l.expr(arg, q, tests); err != nil {
		return err
	}
	for _, w := range whens {
		test, err := l.field(w, "expr")
		if err != nil {
			return err
		}
		if err := l.expr(test, q, tests); err != nil {
			return err
		}
		result, err := l.field(w, "result")
		if err != nil {
			return err
		}
		if err := l.expr(result, q, acc); err != nil {
			return err
		}
	}
	q.preds.from(tests)
	acc.from(tests)
	otherwise, err := l.field(n, "defresult")
	if err != nil {
		return err
	}
	return l.expr(otherwise, q, acc)
}

// calling walks a function call; the fields named in filters are predicates too.
func (l *lineage) calling(n *nodetree.Node, oidField string, q *context, acc *cell, filters ...string) error {
	oid, err := l.num(n, oidField)
	if err != nil {
		return err
	}
	if oid <= 0 || oid > 1<<32-1 {
		return l.fail("a call of no function")
	}
	if why := l.function(uint32(oid)); why != "" {
		acc.mark(why)
	}
	for _, f := range filters {
		v, err := l.field(n, f)
		if err != nil {
			return err
		}
		if v.Kind == nodetree.Object {
			if err := l.expr(v, q, q.preds); err != nil {
				return err
			}
		}
	}
	return l.children(n, q, acc)
}

// aggregate walks an aggregate: its FILTER, and what it orders by or makes
// distinct, are predicates.
func (l *lineage) aggregate(n *nodetree.Node, q *context, acc *cell) error {
	oid, err := l.num(n, "aggfnoid")
	if err != nil {
		return err
	}
	if oid <= 0 || oid > 1<<32-1 {
		return l.fail("a call of no function")
	}
	if why := l.function(uint32(oid)); why != "" {
		acc.mark(why)
	}
	filter, err := l.field(n, "aggfilter")
	if err != nil {
		return err
	}
	tests := &cell{}
	if err := l.expr(filter, q, tests); err != nil {
		return err
	}
	acc.from(tests)
	q.preds.from(tests)
	direct, err := l.field(n, "aggdirectargs")
	if err != nil {
		return err
	}
	if err := l.expr(direct, q, acc); err != nil {
		return err
	}
	args, err := l.list(n, "args")
	if err != nil {
		return err
	}
	refs := map[int64]*cell{}
	for _, a := range args {
		t, err := l.target(a, q)
		if err != nil {
			return err
		}
		acc.from(t.cell)
		if t.group != 0 {
			refs[t.group] = t.cell
		}
	}
	for _, name := range []string{"aggorder", "aggdistinct"} {
		if err := l.sortGroups(n, name, refs, q.preds); err != nil {
			return err
		}
	}
	return nil
}

func (l *lineage) operator(n *nodetree.Node, q *context, acc *cell) error {
	op, err := l.num(n, "opno")
	if err != nil {
		return err
	}
	f, err := l.num(n, "opfuncid")
	if err != nil {
		return err
	}
	if op <= 0 || op > 1<<32-1 || f < 0 || f > 1<<32-1 {
		return l.fail("an operator without OID")
	}
	// The built-in operators are all functions of their operands (a test reads
	// pg_operator of every release). In a stored view the function is not shown.
	if op >= firstNormalOID {
		why := ""
		if f != 0 {
			why = l.function(uint32(f))
		} else {
			why = l.unproved(Call{Operator: uint32(op)})
		}
		if why != "" {
			acc.mark(why)
		}
	}
	return l.children(n, q, acc)
}
