// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// years are some years and what stands for them: most dates of a message are of
// few years, and what stands for one asks a clock.
type years [8]struct{ of, shown [4]byte }

// year masks the date src[start:end], of which only the year is shown.
func (r *run) year(start, end int) {
	of := [4]byte(r.src[start:])
	y := &r.years[of[3]%8]
	if y.of != of {
		day, _, _ := element.ParseDay(of[:])
		day, ok := r.m.ops.Day(day, r.w)
		shown := element.AppendDay(r.value[:0], day, len(of))
		if !ok || len(shown) != len(of) {
			r.cut(start, end)
			return
		}
		y.of, y.shown = of, [4]byte(shown)
	}
	if y.shown == of {
		r.cut(start+len(of), end)
		return
	}
	r.replace(start, end, y.shown[:])
}

// date masks one date or timestamp; what is none goes.
func (r *run) date(start, end int, f *field) {
	kind := r.m.ops.Kind(scan.Date)
	if kind == operator.Keep {
		return
	}
	r.counts.Add(f.place, scan.Date, 1)
	v := r.src[start:end]
	width := element.DayWidth(v)
	if kind == operator.DateYear && width > 0 {
		r.year(start, end)
		return
	}
	r.cut(start, end)
	if width == 0 || kind == operator.Null || kind == operator.Drop || kind == operator.Redact {
		return
	}
	day, _, _ := element.ParseDay(v)
	day, ok := r.m.ops.Day(day, r.w)
	if !ok {
		return
	}
	switch {
	case kind == operator.DateShift && len(r.w.Row.Patient) == 0:
		// A shift that knows no patient keeps the year as well.
		r.dst = element.AppendDay(r.dst, day, 4)
	case kind == operator.DateTrunc:
		r.dst = element.AppendDay(r.dst, day, min(width, 6))
	case kind == operator.DateShift && width == 8:
		r.dst = appendClock(element.AppendDay(r.dst, day, width), v[width:])
	default:
		r.dst = element.AppendDay(r.dst, day, width)
	}
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
