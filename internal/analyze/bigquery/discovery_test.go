// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/wire/googleapi"
)

func TestDiscovery(t *testing.T) {
	t.Parallel()
	data, err := bigquery.Discovery("https://gateway.example/bq/", func(id string) bool { return id != "bigquery.tables.delete" })
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		RootURL     string `json:"rootUrl"`
		BaseURL     string `json:"baseUrl"`
		BasePath    string `json:"basePath"`
		ServicePath string `json:"servicePath"`
		Schemas     map[string]any
		Resources   map[string]struct {
			Methods map[string]struct {
				ID    string
				Path  string
				Media struct {
					Protocols map[string]struct{ Path string }
				} `json:"mediaUpload"`
				Request struct {
					Ref string `json:"$ref"`
				}
			}
		}
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.RootURL != "https://gateway.example/bq/" || doc.BaseURL != doc.RootURL+"bigquery/v2/" || doc.BasePath != "/bq/bigquery/v2/" || doc.ServicePath != "bigquery/v2/" {
		t.Errorf("%+v", doc)
	}
	count := 0
	for _, r := range doc.Resources {
		count += len(r.Methods)
		for _, m := range r.Methods {
			if m.Request.Ref != "" && doc.Schemas[m.Request.Ref] == nil {
				t.Errorf("%s has a body that is not described", m.ID)
			}
		}
	}
	if want := len(bigquery.Methods()) - 1; count != want || doc.Resources["tables"].Methods["delete"].ID != "" {
		t.Errorf("%d methods, want %d", count, want)
	}
	insert := doc.Resources["jobs"].Methods["insert"]
	if p := insert.Media.Protocols["resumable"].Path; p != "/bq/resumable/upload/bigquery/v2/projects/{projectId}/jobs" {
		t.Error(p)
	}
	for _, base := range []string{"", "gateway", "https://gateway.example", "ftp://gateway.example/", "https:///", "https://gateway.example/?a=/"} {
		if _, err := bigquery.Discovery(base, func(string) bool { return true }); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%q: %v", base, err)
		}
	}
}

// stub is a gateway that analyses requests and answers them itself.
type stub struct {
	*httptest.Server
	t       *testing.T
	a       *bigquery.Analyser
	answers map[string]string // by method

	mu    sync.Mutex
	calls []string
}

