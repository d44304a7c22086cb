// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql

import (
	"strings"

	"github.com/sqlc-dev/zetajones/ast"

	"github.com/sallyport-dev/sallyport"
)

// statement reads one statement of a script, and those that it holds.
func (r *reader) statement(n ast.Node) {
	var w *walk
	switch n := n.(type) {
	case *ast.HintedStatement:
		r.statement(n.Statement)
		return
	case *ast.QueryStatement:
		w = r.add("SELECT", n)
		w.p.Rows, w.p.Traceable = true, true
		w.query(n.Query, nil)
	case *ast.InsertStatement, *ast.UpdateStatement, *ast.DeleteStatement, *ast.MergeStatement, *ast.TruncateStatement:
		w = r.change(n)
	case *ast.CreateTableStatement, *ast.CreateViewStatement, *ast.CreateExternalTableStatement, *ast.CreateSchemaStatement,
		*ast.CreateFunctionStatement, *ast.CreateTableFunctionStatement, *ast.CreateProcedureStatement, *ast.CreateModelStatement,
		*ast.CreateIndexStatement, *ast.CreateRowAccessPolicyStatement:
		w = r.create(n)
	case *ast.DropStatement, *ast.DropIndexStatement, *ast.DropRowAccessPolicyStatement, *ast.DropAllRowAccessPoliciesStatement,
		*ast.AlterStatement:
		w = r.alter(n)
	case *ast.ExportDataStatement:
		w = r.add("EXPORT_DATA", n, sallyport.Write)
		w.p.Traceable = true
		w.node(n.WithConnection, nil)
		w.node(n.Options, nil)
		w.query(n.Query, nil)
	case *ast.ExportModelStatement:
		w = r.add("EXPORT_MODEL", n, sallyport.Write)
		w.routine(Routine{Parts: parts(n.Name), Effect: sallyport.Execute, Table: true})
		w.node(n.WithConnection, nil)
	case *ast.AssertStatement:
		w = r.add("ASSERT", n)
		w.p.Traceable = true
		w.node(n.Expression, (*scope)(nil).inner())
	case *ast.GrantStatement:
		w = r.rights("GRANT", n, n.ObjectTypes, n.Path)
	case *ast.RevokeStatement:
		w = r.rights("REVOKE", n, n.ObjectTypes, n.Path)
	case *ast.CallStatement:
		w = r.add("CALL", n, sallyport.Execute)
		r.script.Multi = true
		w.p.Rows = true
		w.routine(Routine{Parts: parts(n.Procedure), Effect: sallyport.Execute})
		for _, a := range n.Args {
			w.node(a, (*scope)(nil).inner())
		}
	case *ast.BeginStatement:
		w = r.add("BEGIN_TRANSACTION", n, sallyport.Control)
	case *ast.CommitStatement:
		w = r.add("COMMIT_TRANSACTION", n, sallyport.Control)
	case *ast.RollbackStatement:
		w = r.add("ROLLBACK_TRANSACTION", n, sallyport.Control)
	default:
		w = r.scripting(n)
	}
	if w != nil {
		w.p.done()
	}
}

// scripting reads the statements that only scripts have.
func (r *reader) scripting(n ast.Node) *walk {
	r.script.Multi = true
	top := (*scope)(nil).inner()
	switch n := n.(type) {
	case *ast.VariableDeclaration:
		w := r.add("DECLARE", n)
		for _, v := range n.Variables.Identifiers {
			w.p.Variables = append(w.p.Variables, v.Name)
		}
		w.node(n.DefaultValue, top)
		return w
	case *ast.SingleAssignment:
		w := r.add("SET", n)
		w.p.Variables = append(w.p.Variables, n.Variable.Name)
		w.node(n.Value, top)
		return w
	case *ast.AssignmentFromStruct:
		w := r.add("SET", n)
		for _, v := range n.Variables.Identifiers {
			w.p.Variables = append(w.p.Variables, v.Name)
		}
		w.node(n.Value, top)
		return w
	case *ast.SystemVariableAssignment:
		w := r.add("SET", n)
		name := strings.ToLower(strings.Join(parts(n.SystemVariable.Path), "."))
		w.p.Variables = append(w.p.Variables, "@@"+name)
		switch name {
		case "query_label", "time_zone":
		default:
			w.p.refuse("setting this system variable is not understood", "set @@query_label or @@time_zone; write dataset names in full")
		}
		w.node(n.Value, top)
		return w
	case *ast.ExecuteImmediateStatement:
		return r.dynamic(n)
	case *ast.RaiseStatement:
		w := r.add("RAISE", n)
		w.node(n.Message, top)
		return w
	case *ast.ReturnStatement:
		return r.add("RETURN", n)
	case *ast.BreakStatement:
		return r.add("BREAK", n)
	case *ast.ContinueStatement:
		return r.add("CONTINUE", n)
	}
	return r.block(n, top)
}

