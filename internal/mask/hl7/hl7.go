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
	// fixed are what stands for any value of an entity, and for free text, that of
	// scan.None. It has no size where that depends on the value.
	fixed [element.Entities]value
	// shortNames says that placeholders stand for an identifier and for a name, with room
	// for what parts its words behind it.
	shortNames bool
	quicks     [ruleCount]quick
	plainYear  uint32 // the digits of the year after which dates show their own, whatever the clock says

	runs sync.Pool // of *run, for their memory
}

// Compile compiles the table for a scanner and a profile. Errors have Kind Invalid
// and say which of the site's fields is wrong.
func Compile(m *text.Masker, o Options) (*Masker, error) {
	ops := element.NewOps(m)
	masker := &Masker{text: m, ops: ops, scanText: o.ScanText}
	masker.fixed[scan.None] = valueOf("[TEXT]")
	for _, e := range scan.Entities() {
		if text := string(ops.Fixed(e)); len(text) <= valueSize {
			masker.fixed[e] = valueOf(text)
		}
	}
	size := masker.fixed[scan.Name].size
	masker.shortNames = size > 0 && size+wordsOfName <= valueSize && masker.fixed[scan.Unique].size > 0
	masker.plainYear = yearOf(ops.PlainYear())
	for by := range ruleCount {
		masker.quicks[by] = masker.quickOf(by)
	}
	var err error
	if masker.table, err = newTable(o, masker); err != nil {
		return nil, err
	}
	masker.places = element.NewPlaces(ops, "field", masker.table.loci)
	return masker, nil
}

// Append appends src, masked, to dst. On an error, which has Kind Integrity, dst
// is returned as it came. What it appends is copied in pieces that are a little too long,
// so that room of dst behind it may be written to as well. What the scanner knows of names
// is set anew for each message.
func (m *Masker) Append(dst, src []byte, w *text.Work) ([]byte, error) {
	r, _ := m.runs.Get().(*run)
	if r == nil {
		r = &run{m: m}
	}
	r.w = w
	r.edit.begin(src, dst)
	r.oldest = 0
	patient := w.Row.Patient
	err := r.file()
	w.Row.Patient = patient
	if err == nil {
		dst = r.done()
		w.Tally.Numbers(m.places).AddEach(r.counts)
	}
	r.w, r.src, r.dst = nil, nil, nil
	m.runs.Put(r)
	return dst, err
}

// run is the work on one call of Append.
type run struct {
	edit
	m *Masker
	w *text.Work

	d       delimiters
	name    value  // what stands for a name, with separators of components behind it
	both    value  // and for an identifier and a name
	oldest  uint32 // the year of shownFrom; 0 when nobody has asked for it
	view    view
	classes element.Classes
	started bool // a header has been read
	segment int  // where the current segment begins
	opaque  bool // the message's character set hides separators
	names

	piece  piece  // the current value, when it is a usual one
	parted parted // or when it is not

	found   []scan.Span
	decoded []byte
	origin  []int32 // of each byte of decoded and of its end, in the text
	plain   []byte  // a value, without escapes
	escapes []byte  // and with them
}

// whole masks src[start:end], a whole value that is an e.
func (r *run) whole(start, end int, f *field, e scan.Entity) {
	if v := r.src[start:end]; len(v) > 0 && !isNull(v) {
		r.show(start, end, v, f, e)
	}
}

// show puts what stands for v, which is an e, in the place of src[start:end],
// written with the message's separators.
func (r *run) show(start, end int, v []byte, f *field, e scan.Entity) {
	r.count(f.counts(e))
	if shown := &r.m.fixed[e]; shown.size > 0 {
		r.put(start, end, shown, shown.size)
		return
	}
	if r.m.ops.Kind(e) == operator.Keep {
		r.change(start, end, v)
		return
	}
	plain, _ := r.decode(v)
	r.plain = r.m.ops.Put(r.plain[:0], plain, e, r.w)
	r.changeEscaped(start, end, r.plain)
}

// drop leaves src[start:end] out.
func (r *run) drop(start, end int, f *field, e scan.Entity) {
	r.count(f.counts(e))
	r.put(start, end, &r.nothing, 0)
}

// hide puts the placeholder of free text in the place of src[start:end].
func (r *run) hide(start, end int, f *field) {
	r.count(f.counts(scan.Unique))
	shown := &r.m.fixed[scan.None]
	r.put(start, end, shown, shown.size)
}

// separated makes the values that have separators of components in them.
func (r *run) separated(component byte) {
	name := r.m.fixed[scan.Name]
	for i := name.size; i < valueSize; i++ {
		name.text[i] = component
	}
	r.name = name
	r.both = r.m.fixed[scan.Unique]
	n := r.both.size
	r.both.text[min(n, valueSize-1)] = component
	r.both.size += 1 + name.size
	copy(r.both.text[min(n+1, valueSize):], name.text[:])
}

// isNull reports whether a field holds "", which deletes a value at the receiver.
func isNull(v []byte) bool { return len(v) == len(null) && v[0] == '"' && v[1] == '"' }

const null = `""`
