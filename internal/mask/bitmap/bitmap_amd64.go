// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bitmap

import "golang.org/x/sys/cpu"

// fillAVX2 is fillPortable for processors with AVX2, for n whole blocks.
//
//go:noescape
func fillAVX2(blocks *Block, text *byte, n int, t *Table)

// fillAVX512 is Fill for processors with AVX-512BW, for a text of a size that is not 0.
//
//go:noescape
func fillAVX512(blocks *Block, text *byte, size int, t *Table)

// Fill describes a text in the first of blocks, of which there have to be enough.
// What is beyond the text's end is of no class.
func (t *Table) Fill(blocks []Block, text []byte) {
	switch {
	case len(text) == 0:
	case cpu.X86.HasAVX512BW:
		blocks = blocks[:(len(text)+Size-1)/Size]
		fillAVX512(&blocks[0], &text[0], len(text), t)
	default:
		t.pad(blocks, text)
	}
}

func (t *Table) fill(blocks []Block, text []byte) {
	if cpu.X86.HasAVX2 {
		t.fillWide(blocks, text)
		return
	}
	t.fillPortable(blocks, text)
}

func (t *Table) fillWide(blocks []Block, text []byte) {
	fillAVX2(&blocks[0], &text[:len(blocks)*Size][0], len(blocks), t)
}
