// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/sallyport-dev/sallyport"
)

// administer handles rights, roles, databases and maintenance. Maintenance
// (VACUUM, ANALYZE, REINDEX, CLUSTER, CHECKPOINT) counts as administer: it
// changes no data, but how the server behaves for everybody.
func (w *walker) administer(n *pgquery.Node) bool {
	g := w.g
	g.Answer = AnswerNone
	admin := sallyport.Administer
	switch s := n.GetNode().(type) {
	case *pgquery.Node_GrantStmt:
		w.grant(s.GrantStmt)
	case *pgquery.Node_GrantRoleStmt:
		g.Class = map[bool]string{true: "grant role", false: "revoke role"}[s.GrantRoleStmt.GetIsGrant()]
		for _, r := range s.GrantRoleStmt.GetGrantedRoles() {
			w.object(Named{Name: r.GetAccessPriv().GetPrivName(), Kind: "role", Effect: admin})
		}
		w.roles(s.GrantRoleStmt.GetGranteeRoles(), admin)
	case *pgquery.Node_AlterDefaultPrivilegesStmt:
		g.Class = "alter default privileges"
		w.object(Named{Name: "default privileges", Kind: "database", Effect: admin})
	case *pgquery.Node_CreateRoleStmt:
		g.Class = "create role"
		w.object(Named{Name: s.CreateRoleStmt.GetRole(), Kind: "role", Effect: admin, New: true})
	case *pgquery.Node_AlterRoleStmt:
		g.Class = "alter role"
		w.roles([]*pgquery.Node{{Node: &pgquery.Node_RoleSpec{RoleSpec: s.AlterRoleStmt.GetRole()}}}, admin)
	case *pgquery.Node_DropRoleStmt:
		g.Class = "drop role"
		w.roles(s.DropRoleStmt.GetRoles(), sallyport.Destroy)
	case *pgquery.Node_DropOwnedStmt:
		g.Class = "drop owned"
		w.roles(s.DropOwnedStmt.GetRoles(), sallyport.Destroy)
	case *pgquery.Node_ReassignOwnedStmt:
		g.Class = "reassign owned"
		w.roles(s.ReassignOwnedStmt.GetRoles(), admin)
	case *pgquery.Node_CreatedbStmt:
		g.Class = "create database"
		w.object(Named{Name: s.CreatedbStmt.GetDbname(), Kind: "database", Effect: admin, New: true})
	case *pgquery.Node_AlterDatabaseStmt:
		g.Class = "alter database"
		w.object(Named{Name: s.AlterDatabaseStmt.GetDbname(), Kind: "database", Effect: admin})
	case *pgquery.Node_DropdbStmt:
		g.Class = "drop database"
		w.object(Named{Name: s.DropdbStmt.GetDbname(), Kind: "database", Effect: sallyport.Destroy})
	case *pgquery.Node_CreatePolicyStmt:
		g.Class = "create policy"
		w.relation(s.CreatePolicyStmt.GetTable(), "table", admin)
		w.children(s.CreatePolicyStmt.ProtoReflect(), nil, "table")
	case *pgquery.Node_AlterPolicyStmt:
		g.Class = "alter policy"
		w.relation(s.AlterPolicyStmt.GetTable(), "table", admin)
		w.children(s.AlterPolicyStmt.ProtoReflect(), nil, "table")
	case *pgquery.Node_VacuumStmt:
		g.Class = map[bool]string{true: "vacuum", false: "analyze"}[s.VacuumStmt.GetIsVacuumcmd()]
		w.effect(admin)
		for _, r := range s.VacuumStmt.GetRels() {
			w.relation(r.GetVacuumRelation().GetRelation(), "table", admin)
		}
		w.whole(len(s.VacuumStmt.GetRels()) == 0)
	case *pgquery.Node_ClusterStmt:
		g.Class = "cluster"
		w.relation(s.ClusterStmt.GetRelation(), "table", admin)
		w.whole(s.ClusterStmt.GetRelation() == nil)
	case *pgquery.Node_ReindexStmt:
		w.reindex(s.ReindexStmt)
	case *pgquery.Node_CheckPointStmt:
		g.Class = "checkpoint"
		w.whole(true)
	default:
		return false
	}
	g.Utility = true
	return true
}

