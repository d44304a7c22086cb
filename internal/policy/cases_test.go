// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/policy"
)

func readCases(t *testing.T, name string) []policy.Case {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	cases, diags := policy.ParseCases(policy.File{Name: name, Text: string(b)})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	return cases
}

func TestStarter(t *testing.T) {
	t.Parallel()
	set, diags := policy.Compile([]policy.File{policy.Starter()})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	for _, r := range policy.RunCases(set, readCases(t, "starter_test.yaml")) {
		if !r.Passed() {
			t.Errorf("%s:%d: %s: %v", r.Case.File, r.Case.Line, r.Case.Name, r.Problems)
		}
	}
	for _, r := range policy.RunCases(nil, readCases(t, "starter_test.yaml")) {
		if r.Passed() != (r.Case.Want.Outcome == sallyport.Deny && r.Case.Want.Rules == nil) {
			t.Errorf("without a set, %s: passed is %t", r.Case.Name, r.Passed())
		}
	}
}

func TestCaseProblems(t *testing.T) {
	t.Parallel()
	cases, diags := policy.ParseCases(policy.File{Name: "c.yaml", Text: `cases:
  - name: wrong
    principal: {id: p, kind: human}
    resource: clinic
    statement:
      class: select
      accesses: [{effect: read, object: clinic/public/t, columns: [{name: a, labels: [public]}]}]
      outputs: [{sources: [{name: a}]}, {unknown: true}]
    want: {outcome: allow, masks: [0], rules: [other], approvers: "group:x"}
`})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	res := policy.RunCases(compile(t, permitAll), cases)
	want := []string{"masked outputs are [1], want [0]", "rules are [all], want [other]", `approvers are "", want "group:x"`}
	if diff := cmp.Diff(want, res[0].Problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	res = policy.RunCases(compile(t, ""), cases)
	if res[0].Passed() || !strings.Contains(res[0].Problems[0], "outcome is deny, want allow: no policy permits") {
		t.Errorf("problems: %v", res[0].Problems)
	}
}

func TestParseCasesFindings(t *testing.T) {
	t.Parallel()
	const head = "cases:\n- name: a\n  principal: {id: p, kind: human}\n  resource: clinic\n"
	const want = "  want: {outcome: deny}\n"
	for name, tc := range map[string]struct{ text, want string }{
		"fine":                {head + want, ""},
		"no YAML":             {"cases: [", "c.yaml: error: "},
		"unknown key":         {"casess: []", "casess"},
		"unknown key in case": {head + want + "  wnat: {}\n", "c.yaml:2: error: "},
		"no name":             {strings.Replace(head, "name: a", "name: \"\"", 1) + want, "no name"},
		"no kind":             {strings.Replace(head, "human", "robot", 1) + want, "needs an id and a kind"},
		"no resource":         {strings.Replace(head, "clinic", "\"\"", 1) + want, "resource is missing"},
		"no outcome":          {head + "  want: {masks: [1]}\n", "want.outcome is \"\""},
		"effect":              {head + want + "  statement: {accesses: [{effect: raed, object: clinic/public/t}]}\n", `effect "raed" is not known`},
		"effects":             {head + want + "  statement: {effects: [raed]}\n", `effect "raed" is not known`},
		"no object":           {head + want + "  statement: {accesses: [{effect: read}]}\n", "names no object"},
		"column":              {head + want + "  statement: {predicates: [{name: x}]}\n", `column "x" is not listed`},
		"ambiguous": {head + want + `  statement:
    accesses:
    - {effect: read, object: clinic/public/t, columns: [{name: x}]}
    - {effect: read, object: clinic/public/u, columns: [{name: x}]}
    predicates: [{name: x}]
`, "ambiguous: write clinic/public/t/x or clinic/public/u/x"},
		"twice":    {head + want + strings.TrimPrefix(head, "cases:\n") + want, "already used in line 2"},
		"too long": {strings.Repeat("#", 5<<20), "more than the limit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, diags := policy.ParseCases(policy.File{Name: "c.yaml", Text: tc.text})
			if tc.want == "" && len(diags) == 0 {
				return
			}
			if tc.want == "" || !strings.Contains(diags.String(), tc.want) {
				t.Errorf("findings are %q, want %q", diags, tc.want)
			}
		})
	}
}

func FuzzParseCases(f *testing.F) {
	b, err := os.ReadFile("testdata/starter_test.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	set, _ := policy.Compile([]policy.File{policy.Starter()})
	f.Fuzz(func(t *testing.T, text string) {
		cases, diags := policy.ParseCases(policy.File{Name: "f", Text: text})
		for _, d := range diags {
			if d.Message == "" || d.Line < 0 {
				t.Fatalf("%+v", d)
			}
		}
		for _, r := range policy.RunCases(set, cases) {
			if len(r.Got.Rules) == 0 {
				t.Fatalf("%+v", r)
			}
		}
	})
}
