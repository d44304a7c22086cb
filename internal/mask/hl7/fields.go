// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"bytes"
	"math/bits"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/mask/bitmap"
	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// fields masks the fields of a segment from the separator at an index on, behind which
// field n begins, and returns where the line ends. Only repetitions that are not empty are
// looked at: their ends are separators, or the line's end, that follow no separator.
func (r *run) fields(at int, s *segment, n int) int {
	v := &r.view
	if at >= v.end {
		v.show(r.src, at, viewSize)
	}
	last := at // the last separator, of fields or repetitions
	base := at &^ blockMask
	before := uint64(1) << (at & blockMask) // the separators, each moved to the byte behind it
	behind := -before                       // what has not been looked at
	for n--; ; base += bitmap.Size {
		i := base>>blockShift - v.first
		if i == len(v.blocks)-1 && v.end < len(r.src) {
			size := viewSize
			for last>>blockShift == v.first && size <= v.end-last {
				size *= 2
			}
			v.show(r.src, last, size)
			i = base>>blockShift - v.first
		}
		b := &v.blocks[i]
		end, stop, within := -1, uint64(0), behind
		if ends := b[inEnd] & behind; ends != 0 || len(r.src)-base < bitmap.Size {
			end = r.endOf(ends, base)
		}
		if end >= 0 {
			stop = 1 << (end & blockMask)
			within &= stop - 1
		}
		separators := b[inField] & within
		stops := separators | b[inRepetition]&within
		free := codesBefore(stops|stop, stops, b[inWord])
		for m := (stops | stop) &^ (stops<<1 | before) & behind; m != 0; m &= m - 1 {
			bit := m & -m
			number := n + bits.OnesCount64(separators&(bit-1))
			if free&bit != 0 && s.codes>>number&1 != 0 {
				continue
			}
			start := last + 1
			if e := stops & (bit - 1); e != 0 {
				start = base + bits.Len64(e)
			}
			r.any(start, base+bits.TrailingZeros64(m), base, b, s.field(number))
		}
		if end >= 0 {
			return end
		}
		if stops != 0 {
			last = base + bits.Len64(stops) - 1
		}
		n += bits.OnesCount64(separators)
		behind, before = ^uint64(0), stops>>blockMask
	}
}

// codesBefore returns those of the ends of values that stand behind a value of one to
// three letters and digits. Values begin behind starts.
func codesBefore(ends, starts, word uint64) uint64 {
	w1, w2, w3 := word<<1, word<<2, word<<3
	return ends & w1 & (starts<<2 | w2&(starts<<3|w3&(starts<<4)))
}

// value masks a value, one repetition of a field, by a rule.
func (r *run) value(start, end int, f *field, by rule) {
	null := isNull(r.src[start:end])
	switch by {
	case ruleCode:
		r.code(start, end, f)
	case ruleCodes, ruleType:
		r.codes(start, end, f, 0)
	case ruleValue:
		r.value(start, end, f, ruleOfType(r.valueType(start)))
	case ruleScan:
		r.clinical(start, end, f)
	case ruleApplication:
		r.application(start, end, f)
	case ruleCharset:
		r.opaque = r.opaque || !singleByte(r.src[start:end])
		r.application(start, end, f)
	case ruleText:
		r.text(start, end, f)
	case ruleOpaque:
		if !null {
			r.hide(start, end, f)
		}
	case ruleMask:
		r.whole(start, end, f, f.entity)
	case ruleMeasure:
		if !null {
			r.measure(start, end, f)
		}
	case ruleControl:
		if !null {
			r.control(start, end, f)
		}
	case ruleTime, ruleDrop:
		if !null {
			r.drop(start, end, f, f.entity)
		}
	case ruleKeep, ruleIgnore:
	default:
		r.composite(start, end, f, by)
	}
}

// valueType returns OBX-2 of the current segment, whose OBX-5 is at an index.
func (r *run) valueType(at int) []byte {
	from, to, _ := r.nth(r.segment, at, 2)
	return r.src[from:to]
}

