// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// shape is a request as a library that the tests cannot install sends it, by the
// library's published source.
type shape struct {
	what, verb, path, body string
	header                 [][2]string
	want                   string // in the answer; "" where only its status counts
}

// python is how google-cloud-bigquery 3 for Python asks.
func python(verb, path, body string) shape {
	agent := "gl-python/3.12.3 grpc/1.66.1 gax/2.19.2 gapic/3.25.0 gccl/3.25.0"
	return shape{verb: verb, path: path, body: body, header: [][2]string{
		{"X-Goog-Api-Client", agent}, {"User-Agent", agent}, {"Accept-Encoding", "gzip"}, {"Accept", "*/*"}, {"Connection", "keep-alive"},
	}}
}

// java is how google-cloud-bigquery 2 for Java asks: what it sends is packed.
func java(verb, path, body string) shape {
	s := shape{verb: verb, path: path, body: body, header: [][2]string{
		{"X-Goog-Api-Client", "gl-java/21.0.4 gccl/2.43.0 gdcl/2.6.0 linux/6.1"},
		{"User-Agent", "gcloud-java/2.43.0 Google-API-Java-Client/2.6.0 Google-HTTP-Java-Client/1.44.2 (gzip)"},
		{"Accept-Encoding", "gzip"},
		{"Accept", "text/html, image/gif, image/jpeg, */*; q=0.2"},
	}}
	if body != "" {
		s.header = append(s.header, [2]string{"Content-Encoding", "gzip"}, [2]string{"Content-Type", "application/json; charset=UTF-8"})
	}
	return s
}

func (s shape) as(what, want string) shape {
	s.what, s.want = what, want
	return s
}

// send sends the shape.
func (w *world) send(t *testing.T, s shape) gatewaytest.Answer {
	t.Helper()
	body := s.body
	for _, h := range s.header {
		if h[0] == "Content-Encoding" {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			if _, err := z.Write([]byte(body)); err != nil || z.Close() != nil {
				t.Fatal(err)
			}
			body = b.String()
		}
	}
	got := w.Ask(t, s.verb, s.path, body, func(r *http.Request) {
		for _, h := range s.header {
			r.Header.Set(h[0], h[1])
		}
	})
	if got.Status != http.StatusOK || !strings.Contains(got.Body, s.want) {
		t.Errorf("%s: %d %s", s.what, got.Status, got.Body)
	}
	clean(t, s.what, got.Body)
	return got
}

