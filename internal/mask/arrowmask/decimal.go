// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package arrowmask

import (
	"bytes"
	"math/big"
	"slices"
)

// appendDecimal appends a decimal, an integer of 16 or 32 bytes in two's complement
// with the lowest in front, as the REST interface writes it: without zeros at the
// end of its fraction.
func appendDecimal(dst, v []byte, scale int) []byte {
	word := slices.Clone(v)
	slices.Reverse(word)
	n := new(big.Int).SetBytes(word)
	if word[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(word))))
		dst = append(dst, '-')
		n.Neg(n)
	}
	start := len(dst)
	dst = n.Append(dst, 10)
	if scale == 0 {
		return dst
	}
	for len(dst)-start <= scale {
		dst = slices.Insert(dst, start, '0')
	}
	dst = slices.Insert(dst, len(dst)-scale, '.')
	dst = bytes.TrimRight(dst, "0")
	return bytes.TrimSuffix(dst, []byte("."))
}

// appendFixedDecimal appends a number in the form of a column. ok is false when the
// column has no room for it.
func appendFixedDecimal(dst, number []byte, c *column) (out []byte, ok bool) {
	number, minus := bytes.CutPrefix(number, []byte("-"))
	whole, fraction, _ := bytes.Cut(number, []byte("."))
	scale := int(c.typ.scale)
	if len(fraction) > scale {
		fraction = fraction[:scale]
	}
	digits := append(bytes.Clone(whole), fraction...)
	digits = append(digits, bytes.Repeat([]byte("0"), scale-len(fraction))...)
	n, ok := new(big.Int).SetString(string(digits), 10)
	if !ok || n.Sign() < 0 || len(bytes.TrimLeft(digits, "0")) > int(c.typ.precision) || n.BitLen() >= 8*c.width {
		return dst, false
	}
	if minus {
		n.Neg(n).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*c.width)))
	}
	if n.BitLen() > 8*c.width { // minus zero
		n.SetInt64(0)
	}
	word := n.FillBytes(make([]byte, c.width))
	slices.Reverse(word)
	return append(dst, word...), true
}
