// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import "bytes"

// dateLongest bounds a text that is read as a date:
// "Wednesday, 23rd of September, 2020 at 10:00:00.000000000 PM +00:00:00".
const dateLongest = 80

// earliest is the first year that is believed without separators.
const earliest = 1000

// parseDate reads the whole of v as a date, with or without a time. bare says that
// nothing separates its year, so that it could be some other number. Years have
// four digits: of two, nobody knows which they mean.
func parseDate(v []byte) (d textDate, bare, ok bool) {
	if len(v) < 4 || len(v) > dateLongest {
		return d, false, false
	}
	n, rest := leadingDigits(v)
	switch n {
	case 0, 3:
		d, ok = parseWords(v)
	case 1, 2:
		if d, ok = parseYearLast(v, n, rest); !ok {
			d, ok = parseWords(v)
		}
	case 4:
		if len(rest) == 0 {
			return textDate{civil: civil{year: integer(v)}}, true, true
		}
		if d, ok = parseYearFirst(v, rest); !ok {
			d, ok = parseWords(v)
		}
	default:
		bare = true
		d, ok = parseCompact(v, n)
	}
	return d, bare, ok
}

// parseYearFirst reads 2020-01-05, 2020/1/5, and 2020-01.
func parseYearFirst(v, rest []byte) (textDate, bool) {
	d := textDate{civil: civil{year: integer(v[:4])}, mark: rest[0]}
	if !dateMark(d.mark) {
		return d, false
	}
	n, after := leadingDigits(rest[1:])
	if n < 1 || n > 2 {
		return d, false
	}
	d.widths[0], d.month = n, integer(rest[1:1+n])
	if len(after) == 0 {
		return d, civil{d.year, d.month, 1}.valid()
	}
	n, d.time = leadingDigits(after[1:])
	if after[0] != d.mark || n < 1 || n > 2 {
		return d, false
	}
	d.widths[1], d.day = n, integer(after[1:1+n])
	return d, d.valid() && isTime(d.time)
}

// parseYearLast reads 1/5/2020 and 5.1.2020; v begins with n digits. Where both
// orders give a date, the month is first, but between full stops.
func parseYearLast(v []byte, n int, rest []byte) (textDate, bool) {
	d := textDate{widths: [2]int{n, 0}}
	if len(rest) < 2 || !dateMark(rest[0]) {
		return d, false
	}
	d.mark = rest[0]
	m, after := leadingDigits(rest[1:])
	if m < 1 || m > 2 || len(after) == 0 || after[0] != d.mark {
		return d, false
	}
	y, tail := leadingDigits(after[1:])
	if y != 4 || !isTime(tail) {
		return d, false
	}
	d.widths[1], d.time = m, tail
	first, second, year := integer(v[:n]), integer(rest[1:1+m]), integer(after[1:5])
	mdy, dmy := civil{year, first, second}, civil{year, second, first}
	d.civil, d.form = mdy, formMDY
	if !mdy.valid() || d.mark == '.' && dmy.valid() {
		d.civil, d.form = dmy, formDMY
	}
	return d, d.valid()
}

// parseCompact reads HL7's YYYYMM, YYYYMMDD and YYYYMMDDHHMMSS.F+ZZZZ; v begins
// with n digits.
func parseCompact(v []byte, n int) (textDate, bool) {
	d := textDate{form: formCompact}
	if n < 6 || n > 14 || n%2 != 0 {
		return d, false
	}
	d.year, d.month = integer(v[:4]), integer(v[4:6])
	if n == 6 {
		return d, len(v) == 6 && civil{d.year, d.month, 1}.valid()
	}
	d.day, d.time = integer(v[6:8]), v[8:]
	return d, d.valid() && isCompactTime(d.time)
}

// isCompactTime takes "", "10", "1030", "103000.1234-0500", and ISO's "T103000Z".
func isCompactTime(t []byte) bool {
	n, rest := leadingDigits(bytes.TrimPrefix(t, []byte{'T'}))
	t = t[len(t)-n-len(rest):]
	if n > 6 || n%2 != 0 {
		return false
	}
	for i := 0; i < n; i += 2 {
		if integer(t[i:i+2]) > 60 {
			return false
		}
	}
	if len(rest) > 0 && rest[0] == '.' {
		n, after := leadingDigits(rest[1:])
		if n == 0 || n > 9 {
			return false
		}
		rest = after
	}
	if len(rest) == 0 || string(rest) == "Z" {
		return true
	}
	n, after := leadingDigits(rest[1:])
	return (rest[0] == '+' || rest[0] == '-') && n == 4 && len(after) == 0
}

