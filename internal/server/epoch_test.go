// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/server"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// childEnv names the configuration that the test binary is to serve instead of
// running tests.
const childEnv = "SALLYPORT_TEST_SERVE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		if err := serve(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func deps() server.Deps {
	return server.Deps{Now: time.Now, Rand: rand.Reader, Getenv: os.Getenv, Log: slog.New(slog.DiscardHandler), Version: "test"}
}

// serve runs a gateway until it is killed and prints where PostgreSQL clients
// connect.
func serve(path string) error {
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	g, err := server.Open(context.Background(), cfg, deps())
	if err != nil {
		return err
	}
	fmt.Println(g.PostgresAddress())
	return g.Run(context.Background())
}

// TestUncleanStop kills a gateway while a statement runs on the target, and
// wants the next start to say so.
func TestUncleanStop(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	g.Stop(t)

	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+g.Config)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill := func() {
		if !killed {
			killed = true
			_ = child.Process.Kill()
			_ = child.Wait() // it says that it was killed
		}
	}
	defer kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}

	// A row that somebody else has locked keeps the statement running.
	other := g.Server.Connect(t, "clinic")
	if _, err := other.Exec(t.Context(), "BEGIN; SELECT * FROM wards WHERE id = 1 FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	cfg, err := pgx.ParseConfig(g.DSN(g.CIToken(t)))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Port = uint16(n)
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { _, err := conn.Exec(t.Context(), "update wards set beds = 13 where id = 1"); ran <- err }()
	watch := g.Server.Connect(t, "clinic")
	eventually(t, "the statement to wait for the lock", func() bool {
		var waiting int
		err := watch.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").Scan(&waiting)
		return err == nil && waiting == 1
	})
	kill()
	if err := <-ran; err == nil {
		t.Fatal("the statement came to an end")
	}
	_ = conn.Close(context.Background()) // it is cut already

	g.Run(t)
	c := newClient(t, g)
	eve := g.HumanToken(t, "eve", "auditors")
	list := call[sessions](c, eve, "GET", "/v1/sessions", nil).Sessions
	if len(list) != 1 || list[0].State != "cut" {
		t.Fatalf("the session that died with the gateway: %+v", list)
	}
	if open := call[sessions](c, eve, "GET", "/v1/sessions?open=true", nil).Sessions; len(open) != 0 {
		t.Errorf("said to be open: %+v", open)
	}
	b, r := bundle(t, c, g, object{})
	if len(r.MayHaveExecuted) != 1 || string(r.MayHaveExecuted[0].Session) != list[0].ID {
		t.Errorf("the bundle says that there may have executed: %+v", r.MayHaveExecuted)
	}
	notWhole(t, c, eve, list[0].ID)
	starts, gaps := bodies[evidence.Start](t, b, evidence.TypeStart), bodies[evidence.Gap](t, b, evidence.TypeGap)
	if len(starts) != 3 || !starts[0].Clean || !starts[1].Clean || starts[2].Clean || starts[2].Epoch != 3 {
		t.Errorf("the starts: %+v", starts)
	}
	want := fmt.Sprintf("%s/%d", list[0].ID, r.MayHaveExecuted[0].Stmt)
	if len(gaps) != 1 || len(gaps[0].MayHaveExecuted) != 1 || gaps[0].MayHaveExecuted[0] != want || gaps[0].Since.IsZero() {
		t.Errorf("the gaps: %+v, want %s", gaps, want)
	}
	whole := call[session](c, eve, "GET", "/v1/sessions/"+list[0].ID, nil)
	if last := whole.Statements[len(whole.Statements)-1]; whole.Close != nil || last.Outcome != nil || last.Phase != "execute" {
		t.Errorf("the session as it stands: %+v", whole)
	}
}

// TestCleanStop wants no gap after an end in order, and the sessions, grants and
// requests still there.
func TestCleanStop(t *testing.T) {
	g := gatewaytest.Start(t)
	c := newClient(t, g)
	grantTo(c, g.CIToken(t), g.HumanToken(t, "ann", "privacy-officers"))
	conn := g.Connect(t)
	g.Stop(t)
	if _, err := conn.Exec(context.Background(), "select 1"); err == nil {
		t.Error("a session outlived its gateway")
	}
	g.Run(t)
	c = newClient(t, g)
	b, r := bundle(t, c, g, object{})
	if len(r.Epochs) != 2 || !r.Epochs[0].Stopped || !r.Epochs[1].Clean || len(bodies[evidence.Gap](t, b, evidence.TypeGap)) != 0 {
		t.Errorf("the epochs: %+v", r.Epochs)
	}
	list := call[sessions](c, g.HumanToken(t, "eve", "auditors"), "GET", "/v1/sessions", nil).Sessions
	if len(list) != 1 || list[0].State != "closed" || !strings.Contains(list[0].Reason, "shutting down") {
		t.Errorf("the session: %+v", list)
	}
	if _, err := g.Connect(t).Exec(t.Context(), "select 1"); err != nil {
		t.Errorf("the grant is gone: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	text, err := os.ReadFile(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	open := func(change ...string) error {
		t.Helper()
		path := filepath.Join(g.Dir, "other.yaml")
		if err := os.WriteFile(path, []byte(strings.NewReplacer(change...).Replace(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		gw, err := server.Open(t.Context(), cfg, deps())
		if err == nil {
			_ = gw // nothing closes a gateway but Run
			t.Fatal("it opened")
		}
		return err
	}
	if err := open(); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("a second gateway on the same data: %v", err)
	}
	g.Stop(t)
	if err := open("origin: sallyport.test/gw", "origin: sallyport.test/other"); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("another origin: %v", err)
	}
	bad := filepath.Join(g.Dir, "bad.cedar")
	if err := os.WriteFile(bad, []byte("permit(principal, action, resorce);"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open("policy.cedar", "bad.cedar"); sallyport.KindOf(err) != sallyport.Invalid || !strings.Contains(err.Error(), "bad.cedar:1") {
		t.Errorf("a set that does not compile: %v", err)
	}
	if err := open("policy.cedar", "none.cedar"); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("no policy file: %v", err)
	}
	file := filepath.Join(g.Dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open("data: data", "data: file"); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("a data directory that is none: %v", err)
	}
	if err := open("data: data", "data: /proc/none"); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("a data directory that cannot be made: %v", err)
	}
	if err := open("gw.key", "ca.pem"); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("a key that is none: %v", err)
	}
	key, away := filepath.Join(g.Dir, "data", "keys", "ledger.key"), filepath.Join(g.Dir, "away.key")
	if err := os.Rename(key, away); err != nil {
		t.Fatal(err)
	}
	if err := open(); sallyport.KindOf(err) != sallyport.Integrity || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a ledger without its key: %v", err)
	}
	if err := os.Rename(away, key); err != nil {
		t.Fatal(err)
	}
	g.Run(t) // and none of this did harm
	if _, err := g.Connect(t).Exec(t.Context(), "select 1"); err != nil {
		t.Error(err)
	}
}
