// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"slices"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
)

// The tests below are about ways by which a masked caller could get at what is
// masked, or anybody at what is another caller's, as far as requests decide about
// them. The comment before each says the way.

const (
	job      = "POST " + p + "/jobs"
	query    = "POST " + p + "/queries"
	patients = `{"projectId":"clinic-test","datasetId":"clinic","tableId":"patients"}`
	selects  = `"query":"SELECT ssn FROM clinic.patients","useLegacySql":false`
)

// 1: the state and result of another caller's job.
func TestBypass01JobsAreOnesOwn(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	for _, line := range []string{"GET " + p + "/queries/j", "GET " + p + "/jobs/j", "POST " + p + "/jobs/j/cancel"} {
		c := analyse(t, a, line+"?location=EU", "")
		expect(t, c, "control job wh/j")
		if c.Job != "j" || c.Location != "EU" {
			t.Errorf("%s names the job %q in %q", line, c.Job, c.Location)
		}
		if o := c.Statement.Outputs; c.Answer == bigquery.AnswerRows && (len(o) != 1 || !o[0].Unknown) {
			t.Errorf("%s: rows of which nothing is known: %+v", line, o)
		}
		// Only the id that the registry knows goes on.
		f, err := c.Rewrite(bigquery.Own{Job: "sp_77_j"})
		if err != nil || !strings.Contains(f.Path, "/sp_77_j") || strings.HasSuffix(f.Path, "/j") {
			t.Errorf("%s goes on as %s, %v", line, f.Path, err)
		}
	}
	// A new job has the gateway's id, whatever the client's is, and never none.
	c := analyse(t, a, job, `{"jobReference":{"projectId":"clinic-test","jobId":"mine"},"configuration":{"query":{`+selects+`}}}`)
	if c.Job != "mine" {
		t.Errorf("the client's id is %q", c.Job)
	}
	f, err := c.Rewrite(bigquery.Own{Job: "sp_77_mine"})
	if err != nil || !strings.Contains(string(f.Body), `"jobId":"sp_77_mine"`) || strings.Contains(string(f.Body), `"mine"`) {
		t.Errorf("%s %v", f.Body, err)
	}
	if _, err := c.Rewrite(bigquery.Own{}); sallyport.KindOf(err) != sallyport.Internal {
		t.Error(err)
	}
	if id, err := bigquery.OwnJob("sp_77_", "mine"); err != nil || id != "sp_77_mine" {
		t.Error(id, err)
	}
	if _, err := bigquery.OwnJob("sp_77_", strings.Repeat("a", 1020)); sallyport.KindOf(err) != sallyport.Invalid {
		t.Error(err)
	}
	// The service answers a repeated request id with the first one's rows.
	c = analyse(t, a, query, `{`+selects+`,"requestId":"shared"}`)
	f, err = c.Rewrite(bigquery.Own{RequestID: bigquery.OwnRequest("session-1", c.RequestID)})
	if err != nil || c.RequestID != "shared" || strings.Contains(string(f.Body), "shared") || !strings.Contains(string(f.Body), "requestId") {
		t.Errorf("%s %v", f.Body, err)
	}
	if a, b := bigquery.OwnRequest("session-1", "shared"), bigquery.OwnRequest("session-2", "shared"); a == b || len(a) > 36 || bigquery.OwnRequest("s", "") != "" {
		t.Error(a, b)
	}
	if f, err := c.Rewrite(bigquery.Own{}); err != nil || strings.Contains(string(f.Body), "requestId") {
		t.Errorf("%s %v", f.Body, err)
	}
}

