// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Severity says whether a [Diagnostic] keeps a set from loading.
type Severity string

// The severities. An error refuses the set, a warning does not.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Diagnostic is one finding about a policy file.
type Diagnostic struct {
	File     string   `json:"file"`
	Line     int      `json:"line"`   // from 1; 0 when it concerns the whole file
	Column   int      `json:"column"` // from 1, in characters; 0 when it concerns the whole line
	Severity Severity `json:"severity"`
	Rule     string   `json:"rule,omitempty"` // the policy's id, where it has one
	Message  string   `json:"message"`
}

// String renders the finding as "file:line:column: severity: message", leaving
// out a position that is not known.
func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(d.File)
	if d.Line > 0 {
		fmt.Fprintf(&b, ":%d", d.Line)
	}
	if d.Line > 0 && d.Column > 0 {
		fmt.Fprintf(&b, ":%d", d.Column)
	}
	fmt.Fprintf(&b, ": %s: %s", d.Severity, d.Message)
	return b.String()
}

// Diagnostics are the findings of one compilation, ordered by file and line.
type Diagnostics []Diagnostic

// String renders one finding a line.
func (ds Diagnostics) String() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// Err returns an error of kind Invalid that lists all findings if one of them is
// an error, else nil.
func (ds Diagnostics) Err() error {
	n := 0
	for _, d := range ds {
		if d.Severity == SeverityError {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return sallyport.E(sallyport.Invalid, "compile policy", fmt.Sprintf("%d error(s) in the policy files:\n%s", n, ds)).
		WithHint("correct them and run `sallyport policy check`; until then the last good set stays in force")
}

func (ds Diagnostics) sort() {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
}
