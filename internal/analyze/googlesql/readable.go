// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql

import (
	"strings"
	"unicode/utf8"

	"github.com/sqlc-dev/zetajones/lexer"
	"github.com/sqlc-dev/zetajones/token"
)

const (
	// unreadable stands for text that the lexer cannot take apart.
	unreadable = "<unreadable>"
	// maskedIdentifier stands for an identifier that looks like data.
	maskedIdentifier = "<identifier>"
	// maxReadable is the longest readable form in bytes.
	maxReadable = 16 << 10
	// maxIdentifier is the longest identifier that is shown.
	maxIdentifier = 128
)

// Readable returns a text in which nothing is left that a client is likely to have
// typed as data: literals are "?", comments are gone, and identifiers that look
// like data (with unusual characters, or four digits in a row) are masked. Its
// place is in logs and in the ledger.
func Readable(text string) string {
	if len(text) > MaxText || !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
		return unreadable
	}
	tokens, err := lexer.Lex(text)
	if err != nil {
		return unreadable
	}
	var b strings.Builder
	last := 0
	for _, t := range tokens {
		if t.Kind == token.EOF {
			break
		}
		part := readableToken(t)
		if b.Len() > 0 && t.Pos > last {
			b.WriteByte(' ')
		}
		if b.Len()+len(part) > maxReadable {
			b.WriteString(" ...")
			break
		}
		b.WriteString(part)
		last = t.End
	}
	return b.String()
}

func readableToken(t token.Token) string {
	switch t.Kind {
	case token.INT, token.FLOAT, token.STRING, token.BYTES:
		return "?"
	case token.IDENT, token.QUOTED_IDENT, token.PARAM, token.SYSTEM_VARIABLE, token.SCRIPT_LABEL, token.MACRO_INVOCATION:
		return readableIdentifier(t.Image)
	}
	if strings.ContainsAny(t.Image, "'\"`") || digits(t.Image) > 0 {
		return "?"
	}
	return t.Image
}

// readableIdentifier returns name, or the mask where it may be data.
func readableIdentifier(name string) string {
	plain := strings.TrimLeft(name, "@$")
	if strings.HasPrefix(plain, "`") {
		plain = strings.TrimSuffix(plain[1:], "`")
	}
	if plain == "" || len(plain) > maxIdentifier || digits(plain) >= 4 {
		return maskedIdentifier
	}
	for i := range len(plain) {
		switch c := plain[i]; {
		case c == '_', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		case i > 0 && (c >= '0' && c <= '9' || c == '.' || c == '-' || c == '*' || c == ':'):
		default:
			return maskedIdentifier
		}
	}
	return name
}

// digits returns the length of the longest run of digits.
func digits(s string) (longest int) {
	run := 0
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}