// 2: the anonymous table that holds a query's answer.
func TestBypass02AnonymousTables(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	hidden := bigquery.Table{Dataset: bigquery.Dataset{Project: project, ID: "_abc"}, ID: "anon1"}
	const ref = `{"datasetId":"_abc","tableId":"anon1"}`
	for line, body := range map[string]string{
		"GET " + p + "/datasets/_abc/tables/anon1/data": "",
		"GET " + p + "/datasets/_abc/tables/anon1":      "",
		job:       `{"configuration":{"copy":{"sourceTable":` + ref + `,"destinationTable":{"datasetId":"clinic","tableId":"n"}}}}`,
		job + "?": `{"configuration":{"extract":{"sourceTable":` + ref + `,"destinationUris":["gs://b/o"]}}}`,
	} {
		c := analyse(t, a, line, body)
		if !slices.Equal(c.Hidden, []bigquery.Table{hidden}) {
			t.Errorf("%s does not name the table: %+v", line, c.Hidden)
		}
		if strings.HasSuffix(line, "/data") && (len(c.Statement.Outputs) != 1 || !c.Statement.Outputs[0].Unknown) {
			t.Errorf("%s: %+v", line, c.Statement.Outputs)
		}
		if body != "" && (len(c.Statement.Flows) != 1 || !c.Statement.Flows[0].Unknown) {
			t.Errorf("%s: what an answer holds is not known: %+v", line, c.Statement.Flows)
		}
	}
	for line, body := range map[string]string{
		"GET " + p + "/datasets/_abc":                                  "",
		"GET " + p + "/datasets/_abc/tables":                           "",
		"GET " + p + "/datasets/_abc/models":                           "",
		"GET " + p + "/datasets/_abc/routines/r":                       "",
		"DELETE " + p + "/datasets/_abc/tables/anon1":                  "",
		"POST " + p + "/datasets/_abc/tables/anon1:getIamPolicy":       "",
		"GET " + p + "/datasets/_abc/tables/anon1/rowAccessPolicies":   "",
		"POST " + p + "/datasets/_abc/tables/anon1/insertAll":          `{"rows":[]}`,
		"PATCH " + p + "/datasets/_abc/tables/anon1":                   `{"expirationTime":"9"}`,
		"POST " + p + "/datasets/_abc/tables":                          `{"tableReference":{"tableId":"n"}}`,
		job:                                                            `{"configuration":{"query":{` + selects + `,"destinationTable":` + ref + `}}}`,
		job + "?":                                                      `{"configuration":{"load":{"destinationTable":` + ref + `}}}`,
		"POST " + p + "/datasets/_abc/tables/anon1:testIamPermissions": `{}`,
		"POST " + p + "/datasets/_abc/tables/a/rowAccessPolicies":      `{"rowAccessPolicyReference":{"policyId":"x"}}`,
	} {
		refused(t, a, line, body)
	}
}

