// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sallyport-dev/sallyport/internal/policy"
)

func TestCompileFindings(t *testing.T) {
	t.Parallel()
	const scope = "(principal, action == Action::\"read\", resource)"
	const lifted = " unless { context has approval }"
	for _, tc := range []struct {
		name, text string
		want       string // "line:severity: part of the message", or "" for none
	}{
		{"permit", "permit(principal, action, resource);", ""},
		{"comment only", "// nothing\n", "0:warning: no policy is loaded"},
		{"syntax", "\npermt(principal, action, resource);", "2:error: unexpected effect: permt"},
		{"no semicolon", "permit(principal, action, resource)", "1:error: want ;"},
		{"unclosed string", "@id(\"x)\npermit(principal, action, resource);", "1:error: literal not terminated"},
		{"unclosed comment", "permit(principal, action, resource); /* x", "1:error: comment not terminated"},
		{"not UTF-8", "//\n// \xff\n", "2:error: not valid UTF-8"},
		{"number", "permit" + scope + "\nwhen { 1 == 99999999999999999999 };", "1:error: value out of range"},
		{"bad id", "@id(\"a b\") permit" + scope + ";", "1:error: @id(\"a b\") must be"},
		{"reserved id", "@id(\"sallyport.x\") permit" + scope + ";", "1:error: reserved"},
		{"duplicate id", "@id(\"x\") permit" + scope + ";\n@id(\"x\") permit" + scope + ";", "2:error: already used at test.cedar:1"},
		{"default id taken", "@id(\"test.cedar:2\") permit" + scope + ";\npermit" + scope + ";", "2:error: already used"},
		{"unknown annotation", "@hodl(\"group:x\") forbid" + scope + ";", "1:warning: @hodl is not known"},
		{"misspelt action", "permit(principal, action == Action::\"raed\", resource);", "1:error: Action::\"raed\" is not an action"},
		{"misspelt action in set", "permit(principal, action in [Action::\"read\", Action::\"Write\"], resource);", "1:error: Action::\"Write\""},
		{"action of another type", "permit(principal, action == Akshun::\"read\", resource);", "1:error: is not an action"},
		{"misspelt action in condition", "permit(principal, action, resource) when { action == Action::\"raed\" };", "1:error: Action::\"raed\""},
		{"misspelt action in a set of a condition", "permit(principal, action, resource) when { action in [Action::\"raed\"] };", "1:error: Action::\"raed\""},
		{"no action", "permit(principal, action in [], resource);", "1:error: names no action"},
		{"unknown type", "forbid(principal, action, resource in Tabel::\"clinic/public/t\");", "1:error: Tabel is not an entity type"},
		{"unknown type of is", "forbid(principal, action, resource is Tabel);", "1:error: Tabel is not"},
		{"unknown type in condition", "forbid(principal, action, resource) when { resource is Tabel };", "1:error: Tabel is not"},
		{"unknown type in set", "forbid(principal, action, resource) when { resource in [Tabel::\"x\"] };", "1:error: Tabel is not"},
		{"principal of an object's type", "permit(principal in Table::\"clinic/public/t\", action, resource);", "1:error: a principal is never Table"},
		{"resource of a principal's type", "permit(principal, action, resource in Group::\"x\");", "1:error: a resource is never Group"},
		{"kind", "permit(principal in Kind::\"robot\", action, resource);", "1:error: not a kind of principal"},
		{"empty name", "permit(principal in Group::\"\", action, resource);", "1:error: names nothing"},
		{"table with a dot", "permit(principal, action, resource in Table::\"clinic/public.patients\");", "1:error: resource/schema/table"},
		{"schema without resource", "permit(principal, action, resource in Schema::\"public\");", "1:error: resource/schema"},
		{"column", "permit(principal, action, resource == Column::\"patients/ssn\");", "1:error: resource/schema/table/column"},
		{"resource with path", "permit(principal, action, resource in Resource::\"clinic/public\");", "1:error: its resource"},
		{"label", "permit(principal, action, resource in Label::\"phi.\");", "1:error: is not a label"},
		{"label for an action on tables", "forbid(principal, action == Action::\"read\", resource in Label::\"phi\");", "1:error: context.labels.contains"},
		{"label for an action on columns too", "forbid(principal, action in [Action::\"read\", Action::\"readRaw\"], resource in Label::\"phi\");", ""},
		{"context key", "permit" + scope + " when { context.lables.contains(\"phi\") };", "1:error: context has no \"lables\""},
		{"context key of has", "permit" + scope + " when { context has approvel };", "1:error: context has no \"approvel\""},
		{"key of approval", "permit" + scope + " when { context has approval && context.approval.who == \"x\" };", "1:error: context.approval has no \"who\""},
		{"key of grant", "permit" + scope + " when { context has grant && context.grant.who == \"x\" };", "1:error: context.grant has no \"who\""},
		{"unguarded approval", "permit" + scope + " when { context.approval.request == \"x\" };", "1:warning: context.approval may be absent"},
		{"unguarded attribute", "forbid" + scope + " when { principal.team == \"x\" };", "1:warning: principal.team may be absent"},
		{"guarded attribute", "forbid" + scope + " when { principal has team && principal.team == \"x\" };", ""},
		{"kind and id are always there", "forbid" + scope + " when { principal.kind == \"ci-job\" && principal.id == \"x\" };", ""},
		{"attribute of resource", "forbid" + scope + " when { resource.owner == \"x\" };", "1:error: resource has no \"owner\""},
		{"attribute of action", "forbid" + scope + " when { action.x };", "1:error: an action has no attributes"},
		{"tags", "forbid" + scope + " when { principal.hasTag(\"x\") };", "1:error: no tags"},
		{"hold", "@hold(\"group:po\") @expires(\"5m\") forbid" + scope + lifted + ";", ""},
		{"hold or", "@hold(\"group:po\") forbid" + scope + " unless { context.hour < 4 || context has approval };", ""},
		{"hold on permit", "@hold(\"group:po\") permit" + scope + lifted + ";", "1:error: @hold belongs on a forbid"},
		{"hold not lifted", "@hold(\"group:po\") forbid" + scope + ";", "1:error: @hold needs `unless { context has approval }`"},
		{"hold lifted by when", "@hold(\"group:po\") forbid" + scope + " when { context has approval };", "1:error: @hold needs"},
		{"hold lifted by and", "@hold(\"group:po\") forbid" + scope + " unless { context has approval && context.hour < 4 };", "1:error: @hold needs"},
		{"hold lifted by grant", "@hold(\"group:po\") forbid" + scope + " unless { context has grant };", "1:error: @hold needs"},
		{"hold of nobody", "@hold forbid" + scope + lifted + ";", "1:error: must name who decides"},
		{"hold of a person", "@hold(\"alice\") forbid" + scope + lifted + ";", "1:error: must name who decides"},
		{"expires", "@hold(\"group:po\") @expires(\"soon\") forbid" + scope + lifted + ";", "1:error: not a duration"},
		{"expires negative", "@hold(\"group:po\") @expires(\"-1m\") forbid" + scope + lifted + ";", "1:error: not a duration"},
		{"expires alone", "@expires(\"1m\") forbid" + scope + ";", "1:error: @expires belongs to @hold"},
		{"hold on connect", "@hold(\"group:po\") forbid(principal, action, resource)" + lifted + ";", "1:error: cannot hold a connection"},
		{"grant", "@grant(\"group:po\") @max(\"2h\") forbid(principal, action == Action::\"connect\", resource) unless { context has grant };", ""},
		{"grant on read", "@grant(\"group:po\") forbid" + scope + " unless { context has grant };", "1:error: Action::\"connect\" alone"},
		{"grant not lifted", "@grant(\"group:po\") forbid(principal, action == Action::\"connect\", resource);", "1:error: @grant needs"},
		{"max alone", "@max(\"1h\") forbid" + scope + ";", "1:error: @max belongs to @grant"},
		{"both", "@grant(\"group:po\") @hold(\"group:po\") forbid" + scope + lifted + ";", "1:error: not both"},
		{"approval without hold", "forbid" + scope + lifted + ";", "1:warning: nobody is asked"},
		{"too deep", "permit" + scope + " when { " + strings.Repeat("(", 200) + "true" + strings.Repeat(")", 200) + " };", "1:error: nests brackets"},
		{"too many dots", "permit" + scope + " when { principal has a" + strings.Repeat(".a", 201) + " };", "1:error: attribute accesses"},
		{"too long", "permit" + scope + " when { " + strings.Repeat("true && ", 1<<14) + "true };", "1:error: more than the limit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			set, diags := policy.Compile([]policy.File{{Name: "test.cedar", Text: tc.text}})
			if (set == nil) != (diags.Err() != nil) {
				t.Errorf("set is nil: %t, but the findings are:\n%s", set == nil, diags)
			}
			if tc.want == "" {
				if len(diags) > 0 {
					t.Errorf("unexpected findings:\n%s", diags)
				}
				return
			}
			head, msg, _ := strings.Cut(tc.want, ": ")
			for _, d := range diags {
				if fmt.Sprintf("%d:%s", d.Line, d.Severity) == head && strings.Contains(d.Message, msg) {
					return
				}
			}
			t.Errorf("no finding %q among:\n%s", tc.want, diags)
		})
	}
}

