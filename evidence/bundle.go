// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// BundleFormat names the layout of the bundles that this package writes and
// reads.
const BundleFormat = "sallyport-evidence/1"

// Names in a bundle.
const (
	ReadmeName     = "README.md"
	CheckName      = "check.py"
	ManifestName   = "manifest.json"
	SignatureName  = "manifest.json.sig"
	CheckpointName = "checkpoint"
	KeysName       = "keys.json"
	LeavesName     = "leaves.ndjson"
	ProofsName     = "proofs.ndjson"
	PolicyDir      = "policies/"
	ReplayDir      = "replay/"
	RecordingDir   = "recordings/"
)

// Manifest lists what is in a bundle. It is itself signed, see [SignatureName].
type Manifest struct {
	Format   string    `json:"format"`
	Origin   string    `json:"origin"`
	Created  time.Time `json:"created"`
	TreeSize uint64    `json:"tree_size"`
	Root     string    `json:"root"` // base64, as in the checkpoint
	Filter   string    `json:"filter"`
	// From and To bound the time of which the bundle shows whether the gateway
	// was alive; zero where it is not bounded.
	From   time.Time      `json:"from,omitzero"`
	To     time.Time      `json:"to,omitzero"`
	Leaves int            `json:"leaves"`
	Files  []ManifestFile `json:"files"`
	// Missing lists digests of ciphertexts that leaves commit to and that were no
	// longer stored when the bundle was made.
	Missing []string `json:"missing"`
}

// ManifestFile is a file of the bundle. Both digests are hex SHA-256: of the
// content, and of the bytes as they lie in the archive.
type ManifestFile struct {
	Name   string `json:"name"`
	Bytes  uint64 `json:"bytes"`
	SHA256 string `json:"sha256"`
	Packed string `json:"packed_sha256"`
}

// Keys is the content of [KeysName].
type Keys struct {
	// Verifiers are the keys (signed-note vkeys) that signed the checkpoint and
	// the manifest. An auditor compares them with a copy got another way.
	Verifiers []string `json:"verifiers"`
	// Recipients are the age recipients for whom the exact statements are sealed.
	Recipients []string `json:"recipients"`
}

// IndexedLeaf is a leaf with its index in the log.
type IndexedLeaf struct {
	Index uint64
	Raw   []byte
}

// signatureText is what the signature over a manifest signs.
func signatureText(origin string, manifest []byte) string {
	return fmt.Sprintf("sallyport.dev/evidence-manifest/v1\n%s\nsha256:%s\n", origin, Digest(manifest))
}

// Writer writes a bundle. Add the files, then Close.
type Writer struct {
	zip   zipWriter
	files []ManifestFile
	seen  map[string]bool
}

// NewWriter begins a bundle.
func NewWriter(w io.Writer) *Writer {
	return &Writer{zip: zipWriter{w: w}, seen: map[string]bool{}}
}

// Add writes a file. Names are relative, slash-separated and plain ASCII.
func (w *Writer) Add(name string, content []byte) error {
	if !validName(name) || w.seen[name] || name == ManifestName || name == SignatureName {
		return fmt.Errorf("bundle write: %q is not a name for a file", name)
	}
	w.seen[name] = true
	method, packed, err := pack(content)
	if err != nil {
		return fmt.Errorf("bundle write: %w", err)
	}
	w.files = append(w.files, ManifestFile{Name: name, Bytes: uint64(len(content)), SHA256: Digest(content), Packed: Digest(packed)})
	return w.zip.add(name, method, packed, content)
}

// Close completes the manifest with the files, signs it, and ends the archive.
// It does not close the underlying writer.
func (w *Writer) Close(m Manifest, signers ...note.Signer) error {
	m.Format, m.Files = BundleFormat, w.files
	m.Created, m.From, m.To = m.Created.UTC(), m.From.UTC(), m.To.UTC()
	if m.Missing == nil {
		m.Missing = []string{}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("bundle write: %w", err)
	}
	text = append(text, '\n')
	sig, err := note.Sign(&note.Note{Text: signatureText(m.Origin, text)}, signers...)
	if err != nil {
		return fmt.Errorf("bundle write: %w", err)
	}
	// These two are stored as they are: no other digest covers their packed form.
	if err := w.zip.add(ManifestName, zipStore, text, text); err != nil {
		return err
	}
	if err := w.zip.add(SignatureName, zipStore, sig, sig); err != nil {
		return err
	}
	return w.zip.close()
}

// validName reports whether a name may stand in a bundle: it cannot leave the
// directory that the bundle is unpacked to, on any system.
func validName(name string) bool {
	if name == "" || len(name) > 200 {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".") {
			return false
		}
		for _, c := range []byte(part) {
			plain := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_' || c == '.'
			if !plain {
				return false
			}
		}
	}
	return true
}

// A line of leaves.ndjson is the index and then the exact bytes of the leaf, so
// that they can be cut out again: everything between the prefix and the last
// brace.
const (
	leafLinePrefix = "{\"index\":%d,\"leaf\":"
	leafLineSuffix = "}\n"
)

// AppendLeafLine appends the line of a leaf in [LeavesName].
func AppendLeafLine(dst []byte, leaf IndexedLeaf) []byte {
	dst = fmt.Appendf(dst, leafLinePrefix, leaf.Index)
	dst = append(dst, leaf.Raw...)
	return append(dst, leafLineSuffix...)
}

// parseLeafLine is the inverse of AppendLeafLine for a line with its newline.
func parseLeafLine(line []byte) (IndexedLeaf, error) {
	var l IndexedLeaf
	if _, err := fmt.Sscanf(string(line[:min(len(line), 40)]), "{\"index\":%d,", &l.Index); err != nil {
		return l, fmt.Errorf("the line has no index")
	}
	raw, ok := bytes.CutPrefix(line, fmt.Appendf(nil, leafLinePrefix, l.Index))
	raw, end := bytes.CutSuffix(raw, []byte(leafLineSuffix))
	if !ok || !end {
		return l, fmt.Errorf("the line is not in its canonical form")
	}
	l.Raw = raw
	return l, nil
}

// proofLine is a line of proofs.ndjson.
type proofLine struct {
	Index  uint64      `json:"index"`
	Hashes []tlog.Hash `json:"hashes"` // base64, the lowest first
}

// AppendProofLine appends the line of a leaf's inclusion proof in [ProofsName].
func AppendProofLine(dst []byte, index uint64, proof tlog.RecordProof) ([]byte, error) {
	if proof == nil {
		proof = tlog.RecordProof{}
	}
	b, err := json.Marshal(proofLine{Index: index, Hashes: proof})
	if err != nil {
		return dst, err
	}
	return append(append(dst, b...), '\n'), nil
}
