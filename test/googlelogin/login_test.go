// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package googlelogin_test has clients of Google Cloud log in at a gateway, with
// nothing but the files and variables that "sallyport login", "env", "sidecar" and
// "identity new-key" make: Google's libraries for Go and Node.js, and, where the
// machine has the Google Cloud CLI, bq, gcloud and the library for Python that comes
// with it.
package googlelogin_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs a client with nothing in its environment but the variables, and returns
// what it printed.
func (w *world) run(t *testing.T, dir string, vars map[string]string, name string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir}
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		cmd.Env = append(cmd.Env, k+"="+vars[k])
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// token runs a client that prints the token that it got.
func (w *world) token(t *testing.T, dir string, vars map[string]string, name string, args ...string) string {
	t.Helper()
	out, errs, err := w.run(t, dir, vars, name, args...)
	var got struct{ Token string }
	if err != nil || json.Unmarshal([]byte(out), &got) != nil || got.Token == "" {
		t.Fatalf("%s: %v\n%s%s", filepath.Base(name), err, out, errs)
	}
	return got.Token
}

// goClient builds the client that is a module of its own.
func goClient(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "goclient")
	build := exec.CommandContext(t.Context(), "go", "build", "-p", "1", "-o", program, ".")
	build.Dir = "goclient"
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("goclient: %v\n%s", err, out)
	}
	return program
}

// nodeClient installs Google's library for Node.js once, by the versions and
// digests of package-lock.json, and returns the directory of the client.
func nodeClient(t *testing.T) string {
	t.Helper()
	names := []string{"package.json", "package-lock.json", "login.mjs"}
	sum := sha256.New()
	content := map[string][]byte{}
	for _, n := range names {
		b, err := os.ReadFile(filepath.Join("node", n))
		if err != nil {
			t.Fatal(err)
		}
		content[n] = b
		sum.Write(b)
	}
	base := os.Getenv("SALLYPORT_CACHE")
	if base == "" {
		base = filepath.Join(pgtest.Root(), ".cache")
	}
	dir := filepath.Join(base, "googlelogin-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	tmp, err := os.MkdirTemp(base, "googlelogin-part-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // it is gone when all went well
	for n, b := range content {
		if err := os.WriteFile(filepath.Join(tmp, n), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress")
	cmd.Dir = tmp
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci (it needs Node.js 20 and npm; run: make test-deps): %v\n%s", err, out)
	}
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	return dir
}

// asExchange checks the first form that a client sent to the token endpoint.
func (w *world) asExchange(t *testing.T) {
	t.Helper()
	forms := w.sent("/v1/token")
	if len(forms) == 0 {
		t.Fatal("there was no exchange")
	}
	got := map[string]string{}
	for k, v := range forms[0].form {
		got[k] = v[0]
	}
	if got["subject_token"] == "" || strings.TrimSpace(got["scope"]) == "" {
		t.Errorf("the form is %v", slices.Sorted(maps.Keys(got)))
	}
	delete(got, "subject_token")
	delete(got, "scope")
	for _, may := range []string{"actor_token", "actor_token_type", "resource", "options"} {
		if got[may] == "" {
			delete(got, may)
		}
	}
	if d := cmp.Diff(map[string]string{
		"grant_type": identity.GrantTypeTokenExchange, "audience": "//sallyport/clinic/claims-etl",
		"requested_token_type": identity.TokenTypeAccessToken, "subject_token_type": identity.TokenTypeJWT,
	}, got); d != "" {
		t.Errorf("the form (-want +got):\n%s", d)
	}
}

func TestGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	program := goClient(t)
	vars := w.login(t, "go", "bigquery")
	w.good(t, w.token(t, w.dir, vars, program))
	w.asExchange(t)
	// The same from the sidecar, and an ID token of it.
	vars = w.variables(t, "--client", "go", "--sidecar", w.sidecar(t))
	w.good(t, w.token(t, w.dir, vars, program))
	w.good(t, w.token(t, w.dir, vars, program, "https://fn.example"))
}

func TestNode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := nodeClient(t)
	vars := w.login(t, "node", "bigquery")
	w.good(t, w.token(t, dir, vars, "node", "login.mjs"))
	w.asExchange(t)
	vars = w.variables(t, "--client", "node", "--sidecar", w.sidecar(t))
	w.good(t, w.token(t, dir, vars, "node", "login.mjs"))
	w.good(t, w.token(t, dir, vars, "node", "login.mjs", "https://fn.example"))
}

