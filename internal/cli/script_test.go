// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/internal/demo/clinic"
	"github.com/sallyport-dev/sallyport/internal/demo/pgcluster"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// TestMain makes the test binary be the command when a script runs it.
func TestMain(m *testing.M) {
	testscript.Main(tidy{m}, map[string]func(){"sallyport": program})
}

// tidy runs tests and finds goroutines that they left.
type tidy struct{ m *testing.M }

// Run implements testscript.TestingM.
func (t tidy) Run() int {
	code := t.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func program() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now, Rand: rand.Reader, Version: "v0.0.0-test",
	}, os.Args[1:])
	stop()
	os.Exit(code)
}

// TestOffline runs the commands that need no gateway.
func TestOffline(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script/offline", UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "", RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			return offline(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"capture": capture, "exits": exits, "healthy": healthy, "witnessing": witnessing},
	})
}

// TestGateway runs the commands that speak to a gateway, each script against a
// gateway of its own with a real PostgreSQL behind it.
func TestGateway(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script/gateway", UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "", RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error { return gateway(t, env) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"capture": capture, "exits": exits, "query": query, "start": start, "finish": finish, "held": held, "live": live, "closed": closed, "await": await,
		},
	})
}

// offline leaves policies, labels and a configuration that serves.
func offline(env *testscript.Env) error {
	certs, err := pgcluster.NewCertificates(rand.Reader, time.Now())
	if err != nil {
		return err
	}
	auditor, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	var ports [3]string
	for i := range ports {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		ports[i] = ln.Addr().String()
		if err := ln.Close(); err != nil {
			return err
		}
	}
	env.Setenv("API", ports[0])
	env.Setenv("WITNESS", ports[2])
	env.Setenv("SALLYPORT_CA", filepath.Join(env.WorkDir, "ca.pem"))
	for name, text := range map[string]string{
		"policy.cedar": clinic.Policy(), "labels.yaml": clinic.Labels(), "sallyport.yaml": fmt.Sprintf(served, ports[0], ports[1], auditor.Recipient()),
		"ca.pem": string(certs.CA), "gw.crt": string(certs.Cert), "gw.key": string(certs.Key), "keys.json": `{"keys":[]}`,
		"witness.yaml": fmt.Sprintf("version: 1\nname: witness.test/w1\nlisten: {address: \"%s\"}\nlogs: [%s]\n", ports[2],
			"sallyport.example/gw1+bef92270+AUQpkwZQBKoeTEj03QFYGUwCNJvMZkzZbkAOommRio1R"),
	} {
		if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// served is a configuration whose issuer and target nobody asks anything.
const served = `version: 1
data: data
origin: sallyport.test/gw
listen:
  api: {address: "%s", tls: {cert: gw.crt, key: gw.key}}
  postgres: {address: "%s", tls: {cert: gw.crt, key: gw.key}}
auditors: [%s]
identity:
  issuers:
    - name: test
      url: https://issuer.example
      audiences: [sallyport]
      algorithms: [ES256]
      keys: {file: keys.json}
      map:
        - when: {kind: ci}
          principal: "ci:{repository}"
          kind: ci-job
policy: {files: ["policy.cedar"]}
roles:
  - {name: claims-etl, resources: [clinic], members: ["group:ci"]}
resources:
  - name: clinic
    type: postgres
    address: 127.0.0.1:1
    database: clinic
    tls: {mode: insecure-plaintext}
    credential: {username: gateway, password: "vault:clinic"}
    labels: labels.yaml
vault: {key: "file:vault.key"}
`

// healthy waits until the gateway of the script answers.
func healthy(ts *testscript.TestScript, _ bool, _ []string) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(ts.ReadFile("ca.pem"))) {
		ts.Fatalf("no certificate in ca.pem")
	}
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	eventually(ts, func() bool {
		res, err := c.Get("https://" + ts.Getenv("API") + "/healthz")
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
}

// witnessing waits until the witness of the script answers.
func witnessing(ts *testscript.TestScript, _ bool, _ []string) {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	eventually(ts, func() bool {
		res, err := c.Post("http://"+ts.Getenv("WITNESS")+"/add-checkpoint", "text/plain", strings.NewReader("old 0\n"))
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusBadRequest
	})
}

// eventually waits until something holds.
func eventually(ts *testscript.TestScript, holds func() bool) {
	for range 300 {
		if holds() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("it did not happen in time")
}

// await waits until a file holds a text: await FILE TEXT.
func await(ts *testscript.TestScript, _ bool, args []string) {
	eventually(ts, func() bool {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && strings.Contains(string(b), args[1])
	})
}

// gateway starts a gateway for a script and leaves everybody's tokens.
func gateway(t *testing.T, env *testscript.Env) error {
	sub, ok := env.T().(testing.TB)
	if !ok {
		sub = t
	}
	g := gatewaytest.Start(sub, gatewaytest.Patients("phi.mrn", 1), gatewaytest.Schema("CREATE TABLE public.leftover (id int); ALTER TABLE public.leftover OWNER TO gateway;"),
		gatewaytest.Resource("prod", "ops", "  - {name: prod, type: kubernetes, credential: {password: \"file:target.pw\"}, kubernetes: {url: \"http://127.0.0.1:1\"}}\n"),
		gatewaytest.Shipping("  - {name: archive, type: file, file: {dir: shipped}}\n"))
	dir := env.WorkDir
	for name, token := range map[string]string{
		"ci.token":       g.CIToken(sub),
		"officer.token":  g.HumanToken(sub, "alice", "privacy-officers"),
		"auditor.token":  g.HumanToken(sub, "otto", "auditors"),
		"privacy.token":  g.HumanToken(sub, "petra", "privacy-office"),
		"admin.token":    g.HumanToken(sub, "sam", "security"),
		"stranger.token": g.HumanToken(sub, "eve", "staff"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(token+"\n"), 0o600); err != nil {
			return err
		}
	}
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	for name, id := range map[string]*age.X25519Identity{"auditor.key": g.Auditor, "stranger.key": stranger} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("# an auditor's identity\n"+id.String()+"\n"), 0o600); err != nil {
			return err
		}
	}
	env.Values[runningKey{}] = &background{}
	env.Setenv("SALLYPORT_SERVER", "https://"+g.APIAddress())
	env.Setenv("SALLYPORT_CA", g.CA)
	env.Setenv("CONFIG", g.Config)
	env.Setenv("SHIPPED", filepath.Join(g.Dir, "shipped"))
	env.Setenv("PRIVACYKEY", filepath.Join(g.Dir, "privacy-1.key"))
	env.Setenv("VKEY", g.VerifierKeys()[0])
	env.Setenv("DSN", g.DSN("TOKEN"))
	env.Setenv("HOME", dir)
	return nil
}

// capture sets a variable to the first group of a regular expression in what
// the last command printed: capture VAR stdout|stderr REGEXP.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: capture VAR FILE REGEXP")
	}
	m := regexp.MustCompile("(?m)" + args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if len(m) != 2 {
		ts.Fatalf("no match for %s in %s:\n%s", args[2], args[1], ts.ReadFile(args[1]))
	}
	ts.Setenv(args[0], m[1])
}

