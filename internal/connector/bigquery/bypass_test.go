// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

const project = "/bigquery/v2/projects/" + bigquerypeer.Project

func (w *world) query(t *testing.T, sql string) gatewaytest.Answer {
	t.Helper()
	b, err := json.Marshal(map[string]any{"query": sql, "useLegacySql": false})
	if err != nil {
		t.Fatal(err)
	}
	return w.Ask(t, "POST", project+"/queries", string(b))
}

// begun is what the tests need of a job.
type begun struct {
	JobReference  struct{ JobID string }
	PageToken     string
	Configuration struct {
		Query struct {
			DestinationTable struct{ DatasetID, TableID string }
		}
	}
	Jobs []struct {
		JobReference struct{ JobID string }
	}
}

func parse(t *testing.T, a gatewaytest.Answer) (b begun) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.Body), &b); err != nil || a.Status != http.StatusOK {
		t.Fatalf("%d %s %v", a.Status, a.Body, err)
	}
	return b
}

// other is the same gateway as another caller sees it.
func (w *world) other(t *testing.T) *world {
	t.Helper()
	o := *w
	token, err := w.Issuer.Token("repo:acme/other:ref:refs/heads/main", 600e9, map[string]any{"kind": "ci", "repository": "acme/other"})
	if err != nil {
		t.Fatal(err)
	}
	o.Token = token
	return &o
}

func prefixed(r *http.Request) { r.URL.Path = "/r/dwh/dwh" + r.URL.Path }

// TestOthersAnswers is rows 1, 2, 8 and 11 of the bypasses: what a query has left
// behind at the service, asked for by the caller itself and by another one.
func TestOthersAnswers(t *testing.T) {
	t.Parallel()
	w := start(t)
	o := w.other(t)
	if got := o.Ask(t, "GET", project+"/datasets", "", prefixed); got.Status != http.StatusOK {
		t.Fatalf("the other caller is none: %d %s", got.Status, got.Body)
	}
	job := parse(t, w.Ask(t, "POST", project+"/jobs",
		`{"jobReference":{"projectId":"`+bigquerypeer.Project+`","jobId":"mine"},"configuration":{"query":{"query":"SELECT mrn, name, ssn FROM clinic.patients ORDER BY mrn","useLegacySql":false}}}`))
	if job.JobReference.JobID != "mine" {
		t.Errorf("the job is called %q", job.JobReference.JobID)
	}
	rows := w.Ask(t, "GET", project+"/queries/mine?maxResults=1", "")
	if !strings.Contains(rows.Body, "1001") {
		t.Errorf("rows: %d %s", rows.Status, rows.Body)
	}
	clean(t, "getQueryResults", rows.Body)
	page := parse(t, rows).PageToken
	if page == "" {
		t.Fatal("there is no second page")
	}
	next := "/queries/mine?maxResults=1&pageToken=" + url.QueryEscape(page)
	second := w.Ask(t, "GET", project+next, "")
	if second.Status != http.StatusOK || !strings.Contains(second.Body, "1002") {
		t.Errorf("the second page: %d %s", second.Status, second.Body)
	}
	clean(t, "the second page", second.Body)
	got := w.Ask(t, "GET", project+"/jobs/mine", "")
	to := parse(t, got).Configuration.Query.DestinationTable
	if !strings.HasPrefix(to.DatasetID, "_") {
		t.Fatalf("the answer lies in %+v", to)
	}
	hidden := "/datasets/" + to.DatasetID + "/tables/" + to.TableID + "/data"
	listed := w.Ask(t, "GET", project+hidden, "")
	if listed.Status != http.StatusOK || !strings.Contains(listed.Body, "1003") {
		t.Errorf("the hidden table: %d %s", listed.Status, listed.Body)
	}
	clean(t, "the hidden table", listed.Body)
	read := w.query(t, "SELECT * FROM `"+bigquerypeer.Project+"."+to.DatasetID+"."+to.TableID+"`")
	clean(t, "a query of the hidden table", read.Body)
	for what, path := range map[string]string{
		"another's job": "/jobs/mine", "another's rows": "/queries/mine", "another's hidden table": hidden, "another's page": next, "nobody's job": "/jobs/nobodys",
	} {
		if got := o.Ask(t, "GET", project+path, "", prefixed); got.Status != http.StatusNotFound || strings.Contains(got.Body, "1001") {
			t.Errorf("%s: %d %s", what, got.Status, got.Body)
		}
	}
	if got := o.Ask(t, "POST", project+"/jobs/mine/cancel", "", prefixed); got.Status != http.StatusNotFound {
		t.Errorf("another's job is cancelled: %d %s", got.Status, got.Body)
	}
	if got := o.query(t, "SELECT 1"); got.Status == http.StatusOK {
		t.Errorf("a token without a resource reaches one: %s", got.Body)
	}
	if jobs := parse(t, o.Ask(t, "GET", project+"/jobs?allUsers=true&projection=full", "", prefixed)).Jobs; len(jobs) != 0 {
		t.Errorf("the other caller sees jobs: %+v", jobs)
	}
	if jobs := parse(t, w.Ask(t, "GET", project+"/jobs?projection=full", "")).Jobs; len(jobs) != 1 || jobs[0].JobReference.JobID != "mine" {
		t.Errorf("the caller's own jobs are %+v", jobs)
	}
	if got := w.Ask(t, "GET", project+"/datasets/clinic/tables/patients/data?pageToken="+url.QueryEscape(page), ""); got.Status != http.StatusNotFound {
		t.Errorf("a page token is good for another table: %d %s", got.Status, got.Body)
	}
}

