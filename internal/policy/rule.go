// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/types"
	xast "github.com/cedar-policy/cedar-go/x/exp/ast"
	sallyport "github.com/sallyport-dev/sallyport"
)

// lift names what lifts an annotated forbid.
type lift uint8

const (
	liftNone     lift = iota
	liftApproval      // @hold
	liftGrant         // @grant
)

// rule is one compiled policy.
type rule struct {
	id     sallyport.RuleID
	file   string
	line   int
	text   string
	policy *cedar.Policy // as written
	// conditions is the policy without its scope; nil when there are none, so
	// that the scope alone decides.
	conditions *cedar.Policy
	forbid     bool
	lift       lift
	approvers  string        // of a lift: "group:privacy-officers"
	wait       time.Duration // of a lift: @expires or @max
	actions    actionSet
	principal  scope
	resource   scope
	needs      need
}

func conditionsOnly(p *xast.Policy) *cedar.Policy { return cedar.NewPolicyFromAST((*ast.Policy)(p)) }

// scope is the constraint of a policy's head on the principal or the resource.
type scope struct {
	op  scopeOp
	typ types.EntityType // of is and isIn
	uid types.EntityUID  // of eq, in and isIn
}

type scopeOp uint8

const (
	scopeAny scopeOp = iota
	scopeIs
	scopeEq
	scopeIn
	scopeIsIn
)

// matches is Cedar's meaning of the constraint for an entity whose ancestors
// are all listed.
func (s *scope) matches(self types.EntityUID, ancestors []types.EntityUID) bool {
	switch s.op {
	case scopeAny:
		return true
	case scopeIs:
		return self.Type == s.typ
	case scopeEq:
		return self == s.uid
	case scopeIn:
		return self == s.uid || slices.Contains(ancestors, s.uid)
	case scopeIsIn:
		return self.Type == s.typ && (self == s.uid || slices.Contains(ancestors, s.uid))
	}
	return false
}

// index finds the rules whose action and resource may match: for each action,
// rules by the one entity that their resource constraint names, and those that
// name none.
type index [actionCount]actionIndex

type actionIndex struct {
	anchored map[types.EntityUID]bucket
	loose    bucket
}

// bucket is a list of rules. A long one is sliced again by the entity that the
// principal constraint names.
type bucket struct {
	rules       []*rule // all, while they are few; else those that name no principal
	byPrincipal map[types.EntityUID][]*rule
}

// fewRules is how many rules are compared one by one sooner than looked up by
// each group and role of the principal.
const fewRules = 12

func newIndex(rules []*rule) index {
	var ix index
	lists := [actionCount]map[types.EntityUID][]*rule{}
	for _, r := range rules {
		for a := actionRead; a < actionCount; a++ {
			if !r.actions.has(a) {
				continue
			}
			if lists[a] == nil {
				lists[a] = map[types.EntityUID][]*rule{}
			}
			// The zero UID stands for "names no resource"; Cedar cannot write it.
			lists[a][r.resource.uid] = append(lists[a][r.resource.uid], r)
		}
	}
	for a := actionRead; a < actionCount; a++ {
		ix[a].anchored = make(map[types.EntityUID]bucket, len(lists[a]))
		for uid, list := range lists[a] {
			if uid.IsZero() {
				ix[a].loose = newBucket(list)
			} else {
				ix[a].anchored[uid] = newBucket(list)
			}
		}
	}
	return ix
}

func newBucket(rules []*rule) bucket {
	if len(rules) <= fewRules {
		return bucket{rules: rules}
	}
	b := bucket{byPrincipal: map[types.EntityUID][]*rule{}}
	for _, r := range rules {
		if r.principal.uid.IsZero() {
			b.rules = append(b.rules, r)
		} else {
			b.byPrincipal[r.principal.uid] = append(b.byPrincipal[r.principal.uid], r)
		}
	}
	return b
}

// match appends to dst the rules whose whole scope matches.
func (ix *index) match(dst []*rule, a action, p, res *entity) []*rule {
	ai := &ix[a]
	dst = ai.loose.match(dst, p, res)
	if b, ok := ai.anchored[res.uid]; ok {
		dst = b.match(dst, p, res)
	}
	for _, uid := range res.ancestors {
		if b, ok := ai.anchored[uid]; ok {
			dst = b.match(dst, p, res)
		}
	}
	return dst
}

func (b *bucket) match(dst []*rule, p, res *entity) []*rule {
	dst = appendMatching(dst, b.rules, p, res)
	if b.byPrincipal == nil {
		return dst
	}
	dst = appendMatching(dst, b.byPrincipal[p.uid], p, res)
	for _, uid := range p.ancestors {
		dst = appendMatching(dst, b.byPrincipal[uid], p, res)
	}
	return dst
}

func appendMatching(dst, rules []*rule, p, res *entity) []*rule {
	for _, r := range rules {
		if r.principal.matches(p.uid, p.ancestors) && r.resource.matches(res.uid, res.ancestors) {
			dst = append(dst, r)
		}
	}
	return dst
}
