// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/bqanalyzer"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/gcspeer"
	"github.com/sallyport-dev/sallyport/test/googleclients"
)

// The role "dwh" may extract what it sees masked to one folder, when somebody
// approves. "viewer" may write there, too, but nothing that carries a label. Who
// reads the folder does so under the role "lake".
const extractPolicy = `
@id("connect") permit(principal, action == Action::"connect", resource);
@id("look") permit(principal, action == Action::"read", resource);
@id("public") permit(principal, action in [Action::"readRaw", Action::"filterBy"], resource in Label::"public");
@id("put") permit(principal, action == Action::"write", resource in Url::"dwh/gs:%2F%2Fclinic-exports/from-bq");
@id("extract") permit(principal in Role::"dwh", action == Action::"declassify", resource in Url::"dwh/gs:%2F%2Fclinic-exports/from-bq");
@id("extract-first") @hold("group:privacy-officers") @expires("15m")
forbid(principal, action == Action::"write", resource in Url::"dwh/gs:%2F%2Fclinic-exports") unless { context has approval };
@id("load") permit(principal in Role::"dwh", action in [Action::"write", Action::"delete", Action::"define", Action::"declassify"], resource in Schema::"dwh/scratch");
`

const extractResources = `  - name: dwh
    type: bigquery
    credential: {password: "file:google.token"}
    labels: bq-labels.yaml
    bigquery: {url: "%s", project: %s, auth: {mode: bearer}, analyser: "%s"}
  - name: lake
    type: gcs
    credential: {password: "file:google.token"}
    gcs:
      url: "%s"
      auth: {mode: bearer}
      buckets: [{name: clinic-exports, labels: [phi]}]
`

// cloud is a gateway before a warehouse that extracts to, and loads from, a store
// before which it is as well.
type cloud struct {
	*gatewaytest.Gateway
	lake, dwh, viewer gatewaytest.Caller
	store             *gcspeer.Server
	warehouse         *bigquerypeer.Server
}

func startCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{store: gcspeer.Start(t, gcspeer.WithClinic())}
	c.warehouse = bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithStorage(c.store.URL, c.store.Token))
	entries := fmt.Sprintf(extractResources, c.warehouse.URL, bigquerypeer.Project, bqanalyzer.Binary(t), c.store.URL)
	c.Gateway = gatewaytest.Start(t, gatewaytest.Policy(extractPolicy), gatewaytest.File("google.token", c.store.Token),
		gatewaytest.File("bq-labels.yaml", "version: 1\ncolumns: {clinic.patients.mrn: public, clinic.patients.zip: public}\n"),
		gatewaytest.Resource("dwh", "dwh", entries), gatewaytest.Resource("dwh", "viewer", ""), gatewaytest.Resource("lake", "lake", ""))
	c.lake, c.dwh, c.viewer = c.Caller(t, "lake", "lake"), c.Caller(t, "dwh", "dwh"), c.Caller(t, "dwh", "viewer")
	return c
}

func (c *cloud) service(of gatewaytest.Caller) googleclients.Service {
	root := "https://" + c.HTTPAddress()
	return googleclients.Service{Project: bigquerypeer.Project, BigQuery: root, Storage: root, Token: of.Token, CA: c.CA}
}

// hides fails the test for a value of the clinic in what somebody got.
func hides(t *testing.T, what, text string) {
	t.Helper()
	for _, v := range []string{"219-09-999", "Ada Example", "Bo Sample", "Cy Specimen", "1961-04-02", "212-555-0143"} {
		if strings.Contains(text, v) {
			t.Errorf("%s shows %q: %s", what, v, text)
		}
	}
}

// tried is what a client's job came to: nothing, or what it says went wrong.
type tried func(t *testing.T, s googleclients.Service) string

