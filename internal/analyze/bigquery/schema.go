// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"strconv"
	"strings"
)

// fieldType is what a field of a request may hold.
type fieldType struct {
	mark   byte       // 't', 'n', 'b', 's', 'a' for any, '-', '!', '@', '[' and '{'
	of     *fieldType // of elements
	schema string
}

// schemas are the fields of each schema by name.
type schemas map[string]map[string]fieldType

func parseSchemas() schemas {
	out := make(schemas, len(fieldsOf))
	for name, line := range fieldsOf {
		fields := map[string]fieldType{}
		for _, w := range strings.Fields(line) {
			field, t, ok := strings.Cut(w, ":")
			if !ok {
				t = "t"
			}
			fields[field] = parseType(t)
		}
		out[name] = fields
	}
	return out
}

func parseType(t string) fieldType {
	switch {
	case strings.HasPrefix(t, "[]"), strings.HasPrefix(t, "{}"):
		of := parseType(t[2:])
		return fieldType{mark: t[0], of: &of}
	case strings.HasPrefix(t, "@"):
		return fieldType{mark: '@', schema: t[1:]}
	}
	return fieldType{mark: t[0]}
}

// check returns v without the fields that the service fills in alone, or says
// which field is none of the schema's or has a value of another type.
func (s schemas) check(v value, schema, at string) (value, error) {
	if v.kind != isObject {
		return v, mistyped(at, "an object")
	}
	fields := s[schema]
	out := value{kind: isObject, names: make([]string, 0, len(v.names)), items: make([]value, 0, len(v.names))}
	for i, name := range v.names {
		t, ok := fields[name]
		if !ok {
			return v, invalid("the field "+join(at, shown(name))+" is not known to the gateway, which could not say what it changes", "leave the field out")
		}
		if t.mark == '-' {
			continue
		}
		item, err := s.field(v.items[i], t, join(at, name))
		if err != nil {
			return v, err
		}
		out.names, out.items = append(out.names, name), append(out.items, item)
	}
	return out, nil
}

func (s schemas) field(v value, t fieldType, at string) (value, error) {
	if t.mark == '!' {
		if v.kind == isBool && v.text == "false" || v.kind == isList && len(v.items) == 0 {
			return v, nil
		}
		return v, invalid("the gateway does not let the field "+at+" pass", "leave the field out")
	}
	if v.kind == isNull { // as good as absent, or, in a change, the removal of what is there
		return v, nil
	}
	switch t.mark {
	case 't':
		if v.kind != isText {
			return v, mistyped(at, "a text")
		}
	case 'n':
		if v.kind != isNumber && !numeric(v) {
			return v, mistyped(at, "a number")
		}
	case 's':
		if v.kind == isList || v.kind == isObject {
			return v, mistyped(at, "a text, a number, true or false")
		}
	case 'b':
		if v.kind != isBool {
			return v, mistyped(at, "true or false")
		}
	case '@':
		return s.check(v, t.schema, at)
	case '[':
		return s.each(v, isList, "a list", *t.of, at)
	case '{':
		return s.each(v, isObject, "an object", *t.of, at)
	}
	return v, nil
}

// each checks the elements of a list, or the values of an object with free names.
func (s schemas) each(v value, k kind, word string, of fieldType, at string) (value, error) {
	if v.kind != k {
		return v, mistyped(at, word)
	}
	out := value{kind: k, names: v.names, items: make([]value, 0, len(v.items))}
	for _, item := range v.items {
		checked, err := s.field(item, of, at)
		if err != nil {
			return v, err
		}
		out.items = append(out.items, checked)
	}
	return out, nil
}

// numeric reports whether a text is a number, as 64-bit integers are written.
func numeric(v value) bool {
	if v.kind != isText {
		return false
	}
	_, err := strconv.ParseFloat(v.text, 64)
	return err == nil
}

func mistyped(at, word string) error {
	if at == "" {
		at = "(the whole body)"
	}
	return invalid("the field "+at+" is not "+word, "send the body as the interface's reference has it")
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}
