// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestNext compares with loops over bytes, from every place of random texts. An
// anchor that needs no look may be left out: a "/", and a "." behind which nothing
// goes on.
func TestNext(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		text := make([]byte, rng.IntN(60))
		for i := range text {
			text[i] = "aaaaaaaaaaaaaaaaaaaaazAZ    ,-@.w/:;?09[`\x80\xae\xb0\xc0\xff\x00"[rng.IntN(44)]
		}
		for from := range len(text) + 1 {
			got, seen := next(text, from, 0)
			if got < from || got > len(text) || got < len(text) && (text[got] < anchorLow || text[got] > anchorHigh) {
				t.Fatalf("in %q from %d the next anchor is at %d", text, from, got)
			}
			for i := from; i < got; i++ {
				if c := text[i]; c > '/' && c <= anchorHigh || c == '.' && isWord(at(text, i+1)) && at(text, i+1) < 0x80 {
					t.Fatalf("in %q from %d the anchor at %d is left out", text, from, i)
				}
			}
			wide := bytes.ContainsFunc(text[from:got], func(r rune) bool { return r >= 0x80 })
			if wide && seen&highs == 0 || seen&highs != 0 && bytes.IndexFunc(text, func(r rune) bool { return r >= 0x80 }) < 0 {
				t.Fatalf("in %q from %d to %d, what is not ASCII is seen: %v", text, from, got, seen&highs != 0)
			}
		}
	}
}
