// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// monthOf returns the month that a word names, or 0. The short words that mean
// other things too need their capital.
func monthOf(w []byte) int {
	if len(w) < 3 || len(w) > 9 {
		return 0
	}
	m, rest := 0, ""
	switch uint32(w[0]|0x20)<<16 | uint32(w[1]|0x20)<<8 | uint32(w[2]|0x20) {
	case 'j'<<16 | 'a'<<8 | 'n':
		m, rest = 1, "uary"
	case 'f'<<16 | 'e'<<8 | 'b':
		m, rest = 2, "ruary"
	case 'm'<<16 | 'a'<<8 | 'r':
		m, rest = 3, "ch"
	case 'a'<<16 | 'p'<<8 | 'r':
		m, rest = 4, "il"
	case 'm'<<16 | 'a'<<8 | 'y':
		m = 5
	case 'j'<<16 | 'u'<<8 | 'n':
		m, rest = 6, "e"
	case 'j'<<16 | 'u'<<8 | 'l':
		m, rest = 7, "y"
	case 'a'<<16 | 'u'<<8 | 'g':
		m, rest = 8, "ust"
	case 's'<<16 | 'e'<<8 | 'p':
		m, rest = 9, "tember"
	case 'o'<<16 | 'c'<<8 | 't':
		m, rest = 10, "ober"
	case 'n'<<16 | 'o'<<8 | 'v':
		m, rest = 11, "ember"
	case 'd'<<16 | 'e'<<8 | 'c':
		m, rest = 12, "ember"
	default:
		return 0
	}
	if !isUpper(w[0]) && (len(w) == 3 || m == 3) {
		return 0
	}
	if len(w) == 3 || len(w) == 3+len(rest) && equalFold(w[3:], rest) || m == 9 && len(w) == 4 && w[3]|0x20 == 't' {
		return m
	}
	return 0
}

func isYear(y int) bool  { return y >= 1800 && y < 2200 }
func isMonth(m int) bool { return m >= 1 && m <= 12 }

// isDay reports whether month m can have a day d.
func isDay(m, d int) bool {
	return isMonth(m) && d >= 1 && (d <= 28 || d <= 31 && (d <= 30 && m != 2 || d == 29 || m == 1 || m == 3 || m == 5 || m == 7 || m == 8 || m == 10 || m == 12))
}

// meant reports whether m and d can be meant as a month and a day, though no such
// day exists: a date with its year, mistyped, gives away as much.
func meant(m, d int) bool { return isMonth(m) && d >= 1 && d <= 31 }

// date takes a date whose numbers are the groups g to g+3, with the time behind
// it, and returns where it ends, or 0.
func (p *search) date(g int) int {
	r, text := &p.run, p.text
	if r.n-g < 3 || r.sep[g+1] != r.sep[g+2] {
		return 0
	}
	sep := r.sep[g+1]
	if sep != '-' && sep != '/' && sep != '.' {
		return 0
	}
	a, b, c := r.size(g), r.size(g+1), r.size(g+2)
	if a > 4 || b > 2 || c > 4 || a+b+c < 4 {
		return 0
	}
	x, y, z := decimal(text[r.from(g):r.to(g)]), decimal(text[r.from(g+1):r.to(g+1)]), decimal(text[r.from(g+2):r.to(g+2)])
	rule := ruleDateNumeric
	switch {
	case a == 4 && c <= 2:
		if !isYear(x) || !meant(y, z) {
			return 0
		}
		rule = ruleDateISO
	case a <= 2 && c == 4:
		if !isYear(z) || !meant(x, y) && !meant(y, x) {
			return 0
		}
	case a <= 2 && c == 2:
		if !isDay(x, y) && !isDay(y, x) && !(a == 2 && b == 2 && isDay(y, z) && sep != '.') || !p.shortDate(g, sep, a+b) {
			return 0
		}
	default:
		return 0
	}
	end := r.to(g + 2)
	if end < len(text) && isWord(text[end]) && (text[end] != 'T' && text[end] != 't' || !isDigit(at(text, end+1))) {
		return 0
	}
	if g+3 < r.n && r.sep[g+3] != ' ' && r.sep[g+3] != sepOpen && r.sep[g+3] != sepWide && !p.between(g, sep) {
		return 0
	}
	end = timeAfter(text, end)
	p.emit(Span{r.from(g), end, Date, rule})
	return end
}

