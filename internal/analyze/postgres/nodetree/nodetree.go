// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package nodetree reads the text that PostgreSQL prints for its internal trees
// (outfuncs.c), as debug_print_rewritten shows it with debug_pretty_print off.
//
// Nodes are read by field name and never by position, since fields come and go
// with every major release. What does not follow the format is an error: a
// client chooses identifiers, and none of them may pass for structure.
package nodetree

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Limits of what Parse accepts.
const (
	MaxBytes = 4 << 20
	MaxDepth = 20_000  // nested nodes and lists
	MaxNodes = 400_000 // nodes in all
)

// ErrSyntax is wrapped by every error of this package. Errors hold offsets and
// field names of PostgreSQL only, never text of the tree.
var ErrSyntax = errors.New("not a node tree")

// Kind says what a Value is.
type Kind uint8

// The kinds of value.
const (
	Null   Kind = iota // <>
	Atom               // a number, a boolean, an enum, a name
	String             // a String node, printed in double quotes
	Object             // a node
	List               // a list of values
	Bytes              // a datum's bytes, which are not kept
)

// Value is a field's value or a list's element.
type Value struct {
	Kind Kind
	// Text is an Atom's or a String's text with the escapes undone. A line break
	// inside it stands for a space or a line break: the format cannot tell.
	Text string
	Node *Node
	// Items holds a list's elements. Of the lists of numbers, (i 1), (o 1), (b 1)
	// and (x 1), Tag is the letter.
	Items []Value
	Tag   byte
}

// Node is one node.
type Node struct {
	Name   string // "QUERY", "VAR", ...
	Fields []Field
}

// Field is one field of a node.
type Field struct {
	Name  string
	Value Value
}

// Get returns the field of that name.
func (n *Node) Get(name string) (Value, bool) {
	for i := range n.Fields {
		if n.Fields[i].Name == name {
			return n.Fields[i].Value, true
		}
	}
	return Value{}, false
}

// Int returns an Atom as a number.
func (v Value) Int() (int64, bool) {
	if v.Kind != Atom {
		return 0, false
	}
	i, err := strconv.ParseInt(v.Text, 10, 64)
	return i, err == nil
}

// Bool returns an Atom as a boolean.
func (v Value) Bool() (b, ok bool) {
	return v.Text == "true", v.Kind == Atom && (v.Text == "true" || v.Text == "false")
}

type parser struct {
	s     string
	i     int
	lines lines
	nodes int
}

// Parse reads one value, which is a node or a list of nodes at the top.
func Parse(s string) (Value, error) {
	if len(s) > MaxBytes {
		return Value{}, fmt.Errorf("%w: larger than %d bytes", ErrSyntax, MaxBytes)
	}
	p := &parser{s: s, lines: newLines()}
	v, err := p.value(0)
	if err != nil {
		return Value{}, err
	}
	if err := p.skip(); err != nil {
		return Value{}, err
	}
	if p.i != len(p.s) {
		return Value{}, p.fail("text after the end")
	}
	return v, nil
}

func (p *parser) fail(what string) error {
	return fmt.Errorf("%w: %s at byte %d", ErrSyntax, what, p.i)
}

// step moves over one byte and watches the line ends.
func (p *parser) step(escaped bool) error {
	switch p.s[p.i] {
	case ' ':
		p.lines.space = p.i
	case '\n':
		if !p.lines.end(p.i, escaped) {
			return p.fail("a word broken by a line end")
		}
	}
	p.i++
	return nil
}

// skip moves over white space.
func (p *parser) skip() error {
	for p.i < len(p.s) && isSpace(p.s[p.i]) {
		if err := p.step(false); err != nil {
			return err
		}
	}
	return nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' }

// peek returns the next byte after white space, or 0 at the end.
func (p *parser) peek() (byte, error) {
	if err := p.skip(); err != nil || p.i == len(p.s) {
		return 0, err
	}
	return p.s[p.i], nil
}

// word reads up to unescaped white space or a bracket, as pg_strtok of
// nodes/read.c does. raw is the text as printed.
func (p *parser) word() (text, raw string, err error) {
	start, escaped := p.i, false
	for p.i < len(p.s) {
		c := p.s[p.i]
		if isSpace(c) || c == '(' || c == ')' || c == '{' || c == '}' {
			break
		}
		if c == '\\' && p.i+1 < len(p.s) {
			escaped = true
			p.i++
			if err := p.step(true); err != nil {
				return "", "", err
			}
			continue
		}
		if err := p.step(false); err != nil {
			return "", "", err
		}
	}
	raw = p.s[start:p.i]
	if raw == "" {
		return "", "", p.fail("a word is missing")
	}
	if !escaped {
		return raw, raw, nil
	}
	var b strings.Builder
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' && i+1 < len(raw) {
			i++
		}
		b.WriteByte(raw[i])
	}
	return b.String(), raw, nil
}

