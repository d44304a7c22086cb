// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"net/netip"
	"strconv"
	"time"
)

// Meaning is what a value is, whatever the protocol or type that carries it.
type Meaning uint8

// The meanings, one for each method of [Operator] that answers.
const (
	OfText Meaning = iota
	OfInt
	OfFloat
	OfDecimal
	OfDay
	OfInstant
	OfPrefix
	OfUUID
	OfBytes
	meaningCount
)

// meanings is a set of them.
type meanings uint16

func setOf(ms ...Meaning) meanings {
	var s meanings
	for _, m := range ms {
		s |= 1 << m
	}
	return s
}

// answered are the meanings for which a kind can have an answer. Const is not
// here: it depends on the constant.
var answered = [kindCount]meanings{
	Redact:      setOf(OfText),
	Partial:     setOf(OfText),
	EmailDomain: setOf(OfText),
	PhoneRegion: setOf(OfText),
	IPPrefix:    setOf(OfText, OfPrefix),
	Hash:        setOf(OfText, OfInt, OfDecimal, OfUUID, OfBytes),
	Token:       setOf(OfText, OfInt, OfDecimal, OfUUID, OfBytes),
	FPE:         setOf(OfText, OfInt, OfDecimal),
	DateYear:    setOf(OfText, OfInt, OfDay, OfInstant),
	DateTrunc:   setOf(OfText, OfDay, OfInstant),
	DateShift:   setOf(OfText, OfDay, OfInstant),
	ZIP3:        setOf(OfText, OfInt),
	Age90:       setOf(OfText, OfInt, OfFloat, OfDecimal),
	Bucket:      setOf(OfText, OfInt, OfFloat, OfDecimal),
	Round:       setOf(OfText, OfInt, OfFloat, OfDecimal),
	Noise:       setOf(OfText, OfInt, OfFloat, OfDecimal),
	Surrogate:   setOf(OfText),
	Keep:        1<<meaningCount - 1,
}

// Fits reports whether the operator can have an answer for some value of a
// meaning. A configuration asks it where the type of a column is known: a
// constant that is no number does not fit an integer. Redact fits a text even
// where the placeholder is the caller's.
func (o *Operator) Fits(m Meaning) bool {
	if o.spec.Kind == Const {
		return o.constant.fits&setOf(m) != 0
	}
	return answered[o.spec.Kind]&setOf(m) != 0
}

// constant is the value of Const in each meaning that it fits.
type constant struct {
	fits    meanings
	integer int64
	float   float64
	day     int64
	instant int64
	prefix  netip.Prefix
	uuid    [16]byte
}

func newConstant(s string) constant {
	c := constant{fits: setOf(OfText, OfBytes)}
	note := func(ok bool, m Meaning) {
		if ok {
			c.fits |= setOf(m)
		}
	}
	var err error
	c.integer, err = strconv.ParseInt(s, 10, 64)
	note(err == nil, OfInt)
	if _, ok := parseDecimal([]byte(s)); ok {
		note(true, OfDecimal)
		c.float, err = strconv.ParseFloat(s, 64)
		note(err == nil, OfFloat)
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		note(true, OfDay)
		note(true, OfInstant)
		c.day, c.instant = floorDiv(t.Unix(), 24*60*60), t.UnixMicro()
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		note(true, OfInstant)
		c.instant = t.UnixMicro()
	}
	var ok bool
	c.prefix, ok = parseAddress(s)
	note(ok, OfPrefix)
	c.uuid, ok = parseUUID(s)
	note(ok, OfUUID)
	return c
}
