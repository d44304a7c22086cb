// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql

import (
	"reflect"
	"strings"

	"github.com/sqlc-dev/zetajones/ast"

	"github.com/sallyport-dev/sallyport"
)

// walk collects what one statement names.
type walk struct {
	r       *reader
	p       *Parsed
	depth   int
	options int // OPTIONS(...) around
}

// scope holds what names can mean at a place of a query: common table
// expressions, and range variables whose fields can stand where a table can.
type scope struct {
	outer *scope
	// queries are common table expressions, ranges are range variables, by their
	// names in lower case. doubtful ranges are those whose name BigQuery derives
	// from part of a quoted name.
	queries, ranges, doubtful map[string]bool
}

func (s *scope) inner() *scope {
	return &scope{outer: s, queries: map[string]bool{}, ranges: map[string]bool{}, doubtful: map[string]bool{}}
}

func (s *scope) query(name string) bool {
	for ; s != nil; s = s.outer {
		if s.queries[strings.ToLower(name)] {
			return true
		}
	}
	return false
}

// ranged reports whether a name is a range variable, and whether that is sure.
func (s *scope) ranged(name string) (found, sure bool) {
	name = strings.ToLower(name)
	for ; s != nil; s = s.outer {
		if s.ranges[name] {
			return true, true
		}
		if s.doubtful[name] {
			return true, false
		}
	}
	return false, false
}

// withoutRanges is s as a subquery in FROM sees it: its neighbours are not there.
func (s *scope) withoutRanges() *scope {
	return &scope{outer: s.outer, queries: s.queries}
}

// node reads any node. Those that name tables are treated one by one; of all
// others the kind must be on the list.
func (w *walk) node(n ast.Node, s *scope) {
	if isNil(n) || w.p.Refused != "" {
		return
	}
	w.depth++
	defer func() { w.depth-- }()
	if w.depth > maxTree {
		w.p.refuse("the query is nested too deeply", "use WITH, or split the script")
		return
	}
	switch n := n.(type) {
	case *ast.Query:
		w.query(n, s)
	case *ast.Select:
		w.selects(n, s)
	case *ast.TablePathExpression:
		w.tablePath(n, s)
	case *ast.TableSubquery:
		from := s
		if !n.IsLateral {
			from = s.withoutRanges()
		}
		w.query(n.Query, from)
		w.rangeOf(n.Alias, nil, s)
		w.nodes(n.PostfixOperators, s)
	case *ast.TVF:
		w.tableFunction(n, s)
	case *ast.TableClause:
		w.tableClause(n, s)
	case *ast.ModelClause:
		w.routine(Routine{Parts: parts(n.Path), Effect: sallyport.Execute, Table: true})
	case *ast.ConnectionClause:
		w.connection(n)
	case *ast.FunctionCall:
		w.call(n)
		w.children(n, s)
	case *ast.SystemVariableExpr:
		w.systemVariable(n)
	case *ast.OptionsList:
		w.options++
		w.children(n, s)
		w.options--
	default:
		if name := nameOf(n); !listed(name) {
			w.p.refuse("a part of the query is not understood ("+name+")", "write the query without it")
			return
		}
		w.children(n, s)
	}
}

func (w *walk) nodes(list []ast.Node, s *scope) {
	for _, n := range list {
		w.node(n, s)
	}
}

func (w *walk) children(n ast.Node, s *scope) { w.nodes(n.Children(), s) }

