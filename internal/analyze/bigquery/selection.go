// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"strings"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask/lex"
)

// maxSelection is how many parts a selection has at most, and how deep it goes.
const (
	maxSelection      = 1000
	maxSelectionDepth = 32
)

// Selection is the part of an answer that a client wants, as the parameter fields
// says it: "schema,rows(f/v),pageToken". It is applied to the masked answer, so
// that the target is always asked for the whole. It takes things away, and nothing
// that is masked depends on it.
type Selection struct {
	// below has what is wanted of a field; nil is the whole of it.
	below map[string]*Selection
}

// parseSelection reads the parameter. An empty one wants everything.
func parseSelection(text string) (*Selection, error) {
	if text == "" {
		return nil, nil
	}
	p := selectionParser{rest: text}
	s, ok := p.list(0)
	if !ok || p.rest != "" {
		return nil, invalid("the parameter fields cannot be read", "send names joined by commas, with parts of them behind / or in brackets")
	}
	return s, nil
}

type selectionParser struct {
	rest  string
	count int
}

// list reads "a,b/c,d(e,f)".
func (p *selectionParser) list(depth int) (*Selection, bool) {
	out := &Selection{below: map[string]*Selection{}}
	for {
		if !p.path(out, depth) {
			return nil, false
		}
		if !p.take(",") {
			return out, true
		}
	}
}

// path reads one "b/c(d)" into the selection above it.
func (p *selectionParser) path(above *Selection, depth int) bool {
	end := strings.IndexAny(p.rest, ",/().")
	if end < 0 {
		end = len(p.rest)
	}
	name := p.rest[:end]
	p.rest = p.rest[end:]
	if p.count++; p.count > maxSelection || depth > maxSelectionDepth || name != "*" && !word(name, "$-") {
		return false
	}
	one := &Selection{below: map[string]*Selection{}}
	switch {
	case p.take("/"), p.take("."):
		if !p.path(one, depth+1) {
			return false
		}
	case p.take("("):
		var ok bool
		if one, ok = p.list(depth + 1); !ok || !p.take(")") {
			return false
		}
	default:
		one = nil
	}
	if old, there := above.below[name]; there {
		one = merged(old, one)
	}
	above.below[name] = one
	return true
}

func (p *selectionParser) take(s string) bool {
	rest, ok := strings.CutPrefix(p.rest, s)
	p.rest = rest
	return ok
}

// merged wants what one of two wants.
func merged(a, b *Selection) *Selection {
	if a == nil || b == nil {
		return nil
	}
	out := &Selection{below: map[string]*Selection{}}
	for _, s := range []*Selection{a, b} {
		for name, below := range s.below {
			if old, there := out.below[name]; there {
				below = merged(old, below)
			}
			out.below[name] = below
		}
	}
	return out
}

// of returns what is wanted of a field, and whether anything is.
func (s *Selection) of(name string) (*Selection, bool) {
	below, ok := s.below[name]
	every, all := s.below["*"]
	switch {
	case ok && all:
		return merged(below, every), true
	case ok:
		return below, true
	}
	return every, all
}

// Apply appends to dst what is wanted of a JSON document. The zero selection, nil,
// wants all of it. Errors have kind Unavailable: the document is the target's.
func (s *Selection) Apply(dst, doc []byte) ([]byte, error) {
	if s == nil {
		return append(dst, doc...), nil
	}
	i := lex.Space(doc, 0)
	out, end := dst, -1
	if utf8.Valid(doc) {
		out, end = s.value(dst, doc, i, 0)
	}
	if end < 0 || lex.Space(doc, end) != len(doc) {
		return dst, sallyport.E(sallyport.Unavailable, "bigquery answer", "the target's answer is no JSON text")
	}
	return out, nil
}

// value appends what is wanted of the value at i, and returns the index behind
// it, or a negative one where it is malformed.
func (s *Selection) value(dst, b []byte, i, depth int) (out []byte, end int) {
	c := lex.At(b, i)
	if s == nil || c != '{' && c != '[' {
		end = lex.Value(b, i, depth)
		if end < 0 {
			return dst, -1
		}
		return append(dst, b[i:end]...), end
	}
	if depth++; depth > lex.MaxDepth {
		return dst, -1
	}
	closing := c + 2 // "}" for "{", "]" for "["
	dst = append(dst, c)
	first := true
	if i = lex.Space(b, i+1); lex.At(b, i) == closing {
		return append(dst, closing), i + 1
	}
	for {
		below, wanted := s, true
		if c == '{' {
			start := i
			nameEnd, escaped, value := lex.Key(b, i)
			if value < 0 {
				return dst, -1
			}
			name := b[start+1 : nameEnd-1]
			if escaped {
				name = lex.Unquote(nil, name)
			}
			if below, wanted = s.of(string(name)); wanted {
				if !first {
					dst = append(dst, ',')
				}
				dst = append(append(dst, b[start:nameEnd]...), ':')
				first = false
			}
			i = value
		} else if !first {
			dst = append(dst, ',')
		} else {
			first = false
		}
		if wanted {
			dst, i = below.value(dst, b, i, depth)
		} else {
			i = lex.Value(b, i, depth)
		}
		if i < 0 {
			return dst, -1
		}
		switch i = lex.Space(b, i); lex.At(b, i) {
		case ',':
			i = lex.Space(b, i+1)
		case closing:
			return append(dst, closing), i + 1
		default:
			return dst, -1
		}
	}
}
