// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package gcs finds out what a request to Cloud Storage does: which method of the
// JSON API it is, or what the XML API means by it, on which bucket and object, and
// what of that may stand on record.
//
// A name of an object can hold whatever a record is found by. What of it lies
// beyond the prefixes that an operator wrote down is never readable, unless the
// operator says that the names hold no data.
package gcs

import (
	"net/url"
	"strings"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Protocol is the analyser's name in statements.
const Protocol = "gcs"

// Kinds of objects in statements.
const (
	KindPath = "path" // a bucket, or what lies in it
	KindBody = "body" // the content of objects of a path
)

// Limits of a request's line.
const (
	maxPath   = 16 << 10 // bytes, as escaped
	maxQuery  = 16 << 10
	maxName   = 1024 // of an object, in bytes, as Cloud Storage has it
	maxParams = 40
)

// Request is a request as it came: the path escaped, the query without "?".
type Request struct {
	Verb, Path, Query string
	// Body is the JSON of methods that have one; of an upload its metadata.
	Body []byte
	// HasCopySource says that the header x-goog-copy-source is there.
	HasCopySource bool
	// GoesOn is the object of the resumable upload that the request is a part of.
	GoesOn string
}

// Surface is which of the interfaces a request came by.
type Surface uint8

// The surfaces.
const (
	JSON Surface = iota
	Upload
	XML
)

// Call is a request as it is judged and sent on.
type Call struct {
	ID      string // "objects.get"; the XML API's in the words of the JSON API
	Surface Surface
	Bucket  string
	Object  string
	// ToBucket and ToObject are of methods that make one object from another.
	ToBucket, ToObject string
	// Sources are the objects that a composition reads.
	Sources []string
	// Params are the parameters that are sent on.
	Params url.Values
	// Media says that the object's content is asked for.
	Media bool
	// UploadType is "media", "multipart", "resumable" or "", and UploadID that of a
	// resumable upload that goes on.
	UploadType, UploadID string
	// Statement is what the call does. When it is Refused, the rest counts for
	// nothing.
	Statement *sallyport.Statement
	// Places are where the outputs of the statement lie, in its order.
	Places []Place
}

// Analyse judges a request for a resource.
func (l *Layout) Analyse(resource sallyport.ResourceID, r Request) *Call {
	c := &Call{Statement: &sallyport.Statement{Protocol: Protocol, Class: "unknown", Readable: "(a request that cannot be judged)"}}
	m, why, hint := l.read(c, r)
	if why == "" {
		why, hint = l.judge(c, m, resource, r)
	}
	c.Statement.Refused, c.Statement.Hint = why, hint
	return c
}

const (
	plainly  = "send the path as Google's clients do"
	askGuard = "ask the gateway's operator which buckets the resource has"
)

// read finds the method and its names.
func (l *Layout) read(c *Call, r Request) (m method, why, hint string) {
	if len(r.Path) > maxPath || len(r.Query) > maxQuery {
		return m, "the request's address is too long", plainly
	}
	params, why := parameters(r.Query)
	if why != "" {
		return m, why, "send credentials in the Authorization header, and only parameters of the interface"
	}
	c.Params = params
	path, ok := c.surface(r.Path)
	if !ok {
		return m, "the address is none of Cloud Storage's", plainly
	}
	segments, ok := unescape(path)
	if !ok {
		return m, "the path is not encoded as URLs are", plainly
	}
	if c.Surface == XML {
		m, why = c.xml(r, segments)
		return m, why, "use the JSON API for this; every client of Google's can"
	}
	verb := r.Verb
	if c.Surface == Upload {
		c.UploadType, c.UploadID = take(params, "uploadType"), take(params, "upload_id")
		if c.UploadID != "" && c.UploadType == "resumable" && (verb == "PUT" || verb == "POST" || verb == "DELETE") {
			verb = "POST" // a part of an upload that is going on, or its end
		}
	}
	m, named, ok := match(verb, segments)
	switch {
	case !ok:
		return m, "Cloud Storage has no such method", plainly
	case m.refused != "":
		return m, m.refused, "this method does not pass a gateway"
	case c.Surface == Upload && m.id != "objects.insert":
		return m, "only objects are uploaded", plainly
	case c.Surface == Upload && c.UploadType != "media" && c.UploadType != "multipart" && c.UploadType != "resumable":
		return m, "the upload is of a type that is not known", "send uploadType=media, multipart or resumable"
	}
	for _, name := range []string{"entity", "notification", "project"} {
		// What lies between here and the service may take a dot segment for a step up.
		if s, ok := named[name]; ok && (strings.Trim(s, ".") == "" || strings.Contains(s, "/")) {
			return m, "the path has an empty or a dot segment, or hides a separator", plainly
		}
	}
	c.Bucket, c.Object, c.ToBucket, c.ToObject = named["bucket"], named["object"], named["toBucket"], named["toObject"]
	if m.id == "objects.move" {
		c.ToBucket = c.Bucket
	}
	if alt := take(params, "alt"); alt == "media" && m.id == "objects.get" {
		c.Media = true
	} else if alt != "" && alt != "json" {
		return m, "the parameter alt asks for a form that cannot be judged", "ask for alt=json or alt=media"
	}
	return m, "", ""
}

// surface takes what stands before a method's path off.
func (c *Call) surface(path string) (rest string, ok bool) {
	for _, x := range []struct {
		prefix  string
		surface Surface
		media   bool
	}{
		{"/resumable/upload/storage/v1/", Upload, false}, {"/upload/storage/v1/", Upload, false}, {"/download/storage/v1/", JSON, true}, {"/storage/v1/", JSON, false},
	} {
		rest, ok := strings.CutPrefix(path, x.prefix)
		if !ok {
			continue
		}
		c.Surface = x.surface
		// A client whose address ends with the version writes it twice.
		for again := true; again; {
			rest, again = strings.CutPrefix(rest, "storage/v1/")
		}
		if later, ok := strings.CutPrefix(rest, "upload/storage/v1/"); ok && x.surface == JSON && !x.media {
			rest, c.Surface = later, Upload
		}
		return rest, rest != ""
	}
	c.Surface = XML
	rest, ok = strings.CutPrefix(path, "/")
	return rest, ok && rest != "" && !strings.HasPrefix(rest, "batch")
}

func unescape(path string) ([]string, bool) {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		u, err := url.PathUnescape(s)
		if err != nil || !utf8.ValidString(u) || strings.ContainsFunc(u, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, false
		}
		segments[i] = u
	}
	return segments, true
}

