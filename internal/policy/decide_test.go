// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/policy"
)

// noon is a Wednesday.
func noon() time.Time { return time.Date(2025, 1, 1, 12, 30, 0, 0, time.UTC) }

// query asks for a statement by a CI job in the role etl on the resource clinic.
func query(st *sallyport.Statement) policy.Query {
	return policy.Query{
		Principal: sallyport.Principal{
			ID: "ci:acme/claims", Kind: sallyport.CIJob, Groups: []string{"pipelines"},
			Attributes: map[string]string{"repository": "acme/claims", "kind": "human"},
		},
		Roles: []sallyport.RoleID{"etl"}, Resource: "clinic", Statement: st, Now: noon(),
	}
}

func approved(q policy.Query) policy.Query {
	q.Approval = &sallyport.Approval{Request: "r1", Approver: "alice", At: noon()}
	return q
}

// sel is a SELECT of the given columns of clinic/public/patients.
func sel(cols ...sallyport.Column) *sallyport.Statement {
	st := &sallyport.Statement{
		Class: "select", Effects: []sallyport.Effect{sallyport.Read},
		Accesses: []sallyport.Access{{Effect: sallyport.Read, Object: table("clinic/public/patients"), Columns: cols}},
	}
	for _, c := range cols {
		st.Outputs = append(st.Outputs, sallyport.Output{Sources: []sallyport.Column{c}, Direct: true})
	}
	return st
}

// effect is a statement with one effect on one table.
func effect(e sallyport.Effect, path string) *sallyport.Statement {
	return &sallyport.Statement{
		Class: e.String(), Effects: []sallyport.Effect{e},
		Accesses: []sallyport.Access{{Effect: e, Object: table(path)}},
	}
}

const (
	permitAll  = "@id(\"all\") permit(principal, action, resource);\n"
	permitRead = "@id(\"read\") permit(principal in Role::\"etl\", action == Action::\"read\", resource in Schema::\"clinic/public\");\n"
	holdRead   = "@id(\"hold\") @hold(\"group:po\") @expires(\"5m\") forbid(principal, action == Action::\"read\", resource) unless { context has approval };\n"
)

// verdictCase is one row of the tables below.
type verdictCase struct {
	name   string
	policy string
	query  policy.Query
	want   sallyport.Verdict // Policy is not compared, Reason as a part
}

func (tc verdictCase) check(t *testing.T, got sallyport.Verdict, set *policy.Set) {
	t.Helper()
	if got.Policy != set.Digest() {
		t.Errorf("policy is %q, want the set's digest", got.Policy)
	}
	if !strings.Contains(got.Reason, tc.want.Reason) || got.Reason == "" || strings.Contains(got.Reason, "\n") {
		t.Errorf("reason is %q, want one sentence with %q", got.Reason, tc.want.Reason)
	}
	if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(sallyport.Verdict{}, "Policy", "Reason")); diff != "" {
		t.Errorf("verdict (-want +got):\n%s\nreason: %s", diff, got.Reason)
	}
}

func runDecide(t *testing.T, cases []verdictCase) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			set := compile(t, tc.policy)
			tc.check(t, set.Decide(tc.query), set)
			tr := set.Explain(tc.query)
			tc.check(t, tr.Verdict, set)
		})
	}
}

func rules(ids ...sallyport.RuleID) []sallyport.RuleID { return ids }

