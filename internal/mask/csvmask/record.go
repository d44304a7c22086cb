// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package csvmask

import (
	"bytes"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/column"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Field is a cell: its value, and whether it is quoted in the file.
type Field struct {
	Value  []byte
	Quoted bool
}

func refuse(msg string) error {
	return sallyport.E(sallyport.Integrity, "csv file", msg).WithHint("mask the payload as a whole")
}

// Record appends one record, masked, without a line end to dst. An error, which
// has Kind Integrity, says that the record is not of this table; dst is then
// returned as it came.
func (t *Table) Record(dst []byte, w *text.Work, fields ...Field) ([]byte, error) {
	if len(fields) != len(t.columns) {
		return dst, refuse("a record has another number of fields than the first")
	}
	t.know(w, fields)
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, t.m.delimiter)
		}
		dst = t.m.cell(dst, f, &t.columns[i], w)
	}
	return dst, nil
}

// know tells the scanner and the operators about a record.
func (t *Table) know(w *text.Work, fields []Field) {
	w.Row.Number++
	w.Known.Reset()
	if t.patient >= 0 {
		w.Row.Patient = fields[t.patient].Value
	}
	if !t.learns {
		return
	}
	for i, c := range t.columns {
		if v := fields[i].Value; c.Names && len(v) > 0 && v[0] != '[' {
			w.Known.Add(scan.Name, v)
		}
	}
}

// Header appends the record of the columns' names to dst. A name in which the
// scanner finds something is masked like a cell.
func (m *Masker) Header(dst []byte, w *text.Work, fields ...Field) []byte {
	w.Known.Reset()
	c := m.rules.Scanned("header")
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, m.delimiter)
		}
		dst = m.cell(dst, f, &c, w)
	}
	return dst
}

// cell appends one cell, quoted if it was or has to be.
func (m *Masker) cell(dst []byte, f Field, c *column.Column, w *text.Work) []byte {
	if len(f.Value) == 0 {
		if f.Quoted {
			dst = append(dst, '"', '"')
		}
		return dst
	}
	start := len(dst)
	if f.Quoted {
		dst = append(dst, '"')
	}
	from := len(dst)
	dst = c.Append(dst, f.Value, w)
	special := 0
	for _, b := range dst[from:] {
		if b == '"' || b == m.delimiter || b == '\r' || b == '\n' {
			special++
		}
	}
	if special == 0 {
		if f.Quoted {
			dst = append(dst, '"')
		}
		return dst
	}
	return quote(dst, start, from)
}

// quote writes the value dst[from:] anew, in quotes, from start on.
func quote(dst []byte, start, from int) []byte {
	quotes := bytes.Count(dst[from:], []byte{'"'})
	length := len(dst) - from
	for range quotes + 2 - (from - start) {
		dst = append(dst, 0)
	}
	// The value moves from its end on, so that nothing is read after it was
	// written over.
	to := len(dst) - 1
	dst[to] = '"'
	for i := from + length - 1; i >= from; i-- {
		to--
		dst[to] = dst[i]
		if dst[i] == '"' {
			to--
			dst[to] = '"'
		}
	}
	dst[start] = '"'
	return dst
}
