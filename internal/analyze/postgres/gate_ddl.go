// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/sallyport-dev/sallyport"
)

// define handles statements that create or remove structure.
func (w *walker) define(n *pgquery.Node) bool {
	g := w.g
	g.Answer = AnswerNone
	switch s := n.GetNode().(type) {
	case *pgquery.Node_CreateStmt:
		g.Class = "create table"
		w.created(s.CreateStmt.GetRelation(), "table")
		w.children(s.CreateStmt.ProtoReflect(), nil, "relation")
	case *pgquery.Node_IndexStmt:
		g.Class = "create index"
		w.relation(s.IndexStmt.GetRelation(), "table", sallyport.Define)
		w.children(s.IndexStmt.ProtoReflect(), nil, "relation")
	case *pgquery.Node_CreateSeqStmt:
		g.Class = "create sequence"
		w.created(s.CreateSeqStmt.GetSequence(), "sequence")
	case *pgquery.Node_CreateSchemaStmt:
		w.createSchema(s.CreateSchemaStmt)
	case *pgquery.Node_CompositeTypeStmt:
		g.Class = "create type"
		w.created(s.CompositeTypeStmt.GetTypevar(), "type")
		w.children(s.CompositeTypeStmt.ProtoReflect(), nil, "typevar")
	case *pgquery.Node_CreateEnumStmt:
		g.Class = "create type"
		w.named(s.CreateEnumStmt.GetTypeName(), "type", sallyport.Define, true)
	case *pgquery.Node_AlterEnumStmt:
		g.Class = "alter type"
		w.named(s.AlterEnumStmt.GetTypeName(), "type", sallyport.Define, false)
	case *pgquery.Node_CreateDomainStmt:
		g.Class = "create domain"
		w.named(s.CreateDomainStmt.GetDomainname(), "type", sallyport.Define, true)
		w.children(s.CreateDomainStmt.ProtoReflect(), nil, "domainname")
	case *pgquery.Node_AlterDomainStmt:
		g.Class = "alter domain"
		w.named(s.AlterDomainStmt.GetTypeName(), "type", sallyport.Define, false)
		w.children(s.AlterDomainStmt.ProtoReflect(), nil, "type_name")
	case *pgquery.Node_CreateStatsStmt:
		g.Class = "create statistics"
		for _, r := range s.CreateStatsStmt.GetRelations() {
			w.relation(r.GetRangeVar(), "table", sallyport.Define)
		}
		w.children(s.CreateStatsStmt.ProtoReflect(), nil, "relations")
		w.effect(sallyport.Define)
	case *pgquery.Node_AlterStatsStmt:
		g.Class = "alter statistics"
		w.named(s.AlterStatsStmt.GetDefnames(), "statistics", sallyport.Define, false)
	case *pgquery.Node_CommentStmt:
		g.Class = "comment"
		w.objectNode(s.CommentStmt.GetObjtype(), s.CommentStmt.GetObject(), sallyport.Define)
	case *pgquery.Node_DropStmt:
		w.drop(s.DropStmt)
	case *pgquery.Node_TruncateStmt:
		g.Class = "truncate"
		for _, r := range s.TruncateStmt.GetRelations() {
			w.relation(r.GetRangeVar(), "table", sallyport.Destroy)
		}
	case *pgquery.Node_RefreshMatViewStmt:
		g.Class = "refresh materialized view"
		w.relation(s.RefreshMatViewStmt.GetRelation(), "materialized view", sallyport.Write)
	default:
		return false
	}
	g.Utility = true
	return true
}

func (w *walker) createSchema(s *pgquery.CreateSchemaStmt) {
	w.g.Class = "create schema"
	name := s.GetSchemaname()
	if name == "" { // CREATE SCHEMA AUTHORIZATION role names the schema after the role
		name = s.GetAuthrole().GetRolename()
	}
	w.object(Named{Name: name, Kind: "schema", Effect: sallyport.Define, New: true})
	if s.GetAuthrole() != nil {
		w.effect(sallyport.Administer)
	}
	if len(s.GetSchemaElts()) > 0 {
		w.refuse("CREATE SCHEMA with elements is not allowed", "create the schema and its objects in statements of their own")
	}
}

// named records an object by a list of name parts.
func (w *walker) named(parts []*pgquery.Node, kind string, e sallyport.Effect, isNew bool) {
	names := stringList(parts)
	if len(names) == 0 || len(names) > 3 {
		w.refuse("the gateway cannot read the name of the "+kind, "")
		return
	}
	n := Named{Name: names[len(names)-1], Kind: kind, Effect: e, New: isNew}
	if len(names) > 1 {
		n.Schema = names[len(names)-2]
	}
	if len(names) > 2 {
		n.Catalog = names[0]
	}
	w.object(n)
}

// drop handles DROP of everything but roles and databases.
func (w *walker) drop(s *pgquery.DropStmt) {
	kind := objectKind(s.GetRemoveType())
	if kind == "" {
		w.refuse("the gateway does not know what this DROP removes", "")
		return
	}
	w.g.Class = "drop " + kind
	for _, o := range s.GetObjects() {
		w.objectNode(s.GetRemoveType(), o, sallyport.Destroy)
	}
}

// objectNode records the object of DROP, COMMENT, ALTER ... RENAME and GRANT,
// whose node differs with the kind of object.
func (w *walker) objectNode(t pgquery.ObjectType, o *pgquery.Node, e sallyport.Effect) {
	kind := objectKind(t)
	if kind == "" {
		w.refuse("the gateway does not know this kind of object", "")
		return
	}
	switch {
	case o.GetRangeVar() != nil:
		w.relation(o.GetRangeVar(), kind, e)
	case o.GetString_() != nil:
		w.object(Named{Name: o.GetString_().GetSval(), Kind: kind, Effect: e})
	case o.GetObjectWithArgs() != nil:
		w.named(o.GetObjectWithArgs().GetObjname(), kind, e, false)
	case o.GetTypeName() != nil:
		w.named(o.GetTypeName().GetNames(), kind, e, false)
	case o.GetList() != nil:
		w.objectList(t, kind, o.GetList().GetItems(), e)
	default:
		w.refuse("the gateway cannot read the name of the "+kind, "")
	}
}

