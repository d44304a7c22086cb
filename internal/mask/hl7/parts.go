// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// action is what happens to one component of a data type.
type action uint8

const (
	actDrop    action = iota // emptied
	actCode                  // kept when it looks like a code in one word
	actLetters               // kept when it is up to three letters: a state, a country, the type of a name
	actDate
	actPut  // masked as the part's entity, or the field's
	actLead // as actPut, for this component and the actJoin after it, if any holds something
	actJoin // emptied; it belongs to the last actLead
)

// part is one component of a data type.
type part struct {
	act    action
	entity scan.Entity // None for the field's own
	// typed names the component whose code tells the entity better.
	typed int
}

// The data types by their components; those after the last are emptied.
var (
	dateParts  = []part{{act: actDate}}
	rangeParts = []part{{act: actDate}, {act: actDate}}
	nameParts  = []part{
		{act: actLead, entity: scan.Name},
		{act: actJoin},
		{act: actJoin},
		{act: actJoin},
		{act: actJoin},
		{act: actJoin},
		{act: actLetters},
		{act: actLetters},
	}
	personParts = []part{
		{act: actPut, entity: scan.Unique, typed: 13},
		{act: actLead, entity: scan.Name},
		{act: actJoin},
		{act: actJoin},
		{act: actJoin},
		{act: actJoin},
		{act: actJoin},
		{act: actCode},
		{act: actCode},
		{act: actLetters},
		{},
		{act: actCode},
		{act: actCode},
	}
	addressParts = []part{
		{act: actLead, entity: scan.Address},
		{act: actJoin},
		{act: actPut, entity: scan.Place},
		{act: actLetters},
		{act: actPut, entity: scan.ZIP},
		{act: actLetters},
		{act: actLetters},
	}
	// The parts of a number, 5 to 7, are numbers themselves and so are emptied.
	phoneParts = []part{
		{act: actLead, entity: scan.Phone, typed: 3},
		{act: actLetters},
		{act: actCode},
		{act: actPut, entity: scan.Email},
		{act: actJoin},
		{act: actJoin},
		{act: actJoin},
		{act: actJoin},
		{act: actJoin},
		{act: actJoin},
		{act: actJoin},
		{act: actJoin},
	}
	idParts      = []part{{act: actPut, typed: 5}, {}, {act: actCode}, {act: actCode}, {act: actCode}}
	entityParts  = []part{{act: actPut}, {act: actCode}, {act: actCode}, {act: actCode}}
	orgParts     = []part{{act: actPut, entity: scan.Org}, {act: actCode}}
	placeParts   = []part{{act: actCode}, {}, {}, {act: actPut, entity: scan.Org}, {act: actCode}, {act: actCode}}
	networkParts = []part{{act: actPut, entity: scan.IP}, {act: actPut, entity: scan.IP}, {act: actCode}}
	timingParts  = []part{{act: actCode}, {act: actCode}, {act: actCode}, {act: actDate}, {act: actDate}, {act: actCode}}
)

// plans are the parts of the data types by the rules of fields.
var plans = [ruleCount][]part{
	ruleDate: dateParts, ruleRange: rangeParts, ruleName: nameParts, rulePerson: personParts, ruleAddress: addressParts,
	rulePhone: phoneParts, ruleID: idParts, ruleEntity: entityParts, ruleOrg: orgParts, rulePlace: placeParts,
	ruleNetwork: networkParts, ruleTiming: timingParts,
}

// idType returns what an identifier is by a code of table 0203, or an equipment
// type of table 0202, or None.
func idType(v []byte) scan.Entity {
	switch string(v) {
	case "MR", "MRN", "PI", "PT":
		return scan.MRN
	case "SS":
		return scan.SSN
	case "NPI":
		return scan.NPI
	case "DEA":
		return scan.DEA
	case "DL", "MD", "RN", "LN":
		return scan.License
	case "MA", "MB", "MC", "NH":
		return scan.HealthPlan
	case "AN":
		return scan.Account
	case "VN":
		return scan.Unique
	case "FX":
		return scan.Fax
	}
	return scan.None
}

// composites masks every repetition of a field component by component.
func (r *run) composites(at, end int, f *field, by rule, plan []part) {
	p := &r.parted
	for ; at < end; at++ {
		r.split(p, at, end)
		at = p.end()
		switch {
		case at == p.start || isNull(r.src[p.start:at]):
		case plan != nil:
			if f.named {
				r.hintAt(p, by)
			}
			r.parts(p, f, plan)
		case by == ruleCoded:
			r.coded(p, f)
		default:
			r.simple(p, f)
		}
	}
}

