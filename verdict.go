// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sallyport

import "time"

// Outcome is the essence of a verdict. The zero value denies.
type Outcome uint8

// The outcomes.
const (
	Deny Outcome = iota
	Hold
	Allow
)

// String returns "deny", "hold" or "allow".
func (o Outcome) String() string {
	switch o {
	case Allow:
		return "allow"
	case Hold:
		return "hold"
	}
	return "deny"
}

// Mask is the obligation to mask one output of a statement.
type Mask struct {
	Output int     `json:"output"` // index into Statement.Outputs, from 0
	Labels []Label `json:"labels"` // the labels for which no permit for readRaw was found
	Reason string  `json:"reason"` // "label", "unclassified" or "unknown-lineage"
	// Scan says that policy lets the output be shown with what a scanner finds in
	// it masked, instead of being masked whole.
	Scan bool `json:"scan,omitempty"`
}

// Verdict is a policy's answer about one statement or one connection.
type Verdict struct {
	Outcome Outcome      `json:"outcome"`
	Rules   []RuleID     `json:"rules"`  // the policies that decided, sorted
	Reason  string       `json:"reason"` // one sentence, safe for the client
	Policy  PolicyDigest `json:"policy"`
	Masks   []Mask       `json:"masks,omitempty"`
	// Approvers names who may lift a hold or grant a request, as
	// "group:privacy-officers". Set when Outcome is Hold.
	Approvers string `json:"approvers,omitempty"`
	// Wait is how long a hold stays open (the rule's @expires), or the longest
	// window of a grant (the rule's @max). Set when Outcome is Hold.
	Wait time.Duration `json:"wait,omitempty"`
}

// Estimate is what a target says that a statement would do, before it does it. It is
// the target's word and decides nothing by itself.
type Estimate struct {
	Kind   string   `json:"kind,omitempty"`   // the target's word for the statement: "DROP_TABLE"
	Bytes  uint64   `json:"bytes,omitempty"`  // that it would read
	Tables []string `json:"tables,omitempty"` // that it reads or changes, "project.dataset.table"
	None   string   `json:"none,omitempty"`   // why there is no estimate, instead of the others
}
