// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package bqanalyzer is what the gateway and the process that analyses GoogleSQL
// say to each other over a pipe: the tables that a text may name and the text
// there, the lineage of each statement back.
//
// A message is a length of four bytes, most significant first, and that many
// bytes of JSON. Lengths are limited in both directions. An answer repeats no
// word of the text but column names: what is wrong with a text is said by a code
// and a position.
package bqanalyzer

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// The longest messages, in bytes of JSON.
const (
	MaxRequest = 32 << 20
	MaxAnswer  = 32 << 20
)

// Request asks for the lineage of a text.
type Request struct {
	SQL    string  `json:"sql"`
	Tables []Table `json:"tables,omitempty"`
	// Parameters are the query parameters; those without a name are positional.
	Parameters []Field `json:"parameters,omitempty"`
}

// Table is a table or view that the text may name.
type Table struct {
	// Names are the dotted names by which the text may reach it: "p.d.t", "d.t". They
	// are matched however the text quotes them.
	Names   []string `json:"names"`
	Columns []Field  `json:"columns"`
	// View, when not empty, is the text of the view's query. Its sources are then
	// those of the tables that it reads.
	View string `json:"view,omitempty"`
}

// Field is a column, a field of one, or a parameter.
type Field struct {
	Name     string  `json:"name"`
	Type     string  `json:"type"` // BigQuery's word: "STRING", "INT64", "RECORD", ...
	Repeated bool    `json:"repeated,omitempty"`
	Fields   []Field `json:"fields,omitempty"` // of a RECORD
	// Hidden columns are not part of "*", as _PARTITIONTIME.
	Hidden bool `json:"hidden,omitempty"`
}

// Answer is one lineage for each statement, or what hindered it.
type Answer struct {
	Statements []Lineage `json:"statements,omitempty"`
	Failure    *Failure  `json:"failure,omitempty"`
}

// The codes of a failure.
const (
	FailText     = "text"     // the text is not valid against the tables
	FailFunction = "function" // it calls a function that is not known
	FailTable    = "table"    // it names a table that is not among the request's
	FailRequest  = "request"  // the request itself is wrong
)

// Failure says why a text has no lineage.
type Failure struct {
	Code   string `json:"code"`
	Line   int    `json:"line,omitempty"` // from 1; 0 when not known
	Column int    `json:"column,omitempty"`
}

// Lineage is what one statement does with columns.
type Lineage struct {
	Outputs    []Output `json:"outputs,omitempty"`
	Predicates []Ref    `json:"predicates,omitempty"`
	Flows      []Flow   `json:"flows,omitempty"`
	// Unknown, when not empty, says why nothing of the rest can be relied on.
	Unknown string `json:"unknown,omitempty"`
}

// Output is one column of a statement's answer.
type Output struct {
	Name    string `json:"name"`
	Sources []Ref  `json:"sources,omitempty"`
	// Direct says that the value is that of the only source, unchanged.
	Direct bool `json:"direct,omitempty"`
}

// Ref is a column, or a field of one, of a request's table.
type Ref struct {
	Table int      `json:"table"` // index in Request.Tables
	Path  []string `json:"path"`
	// Shape says that only its number of elements counts, not what they hold.
	Shape bool `json:"shape,omitempty"`
}

// Flow is a write of what derives from Sources.
type Flow struct {
	// Target is the column written; Table is -1 when the statement creates it.
	Target  Ref   `json:"target"`
	Sources []Ref `json:"sources,omitempty"`
	Direct  bool  `json:"direct,omitempty"`
}

// Read reads one message of at most limit bytes into v. It returns io.EOF when
// the other side has ended between messages.
func Read(r io.Reader, limit int, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || int64(n) > int64(limit) {
		return fmt.Errorf("bqanalyzer: a message of %d bytes is not between 1 and %d", n, limit)
	}
	// The body grows as it arrives: a length alone takes no memory.
	body, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err != nil {
		return err
	}
	if len(body) < int(n) {
		return io.ErrUnexpectedEOF
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("bqanalyzer: a message is not what was expected") // the cause could repeat its text
	}
	return nil
}

// Write writes v as one message of at most limit bytes.
func Write(w io.Writer, limit int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("bqanalyzer: %w", err)
	}
	if len(body) > limit {
		return fmt.Errorf("bqanalyzer: a message of %d bytes is longer than %d", len(body), limit)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	_, err = w.Write(append(frame, body...))
	return err
}
