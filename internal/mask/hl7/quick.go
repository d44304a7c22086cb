// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"math/bits"

	"github.com/sallyport-dev/sallyport/internal/mask/bitmap"
	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// quick says how usual values are masked: repetitions of less than 64 bytes, of which
// bits tell. It does what the rule does that it belongs to.
type quick uint8

const (
	quickNone   quick = iota // as all others
	quickKeep                // it stays
	quickCode                // a code
	quickCodes               // one or several
	quickValue               // what OBX-2 says
	quickRule                // one value, by the rule
	quickFixed               // one value, for which there is a placeholder
	quickYear                // a day, of which the year is left
	quickPerson              // a name, or an identifier and a name
	quickPlan                // components by the plan of the rule
)

// quickOf returns how usual values of a rule are masked, but for those that depend on
// the field.
func (m *Masker) quickOf(by rule) quick {
	switch by {
	case ruleKeep, ruleIgnore:
		return quickKeep
	case ruleCode, ruleType, ruleApplication:
		return quickCode
	case ruleCodes, ruleCoded:
		return quickCodes
	case ruleValue:
		return quickValue
	case ruleMeasure, ruleControl:
		return quickRule
	case ruleDate:
		if m.ops.Kind(scan.Date) == operator.DateYear {
			return quickYear
		}
	case ruleName, rulePerson:
		if m.shortNames {
			return quickPerson
		}
	case ruleScan:
		if !m.scanText {
			return quickCode
		}
	case ruleText:
		if !m.scanText {
			return quickFixed
		}
	}
	if plans[by].parts != nil {
		return quickPlan
	}
	return quickNone
}

// prepare finds out how usual values of a field are masked.
func (f *field) prepare(m *Masker) {
	f.quick = m.quickOf(f.rule)
	f.shown, f.count = scan.None, f.counts(scan.Unique)
	if f.rule == ruleMask && m.fixed[f.entity].size > 0 {
		f.quick, f.shown, f.count = quickFixed, f.entity, f.counts(f.entity)
	}
}

// piece is a value of less than 64 bytes, of which the bits tell from the lowest on.
type piece struct {
	start, end         int
	parts              uint64 // separators of components
	digit, word, plain uint64
}

// any masks src[start:end], a value that ends in the 64 bytes from base on, of which b
// tells. Most values are single ones of fields that hold nothing else.
func (r *run) any(start, end, base int, b *bitmap.Block, f *field) {
	n, low := end-start, start&blockMask
	if n >= bitmap.Size || f.quick == quickNone {
		r.value(start, end, f, f.rule)
		return
	}
	if start < base {
		b, low = r.view.from(start), 0
	}
	parts := b[inPart] >> low & mask(0, n)
	if parts == 0 {
		switch f.quick {
		case quickFixed:
			if !isNull(r.src[start:end]) {
				r.fix(start, end, f)
				return
			}
		case quickYear:
			if b[inDigit]>>low&isDay == isDay && r.day(start, end, f) {
				return
			}
		case quickCode, quickCodes:
			if isCode(mask(0, n), n, codeLetters, b[inDigit]>>low, b[inWord]>>low, b[inPlain]>>low) {
				return
			}
		case quickKeep:
			return
		}
	}
	p := &r.piece
	p.start, p.end, p.parts = start, end, parts
	p.digit, p.word, p.plain = b[inDigit]>>low, b[inWord]>>low, b[inPlain]>>low
	if f.quick == quickPlan {
		r.planned(p, f, f.rule)
	} else if !r.masked(p, f, f.quick, f.rule) {
		r.value(start, end, f, f.rule)
	}
}

// isDay are the bits of the digits of a day.
const isDay = 1<<dayDigits - 1

// fix puts what stands for any usual value of a field in the place of src[start:end].
func (r *run) fix(start, end int, f *field) {
	r.count(f.count)
	shown := &r.m.fixed[f.shown]
	r.put(start, end, shown, shown.size)
}

// register reports whether a part of a piece is a word with digits that is no date, of
// no more digits than codes of registers have.
func (r *run) register(p *piece, from, to int) bool {
	m := mask(from, to)
	digits := bits.OnesCount64(m & p.digit)
	return m&^p.word == 0 && digits > 0 && digits <= 6+registerDigits && !element.Dated(r.src[p.start+from:p.start+to], digits)
}

// mask returns the bits of the piece's bytes from one to before another.
func mask(from, to int) uint64 { return 1<<(to&blockMask) - 1<<(from&blockMask) }

