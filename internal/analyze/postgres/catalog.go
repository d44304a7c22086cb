// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import "github.com/sallyport-dev/sallyport"

// Catalog is what the analysis must know about a database. An implementation
// is an immutable snapshot: every call about one tree must be answered from the
// same state. A false second result means "not known", which the analysis turns
// into unknown lineage and reports in [Plan.Missing].
type Catalog interface {
	// Relation returns the table, view, materialised view, foreign table,
	// sequence or composite with that OID.
	Relation(oid uint32) (Relation, bool)
	// Function returns the function, aggregate or window function with that OID,
	// built-in ones included.
	Function(oid uint32) (Function, bool)
}

// Relation is a row of pg_class with its columns.
type Relation struct {
	OID    uint32
	Schema string
	Name   string
	Kind   byte // pg_class.relkind: 'r', 'v', 'm', 'f', 'p', 'S', 'c', 't', 'i'
	Temp   bool // pg_class.relpersistence is 't'
	// Columns holds the user columns by attnum (from 1), dropped ones included.
	Columns map[int16]Column
}

// Column is a row of pg_attribute with the labels that are known for it.
type Column struct {
	Name    string
	Dropped bool
	TypeOID uint32
	Labels  []sallyport.Label // none means unclassified
}

// Function is a row of pg_proc.
type Function struct {
	Name       string
	Schema     string
	Volatility byte   // pg_proc.provolatile: 'i', 's' or 'v'
	Language   string // "internal", "sql", "c", "plpgsql", ...
	// Pure is true when an operator of the gateway listed the function as one
	// whose result depends on its arguments only.
	Pure bool
}

// ColumnRef names a column by what survives a rename.
type ColumnRef struct {
	Relation uint32 // OID
	Attnum   int16  // from 1
}
