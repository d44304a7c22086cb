// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bitmap

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFill compares the bitmaps of random texts of all lengths up to some blocks with
// a question about each byte, as this processor makes them and as all others do.
func TestFill(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		var table Table
		var low, high [Classes]uint16
		for c := range Classes {
			low[c], high[c] = uint16(rng.Uint32()), uint16(rng.Uint32())
			if c == 0 {
				b := byte(rng.Uint32())
				table.SetByte(0, b)
				low[0], high[0] = 1<<(b&15), 1<<(b>>4)
				continue
			}
			table.Set(c, low[c], high[c])
		}
		text := make([]byte, rng.IntN(5*Size))
		for i := range text {
			text[i] = byte(rng.Uint32())
		}
		want := make([]Block, 6)
		for i, b := range text {
			for c := range Classes {
				if low[c]>>(b&15)&1 == 1 && high[c]>>(b>>4)&1 == 1 {
					want[i/Size][c] |= 1 << (i % Size)
				}
			}
		}
		got := make([]Block, 6)
		table.Fill(got, text)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%d bytes (-want +got):\n%s", len(text), d)
		}
		got = make([]Block, 6)
		table.pad(got, text)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%d bytes, padded (-want +got):\n%s", len(text), d)
		}
		for name, fill := range fills {
			if whole := len(text) / Size; whole > 0 {
				got := make([]Block, whole)
				fill(&table, got, text)
				if d := cmp.Diff(want[:whole], got); d != "" {
					t.Fatalf("%d bytes, %s (-want +got):\n%s", len(text), name, d)
				}
			}
		}
	}
}

// TestSetAgain gives a class other bytes.
func TestSetAgain(t *testing.T) {
	var table Table
	table.SetByte(3, '|')
	table.SetByte(3, '^')
	var blocks [1]Block
	table.Fill(blocks[:], []byte("a|b^"))
	if blocks[0][3] != 1<<3 {
		t.Errorf("%b", blocks[0][3])
	}
}

func BenchmarkFill(b *testing.B) {
	var table Table
	table.SetByte(0, '|')
	text := make([]byte, 4096)
	blocks := make([]Block, len(text)/Size)
	b.Run("fill", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			table.Fill(blocks, text)
		}
	})
	b.Run("portable", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			table.fillPortable(blocks, text)
		}
	})
}
