// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package meta

import (
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql"
	"github.com/sallyport-dev/sallyport/internal/catalog"
)

// index is a file of labels by table, and by the path of a column in lower case.
// The path of a table's line for all others is empty.
type index map[tableName]map[string][]sallyport.Label

// tableName is a table as the file of labels and policies name it.
type tableName struct{ dataset, table string }

func newIndex(l *catalog.Labels) index {
	out := index{}
	if l == nil {
		return out
	}
	l.Each(func(schema, table, column string, labels []sallyport.Label) {
		t := tableName{schema, table}
		if out[t] == nil {
			out[t] = map[string][]sallyport.Label{}
		}
		// Two lines that differ in case are of one column, which has the labels of both.
		path := strings.ToLower(column)
		out[t][path] = merge(out[t][path], labels)
	})
	return out
}

// columns labels the columns of a table. A field without a line of its own has the
// labels of the record around it; the line for all others counts for the columns.
func (x index) columns(t tableName, fields []field) []googlesql.Column {
	lines := x[t]
	return labelled(lines, fields, "", lines[""])
}

func labelled(lines map[string][]sallyport.Label, fields []field, above string, inherited []sallyport.Label) []googlesql.Column {
	var out []googlesql.Column
	for i := range fields {
		f := &fields[i]
		path := above + strings.ToLower(f.Name)
		labels := inherited
		if own, ok := lines[path]; ok {
			labels = own
		}
		out = append(out, googlesql.Column{
			Name: f.Name, Type: f.Type, Repeated: f.repeated(), Labels: labels,
			Fields: labelled(lines, f.Fields, path+".", labels),
		})
	}
	return out
}

// facts are columns and all fields of them below a table's path. A record holds
// what its fields hold, so that its labels are all of theirs.
func facts(columns []googlesql.Column, path []string) []sallyport.Column {
	var out []sallyport.Column
	for i := range columns {
		c := &columns[i]
		at := append(slices.Clone(path), c.Name)
		out = append(out, sallyport.Column{Object: sallyport.Object{Kind: analyze.KindColumn, Path: at}, Labels: held(c)})
		out = append(out, facts(c.Fields, at)...)
	}
	return out
}

// held are the labels of what is in a column. Of a record some may be unclassified.
func held(c *googlesql.Column) []sallyport.Label {
	if len(c.Fields) == 0 {
		return c.Labels
	}
	var out []sallyport.Label
	for i := range c.Fields {
		labels := held(&c.Fields[i])
		if len(labels) == 0 {
			labels = []sallyport.Label{sallyport.Unclassified}
		}
		out = merge(out, labels)
	}
	return out
}

// merge returns the labels of both, each once.
func merge(a, b []sallyport.Label) []sallyport.Label {
	out := slices.Clone(a)
	for _, l := range b {
		if !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}
