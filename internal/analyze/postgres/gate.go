// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"slices"
	"strings"
	"unicode/utf8"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/sallyport-dev/sallyport"
)

const (
	// MaxText is the longest text in bytes that the gate reads.
	MaxText = 1 << 20
	// maxStatements bounds how many statements one message may hold.
	maxStatements = 10_000
	// maxNesting bounds how deep an expression may nest. The grammar and its
	// printers are recursive C: without a bound a long chain of operators
	// overflows the thread's stack and ends the process. They were seen to fail
	// from 20,000 levels up with an 8 MiB stack; this leaves room for 2 MiB.
	maxNesting = 4000
	// shortText is the length up to which no text can nest deeper than
	// maxNesting, since every level takes at least two bytes.
	shortText = 2 * maxNesting
)

// Gate splits the text of a Query or Parse message into statements and says of
// each what it does, by PostgreSQL's own grammar. It resolves no name.
//
// An error means that nothing of the text may be forwarded; it is of kind
// Invalid (not readable by the grammar) or Exhausted (too large). A single
// statement that may not pass is no error, but has Refused set.
func Gate(text string) (*Script, error) {
	const op = "read statement"
	if len(text) > MaxText {
		return nil, sallyport.E(sallyport.Exhausted, op, "the statement is larger than the gateway reads").
			WithHint("send bulk data with COPY ... FROM STDIN or bound parameters")
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, sallyport.E(sallyport.Invalid, op, "the statement is not valid UTF-8 text")
	}
	if len(text) > shortText {
		if err := checkNesting(text); err != nil {
			return nil, err
		}
	}
	tree, err := pgquery.Parse(text)
	if err != nil {
		// The grammar's message quotes the text, which may hold values.
		return nil, sallyport.E(sallyport.Invalid, op, "syntax error: PostgreSQL's grammar cannot read the statement").
			WithHint("the gateway reads the grammar of PostgreSQL 17")
	}
	if len(tree.GetStmts()) > maxStatements {
		return nil, sallyport.E(sallyport.Exhausted, op, "the message holds too many statements")
	}
	s := &Script{}
	for _, raw := range tree.GetStmts() {
		start, end := span(text, int(raw.GetStmtLocation()), int(raw.GetStmtLen()))
		if start < 0 {
			return nil, sallyport.E(sallyport.Internal, op, "a statement lies outside its text")
		}
		s.Statements = append(s.Statements, gateOne(raw.GetStmt(), tree.GetVersion(), text[start:end], start))
	}
	return s, nil
}

// span turns the grammar's location and length (0 = to the end) into byte
// offsets, or returns -1 when they do not lie in text.
func span(text string, at, length int) (start, end int) {
	end = at + length
	if length == 0 {
		end = len(text)
	}
	if at < 0 || end < at || end > len(text) {
		return -1, -1
	}
	for at < end && strings.IndexByte(" \t\r\n\f\v", text[at]) >= 0 {
		at++
	}
	for end > at && strings.IndexByte(" \t\r\n\f\v;", text[end-1]) >= 0 {
		end--
	}
	return at, end
}

// gateOne classifies one statement.
func gateOne(stmt *pgquery.Node, version int32, text string, start int) *Gated {
	w := &walker{g: &Gated{Text: text, Start: start, End: start + len(text)}, version: version, functions: map[FuncName]bool{}}
	w.statement(stmt)
	w.finish()
	return w.g
}

// finish brings the lists into their published order.
func (w *walker) finish() {
	g := w.g
	slices.Sort(g.Effects)
	g.Effects = slices.Compact(g.Effects)
	if g.Class == "" {
		g.Class = "unknown"
	}
	if len(g.Effects) == 0 && g.Refused == "" {
		w.refuse("the gateway does not know what this statement does", "")
	}
}

// checkNesting refuses text whose tree would be deeper than maxNesting. It uses
// PostgreSQL's own lexer, so that nothing can hide in a string or comment.
func checkNesting(text string) error {
	const op = "read statement"
	scan, err := pgquery.Scan(text)
	if err != nil {
		return sallyport.E(sallyport.Invalid, op, "syntax error: PostgreSQL's lexer cannot read the statement")
	}
	deep := sallyport.E(sallyport.Exhausted, op, "the statement nests too deep").
		WithHint("use IN lists, arrays or bound parameters instead of long chains of operators")
	stack := []nesting{{}}
	for _, t := range scan.GetTokens() {
		top := &stack[len(stack)-1]
		switch t.GetToken() {
		case pgquery.Token_ASCII_40, pgquery.Token_ASCII_91: // ( [
			stack = append(stack, nesting{})
			if len(stack) > maxNesting {
				return deep
			}
		case pgquery.Token_ASCII_41, pgquery.Token_ASCII_93: // ) ]
			if len(stack) > 1 {
				inner := top.depth()
				stack = stack[:len(stack)-1]
				top = &stack[len(stack)-1]
				top.carry = max(top.carry, inner)
			}
		case pgquery.Token_ASCII_59: // ;
			stack = append(stack[:0], nesting{})
		case pgquery.Token_ASCII_44, pgquery.Token_AND, pgquery.Token_OR: // , AND OR make flat lists
			top.restart()
		case pgquery.Token_IDENT, pgquery.Token_SCONST, pgquery.Token_ICONST, pgquery.Token_FCONST,
			pgquery.Token_BCONST, pgquery.Token_XCONST, pgquery.Token_PARAM, pgquery.Token_ASCII_46,
			pgquery.Token_SQL_COMMENT, pgquery.Token_C_COMMENT:
		case pgquery.Token_JOIN, pgquery.Token_UNION, pgquery.Token_INTERSECT, pgquery.Token_EXCEPT, pgquery.Token_CASE:
			top.fixed++
		default:
			top.chain++
		}
		if stack[len(stack)-1].depth() > maxNesting {
			return deep
		}
	}
	return nil
}

// nesting bounds from above how deep a tree one bracket level makes.
type nesting struct {
	best  int // the deepest of the list items that have ended
	carry int // the deepest bracket inside the current item
	chain int // tokens of the current item that can each add a level
	fixed int // tokens that add a level across list items, such as UNION
}

func (n *nesting) depth() int { return 1 + n.fixed + max(n.best, n.carry+n.chain) }

func (n *nesting) restart() {
	n.best = max(n.best, n.carry+n.chain)
	n.carry, n.chain = 0, 0
}
