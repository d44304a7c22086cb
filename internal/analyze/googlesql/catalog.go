// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql

import (
	"strings"

	"github.com/sallyport-dev/sallyport"
)

// Catalog is what is known about tables. An implementation is an immutable
// snapshot: every call about one text must be answered from the same state. A false
// second result means "not known".
type Catalog interface {
	// Table returns a table or view. Names are case-sensitive.
	Table(Name) (Table, bool)
	// Wildcard returns all tables whose names begin with name's.
	Wildcard(Name) ([]Table, bool)
}

// Name is a table's full name.
type Name struct {
	Project, Dataset, Table string
}

// String returns the name with dots.
func (n Name) String() string { return n.Project + "." + n.Dataset + "." + n.Table }

// Table is a table or view with its columns.
type Table struct {
	Name Name
	View bool
	// Query is the text of a logical view.
	Query   string
	Key     string // BigQuery's own stable name, where there is one
	Columns []Column
}

// Column is a column, or a field of one.
type Column struct {
	Name     string
	Type     string // BigQuery's word: "STRING", "RECORD", ...
	Repeated bool
	Key      string
	// Labels are what is known of the column. A field without labels has those of the
	// record around it.
	Labels []sallyport.Label
	Fields []Column
}

// Env is where a text runs.
type Env struct {
	Resource sallyport.ResourceID
	// Home is the resource's own project. Datasets of others are named with theirs.
	Home string
	// Project and Dataset are the job's defaults for names that leave them out.
	Project, Dataset string
}

// resolve completes a written name.
func (e Env) resolve(u TableUse) (Name, bool) {
	p := u.Parts
	switch {
	case u.System || u.Kind == "temp table":
		return Name{}, false
	case len(p) == 3:
		return Name{p[0], p[1], p[2]}, true
	case len(p) == 2:
		return Name{e.Project, p[0], p[1]}, e.Project != ""
	case len(p) == 1:
		return Name{e.Project, e.Dataset, p[0]}, e.Project != "" && e.Dataset != ""
	}
	return Name{}, false
}

// dataset is the path's element for a dataset.
func (e Env) dataset(project, dataset string) string {
	if project == "" || project == e.Home {
		return dataset
	}
	return project + "." + dataset
}

func (e Env) path(n Name) []string {
	return []string{string(e.Resource), e.dataset(n.Project, n.Dataset), n.Table}
}

// object names a used table in the words of policies.
func (e Env) object(u TableUse, cat Catalog) sallyport.Object {
	p := u.Parts
	switch {
	case u.Kind == "temp table":
		return sallyport.Object{Kind: u.Kind, Path: append([]string{string(e.Resource)}, p...)}
	case u.System:
		project := ""
		if len(p) == 4 {
			project = p[0]
		}
		return sallyport.Object{Kind: "view", Path: []string{string(e.Resource), e.dataset(project, "INFORMATION_SCHEMA"), p[len(p)-1]}}
	}
	n, ok := e.resolve(u)
	if !ok {
		// Only a default that is not there would tell.
		return sallyport.Object{Kind: u.Kind, Path: append([]string{string(e.Resource), "unknown"}, p[len(p)-1])}
	}
	o := sallyport.Object{Kind: u.Kind, Path: e.path(n)}
	if t, ok := cat.Table(n); ok {
		o.Key = t.Key
		if t.View {
			o.Kind = "view"
		}
	}
	return o
}

// routine names a routine in the words of policies.
func (e Env) routine(r Routine) sallyport.Object {
	path := []string{string(e.Resource)}
	switch p := r.Parts; {
	case r.Builtin:
		path = append(path, "builtin", strings.ToUpper(strings.Join(p, ".")))
	case r.Temp:
		path = append(path, p...)
	case len(p) == 3:
		path = append(path, e.dataset(p[0], p[1]), p[2])
	case len(p) == 2:
		path = append(path, e.dataset(e.Project, p[0]), p[1])
	case e.Dataset != "":
		path = append(path, e.dataset(e.Project, e.Dataset), p[0])
	default:
		path = append(path, "unknown", p[len(p)-1])
	}
	return sallyport.Object{Kind: "function", Path: path}
}

// schema names a dataset in the words of policies.
func (e Env) schema(s SchemaUse) sallyport.Object {
	project := e.Project
	if len(s.Parts) == 2 {
		project = s.Parts[0]
	}
	return sallyport.Object{Kind: "schema", Path: []string{string(e.Resource), e.dataset(project, s.Parts[len(s.Parts)-1])}}
}

// columns are a table's column at path, or the leaves below it; all leaves when
// path is empty. shape asks for the column itself.
func (e Env) columns(t Table, path []string, shape bool) []sallyport.Column {
	fields, full := t.Columns, e.path(t.Name)
	var labels []sallyport.Label
	var at Column
	for _, name := range path {
		found := false
		for _, f := range fields {
			if strings.EqualFold(f.Name, name) {
				at, fields, found = f, f.Fields, true
				break
			}
		}
		if !found {
			return []sallyport.Column{{Object: sallyport.Object{Kind: "column", Path: append(full, name)}, Labels: pseudo(name)}}
		}
		full = append(full, at.Name)
		if len(at.Labels) > 0 {
			labels = at.Labels
		}
	}
	if len(path) > 0 && (shape || len(fields) == 0) {
		return []sallyport.Column{{Object: sallyport.Object{Kind: "column", Path: full, Key: at.Key}, Labels: labels}}
	}
	return leaves(fields, full, labels)
}

// pseudo are the labels of a column that BigQuery itself adds.
func pseudo(name string) []sallyport.Label {
	switch name {
	case "_PARTITIONTIME", "_PARTITIONDATE", "_TABLE_SUFFIX":
		return []sallyport.Label{"system"}
	}
	return nil
}

func leaves(fields []Column, path []string, labels []sallyport.Label) []sallyport.Column {
	var out []sallyport.Column
	for _, f := range fields {
		own := labels
		if len(f.Labels) > 0 {
			own = f.Labels
		}
		full := append(append(make([]string, 0, len(path)+1), path...), f.Name)
		if len(f.Fields) > 0 {
			out = append(out, leaves(f.Fields, full, own)...)
			continue
		}
		out = append(out, sallyport.Column{Object: sallyport.Object{Kind: "column", Path: full, Key: f.Key}, Labels: own})
	}
	return out
}
