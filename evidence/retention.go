// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"encoding/json"
	"fmt"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// The event types of retention and of opened texts.
const (
	TypeLegalHold    Type = "legal-hold"    // LegalHold: set or released
	TypeKeyDestroyed Type = "key-destroyed" // KeyDestroyed: the payloads of a session are erased
	TypeLogPruned    Type = "log-pruned"    // LogPruned: the leaves below an index are given up
	TypeEvidenceOpen Type = "evidence-open" // EvidenceOpen: an auditor opens exact texts
)

// What a data key can be wrapped to; see [WrappedKey].
const (
	ToAge     = "age"
	ToVault   = "vault"
	ToSession = "session"
)

// PurposeText is the purpose of the data key that seals exact statements.
const PurposeText = "text"

// HalfSize is the size in bytes of each half of a data key for texts.
const HalfSize = 32

// The rules by which a key is destroyed.
const (
	RuleExpired = "expired" // its retention class's period is over
	RuleErased  = "erased"  // an administrator erased the session
)

// HoldFilter says what a legal hold covers: sessions for which everything that
// is set holds. It names no patient.
type HoldFilter struct {
	Session   sallyport.SessionID   `json:"for_session,omitempty"`
	Principal sallyport.PrincipalID `json:"principal,omitempty"`
	Resource  sallyport.ResourceID  `json:"resource,omitempty"`
	Grant     sallyport.GrantID     `json:"grant,omitempty"`
	From      time.Time             `json:"from,omitzero"` // sessions that had not ended before
	To        time.Time             `json:"to,omitzero"`   // sessions that had begun by then
}

// LegalHold is the body of TypeLegalHold. While a hold is in force, no key of a
// session that it covers is destroyed, also when the session began after it.
type LegalHold struct {
	ID     string                `json:"id"`
	State  string                `json:"state"` // "set" or "released"
	Filter HoldFilter            `json:"filter"`
	Case   string                `json:"case"` // the reference of the matter
	Reason string                `json:"reason"`
	By     sallyport.PrincipalID `json:"by"`
}

// KeyDestroyed is the body of TypeKeyDestroyed. It is durable before the key is
// destroyed: from this event on the gateway does not use the key, and it
// completes the destruction after a crash.
type KeyDestroyed struct {
	Key       string              `json:"key"`  // in the key store
	Keys      []string            `json:"keys"` // data keys ([WrappedKey.ID]) that nothing else opens
	OfSession sallyport.SessionID `json:"of_session"`
	Class     string              `json:"retention"`
	Expires   time.Time           `json:"retained_until"`
	Rule      string              `json:"rule"` // "expired" or "erased"
	// By and Reason are of an erasure.
	By       sallyport.PrincipalID `json:"by,omitempty"`
	Reason   string                `json:"reason,omitempty"`
	Payloads int                   `json:"payloads"` // sealed texts and chunks of recordings
	Blobs    int                   `json:"blobs"`    // of them, those outside of leaves, which are removed
}

// LogPruned is the body of TypeLogPruned. It is durable before anything is
// removed.
type LogPruned struct {
	Minimum uint64    `json:"minimum"` // the lowest index that is kept (C2SP tlog-tiles)
	Through time.Time `json:"through"` // the latest time of a leaf below it
	// Policies are digests whose texts were recorded again, since leaves that stay
	// name them.
	Policies []sallyport.PolicyDigest `json:"policies,omitempty"`
	By       sallyport.PrincipalID    `json:"by"`
	Reason   string                   `json:"reason"`
}

// EvidenceOpen is the body of TypeEvidenceOpen. It is durable before the gateway
// gives out its half of the key.
type EvidenceOpen struct {
	By        sallyport.PrincipalID `json:"by"`
	OfSession sallyport.SessionID   `json:"of_session"`
	Key       string                `json:"key"`                  // [WrappedKey.ID]
	Stmts     []uint64              `json:"statements,omitempty"` // that were asked for; none means all
	Purpose   string                `json:"purpose"`
}

// Say says in a sentence when and why the session was erased; index and at are
// those of the event.
func (k KeyDestroyed) Say(index uint64, at time.Time) string {
	by := "retention class " + k.Class
	if k.Rule != RuleExpired {
		by = "order of " + string(k.By)
	}
	return fmt.Sprintf("erased on %s by %s (event %d)", at.UTC().Format(time.DateOnly), by, index)
}

// SealedOf returns the ciphertext that a leaf commits to, or nil.
func SealedOf(leaf Leaf[json.RawMessage]) (*Sealed, error) {
	switch leaf.Type {
	case TypeIntent:
		b, err := Body[Intent](leaf)
		return b.Sealed, err
	case TypeDenial:
		b, err := Body[Denial](leaf)
		return b.Sealed, err
	case TypeRecording:
		b, err := Body[Recording](leaf)
		return &b.Sealed, err
	}
	return nil, nil
}

// ResumeChain continues the chain of a session whose first leaves are not there
// any more: seq and head are those of the last one that is missing.
func ResumeChain(session sallyport.SessionID, seq uint64, head string) Chain {
	return Chain{session: session, seq: seq, head: head}
}
