// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package gatewaytest runs a whole gateway in a test: a real PostgreSQL with the
// synthetic clinic, an issuer, a data directory, the API and the PostgreSQL
// listener on free loopback ports.
package gatewaytest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/demo/clinic"
	"github.com/sallyport-dev/sallyport/internal/demo/issuer"
	"github.com/sallyport-dev/sallyport/internal/demo/pgcluster"
	"github.com/sallyport-dev/sallyport/internal/server"
	"github.com/sallyport-dev/sallyport/internal/vault"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// Gateway is a running gateway and what belongs to it.
type Gateway struct {
	Server  *pgtest.Server // the target
	Issuer  *issuer.Issuer
	Dir     string // of configuration and data
	Config  string // the configuration file
	CA      string // the file with the authority of the gateway's own certificates
	Auditor *age.X25519Identity
	Log     *Log
	Disk    *Disk // below the ledger
	*server.Gateway

	opts   options
	cancel context.CancelFunc
	ran    chan error
}

// Log keeps what a gateway logs.
type Log struct {
	mu sync.Mutex
	b  strings.Builder
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns everything that was logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type options struct {
	major          int
	policy, labels string
	lineage        string
	schema         string
	wait, hold     time.Duration
	level          slog.Level
	roles          []string
	resources      string
	via            func(string) string
	before         func(dir string) string
	extra          string // lines at the end of the configuration
	masking        string
	shipping       string
	files          map[string]string
	patients       string
	now            func() time.Time
	segment        int64
	listen         string // lines of the section of that name
}

// Option changes how a gateway is set up.
type Option func(*options)

// Major runs the target under another release of PostgreSQL than 15.
func Major(n int) Option { return func(o *options) { o.major = n } }

// Policy replaces the clinic's policies.
func Policy(text string) Option { return func(o *options) { o.policy = text } }

// Labels replaces the clinic's labels.
func Labels(text string) Option { return func(o *options) { o.labels = text } }

// MoreLabels adds lines to the labels of columns.
func MoreLabels(lines string) Option { return func(o *options) { o.labels += lines } }

// Masking gives the resource masking rules.
func Masking(text string) Option { return func(o *options) { o.masking = text } }

// Patients has the resource name the label of patients' keys; the privacy keys of
// the versions are made of their numbers, see [PrivacyKey].
func Patients(label string, versions ...int) Option {
	return func(o *options) {
		o.patients = "    patients: {label: " + label + ", namespace: hospital}\n"
		keys := ""
		for _, v := range versions {
			keys += fmt.Sprintf("    - {version: %d, key: \"file:privacy-%d.key\"}\n", v, v)
		}
		o.extra += "disclosures:\n  keys:\n" + keys
	}
}

// PrivacyKey is the secret of a version of a test gateway's privacy key.
func PrivacyKey(version int) string {
	return fmt.Sprintf("the privacy key number %d of a test gateway, long enough", version)
}

// Rewrite changes the configuration file of a stopped gateway.
func (g *Gateway) Rewrite(t testing.TB, old, new string) {
	t.Helper()
	b, err := os.ReadFile(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), old, new, 1)
	if text == string(b) {
		t.Fatalf("the configuration does not hold %q", old)
	}
	if err := os.WriteFile(g.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Lineage sets the resource's lineage mode.
func Lineage(mode string) Option { return func(o *options) { o.lineage = mode } }

// Schema adds statements to the target's database.
func Schema(sql string) Option { return func(o *options) { o.schema += sql } }

// Waits sets how long connections wait for grants and statements for approvals.
func Waits(grant, hold time.Duration) Option {
	return func(o *options) { o.wait, o.hold = grant, hold }
}

// Via has the gateway dial the target at what f makes of its address.
func Via(f func(target string) string) Option { return func(o *options) { o.via = f } }

// Before calls f with the gateway's directory before the gateway first starts,
// and adds the lines that it returns to the configuration.
func Before(f func(dir string) string) Option { return func(o *options) { o.before = f } }

// Shipping adds a destination, as a list entry of the configuration's section.
func Shipping(entry string) Option {
	return func(o *options) {
		if o.shipping == "" {
			o.shipping = "shipping:\n"
		}
		o.shipping += entry
	}
}

// File puts a file into the gateway's directory, for its owner alone.
func File(name, text string) Option {
	return func(o *options) {
		if o.files == nil {
			o.files = map[string]string{}
		}
		o.files[name] = text
	}
}

// Role adds a role that CI jobs may hold on the clinic.
func Role(name string) Option {
	return func(o *options) {
		o.roles = append(o.roles, fmt.Sprintf("  - {name: %s, resources: [clinic], members: [\"group:ci\"]}\n", name))
	}
}

// Resource adds a resource, as a list entry of the configuration's section, and a
// role of the name for CI jobs.
func Resource(name, role, entry string) Option {
	return func(o *options) {
		o.resources += entry
		o.roles = append(o.roles, fmt.Sprintf("  - {name: %s, resources: [%s], members: [\"group:ci\"]}\n", role, name))
	}
}

// Extra adds lines to the configuration.
func Extra(lines string) Option { return func(o *options) { o.extra += lines } }

// Clock has the gateway take the time from now, which may be changed between two
// runs.
func Clock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// Segment sets the size of the segments of the ledger's write-ahead log.
func Segment(size int64) Option { return func(o *options) { o.segment = size } }

// Connect opens the listener for CONNECT, which has TLS of its own or does without.
func Connect(withTLS bool) Option {
	return func(o *options) {
		o.listen = "  connect: {address: 127.0.0.1:0}\n"
		if withTLS {
			o.listen = "  connect: {address: 127.0.0.1:0, tls: {cert: gw.crt, key: gw.key}}\n"
		}
	}
}

// Open permits everything that a clinic's ETL role may do without a grant.
func Open() Option {
	return func(o *options) { o.policy = OpenPolicy() }
}

// OpenPolicy is the policy of [Open].
func OpenPolicy() string {
	return strings.Replace(clinic.Policy(), `@grant("group:privacy-officers")
@max("1h")
forbid(principal, action == Action::"connect", resource == Resource::"clinic") unless { context has grant };`,
		`permit(principal, action == Action::"connect", resource == Resource::"nowhere");`, 1)
}

// Start sets a gateway up and runs it until the test ends.
func Start(t testing.TB, opts ...Option) *Gateway {
	t.Helper()
	o := options{major: 15, policy: clinic.Policy(), labels: clinic.Labels(), lineage: "auto", wait: 0, hold: 10 * time.Second, level: slog.LevelDebug, now: time.Now}
	for _, f := range opts {
		f(&o)
	}
	g := &Gateway{Dir: t.TempDir(), Log: &Log{}, Disk: newDisk(), opts: o}
	g.Server = pgtest.Start(t, o.major, pgtest.WithTLS())
	g.Server.Exec(t, "postgres", "CREATE DATABASE clinic")
	g.Server.Exec(t, "clinic", clinic.Schema())
	g.Server.Exec(t, "clinic", clinic.Roles("gatewaypassword", "analyserpassword"))
	if o.schema != "" {
		g.Server.Exec(t, "clinic", o.schema)
	}
	var err error
	if g.Issuer, err = issuer.Start(context.Background(), rand.Reader, o.now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Issuer.Close() })
	g.write(t)
	g.Run(t)
	return g
}

// write makes the gateway's directory.
func (g *Gateway) write(t testing.TB) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(name, text string, mode os.FileMode) string {
		p := filepath.Join(g.Dir, name)
		must(os.WriteFile(p, []byte(text), mode))
		return p
	}
	target := g.Server.Addr
	if g.opts.via != nil {
		target = g.opts.via(target)
	}
	var err error
	g.Auditor, err = age.GenerateX25519Identity()
	must(err)
	certs, err := pgcluster.NewCertificates(rand.Reader, time.Now())
	must(err)
	g.CA = put("ca.pem", string(certs.CA), 0o644)
	put("gw.crt", string(certs.Cert), 0o644)
	put("gw.key", string(certs.Key), 0o600)
	put("policy.cedar", g.opts.policy, 0o644)
	put("labels.yaml", g.opts.labels, 0o644)
	masking := ""
	if g.opts.masking != "" {
		put("masking.yaml", g.opts.masking, 0o644)
		masking = "    masking: masking.yaml\n"
	}
	for v := 1; v <= 3; v++ {
		put(fmt.Sprintf("privacy-%d.key", v), PrivacyKey(v)+"\n", 0o600)
	}
	put("masking.key", "the masking secret of a test gateway, 32 bytes and more", 0o600)
	for name, text := range g.opts.files {
		put(name, text, 0o600)
	}
	put("target.pw", "gatewaypassword", 0o600)
	put("analyser.pw", "analyserpassword", 0o600)
	must(vault.CreateMaster(filepath.Join(g.Dir, "vault.key"), rand.Reader))
	extra := ""
	if g.opts.before != nil {
		extra = g.opts.before(g.Dir)
	}
	g.Config = put("sallyport.yaml", fmt.Sprintf(`version: 1
data: data
origin: sallyport.test/gw
listen:
  api: {address: 127.0.0.1:0, tls: {cert: gw.crt, key: gw.key}}
  postgres: {address: 127.0.0.1:0, tls: {cert: gw.crt, key: gw.key}}
  http: {address: 127.0.0.1:0}
  ssh: {address: 127.0.0.1:0}
%sauditors: [%s]
api: {auditors: ["group:auditors"], administrators: ["group:security"], privacy: ["group:privacy-office"]}
identity:
  issuers:
    - name: test
      url: %s
      audiences: [sallyport]
      algorithms: [ES256]
      allow_loopback_http: true
      map:
        - when: {kind: ci}
          principal: "ci:{repository}"
          kind: ci-job
          groups: [ci]
          attributes: [repository, workflow, run_id, actor, sha]
        - when: {kind: human}
          principal: "human:{sub}"
          kind: human
          groups_claim: groups
policy: {files: ["policy.cedar"], reload: 200ms}
roles:
  - {name: claims-etl, resources: [clinic], members: ["group:ci"]}
%srequests: {wait: %s, expires: 1h, window: 30m, hold_wait: %s, hold_wait_in_transaction: %s}
resources:
  - name: clinic
    type: postgres
    address: %s
    database: clinic
    tls: {mode: verify-full, ca: %s}
    credential: {username: gateway, password: "file:target.pw"}
    analyser: {username: gateway_analyser, password: "file:analyser.pw"}
    lineage: %s
    labels: labels.yaml
%svault: {key: "file:vault.key"}
log: {level: debug, format: text}
`, g.opts.listen, g.Auditor.Recipient(), g.Issuer.URL, strings.Join(g.opts.roles, ""), g.opts.wait, g.opts.hold, g.opts.hold/2, target, g.Server.CAFile, g.opts.lineage, masking+g.opts.patients+g.opts.resources)+extra+g.opts.extra+g.opts.shipping, 0o644)
}

