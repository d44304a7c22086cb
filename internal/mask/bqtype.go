// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"strconv"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
)

// BQKind is a type of BigQuery.
type BQKind uint8

// The types. The zero value is one that is not known.
const (
	BQUnknown BQKind = iota
	BQString
	BQBytes
	BQInt
	BQFloat
	BQNumeric
	BQBigNumeric
	BQBool
	BQDate
	BQDatetime
	BQTime
	BQTimestamp
	BQInterval
	BQRange
	BQGeography
	BQJSON
	BQRecord
)

// bqKindOf returns the type with a name of either SQL dialect.
func bqKindOf(name string) BQKind {
	switch strings.ToUpper(name) {
	case "STRING":
		return BQString
	case "BYTES":
		return BQBytes
	case "INTEGER", "INT64":
		return BQInt
	case "FLOAT", "FLOAT64":
		return BQFloat
	case "NUMERIC":
		return BQNumeric
	case "BIGNUMERIC":
		return BQBigNumeric
	case "BOOLEAN", "BOOL":
		return BQBool
	case "DATE":
		return BQDate
	case "DATETIME":
		return BQDatetime
	case "TIME":
		return BQTime
	case "TIMESTAMP":
		return BQTimestamp
	case "INTERVAL":
		return BQInterval
	case "RANGE":
		return BQRange
	case "GEOGRAPHY":
		return BQGeography
	case "JSON":
		return BQJSON
	case "RECORD", "STRUCT":
		return BQRecord
	}
	return BQUnknown
}

// meaning returns what values of a type are to an operator. ok is false for those
// that operators know nothing of.
func (k BQKind) meaning() (m operator.Meaning, ok bool) {
	switch k {
	case BQString, BQJSON:
		return operator.OfText, true
	case BQBytes:
		return operator.OfBytes, true
	case BQInt:
		return operator.OfInt, true
	case BQFloat:
		return operator.OfFloat, true
	case BQNumeric, BQBigNumeric:
		return operator.OfDecimal, true
	case BQDate:
		return operator.OfDay, true
	case BQDatetime, BQTimestamp:
		return operator.OfInstant, true
	}
	return 0, false
}

// bqConstant is a value in each form that somebody asks for.
type bqConstant struct {
	text    []byte // as the REST interface writes it; of a TIMESTAMP in microseconds
	integer int64  // INT64, BOOL, days of a DATE, microseconds of the other times
	float   float64
}

// bqDefault returns the constant of a type, as BigQuery's own default masking has
// it, where it has one. ok is false for a type that is not known.
func bqDefault(k BQKind) (c bqConstant, ok bool) {
	s := ""
	switch k {
	case BQString, BQBytes:
	case BQInt, BQNumeric, BQBigNumeric, BQTimestamp:
		s = "0"
	case BQFloat:
		s = "0.0"
	case BQBool:
		s = "false"
	case BQDate:
		s = "1970-01-01"
	case BQDatetime:
		s = "1970-01-01T00:00:00"
	case BQTime:
		s = "00:00:00"
	case BQInterval:
		s = "0-0 0 0:0:0"
	case BQRange:
		s = "[UNBOUNDED, UNBOUNDED)"
	case BQGeography:
		s = "POINT(0 0)"
	case BQJSON:
		s = "null"
	default:
		return c, false
	}
	c.text = []byte(s)
	return c, true
}

// decide fills in what happens to the values of a masked field, and returns the
// operator's name for the counts.
func (f *BQField) decide(c BQColumn) (string, error) {
	f.act = actConstant
	f.scalar = pgScalar{oid: oidText, typmod: -1, op: c.Operator, text: c.Text, format: c.Format}
	if f.Kind == BQJSON {
		f.scalar.oid = oidJSON
	}
	op, reveals := f.setConstant(c)
	if f.null && !f.Nullable && !f.Repeated {
		return "", sallyport.E(sallyport.Invalid, opBQPlan, "a masked column that may not be NULL has a type that no value is known of").
			WithHint("select other columns, or have the column labelled public")
	}
	if reveals {
		return op, nil
	}
	f.act = f.byValue(c)
	switch {
	case f.act == actKeep:
		op = operator.Keep.String()
	case f.act == actValue && f.scalar.scans:
		op = OpScan
	case f.act == actValue:
		op = c.Operator.Kind().String()
	default:
		f.Empty = f.Repeated
	}
	return op, nil
}

