// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package forgery

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// odd has what is written in more than one way in JSON and CSV, what a page could
// take for its own, and what a spreadsheet could.
const odd = "=1+2 \"q\", ' \\ \b\f\n\r\t\x01\x7f <script>alert(1)</script> <b>&amp; \u2028\u2029 é 漢 \U0001f600 \u202e \ufffd"

// begin writes the first epoch, up to a heartbeat.
func (l *Log) begin() {
	l.start(1, true)
	l.Heartbeat()
	put(l, "", evidence.TypePolicyLoaded, evidence.PolicyLoaded{Digest: "0000", Source: "policies", Error: "line 3: " + odd})
	l.Session("s_one", 1, "ci:claims", "clinic")
	l.Session("s_two", 2, "svc:"+odd, "lab")
	l.Heartbeat()
}

func (l *Log) start(epoch uint64, clean bool) {
	put(l, "", evidence.TypeStart, evidence.Start{
		Version: "0.1.0", Epoch: epoch, Clean: clean, Keys: []string{l.Key}, SealKey: &evidence.WrappedKey{ID: l.SealKey.ID(), Purpose: evidence.PurposeSeal, To: "age"},
	})
	for part, text := range []string{policyText[:30], policyText[30:]} {
		put(l, "", evidence.TypePolicyLoaded, evidence.PolicyLoaded{Digest: l.policy, Source: "policies", Text: text, Parts: 2, Part: part + 1})
	}
}

