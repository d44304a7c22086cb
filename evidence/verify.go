// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"golang.org/x/mod/sumdb/note"
)

// Options say whom a verification trusts.
type Options struct {
	// Keys are the verifier keys (signed-note vkeys) that the auditor trusts. When
	// empty, those in the bundle are used and the report says so.
	Keys []string
}

// Limits on what a bundle may make a verifier hold in memory at once.
const (
	maxFile  = 1 << 30 // a table, the leaves
	maxSmall = 1 << 24 // a key file, a checkpoint, a signature
)

// What unpacks to more than maxRatio times its size in the archive is no
// evidence but a bomb; a writer stores what would come to more. Small files may.
const (
	maxRatio   = 100
	ratioFloor = 1 << 20
)

// isBomb reports whether a file unpacks to far more than it is in the archive.
func isBomb(packed, size uint64) bool { return size > ratioFloor && size/maxRatio > packed }

// Verify checks a bundle and reports everything that it finds. The error is not
// nil only if the bundle could not be read from r or a key in opt is malformed;
// a bundle that does not verify is a report with faults.
func Verify(r io.ReaderAt, size int64, opt Options) (*Report, error) {
	v := &verifier{r: &errReaderAt{r: r, size: size}, size: size, files: map[string]*zip.File{}, listed: map[string]ManifestFile{}}
	for _, key := range opt.Keys {
		known, err := note.NewVerifier(key)
		if err != nil {
			return nil, sallyport.E(sallyport.Invalid, "bundle verify", "a trusted key is malformed").
				WithHint("a key looks like name+hash+base64, as the gateway prints it").Because(err)
		}
		v.known = append(v.known, known)
	}
	v.report.Trusted = len(opt.Keys) > 0
	v.run()
	if v.r.err != nil {
		return nil, sallyport.E(sallyport.Unavailable, "bundle verify", "the bundle cannot be read").Because(v.r.err)
	}
	return &v.report, nil
}

// errReaderAt remembers an error of the medium, so that it is not taken for a
// fault of the bundle.
type errReaderAt struct {
	r    io.ReaderAt
	size int64
	err  error
}

func (e *errReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > e.size {
		return 0, io.EOF // a damaged directory points there
	}
	n, err := e.r.ReadAt(p, off)
	if err != nil && err != io.EOF && e.err == nil { //nolint:errorlint // ReaderAt returns it bare
		e.err = err
	}
	return n, err
}

// verifier is one run of Verify.
type verifier struct {
	r        *errReaderAt
	size     int64
	known    []note.Verifier
	report   Report
	order    []*zip.File
	files    map[string]*zip.File
	listed   map[string]ManifestFile
	manifest Manifest
	derived  *deriver
	leaves   []IndexedLeaf
	sealed   map[string]sealedRef // ciphertexts outside of leaves, by digest
	sessions map[sallyport.SessionID]bool
	every    time.Duration // pace of the last heartbeat
}

// fault notes a fault; leaf and offset are -1 when unknown.
func (v *verifier) fault(file string, leaf, offset int64, format string, args ...any) {
	v.report.Faults = append(v.report.Faults, Fault{File: file, Leaf: leaf, Offset: offset, Msg: fmt.Sprintf(format, args...)})
}

func (v *verifier) notice(format string, args ...any) {
	v.report.Notices = append(v.report.Notices, fmt.Sprintf(format, args...))
}

func (v *verifier) run() {
	if !v.openArchive() {
		return
	}
	v.checkContainer()
	if !v.checkManifest() {
		return
	}
	v.checkFiles()
	v.checkLeaves()
	v.checkDerived()
	v.checkSealed()
	v.checkReplays()
	v.summarise()
}

func (v *verifier) openArchive() bool {
	z, err := zip.NewReader(v.r, v.size)
	if err != nil {
		v.fault("", -1, -1, "it is not a readable zip archive")
		return false
	}
	v.order = z.File
	for _, f := range z.File {
		if !validName(f.Name) {
			v.fault("", -1, -1, "it holds a file with a name that is not allowed")
			continue
		}
		if v.files[f.Name] != nil {
			v.fault(f.Name, -1, -1, "it is in the archive twice")
			continue
		}
		v.files[f.Name] = f
	}
	return true
}

// checkContainer writes the archive's headers again and compares them, with the
// packed contents in between, to every byte of the bundle.
func (v *verifier) checkContainer() {
	var z zipLayout
	at := int64(0)
	for _, f := range v.order {
		head, err := z.local(zipEntry{name: f.Name, method: f.Method, crc: f.CRC32, packed: f.CompressedSize64, size: f.UncompressedSize64})
		if err != nil {
			v.fault(f.Name, -1, at, "it is larger than the format allows")
			return
		}
		if !v.compare(f.Name, at, head) {
			return
		}
		at = int64(z.at)
	}
	end := z.end()
	if !v.compare("", at, end) {
		return
	}
	if at += int64(len(end)); at != v.size {
		v.fault("", -1, at, "there are %d bytes after the end of the archive", v.size-at)
	}
}

