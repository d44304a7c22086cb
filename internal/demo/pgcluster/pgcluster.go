// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package pgcluster launches throw-away PostgreSQL clusters from binaries that
// are already on the machine: for the product's demo, and under package pgtest
// for the tests.
//
// A cluster lives in one directory of its own, listens on 127.0.0.1 on a free
// port and on no Unix socket, demands SCRAM-SHA-256, and is gone after
// [Cluster.Close]. PostgreSQL refuses to run as root; a caller that is root has
// its clusters run as the account "postgres", or else "nobody".
package pgcluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

const (
	op = "postgres cluster"

	// Host is the address that every cluster listens on.
	Host = "127.0.0.1"

	startTimeout = 60 * time.Second
	stopTimeout  = 10 * time.Second
	portAttempts = 5
	retryAfter   = 50 * time.Millisecond
)

// Options says what cluster to launch. The zero value is a cluster of the
// newest installed release without TLS.
type Options struct {
	// BinDir is the directory of initdb and postgres; empty means the newest
	// that [Find] finds.
	BinDir string
	// Template is a data directory made by [InitDB] with the same binaries, to
	// copy instead of running initdb. Superuser and Password must be those that
	// it was made with.
	Template string
	// Dir is where the cluster's own directory is made; empty means the system's
	// directory for temporary files. The server's account must be able to reach
	// it.
	Dir string
	// Superuser is the bootstrap role; empty means "postgres".
	Superuser string
	// Password is the superuser's; empty means a random one.
	Password string
	// TLS makes a certificate authority and a server certificate for 127.0.0.1
	// and localhost, and turns TLS on.
	TLS bool
	// Durable keeps fsync on. Without it the cluster is faster and may be
	// corrupt after a crash of the machine (not of the server).
	Durable bool
	// Settings are further lines of postgresql.conf; a value is quoted as needed.
	Settings map[string]string
	// HBA are lines that go before the built-in ones of pg_hba.conf.
	HBA []string
	// Rand makes the password and the keys; nil means crypto/rand.
	Rand io.Reader
	// Now dates the certificates; nil means the system's clock.
	Now func() time.Time
}

// Cluster is a PostgreSQL server with a directory of its own. Its methods may
// be called from several goroutines; Start, Stop, Kill and Close exclude each
// other.
type Cluster struct {
	// Addr is the server's host:port and Port its port; both stay over a
	// restart.
	Addr string
	Port int
	// Superuser and Password are the bootstrap role's.
	Superuser, Password string
	// CAFile is the certificate of the authority that signed the server's, in
	// PEM, or empty without TLS.
	CAFile string
	// BinDir is the directory of the binaries that serve.
	BinDir string

	dir  string
	lock *os.File // flock held while the owner lives; see [Sweep]
	acct account

	mu   sync.Mutex // guards proc and done
	proc *process   // nil while stopped
	done bool       // Close was called
}

// Launch makes a cluster and returns when it accepts connections. The context
// bounds the launch only; the cluster lives until [Cluster.Close].
func Launch(ctx context.Context, opts Options) (*Cluster, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	acct, err := serverAccount()
	if err != nil {
		return nil, err
	}
	dir, lock, err := makeDir(opts.Dir, acct)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		Superuser: opts.Superuser, Password: opts.Password, BinDir: opts.BinDir,
		dir: dir, lock: lock, acct: acct,
	}
	if err := c.prepare(ctx, opts); err != nil {
		return nil, joinClose(err, c)
	}
	if err := c.startOnFreePort(ctx); err != nil {
		return nil, joinClose(err, c)
	}
	return c, nil
}

func joinClose(err error, c *Cluster) error {
	if cerr := c.Close(); cerr != nil {
		return fmt.Errorf("%w (and clearing up: %w)", err, cerr)
	}
	return err
}

func (o Options) withDefaults() (Options, error) {
	if o.BinDir == "" {
		dir, err := Find(0)
		if err != nil {
			return o, err
		}
		o.BinDir = dir
	}
	if o.Superuser == "" {
		o.Superuser = "postgres"
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Password == "" {
		b := make([]byte, 16)
		if _, err := io.ReadFull(o.Rand, b); err != nil {
			return o, sallyport.E(sallyport.Internal, op, "no randomness for the superuser's password").Because(err)
		}
		o.Password = hex.EncodeToString(b)
	}
	return o, nil
}

// prepare fills the cluster's directory: data, settings, access rules, keys.
func (c *Cluster) prepare(ctx context.Context, opts Options) error {
	data := c.DataDir()
	if opts.Template != "" {
		if err := copyTree(opts.Template, data, c.acct); err != nil {
			return sallyport.E(sallyport.Internal, op, "cannot copy the template").Because(err)
		}
	} else if err := initDB(ctx, opts.BinDir, data, c.dir, opts.Superuser, opts.Password, c.acct); err != nil {
		return err
	}
	settings := map[string]string{
		"listen_addresses":        Host,
		"unix_socket_directories": "",
		"logging_collector":       "off",
		"password_encryption":     "scram-sha-256",
		"shared_buffers":          "32MB",
		"max_wal_size":            "256MB",
		"min_wal_size":            "32MB",
	}
	if !opts.Durable {
		maps.Copy(settings, map[string]string{"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"})
	}
	if opts.TLS {
		ca, err := writeCertificates(c.dir, opts.Rand, opts.Now(), c.acct)
		if err != nil {
			return sallyport.E(sallyport.Internal, op, "cannot make the server's certificate").Because(err)
		}
		c.CAFile = ca
		maps.Copy(settings, map[string]string{
			"ssl": "on", "ssl_cert_file": filepath.Join(c.dir, certFile), "ssl_key_file": filepath.Join(c.dir, keyFile),
		})
	}
	maps.Copy(settings, opts.Settings)
	if err := appendSettings(filepath.Join(data, "postgresql.conf"), settings); err != nil {
		return sallyport.E(sallyport.Internal, op, "cannot write the settings").Because(err)
	}
	hba := strings.Join(opts.HBA, "\n") + "\nhost all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hba), 0o600); err != nil {
		return sallyport.E(sallyport.Internal, op, "cannot write the access rules").Because(err)
	}
	return nil
}

