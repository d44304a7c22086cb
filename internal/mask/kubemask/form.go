// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubemask

import "bytes"

// Limits of what has a form.
const (
	maxWord   = 64 // bytes
	maxDigits = 2  // of a word: an identifier has more
	maxName   = 512
)

// forms returns what a text of a form looks like. An unknown form has none.
func forms(name string) func(v []byte) bool {
	switch name {
	case "word":
		return word
	case "name":
		return reference
	case "time":
		return moment
	}
	return func([]byte) bool { return false }
}

// word is a state, a reason, or what else a program names by a word: FailedScheduling,
// kube-controller-manager, kubernetes.io/tls, DB_HOST, spec.replicas.
func word(v []byte) bool {
	if len(v) == 0 || len(v) > maxWord {
		return len(v) == 0
	}
	digits := 0
	for _, c := range v {
		switch {
		case c|0x20-'a' < 26, c == '-', c == '.', c == '_', c == '/':
		case c-'0' <= 9 && digits < maxDigits:
			digits++
		default:
			return false
		}
	}
	return true
}

// reference is a name, an image, an address, a quantity or a place in an object: one word
// of the characters that such are made of.
func reference(v []byte) bool {
	if len(v) > maxName {
		return false
	}
	for _, c := range v {
		switch {
		case c|0x20-'a' < 26, c-'0' <= 9:
			continue
		}
		switch c {
		case '-', '.', '_', '/', ':', '@', '+', '=', '*', '{', '}', '[', ']', '%':
		default:
			return false
		}
	}
	return true
}

// moment is a time as the API writes it.
func moment(v []byte) bool {
	const like = "2006-01-02T15:04:05"
	if len(v) <= len(like) || len(v) > len(like)+len(".000000000+00:00") {
		return false
	}
	for i, c := range v {
		digit := c-'0' <= 9
		if i < len(like) {
			if like[i]-'0' <= 9 && !digit || like[i]-'0' > 9 && c != like[i] {
				return false
			}
		} else if !digit && c != '.' && c != 'Z' && c != '+' && c != '-' && c != ':' {
			return false
		}
	}
	return true
}

// prose reports whether a text is no document, which may repeat an object.
func prose(v []byte) bool {
	v = bytes.TrimSpace(v)
	return len(v) == 0 || v[0] != '{' && v[0] != '[' && v[0] != '"'
}

// unquoting reports whether the words of an error quote no object.
func unquoting(v []byte) bool {
	return !bytes.Contains(v, []byte(`{"`)) && !bytes.Contains(v, []byte(`{\"`))
}
