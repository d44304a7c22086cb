// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sallyport

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DefaultClass is the retention class of what names no other.
const DefaultClass = "default"

// DefaultPeriod is how long the default class is kept: six years from the
// session's begin, and a month so that no session's own length cuts into them.
func DefaultPeriod() Period { return Period{Years: 6, Months: 1} }

// Period is a stretch of the calendar: years, months and days are not of one
// length, and a retention period is given in them.
type Period struct{ Years, Months, Days int }

// Retention is a class of records that are kept for the same period.
type Retention struct {
	Class  string
	Period Period
}

// maxYears bounds a period; it is past every rule and keeps the sum a date.
const maxYears = 200

var errPeriod = errors.New(`want a period of the calendar such as "6 years 1 month" or "90 days"`)

// ParsePeriod reads a period: numbers with the unit years, months or days, each
// unit once, the largest first.
func ParsePeriod(s string) (Period, error) {
	var p Period
	words := strings.Fields(s)
	if len(words) == 0 || len(words)%2 != 0 {
		return Period{}, errPeriod
	}
	rank := 0
	for i := 0; i < len(words); i += 2 {
		n, err := strconv.Atoi(words[i])
		if err != nil || n < 0 || n > maxYears*366 {
			return Period{}, errPeriod
		}
		next := 0
		switch strings.TrimSuffix(words[i+1], "s") {
		case "year":
			p.Years, next = n, 1
		case "month":
			p.Months, next = n, 2
		case "day":
			p.Days, next = n, 3
		}
		if next <= rank {
			return Period{}, errPeriod
		}
		rank = next
	}
	if p == (Period{}) {
		return Period{}, errors.New("the period is empty")
	}
	if p.Years > maxYears || p.Months > maxYears*12 {
		return Period{}, fmt.Errorf("the period is longer than %d years", maxYears)
	}
	return p, nil
}

// UnmarshalText implements [encoding.TextUnmarshaler] by [ParsePeriod].
func (p *Period) UnmarshalText(text []byte) error {
	q, err := ParsePeriod(string(text))
	if err != nil {
		return err
	}
	*p = q
	return nil
}

// MarshalText writes what [ParsePeriod] reads.
func (p Period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String writes the period as [ParsePeriod] reads it.
func (p Period) String() string {
	var parts []string
	for _, u := range []struct {
		n    int
		unit string
	}{{p.Years, "year"}, {p.Months, "month"}, {p.Days, "day"}} {
		switch {
		case u.n == 1:
			parts = append(parts, "1 "+u.unit)
		case u.n > 1:
			parts = append(parts, strconv.Itoa(u.n)+" "+u.unit+"s")
		}
	}
	if len(parts) == 0 {
		return "0 days"
	}
	return strings.Join(parts, " ")
}

// After returns the end of the period that begins at t, by the calendar of UTC.
// A day that the month does not have is counted on into the next one, so a
// period is never shorter than its words.
func (p Period) After(t time.Time) time.Time { return t.UTC().AddDate(p.Years, p.Months, p.Days) }
