// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import "github.com/sallyport-dev/sallyport"

// Script is what one Query or Parse message holds: any number of statements.
type Script struct {
	Statements []*Gated // empty for an empty query
}

// Gated is one statement as the raw grammar sees it, before any name is
// resolved.
type Gated struct {
	// Text is the statement's exact bytes, without the semicolon that ends it.
	// It may hold values: it is never logged.
	Text       string
	Start, End int // byte offsets of Text in the message's text

	// Class is PostgreSQL's word for the statement in lower case: "select",
	// "insert", "copy to", "drop table".
	Class   string
	Effects []sallyport.Effect // sorted, each once, never empty unless Refused

	// Utility is true for statements that the server runs without planning; in
	// the server's own tree they are a bare UTILITY node.
	Utility   bool
	Objects   []Named    // as written; common table expressions are left out
	Functions []FuncName // as written, each once
	Answer    Answer
	// NeedsTree is true when rows may come back (or data may be written) whose
	// lineage only the server's tree can tell.
	NeedsTree bool
	Inner     *Inner       // the query inside EXPLAIN, COPY, CREATE TABLE AS and the like
	Copy      *CopyOptions // for COPY
	Explain   *Explain     // for EXPLAIN
	Setting   *Setting     // for SET, RESET and SHOW
	Txn       Txn
	Savepoint string // for Savepoint, RollbackTo and Release
	Cursor    string // for DECLARE, FETCH, MOVE and CLOSE; "" with Class "close all" means every one
	Locks     bool   // SELECT ... FOR UPDATE, FOR SHARE and the like
	// Drops says what session state the statement removes (DISCARD, DEALLOCATE).
	Drops  Drops
	Params int // the highest $n

	// Refused, when not empty, says for the client why the statement can never
	// pass; Hint says what to do instead.
	Refused string
	Hint    string
}

// Named is an object as the statement writes it.
type Named struct {
	Catalog string // the database, where one is written
	Schema  string // empty when not written
	Name    string
	Kind    string // "table", "view", "schema", "role", "database", "function", ...
	Effect  sallyport.Effect
	Columns []string // target columns of INSERT, UPDATE and COPY, where written
	New     bool     // the statement creates it
}

// FuncName is a function's name as written.
type FuncName struct {
	Schema string
	Name   string
}

// Answer says where the rows that a statement returns come from.
type Answer uint8

// The kinds of answer. AnswerUnknown is the zero value: whatever arrives is
// masked whole.
const (
	AnswerUnknown Answer = iota
	AnswerNone           // a command tag only
	AnswerTree           // rows described by the statement's own tree
	AnswerInner          // COPY ... TO STDOUT: rows described by the inner query's tree
	AnswerExplain        // plan text, see [Plan.Explained]
	AnswerCursor         // rows of the cursor that Gated.Cursor names
	AnswerSetting        // SHOW: server settings, no data
	AnswerCopyIn         // COPY ... FROM STDIN: the client sends rows
)

// InnerKind says what holds an inner query.
type InnerKind string

// The kinds of inner query.
const (
	InnerExplain   InnerKind = "explain"
	InnerCTAS      InnerKind = "create table as"
	InnerInto      InnerKind = "select into"
	InnerMatview   InnerKind = "create materialized view"
	InnerView      InnerKind = "create view"
	InnerCursor    InnerKind = "declare cursor"
	InnerCopyQuery InnerKind = "copy query"
	InnerCopyTable InnerKind = "copy table" // Query is synthesised: SELECT columns FROM ONLY table
)

// Inner is a query held by a utility statement. PostgreSQL does not show its
// tree for all of them, so that the caller asks for it by Query.
type Inner struct {
	Kind  InnerKind
	Query string // text that can be analysed by itself; never logged
	// Gate is the inner statement's own gate result.
	Gate *Gated
	// Target is the relation that is created, for CTAS, SELECT INTO and views.
	Target *Named
	// Columns are the written column names of Target.
	Columns []string
}

// CopyOptions is the parsed option list of COPY.
type CopyOptions struct {
	In         bool   // COPY ... FROM STDIN
	Format     string // "text", "csv" or "binary"
	Delimiter  byte   // '\t' for text, ',' for csv unless given
	Null       string // `\N` for text, "" for csv unless given
	Default    string
	HasDefault bool
	Header     bool
	HeaderMust bool // HEADER MATCH
	Quote      byte // csv
	Escape     byte // csv
	Freeze     bool
	ForceQuote []string // column names; {"*"} for all
	// ForceNotNull and ForceNull: column names; {"*"} for all.
	ForceNotNull []string
	ForceNull    []string
	Encoding     string // as written, "" = the session's
	Columns      []string
	OnErrorSkip  bool // ON_ERROR ignore
}

