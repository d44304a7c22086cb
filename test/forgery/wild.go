// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package forgery

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// wildPolicy marks a rule as one for emergencies, in the ways in which such a
// text can be written.
const wildPolicy = "// @id(\"no\") @breakglass\n@breakglass @id(\"ward\\\"down\")\npermit(principal, action, resource) when { context.note == \"@breakglass ;\" };\n" +
	"@id(\"plain\")\npermit(principal, action, resource);\n@breakglass\n@id(\"ward\")\npermit(principal, action, resource);\n"

// wild draws what a history is made of.
type wild struct {
	*Log
	r       *rand.Rand
	policy2 sallyport.PolicyDigest
	epoch   uint64
	opened  []*wildSession
	n       int
}

type wildSession struct {
	id                      sallyport.SessionID
	stmt, executed, denials uint64
	open                    map[uint64]bool // without an outcome
}

// Wild appends so many random events of every kind, so that every table has
// rows and every list of the summary is too long for it.
func (l *Log) Wild(r *rand.Rand, events int) {
	l.t.Helper()
	w := &wild{Log: l, r: r, policy2: sallyport.PolicyDigest(evidence.Digest([]byte(wildPolicy))), epoch: 1}
	put(l, "", evidence.TypePolicyLoaded, evidence.PolicyLoaded{Digest: w.policy2, Source: "policies", Text: wildPolicy})
	w.configure()
	steps := []func(){
		w.begin, w.begin, w.begin, w.statement, w.statement, w.statement, w.statement, w.statement, w.mask, w.mask, w.mask, w.settle, w.settle, w.settle,
		w.end, w.request, w.request, w.decide, w.decide, w.grant, w.grant, w.login, w.review, w.alive, w.alive, w.configure, w.look,
	}
	for range events {
		l.now = l.now.Add(time.Duration(r.Int64N(int64(8 * time.Second))))
		steps[r.IntN(len(steps))]()
	}
	for range 3 {
		w.restart()
		for range events / 8 {
			steps[r.IntN(len(steps))]()
		}
	}
}

func pick[T any](w *wild, list ...T) T { return list[w.r.IntN(len(list))] }

func (w *wild) chance(n int) bool { return w.r.IntN(n) == 0 }

// some draws a few of a list, with repetitions.
func some[T any](w *wild, list ...T) (out []T) {
	for range w.r.IntN(4) {
		out = append(out, pick(w, list...))
	}
	return out
}

func (w *wild) who() sallyport.PrincipalID {
	if w.chance(2) {
		return sallyport.PrincipalID(fmt.Sprintf("svc:job-%d", w.r.IntN(16)))
	}
	return pick[sallyport.PrincipalID](w, "ci:claims", "svc:"+odd, "human:ann", "svc:\uffee", "svc:\U0001f600", "", "ci:a*b")
}

func (w *wild) person() sallyport.Principal {
	p := principal(w.who())
	p.Kind = pick(w, sallyport.CIJob, sallyport.ServiceAccount, sallyport.AIAgent, sallyport.Human)
	p.Groups = some(w, "ci", "auditors", odd, "")
	p.Authn.Method = pick(w, "oidc", "certificate", "")
	return p
}

func (w *wild) resource() sallyport.ResourceID {
	return pick[sallyport.ResourceID](w, "clinic", "lab", "archive", "=odd")
}

func (w *wild) role() sallyport.RoleID { return pick[sallyport.RoleID](w, "etl", "reader", "\u00e9") }

func (w *wild) policyOf() sallyport.PolicyDigest { return pick(w, w.policy, w.policy2, "") }

func (w *wild) rules() []sallyport.RuleID {
	return some[sallyport.RuleID](w, "ward", `ward\"down`, "plain", "no", "read")
}

func (w *wild) number() uint64 {
	return pick(w, 0, 1, 7, uint64(w.r.IntN(1000)), 1<<53, 1<<53-1, math.MaxUint64-3)
}

