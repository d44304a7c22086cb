// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql

import (
	"errors"
	"strings"

	"github.com/sqlc-dev/zetajones/ast"
	"github.com/sqlc-dev/zetajones/lexer"
	"github.com/sqlc-dev/zetajones/parser"
	"github.com/sqlc-dev/zetajones/token"
)

// maxEdits is the most places of one text that are written another way.
const maxEdits = 20

// edit is text put in at a byte offset.
type edit struct {
	at   int
	text string
}

// parse reads a text with the grammar. Two things that BigQuery takes and the
// grammar does not are written for it in a way that means the same: QUALIFY
// without WHERE, and the source of a MERGE with an alias. The edits say where, each
// in the text that those before it left.
func parse(text string) (*ast.Script, []edit, error) {
	options := parser.Options{Features: parser.ParseFeatureSet("MAXIMUM")}
	var edits []edit
	for {
		tree, err := parser.ParseScriptWithOptions(text, options)
		if err == nil {
			return tree, edits, nil
		}
		var at *parser.Error
		if !errors.As(err, &at) || len(edits) >= maxEdits || at.Offset < 0 || at.Offset > len(text) {
			return nil, edits, err
		}
		var next []edit
		switch {
		case strings.HasPrefix(at.Message, "QUALIFY clause must be used in conjunction"):
			next = []edit{{at.Offset, "WHERE TRUE "}}
		case strings.HasPrefix(at.Message, "Syntax error: Expected keyword ON but got"):
			next = mergeSource(text, at.Offset)
		}
		if next == nil {
			return nil, edits, err
		}
		for _, e := range next {
			text = text[:e.at] + e.text + text[e.at:]
		}
		edits = append(edits, next...)
	}
}

// mergeSource makes a subquery of the path between USING and its alias at offset.
func mergeSource(text string, offset int) []edit {
	tokens, err := lexer.Lex(text)
	if err != nil {
		return nil
	}
	i := 0
	for i < len(tokens) && tokens[i].Pos < offset {
		i++
	}
	for i--; i >= 0; i-- {
		switch t := tokens[i]; {
		case t.Kind == token.IDENT && strings.EqualFold(t.Image, "USING"):
			// The later place first: it does not move the earlier.
			return []edit{{offset, ") "}, {t.End, " (SELECT * FROM"}}
		case t.Kind == token.IDENT, t.Kind == token.QUOTED_IDENT, t.Kind == token.DOT, t.Kind == token.MINUS, t.Kind == token.INT:
		default:
			return nil
		}
	}
	return nil
}

// original is where a byte of the edited text stands in the text as it was sent.
func original(at int, edits []edit) int {
	for i := len(edits) - 1; i >= 0; i-- {
		if e := edits[i]; at > e.at {
			at = max(e.at, at-len(e.text))
		}
	}
	return at
}
