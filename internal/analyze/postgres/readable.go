// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"strings"
	"unicode/utf8"

	pgquery "github.com/pganalyze/pg_query_go/v6"
)

const (
	// unreadable stands for text that the lexer cannot take apart.
	unreadable = "<unreadable>"
	// maskedIdentifier stands for an identifier that looks like data.
	maskedIdentifier = "<identifier>"
	// maxReadable is the longest readable form in bytes.
	maxReadable = 16 << 10
)

// Readable returns a statement in which nothing is left that a client is likely
// to have typed as data: literals are "?", comments are gone, and identifiers
// that look like data (quoted and unusual, or with four digits in a row) are
// masked. Its place is in logs and in the ledger.
func Readable(text string) string {
	if len(text) > MaxText || !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
		return unreadable
	}
	scan, err := pgquery.Scan(text)
	if err != nil {
		return unreadable
	}
	var b strings.Builder
	last := 0
	for _, t := range scan.GetTokens() {
		start, end := int(t.GetStart()), int(t.GetEnd())
		if start < last || end > len(text) || start > end {
			return unreadable
		}
		part := ""
		switch t.GetToken() {
		case pgquery.Token_SQL_COMMENT, pgquery.Token_C_COMMENT:
			continue // last stays, so that a space is written
		case pgquery.Token_SCONST, pgquery.Token_USCONST, pgquery.Token_BCONST, pgquery.Token_XCONST,
			pgquery.Token_ICONST, pgquery.Token_FCONST:
			part = "?"
		case pgquery.Token_IDENT, pgquery.Token_UIDENT:
			part = readableIdentifier(text[start:end])
		default:
			// Operators, keywords and parameters; keywords are words of the grammar.
			part = text[start:end]
			if strings.ContainsAny(part, `'"`) || digits(part) >= 4 {
				part = "?"
			}
		}
		if b.Len() > 0 && start > last {
			b.WriteByte(' ')
		}
		if b.Len()+len(part) > maxReadable {
			b.WriteString(" ...")
			break
		}
		b.WriteString(part)
		last = end
	}
	return b.String()
}

// readableIdentifier returns name, or the mask where it may be data.
func readableIdentifier(name string) string {
	plain := name
	if strings.HasPrefix(plain, `"`) {
		plain = strings.TrimSuffix(plain[1:], `"`)
	}
	if plain == "" || len(plain) > 63 || digits(plain) >= 4 {
		return maskedIdentifier
	}
	for i := range len(plain) {
		c := plain[i]
		if !isWordStart(c) && (i == 0 || !isDigit(c) && c != '$') {
			return maskedIdentifier
		}
	}
	return name
}

// digits returns the length of the longest run of digits.
func digits(s string) (longest int) {
	run := 0
	for i := range len(s) {
		if isDigit(s[i]) {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}