// parseWords reads dates with the month in words: "January 5, 2020",
// "5-Jan-2020", "Sun, 5th of January 2020", "Jan 2020".
func parseWords(v []byte) (textDate, bool) {
	d := textDate{mark: '-', widths: [2]int{2, 2}}
	for len(v) > 0 && d.year == 0 {
		switch n, after := leadingDigits(v); {
		case n == 4:
			d.year, v = integer(v[:4]), after
		case n == 1 || n == 2:
			if d.day != 0 {
				return d, false
			}
			d.day, v = integer(v[:n]), ordinal(after)
		case n > 0:
			return d, false
		default:
			word := leadingLetters(v)
			if !d.take(word) {
				return d, false
			}
			v = v[len(word):]
		}
		if d.year == 0 {
			v = bytes.TrimLeft(v, " ,.-/")
		}
	}
	// The year is last, but in "2020 Jan 5" and "2020-Jan-05".
	if d.month == 0 {
		return parseYearWords(d, v)
	}
	if d.day == 0 {
		return d, civil{d.year, d.month, 1}.valid() && len(v) == 0
	}
	d.time = v
	return d, d.valid() && isTime(v)
}

// parseYearWords reads what follows the year of "2020-Jan-05".
func parseYearWords(d textDate, v []byte) (textDate, bool) {
	v = bytes.TrimLeft(v, " ,.-/")
	word := leadingLetters(v)
	if d.year == 0 || d.day != 0 || len(word) == 0 {
		return d, false
	}
	d.month = monthOf(word)
	v = bytes.TrimLeft(v[len(word):], " ,.-/")
	n, rest := leadingDigits(v)
	if n < 1 || n > 2 {
		return d, false
	}
	d.day, d.time = integer(v[:n]), ordinal(rest)
	return d, d.valid() && isTime(d.time)
}

// take notes a word of a date: its month, or one that says nothing.
func (d *textDate) take(word []byte) bool {
	if m := monthOf(word); m != 0 && d.month == 0 {
		d.month = m
		return true
	}
	if d.month == 0 && d.day == 0 && oneOf(word, weekdays[:]) {
		return true
	}
	return d.day != 0 && d.month == 0 && foldEqual(word, "of")
}

var months = [...]string{
	"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
}

var weekdays = [...]string{
	"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
	"mon", "tue", "tues", "wed", "weds", "thu", "thur", "thurs", "fri", "sat", "sun",
}

// monthOf returns the number of a month, whole or in its first three letters, or 0.
func monthOf(word []byte) int64 {
	for i, m := range months {
		if foldEqual(word, m) || foldEqual(word, m[:3]) || m == "september" && foldEqual(word, "sept") {
			return int64(i) + 1
		}
	}
	return 0
}

// ordinal removes the end of "5th".
func ordinal(v []byte) []byte {
	if w := leadingLetters(v); foldEqual(w, "st") || foldEqual(w, "nd") || foldEqual(w, "rd") || foldEqual(w, "th") {
		return v[len(w):]
	}
	return v
}

// isTime reports whether t, which follows a date, is a time of the day or
// nothing: "T10:00:00.000Z", " 10:00:00+02", ", 3:45 PM", " at 10:00 UTC".
func isTime(t []byte) bool {
	if len(t) == 0 {
		return true
	}
	if t[0] != 'T' && t[0] != 't' && t[0] != ' ' && t[0] != ',' {
		return false
	}
	t = bytes.TrimLeft(t[1:], " ")
	if w := leadingLetters(t); foldEqual(w, "at") {
		t = bytes.TrimLeft(t[len(w):], " ")
	}
	for i, limit := range [...]int64{24, 59, 60} {
		n, rest := leadingDigits(t)
		if n < 1 || n > 2 || integer(t[:n]) > limit {
			return false
		}
		t = rest
		if i == 2 || len(t) == 0 || t[0] != ':' {
			break
		}
		t = t[1:]
	}
	if len(t) > 0 && t[0] == '.' {
		n, rest := leadingDigits(t[1:])
		if n < 1 || n > 9 {
			return false
		}
		t = rest
	}
	t = bytes.TrimLeft(t, " ")
	if w := leadingLetters(t); foldEqual(w, "am") || foldEqual(w, "pm") {
		t = bytes.TrimLeft(t[len(w):], " ")
	}
	return isZone(t)
}

// isZone takes "", "Z", "UTC", "GMT", "+02", "+0200", "-05:00" and "+01:02:03".
func isZone(t []byte) bool {
	if len(t) == 0 || foldEqual(t, "z") || foldEqual(t, "utc") || foldEqual(t, "gmt") {
		return true
	}
	if t[0] != '+' && t[0] != '-' {
		return false
	}
	n, rest := leadingDigits(t[1:])
	if n == 4 {
		return len(rest) == 0
	}
	for range 2 {
		if n != 2 {
			return false
		}
		if len(rest) == 0 {
			return true
		}
		if rest[0] != ':' {
			return false
		}
		n, rest = leadingDigits(rest[1:])
	}
	return n == 2 && len(rest) == 0
}

// dateMark reports whether c stands between the numbers of a date.
func dateMark(c byte) bool { return c == '-' || c == '/' || c == '.' }
