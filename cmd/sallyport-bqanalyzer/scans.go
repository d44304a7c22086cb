// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/goccy/go-googlesql"
)

// scan reads a scan of the resolved tree and returns its columns. The list of
// kinds is closed: one that is not on it ends the analysis.
func (w *walker) scan(s googlesql.ResolvedScanNode) []int32 {
	defer func() { w.depth-- }()
	if !w.enter() || s == nil {
		if s == nil {
			w.giveUp("a part of the query that is not there")
		}
		return nil
	}
	columns := w.ids(get(w, s.(interface {
		ColumnList() ([]*googlesql.ResolvedColumn, error)
	}).ColumnList))
	switch s := s.(type) {
	case *googlesql.ResolvedSingleRowScan:
	case *googlesql.ResolvedTableScan:
		w.tableScan(s, columns)
	case *googlesql.ResolvedProjectScan:
		w.scan(get(w, s.InputScan))
		w.computeAll(get(w, s.ExprList))
	case *googlesql.ResolvedFilterScan:
		w.scan(get(w, s.InputScan))
		w.decide(get(w, s.FilterExpr))
	case *googlesql.ResolvedBarrierScan:
		w.scan(get(w, s.InputScan))
	case *googlesql.ResolvedAssertScan:
		w.scan(get(w, s.InputScan))
		w.decide(get(w, s.Condition))
		w.decide(get(w, s.Message))
	case *googlesql.ResolvedJoinScan:
		w.scan(get(w, s.LeftScan))
		w.scan(get(w, s.RightScan))
		w.decide(get(w, s.JoinExpr))
	case *googlesql.ResolvedArrayScan:
		w.arrayScan(s)
	case *googlesql.ResolvedSetOperationScan:
		w.setOperation(s, columns)
	case *googlesql.ResolvedOrderByScan:
		w.scan(get(w, s.InputScan))
		w.orderBy(get(w, s.OrderByItemList))
	case *googlesql.ResolvedLimitOffsetScan:
		w.scan(get(w, s.InputScan))
		w.decide(get(w, s.Limit))
		w.decide(get(w, s.Offset))
	case *googlesql.ResolvedAggregateScan:
		w.aggregateScan(s)
	case *googlesql.ResolvedAnalyticScan:
		w.scan(get(w, s.InputScan))
		for _, g := range get(w, s.FunctionGroupList) {
			w.analyticGroup(g)
		}
	case *googlesql.ResolvedWithScan:
		for _, e := range get(w, s.WithEntryList) {
			w.withEntry(e)
		}
		return w.scan(get(w, s.Query))
	case *googlesql.ResolvedWithRefScan:
		w.sameColumns(columns, w.with[get(w, s.WithQueryName)])
	case *googlesql.ResolvedRecursiveScan:
		w.recursiveScan(s, columns)
	case *googlesql.ResolvedRecursiveRefScan:
		if len(w.recur) != 1 { // of several it does not say which
			w.unlisted(s)
			return nil
		}
		w.sameColumns(columns, w.recur[len(w.recur)-1])
	case *googlesql.ResolvedSampleScan:
		w.sampleScan(s)
	case *googlesql.ResolvedPivotScan:
		w.pivotScan(s)
	case *googlesql.ResolvedUnpivotScan:
		w.unpivotScan(s)
	default:
		w.unlisted(s)
	}
	return columns
}

// sameColumns defines columns as those of another scan, by position.
func (w *walker) sameColumns(columns, of []int32) {
	if len(columns) != len(of) {
		w.giveUp("a common table expression that is not traced")
		return
	}
	for i, id := range columns {
		if w.raising[of[i]] {
			w.raising[id] = true
		}
		w.define(id, column(of[i]))
	}
}

