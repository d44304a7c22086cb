// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/google/go-cmp/cmp"
	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/policy"
	"pgregory.net/rapid"
)

func pick[T any](t *rapid.T, name string, from ...T) T { return rapid.SampledFrom(from).Draw(t, name) }

func maybe(t *rapid.T, name string) bool { return rapid.Bool().Draw(t, name) }

// randomPolicy draws one policy of every form that the compiler knows.
func randomPolicy(t *rapid.T) string {
	principal := pick(t, "principal", "principal", "principal", `principal == Principal::"p1"`, `principal in Group::"g1"`,
		`principal in Group::"g2"`, `principal in Role::"r1"`, `principal in Role::"r2"`, `principal is Principal in Kind::"ci-job"`, `principal is Principal`, `principal is Group`)
	actions := pick(t, "action", "action", `action == Action::"read"`, `action in [Action::"read", Action::"write"]`, `action in Action::"readRaw"`,
		`action in [Action::"readRaw", Action::"filterBy"]`, `action == Action::"declassify"`, `action == Action::"connect"`)
	resource := pick(t, "resource", "resource", "resource", `resource in Resource::"clinic"`, `resource == Resource::"clinic"`, `resource in Schema::"clinic/public"`,
		`resource == Table::"clinic/public/t1"`, `resource in Table::"clinic/public/t2"`, `resource is Table`, `resource is Table in Schema::"clinic/public"`)
	if !strings.Contains(actions, "read\"") && maybe(t, "by label") && !strings.Contains(actions, "connect") {
		resource = pick(t, "label", `resource in Label::"phi"`, `resource in Label::"phi.ssn"`, `resource in Label::"public"`, `resource in Column::"clinic/public/t1/a"`, `resource is Column in Table::"clinic/public/t1"`)
	}
	condition := pick(t, "condition", "", "", "", ` when { context.hour < 12 }`, ` when { context.labels.contains("phi") }`,
		` unless { context.labels.contains("phi.ssn") }`, ` when { context.columns.contains("a") }`, ` when { principal has team && principal.team == "x" }`,
		` when { principal.team == "x" }`, ` when { resource.kind == "table" }`, ` when { resource in Label::"phi" }`, ` when { principal in Group::"g1" && resource in Schema::"clinic/public" }`,
		` when { context.class == "select" && context.in_transaction }`, ` when { context.source == "phi.ssn" }`, ` unless { context has grant }`,
		` when { context has approval && context.approval.approver == "alice" }`, ` when { context.weekday < 6 }`, ` when { action == Action::"read" }`,
		` when { Resource::"clinic" in Label::"phi" }`, ` when { Schema::"clinic/public" in Resource::"clinic" }`)
	if maybe(t, "permit") {
		return "permit(" + principal + ", " + actions + ", " + resource + ")" + condition + ";\n"
	}
	forbid := "forbid(" + principal + ", " + actions + ", " + resource + ")" + condition
	switch {
	case actions == `action == Action::"connect"` && maybe(t, "grant"):
		return fmt.Sprintf("@grant(%q) %s unless { context has grant };\n", pick(t, "group", "group:a", "group:a", "group:b"), forbid)
	case actions != "action" && !strings.Contains(actions, "connect") && maybe(t, "hold"):
		return fmt.Sprintf("@hold(%q) @expires(%q) %s unless { context has approval };\n", pick(t, "group", "group:a", "group:a", "group:b"), pick(t, "expires", "1m", "5m"), forbid)
	}
	return forbid + ";\n"
}

func randomColumn(t *rapid.T) sallyport.Column {
	table := pick(t, "table", "public/t1", "public/t2", "hr/t1")
	c := column("clinic/" + table + "/" + pick(t, "column", "a", "b"))
	c.Labels = pick(t, "labels", nil, []sallyport.Label{"public"}, []sallyport.Label{"phi"}, []sallyport.Label{"phi.ssn"}, []sallyport.Label{"phi.ssn", "public"})
	return c
}

func randomColumns(t *rapid.T) []sallyport.Column {
	return rapid.SliceOfN(rapid.Custom(randomColumn), 0, 3).Draw(t, "columns")
}

