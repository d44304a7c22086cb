// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ocsf

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// obj is a JSON object that is being put together.
type obj = map[string]any

// Canonical returns the RFC 8785 form of a JSON value made of map[string]any,
// []any, strings, booleans, nil, integers and [json.Number]. Nil maps and other
// types are written as null: an event has none.
func Canonical(v any) []byte { return appendValue(make([]byte, 0, 4<<10), v) }

func appendValue(dst []byte, v any) []byte {
	switch x := v.(type) {
	case map[string]any:
		return appendObject(dst, x)
	case []any:
		dst = append(dst, '[')
		for i, e := range x {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, e)
		}
		return append(dst, ']')
	case string:
		return appendString(dst, x)
	case bool:
		return strconv.AppendBool(dst, x)
	case int:
		return strconv.AppendInt(dst, int64(x), 10)
	case int64:
		return strconv.AppendInt(dst, x, 10)
	case uint64:
		return strconv.AppendUint(dst, x, 10)
	case json.Number:
		return appendNumber(dst, x)
	}
	return append(dst, "null"...)
}

func appendObject(dst []byte, m obj) []byte {
	if m == nil {
		return append(dst, "null"...)
	}
	keys := make([]string, 0, len(m))
	plain := true
	for k := range m {
		keys = append(keys, k)
		plain = plain && isASCII(k)
	}
	if plain {
		slices.Sort(keys)
	} else {
		slices.SortFunc(keys, compareUTF16)
	}
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, k)
		dst = append(dst, ':')
		dst = appendValue(dst, m[k])
	}
	return append(dst, '}')
}

// compareUTF16 orders names by UTF-16 code units, as RFC 8785 wants. It differs
// from the order of bytes only where one has a character beyond U+FFFF.
func compareUTF16(a, b string) int {
	return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		run := i
		for i < len(s) && s[i] >= ' ' && s[i] < utf8.RuneSelf && s[i] != '"' && s[i] != '\\' {
			i++
		}
		if dst = append(dst, s[run:i]...); i == len(s) {
			break
		}
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		i++
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\b':
			dst = append(dst, '\\', 'b')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\f':
			dst = append(dst, '\\', 'f')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(dst, '"')
}

// appendNumber writes a number that was read. A whole number of 64 bits is
// written as it is, so that 10 and 10.0, which is what some stores make of it,
// are the same.
func appendNumber(dst []byte, n json.Number) []byte {
	if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return strconv.AppendInt(dst, i, 10)
	}
	if u, err := strconv.ParseUint(string(n), 10, 64); err == nil {
		return strconv.AppendUint(dst, u, 10)
	}
	f, err := n.Float64()
	if err != nil {
		return append(dst, n...)
	}
	b, err := json.Marshal(f) // in ECMAScript's form, which RFC 8785 asks for
	if err != nil {
		return append(dst, n...)
	}
	return append(dst, b...)
}

// decode reads one JSON object and keeps its numbers as they are written.
func decode(text []byte) (obj, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v obj
	err := dec.Decode(&v)
	return v, err
}

// treeOf is the JSON tree of a value.
func treeOf(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	t, err := decode(b)
	if err != nil {
		return nil
	}
	return t
}

// put sets a string unless it is empty.
func put(o obj, key, value string) {
	if value != "" {
		o[key] = value
	}
}
