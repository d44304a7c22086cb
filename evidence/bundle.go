// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// BundleFormat names the layout of the bundles that this package writes and
// reads.
const BundleFormat = "sallyport-evidence/2"

// Names in a bundle. Tables have names of their own, see [Tables].
const (
	ReadmeName     = "README.md"
	CheckName      = "check.py"
	VerifierName   = "verify.html"
	ManifestName   = "manifest.json"
	SignatureName  = "manifest.json.sig"
	CheckpointName = "ledger/checkpoint"
	KeysName       = "ledger/keys.json"
	LeavesName     = "ledger/leaves.ndjson"
	TreeName       = "ledger/tree.ndjson"
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
	// By and Purpose say who made the bundle and for what, as the log's export
	// event does.
	By      string `json:"by"`
	Purpose string `json:"purpose"`
	// From and To bound the time of which the bundle shows whether the gateway
	// was alive; zero where it is not bounded.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	AsOf time.Time `json:"as_of,omitzero"` // no leaf is later
	// Sample says how the bundle's sessions were drawn, see [SampleName].
	Sample *Sample        `json:"sample,omitempty"`
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
	// Rotations are the notes by which earlier keys named later ones, oldest first,
	// see [OpenRotation].
	Rotations []string `json:"rotations"`
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

// Writer writes a bundle. Create or Add the files, then Close. It is not safe for
// concurrent use.
type Writer struct {
	zip   zipWriter
	files []ManifestFile
	seen  map[string]bool
	open  int
}

// NewWriter begins a bundle.
func NewWriter(w io.Writer) *Writer {
	return &Writer{zip: zipWriter{w: w}, seen: map[string]bool{}}
}

// Create begins a file; it is in the bundle when it is closed, and is kept in
// memory, packed, until then. Several may be open. Names are relative,
// slash-separated and plain ASCII.
func (w *Writer) Create(name string) (io.WriteCloser, error) {
	if !validName(name) || w.seen[name] || name == ManifestName || name == SignatureName {
		return nil, fmt.Errorf("bundle write: %q is not a name for a file", name)
	}
	p, err := newPacker(name)
	if err != nil {
		return nil, fmt.Errorf("bundle write: %w", err)
	}
	w.seen[name] = true
	w.open++
	return &bundleFile{packer: p, w: w}, nil
}

// bundleFile is a file of a bundle in the making.
type bundleFile struct {
	*packer
	w *Writer
}

// Close puts the file into the bundle.
func (f *bundleFile) Close() error {
	if f.closed {
		return fmt.Errorf("bundle write: %q is closed twice", f.name)
	}
	f.closed = true
	f.w.open--
	if err := f.flate.Close(); err != nil {
		return fmt.Errorf("bundle write: %w", err)
	}
	packed := f.buf.Bytes()
	f.w.files = append(f.w.files, ManifestFile{Name: f.name, Bytes: f.size, SHA256: hex.EncodeToString(f.whole.Sum(nil)), Packed: Digest(packed)})
	return f.w.zip.add(zipEntry{name: f.name, method: zipDeflate, crc: f.crc, packed: uint64(len(packed)), size: f.size}, packed)
}

// Add writes a file of which the content is there.
func (w *Writer) Add(name string, content []byte) error {
	f, err := w.Create(name)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return fmt.Errorf("bundle write: %w", err)
	}
	return f.Close()
}

// Close completes the manifest with the files, has it signed by every signer,
// and ends the archive. It does not close the underlying writer.
func (w *Writer) Close(m Manifest, signers ...note.Signer) error {
	if w.open > 0 {
		return fmt.Errorf("bundle write: %d files are still open", w.open)
	}
	m.Format, m.Files = BundleFormat, w.files
	m.Created, m.From, m.To, m.AsOf = m.Created.UTC(), m.From.UTC(), m.To.UTC(), m.AsOf.UTC()
	if m.Sample != nil {
		m.Sample = new(m.Sample.brief())
	}
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
	for _, f := range []File{{ManifestName, text}, {SignatureName, sig}} {
		if err := w.zip.add(stored(f.Name, f.Content), f.Content); err != nil {
			return err
		}
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

// parseLeafLine is the inverse of AppendLeafLine for a line with its newline. The
// leaf aliases it.
func parseLeafLine(line []byte) (IndexedLeaf, error) {
	const begin, between = `{"index":`, `,"leaf":`
	var l IndexedLeaf
	rest, ok := bytes.CutPrefix(line, []byte(begin))
	digits := 0
	for digits < len(rest) && digits < 19 && rest[digits] >= '0' && rest[digits] <= '9' {
		l.Index = 10*l.Index + uint64(rest[digits]-'0')
		digits++
	}
	if !ok || digits == 0 {
		return l, fmt.Errorf("the line has no index")
	}
	raw, ok := bytes.CutPrefix(rest[digits:], []byte(between))
	raw, end := bytes.CutSuffix(raw, []byte(leafLineSuffix))
	if !ok || !end || digits > 1 && rest[0] == '0' {
		return l, fmt.Errorf("the line is not in its canonical form")
	}
	l.Raw = raw
	return l, nil
}
