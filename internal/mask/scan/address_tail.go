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
		to, postal := tailPart(text, k, limit)
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
// words, perhaps with a postal code. It returns where the part ends.
func tailPart(text []byte, k, limit int) (end int, code bool) {
	end = k
	for words := 0; words < 5 && k < limit; words++ {
		e := nameEnd(text, k, limit)
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
	}
	return end, false
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
	var buf [16]byte
	if len(word) == 0 || len(word) > len(buf) {
		if compound(word) {
			return wayEnd
		}
		return wayNone
	}
	for i, c := range word {
		if isUpper(c) {
			c |= 0x20
		}
		buf[i] = c
	}
	switch string(buf[:len(word)]) {
	case "street", "str", "st", "road", "rd", "avenue", "ave", "av", "lane", "ln", "drive", "dr", "drv", "court", "ct", "boulevard", "blvd",
		"way", "place", "pl", "square", "sq", "terrace", "ter", "parkway", "pkwy", "highway", "hwy", "circle", "cir", "trail", "trl",
		"close", "crescent", "cres", "grove", "gardens", "row", "walk", "mews", "quay", "alley", "plaza", "loop", "pike", "turnpike", "expressway",
		"freeway", "path", "pass", "ridge", "bend", "hollow", "heights", "crossing", "esplanade", "promenade", "parade", "wharf", "gate", "hill", "green",
		"landing", "glen", "mount", "view", "villas", "causeway", "bypass", "ring", "straat", "laan", "weg", "gracht", "plein", "singel", "kade", "dijk",
		"vej", "gade", "allé", "alle", "gata", "gatan", "veien", "veg", "vägen", "väg", "tie", "katu", "kuja", "polku",
		"strasse", "straße", "gasse", "platz", "ulice", "baan":
		return wayEnd
	case "rue", "via", "viale", "vicolo", "piazza", "piazzale", "corso", "largo", "strada", "contrada", "borgo", "calle", "avenida", "avda", "carrera", "camino", "paseo",
		"praça", "praca", "rua", "travessa", "estrada", "alameda", "chemin", "allée", "allees", "impasse", "route", "quai", "cours", "sentier", "carretera", "ronda", "cuesta",
		"ulica", "ul", "ulitsa", "nám", "náměstí", "námestie", "trg", "cesta", "aleja", "al", "aleje", "plac", "os", "leoforos", "odos", "λεωφόρος", "οδός", "bulevar", "jalan",
		"caminho", "rruga", "šetalište":
		return wayBegin
	case "utca", "u", "út", "útja", "tér", "tere", "rkp", "rakpart", "körút", "krt", "köz", "sétány", "fasor", "sor", "dűlő", "mäe", "tee", "tn", "pst", "terrasse", "plass", "vei", "kapu", "mnt", "nábřeží", "nábř":
		return wayMiddle
	}
	if compound(word) {
		return wayEnd
	}
	return wayNone
}

// begins reports whether a word that precedes the name of a street does so in
// lower case, too, and is no other word in English.
func begins(word []byte) bool {
	switch string(word) {
	case "ul", "rue", "rua", "calle", "ulica", "nám", "náměstí", "trg", "cesta", "avenida", "piazza", "viale", "avenue":
		return true
	}
	return false
}

// compound reports whether a word ends in a word for "street", as those of the
// Germanic and Finnic languages do: "Brixtonlaan", "Harjukuja".
func compound(word []byte) bool {
	for _, s := range [...]string{
		"straat", "straße", "strasse", "gasse", "laan", "weg", "gracht", "plein", "singel", "kade", "dijk", "steeg", "platz", "allee", "gaarde",
		"vej", "gade", "stræde", "vænget", "parken", "gata", "gatan", "vägen", "vegen", "veien", "gränd", "torget", "torv", "backen", "stigen", "krogen",
		"katu", "kuja", "polku", "kaari", "raitti", "tanner", "ntie", "stien", "terrasse", "straeti", "stræti", "strætí", "braut", "vegur", "götu",
		"ulica", "ova", "ská", "ského", "utca", "street", "akker", "baan", "heide", "straede", "bakken", "toften",
	} {
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
	if len(word) > 5 {
		return false
	}
	switch string(word) {
	case "de", "du", "des", "da", "do", "dos", "das", "dei", "degli", "delle", "dello", "del", "della", "di", "la", "le", "les", "las", "los", "el", "van", "den", "der", "von", "ten", "ter", "of", "the", "y", "e", "i", "a", "al", "sur", "en", "zu", "zum", "zur", "am", "an", "auf", "nad", "pod", "op", "het", "'t", "&":
		return true
	}
	return false
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
