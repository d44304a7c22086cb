// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir

import (
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/mask/operator"
)

// moment is a date, dateTime or instant of FHIR as far as the masks look at it.
type moment struct {
	day   int64 // from 1970-01-01; of the first day, where only a year or month is known
	parts int   // 1 year, 2 and month, 3 and day, 4 and time
}

// parseMoment reads YYYY, YYYY-MM, YYYY-MM-DD or that with a time. Of the time
// only the form is looked at: characters of times, no more than a time needs.
func parseMoment(v []byte) (m moment, ok bool) {
	month, day := 1, 1
	switch n := len(v); {
	case n == 4:
		m.parts = 1
	case n == 7:
		m.parts = 2
	case n == 10:
		m.parts = 3
	case n > 10 && n <= 40 && v[10] == 'T':
		for _, c := range v[11:] {
			if c-'0' > 9 && c != ':' && c != '.' && c != '+' && c != '-' && c != 'Z' {
				return m, false
			}
		}
		m.parts = 4
	default:
		return m, false
	}
	year, ok := digitsOf(v[:4])
	if ok && m.parts > 1 {
		month, ok = digitsOf(v[5:7])
		ok = ok && v[4] == '-' && month >= 1 && month <= 12
	}
	if ok && m.parts > 2 {
		day, ok = digitsOf(v[8:10])
		ok = ok && v[7] == '-' && day >= 1 && day <= 31
	}
	m.day = dayOf(int64(year), int64(month), int64(day))
	return m, ok && year > 0
}

func digitsOf(v []byte) (n int, ok bool) {
	for _, c := range v {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// dayOf counts days from 1970-01-01. Years begin in March in the counting, so
// that the leap day is their last.
func dayOf(y, m, d int64) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	return 365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + d - 1 - 719468
}

// dateOf is the reverse of dayOf, for days after the year 0.
func dateOf(day int64) (y, m, d int64) {
	day += 719468
	era := day / 146097
	of := day % 146097
	y = (of - of/1460 + of/36524 - of/146096) / 365
	d = of - (365*y + y/4 - y/100)
	m = (5*d + 2) / 153
	d -= (153*m+2)/5 - 1
	y += era * 400
	if m += 3; m > 12 {
		return y + 1, m - 12, d
	}
	return y, m, d
}

func appendTwo(dst []byte, n int64) []byte { return append(dst, '-', byte('0'+n/10), byte('0'+n%10)) }

// date masks a date, dateTime or instant so that it stays one; what an instant
// has beyond its day is never shown.
func (r *run) date(i, end int, v []byte, f *field) bool {
	m, ok := parseMoment(v)
	if !ok {
		return false // not what the element says it is
	}
	kind := f.op.Kind()
	switch kind {
	case operator.Keep:
		return true
	case operator.Null, operator.Drop:
		return false
	}
	day, ok := f.op.Day(m.day, &r.w.Row)
	if !ok {
		return false
	}
	year, month, date := dateOf(day)
	if year < 1 || year > 9999 {
		return false
	}
	r.out = append(r.out[:0], '"', byte('0'+year/1000), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10))
	full := f.rule.treat == instant && m.parts == 4
	if full || kind != operator.DateYear && m.parts > 1 {
		r.out = appendTwo(r.out, month)
	}
	if full || kind != operator.DateYear && kind != operator.DateTrunc && m.parts > 2 {
		r.out = appendTwo(r.out, date)
	}
	if full {
		r.out = append(r.out, "T00:00:00Z"...)
	}
	r.out = append(r.out, '"')
	r.count(f, 0)
	r.edit.Replace(i, end, r.out)
	return true
}

// clockLike reports whether v is a time of day.
func clockLike(v []byte) bool {
	if len(v) < 5 || len(v) > 15 {
		return false
	}
	_, err := time.Parse("15:04:05", string(v[:min(len(v), 8)]))
	if err != nil {
		_, err = time.Parse("15:04", string(v))
	}
	if err == nil && len(v) > 8 {
		_, err = strconv.ParseUint(string(v[9:]), 10, 32)
	}
	return err == nil && (len(v) <= 8 || v[8] == '.')
}
