// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"reflect"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
)

// TestCalls says of each method what it touches.
func TestCalls(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	const ds, tab, rap = p + "/datasets/clinic", p + "/datasets/clinic/tables/patients", p + "/datasets/clinic/tables/patients/rowAccessPolicies"
	for _, tt := range []struct {
		line, body string
		answer     bigquery.Answer
		want       []string
	}{
		{"GET /bigquery/v2/projects", "", bigquery.AnswerMetadata, []string{"read project wh/clinic-test"}},
		{"GET " + p + "/serviceAccount", "", bigquery.AnswerMetadata, []string{"read project wh/clinic-test"}},

		{"GET " + p + "/datasets", "", bigquery.AnswerMetadata, []string{"read project wh/clinic-test"}},
		{"GET " + ds, "", bigquery.AnswerMetadata, []string{"read schema wh/clinic"}},
		{"GET /bigquery/v2/projects/other/datasets/clinic", "", bigquery.AnswerMetadata, []string{"read schema wh/other.clinic"}},
		{"DELETE " + ds + "?deleteContents=true", "", bigquery.AnswerNothing, []string{"destroy schema wh/clinic"}},
		{"POST " + p + "/datasets", `{"datasetReference":{"datasetId":"new"}}`, bigquery.AnswerMetadata, []string{"define schema wh/new"}},
		{"PATCH " + ds, `{"labels":{"a":"b"}}`, bigquery.AnswerMetadata, []string{"define schema wh/clinic"}},
		{"PATCH " + ds, `{"defaultTableExpirationMs":"3600000"}`, bigquery.AnswerMetadata, []string{"define schema wh/clinic", "destroy schema wh/clinic"}},
		{"PUT " + ds, `{"description":"x"}`, bigquery.AnswerMetadata, []string{"administer schema wh/clinic", "define schema wh/clinic"}},

		{"GET " + ds + "/tables", "", bigquery.AnswerMetadata, []string{"read schema wh/clinic"}},
		{"GET " + tab, "", bigquery.AnswerMetadata, []string{"read table wh/clinic/patients"}},
		{"GET " + ds + "/tables/v", "", bigquery.AnswerMetadata, []string{"read view wh/clinic/v"}},
		{"DELETE " + tab, "", bigquery.AnswerNothing, []string{"destroy table wh/clinic/patients"}},
		{"POST " + ds + "/tables", `{"tableReference":{"tableId":"n"},"schema":{"fields":[{"name":"a","type":"STRING"}]}}`, bigquery.AnswerMetadata, []string{"define table wh/clinic/n"}},
		{"PATCH " + tab, `{"description":"x"}`, bigquery.AnswerMetadata, []string{"define table wh/clinic/patients"}},
		{"PATCH " + tab, `{"expirationTime":"1"}`, bigquery.AnswerMetadata, []string{"define table wh/clinic/patients", "destroy table wh/clinic/patients"}},
		{"PATCH " + tab, `{"expirationTime":null}`, bigquery.AnswerMetadata, []string{"define table wh/clinic/patients"}},
		{"PATCH " + tab, `{"timePartitioning":{"type":"DAY","expirationMs":"1"}}`, bigquery.AnswerMetadata, []string{"define table wh/clinic/patients", "destroy table wh/clinic/patients"}},

		{"GET " + tab + "/data", "", bigquery.AnswerRows, []string{"read table wh/clinic/patients (5 columns)"}},
		{"POST " + tab + "/insertAll", `{"rows":[{"json":{"mrn":"1"}},{"insertId":"x","json":{}}]}`, bigquery.AnswerNothing, []string{"write table wh/clinic/patients"}},
		{"POST " + tab + "/insertAll", `{"templateSuffix":"_x","rows":[]}`, bigquery.AnswerNothing, []string{
			"define table wh/clinic/patients_x", "read table wh/clinic/patients", "write table wh/clinic/patients_x",
		}},

		{"GET " + ds + "/models", "", bigquery.AnswerMetadata, []string{"read schema wh/clinic"}},
		{"GET " + ds + "/models/m", "", bigquery.AnswerMetadata, []string{"read model wh/clinic/m"}},
		{"DELETE " + ds + "/models/m", "", bigquery.AnswerNothing, []string{"destroy model wh/clinic/m"}},
		{"PATCH " + ds + "/models/m", `{"expirationTime":"1"}`, bigquery.AnswerMetadata, []string{"define model wh/clinic/m", "destroy model wh/clinic/m"}},

		{"GET " + ds + "/routines", "", bigquery.AnswerMetadata, []string{"read schema wh/clinic"}},
		{"GET " + ds + "/routines/r", "", bigquery.AnswerMetadata, []string{"read function wh/clinic/r"}},
		{"DELETE " + ds + "/routines/r", "", bigquery.AnswerNothing, []string{"destroy function wh/clinic/r"}},
		{"POST " + ds + "/routines", `{"routineReference":{"routineId":"r"},"routineType":"SCALAR_FUNCTION","definitionBody":"1"}`, bigquery.AnswerMetadata, []string{"define function wh/clinic/r"}},
		{"PUT " + ds + "/routines/r", `{"definitionBody":"1"}`, bigquery.AnswerMetadata, []string{"administer function wh/clinic/r", "define function wh/clinic/r"}},

		{"GET " + rap, "", bigquery.AnswerMetadata, []string{"read table wh/clinic/patients"}},
		{"GET " + rap + "/x", "", bigquery.AnswerMetadata, []string{"read policy wh/clinic/patients/x"}},

		{"GET " + p + "/jobs", "", bigquery.AnswerJob, []string{"control job wh/*"}},
		{"GET " + p + "/jobs/j", "", bigquery.AnswerJob, []string{"control job wh/j"}},
		{"POST " + p + "/jobs/j/cancel", "", bigquery.AnswerJob, []string{"control job wh/j"}},
		{"DELETE " + p + "/jobs/j/delete", "", bigquery.AnswerNothing, []string{"destroy job wh/j"}},
		{"GET " + p + "/queries/j", "", bigquery.AnswerRows, []string{"control job wh/j"}},
		{"POST " + p + "/queries", `{"query":"DROP TABLE clinic.patients","useLegacySql":false}`, bigquery.AnswerRows, []string{"destroy table wh/clinic/patients"}},
		{"POST /bigquery/v2/projects/other/queries", `{"query":"SELECT ssn FROM clinic.patients","useLegacySql":false}`, bigquery.AnswerRows, []string{
			"execute project wh/other", "read table wh/clinic/patients (1 columns)",
		}},
	} {
		c := analyse(t, a, tt.line, tt.body)
		expect(t, c, tt.want...)
		if c.Answer != tt.answer {
			t.Errorf("%s is answered with %d", tt.line, c.Answer)
		}
	}
	c := analyse(t, a, "GET /discovery/v1/apis/bigquery/v2/rest", "")
	if c2 := analyse(t, a, "GET /$discovery/rest?version=v2", ""); !c.Discovery || !c2.Discovery || c.Method != nil {
		t.Errorf("%+v", c)
	}
}

