// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/sallyport-dev/sallyport/internal/analyze/kube"
)

// Limits of a request's line.
const (
	maxPath   = 4 << 10 // bytes, as escaped
	maxQuery  = 32 << 10
	maxParams = 200
)

// call is a request as it is judged and sent.
type call struct {
	kube.Call
	// path and query are in one canonical form.
	path, query string
	params      url.Values
}

// read reads a request as the API server does. path is as the client escaped it.
func read(method, path, query string) (*call, error) {
	segments, err := splitPath(path)
	if err != nil {
		return nil, err
	}
	c := &call{}
	if c.query, c.params, err = canonicalQuery(query); err != nil {
		return nil, err
	}
	for _, s := range segments {
		c.path += "/" + url.PathEscape(s)
	}
	if c.path == "" {
		c.path = "/"
	}
	plain := "/" + strings.Join(segments, "/")
	// Of the parameters it reads these two; it would write others that it cannot read
	// into the log.
	info := url.Values{}
	if v, ok := c.params["watch"]; ok {
		info["watch"] = v
	}
	if v := c.params.Get("fieldSelector"); v != "" {
		if _, err := fields.ParseSelector(v); err != nil {
			return nil, bad("the field selector cannot be read", "write it as in metadata.name=web")
		}
		info.Set("fieldSelector", v)
	}
	factory := request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}
	ri, err := factory.NewRequestInfo(&http.Request{Method: method, URL: &url.URL{Path: plain, RawQuery: info.Encode()}})
	if err != nil {
		return nil, bad("the path cannot be read", "use a path of the API, as clients of it do")
	}
	c.Call = kube.Call{
		IsResource: ri.IsResourceRequest, Path: c.path, Method: method, Verb: ri.Verb, Group: ri.APIGroup, Version: ri.APIVersion, Namespace: ri.Namespace,
		Resource: ri.Resource, Subresource: ri.Subresource, Name: ri.Name,
	}
	if len(ri.Parts) > 3 {
		c.Tail = ri.Parts[3:]
	}
	if segmentVerb(segments) {
		c.Verb = "proxy" // an old form, which is refused
	}
	return c, c.selectors()
}

// segmentVerb reports whether a path has its verb in it, as in /api/v1/watch/pods.
func segmentVerb(segments []string) bool {
	at := 2
	if len(segments) > 0 && segments[0] == "apis" {
		at = 3
	}
	return len(segments) > at && (segments[0] == "api" || segments[0] == "apis") && (segments[at] == "watch" || segments[at] == "proxy")
}

// selectors checks parameters that say which objects are meant.
func (c *call) selectors() error {
	for _, name := range []string{"limit", "timeoutSeconds"} {
		if v := c.params.Get(name); v != "" {
			if n, err := strconv.ParseInt(v, 10, 64); err != nil || n < 0 {
				return bad("the parameter "+name+" is no number", "leave it out, or send a number")
			}
		}
	}
	return nil
}

// splitPath takes a path apart into decoded segments. It refuses every form that two
// programs could read in two ways.
func splitPath(path string) ([]string, error) {
	const hint = "send the path in its plain form: no empty, dot or encoded-slash segments"
	switch {
	case len(path) > maxPath:
		return nil, bad("the path is too long", hint)
	case path == "" || path[0] != '/':
		return nil, bad("the path is not absolute", hint)
	case path == "/":
		return nil, nil
	case strings.ContainsAny(path, "\\;?#"):
		return nil, bad("the path holds a character that servers read in different ways", hint)
	}
	parts := strings.Split(path[1:], "/")
	for i, p := range parts {
		s, err := url.PathUnescape(p)
		switch {
		case err != nil:
			return nil, bad("the path is not encoded as URLs are", hint)
		case s == "" || s == "." || s == "..":
			return nil, bad("the path has an empty or a dot segment", hint)
		case strings.ContainsAny(s, "/\\%;?#") || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
			return nil, bad("the path hides a separator, or holds a character that no name has", hint)
		}
		parts[i] = s
	}
	return parts, nil
}

// repeated are parameters that may come more than once.
func repeated(name string) bool { return name == "command" || name == "ports" }

// canonicalQuery parses a query strictly and writes it again in the same order.
func canonicalQuery(query string) (string, url.Values, error) {
	const hint = "send each parameter once, as name=value"
	params := url.Values{}
	if len(query) > maxQuery {
		return "", nil, bad("the query is too long", hint)
	}
	if strings.ContainsAny(query, ";#") {
		return "", nil, bad("the query holds a separator that servers read in different ways", hint)
	}
	var b strings.Builder
	count := 0
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, err := url.QueryUnescape(name)
		v, verr := url.QueryUnescape(value)
		switch {
		case err != nil || verr != nil || n == "" || strings.ToValidUTF8(n+v, "") != n+v || strings.ContainsRune(n+v, 0):
			return "", nil, bad("the query is not encoded as URLs are", hint)
		case params.Has(n) && !repeated(n):
			return "", nil, bad("the query has a parameter twice", hint)
		case strings.EqualFold(n, "access_token") || strings.EqualFold(n, "token"):
			return "", nil, bad("the query holds a credential", "send the gateway's token in the Authorization header")
		case count == maxParams:
			return "", nil, bad("the query has too many parameters", hint)
		}
		if count++; b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(n) + "=" + url.QueryEscape(v))
		params.Add(n, v)
	}
	return b.String(), params, nil
}

// unusable refuses what can never be passed on, by the headers of a request.
func unusable(r *http.Request) error {
	for name := range r.Header {
		low := strings.ToLower(name)
		switch {
		case strings.HasPrefix(low, "impersonate-"):
			return status(http.StatusForbidden, "Forbidden", bad("the request asks to act as somebody else (impersonation), which only the gateway does",
				"leave --as and --as-group out; whom the cluster sees is the gateway's configuration"))
		case strings.HasPrefix(low, "x-remote-"):
			return status(http.StatusForbidden, "Forbidden", bad("the request says whom it is from in a header of front proxies", "leave X-Remote-* headers out; the gateway's token says it"))
		case low == "x-http-method-override", low == "x-http-method", low == "x-method-override":
			return bad("the request names two methods", "send the method itself, without a header that overrides it")
		}
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return status(http.StatusUnsupportedMediaType, "UnsupportedMediaType", bad("the request's body is packed", "send it without Content-Encoding"))
	}
	return nil
}
