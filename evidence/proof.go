// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is what a signed checkpoint says (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string
	Size   uint64 // number of leaves
	Root   tlog.Hash
}

// Text returns the body of the note that is signed.
func (c Checkpoint) Text() string { return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root) }

// OpenCheckpoint verifies the signature of a checkpoint and reads it. Extension
// lines are refused: this log writes none.
func OpenCheckpoint(signed []byte, known note.Verifiers) (Checkpoint, error) {
	n, err := note.Open(signed, known)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint's signature: %w", err)
	}
	// The last letter of a base64 text has bits that mean nothing, and that package
	// note lets be anything: one signature would have several forms.
	for _, s := range append(n.Sigs, n.UnverifiedSigs...) {
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
			return Checkpoint{}, fmt.Errorf("the checkpoint's signature is not in its canonical form")
		}
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 {
		return Checkpoint{}, fmt.Errorf("the checkpoint has %d lines instead of 3", len(lines)-1)
	}
	c := Checkpoint{Origin: lines[0]}
	if c.Size, err = strconv.ParseUint(lines[1], 10, 63); err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint's size is not a number")
	}
	if c.Root, err = tlog.ParseHash(lines[2]); err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint's root: %w", err)
	}
	if c.Text() != n.Text {
		return Checkpoint{}, fmt.Errorf("the checkpoint is not in its canonical form")
	}
	return c, nil
}

const (
	proofHeader = "c2sp.org/tlog-proof@v1\n"
	// maxProof bounds the hashes of an inclusion proof: a tree of 2^63 leaves
	// needs no more.
	maxProof = 63
)

// FormatProof writes an inclusion proof in the form of C2SP tlog-proof: all that
// is needed, besides the leaf and the log's key, to check it.
func FormatProof(index uint64, proof tlog.RecordProof, checkpoint []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%sindex %d\n", proofHeader, index)
	for _, h := range proof {
		fmt.Fprintf(&b, "%s\n", h)
	}
	b.WriteByte('\n')
	b.Write(checkpoint)
	return b.Bytes()
}

// ParseProof is the inverse of FormatProof. Extra data, which the format allows
// and does not authenticate, is dropped.
func ParseProof(b []byte) (index uint64, proof tlog.RecordProof, checkpoint []byte, err error) {
	bad := func(what string) (uint64, tlog.RecordProof, []byte, error) {
		return 0, nil, nil, fmt.Errorf("tlog-proof: %s", what)
	}
	head, checkpoint, ok := bytes.Cut(b, []byte("\n\n"))
	text, isProof := strings.CutPrefix(string(head)+"\n", proofHeader)
	if !ok || !isProof {
		return bad("the header or the checkpoint is missing")
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	if len(lines) == 0 || len(lines) > maxProof+1 {
		return bad("it has too few or too many lines")
	}
	digits, ok := strings.CutPrefix(lines[0], "index ")
	index, perr := strconv.ParseUint(digits, 10, 63)
	if !ok || perr != nil || strconv.FormatUint(index, 10) != digits {
		return bad("the index is malformed")
	}
	for _, line := range lines[1:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return bad("a hash is malformed")
		}
		proof = append(proof, h)
	}
	return index, proof, checkpoint, nil
}

// VerifyProof checks a proof in the form of C2SP tlog-proof: that the log which
// known has the key of has the leaf. It returns the leaf's index and the
// checkpoint.
func VerifyProof(leaf, proof []byte, known note.Verifiers) (uint64, Checkpoint, error) {
	index, hashes, signed, err := ParseProof(proof)
	if err != nil {
		return 0, Checkpoint{}, err
	}
	cp, err := OpenCheckpoint(signed, known)
	if err != nil {
		return 0, Checkpoint{}, err
	}
	if index >= cp.Size {
		return 0, Checkpoint{}, fmt.Errorf("leaf %d is not in a tree of %d", index, cp.Size)
	}
	return index, cp, tlog.CheckRecord(hashes, int64(cp.Size), cp.Root, int64(index), tlog.RecordHash(leaf))
}
