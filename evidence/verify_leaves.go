// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// sealedRef is a ciphertext that a leaf commits to.
type sealedRef struct {
	leaf uint64
	len  int
}

// checkCheckpoint checks the signed checkpoint.
func (v *verifier) checkCheckpoint() (Checkpoint, bool) {
	signed, ok := v.read(CheckpointName, maxSmall)
	if !ok {
		return Checkpoint{}, false
	}
	cp, err := OpenCheckpoint(signed, note.VerifierList(v.known...))
	if err != nil {
		v.fault(CheckpointName, -1, -1, "it does not verify: %v", err)
		return cp, false
	}
	m := &v.manifest
	if cp.Origin != m.Origin || cp.Size != m.TreeSize || cp.Root.String() != m.Root {
		v.fault(CheckpointName, -1, -1, "it is not the checkpoint that the manifest names")
		return cp, false
	}
	v.report.checkpoint = cp
	return cp, true
}

// checkLeaves goes through the leaves once: each in the tree, in its session, and
// in the tables.
func (v *verifier) checkLeaves() {
	if v.treeFile = v.open(TreeName); v.treeFile != nil {
		v.tree = newTreeCheck(v.treeFile)
	}
	var err error
	if v.derived, err = NewDeriver(v.manifest.Scope(), v.compareTo); err != nil {
		v.fault(LeavesName, -1, -1, "the tables cannot be derived from it")
		return
	}
	if c := v.open(LeavesName); c != nil {
		v.readLeaves(newLineReader(c, maxLine))
		c.done()
	}
	if int64(v.leaves) != int64(v.manifest.Leaves) {
		v.fault(LeavesName, -1, -1, "it has %d leaves, the manifest counts %d", v.leaves, v.manifest.Leaves)
	}
	for _, id := range sortedKeys(v.sessions) {
		if !v.sessions[id].closed {
			v.notice("session %s had not been closed when the bundle was made, or the gateway stopped under it", id)
		}
	}
	if err := v.derived.Close(); err != nil {
		v.fault(LeavesName, -1, -1, "the tables cannot be derived from it")
	}
	for _, digest := range v.derived.policies.unknown() {
		v.fault(LeavesName, -1, -1, "the text of the policy %s, which it names, is not in it", digest)
	}
	for _, f := range v.derived.policies.files() {
		if digest := strings.TrimSuffix(strings.TrimPrefix(f.Name, PolicyDir), ".cedar"); Digest(f.Content) != digest {
			v.fault(f.Name, -1, -1, "the policy's text does not have the digest under which it was loaded")
		}
	}
}

func (v *verifier) readLeaves(lines *lineReader) {
	offset, next := 0, uint64(0)
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			v.fault(LeavesName, -1, -1, "byte %d of its content: it cannot be read on", offset)
			return
		}
		l, err := parseLeafLine(line)
		switch {
		case err != nil:
			v.fault(LeavesName, -1, -1, "byte %d of its content: %v", offset, err)
		case l.Index < next:
			v.fault(LeavesName, int64(l.Index), -1, "it is out of order")
		default:
			next = l.Index + 1
			v.leaves++
			if err := v.checkLeaf(l); err != nil {
				v.fault(LeavesName, int64(l.Index), -1, "%v", err)
			}
		}
		offset += len(line)
	}
}

