// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/policy"
)

// TestKubernetes decides by what a request asks of a cluster. Where the labels of an
// object are not known, a rule about them denies.
func TestKubernetes(t *testing.T) {
	t.Parallel()
	set := compile(t, `@id("all") permit(principal, action, resource);
@id("kept") forbid(principal, action == Action::"delete", resource)
when { context has kubernetes && context.kubernetes.resource == "pods" && context.kubernetes.labels.contains("kept=true") };`)
	for name, tc := range map[string]struct {
		k    *sallyport.Kubernetes
		want sallyport.Outcome
	}{
		"no cluster":      {nil, sallyport.Allow},
		"another kind":    {&sallyport.Kubernetes{Verb: "delete", Resource: "services"}, sallyport.Allow},
		"without it":      {&sallyport.Kubernetes{Verb: "delete", Resource: "pods", Labels: []string{"a=b"}, LabelsKnown: true}, sallyport.Allow},
		"with it":         {&sallyport.Kubernetes{Verb: "delete", Resource: "pods", Labels: []string{"a=b", "kept=true"}, LabelsKnown: true}, sallyport.Deny},
		"nobody knows":    {&sallyport.Kubernetes{Verb: "delete", Resource: "pods"}, sallyport.Deny},
		"unknown, listed": {&sallyport.Kubernetes{Verb: "delete", Resource: "pods", Labels: []string{"a=b"}}, sallyport.Deny},
	} {
		q := benchmarkQuery(1)
		q.Statement.Effects = []sallyport.Effect{sallyport.Delete}
		q.Statement.Accesses[0].Effect = sallyport.Delete
		q.Statement.Kubernetes = tc.k
		if v := set.Decide(q); v.Outcome != tc.want {
			t.Errorf("%s: %s: %s", name, v.Outcome, v.Reason)
		}
	}
	if _, diags := policy.Compile([]policy.File{{Name: "a.cedar", Text: `forbid(principal, action, resource) when { context has kubernetes && context.kubernetes.colour == "x" };`}}); len(diags) == 0 {
		t.Error("a name that is not there passes")
	}
}

// TestHopeless: what is denied whatever labels an object has is known before anybody asks
// for them, and nothing else is taken for it.
func TestHopeless(t *testing.T) {
	t.Parallel()
	const (
		write = `permit(principal, action == Action::"write", resource);`
		about = `context has kubernetes && context.kubernetes has labels && context.kubernetes.labels.contains("a=b")`
		lift  = `@hold("group:privacy-officers") @expires("15m") forbid(principal, action == Action::"write", resource) `
	)
	for name, tc := range map[string]struct {
		policy string
		want   bool
	}{
		"nothing permits":            {`permit(principal, action == Action::"read", resource);`, true},
		"something permits":          {write, false},
		"by labels alone":            {`permit(principal, action == Action::"write", resource) when { ` + about + ` };`, false},
		"by the whole of it":         {`permit(principal, action == Action::"write", resource) when { context has kubernetes && context.kubernetes == context.kubernetes };`, false},
		"by the whole context":       {`permit(principal, action == Action::"write", resource) when { context == context };`, false},
		"forbidden":                  {write + `forbid(principal, action, resource);`, true},
		"forbidden by labels":        {write + `forbid(principal, action, resource) when { ` + about + ` };`, false},
		"forbidden unless by labels": {write + `forbid(principal, action, resource) unless { ` + about + ` };`, false},
		"forbidden by its kind":      {write + `forbid(principal, action, resource) when { context has kubernetes && context.kubernetes.resource == "pods" };`, true},
		"of another kind":            {`permit(principal, action == Action::"write", resource) when { context has kubernetes && context.kubernetes.resource == "secrets" };`, true},
		"held":                       {write + lift + `unless { context has approval };`, false},
		"held by labels":             {write + lift + `when { ` + about + ` } unless { context has approval };`, false},
		"permitted once approved":    {`permit(principal, action == Action::"write", resource) when { context has approval };` + lift + `when { ` + about + ` } unless { context has approval };`, false},
	} {
		set := compile(t, tc.policy)
		q := benchmarkQuery(1)
		q.Statement.Effects = []sallyport.Effect{sallyport.Write}
		q.Statement.Accesses[0].Effect = sallyport.Write
		q.Statement.Kubernetes = &sallyport.Kubernetes{Verb: "patch", Resource: "pods"}
		if got := set.Hopeless(q); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
		for _, labels := range [][]string{nil, {"a=b"}, {"c=d"}} {
			q.Statement.Kubernetes = &sallyport.Kubernetes{Verb: "patch", Resource: "pods", Labels: labels, LabelsKnown: true}
			if v := set.Decide(q); tc.want && v.Outcome != sallyport.Deny {
				t.Errorf("%s, %v: %s", name, labels, v.Outcome)
			}
		}
	}
}
