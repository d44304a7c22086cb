// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package operator turns one value into what may be shown in its place.
//
// A [Spec] says what to do, [Compile] checks it and binds it to keys, and an
// [Operator] then works on values by their meaning: a text, an integer, a day, an
// instant, an address. Each method reports whether the operator has an answer
// for values of that meaning; where it has none, the caller falls back to the
// constant of the value's type, and where there is none, to NULL. So the form of
// a protocol is the caller's concern and the meaning is here.
package operator

import (
	"net/netip"
	"time"
)

// Kind names what an operator does.
type Kind uint8

// The kinds. The zero value redacts.
const (
	Redact      Kind = iota // text: a placeholder in brackets; anything else: the type's constant
	Null                    // NULL, or what stands for it in the format
	Default                 // the type's constant: 0, '', 1970-01-01, {}
	Const                   // a constant of the operator's choice
	Partial                 // text: keep the first and last characters, mask between
	EmailDomain             // text: keep the domain
	PhoneRegion             // text: keep country and area code
	IPPrefix                // address, text: keep the network
	Hash                    // keyed hash: text, uuid, 63-bit integer, bytes
	Token                   // keyed hash with a speaking prefix
	FPE                     // FF1: same length and alphabet, reversible with the key
	DateYear                // keep the year; 90 years ago and before is one year
	DateTrunc               // keep the month or quarter
	DateShift               // move by days that are the same for all of one patient
	ZIP3                    // keep three digits where enough people live there
	Age90                   // keep ages up to 89; above is one
	Bucket                  // numbers: lower bound of their range
	Round                   // numbers: rounded
	Noise                   // numbers: Laplace noise from the key and the row
	Surrogate               // text: an invented value, the same for the same value
	Drop                    // structured data: the element goes; elsewhere as Null
	Keep                    // as it is
	kindCount
)

var kindNames = [kindCount]string{
	Redact: "redact", Null: "null", Default: "default", Const: "const", Partial: "partial", EmailDomain: "email_domain",
	PhoneRegion: "phone_region", IPPrefix: "ip_prefix", Hash: "hash", Token: "token", FPE: "fpe", DateYear: "date_year",
	DateTrunc: "date_trunc", DateShift: "date_shift", ZIP3: "zip3", Age90: "age90", Bucket: "bucket", Round: "round",
	Noise: "noise", Surrogate: "surrogate", Drop: "drop", Keep: "keep",
}

// String returns the name, as configurations and masking events write it.
func (k Kind) String() string {
	if k < kindCount {
		return kindNames[k]
	}
	return kindNames[Redact]
}

// ParseKind returns the kind with a name.
func ParseKind(name string) (Kind, bool) {
	for k := range kindCount {
		if kindNames[k] == name {
			return k, true
		}
	}
	return Redact, false
}

// Derives reports whether what the operator shows is derived from the value in a
// way that 45 CFR 164.514(c) does not allow for a re-identification code, or
// keeps part of an identifier: such operators have no place under Safe Harbor.
func (k Kind) Derives() bool {
	switch k {
	case Partial, EmailDomain, PhoneRegion, IPPrefix, Hash, Token, FPE, DateTrunc, DateShift, Noise, Surrogate:
		return true
	}
	return false
}

// Reveals reports whether the result depends on the value.
func (k Kind) Reveals() bool {
	switch k {
	case Redact, Null, Drop, Default, Const:
		return false
	}
	return true
}

// Spec is an operator as a configuration writes it.
type Spec struct {
	Kind        Kind
	Value       string  // Const
	First, Last int     // Partial: characters kept at either end
	Bits4       int     // IPPrefix for IPv4; 0 means 24
	Bits6       int     // IPPrefix for IPv6; 0 means 48
	Unit        string  // DateTrunc: "month" (the default) or "quarter"
	Days        int     // DateShift: the most days to move by; 0 means 365
	Width       float64 // Bucket and Round: width of the range, unit to round to; 0 means 10
	Scale       float64 // Noise: scale of the distribution; 0 means 1
	// Domain separates the keys of what must not be linkable: the same value under
	// two domains gives two results. Required by Hash, Token, FPE, DateShift, Noise
	// and Surrogate.
	Domain string
	// Alphabet is FPE's: "digits" (the default), "lower", "upper" or "alnum".
	Alphabet string
	// Check repairs a check digit after FPE: "", "luhn" or "npi".
	Check string
	// Placeholder is what Redact shows in text, without brackets; "" leaves the
	// choice to the caller.
	Placeholder string
}

// Row is what an operator may know of a value's surroundings.
type Row struct {
	// Patient is the value of the patient's key in the same row or resource, for
	// DateShift; nil when there is none.
	Patient []byte
	// Number tells rows apart, for Noise.
	Number uint64
}

// Operator is a compiled Spec. It does not change and is safe for concurrent use.
// The zero value is not valid; see [Compile].
type Operator struct {
	spec Spec // with defaults in place
	keys *Keys
	now  func() time.Time
	made int64 // the year in which it was compiled

	placeholder string   // Redact, with brackets
	constant    constant // Const
	width       decimal  // Bucket, Round
	mac         *mac     // the keyed kinds, under the current key
	ff1s        ff1s     // FPE
}

// Kind returns what the operator does.
func (o *Operator) Kind() Kind { return o.spec.Kind }

// Spec returns what the operator was compiled from, with the defaults filled in.
func (o *Operator) Spec() Spec { return o.spec }

