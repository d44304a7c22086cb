// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"bytes"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// partial keeps the first and last letters and digits and the separators. It has
// no answer where that would be half of the letters and digits or more.
func (o *Operator) partial(dst, v []byte) ([]byte, bool) {
	if !utf8.Valid(v) {
		return dst, false
	}
	total := 0
	for i := 0; i < len(v); {
		c, n := utf8.DecodeRune(v[i:])
		i += n
		if alphanumeric(c) {
			total++
		}
	}
	if total == 0 || total <= 2*(o.spec.First+o.spec.Last) {
		return dst, false
	}
	seen := 0
	for i := 0; i < len(v); {
		c, n := utf8.DecodeRune(v[i:])
		kept := separator(c)
		if alphanumeric(c) {
			kept = seen < o.spec.First || seen >= total-o.spec.Last
			seen++
		}
		if kept {
			dst = append(dst, v[i:i+n]...)
		} else {
			dst = append(dst, '*')
		}
		i += n
	}
	return dst, true
}

func alphanumeric(c rune) bool { return unicode.IsLetter(c) || unicode.IsNumber(c) }

// emailDomain replaces what stands before the "@" of an address.
func emailDomain(dst, v []byte) ([]byte, bool) {
	const longestLocal, longestDomain = 64, 253
	v = bytes.TrimSpace(v)
	local, domain, _ := bytes.Cut(v, []byte{'@'})
	if len(local) == 0 || len(local) > longestLocal || len(domain) > longestDomain || !isDomain(domain) {
		return dst, false
	}
	for _, c := range local {
		if c <= ' ' || c == 0x7f || strings.IndexByte(`"(),:;<>[\]`, c) >= 0 {
			return dst, false
		}
	}
	return append(append(dst, "***@"...), domain...), true
}

// isDomain reports whether v is two or more labels of letters, digits and
// hyphens, the last with a letter.
func isDomain(v []byte) bool {
	labels, letter := 0, false
	for len(v) > 0 {
		n := 0
		letter = false
		for n < len(v) && (isLetter(v[n]) || isDigit(v[n]) || v[n] == '-') {
			letter = letter || isLetter(v[n])
			n++
		}
		if n == 0 || n > 63 || v[0] == '-' || v[n-1] == '-' {
			return false
		}
		labels++
		if n == len(v) {
			return labels > 1 && letter
		}
		if v[n] != '.' {
			return false
		}
		v = v[n+1:]
	}
	return false
}

// phoneRegion replaces the digits after the country code and, in North America,
// the area code. "*" stands for a digit, so that a masked number can be masked.
func phoneRegion(dst, v []byte) ([]byte, bool) {
	const longest, most = 40, 15
	v = bytes.TrimSpace(v)
	if len(v) > longest {
		return dst, false
	}
	var number [most]byte
	n := 0
	for i, c := range v {
		switch {
		case isDigit(c) || c == '*':
			if n == most {
				return dst, false
			}
			number[n] = c
			n++
		case c == '+' && i == 0, c == ' ', c == '-', c == '.', c == '/', c == '(', c == ')':
		default:
			return dst, false
		}
	}
	kept := regionDigits(number[:n], len(v) > 0 && v[0] == '+')
	if kept == 0 {
		return dst, false
	}
	for _, c := range v {
		if isDigit(c) || c == '*' {
			kept--
			if kept < 0 {
				c = '*'
			}
		}
		dst = append(dst, c)
	}
	return dst, true
}

// regionDigits returns how many digits of a telephone number say where it is, or
// 0 when that is not known.
func regionDigits(number []byte, international bool) int {
	const nanp, shortest = 10, 8
	switch n := len(number); {
	case n > 0 && number[0] == '0':
		return 0
	case n == nanp+1 && number[0] == '1' && isArea(number[1:4]):
		return 4
	case n == nanp && !international && isArea(number[:3]):
		return 3
	case international && n >= shortest && number[0] != '1':
		return countryDigits(number)
	}
	return 0
}

func isArea(v []byte) bool { return v[0] >= '2' && v[0] <= '9' && isDigit(v[1]) && isDigit(v[2]) }

// countryDigits returns the length of the country code (ITU-T E.164) that a
// number begins with, or 0.
func countryDigits(number []byte) int {
	// For each first digit but 1 and 7, the second digits of codes of two digits.
	twoDigits := [10]string{2: "07", 3: "0123469", 4: "013456789", 5: "12345678", 6: "0123456", 8: "1246", 9: "0123458"}
	if number[0] == '7' {
		return 1
	}
	if !isDigit(number[0]) || !isDigit(number[1]) {
		return 0
	}
	if strings.IndexByte(twoDigits[number[0]-'0'], number[1]) >= 0 {
		return 2
	}
	if !isDigit(number[2]) {
		return 0
	}
	return 3
}

// network keeps the bits of an address that say where it is.
func (o *Operator) network(v netip.Prefix) (netip.Prefix, bool) {
	if !v.IsValid() {
		return netip.Prefix{}, false
	}
	a, n := v.Addr(), v.Bits()
	if a.Is4In6() && n >= 96 {
		a, n = a.Unmap(), n-96
	}
	most := o.spec.Bits6
	if a.Is4() {
		most = o.spec.Bits4
	}
	p, err := a.WithZone("").Prefix(min(n, most))
	return p, err == nil
}

func (o *Operator) networkText(dst, v []byte) ([]byte, bool) {
	p, ok := parseAddress(string(bytes.TrimSpace(v)))
	if !ok {
		return dst, false
	}
	if p, ok = o.network(p); !ok {
		return dst, false
	}
	return p.AppendTo(dst), true
}

// parseAddress reads a network or an address of a host.
func parseAddress(s string) (netip.Prefix, bool) {
	if len(s) > 64 {
		return netip.Prefix{}, false
	}
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p, err == nil
}
