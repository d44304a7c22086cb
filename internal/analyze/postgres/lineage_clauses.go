// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres/nodetree"
)

// joinTree walks FROM and WHERE.
func (l *lineage) joinTree(n *nodetree.Node, q *context) error {
	v, err := l.field(n, "jointree")
	if err != nil {
		return err
	}
	if v.Kind == nodetree.Null {
		return nil
	}
	if v.Kind != nodetree.Object || v.Node.Name != "FROMEXPR" {
		return l.fail("a join tree of another kind")
	}
	// What decides the rows of a subquery decides the rows of its reader.
	for _, e := range q.entries {
		if e.query != nil {
			q.preds.from(e.query.preds)
		}
	}
	return l.join(v, q)
}

func (l *lineage) join(v nodetree.Value, q *context) error {
	if v.Kind != nodetree.Object {
		return l.fail("a join tree of another kind")
	}
	n := v.Node
	var parts []nodetree.Value
	switch n.Name {
	case "RANGETBLREF":
		return nil
	case "FROMEXPR":
		from, err := l.field(n, "fromlist")
		if err != nil {
			return err
		}
		if from.Kind != nodetree.Null && from.Kind != nodetree.List {
			return l.fail("a FROM list of another kind")
		}
		parts = from.Items
	case "JOINEXPR":
		for _, side := range []string{"larg", "rarg"} {
			arg, err := l.field(n, side)
			if err != nil {
				return err
			}
			parts = append(parts, arg)
		}
	default:
		return l.fail("a join tree of another kind")
	}
	for _, p := range parts {
		if err := l.join(p, q); err != nil {
			return err
		}
	}
	quals, err := l.field(n, "quals")
	if err != nil {
		return err
	}
	if err := l.equalities(quals, q); err != nil {
		return err
	}
	return l.expr(quals, q, q.preds)
}

// clauses walks everything else that decides which rows, groups or orders.
func (l *lineage) clauses(n *nodetree.Node, q *context) error {
	for _, name := range []string{"havingQual", "limitOffset", "limitCount"} {
		v, err := l.field(n, name)
		if err != nil {
			return err
		}
		if err := l.expr(v, q, q.preds); err != nil {
			return err
		}
	}
	if v, ok := n.Get("mergeJoinCondition"); ok { // since 17
		if err := l.expr(v, q, q.preds); err != nil {
			return err
		}
	}
	for _, name := range []string{"groupClause", "distinctClause", "sortClause"} {
		if err := l.sortGroups(n, name, q.targets, q.preds); err != nil {
			return err
		}
	}
	windows, err := l.list(n, "windowClause")
	if err != nil {
		return err
	}
	for _, w := range windows {
		for _, name := range []string{"partitionClause", "orderClause"} {
			if err := l.sortGroups(w, name, q.targets, q.preds); err != nil {
				return err
			}
		}
		for _, name := range []string{"startOffset", "endOffset"} {
			v, err := l.field(w, name)
			if err != nil {
				return err
			}
			if err := l.expr(v, q, q.preds); err != nil {
				return err
			}
		}
	}
	checks, err := l.list(n, "withCheckOptions")
	if err != nil {
		return err
	}
	for _, c := range checks {
		v, err := l.field(c, "qual")
		if err != nil {
			return err
		}
		if err := l.expr(v, q, q.preds); err != nil {
			return err
		}
	}
	return l.setOperation(n, q)
}

// sortGroups makes the targets that a list of SortGroupClause refers to part of
// the predicates.
func (l *lineage) sortGroups(n *nodetree.Node, name string, targets map[int64]*cell, preds *cell) error {
	list, err := l.list(n, name)
	if err != nil {
		return err
	}
	for _, s := range list {
		ref, err := l.num(s, "tleSortGroupRef")
		if err != nil {
			return err
		}
		t, ok := targets[ref]
		if !ok {
			return l.fail("a sort or group refers to no target")
		}
		preds.from(t)
	}
	return nil
}