func (w *walker) tableScan(s *googlesql.ResolvedTableScan, columns []int32) {
	if get(w, s.ReadAsRowType) || get(w, s.LockMode) != nil {
		w.unlisted(s)
		return
	}
	w.decide(get(w, s.ForSystemTimeExpr))
	table := get(w, s.Table)
	indexes := get(w, s.ColumnIndexList)
	if w.stopped() {
		return
	}
	t := int(get(w, table.GetSerializationId))
	if t < 0 || t >= len(w.tables) || len(indexes) != len(columns) {
		w.giveUp("a table that is not among those given")
		return
	}
	if w.tables[t].View != "" && w.reach != nil {
		w.reach(t)
	}
	v, isView := w.views[t]
	if w.tables[t].View != "" && !isView {
		w.giveUp("a view whose query is not traced")
		return
	}
	w.used = append(w.used, v.predicates...)
	for i, id := range columns {
		w.define(id, &node{op: opBase, table: t, index: int(indexes[i])})
		if int(indexes[i]) < len(v.raises) && v.raises[indexes[i]] {
			w.raising[id] = true
		}
	}
}

// arrayScan reads UNNEST. How many elements an array has decides rows.
func (w *walker) arrayScan(s *googlesql.ResolvedArrayScan) {
	if input := get(w, s.InputScan); input != nil {
		w.scan(input)
	}
	elements := get(w, s.ElementColumnList)
	arrays := get(w, s.ArrayExprList)
	if w.stopped() || len(elements) != len(arrays) {
		w.giveUp("an UNNEST that is not traced")
		return
	}
	for i, a := range arrays {
		n := w.written(a)
		if n == nil {
			n, _ = w.top(a)
			w.decides = append(w.decides, &node{op: opShape, args: []*node{n}})
		}
		w.define(w.id(elements[i]), n)
	}
	if offset := get(w, s.ArrayOffsetColumn); offset != nil {
		// Only the number of elements tells, which decides rows already.
		w.define(w.id(get(w, offset.Column)), &node{})
	}
	w.decide(get(w, s.ArrayZipMode))
	w.decide(get(w, s.JoinExpr))
}

// written reads an array whose elements the text lists. How many there are tells
// nothing, and none of them is answered with as an array. It returns nil for others.
func (w *walker) written(e googlesql.ResolvedExprNode) *node {
	call, ok := e.(*googlesql.ResolvedFunctionCall)
	if !ok || get(w, call.GenericArgumentListSize) > 0 {
		return nil
	}
	f := get(w, call.Function)
	if w.stopped() || f == nil || !builtin(get(w, f.GetGroup)) || get(w, f.Name) != "$make_array" {
		return nil
	}
	var elements []*node
	for _, a := range get(w, call.ArgumentList) {
		n, _ := w.top(a)
		elements = append(elements, n)
	}
	return &node{op: opElem, args: []*node{{op: opChoice, args: elements}}}
}

func (w *walker) setOperation(s *googlesql.ResolvedSetOperationScan, columns []int32) {
	items := get(w, s.InputItemList)
	all := get(w, s.OpType) == googlesql.ResolvedSetOperationScanEnums_SetOperationTypeUnionAll
	for _, item := range items {
		w.setItem(item, columns, !all)
	}
}

// setItem reads one side of a set operation. All but UNION ALL compare rows.
func (w *walker) setItem(item *googlesql.ResolvedSetOperationItem, columns []int32, compares bool) {
	if item == nil {
		w.giveUp("a set operation that is not traced")
		return
	}
	w.scan(get(w, item.Scan))
	from := w.ids(get(w, item.OutputColumnList))
	w.sameColumns(columns, from)
	if compares {
		for _, id := range from {
			w.decides = append(w.decides, column(id))
		}
	}
}

func (w *walker) recursiveScan(s *googlesql.ResolvedRecursiveScan, columns []int32) {
	if get(w, s.RecursionDepthModifier) != nil {
		w.unlisted(s)
		return
	}
	compares := get(w, s.OpType) != googlesql.ResolvedRecursiveScanEnums_RecursiveSetOperationTypeUnionAll
	w.recur = append(w.recur, columns)
	w.setItem(get(w, s.NonRecursiveTerm), columns, compares)
	w.setItem(get(w, s.RecursiveTerm), columns, compares)
	w.recur = w.recur[:len(w.recur)-1]
}

