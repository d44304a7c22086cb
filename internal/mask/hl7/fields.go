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
const wholeText = "[TEXT]"

// fields masks what follows a segment's name: separators and fields, of which
// the first is number n.
func (r *run) fields(dst, v []byte, s *segment, n int) []byte {
	r.valueType, r.valueCode = nil, nil
	for len(v) > 0 {
		dst = append(dst, v[0])
		v = v[1:]
		end, seen := 0, uint(0)
		for end < len(v) {
			c := r.classes[v[end]]
			if c == element.End {
				break
			}
			seen |= 1 << c
			end++
		}
		r.seen = seen
		if end > 0 {
			f := s.field(n)
			dst = r.field(dst, v[:end], f, f.rule)
		}
		v = v[end:]
		n++
	}
	return dst
}

// field masks one field that is not empty by a rule.
func (r *run) field(dst, v []byte, f *field, by rule) []byte {
	switch by {
	case ruleIgnore, ruleKeep:
		return append(dst, v...)
	case ruleCode:
		if !r.has(element.Delimiter) || bytes.IndexByte(v, r.d.component) < 0 {
			return r.codes(dst, v, f, 0)
		}
		// Later versions have made a coded element of many a simple code. Components
		// of anything else are of a field that stands in a wrong place.
		by = ruleMask
		if isSystem(nth(r.split(v), 3)) {
			by = ruleCoded
		}
	case ruleCodes:
		return r.codes(dst, v, f, 0)
	case ruleType:
		r.valueType = v
		return r.codes(dst, v, f, 0)
	case ruleValue:
		by = types[string(r.valueType)]
		if by == ruleMask {
			by = ruleText
			if len(r.valueType) > 0 {
				by = ruleMask
			}
		}
		return r.field(dst, v, f, by)
	case ruleScan:
		return r.texts(dst, v, f)
	case ruleText:
		if r.m.scanText {
			return r.texts(dst, v, f)
		}
	default:
	}
	if !r.has(element.Delimiter) {
		return r.repetition(dst, v, f, by)
	}
	for {
		end := bytes.IndexByte(v, r.d.repetition)
		one := v
		if end >= 0 {
			one = v[:end]
		}
		if len(one) > 0 {
			dst = r.repetition(dst, one, f, by)
		}
		if end < 0 {
			return dst
		}
		dst = append(dst, r.d.repetition)
		v = v[end+1:]
	}
}

// repetition masks one repetition, which is not empty.
func (r *run) repetition(dst, v []byte, f *field, by rule) []byte {
	if isNull(v) {
		return append(dst, v...)
	}
	switch by {
	case ruleCoded:
		if f.number == 3 {
			r.valueCode = v
		}
		return r.coded(dst, v, f)
	case ruleDate:
		return r.parts(dst, v, f, dateParts)
	case ruleRange:
		return r.parts(dst, v, f, rangeParts)
	case ruleName:
		return r.parts(dst, v, f, nameParts)
	case rulePerson:
		return r.parts(dst, v, f, personParts)
	case ruleAddress:
		return r.parts(dst, v, f, addressParts)
	case rulePhone:
		return r.parts(dst, v, f, phoneParts)
	case ruleID:
		return r.parts(dst, v, f, idParts)
	case ruleEntity:
		return r.parts(dst, v, f, entityParts)
	case ruleOrg:
		return r.parts(dst, v, f, orgParts)
	case rulePlace:
		return r.parts(dst, v, f, placeParts)
	case ruleNetwork:
		return r.parts(dst, v, f, networkParts)
	case ruleTiming:
		return r.parts(dst, v, f, timingParts)
	case ruleMeasure:
		return r.measure(dst, v, f)
	case ruleControl:
		return r.control(dst, v, f)
	case ruleTime, ruleDrop:
		r.counts.Add(f.place, f.entity)
		return dst
	case ruleText:
		r.counts.Add(f.place, scan.Unique)
		return append(dst, wholeText...)
	default:
		return r.put(dst, v, f, f.entity)
	}
}

