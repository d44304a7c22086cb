// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/bqanalyzer"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

const (
	masked      = "masked-dwh@clinic-test.iam.gserviceaccount.com"
	maskedToken = "upstream-token-of-the-masked-account"
	sentinel    = "000-00-0000"
)

// maskedColumns are the masks of the role's account.
func maskedColumns() map[string]string {
	return map[string]string{"ssn": "'#####'", "name": "NULL::VARCHAR"}
}

// google gives tokens as Google's token endpoint and its IAM Credentials API do: the
// resource's account its own, and of the role's account to that one.
func google(t *testing.T) (url, key string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/token":
			_, _ = fmt.Fprintf(w, `{"access_token":%q,"expires_in":3600,"token_type":"Bearer"}`, bigquerypeer.Token)
		case r.URL.Path == "/v1/projects/-/serviceAccounts/"+masked+":generateAccessToken" && r.Header.Get("Authorization") == "Bearer "+bigquerypeer.Token:
			_, _ = fmt.Fprintf(w, `{"accessToken":%q,"expireTime":%q}`, maskedToken, time.Now().Add(time.Hour).Format(time.RFC3339))
		default:
			http.Error(w, `{}`, http.StatusForbidden)
		}
	}))
	t.Cleanup(s.Close)
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": bigquerypeer.Identity, "private_key_id": "1", "token_uri": s.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.URL, string(b)
}

// nativeResource is without an analyser.
const nativeResource = `  - name: dwh
    type: bigquery
    credential: {password: "file:bq.json"}
    labels: bq-labels.yaml
    bigquery:
      url: %s
      project: %s
      mode: native
      native:
        iam: %s
        every: 5m
        roles:
          - {role: dwh, impersonate: %s}
        canaries:
          - {table: clinic.patients, column: ssn, key: mrn, row: "9999", value: %q}
          - {table: clinic.patients, column: name, key: mrn, row: "9999", value: "Canary Nobody"}
`

// nativeWorld is a gateway in native mode, whose clock can be put forward.
type nativeWorld struct {
	*world
	late atomic.Int64
}

func startNative(t *testing.T, prepare func(*bigquerypeer.Server)) *nativeWorld {
	t.Helper()
	return startNativeWith(t, "", prepare)
}

// startNativeWith adds lines to the resource.
func startNativeWith(t *testing.T, lines string, prepare func(*bigquerypeer.Server)) *nativeWorld {
	t.Helper()
	return startNativeAt(t, bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithIdentity(maskedToken, masked)), lines, prepare)
}

// startNativeAt starts a gateway before a counterpart, which gets the canary and the
// masks.
func startNativeAt(t *testing.T, peer *bigquerypeer.Server, lines string, prepare func(*bigquerypeer.Server), more ...gatewaytest.Option) *nativeWorld {
	t.Helper()
	peer.SQL("INSERT INTO clinic.patients VALUES (9999, 'Canary Nobody', '" + sentinel + "', NULL, NULL, '00000')")
	peer.Mask(masked, "clinic.patients", maskedColumns())
	if prepare != nil {
		prepare(peer)
	}
	iam, key := google(t)
	n := &nativeWorld{}
	entry := fmt.Sprintf(nativeResource, peer.URL, bigquerypeer.Project, iam, masked, sentinel) + lines
	g := gatewaytest.Start(t, append([]gatewaytest.Option{
		gatewaytest.Policy(policy + scripts), gatewaytest.File("bq.json", key), gatewaytest.File("bq-labels.yaml", nativeLabels), gatewaytest.Resource("dwh", "dwh", entry),
		gatewaytest.Clock(func() time.Time { return time.Now().Add(time.Duration(n.late.Load())) }),
	}, more...)...)
	n.world = &world{g.Caller(t, "dwh", "dwh"), peer}
	return n
}

// scripts lets the role bring functions along.
const scripts = `
@id("functions") permit(principal in Role::"dwh", action in [Action::"define", Action::"execute"], resource in Schema::"dwh/_SESSION");
`

// nativeLabels has no column of patients that is neither public nor a canary's.
const nativeLabels = `version: 1
columns:
  clinic.patients.mrn: public
  clinic.patients.zip: public
  clinic.patients.name: phi.name
  clinic.patients.ssn: phi.ssn
  clinic.patients.birth: public
  clinic.patients.note: public
  clinic.lab_results.*: public
  clinic.lab_results.comment: phi.note
`