func (p *parser) value(depth int) (Value, error) {
	if depth > MaxDepth {
		return Value{}, p.fail("nested too deep")
	}
	c, err := p.peek()
	if err != nil {
		return Value{}, err
	}
	switch c {
	case 0:
		return Value{}, p.fail("a value is missing")
	case '{':
		n, err := p.node(depth)
		return Value{Kind: Object, Node: n}, err
	case '(':
		return p.list(depth)
	case ')', '}':
		return Value{}, p.fail("a bracket that closes nothing")
	}
	text, raw, err := p.word()
	switch {
	case err != nil:
		return Value{}, err
	case raw == "<>":
		return Value{Kind: Null}, nil
	case raw[0] == '"':
		if len(raw) < 2 || raw[len(raw)-1] != '"' {
			return Value{}, p.fail("a string without end")
		}
		return Value{Kind: String, Text: strings.TrimSuffix(strings.TrimPrefix(text, `"`), `"`)}, nil
	}
	return Value{Kind: Atom, Text: text}, nil
}

func (p *parser) node(depth int) (*Node, error) {
	if p.nodes++; p.nodes > MaxNodes {
		return nil, p.fail("too many nodes")
	}
	p.i++ // {
	name, _, err := p.word()
	if err != nil {
		return nil, err
	}
	n := &Node{Name: name, Fields: make([]Field, 0, 12)}
	for {
		c, err := p.peek()
		if err != nil {
			return nil, err
		}
		if c == '}' {
			p.i++
			return n, nil
		}
		if c != ':' {
			return nil, p.fail("a field is missing")
		}
		_, raw, err := p.word()
		if err != nil {
			return nil, err
		}
		field := raw[1:]
		if !fieldName(field) {
			return nil, p.fail("a field without a name")
		}
		if _, twice := n.Get(field); twice {
			return nil, p.fail("a field given twice")
		}
		var v Value
		if field == "constvalue" {
			v, err = p.datum()
		} else if next, e := p.peek(); e != nil || next == ':' {
			return nil, p.fail("a field without a value")
		} else {
			v, err = p.value(depth + 1)
		}
		if err != nil {
			return nil, err
		}
		n.Fields = append(n.Fields, Field{Name: field, Value: v})
	}
}

// fieldName reports whether s is a C identifier, possibly with a dot (fields of
// a struct inside a node).
func fieldName(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// datum reads a constant: <> or "4 [ 1 0 0 0 ]". Its bytes are not kept.
func (p *parser) datum() (Value, error) {
	if _, err := p.peek(); err != nil {
		return Value{}, err
	}
	_, raw, err := p.word()
	if err != nil {
		return Value{}, err
	}
	if raw == "<>" {
		return Value{Kind: Null}, nil
	}
	if !number(raw) {
		return Value{}, p.fail("a constant without a length")
	}
	for i := 0; ; i++ {
		if _, err := p.peek(); err != nil {
			return Value{}, err
		}
		_, raw, err := p.word()
		switch {
		case err != nil:
			return Value{}, err
		case i == 0 && raw == "[":
		case i > 0 && raw == "]":
			return Value{Kind: Bytes}, nil
		case i == 0 || !number(raw):
			return Value{}, p.fail("a constant's byte is missing")
		}
	}
}

func number(s string) bool {
	if s != "" && s[0] == '-' {
		s = s[1:]
	}
	if s == "" || len(s) > 19 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// list reads (a b c), or the lists of numbers: (i 1 2), (o 1 2), (x 1 2) and the
// bit set (b 1 2).
func (p *parser) list(depth int) (Value, error) {
	p.i++ // (
	v := Value{Kind: List}
	if p.i+1 < len(p.s) && strings.IndexByte("ioxb", p.s[p.i]) >= 0 && (isSpace(p.s[p.i+1]) || p.s[p.i+1] == ')') {
		v.Tag = p.s[p.i]
		p.i++
	}
	for {
		c, err := p.peek()
		if err != nil {
			return Value{}, err
		}
		if c == ')' {
			p.i++
			return v, nil
		}
		item, err := p.value(depth + 1)
		if err != nil {
			return Value{}, err
		}
		if v.Tag != 0 && (item.Kind != Atom || !number(item.Text)) {
			return Value{}, p.fail("a number is missing")
		}
		v.Items = append(v.Items, item)
	}
}
