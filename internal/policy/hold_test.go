// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/policy"
)

func TestDecideHolds(t *testing.T) {
	t.Parallel()
	held := sallyport.Verdict{Outcome: sallyport.Hold, Rules: rules("hold"), Approvers: "group:po", Wait: 5 * time.Minute}
	self := query(sel())
	self.Approval = &sallyport.Approval{Request: "r1", Approver: self.Principal.ID}
	nobody := query(sel())
	nobody.Approval = &sallyport.Approval{Request: "r1"}
	two := effect(sallyport.Read, "clinic/public/patients")
	two.Effects = append(two.Effects, sallyport.Destroy)
	two.Accesses = append(two.Accesses, sallyport.Access{Effect: sallyport.Destroy, Object: table("clinic/public/old")})
	destroy := func(group, expires string) string {
		return "@id(\"hd\") @hold(\"group:" + group + "\") @expires(\"" + expires + "\") forbid(principal, action == Action::\"destroy\", resource) unless { context has approval };\n"
	}
	plain := "@id(\"plain\") forbid(principal, action == Action::\"read\", resource) unless { context has approval };\n"
	holdRaw := "@id(\"hr\") @hold(\"group:po\") forbid(principal, action == Action::\"readRaw\", resource in Label::\"phi\") unless { context has approval };\n"
	rawIfApproved := permitRead + holdRead + "@id(\"raw\") permit(principal, action == Action::\"readRaw\", resource) when { context has approval };\n"
	ssn := column("ssn", "phi.ssn")
	unknown := sel(ssn)
	unknown.Outputs[0].Unknown = true
	mask := []sallyport.Mask{{Output: 0, Labels: []sallyport.Label{"phi.ssn"}, Reason: "label"}}
	runDecide(t, []verdictCase{
		{"broad permit cannot walk around", permitAll + holdRead, query(sel()), held},
		{"no permit: nobody is asked", holdRead, query(sel()), sallyport.Verdict{Rules: rules("hold")}},
		{"approved", permitAll + holdRead, approved(query(sel())), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("all", "hold"), Approvers: "group:po"}},
		{"approved without permit", holdRead, approved(query(sel())), sallyport.Verdict{Rules: rules("sallyport.default-deny")}},
		{"permit that wants the approval", "@id(\"p\") permit(principal, action, resource) when { context has approval };\n" + holdRead, query(sel()), held},
		{"permit that wants an approval, no hold", "@id(\"p\") permit(principal, action, resource) when { context has approval };\n", approved(query(sel())), sallyport.Verdict{Rules: rules("sallyport.default-deny")}},
		{"approval by the principal", permitAll + holdRead, self, held},
		{"approval by nobody", permitAll + holdRead, nobody, held},
		{"forbid without annotation wins", permitAll + holdRead + "@id(\"no\") forbid(principal, action == Action::\"read\", resource);", query(sel()), sallyport.Verdict{Rules: rules("hold", "no"), Reason: `policy "no" forbids read`}},
		{"forbid without annotation wins over the approval", permitAll + holdRead + "@id(\"no\") forbid(principal, action == Action::\"read\", resource);", approved(query(sel())), sallyport.Verdict{Rules: rules("hold", "no")}},
		{"forbid that nobody is asked to lift", permitAll + plain, query(sel()), sallyport.Verdict{Rules: rules("plain")}},
		{"forbid that nobody was asked to lift", permitAll + plain, approved(query(sel())), sallyport.Verdict{Rules: rules("plain")}},
		{"failing forbid wins over a hold", permitAll + holdRead + "@id(\"broken\") forbid(principal, action, resource) when { principal.x == 1 };", query(sel()), sallyport.Verdict{Rules: rules("broken")}},
		{"forbid that comes with the approval", permitAll + holdRead + "@id(\"no\") forbid(principal, action, resource) when { context has approval };", query(sel()), sallyport.Verdict{Rules: rules("hold")}},
		{"approver that the policy refuses", permitAll + holdRead + "@id(\"no\") forbid(principal, action, resource) when { context has approval && context.approval.approver == \"alice\" };", approved(query(sel())), sallyport.Verdict{Rules: rules("no")}},
		{"two holds, same group", permitAll + holdRead + destroy("po", "1m"), query(two), sallyport.Verdict{Outcome: sallyport.Hold, Rules: rules("hd", "hold"), Approvers: "group:po", Wait: time.Minute}},
		{"two holds, two groups", permitAll + holdRead + destroy("dba", "1m"), query(two), sallyport.Verdict{Rules: rules("hd", "hold", "sallyport.approvers"), Reason: "group:dba, group:po"}},
		{"two holds, two groups, approved", permitAll + holdRead + destroy("dba", "1m"), approved(query(two)), sallyport.Verdict{Rules: rules("hd", "hold", "sallyport.approvers")}},
		{"hold and deny", permitRead + holdRead + destroy("po", "1m"), query(two), sallyport.Verdict{Rules: rules("hd"), Reason: "destroy"}},
		{"hold of the raw value", permitAll + holdRaw, query(sel(ssn)), sallyport.Verdict{Outcome: sallyport.Hold, Rules: rules("hr"), Approvers: "group:po", Wait: 15 * time.Minute}},
		{"hold of the raw value, approved", permitAll + holdRaw, approved(query(sel(ssn))), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("all", "hr"), Approvers: "group:po"}},
		{"hold of the raw value without permit masks", permitRead + holdRaw, query(sel(ssn)), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("hr", "read"), Masks: mask}},
		{
			"hold of a raw value of unknown lineage masks", permitAll + holdRaw, query(unknown),
			sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("all"), Masks: []sallyport.Mask{{Output: 0, Labels: []sallyport.Label{"phi.ssn"}, Reason: "unknown-lineage"}}},
		},
		{"raw if approved, held", rawIfApproved, query(sel(ssn)), sallyport.Verdict{Outcome: sallyport.Hold, Rules: rules("hold"), Masks: mask, Approvers: "group:po", Wait: 5 * time.Minute}},
		{"raw if approved, approved", rawIfApproved, approved(query(sel(ssn))), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("hold", "raw", "read"), Approvers: "group:po"}},
	})
}

