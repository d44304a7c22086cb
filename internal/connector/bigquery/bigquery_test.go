// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/bqanalyzer"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/googleclients"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Values of the clinic that nobody may see.
func canaries() []string {
	return []string{"219-09-999", "9999-90-912", "Ada Example", "Bo Sample", "Cy Specimen", "1961-04-02", "212-555-0143", "bo.sample@example.org"}
}

const policy = `
@id("connect") permit(principal in Role::"dwh", action == Action::"connect", resource == Resource::"dwh");
@id("look") permit(principal in Role::"dwh", action == Action::"read", resource in Resource::"dwh");
@id("notes") permit(principal in Role::"dwh", action == Action::"readScanned", resource in Label::"phi.note");
@id("public") permit(principal in Role::"dwh", action in [Action::"readRaw", Action::"filterBy"], resource in Label::"public");
@id("work") permit(principal in Role::"dwh", action in [Action::"write", Action::"delete", Action::"define", Action::"destroy", Action::"execute"], resource in Schema::"dwh/scratch");
@id("make") permit(principal in Role::"dwh", action in [Action::"write", Action::"delete", Action::"define", Action::"destroy"], resource in Schema::"dwh/made");
@id("labelled") permit(principal in Role::"dwh", action == Action::"destroy", resource in Schema::"dwh/clinic");
@id("plain") permit(principal in Role::"dwh", action == Action::"declassify", resource in Resource::"dwh") when { context.source == "public" };
@id("drop-first") @hold("group:privacy-officers") @expires("15m")
forbid(principal, action == Action::"destroy", resource in Schema::"dwh/clinic") unless { context has approval };
`

const resource = `  - name: dwh
    type: bigquery
    credential: {password: "file:bq.token"}
    labels: bq-labels.yaml
    bigquery:
      url: %s
      project: %s
      auth: {mode: bearer}
      analyser: %s
`

const labels = `version: 1
columns:
  clinic.patients.mrn: public
  clinic.patients.zip: public
  clinic.patients.name: phi.name
  clinic.patients.ssn: phi.ssn
  clinic.patients.birth: phi.birth
  clinic.patients.note: phi.note
  clinic.visits.*: public
  clinic.lab_results.*: public
  clinic.lab_results.comment: phi.note
  scratch.huge.id: public
  scratch.huge.tag: public
  scratch.huge.secret: phi.secret
`

type world struct {
	gatewaytest.Caller
	peer *bigquerypeer.Server
}

func start(t *testing.T, more ...gatewaytest.Option) *world {
	t.Helper()
	peer := bigquerypeer.Start(t, bigquerypeer.WithClinic())
	return startAt(t, peer, peer.URL, more...)
}

// startAt starts a gateway that reaches the counterpart at an address.
func startAt(t *testing.T, peer *bigquerypeer.Server, address string, more ...gatewaytest.Option) *world {
	t.Helper()
	return startEntry(t, peer, fmt.Sprintf(resource, address, bigquerypeer.Project, bqanalyzer.Binary(t)), more...)
}

// startEntry starts a gateway with an entry for the resource.
func startEntry(t *testing.T, peer *bigquerypeer.Server, entry string, more ...gatewaytest.Option) *world {
	t.Helper()
	g := gatewaytest.Start(t, append([]gatewaytest.Option{
		gatewaytest.Policy(policy), gatewaytest.File("bq.token", peer.Token), gatewaytest.File("bq-labels.yaml", labels), gatewaytest.Resource("dwh", "dwh", entry),
	}, more...)...)
	return &world{g.Caller(t, "dwh", "dwh"), peer}
}

func (w *world) service() googleclients.Service {
	return googleclients.Service{Project: bigquerypeer.Project, BigQuery: "https://" + w.HTTPAddress(), Token: w.Token, CA: w.CA}
}

