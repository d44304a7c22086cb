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

const (
	fromLow   = (0x80 - anchorLow) * ones  // added to ASCII, carries what is an anchor or higher into the high bit,
	aboveHigh = (0x7f - anchorHigh) * ones // and this what is higher
)

// What may stand behind a word.
const (
	anything = 1 << 63
	nothing  = 0
)

// anchors sets the high bit of each byte of w that is in the range of anchors and
// worth a look: neither a "/", nor a "." behind which nothing goes on. behind says
// what may stand behind w.
func anchors(w, behind uint64) uint64 {
	x := w &^ highs
	row := w<<3 | w<<1 // bit 7 of letters, digits, and the anchors but "." and "/"
	return (x + fromLow) &^ (x + aboveHigh | w) & (row | (row>>8|behind)&^(w<<7)) & highs
}

// next returns the place of the first anchor in text[i:], or len(text), and seen
// with the bits of all bytes that it has read: whether a text is ASCII costs
// nothing beyond that.
func next(text []byte, i int, seen uint64) (int, uint64) {
	for 0 <= i && i <= len(text)-16 {
		block := text[i : i+16]
		u, v := binary.LittleEndian.Uint64(block[:8]), binary.LittleEndian.Uint64(block[8:])
		seen |= u | v
		if (((u+fromLow)^(u+aboveHigh))|((v+fromLow)^(v+aboveHigh))|u|v)&highs != 0 { // what is not ASCII carries too far
			if m := anchors(u, anything); m != 0 {
				return i + bits.TrailingZeros64(m)>>3, seen
			}
			if m := anchors(v, anything); m != 0 {
				return i + 8 + bits.TrailingZeros64(m)>>3, seen
			}
		}
		i += 16
	}
	if 0 <= i && i <= len(text)-8 {
		w := binary.LittleEndian.Uint64(text[i : i+8])
		seen |= w
		if m := anchors(w, anything); m != 0 {
			return i + bits.TrailingZeros64(m)>>3, seen
		}
		i += 8
	}
	if last := len(text) - 8; i < len(text) && last >= 0 { // the last eight bytes, without those before i
		w := binary.LittleEndian.Uint64(text[last:])
		m := anchors(w, nothing) >> (8 * uint(i-last) & 63)
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
