// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
)

const (
	op = "bigquery request"
	// maxPath is the longest path in bytes, as escaped. Four names of 1024 bytes,
	// escaped threefold, have room.
	maxPath     = 16 << 10
	maxSegments = 16
)

// Upload says how a request brings a file along.
type Upload uint8

// The ways of an upload.
const (
	UploadNone      Upload = iota
	UploadMultipart        // the job and the file in one request
	UploadBegin            // the job alone; the file follows to the address that the answer names
	UploadContinue         // a part of the file
)

func invalid(msg, hint string) *sallyport.Error {
	return sallyport.E(sallyport.Invalid, op, msg).WithHint(hint)
}

func unknownMethod() *sallyport.Error {
	return sallyport.E(sallyport.NotFound, op, "BigQuery's interface has no such method").
		WithHint("send the methods of version 2 to /bigquery/v2/ of the gateway")
}

// place is what a path was matched to.
type place struct {
	method    *Method
	vars      map[string]string
	upload    bool
	resumable bool
	discovery bool
}

// route is a method's template taken apart.
type route struct {
	method   *Method
	segments []string // "{projectId}" for a parameter
	verb     string   // of the last segment, without the colon
}

func routes() []route {
	out := make([]route, 0, len(table))
	for i := range table {
		path, verb, _ := strings.Cut(table[i].Path, ":")
		out = append(out, route{method: &table[i], segments: strings.Split(path, "/"), verb: verb})
	}
	return out
}

// locate matches an escaped path and an HTTP method.
func (a *Analyser) locate(httpMethod, path string) (place, error) {
	segments, err := splitPath(path)
	if err != nil {
		return place{}, err
	}
	if p, ok := discoveryPath(segments); ok {
		if httpMethod != "GET" {
			return place{}, unknownMethod()
		}
		return p, nil
	}
	p, segments, err := prefix(segments)
	if err != nil {
		return place{}, err
	}
	elsewhere := false
	for i := range a.routes {
		r := &a.routes[i]
		vars, ok := r.match(segments)
		if !ok {
			continue
		}
		// A part of a file is sent to the address of the whole by PUT.
		continues := p.upload && r.method.Media && httpMethod == "PUT"
		if r.method.HTTP != httpMethod && !continues {
			elsewhere = true
			continue
		}
		if p.upload && !r.method.Media {
			return place{}, invalid("the method takes no file", "send it to /bigquery/v2/, without /upload")
		}
		p.method, p.vars = r.method, vars
		return p, nil
	}
	if elsewhere {
		return place{}, unknownMethod().WithHint("the path is known, but not with this HTTP method")
	}
	return place{}, unknownMethod()
}

// splitPath takes a path apart into decoded segments. It refuses every form that
// two programs could read in two ways.
func splitPath(path string) ([]string, error) {
	const plain = "send the path in its plain form, without empty, dot or encoded-slash segments"
	switch {
	case len(path) > maxPath:
		return nil, invalid("the path is too long", "send names of at most 1024 bytes")
	case path == "" || path[0] != '/':
		return nil, invalid("the path is not absolute", plain)
	case strings.ContainsAny(path, "\\;?#"):
		return nil, invalid("the path holds a character that servers read in different ways", plain)
	}
	parts := strings.Split(path[1:], "/")
	if len(parts) > maxSegments {
		return nil, unknownMethod()
	}
	for i, p := range parts {
		s, err := url.PathUnescape(p)
		switch {
		case err != nil || !utf8.ValidString(s):
			return nil, invalid("the path is not encoded as URLs are", plain)
		case s == "" || s == "." || s == "..":
			return nil, invalid("the path has an empty or a dot segment", plain)
		case strings.ContainsAny(s, "/\\%") || strings.ContainsFunc(s, unicode.IsControl):
			return nil, invalid("the path hides a separator or a control character", plain)
		}
		parts[i] = s
	}
	return parts, nil
}

// discoveryPath reports whether a path is one of the two where clients look for
// the interface's description.
func discoveryPath(s []string) (place, bool) {
	switch strings.Join(s, "/") {
	case "discovery/v1/apis/bigquery/v2/rest", "$discovery/rest":
		return place{discovery: true}, true
	}
	return place{}, false
}

// prefix cuts off what stands before the templates. Clients that are given an
// endpoint with a path send the prefix twice, or not at all.
func prefix(s []string) (place, []string, error) {
	var p place
	s, times := cutVersion(s, 2)
	switch {
	case has(s, "upload"):
		p.upload, s = true, s[1:]
	case has(s, "resumable", "upload"):
		p.upload, p.resumable, s = true, true, s[2:]
	case has(s, "batch"):
		return p, nil, invalid("requests in a batch are not taken", "send each request of the batch by itself")
	}
	s, again := cutVersion(s, 2-times)
	if p.upload && times+again == 0 {
		return p, nil, unknownMethod()
	}
	return p, s, nil
}

func cutVersion(s []string, most int) (rest []string, times int) {
	for times < most && has(s, "bigquery", "v2") {
		s, times = s[2:], times+1
	}
	return s, times
}

func has(s []string, words ...string) bool {
	if len(s) < len(words) {
		return false
	}
	for i, w := range words {
		if s[i] != w {
			return false
		}
	}
	return true
}

// match returns the values of a template's parameters.
func (r *route) match(s []string) (map[string]string, bool) {
	if len(s) != len(r.segments) {
		return nil, false
	}
	vars := make(map[string]string, 4)
	for i, w := range r.segments {
		part := s[i]
		if i == len(s)-1 {
			rest, verb := cutVerb(part)
			if verb != r.verb {
				return nil, false
			}
			part = rest
		}
		if name, ok := strings.CutPrefix(w, "{"); ok {
			vars[strings.TrimSuffix(name, "}")] = part
		} else if part != w {
			return nil, false
		}
	}
	return vars, true
}

// cutVerb splits "name:verb". No name that ends a template has a colon; that of a
// project, which can, never ends one that is matched with a verb.
func cutVerb(s string) (rest, verb string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i+1:]
}
