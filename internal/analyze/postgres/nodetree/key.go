// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package nodetree

// AppendKey appends to dst a form of a tree's text that is the same for
// statements that differ only in their constants: values, positions in the text
// and line ends are left out. It allocates nothing when dst has room.
//
// The second result is false where the text cannot be read with certainty; such
// a tree has no key.
func AppendKey(dst, tree []byte) ([]byte, bool) {
	if len(tree) > MaxBytes {
		return dst, false
	}
	var room [8]int
	l := lines{starts: append(room[:0], 0), space: -1}
	for i := 0; i < len(tree); {
		switch c := tree[i]; {
		case c == '\\' && i+1 < len(tree):
			if tree[i+1] == '\n' {
				if !l.end(i+1, true) {
					return dst, false
				}
				dst = append(dst, '\\', ' ')
			} else {
				if tree[i+1] == ' ' {
					l.space = i + 1
				}
				dst = append(dst, '\\', tree[i+1])
			}
			i += 2
		case !isSpace(c):
			dst = append(dst, c)
			i++
		default:
			var ok bool
			if i, ok = l.skip(tree, i); !ok {
				return dst, false
			}
			dst = append(dst, ' ')
			if i < len(tree) && tree[i] == ':' {
				end, kind := volatileField(tree, i)
				if kind != kept {
					dst = append(dst, tree[i:end]...)
					dst = append(dst, '?')
					if i, ok = l.skipValue(tree, end, kind); !ok {
						return dst, false
					}
				}
			}
		}
	}
	return dst, true
}

// skip moves over white space from i.
func (l *lines) skip(tree []byte, i int) (int, bool) {
	for i < len(tree) && isSpace(tree[i]) {
		switch tree[i] {
		case ' ':
			l.space = i
		case '\n':
			if !l.end(i, false) {
				return i, false
			}
		}
		i++
	}
	return i, true
}

// How a field's value takes part in the key.
const (
	kept     = iota
	position // one word that is left out
	datum    // a constant that is left out
)

// volatileField looks at the field that begins at i with its colon.
func volatileField(tree []byte, i int) (end, kind int) {
	end = i + 1
	for end < len(tree) && !isSpace(tree[end]) && tree[end] != '}' && tree[end] != ')' {
		end++
	}
	switch string(tree[i+1 : end]) {
	case "constvalue":
		return end, datum
	case "location", "stmt_location", "stmt_len", "list_start", "list_end":
		return end, position
	}
	return end, kept
}

// skipValue moves over a field's value and checks its form.
func (l *lines) skipValue(tree []byte, i, kind int) (int, bool) {
	word := func() (w []byte, ok bool) {
		if i, ok = l.skip(tree, i); !ok {
			return nil, false
		}
		start := i
		for i < len(tree) && !isSpace(tree[i]) && tree[i] != '}' && tree[i] != ')' {
			if c := tree[i]; c == '\\' || c == '{' || c == '(' {
				return nil, false
			}
			i++
		}
		return tree[start:i], i > start
	}
	w, ok := word()
	if !ok {
		return i, false
	}
	if kind == datum && string(w) == "<>" {
		return i, true
	}
	if !number(string(w)) {
		return i, false
	}
	if kind == position {
		return i, true
	}
	if w, ok = word(); !ok || string(w) != "[" {
		return i, false
	}
	for {
		if w, ok = word(); !ok {
			return i, false
		}
		if string(w) == "]" {
			return i, true
		}
		if !number(string(w)) {
			return i, false
		}
	}
}