// Heartbeat writes that the gateway is alive, with a seal.
func (l *Log) Heartbeat() {
	l.t.Helper()
	seal, err := l.ledger.Seal(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	put(l, "", evidence.TypeHeartbeat, evidence.Heartbeat{Every: 10_000, Seal: seal})
}

// Crash ends the epoch without a stop, in the middle of a session, and begins
// another one, which ends in order.
func (l *Log) Crash() {
	l.t.Helper()
	l.open("s_open", 3, "svc:reports", "lab")
	put(l, "s_open", evidence.TypeIntent, l.intent(1, "DELETE FROM results"))
	since := l.now
	l.now = l.now.Add(time.Hour)
	l.start(2, false)
	put(l, "", evidence.TypeGap, evidence.Gap{Since: since, Reason: "no stop event", MayHaveExecuted: []string{"s_open/1"}})
	l.Heartbeat()
	l.now = l.now.Add(5 * time.Minute)
	l.Heartbeat()
	put(l, "", evidence.TypeToken, evidence.Token{Action: "issued", TokenID: "t1", Principal: "ci:claims", Resource: "clinic", Role: "etl", Expires: l.now.Add(time.Hour)})
	put(l, "", evidence.TypeExport, evidence.Export{By: "human:eve", Filter: "session=s_one", Size: 7, Purpose: odd})
	put(l, "", evidence.TypeReplay, evidence.Replay{By: "human:eve", Session: "s_one"})
	put(l, "", evidence.TypeDenial, evidence.Denial{Readable: odd, Digest: "ff", Rules: []sallyport.RuleID{"default"}, Policy: l.policy, Reason: "no route"})
	put(l, "", evidence.TypeStop, evidence.Stop{Reason: "signal"})
}

func principal(id sallyport.PrincipalID) sallyport.Principal {
	return sallyport.Principal{
		ID: id, Kind: sallyport.CIJob, Groups: []string{"ci", "\U0001f600", "\uffee"}, Subject: sallyport.Subject{Issuer: "https://idp.example", ID: "sub-" + string(id)},
		Authn: sallyport.Authentication{Method: "oidc", TokenID: "0123"},
	}
}

// open asks for a grant, has it approved, and opens a session with it.
func (l *Log) open(id sallyport.SessionID, n int, who sallyport.PrincipalID, resource sallyport.ResourceID) {
	l.t.Helper()
	g := sallyport.Grant{
		ID: sallyport.GrantID(fmt.Sprintf("g%d", n)), Request: sallyport.RequestID(fmt.Sprintf("q%d", n)), Principal: who, Resource: resource, Role: "etl",
		NotBefore: l.now.In(time.FixedZone("x", 5400)), NotAfter: l.now.Add(time.Hour), Policy: l.policy,
	}
	put(l, "", evidence.TypeIdentity, evidence.Identity{Accepted: true, Principal: new(principal(who)), Client: "192.0.2.1"})
	put(l, "", evidence.TypeIdentity, evidence.Identity{Reason: "the token has expired"})
	put(l, "", evidence.TypeRequest, evidence.Request{
		ID: g.Request, Kind: "grant", State: "open", Principal: who, Resource: resource, Role: "etl", Reason: odd, Approvers: "group:privacy", WindowMS: 3600_000,
		Expires: g.NotAfter, Policy: l.policy,
	})
	put(l, "", evidence.TypeDecision, evidence.Decision{
		Request: g.Request, Kind: "grant", Decision: "approved", Approver: "human:ann", Groups: []string{"privacy", "b"},
		Subject: sallyport.Subject{Issuer: "https://idp.example", ID: "ann"}, Rationale: "@agreed; ticket 7",
	})
	put(l, "", evidence.TypeGrant, evidence.GrantEvent{State: "active", Grant: g})
	put(l, id, evidence.TypeSessionOpen, evidence.SessionOpen{
		Principal: principal(who), Resource: resource, Protocol: "postgres", Role: "etl", Grant: &g, Rules: []sallyport.RuleID{"read", "write"}, Policy: l.policy,
		Client: "192.0.2.1:5000 psql", TLS: "TLS 1.3", Lineage: "in-band", Keys: []evidence.WrappedKey{}, Upstream: "TLS 1.3", Notes: []string{odd, "second"},
	})
}

func (l *Log) intent(stmt uint64, readable string) evidence.Intent {
	text := []byte("exact text of " + readable)
	return evidence.Intent{
		Stmt: stmt, Phase: "execute", Mode: "before-forward", Class: "select", Readable: readable, Digest: "aa", Objects: []string{"clinic/public/patients"},
		Effects: []string{"read", "write"}, Masks: []evidence.MaskPlan{{Labels: []sallyport.Label{"phi.ssn"}, Reason: "label"}}, Verdict: "allow",
		Rules: []sallyport.RuleID{"read"}, Policy: l.policy, Grant: "g1", Sealed: &evidence.Sealed{Key: "k", SHA256: evidence.Digest(text), Len: len(text), Data: text},
	}
}

// Session writes a whole session, with its grant.
func (l *Log) Session(id sallyport.SessionID, n int, who sallyport.PrincipalID, resource sallyport.ResourceID) {
	l.t.Helper()
	l.open(id, n, who, resource)
	put(l, id, evidence.TypeIntent, l.intent(1, "SELECT ssn FROM patients WHERE ward = '?' "+odd))
	put(l, id, evidence.TypeOutcome, evidence.Outcome{Stmt: 1, Status: "ok", Tag: "SELECT 2", Rows: 2, Bytes: math.MaxUint64, Micros: math.MinInt64})
	put(l, id, evidence.TypeMasking, evidence.Masking{
		Stmt: 1, Columns: []string{"clinic/public/patients/ssn"}, Labels: []sallyport.Label{"phi.ssn"}, Reason: "label", Operator: "redact", Profile: "text", Version: "2", Seen: 2, Masked: 2,
	})
	put(l, id, evidence.TypeMasking, evidence.Masking{
		Stmt: 1, Output: -1, Labels: []sallyport.Label{"phi.note"}, Reason: "scan", Operator: "redact", Profile: "text", Entity: "SSN", Rule: "ssn.dashed", Locus: "text", Hits: 3,
	})
	put(l, id, evidence.TypeDenial, evidence.Denial{
		Stmt: 2, Class: "drop table", Readable: "DROP TABLE patients", Digest: "bb", Effects: []string{"destroy"}, Rules: []sallyport.RuleID{"default"}, Policy: l.policy, Reason: "no permit",
	})
	put(l, id, evidence.TypeIntent, evidence.Intent{
		Stmt: 3, Phase: "execute", Mode: "before-forward", Of: 1, Digest: "aa", Verdict: "allow", Rules: []sallyport.RuleID{"read"}, Policy: l.policy, Grant: "g1",
		Approval: &sallyport.Approval{Request: "q9", Approver: "human:bob", Rationale: "yes", At: l.now},
	})
	put(l, id, evidence.TypeOutcome, evidence.Outcome{Stmt: 3, Status: "error", Code: "42501"})
	chunk := bytes.Repeat([]byte("sealed "+id+" "), 20)
	l.blobs[evidence.Digest(chunk)] = chunk
	put(l, id, evidence.TypeRecording, evidence.Recording{Chunk: 1, Sealed: evidence.Sealed{Key: "k2", SHA256: evidence.Digest(chunk), Len: len(chunk)}, First: 1, Last: 3})
	sum := sha256.Sum256(chunk)
	c := l.chains[id]
	put(l, id, evidence.TypeSessionClose, evidence.SessionClose{
		Reason: "it was idle", Statements: 3, Denials: 1, Events: c.Seq() + 1, Head: c.Head(), Recording: evidence.Digest(sum[:]), Chunks: 1,
	})
}
