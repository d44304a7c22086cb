// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// sealedRef is a ciphertext that a leaf commits to.
type sealedRef struct {
	leaf uint64
	len  int
}

// checkLeaves checks the checkpoint, that each leaf is in its tree, and that the
// sessions are whole.
func (v *verifier) checkLeaves() {
	v.derived, v.sealed = newDeriver(), map[string]sealedRef{}
	v.sessions = map[sallyport.SessionID]bool{}
	text, ok := v.read(LeavesName, maxFile)
	if !ok {
		return
	}
	checks := map[sallyport.SessionID]*sessionCheck{}
	offset := 0
	next := uint64(0) // lowest index that the next leaf may have
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line = text[:i+1]
		}
		text = text[len(line):]
		l, err := parseLeafLine(line)
		switch {
		case err != nil:
			v.fault(LeavesName, -1, -1, "byte %d of its content: %v", offset, err)
		case l.Index < next:
			v.fault(LeavesName, int64(l.Index), -1, "it is out of order")
		default:
			next = l.Index + 1
			v.leaves = append(v.leaves, l)
			if err := v.checkLeaf(l, checks); err != nil {
				v.fault(LeavesName, int64(l.Index), -1, "%v", err)
			}
		}
		offset += len(line)
	}
	if len(v.leaves) != v.manifest.Leaves {
		v.fault(LeavesName, -1, -1, "it has %d leaves, the manifest counts %d", len(v.leaves), v.manifest.Leaves)
	}
	for _, id := range sortedKeys(checks) {
		v.sessions[id] = true
		if !checks[id].closed {
			v.notice("session %s had not been closed when the bundle was made, or the gateway stopped under it", id)
		}
	}
	v.checkInclusion()
}

// checkLeaf checks what one leaf says by itself and in its session.
func (v *verifier) checkLeaf(l IndexedLeaf, checks map[sallyport.SessionID]*sessionCheck) error {
	leaf, err := ParseLeaf(l.Raw)
	if err != nil {
		return err
	}
	if leaf.Origin != v.manifest.Origin {
		return fmt.Errorf("it belongs to another log")
	}
	if leaf.Session != "" {
		c := checks[leaf.Session]
		if c == nil {
			c = &sessionCheck{}
			checks[leaf.Session] = c
		}
		if err := c.next(l.Raw, leaf); err != nil {
			return err
		}
	}
	if err := v.derived.take(l.Index, leaf); err != nil {
		return err
	}
	v.count(leaf.Type)
	if err := v.follow(leaf); err != nil {
		return err
	}
	return v.noteSealed(l.Index, leaf)
}

func (v *verifier) count(t Type) {
	v.report.Leaves++
	switch t {
	case TypeSessionOpen:
		v.report.Sessions++
	case TypeIntent:
		v.report.Statements++
	case TypeDenial:
		v.report.Denials++
	case TypeMasking:
		v.report.Masked++
	case TypeRecording:
		v.report.Recordings++
	}
}

// noteSealed checks the ciphertext that a leaf holds, or notes the digest of one
// that is kept outside.
func (v *verifier) noteSealed(index uint64, leaf parsedLeaf) error {
	var s *Sealed
	switch leaf.Type {
	case TypeIntent:
		b, err := Body[Intent](leaf)
		if err != nil {
			return err
		}
		s = b.Sealed
	case TypeDenial:
		b, err := Body[Denial](leaf)
		if err != nil {
			return err
		}
		s = b.Sealed
	case TypeRecording:
		b, err := Body[Recording](leaf)
		if err != nil {
			return err
		}
		s = &b.Sealed
	}
	switch {
	case s == nil:
	case len(s.Data) == 0:
		v.sealed[s.SHA256] = sealedRef{leaf: index, len: s.Len}
	case len(s.Data) != s.Len || Digest(s.Data) != s.SHA256:
		return fmt.Errorf("the ciphertext in it is not the one that it commits to")
	}
	return nil
}

// follow keeps track of when the gateway was alive.
func (v *verifier) follow(leaf parsedLeaf) error {
	r := &v.report
	last := len(r.Epochs) - 1
	switch leaf.Type {
	case TypeStart:
		b, err := Body[Start](leaf)
		if err != nil {
			return err
		}
		if last >= 0 && b.Epoch != r.Epochs[last].Number+1 {
			v.notice("the epoch after %d is %d: starts of the gateway are missing from the bundle", r.Epochs[last].Number, b.Epoch)
		}
		if last >= 0 && b.Epoch == r.Epochs[last].Number+1 && b.Clean != r.Epochs[last].Stopped {
			return fmt.Errorf("it says otherwise of the end of the epoch before it than that epoch's leaves")
		}
		r.Epochs = append(r.Epochs, Epoch{Number: b.Epoch, Start: leaf.Time, End: leaf.Time, Clean: b.Clean})
	case TypeStop:
		if last >= 0 {
			r.Epochs[last].End, r.Epochs[last].Stopped = leaf.Time, true
		}
	case TypeHeartbeat:
		b, err := Body[Heartbeat](leaf)
		if err != nil {
			return err
		}
		if last < 0 {
			r.Epochs = append(r.Epochs, Epoch{Start: leaf.Time, End: leaf.Time})
			break
		}
		v.every = time.Duration(b.Every) * time.Millisecond
		v.silence(r.Epochs[last].End, leaf.Time)
		r.Epochs[last].End = leaf.Time
	case TypeGap:
		b, err := Body[Gap](leaf)
		if err != nil {
			return err
		}
		r.Silences = append(r.Silences, Silence{From: b.Since, To: leaf.Time, Reason: b.Reason})
	}
	return nil
}

