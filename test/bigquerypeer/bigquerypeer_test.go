// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquerypeer_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/googleclients"
)

// service is the counterpart as clients are pointed at it.
func service(s *bigquerypeer.Server) googleclients.Service {
	return googleclients.Service{Project: bigquerypeer.Project, BigQuery: s.URL, Token: s.Token, Read: s.Read, CA: s.ReadCA}
}

// step is a call with what every library must make of it.
type step struct {
	call googleclients.Call
	want any // see googleclients.Check
}

// meet makes the calls by every library, each against a counterpart of its own.
func meet(t *testing.T, start func(t *testing.T) (*bigquerypeer.Server, googleclients.Service), steps []step) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(googleclients.Libraries())) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, svc := start(t)
			calls := make([]googleclients.Call, 0, len(steps))
			for _, one := range steps {
				calls = append(calls, one.call)
			}
			for i, got := range googleclients.Libraries()[name](t, svc, calls...) {
				googleclients.Check(t, fmt.Sprintf("%d %s %s", i, calls[i].Name, calls[i].SQL), steps[i].want, got)
			}
			for _, r := range s.Requests() {
				if r.Token != bigquerypeer.TokenExpected || r.Identity != bigquerypeer.Identity {
					t.Errorf("%s %s came with token %q of %q", r.Method, r.Path, r.Token, r.Identity)
				}
			}
		})
	}
}

// names for JSON.
type (
	object = map[string]any
	array  = []any
)

func clinic(t *testing.T) (*bigquerypeer.Server, googleclients.Service) {
	t.Helper()
	s := bigquerypeer.Start(t, bigquerypeer.WithClinic())
	return s, service(s)
}

func rows(r ...any) object { return object{"rows": append(array{}, r...)} }

// ada is the first row of patients.
func ada() object {
	return object{"mrn": 1001.0, "name": "Ada Example", "ssn": "219-09-9991", "birth": "1961-04-02", "note": "Called from 212-555-0143 about the refill.", "zip": "02139"}
}

// visit is the first row of visits, with every type.
func visit() object {
	return object{
		"id": 1.0, "mrn": 1001.0, "arrived": "2026-01-05T09:30:00.25Z", "local": "2026-01-05T09:30:00", "day": "2026-01-05", "fee": "120.5", "score": 0.5,
		"paid": true, "scan": "AP9zY2Fu", "codes": array{"E11.9", "I10"}, "vitals": object{"pulse": 72.0, "unit": "bpm"},
		"readings": array{object{"kind": "glucose", "value": 6.5}, object{"kind": "sodium", "value": 140.0}},
	}
}

// without is the second row of visits, which has no values.
func without() object {
	return object{
		"id": 2.0, "mrn": 1002.0, "arrived": nil, "local": nil, "day": nil, "fee": nil, "score": nil, "paid": nil, "scan": nil, "codes": array{},
		"vitals": nil, "readings": array{},
	}
}

