// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"errors"
	"fmt"
	"slices"

	sallyport "github.com/sallyport-dev/sallyport"
)

const maxGroups = 256

// rule is a [Rule] with its template parsed.
type rule struct {
	Rule
	name template
}

func newRule(r Rule) (rule, error) {
	t, err := parseTemplate(r.Principal)
	return rule{Rule: r, name: t}, err
}

// mapped fills p in by the first rule that matches.
func (is *issuer) mapped(c claims, p *sallyport.Principal) error {
	i := slices.IndexFunc(is.rules, func(r rule) bool { return r.matches(c) })
	if i < 0 {
		return errors.New("no rule maps this token to a principal")
	}
	return is.rules[i].apply(c, p)
}

func (r rule) matches(c claims) bool {
	for ref, values := range r.When {
		v, ok := c.scalar(ref)
		if !ok || !slices.Contains(values, v) {
			return false
		}
	}
	return true
}

func (r rule) apply(c claims, p *sallyport.Principal) error {
	id, err := r.name.fill(c)
	if err != nil {
		return err
	}
	groups, err := r.groups(c)
	if err != nil {
		return err
	}
	attrs := map[string]string{}
	for _, ref := range r.Attributes {
		v, ok := c.scalar(ref)
		if !ok || v == "" {
			continue
		}
		if err := checkText(v); err != nil {
			return fmt.Errorf("the claim %q %w", ref, err)
		}
		attrs[refName(ref)] = v
	}
	p.ID, p.Kind, p.Groups = sallyport.PrincipalID(id), r.Kind, groups
	if len(attrs) > 0 {
		p.Attributes = attrs
	}
	return nil
}

// groups returns the rule's groups and, only if the rule names a claim for it,
// the token's. A token that says its groups are elsewhere (OpenID Connect Core
// 1.0 section 5.6.2; Entra ID does so past 200) is refused, since a policy that
// forbids by group would otherwise see fewer than there are.
func (r rule) groups(c claims) ([]string, error) {
	groups := slices.Clone(r.Groups)
	if r.GroupsClaim != "" {
		if names, ok := c["_claim_names"].(map[string]any); ok {
			if _, elsewhere := names[r.GroupsClaim]; elsewhere {
				return nil, errors.New("the token has too many groups to carry them and points elsewhere for them")
			}
		}
		more, err := c.strings(r.GroupsClaim, maxGroups)
		if err != nil {
			return nil, fmt.Errorf("the claim %q %w", r.GroupsClaim, err)
		}
		for _, g := range more {
			if err := checkText(g); err != nil {
				return nil, fmt.Errorf("a group in the claim %q %w", r.GroupsClaim, err)
			}
		}
		groups = append(groups, more...)
	}
	slices.Sort(groups)
	return slices.Compact(groups), nil
}