// Text appends what stands for the text v to dst. ok is false when the operator
// has no answer for this text (it is no date, no address); dst is then returned
// as it came. It allocates nothing for the kinds that need no key, but for a
// text that may be a network address. The answer is valid UTF-8 if v is.
func (o *Operator) Text(dst, v []byte, r *Row) (out []byte, ok bool) {
	switch o.spec.Kind {
	case Redact:
		return append(dst, o.placeholder...), o.placeholder != ""
	case Const:
		return append(dst, o.spec.Value...), true
	case Partial:
		return o.partial(dst, v)
	case EmailDomain:
		return emailDomain(dst, v)
	case PhoneRegion:
		return phoneRegion(dst, v)
	case IPPrefix:
		return o.networkText(dst, v)
	case Hash, Token:
		return o.code(dst, v), true
	case FPE:
		return o.permuteText(dst, v, o.ff1s[o.keys.Current()], false)
	case DateYear, DateTrunc, DateShift:
		return o.dateText(dst, v, r)
	case ZIP3:
		return zipText(dst, v)
	case Age90:
		return ageText(dst, v)
	case Bucket, Round, Noise:
		return o.Decimal(dst, v, r)
	case Surrogate:
		return o.surrogate(dst, v), true
	case Keep:
		return append(dst, v...), true
	}
	return dst, false
}

// Int returns what stands for an integer.
func (o *Operator) Int(v int64, r *Row) (int64, bool) {
	switch o.spec.Kind {
	case Const:
		return o.constant.integer, o.Fits(OfInt)
	case Hash, Token:
		return o.codeInt(v), true
	case FPE:
		return o.permuteInt(v, o.ff1s[o.keys.Current()], false)
	case DateYear:
		return o.dateInt(v)
	case ZIP3:
		return zipInt(v)
	case Age90:
		return ageInt(v), true
	case Bucket, Round:
		return o.stepInt(v)
	case Noise:
		return o.noiseInt(v, r)
	case Keep:
		return v, true
	}
	return 0, false
}

// Float returns what stands for a floating-point number.
func (o *Operator) Float(v float64, r *Row) (float64, bool) {
	switch o.spec.Kind {
	case Const:
		return o.constant.float, o.Fits(OfFloat)
	case Age90:
		return ageFloat(v)
	case Bucket, Round:
		return o.stepFloat(v)
	case Noise:
		return o.noiseFloat(v, r)
	case Keep:
		return v, true
	}
	return 0, false
}

// Decimal appends what stands for a decimal number, written as in SQL
// ("-12.50"), in the same form. Numbers of more than 18 digits are only kept
// or encrypted.
func (o *Operator) Decimal(dst, v []byte, r *Row) ([]byte, bool) {
	switch o.spec.Kind {
	case Const:
		if !o.Fits(OfDecimal) {
			return dst, false
		}
		return append(dst, o.spec.Value...), true
	case Hash, Token:
		return o.codeDecimal(dst, v)
	case FPE:
		return o.permuteDecimal(dst, v, o.ff1s[o.keys.Current()], false)
	case Age90:
		return ageDecimal(dst, v)
	case Bucket, Round, Noise:
		d, ok := parseDecimal(v)
		if !ok {
			return dst, false
		}
		if o.spec.Kind == Noise {
			return o.noiseDecimal(dst, v, d, r)
		}
		return o.stepDecimal(dst, d)
	case Keep:
		return append(dst, v...), true
	}
	return dst, false
}

// Day returns what stands for a date, in days from 1970-01-01 in the proleptic
// Gregorian calendar.
func (o *Operator) Day(v int64, r *Row) (int64, bool) {
	switch o.spec.Kind {
	case Const:
		return o.constant.day, o.Fits(OfDay)
	case DateYear, DateTrunc, DateShift:
		return o.day(v, r)
	case Keep:
		return v, true
	}
	return 0, false
}

// Instant returns what stands for a point in time, in microseconds from
// 1970-01-01 00:00 UTC.
func (o *Operator) Instant(v int64, r *Row) (int64, bool) {
	switch o.spec.Kind {
	case Const:
		return o.constant.instant, o.Fits(OfInstant)
	case DateYear, DateTrunc, DateShift:
		return o.instant(v, r)
	case Keep:
		return v, true
	}
	return 0, false
}

// Prefix returns what stands for a network address. A host has all its bits.
func (o *Operator) Prefix(v netip.Prefix, _ *Row) (netip.Prefix, bool) {
	switch o.spec.Kind {
	case Const:
		return o.constant.prefix, o.Fits(OfPrefix)
	case IPPrefix:
		return o.network(v)
	case Keep:
		return v, true
	}
	return netip.Prefix{}, false
}

// UUID returns what stands for a UUID.
func (o *Operator) UUID(v [16]byte, _ *Row) ([16]byte, bool) {
	switch o.spec.Kind {
	case Const:
		return o.constant.uuid, o.Fits(OfUUID)
	case Hash, Token:
		return o.codeUUID(v), true
	case Keep:
		return v, true
	}
	return [16]byte{}, false
}

// Bytes appends what stands for a binary value.
func (o *Operator) Bytes(dst, v []byte, _ *Row) ([]byte, bool) {
	switch o.spec.Kind {
	case Const:
		return append(dst, o.spec.Value...), true
	case Hash, Token:
		sum := o.mac.of(v)
		return append(dst, sum[:]...), true
	case Keep:
		return append(dst, v...), true
	}
	return dst, false
}
