// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"unicode/utf8"
)

// maskScan masks what is found in a text.
func (t *pgScalar) maskScan(w *pgWork, dst, v []byte) ([]byte, pgOutcome) {
	if !utf8.Valid(v) {
		return dst, undecodable
	}
	n := len(dst)
	return t.cut(t.text.Append(dst, v, &w.text), n), answered
}

// maskFormat has the column's format mask a text.
func (t *pgScalar) maskFormat(w *pgWork, dst, v []byte) ([]byte, pgOutcome) {
	n := len(dst)
	if t.oid == oidJSONB && t.binary {
		if len(v) == 0 || v[0] != jsonbVersion {
			return dst, undecodable
		}
		dst, v = append(dst, jsonbVersion), v[1:]
	}
	if !utf8.Valid(v) {
		return dst, undecodable
	}
	out, err := t.format.Append(dst, v, &w.text)
	if err != nil {
		return dst, undecodable
	}
	if isText(t.oid) && !t.fits(out[n:]) {
		return dst, unanswered
	}
	return out, answered
}

// maskString applies the operator to a text. Blanks that pad a bpchar mean
// nothing.
func (t *pgScalar) maskString(w *pgWork, dst, v []byte) ([]byte, pgOutcome) {
	if !utf8.Valid(v) {
		return dst, undecodable
	}
	if t.oid == oidBpchar {
		v = bytes.TrimRight(v, " ")
	}
	out, ok := t.op.Text(dst, v, &w.text.Row)
	if !ok || !t.fits(out[len(dst):]) {
		return dst, unanswered
	}
	return out, answered
}

// limit returns how many bytes and characters a text of the type has room for.
func (t *pgScalar) limit() (size, characters int) {
	switch {
	case t.oid == oidName:
		return nameLen, nameLen
	case (t.oid == oidVarchar || t.oid == oidBpchar) && t.typmod >= varhdr:
		return math.MaxInt, int(t.typmod - varhdr)
	}
	return math.MaxInt, math.MaxInt
}

// fits reports whether a text is a value of the type.
func (t *pgScalar) fits(s []byte) bool {
	size, characters := t.limit()
	return utf8.Valid(s) && bytes.IndexByte(s, 0) < 0 && len(s) <= size &&
		(len(s) <= characters || utf8.RuneCount(s) <= characters)
}

// cut shortens the text dst[n:] to what the type has room for.
func (t *pgScalar) cut(dst []byte, n int) []byte {
	size, characters := t.limit()
	if len(dst)-n <= min(size, characters) {
		return dst
	}
	at := n
	for range characters {
		_, width := utf8.DecodeRune(dst[at:])
		if at+width > len(dst) || at+width-n > size {
			break
		}
		at += width
	}
	return dst[:at]
}

// jsonbVersion is the first byte of a jsonb in binary form.
const jsonbVersion = 1

// maskJSON applies the operator to the content of a JSON string, or to the text
// of a number or a boolean. The answer is a JSON string. For objects, arrays and
// null there is none: operators are made for single values.
func (t *pgScalar) maskJSON(w *pgWork, dst, v []byte) ([]byte, pgOutcome) {
	out := dst
	if t.oid == oidJSONB && t.binary {
		if len(v) == 0 || v[0] != jsonbVersion {
			return dst, undecodable
		}
		out, v = append(out, jsonbVersion), v[1:]
	}
	if !utf8.Valid(v) {
		return dst, undecodable
	}
	v = bytes.Trim(v, " \t\r\n")
	if len(v) == 0 || v[0] == '{' || v[0] == '[' || v[0] == 'n' {
		return dst, unanswered
	}
	if n := len(v); n >= 2 && v[0] == '"' && v[n-1] == '"' {
		if content := v[1 : n-1]; bytes.IndexByte(content, '\\') < 0 {
			v = content
		} else {
			var s string
			if json.Unmarshal(v, &s) != nil {
				return dst, undecodable
			}
			v = []byte(s)
		}
	}
	answer, ok := t.op.Text(w.answer[:0], v, &w.text.Row)
	w.answer = answer
	if !ok || !utf8.Valid(answer) || bytes.IndexByte(answer, 0) >= 0 {
		return dst, unanswered
	}
	return appendJSONString(out, answer), answered
}

// appendJSONString appends s, which is valid UTF-8, as a JSON string.
func appendJSONString(dst, s []byte) []byte {
	dst = append(dst, '"')
	for _, b := range s {
		switch {
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b < 0x20:
			dst = append(dst, '\\', 'u', '0', '0')
			dst = hex.AppendEncode(dst, []byte{b})
		default:
			dst = append(dst, b)
		}
	}
	return append(dst, '"')
}

// maskXML applies the operator to an XML value without elements, which is text;
// and so is the answer.
func (t *pgScalar) maskXML(w *pgWork, dst, v []byte) ([]byte, pgOutcome) {
	if !utf8.Valid(v) {
		return dst, undecodable
	}
	if bytes.IndexByte(v, '<') >= 0 {
		return dst, unanswered
	}
	answer, ok := t.op.Text(w.answer[:0], v, &w.text.Row)
	w.answer = answer
	if !ok || !utf8.Valid(answer) || bytes.ContainsAny(answer, "\uFFFE\uFFFF") {
		return dst, unanswered
	}
	out := dst
	for _, b := range answer {
		switch {
		case b == '<':
			out = append(out, "&lt;"...)
		case b == '>':
			out = append(out, "&gt;"...)
		case b == '&':
			out = append(out, "&amp;"...)
		case b < 0x20 && b != '\t' && b != '\n':
			return dst, unanswered
		default:
			out = append(out, b)
		}
	}
	return out, answered
}
