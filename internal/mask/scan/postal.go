// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"strings"

	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
)

// postal takes the postal code text[i:j] of digits by what stands around it: a
// word that says so, a state before it, or a place.
func (p *search) postal(i, j int) int {
	text := p.text
	if !p.wants(ZIP) || isWord(at(text, j)) || i < p.end {
		return 0
	}
	rule := ruleNone
	switch {
	case p.before(i, 0).is(clueZIP, 0):
		rule = ruleZIPContext
		if j-i == 4 && at(text, j) == ' ' && isUpper(at(text, j+1)) && isUpper(at(text, j+2)) && !isWord(at(text, j+3)) {
			j += 3 // "7412 SL"
		}
	case unitAfter(text, j):
		return 0
	case p.ofState(i, j):
		rule = ruleZIPState
	case p.ofPlace(i, j), p.below(i, j):
		rule = ruleZIPPlace
	default:
		return 0
	}
	p.emit(Span{i, j, ZIP, rule})
	return j
}

// ofState reports whether the name or the code of a state or region precedes the
// code text[i:j].
func (p *search) ofState(i, j int) bool {
	text := p.text
	e, lines := i, 0
	for e > max(p.end, i-24) && (text[e-1] == ' ' || text[e-1] == '\n' || text[e-1] == '\r' || text[e-1] == ',' && lines == 0) {
		if text[e-1] == '\n' {
			lines++
		}
		e--
	}
	w := wordBefore(text, e, 16)
	if w == e || e == i || w > 0 && isWord(text[w-1]) {
		return false
	}
	v := text[w:e]
	if lines == 0 && j-i == 5 && stateName(v) {
		return true
	}
	if len(v) == 2 && isUpper(v[0]) && isUpper(v[1]) && isState(v) && j-i == 5 && lines <= 1 {
		return true
	}
	last := j == len(text) || text[j] == '\n' || text[j] == '\r'
	if !last || len(v) > 3 {
		return false
	}
	switch string(v) { // a missing region, as exports write it, and regions of Australia
	case "nan", "NaN", "null", "NSW", "VIC", "QLD", "TAS":
		return true
	}
	return lines == 1 && len(v) == 2 && isUpper(v[0]) && isUpper(v[1]) && aloneOnLine(text, w) && i-e > 1
}

// aloneOnLine reports whether only spaces stand on the line before i.
func aloneOnLine(text []byte, i int) bool {
	low := max(0, i-16)
	for i > low && text[i-1] == ' ' {
		i--
	}
	return i > 0 && text[i-1] == '\n'
}

// states has a bit for the second letter of each code that the postal service has for
// a state, a territory or the armed forces, by the first.
var states = buildStates()

func buildStates() (t [32]uint32) {
	for _, code := range strings.Fields("AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC " +
		"ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC AS GU MP PR VI FM MH PW AA AE AP") {
		t[code[0]&31] |= 1 << (code[1] & 31)
	}
	return t
}

// isState reports whether v, two capital letters, is such a code.
func isState(v []byte) bool { return states[v[0]&31]>>(v[1]&31)&1 != 0 }

// stateName reports whether v is the last word of the name of a state.
func stateName(v []byte) bool {
	switch string(v) {
	case "Alabama", "Alaska", "Arizona", "Arkansas", "California", "Colorado", "Connecticut", "Delaware", "Florida", "Georgia", "Hawaii", "Idaho",
		"Illinois", "Indiana", "Iowa", "Kansas", "Kentucky", "Louisiana", "Maine", "Maryland", "Massachusetts", "Michigan", "Minnesota", "Mississippi",
		"Missouri", "Montana", "Nebraska", "Nevada", "Hampshire", "Jersey", "Mexico", "York", "Carolina", "Dakota", "Ohio", "Oklahoma", "Oregon",
		"Pennsylvania", "Island", "Tennessee", "Texas", "Utah", "Vermont", "Virginia", "Washington", "Wisconsin", "Wyoming", "Columbia", "Rico":
		return true
	}
	return false
}

// ofPlace reports whether "in" and one to four words of a place's name, perhaps with
// another in parentheses, precede the code text[i:j]: the last begins with a capital,
// or one of them is a particle such as "de". Three digits are a number of anything, and
// need a place that is known, or beyond ASCII, and a clause that goes on behind.
func (p *search) ofPlace(i, j int) bool {
	text := p.text
	c := at(text, j)
	if i < 6 || text[i-1] != ' ' || (c == '.' || c == ',') && isDigit(at(text, j+1)) || c == '%' {
		return false
	}
	named := false
	for e, n := beforeParentheses(text, i-1), 0; n < 5; n++ {
		w := placeWord(text, e)
		v := text[w:e]
		if n > 0 && (string(v) == "in" || string(v) == "In") {
			return named
		}
		if len(v) < 2 || w == 0 || text[w-1] != ' ' {
			return false
		}
		if n == 0 && (string(v) != "nan" && (len(v) < 4 || notPlace(v)) || j-i < 4 && !(p.s.placed(v) && clauseGoesOn(text, j))) {
			return false
		}
		named = named || n == 0 && (isUpper(v[0]) || v[0] >= 0x80 || string(v) == "nan") || placeParticle(v)
		e = w - 1
	}
	return false
}

