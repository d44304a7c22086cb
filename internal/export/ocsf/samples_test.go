// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ocsf_test

import (
	"bytes"
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

const origin = "sallyport.test/gw"

func at(sec int) time.Time { return time.Date(2026, 3, 1, 8, 0, sec, 0, time.UTC) }

// ciphertext stands for sealed data; it must not be shipped.
var ciphertext = bytes.Repeat([]byte("CIPHERTEXT"), 8)

func principal(kind sallyport.PrincipalKind) sallyport.Principal {
	return sallyport.Principal{
		ID: "ci:acme/claims", Kind: kind, Groups: []string{"ci"}, Attributes: map[string]string{"repository": "acme/claims"},
		Subject:    sallyport.Subject{Issuer: "https://issuer.example", ID: "repo:acme/claims"},
		Delegation: []sallyport.Subject{{Issuer: "https://issuer.example", ID: "human:dana"}},
		Authn: sallyport.Authentication{
			Method: "gateway-token", TokenID: "aa", Audience: "clinic", At: at(0), Expires: at(50),
			Via: &sallyport.Authentication{Method: "oidc", TokenID: "bb", At: at(0), Expires: at(50)},
		},
	}
}

type builder struct {
	t      testing.TB
	leaves [][]byte
	seq    uint64
}

func add[B any](b *builder, typ evidence.Type, session sallyport.SessionID, body B) {
	b.t.Helper()
	l := evidence.Leaf[B]{V: 1, Type: typ, Origin: origin, Time: at(len(b.leaves)), Mono: 1 << 60, Session: session, Body: body}
	if session != "" {
		b.seq++
		l.Seq = b.seq
	}
	raw, err := evidence.Marshal(l)
	if err != nil {
		b.t.Fatal(err)
	}
	b.leaves = append(b.leaves, raw)
}

// samples returns leaves of every type, in an order in which they may come.
func samples(t testing.TB, kind sallyport.PrincipalKind, protocol string) [][]byte {
	b := &builder{t: t}
	p := principal(kind)
	sealed := &evidence.Sealed{Key: "k1", SHA256: "c0ffee", Len: len(ciphertext), Data: ciphertext}
	rules := []sallyport.RuleID{"clinic#3", "clinic#4"}
	add(b, evidence.TypeStart, "", evidence.Start{Version: "v1", Epoch: 2, Keys: []string{"vkey"}})
	add(b, evidence.TypeGap, "", evidence.Gap{Since: at(0), Reason: "no stop", MayHaveExecuted: []string{"s0/1"}})
	add(b, evidence.TypePolicyLoaded, "", evidence.PolicyLoaded{Digest: "d1", Source: "policy.cedar", Text: "permit(principal, action, resource);"})
	add(b, evidence.TypePolicyLoaded, "", evidence.PolicyLoaded{Source: "policy.cedar", Error: "does not parse"})
	add(b, evidence.TypeIdentity, "", evidence.Identity{Accepted: true, Principal: &p, Client: "192.0.2.7:4711 psql"})
	add(b, evidence.TypeIdentity, "", evidence.Identity{Reason: "the token has expired", Client: "192.0.2.7"})
	add(b, evidence.TypeToken, "", evidence.Token{Action: "issued", TokenID: "aa", Principal: p.ID, Resource: "clinic", Expires: at(50)})
	add(b, evidence.TypeToken, "", evidence.Token{Action: "revoked", TokenID: "aa", Principal: p.ID, By: "human:dana"})
	add(b, evidence.TypeRequest, "", evidence.Request{ID: "r1", Kind: "grant", State: "open", Principal: p.ID, Resource: "clinic", Role: "etl", Reason: "nightly run", Approvers: "group:privacy-officers"})
	add(b, evidence.TypeDecision, "", evidence.Decision{Request: "r1", Kind: "grant", Decision: "approved", Approver: "human:dana", Groups: []string{"privacy-officers"}, Rationale: "known job", Subject: p.Subject, Authn: *p.Authn.Via})
	add(b, evidence.TypeDecision, "", evidence.Decision{Request: "r2", Kind: "hold", Decision: "denied", Approver: "human:dana", Rationale: "not now"})
	grant := sallyport.Grant{ID: "g1", Request: "r1", Principal: p.ID, Resource: "clinic", Role: "etl", NotBefore: at(1), NotAfter: at(40), Policy: "d1"}
	for _, state := range []string{"active", "revoked", "expired"} {
		add(b, evidence.TypeGrant, "", evidence.GrantEvent{State: state, Grant: grant})
	}
	const s = sallyport.SessionID("s1")
	add(b, evidence.TypeSessionOpen, s, evidence.SessionOpen{
		Principal: p, Resource: "clinic", Protocol: protocol, Role: "etl", Grant: &grant, Rules: rules, Policy: "d1", Client: "192.0.2.7:4711 psql", Lineage: "in-band",
		Keys: []evidence.WrappedKey{{ID: "k1", Purpose: "text", To: "age", Wrapped: ciphertext}},
	})
	add(b, evidence.TypeIntent, s, evidence.Intent{
		Stmt: 1, Phase: "execute", Mode: "before-forward", Class: "select", Readable: "SELECT name FROM patients WHERE ssn = $1", Digest: "d",
		Objects: []string{"clinic/public/patients"}, Effects: []string{"read"}, Verdict: "allow", Rules: rules, Policy: "d1", Grant: "g1", Sealed: sealed,
		Approval: &sallyport.Approval{Request: "r1", Approver: "human:dana", At: at(2)},
	})
	add(b, evidence.TypeIntent, s, evidence.Intent{Stmt: 2, Phase: "execute", Of: 1, Digest: "d", Verdict: "allow", Rules: rules, Policy: "d1"})
	add(b, evidence.TypeMasking, s, evidence.Masking{Stmt: 1, Output: 0, Labels: []sallyport.Label{"phi.name"}, Reason: "label", Operator: "null", Profile: "need-to-know", Seen: 3, Masked: 3})
	add(b, evidence.TypeDisclosure, s, evidence.Disclosure{Stmt: 1, Namespace: "hospital", Key: 1, KeyID: "ab", Rows: 3, BlindSet: evidence.BlindSet{Patients: 2, Form: evidence.FormList, Count: 2, Data: ciphertext}})
	add(b, evidence.TypeOutcome, s, evidence.Outcome{Stmt: 1, Status: "ok", Tag: "SELECT 3", Rows: 3, Bytes: 120, Micros: 5400})
	add(b, evidence.TypeOutcome, s, evidence.Outcome{Stmt: 2, Status: "error", Code: "42P01"})
	add(b, evidence.TypeRequest, s, evidence.Request{ID: "r2", Kind: "hold", State: "open", Principal: p.ID, Resource: "clinic", Session: s, Stmt: 3, Readable: "DROP TABLE visits", Rules: rules, Policy: "d1"})
	add(b, evidence.TypeDenial, s, evidence.Denial{Stmt: 3, Class: "drop table", Readable: "DROP TABLE visits", Objects: []string{"clinic/public/visits"}, Effects: []string{"destroy"}, Rules: rules, Policy: "d1", Reason: "nobody approved it", Sealed: sealed})
	add(b, evidence.TypeIntent, s, evidence.Intent{Stmt: 4, Phase: "execute", Readable: "CALL f()", Digest: "d", Effects: []string{"execute"}, Verdict: "allow", Policy: "d1"})
	add(b, evidence.TypeOutcome, s, evidence.Outcome{Stmt: 4, Status: "cut"})
	add(b, evidence.TypeRecording, s, evidence.Recording{Chunk: 1, Sealed: *sealed, First: 1, Last: 4})
	add(b, evidence.TypeSessionClose, s, evidence.SessionClose{Reason: "the client left", Statements: 4, Denials: 1, Events: b.seq + 1})
	add(b, evidence.TypeDenial, "", evidence.Denial{Class: "connect", Readable: "connect to clinic as etl by x", Rules: rules, Policy: "d1", Reason: "no rule permits it"})
	add(b, evidence.TypeOutcome, s, evidence.Outcome{Stmt: 9, Status: "ok"}) // of a session that is closed
	add(b, evidence.TypeExport, "", evidence.Export{By: "human:dana", Filter: "", Size: 20, Purpose: "audit"})
	add(b, evidence.TypeReplay, "", evidence.Replay{By: "human:dana", Session: s})
	add(b, evidence.TypeConfigLoaded, "", evidence.ConfigLoaded{Digest: "c1", Part: 1, Parts: 1})
	add(b, evidence.TypeReview, "", evidence.Review{Kind: "identity", By: "human:dana", Principal: p.ID, Size: 9, Note: "as it should be"})
	add(b, evidence.TypeLegalHold, "", evidence.LegalHold{ID: "h1", State: "set", Case: "c", Reason: "r", By: "human:dana"})
	add(b, evidence.TypeLegalHold, "", evidence.LegalHold{ID: "h1", State: "released", Reason: "over", By: "human:dana"})
	add(b, evidence.TypeKeyDestroyed, "", evidence.KeyDestroyed{Key: "sk1", Keys: []string{"k1"}, OfSession: s, Class: "default", Expires: at(9), Rule: evidence.RuleExpired, Payloads: 3})
	add(b, evidence.TypeLogPruned, "", evidence.LogPruned{Minimum: 256, Through: at(1), By: "human:sam", Reason: "over"})
	add(b, evidence.TypeEvidenceOpen, "", evidence.EvidenceOpen{By: "human:dana", OfSession: s, Key: "k1", Purpose: "incident"})
	add(b, evidence.TypeWhoSaw, "", evidence.WhoSaw{By: "human:dana", Purpose: "request", Namespace: "hospital", Key: 1, Patient: "00ff"})
	add(b, evidence.TypeRollback, "", evidence.Rollback{Origin: "example/old", Size: 7, Reason: "restored"})
	add(b, evidence.TypeKeyRotate, "", evidence.KeyRotate{Old: []string{"a"}, New: []string{"b"}})
	add(b, evidence.TypeShipping, "", evidence.Shipping{Destination: "siem", State: evidence.ShippingRefused, Next: 4, Size: 9, Reason: "401"})
	add(b, evidence.TypeShipping, "", evidence.Shipping{Destination: "siem", State: evidence.ShippingCaughtUp, Next: 9, Size: 9})
	add(b, evidence.TypeHeartbeat, "", evidence.Heartbeat{Sessions: 1, Every: 10000})
	add(b, evidence.TypeStop, "", evidence.Stop{Reason: "told to stop"})
	add(b, "from-the-future", "", map[string]any{"secret": "UNKNOWNBODY"})
	add(b, evidence.TypeGrant, "", map[string]any{"state": 3}) // a body of another form
	b.leaves = append(b.leaves, []byte(`{"v":99}`))            // not a leaf of this release
	return b.leaves
}
