// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package httpapi finds out what a request to an HTTP API does: which route it
// takes, which effect its method has there, and what of it may stand on record.
//
// A path can hold whatever a record is found by, so that of a path only what
// [Routes] know of is shown: the words of the route's template. What a client
// wrote in place of a parameter is never an object's name and never readable.
package httpapi

import (
	"net/url"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Protocol is the analyser's name in statements.
const Protocol = "http"

// Kinds of objects.
const (
	KindPath = "path" // a route: the resource and the words of the template
	KindBody = "body" // what a request to a route is answered with
)

// Limits of a request's line.
const (
	MaxPath     = 8 << 10 // bytes, as escaped
	MaxQuery    = 16 << 10
	maxSegments = 64
	maxParams   = 100
)

// Call is a request as it came: the path escaped, the query without the "?".
type Call struct {
	Method string
	Path   string
	Query  string
}

// Target is a request as it is judged and sent on.
type Target struct {
	// Path and Query are in one canonical form, so that the target cannot read
	// another request out of them than was judged.
	Path  string
	Query string
	// Route is nil for a path that no route takes.
	Route *Route
}

// Analyse judges a request for a resource. A statement that can never pass is
// Refused, with a hint; its target is then the zero value.
func (r *Routes) Analyse(resource sallyport.ResourceID, c Call) (*sallyport.Statement, Target) {
	st := &sallyport.Statement{Protocol: Protocol, Class: strings.ToLower(c.Method), Readable: c.Method + " (a path that cannot be judged)"}
	if len(c.Method) > 16 || strings.Trim(c.Method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" || c.Method == "" {
		st.Class, st.Readable = "unknown method", "(a method that cannot be judged)"
		return refuse(st, "the request's method is not one of HTTP", "send GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS"), Target{}
	}
	segments, why := splitPath(c.Path)
	if why != "" {
		return refuse(st, why, "send the path in its plain form: no empty, dot or encoded-slash segments"), Target{}
	}
	query, names, why := canonicalQuery(c.Query)
	if why != "" {
		return refuse(st, why, "send credentials in the Authorization header, and parameters as name=value"), Target{}
	}
	route := r.match(segments)
	words := []string{"*"}
	if route != nil {
		words = route.words
	}
	st.Readable = c.Method + " /" + strings.Join(words, "/")
	for i, name := range names {
		st.Readable += string("?&"[min(i, 1)]) + name + "=*"
	}
	object := sallyport.Object{Kind: KindPath, Path: append([]string{string(resource)}, words...)}
	effect, class, ok := r.effect(route, c.Method)
	if !ok {
		return refuse(st, "the API has no such operation", "ask the gateway's operator which routes and methods the resource has"), Target{}
	}
	if class != "" {
		st.Class = class
	}
	st.Effects = []sallyport.Effect{effect}
	st.Accesses = []sallyport.Access{{Effect: effect, Object: object}}
	st.Outputs = []sallyport.Output{{Direct: true, Sources: []sallyport.Column{{
		Object: sallyport.Object{Kind: KindBody, Path: append(slices.Clone(object.Path), "body")}, Labels: r.labels(route),
	}}}}
	return st, Target{Path: joinPath(segments), Query: query, Route: route}
}

func refuse(st *sallyport.Statement, why, hint string) *sallyport.Statement {
	st.Refused, st.Hint = why, hint
	return st
}

// splitPath takes a path apart into decoded segments. It refuses every form that
// two programs could read in two ways.
func splitPath(path string) (segments []string, why string) {
	switch {
	case len(path) > MaxPath:
		return nil, "the path is too long"
	case path == "" || path[0] != '/':
		return nil, "the path is not absolute"
	case path == "/":
		return nil, ""
	case strings.ContainsAny(path, "\\;?#"):
		return nil, "the path holds a character that servers read in different ways"
	}
	parts := strings.Split(path[1:], "/")
	if len(parts) > maxSegments {
		return nil, "the path has too many parts"
	}
	for i, p := range parts {
		if p == "" && i == len(parts)-1 {
			break // a slash at the end is kept
		}
		s, err := url.PathUnescape(p)
		switch {
		case err != nil:
			return nil, "the path is not encoded as URLs are"
		case s == "" || s == "." || s == "..":
			return nil, "the path has an empty or a dot segment"
		case strings.ContainsAny(s, "/\\") || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.ToValidUTF8(s, "") != s:
			return nil, "the path hides a separator or a control character"
		}
		parts[i] = s
	}
	return parts, ""
}

func joinPath(segments []string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	if len(segments) == 0 {
		return "/"
	}
	return b.String()
}

// credentials are parameters by which clients hand over tokens or choose another
// method. They never pass.
func credentials(name string) bool {
	switch strings.ToLower(name) {
	case "access_token", "oauth_token", "bearer_token", "$.xgafv", "x-http-method-override", "_method", "callback", "jsonp":
		return true
	}
	return false
}

// canonicalQuery parses a query strictly and writes it again in the same order.
// names are its parameters, those that are no plain words as "*".
func canonicalQuery(query string) (out string, names []string, why string) {
	if query == "" {
		return "", nil, ""
	}
	if len(query) > MaxQuery {
		return "", nil, "the query is too long"
	}
	if strings.ContainsAny(query, ";#") {
		return "", nil, "the query holds a separator that servers read in different ways"
	}
	var b strings.Builder
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, valued := strings.Cut(part, "=")
		n, err := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		switch {
		case err != nil || err2 != nil || strings.ContainsRune(n+v, 0):
			return "", nil, "the query is not encoded as URLs are"
		case credentials(n):
			return "", nil, "the query holds the parameter " + strings.ToLower(n)
		case len(names) == maxParams:
			return "", nil, "the query has too many parameters"
		}
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(n))
		if valued {
			b.WriteString("=" + url.QueryEscape(v))
		}
		if !plainWord(n) {
			n = "*"
		}
		names = append(names, n)
	}
	return b.String(), names, ""
}

// plainWord reports whether a parameter's name is a word of an API and not data:
// letters with a few marks between them.
func plainWord(s string) bool {
	return len(s) > 0 && len(s) <= 40 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.:$[]") == ""
}
