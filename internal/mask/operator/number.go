// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
)

// decimalDigits is the most digits of a decimal that is calculated with.
const decimalDigits = 18

// decimal is n / 10^scale.
type decimal struct {
	n     int64
	scale int
}

// parseDecimal reads "-12.50" of at most decimalDigits digits.
func parseDecimal(v []byte) (d decimal, ok bool) {
	negative := false
	if len(v) > 0 && (v[0] == '-' || v[0] == '+') {
		negative = v[0] == '-'
		v = v[1:]
	}
	count, point := 0, false
	for i, c := range v {
		switch {
		case c == '.' && !point && i > 0 && i < len(v)-1:
			point = true
		case c >= '0' && c <= '9' && count < decimalDigits:
			count++
			d.n = 10*d.n + int64(c-'0')
			if point {
				d.scale++
			}
		default:
			return decimal{}, false
		}
	}
	if negative {
		d.n = -d.n
	}
	return d, count > 0
}

// append appends d as SQL writes it.
func (d decimal) append(dst []byte) []byte {
	if d.n < 0 {
		dst = append(dst, '-')
	}
	var buf [24]byte
	s := strconv.AppendUint(buf[:0], magnitude(d.n), 10)
	whole := max(0, len(s)-d.scale)
	if whole == 0 {
		dst = append(dst, '0')
	}
	dst = append(dst, s[:whole]...)
	if d.scale == 0 {
		return dst
	}
	dst = append(dst, '.')
	for i := len(s); i < d.scale; i++ {
		dst = append(dst, '0')
	}
	return append(dst, s[whole:]...)
}

// rescale returns d with at least the given scale.
func (d decimal) rescale(scale int) (decimal, bool) {
	for ; d.scale < scale; d.scale++ {
		hi, lo := bits.Mul64(magnitude(d.n), 10)
		if hi != 0 || lo > math.MaxInt64 {
			return decimal{}, false
		}
		d.n *= 10
	}
	return d, true
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// floor returns the greatest multiple of w that is not above n.
func floor(n, w int64) (int64, bool) {
	r := n % w
	if r < 0 {
		r += w
	}
	return n - r, n >= math.MinInt64+r
}

// nearest returns the multiple of w that is nearest to n; of two the one further
// from zero.
func nearest(n, w int64) (int64, bool) {
	m := magnitude(n)
	if r := m % uint64(w); r >= uint64(w)-r {
		m += uint64(w) - r
	} else {
		m -= r
	}
	if n < 0 {
		return -int64(m), m <= math.MaxInt64
	}
	return int64(m), m <= math.MaxInt64
}

// step is what Bucket and Round do to a number in units of which the width has w.
func (o *Operator) step(n, w int64) (int64, bool) {
	if o.spec.Kind == Round {
		return nearest(n, w)
	}
	return floor(n, w)
}

// stepInt needs a width in whole numbers.
func (o *Operator) stepInt(v int64) (int64, bool) {
	if o.width.scale != 0 {
		return 0, false
	}
	return o.step(v, o.width.n)
}

func (o *Operator) stepFloat(v float64) (float64, bool) {
	q := v / o.spec.Width
	if o.spec.Kind == Round {
		q = math.Round(q)
	} else {
		q = math.Floor(q)
	}
	return finite(q * o.spec.Width)
}

func (o *Operator) stepDecimal(dst []byte, d decimal) ([]byte, bool) {
	scale := max(d.scale, o.width.scale)
	d, ok1 := d.rescale(scale)
	w, ok2 := o.width.rescale(scale)
	if !ok1 || !ok2 {
		return dst, false
	}
	n, ok := o.step(d.n, w.n)
	if !ok {
		return dst, false
	}
	return decimal{n, scale}.append(dst), true
}

// finite reports whether f is a number that can be shown.
func finite(f float64) (float64, bool) { return f, !math.IsNaN(f) && !math.IsInf(f, 0) }

// noise returns what is added to the value of canonical form v in a row: a
// sample of the Laplace distribution around zero.
func (o *Operator) noise(v []byte, r *Row) float64 {
	var number uint64
	if r != nil {
		number = r.Number
	}
	sum := o.mac.ofRow(number, v)
	// 53 bits and a half: strictly between 0 and 1, so that the logarithm is finite.
	u := (float64(binary.BigEndian.Uint64(sum[:])>>11)+0.5)/(1<<53) - 0.5
	return -o.spec.Scale * math.Copysign(math.Log(1-2*math.Abs(u)), u)
}

func (o *Operator) noiseInt(v int64, r *Row) (int64, bool) {
	return add(v, o.noise(strconv.AppendInt(nil, v, 10), r))
}

func (o *Operator) noiseFloat(v float64, r *Row) (float64, bool) {
	if _, ok := finite(v); !ok {
		return 0, false
	}
	return finite(v + o.noise(strconv.AppendFloat(nil, v, 'g', -1, 64), r))
}

func (o *Operator) noiseDecimal(dst, v []byte, d decimal, r *Row) ([]byte, bool) {
	n, ok := add(d.n, o.noise(v, r)*math.Pow10(d.scale))
	if !ok {
		return dst, false
	}
	return decimal{n, d.scale}.append(dst), true
}

// add returns n and the nearest integer to f in one, where there is room.
func add(n int64, f float64) (int64, bool) {
	f = math.Round(f)
	if !(math.Abs(f) < 1<<62) {
		return 0, false
	}
	sum := n + int64(f)
	return sum, (sum >= n) == (f >= 0)
}
