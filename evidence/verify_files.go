// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// content reads a file of the bundle and follows its digest.
type content struct {
	v      *verifier
	name   string
	offset int64
	r      io.ReadCloser
	sum    hash.Hash
	n      uint64
	err    error // sticky
}

// open opens a file of the bundle, or notes why it cannot.
func (v *verifier) open(name string) *content {
	f := v.files[name]
	if f == nil {
		v.fault(name, -1, -1, "it is missing")
		return nil
	}
	offset, err := f.DataOffset()
	if err != nil {
		v.fault(name, -1, -1, "its header cannot be read")
		return nil
	}
	r, err := f.Open()
	if err != nil {
		v.fault(name, -1, offset, "it cannot be unpacked")
		return nil
	}
	return &content{v: v, name: name, offset: offset, r: r, sum: sha256.New()}
}

// Read implements [io.Reader].
func (c *content) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	c.n += uint64(n)
	c.err = err
	return n, err
}

// done reads what is left, and compares the whole with what the manifest says.
func (c *content) done() {
	_, err := io.Copy(io.Discard, c)
	if cerr := c.r.Close(); err == nil {
		err = cerr
	}
	c.v.checked[c.name] = true
	want, listed := c.v.listed[c.name]
	switch {
	case err != nil:
		c.v.fault(c.name, -1, c.offset, "its content is damaged")
	case listed && (c.n != want.Bytes || hex.EncodeToString(c.sum.Sum(nil)) != want.SHA256):
		c.v.fault(c.name, -1, c.offset, "its content is not the one that was signed")
	}
}

// read returns the content of a small file of the bundle.
func (v *verifier) read(name string, limit int64) ([]byte, bool) {
	c := v.open(name)
	if c == nil {
		return nil, false
	}
	text, err := io.ReadAll(io.LimitReader(c, limit+1))
	switch {
	case int64(len(text)) > limit:
		c.err = errors.Join(c.r.Close(), io.ErrShortBuffer)
		v.fault(name, -1, c.offset, "it is larger than %d bytes", limit)
		v.checked[name] = true
		return nil, false
	case err != nil:
		c.done()
		return nil, false
	}
	c.done()
	return text, true
}

// packed returns the digest of a file as it lies in the archive.
func (v *verifier) packed(f *zip.File) (string, bool) {
	r, err := f.OpenRaw()
	if err != nil {
		return "", false
	}
	sum := sha256.New()
	_, err = io.Copy(sum, r)
	return hex.EncodeToString(sum.Sum(nil)), err == nil
}

// checkManifest checks the signature over the manifest, and through it which
// files the bundle has. Without a manifest nothing else can be judged.
func (v *verifier) checkManifest() bool {
	for _, name := range []string{ManifestName, SignatureName} {
		if f := v.files[name]; f != nil && f.Method != zipStore {
			v.fault(name, -1, -1, "it is packed, which is not allowed for this file")
			return false
		}
	}
	text, ok := v.read(ManifestName, maxManifest)
	if !ok {
		return false
	}
	if err := strictJSON(text, &v.manifest); err != nil {
		v.fault(ManifestName, -1, -1, "it is not a manifest")
		return false
	}
	m := &v.manifest
	if m.Format != BundleFormat {
		v.fault(ManifestName, -1, -1, "the format is not %s", BundleFormat)
		return false
	}
	v.report.Origin, v.report.Created, v.report.Filter = m.Origin, m.Created, m.Filter
	v.report.TreeSize, v.report.Root = m.TreeSize, m.Root
	v.chooseKeys()
	if sig, ok := v.read(SignatureName, maxSmall); ok {
		n, err := note.Open(sig, note.VerifierList(v.known...))
		switch {
		case err != nil:
			v.fault(SignatureName, -1, -1, "no trusted key signed it")
		case n.Text != signatureText(m.Origin, text):
			v.fault(SignatureName, -1, -1, "it is the signature of another manifest")
		default:
			v.report.Key = fmt.Sprintf("%s+%08x", n.Sigs[0].Name, n.Sigs[0].Hash)
		}
	}
	return true
}

// chooseKeys falls back on the keys in the bundle when the caller trusts none,
// and follows the rotations from those that are trusted.
func (v *verifier) chooseKeys() {
	text, ok := v.read(KeysName, maxSmall)
	if !ok {
		return
	}
	var keys Keys
	if err := strictJSON(text, &keys); err != nil {
		v.fault(KeysName, -1, -1, "it is not a list of keys")
		return
	}
	if len(v.known) > 0 {
		before := len(v.known)
		v.known = TrustRotations(v.known, v.manifest.Origin, keys.Rotations)
		if n := len(v.known) - before; n > 0 {
			v.notice("%d more keys are trusted because a key that you trust named them as its successors", n)
		}
		return
	}
	for _, key := range keys.Verifiers {
		known, err := note.NewVerifier(key)
		if err != nil {
			v.fault(KeysName, -1, -1, "a key in it is malformed")
			continue
		}
		v.known = append(v.known, known)
	}
	v.notice("the keys were taken from the bundle itself: the signatures show that it is whole, not who signed it")
}

