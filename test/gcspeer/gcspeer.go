// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package gcspeer gives tests a target that speaks Cloud Storage's JSON and XML
// interfaces: fake-gcs-server behind a front of ours. The front demands the
// bearer token, which fake-gcs-server does not, keeps a log of the requests, fails
// when it is told to, and answers the deletion of a bucket that is not empty as
// Google's documentation says.
//
//	gcs := gcspeer.Start(t, gcspeer.WithClinic())
//	// gcs.URL is the service's root, gcs.Token the only token that it accepts.
//
// It has no identities, access lists, lifecycle or retention that do anything,
// and no gRPC; it is no proof of how Google's service behaves. The parts of a
// batch are not looked at one by one.
package gcspeer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/test/peer"
)

const (
	// Project is the project that buckets are made in.
	Project = "clinic-test"
	// Token is the token that a Server accepts.
	Token = "upstream-token-of-the-gateway"

	module  = "github.com/fsouza/fake-gcs-server"
	version = "v1.56.1"

	loggedBody = 1 << 20
)

// Server is a running counterpart.
type Server struct {
	// URL is the service's root, without a slash at the end. The JSON interface is
	// below /storage/v1, /upload/storage/v1, /download/storage/v1 and
	// /batch/storage/v1; objects of the XML interface are at /bucket/name.
	URL string
	// Token is the bearer token that it accepts.
	Token string

	t      peer.T
	behind *url.URL // fake-gcs-server
	client *http.Client

	mu       sync.Mutex
	requests []*Request       // guarded by mu, and what they point to as well
	faults   []*Fault         // guarded by mu
	sessions map[string]int64 // bytes that uploads have, by path and query; guarded by mu
}

// Option changes a server before Start returns it.
type Option func(*Server)

// WithObject seeds an object; its bucket is made when there is none.
func WithObject(bucket, name, contentType, content string) Option {
	return func(s *Server) { s.Seed(bucket, name, contentType, content) }
}

// WithClinic seeds the buckets clinic-exports and clinic-public; see [Clinic].
func WithClinic() Option {
	return func(s *Server) {
		for _, o := range Clinic() {
			s.Seed(o.Bucket, o.Name, o.Type, o.Content)
		}
	}
}

// Install builds fake-gcs-server when the cache does not hold it, which takes some
// minutes, and returns its path.
func Install(ctx context.Context) (string, error) { return peer.GoInstall(ctx, module, version) }

// Start runs a counterpart until the test's clean-up. It installs it first.
func Start(t peer.T, opts ...Option) *Server {
	t.Helper()
	program, err := Install(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatalf("gcspeer: %v", err)
	}
	s := &Server{
		Token: Token, t: t, sessions: make(map[string]int64),
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	front := httptest.NewUnstartedServer(s)
	host := front.Listener.Addr().String()
	s.behind = s.run(program, host)
	front.Start()
	t.Cleanup(front.Close)
	s.URL = front.URL
	for _, o := range opts {
		o(s)
	}
	return s
}

// run runs fake-gcs-server, which cannot say which port it was given, so it is
// told one that was free; another process may have taken it by then.
func (s *Server) run(program, front string) *url.URL {
	s.t.Helper()
	var said string
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			s.t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		_ = l.Close()
		child := peer.Run(s.t, program, "-scheme", "http", "-host", "127.0.0.1", "-port", port, "-backend", "memory",
			"-public-host", front, "-external-url", "http://"+front, "-data", s.t.TempDir(), "-log-level", "warn")
		u := &url.URL{Scheme: "http", Host: "127.0.0.1:" + port}
		if s.answers(child, u) {
			return u
		}
		said = child.Said()
	}
	s.t.Fatalf("gcspeer: fake-gcs-server does not answer: %s", said)
	return nil
}

