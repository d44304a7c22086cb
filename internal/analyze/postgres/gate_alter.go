// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/sallyport-dev/sallyport"
)

// alter handles ALTER of relations, names, schemas and owners.
func (w *walker) alter(n *pgquery.Node) bool {
	g := w.g
	g.Answer = AnswerNone
	switch s := n.GetNode().(type) {
	case *pgquery.Node_AlterTableStmt:
		w.alterTable(s.AlterTableStmt)
	case *pgquery.Node_AlterSeqStmt:
		g.Class = "alter sequence"
		w.relation(s.AlterSeqStmt.GetSequence(), "sequence", sallyport.Define)
	case *pgquery.Node_RenameStmt:
		w.rename(s.RenameStmt)
	case *pgquery.Node_AlterObjectSchemaStmt:
		w.moveSchema(s.AlterObjectSchemaStmt)
	case *pgquery.Node_AlterOwnerStmt:
		g.Class = "alter " + objectKind(s.AlterOwnerStmt.GetObjectType()) + " owner"
		w.objectNode(s.AlterOwnerStmt.GetObjectType(), s.AlterOwnerStmt.GetObject(), sallyport.Administer)
	default:
		return false
	}
	g.Utility = true
	return true
}

// trusted reports whether the gateway's configuration may refer to objects of
// this kind by name (functions listed as pure), so that a name must not move
// from one object to another without an administrator.
func trusted(t pgquery.ObjectType) bool {
	switch objectKind(t) {
	case "function", "schema", "operator", "cast", "role", "database":
		return true
	}
	return false
}

func (w *walker) rename(s *pgquery.RenameStmt) {
	kind := objectKind(s.GetRenameType())
	w.g.Class = "alter " + kind + " rename"
	e := sallyport.Define
	if trusted(s.GetRenameType()) {
		e = sallyport.Administer
	}
	switch {
	case kind == "":
		w.refuse("the gateway does not know what this renames", "")
	case s.GetRelation() != nil:
		if s.GetRelationType() != pgquery.ObjectType_OBJECT_TYPE_UNDEFINED && kind == "column" {
			kind = "table"
		}
		w.relation(s.GetRelation(), kind, e)
	case s.GetObject() != nil:
		w.objectNode(s.GetRenameType(), s.GetObject(), e)
	case s.GetSubname() != "":
		w.object(Named{Name: s.GetSubname(), Kind: kind, Effect: e})
	default:
		w.refuse("the gateway cannot read what this renames", "")
	}
}

func (w *walker) moveSchema(s *pgquery.AlterObjectSchemaStmt) {
	w.g.Class = "alter " + objectKind(s.GetObjectType()) + " set schema"
	e := sallyport.Define
	if trusted(s.GetObjectType()) || s.GetObjectType() == pgquery.ObjectType_OBJECT_EXTENSION {
		e = sallyport.Administer
	}
	if s.GetRelation() != nil {
		w.relation(s.GetRelation(), objectKind(s.GetObjectType()), e)
	} else {
		w.objectNode(s.GetObjectType(), s.GetObject(), e)
	}
	w.object(Named{Name: s.GetNewschema(), Kind: "schema", Effect: e})
}

func (w *walker) alterTable(s *pgquery.AlterTableStmt) {
	kind := objectKind(s.GetObjtype())
	w.g.Class = "alter " + kind
	if kind == "" {
		w.refuse("the gateway does not know what this alters", "")
		return
	}
	for _, n := range s.GetCmds() {
		w.alterTableCmd(s.GetRelation(), kind, n.GetAlterTableCmd())
	}
}

