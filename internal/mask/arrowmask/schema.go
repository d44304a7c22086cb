// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package arrowmask

import (
	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
)

// The limits of a schema.
const (
	maxSchema   = 16 << 20 // bytes
	maxColumns  = 20000    // with those within others
	maxDepth    = 40       // of which every second may be a list
	maxName     = 1024     // bytes of a column's name; BigQuery's own limit is 300
	maxMetadata = 16       // of a column
)

// layout is how the values of a column lie in its buffers.
type layout uint8

const (
	bits    layout = iota + 1 // validity, bits
	fixed                     // validity, values of a width
	strings                   // validity, offsets, bytes
	lists                     // validity, offsets; one child
	structs                   // validity; children
)

// buffers returns how many buffers a column has, without its children's.
func (l layout) buffers() int {
	switch l {
	case structs:
		return 1
	case strings:
		return 3
	}
	return 2
}

// column is a column of a schema, or one within another, and what happens to it.
type column struct {
	name     string
	typ      arrowType
	layout   layout
	width    int // of a fixed value, and of an offset
	nullable bool
	children []*column

	// dictionary says that the values are in a dictionary, and the column holds
	// indices of a width into it.
	dictionary bool
	id         int64
	index      int
	values     bool // it is the values of a dictionary

	field *mask.BQField // nil where there is none, as for the ends of a range
	masks bool          // it or something within it is masked
	empty bool          // it is a list that becomes the empty one
	null  bool          // NULL is its constant
	fill  []byte        // the constant otherwise

	// Where its node and its first buffer are among those of a batch.
	node, buffer int
}

// arrowType is a type as a schema has it.
type arrowType struct {
	id               uint8
	bits             int32
	unit             int16
	precision, scale int32
}

// The types of a schema.
const (
	typeInt         = 2
	typeFloat       = 3
	typeBinary      = 4
	typeUtf8        = 5
	typeBool        = 6
	typeDecimal     = 7
	typeDate        = 8
	typeTime        = 9
	typeTimestamp   = 10
	typeInterval    = 11
	typeList        = 12
	typeStruct      = 13
	typeLargeBinary = 19
	typeLargeUtf8   = 20
	typeLargeList   = 21
)

// Units of times, and of intervals.
const (
	unitDay         = 0 // of a date
	unitMicro       = 2
	unitNano        = 3
	unitMonthDay    = 2 // months, days and nanoseconds
	precisionDouble = 2
)

// parser reads the schema of a stream.
type parser struct {
	total   int
	nodes   int
	buffers int
	ids     map[int64]int // columns per dictionary
}

const opSchema = "mask arrow schema"

func refuseSchema(msg string) error {
	return sallyport.E(sallyport.Integrity, opSchema, msg).
		WithHint("the rows were withheld, because they could not be masked with certainty; read the table through the REST interface")
}

// parseSchema reads the message of a schema.
func parseSchema(b []byte, p *parser) ([]*column, error) {
	if len(b) > maxSchema {
		return nil, refuseSchema("the schema is too large")
	}
	m, rest, err := cutMessage(b)
	if err != nil {
		return nil, err
	}
	if m.kind != kindSchema || len(m.body) > 0 || !atEnd(rest) {
		return nil, refuseSchema("there is no schema where one has to be")
	}
	t := m.header
	if t.i16(0, 0) != 0 {
		return nil, refuseSchema("the schema is of another byte order")
	}
	if err := checkMetadata(t, 2); err != nil {
		return nil, err
	}
	cols, err := p.columns(t, 1, 0)
	if err == nil && m.flat.bad {
		err = refuseSchema("the schema is damaged")
	}
	return cols, err
}

// checkMetadata refuses metadata of a schema that nobody knows: it passes, and could
// hold anything.
func checkMetadata(t table, id int) error {
	pos, n := t.vector(id, 4)
	if n > maxMetadata {
		return refuseSchema("the schema has too much metadata")
	}
	for i := range n {
		switch t.f.table(t.f.indirect(pos + 4*i)).text(0) {
		case "ARROW:extension:name", "ARROW:extension:metadata":
		default:
			return refuseSchema("the schema has metadata that is not known")
		}
	}
	return nil
}

