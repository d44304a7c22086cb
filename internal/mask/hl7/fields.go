// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"bytes"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// wholeText stands for free text that is masked whole.
var wholeText = []byte("[TEXT]")

// fields masks src[at:end], which follows a segment's name: separators and fields,
// of which the first is number n.
func (r *run) fields(at, end int, s *segment, n int) {
	r.valueType, r.valueCode = nil, nil
	for at < end {
		at++
		m := element.Load(r.src, at).Equal(r.words.field)
		if empty := m.Leading(); empty > 0 {
			at, n = at+empty-1, n+empty
			continue
		}
		stop := at + m.First()
		if m == 0 {
			stop = element.Index(r.src, stop, end, r.words.field)
		}
		if stop = min(stop, end); stop > at {
			f := s.field(n)
			r.field(at, stop, f, f.rule)
		}
		at = stop
		n++
	}
}

// field masks one field that is not empty by a rule. The commonest rules come
// first: a jump that depends on the field costs more than the work on most.
func (r *run) field(start, end int, f *field, by rule) {
	switch plan := plans[by]; {
	case by == ruleCode:
		r.code(start, end, f)
	case plan != nil:
		r.composites(start, end, f, by, plan)
	case by == ruleCoded:
		r.composites(start, end, f, by, nil)
	case by == ruleCodes:
		r.codes(start, end, f, 0)
	case by == ruleKeep, by == ruleIgnore:
	case by == ruleType:
		r.valueType = r.src[start:end]
		r.codes(start, end, f, 0)
	case by == ruleValue:
		r.field(start, end, f, ruleOfType(r.valueType))
	case (by == ruleScan || by == ruleText) && r.m.scanText:
		r.texts(start, end, f)
	case by == ruleScan:
		r.terms(start, end, f)
	case by == ruleApplication:
		r.application(start, end, f)
	case by == ruleCharset:
		r.opaque = !singleByte(r.src[start:end])
		r.application(start, end, f)
	default:
		r.repetitions(start, end, f, by)
	}
}

// repetitions masks every repetition of a field as a whole.
func (r *run) repetitions(at, end int, f *field, by rule) {
	for ; at < end; at++ {
		stop := element.Index(r.src, at, end, r.words.repetition)
		if stop > at && !isNull(r.src[at:stop]) {
			r.repetition(at, stop, f, by)
		}
		at = stop
	}
}

func (r *run) repetition(start, end int, f *field, by rule) {
	switch by {
	case ruleMask:
		r.put(start, end, f, f.entity)
	case ruleText, ruleOpaque:
		r.counts.Add(f.place, scan.Unique, 1)
		r.replace(start, end, wholeText)
	case ruleMeasure:
		r.measure(start, end, f)
	case ruleControl:
		r.control(start, end, f)
	default: // ruleTime, ruleDrop
		r.drop(start, end, f, f.entity)
	}
}

// code masks a field that holds a code.
func (r *run) code(start, end int, f *field) {
	switch sum := r.classes.Sum(r.src, start, end); {
	case !sum.Has(element.Delimiter):
		r.leaf(start, end, f, sum, 0)
	case bytes.IndexByte(r.src[start:end], r.d.component) < 0:
		r.codes(start, end, f, 0)
	default:
		r.composites(start, end, f, ruleCode, nil)
	}
}

// control masks MSH-10 so that the message can still be named by it.
func (r *run) control(start, end int, f *field) {
	if r.m.ops.Kind(f.entity) != operator.Redact {
		r.put(start, end, f, f.entity)
		return
	}
	r.drop(start, end, f, f.entity)
	r.dst = strconv.AppendUint(r.dst, r.w.Row.Number, 10)
}

// codes masks every leaf of src[at:end] that does not look like a code. A code may
// have a number of digits more than usual.
func (r *run) codes(at, end int, f *field, more int) {
	if sum := r.classes.Sum(r.src, at, end); !sum.Has(element.Delimiter) {
		r.leaf(at, end, f, sum, more)
		return
	}
	for ; at <= end; at++ {
		stop := r.leafEnd(at, end)
		r.leaf(at, stop, f, r.classes.Sum(r.src, at, stop), more)
		at = stop
	}
}

// leaf keeps what looks like a code and drops what may be a date, an identifier or
// a name.
func (r *run) leaf(start, end int, f *field, sum element.Sum, more int) {
	if !r.isCode(r.src[start:end], sum, more) {
		r.drop(start, end, f, scan.Unique)
	}
}

