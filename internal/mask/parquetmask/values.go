// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package parquetmask

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/sallyport-dev/sallyport/internal/mask/column"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Documents masks a document of JSON, as a mask of its own does.
type Documents interface {
	Append(dst, src []byte, w *text.Work) ([]byte, error)
}

// leaf is a column with what is done to its values.
type leaf struct {
	e    *element
	m    meaning
	col  column.Column
	json Documents
}

// mask returns what stands for a value, which is not null.
func (l *leaf) mask(v parquet.Value, w *column.Work) parquet.Value {
	out, ok := l.answer(v, w)
	if !ok && l.e.optional {
		return parquet.NullValue().Level(v.RepetitionLevel(), v.DefinitionLevel()-1, l.e.leaf)
	}
	if !ok {
		out = l.constant()
	}
	return out.Level(v.RepetitionLevel(), v.DefinitionLevel(), l.e.leaf)
}

// constant is the value of the column's type for which nothing is known.
func (l *leaf) constant() parquet.Value {
	kind := parquet.Kind(l.e.schema.Type.V)
	switch kind {
	case parquet.ByteArray:
		switch l.m.logical.(type) {
		case *format.JsonType:
			return parquet.ByteArrayValue([]byte("null"))
		case *format.BsonType:
			return parquet.ByteArrayValue([]byte{5, 0, 0, 0, 0}) // the empty document
		case *format.DecimalType:
			return parquet.ByteArrayValue([]byte{0})
		}
		return parquet.ByteArrayValue(nil)
	case parquet.FixedLenByteArray:
		return parquet.FixedLenByteArrayValue(make([]byte, l.e.schema.TypeLength.V))
	}
	return parquet.ZeroValue(kind)
}

func (l *leaf) answer(v parquet.Value, w *column.Work) (parquet.Value, bool) {
	switch parquet.Kind(l.e.schema.Type.V) {
	case parquet.Boolean:
		out, ok := l.col.Bool(v.Boolean(), w)
		return parquet.BooleanValue(out), ok
	case parquet.Int32:
		n := int64(v.Int32())
		if l.m.sense == senseUnsigned {
			n = int64(v.Uint32())
		}
		out, ok := l.whole(n, w)
		return parquet.Int32Value(int32(out)), ok && l.fits(out)
	case parquet.Int64:
		if l.m.sense == senseUnsigned && v.Int64() < 0 {
			_, ok := l.col.Opaque(nil, nil, w) // no operator knows numbers as large
			return v, ok
		}
		out, ok := l.whole(v.Int64(), w)
		return parquet.Int64Value(out), ok && (l.m.sense != senseUnsigned || out >= 0)
	case parquet.Int96:
		return l.int96(v.Int96(), w)
	case parquet.Float:
		out, ok := l.col.Float32(v.Float(), w)
		return parquet.FloatValue(out), ok
	case parquet.Double:
		out, ok := l.col.Float(v.Double(), w)
		return parquet.DoubleValue(out), ok
	case parquet.FixedLenByteArray:
		out, ok := l.bytes(v.ByteArray(), w)
		return parquet.FixedLenByteArrayValue(out), ok && len(out) == int(l.e.schema.TypeLength.V)
	}
	out, ok := l.bytes(v.ByteArray(), w)
	return parquet.ByteArrayValue(out), ok
}

// fits reports whether a number is one of the column's type of 32 bits or fewer.
func (l *leaf) fits(n int64) bool {
	size := uint(32)
	t, isInt := l.m.logical.(*format.IntType)
	if isInt {
		size = uint(t.BitWidth)
	}
	if isInt && !t.IsSigned {
		return n >= 0 && n < 1<<size
	}
	return n >= -1<<(size-1) && n < 1<<(size-1)
}

// whole masks a whole number by what it means.
func (l *leaf) whole(n int64, w *column.Work) (int64, bool) {
	switch l.m.sense {
	case senseDecimal:
		return l.col.Scaled(n, l.m.scale, w)
	case senseDate:
		return l.col.Day(n, w)
	case senseTime:
		return l.col.Span(n, w)
	case senseTimestamp:
		switch l.m.logical.(*format.TimestampType).Unit.Value.(type) {
		case *format.MilliSeconds:
			return l.col.Millis(n, w)
		case *format.MicroSeconds:
			return l.col.Instant(n, w)
		}
		return l.col.Nanos(n, w)
	}
	return l.col.Int(n, w)
}

func (l *leaf) bytes(v []byte, w *column.Work) ([]byte, bool) {
	switch l.m.sense {
	case senseText:
		return l.col.String(nil, v, w)
	case senseJSON:
		return l.document(v, w)
	case senseOpaque:
		return l.col.Opaque(nil, v, w)
	case senseUUID:
		out, ok := l.col.UUID([16]byte(v), w)
		return out[:], ok
	case senseDecimal:
		size := int(l.e.schema.TypeLength.V)
		if parquet.Kind(l.e.schema.Type.V) == parquet.ByteArray {
			size = 0
		}
		return l.col.Unscaled(nil, v, l.m.scale, size, w)
	}
	return l.col.Bytes(nil, v, w)
}

// document masks a document: by its own paths where the column has no label. Where
// the column is masked there is no document that could stand for it.
func (l *leaf) document(v []byte, w *column.Work) ([]byte, bool) {
	if l.json == nil || l.col.Shown || l.col.Op != nil && !l.col.Unknown {
		return l.col.Opaque(nil, v, w)
	}
	out, err := l.json.Append(nil, v, w.Text)
	return out, err == nil
}

// The day of 1970-01-01 in Julian days, from which INT96 counts.
const (
	julianEpoch  = 2440588
	microsPerDay = 24 * 60 * 60 * 1_000_000
)

// int96 masks a timestamp as old writers have it: nanoseconds of the day, and the
// day.
func (l *leaf) int96(v deprecated.Int96, w *column.Work) (parquet.Value, bool) {
	nanos := uint64(v[1])<<32 | uint64(v[0])
	if l.col.Shown || nanos >= microsPerDay*1000 {
		_, ok := l.col.Opaque(nil, nil, w)
		return parquet.Int96Value(v), ok
	}
	us := (int64(v[2])-julianEpoch)*microsPerDay + int64(nanos/1000)
	out, ok := l.col.Instant(us, w)
	if !ok || out == us {
		return parquet.Int96Value(v), ok
	}
	day := out / microsPerDay
	if out%microsPerDay < 0 {
		day--
	}
	rest := uint64(out-day*microsPerDay) * 1000
	if day += julianEpoch; day < 0 || day > math.MaxUint32 {
		return parquet.Int96Value(v), false
	}
	return parquet.Int96Value(deprecated.Int96{uint32(rest), uint32(rest >> 32), uint32(day)}), true
}

// know tells what a row is known for.
func (l *leaf) know(v parquet.Value, w *column.Work) {
	switch v.Kind() {
	case parquet.ByteArray, parquet.FixedLenByteArray:
		l.col.Know(v.ByteArray(), w)
	case parquet.Int32:
		l.col.Know(strconv.AppendInt(nil, int64(v.Int32()), 10), w)
	case parquet.Int64:
		l.col.Know(strconv.AppendInt(nil, v.Int64(), 10), w)
	default:
		l.col.Know(binary.LittleEndian.AppendUint64(nil, v.Uint64()), w)
	}
}
