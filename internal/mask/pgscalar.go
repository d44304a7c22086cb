// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// pgScalar masks values of one type that is no array, in one format.
type pgScalar struct {
	oid    uint32
	typmod int32
	binary bool
	op     *operator.Operator
	text   *text.Masker
	format Format
	mask   pgMask // nil when all values become the constant
	scans  bool   // mask looks for findings, rather than replacing the value
	// constant stands for an element of an array that has no answer; null says that
	// NULL does.
	constant []byte
	null     bool
	// constantOnly says that the operator's answer is the same for all values, and
	// is the constant.
	constantOnly bool
}

// pgMask appends what stands for v, which is not NULL, to dst. Unless the outcome
// is answered, what it appended counts for nothing.
type pgMask func(t *pgScalar, w *pgWork, dst, v []byte) ([]byte, pgOutcome)

// pgScalarOf makes the mask for a column, or for its elements, of a type that is
// no array.
func pgScalarOf(c PGColumn) pgScalar {
	t := pgScalar{oid: c.TypeOID, typmod: c.Typmod, binary: c.Binary, op: c.Operator, text: c.Text, format: c.Format}
	value, op := pgConstant(c)
	t.constant, t.null = value, op == OpNull
	switch {
	case t.format != nil && (isText(t.oid) || isForm(t.oid)):
		t.mask, t.scans = (*pgScalar).maskFormat, true
	case t.text != nil && isText(t.oid):
		t.mask, t.scans = (*pgScalar).maskScan, true
	case t.op != nil:
		t.mask = pgOperatorMask(t.oid)
		t.constantOnly = depends(t.op.Kind()) != dependsValue
	}
	return t
}

// isForm reports whether values of the type are texts of a form of their own.
func isForm(oid uint32) bool { return oid == oidJSON || oid == oidJSONB || oid == oidXML }

// pgOperatorMask returns how an operator is applied to values of a type, or nil
// where there is no operator but the constant: for a boolean every operator
// gives it away or makes it a constant, and nobody asks for the others.
func pgOperatorMask(oid uint32) pgMask {
	switch oid {
	case oidText, oidVarchar, oidBpchar, oidName, oidUnknown:
		return (*pgScalar).maskString
	case oidJSON, oidJSONB:
		return (*pgScalar).maskJSON
	case oidXML:
		return (*pgScalar).maskXML
	case oidInt2, oidInt4, oidInt8, oidOID:
		return (*pgScalar).maskInt
	case oidFloat4, oidFloat8:
		return (*pgScalar).maskFloat
	case oidNumeric:
		return (*pgScalar).maskNumeric
	case oidBool:
		return (*pgScalar).maskBool
	case oidDate:
		return (*pgScalar).maskDate
	case oidTimestamp, oidTimestamptz:
		return (*pgScalar).maskTimestamp
	case oidUUID:
		return (*pgScalar).maskUUID
	case oidInet, oidCIDR:
		return (*pgScalar).maskInet
	case oidBytea:
		return (*pgScalar).maskBytea
	}
	return nil
}

// decodeInt reads an integer of any of the integer types.
func decodeInt(oid uint32, isBinary bool, v []byte) (int64, bool) {
	if !isBinary {
		if len(v) > len("-9223372036854775808") {
			return 0, false
		}
		n, err := strconv.ParseInt(string(v), 10, 64)
		return n, err == nil
	}
	switch {
	case oid == oidInt2 && len(v) == 2:
		return int64(int16(binary.BigEndian.Uint16(v))), true
	case oid == oidInt4 && len(v) == 4:
		return int64(int32(binary.BigEndian.Uint32(v))), true
	case oid == oidOID && len(v) == 4:
		return int64(binary.BigEndian.Uint32(v)), true
	case oid == oidInt8 && len(v) == 8:
		return int64(binary.BigEndian.Uint64(v)), true
	}
	return 0, false
}

// maskInt applies the operator to an integer. An answer that the type has no room
// for is none.
func (t *pgScalar) maskInt(w *pgWork, dst, v []byte) ([]byte, pgOutcome) {
	n, ok := decodeInt(t.oid, t.binary, v)
	if !ok {
		return dst, undecodable
	}
	if n, ok = t.op.Int(n, &w.text.Row); !ok {
		return dst, unanswered
	}
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	switch t.oid {
	case oidInt2:
		lo, hi = math.MinInt16, math.MaxInt16
	case oidInt4:
		lo, hi = math.MinInt32, math.MaxInt32
	case oidOID:
		lo, hi = 0, math.MaxUint32
	}
	switch {
	case n < lo || n > hi:
		return dst, unanswered
	case !t.binary:
		return strconv.AppendInt(dst, n, 10), answered
	case t.oid == oidInt2:
		return binary.BigEndian.AppendUint16(dst, uint16(n)), answered
	case t.oid == oidInt8:
		return binary.BigEndian.AppendUint64(dst, uint64(n)), answered
	}
	return binary.BigEndian.AppendUint32(dst, uint32(n)), answered
}

