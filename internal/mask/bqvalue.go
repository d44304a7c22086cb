// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// The methods of a plan that mask one value take a field of the plan whose
// [BQField.ByValue] is true, and a value that is not NULL. When null is true, NULL
// stands for the value; it never is in a field that may not be NULL.

// ByValue reports whether what stands for a value of the field depends on it.
func (f *BQField) ByValue() bool { return f.act == actValue }

// Kept reports whether an operator keeps the field's values as they are, which is
// counted.
func (f *BQField) Kept() bool { return f.act == actKeep }

// Constant returns what stands for any value of a field that is masked and not
// [BQField.ByValue]: NULL, or the value in the forms of its type. The text is that of
// the REST interface, of BYTES as well; it does not change.
func (f *BQField) Constant() (text []byte, integer int64, float float64, null bool) {
	return f.constant.text, f.constant.integer, f.constant.float, f.null
}

// Detects reports whether an external detector looks at the field's values.
func (f *BQField) Detects() bool { return f.detector != nil }

// Key reports whether the field's values are keys of patients, and Context whether
// they tell something about others of their row.
func (f *BQField) Key() bool { return f.key }

// Context reports whether the field's values tell something about others of their
// row.
func (f *BQField) Context() bool { return f.collects() }

// See counts values that were NULL already, and of a field that is not
// [BQField.ByValue], those that became its constant or are [BQField.Kept].
func (p *BQPlan) See(f *BQField, values, nulls int) {
	p.cells[f.leaf].seen += uint64(values)
	p.cells[f.leaf].nulls += uint64(nulls)
}

// NoteTexts begins a run of rows: it forgets what detectors were asked before. Each
// value of a field that [BQField.Detects] is then given to NoteText in the order in
// which it will be masked, and DetectTexts has the detectors look.
func (p *BQPlan) NoteTexts() {
	for i := range p.cells {
		p.cells[i].batch.texts = p.cells[i].batch.texts[:0]
	}
}

// NoteText notes one value. It must stay as it is until DetectTexts has returned.
func (p *BQPlan) NoteText(f *BQField, v []byte) { p.cells[f.leaf].batch.add(v) }

// DetectTexts asks the detectors about what was noted.
func (p *BQPlan) DetectTexts() {
	for i, f := range p.leaves {
		if f.detector != nil {
			p.cells[i].batch.ask(p.work.ctx, f.detector)
		}
	}
}

// BeginRow forgets the row before.
func (p *BQPlan) BeginRow() {
	for i := range p.context {
		p.context[i].known.Reset()
		p.context[i].patient = p.context[i].patient[:0]
	}
}

// Collect notes what a value of a field with a [BQField.Context] tells about the
// other fields of its row. v is its text in the REST interface.
func (p *BQPlan) Collect(f *BQField, v []byte) {
	row := &p.context[f.row]
	if utf8.Valid(v) && f.known != scan.None {
		row.known.Add(f.known, v)
	}
	if !f.patient {
		return
	}
	key, ok := appendBQKey(row.patient[:0], f.Kind, v)
	if f.Kind == BQString {
		key = bytes.TrimRight(key, " ")
	}
	if ok {
		row.patient = key
	}
}

// TellKey gives the key of a patient on. v is its text in the REST interface.
func (p *BQPlan) TellKey(f *BQField, v []byte, null bool) {
	switch {
	case p.keys == nil:
		return
	case null:
		p.keys.Null()
		return
	}
	key, ok := appendBQKey(p.keyBuf[:0], f.Kind, v)
	p.keyBuf = key
	if !ok {
		p.keys.Unreadable()
		return
	}
	p.keys.Key(key)
}

// WantsKeys reports whether anybody asks for the keys of patients.
func (p *BQPlan) WantsKeys() bool { return p.keys != nil }

// appendBQKey appends the canonical form of a patient's key, as appendCanonicalKey
// does.
func appendBQKey(dst []byte, k BQKind, v []byte) (out []byte, ok bool) {
	switch k {
	case BQString:
		return append(dst, v...), true
	case BQInt:
		n, ok := decodeInt(oidInt8, false, v)
		return strconv.AppendInt(dst, n, 10), ok
	case BQNumeric, BQBigNumeric:
		return appendCanonicalNumber(dst, false, v)
	}
	return dst, false
}

// enter prepares the mask of a value that depends on its row.
func (p *BQPlan) enter(f *BQField) *bqCounters {
	c := &p.cells[f.leaf]
	c.seen++
	p.work.text.Known, p.work.text.Row.Patient = p.context[f.row].known, p.context[f.row].patient
	return c
}

