// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
	sallyport "github.com/sallyport-dev/sallyport"
)

// Trace is how a verdict came about: every authorization request that was made,
// in order, with the policies that decided it.
type Trace struct {
	Principal string            `json:"principal"` // as Cedar writes it
	Parents   []string          `json:"parents"`   // its groups, roles and kind
	Verdict   sallyport.Verdict `json:"verdict"`
	Outcome   string            `json:"outcome"` // of the verdict, in words
	Steps     []Step            `json:"steps"`
}

// Step is one evaluation of one authorization request.
type Step struct {
	Action string   `json:"action"`
	Object string   `json:"object"` // as Cedar writes it
	Within []string `json:"within"` // what the object lies in, its label included
	// Columns, Labels and Source are what the context said of the columns.
	Columns []string          `json:"columns,omitempty"`
	Labels  []sallyport.Label `json:"labels,omitempty"`
	Source  sallyport.Label   `json:"source,omitempty"`
	// Given says what the context held: "" nothing that lifts a hold,
	// "decision" the approval or grant of the query, "supposed decision" a
	// synthetic one, to see whether a decision could help.
	Given string `json:"given,omitempty"`
	// Result is "permitted", "forbidden", "not permitted" or "failed".
	Result string      `json:"result"`
	Rules  []TraceRule `json:"rules"`
}

// TraceRule is a policy that took part in a step.
type TraceRule struct {
	ID     sallyport.RuleID `json:"id"`
	File   string           `json:"file"`
	Line   int              `json:"line"`
	Effect string           `json:"effect"`          // "permit" or "forbid"
	Error  string           `json:"error,omitempty"` // why it could not be evaluated
	Text   string           `json:"text"`
}

// Explain answers q as [Set.Decide] does, or as [Set.Connect] when it has no
// statement, and tells how. It is the same code path.
func (s *Set) Explain(q Query) Trace {
	l := liftApproval
	if q.Statement == nil {
		l = liftGrant
	}
	p := principalEntity(&q.Principal, q.Roles)
	tr := Trace{Principal: p.uid.String(), Parents: []string{}, Steps: []Step{}}
	for _, a := range p.ancestors {
		tr.Parents = append(tr.Parents, a.String())
	}
	tr.Verdict = s.decide(&q, l, &tr)
	tr.Outcome = tr.Verdict.Outcome.String()
	return tr
}

// step records one evaluation.
func (d *decider) traceStep(r *request, res *result, errs []cedar.DiagnosticError, lifted bool) {
	st := Step{Action: r.action.String(), Object: r.object.uid.String(), Within: []string{}, Rules: []TraceRule{}}
	for _, a := range r.object.ancestors {
		st.Within = append(st.Within, a.String())
	}
	st.Source = r.source
	for c := range r.all() {
		st.Columns = append(st.Columns, c.Object.Path[max(len(c.Object.Path)-1, 0):]...)
		st.Labels = append(st.Labels, labelsOf(c)...)
	}
	if r.label != "" {
		st.Labels = []sallyport.Label{r.label}
	}
	slices.Sort(st.Labels)
	st.Labels = slices.Compact(st.Labels)
	switch {
	case lifted && d.present:
		st.Given = "decision"
	case lifted:
		st.Given = "supposed decision"
	}
	switch {
	case len(res.failed) > 0:
		st.Result = "failed"
	case len(res.forbids) > 0:
		st.Result = "forbidden"
		st.add(res.forbids)
	case len(res.permits) > 0:
		st.Result = "permitted"
		st.add(res.permits)
	default:
		st.Result = "not permitted"
	}
	for _, e := range errs {
		tr := traceRule(d.set.byID[e.PolicyID])
		tr.Error = e.Message
		st.Rules = append(st.Rules, tr)
	}
	d.trace.Steps = append(d.trace.Steps, st)
}

func (s *Step) add(rules []*rule) {
	for _, r := range rules {
		s.Rules = append(s.Rules, traceRule(r))
	}
}

func traceRule(r *rule) TraceRule {
	effect := "permit"
	if r.forbid {
		effect = "forbid"
	}
	return TraceRule{ID: r.id, File: r.file, Line: r.line, Effect: effect, Text: r.text}
}

// String renders the trace for a terminal.
func (t Trace) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", t.Outcome, t.Verdict.Reason)
	fmt.Fprintf(&b, "policy %s\n", t.Verdict.Policy)
	if t.Verdict.Approvers != "" {
		fmt.Fprintf(&b, "decided by %s, within %s\n", t.Verdict.Approvers, t.Verdict.Wait)
	}
	for _, m := range t.Verdict.Masks {
		how := "masked"
		if m.Scan {
			how = "scanned"
		}
		fmt.Fprintf(&b, "output %d is %s (%s) %v\n", m.Output, how, m.Reason, m.Labels)
	}
	fmt.Fprintf(&b, "\n%s in %s\n", t.Principal, strings.Join(t.Parents, ", "))
	for i, s := range t.Steps {
		fmt.Fprintf(&b, "\n%d. %s on %s", i+1, s.Action, s.Object)
		if len(s.Within) > 0 {
			fmt.Fprintf(&b, " in %s", strings.Join(s.Within, ", "))
		}
		if len(s.Labels) > 0 {
			fmt.Fprintf(&b, ", labels %v", s.Labels)
		}
		if s.Given != "" {
			fmt.Fprintf(&b, ", with a %s", s.Given)
		}
		fmt.Fprintf(&b, ": %s\n", s.Result)
		for _, r := range s.Rules {
			fmt.Fprintf(&b, "   %s:%d: %s\n", r.File, r.Line, r.ID)
			if r.Error != "" {
				fmt.Fprintf(&b, "      cannot be evaluated: %s\n", r.Error)
			}
			for line := range strings.Lines(r.Text) {
				fmt.Fprintf(&b, "      %s\n", strings.TrimRight(line, "\r\n"))
			}
		}
	}
	return b.String()
}