// TestPolicyChanges is row 1 as well: an answer that is asked for after the policy
// has changed is masked by the policy of then.
func TestPolicyChanges(t *testing.T) {
	t.Parallel()
	w := start(t, gatewaytest.Policy(policy+`
@id("for-now") permit(principal in Role::"dwh", action == Action::"readRaw", resource in Label::"phi.name");`))
	got := w.Ask(t, "POST", project+"/jobs",
		`{"jobReference":{"projectId":"`+bigquerypeer.Project+`","jobId":"early"},"configuration":{"query":{"query":"SELECT mrn, name FROM clinic.patients ORDER BY mrn","useLegacySql":false}}}`)
	if got.Status != http.StatusOK {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	if rows := w.Ask(t, "GET", project+"/queries/early", ""); !strings.Contains(rows.Body, "Ada Example") {
		t.Fatalf("what policy shows is not shown: %s", rows.Body)
	}
	next := filepath.Join(w.Dir, "next.cedar")
	if err := os.WriteFile(next, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(w.Dir, "policy.cedar")); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if rows := w.Ask(t, "GET", project+"/queries/early", ""); !strings.Contains(rows.Body, "Ada Example") {
			clean(t, "the answer under another policy", rows.Body)
			return
		}
	}
	t.Error("the answer is shown as it was judged once")
}

// TestMessages is row 7: values in errors, and how a query was carried out.
func TestMessages(t *testing.T) {
	t.Parallel()
	w := start(t, gatewaytest.Policy(policy+`
@id("all-conditions") permit(principal in Role::"dwh", action == Action::"filterBy", resource in Resource::"dwh");`))
	for _, sql := range []string{
		"SELECT CAST(ssn AS INT64) FROM clinic.patients", "SELECT ERROR(name) FROM clinic.patients", "SELECT 1 FROM clinic.patients WHERE ERROR(ssn) IS NULL",
		"SELECT IF(name LIKE 'A%', ERROR(name), 'x') FROM clinic.patients",
	} {
		got := w.query(t, sql)
		if got.Status < 400 {
			t.Errorf("%s: %d %s", sql, got.Status, got.Body)
		}
		clean(t, sql, got.Body)
		job := w.Ask(t, "POST", project+"/jobs", `{"configuration":{"query":{"query":`+quoted(t, sql)+`,"useLegacySql":false}}}`)
		clean(t, sql+" as a job", job.Body)
		if job.Status == http.StatusOK {
			clean(t, sql+" later", w.Ask(t, "GET", project+"/jobs/"+parse(t, job).JobReference.JobID, "").Body)
		}
	}
	job := parse(t, w.Ask(t, "POST", project+"/jobs", `{"configuration":{"query":{"query":"SELECT mrn FROM clinic.patients WHERE ssn = '219-09-9991'","useLegacySql":false}}}`))
	if got := w.Ask(t, "GET", project+"/jobs/"+job.JobReference.JobID, ""); strings.Contains(got.Body, "queryPlan") || strings.Contains(got.Body, "substeps") {
		t.Errorf("how it was carried out is told: %s", got.Body)
	}
}

