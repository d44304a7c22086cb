// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"

	"github.com/jackc/pgx/v5/pgtype"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// Replayed is what the client saw of the answer to one statement.
type Replayed struct {
	Columns []string // names; nil when no rows were described
	// Rows hold the values in PostgreSQL's text form, nil for NULL. A line of a
	// COPY is a row with one value.
	Rows    [][]*string
	Tag     string // of CommandComplete: "SELECT 3"
	Code    string // SQLSTATE of an error
	Message string // of an error, as the client saw it
	Partial bool   // the frames end inside a message
}

// Replayer decodes the recorded frames of one statement. The zero value is
// ready to use.
type Replayer struct {
	out     Replayed
	rest    []byte // the begin of a message whose end has not come yet
	fields  []pgwire.Field
	copied  []byte // the begin of a COPY line whose end has not come yet
	binary  bool   // the COPY is in the binary format
	copying bool
	types   *pgtype.Map // made when the first binary value comes
}

// DecodeFrame takes in the data of a statement's next frame; see the format of
// recordings in package record. Frames of kinds that are not this connector's
// are passed over. Errors have the kind Integrity: the frames hold what no
// session recorded.
func (r *Replayer) DecodeFrame(kind string, data []byte) error {
	if kind != frameKind {
		return nil
	}
	buf := data
	if len(r.rest) > 0 {
		buf = append(r.rest, data...)
	}
	for {
		typ, total, ok, err := pgwire.Next(buf, pgwire.MaxServerMessage)
		if err != nil {
			return unreadable(err)
		}
		if !ok || total > len(buf) {
			break
		}
		if err := r.message(typ, buf[pgwire.HeaderLen:total]); err != nil {
			return unreadable(err)
		}
		buf = buf[total:]
	}
	r.rest = append([]byte(nil), buf...)
	return nil
}

func unreadable(err error) error {
	return sallyport.E(sallyport.Integrity, "replay", "the recording of a statement cannot be decoded").
		WithHint("replay it with the release that wrote it, or a later one").Because(err)
}

// Result returns what was decoded so far.
func (r *Replayer) Result() Replayed {
	out := r.out
	if len(r.copied) > 0 {
		out.Rows = append(out.Rows[:len(out.Rows):len(out.Rows)], []*string{textOf(r.copied)})
	}
	out.Partial = len(r.rest) > 0
	return out
}

// message takes in one message of the server.
func (r *Replayer) message(typ byte, body []byte) error {
	switch typ {
	case pgwire.ServerRowDescription:
		fields, err := pgwire.DecodeRowDescription(body, nil)
		if err != nil {
			return err
		}
		r.fields, r.out.Columns = fields, make([]string, len(fields))
		for i, f := range fields {
			r.out.Columns[i] = string(bytes.ToValidUTF8(f.Name, []byte("\uFFFD")))
		}
	case pgwire.ServerDataRow:
		values, err := pgwire.DecodeDataRow(body)
		if err != nil {
			return err
		}
		row := make([]*string, values.Len())
		for i, v := range values.All() {
			row[i] = r.value(i, v)
		}
		r.out.Rows = append(r.out.Rows, row)
	case pgwire.ServerCopyData:
		r.copyData(body)
	case pgwire.ServerCommandComplete:
		tag, err := pgwire.DecodeCommandComplete(body)
		if err != nil {
			return err
		}
		r.out.Tag = string(bytes.ToValidUTF8([]byte(tag), []byte("\uFFFD")))
	case pgwire.ServerErrorResponse:
		d, err := pgwire.DecodeDiagnostic(body)
		if err != nil {
			return err
		}
		r.out.Code, r.out.Message = *textOf(d.Get(pgwire.FieldSQLState)), *textOf(d.Get(pgwire.FieldMessage))
	}
	return nil
}

