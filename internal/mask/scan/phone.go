// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// phone takes a telephone number that begins with group g and returns where it
// ends, or 0.
//
// There is no one form: it is 7 to 15 digits in groups, and what tells them from
// other numbers is a "+", an area code in parentheses, the North American 3-3-4,
// a leading zero with groups behind it, or a word that speaks of telephones.
func (p *search) phone(g int) int {
	r := &p.run
	if r.total(g, r.n) < 7 || !p.wants(Phone) && !p.wants(Fax) {
		return 0
	}
	from := p.phoneStart(g)
	last := r.tight(g)
	for h := r.n; h > g; h-- {
		n := r.total(g, h)
		if n > 15 {
			continue
		}
		if n < 7 {
			break
		}
		end := extension(p.text, r.to(h-1))
		if h == r.n && end < len(p.text) && isWord(p.text[end]) || h < r.n && r.sep[h] != ' ' && r.sep[h] != sepOpen && r.sep[h] != sepWide {
			continue
		}
		rule := p.phoneForm(g, h)
		if g > 0 && r.sep[g] == ' ' && from-1 > p.end && (rule == rulePhoneNational && p.text[from] != '(' || rule == rulePhoneNANP && h > last || rule == ruleNone) {
			return 0 // the middle of a row of numbers
		}
		if rule == ruleNone && h <= last && h < r.n {
			break // with words around it only the whole of it is looked at
		}
		if rule == ruleNone && p.spoken(g, h, from, end) {
			rule = rulePhoneContext
		}
		if rule == ruleNone {
			continue
		}
		entity := p.phoneOrFax(from, end)
		if entity == Fax {
			rule = ruleFax
		}
		p.emit(Span{from, end, entity, rule})
		return end
	}
	return 0
}

// phoneStart returns where the number that begins with group g begins: at the
// "(" or "+" before it.
func (p *search) phoneStart(g int) int {
	i := p.run.from(g)
	for k := 0; k < 2 && i > p.end && (p.text[i-1] == '(' || p.text[i-1] == '+'); k++ {
		i--
	}
	return i
}

// phoneForm returns the rule by which the form of groups g to h alone makes a
// telephone number, or ruleNone.
func (p *search) phoneForm(g, h int) Rule {
	r, text := &p.run, p.text
	i := r.from(g)
	plus := i > 0 && (text[i-1] == '+' || i > 1 && text[i-1] == '(' && text[i-2] == '+')
	paren := i > 0 && text[i-1] == '(' && !plus && r.n > g+1 && (r.sep[g+1] == ')' || r.sep[g+1] == sepClose)
	n, k := r.total(g, h), h-g
	switch {
	case plus:
		if n >= 8 && text[i] != '0' && (text[i] != '1' || n == 11) && p.plausible(g, h, 15) {
			return rulePhoneE164
		}
		return ruleNone
	case p.nanp(g, h):
		return rulePhoneNANP
	case paren:
		if s := r.size(g); s >= 2 && s <= 5 && k <= 4 && p.plausible(g, h, 8) && (i < 2 || !isWord(text[i-2])) {
			return rulePhoneNational
		}
	case text[i] == '0' && k >= 2 && n >= 9 && n <= 13 && r.size(g) >= 2 && !p.productCode(g, h) && p.plausible(g, h, 8):
		if k >= 3 || n >= 10 && r.size(h-1) >= 6 {
			return rulePhoneNational
		}
	}
	return ruleNone
}

// nanp reports whether groups g to h are a North American number with its area
// code, with or without the prefix "1" or "001".
func (p *search) nanp(g, h int) bool {
	r, text := &p.run, p.text
	first := text[r.from(g):r.to(g)]
	if h-g == 4 && (string(first) == "1" || string(first) == "001") {
		g++
	}
	if h-g == 2 && r.size(g) == 3 && r.size(g+1) == 7 {
		return r.sep[g+1] != ' ' && r.sep[g+1] != '.' && r.sep[g+1] != '/' && text[r.from(g)] >= '2' && text[r.from(g+1)] >= '2'
	}
	if h-g != 3 || r.shape(g, h) != 334 {
		return false
	}
	a, b := r.sep[g+1], r.sep[g+2]
	if a != b && a != ')' && a != sepClose && a != '/' {
		return false
	}
	return text[r.from(g)] >= '2' && text[r.from(g+1)] >= '2'
}

// productCode reports whether groups g to h have the form of a National Drug
// Code.
func (p *search) productCode(g, h int) bool {
	switch p.run.shape(g, h) {
	case 542, 532, 442, 541:
		return p.run.uniform(g, h, '-')
	}
	return false
}

// plausible reports whether the groups g to h have sizes and separators that
// people give telephone numbers. most bounds the size of the last.
func (p *search) plausible(g, h, most int) bool {
	r := &p.run
	var seen [3]int // dots, slashes, of one digit
	for i := g; i < h; i++ {
		size := r.size(i)
		if size > 5 && i != h-1 && (i > g || most < 15) || size > most {
			return false
		}
		if size == 1 && i > g && r.sep[i] != '(' && r.sep[i] != sepOpen {
			seen[2]++
		}
		if i == g {
			continue
		}
		switch r.sep[i] {
		case '.':
			seen[0]++
		case '/':
			if i > g+2 {
				return false
			}
		}
	}
	others := h - g - 1 - seen[0]
	if seen[0] > 0 && others > 1 || seen[2] > 1 || seen[2] > 0 && h-g > 7 {
		return false
	}
	return h-g == 1 || r.size(h-1) >= 2
}

// spoken reports whether words around groups g to h make them a telephone
// number.
func (p *search) spoken(g, h, from, end int) bool {
	r := &p.run
	k, n := h-g, r.total(g, h)
	if !p.plausible(g, h, 15) || p.productCode(g, h) || k > 1 && r.sep[g+1] == '.' && (k == 2 && r.shape(g, h) != 34 || r.size(g) == 1) {
		return false
	}
	if phoneAfter(p.text, end) != clueNone {
		return k > 1 || n >= 7
	}
	switch x := p.before(from, 4); x.clue {
	case cluePhone, clueFax:
		return x.gap <= 1 || x.gap <= 4 && (k > 1 || n >= 9)
	case clueNumber:
		return x.gap == 0 && k > 1 && n >= 7 && n <= 12
	}
	return false
}

// phoneOrFax says which the words around make it; the one behind counts more.
func (p *search) phoneOrFax(from, end int) Entity {
	c := phoneAfter(p.text, end)
	if c == clueNone {
		c = p.before(from, 1).clue
	}
	if c == clueFax {
		return Fax
	}
	return Phone
}

// extension returns where "x123", "ext. 123" or the like behind a number that
// ends at i ends, or i.
func extension(text []byte, i int) int {
	k := i
	for k < i+2 && (at(text, k) == ' ' || at(text, k) == ',') {
		k++
	}
	switch c := at(text, k); {
	case c == '#' && k > i:
		k++
	case c|0x20 == 'x' && !isAlpha(at(text, k+1)):
		k++
	case c|0x20 == 'e':
		e := wordAfter(text, k, 9)
		var buf [16]byte
		switch string(fold(&buf, text[k:e])) {
		case "ext", "extn", "extension":
			k = e
		default:
			return i
		}
	default:
		return i
	}
	for n := 0; n < 2 && (at(text, k) == '.' || at(text, k) == ' ' || at(text, k) == ':'); n++ {
		k++
	}
	e := k
	for e < len(text) && e < k+7 && isDigit(text[e]) {
		e++
	}
	if e == k || e > k+6 || e < len(text) && isWord(text[e]) {
		return i
	}
	return e
}