// checkListing compares the archive with the manifest, both ways, and the bytes
// of each file as they lie there.
func (v *verifier) checkListing() {
	for _, want := range v.manifest.Files {
		if _, twice := v.listed[want.Name]; twice {
			v.fault(ManifestName, -1, -1, "it lists a file twice")
		}
		v.listed[want.Name] = want
		f := v.files[want.Name]
		if f == nil {
			v.fault(want.Name, -1, -1, "it is missing")
			continue
		}
		offset, err := f.DataOffset()
		if err != nil {
			offset = -1
		}
		if packed, ok := v.packed(f); !ok || packed != want.Packed {
			v.fault(want.Name, -1, offset, "its bytes in the archive are not those that were signed")
		}
	}
	for _, f := range v.order {
		if _, ok := v.listed[f.Name]; !ok && f.Name != ManifestName && f.Name != SignatureName && validName(f.Name) {
			v.fault(f.Name, -1, -1, "the manifest does not list it")
		}
	}
}

// checkContents reads the files that nothing else has read. What was not
// computed again from the leaves, and is no payload either, is told: the
// signature of the manifest is all that stands behind it.
func (v *verifier) checkContents() {
	var others []string
	for _, f := range v.order {
		if _, listed := v.listed[f.Name]; listed && !v.checked[f.Name] && !mayBeUnread(f.Name) {
			others = append(others, f.Name)
		}
	}
	if len(others) > 0 {
		v.notice("files that follow from no event, so that only the signature over the manifest covers them: %s", strings.Join(others, ", "))
	}
	// The keys were read before the manifest said what they are.
	delete(v.checked, KeysName)
	for _, f := range v.order {
		name := f.Name
		if _, listed := v.listed[name]; !listed || v.checked[name] {
			continue
		}
		if strings.HasPrefix(name, PolicyDir) {
			v.fault(name, -1, -1, "no leaf has the text of this policy")
		}
		if c := v.open(name); c != nil {
			c.done()
		}
	}
}

// mayBeUnread reports whether a file of a bundle may be one that nothing has
// read: texts for readers, payloads, and policies, which have a fault of their
// own.
func mayBeUnread(name string) bool {
	switch name {
	case ReadmeName, CheckName, VerifierName, SampleName:
		return true
	}
	return slices.ContainsFunc([]string{"ledger/", PolicyDir, ReplayDir, RecordingDir}, func(dir string) bool { return strings.HasPrefix(name, dir) })
}

// comparer takes what a file of the bundle must be and compares it with what it
// is.
type comparer struct {
	v      *verifier
	name   string
	c      *content // nil when the file is missing
	at     int64
	differ bool
	buf    []byte
}

// compareTo returns a writer for what must be in a file.
func (v *verifier) compareTo(name string) (io.WriteCloser, error) {
	return &comparer{v: v, name: name, c: v.open(name)}, nil
}

// Write implements [io.Writer].
func (c *comparer) Write(want []byte) (int, error) {
	if c.c == nil || c.differ {
		return len(want), nil
	}
	if cap(c.buf) < len(want) {
		c.buf = make([]byte, len(want))
	}
	got := c.buf[:len(want)]
	n, err := io.ReadFull(c.c, got)
	if err != nil || !bytes.Equal(got, want) {
		c.unequal(c.at + int64(firstDifference(got[:n], want)))
	}
	c.at += int64(len(want))
	return len(want), nil
}

// Close implements [io.Closer].
func (c *comparer) Close() error {
	if c.c == nil {
		return nil
	}
	if !c.differ {
		var one [1]byte
		if n, err := io.ReadFull(c.c, one[:]); n > 0 && err == nil {
			c.unequal(c.at)
		}
	}
	c.c.done()
	return nil
}

func (c *comparer) unequal(at int64) {
	c.differ = true
	c.v.fault(c.name, -1, -1, "it does not say what the leaves say, from byte %d of its content on", at)
}

func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// strictJSON reads exactly one JSON value with known keys only.
func strictJSON(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF { //nolint:errorlint // Token returns it bare
		return fmt.Errorf("text after the value")
	}
	return nil
}
