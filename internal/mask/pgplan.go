// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"encoding/binary"

	sallyport "github.com/sallyport-dev/sallyport"
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
type PGColumn struct {
	TypeOID uint32 // the base type's OID; RowDescription sends no domain
	Typmod  int32  // -1 where the type has none
	Binary  bool   // the format code is 1
	Mask    bool
	// Labels, Reason and Columns come from the verdict and the lineage; they go
	// into the counts. The first label names the placeholder of a text.
	Labels  []sallyport.Label
	Reason  string   // "label", "unclassified", "unknown-lineage"
	Columns []string // names of the source columns
}

// PGPlan masks the DataRow messages of one result. It holds its counters, so a
// plan serves one portal at a time; [PGPlan.Fork] makes another for the next
// execution of the same prepared statement. It is used by one goroutine at a
// time.
type PGPlan struct {
	fields []pgField // shared between forks, never written
	masked int       // how many fields are masked
	rows   uint64
	nulls  []uint64 // per masked field, in order of fields
}

// pgField is what the row loop needs of a column.
type pgField struct {
	mask bool
	// repl is the whole field as a DataRow and a binary COPY row hold it: the
	// length word and the value, or the length -1 for NULL.
	repl  []byte
	count Count // without the numbers
}

// pgNull is the length word of a NULL.
const pgNull = 0xFFFFFFFF

// NewPGPlan makes the plan for an answer with the given columns. profile is
// the name of the masking profile and goes into the counts.
func NewPGPlan(cols []PGColumn, profile string) *PGPlan {
	p := &PGPlan{fields: pgFields(cols, profile)}
	for i := range p.fields {
		if p.fields[i].mask {
			p.masked++
		}
	}
	p.nulls = make([]uint64, p.masked)
	return p
}

func pgFields(cols []PGColumn, profile string) []pgField {
	fields := make([]pgField, len(cols))
	for i, c := range cols {
		if !c.Mask {
			continue
		}
		v, op := pgMaskValue(c)
		f := &fields[i]
		f.mask = true
		if op == OpNull {
			f.repl = binary.BigEndian.AppendUint32(nil, pgNull)
		} else {
			f.repl = append(binary.BigEndian.AppendUint32(nil, uint32(len(v))), v...)
		}
		f.count = Count{
			Output: i, Columns: c.Columns, Labels: c.Labels, Reason: c.Reason,
			Operator: op, Profile: profile,
		}
	}
	return fields
}

// Fork returns a plan for the same columns with counters of its own.
func (p *PGPlan) Fork() *PGPlan {
	return &PGPlan{fields: p.fields, masked: p.masked, nulls: make([]uint64, p.masked)}
}

// Masks reports whether the plan masks any column.
func (p *PGPlan) Masks() bool { return p.masked > 0 }

// Columns returns the number of columns that every row must have.
func (p *PGPlan) Columns() int { return len(p.fields) }

// Rows returns the number of rows since the plan was made or TakeCounts called.
func (p *PGPlan) Rows() uint64 { return p.rows }

// TakeCounts returns what was masked, one entry per masked column that saw a
// value, and sets the counters back to zero.
func (p *PGPlan) TakeCounts() []Count {
	counts := takeCounts(p.fields, p.rows, p.nulls)
	p.rows = 0
	return counts
}

func takeCounts(fields []pgField, rows uint64, nulls []uint64) []Count {
	var counts []Count
	at := 0
	for i := range fields {
		if !fields[i].mask {
			continue
		}
		if rows > 0 {
			c := fields[i].count
			c.Seen, c.Nulls, c.Masked = rows, nulls[at], rows-nulls[at]
			counts = append(counts, c)
		}
		nulls[at] = 0
		at++
	}
	return counts
}

// Pass lets a run of whole DataRow messages (type byte, length, body, ...) go
// without copying it. It is refused when the plan masks anything, and when the
// run holds anything but DataRow messages with the plan's number of columns.
// The result aliases run.
func (p *PGPlan) Pass(run Raw) (Masked, error) {
	const op = "mask pass rows"
	if p.masked > 0 {
		return Masked{}, sallyport.E(sallyport.Internal, op, "rows that have masked columns cannot pass as they are")
	}
	var rows uint64
	for rest := run.b; len(rest) > 0; rows++ {
		body, next, err := cutDataRow(op, rest)
		if err != nil {
			return Masked{}, err
		}
		if len(body) < 2 || int(binary.BigEndian.Uint16(body)) != len(p.fields) {
			return Masked{}, refuse(op, "a row has another number of columns than its description")
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
	out, err := p.appendRow(b.b, body.b)
	if err != nil {
		return err
	}
	b.b = out
	return nil
}

// Rows appends a run of whole DataRow messages, masked as p says. When it
// returns an error, none of the run was appended, but rows of it may have been
// counted.
func (b *Buffer) Rows(p *PGPlan, run Raw) error {
	const op = "mask rows"
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

// appendRow appends the DataRow message for body to dst. The fields between two
// masked ones are copied in one go, so that the cost is one copy of what stays
// and one look at each length word.
func (p *PGPlan) appendRow(dst, body []byte) ([]byte, error) {
	const op = "mask row"
	if len(body) < 2 || int(binary.BigEndian.Uint16(body)) != len(p.fields) {
		return nil, refuse(op, "a row has another number of columns than its description")
	}
	start := len(dst)
	dst = append(dst, pgDataRow, 0, 0, 0, 0)
	from, at, masked := 0, 2, 0 // body[from:at] is checked and not yet copied
	for i := range p.fields {
		if len(body)-at < 4 {
			return nil, refuse(op, "a row ends inside a column")
		}
		n := binary.BigEndian.Uint32(body[at:])
		end := at + 4
		if n != pgNull {
			if uint64(n) > uint64(len(body)-end) {
				return nil, refuse(op, "a row ends inside a column")
			}
			end += int(n)
		}
		if f := &p.fields[i]; f.mask {
			if n == pgNull {
				p.nulls[masked]++
			} else {
				dst = append(dst, body[from:at]...)
				dst = append(dst, f.repl...)
				from = end
			}
			masked++
		}
		at = end
	}
	if at != len(body) {
		return nil, refuse(op, "a row is longer than its columns")
	}
	dst = append(dst, body[from:]...)
	size := uint64(len(dst) - start - 1)
	if size > maxMessage {
		return nil, refuse(op, "a masked row is larger than a message can be")
	}
	binary.BigEndian.PutUint32(dst[start+1:], uint32(size))
	p.rows++
	return dst, nil
}

// maxMessage is the largest length word of a protocol message: it is a signed
// 32-bit number.
const maxMessage = 1<<31 - 1
