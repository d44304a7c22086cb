// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/goccy/go-googlesql"
)

// expr reads an expression. Like scan's, its list of kinds is closed.
func (w *walker) expr(e googlesql.ResolvedExprNode) *node {
	defer func() { w.depth-- }()
	if !w.enter() || e == nil {
		return &node{}
	}
	switch e := e.(type) {
	case *googlesql.ResolvedLiteral, *googlesql.ResolvedParameter, *googlesql.ResolvedDMLDefault:
		return &node{}
	case *googlesql.ResolvedColumnRef:
		id := w.id(get(w, e.Column))
		w.raises = w.raises || w.raising[id]
		return column(id)
	case *googlesql.ResolvedGetStructField:
		return &node{op: opField, index: int(get(w, e.FieldIdx)), args: []*node{w.expr(get(w, e.Expr))}}
	case *googlesql.ResolvedMakeStruct:
		return &node{op: opStruct, args: w.exprs(get(w, e.FieldList))}
	case *googlesql.ResolvedCast:
		return w.cast(e)
	case *googlesql.ResolvedFunctionCall:
		return w.call(e, get(w, e.ArgumentList))
	case *googlesql.ResolvedAggregateFunctionCall:
		return w.aggregateCall(e)
	case *googlesql.ResolvedAnalyticFunctionCall:
		return w.analyticCall(e)
	case *googlesql.ResolvedSubqueryExpr:
		return w.subquery(e)
	case *googlesql.ResolvedGetJsonField:
		return derive(w.expr(get(w, e.Expr)))
	case *googlesql.ResolvedWithExpr:
		w.computeAll(get(w, e.AssignmentList))
		return w.expr(get(w, e.Expr))
	}
	w.unlisted(e)
	return &node{}
}

func (w *walker) exprs(list []googlesql.ResolvedExprNode) []*node {
	out := make([]*node, 0, len(list))
	for _, e := range list {
		out = append(out, w.expr(e))
	}
	return out
}

func (w *walker) cast(e *googlesql.ResolvedCast) *node {
	if get(w, e.ExtendedCast) != nil {
		w.unlisted(e)
		return &node{}
	}
	inner := get(w, e.Expr)
	n := derive(w.expr(inner), w.expr(get(w, e.Format)), w.expr(get(w, e.TimeZone)))
	if w.stopped() || get(w, e.ReturnNullOnError) {
		return n
	}
	from, to := get(w, inner.Type), get(w, e.Type)
	if w.stopped() || from == nil || to == nil {
		return n
	}
	if !castIsTotal(get(w, from.Kind), get(w, to.Kind)) || get(w, e.Format) != nil || w.limited(e) {
		w.raises = true
	}
	return n
}

// limited reports whether a cast is to a type with a length or precision, which a
// value can exceed.
func (w *walker) limited(e *googlesql.ResolvedCast) bool {
	p := get(w, e.TypeParameters)
	return p == nil || !get(w, p.IsEmpty)
}

// castIsTotal reports whether no value of a type fails to become one of another.
func castIsTotal(from, to googlesql.TypeKind) bool {
	if from == to {
		return from != googlesql.TypeKindTypeStruct && from != googlesql.TypeKindTypeArray // their elements' casts may fail
	}
	switch from {
	case googlesql.TypeKindTypeInt64:
		switch to {
		case googlesql.TypeKindTypeDouble, googlesql.TypeKindTypeString, googlesql.TypeKindTypeNumeric,
			googlesql.TypeKindTypeBignumeric, googlesql.TypeKindTypeBool:
			return true
		}
	case googlesql.TypeKindTypeDouble, googlesql.TypeKindTypeNumeric, googlesql.TypeKindTypeBignumeric,
		googlesql.TypeKindTypeBool, googlesql.TypeKindTypeDate, googlesql.TypeKindTypeTime,
		googlesql.TypeKindTypeDatetime, googlesql.TypeKindTypeTimestamp:
		return to == googlesql.TypeKindTypeString
	case googlesql.TypeKindTypeString:
		return to == googlesql.TypeKindTypeBytes
	}
	return false
}

// builtin reports whether a function's group is that of the engine's own.
func builtin(group string) bool { return group == "GoogleSQL" || group == "ZetaSQL" }

// callNode is what calls of all kinds have.
type callNode interface {
	Function() (*googlesql.Function, error)
	ErrorMode() (googlesql.ResolvedFunctionCallBaseEnums_ErrorMode, error)
	GenericArgumentListSize() (int32, error)
}

