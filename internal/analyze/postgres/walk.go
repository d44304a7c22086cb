// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sallyport-dev/sallyport"
)

// walker gathers what one statement names and does.
type walker struct {
	g         *Gated
	version   int32 // of the grammar, which printing a tree asks for
	functions map[FuncName]bool
}

// scope is the common table expressions that are visible at one place.
type scope struct {
	outer *scope
	names map[string]bool
}

func (s *scope) has(name string) bool {
	for ; s != nil; s = s.outer {
		if s.names[name] {
			return true
		}
	}
	return false
}

func (w *walker) refuse(why, hint string) {
	if w.g.Refused == "" {
		w.g.Refused, w.g.Hint = why, hint
	}
}

func (w *walker) effect(e ...sallyport.Effect) { w.g.Effects = append(w.g.Effects, e...) }

func (w *walker) object(n Named) {
	w.g.Objects = append(w.g.Objects, n)
	w.effect(n.Effect)
}

// relation records r as written, with an effect.
func (w *walker) relation(r *pgquery.RangeVar, kind string, e sallyport.Effect) {
	if r == nil {
		return
	}
	w.object(Named{Catalog: r.GetCatalogname(), Schema: r.GetSchemaname(), Name: r.GetRelname(), Kind: kind, Effect: e})
}

// walk visits every node under m. Only listed node types pass: a grammar that
// grows a new construct must not carry it through the gate unread.
func (w *walker) walk(m protoreflect.Message, sc *scope) {
	if !m.IsValid() || w.g.Refused != "" {
		return
	}
	switch n := m.Interface().(type) {
	case *pgquery.Node:
		if inner := content(m); inner != nil {
			w.walk(inner, sc)
		}
		return
	case *pgquery.SelectStmt:
		w.query(m, n.GetWithClause(), sc)
		return
	case *pgquery.InsertStmt:
		w.write(n.GetRelation(), sallyport.Write, columnNames(n.GetCols()))
		if c := n.GetOnConflictClause(); c != nil && c.GetAction() == pgquery.OnConflictAction_ONCONFLICT_UPDATE {
			w.effect(sallyport.Read)
		}
		w.query(m, n.GetWithClause(), sc, "relation")
		return
	case *pgquery.UpdateStmt:
		w.write(n.GetRelation(), sallyport.Write, columnNames(n.GetTargetList()))
		w.query(m, n.GetWithClause(), sc, "relation")
		return
	case *pgquery.DeleteStmt:
		w.write(n.GetRelation(), sallyport.Delete, nil)
		w.query(m, n.GetWithClause(), sc, "relation")
		return
	case *pgquery.MergeStmt:
		w.merge(n)
		w.query(m, n.GetWithClause(), sc, "relation")
		return
	case *pgquery.RangeVar:
		if n.GetSchemaname() != "" || !sc.has(n.GetRelname()) {
			w.relation(n, "table", sallyport.Read)
		}
		return
	case *pgquery.FuncCall:
		w.call(n)
	case *pgquery.ColumnRef:
		w.fieldCall(n.GetFields()[min(1, len(n.GetFields())):])
	case *pgquery.A_Indirection:
		w.fieldCall(n.GetIndirection())
	case *pgquery.ParamRef:
		w.g.Params = max(w.g.Params, int(n.GetNumber()))
	case *pgquery.LockingClause:
		w.g.Locks = true
		return // the relations it names are aliases of the FROM list
	case *pgquery.Constraint:
		if n.GetContype() == pgquery.ConstrType_CONSTR_GENERATED {
			// Its values are those of other columns, whose labels do not follow.
			w.refuse("a generated column may not be created through the gateway",
				"fill an ordinary column with UPDATE, or have an administrator create it on the server and label it")
			return
		}
	case *pgquery.IntoClause:
		// SELECT INTO is taken apart before the walk; anywhere else it is an error
		// of the server's analysis.
		w.refuse("SELECT INTO is allowed at the top of a statement only", "use CREATE TABLE AS")
		return
	default:
		if !expressionNode(m.Descriptor().Name()) {
			w.refuse("the gateway does not know the construct "+string(m.Descriptor().Name())+" here", "")
			return
		}
	}
	w.children(m, sc)
}

// content returns what a Node holds. It is far quicker than to look at each of
// the fields, of which a Node can have any one out of hundreds.
func content(node protoreflect.Message) protoreflect.Message {
	f := node.WhichOneof(node.Descriptor().Oneofs().Get(0))
	if f == nil {
		return nil
	}
	return node.Get(f).Message()
}

// children visits the message fields of m, but for those named in skip.
func (w *walker) children(m protoreflect.Message, sc *scope, skip ...protoreflect.Name) {
	fields := m.Descriptor().Fields()
next:
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.Kind() != protoreflect.MessageKind || !m.Has(f) {
			continue
		}
		for _, s := range skip {
			if f.Name() == s {
				continue next
			}
		}
		if f.IsList() {
			l := m.Get(f).List()
			for j := range l.Len() {
				w.walk(l.Get(j).Message(), sc)
			}
			continue
		}
		w.walk(m.Get(f).Message(), sc)
	}
}

// query visits a statement that may begin with WITH. A plain WITH item sees
// those before it, a recursive one sees all of its clause.
func (w *walker) query(m protoreflect.Message, with *pgquery.WithClause, sc *scope, skip ...protoreflect.Name) {
	if with == nil {
		w.children(m, sc, skip...)
		return
	}
	inner := &scope{outer: sc, names: map[string]bool{}}
	if with.GetRecursive() {
		for _, n := range with.GetCtes() {
			inner.names[n.GetCommonTableExpr().GetCtename()] = true
		}
	}
	for _, n := range with.GetCtes() {
		cte := n.GetCommonTableExpr()
		if cte == nil {
			w.refuse("the gateway does not know the construct in WITH here", "")
			return
		}
		w.children(cte.ProtoReflect(), inner)
		inner.names[cte.GetCtename()] = true
	}
	w.children(m, inner, append(skip, "with_clause")...)
}