func quoted(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestNotForwarded is rows 3, 4, 8, 9, 12, 13, 14 and 16 where they come as
// requests and texts that this role may not send, and what is malformed.
func TestNotForwarded(t *testing.T) {
	t.Parallel()
	w := start(t)
	job := func(config string) gatewaytest.Answer {
		return w.Ask(t, "POST", project+"/jobs", `{"configuration":{`+config+`}}`)
	}
	table := func(id string) string {
		return `{"projectId":"` + bigquerypeer.Project + `","datasetId":"` + strings.Replace(id, ".", `","tableId":"`, 1) + `"}`
	}
	for what, f := range map[string]func() gatewaytest.Answer{
		"a destination": func() gatewaytest.Answer {
			return job(`"query":{"query":"SELECT name FROM clinic.patients","useLegacySql":false,"destinationTable":` + table("scratch.x") + `}`)
		},
		"a copy": func() gatewaytest.Answer {
			return job(`"copy":{"sourceTable":` + table("clinic.patients") + `,"destinationTable":` + table("scratch.x") + `}`)
		},
		"an extract": func() gatewaytest.Answer {
			return job(`"extract":{"sourceTable":` + table("clinic.patients") + `,"destinationUris":["gs://b/x.csv"]}`)
		},
		"a load from a bucket": func() gatewaytest.Answer {
			return job(`"load":{"sourceUris":["gs://b/x.csv"],"destinationTable":` + table("clinic.patients") + `}`)
		},
		"legacy SQL":          func() gatewaytest.Answer { return job(`"query":{"query":"SELECT name FROM [clinic.patients]"}`) },
		"a legacy prefix":     func() gatewaytest.Answer { return w.query(t, "#legacySQL\nSELECT name FROM [clinic.patients]") },
		"another project":     func() gatewaytest.Answer { return w.Ask(t, "GET", "/bigquery/v2/projects/another/datasets", "") },
		"rights of a dataset": func() gatewaytest.Answer { return w.Ask(t, "PATCH", project+"/datasets/clinic", `{"access":[]}`) },
		"policy tags": func() gatewaytest.Answer {
			return w.Ask(t, "PATCH", project+"/datasets/clinic/tables/patients", `{"schema":{"fields":[{"name":"ssn","type":"STRING"}]}}`)
		},
		"a view": func() gatewaytest.Answer {
			return w.Ask(t, "POST", project+"/datasets/clinic/tables", `{"tableReference":`+table("clinic.v")+`,"view":{"query":"SELECT ssn FROM clinic.patients"}}`)
		},
		"IAM": func() gatewaytest.Answer {
			return w.Ask(t, "POST", project+"/datasets/clinic/tables/patients:setIamPolicy", `{"policy":{"bindings":[]}}`)
		},
		"a session twice": func() gatewaytest.Answer {
			return w.Ask(t, "POST", project+"/queries", `{"query":"SELECT 1","useLegacySql":false,"connectionProperties":[{"key":"session_id","value":"another"},{"key":"session_id","value":""}]}`)
		},
		"a member that is unknown": func() gatewaytest.Answer {
			return job(`"query":{"query":"SELECT 1","useLegacySql":false,"destination_table":1}`)
		},
		"a member twice": func() gatewaytest.Answer {
			return job(`"query":{"query":"SELECT 1","query":"SELECT 2","useLegacySql":false}`)
		},
		"a method that is none": func() gatewaytest.Answer { return w.Ask(t, "GET", project+"/secrets", "") },
		"a batch":               func() gatewaytest.Answer { return w.Ask(t, "POST", "/batch/bigquery/v2", "x") },
		"an override": func() gatewaytest.Answer {
			return w.Ask(t, "POST", project+"/datasets/clinic", "{}", func(r *http.Request) { r.Header.Set("X-HTTP-Method-Override", "DELETE") })
		},
		"a token in the query": func() gatewaytest.Answer { return w.Ask(t, "GET", project+"/datasets?access_token=x", "") },
		"an encoded slash": func() gatewaytest.Answer {
			return w.Ask(t, "GET", "", "", func(r *http.Request) { r.URL.Opaque = "//" + r.URL.Host + project + "/datasets%2Fclinic" })
		},
		"jobs of everybody": func() gatewaytest.Answer { return w.query(t, "SELECT query FROM `region-us`.INFORMATION_SCHEMA.JOBS") },
		"dynamic SQL": func() gatewaytest.Answer {
			return w.query(t, "EXECUTE IMMEDIATE CONCAT('SELECT ssn', ' FROM clinic.patients')")
		},
		"an external query": func() gatewaytest.Answer { return w.query(t, "SELECT * FROM EXTERNAL_QUERY('p.us.c', 'SELECT 1')") },
		"a model": func() gatewaytest.Answer {
			return w.query(t, "SELECT * FROM ML.PREDICT(MODEL clinic.m, TABLE clinic.patients)")
		},
		"an old state to filter": func() gatewaytest.Answer {
			return w.query(t, "SELECT mrn FROM clinic.patients FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-01' WHERE ssn > ''")
		},
		"rights in SQL": func() gatewaytest.Answer {
			return w.query(t, "GRANT `roles/bigquery.dataViewer` ON TABLE clinic.patients TO 'user:a@b.example'")
		},
	} {
		w.peer.Forget()
		got := f()
		if got.Status < 400 || got.Status > 499 {
			t.Errorf("%s: %d %s", what, got.Status, got.Body)
		}
		for _, r := range w.peer.Requests() {
			if r.Method != "GET" || !strings.Contains(r.Path, "/tables") && !strings.Contains(r.Path, "/datasets") {
				t.Errorf("%s: the target was sent %s %s", what, r.Method, r.Path)
			}
		}
	}
}

// TestTraces is rows 19 and 21: literals, parameters and rows that a client sends
// are nowhere in what the gateway leaves.
func TestTraces(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.query(t, "SELECT mrn, name, note FROM clinic.patients WHERE mrn = 219099991 -- Ada Example")
	w.query(t, "SELECT mrn FROM clinic.patients WHERE name = 'Ada Example'")
	w.Ask(t, "POST", project+"/queries", `{"query":"SELECT mrn FROM clinic.patients WHERE zip = @z","useLegacySql":false,"parameterMode":"NAMED",
		"queryParameters":[{"name":"z","parameterType":{"type":"STRING"},"parameterValue":{"value":"219-09-9991"}}]}`)
	w.Ask(t, "POST", project+"/datasets/scratch/tables/t/insertAll", `{"rows":[{"json":{"ssn":"219-09-9991","name":"Ada Example"}}]}`)
	w.Ask(t, "GET", project+"/datasets/clinic/tables/patients/data", "")
	w.Stop(t)
	for name, b := range w.Traces(t) {
		clean(t, name, string(b))
		if strings.Contains(string(b), w.Token) {
			t.Errorf("%s holds the token", name)
		}
	}
}
