// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// File is a file of a bundle.
type File struct {
	Name    string
	Content []byte
}

// table is one of a bundle's tables: the same rows as JSON and as CSV.
type table struct {
	name    string
	columns []string
	rows    [][]any // string, uint64, int64, bool, []string or time.Time
}

func (t *table) add(cells ...any) { t.rows = append(t.rows, cells) }

// Derive computes from leaves, in the order of the log, the files of a bundle
// that only say in another form what the leaves say: the tables and the texts of
// the policies. A verifier derives them again and compares. Errors have the
// kind Integrity.
func Derive(leaves []IndexedLeaf) ([]File, error) {
	d := newDeriver()
	for _, l := range leaves {
		leaf, err := ParseLeaf(l.Raw)
		if err != nil {
			return nil, fmt.Errorf("leaf %d: %w", l.Index, err)
		}
		if err := d.take(l.Index, leaf); err != nil {
			return nil, fmt.Errorf("leaf %d: %w", l.Index, err)
		}
	}
	return d.files()
}

// files writes the tables and the policies.
func (d *deriver) files() ([]File, error) {
	var files []File
	tables := []table{d.requestTable(), d.approvalTable(), d.grantTable(), d.sessionTable(), d.statementTable(), d.maskingTable()}
	if len(d.findings) > 0 {
		tables = append(tables, d.findingTable())
	}
	for _, t := range tables {
		j, err := t.json()
		if err != nil {
			return nil, sallyport.E(sallyport.Integrity, "bundle derive", "a table cannot be written").Because(err)
		}
		c, err := t.csv()
		if err != nil {
			return nil, sallyport.E(sallyport.Integrity, "bundle derive", "a table cannot be written").Because(err)
		}
		files = append(files, File{t.name + ".json", j}, File{t.name + ".csv", c})
	}
	return append(files, d.policyFiles()...), nil
}

// json writes an array with one object a line.
func (t *table) json() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("[")
	for i, row := range t.rows {
		b.WriteString(strings.Repeat(",", min(i, 1)) + "\n{")
		for j, cell := range row {
			value, err := marshalValue(jsonCell(cell))
			if err != nil {
				return nil, err
			}
			b.WriteString(strings.Repeat(",", min(j, 1)))
			b.Write(appendString(nil, t.columns[j]))
			b.WriteByte(':')
			b.Write(value)
		}
		b.WriteByte('}')
	}
	b.WriteString("\n]\n")
	return b.Bytes(), nil
}

func jsonCell(cell any) any {
	switch c := cell.(type) {
	case []string:
		if c == nil {
			return []string{}
		}
	case time.Time:
		return timeText(c)
	}
	return cell
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// csv writes the table after RFC 4180.
func (t *table) csv() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.Write(t.columns); err != nil {
		return nil, err
	}
	for _, row := range t.rows {
		record := make([]string, len(row))
		for i, cell := range row {
			record[i] = csvCell(cell)
		}
		if err := w.Write(record); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

func csvCell(cell any) string {
	switch c := cell.(type) {
	case string:
		return neutral(c)
	case []string:
		return neutral(strings.Join(c, "; "))
	case time.Time:
		return timeText(c)
	case uint64:
		return strconv.FormatUint(c, 10)
	case int64:
		return strconv.FormatInt(c, 10)
	case bool:
		return strconv.FormatBool(c)
	}
	return ""
}

// neutral puts an apostrophe before a text that a spreadsheet would take for a
// formula.
func neutral(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// texts turns names of any type into strings.
func texts[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// policyText gathers the parts of a policy's text.
type policyText struct {
	parts []string
	want  int
}

func (p *policyText) whole() bool { return p.want > 0 && !slices.Contains(p.parts, "") }

// addPolicy takes a part of a policy's text. Sets that were refused are not
// policies.
func (d *deriver) addPolicy(b PolicyLoaded) error {
	if b.Error != "" || b.Digest == "" {
		return nil
	}
	p := d.policies[b.Digest]
	if p == nil {
		p = &policyText{}
		d.policies[b.Digest] = p
	}
	parts, part := max(b.Parts, 1), max(b.Part, 1)
	const most = 1 << 12 // of 64 KiB each; a policy is not larger than that
	if parts > most || part > parts || p.want != 0 && p.want != parts {
		return sallyport.E(sallyport.Integrity, "bundle derive", "the parts of a policy do not fit together")
	}
	if p.want == 0 {
		p.want, p.parts = parts, make([]string, parts)
	}
	if b.Text != "" {
		p.parts[part-1] = b.Text
	}
	return nil
}

// policyFiles returns the texts of the policies that are whole, by digest.
func (d *deriver) policyFiles() []File {
	var files []File
	for digest, p := range d.policies {
		if p.whole() && validName(string(digest)) {
			files = append(files, File{PolicyDir + string(digest) + ".cedar", []byte(strings.Join(p.parts, ""))})
		}
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files
}
