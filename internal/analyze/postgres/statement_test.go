// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
)

// clinic is a small catalog.
func clinic() *snapshot {
	relation := func(oid uint32, schema, name string, kind byte, columns ...postgres.Column) postgres.Relation {
		r := postgres.Relation{OID: oid, Schema: schema, Name: name, Kind: kind, Columns: map[int16]postgres.Column{}}
		for i, c := range columns {
			r.Columns[int16(i+1)] = c
		}
		return r
	}
	return &snapshot{
		relations: map[uint32]postgres.Relation{
			10: relation(10, "public", "patients", 'r',
				postgres.Column{Name: "id", Labels: []sallyport.Label{"public"}}, postgres.Column{Name: "ssn", Labels: []sallyport.Label{"phi.ssn"}}),
			11: relation(11, "public", "v", 'v', postgres.Column{Name: "a"}),
			12: {OID: 12, Schema: "pg_temp_3", Name: "tt", Kind: 'r', Temp: true, Columns: map[int16]postgres.Column{1: {Name: "x"}}},
		},
		functions: map[uint32]postgres.Function{20000: {Name: "f", Schema: "public", Volatility: 'v', Language: "sql"}},
	}
}

func gate(t *testing.T, sql string) *postgres.Gated {
	t.Helper()
	s, err := postgres.Gate(sql)
	if err != nil || len(s.Statements) != 1 {
		t.Fatalf("%s: %v", sql, err)
	}
	return s.Statements[0]
}

func TestPlanStatement(t *testing.T) {
	t.Parallel()
	ssn := postgres.ColumnRef{Relation: 10, Attnum: 2}
	plan := &postgres.Plan{
		Command: postgres.CommandSelect, HasRows: true,
		Outputs:    []postgres.PlanOutput{{Name: "a", Columns: []postgres.ColumnRef{ssn}}, {Name: "b", Unknown: "why"}},
		Predicates: []postgres.ColumnRef{{Relation: 10, Attnum: 1}, {Relation: 11, Attnum: 1}},
		Relations: []postgres.RelationUse{
			{Relation: 10, Effect: sallyport.Read, Columns: []int16{1, 2}},
			{Relation: 11, Effect: sallyport.Read},
			{Relation: 99, Effect: sallyport.Read},
		},
		Flows: []postgres.PlanFlow{{Target: postgres.ColumnRef{Relation: 12, Attnum: 1}, Columns: []postgres.ColumnRef{ssn}}},
		Calls: []postgres.Call{{Function: 20000}, {Operator: 30000}},
	}
	idColumn := sallyport.Column{Object: sallyport.Object{Kind: "column", Path: []string{"clinic", "public", "patients", "id"}, Key: "10.1"}, Labels: []sallyport.Label{"public"}}
	ssnColumn := sallyport.Column{Object: sallyport.Object{Kind: "column", Path: []string{"clinic", "public", "patients", "ssn"}, Key: "10.2"}, Labels: []sallyport.Label{"phi.ssn"}}
	want := &sallyport.Statement{
		Protocol: "postgres", Readable: "select ?", Class: "select", Effects: []sallyport.Effect{sallyport.Read, sallyport.Execute},
		Accesses: []sallyport.Access{
			{Effect: sallyport.Read, Object: sallyport.Object{Kind: "table", Path: []string{"clinic", "public", "patients"}, Key: "10"}, Columns: []sallyport.Column{idColumn, ssnColumn}},
			{Effect: sallyport.Read, Object: sallyport.Object{Kind: "view", Path: []string{"clinic", "public", "v"}, Key: "11"}},
			{Effect: sallyport.Read, Object: sallyport.Object{Kind: "table", Path: []string{"clinic", "unknown", "99"}, Key: "99"}},
			{Effect: sallyport.Execute, Object: sallyport.Object{Kind: "function", Path: []string{"clinic", "public", "f"}, Key: "20000"}},
			{Effect: sallyport.Execute, Object: sallyport.Object{Kind: "operator", Path: []string{"clinic", "unknown", "30000"}, Key: "30000"}},
		},
		Outputs: []sallyport.Output{{Sources: []sallyport.Column{ssnColumn}}, {Unknown: true, Why: "why"}},
		Predicates: []sallyport.Column{
			idColumn,
			{Object: sallyport.Object{Kind: "column", Path: []string{"clinic", "public", "v", "a"}, Key: "11.1"}},
		},
		Flows: []sallyport.Flow{{Target: sallyport.Column{Object: sallyport.Object{
			Kind: "temp column",
			Path: []string{"clinic", "pg_temp_3", "tt", "x"}, Key: "12.1",
		}}, Sources: []sallyport.Column{ssnColumn}, Altered: true}},
	}
	if diff := cmp.Diff(want, plan.Statement(gate(t, "select 1"), "clinic", clinic())); diff != "" {
		t.Error(diff)
	}

	// EXPLAIN writes nothing and answers text that the predicates are told by.
	st := plan.Statement(gate(t, "explain select 1"), "clinic", clinic())
	if len(st.Outputs) != 1 || !st.Outputs[0].Unknown || len(st.Outputs[0].Sources) != 2 || st.Flows != nil {
		t.Errorf("%+v", st)
	}
	// CREATE TABLE AS answers nothing: what would be rows flows into the table.
	st = plan.Statement(gate(t, "create table public.leak as select 1"), "clinic", clinic())
	if st.Outputs != nil || len(st.Flows) != 3 || st.Flows[1].Target.Object.Name() != "clinic/public/leak/1" || !st.Flows[2].Unknown {
		t.Errorf("%+v", st)
	}
	refused := &postgres.Plan{Refused: "no", Hint: "do"}
	if st := refused.Statement(gate(t, "select 1"), "clinic", clinic()); st.Refused != "no" || st.Hint != "do" {
		t.Errorf("%+v", st)
	}
	// Nothing touched: housekeeping.
	if st := (&postgres.Plan{HasRows: true, Outputs: []postgres.PlanOutput{{}}}).Statement(gate(t, "select now()"), "clinic", clinic()); st.Accesses != nil ||
		!cmp.Equal(st.Effects, []sallyport.Effect{sallyport.Control}) || !cmp.Equal(st.Outputs, []sallyport.Output{{}}) {
		t.Errorf("%+v", st)
	}
}