// silence notes a stretch between two signs of life that is much longer than
// the pace.
func (v *verifier) silence(from, to time.Time) {
	if from.Before(v.manifest.From) {
		from = v.manifest.From // earlier heartbeats are left out of the bundle
	}
	every := v.every
	if every <= 0 || to.Sub(from) <= every*5/2 {
		return
	}
	missing := int64(to.Sub(from)/every) - 1
	v.report.Silences = append(v.report.Silences, Silence{From: from, To: to, Reason: fmt.Sprintf("%d heartbeats are missing", missing)})
}

// checkInclusion checks the checkpoint and the proof of every leaf.
func (v *verifier) checkInclusion() {
	signed, ok := v.read(CheckpointName, maxSmall)
	if !ok {
		return
	}
	cp, err := OpenCheckpoint(signed, note.VerifierList(v.known...))
	if err != nil {
		v.fault(CheckpointName, -1, -1, "it does not verify: %v", err)
		return
	}
	m := &v.manifest
	if cp.Origin != m.Origin || cp.Size != m.TreeSize || cp.Root.String() != m.Root {
		v.fault(CheckpointName, -1, -1, "it is not the checkpoint that the manifest names")
		return
	}
	text, ok := v.read(ProofsName, maxFile)
	if !ok {
		return
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	if len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	if len(lines) != len(v.leaves) {
		v.fault(ProofsName, -1, -1, "it has %d proofs for %d leaves", len(lines), len(v.leaves))
		return
	}
	for i, line := range lines {
		if err := checkProofLine(line, v.leaves[i], cp); err != nil {
			v.fault(ProofsName, int64(v.leaves[i].Index), -1, "%v", err)
		}
	}
	v.report.WholeLog = uint64(len(v.leaves)) == cp.Size && v.report.OK()
}

func checkProofLine(line []byte, l IndexedLeaf, cp Checkpoint) error {
	var p proofLine
	if err := strictJSON(line, &p); err != nil || p.Index != l.Index {
		return fmt.Errorf("its line is not a proof of this leaf")
	}
	if l.Index >= cp.Size {
		return fmt.Errorf("the checkpoint does not cover it")
	}
	if len(p.Hashes) > maxProof {
		return fmt.Errorf("its proof is too long")
	}
	if err := tlog.CheckRecord(p.Hashes, int64(cp.Size), cp.Root, int64(l.Index), tlog.RecordHash(l.Raw)); err != nil {
		return fmt.Errorf("the log that was signed does not hold this leaf")
	}
	return nil
}

// checkSealed checks the ciphertexts that leaves commit to.
func (v *verifier) checkSealed() {
	missing := map[string]bool{}
	for _, digest := range v.manifest.Missing {
		missing[digest] = true
	}
	for _, digest := range sortedKeys(v.sealed) {
		ref := v.sealed[digest]
		name := RecordingDir + digest
		f := v.files[name]
		switch {
		case f == nil && missing[digest]:
			v.notice("the ciphertext %s, which leaf %d commits to, was no longer stored at the export", digest, ref.leaf)
		case f == nil:
			v.fault(name, int64(ref.leaf), -1, "the ciphertext that the leaf commits to is missing")
		default:
			content, ok := v.read(name, maxFile)
			if ok && (len(content) != ref.len || Digest(content) != digest) {
				v.fault(name, int64(ref.leaf), -1, "it is not the ciphertext that the leaf commits to")
			}
		}
	}
	for _, f := range v.order {
		digest, recording := strings.CutPrefix(f.Name, RecordingDir)
		if _, known := v.sealed[digest]; recording && !known {
			v.fault(f.Name, -1, -1, "no leaf commits to it")
		}
	}
}

// checkReplays checks that replays belong to sessions of the bundle. What they
// say can be checked only with the key of the recording.
func (v *verifier) checkReplays() {
	n := 0
	for _, f := range v.order {
		name, replay := strings.CutPrefix(f.Name, ReplayDir)
		if !replay {
			continue
		}
		n++
		id, ok := strings.CutSuffix(name, ".ndjson")
		if !ok || !v.sessions[sallyport.SessionID(id)] {
			v.fault(f.Name, -1, -1, "it belongs to no session of the bundle")
		}
	}
	if n > 0 {
		v.notice("%d replays were decoded at the export: the manifest's signature covers them, and only the recording's key can prove that they agree with the recordings", n)
	}
}

func (v *verifier) summarise() {
	v.report.MayHaveExecuted = v.derived.mayHaveExecuted()
	if n := len(v.report.Epochs); n > 0 && !v.report.Epochs[n-1].Stopped {
		end := v.manifest.Created
		if to := v.manifest.To; !to.IsZero() && to.Before(end) {
			end = to
		}
		v.silence(v.report.Epochs[n-1].End, end)
	}
	for _, e := range v.report.Epochs {
		if e.Number > 1 && !e.Clean {
			v.notice("before epoch %d the gateway did not stop in order", e.Number)
		}
	}
	if !v.report.OK() {
		v.report.WholeLog = false
	}
}
