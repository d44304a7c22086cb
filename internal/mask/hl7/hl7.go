// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package hl7 masks messages of HL7 version 2 in their usual encoding with
// separators (ER7): one message, several, a batch file, with or without the
// framing of MLLP.
//
// A table says what each field of the standard segments holds ([Masker] is its
// compiled form). It is a list of what may stay: numbers, indicators, codes with
// their systems. Identifiers, names, addresses, telephones and dates go through
// the profile and leave a value that is valid for the field's type: a date keeps
// its year, a name becomes one family name. Free text (NTE-3, an OBX-5 of type
// TX, FT or ST) is masked whole unless [Options] says that it is scanned. What
// the table does not know is masked: segments of the site's own, fields beyond
// its end, a value of unknown type, a line that is no segment.
//
// The result has the same lines, fields and repetitions; components of a masked
// field may be empty. A message whose separators cannot be told, or whose
// character set hides them, is refused with Kind Integrity: then nothing of it
// may pass.
//
// Masking a result again changes nothing, but for texts that are scanned: beside
// what a finding leaves, such as a year, the scanner may find something more.
//
// MSH-10 must be there for an acknowledgement. Where the profile shows a
// placeholder for unique codes, the message's number in the stream stands there:
// [text.Work] counts messages in Row.Number.
package hl7

import (
	"sync"

	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Options are a site's choices.
type Options struct {
	// ScanText lets free text pass with the scanner's findings masked. It is then
	// reduced, not de-identified. Otherwise free text is masked whole.
	ScanText bool
	// Keep and Mask are fields, written as "PV1-3", that the site knows better than
	// the table: free of identifiers, or masked whole.
	Keep, Mask []string
}

// Masker masks messages. It does not change and is safe for concurrent use.
type Masker struct {
	text     *text.Masker
	ops      *element.Ops
	table    *table
	places   *element.Places
	scanText bool
	runs     sync.Pool // of *run, for their memory
}

// Compile compiles the table for a scanner and a profile. Errors have Kind Invalid
// and say which of the site's fields is wrong.
func Compile(m *text.Masker, o Options) (*Masker, error) {
	t, err := newTable(o)
	if err != nil {
		return nil, err
	}
	ops := element.NewOps(m)
	return &Masker{text: m, ops: ops, table: t, places: element.NewPlaces(ops, "field", t.loci), scanText: o.ScanText}, nil
}

// Append appends src, masked, to dst. On an error, which has Kind Integrity, dst
// is returned as it came. What the scanner knows of names is set anew for each
// message.
func (m *Masker) Append(dst, src []byte, w *text.Work) ([]byte, error) {
	r, _ := m.runs.Get().(*run)
	if r == nil {
		r = &run{m: m, counts: element.NewCounts(m.places)}
	}
	r.w, r.edit, r.years = w, edit{src: src, dst: dst}, years{}
	patient := w.Row.Patient
	err := r.file()
	w.Row.Patient = patient
	if err != nil {
		r.counts.Reset()
	} else {
		r.cut(len(src), len(src))
		dst = r.dst
	}
	r.counts.Flush(&w.Tally)
	r.w, r.edit, r.valueType, r.valueCode = nil, edit{}, nil, nil
	m.runs.Put(r)
	return dst, err
}

// run is the work on one call of Append.
type run struct {
	edit
	m      *Masker
	w      *text.Work
	counts *element.Counts

	d        delimiters
	encoding []byte // that declared d
	words    words
	classes  element.Classes
	started  bool // a header has been read
	message  int  // where the current message begins
	segment  int  // where the current segment begins
	opaque   bool // the message's character set hides separators
	learned  bool // its names are in w.Known
	hinted   bool // and all of them in hints
	hints    scan.Hints

	parted parted // the current repetition
	named  parted // the one that names are looked for in

	valueType, valueCode []byte // OBX-2 and OBX-3 of the current segment

	years   years
	found   []scan.Span
	decoded []byte
	origin  []int32 // of each byte of decoded and of its end, in the text
	value   []byte
}

// put masks src[start:end], a whole value that is an e.
func (r *run) put(start, end int, f *field, e scan.Entity) {
	if v := r.src[start:end]; len(v) > 0 && !isNull(v) {
		r.show(start, end, v, f, e)
	}
}

// show puts what stands for v, which is an e, in the place of src[start:end],
// written with the message's separators.
func (r *run) show(start, end int, v []byte, f *field, e scan.Entity) {
	r.counts.Add(f.place, e, 1)
	if fixed := r.m.ops.Fixed(e); fixed != nil {
		r.replace(start, end, fixed)
		return
	}
	if r.m.ops.Kind(e) == operator.Keep {
		r.replace(start, end, v)
		return
	}
	plain, _ := r.decode(v)
	r.value = r.m.ops.Put(r.value[:0], plain, e, r.w)
	r.cut(start, end)
	r.dst = r.d.escape(r.dst, r.value)
}

// drop leaves src[start:end] out.
func (r *run) drop(start, end int, f *field, e scan.Entity) {
	r.counts.Add(f.place, e, 1)
	r.cut(start, end)
}

// isNull reports whether a field holds "", which deletes a value at the receiver.
func isNull(v []byte) bool { return len(v) == 2 && v[0] == '"' && v[1] == '"' }
