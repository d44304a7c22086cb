// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package catalog knows what the columns of a target are.
//
// [Load] reads the names of a live PostgreSQL database (versions 14 to 18) and
// joins them with a reviewed file of labels into an immutable snapshot that
// answers the analysis's questions by OID. Labels are written by name but held
// by (OID, attnum): a column that was renamed keeps its label, across restarts
// too, because what was once labelled is remembered in a [State].
//
// [Live] holds the current snapshot and refreshes it; [Scan] proposes a labels
// file for a database that has none. Nothing in this package reads a row of the
// target's tables: only its catalogue.
package catalog

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
)

// Querier runs a query on the target. *pgx.Conn is one.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Config says what Load joins the server's names with.
type Config struct {
	// Labels is the parsed labels file; nil labels nothing.
	Labels *Labels
	// State remembers what was labelled; nil remembers nothing, so that a rename
	// while the gateway is down sheds the label (the column is then
	// unclassified).
	State State
}

// Warning is something about the labels that an operator should look at. It
// holds names of the catalogue only.
type Warning struct {
	Line int // of the labels file; 0 when it is about no line
	Text string
}

// Catalog is an immutable snapshot of a database's catalogue. Its methods may
// be called by many goroutines; what they return must not be changed.
type Catalog struct {
	relations map[uint32]postgres.Relation
	functions map[uint32]postgres.Function
	byName    map[qualified]uint32
	known     map[knownName]struct{}
	warnings  []Warning
	version   int
}

type qualified struct{ schema, name string }

// knownName is a name of the kind that a field of a diagnostic holds.
type knownName struct {
	field byte
	name  string
}

var _ postgres.Catalog = (*Catalog)(nil)

// Relation returns the relation with the OID, its columns with their labels. A
// column without labels is unclassified.
func (c *Catalog) Relation(oid uint32) (postgres.Relation, bool) {
	r, ok := c.relations[oid]
	return r, ok
}

// Function returns the function with the OID.
func (c *Catalog) Function(oid uint32) (postgres.Function, bool) {
	f, ok := c.functions[oid]
	return f, ok
}

// Resolve returns the relation that a name stands for: in the schema when one
// is given, else in the first schema of the path that has it. pg_catalog comes
// first when the path does not name it, as on the server.
//
// The schema pg_temp is never resolved, since each session has one of its own:
// a caller that knows its session's writes pg_temp_3, in the path too, where
// the server looks into it first.
func (c *Catalog) Resolve(schema, name string, searchPath []string) (postgres.Relation, bool) {
	if schema != "" {
		return c.named(schema, name)
	}
	implicit := true
	for _, s := range searchPath {
		implicit = implicit && s != "pg_catalog"
	}
	if implicit {
		if r, ok := c.named("pg_catalog", name); ok {
			return r, true
		}
	}
	for _, s := range searchPath {
		if r, ok := c.named(s, name); ok {
			return r, true
		}
	}
	return postgres.Relation{}, false
}

func (c *Catalog) named(schema, name string) (postgres.Relation, bool) {
	oid, ok := c.byName[qualified{schema, name}]
	if !ok {
		return postgres.Relation{}, false
	}
	return c.Relation(oid)
}

// Known reports whether the database has a schema ('s'), relation ('t'), column
// ('c'), type ('d') or constraint or index ('n') of that name; the letters are
// the fields of a diagnostic. Temporary relations do not count: their names are
// whatever a session made them. It is the known of mask.Diagnostic.
func (c *Catalog) Known(field byte, name string) bool {
	_, ok := c.known[knownName{field, name}]
	return ok
}

// Warnings returns what an operator should look at, in a fixed order.
func (c *Catalog) Warnings() []Warning { return c.warnings }

// ServerVersion returns the server's version as server_version_num has it:
// 150018 for 15.18.
func (c *Catalog) ServerVersion() int { return c.version }
