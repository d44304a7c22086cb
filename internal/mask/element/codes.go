// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package element

import "bytes"

// Form is what the codes of a terminology look like, so that what is none does not
// pass under its name.
type Form uint8

// The forms.
const (
	AnyForm Form = iota // one word without the digits of an identifier
	LOINC               // digits, a dash and a check digit
	SNOMED              // digits with a check digit, or an expression of such
	Numeric             // at most seven digits
	ICD                 // a letter and digits, with a point or without
	NDC                 // eleven digits, or ten with dashes
)

// Fits reports whether v, which is not empty, is of the form.
func (f Form) Fits(v []byte) bool {
	switch f {
	case LOINC:
		return loincLike(v)
	case SNOMED:
		return sctLike(v)
	case Numeric:
		return len(v) <= 7 && allDigits(v)
	case ICD:
		return len(v) >= 3 && len(v) <= 8 && v[0]-'A' <= 'Z'-'A' && v[1]-'0' <= 9 && codeLike(v)
	case NDC:
		return ndcLike(v)
	case AnyForm:
	}
	return codeLike(v)
}

// codeLike reports whether v is one word without the digits of a date, a
// telephone or a social security number.
func codeLike(v []byte) bool {
	if len(v) > codeBytes {
		return false
	}
	const (
		mostInRow = 7
		most      = 8
	)
	digits, row, joints := 0, 0, 0
	for _, c := range v {
		switch {
		case c-'0' <= 9:
			digits++
			if row++; row > mostInRow {
				return false
			}
			continue
		case c <= ' ' || c >= 0x7f || c == '@':
			return false
		case c == '-' || c == '/':
			joints++
		}
		row = 0
	}
	return digits <= most && (digits < 6 || joints < 2)
}

// ndcLike: 00456042001, 0456-0420-01, 00456-0420-01.
func ndcLike(v []byte) bool {
	digits, dashes := 0, 0
	for _, c := range v {
		switch {
		case c-'0' <= 9:
			digits++
		case c == '-':
			dashes++
		default:
			return false
		}
	}
	return digits == 11 && (dashes == 0 || dashes == 2) || digits == 10 && dashes == 2
}

// sctLike: 271649006, 71341001:272741003=7771000.
func sctLike(v []byte) bool {
	if len(v) > codeBytes {
		return false
	}
	for {
		end := bytes.IndexAny(v, ":=,+{}")
		id := v
		if end >= 0 {
			id = v[:end]
		}
		if len(id) < 6 || len(id) > 18 || !verhoeff(id) {
			return false
		}
		if end < 0 {
			return true
		}
		v = v[end+1:]
	}
}

// loincLike: 718-7 with the check digit of modulus ten, LA33-6.
func loincLike(v []byte) bool {
	if len(v) > 4 && v[0] == 'L' && v[1] >= 'A' && v[1] <= 'Z' {
		return codeLike(v)
	}
	n := len(v) - 2
	if n < 1 || n > 7 || v[n] != '-' {
		return false
	}
	sum, double := 0, true
	for i := n - 1; i >= 0; i-- {
		d := int(v[i] - '0')
		if d < 0 || d > 9 {
			return false
		}
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		double = !double
	}
	return int(v[n+1]-'0') == (10-sum%10)%10
}

// The tables of the dihedral group that Verhoeff's check digit is computed in.
const (
	verhoeffProduct = "0123456789" + "1234067895" + "2340178956" + "3401289567" + "4012395678" +
		"5987604321" + "6598710432" + "7659821043" + "8765932104" + "9876543210"
	verhoeffPermutation = "0123456789" + "1576283094" + "5803796142" + "8916043527" + "9453126870" + "4286573901" + "2793806415" + "7046913258"
)

// verhoeff reports whether v is digits that end in their check digit.
func verhoeff(v []byte) bool {
	sum := 0
	for i := range v {
		d := int(v[len(v)-1-i]) - '0'
		if d < 0 || d > 9 {
			return false
		}
		p := int(verhoeffPermutation[i%8*10+d] - '0')
		sum = int(verhoeffProduct[sum*10+p] - '0')
	}
	return sum == 0
}

func allDigits(v []byte) bool {
	for _, c := range v {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