// 3: a copy of masked data under another name.
func TestBypass03Copies(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	n := `{"datasetId":"clinic","tableId":"n"}`
	// A query with a destination.
	c := analyse(t, a, job, `{"configuration":{"query":{`+selects+`,"destinationTable":`+n+`}}}`)
	expect(t, c, "define table wh/clinic/n", "read table wh/clinic/patients (1 columns)", "write table wh/clinic/n", "wh/clinic/n/1 <- wh/clinic/patients/ssn")
	if c.Statement.Readable != "SELECT ssn FROM clinic.patients -- into clinic.n" || c.Statement.Class != "SELECT" {
		t.Errorf("%+v", c.Statement)
	}
	c = analyse(t, a, job, `{"configuration":{"query":{`+selects+`,"destinationTable":{"datasetId":"clinic","tableId":"twin"},"writeDisposition":"WRITE_TRUNCATE","schemaUpdateOptions":[]}}}`)
	expect(t, c, "define table wh/clinic/twin", "destroy table wh/clinic/twin", "read table wh/clinic/patients (1 columns)", "write table wh/clinic/twin",
		"wh/clinic/twin/1 <- wh/clinic/patients/ssn")
	// A copy, a clone, a snapshot and what restores one.
	for operation, verb := range map[string]string{"": "copy", "COPY": "copy", "CLONE": "clone", "SNAPSHOT": "snapshot", "RESTORE": "restore"} {
		c = analyse(t, a, job, `{"configuration":{"copy":{"operationType":"`+operation+`","sourceTable":`+patients+`,"destinationTable":{"datasetId":"clinic","tableId":"twin"}}}}`)
		expect(t, c, "read table wh/clinic/patients (5 columns)", "write table wh/clinic/twin",
			"wh/clinic/twin/MRN <- wh/clinic/patients/mrn", "wh/clinic/twin/name <- wh/clinic/patients/name", "wh/clinic/twin/SSN <- wh/clinic/patients/ssn",
			"wh/clinic/twin/address <- wh/clinic/patients/address", "wh/clinic/twin/address/city <- wh/clinic/patients/address/city")
		if c.Statement.Class != "bigquery.jobs.insert."+verb || c.Statement.Readable != verb+" clinic.patients to clinic.twin" {
			t.Errorf("%+v", c.Statement)
		}
	}
	// Several sources, of which one is unknown, into another project.
	c = analyse(t, a, job, `{"configuration":{"copy":{"sourceTables":[{"datasetId":"clinic","tableId":"v"},{"datasetId":"x","tableId":"y"}],
		"destinationTable":{"projectId":"other","datasetId":"d","tableId":"n"}}}}`)
	expect(t, c, "define table wh/other.d/n", "read table wh/x/y", "read view wh/clinic/v (1 columns)", "write table wh/other.d/n",
		"wh/other.d/n/mrn <- wh/clinic/v/mrn", "wh/other.d/n/* <- wh/x/y/* unknown")
	// Views, plain and materialised.
	for _, body := range []string{
		`{"tableReference":` + n + `,"view":{` + selects + `}}`,
		`{"tableReference":` + n + `,"materializedView":{"query":"SELECT ssn FROM clinic.patients"}}`,
	} {
		c = analyse(t, a, "POST "+p+"/datasets/clinic/tables", body)
		expect(t, c, "define view wh/clinic/n", "read table wh/clinic/patients (1 columns)", "wh/clinic/n/1 <- wh/clinic/patients/ssn")
		if len(c.Statement.Outputs) > 0 || !strings.HasSuffix(c.Statement.Readable, " clinic.n as SELECT ssn FROM clinic.patients") {
			t.Errorf("%+v", c.Statement)
		}
	}
	// A replica.
	c = analyse(t, a, "POST "+p+"/datasets/clinic/tables", `{"tableReference":`+n+`,"tableReplicationInfo":{"sourceTable":{"datasetId":"clinic","tableId":"v"}}}`)
	expect(t, c, "define table wh/clinic/n", "read view wh/clinic/v (1 columns)", "wh/clinic/n/mrn <- wh/clinic/v/mrn")
}

// 4: data that leaves: extracts, and queries without an end.
func TestBypass04Exports(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	c := analyse(t, a, job, `{"configuration":{"extract":{"sourceTable":{"datasetId":"clinic","tableId":"v"},"destinationUri":"gs://out/x/v-*.csv","destinationUris":["gs://out/y"]}}}`)
	expect(t, c, "read view wh/clinic/v (1 columns)", "write url wh/gs://out/x", "write url wh/gs://out/y",
		"wh/gs://out/y <- wh/clinic/v/mrn", "wh/gs://out/x <- wh/clinic/v/mrn")
	if p := c.Statement.Accesses[0].Object.Path; !slices.Equal(p, []string{"wh", "gs://out", "y"}) {
		t.Errorf("the path of an address is %q", p)
	}
	if c.Statement.Readable != "extract clinic.v to 2 addresses" || c.Statement.Class != "bigquery.jobs.insert.extract" {
		t.Errorf("%+v", c.Statement)
	}
	c = analyse(t, a, job, `{"configuration":{"extract":{"sourceModel":{"datasetId":"clinic","modelId":"m"},"destinationUris":["gs://out/m"]}}}`)
	expect(t, c, "read model wh/clinic/m", "write url wh/gs://out/m", "wh/gs://out/m <- unknown")
	refused(t, a, job, `{"configuration":{"query":{`+selects+`,"continuous":true}}}`)
	analyse(t, a, job, `{"configuration":{"query":{`+selects+`,"continuous":false}}}`)
}

