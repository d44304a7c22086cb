// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport-dev/sallyport/internal/demo/pgcluster"
)

// The names of everything: database, role of the clients at PostgreSQL and
// PgBouncer, resource and role at the gateway.
const (
	database      = "bench"
	clientRole    = "client"
	gatewayRole   = "gateway"
	rolePassword  = "synthetic"
	pgMajor       = 15
	setupDeadline = 5 * time.Minute
)

// bench is a set-up benchmark.
type bench struct {
	settings settings
	diag     io.Writer
	dir      string // of files that PgBouncer's account must reach
	certs    pgcluster.Certificates
	ca       string // the file of the authority of PgBouncer's and the gateway's certificate
	cluster  *pgcluster.Cluster
	gateway  *gateway // the one at work
	bouncer  *child
	subjects []*subject
	pgbench  string

	closers []func() error
}

// setUp makes the target, PgBouncer and the gateway. On an error what was
// started is ended again.
func setUp(ctx context.Context, s settings, diag io.Writer) (*bench, error) {
	ctx, cancel := context.WithTimeout(ctx, setupDeadline)
	defer cancel()
	b := &bench{settings: s, diag: diag}
	for _, step := range []func(context.Context) error{b.makeDir, b.startTarget, b.fillTarget, b.startBouncer, b.startGateway} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, b.close())
		}
	}
	return b, nil
}

// makeDir makes the directory of what PgBouncer's account must reach, and the
// certificates.
func (b *bench) makeDir(context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "sallyport-bench-"); err != nil {
		return err
	}
	b.onClose(func() error { return os.RemoveAll(b.dir) })
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	if b.certs, err = pgcluster.NewCertificates(rand.Reader, time.Now()); err != nil {
		return err
	}
	b.ca = filepath.Join(b.dir, "ca.pem")
	return os.WriteFile(b.ca, b.certs.CA, 0o644)
}

// logf tells of a run to whoever wants to watch.
func (b *bench) logf(format string, args ...any) {
	if b.settings.verbose {
		_, _ = fmt.Fprintf(b.diag, format+"\n", args...) // for the eye alone
	}
}

func (b *bench) onClose(f func() error) { b.closers = append(b.closers, f) }

// close ends everything in the reverse order of its start.
func (b *bench) close() error {
	var errs []error
	for i := len(b.closers) - 1; i >= 0; i-- {
		errs = append(errs, b.closers[i]())
	}
	b.closers = nil
	return errors.Join(errs...)
}

func (b *bench) startTarget(ctx context.Context) error {
	bin, err := pgcluster.Find(pgMajor)
	if err != nil {
		if bin, err = pgcluster.Find(0); err != nil {
			return err
		}
	}
	b.pgbench = filepath.Join(bin, "pgbench")
	if _, err := os.Stat(b.pgbench); err != nil {
		return fmt.Errorf("pgbench belongs beside the server: %w", err)
	}
	b.cluster, err = pgcluster.Launch(ctx, pgcluster.Options{
		BinDir: bin, TLS: true, Durable: true,
		Settings: map[string]string{"shared_buffers": "256MB", "max_connections": "300", "autovacuum": "off", "jit": "off"},
	})
	if err != nil {
		return err
	}
	b.onClose(b.cluster.Close)
	return nil
}

// targetSQL makes what is selected from, and the roles. The query trees that the
// gateway asks for go to its sessions, not into the server's log.
const targetSQL = `
CREATE TABLE bulk AS SELECT
    i AS id,
    'Name ' || md5(i::text) AS name,
    lpad((900000000 + i %% 99999999)::text, 11, '-')::char(11) AS ssn,
    date '1930-01-01' + i %% 30000 AS birth_date,
    timestamptz '2026-01-01 00:00+00' + i * interval '1 second' AS at,
    'J45.' || i %% 1000 AS code,
    (i %% 100000)::numeric(10,2) / 100 AS cost,
    lpad((i %% 99999)::text, 5, '0')::varchar(10) AS zip,
    i %% 2 = 0 AS active,
    md5(i::text) AS digest
FROM generate_series(1, %[1]d) AS i;
CREATE ROLE client LOGIN PASSWORD '%[2]s';
CREATE ROLE gateway LOGIN PASSWORD '%[2]s';
ALTER ROLE gateway SET log_min_messages = 'fatal';
GRANT CONNECT ON DATABASE bench TO client, gateway;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO client, gateway;
VACUUM ANALYZE;
`

func (b *bench) fillTarget(ctx context.Context) error {
	if err := b.superuser(ctx, "postgres", "CREATE DATABASE "+database); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, b.pgbench, "-i", "-q", "-s", fmt.Sprint(b.settings.scale))
	cmd.Env = append(os.Environ(), "PGHOST="+pgcluster.Host, fmt.Sprintf("PGPORT=%d", b.cluster.Port), "PGDATABASE="+database,
		"PGUSER="+b.cluster.Superuser, "PGPASSWORD="+b.cluster.Password)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgbench -i: %w: %s", err, out)
	}
	return b.superuser(ctx, database, splitStatements(fmt.Sprintf(targetSQL, b.settings.bulkRows, rolePassword))...)
}

// superuser runs statements, each in a transaction of its own.
func (b *bench) superuser(ctx context.Context, db string, statements ...string) error {
	conn, err := pgconn.Connect(ctx, fmt.Sprintf("host=%s port=%d dbname=%s user=%s password=%s sslmode=disable",
		pgcluster.Host, b.cluster.Port, db, b.cluster.Superuser, b.cluster.Password))
	if err != nil {
		return err
	}
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql).ReadAll(); err != nil {
			return errors.Join(err, conn.Close(ctx))
		}
	}
	return conn.Close(ctx)
}
