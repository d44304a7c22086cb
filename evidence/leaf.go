// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// LeafVersion is the version of the leaf format that this package writes.
// Readers keep keys that they do not know.
const LeafVersion = 1

// MaxLeaf is the largest leaf in bytes: the length of an entry in a C2SP
// tlog-tiles bundle is a uint16.
const MaxLeaf = 1<<16 - 1

// Type names the kind of event that a leaf records.
type Type string

// The event types. They are append-only.
const (
	TypeStart        Type = "start"         // Start: a gateway began to write
	TypeStop         Type = "stop"          // Stop: it ended in order
	TypeHeartbeat    Type = "heartbeat"     // Heartbeat: it was alive
	TypeGap          Type = "gap"           // Gap: it was not, and this says what is known of it
	TypePolicyLoaded Type = "policy-loaded" // PolicyLoaded
	TypeIdentity     Type = "identity"      // Identity: a login, accepted or refused
	TypeToken        Type = "token"         // Token: a gateway token issued or revoked
	TypeRequest      Type = "request"       // Request: for a grant or for the release of a held statement
	TypeDecision     Type = "decision"      // Decision of a human about a request
	TypeGrant        Type = "grant"         // GrantEvent: began, expired, was revoked
	TypeSessionOpen  Type = "session-open"  // SessionOpen
	TypeSessionClose Type = "session-close" // SessionClose
	TypeDenial       Type = "denial"        // Denial of a statement
	TypeIntent       Type = "intent"        // Intent: durable before the statement is forwarded
	TypeOutcome      Type = "outcome"       // Outcome of an intent
	TypeMasking      Type = "masking"       // Masking: what was masked in the answer of a statement
	TypeRecording    Type = "recording"     // Recording: a sealed chunk of a session's recording
	TypeExport       Type = "export"        // Export of a bundle
	TypeReplay       Type = "replay"        // Replay of a session's recording
	TypeKeyRotate    Type = "key-rotate"    // KeyRotate: other keys sign checkpoints from now on
	TypeRollback     Type = "rollback"      // Rollback: this log takes the place of one that lost its end
	TypeDisclosure   Type = "disclosure"    // Disclosure: whose rows the answer of a statement was made of
	TypeWhoSaw       Type = "who-saw"       // WhoSaw: somebody asked in which statements a patient is
)

// Leaf is one event. Its JSON form, with keys in this order and without
// insignificant white space, is the exact byte string that is hashed into the
// log (RFC 6962 leaf hash) and stored; nothing re-encodes it.
//
// Events of a session carry Session, Seq (from 1, without gaps) and Prev, the
// hex SHA-256 of the bytes of the session's previous leaf ("" in the first), so
// that one session is provably whole without the rest of the log.
type Leaf[B any] struct {
	V       int                 `json:"v"`
	Type    Type                `json:"type"`
	Origin  string              `json:"origin"`
	Time    time.Time           `json:"time"` // wall clock, UTC
	Mono    int64               `json:"mono"` // nanoseconds since the gateway's start, never backwards
	Session sallyport.SessionID `json:"session,omitempty"`
	Seq     uint64              `json:"seq,omitempty"`
	Prev    string              `json:"prev,omitempty"`
	Body    B                   `json:"body"`
}

// Start is the body of TypeStart.
type Start struct {
	Version string `json:"version"`
	Epoch   uint64 `json:"epoch"` // how many starts this log has seen, this one included
	// Clean is false when the previous epoch ended without a stop event.
	Clean bool `json:"clean"`
	// Keys are the verifier keys (signed-note vkeys) whose signers sign this epoch's
	// checkpoints, all of them each.
	Keys []string `json:"keys"`
	// SealKey is the first key of this epoch's seals, for the auditors only.
	SealKey *WrappedKey `json:"seal_key,omitempty"`
}

// Stop is the body of TypeStop.
type Stop struct {
	Reason string `json:"reason"`
	Seal   *Seal  `json:"seal,omitempty"`
}

// Heartbeat is the body of TypeHeartbeat.
type Heartbeat struct {
	Sessions int   `json:"sessions"` // open now
	Every    int64 `json:"every_ms"` // the pace, so that a missing one can be seen
	Seal     *Seal `json:"seal,omitempty"`
}

// Gap is the body of TypeGap: what recovery found between two epochs.
type Gap struct {
	Since  time.Time `json:"since"` // time of the last event before it
	Reason string    `json:"reason"`
	// MayHaveExecuted lists intents without an outcome, as "session/statement".
	MayHaveExecuted []string `json:"may_have_executed,omitempty"`
}

