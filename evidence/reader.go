// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	sallyport "github.com/sallyport-dev/sallyport"
)

const opRead = "bundle read"

// Bundle is a bundle that was verified, for whoever reads on in it.
type Bundle struct {
	Checkpoint Checkpoint
	Halves     []Half // of keys, in a bundle that was exported with them
	Erased     []Erased
	zip        *zip.Reader
}

// OpenBundle verifies a bundle and opens it. The report is that of [Verify]; with
// faults in it there is no bundle and the error has the kind Integrity.
func OpenBundle(r io.ReaderAt, size int64, opt Options) (*Bundle, *Report, error) {
	report, err := Verify(r, size, opt)
	if err != nil {
		return nil, nil, err
	}
	if !report.OK() {
		return nil, report, sallyport.E(sallyport.Integrity, opRead, fmt.Sprintf("the bundle does not verify: %d faults, the first: %s", len(report.Faults), report.Faults[0])).
			WithHint("`sallyport evidence verify` lists them; keep the bundle as it is")
	}
	b := &Bundle{Checkpoint: report.checkpoint}
	if b.zip, err = zip.NewReader(r, size); err != nil {
		return nil, report, unreadable(err)
	}
	halves, err := b.file(HalvesName)
	if err == nil {
		b.Halves, err = ParseHalves(halves)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, report, unreadable(err)
	}
	erased, err := b.file(ErasedName)
	if err == nil {
		err = strictJSON(erased, &b.Erased)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, report, unreadable(err)
	}
	return b, report, nil
}

// Each calls fn with every leaf in order, until it returns an error, which Each
// returns. fn must not keep raw.
func (b *Bundle) Each(fn func(index uint64, raw []byte) error) (err error) {
	f, err := b.zip.Open(LeavesName)
	if err != nil {
		return unreadable(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for lines := newLineReader(f, maxLine); ; {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return unreadable(err)
		}
		l, err := parseLeafLine(line)
		if err != nil {
			return unreadable(err)
		}
		if err := fn(l.Index, l.Raw); err != nil {
			return err
		}
	}
}

// maxFile bounds a file that is read as a whole.
const maxFile = 1 << 30

// file returns the content of a file of the bundle, an error that is
// [fs.ErrNotExist] when there is none.
func (b *Bundle) file(name string) ([]byte, error) {
	f, err := b.zip.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, unreadable(err)
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err = errors.Join(err, f.Close()); err != nil || len(content) > maxFile {
		return nil, unreadable(err)
	}
	return content, nil
}

// Leaves returns all leaves.
func (b *Bundle) Leaves() (leaves []IndexedLeaf, err error) {
	err = b.Each(func(index uint64, raw []byte) error {
		leaves = append(leaves, IndexedLeaf{Index: index, Raw: bytes.Clone(raw)})
		return nil
	})
	return leaves, err
}

func unreadable(err error) error {
	return sallyport.E(sallyport.Integrity, opRead, "the bundle cannot be read").Because(err)
}

// Ciphertext returns what a leaf commits to, from the leaf or from the bundle,
// after comparing it with the leaf. Errors: NotFound when the bundle does not
// have it, Integrity when it is another.
func (b *Bundle) Ciphertext(s Sealed) ([]byte, error) {
	data := s.Data
	if len(data) == 0 {
		var err error
		if data, err = b.file(RecordingDir + s.SHA256); errors.Is(err, fs.ErrNotExist) {
			return nil, sallyport.E(sallyport.NotFound, opRead, "the bundle does not have the ciphertext "+s.SHA256).
				WithHint("it was no longer stored when the bundle was made")
		} else if err != nil {
			return nil, err
		}
	}
	if len(data) != s.Len || Digest(data) != s.SHA256 {
		return nil, sallyport.E(sallyport.Integrity, opRead, "a ciphertext is not the one that its leaf commits to")
	}
	return data, nil
}
