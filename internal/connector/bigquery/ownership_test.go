// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/bqanalyzer"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// Queries of as many columns each, of which the second may be seen masked alone.
const (
	plainQuery  = "SELECT zip FROM clinic.patients ORDER BY mrn"
	secretQuery = "SELECT ssn FROM clinic.patients"
)

// insert begins a query as a job of an id, with more of its reference and of its
// configuration, which begin with a comma.
func (w *world) insert(t *testing.T, id, sql, reference, config string) gatewaytest.Answer {
	t.Helper()
	return w.Ask(t, "POST", project+"/jobs", fmt.Sprintf(`{"jobReference":{"projectId":%q,"jobId":%q%s},"configuration":{"query":{"query":%s,"useLegacySql":false%s}}}`,
		bigquerypeer.Project, id, reference, quoted(t, sql), config))
}

// TestIDsAgain has the id of a job name two queries: what was judged has to be what
// the answer is of.
func TestIDsAgain(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.peer.Fail(bigquerypeer.Fault{Next: 1, Path: "/jobs", Status: http.StatusBadRequest, Reason: "invalid", Message: "no"})
	if got := w.insert(t, "refused", plainQuery, "", ""); got.Status != http.StatusBadRequest {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	again := w.insert(t, "refused", secretQuery, "", "")
	rows := w.Ask(t, "GET", project+"/queries/refused", "")
	if again.Status != http.StatusOK || rows.Status != http.StatusOK {
		t.Errorf("what the service has refused cannot be sent again: %d %s %d", again.Status, again.Body, rows.Status)
	}
	clean(t, "the answer of the second query", rows.Body)

	w.insert(t, "twice", plainQuery, `,"location":"US"`, "")
	if got := w.insert(t, "twice", secretQuery, `,"location":"EU"`, ""); got.Status != http.StatusConflict {
		t.Errorf("the id of a job elsewhere: %d %s", got.Status, got.Body)
	}
	w.insert(t, "repeated", plainQuery, "", "")
	if got := w.insert(t, "repeated", plainQuery, "", ""); got.Status != http.StatusConflict {
		t.Errorf("a repetition: %d %s", got.Status, got.Body)
	}
	if got := w.Ask(t, "GET", project+"/queries/repeated", ""); got.Status != http.StatusOK {
		t.Errorf("the answer after a repetition: %d %s", got.Status, got.Body)
	}

	w.insert(t, "early", secretQuery, "", "")
	later := startAt(t, w.peer, w.peer.URL) // as after a restart
	later.insert(t, "early", plainQuery, "", "")
	clean(t, "a job from before a restart", later.Ask(t, "GET", project+"/queries/early", "").Body)
	w.insert(t, "same", plainQuery, "", "")
	later.insert(t, "same", plainQuery, "", "")
	if got := later.Ask(t, "GET", project+"/queries/same", ""); got.Status != http.StatusNotFound {
		t.Errorf("the same job from before a restart: %d %s", got.Status, got.Body)
	}
}

const everything = policy + `
@id("all-conditions") permit(principal in Role::"dwh", action in [Action::"filterBy", Action::"declassify"], resource in Resource::"dwh");`

// TestMessagesLater is row 7 as well: what a query has died of, asked for in other
// ways than by the query itself.
func TestMessagesLater(t *testing.T) {
	t.Parallel()
	w := start(t, gatewaytest.Policy(everything))
	for id, sql := range map[string]string{
		"select": "SELECT ERROR(ssn) FROM clinic.patients",
		"create": "CREATE TABLE scratch.dead AS SELECT ERROR(ssn) AS s FROM clinic.patients",
		"script": "SELECT 1; SELECT ERROR(ssn) FROM clinic.patients",
	} {
		got := w.insert(t, id, sql, "", "")
		if got.Status != http.StatusOK {
			t.Fatalf("%s: %d %s", id, got.Status, got.Body)
		}
		clean(t, id, got.Body)
		for _, path := range []string{"/jobs/" + id, "/queries/" + id, "/jobs?parentJobId=" + id} {
			clean(t, path, w.Ask(t, "GET", project+path, "").Body)
		}
		clean(t, "the end of "+id, w.Ask(t, "POST", project+"/jobs/"+id+"/cancel", "").Body)
	}
	for _, projection := range []string{"full", "minimal"} {
		clean(t, "the list of jobs", w.Ask(t, "GET", project+"/jobs?projection="+projection, "").Body)
	}
}

// TestMessagesOfLoads is row 7 for files that the caller may have loaded and may not
// read: a load says what it could not make out.
func TestMessagesOfLoads(t *testing.T) {
	t.Parallel()
	w := start(t, gatewaytest.Policy(everything))
	load := func(id string) gatewaytest.Answer {
		return w.Ask(t, "POST", project+"/jobs", fmt.Sprintf(`{"jobReference":{"projectId":%q,"jobId":%q},"configuration":{"load":{"sourceUris":["gs://bucket/people.csv"],
			"destinationTable":{"projectId":%q,"datasetId":"scratch","tableId":"loaded"}}}}`, bigquerypeer.Project, id, bigquerypeer.Project))
	}
	message := "Could not parse 'Ada Example' as INT64"
	w.peer.Fail(bigquerypeer.Fault{Next: 1, Path: "/jobs", Status: http.StatusBadRequest, Reason: "invalid", Message: message})
	got := load("refused")
	if got.Status != http.StatusBadRequest {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	clean(t, "what is refused", got.Body)
	body := `{"jobReference":{"projectId":"p","jobId":"x"},"status":{"state":"DONE","errorResult":{"reason":"invalid","message":"` + message + `"}}}`
	load("failed")
	w.peer.Fail(bigquerypeer.Fault{Next: 1, Path: "/jobs", Status: http.StatusOK, Body: &body})
	got = w.Ask(t, "GET", project+"/jobs/failed", "")
	if got.Status != http.StatusOK || !strings.Contains(got.Body, "errorResult") {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	clean(t, "what has failed", got.Body)
}

// TestDestination reads the answer of a query that was added to a table with other
// rows in it.
func TestDestination(t *testing.T) {
	t.Parallel()
	w := start(t, gatewaytest.File("bq-labels.yaml", labels+"  scratch.people.name: phi.name\n"))
	w.peer.Seed(bigquerypeer.Project, "CREATE TABLE scratch.people AS SELECT name FROM clinic.patients")
	got := w.insert(t, "added", "SELECT 'x' AS name", "", `,"writeDisposition":"WRITE_APPEND","destinationTable":{"projectId":"`+bigquerypeer.Project+`","datasetId":"scratch","tableId":"people"}`)
	if got.Status != http.StatusOK {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	rows := w.Ask(t, "GET", project+"/queries/added", "")
	if rows.Status != http.StatusOK {
		t.Errorf("%d %s", rows.Status, rows.Body)
	}
	clean(t, "the table's other rows", rows.Body)
}

// TestChangedTable lists the rows of a table whose columns have changed places since
// they were last asked for.
func TestChangedTable(t *testing.T) {
	t.Parallel()
	w := start(t)
	rows := project + "/datasets/clinic/tables/patients/data"
	clean(t, "the table", w.Ask(t, "GET", rows, "").Body)
	w.peer.Seed(bigquerypeer.Project, "CREATE OR REPLACE TABLE clinic.patients AS SELECT mrn, name, zip, birth, note, ssn FROM clinic.patients")
	clean(t, "the table with its columns elsewhere", w.Ask(t, "GET", rows, "").Body)
}

// TestLabelsOfJobs is row 7 as well: a script can make a label, or another variable
// of the service's, of what it reads.
func TestLabelsOfJobs(t *testing.T) {
	t.Parallel()
	w := start(t, gatewaytest.Policy(everything))
	w.insert(t, "script", "SET @@query_label = (SELECT CONCAT('k:', ssn) FROM clinic.patients LIMIT 1); SELECT 1", "", "")
	one := `"jobReference":{"projectId":"p","jobId":"x"},"configuration":{"jobType":"QUERY","labels":{"k":"219-09-9991"},"query":{"query":"SELECT 1",
		"systemVariables":{"types":{},"values":{"@@query_label":"k:219-09-9991"}}}}`
	for path, body := range map[string]string{"/jobs/script": `{` + one + `}`, "/jobs?parentJobId=script&projection=full": `{"jobs":[{` + one + `}]}`} {
		w.peer.Fail(bigquerypeer.Fault{Next: 1, Path: "/jobs", Status: http.StatusOK, Body: &body})
		got := w.Ask(t, "GET", project+path, "")
		if got.Status != http.StatusOK || !strings.Contains(got.Body, "SELECT 1") {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
		clean(t, path, got.Body)
	}
}

// startHeld starts a gateway whose requests do not reach the counterpart until they
// are released, when they hold the words "held back".
func startHeld(t *testing.T) (w *world, came, release chan struct{}) {
	t.Helper()
	return startHeldAt(t, bigquerypeer.Start(t, bigquerypeer.WithClinic()), "")
}

// startHeldAt starts one with more lines in the resource's entry.
func startHeldAt(t *testing.T, peer *bigquerypeer.Server, more string, opts ...gatewaytest.Option) (w *world, came, release chan struct{}) {
	t.Helper()
	to, err := url.Parse(peer.URL)
	if err != nil {
		t.Fatal(err)
	}
	came, release = make(chan struct{}), make(chan struct{})
	proxy := httputil.NewSingleHostReverseProxy(to)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if strings.Contains(string(b), "held back") {
			close(came)
			<-release
		}
		r.Body = io.NopCloser(bytes.NewReader(b))
		r.Host = to.Host
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	entry := fmt.Sprintf(resource, front.URL, bigquerypeer.Project, bqanalyzer.Binary(t)) + more
	return startEntry(t, peer, entry, append(opts, gatewaytest.File("bq-labels.yaml", labels+"  scratch.open.x: public\n"))...), came, release
}

func (w *world) view(t *testing.T, id, column string) gatewaytest.Answer {
	t.Helper()
	return w.insert(t, id, "CREATE OR REPLACE VIEW scratch.v AS SELECT "+column+" AS x FROM clinic.patients", "", "")
}

// TestChangedView has a view defined anew between a query's verdict and its run, and
// back again before its answer is asked for.
func TestChangedView(t *testing.T) {
	t.Parallel()
	w, came, release := startHeld(t)
	define := func(id, column string) {
		if got := w.view(t, id, column); got.Status != http.StatusOK || strings.Contains(got.Body, "errorResult") {
			t.Errorf("%s: %d %s", id, got.Status, got.Body)
		}
	}
	define("first", "zip")
	done := make(chan gatewaytest.Answer, 1)
	go func() { done <- w.insert(t, "late", "SELECT x FROM scratch.v -- held back", "", "") }()
	<-came
	define("second", "ssn")
	close(release)
	if got := <-done; got.Status != http.StatusOK {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	define("third", "zip")
	rows := w.Ask(t, "GET", project+"/queries/late", "")
	if rows.Status != http.StatusConflict {
		t.Errorf("the answer of another view: %d %s", rows.Status, rows.Body)
	}
	clean(t, "the answer of another view", rows.Body)
	w.insert(t, "again", "SELECT x FROM scratch.v", "", "")
	if got := w.Ask(t, "GET", project+"/queries/again", ""); got.Status != http.StatusOK || !strings.Contains(got.Body, "02139") {
		t.Errorf("the query sent again: %d %s", got.Status, got.Body)
	}
	define("fourth", "ssn")
	if got := w.Ask(t, "GET", project+"/queries/again", ""); got.Status != http.StatusOK || !strings.Contains(got.Body, "02139") {
		t.Errorf("an answer that was there before: %d %s", got.Status, got.Body)
	}
}

// TestChangedSource has a view defined anew while a write that reads it waits at the
// service.
func TestChangedSource(t *testing.T) {
	t.Parallel()
	w, came, release := startHeld(t)
	w.peer.Seed(bigquerypeer.Project, "CREATE TABLE scratch.open (x VARCHAR)")
	w.view(t, "first", "zip")
	done := make(chan gatewaytest.Answer, 1)
	go func() {
		done <- w.insert(t, "late", "INSERT scratch.open (x) SELECT x FROM scratch.v -- held back", "", "")
	}()
	<-came
	if got := w.view(t, "second", "ssn"); got.Status != http.StatusConflict {
		t.Errorf("the view is defined anew: %d %s", got.Status, got.Body)
	}
	close(release)
	if got := <-done; got.Status != http.StatusOK || strings.Contains(got.Body, "errorResult") {
		t.Errorf("the write: %d %s", got.Status, got.Body)
	}
	clean(t, "what was written", fmt.Sprint(w.peer.SQL("SELECT x FROM scratch.open")))
	if got := w.view(t, "second", "ssn"); got.Status != http.StatusOK {
		t.Errorf("the view is not defined anew: %d %s", got.Status, got.Body)
	}
}

// TestRunningChange has a write read a view of which the service says that it is still
// being defined, or nothing.
func TestRunningChange(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.peer.Seed(bigquerypeer.Project, "CREATE TABLE scratch.open (x VARCHAR)")
	if got := w.view(t, "first", "zip"); got.Status != http.StatusOK {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	write := func(id string) int {
		return w.insert(t, id, "INSERT scratch.open (x) SELECT x FROM scratch.v", "", "").Status
	}
	for id, location := range map[string]string{"there": `,"location":"asia-northeast1"`, "nowhere": ""} {
		running := `{"jobReference":{"projectId":"p","jobId":"x"` + location + `},"status":{"state":"RUNNING"}}`
		w.peer.Fail(bigquerypeer.Fault{Next: 1, Path: "/jobs", Status: http.StatusOK, Body: &running})
		w.view(t, id, "zip")
		for _, time := range []string{"once", "twice"} {
			if location != "" {
				w.peer.Fail(bigquerypeer.Fault{Next: 1, Path: "location=asia-northeast1", Status: http.StatusOK, Body: &running})
			}
			if status := write(time + "-" + id); status != http.StatusConflict {
				t.Errorf("%s, %s: a write while the view is being defined: %d", id, time, status)
			}
		}
		over := `{"jobReference":{"projectId":"p","jobId":"x"` + location + `},"status":{"state":"DONE"}}`
		w.peer.Fail(bigquerypeer.Fault{Next: 1, Path: "/jobs/sallyport_", Status: http.StatusOK, Body: &over})
		w.Ask(t, "GET", project+"/jobs/"+id, "")
		if status := write("after-" + id); status != http.StatusOK {
			t.Errorf("%s: a write after the view was defined: %d", id, status)
		}
	}
}

// TestSameAnswer has the service give the answer of one caller's query to another
// who asks the same.
func TestSameAnswer(t *testing.T) {
	t.Parallel()
	w := start(t)
	o := w.other(t)
	w.insert(t, "mine", plainQuery, "", "")
	got := w.Ask(t, "GET", project+"/jobs/mine", "")
	to := parse(t, got).Configuration.Query.DestinationTable
	begun := o.Ask(t, "POST", project+"/jobs", `{"jobReference":{"projectId":"`+bigquerypeer.Project+`","jobId":"theirs"},"configuration":{"query":{"query":"`+plainQuery+`","useLegacySql":false}}}`, prefixed)
	if begun.Status != http.StatusOK {
		t.Fatalf("%d %s", begun.Status, begun.Body)
	}
	w.peer.Fail(bigquerypeer.Fault{Next: 1, Path: "/jobs", Status: http.StatusOK, Body: &got.Body})
	o.Ask(t, "GET", project+"/jobs/theirs", "", prefixed)
	hidden := project + "/datasets/" + to.DatasetID + "/tables/" + to.TableID + "/data"
	for what, got := range map[string]gatewaytest.Answer{"who asked first": w.Ask(t, "GET", hidden, ""), "who asked then": o.Ask(t, "GET", hidden, "", prefixed)} {
		if got.Status != http.StatusOK || !strings.Contains(got.Body, "02139") {
			t.Errorf("%s: %d %s", what, got.Status, got.Body)
		}
	}
}

// TestChangedBeside has views and tables defined anew past the gateway, which knows
// them from before.
func TestChangedBeside(t *testing.T) {
	t.Parallel()
	w := start(t, gatewaytest.File("bq-labels.yaml", labels+"  scratch.open.x: public\n  scratch.named.shown: public\n  scratch.named.hidden: phi.ssn\n"))
	w.peer.Seed(bigquerypeer.Project, `CREATE TABLE scratch.open (x VARCHAR); CREATE TABLE scratch.named (shown VARCHAR, hidden VARCHAR);
		INSERT INTO scratch.named VALUES ('02139', '219-09-9991')`)
	define := func(column string) {
		w.peer.Seed(bigquerypeer.Project, "DROP VIEW IF EXISTS scratch.v")
		w.peer.View("scratch", "v", "SELECT "+column+" AS x FROM clinic.patients")
	}
	define("zip")
	const view, table = "SELECT x FROM scratch.v", "SELECT shown FROM scratch.named"
	for _, sql := range []string{view, table} {
		if got := w.query(t, sql); got.Status != http.StatusOK || !strings.Contains(got.Body, "02139") {
			t.Fatalf("%s: %d %s", sql, got.Status, got.Body)
		}
	}
	define("ssn")
	w.peer.Seed(bigquerypeer.Project, `ALTER TABLE scratch.named RENAME shown TO other; ALTER TABLE scratch.named RENAME hidden TO shown; ALTER TABLE scratch.named RENAME other TO hidden`)
	if got := w.insert(t, "write", "INSERT scratch.open (x) "+view, "", ""); got.Status != http.StatusConflict {
		t.Errorf("a write of what was defined anew: %d %s", got.Status, got.Body)
	}
	if got := w.peer.SQL("SELECT x FROM scratch.open"); len(got) != 0 {
		t.Errorf("it was written: %v", got)
	}
	define("zip")
	w.query(t, view) // known from now on
	define("ssn")
	for _, sql := range []string{view, table} {
		got := w.query(t, sql)
		if got.Status != http.StatusConflict {
			t.Errorf("%s: %d %s", sql, got.Status, got.Body)
		}
		clean(t, sql, got.Body)
	}
	if got := w.query(t, view); got.Status != http.StatusOK || !strings.Contains(got.Body, "rows") {
		t.Errorf("the query sent again: %d %s", got.Status, got.Body)
	} else {
		clean(t, "the query sent again", got.Body)
	}
}