func TestDecideAccess(t *testing.T) {
	t.Parallel()
	none := sel()
	labelled := sel(column("ssn", "phi.ssn"))
	labelled.Outputs = nil
	runDecide(t, []verdictCase{
		{"no policy", "", query(none), sallyport.Verdict{Rules: rules("sallyport.default-deny"), Reason: "no policy permits read on table clinic/public/patients"}},
		{"scope", permitRead, query(none), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("read"), Reason: "policy permits read on table clinic/public/patients"}},
		{"other role", strings.ReplaceAll(permitRead, "etl", "dba"), query(none), sallyport.Verdict{Rules: rules("sallyport.default-deny")}},
		{"other schema", permitRead, query(effect(sallyport.Read, "clinic/hr/salaries")), sallyport.Verdict{Rules: rules("sallyport.default-deny"), Reason: "clinic/hr/salaries"}},
		{"other effect", permitRead, query(effect(sallyport.Write, "clinic/public/patients")), sallyport.Verdict{Rules: rules("sallyport.default-deny"), Reason: "write on"}},
		{"other resource", permitAll, query(effect(sallyport.Read, "billing/public/patients")), sallyport.Verdict{Rules: rules("sallyport.incomplete"), Reason: "not of resource clinic"}},
		{"forbid wins", permitAll + "@id(\"no\") forbid(principal, action, resource == Table::\"clinic/public/patients\");", query(none), sallyport.Verdict{Rules: rules("no"), Reason: `policy "no" forbids read`}},
		{
			"failing forbid denies", permitAll + "@id(\"broken\") forbid(principal, action, resource) when { principal.team == \"x\" };", query(none),
			sallyport.Verdict{Rules: rules("broken"), Reason: `policy "broken" cannot be evaluated`},
		},
		{
			"failing permit permits nothing", "@id(\"broken\") permit(principal, action, resource) when { principal.team == \"x\" };", query(none),
			sallyport.Verdict{Rules: rules("sallyport.default-deny")},
		},
		{"group", "@id(\"g\") permit(principal in Group::\"pipelines\", action, resource in Resource::\"clinic\");", query(none), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("g")}},
		{"kind", "@id(\"k\") permit(principal in Kind::\"ci-job\", action, resource);", query(none), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("k")}},
		{"kind is not an attribute's to give", "@id(\"k\") permit(principal, action, resource) when { principal.kind == \"human\" };", query(none), sallyport.Verdict{Rules: rules("sallyport.default-deny")}},
		{"principal", "@id(\"p\") permit(principal == Principal::\"ci:acme/claims\", action, resource);", query(none), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("p")}},
		{"principal is in", "@id(\"p\") permit(principal is Principal in Role::\"etl\", action, resource is Table in Resource::\"clinic\");", query(none), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("p")}},
		{
			"attribute", "@id(\"a\") permit(principal, action, resource) when { principal has repository && principal.repository == \"acme/claims\" };", query(none),
			sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("a")},
		},
		{"resource attributes", "@id(\"a\") permit(principal, action, resource) when { resource.kind == \"table\" && resource.name == \"patients\" };", query(none), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("a")}},
		{"hierarchy in condition", "@id(\"a\") permit(principal, action, resource) when { resource in Schema::\"clinic/public\" && principal in Role::\"etl\" };", query(none), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("a")}},
		{"label of context", permitAll + "@id(\"no\") forbid(principal, action == Action::\"read\", resource) when { context.labels.contains(\"phi\") };", query(labelled), sallyport.Verdict{Rules: rules("no")}},
		{"unclassified in context", permitAll + "@id(\"no\") forbid(principal, action == Action::\"read\", resource) when { context.labels.contains(\"unclassified\") };", query(sel(column("x"))), sallyport.Verdict{Rules: rules("no")}},
		{"columns", "@id(\"c\") permit(principal, action == Action::\"read\", resource) when { [\"ssn\", \"name\"].containsAll(context.columns) };", query(labelled), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("c")}},
		{"class", "@id(\"c\") permit(principal, action, resource) when { context.class == \"select\" };", query(none), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("c")}},
		{"in working hours", "@id(\"h\") permit(principal, action, resource) when { context.hour >= 12 && context.hour < 13 && context.weekday == 3 };", query(none), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("h")}},
		{"out of hours", "@id(\"h\") permit(principal, action, resource) when { context.hour < 12 };", query(none), sallyport.Verdict{Rules: rules("sallyport.default-deny")}},
		{"until", "@id(\"h\") permit(principal, action, resource) when { context.now < 1735734600 };", query(none), sallyport.Verdict{Rules: rules("sallyport.default-deny")}},
		{"not in a transaction", permitAll + "@id(\"t\") forbid(principal, action, resource) when { !context.in_transaction };", query(none), sallyport.Verdict{Rules: rules("t")}},
	})
}

