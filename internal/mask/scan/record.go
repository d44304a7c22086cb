// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// maxRecord bounds a site's pattern and what it matches.
const maxRecord = 32

// recordPattern is a site's pattern of record numbers.
type recordPattern struct {
	form []byte // '#', '@' or itself
	open bool   // further digits follow
}

// parseRecordPattern reads a pattern as [Options.MRN] describes it.
func parseRecordPattern(s string) (recordPattern, error) {
	var r recordPattern
	r.form = []byte(s)
	if n := len(s); n > 0 && s[n-1] == '*' {
		r.form, r.open = r.form[:n-1], true
	}
	digits := 0
	for _, c := range r.form {
		switch {
		case c == '#':
			digits++
		case c == '@':
		case c <= ' ' || c >= 0x7f || c == '*':
			return r, invalid("a pattern of record numbers holds a byte that it cannot").WithHint("use printable ASCII without spaces, and \"*\" at the end only")
		}
	}
	first := byte(0)
	if len(r.form) > 0 {
		first = r.form[0]
	}
	switch {
	case len(s) > maxRecord:
		return r, invalid("a pattern of record numbers is longer than 32 bytes").WithHint("shorten it")
	case digits == 0 && !r.open || len(r.form) < 4 && !r.open || len(r.form) < 2:
		return r, invalid("a pattern of record numbers says too little").WithHint("give it at least one digit \"#\", and four characters or \"*\" at the end")
	case first != '#' && first != '@' && !isAlnum(first):
		return r, invalid("a pattern of record numbers begins with neither letter nor digit").WithHint("leave out what stands before the number")
	}
	for i, c := range r.form {
		if isDigit(c) || c == '#' {
			break
		}
		if c != '@' && !isAlpha(c) && c != '-' || i > 8 {
			return r, invalid("a pattern of record numbers has its first digit too far behind").WithHint("begin it with at most eight letters or dashes and then a digit")
		}
	}
	return r, nil
}

// match returns where what begins at i and fits the pattern ends, or 0.
func (r recordPattern) match(text []byte, i int) int {
	if len(text)-i < len(r.form) {
		return 0
	}
	for _, f := range r.form {
		c := text[i]
		if !(c == f || f == '#' && isDigit(c) || f == '@' && isAlpha(c)) || f == '#' && !isDigit(c) {
			return 0
		}
		i++
	}
	if r.open {
		j := i
		for j < len(text) && j < i+maxRecord && isDigit(text[j]) {
			j++
		}
		if j == i {
			return 0
		}
		i = j
	}
	if i < len(text) && (isWord(text[i]) || text[i] == '-' && isAlnum(at(text, i+1))) {
		return 0
	}
	return i
}

// record takes the record number of the site whose first digit is in the word
// that begins at i.
func (p *search) record(i int) int {
	from := i
	for from > max(p.end, i-8) && (isAlpha(p.text[from-1]) || p.text[from-1] == '-' && from > 1 && isAlpha(p.text[from-2])) {
		from--
	}
	if from > 0 && (isWord(p.text[from-1]) || p.text[from-1] == '-') || !p.wants(MRN) {
		return 0
	}
	for _, r := range p.s.mrn {
		if end := r.match(p.text, from); end > i {
			p.emit(Span{from, end, MRN, ruleMRNSite})
			return end
		}
	}
	return 0
}
