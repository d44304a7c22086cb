// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"net/http"
	"net/url"
	"strconv"
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
	for name, plain := range map[string]func(string) bool{"Retry-After": isDelay, "Allow": areMethods, "Content-Language": areLanguages} {
		if v := from.Get(name); plain(v) {
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

// isDelay reports whether s is a delay of a day at most, or a date of HTTP.
func isDelay(s string) bool {
	if n, err := strconv.Atoi(s); err == nil {
		return n >= 0 && n <= 86400
	}
	_, err := http.ParseTime(s)
	return err == nil
}

func areMethods(s string) bool {
	for m := range strings.SplitSeq(s, ",") {
		switch strings.TrimSpace(m) {
		case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		default:
			return false
		}
	}
	return true
}

// areLanguages reports whether s are up to four languages, each with its country.
func areLanguages(s string) bool {
	tags := strings.Split(s, ",")
	for _, tag := range tags {
		language, country, named := strings.Cut(strings.TrimSpace(tag), "-")
		if len(language) != 2 || named && len(country) != 2 || strings.Trim(language+country, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != "" {
			return false
		}
	}
	return len(tags) <= 4
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