func TestQueries(t *testing.T) {
	t.Parallel()
	q := func(sql string) googleclients.Call { return googleclients.Call{Name: "query", SQL: sql} }
	meet(t, clinic, []step{
		{q("SELECT * FROM clinic.patients ORDER BY mrn LIMIT 1"), rows(ada())},
		{q("SELECT * FROM `clinic-test.clinic.visits` ORDER BY id"), rows(visit(), without())},
		{q("SELECT p.name, COUNT(*) AS n FROM clinic.patients p JOIN clinic.lab_results l USING (mrn) GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 2"), rows(object{"name": "Ada Example", "n": 2.0}, object{"name": "Bo Sample", "n": 1.0})},
		{q("SELECT name FROM clinic.adults ORDER BY name"), rows(object{"name": "Ada Example"}, object{"name": "Bo Sample"})},
		{q("SELECT REVERSE(ssn), TO_HEX(SHA256(name)) AS h FROM clinic.patients WHERE mrn = 1002"), rows(object{"f0_": "2999-90-912", "h": "8d23f1656385ed690d88431b5f7693e1349b24490cf9c57175458ba3a7f29e53"})},
		{q("SELECT test FROM clinic.lab_results QUALIFY ROW_NUMBER() OVER (PARTITION BY test ORDER BY id) = 2"), rows(object{"test": "HbA1c"})},
		{q("SELECT v.id, c, off FROM clinic.visits v, UNNEST(v.codes) AS c WITH OFFSET AS off ORDER BY off"), rows(object{"id": 1.0, "c": "E11.9", "off": 0.0}, object{"id": 1.0, "c": "I10", "off": 1.0})},
		{q("SELECT table_name, table_type FROM clinic.INFORMATION_SCHEMA.TABLES ORDER BY 1"), rows(
			object{"table_name": "adults", "table_type": "VIEW"}, object{"table_name": "lab_results", "table_type": "BASE TABLE"},
			object{"table_name": "patients", "table_type": "BASE TABLE"}, object{"table_name": "visits", "table_type": "BASE TABLE"},
		)},
		{q("SELECT SESSION_USER() AS me"), rows(object{"me": bigquerypeer.Identity})},
		{googleclients.Call{Name: "query", SQL: "SELECT name FROM patients WHERE mrn = @mrn AND zip = @zip", Dataset: "clinic", Params: map[string]any{"mrn": 1003, "zip": "94110"}}, rows(object{"name": "Cy Specimen"})},
		{q("SELECT 1 AS x FROM clinic.patients WHERE FALSE"), rows()},

		{q("SELECT nothing FROM clinic.patients"), &googleclients.Error{Code: 400, Reason: "invalidQuery", Message: "Unrecognized name: nothing"}},
		{q("SELECT * FROM clinic.persons"), &googleclients.Error{Code: 404, Reason: "notFound", Message: "Not found: Table clinic-test:clinic.persons was not found in location US"}},
		{q("SELECT CAST(ssn AS INT64) FROM clinic.patients WHERE mrn = 1001"), &googleclients.Error{Code: 400, Reason: "invalidQuery", Message: "Bad int64 value: 219-09-9991"}},
		{q("SELECT ERROR(name) FROM clinic.patients WHERE mrn = 1001"), &googleclients.Error{Code: 400, Reason: "invalidQuery", Message: "Ada Example"}},
		{q("SELEC 1"), &googleclients.Error{Code: 501, Reason: "notImplemented"}},
		{googleclients.Call{Name: "job", SQL: "SELECT 1", Legacy: true}, &googleclients.Error{Reason: "invalidQuery"}},
	})
}

func TestJobs(t *testing.T) {
	t.Parallel()
	meet(t, func(t *testing.T) (*bigquerypeer.Server, googleclients.Service) {
		t.Helper()
		s, svc := clinic(t)
		s.Set(bigquerypeer.Settings{Polls: 2})
		return s, svc
	}, []step{
		{
			googleclients.Call{Name: "job", SQL: "SELECT id FROM clinic.lab_results ORDER BY id", Page: 3},
			object{"kind": "SELECT", "bytes": 253.0, "affected": 0.0, "tables": array{"clinic.lab_results"}, "columns": array{}, "pages": 2.0, "rows": array{object{"id": 1.0}, object{"id": 2.0}, object{"id": 3.0}, object{"id": 4.0}}},
		},
		{
			googleclients.Call{Name: "job", SQL: "SELECT p.mrn, codes FROM clinic.patients p JOIN clinic.visits v ON v.mrn = p.mrn", Dry: true},
			object{"kind": "SELECT", "bytes": 439.0, "affected": 0.0, "tables": array{"clinic.patients", "clinic.visits"}, "columns": array{"mrn INTEGER", "codes STRING[]"}},
		},
		{
			googleclients.Call{Name: "job", SQL: "SELECT mrn, name FROM clinic.patients", To: "scratch.names"},
			object{"kind": "SELECT", "bytes": 243.0, "affected": 0.0, "tables": array{"clinic.patients"}, "columns": array{}, "pages": 1.0, "rows": array{object{"mrn": 1001.0, "name": "Ada Example"}, object{"mrn": 1002.0, "name": "Bo Sample"}, object{"mrn": 1003.0, "name": "Cy Specimen"}}},
		},
		{
			googleclients.Call{Name: "job", SQL: "UPDATE scratch.names SET name = 'x' WHERE mrn < 1003"},
			object{"kind": "UPDATE", "bytes": 0.0, "affected": 2.0, "tables": array{"scratch.names"}, "columns": array{}, "pages": 1.0, "rows": array{}},
		},
		{
			googleclients.Call{Name: "job", SQL: "CREATE TABLE scratch.copy AS SELECT * FROM scratch.names; SELECT COUNT(*) AS n FROM scratch.copy"},
			object{"kind": "SCRIPT", "bytes": 86.0, "affected": 0.0, "tables": array{}, "columns": array{}, "pages": 1.0, "rows": array{object{"n": 3.0}}},
		},
		{googleclients.Call{Name: "job", SQL: "DROP TABLE scratch.nothing"}, &googleclients.Error{Code: 404, Reason: "notFound"}},
		{googleclients.Call{Name: "tables", Dataset: "scratch"}, array{"copy", "names"}},
	})
}

