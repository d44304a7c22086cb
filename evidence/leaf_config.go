// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Leaf types of what access depends on, and of people who looked at it.
const (
	TypeConfigLoaded Type = "config-loaded" // ConfigLoaded: what access depends on from now on
	TypeReview       Type = "review"        // Review: a person attests to have reviewed something
)

// ConfigLoaded is the body of TypeConfigLoaded. A configuration that is larger
// than a leaf comes in parts that follow each other; it is in force with the
// last one. Lists of all parts are joined in their order.
type ConfigLoaded struct {
	Digest string `json:"digest"` // hex SHA-256 of the JSON of the whole Configuration
	Part   int    `json:"part"`   // from 1
	Parts  int    `json:"parts"`
	Configuration
}

// Configuration is what access depends on, without secrets and credentials.
type Configuration struct {
	Roles      []ConfigRole       `json:"roles,omitempty"`
	Access     []ConfigAccess     `json:"access,omitempty"`
	Resources  []ConfigResource   `json:"resources,omitempty"`
	Issuers    []ConfigIssuer     `json:"issuers,omitempty"`
	Settings   []ConfigSetting    `json:"settings,omitempty"`
	Identities []ConfiguredMember `json:"identities,omitempty"`
}

// ConfigRole says who may ask for or hold a role. Parts may have the same role
// with further members.
type ConfigRole struct {
	Name      sallyport.RoleID       `json:"name"`
	Resources []sallyport.ResourceID `json:"resources"`
	Members   []string               `json:"members"` // "group:NAME" or "principal:ID"
}

// ConfigAccess says what the policies in force answer to a member of a role that
// connects to a resource without a grant.
type ConfigAccess struct {
	Role     sallyport.RoleID     `json:"role"`
	Resource sallyport.ResourceID `json:"resource"`
	// Connect is "allow" (standing access), "hold" (only by a grant that somebody
	// approves) or "deny".
	Connect   string                 `json:"connect"`
	Approvers string                 `json:"approvers,omitempty"`
	WindowMS  int64                  `json:"max_window_ms,omitempty"`
	Rules     []sallyport.RuleID     `json:"rules,omitempty"`
	Policy    sallyport.PolicyDigest `json:"policy"`
}

// ConfigResource is a target.
type ConfigResource struct {
	Name      sallyport.ResourceID `json:"name"`
	Type      string               `json:"type"`
	Target    string               `json:"target"` // address and database
	TLS       string               `json:"tls"`
	Lineage   string               `json:"lineage"`
	Intent    string               `json:"intent"`
	IdleMS    int64                `json:"idle_ms"` // 0: no limit
	LongestMS int64                `json:"longest_ms"`
	Sessions  int64                `json:"sessions"` // at once
}

// ConfigIssuer is who vouches for identities.
type ConfigIssuer struct {
	Name      string   `json:"name"`
	URL       string   `json:"url"`
	Audiences []string `json:"audiences"`
}

// ConfigSetting is any other setting that access depends on.
type ConfigSetting struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// ConfiguredMember is a machine identity, or a pattern of several, as its owner
// registered it.
type ConfiguredMember struct {
	Principal string `json:"principal"` // may have "*" for any text
	Owner     string `json:"owner"`
	Purpose   string `json:"purpose,omitempty"`
	Ticket    string `json:"ticket,omitempty"`
	// Reviewed is when its access was last reviewed, as the file says.
	Reviewed time.Time `json:"reviewed,omitzero"`
	EveryMS  int64     `json:"review_every_ms,omitempty"`
}

// Review is the body of TypeReview.
type Review struct {
	Kind string                `json:"kind"` // "identity" or "activity"
	By   sallyport.PrincipalID `json:"by"`
	// Principal is the identity whose access was reviewed.
	Principal sallyport.PrincipalID `json:"principal,omitempty"`
	// From and To bound the activity that was reviewed.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	Size uint64    `json:"tree_size"` // of the log that the reviewer could see
	Note string    `json:"note"`
}

// configPart bounds the JSON of one part of a configuration, in bytes.
const configPart = 48 << 10

// memberBatch bounds the members of a role in one entry.
const memberBatch = 100

// Split returns the configuration as bodies that fit into leaves. Errors:
// Invalid when one entry alone does not fit.
func (c Configuration) Split() ([]ConfigLoaded, error) {
	whole, err := marshalValue(c)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, opEncode, "the configuration cannot be written as JSON").Because(err)
	}
	s := splitter{parts: []Configuration{{}}}
	for _, r := range c.Roles {
		members := r.Members
		for first := true; first || len(members) > 0; first = false {
			n := min(len(members), memberBatch)
			r.Members, members = members[:n], members[n:]
			s.take(r, func(p *Configuration) { p.Roles = append(p.Roles, r) })
		}
	}
	for _, x := range c.Access {
		s.take(x, func(p *Configuration) { p.Access = append(p.Access, x) })
	}
	for _, x := range c.Resources {
		s.take(x, func(p *Configuration) { p.Resources = append(p.Resources, x) })
	}
	for _, x := range c.Issuers {
		s.take(x, func(p *Configuration) { p.Issuers = append(p.Issuers, x) })
	}
	for _, x := range c.Settings {
		s.take(x, func(p *Configuration) { p.Settings = append(p.Settings, x) })
	}
	for _, x := range c.Identities {
		s.take(x, func(p *Configuration) { p.Identities = append(p.Identities, x) })
	}
	if s.err != nil {
		return nil, s.err
	}
	out := make([]ConfigLoaded, len(s.parts))
	for i, p := range s.parts {
		out[i] = ConfigLoaded{Digest: Digest(whole), Part: i + 1, Parts: len(s.parts), Configuration: p}
	}
	return out, nil
}

// splitter fills parts one after the other.
type splitter struct {
	parts []Configuration
	size  int
	err   error
}

func (s *splitter) take(entry any, add func(*Configuration)) {
	b, err := json.Marshal(entry)
	if err == nil && len(b) > configPart {
		err = fmt.Errorf("%d bytes", len(b))
	}
	if err != nil && s.err == nil {
		s.err = sallyport.E(sallyport.Invalid, opEncode, "an entry of the configuration is too long to be put on record").
			WithHint("shorten the names in it").Because(err)
	}
	if s.size += len(b) + 1; s.size > configPart {
		s.parts, s.size = append(s.parts, Configuration{}), len(b)+1
	}
	add(&s.parts[len(s.parts)-1])
}

// join appends another part.
func (c *Configuration) join(p Configuration) {
	for _, r := range p.Roles {
		i := slices.IndexFunc(c.Roles, func(have ConfigRole) bool { return have.Name == r.Name })
		if i < 0 {
			c.Roles = append(c.Roles, r)
			continue
		}
		c.Roles[i].Members = append(c.Roles[i].Members, r.Members...)
	}
	c.Access = append(c.Access, p.Access...)
	c.Resources = append(c.Resources, p.Resources...)
	c.Issuers = append(c.Issuers, p.Issuers...)
	c.Settings = append(c.Settings, p.Settings...)
	c.Identities = append(c.Identities, p.Identities...)
}
