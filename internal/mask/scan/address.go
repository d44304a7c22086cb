// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
)

const (
	// maxStreet bounds the words of a street's name, addressReach the bytes on
	// each side of a house number that are looked at.
	maxStreet    = 6
	addressReach = 100
	// maxHouse is the number of digits of the longest house number.
	maxHouse = 6
)

// street says whether an address stands around the digits text[start:end], and
// where it begins and ends: a house number with a street before or behind it, an
// apartment or a box, a military address. It needs no lexicon: the words for
// "street" give an address away, in the languages of which it knows them.
func (s *Scanner) street(text []byte, start, end int) (from, to int, rule Rule, ok bool) {
	before, after := at(text, start-1), at(text, end)
	if end-start > maxHouse || start > 0 && !opensNumber(before) {
		return 0, 0, 0, false
	}
	if isAlpha(after) && !isWord(at(text, end+1)) {
		end++ // "12B"
		after = at(text, end)
	}
	switch after {
	case ' ', ',', '.', '\n', '\r', '?', '!', ';', ')', '"', 0:
	default:
		return 0, 0, 0, false
	}
	if after == '.' && isDigit(at(text, end+1)) {
		return 0, 0, 0, false
	}
	if after == ' ' || after == ',' {
		if to := streetBehind(text, end); to > 0 {
			return headBefore(text, start), addressTail(text, cornerBehind(text, start, to)), ruleStreet, true
		}
	}
	if before != ' ' {
		return 0, 0, 0, false
	}
	if from, ok := unitBefore(text, start, end); ok {
		return housedBefore(text, from), addressTail(text, end), ruleUnit, true
	}
	if end-start == 5 {
		if from, ok := militaryBefore(text, start); ok {
			return from, end, ruleMilitary, true
		}
	}
	from, ok = streetBefore(text, start, end)
	if !ok && !s.announced(text, from, start, end) {
		return 0, 0, 0, false
	}
	return headBefore(text, from), addressTail(text, cornerBehind(text, from, houseEnd(text, end))), ruleHouse, true
}

// opensNumber reports whether a house number can follow the byte.
func opensNumber(c byte) bool { return c == ' ' || c == '\n' || c == '#' || c == ',' || c == '>' }

// houseEnd returns where a house number ends together with the period of an
// ordinal.
func houseEnd(text []byte, i int) int {
	if at(text, i) == '.' && i+1 < len(text) {
		i++
	}
	return i
}

// streetWord reports whether somebody put a "St." or "street" behind the house
// number that ends at i.
func streetWord(text []byte, i int) bool {
	i = houseEnd(text, i)
	w, ok := nextName(text, i, i+10)
	if !ok || at(text, i) != ' ' {
		return false
	}
	switch string(text[w.start:w.end]) {
	case "St":
		return at(text, w.end) == '.'
	case "street", "Street", "str":
		return true
	}
	return false
}

const corner = "corner of "

// cornerBefore returns where "the corner of" begins before the address at i, or
// the other street that crosses it there, or i.
func cornerBefore(text []byte, i int) int {
	from := i
	if i >= 5 && string(text[i-5:i]) == " and " {
		w, ok := previousName(text, i-4, max(0, i-addressReach/2))
		for range 2 {
			if !ok || !w.capital {
				break
			}
			from = w.start
			w, ok = previousName(text, from, max(0, i-addressReach/2))
		}
	}
	if from >= len(corner) && string(text[from-len(corner):from]) == corner {
		from -= len(corner)
		if from >= 4 && string(text[from-4:from]) == "the " {
			from -= 4
		}
	}
	return from
}

// cornerBehind returns where the street ends that crosses the one that ends at
// i, when "corner of" stands before from, or i.
func cornerBehind(text []byte, from, i int) int {
	if from < len(corner) || string(text[from-len(corner):from]) != corner || i+5 > len(text) || string(text[i:i+5]) != " and " {
		return i
	}
	to, limit := i+4, min(len(text), i+addressReach)
	for range 4 {
		w, ok := nextName(text, to, limit)
		if !ok || at(text, to) != ' ' || !w.capital && !particle(text[w.start:w.end]) && to > i+4 {
			break
		}
		to = w.end
	}
	if to == i+4 {
		return i
	}
	return to
}

