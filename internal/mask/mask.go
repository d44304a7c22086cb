// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package mask turns bytes that came from a target into bytes that may leave
// the gateway.
//
// The law is in the types. [Raw] is what a target sent; nothing but this
// package can look inside it. [Masked] is what may go to a client or into a
// recording; nothing but this package can make it. A writer that accepts only
// Masked can therefore not be handed an unmasked row, whatever the code around
// it does.
//
// For PostgreSQL there are four ways from one to the other: [PGPlan] for the
// rows of a result ([Buffer.Row], [Buffer.Rows], [PGPlan.Pass]), [PGCopy] for
// COPY TO STDOUT, [Diagnostic] for errors and notices, and [Control] for the
// messages that hold no data. Each fails closed: bytes that do not have the
// promised shape are refused with an error of kind [sallyport.Integrity], and
// a value for which no valid mask is known becomes NULL.
//
// For BigQuery a [BQPlan] masks rows in both of their forms: answers of the REST
// interface ([BQPlan.MaskRows]), and record batches by package arrowmask, which are
// [Batches] here. A row that does not fit its columns withholds the whole answer.
//
// A column of rows or of a copy is masked by a constant of its type, by an
// operator that works on each value (package operator), or by showing a text
// without what a scanner finds in it (package text); [PGColumn] says which. A
// masked value is always a value of its type, in the format that the client asked
// for. Operators know the meaning of a value and not its form; the form is decoded
// and encoded here, type by type.
//
// The package is pure: no I/O but the io.Writer of [Masked.WriteTo] and what a
// [Detector] does, no clock, no randomness, no goroutine.
package mask

import (
	"io"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Raw is bytes from a target that nobody has masked yet. It has no accessor:
// only this package reads it. It may alias the decoder's read buffer and is
// good only as long as that is.
type Raw struct{ b []byte }

// FromUpstream marks b as unmasked. Only decoders of a target's bytes may call
// it (internal/lint holds the list). b is not copied.
func FromUpstream(b []byte) Raw { return Raw{b: b} }

// Masked is bytes that may reach a client or a recording. The zero value is
// empty and valid.
type Masked struct{ b []byte }

// Synthetic marks b, a message that the gateway itself wrote, as fit to leave.
// No byte of it may come from a target; internal/lint holds the list of
// callers. b is not copied and must not change afterwards.
func Synthetic(b []byte) Masked { return Masked{b: b} }

// WriteTo writes the bytes to w in one call.
func (m Masked) WriteTo(w io.Writer) (int64, error) {
	if len(m.b) == 0 {
		return 0, nil
	}
	n, err := w.Write(m.b)
	return int64(n), err
}

// Less returns what f leaves of m. f must take away only; internal/lint holds the
// list of callers.
func Less(m Masked, f func(dst, doc []byte) ([]byte, error)) (Masked, error) {
	b, err := f(nil, m.b)
	if err != nil {
		return Masked{}, err
	}
	return Masked{b: b}, nil
}

// AppendTo appends the bytes to dst and returns the result.
func (m Masked) AppendTo(dst []byte) []byte { return append(dst, m.b...) }

// Len returns the number of bytes in m.
func (m Masked) Len() int { return len(m.b) }

// Buffer gathers masked messages in the order in which they are to be
// delivered. The zero value is empty and ready. It is used by one goroutine at
// a time.
//
// An operation that returns an error leaves the buffer as it was before the
// call, so that what was gathered earlier may still be delivered.
type Buffer struct{ b []byte }

// Len returns the number of bytes gathered and not yet taken.
func (b *Buffer) Len() int { return len(b.b) }

// Put appends a message that is masked already.
func (b *Buffer) Put(m Masked) { b.b = append(b.b, m.b...) }

// Take hands over what was gathered and leaves the buffer empty. The memory
// belongs to the result; [Buffer.Reuse] gives it back.
func (b *Buffer) Take() Masked {
	m := Masked{b: b.b}
	b.b = nil
	return m
}

// Reuse gives the memory of m, an earlier result of Take that is not needed any
// longer, back to the buffer. It does nothing unless the buffer is empty and
// m's memory is the larger.
func (b *Buffer) Reuse(m Masked) {
	if len(b.b) == 0 && cap(m.b) > cap(b.b) {
		b.b = m.b[:0]
	}
}

// Count says what a mask did to one output of one statement. It holds no value
// and nothing derived from one.
//
// A scanned output has several: one for the values, with the operator
// [OpScan]; one for each kind of finding, which has only Hits; and one with the
// reason [ReasonUnavailable] for the values that a detector failed on. Seen,
// Masked and Nulls can therefore be added up over all counts of an output.
type Count struct {
	Output         int // from 0; -1 for diagnostics
	Columns        []string
	Labels         []sallyport.Label
	Reason         string
	Operator       string // one of the operators below, or the name of an operator.Kind
	Profile        string
	ProfileVersion string

	// Of findings.
	Entity string // such as "SSN"; empty for whole values
	Rule   string // what found it
	Locus  string // the column, or where in it
	Hits   uint64

	// The external detector that had a part in it.
	Detector, DetectorVersion string

	Seen   uint64 // values that passed the mask
	Masked uint64 // values replaced, wholly or in part
	Nulls  uint64 // values that were NULL already
	// Fallback counts values that became the constant of their type, wholly or in
	// an element, because the operator had no answer or the value did not decode.
	Fallback    uint64
	Undecodable uint64 // those of Fallback that did not decode
}

// The operators of masks that depend on no value, and of scans. Which of the
// first three applies to a masked column without an operator of its own follows
// from its type.
const (
	// OpRedact replaces a text by the name of its label in brackets.
	OpRedact = "redact"
	// OpDefault replaces a value by the constant of its type: 0, 1970-01-01, {}.
	OpDefault = "default"
	// OpNull replaces a value by NULL, where no constant of its type is known.
	OpNull = "null"
	// OpScan replaces what a scanner finds in a value and shows the rest.
	OpScan = "scan"
)

// The reasons that this package gives itself; all others come from the verdict.
const (
	// ReasonFinding is the reason of the counts of findings.
	ReasonFinding = "finding"
	// ReasonUnavailable says that values were masked whole because their detector
	// failed or answered what cannot be.
	ReasonUnavailable = "detector_unavailable"
)

// refuse makes the error for bytes that are not what their sender promised.
// msg never holds any of the bytes.
func refuse(op, msg string) error {
	return sallyport.E(sallyport.Integrity, op, msg).
		WithHint("the answer was withheld, because it could not be masked with certainty")
}
