// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"unicode"
	"unicode/utf8"
)

// maxTail bounds the parts of an address behind its street: city, state, country.
const maxTail = 4

// addressTail returns where the address ends whose street, house or box ends at
// i. A unit belongs to it at once; city, state and country when a postal code
// behind them, or lines of their own in the same block, show that they are no
// other text.
func addressTail(text []byte, i int) int {
	end := unitEnd(text, i)
	limit := min(len(text), end+Right/4)
	j, lines, city := end, 0, false
	for range maxTail {
		k := skipBreak(text, j)
		if k == j || k >= limit {
			break
		}
		if n := postal(text, k, limit); n > 0 && city {
			return n
		}
		own := ownLine(text, j, k) && (city || end > i)
		to, postal := tailPart(text, k, limit, own)
		if postal {
			return to
		}
		if to == k {
			break
		}
		if end > i && text[k-1] == ' ' && (text[j] == '\n' || text[j] == ',') && tailEnds(text, to) {
			if lines++; lines <= 2 {
				end = to
			}
		}
		city, j = true, to
	}
	return end
}

// tailPart reads a part of an address behind its street: up to five capitalised
// words, perhaps with a postal code. It returns where the part ends. A part on a line of
// its own can end in a code of three digits.
func tailPart(text []byte, k, limit int, own bool) (end int, code bool) {
	end = k
	for words := 0; words < 5 && k < limit; words++ {
		first, e := k, nameEnd(text, k, limit)
		if e == k || !isCapital(text, k) && !particle(text[k:e]) && e-k > 3 {
			break
		}
		k = e
		if at(text, k) == '(' || at(text, k) == ' ' && at(text, k+1) == '(' {
			k = closing(text, k, limit)
		}
		if at(text, k) == '.' && at(text, k+1) == ' ' && e-end <= 3 {
			k++ // "St. Ives"
		}
		end = k
		if at(text, k) != ' ' || !isWord(at(text, k+1)) {
			break
		}
		k++
		if n := postal(text, k, limit); n > 0 {
			return n, true
		}
		if n := digitsEnd(text, k); own && n-k == 3 && lineEnds(text, n) && !isApartment(trimPeriod(text[first:e])) && !notPlace(text[first:e]) {
			return n, true
		}
	}
	return end, false
}

// ownLine reports whether what begins at k stands on another line than what ended at
// i. Behind an empty line only what is indented goes on with the same block.
func ownLine(text []byte, i, k int) bool {
	lines := 0
	for _, c := range text[i:k] {
		if c == '\n' {
			lines++
		}
	}
	return lines == 1 || lines == 2 && text[k-1] == ' '
}

// tailEnds reports whether a line, a sentence or a part of an address ends at i.
func tailEnds(text []byte, i int) bool {
	switch at(text, i) {
	case 0, '\n', '\r', ',', '.', '?', '!', ';':
		return true
	}
	return false
}

// closing returns the place behind the parenthesis that opens at i or one byte
// later, or i when it does not close soon.
func closing(text []byte, i, limit int) int {
	for j := i; j < min(limit, i+32); j++ {
		if text[j] == ')' {
			return j + 1
		}
	}
	return i
}

// postal returns where a postal code of four to six digits ends that begins at
// i, with its "+4", or 0.
func postal(text []byte, i, limit int) int {
	j := i
	for j < limit && isDigit(text[j]) {
		j++
	}
	if n := j - i; n < 4 || n > 6 {
		return 0
	}
	if at(text, j) == '-' && isDigit(at(text, j+1)) && isDigit(at(text, j+4)) && !isWord(at(text, j+5)) {
		return j + 5
	}
	if isWord(at(text, j)) || at(text, j) == '-' || at(text, j) == '/' {
		return 0
	}
	return j
}

// skipBreak returns the place behind what divides the parts of an address: a
// comma, spaces, one or two line ends with a quotation sign; i when a word goes
// on there.
func skipBreak(text []byte, i int) int {
	j, lines := i, 0
	for j < len(text) && j < i+wideGap {
		switch text[j] {
		case ' ', ',', '\r', '\t':
		case '>', '?':
			if lines == 0 {
				return j
			}
		case '\n':
			if lines++; lines > 2 {
				return j
			}
		default:
			return j
		}
		j++
	}
	return j
}