func TestResources(t *testing.T) {
	t.Parallel()
	people := [][2]string{{"id", "INTEGER"}, {"name", "STRING"}, {"born", "DATE"}}
	c := func(name, dataset, table string) googleclients.Call {
		return googleclients.Call{Name: name, Dataset: dataset, Table: table}
	}
	created := c("create_table", "made", "people")
	created.Schema = people
	described := c("describe", "made", "people")
	described.Description = "Nobody real"
	inserted := c("insert", "made", "people")
	inserted.Rows = []map[string]any{{"id": 1, "name": "Di Instance", "born": "1950-01-02"}}
	wrong := c("insert", "made", "people")
	wrong.Rows = []map[string]any{{"id": 2, "nickname": "x"}}
	loaded := c("load", "made", "people")
	loaded.Schema, loaded.Text = people, "2,Ed Placeholder,1951-02-03\n3,\"Fay, Dummy\",\n"
	copied := c("copy", "made", "people")
	copied.To = "made.again"
	view := c("create_view", "made", "named")
	view.SQL = "SELECT name FROM made.people"
	contents := c("delete_dataset", "made", "")
	contents.Contents = true
	paged := c("rows", "made", "people")
	paged.Page = 2
	meet(t, clinic, []step{
		{googleclients.Call{Name: "datasets"}, array{"clinic", "scratch"}},
		{c("tables", "clinic", ""), array{"adults", "lab_results", "patients", "visits"}},
		{c("table", "clinic", "patients"), object{"type": "TABLE", "rows": 3.0, "description": "", "columns": array{"mrn INTEGER", "name STRING", "ssn STRING", "birth DATE", "note STRING", "zip STRING"}}},
		{c("table", "clinic", "nobody"), &googleclients.Error{Code: 404, Reason: "notFound", Message: "Not found: Table clinic-test:clinic.nobody"}},
		{c("rows", "clinic", "visits"), rows(visit(), without())},
		{c("create_dataset", "made", ""), nil},
		{c("create_dataset", "made", ""), &googleclients.Error{Code: 409, Reason: "duplicate", Message: "Already Exists: Dataset clinic-test:made"}},
		{created, nil},
		{created, &googleclients.Error{Code: 409, Reason: "duplicate", Message: "Already Exists: Table clinic-test:made.people"}},
		{described, nil},
		{inserted, nil},
		{loaded, 2.0},
		{paged, rows(
			object{"id": 1.0, "name": "Di Instance", "born": "1950-01-02"},
			object{"id": 2.0, "name": "Ed Placeholder", "born": "1951-02-03"},
			object{"id": 3.0, "name": "Fay, Dummy", "born": nil},
		)},
		{copied, nil},
		{c("table", "made", "again"), object{"type": "TABLE", "rows": 3.0, "description": "", "columns": array{"id INTEGER", "name STRING", "born DATE"}}},
		{view, nil},
		{c("table", "made", "named"), object{"type": "VIEW", "rows": 0.0, "description": "", "columns": array{"name STRING"}}},
		{c("delete_dataset", "made", ""), &googleclients.Error{Code: 400, Reason: "resourceInUse", Message: "Dataset clinic-test:made is still in use"}},
		{c("delete_table", "made", "again"), nil},
		{contents, nil},
		{googleclients.Call{Name: "datasets"}, array{"clinic", "scratch"}},
	})
}

