// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package export builds evidence bundles: it selects leaves of the ledger, adds
// the proofs that they are in it, what was recorded, and the tables that say the
// same in an auditor's words. The format and its verification are in package
// evidence.
package export

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
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
	// Proof proves a leaf in the tree of the first size leaves.
	Proof func(ctx context.Context, index, size uint64) (tlog.RecordProof, error)
	// Blob returns a ciphertext by the hex SHA-256 of it. An error of the kind
	// NotFound means that it was erased, which the bundle then says.
	Blob func(ctx context.Context, digest string) ([]byte, error)
	// Replay decodes what the client of a session saw, masked, as one JSON object
	// a line. It is nil where the exporter may not read recordings; an error of
	// the kind NotFound means that this one cannot be decoded any more.
	Replay func(ctx context.Context, session sallyport.SessionID, leaves []evidence.IndexedLeaf) ([]byte, error)
	// Halves returns the gateway's halves of the keys of exact texts in leaves. It
	// is nil unless the bundle is to be opened without the gateway.
	Halves func(ctx context.Context, leaves []evidence.IndexedLeaf) ([]evidence.Half, error)
	// Minimum returns the lowest index that the log keeps; nil means that nothing
	// was pruned. A session that began below it is left out.
	Minimum func() uint64
	// Signer signs the manifest; its key must be among Keys.
	Signer     note.Signer
	Keys       []string // verifier keys (signed-note vkeys) of the ledger
	Recipients []string // age recipients for whom exact texts are sealed
	Now        func() time.Time
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
	b := builder{src: src, out: evidence.NewWriter(w), cp: cp, sessions: map[sallyport.SessionID][]evidence.IndexedLeaf{}}
	b.summary = Summary{TreeSize: cp.Size, Root: cp.Root.String()}
	if err := b.static(signed); err != nil {
		return Summary{}, err
	}
	leaves, err := b.gather(ctx, choice)
	if err != nil {
		return Summary{}, err
	}
	if err := b.leaves(ctx, leaves); err != nil {
		return Summary{}, err
	}
	if err := b.payloads(ctx); err != nil {
		return Summary{}, err
	}
	m := evidence.Manifest{
		Origin: cp.Origin, Created: src.Now(), TreeSize: cp.Size, Root: cp.Root.String(), Filter: f.String(),
		From: choice.from, To: choice.to, Leaves: len(leaves), Missing: b.missing,
	}
	b.summary.Leaves, b.summary.Sessions, b.summary.Missing = len(leaves), len(b.sessions), len(b.missing)
	return b.summary, b.out.Close(m, src.Signer)
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
	src      Source
	out      *evidence.Writer
	cp       evidence.Checkpoint
	summary  Summary
	order    []sallyport.SessionID
	sessions map[sallyport.SessionID][]evidence.IndexedLeaf
	blobs    []string
	missing  []string
}

// static writes what does not depend on the leaves.
func (b *builder) static(signed []byte) error {
	files := evidence.StaticFiles()
	keys, err := json.MarshalIndent(evidence.Keys{Verifiers: b.src.Keys, Recipients: append([]string{}, b.src.Recipients...)}, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	files = append(files, evidence.File{Name: evidence.KeysName, Content: append(keys, '\n')})
	files = append(files, evidence.File{Name: evidence.CheckpointName, Content: signed})
	return b.add(files)
}

func (b *builder) add(files []evidence.File) error {
	for _, f := range files {
		if err := b.out.Add(f.Name, f.Content); err != nil {
			return err
		}
	}
	return nil
}

// gather reads the chosen leaves.
func (b *builder) gather(ctx context.Context, c *choice) ([]evidence.IndexedLeaf, error) {
	var leaves []evidence.IndexedLeaf
	seen := map[string]bool{}
	err := b.scan(ctx, func(index uint64, raw []byte, leaf parsedLeaf) error {
		chosen, err := c.takes(index, leaf)
		if err != nil || !chosen || b.cut(leaf) {
			return err
		}
		l := evidence.IndexedLeaf{Index: index, Raw: append([]byte{}, raw...)}
		leaves = append(leaves, l)
		if leaf.Session != "" {
			if b.sessions[leaf.Session] == nil {
				b.order = append(b.order, leaf.Session)
			}
			b.sessions[leaf.Session] = append(b.sessions[leaf.Session], l)
		}
		sealed, err := evidence.SealedOf(leaf)
		if sealed != nil && len(sealed.Data) == 0 && !seen[sealed.SHA256] {
			seen[sealed.SHA256] = true
			b.blobs = append(b.blobs, sealed.SHA256)
		}
		return err
	})
	return leaves, err
}

// scan reads the log up to the bundle's checkpoint.
func (b *builder) scan(ctx context.Context, fn func(uint64, []byte, parsedLeaf) error) error {
	return scan(ctx, b.src, b.cp.Size, fn)
}

// leaves writes the leaves, their proofs, and what is derived from them.
func (b *builder) leaves(ctx context.Context, leaves []evidence.IndexedLeaf) error {
	var lines, proofs []byte
	for _, l := range leaves {
		lines = evidence.AppendLeafLine(lines, l)
		proof, err := b.src.Proof(ctx, l.Index, b.cp.Size)
		if err != nil {
			return err
		}
		if proofs, err = evidence.AppendProofLine(proofs, l.Index, proof); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	derived, err := evidence.Derive(leaves)
	if err != nil {
		return err
	}
	files := []evidence.File{{Name: evidence.LeavesName, Content: lines}, {Name: evidence.ProofsName, Content: proofs}}
	if err := b.add(append(files, derived...)); err != nil {
		return err
	}
	return b.retention(ctx, leaves)
}

// payloads writes the ciphertexts and the decoded replays.
func (b *builder) payloads(ctx context.Context) error {
	if b.src.Replay != nil {
		for _, id := range b.order {
			if !recorded(b.sessions[id]) {
				continue
			}
			text, err := b.src.Replay(ctx, id, b.sessions[id])
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
