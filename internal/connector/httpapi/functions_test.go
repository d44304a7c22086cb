// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/test/functionspeer"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

const functionsPolicy = `
@id("connect") permit(principal in Role::"records", action == Action::"connect", resource == Resource::"records");
@id("call") permit(principal in Role::"records", action in [Action::"read", Action::"readScanned", Action::"execute"], resource in Resource::"records");
@id("plain") permit(principal in Role::"records", action == Action::"readRaw", resource in Path::"records/echo");
`

const functionsResource = `  - name: records
    type: http
    credential: {password: "file:key.json"}
    http:
      url: %s
      auth: {mode: google-id-token, audience: "https://functions.example"}
      labels: [phi]
      routes:
        - path: "/{function}/{rest...}"
        - path: /text
        - path: /events
        - path: /echo
`

// idTokens is a token endpoint that answers a service account's assertion with an
// ID token for the audience that it asks for.
func idTokens(t *testing.T, token string, wanted *string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if parts := strings.Split(r.PostForm.Get("assertion"), "."); len(parts) == 3 {
			b, _ := base64.RawURLEncoding.DecodeString(parts[1])
			*wanted = string(b)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"id_token":%q,"token_type":"Bearer"}`, token)
	}))
	t.Cleanup(s.Close)
	return s
}

// serviceAccount is the key of one whose tokens come from at.
func serviceAccount(t *testing.T, at string) string {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "gateway@clinic.example", "private_key_id": "1", "token_uri": at,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestFunctions calls functions in Google's own framework, which take nothing but
// an ID token of the gateway's.
func TestFunctions(t *testing.T) {
	t.Parallel()
	f := functionspeer.Start(t)
	claims := fmt.Sprintf(`{"aud":"https://functions.example","exp":%d}`, time.Now().Add(time.Hour).Unix())
	token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	f.Accept(token)
	var wanted string
	at := idTokens(t, token, &wanted)
	g := gatewaytest.Start(t, gatewaytest.Policy(functionsPolicy), gatewaytest.File("key.json", serviceAccount(t, at.URL)),
		gatewaytest.Resource("records", "records", fmt.Sprintf(functionsResource, f.URL)))
	c := newCaller(t, g)
	values := []string{"Ada Example", "219-09-999", "212-555-014", "1961-04-02", "bo.sample@example.org"}
	for path, want := range map[string]string{
		"/patient/1001": `"visits"`, "/patient/1001?id=1001": `"visits"`, "/fhir/Patient/1001": `"resourceType":"Patient"`, "/fhir/Patient": `"Bundle"`,
		"/text?lines=4": "about the refill", "/events?n=2": "event: result",
	} {
		got := c.ask("GET", path, "")
		if got.status != http.StatusOK || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %v %s", path, got.status, got.err, got.body)
		}
		for _, v := range values {
			if strings.Contains(got.body, v) {
				t.Errorf("%s shows %q", path, v)
			}
		}
	}
	for _, path := range []string{"/fail/json", "/fail/any"} {
		got := c.ask("GET", path, "")
		for _, v := range values {
			if strings.Contains(got.body, v) {
				t.Errorf("%s shows %q: %s", path, v, got.body)
			}
		}
		if got.status < 400 {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := c.ask("GET", "/fail/cut", ""); got.err == nil && got.status == http.StatusOK {
		t.Errorf("half an answer looks whole: %s", got.body)
	}
	echo := c.ask("POST", "/echo", `{"a":1}`, func(r *http.Request) {
		r.Header.Set("X-Serverless-Authorization", "Bearer "+c.token)
		r.Header.Set("Cookie", "a=b")
	})
	// It shows all headers that it was sent, the gateway's token among them.
	if echo.status != http.StatusForbidden || strings.Contains(echo.body, token) {
		t.Errorf("the function's echo: %d %s", echo.status, echo.body)
	}
	if f.Saw(c.token) || f.Saw("a=b") {
		t.Error("the caller's token or cookie reached the functions")
	}
	if !strings.Contains(wanted, `"target_audience":"https://functions.example"`) {
		t.Errorf("an ID token was asked for with %s", wanted)
	}
	// Without the gateway the caller's own token is worth nothing there.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.URL+"/patient/1001", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode < 400 {
		t.Errorf("the function takes the caller's token: %s", b)
	}
}
