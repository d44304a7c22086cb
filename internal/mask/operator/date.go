// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

const (
	// oldest is the age from which a year says too much.
	oldest = 90
	// ahead is how far in the future a year without separators may lie: a number
	// beyond is taken for something else.
	ahead = 20
	// quarterMonths are the months of a quarter.
	quarterMonths = 3
	// serves is for how many years at most an operator is used. A year that will
	// not be ninety years ago by then needs no look at the clock.
	serves = 40
)

// year returns what may be shown of a year: those of ninety years ago and before
// are one.
func (o *Operator) year(year int64) int64 {
	if year > o.PlainYear() {
		return year
	}
	return max(year, o.OldestYear())
}

// PlainYear returns the year after which [DateYear] shows every year as it is, for as
// long as the operator is used.
func (o *Operator) PlainYear() int64 { return o.made - oldest + serves }

// OldestYear returns the year that [DateYear] shows for itself and all before: ninety
// years ago.
func (o *Operator) OldestYear() int64 { return o.thisYear() - oldest }

func (o *Operator) thisYear() int64 { return int64(o.now().UTC().Year()) }

// date reads a text as a date. A number without separators is believed from
// [earliest] to a few years ahead.
func (o *Operator) date(v []byte) (textDate, bool) {
	d, bare, ok := parseDate(v)
	if ok && bare && (d.year < earliest || d.year > o.made+ahead) {
		ok = d.year >= earliest && d.year <= o.thisYear()+ahead
	}
	return d, ok
}

// day is DateYear, DateTrunc and DateShift on a day.
func (o *Operator) day(v int64, r *Row) (int64, bool) {
	if v < -furthestDay || v > furthestDay {
		return 0, false
	}
	switch offset := o.offset(r); {
	case o.spec.Kind == DateTrunc:
		return o.truncated(civilOf(v)).days(), true
	case offset != 0:
		return v + offset, true
	}
	return civil{o.year(civilOf(v).year), 1, 1}.days(), true
}

// instant is day on a point in time. The time of the day stays where the day is
// only moved.
func (o *Operator) instant(v int64, r *Row) (int64, bool) {
	day, rest := instantDay(v)
	if o.offset(r) == 0 {
		rest = 0
	}
	day, ok := o.day(day, r)
	if !ok {
		return 0, false
	}
	return dayInstant(day, rest)
}

func (o *Operator) truncated(c civil) civil {
	if o.spec.Unit == unitQuarter {
		c.month -= (c.month - 1) % quarterMonths
	}
	return civil{c.year, c.month, 1}
}

// offset returns the days by which DateShift moves the dates of a row's patient:
// never 0, unless the operator is another or there is no patient.
func (o *Operator) offset(r *Row) int64 {
	if o.spec.Kind != DateShift || r == nil || len(r.Patient) == 0 {
		return 0
	}
	sum := o.mac.of(r.Patient)
	n := int64(binary.BigEndian.Uint64(sum[:]) % uint64(2*o.spec.Days))
	if n < int64(o.spec.Days) {
		return -n - 1
	}
	return n - int64(o.spec.Days) + 1
}

// dateText is day on a text.
func (o *Operator) dateText(dst, v []byte, r *Row) ([]byte, bool) {
	d, ok := o.date(bytes.TrimSpace(v))
	if !ok {
		return dst, false
	}
	offset := o.offset(r)
	switch {
	case o.spec.Kind == DateTrunc && d.month == 0:
		return dst, false
	case o.spec.Kind == DateTrunc:
		c := o.truncated(d.civil)
		return padded(append(padded(dst, c.year, 4), '-'), c.month, 2), true
	case offset != 0 && d.day != 0:
		d.civil = civilOf(d.days() + offset)
		if !d.valid() {
			return dst, false
		}
		return d.append(dst), true
	}
	return padded(dst, o.year(d.year), 4), true
}

// dateInt is DateYear on a year or a day that is written as an integer.
func (o *Operator) dateInt(v int64) (int64, bool) {
	if o.spec.Kind != DateYear || v < 0 {
		return 0, false
	}
	d, ok := o.date(strconv.AppendInt(make([]byte, 0, 20), v, 10))
	return o.year(d.year), ok
}

// dateForm is the order and punctuation of a date in a text.
type dateForm uint8

const (
	formYMD     dateForm = iota // 2020-01-05, and how dates of no other form are written
	formCompact                 // 20200105, as in HL7
	formMDY                     // 1/5/2020
	formDMY                     // 5.1.2020
)

// textDate is a date as a text holds it. Month and day are 0 where it has none.
type textDate struct {
	civil
	form   dateForm
	mark   byte   // between the numbers
	widths [2]int // of the first two numbers, which may lack a zero
	time   []byte // what follows: a time of the day
}

// append writes the date as it was written.
func (d textDate) append(dst []byte) []byte {
	first, second := d.month, d.day
	switch d.form {
	case formCompact:
		dst = padded(padded(padded(dst, d.year, 4), d.month, 2), d.day, 2)
		return append(dst, d.time...)
	case formDMY:
		first, second = second, first
		fallthrough
	case formMDY:
		dst = append(padded(dst, first, d.widths[0]), d.mark)
		dst = append(padded(dst, second, d.widths[1]), d.mark)
		dst = padded(dst, d.year, 4)
		return append(dst, d.time...)
	}
	dst = append(padded(dst, d.year, 4), d.mark)
	dst = append(padded(dst, d.month, d.widths[0]), d.mark)
	dst = padded(dst, d.day, d.widths[1])
	return append(dst, d.time...)
}

// padded appends n with leading zeros up to a width.
func padded(dst []byte, n int64, width int) []byte {
	limit := int64(1)
	for range width - 1 {
		limit *= 10
	}
	for ; limit > 1 && n < limit; limit /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, n, 10)
}
