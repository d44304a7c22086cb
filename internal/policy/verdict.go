// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// lifting notes who may lift, or has lifted, the holds of an answer.
func (d *decider) lifting(a answer) {
	for _, h := range a.lifted {
		if !slices.Contains(d.approvers, h.approvers) {
			d.approvers = append(d.approvers, h.approvers)
		}
		if d.wait == 0 || h.wait < d.wait {
			d.wait = h.wait
		}
	}
	d.holdRules = appendIDs(d.holdRules, a.lifted)
}

func (d *decider) hold(r *request, a answer) {
	d.held = true
	d.heldCount++
	if d.heldCount > 1 || d.denied {
		return
	}
	need := "an approval"
	if d.lift == liftGrant {
		need = "a grant"
	}
	d.reason = "policy " + strconv.Quote(string(a.lifted[0].id)) + " asks for " + need + " by " + a.lifted[0].approvers +
		" for " + r.String()
}

// denyFor denies because of what an evaluation found.
func (d *decider) denyFor(r *request, res *result) {
	ask, advice := r.String(), r.action.advice()
	switch {
	case len(res.failed) > 0:
		d.deny("policy "+strconv.Quote(string(res.failed[0].id))+" cannot be evaluated for "+ask+", so it denies", ids(res.failed)...)
	case len(res.forbids) > 0:
		d.deny("policy "+strconv.Quote(string(d.strictest(res.forbids).id))+" forbids "+ask+advice, ids(res.forbids)...)
	default:
		d.deny("no policy permits "+ask+advice, ruleDefaultDeny)
	}
}

// strictest returns the first rule that no decision could lift, else the first.
func (d *decider) strictest(rules []*rule) *rule {
	for _, r := range rules {
		if r.lift != d.lift {
			return r
		}
	}
	return rules[0]
}

func (d *decider) deny(reason string, rules ...sallyport.RuleID) {
	if !d.denied {
		d.reason = reason
	}
	d.denied = true
	d.denyRules = append(d.denyRules, rules...)
}

// verdict combines what was gathered: any denial denies, else any hold holds.
func (d *decider) verdict() sallyport.Verdict {
	v := sallyport.Verdict{Policy: d.set.digest}
	switch {
	case d.denied:
		v.Rules, v.Reason = unique(d.denyRules), d.reason
	case len(d.approvers) > 1:
		slices.Sort(d.approvers)
		v.Rules = unique(append(d.holdRules, ruleApprovers))
		v.Reason = "the rules that ask for a decision name different approvers (" + strings.Join(d.approvers, ", ") + ")" + fixApprovers
	case d.held:
		v.Outcome, v.Reason, v.Masks, v.Wait = sallyport.Hold, d.reason, d.masks, d.wait
		v.Rules = unique(d.holdRules)
	default:
		v.Outcome, v.Masks = sallyport.Allow, d.masks
		v.Rules = unique(append(d.allowRules, d.holdRules...))
		v.Reason = d.allowReason()
	}
	if v.Outcome != sallyport.Deny && len(d.approvers) == 1 {
		v.Approvers = d.approvers[0]
	}
	return v
}

func (d *decider) allowReason() string {
	s := "session control needs no permit"
	if d.allowedCount > 0 {
		s = "policy permits " + d.allowed
	}
	if n := d.allowedCount - 1; n > 0 {
		s += " and " + strconv.Itoa(n) + " more"
	}
	if n := len(d.masks); n > 0 {
		s += "; " + strconv.Itoa(n) + " of its outputs are masked"
	}
	return s
}

func ids(rules []*rule) []sallyport.RuleID { return appendIDs(nil, rules) }

func appendIDs(dst []sallyport.RuleID, rules []*rule) []sallyport.RuleID {
	for _, r := range rules {
		if len(dst) > 0 && dst[len(dst)-1] == r.id {
			continue // columns of one table are mostly decided by the same rule
		}
		dst = append(dst, r.id)
	}
	return dst
}

func unique(in []sallyport.RuleID) []sallyport.RuleID {
	slices.Sort(in)
	return slices.Compact(in)
}

// maxDisplay is how many bytes of a name a reason shows.
const maxDisplay = 160

// display makes a name fit for a message: one line, bounded, printable.
func display(name string) string {
	if len(name) <= maxDisplay && !strings.ContainsFunc(name, unprintable) {
		return name
	}
	name = strings.Map(func(r rune) rune {
		if unprintable(r) {
			return '?'
		}
		return r
	}, name)
	if len(name) > maxDisplay {
		name = strings.ToValidUTF8(name[:maxDisplay], "") + "..."
	}
	return name
}

func unprintable(r rune) bool { return !strconv.IsPrint(r) }