// compare checks that the bundle has want at an offset.
func (v *verifier) compare(file string, at int64, want []byte) bool {
	got := make([]byte, len(want))
	n, _ := v.r.ReadAt(got, at) // a short read shows in the comparison; errors of the medium are kept in v.r
	for i := range want {
		if i >= n || got[i] != want[i] {
			v.fault(file, -1, at+int64(i), "the archive's header is not the one that was written")
			return false
		}
	}
	return true
}

// unpack opens a file of the bundle of at most limit bytes.
func (v *verifier) unpack(name string, limit int64) (r io.ReadCloser, size uint64, offset int64, ok bool) {
	f := v.files[name]
	if f == nil {
		v.fault(name, -1, -1, "it is missing")
		return nil, 0, 0, false
	}
	if f.UncompressedSize64 > uint64(limit) {
		v.fault(name, -1, -1, "it is larger than %d bytes", limit)
		return nil, 0, 0, false
	}
	if isBomb(f.CompressedSize64, f.UncompressedSize64) {
		v.fault(name, -1, -1, "it would unpack to more than %d times its size", maxRatio)
		return nil, 0, 0, false
	}
	offset, err := f.DataOffset()
	if err != nil {
		v.fault(name, -1, -1, "its header cannot be read")
		return nil, 0, 0, false
	}
	if r, err = f.Open(); err != nil {
		v.fault(name, -1, offset, "it cannot be unpacked")
		return nil, 0, 0, false
	}
	return r, f.UncompressedSize64, offset, true
}

// read returns the content of a file of the bundle, at most limit bytes of it.
func (v *verifier) read(name string, limit int64) ([]byte, bool) {
	r, size, offset, ok := v.unpack(name, limit)
	if !ok {
		return nil, false
	}
	content, err := io.ReadAll(io.LimitReader(r, limit+1))
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err != nil || uint64(len(content)) != size {
		v.fault(name, -1, offset, "its content is damaged")
		return nil, false
	}
	return content, true
}

// digest returns the size and the digest of a file's content without holding it.
func (v *verifier) digest(name string) (n uint64, sum string, ok bool) {
	r, size, offset, ok := v.unpack(name, maxFile)
	if !ok {
		return 0, "", false
	}
	h := sha256.New()
	got, err := io.Copy(h, io.LimitReader(r, maxFile+1))
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err != nil || uint64(got) != size {
		v.fault(name, -1, offset, "its content is damaged")
		return 0, "", false
	}
	return size, hex.EncodeToString(h.Sum(nil)), true
}

// packed returns the digest of a file as it lies in the archive.
func (v *verifier) packed(f *zip.File) (string, bool) {
	r, err := f.OpenRaw()
	if err != nil {
		return "", false
	}
	h := sha256.New()
	_, err = io.Copy(h, io.LimitReader(r, maxFile))
	return hex.EncodeToString(h.Sum(nil)), err == nil
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
	text, ok := v.read(ManifestName, maxFile)
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

// chooseKeys falls back on the keys in the bundle when the caller trusts none.
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

// checkFiles checks every file against the manifest, both ways.
func (v *verifier) checkFiles() {
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
			continue
		}
		size, sum, ok := v.digest(want.Name)
		if ok && (size != want.Bytes || sum != want.SHA256) {
			v.fault(want.Name, -1, offset, "its content is not the one that was signed")
		}
	}
	for _, f := range v.order {
		if _, ok := v.listed[f.Name]; !ok && f.Name != ManifestName && f.Name != SignatureName && validName(f.Name) {
			v.fault(f.Name, -1, -1, "the manifest does not list it")
		}
	}
}

// checkDerived derives the tables and the policies again.
func (v *verifier) checkDerived() {
	files, err := v.derived.files()
	if err != nil {
		v.fault(LeavesName, -1, -1, "the tables cannot be derived from it")
		return
	}
	want := map[string]bool{}
	for _, file := range files {
		want[file.Name] = true
		got, ok := v.read(file.Name, maxFile)
		if ok && !bytes.Equal(got, file.Content) {
			v.fault(file.Name, -1, -1, "it does not say what the leaves say, from byte %d of its content on", firstDifference(got, file.Content))
		}
		if digest, policy := strings.CutPrefix(strings.TrimSuffix(file.Name, ".cedar"), PolicyDir); policy && Digest(file.Content) != digest {
			v.fault(file.Name, -1, -1, "the policy's text does not have the digest under which it was loaded")
		}
	}
	for _, f := range v.order {
		if strings.HasPrefix(f.Name, PolicyDir) && !want[f.Name] {
			v.fault(f.Name, -1, -1, "no leaf has the text of this policy")
		}
	}
	for _, digest := range v.derived.unknownPolicies() {
		v.fault(LeavesName, -1, -1, "the text of the policy %s, which it names, is not in it", digest)
	}
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