// The service gives anonymous results to the identity alone that ran the job, and
// knows a token only in the header or the query.
func TestIdentities(t *testing.T) {
	t.Parallel()
	const other = "token-of-the-reader"
	const reader = "reader@clinic-test.iam.gserviceaccount.com"
	s := bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithIdentity(other, reader))
	s.Mask(reader, "clinic.patients", map[string]string{"ssn": "NULL::VARCHAR", "name": "sha256(name)[:8]"})
	svc := service(s)
	svc.Token = other
	got := googleclients.Node(t, svc,
		googleclients.Call{Name: "query", SQL: "SELECT name, REVERSE(ssn) AS r, zip FROM clinic.patients WHERE name LIKE 'Ada%' OR mrn = 1003"},
		googleclients.Call{Name: "rows", Dataset: "clinic", Table: "patients", Fields: []string{"ssn", "mrn"}},
		googleclients.Call{Name: "jobs"},
	)
	googleclients.Check(t, "query", rows(object{"name": "cb010708", "r": nil, "zip": "94110"}), got[0])
	googleclients.Check(t, "rows", rows(object{"mrn": 1001.0, "ssn": nil}, object{"mrn": 1002.0, "ssn": nil}, object{"mrn": 1003.0, "ssn": nil}), got[1])
	if jobs, ok := got[2].Value.([]any); !ok || len(jobs) != 1 {
		t.Errorf("the reader has jobs %v", got[2])
	}
	if jobs := googleclients.Node(t, service(s), googleclients.Call{Name: "jobs"}); !cmp.Equal(jobs[0].Value, any(array{})) {
		t.Errorf("the gateway has jobs %v of the reader's", jobs[0].Value)
	}
	// The gateway's own token does not open the reader's job or anonymous result.
	var result struct {
		JobReference  struct{ JobID string }
		Configuration struct {
			Query struct {
				DestinationTable struct{ DatasetID, TableID string }
			}
		}
	}
	status, body := ask(t, s, http.MethodGet, "/jobs/"+got[2].Value.([]any)[0].(string), other)
	if err := json.Unmarshal([]byte(body), &result); err != nil || status != http.StatusOK {
		t.Fatalf("the reader's own job: %d %s %v", status, body, err)
	}
	to := result.Configuration.Query.DestinationTable
	for path, own := range map[string]int{
		"/jobs/" + result.JobReference.JobID:                            http.StatusOK,
		"/queries/" + result.JobReference.JobID:                         http.StatusOK,
		"/datasets/" + to.DatasetID + "/tables/" + to.TableID:           http.StatusOK,
		"/datasets/" + to.DatasetID + "/tables/" + to.TableID + "/data": http.StatusOK,
	} {
		if status, _ := ask(t, s, http.MethodGet, path, other); status != own {
			t.Errorf("%s of the reader's own: %d", path, status)
		}
		if status, body := ask(t, s, http.MethodGet, path, s.Token); status != http.StatusForbidden {
			t.Errorf("%s of another's: %d %s", path, status, body)
		}
	}
	googleclients.Check(t, "another's anonymous result", &googleclients.Error{Code: 403, Reason: "accessDenied"},
		googleclients.Node(t, service(s), googleclients.Call{Name: "query", SQL: "SELECT * FROM " + to.DatasetID + "." + to.TableID})[0])
	for i, r := range s.Requests() {
		if want := reader; i < 3 && (r.Identity != want || r.Token != bigquerypeer.TokenExpected) {
			t.Errorf("%s is of %q by token %q", r.Path, r.Identity, r.Token)
		}
	}

	s.Forget()
	svc.Token = "a-stranger's"
	got = googleclients.Go(t, svc, googleclients.Call{Name: "datasets"})
	googleclients.Check(t, "stranger", &googleclients.Error{Code: 401, Reason: "authError"}, got[0])
	requests := s.Requests()
	if len(requests) != 1 || requests[0].Token != bigquerypeer.TokenOther || requests[0].Status != http.StatusUnauthorized {
		t.Errorf("requests: %+v", requests)
	}
	if !s.Saw("a-stranger's") || s.Saw(other) {
		t.Error("the log of requests does not tell tokens apart")
	}
	for path, want := range map[string]string{"": bigquerypeer.TokenNone, "?access_token=" + s.Token: bigquerypeer.TokenExpected} {
		s.Forget()
		fetch(t, s, path, "")
		if requests := s.Requests(); len(requests) != 1 || requests[0].Token != want {
			t.Errorf("%q: %+v", path, requests)
		}
	}
}

// fetch lists the datasets past every client.
func fetch(t *testing.T, s *bigquerypeer.Server, query, token string) (int, string) {
	t.Helper()
	return ask(t, s, http.MethodGet, "/datasets"+query, token)
}

// ask makes a request in the project past every client. Its status is 0 when the
// answer broke off.
func ask(t *testing.T, s *bigquerypeer.Server, method, path, token string) (int, string) {
	t.Helper()
	return send(t, s, method, path, token, "")
}

func post(t *testing.T, s *bigquerypeer.Server, path, body string) (int, string) {
	t.Helper()
	return send(t, s, http.MethodPost, path, s.Token, body)
}