// copyData splits the stream of a COPY into lines; what one message holds means
// nothing. A COPY in the binary format, which has no lines, is shown by message.
func (r *Replayer) copyData(body []byte) {
	if !r.copying {
		r.copying, r.binary = true, bytes.HasPrefix(body, []byte("PGCOPY\n\xff\r\n\x00"))
	}
	if r.binary {
		r.out.Rows = append(r.out.Rows, []*string{hexOf(body)})
		return
	}
	r.copied = append(r.copied, body...)
	for {
		line, rest, ok := bytes.Cut(r.copied, []byte("\n"))
		if !ok {
			return
		}
		r.out.Rows = append(r.out.Rows, []*string{textOf(bytes.TrimSuffix(line, []byte("\r")))})
		r.copied = rest
	}
}

// value renders one value of a row; nil is NULL.
func (r *Replayer) value(i int, v []byte) *string {
	if v == nil {
		return nil
	}
	if i >= len(r.fields) || r.fields[i].Format == pgwire.FormatText {
		return textOf(v)
	}
	if r.types == nil {
		r.types = pgtype.NewMap()
	}
	typ, ok := r.types.TypeForOID(r.fields[i].TypeOID)
	if !ok || swells(typ, v) {
		return hexOf(v)
	}
	decoded, err := typ.Codec.DecodeValue(r.types, typ.OID, pgwire.FormatBinary, v)
	if err != nil {
		return hexOf(v)
	}
	text, err := r.types.Encode(typ.OID, pgwire.FormatText, decoded, []byte{})
	if err != nil || text == nil {
		return hexOf(v)
	}
	return textOf(text)
}

// maxNumericGroups bounds the numeric values that are written out, in groups of
// four digits on either side of the point.
const maxNumericGroups = 250

// swells reports whether a value could take very much more memory than its
// binary form has bytes: ten of them are a numeric of 131,072 digits, and a client
// could have a million of those put on record for an auditor to unfold.
func swells(typ *pgtype.Type, v []byte) bool {
	switch c := typ.Codec.(type) {
	case pgtype.NumericCodec:
		if len(v) < 8 {
			return true
		}
		weight, scale := int16(binary.BigEndian.Uint16(v[2:])), int16(binary.BigEndian.Uint16(v[6:]))
		return weight < -maxNumericGroups || weight > maxNumericGroups || scale < 0 || scale > 4*maxNumericGroups
	case *pgtype.ArrayCodec:
		if _, scalar := c.ElementType.Codec.(pgtype.NumericCodec); scalar {
			return true
		}
		return nested(c.ElementType.Codec) || !counts(v)
	}
	return nested(typ.Codec)
}

// nested reports whether values of a type hold values of others.
func nested(c pgtype.Codec) bool {
	switch c.(type) {
	case *pgtype.ArrayCodec, *pgtype.RangeCodec, *pgtype.MultirangeCodec, *pgtype.CompositeCodec, pgtype.RecordCodec:
		return true
	}
	return false
}

// counts reports whether an array holds at least the lengths of the elements
// that its head declares (array_send: dimensions, flags, type, and for each
// dimension its length and lower bound).
func counts(v []byte) bool {
	const head, perDimension, perElement = 12, 8, 4
	if len(v) < head {
		return false
	}
	dims := binary.BigEndian.Uint32(v)
	if dims > 6 || len(v) < head+int(dims)*perDimension {
		return false
	}
	room := (len(v) - head - int(dims)*perDimension) / perElement
	n := 1
	for i := range int(dims) {
		length := int32(binary.BigEndian.Uint32(v[head+i*perDimension:]))
		if length < 0 || length > 0 && n > room/int(length) {
			return false
		}
		n *= int(length)
	}
	return true
}

func textOf(v []byte) *string {
	s := string(bytes.ToValidUTF8(v, []byte("\uFFFD")))
	return &s
}

// hexOf renders bytes as PostgreSQL writes a bytea.
func hexOf(v []byte) *string {
	s := `\x` + hex.EncodeToString(v)
	return &s
}
