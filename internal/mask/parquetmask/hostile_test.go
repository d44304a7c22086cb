// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package parquetmask_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	sallyport "github.com/sallyport-dev/sallyport"
)

// hostile is a file of one column that says what its author likes.
type hostile struct {
	typ      format.Type
	optional bool
	length   int32
	codec    format.CompressionCodec
	page     format.PageHeader
	body     []byte
	rows     int64
	footer   func(*format.FileMetaData)
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	var p thrift.CompactProtocol
	b, err := thrift.Marshal(&p, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (h *hostile) file(t *testing.T) []byte {
	t.Helper()
	if h.page.CompressedPageSize == 0 {
		h.page.CompressedPageSize = int32(len(h.body))
	}
	if h.page.UncompressedPageSize == 0 {
		h.page.UncompressedPageSize = int32(len(h.body))
	}
	head := marshal(t, &h.page)
	b := append(append([]byte("PAR1"), head...), h.body...)
	leaf := format.SchemaElement{Name: "a", Type: thrift.New(h.typ), RepetitionType: thrift.New(format.Required)}
	if h.optional {
		leaf.RepetitionType = thrift.New(format.Optional)
	}
	if h.length != 0 {
		leaf.TypeLength = thrift.New(h.length)
	}
	m := format.FileMetaData{
		Version: 1, NumRows: h.rows,
		Schema: []format.SchemaElement{{Name: "root", NumChildren: thrift.New(int32(1))}, leaf},
		RowGroups: []format.RowGroup{{NumRows: h.rows, Columns: []format.ColumnChunk{{MetaData: format.ColumnMetaData{
			Type: h.typ, Codec: h.codec, PathInSchema: []string{"a"}, NumValues: h.rows, DataPageOffset: 4, TotalCompressedSize: int64(len(b) - 4),
		}}}}},
	}
	if h.footer != nil {
		h.footer(&m)
	}
	f := marshal(t, &m)
	return append(binary.LittleEndian.AppendUint32(append(b, f...), uint32(len(f))), "PAR1"...)
}

func v1(n int32, e format.Encoding) format.PageHeader {
	return format.PageHeader{Type: format.DataPage, DataPageHeader: thrift.New(format.DataPageHeader{
		NumValues: n, Encoding: e, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
	})}
}

func uvarints(vs ...uint64) []byte {
	var b []byte
	for _, v := range vs {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

// TestHostile holds that no length that a file says makes the reader take memory
// for it, or go on for long.
func TestHostile(t *testing.T) {
	nulls := append(binary.LittleEndian.AppendUint32(nil, 6), append(uvarints(math.MaxInt32<<1), 0)...)
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := enc.EncodeAll(make([]byte, 200<<20), nil)
	sized := func(h format.PageHeader, packed, plain int32) format.PageHeader {
		h.CompressedPageSize, h.UncompressedPageSize = packed, plain
		return h
	}
	dictionary := format.PageHeader{Type: format.DictionaryPage, DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: 1 << 20})}
	const text, whole = format.ByteArray, format.Int64
	for name, h := range map[string]*hostile{
		"a page of 2 GB":            {typ: whole, rows: 1, page: sized(v1(1, format.Plain), math.MaxInt32, math.MaxInt32)},
		"unpacks to 2 GB":           {typ: whole, rows: 1, codec: format.Snappy, body: uvarints(math.MaxInt32), page: sized(v1(1, format.Plain), 5, math.MaxInt32)},
		"unpacks to more":           {typ: whole, rows: 1, codec: format.Zstd, body: bomb, page: sized(v1(1, format.Plain), 0, 100)},
		"negative sizes":            {typ: whole, rows: 1, page: sized(v1(1, format.Plain), -1, -1)},
		"negative values":           {typ: whole, rows: 1, page: v1(-5, format.Plain)},
		"endless nulls":             {typ: whole, rows: math.MaxInt32, optional: true, body: nulls, page: v1(math.MaxInt32, format.Plain)},
		"endless rows":              {typ: whole, rows: math.MaxInt64, optional: true, body: nulls, page: v1(math.MaxInt32, format.Plain)},
		"negative rows":             {typ: whole, rows: -1, page: v1(1, format.Plain)},
		"endless deltas":            {typ: whole, rows: 1, body: uvarints(128, 4, 1<<40, 0), page: v1(1, format.DeltaBinaryPacked)},
		"a block of deltas":         {typ: whole, rows: 3, body: uvarints(1<<60, 1, 3, 0), page: v1(3, format.DeltaBinaryPacked)},
		"no miniblocks":             {typ: whole, rows: 3, body: uvarints(128, 0, 3, 0), page: v1(3, format.DeltaBinaryPacked)},
		"a long text":               {typ: text, rows: 1, body: []byte{0xff, 0xff, 0xff, 0x7f}, page: v1(1, format.Plain)},
		"a negative length":         {typ: text, rows: 1, body: uvarints(128, 4, 1, 1), page: v1(1, format.DeltaLengthByteArray)},
		"no dictionary":             {typ: text, rows: 1, body: []byte{1, 2, 0}, page: v1(1, format.RLEDictionary)},
		"wide indexes":              {typ: text, rows: 1, body: []byte{99, 2, 0}, page: v1(1, format.RLEDictionary)},
		"a dictionary of nothing":   {typ: text, rows: 1, page: dictionary},
		"levels longer than a page": {typ: text, rows: 1, optional: true, body: []byte{0xff, 0xff, 0xff, 0xff}, page: v1(1, format.Plain)},
		"levels of 2 GB": {typ: text, rows: 1, optional: true, page: format.PageHeader{Type: format.DataPageV2, DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{
			NumValues: 1, RepetitionLevelsByteLength: math.MaxInt32, DefinitionLevelsByteLength: math.MaxInt32,
		})}},
		"a fixed value of 2 GB":               {typ: format.FixedLenByteArray, length: math.MaxInt32, rows: 1, page: v1(1, format.Plain)},
		"an encoding that is not of the type": {typ: text, rows: 1, page: v1(1, format.DeltaBinaryPacked)},
		"more children than elements":         {typ: whole, rows: 1, page: v1(1, format.Plain), footer: func(m *format.FileMetaData) { m.Schema[0].NumChildren.V = math.MaxInt32 }},
		"negative children":                   {typ: whole, rows: 1, page: v1(1, format.Plain), footer: func(m *format.FileMetaData) { m.Schema[0].NumChildren.V = -3 }},
		"a root that is a column":             {typ: whole, rows: 1, page: v1(1, format.Plain), footer: func(m *format.FileMetaData) { m.Schema = m.Schema[1:] }},
		"a column outside":                    {typ: whole, rows: 1, page: v1(1, format.Plain), footer: func(m *format.FileMetaData) { m.RowGroups[0].Columns[0].MetaData.DataPageOffset = 1 << 50 }},
		"a negative column":                   {typ: whole, rows: 1, page: v1(1, format.Plain), footer: func(m *format.FileMetaData) { m.RowGroups[0].Columns[0].MetaData.DataPageOffset = -9 }},
		"a column in another file":            {typ: whole, rows: 1, page: v1(1, format.Plain), footer: func(m *format.FileMetaData) { m.RowGroups[0].Columns[0].FilePath = "/etc/passwd" }},
		"another type":                        {typ: whole, rows: 1, page: v1(1, format.Plain), footer: func(m *format.FileMetaData) { m.Schema[1].Type.V = format.Boolean }},
		"no such type":                        {typ: whole, rows: 1, page: v1(1, format.Plain), footer: func(m *format.FileMetaData) { m.Schema[1].Type.V = 77 }},
		"a decimal of no length":              {typ: format.FixedLenByteArray, rows: 1, page: v1(1, format.Plain)},
		"deep": {typ: whole, rows: 1, page: v1(1, format.Plain), footer: func(m *format.FileMetaData) {
			var s []format.SchemaElement
			for range 1000 {
				s = append(s, m.Schema[0])
			}
			m.Schema = append(s, m.Schema[1])
		}},
	} {
		t.Run(name, func(t *testing.T) {
			m, file := masker(t, nil), h.file(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := mask(t, m, file)
			runtime.ReadMemStats(&after)
			if k := sallyport.KindOf(err); err == nil || k != sallyport.Integrity && k != sallyport.Denied {
				t.Errorf("error %v", err)
			}
			if held := int64(after.Sys) - int64(before.Sys); held > 256<<20 {
				t.Errorf("it took %d MB", held>>20)
			}
		})
	}
}

// TestThriftList holds that a list that says to be long is refused before anybody
// makes room for it.
func TestThriftList(t *testing.T) {
	t.Parallel()
	for _, element := range []byte{0x5c, 0x58, 0x51, 0xfc, 0xf1, 0xfa, 0xf9} {
		footer := append([]byte{0x29, element}, uvarints(1<<31)...)
		footer = append(footer, bytes.Repeat([]byte{0xf9}, 100)...)
		file := append(append([]byte("PAR1"), footer...), 0)
		file = append(binary.LittleEndian.AppendUint32(file, uint32(len(footer)+1)), "PAR1"...)
		if _, err := mask(t, masker(t, nil), file); sallyport.KindOf(err) != sallyport.Integrity || err == nil {
			t.Errorf("error %v", err)
		}
	}
}
