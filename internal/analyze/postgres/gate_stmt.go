// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sallyport-dev/sallyport"
)

// statement classifies the top node of a statement. The groups are tried in
// turn; what none of them knows is refused.
func (w *walker) statement(n *pgquery.Node) {
	if w.planned(n) || w.holder(n) || w.session(n) || w.define(n) || w.alter(n) || w.administer(n) || w.never(n) {
		return
	}
	w.refuse("the gateway does not know this kind of statement", "")
}

// planned handles the statements that have a rewritten tree of their own.
func (w *walker) planned(n *pgquery.Node) bool {
	g := w.g
	switch s := n.GetNode().(type) {
	case *pgquery.Node_SelectStmt:
		if into := intoClause(s.SelectStmt); into != nil {
			w.selectInto(s.SelectStmt, into)
			return true
		}
		g.Class = "select"
		w.effect(sallyport.Read)
	case *pgquery.Node_InsertStmt:
		g.Class = "insert"
	case *pgquery.Node_UpdateStmt:
		g.Class = "update"
	case *pgquery.Node_DeleteStmt:
		g.Class = "delete"
	case *pgquery.Node_MergeStmt:
		g.Class = "merge"
	default:
		return false
	}
	g.Answer, g.NeedsTree = AnswerTree, true
	w.walk(n.ProtoReflect(), nil)
	return true
}

// intoClause finds the INTO of a SELECT, which the grammar hangs on the
// leftmost arm of a set operation.
func intoClause(s *pgquery.SelectStmt) *pgquery.IntoClause {
	for ; s != nil; s = s.GetLarg() {
		if into := s.GetIntoClause(); into != nil {
			return into
		}
	}
	return nil
}

func dropInto(s *pgquery.SelectStmt) {
	for ; s != nil; s = s.GetLarg() {
		s.IntoClause = nil
	}
}

func (w *walker) selectInto(s *pgquery.SelectStmt, into *pgquery.IntoClause) {
	g := w.g
	g.Class, g.Utility, g.NeedsTree, g.Answer = "select into", true, true, AnswerNone
	target := w.created(into.GetRel(), "table")
	dropInto(s)
	query, ok := w.deparse(&pgquery.Node{Node: &pgquery.Node_SelectStmt{SelectStmt: s}})
	if !ok {
		return
	}
	w.inner(InnerInto, query)
	if g.Inner != nil {
		g.Inner.Target = target
	}
}

// created records a relation that the statement makes.
func (w *walker) created(r *pgquery.RangeVar, kind string) *Named {
	if r == nil {
		w.refuse("the gateway cannot read the name of what is created", "")
		return nil
	}
	schema := r.GetSchemaname()
	if schema == "" && r.GetRelpersistence() == "t" {
		schema = "pg_temp"
	}
	n := Named{Catalog: r.GetCatalogname(), Schema: schema, Name: r.GetRelname(), Kind: kind, Effect: sallyport.Define, New: true}
	w.object(n)
	return &n
}

// deparse prints a statement from its nodes. The text is read again and must
// give the same tree: what is analysed is what the server will run.
func (w *walker) deparse(n *pgquery.Node) (string, bool) {
	text, err := pgquery.Deparse(&pgquery.ParseResult{Version: w.version, Stmts: []*pgquery.RawStmt{{Stmt: n}}})
	if err == nil {
		var again *pgquery.ParseResult
		if again, err = pgquery.Parse(text); err == nil && len(again.GetStmts()) == 1 {
			stripLocations(n.ProtoReflect())
			stripLocations(again.GetStmts()[0].GetStmt().ProtoReflect())
			if proto.Equal(n, again.GetStmts()[0].GetStmt()) {
				return text, true
			}
		}
	}
	w.refuse("the gateway cannot take the inner query apart", "run the inner query by itself")
	return "", false
}

// stripLocations clears the positions in the text.
func stripLocations(m protoreflect.Message) {
	if _, ok := m.Interface().(*pgquery.Node); ok {
		if inner := content(m); inner != nil {
			stripLocations(inner)
		}
		return
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Name() == "location" || f.Name() == "arg_location":
			m.Clear(f)
		case f.Kind() != protoreflect.MessageKind:
		case f.IsList():
			for i := range v.List().Len() {
				stripLocations(v.List().Get(i).Message())
			}
		default:
			stripLocations(v.Message())
		}
		return true
	})
}

// inner gates the query inside another statement and takes over its effects,
// objects and functions.
func (w *walker) inner(kind InnerKind, query string) {
	script, err := Gate(query)
	if err != nil || len(script.Statements) != 1 {
		w.refuse("the gateway cannot take the inner query apart", "run the inner query by itself")
		return
	}
	in := script.Statements[0]
	w.g.Inner = &Inner{Kind: kind, Query: query, Gate: in}
	if in.Refused != "" {
		w.refuse(in.Refused, in.Hint)
		return
	}
	w.effect(in.Effects...)
	w.g.Objects = append(w.g.Objects, in.Objects...)
	for _, f := range in.Functions {
		w.function(f)
	}
	w.g.Locks = w.g.Locks || in.Locks
	w.g.Params = max(w.g.Params, in.Params)
}

