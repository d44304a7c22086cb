// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql

import (
	"strings"

	"github.com/sqlc-dev/zetajones/ast"

	"github.com/sallyport-dev/sallyport"
)

// create reads the statements that define something.
func (r *reader) create(n ast.Node) *walk {
	switch n := n.(type) {
	case *ast.CreateTableStatement:
		return r.createTable(n)
	case *ast.CreateViewStatement:
		return r.createView(n)
	case *ast.CreateExternalTableStatement:
		w := r.add("CREATE_EXTERNAL_TABLE", n)
		w.defines(n.Name, "table", n.IsOrReplace)
		w.node(n.TableElementList, nil)
		w.node(n.WithPartition, nil)
		w.node(n.WithConnection, nil)
		w.node(n.Options, nil)
		// Its rows come from outside, under no label.
		w.routine(Routine{Parts: []string{"EXTERNAL_TABLE"}, Effect: sallyport.Execute, Table: true, Builtin: true})
		return w
	case *ast.CreateSchemaStatement:
		w := r.add("CREATE_SCHEMA", n)
		w.schema(n.Name, sallyport.Define)
		w.node(n.Options, nil)
		return w
	case *ast.CreateModelStatement:
		w := r.add("CREATE_MODEL", n)
		w.routine(Routine{Parts: parts(n.Name), Effect: sallyport.Define, Table: true})
		w.node(n.WithConnection, nil)
		w.query(n.Query, nil)
		if n.AliasedQueries != nil || n.Transform != nil || n.InputOutput != nil {
			w.p.refuse("this form of CREATE MODEL is not understood", "use CREATE MODEL ... AS SELECT")
		}
		return w
	case *ast.CreateIndexStatement:
		kind := "CREATE_SEARCH_INDEX"
		if n.IsVector {
			kind = "CREATE_VECTOR_INDEX"
		}
		w := r.add(kind, n)
		w.table(n.TableName, sallyport.Define, false)
		return w
	case *ast.CreateRowAccessPolicyStatement:
		w := r.add("CREATE_ROW_ACCESS_POLICY", n)
		w.table(n.TargetPath, sallyport.Administer, false)
		return w
	}
	return r.createRoutine(n)
}

func (r *reader) createTable(n *ast.CreateTableStatement) *walk {
	kind := "CREATE_TABLE"
	if n.Query != nil {
		kind = "CREATE_TABLE_AS_SELECT"
	}
	w := r.add(kind, n)
	w.p.Traceable = n.Query != nil
	if n.Scope == "TEMP" {
		r.temps[strings.Join(parts(n.Name), ".")] = true
	}
	w.defines(n.Name, "table", n.IsOrReplace)
	if n.SpannerOptions != nil || n.Ttl != nil || n.Scope != "" && n.Scope != "TEMP" {
		w.p.refuse("this form of CREATE TABLE is not understood", "leave the clauses out that BigQuery does not have")
	}
	s := (*scope)(nil).inner()
	if n.LikeName != nil {
		w.table(n.LikeName, sallyport.Read, false)
	}
	if n.Clone != nil {
		// A clone or copy holds the rows of its source under another name.
		w.table(n.Clone.Path, sallyport.Read, n.Clone.ForSystemTime != nil)
		w.node(n.Clone.ForSystemTime, s)
		w.node(n.Clone.Where, s)
	}
	w.node(n.TableElementList, s)
	w.node(n.PartitionBy, s)
	w.node(n.ClusterBy, s)
	w.node(n.WithConnection, s)
	w.node(n.Options, s)
	w.query(n.Query, nil)
	return w
}

func (r *reader) createView(n *ast.CreateViewStatement) *walk {
	kind, object := "CREATE_VIEW", "view"
	if strings.Contains(strings.ToUpper(n.ViewKind), "MATERIALIZED") {
		kind = "CREATE_MATERIALIZED_VIEW"
	}
	w := r.add(kind, n)
	w.p.Traceable = n.Query != nil
	w.defines(n.Name, object, n.IsOrReplace)
	if n.ReplicaSource != nil {
		w.table(n.ReplicaSource, sallyport.Read, false)
	}
	if n.Recursive || strings.Contains(strings.ToUpper(n.ViewKind), "APPROX") || n.Scope != "" {
		w.p.refuse("this form of CREATE VIEW is not understood", "use CREATE VIEW or CREATE MATERIALIZED VIEW")
	}
	s := (*scope)(nil).inner()
	w.node(n.Columns, s)
	w.node(n.PartitionBy, s)
	w.node(n.ClusterBy, s)
	w.node(n.Options, s)
	w.query(n.Query, nil)
	return w
}

