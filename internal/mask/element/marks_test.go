// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package element_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/element"
)

// TestMarks compares with loops over bytes, at every place of random texts and
// beyond their ends.
func TestMarks(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		src := make([]byte, rng.IntN(40))
		for i := range src {
			src[i] = "|}\x7c\xfc\x00\x1f \x9f\r"[rng.IntN(9)]
		}
		for at := range len(src) + 10 {
			rest := src[min(at, len(src)):]
			w := element.Load(src, at)
			controls := w.Controls()
			for i := range 8 {
				b := byte(0)
				if i < len(rest) {
					b = rest[i]
				}
				isControl := controls.First() == i
				if isControl != (b < ' ') {
					t.Fatalf("byte %d of %q is a control: %v", i, rest, isControl)
				}
				if isControl {
					controls = controls.Rest()
				}
			}
		}
	}
}

// TestSum compares the shape of long and of short values with that of a count
// of each byte.
func TestSum(t *testing.T) {
	c := element.NewClasses()
	c['&'] = element.Delimiter
	rng := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		n := rng.IntN(30)
		if rng.IntN(50) == 0 {
			n = rng.IntN(5000)
		}
		v := make([]byte, n)
		for i := range v {
			v[i] = "aB1290-/. &@\xc3"[rng.IntN(13)]
		}
		has := func(set string) bool { return bytes.ContainsAny(v, set) }
		sum := c.Sum(append([]byte("1@"), append(v, "-&"...)...), 2, 2+n)
		if sum.Has(element.Digit) != has("1290") || sum.Has(element.Joint) != has("-/") || sum.Has(element.Space) != has(" ") ||
			sum.Has(element.Delimiter) != has("&") || sum.Has(element.Foreign) != (has("@") || bytes.IndexByte(v, 0xc3) >= 0) {
			t.Fatalf("%q is summed wrongly", v)
		}
		digits := n - len(bytes.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return -1
			}
			return r
		}, bytes.ReplaceAll(v, []byte{0xc3}, []byte{'x'})))
		if got := sum.Shape(v, 0); digits > 6 != (got == element.Number) && (digits > 6 || digits < 4) {
			t.Fatalf("%q with %d digits has shape %v", v, digits, got)
		}
	}
}
