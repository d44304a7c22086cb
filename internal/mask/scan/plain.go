// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// idle passes over what can be no finding, from i on, and returns the place of the
// first anchor that has to be looked at, or len(text), and seen as next does. end is
// where the last finding ends.
func (s *Scanner) idle(text []byte, i, end int, seen uint64) (int, uint64) {
	for i, seen = next(text, i, seen); i < len(text); i, seen = next(text, i, seen) {
		c := text[i]
		if isDigit(c) {
			to := s.passed(text, i, end)
			if to == 0 {
				return i, seen
			}
			i = to
			continue
		}
		switch {
		case c == ':' && i+1 < len(text) && text[i+1] == ' ', c == '.' && at(text, i-1)|0x20 != 'w':
		case c == ':', c == '.', c == '@':
			return i, seen
		}
		i++
	}
	return len(text), seen
}

// passed returns where the number at i ends that idle can pass over, or 0.
func (s *Scanner) passed(text []byte, i, end int) int {
	if i == 0 || i == end {
		return s.plain(text, i)
	}
	switch c := text[i-1]; {
	case c == ' ':
	case isWord(c):
		return s.short(text, i, end)
	case (c == '-' || c == '.') && i-1 > end && isDigit(text[i-2]):
		return digitsEnd(text, i) // the rest of something that was looked at
	}
	return s.plain(text, i)
}

// short passes over a word of at most three letters and digits, as "A1c" or the
// beginning of "E11.9", whose first digit is at i. It returns where the word ends, or 0
// when it has to be looked at.
func (s *Scanner) short(text []byte, i, end int) int {
	from, to := i-1, digitsEnd(text, i)
	if from > end && isAlnum(text[from-1]) {
		from--
	}
	for to < len(text) && isAlpha(text[to]) {
		to++
	}
	if to-from > 3 || len(s.mrn) > 0 || !isAlnum(text[from]) || from > 0 && (isWord(text[from-1]) || text[from-1] == '-') {
		return 0
	}
	switch c := at(text, to); {
	case c == '-' || c == '@' || isWord(c) || c == ' ' && isDigit(at(text, to+1)):
		return 0
	}
	return to
}

// plain passes over most numbers that are none of ours as fast as it can: a
// short number or a decimal fraction with neither a further group behind it nor a
// word beside it that could make it one. It returns where the number at i ends, or 0
// when it has to be looked at.
func (s *Scanner) plain(text []byte, i int) int {
	j := digitsEnd(text, i)
	if len(s.mrn) > 0 {
		return 0
	}
	if j-i > 3 {
		if i == 0 && code(text, j) {
			return len(text)
		}
		return 0
	}
	c := at(text, j)
	switch {
	case c == '.' && isDigit(at(text, j+1)): // a fraction
		if k := digitsEnd(text, j+2); k-j <= 4 && !further(text, k) {
			return k
		}
		return 0
	case c == '/' && isDigit(at(text, j+1)):
		return ratio(text, i, j)
	case i == 0 && code(text, j):
		return len(text)
	}
	if further(text, j) || wordBehind(text, j) || wordBeside(text, i) || j-i == 3 && c != ' ' {
		return 0
	}
	return j
}

// ratio passes over a blood pressure or a score, "120/80" or "3/10", whose first
// number is text[i:j].
func ratio(text []byte, i, j int) int {
	k := digitsEnd(text, j+1)
	if k-j > 3 || further(text, k) {
		return 0
	}
	if j-i == 3 {
		if k-j == 3 && !wordBehind(text, k) && !wordBeside(text, i) {
			return k
		}
		return 0
	}
	if i < 2 || text[i-1] != ' ' || !isAlpha(text[i-2]) || lineGoesOn(text, k) {
		return 0
	}
	w := wordBefore(text, i-1, maxTerm+1)
	if termOf(text, w, i-1).clue != clueNone || w > 0 && text[w-1] >= 0x80 {
		return 0 // what may be a date
	}
	return k
}

// code reports whether the whole text is a number of at most seven digits, the
// first group of which ends at j, with or without a check digit behind a dash:
// nothing can say what it is.
func code(text []byte, j int) bool {
	return j == len(text) && j <= 7 || j <= 5 && j+2 == len(text) && text[j] == '-' && isDigit(text[j+1])
}

// further reports whether a letter or a group of digits may follow what ends at
// i.
func further(text []byte, i int) bool {
	if i >= len(text) {
		return false
	}
	switch c := text[i]; c {
	case '-', '.', '/', ' ', '(':
		d := at(text, i+1)
		return isDigit(d) || c == ' ' && (d == '(' || d == '-') || c == '-' && isAlpha(d)
	case ')':
		return true
	default:
		return isWord(c)
	}
}

// wordBehind reports whether a word follows that makes a day, an age or a house
// number of the digits that end at i.
func wordBehind(text []byte, i int) bool {
	end := i
	if c := at(text, i); c == ',' || c == '.' {
		i++
	}
	if at(text, i) != ' ' {
		return at(text, i) == '\n'
	}
	switch c := at(text, i+1); c {
	case 'M':
		return at(text, i+2)|0x20 != 'm' && at(text, i+2)|0x20 != 'g' && at(text, i+2)|0x20 != 'l'
	case 'm', 'w':
		d := at(text, i+2)
		return (d == 'o' || d == 'e') && ageAfter(text, end)
	case 'y', 'o', 'd', 'j', 'f', 'a', 's', 'n', 'v', 't', 'z', 'l', 'e', 'u', 'p', 'c', 'r', 'i', 'h':
		w := text[i+1 : wordAfter(text, i+1, 10)]
		return (c == 'y' || c == 'd') && ageAfter(text, end) || c == 'o' && len(w) == 2 || particle(w) || begins(w) || monthOf(w) != 0
	default:
		return isUpper(c) || c >= 0x80
	}
}

// wordBeside reports whether what stands before the digits at i may make a day,
// an age or a part of an address of them.
func wordBeside(text []byte, i int) bool {
	if i == 0 {
		return false
	}
	switch text[i-1] {
	case ' ':
	case ':', '=', '-', '/', '#', ',', '.', '\n':
		return true
	default:
		return text[i-1] >= 0x80
	}
	w := wordBefore(text, i-1, 24)
	if w == i-1 {
		return w > 0 && text[w-1] != ' ' && !isDigit(text[w-1])
	}
	if isUpper(text[w]) || w > 0 && text[w-1] >= 0x80 {
		return true
	}
	return termOf(text, w, i-1).is(traitBeside)
}
