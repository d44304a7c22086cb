// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package meta_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/connector/bigquery/meta"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
)

// run has the counterpart answer a request and masks the answer's rows.
func run(t *testing.T, bq *bigquerypeer.Server, method, path, body string, cols func(schema []byte) []mask.BQColumn) (string, []mask.Count) {
	t.Helper()
	status, answer, err := ask(t.Context(), &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, bq, method, path, body)
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d, %v: %s", status, err, answer)
	}
	var members struct{ Schema json.RawMessage }
	if err := json.Unmarshal(answer, &members); err != nil {
		t.Fatal(err)
	}
	plan, err := mask.NewBQPlan(cols(members.Schema), "safe-harbor")
	if err != nil {
		t.Fatal(err)
	}
	out, err := plan.MaskRows(mask.FromUpstream(answer), []mask.BQMember{{Name: "rows", Do: mask.BQRows}})
	if err != nil {
		t.Fatal(err)
	}
	return values(t, out.AppendTo(nil)), plan.TakeCounts()
}

// values writes rows in lines.
func values(t *testing.T, answer []byte) string {
	t.Helper()
	var a struct {
		Rows []struct{ F []struct{ V json.RawMessage } }
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range a.Rows {
		var cells []string
		for _, f := range r.F {
			s := strings.NewReplacer(`{"v":`, "", `{"f":[`, "(", `]}`, ")", `}`, "", `"`, "").Replace(string(f.V))
			cells = append(cells, s)
		}
		lines = append(lines, strings.Join(cells, " | "))
	}
	return strings.Join(lines, "\n")
}

func TestColumnsOfQueries(t *testing.T) {
	bq := clinic(t)
	set := masking(t)
	traced := meta.NewQueries(catalogue(t, target(bq)), analyser(t))
	untraced := meta.NewQueries(catalogue(t, target(bq)), nil)
	for name, tt := range map[string]struct {
		queries *meta.Queries
		text    string
		want    string
	}{
		"by lineage":  {traced, "SELECT zip, ssn, UPPER(name) AS n, mrn AS m FROM clinic.patients WHERE mrn = 1001", "02139 | [phi.ssn] | [phi.name] | 0"},
		"a view":      {traced, "SELECT name, birth FROM clinic.adults WHERE mrn = 1001", "[phi.name] | 1961-04-02"},
		"a record":    {traced, "SELECT id, vitals, readings FROM clinic.visits WHERE id = 1", "1 | (0,[phi.vital]) | []"},
		"one field":   {traced, "SELECT vitals.unit FROM clinic.visits WHERE id = 1", "bpm"},
		"not traced":  {untraced, "SELECT zip, ssn FROM clinic.patients WHERE mrn = 1001", "[unclassified] | [unclassified]"},
		"one unknown": {untraced, "SELECT zip FROM clinic.patients WHERE mrn = 1001", "[phi.mrn]"},
	} {
		st, _, err := tt.queries.Analyse(t.Context(), query(tt.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		body, err := json.Marshal(map[string]any{"query": tt.text, "useLegacySql": false})
		if err != nil {
			t.Fatal(err)
		}
		got, _ := run(t, bq, http.MethodPost, "/bigquery/v2/projects/"+bigquerypeer.Project+"/queries", string(body), func(schema []byte) []mask.BQColumn {
			cols, err := meta.Columns(set, schema, st, verdict(st))
			if err != nil {
				t.Fatal(err)
			}
			return cols
		})
		if got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, tt.want)
		}
	}
}

func TestColumnsOfTables(t *testing.T) {
	bq := clinic(t)
	set := masking(t)
	c := catalogue(t, target(bq))
	a, err := analyze.New(analyze.Config{Resource: "wh", Project: bigquerypeer.Project, Catalog: c, Queries: meta.NewQueries(c, nil)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ table, selected, want string }{
		{"patients", "", "0 | [phi.name] | [phi.ssn] | 1961-04-02 | [phi.note] | 02139"},
		{"patients", "zip, SSN", "[phi.ssn] | 02139"},
		{"visits", "vitals,id", "1 | (0,bpm)"},
		{"visits", "vitals.unit,vitals.pulse,id", "1 | (0,bpm)"},
		{"visits", "readings,codes", "[] | [(glucose,0.0),(sodium,0.0)]"},
	} {
		path := "/bigquery/v2/projects/" + bigquerypeer.Project + "/datasets/clinic/tables/" + tt.table + "/data"
		query := url.Values{"maxResults": {"1"}}
		if tt.selected != "" {
			query.Set("selectedFields", strings.ReplaceAll(strings.ReplaceAll(tt.selected, " ", ""), "SSN", "ssn"))
		}
		call, err := a.Analyse(t.Context(), analyze.Request{Method: http.MethodGet, Path: path, Query: query.Encode(), Header: http.Header{}})
		if err != nil {
			t.Fatal(err)
		}
		got, counts := run(t, bq, http.MethodGet, path+"?"+query.Encode(), "", func([]byte) []mask.BQColumn {
			cols, err := c.TableColumns(t.Context(), set, call.Table, tt.selected, call.Statement, verdict(call.Statement))
			if err != nil {
				t.Fatal(err)
			}
			return cols
		})
		if got != tt.want {
			t.Errorf("%s %q:\ngot  %s\nwant %s\n%+v", tt.table, tt.selected, got, tt.want, counts)
		}
	}
}

// TestWhatTheVerdictWasNotAbout is masked: a statement of another table, of other
// columns or of none.
func TestWhatTheVerdictWasNotAbout(t *testing.T) {
	bq := clinic(t)
	set := masking(t)
	c := catalogue(t, target(bq))
	source := func(path ...string) sallyport.Output {
		return sallyport.Output{Direct: true, Sources: []sallyport.Column{{Object: sallyport.Object{Kind: "column", Path: append([]string{"wh"}, path...)}, Labels: []sallyport.Label{"public"}}}}
	}
	zip := source("clinic", "patients", "zip")
	for name, outputs := range map[string][]sallyport.Output{
		"another column": {source("clinic", "patients", "birth")},
		"another table":  {source("clinic", "visits", "zip")},
		"a short path":   {source("clinic")},
		"none":           nil,
		"no sources":     {{}},
		"two":            {zip, zip},
		"unknown":        {{Unknown: true, Sources: zip.Sources}},
	} {
		cols, err := c.TableColumns(t.Context(), set, table("clinic", "patients"), "zip", &sallyport.Statement{Outputs: outputs}, nil)
		if err != nil || len(cols) != 1 || !cols[0].Mask || cols[0].Operator != nil {
			t.Errorf("%s: %+v, %v", name, cols, err)
		}
	}
	cols, err := c.TableColumns(t.Context(), set, table("clinic", "patients"), "zip", &sallyport.Statement{Outputs: []sallyport.Output{zip}}, nil)
	if err != nil || cols[0].Mask {
		t.Errorf("what it was about: %+v, %v", cols, err)
	}
	// The label is another than the one that was judged.
	ssn := source("clinic", "patients", "ssn")
	cols, err = c.TableColumns(t.Context(), set, table("clinic", "patients"), "ssn", &sallyport.Statement{Outputs: []sallyport.Output{ssn}}, nil)
	if err != nil || !cols[0].Mask || cmp.Diff(cols[0].Labels, []sallyport.Label{"phi.ssn"}) != "" {
		t.Errorf("another label: %+v, %v", cols, err)
	}
	for _, m := range []sallyport.Mask{{Reason: "unknown-lineage", Labels: []sallyport.Label{"phi.x"}}, {Reason: "label"}} {
		cols, err := c.TableColumns(t.Context(), set, table("clinic", "patients"), "zip", &sallyport.Statement{Outputs: []sallyport.Output{zip}}, []sallyport.Mask{m})
		if err != nil || !cols[0].Mask {
			t.Errorf("%+v: %+v, %v", m, cols, err)
		}
	}
	if _, err := c.TableColumns(t.Context(), set, table("clinic", "none"), "", &sallyport.Statement{}, nil); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("a table that is not there: %v", err)
	}
}

func TestSelections(t *testing.T) {
	t.Parallel()
	cols := []mask.BQColumn{
		{Name: "a"},
		{Name: "E", Fields: []mask.BQColumn{{Name: "b"}, {Name: "d", Fields: []mask.BQColumn{{Name: "f"}, {Name: "g"}}}}},
	}
	var write func([]mask.BQColumn) string
	write = func(cols []mask.BQColumn) string {
		var out []string
		for _, c := range cols {
			if len(c.Fields) > 0 {
				c.Name += "(" + write(c.Fields) + ")"
			}
			out = append(out, c.Name)
		}
		return strings.Join(out, " ")
	}
	for selected, want := range map[string]string{
		"a": "a", "e": "E(b d(f g))", "E, A": "a E(b d(f g))", "e.d.f,a": "a E(d(f))", "e.d.g,e.b": "E(b d(g))",
		"e.d,e.d.f": "E(d(f g))", "a,a": "a",
	} {
		got, err := meta.Select(cols, selected)
		if err != nil || write(got) != want {
			t.Errorf("%s: %s, %v", selected, write(got), err)
		}
	}
	for _, selected := range []string{"", "x", "a.b", "e.", ".", "e.x", "e,e.x", "a,", "e.d.f.g"} {
		if got, err := meta.Select(cols, selected); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%q: %s, %v", selected, write(got), err)
		}
	}
	if got := write(cols); got != "a E(b d(f g))" {
		t.Errorf("the columns became %s", got)
	}
}

func TestSchemasThatAreNone(t *testing.T) {
	t.Parallel()
	set := masking(t)
	st := &sallyport.Statement{Outputs: []sallyport.Output{{}}}
	for _, schema := range []string{"[]", `{"fields":1}`, `{"fields":[{"name":"219-09-9991"}]}`, `{"fields":[{"name":"a","type":"STRING","fields":[{"name":"b","type":"STRING"}]}]}`} {
		if got, err := meta.Columns(set, []byte(schema), st, nil); sallyport.KindOf(err) != sallyport.Unavailable || strings.Contains(err.Error(), "219") {
			t.Errorf("%s: %v, %v", schema, got, err)
		}
	}
	if got, err := meta.Columns(set, nil, st, nil); err != nil || len(got) > 0 {
		t.Errorf("none: %v, %v", got, err)
	}
}
