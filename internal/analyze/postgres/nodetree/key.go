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
	l := newLines()
	for i := 0; i < len(tree); {
		start := i
		for i < len(tree) && !isSpace(tree[i]) && tree[i] != '\\' {
			i++
		}
		dst = append(dst, tree[start:i]...)
		if i == len(tree) {
			break
		}
		if tree[i] == '\\' {
			if i+1 == len(tree) {
				return dst, false
			}
			c := tree[i+1]
			switch c {
			case '\n':
				if !l.end(i+1, true) {
					return dst, false
				}
				c = ' '
			case ' ':
				l.space = i + 1
			}
			dst = append(dst, '\\', c)
			i += 2
			continue
		}
		var ok bool
		if i, ok = l.skip(tree, i); !ok {
			return dst, false
		}
		dst = append(dst, ' ')
		if i == len(tree) || tree[i] != ':' {
			continue
		}
		if end, kind := volatileField(tree, i); kind != kept {
			dst = append(dst, tree[i:end]...)
			dst = append(dst, '?')
			if i, ok = l.skipValue(tree, end, kind); !ok {
				return dst, false
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
	for _, f := range [...]struct {
		name string
		kind int
	}{
		{"location", position},
		{"constvalue", datum},
		{"stmt_location", position},
		{"stmt_len", position},
		{"list_start", position},
		{"list_end", position},
	} {
		end = i + 1 + len(f.name)
		if end < len(tree) && tree[i+1] == f.name[0] && isSpace(tree[end]) && string(tree[i+1:end]) == f.name {
			return end, f.kind
		}
	}
	return 0, kept
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
