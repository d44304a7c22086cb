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
	scanText bool
	runs     sync.Pool // of *run, for their memory
}

// New compiles the table for a scanner and a profile. Errors have Kind Invalid
// and say which of the site's fields is wrong.
func New(m *text.Masker, o Options) (*Masker, error) {
	t, err := newTable(o)
	if err != nil {
		return nil, err
	}
	return &Masker{text: m, ops: element.NewOps(m), table: t, scanText: o.ScanText}, nil
}

// Append appends src, masked, to dst. On an error, which has Kind Integrity, dst
// is returned as it came. What the scanner knows of names is set anew for each
// message.
func (m *Masker) Append(dst, src []byte, w *text.Work) ([]byte, error) {
	r, _ := m.runs.Get().(*run)
	if r == nil {
		r = &run{counts: element.NewCounts(len(m.table.loci))}
	}
	r.m, r.w, r.src = m, w, src
	patient := w.Row.Patient
	out, err := r.file(dst)
	w.Row.Patient = patient
	if err != nil {
		r.counts.Reset()
		out = dst
	}
	r.counts.Flush(&w.Tally, m.ops, "field", m.table.loci)
	r.m, r.w, r.src, r.valueType, r.valueCode = nil, nil, nil, nil, nil
	clear(r.components[:])
	m.runs.Put(r)
	return out, err
}

// run is the work on one call of Append.
type run struct {
	m      *Masker
	w      *text.Work
	src    []byte
	counts *element.Counts

	d       delimiters
	started bool // a header has been read
	seen    uint // classes of the bytes of the current field
	classes element.Classes
	message int  // where the current message begins
	learned bool // its names are in w.Known

	components [maxComponents][]byte // of the current repetition

	valueType, valueCode []byte // OBX-2 and OBX-3 of the current segment

	found   []scan.Span
	decoded []byte
	origin  []int32 // of each byte of decoded and of its end, in the text
	value   []byte
}

// put appends what stands for v, a whole value that is an e, written with the
// message's separators.
func (r *run) put(dst, v []byte, f *field, e scan.Entity) []byte {
	if len(v) == 0 || isNull(v) {
		return append(dst, v...)
	}
	r.counts.Add(f.place, e)
	if fixed := r.m.ops.Fixed(e); fixed != nil {
		return append(dst, fixed...)
	}
	if r.m.ops.Kind(e) == operator.Keep {
		return append(dst, v...)
	}
	plain, _ := r.decode(v)
	r.value = r.m.ops.Put(r.value[:0], plain, e, r.w)
	return r.d.escape(dst, r.value)
}

// isNull reports whether a field holds "", which deletes a value at the receiver.
func isNull(v []byte) bool { return len(v) == 2 && v[0] == '"' && v[1] == '"' }
