// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package connect_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/gcspeer"
	"github.com/sallyport-dev/sallyport/test/googleclients"
)

// ours is a service that clients are told nothing of but a proxy and an authority. The
// token that they hold for the service is nobody's.
func (w *world) ours(token string) googleclients.Service {
	return googleclients.Service{
		Project: bigquerypeer.Project, BigQuery: "usual", Storage: "usual", Usual: true, Proxy: w.proxy(token).String(), CA: w.bundle, Token: "ya29.of-nobody",
	}
}

func clean(t *testing.T, what, text string) {
	t.Helper()
	for _, c := range canaries() {
		if strings.Contains(text, c) {
			t.Errorf("%s shows %q: %s", what, c, text)
		}
	}
}

// TestLibraries has Google's libraries read masked rows and objects, without being
// given an endpoint.
func TestLibraries(t *testing.T) {
	t.Parallel()
	for _, withTLS := range []bool{false, true} {
		w := start(t, withTLS)
		for name, library := range googleclients.Libraries() {
			rows := library(t, w.ours(w.Token),
				googleclients.Call{Name: "query", SQL: "SELECT mrn, zip FROM clinic.patients ORDER BY mrn LIMIT 1"},
				googleclients.Call{Name: "query", SQL: "SELECT * FROM clinic.patients ORDER BY mrn"})
			googleclients.Check(t, name, map[string]any{"rows": []any{map[string]any{"mrn": 1001.0, "zip": "02139"}}}, rows[0])
			objects := library(t, w.ours(w.lake),
				googleclients.Call{Name: "get", Bucket: "clinic-public", Object: "hours.txt"},
				googleclients.Call{Name: "get", Bucket: "clinic-exports", Object: "2026/patients.csv"})
			googleclients.Check(t, name, "Open from 8 to 17.\n", objects[0])
			for what, one := range map[string]googleclients.Result{"the table": rows[1], "the object": objects[1]} {
				b, err := json.Marshal(one)
				if err != nil || one.Error != nil || !strings.Contains(string(b), "1003") && what == "the table" {
					t.Errorf("%s: %s: %s %v", name, what, b, err)
				}
				clean(t, name+": "+what, string(b))
			}
			// What belongs to the other token is refused.
			if got := library(t, w.ours(w.lake), googleclients.Call{Name: "query", SQL: "SELECT 1"})[0]; got.Error == nil {
				t.Errorf("%s: a query with a token for the lake gave %v", name, got.Value)
			}
		}
		w.HTTP.CloseIdleConnections()
		w.Stop(t)
	}
}

// TestCLI has bq and gcloud do the same, when the machine has them.
func TestCLI(t *testing.T) {
	t.Parallel()
	w := start(t, false)
	got, ok := googleclients.BQ(t, w.ours(w.Token), "query", "--nouse_legacy_sql", "SELECT * FROM clinic.patients ORDER BY mrn")
	if ok && (got.Status != 0 || !strings.Contains(got.Out, "1003")) {
		t.Errorf("bq: %d %s", got.Status, got.Out)
	}
	clean(t, "bq", got.Out)
	s := w.ours(w.lake)
	s.Project = gcspeer.Project
	got, ok = googleclients.GCloud(t, s, "storage", "cat", "gs://clinic-public/hours.txt")
	if ok && (got.Status != 0 || !strings.Contains(got.Out, "Open from 8 to 17.")) {
		t.Errorf("gcloud: %d %s", got.Status, got.Out)
	}
	got, ok = googleclients.GCloud(t, s, "storage", "cat", "gs://clinic-exports/2026/patients.csv")
	if ok && (got.Status != 0 || !strings.Contains(got.Out, "mrn,name,ssn")) {
		t.Errorf("gcloud: %d %s", got.Status, got.Out)
	}
	clean(t, "gcloud", got.Out)
}

// TestVersions: both versions of HTTP are inside of a tunnel, many requests at once,
// with TLS around it and without.
func TestVersions(t *testing.T) {
	t.Parallel()
	w := start(t, true)
	for want, h2 := range map[int]bool{1: false, 2: true} {
		c := w.client(t, w.Token, h2)
		type result struct {
			status, proto int
			err           error
		}
		results := make(chan result)
		for range 32 {
			go func() {
				res, err := c.Get("https://www.googleapis.com" + dataset)
				if err != nil {
					results <- result{err: err}
					return
				}
				err = res.Body.Close()
				results <- result{res.StatusCode, res.ProtoMajor, err}
			}()
		}
		for range 32 {
			if r := <-results; r.err != nil || r.status != http.StatusOK || r.proto != want {
				t.Errorf("HTTP/%d: %+v", want, r)
			}
		}
	}
}

// TestShutdown: open tunnels, also such as wait, do not keep the gateway from ending,
// and a revoked token ends in them.
func TestShutdown(t *testing.T) {
	t.Parallel()
	w := start(t, false)
	c := w.client(t, w.Token, true)
	if status, body, _ := get(t, c, "https://"+service+dataset); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	res, err := w.HTTP.PostForm("https://"+w.APIAddress()+"/v1/token/revoke", url.Values{"token": {w.Token}})
	if err != nil || res.StatusCode != http.StatusOK || res.Body.Close() != nil {
		t.Fatal(res, err)
	}
	if status, body, _ := get(t, c, "https://"+service+dataset); status != http.StatusUnauthorized {
		t.Errorf("with a revoked token: %d %s", status, body)
	}
	w.dial(t, "CONNECT ") // one that sends no more
	_, r := w.dial(t, "CONNECT storage.googleapis.com:443 HTTP/1.1\r\nHost: storage.googleapis.com:443\r\n"+basic(w.lake)+"\r\n")
	if status, _, body := answer(t, r, http.MethodConnect); status != http.StatusOK { // one without TLS in it
		t.Errorf("%d %s", status, body)
	}
	w.HTTP.CloseIdleConnections()
	w.Stop(t)
	if _, err := r.ReadByte(); err == nil {
		t.Error("the tunnel is still there")
	}
}
