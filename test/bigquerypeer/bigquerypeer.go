// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package bigquerypeer gives tests a target that speaks BigQuery's REST
// interface: a front in Node.js over DuckDB. README.md says what it imitates and
// what it does not; it is no proof of how Google's service behaves.
//
//	bq := bigquerypeer.Start(t, bigquerypeer.WithClinic())
//	// bq.URL is the service's root, bq.Token the only token that it accepts.
package bigquerypeer

import (
	"context"
	"embed"
	"os"
	"path/filepath"

	"github.com/sallyport-dev/sallyport/test/peer"
)

//go:embed package.json package-lock.json *.mjs
var files embed.FS

const (
	// Project is the project that Start makes.
	Project = "clinic-test"
	// Identity is whose the token of a Server is.
	Identity = "gateway@clinic-test.iam.gserviceaccount.com"
	// Token is the token that a Server accepts when no option names others.
	Token = "upstream-token-of-the-gateway"
)

// Server is a running counterpart.
type Server struct {
	// URL is the service's root, without a slash at the end. The methods are below
	// /bigquery/v2, as they are below https://bigquery.googleapis.com.
	URL string
	// Token is the bearer token that it accepts, for [Identity].
	Token string
	// Read is the host and port of the Storage APIs (gRPC over TLS), and ReadCA
	// the file of the authority of its certificate; empty without [WithRead].
	Read, ReadCA string

	t       peer.T
	control peer.Control
}

// Option changes a server before Start returns it.
type Option func(*Server)

// WithSeed runs SQL of DuckDB's, one or several statements, in [Project].
func WithSeed(sql string) Option { return func(s *Server) { s.Seed(Project, sql) } }

// WithClinic seeds the dataset clinic; see [Clinic].
func WithClinic() Option {
	return func(s *Server) {
		s.Seed(Project, Clinic)
		s.View("clinic", "adults", Adults)
	}
}

// WithIdentity makes the service accept a further token, as an identity of its
// own: it has jobs and anonymous results apart from the others'.
func WithIdentity(token, email string) Option {
	return func(s *Server) {
		s.control.Do("identities", map[string]any{"tokens": map[string]string{token: email}}, nil)
	}
}

// WithStorage names the Cloud Storage counterpart that extract and load jobs
// write to and read from, and the token for it.
func WithStorage(endpoint, token string) Option {
	return func(s *Server) { s.Set(Settings{Storage: &Storage{Endpoint: endpoint, Token: token}}) }
}

