// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator

// ageKept is the greatest age that may be shown; all above are one category,
// which is written as ageAbove.
const (
	ageKept  = 89
	ageAbove = 90
)

func ageInt(v int64) int64 { return min(v, ageAbove) }

func ageFloat(v float64) (float64, bool) {
	if v > ageKept {
		v = ageAbove
	}
	return finite(v)
}

// ageDecimal keeps the number of decimal places.
func ageDecimal(dst, v []byte) ([]byte, bool) {
	d, ok := parseDecimal(v)
	if !ok {
		return dst, false
	}
	limit, _ := decimal{n: ageKept}.rescale(d.scale) // both fit: a decimal has 18 digits
	if d.n <= limit.n {
		return append(dst, v...), true
	}
	above, _ := decimal{n: ageAbove}.rescale(d.scale)
	return above.append(dst), true
}

// ageUnits are the words that may stand beside an age, with how many of what
// they count make a year; 0 says nothing about it. "m" is not among them: after
// "92" it is more often a man than months.
var ageUnits = [...]struct {
	word    string
	perYear int64
}{
	{"y", 1},
	{"yr", 1},
	{"yrs", 1},
	{"year", 1},
	{"years", 1},
	{"yo", 1},
	{"mo", 12},
	{"mos", 12},
	{"mth", 12},
	{"mths", 12},
	{"month", 12},
	{"months", 12},
	{"wk", 52},
	{"wks", 52},
	{"week", 52},
	{"weeks", 52},
	{"day", 365},
	{"days", 365},
	{"hr", 8766},
	{"hrs", 8766},
	{"hour", 8766},
	{"hours", 8766},
	{"o", 0},
	{"old", 0},
	{"of", 0},
	{"age", 0},
	{"aged", 0},
	{"to", 0},
	{"and", 0},
	{"over", 0},
	{"under", 0},
	{"about", 0},
}

// ageText takes texts made of one or two numbers and the words that belong to an
// age: "92", "92 y/o", "age 92", "3 years 2 months", "85-95", "90+". A text in
// which one of the numbers is above 89 years is the category; another stays.
func ageText(dst, v []byte) ([]byte, bool) {
	const longest, mostNumbers, mostDigits = 48, 2, 6
	if len(v) > longest {
		return dst, false
	}
	above, numbers := false, 0
	for rest := v; len(rest) > 0; {
		n, after := leadingDigits(rest)
		switch {
		case n > mostDigits || n > 0 && numbers == mostNumbers:
			return dst, false
		case n > 0:
			numbers++
			above = above || aboveAge(integer(rest[:n]), after)
			rest = skipFraction(after)
		case isLetter(rest[0]):
			word := leadingLetters(rest)
			if _, ok := ageUnit(word); !ok {
				return dst, false
			}
			rest = rest[len(word):]
		case rest[0] == ' ' || rest[0] == '-' || rest[0] == '/' || rest[0] == '.' || rest[0] == ',' ||
			rest[0] == '+' || rest[0] == '>' || rest[0] == '<' || rest[0] == ':':
			rest = rest[1:]
		default:
			return dst, false
		}
	}
	switch {
	case numbers == 0:
		return dst, false
	case above:
		return append(dst, "90+"...), true
	}
	return append(dst, v...), true
}

// aboveAge reports whether n of the unit that follows is more than an age that
// may be shown; without a unit, n counts years.
func aboveAge(n int64, after []byte) bool {
	more := len(after) > 1 && after[0] == '.' && isDigit(after[1]) || len(after) > 0 && after[0] == '+'
	after = skipFraction(after)
	for len(after) > 0 && (after[0] == ' ' || after[0] == '-' || after[0] == '+') {
		after = after[1:]
	}
	perYear := int64(1)
	if p, ok := ageUnit(leadingLetters(after)); ok && p != 0 {
		perYear = p
	}
	limit := (ageKept + 1) * perYear
	return n >= limit || n == limit-1 && more && perYear == 1
}

// skipFraction removes the decimal places that v begins with.
func skipFraction(v []byte) []byte {
	if len(v) > 1 && v[0] == '.' && isDigit(v[1]) {
		_, v = leadingDigits(v[1:])
	}
	return v
}

func ageUnit(word []byte) (perYear int64, ok bool) {
	for _, u := range ageUnits {
		if foldEqual(word, u.word) {
			return u.perYear, true
		}
	}
	return 0, false
}