// between reports whether "-" stands behind the date of groups g to g+3, as
// between the two of a range: 1/2/2020-3/4/2020.
func (p *search) between(g int, sep byte) bool { return sep != '-' && p.run.sep[g+3] == '-' }

// shortDate says whether a date with a year of two digits is one: with dots it
// may be a version and needs a context, with dashes it needs all its digits.
func (p *search) shortDate(g int, sep byte, digits int) bool {
	switch sep {
	case '/':
		return true
	case '-':
		if digits == 4 {
			return !p.before(p.run.from(g), 0).is(clueOther, 0)
		}
	}
	return p.s.dayFirst && digits == 4 || p.before(p.run.from(g), 2).is(clueDate, 2)
}

// timeAfter returns where the time behind a date ends, or end when there is
// none: "T11:34:35.123Z", " 11:34", ", 3:45 pm", " at 11:34".
func timeAfter(text []byte, end int) int {
	i := end
	switch at(text, i) {
	case 'T', 't', ' ':
		i++
	case ',':
		i++
		if at(text, i) == ' ' {
			i++
		}
	default:
		return end
	}
	if at(text, i) == 'a' && at(text, i+1) == 't' && at(text, i+2) == ' ' {
		i += 3
	}
	to := clock(text, i)
	if to == 0 {
		return end
	}
	return zone(text, to)
}

// clock returns where the time of day that begins at i ends, or 0.
func clock(text []byte, i int) int {
	j := i
	for j < len(text) && j < i+2 && isDigit(text[j]) {
		j++
	}
	if j == i || decimal(text[i:j]) > 24 {
		return 0
	}
	if at(text, j) != ':' {
		return meridian(text, j, 0)
	}
	pairs := 0
	for pairs < 2 && at(text, j) == ':' && isDigit(at(text, j+1)) && isDigit(at(text, j+2)) && text[j+1] < '6' {
		j += 3
		pairs++
	}
	if pairs == 0 || isDigit(at(text, j)) {
		return 0
	}
	if pairs == 2 && (at(text, j) == '.' || at(text, j) == ',') && isDigit(at(text, j+1)) {
		k := j + 1
		for k < len(text) && k < j+10 && isDigit(text[k]) {
			k++
		}
		j = k
	}
	return meridian(text, j, j)
}

// meridian returns where "am" or "pm" ends that stands at i, or none.
func meridian(text []byte, i, none int) int {
	if at(text, i) == ' ' {
		i++
	}
	if c := at(text, i) | 0x20; c != 'a' && c != 'p' {
		return none
	}
	i++
	if at(text, i) == '.' {
		i++
	}
	if at(text, i)|0x20 != 'm' {
		return none
	}
	i++
	if at(text, i) == '.' && at(text, i-2) == '.' {
		return i + 1
	}
	if i < len(text) && isWord(text[i]) {
		return none
	}
	return i
}

// zone returns where the zone at i ends: "Z", "+01:00", "-0500", " UTC".
func zone(text []byte, i int) int {
	switch c := at(text, i); c {
	case 'Z', 'z':
		if i+1 == len(text) || !isWord(text[i+1]) {
			return i + 1
		}
	case '+', '-':
		j := i + 1
		for j < len(text) && j < i+6 && (isDigit(text[j]) || j == i+3 && text[j] == ':') {
			j++
		}
		if n := j - i; (n == 3 || n == 5 || n == 6) && (j == len(text) || !isWord(text[j])) {
			return j
		}
	case ' ':
		if s := at(text, i+1); s == '+' || s == '-' {
			if j := digitsEnd(text, i+2); j == i+6 && !isWord(at(text, j)) {
				return j
			}
			return i
		}
		switch e := wordAfter(text, i+1, 4); string(text[i+1 : e]) {
		case "UTC", "GMT", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "CET", "CEST", "BST":
			return e
		}
	}
	return i
}

