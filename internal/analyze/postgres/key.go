// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/analyze/postgres/nodetree"
)

// keptInteger is the limit below which integers stay in a key: ORDER BY 2 and
// GROUP BY 1 mean columns, of which a query has at most 1664.
const keptInteger = 1665

// The first byte of a key says which of the two forms it has.
const (
	keyBlanked = 0
	keyExact   = 1
)

// AppendKey appends a form of text under which what was found out about a
// statement may be cached, and returns the extended slice. Statements with equal
// keys differ at most in literals of the same class (string; integer that fits
// int4 or int8; numeric), which change neither names nor types: what [Gate] and
// [Lineage] say of one holds for the other, but for Gated.Text and what is cut
// from it. Text that the small lexer does not read, more than one statement, and
// whatever does not begin as a query or a change of data is its own key: in SET
// and COPY a literal does change the meaning.
//
// The result holds values where the text is its own key: it is to be hashed
// with a secret key, never stored. Nothing is allocated when dst has room.
func AppendKey(dst, text []byte) []byte {
	start := len(dst)
	dst = append(dst, keyBlanked)
	l := lexer{s: text}
	first, ended := true, false
	for {
		kind, tok, blank := l.next()
		if kind == tokenEnd && !first {
			return dst
		}
		semicolon := len(tok) == 1 && tok[0] == ';'
		if kind == tokenBad || kind == tokenEnd || ended && !semicolon || first && !beginsQuery(kind, tok) {
			dst = append(dst[:start], keyExact)
			return append(dst, text...)
		}
		if ended = semicolon; ended {
			continue // psql ends statements so; the gate cuts it off
		}
		if blank && !first {
			dst = append(dst, ' ')
		}
		first = false
		switch kind {
		case tokenString:
			dst = append(dst, '\'', 's')
		case tokenInt:
			dst = appendInteger(dst, tok)
		case tokenFloat:
			dst = append(dst, '\'', 'n')
		default:
			dst = append(dst, tok...)
		}
	}
}

// beginsQuery reports whether a statement that begins with this token is one in
// which literals are values only.
func beginsQuery(kind tokenKind, tok []byte) bool {
	if kind != tokenWord || len(tok) > 6 {
		return false
	}
	var room [6]byte
	lower := room[:len(tok)]
	for i, c := range tok {
		lower[i] = c | 0x20
	}
	switch string(lower) {
	case "select", "insert", "update", "delete", "with", "values":
		return true
	}
	return false
}

// appendInteger writes small integers as they are and others by their type,
// which leading zeros do not change.
func appendInteger(dst, digits []byte) []byte {
	for len(digits) > 1 && digits[0] == '0' {
		digits = digits[1:]
	}
	var n uint64
	for i, d := range digits {
		if i == 19 { // may not fit uint64; int8 ends at 19 digits
			return append(dst, '\'', 'n')
		}
		n = n*10 + uint64(d-'0')
	}
	switch {
	case n < keptInteger:
		return strconv.AppendUint(dst, n, 10)
	case n <= 1<<31-1:
		return append(dst, '\'', 'i')
	case n <= 1<<63-1:
		return append(dst, '\'', 'l')
	}
	return append(dst, '\'', 'n')
}

// Key is AppendKey for one text; exact tells whether the text is its own key.
func Key(text string) (key []byte, exact bool) {
	key = AppendKey(nil, []byte(text))
	return key, key[0] == keyExact
}

// AppendTreeKey appends a form of a tree's text without constants, positions and
// line ends, and returns the extended slice. It returns false where the text
// cannot be read with certainty: then what is cached for the statement does not
// hold. The result is to be hashed with a secret key.
func AppendTreeKey(dst, tree []byte) ([]byte, bool) { return nodetree.AppendKey(dst, tree) }
