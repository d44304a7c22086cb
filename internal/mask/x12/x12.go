// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package x12 masks interchanges of ASC X12, as insurers and providers exchange
// them: claims (837), remittances (835), eligibility (270, 271), and the other
// transactions of health care.
//
// A table says what each element of their segments holds ([Masker] is its
// compiled form), and is a list of what may stay: codes, amounts, counts.
// Identifiers go by the qualifier before them, names, addresses, telephones and
// dates through the profile. A date stays a date of its format; an element keeps
// to its lengths; one that is masked whole without being known is as long as it
// was, so that it fits wherever it stood.
//
// The envelopes stay right: no segment comes or goes, so counts hold, and control
// numbers become ordinals that agree between a header and its trailer. The number
// of the interchange in the stream is [text.Work]'s Row.Number.
//
// An interchange whose separators cannot be told, whose envelopes do not nest or
// which ends within a segment is refused with Kind Integrity: then nothing of it
// may pass.
package x12

import (
	"sync"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Options are a site's choices.
type Options struct {
	// ScanText lets free text pass with the scanner's findings masked. It is then
	// reduced, not de-identified. Otherwise free text is masked whole.
	ScanText bool
}

// Masker masks interchanges. It does not change and is safe for concurrent use.
type Masker struct {
	text     *text.Masker
	ops      *element.Ops
	table    *table
	places   *element.Places
	scanText bool
	runs     sync.Pool // of *run, for their memory
}

// Compile compiles the table for a scanner and a profile.
func Compile(m *text.Masker, o Options) (*Masker, error) {
	t, err := newTable()
	if err != nil {
		return nil, err
	}
	ops := element.NewOps(m)
	return &Masker{text: m, ops: ops, table: t, places: element.NewPlaces(ops, "element", t.loci), scanText: o.ScanText}, nil
}

// Append appends src, masked, to dst. On an error, which has Kind Integrity, dst
// is returned as it came. What the scanner knows of names is set anew for each
// subscriber.
func (m *Masker) Append(dst, src []byte, w *text.Work) ([]byte, error) {
	r, _ := m.runs.Get().(*run)
	if r == nil {
		r = &run{counts: element.NewCounts(m.places), classes: *element.NewClasses()}
	}
	r.m, r.w = m, w
	out, err := r.file(dst, src)
	if err != nil {
		r.counts.Reset()
		out = dst
	}
	r.counts.Flush(&w.Tally)
	r.m, r.w = nil, nil
	clear(r.elements)
	m.runs.Put(r)
	return out, err
}

// run is the work on one call of Append.
type run struct {
	m      *Masker
	w      *text.Work
	counts *element.Counts

	d        delimiters
	classes  element.Classes
	envelope envelope
	elements [][]byte // of the current segment, after its name

	found []scan.Span
}

// envelope is where in an interchange the run is.
type envelope struct {
	interchange, group, set []byte // control numbers as shown; nil outside
	groups, sets            uint64 // ordinals of the current ones
	numbers                 [3][16]byte
}

func refuse(msg string) error {
	return sallyport.E(sallyport.Integrity, "x12 interchange", msg).WithHint("mask the payload as a whole")
}