func randomQuery(t *rapid.T) policy.Query {
	q := policy.Query{
		Principal: sallyport.Principal{
			ID: pick(t, "id", sallyport.PrincipalID("p1"), "p2"), Kind: pick(t, "kind", sallyport.CIJob, sallyport.AIAgent),
			Groups: pick(t, "groups", nil, []string{"g1"}, []string{"g1", "g2"}, []string{"g3"}),
		},
		Roles:    pick(t, "roles", nil, []sallyport.RoleID{"r1"}, []sallyport.RoleID{"r2", "r1"}),
		Resource: "clinic", InTransaction: maybe(t, "in transaction"),
		Now: time.Unix(int64(rapid.IntRange(1_700_000_000, 1_800_000_000).Draw(t, "now")), 0),
	}
	if maybe(t, "team") {
		q.Principal.Attributes = map[string]string{"team": pick(t, "team name", "x", "y")}
	}
	if maybe(t, "grant") && len(q.Roles) > 0 {
		q.Grant = &sallyport.Grant{ID: "g", Request: "r", Principal: q.Principal.ID, Resource: "clinic", Role: q.Roles[0], NotBefore: q.Now, NotAfter: q.Now.Add(1)}
	}
	if maybe(t, "connect") {
		return q
	}
	if maybe(t, "approval") {
		q.Approval = &sallyport.Approval{Request: "r", Approver: pick(t, "approver", sallyport.PrincipalID("alice"), "bob"), At: q.Now}
	}
	st := &sallyport.Statement{Class: pick(t, "class", "select", "insert")}
	for range rapid.IntRange(1, 2).Draw(t, "accesses") {
		e := pick(t, "effect", sallyport.Read, sallyport.Write, sallyport.Destroy)
		st.Effects = append(st.Effects, e)
		st.Accesses = append(st.Accesses, sallyport.Access{
			Effect: e, Object: table("clinic/" + pick(t, "object", "public/t1", "public/t2", "hr/t1")), Columns: randomColumns(t),
		})
	}
	for range rapid.IntRange(0, 3).Draw(t, "outputs") {
		st.Outputs = append(st.Outputs, sallyport.Output{Sources: randomColumns(t), Unknown: rapid.IntRange(0, 5).Draw(t, "unknown") == 0})
	}
	st.Predicates = randomColumns(t)[:0:0]
	if maybe(t, "predicates") {
		st.Predicates = randomColumns(t)
	}
	if maybe(t, "flow") {
		st.Flows = []sallyport.Flow{{Target: randomColumn(t), Sources: randomColumns(t), Unknown: rapid.IntRange(0, 5).Draw(t, "unknown flow") == 0}}
	}
	q.Statement = st
	return q
}

// answer puts the query by the method that it is for.
func answer(s *policy.Set, q policy.Query) sallyport.Verdict {
	if q.Statement == nil {
		return s.Connect(q)
	}
	return s.Decide(q)
}

// oracleStep is what one linear Cedar set says of a step, with everything in
// place, and Sallyport's rule for failing forbids.
func oracleStep(ps *cedar.PolicySet, q policy.Query, s policy.Step) (result string, deciding []string) {
	entities, req := oracleRequest(q, s)
	ok, diag := cedar.Authorize(ps, entities, req)
	for _, e := range diag.Errors {
		if ps.Get(e.PolicyID).Effect() == cedar.Forbid {
			return "failed", nil
		}
	}
	for _, r := range diag.Reasons {
		deciding = append(deciding, string(r.PolicyID))
	}
	slices.Sort(deciding)
	switch {
	case bool(ok):
		return "permitted", deciding
	case len(deciding) > 0:
		return "forbidden", deciding
	}
	return "not permitted", nil
}

