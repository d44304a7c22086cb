// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql

import (
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/wire/bqanalyzer"
)

const (
	// maxTables is the most tables of one request, those inside views included.
	maxTables = 500
	// maxViews is how deep views may name views.
	maxViews = 16
)

// Trace is what an analyser is asked, and to which tables its answer refers.
type Trace struct {
	// Request is nil when nothing can be asked; Why then says the reason.
	Request *bqanalyzer.Request
	Why     string
	// members are the tables behind each of the request's: several for a wildcard.
	members [][]Table
	// base are the tables that views read, which count as read as well.
	base []int
}

// Trace makes the question for the lineage of a single statement. Scripts are not
// traced: their variables and temporary tables live between statements.
func (s *Script) Trace(env Env, cat Catalog, parameters []bqanalyzer.Field) *Trace {
	t := &tracer{cat: cat, byName: map[string]int{}, tables: map[string]int{}, trace: &Trace{}}
	switch {
	case s.Multi || len(s.Statements) != 1:
		t.giveUp("scripts are not traced to columns")
	case !s.Statements[0].Traceable:
		t.giveUp("this kind of statement is not traced to columns")
	default:
		t.request.SQL, t.request.Parameters = s.Text, parameters
		t.uses(s.Statements[0], env, 0)
	}
	if t.trace.Why == "" {
		t.trace.Request = &t.request
	}
	return t.trace
}

// tracer gathers the tables of a request.
type tracer struct {
	cat     Catalog
	request bqanalyzer.Request
	byName  map[string]int // by a name of the text, in lower case
	tables  map[string]int // by full name
	trace   *Trace
}

func (t *tracer) giveUp(why string) {
	if t.trace.Why == "" {
		t.trace.Why = why
	}
}

// uses adds the tables that a statement names. depth counts the views around it.
func (t *tracer) uses(p *Parsed, env Env, depth int) {
	for _, u := range p.Tables {
		if u.New || t.trace.Why != "" {
			continue
		}
		name, ok := env.resolve(u)
		if !ok {
			t.giveUp("a table whose columns are not known")
			return
		}
		i, ok := t.table(name, u, depth)
		if !ok {
			t.giveUp("a table whose columns are not known")
			return
		}
		if depth > 0 && !slices.Contains(t.trace.base, i) {
			t.trace.base = append(t.trace.base, i)
		}
		names := []string{strings.Join(u.Parts, "."), name.String()}
		if name.Project == env.Project {
			names = append(names, name.Dataset+"."+name.Table)
		}
		for _, n := range names {
			t.call(n, i)
		}
	}
}

// call lets the text reach table i by a name.
func (t *tracer) call(name string, i int) {
	key := strings.ToLower(name)
	if by, ok := t.byName[key]; ok {
		if by != i {
			t.giveUp("a name that means two tables") // one of them inside a view of another project
		}
		return
	}
	t.byName[key] = i
	t.request.Tables[i].Names = append(t.request.Tables[i].Names, name)
}

// table adds a table, and what it reads when it is a view.
func (t *tracer) table(name Name, u TableUse, depth int) (int, bool) {
	if i, ok := t.tables[name.String()]; ok {
		return i, true
	}
	members, ok := lookup(t.cat, name, u)
	if !ok || len(t.request.Tables) >= maxTables {
		return 0, false
	}
	i := len(t.request.Tables)
	t.tables[name.String()] = i
	t.trace.members = append(t.trace.members, members)
	table := bqanalyzer.Table{Columns: fields(merged(members))}
	if u.Wildcard {
		table.Columns = hide(table.Columns, "_TABLE_SUFFIX", "STRING")
	}
	table.Columns = hide(table.Columns, "_PARTITIONTIME", "TIMESTAMP")
	table.Columns = hide(table.Columns, "_PARTITIONDATE", "DATE")
	table.Columns = hide(table.Columns, "_FILE_NAME", "STRING")
	view := members[0]
	t.request.Tables = append(t.request.Tables, table)
	if !view.View || u.Wildcard {
		return i, true
	}
	if view.Query == "" {
		return i, true // a view that is taken by its own columns and labels
	}
	inner, err := Read(view.Query)
	if err != nil || inner.Multi || depth >= maxViews {
		return 0, false
	}
	p := inner.Statements[0]
	if p.Kind != "SELECT" || p.Refused != "" || len(p.Routines) > 0 {
		return 0, false
	}
	t.request.Tables[i].View = view.Query
	t.uses(p, Env{Project: name.Project}, depth+1)
	return i, true
}

// lookup finds the tables behind a name.
func lookup(cat Catalog, name Name, u TableUse) ([]Table, bool) {
	if !u.Wildcard {
		t, ok := cat.Table(name)
		return []Table{t}, ok
	}
	name.Table = strings.TrimSuffix(name.Table, "*")
	members, ok := cat.Wildcard(name)
	return members, ok && len(members) > 0
}

// merged are the columns of all tables behind a wildcard.
func merged(members []Table) []Column {
	out := slices.Clone(members[0].Columns)
	for _, m := range members[1:] {
		for _, c := range m.Columns {
			if !slices.ContainsFunc(out, func(o Column) bool { return strings.EqualFold(o.Name, c.Name) }) {
				out = append(out, c)
			}
		}
	}
	return out
}

func fields(columns []Column) []bqanalyzer.Field {
	out := make([]bqanalyzer.Field, 0, len(columns))
	for _, c := range columns {
		out = append(out, bqanalyzer.Field{Name: c.Name, Type: c.Type, Repeated: c.Repeated, Fields: fields(c.Fields)})
	}
	return out
}

// hide adds a pseudo column, unless the table has one of the name.
func hide(columns []bqanalyzer.Field, name, typ string) []bqanalyzer.Field {
	if slices.ContainsFunc(columns, func(f bqanalyzer.Field) bool { return strings.EqualFold(f.Name, name) }) {
		return columns
	}
	return append(columns, bqanalyzer.Field{Name: name, Type: typ, Hidden: true})
}

// refs are all references of a lineage to the request's tables.
func refs(l *bqanalyzer.Lineage) []bqanalyzer.Ref {
	out := slices.Clone(l.Predicates)
	for _, o := range l.Outputs {
		out = append(out, o.Sources...)
	}
	for _, f := range l.Flows {
		out = append(out, f.Sources...)
		if f.Target.Table >= 0 {
			out = append(out, f.Target)
		}
	}
	return out
}
