// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// plain passes over most numbers that are none of ours as fast as it can: a
// short number or a decimal fraction with neither a further group behind it nor a
// word beside it that could make it one. It returns where the number ends, or 0
// when it has to be looked at.
func (p *search) plain(i int) int {
	text := p.text
	j := digitsEnd(text, i)
	if i == 0 && code(text, j) && len(p.s.mrn) == 0 {
		return len(text)
	}
	fraction := j < len(text) && text[j] == '.' && isDigit(at(text, j+1))
	if j-i > 3 || len(p.s.mrn) > 0 {
		return 0
	}
	if fraction {
		k := digitsEnd(text, j+2)
		if k-j > 4 || further(text, k) {
			return 0
		}
		return k
	}
	if j-i == 3 && at(text, j) == '/' { // a blood pressure
		if k := digitsEnd(text, j+1); k-j == 3 && !further(text, k) && !wordBehind(text, k) && !wordBeside(text, i) {
			return k
		}
	}
	if further(text, j) || wordBehind(text, j) || wordBeside(text, i) || j-i == 3 && at(text, j) != ' ' {
		return 0
	}
	return j
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
	return besides(text[w : i-1])
}

// besides reports whether a word in lower case stands before the numbers of ages,
// addresses and days.
func besides(w []byte) bool {
	switch string(w) {
	case "age", "aged", "ages", "turned", "turn", "turns", "turning", "of", "is", "was", "m",
		"apt", "apartment", "suite", "ste", "box", "psc", "unit", "ap", "ae", "aa", "no", "nr", "u", "utca", "kapu", "terrasse", "vei",
		"january", "february", "april", "june", "july", "august", "september", "october", "november", "december":
		return true
	}
	return false
}

func digitsEnd(text []byte, i int) int {
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	return i
}
