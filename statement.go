// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sallyport

import "strings"

// Effect is what a statement does to an object.
type Effect uint8

// The effects. EffectUnknown is the zero value; a statement that has it is
// refused.
const (
	EffectUnknown Effect = iota
	Read
	Write      // adds or changes data
	Delete     // removes data
	Define     // creates or changes structure
	Destroy    // removes structure, or all data of it
	Execute    // runs code that lives in the target
	Administer // changes rights, settings or the server itself
	Control    // session housekeeping: BEGIN, SET of an allowed setting, SHOW
)

var effectNames = [...]string{"unknown", "read", "write", "delete", "define", "destroy", "execute", "administer", "control"}

// String returns the effect's name, which is also its Cedar action.
func (e Effect) String() string {
	if int(e) < len(effectNames) {
		return effectNames[e]
	}
	return "unknown"
}

// Object is a thing in a target that statements act on. Path begins with the
// resource's id: {"clinic", "public", "patients"} for a table.
type Object struct {
	Kind string   `json:"kind"` // "table", "view", "column", "schema", "database", "function", "role", ...
	Path []string `json:"path"`
	// Key is the target's own stable name for the object (PostgreSQL: the OID in
	// decimal, "OID.attnum" for a column). Empty where the target has none.
	Key string `json:"key,omitempty"`
}

// Name returns the path joined by "/", as policies write it.
func (o Object) Name() string { return strings.Join(o.Path, "/") }

// Label classifies a column, field, bucket or path. Labels form a hierarchy by
// dots: "phi.ssn" lies under "phi".
type Label string

// Unclassified is the label of whatever nothing is known about.
const Unclassified Label = "unclassified"

// Column is a base column that a statement touches, with its labels. A column
// with no label counts as [Unclassified].
type Column struct {
	Object Object  `json:"object"`
	Labels []Label `json:"labels"`
}

// Access is one effect on one object, with the columns concerned where the
// analysis knows them.
type Access struct {
	Effect  Effect   `json:"effect"`
	Object  Object   `json:"object"`
	Columns []Column `json:"columns,omitempty"`
}

// Output is one column (or field) of a statement's answer and where its value
// comes from.
type Output struct {
	Sources []Column `json:"sources,omitempty"`
	// Direct is true when the value is that of its one source, unchanged. Only
	// such a value may be shown in part: a client can turn what an expression
	// keeps into what the whole value was.
	Direct bool `json:"direct,omitempty"`
	// Row is the same number, above 0, for direct outputs whose values are always
	// of one and the same row: what one of them says of a person holds for the
	// others. The rows of a join are different ones, whatever joins them.
	Row int `json:"row,omitempty"`
	// Unknown is true when the sources could not be proved complete; such an
	// output is masked whatever its sources.
	Unknown bool   `json:"unknown,omitempty"`
	Why     string `json:"why,omitempty"` // reason of Unknown, without any value
}

// Flow is a write of data derived from columns into a column.
type Flow struct {
	Target  Column   `json:"target"`
	Sources []Column `json:"sources,omitempty"`
	Unknown bool     `json:"unknown,omitempty"`
	// Altered is true when what is written is not the value of one column,
	// unchanged.
	Altered bool `json:"altered,omitempty"`
	// Partial is true when the target's masks show a part of its values. A client
	// that may alter a value can then choose which part.
	Partial bool `json:"partial,omitempty"`
}

// Statement is what an analyser found out about one statement, in words that no
// protocol owns.
type Statement struct {
	Protocol string `json:"protocol"` // "postgres", "bigquery", ...
	// Readable is the statement with every literal, comment and suspicious
	// identifier masked; it may stand in a log or a ledger.
	Readable string `json:"readable"`
	// Class is the protocol's own word for the statement: "select",
	// "drop database".
	Class      string   `json:"class"`
	Effects    []Effect `json:"effects"`
	Accesses   []Access `json:"accesses,omitempty"`
	Outputs    []Output `json:"outputs,omitempty"`
	Predicates []Column `json:"predicates,omitempty"` // columns that decide which rows, joins, groups or orders
	Flows      []Flow   `json:"flows,omitempty"`
	// Kubernetes is what a request to a cluster asks for; nil for everything else.
	Kubernetes *Kubernetes `json:"kubernetes,omitempty"`
	// Older is true when a state of an object is read that it had before.
	Older bool `json:"older,omitempty"`
	// Refused, when not empty, says in words for the client why this statement
	// can never pass (an unknown node, an unhandled command).
	Refused string `json:"refused,omitempty"`
	// Hint says what to do instead, for Refused.
	Hint string `json:"hint,omitempty"`
}
