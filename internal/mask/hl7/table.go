// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"encoding/binary"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// rule is what a field holds, and so how it is masked.
type rule uint8

const (
	ruleMask        rule = iota // anything: every repetition becomes the placeholder of the entity
	ruleIgnore                  // the separators of a header; as it is
	ruleKeep                    // declared free of identifiers by the site; as it is
	ruleCode                    // numbers, indicators and codes of tables: kept when they look like it
	ruleCodes                   // the same with components, as in MSG, CQ, SN, FC
	ruleCoded                   // CE, CWE, CNE: code, text, system, and the same again
	ruleScan                    // short clinical text: kept when it looks like a code or a range, else as free text
	ruleText                    // free text: masked whole unless Options.ScanText
	ruleDate                    // DT, DTM, TS
	ruleRange                   // DR: two dates
	ruleTime                    // TM; emptied, for a time of day is finer than a year
	ruleName                    // XPN, PN
	rulePerson                  // XCN, CN: an identifier and a name
	ruleAddress                 // XAD, AD
	rulePhone                   // XTN, TN
	ruleID                      // CX, CK: an identifier with its authority and type
	ruleEntity                  // EI: an identifier with its namespace
	ruleOrg                     // XON: an organisation's name and identifiers
	rulePlace                   // PL: point of care, room, bed, facility
	ruleNetwork                 // HD: the address of a machine
	ruleTiming                  // TQ: quantity, interval, duration, start, end
	ruleControl                 // MSH-10, which acknowledgements must be able to name
	ruleType                    // OBX-2: the type of the value
	ruleValue                   // OBX-5: by OBX-2
	ruleDrop                    // emptied: documents, pictures, references
	ruleMeasure                 // NM: kept when it can be a measurement
	ruleOpaque                  // a value of a type that is not known: masked whole, as free text is
	ruleApplication             // HD: the name of a program, in one word
	ruleCharset                 // MSH-18: kept; a message is refused for what it says
	ruleCount
)

var ruleWords = [ruleCount]string{
	"mask", "ignore", "keep", "code", "codes", "coded", "scan", "text", "date", "range", "time", "name", "person", "address", "phone",
	"id", "entity", "org", "place", "network", "timing", "control", "type", "value", "drop", "measure", "opaque", "application", "charset",
}

// ruleOfType returns the rule of a data type in OBX-2. Any other is masked whole.
func ruleOfType(v []byte) rule {
	switch string(v) {
	case "NM":
		return ruleMeasure
	case "ID", "IS", "SI":
		return ruleCode
	case "CP", "CQ", "MO", "NA", "NR", "SN":
		return ruleCodes
	case "CE", "CNE", "CWE":
		return ruleCoded
	case "FT", "ST", "TX", "":
		return ruleText
	case "ED", "RP":
		return ruleDrop
	case "DT", "DTM", "TS":
		return ruleDate
	case "TM":
		return ruleTime
	case "DR":
		return ruleRange
	case "PN", "XPN":
		return ruleName
	case "CN", "XCN":
		return rulePerson
	case "AD", "XAD":
		return ruleAddress
	case "TN", "XTN":
		return rulePhone
	case "CK", "CX":
		return ruleID
	case "EI":
		return ruleEntity
	case "XON":
		return ruleOrg
	case "PL":
		return rulePlace
	}
	return ruleOpaque
}

// field is one field of a segment, or all those that the table does not name. It is
// small: a message asks for many of them.
type field struct {
	rule   rule
	quick  quick // how usual values are masked, without a further look at the rule
	named  bool  // its words are names that texts of the message may hold
	entity scan.Entity
	place  uint32      // for the counts
	count  uint32      // what usual values count for
	shown  scan.Entity // and whose fixed value stands for them, where they are quickFixed
}

// counts returns the number that a value counts for which is an e.
func (f *field) counts(e scan.Entity) uint32 { return element.NumberOf(int(f.place), e) }

// segment is a line of the table.
type segment struct {
	name   [3]byte
	fields []field // from the first
	rest   field
	names  []int  // indexes of fields that hold names
	codes  uint64 // a bit for the number of each field that holds codes
	header bool   // it begins a message, a batch or a file
}

func (s *segment) field(n int) *field {
	if n <= len(s.fields) {
		return &s.fields[n-1]
	}
	return &s.rest
}

// table is the compiled form of segments.
type table struct {
	index   []slot // a power of two of them, of which most are free
	size    int
	unknown segment
	loci    []string // by place: "PID-5"
}

// slot is a place in the index. A segment stands in the one of its name, or in the
// first behind it that was free.
type slot struct {
	name    uint32
	segment *segment
}

// nameOf returns the name that v begins with as a number; v is at least four bytes.
func nameOf(v []byte) uint32 { return binary.LittleEndian.Uint32(v) & 0xffffff }

// slot returns the slot of a segment with a name, or that it is to have.
func (t *table) slot(name uint32) *slot {
	const spread = 0x9e3779b1
	for at := name * spread >> 16; ; at++ {
		if s := &t.index[int(at)&(len(t.index)-1)]; s.name == name || s.segment == nil {
			return s
		}
	}
}