// TestFormsOfBodies holds that what clients really send passes, though the
// reference has it otherwise.
func TestFormsOfBodies(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	analyse(t, a, query, `{`+selects+`,"parameterMode":"named","queryParameters":[{"name":"a","parameterType":{"type":"INT64"},"parameterValue":{"value":1}}]}`)
	analyse(t, a, job, `{"configuration":{"query":{`+selects+`,"dryRun":false}}}`)
	c := analyse(t, a, job, `{"configuration":{"copy":{"sourceTable":{"datasetId":"x","tableId":"a"},"destinationTable":{"datasetId":"x","tableId":"b"},
		"writeDisposition":"write_truncate","createDisposition":"create_never","operationType":"clone"}}}`)
	expect(t, c, "define table wh/x/b", "destroy table wh/x/b", "read table wh/x/a", "write table wh/x/b", "wh/x/b/* <- wh/x/a/* unknown")
	if c.Statement.Class != "bigquery.jobs.insert.clone" {
		t.Error(c.Statement.Class)
	}
	refused(t, a, job, `{"configuration":{"query":{`+selects+`,"dryRun":true}}}`)
	refused(t, a, query, `{`+selects+`,"queryParameters":[{"name":"a","parameterValue":{"value":[1]}}]}`)
}

// TestWhatQueriesAreReadWith holds that the reader of a text is told what gives it
// a meaning.
func TestWhatQueriesAreReadWith(t *testing.T) {
	t.Parallel()
	q := &texts{}
	a := analyser(t, func(c *bigquery.Config) { c.Queries = q })
	analyse(t, a, query, `{`+selects+`,"defaultDataset":{"projectId":"`+number+`","datasetId":"clinic"},"parameterMode":"NAMED","queryParameters":[
		{"name":"a","parameterType":{"type":"int64"},"parameterValue":{"value":"1"}},
		{"name":"b","parameterType":{"type":"ARRAY","arrayType":{"type":"STRUCT","structTypes":[{"name":"x","type":{"type":"DATE"}},{"type":{"type":"STRING"}}]}}},
		{"name":"c","parameterType":{"type":"RANGE","rangeElementType":{"type":"DATE"}}},
		{"parameterValue":{"value":"1"}}]}`)
	want := bigquery.Query{
		Text: "SELECT ssn FROM clinic.patients", Project: project, Dataset: bigquery.Dataset{Project: project, ID: "clinic"},
		Parameters: []bigquery.Parameter{
			{Name: "a", Type: "INT64"},
			{Name: "b", Type: "STRUCT", Repeated: true, Fields: []bigquery.Parameter{{Name: "x", Type: "DATE"}, {Type: "STRING"}}},
			{Name: "c", Type: "RANGE<DATE>"},
			{},
		},
	}
	if len(q.asked) != 1 || !reflect.DeepEqual(q.asked[0], want) {
		t.Errorf("%+v", q.asked)
	}
	for _, of := range []string{`{"type":"ARRAY"}`, `{"type":"ARRAY","arrayType":{"type":"ARRAY","arrayType":{"type":"INT64"}}}`, `{"type":"x'y"}`} {
		refused(t, a, query, `{`+selects+`,"queryParameters":[{"parameterType":`+of+`}]}`)
	}
}

