// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package verify checks what a receiver of shipped events has: whether an event
// is missing between the first and the last, whether each follows the one
// before it, and whether they are the events of the log.
//
// It reads JSON lines in any order, from any number of files: those of the file
// sink, or what somebody has got out of a store that events were sent to. Events
// that are there twice are counted. It is a pure function of what it reads.
package verify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export/ocsf"
)

// MaxFaults bounds the faults that a report lists; the rest is counted.
const MaxFaults = 100

// Options say how much is checked.
type Options struct {
	// LeavesOnly checks indexes and hashes of leaves and not that each event is the
	// one that was sent, for stores that add to events or change them.
	LeavesOnly bool
	// Version is that of this program: an event of a gateway of the same version
	// has to be what the leaf becomes here.
	Version string
}

// Report is what was found.
type Report struct {
	Lines  uint64   `json:"lines"`
	Logs   []Log    `json:"logs"`
	Faults []string `json:"faults"`
	// More counts the faults that are not listed.
	More    int      `json:"more_faults,omitempty"`
	Notices []string `json:"notices,omitempty"`
}

// Log is what is there of one log.
type Log struct {
	Origin     string `json:"origin"`
	First      uint64 `json:"first"`
	Last       uint64 `json:"last"`
	Events     uint64 `json:"events"` // different ones
	Duplicates uint64 `json:"duplicates"`
	Missing    uint64 `json:"missing"` // between the first and the last
	// Root is the root of the tree over the events from 0 to the size of the
	// checkpoint, in base64, where they are all there.
	Root string `json:"root,omitempty"`
	// Compared counts the events that were compared with leaves of a bundle.
	Compared uint64 `json:"compared,omitempty"`
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Faults) == 0 }

// Checker gathers events.
type Checker struct {
	opt     Options
	report  Report
	entries []entry
	origins []string
	byName  map[string]int
	files   []string
	now     place                                  // that is being read
	keep    func(origin string, index uint64) bool // whether to keep the event itself
	kept    map[uint64]keptEvent
	words   map[string]string
	bundle  []evidence.IndexedLeaf // nil without one
	cp      *evidence.Checkpoint
}

// entry is what is kept of one event.
type entry struct {
	origin     int
	at         place
	index      uint64
	hash, prev tlog.Hash
	hasPrev    bool
}

// place is where an event was read.
type place struct {
	file int
	line uint64
}

// keptEvent is what is kept of an event that is compared with a leaf.
type keptEvent struct {
	digest  [sha256.Size]byte // of what it says
	product string
	class   string
	cut     bool
}

// New returns a checker.
func New(opt Options) *Checker {
	return &Checker{opt: opt, byName: map[string]int{}, kept: map[uint64]keptEvent{}, words: map[string]string{}, report: Report{Logs: []Log{}, Faults: []string{}}}
}

// Bundle has the events compared with the leaves of a bundle, which was
// verified, and with its checkpoint cp. It is called before Add.
func (c *Checker) Bundle(cp evidence.Checkpoint, leaves []evidence.IndexedLeaf) {
	c.bundle, c.cp = leaves, &cp
	want := map[uint64]bool{}
	for _, l := range leaves {
		want[l.Index] = true
	}
	c.keep = func(origin string, index uint64) bool { return origin == cp.Origin && want[index] }
}

// Checkpoint has the events compared with a checkpoint, which was verified.
func (c *Checker) Checkpoint(cp evidence.Checkpoint) { c.cp = &cp }

func (c *Checker) fault(format string, args ...any) {
	if len(c.report.Faults) >= MaxFaults {
		c.report.More++
		return
	}
	c.report.Faults = append(c.report.Faults, fmt.Sprintf(format, args...))
}

func (c *Checker) where(e entry) string { return fmt.Sprintf("%s:%d", c.files[e.at.file], e.at.line) }

// Report judges what was added.
func (c *Checker) Report() *Report {
	slices.SortStableFunc(c.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(c.origins[a.origin], c.origins[b.origin]), cmp.Compare(a.index, b.index))
	})
	if len(c.entries) == 0 {
		c.fault("there is no event")
	}
	known := false
	for rest := c.entries; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].origin == rest[0].origin {
			n++
		}
		known = known || c.cp != nil && c.origins[rest[0].origin] == c.cp.Origin
		c.log(rest[:n])
		rest = rest[n:]
	}
	if c.cp != nil && !known {
		c.fault("there is no event of the log %q, whose checkpoint was given", c.cp.Origin)
	}
	return &c.report
}

// log judges the events of one log, which are in order.
func (c *Checker) log(events []entry) {
	l := Log{Origin: c.origins[events[0].origin], First: events[0].index, Last: events[len(events)-1].index}
	unique := events[:0:0]
	for _, e := range events {
		if n := len(unique); n > 0 && unique[n-1].index == e.index {
			l.Duplicates++
			if unique[n-1].hash != e.hash {
				c.fault("%s: the events at %s and %s are different ones with the same index %d", l.Origin, c.where(unique[n-1]), c.where(e), e.index)
			}
			continue
		}
		unique = append(unique, e)
	}
	l.Events = uint64(len(unique))
	for i, e := range unique {
		if i == 0 {
			continue
		}
		before := unique[i-1]
		if gap := e.index - before.index - 1; gap > 0 {
			l.Missing += gap
			c.fault("%s: %s missing", l.Origin, span(before.index+1, e.index-1))
			continue
		}
		if !e.hasPrev || e.prev != before.hash {
			c.fault("%s: event %d (%s) does not follow event %d as it is here", l.Origin, e.index, c.where(e), before.index)
		}
	}
	if first := unique[0]; first.hasPrev != (first.index > 0) {
		c.fault("%s: event %d does not say what it follows", l.Origin, first.index)
	}
	if c.cp != nil && c.cp.Origin == l.Origin {
		c.againstCheckpoint(&l, unique)
		c.againstBundle(&l, unique)
	}
	c.report.Logs = append(c.report.Logs, l)
}

