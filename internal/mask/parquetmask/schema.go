// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package parquetmask

import (
	"reflect"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/sallyport-dev/sallyport/internal/mask/column"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// group is a group of the schema with its fields in the order of the file; the
// library's own sorts them.
type group struct {
	parquet.Group
	typ    parquet.Type
	fields []parquet.Field
}

// Type implements parquet.Node.
func (g *group) Type() parquet.Type { return g.typ }

// Fields implements parquet.Node.
func (g *group) Fields() []parquet.Field { return g.fields }

// named is a node with its name. No values of Go's are made by the schema.
type named struct {
	parquet.Node
	name string
}

// Name implements parquet.Field.
func (f *named) Name() string { return f.name }

// Value implements parquet.Field.
func (f *named) Value(base reflect.Value) reflect.Value { return base }

// builder makes the schema of the masked file: the types, and the names without
// what the scanner finds in them.
type builder struct {
	rules *column.Rules
	work  *text.Work
}

func (b *builder) schema(root *element) (*parquet.Schema, error) {
	n, err := b.group(root)
	if err != nil {
		return nil, err
	}
	name := b.rules.Name(root.schema.Name, b.work)
	if name == "" {
		name = "schema"
	}
	return parquet.NewSchema(name, n), nil
}

func (b *builder) group(e *element) (parquet.Node, error) {
	plain := parquet.Group{}
	g := &group{Group: plain, typ: plain.Type()}
	switch {
	case isList(e.schema):
		g.typ = parquet.List(parquet.Leaf(parquet.Int32Type)).Type()
	case isMap(e.schema):
		g.typ = parquet.Map(parquet.Leaf(parquet.Int32Type), parquet.Leaf(parquet.Int32Type)).Type()
	case e.schema.LogicalType.Value != nil:
		return nil, unsupported("the Parquet file has a group of a type that is not known here")
	}
	taken := map[string]bool{}
	for i, c := range e.children {
		n, err := b.node(c)
		if err != nil {
			return nil, err
		}
		name := b.rules.Name(c.schema.Name, b.work)
		if name == "" {
			name = "masked_" + strconv.Itoa(i+1)
		}
		if taken[name] {
			return nil, broken("its schema has two fields of one name")
		}
		taken[name] = true
		g.fields = append(g.fields, &named{n, name})
	}
	return g, nil
}

func isList(s *format.SchemaElement) bool {
	_, ok := s.LogicalType.Value.(*format.ListType)
	return ok || s.LogicalType.Value == nil && s.ConvertedType.Valid && s.ConvertedType.V == deprecated.List
}

func isMap(s *format.SchemaElement) bool {
	_, ok := s.LogicalType.Value.(*format.MapType)
	return ok || s.LogicalType.Value == nil && s.ConvertedType.Valid && s.ConvertedType.V == deprecated.Map
}

func (b *builder) node(e *element) (n parquet.Node, err error) {
	if e.schema.Type.Valid {
		m, err := meaningOf(e.schema)
		if err != nil {
			return nil, err
		}
		n = m.node(e.schema)
	} else if n, err = b.group(e); err != nil {
		return nil, err
	}
	switch e.schema.RepetitionType.V {
	case format.Optional:
		n = parquet.Optional(n)
	case format.Repeated:
		n = parquet.Repeated(n)
	default:
		n = parquet.Required(n)
	}
	if id := e.schema.FieldID; id != 0 {
		n = parquet.FieldID(n, int(id))
	}
	return n, nil
}

// sense is what the values of a column mean.
type sense uint8

const (
	senseRaw       sense = iota // what the physical type says
	senseText                   // texts, enumerations
	senseJSON                   // documents
	senseOpaque                 // BSON, intervals
	senseUUID                   //
	senseDecimal                //
	senseDate                   //
	senseTime                   //
	senseTimestamp              //
	senseUnsigned               // whole numbers without sign
)

// meaning is a column's type.
type meaning struct {
	sense   sense
	logical any // of format, or a deprecated type in its form
	scale   int
}

// meaningOf reads the type of a column, of which older files have another form.
func meaningOf(s *format.SchemaElement) (meaning, error) {
	logical := any(s.LogicalType.Value)
	if s.LogicalType.Value == nil {
		logical = nil
	}
	if logical == nil && s.ConvertedType.Valid {
		logical = converted(s)
	}
	m := meaning{logical: logical}
	kind := parquet.Kind(s.Type.V)
	ok := true
	switch t := logical.(type) {
	case nil:
	case *format.NullType: // all of its values are null
		m.logical = nil
	case *format.StringType, *format.EnumType:
		m.sense, ok = senseText, kind == parquet.ByteArray
	case *format.JsonType:
		m.sense, ok = senseJSON, kind == parquet.ByteArray
	case *format.BsonType:
		m.sense, ok = senseOpaque, kind == parquet.ByteArray
	case interval:
		m.sense, ok = senseOpaque, kind == parquet.FixedLenByteArray && s.TypeLength.V == 12
	case *format.UUIDType:
		m.sense, ok = senseUUID, kind == parquet.FixedLenByteArray && s.TypeLength.V == 16
	case *format.DecimalType:
		m.sense, m.scale = senseDecimal, int(t.Scale)
		ok = kind != parquet.Boolean && kind != parquet.Int96 && kind != parquet.Float && kind != parquet.Double
	case *format.DateType:
		m.sense, ok = senseDate, kind == parquet.Int32
	case *format.TimeType:
		_, millis := t.Unit.Value.(*format.MilliSeconds)
		m.sense, ok = senseTime, t.Unit.Value != nil && (kind == parquet.Int32) == millis && (millis || kind == parquet.Int64)
	case *format.TimestampType:
		m.sense, ok = senseTimestamp, kind == parquet.Int64 && t.Unit.Value != nil
	case *format.IntType:
		ok = (t.BitWidth == 64) == (kind == parquet.Int64) && (kind == parquet.Int32 && (t.BitWidth == 8 || t.BitWidth == 16 || t.BitWidth == 32) || kind == parquet.Int64)
		if !t.IsSigned {
			m.sense = senseUnsigned
		}
	default:
		return m, unsupported("the Parquet file has a column of a type that is not known here")
	}
	if !ok {
		return m, broken("a column has a type that its values cannot have")
	}
	return m, nil
}

// interval stands for the one type that has no newer form.
type interval struct{}

func converted(s *format.SchemaElement) any {
	millis := format.TimeUnit{Value: &format.MilliSeconds{}}
	micros := format.TimeUnit{Value: &format.MicroSeconds{}}
	whole := func(bits int8, signed bool) any { return &format.IntType{BitWidth: bits, IsSigned: signed} }
	switch s.ConvertedType.V {
	case deprecated.UTF8:
		return &format.StringType{}
	case deprecated.Enum:
		return &format.EnumType{}
	case deprecated.Decimal:
		return &format.DecimalType{Scale: s.Scale.V, Precision: s.Precision.V}
	case deprecated.Date:
		return &format.DateType{}
	case deprecated.TimeMillis:
		return &format.TimeType{IsAdjustedToUTC: true, Unit: millis}
	case deprecated.TimeMicros:
		return &format.TimeType{IsAdjustedToUTC: true, Unit: micros}
	case deprecated.TimestampMillis:
		return &format.TimestampType{IsAdjustedToUTC: true, Unit: millis}
	case deprecated.TimestampMicros:
		return &format.TimestampType{IsAdjustedToUTC: true, Unit: micros}
	case deprecated.Uint8:
		return whole(8, false)
	case deprecated.Uint16:
		return whole(16, false)
	case deprecated.Uint32:
		return whole(32, false)
	case deprecated.Uint64:
		return whole(64, false)
	case deprecated.Int8:
		return whole(8, true)
	case deprecated.Int16:
		return whole(16, true)
	case deprecated.Int32:
		return whole(32, true)
	case deprecated.Int64:
		return whole(64, true)
	case deprecated.Json:
		return &format.JsonType{}
	case deprecated.Bson:
		return &format.BsonType{}
	case deprecated.Interval:
		return interval{}
	}
	return nil
}

// node makes the node of a column for the library that writes.
func (m *meaning) node(s *format.SchemaElement) parquet.Node {
	physical := physicalOf(s)
	switch t := m.logical.(type) {
	case *format.StringType:
		return parquet.String()
	case *format.EnumType:
		return parquet.Enum()
	case *format.JsonType:
		return parquet.JSON()
	case *format.BsonType:
		return parquet.BSON()
	case interval:
		return parquet.IntervalNode()
	case *format.UUIDType:
		return parquet.UUID()
	case *format.DecimalType:
		return parquet.Decimal(int(t.Scale), int(t.Precision), physical)
	case *format.DateType:
		return parquet.Date()
	case *format.TimeType:
		return parquet.TimeAdjusted(unitOf(t.Unit), t.IsAdjustedToUTC)
	case *format.TimestampType:
		return parquet.TimestampAdjusted(unitOf(t.Unit), t.IsAdjustedToUTC)
	case *format.IntType:
		if t.IsSigned {
			return parquet.Int(int(t.BitWidth))
		}
		return parquet.Uint(int(t.BitWidth))
	}
	return parquet.Leaf(physical)
}

func unitOf(u format.TimeUnit) parquet.TimeUnit {
	switch u.Value.(type) {
	case *format.MilliSeconds:
		return parquet.Millisecond
	case *format.MicroSeconds:
		return parquet.Microsecond
	}
	return parquet.Nanosecond
}

func physicalOf(s *format.SchemaElement) parquet.Type {
	switch parquet.Kind(s.Type.V) {
	case parquet.Boolean:
		return parquet.BooleanType
	case parquet.Int32:
		return parquet.Int32Type
	case parquet.Int64:
		return parquet.Int64Type
	case parquet.Int96:
		return parquet.Int96Type
	case parquet.Float:
		return parquet.FloatType
	case parquet.Double:
		return parquet.DoubleType
	case parquet.FixedLenByteArray:
		return parquet.FixedLenByteArrayType(int(s.TypeLength.V))
	}
	return parquet.ByteArrayType
}
