// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import "testing"

// TestEight compares with a loop over bytes, at every place of texts of all lengths
// to twenty.
func TestEight(t *testing.T) {
	t.Parallel()
	const all = "0123456789:;<=>?@ABC"
	for n := range len(all) + 1 {
		text := []byte(all[:n])
		for i := range text {
			want := uint64(0)
			for j := min(n, i+8) - 1; j >= i; j-- {
				want = want<<8 | uint64(text[j])
			}
			if got := eight(text, i); got != want {
				t.Errorf("at %d of %q there is %#x, not %#x", i, text, got, want)
			}
		}
	}
}
