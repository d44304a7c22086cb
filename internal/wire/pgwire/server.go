// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgwire

import (
	"iter"
)

// MaxColumns is the largest number of columns of a result: PostgreSQL's
// MaxTupleAttributeNumber. A RowDescription or DataRow with more does not come
// from PostgreSQL.
const MaxColumns = 1664

// Field describes one column of a result.
type Field struct {
	Name     []byte
	TableOID uint32 // 0: not a column of a table
	Attnum   int16  // number of the column in its table, 0: not a column of a table
	TypeOID  uint32
	TypeSize int16 // pg_type.typlen, negative: of variable length
	TypeMod  int32 // pg_attribute.atttypmod
	Format   int16 // always 0 in the answer to the Describe of a statement
}

// DecodeRowDescription appends the columns of a RowDescription to dst, which it
// returns unchanged together with an error.
func DecodeRowDescription(body []byte, dst []Field) ([]Field, error) {
	c := cursor{b: body}
	fields := dst
	n := int(c.u16())
	if n > MaxColumns {
		c.fail("it has more columns than a result can have")
	}
	for i := 0; i < n && c.why == ""; i++ {
		f := Field{
			Name: c.str(), TableOID: c.u32(), Attnum: int16(c.u16()), TypeOID: c.u32(),
			TypeSize: int16(c.u16()), TypeMod: int32(c.u32()), Format: int16(c.u16()),
		}
		if c.why == "" && f.Format != FormatText && f.Format != FormatBinary {
			c.fail("a format code is unknown")
		}
		fields = append(fields, f)
	}
	if err := c.end("RowDescription"); err != nil {
		return dst, err
	}
	return fields, nil
}

// DecodeDataRow returns the values of a row.
func DecodeDataRow(body []byte) (Values, error) {
	c := cursor{b: body}
	v := c.values()
	if v.n > MaxColumns {
		c.fail("it has more columns than a result can have")
	}
	if err := c.end("DataRow"); err != nil {
		return Values{}, err
	}
	return v, nil
}

// Codes of the fields of an ErrorResponse or NoticeResponse (manual 55.8).
const (
	FieldSeverity          byte = 'S' // in the server's language
	FieldSeverityEnglish   byte = 'V'
	FieldSQLState          byte = 'C'
	FieldMessage           byte = 'M'
	FieldDetail            byte = 'D'
	FieldHint              byte = 'H'
	FieldPosition          byte = 'P'
	FieldInternalPosition  byte = 'p'
	FieldInternalStatement byte = 'q'
	FieldWhere             byte = 'W'
	FieldSchema            byte = 's'
	FieldTable             byte = 't'
	FieldColumn            byte = 'c'
	FieldDataType          byte = 'd'
	FieldConstraint        byte = 'n'
	FieldFile              byte = 'F'
	FieldLine              byte = 'L'
	FieldRoutine           byte = 'R'
)

// Diagnostic holds the fields of an ErrorResponse or NoticeResponse. Their
// values may hold data of the target.
type Diagnostic struct{ b []byte }

// DecodeDiagnostic decodes the body of an ErrorResponse or NoticeResponse.
func DecodeDiagnostic(body []byte) (Diagnostic, error) {
	c := cursor{b: body}
	for c.why == "" && c.u8() != 0 {
		c.str()
	}
	if err := c.end("ErrorResponse or NoticeResponse"); err != nil {
		return Diagnostic{}, err
	}
	return Diagnostic{b: body[: len(body)-1 : len(body)-1]}, nil
}

// All yields the fields as code and value, in the order of the message; codes
// that no manual knows too.
func (d Diagnostic) All() iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		for c := (cursor{b: d.b}); len(c.b) > 0; {
			code := c.u8()
			if !yield(code, c.str()) {
				return
			}
		}
	}
}

// Get returns the value of the first field with the code, or nil when there is
// none.
func (d Diagnostic) Get(code byte) []byte {
	for k, v := range d.All() {
		if k == code {
			return v
		}
	}
	return nil
}

// DecodeParameterStatus returns the name and the value of a setting that the
// server reports.
func DecodeParameterStatus(body []byte) (name, value []byte, err error) {
	c := cursor{b: body}
	name, value = c.str(), c.str()
	if err := c.end("ParameterStatus"); err != nil {
		return nil, nil, err
	}
	return name, value, nil
}

// Limits on the secret key of BackendKeyData and CancelRequest, in bytes
// (manual 55.7: exactly 4 before protocol 3.2, up to 256 since).
const (
	MinCancelKey = 4
	MaxCancelKey = 256
)

