// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
)

// TestFormsOfPaths holds that what clients really send is the same method, and
// goes on in one form.
func TestFormsOfPaths(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	const want = "/bigquery/v2/projects/clinic-test/datasets/clinic/tables/patients"
	for _, path := range []string{
		"/bigquery/v2/projects/clinic-test/datasets/clinic/tables/patients",
		"/bigquery/v2/bigquery/v2/projects/clinic-test/datasets/clinic/tables/patients",
		"/projects/clinic-test/datasets/clinic/tables/patients",
		"/bigquery/v2/projects/" + number + "/datasets/clinic/tables/patients",
		"/bigquery/v2/projects/clinic%2Dtest/datasets/%63linic/tables/patients",
	} {
		c := analyse(t, a, "GET "+path, "")
		if c.Method.ID != "bigquery.tables.get" || c.Table.ID != "patients" || c.Dataset.ID != "clinic" || c.Project != project {
			t.Errorf("%s is %s of %+v", path, c.Method.ID, c)
		}
		f, err := c.Rewrite(bigquery.Own{})
		if err != nil || f.Path != want || f.Method != "GET" || f.Query != "alt=json&prettyPrint=false" || f.Body != nil {
			t.Errorf("%s goes on as %+v, %v", path, f, err)
		}
	}
	for path, id := range map[string]string{
		"POST /bigquery/v2/projects/clinic-test/datasets/clinic:undelete":                         "bigquery.datasets.undelete",
		"POST /bigquery/v2/projects/clinic-test/datasets/clinic%3Aundelete":                       "bigquery.datasets.undelete",
		"POST " + want + ":getIamPolicy":                                                          "bigquery.tables.getIamPolicy",
		"GET /bigquery/v2/projects/example.com:other/datasets":                                    "bigquery.datasets.list",
		"GET /bigquery/v2/projects/clinic-test/datasets/clinic/tables/t%2420240101/data":          "bigquery.tabledata.list",
		"DELETE /bigquery/v2/projects/clinic-test/jobs/bqjob_r1-2/delete":                         "bigquery.jobs.delete",
		"GET /bigquery/v2/projects/clinic-test/datasets/clinic/tables/patients/rowAccessPolicies": "bigquery.rowAccessPolicies.list",
	} {
		c := analyse(t, a, path, "")
		f, err := c.Rewrite(bigquery.Own{})
		if c.Method.ID != id || err != nil {
			t.Errorf("%s is %s, %v", path, c.Method.ID, err)
		}
		// What goes on is read as the same method again.
		again := analyse(t, a, f.Method+" "+f.Path+"?"+f.Query, string(f.Body))
		if again.Method.ID != id || told(again.Statement) != told(c.Statement) {
			t.Errorf("%s goes on as %+v, which is %s", path, f, again.Method.ID)
		}
	}
}

