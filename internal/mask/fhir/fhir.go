// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package fhir masks resources of HL7 FHIR, R4 and R5, in JSON: single ones,
// Bundles with all that is in them, contained resources, and NDJSON as bulk
// exports write it.
//
// What is kept is what the definitions of FHIR and the tables of this package
// name (elements.txt, rules.go): codes of FHIR's own value sets, codes of known
// terminologies, numbers, booleans. Everything else is masked so that the
// resource stays valid, or dropped: elements that no definition knows, values of
// another JSON type than the definition's, and all extensions, those of
// primitives ("_birthDate") included. Where the definitions demand an element
// that has to go, the extension data-absent-reason stands in its place.
//
// Ids are replaced by "r1", "r2" in the order in which a document mentions them,
// in references too, so that what pointed to something within the document still
// does. They are derived from nothing but that order, and say nothing outside of
// the document. A URL counts as the resource that it ends with, whatever server it
// names.
//
// What is shown of a Coding in a known terminology rests on its word: its code has
// to be of the terminology's form and the display is scanned, but a sender that
// writes a name into a display, or into a code of a terminology of words, is
// believed. So is one that writes a name as a unit, a link id or the name of a
// parameter. Ages above 89 are found in quantities of a unit of time; a bare
// integer says nothing of what it counts.
//
// A resource of an unknown type, malformed JSON and a Coding or Quantity that has
// an element twice are refused: the caller then masks the whole.
//
// elements.txt is the union of both versions' definitions, made by
// tools/fhirelements.
package fhir

import (
	_ "embed" // the table of elements
	"sync"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask/lex"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Limits of a document.
const (
	MaxDocument = 256 << 20 // bytes
	MaxNesting  = 16        // resources within resources
	MaxDepth    = 128       // objects and arrays within each other
)

//go:embed elements.txt
var elements string

// Options are what a site changes. Paths are written with dots, from a resource
// ("Observation.note.text") or from a data type, which then holds wherever the
// type is used ("Dosage.text"). Elements with a choice of types are named as in
// JSON ("Observation.valueString").
type Options struct {
	// Keep are elements that stay as they are, with all that is in them.
	Keep []string
	// Scan are elements of text in which only what the scanner finds is masked.
	// "*" stands for every text that would be masked whole otherwise because
	// nothing is known about it.
	Scan []string
	// Systems are URIs of code systems of the site's own whose codes and displays
	// are no identifiers.
	Systems []string
}

// Masker masks resources by a profile. It does not change and is safe for
// concurrent use.
type Masker struct {
	text      *text.Masker
	resources map[string]*node
	codes     map[string]struct{}
	systems   map[string]struct{}
	fields    []*field
	ops       map[scan.Entity]*operator.Operator
	age       *operator.Operator
	learns    bool // texts are scanned that may hold names of the same document
	runs      sync.Pool
}

// Compile builds the masker of a profile. Errors have Kind Invalid and say what
// to change.
func Compile(m *text.Masker, o Options) (*Masker, error) {
	f := &Masker{text: m, learns: len(o.Scan) > 0, systems: make(map[string]struct{}), ops: make(map[scan.Entity]*operator.Operator)}
	for _, list := range [][]string{terminologies, o.Systems} {
		for _, s := range list {
			f.systems[s] = struct{}{}
		}
	}
	b := newBuilder(elements, m.Profile)
	if err := b.apply(o); err != nil {
		return nil, err
	}
	f.resources, f.codes, f.fields = b.finish()
	for _, e := range scan.Entities() {
		f.ops[e] = m.Profile.Entity(e)
	}
	f.age = f.ops[scan.Age]
	f.runs.New = func() any { return newRun(f) }
	return f, nil
}

// Append appends the masked form of a document, one resource, to dst and returns
// the result. It keeps white space, order and the text of numbers. Where
// [Options.Scan] names something, the names of people that the document holds
// replace what is in w.Known, so that they are found in the texts that are
// scanned. An error has Kind Integrity, and dst is then returned as it came:
// nothing of src may pass.
func (m *Masker) Append(dst, src []byte, w *text.Work) ([]byte, error) {
	if len(src) > MaxDocument {
		return dst, refuse("the document is too large")
	}
	if !utf8.Valid(src) {
		return dst, refuse("the document is not UTF-8")
	}
	r := m.runs.Get().(*run)
	defer m.runs.Put(r)
	r.begin(dst, src, w)
	if m.learns {
		w.Known.Reset()
		r.learn()
	}
	locus := w.Locus
	end, _ := r.resource(lex.Space(src, 0), 0, false)
	w.Locus = locus
	if end < 0 || lex.Space(src, end) != len(src) {
		r.end()
		if r.fault != "" {
			return dst, refuse(r.fault)
		}
		return dst, refuse("the document is not JSON as FHIR has it")
	}
	out := r.edit.Bytes()
	r.end()
	return out, nil
}

// suppressed stands in NDJSON for a line that could not be masked.
const suppressed = `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"suppressed"}]}`

// AppendLines is Append for NDJSON, one resource a line. A line that Append
// refuses becomes an OperationOutcome that says "suppressed"; refused counts
// those. Empty lines stay.
func (m *Masker) AppendLines(dst, src []byte, w *text.Work) (out []byte, refused int) {
	return lex.AppendLines(dst, src, suppressed, func(dst, line []byte) ([]byte, error) { return m.Append(dst, line, w) })
}

func refuse(msg string) error {
	return sallyport.E(sallyport.Integrity, "fhir", msg).
		WithHint("the resource was withheld, because it could not be masked with certainty; mask it whole or have the sender correct it")
}
