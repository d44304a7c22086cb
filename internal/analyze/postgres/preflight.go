// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sallyport-dev/sallyport"
)

// PreflightText returns one statement with its constants made meaningless, for
// analysis on a connection other than the session's: strings become NULL, which
// has the same unknown type, and numbers others of the same type. Small integers
// stay, since ORDER BY 2 means a column. The result has the lineage of the
// original and is never executed.
//
// It fails (kind Invalid) for anything but a single statement, and where a
// constant is part of the syntax and cannot be replaced.
func PreflightText(text string) (string, error) {
	const op = "prepare analysis"
	if _, err := Gate(text); err != nil { // its limits hold here too
		return "", err
	}
	tree, err := pgquery.Parse(text)
	if err != nil || len(tree.GetStmts()) != 1 {
		return "", sallyport.E(sallyport.Invalid, op, "not a single statement")
	}
	if !neutralise(tree.GetStmts()[0].ProtoReflect()) {
		return "", sallyport.E(sallyport.Invalid, op, "a constant of the statement cannot be replaced")
	}
	out, err := pgquery.Deparse(tree)
	if err != nil {
		return "", sallyport.E(sallyport.Invalid, op, "the statement cannot be written anew")
	}
	return out, nil
}

// neutralise replaces the constants under m and reports whether it could.
func neutralise(m protoreflect.Message) bool {
	switch n := m.Interface().(type) {
	case *pgquery.Node:
		inner := content(m)
		return inner == nil || neutralise(inner)
	case *pgquery.A_Const:
		neutral(n)
		return true
	case *pgquery.TypeName:
		return true // varchar(20): the numbers belong to the type
	case *pgquery.JsonTablePathSpec:
		return false // the path must be a literal
	case *pgquery.FuncCall:
		switch name := stringList(n.GetFuncname()); {
		case len(name) == 2 && name[0] == "pg_catalog" && name[1] == "extract" && len(n.GetArgs()) == 2:
			// EXTRACT(year FROM x): the field is printed as a keyword.
			return fieldWord(n.GetArgs()[0]) && neutralise(n.GetArgs()[1].ProtoReflect())
		case len(name) == 2 && name[0] == "pg_catalog" && (name[1] == "normalize" || name[1] == "is_normalized") && len(n.GetArgs()) == 2:
			return fieldWord(n.GetArgs()[1]) && neutralise(n.GetArgs()[0].ProtoReflect())
		}
	}
	ok := true
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.Kind() != protoreflect.MessageKind || !m.Has(f) {
			continue
		}
		if !f.IsList() {
			ok = ok && neutralise(m.Mutable(f).Message())
			continue
		}
		l := m.Mutable(f).List()
		for j := range l.Len() {
			ok = ok && neutralise(l.Get(j).Message())
		}
	}
	return ok
}

// fieldWord reports whether a constant is a plain short word.
func fieldWord(n *pgquery.Node) bool {
	s := n.GetAConst().GetSval().GetSval()
	if s == "" || len(s) > 20 {
		return false
	}
	for i := range len(s) {
		if !isWordStart(s[i]) {
			return false
		}
	}
	return true
}

func neutral(c *pgquery.A_Const) {
	switch v := c.GetVal().(type) {
	case *pgquery.A_Const_Sval:
		c.Val, c.Isnull = nil, true
	case *pgquery.A_Const_Ival:
		if v.Ival.GetIval() >= keptInteger {
			v.Ival.Ival = keptInteger
		}
	case *pgquery.A_Const_Fval:
		if class := appendInteger(nil, []byte(v.Fval.GetFval())); plainDigits(v.Fval.GetFval()) && class[len(class)-1] == 'l' {
			v.Fval.Fval = "2147483648" // the smallest that is int8
		} else {
			v.Fval.Fval = "0.5"
		}
	case *pgquery.A_Const_Bsval:
		if s := v.Bsval.GetBsval(); s != "" && (s[0] == 'x' || s[0] == 'X') {
			v.Bsval.Bsval = "x0"
		} else {
			v.Bsval.Bsval = "b0"
		}
	}
}

func plainDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}
