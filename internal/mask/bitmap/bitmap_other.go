// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !amd64

package bitmap

// Fill describes a text in the first of blocks, of which there have to be enough.
// What is beyond the text's end is of no class.
func (t *Table) Fill(blocks []Block, text []byte) { t.pad(blocks, text) }

func (t *Table) fill(blocks []Block, text []byte) { t.fillPortable(blocks, text) }