// TestManyRulesOfOneResource reaches the slices by principal.
func TestManyRulesOfOneResource(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, "permit(principal in Group::\"x%d\", action, resource in Schema::\"clinic/public\");\n", i)
	}
	for _, scope := range []string{
		`principal == Principal::"ci:acme/claims"`, `principal in Principal::"ci:acme/claims"`, `principal in Group::"pipelines"`,
		`principal in Role::"etl"`, `principal in Kind::"ci-job"`, `principal is Principal in Role::"etl"`, `principal is Principal`, "principal",
	} {
		permit := "@id(\"p\") permit(" + scope + ", action, resource in Schema::\"clinic/public\");"
		if v := compile(t, b.String()+permit).Decide(query(sel())); v.Outcome != sallyport.Allow || v.Rules[0] != "p" {
			t.Errorf("%s: %+v", scope, v)
		}
	}
	if v := compile(t, b.String()).Decide(query(sel())); v.Outcome != sallyport.Deny {
		t.Errorf("rules of others: %+v", v)
	}
}

func TestDecideIncomplete(t *testing.T) {
	t.Parallel()
	unknown := effect(sallyport.EffectUnknown, "clinic/public/t")
	unknownBeside := effect(sallyport.Read, "clinic/public/t")
	unknownBeside.Accesses = append(unknownBeside.Accesses, sallyport.Access{Object: table("clinic/public/u")})
	noAccess := effect(sallyport.Read, "clinic/public/t")
	noAccess.Effects = append(noAccess.Effects, sallyport.Delete)
	outOfRange := effect(sallyport.Effect(200), "clinic/public/t")
	noPath := effect(sallyport.Read, "clinic/public/t")
	noPath.Accesses[0].Object.Path = nil
	foreign := sel(sallyport.Column{Object: sallyport.Object{Kind: "column", Path: []string{"billing", "s", "t", "c"}}})
	refused := sel()
	refused.Refused = "DO blocks are not permitted"
	anonymous := query(sel())
	anonymous.Principal.ID = ""
	nowhere := query(sel())
	nowhere.Resource = ""
	control := &sallyport.Statement{Class: "begin", Effects: []sallyport.Effect{sallyport.Control}}
	controlAccess := &sallyport.Statement{Class: "show", Accesses: []sallyport.Access{{Effect: sallyport.Control, Object: sallyport.Object{Kind: "setting", Path: []string{"clinic", "timezone"}}}}}
	incomplete := sallyport.Verdict{Rules: rules("sallyport.incomplete")}
	runDecide(t, []verdictCase{
		{"empty statement", permitAll, query(&sallyport.Statement{}), incomplete},
		{"unknown effect", permitAll, query(unknown), incomplete},
		{"unknown effect of one access", permitAll, query(unknownBeside), incomplete},
		{"effect without access", permitAll, query(noAccess), sallyport.Verdict{Rules: rules("sallyport.incomplete"), Reason: "delete"}},
		{"effect out of range", permitAll, query(outOfRange), incomplete},
		{"object without path", permitAll, query(noPath), incomplete},
		{"column of another resource", permitAll, query(foreign), incomplete},
		{"no principal", permitAll, anonymous, incomplete},
		{"no resource", permitAll, nowhere, incomplete},
		{"refused", permitAll, query(refused), sallyport.Verdict{Rules: rules("sallyport.refused"), Reason: "DO blocks are not permitted"}},
		{"control", "", query(control), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("sallyport.control")}},
		{"control access", "", query(controlAccess), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("sallyport.control")}},
	})
	if v := compile(t, permitAll).Decide(query(nil)); v.Outcome != sallyport.Deny {
		t.Errorf("no statement: %+v", v)
	}
	if v := (*policy.Set)(nil).Decide(query(sel())); v.Outcome != sallyport.Deny || v.Reason == "" {
		t.Errorf("no set: %+v", v)
	}
}