// PolicyLoaded is the body of TypePolicyLoaded.
type PolicyLoaded struct {
	Digest sallyport.PolicyDigest `json:"digest"`
	Source string                 `json:"source"`
	Text   string                 `json:"text,omitempty"` // the whole canonical text, if it fits in a leaf
	Parts  int                    `json:"parts,omitempty"`
	Part   int                    `json:"part,omitempty"`  // from 1, when the text needs several leaves
	Error  string                 `json:"error,omitempty"` // a set that was refused; the old one stays
}

// Identity is the body of TypeIdentity.
type Identity struct {
	Accepted  bool                 `json:"accepted"`
	Principal *sallyport.Principal `json:"principal,omitempty"`
	Reason    string               `json:"reason,omitempty"` // why refused, without any part of the token
	Client    string               `json:"client,omitempty"` // address
}

// Token is the body of TypeToken.
type Token struct {
	Action    string                `json:"action"` // "issued" or "revoked"
	TokenID   string                `json:"token_id"`
	Principal sallyport.PrincipalID `json:"principal"`
	Resource  sallyport.ResourceID  `json:"resource,omitempty"`
	Role      sallyport.RoleID      `json:"role,omitempty"`
	Grant     sallyport.GrantID     `json:"grant,omitempty"`
	Expires   time.Time             `json:"expires"`
	By        sallyport.PrincipalID `json:"by,omitempty"`
}

// Request is the body of TypeRequest.
type Request struct {
	ID        sallyport.RequestID   `json:"id"`
	Kind      string                `json:"kind"`  // "grant" or "hold"
	State     string                `json:"state"` // "open", "expired", "withdrawn", "used"
	Principal sallyport.PrincipalID `json:"principal"`
	Resource  sallyport.ResourceID  `json:"resource"`
	Role      sallyport.RoleID      `json:"role"`
	Reason    string                `json:"reason,omitempty"` // the requester's words
	Approvers string                `json:"approvers"`        // "group:privacy-officers"
	// Window is how long the asked-for grant lasts; for a hold, zero.
	WindowMS int64     `json:"window_ms,omitempty"`
	Expires  time.Time `json:"expires"` // of the request itself

	// Of a hold only:
	Session  sallyport.SessionID    `json:"for_session,omitempty"`
	Stmt     uint64                 `json:"stmt,omitempty"`
	Readable string                 `json:"readable,omitempty"`
	Digest   string                 `json:"digest,omitempty"`
	Binding  string                 `json:"binding,omitempty"`
	Objects  []string               `json:"objects,omitempty"`
	Effects  []string               `json:"effects,omitempty"`
	Rules    []sallyport.RuleID     `json:"rules,omitempty"`
	Policy   sallyport.PolicyDigest `json:"policy,omitempty"`
	// Estimate is what the target has said that the statement would do, where it was
	// asked. Binding is over it as well.
	Estimate *sallyport.Estimate `json:"estimate,omitempty"`
}

// Decision is the body of TypeDecision.
type Decision struct {
	Request   sallyport.RequestID      `json:"request"`
	Kind      string                   `json:"kind"`     // as in Request
	Decision  string                   `json:"decision"` // "approved" or "denied"
	Approver  sallyport.PrincipalID    `json:"approver"`
	Groups    []string                 `json:"groups"` // the approver's
	Authn     sallyport.Authentication `json:"authn"`
	Subject   sallyport.Subject        `json:"subject"`
	Rationale string                   `json:"rationale"`
	Binding   string                   `json:"binding,omitempty"`
}

// GrantEvent is the body of TypeGrant.
type GrantEvent struct {
	State  string                `json:"state"` // "active", "expired", "revoked"
	Grant  sallyport.Grant       `json:"grant"`
	By     sallyport.PrincipalID `json:"by,omitempty"` // who revoked
	Reason string                `json:"reason,omitempty"`
}

// SessionOpen is the body of TypeSessionOpen.
type SessionOpen struct {
	Principal sallyport.Principal    `json:"principal"`
	Resource  sallyport.ResourceID   `json:"resource"`
	Protocol  string                 `json:"protocol"`
	Role      sallyport.RoleID       `json:"role"`
	Grant     *sallyport.Grant       `json:"grant,omitempty"`
	Rules     []sallyport.RuleID     `json:"rules"`
	Policy    sallyport.PolicyDigest `json:"policy"`
	Client    string                 `json:"client"`          // address and application name
	TLS       string                 `json:"tls,omitempty"`   // version and cipher of the client's leg
	Lineage   string                 `json:"lineage"`         // "in-band", "preflight" or "none"
	Keys      []WrappedKey           `json:"keys"`            // the session's data keys, wrapped
	Upstream  string                 `json:"upstream_tls"`    // version and cipher of the target's leg
	Notes     []string               `json:"notes,omitempty"` // degradations that apply, in words
	// Patients is the namespace of the patients' keys, where the resource names
	// one; whose rows its answers were made of is then recorded ([Disclosure]).
	Patients string `json:"patients,omitempty"`
	// Class and Expires govern all that the session's keys seal. A record without
	// them is kept by the default class.
	Class   string    `json:"retention,omitempty"`
	Expires time.Time `json:"retained_until,omitzero"`
}