// query opens a scope for the query's common table expressions.
func (w *walk) query(q *ast.Query, outer *scope) {
	if q == nil {
		return
	}
	if w.options > 0 {
		// An option ends up where no lineage is looked for.
		w.p.refuse("a query inside OPTIONS is not understood", "write the option's value")
		return
	}
	if q.LockMode != nil {
		w.p.refuse("locks are not understood", "leave FOR UPDATE out")
		return
	}
	s := outer.inner()
	if q.WithClause != nil {
		for _, e := range q.WithClause.Entries {
			if e.AliasedQuery == nil {
				w.p.refuse("a part of WITH is not understood", "write the query without it")
				return
			}
			if strings.Contains(e.AliasedQuery.Identifier.Name, ".") {
				w.p.refuse("a name with a dot in WITH could hide a table", "give it a name without dots")
				return
			}
			if q.WithClause.Recursive {
				s.queries[strings.ToLower(e.AliasedQuery.Identifier.Name)] = true
			}
		}
		for _, e := range q.WithClause.Entries {
			if m := e.AliasedQuery.Modifiers; m != nil {
				w.node(m, s)
			}
			w.query(e.AliasedQuery.Query, s)
			s.queries[strings.ToLower(e.AliasedQuery.Identifier.Name)] = true
		}
	}
	if from, ok := q.QueryExpr.(*ast.FromQuery); ok {
		w.node(from.From, s) // its range variables are seen by the pipe operators
	} else {
		w.node(q.QueryExpr, s)
	}
	for _, c := range q.Children() {
		if c != ast.Node(q.QueryExpr) && !isWith(c) {
			w.node(c, s)
		}
	}
}

func isWith(n ast.Node) bool { _, ok := n.(*ast.WithClause); return ok }

// selects reads FROM first: the rest of a SELECT sees its range variables.
func (w *walk) selects(n *ast.Select, outer *scope) {
	s := outer.inner()
	if n.From != nil {
		w.node(n.From, s)
	}
	for _, c := range n.Children() {
		if _, ok := c.(*ast.FromClause); !ok {
			w.node(c, s)
		}
	}
}

// tablePath reads a path in FROM: a table, a common table expression, or an array
// of a range variable to its left.
func (w *walk) tablePath(n *ast.TablePathExpression, s *scope) {
	if n.UnnestExpr != nil {
		w.node(n.UnnestExpr, s)
	}
	if n.Path != nil {
		w.fromPath(n.Path, s, n.ForSystemTime != nil)
	}
	w.node(n.ForSystemTime, s)
	w.rangeOf(n.Alias, n.Path, s)
	if n.Offset != nil {
		w.rangeOf(n.Offset.Alias, nil, s)
	}
	w.node(n.Hint, s)
	w.nodes(n.PostfixOperators, s)
}

func (w *walk) fromPath(path *ast.PathExpression, s *scope, timeTravel bool) {
	first := path.Names[0].Name
	if len(path.Names) == 1 && s.query(first) {
		return
	}
	if len(path.Names) > 1 {
		switch found, sure := s.ranged(first); {
		case found && sure:
			return
		case found:
			w.p.refuse("it is not clear whether a name in FROM is a table or an array", "give the table before it an alias with AS")
			return
		}
	}
	w.table(path, sallyport.Read, timeTravel)
}

// rangeOf enters the range variable that a FROM item makes.
func (w *walk) rangeOf(alias *ast.Alias, path *ast.PathExpression, s *scope) {
	switch {
	case alias != nil && strings.Contains(alias.Identifier.Name, "."):
		w.p.refuse("an alias with a dot could hide a table", "give it a name without dots")
	case alias != nil:
		s.ranges[strings.ToLower(alias.Identifier.Name)] = true
	case path != nil && len(path.Names) > 0:
		last := path.Names[len(path.Names)-1].Name
		s.ranges[strings.ToLower(last)] = true
		if i := strings.LastIndexByte(last, '.'); i >= 0 {
			s.doubtful[strings.ToLower(last[i+1:])] = true
		}
	}
}

// table notes a use of a table.
func (w *walk) table(path *ast.PathExpression, e sallyport.Effect, timeTravel bool) *TableUse {
	u, ok := tableUse(path)
	if !ok {
		w.p.refuse("a table's name is not understood", "write it as project.dataset.table")
		return nil
	}
	u.Effect = e
	u.TimeTravel = u.TimeTravel || timeTravel
	if len(u.Parts) == 1 && w.r.temps[u.Parts[0]] || len(u.Parts) == 2 && strings.EqualFold(u.Parts[0], "_SESSION") {
		u.Kind = "temp table"
		u.Parts = []string{"_SESSION", u.Parts[len(u.Parts)-1]}
	}
	w.p.Tables = append(w.p.Tables, u)
	return &w.p.Tables[len(w.p.Tables)-1]
}