// streetBehind returns where a street's name behind a house number ends, or 0.
func streetBehind(text []byte, i int) int {
	limit := min(len(text), i+addressReach)
	kind, last, capitals := wayNone, 0, 0
	for n := range maxStreet {
		w, ok := nextName(text, i, limit)
		if !ok {
			break
		}
		word := text[w.start:w.end]
		k := way(word)
		switch {
		case n == 0 && (k == wayBegin || k == wayEnd && (string(word) == "Av" || french(text, w.end, limit))) && (w.capital || capitalSoon(text, w.end, limit)):
			kind = wayBegin
		case k == wayEnd && kind != wayBegin && (capitals > 0 && !scanAbbreviation(text[i:w.end]) || w.capital && compound(word)):
			kind, last = wayEnd, w.end
			if at(text, last) == '.' && len(word) <= 4 {
				last++
			}
		case kind == wayBegin && (w.capital || n == 1 && !particle(word)):
			last = w.end
		}
		i = w.end
		if !w.capital && !particle(word) && kind != wayBegin || kind == wayEnd && !continues(text, i, limit) {
			break
		}
		if w.capital {
			capitals++
		}
	}
	if last == 0 {
		return 0
	}
	return houseBehind(text, last)
}

// french reports whether "de", "du", "des", "la" or "l'" follows: behind these
// "Avenue" begins a name, and does not end it.
func french(text []byte, i, limit int) bool {
	w, ok := nextName(text, i, limit)
	if !ok {
		return false
	}
	switch string(text[w.start:w.end]) {
	case "de", "du", "des", "la", "del", "De", "Du", "Des":
		return true
	}
	return false
}

// capitalSoon reports whether a capitalised word follows behind particles.
func capitalSoon(text []byte, i, limit int) bool {
	for range 4 {
		w, ok := nextName(text, i, limit)
		if !ok || w.capital {
			return ok
		}
		if !particle(text[w.start:w.end]) {
			return false
		}
		i = w.end
	}
	return false
}

// scanAbbreviation reports whether a word is "CT" in text that is not in
// capitals: a scan, and no court.
func scanAbbreviation(word []byte) bool { return string(word) == " CT" }

// continues reports whether another word for a street or a direction follows at
// once, as in "Grove Street" or "Park Avenue West".
func continues(text []byte, i, limit int) bool {
	if at(text, i) != ' ' {
		return false
	}
	w, ok := nextName(text, i, limit)
	return ok && w.capital && way(text[w.start:w.end]) == wayEnd
}

// houseBehind returns where a direction or a house number behind a street's name
// ends, or i.
func houseBehind(text []byte, i int) int {
	if at(text, i) != ' ' {
		return i
	}
	if w, ok := nextName(text, i, i+8); ok {
		switch string(text[w.start:w.end]) {
		case "North", "South", "East", "West", "N", "S", "E", "W", "NE", "NW", "SE", "SW":
			return w.end
		}
	}
	if !isDigit(at(text, i+1)) {
		return i
	}
	j := i + 1
	for isDigit(at(text, j)) {
		j++
	}
	if j-i-1 > 4 || isWord(at(text, j)) {
		return i
	}
	if at(text, j) == '.' && !isDigit(at(text, j+1)) {
		j++
	}
	return j
}

// nameWord is a word of an address.
type nameWord struct {
	start, end int
	capital    bool
}

// nextName returns the word that begins behind one space, or a comma and one.
func nextName(text []byte, i, limit int) (w nameWord, ok bool) {
	if at(text, i) == ',' || at(text, i) == '.' && at(text, i+1) == ' ' {
		i++
	}
	if at(text, i) != ' ' {
		return w, false
	}
	w.start = i + 1
	w.end = nameEnd(text, w.start, limit)
	w.capital = isCapital(text, w.start)
	return w, w.end > w.start
}

// nameEnd returns where the word of letters, hyphens and apostrophes ends, or
// the ordinal number, as in "5th Avenue".
func nameEnd(text []byte, i, limit int) int {
	limit = min(limit, len(text))
	for i < limit && classes[text[i]]&className != 0 {
		i++
	}
	return i
}

func isCapital(text []byte, i int) bool {
	c := at(text, i)
	if c < utf8.RuneSelf {
		return isUpper(c) || isDigit(c) && isAlpha(at(text, i+1)) || isDigit(c) && isDigit(at(text, i+1)) && isAlpha(at(text, i+2))
	}
	r, _ := utf8.DecodeRune(text[i:])
	return upperRune(r)
}

// previousName returns the word that ends right before i, where a space stands.
func previousName(text []byte, i, limit int) (w nameWord, ok bool) {
	if at(text, i-1) != ' ' {
		return w, false
	}
	w.end = i - 1
	w.start = w.end
	if at(text, w.start-1) == '.' {
		w.start--
	}
	for w.start > limit && classes[text[w.start-1]]&className != 0 {
		w.start--
	}
	w.capital = isCapital(text, w.start)
	return w, w.end > w.start
}

