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

// Bundle is a bundle that was verified, for whoever reads on in it.
type Bundle struct {
	Checkpoint Checkpoint
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
