// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// address asks whether a street address stands around the digits text[i:j].
func (p *search) address(i, j int) int {
	if i > 0 && !opensNumber(p.text[i-1]) || !p.nearName(i, j) || !p.wants(Address) {
		return 0
	}
	from, to, rule, ok := p.s.street(p.text, i, j)
	if !ok || to <= p.end {
		return 0
	}
	for len(p.dst) > p.base && p.dst[len(p.dst)-1].Start >= from {
		p.dst = p.dst[:len(p.dst)-1] // within the address
		p.end = 0
	}
	if k := len(p.dst); k > p.base {
		p.end = p.dst[k-1].End
	}
	if z := p.codeOf(j, to); z > 0 {
		p.emit(Span{from, z, Address, rule})
		p.emit(Span{z, to, ZIP, ruleZIPState})
	} else {
		p.emit(Span{from, to, Address, rule})
	}
	return to
}

// nearName reports whether the word before or behind the digits text[i:j] can be
// of an address: it begins with a capital or is one of the few that need none.
func (p *search) nearName(i, j int) bool {
	text := p.text
	k := j
	if isAlpha(at(text, k)) {
		k++ // "12B"
	}
	for k < j+3 && (at(text, k) == ' ' || at(text, k) == ',' || at(text, k) == '.') {
		k++
	}
	if c := at(text, k); k > j && (isUpper(c) || c >= 0x80) {
		return true
	} else if e := digitsEnd(text, k); e > k && k > j && ordinal(text, e) > e { // "221 5th Avenue"
		return true
	} else if k > j && isAlpha(c) {
		if w := text[k:wordAfter(text, k, 8)]; particle(w) || begins(w) {
			return true
		}
	}
	e := i
	for e > max(0, i-3) && (text[e-1] == ' ' || text[e-1] == '\n' || text[e-1] == ',' || text[e-1] == '#' || text[e-1] == '.') {
		e--
	}
	if e == 0 {
		return at(text, j) == '\n'
	}
	if e == i {
		return false
	}
	if text[e-1] >= 0x80 {
		return true
	}
	w := wordBefore(text, e, 24)
	if w == e {
		return false
	}
	if c := text[w]; isUpper(c) || w > 0 && text[w-1] >= 0x80 {
		return true
	}
	switch string(text[w:e]) {
	case "apt", "apartment", "suite", "ste", "box", "psc", "unit", "ap", "ae", "aa", "no", "nr":
		return true
	}
	return way(text[w:e]) != wayNone
}

// codeOf returns where the postal code begins that ends the address text[:to],
// behind the code of a state or on a line of its own, or 0 when the address begun
// before i has none.
func (p *search) codeOf(i, to int) int {
	z := to
	for z > i && (isDigit(p.text[z-1]) || p.text[z-1] == '-') {
		z--
	}
	if n := to - z; z == i || n < 3 || n > 10 || !p.wants(ZIP) || !p.ofState(z, min(to, z+5)) && !lineBegins(p.text, z) {
		return 0
	}
	return z
}

// lineGoesOn reports whether what stands behind a house number "12/3" can: the
// end of the line, a capital or a number.
func lineGoesOn(text []byte, j int) bool {
	for k := 0; k < 2 && (at(text, j) == ' ' || at(text, j) == ','); k++ {
		j++
	}
	c := at(text, j)
	return c == 0 || c == '\n' || isUpper(c) || isDigit(c) || c >= 0x80
}
