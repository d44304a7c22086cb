// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"net/http"
	"net/url"
	"strings"
)

// passing are the headers of requests that reach the target. Whatever carries a
// credential, a cookie, an address or a way around the judged request is not among
// them.
func passing(more []string) map[string]bool {
	out := map[string]bool{}
	for _, name := range append([]string{
		"Accept", "Accept-Language", "Content-Type", "User-Agent", "Idempotency-Key", "Prefer", "If-None-Exist", "Traceparent", "Tracestate", "X-Request-Id",
		"X-Correlation-Id",
	}, more...) {
		out[http.CanonicalHeaderKey(name)] = true
	}
	return out
}

// Never are headers that no configuration can let through.
func Never(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Authorization", "Proxy-Authorization", "Cookie", "Host", "Connection", "Upgrade", "Te", "Trailer", "Transfer-Encoding", "Content-Length", "Content-Encoding",
		"Accept-Encoding", "Range", "If-Range", "If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since", "Forwarded", "X-Http-Method", "X-Http-Method-Override",
		"X-Method-Override", "X-Serverless-Authorization", "X-Goog-Api-Key", "X-Api-Key", "X-Original-Url", "X-Rewrite-Url":
		return true
	}
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "x-forwarded-") || strings.HasPrefix(name, "proxy-") || strings.HasPrefix(name, "x-goog-iap-")
}

// requestHeaders are those of the client that pass.
func (t *Target) requestHeaders(from http.Header) http.Header {
	out := http.Header{}
	for name, values := range from {
		if t.headers[http.CanonicalHeaderKey(name)] {
			out[http.CanonicalHeaderKey(name)] = values
		}
	}
	return out
}

// answerHeaders are those of an answer that pass: what clients need to go on, and
// nothing that could hold data or a session of the gateway's own with the target.
func answerHeaders(from http.Header, link func(string) (string, bool)) http.Header {
	out := http.Header{"Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"}}
	for _, name := range []string{"Retry-After", "Allow", "Content-Language"} {
		if v := from.Get(name); v != "" && len(v) < 200 && strings.Trim(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ,:+-") == "" {
			out.Set(name, v)
		}
	}
	if v := from.Get("Location"); v != "" {
		if to, ok := link(v); ok {
			out.Set("Location", to)
		}
	}
	return out
}

// link rewrites a link of the target so that it leads through the gateway; ok is
// false for one that leads elsewhere.
func (e *exchange) link(to string) (string, bool) {
	u, err := url.Parse(to)
	if err != nil || u.User != nil {
		return "", false
	}
	base := e.t.cfg.Base
	u = base.JoinPath(e.target.Path).ResolveReference(u)
	path, ok := strings.CutPrefix(u.EscapedPath(), strings.TrimSuffix(base.EscapedPath(), "/"))
	if u.Scheme != base.Scheme || u.Host != base.Host || !ok || path != "" && path[0] != '/' {
		return "", false
	}
	// A path can name a record; where answers are masked, only the API's own words
	// may be shown.
	if e.masked() && (u.RawQuery != "" || !e.t.cfg.Routes.Literal(path)) {
		return "", false
	}
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return e.base + path, true
}
