// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build live

package livegoogle_test

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/test/bqanalyzer"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/googleclients"
)

// ssn and person are values of nobody's, which the clients must not see.
const (
	ssn    = "219-09-9991"
	person = "Ada Example"
)

const policy = `
@id("connect") permit(principal, action == Action::"connect", resource);
@id("work") permit(principal, action in [Action::"read", Action::"write", Action::"delete", Action::"define", Action::"destroy"], resource);
@id("public") permit(principal, action in [Action::"readRaw", Action::"filterBy"], resource in Label::"public");
`

// setting reads a variable that has to be set.
func setting(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set; test/livegoogle/doc.go says what it is", name)
	}
	return v
}

// start runs a gateway before both services.
func start(t *testing.T) (bq, gcs gatewaytest.Caller) {
	t.Helper()
	if os.Getenv("GW_LIVE_GCP") != "1" {
		t.Fatal("this asks Google's services, with your project; set GW_LIVE_GCP=1 if that is meant")
	}
	dataset := setting(t, "SALLYPORT_LIVE_DATASET")
	mode, secret := "bearer", os.Getenv("SALLYPORT_LIVE_TOKEN")
	if secret == "" {
		b, err := os.ReadFile(setting(t, "SALLYPORT_LIVE_CREDENTIALS"))
		if err != nil {
			t.Fatal(err)
		}
		mode, secret = "google", string(b)
	}
	labels := fmt.Sprintf("version: 1\ncolumns:\n  %[1]s.sallyport_live.id: public\n  %[1]s.sallyport_live.name: phi.name\n  %[1]s.sallyport_live.ssn: phi.ssn\n", dataset)
	warehouse := fmt.Sprintf(`  - name: warehouse
    type: bigquery
    credential: {password: "file:google.secret"}
    labels: live-labels.yaml
    bigquery: {project: %s, url: %s, auth: {mode: %s}, analyser: %s}
`, setting(t, "SALLYPORT_LIVE_PROJECT"), cmp.Or(os.Getenv("SALLYPORT_LIVE_BIGQUERY"), "https://bigquery.googleapis.com"), mode, bqanalyzer.Binary(t))
	lake := fmt.Sprintf(`  - name: lake
    type: gcs
    credential: {password: "file:google.secret"}
    gcs: {url: %s, auth: {mode: %s}, buckets: [{name: %s, labels: [phi]}]}
`, cmp.Or(os.Getenv("SALLYPORT_LIVE_STORAGE"), "https://storage.googleapis.com"), mode, setting(t, "SALLYPORT_LIVE_BUCKET"))
	g := gatewaytest.Start(t, gatewaytest.Policy(policy), gatewaytest.File("google.secret", secret), gatewaytest.File("live-labels.yaml", labels),
		gatewaytest.Resource("warehouse", "live", warehouse), gatewaytest.Resource("lake", "live-objects", lake))
	return g.Caller(t, "warehouse", "live"), g.Caller(t, "lake", "live-objects")
}

// hidden fails the test where a client was shown a value.
func hidden(t *testing.T, what string, r googleclients.Result) {
	t.Helper()
	t.Logf("%s: %v %+v", what, r.Value, r.Error)
	for _, v := range []string{ssn, person, "1999-90-912"} {
		if text := fmt.Sprintf("%v %+v", r.Value, r.Error); strings.Contains(text, v) {
			t.Errorf("%s shows %q", what, v)
		}
	}
}

// TestBigQuery makes a table, reads it in several ways and drops it.
func TestBigQuery(t *testing.T) {
	bq, _ := start(t)
	table := setting(t, "SALLYPORT_LIVE_DATASET") + ".sallyport_live"
	dataset, name, _ := strings.Cut(table, ".")
	s := googleclients.Service{Project: setting(t, "SALLYPORT_LIVE_PROJECT"), BigQuery: "https://" + bq.HTTPAddress(), Token: bq.Token, CA: bq.CA}
	query := func(sql string) googleclients.Call { return googleclients.Call{Name: "query", SQL: sql} }
	made := googleclients.Go(t, s, query("CREATE OR REPLACE TABLE "+table+" AS SELECT 1 AS id, '"+person+"' AS name, '"+ssn+"' AS ssn"))
	if made[0].Error != nil {
		t.Fatalf("the table: %+v", *made[0].Error)
	}
	defer func() { // not t.Cleanup, before which the test's context ends
		if got := bq.Ask(t, http.MethodDelete, "/bigquery/v2/projects/"+s.Project+"/datasets/"+dataset+"/tables/"+name, ""); got.Status >= 300 {
			t.Errorf("the table is still there: %d %s", got.Status, got.Body)
		}
	}()
	for client, run := range googleclients.Libraries() {
		for _, r := range run(t, s, query("SELECT id, name, ssn FROM "+table), query("SELECT id, REVERSE(ssn) AS r, TO_JSON_STRING(t) AS j FROM "+table+" t"),
			googleclients.Call{Name: "rows", Dataset: dataset, Table: name}) {
			if hidden(t, client, r); r.Error != nil {
				t.Errorf("%s: %+v", client, *r.Error)
			}
		}
		for _, r := range run(t, s, query("SELECT id FROM "+table+" WHERE ssn LIKE '219%'"), query("EXPORT DATA OPTIONS(uri='gs://"+setting(t, "SALLYPORT_LIVE_BUCKET")+"/x-*.csv', format='CSV') AS SELECT * FROM "+table)) {
			if r.Error == nil || r.Error.Code != http.StatusForbidden {
				t.Errorf("%s: %v %+v", client, r.Value, r.Error)
			}
		}
	}
}

// TestCloudStorage writes an object, reads it and removes it.
func TestCloudStorage(t *testing.T) {
	_, gcs := start(t)
	bucket := setting(t, "SALLYPORT_LIVE_BUCKET")
	s := googleclients.Service{Project: setting(t, "SALLYPORT_LIVE_PROJECT"), Storage: "https://" + gcs.HTTPAddress(), Token: gcs.Token, CA: gcs.CA}
	for client, run := range googleclients.Libraries() {
		object := "sallyport_live/" + client + ".csv"
		for _, r := range run(t, s, googleclients.Call{Name: "put", Bucket: bucket, Object: object, Type: "text/csv", Text: "id,name,ssn\n1," + person + "," + ssn + "\n"},
			googleclients.Call{Name: "get", Bucket: bucket, Object: object}, googleclients.Call{Name: "stat", Bucket: bucket, Object: object},
			googleclients.Call{Name: "objects", Bucket: bucket, Prefix: "sallyport_live/"}, googleclients.Call{Name: "delete", Bucket: bucket, Object: object}) {
			if hidden(t, client, r); r.Error != nil {
				t.Errorf("%s: %+v", client, *r.Error)
			}
		}
	}
}
