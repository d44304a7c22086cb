// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package functionspeer gives tests HTTP functions in Google's own Functions
// Framework for Node.js, behind one host that demands a bearer token as Cloud
// Functions does. They tell of people that do not exist:
//
//	/patient/1001, /patient?id=1001   JSON; 404 with JSON for others than 1001 and 1002
//	/fhir/Patient/1001, /fhir/Patient a FHIR Patient, a Bundle; POST gives it back
//	/text?lines=N                     plain text, in pieces
//	/events?n=N&pause=MS              server-sent events, data over two lines
//	/echo                             what came, as JSON: which headers arrived
//	/redirect?to=URL                  302
//	/fail, /fail/json, /fail/cut      an exception with values in its text, an error in
//	                                  JSON with values, half an answer
//
//	f := functionspeer.Start(t)
//	// f.URL is the host, f.Token the token that it accepts.
package functionspeer

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/test/peer"
)

//go:embed package.json package-lock.json *.mjs
var files embed.FS

// Token is the token that a Server accepts.
const Token = "upstream-token-of-the-gateway"

// Server is a running host of functions.
type Server struct {
	URL   string // without a slash at the end
	Token string // the bearer token that it accepts

	t       testing.TB
	control string
	client  *http.Client
}

// Start runs the functions until the test's clean-up.
func Start(t testing.TB) *Server {
	t.Helper()
	dir, err := peer.Node(context.WithoutCancel(t.Context()), "functionspeer", files)
	if err != nil {
		t.Fatalf("functionspeer: %v", err)
	}
	var hello struct{ URL, Control string }
	peer.Start(t, &hello, dir, "node", "server.mjs")
	s := &Server{
		URL: hello.URL, Token: Token, t: t, control: hello.Control,
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	s.Accept(Token)
	return s
}

// Accept makes the host accept a further token.
func (s *Server) Accept(token string) {
	s.t.Helper()
	s.do("accept", map[string]string{"token": token}, nil)
}

func (s *Server) do(action string, in, out any) {
	s.t.Helper()
	if err := s.call(action, in, out); err != nil {
		s.t.Fatalf("functionspeer: %s: %v", action, err)
	}
}

func (s *Server) call(action string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	// Clean-up functions ask as well, when the test's own context is over.
	req, err := http.NewRequestWithContext(context.WithoutCancel(s.t.Context()), http.MethodPost, s.control+"/"+action, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d: %s", resp.StatusCode, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// What a request's bearer token was.
const (
	TokenExpected = "expected"
	TokenOther    = "other" // and the request was refused
	TokenNone     = "none"
)

// Request is one request that came to the host.
type Request struct {
	Method, Path string // the path as it was sent, with the query
	Token        string // [TokenExpected], [TokenOther] or [TokenNone]
	Headers      map[string]any
	Body         string // the first MiB
	Status       int    // 0 while it is not answered
}

// Requests returns what has come since the start or the last Forget, the oldest
// first.
func (s *Server) Requests() []Request {
	s.t.Helper()
	var out struct{ Requests []Request }
	s.do("requests", struct{}{}, &out)
	return out.Requests
}

// Forget empties the log of requests.
func (s *Server) Forget() {
	s.t.Helper()
	s.do("forget", struct{}{}, nil)
}

// Saw reports whether a text, such as a caller's own token, was in the path, a
// header or the body of any request.
func (s *Server) Saw(text string) bool {
	s.t.Helper()
	return slices.ContainsFunc(s.Requests(), func(r Request) bool {
		path, err := url.PathUnescape(r.Path)
		if err != nil {
			path = ""
		}
		for name, value := range r.Headers {
			if strings.Contains(fmt.Sprint(name, ": ", value), text) {
				return true
			}
		}
		return strings.Contains(r.Path, text) || strings.Contains(path, text) || strings.Contains(r.Body, text)
	})
}
