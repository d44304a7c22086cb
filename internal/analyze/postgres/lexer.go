// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

// tokenKind is what the small lexer tells apart.
type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenString           // '...' without any backslash
	tokenInt              // digits
	tokenFloat            // digits with a point or an exponent
	tokenWord             // keyword or plain identifier
	tokenQuoted           // "..."
	tokenParam            // $1
	tokenOther            // operator or punctuation, one byte or more
	tokenBad              // outside what this lexer reads
)

// lexer reads text that PostgreSQL's lexer reads the same way under any of its
// settings: without backslashes, comments, dollar quotes, prefixed strings,
// adjacent strings or bytes beyond ASCII outside of strings. Everything else is
// tokenBad, and the caller falls back to the whole text or to libpg_query.
type lexer struct {
	s []byte
	i int
	// after is true when the last token was a string: a string that follows on
	// another line would continue it.
	after bool
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWordStart(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }

// next returns the next token and its bytes, and whether white space stood
// before it.
func (l *lexer) next() (kind tokenKind, text []byte, blank bool) {
	for l.i < len(l.s) && isBlank(l.s[l.i]) {
		l.i++
		blank = true
	}
	if l.i == len(l.s) {
		return tokenEnd, nil, blank
	}
	start := l.i
	after := l.after
	l.after = false
	switch c := l.s[l.i]; {
	case c == '\'':
		if after || !l.quoted('\'') {
			return tokenBad, nil, blank
		}
		l.after = true
		kind = tokenString
	case c == '"':
		if !l.quoted('"') {
			return tokenBad, nil, blank
		}
		kind = tokenQuoted
	case isDigit(c) || c == '.' && l.i+1 < len(l.s) && isDigit(l.s[l.i+1]):
		kind = l.number()
	case isWordStart(c):
		kind = l.word()
	case c == '$':
		kind = l.param()
	default:
		kind = l.operator()
	}
	return kind, l.s[start:l.i], blank
}

// quoted moves past a string or quoted identifier; a doubled quote is part of it.
func (l *lexer) quoted(q byte) bool {
	for l.i++; l.i < len(l.s); l.i++ {
		switch c := l.s[l.i]; {
		case c == '\\' || c == 0:
			return false
		case c >= 0x80 && q == '"':
			return false
		case c != q:
		case l.i+1 < len(l.s) && l.s[l.i+1] == q:
			l.i++
		default:
			l.i++
			// A quote at once after a string would be another token to some lexers.
			return true
		}
	}
	return false
}

// number reads an integer or decimal; what touches it (letters, underscores,
// another point) is not read, since releases differ there.
func (l *lexer) number() tokenKind {
	kind := tokenInt
	if l.s[l.i] == '0' && l.i+1 < len(l.s) && !isDigit(l.s[l.i+1]) && isWordStart(l.s[l.i+1]) {
		return tokenBad // 0x, 0o, 0b
	}
	for l.i < len(l.s) && isDigit(l.s[l.i]) {
		l.i++
	}
	if l.i < len(l.s) && l.s[l.i] == '.' {
		if l.i+1 < len(l.s) && l.s[l.i+1] == '.' {
			return tokenBad
		}
		kind = tokenFloat
		for l.i++; l.i < len(l.s) && isDigit(l.s[l.i]); l.i++ {
		}
	}
	if l.i < len(l.s) && (l.s[l.i] == 'e' || l.s[l.i] == 'E') {
		kind = tokenFloat
		l.i++
		if l.i < len(l.s) && (l.s[l.i] == '+' || l.s[l.i] == '-') {
			l.i++
		}
		if l.i == len(l.s) || !isDigit(l.s[l.i]) {
			return tokenBad
		}
		for l.i < len(l.s) && isDigit(l.s[l.i]) {
			l.i++
		}
	}
	if l.i < len(l.s) {
		if c := l.s[l.i]; isWordStart(c) || c == '.' || c == '$' || c >= 0x80 {
			return tokenBad
		}
	}
	return kind
}

func (l *lexer) word() tokenKind {
	start := l.i
	for l.i < len(l.s) && (isWordStart(l.s[l.i]) || isDigit(l.s[l.i]) || l.s[l.i] == '$') {
		l.i++
	}
	if l.i < len(l.s) {
		switch c := l.s[l.i]; {
		case c >= 0x80:
			return tokenBad
		case c == '\'' && prefix(l.s[start:l.i]):
			return tokenBad // E'', B'', X'', N''
		case c == '&' && l.i-start == 1 && (l.s[start] == 'u' || l.s[start] == 'U'):
			return tokenBad // U&''
		}
	}
	return tokenWord
}

func prefix(word []byte) bool {
	if len(word) != 1 {
		return false
	}
	switch word[0] | 0x20 {
	case 'e', 'b', 'x', 'n':
		return true
	}
	return false
}

func (l *lexer) param() tokenKind {
	start := l.i
	for l.i++; l.i < len(l.s) && isDigit(l.s[l.i]); l.i++ {
	}
	if l.i == start+1 || l.i-start > 6 || l.i < len(l.s) && (isWordStart(l.s[l.i]) || l.s[l.i] == '$' || l.s[l.i] >= 0x80) {
		return tokenBad
	}
	return tokenParam
}

func isOperator(c byte) bool {
	switch c {
	case '~', '!', '@', '#', '^', '&', '|', '`', '?', '+', '-', '*', '/', '%', '<', '>', '=':
		return true
	}
	return false
}

// operator reads punctuation, one byte at a time but for ::, and runs of
// operator characters, whose split is the same for equal text.
func (l *lexer) operator() tokenKind {
	c := l.s[l.i]
	switch c {
	case '.':
		if l.i+1 < len(l.s) && l.s[l.i+1] == '.' {
			return tokenBad // one token of PL/pgSQL's, after which digits are an integer
		}
		l.i++
		return tokenOther
	case '(', ')', ',', ';', '[', ']':
		l.i++
		return tokenOther
	case ':':
		if l.i+1 < len(l.s) && l.s[l.i+1] == ':' {
			l.i += 2
			return tokenOther
		}
		return tokenBad
	}
	if !isOperator(c) {
		return tokenBad
	}
	for l.i < len(l.s) && isOperator(l.s[l.i]) {
		if l.i+1 < len(l.s) && (l.s[l.i] == '-' && l.s[l.i+1] == '-' || l.s[l.i] == '/' && l.s[l.i+1] == '*') {
			return tokenBad // a comment
		}
		l.i++
	}
	return tokenOther
}