// tableFunction reads a call where a table can stand.
func (w *walk) tableFunction(n *ast.TVF, s *scope) {
	name := parts(n.Name)
	r := Routine{Parts: name, Effect: sallyport.Execute, Table: true, Builtin: reaching(name)}
	w.routine(r)
	before := len(w.p.Tables)
	for _, a := range n.Args {
		w.node(a, s)
	}
	if len(name) == 1 && (strings.EqualFold(name[0], "APPENDS") || strings.EqualFold(name[0], "CHANGES")) {
		for i := range w.p.Tables[before:] {
			w.p.Tables[before+i].TimeTravel = true
		}
	}
	w.rangeOf(n.Alias, nil, s)
	w.node(n.Hint, s)
	w.nodes(n.PostfixOperators, s)
}

// tableClause reads TABLE name as an argument.
func (w *walk) tableClause(n *ast.TableClause, s *scope) {
	switch t := n.Table.(type) {
	case *ast.PathExpression:
		if len(t.Names) == 1 && s.query(t.Names[0].Name) {
			return
		}
		w.table(t, sallyport.Read, false)
	default:
		w.node(n.Table, s)
	}
}

// call notes a function that is not one of BigQuery's own pure ones.
func (w *walk) call(n *ast.FunctionCall) {
	name := parts(n.Function)
	if len(name) > 1 && strings.EqualFold(name[0], "SAFE") {
		name = name[1:]
	}
	switch {
	case reaching(name):
		w.routine(Routine{Parts: name, Effect: sallyport.Execute, Builtin: true})
	case len(name) == 1:
		if w.r.tempRoutines[strings.ToLower(name[0])] {
			w.routine(Routine{Parts: []string{"_SESSION", name[0]}, Effect: sallyport.Execute, Temp: true})
		}
	case len(name) == 2 && family(name[0]):
	default:
		w.routine(Routine{Parts: name, Effect: sallyport.Execute})
	}
}

func (w *walk) routine(r Routine) {
	if len(r.Parts) == 0 || len(r.Parts) > 3 {
		w.p.refuse("a function's name is not understood", "write it as project.dataset.function")
		return
	}
	w.p.Routines = append(w.p.Routines, r)
}

// connection notes a connection to another system, which is executed.
func (w *walk) connection(n *ast.ConnectionClause) {
	path, ok := n.Path.(*ast.PathExpression)
	if !ok {
		return // CONNECTION DEFAULT
	}
	w.routine(Routine{Parts: parts(path)[max(0, len(parts(path))-3):], Effect: sallyport.Execute, Table: true})
}

// systemVariable lets those be read that tell nothing of data.
func (w *walk) systemVariable(n *ast.SystemVariableExpr) {
	switch name := strings.ToLower(strings.Join(parts(n.Path), ".")); name {
	case "project_id", "dataset_id", "dataset_project_id", "row_count", "current_job_id", "last_job_id", "session_id",
		"time_zone", "query_label", "script.bytes_processed", "script.job_id", "script.num_child_jobs", "script.slot_ms":
	default:
		w.p.refuse("a system variable is not understood", "leave it out; @@error can hold data")
	}
}

// nameOf is the grammar's word for a kind of node.
func nameOf(n ast.Node) string { return reflect.TypeOf(n).Elem().Name() }

// isNil reports whether a node is absent: getters hand out nil pointers too.
func isNil(n ast.Node) bool {
	if n == nil {
		return true
	}
	v := reflect.ValueOf(n)
	return v.Kind() != reflect.Pointer || v.IsNil()
}