func span(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("event %d is", from)
	}
	return fmt.Sprintf("events %d to %d (%d of them) are", from, to, to-from+1)
}

// againstCheckpoint computes the root again where that can be.
func (c *Checker) againstCheckpoint(l *Log, events []entry) {
	size := c.cp.Size
	if events[0].index != 0 || l.Missing > 0 || l.Last+1 < size {
		c.report.Notices = append(c.report.Notices, fmt.Sprintf(
			"%s: the root cannot be computed: that needs every event from 0 to %d, and there are those from %d to %d", l.Origin, size-min(size, 1), l.First, l.Last))
		return
	}
	var t tree
	for _, e := range events[:size] {
		t.add(e.hash)
	}
	root := t.root()
	l.Root = root.String()
	if root != c.cp.Root {
		c.fault("%s: the events from 0 to %d are not those of the log: their root is not the checkpoint's", l.Origin, size-min(size, 1))
	}
}

// againstBundle compares events with leaves.
func (c *Checker) againstBundle(l *Log, events []entry) {
	if c.bundle == nil {
		return
	}
	have := map[uint64]entry{}
	for _, e := range events {
		have[e.index] = e
	}
	m := ocsf.New(ocsf.Options{Origin: l.Origin, Product: c.opt.Version})
	absent, foreign := 0, 0
	for _, leaf := range c.bundle {
		again := m.Map(leaf.Index, leaf.Raw, nil, nil)
		e, ok := have[leaf.Index]
		if !ok {
			if leaf.Index >= l.First && leaf.Index <= l.Last {
				absent++
			}
			continue
		}
		l.Compared++
		if e.hash != again.Hash {
			c.fault("%s: event %d (%s) is not the leaf of the bundle", l.Origin, e.index, c.where(e))
			continue
		}
		if c.opt.LeavesOnly {
			continue
		}
		if !c.sameEvent(c.kept[leaf.Index], again, &foreign) {
			c.fault("%s: event %d (%s) does not say what its leaf says", l.Origin, e.index, c.where(e))
		}
	}
	if absent > 0 {
		c.fault("%s: %d leaves of the bundle are not among the events", l.Origin, absent)
	}
	if foreign > 0 {
		c.report.Notices = append(c.report.Notices, fmt.Sprintf(
			"%s: of %d events only the hashes were compared: another version of the gateway made them in another way, or they were shortened, or the bundle lacks the begin of their session", l.Origin, foreign))
	}
}

// sameEvent compares an event with what its leaf becomes. One that cannot be
// made again is counted in foreign.
func (c *Checker) sameEvent(have keptEvent, again ocsf.Event, foreign *int) bool {
	v, err := decodeObject(again.JSON)
	if err != nil {
		return false
	}
	want := c.digest(v)
	if want.digest == have.digest {
		return true
	}
	// A leaf of a session says nothing of whose it is.
	orphan := again.TypeUID < 100 && have.class != want.class
	if have.cut || have.product != c.opt.Version || orphan {
		*foreign++
		return true
	}
	return false
}

// digest keeps what an event says, apart from its attestations and the version
// of the gateway that made it. It takes both out.
func (c *Checker) digest(event map[string]any) keptEvent {
	delete(event, "attestation_list")
	k := keptEvent{class: c.once(fmt.Sprint(event["class_uid"]))}
	if meta, ok := event["metadata"].(map[string]any); ok {
		k.cut, _ = meta["is_truncated"].(bool)
		if product, ok := meta["product"].(map[string]any); ok {
			version, _ := product["version"].(string)
			k.product = c.once(version)
			delete(product, "version")
		}
	}
	k.digest = sha256.Sum256(ocsf.Canonical(event))
	return k
}

// once returns one and the same string for equal ones: a million events say
// little that differs here.
func (c *Checker) once(s string) string {
	if known, ok := c.words[s]; ok {
		return known
	}
	if len(c.words) < 1000 {
		c.words[s] = s
	}
	return s
}

// intact reports whether an event is the one that was sent: whether its second
// attestation has the digest of the rest.
func intact(event map[string]any, own map[string]any) bool {
	print, _ := own["fingerprint"].(map[string]any)
	value, _ := print["value"].(string)
	delete(own, "fingerprint")
	defer func() { own["fingerprint"] = print }()
	sum := sha256.Sum256(ocsf.Canonical(event))
	return value == hex.EncodeToString(sum[:])
}

// tree computes an RFC 6962 root from leaf hashes in their order.
type tree struct {
	size uint64
	// whole holds the roots of the whole subtrees, the largest first.
	whole []tlog.Hash
}

func (t *tree) add(h tlog.Hash) {
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.whole) - 1
		h = tlog.NodeHash(t.whole[last], h)
		t.whole = t.whole[:last]
	}
	t.whole = append(t.whole, h)
	t.size++
}

func (t *tree) root() tlog.Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	h := t.whole[len(t.whole)-1]
	for i := len(t.whole) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.whole[i], h)
	}
	return h
}
