// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask/lex"
)

// The limits of one answer of the REST interface, in bytes. BigQuery's own is 20
// MB of rows or so.
const (
	maxBQAnswer = 256 << 20
	maxBQMasked = 1 << 30
)

const opBQRows = "mask bigquery rows"

// What the masks of answers refuse.
const (
	msgBQShape   = "a value has another shape than its column"
	msgBQColumns = "a row has another number of fields than its columns"
	msgBQAnswer  = "an answer is not a JSON object of the form that it has to have"
	msgBQSize    = "an answer is larger than may be masked"
)

// bqRun is the pass over the rows of one answer.
type bqRun struct {
	src   []byte
	cells []bqCell // of the current row
	// silent says that the current values are in one that goes as a whole: they are
	// read for keys only.
	silent bool
	size   int // of what was masked
}

// bqCell is a value of the current row that is looked at.
type bqCell struct {
	f          *BQField
	start, end int
	null       bool
	escaped    bool
	whole      bool // all of a repeated field, which becomes empty
	silent     bool // read for keys only
}

// text returns the value of a cell. It may alias scratch.
func (c *bqCell) text(src, scratch []byte) (v, used []byte) {
	v = src[c.start+1 : c.end-1]
	if !c.escaped {
		return v, scratch
	}
	scratch = lex.Unquote(scratch[:0], v)
	return scratch, scratch
}

// MaskRows masks an answer of tabledata.list, jobs.query or getQueryResults. Of its
// members those that are named pass, each as it is said; all others are left out.
// With an error nothing of the answer may leave, but rows and keys of it may have
// been counted.
func (p *BQPlan) MaskRows(answer Raw, members []BQMember) (Masked, error) {
	src := answer.b
	if len(src) > maxBQAnswer {
		return Masked{}, refuse(opBQRows, msgBQSize)
	}
	if !utf8.Valid(src) {
		return Masked{}, refuse(opBQRows, msgBQAnswer)
	}
	p.run = bqRun{src: src, cells: p.run.cells[:0]}
	defer func() { p.run.src = nil }()
	d := bqDocument{plan: p, src: src}
	out, end, err := d.object(make([]byte, 0, len(src)+len(src)/8), lex.Space(src, 0), members, 0)
	if err == nil && lex.Space(src, end) != len(src) {
		err = refuse(opBQRows, msgBQAnswer)
	}
	if err != nil {
		return Masked{}, err
	}
	return Masked{b: out}, nil
}

// appendRows appends the masked array of rows that is at i.
func (p *BQPlan) appendRows(dst []byte, i int) (out []byte, end int, err error) {
	src := p.run.src
	if p.detects {
		p.NoteTexts()
		if _, err := p.eachRow(i, func(int) error { return p.noteRow() }); err != nil {
			return nil, 0, err
		}
		p.DetectTexts()
	}
	edit := lex.NewEdit(dst, src[i:])
	end, err = p.eachRow(i, func(int) error { return p.maskRow(&edit, i) })
	if err != nil {
		return nil, 0, err
	}
	edit.Replace(end-i, len(src)-i, nil) // what is behind the rows is others'
	return edit.Bytes(), end, nil
}

// eachRow calls do for each row of the array at i, with its cells in the run.
func (p *BQPlan) eachRow(i int, do func(start int) error) (end int, err error) {
	src := p.run.src
	if lex.At(src, i) != '[' {
		if end = lex.Scalar(src, i); end == i+len("null") && src[i] == 'n' {
			return end, nil
		}
		return 0, refuse(opBQRows, msgBQAnswer)
	}
	if i = lex.Space(src, i+1); lex.At(src, i) == ']' {
		return i + 1, nil
	}
	for {
		p.run.cells = p.run.cells[:0]
		start := i
		if i, err = p.record(i, p.fields); err != nil {
			return 0, err
		}
		if err = do(start); err != nil {
			return 0, err
		}
		switch i = lex.Space(src, i); lex.At(src, i) {
		case ',':
			i = lex.Space(src, i+1)
		case ']':
			return i + 1, nil
		default:
			return 0, refuse(opBQRows, msgBQAnswer)
		}
	}
}

// member reads {"NAME": and returns where its value begins.
func (p *BQPlan) member(i int, name byte) (value int, err error) {
	src := p.run.src
	if lex.At(src, i) != '{' {
		return 0, refuse(opBQRows, msgBQShape)
	}
	i = lex.Space(src, i+1)
	end, _, value := lex.Key(src, i)
	if end != i+3 || src[i+1] != name {
		return 0, refuse(opBQRows, msgBQShape)
	}
	return value, nil
}

// close reads the brace behind the only member of an object.
func (p *BQPlan) close(i int) (end int, err error) {
	if i = lex.Space(p.run.src, i); lex.At(p.run.src, i) != '}' {
		return 0, refuse(opBQRows, msgBQShape)
	}
	return i + 1, nil
}

// record reads {"f":[{"v":…},…]}, a row or a record.
func (p *BQPlan) record(i int, fields []*BQField) (end int, err error) {
	src := p.run.src
	if i, err = p.member(i, 'f'); err != nil {
		return 0, err
	}
	if lex.At(src, i) != '[' {
		return 0, refuse(opBQRows, msgBQShape)
	}
	i = lex.Space(src, i+1)
	for k, f := range fields {
		if k > 0 {
			if lex.At(src, i) != ',' {
				return 0, refuse(opBQRows, msgBQColumns)
			}
			i = lex.Space(src, i+1)
		}
		if i, err = p.cell(i, f); err != nil {
			return 0, err
		}
		i = lex.Space(src, i)
	}
	if lex.At(src, i) != ']' {
		return 0, refuse(opBQRows, msgBQColumns)
	}
	return p.close(i + 1)
}

