// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package sallyport holds the vocabulary of the gateway: principals, resources,
// statements, verdicts and the one error type. It has no behaviour that touches
// the outside world and imports the standard library only, so that every other
// package can share its words without sharing anything else.
//
// Zero values are safe: the zero [Outcome] is Deny, the zero [Effect] is
// unknown (and therefore refused), and a column without labels is
// [Unclassified].
package sallyport

import "time"

// Identifiers. Each has a type of its own, so that one cannot stand in for
// another by accident.
type (
	// PrincipalID names a principal as the configured mapping made it, such as
	// "ci:acme/claims".
	PrincipalID string
	// ResourceID names a configured target, such as "clinic".
	ResourceID string
	// RoleID names a role that a policy speaks of, such as "claims-etl".
	RoleID string
	// RequestID names a request for a grant or for the release of a held
	// statement.
	RequestID string
	// GrantID names a time-bound role of one principal on one resource.
	GrantID string
	// SessionID names one authenticated stretch of traffic of one principal on
	// one resource.
	SessionID string
	// RuleID names one policy of the loaded set.
	RuleID string
	// PolicyDigest is the SHA-256, in lower-case hex, of a loaded policy set's
	// canonical text.
	PolicyDigest string
)

// PrincipalKind says what sort of identity a principal is.
type PrincipalKind string

// The kinds of principal.
const (
	ServiceAccount PrincipalKind = "service-account"
	CIJob          PrincipalKind = "ci-job"
	AIAgent        PrincipalKind = "ai-agent"
	Human          PrincipalKind = "human"
)

// Valid reports whether k is one of the known kinds.
func (k PrincipalKind) Valid() bool {
	switch k {
	case ServiceAccount, CIJob, AIAgent, Human:
		return true
	}
	return false
}

// Subject is an identity as its issuer asserted it, before any mapping.
type Subject struct {
	Issuer string `json:"issuer"`
	ID     string `json:"id"`
}

// Authentication says how a principal proved who it is. It holds no secret:
// TokenID is the first 32 hex digits of the SHA-256 of the presented token.
type Authentication struct {
	Method   string          `json:"method"` // "oidc" or "gateway-token"
	TokenID  string          `json:"token_id"`
	KeyID    string          `json:"key_id,omitempty"`
	Audience string          `json:"audience,omitempty"`
	At       time.Time       `json:"at"`
	Expires  time.Time       `json:"expires"`
	Stale    bool            `json:"keys_stale,omitempty"` // issuer's keys were older than their refresh time
	Via      *Authentication `json:"via,omitempty"`        // the login that a gateway token was exchanged for
}

// Principal is an authenticated identity.
type Principal struct {
	ID         PrincipalID       `json:"id"`
	Kind       PrincipalKind     `json:"kind"`
	Groups     []string          `json:"groups,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Subject    Subject           `json:"subject"`
	// Delegation is the chain of actors of RFC 8693's "act" claim, the current
	// actor first.
	Delegation []Subject      `json:"delegation,omitempty"`
	Authn      Authentication `json:"authn"`
}

// Grant is a role that one principal holds on one resource for a window.
type Grant struct {
	ID        GrantID      `json:"id"`
	Request   RequestID    `json:"request"`
	Principal PrincipalID  `json:"principal"`
	Resource  ResourceID   `json:"resource"`
	Role      RoleID       `json:"role"`
	NotBefore time.Time    `json:"not_before"`
	NotAfter  time.Time    `json:"not_after"`
	Policy    PolicyDigest `json:"policy"`
}

// Active reports whether the grant's window holds at the instant t. Revocation
// is the grant service's knowledge, not the window's.
func (g Grant) Active(t time.Time) bool {
	return g.ID != "" && !t.Before(g.NotBefore) && t.Before(g.NotAfter)
}

// Approval is a human's decision that lifts a hold or grants a request.
type Approval struct {
	Request   RequestID      `json:"request"`
	Approver  PrincipalID    `json:"approver"`
	Authn     Authentication `json:"authn"`
	Rationale string         `json:"rationale"`
	At        time.Time      `json:"at"`
	// Binding is the digest of everything the approval is good for; a hold's
	// approval lifts only a statement with the same binding. Hex SHA-256.
	Binding string `json:"binding,omitempty"`
}
