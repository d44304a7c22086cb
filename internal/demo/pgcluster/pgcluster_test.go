// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgcluster_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/demo/pgcluster"
)

// childDir makes the test binary launch a cluster below that directory, print
// its address and wait to be killed.
const childDir = "PGCLUSTER_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		c, err := pgcluster.Launch(context.Background(), pgcluster.Options{Dir: dir})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(c.Addr)
		select {}
	}
	goleak.VerifyTestMain(m)
}

// parent is a directory that the server's account can pass, unlike t.TempDir's.
func parent(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgcluster-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func ping(t *testing.T, c *pgcluster.Cluster) error {
	t.Helper()
	conf, err := pgx.ParseConfig("sslmode=require")
	if err != nil {
		t.Fatal(err)
	}
	conf.Host, conf.Port, conf.User, conf.Password, conf.Database = pgcluster.Host, uint16(c.Port), c.Superuser, c.Password, "postgres"
	conn, err := pgx.ConnectConfig(t.Context(), conf)
	if err != nil {
		return err
	}
	return conn.Close(t.Context())
}

// The demo's way: the system's binaries, no template, everything by default.
func TestLaunchAndClose(t *testing.T) {
	t.Parallel()
	dir := parent(t)
	c, err := pgcluster.Launch(t.Context(), pgcluster.Options{Dir: dir, TLS: true, Superuser: "boss"})
	if err != nil {
		t.Fatal(err)
	}
	if err := ping(t, c); err != nil {
		t.Error(err)
	}
	if n, err := pgcluster.Sweep(dir); n != 0 || err != nil {
		t.Errorf("sweep took %d directories of a living owner, %v", n, err)
	}
	if c.PID() == 0 || len(c.Password) < 20 {
		t.Errorf("pid %d, password of %d characters", c.PID(), len(c.Password))
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := ping(t, c); err == nil {
		t.Error("a closed cluster accepts connections")
	}
	if err := c.Start(t.Context()); sallyport.KindOf(err) != sallyport.Conflict {
		t.Errorf("starting a closed cluster: %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestFailedLaunchLeavesNothing(t *testing.T) {
	t.Parallel()
	bin, err := pgcluster.Find(0)
	if err != nil {
		t.Fatal(err)
	}
	for name, opts := range map[string]pgcluster.Options{
		"no binaries":  {BinDir: "/nonexistent"},
		"no template":  {BinDir: bin, Template: "/nonexistent"},
		"bad settings": {BinDir: bin, Settings: map[string]string{"shared_buffers": "much"}},
		"bad rules":    {BinDir: bin, HBA: []string{"nonsense"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts.Dir = parent(t)
			c, err := pgcluster.Launch(t.Context(), opts)
			if err == nil {
				_ = c.Close()
				t.Fatal("launched")
			}
			if name == "bad settings" && !strings.Contains(err.Error(), "shared_buffers") {
				t.Errorf("the error does not show the server's reason: %v", err)
			}
			if left, err := os.ReadDir(opts.Dir); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestLaunchHeedsItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c, err := pgcluster.Launch(ctx, pgcluster.Options{Dir: parent(t)}); err == nil {
		_ = c.Close()
		t.Fatal("launched")
	}
}

func TestSweepTakesWhatDeadOwnersLeft(t *testing.T) {
	t.Parallel()
	dir := parent(t)
	for _, name := range []string{"sallyport-pg-dead", "sallyport-pg-unlocked", "other"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "sallyport-pg-dead", "owner.lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := pgcluster.Sweep(dir)
	if n != 1 || err != nil {
		t.Errorf("swept %d, %v; want the one with a free lock", n, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "sallyport-pg-dead")); !os.IsNotExist(err) {
		t.Error("the dead owner's directory is still there")
	}
}

func TestServerDiesWithItsOwner(t *testing.T) {
	t.Parallel()
	dir := parent(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	if err != nil {
		t.Fatal(err)
	}
	// Its port, not its process: an orphan may stay a zombie where nobody reaps.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", strings.TrimSpace(line))
		if ctx.Err() != nil {
			t.Fatal("the server outlived its owner")
		}
		if err != nil {
			break
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := pgcluster.Sweep(dir); n != 1 || err != nil {
		t.Errorf("swept %d, %v; want the dead owner's directory", n, err)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	if _, err := pgcluster.Find(9); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("a release that cannot be installed: %v", err)
	}
}
