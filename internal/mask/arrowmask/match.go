// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package arrowmask

import (
	"encoding/base64"
	"encoding/binary"
	"math"

	"github.com/sallyport-dev/sallyport/internal/mask"
)

// What is refused of schemas.
const (
	msgColumns = "the schema has other columns than the plan"
	msgTypes   = "the schema has a column of another type than the plan"
)

// match gives each column its field of the plan.
func (s *stream) match(columns []*column, fields []*mask.BQField) error {
	if len(columns) != len(fields) {
		return refuseSchema(msgColumns)
	}
	for i, c := range columns {
		f := fields[i]
		if c.name != f.Name {
			return refuseSchema(msgColumns)
		}
		if !f.Repeated {
			if err := s.matchOne(c, f); err != nil {
				return err
			}
			continue
		}
		if c.layout != lists {
			return refuseSchema(msgTypes)
		}
		c.field, c.masks, c.empty = f, f.Masks, f.Empty
		if err := s.matchOne(c.children[0], f); err != nil {
			return err
		}
	}
	return nil
}

// matchOne gives a column that is no list its field.
func (s *stream) matchOne(c *column, f *mask.BQField) error {
	if !fits(c, f.Kind) {
		return refuseSchema(msgTypes)
	}
	c.field, c.masks = f, f.Masks
	if f.Kind == mask.BQRecord {
		return s.match(c.children, f.Fields)
	}
	s.leaves = append(s.leaves, c)
	if c.dictionary && (f.Key() || f.Context()) {
		return refuseSchema("a column of patients has a dictionary")
	}
	if !c.masks {
		return nil
	}
	if f.ByValue() {
		if c.dictionary && c.layout != strings {
			return refuseSchema("a masked column of numbers has a dictionary")
		}
		if c.typ.id == typeTimestamp && c.typ.unit != unitMicro && c.typ.unit != unitNano {
			return refuseSchema(msgTypes)
		}
	}
	if _, _, _, c.null = f.Constant(); (c.null || f.ByValue()) && f.Nullable && !c.nullable {
		return refuseSchema("a column that becomes NULL may not be NULL in the schema")
	}
	if f.Kind == mask.BQRange && !(c.children[0].nullable && c.children[1].nullable) {
		return refuseSchema("the ends of a range that is masked may not be NULL in the schema")
	}
	if c.null {
		return nil
	}
	return c.setFill(f)
}

// fits reports whether a column can hold values of a type of BigQuery.
func fits(c *column, k mask.BQKind) bool {
	id := c.typ.id
	switch k {
	case mask.BQString, mask.BQJSON, mask.BQGeography:
		return id == typeUtf8 || id == typeLargeUtf8
	case mask.BQBytes:
		return id == typeBinary || id == typeLargeBinary
	case mask.BQInt:
		return id == typeInt && c.width == 8
	case mask.BQFloat:
		return id == typeFloat && c.typ.unit == precisionDouble
	case mask.BQBool:
		return id == typeBool
	case mask.BQNumeric, mask.BQBigNumeric:
		return id == typeDecimal
	case mask.BQDate:
		return id == typeDate && c.typ.unit == unitDay
	case mask.BQDatetime, mask.BQTimestamp:
		return id == typeTimestamp
	case mask.BQTime:
		return id == typeTime && c.width == 8
	case mask.BQInterval:
		return id == typeInterval && c.typ.unit == unitMonthDay
	case mask.BQRange:
		return id == typeStruct && len(c.children) == 2 && isEnd(c.children[0]) && isEnd(c.children[1])
	case mask.BQRecord:
		return id == typeStruct
	}
	return c.layout != lists && c.layout != structs
}

// isEnd reports whether a column can be an end of a range.
func isEnd(c *column) bool { return c.layout == fixed && !c.dictionary }

// setFill makes the constant of a field in the form of the column.
func (c *column) setFill(f *mask.BQField) error {
	text, n, x, _ := f.Constant()
	le := binary.LittleEndian
	switch f.Kind {
	case mask.BQString, mask.BQJSON, mask.BQGeography:
		c.fill = text
	case mask.BQBytes:
		plain, err := base64.StdEncoding.DecodeString(string(text))
		if err != nil {
			return refuseSchema(msgTypes)
		}
		c.fill = plain
	case mask.BQInt:
		c.fill = le.AppendUint64(nil, uint64(n))
	case mask.BQFloat:
		c.fill = le.AppendUint64(nil, math.Float64bits(x))
	case mask.BQBool:
		c.fill = []byte{byte(n)}
	case mask.BQDate:
		c.fill = le.AppendUint32(nil, uint32(int32(n)))
	case mask.BQNumeric, mask.BQBigNumeric:
		fill, ok := appendFixedDecimal(nil, text, c)
		if !ok {
			return refuseSchema(msgTypes)
		}
		c.fill = fill
	case mask.BQDatetime, mask.BQTimestamp, mask.BQTime:
		v, ok := fromMicros(n, c.typ.unit)
		if !ok {
			return refuseSchema(msgTypes)
		}
		c.fill = le.AppendUint64(nil, uint64(v))
	case mask.BQInterval:
		c.fill = make([]byte, c.width)
	}
	return nil
}

// nanos are the nanoseconds of a microsecond.
const nanos = 1000

// fromMicros returns a time in a unit.
func fromMicros(micros int64, unit int16) (int64, bool) {
	switch {
	case unit == unitMicro || micros == 0:
		return micros, true
	case unit == unitNano:
		return micros * nanos, micros <= math.MaxInt64/nanos && micros >= math.MinInt64/nanos
	}
	return 0, false
}

func toMicros(v int64, unit int16) int64 {
	if unit != unitNano {
		return v
	}
	micros := v / nanos
	if v%nanos < 0 {
		micros--
	}
	return micros
}
