// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres/nodetree"
)

// Accessors. A field that a release is known to have and that is missing makes
// the whole tree unknown: its meaning may have moved elsewhere.

func (l *lineage) field(n *nodetree.Node, name string) (nodetree.Value, error) {
	v, ok := n.Get(name)
	if !ok {
		return v, l.fail("%s has no field %s", n.Name, name)
	}
	return v, nil
}

func (l *lineage) num(n *nodetree.Node, name string) (int64, error) {
	v, err := l.field(n, name)
	if err != nil {
		return 0, err
	}
	i, ok := v.Int()
	if !ok {
		return 0, l.fail("field %s of %s is no number", name, n.Name)
	}
	return i, nil
}

func (l *lineage) boolean(n *nodetree.Node, name string) (bool, error) {
	v, err := l.field(n, name)
	if err != nil {
		return false, err
	}
	b, ok := v.Bool()
	if !ok {
		return false, l.fail("field %s of %s is no boolean", name, n.Name)
	}
	return b, nil
}

// list returns the nodes of a list field; <> is the empty list.
func (l *lineage) list(n *nodetree.Node, name string) ([]*nodetree.Node, error) {
	v, err := l.field(n, name)
	if err != nil || v.Kind == nodetree.Null {
		return nil, err
	}
	if v.Kind != nodetree.List || v.Tag != 0 {
		return nil, l.fail("field %s of %s is no list", name, n.Name)
	}
	out := make([]*nodetree.Node, len(v.Items))
	for i, item := range v.Items {
		if item.Kind != nodetree.Object {
			return nil, l.fail("field %s of %s holds something else than nodes", name, n.Name)
		}
		out[i] = item.Node
	}
	return out, nil
}

// queryField lists the fields of Query that are followed, or known to hold
// nothing to follow. Any other field that holds nodes makes the tree unknown.
func queryField(name string) bool {
	switch name {
	case "cteList", "rtable", "jointree", "targetList", "onConflict", "returningList", "groupClause", "groupingSets",
		"havingQual", "windowClause", "distinctClause", "sortClause", "limitOffset", "limitCount", "rowMarks",
		"setOperations", "withCheckOptions", "mergeActionList", "mergeJoinCondition", "constraintDeps", "rteperminfos":
		return true
	}
	return false
}

func (l *lineage) context(parent *context) *context {
	q := &context{parent: parent, preds: &cell{}, multi: &cell{}, targets: map[int64]*cell{}}
	l.contexts = append(l.contexts, q)
	return q
}

// query makes the context of a Query node and walks all of it.
func (l *lineage) query(n *nodetree.Node, parent *context) (*context, error) {
	q := l.context(parent)
	return q, l.fill(n, q)
}

func (l *lineage) fill(n *nodetree.Node, q *context) error {
	for _, f := range n.Fields {
		if (f.Value.Kind == nodetree.Object || f.Value.Kind == nodetree.List && f.Value.Tag == 0) && !queryField(f.Name) {
			return l.fail("QUERY has a field that is not known")
		}
	}
	command, err := l.num(n, "commandType")
	if err != nil {
		return err
	}
	if q.command = l.command(command); q.command == "" || q.command == CommandUtility {
		return l.fail("a command that is not known")
	}
	if q.canTag, err = l.boolean(n, "canSetTag"); err != nil {
		return err
	}
	result, err := l.num(n, "resultRelation")
	if err != nil {
		return err
	}
	q.result = int(result)
	if q.windows, err = l.boolean(n, "hasWindowFuncs"); err != nil {
		return err
	}
	for _, step := range []func(*nodetree.Node, *context) error{
		l.ctes, l.rangeTable, l.targetList, l.conflict, l.joinTree, l.clauses, l.mergeActions, l.returning, l.relationUses,
	} {
		if err := step(n, q); err != nil {
			return err
		}
	}
	return nil
}

// command maps Query.commandType, whose numbers moved when MERGE came.
func (l *lineage) command(n int64) Command {
	names := []Command{"", CommandSelect, CommandUpdate, CommandInsert, CommandDelete, CommandMerge, CommandUtility, CommandNothing}
	if !l.merge {
		names = []Command{"", CommandSelect, CommandUpdate, CommandInsert, CommandDelete, CommandUtility, CommandNothing}
	}
	if n < 0 || int(n) >= len(names) {
		return ""
	}
	return names[n]
}

