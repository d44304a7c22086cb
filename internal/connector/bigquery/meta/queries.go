// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package meta

import (
	"context"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql"
	"github.com/sallyport-dev/sallyport/internal/wire/bqanalyzer"
)

const opQuery = "bigquery query"

// Analyser traces texts to columns, as *lineage.Analyser does.
type Analyser interface {
	Lineage(ctx context.Context, r *bqanalyzer.Request) (*bqanalyzer.Answer, error)
}

// Queries reads the text of queries. It is safe for concurrent use.
type Queries struct {
	catalogue *Catalogue
	analyser  Analyser
}

var _ analyze.Queries = (*Queries)(nil)

// NewQueries makes a reader. Without an analyser (a nil interface) nothing is traced
// to columns, and every output is unknown.
func NewQueries(c *Catalogue, a Analyser) *Queries { return &Queries{catalogue: c, analyser: a} }

// Analyse implements [analyze.Queries]. A text that cannot be read or does not fit
// its tables is an error of kind Invalid, legacy SQL one of kind Denied, a text
// beyond the limits one of kind Exhausted. A target or an analyser that does not
// answer is one of kind Unavailable: what was found out until then does not count.
func (q *Queries) Analyse(ctx context.Context, query analyze.Query) (*sallyport.Statement, analyze.Basis, error) {
	if query.Condition != "" {
		if err := googlesql.Expression(query.Condition); err != nil {
			return nil, nil, err
		}
	}
	script, err := googlesql.Read(query.Text)
	if err != nil {
		return nil, nil, err
	}
	if err := names(script, query); err != nil {
		return nil, nil, err
	}
	s := q.catalogue.snapshot(ctx, query.Temporary)
	st, err := q.statement(script, query, s)
	if sallyport.KindOf(err) == sallyport.Invalid && len(s.before) > 0 {
		// The text may fit the tables as they are by now.
		for _, n := range s.before {
			q.catalogue.forget(n)
		}
		s = q.catalogue.snapshot(ctx, query.Temporary)
		st, err = q.statement(script, query, s)
	}
	if err != nil {
		return nil, nil, err
	}
	return st, s.basis(), nil
}

// statement finds out what a text does.
func (q *Queries) statement(script *googlesql.Script, query analyze.Query, s *snapshot) (*sallyport.Statement, error) {
	env := environment(q.catalogue.config, query)
	trace := &googlesql.Trace{Why: "the query is not traced to columns"}
	switch {
	case query.Session:
		trace.Why = "a query in a session is not traced to columns"
	case q.analyser != nil:
		trace = script.Trace(env, s, parameters(query.Parameters))
	}
	var answer *bqanalyzer.Answer
	if trace.Request != nil && s.err == nil {
		var err error
		if answer, err = q.analyser.Lineage(s.ctx, trace.Request); err != nil {
			return nil, err
		}
	}
	st := script.Statement(env, s, trace, answer)
	if s.err != nil {
		return nil, s.err
	}
	if query.View && st.Refused == "" && (script.Multi || script.Statements[0].Kind != "SELECT") {
		st.Refused, st.Hint = "the text of a view is not one query", "send one SELECT"
	}
	st.Predicates = append(slices.Clone(st.Predicates), unknown(script, query, env, s)...)
	return st, nil
}

func environment(c Config, query analyze.Query) googlesql.Env {
	env := googlesql.Env{Resource: c.Resource, Home: c.Project, Project: query.Project, Dataset: query.Dataset.ID}
	if env.Project == "" {
		env.Project = c.Project
	}
	return env
}

// unknown are the columns of tables that are there and that nothing is known of.
// Which rows such a table has may decide about any row of the answer.
func unknown(script *googlesql.Script, query analyze.Query, env googlesql.Env, s *snapshot) []sallyport.Column {
	paths := map[string][]string{}
	add := func(parts ...string) {
		path := append(append([]string{string(env.Resource)}, parts...), "*")
		paths[strings.Join(path, "\x00")] = path
	}
	for n := range s.unknown {
		dataset := n.Dataset
		if n.Project != env.Home {
			dataset = n.Project + "." + n.Dataset
		}
		add(dataset, n.Table)
	}
	for _, p := range script.Statements {
		for _, u := range p.Tables {
			if !u.New && !u.System && u.Kind != "temp table" && len(u.Parts) == 1 && (query.Session || s.own(u.Parts[0], u.Wildcard)) {
				add("unknown", u.Parts[0])
			}
		}
	}
	keys := make([]string, 0, len(paths))
	for k := range paths {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	out := make([]sallyport.Column, 0, len(keys))
	for _, k := range keys {
		out = append(out, sallyport.Column{Object: sallyport.Object{Kind: analyze.KindColumn, Path: paths[k]}})
	}
	return out
}

// parameters are those of a request in the words of the analyser.
func parameters(in []analyze.Parameter) []bqanalyzer.Field {
	var out []bqanalyzer.Field
	for _, p := range in {
		out = append(out, bqanalyzer.Field{Name: p.Name, Type: p.Type, Repeated: p.Repeated, Fields: parameters(p.Fields)})
	}
	return out
}

// names refuses names that policies would know by other ones.
func names(script *googlesql.Script, query analyze.Query) error {
	elsewhere := query.Dataset.ID != "" && query.Dataset.Project != "" && query.Dataset.Project != query.Project
	for _, p := range script.Statements {
		for _, u := range p.Tables {
			var err error
			switch {
			case u.Kind == "temp table":
			case u.System:
				err = name(u.Parts[:max(len(u.Parts)-2, 0)], elsewhere)
			default:
				err = name(u.Parts[:len(u.Parts)-1], elsewhere)
			}
			if err != nil {
				return err
			}
		}
		for _, r := range p.Routines {
			if r.Builtin || r.Temp || len(r.Parts) == 0 {
				continue
			}
			if err := name(r.Parts[:len(r.Parts)-1], elsewhere); err != nil {
				return err
			}
		}
		for _, d := range p.Schemas {
			if err := name(d.Parts, elsewhere); err != nil {
				return err
			}
		}
	}
	return nil
}

// name checks the project and dataset before an object's name. Both are demanded
// where the request's own defaults are of two projects.
func name(parts []string, demanded bool) error {
	const full = 2
	switch {
	case demanded && len(parts) < full:
		return refuse("the default dataset is of another project than the query, and a name leaves its project out",
			"write names with project and dataset")
	case len(parts) == 0:
		return nil
	case len(parts) >= full && !validProject(parts[0]):
		return refuse("the name of a project is not the id of one", "name the project by its id, in lower case")
	case hidden(parts[len(parts)-1]):
		return sallyport.E(sallyport.NotFound, opQuery, "a dataset is one of the service's own").
			WithHint("read the answer of a query by its job")
	}
	return nil
}

func refuse(msg, hint string) error {
	return sallyport.E(sallyport.Invalid, opQuery, msg).WithHint(hint)
}