func (w *walker) withEntry(e *googlesql.ResolvedWithEntry) {
	name := get(w, e.WithQueryName)
	w.with[name] = w.scan(get(w, e.WithSubquery))
}

func (w *walker) orderBy(items []*googlesql.ResolvedOrderByItem) {
	for _, item := range items {
		w.decides = append(w.decides, column(w.id(get(w, get(w, item.ColumnRef).Column))))
		w.decide(get(w, item.CollationName))
	}
}

func (w *walker) aggregateScan(s *googlesql.ResolvedAggregateScan) {
	w.scan(get(w, s.InputScan))
	for _, c := range get(w, s.GroupByList) {
		w.decides = append(w.decides, w.compute(c))
	}
	for _, c := range get(w, s.AggregateList) {
		w.compute(c)
	}
	for _, c := range get(w, s.GroupingCallList) {
		w.define(w.id(get(w, c.OutputColumn)), &node{}) // which grouping set, not which value
	}
	w.decideColumns(get(w, s.RollupColumnList))
}

// analyticGroup reads the window functions that share a partition and an order.
// Both tell on each of their values.
func (w *walker) analyticGroup(g *googlesql.ResolvedAnalyticFunctionGroup) {
	var window []*node
	if p := get(w, g.PartitionBy); p != nil {
		for _, r := range get(w, p.PartitionByList) {
			window = append(window, column(w.id(get(w, r.Column))))
		}
	}
	if o := get(w, g.OrderBy); o != nil {
		for _, item := range get(w, o.OrderByItemList) {
			window = append(window, column(w.id(get(w, get(w, item.ColumnRef).Column))))
		}
	}
	w.decides = append(w.decides, window...)
	for _, f := range get(w, g.AnalyticFunctionList) {
		id := w.id(get(w, f.Column))
		n, raises := w.top(get(w, f.Expr))
		if raises {
			w.raising[id] = true
		}
		w.define(id, &node{op: opElem, args: append([]*node{n}, window...)})
	}
}

func (w *walker) sampleScan(s *googlesql.ResolvedSampleScan) {
	w.scan(get(w, s.InputScan))
	for _, e := range get(w, s.PartitionByList) {
		w.decide(e)
	}
	w.decide(get(w, s.Size))
	w.decide(get(w, s.RepeatableArgument))
	if c := get(w, s.WeightColumn); c != nil {
		w.define(w.id(get(w, c.Column)), &node{})
	}
}

func (w *walker) pivotScan(s *googlesql.ResolvedPivotScan) {
	w.scan(get(w, s.InputScan))
	for _, c := range get(w, s.GroupByList) {
		w.decides = append(w.decides, w.compute(c))
	}
	by, _ := w.top(get(w, s.ForExpr))
	w.decides = append(w.decides, by)
	var exprs []*node
	for _, e := range get(w, s.PivotExprList) {
		n, _ := w.top(e)
		exprs = append(exprs, n)
	}
	for _, e := range get(w, s.PivotValueList) {
		w.decide(e)
	}
	for _, c := range get(w, s.PivotColumnList) {
		i := int(get(w, c.PivotExprIndex))
		if i < 0 || i >= len(exprs) {
			w.giveUp("a PIVOT that is not traced")
			return
		}
		w.define(w.id(get(w, c.Column)), &node{op: opElem, args: []*node{exprs[i], by}})
	}
}

func (w *walker) unpivotScan(s *googlesql.ResolvedUnpivotScan) {
	w.scan(get(w, s.InputScan))
	w.computeAll(get(w, s.ProjectedInputColumnList))
	values := w.ids(get(w, s.ValueColumnList))
	nulls := get(w, s.IncludeNulls)
	for _, arg := range get(w, s.UnpivotArgList) {
		refs := get(w, arg.ColumnList)
		if len(refs) != len(values) {
			w.giveUp("an UNPIVOT that is not traced")
			return
		}
		if !nulls {
			w.decideColumns(refs) // whether they are NULL
		}
		for i, r := range refs {
			w.define(values[i], column(w.id(get(w, r.Column))))
		}
	}
	w.define(w.id(get(w, s.LabelColumn)), &node{})
}
