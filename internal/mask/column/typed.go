// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package column

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Work is the memory that masking typed values needs. It is used by one goroutine
// at a time; the zero value with a Text is ready.
type Work struct {
	Text *text.Work

	buf   []byte
	found []scan.Span
}

// The methods below mask a value by its meaning. Where ok is false nothing of the
// type can stand for the value: the caller writes a null, or where there is none
// the type's constant.

// form is the way in which a column's values are masked.
type form uint8

const (
	shown    form = iota // as they are
	labelled             // by the operator
	scanned              // by what is found in the form that a person would write
)

func (c *Column) form() form {
	switch {
	case c.Shown, c.Op != nil && c.Op.Kind() == operator.Keep:
		return shown
	case c.Op != nil:
		return labelled
	}
	return scanned
}

// look scans the written form of a value, which is w.buf. op is nil where nothing
// was found that is masked, and the value may stay; ok is false where a part of the
// value was found, for which a typed value has no replacement.
func (c *Column) look(w *Work) (op *operator.Operator, ok bool) {
	w.found = c.text.Scanner.Scan(w.found[:0], w.buf, &w.Text.Known)
	for _, s := range w.found {
		o := c.text.Profile.Entity(s.Entity)
		w.Text.Tally.Add(text.Key{Rule: c.text.Scanner.Rule(s.Rule), Entity: s.Entity, Operator: o.Kind(), Locus: c.Locus}, 1)
		if o.Kind() == operator.Keep {
			continue
		}
		if s.Start > 0 || s.End < len(w.buf) {
			return nil, false
		}
		op = o
	}
	return op, true
}

// decide returns the operator for a value, nil for one that stays. write appends the
// written form of the value.
func (c *Column) decide(w *Work, write func([]byte) []byte) (op *operator.Operator, ok bool) {
	switch c.form() {
	case shown:
		return nil, true
	case labelled:
		c.count(w.Text)
		return c.Op, true
	}
	if w.buf = write(w.buf[:0]); len(w.buf) == 0 {
		return nil, false
	}
	return c.look(w)
}

// String appends what stands for a text. It has no answer where the operator leaves
// nothing.
func (c *Column) String(dst, v []byte, w *Work) (out []byte, ok bool) {
	if len(v) == 0 {
		return dst, true
	}
	if c.Op != nil {
		switch c.Op.Kind() {
		case operator.Null, operator.Drop:
			c.count(w.Text)
			return dst, false
		}
	}
	if !c.Shown && !utf8.Valid(v) {
		return dst, false
	}
	return c.Append(dst, v, w.Text), true
}

// Int returns what stands for a whole number.
func (c *Column) Int(v int64, w *Work) (int64, bool) {
	op, ok := c.decide(w, func(b []byte) []byte { return strconv.AppendInt(b, v, 10) })
	if op == nil || !ok {
		return v, ok
	}
	return op.Int(v, &w.Text.Row)
}

// Float returns what stands for a floating-point number.
func (c *Column) Float(v float64, w *Work) (float64, bool) {
	op, ok := c.decide(w, func(b []byte) []byte { return strconv.AppendFloat(b, v, 'f', -1, 64) })
	if op == nil || !ok {
		return v, ok
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, false
	}
	out, ok := op.Float(v, &w.Text.Row)
	return out, ok && !math.IsNaN(out) && !math.IsInf(out, 0)
}

// Decimal appends what stands for a decimal number, written as "-12.50".
func (c *Column) Decimal(dst, v []byte, w *Work) (out []byte, ok bool) {
	op, ok := c.decide(w, func(b []byte) []byte { return append(b, v...) })
	if op == nil && ok {
		return append(dst, v...), true
	}
	if !ok {
		return dst, false
	}
	return op.Decimal(dst, v, &w.Text.Row)
}

// Bool returns what stands for a boolean. No boolean is an identifier, so that one
// without a label stays; of the operators only a constant has an answer.
func (c *Column) Bool(v bool, w *Work) (out, ok bool) {
	if c.form() != labelled {
		return v, true
	}
	c.count(w.Text)
	if c.Op.Kind() != operator.Const {
		return false, false
	}
	answer, ok := c.Op.Text(w.buf[:0], nil, &w.Text.Row)
	w.buf = answer
	truth, err := strconv.ParseBool(string(answer))
	return truth, ok && err == nil
}

// Span returns what stands for a time of day or a length of time, in whatever unit
// it is: without a label it stays, since neither is an identifier.
func (c *Column) Span(v int64, w *Work) (int64, bool) {
	if c.form() != labelled {
		return v, true
	}
	c.count(w.Text)
	return 0, false
}

const secondsOfDay = 24 * 60 * 60

// written are the years that have a date of four digits.
func written(t time.Time) bool { return t.Year() >= 1 && t.Year() <= 9999 }

