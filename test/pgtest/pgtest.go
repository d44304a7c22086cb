// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package pgtest gives tests a real, throw-away PostgreSQL of any major release
// from 14 to 18.
//
// [Start] makes a server of the test's own; [Shared] gives one that all tests of
// the binary share, which saves a second each, and then needs a TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Wrap(m).Run()) }
//
// or, with goleak, goleak.VerifyTestMain(pgtest.Wrap(m)). A release whose
// binaries are missing fails the test with the command that installs them; it
// is never skipped.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/demo/pgcluster"
)

// Oldest and Newest are the majors that the product is tested against.
const (
	Oldest = 14
	Newest = 18
)

// Majors returns every major release that the product is tested against, the
// oldest first.
func Majors() []int { return []int{14, 15, 16, 17, 18} }

// Server is a running PostgreSQL. The embedded cluster has Stop, Start and Kill
// for tests of a target that goes away; nothing has to be closed.
type Server struct {
	*pgcluster.Cluster
	// Major is the release, 14 to 18.
	Major int
	// Host is the address part of Addr.
	Host string
}

// Option changes a server before it starts.
type Option func(*pgcluster.Options)

// WithTLS turns TLS on, with a certificate for 127.0.0.1 and localhost signed
// by the authority in Server.CAFile. Plaintext stays possible; see [WithHBA].
func WithTLS() Option { return func(o *pgcluster.Options) { o.TLS = true } }

// WithFsync leaves fsync on, which tests do without otherwise.
func WithFsync() Option { return func(o *pgcluster.Options) { o.Durable = true } }

// WithSetting adds a line to postgresql.conf.
func WithSetting(name, value string) Option {
	return func(o *pgcluster.Options) {
		if o.Settings == nil {
			o.Settings = make(map[string]string)
		}
		o.Settings[name] = value
	}
}

// WithHBA puts lines before the built-in ones of pg_hba.conf, which ask for
// scram-sha-256 from 127.0.0.1 with and without TLS.
func WithHBA(lines ...string) Option {
	return func(o *pgcluster.Options) { o.HBA = append(o.HBA, lines...) }
}

// Start starts a server of the given major for this test alone; the test's
// clean-up removes it.
func Start(t testing.TB, major int, opts ...Option) *Server {
	t.Helper()
	s, err := launch(t.Context(), major, opts)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log, err := s.Cluster.Log()
			t.Logf("log of PostgreSQL %d (%v):\n%s", major, err, log)
		}
		if err := s.Close(); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return s
}

func launch(ctx context.Context, major int, opts []Option) (*Server, error) {
	bin, template, err := installation(ctx, major)
	if err != nil {
		return nil, err
	}
	o := pgcluster.Options{BinDir: bin, Template: template.dir, Superuser: superuser, Password: template.password}
	for _, opt := range opts {
		opt(&o)
	}
	c, err := pgcluster.Launch(ctx, o)
	if err != nil {
		return nil, err
	}
	return &Server{Cluster: c, Major: major, Host: pgcluster.Host}, nil
}

// shared holds the servers of [Shared]; the only state of this package, because
// only a test binary's end can end them.
var shared pool

type pool struct {
	mu      sync.Mutex
	open    bool
	servers map[int]*slot
}

type slot struct {
	once sync.Once
	srv  *Server
	err  error
}

// Shared returns the server of the given major that all tests of the binary
// share: plaintext and TLS both, each test to make a database of its own in it
// ([Server.NewDatabase]). It needs [Wrap] in TestMain.
func Shared(t testing.TB, major int) *Server {
	t.Helper()
	shared.mu.Lock()
	if !shared.open {
		shared.mu.Unlock()
		t.Fatal("pgtest: Shared needs func TestMain(m *testing.M) { os.Exit(pgtest.Wrap(m).Run()) }")
	}
	s := shared.servers[major]
	if s == nil {
		s = &slot{}
		shared.servers[major] = s
	}
	shared.mu.Unlock()
	// Not the test's context: the server outlives the test that is first to ask.
	s.once.Do(func() { s.srv, s.err = launch(context.Background(), major, []Option{WithTLS()}) })
	if s.err != nil {
		t.Fatalf("pgtest: %v", s.err)
	}
	return s.srv
}