func TestDecideMasks(t *testing.T) {
	t.Parallel()
	raw := func(scope string) string {
		return permitRead + "@id(\"raw\") permit(principal, action == Action::\"readRaw\", resource in " + scope + ");\n"
	}
	ssn, name := column("ssn", "phi.ssn"), column("name", "phi.name", "public")
	bare := column("note")
	mask := func(reason string, output int, labels ...sallyport.Label) sallyport.Mask {
		return sallyport.Mask{Output: output, Labels: append([]sallyport.Label{}, labels...), Reason: reason}
	}
	allow := func(ids []sallyport.RuleID, masks ...sallyport.Mask) sallyport.Verdict {
		return sallyport.Verdict{Outcome: sallyport.Allow, Rules: ids, Masks: masks}
	}
	unknown := sel(column("ssn", "public"))
	unknown.Outputs[0].Unknown = true
	constant := sel()
	constant.Outputs = []sallyport.Output{{}}
	temp := sel(column("tmp"))
	temp.Outputs[0].Sources[0].Object.Kind = "temp column"
	joined := sel()
	joined.Outputs = []sallyport.Output{{Sources: []sallyport.Column{ssn, column("city", "public")}}}
	note := column("note", "phi.note")
	derived := sel(note)
	derived.Outputs[0].Direct = false
	scanRule := func(scope string) string {
		return "@id(\"scan\") permit(principal, action == Action::\"readScanned\", resource in " + scope + ");\n"
	}
	scan := func(scope string) string { return permitRead + scanRule(scope) }
	scanned := func(output int, labels ...sallyport.Label) sallyport.Mask {
		m := mask("label", output, labels...)
		m.Scan = true
		return m
	}
	const noRaw = "@id(\"no\") forbid(principal, action == Action::\"readRaw\", resource in Label::\"phi\");"
	runDecide(t, []verdictCase{
		{"no permit", permitRead, query(sel(ssn)), allow(rules("read"), mask("label", 0, "phi.ssn"))},
		{"permit for the label", raw(`Label::"phi.ssn"`), query(sel(ssn)), allow(rules("raw", "read"))},
		{"permit for the label above", raw(`Label::"phi"`), query(sel(ssn)), allow(rules("raw", "read"))},
		{"permit for another label", raw(`Label::"phi.name"`), query(sel(ssn)), allow(rules("read"), mask("label", 0, "phi.ssn"))},
		{"permit for a label beneath", raw(`Label::"phi.ssn.last4"`), query(sel(ssn)), allow(rules("read"), mask("label", 0, "phi.ssn"))},
		{"permit for a part of a name", raw(`Label::"ph"`), query(sel(ssn)), allow(rules("read"), mask("label", 0, "phi.ssn"))},
		{"one of two labels", raw(`Label::"public"`), query(sel(name)), allow(rules("raw", "read"), mask("label", 0, "phi.name"))},
		{"both labels", raw(`Label::"public"`) + "@id(\"r2\") permit(principal, action == Action::\"readRaw\", resource in Label::\"phi\");", query(sel(name)), allow(rules("r2", "raw", "read"))},
		{"one of two sources", raw(`Label::"public"`), query(joined), allow(rules("raw", "read"), mask("label", 0, "phi.ssn"))},
		{"permit for the column", raw(`Column::"clinic/public/patients/ssn"`), query(sel(ssn, name)), allow(rules("raw", "read"), mask("label", 1, "phi.name", "public"))},
		{"permit for the table", raw(`Table::"clinic/public/patients"`), query(sel(ssn, name, bare)), allow(rules("raw", "read"))},
		{"unclassified", raw(`Label::"phi"`), query(sel(bare)), allow(rules("read"), mask("unclassified", 0, "unclassified"))},
		{"empty label is unclassified", raw(`Label::"phi"`), query(sel(column("x", "", "phi"))), allow(rules("raw", "read"), mask("unclassified", 0, "unclassified"))},
		{"permit for unclassified", raw(`Label::"unclassified"`), query(sel(bare)), allow(rules("raw", "read"))},
		{"unknown lineage under permit-all", permitAll, query(unknown), allow(rules("all"), mask("unknown-lineage", 0))},
		{"temporary table under permit-all", permitAll, query(temp), allow(rules("all"), mask("unknown-lineage", 0))},
		{"temporary table", raw(`Label::"unclassified"`), query(temp), allow(rules("read"), mask("unknown-lineage", 0, "unknown"))},
		{"constant", permitRead, query(constant), allow(rules("read"))},
		{"scan by name", scan(`Label::"phi.note"`), query(sel(note)), allow(rules("read", "scan"), scanned(0, "phi.note"))},
		{"scan for one of two labels", scan(`Label::"phi.note"`), query(sel(column("note", "phi.note", "phi.name"))), allow(rules("read"), mask("label", 0, "phi.name", "phi.note"))},
		{"scan of what readRaw opens in part", raw(`Label::"public"`) + scanRule(`Label::"phi.note"`), query(sel(column("note", "phi.note", "public"))), allow(rules("raw", "read", "scan"), scanned(0, "phi.note"))},
		{"scan of an unclassified column", scan(`Label::"unclassified"`), query(sel(bare)), allow(rules("read", "scan"), sallyport.Mask{Labels: []sallyport.Label{"unclassified"}, Reason: "unclassified", Scan: true})},
		{"scan of an expression", scan(`Label::"phi"`), query(derived), allow(rules("read"), mask("label", 0, "phi.note"))},
		{"scan of unknown lineage", scan(`Resource::"clinic"`), query(unknown), allow(rules("read"), mask("unknown-lineage", 0, "public"))},
		{"no scan by a permit that names no action", permitAll + noRaw, query(sel(note)), allow(rules("all", "no"), mask("label", 0, "phi.note"))},
		{"forbidden scan", scan(`Label::"phi"`) + "@id(\"never\") forbid(principal, action == Action::\"readScanned\", resource in Label::\"phi.note\");", query(sel(note)), allow(rules("read"), mask("label", 0, "phi.note"))},
		{"scan forbidden with everything", scan(`Label::"phi"`) + "@id(\"never\") forbid(principal, action, resource in Label::\"phi.note\");", query(sel(note)), allow(rules("never", "read"), mask("label", 0, "phi.note"))},
		{
			"scan that an approval would permit", scan(`Label::"phi"`) + "@id(\"ask\") @hold(\"group:po\") forbid(principal, action == Action::\"readScanned\", resource) unless { context has approval };", query(sel(note)),
			allow(rules("read"), mask("label", 0, "phi.note")),
		},
		{
			"forbid for a label", permitAll + "@id(\"no\") forbid(principal, action == Action::\"readRaw\", resource in Label::\"phi\");", query(sel(ssn, column("city", "public"))),
			allow(rules("all", "no"), mask("label", 0, "phi.ssn")),
		},
		{
			"containers carry no label", permitAll + "@id(\"no\") forbid(principal, action == Action::\"readRaw\", resource) when { Resource::\"clinic\" in Label::\"phi\" || Label::\"phi\" in Label::\"phi.ssn\" };", query(sel(ssn)),
			allow(rules("all")),
		},
		{
			"failing forbid masks", permitAll + "@id(\"no\") forbid(principal, action == Action::\"readRaw\", resource) when { principal.team == \"x\" };", query(sel(ssn)),
			allow(rules("all", "no"), mask("label", 0, "phi.ssn")),
		},
	})
}