func TestCompileReportsAllProblems(t *testing.T) {
	t.Parallel()
	_, diags := policy.Compile([]policy.File{
		{Name: "b.cedar", Text: "permit(principal, action == Action::\"raed\", resource);\n"},
		{Name: "a.cedar", Text: `// A string with a semicolon, and comments; do not end a policy.
permit(principal in Group::"a;b", action, resource);
  forbit(principal, action, resource);

@id("typo") @hold("po")
forbid(principal, action in [Action::"destroy"], resource in Tabel::"x") /* ; */
when { context.hours > 3 };
permit(principal, action, resource) permit(principal, action, resource);
permit(principal, action, resource) when { "unclosed };
permit(principal action, resource);
`},
	})
	got := make([]string, 0, len(diags))
	for _, d := range diags {
		got = append(got, fmt.Sprintf("%s:%d", d.File, d.Line))
	}
	want := []string{
		"a.cedar:3",
		"a.cedar:5", "a.cedar:5", "a.cedar:5", "a.cedar:5", // type, context, approvers, unless
		"a.cedar:8", "a.cedar:9", "a.cedar:10",
		"b.cedar:1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s\n%s", diff, diags)
	}
	if col := diags[0].Column; col < 3 || col > 12 {
		t.Errorf("column of the indented policy's error is %d", col)
	}
}

