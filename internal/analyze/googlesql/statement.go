// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql

import (
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/wire/bqanalyzer"
)

const protocol = "bigquery"

// Statement says what a text does, in the words that policies speak. trace and
// answer are the question to an analyser and what it said; without them every
// output is unknown, and every column of every table that is read is among the
// sources and the predicates.
//
// A view counts twice: as the object that was named and, where its query is known,
// as the tables that it reads; both must be permitted.
func (s *Script) Statement(env Env, cat Catalog, trace *Trace, answer *bqanalyzer.Answer) *sallyport.Statement {
	b := &builder{env: env, cat: cat, whole: map[Name]bool{}, seen: map[string]bool{}, st: &sallyport.Statement{Protocol: protocol, Readable: Readable(s.Text), Class: s.class()}}
	if len(s.Statements) == 0 {
		b.st.Refused, b.st.Hint = "the query holds no statement", "write one"
		return b.st
	}
	rows := false
	for _, p := range s.Statements {
		b.uses(p)
		rows = rows || p.Rows
	}
	lineage, why := traced(trace, answer)
	if lineage != nil && len(lineage.Outputs) > 0 == rows {
		b.lineage(s.Statements[0], trace, lineage)
	} else {
		for _, p := range s.Statements {
			b.untraced(p, why)
		}
		if rows {
			b.st.Outputs = []sallyport.Output{{Sources: b.read, Unknown: true, Why: why}}
		}
		b.st.Predicates = b.read
	}
	b.complete()
	return b.st
}

// class is BigQuery's word for the job's statement.
func (s *Script) class() string {
	if s.Multi {
		return "SCRIPT"
	}
	if len(s.Statements) == 1 {
		return s.Statements[0].Kind
	}
	return ""
}

// traced returns the lineage of the only statement, or why there is none.
func traced(trace *Trace, answer *bqanalyzer.Answer) (*bqanalyzer.Lineage, string) {
	switch {
	case trace == nil:
		return nil, "the query is not traced to columns"
	case trace.Request == nil:
		return nil, trace.Why
	case answer == nil:
		return nil, "the query is not traced to columns"
	case answer.Failure != nil && answer.Failure.Code == bqanalyzer.FailFunction:
		return nil, "a function that is not known"
	case answer.Failure != nil || len(answer.Statements) != 1:
		return nil, "the query could not be resolved"
	case answer.Statements[0].Unknown != "":
		return nil, answer.Statements[0].Unknown
	}
	l := &answer.Statements[0]
	for _, r := range refs(l) {
		if r.Table < 0 || r.Table >= len(trace.members) || len(r.Path) == 0 {
			return nil, "the query could not be resolved"
		}
	}
	return l, ""
}

// builder makes a statement.
type builder struct {
	env  Env
	cat  Catalog
	st   *sallyport.Statement
	read []sallyport.Column // every column of every table that is read
	// whole are the tables that read has, and seen the accesses that st has: a text can
	// name a table many thousand times.
	whole map[Name]bool
	seen  map[string]bool
}

func (b *builder) access(e sallyport.Effect, o sallyport.Object) {
	key := e.String() + "\x00" + o.Kind + "\x00" + strings.Join(o.Path, "\x00")
	if b.seen[key] {
		return
	}
	b.seen[key] = true
	b.st.Accesses = append(b.st.Accesses, sallyport.Access{Effect: e, Object: o})
}

// uses adds what one statement names.
func (b *builder) uses(p *Parsed) {
	if p.Refused != "" && b.st.Refused == "" {
		b.st.Refused, b.st.Hint = p.Refused, p.Hint
	}
	b.st.Effects = append(b.st.Effects, p.Effects...)
	for _, u := range p.Tables {
		b.system(u)
		b.st.Older = b.st.Older || u.TimeTravel
		if !u.Wildcard {
			b.access(u.Effect, b.env.object(u, b.cat))
		}
		name, ok := b.env.resolve(u)
		if !ok || u.New {
			continue
		}
		members, ok := lookup(b.cat, name, u)
		if !ok {
			if u.Wildcard {
				b.access(u.Effect, b.env.object(u, b.cat))
			}
			continue
		}
		for _, t := range members {
			if u.Wildcard {
				kind := "table"
				if t.View {
					kind = "view"
				}
				b.access(u.Effect, sallyport.Object{Kind: kind, Path: b.env.path(t.Name), Key: t.Key})
			}
			if p.reads(u) {
				b.all(t, b.env, 0)
			}
		}
	}
	for _, r := range p.Routines {
		b.access(r.Effect, b.env.routine(r))
	}
	for _, s := range p.Schemas {
		b.access(s.Effect, b.env.schema(s))
	}
	if p.Kind == "EXPORT_DATA" || p.Kind == "EXPORT_MODEL" {
		b.access(sallyport.Write, b.export())
	}
}

