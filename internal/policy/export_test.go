// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/cedar-policy/cedar-go"

// PolicySet returns the policies as they were written, in one unsliced Cedar
// set: the peer and the oracle of the tests.
func PolicySet(s *Set) *cedar.PolicySet {
	ps := cedar.NewPolicySet()
	for _, r := range s.rules {
		ps.Add(cedar.PolicyID(r.id), r.policy)
	}
	return ps
}

// MaxRequests is the limit on authorization requests for one statement.
const MaxRequests = maxRequests
