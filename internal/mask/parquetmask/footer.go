// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package parquetmask

import (
	"encoding/binary"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// Limits of a file's footer and schema.
const (
	maxFooter  = 64 << 20 // bytes
	maxColumns = 4096
	maxDepth   = 32
	maxFixed   = 1 << 20 // bytes of a value of fixed length
	tailLen    = 8       // the footer's length and the magic
)

// element is a node of the schema: a group, or a column.
type element struct {
	schema   *format.SchemaElement
	path     []string
	children []*element
	leaf     int // index of the column, of columns
	maxRep   int
	maxDef   int
	optional bool
}

// footer is what a file says of itself.
type footer struct {
	meta   format.FileMetaData
	root   *element
	leaves []*element
}

// readFooter reads and checks the footer of a file.
func readFooter(src io.ReaderAt, size int64) (*footer, error) {
	var tail [tailLen]byte
	if size < int64(len(Magic))+tailLen {
		return nil, broken("it is too short")
	}
	if _, err := src.ReadAt(tail[:], size-tailLen); err != nil {
		return nil, errRead(err)
	}
	if string(tail[4:]) == "PARE" {
		return nil, unsupported("the Parquet file is encrypted")
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	if string(tail[4:]) != Magic || n > maxFooter || n > size-tailLen-int64(len(Magic)) {
		return nil, broken("it does not end like one")
	}
	b := make([]byte, n)
	if _, err := src.ReadAt(b, size-tailLen-n); err != nil {
		return nil, errRead(err)
	}
	f := &footer{}
	if err := decode(b, &f.meta); err != nil {
		return nil, err
	}
	if f.meta.EncryptionAlgorithm.Value != nil {
		return nil, unsupported("the Parquet file is encrypted")
	}
	return f, f.check(size)
}

// decode reads a structure that was skimmed.
func decode(b []byte, v any) error {
	n, _, ok := skim(b)
	if !ok {
		return broken("a structure of it is none")
	}
	var p thrift.CompactProtocol
	if err := thrift.Unmarshal(&p, b[:n], v); err != nil {
		return broken("a structure of it is none")
	}
	return nil
}

// check makes the tree of the schema and checks that the columns are where the
// footer says.
func (f *footer) check(size int64) error {
	rest := []format.SchemaElement(f.meta.Schema)
	if len(rest) == 0 {
		return broken("it has no schema")
	}
	var err error
	if f.root, rest, err = f.grow(rest, nil, 0, 0, 0); err != nil {
		return err
	}
	if len(rest) > 0 || len(f.leaves) == 0 {
		return broken("its schema has another number of parts than it says")
	}
	for i := range f.meta.RowGroups {
		g := &f.meta.RowGroups[i]
		if len(g.Columns) != len(f.leaves) || g.NumRows < 0 {
			return broken("a row group has other columns than the schema")
		}
		for j := range g.Columns {
			c := &g.Columns[j]
			if c.FilePath != "" {
				return unsupported("the Parquet file has its columns in other files")
			}
			if c.CryptoMetadata.Value != nil || len(c.EncryptedColumnMetadata) > 0 {
				return unsupported("the Parquet file has encrypted columns")
			}
			begin, length := extent(&c.MetaData)
			if begin < int64(len(Magic)) || length < 0 || begin > size || length > size-begin || c.MetaData.NumValues < 0 {
				return broken("a column lies outside of it")
			}
			if c.MetaData.Type != f.leaves[j].schema.Type.V {
				return broken("a column has another type than the schema says")
			}
		}
	}
	return nil
}

// extent returns where the pages of a column lie.
func extent(m *format.ColumnMetaData) (begin, length int64) {
	begin = m.DataPageOffset
	if d := m.DictionaryPageOffset; d > 0 && d < begin {
		begin = d
	}
	return begin, m.TotalCompressedSize
}

// grow takes one element with its children from the list that a schema is kept as.
func (f *footer) grow(list []format.SchemaElement, path []string, depth, rep, def int) (*element, []format.SchemaElement, error) {
	if len(list) == 0 || depth > maxDepth {
		return nil, nil, broken("its schema ends too early, or goes too deep")
	}
	e := &element{schema: &list[0], path: path, maxRep: rep, maxDef: def}
	s := e.schema
	list = list[1:]
	if depth > 0 {
		e.path = append(path[:len(path):len(path)], s.Name)
		switch s.RepetitionType.V {
		case format.Optional:
			e.maxDef++
			e.optional = true
		case format.Repeated:
			e.maxDef++
			e.maxRep++
		}
	}
	if s.Type.Valid {
		if e.leaf = len(f.leaves); e.leaf == maxColumns || s.NumChildren.V != 0 || depth == 0 {
			return nil, nil, broken("its schema has too many columns, or one that is none")
		}
		if t := parquet.Kind(s.Type.V); t < parquet.Boolean || t > parquet.FixedLenByteArray {
			return nil, nil, broken("its schema has a type that is none")
		}
		if s.Type.V == format.FixedLenByteArray && (s.TypeLength.V <= 0 || s.TypeLength.V > maxFixed) {
			return nil, nil, broken("its schema has a fixed type without a length, or of more than 1 MiB")
		}
		f.leaves = append(f.leaves, e)
		return e, list, nil
	}
	if n := int(s.NumChildren.V); n < 0 || n > len(list) {
		return nil, nil, broken("its schema ends too early")
	}
	for range s.NumChildren.V {
		child, rest, err := f.grow(list, e.path, depth+1, e.maxRep, e.maxDef)
		if err != nil {
			return nil, nil, err
		}
		list = rest
		e.children = append(e.children, child)
	}
	return e, list, nil
}