// cell reads {"v":…} of a field.
func (p *BQPlan) cell(i int, f *BQField) (end int, err error) {
	if i, err = p.member(i, 'v'); err != nil {
		return 0, err
	}
	if f.Repeated {
		i, err = p.array(i, f)
	} else {
		i, err = p.single(i, f)
	}
	if err != nil {
		return 0, err
	}
	return p.close(i)
}

// array reads the values of a repeated field.
func (p *BQPlan) array(i int, f *BQField) (end int, err error) {
	src := p.run.src
	if lex.At(src, i) == 'n' {
		return p.null(i, f)
	}
	if lex.At(src, i) != '[' {
		return 0, refuse(opBQRows, msgBQShape)
	}
	start, at := i, len(p.run.cells)
	silent := p.run.silent
	if f.Empty && !silent {
		p.run.cells = append(p.run.cells, bqCell{f: f, start: start, whole: true})
		p.run.silent = true
	}
	i = lex.Space(src, i+1)
	for first := true; lex.At(src, i) != ']'; first = false {
		if !first {
			if lex.At(src, i) != ',' {
				return 0, refuse(opBQRows, msgBQShape)
			}
			i = lex.Space(src, i+1)
		}
		if i, err = p.member(i, 'v'); err != nil {
			return 0, err
		}
		if i, err = p.single(i, f); err != nil {
			return 0, err
		}
		if i, err = p.close(i); err != nil {
			return 0, err
		}
		i = lex.Space(src, i)
	}
	if f.Empty && !silent {
		p.run.cells[at].end = i + 1
		p.run.silent = false
	}
	return i + 1, nil
}

// single reads a value that is no array.
func (p *BQPlan) single(i int, f *BQField) (end int, err error) {
	src := p.run.src
	switch lex.At(src, i) {
	case 'n':
		return p.null(i, f)
	case '{':
		if f.Kind == BQRecord {
			return p.record(i, f.Fields)
		}
	case '"':
		if f.Kind == BQRecord {
			break
		}
		end, escaped := lex.String(src, i)
		if end < 0 {
			return 0, refuse(opBQRows, msgBQAnswer)
		}
		if f.leaf >= 0 {
			p.run.cells = append(p.run.cells, bqCell{f: f, start: i, end: end, escaped: escaped, silent: p.run.silent})
		}
		return end, nil
	}
	return 0, refuse(opBQRows, msgBQShape)
}

// null reads a NULL.
func (p *BQPlan) null(i int, f *BQField) (end int, err error) {
	if end = lex.Scalar(p.run.src, i); end < 0 {
		return 0, refuse(opBQRows, msgBQAnswer)
	}
	if f.leaf >= 0 {
		p.run.cells = append(p.run.cells, bqCell{f: f, start: i, end: end, null: true, silent: p.run.silent})
	}
	return end, nil
}

// noteRow gives the texts of the current row to their detectors, which keep them.
func (p *BQPlan) noteRow() error {
	for i := range p.run.cells {
		c := &p.run.cells[i]
		if c.f.detector == nil || c.null || c.silent || c.whole {
			continue
		}
		v := p.run.src[c.start+1 : c.end-1]
		if c.escaped {
			v = lex.Unquote(nil, v)
		}
		p.NoteText(c.f, v)
	}
	return nil
}

// tellRow gives the keys of the current row on, and notes what its values tell about
// each other.
func (p *BQPlan) tellRow() {
	if p.work.collects {
		p.BeginRow()
	}
	if p.keys == nil && !p.work.collects {
		return
	}
	for i := range p.run.cells {
		c := &p.run.cells[i]
		var v []byte
		if !c.null && !c.whole {
			v, p.plain = c.text(p.run.src, p.plain)
		}
		if c.f.key && !c.whole {
			p.TellKey(c.f, v, c.null)
		}
		if c.f.collects() && !c.null && !c.whole && !c.silent {
			p.Collect(c.f, v)
		}
	}
}

// maskRow masks the cells of the current row in the edit, which begins at base.
func (p *BQPlan) maskRow(edit *lex.Edit, base int) error {
	p.tellRow()
	p.rows++
	for i := range p.run.cells {
		c := &p.run.cells[i]
		if c.silent || c.f.act == actPass {
			continue
		}
		start, end := c.start-base, c.end-base
		switch {
		case c.null:
			p.See(c.f, 1, 1)
		case c.whole:
			p.See(c.f, 1, 0)
			edit.ReplaceString(start, end, "[]")
		case c.f.act == actKeep:
			p.See(c.f, 1, 0)
		case c.f.act == actConstant:
			p.See(c.f, 1, 0)
			p.put(edit, c, start, end, c.f.constant.text, c.f.null)
		default:
			v, scratch := c.text(p.run.src, p.work.elem)
			p.work.elem = scratch
			masked, null := p.value(c.f, p.work.masks[:0], v)
			p.work.masks = masked
			p.put(edit, c, start, end, masked, null)
		}
	}
	if p.run.size > maxBQMasked {
		return refuse(opBQRows, msgBQSize)
	}
	return nil
}

// put replaces one value.
func (p *BQPlan) put(edit *lex.Edit, c *bqCell, start, end int, v []byte, null bool) {
	p.run.size += len(v)
	switch {
	case null:
		edit.ReplaceString(start, end, "null")
	case c.f.act == actConstant && c.f.Kind == BQTimestamp:
		p.work.masks = c.f.appendConstant(p.work.masks[:0], p.run.src[c.start+1:c.end-1])
		edit.ReplaceQuoted(start, end, p.work.masks)
	default:
		edit.ReplaceQuoted(start, end, v)
	}
}