// placeWord returns where the word of a place's name begins that ends at e.
func placeWord(text []byte, e int) int {
	w := e
	for w > max(0, e-24) && (isAlpha(text[w-1]) || text[w-1] >= 0x80 || text[w-1] == '\'' || text[w-1] == '-') {
		w--
	}
	return w
}

// beforeParentheses returns where what stands before a short text in parentheses ends,
// when that ends at e and a space parts them, or e.
func beforeParentheses(text []byte, e int) int {
	if at(text, e-1) != ')' {
		return e
	}
	for k := e - 2; k > max(0, e-26); k-- {
		switch c := text[k]; {
		case c == '(':
			if text[k-1] == ' ' {
				return k - 1
			}
			return e
		case !isWord(c) && c != ' ' && c != '-' && c != '\'':
			return e
		}
	}
	return e
}

// placed reports whether a capitalised word is a place without doubt.
func (s *Scanner) placed(v []byte) bool {
	if v[0] < 0x80 && !isUpper(v[0]) {
		return false
	}
	if wide(v) {
		return true
	}
	return s.lexicon != nil && s.lexicon.Lookup(lexicon.Sum(v)).Has(lexicon.Place)
}

// clauseGoesOn reports whether the text or a line ends at j, or a word follows that does
// not count what the number before it numbers.
func clauseGoesOn(text []byte, j int) bool {
	switch at(text, j) {
	case 0, '\n', '\r', '?', '!':
		return true
	case ' ':
		switch string(text[j+1 : wordAfter(text, j+1, 6)]) {
		case "in", "is", "was", "on", "for", "with", "to", "by", "at", "as", "has", "had", "where", "which", "who":
			return true
		}
	}
	return false
}

// maxBelow bounds, in bytes, how far below an address its postal code can stand.
const maxBelow = 80

// below reports whether the code text[i:j] stands on a line of its own below an
// address, with nothing but the words of other lines between.
func (p *search) below(i, j int) bool {
	text := p.text
	if k := len(p.dst); k == p.base || p.dst[k-1].Entity != Address || i-p.dst[k-1].End > maxBelow {
		return false
	}
	if c := at(text, j); c != 0 && c != '\n' && c != '\r' {
		return false
	}
	if !lineBegins(text, i) {
		return false
	}
	for _, c := range text[p.end:i] {
		if !isAlpha(c) && c < 0x80 && c != ' ' && c != ',' && c != '\n' && c != '\r' && c != '>' && c != '(' && c != ')' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// lineBegins reports whether only spaces, or the sign of a quotation, stand before i on
// its line.
func lineBegins(text []byte, i int) bool {
	low := max(0, i-wideGap)
	for i > low && (text[i-1] == ' ' || text[i-1] == '>' || text[i-1] == '?') {
		i--
	}
	return i > low && text[i-1] == '\n'
}

// placeParticle reports whether v is a word that names of places have and English
// sentences have not.
func placeParticle(v []byte) bool {
	switch string(v) {
	case "de", "da", "do", "dos", "das", "del", "della", "di", "du", "la", "las", "los", "el", "le", "les", "van", "von", "der", "den", "sur", "bei", "sankt", "saint", "santa", "san", "sao", "nad", "pod":
		return true
	}
	return false
}

// notPlace reports whether a capitalised word before a number is none of a
// place.
func notPlace(v []byte) bool {
	t := termOf(v, 0, len(v))
	return t.clue != clueNone || t.is(traitUnit|traitLeads) || monthOf(v) != 0
}

// postcode takes a code of letters and digits: with the word that says so, or in
// the British or Canadian form.
func (p *search) postcode(from, to int) int {
	text := p.text
	if !p.wants(ZIP) || to-from > 7 || from < p.end {
		return 0
	}
	end := to
	if at(text, to) == ' ' {
		for end = to + 1; end < len(text) && end < to+5 && isAlnum(text[end]); end++ {
		}
	}
	formed := end-to == 4 && !isWord(at(text, end)) && (british(text[from:to], text[to+1:end]) || canadian(text[from:to], text[to+1:end]))
	spoken := p.before(from, 0).is(clueZIP, 0)
	switch {
	case formed:
		p.emit(Span{from, end, ZIP, ruleZIPForm})
		return end
	case spoken:
		p.emit(Span{from, to, ZIP, ruleZIPContext})
		return to
	}
	return 0
}

// british reports whether a and b are the halves of a British postcode, "SW1A"
// and "1AA".
func british(a, b []byte) bool {
	if len(a) < 2 || len(a) > 4 || !isUpper(a[0]) || !isDigit(b[0]) || !isUpper(b[1]) || !isUpper(b[2]) {
		return false
	}
	i := 1
	if isUpper(a[1]) {
		i = 2
	}
	if i >= len(a) || !isDigit(a[i]) {
		return false
	}
	return len(a) == i+1 || len(a) == i+2 && (isDigit(a[i+1]) || isUpper(a[i+1]))
}

// canadian reports whether a and b are the halves of a Canadian postal code,
// "K1A" and "0B1".
func canadian(a, b []byte) bool {
	return len(a) == 3 && isUpper(a[0]) && isDigit(a[1]) && isUpper(a[2]) && isDigit(b[0]) && isUpper(b[1]) && isDigit(b[2])
}
