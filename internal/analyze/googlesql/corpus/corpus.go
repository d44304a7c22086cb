// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package corpus holds GoogleSQL texts with what the gateway must find out about
// each: ways to launder, infer or leak labelled data, and plain queries that must
// pass unmasked. The analysis runs the list; a connector can run it through a whole
// gateway.
package corpus

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql"
)

//go:embed testdata/redteam.yaml
var redteam []byte

// Set is the whole corpus.
type Set struct {
	Version int     `yaml:"version"`
	Project string  `yaml:"project"` // the resource's own
	Dataset string  `yaml:"dataset"` // the job's default
	Tables  []Table `yaml:"tables"`
	Cases   []Case  `yaml:"cases"`
}

// Table is a table or view of the corpus.
type Table struct {
	Name string `yaml:"name"` // project.dataset.table
	View string `yaml:"view"` // a view's query
	// Columns are "name TYPE" or "name TYPE label"; TYPE is ARRAY<TYPE> for repeated
	// ones. A name with dots is a field of the record before it.
	Columns []string `yaml:"columns"`
}

// Case is one text.
type Case struct {
	ID  string `yaml:"id"`
	SQL string `yaml:"sql"`
	// Parameters are "name TYPE"; "? TYPE" for a positional one.
	Parameters []string `yaml:"parameters"`
	Class      string   `yaml:"class"`
	Effects    []string `yaml:"effects"`
	// Objects are the accesses, "effect kind path".
	Objects []string `yaml:"objects"`
	// Outputs are the sources of each output column, apart by spaces; "=" before the
	// source of a value that is unchanged, "-" for none, "?" for an unknown output.
	Outputs    []string `yaml:"outputs"`
	Predicates []string `yaml:"predicates"`
	// Flows are "target <- sources", the sources written like an output's.
	Flows []string `yaml:"flows"`
	// Refused is true when the text can never pass, Invalid when it is not GoogleSQL
	// or does not fit the tables.
	Refused bool `yaml:"refused"`
	Invalid bool `yaml:"invalid"`
}

// Load reads the corpus.
func Load() (*Set, error) {
	d, err := yaml.NewLoader(bytes.NewReader(redteam), yaml.WithKnownFields())
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	s := &Set{}
	if err := d.Load(s); err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	if s.Version != 1 || len(s.Cases) == 0 {
		return nil, fmt.Errorf("corpus: version %d with %d cases is not known", s.Version, len(s.Cases))
	}
	return s, nil
}

// Catalog is the corpus' tables as the analysis looks them up.
func (s *Set) Catalog() googlesql.Catalog {
	c := catalog{}
	for _, t := range s.Tables {
		p := strings.Split(t.Name, ".")
		name := googlesql.Name{Project: p[0], Dataset: p[1], Table: p[2]}
		c[name] = googlesql.Table{Name: name, View: t.View != "", Query: t.View, Columns: columns(t.Columns, "")}
	}
	return c
}

// Env is where the cases run.
func (s *Set) Env() googlesql.Env {
	return googlesql.Env{Resource: "bq", Home: s.Project, Project: s.Project, Dataset: s.Dataset}
}

type catalog map[googlesql.Name]googlesql.Table

// Table implements [googlesql.Catalog].
func (c catalog) Table(n googlesql.Name) (googlesql.Table, bool) {
	t, ok := c[n]
	return t, ok
}

// Wildcard implements [googlesql.Catalog].
func (c catalog) Wildcard(n googlesql.Name) (out []googlesql.Table, ok bool) {
	for name, t := range c {
		if name.Project == n.Project && name.Dataset == n.Dataset && strings.HasPrefix(name.Table, n.Table) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b googlesql.Table) int { return strings.Compare(a.Name.String(), b.Name.String()) })
	return out, true
}

// columns reads the columns whose names begin with prefix.
func columns(lines []string, prefix string) []googlesql.Column {
	var out []googlesql.Column
	for _, line := range lines {
		f := strings.Fields(line)
		name, ok := strings.CutPrefix(f[0], prefix)
		if !ok || strings.Contains(name, ".") {
			continue
		}
		c := googlesql.Column{Name: name, Type: strings.TrimSuffix(strings.TrimPrefix(f[1], "ARRAY<"), ">")}
		c.Repeated = c.Type != f[1]
		if len(f) > 2 {
			c.Labels = []sallyport.Label{sallyport.Label(f[2])}
		}
		if c.Type == "RECORD" {
			c.Fields = columns(lines, f[0]+".")
		}
		out = append(out, c)
	}
	return out
}