// setConstant sets the constant of a masked field, and returns the operator that
// makes it. final says that all values become it, and elements of an array too.
func (f *BQField) setConstant(c BQColumn) (op string, final bool) {
	kind := operator.Redact
	if c.Operator != nil {
		kind = c.Operator.Kind()
	}
	standard, known := bqDefault(f.Kind)
	f.constant = standard
	if f.null = !known; f.null {
		return OpNull, false
	}
	switch kind {
	case operator.Default:
		return OpDefault, false
	case operator.Redact:
		if f.Kind != BQString {
			return OpDefault, false
		}
		f.constant.text = placeholder(c.Labels)
		if c.Operator != nil {
			if out, ok := c.Operator.Text(nil, []byte("x"), &operator.Row{}); ok {
				f.constant.text = out
			}
		}
		return OpRedact, false
	case operator.Const:
		if own, ok := f.ownConstant(c.Operator); ok {
			f.constant = own
			return kind.String(), true
		}
	}
	if f.null = f.Nullable; f.null {
		return OpNull, false
	}
	if f.Kind == BQString {
		f.constant.text = placeholder(c.Labels)
		return OpRedact, false
	}
	return OpDefault, false
}

// ownConstant returns the constant that an operator names, if it is a value of the
// field's type.
func (f *BQField) ownConstant(op *operator.Operator) (c bqConstant, ok bool) {
	row := &operator.Row{}
	switch f.Kind {
	case BQString:
		c.text, ok = op.Text(nil, nil, row)
	case BQJSON:
		var o pgOutcome
		c.text, o = f.scalar.maskJSON(&pgWork{}, nil, []byte("0"))
		ok = o == answered
	case BQBytes:
		var plain []byte
		plain, ok = op.Bytes(nil, nil, row)
		c.text = appendBase64(nil, plain)
	case BQInt:
		c.integer, ok = op.Int(0, row)
		c.text = strconv.AppendInt(nil, c.integer, 10)
	case BQFloat:
		c.float, ok = op.Float(0, row)
		c.text = appendBQFloat(nil, c.float)
	case BQNumeric, BQBigNumeric:
		var number []byte
		if number, ok = op.Decimal(nil, []byte("0"), row); ok {
			c.text, ok = inBQScale(f.Kind, number)
		}
	case BQBool:
		var word []byte
		word, _ = op.Text(nil, nil, row)
		truth, err := strconv.ParseBool(string(word))
		c.text, ok = strconv.AppendBool(nil, truth), err == nil
		if truth {
			c.integer = 1
		}
	case BQDate:
		c.integer, ok = op.Day(0, row)
		ok = ok && bqDayInRange(c.integer)
		c.text = appendDate(nil, c.integer)
	case BQDatetime:
		c.integer, ok = op.Instant(0, row)
		ok = ok && bqInstantInRange(c.integer)
		c.text = appendDatetime(nil, c.integer)
	case BQTimestamp:
		c.integer, ok = op.Instant(0, row)
		ok = ok && bqInstantInRange(c.integer)
		c.text = strconv.AppendInt(nil, c.integer, 10)
	case BQTime:
		word, _ := op.Text(nil, nil, row)
		at, err := time.Parse("15:04:05", string(word))
		c.integer = int64(at.Hour()*3600+at.Minute()*60+at.Second())*secondMicros + int64(at.Nanosecond()/1000)
		ok = err == nil
		c.text = appendClock(nil, c.integer)
	}
	return c, ok
}

// byValue says what happens to values of which the result may depend on the value.
func (f *BQField) byValue(c BQColumn) pgAction {
	switch {
	case c.Detector != nil:
		// As in PostgreSQL, where the detector cannot look all of the value is masked.
		if f.Kind != BQString || c.Text == nil {
			return actConstant
		}
		f.detector, f.scalar.scans = c.Detector, true
		f.setFallback(c)
		return actValue
	case c.Text != nil && f.Kind == BQString:
		f.scalar.mask, f.scalar.scans = (*pgScalar).maskScan, true
		f.setFallback(c)
		return actValue
	case c.Format != nil && f.Kind == BQJSON:
		f.scalar.mask, f.scalar.scans = (*pgScalar).maskFormat, true
		f.setFallback(c)
		return actValue
	case c.Operator == nil:
		return actConstant
	case c.Operator.Kind() == operator.Keep:
		return actKeep
	case !c.Operator.Kind().Reveals():
		return actConstant
	}
	if m, ok := f.Kind.meaning(); !ok || !c.Operator.Fits(m) {
		return actConstant
	}
	f.scalar.mask = (*pgScalar).maskString
	if f.Kind == BQJSON {
		f.scalar.mask = (*pgScalar).maskJSON
	}
	return actValue
}

// setFallback has values that could not be scanned become the placeholder, and not
// NULL: that they hold a text is no secret where texts are shown.
func (f *BQField) setFallback(c BQColumn) {
	f.null = false
	if f.Kind == BQString {
		f.constant.text = placeholder(c.Labels)
	}
}