// 8: the list of everybody's jobs, with their texts.
func TestBypass08ListsOfJobs(t *testing.T) {
	t.Parallel()
	c := analyse(t, analyser(t), "GET "+p+"/jobs?allUsers=true&projection=full&parentJobId=a", "")
	expect(t, c, "control job wh/*")
	f, err := c.Rewrite(bigquery.Own{Parent: "sp_77_a"})
	if err != nil || strings.Contains(f.Query, "allUsers") || !strings.Contains(f.Query, "parentJobId=sp_77_a") || c.Parent != "a" {
		t.Errorf("%s %v", f.Query, err)
	}
}

// 8 again: the datasets in which everybody's answers lie.
func TestBypass08ListsOfDatasets(t *testing.T) {
	t.Parallel()
	c := analyse(t, analyser(t), "GET "+p+"/datasets?all=true&filter=labels.a:b", "")
	if f, err := c.Rewrite(bigquery.Own{}); err != nil || f.Query != "alt=json&filter=labels.a%3Ab&prettyPrint=false" {
		t.Errorf("%s %v", f.Query, err)
	}
}

// 10: the temporary tables of another caller's session.
func TestBypass10Sessions(t *testing.T) {
	t.Parallel()
	read := &texts{}
	a := analyser(t, func(c *bigquery.Config) { c.Queries = read })
	in := `,"connectionProperties":[{"key":"time_zone","value":"UTC"},{"key":"session_id","value":"theirs"}]`
	for line, body := range map[string]string{
		query:     `{` + selects + in + `}`,
		job:       `{"configuration":{"query":{` + selects + in + `}}}`,
		job + "?": `{"configuration":{"load":{"destinationTable":{"datasetId":"clinic","tableId":"n"}` + in + `}}}`,
	} {
		c := analyse(t, a, line, body)
		if c.Session != "theirs" || c.CreateSession {
			t.Errorf("%s runs in %q", body, c.Session)
		}
		f, err := c.Rewrite(bigquery.Own{Job: "sp_1", Session: "ours"})
		if err != nil || strings.Contains(string(f.Body), "theirs") || !strings.Contains(string(f.Body), `"value":"ours"`) || !strings.Contains(string(f.Body), "UTC") {
			t.Errorf("%s %v", f.Body, err)
		}
	}
	if c := analyse(t, a, query, `{`+selects+`,"createSession":true}`); !c.CreateSession {
		t.Error("the begin of a session is not told")
	}
	// What a name alone means is the session's to say.
	for i, q := range read.asked {
		if begins := i == len(read.asked)-1; q.Session == begins {
			t.Errorf("the text of query %d is in a session: %v", i, q.Session)
		}
	}
}

// 11: an answer without a job that it belongs to.
func TestBypass11JobsAreMade(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"", `,"jobCreationMode":"JOB_CREATION_OPTIONAL"`} {
		c := analyse(t, analyser(t), query, `{`+selects+mode+`}`)
		f, err := c.Rewrite(bigquery.Own{})
		if err != nil || !strings.Contains(string(f.Body), `"jobCreationMode":"JOB_CREATION_REQUIRED"`) || strings.Contains(string(f.Body), "OPTIONAL") {
			t.Errorf("%s %v", f.Body, err)
		}
	}
}

