// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package column

import (
	"math/big"
	"slices"
)

// Limits of decimal numbers: bytes of the unscaled number, and digits behind the
// point.
const (
	maxUnscaled = 32
	maxScale    = 100
)

// Unscaled appends what stands for a decimal number that is kept as a whole number
// in two's complement, the most significant byte first: in size bytes, or if that is
// 0, in as few as it needs.
func (c *Column) Unscaled(dst, v []byte, scale, size int, w *Work) (out []byte, ok bool) {
	if c.form() == shown {
		return append(dst, v...), true
	}
	if len(v) > maxUnscaled || scale < 0 || scale > maxScale {
		return c.Opaque(dst, v, w)
	}
	n := twos(v)
	text := appendPoint(nil, n, scale)
	answer, ok := c.Decimal(nil, text, w)
	if !ok {
		return dst, false
	}
	m, ok := cutPoint(answer, scale)
	if !ok {
		return dst, false
	}
	if size == 0 {
		size = m.BitLen()/8 + 1
	}
	return appendTwos(dst, m, size)
}

// Scaled returns what stands for a decimal number that is kept as a whole number of
// 64 bits.
func (c *Column) Scaled(v int64, scale int, w *Work) (int64, bool) {
	if c.form() == shown {
		return v, true
	}
	if scale < 0 || scale > maxScale {
		_, ok := c.Opaque(nil, nil, w)
		return 0, ok
	}
	answer, ok := c.Decimal(nil, appendPoint(nil, big.NewInt(v), scale), w)
	if !ok {
		return 0, false
	}
	m, ok := cutPoint(answer, scale)
	if !ok || !m.IsInt64() {
		return 0, false
	}
	return m.Int64(), true
}

// twos reads a number in two's complement.
func twos(v []byte) *big.Int {
	n := new(big.Int).SetBytes(v)
	if len(v) > 0 && v[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(v))))
	}
	return n
}

// appendTwos writes a number in two's complement of size bytes.
func appendTwos(dst []byte, n *big.Int, size int) ([]byte, bool) {
	m := n
	if n.Sign() < 0 {
		m = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
		if m.Sign() < 0 || m.BitLen() != 8*size {
			return dst, false
		}
	} else if n.BitLen() >= 8*size {
		return dst, false
	}
	at := len(dst)
	dst = append(dst, make([]byte, size)...)
	m.FillBytes(dst[at:])
	return dst, true
}

// appendPoint writes n divided by ten to the power of scale.
func appendPoint(dst []byte, n *big.Int, scale int) []byte {
	if n.Sign() < 0 {
		dst = append(dst, '-')
	}
	digits := new(big.Int).Abs(n).Append(nil, 10)
	for len(digits) <= scale {
		digits = slices.Insert(digits, 0, '0')
	}
	dst = append(dst, digits[:len(digits)-scale]...)
	if scale > 0 {
		dst = append(append(dst, '.'), digits[len(digits)-scale:]...)
	}
	return dst
}

// cutPoint reads what appendPoint writes; digits behind the point that scale has no
// room for have to be zero.
func cutPoint(text []byte, scale int) (*big.Int, bool) {
	digits := make([]byte, 0, len(text)+scale)
	behind := -1
	for _, c := range text {
		switch {
		case c == '.' && behind < 0:
			behind = 0
			continue
		case behind >= scale:
			if c != '0' {
				return nil, false
			}
			continue
		case behind >= 0:
			behind++
		}
		digits = append(digits, c)
	}
	for range scale - max(behind, 0) {
		digits = append(digits, '0')
	}
	return new(big.Int).SetString(string(digits), 10)
}