func TestConnect(t *testing.T) {
	t.Parallel()
	const permit = "@id(\"c\") permit(principal in Role::\"etl\", action == Action::\"connect\", resource == Resource::\"clinic\");\n"
	const jit = "@id(\"jit\") @grant(\"group:po\") @max(\"30m\") forbid(principal, action == Action::\"connect\", resource) unless { context has grant };\n"
	jit2 := strings.NewReplacer("jit", "jit2", "30m", "10m").Replace(jit)
	with := func(change func(*sallyport.Grant)) policy.Query {
		q := query(nil)
		q.Grant = &sallyport.Grant{
			ID: "g1", Request: "r1", Principal: q.Principal.ID, Resource: "clinic", Role: "etl",
			NotBefore: noon().Add(-time.Minute), NotAfter: noon().Add(time.Minute),
		}
		if change != nil {
			change(q.Grant)
		}
		return q
	}
	held := sallyport.Verdict{Outcome: sallyport.Hold, Rules: rules("jit"), Approvers: "group:po", Wait: 30 * time.Minute, Reason: `policy "jit" asks for a grant by group:po for connect on resource clinic`}
	allowed := sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("c", "jit"), Approvers: "group:po", Reason: "policy permits connect on resource clinic"}
	for _, tc := range []verdictCase{
		{"no policy", "", query(nil), sallyport.Verdict{Rules: rules("sallyport.default-deny"), Reason: "no policy permits connect on resource clinic"}},
		{"permit", permit, query(nil), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("c")}},
		{"permit in the resource", strings.ReplaceAll(permit, "resource ==", "resource in"), query(nil), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("c")}},
		{"other role", strings.ReplaceAll(permit, "etl", "dba"), query(nil), sallyport.Verdict{Rules: rules("sallyport.default-deny")}},
		{"grant needed", permit + jit, query(nil), held},
		{"grant needed, no permit", jit, query(nil), sallyport.Verdict{Rules: rules("jit")}},
		{"grant given", permit + jit, with(nil), allowed},
		{"smallest window", permit + jit + jit2, query(nil), sallyport.Verdict{Outcome: sallyport.Hold, Rules: rules("jit", "jit2"), Approvers: "group:po", Wait: 10 * time.Minute}},
		{"different groups", permit + jit + strings.ReplaceAll(jit2, "group:po", "group:dba"), query(nil), sallyport.Verdict{Rules: rules("jit", "jit2", "sallyport.approvers"), Reason: "give these rules one and the same group"}},
		{"forbid wins", permit + jit + "@id(\"no\") forbid(principal, action, resource);", with(nil), sallyport.Verdict{Rules: rules("jit", "no"), Reason: `policy "no" forbids connect`}},
		{"ended", permit + jit, with(func(g *sallyport.Grant) { g.NotAfter = noon() }), held},
		{"not begun", permit + jit, with(func(g *sallyport.Grant) { g.NotBefore = noon().Add(time.Second) }), held},
		{"another's", permit + jit, with(func(g *sallyport.Grant) { g.Principal = "ci:acme/other" }), held},
		{"for another resource", permit + jit, with(func(g *sallyport.Grant) { g.Resource = "billing" }), held},
		{"for another role", permit + jit, with(func(g *sallyport.Grant) { g.Role = "dba" }), held},
		{"approval is no grant", permit + jit, approved(query(nil)), held},
		{"grant in the context", "@id(\"c\") permit(principal, action, resource) when { context has grant && context.grant.id == \"g1\" && context.grant.role == \"etl\" };\n" + jit, with(nil), allowed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			set := compile(t, tc.policy)
			tc.check(t, set.Connect(tc.query), set)
			tc.check(t, set.Explain(tc.query).Verdict, set)
		})
	}
}

