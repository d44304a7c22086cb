// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sqlc-dev/zetajones/ast"
	"github.com/sqlc-dev/zetajones/lexer"
	"github.com/sqlc-dev/zetajones/parser"

	"github.com/sallyport-dev/sallyport"
)

// MaxExpression is the longest expression in bytes; BigQuery's own limit for the
// restriction of rows is the same.
const MaxExpression = 1 << 20

// Expression checks that a text is one expression from its first byte to its last,
// so that it means the same wherever it is put in brackets. It refuses comments,
// which could end brackets, and queries within the expression.
func Expression(text string) (err error) {
	bad := func(msg, hint string) error { return sallyport.E(sallyport.Invalid, op, msg).WithHint(hint) }
	if len(text) > MaxExpression {
		return sallyport.E(sallyport.Exhausted, op, "the expression is longer than "+strconv.Itoa(MaxExpression)+" bytes").WithHint("write a shorter one, or a query")
	}
	if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
		return bad("the expression is not valid UTF-8", "send it as UTF-8")
	}
	if err := nesting(text); err != nil {
		return err
	}
	defer func() { // as in Read
		if recover() != nil {
			err = bad("the expression cannot be read", "simplify it")
		}
	}()
	tokens, err := lexer.Lex(text)
	if err != nil {
		return bad("the expression is not valid GoogleSQL", "look for a literal that is not closed")
	}
	end := 0
	for _, t := range tokens {
		if t.Pos < end || t.End > len(text) || strings.Trim(text[end:t.Pos], " \t\r\n") != "" {
			return bad("there is something between the words of the expression", "leave comments out")
		}
		end = t.End
	}
	if strings.Trim(text[end:], " \t\r\n") != "" {
		return bad("there is something behind the words of the expression", "leave comments out")
	}
	tree, err := parser.ParseExpressionWithOptions(text, parser.Options{Features: parser.ParseFeatureSet("MAXIMUM")})
	if err != nil {
		return bad("the text is not one expression in GoogleSQL, or not understood", "write one condition, as in a WHERE, without the word")
	}
	if queries(tree, 0) {
		return bad("the expression has a query in it, or is nested too deeply", "write a condition on the columns of the table, or send a query")
	}
	return nil
}

// queries reports whether there is a query in an expression.
func queries(n ast.Node, depth int) bool {
	if isNil(n) {
		return false
	}
	if depth > maxTree {
		return true
	}
	switch n.(type) {
	case *ast.Query, *ast.ExpressionSubquery, *ast.Select:
		return true
	}
	for _, c := range n.Children() {
		if queries(c, depth+1) {
			return true
		}
	}
	return false
}
