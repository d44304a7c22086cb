// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/goccy/go-googlesql"

	"github.com/sallyport-dev/sallyport/internal/wire/bqanalyzer"
)

// created is the table of a flow's target that the statement creates.
const created = -1

// statement reads a whole statement.
func (w *walker) statement(s googlesql.ResolvedStatementNode) (out bqanalyzer.Lineage) {
	switch s := s.(type) {
	case *googlesql.ResolvedQueryStmt:
		w.scan(get(w, s.Query))
		out.Outputs = w.outputs(get(w, s.OutputColumnList))
	case *googlesql.ResolvedExportDataStmt:
		w.scan(get(w, s.Query))
		out.Flows = w.creates(get(w, s.OutputColumnList))
	case *googlesql.ResolvedCreateTableAsSelectStmt:
		w.scan(get(w, s.Query))
		out.Flows = w.creates(get(w, s.OutputColumnList))
	case *googlesql.ResolvedCreateViewStmt:
		w.scan(get(w, s.Query))
		out.Flows = w.creates(get(w, s.OutputColumnList))
	case *googlesql.ResolvedCreateMaterializedViewStmt:
		w.scan(get(w, s.Query))
		out.Flows = w.creates(get(w, s.OutputColumnList))
	case *googlesql.ResolvedAssertStmt:
		w.decide(get(w, s.Expression))
	case *googlesql.ResolvedInsertStmt:
		out.Flows = w.insert(s)
	case *googlesql.ResolvedUpdateStmt:
		out.Flows = w.update(s)
	case *googlesql.ResolvedDeleteStmt:
		w.deletes(s)
	case *googlesql.ResolvedMergeStmt:
		out.Flows = w.merge(s)
	default:
		w.unlisted(s)
	}
	out.Predicates = w.predicates()
	if w.unknown != "" {
		return bqanalyzer.Lineage{Unknown: w.unknown}
	}
	return out
}

// creates are the flows of a query's outputs into what the statement makes.
func (w *walker) creates(columns []*googlesql.ResolvedOutputColumn) []bqanalyzer.Flow {
	var out []bqanalyzer.Flow
	for _, o := range w.outputs(columns) {
		out = append(out, bqanalyzer.Flow{Target: bqanalyzer.Ref{Table: created, Path: []string{o.Name}}, Sources: o.Sources, Direct: o.Direct})
	}
	return out
}

// flow is the write of a value into a column of a table.
func (w *walker) flow(target, value *node) []bqanalyzer.Flow {
	if w.stopped() {
		return nil
	}
	ref, ok := w.direct(target)
	if !ok {
		w.giveUp("a target that is not a column")
		return nil
	}
	o := w.output("", value)
	return []bqanalyzer.Flow{{Target: ref, Sources: o.Sources, Direct: o.Direct}}
}

func (w *walker) insert(s *googlesql.ResolvedInsertStmt) []bqanalyzer.Flow {
	if get(w, s.OnConflictClause) != nil || get(w, s.Returning) != nil {
		w.unlisted(s)
		return nil
	}
	w.scan(get(w, s.TableScan))
	targets := w.ids(get(w, s.InsertColumnList))
	if a := get(w, s.AssertRowsModified); a != nil {
		w.decide(get(w, a.Rows))
	}
	var out []bqanalyzer.Flow
	if query := get(w, s.Query); query != nil {
		w.scan(query)
		values := w.ids(get(w, s.QueryOutputColumnList))
		if len(values) != len(targets) {
			w.unlisted(s)
			return nil
		}
		for i, id := range targets {
			out = append(out, w.flow(column(id), column(values[i]))...)
		}
	}
	for _, row := range get(w, s.RowList) {
		out = append(out, w.row(row, targets)...)
	}
	return out
}

// row is one row of VALUES.
func (w *walker) row(row *googlesql.ResolvedInsertRow, targets []int32) (out []bqanalyzer.Flow) {
	values := get(w, row.ValueList)
	if len(values) != len(targets) {
		w.unlisted(row)
		return nil
	}
	for i, v := range values {
		n, _ := w.top(get(w, v.Value))
		out = append(out, w.flow(column(targets[i]), n)...)
	}
	return out
}

func (w *walker) update(s *googlesql.ResolvedUpdateStmt) []bqanalyzer.Flow {
	if get(w, s.Returning) != nil {
		w.unlisted(s)
		return nil
	}
	w.scan(get(w, s.TableScan))
	if from := get(w, s.FromScan); from != nil {
		w.scan(from)
	}
	w.decide(get(w, s.WhereExpr))
	if a := get(w, s.AssertRowsModified); a != nil {
		w.decide(get(w, a.Rows))
	}
	return w.items(get(w, s.UpdateItemList))
}

// items are the assignments of an UPDATE. Those inside arrays are not traced.
func (w *walker) items(list []*googlesql.ResolvedUpdateItem) (out []bqanalyzer.Flow) {
	for _, item := range list {
		value := get(w, item.SetValue)
		if value == nil {
			w.giveUp("an assignment inside an array")
			return nil
		}
		target := w.expr(get(w, item.Target))
		n, _ := w.top(get(w, value.Value))
		out = append(out, w.flow(target, n)...)
	}
	return out
}

func (w *walker) deletes(s *googlesql.ResolvedDeleteStmt) {
	if get(w, s.Returning) != nil {
		w.unlisted(s)
		return
	}
	w.scan(get(w, s.TableScan))
	w.decide(get(w, s.WhereExpr))
	if a := get(w, s.AssertRowsModified); a != nil {
		w.decide(get(w, a.Rows))
	}
}

func (w *walker) merge(s *googlesql.ResolvedMergeStmt) (out []bqanalyzer.Flow) {
	w.scan(get(w, s.TableScan))
	w.scan(get(w, s.FromScan))
	w.decide(get(w, s.MergeExpr))
	for _, when := range get(w, s.WhenClauseList) {
		w.decide(get(w, when.MatchExpr))
		if row := get(w, when.InsertRow); row != nil {
			out = append(out, w.row(row, w.ids(get(w, when.InsertColumnList)))...)
		}
		out = append(out, w.items(get(w, when.UpdateItemList))...)
	}
	return out
}