func TestGrantInStatement(t *testing.T) {
	t.Parallel()
	set := compile(t, "permit(principal, action, resource) when { context has grant && context.grant.request == \"r1\" };")
	q := query(sel())
	if v := set.Decide(q); v.Outcome != sallyport.Deny {
		t.Errorf("without a grant: %+v", v)
	}
	q.Grant = &sallyport.Grant{ID: "g1", Request: "r1", Principal: q.Principal.ID, Resource: "clinic", Role: "etl", NotBefore: noon(), NotAfter: noon().Add(time.Hour)}
	if v := set.Decide(q); v.Outcome != sallyport.Allow {
		t.Errorf("with a grant: %+v", v)
	}
	q.Now = noon().Add(time.Hour)
	if v := set.Decide(q); v.Outcome != sallyport.Deny {
		t.Errorf("after the grant: %+v", v)
	}
}

func TestNamesDoNotCollide(t *testing.T) {
	t.Parallel()
	set := compile(t, "permit(principal, action, resource == Table::\"clinic/public/a%2Fb\");")
	for path, want := range map[string]sallyport.Outcome{
		"clinic|public|a/b": sallyport.Allow,
		"clinic|public/a|b": sallyport.Deny,
		"clinic|public|a":   sallyport.Deny,
	} {
		st := effect(sallyport.Read, "clinic")
		st.Accesses[0].Object.Path = strings.Split(path, "|")
		if v := set.Decide(query(st)); v.Outcome != want {
			t.Errorf("%s: %s, want %s", path, v.Outcome, want)
		}
	}
}

func TestReasonIsOneLine(t *testing.T) {
	t.Parallel()
	st := effect(sallyport.Read, "clinic/public/evil\nname\x1b[31m"+strings.Repeat("x", 500))
	v := compile(t, "").Decide(query(st))
	if strings.ContainsAny(v.Reason, "\n\x1b") || len(v.Reason) > 300 {
		t.Errorf("reason is %q", v.Reason)
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	st := sel()
	for range policy.MaxRequests {
		st.Predicates = append(st.Predicates, column("city", "public"))
	}
	v := compile(t, permitAll).Decide(query(st))
	if v.Outcome != sallyport.Deny || v.Rules[0] != "sallyport.limit" {
		t.Errorf("verdict is %+v", v)
	}
	st.Predicates = st.Predicates[:policy.MaxRequests-1]
	if v := compile(t, permitAll).Decide(query(st)); v.Outcome != sallyport.Allow {
		t.Errorf("verdict is %+v", v)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	set := compile(t, permitRead+holdRead+"@id(\"raw\")\npermit(principal, action == Action::\"readRaw\", resource in Label::\"public\")\nwhen { principal.team == \"x\" };")
	tr := set.Explain(query(sel(column("city", "public"))))
	text := tr.String()
	for _, want := range []string{
		"hold: policy \"hold\" asks for an approval by group:po for read on table clinic/public/patients",
		string(set.Digest()), "decided by group:po, within 5m0s", "output 0 is masked (label) [public]",
		`Principal::"ci:acme/claims" in Group::"pipelines", Role::"etl", Kind::"ci-job"`,
		`1. read on Table::"clinic/public/patients" in Schema::"clinic/public", Resource::"clinic", labels [public]: forbidden`,
		"test.cedar:2: hold", "with a supposed decision: permitted", "test.cedar:1: read",
		`readRaw on Column::"clinic/public/patients/city" in Table::"clinic/public/patients", Schema::"clinic/public", Resource::"clinic", Label::"public", labels [public]: not permitted`,
		"test.cedar:3: raw", "cannot be evaluated", `when { principal.team == "x" };`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	b, err := json.Marshal(tr)
	if err != nil {
		t.Fatal(err)
	}
	var back policy.Trace
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if back.String() != text {
		t.Error("the JSON form loses a part of the trace")
	}
	if tr := (*policy.Set)(nil).Explain(query(nil)); tr.Verdict.Outcome != sallyport.Deny || tr.Steps == nil {
		t.Errorf("trace without a set: %+v", tr)
	}
}
