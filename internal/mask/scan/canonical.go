// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import "encoding/binary"

// The forms in which most numbers are written, by which of their first eight bytes
// are no digits.
const (
	formSSN   = 0x80<<24 | 0x80<<48 // 900-12-3...
	formPhone = 0x80<<24 | 0x80<<56 // 617-555-...
	formArea  = 0x80<<24 | 0x80<<32 // 617) 555...
	formDate  = 0x80<<32 | 0x80<<56 // 2020-01-...
)

// canonical takes a Social Security number, a date or a telephone number that is
// written as most are, without reading it as groups, and says what reading those
// would say. It returns where it ends, or 0 when the digits at i are no such thing.
func (p *search) canonical(i int) int {
	text := p.text
	if len(text)-i < 10 || len(p.s.mrn) > 0 {
		return 0
	}
	switch nonDigits(binary.LittleEndian.Uint64(text[i:])) {
	case formSSN:
		if j := i + 11; p.dashedAt(i, j, 3, 6, 0x80|0x80<<24) {
			return p.dashedSSN(i, j)
		}
	case formDate:
		if j := i + 10; p.dashedAt(i, j, 4, 7, 0x80<<16|0x80<<40) {
			return p.dashedDate(i, j)
		}
	case formPhone:
		if j := i + 12; p.dashedAt(i, j, 3, 7, 0x80<<24) && text[i+4] >= '2' {
			return p.american(i, i, j)
		}
	case formArea:
		if j := i + 13; p.dashedAt(i, j, 8, 8, 0x80<<24) && at(text, i-1) == '(' && text[i+3] == ')' && (text[i+4] == ' ' || text[i+4] == '-') && text[i+5] >= '2' {
			return p.american(i-1, i, j)
		}
	}
	return 0
}

// nonDigits sets the high bit of each byte of w that is no digit.
func nonDigits(w uint64) uint64 {
	x := w ^ '0'*ones
	return ((x &^ highs) + (0x80-10)*ones | x) & highs
}

// dashedAt reports whether dashes stand a and b bytes behind i, the last eight bytes
// before j are no digits where form says so, and nothing goes on at j.
func (p *search) dashedAt(i, j, a, b int, form uint64) bool {
	text := p.text
	return j <= len(text) && text[i+a] == '-' && text[i+b] == '-' && nonDigits(binary.LittleEndian.Uint64(text[j-8:])) == form && !further(text, j)
}

// dashedSSN takes text[i:j], which has the form of a dashed Social Security number.
func (p *search) dashedSSN(i, j int) int {
	area, group, serial := decimal(p.text[i:i+3]), decimal(p.text[i+4:i+6]), decimal(p.text[i+7:j])
	if !issuable(area, group, serial) {
		return 0
	}
	p.emit(Span{i, j, SSN, dashedRule(area)})
	return j
}

// dashedDate takes text[i:j], which has the form of an ISO date.
func (p *search) dashedDate(i, j int) int {
	if !isYear(decimal(p.text[i:i+4])) || !meant(decimal(p.text[i+5:i+7]), decimal(p.text[i+8:j])) {
		return 0
	}
	end := timeAfter(p.text, j)
	p.emit(Span{i, end, Date, ruleDateISO})
	return end
}

// american takes a North American telephone number text[from:j] whose digits begin at
// i.
func (p *search) american(from, i, j int) int {
	c := at(p.text, from-1)
	if p.text[i] < '2' || from < p.end || c == '+' || c == '(' || !p.wants(Phone) || !p.wants(Fax) {
		return 0
	}
	end := extension(p.text, j)
	entity, rule := p.phoneOrFax(from, end), rulePhoneNANP
	if entity == Fax {
		rule = ruleFax
	}
	p.emit(Span{from, end, entity, rule})
	return end
}