// 12: code that reads or sends for the caller.
func TestBypass12Routines(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	const line = "POST " + p + "/datasets/clinic/routines"
	c := analyse(t, a, line, `{"routineReference":{"routineId":"r"},"remoteFunctionOptions":{"connection":"projects/q/locations/eu/connections/c","endpoint":"https://example.org/"}}`)
	expect(t, c, "define function wh/clinic/r", "execute connection wh/q.eu.c")
	c = analyse(t, a, line, `{"routineReference":{"routineId":"r"},"importedLibraries":["gs://lib/a.js"],"securityMode":"DEFINER"}`)
	expect(t, c, "administer function wh/clinic/r", "define function wh/clinic/r", "read url wh/gs://lib/a.js")
	c = analyse(t, a, line, `{"routineReference":{"routineId":"r"},"sparkOptions":{"connection":"q.eu.c","mainFileUri":"gs://lib/m.py","jarUris":["gs://lib/j.jar"]}}`)
	expect(t, c, "define function wh/clinic/r", "execute connection wh/q.eu.c", "read url wh/gs://lib/j.jar", "read url wh/gs://lib/m.py")
	c = analyse(t, a, line, `{"routineReference":{"routineId":"r"},"dataGovernanceType":"DATA_MASKING"}`)
	expect(t, c, "administer function wh/clinic/r", "define function wh/clinic/r")
	refused(t, a, job, `{"configuration":{"query":{`+selects+`,"userDefinedFunctionResources":[{"inlineCode":"x"}]}}}`)
}

// 13: data from outside, and tables that are others' under another name.
func TestBypass13External(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	n := `{"datasetId":"clinic","tableId":"n"}`
	c := analyse(t, a, job, `{"configuration":{"load":{"destinationTable":`+n+`,"sourceUris":["gs://in/a/*.csv","gs://in/b"],"referenceFileSchemaUri":"gs://in/s"}}}`)
	expect(t, c, "define table wh/clinic/n", "read url wh/gs://in/a", "read url wh/gs://in/b", "read url wh/gs://in/s", "write table wh/clinic/n", "wh/clinic/n/* <- unknown")
	c = analyse(t, a, "POST "+p+"/datasets/clinic/tables", `{"tableReference":`+n+`,"externalDataConfiguration":{"sourceUris":["https://drive.google.com/open?id=x"],"connectionId":"q.eu.c"}}`)
	expect(t, c, "define table wh/clinic/n", "execute connection wh/q.eu.c", "read url wh/https://drive.google.com/open?id=x", "wh/clinic/n/* <- unknown")
	c = analyse(t, a, "POST "+p+"/datasets/clinic/tables", `{"tableReference":`+n+`,"biglakeConfiguration":{"connectionId":"q.eu.c","storageUri":"gs://lake/n"}}`)
	expect(t, c, "define table wh/clinic/n", "execute connection wh/q.eu.c", "write url wh/gs://lake/n", "wh/clinic/n/* <- unknown")
	q := &texts{}
	b := analyser(t, func(c *bigquery.Config) { c.Queries = q })
	c = analyse(t, b, job, `{"configuration":{"query":{`+selects+`,"tableDefinitions":{"patients":{"sourceUris":["gs://in/p"]}}}}}`)
	expect(t, c, "read table wh/clinic/patients (1 columns)", "read url wh/gs://in/p")
	if len(q.asked) != 1 || !slices.Equal(q.asked[0].Temporary, []string{"patients"}) {
		t.Errorf("the reader of queries is not told what the request defines: %+v", q.asked)
	}
	c = analyse(t, a, "POST "+p+"/datasets", `{"datasetReference":{"datasetId":"n"},"linkedDatasetSource":{"sourceDataset":{"projectId":"other","datasetId":"d"}}}`)
	expect(t, c, "define schema wh/n", "read schema wh/other.d", "wh/n/*/* <- unknown")
}

