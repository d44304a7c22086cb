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