// code is isCode for a part of the piece.
func (p *piece) code(from, to, letters int) bool {
	return isCode(mask(from, to), to-from, letters, p.digit, p.word, p.plain)
}

// isCode reports whether a value certainly looks like a code: letters, digits and marks,
// so few digits that they are no number, and with a digit or of no more than a number of
// letters, which then are no name. Its bytes are those of a mask.
func isCode(mask uint64, size, letters int, digit, word, plain uint64) bool {
	// As few digits may be a number when several marks part them, and as few a date.
	const number, date = 4, 6
	digits, marks := bits.OnesCount64(mask&digit), mask&^word
	return mask&^plain == 0 && (digits < number || digits < date && marks&(marks-1) == 0) && (digits > 0 || size <= letters)
}

// masked masks a piece by a rule. It reports false, without having done anything, when it is
// no usual one.
func (r *run) masked(p *piece, f *field, q quick, by rule) bool {
	size, single := p.end-p.start, p.parts == 0
	switch q {
	case quickKeep:
		return true
	case quickCode:
		return p.code(0, size, codeLetters) || r.noCode(p, f, by)
	case quickCodes:
		if single {
			return p.code(0, size, codeLetters) || r.noCode(p, f, by)
		}
	case quickFixed:
		if single = single && !isNull(r.src[p.start:p.end]); single {
			r.fix(p.start, p.end, f)
		}
		return single
	case quickYear:
		return single && p.digit&isDay == isDay && r.day(p.start, p.end, f)
	case quickValue:
		by = ruleOfType(r.valueType(p.start))
		return r.masked(p, f, r.m.quicks[by], by)
	case quickRule:
		if single {
			r.value(p.start, p.end, f, by)
		}
		return single
	}
	switch q {
	case quickPerson:
		if mask(0, size)&^(p.plain|p.parts) != 0 && quoted(r.src, p.start, p.end) {
			return false
		}
		return r.person(p, f, by)
	case quickCodes:
		if by == ruleCoded {
			return r.codedPiece(p, f)
		}
		r.leaves(p, f)
	case quickPlan:
		r.planned(p, f, by)
	case quickNone:
		return false
	}
	return true
}

// noCode masks one value that does not certainly look like a code where a code should
// be.
func (r *run) noCode(p *piece, f *field, by rule) bool {
	if p.parts != 0 {
		return false
	}
	v := r.src[p.start:p.end]
	all := mask(0, len(v))
	letters := all&(p.digit|^p.plain) == 0 // and marks
	switch {
	case by == ruleApplication:
		if !letters {
			r.application(p.start, p.end, f)
		}
	case letters && (isKnown(v) || all&^p.word != 0 && isUnit(v)):
	case by == ruleScan && letters:
		r.hide(p.start, p.end, f)
	case by == ruleScan:
		r.terms(p.start, p.end, f)
	case letters:
		r.drop(p.start, p.end, f, scan.Unique)
	case by == ruleCoded:
		r.codes(p.start, p.end, f, registerDigits)
	default:
		r.codes(p.start, p.end, f, 0)
	}
	return true
}

// leaves masks codes.
func (r *run) leaves(p *piece, f *field) {
	for m := (p.parts | 1<<(p.end-p.start)) &^ (p.parts<<1 | 1); m != 0; m &= m - 1 {
		from, to := bits.Len64(p.parts&(m&-m-1)), bits.TrailingZeros64(m)
		if !p.code(from, to, codeLetters) {
			r.codes(p.start+from, p.start+to, f, 0)
		}
	}
}

// wordsOfName is how many components of a name are words of it.
const wordsOfName = 6

// person masks a name, or an identifier and a name, without nulls, in the usual profile:
// one placeholder stands for all words of the name. It reports false, without having done
// anything, when there is more than that.
func (r *run) person(p *piece, f *field, by rule) bool {
	separators, start := bits.OnesCount64(p.parts), p.start
	if separators > wordsOfName || separators == wordsOfName && by == ruleName {
		return false
	}
	if f.named {
		r.people = append(r.people, person{p.start, p.end, by})
	}
	words := &r.name
	if by == rulePerson {
		id := min(p.start+bits.TrailingZeros64(p.parts), p.end)
		start = id + 1
		separators--
		if id > p.start {
			r.count(f.counts(scan.Unique))
			if p.end-start > separators && r.both.size+separators <= valueSize {
				words, start = &r.both, p.start
			} else {
				shown := &r.m.fixed[scan.Unique]
				r.put(p.start, id, shown, shown.size)
			}
		}
	}
	if p.end-start > separators {
		r.count(f.counts(scan.Name))
		r.put(start, p.end, words, words.size+separators)
	}
	return true
}