// whole records that a statement concerns the whole database.
func (w *walker) whole(yes bool) {
	if yes {
		w.object(Named{Name: "*", Kind: "database", Effect: sallyport.Administer})
	}
}

func (w *walker) reindex(s *pgquery.ReindexStmt) {
	w.g.Class = "reindex"
	switch s.GetKind() {
	case pgquery.ReindexObjectType_REINDEX_OBJECT_INDEX:
		w.relation(s.GetRelation(), "index", sallyport.Administer)
	case pgquery.ReindexObjectType_REINDEX_OBJECT_TABLE:
		w.relation(s.GetRelation(), "table", sallyport.Administer)
	case pgquery.ReindexObjectType_REINDEX_OBJECT_SCHEMA:
		w.object(Named{Name: s.GetName(), Kind: "schema", Effect: sallyport.Administer})
	default:
		w.whole(true)
	}
}

// roles records role names; the special ones keep their keyword.
func (w *walker) roles(nodes []*pgquery.Node, e sallyport.Effect) {
	for _, n := range nodes {
		r := n.GetRoleSpec()
		name := r.GetRolename()
		switch r.GetRoletype() {
		case pgquery.RoleSpecType_ROLESPEC_CSTRING:
		case pgquery.RoleSpecType_ROLESPEC_PUBLIC:
			name = "public"
		case pgquery.RoleSpecType_ROLESPEC_CURRENT_USER, pgquery.RoleSpecType_ROLESPEC_CURRENT_ROLE,
			pgquery.RoleSpecType_ROLESPEC_SESSION_USER:
			name = "current_user"
		default:
			w.refuse("the gateway cannot read the name of a role", "")
			return
		}
		w.object(Named{Name: name, Kind: "role", Effect: e})
	}
}

func (w *walker) grant(s *pgquery.GrantStmt) {
	g := w.g
	g.Class = map[bool]string{true: "grant", false: "revoke"}[s.GetIsGrant()]
	w.effect(sallyport.Administer)
	if s.GetTargtype() == pgquery.GrantTargetType_ACL_TARGET_ALL_IN_SCHEMA {
		for _, o := range s.GetObjects() {
			w.object(Named{Name: o.GetString_().GetSval(), Kind: "schema", Effect: sallyport.Administer})
		}
	} else {
		if s.GetObjtype() == pgquery.ObjectType_OBJECT_PARAMETER_ACL || s.GetObjtype() == pgquery.ObjectType_OBJECT_LARGEOBJECT {
			w.refuse("rights on settings and large objects are not granted through the gateway", "")
			return
		}
		for _, o := range s.GetObjects() {
			w.objectNode(s.GetObjtype(), o, sallyport.Administer)
		}
	}
	w.roles(s.GetGrantees(), sallyport.Administer)
}