// TestURLSource: the workload's token is not in a file but behind a URL that wants
// a header, as CI systems have it.
func TestURLSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ci := w.CIToken(t)
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "bearer of-the-job" {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(map[string]any{"count": 1, "value": ci}) // a client that is gone needs no answer
	}))
	t.Cleanup(srv.Close)
	w.sallyport(t, "login", "--resource", resource, "--role", role, "--token-url", srv.URL+"/token?audience=sallyport",
		"--token-url-header", "Authorization: bearer of-the-job", "--token-url-field", "value")
	vars := w.variables(t, "--client", "go,node")
	w.good(t, w.token(t, w.dir, vars, goClient(t)))
	w.asExchange(t)
	w.good(t, w.token(t, nodeClient(t), vars, "node", "login.mjs"))
}

// TestSidecarRevoked: a sidecar notices that its token was revoked.
func TestSidecarRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address := w.sidecar(t)
	program := goClient(t)
	vars := map[string]string{"GCE_METADATA_HOST": address}
	first := w.token(t, w.dir, vars, program)
	w.good(t, first)
	res, err := w.api.PostForm("https://"+w.APIAddress()+"/v1/token/revoke", url.Values{"token": {first}})
	if err != nil || res.Body.Close() != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("revocation: %v %v", res, err)
	}
	next := first
	for range 100 {
		if next = w.token(t, w.dir, vars, program); next != first {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	w.good(t, next)
}

// TestKeyFile: a key file of our own in the place of a service account's.
func TestKeyFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := filepath.Join(w.dir, "etl.json")
	entry := w.sallyport(t, "identity", "new-key", "--id", "etl-1", "--group", "ci", "--resource", resource, "--role", role, "-f", key)
	w.Stop(t)
	w.Rewrite(t, "identity:\n", "identity:\n  keys:\n    "+strings.ReplaceAll(strings.TrimSpace(entry), "\n", "\n    ")+"\n")
	w.Run(t)
	token := w.token(t, w.dir, map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": key, "SSL_CERT_FILE": w.CA}, goClient(t))
	w.good(t, token)
	if got := w.introspect(t, token); got["sub"] != "key:etl-1" {
		t.Errorf("the key is %v", got)
	}
	if forms := w.sent("/v1/token"); len(forms) != 1 || forms[0].form.Get("grant_type") != identity.GrantTypeJWTBearer {
		t.Errorf("%d forms were sent: %v", len(forms), forms)
	}
	if !cloud(t, "gcloud") {
		return
	}
	out, errs, err := w.run(t, w.dir, w.quiet(map[string]string{
		"CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": key, "CLOUDSDK_AUTH_TOKEN_HOST": w.url + "/v1/token", "CLOUDSDK_CORE_PROJECT": project,
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": w.url + "/storage/v1/", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": w.CA,
	}), "gcloud", "storage", "ls")
	calls := w.reached()
	if err != nil || len(calls) == 0 {
		t.Fatalf("gcloud storage ls: %v, the front was asked %v\n%s%s", err, calls, out, errs)
	}
	w.good(t, calls[0].bearer)
}

// cloud says whether the machine has a program of the Google Cloud CLI, which no
// script can install everywhere.
func cloud(t *testing.T, name string) bool {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Logf("NOT RUN: this machine has no %s of the Google Cloud CLI, so nothing here is proved of it", name)
		return false
	}
	return true
}

// quiet keeps the Google Cloud CLI to itself.
func (w *world) quiet(vars map[string]string) map[string]string {
	all := map[string]string{
		"CLOUDSDK_CONFIG": filepath.Join(w.dir, "cloudsdk"), "CLOUDSDK_CORE_DISABLE_PROMPTS": "1", "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
		"CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1", "CLOUDSDK_CORE_DISABLE_FILE_LOGGING": "1",
	}
	maps.Copy(all, vars)
	return all
}

