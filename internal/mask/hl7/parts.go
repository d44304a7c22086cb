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

// plan is what happens to the components of a data type.
type plan struct {
	parts []part // those after the last are emptied
	lead  int    // the one with actLead, or one that no type has
}

// noLead is the lead of a plan that has none.
const noLead = 1 << 10

// plans are the plans of the data types by the rules of fields.
var plans = [ruleCount]plan{
	ruleDate: {dateParts, noLead}, ruleRange: {rangeParts, noLead}, ruleName: {nameParts, 0}, rulePerson: {personParts, 1},
	ruleAddress: {addressParts, 0}, rulePhone: {phoneParts, 0}, ruleID: {idParts, noLead}, ruleEntity: {entityParts, noLead},
	ruleOrg: {orgParts, noLead}, rulePlace: {placeParts, noLead}, ruleNetwork: {networkParts, noLead}, ruleTiming: {timingParts, noLead},
}

// part returns what happens to component n, counted from 0.
func (p *plan) part(n int) *part {
	if n < len(p.parts) {
		return &p.parts[n]
	}
	return &beyond
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

// composite masks a value component by component.
func (r *run) composite(start, end int, f *field, by rule) {
	if f.named {
		r.people = append(r.people, person{start, end, by})
	}
	p := &r.parted
	r.split(p, start, end)
	switch plan := &plans[by]; {
	case isNull(r.src[start:end]):
	case plan.parts != nil:
		r.parts(p, f, plan)
	case by == ruleCoded:
		r.coded(p, f)
	default:
		r.misplaced(p, f)
	}
}

// misplaced masks a repetition where a code should be. Earlier versions have a coded
// element where later ones have a code, or the other way round; components of
// anything else are of a field that stands in a wrong place.
func (r *run) misplaced(p *parted, f *field) {
	switch {
	case p.count == 1:
		r.codes(p.start, p.end(), f, 0)
	case published(p.component(r.src, 3)):
		r.coded(p, f)
	default:
		r.whole(p.start, p.end(), f, f.entity)
	}
}

// parts masks a repetition by a plan.
func (r *run) parts(p *parted, f *field, plan *plan) {
	at := p.start
	for i, end := range p.ends[:p.count] {
		c := plan.part(i)
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
			r.whole(at, end, f, r.entity(p, f, c))
		case c.act == actDate:
			r.date(at, end, f)
		case c.act == actCode:
			r.authority(at, end, f)
		case c.act == actLetters && end-at <= maxLetters && areLetters(r.src[at:end]):
		case c.act == actJoin:
			r.put(at, end, &r.nothing, 0)
		default:
			r.drop(at, end, f, f.entity)
		}
		at = end + 1
	}
}

// beyond is what a component is that no plan has.
var beyond = part{act: actDrop}

// joined returns the first component that belongs to another and holds something:
// then the leading one shows that there is something even when it is empty itself.
func (r *run) joined(p *parted, plan *plan) []byte {
	for i := range p.count {
		if held := p.component(r.src, i+1); plan.part(i).act == actJoin && len(held) > 0 && !isNull(held) {
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

func published(system []byte) bool {
	_, ok := systemOf(system)
	return ok
}

// fits reports whether a code is one that its system, a published one, could have.
func fits(code, system []byte) bool {
	form, ok := systemOf(system)
	return ok && len(code) > 0 && form.Fits(code)
}

// registerDigits is how many digits more a local code may have: the eight of those of
// registers.
const registerDigits = 2

// codedPart masks a code or its text, which stand in a system. The text beside a
// code that its system could have is the register's, and scanned; any other is
// free text.
func (r *run) codedPart(at, end int, f *field, isText bool, code, system []byte) {
	fits := fits(code, system)
	switch {
	case fits && !isText:
	case isText && (fits || r.m.scanText):
		r.scan(at, end, f)
	case isText:
		r.hide(at, end, f)
	default:
		r.codes(at, end, f, registerDigits)
	}
}
