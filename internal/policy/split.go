// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"unicode/utf8"
)

// Limits on what is compiled. Cedar's parser and evaluator recurse, so the text
// and the nesting of one policy bound the stack.
const (
	maxFile     = 4 << 20  // bytes of one file
	maxText     = 64 << 10 // bytes of one policy
	maxNesting  = 100      // open brackets in one policy
	maxDots     = 200      // attribute accesses of one policy; "a has b.c.d" grows with their square
	maxPolicies = 100_000  // in one set
)

// segment is the text of one policy with its place in the file.
type segment struct {
	text         string
	line, column int // of its first token, from 1; column in characters
	nesting      int // the most brackets open at once
	dots         int // outside strings and comments
}

// split cuts a Cedar document after each ";" that stands outside a string or a
// comment, so that an error in one policy does not hide those of the next.
// A string that is not closed in its line is an error for Cedar; the policy is
// cut there too, so that it does not swallow the next one.
func split(text string) []segment {
	s := splitter{text: text, line: 1, column: 1, start: -1}
	for s.pos < len(s.text) {
		s.step()
	}
	if s.start >= 0 {
		s.cut(s.pos)
	}
	return s.out
}

// splitter is the state of split.
type splitter struct {
	text           string
	pos            int
	line, column   int
	start          int // offset of the segment's first token, -1 before it
	sLine, sColumn int
	depth, deepest int
	dots           int
	out            []segment
}

// step consumes white space, a comment, a string or one character.
func (s *splitter) step() {
	rest := s.text[s.pos:]
	switch c := rest[0]; {
	case strings.HasPrefix(rest, "//"):
		if end := strings.IndexByte(rest, '\n'); end >= 0 {
			s.advance(end)
		} else {
			s.advance(len(rest))
		}
	case strings.HasPrefix(rest, "/*"):
		if end := strings.Index(rest[2:], "*/"); end >= 0 {
			s.advance(end + 4)
		} else {
			s.begin() // the parser says that the comment is not closed
			s.advance(len(rest))
		}
	case c == ' ', c == '\t', c == '\r', c == '\n':
		s.advance(1)
	case c == '"':
		s.begin()
		end, closed := stringEnd(rest)
		s.advance(end)
		if !closed {
			s.cut(s.pos)
		}
	default:
		s.begin()
		switch c {
		case '(', '[', '{':
			s.depth++
			s.deepest = max(s.deepest, s.depth)
		case ')', ']', '}':
			s.depth--
		case '.':
			s.dots++
		}
		_, n := utf8.DecodeRuneInString(rest)
		s.advance(n)
		if c == ';' {
			s.cut(s.pos)
		}
	}
}

// stringEnd returns the length of the string literal that s begins with, and
// whether it is closed.
func stringEnd(s string) (n int, closed bool) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1, true
		case '\n':
			return i, false
		}
	}
	return len(s), false
}

func (s *splitter) begin() {
	if s.start < 0 {
		s.start, s.sLine, s.sColumn = s.pos, s.line, s.column
	}
}

func (s *splitter) cut(end int) {
	s.out = append(s.out, segment{text: s.text[s.start:end], line: s.sLine, column: s.sColumn, nesting: s.deepest, dots: s.dots})
	s.start, s.depth, s.deepest, s.dots = -1, 0, 0, 0
}

func (s *splitter) advance(n int) {
	n = min(n, len(s.text)-s.pos)
	for _, r := range s.text[s.pos : s.pos+n] {
		if r == '\n' {
			s.line++
			s.column = 1
		} else {
			s.column++
		}
	}
	s.pos += n
}
