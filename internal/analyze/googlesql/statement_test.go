// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql/corpus"
	"github.com/sallyport-dev/sallyport/internal/wire/bqanalyzer"
)

func load(t *testing.T) *corpus.Set {
	t.Helper()
	set, err := corpus.Load()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestWithoutLineage holds every case of the corpus to what is said of it when no
// analyser is there: rows are unknown, and every column of what is read is a source
// and a predicate.
func TestWithoutLineage(t *testing.T) {
	t.Parallel()
	set := load(t)
	cat := set.Catalog()
	for _, c := range set.Cases {
		script, err := googlesql.Read(c.SQL)
		if err != nil {
			if !c.Invalid {
				t.Errorf("%s: %v", c.ID, err)
			}
			continue
		}
		st := script.Statement(set.Env(), cat, nil, nil)
		if (st.Refused != "") != c.Refused && !c.Invalid {
			t.Errorf("%s: refused: %q", c.ID, st.Refused)
		}
		if st.Refused != "" && st.Hint == "" {
			t.Errorf("%s: refused without a hint", c.ID)
		}
		if c.Invalid || c.Refused {
			continue
		}
		if st.Class != c.Class {
			t.Errorf("%s: class %s", c.ID, st.Class)
		}
		if len(c.Outputs) > 0 && (len(st.Outputs) != 1 || !st.Outputs[0].Unknown || st.Outputs[0].Why == "") {
			t.Errorf("%s: outputs %+v are not one unknown", c.ID, st.Outputs)
		}
		predicates := names(st.Predicates)
		for _, p := range c.Predicates {
			if !slices.Contains(predicates, p) && !strings.Contains(p, "._") && !slices.ContainsFunc(predicates, func(q string) bool { return strings.HasPrefix(q, p+".") }) {
				t.Errorf("%s: %s is not among the predicates %v", c.ID, p, predicates)
			}
		}
		if len(c.Flows) > 0 && (len(st.Flows) == 0 || slices.ContainsFunc(st.Flows, func(f sallyport.Flow) bool { return !f.Unknown })) {
			t.Errorf("%s: flows %+v are not unknown", c.ID, st.Flows)
		}
		for _, e := range st.Effects {
			if e != sallyport.Control && !slices.ContainsFunc(st.Accesses, func(a sallyport.Access) bool { return a.Effect == e }) {
				t.Errorf("%s: effect %s has no object", c.ID, e)
			}
			if e == sallyport.EffectUnknown {
				t.Errorf("%s: an unknown effect that is not refused", c.ID)
			}
		}
	}
}

func names(columns []sallyport.Column) (out []string) {
	for _, c := range columns {
		out = append(out, strings.Join(c.Object.Path[1:], "."))
	}
	return out
}

// TestAnswersThatDoNotFit takes none of them for a lineage.
func TestAnswersThatDoNotFit(t *testing.T) {
	t.Parallel()
	set := load(t)
	script, err := googlesql.Read("SELECT ssn FROM clinic.patients")
	if err != nil {
		t.Fatal(err)
	}
	trace := script.Trace(set.Env(), set.Catalog(), nil)
	if trace.Request == nil {
		t.Fatal(trace.Why)
	}
	ref := func(table int, path ...string) []bqanalyzer.Output {
		return []bqanalyzer.Output{{Sources: []bqanalyzer.Ref{{Table: table, Path: path}}, Direct: true}}
	}
	for name, answer := range map[string]*bqanalyzer.Answer{
		"none":           nil,
		"empty":          {},
		"two":            {Statements: []bqanalyzer.Lineage{{Outputs: ref(0, "ssn")}, {}}},
		"no outputs":     {Statements: []bqanalyzer.Lineage{{}}},
		"unknown":        {Statements: []bqanalyzer.Lineage{{Outputs: ref(0, "ssn"), Unknown: "a part"}}},
		"failure":        {Failure: &bqanalyzer.Failure{Code: bqanalyzer.FailTable}, Statements: []bqanalyzer.Lineage{{Outputs: ref(0, "ssn")}}},
		"no such table":  {Statements: []bqanalyzer.Lineage{{Outputs: ref(7, "ssn")}}},
		"negative table": {Statements: []bqanalyzer.Lineage{{Outputs: ref(-1, "ssn")}}},
		"no path":        {Statements: []bqanalyzer.Lineage{{Outputs: ref(0)}}},
	} {
		st := script.Statement(set.Env(), set.Catalog(), trace, answer)
		if len(st.Outputs) != 1 || !st.Outputs[0].Unknown || len(st.Predicates) < 5 {
			t.Errorf("%s: %+v", name, st.Outputs)
		}
	}
	st := script.Statement(set.Env(), set.Catalog(), trace, &bqanalyzer.Answer{Statements: []bqanalyzer.Lineage{{Outputs: ref(0, "nope")}}})
	if o := st.Outputs[0]; len(o.Sources) != 1 || len(o.Sources[0].Labels) != 0 {
		t.Errorf("a column that the catalogue does not have: %+v", o)
	}
}

// TestLabels finds labels by path: a field has its own, or that of the record.
func TestLabels(t *testing.T) {
	t.Parallel()
	set := load(t)
	script, err := googlesql.Read("SELECT a FROM clinic.patients")
	if err != nil {
		t.Fatal(err)
	}
	trace := script.Trace(set.Env(), set.Catalog(), nil)
	for path, want := range map[string]string{
		"ssn": "phi.ssn", "address.street": "phi.address", "address.city": "public", "visits.dx": "phi.dx",
		"address": "phi.address public", "visits": "phi.dx public public", "SSN": "phi.ssn", "_PARTITIONTIME": "system", "_FILE_NAME": "",
	} {
		st := script.Statement(set.Env(), set.Catalog(), trace, &bqanalyzer.Answer{Statements: []bqanalyzer.Lineage{{
			Outputs: []bqanalyzer.Output{{Sources: []bqanalyzer.Ref{{Path: strings.Split(path, ".")}}, Direct: true}},
		}}})
		var got []string
		for _, c := range st.Outputs[0].Sources {
			for _, l := range c.Labels {
				got = append(got, string(l))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v", path, got)
		}
		if direct := len(st.Outputs[0].Sources) == 1; st.Outputs[0].Direct != direct {
			t.Errorf("%s: direct is %v", path, st.Outputs[0].Direct)
		}
	}
}