// 14: what a table was, a part of it, and several by one name.
func TestBypass14Decorators(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	for suffix, columns := range map[string]string{"@-3600000": "", "@1-2": "", "$20240101": " (5 columns)", "$__NULL__": " (5 columns)", "$20240101@1": ""} {
		c := analyse(t, a, "GET "+p+"/datasets/clinic/tables/patients"+suffix+"/data", "")
		expect(t, c, "read table wh/clinic/patients"+columns)
		if c.Table.ID != "patients" || c.Table.Decorator != suffix {
			t.Errorf("%+v", c.Table)
		}
		// Columns that a table once had may be others than those that it has.
		if o := c.Statement.Outputs; c.Table.Old() != (len(o) == 1 && o[0].Unknown) {
			t.Errorf("%s: %+v", suffix, o)
		}
		c = analyse(t, a, job, `{"configuration":{"copy":{"sourceTable":{"datasetId":"clinic","tableId":"patients`+suffix+`"},"destinationTable":{"datasetId":"clinic","tableId":"twin"}}}}`)
		if f := c.Statement.Flows; c.Table.Old() || len(f) == 0 || strings.Contains(suffix, "@") != f[0].Unknown {
			t.Errorf("%s: %+v", suffix, f)
		}
		c = analyse(t, a, "DELETE "+p+"/datasets/clinic/tables/patients"+suffix, "")
		if c.Statement.Accesses[0].Object.Name() != "wh/clinic/patients" || c.Statement.Effects[0] != sallyport.Destroy {
			t.Errorf("%+v", c.Statement)
		}
	}
	c := analyse(t, a, "POST "+p+"/datasets/clinic:undelete", `{"deletionTime":"2024-01-01T00:00:00Z"}`)
	expect(t, c, "define schema wh/clinic")
	refused(t, a, "GET "+p+"/datasets/clinic/tables/patien*/data", "")
	// A project has no second name.
	c = analyse(t, a, job, `{"configuration":{"extract":{"sourceTable":{"projectId":"`+number+`","datasetId":"clinic","tableId":"v"},"destinationUris":["gs://b/o"]}}}`)
	expect(t, c, "read view wh/clinic/v (1 columns)", "write url wh/gs://b/o", "wh/gs://b/o <- wh/clinic/v/mrn")
	refused(t, a, job, `{"configuration":{"extract":{"sourceTable":{"projectId":"987654","datasetId":"clinic","tableId":"v"},"destinationUris":["gs://b/o"]}}}`)
}

