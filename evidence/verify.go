// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"archive/zip"
	"fmt"
	"io"

	sallyport "github.com/sallyport-dev/sallyport"
	"golang.org/x/mod/sumdb/note"
)

// Options say whom a verification trusts.
type Options struct {
	// Keys are the verifier keys (signed-note vkeys) that the auditor trusts. When
	// empty, those in the bundle are used and the report says so.
	Keys []string
	// SealKeys are the first keys of epochs, which only auditors can open.
	SealKeys []SealKey
	// Checkpoints are earlier signed checkpoints of the log that the auditor kept.
	Checkpoints [][]byte
	// Policy, when not nil, says which witnesses must have cosigned the checkpoint.
	// The logs that it lists are trusted when Keys is empty.
	Policy *TrustPolicy
}

// Limits on what a bundle may make a verifier hold in memory at once.
const (
	maxSmall    = 1 << 24 // a key file, a checkpoint, a signature
	maxManifest = 1 << 26
	maxLine     = 2 * MaxLeaf // a leaf with what stands around it
)

// What unpacks to more than maxRatio times its size is no evidence but a bomb:
// deflate itself comes to less (1,032), and only entries that overlap to more.
// Small archives may.
const (
	maxRatio   = 1100
	ratioFloor = 1 << 20
)

// Verify checks a bundle and reports everything that it finds. It reads the
// bundle as a stream: its memory does not grow with the number of leaves, but
// with what is open at one time. The error is not nil only if the bundle could
// not be read from r or a key in opt is malformed; a bundle that does not verify
// is a report with faults.
func Verify(r io.ReaderAt, size int64, opt Options) (*Report, error) {
	v := &verifier{
		r: &errReaderAt{r: r, size: size}, size: size, opt: opt, files: map[string]*zip.File{}, listed: map[string]ManifestFile{},
		checked: map[string]bool{}, sealed: map[string]sealedRef{}, sessions: map[sallyport.SessionID]*sessionCheck{},
		sealKeys: map[string]*sealKeyState{}, keys: map[sallyport.SessionID][]WrappedKey{},
	}
	for _, key := range opt.Keys {
		known, err := note.NewVerifier(key)
		if err != nil {
			return nil, sallyport.E(sallyport.Invalid, "bundle verify", "a trusted key is malformed").
				WithHint("a key looks like name+hash+base64, as the gateway prints it").Because(err)
		}
		v.known = append(v.known, known)
	}
	for _, key := range opt.SealKeys {
		v.sealKeys[key.ID()] = &sealKeyState{key: key}
	}
	v.trust(opt.Policy)
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
	opt      Options
	known    []note.Verifier
	policy   *TrustPolicy // of the caller
	report   Report
	order    []*zip.File
	files    map[string]*zip.File
	listed   map[string]ManifestFile
	checked  map[string]bool // files whose content was read to the end and compared with the manifest
	manifest Manifest
	derived  *Deriver
	sealed   map[string]sealedRef // ciphertexts outside of leaves, by digest
	sessions map[sallyport.SessionID]*sessionCheck
	sealKeys map[string]*sealKeyState
	epochKey string // id of the seal key of the epoch that is being read
	treeFile *content
	tree     *treeCheck
	leaves   uint64 // in the bundle
	// firstLeaf is the index of the first of them.
	firstLeaf uint64
	keys      map[sallyport.SessionID][]WrappedKey // where the bundle has halves of keys
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
	v.checkListing()
	cp, ok := v.checkCheckpoint()
	v.checkLeaves()
	if ok {
		v.checkTree(cp)
		v.checkEarlier(cp)
	} else if v.treeFile != nil {
		v.treeFile.done()
	}
	v.checkWitnesses()
	v.checkHalves()
	v.checkErased()
	v.checkContents()
	v.checkSealed()
	v.checkReplays()
	v.checkSample()
	v.summarise()
}

func (v *verifier) openArchive() bool {
	z, err := zip.NewReader(v.r, v.size)
	if err != nil {
		v.fault("", -1, -1, "it is not a readable zip archive")
		return false
	}
	v.order = z.File
	total := uint64(0)
	for _, f := range z.File {
		total += min(f.UncompressedSize64, maxZipBytes)
	}
	if total > uint64(v.size)*maxRatio+ratioFloor {
		v.fault("", -1, -1, "the archive would unpack to more than %d times its size", maxRatio)
		return false
	}
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