// TestRowsOfATable says where each column of an answer comes from.
func TestRowsOfATable(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	list := "GET " + p + "/datasets/clinic/tables/patients/data"
	told := func(line string) string {
		var out []string
		for _, o := range analyse(t, a, line, "").Statement.Outputs {
			s := ""
			for _, c := range o.Sources {
				s += strings.TrimPrefix(c.Object.Name(), "wh/clinic/patients/") + " "
			}
			if o.Direct {
				s += "direct "
			}
			if o.Unknown {
				s += "unknown"
			}
			out = append(out, strings.TrimSpace(s))
		}
		return strings.Join(out, "; ")
	}
	for line, want := range map[string]string{
		list: "mrn direct; name direct; ssn direct; address address/city",
		list + "?selectedFields=ssn,address.city":                 "ssn direct; address address/city",
		list + "?selectedFields=SSN":                              "ssn direct",
		list + "?selectedFields=ssn,other":                        "unknown",
		list + "?selectedFields=address(city)":                    "unknown",
		strings.Replace(list, "patients", "patients@-3600000", 1): "unknown",
		strings.Replace(list, "patients", "elsewhere", 1):         "unknown",
		strings.Replace(list, "patients", "patients$20240101", 1): "mrn direct; name direct; ssn direct; address address/city",
	} {
		if got := told(line); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

// TestBodiesThatAreRefused are those of which the gateway could not say what they
// do.
func TestBodiesThatAreRefused(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	const ds = p + "/datasets/clinic"
	for _, tt := range []struct{ line, body, says string }{
		{"POST " + p + "/jobs", `{"configuration":{"query":{"query":"SELECT 1","newThing":true}}}`, "configuration.query.newThing"},
		{"POST " + p + "/jobs", `{"configuration":{"query":{"query":"SELECT 1"},"load":{}}}`, "exactly one kind"},
		{"POST " + p + "/jobs", `{"configuration":{}}`, "exactly one kind"},
		{"POST " + p + "/jobs", `{"configuration":{"query":{"query":7}}}`, "not a text"},
		{"POST " + p + "/jobs", `{"jobReference":{"projectId":"other"},"configuration":{"query":{"query":"SELECT 1"}}}`, "another object"},
		{"POST " + p + "/jobs", `{"jobReference":{"jobId":"a b"},"configuration":{"query":{"query":"SELECT 1"}}}`, "id of a job"},
		{"POST " + p + "/queries", `{"query":"SELECT 1","useLegacySql":"false"}`, "not true or false"},
		{"POST " + p + "/queries", `{"query":"SELECT 1","useLegacySql":false}`, "not GoogleSQL"},
		{"POST " + p + "/queries", `{"query":"","useLegacySql":false}`, "no text"},
		{"POST " + p + "/queries", `{"query":"SELECT 1","useLegacySql":false,"parameterMode":"MAGIC"}`, "parameter mode"},
		{"POST " + p + "/queries", `{"query":"SELECT 1","useLegacySql":false,"continuous":true}`, "continuous"},
		{"POST " + p + "/queries", `{"query":"SELECT 1","useLegacySql":false,"connectionProperties":[{"key":"service_account","value":"x"}]}`, "service_account"},
		{"POST " + p + "/queries", `{"query":"SELECT 1","useLegacySql":false,"defaultDataset":{"datasetId":"_hidden"}}`, "service's own"},
		{"POST " + p + "/jobs", `{"configuration":{"copy":{"sourceTable":{"datasetId":"clinic","tableId":"a*"},"destinationTable":{"datasetId":"clinic","tableId":"b"}}}}`, "wildcard"},
		{"POST " + p + "/jobs", `{"configuration":{"copy":{"operationType":"MOVE","sourceTable":{"datasetId":"clinic","tableId":"a"},"destinationTable":{"datasetId":"clinic","tableId":"b"}}}}`, "operation"},
		{"POST " + p + "/jobs", `{"configuration":{"copy":{"destinationTable":{"datasetId":"clinic","tableId":"b"}}}}`, "no source"},
		{"POST " + p + "/jobs", `{"configuration":{"copy":{"sourceTable":{"datasetId":"clinic","tableId":"a"},"destinationTable":{"datasetId":"clinic","tableId":"b"},"writeDisposition":"WRITE_OVER"}}}`, "write disposition"},
		{"POST " + p + "/jobs", `{"configuration":{"copy":{"sourceTable":{"datasetId":"clinic","tableId":"a"},"destinationTable":{"datasetId":"clinic","tableId":"b"},"createDisposition":"X"}}}`, "create disposition"},
		{"POST " + p + "/jobs", `{"configuration":{"extract":{"sourceTable":{"datasetId":"clinic","tableId":"a"}}}}`, "no address"},
		{"POST " + p + "/jobs", `{"configuration":{"extract":{"destinationUris":["gs://b/x"]}}}`, "exactly one thing"},
		{"POST " + p + "/jobs", `{"configuration":{"extract":{"destinationUris":["/tmp/x"],"sourceTable":{"datasetId":"clinic","tableId":"a"}}}}`, "not one of a store"},
		{"POST " + p + "/jobs", `{"configuration":{"extract":{"destinationUris":["gs://*/x"],"sourceTable":{"datasetId":"clinic","tableId":"a"}}}}`, "no bucket"},
		{"POST " + p + "/jobs", `{"configuration":{"load":{"destinationTable":{"datasetId":"clinic","tableId":"a"},"sourceUris":["https://drive.google.com/a/%2e%2e/b"]}}}`, "two ways"},
		{"POST " + p + "/jobs", `{"configuration":{"load":{"destinationTable":{"datasetId":"clinic","tableId":"a"},"sourceUris":["https://drive.google.com/a/../b"]}}}`, "two ways"},
		{"POST " + p + "/jobs", `{"configuration":{"load":{"destinationTable":{"datasetId":"clinic","tableId":"a"},"sourceUris":["https://x@drive.google.com/b"]}}}`, "two ways"},
		{"PATCH " + ds + "/tables/patients", `{"tableReference":{"tableId":"other"}}`, "another object"},
		{"PATCH " + ds + "/tables/patients", `{"tableReference":{"datasetId":"other"}}`, "another object"},
		{"POST " + ds + "/tables", `{"tableReference":{"datasetId":"other","tableId":"n"}}`, "another object"},
		{"POST " + ds + "/tables", `{"tableReference":{"tableId":"n"},"externalCatalogTableOptions":{}}`, "externalCatalogTableOptions"},
		{"POST " + ds + "/tables", `{}`, "name of a table"},
		{"PATCH " + ds, `{"datasetReference":{"datasetId":"other"}}`, "another object"},
		{"POST " + p + "/datasets", `{"datasetReference":{"datasetId":"n"},"isCaseInsensitive":true}`, "isCaseInsensitive"},
		{"POST " + p + "/datasets", `{"datasetReference":{"datasetId":"_n"}}`, "service's own"},
		{"POST " + p + "/datasets", `{"datasetReference":{"datasetId":"n"},"externalDatasetReference":{"connection":"c"}}`, "externalDatasetReference"},
		{"PUT " + ds + "/routines/r", `{"routineReference":{"routineId":"s"}}`, "another object"},
		{"POST " + ds + "/routines", `{"definitionBody":"1"}`, "name of a routine"},
		{"PATCH " + ds + "/models/m", `{"modelReference":{"modelId":"n"}}`, "another object"},
		{"POST " + ds + "/tables/t/rowAccessPolicies:batchDelete", `{"policyIds":["a/b"]}`, "name of a policy"},
		{"POST " + ds + "/tables/t/insertAll", `{"rows":[{"json":{},"x":1}]}`, "rows.x"},
		{"POST " + ds + "/tables/t/insertAll", "", "no body"},
	} {
		if err := refused(t, a, tt.line, tt.body); !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s %s: %v", tt.line, tt.body, err)
		}
	}
}

// TestLegacySQL finds it however it is chosen.
func TestLegacySQL(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	const q = "SELECT ssn FROM clinic.patients"
	for _, tt := range []struct {
		text, stated string
		legacy       bool
	}{
		{q, `,"useLegacySql":false`, false},
		{q, `,"useLegacySql":true`, true},
		{q, `,"useLegacySql":null`, true},
		{q, "", true},
		{"#standardSQL\\n" + q, "", false},
		{"#StandardSQL  \\r\\n" + q, `,"useLegacySql":true`, false},
		{"#legacySQL\\n" + q, `,"useLegacySql":false`, true},
		{"\\n -- x\\n #LEGACYSQL\\n" + q, `,"useLegacySql":false`, true},
		{"#standardSQL\\n#legacySQL\\n" + q, `,"useLegacySql":false`, true},
		{"/* */\\r#legacySQL\\r" + q, `,"useLegacySql":false`, true},
	} {
		for _, form := range []string{`{"query":"TEXT"STATED}`, `{"configuration":{"query":{"query":"TEXT"STATED}}}`} {
			line := "POST " + p + "/queries"
			if strings.Contains(form, "configuration") {
				line = "POST " + p + "/jobs"
			}
			c, err := a.Analyse(t.Context(), request(line, strings.NewReplacer("TEXT", tt.text, "STATED", tt.stated).Replace(form)))
			if err != nil {
				t.Errorf("%+v: %v", tt, err)
				continue
			}
			if c.Legacy != tt.legacy || (c.Statement.Refused != "") != tt.legacy {
				t.Errorf("%+v: legacy %v, refused %q", tt, c.Legacy, c.Statement.Refused)
			}
			f, err := c.Rewrite(bigquery.Own{Job: "sp_1"})
			if tt.legacy != (err != nil) || err == nil && !strings.Contains(string(f.Body), `"useLegacySql":false`) {
				t.Errorf("%+v goes on as %s, %v", tt, f.Body, err)
			}
		}
	}
}

// TestDryRun holds that a dry run reads what things are, and does nothing.
func TestDryRun(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	c := analyse(t, a, "POST "+p+"/queries", `{"query":"DROP TABLE clinic.patients","useLegacySql":false,"dryRun":true}`)
	expect(t, c, "read table wh/clinic/patients")
	if !c.DryRun || c.Statement.Readable != "dry run: DROP TABLE clinic.patients" || c.Statement.Class != "DROP_TABLE" {
		t.Errorf("%+v", c.Statement)
	}
	c = analyse(t, a, "POST "+p+"/jobs", `{"configuration":{"dryRun":true,"query":{"query":"SELECT ssn FROM clinic.patients","useLegacySql":false,
		"destinationTable":{"datasetId":"clinic","tableId":"n"},"writeDisposition":"WRITE_TRUNCATE"}}}`)
	for _, e := range c.Statement.Effects {
		if e != sallyport.Read {
			t.Errorf("a dry run has the effect %s", e)
		}
	}
	if len(c.Statement.Flows)+len(c.Statement.Outputs) > 0 {
		t.Errorf("%+v", c.Statement)
	}
	// What cannot be read stays so.
	c = analyse(t, a, "POST "+p+"/queries", `{"query":"EXECUTE IMMEDIATE x","useLegacySql":false,"dryRun":true}`)
	if c.Statement.Refused == "" || len(c.Statement.Effects) > 0 {
		t.Errorf("%+v", c.Statement)
	}
	// Jobs that are no queries have no dry run that the service promises.
	c = analyse(t, a, "POST "+p+"/jobs", `{"configuration":{"dryRun":true,"load":{"destinationTable":{"datasetId":"clinic","tableId":"n"},"sourceUris":["gs://b/o"]}}}`)
	expect(t, c, "define table wh/clinic/n", "read url wh/gs://b/o", "write table wh/clinic/n", "wh/clinic/n/* <- unknown")
}

// TestWithoutReaders holds that what nobody can read is refused or unknown.
func TestWithoutReaders(t *testing.T) {
	t.Parallel()
	a := analyser(t, func(c *bigquery.Config) { c.Queries, c.Catalog, c.Number = nil, nil, "" })
	if err := refused(t, a, "POST "+p+"/queries", `{"query":"SELECT 1","useLegacySql":false}`); sallyport.KindOf(err) != sallyport.Denied {
		t.Error(err)
	}
	c := analyse(t, a, "GET "+p+"/datasets/clinic/tables/patients/data", "")
	if o := c.Statement.Outputs; len(o) != 1 || !o[0].Unknown {
		t.Errorf("%+v", o)
	}
	refused(t, a, "GET /bigquery/v2/projects/"+number+"/datasets", "")
	for _, c := range []bigquery.Config{{}, {Resource: "wh"}, {Resource: "wh", Project: "A"}, {Resource: "wh", Project: "a-b", Number: "x"}} {
		if _, err := bigquery.New(c); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