// take removes a parameter and returns its value.
func take(p url.Values, name string) string {
	v := p.Get(name)
	p.Del(name)
	return v
}

// xml reads a request of the XML API: content of objects, and nothing else that
// the JSON API has as well.
func (c *Call) xml(r Request, segments []string) (m method, why string) {
	c.Bucket, c.Object = segments[0], strings.Join(segments[1:], "/")
	for name := range c.Params {
		if name != "generation" {
			return m, "the XML API is served for the content of objects only"
		}
	}
	if c.Object == "" || r.HasCopySource {
		return m, "the XML API is served for the content of objects only"
	}
	// What is read is asked for by the JSON API, which has a name in one segment.
	if reads := r.Verb == "GET" || r.Verb == "HEAD"; !reads && steps(c.Object) {
		return m, "the object's name has an empty or a dot segment, which paths of the XML API cannot carry"
	}
	want := map[string]string{"GET": "objects.get", "HEAD": "objects.get", "PUT": "objects.insert", "DELETE": "objects.delete"}[r.Verb]
	for _, m := range methods() {
		if m.id == want {
			c.Media = want == "objects.get"
			if want == "objects.insert" {
				c.UploadType = "media"
			}
			return m, ""
		}
	}
	return m, "the XML API has no such method here"
}

// steps reports whether a name, where it is a path, has a part that servers leave
// out or take for a step up.
func steps(name string) bool {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		if p == "." || p == ".." || p == "" && i < len(parts)-1 {
			return true
		}
	}
	return false
}
