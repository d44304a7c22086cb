// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ocsf

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// Version is the version of the OCSF schema that the events follow.
const Version = "1.9.0"

// MinEvent is the least that [Options] may bound an event to, in bytes.
const MinEvent = 4 << 10

// Options say whose log it is.
type Options struct {
	Origin string
	// Product is the version of the gateway, for metadata.product.
	Product string
	// MaxEvent bounds an event in bytes; zero sets no bound. A longer one loses
	// texts and lists, never its place in the log, and says so in
	// metadata.is_truncated.
	MaxEvent int
}

// Ref is what the event after it says of an event.
type Ref struct {
	Index   uint64
	TypeUID int64
	Hash    tlog.Hash // of the leaf
}

// UID is the metadata.uid of the event.
func UID(origin string, index uint64) string { return fmt.Sprintf("%s#%d", origin, index) }

// Event is one event in its written form.
type Event struct {
	Ref
	Type     evidence.Type
	Time     time.Time
	Severity int    // severity_id
	JSON     []byte // RFC 8785, without a newline
}

// Mapper turns the leaves of one log into events. It has to see the leaves in
// their order, because those of a session do not say whose it is: it remembers
// the sessions that are open. It is used by one goroutine at a time.
type Mapper struct {
	opt      Options
	sessions map[sallyport.SessionID]*opened
}

// opened is an open session.
type opened struct {
	first uint64 // index of its session-open
	at    time.Time
	evidence.SessionOpen
}

// New returns a mapper that has seen nothing.
func New(opt Options) *Mapper {
	return &Mapper{opt: opt, sessions: map[sallyport.SessionID]*opened{}}
}

// Low returns the index from which on another mapper has to read to know the
// sessions that this one knows, when it goes on at next.
func (m *Mapper) Low(next uint64) uint64 {
	for _, s := range m.sessions {
		next = min(next, s.first)
	}
	return next
}

// Follow takes note of a leaf without making an event of it.
func (m *Mapper) Follow(index uint64, raw []byte) {
	if leaf, err := evidence.ParseLeaf(raw); err == nil {
		m.before(index, leaf)
		m.after(leaf)
	}
}

// before notes what a leaf says about the sessions, for its own event as well.
func (m *Mapper) before(index uint64, leaf parsed) {
	switch leaf.Type {
	case evidence.TypeStart: // sessions do not outlive their gateway
		clear(m.sessions)
	case evidence.TypeSessionOpen:
		if b, err := evidence.Body[evidence.SessionOpen](leaf); err == nil {
			b.Keys = nil
			m.sessions[leaf.Session] = &opened{first: index, at: leaf.Time, SessionOpen: b}
		}
	}
}

// after forgets a session that a leaf has closed.
func (m *Mapper) after(leaf parsed) {
	if leaf.Type == evidence.TypeSessionClose {
		delete(m.sessions, leaf.Session)
	}
}

type parsed = evidence.Leaf[json.RawMessage]

// Map returns the event of the next leaf. The event before it and the
// checkpoint are named where they are known.
func (m *Mapper) Map(index uint64, raw []byte, prev *Ref, cp *evidence.Checkpoint) Event {
	ref := Ref{Index: index, Hash: tlog.RecordHash(raw)}
	leaf, err := evidence.ParseLeaf(raw)
	d := &draft{origin: m.opt.Origin, product: m.opt.Product, index: index, leaf: leaf, set: obj{}, severity: informational}
	if err != nil {
		d.leaf = parsed{}
		d.is(baseEvent, 99, "Unreadable")
		d.severity = high
		d.set["message"] = "A record that this release cannot read"
	} else {
		m.before(index, leaf)
		d.session = m.sessions[leaf.Session]
		d.describe()
		m.after(leaf)
	}
	ref.TypeUID = int64(d.class.uid*100 + d.activity)
	tree := d.tree()
	line := seal(tree, m.opt.Origin, ref, prev, cp)
	if full := len(line); m.opt.MaxEvent > 0 && full > m.opt.MaxEvent {
		for level := 1; level <= shortest && len(line) > m.opt.MaxEvent; level++ {
			shorten(tree, level, full)
			line = seal(tree, m.opt.Origin, ref, prev, cp)
		}
	}
	return Event{Ref: ref, Type: d.leaf.Type, Time: d.leaf.Time, Severity: d.severity, JSON: line}
}

