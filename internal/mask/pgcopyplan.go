// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"bytes"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// NewPGCopy makes the mask for a COPY TO STDOUT of the given columns. The
// columns' Binary is ignored: the format decides. A format that the server would
// refuse (manual: COPY), or in which fields could not be told apart, is an error
// of kind Invalid. profile is the name of the masking profile.
func NewPGCopy(cols []PGColumn, format CopyFormat, profile string) (*PGCopy, error) {
	f, err := format.complete()
	if err != nil {
		return nil, err
	}
	own := append([]PGColumn(nil), cols...)
	for i := range own {
		own[i].Binary = f.Kind == CopyBinary
	}
	c := &PGCopy{fields: pgFields(own, profile), format: f, nulls: make([]uint64, len(cols))}
	c.repl = make([][]byte, len(cols))
	for i := range c.fields {
		fd := &c.fields[i]
		if !fd.mask {
			continue
		}
		switch f.Kind {
		case CopyBinary:
			c.repl[i] = fd.repl
		case CopyText:
			c.repl[i] = textField(fd, f)
		case CopyCSV:
			c.repl[i] = csvField(fd, f)
		}
	}
	switch f.Kind {
	case CopyBinary:
		c.parser = &copyBinary{}
	case CopyCSV:
		c.parser = newCopyCSV(f)
	default:
		c.parser = newCopyText(f)
	}
	return c, nil
}

// complete returns f with defaults filled in, or an error when the server would
// refuse it or when its fields could not be told apart.
func (f CopyFormat) complete() (CopyFormat, error) {
	bad := func(msg string) (CopyFormat, error) {
		return CopyFormat{}, sallyport.E(sallyport.Invalid, "mask copy format", msg)
	}
	switch f.Kind {
	case CopyBinary:
		if f != (CopyFormat{Kind: CopyBinary}) {
			return bad("a binary copy takes no options of the text formats")
		}
		return f, nil
	case CopyText:
		if f.Delimiter == 0 {
			f.Delimiter = '\t'
		}
		if !f.NullSet {
			f.Null, f.NullSet = `\N`, true
		}
		if f.Quote != 0 || f.Escape != 0 {
			return bad("quote and escape need the csv format")
		}
		if strings.IndexByte(`\.abcdefghijklmnopqrstuvwxyz0123456789`, f.Delimiter) >= 0 {
			return bad("this delimiter cannot be told from an escaped value")
		}
	case CopyCSV:
		if f.Delimiter == 0 {
			f.Delimiter = ','
		}
		if f.Quote == 0 {
			f.Quote = '"'
		}
		if f.Escape == 0 {
			f.Escape = f.Quote
		}
		f.NullSet = true
		if f.Delimiter == f.Quote || strings.IndexByte(f.Null, f.Quote) >= 0 {
			return bad("the quote must differ from the delimiter and the null marker")
		}
	default:
		return bad("this copy format is not known")
	}
	for _, b := range []byte{f.Delimiter, f.Quote, f.Escape} {
		if b == '\n' || b == '\r' || b >= 0x80 {
			return bad("delimiter, quote and escape must be single printable characters")
		}
	}
	if strings.ContainsAny(f.Null, "\r\n") || strings.IndexByte(f.Null, f.Delimiter) >= 0 {
		return bad("the null marker must hold neither a line end nor the delimiter")
	}
	return f, nil
}

// nullIsPlain reports whether the null marker can stand for nothing but NULL.
// In CSV a value equal to the marker is quoted. In text only the default marker
// is beyond doubt: no value is ever written with the escape \N. With another
// marker, a field equal to it may be a value, and to let it pass would answer
// the question whether a masked value equals a string of the client's choice.
func (f CopyFormat) nullIsPlain() bool {
	return f.Kind != CopyText || f.Null == `\N` && f.Delimiter != 'N'
}

// maskText returns the value of a masked field, without the length word that
// pgFields put before it.
func (f *pgField) maskText() []byte { return f.repl[4:] }

func (f *pgField) isNull() bool { return f.count.Operator == OpNull }

// textField writes a mask as the text format has it (CopyAttributeOutText).
func textField(fd *pgField, f CopyFormat) []byte {
	if fd.isNull() {
		return []byte(f.Null)
	}
	out := []byte{}
	for _, b := range fd.maskText() {
		switch b {
		case '\n':
			out = append(out, `\n`...)
		case '\\', f.Delimiter:
			out = append(out, '\\', b)
		default:
			out = append(out, b)
		}
	}
	return out
}

// csvField writes a mask as the CSV format has it (CopyAttributeOutCSV).
func csvField(fd *pgField, f CopyFormat) []byte {
	if fd.isNull() {
		return []byte(f.Null)
	}
	v := fd.maskText()
	special := string([]byte{f.Delimiter, f.Quote, '\n', '\r'})
	if string(v) != f.Null && string(v) != `\.` && !bytes.ContainsAny(v, special) {
		return append([]byte{}, v...)
	}
	out := []byte{f.Quote}
	for _, b := range v {
		if b == f.Quote || b == f.Escape {
			out = append(out, f.Escape)
		}
		out = append(out, b)
	}
	return append(out, f.Quote)
}
