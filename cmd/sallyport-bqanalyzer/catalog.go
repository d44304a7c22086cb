// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"strings"

	"github.com/goccy/go-googlesql"

	"github.com/sallyport-dev/sallyport/internal/wire/bqanalyzer"
)

// maxParts is the most parts that a table's name has:
// project.dataset.INFORMATION_SCHEMA.view, with a region before it.
const maxParts = 5

// errRequest says that a request cannot be turned into a catalogue.
var errRequest = errors.New("the request is not valid")

// typeOf makes the engine's type of a field.
func typeOf(tf *googlesql.TypeFactory, f bqanalyzer.Field) (googlesql.Googlesql_TypeNode, error) {
	element, err := elementType(tf, f)
	if err != nil || !f.Repeated {
		return element, err
	}
	return tf.MakeArrayType2(element)
}

func elementType(tf *googlesql.TypeFactory, f bqanalyzer.Field) (googlesql.Googlesql_TypeNode, error) {
	switch strings.ToUpper(f.Type) {
	case "STRING":
		return tf.GetString()
	case "BYTES":
		return tf.GetBytes()
	case "INT64", "INTEGER":
		return tf.GetInt64()
	case "FLOAT64", "FLOAT":
		return tf.GetDouble()
	case "NUMERIC":
		return tf.GetNumeric()
	case "BIGNUMERIC":
		return tf.GetBignumeric()
	case "BOOL", "BOOLEAN":
		return tf.GetBool()
	case "TIMESTAMP":
		return tf.GetTimestamp()
	case "DATE":
		return tf.GetDate()
	case "TIME":
		return tf.GetTime()
	case "DATETIME":
		return tf.GetDatetime()
	case "GEOGRAPHY":
		return tf.GetGeography()
	case "JSON":
		return tf.GetJson()
	case "INTERVAL":
		return tf.GetInterval()
	case "RECORD", "STRUCT":
		fields := make([]*googlesql.StructField, 0, len(f.Fields))
		for _, sub := range f.Fields {
			t, err := typeOf(tf, sub)
			if err != nil {
				return nil, err
			}
			fields = append(fields, &googlesql.StructField{Name: sub.Name, Type_: t})
		}
		return tf.MakeStructType2(fields)
	}
	return nil, errRequest
}

// catalogue builds the engine's view of the request's tables. Names are put in by
// every way in which a text can group their parts between quotes.
func (e *engine) catalogue(tf *googlesql.TypeFactory, tables []bqanalyzer.Table) (*googlesql.MultiCatalog, error) {
	root, err := googlesql.NewSimpleCatalog("tables", nil)
	if err != nil {
		return nil, err
	}
	c := &filler{subs: map[string]*googlesql.SimpleCatalog{"": root}, taken: map[string]int{}}
	for i, t := range tables {
		table, err := c.table(tf, i, t)
		if err != nil {
			return nil, err
		}
		for _, name := range t.Names {
			parts := strings.Split(name, ".")
			if len(parts) > maxParts {
				return nil, errRequest
			}
			// The engine's names ignore case and BigQuery's do not.
			key := strings.ToLower(name)
			if by, ok := c.taken[key]; ok && by != i {
				return nil, errRequest
			}
			c.taken[key] = i
			if err := c.add(parts, table); err != nil {
				return nil, err
			}
		}
	}
	return googlesql.NewMultiCatalogCreate("all", []googlesql.CatalogNode{root, e.builtins})
}

// filler puts tables into nested catalogues.
type filler struct {
	subs  map[string]*googlesql.SimpleCatalog // by the path's parts, in lower case, each ended by NUL
	taken map[string]int
	added map[string]bool
}

// table makes the engine's table; its id is its index in the request.
func (*filler) table(tf *googlesql.TypeFactory, i int, t bqanalyzer.Table) (*googlesql.SimpleTable, error) {
	table, err := googlesql.NewSimpleTable("t", int64(i))
	if err != nil {
		return nil, err
	}
	for _, f := range t.Columns {
		typ, err := typeOf(tf, f)
		if err != nil {
			return nil, err
		}
		column, err := googlesql.NewSimpleColumn("t", f.Name, typ, f.Hidden, true)
		if err != nil {
			return nil, err
		}
		if err := table.AddColumn2(column, false); err != nil {
			return nil, err
		}
	}
	return table, nil
}

// add enters a table under each grouping of its name's parts.
func (c *filler) add(parts []string, table *googlesql.SimpleTable) error {
	if c.added == nil {
		c.added = make(map[string]bool)
	}
	for mask := range 1 << (len(parts) - 1) {
		var path []string
		for i, p := range parts {
			if i > 0 && mask&(1<<(i-1)) != 0 {
				path[len(path)-1] += "." + p
			} else {
				path = append(path, p)
			}
		}
		full := strings.ToLower(strings.Join(path, "\x00"))
		if c.added[full] {
			continue
		}
		c.added[full] = true
		sub, err := c.sub(path[:len(path)-1])
		if err != nil {
			return err
		}
		if err := sub.AddTable2(path[len(path)-1], table); err != nil {
			return err
		}
	}
	return nil
}

// sub returns the catalogue at path, made if need be.
func (c *filler) sub(path []string) (*googlesql.SimpleCatalog, error) {
	key := ""
	at := c.subs[key]
	for _, p := range path {
		key += strings.ToLower(p) + "\x00"
		next, ok := c.subs[key]
		if !ok {
			var err error
			if next, err = googlesql.NewSimpleCatalog(p, nil); err != nil {
				return nil, err
			}
			if err := at.AddCatalog2(p, next); err != nil {
				return nil, err
			}
			c.subs[key] = next
		}
		at = next
	}
	return at, nil
}