// isCode reports whether v is in one word and either short, or has a digit or a
// sign of a unit, or is a word or the name of a system that the standard has.
func (r *run) isCode(v []byte, sum element.Sum, more int) bool {
	if free(v) {
		return true
	}
	if sum.Shape(v, more) != element.Code || bytes.IndexByte(v, ' ') >= 0 {
		return false
	}
	return len(v) <= codeLetters || sum.Has(element.Digit) || bytes.ContainsAny(v, "/%[*") || isWord(v) || isSystem(v)
}

// terms masks every leaf of a clinical text that is neither a code nor a range as
// free text.
func (r *run) terms(at, end int, f *field) {
	for ; at < end; at++ {
		stop := r.leafEnd(at, end)
		if v := r.src[at:stop]; len(v) > 0 && !isNull(v) && !r.isCode(v, r.classes.Sum(r.src, at, stop), 0) {
			r.counts.Add(f.place, scan.Unique, 1)
			r.replace(at, stop, wholeText)
		}
		at = stop
	}
}

// application keeps the names of programs and character sets, which are no
// person's: programs in one word.
func (r *run) application(at, end int, f *field) {
	for ; at <= end; at++ {
		stop := r.leafEnd(at, end)
		sum := r.classes.Sum(r.src, at, stop)
		v := r.src[at:stop]
		if sum.Shape(v, 0) != element.Code || f.rule == ruleApplication && bytes.IndexByte(v, ' ') >= 0 {
			r.leaf(at, stop, f, sum, 0)
		}
		at = stop
	}
}

// codeLetters is how many letters a code can have without a digit. Longer ones may
// be names, but for the words of isWord.
const codeLetters = 3

// isWord reports whether v is a word that the tables of HL7, and those that sites
// make for them, have in full.
func isWord(v []byte) bool {
	if len(v) > len("PRELIMINARY") {
		return false
	}
	var upper [16]byte
	for i, c := range v {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper[i] = c
	}
	switch string(upper[:len(v)]) {
	case "ABNORMAL", "ACTIVE", "ASAP", "CASH", "CORRECTED", "DRUG", "EMERGENCY", "FEMALE", "FINAL", "FOOD", "HIGH", "HOME", "INACTIVE", "INPATIENT",
		"MALE", "MARRIED", "MILD", "MODERATE", "NEGATIVE", "NONE", "NORMAL", "OUTPATIENT", "PENDING", "POSITIVE", "PRELIMINARY", "REACTIVE",
		"ROUTINE", "SELF", "SEVERE", "SINGLE", "SPOUSE", "STAT", "UNICODE", "UNKNOWN", "URGENT", "ASCII", "HOSP":
		return true
	}
	return false
}

// leafEnd returns where the leaf ends that begins at an index.
func (r *run) leafEnd(at, end int) int {
	for at < end && r.classes[r.src[at]] != element.Delimiter {
		at++
	}
	return at
}

// free reports whether v is an object identifier or an amount of money.
func free(v []byte) bool {
	return element.IsOID(v) || len(v) > 3 && v[len(v)-3] == '.' && element.Measure(v)
}

// texts scans every leaf of a field.
func (r *run) texts(at, end int, f *field) {
	for ; at < end; at++ {
		stop := r.leafEnd(at, end)
		r.scan(at, stop, f)
		at = stop
	}
}

// measure masks a number of type NM: an age by the profile, and everything that
// can be no measurement by nothing.
func (r *run) measure(start, end int, f *field) {
	v := r.src[start:end]
	if !element.Measure(v) {
		r.drop(start, end, f, scan.Unique)
		return
	}
	if len(v) > len("149") {
		return
	}
	if years, err := strconv.Atoi(string(v)); err == nil && years >= oldAge && years < oldestAge && isAge(r.valueCode) {
		r.drop(start, end, f, scan.Age)
		if masked, ok := r.m.ops.Age(int64(years), r.w); ok {
			r.dst = strconv.AppendInt(r.dst, masked, 10)
		}
	}
}

// Ages that identify; a number outside of them is no age.
const (
	oldAge    = 90
	oldestAge = 150
)

// isAge reports whether what OBX-3 names is an age: a LOINC code of one, or the
// word.
func isAge(v []byte) bool {
	code := 0
	for code < len(v) && (v[code] >= '0' && v[code] <= '9' || v[code] == '-') {
		code++
	}
	switch string(v[:code]) {
	case "30525-0", "21612-7", "21611-9", "29553-5", "63900-5", "39016-1", "35659-2":
		return true
	}
	for word := range bytes.FieldsFuncSeq(v, notLetter) {
		if bytes.EqualFold(word, []byte("age")) {
			return true
		}
	}
	return false
}
