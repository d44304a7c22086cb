// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// deriver gathers what the tables say while it goes through the leaves.
type deriver struct {
	requests   map[sallyport.RequestID]*requestRow
	grants     map[sallyport.GrantID]*grantRow
	sessions   map[sallyport.SessionID]*sessionRow
	policies   map[sallyport.PolicyDigest]*policyText
	approvals  [][]any
	statements []*statementRow
	maskings   [][]any
	findings   [][]any
	now        uint64 // index of the leaf that is being read
}

func newDeriver() *deriver {
	return &deriver{
		requests: map[sallyport.RequestID]*requestRow{},
		grants:   map[sallyport.GrantID]*grantRow{},
		sessions: map[sallyport.SessionID]*sessionRow{},
		policies: map[sallyport.PolicyDigest]*policyText{},
	}
}

type requestRow struct {
	index    uint64
	opened   time.Time
	state    string
	body     Request
	decision *Decision
	decided  time.Time
}

type grantRow struct {
	index  uint64
	state  string
	body   sallyport.Grant
	ended  time.Time
	by     sallyport.PrincipalID
	reason string
}

type sessionRow struct {
	index      uint64
	opened     time.Time
	body       SessionOpen
	closed     *SessionClose
	closedAt   time.Time
	statements map[uint64]*statementRow
	// latest holds, by the number of the statement that intents refer to, the
	// latest intent that says what it is about.
	latest map[uint64]*statementRow
}

type statementRow struct {
	index   uint64
	session sallyport.SessionID
	at      time.Time
	denied  bool
	reason  string
	request sallyport.RequestID
	body    Intent
	about   *statementRow // where Readable, Objects, Effects and Masks stand
	outcome *Outcome
	settled uint64 // index of the outcome
}

// session returns the row of a session, also when its opening is not among the
// leaves.
func (d *deriver) session(id sallyport.SessionID) *sessionRow {
	s := d.sessions[id]
	if s == nil {
		s = &sessionRow{index: d.now, statements: map[uint64]*statementRow{}, latest: map[uint64]*statementRow{}}
		d.sessions[id] = s
	}
	return s
}

// take reads one leaf.
func (d *deriver) take(index uint64, leaf parsedLeaf) error {
	d.now = index
	switch leaf.Type {
	case TypePolicyLoaded:
		return with(leaf, d.addPolicy)
	case TypeRequest:
		return with(leaf, func(b Request) error { d.request(index, leaf.Time, b); return nil })
	case TypeDecision:
		return with(leaf, func(b Decision) error { d.decision(index, leaf.Time, b); return nil })
	case TypeGrant:
		return with(leaf, func(b GrantEvent) error { d.grant(index, leaf.Time, b); return nil })
	case TypeSessionOpen:
		return with(leaf, func(b SessionOpen) error {
			s := d.session(leaf.Session)
			s.opened, s.body = leaf.Time, b
			return nil
		})
	case TypeSessionClose:
		return with(leaf, func(b SessionClose) error {
			s := d.session(leaf.Session)
			s.closed, s.closedAt = &b, leaf.Time
			return nil
		})
	case TypeDenial:
		return with(leaf, func(b Denial) error { d.denial(index, leaf, b); return nil })
	case TypeIntent:
		return with(leaf, func(b Intent) error { d.intent(index, leaf, b); return nil })
	case TypeOutcome:
		return with(leaf, func(b Outcome) error {
			if st := d.session(leaf.Session).statements[b.Stmt]; st != nil && st.outcome == nil {
				st.outcome, st.settled = &b, index
			}
			return nil
		})
	case TypeMasking:
		return with(leaf, func(b Masking) error { d.masking(index, leaf, b); return nil })
	}
	return nil
}

// with reads a leaf's body and hands it on.
func with[B any](leaf parsedLeaf, fn func(B) error) error {
	b, err := Body[B](leaf)
	if err != nil {
		return err
	}
	return fn(b)
}

func (d *deriver) request(index uint64, at time.Time, b Request) {
	r := d.requests[b.ID]
	if r == nil {
		r = &requestRow{index: index, opened: at, body: b}
		d.requests[b.ID] = r
	}
	r.state = b.State
}

func (d *deriver) decision(index uint64, at time.Time, b Decision) {
	if r := d.requests[b.Request]; r != nil && r.decision == nil {
		r.decision, r.decided = &b, at
	}
	d.approvals = append(d.approvals, []any{
		string(b.Request), b.Kind, b.Decision, at, string(b.Approver), b.Groups, b.Subject.Issuer, b.Subject.ID,
		b.Authn.Method, b.Authn.TokenID, b.Authn.At, b.Rationale, b.Binding, index,
	})
}

func (d *deriver) grant(index uint64, at time.Time, b GrantEvent) {
	g := d.grants[b.Grant.ID]
	if g == nil {
		g = &grantRow{index: index, body: b.Grant}
		d.grants[b.Grant.ID] = g
	}
	g.state = b.State
	if b.State != "active" {
		g.ended, g.by, g.reason = at, b.By, b.Reason
	}
}

func (d *deriver) denial(index uint64, leaf parsedLeaf, b Denial) {
	st := &statementRow{
		index: index, session: leaf.Session, at: leaf.Time, denied: true, reason: b.Reason, request: b.Request,
		body: Intent{
			Stmt: b.Stmt, Class: b.Class, Readable: b.Readable, Digest: b.Digest, Objects: b.Objects,
			Effects: b.Effects, Verdict: sallyport.Deny.String(), Rules: b.Rules, Policy: b.Policy,
		},
	}
	st.about = st
	d.statements = append(d.statements, st)
}

func (d *deriver) intent(index uint64, leaf parsedLeaf, b Intent) {
	s := d.session(leaf.Session)
	st := &statementRow{index: index, session: leaf.Session, at: leaf.Time, body: b}
	if b.Approval != nil {
		st.request = b.Approval.Request
	}
	st.about = st
	key := cmp.Or(b.Of, b.Stmt)
	if b.Readable != "" || b.Of == 0 {
		s.latest[key] = st
	} else if about := s.latest[key]; about != nil {
		st.about = about
	}
	s.statements[b.Stmt] = st
	d.statements = append(d.statements, st)
}

func (d *deriver) masking(index uint64, leaf parsedLeaf, b Masking) {
	output := "diagnostic"
	if b.Output >= 0 {
		output = strconv.Itoa(b.Output)
	}
	profile := strings.TrimSpace(b.Profile + " " + b.Version)
	if b.Entity != "" {
		d.findings = append(d.findings, []any{
			string(leaf.Session), b.Stmt, leaf.Time, output, b.Columns, b.Locus, b.Entity, b.Rule, b.Operator, b.Detector,
			profile, b.Hits, index,
		})
		return
	}
	d.maskings = append(d.maskings, []any{
		string(leaf.Session), b.Stmt, leaf.Time, output, b.Columns, texts(b.Labels), b.Reason, b.Operator, profile,
		b.Seen, b.Masked, b.Nulls, index,
	})
}

// byIndex returns a map's values in the order of the log.
func byIndex[K comparable, V any](m map[K]*V, index func(*V) uint64) []*V {
	rows := make([]*V, 0, len(m))
	for _, row := range m {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b *V) int { return cmp.Compare(index(a), index(b)) })
	return rows
}
