// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"fmt"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"go.yaml.in/yaml/v4"
)

// LabelsVersion is the version of the labels file's format.
const LabelsVersion = 1

// Limits of a labels file.
const (
	maxLabelsFile = 16 << 20
	maxLabelLen   = 64
)

// Labels is a parsed labels file: which label the columns of a database have,
// by the names that they had when the file was written.
//
//	version: 1
//	columns:
//	  public.patients.ssn: phi.ssn
//	  public.patients.id: public
//	  public.notes.*: phi.note         # every column without a line of its own
//	  public.mixed.body: [phi.note, phi.name]
//	functions:
//	  pure: ["public.fmt_code(text)"]  # the result depends on the arguments only
//
// A part of a name that holds a dot stands in double quotes, as in SQL. Names
// are taken as written: the server folds to lower case what was not quoted when
// it was created.
type Labels struct {
	columns map[columnName]entry
	pure    map[string]entry // by signature
}

// columnName names a column, or, with column empty, all columns of a table: no
// column of PostgreSQL has an empty name.
type columnName struct{ schema, table, column string }

func (n columnName) String() string {
	column := "*"
	if n.column != "" {
		column = quotePart(n.column)
	}
	return quotePart(n.schema) + "." + quotePart(n.table) + "." + column
}

// entry is a line of the file.
type entry struct {
	labels []sallyport.Label
	line   int
}

// ParseLabels reads a labels file. Unknown keys, repeated keys, aliases and
// malformed names are refused; the error, of kind Invalid, holds every problem
// as file:line.
func ParseLabels(file string, src []byte) (*Labels, error) {
	p := &labelsParser{
		file: file,
		out:  &Labels{columns: make(map[columnName]entry), pure: make(map[string]entry)},
	}
	if len(src) > maxLabelsFile {
		p.problem(1, "the file is larger than %d bytes", maxLabelsFile)
		return nil, p.err()
	}
	var doc yaml.Node
	if err := yaml.Load(src, &doc, yaml.WithV4Defaults()); err != nil {
		return nil, sallyport.E(sallyport.Invalid, "read labels", "the labels file is not valid YAML").Because(fmt.Errorf("%s: %w", file, err))
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		p.problem(1, "the file is empty")
	} else {
		p.document(doc.Content[0])
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return p.out, nil
}

type labelsParser struct {
	file     string
	out      *Labels
	problems []error
}

func (p *labelsParser) problem(line int, format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf("%s:%d: %s", p.file, line, fmt.Sprintf(format, args...)))
}

func (p *labelsParser) err() error {
	if len(p.problems) == 0 {
		return nil
	}
	return sallyport.E(sallyport.Invalid, "read labels", fmt.Sprintf("the labels file has %d problem(s)", len(p.problems))).
		Because(errors.Join(p.problems...))
}

// pairs calls f for each key of a mapping and reports what is not one.
func (p *labelsParser) pairs(n *yaml.Node, what string, f func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		p.problem(n.Line, "%s must be a mapping", what)
		return
	}
	seen := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode {
			p.problem(k.Line, "a key must be a plain text")
			continue
		}
		if at, ok := seen[k.Value]; ok {
			p.problem(k.Line, "the key %q stands in line %d already", k.Value, at)
			continue
		}
		seen[k.Value] = k.Line
		f(k, n.Content[i+1])
	}
}

func (p *labelsParser) document(n *yaml.Node) {
	version := false
	p.pairs(n, "the file", func(k, v *yaml.Node) {
		switch k.Value {
		case "version":
			version = true
			if v.Kind != yaml.ScalarNode || v.Value != fmt.Sprint(LabelsVersion) {
				p.problem(v.Line, "version must be %d", LabelsVersion)
			}
		case "columns":
			if !isNull(v) {
				p.pairs(v, "columns", p.column)
			}
		case "functions":
			if !isNull(v) {
				p.pairs(v, "functions", p.functions)
			}
		default:
			p.problem(k.Line, "unknown key %q; known are version, columns and functions", k.Value)
		}
	})
	if !version {
		p.problem(n.Line, "version is missing")
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func (p *labelsParser) column(k, v *yaml.Node) {
	parts, err := splitName(k.Value)
	if err != nil || len(parts) != 3 {
		p.problem(k.Line, "%q is not of the form schema.table.column", k.Value)
		return
	}
	name := columnName{parts[0].text, parts[1].text, parts[2].text}
	if name.column == "*" && !parts[2].quoted {
		name.column = ""
	}
	if first, ok := p.out.columns[name]; ok {
		p.problem(k.Line, "%s stands in line %d already", name, first.line)
		return
	}
	e := entry{line: k.Line}
	nodes := []*yaml.Node{v}
	if v.Kind == yaml.SequenceNode {
		nodes = v.Content
	}
	for _, n := range nodes {
		if n.Kind != yaml.ScalarNode || !validLabel(n.Value) {
			p.problem(n.Line, "%q is not a label: lower-case words joined by dots, at most %d bytes, such as phi.ssn", n.Value, maxLabelLen)
			return
		}
		e.labels = union(e.labels, []sallyport.Label{sallyport.Label(n.Value)})
	}
	if len(e.labels) == 0 {
		p.problem(v.Line, "%s has no label", name)
		return
	}
	p.out.columns[name] = e
}

func (p *labelsParser) functions(k, v *yaml.Node) {
	if k.Value != "pure" {
		p.problem(k.Line, "unknown key %q; known is pure", k.Value)
		return
	}
	if v.Kind != yaml.SequenceNode {
		p.problem(v.Line, "pure must be a list")
		return
	}
	for _, n := range v.Content {
		sig, err := parseSignature(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil {
			p.problem(n.Line, "%q is not of the form schema.function(type, type)", n.Value)
			continue
		}
		if first, ok := p.out.pure[sig]; ok {
			p.problem(n.Line, "%s stands in line %d already", sig, first.line)
			continue
		}
		p.out.pure[sig] = entry{line: n.Line}
	}
}

// lookup returns the labels that the file has for a column and whether its line
// names the column itself.
func (l *Labels) lookup(schema, table, column string) (labels []sallyport.Label, explicit, ok bool) {
	if e, ok := l.columns[columnName{schema, table, column}]; ok {
		return e.labels, true, true
	}
	if e, ok := l.columns[columnName{schema, table, ""}]; ok {
		return e.labels, false, true
	}
	return nil, false, false
}

// Each calls f for each line of the file, in no order. column is empty for the line
// that stands for all columns of a table without a line of their own. It is for
// targets that look names up by other rules than PostgreSQL's.
func (l *Labels) Each(f func(schema, table, column string, labels []sallyport.Label)) {
	for n, e := range l.columns {
		f(n.schema, n.table, n.column, e.labels)
	}
}

// validLabel: words of a-z, 0-9, "-" and "_", joined by dots.
func validLabel(s string) bool {
	if len(s) > maxLabelLen {
		return false
	}
	for word := range strings.SplitSeq(s, ".") {
		if word == "" {
			return false
		}
		for i := range len(word) {
			c := word[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// union returns the labels of both, those of a first, each once. It never
// writes to a.
func union(a, b []sallyport.Label) []sallyport.Label {
	out := a[:len(a):len(a)]
	for _, l := range b {
		found := false
		for _, have := range out {
			found = found || have == l
		}
		if !found {
			out = append(out, l)
		}
	}
	return out
}
