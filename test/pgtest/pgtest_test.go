// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgtest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/test/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }

func TestEveryMajorAnswers(t *testing.T) {
	t.Parallel()
	for _, major := range pgtest.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			s := pgtest.Shared(t, major)
			db := s.NewDatabase(t, "create table t (a int); insert into t values (1), (2)")
			var version, sum int
			err := s.Connect(t, db).QueryRow(t.Context(),
				"select current_setting('server_version_num')::int / 10000, sum(a) from t").Scan(&version, &sum)
			if err != nil {
				t.Fatal(err)
			}
			if version != major || sum != 3 {
				t.Errorf("got release %d and sum %d, want %d and 3", version, sum, major)
			}
			if got := s.Psql(t, db, "-Atc", "select count(*) from t"); got != "2\n" {
				t.Errorf("psql printed %q", got)
			}
		})
	}
}

func TestTLSVerifiesAndSettingsApply(t *testing.T) {
	t.Parallel()
	s := pgtest.Start(t, 15, pgtest.WithTLS(), pgtest.WithFsync(), pgtest.WithSetting("application_name", "it's set"),
		pgtest.WithHBA("hostnossl all all all reject"))
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("CAFile holds no certificate")
	}
	conf, err := pgx.ParseConfig(strings.Replace(s.URL("postgres", "", ""), "sslmode=disable", "sslmode=require", 1))
	if err != nil {
		t.Fatal(err)
	}
	conf.TLSConfig = &tls.Config{RootCAs: pool, ServerName: "localhost"}
	conn, err := pgx.ConnectConfig(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	var fsync, name string
	if err := conn.QueryRow(t.Context(), "select current_setting('fsync'), current_setting('application_name')").Scan(&fsync, &name); err != nil {
		t.Fatal(err)
	}
	if fsync != "on" || name != "it's set" {
		t.Errorf("fsync %q, application_name %q", fsync, name)
	}
	if r := pgtest.Psql(t, s.URL("postgres", "", ""), "-c", "select 1"); r.Code == 0 || !strings.Contains(r.Stderr, "pg_hba.conf rejects") {
		t.Errorf("plaintext ended with %d: %s", r.Code, r.Stderr)
	}
}

func TestServerGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	s := pgtest.Start(t, 15)
	s.Exec(t, "postgres", "create table kept (a int)")
	for _, end := range []func(){s.Stop, s.Kill} {
		end()
		if _, err := pgx.Connect(t.Context(), s.URL("postgres", "", "")); err == nil {
			t.Fatal("a stopped server accepted a connection")
		}
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Exec(t, "postgres", "select * from kept")
	}
}

func TestWrongPasswordIsRefused(t *testing.T) {
	t.Parallel()
	s := pgtest.Shared(t, 15)
	if _, err := pgx.Connect(t.Context(), s.URL("postgres", s.Superuser, "wrong")); err == nil {
		t.Fatal("a wrong password was accepted")
	}
}