// stamp takes a date of HL7 version 2, "20200105" with or without a time, whose
// digits are text[i:j].
func (p *search) stamp(i, j int) int {
	v := p.text[i:j]
	if n := len(v); n != 8 && n != 10 && n != 12 && n != 14 {
		return 0
	}
	y := decimal(v[:4])
	if y < 1880 || y > 2100 || !isDay(decimal(v[4:6]), decimal(v[6:8])) {
		return 0
	}
	for k, most := range []int{23, 59, 59} {
		if o := 8 + 2*k; o < len(v) && decimal(v[o:o+2]) > most {
			return 0
		}
	}
	if len(v) == 10 || p.before(i, 1).is(clueOther, 1) {
		return 0 // ten digits are a phone or a record as a rule
	}
	end := j
	switch at(p.text, j) {
	case 'T':
		k := j + 1
		for k < len(p.text) && k < j+7 && isDigit(p.text[k]) {
			k++
		}
		if k == j+5 || k == j+7 {
			end = zone(p.text, k)
		}
	case '.':
		if len(v) == 14 {
			for end++; end < len(p.text) && end < j+6 && isDigit(p.text[end]); end++ {
			}
		}
	}
	end = zone(p.text, end)
	if end < len(p.text) && isWord(p.text[end]) {
		return 0
	}
	p.emit(Span{i, end, Date, ruleDateHL7})
	return end
}

// monthDay takes a date with a month in letters around the day text[i:j], which
// is one or two digits.
func (p *search) monthDay(i, j int) int {
	day := decimal(p.text[i:j])
	if day < 1 || day > 31 {
		return 0
	}
	if from := monthBefore(p.text, i); from >= 0 {
		end := ordinal(p.text, j)
		if end < len(p.text) && isWord(p.text[end]) {
			return 0
		}
		if at(p.text, end) == '-' || at(p.text, end) == '/' { // "January 5-7", "Jan-05-2020"
			k := end + 1
			for k < len(p.text) && k < end+5 && isDigit(p.text[k]) {
				k++
			}
			if n := k - end - 1; n == 1 || n == 2 || n == 4 && isYear(decimal(p.text[end+1:k])) {
				end = k
			}
		}
		end = timeAfter(p.text, yearAfter(p.text, end))
		p.emit(Span{from, end, Date, ruleDateMonth})
		return end
	}
	k := ordinal(p.text, j)
	if at(p.text, k) == '.' {
		k++
	}
	if c := at(p.text, k); c == ' ' || c == '-' || c == '/' {
		k++
	} else if k != j || !isUpper(c) {
		return 0
	}
	if at(p.text, k) == 'o' && at(p.text, k+1) == 'f' && at(p.text, k+2) == ' ' {
		k += 3
	}
	e := wordAfter(p.text, k, 10)
	if e < k+3 || monthOf(p.text[k:e]) == 0 {
		return 0
	}
	if at(p.text, e) == '.' && e-k <= 4 && (at(p.text, e+1) == ' ' || at(p.text, e+1) == '-') && isDigit(at(p.text, e+2)) {
		e++
	}
	end := yearAfter(p.text, e)
	if end < len(p.text) && isWord(p.text[end]) {
		return 0
	}
	end = timeAfter(p.text, end)
	p.emit(Span{i, end, Date, ruleDateMonth})
	return end
}