// simple masks a repetition where a code should be. Earlier versions have a coded
// element where later ones have a code, or the other way round; components of
// anything else are of a field that stands in a wrong place.
func (r *run) simple(p *parted, f *field) {
	switch {
	case p.count == 1:
		r.codes(p.start, p.end(), f, 0)
	case isSystem(p.component(r.src, 3)):
		r.coded(p, f)
	default:
		r.put(p.start, p.end(), f, f.entity)
	}
}

// parts masks a repetition by a plan.
func (r *run) parts(p *parted, f *field, plan []part) {
	at, dropped := p.start, uint32(0)
	for i, end := range p.ends[:p.count] {
		c := &beyond
		if i < len(plan) {
			c = &plan[i]
		}
		switch {
		case c.act == actLead:
			held := r.src[at:end]
			if len(held) == 0 {
				held = r.joined(p, plan)
			}
			if len(held) > 0 && !isNull(held) {
				r.show(at, end, held, f, r.entity(p, f, c))
			}
		case at == end || isNull(r.src[at:end]):
		case c.act == actPut:
			r.put(at, end, f, r.entity(p, f, c))
		case c.act == actDate:
			r.date(at, end, f)
		case c.act == actCode:
			r.authority(at, end, f)
		case c.act == actLetters && end-at <= maxLetters && areLetters(r.src[at:end]):
		default:
			r.cut(at, end)
			dropped++
		}
		at = end + 1
	}
	if dropped > 0 {
		r.counts.Add(f.place, f.entity, dropped)
	}
}

// beyond is what a component is that no plan has.
var beyond = part{act: actDrop}

// joined returns the first component that belongs to another and holds something:
// then the leading one shows that there is something even when it is empty itself.
func (r *run) joined(p *parted, plan []part) []byte {
	for i := range min(p.count, len(plan)) {
		if held := p.component(r.src, i+1); plan[i].act == actJoin && len(held) > 0 && !isNull(held) {
			return held
		}
	}
	return nil
}

// maxLetters is as long as a state, a country or a name's type is.
const maxLetters = 3

func areLetters(v []byte) bool {
	for _, b := range v {
		if b |= 0x20; b < 'a' || b > 'z' {
			return false
		}
	}
	return true
}

func notLetter(c rune) bool { return (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') }

// entity returns what a component is, by its type's code where it has one.
func (r *run) entity(p *parted, f *field, c *part) scan.Entity {
	if c.typed > 0 && c.typed <= p.count {
		if e := idType(p.component(r.src, c.typed)); e != scan.None {
			return e
		}
	}
	if c.entity != scan.None {
		return c.entity
	}
	return f.entity
}

// maxNamespace is the longest name that HL7 gives a namespace.
const maxNamespace = 20

// authority keeps the subcomponents that look like codes or object identifiers.
// Words with spaces between them are an institution's name and go.
func (r *run) authority(at, end int, f *field) {
	for ; at <= end; at++ {
		stop := at
		for stop < end && r.src[stop] != r.d.sub {
			stop++
		}
		v := r.src[at:stop]
		sum := r.classes.Sum(r.src, at, stop)
		if code := len(v) <= maxNamespace && !sum.Has(element.Space) && sum.Shape(v, 0) == element.Code; !code && !element.IsOID(v) {
			r.drop(at, stop, f, scan.Org)
		}
		at = stop
	}
}

// coded masks a coded value. A code with its text is kept where they are of a
// published system; all else has to look like a code or is scanned.
func (r *run) coded(p *parted, f *field) {
	if f.number == 3 {
		r.valueCode = r.src[p.start:p.end()]
	}
	at := p.start
	for i, end := range p.ends[:p.count] {
		switch n := i + 1; {
		case at == end:
		case n <= 6 && n%3 != 0:
			first := 1 + i/3*3
			r.codedPart(at, end, f, n%3 == 2, p.component(r.src, first), p.component(r.src, first+2))
		case n == 9 || n == 11:
			r.scan(at, end, f)
		default:
			r.codes(at, end, f, 0)
		}
		at = end + 1
	}
}

// codedPart masks a code or its text, which stand in a system. The text beside a
// code that its system could have is the register's, and scanned; any other is
// free text.
func (r *run) codedPart(at, end int, f *field, isText bool, code, system []byte) {
	// A local code may have the eight digits that one of a register has.
	const registerDigits = 2
	fits := isSystem(system) && formOf(system).Fits(code)
	switch {
	case fits && !isText:
	case isText && (fits || r.m.scanText):
		r.scan(at, end, f)
	case isText:
		r.counts.Add(f.place, scan.Unique, 1)
		r.replace(at, end, wholeText)
	default:
		r.codes(at, end, f, registerDigits)
	}
}
