// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgtest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"testing"
)

// PsqlResult is what a run of psql left.
type PsqlResult struct {
	Stdout, Stderr string
	Code           int // exit status; 0 is success
}

// Psql runs the real psql against a connection URL, without the caller's psqlrc
// or PG* variables, the arguments after "-X -d url". A psql that cannot be run fails the
// test; an exit status does not.
func Psql(t testing.TB, dsn string, args ...string) PsqlResult {
	t.Helper()
	path, err := exec.LookPath("psql")
	if err != nil {
		t.Fatal("pgtest: psql is not installed; run: make test-deps")
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"-X", "-d", dsn}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC", "PGCONNECT_TIMEOUT=30"}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("pgtest: running psql: %v", err)
	}
	return PsqlResult{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
}

// Psql runs psql against a database of this server as the superuser, without
// the gateway, and fails the test unless it succeeds; it returns what psql
// printed.
func (s *Server) Psql(t testing.TB, db string, args ...string) string {
	t.Helper()
	r := Psql(t, s.URL(db, "", ""), append([]string{"-v", "ON_ERROR_STOP=1"}, args...)...)
	if r.Code != 0 {
		t.Fatalf("psql on PostgreSQL %d ended with %d: %s", s.Major, r.Code, r.Stderr)
	}
	return r.Stdout
}
