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
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
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
	columns   map[string][]sallyport.Label
	guess     func(string) sallyport.Label
	patient   string
	runs      sync.Pool // of *parser, for their memory
}

// Compile checks the options. Errors have Kind Invalid and say what to change.
func Compile(m *text.Masker, o Options) (*Masker, error) {
	c := &Masker{text: m, delimiter: o.Delimiter, header: o.Header, columns: make(map[string][]sallyport.Label, len(o.Columns)), guess: o.Guess, patient: fold(o.Patient)}
	if c.delimiter == 0 {
		c.delimiter = ','
	}
	if strings.IndexByte("\"\r\n[]", c.delimiter) >= 0 || c.delimiter >= 0x80 || alnum(c.delimiter) {
		return nil, sallyport.E(sallyport.Invalid, "csv rules", "the delimiter cannot be told from the text of a field").WithHint(`use a comma, semicolon, tab or bar`)
	}
	for name, labels := range o.Columns {
		if _, err := strconv.Atoi(name); err != nil && !o.Header {
			return nil, sallyport.E(sallyport.Invalid, "csv rules", "columns are named, but the file has no header").WithHint("give columns by their numbers, from 1")
		}
		c.columns[fold(name)] = labels
	}
	return c, nil
}

func fold(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

func alnum(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// column is what is known of one column.
type column struct {
	op     *operator.Operator // nil when cells are scanned
	entity scan.Entity
	label  string // what a placeholder says when no entity has the label
	locus  string
	names  bool // its cells tell the scanner names
	shown  bool // its cells stay as they are
}

// Labels that are words of the rules: a column that is shown, and one that is
// scanned whatever its name suggests.
const (
	Public sallyport.Label = "public"
	Scan   sallyport.Label = "scan"
)

// Table is a masker with the columns of one file. It does not change and is safe
// for concurrent use.
type Table struct {
	m       *Masker
	columns []column
	patient int // index of its column, or -1
	learns  bool
}

// Table decides about columns by their names; where there is no header, by their
// number alone: names then only tells how many there are.
func (m *Masker) Table(names ...[]byte) *Table {
	t := &Table{m: m, columns: make([]column, len(names)), patient: -1}
	for i, n := range names {
		name := fold(string(n))
		if !m.header {
			name = strconv.Itoa(i + 1)
		}
		c := m.column(name, i)
		t.columns[i] = c
		t.learns = t.learns || c.names
		if m.patient != "" && name == m.patient || m.patient == "" && t.patient < 0 && c.entity == scan.MRN {
			t.patient = i
		}
	}
	return t
}

// column decides about one column. Its name is a locus only when the site or the
// dictionary knows it, for a header may hold anything.
func (m *Masker) column(name string, index int) column {
	c := column{locus: "column " + strconv.Itoa(index+1)}
	labels, ruled := m.columns[name]
	if !ruled && m.header && m.guess != nil {
		l := m.guess(name)
		if l == "" { // "ssn2" is what "ssn" is
			l = m.guess(strings.TrimRight(name, "0123456789 _-."))
		}
		if l != "" {
			labels = []sallyport.Label{l}
		}
	}
	if len(labels) == 0 && !ruled {
		return c
	}
	if ruled && m.header {
		c.locus = name
	}
	if len(labels) == 1 && labels[0] == Scan {
		return c
	}
	if len(labels) == 1 && labels[0] == Public {
		c.shown = true
		return c
	}
	c.op = m.text.Profile.Label(labels)
	for _, l := range labels {
		if e := entityOf(l); e != scan.None {
			c.entity = e
		}
		if c.label == "" {
			c.label = placeholder(l)
		}
	}
	c.names = c.entity == scan.Name
	return c
}

// placeholder returns what a label's placeholder says: "phi.note" is "NOTE".
func placeholder(l sallyport.Label) string {
	s := string(l)
	return strings.ToUpper(s[strings.LastIndexByte(s, '.')+1:])
}

// entityOf returns the entity whose label l is, or is below.
func entityOf(l sallyport.Label) scan.Entity {
	switch l {
	case "phi.dob", "phi.birth_date", "phi.death":
		return scan.Date
	}
	for _, e := range scan.Entities() {
		if own := string(e.Label()); string(l) == own || strings.HasPrefix(string(l), own+".") {
			return e
		}
	}
	return scan.None
}
