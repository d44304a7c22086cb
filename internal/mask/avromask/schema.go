// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package avromask

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/mask/column"
)

// Limits of a schema.
const (
	maxSchemaDepth = 64
	maxTypes       = 20_000 // types in a schema, and fields with their paths
	maxSymbols     = 65_536
	maxFixed       = 1 << 20
)

// kind is a type of Avro's.
type kind uint8

const (
	kNull kind = iota
	kBoolean
	kInt
	kLong
	kFloat
	kDouble
	kBytes
	kString
	kRecord
	kEnum
	kArray
	kMap
	kUnion
	kFixed
)

// kindNames are the names by kind.
func kindNames() [kFixed + 1]string {
	return [...]string{
		kNull: "null", kBoolean: "boolean", kInt: "int", kLong: "long", kFloat: "float", kDouble: "double", kBytes: "bytes",
		kString: "string", kRecord: "record", kEnum: "enum", kArray: "array", kMap: "map", kUnion: "union", kFixed: "fixed",
	}
}

// schema is a type as it was declared.
type schema struct {
	kind             kind
	logical          string
	precision, scale int
	hasScale         bool
	named            *named    // of records, enumerations and fixed
	reference        bool      // to a named type that was declared before
	items            *schema   // of arrays and maps
	branches         []*schema // of unions
}

// named is a type with a name.
type named struct {
	name    string
	fields  []field
	symbols []string
	size    int
	masked  bool // of enumerations: its symbols are not shown
}

type field struct {
	name string
	typ  *schema
}

// parser reads a schema.
type parser struct {
	types map[string]*schema
	count int
}

func parseSchema(text []byte) (*schema, error) {
	if len(text) == 0 {
		return nil, broken("it has no schema")
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, broken("its schema is no JSON")
	}
	p := &parser{types: map[string]*schema{}}
	return p.schema(v, "", 0)
}

func (p *parser) schema(v any, space string, depth int) (*schema, error) {
	if p.count++; depth > maxSchemaDepth || p.count > maxTypes {
		return nil, broken("its schema is too large")
	}
	switch v := v.(type) {
	case string:
		return p.reference(v, space)
	case []any:
		s := &schema{kind: kUnion}
		for _, b := range v {
			t, err := p.schema(b, space, depth+1)
			if err != nil {
				return nil, err
			}
			s.branches = append(s.branches, t)
		}
		return s, nil
	case map[string]any:
		return p.object(v, space, depth)
	}
	return nil, broken("its schema has a type that is none")
}

// primitive returns the kind of a type without a name of its own.
func primitive(name string) (kind, bool) {
	for k, n := range kindNames() {
		if n == name {
			return kind(k), k <= int(kString)
		}
	}
	return 0, false
}

func (p *parser) reference(name, space string) (*schema, error) {
	if k, ok := primitive(name); ok {
		return &schema{kind: k}, nil
	}
	for _, full := range []string{qualify(name, space), name} {
		if s := p.types[full]; s != nil {
			r := *s
			r.reference = true
			return &r, nil
		}
	}
	return nil, broken("its schema refers to a type that it does not declare")
}

func qualify(name, space string) string {
	if space == "" || strings.Contains(name, ".") {
		return name
	}
	return space + "." + name
}

func (p *parser) object(v map[string]any, space string, depth int) (*schema, error) {
	name, ok := v["type"].(string)
	if !ok {
		return p.schema(v["type"], space, depth+1) // a type in braces
	}
	s := &schema{}
	s.logical, _ = v["logicalType"].(string)
	s.precision = number(v["precision"])
	s.scale = number(v["scale"])
	_, s.hasScale = v["scale"]
	var err error
	switch name {
	case "record", "error":
		s.kind = kRecord
	case "enum":
		s.kind = kEnum
	case "fixed":
		s.kind = kFixed
	case "array":
		s.kind = kArray
		s.items, err = p.schema(v["items"], space, depth+1)
		return s, err
	case "map":
		s.kind = kMap
		s.items, err = p.schema(v["values"], space, depth+1)
		return s, err
	default:
		r, err := p.reference(name, space)
		if err != nil {
			return nil, err
		}
		if r.named == nil {
			s.kind = r.kind
			return s, nil
		}
		return r, nil
	}
	return s, p.named(s, v, space, depth)
}

// number returns a whole number of a schema, or 0.
func number(v any) int {
	f, ok := v.(float64)
	if !ok || f < 0 || f > maxFixed || f != float64(int(f)) {
		return 0
	}
	return int(f)
}

