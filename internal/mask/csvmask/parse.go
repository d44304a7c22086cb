// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package csvmask

import (
	"bytes"

	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Limits of a file: fields of a record, and bytes of one field.
const (
	maxFields = 4096
	maxField  = 64 << 20
)

// byteOrderMark may begin a file in UTF-8.
var byteOrderMark = []byte("\xef\xbb\xbf")

// Append appends src, a file, to dst with its cells masked. On an error, which
// has Kind Integrity, dst is returned as it came.
func (m *Masker) Append(dst, src []byte, w *text.Work) ([]byte, error) {
	p, _ := m.runs.Get().(*parser)
	if p == nil {
		p = &parser{}
	}
	p.delimiter, p.src = m.delimiter, src
	patient := w.Row.Patient
	out, err := m.file(dst, p, w)
	w.Row.Patient = patient
	p.src = nil
	clear(p.fields)
	m.runs.Put(p)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (m *Masker) file(dst []byte, p *parser, w *text.Work) ([]byte, error) {
	if bytes.HasPrefix(p.src, byteOrderMark) {
		dst, p.src = append(dst, byteOrderMark...), p.src[len(byteOrderMark):]
	}
	if bytes.HasPrefix(p.src, []byte("\xff\xfe")) || bytes.HasPrefix(p.src, []byte("\xfe\xff")) {
		return nil, refuse("the file is in UTF-16")
	}
	dst, _, err := m.records(dst, p, nil, w)
	return dst, err
}

// records masks what the parser has. t is the table of the records before, or nil
// where there were none, and is returned for those that come.
func (m *Masker) records(dst []byte, p *parser, t *Table, w *text.Work) ([]byte, *Table, error) {
	for len(p.src) > 0 {
		end, err := p.record()
		if err != nil {
			return nil, nil, err
		}
		switch {
		case len(p.fields) == 1 && len(p.fields[0].Value) == 0 && !p.fields[0].Quoted:
			// an empty line is no record
		case t == nil:
			t = m.Table(p.values()...)
			if m.header {
				dst = m.Header(dst, w, p.fields...)
				break
			}
			fallthrough
		default:
			if dst, err = t.Record(dst, w, p.fields...); err != nil {
				return nil, nil, err
			}
		}
		dst = append(dst, end...)
	}
	return dst, t, nil
}

// parser takes records from a file.
type parser struct {
	delimiter byte
	src       []byte
	fields    []Field
	unquoted  []byte // values of fields with doubled quotes
}

func (p *parser) values() [][]byte {
	out := make([][]byte, len(p.fields))
	for i, f := range p.fields {
		out[i] = f.Value
	}
	return out
}

// record takes one record from src into fields and returns its line end. The
// fields are good until the next call.
func (p *parser) record() (end []byte, err error) {
	p.fields, p.unquoted = p.fields[:0], p.unquoted[:0]
	for {
		if len(p.fields) == maxFields {
			return nil, refuse("a record has too many fields")
		}
		f, err := p.field()
		if err != nil {
			return nil, err
		}
		p.fields = append(p.fields, f)
		if len(p.src) == 0 {
			return nil, nil
		}
		switch p.src[0] {
		case p.delimiter:
			p.src = p.src[1:]
			if len(p.src) == 0 {
				p.fields = append(p.fields, Field{})
				return nil, nil
			}
			continue
		case '\r':
			if len(p.src) > 1 && p.src[1] == '\n' {
				return p.take(2), nil
			}
			return p.take(1), nil
		case '\n':
			return p.take(1), nil
		}
		return nil, refuse("something follows the quotes of a field")
	}
}

func (p *parser) take(n int) []byte {
	v := p.src[:n]
	p.src = p.src[n:]
	return v
}

// field takes one field from src, which may be at its end.
func (p *parser) field() (Field, error) {
	if len(p.src) == 0 || p.src[0] != '"' {
		n := 0
		for n < len(p.src) {
			b := p.src[n]
			if b == p.delimiter || b == '\r' || b == '\n' {
				break
			}
			if b == '"' {
				return Field{}, refuse("a field without quotes holds one")
			}
			n++
		}
		return p.checked(Field{Value: p.take(n)})
	}
	p.src = p.src[1:]
	doubled := false
	from := len(p.unquoted)
	for {
		n := bytes.IndexByte(p.src, '"')
		if n < 0 {
			return Field{}, refuse("the quotes of a field do not end")
		}
		closing := n+1 == len(p.src) || p.src[n+1] != '"'
		if closing && !doubled {
			v := p.take(n)
			p.take(1)
			return p.checked(Field{Value: v, Quoted: true})
		}
		p.unquoted = append(p.unquoted, p.take(n)...)
		if closing {
			p.take(1)
			return p.checked(Field{Value: p.unquoted[from:len(p.unquoted):len(p.unquoted)], Quoted: true})
		}
		p.unquoted = append(p.unquoted, '"')
		p.take(2)
		doubled = true
	}
}

func (p *parser) checked(f Field) (Field, error) {
	if len(f.Value) > maxField {
		return Field{}, refuse("a field is too long")
	}
	return f, nil
}