// 16: rights, and what takes masks away.
func TestBypass16Rights(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	const tab, ds = p + "/datasets/clinic/tables/patients", p + "/datasets/clinic"
	for _, tt := range []struct{ line, body, want string }{
		{"PATCH " + tab, `{"schema":{"fields":[{"name":"ssn","type":"STRING","policyTags":{"names":[]}}]}}`, "table wh/clinic/patients"},
		{"PUT " + tab, `{"schema":null}`, "table wh/clinic/patients"},
		{"PATCH " + tab + "?autodetect_schema=true", `{}`, "table wh/clinic/patients"},
		{"PATCH " + tab, `{"encryptionConfiguration":{"kmsKeyName":"k"}}`, "table wh/clinic/patients"},
		{"PATCH " + tab, `{"resourceTags":{"a":"b"}}`, "table wh/clinic/patients"},
		{"PUT " + tab, `{"description":"x"}`, "table wh/clinic/patients"},
		{"POST " + tab + ":setIamPolicy", `{"policy":{"bindings":[{"role":"r","members":["m"]}]}}`, "table wh/clinic/patients"},
		{"POST " + ds + "/routines/r:setIamPolicy", `{"policy":{}}`, "function wh/clinic/r"},
		{"PATCH " + ds, `{"access":[{"role":"READER","iamMember":"allUsers"}]}`, "schema wh/clinic"},
		{"PATCH " + ds, `{"access":null}`, "schema wh/clinic"},
		{"PATCH " + ds, `{"maxTimeTravelHours":"48"}`, "schema wh/clinic"},
		{"PATCH " + ds, `{"access":[{"view":{"datasetId":"x","tableId":"v"}}]}`, "view wh/x/v"},
		{"PATCH " + ds, `{"access":[{"routine":{"datasetId":"x","routineId":"r"}}]}`, "function wh/x/r"},
		{"PATCH " + ds, `{"access":[{"dataset":{"dataset":{"projectId":"other","datasetId":"d"},"targetTypes":["VIEWS"]}}]}`, "schema wh/other.d"},
		{"POST " + p + "/datasets", `{"datasetReference":{"datasetId":"n"},"access":[{"role":"READER","domain":"example.org"}]}`, "schema wh/n"},
		{"POST " + tab + "/rowAccessPolicies", `{"rowAccessPolicyReference":{"policyId":"x"},"filterPredicate":"true"}`, "table wh/clinic/patients"},
		{"PUT " + tab + "/rowAccessPolicies/x", `{"filterPredicate":"true"}`, "policy wh/clinic/patients/x"},
		{"DELETE " + tab + "/rowAccessPolicies/x?force=true", "", "policy wh/clinic/patients/x"},
		{"POST " + tab + "/rowAccessPolicies:batchDelete", `{"policyIds":["x","y"]}`, "policy wh/clinic/patients/y"},
		{"PATCH " + ds + "/models/m", `{"encryptionConfiguration":{"kmsKeyName":"k"}}`, "model wh/clinic/m"},
	} {
		c := analyse(t, a, tt.line, tt.body)
		if !strings.Contains("\n"+told(c.Statement)+"\n", "\nadminister "+tt.want+"\n") {
			t.Errorf("%s %s does\n%s", tt.line, tt.body, told(c.Statement))
		}
	}
	for line, want := range map[string]string{
		"POST " + tab + ":getIamPolicy":                     "read table wh/clinic/patients",
		"POST " + ds + "/routines/r:getIamPolicy":           "read function wh/clinic/r",
		"POST " + tab + "/rowAccessPolicies/x:getIamPolicy": "read policy wh/clinic/patients/x",
	} {
		expect(t, analyse(t, a, line, `{"options":{"requestedPolicyVersion":3}}`), want)
	}
	expect(t, analyse(t, a, "POST "+tab+":testIamPermissions", `{"permissions":["bigquery.tables.get"]}`), "read table wh/clinic/patients")
	// The text of a view that is changed is read as that of a new one.
	c := analyse(t, a, "PATCH "+ds+"/tables/v", `{"view":{`+selects+`}}`)
	expect(t, c, "define view wh/clinic/v", "read table wh/clinic/patients (1 columns)", "wh/clinic/v/1 <- wh/clinic/patients/ssn")
	c = analyse(t, a, "PATCH "+ds+"/tables/v", `{"view":{"query":"SELECT ssn FROM clinic.patients"}}`)
	if !c.Legacy || c.Statement.Refused == "" {
		t.Error("a view is legacy SQL where nothing else is said")
	}
	if c = analyse(t, a, "PATCH "+ds+"/tables/v", `{"view":{"useLegacySql":true}}`); !c.Legacy || c.Statement.Refused == "" {
		t.Error("the text of a view can be made legacy SQL without it")
	}
	c = analyse(t, a, "POST "+ds+"/tables", `{"tableReference":{"tableId":"n"},"view":{"query":"EXECUTE IMMEDIATE x","useLegacySql":false}}`)
	if c.Statement.Refused == "" {
		t.Error("a view whose text is refused passes")
	}
}

// 17: texts of views and models, which can hold values.
func TestBypass17TextsInMetadata(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	for _, m := range bigquery.Methods() {
		if m.HTTP != "GET" {
			continue
		}
		line := "GET /bigquery/v2/" + strings.NewReplacer("{projectId}", project, "{datasetId}", "clinic", "{tableId}", "patients", "{modelId}", "m",
			"{routineId}", "r", "{policyId}", "x", "{jobId}", "j").Replace(m.Path)
		if c := analyse(t, a, line, ""); c.Answer == bigquery.AnswerNothing {
			t.Errorf("nobody would look at the answer of %s", m.ID)
		}
	}
}

