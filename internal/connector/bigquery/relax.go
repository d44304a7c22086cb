// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"slices"

	sallyport "github.com/sallyport-dev/sallyport"
)

// relax takes out of what the call is judged by what the service sees to itself, in
// native mode: the columns that a canary proves to be masked for the role decide no
// row by their values, since the query only ever sees their masks, and hide nothing
// in an answer of unknown origin. Other columns count as always. What does anything
// but read, and what reads an older state of a table, stays as it was judged.
func (e *exchange) relax() {
	whole := e.call.Statement
	from, at := whole, e.judged
	if e.job != nil {
		from, at = e.job.statement, e.job.judged
	}
	if e.t.cfg.Native == nil || whole.Refused != "" || !onlyReads(whole) || !onlyReads(from) || !e.t.good(e.owner.role, at) {
		return
	}
	st := *whole
	st.Predicates = e.t.unmasked(st.Predicates)
	if len(st.Outputs) == 1 && bounded(&st) {
		st.Outputs = []sallyport.Output{{Sources: e.t.unmasked(st.Outputs[0].Sources)}}
		e.alike = true
	}
	e.strict, e.call.Statement = whole, &st
}

// whole is what the call is, of which native mode may judge a part.
func (e *exchange) whole() *sallyport.Statement {
	if e.strict != nil {
		return e.strict
	}
	return e.call.Statement
}

// onlyReads reports whether a statement only reads, and what is there now. Functions that
// it brings along count as a part of its text.
func onlyReads(st *sallyport.Statement) bool {
	own := func(o sallyport.Object) bool {
		return len(o.Path) > 1 && o.Path[1] == "_SESSION" && o.Kind == "function"
	}
	return !st.Older && len(st.Flows) == 0 && !slices.ContainsFunc(st.Accesses, func(a sallyport.Access) bool {
		switch a.Effect {
		case sallyport.Read, sallyport.Control:
			return false
		case sallyport.Define, sallyport.Execute:
			return !own(a.Object)
		}
		return true
	})
}

// bounded reports whether an output of unknown origin can be made of nothing but its
// sources: everything that is read is a table or a view with known columns.
func bounded(st *sallyport.Statement) bool {
	out := st.Outputs[0]
	starred := func(c sallyport.Column) bool { return c.Object.Path[len(c.Object.Path)-1] == "*" }
	if !out.Unknown || slices.ContainsFunc(out.Sources, starred) || slices.ContainsFunc(st.Predicates, starred) {
		return false
	}
	for _, a := range st.Accesses {
		if a.Effect != sallyport.Read {
			continue
		}
		path := a.Object.Path
		if len(path) != 3 || !slices.ContainsFunc(out.Sources, func(c sallyport.Column) bool {
			return len(c.Object.Path) > len(path) && slices.Equal(c.Object.Path[:len(path)], path)
		}) {
			return false
		}
	}
	return true
}

// unmasked are the columns that no canary proves to be masked.
func (t *Target) unmasked(columns []sallyport.Column) []sallyport.Column {
	var out []sallyport.Column
	for _, c := range columns {
		if !slices.ContainsFunc(t.cfg.Native.Canaries, func(k Canary) bool {
			return slices.Equal(c.Object.Path, append([]string{string(t.cfg.Resource), k.Dataset, k.Table}, k.Column...))
		}) {
			out = append(out, c)
		}
	}
	return out
}
