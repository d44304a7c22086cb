// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"encoding/binary"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Message types of the PostgreSQL protocol, version 3, that the server sends.
const (
	pgDataRow  = 'D'
	pgCopyData = 'd'
)

// pgHeader is the length of a message's type byte and length word.
const pgHeader = 5

// PGColumn is one column of a PostgreSQL answer, as RowDescription (or the
// COPY statement) describes it, with what the verdict says about it.
//
// A column is masked when any of Mask, Operator, Text, Format and Detector is
// set. Which of them applies follows from the type:
//   - text, varchar, bpchar, name, and arrays of them, are given to Format or
//     else scanned by Text;
//   - json, jsonb and xml, and arrays of them, are given to Format;
//   - everything else, and the rest where neither is set, to Operator;
//   - what Operator has no answer for becomes the constant of the type: the label
//     in brackets, 0, 1970-01-01, {}; and where no constant is known, NULL.
//
// So Text belongs only on columns of which nothing but text may be shown.
type PGColumn struct {
	TypeOID uint32 // the base type's OID; RowDescription sends no domain
	Typmod  int32  // -1 where the type has none
	Binary  bool   // the format code is 1
	Mask    bool
	// Labels, Reason and Columns come from the verdict and the lineage; they go
	// into the counts. The first label names the placeholder of a text.
	Labels         []sallyport.Label
	Reason         string   // "label", "unclassified", "unknown-lineage"
	Columns        []string // names of the source columns
	ProfileVersion string   // goes into the counts

	Operator *operator.Operator
	Text     *text.Masker
	Format   Format
	// Detector needs Text, and a column of a type that is a text and no array;
	// elsewhere all of the value is masked. In a COPY it is asked once a row.
	Detector Detector
	// Patient says that the values are the patient's key, which date_shift needs.
	// It may be set on a column that is not masked, and so may Known.
	Patient bool
	// Key says that the values are keys of patients, which disclosures record. It may
	// be set on a column that is not masked.
	Key bool
	// Known says that the values are entities of this kind, such as names, which
	// the scanned columns of the same row may hold as well. Only texts count.
	Known scan.Entity
	// Row is the same for columns of one and the same row. What Patient and Known
	// say counts for those alone: a client that joined a name to another's note
	// would learn whether it is in there.
	Row int
}

// Format masks a text of a known form, such as JSON, and gives back one of that
// form. After an error nothing of the text is shown. w holds what is known of the
// row; findings are counted there.
type Format interface {
	Append(dst, src []byte, w *text.Work) ([]byte, error)
}

func (c *PGColumn) masks() bool {
	return c.Mask || c.Operator != nil || c.Text != nil || c.Format != nil || c.Detector != nil
}

// PGPlan masks the DataRow messages of one result. It holds its counters, so a
// plan serves one portal at a time; [PGPlan.Fork] makes another for the next
// execution of the same prepared statement. It is used by one goroutine at a
// time.
type PGPlan struct{ pgMasker }

// NewPGPlan makes the plan for an answer with the given columns. profile is
// the name of the masking profile and goes into the counts.
func NewPGPlan(cols []PGColumn, profile string) *PGPlan {
	return &PGPlan{newPGMasker(pgFields(cols, profile))}
}

func pgFields(cols []PGColumn, profile string) []pgField {
	fields := make([]pgField, len(cols))
	rows := map[int]int{}
	for i, c := range cols {
		fields[i] = pgFieldOf(i, c, profile)
		if _, ok := rows[c.Row]; !ok {
			rows[c.Row] = len(rows)
		}
		fields[i].row = rows[c.Row]
	}
	return fields
}

// Fork returns a plan for the same columns with counters of its own and without
// a context.
func (p *PGPlan) Fork() *PGPlan { return &PGPlan{newPGMasker(p.fields)} }

// Pass lets a run of whole DataRow messages (type byte, length, body, ...) go
// without copying it. It is refused when the plan masks anything, and when the
// run holds anything but DataRow messages with the plan's number of columns.
// The result aliases run.
func (p *PGPlan) Pass(run Raw) (Masked, error) {
	const op = "mask pass rows"
	if p.masks {
		return Masked{}, sallyport.E(sallyport.Internal, op, "rows that have masked columns cannot pass as they are")
	}
	var rows uint64
	for rest := run.b; len(rest) > 0; rows++ {
		body, next, err := cutDataRow(op, rest)
		if err != nil {
			return Masked{}, err
		}
		if len(body) < 2 || int(binary.BigEndian.Uint16(body)) != len(p.fields) {
			return Masked{}, refuse(op, msgRowColumns)
		}
		if err := p.readKeys(body); err != nil {
			return Masked{}, err
		}
		rest = next
	}
	p.rows += rows
	return Masked(run), nil
}

// cutDataRow splits the first message, which must be a whole DataRow, off run.
func cutDataRow(op string, run []byte) (body, rest []byte, err error) {
	if len(run) < pgHeader || run[0] != pgDataRow {
		return nil, nil, refuse(op, "a run of rows holds another message")
	}
	n := uint64(binary.BigEndian.Uint32(run[1:]))
	if n < 4 || n+1 > uint64(len(run)) {
		return nil, nil, refuse(op, "a row is shorter than its length says")
	}
	return run[pgHeader : n+1], run[n+1:], nil
}

