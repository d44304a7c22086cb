// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"bytes"
	"encoding/hex"
	"strconv"
)

// Keys takes the keys of the patients whose rows pass a mask, before and apart
// from what the mask makes of them.
type Keys interface {
	// Key takes one key in its canonical form, which is the same for the same key of
	// any type and format. It is good until the call returns.
	Key(canonical []byte)
	// Null says that a key was NULL in a row, and Unreadable that one has a type or
	// form that no canonical form is known of.
	Null()
	Unreadable()
}

// SetKeys has the keys of the columns with [PGColumn.Key] given to k from now on.
func (m *pgMasker) SetKeys(k Keys) {
	if m.last >= 0 {
		m.keys = k
	}
}

// readKeys reads the keys of one row.
func (p *PGPlan) readKeys(body []byte) error {
	if p.keys == nil {
		return nil
	}
	at := 2
	for i := 0; i <= p.last; i++ {
		end, null, err := cutCell(body, at)
		if err != nil {
			return err
		}
		if p.fields[i].key {
			p.key(&p.fields[i], body[at+4:end], null)
		}
		at = end
	}
	return nil
}

// key gives one key on.
func (m *pgMasker) key(f *pgField, v []byte, null bool) {
	switch {
	case m.keys == nil:
		return
	case null:
		m.keys.Null()
		return
	}
	canonical, ok := appendCanonicalKey(m.keyBuf[:0], f.oid, f.binary, v)
	m.keyBuf = canonical
	if !ok {
		m.keys.Unreadable()
		return
	}
	m.keys.Key(canonical)
}

// unreadableKey says that the keys of a row could not be read.
func (m *pgMasker) unreadableKey() {
	if m.keys != nil && m.last >= 0 {
		m.keys.Unreadable()
	}
}

// appendCanonicalKey appends the canonical form of a patient's key: a whole number
// in decimal, whatever its type; another number without zeros at its end; a UUID
// in lower case with hyphens; a text as it is, without the padding of bpchar. ok is
// false for every other type and for a value that is none of its type.
func appendCanonicalKey(dst []byte, oid uint32, isBinary bool, v []byte) (out []byte, ok bool) {
	switch oid {
	case oidText, oidVarchar, oidUnknown, oidName:
		return append(dst, v...), true
	case oidBpchar:
		return append(dst, bytes.TrimRight(v, " ")...), true
	case oidInt2, oidInt4, oidInt8, oidOID:
		n, ok := decodeInt(oid, isBinary, v)
		return strconv.AppendInt(dst, n, 10), ok
	case oidUUID:
		u, ok := decodeUUID(isBinary, v)
		if !ok {
			return dst, false
		}
		for i, part := range [][]byte{u[:4], u[4:6], u[6:8], u[8:10], u[10:]} {
			if i > 0 {
				dst = append(dst, '-')
			}
			dst = hex.AppendEncode(dst, part)
		}
		return dst, true
	case oidNumeric:
		return appendCanonicalNumber(dst, isBinary, v)
	}
	return dst, false
}

// appendCanonicalNumber appends a numeric without the zeros at its end, so that 7.00
// is the same patient as 7.
func appendCanonicalNumber(dst []byte, isBinary bool, v []byte) (out []byte, ok bool) {
	start := len(dst)
	if isBinary {
		if dst, ok = appendNumericText(dst, v); !ok {
			return dst, false
		}
	} else {
		dst = append(dst, v...)
	}
	n := dst[start:]
	if len(n) == 0 {
		return dst, false
	}
	for i, b := range n {
		if (b < '0' || b > '9') && b != '.' && (b != '-' || i > 0) { // NaN and the infinities are nobody
			return dst, false
		}
	}
	if bytes.IndexByte(n, '.') >= 0 {
		n = bytes.TrimRight(n, "0")
		n = bytes.TrimSuffix(n, []byte("."))
	}
	if string(n) == "-0" || len(n) == 0 {
		return append(dst[:start], '0'), true
	}
	return dst[:start+len(n)], true
}