func TestDecidePredicates(t *testing.T) {
	t.Parallel()
	filter := func(labels ...sallyport.Label) policy.Query {
		st := sel()
		st.Predicates = []sallyport.Column{column("ssn", labels...)}
		return query(st)
	}
	temp := filter()
	temp.Statement.Predicates[0].Object.Kind = "temp column"
	permit := permitRead + "@id(\"f\") permit(principal, action == Action::\"filterBy\", resource in Label::\"public\");"
	runDecide(t, []verdictCase{
		{
			"no permit", permitRead, filter("phi.ssn"),
			sallyport.Verdict{Rules: rules("sallyport.default-deny"), Reason: "no policy permits filterBy on column clinic/public/patients/ssn (label phi.ssn); leave the column out"},
		},
		{"permit", permit, filter("public"), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("f", "read")}},
		{"permit for one of two", permit, filter("public", "phi.ssn"), sallyport.Verdict{Rules: rules("sallyport.default-deny"), Reason: "phi.ssn"}},
		{"unclassified", permit, filter(), sallyport.Verdict{Rules: rules("sallyport.default-deny"), Reason: "unclassified"}},
		{"temporary table", permitRead + "permit(principal, action == Action::\"filterBy\", resource in Label::\"unclassified\");", temp, sallyport.Verdict{Rules: rules("sallyport.default-deny"), Reason: "label unknown"}},
		{"readRaw is not filterBy", permitRead + "permit(principal, action == Action::\"readRaw\", resource);", filter("public"), sallyport.Verdict{Rules: rules("sallyport.default-deny")}},
	})
}