// 19 and 21: values in requests, which may not stand on record.
func TestBypass19ValuesInRequests(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	const secret = "078-05-1120"
	for _, tt := range []struct{ line, body string }{
		{query, `{` + selects + `,"labels":{"a":"` + secret + `"},"queryParameters":[{"name":"x","parameterType":{"type":"STRING"},"parameterValue":{"value":"` + secret + `"}}]}`},
		{"POST " + p + "/datasets/clinic/tables/patients/insertAll", `{"traceId":"` + secret + `","rows":[{"insertId":"` + secret + `","json":{"` + secret + `":"` + secret + `"}}]}`},
		{"PATCH " + p + "/datasets/clinic/tables/patients", `{"description":"` + secret + `","friendlyName":"` + secret + `","labels":{"` + secret + `":"` + secret + `"}}`},
		{"POST " + p + "/datasets/clinic/tables/patients/rowAccessPolicies", `{"rowAccessPolicyReference":{"policyId":"x"},"filterPredicate":"ssn = '` + secret + `'"}`},
		{"POST " + p + "/datasets/clinic/tables", `{"tableReference":{"tableId":"t1234567"},"schema":{"fields":[{"name":"a","defaultValueExpression":"'` + secret + `'"}]}}`},
		{query, `{` + selects + `,"` + secret + `":1}`},
		{query, `{` + selects + `,"labels":{"a":["` + secret + `"]}}`},
		{query, `{` + selects + `,"connectionProperties":[{"key":"` + secret + `"}]}`},
		{"GET " + p + "/datasets?" + secret + "=" + secret, ""},
		{"GET " + p + "/datasets/" + secret, ""},
		{"GET " + p + "/jobs/" + secret, ""},
	} {
		c, err := a.Analyse(t.Context(), request(tt.line, tt.body))
		for _, text := range []string{c.Statement.Readable, c.Statement.Refused, c.Statement.Hint} {
			if strings.Contains(text, secret) || strings.Contains(text, "1234567") {
				t.Errorf("%s %s tells %q", tt.line, tt.body, text)
			}
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s %s: %v", tt.line, tt.body, err)
		}
	}
	c := analyse(t, a, "POST "+p+"/datasets/clinic/tables/patients/insertAll", `{"rows":[{"json":{}},{"json":{"a":[1,{"b":null}]}}]}`)
	if c.Rows != 2 || c.Statement.Readable != "bigquery.tabledata.insertAll clinic.patients (2 rows)" {
		t.Errorf("%d %s", c.Rows, c.Statement.Readable)
	}
	if f, err := c.Rewrite(bigquery.Own{}); err != nil || string(f.Body) != `{"rows":[{"json":{}},{"json":{"a":[1,{"b":null}]}}]}` {
		t.Errorf("%s %v", f.Body, err)
	}
}

// 20: the service's own cache of answers.
func TestBypass20Cache(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	for line, body := range map[string]string{query: `{` + selects + `,"useQueryCache":true}`, job: `{"configuration":{"query":{` + selects + `,"useQueryCache":true}}}`} {
		c := analyse(t, a, line, body)
		f, err := c.Rewrite(bigquery.Own{Job: "sp_1", NoCache: true})
		if err != nil || !strings.Contains(string(f.Body), `"useQueryCache":false`) || strings.Contains(string(f.Body), `"useQueryCache":true`) {
			t.Errorf("%s %v", f.Body, err)
		}
		if f, err = c.Rewrite(bigquery.Own{Job: "sp_1"}); err != nil || !strings.Contains(string(f.Body), `"useQueryCache":true`) {
			t.Errorf("%s %v", f.Body, err)
		}
	}
}