func newStub(t *testing.T) *stub {
	s := &stub{t: t, a: analyser(t), answers: map[string]string{
		"bigquery.datasets.list": `{"kind":"bigquery#datasetList","datasets":[{"kind":"bigquery#dataset","id":"clinic-test:clinic","datasetReference":{"projectId":"clinic-test","datasetId":"clinic"}}]}`,
		"bigquery.datasets.get":  `{"kind":"bigquery#dataset","id":"clinic-test:clinic","datasetReference":{"projectId":"clinic-test","datasetId":"clinic"},"lastModifiedTime":"1","location":"EU"}`,
		"bigquery.tables.get": `{"kind":"bigquery#table","id":"clinic-test:clinic.patients","type":"TABLE","lastModifiedTime":"1","numRows":"1","numBytes":"1",
			"tableReference":{"projectId":"clinic-test","datasetId":"clinic","tableId":"patients"},"schema":{"fields":[{"name":"mrn","type":"STRING"}]}}`,
		"bigquery.jobs.query":           `{"jobComplete":true,"jobReference":{"projectId":"clinic-test","jobId":"sp_1"},"schema":{"fields":[{"name":"ssn","type":"STRING"}]},"rows":[{"f":[{"v":"masked-ssn"}]}]}`,
		"bigquery.tabledata.list":       `{"kind":"bigquery#tableDataList","totalRows":"1","rows":[{"f":[{"v":"masked-mrn"}]}]}`,
		"bigquery.tables.getIamPolicy":  `{"etag":"e","version":1}`,
		"bigquery.jobs.getQueryResults": `{"kind":"bigquery#getQueryResultsResponse","jobComplete":true,"totalRows":"1","jobReference":{"projectId":"clinic-test","jobId":"sp_1"},"schema":{"fields":[{"name":"ssn","type":"STRING"}]},"rows":[{"f":[{"v":"masked-ssn"}]}]}`,
		"bigquery.jobs.insert": `{"kind":"bigquery#job","id":"clinic-test:sp_1","jobReference":{"projectId":"clinic-test","jobId":"sp_1"},"status":{"state":"DONE"},
			"statistics":{"query":{"statementType":"SELECT"}},"configuration":{"jobType":"QUERY","query":{"query":"x","destinationTable":{"projectId":"clinic-test","datasetId":"_abc","tableId":"anon1"}}}}`,
		"bigquery.jobs.get": `{"kind":"bigquery#job","id":"clinic-test:sp_1","jobReference":{"projectId":"clinic-test","jobId":"sp_1"},"status":{"state":"DONE"},
			"statistics":{},"configuration":{"jobType":"LOAD","load":{}}}`,
	}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := s.a.Analyse(r.Context(), bigquery.Request{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header, Body: r.Body})
	if err == nil && c.Statement.Refused != "" {
		err = sallyport.E(sallyport.Denied, "stub", c.Statement.Refused).WithHint(c.Statement.Hint)
	}
	line := r.Method + " " + r.URL.Path
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	switch {
	case err != nil:
		f := googleapi.Fail(err, false)
		line += " " + err.Error()
		w.WriteHeader(f.Status)
		_, _ = w.Write(f.Body)
	case c.Method != nil && c.Method.ID == "bigquery.tables.get" && c.Table.ID != "patients":
		line += " is not there"
		f := googleapi.Fail(sallyport.E(sallyport.NotFound, "stub", "there is no such table"), false)
		w.WriteHeader(f.Status)
		_, _ = w.Write(f.Body)
	case c.Discovery:
		line = "discovery"
		doc, err := bigquery.Discovery(s.URL+"/", func(id string) bool { return !strings.HasPrefix(id, "bigquery.models.") })
		if err != nil {
			s.t.Error(err)
		}
		_, _ = w.Write(doc)
	default:
		line = c.Method.ID + " | " + c.Statement.Readable + " | " + strings.ReplaceAll(told(c.Statement), "\n", "; ")
		f, err := c.Rewrite(bigquery.Own{Job: "sp_1"})
		if err != nil {
			s.t.Error(err)
		}
		if c.Upload == bigquery.UploadBegin {
			w.Header().Set("Location", s.URL+"/upload"+p+"/jobs?uploadType=resumable&upload_id=u1")
		}
		switch answer, ok := s.answers[c.Method.ID]; {
		case ok:
			_, _ = w.Write([]byte(answer))
		case f.Body != nil: // what was made is what was asked for
			_, _ = w.Write(f.Body)
		case c.Method.Answer != "":
			_, _ = w.Write([]byte("{}"))
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	}
	s.mu.Lock()
	s.calls = append(s.calls, line)
	s.mu.Unlock()
}

func (s *stub) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.calls
	s.calls = nil
	return out
}

// TestBq lets Google's own command line build itself from our description.
func TestBq(t *testing.T) {
	t.Parallel()
	if _, ok := sdk(t); !ok {
		return
	}
	s := newStub(t)
	dir := t.TempDir()
	token, file := filepath.Join(dir, "token"), filepath.Join(dir, "rows.csv")
	for name, text := range map[string]string{token: "gateway-token", file: "mrn\n1\n", filepath.Join(dir, "bigqueryrc"): ""} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bq := func(args ...string) string {
		args = append([]string{"--bigqueryrc=" + filepath.Join(dir, "bigqueryrc"), "--api=" + s.URL, "--project_id=clinic-test", "--headless", "--quiet"}, args...)
		cmd := exec.CommandContext(t.Context(), "bq", args...)
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "CLOUDSDK_CONFIG=" + filepath.Join(dir, "config"), "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=" + token,
			"CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=1", "CLOUDSDK_CORE_DISABLE_PROMPTS=1", "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=1",
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "FAILED " + string(out)
		}
		return string(out)
	}
	for _, tt := range []struct {
		args []string
		says string // part of what bq prints
		call string // part of a call that arrived
	}{
		{[]string{"ls"}, "clinic", "bigquery.datasets.list | bigquery.datasets.list | read project wh/clinic-test"},
		{[]string{"show", "clinic.patients"}, "mrn: string", "bigquery.tables.get | bigquery.tables.get clinic.patients | read table wh/clinic/patients"},
		{[]string{"head", "clinic.patients"}, "masked-mrn", "bigquery.tabledata.list | bigquery.tabledata.list clinic.patients | read table wh/clinic/patients (5 columns)"},
		{[]string{"query", "--use_legacy_sql=false", "SELECT ssn FROM clinic.patients"}, "masked-ssn", "bigquery.jobs.insert | SELECT ssn FROM clinic.patients | read table wh/clinic/patients (1 columns)"},
		{[]string{"query", "SELECT ssn FROM clinic.patients"}, "(to do: write GoogleSQL and say useLegacySql=false", "legacy SQL"},
		{[]string{"mk", "-t", "clinic.n", "a:STRING"}, "clinic.n", "bigquery.tables.insert | bigquery.tables.insert clinic.n | define table wh/clinic/n"},
		{[]string{"rm", "-f", "-t", "clinic.patients"}, "", "bigquery.tables.delete | bigquery.tables.delete clinic.patients | destroy table wh/clinic/patients"},
		{[]string{"rm", "-r", "-f", "-d", "clinic"}, "", "bigquery.datasets.delete | bigquery.datasets.delete clinic | destroy schema wh/clinic"},
		{[]string{"load", "clinic.n", file, "mrn:STRING"}, "", "load clinic.n from a file of the client | define table wh/clinic/n; write table wh/clinic/n"},
		{[]string{"extract", "clinic.patients", "gs://out/p.csv"}, "", "extract clinic.patients to 1 address"},
		{[]string{"cp", "-f", "clinic.patients", "clinic.twin"}, "", "copy clinic.patients to clinic.twin"},
		{[]string{"update", "--description", "x", "clinic.patients"}, "", "bigquery.tables.patch clinic.patients | define table wh/clinic/patients"},
		{[]string{"show", "-m", "clinic.m"}, "FAILED", ""},
	} {
		out := bq(tt.args...)
		calls := s.seen()
		if strings.HasPrefix(out, "FAILED") && !strings.Contains(tt.says, "to do") && tt.says != "FAILED" || !strings.Contains(strings.Join(strings.Fields(out), " "), tt.says) {
			t.Errorf("bq %q prints:\n%s\nafter the calls %q", tt.args, out, calls)
		}
		if !slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, tt.call) }) {
			t.Errorf("bq %q: %q is none of %q; it prints\n%s", tt.args, tt.call, calls, out)
		}
	}
}
