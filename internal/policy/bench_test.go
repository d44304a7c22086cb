// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cedar-policy/cedar-go"
	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/policy"
)

// manyRules returns n rules of the form "group X may read table T, columns C, in
// hours H", of which only the last matches the query of the benchmark.
func manyRules(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `permit (principal in Group::"g%d", action in [Action::"read", Action::"readRaw"], resource in Table::"clinic/public/t%d")
when { ["a", "b", "c", "d"].containsAll(context.columns) && context.hour >= 8 && context.hour < 18 };
`, i%200, i)
	}
	return b.String()
}

func benchmarkQuery(n int) policy.Query {
	table := fmt.Sprintf("t%d", n-1)
	col := func(name string) sallyport.Column {
		return sallyport.Column{Object: sallyport.Object{Kind: "column", Path: []string{"clinic", "public", table, name}}, Labels: []sallyport.Label{"phi.name"}}
	}
	return policy.Query{
		Principal: sallyport.Principal{ID: "ci:acme/claims", Kind: sallyport.CIJob, Groups: []string{"x", "y", fmt.Sprintf("g%d", (n-1)%200)}},
		Resource:  "clinic", Now: time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC),
		Statement: &sallyport.Statement{
			Class: "select", Effects: []sallyport.Effect{sallyport.Read},
			Accesses: []sallyport.Access{{
				Effect: sallyport.Read, Object: sallyport.Object{Kind: "table", Path: []string{"clinic", "public", table}},
				Columns: []sallyport.Column{col("a"), col("b"), col("c")},
			}},
		},
	}
}

// BenchmarkDecide measures one authorization request of one statement: the
// sliced set, for which it includes building the entities and the context, and
// as its peer one linear Cedar set, whose entities and context are ready.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10, 1000} {
		set := compile(b, manyRules(n))
		q := benchmarkQuery(n)
		b.Run(fmt.Sprintf("sliced/rules=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if set.Decide(q).Outcome != sallyport.Allow {
					b.Fatal("not allowed")
				}
			}
		})
		b.Run(fmt.Sprintf("linear/rules=%d", n), func(b *testing.B) {
			ps := policy.PolicySet(set)
			tr := set.Explain(q)
			entities, req := oracleRequest(q, tr.Steps[0])
			b.ReportAllocs()
			for b.Loop() {
				if ok, _ := cedar.Authorize(ps, entities, req); !ok {
					b.Fatal("not allowed")
				}
			}
		})
	}
}

// BenchmarkStatement measures a typical SELECT: one access, a predicate and
// eight outputs, by rules without conditions.
func BenchmarkStatement(b *testing.B) {
	set := compile(b, manyRules(1000)+`
permit (principal in Role::"etl", action == Action::"read", resource in Schema::"clinic/public");
permit (principal in Role::"etl", action in [Action::"readRaw", Action::"filterBy"], resource in Label::"public");`)
	q := benchmarkQuery(1000)
	q.Principal.Groups = []string{"x", "y"}
	q.Roles = []sallyport.RoleID{"etl"}
	for i := range 8 {
		c := sallyport.Column{Object: sallyport.Object{Kind: "column", Path: []string{"clinic", "public", "t999", fmt.Sprintf("c%d", i)}}, Labels: []sallyport.Label{"public"}}
		if i == 7 {
			c.Labels = []sallyport.Label{"phi.ssn"}
		}
		q.Statement.Outputs = append(q.Statement.Outputs, sallyport.Output{Sources: []sallyport.Column{c}})
		if i == 0 {
			q.Statement.Predicates = append(q.Statement.Predicates, c)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if v := set.Decide(q); v.Outcome != sallyport.Allow || len(v.Masks) != 1 {
			b.Fatal(v)
		}
	}
}
