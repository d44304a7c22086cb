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
	"context"
	"embed"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

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
	control peer.Control
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
		URL: hello.URL, Token: Token, t: t, control: peer.NewControl(t, hello.Control),
	}
	s.Accept(Token)
	return s
}

// Accept makes the host accept a further token.
func (s *Server) Accept(token string) {
	s.t.Helper()
	s.control.Do("accept", map[string]string{"token": token}, nil)
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
	s.control.Do("requests", struct{}{}, &out)
	return out.Requests
}

// Forget empties the log of requests.
func (s *Server) Forget() {
	s.t.Helper()
	s.control.Do("forget", struct{}{}, nil)
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