// lost counts a value that there is no answer for, and reports whether NULL stands
// for it.
func (f *BQField) lost(c *bqCounters, o pgOutcome) (null bool) {
	switch o {
	case unavailable:
		c.unavailable++
	case undecodable:
		c.undecodable++
		c.fallback++
	default:
		c.fallback++
	}
	return f.null
}

// Undecodable counts a value that is none of its type; NULL stands for it, or else
// the field's constant.
func (p *BQPlan) Undecodable(f *BQField) (null bool) {
	p.cells[f.leaf].seen++
	return f.lost(&p.cells[f.leaf], undecodable)
}

// Text appends what stands for a STRING or a JSON to dst.
func (p *BQPlan) Text(f *BQField, dst, v []byte) (out []byte, null bool) {
	n, c := len(dst), p.enter(f)
	w := &p.work
	w.text.Tally, c.findings = c.findings, w.text.Tally
	w.text.Locus = f.locus
	var o pgOutcome
	if f.detector != nil {
		out, o = f.scalar.maskDetected(w, &c.batch, dst, v)
	} else {
		out, o = f.scalar.mask(&f.scalar, w, dst, v)
	}
	w.text.Tally, c.findings = c.findings, w.text.Tally
	if o != answered {
		if null = f.lost(c, o); null {
			return dst[:n], true
		}
		return append(dst[:n], f.constant.text...), false
	}
	if f.scalar.scans && !bytes.Equal(out[n:], v) {
		c.changed++
	}
	return out, false
}

// Bytes appends what stands for a BYTES to dst.
func (p *BQPlan) Bytes(f *BQField, dst, v []byte) (out []byte, null bool) {
	c := p.enter(f)
	out, ok := f.scalar.op.Bytes(dst, v, &p.work.text.Row)
	if !ok {
		return dst, f.lost(c, unanswered)
	}
	return out, false
}

// Int returns what stands for an INT64.
func (p *BQPlan) Int(f *BQField, v int64) (out int64, null bool) {
	c := p.enter(f)
	out, ok := f.scalar.op.Int(v, &p.work.text.Row)
	if !ok {
		return f.constant.integer, f.lost(c, unanswered)
	}
	return out, false
}

// Float returns what stands for a FLOAT64, which is never infinite and always a
// number.
func (p *BQPlan) Float(f *BQField, v float64) (out float64, null bool) {
	c := p.enter(f)
	ok := !math.IsNaN(v) && !math.IsInf(v, 0)
	if ok {
		out, ok = f.scalar.op.Float(v, &p.work.text.Row)
	}
	if !ok || math.IsNaN(out) || math.IsInf(out, 0) {
		return f.constant.float, f.lost(c, unanswered)
	}
	return out, false
}

// Decimal appends what stands for a NUMERIC or a BIGNUMERIC to dst. Both are written
// without an exponent.
func (p *BQPlan) Decimal(f *BQField, dst, v []byte) (out []byte, null bool) {
	n, c := len(dst), p.enter(f)
	o := undecodable
	if whole, fraction, ok := splitDecimal(v); ok && len(whole) <= numericMost && len(fraction) <= numericMost {
		o = unanswered
		if out, ok = f.scalar.op.Decimal(dst, v, &p.work.text.Row); ok {
			if number, ok := inBQScale(f.Kind, out[n:]); ok {
				return out[:n+len(number)], false
			}
		}
	}
	if null = f.lost(c, o); null {
		return dst[:n], true
	}
	return append(dst[:n], f.constant.text...), false
}

// Day returns what stands for a DATE, in days from 1970.
func (p *BQPlan) Day(f *BQField, v int64) (out int64, null bool) {
	c := p.enter(f)
	if !bqDayInRange(v) {
		return f.constant.integer, f.lost(c, unanswered)
	}
	out, ok := f.scalar.op.Day(v, &p.work.text.Row)
	if !ok || !bqDayInRange(out) {
		return f.constant.integer, f.lost(c, unanswered)
	}
	return out, false
}

// Instant returns what stands for a TIMESTAMP or a DATETIME, in microseconds from
// 1970; of a DATETIME as if it were UTC.
func (p *BQPlan) Instant(f *BQField, v int64) (out int64, null bool) {
	c := p.enter(f)
	if !bqInstantInRange(v) {
		return f.constant.integer, f.lost(c, unanswered)
	}
	out, ok := f.scalar.op.Instant(v, &p.work.text.Row)
	if !ok || !bqInstantInRange(out) {
		return f.constant.integer, f.lost(c, unanswered)
	}
	return out, false
}
