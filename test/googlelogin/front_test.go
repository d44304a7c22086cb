// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlelogin_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

const (
	resource = "clinic"
	role     = "claims-etl"
	account  = "claims-etl@clinic.sallyport"
	project  = "clinic-test"
)

// world is a gateway, and in front of it a server that makes its resource one of
// another type and takes what is sent there. What it answers of Google's is just
// enough to see a client come and go; that clients log in is what is tested.
type world struct {
	*gatewaytest.Gateway
	url string // of the front
	dir string // of the caller
	api *http.Client

	mu    sync.Mutex
	kind  string     // type that the resource seems to have; guarded by mu
	calls []call     // guarded by mu
	forms []sentForm // guarded by mu
}

// call is a request that reached the front.
type call struct{ method, path, bearer string }

// sentForm is a form that was sent to the token endpoint.
type sentForm struct {
	path   string
	header http.Header
	form   url.Values
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Gateway: gatewaytest.Start(t, gatewaytest.Open()), dir: t.TempDir(), kind: "bigquery"}
	w.api = w.client(t)
	cert, err := tls.LoadX509KeyPair(filepath.Join(w.Dir, "gw.crt"), filepath.Join(w.Dir, "gw.key"))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(w.front(t))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	w.url = srv.URL
	w.write(t, "ci.token", w.CIToken(t)+"\n")
	return w
}

// client trusts the gateway's authority.
func (w *world) client(t *testing.T) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(w.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no authority")
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

// front sends what is the API's on to the gateway, and takes the rest itself.
func (w *world) front(t *testing.T) http.Handler {
	proxy := &httputil.ReverseProxy{
		Transport: w.api.Transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "https", Host: w.APIAddress()})
			r.Out.Host = r.In.Host
		},
		ModifyResponse: func(res *http.Response) error {
			if res.Request.URL.Path == "/v1/resources" {
				return w.disguise(res)
			}
			return nil
		},
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/") {
			w.take(rw, r)
			return
		}
		if kind := r.Header.Get("Content-Type"); strings.HasPrefix(kind, "application/x-www-form-urlencoded") {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			form, err := url.ParseQuery(string(b))
			if err != nil {
				t.Error(err)
			}
			w.mu.Lock()
			w.forms = append(w.forms, sentForm{r.URL.Path, r.Header.Clone(), form})
			w.mu.Unlock()
			r.Body = io.NopCloser(bytes.NewReader(b))
		}
		proxy.ServeHTTP(rw, r)
	})
}

// disguise changes the type of the resource, and its listener to the front.
func (w *world) disguise(res *http.Response) error {
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return err
	}
	w.mu.Lock()
	b = bytes.Replace(b, []byte(`"type":"postgres"`), []byte(`"type":"`+w.kind+`"`), 1)
	w.mu.Unlock()
	b = bytes.Replace(b, []byte(w.PostgresAddress()), []byte(strings.TrimPrefix(w.url, "https://")), 1)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	res.Header.Del("Content-Length")
	return nil
}

// take remembers a request and answers it: one bucket is listed, the rest is refused in
// Google's own form.
func (w *world) take(rw http.ResponseWriter, r *http.Request) {
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	w.mu.Lock()
	w.calls = append(w.calls, call{r.Method, r.URL.Path, bearer})
	w.mu.Unlock()
	rw.Header().Set("Content-Type", "application/json; charset=UTF-8")
	if r.Method == http.MethodGet && r.URL.Path == "/storage/v1/b" {
		_, _ = rw.Write([]byte(`{"kind":"storage#buckets","items":[{"kind":"storage#bucket","id":"scans","name":"scans","projectNumber":"0","location":"EU"}]}`))
		return
	}
	rw.WriteHeader(http.StatusForbidden)
	_, _ = rw.Write([]byte(`{"error":{"code":403,"message":"the front of this test serves nothing","status":"PERMISSION_DENIED",` +
		`"errors":[{"reason":"accessDenied","message":"the front of this test serves nothing","domain":"global"}]}}`))
}

// reached returns the requests that reached the front.
func (w *world) reached() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// sent returns the forms that a path was sent.
func (w *world) sent(path string) []sentForm {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.forms), func(f sentForm) bool { return f.path != path })
}

// forget begins anew.
func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls, w.forms = nil, nil
}

func (w *world) seem(kind string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kind = kind
}

func (w *world) write(t *testing.T, name, text string) string {
	t.Helper()
	p := filepath.Join(w.dir, name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// env is the environment of the commands that a caller runs.
func (w *world) env(stdout, stderr io.Writer) cli.Env {
	vars := map[string]string{"HOME": w.dir, "SALLYPORT_SERVER": w.url, "SALLYPORT_CA": w.CA, "SALLYPORT_TOKEN_FILE": filepath.Join(w.dir, "ci.token")}
	return cli.Env{
		Stdin: strings.NewReader(""), Stdout: stdout, Stderr: stderr, Getenv: func(n string) string { return vars[n] },
		Now: time.Now, Rand: rand.Reader, Version: "test",
	}
}

// sallyport runs a command, which must succeed, and returns what it printed.
func (w *world) sallyport(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := cli.Run(t.Context(), w.env(&stdout, &stderr), args); code != cli.ExitOK {
		t.Fatalf("sallyport %s: exit code %d\n%s", strings.Join(args, " "), code, stderr.Bytes())
	}
	return stdout.String()
}

// login writes the credentials' file for the resource and returns what clients
// are to be told.
func (w *world) login(t *testing.T, client, kind string) map[string]string {
	t.Helper()
	w.seem(kind)
	w.sallyport(t, "login", "--resource", resource, "--role", role)
	return w.variables(t, "--client", client)
}

// variables is what "sallyport env" prints.
func (w *world) variables(t *testing.T, args ...string) map[string]string {
	t.Helper()
	out := w.sallyport(t, append([]string{"env", resource, "--role", role, "--project", project, "-o", "json"}, args...)...)
	vars := map[string]string{}
	if err := json.Unmarshal([]byte(out), &vars); err != nil {
		t.Fatal(err)
	}
	return vars
}

// sidecar runs a sidecar until the test ends and returns its address.
func (w *world) sidecar(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	read, write := io.Pipe()
	var stderr bytes.Buffer
	done := make(chan int, 1)
	go func() {
		code := cli.Run(ctx, w.env(write, &stderr),
			[]string{"sidecar", "--resource", resource, "--role", role, "--listen", "127.0.0.1:0", "--project", project, "-o", "json"})
		_ = write.Close() // so that a reader learns that there is no address
		done <- code
	}()
	var hello struct{ Address string }
	err := json.NewDecoder(read).Decode(&hello)
	t.Cleanup(func() {
		cancel()
		if code := <-done; code != cli.ExitOK {
			t.Errorf("the sidecar ended with %d: %s", code, stderr.Bytes())
		}
	})
	if err != nil {
		t.Fatalf("the sidecar says no address: %v", err)
	}
	return hello.Address
}

// introspect asks the gateway about a token.
func (w *world) introspect(t *testing.T, token string) map[string]any {
	t.Helper()
	res, err := w.api.PostForm("https://"+w.APIAddress()+"/v1/introspect", url.Values{"token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	err = json.NewDecoder(res.Body).Decode(&got)
	if cerr := res.Body.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	return got
}

// good checks that a token is a gateway token for the role on the resource.
func (w *world) good(t *testing.T, token string) {
	t.Helper()
	got := w.introspect(t, token)
	if got["active"] != true || got["aud"] != resource || got["scope"] != role || got["username"] != account {
		t.Errorf("the client's token is good for %v", got)
	}
}
