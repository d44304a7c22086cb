// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package export builds evidence bundles: it selects leaves of the ledger, adds
// the proofs that they are in it, what was recorded, and the tables that say the
// same in an auditor's words. The format and its verification are in package
// evidence.
package export

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Source is where a bundle's content comes from.
type Source struct {
	// Checkpoint publishes what is durable and returns the signed checkpoint.
	Checkpoint func(ctx context.Context) ([]byte, error)
	// Scan calls fn with each leaf from an index on, in order.
	Scan func(ctx context.Context, from uint64, fn func(index uint64, leaf []byte) error) error
	// Subtree returns the hash of a whole subtree of 2^level leaves in the tree of
	// size leaves.
	Subtree func(ctx context.Context, size uint64, level int, index uint64) (tlog.Hash, error)
	// Blob returns a ciphertext by the hex SHA-256 of it. An error of the kind
	// NotFound means that it was erased, which the bundle then says.
	Blob func(ctx context.Context, digest string) ([]byte, error)
	// Replay decodes what the client of a session saw, masked, as one JSON object
	// a line. It is nil where the exporter may not read recordings; an error of
	// the kind NotFound means that this one cannot be decoded any more.
	// The indexes are those of the session's leaves.
	Replay func(ctx context.Context, session sallyport.SessionID, indexes []uint64) ([]byte, error)
	// Halves returns the gateway's halves of the keys of exact texts in leaves. It
	// is nil unless the bundle is to be opened without the gateway.
	Halves func(ctx context.Context, leaves []evidence.IndexedLeaf) ([]evidence.Half, error)
	// Minimum returns the lowest index that the log keeps; nil means that nothing
	// was pruned. A session that began below it is left out.
	Minimum func() uint64
	// Signers sign the manifest; their keys must be among Keys.
	Signers    []note.Signer
	Keys       []string // verifier keys (signed-note vkeys) of the ledger
	Recipients []string // age recipients for whom exact texts are sealed
	// TrustPolicy is the witness policy in force (C2SP tlog-policy); nil for none.
	TrustPolicy []byte
	Now         func() time.Time
}

// Filter selects what a bundle is about. Fields that are set must all hold. A
// session is always taken whole, with the requests, decisions, grants and
// policies that it rests on. The zero value selects the whole log.
type Filter struct {
	From, To  time.Time // a session counts if it overlaps
	Principal sallyport.PrincipalID
	Resource  sallyport.ResourceID
	Session   sallyport.SessionID
	Grant     sallyport.GrantID
	// AsOf ends the bundle: it has no leaf after it, and shows the state of then.
	AsOf time.Time
	// Sample, when it is not zero, is how many sessions are drawn of those that the
	// rest selects, by [evidence.Draw] with Seed.
	Sample int
	Seed   uint64
	// Earlier are sizes of the log by checkpoints that the auditor kept: the bundle
	// then shows that the log grew out of them. They select nothing.
	Earlier []uint64
	// By and Purpose say who makes the bundle and for what. They select nothing.
	By      sallyport.PrincipalID
	Purpose string
}

// String renders the filter for the manifest and the ledger's export event.
func (f Filter) String() string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	add("from", at(f.From))
	add("to", at(f.To))
	add("principal", string(f.Principal))
	add("resource", string(f.Resource))
	add("session", string(f.Session))
	add("grant", string(f.Grant))
	add("as_of", at(f.AsOf))
	if f.Sample > 0 {
		add("sample", strconv.Itoa(f.Sample))
		add("seed", strconv.FormatUint(f.Seed, 10))
	}
	return strings.Join(parts, " ")
}

// Summary says what a bundle holds.
type Summary struct {
	TreeSize uint64
	Root     string // base64
	Leaves   int
	Sessions int
	Replays  int
	Missing  int // ciphertexts that are no longer stored
}

const op = "evidence export"

