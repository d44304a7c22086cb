// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Kinds of what a record lacks, in the words of the liveness table.
const (
	LackSilence   = "silent"            // no sign of life where there must be some
	LackStart     = "missing start"     // starts of the gateway are not there
	LackSession   = "session not ended" // the gateway stopped under a session
	LackStatement = "may have executed" // an intent without an outcome
	LackSeal      = "not sealed"        // the log went on without a signature
	LackRollback  = "log lost"          // the log before it lost its end

	openSession   = "session open"      // no lack: it was running
	openStatement = "statement running" // no lack: it was at work
)

// Lack is one place where a record is not whole, or, of the two kinds that are
// none, where it goes on after its end.
type Lack struct {
	Kind    string              `json:"kind"`
	From    time.Time           `json:"from"`
	To      time.Time           `json:"to"`
	Epoch   uint64              `json:"epoch,omitempty"`
	Session sallyport.SessionID `json:"session,omitempty"`
	Stmt    uint64              `json:"statement,omitempty"`
	What    string              `json:"what"`
}

// Completeness says of a period: whole, or exactly where not.
type Completeness struct {
	Whole bool      `json:"whole"`
	From  time.Time `json:"from,omitzero"` // the beginning of the log when it is zero
	To    time.Time `json:"to"`
	// Epochs are the stretches between two starts of the gateway in the period.
	Epochs []EpochSpan `json:"epochs"`
	// Lacks are where it is not whole, and Running what had not ended with it.
	Lacks   []Lack `json:"lacks"`
	Running []Lack `json:"running"`
}

// EpochSpan is an epoch as far as it was seen.
type EpochSpan struct {
	Number uint64    `json:"epoch"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	What   string    `json:"what"`
}

// seals follows whether the log was sealed without a hole.
type seals struct {
	expected bool      // the epoch has a key
	last     time.Time // of the last seal or the start
	key      string
	next     uint64 // 0 when it is not known
	hole     *Lack
}

// takeSeal follows a sign of life with or without a seal.
func (l *liveness) takeSeal(s *Seal, at time.Time) {
	f := &l.seals
	switch {
	case !f.expected:
	case s == nil && f.hole == nil:
		f.hole = &Lack{Kind: LackSeal, From: f.last, To: at, What: "the log was not signed and sealed"}
	case s == nil:
		f.hole.To = at
	default:
		l.sealed(at)
		if f.next > 0 && s.Key == f.key && s.N > f.next {
			l.lack(Lack{Kind: LackSeal, From: f.last, To: at, What: fmt.Sprintf("%d seals are missing", s.N-f.next)})
		}
		f.key, f.next, f.last = s.Key, s.N+1, at
	}
}

// sealed ends a stretch without seals.
func (l *liveness) sealed(at time.Time) {
	if h := l.seals.hole; h != nil {
		h.To = at
		l.lack(*h)
		l.seals.hole = nil
	}
}

// lack notes a lack, with the epoch in which it is.
func (l *liveness) lack(x Lack) {
	if n := len(l.epochs); n > 0 && x.Epoch == 0 && x.Kind != LackStart {
		x.Epoch = l.epochs[n-1].Number
	}
	l.lacks = append(l.lacks, x)
}

// running reports whether the epoch of that place in the list had not ended
// when the bundle's time did.
func (l *liveness) running(epoch int) bool {
	n := len(l.epochs)
	return epoch >= n && (n == 0 || !l.epochs[n-1].Stopped)
}

// unfinished notes a session that was not closed, and its statements.
func (d *Deriver) unfinished(id sallyport.SessionID, s *sessionState) {
	running := d.life.running(s.epoch)
	number := uint64(0)
	if s.epoch > 0 && s.epoch <= len(d.life.epochs) {
		number = d.life.epochs[s.epoch-1].Number
	}
	end := d.life.scope.end()
	x := Lack{Kind: openSession, From: s.opened, To: end, Epoch: number, Session: id, What: "it had not ended"}
	if !running {
		x.Kind, x.To, x.What = LackSession, s.last, "the gateway ended under it; what came last is its last event on record"
	}
	if x.From.IsZero() {
		x.From = s.first
	}
	d.life.lacks = append(d.life.lacks, x)
	for _, n := range sortedBy(s.statements, func(st *statementState) uint64 { return st.index }) {
		st := s.statements[n]
		if st.body.Phase == "analyse" {
			continue
		}
		y := Lack{Kind: LackStatement, From: st.at, To: st.at, Epoch: number, Session: id, Stmt: n, What: "no outcome is on record"}
		if running {
			y.Kind, y.To, y.What = openStatement, end, "no outcome was on record yet"
		}
		d.life.lacks = append(d.life.lacks, y)
	}
}

// cut notes a statement whose outcome says that nobody knows whether it ran.
func (l *liveness) cut(id sallyport.SessionID, stmt uint64, at time.Time, status string) {
	l.lack(Lack{Kind: LackStatement, From: at, To: at, Session: id, Stmt: stmt, What: "its outcome is " + status})
}

// all is everything that the record lacks, or that was running, by time.
func (l *liveness) all() []Lack {
	list := slices.Clone(l.lacks)
	for _, s := range l.silences {
		kind := LackSilence
		if s.rollback {
			kind = LackRollback
		}
		list = append(list, Lack{Kind: kind, From: s.From, To: s.To, What: s.Reason})
	}
	slices.SortStableFunc(list, func(a, b Lack) int { return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To)) })
	return list
}

// Completeness says whether the period that the deriver was begun with is whole.
// It is for calling after [Deriver.Close].
func (d *Deriver) Completeness() Completeness { return d.life.completeness() }

func (l *liveness) completeness() Completeness {
	c := Completeness{From: l.scope.From, To: l.scope.end(), Epochs: []EpochSpan{}, Lacks: []Lack{}, Running: []Lack{}}
	inside := func(from, to time.Time) bool { return !from.After(c.To) && (c.From.IsZero() || !to.Before(c.From)) }
	for i, e := range l.epochs {
		if inside(e.Start, e.End) {
			c.Epochs = append(c.Epochs, EpochSpan{e.Number, e.Start, e.End, l.epochWord(i)})
		}
	}
	for _, x := range l.all() {
		switch {
		case !inside(x.From, x.To):
		case x.Kind == openSession || x.Kind == openStatement:
			c.Running = append(c.Running, x)
		default:
			c.Lacks = append(c.Lacks, x)
		}
	}
	c.Whole = len(c.Lacks) == 0
	return c
}

// epochWord says how an epoch ended.
func (l *liveness) epochWord(i int) string {
	switch {
	case l.epochs[i].Stopped:
		return "stopped in order"
	case i == len(l.epochs)-1:
		return "had not stopped"
	}
	return "did not end in order"
}