// M is what [testing.M] and goleak.VerifyTestMain agree on.
type M interface{ Run() int }

// Wrap returns m with the servers of [Shared] closed after its run.
func Wrap(m M) M { return wrapped{m} }

type wrapped struct{ m M }

func (w wrapped) Run() int {
	shared.mu.Lock()
	shared.open, shared.servers = true, make(map[int]*slot)
	shared.mu.Unlock()
	code := w.m.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.open = false
	for _, s := range shared.servers {
		if s.srv == nil {
			continue
		}
		if err := s.srv.Close(); err != nil {
			fmt.Println("pgtest:", err)
			code = max(code, 1)
		}
	}
	return code
}

// URL returns a connection URL without TLS for a database, a role and its
// password; empty role and password mean the superuser's.
func (s *Server) URL(db, user, password string) string {
	if user == "" {
		user, password = s.Superuser, s.Password
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: s.Addr, Path: "/" + db, RawQuery: "sslmode=disable"}
	return u.String()
}

// Connect opens a connection as the superuser; the test's clean-up closes it.
func (s *Server) Connect(t testing.TB, db string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL(db, "", ""))
	if err != nil {
		t.Fatalf("connecting to PostgreSQL %d: %v", s.Major, err)
	}
	t.Cleanup(func() {
		// The server may have been stopped by the test; there is nothing to learn
		// from its error then. t.Context is over by now.
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	})
	return conn
}

// Exec runs SQL, one or several statements, as the superuser in a database.
func (s *Server) Exec(t testing.TB, db, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL(db, "", ""))
	if err != nil {
		t.Fatalf("connecting to PostgreSQL %d: %v", s.Major, err)
	}
	_, err = conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if cerr := conn.Close(t.Context()); err == nil {
		err = cerr
	}
	if err != nil {
		t.Fatalf("PostgreSQL %d: %v", s.Major, err)
	}
}

// NewDatabase makes a database for this test, runs SQL in it as the superuser
// when there is some, and drops it in clean-up.
func (s *Server) NewDatabase(t testing.TB, sql string) string {
	t.Helper()
	name := databaseName(t.Name())
	s.Exec(t, "postgres", "drop database if exists "+quoteIdent(name)+" with (force)")
	s.Exec(t, "postgres", "create database "+quoteIdent(name))
	t.Cleanup(func() {
		if s.PID() == 0 {
			return // stopped by the test; the database goes with the server
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, s.URL("postgres", "", ""))
		if err != nil {
			t.Errorf("dropping the test's database: %v", err)
			return
		}
		if _, err := conn.Exec(ctx, "drop database if exists "+quoteIdent(name)+" with (force)"); err != nil {
			t.Errorf("dropping the test's database: %v", err)
		}
		if err := conn.Close(ctx); err != nil {
			t.Errorf("dropping the test's database: %v", err)
		}
	})
	if sql != "" {
		s.Exec(t, name, sql)
	}
	return name
}

// databaseName makes a name of at most 63 bytes from a test's, unlike for tests
// whose names differ only past that.
func databaseName(test string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(test))
	var sum uint32 = 2166136261 // FNV-1a
	for i := range len(test) {
		sum = (sum ^ uint32(test[i])) * 16777619
	}
	return fmt.Sprintf("%.50s_%08x", name, sum)
}

func quoteIdent(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// Log returns the server's log so far, or the reason that it cannot be read.
func (s *Server) Log() string {
	log, err := s.Cluster.Log()
	if err != nil {
		return err.Error()
	}
	return log
}