// clean fails the test for a value in what somebody got.
func clean(t *testing.T, what, text string) {
	t.Helper()
	for _, c := range canaries() {
		if strings.Contains(text, c) {
			t.Errorf("%s shows %q: %s", what, c, text)
		}
	}
}

type (
	call   = googleclients.Call
	object = map[string]any
	array  = []any
)

func query(sql string) call { return call{Name: "query", SQL: sql} }

func rows(r ...any) object { return object{"rows": append(array{}, r...)} }

// TestLibraries has the libraries for Go and Node.js work with tables of which
// they may see some columns only masked.
func TestLibraries(t *testing.T) {
	t.Parallel()
	refused := &googleclients.Error{Code: 403}
	people := [][2]string{{"id", "INTEGER"}, {"name", "STRING"}}
	steps := []struct {
		call call
		want any    // see googleclients.Check; nil with note
		note string // what the answer has to hold
	}{
		{query("SELECT mrn, zip FROM clinic.patients ORDER BY mrn LIMIT 1"), rows(object{"mrn": 1001.0, "zip": "02139"}), ""},
		{query("SELECT * FROM clinic.patients ORDER BY mrn"), nil, "1003"},
		{query("SELECT mrn, note FROM clinic.patients ORDER BY mrn"), nil, "about the refill"},
		{query("SELECT mrn, REVERSE(ssn) AS r, SUBSTR(name, 1, 3) AS s, TO_JSON_STRING(p) AS j FROM clinic.patients p ORDER BY mrn"), nil, "1001"},
		{query("SELECT x.s FROM (SELECT ssn AS s FROM clinic.patients UNION ALL SELECT name FROM clinic.patients) x"), nil, "rows"},
		{query("SELECT name FROM clinic.adults"), refused, ""}, // it looks at birth dates
		{query("SELECT id, codes, vitals FROM clinic.visits ORDER BY id LIMIT 1"), nil, "E11.9"},
		{query("SELECT mrn FROM clinic.patients WHERE ssn LIKE '219%'"), refused, ""},
		{query("SELECT mrn FROM clinic.patients ORDER BY name"), refused, ""},
		{query("SELECT COUNT(*) AS n FROM clinic.patients GROUP BY birth"), refused, ""},
		{query("SELECT CAST(ssn AS INT64) FROM clinic.patients"), refused, ""},
		{call{Name: "rows", Dataset: "clinic", Table: "patients"}, nil, "1002"},
		{call{Name: "rows", Dataset: "clinic", Table: "lab_results", Page: 2}, nil, "haemolysed"},
		{call{Name: "job", SQL: "SELECT id, comment FROM clinic.lab_results ORDER BY id", Page: 3}, nil, "SELECT"},
		{call{Name: "job", SQL: "SELECT mrn, ssn FROM clinic.patients", Dry: true}, nil, "clinic.patients"},
		{call{Name: "job", SQL: "SELECT mrn, name FROM clinic.patients", To: "scratch.names"}, refused, ""},
		{call{Name: "job", SQL: "CREATE TABLE scratch.names AS SELECT mrn, name FROM clinic.patients"}, refused, ""},
		{call{Name: "job", SQL: "EXPORT DATA OPTIONS(uri='gs://b/x-*.csv', format='CSV') AS SELECT * FROM clinic.patients"}, refused, ""},
		{call{Name: "datasets"}, array{"clinic", "scratch"}, ""},
		{call{Name: "tables", Dataset: "clinic"}, array{"adults", "lab_results", "patients", "visits"}, ""},
		{call{Name: "table", Dataset: "clinic", Table: "patients"}, nil, "mrn INTEGER"},
		{call{Name: "create_dataset", Dataset: "made"}, nil, ""},
		{call{Name: "create_table", Dataset: "made", Table: "people", Schema: people}, nil, ""},
		{call{Name: "insert", Dataset: "made", Table: "people", Rows: []map[string]any{{"id": 1, "name": "Di Instance"}}}, nil, ""},
		{call{Name: "load", Dataset: "made", Table: "people", Schema: people, Text: "2,Ed Placeholder\n"}, nil, "1"},
		{call{Name: "delete_table", Dataset: "made", Table: "people"}, nil, ""},
		{call{Name: "jobs"}, nil, "job_"},
	}
	for name, client := range googleclients.Libraries() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			calls := make([]call, 0, len(steps))
			for _, one := range steps {
				calls = append(calls, one.call)
			}
			for i, got := range client(t, w.service(), calls...) {
				what := fmt.Sprintf("%d %s %s", i, calls[i].Name, calls[i].SQL)
				text := fmt.Sprint(got.Value)
				switch want := steps[i].want.(type) {
				case *googleclients.Error:
					if got.Error == nil || got.Error.Code != want.Code && got.Error.Code != 0 {
						t.Errorf("%s: %v %+v", what, got.Value, got.Error)
					}
				case nil:
					if got.Error != nil || !strings.Contains(text, steps[i].note) {
						t.Errorf("%s: %s %+v", what, text, got.Error)
					}
				default:
					googleclients.Check(t, what, want, got)
				}
				if got.Error != nil {
					text += got.Error.Message
				}
				clean(t, what, text)
			}
			for _, r := range w.peer.Requests() {
				if r.Token != bigquerypeer.TokenExpected {
					t.Errorf("%s %s came with token %q", r.Method, r.Path, r.Token)
				}
			}
		})
	}
}