// WithRead serves the Storage Read and Write APIs as well.
func WithRead() Option {
	return func(s *Server) {
		s.t.Helper()
		program, err := peer.GoProgram(context.WithoutCancel(s.t.Context()), "test/bigquerypeer/readapi")
		if err != nil {
			s.t.Fatalf("bigquerypeer: %v", err)
		}
		var hello struct{ Addr, CA string }
		peer.Start(s.t, &hello, s.t.TempDir(), program, s.control.URL)
		s.Read, s.ReadCA = hello.Addr, filepath.Join(s.t.TempDir(), "ca.pem")
		if err := os.WriteFile(s.ReadCA, []byte(hello.CA), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
}

// Install puts the counterpart and its packages into the cache, and returns the
// directory to run it in.
func Install(ctx context.Context) (string, error) { return peer.Node(ctx, "bigquerypeer", files) }

// Start runs a counterpart until the test's clean-up.
func Start(t peer.T, opts ...Option) *Server {
	t.Helper()
	dir, err := Install(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatalf("bigquerypeer: %v", err)
	}
	var hello struct{ URL, Control string }
	// Optimising the transpiler's code would take longer than running it, and
	// hold up the process's end.
	peer.Start(t, &hello, dir, "node", "--liftoff-only", "server.mjs")
	s := &Server{
		URL: hello.URL, Token: Token, t: t, control: peer.NewControl(t, hello.Control),
	}
	WithIdentity(Token, Identity)(s)
	s.Seed(Project, "")
	for _, o := range opts {
		o(s)
	}
	return s
}

// Seed runs SQL of DuckDB's in a project, which is made when there is none of
// the name. A dataset is a schema.
func (s *Server) Seed(project, sql string) {
	s.t.Helper()
	s.control.Do("seed", map[string]string{"project": project, "sql": sql}, nil)
}

// SQL runs one statement of DuckDB's in [Project], past the service, and
// returns its rows as text: what is really in the target. NULL is nil.
func (s *Server) SQL(sql string) [][]any {
	s.t.Helper()
	var out struct{ Rows [][]any }
	s.control.Do("sql", map[string]string{"project": Project, "sql": sql}, &out)
	return out.Rows
}

// View makes a view of [Project] from a query in GoogleSQL.
func (s *Server) View(dataset, name, query string) {
	s.t.Helper()
	s.control.Do("view", map[string]string{"project": Project, "dataset": dataset, "name": name, "query": query, "identity": Identity}, nil)
}

// Storage is a Cloud Storage endpoint.
type Storage struct {
	Endpoint string `json:"endpoint"`
	Token    string `json:"token"`
}

// Settings change how the service behaves from now on. Zero fields change
// nothing; a negative number sets zero.
type Settings struct {
	// Polls is how many looks by a client a new job stays unfinished for.
	Polls int
	// PageRows is the most rows of one page; 10,000 at first.
	PageRows int
	// Storage is where extract and load jobs write and read.
	Storage *Storage
}

// Set changes settings.
func (s *Server) Set(set Settings) {
	s.t.Helper()
	in := make(map[string]any)
	if set.Polls != 0 {
		in["polls"] = max(set.Polls, 0)
	}
	if set.PageRows != 0 {
		in["pageRows"] = max(set.PageRows, 0)
	}
	if set.Storage != nil {
		in["storage"] = set.Storage
	}
	s.control.Do("settings", in, nil)
}

// Mask makes an identity read columns of a table ("clinic.patients") masked, in
// queries, listings, copies and extracts, as a data policy of BigQuery's
// does. A column's mask is an expression of DuckDB's of the column's
// type ("NULL::VARCHAR", "sha256(ssn)"). No columns: no mask.
func (s *Server) Mask(email, table string, columns map[string]string) {
	s.t.Helper()
	s.control.Do("masks", map[string]any{"identity": email, "table": Project + "." + table, "columns": columns}, nil)
}

// Fault is a failure of the next requests.
type Fault struct {
	// Next is how many requests fail.
	Next int `json:"next"`
	// Path picks requests by a part of their path; empty means all.
	Path string `json:"path,omitempty"`
	// Status is the answer's status; Reason and Message go into Google's error
	// JSON.
	Status  int    `json:"status,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Body is the answer instead of Google's error JSON or of a real answer: what a
	// broken service or a proxy in between says.
	Body        *string `json:"body,omitempty"`
	ContentType string  `json:"contentType,omitempty"`
	// Cut ends the connection in the middle of the answer instead.
	Cut bool `json:"cut,omitempty"`
}

// Fail adds a fault.
func (s *Server) Fail(f Fault) {
	s.t.Helper()
	s.control.Do("fault", f, nil)
}

// What a request's bearer token was.
const (
	TokenExpected = "expected" // one of the service's identities'
	TokenOther    = "other"    // some other, and the request was refused
	TokenNone     = "none"
)

// Request is one request that the service has answered.
type Request struct {
	Method string // of HTTP
	Path   string // as it was sent, with the query
	// ID is the method of the discovery document, "bigquery.jobs.query", or of gRPC,
	// "google.cloud.bigquery.storage.v1.BigQueryRead.ReadRows"; empty when none matched.
	ID string `json:"method_id"`
	// Token is [TokenExpected], [TokenOther] or [TokenNone].
	Token    string
	Identity string // whose the token was
	Headers  map[string]any
	Body     string // inflated, the first MiB
	Status   int
}

// Requests returns what the service has answered since the start or the last
// Forget, the oldest first.
func (s *Server) Requests() []Request {
	s.t.Helper()
	var out struct{ Requests []Request }
	s.control.Do("requests", nil, &out)
	return out.Requests
}

// Forget empties the log of requests.
func (s *Server) Forget() {
	s.t.Helper()
	s.control.Do("forget", nil, nil)
}

// Saw reports whether a text, such as a caller's own token, was in the path, a
// header or the body of any request.
func (s *Server) Saw(text string) bool {
	s.t.Helper()
	var out struct{ Saw bool }
	s.control.Do("saw", map[string]string{"text": text}, &out)
	return out.Saw
}

// Extract is an extract job that ran, whether or not there was a storage to
// write to.
type Extract struct{ Table, URI, Identity string }

// Extracts returns the extract jobs that ran.
func (s *Server) Extracts() []Extract {
	s.t.Helper()
	var out struct{ Extracts []Extract }
	s.control.Do("extracts", nil, &out)
	return out.Extracts
}