// monthBefore returns where the month begins that stands right before i, or -1.
func monthBefore(text []byte, i int) int {
	e := i
	if c := at(text, e-1); c != ' ' && c != '-' && c != '/' && c != '.' {
		return -1
	}
	e--
	for k := 0; k < 2 && e > 0 && (text[e-1] == '.' || text[e-1] == ',' || text[e-1] == ' '); k++ {
		e--
	}
	w := wordBefore(text, e, 10)
	if e-w < 3 || monthOf(text[w:e]) == 0 || w > 0 && isWord(text[w-1]) {
		return -1
	}
	return w
}

// ordinal returns where "st", "nd", "rd" or "th" behind the digit at i-1 ends.
func ordinal(text []byte, i int) int {
	switch a, b := at(text, i)|0x20, at(text, i+1)|0x20; {
	case a == 's' && b == 't', a == 'n' && b == 'd', a == 'r' && b == 'd', a == 't' && b == 'h':
		if i+2 == len(text) || !isWord(text[i+2]) {
			return i + 2
		}
	}
	return i
}

// yearAfter returns where a year behind the month or day that ends at i ends.
func yearAfter(text []byte, i int) int {
	k := i
	for n := 0; n < 2 && (at(text, k) == ',' || at(text, k) == ' ' || n == 0 && (at(text, k) == '-' || at(text, k) == '/')); n++ {
		k++
	}
	if at(text, k) == 'o' && at(text, k+1) == 'f' && at(text, k+2) == ' ' {
		k += 3
	}
	short := k == i+1 && (text[i] == '-' || text[i] == '/')
	if k < len(text) && text[k] == '\'' {
		short = true
		k++
	}
	e := k
	for e < len(text) && e < k+5 && isDigit(text[e]) {
		e++
	}
	if e < len(text) && isWord(text[e]) && text[e] != 'T' || at(text, e) == ':' {
		return i
	}
	if n := e - k; n == 4 && isYear(decimal(text[k:e])) || n == 2 && (short || k == i) && isDigit(at(text, k)) {
		return e
	}
	return i
}

// partial takes a date without a day or without a year: "2020-05", "05/2020",
// and "3/14" where the context says so.
func (p *search) partial(g int) int {
	r, text := &p.run, p.text
	a, b, sep := r.size(g), r.size(g+1), r.sep[g+1]
	i, end := r.from(g), r.to(g+1)
	x, y := decimal(text[i:r.to(g)]), 0
	if b <= 4 {
		y = decimal(text[r.from(g+1):end])
	}
	ok := false
	switch {
	case a == 4 && b == 2 && (sep == '-' || sep == '/'):
		ok = x >= 1900 && x < 2100 && isMonth(y) && !p.before(i, 0).is(clueOther, 0)
	case a <= 2 && b == 4 && (sep == '/' || sep == '-' || sep == '.'):
		ok = y >= 1900 && y < 2100 && isMonth(x) && (a == 2 && sep == '/' || p.before(i, 2).is(clueDate, 2)) && !p.before(i, 0).is(clueOther, 0)
	case a <= 2 && b <= 2 && sep == '/':
		day := isDay(x, y)
		if p.s.dayFirst {
			day = isDay(y, x)
		}
		ok = day && p.dated(i)
	}
	if !ok || end < len(text) && isWord(text[end]) || at(text, end) == '%' {
		return 0
	}
	end = timeAfter(text, end)
	p.emit(Span{i, end, Date, ruleDatePartial})
	return end
}

// dated reports whether a word right before i says that a date follows. "on"
// is such a word only here, where the number is a date in form already.
func (p *search) dated(i int) bool {
	w := i
	if at(p.text, w-1) == ' ' {
		w--
	}
	if f := wordBefore(p.text, w, 6); w < i {
		switch string(p.text[f:w]) {
		case "on", "On", "since", "Since", "dated", "until":
			return true
		}
	}
	return p.before(i, 0).is(clueDate, 0)
}