// Build writes a bundle to w. Errors: Invalid for a filter that ends before it
// begins, NotFound for a session or a grant that the ledger does not know,
// Integrity when the ledger holds what no gateway writes, Exhausted when the
// bundle would be too large for its format; and those of the source.
func Build(ctx context.Context, w io.Writer, src Source, f Filter) (Summary, error) {
	if !f.From.IsZero() && !f.To.IsZero() && f.To.Before(f.From) {
		return Summary{}, sallyport.E(sallyport.Invalid, op, "the end of the time span lies before its beginning")
	}
	signed, cp, err := src.openCheckpoint(ctx)
	if err != nil {
		return Summary{}, err
	}
	choice, err := choose(ctx, src, f, cp.Size)
	if err != nil {
		return Summary{}, err
	}
	m := evidence.Manifest{
		Origin: cp.Origin, Created: src.Now(), TreeSize: cp.Size, Root: cp.Root.String(), Filter: f.String(), By: string(f.By), Purpose: f.Purpose,
		From: choice.from, To: choice.to, AsOf: f.AsOf, Sample: choice.sample,
	}
	b := builder{src: src, out: evidence.NewWriter(w), cp: cp, sessions: map[sallyport.SessionID]*recorded{}}
	b.summary = Summary{TreeSize: cp.Size, Root: cp.Root.String()}
	if err := b.log(ctx, choice, m.Scope()); err != nil {
		return Summary{}, err
	}
	if err := b.static(signed, choice.sample); err != nil {
		return Summary{}, err
	}
	if err := b.payloads(ctx); err != nil {
		return Summary{}, err
	}
	m.Leaves, m.Missing = b.summary.Leaves, b.missing
	b.summary.Missing = len(b.missing)
	return b.summary, b.out.Close(m, src.Signers...)
}

// openCheckpoint gets a checkpoint and checks it with the keys that go into the
// bundle, so that no bundle is made that could not verify.
func (src Source) openCheckpoint(ctx context.Context) ([]byte, evidence.Checkpoint, error) {
	signed, err := src.Checkpoint(ctx)
	if err != nil {
		return nil, evidence.Checkpoint{}, err
	}
	var known []note.Verifier
	for _, key := range src.Keys {
		v, err := note.NewVerifier(key)
		if err != nil {
			return nil, evidence.Checkpoint{}, sallyport.E(sallyport.Invalid, op, "a verifier key is malformed").Because(err)
		}
		known = append(known, v)
	}
	cp, err := evidence.OpenCheckpoint(signed, note.VerifierList(known...))
	if err != nil {
		return nil, cp, sallyport.E(sallyport.Integrity, op, "the ledger's checkpoint does not verify").Because(err)
	}
	return signed, cp, nil
}

// builder is one bundle in the making.
type builder struct {
	src       Source
	out       *evidence.Writer
	cp        evidence.Checkpoint
	summary   Summary
	rotations []string
	order     []sallyport.SessionID // those with a recording
	sessions  map[sallyport.SessionID]*recorded
	opened    []evidence.IndexedLeaf // where the bundle is to have halves of keys
	blobs     []string
	missing   []string
}