// TestPathsThatAreRefused are the forms that two programs could read in two ways,
// and whatever is no method.
func TestPathsThatAreRefused(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	for _, tt := range []struct {
		line string
		kind sallyport.Kind
	}{
		{"GET bigquery/v2/projects", sallyport.Invalid},
		{"GET /bigquery/v2//projects", sallyport.Invalid},
		{"GET /bigquery/v2/projects/", sallyport.Invalid},
		{"GET /bigquery/v2/./projects", sallyport.Invalid},
		{"GET /x/../bigquery/v2/projects", sallyport.Invalid},
		{"GET /bigquery/v2/%2e%2e/projects", sallyport.Invalid},
		{"GET /bigquery%2Fv2/projects", sallyport.Invalid},
		{"GET " + p + "/datasets/a%2Fb", sallyport.Invalid},
		{"GET " + p + "/datasets/a%5Cb", sallyport.Invalid},
		{"GET " + p + "/datasets/a%252Fb", sallyport.Invalid},
		{"GET " + p + "/datasets/a%00", sallyport.Invalid},
		{"GET " + p + "/datasets/a%ff", sallyport.Invalid},
		{"GET " + p + "/datasets/a%zz", sallyport.Invalid},
		{"GET " + p + "/datasets/a;b", sallyport.Invalid},
		{"GET " + p + "/datasets/a-b", sallyport.Invalid},
		{"GET " + p + "/datasets/" + strings.Repeat("a", 1025), sallyport.Invalid},
		{"GET /" + strings.Repeat("a", 20000), sallyport.Invalid},
		{"GET " + p + "/datasets/a/tables/t@", 255},
		{"GET " + p + "/datasets/a/tables/t*", sallyport.Invalid},
		{"GET " + p + "/datasets/a/tables/$20240101", sallyport.Invalid},
		{"GET " + p + "/datasets/a/tables/t$x", sallyport.Invalid},
		{"GET /bigquery/v2/projects/98765/datasets", sallyport.Invalid},
		{"GET /bigquery/v2/projects/Clinic-Test/datasets", sallyport.Invalid},
		{"GET " + p + "/jobs/a.b", sallyport.Invalid},
		{"POST /batch/bigquery/v2", sallyport.Invalid},
		{"POST /batch", sallyport.Invalid},
		{"GET /bigquery/v2/bigquery/v2/bigquery/v2/projects", sallyport.NotFound},
		{"GET /bigquery/v1/projects", sallyport.NotFound},
		{"GET /upload/projects/clinic-test/jobs", sallyport.NotFound},
		{"GET /upload/bigquery/v2/projects", sallyport.Invalid},
		{"POST /bigquery/v2/projects", sallyport.NotFound},
		{"HEAD /bigquery/v2/projects", sallyport.NotFound},
		{"get /bigquery/v2/projects", sallyport.NotFound},
		{"PUT " + p + "/jobs", sallyport.NotFound},
		{"POST " + p + "/datasets/a:destroy", sallyport.NotFound},
		{"GET " + p + "/secrets", sallyport.NotFound},
		{"GET /storage/v1/b", sallyport.NotFound},
		{"POST /discovery/v1/apis/bigquery/v2/rest", sallyport.NotFound},
		{"GET /$discovery/rest?version=v3", sallyport.NotFound},
		{"GET /" + strings.Repeat("a/", 40) + "b", sallyport.NotFound},
	} {
		if tt.kind == 255 { // an empty time is what the service refuses itself
			analyse(t, a, tt.line, "")
			continue
		}
		if err := refused(t, a, tt.line, ""); sallyport.KindOf(err) != tt.kind {
			t.Errorf("%s: %v", tt.line, err)
		}
	}
}

// TestParameters holds that only what a method knows goes on.
func TestParameters(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	list := "GET " + p + "/datasets/clinic/tables/patients/data"
	c := analyse(t, a, list+"?maxResults=10&fields=rows&alt=json&prettyPrint=true&quotaUser=x&pageToken=abc&formatOptions.useInt64Timestamp=true", "")
	f, err := c.Rewrite(bigquery.Own{PageToken: "theirs"})
	if err != nil || f.Query != "alt=json&formatOptions.useInt64Timestamp=true&maxResults=10&pageToken=theirs&prettyPrint=false" {
		t.Errorf("%+v %v", f, err)
	}
	if part, err := c.Fields.Apply(nil, []byte(`{"kind":"x","rows":[]}`)); err != nil || string(part) != `{"rows":[]}` || c.PageToken != "abc" {
		t.Errorf("%+v", c)
	}
	c = analyse(t, a, list+"?formatOptions.useInt64Timestamp=True&prettyPrint=false", "")
	if f, err := c.Rewrite(bigquery.Own{}); err != nil || f.Query != "alt=json&formatOptions.useInt64Timestamp=true&prettyPrint=false" {
		t.Errorf("%+v %v", f, err)
	}
	if c := analyse(t, a, "GET "+p+"/jobs?stateFilter=done&stateFilter=running", ""); c.Method.ID != "bigquery.jobs.list" {
		t.Error(c.Method.ID)
	}
	for _, query := range []string{
		"access_token=x", "oauth_token=x", "key=x", "bearer_token=x", "callback=f", "$.xgafv=2", "%24.xgafv=2", "alt=media", "alt=proto", "$alt=proto",
		"$fields=a", "maxResults=1&maxResults=2", "maxResults=-1", "maxResults=a", "startIndex=99999999999999999999", "formatOptions.useInt64Timestamp=1",
		"formatOptions.useint64timestamp=true", "uploadType=media", "upload_id=1", "version=v2", "a=%zz", "a;b", "MaxResults=1", "max_results=1",
		"x=" + strings.Repeat("a", 17000), strings.Repeat("a&", 200), "alt=json&alt=json", "selectedFields=%00",
	} {
		if err := refused(t, a, list+"?"+query, ""); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", query, err)
		}
	}
	// The name of a parameter that looks like data is not told.
	if err := refused(t, a, list+"?patient-1234567=x", ""); strings.Contains(err.Error(), "1234567") {
		t.Error(err)
	}
}