func TestDecideFlows(t *testing.T) {
	t.Parallel()
	const write = "@id(\"write\") permit(principal, action == Action::\"write\", resource);\n"
	const declassify = write + "@id(\"d\") permit(principal, action == Action::\"declassify\", resource in Table::\"clinic/public/report\")"
	const scanned = "@id(\"s\") permit(principal in Role::\"reader\", action == Action::\"readScanned\", resource in Label::\"phi.ssn\") when { context.class == \"select\" };\n"
	flow := func(f sallyport.Flow) policy.Query {
		st := effect(sallyport.Write, "clinic/public/report")
		st.Flows = []sallyport.Flow{f}
		return query(st)
	}
	to := func(labels ...sallyport.Label) sallyport.Column { return column("clinic/public/report/c", labels...) }
	temp := to()
	temp.Object.Kind = "temp column"
	ssn := []sallyport.Column{column("ssn", "phi.ssn")}
	denied := sallyport.Verdict{Rules: rules("sallyport.default-deny"), Reason: "tainted write"}
	allowed := sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("write")}
	declassified := sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("d", "write")}
	runDecide(t, []verdictCase{
		{"constant", write, flow(sallyport.Flow{Target: to("public")}), allowed},
		{"same label", write, flow(sallyport.Flow{Target: to("phi.ssn"), Sources: ssn}), allowed},
		{"same label, altered", write, flow(sallyport.Flow{Target: to("phi.ssn"), Sources: ssn, Altered: true}), allowed},
		{"same label, altered and shown in part", write, flow(sallyport.Flow{Target: to("phi.ssn"), Sources: ssn, Altered: true, Partial: true}), denied},
		{"same label, as it is, and shown in part", write, flow(sallyport.Flow{Target: to("phi.ssn"), Sources: ssn, Partial: true}), allowed},
		{"constant into what is shown in part", write, flow(sallyport.Flow{Target: to("phi.ssn"), Altered: true, Partial: true}), allowed},
		{"same label, altered, and scanned by somebody", write + scanned, flow(sallyport.Flow{Target: to("phi.ssn"), Sources: ssn, Altered: true}), denied},
		{"same label, as it is, and scanned by somebody", write + scanned, flow(sallyport.Flow{Target: to("phi.ssn"), Sources: ssn}), allowed},
		{"another label is scanned", write + strings.ReplaceAll(scanned, "ssn", "note"), flow(sallyport.Flow{Target: to("phi.ssn"), Sources: ssn, Altered: true}), allowed},
		{
			"altered by who may read it", write + scanned + "@id(\"raw\") permit(principal, action == Action::\"readRaw\", resource);",
			flow(sallyport.Flow{Target: to("phi.ssn"), Sources: ssn, Altered: true, Partial: true}), allowed,
		},
		{"altered with a permit", declassify + ";", flow(sallyport.Flow{Target: to("phi.ssn"), Sources: ssn, Altered: true, Partial: true}), declassified},
		{"other label", write, flow(sallyport.Flow{Target: to("public"), Sources: ssn}), denied},
		{"label above is not the label", write, flow(sallyport.Flow{Target: to("phi"), Sources: ssn}), denied},
		{"label beneath is not the label", write, flow(sallyport.Flow{Target: to("phi.ssn"), Sources: []sallyport.Column{column("x", "phi")}}), denied},
		{"unclassified to unclassified", write, flow(sallyport.Flow{Target: to(), Sources: []sallyport.Column{column("x")}}), allowed},
		{"labelled to unclassified", write, flow(sallyport.Flow{Target: to(), Sources: ssn}), denied},
		{"unknown", write, flow(sallyport.Flow{Target: to("phi.ssn"), Unknown: true}), denied},
		{"from a temporary table", declassify + "when { context.source == \"unknown\" };", flow(sallyport.Flow{Target: to(), Sources: []sallyport.Column{temp}}), denied},
		{"from a temporary table with a permit for anything", declassify + ";", flow(sallyport.Flow{Target: to(), Sources: []sallyport.Column{temp}}), declassified},
		{"temporary table", write, flow(sallyport.Flow{Target: temp, Sources: ssn, Unknown: true}), allowed},
		{"permit", declassify + ";", flow(sallyport.Flow{Target: to("public"), Sources: ssn}), declassified},
		{"permit for the label", declassify + "when { context.source == \"phi.ssn\" };", flow(sallyport.Flow{Target: to("public"), Sources: ssn}), declassified},
		{"permit for the label above", declassify + "when { context.labels.contains(\"phi\") };", flow(sallyport.Flow{Target: to("public"), Sources: ssn}), declassified},
		{"permit for another label", declassify + "when { context.source == \"phi.name\" };", flow(sallyport.Flow{Target: to("public"), Sources: ssn}), denied},
		{"permit for another table", strings.ReplaceAll(declassify, "report", "r2") + ";", flow(sallyport.Flow{Target: to("public"), Sources: ssn}), denied},
		{
			"permit for one of the target's labels", write + "@id(\"d\") permit(principal, action == Action::\"declassify\", resource in Label::\"public\");",
			flow(sallyport.Flow{Target: to("public", "internal"), Sources: ssn}), denied,
		},
		{"unknown with a permit for anything", declassify + ";", flow(sallyport.Flow{Target: to("public"), Unknown: true}), declassified},
		{"unknown with a permit for a label", declassify + "when { context.source == \"unknown\" };", flow(sallyport.Flow{Target: to("public"), Unknown: true}), denied},
		{"unknown with a permit but for a label", declassify + "unless { context.labels.contains(\"phi\") };", flow(sallyport.Flow{Target: to("public"), Unknown: true}), denied},
		{
			"unknown with a forbid for a label", declassify + ";\n@id(\"no\") forbid(principal, action == Action::\"declassify\", resource) when { context.source == \"phi.ssn\" };",
			flow(sallyport.Flow{Target: to("public"), Unknown: true}),
			sallyport.Verdict{Rules: rules("no"), Reason: "tainted write"},
		},
		{
			"unknown with a hold for a label", declassify + ";\n@id(\"h\") @hold(\"group:po\") forbid(principal, action == Action::\"declassify\", resource) when { context.source == \"phi.ssn\" } unless { context has approval };",
			flow(sallyport.Flow{Target: to("public"), Unknown: true}),
			sallyport.Verdict{Outcome: sallyport.Hold, Rules: rules("h"), Approvers: "group:po", Wait: 15 * time.Minute},
		},
	})
}