// control masks MSH-10 so that the message can still be named by it.
func (r *run) control(dst, v []byte, f *field) []byte {
	if r.m.ops.Kind(f.entity) != operator.Redact {
		return r.put(dst, v, f, f.entity)
	}
	r.counts.Add(f.place, f.entity)
	return strconv.AppendUint(dst, r.w.Row.Number, 10)
}

// has reports whether the current field has a byte of a class.
func (r *run) has(c element.Class) bool { return r.seen&(1<<c) != 0 }

// codes keeps what looks like codes, empties what may be a date or an identifier
// and scans the rest. A code may have a number of digits more than usual.
func (r *run) codes(dst, v []byte, f *field, more int) []byte {
	if len(v) <= shortCode && !r.has(element.Foreign) {
		return append(dst, v...)
	}
	done, at := 0, 0
	var s element.Shaper
	for i := 0; i <= len(v); i++ {
		if i < len(v) {
			if c := r.classes[v[i]]; c != element.Delimiter {
				s.Add(v[i], c)
				continue
			}
		}
		if shape := s.Shape(more); shape != element.Code && !free(v[at:i]) {
			dst = append(dst, v[done:at]...)
			if shape == element.Text {
				dst = r.scan(dst, v[at:i], f)
			} else {
				r.counts.Add(f.place, scan.Unique)
			}
			done = i
		}
		at, s = i+1, element.Shaper{}
	}
	return append(dst, v[done:]...)
}

// shortCode is as long as a value can be that is a code whatever its letters and
// digits are: no date and no identifier has so few.
const shortCode = 5

// free reports whether v is an object identifier or an amount of money.
func free(v []byte) bool {
	return element.IsOID(v) || len(v) > 3 && v[len(v)-3] == '.' && element.Measure(v)
}

// texts scans every leaf of a field.
func (r *run) texts(dst, v []byte, f *field) []byte {
	at := 0
	for i, b := range v {
		if r.classes[b] == element.Delimiter {
			dst = append(r.scan(dst, v[at:i], f), b)
			at = i + 1
		}
	}
	return r.scan(dst, v[at:], f)
}

// measure masks a number of type NM: an age by the profile, and everything that
// can be no measurement by nothing.
func (r *run) measure(dst, v []byte, f *field) []byte {
	if !element.Measure(v) {
		r.counts.Add(f.place, scan.Unique)
		return dst
	}
	if years, err := strconv.Atoi(string(v)); err == nil && years >= oldAge && years < oldestAge && isAge(r.valueCode) {
		r.counts.Add(f.place, scan.Age)
		if masked, ok := r.m.ops.Age(int64(years), r.w); ok {
			dst = strconv.AppendInt(dst, masked, 10)
		}
		return dst
	}
	return append(dst, v...)
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

// date masks one date or timestamp; what is none goes.
func (r *run) date(dst, v []byte, f *field) []byte {
	kind := r.m.ops.Kind(scan.Date)
	if len(v) == 0 || kind == operator.Keep {
		return append(dst, v...)
	}
	r.counts.Add(f.place, scan.Date)
	day, width, ok := element.ParseDay(v)
	if !ok || kind == operator.Null || kind == operator.Drop || kind == operator.Redact {
		return dst
	}
	if day, ok = r.m.ops.Day(day, r.w); !ok {
		return dst
	}
	switch {
	case kind == operator.DateYear, kind == operator.DateShift && len(r.w.Row.Patient) == 0:
		// A shift that knows no patient keeps the year as well.
		return element.AppendDay(dst, day, 4)
	case kind == operator.DateTrunc:
		return element.AppendDay(dst, day, min(width, 6))
	case kind == operator.DateShift && width == 8:
		// The time of day moves with the day.
		dst = element.AppendDay(dst, day, width)
		for _, b := range v[width:] {
			if (b < '0' || b > '9') && b != '.' && b != '+' && b != '-' {
				break
			}
			dst = append(dst, b)
		}
		return dst
	}
	return element.AppendDay(dst, day, width)
}