// headBefore returns where the address begins whose street or house is at i: up to two
// numbers before it belong to it, and the corner at which it is.
func headBefore(text []byte, i int) int {
	from := numberBefore(text, i)
	if from < i {
		if n := numberBefore(text, from); from-n > 3 {
			from = n
		}
	}
	if c := cornerBefore(text, from); c < from {
		return numberBefore(text, c)
	}
	return from
}

// numberBefore returns where a number begins that stands one space before i, or
// i: the house before "Suite", the building before the house.
func numberBefore(text []byte, i int) int {
	j := i - 1
	if at(text, j) != ' ' {
		return i
	}
	for isDigit(at(text, j-1)) {
		j--
	}
	if n := i - 1 - j; n == 0 || n > maxHouse || j > 0 && text[j-1] != ' ' && text[j-1] != '\n' && text[j-1] != '>' {
		return i
	}
	return j
}

// housedBefore returns where a house number begins whose street ends before the
// unit at i, "903 83 Dora Creek Apt. 176", or where a number right before the unit
// does, or i.
func housedBefore(text []byte, i int) int {
	name := nameStart(text, i, max(0, i-addressReach/2))
	house := numberBefore(text, name)
	if house == name {
		return i
	}
	return numberBefore(text, house)
}

// streetBefore returns where a street's name begins whose house number is
// text[start:end]: "Via Tasso 129", "Harjukuja 54", "Erzsébet tér 19.".
func streetBefore(text []byte, start, end int) (from int, ok bool) {
	unit := unitBehind(text, end)
	from = start
	if end-start > 4 && !unit {
		return from, false
	}
	limit := max(0, start-addressReach)
	i, capital, lower := start, false, false
	for n := range maxStreet {
		w, found := previousName(text, i, limit)
		if !found || isDigit(text[w.start]) {
			break
		}
		word := trimPeriod(text[w.start:w.end])
		switch k := way(word); {
		case w.capital && compound(word) && n == 0:
			return nameStart(text, w.start, limit), true
		case k == wayBegin && capital && (w.capital || begins(word)):
			return w.start, true
		case k == wayMiddle && n == 0:
			from := nameStart(text, w.start, limit)
			if before, found := previousName(text, w.start, limit); found && from == w.start {
				from = nameStart(text, before.start, limit) // "Árpád fejedelem útja"
				return from, from < before.start
			}
			return from, from < w.start
		}
		if !w.capital && !particle(word) {
			if !unit {
				break
			}
			lower = true
		}
		if w.capital || unit {
			from = w.start
		}
		capital = capital || w.capital
		i = w.start
	}
	return from, from < start && from > limit && addressed(text, from, end, unit && !lower)
}

// maxAnnounced bounds, in bytes, how far before a street what announces it can stand.
const maxAnnounced = 48

// announced reports whether the words before from announce that the name and the
// number text[from:end] are a street and a house: "lives at", "my address is", "send it
// to". It needs the lexicon, which must not know the name's last word as another one.
func (s *Scanner) announced(text []byte, from, start, end int) bool {
	if s.names == NamesOff || from >= start || end-start > 4 || unitAfter(text, end) {
		return false
	}
	w, ok := previousName(text, start, from)
	if word := text[w.start:w.end]; !ok || !w.capital || len(word) < 4 || notPlace(word) || s.lexicon.Lookup(lexicon.Sum(word)).Has(safeWords) {
		return false
	}
	low := max(0, from-maxAnnounced)
	e, colon := from, false
	for e > low && (text[e-1] == ' ' || text[e-1] == '\n' || text[e-1] == ':') {
		e--
		colon = colon || text[e] == ':'
	}
	if first := wordBefore(text, e, 8); !colon {
		switch string(text[first:e]) {
		case "at", "to", "on", "of", "is", "in":
		default:
			return false
		}
	}
	for e > low {
		first := wordBefore(text, e, maxTerm+1)
		if first == e {
			return false
		}
		if termOf(text, first, e).is(traitWhere) {
			return true
		}
		for e = first; e > low && (text[e-1] == ' ' || text[e-1] == ','); e-- {
		}
	}
	return false
}

// addressed reports whether what stands around a name and a number shows them to
// be a street and a house, though nothing in the name says so: a number before
// the name and the end of a line, a unit, or "street" behind it.
func addressed(text []byte, from, end int, unit bool) bool {
	number := from - numberBefore(text, from)
	if from >= 3 && string(text[from-3:from]) == "C/ " {
		return true // "Calle"
	}
	if unit || number > 0 && unitBehind(text, end) {
		return true
	}
	if !isCapital(text, from) {
		return false
	}
	if streetWord(text, end) || cornerBefore(text, from) < from && string(text[from-4:from]) != "and " {
		return true
	}
	return number > 3 && (lineEnds(text, end) || at(text, end) == ',')
}

