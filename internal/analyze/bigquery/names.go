// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"strings"
	"unicode"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Kinds of objects. Columns and tables have those that every resource has.
const (
	KindProject    = "project"
	KindDataset    = "schema"
	KindTable      = "table"
	KindView       = "view"
	KindColumn     = "column"
	KindRoutine    = "function"
	KindModel      = "model"
	KindJob        = "job"
	KindURL        = "url"
	KindConnection = "connection" // to a service outside, by which BigQuery reads or calls
	KindRowPolicy  = "policy"     // a row access policy
)

const maxName = 1024 // bytes; the service's own limit

// Dataset is a dataset by its whole name.
type Dataset struct{ Project, ID string }

// Table is a table, a view or whatever else has rows, by its whole name.
type Table struct {
	Dataset
	ID string
	// Decorator is what a client wrote behind the name: "$" and a partition, "@" and
	// a time. What it chooses is a part of the table, or what the table was.
	Decorator string
}

// Old reports whether the decorator names an earlier state of the table, whose
// columns may be others.
func (t Table) Old() bool { return strings.ContainsRune(t.Decorator, '@') }

// Hidden reports whether the dataset is one of the service's own, which hold the
// answers of queries and the temporary tables of sessions.
func (d Dataset) Hidden() bool { return strings.HasPrefix(d.ID, "_") }

// project brings a project's name into one form. A project has a number beside
// its id; what is named by a number that is not known would have two names.
func (a *Analyser) project(name string) (string, error) {
	switch {
	case name == "" || name == a.config.Project:
		return a.config.Project, nil
	case name == a.config.Number && a.config.Number != "":
		return a.config.Project, nil
	case len(name) > maxName || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.:") != "":
		return "", invalid("the name of a project has characters that no project's id has", "name the project by its id, in lower case")
	case strings.Trim(name, "0123456789") == "":
		return "", invalid("a project is named by its number", "name the project by its id")
	}
	return name, nil
}

func (a *Analyser) dataset(project, id string) (Dataset, error) {
	p, err := a.project(project)
	if err != nil {
		return Dataset{}, err
	}
	if !word(id, "") {
		return Dataset{}, invalid("the name of a dataset has characters that no dataset has, or is missing", "send letters, digits and _ alone")
	}
	return Dataset{Project: p, ID: id}, nil
}

// table brings a table's name into one form and cuts off its decorator.
func (a *Analyser) table(project, dataset, id string) (Table, error) {
	d, err := a.dataset(project, dataset)
	if err != nil {
		return Table{}, err
	}
	base, decorator := id, ""
	if i := strings.IndexAny(id, "$@"); i >= 0 {
		base, decorator = id[:i], id[i:]
	}
	switch {
	case strings.ContainsRune(id, '*'):
		return Table{}, invalid("a table is named by a wildcard", "name each table by itself")
	case base == "" || len(id) > maxName || !utf8.ValidString(id) || strings.ContainsFunc(base, notOfTable):
		return Table{}, invalid("the name of a table has characters that no table has, or is missing", "send letters, digits, _, - and spaces alone")
	case strings.Trim(decorator, "$@-_ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "":
		return Table{}, invalid("the decorator of a table is not one", "send a partition behind $, or a time behind @")
	}
	return Table{Dataset: d, ID: base, Decorator: decorator}, nil
}

// notOfTable reports whether no table's name has a character: the service allows
// letters, marks, numbers, connectors, dashes and spaces.
func notOfTable(r rune) bool {
	return !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.Pc, unicode.Pd, unicode.Zs)
}

// word reports whether s is made of letters, digits, "_" and more.
func word(s, more string) bool {
	return s != "" && len(s) <= maxName &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"+more) == ""
}

// element is a dataset as a part of a path.
func (a *Analyser) element(d Dataset) string {
	if d.Project == a.config.Project {
		return d.ID
	}
	return d.Project + "." + d.ID
}

func (a *Analyser) object(kind string, path ...string) sallyport.Object {
	return sallyport.Object{Kind: kind, Path: append([]string{string(a.config.Resource)}, path...)}
}

func (a *Analyser) inDataset(kind string, d Dataset, path ...string) sallyport.Object {
	return a.object(kind, append([]string{a.element(d)}, path...)...)
}

func (a *Analyser) tableObject(kind string, t Table) sallyport.Object {
	return a.inDataset(kind, t.Dataset, t.ID)
}

// url is an address in a store. What stands behind a wildcard is not known, so
// that the folder before it is what counts.
func (a *Analyser) url(address string) (sallyport.Object, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok || len(address) > 4*maxName || !utf8.ValidString(address) || !word(scheme, "+-.") ||
		strings.ContainsFunc(address, unicode.IsControl) {
		return sallyport.Object{}, invalid("an address is not one of a store", "send gs://bucket/folder/file")
	}
	parts := strings.Split(rest, "/")
	if strings.ContainsRune(parts[0], '*') || parts[0] == "" {
		return sallyport.Object{}, invalid("an address names no bucket", "send gs://bucket/folder/file")
	}
	if scheme = strings.ToLower(scheme); strings.HasPrefix(scheme, "http") {
		if strings.ContainsAny(rest, "%\\") || strings.Contains(rest+"/", "/./") || strings.Contains(rest+"/", "/../") || !word(parts[0], ".-") {
			return sallyport.Object{}, invalid("an address could be read in two ways", "write it without escapes, dots and accounts")
		}
		parts[0] = strings.ToLower(parts[0])
	}
	path := []string{scheme + "://" + parts[0]}
	for _, p := range parts[1:] {
		if strings.ContainsRune(p, '*') {
			break
		}
		path = append(path, p)
	}
	return a.object(KindURL, path...), nil
}