// Run opens the gateway on its directory and serves until Stop or the test's
// end.
func (g *Gateway) Run(t testing.TB) {
	t.Helper()
	cfg, err := config.Load(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	gw, err := server.Open(ctx, cfg, server.Deps{
		Now: g.opts.now, Rand: rand.Reader, Getenv: os.Getenv, Version: "test", LedgerFS: g.Disk, LedgerSegment: g.opts.segment,
		Log: slog.New(slog.NewTextHandler(g.Log, &slog.HandlerOptions{Level: g.opts.level})),
	})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	g.Gateway, g.cancel, g.ran = gw, cancel, make(chan error, 1)
	go func() { g.ran <- gw.Run(ctx) }()
	t.Cleanup(func() { g.Stop(t) })
}

// Stop ends the gateway in order and waits for it.
func (g *Gateway) Stop(t testing.TB) {
	t.Helper()
	if g.cancel == nil {
		return
	}
	g.cancel()
	g.cancel = nil
	switch err := <-g.ran; {
	case g.Disk.isFull() && err == nil:
		t.Error("the gateway ended as if its disk were not full")
	case err != nil && !g.Disk.isFull():
		t.Errorf("the gateway ended with: %v", err)
	}
	if t.Failed() && testing.Verbose() {
		t.Logf("gateway log:\n%s", g.Log)
	}
}

// CIToken returns a workload token of a CI job.
func (g *Gateway) CIToken(t testing.TB) string {
	t.Helper()
	return g.token(t, "repo:acme/claims:ref:refs/heads/main", map[string]any{
		"kind": "ci", "repository": "acme/claims", "workflow": "nightly", "run_id": "4711", "actor": "dana", "sha": "0f1e2d",
	})
}

// HumanToken returns a login of a human in groups.
func (g *Gateway) HumanToken(t testing.TB, name string, groups ...string) string {
	t.Helper()
	return g.token(t, name, map[string]any{"kind": "human", "groups": groups})
}

func (g *Gateway) token(t testing.TB, sub string, claims map[string]any) string {
	t.Helper()
	tok, err := g.Issuer.Token(sub, 10*time.Minute, claims)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// DSN returns the connection string for psql and pgx with a token as password.
func (g *Gateway) DSN(token string) string { return g.DSNAs("claims-etl", token) }

// DSNAs is DSN for another role than claims-etl.
func (g *Gateway) DSNAs(role, token string) string {
	host, port, _ := net.SplitHostPort(g.PostgresAddress())
	return fmt.Sprintf("host=%s port=%s user=%s dbname=clinic sslmode=verify-full sslrootcert=%s password=%s", host, port, role, g.CA, token)
}

// Connect opens a pgx connection through the gateway.
func (g *Gateway) Connect(t testing.TB, configure ...func(*pgx.ConnConfig)) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(g.DSN(g.CIToken(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range configure {
		f(cfg)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		t.Fatalf("connect through the gateway: %v\n%s", err, g.Log)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