// reads reports whether what a table holds has a part in what the statement does.
func (p *Parsed) reads(u TableUse) bool {
	switch p.Kind {
	case "UPDATE", "DELETE", "MERGE":
		return true
	case "EXECUTE_IMMEDIATE", "CREATE_PROCEDURE":
		return u.Effect != sallyport.Destroy && u.Effect != sallyport.Define && u.Effect != sallyport.Administer
	}
	return u.Effect == sallyport.Read
}

// all adds every column of a table, and of the tables that it reads as a view.
func (b *builder) all(t Table, env Env, depth int) {
	if b.whole[t.Name] {
		return
	}
	b.whole[t.Name] = true
	b.read = append(b.read, b.env.columns(t, nil, false)...)
	if t.Query == "" || depth >= maxViews {
		return
	}
	inner, err := Read(t.Query)
	if err != nil {
		return
	}
	env.Project, env.Dataset = t.Name.Project, ""
	for _, p := range inner.Statements {
		for _, u := range p.Tables {
			b.access(sallyport.Read, env.object(u, b.cat))
			if name, ok := env.resolve(u); ok {
				members, _ := lookup(b.cat, name, u)
				for _, m := range members {
					b.all(m, env, depth+1)
				}
			}
		}
	}
}

// system refuses the views that show what others ran.
func (b *builder) system(u TableUse) {
	if !u.System || b.st.Refused != "" {
		return
	}
	for _, prefix := range []string{"JOBS", "SESSIONS", "STREAMING", "WRITE_API", "RECOMMENDATIONS", "INSIGHTS"} {
		if strings.HasPrefix(u.Parts[len(u.Parts)-1], prefix) {
			b.st.Refused = "this view shows what others ran"
			b.st.Hint = "list your own jobs with the jobs.list call"
		}
	}
}

func (b *builder) export() sallyport.Object {
	return sallyport.Object{Kind: "export", Path: []string{string(b.env.Resource), "export"}}
}

// untraced adds the flows of a statement whose columns are not known.
func (b *builder) untraced(p *Parsed, why string) {
	flow := func(o sallyport.Object, labels []sallyport.Label) {
		b.st.Flows = append(b.st.Flows, sallyport.Flow{
			Target: sallyport.Column{Object: o, Labels: labels}, Sources: b.read, Unknown: true, Altered: true,
		})
	}
	switch p.Kind {
	case "INSERT", "UPDATE", "MERGE":
		if p.Kind == "INSERT" && len(b.read) == 0 && !slices.Contains(p.Effects, sallyport.Read) && len(p.Routines) == 0 {
			return // values of the text
		}
		for _, u := range p.Tables {
			if u.Effect != sallyport.Write {
				continue
			}
			name, ok := b.env.resolve(u)
			t, known := Table{}, false
			if ok {
				t, known = b.cat.Table(name)
			}
			if !known {
				o := b.env.object(u, b.cat)
				flow(sallyport.Object{Kind: "column", Path: append(o.Path, "*")}, nil)
				continue
			}
			for _, c := range b.env.columns(t, nil, false) {
				flow(c.Object, c.Labels)
			}
		}
	case "CREATE_TABLE_AS_SELECT", "CREATE_MATERIALIZED_VIEW", "CREATE_TABLE":
		if p.Kind == "CREATE_TABLE" && !slices.Contains(p.Effects, sallyport.Read) {
			return
		}
		o := b.env.object(p.Tables[0], b.cat)
		flow(sallyport.Object{Kind: columnKind(o), Path: append(o.Path, "*")}, nil)
	case "EXPORT_DATA", "EXPORT_MODEL":
		flow(sallyport.Object{Kind: "export", Path: append(b.export().Path, "*")}, nil)
	case "CREATE_MODEL":
		o := b.env.routine(p.Routines[0])
		flow(sallyport.Object{Kind: "column", Path: append(o.Path, "*")}, nil)
	case "EXECUTE_IMMEDIATE":
		for _, u := range p.Tables {
			if u.Effect == sallyport.Write || u.New {
				flow(sallyport.Object{Kind: "column", Path: append(b.env.object(u, b.cat).Path, "*")}, nil)
			}
		}
	}
}

