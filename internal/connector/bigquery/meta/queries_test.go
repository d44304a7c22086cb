// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package meta_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/connector/bigquery/meta"
	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
)

// query is a text in the resource's own project, with the clinic as its default.
func query(text string, change ...func(*analyze.Query)) analyze.Query {
	q := analyze.Query{Text: text, Project: bigquerypeer.Project, Dataset: analyze.Dataset{Project: bigquerypeer.Project, ID: "clinic"}}
	for _, f := range change {
		f(&q)
	}
	return q
}

// outputs writes where each output comes from.
func outputs(st *sallyport.Statement) string {
	var out []string
	for _, o := range st.Outputs {
		switch s := columns(o.Sources); {
		case o.Unknown:
			out = append(out, "?")
		case o.Direct:
			out = append(out, "="+s)
		default:
			out = append(out, s)
		}
	}
	return strings.Join(out, "; ")
}

func objects(st *sallyport.Statement) string {
	var out []string
	for _, a := range st.Accesses {
		out = append(out, a.Effect.String()+" "+a.Object.Kind+" "+strings.Join(a.Object.Path[1:], "."))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func TestTracedQueries(t *testing.T) {
	bq := clinic(t)
	q := meta.NewQueries(catalogue(t, target(bq)), analyser(t))
	for name, tt := range map[string]struct {
		text                string
		change              func(*analyze.Query)
		outputs, predicates string
	}{
		"columns": {
			text:    "SELECT ssn, UPPER(name), zip FROM patients WHERE note IS NULL",
			outputs: "=clinic.patients.ssn phi.ssn; clinic.patients.name phi.name; =clinic.patients.zip public", predicates: "clinic.patients.note phi.note",
		},
		"a view": {
			text:    "SELECT name FROM clinic.adults",
			outputs: "=clinic.patients.name phi.name", predicates: "clinic.patients.birth public",
		},
		"fields": {
			text:    "SELECT vitals.unit, vitals.pulse, ARRAY(SELECT value FROM v.readings) FROM clinic.visits v",
			outputs: "=clinic.visits.vitals.unit public; =clinic.visits.vitals.pulse phi.vital; clinic.visits.readings, clinic.visits.readings.value", predicates: "clinic.visits.readings, clinic.visits.readings.value",
		},
		"a wildcard": {
			text:    "SELECT id, ssn FROM `shards.events_*`",
			outputs: "shards.events_a.id public, shards.events_b.id public; shards.events_a.ssn, shards.events_b.ssn phi.ssn",
		},
		"parameters": {
			text: "SELECT zip FROM patients WHERE ssn = @s AND mrn IN UNNEST(@m) AND zip = @r.zip",
			change: func(q *analyze.Query) {
				q.Parameters = []analyze.Parameter{
					{Name: "s", Type: "STRING"},
					{Name: "m", Type: "INT64", Repeated: true},
					{Name: "r", Type: "STRUCT", Fields: []analyze.Parameter{{Name: "zip", Type: "STRING"}}},
				}
			},
			outputs: "=clinic.patients.zip public", predicates: "clinic.patients.mrn phi.mrn, clinic.patients.ssn phi.ssn, clinic.patients.zip public",
		},
		"a table of the request's own": {
			text:    "SELECT 1 FROM Patients",
			change:  func(q *analyze.Query) { q.Temporary = []string{"patients"} },
			outputs: "?", predicates: "clinic.Patients.*, unknown.Patients.*",
		},
		"a session": {
			text:    "SELECT 1 FROM clinic.adults, patients",
			change:  func(q *analyze.Query) { q.Session = true },
			outputs: "?", predicates: "clinic.adults.mrn, clinic.adults.name, clinic.adults.birth, clinic.patients.mrn phi.mrn, clinic.patients.name phi.name, clinic.patients.ssn phi.ssn, clinic.patients.birth public, clinic.patients.note phi.note, clinic.patients.zip public, unknown.patients.*",
		},
		"a table that is not there":   {text: "SELECT ssn FROM clinic.none", outputs: "?"},
		"a dataset that is not there": {text: "SELECT ssn FROM `none.events_*`", outputs: "?"},
		"a name that none has":        {text: "SELECT 1 FROM `clinic.a;b`", outputs: "?", predicates: "clinic.a;b.*"},
	} {
		if tt.change == nil {
			tt.change = func(*analyze.Query) {}
		}
		st, _, err := q.Analyse(t.Context(), query(tt.text, tt.change))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := outputs(st); got != tt.outputs {
			t.Errorf("%s: outputs\ngot  %s\nwant %s", name, got, tt.outputs)
		}
		if got := columns(st.Predicates); got != tt.predicates {
			t.Errorf("%s: predicates\ngot  %s\nwant %s", name, got, tt.predicates)
		}
	}
}

func TestUntracedQueries(t *testing.T) {
	bq := clinic(t)
	q := meta.NewQueries(catalogue(t, target(bq)), nil)
	st, _, err := q.Analyse(t.Context(), query("SELECT zip FROM patients"))
	if err != nil {
		t.Fatal(err)
	}
	if outputs(st) != "?" || objects(st) != "read table clinic.patients" || len(st.Predicates) != 6 {
		t.Errorf("%s, %s, %s", outputs(st), objects(st), columns(st.Predicates))
	}
	st, _, err = q.Analyse(t.Context(), query("SELECT id FROM `shards.events_*`"))
	if err != nil {
		t.Fatal(err)
	}
	if got := objects(st); got != "read table shards.events_a, read table shards.events_b" {
		t.Error(got)
	}
	st, _, err = q.Analyse(t.Context(), query("DROP TABLE patients"))
	if err != nil || objects(st) != "destroy table clinic.patients" {
		t.Errorf("%s, %v", objects(st), err)
	}
}

func TestTextsOfViews(t *testing.T) {
	bq := clinic(t)
	q := meta.NewQueries(catalogue(t, target(bq)), nil)
	for text, refused := range map[string]bool{
		"SELECT zip FROM clinic.patients": false, "DROP TABLE clinic.patients": true, "SELECT 1; SELECT 2": true,
	} {
		st, _, err := q.Analyse(t.Context(), query(text, func(q *analyze.Query) { q.View, q.Dataset = true, analyze.Dataset{} }))
		if err != nil || (st.Refused != "") != refused {
			t.Errorf("%s: %v, %v", text, st, err)
		}
	}
}

func TestQueriesThatAreRefused(t *testing.T) {
	bq := clinic(t)
	q := meta.NewQueries(catalogue(t, target(bq)), analyser(t))
	elsewhere := func(q *analyze.Query) { q.Dataset = analyze.Dataset{Project: "elsewhere", ID: "clinic"} }
	for text, tt := range map[string]struct {
		kind   sallyport.Kind
		change func(*analyze.Query)
	}{
		"SELECT '219-09-9991": {kind: sallyport.Invalid},
		"SELECT a FROM clinic.patients WHERE '219-09-9991' = ssn":       {kind: sallyport.Invalid}, // no such column
		"SELECT 1 FROM clinic.patients WHERE zip = @p219":               {kind: sallyport.Invalid},
		"#legacySQL\nSELECT 1":                                          {kind: sallyport.Denied},
		strings.Repeat("(", 200):                                        {kind: sallyport.Exhausted},
		"SELECT 1 FROM `123456789012.clinic.patients`":                  {kind: sallyport.Invalid},
		"SELECT 1 FROM `Clinic-Test.clinic.patients`":                   {kind: sallyport.Invalid},
		"SELECT `123456789012.clinic.f`(1)":                             {kind: sallyport.Invalid},
		"SELECT 1 FROM `123456789012.clinic`.INFORMATION_SCHEMA.TABLES": {kind: sallyport.Invalid},
		"DROP SCHEMA `123456789012.clinic`":                             {kind: sallyport.Invalid},
		"SELECT * FROM _0a1b.anon":                                      {kind: sallyport.NotFound},
		"SELECT * FROM `clinic-test._0a1b.anon`":                        {kind: sallyport.NotFound},
		"SELECT 1 FROM patients":                                        {kind: sallyport.Invalid, change: elsewhere},
		"SELECT 1 FROM clinic.patients":                                 {kind: sallyport.Invalid, change: elsewhere},
	} {
		if tt.change == nil {
			tt.change = func(*analyze.Query) {}
		}
		st, _, err := q.Analyse(t.Context(), query(text, tt.change))
		if st != nil || sallyport.KindOf(err) != tt.kind || strings.Contains(err.Error(), "219") {
			t.Errorf("%.40s: %v, %v", text, st, err)
		}
		if _, hint := sallyport.Public(err); hint == "" {
			t.Errorf("%.40s: %v has no hint", text, err)
		}
	}
	if _, _, err := q.Analyse(t.Context(), query("SELECT 1 FROM `clinic-test.clinic.patients`", elsewhere)); err != nil {
		t.Errorf("a whole name: %v", err)
	}
	for _, r := range bq.Requests() {
		if strings.Contains(r.Path, "123456789012") || strings.Contains(r.Path, "_0a1b") {
			t.Errorf("%s was asked for", r.Path)
		}
	}
}

// TestTargetsThatDoNotAnswer end the analysis: what is not known because of a
// failure is not taken for what is not there.
func TestTargetsThatDoNotAnswer(t *testing.T) {
	bq := clinic(t)
	for _, a := range []meta.Analyser{nil, analyser(t)} {
		for text, path := range map[string]string{
			"SELECT 1 FROM clinic.patients":          "/tables/patients",
			"SELECT 1 FROM clinic.adults":            "/tables/patients", // inside the view
			"SELECT 1 FROM `shards.events_*`":        "/shards/tables",
			"SELECT 1 FROM `shards.even*`":           "/tables/events_b",
			"DELETE FROM clinic.patients WHERE TRUE": "/tables/patients",
		} {
			q := meta.NewQueries(catalogue(t, target(bq)), a)
			bq.Fail(bigquerypeer.Fault{Next: 1, Path: path, Status: 503})
			if st, _, err := q.Analyse(t.Context(), query(text)); sallyport.KindOf(err) != sallyport.Unavailable {
				t.Errorf("%s: %v, %v", text, st, err)
			}
			if _, _, err := q.Analyse(t.Context(), query(text)); err != nil {
				t.Errorf("%s afterwards: %v", text, err)
			}
		}
	}
}

// TestTablesThatChanged are read anew where a text does not fit what was known.
func TestTablesThatChanged(t *testing.T) {
	bq := clinic(t)
	q := meta.NewQueries(catalogue(t, target(bq)), analyser(t))
	if _, _, err := q.Analyse(t.Context(), query("SELECT zip FROM patients")); err != nil {
		t.Fatal(err)
	}
	bq.SQL("ALTER TABLE clinic.patients ADD COLUMN phone VARCHAR")
	st, _, err := q.Analyse(t.Context(), query("SELECT phone FROM patients"))
	if err != nil || outputs(st) != "=clinic.patients.phone public" {
		t.Errorf("%v, %v", st, err)
	}
}

func TestTextsThatNameTooMuch(t *testing.T) {
	t.Parallel()
	calls, list := 0, `{"tables":[`
	for i := range 101 {
		list += `{"tableReference":{"tableId":"t` + strings.Repeat("x", i) + `"}},`
	}
	list = strings.TrimSuffix(list, ",") + "]}"
	fetch := func(ctx context.Context, path string, query url.Values) (int, []byte, error) {
		switch calls++; {
		case strings.HasSuffix(path, "/many/tables"):
			return http.StatusOK, []byte(list), nil
		case strings.HasSuffix(path, "/endless/tables"):
			return http.StatusOK, []byte(`{"nextPageToken":"again"}`), nil
		}
		return other(ctx, path, query)
	}
	q := meta.NewQueries(catalogue(t, fetch), nil)
	for _, text := range []string{"SELECT 1 FROM `many.t*`", "SELECT 1 FROM `endless.t*`"} {
		st, _, err := q.Analyse(t.Context(), query(text))
		if err != nil || outputs(st) != "?" || !strings.HasSuffix(columns(st.Predicates), ".t*.*") || len(st.Predicates) != 1 || calls > 20 {
			t.Errorf("%s: %v, %v after %d calls", text, st, err, calls)
		}
		calls = 0
	}
	text := "SELECT 1 FROM clinic.t"
	for i := range 501 {
		text += ", clinic.t" + strings.Repeat("x", i)
	}
	if _, _, err := q.Analyse(t.Context(), query(text)); sallyport.KindOf(err) != sallyport.Exhausted || calls > 500 {
		t.Errorf("%v after %d calls", err, calls)
	}
}
