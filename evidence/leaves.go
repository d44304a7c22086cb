// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"

	sallyport "github.com/sallyport-dev/sallyport"
	"golang.org/x/mod/sumdb/note"
)

// Contents is what is in a bundle that was verified.
type Contents struct {
	Checkpoint Checkpoint
	Leaves     []IndexedLeaf // by index
}

// Read returns the leaves and the checkpoint of a bundle. It checks nothing that
// [Verify] checks with the same options, which has to have found no fault before.
func Read(r io.ReaderAt, size int64, opt Options) (*Contents, error) {
	const op = "bundle read"
	bad := func(err error) error {
		return sallyport.E(sallyport.Integrity, op, "the bundle cannot be read").Because(err)
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, bad(err)
	}
	v := &verifier{r: &errReaderAt{r: r, size: size}, size: size, files: map[string]*zip.File{}}
	for _, f := range z.File {
		v.files[f.Name] = f
	}
	for _, key := range opt.Keys {
		known, err := note.NewVerifier(key)
		if err != nil {
			return nil, bad(err)
		}
		v.known = append(v.known, known)
	}
	v.chooseKeys()
	signed, haveCheckpoint := v.read(CheckpointName, maxSmall)
	text, haveLeaves := v.read(LeavesName, maxFile)
	if !haveCheckpoint || !haveLeaves {
		return nil, bad(fmt.Errorf("a file of it is missing or damaged"))
	}
	c := &Contents{}
	if c.Checkpoint, err = OpenCheckpoint(signed, note.VerifierList(v.known...)); err != nil {
		return nil, bad(err)
	}
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line = text[:i+1]
		}
		text = text[len(line):]
		l, err := parseLeafLine(line)
		if err != nil {
			return nil, bad(err)
		}
		c.Leaves = append(c.Leaves, l)
	}
	return c, nil
}
