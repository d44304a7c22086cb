// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// schema asks the counterpart for the columns of a table.
func (c *control) schema(ctx context.Context, t table) ([]field, error) {
	var out struct {
		answer
		Fields []field
	}
	if err := c.do(ctx, "schema", map[string]any{"table": t}, &out); err != nil {
		return nil, err
	}
	return out.Fields, out.status()
}

// append has the counterpart put rows into a table, all or none.
func (c *control) append(ctx context.Context, t table, rows []json.RawMessage) error {
	if len(rows) == 0 {
		return nil
	}
	var out struct {
		answer
		InsertErrors []json.RawMessage
	}
	if err := c.do(ctx, "append", map[string]any{"table": t, "rows": rows}, &out); err != nil {
		return err
	}
	if len(out.InsertErrors) > 0 {
		return fmt.Errorf("rows do not fit the table: %s", out.InsertErrors[0])
	}
	return out.status()
}

// decoder reads rows by the schema of who writes them.
type decoder struct {
	message protoreflect.MessageDescriptor
	columns map[string]field
}

// use takes a schema, whose fields must be columns.
func (d *decoder) use(p *descriptorpb.DescriptorProto, columns []field) error {
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{Name: proto.String("rows.proto"), MessageType: []*descriptorpb.DescriptorProto{p}}, nil)
	if err != nil {
		return fmt.Errorf("invalid writer schema: %w", err)
	}
	d.columns = make(map[string]field, len(columns))
	for _, c := range columns {
		d.columns[strings.ToLower(c.Name)] = c
	}
	d.message = file.Messages().Get(0)
	for i := range d.message.Fields().Len() {
		name := string(d.message.Fields().Get(i).Name())
		if strings.EqualFold(name, "_CHANGE_TYPE") {
			return fmt.Errorf("changes of rows are not served by this counterpart")
		}
		if _, ok := d.columns[strings.ToLower(name)]; !ok {
			return fmt.Errorf("the writer schema has a field that is no column: %s", name)
		}
	}
	return nil
}

// rows are the rows of a message as JSON, or what is wrong with them.
func (d *decoder) rows(serialized [][]byte) (out []json.RawMessage, failed []*storagepb.RowError) {
	for i, b := range serialized {
		row, err := d.row(b)
		if err != nil {
			failed = append(failed, &storagepb.RowError{Index: int64(i), Code: storagepb.RowError_FIELDS_ERROR, Message: err.Error()})
			continue
		}
		out = append(out, row)
	}
	return out, failed
}

func (d *decoder) row(b []byte) (json.RawMessage, error) {
	if d.message == nil {
		return nil, fmt.Errorf("there is no writer schema")
	}
	m := dynamicpb.NewMessage(d.message)
	if err := proto.Unmarshal(b, m); err != nil {
		return nil, err
	}
	row := make(map[string]any)
	for i := range d.message.Fields().Len() {
		f := d.message.Fields().Get(i)
		column := d.columns[strings.ToLower(string(f.Name()))]
		if column.Mode == "REQUIRED" && !m.Has(f) {
			return nil, fmt.Errorf("the row has no %s: %v", column.Name, m)
		}
		if m.Has(f) {
			row[column.Name] = value(f, column, m.Get(f))
		}
	}
	return json.Marshal(row)
}

// value is a value as JSON for the REST interface.
func value(f protoreflect.FieldDescriptor, column field, v protoreflect.Value) any {
	if f.IsList() {
		out := []any{}
		for i := range v.List().Len() {
			out = append(out, single(f, column, v.List().Get(i)))
		}
		return out
	}
	return single(f, column, v)
}

func single(f protoreflect.FieldDescriptor, column field, v protoreflect.Value) any {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		out := make(map[string]any)
		for _, c := range column.Fields {
			if in := v.Message().Descriptor().Fields().ByName(protoreflect.Name(c.Name)); in != nil && v.Message().Has(in) {
				out[c.Name] = value(in, c, v.Message().Get(in))
			}
		}
		return out
	case protoreflect.BytesKind:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case protoreflect.EnumKind:
		return int32(v.Enum())
	case protoreflect.Int32Kind, protoreflect.Int64Kind:
		switch column.Type {
		case "DATE":
			return time.Unix(0, 0).UTC().AddDate(0, 0, int(v.Int())).Format(time.DateOnly)
		case "TIMESTAMP":
			return time.UnixMicro(v.Int()).UTC().Format("2006-01-02 15:04:05.999999+00")
		}
	}
	return v.Interface()
}

// tableFields are columns as the Storage APIs describe them.
func tableFields(columns []field) []*storagepb.TableFieldSchema {
	types := map[string]storagepb.TableFieldSchema_Type{
		"INTEGER": storagepb.TableFieldSchema_INT64, "FLOAT": storagepb.TableFieldSchema_DOUBLE, "BOOLEAN": storagepb.TableFieldSchema_BOOL, "RECORD": storagepb.TableFieldSchema_STRUCT,
	}
	var out []*storagepb.TableFieldSchema
	for _, c := range columns {
		t, ok := types[c.Type]
		if !ok {
			t = storagepb.TableFieldSchema_Type(storagepb.TableFieldSchema_Type_value[c.Type])
		}
		out = append(out, &storagepb.TableFieldSchema{
			Name: c.Name, Type: t, Mode: storagepb.TableFieldSchema_Mode(storagepb.TableFieldSchema_Mode_value[c.Mode]), Fields: tableFields(c.Fields),
		})
	}
	return out
}