// write records the target of a data-modifying statement, wherever it stands: a
// WITH item that deletes makes the statement a delete.
func (w *walker) write(r *pgquery.RangeVar, e sallyport.Effect, columns []string) {
	w.object(Named{
		Catalog: r.GetCatalogname(), Schema: r.GetSchemaname(), Name: r.GetRelname(),
		Kind: "table", Effect: e, Columns: columns,
	})
}

func (w *walker) merge(n *pgquery.MergeStmt) {
	for _, c := range n.GetMergeWhenClauses() {
		switch c.GetMergeWhenClause().GetCommandType() {
		case pgquery.CmdType_CMD_INSERT, pgquery.CmdType_CMD_UPDATE:
			w.write(n.GetRelation(), sallyport.Write, columnNames(c.GetMergeWhenClause().GetTargetList()))
		case pgquery.CmdType_CMD_DELETE:
			w.write(n.GetRelation(), sallyport.Delete, nil)
		case pgquery.CmdType_CMD_NOTHING:
		default:
			w.refuse("the gateway does not know this MERGE action", "")
		}
	}
	w.relation(n.GetRelation(), "table", sallyport.Read)
}

// call records a function by name.
func (w *walker) call(n *pgquery.FuncCall) {
	names := stringList(n.GetFuncname())
	if len(names) == 0 {
		w.refuse("the gateway cannot read a function's name", "")
		return
	}
	f := FuncName{Name: names[len(names)-1]}
	if len(names) > 1 {
		f.Schema = names[len(names)-2]
	}
	w.function(f)
}

func (w *walker) function(f FuncName) {
	if w.functions[f] {
		return
	}
	w.functions[f] = true
	w.g.Functions = append(w.g.Functions, f)
	if f.Schema != "" && f.Schema != "pg_catalog" {
		return
	}
	if why := refusedFunction(f.Name); why != "" {
		w.refuse("the function "+f.Name+" may not be called: "+why, "")
	}
	if f.Name == "nextval" || f.Name == "setval" || f.Name == "pg_import_system_collations" {
		w.effect(sallyport.Write)
	}
}

// fieldCall looks at names after a dot, since (x).f is another way to write
// f(x). Only names that may never be called matter here: the tree tells of all
// others.
func (w *walker) fieldCall(fields []*pgquery.Node) {
	for _, n := range fields {
		name := n.GetString_().GetSval()
		if name == "" {
			continue
		}
		if why := refusedFunction(name); why != "" {
			w.refuse("the name "+name+" may not be used after a dot, since it may call the function of that name: "+why, "")
		}
	}
}

// stringList returns the String nodes of a list.
func stringList(nodes []*pgquery.Node) []string {
	var out []string
	for _, n := range nodes {
		if s := n.GetString_(); s != nil {
			out = append(out, s.GetSval())
		}
	}
	return out
}

// columnNames returns the names of a list of result targets or strings.
func columnNames(nodes []*pgquery.Node) []string {
	var out []string
	for _, n := range nodes {
		switch {
		case n.GetResTarget() != nil:
			out = append(out, n.GetResTarget().GetName())
		case n.GetString_() != nil:
			out = append(out, n.GetString_().GetSval())
		}
	}
	return out
}

// expressionNode lists the node types that may occur inside queries and inside
// the expressions of definitions.
func expressionNode(name protoreflect.Name) bool {
	switch name {
	case "A_Const", "A_Expr", "A_Star", "A_ArrayExpr", "A_Indices", "Integer", "Float", "Boolean", "String",
		"BitString", "List", "TypeCast", "TypeName", "ResTarget", "BoolExpr", "NullTest", "BooleanTest",
		"CaseExpr", "CaseWhen", "CoalesceExpr", "MinMaxExpr", "SubLink", "RowExpr", "SQLValueFunction",
		"NamedArgExpr", "CollateClause", "MultiAssignRef", "SetToDefault", "CurrentOfExpr", "GroupingSet",
		"GroupingFunc", "SortBy", "WindowDef", "MergeSupportFunc", "XmlExpr", "XmlSerialize":
		return true
	case "Alias", "RangeSubselect", "RangeFunction", "RangeTableFunc", "RangeTableFuncCol", "RangeTableSample",
		"JoinExpr", "ColumnDef", "CTESearchClause", "CTECycleClause", "InferClause", "IndexElem",
		"OnConflictClause", "MergeWhenClause":
		return true
	case "JsonFormat", "JsonReturning", "JsonValueExpr", "JsonKeyValue", "JsonArgument", "JsonBehavior",
		"JsonOutput", "JsonFuncExpr", "JsonTable", "JsonTableColumn", "JsonTablePathSpec", "JsonParseExpr",
		"JsonScalarExpr", "JsonSerializeExpr", "JsonObjectConstructor", "JsonArrayConstructor",
		"JsonArrayQueryConstructor", "JsonAggConstructor", "JsonObjectAgg", "JsonArrayAgg", "JsonIsPredicate":
		return true
	case "Constraint", "PartitionSpec", "PartitionElem", "PartitionBoundSpec", "PartitionRangeDatum",
		"TableLikeClause", "DefElem", "StatsElem", "RoleSpec":
		return true
	}
	return false
}
