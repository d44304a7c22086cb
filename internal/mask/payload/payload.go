// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package payload masks whole payloads: what a file, the body of an answer or a
// stream holds. It tells the kind of a payload from its beginning and gives it to
// the mask that knows that kind, piece by piece where the kind allows it. What is
// not of its kind is masked whole.
package payload

import (
	"io"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/csvmask"
	"github.com/sallyport-dev/sallyport/internal/mask/fhir"
	"github.com/sallyport-dev/sallyport/internal/mask/hl7"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/mask/stream"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
	"github.com/sallyport-dev/sallyport/internal/mask/x12"
)

// MaxDocument bounds a payload that can only be masked as a whole, in bytes.
const MaxDocument = 256 << 20

// Options are what the masks need beyond the rules.
type Options struct {
	// Guess gives a column of CSV that no rule names a label, or "". May be nil.
	Guess func(column string) sallyport.Label
	// ScanText has free text in structured payloads scanned instead of masked whole.
	ScanText bool
}

// Masks are the masks of all kinds for one set of rules. They do not change and
// are safe for concurrent use.
type Masks struct {
	set     *rules.Set
	options Options
	fhir    *fhir.Masker
	hl7     *hl7.Masker
	x12     *x12.Masker
}

// New makes the masks. Errors have Kind Invalid and say what to change in the
// rules.
func New(set *rules.Set, o Options) (*Masks, error) {
	m := &Masks{set: set, options: o}
	f := set.File()
	elements := fhir.Options{Keep: f.FHIR.Keep, Scan: f.FHIR.Scan}
	if o.ScanText {
		elements.Scan = append(elements.Scan, "*")
	}
	var err error
	if m.fhir, err = fhir.Compile(set.Text(), elements); err != nil {
		return nil, err
	}
	if m.hl7, err = hl7.New(set.Text(), hl7.Options{ScanText: o.ScanText}); err != nil {
		return nil, err
	}
	if m.x12, err = x12.New(set.Text(), x12.Options{ScanText: o.ScanText}); err != nil {
		return nil, err
	}
	if _, err = m.csv(nil); err != nil {
		return nil, err
	}
	return m, nil
}

// csv returns the mask of a table whose first line is head.
func (m *Masks) csv(head []byte) (*csvmask.Masker, error) {
	o := csvmask.Options{Delimiter: delimiterOf(head), Header: true, Columns: map[string][]sallyport.Label{}, Guess: m.options.Guess}
	for name, label := range m.set.File().Columns {
		o.Columns[name] = []sallyport.Label{sallyport.Label(label)}
	}
	return csvmask.New(m.set.Text(), o)
}

// Writer masks one payload. Each is used by one goroutine, for one payload.
type Writer interface {
	io.Writer
	// Flush says that the payload has ended and hands on what is pending.
	Flush() error
	// Abort drops what is pending.
	Abort()
	// Failed returns how many parts were not of the kind and were masked whole.
	Failed() int
}

// What stands for a payload, or a record, that is not of its kind.
const (
	unparsable     = "[UNPARSABLE]\n"
	unparsableJSON = `"[UNPARSABLE]"`
	unparsableFHIR = `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"suppressed"}]}`
)

// Writer returns a writer that hands the masked form of a payload to sink.
func (m *Masks) Writer(kind Kind, w *text.Work, sink io.Writer) Writer {
	switch kind {
	case JSON:
		return newWhole(m.set.JSON().Append, w, sink, unparsableJSON)
	case FHIR:
		return newWhole(m.fhir.Append, w, sink, unparsableFHIR)
	case NDJSON:
		f := &counting{format: m.line}
		return records{stream.NewRecords(f, w, sink, stream.RecordOptions{Framing: stream.Lines, Limit: MaxDocument, Placeholder: []byte(unparsableJSON)}), f}
	case HL7:
		return newWhole(m.hl7.Append, w, sink, unparsable)
	case X12:
		return newWhole(m.x12.Append, w, sink, unparsable)
	case CSV:
		return newWhole(m.table, w, sink, unparsable)
	}
	return newTexts(m.set.Text(), w, sink)
}

// line masks one document of many, which may be a resource.
func (m *Masks) line(dst, src []byte, w *text.Work) ([]byte, error) {
	if hasResourceType(src) {
		return m.fhir.Append(dst, src, w)
	}
	return m.set.JSON().Append(dst, src, w)
}

func (m *Masks) table(dst, src []byte, w *text.Work) ([]byte, error) {
	c, err := m.csv(src)
	if err != nil {
		return dst, err
	}
	return c.Append(dst, src, w)
}

// format masks something whole.
type format func(dst, src []byte, w *text.Work) ([]byte, error)

// counting counts the records that were no such thing.
type counting struct {
	format format
	failed int
}

// Append implements stream.Format.
func (c *counting) Append(dst, src []byte, w *text.Work) ([]byte, error) {
	out, err := c.format(dst, src, w)
	if err != nil {
		c.failed++
	}
	return out, err
}

// records is a sequence of documents.
type records struct {
	*stream.Records
	counting *counting
}

// Failed implements [Writer].
func (r records) Failed() int { return r.counting.failed }

// whole gathers a payload and masks it at its end.
type whole struct {
	format      format
	w           *text.Work
	sink        io.Writer
	placeholder string
	buf         []byte
	failed      int
	ended       bool
}

func newWhole(f format, w *text.Work, sink io.Writer, placeholder string) *whole {
	return &whole{format: f, w: w, sink: sink, placeholder: placeholder}
}

// Write implements [Writer]. Of what is larger than a payload may be nothing is
// kept.
func (h *whole) Write(p []byte) (int, error) {
	if h.ended {
		return 0, errEnded()
	}
	if h.failed == 0 && len(h.buf)+len(p) > MaxDocument {
		h.failed, h.buf = 1, nil
	}
	if h.failed == 0 {
		h.buf = append(h.buf, p...)
	}
	return len(p), nil
}

// Flush implements [Writer].
func (h *whole) Flush() error {
	if h.ended {
		return errEnded()
	}
	out := []byte(h.placeholder)
	if h.failed == 0 {
		masked, err := h.format(nil, h.buf, h.w)
		if err != nil {
			h.failed = 1
		} else {
			out = masked
		}
	}
	h.Abort()
	_, err := h.sink.Write(out)
	return err
}

// Abort implements [Writer].
func (h *whole) Abort() {
	clear(h.buf)
	h.buf, h.ended = nil, true
}

// Failed implements [Writer].
func (h *whole) Failed() int { return h.failed }

func errEnded() error {
	return sallyport.E(sallyport.Internal, "mask payload", "the payload has ended").WithHint("make a new writer for each payload")
}
