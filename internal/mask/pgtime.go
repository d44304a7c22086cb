// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"encoding/binary"
	"time"
)

const (
	secondMicros = 1000000
	dayMicros    = 86400 * secondMicros
	// The days from 1970 on that operators are asked about: from the first of the
	// first year to the last that timestamps reach, in the year 294276. Before that,
	// values become their constant: operators are made for the dates of people.
	firstDay = -719162
	lastDay  = 106762939
)

// maskDate applies the operator to a date. The text form is that of DateStyle
// ISO, which begins with a year of four digits or more and so can be taken for no
// other; the other styles, the infinities and years before the first have no
// answer.
func (t *pgScalar) maskDate(w *pgWork, dst, v []byte) ([]byte, pgOutcome) {
	var day int64
	if t.binary {
		if len(v) != 4 {
			return dst, undecodable
		}
		day = int64(int32(binary.BigEndian.Uint32(v))) - epochDays
	} else {
		var rest []byte
		var ok bool
		if day, rest, ok = parseDate(v); !ok || len(rest) > 0 {
			return dst, unanswered
		}
	}
	if !dayInRange(day) {
		return dst, unanswered
	}
	day, ok := t.op.Day(day, &w.text.Row)
	if !ok || !dayInRange(day) {
		return dst, unanswered
	}
	if t.binary {
		return binary.BigEndian.AppendUint32(dst, uint32(int32(day+epochDays))), answered
	}
	return appendDate(dst, day), answered
}

// maskTimestamp applies the operator to a point in time. A timestamp without a
// zone is read as UTC. One with a zone is answered in UTC, because the offset of
// the session's zone says whether the hidden date was in summer.
func (t *pgScalar) maskTimestamp(w *pgWork, dst, v []byte) ([]byte, pgOutcome) {
	var at int64
	zoned := t.oid == oidTimestamptz
	if t.binary {
		if len(v) != 8 {
			return dst, undecodable
		}
		at = int64(binary.BigEndian.Uint64(v))
		if !dayInRange(at/dayMicros - epochDays) {
			return dst, unanswered
		}
		at -= epochMicros
	} else {
		var ok bool
		if at, ok = parseTimestamp(v, zoned); !ok {
			return dst, unanswered
		}
	}
	at, ok := t.op.Instant(at, &w.text.Row)
	if !ok {
		return dst, unanswered
	}
	day, micros := at/dayMicros, at%dayMicros
	if micros < 0 {
		day, micros = day-1, micros+dayMicros
	}
	switch {
	case !dayInRange(day):
		return dst, unanswered
	case t.binary:
		return binary.BigEndian.AppendUint64(dst, uint64(at+epochMicros)), answered
	}
	dst = append(appendDate(dst, day), ' ')
	dst = appendClock(dst, micros)
	if zoned {
		dst = append(dst, "+00"...)
	}
	return dst, answered
}

func dayInRange(day int64) bool { return firstDay <= day && day <= lastDay }

// parseDate reads YYYY-MM-DD, with any more digits of the year, from the start of
// s, as days from 1970.
func parseDate(s []byte) (day int64, rest []byte, ok bool) {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	if n < 4 || n > 6 || len(s) < n+6 || s[n] != '-' || s[n+3] != '-' {
		return 0, nil, false
	}
	y, _ := number(s[:n])
	m, okMonth := number(s[n+1 : n+3])
	d, okDay := number(s[n+4 : n+6])
	if !okMonth || !okDay {
		return 0, nil, false
	}
	date := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	// The thirtieth of February is another day than it says.
	if date.Year() != y || int(date.Month()) != m || date.Day() != d {
		return 0, nil, false
	}
	return date.Unix() / 86400, s[n+6:], true
}

// number reads a few digits.
func number(s []byte) (int, bool) {
	n := 0
	for _, b := range s {
		n = 10*n + int(b-'0')
	}
	return n, areDigits(s)
}

// parseTimestamp reads a date, a blank, HH:MM:SS with up to six digits of a
// fraction and, when zoned, an offset, as microseconds from 1970 UTC.
func parseTimestamp(s []byte, zoned bool) (int64, bool) {
	day, s, ok := parseDate(s)
	if !ok || len(s) < 9 || s[0] != ' ' {
		return 0, false
	}
	seconds, s, ok := parseClock(s[1:], true)
	if !ok {
		return 0, false
	}
	micros := int64(0)
	if len(s) > 0 && s[0] == '.' {
		n := 1
		for unit := int64(secondMicros / 10); n < len(s) && '0' <= s[n] && s[n] <= '9'; n++ {
			micros += unit * int64(s[n]-'0')
			unit /= 10
		}
		if n == 1 || n > 7 {
			return 0, false
		}
		s = s[n:]
	}
	offset := 0
	if zoned {
		if len(s) == 0 || s[0] != '+' && s[0] != '-' {
			return 0, false
		}
		minus := s[0] == '-'
		if offset, s, ok = parseClock(s[1:], false); !ok {
			return 0, false
		}
		if minus {
			offset = -offset
		}
	}
	return day*dayMicros + int64(seconds-offset)*secondMicros + micros, len(s) == 0
}

// parseClock reads HH:MM:SS from the start of s; unless all is true, HH and HH:MM
// as well.
func parseClock(s []byte, all bool) (seconds int, rest []byte, ok bool) {
	for i, limit := range [...]int{24, 60, 60} {
		if i > 0 {
			if len(s) == 0 || s[0] != ':' {
				return seconds, s, !all
			}
			s = s[1:]
		}
		if len(s) < 2 {
			return 0, nil, false
		}
		n, ok := number(s[:2])
		if !ok || n >= limit {
			return 0, nil, false
		}
		seconds += n * [...]int{3600, 60, 1}[i]
		s = s[2:]
	}
	return seconds, s, true
}

func appendDate(dst []byte, day int64) []byte {
	return time.Unix(day*86400, 0).UTC().AppendFormat(dst, time.DateOnly)
}

func appendClock(dst []byte, micros int64) []byte {
	return time.UnixMicro(micros).UTC().AppendFormat(dst, "15:04:05.999999")
}
