// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googleclients_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/gcspeer"
	"github.com/sallyport-dev/sallyport/test/googleclients"
)

// Clients log in with a credentials file alone, at a token endpoint that is not
// Google's.
func TestCredentialsFile(t *testing.T) {
	t.Parallel()
	bq := bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithRead())
	gcs := gcspeer.Start(t, gcspeer.WithClinic())
	const workload = "token-of-the-workload"
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("subject_token") != workload || r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" {
			http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"`+bq.Token+`","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":600}`)
	}))
	t.Cleanup(sts.Close)
	dir := t.TempDir()
	source, file := filepath.Join(dir, "subject"), filepath.Join(dir, "credentials.json")
	credentials, err := json.Marshal(map[string]any{
		"type": "external_account", "audience": "//gateway.example/clinic", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
		"token_url": sts.URL + "/token", "credential_source": map[string]string{"file": source},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{source: []byte(workload), file: credentials} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	svc := googleclients.Service{Project: bigquerypeer.Project, BigQuery: bq.URL, Storage: gcs.URL, Read: bq.Read, CA: bq.ReadCA, Credentials: file}
	for name, client := range googleclients.Libraries() {
		got := client(t, svc,
			googleclients.Call{Name: "query", SQL: "SELECT zip FROM clinic.patients WHERE mrn = 1001"},
			googleclients.Call{Name: "get", Bucket: "clinic-public", Object: "hours.txt"},
		)
		googleclients.Check(t, name+": query", map[string]any{"rows": []any{map[string]any{"zip": "02139"}}}, got[0])
		googleclients.Check(t, name+": object", "Open from 8 to 17.\n", got[1])
	}
	if bq.Saw(workload) || gcs.Saw(workload) {
		t.Error("the workload's own token reached a service")
	}
}

// A client that a test asks too much of says so.
func TestUnknownCall(t *testing.T) {
	t.Parallel()
	got := googleclients.Node(t, googleclients.Service{Project: "p", Token: "x"}, googleclients.Call{Name: "nothing"})
	if got[0].Error == nil || got[0].Error.Message != "there is no call nothing" {
		t.Errorf("%+v", got[0])
	}
}