func (l *lineage) ctes(n *nodetree.Node, q *context) error {
	list, err := l.list(n, "cteList")
	if err != nil {
		return err
	}
	// The names first: a recursive item refers to itself and to later ones.
	bodies := make([]*nodetree.Node, len(list))
	for i, c := range list {
		name, err := l.field(c, "ctename")
		if err != nil {
			return err
		}
		body, err := l.field(c, "ctequery")
		if err != nil {
			return err
		}
		if body.Kind != nodetree.Object || body.Node.Name != "QUERY" || name.Kind == nodetree.Null {
			return l.fail("a common table expression without query")
		}
		bodies[i] = body.Node
		q.ctes = append(q.ctes, cte{name: spaced(name.Text), query: l.context(q)})
	}
	for i, body := range bodies {
		if err := l.fill(body, q.ctes[i].query); err != nil {
			return err
		}
	}
	return nil
}

// spaced makes the two readings of a line break in a name the same.
func spaced(name string) string {
	b := []byte(name)
	for i := range b {
		if b[i] == '\n' {
			b[i] = ' '
		}
	}
	return string(b)
}

// targetList walks the target list: for SELECT it is the answer, for the others
// it is what is assigned.
func (l *lineage) targetList(n *nodetree.Node, q *context) error {
	list, err := l.list(n, "targetList")
	if err != nil {
		return err
	}
	if q.command == CommandInsert {
		q.writes = map[int64]*cell{}
	}
	if q.command == CommandSelect {
		q.outs = []*cell{}
	}
	for _, te := range list {
		t, err := l.target(te, q)
		if err != nil {
			return err
		}
		if t.group != 0 {
			q.targets[t.group] = t.cell
		}
		if t.junk {
			continue
		}
		switch q.command {
		case CommandSelect:
			q.outs, q.names = append(q.outs, t.cell), append(q.names, t.name)
		case CommandInsert, CommandUpdate:
			if q.writes != nil {
				q.writes[t.number] = t.cell
			}
			if err := l.assign(q, t, sallyport.Write); err != nil {
				return err
			}
		}
	}
	return nil
}

// target is one TargetEntry.
type target struct {
	cell   *cell
	name   string
	number int64
	group  int64
	junk   bool
}

func (l *lineage) target(n *nodetree.Node, q *context) (t target, err error) {
	if n.Name != "TARGETENTRY" {
		return t, l.fail("a target list holds something else")
	}
	expr, err := l.field(n, "expr")
	if err != nil {
		return t, err
	}
	t.cell = &cell{copied: isColumn(expr)}
	if err := l.expr(expr, q, t.cell); err != nil {
		return t, err
	}
	if t.number, err = l.num(n, "resno"); err != nil {
		return t, err
	}
	if t.group, err = l.num(n, "ressortgroupref"); err != nil {
		return t, err
	}
	if t.junk, err = l.boolean(n, "resjunk"); err != nil {
		return t, err
	}
	name, err := l.field(n, "resname")
	t.name = name.Text
	return t, err
}

// assign records a write into the column that a target entry numbers.
func (l *lineage) assign(q *context, t target, e sallyport.Effect) error {
	if q.result < 1 || q.result > len(q.entries) {
		return l.fail("a write without result relation")
	}
	r := q.entries[q.result-1]
	if r.relid == 0 || t.number < 1 || t.number > 1<<15-1 {
		return l.fail("a write to something that is no relation's column")
	}
	l.flows = append(l.flows, flow{target: ColumnRef{r.relid, int16(t.number)}, from: t.cell})
	if q.command != CommandInsert || q.excluded != 0 {
		q.changes(int16(t.number))
	}
	l.use(r.relid, e, int16(t.number))
	return nil
}

func (l *lineage) returning(n *nodetree.Node, q *context) error {
	list, err := l.list(n, "returningList")
	if err != nil {
		return err
	}
	for _, te := range list {
		t, err := l.target(te, q)
		if err != nil {
			return err
		}
		if !t.junk {
			q.outs, q.names = append(q.outs, t.cell), append(q.names, t.name)
		}
	}
	return nil
}

// relationUses records what the query does to the relations of its range table.
func (l *lineage) relationUses(_ *nodetree.Node, q *context) error {
	for i, e := range q.entries {
		if e.relid == 0 || i+1 == q.excluded {
			continue
		}
		if i+1 != q.result || e.kind != rteRelation {
			l.use(e.relid, sallyport.Read)
			continue
		}
		switch q.command {
		case CommandInsert, CommandUpdate:
			l.use(e.relid, sallyport.Write)
		case CommandDelete:
			l.use(e.relid, sallyport.Delete)
		case CommandMerge: // its actions say what is done
		default:
			l.use(e.relid, sallyport.Read)
		}
	}
	return nil
}