// named reads the declaration of a type with a name.
func (p *parser) named(s *schema, v map[string]any, space string, depth int) error {
	name, _ := v["name"].(string)
	if ns, ok := v["namespace"].(string); ok && !strings.Contains(name, ".") {
		space = ns
	}
	full := qualify(name, space)
	if i := strings.LastIndexByte(full, '.'); i >= 0 {
		space = full[:i]
	}
	if !isName(full) || p.types[full] != nil {
		return broken("its schema declares a type without a name, or twice")
	}
	s.named = &named{name: full}
	p.types[full] = s
	switch s.kind {
	case kFixed:
		if s.named.size = number(v["size"]); s.named.size == 0 {
			return broken("its schema has a fixed type without a size, or of more than 1 MiB")
		}
	case kEnum:
		symbols, _ := v["symbols"].([]any)
		for _, x := range symbols {
			symbol, ok := x.(string)
			if !ok || !isName(symbol) {
				return broken("its schema has a symbol that is none")
			}
			s.named.symbols = append(s.named.symbols, symbol)
		}
		if n := len(symbols); n == 0 || n > maxSymbols {
			return broken("its schema has an enumeration of no symbols, or of too many")
		}
	case kRecord:
		fields, _ := v["fields"].([]any)
		for _, x := range fields {
			f, _ := x.(map[string]any)
			name, _ := f["name"].(string)
			if !isName(name) {
				return broken("its schema has a field without a name")
			}
			t, err := p.schema(f["type"], space, depth+1)
			if err != nil {
				return err
			}
			s.named.fields = append(s.named.fields, field{name, t})
		}
	}
	return nil
}

// isName reports whether s may be a name, with dots or without.
func isName(s string) bool {
	if s == "" || len(s) > 1024 {
		return false
	}
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || part[0] >= '0' && part[0] <= '9' {
			return false
		}
		for i := range len(part) {
			if c := part[i]; c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				return false
			}
		}
	}
	return true
}

// writer writes the schema of the masked file.
type writer struct {
	rules *column.Rules
	work  *column.Work
	names map[string]string // of types, as they are shown
}

// attribute are the attributes of a type that stay, in the order in which they are
// written.
type attributes struct {
	Type      any      `json:"type"`
	Name      string   `json:"name,omitempty"`
	Fields    *[]shown `json:"fields,omitempty"`
	Symbols   []string `json:"symbols,omitempty"`
	Size      int      `json:"size,omitempty"`
	Items     any      `json:"items,omitempty"`
	Values    any      `json:"values,omitempty"`
	Logical   string   `json:"logicalType,omitempty"`
	Precision int      `json:"precision,omitempty"`
	Scale     *int     `json:"scale,omitempty"`
}

// shown is a field as it is written.
type shown struct {
	Name string `json:"name"`
	Type any    `json:"type"`
}

// logicals are the logical types that the specification has, and that stay.
func knownLogical(name string) bool {
	switch name {
	case "decimal", "big-decimal", "uuid", "date", "time-millis", "time-micros", "timestamp-millis", "timestamp-micros", "timestamp-nanos",
		"local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos", "duration":
		return true
	}
	return false
}

// write returns a type as JSON has it. It ends, since a reference is written as a
// name.
func (w *writer) write(s *schema) any {
	if s.reference {
		return w.names[s.named.name]
	}
	if s.kind == kUnion {
		out := make([]any, len(s.branches))
		for i, b := range s.branches {
			out[i] = w.write(b)
		}
		return out
	}
	a := attributes{Type: kindNames()[s.kind]}
	if knownLogical(s.logical) {
		a.Logical, a.Precision = s.logical, s.precision
		if s.hasScale {
			a.Scale = &s.scale
		}
	}
	switch s.kind {
	case kArray:
		a.Items = w.write(s.items)
	case kMap:
		a.Values = w.write(s.items)
	case kRecord, kEnum, kFixed:
		a.Name = w.typeName(s.named.name)
		w.names[s.named.name] = a.Name
		w.body(&a, s)
	default:
		if a.Logical == "" {
			return a.Type
		}
	}
	return a
}

// body writes what a named type consists of.
func (w *writer) body(a *attributes, s *schema) {
	switch s.kind {
	case kFixed:
		a.Size = s.named.size
	case kEnum:
		a.Symbols = s.named.symbols
		if s.named.masked {
			a.Symbols = []string{"MASKED"}
			for i := 1; i < len(s.named.symbols); i++ {
				a.Symbols = append(a.Symbols, "MASKED_"+strconv.Itoa(i))
			}
		}
	case kRecord:
		fields := []shown{}
		for i, f := range s.named.fields {
			fields = append(fields, shown{w.fieldName(f.name, i), w.write(f.typ)})
		}
		a.Fields = &fields
	}
}

func (w *writer) fieldName(name string, index int) string {
	if shown := w.rules.Name(name, w.work.Text); shown != "" {
		return shown
	}
	return "masked_" + strconv.Itoa(index+1)
}

func (w *writer) typeName(name string) string {
	if shown := w.rules.Name(strings.ReplaceAll(name, ".", " "), w.work.Text); shown != "" {
		return name
	}
	return "masked_type_" + strconv.Itoa(len(w.names)+1)
}