// code masks a value that ought to be a code.
func (r *run) code(start, end int, f *field) {
	if bytes.IndexByte(r.src[start:end], r.d.component) < 0 {
		r.codes(start, end, f, 0)
		return
	}
	r.composite(start, end, f, ruleCode)
}

// text masks free text.
func (r *run) text(start, end int, f *field) {
	switch {
	case r.m.scanText:
		r.texts(start, end, f)
	case !isNull(r.src[start:end]):
		r.hide(start, end, f)
	}
}

// clinical masks a short clinical text: what is neither a code nor a range, as free
// text.
func (r *run) clinical(start, end int, f *field) {
	if r.m.scanText {
		r.texts(start, end, f)
		return
	}
	r.terms(start, end, f)
}

// control masks MSH-10 so that the message can still be named by it.
func (r *run) control(start, end int, f *field) {
	if r.m.ops.Kind(f.entity) != operator.Redact {
		r.whole(start, end, f, f.entity)
		return
	}
	r.plain = strconv.AppendUint(r.plain[:0], r.w.Row.Number, 10)
	r.change(start, end, r.plain)
	r.count(f.counts(f.entity))
}

// codes masks every leaf of src[at:end] that does not look like a code. A code may
// have a number of digits more than usual.
func (r *run) codes(at, end int, f *field, more int) {
	for ; at <= end; at++ {
		stop := r.leafEnd(at, end)
		r.leaf(at, stop, f, r.classes.Sum(r.src, at, stop), more)
		at = stop
	}
}

// leaf keeps what looks like a code and drops what may be a date, an identifier or
// a name.
func (r *run) leaf(start, end int, f *field, sum element.Sum, more int) {
	if !r.looksLikeCode(r.src[start:end], sum, more) {
		r.drop(start, end, f, scan.Unique)
	}
}

// looksLikeCode reports whether v is in one word and either short, or has a digit or a
// sign of a unit, or is a word or the name of a system that the standard has.
func (r *run) looksLikeCode(v []byte, sum element.Sum, more int) bool {
	if free(v) {
		return true
	}
	if sum.Shape(v, more) != element.Code || sum.Has(element.Space) {
		return false
	}
	return len(v) <= codeLetters || sum.Has(element.Digit) || isKnown(v) || isUnit(v)
}

// terms masks every leaf that does not look like a code as free text.
func (r *run) terms(at, end int, f *field) {
	for ; at < end; at++ {
		stop := r.leafEnd(at, end)
		if v := r.src[at:stop]; len(v) > 0 && !isNull(v) && !r.looksLikeCode(v, r.classes.Sum(r.src, at, stop), 0) {
			r.hide(at, stop, f)
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
		if sum.Shape(v, 0) != element.Code || f.rule == ruleApplication && sum.Has(element.Space) {
			r.leaf(at, stop, f, sum, 0)
		}
		at = stop
	}
}

// isUnit reports whether v has a mark that units have.
func isUnit(v []byte) bool {
	for _, b := range v {
		if b == '/' || b == '%' || b == '[' || b == '*' {
			return true
		}
	}
	return false
}

// codeLetters is how many letters a code can have without a digit. Longer ones may
// be names, but for the words of the vocabulary.
const codeLetters = 3

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
	if years, err := strconv.Atoi(string(v)); err == nil && years >= oldAge && years < oldestAge && r.isAge(start) {
		r.plain = r.plain[:0]
		if masked, ok := r.m.ops.Age(int64(years), r.w); ok {
			r.plain = strconv.AppendInt(r.plain, masked, 10)
		}
		r.change(start, end, r.plain)
		r.count(f.counts(scan.Age))
	}
}

// Ages that identify; a number outside of them is no age.
const (
	oldAge    = 90
	oldestAge = 150
)

// isAge reports whether what OBX-3 names is an age, by a LOINC code or the word, in the
// segment whose field OBX-5 is at an index.
func (r *run) isAge(at int) bool {
	from, to, _ := r.nth(r.segment, at, 3)
	v, code := r.src[from:to], 0
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