// static writes what does not depend on the leaves.
func (b *builder) static(signed []byte, sample *evidence.Sample) error {
	files := evidence.StaticFiles()
	if sample != nil {
		text, err := sample.File()
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		files = append(files, evidence.File{Name: evidence.SampleName, Content: text})
	}
	keys, err := json.MarshalIndent(evidence.Keys{
		Verifiers: b.src.Keys, Rotations: append([]string{}, b.rotations...), Recipients: append([]string{}, b.src.Recipients...),
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	files = append(files, evidence.File{Name: evidence.KeysName, Content: append(keys, '\n')})
	files = append(files, evidence.File{Name: evidence.CheckpointName, Content: signed})
	if b.src.TrustPolicy != nil {
		files = append(files, evidence.File{Name: evidence.TrustPolicyName, Content: b.src.TrustPolicy})
	}
	for _, f := range files {
		if err := b.out.Add(f.Name, f.Content); err != nil {
			return err
		}
	}
	return nil
}

// log goes through the ledger once more and writes the chosen leaves, the tree
// around them, and what is derived from them.
func (b *builder) log(ctx context.Context, c *choice, scope evidence.Scope) error {
	lines, err := b.out.Create(evidence.LeavesName)
	if err != nil {
		return err
	}
	treeFile, err := b.out.Create(evidence.TreeName)
	if err != nil {
		return err
	}
	tree := evidence.NewTreeWriter(treeFile, b.cp.Size, c.roots, func(level int, index uint64) (tlog.Hash, error) {
		return b.src.Subtree(ctx, b.cp.Size, level, index)
	})
	derived, err := evidence.NewDeriver(scope, b.out.Create)
	if err != nil {
		return err
	}
	var line []byte
	seen := map[string]bool{}
	err = scan(ctx, b.src, b.cp.Size, func(index uint64, raw []byte, leaf parsedLeaf) error {
		if err := b.note(leaf); err != nil {
			return err
		}
		chosen, err := c.takes(index, leaf)
		if err != nil || !chosen || b.cut(leaf) {
			return err
		}
		b.summary.Leaves++
		line = evidence.AppendLeafLine(line[:0], evidence.IndexedLeaf{Index: index, Raw: raw})
		if _, err := lines.Write(line); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		if err := tree.Leaf(index); err != nil {
			return err
		}
		if err := derived.Add(index, raw); err != nil {
			return err
		}
		return b.keep(index, raw, leaf, seen)
	})
	if err != nil {
		return err
	}
	for _, end := range []func() error{lines.Close, tree.Close, treeFile.Close, derived.Close} {
		if err := end(); err != nil {
			return err
		}
	}
	return b.halves(ctx)
}

// note takes in what a bundle needs of all leaves, chosen or not: how keys named
// their successors.
func (b *builder) note(leaf parsedLeaf) error {
	if leaf.Type != evidence.TypeKeyRotate {
		return nil
	}
	r, err := evidence.Body[evidence.KeyRotate](leaf)
	if err == nil && r.Rotation != "" {
		b.rotations = append(b.rotations, r.Rotation)
	}
	return err
}

// recorded is what is known of a session's recording.
type recorded struct {
	indexes []uint64 // of all leaves of the session
	chunks  int
}

// keep remembers what payloads needs of a chosen leaf.
func (b *builder) keep(index uint64, raw []byte, leaf parsedLeaf, seen map[string]bool) error {
	if leaf.Session != "" {
		s := b.sessions[leaf.Session]
		if s == nil {
			s = &recorded{}
			b.sessions[leaf.Session] = s
		}
		s.indexes = append(s.indexes, index)
		switch leaf.Type {
		case evidence.TypeSessionOpen:
			b.summary.Sessions++
			if b.src.Halves != nil {
				b.opened = append(b.opened, evidence.IndexedLeaf{Index: index, Raw: bytes.Clone(raw)})
			}
		case evidence.TypeRecording:
			if s.chunks++; s.chunks == 1 {
				b.order = append(b.order, leaf.Session)
			}
		case evidence.TypeSessionClose:
			if s.chunks == 0 {
				delete(b.sessions, leaf.Session)
			}
		}
	}
	sealed, err := evidence.SealedOf(leaf)
	if sealed != nil && len(sealed.Data) == 0 && !seen[sealed.SHA256] {
		seen[sealed.SHA256] = true
		b.blobs = append(b.blobs, sealed.SHA256)
	}
	return err
}

// payloads writes the ciphertexts and the decoded replays.
func (b *builder) payloads(ctx context.Context) error {
	if b.src.Replay != nil {
		for _, id := range b.order {
			text, err := b.src.Replay(ctx, id, b.sessions[id].indexes)
			if sallyport.KindOf(err) == sallyport.NotFound && err != nil {
				continue
			}
			if err != nil {
				return err
			}
			if err := b.out.Add(evidence.ReplayDir+string(id)+".ndjson", text); err != nil {
				return err
			}
			b.summary.Replays++
		}
	}
	for _, digest := range b.blobs {
		data, err := b.src.Blob(ctx, digest)
		if err != nil && sallyport.KindOf(err) == sallyport.NotFound {
			b.missing = append(b.missing, digest)
			continue
		}
		if err != nil {
			return err
		}
		if err := b.out.Add(evidence.RecordingDir+digest, data); err != nil {
			return err
		}
	}
	return nil
}
