// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"bytes"
	"encoding/binary"
)

// The binary form of numeric (numeric_send): four 16-bit words, number of digits,
// weight of the first, sign, digits behind the point, and then the digits, to the
// base of 10,000.
const (
	numericHeader = 8
	numericMinus  = 0x4000
	// Signs from here on say "not a number" and the infinities.
	numericSpecial = 0xC000
	// numericMost is the most decimal digits on either side of the point for which
	// an operator is asked. A value of a few bytes can claim many more.
	numericMost = 1024
)

// maskNumeric applies the operator to a decimal number.
func (t *pgScalar) maskNumeric(w *pgWork, dst, v []byte) ([]byte, pgOutcome) {
	number := v
	if t.binary {
		if len(v) >= numericHeader && binary.BigEndian.Uint16(v[4:]) >= numericSpecial {
			return dst, unanswered
		}
		var ok bool
		number, ok = appendNumericText(w.decimal[:0], v)
		w.decimal = number
		if !ok {
			return dst, undecodable
		}
	}
	whole, fraction, ok := splitDecimal(number)
	if !ok || len(whole) > numericMost || len(fraction) > numericMost {
		return dst, unanswered
	}
	answer, ok := t.op.Decimal(w.answer[:0], number, &w.text.Row)
	w.answer = answer
	if !ok {
		return dst, unanswered
	}
	if answer, ok = t.inScale(answer); !ok {
		return dst, unanswered
	}
	if t.binary {
		return appendNumericBinary(dst, answer), answered
	}
	return append(dst, answer...), answered
}

// splitDecimal cuts a number without an exponent at its point. ok is false when it
// is none; the sign is left out.
func splitDecimal(number []byte) (whole, fraction []byte, ok bool) {
	number = bytes.TrimPrefix(number, []byte("-"))
	whole, fraction, point := bytes.Cut(number, []byte("."))
	return whole, fraction, len(whole) > 0 && (!point || len(fraction) > 0) && areDigits(whole) && areDigits(fraction)
}

func areDigits(s []byte) bool {
	for _, b := range s {
		if b < '0' || b > '9' {
			return false
		}
	}
	return true
}

// inScale cuts the fraction to the scale of numeric(p,s). A number that is too
// large for the precision, or for the binary form, is no answer.
func (t *pgScalar) inScale(number []byte) ([]byte, bool) {
	whole, fraction, ok := splitDecimal(number)
	if !ok || len(whole) > 2*numericMost || len(fraction) > 2*numericMost {
		return nil, false
	}
	if t.typmod < varhdr {
		return number, true
	}
	precision := int((t.typmod - varhdr) >> 16 & 0xFFFF)
	// The scale has eleven bits with a sign, since version 15.
	scale := (int(t.typmod-varhdr)&0x7FF ^ 0x400) - 0x400
	if len(bytes.TrimLeft(whole, "0")) > precision-scale {
		return nil, false
	}
	if extra := len(fraction) - max(scale, 0); extra > 0 {
		number = bytes.TrimSuffix(number[:len(number)-extra], []byte("."))
	}
	return number, true
}

// appendNumericText appends the text of a number in binary form. ok is false when
// it is not a number or has more digits than anybody is asked about.
func appendNumericText(dst, v []byte) (out []byte, ok bool) {
	be := binary.BigEndian
	if len(v) < numericHeader {
		return dst, false
	}
	digits := v[numericHeader:]
	weight, sign, scale := int(int16(be.Uint16(v[2:]))), be.Uint16(v[4:]), int(be.Uint16(v[6:]))
	if len(digits) != 2*int(be.Uint16(v)) || sign != 0 && sign != numericMinus ||
		weight >= numericMost/4 || weight < -numericMost/4 || scale > numericMost {
		return dst, false
	}
	group := func(i int) uint16 {
		if i < 0 || i >= len(digits)/2 {
			return 0
		}
		return be.Uint16(digits[2*i:])
	}
	for i := range len(digits) / 2 {
		if group(i) >= 10000 {
			return dst, false
		}
	}
	if sign == numericMinus {
		dst = append(dst, '-')
	}
	n := len(dst)
	for i := range weight + 1 {
		dst = appendGroup(dst, group(i))
	}
	// Leading zeros go, but for the last one.
	whole := bytes.TrimLeft(dst[n:], "0")
	if len(whole) == 0 {
		whole = []byte("0")
	}
	dst = append(dst[:n], whole...)
	if scale > 0 {
		dst = append(dst, '.')
		n = len(dst)
		for i := weight + 1; len(dst)-n < scale; i++ {
			dst = appendGroup(dst, group(i))
		}
		dst = dst[:n+scale]
	}
	return dst, true
}

func appendGroup(dst []byte, g uint16) []byte {
	return append(dst, '0'+byte(g/1000), '0'+byte(g/100%10), '0'+byte(g/10%10), '0'+byte(g%10))
}

// appendNumericBinary appends the binary form of a number that splitDecimal took.
func appendNumericBinary(dst, number []byte) []byte {
	be := binary.BigEndian
	whole, fraction, _ := splitDecimal(number)
	whole = bytes.TrimLeft(whole, "0")
	groups := (len(whole) + 3) / 4
	digit := func(i int) uint16 { // the i-th decimal digit from the point; before it i is negative
		switch {
		case i < 0 && -i <= len(whole):
			return uint16(whole[len(whole)+i] - '0')
		case i >= 0 && i < len(fraction):
			return uint16(fraction[i] - '0')
		}
		return 0
	}
	weight, last := groups-1, -1 // of the first group, and the index of the last that is not zero
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	n := 0
	for g := range groups + (len(fraction)+3)/4 {
		at := 4 * (g - groups)
		value := digit(at)*1000 + digit(at+1)*100 + digit(at+2)*10 + digit(at+3)
		if value == 0 && n == 0 {
			weight--
			continue
		}
		dst = be.AppendUint16(dst, value)
		if n++; value != 0 {
			last = n
		}
	}
	if last < 0 {
		last, weight = 0, 0
	}
	dst = dst[:start+numericHeader+2*last]
	be.PutUint16(dst[start:], uint16(last))
	be.PutUint16(dst[start+2:], uint16(int16(weight)))
	if last > 0 && number[0] == '-' {
		be.PutUint16(dst[start+4:], numericMinus)
	}
	be.PutUint16(dst[start+6:], uint16(len(fraction)))
	return dst
}
