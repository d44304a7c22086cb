// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"encoding/binary"

	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// digits of a year, and of a day.
const (
	digits    = 4
	dayDigits = 8
)

// yearOf returns a year as its digits.
func yearOf(year int) uint32 {
	y := uint32(min(max(year, 0), 9999))
	return '0'*0x01010101 + (y/1000)<<24 + (y/100%10)<<16 + (y/10%10)<<8 + y%10
}

// shownFrom returns the digits of the year before which dates do not show their own,
// which is the same for a whole text.
func (r *run) shownFrom() uint32 {
	if r.oldest == 0 {
		r.oldest = yearOf(r.m.ops.OldestYear())
	}
	return r.oldest
}

// day masks src[start:end], which begins with eight digits, if they are a day of which
// only the year is shown. It reports false, without having done anything, when they are
// none, after the 28th of a month, or from before the years that are shown.
func (r *run) day(start, end int, f *field) bool {
	if start < 0 || start > len(r.src)-dayDigits {
		return false
	}
	const (
		first  = '0'<<8 | '1'
		twelve = '1'<<8 | '2'
		last   = '2'<<8 | '8'
	)
	v := binary.BigEndian.Uint64(r.src[start : start+dayDigits])
	year, month, dom := uint32(v>>32), uint16(v>>16), uint16(v)
	if month-first > twelve-first || dom-first > last-first || year <= r.m.plainYear && year < r.shownFrom() {
		return false
	}
	r.put(start+digits, end, &r.nothing, 0)
	r.count(f.counts(scan.Date))
	return true
}

// year masks the date src[start:end], of which only the year is shown.
func (r *run) year(start, end int, f *field) {
	r.count(f.counts(scan.Date))
	if binary.BigEndian.Uint32(r.src[start:]) >= r.shownFrom() {
		r.put(start+digits, end, &r.nothing, 0)
		return
	}
	r.plain = binary.BigEndian.AppendUint32(r.plain[:0], r.shownFrom())
	r.change(start, end, r.plain)
}

// date masks one date or timestamp; what is none goes.
func (r *run) date(start, end int, f *field) {
	kind := r.m.ops.Kind(scan.Date)
	v := r.src[start:end]
	width := element.DayWidth(v)
	switch {
	case kind == operator.Keep:
		return
	case kind == operator.DateYear && width > 0:
		r.year(start, end, f)
		return
	}
	shown := r.plain[:0]
	if width > 0 && kind != operator.Null && kind != operator.Drop && kind != operator.Redact {
		day, _, _ := element.ParseDay(v)
		if day, ok := r.m.ops.Day(day, r.w); ok {
			shown = r.appendDate(shown, v, day, width)
		}
	}
	r.plain = shown
	r.change(start, end, shown)
	r.count(f.counts(scan.Date))
}

// appendDate appends a day that stands for v, which is a date of width digits.
func (r *run) appendDate(dst, v []byte, day int64, width int) []byte {
	switch kind := r.m.ops.Kind(scan.Date); {
	case kind == operator.DateShift && len(r.w.Row.Patient) == 0:
		// A shift that knows no patient keeps the year as well.
		return element.AppendDay(dst, day, 4)
	case kind == operator.DateTrunc:
		return element.AppendDay(dst, day, min(width, 6))
	case kind == operator.DateShift && width == 8:
		return appendClock(element.AppendDay(dst, day, width), v[width:])
	}
	return element.AppendDay(dst, day, width)
}

// appendClock appends the time of day and the zone that v begins with, which move
// with the day.
func appendClock(dst, v []byte) []byte {
	for _, b := range v {
		if (b < '0' || b > '9') && b != '.' && b != '+' && b != '-' {
			break
		}
		dst = append(dst, b)
	}
	return dst
}
