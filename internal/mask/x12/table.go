// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package x12

import (
	"fmt"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// rule is what an element holds, and so how it is masked.
type rule uint8

const (
	ruleBlank          rule = iota // anything: zeros for digits and "X" for the rest, as long as it was
	ruleVersion                    // the version of a standard
	ruleTaxonomy                   // what a provider does, by a code of NUCC
	ruleDrug                       // a code of NDC, or of a catalogue
	ruleCode                       // codes, simple or composite: kept when they look like it
	ruleAmount                     // numbers
	ruleMask                       // an identifier
	ruleRef                        // an identifier by the qualifier before it, as in REF
	ruleParty                      // the same, as in NM1
	ruleContact                    // the same, as in PER
	ruleName                       // the name of a person or an organisation
	ruleState                      // an abbreviated state or country
	ruleText                       // free text: masked whole unless Options.ScanText
	ruleDate                       // YYYYMMDD or YYMMDD
	ruleTime                       // HHMM or finer
	rulePeriod                     // dates by the format in the element before
	ruleProc                       // a composite of a procedure's code, with a description
	ruleHI                         // a composite of a code, with a date
	ruleAdjustment                 // a composite of a code and a reference
	ruleGroup                      // GS06
	ruleGroupEnd                   // GE02
	ruleSet                        // ST02
	ruleSetEnd                     // SE02
	ruleInterchangeEnd             // IEA02
	ruleCount
)

var ruleWords = [ruleCount]string{
	"blank", "version", "taxonomy", "drug", "code", "amount", "mask", "ref", "party", "contact", "name", "state", "text", "date", "time", "period", "proc", "hi",
	"adjustment", "group", "groupend", "set", "setend", "interchangeend",
}

// What a qualifier says of the identifier after it.
var (
	refTypes = map[string]scan.Entity{
		"SY": scan.SSN, "EA": scan.MRN, "1L": scan.HealthPlan, "0F": scan.HealthPlan, "1W": scan.HealthPlan, "IG": scan.HealthPlan,
		"6P": scan.HealthPlan, "23": scan.HealthPlan, "38": scan.HealthPlan, "F6": scan.HealthPlan, "NQ": scan.HealthPlan, "0B": scan.License,
		"EJ": scan.Account, "HPI": scan.NPI, "EM": scan.Email,
	}
	partyTypes = map[string]scan.Entity{
		"34": scan.SSN, "SY": scan.SSN, "MI": scan.HealthPlan, "II": scan.HealthPlan, "N": scan.HealthPlan, "C": scan.HealthPlan, "XX": scan.NPI, "MR": scan.HealthPlan, "SV": scan.License,
	}
	contactTypes = map[string]scan.Entity{
		"TE": scan.Phone, "HP": scan.Phone, "WP": scan.Phone, "CP": scan.Phone, "BN": scan.Phone, "EX": scan.Phone, "FX": scan.Fax, "EM": scan.Email,
		"UR": scan.URL, "ED": scan.URL,
	}
)

// field is one element of a segment, or all those that the table does not name.
type field struct {
	rule     rule
	entity   scan.Entity
	min, max int // lengths; max 0 for no bound
	place    int // for the counts
	locus    string
}

type segment struct {
	fields   []field // from the first element
	rest     field
	variants map[string]*segment // by the first element
}

func (s *segment) field(n int) *field {
	if n <= len(s.fields) {
		return &s.fields[n-1]
	}
	return &s.rest
}

// table is the compiled form of segments.
type table struct {
	segments map[string]*segment
	unknown  segment
	isa      field
	loci     []string // by place
}

func newTable() (*table, error) {
	t := &table{segments: make(map[string]*segment)}
	t.unknown.rest = t.place(field{entity: scan.Unique, locus: "segment without a table"})
	t.isa = t.place(field{entity: scan.Unique, locus: "ISA"})
	for line := range strings.Lines(segments) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		name := words[0]
		s, err := t.segment(name, words[1:])
		if err != nil {
			return nil, err
		}
		t.segments[name] = s
		for _, v := range variants[name] {
			if s.variants == nil {
				s.variants = make(map[string]*segment, len(variants[name]))
			}
			if s.variants[v], err = t.segment(name+"*"+v, words[1:]); err != nil {
				return nil, err
			}
		}
	}
	return t, nil
}

func (t *table) place(f field) field {
	f.place = len(t.loci)
	t.loci = append(t.loci, f.locus)
	return f
}

// segment compiles one line of the table under a locus.
func (t *table) segment(locus string, words []string) (*segment, error) {
	s := &segment{rest: t.place(field{entity: scan.Unique, locus: locus + " beyond the table"})}
	for _, word := range words {
		f, times, err := parseWord(word)
		if err != nil {
			return nil, err
		}
		for range times {
			f.locus = fmt.Sprintf("%s-%02d", locus, len(s.fields)+1)
			s.fields = append(s.fields, t.place(f))
		}
	}
	return s, nil
}

// parseWord reads a word such as "mask:ORG/2-15" or "code*3".
func parseWord(word string) (field, int, error) {
	bad := sallyport.E(sallyport.Internal, "x12 table", "the table has a word that means nothing: "+word)
	rest, lengths, _ := strings.Cut(word, "/")
	rest, count, _ := strings.Cut(rest, "*")
	name, entity, _ := strings.Cut(rest, ":")
	f, times := field{entity: scan.Unique, min: 1}, 1
	ok := false
	for r, w := range ruleWords {
		if w == name {
			f.rule, ok = rule(r), true
		}
	}
	if entity != "" && ok {
		f.entity, ok = scan.ParseEntity(entity)
	}
	if !ok {
		return f, 0, bad
	}
	if low, high, ranged := strings.Cut(lengths, "-"); ranged {
		var err1, err2 error
		f.min, err1 = strconv.Atoi(low)
		f.max, err2 = strconv.Atoi(high)
		if err1 != nil || err2 != nil {
			return f, 0, bad
		}
	}
	if count != "" {
		var err error
		if times, err = strconv.Atoi(count); err != nil {
			return f, 0, bad
		}
	}
	return f, times, nil
}
