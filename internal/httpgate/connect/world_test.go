// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package connect_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/bqanalyzer"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/gcspeer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const policy = `
@id("connect") permit(principal in Role::"dwh", action == Action::"connect", resource == Resource::"dwh");
@id("look") permit(principal in Role::"dwh", action == Action::"read", resource in Resource::"dwh");
@id("public") permit(principal in Role::"dwh", action in [Action::"readRaw", Action::"filterBy"], resource in Label::"public");
@id("connect-lake") permit(principal in Role::"lake", action == Action::"connect", resource == Resource::"lake");
@id("look-lake") permit(principal in Role::"lake", action == Action::"read", resource in Resource::"lake");
@id("public-lake") permit(principal in Role::"lake", action == Action::"readRaw", resource in Label::"public");
`

const warehouse = `  - name: dwh
    type: bigquery
    credential: {password: "file:bq.token"}
    labels: bq-labels.yaml
    connect: true
    bigquery:
      url: %s
      project: %s
      auth: {mode: bearer}
      analyser: %s
`

const lake = `  - name: lake
    type: gcs
    credential: {password: "file:gcs.token"}
    connect: true
    gcs:
      url: %s
      auth: {mode: bearer}
      buckets:
        - {name: clinic-exports, labels: [phi]}
        - {name: clinic-public, labels: [public], plain_names: true}
`

const labels = `version: 1
columns:
  clinic.patients.mrn: public
  clinic.patients.zip: public
  clinic.patients.name: phi.name
  clinic.patients.ssn: phi.ssn
  clinic.patients.birth: phi.birth
  clinic.patients.note: phi.note
`

// Values of the clinic that nobody may see.
func canaries() []string { return []string{"219-09-999", "Ada Example", "1961-04-02"} }

const service = "bigquery.googleapis.com"

// world is a gateway that answers CONNECT for a warehouse and a lake, and a token for
// each.
type world struct {
	gatewaytest.Caller
	lake string // token

	bundle string         // file with all authorities
	pool   *x509.CertPool // the same
	tls    bool
}

func start(t *testing.T, withTLS bool) *world {
	t.Helper()
	bq, gcs := bigquerypeer.Start(t, bigquerypeer.WithClinic()), gcspeer.Start(t, gcspeer.WithClinic())
	g := gatewaytest.Start(t, gatewaytest.Connect(withTLS), gatewaytest.Policy(policy),
		gatewaytest.File("bq.token", bq.Token), gatewaytest.File("bq-labels.yaml", labels), gatewaytest.File("gcs.token", gcs.Token),
		gatewaytest.Resource("dwh", "dwh", fmt.Sprintf(warehouse, bq.URL, bigquerypeer.Project, bqanalyzer.Binary(t))),
		gatewaytest.Resource("lake", "lake", fmt.Sprintf(lake, gcs.URL)))
	w := &world{Caller: g.Caller(t, "dwh", "dwh"), tls: withTLS, pool: x509.NewCertPool()}
	w.lake = g.Exchange(t, w.HTTP, "lake", "lake")
	var info struct{ Authorities string }
	g.Call(t, w.HTTP, "staff", "GET", "/v1/connect", nil, &info)
	own, err := os.ReadFile(g.CA)
	if err != nil {
		t.Fatal(err)
	}
	w.bundle = filepath.Join(g.Dir, "bundle.pem")
	if err := os.WriteFile(w.bundle, append([]byte(info.Authorities), own...), 0o600); err != nil {
		t.Fatal(err)
	}
	w.pool.AppendCertsFromPEM([]byte(info.Authorities))
	w.pool.AppendCertsFromPEM(own)
	return w
}

// proxy is the address of the proxy with a token.
func (w *world) proxy(token string) *url.URL {
	u := &url.URL{Scheme: "http", Host: w.ConnectAddress(), User: url.UserPassword("token", token)}
	if w.tls {
		u.Scheme = "https"
	}
	return u
}

// client is a client of the proxy.
func (w *world) client(t *testing.T, token string, h2 bool) *http.Client {
	t.Helper()
	tr := &http.Transport{
		Proxy: http.ProxyURL(w.proxy(token)), TLSClientConfig: &tls.Config{RootCAs: w.pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: h2,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// get asks through a client.
func get(t *testing.T, c *http.Client, address string, set ...func(*http.Request)) (status int, body string, proto int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range set {
		f(req)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if cerr := res.Body.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	return res.StatusCode, string(b), res.ProtoMajor
}

func basic(token string) string {
	return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("token:"+token)) + "\r\n"
}

// dial opens a connection to a proxy without TLS and sends bytes.
func (w *world) dial(t *testing.T, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.ConnectAddress())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// answer reads one answer.
func answer(t *testing.T, r *bufio.Reader, method string) (status int, header http.Header, body string) {
	t.Helper()
	res, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodConnect && res.StatusCode == http.StatusOK {
		return res.StatusCode, res.Header, ""
	}
	b, err := io.ReadAll(res.Body)
	if cerr := res.Body.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	return res.StatusCode, res.Header, string(b)
}

// inside opens a tunnel to a host and TLS in it.
func (w *world) inside(t *testing.T, host, sni string) (*tls.Conn, error) {
	t.Helper()
	c, r := w.dial(t, "CONNECT "+host+":443 HTTP/1.1\r\nHost: "+host+":443\r\n"+basic(w.Token)+"\r\n")
	if status, _, body := answer(t, r, http.MethodConnect); status != http.StatusOK {
		t.Fatalf("%s: %d %s", host, status, body)
	}
	tc := tls.Client(c, &tls.Config{RootCAs: w.pool, ServerName: sni, MinVersion: tls.VersionTLS12})
	return tc, tc.HandshakeContext(t.Context())
}

// recorded counts the refusals on the ledger that hold a text.
func (w *world) recorded(t *testing.T, text string) (n int) {
	t.Helper()
	for name, b := range w.Traces(t) {
		if name != "the log" {
			n += strings.Count(string(b), text)
		}
	}
	return n
}

// named is the credential of a workload's own token, which the user name says the use
// of.
func named(token string) string {
	return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("dwh@dwh.sallyport:"+token)) + "\r\n"
}

// exchange gets a gateway token at the gateway's own endpoint, as clients inside of a
// CONNECT find it at Google's address.
func (w *world) exchange(t *testing.T, subject, resource, role string) string {
	t.Helper()
	res, err := w.client(t, w.Token, true).PostForm("https://sts.googleapis.com/v1/token", url.Values{
		"grant_type": {identity.GrantTypeTokenExchange}, "subject_token": {subject}, "subject_token_type": {identity.TokenTypeJWT}, "resource": {resource}, "scope": {role},
	})
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Token string `json:"access_token"`
	}
	err = json.NewDecoder(res.Body).Decode(&out)
	if cerr := res.Body.Close(); err != nil || cerr != nil || out.Token == "" {
		t.Fatal(res.StatusCode, err, cerr)
	}
	return out.Token
}
