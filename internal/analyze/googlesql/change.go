// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql

import (
	"strings"

	"github.com/sqlc-dev/zetajones/ast"

	"github.com/sallyport-dev/sallyport"
)

// change reads the statements that change rows.
func (r *reader) change(n ast.Node) *walk {
	s := (*scope)(nil).inner()
	switch n := n.(type) {
	case *ast.InsertStatement:
		return r.insert(n, s)
	case *ast.UpdateStatement:
		w := r.add("UPDATE", n)
		w.p.Traceable = true
		w.target(n.Target, sallyport.Write, n.Alias, s)
		if n.Returning != nil {
			w.p.refuse("THEN RETURN is not understood", "read the rows with a SELECT")
		}
		w.node(n.From, s)
		w.node(n.UpdateItemList, s)
		w.node(n.Where, s)
		return w
	case *ast.DeleteStatement:
		w := r.add("DELETE", n)
		w.p.Traceable = true
		w.target(n.Target, sallyport.Delete, n.Alias, s)
		if n.Returning != nil {
			w.p.refuse("THEN RETURN is not understood", "read the rows with a SELECT")
		}
		w.node(n.Where, s)
		return w
	case *ast.MergeStatement:
		return r.merge(n, s)
	case *ast.TruncateStatement:
		w := r.add("TRUNCATE_TABLE", n)
		w.table(n.Target, sallyport.Destroy, false)
		w.node(n.Where, s)
		return w
	}
	return nil
}

func (r *reader) insert(n *ast.InsertStatement, s *scope) *walk {
	w := r.add("INSERT", n)
	w.p.Traceable = true
	w.target(n.Target, sallyport.Write, nil, s)
	if n.InsertMode != "" || n.OnConflict != nil || n.Returning != nil {
		w.p.refuse("this form of INSERT is not understood", "use INSERT INTO or MERGE")
	}
	if n.Columns != nil {
		for _, c := range n.Columns.Children() {
			if id, ok := c.(*ast.Identifier); ok {
				w.p.Columns = append(w.p.Columns, id.Name)
			}
		}
	}
	w.node(n.Rows, s)
	w.query(n.Query, nil)
	return w
}

// merge is a write, and a delete where a clause says so.
func (r *reader) merge(n *ast.MergeStatement, s *scope) *walk {
	w := r.add("MERGE", n)
	w.p.Traceable = true
	w.target(n.Target, sallyport.Write, n.Alias, s)
	w.node(n.Source, s)
	w.node(n.MergeCondition, s)
	if n.WhenClauseList != nil {
		for _, c := range n.WhenClauseList.Clauses {
			if c.Action != nil && strings.EqualFold(c.Action.ActionType, "DELETE") {
				w.table(n.Target, sallyport.Delete, false)
			}
		}
	}
	w.node(n.WhenClauseList, s)
	return w
}

// target notes the table that a statement changes, and its range variable.
func (w *walk) target(n ast.Node, e sallyport.Effect, alias *ast.Alias, s *scope) {
	path, ok := n.(*ast.PathExpression)
	if !ok {
		w.p.refuse("a target that is not a table is not understood", "name the table")
		return
	}
	w.table(path, e, false)
	w.rangeOf(alias, path, s)
}