// call reads what all calls have in common: the arguments, and whether the
// function can fail. Its value derives from every argument.
func (w *walker) call(e callNode, arguments []googlesql.ResolvedExprNode) *node {
	if get(w, e.GenericArgumentListSize) > 0 {
		w.giveUp("a function with an argument that is not a value")
		return &node{}
	}
	f := get(w, e.Function)
	if w.stopped() || f == nil {
		w.giveUp("a function that is not there")
		return &node{}
	}
	if !builtin(get(w, f.GetGroup)) {
		w.giveUp("a function that is not built in")
		return &node{}
	}
	name := get(w, f.Name)
	args := w.exprs(arguments)
	safe := get(w, e.ErrorMode) == googlesql.ResolvedFunctionCallBaseEnums_ErrorModeSafeErrorMode
	if !safe && !isTotal(name) && !w.fits(name, arguments) {
		w.raises = true
	}
	switch {
	case passesElement(name) && len(args) > 0:
		return &node{op: opElem, args: args}
	case name == "array_length" && len(args) == 1:
		return derive(&node{op: opShape, args: args})
	case name == "$make_array" && len(args) > 0:
		return &node{op: opElem, args: []*node{{op: opChoice, args: args}}}
	}
	return derive(args...)
}

// fits reports whether the literals that follow a function's first argument make it
// one that cannot fail.
func (w *walker) fits(name string, arguments []googlesql.ResolvedExprNode) bool {
	if len(arguments) < 2 {
		return false
	}
	for _, a := range arguments[1:] {
		lit, ok := a.(*googlesql.ResolvedLiteral)
		if !ok {
			return false
		}
		v := get(w, lit.Value)
		if w.stopped() || v == nil || get(w, v.IsNull) {
			return false
		}
		switch get(w, v.TypeKind) {
		case googlesql.TypeKindTypeInt64:
			if !takesCount(name) || get(w, v.Int64Value) < 0 {
				return false
			}
		case googlesql.TypeKindTypeString:
			if !takesPattern(name, get(w, v.StringValue)) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// aggregateCall adds what an aggregate call has beyond its arguments.
func (w *walker) aggregateCall(e *googlesql.ResolvedAggregateFunctionCall) *node {
	if len(get(w, e.GroupByList)) > 0 || len(get(w, e.GroupByAggregateList)) > 0 || get(w, e.HavingExpr) != nil {
		w.unlisted(e)
		return &node{}
	}
	n := w.call(e, get(w, e.ArgumentList))
	extra := []*node{w.expr(get(w, e.Limit)), w.expr(get(w, e.WhereExpr))}
	for _, item := range get(w, e.OrderByItemList) {
		extra = append(extra, column(w.id(get(w, get(w, item.ColumnRef).Column))))
	}
	if m := get(w, e.HavingModifier); m != nil {
		extra = append(extra, w.expr(get(w, m.HavingExpr)))
	}
	if d := derive(extra...); d.op != opNone {
		w.decides = append(w.decides, d)
		return &node{op: opElem, args: []*node{n, d}}
	}
	return n
}

func (w *walker) analyticCall(e *googlesql.ResolvedAnalyticFunctionCall) *node {
	n := w.call(e, get(w, e.ArgumentList))
	extra := []*node{w.expr(get(w, e.WhereExpr))}
	if f := get(w, e.WindowFrame); f != nil {
		for _, bound := range []*googlesql.ResolvedWindowFrameExpr{get(w, f.StartExpr), get(w, f.EndExpr)} {
			if bound != nil {
				extra = append(extra, w.expr(get(w, bound.Expression)))
			}
		}
	}
	if d := derive(extra...); d.op != opNone {
		return &node{op: opElem, args: []*node{n, d}}
	}
	return n
}

// subquery reads a query inside an expression. What decides its rows decides its
// value.
func (w *walker) subquery(e *googlesql.ResolvedSubqueryExpr) *node {
	decides := len(w.decides)
	columns := w.scan(get(w, e.Subquery))
	extra := append([]*node{}, w.decides[min(decides, len(w.decides)):]...)
	if in := get(w, e.InExpr); in != nil {
		extra = append(extra, w.expr(in))
	}
	kind := get(w, e.SubqueryType)
	if w.stopped() {
		return &node{}
	}
	switch kind {
	case googlesql.ResolvedSubqueryExprEnums_SubqueryTypeExists:
		return derive(extra...)
	case googlesql.ResolvedSubqueryExprEnums_SubqueryTypeScalar, googlesql.ResolvedSubqueryExprEnums_SubqueryTypeArray:
		if len(columns) != 1 {
			w.unlisted(e)
			return &node{}
		}
		// More than one row, or a NULL in an array, makes the statement fail.
		w.raises = true
		return &node{op: opElem, args: append([]*node{column(columns[0])}, extra...)}
	case googlesql.ResolvedSubqueryExprEnums_SubqueryTypeIn:
		for _, c := range columns {
			extra = append(extra, column(c))
		}
		return derive(extra...)
	}
	w.unlisted(e)
	return &node{}
}
