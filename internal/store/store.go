// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package store holds what the databases behind the gateway have in common: the
// rows of the index over the ledger and the reading of a leaf into them. The
// databases themselves are the packages below it; each implements the small
// interfaces that its consumers declare and passes storetest.
//
// The index answers questions about sessions and statements without reading the
// ledger. It holds nothing that the ledger does not hold, is not evidence, and
// can be thrown away and built anew from index 0.
package store

import (
	"bytes"
	"encoding/json"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// Entry is a leaf with its index in the ledger.
type Entry struct {
	Index uint64
	Leaf  evidence.Leaf[json.RawMessage]
}

// Session is a session as the ledger tells of it.
type Session struct {
	ID         sallyport.SessionID     `json:"id"`
	Principal  sallyport.PrincipalID   `json:"principal"`
	Kind       sallyport.PrincipalKind `json:"kind"`
	Resource   sallyport.ResourceID    `json:"resource"`
	Protocol   string                  `json:"protocol"`
	Role       sallyport.RoleID        `json:"role"`
	Grant      sallyport.GrantID       `json:"grant,omitempty"`
	Client     string                  `json:"client"`
	Lineage    string                  `json:"lineage"`
	Policy     sallyport.PolicyDigest  `json:"policy"`
	Opened     time.Time               `json:"opened"`
	Closed     time.Time               `json:"closed,omitzero"` // zero while it is open, and when the gateway died
	Reason     string                  `json:"reason,omitempty"`
	Statements uint64                  `json:"statements"` // numbered so far, denied ones included
	Denials    uint64                  `json:"denials"`
	Masked     uint64                  `json:"masked"` // values
	Events     uint64                  `json:"events"`
	Chunks     uint64                  `json:"chunks"` // of its recording
	First      uint64                  `json:"first"`  // ledger index of its session-open
	Last       uint64                  `json:"last"`   // ledger index of its latest event
}

// Statement is a statement that was forwarded or denied.
type Statement struct {
	Session   sallyport.SessionID    `json:"session"`
	Stmt      uint64                 `json:"stmt"`
	Principal sallyport.PrincipalID  `json:"principal"`
	Resource  sallyport.ResourceID   `json:"resource"`
	At        time.Time              `json:"at"`
	Index     uint64                 `json:"index"` // of the intent or the denial
	Verdict   string                 `json:"verdict"`
	Phase     string                 `json:"phase,omitempty"` // of an intent
	Class     string                 `json:"class"`
	Readable  string                 `json:"readable"`
	Digest    string                 `json:"digest"`
	Objects   []string               `json:"objects,omitempty"`
	Effects   []string               `json:"effects,omitempty"`
	Rules     []sallyport.RuleID     `json:"rules,omitempty"`
	Policy    sallyport.PolicyDigest `json:"policy"`
	Grant     sallyport.GrantID      `json:"grant,omitempty"`
	Request   sallyport.RequestID    `json:"request,omitempty"` // the hold that was lifted, or ended in the denial
	Reason    string                 `json:"reason,omitempty"`  // of a denial
	// Status is empty while no outcome is on record: the statement may have been
	// executed.
	Status string `json:"status,omitempty"`
	Code   string `json:"code,omitempty"`
	Tag    string `json:"tag,omitempty"`
	Rows   uint64 `json:"rows"`
	Bytes  uint64 `json:"bytes"`
	Micros int64  `json:"micros"`
	Masked uint64 `json:"masked"` // values
}

// Event is any leaf, with what it is about.
type Event struct {
	Index     uint64                `json:"index"`
	Type      evidence.Type         `json:"type"`
	Time      time.Time             `json:"time"`
	Session   sallyport.SessionID   `json:"session,omitempty"`
	Seq       uint64                `json:"seq,omitempty"`
	Principal sallyport.PrincipalID `json:"principal,omitempty"`
	Resource  sallyport.ResourceID  `json:"resource,omitempty"`
	Request   sallyport.RequestID   `json:"request,omitempty"`
	Grant     sallyport.GrantID     `json:"grant,omitempty"`
}

// SessionFilter selects sessions; empty fields select all. Results come newest
// first.
type SessionFilter struct {
	Principal sallyport.PrincipalID
	Resource  sallyport.ResourceID
	Role      sallyport.RoleID
	Grant     sallyport.GrantID
	From, To  time.Time // opened in [From, To)
	OpenOnly  bool
	Before    uint64 // only those whose First is less than this; 0 is no bound
	Limit     int    // 0 is no limit
}

// StatementFilter selects statements; empty fields select all. Results come
// newest first.
type StatementFilter struct {
	Session   sallyport.SessionID
	Principal sallyport.PrincipalID
	Resource  sallyport.ResourceID
	Verdict   string
	Object    string    // part of an object's name
	Text      string    // part of the readable text, in any case
	From, To  time.Time // at in [From, To)
	Before    uint64    // only those whose Index is less than this; 0 is no bound
	Limit     int       // 0 is no limit
}

// EventFilter selects events; empty fields select all. Results come newest
// first.
type EventFilter struct {
	Types     []evidence.Type
	Session   sallyport.SessionID
	Principal sallyport.PrincipalID
	Resource  sallyport.ResourceID
	Request   sallyport.RequestID
	Grant     sallyport.GrantID
	From, To  time.Time // in [From, To)
	Before    uint64    // only those whose Index is less than this; 0 is no bound
	Limit     int       // 0 is no limit
}

// Read returns the event of a leaf and its decoded body: a pointer to the
// body's type in package evidence, or nil for a type that this release does not
// know or needs nothing of (a disclosure's set is large and of no use here) and for
// a body that does not have the form of its type. Such a leaf is
// found as an event all the same; whether it is sound is for the verifier to
// say, not for an index.
func Read(e Entry) (Event, any) {
	ev := Event{Index: e.Index, Type: e.Leaf.Type, Time: e.Leaf.Time.UTC(), Session: e.Leaf.Session, Seq: e.Leaf.Seq}
	body := bodyOf(e.Leaf.Type)
	if body == nil {
		return ev, nil
	}
	if err := json.NewDecoder(bytes.NewReader(e.Leaf.Body)).Decode(body); err != nil {
		return ev, nil
	}
	switch b := body.(type) {
	case *evidence.Identity:
		if b.Principal != nil {
			ev.Principal = b.Principal.ID
		}
	case *evidence.Token:
		ev.Principal, ev.Resource, ev.Grant = b.Principal, b.Resource, b.Grant
	case *evidence.Request:
		ev.Principal, ev.Resource, ev.Request = b.Principal, b.Resource, b.ID
	case *evidence.Decision:
		ev.Principal, ev.Request = b.Approver, b.Request
	case *evidence.GrantEvent:
		ev.Principal, ev.Resource, ev.Request, ev.Grant = b.Grant.Principal, b.Grant.Resource, b.Grant.Request, b.Grant.ID
	case *evidence.SessionOpen:
		ev.Principal, ev.Resource = b.Principal.ID, b.Resource
		if b.Grant != nil {
			ev.Grant = b.Grant.ID
		}
	case *evidence.Denial:
		ev.Request = b.Request
	case *evidence.Intent:
		ev.Grant = b.Grant
		if b.Approval != nil {
			ev.Request = b.Approval.Request
		}
	case *evidence.Export:
		ev.Principal = b.By
	case *evidence.Replay:
		ev.Principal = b.By
	case *evidence.WhoSaw:
		ev.Principal, ev.Resource = b.By, b.Resource
	case *evidence.LegalHold:
		ev.Principal = b.By
	case *evidence.KeyDestroyed: // found by the session that it is about, with Seq zero
		ev.Principal, ev.Session = b.By, b.OfSession
	case *evidence.EvidenceOpen:
		ev.Principal, ev.Session = b.By, b.OfSession
	case *evidence.LogPruned:
		ev.Principal = b.By
	}
	return ev, body
}

// bodyOf returns a pointer to an empty body of the type, or nil.
func bodyOf(t evidence.Type) any {
	switch t {
	case evidence.TypeIdentity:
		return new(evidence.Identity)
	case evidence.TypeToken:
		return new(evidence.Token)
	case evidence.TypeRequest:
		return new(evidence.Request)
	case evidence.TypeDecision:
		return new(evidence.Decision)
	case evidence.TypeGrant:
		return new(evidence.GrantEvent)
	case evidence.TypeSessionOpen:
		return new(evidence.SessionOpen)
	case evidence.TypeSessionClose:
		return new(evidence.SessionClose)
	case evidence.TypeDenial:
		return new(evidence.Denial)
	case evidence.TypeIntent:
		return new(evidence.Intent)
	case evidence.TypeOutcome:
		return new(evidence.Outcome)
	case evidence.TypeMasking:
		return new(evidence.Masking)
	case evidence.TypeRecording:
		return new(evidence.Recording)
	case evidence.TypeExport:
		return new(evidence.Export)
	case evidence.TypeReplay:
		return new(evidence.Replay)
	case evidence.TypeWhoSaw:
		return new(evidence.WhoSaw)
	case evidence.TypeLegalHold:
		return new(evidence.LegalHold)
	case evidence.TypeKeyDestroyed:
		return new(evidence.KeyDestroyed)
	case evidence.TypeEvidenceOpen:
		return new(evidence.EvidenceOpen)
	case evidence.TypeLogPruned:
		return new(evidence.LogPruned)
	}
	return nil
}