// never handles the statements that can never pass, each with what to do
// instead. Their class is set so that a policy's author finds it in the record.
func (w *walker) never(n *pgquery.Node) bool {
	g := w.g
	g.Utility = true
	deny := func(class, why, hint string) bool {
		g.Class = class
		w.refuse(why, hint)
		return true
	}
	g.Answer = AnswerUnknown
	const byOperator = "have an operator do it outside the gateway"
	switch s := n.GetNode().(type) {
	case *pgquery.Node_DoStmt:
		return deny("do", "DO runs code that the gateway cannot see", "send the statements themselves")
	case *pgquery.Node_CallStmt:
		g.Class = "call"
		w.effect(sallyport.Execute)
		names := s.CallStmt.GetFunccall().GetFuncname()
		w.named(names, "function", sallyport.Execute, false)
		w.walk(s.CallStmt.GetFunccall().ProtoReflect(), nil)
		return true // a procedure may be permitted by policy; its answer stays unknown
	case *pgquery.Node_PrepareStmt:
		return deny("prepare", "PREPARE in SQL is not allowed", "prepare statements through the driver's protocol")
	case *pgquery.Node_ExecuteStmt:
		return deny("execute", "EXECUTE in SQL is not allowed", "prepare statements through the driver's protocol")
	case *pgquery.Node_ListenStmt, *pgquery.Node_NotifyStmt:
		return deny("listen", "LISTEN and NOTIFY carry values past the answer", "poll a table instead")
	case *pgquery.Node_LockStmt:
		return deny("lock table", "LOCK TABLE is not allowed", "use SELECT ... FOR UPDATE")
	case *pgquery.Node_LoadStmt:
		return deny("load", "LOAD brings code into the server", byOperator)
	case *pgquery.Node_AlterSystemStmt:
		return deny("alter system", "ALTER SYSTEM changes the server's configuration", byOperator)
	case *pgquery.Node_AlterRoleSetStmt, *pgquery.Node_AlterDatabaseSetStmt:
		return deny("alter role set", "settings of roles and databases could switch off what the gateway relies on", byOperator)
	case *pgquery.Node_SecLabelStmt:
		return deny("security label", "SECURITY LABEL is not allowed", byOperator)
	case *pgquery.Node_CreateFunctionStmt, *pgquery.Node_AlterFunctionStmt:
		return deny("create function", "code inside the database hides what it reads", byOperator)
	case *pgquery.Node_CreateTrigStmt, *pgquery.Node_CreateEventTrigStmt, *pgquery.Node_AlterEventTrigStmt, *pgquery.Node_RuleStmt:
		return deny("create trigger", "triggers and rules hide what a statement does", byOperator)
	case *pgquery.Node_DefineStmt, *pgquery.Node_CreateRangeStmt, *pgquery.Node_AlterTypeStmt, *pgquery.Node_AlterOperatorStmt,
		*pgquery.Node_CreateOpClassStmt, *pgquery.Node_CreateOpFamilyStmt, *pgquery.Node_AlterOpFamilyStmt,
		*pgquery.Node_CreateCastStmt, *pgquery.Node_CreateConversionStmt, *pgquery.Node_CreateTransformStmt,
		*pgquery.Node_CreateAmStmt, *pgquery.Node_CreatePlangStmt:
		return deny("create "+shortName(n), "types, operators, casts and languages with code of their own hide what they read", byOperator)
	case *pgquery.Node_CreateExtensionStmt, *pgquery.Node_AlterExtensionStmt, *pgquery.Node_AlterExtensionContentsStmt,
		*pgquery.Node_AlterObjectDependsStmt:
		return deny("create extension", "extensions bring code into the server", byOperator)
	case *pgquery.Node_CreateForeignServerStmt, *pgquery.Node_AlterForeignServerStmt, *pgquery.Node_CreateFdwStmt,
		*pgquery.Node_AlterFdwStmt, *pgquery.Node_CreateForeignTableStmt, *pgquery.Node_ImportForeignSchemaStmt,
		*pgquery.Node_CreateUserMappingStmt, *pgquery.Node_AlterUserMappingStmt, *pgquery.Node_DropUserMappingStmt:
		return deny("create server", "foreign servers open a way around the gateway", byOperator)
	case *pgquery.Node_CreatePublicationStmt, *pgquery.Node_AlterPublicationStmt, *pgquery.Node_CreateSubscriptionStmt,
		*pgquery.Node_AlterSubscriptionStmt, *pgquery.Node_DropSubscriptionStmt:
		return deny("create publication", "replication carries data past the gateway", byOperator)
	case *pgquery.Node_CreateTableSpaceStmt, *pgquery.Node_AlterTableSpaceOptionsStmt, *pgquery.Node_DropTableSpaceStmt,
		*pgquery.Node_AlterTableMoveAllStmt:
		return deny("create tablespace", "tablespaces belong to the server's disk", byOperator)
	}
	return false
}

// shortName is the node's kind for a class: "CreateCastStmt" becomes "cast".
func shortName(n *pgquery.Node) string {
	m := n.ProtoReflect()
	f := m.WhichOneof(m.Descriptor().Oneofs().Get(0))
	if f == nil {
		return "unknown"
	}
	name := strings.TrimSuffix(string(f.Name()), "_stmt")
	return strings.TrimPrefix(strings.TrimPrefix(name, "create_"), "alter_")
}
