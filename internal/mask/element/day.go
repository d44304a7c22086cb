// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package element

// ParseDay reads a date that begins v: YYYYMMDD, YYYYMM or YYYY, of which it
// returns how many digits it took. What is missing counts as 1. Digits right
// after a year and a month that make no day are no date.
func ParseDay(v []byte) (day int64, width int, ok bool) {
	year, month, dom, width := parseDay(v)
	if width == 0 {
		return 0, 0, false
	}
	return civil(year, month, dom), width, true
}

// DayWidth returns how many digits the date has that begins v, or 0.
func DayWidth(v []byte) int {
	_, _, _, width := parseDay(v)
	return width
}

func parseDay(v []byte) (year, month, dom, width int) {
	w := Load(v, 0)
	n := min(w.notDigits().First(), 8)
	digit := func(i int) int { return int(w >> (8 * i) & 0xf) }
	month, dom = 1, 1
	if n >= 6 {
		month = digit(4)*10 + digit(5)
	}
	if n == 8 {
		dom = digit(6)*10 + digit(7)
	}
	if n >= 4 {
		year = digit(0)*1000 + digit(1)*100 + digit(2)*10 + digit(3)
	}
	if n&1 != 0 || year == 0 || month < 1 || month > 12 || dom < 1 || dom > 28 && dom > daysIn(year, month) {
		return 0, 0, 0, 0
	}
	return year, month, dom, n
}

// AppendDay appends a day as the first width digits of YYYYMMDD. Days outside of
// the years 1 to 9999 are not appended.
func AppendDay(dst []byte, day int64, width int) []byte {
	year, month, dom := fromCivil(day)
	if year < 1 || year > 9999 {
		return dst
	}
	d := [8]byte{
		'0' + byte(year/1000), '0' + byte(year/100%10), '0' + byte(year/10%10), '0' + byte(year%10),
		'0' + byte(month/10), '0' + byte(month%10), '0' + byte(dom/10), '0' + byte(dom%10),
	}
	return append(dst, d[:width]...)
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// Days in the proleptic Gregorian calendar, where a year begins in March so that
// the leap day is its last: 146097 days are 400 years.
const (
	eraDays   = 146097
	epochDays = 719468 // from 0000-03-01 to 1970-01-01
)

func civil(year, month, dom int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	inEra := year % 400
	inYear := (153*(month-3)+2)/5 + dom - 1
	return int64(era)*eraDays + int64(inEra*365+inEra/4-inEra/100+inYear) - epochDays
}

func fromCivil(day int64) (year, month, dom int) {
	day += epochDays
	era := day / eraDays
	inEra := day % eraDays
	if inEra < 0 {
		era, inEra = era-1, inEra+eraDays
	}
	y := (inEra - inEra/1460 + inEra/36524 - inEra/146096) / 365
	inYear := int(inEra - (365*y + y/4 - y/100))
	m := (5*inYear + 2) / 153
	dom = inYear - (153*m+2)/5 + 1
	month = m + 3
	year = int(era)*400 + int(y)
	if month > 12 {
		month, year = month-12, year+1
	}
	return year, month, dom
}
