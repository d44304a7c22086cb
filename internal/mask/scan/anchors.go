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

// worth leaves out of the anchors m in w what is none or needs no look: a "/", and a
// "." behind which nothing goes on in w.
func worth(m, w uint64) uint64 {
	row := w<<3 | w<<1 // bit 7 of letters, digits, and the anchors but "." and "/"
	return m & (row | (row>>8|1<<63)&^(w<<7))
}

// next returns the place of the first anchor in text[i:], or len(text), and seen
// with the bits of all bytes that it has read: whether a text is ASCII costs
// nothing beyond that.
func next(text []byte, i int, seen uint64) (int, uint64) {
	for ; i+16 <= len(text); i += 16 {
		u, v := binary.LittleEndian.Uint64(text[i:]), binary.LittleEndian.Uint64(text[i+8:])
		seen |= u | v
		a, b := anchors(u), anchors(v)
		if a|b == 0 {
			continue
		}
		if a = worth(a, u); a != 0 {
			return i + bits.TrailingZeros64(a)>>3, seen
		}
		if b = worth(b, v); b != 0 {
			return i + 8 + bits.TrailingZeros64(b)>>3, seen
		}
	}
	if i+8 <= len(text) {
		w := binary.LittleEndian.Uint64(text[i:])
		seen |= w
		if m := worth(anchors(w), w); m != 0 {
			return i + bits.TrailingZeros64(m)>>3, seen
		}
		i += 8
	}
	if i < len(text) && len(text) >= 8 { // the last eight bytes, without those before i
		w := binary.LittleEndian.Uint64(text[len(text)-8:])
		m := worth(anchors(w), w) >> (8 * (8 - len(text) + i))
		return min(i+bits.TrailingZeros64(m)>>3, len(text)), seen | w
	}
	for ; i < len(text); i++ {
		c := text[i]
		if c >= anchorLow && c <= anchorHigh {
			return i, seen
		}
		seen |= uint64(c)
	}
	return i, seen
}
