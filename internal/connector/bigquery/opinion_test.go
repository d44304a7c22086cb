// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/bqanalyzer"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// startWithOpinion is start with a rule about second opinions.
func startWithOpinion(t *testing.T, opinion string) *world {
	t.Helper()
	peer := bigquerypeer.Start(t, bigquerypeer.WithClinic())
	entry := fmt.Sprintf(resource, peer.URL, bigquerypeer.Project, bqanalyzer.Binary(t)) + "      second_opinion: " + opinion + "\n"
	g := gatewaytest.Start(t, gatewaytest.Policy(policy), gatewaytest.File("bq.token", peer.Token), gatewaytest.File("bq-labels.yaml", labels), gatewaytest.Resource("dwh", "dwh", entry))
	return &world{g.Caller(t, "dwh", "dwh"), peer}
}

// held sends a text that a human has to release, and returns what the request for it
// shows of the target's word. The request is denied then.
func (w *world) held(t *testing.T, sql string) *sallyport.Estimate {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.query(t, sql)
	}()
	var out struct {
		Requests []struct {
			Hold struct {
				Readable string              `json:"readable"`
				Estimate *sallyport.Estimate `json:"estimate"`
			} `json:"hold"`
		} `json:"requests"`
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for ; len(out.Requests) == 0; time.Sleep(20 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatal("nothing is held")
		}
		w.Call(t, w.HTTP, "privacy-officers", "GET", "/v1/requests?state=open", nil, &out)
	}
	w.Decide(t, w.HTTP, sql, "deny")
	<-done
	return out.Requests[0].Hold.Estimate
}

// another is the answer to a dry run of another query.
const another = `{"statistics":{"query":{"statementType":"%s","totalBytesProcessed":"12","referencedTables":[{"projectId":"clinic-test","datasetId":"clinic","tableId":"%s"}]}}}`

func (w *world) answer(body string) {
	w.peer.Fail(bigquerypeer.Fault{Next: 1, Path: "/jobs", Status: http.StatusOK, Body: &body})
}

// TestEstimates shows whoever decides about a statement what the target says of it.
func TestEstimates(t *testing.T) {
	t.Parallel()
	w := startWithOpinion(t, "held")
	want := &sallyport.Estimate{Kind: "DROP_TABLE", Tables: []string{"clinic-test.clinic.lab_results"}}
	if diff := cmp.Diff(want, w.held(t, "DROP TABLE clinic.lab_results")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	w.peer.Fail(bigquerypeer.Fault{Next: 1, Path: "/jobs", Status: http.StatusServiceUnavailable})
	want = &sallyport.Estimate{None: "the target does not say what the query would do: it answers 503 Service Unavailable"}
	if diff := cmp.Diff(want, w.held(t, "DROP TABLE clinic.lab_results")); diff != "" {
		t.Errorf("of a target that fails (-want +got)\n%s", diff)
	}
	for _, body := range []string{"", "null x", `{"statistics":{"query":{"statementType":"Ada Example"}}}`, fmt.Sprintf(another, "DROP_TABLE", "")} {
		w.answer(body)
		if got := w.held(t, "DROP TABLE clinic.lab_results"); got == nil || got.None == "" || strings.Contains(got.None, "Ada") {
			t.Errorf("of %q: %+v", body, got)
		}
	}
	for _, r := range w.peer.Requests() {
		if r.Method == http.MethodPost && !strings.Contains(r.Body, `"dryRun":true`) {
			t.Errorf("%s was sent: %s", r.Path, r.Body)
		}
	}
}

// TestEstimatesOnRecord has a bundle with the leaf of a held query verify.
func TestEstimatesOnRecord(t *testing.T) {
	t.Parallel()
	w := startWithOpinion(t, "held")
	w.held(t, "DROP TABLE clinic.lab_results")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+w.APIAddress()+"/v1/evidence", strings.NewReader(`{"purpose":"yearly audit"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.HumanToken(t, "eve", "auditors"))
	req.Header.Set("Content-Type", "application/json")
	res, err := w.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", res.StatusCode, b, err)
	}
	r, err := evidence.Verify(bytes.NewReader(b), int64(len(b)), evidence.Options{Keys: []string{w.VerifierKeys()[0]}})
	if err != nil || len(r.Faults) > 0 {
		t.Fatalf("%v %v", r, err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open(evidence.LeavesName)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was read
	leaves, err := io.ReadAll(f)
	if err != nil || !bytes.Contains(leaves, []byte(`"estimate":{"kind":"DROP_TABLE","tables":["clinic-test.clinic.lab_results"]}`)) {
		t.Errorf("no leaf has the estimate: %v", err)
	}
}

// TestSecondOpinions refuses what the target reads otherwise.
func TestSecondOpinions(t *testing.T) {
	t.Parallel()
	w := startWithOpinion(t, "always")
	refused := func(what string, got gatewaytest.Answer) {
		t.Helper()
		if got.Status != http.StatusForbidden || !strings.Contains(got.Body, "reads the query otherwise") {
			t.Errorf("%s: %d %s", what, got.Status, got.Body)
		}
	}
	for _, sql := range []string{"SELECT mrn FROM clinic.patients", "SELECT mrn FROM clinic.adults", "SELECT 1", "INSERT scratch.t (a) VALUES (1)", "CREATE TABLE scratch.t (a INT64)"} {
		if got := w.query(t, sql); strings.Contains(got.Body, "otherwise") {
			t.Errorf("%s: %d %s", sql, got.Status, got.Body)
		}
	}
	w.answer(fmt.Sprintf(another, "SELECT", "visits"))
	refused("another table", w.query(t, "SELECT mrn FROM clinic.patients"))
	w.answer(fmt.Sprintf(another, "DELETE", "patients"))
	refused("another kind", w.query(t, "SELECT mrn FROM clinic.patients"))
	w.answer(fmt.Sprintf(another, "DROP_TABLE", "patients"))
	refused("another table that is held", w.query(t, "DROP TABLE clinic.lab_results"))
	w.peer.Fail(bigquerypeer.Fault{Next: 1, Path: "/jobs", Status: http.StatusServiceUnavailable})
	if got := w.query(t, "SELECT mrn FROM clinic.patients"); got.Status != http.StatusServiceUnavailable {
		t.Errorf("without an opinion: %d %s", got.Status, got.Body)
	}

	w = startWithOpinion(t, "held")
	w.answer(fmt.Sprintf(another, "DROP_TABLE", "patients"))
	refused("what is held", w.query(t, "DROP TABLE clinic.lab_results"))
	w = startWithOpinion(t, "off")
	w.answer(fmt.Sprintf(another, "DROP_TABLE", "patients"))
	if got := w.held(t, "DROP TABLE clinic.lab_results"); got == nil || got.Bytes != 12 {
		t.Errorf("what is shown all the same: %+v", got)
	}
}