func TestGatedStatement(t *testing.T) {
	t.Parallel()
	catalog := clinic()
	resolve := func(schema, name string) (postgres.Relation, bool) {
		if schema == "" {
			schema = "public"
		}
		return catalog.resolve(schema, name)
	}
	for _, c := range []struct {
		sql, want string
		outputs   int
		unknown   bool
	}{
		{"drop table patients", "destroy table clinic/public/patients#10", 0, false},
		{"drop table public.v", "destroy view clinic/public/v#11", 0, false},
		{"drop table pg_temp_3.tt", "destroy temp table clinic/pg_temp_3/tt#12", 0, false},
		{"drop table nowhere", "destroy table clinic/a/nowhere#, destroy table clinic/public/nowhere#", 0, false},
		{"drop table hc.nowhere", "destroy table clinic/hc/nowhere#", 0, false},
		{"create table x (id int)", "define table clinic/a/x#", 0, false},
		{"create temp table x (id int)", "define temp table clinic/pg_temp/x#", 0, false},
		{"drop schema s", "destroy schema clinic/s#", 0, false},
		{"drop function f(int)", "destroy function clinic/a/f#, destroy function clinic/public/f#", 0, false},
		{"drop database d", "destroy database clinic/d#", 0, false},
		{"vacuum", "administer database clinic#", 0, false},
		{"grant select on patients to bob", "administer table clinic/public/patients#10, administer role clinic/bob#", 0, false},
		{"select * from patients", "read table clinic/public/patients#10", 1, true},
		{"select f()", "read database clinic#", 1, true},
		{"select nextval('s')", "read database clinic#, write database clinic#", 1, true},
		{"select 1", "", 1, true},
		{"begin", "", 0, false},
		{"show all", "", 1, false},
		{"call p()", "execute function clinic/a/p#, execute function clinic/public/p#", 1, true},
		{"copy patients from stdin", "write table clinic/public/patients#10", 0, false},
		{"create role r", "administer role clinic/r#", 0, false},
	} {
		t.Run(c.sql, func(t *testing.T) {
			t.Parallel()
			st := gate(t, c.sql).Statement("clinic", []string{"a", "public"}, resolve)
			var got []string
			for _, a := range st.Accesses {
				got = append(got, a.Effect.String()+" "+a.Object.Kind+" "+a.Object.Name()+"#"+a.Object.Key)
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), c.want)
			}
			if len(st.Outputs) != c.outputs || c.outputs == 1 && st.Outputs[0].Unknown != c.unknown {
				t.Errorf("%+v", st.Outputs)
			}
		})
	}
}