func (w *wild) text() string {
	return pick(w, "", "SELECT 1", odd, "EMERGENCY in ward 3", "Break-Glass: called", "a\nb", strings.Repeat("long \u6f22 ", 1+w.r.IntN(900)), "\t leads", "@x")
}

func (w *wild) when() time.Time {
	return pick(w, time.Time{}, w.now, w.now.Add(-time.Hour), w.now.Add(time.Hour).In(time.FixedZone("x", -9000)), w.now.Truncate(time.Second))
}

func (w *wild) objects() []string {
	return some(w, "read table clinic/patients", "write table lab/results", "read", "(and 7 more)", "read column "+odd)
}

// configure puts a configuration on record, which differs from the one before.
func (w *wild) configure() {
	var c evidence.Configuration
	for range 1 + w.r.IntN(3) {
		c.Roles = append(c.Roles, evidence.ConfigRole{
			Name: w.role(), Resources: some(w, w.resource(), w.resource()), Members: some(w, "group:ci", "group:auditors", "principal:ci:claims", "principal:svc:job-3", "group:"+odd),
		})
		c.Access = append(c.Access, evidence.ConfigAccess{
			Role: w.role(), Resource: w.resource(), Connect: pick(w, "allow", "hold", "deny"), Approvers: "group:privacy", WindowMS: w.r.Int64N(1 << 40), Rules: w.rules(), Policy: w.policyOf(),
		})
		c.Resources = append(c.Resources, evidence.ConfigResource{
			Name: w.resource(), Type: "postgres", Target: w.text(), TLS: "verify-full", Lineage: "auto", Intent: "batched", IdleMS: w.r.Int64N(3), LongestMS: math.MaxInt64, Sessions: -1,
		})
		c.Issuers = append(c.Issuers, evidence.ConfigIssuer{Name: pick(w, "idp", "=idp"), URL: "https://idp.example", Audiences: some(w, "sallyport", "b")})
		c.Settings = append(c.Settings, evidence.ConfigSetting{Name: pick(w, "api.auditors", "masking"), Values: some(w, odd, "x", "")})
		c.Identities = append(c.Identities, evidence.ConfiguredMember{
			Principal: pick(w, "ci:*", "svc:job-1", "svc:job-*", "svc:gone", "*a*b", "human:*", "svc:*"), Owner: w.text(), Purpose: "claims", Ticket: "T-1", Reviewed: w.when(),
			EveryMS: pick[int64](w, 0, 1000, 3600_000, math.MaxInt64/1000),
		})
	}
	parts, err := c.Split()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range parts {
		if p.Parts = pick(w, p.Parts, p.Parts, p.Parts+1); p.Part == 1 && w.chance(6) {
			p.Part = 2 // a first part that is not there
		}
		put(w.Log, "", evidence.TypeConfigLoaded, p)
	}
}

func (w *wild) begin() {
	w.n++
	s := &wildSession{id: sallyport.SessionID(fmt.Sprintf("w_%d_%d", w.n, w.r.IntN(1000))), open: map[uint64]bool{}}
	who := w.person()
	var g *sallyport.Grant
	if w.chance(2) {
		g = &sallyport.Grant{ID: w.grantID(), Principal: who.ID, Role: "etl"}
	}
	put(w.Log, s.id, evidence.TypeSessionOpen, evidence.SessionOpen{
		Principal: who, Resource: w.resource(), Protocol: "postgres", Role: w.role(), Grant: g, Rules: w.rules(), Policy: w.policyOf(), Client: w.text(), TLS: "TLS 1.3",
		Keys: []evidence.WrappedKey{}, Upstream: pick(w, "", "TLS 1.3"), Notes: some(w, odd, "x"),
	})
	w.opened = append(w.opened, s)
}

// in calls a function with a session that is open.
func (w *wild) in(do func(s *wildSession)) {
	if len(w.opened) > 0 {
		do(w.opened[w.r.IntN(len(w.opened))])
	}
}

