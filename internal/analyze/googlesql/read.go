// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sqlc-dev/zetajones/ast"
	"github.com/sqlc-dev/zetajones/lexer"
	"github.com/sqlc-dev/zetajones/parser"
	"github.com/sqlc-dev/zetajones/token"

	"github.com/sallyport-dev/sallyport"
)

const op = "googlesql"

// Read reads a text. An error says that the text is not GoogleSQL, or exceeds a
// limit; it has a position but no word of the text. What is GoogleSQL and not
// understood is in the statements' Refused.
func Read(text string) (script *Script, err error) {
	if len(text) > MaxText {
		return nil, sallyport.E(sallyport.Exhausted, op, "the query is longer than "+strconv.Itoa(MaxText)+" bytes").WithHint("split the script, or move parts of it into views")
	}
	if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
		return nil, sallyport.E(sallyport.Invalid, op, "the query is not valid UTF-8").WithHint("send the query as UTF-8")
	}
	if legacy(text) {
		return nil, sallyport.E(sallyport.Denied, op, "legacy SQL is not understood").WithHint("write the query in GoogleSQL and drop the #legacySQL line")
	}
	if err := nesting(text); err != nil {
		return nil, err
	}
	// A fault of the grammar ends this text, not the gateway.
	defer func() {
		if recover() != nil {
			script, err = nil, sallyport.E(sallyport.Invalid, op, "the query cannot be read").WithHint("simplify the query")
		}
	}()
	tree, edits, err := parse(text)
	if err != nil {
		return nil, invalid(err, edits, text)
	}
	r := &reader{script: &Script{Text: text}, temps: map[string]bool{}, tempRoutines: map[string]bool{}}
	r.list(tree.Statements)
	if len(r.script.Statements) > MaxStatements {
		return nil, sallyport.E(sallyport.Exhausted, op, "the script has more than "+strconv.Itoa(MaxStatements)+" statements").WithHint("split the script")
	}
	for _, p := range r.script.Statements {
		p.Start, p.End = original(p.Start, edits), original(p.End, edits)
	}
	r.script.Multi = r.script.Multi || len(r.script.Statements) > 1
	return r.script, nil
}

// legacy reports whether a first line asks for legacy SQL.
func legacy(text string) bool {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.HasPrefix(strings.ToLower(strings.ReplaceAll(first, " ", "")), "#legacysql")
}

// invalid reduces an error of the grammar to its position.
func invalid(err error, edits []edit, text string) error {
	at := " somewhere"
	var p *parser.Error
	if errors.As(err, &p) {
		line, column := (&parser.Error{Offset: original(p.Offset, edits), SQL: text}).LineCol()
		at = " at line " + strconv.Itoa(line) + ", column " + strconv.Itoa(column)
	}
	return sallyport.E(sallyport.Invalid, op, "the query is not valid GoogleSQL, or not understood,"+at).WithHint("correct the syntax there, or write it another way")
}

// nesting refuses texts that would take the grammar deeper than it should go.
func nesting(text string) error {
	tokens, err := lexer.Lex(text)
	if err != nil {
		return sallyport.E(sallyport.Invalid, op, "the query is not valid GoogleSQL").WithHint("look for a literal or comment that is not closed")
	}
	depth, recursing := 0, 0
	for _, t := range tokens {
		switch t.Kind {
		case token.LPAREN, token.LBRACKET, token.LBRACE:
			depth++
		case token.RPAREN, token.RBRACKET, token.RBRACE:
			depth = max(0, depth-1)
		case token.MINUS, token.PLUS, token.TILDE, token.ARROW, token.LAMBDA, token.LT:
			// A run of these is a run of levels; most stand between operands.
			recursing++
		case token.IDENT, token.SCRIPT_LABEL:
			switch strings.ToUpper(t.Image) {
			case "NOT", "CASE", "BEGIN", "IF", "LOOP", "WHILE", "REPEAT", "FOR", "EXPLAIN", "ELSEIF":
				recursing++
			}
		}
		if depth > MaxNesting || recursing > maxRecursing {
			return sallyport.E(sallyport.Exhausted, op, "the query is nested too deeply").WithHint("use WITH, or split the script")
		}
	}
	return nil
}

// reader turns a syntax tree into statements.
type reader struct {
	script *Script
	depth  int
	// temps and tempRoutines are what the script itself created before.
	temps        map[string]bool
	tempRoutines map[string]bool
}

func (r *reader) list(l *ast.StatementList) {
	if l == nil {
		return
	}
	for _, s := range l.Statements {
		if len(r.script.Statements) > MaxStatements {
			return
		}
		r.statement(s)
	}
}

// add begins a statement of the script.
func (r *reader) add(kind string, n ast.Node, effects ...sallyport.Effect) *walk {
	p := &Parsed{Kind: kind, Start: n.Pos(), End: n.End(), Effects: effects}
	r.script.Statements = append(r.script.Statements, p)
	return &walk{r: r, p: p}
}

// done puts a statement's effects in order.
func (p *Parsed) done() {
	for _, t := range p.Tables {
		p.Effects = append(p.Effects, t.Effect)
	}
	for _, f := range p.Routines {
		p.Effects = append(p.Effects, f.Effect)
	}
	for _, s := range p.Schemas {
		p.Effects = append(p.Effects, s.Effect)
	}
	slices.Sort(p.Effects)
	p.Effects = slices.Compact(p.Effects)
	if len(p.Effects) == 0 {
		p.Effects = []sallyport.Effect{sallyport.Control}
	}
	if p.Refused != "" {
		p.Traceable = false
	}
}

// refuse keeps the first reason.
func (p *Parsed) refuse(why, hint string) {
	if p.Refused == "" {
		p.Refused, p.Hint = why, hint
	}
}
