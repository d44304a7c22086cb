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

// DeriveErased returns what [ErasedName] must say about leaves; nothing when no
// session among them was erased.
func DeriveErased(leaves []IndexedLeaf) ([]byte, error) {
	list, err := erasures(leaves)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	b, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("bundle write: %w", err)
	}
	return append(b, '\n'), nil
}

// erasures lists the erased sessions in the order of their first leaves.
func erasures(leaves []IndexedLeaf) ([]Erased, error) {
	var order []sallyport.SessionID
	blobs := map[sallyport.SessionID][]string{}
	erased := map[sallyport.SessionID]Erased{}
	for _, l := range leaves {
		leaf, err := ParseLeaf(l.Raw)
		if err != nil {
			return nil, err
		}
		if leaf.Type == TypeKeyDestroyed {
			b, err := Body[KeyDestroyed](leaf)
			if err != nil {
				return nil, err
			}
			if _, known := erased[b.OfSession]; !known {
				erased[b.OfSession] = Erased{
					Session: b.OfSession, Why: b.Say(l.Index, leaf.Time), Event: l.Index, At: leaf.Time.UTC(), Rule: b.Rule, Class: b.Class,
					Expires: b.Expires.UTC(), By: b.By, Reason: b.Reason, Keys: b.Keys, Missing: []string{},
				}
			}
			continue
		}
		if leaf.Session == "" {
			continue
		}
		if _, known := blobs[leaf.Session]; !known {
			order = append(order, leaf.Session)
			blobs[leaf.Session] = []string{}
		}
		s, err := SealedOf(leaf)
		if err != nil {
			return nil, err
		}
		if s != nil && len(s.Data) == 0 {
			blobs[leaf.Session] = append(blobs[leaf.Session], s.SHA256)
		}
	}
	var out []Erased
	for _, id := range order {
		if e, ok := erased[id]; ok {
			e.Missing = blobs[id]
			out = append(out, e)
		}
	}
	return out, nil
}

// checkErased compares the list of erased sessions with the leaves, and says of
// each why its payloads are missing.
func (v *verifier) checkErased() {
	list, err := erasures(v.leaves)
	if err != nil {
		return // that a leaf cannot be read is a fault already
	}
	want, err := DeriveErased(v.leaves)
	if err != nil {
		v.fault(LeavesName, -1, -1, "the erased sessions cannot be listed from it")
		return
	}
	// A bundle of an older release has no list, and no such leaf either.
	if len(want) > 0 || v.files[ErasedName] != nil {
		got, ok := v.read(ErasedName, maxFile)
		if ok && !bytes.Equal(got, want) {
			v.fault(ErasedName, -1, -1, "it does not say what the leaves say, from byte %d of its content on", firstDifference(got, want))
		}
	}
	for _, e := range list {
		v.notice("session %s: its exact texts and its recording were %s", e.Session, e.Why)
	}
	for _, l := range v.leaves {
		leaf, err := ParseLeaf(l.Raw)
		if err != nil || leaf.Type != TypeLogPruned {
			continue
		}
		if b, err := Body[LogPruned](leaf); err == nil {
			v.notice("the log was pruned up to leaf %d on %s by %s (event %d)", b.Minimum, leaf.Time.UTC().Format(time.DateOnly), b.By, l.Index)
		}
	}
}

// checkHalves checks that halves of keys belong to sessions of the bundle, and
// says that they are there.
func (v *verifier) checkHalves() {
	if v.files[HalvesName] == nil {
		return
	}
	text, ok := v.read(HalvesName, maxFile)
	if !ok {
		return
	}
	halves, err := ParseHalves(text)
	if err != nil {
		v.fault(HalvesName, -1, -1, "%v", err)
		return
	}
	keys := map[sallyport.SessionID][]WrappedKey{}
	for _, l := range v.leaves {
		leaf, err := ParseLeaf(l.Raw)
		if err != nil || leaf.Type != TypeSessionOpen {
			continue
		}
		if b, err := Body[SessionOpen](leaf); err == nil {
			keys[leaf.Session] = b.Keys
		}
	}
	for _, h := range halves {
		if !slices.ContainsFunc(keys[h.Session], func(w WrappedKey) bool { return w.ID == h.Key && w.To == ToSession && w.Purpose == PurposeText }) {
			v.fault(HalvesName, -1, -1, "it has a half of a key that is of no session of the bundle")
		}
	}
	v.notice("the bundle holds the gateway's halves of %d key(s): with an auditor's identity it opens exact texts without a further record", len(halves))
}

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
