// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"crypto/rand"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/internal/demo/clinic"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// TestMain makes the test binary be the command when a script runs it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sallyport": sallyport})
}

func sallyport() {
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
			for name, text := range map[string]string{"policy.cedar": clinic.Policy(), "labels.yaml": clinic.Labels()} {
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(text), 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"capture": capture, "exits": exits},
	})
}

// TestGateway runs the commands that speak to a gateway, each script against a
// gateway of its own with a real PostgreSQL behind it.
func TestGateway(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script/gateway", UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "", RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error { return gateway(t, env) },
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"capture": capture, "exits": exits, "query": query},
	})
}

// gateway starts a gateway for a script and leaves everybody's tokens.
func gateway(t *testing.T, env *testscript.Env) error {
	sub, ok := env.T().(testing.TB)
	if !ok {
		sub = t
	}
	g := gatewaytest.Start(sub)
	dir := env.WorkDir
	for name, token := range map[string]string{
		"ci.token":       g.CIToken(sub),
		"officer.token":  g.HumanToken(sub, "alice", "privacy-officers"),
		"auditor.token":  g.HumanToken(sub, "otto", "auditors"),
		"admin.token":    g.HumanToken(sub, "sam", "security"),
		"stranger.token": g.HumanToken(sub, "eve", "staff"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(token+"\n"), 0o600); err != nil {
			return err
		}
	}
	env.Values[gatewayKey{}] = g
	env.Setenv("SALLYPORT_SERVER", "https://"+g.APIAddress())
	env.Setenv("SALLYPORT_CA", g.CA)
	env.Setenv("CONFIG", g.Config)
	env.Setenv("VKEY", g.VerifierKey())
	env.Setenv("DSN", g.DSN("TOKEN"))
	env.Setenv("HOME", dir)
	return nil
}

type gatewayKey struct{}

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
	ts.Logf("%s%s", ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	if err != nil {
		ts.Fatalf("want exit code %s: %v", args[0], err)
	}
}

// query runs statements through the gateway in one session, with the token in a
// file; those that fail are part of what is tested. query TOKENFILE SQL...
func query(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	token := strings.TrimSpace(ts.ReadFile(args[0]))
	cfg, err := pgx.ParseConfig(strings.Replace(ts.Getenv("DSN"), "password=TOKEN", "password="+token, 1))
	ts.Check(err)
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		if neg {
			ts.Logf("refused: %v", err)
			return
		}
		ts.Fatalf("connect: %v", err)
	}
	failed := false
	for _, sql := range args[1:] {
		rows, err := conn.Query(ctx, sql)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
		}
		if err != nil {
			failed = true
			ts.Logf("%s: %v", sql, err)
		}
	}
	ts.Check(conn.Close(ctx))
	if failed != neg {
		ts.Fatalf("a statement failed: %v, want %v", failed, neg)
	}
}
