// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// maxDepth bounds the nesting of a file; the schema needs 8.
const maxDepth = 32

// decoder fills a value from YAML nodes by reflection over `yaml` tags. The
// library's own strict mode stops at what it regards as an error and knows
// nothing of lines once it is done; this one goes on, and keeps every key's
// line for the validation that follows.
type decoder struct {
	file     string
	lines    map[string]int // of every key and list element that was seen
	problems Problems
}

// defaulter is a type whose absent keys have values.
type defaulter interface{ setDefaults() }

func (d *decoder) problem(line int, key, format string, args ...any) {
	d.problems = append(d.problems, Problem{File: d.file, Line: line, Key: key, Msg: fmt.Sprintf(format, args...)})
}

// lineOf returns the line of a key, or of the nearest enclosing one that the
// file has.
func (d *decoder) lineOf(key string) int {
	for key != "" {
		if line, ok := d.lines[key]; ok {
			return line
		}
		key = parent(key)
	}
	return 1
}

// parent returns the key that holds key, or "".
func parent(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }

// value decodes a node into v. A null leaves v as it is, as an absent key does.
func (d *decoder) value(n *yaml.Node, v reflect.Value, key string, depth int) {
	switch {
	case depth > maxDepth:
		d.problem(n.Line, key, "nested too deeply")
		return
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.problem(n.Line, key, "anchors and aliases are not supported; write the value out")
		return
	case n.Tag != "" && !strings.HasPrefix(n.Tag, "!!"):
		d.problem(n.Line, key, "tags such as %q are not supported", clip(n.Tag))
		return
	}
	if key != "" {
		d.lines[key] = n.Line
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
			setDefaults(v.Elem())
		}
		v = v.Elem()
	}
	if u, ok := v.Addr().Interface().(unmarshaler); ok {
		if err := u.UnmarshalYAML(func(to any) error { return n.Decode(to) }); err != nil {
			d.problem(n.Line, key, "is not of the right form")
		}
		return
	}
	if _, text := v.Addr().Interface().(encoding.TextUnmarshaler); text || v.Type() == reflect.TypeFor[time.Duration]() {
		d.scalar(n, v, key)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, v, key, depth)
	case reflect.Slice:
		d.sequence(n, v, key, depth)
	case reflect.Map:
		d.free(n, v, key, depth)
	default:
		d.scalar(n, v, key)
	}
}

// unmarshaler is how types of other packages (identity.Values) read themselves.
type unmarshaler interface {
	UnmarshalYAML(decode func(any) error) error
}

func setDefaults(v reflect.Value) {
	if def, ok := v.Addr().Interface().(defaulter); ok {
		def.setDefaults()
	}
}

// mapping decodes the keys of a struct, and reports those that it does not have
// and those that come twice.
func (d *decoder) mapping(n *yaml.Node, v reflect.Value, key string, depth int) {
	if n.Kind != yaml.MappingNode {
		d.problem(n.Line, key, "want keys and values, found %s", describe(n))
		return
	}
	fields := fieldsOf(v.Type())
	seen := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, node := n.Content[i], n.Content[i+1]
		sub := join(key, name.Value)
		idx, ok := fields[name.Value]
		switch {
		case name.Kind != yaml.ScalarNode:
			d.problem(name.Line, key, "a key is not a plain word")
			continue
		case !ok:
			d.problem(name.Line, "", "unknown key %q; known here: %s", clip(sub), strings.Join(fieldNames(v.Type()), ", "))
			continue
		case seen[name.Value] > 0:
			d.problem(name.Line, sub, "appears again; it is already on line %d", seen[name.Value])
			continue
		}
		seen[name.Value] = name.Line
		d.value(node, v.Field(idx), sub, depth+1)
		// A block value begins below its key; the key's line is the one to show.
		d.lines[sub] = name.Line
	}
}

// free decodes a map whose keys are the file's own.
func (d *decoder) free(n *yaml.Node, v reflect.Value, key string, depth int) {
	if n.Kind != yaml.MappingNode {
		d.problem(n.Line, key, "want keys and values, found %s", describe(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, node := n.Content[i], n.Content[i+1]
		if name.Kind != yaml.ScalarNode {
			d.problem(name.Line, key, "a key is not a plain word")
			continue
		}
		k := reflect.ValueOf(name.Value).Convert(v.Type().Key())
		if v.MapIndex(k).IsValid() {
			d.problem(name.Line, join(key, clip(name.Value)), "appears again")
			continue
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		d.value(node, elem, join(key, name.Value), depth+1)
		v.SetMapIndex(k, elem)
	}
}

func (d *decoder) sequence(n *yaml.Node, v reflect.Value, key string, depth int) {
	if n.Kind != yaml.SequenceNode {
		d.problem(n.Line, key, "want a list, found %s", describe(n))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, node := range n.Content {
		at := fmt.Sprintf("%s[%d]", key, i)
		if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
			d.problem(node.Line, at, "is empty")
			continue
		}
		setDefaults(list.Index(i))
		d.value(node, list.Index(i), at, depth+1)
	}
	v.Set(list)
}

// scalar decodes a single value. What the file has is repeated in a problem
// only where it cannot be a secret.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.ScalarNode {
		d.problem(n.Line, key, "want a single value, found %s", describe(n))
		return
	}
	if err := setScalar(n, v); err != nil {
		d.problem(n.Line, key, "%v", err)
	}
}

func setScalar(n *yaml.Node, v reflect.Value) error {
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return t.UnmarshalText([]byte(n.Value))
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		dur, err := time.ParseDuration(n.Value)
		if err != nil {
			return fmt.Errorf(`%q is not a duration such as "90s", "5m" or "1h"`, clip(n.Value))
		}
		v.SetInt(int64(dur))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.Value)
	case reflect.Bool:
		switch n.Value {
		case "true", "false":
			v.SetBool(n.Value == "true")
		default:
			return fmt.Errorf("%q is neither true nor false", clip(n.Value))
		}
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number", clip(n.Value))
		}
		v.SetInt(i)
	default:
		return errors.New("is not a value that a file can hold")
	}
	return nil
}

// fieldsOf maps the names of a struct's keys to its fields.
func fieldsOf(t reflect.Type) map[string]int {
	m := make(map[string]int)
	for i := range t.NumField() {
		if name := fieldName(t.Field(i)); name != "" {
			m[name] = i
		}
	}
	return m
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if name := fieldName(t.Field(i)); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func fieldName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if !f.IsExported() || name == "-" {
		return ""
	}
	return name
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

// clip keeps a piece of the file short enough for a message.
func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
