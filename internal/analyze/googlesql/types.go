// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql

import "github.com/sallyport-dev/sallyport"

// The limits of a text.
const (
	// MaxText is the longest text in bytes; BigQuery's own limit is the same.
	MaxText = 1 << 20
	// MaxNesting is the deepest nesting of brackets.
	MaxNesting = 100
	// MaxStatements is the most statements of a script.
	MaxStatements = 500
	// maxRecursing is the most words of a text that open a level of nesting without
	// a bracket.
	maxRecursing = 4000
	// maxTree is the deepest syntax tree that is walked.
	maxTree = 5000
)

// Script is a text that BigQuery runs as one job.
type Script struct {
	// Text is the exact text. It may hold values: it is never logged.
	Text string
	// Statements are all statements in the order of the text, those inside blocks
	// after the one that holds them.
	Statements []*Parsed
	// Multi is true when BigQuery runs the text as a script: several statements, or
	// one that only scripts have.
	Multi bool
}

// Parsed is one statement as the grammar sees it, before any name is resolved.
type Parsed struct {
	// Kind is BigQuery's word for the statement: "SELECT", "DROP_TABLE"; for parts of
	// a script "DECLARE", "SET", "IF" and the like.
	Kind       string
	Start, End int // byte offsets in the script's text
	Effects    []sallyport.Effect
	Tables     []TableUse
	Routines   []Routine
	Schemas    []SchemaUse
	// Variables are the script's variables and system variables that are assigned.
	Variables []string
	// Rows is true when the statement answers with rows.
	Rows bool
	// Traceable is true when a lineage can be asked for.
	Traceable bool
	// Columns are the written target columns of an INSERT.
	Columns []string

	// Refused, when not empty, says for the client why the statement can never pass;
	// Hint says what to do instead.
	Refused string
	Hint    string
}

// TableUse is one effect on one table as the text names it.
type TableUse struct {
	// Parts are the name's parts, however they were quoted: project, dataset and
	// table, or fewer. A partition or snapshot decorator is cut off.
	Parts  []string
	Kind   string // "table", "view", "temp table"; as far as the text tells
	Effect sallyport.Effect
	// Wildcard is true for "events_*": every table that begins so.
	Wildcard bool
	// TimeTravel is true when an older state is read: FOR SYSTEM_TIME, a decorator,
	// APPENDS, CHANGES.
	TimeTravel bool
	// System is true for a view of INFORMATION_SCHEMA; Parts then ends with its name.
	System bool
	New    bool // the statement creates it
}

// Routine is a function, procedure, table function or model that is called,
// defined or dropped.
type Routine struct {
	Parts  []string
	Effect sallyport.Effect
	// Table is true for one that stands where a table can.
	Table bool
	// Builtin is true for BigQuery's own that reach beyond their arguments: ML.*,
	// AI.*, EXTERNAL_QUERY, VECTOR_SEARCH, APPENDS.
	Builtin bool
	Temp    bool
}

// SchemaUse is one effect on a dataset.
type SchemaUse struct {
	Parts  []string
	Effect sallyport.Effect
}
