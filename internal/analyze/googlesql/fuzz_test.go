// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql/corpus"
)

// FuzzRead looks for text that ends the process or leaves a statement without a
// judgement.
func FuzzRead(f *testing.F) {
	set, err := corpus.Load()
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range set.Cases {
		f.Add(c.SQL)
	}
	cat := set.Catalog()
	f.Fuzz(func(t *testing.T, text string) {
		googlesql.Readable(text)
		script, err := googlesql.Read(text)
		if (script == nil) == (err == nil) {
			t.Fatalf("%v %v", script, err)
		}
		if err != nil {
			if k := sallyport.KindOf(err); k != sallyport.Invalid && k != sallyport.Exhausted && k != sallyport.Denied {
				t.Errorf("an error of kind %s", k)
			}
			return
		}
		for _, p := range script.Statements {
			if len(p.Effects) == 0 {
				t.Errorf("%q has no effect", text)
			}
			if p.Start < 0 || p.End > len(text) || p.Start > p.End {
				t.Errorf("%q: the span of a statement is wrong", text)
			}
		}
		trace := script.Trace(set.Env(), cat, nil)
		if (trace.Request == nil) == (trace.Why == "") {
			t.Errorf("%q: neither a request nor a reason", text)
		}
		st := script.Statement(set.Env(), cat, trace, nil)
		for _, o := range st.Outputs {
			if !o.Unknown {
				t.Errorf("%q: an output is known without a lineage", text)
			}
		}
		if len(script.Statements) == 0 && st.Refused == "" {
			t.Errorf("%q: nothing is not refused", text)
		}
	})
}
