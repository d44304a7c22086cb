// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"strings"
	"testing"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/policy"
)

// compile compiles one file and fails the test on any error.
func compile(tb testing.TB, text string) *policy.Set {
	tb.Helper()
	set, diags := policy.Compile([]policy.File{{Name: "test.cedar", Text: text}})
	if err := diags.Err(); err != nil {
		tb.Fatal(err)
	}
	return set
}

// oracleRequest rebuilds, with all its entities and its whole context, the Cedar
// request that a step of a trace stands for. It shares no code with the
// package.
func oracleRequest(q policy.Query, s policy.Step) (types.EntityMap, cedar.Request) {
	m := types.EntityMap{}
	p := types.EntityUID{Type: "Principal", ID: types.String(q.Principal.ID)}
	var parents []types.EntityUID
	parent := func(t types.EntityType, id string) {
		uid := types.EntityUID{Type: t, ID: types.String(id)}
		parents = append(parents, uid)
		m[uid] = types.Entity{UID: uid}
	}
	for _, g := range q.Principal.Groups {
		parent("Group", g)
	}
	for _, r := range q.Roles {
		parent("Role", string(r))
	}
	parent("Kind", string(q.Principal.Kind))
	attrs := types.RecordMap{}
	for k, v := range q.Principal.Attributes {
		attrs[types.String(k)] = types.String(v)
	}
	attrs["id"], attrs["kind"] = types.String(q.Principal.ID), types.String(q.Principal.Kind)
	m[p] = types.Entity{UID: p, Parents: types.NewEntityUIDSet(parents...), Attributes: types.NewRecord(attrs)}

	object := parseUID(s.Object)
	kind := map[types.EntityType]string{"Table": "table", "Column": "column", "Resource": "resource", "Schema": "schema"}[object.Type]
	name := string(object.ID)[strings.LastIndexByte(string(object.ID), '/')+1:]
	var own []types.EntityUID
	var last [2]types.EntityUID // of the chain of containers, of the chain of labels
	for _, text := range s.Within {
		uid := parseUID(text)
		chain := 0
		if uid.Type == "Label" {
			chain = 1
		}
		m[uid] = types.Entity{UID: uid}
		if prev := last[chain]; prev.Type == "" {
			own = append(own, uid)
		} else {
			m[prev] = types.Entity{UID: prev, Parents: types.NewEntityUIDSet(uid)}
		}
		last[chain] = uid
	}
	m[object] = types.Entity{UID: object, Parents: types.NewEntityUIDSet(own...), Attributes: types.NewRecord(types.RecordMap{
		"kind": types.String(kind), "name": types.String(name),
	})}
	return m, cedar.Request{
		Principal: p, Action: types.EntityUID{Type: "Action", ID: types.String(s.Action)}, Resource: object,
		Context: oracleContext(q, s),
	}
}

func oracleContext(q policy.Query, s policy.Step) types.Record {
	var columns, labels []types.Value
	for _, c := range s.Columns {
		columns = append(columns, types.String(c))
	}
	for _, l := range s.Labels {
		parts := strings.Split(string(l), ".")
		for i := range parts {
			labels = append(labels, types.String(strings.Join(parts[:i+1], ".")))
		}
	}
	class := "connect"
	if q.Statement != nil {
		class = q.Statement.Class
	}
	weekday := types.Long((int(q.Now.UTC().Weekday())+6)%7 + 1)
	ctx := types.RecordMap{
		"columns": types.NewSet(columns...), "labels": types.NewSet(labels...), "source": types.String(s.Source),
		"class": types.String(class), "in_transaction": types.Boolean(q.InTransaction),
		"hour": types.Long(q.Now.UTC().Hour()), "weekday": weekday, "now": types.Long(q.Now.Unix()),
	}
	grant := types.NewRecord(types.RecordMap{"id": types.String("pending"), "request": types.String("pending"), "role": types.String("")})
	if g := q.Grant; g != nil {
		grant = types.NewRecord(types.RecordMap{"id": types.String(g.ID), "request": types.String(g.Request), "role": types.String(g.Role)})
	}
	approval := types.NewRecord(types.RecordMap{
		"request": types.String("pending"), "approver": types.String("pending"), "method": types.String(""), "at": types.Long(q.Now.Unix()),
	})
	if a := q.Approval; a != nil {
		approval = types.NewRecord(types.RecordMap{
			"request": types.String(a.Request), "approver": types.String(a.Approver),
			"method": types.String(a.Authn.Method), "at": types.Long(a.At.Unix()),
		})
	}
	lifted := s.Given != ""
	if s.Action == "connect" {
		if lifted {
			ctx["grant"] = grant
		}
	} else {
		if q.Grant != nil {
			ctx["grant"] = grant
		}
		if lifted {
			ctx["approval"] = approval
		}
	}
	return types.NewRecord(ctx)
}

func parseUID(s string) types.EntityUID {
	var uid types.EntityUID
	if err := uid.UnmarshalCedar([]byte(s)); err != nil {
		panic(err)
	}
	return uid
}

// column makes a column of clinic/public/patients, or of the path given.
func column(name string, labels ...sallyport.Label) sallyport.Column {
	path := []string{"clinic", "public", "patients", name}
	if strings.Contains(name, "/") {
		path = strings.Split(name, "/")
	}
	return sallyport.Column{Object: sallyport.Object{Kind: "column", Path: path}, Labels: labels}
}

// table makes a table of the path given.
func table(path string) sallyport.Object {
	return sallyport.Object{Kind: "table", Path: strings.Split(path, "/")}
}

// fuzzQueries are the questions that a fuzzed set must answer.
func fuzzQueries() []policy.Query {
	st := sel(column("ssn", "phi.ssn"), column("x"))
	st.Predicates = []sallyport.Column{column("ssn", "phi.ssn")}
	st.Flows = []sallyport.Flow{{Target: column("y", "public"), Sources: st.Predicates, Unknown: true}}
	return []policy.Query{query(st), approved(query(st)), query(nil)}
}
