// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport-dev/sallyport/internal/demo/pgcluster"
)

// The subjects. The peer that ratios are against is PgBouncer with TLS to its
// clients, because the gateway has no other way.
const (
	direct       = "direct"
	bouncer      = "pgbouncer"
	bouncerPlain = "pgbouncer-plain"
	sallyport    = "sallyport"
	peer         = bouncer
)

func allSubjects() []string { return []string{direct, bouncer, bouncerPlain, sallyport} }

// subject is one way to the database.
type subject struct {
	name       string
	host, port string
	user       string
	ca         string                 // empty: no TLS
	password   func() (string, error) // fresh, for tokens end
	pid        int                    // of the proxy; 0: none
}

// env returns the variables that make libpq take this way.
func (s *subject) env() ([]string, error) {
	password, err := s.password()
	if err != nil {
		return nil, err
	}
	env := []string{"PGHOST=" + s.host, "PGPORT=" + s.port, "PGUSER=" + s.user, "PGDATABASE=" + database, "PGPASSWORD=" + password}
	if s.ca == "" {
		return append(env, "PGSSLMODE=disable"), nil
	}
	return append(env, "PGSSLMODE=verify-full", "PGSSLROOTCERT="+s.ca), nil
}

// connect opens a connection this way.
func (s *subject) connect(ctx context.Context) (*pgconn.PgConn, error) {
	password, err := s.password()
	if err != nil {
		return nil, err
	}
	tls := "sslmode=disable"
	if s.ca != "" {
		tls = "sslmode=verify-full sslrootcert=" + s.ca
	}
	return pgconn.Connect(ctx, fmt.Sprintf("host=%s port=%s user=%s dbname=%s password=%s %s", s.host, s.port, s.user, database, password, tls))
}

// nameSubjects makes the subjects of the servers that run now.
func (b *bench) nameSubjects() {
	fixed := func() (string, error) { return rolePassword, nil }
	bouncerPort := strconv.Itoa(b.bouncer.port)
	all := []*subject{
		{name: direct, port: strconv.Itoa(b.cluster.Port), user: clientRole, ca: b.cluster.CAFile, password: fixed},
		{name: bouncer, port: bouncerPort, user: clientRole, ca: b.ca, password: fixed, pid: b.bouncer.pid()},
		{name: bouncerPlain, port: bouncerPort, user: clientRole, password: fixed, pid: b.bouncer.pid()},
		{name: sallyport, port: strconv.Itoa(b.gateway.port), user: gatewayRoleID, ca: b.ca, password: b.gateway.token, pid: b.gateway.pid()},
	}
	b.subjects = nil
	for _, s := range all {
		s.host = pgcluster.Host
		if slices.Contains(b.settings.subjects, s.name) {
			b.subjects = append(b.subjects, s)
		}
	}
}

// order returns the subjects of a round: every other round in reverse, so that
// none always runs after the same one.
func (b *bench) order(round int) []*subject {
	out := slices.Clone(b.subjects)
	if round%2 == 1 {
		slices.Reverse(out)
	}
	return out
}

// checkMasks makes sure that it is the whole gateway that is measured: the two
// columns of the bulk select are masked, what pgbench reads is not.
func (b *bench) checkMasks(ctx context.Context) error {
	for _, s := range b.subjects {
		conn, err := s.connect(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		masked := s.name == sallyport
		rows, err := conn.Exec(ctx, "SELECT name, ssn, id, digest FROM bulk WHERE id = 1; SELECT abalance, aid FROM pgbench_accounts WHERE aid = 7").ReadAll()
		if err == nil {
			err = asExpected(rows, masked)
		}
		if err = errors.Join(err, conn.Close(ctx)); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func asExpected(res []*pgconn.Result, masked bool) error {
	if len(res) != 2 || len(res[0].Rows) != 1 || len(res[1].Rows) != 1 {
		return errors.New("the rows to look at are not there")
	}
	r := res[0].Rows[0]
	name, ssn := strings.HasPrefix(string(r[0]), "Name c4ca4238"), strings.Contains(string(r[1]), "900000001")
	switch {
	case masked && (name || ssn):
		return errors.New("a column that must be masked is not")
	case !masked && !(name && ssn):
		return errors.New("the bulk table does not hold what was put into it")
	case string(r[2]) != "1" || string(r[3]) != "c4ca4238a0b923820dcc509a6f75849b":
		return errors.New("a public column of the bulk select came changed")
	case string(res[1].Rows[0][0]) != "0" || string(res[1].Rows[0][1]) != "7":
		return errors.New("what pgbench reads came changed")
	}
	return nil
}

// freePort returns a port of 127.0.0.1 that was free a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", pgcluster.Host+":0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// splitStatements cuts a script at the semicolons that end a line.
func splitStatements(script string) []string {
	var out []string
	for s := range strings.SplitSeq(script, ";\n") {
		if strings.TrimSpace(s) != "" {
			out = append(out, s)
		}
	}
	return out
}

// logTail returns the end of a file, for an error.
func logTail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}
