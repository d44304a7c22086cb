// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package jsonmask masks JSON documents of any shape: by rules for paths, and by
// the scanner where no rule says anything.
//
// A document is read once and copied byte for byte where nothing is masked, white
// space and the text of numbers included. Strings are scanned as what they stand
// for, without their escapes, and written again as JSON. So are numbers, which
// become null when something is found, names of members, JSON within strings, and
// strings that are another text in base64, hexadecimal, or the escapes of URLs,
// HTML and programs, or hold base64; of the last, the whole string is masked when
// anything is found in it. Short values are scanned a second time behind the name
// of their member, so that "phone": 2125550142 is a telephone number. Each of
// several members of one name is masked by itself.
//
// # Paths
//
// A path is "$" and steps: ".name" or "['name']" for a member, ".*" for every
// member, "[*]" for every element of an array, and ".." before a name for that
// name at any depth, below arrays as well: "$.patient.name", "$.items[*].ssn",
// "$..ssn". A rule holds for all that is below its path until another rule says
// otherwise. Of several rules for one place the one with fewer "..", then the one
// with fewer "*" applies, then the stricter.
package jsonmask

import (
	"sync"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask/lex"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// MaxDocument is the most bytes of a document.
const MaxDocument = 256 << 20

// Action is what a rule does with the values of a path, from the mildest to the
// strictest but for the first.
type Action uint8

// The actions. The zero value scans.
const (
	Scan Action = iota // mask what the scanner finds
	Keep               // leave as it is
	Mask               // mask each string, number and boolean by an operator
	Drop               // leave the member or element out; a whole document becomes null
)

// Rule is an action, and for Mask the operator, or the label by which the profile
// chooses it. A rule that masks with neither masks what is unclassified.
type Rule struct {
	Action   Action
	Label    sallyport.Label
	Operator *operator.Operator
	// Strings has Mask leave numbers and booleans, which are no identifiers there.
	Strings bool
	// Form reports whether a string, or the name of a member that no path knows, may be
	// treated by the rule; nil for all of them. Others are treated by Other.
	Form  func(v []byte) bool
	Other *Rule
}

// Rules say what happens to which path, and to what no path names.
type Rules struct {
	Paths   map[string]Rule
	Default Rule
	// Names are further names of members that hold no data, as those in paths do:
	// they stay wherever they stand.
	Names []string
}

// Masker masks documents by rules and a profile. It does not change and is safe
// for concurrent use.
type Masker struct {
	text   *text.Masker
	states []state
	root   int     // the state of a document
	rules  []bound // by number; the first is the default
	names  bool    // the scanner looks for names
	// numbers are those of the names that occur in paths, from 1.
	numbers map[string]int
	runs    sync.Pool
}

// bound is a rule, ready for use.
type bound struct {
	action      Action
	op          *operator.Operator
	entity      scan.Entity
	strings     bool   // only strings are masked
	placeholder string // for what the operator has no answer for
	form        func(v []byte) bool
	other       *bound // of strings that have not the form; nil where there is none
}

// Compile builds the masker of rules and a profile. Errors have Kind Invalid and
// say what to change.
func Compile(m *text.Masker, r Rules) (*Masker, error) {
	j := &Masker{text: m, names: len(m.Scanner.Scan(nil, []byte("last name: quillfeather"), nil)) > 0}
	patterns, err := parse(r.Paths)
	if err != nil {
		return nil, err
	}
	j.rules = append(j.rules, j.bind(r.Default))
	for _, p := range patterns {
		rule := r.Paths[p.path]
		if rule.Form != nil && (rule.Other == nil || rule.Other.Form != nil) {
			return nil, invalid("the rule for "+p.path+" has a form, and does not say what happens to strings without it", "give it another rule, which has no form")
		}
		j.rules = append(j.rules, j.bind(rule))
	}
	var names []string
	if j.states, j.root, names, err = compile(patterns, j.rules); err != nil {
		return nil, err
	}
	j.numbers = make(map[string]int, len(names))
	for i, name := range names {
		j.numbers[name] = i + 1
	}
	for _, name := range r.Names {
		if _, ok := j.numbers[name]; !ok {
			j.numbers[name] = 0 // it leads where any other does
		}
	}
	j.runs.New = func() any { return &run{m: j, loci: newLoci(names)} }
	return j, nil
}

func (m *Masker) bind(r Rule) bound {
	b := bound{action: r.Action, op: r.Operator, strings: r.Strings, placeholder: "[TEXT]"}
	for _, e := range scan.Entities() {
		if e.Label() == r.Label {
			b.entity, b.placeholder = e, "["+e.String()+"]"
			break
		}
	}
	if r.Action == Mask && b.op == nil {
		label := r.Label
		if label == "" {
			label = sallyport.Unclassified
		}
		b.op = m.text.Profile.Label([]sallyport.Label{label})
	}
	if b.action == Mask {
		switch b.op.Kind() {
		case operator.Keep:
			b.action = Keep
		case operator.Drop:
			b.action = Drop
		}
	}
	if r.Form != nil {
		other := m.bind(*r.Other)
		b.form, b.other = r.Form, &other
	}
	return b
}

// Append appends the masked form of one document to dst and returns the result.
// An error has Kind Integrity, and dst is then returned as it came: nothing of
// src may pass, and the caller masks the whole.
func (m *Masker) Append(dst, src []byte, w *text.Work) ([]byte, error) {
	if len(src) > MaxDocument || !utf8.Valid(src) {
		return dst, refuse()
	}
	r := m.runs.Get().(*run)
	defer m.runs.Put(r)
	locus := w.Locus
	defer func() { w.Locus = locus }()
	r.begin(lex.NewEdit(dst, src), w, 0)
	defer r.end()
	if !r.document(m.root, 0) {
		return dst, refuse()
	}
	return r.edit.Bytes(), nil
}

// unparsable stands for a line that is no JSON.
const unparsable = `"[UNPARSABLE]"`

// AppendLines is Append for one document a line (NDJSON, JSON Lines). A line that
// Append refuses becomes the string "[UNPARSABLE]"; refused counts those. Empty
// lines stay.
func (m *Masker) AppendLines(dst, src []byte, w *text.Work) (out []byte, refused int) {
	return lex.AppendLines(dst, src, unparsable, func(dst, line []byte) ([]byte, error) { return m.Append(dst, line, w) })
}

func refuse() error {
	return sallyport.E(sallyport.Integrity, "json", "the document is not valid JSON, or nested too deep").
		WithHint("the document was withheld, because it could not be masked with certainty; mask it whole or have the sender correct it")
}

func invalid(msg, hint string) error {
	return sallyport.E(sallyport.Invalid, "json rules", msg).WithHint(hint)
}
