// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"bytes"
	"encoding/binary"
)

// maxDiagnostic is the largest ErrorResponse or NoticeResponse that is read.
// libpq itself gives up at 30000 bytes for errors before protocol 3.
const maxDiagnostic = 1 << 20

// withheldText follows the condition's name in a redacted message.
const withheldText = " (detail withheld by Sallyport)"

// codeFallback stands for an SQLSTATE that PostgreSQL does not define. RAISE
// takes any five characters, which would be a way out for data; this code is
// the one that RAISE has by itself.
const codeFallback = "P0001"

// pgDiag is the fields of one diagnostic by their code.
type pgDiag struct {
	field [256][]byte
	set   [256]bool
	n     int
}

// Diagnostic makes the message for an ErrorResponse (kind 'E') or a
// NoticeResponse ('N') of the target as a client may see it. body is the message
// without its type byte and length.
//
// Any text in a diagnostic may hold values of rows, so the message itself is
// replaced by the name of its SQLSTATE and everything free is dropped: detail,
// hint, context, internal query. Kept are severity, the SQLSTATE if PostgreSQL
// defines it, the position in the client's own text, and the names of schema
// ('s'), table ('t'), column ('c'), data type ('d') and constraint ('n') for
// which known says that the target has such a name; a nil known keeps none.
//
// The count is the number of fields withheld or replaced.
func Diagnostic(kind byte, body Raw, known func(field byte, name string) bool) (Masked, int, error) {
	d, err := parseDiagnostic(kind, body)
	if err != nil {
		return Masked{}, 0, err
	}
	severity, code, replaced := d.essence()
	w := newDiagWriter(kind, severity, code)
	kept := 3 - replaced // S, V and C as they came
	w.add('M', []byte(condition(code)+withheldText))
	if p := d.field['P']; d.set['P'] && isPosition(p) {
		w.add('P', p)
		kept++
	}
	for _, f := range []byte("stcdn") {
		if d.set[f] && known != nil && known(f, string(d.field[f])) {
			w.add(f, d.field[f])
			kept++
		}
	}
	return w.done(), d.n - kept, nil
}

// DiagnosticPassthrough makes the message for a diagnostic of the parse phase,
// which can hold nothing but the client's own text and names of the catalogue:
// message, detail and hint stay. Context, internal query and the place in the
// server's source are dropped. The count is the number of fields withheld or
// replaced.
func DiagnosticPassthrough(kind byte, body Raw) (Masked, int, error) {
	d, err := parseDiagnostic(kind, body)
	if err != nil {
		return Masked{}, 0, err
	}
	severity, code, replaced := d.essence()
	w := newDiagWriter(kind, severity, code)
	kept := 3 - replaced
	for _, f := range []byte("MDHstcdn") {
		if d.set[f] {
			w.add(f, d.field[f])
			kept++
		}
	}
	if p := d.field['P']; d.set['P'] && isPosition(p) {
		w.add('P', p)
		kept++
	}
	return w.done(), d.n - kept, nil
}

// parseDiagnostic reads fields of a code byte and a C string up to the zero byte
// that ends the message. A field that comes twice is refused.
func parseDiagnostic(kind byte, body Raw) (*pgDiag, error) {
	const op = "mask diagnostic"
	if kind != 'E' && kind != 'N' {
		return nil, refuse(op, "the message is neither an error nor a notice")
	}
	b := body.b
	if len(b) > maxDiagnostic {
		return nil, refuse(op, "a diagnostic is too long")
	}
	d := new(pgDiag)
	for len(b) > 0 && b[0] != 0 {
		end := bytes.IndexByte(b[1:], 0)
		if end < 0 {
			return nil, refuse(op, "a diagnostic is cut short")
		}
		f := b[0]
		if d.set[f] {
			return nil, refuse(op, "a diagnostic has a field twice")
		}
		d.field[f], d.set[f] = b[1:1+end], true
		d.n++
		b = b[end+2:]
	}
	if len(b) != 1 {
		return nil, refuse(op, "a diagnostic is cut short")
	}
	return d, nil
}

// essence returns severity and SQLSTATE as they may be shown, and how many of
// S, V and C were not sent like this.
func (d *pgDiag) essence() (severity, code string, replaced int) {
	severity, code = string(d.field['V']), string(d.field['C'])
	if !isSeverity(severity) { // V is missing before version 9.6
		severity = string(d.field['S'])
	}
	if !isSeverity(severity) {
		severity = "ERROR"
	}
	if condition(code) == "" {
		code = codeFallback
	}
	for f, shown := range map[byte]string{'S': severity, 'V': severity, 'C': code} {
		if string(d.field[f]) != shown {
			replaced++
		}
	}
	return severity, code, replaced
}

func isSeverity(s string) bool {
	switch s {
	case "ERROR", "FATAL", "PANIC", "WARNING", "NOTICE", "DEBUG", "INFO", "LOG":
		return true
	}
	return false
}

// isPosition reports whether b is a decimal of at most ten digits.
func isPosition(b []byte) bool {
	if len(b) == 0 || len(b) > 10 {
		return false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// diagWriter builds a diagnostic.
type diagWriter struct{ b []byte }

// newDiagWriter begins a message. Both severities are the untranslated one.
func newDiagWriter(kind byte, severity, code string) *diagWriter {
	w := &diagWriter{b: []byte{kind, 0, 0, 0, 0}}
	w.add('S', []byte(severity))
	w.add('V', []byte(severity))
	w.add('C', []byte(code))
	return w
}

func (w *diagWriter) add(field byte, v []byte) {
	w.b = append(append(append(w.b, field), v...), 0)
}

func (w *diagWriter) done() Masked {
	w.b = append(w.b, 0)
	binary.BigEndian.PutUint32(w.b[1:], uint32(len(w.b)-1))
	return Masked{b: w.b}
}
