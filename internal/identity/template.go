// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is the longest value, in bytes, that may become part of a principal:
// its id, a group, an attribute, a subject.
const maxText = 256

// template is a principal's id with claims to fill in. literals has one element
// more than refs; the id is literals[0] refs[0] literals[1] ... literals[n].
type template struct {
	literals []string
	refs     []string
}

func parseTemplate(s string) (template, error) {
	var t template
	if s == "" {
		return t, errors.New("missing")
	}
	for rest := s; ; {
		lit, after, open := strings.Cut(rest, "{")
		if strings.Contains(lit, "}") {
			return template{}, fmt.Errorf("%q has a } without its {", s)
		}
		if err := checkLiteral(lit); err != nil {
			return template{}, fmt.Errorf("%q %w", s, err)
		}
		if lit == "" && open && len(t.refs) > 0 {
			return template{}, fmt.Errorf("%q has two claims side by side; put a separator between them", s)
		}
		t.literals = append(t.literals, lit)
		if !open {
			return t, nil
		}
		ref, tail, closed := strings.Cut(after, "}")
		if !closed {
			return template{}, fmt.Errorf("%q has a { without its }", s)
		}
		if err := checkRef(ref); err != nil {
			return template{}, err
		}
		t.refs = append(t.refs, ref)
		rest = tail
	}
}

func (t template) constant() bool { return len(t.refs) == 0 }

// fill makes the id. A value that holds the character that the template puts
// behind it is refused unless it is the last: otherwise "{org}/{repo}" would
// make the same principal of ("a", "b/c") and of ("a/b", "c").
func (t template) fill(c claims) (string, error) {
	var b strings.Builder
	b.WriteString(t.literals[0])
	for i, ref := range t.refs {
		v, ok := c.scalar(ref)
		if !ok {
			return "", fmt.Errorf("the token has no claim %q, which the principal's name is made of", ref)
		}
		if err := checkText(v); err != nil {
			return "", fmt.Errorf("the claim %q %w", ref, err)
		}
		lit := t.literals[i+1]
		if lit != "" {
			sep, _ := utf8.DecodeRuneInString(lit)
			if i+1 < len(t.refs) && strings.ContainsRune(v, sep) {
				return "", fmt.Errorf("the claim %q holds %q, which separates the parts of the principal's name", ref, sep)
			}
		}
		b.WriteString(v)
		b.WriteString(lit)
	}
	if b.Len() > maxText {
		return "", fmt.Errorf("the principal's name would be longer than %d bytes", maxText)
	}
	return b.String(), nil
}

// mayEqual reports whether the two templates could make the same id, judged by
// their fixed beginnings and ends. Two equal constants are a deliberate choice
// of the operator (one workload under two issuers) and pass.
func (t template) mayEqual(o template) bool {
	if t.constant() && o.constant() {
		return false
	}
	p, q := t.literals[0], o.literals[0]
	if !t.constant() && !o.constant() {
		x, y := t.literals[len(t.literals)-1], o.literals[len(o.literals)-1]
		return (strings.HasPrefix(p, q) || strings.HasPrefix(q, p)) &&
			(strings.HasSuffix(x, y) || strings.HasSuffix(y, x))
	}
	if o.constant() {
		t, o, p, q = o, t, q, p
	}
	return strings.HasPrefix(p, q) && strings.HasSuffix(p, o.literals[len(o.literals)-1])
}

// checkText refuses what must not become part of a name that people read and
// policies compare: nothing, too much, or characters that do not show.
func checkText(s string) error {
	if s == "" {
		return errors.New("is empty")
	}
	if len(s) > maxText {
		return fmt.Errorf("is longer than %d bytes", maxText)
	}
	return checkLiteral(s)
}

func checkLiteral(s string) error {
	for _, r := range s {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return errors.New("holds a control character or one that does not show")
		}
	}
	return nil
}

// checkRef checks a reference to a claim: a name, or a JSON Pointer.
func checkRef(ref string) error {
	if ref == "" || ref == "/" {
		return errors.New("a claim's name is missing")
	}
	if len(ref) > maxText || checkLiteral(ref) != nil {
		return errors.New("a claim's name is too long or holds a control character")
	}
	if strings.HasPrefix(ref, "/") {
		for i := 0; i < len(ref); i++ {
			if ref[i] == '~' && (i+1 == len(ref) || (ref[i+1] != '0' && ref[i+1] != '1')) {
				return fmt.Errorf("%q is not a JSON Pointer: ~ must be followed by 0 or 1", ref)
			}
		}
	}
	return nil
}

// refPath splits a reference into the keys to follow.
func refPath(ref string) []string {
	if !strings.HasPrefix(ref, "/") {
		return []string{ref}
	}
	parts := strings.Split(ref[1:], "/")
	for i, s := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
	}
	return parts
}

// refName is the attribute's name that a reference gives: its last key.
func refName(ref string) string {
	p := refPath(ref)
	return p[len(p)-1]
}