// setOperation makes each output the union of the arms' columns.
func (l *lineage) setOperation(n *nodetree.Node, q *context) error {
	v, err := l.field(n, "setOperations")
	if err != nil || v.Kind == nodetree.Null {
		return err
	}
	if q.command != CommandSelect {
		return l.fail("a set operation outside a query")
	}
	if onlyUnion(v) {
		for _, out := range q.outs {
			out.union = out.copied
		}
	}
	return l.setArm(v, q)
}

func (l *lineage) setArm(v nodetree.Value, q *context) error {
	if v.Kind != nodetree.Object {
		return l.fail("a set operation of another kind")
	}
	n := v.Node
	switch n.Name {
	case "RANGETBLREF":
		i, err := l.num(n, "rtindex")
		if err != nil {
			return err
		}
		if i < 1 || int(i) > len(q.entries) {
			return l.fail("a set operation over nothing")
		}
		e := q.entries[i-1]
		for j, out := range q.outs {
			c, err := l.column(e, int64(j+1))
			if err != nil {
				return err
			}
			out.from(c)
		}
		return nil
	case "SETOPERATIONSTMT":
		all, err := l.boolean(n, "all")
		if err != nil {
			return err
		}
		op, err := l.num(n, "op")
		if err != nil {
			return err
		}
		// Anything but UNION ALL compares the arms' rows with each other.
		if !all || op != 1 {
			for _, out := range q.outs {
				q.preds.from(out)
			}
		}
		for _, side := range []string{"larg", "rarg"} {
			arm, err := l.field(n, side)
			if err != nil {
				return err
			}
			if err := l.setArm(arm, q); err != nil {
				return err
			}
		}
		return nil
	}
	return l.fail("a set operation of another kind")
}

// conflict walks ON CONFLICT.
func (l *lineage) conflict(n *nodetree.Node, q *context) error {
	v, err := l.field(n, "onConflict")
	if err != nil || v.Kind == nodetree.Null {
		return err
	}
	if v.Kind != nodetree.Object || v.Node.Name != "ONCONFLICTEXPR" {
		return l.fail("an ON CONFLICT of another kind")
	}
	c := v.Node
	excluded, err := l.num(c, "exclRelIndex")
	if err != nil {
		return err
	}
	q.excluded = int(excluded)
	for _, name := range []string{"arbiterElems", "arbiterWhere", "onConflictWhere"} {
		v, err := l.field(c, name)
		if err != nil {
			return err
		}
		if err := l.expr(v, q, q.preds); err != nil {
			return err
		}
	}
	sets, err := l.list(c, "onConflictSet")
	if err != nil {
		return err
	}
	return l.assignments(sets, q, sallyport.Write)
}

func (l *lineage) assignments(list []*nodetree.Node, q *context, e sallyport.Effect) error {
	for _, te := range list {
		t, err := l.target(te, q)
		if err != nil {
			return err
		}
		if t.junk {
			continue
		}
		if err := l.assign(q, t, e); err != nil {
			return err
		}
	}
	return nil
}

// mergeActions walks the WHEN clauses of MERGE.
func (l *lineage) mergeActions(n *nodetree.Node, q *context) error {
	if !l.merge {
		return nil
	}
	actions, err := l.list(n, "mergeActionList")
	if err != nil {
		return err
	}
	if q.command == CommandMerge && (q.result < 1 || q.result > len(q.entries)) {
		return l.fail("a MERGE without target")
	}
	for _, a := range actions {
		if a.Name != "MERGEACTION" {
			return l.fail("a MERGE action of another kind")
		}
		qual, err := l.field(a, "qual")
		if err != nil {
			return err
		}
		if err := l.expr(qual, q, q.preds); err != nil {
			return err
		}
		command, err := l.num(a, "commandType")
		if err != nil {
			return err
		}
		sets, err := l.list(a, "targetList")
		if err != nil {
			return err
		}
		oid := q.entries[q.result-1].relid
		switch l.command(command) {
		case CommandInsert, CommandUpdate:
			l.use(oid, sallyport.Write)
			if err := l.assignments(sets, q, sallyport.Write); err != nil {
				return err
			}
		case CommandDelete:
			l.use(oid, sallyport.Delete)
		case CommandNothing:
		default:
			return l.fail("a MERGE action of another kind")
		}
	}
	return nil
}
