// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/gcs"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
)

// incoming is the body of a request, taken apart.
type incoming struct {
	json []byte // what is judged: the JSON, or an upload's metadata
	// media is content that is uploaded, nil where there is none, and mediaType its
	// type where the upload has it beside the metadata.
	media     io.Reader
	mediaType string
}

// unusable refuses what no gateway can pass on.
func unusable(r *http.Request) error {
	for name := range r.Header {
		low := strings.ToLower(name)
		switch {
		case low == "x-http-method-override", low == "x-http-method", low == "x-method-override":
			return sallyport.E(sallyport.Invalid, "gcs", "the request names two methods").WithHint("send the method itself, without a header that overrides it")
		case low == "upgrade":
			return sallyport.E(sallyport.Invalid, "gcs", "the request asks for another protocol").WithHint("send it over HTTP/1.1 or HTTP/2")
		case strings.HasPrefix(low, "x-goog-encryption-"), strings.HasPrefix(low, "x-goog-copy-source-"):
			return sallyport.E(sallyport.Invalid, "gcs", "the request brings a key of its own for the object").
				WithHint("objects that are encrypted by a caller's key cannot be judged; use keys of Cloud KMS, set on the bucket")
		case low == "x-goog-acl", strings.HasPrefix(low, "x-goog-grant-"):
			return sallyport.E(sallyport.Invalid, "gcs", "the request sets rights in a header").WithHint("set them by the JSON API, where policy can decide about it")
		}
	}
	return nil
}

// incoming reads what of a body must be judged.
func (t *Target) incoming(r *http.Request, v httpgate.Visit) (incoming, error) {
	kind := r.URL.Query().Get("uploadType")
	upload := strings.Contains(v.Path, "/upload/storage/")
	switch {
	case upload && kind == "multipart":
		boundary, err := boundaryOf(r.Header.Get("Content-Type"))
		if err != nil {
			return incoming{}, bad("the upload is no multipart message", "send multipart/related: the object's metadata as JSON, then its content")
		}
		return parts(multipart.NewReader(r.Body, boundary))
	case upload && (kind == "media" || r.URL.Query().Get("upload_id") != ""), !strings.Contains(v.Path, "/storage/v1/") && r.Method == http.MethodPut:
		return incoming{media: r.Body, mediaType: r.Header.Get("Content-Type")}, nil
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return incoming{}, bad("the request's body is packed", "send it without Content-Encoding")
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, analyze.MaxBody+1))
	if err != nil {
		return incoming{}, bad("the request's body did not come whole", "send it again")
	}
	return incoming{json: b}, nil
}

// boundaryOf reads what separates the parts of a multipart message. Some of Google's
// clients write it in single quotes, which are no part of it.
func boundaryOf(contentType string) (string, error) {
	kind, rest, _ := strings.Cut(contentType, ";")
	_, params, err := mime.ParseMediaType(contentType)
	b := params["boundary"]
	if err != nil {
		var ok bool
		if _, b, ok = strings.Cut(rest, "boundary="); !ok {
			return "", err
		}
		b = strings.TrimSpace(b)
	}
	if n := len(b); n > 2 && b[0] == '\'' && b[n-1] == '\'' {
		b = b[1 : n-1]
	}
	if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(kind)), "multipart/") || b == "" || len(b) > 70 || strings.ContainsAny(b, "\r\n;\"") {
		return "", errors.New("there is no boundary")
	}
	return b, nil
}

func bad(what, hint string) error { return sallyport.E(sallyport.Invalid, "gcs", what).WithHint(hint) }

// parts takes a multipart upload apart.
func parts(m *multipart.Reader) (incoming, error) {
	// Errors of mime/multipart quote the lines that they are about.
	broken := bad("the upload is no multipart message", "send multipart/related: the object's metadata as JSON, then its content")
	head, err := m.NextRawPart()
	if err != nil {
		return incoming{}, broken
	}
	meta, err := io.ReadAll(io.LimitReader(head, analyze.MaxBody+1))
	if err != nil {
		return incoming{}, broken
	}
	content, err := m.NextRawPart()
	if err != nil {
		return incoming{}, broken
	}
	for name := range content.Header {
		if strings.EqualFold(name, "Content-Transfer-Encoding") && !strings.EqualFold(content.Header.Get(name), "binary") {
			return incoming{}, bad("the upload's content is encoded for transfer", "send it as it is, without Content-Transfer-Encoding")
		}
	}
	return incoming{json: meta, media: &only{content, m}, mediaType: content.Header.Get("Content-Type")}, nil
}

// only is the content of an upload, and an error when something follows it.
type only struct {
	part *multipart.Part
	m    *multipart.Reader
}

// Read implements [io.Reader].
func (o *only) Read(p []byte) (int, error) {
	n, err := o.part.Read(p)
	if errors.Is(err, io.EOF) {
		if _, more := o.m.NextRawPart(); !errors.Is(more, io.EOF) {
			return n, errors.New("the upload does not end behind its content")
		}
	}
	return n, err
}

// text is the request as it is sealed for auditors, and as an approval is bound to
// it. Content that is uploaded is not part of it.
func (e *exchange) text(path string) []byte {
	var b bytes.Buffer
	b.WriteString(e.request.Method + " " + path)
	if e.request.URL.RawQuery != "" {
		b.WriteString("?" + e.request.URL.RawQuery)
	}
	b.WriteString("\n")
	if err := e.headers().Write(&b); err != nil {
		b.WriteString("(its headers cannot be shown)\n") // a buffer takes everything
	}
	b.WriteString("\n")
	b.Write(e.in.json)
	return b.Bytes()
}

// headers are those of the request that pass.
func (e *exchange) headers() http.Header {
	out := http.Header{}
	for name, values := range e.request.Header {
		if passes(name, e.in.media != nil || e.call != nil && e.call.ID == "objects.insert") {
			out[http.CanonicalHeaderKey(name)] = values
		}
	}
	return out
}

// passes knows the headers of requests that reach the service: those that say
// what a request is about, and none that carries a credential.
func passes(name string, upload bool) bool {
	name = strings.ToLower(name)
	switch name {
	case "user-agent", "x-goog-api-client", "x-goog-gcs-idempotency-token", "x-goog-if-generation-match", "x-goog-if-metageneration-match", "if-match", "accept":
		return true
	case "content-type", "content-encoding", "content-range", "content-md5", "content-disposition", "content-language", "cache-control", "x-goog-hash", "x-goog-storage-class",
		"x-goog-custom-time", "x-upload-content-type", "x-upload-content-length":
		return upload
	}
	return upload && strings.HasPrefix(name, "x-goog-meta-")
}
