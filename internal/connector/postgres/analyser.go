// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/vault"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// analyser has statements analysed on a connection of their own, by a role that
// needs no right to read anything. Constants are taken out of the text first,
// because the server may log the trees.
type analyser struct {
	target *Target

	mu   sync.Mutex // one statement at a time
	conn *pgx.Conn  // guarded by mu
	path string     // the search path that conn has now; guarded by mu
	tree []byte     // of the statement at work; guarded by mu
	n    int        // how many trees came; guarded by mu
}

// configured reports whether there is an analyser role.
func (a *analyser) configured() bool { return a.target.cfg.Analyser != "" }

// analyse returns a statement's tree and the description of its answer, with
// names looked up in the schemas of path.
func (a *analyser) analyse(ctx context.Context, text string, path []string) ([]byte, []pgwire.Field, error) {
	plain, err := analyze.PreflightText(text)
	if err != nil {
		return nil, nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.ready(ctx, path); err != nil {
		return nil, nil, sallyport.E(sallyport.Unavailable, "preflight", "the analyser role cannot be used").
			WithHint("the operator must look at the resource's analyser credential").Because(err)
	}
	a.tree, a.n = nil, 0
	d, err := a.conn.PgConn().Prepare(ctx, "", plain, nil)
	var pe *pgconn.PgError
	switch {
	case errors.As(err, &pe) && pe.Code == "55P03":
		return nil, nil, sallyport.E(sallyport.Conflict, "preflight", "an object of the statement is locked, so the statement cannot be analysed").
			WithHint("end the transaction that changes the object's structure first").Because(pgwire.State(pe.Code))
	case errors.As(err, &pe):
		// The message speaks of the text without its constants and of names.
		return nil, nil, sallyport.E(sallyport.Invalid, "preflight", pe.Message).Because(pgwire.State(pe.Code))
	case err != nil:
		a.drop(ctx)
		return nil, nil, sallyport.E(sallyport.Unavailable, "preflight", "the analyser role's connection was lost").Because(err)
	case a.n != 1 || a.tree == nil:
		return nil, nil, sallyport.E(sallyport.Denied, "preflight", "the target did not show how it resolved the statement").
			WithHint("see docs/limits.md for what has no lineage")
	}
	fields := make([]pgwire.Field, len(d.Fields))
	for i, f := range d.Fields {
		fields[i] = pgwire.Field{
			Name: []byte(f.Name), TableOID: f.TableOID, Attnum: int16(f.TableAttributeNumber),
			TypeOID: f.DataTypeOID, TypeSize: f.DataTypeSize, TypeMod: f.TypeModifier, Format: f.Format,
		}
	}
	return a.tree, fields, nil
}

// ready opens the connection where needed and gives it the search path.
func (a *analyser) ready(ctx context.Context, path []string) error {
	if a.conn == nil || a.conn.IsClosed() {
		conn, err := a.target.connect(ctx, a.target.cfg.Analyser, a.target.cfg.AnalyserUsername, a.configure)
		if err != nil {
			return err
		}
		a.conn, a.path = conn, "\x00"
	}
	quoted := make([]string, len(path))
	for i, s := range path {
		quoted[i] = pgx.Identifier{s}.Sanitize()
	}
	want := strings.Join(quoted, ", ")
	if want == "" {
		want = "''"
	}
	if want == a.path {
		return nil
	}
	if _, err := a.conn.Exec(ctx, "SET search_path = "+want); err != nil {
		return err
	}
	a.path = want
	return nil
}

// configure makes the connection send trees.
func (a *analyser) configure(c *pgx.ConnConfig) {
	for k, v := range a.target.loginParams(nil, true) {
		c.RuntimeParams[k] = v
	}
	// The lock that analysis waits for can be held by the very session that asks
	// (DDL in its transaction), which no deadlock detector sees, and all sessions
	// share this connection.
	c.RuntimeParams["lock_timeout"] = "1s"
	c.RuntimeParams["statement_timeout"] = "10s"
	c.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "LOG" && analyze.IsTreeNotice(n.File, n.Routine, n.SeverityUnlocalized, n.Message) {
			a.n++
			a.tree = []byte(n.Detail)
		}
	}
}

func (a *analyser) drop(ctx context.Context) {
	_ = a.conn.Close(ctx) // it failed already
	a.conn = nil
}

func (a *analyser) close(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn != nil {
		a.drop(ctx)
	}
}

// dialPgx logs in a connection of the gateway's own.
func (t *Target) dialPgx(ctx context.Context, cfg *pgx.ConnConfig, ref vault.Ref, user string, configure func(*pgx.ConnConfig)) (*pgx.Conn, error) {
	lease, err := t.cfg.Lease(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer lease.Release()
	if u := lease.Username(); u != "" {
		user = u
	}
	host, port, err := net.SplitHostPort(t.cfg.Address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	cfg.Host, cfg.Port, cfg.Database = host, uint16(n), t.cfg.Database
	cfg.User, cfg.Password = user, string(lease.Password())
	cfg.TLSConfig, cfg.Fallbacks = t.cfg.TLS, nil
	if cfg.TLSConfig == nil && !t.cfg.InsecurePlaintext {
		return nil, sallyport.E(sallyport.Internal, "target", "the target has no TLS configuration")
	}
	cfg.RuntimeParams = map[string]string{"application_name": "sallyport", "client_encoding": "UTF8"}
	if configure != nil {
		configure(cfg)
	}
	return pgx.ConnectConfig(ctx, cfg)
}