// TestNativeMode is rows 5, 6, 7 and 9 of the bypasses, without an analyser: what
// cannot be traced runs, and shows and tells apart nothing but masks.
func TestNativeMode(t *testing.T) {
	t.Parallel()
	w := startNative(t, nil)
	for name, tt := range map[string]struct{ sql, want string }{
		"columns":            {"SELECT mrn, ssn, name FROM clinic.patients ORDER BY mrn LIMIT 1", `"v":"#####"`},
		"expressions":        {"SELECT mrn, REVERSE(SUBSTR(ssn, 1, 3)) AS r, TO_JSON_STRING(STRUCT(name)) AS j FROM clinic.patients WHERE mrn < 9999", `"v":"###"`},
		"an oracle":          {"SELECT COUNT(*) AS n FROM clinic.patients WHERE ssn LIKE '219%' OR STARTS_WITH(name, 'Ada')", `"v":"0"`},
		"an oracle of masks": {"SELECT COUNT(*) AS n FROM clinic.patients WHERE ssn = '#####' AND name IS NULL", `"v":"4"`},
		"an order":           {"SELECT mrn FROM clinic.patients ORDER BY ssn, mrn DESC LIMIT 1", `"v":"9999"`},
		"a scanned text":     {"SELECT note FROM clinic.patients WHERE mrn = 1001", "about the refill"},
	} {
		got := w.query(t, tt.sql)
		if got.Status != http.StatusOK || !strings.Contains(got.Body, tt.want) {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
		if strings.Contains(got.Body, "219-09") || strings.Contains(got.Body, "Ada") || strings.Contains(got.Body, "212-555") || strings.Contains(got.Body, sentinel) {
			t.Errorf("%s: %s", name, got.Body)
		}
	}
	w.script(t)
	for _, sql := range []string{"SELECT CAST(ssn AS INT64) AS n FROM clinic.patients", "SELECT ERROR(CONCAT(ssn, zip)) FROM clinic.patients"} {
		if got := w.query(t, sql); got.Status != http.StatusBadRequest || strings.Contains(got.Body, "219-09") || strings.Contains(got.Body, "02139") || !strings.Contains(got.Body, "withheld") {
			t.Errorf("an error: %d %s", got.Status, got.Body)
		}
	}
	for name, sql := range map[string]string{
		"a body's column":      "CREATE TEMP FUNCTION f() AS ((SELECT MAX(comment) FROM clinic.lab_results)); SELECT f()",
		"another's column":     "SELECT id FROM clinic.lab_results WHERE comment LIKE 'F%'",
		"an older state":       "SELECT mrn FROM clinic.patients FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-01' WHERE ssn = 'x'",
		"a function elsewhere": "SELECT clinic.f(ssn) FROM clinic.patients",
		"what nobody can read": "EXECUTE IMMEDIATE CONCAT('SELECT ', 'name FROM clinic.patients')",
		"row 3, a table":       "CREATE TABLE scratch.t AS SELECT ssn FROM clinic.patients",
		"row 3, rows":          "INSERT scratch.names (name) SELECT name FROM clinic.patients",
		"row 4, files":         "EXPORT DATA OPTIONS(uri='gs://b/x-*.csv', format='CSV') AS SELECT ssn FROM clinic.patients",
		"row 9, a script":      "BEGIN CREATE TABLE scratch.t AS SELECT ssn FROM clinic.patients; END",
		"row 16, rights":       "GRANT `roles/bigquery.dataViewer` ON TABLE clinic.patients TO 'user:a@b.example'",
	} {
		if got := w.query(t, sql); got.Status != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	if got := w.Ask(t, "POST", project+"/jobs", `{"configuration":{"query":{"query":"SELECT ssn FROM clinic.patients","useLegacySql":false,"destinationTable":{"projectId":"clinic-test","datasetId":"scratch","tableId":"t"}}}}`); got.Status != http.StatusForbidden {
		t.Errorf("row 3, a destination: %d %s", got.Status, got.Body)
	}
	for _, r := range w.peer.Requests() {
		if r.Token != bigquerypeer.TokenExpected {
			t.Errorf("%s came with token %q", r.Path, r.Token)
		}
		if strings.Contains(r.Body, "SELECT") && !strings.Contains(r.Body, "COUNTIF") && r.Identity != masked {
			t.Errorf("%s ran as %s", r.Body, r.Identity)
		}
	}
}

// script is row 9: a script's parts show masks, and functions that come along are parts
// of the text, which the counterpart does not know.
func (w *nativeWorld) script(t *testing.T) {
	t.Helper()
	if got := w.query(t, "CREATE TEMP FUNCTION f(x STRING) AS (REVERSE(x)); SELECT f(ssn) FROM clinic.patients"); got.Status != http.StatusNotImplemented {
		t.Errorf("a function: %d %s", got.Status, got.Body)
	}
	job := parse(t, w.Ask(t, "POST", project+"/jobs",
		`{"jobReference":{"projectId":"clinic-test","jobId":"script"},"configuration":{"query":{"useLegacySql":false,"query":"SELECT 1 AS x; SELECT mrn, CONCAT(ssn, '!') AS s FROM clinic.patients ORDER BY mrn"}}}`))
	list := parse(t, w.Ask(t, "GET", project+"/jobs?parentJobId="+job.JobReference.JobID, ""))
	if len(list.Jobs) != 2 {
		t.Errorf("a script has the parts %+v", list.Jobs)
	}
	all := w.Ask(t, "GET", project+"/queries/script", "").Body
	for _, one := range list.Jobs {
		all += w.Ask(t, "GET", project+"/queries/"+one.JobReference.JobID, "").Body
	}
	if !strings.Contains(all, `"v":"#####!"`) || strings.Contains(all, "219-09") {
		t.Errorf("a script: %s", all)
	}
}

// TestNativeTraced has an analyser: what is traced is masked by the gateway as well,
// and the canaries' columns may decide rows.
func TestNativeTraced(t *testing.T) {
	t.Parallel()
	w := startNativeWith(t, "      analyser: "+bqanalyzer.Binary(t)+"\n", nil)
	got := w.query(t, "SELECT mrn, ssn FROM clinic.patients WHERE ssn LIKE '#%' ORDER BY mrn")
	if got.Status != http.StatusOK || !strings.Contains(got.Body, "1001") || strings.Contains(got.Body, "#####") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := w.query(t, "SELECT id FROM clinic.lab_results WHERE comment LIKE 'F%'"); got.Status != http.StatusForbidden {
		t.Errorf("a column without a canary: %d %s", got.Status, got.Body)
	}
}

// TestNativeOlderStates is row 14: an older state of a table is shown masked whole.
func TestNativeOlderStates(t *testing.T) {
	t.Parallel()
	w := startNative(t, nil)
	got := w.Ask(t, "GET", project+"/datasets/clinic/tables/patients@-60000/data", "")
	if strings.Contains(got.Body, "#####") || strings.Contains(got.Body, "219-09") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// TestNativeProof has nothing pass without a proof that the target masks.
func TestNativeProof(t *testing.T) {
	t.Parallel()
	const text = "SELECT ssn FROM clinic.patients"
	for name, prepare := range map[string]func(*bigquerypeer.Server){
		"the role reads raw":      func(p *bigquerypeer.Server) { p.Mask(masked, "clinic.patients", nil) },
		"one column is not":       func(p *bigquerypeer.Server) { p.Mask(masked, "clinic.patients", map[string]string{"ssn": "'#####'"}) },
		"the canary is gone":      func(p *bigquerypeer.Server) { p.SQL("DELETE FROM clinic.patients WHERE mrn = 9999") },
		"the canary is another":   func(p *bigquerypeer.Server) { p.SQL("UPDATE clinic.patients SET ssn = 'x' WHERE mrn = 9999") },
		"the canary is no value":  func(p *bigquerypeer.Server) { p.SQL("UPDATE clinic.patients SET name = NULL WHERE mrn = 9999") },
		"the table is gone":       func(p *bigquerypeer.Server) { p.SQL("DROP TABLE clinic.patients CASCADE") },
		"the service has no time": func(p *bigquerypeer.Server) { p.Fail(bigquerypeer.Fault{Next: 100, Path: "/queries", Status: 503}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startNative(t, prepare)
			got := w.query(t, text)
			if got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Body, "not proven") {
				t.Errorf("%d %s", got.Status, got.Body)
			}
			for _, r := range w.peer.Requests() {
				if strings.Contains(r.Body, text) {
					t.Errorf("%s was asked", r.Path)
				}
			}
		})
	}
}

// TestNativeProofEnds takes the masks away while the gateway runs, and puts them back.
func TestNativeProofEnds(t *testing.T) {
	t.Parallel()
	w := startNative(t, nil)
	const text = `{"jobReference":{"projectId":"` + bigquerypeer.Project + `","jobId":"before"},"configuration":{"query":{"query":"SELECT ssn FROM clinic.patients","useLegacySql":false}}}`
	if got := w.Ask(t, "POST", project+"/jobs", text); got.Status != http.StatusOK {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	if got := w.Ask(t, "GET", project+"/queries/before", ""); !strings.Contains(got.Body, `"v":"#####"`) {
		t.Errorf("before: %d %s", got.Status, got.Body)
	}
	w.peer.Mask(masked, "clinic.patients", nil)
	w.late.Add(int64(5*time.Minute + time.Second))
	for what, got := range map[string]gatewaytest.Answer{
		"a query": w.query(t, "SELECT ssn FROM clinic.patients"), "an answer": w.Ask(t, "GET", project+"/queries/before", ""), "a list": w.Ask(t, "GET", project+"/datasets", ""),
	} {
		if got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Body, "reads clinic.patients.ssn as it is") {
			t.Errorf("%s while the role reads raw: %d %s", what, got.Status, got.Body)
		}
	}
	w.peer.Mask(masked, "clinic.patients", maskedColumns())
	w.late.Add(int64(10 * time.Second))
	if got := w.query(t, "SELECT ssn FROM clinic.patients"); got.Status != http.StatusOK || !strings.Contains(got.Body, `"v":"#####"`) {
		t.Errorf("when it is mended: %d %s", got.Status, got.Body)
	}
	// Nobody knows what the earlier query ran as.
	if got := w.Ask(t, "GET", project+"/queries/before", ""); strings.Contains(got.Body, `"v":"#####"`) || strings.Contains(got.Body, "219-09") {
		t.Errorf("the earlier answer: %d %s", got.Status, got.Body)
	}
}

// TestNativeStorage has the Storage APIs used as the role's account, and not at all
// while nothing is proven of it.
func TestNativeStorage(t *testing.T) {
	t.Parallel()
	peer := bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithIdentity(maskedToken, masked), bigquerypeer.WithRead())
	ca, err := os.ReadFile(peer.ReadCA)
	if err != nil {
		t.Fatal(err)
	}
	w := startNativeAt(t, peer, "      storage_url: https://"+peer.Read+"\n    tls: {ca: bq-ca.pem}\n", nil, gatewaytest.File("bq-ca.pem", string(ca)))
	made := w.goClient(t, session("", "mrn", "zip", "ssn"))
	read := w.goClient(t, call{Name: "stream", Object: streamOf(t, made[0])})
	if read[0].Error != nil || !strings.Contains(fmt.Sprint(read[0].Value), "02139") {
		t.Errorf("%+v %+v", read[0].Value, read[0].Error)
	}
	calls := 0
	for _, r := range peer.Requests() {
		if !strings.HasPrefix(r.ID, readAPI) {
			continue
		}
		if calls++; r.Identity != masked {
			t.Errorf("%s ran as %s", r.ID, r.Identity)
		}
	}
	if calls != 2 {
		t.Errorf("%d calls reached the target", calls)
	}
	peer.Mask(masked, "clinic.patients", nil)
	w.late.Add(int64(6 * time.Minute))
	peer.Forget()
	for _, path := range []string{analyze.ReadService + "/CreateReadSession", analyze.WriteService + "/CreateWriteStream"} {
		if got := w.call(t, "/"+path, string(grpc.Append(nil, nil))); got.Code != grpc.Unavailable || !strings.Contains(got.Message, "not proven") {
			t.Errorf("%s without a proof: %+v", path, got)
		}
	}
	for _, r := range peer.Requests() {
		if strings.HasPrefix(r.ID, "google.cloud") {
			t.Errorf("%s reached the target without a proof", r.ID)
		}
	}
}
