// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package x12

import (
	"bytes"

	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// noDay stands for a date where the profile shows none: an element that must
// hold a date holds one, 1970-01-01.
const noDay = 0

// day masks a date of eight or six digits.
func (r *run) day(dst, v []byte, f *field) []byte {
	if r.m.ops.Kind(scan.Date) == operator.Keep {
		return append(dst, v...)
	}
	r.counts.Add(f.place, scan.Date)
	var century [8]byte
	full := v
	if len(v) == 6 && digits(v) {
		// Two digits of a year: those of this century so far and a little more.
		c := "20"
		if v[0] >= '5' {
			c = "19"
		}
		full = append(append(century[:0], c...), v...)
	}
	day, width, ok := element.ParseDay(full)
	if !ok || width != 8 || len(full) != 8 {
		return blank(dst, v)
	}
	start := len(dst)
	dst = element.AppendDay(dst, r.shown(day), 8)
	if len(v) == 6 && len(dst) == start+8 {
		dst = append(dst[:start], dst[start+2:]...)
	}
	return dst
}

// shown returns the day that stands for another.
func (r *run) shown(day int64) int64 {
	switch r.m.ops.Kind(scan.Date) {
	case operator.Redact, operator.Null, operator.Drop:
		return noDay
	}
	if day, ok := r.m.ops.Day(day, r.w); ok {
		return day
	}
	return noDay
}

// clock masks a time of day: it is midnight.
func (r *run) clock(dst, v []byte) []byte {
	if r.m.ops.Kind(scan.Date) == operator.Keep {
		return append(dst, v...)
	}
	for range v {
		dst = append(dst, '0')
	}
	return dst
}

// period masks one date or two, with or without times, by the code of their
// format.
func (r *run) period(dst, v []byte, f *field, format []byte) []byte {
	switch string(format) {
	case "RD8", "RD6", "RDT", "RTS", "RTM", "RCY":
		from, to, ok := bytes.Cut(v, []byte{'-'})
		if ok {
			dst = append(r.moment(dst, from, f, format[1:]), '-')
			return r.moment(dst, to, f, format[1:])
		}
	}
	return r.moment(dst, v, f, format)
}

// moment masks one date and time by its format.
func (r *run) moment(dst, v []byte, f *field, format []byte) []byte {
	ok := digits(v)
	switch string(format) {
	case "D8", "D6":
		return r.day(dst, v, f)
	case "DT", "TS", "DTS":
		if ok && len(v) > 8 {
			return r.clock(r.day(dst, v[:8], f), v[8:])
		}
	case "TM":
		if ok {
			return r.clock(dst, v)
		}
	case "CM":
		if ok && len(v) == 6 {
			return r.coarse(dst, v, f)
		}
	case "CY", "YY":
		if ok && len(v) == 4 {
			return r.coarse(dst, v, f)
		}
	}
	return r.blank(dst, v, f)
}

// coarse masks a month or a year.
func (r *run) coarse(dst, v []byte, f *field) []byte {
	if r.m.ops.Kind(scan.Date) == operator.Keep {
		return append(dst, v...)
	}
	day, width, ok := element.ParseDay(v)
	if !ok {
		return r.blank(dst, v, f)
	}
	r.counts.Add(f.place, scan.Date)
	return element.AppendDay(dst, r.shown(day), width)
}