// codedPiece is coded for a code, its text and its system. It reports false, without
// having done anything, when there is more.
func (r *run) codedPiece(p *piece, f *field) bool {
	if bits.OnesCount64(p.parts) > 2 {
		return false
	}
	size := p.end - p.start
	code := bits.TrailingZeros64(p.parts)
	text := min(bits.TrailingZeros64(p.parts&(p.parts-1)), size)
	var system []byte
	if text < size {
		system = r.src[p.start+text+1 : p.end]
	}
	fits := fits(r.src[p.start:p.start+code], system)
	if !fits && !p.code(0, code, codeLetters) && !r.register(p, 0, code) {
		r.codes(p.start, p.start+code, f, registerDigits)
	}
	switch from, to := p.start+code+1, p.start+text; {
	case from == to:
	case fits || r.m.scanText:
		r.scan(from, to, f)
	default:
		r.hide(from, to, f)
	}
	if text < size && !fits && !p.code(text+1, size, codeLetters) {
		r.codes(p.start+text+1, p.end, f, 0)
	}
	return true
}

// planned masks the components of a piece by the plan of a rule. Only those that are
// not empty are looked at.
func (r *run) planned(p *piece, f *field, by rule) {
	if f.named {
		r.people = append(r.people, person{p.start, p.end, by})
	}
	plan, led := &plans[by], false
	for m := (p.parts | 1<<(p.end-p.start)) &^ (p.parts<<1 | 1); m != 0; m &= m - 1 {
		before := p.parts & (m&-m - 1)
		n, from, to := bits.OnesCount64(before), bits.Len64(before), bits.TrailingZeros64(m)
		start, end := p.start+from, p.start+to
		if n >= plan.lead && !led {
			led = true
			if n > plan.lead {
				r.lead(p, m, f, plan)
			}
		}
		c := plan.part(n)
		if to-from == len(null) && isNull(r.src[start:end]) {
			continue
		}
		switch c.act {
		case actPut, actLead:
			e := f.entity
			if c.entity != scan.None {
				e = c.entity
			}
			if c.typed > 0 { // which spares most a call
				e = r.typed(p, c, e)
			}
			if shown := &r.m.fixed[e]; shown.size > 0 {
				r.count(f.counts(e))
				r.put(start, end, shown, shown.size)
				break
			}
			r.show(start, end, r.src[start:end], f, e)
		case actDate:
			r.date(start, end, f)
		case actCode:
			if to-from > maxNamespace || !p.code(from, to, maxNamespace) {
				r.authority(start, end, f)
			}
		case actJoin:
			r.put(start, end, &r.nothing, 0)
		default:
			if c.act != actLetters || to-from > maxLetters || mask(from, to)&^p.word != 0 || mask(from, to)&p.digit != 0 {
				r.drop(start, end, f, f.entity)
			}
		}
	}
}

// lead masks the leading component of a piece, which is empty, when one that belongs to
// it is among those that end at the bits of m.
func (r *run) lead(p *piece, m uint64, f *field, plan *plan) {
	for ; m != 0; m &= m - 1 {
		before := p.parts & (m&-m - 1)
		held := r.src[p.start+bits.Len64(before) : p.start+bits.TrailingZeros64(m)]
		if plan.part(bits.OnesCount64(before)).act == actJoin && !isNull(held) {
			at, _ := p.component(plan.lead)
			c := &plan.parts[plan.lead] // which has an entity in every plan
			r.show(at, at, held, f, r.typed(p, c, c.entity))
			return
		}
	}
}

// component returns where component n, counted from 0, starts and ends. There are as
// many.
func (p *piece) component(n int) (start, end int) {
	rest, from := p.parts, 0
	for ; n > 0; n-- {
		from = bits.TrailingZeros64(rest) + 1
		rest &= rest - 1
	}
	return p.start + from, min(p.start+bits.TrailingZeros64(rest), p.end)
}

// typed returns what a component is, by its type's code where it has one, or else e.
func (r *run) typed(p *piece, c *part, e scan.Entity) scan.Entity {
	if c.typed > 0 && c.typed <= bits.OnesCount64(p.parts)+1 {
		start, end := p.component(c.typed - 1)
		if e := idType(r.src[start:end]); e != scan.None {
			return e
		}
	}
	return e
}