// holder handles the utility statements that hold a query.
func (w *walker) holder(n *pgquery.Node) bool {
	g := w.g
	switch s := n.GetNode().(type) {
	case *pgquery.Node_ExplainStmt:
		w.explain(s.ExplainStmt)
	case *pgquery.Node_CreateTableAsStmt:
		w.createTableAs(s.CreateTableAsStmt)
	case *pgquery.Node_ViewStmt:
		w.view(s.ViewStmt)
	case *pgquery.Node_DeclareCursorStmt:
		g.Class, g.Answer, g.NeedsTree, g.Cursor = "declare cursor", AnswerNone, true, s.DeclareCursorStmt.GetPortalname()
		if query, ok := w.deparse(s.DeclareCursorStmt.GetQuery()); ok {
			w.inner(InnerCursor, query)
		}
		if g.Inner != nil && g.Inner.Gate.Class != "select" {
			w.refuse("a cursor over anything but a query is not allowed", "")
		}
	case *pgquery.Node_CopyStmt:
		w.copy(s.CopyStmt)
	default:
		return false
	}
	g.Utility = true
	return true
}

func (w *walker) explain(s *pgquery.ExplainStmt) {
	g := w.g
	g.Class, g.Answer, g.NeedsTree = "explain", AnswerExplain, true
	g.Explain = &Explain{Format: "text"}
	for _, o := range s.GetOptions() {
		d := o.GetDefElem()
		switch name := d.GetDefname(); name {
		case "analyze":
			on, ok := boolOption(d)
			if !ok {
				w.refuse("the gateway cannot read the option ANALYZE", "")
			}
			g.Explain.Analyze = on
		case "format":
			g.Explain.Format = strings.ToLower(stringOption(d))
		case "verbose", "costs", "buffers", "timing", "summary", "settings", "wal", "generic_plan", "memory", "serialize":
		default:
			w.refuse("the gateway does not know the EXPLAIN option "+name, "")
		}
	}
	switch s.GetQuery().GetNode().(type) {
	case *pgquery.Node_SelectStmt, *pgquery.Node_InsertStmt, *pgquery.Node_UpdateStmt, *pgquery.Node_DeleteStmt, *pgquery.Node_MergeStmt:
	default:
		w.refuse("EXPLAIN of this kind of statement is not allowed", "explain the query by itself")
		return
	}
	query, ok := w.deparse(s.GetQuery())
	if !ok {
		return
	}
	w.inner(InnerExplain, query)
	if g.Inner == nil || g.Refused != "" {
		return
	}
	if g.Inner.Gate.Class == "select into" {
		w.refuse("EXPLAIN of SELECT INTO is not allowed", "explain the query by itself")
	}
	if !g.Explain.Analyze {
		// Nothing is executed: every effect becomes a read of the same object.
		g.Effects = []sallyport.Effect{sallyport.Read}
		for i := range g.Objects {
			g.Objects[i].Effect = sallyport.Read
		}
	}
}

func (w *walker) createTableAs(s *pgquery.CreateTableAsStmt) {
	g := w.g
	g.Answer, g.NeedsTree = AnswerNone, true
	g.Class = "create table as"
	kind, inner := "table", InnerCTAS
	if s.GetObjtype() == pgquery.ObjectType_OBJECT_MATVIEW {
		g.Class, kind, inner = "create materialized view", "materialized view", InnerMatview
	}
	target := w.created(s.GetInto().GetRel(), kind)
	if sel := s.GetQuery().GetSelectStmt(); sel == nil || intoClause(sel) != nil {
		w.refuse("the gateway allows only a query here", "write CREATE TABLE ... AS SELECT")
		return
	}
	query, ok := w.deparse(s.GetQuery())
	if !ok {
		return
	}
	w.inner(inner, query)
	if g.Inner != nil {
		g.Inner.Target, g.Inner.Columns = target, columnNames(s.GetInto().GetColNames())
	}
}

func (w *walker) view(s *pgquery.ViewStmt) {
	g := w.g
	g.Class, g.Answer = "create view", AnswerNone
	target := w.created(s.GetView(), "view")
	if target != nil && s.GetReplace() {
		// The view may exist already: it is the named thing that changes.
		g.Objects[len(g.Objects)-1].New = false
	}
	query, ok := w.deparse(s.GetQuery())
	if !ok {
		return
	}
	w.inner(InnerView, query)
	if g.Inner == nil {
		return
	}
	if g.Inner.Gate.Class != "select" {
		w.refuse("a view over anything but a query is not allowed", "")
	}
	g.Inner.Target, g.Inner.Columns = target, columnNames(s.GetAliases())
}

// stringOption returns an option's value as text.
func stringOption(d *pgquery.DefElem) string {
	a := d.GetArg()
	switch {
	case a.GetString_() != nil:
		return a.GetString_().GetSval()
	case a.GetAConst().GetSval() != nil:
		return a.GetAConst().GetSval().GetSval()
	case a.GetTypeName() != nil:
		return strings.Join(stringList(a.GetTypeName().GetNames()), ".")
	}
	return ""
}

// boolOption reads an option as defGetBoolean of commands/define.c does.
func boolOption(d *pgquery.DefElem) (on, ok bool) {
	a := d.GetArg()
	switch {
	case a == nil || a.GetNode() == nil:
		return true, true
	case a.GetInteger() != nil:
		return a.GetInteger().GetIval() != 0, a.GetInteger().GetIval() == 0 || a.GetInteger().GetIval() == 1
	case a.GetBoolean() != nil:
		return a.GetBoolean().GetBoolval(), true
	}
	switch strings.ToLower(stringOption(d)) {
	case "true", "on":
		return true, true
	case "false", "off":
		return false, true
	}
	return false, false
}