// nameStart returns where the run of capitalised words begins that ends before i.
func nameStart(text []byte, i, limit int) int {
	from := i
	for range maxStreet {
		w, found := previousName(text, i, limit)
		if !found || isDigit(text[w.start]) || !w.capital && !particle(text[w.start:w.end]) {
			break
		}
		i = w.start
		if w.capital {
			from = i
		}
	}
	return from
}

func trimPeriod(w []byte) []byte {
	if len(w) > 1 && w[len(w)-1] == '.' {
		return w[:len(w)-1]
	}
	return w
}

func lineEnds(text []byte, i int) bool {
	if at(text, i) == '.' || at(text, i) == ',' {
		i++
	}
	return i >= len(text) || text[i] == '\n' || text[i] == '\r'
}

// unitBefore returns where "Apt.", "Suite" or "P.O. Box" begins before the number
// text[start:end].
func unitBefore(text []byte, start, end int) (from int, ok bool) {
	w, ok := previousName(text, start, max(0, start-addressReach))
	if !ok {
		return 0, false
	}
	word := trimPeriod(text[w.start:w.end])
	switch {
	case isApartment(word):
		return w.start, true
	case equalFold(word, "box"):
		return boxBefore(text, w.start)
	case equalFold(word, "psc"), equalFold(word, "unit") && unitBehind(text, end):
		return w.start, true
	}
	return 0, false
}

// boxBefore returns where the address of a box begins whose word "Box" is at i:
// "P.O. Box", "PSC 6293, Box", "Unit 5022 Box".
func boxBefore(text []byte, i int) (from int, ok bool) {
	for _, s := range [...]string{"P.O. ", "P. O. ", "PO ", "P.O ", "p.o. ", "po ", "Post Office "} {
		if i >= len(s) && string(text[i-len(s):i]) == s {
			return i - len(s), true
		}
	}
	j := i - 1
	if at(text, j-1) == ',' {
		j--
	}
	k := j
	for isDigit(at(text, k-1)) {
		k--
	}
	if k == j {
		return 0, false
	}
	w, ok := previousName(text, k, max(0, k-8))
	if word := text[w.start:w.end]; ok && (equalFold(word, "psc") || equalFold(word, "unit") || equalFold(word, "cmr")) {
		return w.start, true
	}
	return 0, false
}

// unitBehind reports whether an apartment or a suite follows.
func unitBehind(text []byte, i int) bool { return unitEnd(text, i) > i }

// unitEnd returns where the unit ends that follows at i, or i.
func unitEnd(text []byte, i int) int {
	j := skipBreak(text, i)
	if j == i {
		return i
	}
	limit := min(len(text), j+12)
	k := wordAfter(text, j, 12)
	if word := text[j:k]; isApartment(word) || equalFold(word, "unit") || equalFold(word, "floor") || equalFold(word, "box") {
		if at(text, k) == '.' {
			k++
		}
		if at(text, k) != ' ' {
			return i
		}
		k++
		if at(text, k) == '#' {
			k++
		}
		e := k
		for e < limit+8 && isAlnum(at(text, e)) {
			e++
		}
		if e > k && e-k <= 6 && (isDigit(text[k]) || e-k == 1) {
			return e
		}
	}
	return i
}

// militaryBefore returns where a military address begins whose postal code is at
// start: "USNS Name\nFPO AA 65607".
func militaryBefore(text []byte, start int) (from int, ok bool) {
	if start < 7 {
		return 0, false
	}
	p := text[start-7 : start-1]
	if !equalFold(p[1:3], "po") || p[3] != ' ' || p[4]|0x20 != 'a' || text[start-1] != ' ' {
		return 0, false
	}
	if force, region := p[0]|0x20, p[5]|0x20; force != 'a' && force != 'f' && force != 'd' || region != 'a' && region != 'e' && region != 'p' {
		return 0, false
	}
	from = start - 7
	line := from - 1
	if from == 0 || text[line] != '\n' && text[line] != ' ' {
		return from, true
	}
	limit := max(0, line-60)
	for j := line; ; j-- {
		if j == limit || text[j-1] == '\n' {
			return from, true
		}
		if equalFold(text[j-1:j+1], "us") && (j < 2 || !isWord(text[j-2])) && isAlpha(at(text, j+1)) {
			return j - 1, true
		}
	}
}
