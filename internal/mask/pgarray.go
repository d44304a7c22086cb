// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// arrayDepth is the most dimensions that an array has (MAXDIM).
const arrayDepth = 6

// arrayBinary masks each element of an array in binary form (array_send): number
// of dimensions, whether there are NULLs, type of the elements, length and lower
// bound of each dimension, and the elements as in a DataRow. NULLs stay NULL, and
// the dimensions stay.
func (w *pgWork) arrayBinary(t *pgScalar, dst, v []byte) ([]byte, pgOutcome) {
	const header, dimension = 12, 8
	be := binary.BigEndian
	if len(v) < header || be.Uint32(v[8:]) != t.oid {
		return dst, undecodable
	}
	dims := be.Uint32(v)
	at := header + dimension*int(min(dims, arrayDepth))
	if dims > arrayDepth || be.Uint32(v[4:]) > 1 || len(v) < at {
		return dst, undecodable
	}
	count := uint64(min(dims, 1))
	for i := header; i < at; i += dimension {
		// No element takes less than its length word. With that limit on every step
		// the product does not overflow.
		if count *= uint64(be.Uint32(v[i:])); count > uint64(len(v)/4) {
			return dst, undecodable
		}
	}
	start := len(dst)
	out := append(dst, v[:at]...)
	for range count {
		end, null, err := cutCell(v, at)
		if err != nil {
			return dst, undecodable
		}
		if !null {
			out = appendSized(out, func(b []byte) ([]byte, bool) {
				b, null = w.element(t, b, v[at+4:end])
				return b, null
			})
		} else {
			out = be.AppendUint32(out, pgNull)
		}
		if null {
			be.PutUint32(out[start+4:], 1)
		}
		at = end
	}
	if at != len(v) {
		return dst, undecodable
	}
	return out, answered
}

// arrayText masks each element of an array in text form (array_out): bounds such
// as [0:2]= where they are not the usual ones, then braces around elements with
// commas between them. Elements stand in quotes where something in them has a
// meaning.
func (w *pgWork) arrayText(t *pgScalar, dst, v []byte) ([]byte, pgOutcome) {
	out := dst
	i := 0
	if len(v) > 0 && v[0] == '[' {
		i = bytes.IndexByte(v, '=') + 1
		if i == 0 || len(bytes.Trim(v[:i-1], "[]:-+0123456789")) > 0 {
			return dst, undecodable
		}
		out = append(out, v[:i]...)
	}
	depth, leaf := 0, 0 // braces open, and how many are where the elements stand
	value := true       // an element or a brace may come
	for i < len(v) {
		b := v[i]
		switch {
		case b == '{' && value && depth < arrayDepth && (leaf == 0 || depth < leaf):
			depth++
		case b == '}' && depth > 0 && (!value || v[i-1] == '{'):
			depth--
			value = false
		case b == ',' && depth > 0 && !value:
			value = true
		case value && depth > 0 && b != '}' && b != ',' && (leaf == 0 || depth == leaf):
			leaf = depth
			content, quoted, n, ok := w.arrayElement(v[i:])
			if !ok {
				return dst, undecodable
			}
			i += n
			value = false
			if !quoted && strings.EqualFold(string(content), "null") {
				out = append(out, "NULL"...)
				continue
			}
			out = w.appendElement(t, out, content)
			continue
		default:
			return dst, undecodable
		}
		out = append(out, b)
		if i++; depth == 0 {
			break
		}
	}
	if depth != 0 || i == 0 || i != len(v) {
		return dst, undecodable
	}
	return out, answered
}

// arrayElement reads the element that s begins with. content is good until the
// next call.
func (w *pgWork) arrayElement(s []byte) (content []byte, quoted bool, n int, ok bool) {
	if s[0] != '"' {
		n = bytes.IndexAny(s, ",}")
		if n <= 0 || bytes.ContainsAny(s[:n], "\"\\{ \t\r\n\v\f") {
			return nil, false, 0, false
		}
		return s[:n], false, n, true
	}
	w.elem = w.elem[:0]
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return w.elem, true, i + 1, true
		case '\\':
			if i++; i == len(s) {
				return nil, true, 0, false
			}
		}
		w.elem = append(w.elem, s[i])
	}
	return nil, true, 0, false
}

// appendElement appends the mask of an element, in quotes where it must be.
func (w *pgWork) appendElement(t *pgScalar, dst, v []byte) []byte {
	masked, null := w.element(t, w.masks[:0], v)
	w.masks = masked
	if null {
		return append(dst, "NULL"...)
	}
	if len(masked) > 0 && !bytes.ContainsAny(masked, "\"\\{}, \t\r\n\v\f") && !bytes.EqualFold(masked, []byte("null")) {
		return append(dst, masked...)
	}
	dst = append(dst, '"')
	for _, b := range masked {
		if b == '"' || b == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, b)
	}
	return append(dst, '"')
}