// seal puts the attestations into an event and returns its written form.
func seal(tree obj, origin string, ref Ref, prev *Ref, cp *evidence.Checkpoint) []byte {
	uid := UID(origin, ref.Index)
	ledger := obj{
		"uid": uid, "authority_uid": origin, "chain_uid": origin,
		"fingerprint": fingerprint(ref.Hash, 99, "RFC 6962 leaf"),
	}
	if prev != nil {
		ledger["prev_event"] = obj{
			"uid": UID(origin, prev.Index), "type_uid": prev.TypeUID, "fingerprint": fingerprint(prev.Hash, 99, "RFC 6962 leaf"),
		}
	}
	if cp != nil && ref.Index < cp.Size {
		ledger["signatures"] = []any{obj{
			"algorithm_id": 99, "algorithm": "Ed25519",
			"serialization_id": 99, "serialization": fmt.Sprintf("C2SP tlog-checkpoint of %d leaves", cp.Size),
			"digest": fingerprint(cp.Root, 99, "RFC 6962 tree"),
		}}
	}
	event := obj{"uid": uid + "/event", "authority_uid": origin}
	tree["attestation_list"] = []any{ledger, event}
	line := Canonical(tree)
	// The digest comes into the entry that it is not of. Written again, the whole
	// would be the same; the first object of this form is the entry, for nothing
	// before the list has an authority_uid.
	entry := Canonical(event)
	at := bytes.Index(line, entry)
	event["fingerprint"] = fingerprint(sha256.Sum256(line), 2, "JCS")
	whole := Canonical(event)
	return slices.Concat(line[:at], whole, line[at+len(entry):])
}

func fingerprint(h tlog.Hash, serialization int, name string) obj {
	return obj{
		"algorithm_id": 3, "algorithm": "SHA-256", "value": hex.EncodeToString(h[:]), "encoding_id": 1, "encoding": "Hex",
		"serialization_id": serialization, "serialization": name,
	}
}

// The severities of OCSF that are used.
const (
	informational = 1
	low           = 2
	medium        = 3
	high          = 4
)

var severityNames = [...]string{"Unknown", "Informational", "Low", "Medium", "High"}

// draft is an event that is being put together.
type draft struct {
	origin, product string
	index           uint64
	leaf            parsed
	session         *opened // of the leaf's session, when it is known
	class           class
	activity        int
	name            string // of the activity
	severity        int
	profiles        []any
	body            any // what the leaf's body is shipped as
	set             obj // attributes of the class
}

// is sets class and activity. A name is needed for those that the class does not
// name.
func (d *draft) is(c class, activity int, name string) {
	if known, ok := c.activities[activity]; ok {
		name = known
	}
	d.class, d.activity, d.name = c, activity, name
}

func (d *draft) profile(name string) { d.profiles = append(d.profiles, name) }

// tree returns the event without its attestations.
func (d *draft) tree() obj {
	d.profile("record_integrity")
	t := d.set
	t["class_uid"], t["class_name"] = d.class.uid, d.class.name
	t["category_uid"], t["category_name"] = d.class.category, d.class.categoryName
	t["activity_id"], t["activity_name"] = d.activity, d.name
	t["type_uid"], t["type_name"] = d.class.uid*100+d.activity, d.class.name+": "+d.name
	t["severity_id"], t["severity"] = d.severity, severityNames[d.severity]
	t["time"] = d.leaf.Time.UnixMilli()
	if d.leaf.Time.IsZero() {
		t["time"] = 0
	}
	meta := obj{
		"version": Version, "uid": UID(d.origin, d.index), "original_event_uid": fmt.Sprint(d.index),
		"log_name": d.origin, "log_provider": "sallyport", "profiles": d.profiles,
		"product": obj{"name": "Sallyport", "vendor_name": "The Sallyport Authors", "version": or(d.product, "unknown")},
	}
	// sequence is a 32-bit integer in OCSF; the index itself is in unmapped.
	if d.index <= math.MaxInt32 {
		meta["sequence"] = d.index
	}
	put(meta, "event_code", string(d.leaf.Type))
	if d.leaf.Session != "" {
		meta["correlation_uid"] = string(d.leaf.Session)
	}
	t["metadata"] = meta
	own := obj{"origin": d.origin, "index": d.index}
	put(own, "type", string(d.leaf.Type))
	if d.leaf.Session != "" {
		own["session"], own["seq"] = string(d.leaf.Session), d.leaf.Seq
		put(own, "prev", d.leaf.Prev)
	}
	if d.body != nil {
		own["body"] = d.body
	}
	t["unmapped"] = obj{"sallyport": own}
	return t
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}
