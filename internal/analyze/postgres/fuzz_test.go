// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres/corpus"
)

// FuzzGate looks for text that ends the process or leaves a statement without a
// judgement.
func FuzzGate(f *testing.F) {
	set, err := corpus.Load()
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range set.Cases {
		f.Add(c.SQL)
	}
	f.Add("create table t (a int default f(1) check (a > 0), unique (a)) partition by range (a)")
	f.Add("alter table t add constraint c foreign key (a) references u, alter b type text using b::text")
	f.Add("select 1; begin; set search_path = a; copy t (a) to stdout csv header")
	f.Fuzz(func(t *testing.T, text string) {
		script, err := postgres.Gate(text)
		if (script == nil) == (err == nil) {
			t.Fatalf("%v %v", script, err)
		}
		if err != nil {
			return
		}
		for _, g := range script.Statements {
			if g.Refused == "" && len(g.Effects) == 0 {
				t.Errorf("%q has no effect", text)
			}
			if g.Text != text[g.Start:g.End] {
				t.Errorf("%q: the span of a statement is wrong", text)
			}
			if g.Refused == "" && g.Inner != nil && g.Inner.Gate.Refused != "" {
				t.Errorf("%q: a refused statement inside", text)
			}
			st := g.Statement("clinic", []string{"public"}, nil)
			if g.NeedsTree && g.Answer != postgres.AnswerNone && (len(st.Outputs) != 1 || !st.Outputs[0].Unknown) {
				t.Errorf("%q: rows are known before the tree", text)
			}
		}
		if _, err := postgres.PreflightText(text); err == nil && len(script.Statements) != 1 {
			t.Errorf("%q: analysed as one statement", text)
		}
	})
}