// Explain holds the options of EXPLAIN that matter.
type Explain struct {
	Analyze bool   // the inner statement is executed
	Format  string // "text", "json", "xml", "yaml"
}

// SettingVerb says what is done to a setting.
type SettingVerb uint8

// The verbs.
const (
	SettingSet SettingVerb = iota + 1
	SettingReset
	SettingShow
)

// Setting is a SET, RESET or SHOW of one of the settings on the allow-list.
type Setting struct {
	Verb  SettingVerb
	Name  string   // lower case; "all" for RESET ALL and SHOW ALL
	Value []string // as written, one per list entry; empty for DEFAULT
	Local bool     // SET LOCAL
}

// Txn says what a statement does to the transaction.
type Txn uint8

// What transaction statements do. NotTxn is the zero value.
const (
	NotTxn Txn = iota
	Begin
	Commit
	Rollback
	Savepoint
	Release
	RollbackTo
)

// Drops says what session state goes away.
type Drops struct {
	Statements bool   // every prepared statement, the protocol's included
	Statement  string // this prepared statement
	Cursors    bool
	Settings   bool // settings return to the values of the session's start-up
	TempTables bool
}

// Command is what a tree's query does.
type Command string

// The commands of Query.commandType.
const (
	CommandSelect  Command = "select"
	CommandUpdate  Command = "update"
	CommandInsert  Command = "insert"
	CommandDelete  Command = "delete"
	CommandMerge   Command = "merge"
	CommandUtility Command = "utility"
	CommandNothing Command = "nothing" // a rule rewrote the statement to nothing
)

// Plan is the lineage of one statement: what the server's rewritten tree tells.
// It refers to columns by OID and attnum and holds no name of data and no value,
// so that it can be cached.
type Plan struct {
	Command Command
	// HasRows is true when the statement returns rows; Outputs then has one entry
	// per column of the RowDescription.
	HasRows bool
	Outputs []PlanOutput
	// Predicates are the columns that decide which rows, joins, groups or orders.
	Predicates []ColumnRef
	Relations  []RelationUse
	// Occurrences are the places where the statement reaches a table, each once. A
	// table that is named twice has two.
	Occurrences []Occurrence
	Flows       []PlanFlow
	// Calls are the functions and operators that could not be proved pure.
	Calls []Call
	// Missing lists OIDs that the catalog did not know. A caller refreshes its
	// catalog and asks again once; what is still missing stays unknown.
	Missing []uint32
	// Refused, when not empty, says why the statement can never pass (a function
	// with side effects or a channel of its own); Hint what to do instead.
	Refused string
	Hint    string
}

// PlanOutput is one output column.
type PlanOutput struct {
	Name    string
	Columns []ColumnRef // sorted, each once
	// Direct says that the value is that of the only column, unchanged.
	Direct bool
	// Row is the same number, from 1, for direct outputs that are always of the same
	// row; 0 for all others.
	Row int
	// Origins are the columns of which one is the value, unchanged: several for a
	// UNION. None when the value is not that of a column.
	Origins []ColumnRef
	// Unknown, when not empty, says why the sources could not be proved complete.
	Unknown string
}

// Occurrence is one place in a statement where the rows of a table are reached.
type Occurrence struct {
	Relation uint32
	Effect   sallyport.Effect // Read, Write or Delete
	// Shown says which outputs tell a column's value for every row of this occurrence
	// that has a part in a row of the answer. A row that is not there, as in an outer
	// join, shows as NULL.
	Shown []ShownColumn
	// Set are the columns to which the statement gives rows that were there already
	// another value: what an output shows is not what was there.
	Set []int16
}

// ShownColumn is a column whose value an output tells.
type ShownColumn struct {
	Attnum int16
	Output int // from 0
}

// PlanFlow is a write into Target of data that derives from Columns.
type PlanFlow struct {
	Target  ColumnRef
	Columns []ColumnRef
	// Direct says that the value is that of the only column, unchanged.
	Direct  bool
	Unknown string
}

// RelationUse is one effect on one relation.
type RelationUse struct {
	Relation uint32
	Effect   sallyport.Effect
	Columns  []int16 // read, or written; sorted, each once
}

// Call is a function or operator that is not proved pure.
type Call struct {
	Function uint32 // OID of pg_proc; 0 when only the operator is known
	Operator uint32 // OID of pg_operator, when Function is 0
}
