// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package payload masks whole payloads: what a file, the body of an answer or a
// stream holds. It tells the kind of a payload from its beginning and gives it to
// the mask that knows that kind, piece by piece where the kind allows it. What is
// not of its kind is masked whole.
package payload

import (
	"bytes"
	"io"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/csvmask"
	"github.com/sallyport-dev/sallyport/internal/mask/fhir"
	"github.com/sallyport-dev/sallyport/internal/mask/hl7"
	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask"
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
	// Strict masks what no path of the rules names in JSON, instead of scanning it.
	Strict bool
}

// Masks are the masks of all kinds for one set of rules. They do not change and
// are safe for concurrent use.
type Masks struct {
	set     *rules.Set
	options Options
	json    *jsonmask.Masker
	fhir    *fhir.Masker
	hl7     *hl7.Masker
	x12     *x12.Masker
}

// New makes the masks. Errors have Kind Invalid and say what to change in the
// rules.
func New(set *rules.Set, o Options) (*Masks, error) {
	m := &Masks{set: set, options: o, json: set.JSON()}
	if o.Strict {
		m.json = set.StrictJSON()
	}
	f := set.File()
	elements := fhir.Options{Keep: f.FHIR.Keep, Scan: f.FHIR.Scan, Systems: f.FHIR.Systems}
	if o.ScanText {
		elements.Scan = append(elements.Scan, "*")
	}
	var err error
	if m.fhir, err = fhir.Compile(set.Text(), elements); err != nil {
		return nil, err
	}
	if m.hl7, err = hl7.Compile(set.Text(), hl7.Options{ScanText: o.ScanText, Keep: f.HL7.Keep, Mask: f.HL7.Mask}); err != nil {
		return nil, err
	}
	if m.x12, err = x12.Compile(set.Text(), x12.Options{ScanText: o.ScanText}); err != nil {
		return nil, err
	}
	if _, err = m.csv(nil, 0); err != nil {
		return nil, err
	}
	return m, nil
}

// csv returns the mask of a table whose first line is head; its separator is sep, or
// if that is 0, what the line has most of. The options' Strict counts for the columns
// that nobody knows as well.
func (m *Masks) csv(head []byte, sep byte) (*csvmask.Masker, error) {
	if sep == 0 {
		sep = delimiterOf(head)
	}
	o := csvmask.Options{Delimiter: sep, Header: true, Columns: map[string][]sallyport.Label{}, Guess: m.options.Guess, Strict: m.options.Strict}
	for name, label := range m.set.File().Columns {
		o.Columns[name] = []sallyport.Label{sallyport.Label(label)}
	}
	return csvmask.Compile(m.set.Text(), o)
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

// Body returns the mask of a payload that comes from a target.
func (m *Masks) Body(kind Kind) *mask.Body {
	return mask.NewBody(func(w *text.Work, sink io.Writer) mask.PayloadWriter { return m.Writer(kind, w, sink) })
}

// Writer returns a writer that hands the masked form of a payload to sink.
func (m *Masks) Writer(kind Kind, w *text.Work, sink io.Writer) Writer {
	switch kind {
	case JSON:
		return newWhole(unmarked(m.document), w, sink, unparsableJSON)
	case FHIR:
		return newWhole(unmarked(m.fhir.Append), w, sink, unparsableFHIR)
	case NDJSON:
		f := &counting{format: m.line}
		return records{stream.NewRecords(f, w, sink, stream.RecordOptions{Framing: stream.Lines, Limit: MaxDocument, Placeholder: []byte(unparsableJSON)}), f}
	case Events:
		f := &counting{format: m.event}
		return records{stream.NewRecords(stream.EventData(f), w, sink, stream.RecordOptions{Framing: stream.Events, Placeholder: []byte("data: " + unparsableJSON)}), f}
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
	return m.json.Append(dst, src, w)
}

// event masks the data of a server-sent event: a document, or else a text, where
// texts may be scanned.
func (m *Masks) event(dst, src []byte, w *text.Work) ([]byte, error) {
	out, err := m.line(dst, src, w)
	if err != nil && m.options.ScanText {
		return m.set.Text().Append(dst, src, w), nil
	}
	return out, err
}

// document masks one document. That it is a resource may have been too late in it
// for [Sniff] to see.
func (m *Masks) document(dst, src []byte, w *text.Work) ([]byte, error) {
	if len(src) > HeadLen && hasResourceType(src) && !hasResourceType(src[:HeadLen]) {
		return m.fhir.Append(dst, src, w)
	}
	return m.json.Append(dst, src, w)
}

// unmarked gives a document to f without the byte order mark, which JSON has none of.
func unmarked(f format) format {
	return func(dst, src []byte, w *text.Work) ([]byte, error) {
		return f(dst, bytes.TrimPrefix(src, byteOrderMark), w)
	}
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// table masks a file of CSV, with a line before it that names its separator or
// without.
func (m *Masks) table(dst, src []byte, w *text.Work) ([]byte, error) {
	sep, after := cutSeparator(bytes.TrimPrefix(src, byteOrderMark))
	body := src
	if after != nil {
		body = after
	}
	if headless(bytes.TrimPrefix(body, byteOrderMark)) {
		return dst, errHeadless()
	}
	c, err := m.csv(body, sep)
	if err != nil {
		return dst, err
	}
	out, err := c.Append(append(dst, src[:len(src)-len(body)]...), body, w)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func errHeadless() error {
	return sallyport.E(sallyport.Integrity, "mask payload", "the first line of a table does not name its columns").
		WithHint("have the sender put a header in front, or mask the payload as text")
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