// TestLibrariesNotInstalled has the gateway asked as the libraries for Python and Java
// ask when they query, read and load.
func TestLibrariesNotInstalled(t *testing.T) {
	t.Parallel()
	w := start(t, gatewaytest.File("bq-labels.yaml", labels+"  scratch.loaded.*: public\n"))
	const sql = "SELECT mrn, ssn FROM clinic.patients ORDER BY mrn"
	const table = project + "/datasets/clinic/tables/patients"
	ref := `{"jobReference":{"projectId":"` + bigquerypeer.Project + `","jobId":"JOB"},"configuration":{"query":{"query":"` + sql + `","useLegacySql":false`
	for _, s := range []shape{
		// client.query(sql).result()
		python("POST", project+"/jobs?prettyPrint=false", strings.Replace(ref, "JOB", "0d5b1ef4-7a9c-4f4e-8c39-2b7c0f1a9d11", 1)+"}}}").as("Python: query", "0d5b1ef4"),
		python("GET", project+"/jobs/0d5b1ef4-7a9c-4f4e-8c39-2b7c0f1a9d11?projection=full&location=US&prettyPrint=false", "").as("Python: reload", "DONE"),
		python("POST", project+"/jobs/0d5b1ef4-7a9c-4f4e-8c39-2b7c0f1a9d11/cancel?projection=full&prettyPrint=false", "").as("Python: cancel", ""),
		python("GET", project+"/queries/0d5b1ef4-7a9c-4f4e-8c39-2b7c0f1a9d11?maxResults=0&location=US&prettyPrint=false", "").as("Python: wait", "totalRows"),
		python("GET", project+"/queries/0d5b1ef4-7a9c-4f4e-8c39-2b7c0f1a9d11?fields=jobReference%2CtotalRows%2CpageToken%2Crows&location=US&formatOptions.useInt64Timestamp=True&prettyPrint=false", "").as("Python: rows", "1003"),
		// client.query_and_wait(sql)
		python("POST", project+"/queries?prettyPrint=false",
			`{"query":"`+sql+`","useLegacySql":false,"formatOptions":{"useInt64Timestamp":true},"requestId":"c5a3c9f2-26d3-4b58-a7f8-3a2fd4c01f6b"}`).as("Python: query and wait", "1003"),
		// client.list_rows(table, selected_fields=…)
		python("GET", table+"?prettyPrint=false", "").as("Python: table", "clinic"),
		python("GET", table+"/data?selectedFields=mrn%2Cssn&formatOptions.useInt64Timestamp=True&prettyPrint=false", "").as("Python: list rows", "1003"),
		python("POST", project+"/datasets/scratch/tables?prettyPrint=false",
			`{"tableReference":{"projectId":"`+bigquerypeer.Project+`","datasetId":"scratch","tableId":"loaded"},"labels":{},"schema":{"fields":[{"name":"id","type":"INTEGER","mode":"NULLABLE"}]}}`).as("Python: create", "loaded"),
		python("POST", project+"/datasets/scratch/tables/loaded/insertAll?prettyPrint=false",
			`{"rows":[{"json":{"id":"1"},"insertId":"3f1a9b44-64a2-41b8-9a06-2a1f0e9c7d55"}]}`).as("Python: insert", ""),

		// bigquery.query(QueryJobConfiguration)
		java("POST", project+"/queries", `{"formatOptions":{"useInt64Timestamp":true},"query":"`+sql+`","requestId":"8f0e2a66-1c7f-4f0a-9a53-7f4a25b6c0aa","useLegacySql":false,"useQueryCache":true}`).as("Java: query", "1003"),
		// bigquery.create(JobInfo)
		java("POST", project+"/jobs?prettyPrint=false", strings.Replace(ref, "JOB", "e9b7c5a2-90c1-4a6e-8f57-6ad60a3f2b10", 1)+`,"useQueryCache":true}}}`).as("Java: job", "e9b7c5a2"),
		java("GET", project+"/jobs/e9b7c5a2-90c1-4a6e-8f57-6ad60a3f2b10?location=US&prettyPrint=false", "").as("Java: wait", "DONE"),
		java("GET", project+"/queries/e9b7c5a2-90c1-4a6e-8f57-6ad60a3f2b10?location=US&maxResults=0&timeoutMs=60000&prettyPrint=false", "").as("Java: results", "totalRows"),
		java("GET", table+"?prettyPrint=false", "").as("Java: table", "clinic"),
		java("GET", table+"/data?maxResults=100000&prettyPrint=false", "").as("Java: list rows", "1003"),
		java("POST", project+"/datasets/scratch/tables/loaded/insertAll?prettyPrint=false", `{"rows":[{"json":{"id":2}}]}`).as("Java: insert", ""),
		java("POST", project+"/jobs/e9b7c5a2-90c1-4a6e-8f57-6ad60a3f2b10/cancel?location=US&prettyPrint=false", "").as("Java: cancel", ""),
	} {
		w.send(t, s)
	}
	// A load by a writer: the address of the upload comes back, and what is written goes there.
	open := w.send(t, java("POST", "/upload/bigquery/v2/projects/"+bigquerypeer.Project+"/jobs?uploadType=resumable",
		`{"configuration":{"load":{"destinationTable":{"datasetId":"scratch","projectId":"`+bigquerypeer.Project+`","tableId":"loaded"},"sourceFormat":"CSV"}},"jobReference":{"projectId":"`+bigquerypeer.Project+`","jobId":"java-load"}}`).as("Java: open", ""))
	at := strings.TrimPrefix(open.Header.Get("Location"), "https://"+w.HTTPAddress())
	if at == "" || strings.Contains(at, "://") {
		t.Fatalf("the upload is at %q", open.Header.Get("Location"))
	}
	rest := java("PUT", at, "")
	rest.body, rest.header = "3\n4\n", append(rest.header, [2]string{"Content-Range", "bytes 0-3/4"}, [2]string{"Content-Type", "application/octet-stream"})
	w.send(t, rest.as("Java: write", "java-load"))
	if got := w.peer.SQL("SELECT id FROM scratch.loaded ORDER BY id"); len(got) != 4 {
		t.Errorf("what was written: %v", got)
	}
}
