// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-googlesql"

	"github.com/sallyport-dev/sallyport/internal/wire/bqanalyzer"
)

// maxDepth is the deepest tree that is walked.
const maxDepth = 2000

// walker reads one resolved statement into a graph. It stops understanding at the
// first node that it does not know: unknown is then set, and nothing of the rest
// counts.
type walker struct {
	graph
	unknown string
	err     error // of the engine
	depth   int

	// decides are the values that decide rows, groups, orders or whether the
	// statement fails.
	decides []*node
	// raises is set while an expression is read that can fail.
	raises bool
	// raising are the columns whose computation can fail: what is computed under a
	// condition of their readers tells of the condition.
	raising map[int32]bool
	// reach, when set, is called for each view before its columns are looked up.
	reach func(table int)
	used  []bqanalyzer.Ref   // predicates of the views that are read
	with  map[string][]int32 // columns of the common table expressions
	recur [][]int32          // columns of the recursive scans around
}

// get calls a getter of the engine and keeps its error.
func get[T any](w *walker, f func() (T, error)) T {
	var zero T
	if w.stopped() {
		return zero
	}
	v, err := f()
	if err != nil {
		w.err = err
		return zero
	}
	return v
}

func (w *walker) stopped() bool { return w.err != nil || w.unknown != "" }

// give up understanding the statement. why holds no word of the text.
func (w *walker) giveUp(why string) {
	if w.unknown == "" {
		w.unknown = why
	}
}

// unlisted gives up at a node that is on no list.
func (w *walker) unlisted(n any) {
	w.giveUp("a part of the query that is not traced (" + kindOf(n) + ")")
}

// kindOf is the engine's word for a kind of node.
func kindOf(n any) string {
	name := fmt.Sprintf("%T", n)
	return strings.TrimPrefix(name[strings.LastIndexByte(name, '.')+1:], "Resolved")
}

func (w *walker) enter() bool {
	w.depth++
	if w.depth > maxDepth {
		w.giveUp("a query that is nested too deeply")
	}
	return !w.stopped()
}

func (w *walker) id(c *googlesql.ResolvedColumn) int32 {
	if c == nil {
		w.giveUp("a column that is not there")
		return -1
	}
	return get(w, c.ColumnId)
}

func (w *walker) ids(columns []*googlesql.ResolvedColumn) []int32 {
	out := make([]int32, 0, len(columns))
	for _, c := range columns {
		out = append(out, w.id(c))
	}
	return out
}

// top reads a whole expression. If it can fail, every column in it decides
// whether the statement does.
func (w *walker) top(e googlesql.ResolvedExprNode) (n *node, raises bool) {
	if e == nil {
		return &node{}, false
	}
	before := w.raises
	w.raises = false
	n = w.expr(e)
	if raises = w.raises; raises {
		w.decides = append(w.decides, n)
	}
	w.raises = w.raises || before
	return n, raises
}

// decide reads an expression whose value decides rows.
func (w *walker) decide(e googlesql.ResolvedExprNode) {
	if e == nil {
		return
	}
	n, _ := w.top(e)
	w.decides = append(w.decides, n)
}

// decideColumns are columns whose values decide rows, groups or orders.
func (w *walker) decideColumns(refs []*googlesql.ResolvedColumnRef) {
	for _, r := range refs {
		w.decides = append(w.decides, column(w.id(get(w, r.Column))))
	}
}

// compute defines a column by its expression.
func (w *walker) compute(c googlesql.ResolvedComputedColumnBaseNode) *node {
	id := w.id(get(w, c.Column))
	n, raises := w.top(get(w, c.Expr))
	if d, ok := c.(*googlesql.ResolvedDeferredComputedColumn); ok && get(w, d.SideEffectColumn) != nil {
		w.unlisted(c)
	}
	if raises {
		w.raising[id] = true
	}
	w.define(id, n)
	return n
}

func (w *walker) computeAll(columns []*googlesql.ResolvedComputedColumn) {
	for _, c := range columns {
		w.compute(c)
	}
}

// predicates resolves what decides rows to base columns.
func (w *walker) predicates() []bqanalyzer.Ref {
	out := slices.Clone(w.used)
	for _, n := range w.decides {
		out = append(out, w.whole(n)...)
	}
	return tidy(out)
}

func (w *walker) whole(n *node) []bqanalyzer.Ref {
	refs, ok := w.sources(n)
	if !ok {
		w.giveUp("a column whose definition is not traced")
	}
	return refs
}

// output resolves one output column.
func (w *walker) output(name string, n *node) bqanalyzer.Output {
	o := bqanalyzer.Output{Name: name, Sources: w.whole(n)}
	if ref, ok := w.direct(n); ok && len(o.Sources) == 1 {
		o.Sources[0], o.Direct = ref, true
	}
	return o
}

func (w *walker) outputs(columns []*googlesql.ResolvedOutputColumn) []bqanalyzer.Output {
	out := make([]bqanalyzer.Output, 0, len(columns))
	for _, c := range columns {
		out = append(out, w.output(get(w, c.Name), column(w.id(get(w, c.Column)))))
	}
	return out
}
