// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"

	sallyport "github.com/sallyport-dev/sallyport"
)

const opRead = "bundle read"

// Bundle is a bundle that was verified, for whoever opens what is sealed in it.
type Bundle struct {
	Leaves []IndexedLeaf
	Halves []Half // of keys, in a bundle that was exported with them
	Erased []Erased
	zip    *zip.Reader
}

// ReadBundle verifies a bundle and reads it. The report is that of [Verify]; with
// faults in it there is no bundle and the error has the kind Integrity.
func ReadBundle(r io.ReaderAt, size int64, opt Options) (*Bundle, *Report, error) {
	report, err := Verify(r, size, opt)
	if err != nil {
		return nil, nil, err
	}
	if !report.OK() {
		return nil, report, sallyport.E(sallyport.Integrity, opRead, fmt.Sprintf("the bundle does not verify: %d faults, the first: %s", len(report.Faults), report.Faults[0])).
			WithHint("`sallyport evidence verify` lists them; keep the bundle as it is")
	}
	b := &Bundle{}
	if b.zip, err = zip.NewReader(r, size); err != nil {
		return nil, report, unreadable(err)
	}
	text, err := b.file(LeavesName)
	if err != nil {
		return nil, report, err
	}
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line = text[:i+1]
		}
		text = text[len(line):]
		l, err := parseLeafLine(line)
		if err != nil {
			return nil, report, unreadable(err)
		}
		b.Leaves = append(b.Leaves, l)
	}
	if b.Erased, err = erasures(b.Leaves); err != nil {
		return nil, report, err
	}
	halves, err := b.file(HalvesName)
	if errors.Is(err, errNoFile) {
		return b, report, nil
	}
	if err == nil {
		b.Halves, err = ParseHalves(halves)
	}
	return b, report, err
}

var errNoFile = errors.New("there is no such file")

func unreadable(err error) error {
	return sallyport.E(sallyport.Integrity, opRead, "the bundle cannot be read").Because(err)
}

// file returns the content of a file of the bundle.
func (b *Bundle) file(name string) ([]byte, error) {
	for _, f := range b.zip.File {
		if f.Name != name {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, unreadable(err)
		}
		content, err := io.ReadAll(io.LimitReader(r, maxFile+1))
		if err = errors.Join(err, r.Close()); err != nil || len(content) > maxFile {
			return nil, unreadable(err)
		}
		return content, nil
	}
	return nil, errNoFile
}

// Ciphertext returns what a leaf commits to, from the leaf or from the bundle,
// after comparing it with the leaf. Errors: NotFound when the bundle does not
// have it, Integrity when it is another.
func (b *Bundle) Ciphertext(s Sealed) ([]byte, error) {
	data := s.Data
	if len(data) == 0 {
		var err error
		if data, err = b.file(RecordingDir + s.SHA256); errors.Is(err, errNoFile) {
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