func (w *wild) statement() {
	w.in(func(s *wildSession) {
		s.stmt++
		effects := some(w, "read", "write", "destroy")
		if w.chance(4) {
			s.denials++
			put(w.Log, s.id, evidence.TypeDenial, evidence.Denial{
				Stmt: s.stmt, Class: "drop", Readable: w.text(), Digest: "dd", Effects: effects, Objects: w.objects(), Rules: w.rules(), Policy: w.policyOf(), Reason: w.text(), Request: "q1",
			})
			return
		}
		readable := w.text()
		if w.chance(40) { // longer than a cell of a workbook may be
			readable = strings.Repeat("\u6f22x", 8000+w.r.IntN(4))
		}
		i := evidence.Intent{
			Stmt: s.stmt, Phase: pick(w, "execute", "execute", "execute", "analyse"), Mode: "batched", Class: pick(w, "", "select"), Readable: readable, Digest: "aa", Objects: w.objects(),
			Effects: effects, Verdict: "allow", Rules: w.rules(), Policy: w.policyOf(), Of: uint64(w.r.IntN(3)),
		}
		if w.chance(3) {
			i.Masks = make([]evidence.MaskPlan, w.r.IntN(3))
			i.Approval = &sallyport.Approval{Request: "q9", Approver: "human:bob", At: w.now}
		}
		put(w.Log, s.id, evidence.TypeIntent, i)
		s.open[s.stmt] = true
		if i.Phase == "execute" {
			s.executed++
		}
	})
}

func (w *wild) settle() {
	w.in(func(s *wildSession) {
		for n := range s.stmt + 1 {
			if s.open[n] {
				put(w.Log, s.id, evidence.TypeOutcome, evidence.Outcome{
					Stmt: n, Status: pick(w, "ok", "ok", "error", "skipped", "cut", "unknown"), Code: pick(w, "", "42501"), Tag: w.text(), Rows: w.number(), Bytes: w.number(), Micros: -5,
				})
				delete(s.open, n)
				return
			}
		}
	})
}

func (w *wild) mask() {
	w.in(func(s *wildSession) {
		m := evidence.Masking{
			Stmt: s.stmt, Output: w.r.IntN(4) - 1, Columns: some(w, "clinic/patients/ssn", odd, ""), Labels: some[sallyport.Label](w, "phi.ssn", "phi.name", "phi.note"), Reason: "label",
			Operator: pick(w, "redact", "hash", "null"), Profile: "text", Version: pick(w, "", "2"), Seen: w.number(), Masked: w.number(), Nulls: w.number(),
		}
		if w.chance(4) {
			m.Entity, m.Rule, m.Locus, m.Hits = "SSN", "ssn.dashed", "text", w.number()
		}
		put(w.Log, s.id, evidence.TypeMasking, m)
	})
}

func (w *wild) end() {
	if len(w.opened) < 5 {
		return
	}
	i := w.r.IntN(len(w.opened))
	s := w.opened[i]
	w.opened[i] = w.opened[len(w.opened)-1]
	w.opened = w.opened[:len(w.opened)-1]
	c := w.chains[s.id]
	put(w.Log, s.id, evidence.TypeSessionClose, evidence.SessionClose{
		Reason: pick(w, "it was idle", "client left", "the grant has expired", "ended by "+odd), Statements: s.executed, Denials: s.denials, Events: c.Seq() + 1, Head: c.Head(),
	})
}

func (w *wild) grantID() sallyport.GrantID {
	return sallyport.GrantID(fmt.Sprintf("w%d", w.r.IntN(12)))
}

func (w *wild) requestID() sallyport.RequestID {
	return sallyport.RequestID(fmt.Sprintf("w%d", w.r.IntN(12)))
}

func (w *wild) request() {
	put(w.Log, "", evidence.TypeRequest, evidence.Request{
		ID: w.requestID(), Kind: pick(w, "grant", "hold"), State: pick(w, "open", "open", "expired"), Principal: w.who(), Resource: w.resource(), Role: w.role(), Reason: w.text(),
		Approvers: pick(w, "group:privacy", "group:"+odd), WindowMS: 5, Expires: w.when(), Session: "s_one", Stmt: w.number(), Readable: w.text(), Objects: w.objects(),
		Effects: some(w, "read", "write"), Rules: w.rules(), Policy: w.policyOf(), Binding: "bb",
	})
}