func TestGcloud(t *testing.T) {
	t.Parallel()
	if !cloud(t, "gcloud") {
		return
	}
	w := newWorld(t)
	vars := w.quiet(w.login(t, "gcloud", "gcs"))
	list := func(vars map[string]string) {
		t.Helper()
		w.forget()
		out, errs, err := w.run(t, w.dir, vars, "gcloud", "storage", "ls")
		if err != nil {
			t.Fatalf("gcloud storage ls: %v\n%s%s", err, out, errs)
		}
		calls := w.reached()
		if len(calls) == 0 || calls[0].path != "/storage/v1/b" {
			t.Fatalf("the front was asked %v", calls)
		}
		w.good(t, calls[0].bearer)
	}
	list(vars) // without an account on the machine
	w.asExchange(t)

	// With an account, which gcloud asks the gateway the name of.
	file := vars["CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"]
	delete(vars, "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE")
	w.forget()
	if out, errs, err := w.run(t, w.dir, vars, "gcloud", "auth", "login", "--cred-file="+file); err != nil {
		t.Fatalf("gcloud auth login: %v\n%s%s", err, out, errs)
	}
	if forms := w.sent("/v1/introspect"); len(forms) == 0 || !strings.HasPrefix(forms[0].form.Get("token"), identity.TokenPrefix) {
		t.Errorf("gcloud asked %d times about its token", len(forms))
	}
	if out, errs, err := w.run(t, w.dir, vars, "gcloud", "auth", "list", "--format=value(account)"); err != nil || strings.TrimSpace(out) != account {
		t.Errorf("accounts: %v %q\n%s", err, out, errs)
	}
	list(vars)

	// From the sidecar, with nothing on the machine at all.
	vars = w.quiet(w.variables(t, "--client", "gcloud", "--sidecar", w.sidecar(t)))
	vars["CLOUDSDK_CONFIG"] = filepath.Join(w.dir, "cloudsdk-sidecar")
	list(vars)
}

func TestBq(t *testing.T) {
	t.Parallel()
	if !cloud(t, "bq") {
		return
	}
	w := newWorld(t)
	ask := func(dir string, vars map[string]string) {
		t.Helper()
		w.forget()
		vars = w.quiet(vars)
		vars["CLOUDSDK_CONFIG"] = filepath.Join(w.dir, dir)
		out, errs, err := w.run(t, w.dir, vars, "bq", "--headless", "--format=json", "ls")
		calls := w.reached()
		if err == nil || len(calls) == 0 {
			t.Fatalf("bq ls: %v, the front was asked %v\n%s%s", err, calls, out, errs)
		}
		w.good(t, calls[0].bearer)
	}
	ask("file", w.login(t, "bq", "bigquery"))
	// In a directory of its own: for ten minutes the CLI remembers that it found no
	// metadata server.
	ask("sidecar", w.variables(t, "--client", "bq", "--sidecar", w.sidecar(t)))
}

// pythonClient prints the token that Google's library for Python gets.
const pythonClient = `
import json, google.auth, google.auth.transport.requests
credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
credentials.refresh(google.auth.transport.requests.Request())
print(json.dumps({"token": credentials.token}))
`

// TestPython runs the library that the Google Cloud CLI brings with it, in the
// Python that it brings as well.
func TestPython(t *testing.T) {
	t.Parallel()
	if !cloud(t, "gcloud") {
		return
	}
	w := newWorld(t)
	out, errs, err := w.run(t, w.dir, w.quiet(nil), "gcloud", "info", "--format=value(basic.python_location,installation.sdk_root)")
	python, root, ok := strings.Cut(strings.TrimSpace(out), "\t")
	if err != nil || !ok {
		t.Fatalf("gcloud info: %v %q\n%s", err, out, errs)
	}
	vars := w.login(t, "python", "bigquery")
	vars["PYTHONPATH"] = filepath.Join(root, "lib", "third_party")
	w.good(t, w.token(t, w.dir, vars, python, "-c", pythonClient))
	w.asExchange(t)
	w.like(t, "python-google-auth", w.sent("/v1/token")[0])
	vars = w.variables(t, "--client", "python", "--sidecar", w.sidecar(t))
	vars["PYTHONPATH"] = filepath.Join(root, "lib", "third_party")
	w.good(t, w.token(t, w.dir, vars, python, "-c", pythonClient))
}

// like compares a form with the one that is recorded for machines without the
// client: the same parameters.
func (w *world) like(t *testing.T, name string, f sentForm) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(pgtest.Root(), "internal", "identity", "testdata", "clients", name+".http"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, ok := strings.Cut(string(b), "\n\n")
	if !ok {
		t.Fatal(fmt.Errorf("%s has no body", name))
	}
	var want []string
	for pair := range strings.SplitSeq(strings.TrimSpace(body), "&") {
		k, _, _ := strings.Cut(pair, "=")
		want = append(want, k)
	}
	slices.Sort(want)
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(f.form))); d != "" {
		t.Errorf("the client sends other parameters than are recorded (-recorded +sent):\n%s", d)
	}
}
