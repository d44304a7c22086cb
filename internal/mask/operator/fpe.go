// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"bytes"
	"strconv"
	"strings"
)

// alphabets are the characters that FPE works on, by name. "" is digits.
var alphabets = map[string]string{
	"":       "0123456789",
	"digits": "0123456789",
	"lower":  "abcdefghijklmnopqrstuvwxyz",
	"upper":  "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
	"alnum":  "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
}

// The check digits that FPE repairs.
const (
	checkLuhn = "luhn"
	checkNPI  = "npi"
)

// ff1s are the permutations of one operator, by version of the key.
type ff1s map[int]*ff1

func newFF1s(s Spec, keys *Keys) (ff1s, error) {
	all := make(ff1s, len(keys.keys))
	for _, k := range keys.keys {
		f, err := newFF1(k.derive(FPE, s.Domain), len(alphabets[s.Alphabet]), []byte(s.Domain))
		if err != nil {
			return nil, err
		}
		all[k.Version] = f
	}
	return all, nil
}

// Reveal appends the text that FPE turned into v under a version of the key to
// dst. ok is false when the operator is no FPE, has no such version, or could
// not have made v.
func (o *Operator) Reveal(dst, v []byte, version int) (out []byte, ok bool) {
	return o.permuteText(dst, v, o.ff1s[version], true)
}

// RevealInt is Reveal for an integer.
func (o *Operator) RevealInt(v int64, version int) (int64, bool) {
	return o.permuteInt(v, o.ff1s[version], true)
}

// RevealDecimal is Reveal for a decimal number.
func (o *Operator) RevealDecimal(dst, v []byte, version int) ([]byte, bool) {
	return o.permuteDecimal(dst, v, o.ff1s[version], true)
}

// permuteText works on the characters of the alphabet. What stands between them
// stays and may be separators only, for any other character is part of the value.
func (o *Operator) permuteText(dst, v []byte, f *ff1, decrypt bool) ([]byte, bool) {
	if f == nil || len(v) > 4*ff1Longest {
		return dst, false
	}
	x := make([]byte, 0, ff1Longest)
	alphabet := alphabets[o.spec.Alphabet]
	for _, c := range v {
		i := strings.IndexByte(alphabet, c)
		switch {
		case i < 0 && !separator(rune(c)), len(x) == ff1Longest:
			return dst, false
		case i >= 0:
			x = append(x, byte(i))
		}
	}
	if !o.permute(x, f, nil, decrypt) {
		return dst, false
	}
	for _, c := range v {
		if separator(rune(c)) {
			dst = append(dst, c)
			continue
		}
		dst = append(dst, alphabet[x[0]])
		x = x[1:]
	}
	return dst, true
}

// permuteInt keeps the sign and the number of digits.
func (o *Operator) permuteInt(v int64, f *ff1, decrypt bool) (int64, bool) {
	buf := strconv.AppendInt(make([]byte, 0, 20), v, 10)
	x := bytes.TrimPrefix(buf, []byte{'-'})
	// With a check digit, the greatest integers could come out too great.
	if !digits(x) || o.spec.Check != "" && len(x) > 18 || !o.permute(x, f, fitsInt64, decrypt) {
		return 0, false
	}
	for i := range x {
		x[i] += '0'
	}
	out, err := strconv.ParseInt(string(buf), 10, 64)
	return out, err == nil
}

// fitsInt64 reports whether numerals are those of a positive integer without
// leading zeros.
func fitsInt64(x []byte) bool {
	const greatest = "9223372036854775807"
	if x[0] == 0 || len(x) > len(greatest) {
		return false
	}
	for i := range x {
		if len(x) == len(greatest) && x[i]+'0' != greatest[i] {
			return x[i]+'0' < greatest[i]
		}
	}
	return true
}

// permuteDecimal keeps sign, point and number of digits, and an integer part of
// "0".
func (o *Operator) permuteDecimal(dst, v []byte, f *ff1, decrypt bool) ([]byte, bool) {
	if len(v) > ff1Longest {
		return dst, false
	}
	sign := 0
	if len(v) > 0 && (v[0] == '-' || v[0] == '+') {
		sign = 1
	}
	whole, fraction, point := bytes.Cut(v[sign:], []byte{'.'})
	if len(whole) == 0 || point && len(fraction) == 0 {
		return dst, false
	}
	accept := leadingDigit
	kept := sign
	if string(whole) == "0" {
		whole, accept, kept = nil, nil, sign+len("0.")
	}
	x := append(append(make([]byte, 0, len(v)), whole...), fraction...)
	if !digits(x) || !o.permute(x, f, accept, decrypt) {
		return dst, false
	}
	dst = append(dst, v[:min(kept, len(v))]...)
	for i, d := range x {
		if i == len(whole) && i > 0 {
			dst = append(dst, '.')
		}
		dst = append(dst, d+'0')
	}
	return dst, true
}

func leadingDigit(x []byte) bool { return x[0] != 0 }

// digits turns decimal digits into numerals; it reports whether there were
// nothing but digits.
func digits(x []byte) bool {
	for i, c := range x {
		if c < '0' || c > '9' {
			return false
		}
		x[i] = c - '0'
	}
	return true
}

// permute encrypts or decrypts the numerals in x until accept, where there is
// one, takes the result: so it permutes the strings that accept takes, and x
// must be one of them. A check digit is left out and made anew.
func (o *Operator) permute(x []byte, f *ff1, accept func([]byte) bool, decrypt bool) bool {
	if f == nil {
		return false
	}
	payload, rest := x, 0
	if o.spec.Check != "" {
		if len(x) < 2 || !o.checked(x) {
			return false
		}
		payload, rest = x[:len(x)-1], 1
	}
	taken := func(x []byte) bool {
		return (accept == nil || accept(x)) && (o.spec.Check != checkNPI || x[0] == 1 || x[0] == 2)
	}
	least := 0
	if accept != nil {
		least = 1 // without a leading zero there are a tenth less
	}
	if !f.fits(payload) || len(payload) < f.least+least || !taken(payload) {
		return false
	}
	for f.permute(payload, decrypt); !taken(payload); {
		f.permute(payload, decrypt)
	}
	if rest == 1 {
		x[len(x)-1] = o.checkDigit(payload)
	}
	return true
}

// checked reports whether x has the check digit that its operator repairs; a
// wrong one could not be restored.
func (o *Operator) checked(x []byte) bool {
	return (o.spec.Check != checkNPI || len(x) == 10) && x[len(x)-1] == o.checkDigit(x[:len(x)-1])
}

// checkDigit returns the Luhn digit of a payload; an NPI's is that of the number
// with 80840 before it, which adds 24 to the sum.
func (o *Operator) checkDigit(payload []byte) byte {
	sum := 0
	if o.spec.Check == checkNPI {
		sum = 24
	}
	for i := range payload {
		d := int(payload[len(payload)-1-i])
		if i%2 == 0 {
			d = 2*d/10 + 2*d%10
		}
		sum += d
	}
	return byte((10 - sum%10) % 10)
}