// TestSlicedEqualsLinear holds the index, the stripped scopes and the partial
// contexts equal to Cedar with one set of whole policies.
func TestSlicedEqualsLinear(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.Custom(randomPolicy), 0, 40).Draw(t, "policies")
		if maybe(t, "pad") { // so many that the index slices by principal too
			for i := range 15 {
				texts = append(texts, fmt.Sprintf("permit(principal == Principal::\"x%d\", action, resource);\n", i))
			}
		}
		set, diags := policy.Compile([]policy.File{{Name: "p", Text: strings.Join(texts, "")}})
		if err := diags.Err(); err != nil {
			t.Fatal(err)
		}
		ps := policy.PolicySet(set)
		q := randomQuery(t)
		tr := set.Explain(q)
		if diff := cmp.Diff(answer(set, q), tr.Verdict); diff != "" {
			t.Fatalf("explain differs from decide:\n%s", diff)
		}
		for i, s := range tr.Steps {
			if s.Source == "unknown" {
				continue // stricter than Cedar on purpose
			}
			want, deciding := oracleStep(ps, q, s)
			var got []string
			for _, r := range s.Rules {
				if r.Error == "" {
					got = append(got, string(r.ID))
				}
			}
			slices.Sort(got)
			if s.Result != want || !slices.Equal(got, deciding) {
				t.Fatalf("step %d: %s by %v, Cedar says %s by %v\n%s", i+1, s.Result, got, want, deciding, tr)
			}
		}
		slices.Reverse(texts)
		named := make([]string, len(texts))
		for i, text := range texts {
			named[i] = fmt.Sprintf("@id(\"p:%d\") %s", len(texts)-i, text)
		}
		back, got := compile2(t, strings.Join(named, "")), answer(set, q)
		again := answer(back, q)
		if again.Outcome != got.Outcome || !slices.Equal(again.Rules, got.Rules) || cmp.Diff(again.Masks, got.Masks) != "" {
			t.Fatalf("the order of the policies changes the verdict: %+v, then %+v", got, again)
		}
	})
}

func compile2(t *rapid.T, text string) *policy.Set {
	set, diags := policy.Compile([]policy.File{{Name: "q", Text: text}})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	return set
}

// TestLaws holds what must be true of every set and every query.
func TestLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.Custom(randomPolicy), 0, 8).Draw(t, "policies"), "")
		q := randomQuery(t)
		v := answer(compile2(t, text), q)
		if len(v.Rules) == 0 || v.Reason == "" || v.Policy == "" {
			t.Fatalf("the verdict does not explain itself: %+v", v)
		}
		if (v.Outcome == sallyport.Hold) != (v.Wait > 0) || v.Outcome == sallyport.Hold && v.Approvers == "" || v.Outcome == sallyport.Deny && v.Masks != nil {
			t.Fatalf("the verdict contradicts itself: %+v", v)
		}
		if again := answer(compile2(t, text), q); cmp.Diff(v, again) != "" {
			t.Fatalf("not deterministic: %+v, then %+v", v, again)
		}
		if got := answer(compile2(t, strings.ReplaceAll(text, "permit(", "forbid(principal == Principal::\"nobody\", action, resource);\nforbid(")), q); got.Outcome != sallyport.Deny && !onlyControl(q) {
			t.Fatalf("no permit, but %s", got.Outcome)
		}
		if got := answer(compile2(t, text+"forbid(principal, action, resource);"), q); got.Outcome != sallyport.Deny {
			t.Fatalf("everything is forbidden, but %s", got.Outcome)
		}
		if q.Statement == nil {
			return
		}
		if v.Outcome == sallyport.Hold && usable(q) {
			t.Fatalf("held again after the approval: %+v", v)
		}
		if v.Outcome == sallyport.Deny {
			return
		}
		for i, o := range q.Statement.Outputs {
			masked := slices.ContainsFunc(v.Masks, func(m sallyport.Mask) bool { return m.Output == i })
			if o.Unknown && !masked {
				t.Fatalf("output %d is of unknown lineage and not masked: %+v", i, v)
			}
			if !o.Unknown && len(o.Sources) == 0 && masked {
				t.Fatalf("output %d is a constant and masked: %+v", i, v)
			}
		}
	})
}

func onlyControl(q policy.Query) bool {
	return q.Statement != nil && len(q.Statement.Accesses) == 0
}

func usable(q policy.Query) bool { return q.Approval != nil && q.Approval.Approver != q.Principal.ID }

// TestHoldBindsEveryPermit shows that no set of permits walks around a hold.
func TestHoldBindsEveryPermit(t *testing.T) {
	t.Parallel()
	const hold = "@hold(\"group:po\") forbid(principal, action in [Action::\"read\", Action::\"write\", Action::\"destroy\"], resource) unless { context has approval };\n"
	rapid.Check(t, func(t *rapid.T) {
		text := permitAll + strings.Join(rapid.SliceOfN(rapid.Custom(randomPolicy), 0, 8).Draw(t, "policies"), "")
		q := randomQuery(t)
		q.Approval = nil
		if q.Statement == nil {
			q.Statement = sel()
		}
		if v := compile2(t, text+hold).Decide(q); v.Outcome == sallyport.Allow {
			t.Fatalf("allowed without an approval: %+v", v)
		}
	})
}