// TestHeaders holds that no header changes the method, and that packed bodies are
// unpacked within bounds.
func TestHeaders(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	for _, name := range []string{"X-Http-Method-Override", "X-HTTP-Method-Override", "X-Http-Method", "X-Method-Override"} {
		r := request("GET "+p+"/datasets", "")
		r.Header[name] = []string{"DELETE"}
		if _, err := a.Analyse(t.Context(), r); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	query := `{"query":"SELECT ssn FROM clinic.patients","useLegacySql":false}`
	packed := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := io.WriteString(z, s); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for _, tt := range []struct {
		name, encoding, contentType, body string
		ok                                bool
	}{
		{"gzip", "gzip", "application/json", packed(query), true},
		{"identity", "identity", "application/json; charset=UTF-8", query, true},
		{"no type", "", "", query, true},
		{"not gzip", "gzip", "application/json", query, false},
		{"half of it", "gzip", "application/json", packed(query)[:40], false},
		{"other packing", "br", "application/json", query, false},
		{"form", "", "application/x-www-form-urlencoded", query, false},
		{"other charset", "", "application/json; charset=utf-7", query, false},
		{"bomb", "gzip", "application/json", packed(`{"query":"` + strings.Repeat(" ", bigquery.MaxBody) + `"}`), false},
		{"long", "", "application/json", `{"query":"` + strings.Repeat(" ", bigquery.MaxBody) + `"}`, false},
		{"empty", "", "application/json", "", false},
		{"two values", "", "application/json", query + query, false},
		{"list", "", "application/json", "[]", false},
		{"not UTF-8", "", "application/json", "{\"query\":\"\xff\"}", false},
		{"deep", "", "application/json", `{"query":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}", false},
		{"twice", "", "application/json", `{"query":"SELECT ssn FROM clinic.patients","useLegacySql":false,"useLegacySql":true}`, false},
		{"twice by an escape", "", "application/json", `{"query":"SELECT ssn FROM clinic.patients","useLegacySql":false,"useLegacy\u0053ql":true}`, false},
		{"other case", "", "application/json", `{"query":"SELECT ssn FROM clinic.patients","useLegacySQL":false}`, false},
		{"other name", "", "application/json", `{"query":"SELECT ssn FROM clinic.patients","use_legacy_sql":false}`, false},
	} {
		r := request("POST "+p+"/queries", "")
		r.Body = strings.NewReader(tt.body)
		r.Header["Content-Encoding"], r.Header["Content-Type"] = []string{tt.encoding}, []string{tt.contentType}
		c, err := a.Analyse(t.Context(), r)
		if ok := err == nil; ok != tt.ok || !ok && sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", tt.name, err)
		}
		if tt.ok && c.Statement.Class != "SELECT" {
			t.Errorf("%s: %+v", tt.name, c.Statement)
		}
	}
	if err := refused(t, a, "GET "+p+"/datasets", `{"a":1}`); sallyport.KindOf(err) != sallyport.Invalid {
		t.Error(err)
	}
	analyse(t, a, "POST "+p+"/jobs/x/cancel", "{}")
}

// TestUploads reads the job in front of a file, and leaves the file alone.
func TestUploads(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	const job = `{"configuration":{"load":{"destinationTable":{"projectId":"clinic-test","datasetId":"clinic","tableId":"new"},"sourceFormat":"CSV"}}}`
	form := func(job, file, tail string) string {
		return "--x\r\nContent-Type: application/json\r\nMIME-Version: 1.0\r\n\r\n" + job +
			"\r\n--x\r\nContent-Type: text/csv\r\nContent-Transfer-Encoding: binary\r\n\r\n" + file + "\r\n--x" + tail
	}
	send := func(line, contentType, body string) (*bigquery.Call, error) {
		r := request(line, body)
		r.Header["Content-Type"] = []string{contentType}
		return a.Analyse(t.Context(), r)
	}
	const related = `multipart/related; boundary="x"`
	c, err := send("POST /upload"+p+"/jobs?uploadType=multipart", related, form(job, "a,b\r\n--not the end\r\n1,2", "--"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Upload != bigquery.UploadMultipart || c.MediaType != "text/csv" || c.Kind != "load" {
		t.Errorf("%+v", c)
	}
	expect(t, c, "define table wh/clinic/new", "write table wh/clinic/new")
	if c.Statement.Readable != "load clinic.new from a file of the client" {
		t.Error(c.Statement.Readable)
	}
	file, err := io.ReadAll(c.Media)
	if err != nil || string(file) != "a,b\r\n--not the end\r\n1,2" {
		t.Errorf("%q %v", file, err)
	}
	f, err := c.Rewrite(bigquery.Own{Job: "sp_1"})
	if err != nil || f.Path != "/upload"+p+"/jobs" || f.Query != "alt=json&prettyPrint=false&uploadType=multipart" || !strings.Contains(string(f.Body), `"jobId":"sp_1"`) {
		t.Errorf("%+v %s %v", f, f.Body, err)
	}

	// A third part, or an end that is missing, is found when the file is read.
	for _, tail := range []string{"\r\n\r\nmore\r\n--x--", ""} {
		c, err := send("POST /upload"+p+"/jobs?uploadType=multipart", related, form(job, "1", tail))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(c.Media); err == nil {
			t.Errorf("the tail %q passed", tail)
		}
	}

	for _, prefix := range []string{"/upload", "/resumable/upload"} {
		c, err := send("POST "+prefix+p+"/jobs?uploadType=resumable", "application/json", job)
		if err != nil || c.Upload != bigquery.UploadBegin {
			t.Fatalf("%s: %v", prefix, err)
		}
		if f, err := c.Rewrite(bigquery.Own{Job: "sp_1"}); err != nil || f.Path != "/upload"+p+"/jobs" || !strings.HasSuffix(f.Query, "uploadType=resumable") {
			t.Errorf("%+v %v", f, err)
		}
	}
	c, err = send("PUT /upload"+p+"/jobs?uploadType=resumable&upload_id=abc", "text/csv", "1,2")
	if err != nil || c.Upload != bigquery.UploadContinue || c.UploadID != "abc" {
		t.Fatalf("%+v %v", c, err)
	}
	expect(t, c, "control job wh/*")
	if f, err := c.Rewrite(bigquery.Own{UploadID: "theirs"}); err != nil || f.Method != "PUT" || f.Query != "alt=json&prettyPrint=false&uploadType=resumable&upload_id=theirs" || f.Body != nil {
		t.Errorf("%+v %v", f, err)
	}

	for name, tt := range map[string][3]string{
		"no kind":            {"POST /upload" + p + "/jobs", related, form(job, "1", "--")},
		"media":              {"POST /upload" + p + "/jobs?uploadType=media", "text/csv", "1"},
		"no id":              {"PUT /upload" + p + "/jobs?uploadType=resumable", "text/csv", "1"},
		"id at the begin":    {"POST /upload" + p + "/jobs?uploadType=resumable&upload_id=a", "application/json", job},
		"not related":        {"POST /upload" + p + "/jobs?uploadType=multipart", "multipart/form-data; boundary=x", form(job, "1", "--")},
		"no boundary":        {"POST /upload" + p + "/jobs?uploadType=multipart", "multipart/related", form(job, "1", "--")},
		"no file":            {"POST /upload" + p + "/jobs?uploadType=multipart", related, "--x\r\nContent-Type: application/json\r\n\r\n" + job + "\r\n--x--"},
		"file first":         {"POST /upload" + p + "/jobs?uploadType=multipart", related, "--x\r\nContent-Type: text/csv\r\n\r\n1\r\n--x\r\nContent-Type: application/json\r\n\r\n" + job + "\r\n--x--"},
		"encoded job":        {"POST /upload" + p + "/jobs?uploadType=multipart", related, strings.Replace(form(job, "1", "--"), "MIME-Version: 1.0", "Content-Transfer-Encoding: base64", 1)},
		"long job":           {"POST /upload" + p + "/jobs?uploadType=multipart", related, form(strings.Repeat(" ", 2<<20)+job, "1", "--")},
		"a query":            {"POST /upload" + p + "/jobs?uploadType=multipart", related, form(`{"configuration":{"query":{"query":"DROP TABLE clinic.patients","useLegacySql":false}}}`, "1", "--")},
		"file and addresses": {"POST /upload" + p + "/jobs?uploadType=multipart", related, form(strings.Replace(job, `"sourceFormat"`, `"sourceUris":["gs://b/o"],"sourceFormat"`, 1), "1", "--")},
	} {
		if c, err := send(tt[0], tt[1], tt[2]); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v %+v", name, err, c)
		}
	}
}
