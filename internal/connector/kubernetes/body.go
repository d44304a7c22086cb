// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	goyaml "go.yaml.in/yaml/v4"
	"sigs.k8s.io/yaml"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/kube"
)

// body is the body of a request: a document of JSON in which no member is there twice,
// so that every reader finds the same in it.
type body struct {
	json  []byte
	media string // "" for no body
	doc   *kube.Document
}

// readBody reads the body of a request to its end, which has to come in time: until then
// the request has one of the places for requests.
func (t *Target) readBody(w http.ResponseWriter, r *http.Request, c *call) (*body, error) {
	read := http.NewResponseController(w)
	_ = read.SetReadDeadline(t.cfg.Now().Add(t.cfg.Timeout)) // the connection may be gone
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, t.cfg.MaxRequest))
	var large *http.MaxBytesError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, status(http.StatusRequestTimeout, "Timeout", bad("the request's body did not come in time", "send it faster, or have the resource's timeout raised"))
	case errors.As(err, &large):
		return nil, status(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", bad("the request's body is larger than this resource allows", "send less at once, or have max_request raised"))
	case err != nil:
		return nil, sallyport.E(sallyport.Invalid, Protocol, "the request's body did not come whole").Because(err)
	}
	_ = read.SetReadDeadline(time.Time{})
	switch {
	case len(b) == 0:
		return &body{}, nil
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return nil, bad("the request has a body, which its method has not", "send it without")
	}
	out := &body{json: b}
	if err := t.form(out, r.Header.Get("Content-Type")); err != nil {
		return nil, err
	}
	if out.doc, err = kube.Parse(out.json); err != nil {
		return nil, err
	}
	if out.doc.Relabels() {
		return nil, bad("the request takes an object's labels from elsewhere in it, so that nobody knows which it will have", "send the labels themselves")
	}
	if c.workload() {
		c.Risks = t.cfg.Layout.Risks(&c.Call, out.doc)
	}
	if c.Group == "" && c.Resource == "secrets" {
		c.Risks = append(c.Risks, out.doc.Minting()...)
	}
	return out, nil
}

// form brings a body into JSON, whose type it gets.
func (t *Target) form(b *body, contentType string) error {
	media, _, err := mime.ParseMediaType(contentType)
	if contentType == "" {
		media, err = "application/json", nil
	}
	unknown := status(http.StatusUnsupportedMediaType, "UnsupportedMediaType", bad("the request's body is in a form that cannot be judged",
		"send JSON or YAML; client libraries have application/json as the content type of their configuration"))
	if err != nil {
		return unknown
	}
	switch media {
	case "application/json", "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json":
		b.media = media
		return nil
	case protobufType:
		var ok bool
		if b.json, ok = fromProtobuf(t.kinds, b.json); !ok {
			return unknown
		}
		b.media = "application/json"
		return nil
	case "application/yaml":
		b.media = "application/json"
	case "application/apply-patch+yaml":
		b.media = media // and JSON is YAML
	default:
		return unknown
	}
	// The cluster's own reader of YAML; it is strict here.
	var root goyaml.Node
	if goyaml.Unmarshal(b.json, &root) == nil && aliased(&root) {
		return bad("the request's body has anchors of YAML, which make much of little", "write it without, or send JSON")
	}
	if b.json, err = yaml.YAMLToJSONStrict(b.json); err != nil || root.Kind == 0 {
		return bad("the request's body is no YAML of one document", "send valid YAML in which no member is there twice, or JSON")
	}
	return nil
}

// aliased reports whether a node refers to another: a few references to a long text are
// more than a machine can hold, once they are written out.
func aliased(n *goyaml.Node) bool {
	return n.Kind == goyaml.AliasNode || slices.ContainsFunc(n.Content, aliased)
}

// patch reports whether the body is a list of changes.
func (b *body) patch() bool { return strings.HasSuffix(b.media, "json-patch+json") }

// unmasked refuses a body with what a mask has put in a value's place: it would be
// written over the value.
func (b *body) unmasked() error {
	if b.doc == nil {
		return nil
	}
	if b.doc.Reads() {
		return status(http.StatusUnprocessableEntity, "Invalid", bad("the request copies or compares what is masked for you (copy, move or test of a JSON patch)",
			"send add, remove and replace with the values themselves; test is for metadata.resourceVersion, uid and generation"))
	}
	fields := b.doc.Masked()
	if len(fields) == 0 {
		return nil
	}
	more := ""
	if len(fields) > 5 {
		fields, more = fields[:5], " and others"
	}
	return status(http.StatusUnprocessableEntity, "Invalid", bad("the request would write masks over values, in "+strings.Join(fields, ", ")+more,
		"what you read was masked; send the real values, or a patch without these fields"))
}