// alterTableCmd classifies one action of ALTER TABLE.
func (w *walker) alterTableCmd(r *pgquery.RangeVar, kind string, c *pgquery.AlterTableCmd) {
	e := sallyport.Define
	switch c.GetSubtype() {
	case pgquery.AlterTableType_AT_AddColumn, pgquery.AlterTableType_AT_ColumnDefault, pgquery.AlterTableType_AT_DropNotNull,
		pgquery.AlterTableType_AT_SetNotNull, pgquery.AlterTableType_AT_DropExpression, pgquery.AlterTableType_AT_SetStatistics,
		pgquery.AlterTableType_AT_SetOptions, pgquery.AlterTableType_AT_ResetOptions, pgquery.AlterTableType_AT_SetStorage,
		pgquery.AlterTableType_AT_SetCompression, pgquery.AlterTableType_AT_AddIndex, pgquery.AlterTableType_AT_AddConstraint,
		pgquery.AlterTableType_AT_AlterConstraint, pgquery.AlterTableType_AT_ValidateConstraint,
		pgquery.AlterTableType_AT_AddIndexConstraint, pgquery.AlterTableType_AT_DropConstraint,
		pgquery.AlterTableType_AT_ClusterOn, pgquery.AlterTableType_AT_DropCluster, pgquery.AlterTableType_AT_DropOids,
		pgquery.AlterTableType_AT_SetRelOptions, pgquery.AlterTableType_AT_ResetRelOptions,
		pgquery.AlterTableType_AT_AddIdentity, pgquery.AlterTableType_AT_SetIdentity, pgquery.AlterTableType_AT_DropIdentity,
		pgquery.AlterTableType_AT_DropInherit, pgquery.AlterTableType_AT_DetachPartition,
		pgquery.AlterTableType_AT_DetachPartitionFinalize, pgquery.AlterTableType_AT_DropOf:
		w.definition(c)
	case pgquery.AlterTableType_AT_DropColumn:
		e = sallyport.Destroy
	case pgquery.AlterTableType_AT_AlterColumnType:
		// USING may fill the column from any other one, or with an altered value, of
		// which a mask shows another part: labels stay with the column, so that it
		// would launder data.
		def := c.GetDef().GetColumnDef()
		if u := def.GetRawDefault(); u != nil && !onlyCast(u, c.GetName()) {
			w.refuse("ALTER COLUMN TYPE may use only a cast of the column itself in USING",
				"add a column, fill it with UPDATE and drop the old one")
			return
		}
		w.definition(c)
	case pgquery.AlterTableType_AT_AttachPartition, pgquery.AlterTableType_AT_AddInherit:
		// Rows of the other table become readable under the labels of this one.
		e = sallyport.Administer
		other := c.GetDef().GetRangeVar()
		if p := c.GetDef().GetPartitionCmd(); p != nil {
			other = p.GetName()
		}
		w.relation(other, "table", e)
	case pgquery.AlterTableType_AT_ChangeOwner, pgquery.AlterTableType_AT_EnableRowSecurity,
		pgquery.AlterTableType_AT_DisableRowSecurity, pgquery.AlterTableType_AT_ForceRowSecurity,
		pgquery.AlterTableType_AT_NoForceRowSecurity, pgquery.AlterTableType_AT_EnableTrig,
		pgquery.AlterTableType_AT_EnableAlwaysTrig, pgquery.AlterTableType_AT_EnableReplicaTrig,
		pgquery.AlterTableType_AT_DisableTrig, pgquery.AlterTableType_AT_EnableTrigAll,
		pgquery.AlterTableType_AT_DisableTrigAll, pgquery.AlterTableType_AT_EnableTrigUser,
		pgquery.AlterTableType_AT_DisableTrigUser, pgquery.AlterTableType_AT_EnableRule,
		pgquery.AlterTableType_AT_EnableAlwaysRule, pgquery.AlterTableType_AT_EnableReplicaRule,
		pgquery.AlterTableType_AT_DisableRule, pgquery.AlterTableType_AT_SetLogged, pgquery.AlterTableType_AT_SetUnLogged,
		pgquery.AlterTableType_AT_SetAccessMethod, pgquery.AlterTableType_AT_SetTableSpace,
		pgquery.AlterTableType_AT_ReplicaIdentity:
		e = sallyport.Administer
	default: // among them SetExpression, which fills a column from others, and foreign options
		w.refuse("the gateway does not allow this action of ALTER TABLE", "")
		return
	}
	w.relation(r, kind, e)
}

// definition visits the definition inside an ALTER TABLE action: expressions of
// defaults and checks, and the table of a foreign key.
func (w *walker) definition(c *pgquery.AlterTableCmd) {
	if n := c.GetDef().GetNode(); n != nil {
		switch d := n.(type) {
		case *pgquery.Node_PartitionCmd:
			w.relation(d.PartitionCmd.GetName(), "table", sallyport.Define)
			return
		case *pgquery.Node_RangeVar:
			w.relation(d.RangeVar, "table", sallyport.Define)
			return
		case *pgquery.Node_IndexStmt:
			w.refuse("the gateway does not allow this action of ALTER TABLE", "")
			return
		}
		w.walk(c.GetDef().ProtoReflect(), nil)
	}
}
