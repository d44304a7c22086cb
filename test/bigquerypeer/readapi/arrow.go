// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/decimal256"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// arrowSchema makes Arrow's schema of BigQuery's, by the table "Arrow schema
// details" of the Storage Read API's documentation.
func arrowSchema(fields []field) (*arrow.Schema, error) {
	out, err := arrowFields(fields)
	if err != nil {
		return nil, err
	}
	return arrow.NewSchema(out, nil), nil
}

func arrowFields(fields []field) ([]arrow.Field, error) {
	out := make([]arrow.Field, 0, len(fields))
	for _, f := range fields {
		t, err := arrowType(f)
		if err != nil {
			return nil, err
		}
		a := arrow.Field{Name: f.Name, Type: t, Nullable: f.Mode != "REQUIRED", Metadata: extension(f.Type)}
		if f.Mode == "REPEATED" {
			a = arrow.Field{Name: f.Name, Type: arrow.ListOfField(arrow.Field{Name: "item", Type: t, Nullable: true, Metadata: a.Metadata})}
		}
		out = append(out, a)
	}
	return out, nil
}

// extension names the types that Arrow's alone do not tell.
func extension(bq string) arrow.Metadata {
	name, ok := map[string]string{"DATETIME": "google:sqlType:datetime", "JSON": "google:sqlType:json"}[bq]
	if !ok {
		return arrow.Metadata{}
	}
	return arrow.NewMetadata([]string{"ARROW:extension:name"}, []string{name})
}

func arrowType(f field) (arrow.DataType, error) {
	if f.Type == "RECORD" {
		fields, err := arrowFields(f.Fields)
		if err != nil {
			return nil, err
		}
		return arrow.StructOf(fields...), nil
	}
	t, ok := map[string]arrow.DataType{
		"STRING": arrow.BinaryTypes.String, "JSON": arrow.BinaryTypes.String, "BYTES": arrow.BinaryTypes.Binary, "INTEGER": arrow.PrimitiveTypes.Int64,
		"FLOAT": arrow.PrimitiveTypes.Float64, "BOOLEAN": arrow.FixedWidthTypes.Boolean, "DATE": arrow.FixedWidthTypes.Date32,
		"TIME": arrow.FixedWidthTypes.Time64us, "DATETIME": &arrow.TimestampType{Unit: arrow.Microsecond}, "TIMESTAMP": arrow.FixedWidthTypes.Timestamp_us,
		"NUMERIC": &arrow.Decimal128Type{Precision: 38, Scale: 9}, "BIGNUMERIC": &arrow.Decimal256Type{Precision: 76, Scale: 38},
	}[f.Type]
	if !ok {
		return nil, fmt.Errorf("the counterpart has no Arrow type for %s", f.Type)
	}
	return t, nil
}

// batches makes record batches of rows, so many in each.
func batches(schema *arrow.Schema, p part, size int) ([]arrow.RecordBatch, error) {
	var out []arrow.RecordBatch
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i, row := range p.Rows {
		for j, c := range row.F {
			if err := add(b.Field(j), c.V); err != nil {
				return nil, fmt.Errorf("%s: %w", schema.Field(j).Name, err)
			}
		}
		if (i+1)%size == 0 || i+1 == len(p.Rows) {
			out = append(out, b.NewRecordBatch())
		}
	}
	return out, nil
}

// add appends a value, which is JSON as the REST interface has it.
func add(b array.Builder, raw json.RawMessage) error {
	if string(raw) == "null" {
		b.AppendNull()
		return nil
	}
	switch b := b.(type) {
	case *array.ListBuilder:
		var items []cell
		if err := json.Unmarshal(raw, &items); err != nil {
			return err
		}
		b.Append(true)
		for _, item := range items {
			if err := add(b.ValueBuilder(), item.V); err != nil {
				return err
			}
		}
		return nil
	case *array.StructBuilder:
		var record struct{ F []cell }
		if err := json.Unmarshal(raw, &record); err != nil {
			return err
		}
		b.Append(true)
		for i, c := range record.F {
			if err := add(b.FieldBuilder(i), c.V); err != nil {
				return err
			}
		}
		return nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	return addText(b, text)
}

func addText(b array.Builder, text string) (err error) {
	switch b := b.(type) {
	case *array.StringBuilder:
		b.Append(text)
	case *array.BinaryBuilder:
		var v []byte
		v, err = base64.StdEncoding.DecodeString(text)
		b.Append(v)
	case *array.Int64Builder:
		var v int64
		v, err = strconv.ParseInt(text, 10, 64)
		b.Append(v)
	case *array.Float64Builder:
		var v float64
		v, err = strconv.ParseFloat(text, 64)
		b.Append(v)
	case *array.BooleanBuilder:
		var v bool
		v, err = strconv.ParseBool(text)
		b.Append(v)
	case *array.Date32Builder:
		var v time.Time
		v, err = time.Parse(time.DateOnly, text)
		b.Append(arrow.Date32FromTime(v))
	case *array.Time64Builder:
		var v arrow.Time64
		v, err = arrow.Time64FromString(text, arrow.Microsecond)
		b.Append(v)
	case *array.TimestampBuilder:
		var v int64
		if b.Type().(*arrow.TimestampType).TimeZone != "" {
			v, err = strconv.ParseInt(text, 10, 64)
		} else {
			var at time.Time
			at, err = time.Parse("2006-01-02T15:04:05.999999", text)
			v = at.UnixMicro()
		}
		b.Append(arrow.Timestamp(v))
	case *array.Decimal128Builder:
		var v decimal128.Num
		v, err = decimal128.FromString(text, 38, 9)
		b.Append(v)
	case *array.Decimal256Builder:
		var v decimal256.Num
		v, err = decimal256.FromString(text, 76, 38)
		b.Append(v)
	default:
		err = fmt.Errorf("no value for a %s", b.Type())
	}
	return err
}

// serialized is a schema as a message of Arrow's IPC format.
func serialized(schema *arrow.Schema) ([]byte, error) {
	p := ipc.GetSchemaPayload(schema, memory.DefaultAllocator)
	defer p.Release()
	var out bytes.Buffer
	_, err := p.WritePayload(&out)
	return out.Bytes(), err
}

// message is a batch as a message of Arrow's IPC format, without the schema.
func message(batch arrow.RecordBatch, options ...ipc.Option) ([]byte, error) {
	p, err := ipc.GetRecordBatchPayload(batch, options...)
	if err != nil {
		return nil, err
	}
	defer p.Release()
	var out bytes.Buffer
	_, err = p.WritePayload(&out)
	return out.Bytes(), err
}