// find returns the segment that v begins with the name of, or nil when there is none or
// nothing behind it.
func (t *table) find(v []byte) *segment {
	if len(v) < 4 {
		return nil
	}
	return t.slot(nameOf(v)).segment
}

// newTable compiles the table and lets the site's own rules, by locus, take
// precedence.
func newTable(o Options, m *Masker) (*table, error) {
	site := make(map[string]rule, len(o.Keep)+len(o.Mask))
	for _, l := range o.Keep {
		site[l] = ruleKeep
	}
	for _, l := range o.Mask {
		site[l] = ruleMask
	}
	t := &table{index: make([]slot, 1024)}
	t.unknown.rest = t.place(field{entity: scan.Unique}, "segment without a table")
	for line := range strings.Lines(segments) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		s := t.segment(words[0])
		for _, w := range words[1:] {
			if err := t.add(s, words[0], w); err != nil {
				return nil, err
			}
		}
	}
	for locus, r := range site {
		if err := t.override(locus, r); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"PID", "NK1", "GT1", "IN1", "MRG", "PV1"} {
		s := t.segment(name)
		for i, f := range s.fields {
			if f.rule == ruleName || f.rule == rulePerson {
				s.names = append(s.names, i)
				s.fields[i].named = true
			}
		}
	}
	t.unknown.rest.prepare(m)
	for _, slot := range t.index {
		s := slot.segment
		if s == nil {
			continue
		}
		s.header = isHeader(append(s.name[:], 0))
		for i := range s.fields {
			s.fields[i].prepare(m)
			if n := i + 1; s.fields[i].quick == quickCode || s.fields[i].quick == quickCodes {
				s.codes |= 1 << n
			}
		}
		s.rest.prepare(m)
	}
	return t, nil
}

// segment returns the segment with a name of three letters, which is made when there is
// none.
func (t *table) segment(name string) *segment {
	number := nameOf([]byte(name + "|"))
	at := t.slot(number)
	if at.segment == nil {
		*at = slot{number, &segment{name: [3]byte([]byte(name)), rest: t.place(field{entity: scan.Unique}, name+" beyond the table")}}
		if t.size++; 4*t.size > len(t.index) {
			t.grow()
		}
		at = t.slot(number)
	}
	return at.segment
}

func (t *table) grow() {
	all := t.index
	t.index = make([]slot, 2*len(all))
	for _, s := range all {
		if s.segment != nil {
			*t.slot(s.name) = s
		}
	}
}

// place gives a field its place, by which it is counted.
func (t *table) place(f field, locus string) field {
	f.place = uint32(len(t.loci))
	t.loci = append(t.loci, locus)
	return f
}

// append adds a field at the end of a segment.
func (t *table) append(s *segment, name string, f field) {
	s.fields = append(s.fields, t.place(f, name+"-"+strconv.Itoa(len(s.fields)+1)))
}

// add appends the fields that one word of the table describes.
func (t *table) add(s *segment, name, word string) error {
	word, times, _ := strings.Cut(word, "*")
	n := 1
	if times != "" {
		var err error
		if n, err = strconv.Atoi(times); err != nil {
			return sallyport.E(sallyport.Internal, "hl7 table", "a count of fields is no number: "+name)
		}
	}
	word, entity, _ := strings.Cut(word, ":")
	r, ok := ruleOf(word)
	e := scan.Unique
	if entity != "" {
		var known bool
		e, known = scan.ParseEntity(entity)
		ok = ok && known
	}
	if !ok {
		return sallyport.E(sallyport.Internal, "hl7 table", "the table has a word that means nothing: "+name+" "+word)
	}
	for range n {
		t.append(s, name, field{rule: r, entity: e})
	}
	return nil
}

func ruleOf(word string) (rule, bool) {
	for r, w := range ruleWords {
		if w == word {
			return rule(r), true
		}
	}
	return ruleMask, false
}

// maxField bounds the number of a field in a site's rule.
const maxField = 200

// override sets the rule of one field, such as "ZPI-3".
func (t *table) override(locus string, r rule) error {
	name, number, _ := strings.Cut(locus, "-")
	n, err := strconv.Atoi(number)
	if err != nil || len(name) != 3 || !isName([]byte(name)) || n < 1 || n > maxField {
		return sallyport.E(sallyport.Invalid, "hl7 rules", "a field is written as PID-5, which "+strconv.Quote(locus)+" is not").
			WithHint("write the segment's three letters, a dash and the number of the field")
	}
	s := t.segment(name)
	for len(s.fields) < n {
		t.append(s, name, field{entity: scan.Unique})
	}
	f := &s.fields[n-1]
	if f.rule == ruleIgnore || f.rule == ruleType || f.rule == ruleCharset {
		return sallyport.E(sallyport.Invalid, "hl7 rules", locus+" has a fixed meaning that no rule changes").WithHint("leave it out")
	}
	f.rule = r
	return nil
}
