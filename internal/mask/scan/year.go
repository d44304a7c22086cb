// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// year takes the year text[i:j] of four digits when running text says that it is
// one: a preposition or an article before it and no unit behind it. With a month
// before it, it is a date.
func (p *search) year(i, j int) int {
	text := p.text
	y := decimal(text[i:j])
	if y < 1900 || y > 2099 {
		return 0
	}
	if from := monthBefore(text, i); from >= 0 || monthOfBefore(text, i) >= 0 {
		if from < 0 {
			from = monthOfBefore(text, i)
		}
		end := timeAfter(text, j)
		p.emit(Span{from, end, Date, ruleDateMonth})
		return end
	}
	if !p.wants(Year) || !yearLed(text, i) || !yearEnds(text, j) {
		return 0
	}
	p.emit(Span{i, j, Year, ruleYear})
	return j
}

// monthOfBefore returns where "May of" begins before the year at i, or -1.
func monthOfBefore(text []byte, i int) int {
	if i < 6 || string(text[i-4:i]) != " of " {
		return -1
	}
	return monthBefore(text, i-3)
}

// yearLed reports whether what stands before i can lead a year.
func yearLed(text []byte, i int) bool {
	if i == 0 {
		return false
	}
	e := i
	switch text[i-1] {
	case '(':
		return i < 2 || text[i-2] == ' ' || text[i-2] == '\n'
	case '-', '/':
		e--
		if w := wordBefore(text, e, 8); e-w >= 3 { // "mid-1990", "pre-2014"
			return termOf(text, w, e).is(traitLeads)
		}
		return false
	case ' ', '\n':
		for e > 0 && e > i-4 && (text[e-1] == ' ' || text[e-1] == '\n' || text[e-1] == ',' || text[e-1] == ':') {
			e--
		}
	default:
		return false
	}
	w := wordBefore(text, e, 12)
	return w < e && (w == 0 || !isWord(text[w-1])) && termOf(text, w, e).is(traitLeads)
}

// yearEnds reports whether what stands behind j leaves a year a year: no unit,
// no fraction, no further digits.
func yearEnds(text []byte, j int) bool {
	if j == len(text) {
		return true
	}
	switch c := text[j]; {
	case isWord(c):
		return c == 's' && (j+1 == len(text) || !isWord(text[j+1])) // "the 1990s"
	case c == '.' || c == ',' || c == ':':
		return !isWord(at(text, j+1))
	case c == '-' || c == '/':
		return !isDigit(at(text, j+1)) || isDigit(at(text, j+2))
	case c == '%' || c == '$' || c == '+' || c == '*':
		return false
	case c == ' ':
		e := wordAfter(text, j+1, 12)
		if e == j+1 {
			n := at(text, e)
			return n != '%' && n != '+' && n != 0xc2 && n != 'x' && n != '/'
		}
		return e < len(text) && text[e] >= 0x80 || !termOf(text, j+1, e).is(traitUnit)
	}
	return true
}

// age takes the age text[i:j], of at most three digits.
func (p *search) age(i, j int) int {
	if !p.wants(Age) || decimal(p.text[i:j]) > 130 {
		return 0
	}
	if !ageAfter(p.text, j) && !ageBefore(p.text, i, j) {
		return 0
	}
	p.emit(Span{i, j, Age, ruleAge})
	return j
}

// ageAfter reports whether "y/o", "years old", "-year-old" or the like follows.
func ageAfter(text []byte, j int) bool {
	k := j
	if c := at(text, k); c == ' ' || c == '-' {
		k++
	}
	if c := at(text, k); c|0x20 != 'y' && c != 'm' && c != 'w' && c != 'd' {
		return false
	}
	e := wordAfter(text, k, 7)
	var buf [16]byte
	switch string(fold(&buf, text[k:e])) {
	case "y":
		c, d := at(text, e), at(text, e+1)|0x20
		return (c == '/' || c == '.') && d == 'o' && !isWord(at(text, e+2)) ||
			c == ' ' && (d == 'o' && !isWord(at(text, e+2)))
	case "yo", "yof", "yom":
		return true
	case "yr", "yrs", "year", "years", "month", "months", "mo", "week", "weeks", "day", "days":
		if at(text, e) == '.' {
			e++
		}
		if c := at(text, e); c != ' ' && c != '-' {
			return false
		}
		o := wordAfter(text, e+1, 4)
		switch string(fold(&buf, text[e+1:o])) {
		case "old", "olds":
			return true
		case "of":
			return len(text) >= o+4 && string(text[o:o+4]) == " age"
		}
	}
	return false
}

// ageBefore reports whether "aged", "age:", "at the age of", "turned" or the like
// precedes.
func ageBefore(text []byte, i, j int) bool {
	e := i
	for k := 0; k < 3 && e > 0 && (text[e-1] == ' ' || text[e-1] == ':' || text[e-1] == '='); k++ {
		e--
	}
	if e == i || j < len(text) && (isWord(text[j]) || text[j] == '%' || (text[j] == '.' || text[j] == ',' || text[j] == '/') && isDigit(at(text, j+1))) {
		return false
	}
	w := wordBefore(text, e, 8)
	switch string(text[w:e]) {
	case "age", "aged", "ages", "Age", "Aged", "Ages", "AGE":
		return !unitAfter(text, j)
	case "turned", "turn", "turns", "turning", "Turned", "Turning":
		return ageClause(text, j) && (j-i == 2 || j-i == 3 && text[i] == '1')
	case "of", "is", "Is":
		return spaced(text, w, "age") && !unitAfter(text, j)
	case "was", "m":
		return ageClause(text, j) && ageSubject(text, w)
	}
	return false
}

func unitAfter(text []byte, j int) bool {
	if at(text, j) != ' ' {
		return false
	}
	e := wordAfter(text, j+1, 12)
	return termOf(text, j+1, e).is(traitUnit) && !equalFold(text[j+1:e], "years")
}

// ageClause reports whether a clause ends behind j, or "years" follows.
func ageClause(text []byte, j int) bool {
	switch c := at(text, j); {
	case c == 0 || c == '.' || c == ',' || c == '!' || c == '?' || c == '\n' || c == ';' || c == ')':
		return true
	case c == ' ':
		e := wordAfter(text, j+1, 12)
		switch string(text[j+1 : e]) {
		case "years", "today", "yesterday", "last", "this", "next", "in", "on", "and", "when", "at", "tomorrow":
			return true
		}
	}
	return false
}

// ageSubject reports whether "when he" or the like, or "I" stands before the
// verb at w.
func ageSubject(text []byte, w int) bool {
	e := w
	for e > 0 && (text[e-1] == ' ' || text[e-1] == '\'') {
		e--
	}
	s := wordBefore(text, e, 5)
	switch string(text[s:e]) {
	case "I", "i":
		return true
	case "he", "she", "they", "He", "She":
		return spaced(text, s, "when") || spaced(text, s, "since") || s == 0
	}
	return false
}