func send(t *testing.T, s *bigquerypeer.Server, method, path, token, content string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/bigquery/v2/projects/"+bigquerypeer.Project+path, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return 0, string(body)
	}
	return resp.StatusCode, string(body)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	s := bigquerypeer.Start(t, bigquerypeer.WithClinic())
	once := 0
	svc := service(s)
	query := googleclients.Call{Name: "query", SQL: "SELECT zip FROM clinic.patients WHERE mrn = 1001"}
	want := rows(object{"zip": "02139"})

	// Clients ask again after a 503, and so get their answer.
	s.Fail(bigquerypeer.Fault{Next: 1, Path: "/queries", Status: http.StatusServiceUnavailable})
	googleclients.Check(t, "Go after 503", want, googleclients.Go(t, svc, query)[0])
	s.Fail(bigquerypeer.Fault{Next: 1, Path: "/queries", Status: http.StatusServiceUnavailable})
	googleclients.Check(t, "Node after 503", want, googleclients.Node(t, svc, query)[0])

	svc.Retries = &once
	s.Fail(bigquerypeer.Fault{Next: 1, Path: "/queries", Status: http.StatusForbidden, Reason: "quotaExceeded", Message: "Quota exceeded"})
	googleclients.Check(t, "Node, 403", &googleclients.Error{Code: 403, Reason: "quotaExceeded", Message: "Quota exceeded"}, googleclients.Node(t, svc, query)[0])

	s.Fail(bigquerypeer.Fault{Next: 1, Path: "/datasets", Cut: true})
	if code, body := fetch(t, s, "", s.Token); code != 0 || !strings.HasPrefix(body, `{"kind":"bigquery#datasetList"`) || strings.HasSuffix(body, "}") {
		t.Errorf("a cut answer is %d %q", code, body)
	}
	broken := "<html>Bad Gateway"
	s.Fail(bigquerypeer.Fault{Next: 1, Path: "/datasets", Status: http.StatusOK, Body: &broken, ContentType: "text/html"})
	if code, body := fetch(t, s, "", s.Token); code != http.StatusOK || body != broken {
		t.Errorf("a broken answer is %d %q", code, body)
	}
	if code, _ := fetch(t, s, "", s.Token); code != http.StatusOK {
		t.Errorf("after the faults: %d", code)
	}
}

// Without a Cloud Storage an extract is noted, and says so.
func TestExtractNoted(t *testing.T) {
	t.Parallel()
	s := bigquerypeer.Start(t, bigquerypeer.WithClinic())
	got := googleclients.Node(t, service(s), googleclients.Call{Name: "extract", Dataset: "clinic", Table: "patients", Bucket: "out", Object: "p.csv"})
	googleclients.Check(t, "extract", nil, got[0])
	want := []bigquerypeer.Extract{{Table: "clinic-test.clinic.patients", URI: "gs://out/p.csv", Identity: bigquerypeer.Identity}}
	if diff := cmp.Diff(want, s.Extracts()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The policy of a table is kept, for those who change it.
func TestPolicies(t *testing.T) {
	t.Parallel()
	s := bigquerypeer.Start(t, bigquerypeer.WithClinic())
	const table = "/datasets/clinic/tables/patients:"
	for _, one := range []struct{ method, body, want string }{
		{"getIamPolicy", "{}", `{"version":1,"etag":"ACAB"}`},
		{"setIamPolicy", `{"policy":{"bindings":[{"role":"roles/bigquery.dataViewer","members":["allUsers"]}]}}`, `"allUsers"`},
		{"getIamPolicy", "{}", `"allUsers"`},
	} {
		if status, body := post(t, s, table+one.method, one.body); status != http.StatusOK || !strings.Contains(body, one.want) {
			t.Errorf("%s: %d %s", one.method, status, body)
		}
	}
	for _, r := range s.Requests() {
		if !strings.HasPrefix(r.ID, "bigquery.tables.") {
			t.Errorf("%s is method %q", r.Path, r.ID)
		}
	}
}

// What is really in the target can be read past the service.
func TestSQL(t *testing.T) {
	t.Parallel()
	s := bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithSeed("CREATE TABLE scratch.t AS SELECT 1::BIGINT AS n, NULL AS nothing"))
	if diff := cmp.Diff([][]any{{"1", nil}}, s.SQL("SELECT * FROM scratch.t")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if r := s.Requests(); len(r) != 0 {
		t.Errorf("the control port is in the log: %+v", r)
	}
}