// block reads the statements that hold others. A script of blocks nests as deeply
// as its words say, which nesting has limited.
func (r *reader) block(n ast.Node, top *scope) *walk {
	switch n := n.(type) {
	case *ast.BeginEndBlock:
		r.add("BEGIN_END", n).p.done()
		r.list(n.Statements)
		if n.Handlers != nil {
			for _, h := range n.Handlers.Handlers {
				r.list(h.Body)
			}
		}
		return nil
	case *ast.IfStatement:
		w := r.add("IF", n)
		w.node(n.Condition, top)
		if n.ElseifClauses != nil {
			for _, c := range n.ElseifClauses.Clauses {
				w.node(c.Condition, top)
			}
		}
		w.p.done()
		r.list(n.ThenList)
		if n.ElseifClauses != nil {
			for _, c := range n.ElseifClauses.Clauses {
				r.list(c.Body)
			}
		}
		r.list(n.ElseList)
		return nil
	case *ast.WhileStatement:
		w := r.add("WHILE", n)
		w.node(n.Condition, top)
		w.p.done()
		r.list(n.Body)
		return nil
	case *ast.RepeatStatement:
		w := r.add("REPEAT", n)
		if n.Until != nil {
			w.node(n.Until.Condition, top)
		}
		w.p.done()
		r.list(n.Body)
		return nil
	case *ast.ForInStatement:
		w := r.add("FOR_IN", n)
		w.p.Variables = append(w.p.Variables, n.Variable.Name)
		w.query(n.Query, nil)
		w.p.done()
		r.list(n.Body)
		return nil
	}
	w := r.add("UNKNOWN", n)
	w.p.refuse("a statement is not understood ("+nameOf(n)+")", "write the query without it")
	return w
}

// dynamic reads EXECUTE IMMEDIATE. What is executed must be written there.
func (r *reader) dynamic(n *ast.ExecuteImmediateStatement) *walk {
	w := r.add("EXECUTE_IMMEDIATE", n, sallyport.Execute)
	w.p.Rows = n.Into == nil
	text, ok := plainString(n.Sql)
	if !ok {
		w.p.refuse("a text that is only known when it runs cannot be decided", "write the statement itself, or EXECUTE IMMEDIATE with one plain string")
		return w
	}
	if n.Using != nil {
		for _, a := range n.Using.Arguments {
			w.node(a.Expr, (*scope)(nil).inner())
		}
	}
	if r.depth++; r.depth > 1 {
		w.p.refuse("a text inside a text is not understood", "write the statement itself")
		return w
	}
	defer func() { r.depth-- }()
	inner, err := Read(text)
	if err != nil || len(inner.Statements) != 1 || inner.Statements[0].Refused != "" || inner.Statements[0].Kind == w.p.Kind {
		w.p.refuse("the text inside EXECUTE IMMEDIATE is not understood", "write the statement itself")
		return w
	}
	s := inner.Statements[0]
	w.p.Tables = append(w.p.Tables, s.Tables...)
	w.p.Routines = append(w.p.Routines, s.Routines...)
	w.p.Schemas = append(w.p.Schemas, s.Schemas...)
	w.p.Effects = append(w.p.Effects, s.Effects...)
	return w
}

// plainString returns the value of a string literal without escapes.
func plainString(n ast.Node) (string, bool) {
	lit, ok := n.(*ast.StringLiteral)
	if !ok || len(lit.Components) != 1 {
		return "", false
	}
	s := lit.Components[0].Image
	for _, quote := range []string{`"""`, `'''`, `"`, `'`} {
		if len(s) >= 2*len(quote) && strings.HasPrefix(s, quote) && strings.HasSuffix(s, quote) {
			s = s[len(quote) : len(s)-len(quote)]
			return s, !strings.Contains(s, `\`)
		}
	}
	return "", false
}