// WrappedKey is a session's data key as the ledger keeps it: never in clear. A
// key for texts that has By stands here twice, in two halves of which the key is
// the exclusive or: one is wrapped to the auditors, the other to the session's
// key in the gateway's key store, which can be destroyed.
type WrappedKey struct {
	ID      string `json:"id"`
	Purpose string `json:"purpose"` // "text" (exact statements), "recording" (masked answers) or PurposeSeal
	// To is "age" (the auditors' recipients), "session" (the session's key, which By
	// names) or, in old records, "vault" (the gateway's own key).
	To      string `json:"to"`
	Wrapped []byte `json:"wrapped"`      // base64 in JSON
	By      string `json:"by,omitempty"` // the session's key in the key store, without which nothing opens
}

// SessionClose is the body of TypeSessionClose. Head repeats the Prev that the
// leaf itself carries, so that the chain's end is plain.
type SessionClose struct {
	Reason     string `json:"reason"`
	Statements uint64 `json:"statements"`
	Denials    uint64 `json:"denials"`
	Events     uint64 `json:"events"` // including this one
	Head       string `json:"head"`
	// Recording is the hex SHA-256 over the concatenated raw digests of the
	// recording's chunks in order; "" when nothing was recorded.
	Recording string `json:"recording,omitempty"`
	Chunks    uint64 `json:"chunks,omitempty"`
}

// Sealed is data that only the holder of a key can read. The digest commits to
// the ciphertext, so destroying the key erases the data and leaves every proof
// valid. Data holds the ciphertext itself when it is small; else it lies in the
// blob store under its digest. The cipher is AES-256-GCM with the nonce in
// front of the ciphertext; the plain text is zstd-compressed when Zstd is set.
// The additional data is the text session + "/" + decimal statement number + "/" + Purpose.
type Sealed struct {
	Key    string `json:"key"` // WrappedKey.ID
	SHA256 string `json:"sha256"`
	Len    int    `json:"len"` // of the ciphertext
	Zstd   bool   `json:"zstd,omitempty"`
	Data   []byte `json:"data,omitempty"`
}

// Denial is the body of TypeDenial: a statement that was not forwarded.
type Denial struct {
	Stmt     uint64                 `json:"stmt"`
	Class    string                 `json:"class"`
	Readable string                 `json:"readable"`
	Digest   string                 `json:"digest"`
	Objects  []string               `json:"objects,omitempty"`
	Effects  []string               `json:"effects,omitempty"`
	Rules    []sallyport.RuleID     `json:"rules"`
	Policy   sallyport.PolicyDigest `json:"policy"`
	Reason   string                 `json:"reason"`
	Request  sallyport.RequestID    `json:"request,omitempty"` // the hold that ended in this denial
	Sealed   *Sealed                `json:"sealed,omitempty"`  // the exact text
}

// Intent is the body of TypeIntent.
type Intent struct {
	Stmt  uint64 `json:"stmt"`  // statement number in the session, from 1
	Phase string `json:"phase"` // "analyse" (the target only analyses it) or "execute"
	Mode  string `json:"mode"`  // "before-forward" or "before-release"
	// Of is the statement number of an earlier intent that holds the text and the
	// lineage of this one (a prepared statement executed again). Readable,
	// Objects, Effects and Masks may then be left out: they are those of the
	// session's latest earlier intent with the same Of that has them.
	Of       uint64                 `json:"of,omitempty"`
	Class    string                 `json:"class,omitempty"`
	Readable string                 `json:"readable,omitempty"`
	Digest   string                 `json:"digest"` // hex HMAC-SHA-256 of the exact text under the gateway's fingerprint key
	Objects  []string               `json:"objects,omitempty"`
	Effects  []string               `json:"effects,omitempty"`
	Masks    []MaskPlan             `json:"masks,omitempty"`
	Verdict  string                 `json:"verdict"` // "allow"
	Rules    []sallyport.RuleID     `json:"rules"`
	Policy   sallyport.PolicyDigest `json:"policy"`
	Grant    sallyport.GrantID      `json:"grant,omitempty"`
	Approval *sallyport.Approval    `json:"approval,omitempty"`
	Params   string                 `json:"params,omitempty"` // hex HMAC-SHA-256 of the bound parameters
	Sealed   *Sealed                `json:"sealed,omitempty"` // exact text, or the parameters when Of is set
}