// exits runs a command that must end with an exit code: exits CODE ARGS...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	err := ts.Exec("sh", append([]string{"-c", `"$@"; code=$?; echo "exit code $code" >&2; test $code = ` + args[0], "sh"}, args[1:]...)...)
	if err != nil {
		ts.Fatalf("want exit code %s: %v", args[0], err)
	}
}

// query runs statements through the gateway in one session, with the token in a
// file; those that fail are part of what is tested. query TOKENFILE SQL...
func query(ts *testscript.TestScript, neg bool, args []string) {
	settle(ts, neg, statements(session(ts, args[0]), args[1:]))
}

// session reads the connection string with the token of a file.
func session(ts *testscript.TestScript, tokenFile string) string {
	return strings.Replace(ts.Getenv("DSN"), "password=TOKEN", "password="+strings.TrimSpace(ts.ReadFile(tokenFile)), 1)
}

func settle(ts *testscript.TestScript, neg bool, err error) {
	ts.Logf("%v", err)
	if (err != nil) != neg {
		ts.Fatalf("the statements ended with: %v", err)
	}
}

// statements runs statements in one session and returns what failed.
func statements(dsn string, sql []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return err
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range sql {
		_, err := conn.Exec(ctx, s)
		errs = append(errs, err)
	}
	return errors.Join(append(errs, conn.Close(ctx))...)
}

type runningKey struct{}

// start runs statements in the background: start TOKENFILE SQL...
func start(ts *testscript.TestScript, _ bool, args []string) {
	done := make(chan error, 1)
	dsn := session(ts, args[0])
	go func() { done <- statements(dsn, args[1:]) }()
	running(ts).done = done
	ts.Defer(func() { finished(ts) })
}

// background is what runs beside a script.
type background struct{ done chan error }

func running(ts *testscript.TestScript) *background { return ts.Value(runningKey{}).(*background) }

func finished(ts *testscript.TestScript) error {
	b := running(ts)
	if b.done == nil {
		return nil
	}
	err := <-b.done
	b.done = nil
	return err
}

// finish waits for what was started.
func finish(ts *testscript.TestScript, neg bool, _ []string) { settle(ts, neg, finished(ts)) }

// held waits until a statement is held.
func held(ts *testscript.TestScript, _ bool, _ []string) {
	eventually(ts, func() bool {
		return ts.Exec("sallyport", "request", "list", "--token", "@officer.token") == nil && strings.Contains(ts.ReadFile("stdout"), " hold ")
	})
}

// live waits until a session is open, closed until none is: a client does not
// wait for the end of its session to be on record.
func live(ts *testscript.TestScript, _ bool, _ []string)   { untilOpen(ts, true) }
func closed(ts *testscript.TestScript, _ bool, _ []string) { untilOpen(ts, false) }

func untilOpen(ts *testscript.TestScript, want bool) {
	eventually(ts, func() bool {
		ts.Check(ts.Exec("sallyport", "session", "list", "--open", "--token", "@admin.token"))
		return strings.Contains(ts.ReadFile("stdout"), " open ") == want
	})
}
