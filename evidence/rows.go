// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

func (d *deriver) requestTable() table {
	t := table{name: "requests", columns: []string{
		"request", "kind", "opened", "principal", "resource", "role", "reason", "approvers", "window_ms", "expires",
		"session", "statement", "readable", "objects", "effects", "rules", "policy", "binding",
		"decision", "decided", "approver", "rationale", "state", "leaf",
	}}
	for _, r := range byIndex(d.requests, func(r *requestRow) uint64 { return r.index }) {
		b := r.body
		decision := Decision{}
		if r.decision != nil {
			decision = *r.decision
		}
		t.add(string(b.ID), b.Kind, r.opened, string(b.Principal), string(b.Resource), string(b.Role), b.Reason, b.Approvers,
			b.WindowMS, b.Expires, string(b.Session), b.Stmt, b.Readable, b.Objects, b.Effects, texts(b.Rules), string(b.Policy),
			b.Binding, decision.Decision, r.decided, string(decision.Approver), decision.Rationale, r.state, r.index)
	}
	return t
}

func (d *deriver) approvalTable() table {
	return table{name: "approvals", columns: []string{
		"request", "kind", "decision", "time", "approver", "groups", "issuer", "subject", "method", "token_id",
		"authenticated", "rationale", "binding", "leaf",
	}, rows: d.approvals}
}

func (d *deriver) grantTable() table {
	t := table{name: "grants", columns: []string{
		"grant", "request", "principal", "resource", "role", "not_before", "not_after", "state", "ended", "by", "reason",
		"policy", "policy_text", "leaf",
	}}
	for _, g := range byIndex(d.grants, func(g *grantRow) uint64 { return g.index }) {
		b := g.body
		text := ""
		if p := d.policies[b.Policy]; p != nil && p.whole() {
			for _, part := range p.parts {
				text += part
			}
		}
		t.add(string(b.ID), string(b.Request), string(b.Principal), string(b.Resource), string(b.Role), b.NotBefore, b.NotAfter,
			g.state, g.ended, string(g.by), g.reason, string(b.Policy), text, g.index)
	}
	return t
}

func (d *deriver) sessionTable() table {
	t := table{name: "sessions", columns: []string{
		"session", "principal", "kind", "issuer", "subject", "method", "token_id", "resource", "protocol", "role", "grant",
		"client", "client_tls", "target_tls", "lineage", "policy", "rules", "notes", "opened", "closed", "close_reason",
		"statements", "denials", "events", "head", "recording", "chunks", "leaf",
	}}
	ids := make(map[*sessionRow]sallyport.SessionID, len(d.sessions))
	for id, s := range d.sessions {
		ids[s] = id
	}
	for _, s := range byIndex(d.sessions, func(s *sessionRow) uint64 { return s.index }) {
		b, end := s.body, SessionClose{}
		if s.closed != nil {
			end = *s.closed
		}
		grant := sallyport.GrantID("")
		if b.Grant != nil {
			grant = b.Grant.ID
		}
		p := b.Principal
		t.add(string(ids[s]), string(p.ID), string(p.Kind), p.Subject.Issuer, p.Subject.ID, p.Authn.Method, p.Authn.TokenID,
			string(b.Resource), b.Protocol, string(b.Role), string(grant), b.Client, b.TLS, b.Upstream, b.Lineage,
			string(b.Policy), texts(b.Rules), b.Notes, s.opened, s.closedAt, end.Reason,
			end.Statements, end.Denials, end.Events, end.Head, end.Recording, end.Chunks, s.index)
	}
	return t
}

// How a statement ended, in the words of the table of statements.
const (
	ranWell     = "success"
	ranBadly    = "failure"
	notRun      = "not forwarded"
	perhapsRan  = "may have executed"
	notAsked    = "skipped"
	wasAnalysed = "analysed"
)

func (st *statementRow) result() string {
	switch {
	case st.denied:
		return notRun
	case st.outcome == nil:
		return perhapsRan
	case st.outcome.Status == "skipped":
		return notAsked
	case st.outcome.Status == "ok" && st.body.Phase == "analyse":
		return wasAnalysed
	case st.outcome.Status == "ok":
		return ranWell
	case st.outcome.Status == "unknown", st.outcome.Status == "cut":
		return perhapsRan
	}
	return ranBadly
}

func (d *deriver) statementTable() table {
	t := table{name: "statements", columns: []string{
		"session", "statement", "time", "principal", "resource", "phase", "mode", "class", "readable", "effects", "objects",
		"masked_outputs", "verdict", "reason", "rules", "policy", "grant", "request", "approver", "result", "status", "code",
		"tag", "rows", "bytes", "micros", "digest", "leaf", "outcome_leaf",
	}}
	for _, st := range d.statements {
		s := d.session(st.session)
		b, about, out := st.body, st.about.body, Outcome{}
		settled := any("")
		if st.outcome != nil {
			out, settled = *st.outcome, st.settled
		}
		approver := sallyport.PrincipalID("")
		if b.Approval != nil {
			approver = b.Approval.Approver
		}
		t.add(string(st.session), b.Stmt, st.at, string(s.body.Principal.ID), string(s.body.Resource), b.Phase, b.Mode,
			cmp.Or(b.Class, about.Class), about.Readable, about.Effects, about.Objects, uint64(len(about.Masks)), b.Verdict,
			st.reason, texts(b.Rules), string(b.Policy), string(b.Grant), string(st.request), string(approver), st.result(),
			out.Status, out.Code, out.Tag, out.Rows, out.Bytes, out.Micros, b.Digest, st.index, settled)
	}
	return t
}

func (d *deriver) maskingTable() table {
	return table{name: "masking", columns: []string{
		"session", "statement", "time", "output", "columns", "labels", "reason", "operator", "profile", "seen", "masked",
		"nulls", "leaf",
	}, rows: d.maskings}
}

// findingTable says what scanners found inside values. A bundle without any has
// no such table.
func (d *deriver) findingTable() table {
	return table{name: "findings", columns: []string{
		"session", "statement", "time", "output", "columns", "locus", "entity", "rule", "operator", "detector", "profile", "hits", "leaf",
	}, rows: d.findings}
}

// mayHaveExecuted lists the statements of which nobody can say whether they ran.
func (d *deriver) mayHaveExecuted() []Unsettled {
	var out []Unsettled
	for _, st := range d.statements {
		if st.body.Phase != "analyse" && st.result() == perhapsRan {
			out = append(out, Unsettled{Session: st.session, Stmt: st.body.Stmt, Leaf: st.index, Time: st.at})
		}
	}
	return out
}

// unknownPolicies lists the digests that sessions, statements or grants name and
// whose whole text is not among the leaves.
func (d *deriver) unknownPolicies() []string {
	named := map[sallyport.PolicyDigest]bool{}
	for _, s := range d.sessions {
		named[s.body.Policy] = true
	}
	for _, st := range d.statements {
		named[st.body.Policy] = true
	}
	for _, g := range d.grants {
		named[g.body.Policy] = true
	}
	var out []string
	for digest := range named {
		if p := d.policies[digest]; digest != "" && (p == nil || !p.whole()) {
			out = append(out, string(digest))
		}
	}
	slices.Sort(out)
	return out
}

// Unsettled is a statement whose intent has no outcome: it may have executed.
type Unsettled struct {
	Session sallyport.SessionID
	Stmt    uint64
	Leaf    uint64
	Time    time.Time
}
