// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lineage_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql/corpus"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql/lineage"
	"github.com/sallyport-dev/sallyport/internal/wire/bqanalyzer"
)

// TestCorpus runs every case through the grammar and the analyser.
func TestCorpus(t *testing.T) {
	set, err := corpus.Load()
	if err != nil {
		t.Fatal(err)
	}
	a := start(t)
	for _, c := range set.Cases {
		t.Run(c.ID, func(t *testing.T) {
			if diff := cmp.Diff(c, find(t, a, set, c)); diff != "" {
				t.Errorf("%s\n-want +got:\n%s", c.SQL, diff)
			}
		})
	}
}

// find says in the corpus' words what comes out for a case.
func find(t *testing.T, a *lineage.Analyser, set *corpus.Set, c corpus.Case) corpus.Case {
	got := corpus.Case{ID: c.ID, SQL: c.SQL, Parameters: c.Parameters}
	st, err := statement(t, a, set, c)
	if err != nil {
		switch sallyport.KindOf(err) {
		case sallyport.Invalid, sallyport.Denied:
			got.Invalid = true
			return got
		}
		t.Fatal(err)
	}
	got.Class, got.Refused = st.Class, st.Refused != ""
	for _, e := range st.Effects {
		got.Effects = append(got.Effects, e.String())
	}
	for _, x := range st.Accesses {
		got.Objects = append(got.Objects, x.Effect.String()+" "+x.Object.Kind+" "+name(x.Object))
	}
	if got.Refused {
		return got
	}
	for _, o := range st.Outputs {
		got.Outputs = append(got.Outputs, sources(o.Sources, o.Direct, o.Unknown))
	}
	for _, p := range st.Predicates {
		got.Predicates = append(got.Predicates, name(p.Object))
	}
	for _, f := range st.Flows {
		got.Flows = append(got.Flows, name(f.Target.Object)+" <- "+sources(f.Sources, !f.Altered, f.Unknown))
	}
	return got
}

func statement(t *testing.T, a *lineage.Analyser, set *corpus.Set, c corpus.Case) (*sallyport.Statement, error) {
	script, err := googlesql.Read(c.SQL)
	if err != nil {
		return nil, err
	}
	cat := set.Catalog()
	trace := script.Trace(set.Env(), cat, parameters(c))
	var answer *bqanalyzer.Answer
	if trace.Request != nil {
		if answer, err = a.Lineage(t.Context(), trace.Request); err != nil {
			return nil, err
		}
	}
	return script.Statement(set.Env(), cat, trace, answer), nil
}

func parameters(c corpus.Case) (out []bqanalyzer.Field) {
	for _, p := range c.Parameters {
		name, typ, _ := strings.Cut(p, " ")
		f := bqanalyzer.Field{Name: strings.TrimPrefix(name, "?"), Type: strings.TrimSuffix(strings.TrimPrefix(typ, "ARRAY<"), ">")}
		f.Repeated = f.Type != typ
		out = append(out, f)
	}
	return out
}

func name(o sallyport.Object) string { return strings.Join(o.Path[1:], ".") }

func sources(columns []sallyport.Column, direct, unknown bool) string {
	if unknown {
		return "?"
	}
	if len(columns) == 0 {
		return "-"
	}
	var names []string
	for _, c := range columns {
		names = append(names, name(c.Object))
	}
	out := strings.Join(names, " ")
	if direct {
		out = "=" + out
	}
	return out
}
