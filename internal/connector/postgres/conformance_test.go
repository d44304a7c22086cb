// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"github.com/sallyport-dev/sallyport/internal/connector/connectortest"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// hugeRows fills a table with 120 MB.
const hugeRows = `
CREATE TABLE public.huge (id int, tag text, secret text);
INSERT INTO public.huge SELECT i, repeat('t', 1000), 'hugesecret ' || i || repeat('s', 200) FROM generate_series(1, 100000) i;
GRANT SELECT ON public.huge TO gateway;
`

const hugeLabels = "  public.huge.*: public\n  public.huge.secret: phi.note\n"

func TestConformance(t *testing.T) {
	for _, lineage := range []string{"in-band", "preflight"} {
		t.Run(lineage, func(t *testing.T) {
			connectortest.Run(t, connectortest.Harness{
				Start: func(t *testing.T, via func(string) string) connectortest.Gateway {
					return &world{Gateway: gatewaytest.Start(t, gatewaytest.Open(), gatewaytest.Via(via), gatewaytest.Lineage(lineage),
						gatewaytest.Schema(hugeRows), gatewaytest.MoreLabels(hugeLabels))}
				},
				Canaries:  []string{"quillfeather", "thimblewood", "900-11-2233", "1949-02-17", "hugesecret", "penicillin"},
				Asks:      lineage == "preflight", // for the search path
				HugeBytes: 100_000 * 1000,
			})
		})
	}
}

type world struct {
	*gatewaytest.Gateway
	watch *pgx.Conn // to the target, past the gateway; nil before the first look
}

func (w *world) Listener() string { return w.PostgresAddress() }

// Open logs in with pgx.
func (w *world) Open(ctx context.Context) (connectortest.Caller, error) {
	token, err := w.Issuer.Token("repo:acme/claims:ref:refs/heads/main", 10*time.Minute, map[string]any{"kind": "ci", "repository": "acme/claims"})
	if err != nil {
		return nil, err
	}
	cfg, err := pgx.ParseConfig(w.DSN(token))
	if err != nil {
		return nil, err
	}
	cfg.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: time.Minute} // a busy machine takes its time
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &caller{conn}, nil
}

// Intents counts the intents in the ledger's write-ahead log, which is what
// makes them durable.
func (w *world) Intents(t *testing.T) (n int) {
	t.Helper()
	walk(t, filepath.Join(w.Dir, "data", "ledger", "wal"), func(_ string, b []byte) { n += bytes.Count(b, []byte(`"type":"intent"`)) })
	return n
}

func walk(t *testing.T, dir string, each func(path string, b []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // files come and go
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		each(path, b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) Upstream(t *testing.T) (n int) {
	t.Helper()
	if w.watch == nil { // asked again and again; a connection each time would use up the server's
		w.watch = w.Server.Connect(t, "clinic")
	}
	err := w.watch.QueryRow(t.Context(), `select count(*) from pg_stat_activity
		where usename = 'gateway' and state = 'active' and position('pg_sleep' in query) > 0`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (w *world) Disk() connectortest.Disk { return w.Gateway.Disk }

func (w *world) Traces(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{"the gateway's log": []byte(w.Log.String()), "the target's log": []byte(w.Server.Log())}
	walk(t, filepath.Join(w.Dir, "data"), func(path string, b []byte) { out[path] = b })
	return out
}

func (w *world) Stop(t *testing.T) { w.Gateway.Stop(t) }

type caller struct{ conn *pgx.Conn }

func (c *caller) Read(ctx context.Context) ([]byte, error) {
	return all(ctx, c.conn, "select id, name, ssn, birth_date, note from patients order by id")
}

func all(ctx context.Context, conn *pgx.Conn, sql string) ([]byte, error) {
	r := conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read()
	var out []byte
	for _, row := range r.Rows {
		out = append(append(out, bytes.Join(row, []byte("|"))...), '\n')
	}
	return out, r.Err
}

func (c *caller) Denied(ctx context.Context) error {
	_, err := all(ctx, c.conn, "select * from payroll.salaries")
	return err
}

func (c *caller) Native(err error) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && pe.Severity == "ERROR" && pe.Code == "42501" && pe.Hint != "" && strings.Contains(pe.Message, "payroll")
}

func (c *caller) Fatal(err error) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && pe.Severity == "FATAL" && strings.HasPrefix(pe.Code, "57P") && pe.Hint != ""
}

func (c *caller) Slow(ctx context.Context) error {
	_, err := all(ctx, c.conn, "select pg_sleep(600)")
	return err
}

func (c *caller) Huge(ctx context.Context, each func([]byte) bool) (n int64, err error) {
	mr := c.conn.PgConn().Exec(ctx, "select id, tag, secret from huge")
	if !mr.NextResult() {
		return 0, mr.Close()
	}
	r := mr.ResultReader()
	for r.NextRow() {
		b := bytes.Join(r.Values(), []byte("|"))
		n += int64(len(b))
		if !each(b) {
			return n, nil
		}
	}
	_, err = r.Close()
	return n, errors.Join(err, mr.Close())
}

func (c *caller) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.conn.Close(ctx)
}
