// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport-dev/sallyport/internal/demo/clinic"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// kinds is the pair of tables of one column for each type, the one public, the
// other labelled.
const kinds = `
CREATE TABLE public.kinds (
	id int PRIMARY KEY, b boolean, i2 smallint, i8 bigint, n numeric(12,3), f4 real, f8 double precision, t text, v varchar(5), c char(4),
	y bytea, d date, ti time, tz timetz, ts timestamp, tstz timestamptz, iv interval, u uuid, j json, jb jsonb, x xml,
	ip inet, net cidr, mac macaddr, ia int[], ta text[], r int4range, p point, bits bit(3), tsv tsvector, m money, o oid);
INSERT INTO public.kinds VALUES (1, true, 7, 9007199254740993, 12345.678, 1.5, 2.25, 'täxt', 'abcde', 'ab',
	'\xdeadbeef', '2001-02-03', '04:05:06', '04:05:06+02', '2001-02-03 04:05:06.789', '2001-02-03 04:05:06.789+00', '1 mon 2 days 03:04:05',
	'0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0', '{"k": [1, 2]}', '{"k": {"z": null}}', '<a>b</a>', '10.1.2.3/8', '10.1.0.0/16', '08:00:2b:01:02:03',
	'{1,2,NULL}', '{"x,y",NULL,"z"}', '[1,5)', '(1.5,2)', B'101', 'fat cat', '12.34', 4711);
INSERT INTO public.kinds (id) VALUES (2);
CREATE TABLE public.secrets AS SELECT * FROM public.kinds;
CREATE TABLE public.pairs (id int, tag text, secret text);
INSERT INTO public.pairs SELECT i, 'tag ' || i, 'pairsecret ' || i FROM generate_series(1, 20000) i;
GRANT ALL ON public.kinds, public.secrets, public.pairs TO gateway;
`

// kindLabels are the labels of the clinic and of kinds.
func kindLabels() string {
	return clinic.Labels() + "  public.kinds.*: public\n  public.secrets.*: phi.note\n  public.secrets.id: public\n" +
		"  public.pairs.*: public\n  public.pairs.secret: phi.note\n"
}

// clinicSecrets are parts of all values of the clinic that a client must not see
// and that must not be at rest. Each is too long, or of too rare characters, to
// come out of a cipher by chance.
var clinicSecrets = []string{
	"quillfeather", "thimblewood", "dunmorrow", "oakenfold", "starling", "marisela", "casimir", "wilhelmina",
	"900-11-2233", "900-22-3344", "900-33-4455", "900-44-5566", "900-55-6677", "555-010", "mrn-0001",
	"1949-02-17", "1967-07-04", "1990-11-30", "2011-05-09", "1932-12-24", "penicillin", "hba1c 7.9", "pregnant", "asthma;", "lives alone",
	"j45.909", "e11.65", "z34.02", "perpetua", "brightwater", "88000.00", "91500.00", "pairsecret",
}

// noSecret fails the test when one of the clinic's values is in b.
func noSecret(t testing.TB, what string, b []byte) {
	t.Helper()
	none(t, what, b, clinicSecrets)
}

// noIdentifier fails the test when one of the clinic's values that say who somebody
// is is in b.
func noIdentifier(t testing.TB, what string, b []byte) {
	t.Helper()
	none(t, what, b, clinicSecrets[:slices.Index(clinicSecrets, "penicillin")])
}

func none(t testing.TB, what string, b []byte, secrets []string) {
	t.Helper()
	low := bytes.ToLower(b)
	for _, s := range secrets {
		if i := bytes.Index(low, []byte(s)); i >= 0 {
			t.Errorf("%s holds %q: ...%q...", what, s, low[max(0, i-60):min(len(low), i+60)])
		}
	}
}

// direct opens a connection beside the gateway, with the gateway's role.
func direct(t testing.TB, g *gatewaytest.Gateway, mode pgx.QueryExecMode) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(g.Server.URL("clinic", "gateway", "gatewaypassword"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = mode
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// code returns the SQLSTATE of an error, or "" when it has none.
func code(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Code
	}
	return ""
}

// bound returns a context for one step of a test; nothing may hang.
func bound(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until a condition holds; that it never does fails the test.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never came: %s", what)
}

// api is a caller of a gateway's HTTP API.
type api struct {
	base, token string
	client      *http.Client
}

func apiAs(t testing.TB, g *gatewaytest.Gateway, token string) *api {
	t.Helper()
	pem, err := os.ReadFile(g.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &api{base: "https://" + g.APIAddress(), token: token, client: &http.Client{Transport: tr}}
}

// call makes one request and returns the status and the body.
func (a *api) call(t testing.TB, method, path string, in any) (int, []byte) {
	t.Helper()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	return a.do(t, method, path, "application/json", body)
}

func (a *api) do(t testing.TB, method, path, kind string, body io.Reader) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(bound(t), method, a.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	res, err := a.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, b
}

// request is a request for a grant or an approval as the API shows it.
type request struct {
	ID    string `json:"id"`
	Kind  string `json:"kind"`
	State string `json:"state"`
	Hold  struct {
		Session  string `json:"session"`
		Readable string `json:"readable"`
	} `json:"hold"`
	Grant struct {
		ID string `json:"id"`
	} `json:"grant"`
}

// open returns the requests that wait for a decision.
func (a *api) open(t testing.TB, state string) []request {
	t.Helper()
	status, b := a.call(t, "GET", "/v1/requests?state="+state, nil)
	var out struct {
		Requests []request `json:"requests"`
	}
	if status != 200 {
		t.Fatalf("requests: %d %s", status, b)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("requests: %v in %s", err, b)
	}
	return out.Requests
}

// await waits for an open request whose readable text holds part.
func (a *api) await(t testing.TB, part string) (found request) {
	t.Helper()
	eventually(t, "a request for "+part, func() bool {
		for _, r := range a.open(t, "open") {
			if strings.Contains(r.Hold.Readable, part) || part == "" {
				found = r
				return true
			}
		}
		return false
	})
	return found
}

// decide approves or denies a request.
func (a *api) decide(t testing.TB, id, how string) {
	t.Helper()
	status, b := a.call(t, "POST", "/v1/requests/"+id+"/"+how, map[string]string{"rationale": "because the test says so"})
	if status != 200 {
		t.Fatalf("%s: %d %s", how, status, b)
	}
}

// nodeURL is the URL for clients that take the authority apart from it.
func nodeURL(g *gatewaytest.Gateway, token string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("claims-etl", token), Host: g.PostgresAddress(), Path: "/clinic"}
	return u.String()
}
