// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Case is one test case that is kept beside the policies: a query and the
// verdict that it must get.
type Case struct {
	Name  string
	File  string
	Line  int
	Query Query
	Want  Want
}

// Want is what a case expects. All outcomes are compared; masks are compared
// unless the statement is denied; rules only when the case names some.
type Want struct {
	Outcome   sallyport.Outcome
	Masks     []int // the outputs that must be masked whole, no more and no fewer
	Scans     []int // the outputs that must be scanned, no more and no fewer
	Rules     []sallyport.RuleID
	Approvers string
}

// CaseResult is how one case came out.
type CaseResult struct {
	Case     Case
	Got      sallyport.Verdict
	Problems []string // how Got differs from what is wanted; empty when it does not
}

// Passed reports whether the case got what it wants.
func (r CaseResult) Passed() bool { return len(r.Problems) == 0 }

// RunCases decides every case by the set.
func RunCases(s *Set, cases []Case) []CaseResult {
	out := make([]CaseResult, 0, len(cases))
	for _, c := range cases {
		r := CaseResult{Case: c}
		if c.Query.Statement == nil {
			r.Got = s.Connect(c.Query)
		} else {
			r.Got = s.Decide(c.Query)
		}
		r.Problems = c.Want.compare(r.Got)
		out = append(out, r)
	}
	return out
}

func (w Want) compare(got sallyport.Verdict) []string {
	var out []string
	if got.Outcome != w.Outcome {
		out = append(out, fmt.Sprintf("outcome is %s, want %s: %s", got.Outcome, w.Outcome, got.Reason))
	}
	var masks, scans []int
	for _, m := range got.Masks {
		if m.Scan {
			scans = append(scans, m.Output)
		} else {
			masks = append(masks, m.Output)
		}
	}
	if w.Outcome != sallyport.Deny && !slices.Equal(masks, w.Masks) {
		out = append(out, fmt.Sprintf("masked outputs are %v, want %v", masks, w.Masks))
	}
	if w.Outcome != sallyport.Deny && !slices.Equal(scans, w.Scans) {
		out = append(out, fmt.Sprintf("scanned outputs are %v, want %v", scans, w.Scans))
	}
	if w.Rules != nil && !slices.Equal(got.Rules, w.Rules) {
		out = append(out, fmt.Sprintf("rules are %v, want %v", got.Rules, w.Rules))
	}
	if w.Approvers != "" && got.Approvers != w.Approvers {
		out = append(out, fmt.Sprintf("approvers are %q, want %q", got.Approvers, w.Approvers))
	}
	return out
}

// caseTime is when a case takes place that names no time: a Wednesday.
func caseTime() time.Time { return time.Date(2025, time.January, 1, 12, 0, 0, 0, time.UTC) }

// build turns what the file says into a case.
func (y *caseYAML) build() (Case, error) {
	c := Case{Name: y.Name, Query: Query{
		Principal:     y.Principal.principal(),
		Resource:      sallyport.ResourceID(y.Resource),
		Now:           caseTime(),
		InTransaction: y.InTransaction,
	}}
	for _, r := range y.Roles {
		c.Query.Roles = append(c.Query.Roles, sallyport.RoleID(r))
	}
	if !y.At.IsZero() {
		c.Query.Now = y.At
	}
	switch {
	case y.Name == "":
		return c, fmt.Errorf("the case has no name")
	case y.Principal.ID == "" || !c.Query.Principal.Kind.Valid():
		return c, fmt.Errorf("case %q: principal needs an id and a kind (service-account, ci-job, ai-agent or human)", y.Name)
	case y.Resource == "":
		return c, fmt.Errorf("case %q: resource is missing", y.Name)
	}
	y.decisions(&c.Query)
	if y.Statement != nil {
		st, err := y.Statement.statement()
		if err != nil {
			return c, fmt.Errorf("case %q: %w", y.Name, err)
		}
		c.Query.Statement = st
	}
	w, err := y.Want.want()
	if err != nil {
		return c, fmt.Errorf("case %q: %w", y.Name, err)
	}
	c.Want = w
	return c, nil
}

// decisions adds the case's grant and approval to the query, filled up so that
// they count.
func (y *caseYAML) decisions(q *Query) {
	if g := y.Grant; g != nil {
		role := sallyport.RoleID(g.Role)
		if role == "" && len(q.Roles) > 0 {
			role = q.Roles[0]
		}
		q.Grant = &sallyport.Grant{
			ID: sallyport.GrantID(cmp.Or(g.ID, "grant")), Request: sallyport.RequestID(cmp.Or(g.Request, "request")),
			Principal: q.Principal.ID, Resource: q.Resource, Role: role,
			NotBefore: q.Now.Add(-time.Minute), NotAfter: q.Now.Add(time.Minute),
		}
	}
	if a := y.Approval; a != nil {
		q.Approval = &sallyport.Approval{
			Request:  sallyport.RequestID(cmp.Or(a.Request, "request")),
			Approver: sallyport.PrincipalID(cmp.Or(a.Approver, "approver")), At: q.Now,
		}
	}
}

func (y wantYAML) want() (Want, error) {
	w := Want{Masks: y.Masks, Scans: y.Scans, Approvers: y.Approvers}
	switch y.Outcome {
	case "deny":
	case "hold":
		w.Outcome = sallyport.Hold
	case "allow":
		w.Outcome = sallyport.Allow
	default:
		return w, fmt.Errorf("want.outcome is %q; it must be deny, hold or allow", y.Outcome)
	}
	slices.Sort(w.Masks)
	slices.Sort(w.Scans)
	for _, r := range y.Rules {
		w.Rules = append(w.Rules, sallyport.RuleID(r))
	}
	slices.Sort(w.Rules)
	return w, nil
}