// checkLeaf checks what one leaf says by itself, in its session and in the tree.
func (v *verifier) checkLeaf(l IndexedLeaf) error {
	if v.tree != nil {
		if err := v.tree.leaf(l.Index, tlog.RecordHash(l.Raw)); err != nil {
			v.fault(TreeName, int64(l.Index), -1, "%v", err)
			v.tree = nil
		}
	}
	e, err := parseEvent(l.Index, l.Raw)
	if err != nil {
		return err
	}
	if e.leaf.Origin != v.manifest.Origin {
		return fmt.Errorf("it belongs to another log")
	}
	v.count(e.leaf.Type)
	if e.leaf.Session != "" {
		c := v.sessions[e.leaf.Session]
		if c == nil {
			c = &sessionCheck{}
			v.sessions[e.leaf.Session] = c
		}
		if err := c.next(e); err != nil {
			return err
		}
	}
	if open, ok := e.body.(*SessionOpen); ok && v.files[HalvesName] != nil {
		v.keys[e.leaf.Session] = open.Keys
	}
	if v.leaves == 1 {
		v.firstLeaf = l.Index
	}
	if err := v.noteSealed(e); err != nil {
		return err
	}
	if err := v.checkSeal(e); err != nil {
		return err
	}
	return v.derived.take(e)
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
func (v *verifier) noteSealed(e event) error {
	s := e.sealed()
	switch {
	case s == nil:
	case len(s.Data) == 0:
		v.sealed[s.SHA256] = sealedRef{leaf: e.index, len: s.Len}
	case len(s.Data) != s.Len || Digest(s.Data) != s.SHA256:
		return fmt.Errorf("the ciphertext in it is not the one that it commits to")
	}
	return nil
}

// sealKeyState follows the seals of one epoch.
type sealKeyState struct {
	key   SealKey
	begun bool
}

// checkSeal checks a seal: that the log then was the one that the bundle proves,
// and, with the epoch's key, that it was made at that time.
func (v *verifier) checkSeal(e event) error {
	if start, ok := e.body.(*Start); ok && start.SealKey != nil {
		v.epochKey = start.SealKey.ID
	}
	s := e.seal()
	if s == nil {
		return nil
	}
	v.report.Seals++
	if v.epochKey != "" && s.Key != v.epochKey {
		return fmt.Errorf("its seal is of another epoch's key")
	}
	if v.tree != nil && s.Size > 0 {
		root, ok := v.tree.roots[s.Size]
		switch {
		case !ok && s.Size <= v.firstLeaf: // what was before was pruned, or is not in the bundle
		case !ok:
			return fmt.Errorf("the tree of %d leaves that it seals is not in %s", s.Size, TreeName)
		case base64.StdEncoding.EncodeToString(root[:]) != s.Root:
			return fmt.Errorf("it seals another tree of %d leaves than the log had then", s.Size)
		}
	}
	k := v.sealKeys[s.Key]
	if k == nil {
		return nil
	}
	missing, err := k.key.Check(*s, v.manifest.Origin)
	if err != nil {
		return fmt.Errorf("its seal: %w", err)
	}
	v.report.SealsChecked++
	whole := k.begun || v.manifest.Filter == ""
	k.begun = true
	if missing > 0 && whole {
		return fmt.Errorf("%d seals are missing before its seal: the log was cut or rewritten before it", missing)
	}
	return nil
}

// checkTree compares the root that leaves and subtrees give with the one that was
// signed.
func (v *verifier) checkTree(cp Checkpoint) {
	if v.treeFile != nil {
		defer v.treeFile.done()
	}
	if v.tree == nil {
		return
	}
	root, err := v.tree.finish(cp.Size)
	switch {
	case err != nil:
		v.fault(TreeName, -1, -1, "%v", err)
	case root != cp.Root:
		v.fault(LeavesName, -1, -1, "the log that was signed does not hold these leaves: with %s they do not give its root", TreeName)
	default:
		v.report.WholeLog = v.leaves == cp.Size
	}
}

// checkEarlier compares the log with checkpoints that the caller kept.
func (v *verifier) checkEarlier(cp Checkpoint) {
	for _, signed := range v.opt.Checkpoints {
		old, err := OpenCheckpoint(signed, note.VerifierList(v.known...))
		if err != nil {
			v.fault(CheckpointName, -1, -1, "a checkpoint that you gave does not verify with the keys that you trust")
			continue
		}
		var root tlog.Hash
		known := old.Size == cp.Size
		if root = cp.Root; !known && v.tree != nil {
			root, known = v.tree.roots[old.Size]
		}
		switch {
		case old.Origin != cp.Origin:
			v.fault(CheckpointName, -1, -1, "a checkpoint that you gave is of the log %q", quoted(old.Origin))
		case old.Size > cp.Size:
			v.fault(CheckpointName, -1, -1, "the log had %d leaves by a checkpoint that you gave, and has %d: its end was cut off", old.Size, cp.Size)
		case !known:
			v.fault(TreeName, -1, -1, "it does not show the tree of %d leaves of a checkpoint that you gave; export with that checkpoint", old.Size)
		case root != old.Root:
			v.fault(CheckpointName, -1, -1, "the log did not grow out of a checkpoint that you gave: its first %d leaves were rewritten", old.Size)
		default:
			v.report.Earlier++
		}
	}
}

// checkSealed checks that the ciphertexts are those that leaves commit to. Their
// contents are compared with the manifest's digests elsewhere.
func (v *verifier) checkSealed() {
	missing := map[string]bool{}
	for _, digest := range v.manifest.Missing {
		missing[digest] = true
	}
	for _, digest := range sortedKeys(v.sealed) {
		ref := v.sealed[digest]
		name := RecordingDir + digest
		switch f := v.listed[name]; {
		case v.files[name] == nil && missing[digest]:
			v.notice("the ciphertext %s, which leaf %d commits to, was no longer stored at the export", digest, ref.leaf)
		case v.files[name] == nil:
			v.fault(name, int64(ref.leaf), -1, "the ciphertext that the leaf commits to is missing")
		case f.SHA256 != digest || f.Bytes != uint64(ref.len):
			v.fault(name, int64(ref.leaf), -1, "it is not the ciphertext that the leaf commits to")
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
		if !ok || v.sessions[sallyport.SessionID(id)] == nil {
			v.fault(f.Name, -1, -1, "it belongs to no session of the bundle")
		}
	}
	if n > 0 {
		v.notice("%d replays were decoded at the export: the manifest's signature covers them, and only the recording's key can prove that they agree with the recordings", n)
	}
}

func (v *verifier) summarise() {
	if d := v.derived; d != nil {
		v.report.MayHaveExecuted, v.report.Epochs, v.report.Record = d.unsettled, d.life.epochs, d.life.completeness()
		v.report.Notices = append(v.report.Notices, d.life.notices...)
	}
	if !v.report.OK() {
		v.report.WholeLog = false
	}
}