// TestDecideAddresses holds that addresses lie below their folders and buckets,
// and below nothing else.
func TestDecideAddresses(t *testing.T) {
	t.Parallel()
	url := func(path ...string) policy.Query {
		st := effect(sallyport.Write, "x")
		st.Accesses[0].Object = sallyport.Object{Kind: "url", Path: append([]string{"clinic"}, path...)}
		return query(st)
	}
	const (
		folder = "@id(\"w\") permit(principal, action == Action::\"write\", resource in Url::\"clinic/gs:%2F%2Fout/daily\");\n"
		bucket = "@id(\"w\") permit(principal, action == Action::\"write\", resource in Url::\"clinic/gs:%2F%2Fout\");\n"
		forbid = "@id(\"no\") forbid(principal, action, resource in Url::\"clinic/gs:%2F%2Fout/phi\");\n"
		schema = "@id(\"w\") permit(principal, action == Action::\"write\", resource in Schema::\"clinic/out\");\n"
	)
	allowed, denied := sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("w")}, sallyport.Verdict{Rules: rules("sallyport.default-deny")}
	runDecide(t, []verdictCase{
		{"the folder", folder, url("gs://out", "daily"), allowed},
		{"in the folder", folder, url("gs://out", "daily", "a", "b.csv"), allowed},
		{"another folder", folder, url("gs://out", "weekly", "a.csv"), denied},
		{"another bucket", folder, url("gs://other", "daily", "a.csv"), denied},
		{"the bucket", bucket, url("gs://out", "weekly", "a.csv"), allowed},
		{"a folder that is excepted", bucket + forbid, url("gs://out", "phi", "x", "a.csv"), sallyport.Verdict{Rules: rules("no")}},
		{"a bucket is no dataset", schema, url("gs://out", "daily", "a.csv"), denied},
	})
	for _, id := range []string{"clinic/gs://out", "clinic", "clinic/out/daily"} {
		_, diags := policy.Compile([]policy.File{{Name: "test.cedar", Text: strings.ReplaceAll(forbid, "clinic/gs:%2F%2Fout/phi", id)}})
		if diags.Err() == nil {
			t.Errorf("a policy about the address %s, which cannot be, is taken", id)
		}
	}
}