// MaskPlan says before the answer which output will be masked and why.
type MaskPlan struct {
	Output  int               `json:"output"` // from 0
	Columns []string          `json:"columns,omitempty"`
	Labels  []sallyport.Label `json:"labels"`
	Reason  string            `json:"reason"`
	Scan    bool              `json:"scan,omitempty"` // shown with what a scanner finds in it masked
}

// Outcome is the body of TypeOutcome.
type Outcome struct {
	Stmt uint64 `json:"stmt"`
	// Status is "ok", "error", "cancelled", "skipped" (an earlier error kept the
	// target from running it) or "cut" (the session ended while it was at work: it
	// may have executed).
	Status string `json:"status"`
	Code   string `json:"code,omitempty"` // the protocol's own code: an SQLSTATE
	Tag    string `json:"tag,omitempty"`  // the protocol's own result word: "SELECT 3"
	Rows   uint64 `json:"rows"`
	Bytes  uint64 `json:"bytes"` // delivered to the client
	Micros int64  `json:"micros"`
}

// Masking is the body of TypeMasking: one per statement, rule and column. It
// holds no value and no hash of one. A column that was scanned has one with the
// values seen, and one more for each rule, entity and place that was found
// there, which has Entity and Hits.
type Masking struct {
	Stmt     uint64            `json:"stmt"`
	Output   int               `json:"output"` // from 0; -1 for a diagnostic
	Columns  []string          `json:"columns,omitempty"`
	Labels   []sallyport.Label `json:"labels,omitempty"`
	Reason   string            `json:"reason"`
	Operator string            `json:"operator"`
	Profile  string            `json:"profile"`
	Version  string            `json:"profile_version,omitempty"`
	Seen     uint64            `json:"seen"`               // values that passed the mask
	Masked   uint64            `json:"masked"`             // values replaced
	Nulls    uint64            `json:"nulls"`              // values that were NULL already
	Fallback uint64            `json:"fallback,omitempty"` // masked values that the operator had no answer for
	Broken   uint64            `json:"broken,omitempty"`   // masked values that were not of their type's form
	Entity   string            `json:"entity,omitempty"`   // what was found: "SSN"
	Rule     string            `json:"rule,omitempty"`     // why: "ssn.dashed"
	Locus    string            `json:"locus,omitempty"`    // where within the value: a path's template, a field
	Hits     uint64            `json:"hits,omitempty"`     // findings replaced
	Detector string            `json:"detector,omitempty"` // an external detector and its version
}

// Recording is the body of TypeRecording.
type Recording struct {
	Chunk  uint64 `json:"chunk"` // from 1, without gaps
	Sealed Sealed `json:"sealed"`
	// First and Last are the statement numbers whose frames the chunk holds.
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// Export is the body of TypeExport.
type Export struct {
	By      sallyport.PrincipalID `json:"by"`
	Filter  string                `json:"filter"`
	Size    uint64                `json:"tree_size"` // of the checkpoint in the bundle
	Purpose string                `json:"purpose"`
	// WithKeys says that the gateway's halves of the keys of exact texts went out
	// with it, so that an auditor can open it without a further event.
	WithKeys bool `json:"with_keys,omitempty"`
}

// Replay is the body of TypeReplay.
type Replay struct {
	By      sallyport.PrincipalID `json:"by"`
	Session sallyport.SessionID   `json:"of_session"`
}

// KeyRotate is the body of TypeKeyRotate.
type KeyRotate struct {
	Old []string `json:"old"` // verifier keys
	New []string `json:"new"`
	// Rotation is the note that says so, see [OpenRotation].
	Rotation string `json:"rotation"`
}

// Rollback is the body of TypeRollback: an operator declared that an older state
// of another log was put back, and that nobody can say what the leaves between
// were.
type Rollback struct {
	Origin string `json:"of_origin"` // of the log whose end was lost
	// Size and Root are what is left of it; Head is the newest checkpoint of it that
	// was found, a signed note, which names what there was. It may be empty.
	Size   uint64 `json:"size"`
	Root   string `json:"root"` // base64
	Head   string `json:"head,omitempty"`
	Reason string `json:"reason"`
	By     string `json:"by"` // the operating system's name of who declared it
}
