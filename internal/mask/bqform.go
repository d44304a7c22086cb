// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"
	"time"
)

// The years of BigQuery are those from 1 to 9999.
const (
	bqFirstDay = firstDay
	bqLastDay  = 2932896
)

func bqDayInRange(day int64) bool { return bqFirstDay <= day && day <= bqLastDay }

func bqInstantInRange(micros int64) bool {
	return bqFirstDay*dayMicros <= micros && micros < (bqLastDay+1)*dayMicros
}

// The digits that a NUMERIC and a BIGNUMERIC have room for. The latter has a part of
// a 39th digit before the point, which is left out.
const (
	numericWhole, numericFraction       = 29, 9
	bigNumericWhole, bigNumericFraction = 38, 38
)

// inBQScale cuts the fraction of a number to what the type has room for. A number
// that is too large is no answer.
func inBQScale(k BQKind, number []byte) ([]byte, bool) {
	most, scale := numericWhole, numericFraction
	if k == BQBigNumeric {
		most, scale = bigNumericWhole, bigNumericFraction
	}
	whole, fraction, ok := splitDecimal(number)
	if !ok || len(bytes.TrimLeft(whole, "0")) > most {
		return nil, false
	}
	if extra := len(fraction) - scale; extra > 0 {
		number = number[:len(number)-extra]
	}
	return number, true
}

func appendBase64(dst, v []byte) []byte { return base64.StdEncoding.AppendEncode(dst, v) }

// appendBQFloat writes a number as the REST interface does: with a point, or with
// an exponent.
func appendBQFloat(dst []byte, x float64) []byte {
	n := len(dst)
	dst = strconv.AppendFloat(dst, x, 'G', -1, 64)
	if bytes.ContainsAny(dst[n:], ".E") {
		return dst
	}
	return append(dst, ".0"...)
}

// appendDatetime writes a point in time without a zone.
func appendDatetime(dst []byte, micros int64) []byte {
	day := micros / dayMicros
	if micros%dayMicros < 0 {
		day--
	}
	return appendClock(append(appendDate(dst, day), 'T'), micros-day*dayMicros)
}

// timestampForm is how a TIMESTAMP is written; whoever asks a question chooses.
type timestampForm uint8

const (
	formMicros  timestampForm = iota // 1408452095220000
	formSeconds                      // 1.40845209522E9
	formISO                          // 2014-08-19T12:41:35.22Z
)

// formOf tells a form by what only it has.
func formOf(v []byte) timestampForm {
	switch {
	case bytes.IndexByte(v, ':') >= 0:
		return formISO
	case bytes.ContainsAny(v, ".eE"):
		return formSeconds
	}
	return formMicros
}

// parseBQTimestamp reads a TIMESTAMP in a form. What is finer than a microsecond is
// left out.
func parseBQTimestamp(v []byte, form timestampForm) (micros int64, ok bool) {
	if len(v) > longestTimestamp {
		return 0, false
	}
	switch form {
	case formISO:
		at, err := time.Parse(time.RFC3339, string(v))
		return at.UnixMicro(), err == nil
	case formSeconds:
		seconds, err := strconv.ParseFloat(string(v), 64)
		if err != nil || !(math.Abs(seconds) < 1e12) {
			return 0, false
		}
		return int64(math.Round(seconds * secondMicros)), true
	}
	return decodeInt(oidInt8, false, v)
}

// longestTimestamp is more than any form of a TIMESTAMP has.
const longestTimestamp = 64

func appendBQTimestamp(dst []byte, micros int64, form timestampForm) []byte {
	switch form {
	case formISO:
		return append(appendDatetime(dst, micros), 'Z')
	case formSeconds:
		// A decimal, so that no digit is lost; whoever reads an exponent reads it.
		if micros < 0 {
			dst, micros = append(dst, '-'), -micros
		}
		dst = append(strconv.AppendInt(dst, micros/secondMicros, 10), '.')
		n := len(dst)
		dst = strconv.AppendInt(dst, secondMicros+micros%secondMicros, 10)
		dst = append(dst[:n], dst[n+1:]...) // without the leading one
		for len(dst) > n+1 && dst[len(dst)-1] == '0' {
			dst = dst[:len(dst)-1]
		}
		return dst
	}
	return strconv.AppendInt(dst, micros, 10)
}

// parseDatetime reads a DATETIME with a T or a blank in the middle.
func (p *BQPlan) parseDatetime(v []byte) (micros int64, ok bool) {
	const middle = len("2006-01-02")
	if len(v) <= middle || len(v) > longestTimestamp || v[middle] != 'T' && v[middle] != ' ' {
		return 0, false
	}
	p.out = append(p.out[:0], v...)
	p.out[middle] = ' '
	return parseTimestamp(p.out, false)
}

// value appends what stands for v, the text of a value of a field that is masked by
// value.
func (p *BQPlan) value(f *BQField, dst, v []byte) (out []byte, null bool) {
	n := len(dst)
	ok := true
	switch f.Kind {
	case BQString, BQJSON:
		return p.Text(f, dst, v)
	case BQNumeric, BQBigNumeric:
		return p.Decimal(f, dst, v)
	case BQBytes:
		var err error
		if p.plain, err = base64.StdEncoding.AppendDecode(p.plain[:0], v); err != nil {
			ok = false
			break
		}
		if p.out, null = p.Bytes(f, p.out[:0], p.plain); null {
			return dst, true
		}
		return appendBase64(dst, p.out), false
	case BQInt:
		var x int64
		if x, ok = decodeInt(oidInt8, false, v); ok {
			x, null = p.Int(f, x)
			dst = strconv.AppendInt(dst, x, 10)
		}
	case BQFloat:
		x, err := strconv.ParseFloat(string(v[:min(len(v), longestFloat)]), 64)
		if ok = err == nil && len(v) <= longestFloat; ok {
			x, null = p.Float(f, x)
			dst = appendBQFloat(dst, x)
		}
	case BQDate:
		day, rest, read := parseDate(v)
		if ok = read && len(rest) == 0; ok {
			day, null = p.Day(f, day)
			dst = appendDate(dst, day)
		}
	case BQDatetime:
		var at int64
		if at, ok = p.parseDatetime(v); ok {
			at, null = p.Instant(f, at)
			dst = appendDatetime(dst, at)
		}
	case BQTimestamp:
		var at int64
		form := formOf(v)
		if at, ok = parseBQTimestamp(v, form); ok {
			at, null = p.Instant(f, at)
			dst = appendBQTimestamp(dst, at, form)
		}
	default:
		ok = false
	}
	if ok && !null {
		return dst, false
	}
	if !ok {
		null = p.Undecodable(f)
	}
	if null {
		return dst[:n], true
	}
	return f.appendConstant(dst[:n], v), false
}

// appendConstant appends the constant of a field; of a TIMESTAMP, in the form that
// v has.
func (f *BQField) appendConstant(dst, v []byte) []byte {
	if f.Kind == BQTimestamp {
		return appendBQTimestamp(dst, f.constant.integer, formOf(v))
	}
	return append(dst, f.constant.text...)
}