// longestFloat is more than the text form of any float has.
const longestFloat = 32

// maskFloat applies the operator to a floating-point number. Neither side is ever
// infinite or not a number.
func (t *pgScalar) maskFloat(w *pgWork, dst, v []byte) ([]byte, pgOutcome) {
	bits := 64
	if t.oid == oidFloat4 {
		bits = 32
	}
	var x float64
	switch {
	case !t.binary && len(v) <= longestFloat:
		var err error
		if x, err = strconv.ParseFloat(string(v), bits); err != nil { // the number that the binary form holds
			return dst, undecodable
		}
	case t.binary && bits == 32 && len(v) == 4:
		x = float64(math.Float32frombits(binary.BigEndian.Uint32(v)))
	case t.binary && bits == 64 && len(v) == 8:
		x = math.Float64frombits(binary.BigEndian.Uint64(v))
	default:
		return dst, undecodable
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return dst, unanswered
	}
	x, ok := t.op.Float(x, &w.text.Row)
	if !ok || math.IsNaN(x) || math.IsInf(x, 0) || bits == 32 && math.Abs(x) > math.MaxFloat32 {
		return dst, unanswered
	}
	switch {
	case !t.binary:
		return strconv.AppendFloat(dst, x, 'g', -1, bits), answered
	case bits == 32:
		return binary.BigEndian.AppendUint32(dst, math.Float32bits(float32(x))), answered
	}
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(x)), answered
}

// maskBool writes the operator's text as a boolean. Only a constant has one.
func (t *pgScalar) maskBool(w *pgWork, dst, _ []byte) ([]byte, pgOutcome) {
	if t.op.Kind() != operator.Const {
		return dst, unanswered
	}
	answer, ok := t.op.Text(w.answer[:0], nil, &w.text.Row)
	w.answer = answer
	truth, err := strconv.ParseBool(string(answer))
	switch {
	case !ok || err != nil:
		return dst, unanswered
	case t.binary && truth:
		return append(dst, 1), answered
	case t.binary:
		return append(dst, 0), answered
	case truth:
		return append(dst, 't'), answered
	}
	return append(dst, 'f'), answered
}

// uuidLen is the length of a UUID's text.
const uuidLen = 36

func decodeUUID(isBinary bool, v []byte) (u [16]byte, ok bool) {
	if isBinary {
		return u, len(v) == copy(u[:], v) && len(v) == len(u)
	}
	if len(v) != uuidLen || v[8] != '-' || v[13] != '-' || v[18] != '-' || v[23] != '-' {
		return u, false
	}
	var digits [32]byte
	n := 0
	for _, part := range [][]byte{v[:8], v[9:13], v[14:18], v[19:23], v[24:]} {
		n += copy(digits[n:], part)
	}
	_, err := hex.Decode(u[:], digits[:])
	return u, err == nil
}

// maskUUID applies the operator to a UUID.
func (t *pgScalar) maskUUID(w *pgWork, dst, v []byte) ([]byte, pgOutcome) {
	u, ok := decodeUUID(t.binary, v)
	if !ok {
		return dst, undecodable
	}
	if u, ok = t.op.UUID(u, &w.text.Row); !ok {
		return dst, unanswered
	}
	if t.binary {
		return append(dst, u[:]...), answered
	}
	for i, b := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, []byte{b})
	}
	return dst, answered
}

// maskBytea applies the operator to bytes. The text form is the one in
// hexadecimal; the older one (bytea_output = escape) has no answer.
func (t *pgScalar) maskBytea(w *pgWork, dst, v []byte) ([]byte, pgOutcome) {
	if t.binary {
		out, ok := t.op.Bytes(dst, v, &w.text.Row)
		if !ok {
			return dst, unanswered
		}
		return out, answered
	}
	if !bytes.HasPrefix(v, []byte(`\x`)) {
		return dst, unanswered
	}
	raw, err := hex.AppendDecode(w.decimal[:0], v[2:])
	w.decimal = raw
	if err != nil {
		return dst, undecodable
	}
	answer, ok := t.op.Bytes(w.answer[:0], raw, &w.text.Row)
	w.answer = answer
	if !ok {
		return dst, unanswered
	}
	return hex.AppendEncode(append(dst, `\x`...), answer), answered
}
