// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Names of files that a bundle has only when there is something to say.
const (
	// ErasedName lists the sessions of the bundle whose payloads were erased. It
	// is derived from the leaves.
	ErasedName = "erased.json"
	// HalvesName holds the gateway's halves of the keys of exact texts, one
	// [Half] a line, in a bundle that was exported with them.
	HalvesName = "halves.ndjson"
)

// Erased is an entry of [ErasedName].
type Erased struct {
	Session sallyport.SessionID   `json:"session"`
	Why     string                `json:"why"`
	Event   uint64                `json:"event"` // index of the key-destroyed leaf
	At      time.Time             `json:"at"`
	Rule    string                `json:"rule"`
	Class   string                `json:"retention"`
	Expires time.Time             `json:"retained_until"`
	By      sallyport.PrincipalID `json:"by,omitempty"`
	Reason  string                `json:"reason,omitempty"`
	Keys    []string              `json:"keys"`    // that open nothing any more
	Missing []string              `json:"missing"` // digests of the ciphertexts outside of leaves, which are gone
}

// Half is the gateway's half of the key of a session's exact texts.
type Half struct {
	Session sallyport.SessionID `json:"session"`
	Key     string              `json:"key"` // [WrappedKey.ID]
	Half    []byte              `json:"half"`
}

// erasures gathers what leaves say of sessions whose payloads were erased.
type erasures struct {
	sessions map[sallyport.SessionID]*payloads
	erased   map[sallyport.SessionID]Erased
}

// payloads is what a session keeps outside of its leaves.
type payloads struct {
	first uint64 // index of the session's first leaf
	blobs []string
}

func newErasures() erasures {
	return erasures{sessions: map[sallyport.SessionID]*payloads{}, erased: map[sallyport.SessionID]Erased{}}
}

// take looks at one event.
func (x erasures) take(e event) {
	if b, ok := e.body.(*KeyDestroyed); ok {
		if _, known := x.erased[b.OfSession]; !known {
			x.erased[b.OfSession] = Erased{
				Session: b.OfSession, Why: b.Say(e.index, e.leaf.Time), Event: e.index, At: e.leaf.Time.UTC(), Rule: b.Rule, Class: b.Class,
				Expires: b.Expires.UTC(), By: b.By, Reason: b.Reason, Keys: b.Keys,
			}
		}
		return
	}
	if e.leaf.Session == "" {
		return
	}
	p := x.sessions[e.leaf.Session]
	if p == nil {
		p = &payloads{first: e.index}
		x.sessions[e.leaf.Session] = p
	}
	if s := e.sealed(); s != nil && len(s.Data) == 0 {
		p.blobs = append(p.blobs, s.SHA256)
	}
}

// list returns the erased sessions in the order of their first leaves.
func (x erasures) list() []Erased {
	var out []Erased
	for _, id := range sortedBy(x.sessions, func(p *payloads) uint64 { return p.first }) {
		if e, ok := x.erased[id]; ok {
			e.Missing = append([]string{}, x.sessions[id].blobs...)
			out = append(out, e)
		}
	}
	return out
}

// file is the content of [ErasedName], nil when no session was erased.
func (x erasures) file() ([]byte, error) {
	list := x.list()
	if len(list) == 0 {
		return nil, nil
	}
	b, err := json.MarshalIndent(list, "", "  ")
	return append(b, '\n'), err
}

// checkErased says of each erased session why its payloads are missing. That the
// bundle's own list says the same was compared when it was derived.
func (v *verifier) checkErased() {
	if v.derived == nil {
		return
	}
	list := v.derived.erasures.list()
	if len(list) == 0 && v.files[ErasedName] != nil {
		v.fault(ErasedName, -1, -1, "no leaf says that a session was erased")
	}
	for _, e := range list {
		v.notice("session %s: its exact texts and its recording were %s", e.Session, e.Why)
	}
	for _, text := range v.derived.pruned {
		v.notice("%s", text)
	}
}

// checkHalves checks that halves of keys belong to sessions of the bundle, and
// says that they are there.
func (v *verifier) checkHalves() {
	if v.files[HalvesName] == nil {
		return
	}
	text, ok := v.read(HalvesName, maxHalves)
	if !ok {
		return
	}
	halves, err := ParseHalves(text)
	if err != nil {
		v.fault(HalvesName, -1, -1, "%v", err)
		return
	}
	for _, h := range halves {
		if !slices.ContainsFunc(v.keys[h.Session], func(w WrappedKey) bool { return w.ID == h.Key && w.To == ToSession && w.Purpose == PurposeText }) {
			v.fault(HalvesName, -1, -1, "it has a half of a key that is of no session of the bundle")
		}
	}
	v.notice("the bundle holds the gateway's halves of %d key(s): with an auditor's identity it opens exact texts without a further record", len(halves))
}

// maxHalves bounds the file of halves: 200 bytes each.
const maxHalves = 1 << 28

// AppendHalfLine appends a line of [HalvesName].
func AppendHalfLine(dst []byte, h Half) ([]byte, error) {
	b, err := marshalValue(h)
	if err != nil {
		return dst, fmt.Errorf("bundle write: %w", err)
	}
	return append(append(dst, b...), '\n'), nil
}

// ParseHalves reads [HalvesName].
func ParseHalves(text []byte) ([]Half, error) {
	var out []Half
	for n := 1; len(text) > 0; n++ {
		line, rest, ok := bytes.Cut(text, []byte("\n"))
		if !ok {
			return nil, fmt.Errorf("its last line is cut short")
		}
		text = rest
		var h Half
		if err := strictJSON(line, &h); err != nil || len(h.Half) != HalfSize {
			return nil, fmt.Errorf("line %d is not half of a key", n)
		}
		out = append(out, h)
	}
	return out, nil
}
