// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package x12

import (
	"bytes"

	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// wholeText stands for free text that is masked whole.
const wholeText = "[TEXT]"

// element masks the element with an index, which is not empty.
func (r *run) element(dst, v []byte, f *field, index int) []byte {
	switch f.rule {
	case ruleVersion:
		return r.known(dst, v, f, isVersion(v))
	case ruleTaxonomy:
		return r.known(dst, v, f, isTaxonomy(v))
	case ruleDrug:
		return r.drug(dst, v, f)
	case ruleCode:
		return r.leaves(dst, v, f, r.code)
	case ruleAmount:
		return r.amount(dst, v, f)
	case ruleMask:
		return r.fit(dst, v, f, f.entity, f.min, f.max)
	case ruleRef:
		return r.fit(dst, v, f, r.qualified(refTypes, index), 1, 50)
	case ruleParty:
		return r.fit(dst, v, f, r.qualified(partyTypes, index), 2, 80)
	case ruleContact:
		return r.fit(dst, v, f, r.qualified(contactTypes, index), 1, 256)
	case ruleName:
		return r.fit(dst, v, f, r.nameEntity(index), 1, 60)
	case ruleState:
		return r.state(dst, v, f)
	case ruleText:
		return r.text(dst, v, f)
	case ruleDate:
		return r.day(dst, v, f)
	case ruleTime:
		return r.clock(dst, v)
	case rulePeriod:
		return r.period(dst, v, f, r.before(index))
	case ruleProc, ruleHI, ruleAdjustment:
		return r.composite(dst, v, f)
	case ruleGroup, ruleSet, ruleGroupEnd, ruleSetEnd, ruleInterchangeEnd:
		return r.number(dst, v, f)
	default:
		return r.blank(dst, v, f)
	}
}

// number masks a control number of an envelope.
func (r *run) number(dst, v []byte, f *field) []byte {
	e := &r.envelope
	r.counts.Add(f.place, scan.Unique)
	start := len(dst)
	switch f.rule {
	case ruleGroup:
		e.groups++
		e.sets = 0
		dst = r.control(dst, v, e.groups)
		e.group = append(e.numbers[1][:0], dst[start:]...)
	case ruleSet:
		e.sets++
		dst = r.control(dst, v, e.sets)
		e.set = append(e.numbers[2][:0], dst[start:]...)
	case ruleGroupEnd:
		dst = append(dst, e.group...)
		e.group = nil
	case ruleSetEnd:
		dst = append(dst, e.set...)
		e.set = nil
	default:
		dst = append(dst, e.interchange...)
	}
	return dst
}

// before returns the element before the one with an index, or nil.
func (r *run) before(index int) []byte {
	if index == 0 {
		return nil
	}
	return r.elements[index-1]
}

func (r *run) qualified(types map[string]scan.Entity, index int) scan.Entity {
	if e, ok := types[string(r.before(index))]; ok {
		return e
	}
	return scan.Unique
}

// nameEntity tells a person from an organisation by the element before: NM102
// says it, and N101 names the part that somebody plays.
func (r *run) nameEntity(index int) scan.Entity {
	switch string(r.before(index)) {
	case "1", "IL", "QC":
		return scan.Name
	}
	return scan.Org
}

// fit appends what stands for v, a whole element that is an e, within lengths
// and without separators.
func (r *run) fit(dst, v []byte, f *field, e scan.Entity, least, most int) []byte {
	if r.m.ops.Kind(e) == operator.Keep {
		return append(dst, v...)
	}
	r.counts.Add(f.place, e)
	start := len(dst)
	dst = r.m.ops.Put(dst, v, e, r.w)
	r.clean(dst[start:])
	if most > 0 && len(dst)-start > most {
		dst = dst[:start+most]
	}
	if len(dst) == start && least <= 1 {
		return dst
	}
	for len(dst)-start < least {
		dst = append(dst, 'X')
	}
	return dst
}

// clean replaces separators, which X12 cannot escape.
func (r *run) clean(v []byte) {
	for i, b := range v {
		if r.classes[b] == element.Delimiter || b < ' ' {
			v[i] = ' '
		}
	}
}

// blank appends as many zeros or "X" as the value has digits or other bytes.
func (r *run) blank(dst, v []byte, f *field) []byte {
	r.counts.Add(f.place, scan.Unique)
	return blank(dst, v)
}

func blank(dst, v []byte) []byte {
	for _, b := range v {
		if b < '0' || b > '9' {
			return append(dst, bytes.Repeat([]byte{'X'}, len(v))...)
		}
	}
	for range v {
		dst = append(dst, '0')
	}
	return dst
}

// leaves masks each component of each repetition.
func (r *run) leaves(dst, v []byte, f *field, mask func(dst, v []byte, f *field) []byte) []byte {
	at := 0
	for i, b := range v {
		if r.classes[b] == element.Delimiter {
			dst = append(mask(dst, v[at:i], f), b)
			at = i + 1
		}
	}
	return mask(dst, v[at:], f)
}

// code keeps what looks like a code, or is an amount with cents, and blanks the
// rest.
func (r *run) code(dst, v []byte, f *field) []byte {
	amount := bytes.IndexByte(v, '.') >= 0 && isAmount(v)
	return r.known(dst, v, f, amount || isCode(v) && r.classes.ShapeOf(v) == element.Code)
}

// known keeps v, an element or a component, if ok; else it is blanked.
func (r *run) known(dst, v []byte, f *field, ok bool) []byte {
	if ok || len(v) == 0 {
		return append(dst, v...)
	}
	return r.blank(dst, v, f)
}

// isCode reports whether v is as short as codes are, in one word, and none of
// letters alone that could be a name.
func isCode(v []byte) bool {
	const longest, letters = 10, 3
	if len(v) > longest || bytes.IndexByte(v, ' ') >= 0 {
		return false
	}
	return len(v) <= letters || bytes.IndexFunc(v, func(c rune) bool { return c >= '0' && c <= '9' }) >= 0
}

// isVersion: 005010, 005010X222, 005010X222A1.
func isVersion(v []byte) bool {
	const form = "00####X###A#"
	for i, b := range v {
		if i == len(form) || form[i] != b && (form[i] != '#' || b < '0' || b > '9') {
			return false
		}
	}
	return len(v) == 6 || len(v) == 10 || len(v) == 12
}

// isTaxonomy: 207Q00000X.
func isTaxonomy(v []byte) bool {
	const length = 10
	return len(v) == length && digits(v[:3]) && v[length-1] == 'X' && bytes.IndexFunc(v, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z')
	}) < 0
}

