// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report is what a verification found.
type Report struct {
	Origin   string
	Created  time.Time
	Filter   string
	TreeSize uint64
	Root     string // base64
	Key      string // name and hash of the key that signed the checkpoint
	// Trusted is true when that key was given by the caller; else it came out of
	// the bundle itself and proves nothing about who signed.
	Trusted bool
	// Witnessed is nil where there is no witness policy to judge by.
	Witnessed *Witnessed `json:",omitempty"`
	// WholeLog is true when the bundle holds every leaf of the log up to
	// TreeSize; else it proves what it holds, not that there is nothing else.
	WholeLog bool

	Leaves, Sessions, Statements, Denials, Masked, Recordings int
	// Seals counts the seals in the bundle, SealsChecked those of them whose key
	// the caller gave.
	Seals, SealsChecked int
	// Earlier counts the earlier checkpoints of the caller that the log grew out
	// of.
	Earlier int

	checkpoint Checkpoint

	// Faults are what must not be. Any fault means that the bundle is not what
	// was exported, or that the log is not what was written.
	Faults []Fault
	// MayHaveExecuted lists statements with an intent and no outcome.
	MayHaveExecuted []Unsettled
	// Epochs are the stretches between two starts of the gateway.
	Epochs []Epoch
	// Record says whether the record of the bundle's period is whole, or where not.
	Record Completeness
	// Notices are what an auditor should know and what is not a fault.
	Notices []string
}

// OK reports whether there is no fault.
func (r *Report) OK() bool { return len(r.Faults) == 0 }

// Fault is one thing that is not as it must be.
type Fault struct {
	File   string // name in the bundle; "" for the archive itself
	Leaf   int64  // index in the log; -1 when it concerns no single leaf
	Offset int64  // byte in the bundle's file; -1 when not known
	Msg    string
}

// String renders the fault with everything that is known about its place.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(cmp.Or(f.File, "archive"))
	if f.Leaf >= 0 {
		fmt.Fprintf(&b, ", leaf %d", f.Leaf)
	}
	if f.Offset >= 0 {
		fmt.Fprintf(&b, ", byte %d", f.Offset)
	}
	return b.String() + ": " + f.Msg
}

// maxListed bounds each list that WriteTo prints.
const maxListed = 50

// WriteTo prints the report for people.
func (r *Report) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	verdict := "VERIFIED"
	if !r.OK() {
		verdict = fmt.Sprintf("FAILED with %d fault(s)", len(r.Faults))
	}
	fmt.Fprintf(&b, "Evidence bundle: %s\n\n", verdict)
	fmt.Fprintf(&b, "  log         %s\n", quoted(r.Origin))
	fmt.Fprintf(&b, "  checkpoint  %d leaves, root %s\n", r.TreeSize, r.Root)
	trust := "given by you"
	if !r.Trusted {
		trust = "NOT TRUSTED: taken from the bundle itself; compare it with a copy got another way"
	}
	fmt.Fprintf(&b, "  key         %s (%s)\n", quoted(r.Key), trust)
	b.WriteString(r.Witnessed.text())
	fmt.Fprintf(&b, "  exported    %s, filter: %s\n", timeText(r.Created), quoted(cmp.Or(r.Filter, "none")))
	scope := "part of the log; it proves what it holds, not that there is nothing else"
	switch {
	case !r.OK():
		scope = "not judged, because of the faults"
	case r.WholeLog:
		scope = "the whole log up to the checkpoint"
	}
	fmt.Fprintf(&b, "  scope       %s\n", scope)
	fmt.Fprintf(&b, "  holds       %d leaves, %d sessions, %d statements, %d denials, %d masking events, %d recorded chunks\n",
		r.Leaves, r.Sessions, r.Statements, r.Denials, r.Masked, r.Recordings)
	if n := len(r.Record.Lacks); n > 0 {
		fmt.Fprintf(&b, "  record      not whole in %d place%s, listed below\n", n, plural(n))
	} else if r.OK() {
		b.WriteString("  record      whole, as far as the bundle holds it\n")
	}
	if r.Seals > 0 {
		seals := "their key was not given, so that they show nothing yet"
		if r.SealsChecked > 0 {
			seals = fmt.Sprintf("%d made by the key that was given: what they seal was not rewritten afterwards", r.SealsChecked)
		}
		fmt.Fprintf(&b, "  seals       %d, %s\n", r.Seals, seals)
	}
	if r.Earlier > 0 {
		fmt.Fprintf(&b, "  history     the log grew out of the %d earlier checkpoint(s) that you gave\n", r.Earlier)
	}
	list(&b, "Faults", r.Faults, Fault.String)
	list(&b, "Statements that may have executed (no outcome is on record, or the session was cut)", r.MayHaveExecuted, func(u Unsettled) string {
		return fmt.Sprintf("session %s statement %d at %s, leaf %d", quoted(string(u.Session)), u.Stmt, timeText(u.Time), u.Leaf)
	})
	list(&b, "Epochs of the gateway", r.Epochs, func(e Epoch) string {
		end := "did not end in order"
		switch {
		case e.Stopped:
			end = "stopped in order"
		case e == r.Epochs[len(r.Epochs)-1]:
			end = "had not stopped when the bundle was made"
		}
		return fmt.Sprintf("epoch %d from %s to %s, %s", e.Number, timeText(e.Start), timeText(e.End), end)
	})
	list(&b, "Where the record is not whole", r.Record.Lacks, func(x Lack) string {
		return fmt.Sprintf("%s, from %s to %s: %s", x.Kind, timeText(x.From), timeText(x.To), x.words())
	})
	list(&b, "Notices", r.Notices, quoted)
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// quoted keeps control characters of foreign text out of a terminal.
func quoted(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

func list[T any](b *strings.Builder, title string, items []T, text func(T) string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:\n", title)
	for i, item := range items {
		if i == maxListed {
			fmt.Fprintf(b, "  and %d more\n", len(items)-i)
			return
		}
		fmt.Fprintf(b, "  %s\n", quoted(text(item)))
	}
}

// sortedKeys returns a map's keys in order, so that reports are the same every
// time.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