// defines notes a table that a statement creates, and destroys when it replaces
// one.
func (w *walk) defines(path *ast.PathExpression, kind string, replaces bool) {
	effects := []sallyport.Effect{sallyport.Define}
	if replaces {
		effects = append(effects, sallyport.Destroy)
	}
	for _, e := range effects {
		if u := w.table(path, e, false); u != nil {
			u.New = true
			if u.Kind == "table" {
				u.Kind = kind
			}
		}
	}
}

func (w *walk) schema(path *ast.PathExpression, e sallyport.Effect) {
	name := parts(path)
	if len(name) == 0 || len(name) > 2 {
		w.p.refuse("a dataset's name is not understood", "write it as project.dataset")
		return
	}
	w.p.Schemas = append(w.p.Schemas, SchemaUse{Parts: name, Effect: e})
}

// createRoutine reads definitions of code. What SQL does in it counts as done by
// the definition; whoever calls it is only seen to execute it.
func (r *reader) createRoutine(n ast.Node) *walk {
	switch n := n.(type) {
	case *ast.CreateFunctionStatement:
		w := r.add("CREATE_FUNCTION", n)
		if n.Declaration == nil {
			w.p.refuse("this form of CREATE FUNCTION is not understood", "use CREATE FUNCTION name(arguments)")
			return w
		}
		if n.Scope == "TEMP" {
			r.script.Multi = true
			r.tempRoutines[strings.ToLower(strings.Join(parts(n.Declaration.Name), "."))] = true
			w.routine(Routine{Parts: append([]string{"_SESSION"}, parts(n.Declaration.Name)...), Effect: sallyport.Define, Temp: true})
		} else {
			w.routine(Routine{Parts: parts(n.Declaration.Name), Effect: sallyport.Define})
		}
		w.node(n.WithConnection, nil)
		if body, ok := n.Body.(*ast.SqlFunctionBody); ok {
			w.node(body.Expression, (*scope)(nil).inner())
		}
		return w
	case *ast.CreateTableFunctionStatement:
		w := r.add("CREATE_TABLE_FUNCTION", n)
		if n.Declaration == nil {
			w.p.refuse("this form of CREATE TABLE FUNCTION is not understood", "use CREATE TABLE FUNCTION name(arguments)")
			return w
		}
		w.routine(Routine{Parts: parts(n.Declaration.Name), Effect: sallyport.Define, Table: true})
		w.query(n.Query, nil)
		return w
	case *ast.CreateProcedureStatement:
		w := r.add("CREATE_PROCEDURE", n)
		w.routine(Routine{Parts: parts(n.Name), Effect: sallyport.Define})
		w.node(n.WithConnection, nil)
		w.node(n.Options, nil)
		if n.Body != nil {
			w.body(n.Body.Statements)
		}
		return w
	}
	return nil
}

// body adds what a procedure's statements do: a CALL does not tell any more.
func (w *walk) body(list *ast.StatementList) {
	inner := &reader{script: &Script{Text: w.r.script.Text}, temps: map[string]bool{}, tempRoutines: map[string]bool{}}
	inner.list(list)
	for _, p := range inner.script.Statements {
		w.p.Tables = append(w.p.Tables, p.Tables...)
		w.p.Routines = append(w.p.Routines, p.Routines...)
		w.p.Schemas = append(w.p.Schemas, p.Schemas...)
		w.p.Effects = append(w.p.Effects, p.Effects...)
		if p.Refused != "" {
			w.p.refuse(p.Refused, p.Hint)
		}
	}
}

// alter reads the statements that change or remove what is defined.
func (r *reader) alter(n ast.Node) *walk {
	switch n := n.(type) {
	case *ast.DropStatement:
		return r.drop(n)
	case *ast.DropIndexStatement:
		kind := "DROP_SEARCH_INDEX"
		if n.Vector {
			kind = "DROP_VECTOR_INDEX"
		}
		w := r.add(kind, n)
		w.table(n.Table, sallyport.Define, false)
		return w
	case *ast.DropRowAccessPolicyStatement:
		w := r.add("DROP_ROW_ACCESS_POLICY", n)
		w.table(n.Target, sallyport.Administer, false)
		return w
	case *ast.DropAllRowAccessPoliciesStatement:
		w := r.add("DROP_ROW_ACCESS_POLICY", n)
		w.table(n.Target, sallyport.Administer, false)
		return w
	case *ast.AlterStatement:
		return r.alters(n)
	}
	return nil
}