// Row appends one DataRow message, masked as p says. body is the message
// without its type byte and length.
func (b *Buffer) Row(p *PGPlan, body Raw) error {
	if p.work != nil && p.work.detects {
		p.work.beginRun()
		if err := p.eachCell(body.b, p.work.batch); err != nil {
			return err
		}
		p.work.detect()
	}
	out, err := p.appendRow(b.b, body.b)
	if err != nil {
		return err
	}
	b.b = out
	return nil
}

// Rows appends a run of whole DataRow messages, masked as p says. A detector is
// asked once for the run. When it returns an error, none of the run was appended,
// but rows of it may have been counted.
func (b *Buffer) Rows(p *PGPlan, run Raw) error {
	const op = "mask rows"
	if p.work != nil && p.work.detects {
		p.work.beginRun()
		for rest := run.b; len(rest) > 0; {
			body, next, err := cutDataRow(op, rest)
			if err != nil {
				return err
			}
			if err := p.eachCell(body, p.work.batch); err != nil {
				return err
			}
			rest = next
		}
		p.work.detect()
	}
	out := b.b
	for rest := run.b; len(rest) > 0; {
		body, next, err := cutDataRow(op, rest)
		if err != nil {
			return err
		}
		if out, err = p.appendRow(out, body); err != nil {
			return err
		}
		rest = next
	}
	b.b = out
	return nil
}

const opRow = "mask row"

// What the row loops refuse.
const (
	msgRowColumns = "a row has another number of columns than its description"
	msgRowShort   = "a row ends inside a column"
	msgRowLong    = "a row is longer than its columns"
)

// appendRow appends the DataRow message for body to dst. The fields between two
// masked ones are copied in one go, so that the cost is one copy of what stays
// and one look at each length word.
func (p *PGPlan) appendRow(dst, body []byte) ([]byte, error) {
	if len(body) < 2 || int(binary.BigEndian.Uint16(body)) != len(p.fields) {
		return nil, refuse(opRow, msgRowColumns)
	}
	if err := p.readKeys(body); err != nil {
		return nil, err
	}
	if p.work != nil {
		p.work.beginRow()
		if p.work.collects {
			if err := p.eachCell(body, p.work.collect); err != nil {
				return nil, err
			}
		}
	}
	start := len(dst)
	dst = append(dst, pgDataRow, 0, 0, 0, 0)
	from, at := 0, 2 // body[from:at] is checked and not yet copied
	for i := range p.fields {
		if len(body)-at < 4 {
			return nil, refuse(opRow, msgRowShort)
		}
		n := binary.BigEndian.Uint32(body[at:])
		end, null := at+4, n == pgNull
		if !null {
			if uint64(n) > uint64(len(body)-end) {
				return nil, refuse(opRow, msgRowShort)
			}
			end += int(n)
		}
		switch f := &p.fields[i]; {
		case f.act == actPass:
		case null:
			p.nulls[i]++
		case f.act == actConstant:
			dst = append(dst, body[from:at]...)
			dst = append(dst, f.repl...)
			from = end
		case f.act == actValue:
			dst = append(dst, body[from:at]...)
			dst = p.work.appendField(dst, i, body[at+4:end])
			from = end
		}
		at = end
	}
	if at != len(body) {
		return nil, refuse(opRow, msgRowLong)
	}
	dst = append(dst, body[from:]...)
	size := uint64(len(dst) - start - 1)
	if size > maxMessage {
		return nil, refuse(opRow, "a masked row is larger than a message can be")
	}
	binary.BigEndian.PutUint32(dst[start+1:], uint32(size))
	p.rows++
	return dst, nil
}

// cutCell returns where the field that begins at body[at] ends.
func cutCell(body []byte, at int) (end int, null bool, err error) {
	if len(body)-at < 4 {
		return 0, false, refuse(opRow, msgRowShort)
	}
	n := binary.BigEndian.Uint32(body[at:])
	end = at + 4
	if n == pgNull {
		return end, true, nil
	}
	if uint64(n) > uint64(len(body)-end) {
		return 0, false, refuse(opRow, msgRowShort)
	}
	return end + int(n), false, nil
}

// eachCell calls do with each value of a row that is not NULL.
func (p *PGPlan) eachCell(body []byte, do func(i int, v []byte)) error {
	if len(body) < 2 || int(binary.BigEndian.Uint16(body)) != len(p.fields) {
		return refuse(opRow, msgRowColumns)
	}
	at := 2
	for i := range p.fields {
		end, null, err := cutCell(body, at)
		if err != nil {
			return err
		}
		if !null {
			do(i, body[at+4:end])
		}
		at = end
	}
	return nil
}

// maxMessage is the largest length word of a protocol message: it is a signed
// 32-bit number.
const maxMessage = 1<<31 - 1