// objectList records an object that is named by a list. For what belongs to a
// table (columns, constraints, triggers, policies, rules) the last part is the
// part's own name and the table is what counts.
func (w *walker) objectList(t pgquery.ObjectType, kind string, items []*pgquery.Node, e sallyport.Effect) {
	switch t {
	case pgquery.ObjectType_OBJECT_COLUMN, pgquery.ObjectType_OBJECT_TABCONSTRAINT, pgquery.ObjectType_OBJECT_TRIGGER,
		pgquery.ObjectType_OBJECT_POLICY, pgquery.ObjectType_OBJECT_RULE:
		if len(items) < 2 {
			w.refuse("the gateway cannot read the name of the "+kind, "")
			return
		}
		w.named(items[:len(items)-1], "table", e, false)
	case pgquery.ObjectType_OBJECT_DOMCONSTRAINT:
		if tn := items[0].GetTypeName(); tn != nil {
			w.named(tn.GetNames(), "type", e, false)
			return
		}
		w.refuse("the gateway cannot read the name of the "+kind, "")
	case pgquery.ObjectType_OBJECT_CAST, pgquery.ObjectType_OBJECT_TRANSFORM:
		w.object(Named{Name: kind, Kind: kind, Effect: e})
	default:
		w.named(items, kind, e, false)
	}
}

// objectKind names the kinds of object that the gateway knows.
func objectKind(t pgquery.ObjectType) string {
	switch t {
	case pgquery.ObjectType_OBJECT_TABLE, pgquery.ObjectType_OBJECT_FOREIGN_TABLE:
		return "table"
	case pgquery.ObjectType_OBJECT_VIEW:
		return "view"
	case pgquery.ObjectType_OBJECT_MATVIEW:
		return "materialized view"
	case pgquery.ObjectType_OBJECT_SEQUENCE:
		return "sequence"
	case pgquery.ObjectType_OBJECT_INDEX:
		return "index"
	case pgquery.ObjectType_OBJECT_SCHEMA:
		return "schema"
	case pgquery.ObjectType_OBJECT_TYPE, pgquery.ObjectType_OBJECT_DOMAIN, pgquery.ObjectType_OBJECT_ATTRIBUTE:
		return "type"
	case pgquery.ObjectType_OBJECT_FUNCTION, pgquery.ObjectType_OBJECT_PROCEDURE, pgquery.ObjectType_OBJECT_ROUTINE,
		pgquery.ObjectType_OBJECT_AGGREGATE:
		return "function"
	case pgquery.ObjectType_OBJECT_COLUMN:
		return "column"
	case pgquery.ObjectType_OBJECT_TABCONSTRAINT, pgquery.ObjectType_OBJECT_DOMCONSTRAINT:
		return "constraint"
	case pgquery.ObjectType_OBJECT_TRIGGER:
		return "trigger"
	case pgquery.ObjectType_OBJECT_POLICY:
		return "policy"
	case pgquery.ObjectType_OBJECT_RULE:
		return "rule"
	case pgquery.ObjectType_OBJECT_DATABASE:
		return "database"
	case pgquery.ObjectType_OBJECT_ROLE:
		return "role"
	case pgquery.ObjectType_OBJECT_EXTENSION:
		return "extension"
	case pgquery.ObjectType_OBJECT_LANGUAGE:
		return "language"
	case pgquery.ObjectType_OBJECT_STATISTIC_EXT:
		return "statistics"
	case pgquery.ObjectType_OBJECT_COLLATION:
		return "collation"
	case pgquery.ObjectType_OBJECT_CONVERSION:
		return "conversion"
	case pgquery.ObjectType_OBJECT_CAST:
		return "cast"
	case pgquery.ObjectType_OBJECT_TRANSFORM:
		return "transform"
	case pgquery.ObjectType_OBJECT_OPERATOR, pgquery.ObjectType_OBJECT_OPCLASS, pgquery.ObjectType_OBJECT_OPFAMILY:
		return "operator"
	case pgquery.ObjectType_OBJECT_FDW:
		return "foreign data wrapper"
	case pgquery.ObjectType_OBJECT_FOREIGN_SERVER:
		return "server"
	case pgquery.ObjectType_OBJECT_EVENT_TRIGGER:
		return "event trigger"
	case pgquery.ObjectType_OBJECT_PUBLICATION:
		return "publication"
	case pgquery.ObjectType_OBJECT_TSCONFIGURATION, pgquery.ObjectType_OBJECT_TSDICTIONARY,
		pgquery.ObjectType_OBJECT_TSPARSER, pgquery.ObjectType_OBJECT_TSTEMPLATE:
		return "text search object"
	case pgquery.ObjectType_OBJECT_PARAMETER_ACL:
		return "parameter"
	case pgquery.ObjectType_OBJECT_TABLESPACE:
		return "tablespace"
	}
	return ""
}

// onlyCast reports whether an expression is the given column, or a cast of it.
func onlyCast(n *pgquery.Node, column string) bool {
	for n.GetTypeCast() != nil {
		n = n.GetTypeCast().GetArg()
	}
	fields := n.GetColumnRef().GetFields()
	return len(fields) == 1 && fields[0].GetString_().GetSval() == column
}