// TestDecideCommands holds that a command is named by its template, and that what it
// prints lies below it.
func TestDecideCommands(t *testing.T) {
	t.Parallel()
	command := func(name string, labels ...sallyport.Label) policy.Query {
		st := effect(sallyport.Execute, "x")
		st.Accesses[0].Object = sallyport.Object{Kind: "command", Path: []string{"clinic", name}}
		output := sallyport.Column{Object: sallyport.Object{Kind: "output", Path: []string{"clinic", name, "output"}}, Labels: labels}
		st.Accesses[0].Columns = []sallyport.Column{output}
		st.Outputs = []sallyport.Output{{Direct: true, Sources: []sallyport.Column{output}}}
		return query(st)
	}
	const (
		one     = "@id(\"x\") permit(principal, action == Action::\"execute\", resource == Command::\"clinic/df\");\n"
		all     = "@id(\"x\") permit(principal, action == Action::\"execute\", resource);\n"
		unknown = "@id(\"no\") forbid(principal, action, resource in Command::\"clinic/*\");\n"
		raw     = "@id(\"raw\") permit(principal, action == Action::\"readRaw\", resource in Command::\"clinic/df\");\n"
		scanned = "@id(\"scan\") permit(principal, action == Action::\"readScanned\", resource in Label::\"phi\");\n"
		label   = "@id(\"no\") forbid(principal, action == Action::\"execute\", resource) when { context.labels.contains(\"phi\") };\n"
	)
	masked := func(scan bool, reason string, labels ...sallyport.Label) []sallyport.Mask {
		return []sallyport.Mask{{Labels: labels, Reason: reason, Scan: scan}}
	}
	runDecide(t, []verdictCase{
		{"by name", one + raw, command("df"), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("raw", "x")}},
		{"another", one + raw, command("ls"), sallyport.Verdict{Rules: rules("sallyport.default-deny")}},
		{"without a label", one, command("df"), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("x"), Masks: masked(false, "unclassified", "unclassified")}},
		{"scanned", one + scanned, command("df", "phi.note"), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("scan", "x"), Masks: masked(true, "label", "phi.note")}},
		{"unknown ones", all + unknown + raw, command("*"), sallyport.Verdict{Rules: rules("no")}},
		{"known ones", all + unknown + raw, command("df"), sallyport.Verdict{Outcome: sallyport.Allow, Rules: rules("raw", "x")}},
		{"by the label", all + label + raw, command("df", "phi.note"), sallyport.Verdict{Rules: rules("no")}},
	})
	for _, id := range []string{"clinic", "clinic/df/output"} {
		_, diags := policy.Compile([]policy.File{{Name: "test.cedar", Text: strings.ReplaceAll(unknown, "clinic/*", id)}})
		if diags.Err() == nil {
			t.Errorf("a policy about the command %q, which cannot be, is taken", id)
		}
	}
	if _, diags := policy.Compile([]policy.File{{Name: "test.cedar", Text: strings.ReplaceAll(unknown, "Command", "Output")}}); diags.Err() == nil {
		t.Error("a policy about an output is taken, and would never apply")
	}
}
