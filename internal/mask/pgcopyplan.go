// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
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
	c := &PGCopy{pgMasker: newPGMasker(pgFields(own, profile)), format: f, repl: make([][]byte, len(cols))}
	for i := range c.fields {
		if fd := &c.fields[i]; fd.act == actConstant || fd.act == actValue {
			c.repl[i] = c.constant(fd)
		}
	}
	if c.last >= 0 && c.work == nil { // a key is known when its row is whole
		c.work = newPGWork(c.fields)
	}
	if c.work != nil {
		c.held = &copyHeld{}
	}
	switch f.Kind {
	case CopyBinary:
		c.parser = &copyBinary{}
	case CopyCSV:
		c.parser = &copyLines{header: f.Header, syntax: newCSVSyntax(f)}
	default:
		c.parser = &copyLines{header: f.Header, syntax: newTextSyntax(f)}
	}
	return c, nil
}

// constant returns the constant of a masked field as the format writes it.
func (c *PGCopy) constant(fd *pgField) []byte {
	switch {
	case c.format.Kind == CopyBinary:
		return fd.repl
	case fd.isNull():
		return []byte(c.format.Null)
	}
	return c.format.appendValue(nil, fd.maskText())
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

// appendValue appends a value as one of the text formats has it.
func (f CopyFormat) appendValue(dst, v []byte) []byte {
	if f.Kind == CopyCSV {
		return f.appendCSV(dst, v)
	}
	return f.appendText(dst, v)
}

// copyEscapes are the bytes that the text format writes as a backslash and a
// letter, and the letters.
const copyEscapes, copyLetters = "\b\f\n\r\t\v", "bfnrtv"

// appendText appends a value as the text format has it (CopyAttributeOutText).
func (f CopyFormat) appendText(dst, v []byte) []byte {
	for _, b := range v {
		if at := strings.IndexByte(copyEscapes, b); at >= 0 {
			dst = append(dst, '\\', copyLetters[at])
			continue
		}
		if b == '\\' || b == f.Delimiter {
			dst = append(dst, '\\')
		}
		dst = append(dst, b)
	}
	return dst
}

// appendCSV appends a value as the CSV format has it (CopyAttributeOutCSV).
func (f CopyFormat) appendCSV(dst, v []byte) []byte {
	special := func(b byte) bool { return b == f.Delimiter || b == f.Quote || b == '\n' || b == '\r' }
	quotes := string(v) == f.Null || string(v) == `\.`
	for _, b := range v {
		quotes = quotes || special(b)
	}
	if !quotes {
		return append(dst, v...)
	}
	dst = append(dst, f.Quote)
	for _, b := range v {
		if b == f.Quote || b == f.Escape {
			dst = append(dst, f.Escape)
		}
		dst = append(dst, b)
	}
	return append(dst, f.Quote)
}

// decode appends the value of a field, quoted or not, that is not NULL. ok is
// false where the server would have written something else.
func (f CopyFormat) decode(dst, field []byte, quoted bool) (v []byte, ok bool) {
	if f.Kind != CopyCSV {
		return f.decodeText(dst, field)
	}
	if !quoted {
		return append(dst, field...), true
	}
	field = field[1 : len(field)-1] // the parser has seen both quotes
	for i := 0; i < len(field); i++ {
		if field[i] == f.Escape {
			if i++; i == len(field) {
				return dst, false
			}
		}
		dst = append(dst, field[i])
	}
	return dst, true
}

func (f CopyFormat) decodeText(dst, field []byte) (v []byte, ok bool) {
	for i := 0; i < len(field); i++ {
		b := field[i]
		if b == '\\' {
			if i++; i == len(field) {
				return dst, false
			}
			b = field[i]
			if at := strings.IndexByte(copyLetters, b); at >= 0 {
				b = copyEscapes[at]
			} else if b != '\\' && b != f.Delimiter {
				return dst, false
			}
		}
		dst = append(dst, b)
	}
	return dst, true
}
