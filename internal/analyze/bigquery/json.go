// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits of a JSON body.
const (
	// MaxBody is the longest body in bytes, unpacked. The service takes 10 MB.
	MaxBody = 10 << 20
	// maxValues bounds what a body of many short values becomes in memory.
	maxValues = 1 << 20
	maxDepth  = 64
)

// kind is the kind of a JSON value.
type kind uint8

const (
	none kind = iota // not there
	isNull
	isBool
	isNumber
	isText
	isList
	isObject
)

// value is a JSON value. An object's fields keep their order.
type value struct {
	kind  kind
	text  string   // of a number as it was written, of a text decoded, "true" or "false"
	names []string // of an object's fields
	items []value
}

var (
	errMalformed = errors.New("the body is no JSON text")
	errTwice     = errors.New("the body has a field twice in one object")
	errLarge     = errors.New("the body has too many values or is nested too deeply")
)

// parseJSON reads a document strictly: one value, UTF-8, no field twice.
func parseJSON(data []byte) (value, error) {
	// The decoder alone lets some malformed documents pass token by token.
	if !utf8.Valid(data) || !json.Valid(data) {
		return value{}, errMalformed
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	p := parser{d: d}
	v, err := p.value(0)
	if err != nil {
		return value{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return value{}, errMalformed
	}
	return v, nil
}

type parser struct {
	d     *json.Decoder
	count int
}

func (p *parser) value(depth int) (value, error) {
	t, err := p.d.Token()
	if err != nil {
		return value{}, errMalformed
	}
	if p.count++; p.count > maxValues || depth > maxDepth {
		return value{}, errLarge
	}
	switch t := t.(type) {
	case nil:
		return value{kind: isNull}, nil
	case bool:
		if t {
			return value{kind: isBool, text: "true"}, nil
		}
		return value{kind: isBool, text: "false"}, nil
	case json.Number:
		return value{kind: isNumber, text: t.String()}, nil
	case string:
		return value{kind: isText, text: t}, nil
	case json.Delim:
		if t == '[' {
			return p.list(depth)
		}
		return p.object(depth)
	}
	return value{}, errMalformed
}

func (p *parser) list(depth int) (value, error) {
	v := value{kind: isList}
	for p.d.More() {
		item, err := p.value(depth + 1)
		if err != nil {
			return value{}, err
		}
		v.items = append(v.items, item)
	}
	_, err := p.d.Token()
	return v, err
}

func (p *parser) object(depth int) (value, error) {
	v := value{kind: isObject}
	seen := map[string]bool{}
	for p.d.More() {
		t, err := p.d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return value{}, errMalformed
		}
		if seen[name] {
			return value{}, errTwice
		}
		seen[name] = true
		item, err := p.value(depth + 1)
		if err != nil {
			return value{}, err
		}
		v.names, v.items = append(v.names, name), append(v.items, item)
	}
	_, err := p.d.Token()
	return v, err
}

// get returns a field, or the zero value.
func (v value) get(names ...string) value {
	for _, name := range names {
		found := value{}
		if v.kind == isObject {
			for i, n := range v.names {
				if n == name {
					found = v.items[i]
					break
				}
			}
		}
		v = found
	}
	return v
}

// has reports whether a field is there, be it null: a null in a change removes
// what was there.
func (v value) has(name string) bool { return v.get(name).kind != none }

// touches reports whether a field is there and changes something: bq sends an
// empty object where there is nothing to say.
func (v value) touches(name string) bool {
	f := v.get(name)
	return f.kind != none && (f.kind != isObject || len(f.items) > 0)
}

// string returns the text of a field, or "".
func (v value) string(names ...string) string {
	if f := v.get(names...); f.kind == isText {
		return f.text
	}
	return ""
}

// true reports whether a field is true.
func (v value) true(names ...string) bool {
	f := v.get(names...)
	return f.kind == isBool && f.text == "true"
}

// set replaces a field or adds it. The objects on the way are copied, so that v
// itself stays as it was.
func (v value) set(item value, names ...string) value {
	if len(names) == 0 {
		return item
	}
	out := value{kind: isObject}
	if v.kind == isObject {
		out.names, out.items = append(out.names, v.names...), append(out.items, v.items...)
	}
	for i, n := range out.names {
		if n == names[0] {
			out.items[i] = out.items[i].set(item, names[1:]...)
			return out
		}
	}
	out.names, out.items = append(out.names, names[0]), append(out.items, value{}.set(item, names[1:]...))
	return out
}

// without leaves a field out.
func (v value) without(name string) value {
	out := value{kind: v.kind, text: v.text}
	for i, n := range v.names {
		if n != name {
			out.names, out.items = append(out.names, n), append(out.items, v.items[i])
		}
	}
	return out
}

func text(s string) value { return value{kind: isText, text: s} }

func boolean(b bool) value {
	if b {
		return value{kind: isBool, text: "true"}
	}
	return value{kind: isBool, text: "false"}
}

// encode writes v.
func (v value) encode(b *strings.Builder) {
	switch v.kind {
	case none, isNull:
		b.WriteString("null")
	case isBool, isNumber:
		b.WriteString(v.text)
	case isText:
		quote(b, v.text)
	case isList:
		b.WriteByte('[')
		for i, item := range v.items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.encode(b)
		}
		b.WriteByte(']')
	case isObject:
		b.WriteByte('{')
		for i, item := range v.items {
			if i > 0 {
				b.WriteByte(',')
			}
			quote(b, v.names[i])
			b.WriteByte(':')
			item.encode(b)
		}
		b.WriteByte('}')
	}
}

func (v value) bytes() []byte {
	var b strings.Builder
	v.encode(&b)
	return []byte(b.String())
}

func quote(b *strings.Builder, s string) {
	q, err := json.Marshal(s)
	if err != nil {
		q = []byte(`""`) // every string can be written
	}
	b.Write(q)
}