// jobs are an extract of the patients to an object, and a load of the object into
// a table, by each client that the machine has.
func jobs(object string) map[string][2]tried {
	uri := "gs://clinic-exports/" + object
	columns := [][2]string{{"mrn", "INTEGER"}, {"name", "STRING"}, {"ssn", "STRING"}, {"birth", "DATE"}, {"note", "STRING"}, {"zip", "STRING"}}
	bq := func(args ...string) tried {
		return func(t *testing.T, s googleclients.Service) string {
			t.Helper()
			got, _ := googleclients.BQ(t, s, args...)
			if got.Status == 0 {
				return ""
			}
			return got.Out
		}
	}
	library := func(client googleclients.Client, c googleclients.Call) tried {
		return func(t *testing.T, s googleclients.Service) string {
			t.Helper()
			if got := client(t, s, c)[0]; got.Error != nil {
				return fmt.Sprintf("%d %s", got.Error.Code, got.Error.Message)
			}
			return ""
		}
	}
	all := map[string][2]tried{"bq": {
		bq("extract", "clinic.patients", uri),
		bq("load", "--source_format=CSV", "--skip_leading_rows=1", "scratch.people", uri, "mrn:INTEGER,name:STRING,ssn:STRING,birth:DATE,note:STRING,zip:STRING"),
	}}
	for name, client := range googleclients.Libraries() {
		all[name] = [2]tried{
			library(client, googleclients.Call{Name: "extract", Dataset: "clinic", Table: "patients", Bucket: "clinic-exports", Object: object}),
			library(client, googleclients.Call{Name: "load", Dataset: "scratch", Table: "people", Schema: columns, Bucket: "clinic-exports", Object: object}),
		}
	}
	return all
}

// TestExtractAndLoad has a table extracted by way of the gateway to a bucket that is
// behind the gateway as well: refused to a role that sees it masked only, held for
// who may, denied, approved. Nobody is told what went by, and who reads the object
// sees it masked by the bucket's label; a table that it is loaded into is masked again.
func TestExtractAndLoad(t *testing.T) {
	t.Parallel()
	const object = "from-bq/patients.csv"
	for name, does := range jobs(object) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startCloud(t)
			if name == "bq" {
				if _, ok := googleclients.BQ(t, c.service(c.viewer), "version"); !ok {
					return
				}
			}
			if said := does[0](t, c.service(c.viewer)); !strings.Contains(said, "no policy permits declassify") {
				t.Errorf("a role that sees the table masked only: %q", said)
			}
			for _, how := range []string{"deny", "approve"} {
				done := make(chan string, 1)
				go func() { done <- does[0](t, c.service(c.dwh)) }()
				c.Decide(t, c.dwh.HTTP, "extract clinic.", how)
				said := <-done
				if (said == "") != (how == "approve") {
					t.Errorf("%s: %q", how, said)
				}
				hides(t, "the job", said)
				if _, ok := c.store.Object("clinic-exports", object); ok != (how == "approve") {
					t.Errorf("%s: the object is there: %v", how, ok)
				}
			}
			if raw, _ := c.store.Object("clinic-exports", object); !strings.Contains(raw, "Ada Example") {
				t.Errorf("what was extracted is %q", raw)
			}
			read := googleclients.Go(t, c.service(c.lake), googleclients.Call{Name: "get", Bucket: "clinic-exports", Object: object})[0]
			text, _ := read.Value.(string)
			if read.Error != nil || !strings.HasPrefix(text, "mrn,name,ssn,birth,note,zip\n") || strings.Count(text, "\n") < 4 {
				t.Errorf("read back: %+v %q", read.Error, text)
			}
			hides(t, "the object", text)
			if said := does[1](t, c.service(c.dwh)); said != "" {
				t.Fatalf("the load: %s", said)
			}
			if n := c.warehouse.SQL("SELECT count(*) FROM scratch.people WHERE name = 'Ada Example'"); fmt.Sprint(n) != "[[1]]" {
				t.Errorf("loaded: %v", n)
			}
			rows := googleclients.Go(t, c.service(c.dwh), googleclients.Call{Name: "rows", Dataset: "scratch", Table: "people"})[0]
			if list, _ := rows.Value.(map[string]any)["rows"].([]any); rows.Error != nil || len(list) != 3 {
				t.Errorf("the loaded rows: %+v %v", rows.Error, rows.Value)
			}
			hides(t, "the loaded table", fmt.Sprint(rows.Value))
		})
	}
}

// TestExtractElsewhere has an extract aim at places that the policy does not name.
func TestExtractElsewhere(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	for _, to := range [][2]string{{"clinic-public", "patients.csv"}, {"clinic-exports", "elsewhere/patients.csv"}, {"clinic-exports", "from-bq-too/patients.csv"}} {
		got := googleclients.Go(t, c.service(c.dwh), googleclients.Call{Name: "extract", Dataset: "clinic", Table: "patients", Bucket: to[0], Object: to[1]})[0]
		if got.Error == nil || !strings.Contains(got.Error.Message, "write on url") {
			t.Errorf("%v: %+v", to, got.Error)
		}
	}
	if ran := c.warehouse.Extracts(); len(ran) != 0 {
		t.Errorf("extracts ran: %v", ran)
	}
}