// columns reads a vector of fields.
func (p *parser) columns(t table, id, depth int) ([]*column, error) {
	pos, n := t.vector(id, 4)
	if p.total += n; p.total > maxColumns || depth > maxDepth {
		return nil, refuseSchema("the schema has too many columns, or columns too deep in each other")
	}
	out := make([]*column, n)
	for i := range out {
		c, err := p.column(t.f.table(t.f.indirect(pos+4*i)), depth)
		if err != nil {
			return nil, err
		}
		out[i] = c
	}
	return out, nil
}

func (p *parser) column(t table, depth int) (*column, error) {
	if err := checkMetadata(t, 6); err != nil {
		return nil, err
	}
	c := &column{name: t.text(0), nullable: t.u8(1, 0) != 0, node: p.nodes, buffer: p.buffers}
	typ, _ := t.child(3)
	if !c.setType(t.u8(2, 0), typ) || t.f.bad {
		return nil, refuseSchema("the schema has a column of a type that is not known")
	}
	p.nodes++
	if d, ok := t.child(4); ok {
		if err := p.encoded(c, d); err != nil {
			return nil, err
		}
		p.buffers += fixed.buffers()
		return c, nil
	}
	p.buffers += c.layout.buffers()
	children, err := p.columns(t, 5, depth+1)
	if err != nil {
		return nil, err
	}
	c.children = children
	if c.layout == lists && len(children) != 1 || c.layout != lists && c.layout != structs && len(children) > 0 {
		return nil, refuseSchema("the schema has a column with others within it that it cannot have")
	}
	return c, nil
}

// encoded reads how a column of a dictionary is encoded.
func (p *parser) encoded(c *column, d table) error {
	if c.layout == lists || c.layout == structs {
		return refuseSchema("the schema has a dictionary of records")
	}
	index := int32(32)
	if t, ok := d.child(1); ok {
		index = t.i32(0, 0)
	}
	switch index {
	case 8, 16, 32, 64:
	default:
		return refuseSchema("the schema has a dictionary with indices that are not known")
	}
	c.dictionary, c.id, c.index = true, d.i64(0), int(index/8)
	p.ids[c.id]++
	return nil
}

// setType sets the type and the layout.
func (c *column) setType(id uint8, t table) bool {
	c.typ.id = id
	c.layout, c.width = fixed, 8
	switch id {
	case typeInt:
		c.typ.bits = t.i32(0, 0)
		c.width = int(c.typ.bits / 8)
		return c.width == 1 || c.width == 2 || c.width == 4 || c.width == 8
	case typeFloat:
		c.typ.unit = t.i16(0, 0)
		c.width = 2 << max(c.typ.unit, 0)
		return c.typ.unit >= 0 && c.typ.unit <= precisionDouble
	case typeBinary, typeUtf8:
		c.layout, c.width = strings, 4
	case typeLargeBinary, typeLargeUtf8:
		c.layout = strings
	case typeBool:
		c.layout, c.width = bits, 0
	case typeDecimal:
		c.typ.precision, c.typ.scale, c.typ.bits = t.i32(0, 0), t.i32(1, 0), t.i32(2, 128)
		c.width = int(c.typ.bits / 8)
		return (c.width == 16 || c.width == 32) && c.typ.scale >= 0 && c.typ.scale <= c.typ.precision && c.typ.precision <= 76
	case typeDate:
		if c.typ.unit = t.i16(0, 1); c.typ.unit == unitDay {
			c.width = 4
		}
	case typeTime:
		c.typ.unit, c.typ.bits = t.i16(0, 1), t.i32(1, 32)
		c.width = int(c.typ.bits / 8)
		return c.width == 4 || c.width == 8
	case typeTimestamp:
		c.typ.unit = t.i16(0, 0)
	case typeInterval:
		switch c.typ.unit = t.i16(0, 0); c.typ.unit {
		case 0:
			c.width = 4
		case unitMonthDay:
			c.width = 16
		}
	case typeList:
		c.layout, c.width = lists, 4
	case typeLargeList:
		c.layout = lists
	case typeStruct:
		c.layout, c.width = structs, 0
	default:
		return false
	}
	return true
}