// Day returns what stands for a date, in days from 1970-01-01.
func (c *Column) Day(v int64, w *Work) (int64, bool) {
	op, ok := c.decide(w, func(b []byte) []byte {
		if v < math.MinInt32 || v > math.MaxInt32 {
			return b
		}
		if t := time.Unix(v*secondsOfDay, 0).UTC(); written(t) {
			return t.AppendFormat(b, time.DateOnly)
		}
		return b
	})
	if op == nil || !ok {
		return v, ok
	}
	return op.Day(v, &w.Text.Row)
}

// Instant returns what stands for a point in time, in microseconds from 1970-01-01
// 00:00 UTC.
func (c *Column) Instant(v int64, w *Work) (int64, bool) {
	return c.instant(v, w, nil)
}

// Nanos returns what stands for a point in time in nanoseconds, which what an
// operator answers is not exact to.
func (c *Column) Nanos(v int64, w *Work) (int64, bool) {
	return c.instant(floor(v, 1000), w, func(us int64) (int64, bool) {
		return us * 1000, us <= math.MaxInt64/1000 && us >= math.MinInt64/1000
	}, v)
}

// Millis returns what stands for a point in time in milliseconds.
func (c *Column) Millis(v int64, w *Work) (int64, bool) {
	if v > math.MaxInt64/1000 || v < math.MinInt64/1000 {
		return v, c.form() == shown
	}
	return c.instant(v*1000, w, func(us int64) (int64, bool) { return floor(us, 1000), true }, v)
}

// floor divides and rounds down.
func floor(v, by int64) int64 {
	q := v / by
	if v%by < 0 {
		q--
	}
	return q
}

// instant masks a point in time. back turns an answer into the unit of the value,
// which is own where that stays.
func (c *Column) instant(us int64, w *Work, back func(int64) (int64, bool), own ...int64) (int64, bool) {
	stays := us
	if len(own) > 0 {
		stays = own[0]
	}
	op, ok := c.decide(w, func(b []byte) []byte {
		if t := time.UnixMicro(us).UTC(); written(t) {
			return t.AppendFormat(b, time.DateOnly)
		}
		return b
	})
	if op == nil || !ok {
		return stays, ok
	}
	out, ok := op.Instant(us, &w.Text.Row)
	if !ok || back == nil {
		return out, ok
	}
	return back(out)
}

// UUID returns what stands for a UUID.
func (c *Column) UUID(v [16]byte, w *Work) ([16]byte, bool) {
	op, ok := c.decide(w, func(b []byte) []byte { return appendUUID(b, v) })
	if op == nil || !ok {
		return v, ok
	}
	return op.UUID(v, &w.Text.Row)
}

func appendUUID(b []byte, v [16]byte) []byte {
	const digits = "0123456789abcdef"
	for i, x := range v {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, digits[x>>4], digits[x&15])
	}
	return b
}

// Bytes appends what stands for bytes that may be a text. What is none cannot be
// looked into: without a label there is no answer.
func (c *Column) Bytes(dst, v []byte, w *Work) (out []byte, ok bool) {
	switch {
	case len(v) == 0 || c.form() == shown:
		return append(dst, v...), true
	case utf8.Valid(v) && isText(v):
		return c.String(dst, v, w)
	case c.form() == scanned:
		return dst, false
	}
	c.count(w.Text)
	return c.Op.Bytes(dst, v, &w.Text.Row)
}

// isText reports whether bytes that are valid UTF-8 hold no control characters but
// those of a text.
func isText(v []byte) bool {
	for _, b := range v {
		if b < ' ' && b != '\t' && b != '\n' && b != '\r' || b == 0x7f {
			return false
		}
	}
	return true
}

// Row tells the scanner and the operators that a new row begins.
func (w *Work) Row() {
	w.Text.Row.Number++
	w.Text.Row.Patient = nil
	w.Text.Known.Reset()
}

// Know notes a value of the row before its values are masked: a name that the
// scanner shall find in the others, or whose row it is.
func (c *Column) Know(v []byte, w *Work) {
	if c.Names && len(v) > 0 && v[0] != '[' {
		w.Text.Known.Add(scan.Name, v)
	}
	if c.Entity == scan.MRN && w.Text.Row.Patient == nil {
		w.Text.Row.Patient = v
	}
}

// Learns reports whether [Column.Know] wants to see the column's values.
func (c *Column) Learns() bool { return c.Names || c.Entity == scan.MRN }

// Float32 returns what stands for a floating-point number of single precision, 0
// where nothing does.
func (c *Column) Float32(v float32, w *Work) (float32, bool) {
	if c.form() == shown {
		return v, true
	}
	out, ok := c.Float(float64(v), w)
	if !ok || math.Abs(out) > math.MaxFloat32 && !math.IsInf(out, 0) {
		return 0, false
	}
	if float64(v) == out || math.IsNaN(out) {
		return v, true
	}
	return float32(out), true
}

// Opaque appends what stands for bytes in a form that nothing here reads: they stay
// where they are shown, and else there is no answer.
func (c *Column) Opaque(dst, v []byte, w *Work) (out []byte, ok bool) {
	switch c.form() {
	case shown:
		return append(dst, v...), true
	case labelled:
		c.count(w.Text)
	}
	return dst, false
}
