// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// File is a file of a bundle.
type File struct {
	Name    string
	Content []byte
}

// Table is one of a bundle's tables: the same rows as JSON and as CSV.
type Table struct {
	Name    string // path in the bundle without the extension
	What    string // what a row is
	Columns []string
}

// tableWriter writes the rows of one table. A row is its cells in the order of
// the columns, then end.
type tableWriter struct {
	columns   []string
	json, csv *bufio.Writer // nil for a table that nobody wants
	closers   []io.Closer
	sheet     *sheetWriter // nil without a workbook
	rows      int
	col       int
	j, c      []byte
}

// newTableWriter begins the two files of a table. create may return nil for a
// file that is not wanted.
func newTableWriter(t Table, create func(name string) (io.WriteCloser, error)) (*tableWriter, error) {
	w := &tableWriter{columns: t.Columns}
	j, err := create(t.Name + ".json")
	if err != nil {
		return nil, err
	}
	c, err := create(t.Name + ".csv")
	if err != nil {
		return nil, err
	}
	if j == nil || c == nil {
		return w, nil
	}
	w.json, w.csv, w.closers = bufio.NewWriterSize(j, 8<<10), bufio.NewWriterSize(c, 8<<10), []io.Closer{j, c}
	for i, name := range t.Columns {
		w.c = appendCell(w.c, i, name)
	}
	_, err = w.csv.Write(append(w.c, '\n'))
	if err == nil {
		_, err = w.json.WriteString("[")
	}
	return w, err
}

// next begins a cell.
func (w *tableWriter) next() {
	if w.col == 0 {
		w.j, w.c = append(w.j[:0], '\n', '{'), w.c[:0]
		if w.rows > 0 {
			w.j = append(w.j[:0], ",\n{"...)
		}
	} else {
		w.j = append(w.j, ',')
	}
	if w.col < len(w.columns) {
		w.j = appendString(w.j, w.columns[w.col])
	}
	w.j = append(w.j, ':')
}

// text is a cell of text.
func (w *tableWriter) text(s string) *tableWriter {
	w.next()
	w.j = appendString(w.j, s)
	w.c = appendCell(w.c, w.col, neutral(s))
	w.sheet.text(s)
	w.col++
	return w
}

// plain is a cell of text that needs neither quotes nor escapes.
func (w *tableWriter) plain(quoted bool, s []byte) *tableWriter {
	w.next()
	if quoted {
		w.j = append(w.j, '"')
	}
	w.j = append(w.j, s...)
	if quoted {
		w.j = append(w.j, '"')
	}
	if w.col > 0 {
		w.c = append(w.c, ',')
	}
	w.c = append(w.c, s...)
	w.sheet.plain(quoted, s)
	w.col++
	return w
}

func (w *tableWriter) number(n uint64) *tableWriter {
	var room [20]byte
	return w.plain(false, strconv.AppendUint(room[:0], n, 10))
}

func (w *tableWriter) integer(n int64) *tableWriter {
	var room [20]byte
	return w.plain(false, strconv.AppendInt(room[:0], n, 10))
}

func (w *tableWriter) flag(b bool) *tableWriter {
	var room [5]byte
	return w.plain(false, strconv.AppendBool(room[:0], b))
}

// time is a cell with a time in UTC, empty for none.
func (w *tableWriter) time(t time.Time) *tableWriter {
	var room [40]byte
	if t.IsZero() {
		return w.plain(true, nil)
	}
	return w.plain(true, t.UTC().AppendFormat(room[:0], time.RFC3339Nano))
}

// texts is a cell with several texts, separated by semicolons in CSV.
func texts[S ~string](w *tableWriter, list []S) *tableWriter {
	w.next()
	w.j = append(w.j, '[')
	for i, s := range list {
		if i > 0 {
			w.j = append(w.j, ',')
		}
		w.j = appendString(w.j, string(s))
	}
	w.j = append(w.j, ']')
	whole := ""
	switch len(list) {
	case 0:
	case 1:
		whole = string(list[0])
	default:
		var b strings.Builder
		for i, s := range list {
			if i > 0 {
				b.WriteString("; ")
			}
			b.WriteString(string(s))
		}
		whole = b.String()
	}
	w.c = appendCell(w.c, w.col, neutral(whole))
	w.sheet.text(whole)
	w.col++
	return w
}

// end writes the row.
func (w *tableWriter) end() error {
	if w.col != len(w.columns) {
		return fmt.Errorf("a row has %d cells for %d columns", w.col, len(w.columns))
	}
	w.col = 0
	w.rows++
	if w.json == nil {
		return nil
	}
	if err := w.sheet.end(); err != nil {
		return err
	}
	if _, err := w.json.Write(append(w.j, '}')); err != nil {
		return err
	}
	_, err := w.csv.Write(append(w.c, '\n'))
	return err
}

// close ends both files.
func (w *tableWriter) close() error {
	if w.json == nil {
		return nil
	}
	if _, err := w.json.WriteString("\n]\n"); err != nil {
		return err
	}
	for _, b := range []*bufio.Writer{w.json, w.csv} {
		if err := b.Flush(); err != nil {
			return err
		}
	}
	for _, c := range w.closers {
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

// appendCell appends a cell of CSV (RFC 4180); column counts from 0.
func appendCell(b []byte, column int, s string) []byte {
	if column > 0 {
		b = append(b, ',')
	}
	if !strings.ContainsAny(s, "\",\r\n") && (s == "" || s[0] != ' ' && s[0] != '\t') {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// neutral puts an apostrophe before a text that a spreadsheet would take for a
// formula.
func neutral(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