// TestBQ has the real bq work, when the machine has it.
func TestBQ(t *testing.T) {
	t.Parallel()
	w := start(t)
	for _, one := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"query", "--nouse_legacy_sql", "SELECT mrn, name, ssn FROM clinic.patients ORDER BY mrn"}, 0, `"mrn":"1001"`},
		{[]string{"query", "--nouse_legacy_sql", "--dry_run", "SELECT name FROM clinic.patients"}, 0, "totalBytesProcessed"},
		{[]string{"query", "--nouse_legacy_sql", "SELECT mrn FROM clinic.patients WHERE name = 'x'"}, 1, "filterBy"},
		{[]string{"ls"}, 0, `"datasetId":"clinic"`},
		{[]string{"ls", "clinic"}, 0, `"tableId":"lab_results"`},
		{[]string{"show", "clinic.patients"}, 0, `"numRows":"3"`},
		{[]string{"head", "-n", "2", "clinic.patients"}, 0, `"mrn":"1001"`},
		{[]string{"mk", "--dataset", "made"}, 0, "successfully created"},
		{[]string{"mk", "--table", "made.t", "id:INTEGER,name:STRING"}, 0, "successfully created"},
		{[]string{"query", "--nouse_legacy_sql", "INSERT made.t (id, name) VALUES (1, 'Gil Fiction')"}, 0, ""},
		{[]string{"rm", "-f", "-t", "made.t"}, 0, ""},
		{[]string{"extract", "clinic.patients", "gs://somewhere/x.csv"}, 1, ""},
	} {
		got, ok := googleclients.BQ(t, w.service(), one.args...)
		if !ok {
			return
		}
		if got.Status != one.status || !strings.Contains(got.Out, one.want) {
			t.Errorf("bq %v: exit status %d: %s", one.args, got.Status, got.Out)
		}
		clean(t, fmt.Sprint("bq ", one.args), got.Out)
	}
	for _, how := range []string{"deny", "approve"} {
		done := make(chan googleclients.Printed, 1)
		go func() {
			got, _ := googleclients.BQ(t, w.service(), "query", "--nouse_legacy_sql", "DROP TABLE clinic.lab_results")
			done <- got
		}()
		w.Decide(t, w.HTTP, "DROP TABLE", how)
		if got := <-done; (got.Status == 0) != (how == "approve") {
			t.Errorf("DROP TABLE, %s: %+v", how, got)
		}
	}
}
