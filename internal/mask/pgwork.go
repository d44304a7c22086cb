// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"bytes"
	"context"
	"encoding/binary"
	"strconv"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// pgMasker is what the masks of rows and of copies share: the columns, the
// counters, and the memory for masks that depend on values.
type pgMasker struct {
	fields []pgField // shared between forks, never written
	masks  bool      // any field is masked
	rows   uint64
	nulls  []uint64 // per field
	work   *pgWork  // nil when every mask is a constant
	keys   Keys     // nil when nobody asks for them
	last   int      // the last field whose values are keys of patients, or -1
	keyBuf []byte   // of the current key
}

func newPGMasker(fields []pgField) pgMasker {
	m := pgMasker{fields: fields, nulls: make([]uint64, len(fields)), last: -1}
	values := false
	for i := range fields {
		m.masks = m.masks || fields[i].act != actPass
		if fields[i].key {
			m.last = i
		}
		values = values || fields[i].act == actValue
	}
	if values {
		m.work = newPGWork(fields)
	}
	return m
}

// Masks reports whether any column is masked.
func (m *pgMasker) Masks() bool { return m.masks }

// Rows returns the number of rows since the mask was made or TakeCounts called;
// the header line of a copy is none.
func (m *pgMasker) Rows() uint64 { return m.rows }

// SetContext gives detectors the context that they are called with from now on.
// Without one they are not called, and their columns are masked whole.
func (m *pgMasker) SetContext(ctx context.Context) {
	if m.work != nil {
		m.work.ctx = ctx
	}
}

// TakeCounts returns what was masked, for each masked column that saw a value,
// and sets the counters back to zero.
func (m *pgMasker) TakeCounts() []Count {
	var counts []Count
	for i := range m.fields {
		f := &m.fields[i]
		if f.act != actPass && m.rows > 0 {
			c := f.count
			c.Seen, c.Nulls = m.rows, m.nulls[i]
			switch f.act {
			case actKeep:
				counts = append(counts, c)
			case actConstant:
				c.Masked = m.rows - m.nulls[i]
				counts = append(counts, c)
			case actValue:
				counts = m.work.cols[i].take(counts, f, c)
			}
		}
		m.nulls[i] = 0
	}
	m.rows = 0
	return counts
}

// pgCounters are the counters of one column whose mask depends on the value.
type pgCounters struct {
	changed, fallback, undecodable, unavailable uint64
	findings                                    text.Tally
}

// take appends the counts of the column, of which c holds all that is known
// without them.
func (n *pgCounters) take(counts []Count, f *pgField, c Count) []Count {
	c.Seen -= n.unavailable
	c.Fallback, c.Undecodable = n.fallback, n.undecodable
	c.Masked = c.Seen - c.Nulls
	if c.Operator == OpScan {
		c.Masked = n.changed + n.fallback
	}
	counts = append(counts, c)
	if n.unavailable > 0 {
		lost := f.count
		lost.Reason, lost.Operator = ReasonUnavailable, OpRedact
		lost.Seen, lost.Masked = n.unavailable, n.unavailable
		counts = append(counts, lost)
	}
	for _, found := range n.findings.Take() {
		hit := f.count
		hit.Reason, hit.Operator = ReasonFinding, found.Operator.String()
		hit.Entity, hit.Rule, hit.Locus, hit.Hits = found.Entity.String(), found.Rule, found.Locus, found.N
		if found.Rule != ruleDetector {
			hit.Detector, hit.DetectorVersion = "", ""
		}
		counts = append(counts, hit)
	}
	n.changed, n.fallback, n.undecodable, n.unavailable = 0, 0, 0, 0
	return counts
}

// pgOutcome says what became of a value; the greater, the worse.
type pgOutcome uint8

const (
	answered    pgOutcome = iota
	unanswered            // there is no valid answer for this value
	undecodable           // the value is none of its type
	unavailable           // the detector failed
)

// pgWork is what masks that depend on values need beside the columns: what is
// known of the row, counters, and memory that is used again.
type pgWork struct {
	ctx     context.Context
	fields  []pgField
	cols    []pgCounters
	batches []pgBatch // per field
	// collects says that a field tells something about others, and detects that
	// one has a detector.
	collects, detects bool

	rows  []pgRow
	text  text.Work // of the current value
	worst pgOutcome // of the elements of the current array

	found                        []scan.Span
	decimal, answer, elem, masks []byte
}

// pgRow is what is known of one of the rows that an answer's row was joined from.
type pgRow struct {
	known   scan.Known
	patient []byte // empty when there is none
}

func newPGWork(fields []pgField) *pgWork {
	w := &pgWork{fields: fields, cols: make([]pgCounters, len(fields)), batches: make([]pgBatch, len(fields))}
	rows := 0
	for i := range fields {
		rows = max(rows, fields[i].row+1)
		w.collects = w.collects || fields[i].collects()
		w.detects = w.detects || fields[i].detector != nil
	}
	w.rows = make([]pgRow, rows)
	return w
}

