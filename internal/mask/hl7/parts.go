// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"bytes"

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

// idTypes are codes of table 0203, and equipment types of table 0202, that say
// what an identifier is.
var idTypes = map[string]scan.Entity{
	"MR": scan.MRN, "MRN": scan.MRN, "PI": scan.MRN, "PT": scan.MRN, "SS": scan.SSN, "NPI": scan.NPI, "DEA": scan.DEA, "DL": scan.License,
	"MD": scan.License, "RN": scan.License, "LN": scan.License, "MA": scan.HealthPlan, "MB": scan.HealthPlan, "MC": scan.HealthPlan,
	"NH": scan.HealthPlan, "AN": scan.Account, "VN": scan.Unique, "FX": scan.Fax,
}

// maxComponents are as many as any data type has; what is beyond stays with the
// last, where it is emptied.
const maxComponents = 32

// split takes a repetition apart.
func (r *run) split(v []byte) [][]byte {
	if !r.has(element.Delimiter) {
		r.components[0] = v
		return r.components[:1]
	}
	n, at := 0, 0
	for i, b := range v {
		if b == r.d.component && n < maxComponents-1 {
			r.components[n] = v[at:i]
			n, at = n+1, i+1
		}
	}
	r.components[n] = v[at:]
	return r.components[:n+1]
}

// nth returns component n, counted from 1, or nil.
func nth(components [][]byte, n int) []byte {
	if n > len(components) {
		return nil
	}
	return components[n-1]
}

// parts masks one repetition component by component.
func (r *run) parts(dst, v []byte, f *field, parts []part) []byte {
	all := r.split(v)
	for n, c := range all {
		if n > 0 {
			dst = append(dst, r.d.component)
		}
		var p part
		if n < len(parts) {
			p = parts[n]
		}
		if p.act == actLead {
			if len(c) == 0 {
				c = joined(all, parts)
			}
			dst = r.put(dst, c, f, entity(all, f, p))
		} else if len(c) > 0 {
			dst = r.part(dst, all, c, f, p)
		}
	}
	return dst
}

// joined returns the first component that belongs to another and holds something.
func joined(all [][]byte, parts []part) []byte {
	for n, c := range all[:min(len(all), len(parts))] {
		if parts[n].act == actJoin && len(c) > 0 {
			return c
		}
	}
	return nil
}

// part masks one component, which is not empty.
func (r *run) part(dst []byte, all [][]byte, c []byte, f *field, p part) []byte {
	if isNull(c) {
		return append(dst, c...)
	}
	switch p.act {
	case actCode:
		return r.authority(dst, c, f)
	case actLetters:
		if len(c) <= 3 && r.classes.ShapeOf(c) == element.Code && bytes.IndexFunc(c, notLetter) < 0 {
			return append(dst, c...)
		}
	case actDate:
		return r.date(dst, c, f)
	case actPut:
		return r.put(dst, c, f, entity(all, f, p))
	case actDrop, actJoin, actLead:
	}
	r.counts.Add(f.place, f.entity)
	return dst
}

func notLetter(c rune) bool { return (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') }

// entity returns what a component is, by its type's code where it has one.
func entity(all [][]byte, f *field, p part) scan.Entity {
	if p.typed > 0 && p.typed <= len(all) {
		if e, ok := idTypes[string(nth(all, p.typed))]; ok {
			return e
		}
	}
	if p.entity != scan.None {
		return p.entity
	}
	return f.entity
}

// maxNamespace is the longest name that HL7 gives a namespace.
const maxNamespace = 20

// authority keeps the subcomponents that look like codes or object identifiers.
// Words with spaces between them are an institution's name and go.
func (r *run) authority(dst, c []byte, f *field) []byte {
	if len(c) <= shortCode && !r.has(element.Foreign) && bytes.IndexByte(c, ' ') < 0 {
		return append(dst, c...)
	}
	for {
		one := c
		end := bytes.IndexByte(c, r.d.sub)
		if end >= 0 {
			one = c[:end]
		}
		if element.IsOID(one) || len(one) <= maxNamespace && r.classes.ShapeOf(one) == element.Code && bytes.IndexByte(one, ' ') < 0 {
			dst = append(dst, one...)
		} else {
			r.counts.Add(f.place, scan.Org)
		}
		if end < 0 {
			return dst
		}
		dst = append(dst, r.d.sub)
		c = c[end+1:]
	}
}

// coded masks a coded value. A code with its text is kept where they are of a
// published system; all else has to look like a code or is scanned.
func (r *run) coded(dst, v []byte, f *field) []byte {
	all := r.split(v)
	for i, c := range all {
		if i > 0 {
			dst = append(dst, r.d.component)
		}
		switch n := i + 1; {
		case len(c) == 0:
		case n <= 6 && n%3 != 0:
			dst = r.codedPart(dst, c, f, n%3 == 2, nth(all, 3+i/3*3))
		case n == 9 || n == 11:
			dst = r.scan(dst, c, f)
		default:
			dst = r.codes(dst, c, f, 0)
		}
	}
	return dst
}

// codedPart masks a code or its text, which stand in a system.
func (r *run) codedPart(dst, c []byte, f *field, isText bool, system []byte) []byte {
	// A local code may have the eight digits that one of a register has.
	const registerDigits = 2
	switch published := isSystem(system); {
	case published && (isText || bytes.IndexByte(c, ' ') < 0):
		return append(dst, c...)
	case isText:
		return r.scan(dst, c, f)
	}
	return r.codes(dst, c, f, registerDigits)
}
