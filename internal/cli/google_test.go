// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/cli"
)

// listing answers as a gateway with a resource of each type that has clients.
func listing(t *testing.T) map[string]string {
	t.Helper()
	env := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/v1/whoami":
			_, _ = w.Write([]byte(`{"id":"ci:acme/claims","kind":"ci-job"}`))
		case "/v1/resources":
			const roles = `"roles":[{"role":"etl","connect":"allow"}]`
			_, _ = w.Write([]byte(`{"resources":[
				{"name":"warehouse","type":"bigquery","listener":"192.0.2.7:8480",` + roles + `},{"name":"scans","type":"gcs","listener":"192.0.2.7:8480",` + roles + `},
				{"name":"lab","type":"http","listener":"192.0.2.7:8480",` + roles + `},{"name":"old","type":"mainframe",` + roles + `}]}`))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	dir := t.TempDir()
	env["SALLYPORT_PROFILE"] = filepath.Join(dir, "profile.json")
	env["DIR"] = dir
	return env
}

// TestGoogleEnv: which client is told what. The values are those that the clients
// were measured to need; test/googlelogin runs them.
func TestGoogleEnv(t *testing.T) {
	t.Parallel()
	env := listing(t)
	token := filepath.Join(env["DIR"], "token")
	if err := os.WriteFile(token, []byte("secret.token.value\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, r := range []string{"warehouse", "scans"} {
		if code, _, errs := run(t, env, "login", "--resource", r, "--role", "etl", "--token-file", token); code != cli.ExitOK {
			t.Fatalf("login: exit code %d: %s", code, errs)
		}
	}
	ca, file := env["SALLYPORT_CA"], filepath.Join(env["DIR"], "google", "warehouse.etl.json")
	scans := filepath.Join(env["DIR"], "google", "scans.etl.json")
	trust := "; trust the gateway's authority: keytool -importcert -noprompt -alias sallyport -storepass changeit -keystore sallyport.p12 -file " + ca +
		"; JAVA_TOOL_OPTIONS='-Djavax.net.ssl.trustStore=sallyport.p12 -Djavax.net.ssl.trustStorePassword=changeit'"
	for name, tt := range map[string]struct {
		args []string
		want []string
	}{
		"bq": {[]string{"warehouse", "--client", "bq", "--project", "p"}, []string{
			"export CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE=" + file,
			"export CLOUDSDK_API_ENDPOINT_OVERRIDES_BIGQUERY=https://192.0.2.7:8480/",
			"export CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE=" + ca,
			"export CLOUDSDK_CORE_PROJECT=p",
		}},
		"gcloud": {[]string{"scans", "--client", "gcloud", "--http", "gw.example:443"}, []string{
			"export CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE=" + scans,
			"export CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE=https://gw.example:443/storage/v1/",
			"export CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE=" + ca,
		}},
		"libraries": {[]string{"warehouse", "--client", "go,node,python,java", "--project", "p"}, []string{
			"export SSL_CERT_FILE=" + ca,
			"export GOOGLE_APPLICATION_CREDENTIALS=" + file,
			"export GOOGLE_CLOUD_PROJECT=p",
			"export NODE_EXTRA_CA_CERTS=" + ca,
			"export BIGQUERY_EMULATOR_HOST=https://192.0.2.7:8480",
			"export REQUESTS_CA_BUNDLE=" + ca,
			`# go: bigquery.NewClient(ctx, project, option.WithEndpoint("https://192.0.2.7:8480/bigquery/v2/"))`,
			`# java: BigQueryOptions.newBuilder().setHost("https://192.0.2.7:8480")` + trust,
		}},
		"storage": {[]string{"scans", "--client", "go,node,python,java"}, []string{
			"export SSL_CERT_FILE=" + ca,
			"export GOOGLE_APPLICATION_CREDENTIALS=" + scans,
			"export NODE_EXTRA_CA_CERTS=" + ca,
			"export REQUESTS_CA_BUNDLE=" + ca,
			`# go: storage.NewClient(ctx, option.WithEndpoint("https://192.0.2.7:8480/storage/v1/"))`,
			`# node: new Storage({apiEndpoint: 'https://192.0.2.7:8480', useAuthWithCustomEndpoint: true})`,
			`# python: storage.Client(client_options={"api_endpoint": "https://192.0.2.7:8480"})`,
			`# java: StorageOptions.newBuilder().setHost("https://192.0.2.7:8480")` + trust,
		}},
		"sidecar": {[]string{"warehouse", "--client", "gcloud,node", "--sidecar", "127.0.0.1:8470"}, []string{
			"export GCE_METADATA_HOST=127.0.0.1:8470",
			"export GCE_METADATA_ROOT=127.0.0.1:8470",
			"export GCE_METADATA_IP=127.0.0.1:8470",
			"export CLOUDSDK_API_ENDPOINT_OVERRIDES_BIGQUERY=https://192.0.2.7:8480/",
			"export CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE=" + ca,
			"export NODE_EXTRA_CA_CERTS=" + ca,
			"export METADATA_SERVER_DETECTION=assume-present",
			"export BIGQUERY_EMULATOR_HOST=https://192.0.2.7:8480",
		}},
		"http": {[]string{"lab", "--sidecar", "127.0.0.1:8470"}, []string{
			"export SALLYPORT_HTTP_URL=https://192.0.2.7:8480",
			"export SSL_CERT_FILE=" + ca,
			"export CURL_CA_BUNDLE=" + ca,
			"export REQUESTS_CA_BUNDLE=" + ca,
			"export NODE_EXTRA_CA_CERTS=" + ca,
			"export GCE_METADATA_HOST=127.0.0.1:8470",
			"export GCE_METADATA_IP=127.0.0.1:8470",
			"export METADATA_SERVER_DETECTION=assume-present",
			`export SALLYPORT_HTTP_TOKEN="$(sallyport token --resource lab --role etl)"`,
			`# send the token with every request, as "Authorization: Bearer $SALLYPORT_HTTP_TOKEN"`,
		}},
	} {
		code, out, errs := run(t, env, append([]string{"env", "--role", "etl"}, tt.args...)...)
		if code != cli.ExitOK {
			t.Errorf("%s: exit code %d: %s", name, code, errs)
			continue
		}
		if d := cmp.Diff(tt.want, strings.Split(strings.TrimSpace(out), "\n")); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if strings.Contains(out, "secret") {
			t.Errorf("%s: the output has a token", name)
		}
	}
}

// TestGoogleEnvRefused: what there are no variables for.
func TestGoogleEnvRefused(t *testing.T) {
	t.Parallel()
	env := listing(t)
	for _, tt := range []struct {
		code int
		says string
		args []string
	}{
		{cli.ExitError, "run: sallyport login --resource warehouse --role etl", []string{"warehouse"}},
		{cli.ExitError, "not known to this program", []string{"old"}},
		{cli.ExitUsage, "--client can be bq, gcloud, go, node, python, java", []string{"warehouse", "--client", "perl"}},
		{cli.ExitUsage, "--sidecar must be HOST:PORT", []string{"warehouse", "--sidecar", "here"}},
		{cli.ExitUsage, "--http must be HOST:PORT", []string{"lab", "--http", "gw"}},
	} {
		code, out, errs := run(t, env, append([]string{"env", "--role", "etl"}, tt.args...)...)
		if code != tt.code || out != "" || !strings.Contains(errs, tt.says) {
			t.Errorf("%v: exit code %d: %s%s", tt.args, code, out, errs)
		}
	}
}

// TestExternalAccount: the file for Google's clients, with the workload's token in
// a file and behind a URL.
func TestExternalAccount(t *testing.T) {
	t.Parallel()
	env := listing(t)
	token := filepath.Join(env["DIR"], "token")
	if err := os.WriteFile(token, []byte("secret.token.value\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"type": "external_account", "audience": "//sallyport/warehouse/etl", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
		"token_url": env["SALLYPORT_SERVER"] + "/v1/token", "token_info_url": env["SALLYPORT_SERVER"] + "/v1/introspect",
	}
	for _, tt := range []struct {
		args   []string
		source map[string]any
	}{
		{[]string{"--token-file", token}, map[string]any{"file": token, "format": map[string]any{"type": "text"}}},
		{[]string{"--token-url", "http://127.0.0.1:8888/token"}, map[string]any{"url": "http://127.0.0.1:8888/token", "format": map[string]any{"type": "text"}}},
		{
			[]string{"--token-url", "https://ci.example/t?x=1", "--token-url-header", "Authorization: bearer r", "--token-url-header", "X-A:b", "--token-url-field", "value"},
			map[string]any{
				"url": "https://ci.example/t?x=1", "headers": map[string]any{"Authorization": "bearer r", "X-A": "b"},
				"format": map[string]any{"type": "json", "subject_token_field_name": "value"},
			},
		},
	} {
		code, _, errs := run(t, env, append([]string{"login", "--resource", "warehouse", "--role", "etl"}, tt.args...)...)
		if code != cli.ExitOK {
			t.Errorf("%v: exit code %d: %s", tt.args, code, errs)
			continue
		}
		path := filepath.Join(env["DIR"], "google", "warehouse.etl.json")
		b, err := os.ReadFile(path)
		var got map[string]any
		if err != nil || json.Unmarshal(b, &got) != nil {
			t.Fatal(err, string(b))
		}
		want["credential_source"] = tt.source
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%v (-want +got):\n%s", tt.args, d)
		}
		if strings.Contains(string(b), "secret") {
			t.Error("the token is in the file")
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != fs.FileMode(0o600) {
			t.Errorf("others may read the file: %v %v", info.Mode(), err)
		}
	}
}

func TestExternalAccountRefused(t *testing.T) {
	t.Parallel()
	env := listing(t)
	for _, tt := range []struct {
		code int
		says string
		args []string
	}{
		{cli.ExitUsage, "name --resource and --role, or neither", []string{"--resource", "warehouse"}},
		{cli.ExitUsage, "--token-url is for", []string{"--token-url", "http://127.0.0.1/t"}},
		{cli.ExitUsage, "go with --token-url", []string{"--resource", "warehouse", "--role", "etl", "--token-url-field", "x"}},
		{cli.ExitUsage, "must be a URL", []string{"--resource", "warehouse", "--role", "etl", "--token-url", "file:///etc/token"}},
		{cli.ExitUsage, "NAME: VALUE", []string{"--resource", "warehouse", "--role", "etl", "--token-url", "http://127.0.0.1/t", "--token-url-header", "x"}},
		{cli.ExitError, "name its file with --token-file", []string{"--resource", "warehouse", "--role", "etl"}},
		{cli.ExitDenied, "you may not have the role admin", []string{"--resource", "warehouse", "--role", "admin", "--token-url", "http://127.0.0.1/t"}},
		{cli.ExitError, "there is no resource other", []string{"--resource", "other", "--role", "etl", "--token-url", "http://127.0.0.1/t"}},
	} {
		code, _, errs := run(t, env, append([]string{"login"}, tt.args...)...)
		if code != tt.code || !strings.Contains(errs, tt.says) {
			t.Errorf("%v: exit code %d: %s", tt.args, code, errs)
		}
	}
	if _, err := os.Stat(filepath.Join(env["DIR"], "google")); err == nil {
		t.Error("a file was written")
	}
}
