// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// luhn returns the sum of ISO/IEC 7812 over digits with whatever else stands
// between them, beginning with sum; a number is right when it is a multiple of ten.
func luhn(v []byte, sum int) int {
	double := false
	for i := len(v) - 1; i >= 0; i-- {
		if !isDigit(v[i]) {
			continue
		}
		d := int(v[i] - '0')
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		double = !double
	}
	return sum
}

// npiPrefix is what the prefix 80840 of health identifiers adds to the sum.
const npiPrefix = 24

// isNPI reports whether v is ten digits of a National Provider Identifier.
func isNPI(v []byte) bool {
	return len(v) == 10 && (v[0] == '1' || v[0] == '2') && luhn(v, npiPrefix)%10 == 0
}

// issued reports whether a payment network issues numbers that begin so and are
// n digits long. prefix is the first four digits.
func issued(prefix, n int) bool {
	two := prefix / 100
	switch {
	case prefix/1000 == 4:
		return n == 13 || n == 16 || n == 19
	case two >= 51 && two <= 55, prefix >= 2221 && prefix <= 2720:
		return n == 16
	case two == 34, two == 37:
		return n == 15
	case two == 36, two == 38, two == 39, prefix >= 3000 && prefix <= 3059, prefix == 3095:
		return n >= 14 && n <= 19
	case prefix == 1800, prefix == 2131:
		return n == 15
	case prefix >= 3528 && prefix <= 3589:
		return n >= 16
	case prefix == 6011, two == 65, prefix >= 6440 && prefix <= 6499, two == 62, two == 81:
		return n >= 16
	case two == 50, two >= 56 && two <= 69:
		return n >= 12
	}
	return false
}

// isDEA reports whether v is a number of the Drug Enforcement Administration.
func isDEA(v []byte) bool {
	if len(v) != 9 || !isAlpha(v[0]) || !isAlpha(v[1]) && v[1] != '9' {
		return false
	}
	var d [7]int
	for i := range d {
		if !isDigit(v[2+i]) {
			return false
		}
		d[i] = int(v[2+i] - '0')
	}
	return (d[0]+d[2]+d[4]+2*(d[1]+d[3]+d[5]))%10 == d[6]
}

// isMBI reports whether v is a Medicare Beneficiary Identifier without dashes.
func isMBI(v []byte) bool {
	if len(v) != 11 {
		return false
	}
	for i, form := range []byte("CAXNAXNAANN") {
		c := v[i]
		if isAlpha(c) {
			c &^= 0x20
		}
		letter := isUpper(c) && c != 'S' && c != 'L' && c != 'O' && c != 'I' && c != 'B' && c != 'Z'
		ok := false
		switch form {
		case 'C':
			ok = isDigit(c) && c != '0'
		case 'A':
			ok = letter
		case 'N':
			ok = isDigit(c)
		case 'X':
			ok = letter || isDigit(c)
		}
		if !ok {
			return false
		}
	}
	return true
}

// isVIN reports whether v is a vehicle identification number with a right check
// digit. It wants letters and digits: what is only one of them is something else.
func isVIN(v []byte) bool {
	const values = "12345678.12345.7.923456789" // of A to Z
	const weights = "8765432X098765432"
	if len(v) != 17 {
		return false
	}
	sum, alpha := 0, 0
	for i, c := range v {
		n := 0
		if isDigit(c) {
			n = int(c - '0')
		} else {
			x := values[c&^0x20-'A']
			if x == '.' {
				return false
			}
			n = int(x - '0')
			alpha++
		}
		w := 10
		if weights[i] != 'X' {
			w = int(weights[i] - '0')
		}
		sum += n * w
	}
	check := byte('0' + sum%11)
	if sum%11 == 10 {
		check = 'X'
	}
	return alpha > 0 && alpha < 17 && (v[8] == check || check == 'X' && v[8] == 'x')
}

// isABA reports whether v is a routing number of a bank of the United States.
func isABA(v []byte) bool {
	if len(v) != 9 {
		return false
	}
	sum := 0
	for i, c := range v {
		sum += int(c-'0') * [3]int{3, 7, 1}[i%3]
	}
	return sum > 0 && sum%10 == 0
}

// isGTIN reports whether the digits v end in a right check digit of GS1.
func isGTIN(v []byte) bool {
	sum := 0
	for i := range v {
		d := int(v[len(v)-1-i] - '0')
		if i%2 == 1 {
			d *= 3
		}
		sum += d
	}
	return sum%10 == 0
}

// ibanLength returns the length of an IBAN of a country, or 0.
func ibanLength(a, b byte) int {
	switch string([]byte{a &^ 0x20, b &^ 0x20}) {
	case "NO":
		return 15
	case "BE":
		return 16
	case "DK", "FI", "FO", "GL", "NL", "SD", "FK":
		return 18
	case "MK", "SI":
		return 19
	case "AT", "BA", "EE", "KZ", "LT", "LU", "XK", "MN":
		return 20
	case "CH", "HR", "LI", "LV":
		return 21
	case "BG", "BH", "CR", "DE", "GB", "GE", "IE", "ME", "RS", "VA":
		return 22
	case "AE", "GI", "IL", "IQ", "TL", "OM", "SO":
		return 23
	case "AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN", "VG":
		return 24
	case "LY", "PT", "ST":
		return 25
	case "IS", "TR":
		return 26
	case "BI", "DJ", "FR", "GR", "IT", "MC", "MR", "SM":
		return 27
	case "AL", "AZ", "BY", "CY", "DO", "GT", "HU", "LB", "NI", "PL", "SV":
		return 28
	case "BR", "EG", "PS", "QA", "UA":
		return 29
	case "JO", "KW", "MU", "YE":
		return 30
	case "MT", "SC":
		return 31
	case "LC":
		return 32
	case "RU":
		return 33
	}
	return 0
}

// ibanEnd returns where the IBAN that begins at i ends, or 0: its letters and
// digits, with single spaces between, number what the country gives it, and are
// 1 modulo 97.
func ibanEnd(text []byte, i int) int {
	n := ibanLength(at(text, i), at(text, i+1))
	if n == 0 || !isDigit(at(text, i+2)) || !isDigit(at(text, i+3)) {
		return 0
	}
	sum, seen, j := 0, 4, i+4
	for seen < n {
		if at(text, j) == ' ' && seen%4 == 0 {
			j++
		}
		if j >= len(text) || !isAlnum(text[j]) {
			return 0
		}
		sum = mod97(sum, text[j])
		seen++
		j++
	}
	for _, c := range text[i : i+4] {
		sum = mod97(sum, c)
	}
	if sum != 1 || j < len(text) && isWord(text[j]) {
		return 0
	}
	return j
}

func mod97(sum int, c byte) int {
	if isDigit(c) {
		return (sum*10 + int(c-'0')) % 97
	}
	return (sum*100 + int(c&^0x20-'A') + 10) % 97
}
