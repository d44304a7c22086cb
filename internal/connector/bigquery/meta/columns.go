// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package meta

import (
	"context"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/session"
)

const opColumns = "bigquery columns"

// The reasons of masks, as policy has them.
const (
	reasonLineage      = "unknown-lineage" // the columns are not known
	reasonUnclassified = "unclassified"    // nothing is known of the columns
)

// Columns are the columns of an answer, of which schema is the member of that name,
// with what the statement says of each output and the verdict's masks. An answer
// without a schema has none. Where the statement has another number of outputs than
// the answer has columns, all of them are masked whole.
func Columns(set *rules.Set, schema []byte, st *sallyport.Statement, masks []sallyport.Mask) ([]mask.BQColumn, error) {
	s, err := parseSchema(schema)
	if err != nil {
		return nil, err
	}
	cols := plain(s.Fields)
	if len(st.Outputs) != len(cols) {
		return strictest(set, cols), nil
	}
	for i := range cols {
		m := maskOf(masks, i)
		if m != nil {
			cols[i].Columns = session.SourceNames(st, i)
		}
		cols[i] = completed(set, cols[i], st.Outputs[i], m)
	}
	return cols, nil
}

// Alike are the columns of an answer each of which may be made of all that the
// statement's one output is made of, where the target has masked what must be. Where
// the verdict masks the output they are masked whole; otherwise what a scanner finds
// in their texts is.
func Alike(set *rules.Set, schema []byte, st *sallyport.Statement, masks []sallyport.Mask) ([]mask.BQColumn, error) {
	s, err := parseSchema(schema)
	if err != nil {
		return nil, err
	}
	cols := plain(s.Fields)
	if len(st.Outputs) != 1 || maskOf(masks, 0) != nil {
		return strictest(set, cols), nil
	}
	return scanned(set, cols), nil
}

// scanned has the texts of columns, and of their fields, looked through.
func scanned(set *rules.Set, cols []mask.BQColumn) []mask.BQColumn {
	for i := range cols {
		c := &cols[i]
		c.Fields = scanned(set, c.Fields)
		if t := strings.ToUpper(c.Type); t != "STRING" && t != "JSON" {
			continue
		}
		c.Mask, c.Labels, c.Reason = true, []sallyport.Label{sallyport.Unclassified}, reasonLineage
		c.Text, c.Format, c.ProfileVersion = set.Text(), set.JSON(), set.Profile().Version()
	}
	return cols
}

// completed is a column with what is known of it. What is not known is masked,
// whatever a verdict says.
func completed(set *rules.Set, c mask.BQColumn, out sallyport.Output, m *sallyport.Mask) mask.BQColumn {
	if out.Unknown && m == nil {
		m = &sallyport.Mask{Labels: []sallyport.Label{sallyport.Unclassified}, Reason: reasonLineage}
	}
	return set.BQColumn(c, out, m)
}

// strictest masks every column whole, as one of which nothing is known.
func strictest(set *rules.Set, cols []mask.BQColumn) []mask.BQColumn {
	for i := range cols {
		cols[i] = completed(set, cols[i], sallyport.Output{Unknown: true}, nil)
	}
	return cols
}

func maskOf(masks []sallyport.Mask, output int) *sallyport.Mask {
	for i := range masks {
		if masks[i].Output == output {
			return &masks[i]
		}
	}
	return nil
}

// plain are the columns of a schema as they are.
func plain(fields []field) []mask.BQColumn {
	var out []mask.BQColumn
	for i := range fields {
		f := &fields[i]
		out = append(out, mask.BQColumn{
			Name: f.Name, Type: f.Type, Repeated: f.repeated(), Required: strings.EqualFold(f.Mode, "REQUIRED"), Fields: plain(f.Fields),
		})
	}
	return out
}

// TableColumns are the columns of an answer of tabledata.list, which has no schema:
// those of the table, of which selected names columns or fields ("a,e.d.f"), in the
// table's order whatever theirs. A field of a record is masked by its own labels. A
// table that is not known, as one of the service's own, is an error of kind NotFound.
func (c *Catalogue) TableColumns(ctx context.Context, set *rules.Set, t analyze.Table, selected string, st *sallyport.Statement, masks []sallyport.Mask) ([]mask.BQColumn, error) {
	got, _, err := c.get(ctx, nameOf(t))
	if err != nil {
		return nil, err
	}
	if got == nil {
		return nil, sallyport.E(sallyport.NotFound, opColumns, "the columns of the table are not known").
			WithHint("look for the table's name; read the answer of a query by its job")
	}
	cols := plain(got.fields)
	table := got.known.Columns
	if selected != "" {
		if cols, err = Select(cols, selected); err != nil {
			return nil, err
		}
		table = slices.DeleteFunc(slices.Clone(table), func(k googlesql.Column) bool {
			return !slices.ContainsFunc(cols, func(c mask.BQColumn) bool { return c.Name == k.Name })
		})
	}
	if len(st.Outputs) != len(cols) || len(table) != len(cols) {
		return strictest(set, cols), nil
	}
	for i := range cols {
		if !judged(st.Outputs[i], append(slices.Clone(got.path), cols[i].Name)) {
			return strictest(set, cols), nil // the table was another when the statement was judged
		}
	}
	for i := range cols {
		j := judgement{set: set, out: st.Outputs[i], mask: maskOf(masks, i)}
		cols[i] = j.field(cols[i], &table[i], append(slices.Clone(got.path), cols[i].Name))
	}
	return cols, nil
}

