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

// sessionState is an open session.
type sessionState struct {
	index      uint64
	opened     time.Time
	body       SessionOpen
	statements map[uint64]*statementState // without an outcome
	// abouts holds, by the number of the statement that intents refer to, what the
	// latest intent with it is about; equal ones are kept once, by their text.
	abouts map[uint64]*about
	texts  map[string]*about
	// When the first and the last of its events were, and how many starts of the
	// gateway had been before the last.
	first, last time.Time
	epoch       int
	sheet       *sheet
}

// about is what a statement is about, which later executions of it refer to.
type about struct {
	class, readable  string
	effects, objects []string
	masks            int
}

func (a *about) equal(b *about) bool {
	return a.class == b.class && a.readable == b.readable && a.masks == b.masks &&
		slices.Equal(a.effects, b.effects) && slices.Equal(a.objects, b.objects)
}

// statementState is a statement without an outcome so far.
type statementState struct {
	index   uint64
	at      time.Time
	body    *Intent
	about   *about
	denied  bool
	reason  string
	request sallyport.RequestID
}

// session returns the state of a session, also when its opening is not among
// the leaves.
func (d *Deriver) session(e event) *sessionState {
	s := d.sessions[e.leaf.Session]
	if s == nil {
		s = &sessionState{index: e.index, statements: map[uint64]*statementState{}, abouts: map[uint64]*about{}, texts: map[string]*about{}, first: e.leaf.Time}
		d.sessions[e.leaf.Session] = s
	}
	s.last, s.epoch = e.leaf.Time, len(d.life.epochs)
	return s
}

func (d *Deriver) takeSession(e event) error {
	s := d.session(e)
	switch b := e.body.(type) {
	case *SessionOpen:
		s.opened, s.body = e.leaf.Time, *b
		s.body.Keys = nil
		d.policies.name(b.Policy)
		d.opened(e, b)
	case *Intent:
		d.intent(e, b, s)
	case *Denial:
		return d.denial(e, b, s)
	case *Outcome:
		st := s.statements[b.Stmt]
		if st == nil {
			return nil
		}
		delete(s.statements, b.Stmt)
		return d.statement(e.leaf.Session, s, st, b, e.index)
	case *Masking:
		return d.masking(e, b, s)
	case *SessionClose:
		delete(d.sessions, e.leaf.Session)
		return d.endSession(e.leaf.Session, s, &ending{at: e.leaf.Time, body: b})
	}
	return nil
}

func (d *Deriver) intent(e event, b *Intent, s *sessionState) {
	b.Sealed = nil
	d.policies.name(b.Policy)
	st := &statementState{index: e.index, at: e.leaf.Time, body: b}
	if b.Approval != nil {
		st.request = b.Approval.Request
	}
	key := cmp.Or(b.Of, b.Stmt)
	if b.Readable != "" || b.Of == 0 {
		s.abouts[key] = s.intern(&about{class: b.Class, readable: b.Readable, effects: b.Effects, objects: b.Objects, masks: len(b.Masks)})
	}
	if st.about = s.abouts[key]; st.about == nil {
		st.about = &about{}
	}
	b.Masks = nil
	s.statements[b.Stmt] = st
	d.used(s.body.Principal.ID, e.leaf.Time, true)
}

// intern returns the one that is kept for all that are equal.
func (s *sessionState) intern(a *about) *about {
	if kept := s.texts[a.readable]; kept != nil && kept.equal(a) {
		return kept
	}
	s.texts[a.readable] = a
	return a
}

func (d *Deriver) denial(e event, b *Denial, s *sessionState) error {
	d.policies.name(b.Policy)
	if e.leaf.Session != "" {
		d.used(s.body.Principal.ID, e.leaf.Time, false)
		d.sheetOf(s).touch(b.Objects, true, e.leaf.Time)
	}
	if err := d.refusal(e, b, s); err != nil {
		return err
	}
	st := &statementState{
		index: e.index, at: e.leaf.Time, denied: true, reason: b.Reason, request: b.Request,
		about: &about{class: b.Class, readable: b.Readable, effects: b.Effects, objects: b.Objects},
		body:  &Intent{Stmt: b.Stmt, Digest: b.Digest, Verdict: sallyport.Deny.String(), Rules: b.Rules, Policy: b.Policy},
	}
	return d.statement(e.leaf.Session, s, st, nil, 0)
}

// How a statement ended, in the words of the tables.
const (
	ranWell     = "success"
	ranBadly    = "failure"
	notRun      = "not forwarded"
	perhapsRan  = "may have executed"
	notAsked    = "skipped"
	wasAnalysed = "analysed"
)

func (st *statementState) result(out *Outcome) string {
	switch {
	case st.denied:
		return notRun
	case out == nil:
		return perhapsRan
	case out.Status == "skipped":
		return notAsked
	case out.Status == "ok" && st.body.Phase == "analyse":
		return wasAnalysed
	case out.Status == "ok":
		return ranWell
	case out.Status == "unknown", out.Status == "cut":
		return perhapsRan
	}
	return ranBadly
}

