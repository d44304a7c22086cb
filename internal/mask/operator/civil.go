// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import "math"

const (
	microsPerDay = 24 * 60 * 60 * 1_000_000
	// furthestDay bounds the days that are calculated with, to some eight million
	// years around 1970: more than any database holds.
	furthestDay = 3_000_000_000
)

// civil is a day of the proleptic Gregorian calendar. Year 0 is 1 BC.
type civil struct{ year, month, day int64 }

// The calendar is calculated in years that begin in March, so that the leap day
// is their last, in cycles of 400 years, which have a whole number of days.
const (
	daysPerCycle  = 146_097
	marchToEpoch  = 719_468 // days from 0000-03-01 to 1970-01-01
	yearsPerCycle = 400
)

// civilOf returns the day that is v days from 1970-01-01; |v| <= furthestDay.
func civilOf(v int64) civil {
	v += marchToEpoch
	cycle := floorDiv(v, daysPerCycle)
	day := v - cycle*daysPerCycle
	year := (day - day/1460 + day/36_524 - day/146_096) / 365
	day -= 365*year + year/4 - year/100
	month := (5*day + 2) / 153 // from March, 0
	c := civil{year: year + cycle*yearsPerCycle, month: month + 3, day: day - (153*month+2)/5 + 1}
	if c.month > 12 {
		c.month -= 12
		c.year++
	}
	return c
}

// days returns the days from 1970-01-01 to c.
func (c civil) days() int64 {
	year, month := c.year, c.month-3
	if month < 0 {
		month += 12
		year--
	}
	cycle := floorDiv(year, yearsPerCycle)
	year -= cycle * yearsPerCycle
	return cycle*daysPerCycle + 365*year + year/4 - year/100 + (153*month+2)/5 + c.day - 1 - marchToEpoch
}

// valid reports whether there is such a day in the years 1 to 9999.
func (c civil) valid() bool {
	return c.year >= 1 && c.year <= 9999 && c.month >= 1 && c.month <= 12 && c.day >= 1 &&
		c.day <= 31 && civilOf(c.days()) == c
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// instantDay splits a point in time into its day and what is left of it.
func instantDay(v int64) (day, rest int64) {
	day = floorDiv(v, microsPerDay)
	return day, v - day*microsPerDay
}

// dayInstant is the inverse of instantDay, where there is one.
func dayInstant(day, rest int64) (int64, bool) {
	const furthest = math.MaxInt64/microsPerDay - 1
	return day*microsPerDay + rest, day >= -furthest && day <= furthest
}
