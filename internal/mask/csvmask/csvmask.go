// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package csvmask masks files of comma-separated values (RFC 4180) and their kin
// with other delimiters.
//
// What a column holds is said by the site's rules, else guessed from its name,
// else nobody knows: then each cell is scanned. A column with a label goes
// through the operator that the profile has for it. Names of a record's labelled
// columns are known to the scanner when it looks through the others, and the
// record's patient is known to operators that need one.
//
// The result has the same records and fields, quoted as they were, with the same
// line ends and byte order mark. A file whose records differ in their number of
// fields, or whose quoting cannot be told, is refused with Kind Integrity: then
// nothing of it may pass.
//
// [Masker.Append] masks a whole file. For a stream, [Masker.Table] takes the
// names of the columns and [Table.Record] one record at a time.
package csvmask

import (
	"strconv"
	"strings"
	"sync"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/column"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Options says how a site's files look and what it knows of their columns.
type Options struct {
	Delimiter byte // between fields; 0 means a comma
	Header    bool // the first record names the columns
	// Columns are labels by the column's name, compared without case, or by its
	// number from 1 where there is no header. They come before any guess.
	Columns map[string][]sallyport.Label
	// Guess, when not nil, returns the label that a column's name suggests, or "".
	// A column with a label is no longer scanned.
	Guess func(column string) sallyport.Label
	// Strict masks the columns that nobody knows instead of scanning them.
	Strict bool
	// Patient is the column, named as in Columns, whose value tells patients apart.
	// Without it that is the first column that is labelled as a record number.
	Patient string
}

// Masker masks files of one kind. It does not change and is safe for concurrent
// use.
type Masker struct {
	text      *text.Masker
	delimiter byte
	header    bool
	rules     *column.Rules
	patient   string
	runs      sync.Pool // of *parser, for their memory
}

// Compile checks the options. Errors have Kind Invalid and say what to change.
func Compile(m *text.Masker, o Options) (*Masker, error) {
	c := &Masker{text: m, delimiter: o.Delimiter, header: o.Header, patient: column.Fold(o.Patient)}
	if c.delimiter == 0 {
		c.delimiter = ','
	}
	if strings.IndexByte("\"\r\n[]", c.delimiter) >= 0 || c.delimiter >= 0x80 || alnum(c.delimiter) {
		return nil, sallyport.E(sallyport.Invalid, "csv rules", "the delimiter cannot be told from the text of a field").WithHint(`use a comma, semicolon, tab or bar`)
	}
	for name := range o.Columns {
		if _, err := strconv.Atoi(name); err != nil && !o.Header {
			return nil, sallyport.E(sallyport.Invalid, "csv rules", "columns are named, but the file has no header").WithHint("give columns by their numbers, from 1")
		}
	}
	guess := o.Guess
	if !o.Header {
		guess = nil
	}
	c.rules = column.NewRules(m, o.Columns, guess)
	if o.Strict {
		c.rules = c.rules.Strict()
	}
	return c, nil
}

func alnum(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// Labels that are words of the rules: a column that is shown, and one that is
// scanned whatever its name suggests.
const (
	Public = column.Public
	Scan   = column.Scan
)

// Table is a masker with the columns of one file. It does not change and is safe
// for concurrent use.
type Table struct {
	m       *Masker
	columns []column.Column
	patient int // index of its column, or -1
	learns  bool
}

// Table decides about columns by their names; where there is no header, by their
// number alone: names then only tells how many there are.
func (m *Masker) Table(names ...[]byte) *Table {
	t := &Table{m: m, columns: make([]column.Column, len(names)), patient: -1}
	for i, n := range names {
		name := column.Fold(string(n))
		if !m.header {
			name = strconv.Itoa(i + 1)
		}
		c := m.column(name, i)
		t.columns[i] = c
		t.learns = t.learns || c.Names
		if m.patient != "" && name == m.patient || m.patient == "" && t.patient < 0 && c.Entity == scan.MRN {
			t.patient = i
		}
	}
	return t
}

// column decides about one column. Its name is a locus only when the site or the
// dictionary knows it, for a header may hold anything.
func (m *Masker) column(name string, index int) column.Column {
	c := m.rules.Column(name, index)
	if !m.header {
		c.Locus = "column " + strconv.Itoa(index+1)
	}
	return c
}
