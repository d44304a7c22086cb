// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"bytes"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/gcs"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// Bounds of the uploads that go on in parts.
const (
	maxUploads = 10_000
	maxOwn     = 1000               // of one principal
	uploadLife = 7 * 24 * time.Hour // as long as the service keeps one
	idBytes    = 18
)

// uploads are the uploads that go on. The service knows each by an address that
// needs no credential, which therefore never leaves the gateway: clients get an id
// of the gateway's own. They are not kept over a restart; a client then begins its
// upload again.
type uploads struct {
	now    func() time.Time
	random io.Reader

	mu sync.Mutex
	by map[string]*upload // guarded by mu
}

// upload is one of them. Its fields do not change.
type upload struct {
	owner          owner
	bucket, object string
	path           string // of the address that the client got, as escaped
	at             *url.URL
	until          time.Time
}

// owner is who may go on with an upload, and the session that it was begun in.
type owner struct {
	principal sallyport.PrincipalID
	role      sallyport.RoleID
	session   sallyport.SessionID
}

func newUploads(now func() time.Time, random io.Reader) *uploads {
	return &uploads{now: now, random: random, by: map[string]*upload{}}
}

func (e *exchange) owner() owner { return ownerOf(e.sess) }

func ownerOf(s *session.Session) owner { return owner{s.Principal().ID, s.Role(), s.ID()} }

// begin remembers an upload, of which the service told the address, and returns its
// id.
func (u *uploads) begin(x upload, address string) (string, error) {
	at, err := url.Parse(address)
	if err != nil { // whose text has the address in it
		return "", sallyport.E(sallyport.Unavailable, "gcs", "the target names no address for the upload")
	}
	b := make([]byte, idBytes)
	if _, err := io.ReadFull(u.random, b); err != nil {
		return "", sallyport.E(sallyport.Internal, "gcs", "no randomness for an upload's id").Because(err)
	}
	id := hex.EncodeToString(b)
	u.mu.Lock()
	defer u.mu.Unlock()
	now, own := u.now(), 0
	for id, y := range u.by {
		switch {
		case now.After(y.until):
			delete(u.by, id)
		case y.owner.principal == x.owner.principal:
			own++
		}
	}
	if len(u.by) >= maxUploads || own >= maxOwn {
		return "", sallyport.E(sallyport.Exhausted, "gcs", "too many uploads are going on").WithHint("finish or cancel some")
	}
	x.at, x.until = at, now.Add(uploadLife)
	u.by[id] = &x
	return id, nil
}

// find returns an upload of an owner's.
func (u *uploads) find(id string, o owner) (*upload, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	x := u.by[id]
	if x == nil || x.owner.principal != o.principal || x.owner.role != o.role || u.now().After(x.until) {
		return nil, sallyport.E(sallyport.NotFound, "gcs", "there is no such upload").WithHint("begin it again; uploads do not survive a restart of the gateway")
	}
	return x, nil
}

// Continues implements [httpgate.Continuer]: some clients go on with an upload
// without a token, since the service wants none there. The address is good for that
// and for nothing else: it must not become a token for the session.
func (t *Target) Continues(r *http.Request) (sallyport.SessionID, bool) {
	q := r.URL.Query()
	id := q.Get("upload_id")
	if id == "" || q.Get("uploadType") != "resumable" || r.Method != http.MethodPut && r.Method != http.MethodPost && r.Method != http.MethodDelete {
		return "", false
	}
	t.uploads.mu.Lock()
	defer t.uploads.mu.Unlock()
	x := t.uploads.by[id]
	if x == nil || r.URL.EscapedPath() != x.path {
		return "", false
	}
	return x.owner.session, true
}

// end forgets an upload.
func (u *uploads) end(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.by, id)
}

// send forwards an upload, or a part of one.
func (e *exchange) send(w http.ResponseWriter, p session.Permit, o *upstream.Outcome) error {
	h := e.headers()
	content := upstream.NewContent(e.in.media)
	var body io.Reader = bytes.NewReader(e.in.json)
	length := int64(len(e.in.json))
	switch {
	case e.call.UploadType == "multipart":
		kind, both, err := upstream.Related(e.t.cfg.Rand, e.in.json, e.in.mediaType, content)
		if err != nil {
			o.Status = "skipped"
			return err
		}
		h.Set("Content-Type", kind)
		body = both
		length = -1
	case e.in.media != nil:
		body, length = content, e.request.ContentLength
	}
	res, err := e.ask(p, e.request.Method, e.uploadAddress(), body, length, h)
	if err != nil {
		o.Status = upstream.Unanswered(err)
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was read as far as it is needed
	if note := content.Note(); note != "" {
		if err := e.sess.Record(p, recordRequest, mask.Synthetic([]byte(note))); err != nil {
			return err
		}
	}
	if e.upload != nil && ends(e.request.Method, res.StatusCode) {
		e.t.uploads.end(e.call.UploadID)
	}
	return e.describe(w, p, res, o)
}

// ends reports whether an upload is over: it is whole, was taken back, or is no
// longer known to the service. After anything else a client goes on with it.
func ends(verb string, status int) bool {
	return status < http.StatusMultipleChoices || verb == http.MethodDelete || status == http.StatusNotFound || status == http.StatusGone
}

// uploadAddress is where an upload is sent.
func (e *exchange) uploadAddress() *url.URL {
	if e.upload != nil {
		u := *e.upload.at
		u.Scheme, u.Host = e.t.cfg.Endpoint.Scheme, e.t.cfg.Endpoint.Host // whatever the answer said
		return &u
	}
	if e.call.Surface == analyze.XML {
		return e.address()
	}
	q := url.Values{"uploadType": {e.call.UploadType}}
	for name, v := range e.call.Params {
		q[name] = v
	}
	return e.t.at("/upload/storage/v1/b/"+url.PathEscape(e.call.Bucket)+"/o", q)
}