func TestCompileNames(t *testing.T) {
	t.Parallel()
	const text = "permit(principal, action, resource);"
	for _, files := range [][]policy.File{
		{{Name: "a", Text: text}, {Name: "a", Text: text}},
		{{Name: "", Text: text}},
		{{Name: "a\nb", Text: text}},
		{{Name: "a", Text: strings.Repeat(" ", 5<<20)}},
	} {
		if set, diags := policy.Compile(files); set != nil || diags.Err() == nil {
			t.Errorf("compiled %d file(s), the first named %q", len(files), files[0].Name)
		}
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	const p, q = "permit(principal, action, resource);", "forbid(principal, action, resource);"
	digest := func(files ...policy.File) string {
		set, diags := policy.Compile(files)
		if err := diags.Err(); err != nil {
			t.Fatal(err)
		}
		if set.Len() == 0 || set.Text() == "" || len(set.Digest()) != 64 {
			t.Fatalf("set of %d rules, digest %q", set.Len(), set.Digest())
		}
		if again, diags := policy.Compile([]policy.File{{Name: "x", Text: set.Text()}}); diags.Err() != nil || again.Len() != set.Len() {
			t.Errorf("the canonical text is not a policy document of the same rules:\n%s", diags)
		}
		return string(set.Digest())
	}
	a := digest(policy.File{Name: "a", Text: p}, policy.File{Name: "b", Text: q})
	if b := digest(policy.File{Name: "b", Text: q}, policy.File{Name: "a", Text: p}); a != b {
		t.Error("the order of the files changes the digest")
	}
	for name, other := range map[string]string{
		"other name":  digest(policy.File{Name: "a", Text: p}, policy.File{Name: "c", Text: q}),
		"joined":      digest(policy.File{Name: "a", Text: p + "\n// file: b (36 bytes)\n" + q}),
		"other order": digest(policy.File{Name: "a", Text: q}, policy.File{Name: "b", Text: p}),
		"white space": digest(policy.File{Name: "a", Text: p + " "}, policy.File{Name: "b", Text: q}),
	} {
		if other == a {
			t.Errorf("%s: same digest", name)
		}
	}
	if d := (*policy.Set)(nil).Digest(); d != "" {
		t.Errorf("digest of no set is %q", d)
	}
}

func TestDependsOnTime(t *testing.T) {
	t.Parallel()
	for cond, want := range map[string]bool{
		"true":                           false,
		"context.labels.contains(\"x\")": false,
		"context.hour < 3":               true,
		"context.weekday == 1":           true,
		"context.now < 3":                true,
		"context == {}":                  true,
	} {
		set := compile(t, "permit(principal, action, resource) when { "+cond+" };")
		if got := set.DependsOnTime(); got != want {
			t.Errorf("%s: depends on time: %t, want %t", cond, got, want)
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(policy.Starter().Text)
	f.Add("@id(\"x\") @hold(\"group:a\") forbid(principal is Principal in Group::\"b\", action, resource) unless { context has approval };;")
	f.Add("permit(principal,action,resource)when{!-(1+2)*3 like \"a*\" && {\"a\":[1]}.a.contains(1) || if true then ip(\"::1\").isIpv6() else context[\"now\"]<decimal(\"1.0\")};")
	f.Add("/*;*/ permit(\"\\u{41};\\\n\";//;\n")
	f.Fuzz(func(t *testing.T, text string) {
		set, diags := policy.Compile([]policy.File{{Name: "f", Text: text}})
		if (set == nil) != (diags.Err() != nil) {
			t.Fatalf("set is nil: %t, findings: %s", set == nil, diags)
		}
		for _, d := range diags {
			if d.Line < 0 || d.Line > 1+strings.Count(text, "\n") || d.Message == "" {
				t.Fatalf("finding outside the text: %+v", d)
			}
		}
		for _, q := range fuzzQueries() {
			v := set.Decide(q)
			if set == nil && v.Outcome != 0 {
				t.Fatal("no set, but not denied")
			}
			if len(v.Rules) == 0 || v.Reason == "" {
				t.Fatalf("the verdict does not explain itself: %+v", v)
			}
			if c := set.Connect(q); len(c.Rules) == 0 || c.Reason == "" {
				t.Fatalf("the verdict does not explain itself: %+v", c)
			}
			_ = set.Explain(q).String()
		}
	})
}

// TestExtremes holds that the limits keep Cedar's recursion harmless.
func TestExtremes(t *testing.T) {
	t.Parallel()
	const n = 60_000
	for name, cond := range map[string]string{
		"not":    strings.Repeat("!", n) + "true",
		"minus":  strings.Repeat("-", n) + "context.now == 1",
		"and":    strings.Repeat("1<2&&", n/5) + "true",
		"add":    strings.Repeat("1+", n/2) + "1 == 1",
		"access": "principal" + strings.Repeat(".a", 199) + " == 1",
		"if":     strings.Repeat("if true then 1 else ", n/20) + "1 == 1",
		"has":    "principal has a" + strings.Repeat(".a", 199),
		"set":    "[" + strings.Repeat("1,", n/2) + "1].contains(1)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, diags := policy.Compile([]policy.File{{Name: "x", Text: "permit(principal, action, resource) when { " + cond + " };"}})
			if err := diags.Err(); err != nil {
				t.Fatal(err)
			}
			if v := set.Decide(query(sel())); v.Reason == "" {
				t.Errorf("verdict is %+v", v)
			}
		})
	}
}