func (r *reader) drop(n *ast.DropStatement) *walk {
	name := n.NodeName + " " + n.ObjectKind
	switch strings.TrimPrefix(name, "DropStatement ") {
	case "TABLE", "EXTERNAL TABLE":
		w := r.add("DROP_"+strings.ReplaceAll(n.ObjectKind, " ", "_"), n)
		w.table(n.Path, sallyport.Destroy, false)
		return w
	case "DropSnapshotTableStatement ":
		w := r.add("DROP_SNAPSHOT_TABLE", n)
		w.table(n.Path, sallyport.Destroy, false)
		return w
	case "VIEW", "DropMaterializedViewStatement ":
		kind := "DROP_VIEW"
		if n.ObjectKind == "" {
			kind = "DROP_MATERIALIZED_VIEW"
		}
		w := r.add(kind, n)
		if u := w.table(n.Path, sallyport.Destroy, false); u != nil {
			u.Kind = "view"
		}
		return w
	case "SCHEMA":
		w := r.add("DROP_SCHEMA", n)
		w.schema(n.Path, sallyport.Destroy)
		return w
	case "DropFunctionStatement ", "DropTableFunctionStatement ", "PROCEDURE", "MODEL":
		kind := "DROP_FUNCTION"
		switch {
		case n.ObjectKind != "":
			kind = "DROP_" + n.ObjectKind
		case n.NodeName == "DropTableFunctionStatement":
			kind = "DROP_TABLE_FUNCTION"
		}
		w := r.add(kind, n)
		w.routine(Routine{Parts: parts(n.Path), Effect: sallyport.Destroy})
		return w
	}
	w := r.add("UNKNOWN", n)
	w.p.refuse("dropping this is not understood", "drop tables, views, datasets, functions or models")
	return w
}

func (r *reader) alters(n *ast.AlterStatement) *walk {
	kinds := map[string]string{
		"AlterTableStatement": "ALTER_TABLE", "AlterViewStatement": "ALTER_VIEW",
		"AlterMaterializedViewStatement": "ALTER_MATERIALIZED_VIEW", "AlterSchemaStatement": "ALTER_SCHEMA",
	}
	kind, ok := kinds[n.NodeName]
	if !ok || n.EntityType != nil {
		w := r.add("UNKNOWN", n)
		w.p.refuse("altering this is not understood", "alter tables, views or datasets")
		return w
	}
	w := r.add(kind, n)
	effect := sallyport.Define
	if n.Actions != nil {
		for _, a := range n.Actions.Actions {
			switch a.(type) {
			case *ast.DropColumnAction:
				effect = sallyport.Destroy
			case *ast.SetOptionsAction, *ast.AlterColumnOptionsAction:
				// Options hold expiry times and policy tags: rights and removal.
				if effect == sallyport.Define {
					effect = sallyport.Administer
				}
			case *ast.RenameToClause:
				w.p.refuse("renaming a table is not understood", "create the table under its new name")
			}
		}
	}
	if kind == "ALTER_SCHEMA" {
		w.schema(n.Path, effect)
	} else if u := w.table(n.Path, effect, false); u != nil && kind != "ALTER_TABLE" {
		u.Kind = "view"
	}
	w.node(n.Actions, (*scope)(nil).inner())
	return w
}

// rights reads GRANT and REVOKE.
func (r *reader) rights(kind string, n ast.Node, types []*ast.Identifier, path *ast.PathExpression) *walk {
	w := r.add(kind, n, sallyport.Administer)
	var object strings.Builder
	for _, t := range types {
		object.WriteString(strings.ToUpper(t.Name))
	}
	switch object.String() {
	case "TABLE", "VIEW", "EXTERNALTABLE":
		w.table(path, sallyport.Administer, false)
	case "SCHEMA":
		w.schema(path, sallyport.Administer)
	default:
		w.p.refuse("rights on this are not understood", "grant on tables, views or datasets")
	}
	return w
}