// beginRun forgets what the detectors were asked before.
func (w *pgWork) beginRun() {
	for i := range w.batches {
		w.batches[i].texts = w.batches[i].texts[:0]
	}
}

// batch notes a value for its column's detector, if it has one.
func (w *pgWork) batch(i int, v []byte) {
	if w.fields[i].detector != nil {
		w.batches[i].add(v)
	}
}

// detect asks the detectors about what was noted.
func (w *pgWork) detect() {
	for i := range w.fields {
		if d := w.fields[i].detector; d != nil {
			w.batches[i].ask(w.ctx, d)
		}
	}
}

// beginRow forgets the row before. Rows have no numbers for operators: a client
// that had noise of its own on each repetition of a row would take the mean.
func (w *pgWork) beginRow() {
	if !w.collects {
		return
	}
	for i := range w.rows {
		w.rows[i].known.Reset()
		w.rows[i].patient = w.rows[i].patient[:0]
	}
}

// collect notes what a value tells about the other columns of its row.
func (w *pgWork) collect(i int, v []byte) {
	f := &w.fields[i]
	row := &w.rows[f.row]
	if f.known != scan.None && isText(f.oid) && utf8.Valid(v) {
		row.known.Add(f.known, v)
	}
	if f.patient {
		if key, ok := appendKey(row.patient[:0], f.oid, f.binary, v); ok {
			row.patient = key
		}
	}
}

// appendKey appends a patient's key in a form that is the same for the text and
// the binary form of a value. ok is false where no such form is known.
func appendKey(dst []byte, oid uint32, isBinary bool, v []byte) (out []byte, ok bool) {
	switch oid {
	case oidText, oidVarchar, oidBpchar, oidUnknown, oidName:
		return append(dst, bytes.TrimRight(v, " ")...), true
	case oidInt2, oidInt4, oidInt8, oidOID:
		n, ok := decodeInt(oid, isBinary, v)
		return strconv.AppendInt(dst, n, 10), ok
	case oidUUID:
		u, ok := decodeUUID(isBinary, v)
		return append(dst, u[:]...), ok
	case oidNumeric:
		if isBinary {
			return appendNumericText(dst, v)
		}
		return append(dst, v...), true
	}
	return dst, false
}

// value appends what stands for v, a value of field i that is not NULL. When
// null is true, NULL stands for it and nothing was appended.
func (w *pgWork) value(dst []byte, i int, v []byte) (out []byte, null bool) {
	f, c := &w.fields[i], &w.cols[i]
	n := len(dst)
	w.text.Tally, c.findings = c.findings, w.text.Tally
	w.text.Locus = f.locus
	w.text.Known, w.text.Row.Patient = w.rows[f.row].known, w.rows[f.row].patient
	w.worst = answered
	out, outcome := w.mask(dst, i, v)
	w.text.Tally, c.findings = c.findings, w.text.Tally
	switch worst := max(outcome, w.worst); {
	case worst == unavailable:
		c.unavailable++
	case worst == undecodable:
		c.undecodable++
		c.fallback++
	case worst == unanswered:
		c.fallback++
	case f.count.Operator == OpScan && !bytes.Equal(out[n:], v):
		c.changed++
	}
	if outcome == answered {
		return out, false
	}
	dst = dst[:n]
	if f.isNull() {
		return dst, true
	}
	return append(dst, f.maskText()...), false
}

func (w *pgWork) mask(dst []byte, i int, v []byte) ([]byte, pgOutcome) {
	f := &w.fields[i]
	switch {
	case f.detector != nil:
		return f.scalar.maskDetected(w, &w.batches[i], dst, v)
	case f.array && f.binary:
		return w.arrayBinary(&f.scalar, dst, v)
	case f.array:
		return w.arrayText(&f.scalar, dst, v)
	}
	return f.scalar.mask(&f.scalar, w, dst, v)
}

// appendField appends the masked value with the length word of a DataRow.
func (w *pgWork) appendField(dst []byte, i int, v []byte) []byte {
	return appendSized(dst, func(dst []byte) ([]byte, bool) { return w.value(dst, i, v) })
}

// appendSized appends a length word and what put appends, or the length word of
// NULL.
func appendSized(dst []byte, put func(dst []byte) (out []byte, null bool)) []byte {
	n := len(dst)
	out, null := put(append(dst, 0, 0, 0, 0))
	if null {
		return binary.BigEndian.AppendUint32(out[:n], pgNull)
	}
	binary.BigEndian.PutUint32(out[n:], uint32(len(out)-n-4))
	return out
}

// element appends what stands for one element of an array.
func (w *pgWork) element(t *pgScalar, dst, v []byte) (out []byte, null bool) {
	if t.mask != nil && !t.constantOnly {
		n := len(dst)
		out, outcome := t.mask(t, w, dst, v)
		if outcome == answered {
			return out, false
		}
		w.worst = max(w.worst, outcome)
		dst = dst[:n]
	}
	if t.null {
		return dst, true
	}
	return append(dst, t.constant...), false
}