// answers waits until the program answers or has ended.
func (s *Server) answers(child *peer.Child, u *url.URL) bool {
	for {
		status, _, err := s.past(u, http.MethodGet, "/_internal/healthcheck", "", nil)
		select {
		case <-child.Ended():
			return false // and what answered was somebody else's
		default:
		}
		if err == nil && status == http.StatusOK {
			return true
		}
		select {
		case <-child.Ended():
			return false
		case <-s.t.Context().Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// past asks fake-gcs-server past the front.
func (s *Server) past(u *url.URL, method, path, contentType string, body []byte) (int, []byte, error) {
	// Clean-up functions ask as well, when the test's own context is over.
	req, err := http.NewRequestWithContext(context.WithoutCancel(s.t.Context()), method, u.String()+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	return resp.StatusCode, answer, err
}

// Seed puts an object past the service; its bucket is made when there is none.
func (s *Server) Seed(bucket, name, contentType, content string) {
	s.t.Helper()
	s.Make(bucket)
	status, answer, err := s.past(s.behind, http.MethodPost, "/upload/storage/v1/b/"+url.PathEscape(bucket)+"/o?uploadType=media&name="+url.QueryEscape(name), contentType, []byte(content))
	if err != nil || status != http.StatusOK {
		s.t.Fatalf("gcspeer: seeding %s/%s: %d %s %v", bucket, name, status, answer, err)
	}
}

// Make makes a bucket past the service when there is none of the name.
func (s *Server) Make(bucket string) {
	s.t.Helper()
	status, answer, err := s.past(s.behind, http.MethodGet, "/storage/v1/b/"+url.PathEscape(bucket), "", nil)
	if err == nil && status == http.StatusNotFound {
		status, answer, err = s.past(s.behind, http.MethodPost, "/storage/v1/b?project="+Project, "application/json", fmt.Appendf(nil, `{"name":%q}`, bucket))
	}
	if err != nil || status != http.StatusOK {
		s.t.Fatalf("gcspeer: making %s: %d %s %v", bucket, status, answer, err)
	}
}

// Object returns what is really in the target, past the service.
func (s *Server) Object(bucket, name string) (content string, ok bool) {
	s.t.Helper()
	status, answer, err := s.past(s.behind, http.MethodGet, "/storage/v1/b/"+url.PathEscape(bucket)+"/o/"+url.PathEscape(name)+"?alt=media", "", nil)
	if err != nil || status != http.StatusOK && status != http.StatusNotFound {
		s.t.Fatalf("gcspeer: %s/%s: %d %s %v", bucket, name, status, answer, err)
	}
	return string(answer), status == http.StatusOK
}

// What a request's bearer token was.
const (
	TokenExpected = "expected"
	TokenOther    = "other" // and the request was refused
	TokenNone     = "none"
	// TokenSession is a request without a token to the address of an upload that was
	// begun with one. The address alone lets in, as the service's documentation says.
	TokenSession = "session"
)

// Request is one request that came to the service.
type Request struct {
	Method, Path string // the path as it was sent, with the query
	Token        string // [TokenExpected], [TokenSession], [TokenOther] or [TokenNone]
	Headers      http.Header
	Body         string // the first MiB
	Status       int    // 0 when the connection was cut
}

// Requests returns what has come since the start or the last Forget, the oldest
// first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Request, 0, len(s.requests))
	for _, r := range s.requests {
		out = append(out, *r)
	}
	return out
}

// Forget empties the log of requests.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// Saw reports whether a text, such as a caller's own token, was in the path, a
// header or the body of any request.
func (s *Server) Saw(text string) bool {
	return slices.ContainsFunc(s.Requests(), func(r Request) bool {
		path, err := url.PathUnescape(r.Path)
		if err != nil {
			path = ""
		}
		for name, values := range r.Headers {
			if strings.Contains(name+": "+strings.Join(values, "\n"), text) {
				return true
			}
		}
		return strings.Contains(r.Path, text) || strings.Contains(path, text) || strings.Contains(r.Body, text)
	})
}

// Fault is a failure of the next requests.
type Fault struct {
	Next int    // how many requests fail
	Path string // picks requests by a part of their path; empty means all
	// Status is the answer's; Cut ends the connection after so many bytes of the
	// answer's body instead.
	Status int
	Cut    int64
}

// Fail adds a fault.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

func (s *Server) fault(path string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Next > 0 && strings.Contains(path, f.Path) {
			f.Next--
			return *f, true
		}
	}
	return Fault{}, false
}