// CancelKey names a session for a CancelRequest.
type CancelKey struct {
	PID    uint32
	Secret []byte // 4 to 256 bytes; a view where a decoder made it
}

// DecodeBackendKeyData decodes the body of a BackendKeyData.
func DecodeBackendKeyData(body []byte) (CancelKey, error) {
	return decodeCancelKey(body, "BackendKeyData")
}

func decodeCancelKey(body []byte, message string) (CancelKey, error) {
	c := cursor{b: body}
	k := CancelKey{PID: c.u32(), Secret: c.take(len(c.b))}
	if c.why == "" && (len(k.Secret) < MinCancelKey || len(k.Secret) > MaxCancelKey) {
		c.fail("its secret key is not of 4 to 256 bytes")
	}
	if err := c.end(message); err != nil {
		return CancelKey{}, err
	}
	return k, nil
}

// DecodeReadyForQuery returns the transaction state: [TxIdle],
// [TxInTransaction] or [TxFailed].
func DecodeReadyForQuery(body []byte) (status byte, err error) {
	c := cursor{b: body}
	status = c.u8()
	if c.why == "" && status != TxIdle && status != TxInTransaction && status != TxFailed {
		c.fail("its transaction state is unknown")
	}
	if err := c.end("ReadyForQuery"); err != nil {
		return 0, err
	}
	return status, nil
}

// CommandTag is the text of a CommandComplete: "SELECT 5", "INSERT 0 1".
type CommandTag []byte

// DecodeCommandComplete returns the tag of a CommandComplete.
func DecodeCommandComplete(body []byte) (CommandTag, error) {
	c := cursor{b: body}
	tag := c.str()
	if err := c.end("CommandComplete"); err != nil {
		return nil, err
	}
	return tag, nil
}

// Rows returns the number of rows that the tag ends with. ok is false for a
// command that does not count rows.
func (t CommandTag) Rows() (n int64, ok bool) {
	i := len(t)
	for i > 0 && t[i-1] >= '0' && t[i-1] <= '9' {
		i--
	}
	if i == len(t) || i == 0 || t[i-1] != ' ' {
		return 0, false
	}
	for _, d := range t[i:] {
		if n > (1<<63-1-int64(d-'0'))/10 {
			return 0, false
		}
		n = 10*n + int64(d-'0')
	}
	return n, true
}

// Notification is an event of NOTIFY. The payload is data of the target.
type Notification struct {
	PID     uint32
	Channel []byte
	Payload []byte
}

// DecodeNotification decodes the body of a NotificationResponse.
func DecodeNotification(body []byte) (Notification, error) {
	c := cursor{b: body}
	n := Notification{PID: c.u32(), Channel: c.str(), Payload: c.str()}
	if err := c.end("NotificationResponse"); err != nil {
		return Notification{}, err
	}
	return n, nil
}

// CopyResponse opens a COPY in either direction, or both.
type CopyResponse struct {
	Format  int16 // of the whole: text (CSV too) or binary
	Columns Formats
}

// DecodeCopyResponse decodes the body of a CopyInResponse, CopyOutResponse or
// CopyBothResponse.
func DecodeCopyResponse(body []byte) (CopyResponse, error) {
	c := cursor{b: body}
	r := CopyResponse{Format: int16(c.u8()), Columns: c.formats()}
	if c.why == "" && r.Format != FormatText && r.Format != FormatBinary {
		c.fail("a format code is unknown")
	}
	if err := c.end("CopyResponse"); err != nil {
		return CopyResponse{}, err
	}
	return r, nil
}

// DecodeParameterDescription returns the types of a prepared statement's
// parameters.
func DecodeParameterDescription(body []byte) (OIDs, error) {
	c := cursor{b: body}
	o := OIDs{b: c.take(4 * int(c.u16()))}
	if err := c.end("ParameterDescription"); err != nil {
		return OIDs{}, err
	}
	return o, nil
}

// DecodeFunctionCallResponse returns the value of a function call; a NULL is
// nil.
func DecodeFunctionCallResponse(body []byte) (value []byte, err error) {
	c := cursor{b: body}
	value = c.value()
	if err := c.end("FunctionCallResponse"); err != nil {
		return nil, err
	}
	return value, nil
}

// DecodeEmpty checks that the body of a message that has none is empty.
func DecodeEmpty(body []byte) error {
	c := cursor{b: body}
	return c.end("message")
}
