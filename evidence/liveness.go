// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"time"
)

// Scope is the time that a bundle is about.
type Scope struct {
	From, To time.Time // zero where it is not bounded
	Created  time.Time // when the leaves were taken from the log
	// What the bundle says of itself: the log, the tree, the filter, who made it
	// for what, and how its sessions were drawn.
	Origin      string
	TreeSize    uint64
	Root        string
	Filter      string
	By, Purpose string
	AsOf        time.Time // the state that it shows is that of then; zero for that of Created
	Sample      *Sample
}

// end is the end of what can be said about the time.
func (s Scope) end() time.Time {
	end := s.Created
	for _, t := range []time.Time{s.To, s.AsOf} {
		if !t.IsZero() && t.Before(end) {
			end = t
		}
	}
	return end
}

// Scope returns what a manifest says of its bundle.
func (m *Manifest) Scope() Scope {
	return Scope{
		From: m.From, To: m.To, Created: m.Created, Origin: m.Origin, TreeSize: m.TreeSize, Root: m.Root, Filter: m.Filter,
		By: m.By, Purpose: m.Purpose, AsOf: m.AsOf, Sample: m.Sample,
	}
}

// Epoch is a stretch between a start of the gateway and its end.
type Epoch struct {
	Number  uint64
	Start   time.Time
	End     time.Time // of the last event that shows the gateway alive
	Stopped bool      // in order, with a stop event
	Clean   bool      // the epoch before it had ended in order
}

// silence is a stretch in which the gateway should have shown that it is alive
// and did not, as far as the events show.
type silence struct {
	From, To time.Time
	Reason   string

	rollback bool // the log before it lost its end
}

// liveness follows when the gateway was on record as alive.
type liveness struct {
	scope    Scope
	every    time.Duration // pace of the last heartbeat
	epochs   []Epoch
	silences []silence
	notices  []string
	lacks    []Lack // what else it lacks
	seals    seals
}

// take looks at one event. An error says that events contradict each other.
func (l *liveness) take(e event) error {
	last := len(l.epochs) - 1
	at := e.leaf.Time
	switch b := e.body.(type) {
	case *Start:
		if last >= 0 && b.Epoch != l.epochs[last].Number+1 {
			what := fmt.Sprintf("the epoch after %d is %d: starts of the gateway are missing from the bundle", l.epochs[last].Number, b.Epoch)
			l.notices = append(l.notices, what)
			l.lack(Lack{Kind: LackStart, From: l.epochs[last].End, To: at, What: what})
		}
		if last >= 0 && b.Epoch == l.epochs[last].Number+1 && b.Clean != l.epochs[last].Stopped {
			return fmt.Errorf("it says otherwise of the end of the epoch before it than that epoch's leaves")
		}
		l.sealed(at)
		l.seals = seals{expected: b.SealKey != nil, last: at}
		l.epochs = append(l.epochs, Epoch{Number: b.Epoch, Start: at, End: at, Clean: b.Clean})
	case *Stop:
		l.takeSeal(b.Seal, at)
		if last >= 0 {
			l.epochs[last].End, l.epochs[last].Stopped = at, true
		}
	case *Heartbeat:
		l.takeSeal(b.Seal, at)
		if last < 0 {
			l.epochs = append(l.epochs, Epoch{Start: at, End: at})
			break
		}
		l.every = time.Duration(b.Every) * time.Millisecond
		l.silence(l.epochs[last].End, at)
		l.epochs[last].End = at
	case *Gap:
		l.silences = append(l.silences, silence{From: b.Since, To: at, Reason: b.Reason})
	case *Rollback:
		l.silences = append(l.silences, silence{From: at, To: at, Reason: fmt.Sprintf("this log takes the place of %q, of which %d leaves were left", b.Origin, b.Size), rollback: true})
	}
	return nil
}

// silence notes a stretch between two signs of life that is much longer than
// the pace.
func (l *liveness) silence(from, to time.Time) {
	if from.Before(l.scope.From) {
		from = l.scope.From // earlier heartbeats are not looked at
	}
	if l.every <= 0 || to.Sub(from) <= l.every*5/2 {
		return
	}
	missing := int64(to.Sub(from)/l.every) - 1
	l.silences = append(l.silences, silence{From: from, To: to, Reason: fmt.Sprintf("%d heartbeats are missing", missing)})
}

// finish looks at the time between the last sign of life and the end.
func (l *liveness) finish() {
	l.sealed(l.scope.end())
	if n := len(l.epochs); n > 0 && !l.epochs[n-1].Stopped {
		l.silence(l.epochs[n-1].End, l.scope.end())
	}
	for _, e := range l.epochs {
		if e.Number > 1 && !e.Clean {
			l.notices = append(l.notices, fmt.Sprintf("before epoch %d the gateway did not stop in order", e.Number))
		}
	}
}

// write puts it into a table.
func (l *liveness) write(w *tableWriter) error {
	for i, e := range l.epochs {
		if err := w.text("alive").time(e.Start).time(e.End).number(e.Number).text(l.epochWord(i)).end(); err != nil {
			return err
		}
	}
	for _, x := range l.all() {
		if err := w.text(x.Kind).time(x.From).time(x.To).number(x.Epoch).text(x.words()).end(); err != nil {
			return err
		}
	}
	return nil
}

// words says what is lacking, and where.
func (x *Lack) words() string {
	switch {
	case x.Stmt > 0:
		return fmt.Sprintf("session %s statement %d: %s", x.Session, x.Stmt, x.What)
	case x.Session != "":
		return fmt.Sprintf("session %s: %s", x.Session, x.What)
	}
	return x.What
}