func columnKind(o sallyport.Object) string {
	if o.Kind == "temp table" {
		return "temp column"
	}
	return "column"
}

// lineage adds what the analyser found.
func (b *builder) lineage(p *Parsed, trace *Trace, l *bqanalyzer.Lineage) {
	for _, o := range l.Outputs {
		b.st.Outputs = append(b.st.Outputs, b.output(trace, o.Sources, o.Direct))
	}
	b.st.Predicates = b.refs(trace, l.Predicates)
	for _, f := range l.Flows {
		out := b.output(trace, f.Sources, f.Direct)
		if len(out.Sources) == 0 || p.Kind == "CREATE_VIEW" {
			continue // a view stores nothing
		}
		targets := b.flowTargets(p, trace, f.Target)
		for _, t := range targets {
			b.st.Flows = append(b.st.Flows, sallyport.Flow{Target: t, Sources: out.Sources, Altered: !out.Direct || len(targets) > 1})
		}
	}
	for _, i := range trace.base {
		for _, t := range trace.members[i] {
			kind := "table"
			if t.View {
				kind = "view"
			}
			b.access(sallyport.Read, sallyport.Object{Kind: kind, Path: b.env.path(t.Name), Key: t.Key})
		}
	}
	for i, a := range b.st.Accesses {
		if a.Effect == sallyport.Read {
			b.st.Accesses[i].Columns = b.usedOf(a.Object)
		}
	}
}

// output makes an output of sources. A record is as many sources as it has fields,
// and then not one value.
func (b *builder) output(trace *Trace, sources []bqanalyzer.Ref, direct bool) sallyport.Output {
	o := sallyport.Output{Sources: b.refs(trace, sources)}
	o.Direct = direct && len(o.Sources) == 1
	return o
}

func (b *builder) refs(trace *Trace, refs []bqanalyzer.Ref) []sallyport.Column {
	var out []sallyport.Column
	for _, r := range refs {
		for _, t := range trace.members[r.Table] {
			out = append(out, b.env.columns(t, r.Path, r.Shape)...)
		}
	}
	return unique(out)
}

// usedOf are the columns of a table that decide anything.
func (b *builder) usedOf(o sallyport.Object) []sallyport.Column {
	var out []sallyport.Column
	add := func(columns []sallyport.Column) {
		for _, c := range columns {
			if len(c.Object.Path) > len(o.Path) && slices.Equal(c.Object.Path[:len(o.Path)], o.Path) {
				out = append(out, c)
			}
		}
	}
	for _, x := range b.st.Outputs {
		add(x.Sources)
	}
	for _, x := range b.st.Flows {
		add(x.Sources)
	}
	add(b.st.Predicates)
	return unique(out)
}

// flowTargets are the columns that a flow writes: the fields of a record, each of
// which may take any part of the sources.
func (b *builder) flowTargets(p *Parsed, trace *Trace, r bqanalyzer.Ref) []sallyport.Column {
	if r.Table >= 0 {
		return b.refs(trace, []bqanalyzer.Ref{r})
	}
	o := b.export()
	kind := o.Kind
	if p.Kind != "EXPORT_DATA" {
		o = b.env.object(p.Tables[0], b.cat)
		kind = columnKind(o)
	}
	return []sallyport.Column{{Object: sallyport.Object{Kind: kind, Path: append(slices.Clone(o.Path), r.Path...)}}}
}

// complete gives every effect an object. A query that touches no table and calls
// nothing reads nothing of the target: it is housekeeping.
func (b *builder) complete() {
	st := b.st
	slices.Sort(st.Effects)
	st.Effects = slices.Compact(st.Effects)
	for _, e := range st.Effects {
		if e != sallyport.Control && !slices.ContainsFunc(st.Accesses, func(a sallyport.Access) bool { return a.Effect == e }) {
			st.Accesses = append(st.Accesses, sallyport.Access{Effect: e, Object: sallyport.Object{Kind: "database", Path: []string{string(b.env.Resource)}}})
		}
	}
}

// unique drops columns that are there twice, and keeps the order.
func unique(columns []sallyport.Column) []sallyport.Column {
	seen := make(map[string]bool, len(columns))
	out := columns[:0:0]
	for _, c := range columns {
		key := strings.Join(c.Object.Path, "\x00")
		if !seen[key] {
			seen[key] = true
			out = append(out, c)
		}
	}
	return out
}