// statement writes a statement that has ended, or will not.
func (d *Deriver) statement(id sallyport.SessionID, s *sessionState, st *statementState, out *Outcome, settled uint64) error {
	b, a, result := st.body, st.about, st.result(out)
	d.tally.statement(b.Phase, result)
	if out != nil && b.Phase != "analyse" && result == perhapsRan {
		d.life.cut(id, b.Stmt, st.at, out.Status)
	}
	if !st.denied && b.Phase != "analyse" {
		if i := d.identities[s.body.Principal.ID]; i != nil {
			i.ran++
		}
		d.sheetOf(s).touch(a.objects, false, st.at)
	}
	if b.Phase != "analyse" && result == perhapsRan {
		d.unsettled = append(d.unsettled, Unsettled{Session: id, Stmt: b.Stmt, Leaf: st.index, Time: st.at})
	}
	var o Outcome
	if out != nil {
		o = *out
	}
	approver := sallyport.PrincipalID("")
	if b.Approval != nil {
		approver = b.Approval.Approver
	}
	w := d.tables[tableStatements]
	w.text(string(id)).number(b.Stmt).time(st.at).text(string(s.body.Principal.ID)).text(string(s.body.Resource)).
		text(b.Phase).text(b.Mode).text(cmp.Or(b.Class, a.class)).text(a.readable)
	texts(texts(w, a.effects), a.objects).number(uint64(a.masks)).text(b.Verdict).text(st.reason)
	texts(w, b.Rules).text(string(b.Policy)).text(string(b.Grant)).text(string(st.request)).text(string(approver)).
		text(result).text(o.Status).text(o.Code).text(o.Tag).number(o.Rows).number(o.Bytes).integer(o.Micros).text(b.Digest).number(st.index)
	if out == nil {
		w.text("")
	} else {
		w.number(settled)
	}
	if err := w.end(); err != nil {
		return err
	}
	if !changes(a.effects) || b.Phase == "analyse" {
		return nil
	}
	w = d.tables[tableChanges]
	w.text(string(id)).number(b.Stmt).time(st.at).text(string(s.body.Principal.ID)).text(string(s.body.Resource)).text(a.readable)
	texts(texts(w, a.effects), a.objects).text(b.Verdict).text(st.reason).text(string(st.request)).text(string(approver)).
		text(result).text(o.Code).number(o.Rows).number(st.index)
	return w.end()
}

// changes reports whether effects are more than reading.
func changes(effects []string) bool {
	return slices.ContainsFunc(effects, func(e string) bool { return e != "read" })
}

func (d *Deriver) masking(e event, b *Masking, s *sessionState) error {
	output := "diagnostic"
	if b.Output >= 0 {
		output = strconv.Itoa(b.Output)
	}
	profile := strings.TrimSpace(b.Profile + " " + b.Version)
	session := string(e.leaf.Session)
	if b.Entity != "" {
		w := d.tables[tableFindings]
		w.text(session).number(b.Stmt).time(e.leaf.Time).text(output)
		texts(w, b.Columns).text(b.Locus).text(b.Entity).text(b.Rule).text(b.Operator).text(b.Detector).text(profile).number(b.Hits).number(e.index)
		return w.end()
	}
	d.sheetOf(s).mask(b, e.leaf.Time)
	d.tally.masking(b)
	w := d.tables[tableMasking]
	w.text(session).number(b.Stmt).time(e.leaf.Time).text(output)
	texts(texts(w, b.Columns), b.Labels).text(b.Reason).text(b.Operator).text(profile).
		number(b.Seen).number(b.Masked).number(b.Nulls).number(e.index)
	return w.end()
}

// ending is how a session ended.
type ending struct {
	at   time.Time
	body *SessionClose
}

// endSession writes a session and its statements without an outcome; end is nil
// for one that was not closed.
func (d *Deriver) endSession(id sallyport.SessionID, s *sessionState, end *ending) error {
	if end == nil {
		d.unfinished(id, s)
	}
	for _, n := range sortedBy(s.statements, func(st *statementState) uint64 { return st.index }) {
		if err := d.statement(id, s, s.statements[n], nil, 0); err != nil {
			return err
		}
	}
	b, c, at := s.body, SessionClose{}, time.Time{}
	if end != nil {
		c, at = *end.body, end.at
	}
	grant := sallyport.GrantID("")
	if b.Grant != nil {
		grant = b.Grant.ID
	}
	p := b.Principal
	w := d.tables[tableSessions]
	w.text(string(id)).text(string(p.ID)).text(string(p.Kind)).text(p.Subject.Issuer).text(p.Subject.ID).text(p.Authn.Method).
		text(p.Authn.TokenID).text(string(b.Resource)).text(b.Protocol).text(string(b.Role)).text(string(grant)).text(b.Client).
		text(b.Lineage).text(string(b.Policy))
	texts(texts(w, b.Rules), b.Notes).time(s.opened).time(at).text(c.Reason).number(c.Statements).number(c.Denials).
		number(c.Events).text(c.Head).text(c.Recording).number(c.Chunks).number(s.index)
	if err := w.end(); err != nil {
		return err
	}
	w = d.tables[tableConnections]
	w.text(string(id)).time(s.opened).text(string(p.ID)).text(b.Client).text(b.TLS).text(string(b.Resource)).text(b.Upstream)
	if err := texts(w, b.Notes).number(s.index).end(); err != nil {
		return err
	}
	d.tally.session(b.Grant != nil, end != nil)
	if !byGateway(c.Reason) {
		return nil
	}
	d.tally.loggedOff++
	return d.tables[tableLogoffs].text(string(id)).text(string(p.ID)).text(string(b.Resource)).time(s.opened).time(at).
		text(c.Reason).number(s.index).end()
}

// byGateway reports whether the reason of a session's end is one of the
// gateway's own.
func byGateway(reason string) bool {
	for _, own := range []string{"idle", "longest duration", "has ended", "has expired", "ended by", "shutting down"} {
		if strings.Contains(reason, own) {
			return true
		}
	}
	return false
}