// drug keeps a code of the National Drug Code, which has as many digits as a
// telephone number with its country, and what looks like a code.
func (r *run) drug(dst, v []byte, f *field) []byte {
	const length = 11
	if len(v) == length && digits(v) {
		return append(dst, v...)
	}
	return r.leaves(dst, v, f, r.code)
}

// amount keeps a number, and what looks like a code.
func (r *run) amount(dst, v []byte, f *field) []byte {
	if isAmount(v) {
		return append(dst, v...)
	}
	return r.leaves(dst, v, f, r.code)
}

// maxAmount bounds an amount of money with its cents.
const maxAmount = 14

func isAmount(v []byte) bool {
	if element.Measure(v) {
		return true
	}
	whole, cents, ok := bytes.Cut(v, []byte{'.'})
	return ok && len(v) <= maxAmount && len(cents) <= 2 && digits(bytes.TrimPrefix(whole, []byte{'-'})) && digits(cents)
}

func digits(v []byte) bool {
	for _, b := range v {
		if b < '0' || b > '9' {
			return false
		}
	}
	return len(v) > 0
}

// state keeps an abbreviation.
func (r *run) state(dst, v []byte, f *field) []byte {
	if len(v) <= 3 && bytes.IndexFunc(v, func(c rune) bool { return (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') }) < 0 {
		return append(dst, v...)
	}
	return r.blank(dst, v, f)
}

func (r *run) text(dst, v []byte, f *field) []byte {
	if r.m.scanText {
		return r.leaves(dst, v, f, r.scan)
	}
	r.counts.Add(f.place, scan.Unique)
	return append(dst, wholeText...)
}

// composite masks the composites that hold more than codes.
func (r *run) composite(dst, v []byte, f *field) []byte {
	var format []byte
	for n := 1; ; n++ {
		c, rest, more := bytes.Cut(v, []byte{r.d.component})
		switch {
		case len(c) == 0:
		case f.rule == ruleProc && n == 7:
			dst = r.text(dst, c, f)
		case f.rule == ruleProc && n == 2:
			dst = r.drug(dst, c, f)
		case f.rule == ruleHI && n == 4:
			dst = r.period(dst, c, f, format)
		case f.rule == ruleAdjustment && n == 2:
			dst = r.fit(dst, c, f, scan.Unique, 1, 50)
		default:
			dst = r.leaves(dst, c, f, r.code)
		}
		if !more {
			return dst
		}
		dst = append(dst, r.d.component)
		v, format = rest, c
	}
}

// scan appends a text with the scanner's findings masked.
func (r *run) scan(dst, v []byte, f *field) []byte {
	r.w.Locus = f.locus
	r.found = r.m.text.Scanner.Scan(r.found[:0], v, &r.w.Known)
	at := 0
	for _, s := range r.found {
		op := r.m.text.Profile.Entity(s.Entity)
		if r.w.Spans != nil {
			r.w.Spans(v, s, op.Kind())
		}
		dst = append(dst, v[at:s.Start]...)
		start := len(dst)
		dst = r.m.text.Replace(dst, v[s.Start:s.End], s.Entity, op, r.w)
		r.clean(dst[start:])
		r.w.Tally.Add(text.Key{Rule: r.m.text.Scanner.Rule(s.Rule), Entity: s.Entity, Operator: op.Kind(), Locus: f.locus}, 1)
		at = s.End
	}
	return append(dst, v[at:]...)
}