func (w *wild) decide() {
	put(w.Log, "", evidence.TypeDecision, evidence.Decision{
		Request: w.requestID(), Kind: pick(w, "grant", "hold"), Decision: pick(w, "approved", "denied"), Approver: pick[sallyport.PrincipalID](w, "human:ann", "human:bob"),
		Groups: some(w, "privacy", odd), Rationale: w.text(), Authn: sallyport.Authentication{Method: "oidc", At: w.when()},
	})
}

func (w *wild) grant() {
	put(w.Log, "", evidence.TypeGrant, evidence.GrantEvent{
		State: pick(w, "active", "active", "revoked", "expired"), By: "human:sam", Reason: w.text(), Grant: sallyport.Grant{
			ID: w.grantID(), Request: w.requestID(), Principal: w.who(), Resource: w.resource(), Role: w.role(), NotBefore: w.when(), NotAfter: w.when(), Policy: w.policyOf(),
		},
	})
}

func (w *wild) login() {
	put(w.Log, "", evidence.TypeIdentity, evidence.Identity{Accepted: w.chance(2), Principal: pick(w, nil, new(w.person())), Reason: w.text(), Client: "192.0.2.1"})
}

func (w *wild) review() {
	put(w.Log, "", evidence.TypeReview, evidence.Review{
		Kind: pick(w, "identity", "activity"), By: "human:eve", Principal: w.who(), From: w.when(), To: w.when(), Note: w.text(), Size: w.number(),
	})
}

// look is of somebody who reads evidence, and of what happens beside sessions.
func (w *wild) look() {
	switch w.r.IntN(7) {
	case 0:
		put(w.Log, "", evidence.TypeExport, evidence.Export{By: "human:eve", Filter: odd, Size: w.number(), Purpose: w.text()})
	case 1:
		put(w.Log, "", evidence.TypeEvidenceOpen, evidence.EvidenceOpen{By: "human:eve", OfSession: "s_one", Key: "k", Purpose: w.text()})
	case 2:
		put(w.Log, "", evidence.TypeWhoSaw, evidence.WhoSaw{By: "human:eve", Resource: w.resource(), Purpose: w.text()})
	case 3:
		put(w.Log, "", evidence.TypeToken, evidence.Token{Action: "issued", TokenID: "t", Principal: w.who(), Resource: w.resource(), Expires: w.when()})
	case 4:
		put(w.Log, "", evidence.TypeDenial, evidence.Denial{Readable: w.text(), Digest: "ff", Objects: w.objects(), Policy: w.policyOf(), Reason: "no route"})
	case 5:
		put(w.Log, "", evidence.TypeReplay, evidence.Replay{By: "human:eve", Session: "s_one"})
	default:
		put(w.Log, "", evidence.TypeGap, evidence.Gap{Since: w.when(), Reason: w.text()})
	}
}

// alive is a heartbeat; some have no seal, and some come late.
func (w *wild) alive() {
	if w.chance(5) {
		w.now = w.now.Add(time.Duration(w.r.Int64N(int64(5 * time.Minute))))
	}
	switch w.r.IntN(8) {
	case 0, 1:
		put(w.Log, "", evidence.TypeHeartbeat, evidence.Heartbeat{Every: pick[int64](w, 10_000, 10_000, 0)})
		return
	case 2: // a seal that nobody wrote down
		if _, err := w.ledger.Seal(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
	w.Heartbeat()
}

// restart ends the epoch, in order or not. What was open stays so.
func (w *wild) restart() {
	clean := w.chance(2)
	if clean {
		put(w.Log, "", evidence.TypeStop, evidence.Stop{Reason: "signal"})
	}
	w.opened = nil
	if w.epoch++; w.chance(4) {
		w.epoch++
	}
	if w.chance(3) {
		put(w.Log, "", evidence.TypeRollback, evidence.Rollback{Origin: "ledger.example/old", Size: 7, Root: "x", Reason: "restored", By: "human:sam"})
	}
	w.start(w.epoch, clean)
}
