// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"encoding/binary"
	"math/bits"
)

// An anchor is a byte that every pattern has: a digit, ":" (a URL with a scheme,
// an address of hardware or IPv6), "." (a host, beside "www") or "@". They lie in
// one range of ASCII; what else is in it, "/;<=>?", is rare and costs little.
const (
	anchorLow  = '.'
	anchorHigh = '@'
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// anchors sets the high bit of each byte of w that is in the range of anchors.
func anchors(w uint64) uint64 {
	x := w &^ highs
	return (x + (0x80-anchorLow)*ones) &^ (x + (0x7f-anchorHigh)*ones | w) & highs
}

// next returns the place of the first anchor in text[i:], or len(text).
func next(text []byte, i int) int {
	for ; i+16 <= len(text); i += 16 {
		a, b := anchors(binary.LittleEndian.Uint64(text[i:])), anchors(binary.LittleEndian.Uint64(text[i+8:]))
		if a != 0 {
			return i + bits.TrailingZeros64(a)>>3
		}
		if b != 0 {
			return i + 8 + bits.TrailingZeros64(b)>>3
		}
	}
	if i+8 <= len(text) {
		if m := anchors(binary.LittleEndian.Uint64(text[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	if i < len(text) && len(text) >= 8 { // the last eight bytes, without those before i
		m := anchors(binary.LittleEndian.Uint64(text[len(text)-8:])) >> (8 * (8 - len(text) + i))
		return min(i+bits.TrailingZeros64(m)>>3, len(text))
	}
	for ; i < len(text); i++ {
		if c := text[i]; c >= anchorLow && c <= anchorHigh {
			return i
		}
	}
	return i
}
