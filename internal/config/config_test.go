// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// minimal is the shortest valid file.
const minimal = `version: 1
origin: sallyport.example/gw1
listen:
  api: {tls: {cert: api.crt, key: api.key}}
  postgres: {tls: {cert: pg.crt, key: pg.key}}
auditors: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]
identity:
  issuers:
    - name: ci
      url: https://ci.example
      audiences: [sallyport]
      algorithms: [RS256]
      map: [{principal: "ci:{sub}", kind: ci-job}]
policy: {files: ["policies/*.cedar"]}
resources:
  - name: clinic
    type: postgres
    address: db.example:5432
    database: clinic
    credential: {username: gateway, password: "vault:clinic"}
vault: {key: "file:vault.key"}
`

func mustParse(t testing.TB, name string, data []byte) *config.Config {
	t.Helper()
	c, err := config.Parse(name, data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParseReadsEveryKey(t *testing.T) {
	t.Parallel()
	skew := 10 * time.Second
	want := &config.Config{
		Version: 1, Data: "/etc/gw/data", Origin: "sallyport.example/gw1",
		Listen: config.Listen{
			API:      config.Listener{Address: "127.0.0.1:8443", TLS: config.KeyPair{Cert: "/etc/gw/api.crt", Key: "/etc/gw/api.key"}},
			Postgres: config.Listener{Address: "127.0.0.1:6432", TLS: config.KeyPair{Cert: "/etc/gw/pg.crt", Key: "/etc/sallyport/pg.key"}},
			HTTP:     config.Listener{Address: "127.0.0.1:8480"},
			SSH:      config.PlainListener{Address: "127.0.0.1:8422"},
		},
		Auditors: []string{"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"},
		Identity: identity.Config{
			Issuers: []identity.Issuer{{
				Name: "ci", URL: "https://ci.example", Audiences: []string{"sallyport"}, Algorithms: []string{"RS256"},
				Skew: &skew, CAFile: "/etc/gw/ci-ca.pem", Keys: identity.Keys{Refresh: 5 * time.Minute, Stale: 6 * time.Hour},
				Map: []identity.Rule{{
					When:      map[string]identity.Values{"repository": {"acme/claims", "acme/billing"}, "ref": {"refs/heads/main"}},
					Principal: "ci:{repository}", Kind: sallyport.CIJob, Groups: []string{"ci"}, Attributes: []string{"repository", "run_id"},
				}},
			}},
			Tokens: identity.TokenConfig{Lifetime: 10 * time.Minute},
		},
		Policy: config.Policy{Files: []config.Path{"/etc/gw/policies/*.cedar"}, Reload: 5 * time.Second},
		API:    config.API{Auditors: []string{"group:auditors"}, Administrators: []string{"principal:oncall@example"}},
		Roles:  []config.Role{{Name: "claims-etl", Resources: []sallyport.ResourceID{"clinic"}, Members: []string{"group:ci"}}},
		Requests: config.Requests{
			Wait: 20 * time.Second, Expires: time.Hour, Window: 30 * time.Minute, HoldWait: time.Minute, HoldWaitInTransaction: 0,
		},
		Resources: []config.Resource{
			{
				Name: "clinic", Type: config.Postgres, Address: "db.example:5432", Database: "clinic",
				TLS:        config.UpstreamTLS{Mode: config.VerifyFull, CA: "/etc/gw/ca.pem", ServerName: "db.internal.example"},
				Credential: config.Credential{Username: "gateway", Password: "vault:clinic"},
				Analyser:   &config.Credential{Username: "gateway_analyser", Password: "file:/etc/gw/analyser.password"},
				Lineage:    config.LineageInBand, Intent: config.BeforeRelease, Labels: "/etc/gw/clinic.labels.yaml",
				Limits:    config.Limits{Sessions: 50, Idle: 0, MaxSession: 2 * time.Hour, MaxMessage: 16 << 20},
				Retention: "research",
			},
			{
				Name: "second", Type: config.Postgres, Address: "127.0.0.1:5433", Database: "second",
				TLS:        config.UpstreamTLS{Mode: config.InsecurePlaintext},
				Credential: config.Credential{Username: "gateway", Password: "env:SECOND_PASSWORD"},
				Lineage:    config.LineageAuto, Intent: config.BeforeForward,
				Limits: config.Limits{Sessions: 200, Idle: 30 * time.Minute, MaxSession: 12 * time.Hour, MaxMessage: 64 << 20},
			},
		},
		Recording: config.Recording{MaxResponse: 2 << 20},
		Retention: config.Retention{Sweep: 12 * time.Hour, Classes: []config.RetentionClass{
			{Name: "research", Period: sallyport.Period{Years: 10}},
			{Name: "short", Period: sallyport.Period{Months: 1, Days: 15}},
		}},
		Shipping: []config.Destination{
			{
				Name: "archive", Type: config.ShipFile, From: "beginning", BehindAfter: 5 * time.Minute, Batch: 500,
				File: &config.FileSink{Dir: "/etc/gw/shipped", MaxSize: 16 << 20},
			},
			{
				Name: "siem", Type: config.ShipSyslog, From: "now", BehindAfter: 10 * time.Minute, Batch: 100,
				Syslog: &config.SyslogSink{Address: "siem.example:6514", MaxMessage: 32 << 10, Resend: 500, TLS: config.SinkTLS{
					CA: "/etc/gw/siem-ca.pem", ServerName: "siem.internal.example", Cert: "/etc/gw/gw.crt", Key: "/etc/gw/gw.key",
				}},
			},
			{
				Name: "collector", Type: config.ShipOTLP, From: "beginning", BehindAfter: 5 * time.Minute, Batch: 500,
				OTLP: &config.OTLPSink{URL: "https://collector.example:4318/v1/logs", Headers: []config.SinkHeader{{Name: "Authorization", Value: "vault:collector"}}},
			},
			{
				Name: "hook", Type: config.ShipWebhook, From: "beginning", BehindAfter: 5 * time.Minute, Batch: 500,
				Webhook: &config.WebhookSink{
					URL: "https://hook.example/events", Format: "json-array", Ed25519: "env:HOOK_KEY",
					Secrets: []config.SecretRef{"file:/etc/gw/hook.new", "file:/etc/gw/hook.old"},
				},
			},
		},
		Vault: config.Vault{Key: "file:/etc/gw/vault.key"},
		Witness: config.Witness{
			Policy: "/etc/gw/witnesses.policy", Lease: 30 * time.Second, Interval: 5 * time.Second, Timeout: 2 * time.Second, CA: "/etc/ca.pem",
		},
		Log: config.Log{Level: "debug", Format: "json"},
	}
	got := mustParse(t, "/etc/gw/sallyport.yaml", read(t, "full.yaml"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := mustParse(t, "gw.yaml", []byte(minimal))
	if c.Listen.API.Address != "127.0.0.1:8443" || c.Listen.HTTP.Address != "127.0.0.1:8480" || c.Listen.Postgres.Address != "127.0.0.1:6432" {
		t.Errorf("listening on %q and %q, want loopback", c.Listen.API.Address, c.Listen.Postgres.Address)
	}
	r := c.Resources[0]
	if r.TLS.Mode != config.VerifyFull || r.Intent != config.BeforeForward || r.Lineage != config.LineageAuto {
		t.Errorf("resource defaults: %+v", r)
	}
	if c.Data != "data" || c.Vault.Key != "file:vault.key" {
		t.Errorf("paths beside the file: data %q, key %q", c.Data, c.Vault.Key)
	}
}

func problems(t testing.TB, data []byte) config.Problems {
	t.Helper()
	_, err := config.Parse("gw.yaml", data)
	var ps config.Problems
	if !errors.As(err, &ps) {
		t.Fatalf("got error %v, want problems", err)
	}
	if kind := sallyport.KindOf(err); kind != sallyport.Invalid {
		t.Errorf("kind %v, want invalid", kind)
	}
	return ps
}

// Every mistake of a bad file is reported at once, with its own line.
func TestEveryProblemHasItsLine(t *testing.T) {
	t.Parallel()
	got := problems(t, read(t, "ten.yaml"))
	var lines []string
	for _, p := range got {
		lines = append(lines, fmt.Sprintf("%d %s", p.Line, p.Key))
	}
	want := []string{
		"1 version",
		"2 origin",
		"3 ", // the unknown key
		"5 listen.api.address",
		"6 listen.postgres.tls",
		"8 auditors[0]",
		"12 identity.issuers[0].url",
		"16 identity.issuers[0].map[0].kind",
		"19 policy.reload",
		"21 roles[0].name",
		"21 roles[0].resources[0]",
		"21 roles[0].members[0]",
		"24 resources[0].type",
		"27 resources[0].tls.mode",
		"30 resources[0].credential.password",
		"31 resources[0].limits.sessions",
		"31 resources[0].limits.max_message",
		"32 resources[0].labels",
		"33 resources[0].name",
		"35 vault.key",
		"36 log.level",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got)\n%s\n%v", diff, got)
	}
	if s := got.Error(); strings.Contains(s, "hunter2") || strings.Contains(s, "AGE-SECRET-KEY-1QQQQ") {
		t.Errorf("a secret stands in the problems:\n%s", s)
	}
	if !strings.Contains(got.Error(), `gw.yaml:3: unknown key "listenn"; known here: api, auditors, data,`) {
		t.Errorf("the unknown key's problem reads otherwise:\n%s", got)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	with := func(old, replacement string) string {
		s := strings.Replace(minimal, old, replacement, 1)
		if s == minimal {
			t.Fatalf("%q is not in the minimal file", old)
		}
		return s
	}
	for _, tt := range []struct {
		name, file, want string
	}{
		{"empty", "", "gw.yaml:1: the file is not valid YAML: no documents in stream"},
		{"a list", "- 1\n", "gw.yaml:1: the file holds no keys and values"},
		{"two documents", minimal + "---\nversion: 1\n", "gw.yaml:1: the file is not valid YAML: expected single document, found multiple"},
		{"syntax", minimal + "log: [\n", "gw.yaml:23: the file is not valid YAML: did not find expected node content while parsing a flow node that begins on line 23"},
		{"unknown alias", "vault: {key: *hunter2}\n", "gw.yaml:1: the file is not valid YAML; anchors and aliases are not supported"},
		{"anchor", with("origin: s", "origin: &o s"), "gw.yaml:2: origin: anchors and aliases are not supported; write the value out"},
		{"tag", with("origin: s", "origin: !env s"), `gw.yaml:2: origin: tags such as "!env" are not supported`},
		{"merge key", minimal + "<<: {log: {level: debug}}\n", `gw.yaml:22: unknown key "<<"; known here: `},
		{"mapping for a scalar", with("origin: sallyport.example/gw1", "origin: {a: b}"), "gw.yaml:2: origin: want a single value, found keys and values"},
		{"scalar for a mapping", with(`vault: {key: "file:vault.key"}`, "vault: file"), "gw.yaml:21: vault: want keys and values, found a single value"},
		{"empty list element", with("auditors: [", "auditors: [~, "), "gw.yaml:6: auditors[0]: is empty"},
		{"missing section", with(`vault: {key: "file:vault.key"}`+"\n", ""), `gw.yaml:1: vault.key: is missing; name a master key, such as "file:vault.key"`},
		{"missing value", with("    database: clinic\n", ""), "gw.yaml:16: resources[0].database: is missing"},
		{"reference to nothing", with("vault:clinic", "vault:"), `gw.yaml:20: resources[0].credential.password: the reference names nothing after "vault:"`},
		{"plaintext beyond loopback", with("database: clinic", "database: clinic\n    tls: {mode: insecure-plaintext}"), `gw.yaml:20: resources[0].tls.mode: insecure-plaintext is for targets on a loopback address; "db.example" is none`},
		{"preflight without analyser", with("database: clinic", "database: clinic\n    lineage: preflight"), "gw.yaml:16: resources[0].analyser: is missing; preflight lineage needs it"},
		{"same address", with("api: {tls", "api: {address: \"127.0.0.1:6432\", tls"), "gw.yaml:5: listen.postgres.address: is the address of listen.api as well"},
		{"wait longer than the request", minimal + "requests: {expires: 5s}\n", "gw.yaml:22: requests.wait: is 20s, longer than the life of a request (requests.expires, 5s)"},
		{"stranger", minimal + "api: {administrators: [oncall]}\n", `gw.yaml:22: api.administrators[0]: "oncall" is neither "group:NAME" nor "principal:ID"`},
		{"privacy stranger", minimal + "api: {privacy: [oncall]}\n", `gw.yaml:22: api.privacy[0]: "oncall" is neither "group:NAME" nor "principal:ID"`},
		{"patients without a privacy key", with("database: clinic", "database: clinic\n    labels: l.yaml\n    patients: {label: phi.mrn}"), "gw.yaml:21: resources[0].patients: needs a privacy key in disclosures.keys"},
		{"patients without a label", with("database: clinic", "database: clinic\n    labels: l.yaml\n    patients: {namespace: x}") + privacy, "gw.yaml:21: resources[0].patients.label: is missing"},
		{"patients of a wrong label", with("database: clinic", "database: clinic\n    labels: l.yaml\n    patients: {label: A b}") + privacy, `gw.yaml:21: resources[0].patients.label: "A b" is not a label`},
		{"patients without labels", with("database: clinic", "database: clinic\n    patients: {label: phi.mrn}") + privacy, "gw.yaml:20: resources[0].patients.label: means nothing without a labels file"},
		{"patients of a wrong namespace", with("database: clinic", "database: clinic\n    labels: l.yaml\n    patients: {label: a, namespace: A}") + privacy, `gw.yaml:21: resources[0].patients.namespace: "A" is not a name`},
		{"privacy key without version", minimal + "disclosures: {keys: [{key: \"file:p\"}]}\n", "gw.yaml:22: disclosures.keys[0].version: is 0; number the versions from 1"},
		{"privacy key without secret", minimal + "disclosures: {keys: [{version: 1}]}\n", "gw.yaml:22: disclosures.keys[0].key: is missing"},
		{"privacy key twice", minimal + "disclosures: {keys: [{version: 1, key: \"file:p\"}, {version: 1, key: \"file:q\"}]}\n", "gw.yaml:22: disclosures.keys[1].version: 1 is there already"},
		{"privacy key of the vault", minimal + "disclosures: {keys: [{version: 1, key: \"file:vault.key\"}]}\n", "gw.yaml:22: disclosures.keys[0].key: is the vault's master key"},
		{"duplicate resource", with("vault: {key", "  - {name: clinic, type: postgres, address: \"h:1\", database: d, credential: {username: u, password: \"env:X\"}}\nvault: {key"), `gw.yaml:21: resources[1].name: "clinic" is there already`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ps := problems(t, []byte(tt.file))
			if len(ps) != 1 || !strings.HasPrefix(ps[0].Error(), tt.want) {
				t.Errorf("got\n%v\nwant\n%s", ps, tt.want)
			}
		})
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0": "0B", "1": "1B", "1024": "1KiB", "64 KiB": "64KiB", "1536": "1536B", "2048MiB": "2GiB",
		"1MB": "", "-1": "", "1.5MiB": "", "": "", "MiB": "", "9223372036854775807GiB": "",
	} {
		var b config.Bytes
		err := b.UnmarshalText([]byte(in))
		if (err == nil) != (want != "") || err == nil && b.String() != want {
			t.Errorf("%q: got %v, %v; want %q", in, b, err, want)
		}
	}
}

// What is printed is the same configuration, and a redacted print names no
// reference's target.
func TestPrintReadsBack(t *testing.T) {
	t.Parallel()
	for _, file := range []string{string(read(t, "full.yaml")), minimal} {
		c := mustParse(t, "/etc/gw/sallyport.yaml", []byte(file))
		var out, redacted bytes.Buffer
		if err := c.Print(&out, false); err != nil {
			t.Fatal(err)
		}
		if err := c.Print(&redacted, true); err != nil {
			t.Fatal(err)
		}
		again := mustParse(t, "/elsewhere/sallyport.yaml", out.Bytes())
		if diff := cmp.Diff(c, again); diff != "" {
			t.Errorf("(-first +printed)\n%s", diff)
		}
		if s := redacted.String(); strings.Contains(s, "vault:clinic") || !strings.Contains(s, "vault:***") {
			t.Errorf("redacted:\n%s", s)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "gw.yaml")
	if _, err := config.Load(path); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("absent file: %v", err)
	}
	if err := os.WriteFile(path, []byte(minimal), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := config.Path(filepath.Join(dir, "data")); c.Data != want {
		t.Errorf("data %q, want %q", c.Data, want)
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("#"), 1<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(path); err == nil || !strings.Contains(err.Error(), "larger than 1MiB") {
		t.Errorf("large file: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add(read(f, "full.yaml"))
	f.Add(read(f, "ten.yaml"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("gw.yaml", data)
		if err != nil {
			var ps config.Problems
			if !errors.As(err, &ps) || len(ps) == 0 {
				t.Fatalf("an error without problems: %v", err)
			}
			return
		}
		var out bytes.Buffer
		if err := c.Print(&out, false); err != nil {
			t.Fatal(err)
		}
		again, err := config.Parse("/gw.yaml", out.Bytes())
		if err != nil {
			t.Fatalf("what was printed does not parse: %v\n%s", err, out.Bytes())
		}
		if len(again.Resources) != len(c.Resources) || again.Origin != c.Origin {
			t.Fatalf("what was printed is something else:\n%s", out.Bytes())
		}
	})
}

// privacy is a privacy key to go with a resource.
const privacy = "disclosures: {keys: [{version: 1, key: \"file:p\"}]}\n"
