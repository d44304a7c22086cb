// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/gcs"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// exchange is one request and its answer.
type exchange struct {
	t         *Target
	sess      *session.Session
	base      string // prefix of links
	request   *http.Request
	in        incoming
	call      *analyze.Call
	admission *session.Admission
	upload    *upload // of a resumable upload that goes on
	counts    []mask.Count
	recorded  int
	budget    int64 // of what may still be masked for a list
}

// Kinds of what a recording holds of a request.
const (
	recordRequest = "request"
	recordBody    = "body"
)

// run sends the admitted request and delivers the answer.
func (e *exchange) run(w http.ResponseWriter, p session.Permit) error {
	var o upstream.Outcome
	err := e.serve(w, p, &o)
	return errors.Join(err, e.sess.Settle(p, o.Result(e.request.Context(), err, e.counts)))
}

// serve answers one permitted request. What it returns was told to the client.
func (e *exchange) serve(w http.ResponseWriter, p session.Permit, o *upstream.Outcome) (err error) {
	told := func(err error) error {
		if err != nil && !errors.Is(err, httpgate.ErrBroken) {
			fail(w, e.request, err)
		}
		return err
	}
	switch {
	case e.call.Media:
		return told(e.media(w, p, o))
	case e.in.media != nil || e.call.Surface == analyze.Upload:
		return told(e.send(w, p, o))
	}
	res, err := e.ask(p, e.request.Method, e.address(), bytes.NewReader(e.in.json), int64(len(e.in.json)), e.headers())
	if err != nil {
		o.Status = upstream.Unanswered(err)
		return told(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read as far as it is needed
	return told(e.describe(w, p, res, o))
}

// address is where a call is sent: its method's path, written anew.
func (e *exchange) address() *url.URL {
	c := e.call
	if c.Surface == analyze.XML {
		return e.t.at("/"+url.PathEscape(c.Bucket)+"/"+escapeName(c.Object), c.Params)
	}
	path := "/storage/v1" + jsonPath(e.request.URL.EscapedPath())
	return e.t.at(path, c.Params)
}

// jsonPath is a path of the JSON API behind the last version in it. Only paths that
// the analyser took come here, and it took them from that place on.
func jsonPath(path string) string {
	const version = "/storage/v1"
	for {
		i := strings.Index(path, version+"/")
		if i < 0 {
			return path
		}
		path = path[i+len(version):]
	}
}

// escapeName escapes an object's name for the XML API, which has slashes in paths.
func escapeName(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

// at is an address of the service. path is escaped.
func (t *Target) at(path string, params url.Values) *url.URL {
	return t.client.At(path, params.Encode())
}

// ask sends a request to the service. length is that of the body, -1 where it is not
// known.
func (e *exchange) ask(p session.Permit, verb string, to *url.URL, body io.Reader, length int64, h http.Header) (*http.Response, error) {
	return e.t.client.Ask(e.request.Context(), e.sess, p, upstream.Request{Verb: verb, To: to, Header: h, Body: body, Length: length})
}

// maskOf returns the verdict's obligation for an output, or nil where it is shown
// as it is. Without a verdict nothing is shown.
func (e *exchange) maskOf(output int) *sallyport.Mask {
	if e.admission == nil {
		return &sallyport.Mask{Output: output, Reason: "unclassified"}
	}
	for _, m := range e.admission.Masks() {
		if m.Output == output {
			return &m
		}
	}
	return nil
}

// placeOf returns the output that an object belongs to, -1 where none does.
func (e *exchange) placeOf(bucket, name string) int {
	if e.call.ID != "objects.list" {
		return min(len(e.call.Places), 1) - 1
	}
	home := e.t.cfg.Layout.Home(bucket, name).Name()
	return slices.IndexFunc(e.call.Places, func(p analyze.Place) bool { return p.Name() == home })
}

// like is what the counts of an output have in common.
func (e *exchange) like(output int) mask.Count {
	c := mask.Count{
		Output: output, Profile: e.t.cfg.Masking.Profile().Name(), ProfileVersion: e.t.cfg.Masking.Profile().Version(),
		Columns: session.SourceNames(e.admission.Statement(), output),
	}
	if m := e.maskOf(output); m != nil {
		c.Labels, c.Reason = m.Labels, m.Reason
	}
	return c
}

// recordLimit is how much of an answer a recording holds, in bytes; of the rest
// it holds the size.
const recordLimit = 1 << 20

// record puts a piece of what the client gets on record.
func (e *exchange) record(p session.Permit, kind string, m mask.Masked) error {
	if e.recorded >= recordLimit || m.Len() == 0 {
		return nil
	}
	if e.recorded += m.Len(); e.recorded >= recordLimit {
		if err := e.sess.Record(p, kind, m); err != nil {
			return err
		}
		return e.sess.Record(p, kind, mask.Synthetic([]byte("\n(the rest of the content is not recorded)\n")))
	}
	return e.sess.Record(p, kind, m)
}