// appendSettings adds settings to a postgresql.conf; the last line of a name
// wins there.
func appendSettings(path string, settings map[string]string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("\n")
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = '%s'\n", name, strings.ReplaceAll(settings[name], "'", "''"))
	}
	_, err = f.WriteString(b.String())
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// startOnFreePort chooses the cluster's port. Between asking the system for a
// free port and the server's own bind another process may take it; then the
// next port is tried.
func (c *Cluster) startOnFreePort(ctx context.Context) error {
	var err error
	for range portAttempts {
		var port int
		if port, err = freePort(ctx); err != nil {
			return sallyport.E(sallyport.Unavailable, op, "no free port on 127.0.0.1").Because(err)
		}
		c.Port = port
		c.Addr = net.JoinHostPort(Host, strconv.Itoa(port))
		startCtx, cancel := context.WithTimeout(ctx, startTimeout)
		err = c.start(startCtx)
		cancel()
		if err == nil || !portTaken(err) {
			return err
		}
	}
	return err
}

func freePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp4", Host+":0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// DataDir returns the cluster's data directory.
func (c *Cluster) DataDir() string { return filepath.Join(c.dir, "data") }

// Log returns the server's log so far.
func (c *Cluster) Log() (string, error) {
	b, err := os.ReadFile(c.logFile())
	return string(b), err
}

func (c *Cluster) logFile() string { return filepath.Join(c.dir, "server.log") }

// PID returns the postmaster's process id, or 0 while the server is stopped.
func (c *Cluster) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc == nil {
		return 0
	}
	return c.proc.proc.Pid
}

// Start starts a stopped cluster on its port and returns when it accepts
// connections. Starting a running cluster does nothing.
func (c *Cluster) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := c.start(ctx)
		if err == nil || !lingering(err) {
			return err
		}
		// The processes of a postmaster that was killed end a moment after it, and
		// keep memory and port until then.
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryAfter):
		}
	}
}

// startError is a failed start with what the server wrote about it.
type startError struct {
	log string
	err error
}

func (e *startError) Error() string {
	return fmt.Sprintf("%v; its log ends: %s", e.err, lastLines(e.log, 5))
}

func (e *startError) Unwrap() error { return e.err }

func lingering(err error) bool {
	var se *startError
	return errors.As(err, &se) && (strings.Contains(se.log, "pre-existing shared memory block") || portTaken(err))
}

func portTaken(err error) bool {
	var se *startError
	return errors.As(err, &se) && strings.Contains(se.log, "could not bind")
}

// start tries once.
func (c *Cluster) start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return sallyport.E(sallyport.Conflict, op, "the cluster is closed")
	}
	if c.proc != nil && !c.proc.exited() {
		return nil
	}
	before, err := c.Log()
	if err != nil && !os.IsNotExist(err) {
		return sallyport.E(sallyport.Internal, op, "cannot read the server's log").Because(err)
	}
	proc, err := startProcess(filepath.Join(c.BinDir, "postgres"),
		[]string{"-D", c.DataDir(), "-p", strconv.Itoa(c.Port)}, c.dir, c.logFile(), c.acct)
	if err != nil {
		return sallyport.E(sallyport.Unavailable, op, "cannot run postgres").Because(err)
	}
	if err := waitReady(ctx, filepath.Join(c.DataDir(), "postmaster.pid"), proc); err != nil {
		proc.stop()
		after, _ := c.Log() // without it the error has less to say
		return sallyport.E(sallyport.Unavailable, op, "the server did not start").
			Because(&startError{log: strings.TrimPrefix(after, before), err: err})
	}
	c.proc = proc
	return nil
}

// waitReady polls the status line of postmaster.pid (its eighth), which says
// "ready" once connections are accepted.
func waitReady(ctx context.Context, pidFile string, proc *process) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if b, err := os.ReadFile(pidFile); err == nil {
			lines := strings.Split(string(b), "\n")
			if len(lines) >= 8 && strings.TrimSpace(lines[7]) == "ready" && lines[0] == strconv.Itoa(proc.proc.Pid) {
				return nil
			}
		}
		select {
		case <-proc.done:
			return fmt.Errorf("postgres ended: %w", proc.err())
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Stop ends the server in order, its connections cut, and keeps its data.
func (c *Cluster) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc != nil {
		c.proc.stop()
		c.proc = nil
	}
}

// Kill ends the server at once, as a crash would, and keeps its data.
func (c *Cluster) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc != nil {
		c.proc.kill()
		c.proc = nil
	}
}

// Close stops the server and removes its directory. Closing twice is allowed.
func (c *Cluster) Close() error {
	c.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return nil
	}
	c.done = true
	err := removeAll(c.dir)
	if cerr := c.lock.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return sallyport.E(sallyport.Internal, op, "cannot remove the cluster's directory").Because(err)
	}
	return nil
}
