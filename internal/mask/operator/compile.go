// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
)

// What is left out of a [Spec].
const (
	unitMonth   = "month"
	unitQuarter = "quarter"

	defaultBits4 = 24
	defaultBits6 = 48
	defaultDays  = 365
	defaultWidth = 10
	defaultScale = 1
)

// The limits of what a [Spec] may ask for.
const (
	mostKept        = 64
	mostDays        = 3650
	mostScale       = 1e12
	longestDomain   = 64
	longestConstant = 4096
	longestLabel    = 64
)

// Compile checks a spec and binds it to keys and a clock (the year that is ninety
// years ago depends on it). Errors have Kind Invalid and say what to change.
func Compile(s Spec, keys *Keys, now func() time.Time) (*Operator, error) {
	if s.Kind >= kindCount {
		return nil, invalid(s, "there is no such operator", "see docs/reference/masking.md for those that there are")
	}
	o := &Operator{spec: s, keys: keys, now: now}
	for _, check := range []func() error{o.compileKey, o.compileDate, o.compileNumber, o.compileText, o.compileFPE} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// invalid makes an error about a spec. It names the operator and no value of it.
func invalid(s Spec, msg, hint string) error {
	return sallyport.E(sallyport.Invalid, "masking operator "+s.Kind.String(), msg).WithHint(hint)
}

// keyed reports whether results depend on a key.
func (k Kind) keyed() bool {
	switch k {
	case Hash, Token, FPE, DateShift, Noise, Surrogate:
		return true
	}
	return false
}

func (o *Operator) compileKey() error {
	if !o.spec.Kind.keyed() {
		return nil
	}
	if o.keys.Current() == 0 {
		return invalid(o.spec, "it needs a key and there is none", "give the masking rules a key")
	}
	if o.spec.Domain == "" || len(o.spec.Domain) > longestDomain || strings.Trim(o.spec.Domain, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return invalid(o.spec, "it needs a domain", "name what the values are, such as \"mrn\", in a-z, 0-9, \".\", \"_\" and \"-\"; values of different domains cannot be linked")
	}
	o.mac = newMAC(o.keys.keys[len(o.keys.keys)-1].derive(o.spec.Kind, o.spec.Domain))
	return nil
}

func (o *Operator) compileDate() error {
	switch o.spec.Kind {
	case DateYear, DateTrunc, DateShift:
	default:
		return nil
	}
	if o.now == nil {
		return invalid(o.spec, "it needs a clock", "give one to Compile")
	}
	o.made = o.thisYear()
	if o.spec.Unit == "" {
		o.spec.Unit = unitMonth
	}
	if o.spec.Unit != unitMonth && o.spec.Unit != unitQuarter {
		return invalid(o.spec, "the unit is not known", "write \"month\" or \"quarter\"")
	}
	if o.spec.Days == 0 {
		o.spec.Days = defaultDays
	}
	if o.spec.Days < 1 || o.spec.Days > mostDays {
		return invalid(o.spec, "the days are out of range", "write a number from 1 to "+strconv.Itoa(mostDays))
	}
	return nil
}

func (o *Operator) compileNumber() error {
	switch o.spec.Kind {
	case Bucket, Round:
		if o.spec.Width == 0 {
			o.spec.Width = defaultWidth
		}
		var ok bool
		o.width, ok = parseDecimal(strconv.AppendFloat(nil, o.spec.Width, 'f', -1, 64))
		if !ok || o.width.n <= 0 {
			return invalid(o.spec, "the width is out of range", "write a positive number of at most 18 digits")
		}
	case Noise:
		if o.spec.Scale == 0 {
			o.spec.Scale = defaultScale
		}
		if !(o.spec.Scale > 0 && o.spec.Scale <= mostScale) || math.IsNaN(o.spec.Scale) {
			return invalid(o.spec, "the scale is out of range", "write a positive number up to 1e12")
		}
	}
	return nil
}

func (o *Operator) compileText() error {
	s := &o.spec
	switch s.Kind {
	case Const:
		if len(s.Value) > longestConstant || !utf8.ValidString(s.Value) || strings.ContainsRune(s.Value, 0) {
			return invalid(*s, "the value is no text", "write at most 4096 bytes of UTF-8 without NUL")
		}
		o.constant = newConstant(s.Value)
	case Redact:
		bad := func(c rune) bool { return c == '[' || c == ']' || c == utf8.RuneError || !unicode.IsPrint(c) }
		if len(s.Placeholder) > longestLabel || strings.ContainsFunc(s.Placeholder, bad) {
			return invalid(*s, "the placeholder cannot be shown", "write at most 64 printable characters without brackets")
		}
		if s.Placeholder != "" {
			o.placeholder = "[" + s.Placeholder + "]"
		}
	case Partial:
		if s.First < 0 || s.Last < 0 || s.First+s.Last == 0 || s.First > mostKept || s.Last > mostKept {
			return invalid(*s, "the characters to keep are out of range", "write first, last or both, up to 64; to keep none, use redact")
		}
	case IPPrefix:
		if s.Bits4 == 0 {
			s.Bits4 = defaultBits4
		}
		if s.Bits6 == 0 {
			s.Bits6 = defaultBits6
		}
		if s.Bits4 < 1 || s.Bits4 > 31 || s.Bits6 < 1 || s.Bits6 > 127 {
			return invalid(*s, "the bits are out of range", "write 1 to 31 for IPv4 and 1 to 127 for IPv6; to keep all, use keep")
		}
	}
	return nil
}

func (o *Operator) compileFPE() error {
	if o.spec.Kind != FPE {
		return nil
	}
	alphabet, known := alphabets[o.spec.Alphabet]
	if !known {
		return invalid(o.spec, "the alphabet is not known", "write \"digits\", \"lower\", \"upper\" or \"alnum\"")
	}
	switch o.spec.Check {
	case "":
	case checkLuhn, checkNPI:
		if len(alphabet) != 10 {
			return invalid(o.spec, "only digits have a check digit", "leave the alphabet or the check digit out")
		}
	default:
		return invalid(o.spec, "the check digit is not known", "write \"luhn\" or \"npi\"")
	}
	var err error
	o.ff1s, err = newFF1s(o.spec, o.keys)
	return err
}