// judged reports whether an output is the column at a path.
func judged(out sallyport.Output, path []string) bool {
	return !out.Unknown && len(out.Sources) > 0 && !slices.ContainsFunc(out.Sources, func(s sallyport.Column) bool {
		return len(s.Object.Path) < len(path) || !slices.Equal(s.Object.Path[:len(path)], path)
	})
}

// judgement is what a verdict says of a table's column, and so of its fields.
type judgement struct {
	set  *rules.Set
	out  sallyport.Output
	mask *sallyport.Mask
}

// field completes a column of a table, or a field of one. known is what the
// catalogue has of it.
func (j judgement) field(c mask.BQColumn, known *googlesql.Column, path []string) mask.BQColumn {
	if len(c.Fields) == 0 {
		own := sallyport.Column{Object: sallyport.Object{Kind: analyze.KindColumn, Path: path}, Labels: known.Labels}
		m := j.of(own)
		if m != nil {
			c.Columns = []string{own.Object.Name()}
		}
		return completed(j.set, c, sallyport.Output{Sources: []sallyport.Column{own}, Direct: true, Row: 1}, m)
	}
	c.Fields = slices.Clone(c.Fields)
	for i := range c.Fields {
		at := slices.IndexFunc(known.Fields, func(k googlesql.Column) bool { return k.Name == c.Fields[i].Name })
		c.Fields[i] = j.field(c.Fields[i], &known.Fields[at], append(slices.Clone(path), c.Fields[i].Name))
	}
	return c
}

// of is the mask of one field. The verdict is about the labels of the whole column:
// it names those that are not to be shown. What it was not about is not shown either.
func (j judgement) of(own sallyport.Column) *sallyport.Mask {
	var asked, failed []sallyport.Label
	for _, s := range j.out.Sources {
		if slices.Equal(s.Object.Path, own.Object.Path) {
			asked = labelsOf(s)
		}
	}
	for _, l := range labelsOf(own) {
		if !slices.Contains(asked, l) || j.mask != nil && slices.Contains(j.mask.Labels, l) {
			failed = append(failed, l)
		}
	}
	switch {
	case j.mask != nil && (j.mask.Reason == reasonLineage || len(j.mask.Labels) == 0):
		return j.mask
	case len(failed) == 0:
		return nil
	case j.mask == nil:
		return &sallyport.Mask{Labels: failed, Reason: reasonLineage}
	}
	m := *j.mask
	m.Labels = failed
	if len(failed) == 1 && failed[0] == sallyport.Unclassified {
		m.Reason = reasonUnclassified
	}
	return &m
}

func labelsOf(c sallyport.Column) []sallyport.Label {
	if len(c.Labels) == 0 {
		return []sallyport.Label{sallyport.Unclassified}
	}
	return c.Labels
}

// Select returns the columns that a list of names picks ("a,e.d.f"), and of records
// the fields that it picks, in the order that they have. It is how tabledata.list
// understands selectedFields.
func Select(cols []mask.BQColumn, selected string) ([]mask.BQColumn, error) {
	var paths [][]string
	for name := range strings.SplitSeq(selected, ",") {
		paths = append(paths, strings.Split(strings.ToLower(strings.TrimSpace(name)), "."))
	}
	return pick(cols, paths)
}

func pick(cols []mask.BQColumn, paths [][]string) ([]mask.BQColumn, error) {
	type picked struct {
		whole bool
		below [][]string
	}
	by := map[string]*picked{}
	for _, p := range paths {
		if by[p[0]] == nil {
			by[p[0]] = &picked{}
		}
		if by[p[0]].whole = by[p[0]].whole || len(p) == 1; len(p) > 1 {
			by[p[0]].below = append(by[p[0]].below, p[1:])
		}
	}
	var out []mask.BQColumn
	for _, c := range cols {
		p := by[strings.ToLower(c.Name)]
		if p == nil {
			continue
		}
		delete(by, strings.ToLower(c.Name))
		if len(p.below) > 0 {
			fields, err := pick(c.Fields, p.below)
			if err != nil {
				return nil, err
			}
			if !p.whole {
				c.Fields = fields
			}
		}
		out = append(out, c)
	}
	if len(by) > 0 {
		return nil, sallyport.E(sallyport.Invalid, opColumns, "a column is asked for that the table does not have").
			WithHint("look for the names of the columns; fields of a record are written record.field")
	}
	return out, nil
}
