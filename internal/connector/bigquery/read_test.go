// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/bqanalyzer"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/googleclients"
)

const readAPI = "google.cloud.bigquery.storage.v1.BigQueryRead."

// startRead starts a gateway whose counterpart speaks the Storage Read API as well.
func startRead(t *testing.T, more ...gatewaytest.Option) *world {
	t.Helper()
	peer := bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithRead())
	return startReadAt(t, peer, peer.Read, more...)
}

// startReadAt starts one that reaches the Storage Read API at a host and port.
func startReadAt(t *testing.T, peer *bigquerypeer.Server, host string, more ...gatewaytest.Option) *world {
	t.Helper()
	ca, err := os.ReadFile(peer.ReadCA)
	if err != nil {
		t.Fatal(err)
	}
	entry := fmt.Sprintf(resource, peer.URL, bigquerypeer.Project, bqanalyzer.Binary(t)) + "      storage_url: https://" + host + "\n    tls: {ca: bq-ca.pem}\n"
	return startEntry(t, peer, entry, append([]gatewaytest.Option{gatewaytest.File("bq-ca.pem", string(ca))}, more...)...)
}

// reading is the service as a client sees it that reads by Arrow.
func (w *world) reading() googleclients.Service {
	s := w.service()
	s.Read = w.HTTPAddress()
	return s
}

func (w *world) goClient(t *testing.T, calls ...call) []googleclients.Result {
	t.Helper()
	got := googleclients.Go(t, w.reading(), calls...)
	for i, r := range got {
		clean(t, fmt.Sprintf("%+v", calls[i]), fmt.Sprintf("%+v %+v", r.Value, r.Error))
	}
	return got
}

func session(restriction string, fields ...string) call {
	return call{Name: "session", Dataset: "clinic", Table: "patients", Restriction: restriction, Fields: fields, Streams: 1}
}

func refusedBy(reason string) *googleclients.Error { return &googleclients.Error{Reason: reason} }

// streamOf is the name of a session's only stream.
func streamOf(t *testing.T, r googleclients.Result) string {
	t.Helper()
	if r.Error != nil {
		t.Fatalf("no session: %+v", *r.Error)
	}
	names := r.Value.(object)["streams"].(array)
	if len(names) != 1 {
		t.Fatalf("the streams are %v", names)
	}
	return names[0].(string)
}

// TestReadAsByREST is row 2 of the bypasses: the Go client reads answers and tables by
// Arrow, from the tables that the service hides, and sees what it sees by REST.
func TestReadAsByREST(t *testing.T) {
	t.Parallel()
	w := startRead(t)
	calls := []call{
		query("SELECT * FROM clinic.patients ORDER BY mrn"), query("SELECT mrn, note, UPPER(name) AS n FROM clinic.patients ORDER BY mrn"),
		query("SELECT mrn, zip FROM clinic.patients ORDER BY mrn LIMIT 1"), query("SELECT zip FROM clinic.patients WHERE FALSE"),
		{Name: "rows", Dataset: "clinic", Table: "patients"}, {Name: "rows", Dataset: "clinic", Table: "visits"},
		query("SELECT n, CONCAT('row ', CAST(n AS STRING)) AS t FROM UNNEST(GENERATE_ARRAY(1, 30000)) AS n ORDER BY n"),
	}
	rest := googleclients.Go(t, w.service(), calls...)
	w.peer.Forget()
	arrow := w.goClient(t, calls...)
	for i, c := range calls {
		for _, r := range []googleclients.Result{rest[i], arrow[i]} {
			if r.Error != nil {
				t.Fatalf("%+v: %+v", c, *r.Error)
			}
		}
		if diff := cmp.Diff(sorted(rest[i].Value), sorted(arrow[i].Value)); diff != "" {
			t.Errorf("%+v: (-by REST +by Arrow)\n%s", c, diff)
		}
	}
	n := map[string]int{}
	for _, r := range w.peer.Requests() {
		if r.Token != bigquerypeer.TokenExpected || r.Identity != bigquerypeer.Identity {
			t.Errorf("%s came as %s with token %q", r.ID, r.Identity, r.Token)
		}
		n[strings.TrimPrefix(r.ID, readAPI)]++
	}
	if n["CreateReadSession"] < 6 || n["ReadRows"] < 6 {
		t.Errorf("the client did not use the Storage Read API: %v", n)
	}
	if w.peer.Saw(w.Token) {
		t.Error("the target was shown the caller's token")
	}
}

// sorted are rows in an order that does not depend on the interface.
func sorted(v any) map[string]int {
	out := map[string]int{}
	if o, ok := v.(object); ok {
		for _, r := range o["rows"].(array) {
			out[fmt.Sprint(r)]++
		}
	}
	return out
}