// wayKind says how a word belongs to the name of a street.
type wayKind uint8

const (
	wayNone   wayKind = iota
	wayBegin          // "Rue", "Via": the name follows
	wayMiddle         // "utca", "u.": the name precedes, the house follows
	wayEnd            // "Street", "Road": the name precedes, and the house before it
)

// way tells what a word says of a street.
func way(word []byte) wayKind {
	if k := termOf(word, 0, len(word)).way; k != wayNone {
		return k
	}
	if wide(word) {
		switch string(word) {
		case "allé", "Allé", "vägen", "Vägen", "väg", "Väg", "straße", "Straße":
			return wayEnd
		case "praça", "Praça", "allée", "Allée", "nám", "Nám", "náměstí", "Náměstí", "námestie", "Námestie", "λεωφόρος", "Λεωφόρος", "οδός", "Οδός", "šetalište", "Šetalište":
			return wayBegin
		case "út", "útja", "tér", "Tér", "körút", "Körút", "köz", "Köz", "sétány", "Sétány", "dűlő", "Dűlő", "mäe", "Mäe", "nábřeží", "Nábřeží", "nábř", "Nábř":
			return wayMiddle
		}
	}
	if compound(word) {
		return wayEnd
	}
	return wayNone
}

// wide reports whether a word has a character beyond ASCII.
func wide(word []byte) bool {
	for _, c := range word {
		if c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

// begins reports whether a word that precedes the name of a street does so in
// lower case, too, and is no other word in English.
func begins(word []byte) bool {
	switch string(word) {
	case "nám", "náměstí":
		return true
	}
	return termOf(word, 0, len(word)).is(traitOpening)
}

// compounds are the ends of words for streets in the Germanic and Finnic languages
// and in some others, by their last byte.
var compounds = [256][]string{
	'a':  {"gata", "kuja", "ulica", "ova", "utca"},
	'd':  {"gränd"},
	'e':  {"straße", "strasse", "gasse", "kade", "allee", "gaarde", "gade", "stræde", "ntie", "terrasse", "heide", "straede"},
	'g':  {"weg", "steeg"},
	'i':  {"kaari", "raitti", "straeti", "stræti"},
	'j':  {"vej"},
	'k':  {"dijk"},
	'l':  {"singel"},
	'n':  {"laan", "plein", "parken", "gatan", "vägen", "vegen", "veien", "backen", "stigen", "krogen", "stien", "baan", "bakken", "toften"},
	'o':  {"ského"},
	'r':  {"tanner", "vegur", "akker"},
	't':  {"straat", "gracht", "vænget", "torget", "braut", "street"},
	'u':  {"katu", "polku", "götu"},
	'v':  {"torv"},
	'z':  {"platz"},
	0xa1: {"ská"},
	0xad: {"strætí"},
}

// compound reports whether a word ends in a word for "street": "Brixtonlaan",
// "Harjukuja".
func compound(word []byte) bool {
	if len(word) == 0 {
		return false
	}
	for _, s := range compounds[word[len(word)-1]] {
		if len(word) >= len(s)+3 && string(word[len(word)-len(s):]) == s {
			return true
		}
	}
	return false
}

// isApartment reports whether a word stands before the number of an apartment.
func isApartment(word []byte) bool {
	switch len(word) {
	case 3:
		return equalFold(word, "apt") || equalFold(word, "ste")
	case 5:
		return equalFold(word, "suite")
	case 9:
		return equalFold(word, "apartment")
	}
	return false
}

// particle reports whether a word in lower case can be part of a street's name.
func particle(word []byte) bool {
	return len(word) <= 5 && termOf(word, 0, len(word)).is(traitParticle)
}

// equalFold compares a word with one in lower case, both ASCII.
func equalFold(word []byte, lower string) bool {
	if len(word) != len(lower) {
		return false
	}
	for i, c := range word {
		if c|0x20 != lower[i] {
			return false
		}
	}
	return true
}

func upperRune(r rune) bool { return r != utf8.RuneError && unicode.IsUpper(r) }
