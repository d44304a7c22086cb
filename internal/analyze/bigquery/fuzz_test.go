// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"encoding/json"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
)

// FuzzPath looks for a path or query that ends the process, or is read as another
// request once it was written anew.
func FuzzPath(f *testing.F) {
	for _, m := range bigquery.Methods() {
		path := strings.NewReplacer("{projectId}", project, "{datasetId}", "clinic", "{tableId}", "patients$20240101", "{modelId}", "m", "{routineId}", "r", "{policyId}", "x", "{jobId}", "j").Replace(m.Path)
		f.Add(m.HTTP, "/bigquery/v2/"+path, "alt=json")
	}
	f.Add("PUT", "/upload/bigquery/v2/projects/clinic-test/jobs", "uploadType=resumable&upload_id=a%20b")
	f.Add("GET", "/bigquery/v2/bigquery/v2/projects/p%2Fq/jobs", "stateFilter=done&stateFilter=pending&fields=jobs(id)")
	f.Add("GET", "/$discovery/rest", "version=v2")
	a := analyser(f)
	f.Fuzz(func(t *testing.T, method, path, query string) {
		c, err := a.Analyse(t.Context(), bigquery.Request{Method: method, Path: path, Query: query})
		if c == nil || (err == nil) != (c.Statement.Refused == "") || err == nil && len(c.Statement.Effects) == 0 {
			t.Fatalf("%q %q %q: %v", method, path, query, err)
		}
		if err != nil || c.Method == nil {
			return
		}
		out, err := c.Rewrite(bigquery.Own{Job: c.Job})
		if err != nil {
			t.Fatal(err)
		}
		again, err := a.Analyse(t.Context(), bigquery.Request{Method: out.Method, Path: out.Path, Query: out.Query})
		if err != nil || again.Method != c.Method || told(again.Statement) != told(c.Statement) || again.Table != c.Table || again.Job != c.Job {
			t.Fatalf("%q %q %q goes on as %+v: %v", method, path, query, out, err)
		}
	})
}

// FuzzBody looks for a body that ends the process, or does another thing once it
// was written anew.
func FuzzBody(f *testing.F) {
	lines := []string{
		job, query, "POST " + p + "/datasets", "PATCH " + p + "/datasets/clinic", "POST " + p + "/datasets/clinic/tables", "PATCH " + p + "/datasets/clinic/tables/patients",
		"POST " + p + "/datasets/clinic/tables/patients/insertAll", "POST " + p + "/datasets/clinic/routines", "POST " + p + "/datasets/clinic/tables/patients:setIamPolicy",
		"POST " + p + "/datasets/clinic/tables/patients/rowAccessPolicies",
	}
	const n = `{"datasetId":"clinic","tableId":"n"}`
	for i, body := range []string{
		`{"configuration":{"query":{` + selects + `,"destinationTable":` + n + `}}}`, `{` + selects + `,"labels":{"a":"b"},"requestId":"x"}`,
		`{"datasetReference":{"datasetId":"n"},"access":[{"view":` + n + `}]}`, `{"access":null,"linkedDatasetSource":{"sourceDataset":{"datasetId":"d"}}}`,
		`{"tableReference":` + n + `,"view":{` + selects + `}}`, `{"schema":{"fields":[{"name":"a","policyTags":{"names":[]}}]},"expirationTime":"1e3"}`,
		`{"rows":[{"json":{"a":[1,"\u00e9\ud83d\ude00",null,true]}}]}`, `{"routineReference":{"routineId":"r"},"sparkOptions":{"mainFileUri":"gs://a/b"}}`,
		`{"policy":{"bindings":[{"role":"r","members":["m"]}]}}`, `{"rowAccessPolicyReference":{"policyId":"x"}}`,
	} {
		f.Add(uint8(i), body)
	}
	f.Add(uint8(0), `{"configuration":{"copy":{"sourceTables":[`+n+`],"destinationTable":`+n+`,"operationType":"CLONE"}}}`)
	f.Add(uint8(0), `{"configuration":{"extract":{"sourceTable":`+n+`,"destinationUris":["gs://b/*"]}}}`)
	f.Add(uint8(0), `{"configuration":{"load":{"destinationTable":`+n+`,"sourceUris":["gs://b/x"],"writeDisposition":"WRITE_TRUNCATE"}}}`)
	a := analyser(f)
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		line := lines[int(which)%len(lines)]
		c, err := a.Analyse(t.Context(), request(line, body))
		if c == nil || err != nil && c.Statement.Refused == "" {
			t.Fatalf("%s %s: %v", line, body, err)
		}
		if err != nil || c.Statement.Refused != "" {
			return
		}
		if len(c.Statement.Effects) == 0 {
			t.Fatalf("%s %s has no effect", line, body)
		}
		for _, acc := range c.Statement.Accesses {
			if acc.Effect == sallyport.EffectUnknown || len(acc.Object.Path) < 2 || acc.Object.Path[0] != resource {
				t.Fatalf("%s %s touches %+v", line, body, acc)
			}
		}
		out, err := c.Rewrite(bigquery.Own{Job: "sp_1"})
		if err != nil || !json.Valid(out.Body) {
			t.Fatalf("%s %s goes on as %s: %v", line, body, out.Body, err)
		}
		again, err := a.Analyse(t.Context(), request(out.Method+" "+out.Path, string(out.Body)))
		if err != nil || told(again.Statement) != told(c.Statement) || again.Statement.Readable != c.Statement.Readable {
			t.Fatalf("%s %s goes on as %s: %v\n%s\n%s", line, body, out.Body, err, told(c.Statement), told(again.Statement))
		}
	})
}

// FuzzMultipart looks for an upload that ends the process, or a file of it that
// does not end.
func FuzzMultipart(f *testing.F) {
	f.Add("x", "--x\r\nContent-Type: application/json\r\n\r\n{\"configuration\":{\"load\":{\"destinationTable\":{\"datasetId\":\"clinic\",\"tableId\":\"n\"}}}}\r\n--x\r\n\r\n1\r\n--x--")
	f.Add("y", "--y\n\n{}\n--y--")
	a := analyser(f)
	f.Fuzz(func(t *testing.T, boundary, body string) {
		r := request("POST /upload"+p+"/jobs?uploadType=multipart", body)
		r.Header["Content-Type"] = []string{"multipart/related; boundary=\"" + boundary + "\""}
		c, err := a.Analyse(t.Context(), r)
		if err != nil || c.Media == nil {
			return
		}
		buf, total := make([]byte, 512), 0
		for {
			n, err := c.Media.Read(buf)
			if total += n; err != nil {
				break
			}
		}
		if total > len(body) {
			t.Fatalf("a file of %d bytes in a body of %d", total, len(body))
		}
	})
}
