// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/kube"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/kubemask"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// exchange is one request for a document, and its answer.
type exchange struct {
	t         *Target
	sess      *session.Session
	request   *http.Request
	c         *call
	accept    accepted
	body      *body
	uid       string // of the object that is changed or removed, where it was looked up
	admission *session.Admission
	// durable returns once the intent is; nil where it was before the request was sent.
	durable func(context.Context) error
	counts  []mask.Count
}

// Kinds of what a recording holds of a request.
const (
	recordRequest = "request"
	recordBody    = "body"
)

// exchange answers a request for a document.
func (t *Target) exchange(w http.ResponseWriter, r *http.Request, v httpgate.Visit, c *call) error {
	told := func(err error) error {
		failed(w, r, err)
		return err
	}
	e := &exchange{t: t, sess: v.Session, request: r, c: c}
	var err error
	if r.Header.Get("Upgrade") != "" {
		return told(bad("the request asks for another protocol, which "+c.Readable()+" has not", "only exec, attach and portforward of pods have streams"))
	}
	if e.accept, err = acceptable(r.Header, c); err != nil {
		return told(err)
	}
	if e.body, err = t.readBody(w, r, c); err != nil {
		return told(err)
	}
	if err := e.lookUp(r.Context()); err != nil {
		return told(err)
	}
	p, err := e.permit(r.Context())
	if err != nil {
		return told(err)
	}
	return e.run(w, p)
}

// command is the request as the engine is asked about it.
func (e *exchange) command() session.Command {
	c := session.Command{Statement: e.t.cfg.Layout.Statement(e.t.cfg.Resource, &e.c.Call), Text: e.text()}
	if e.uid != "" {
		c.Objects = []string{e.uid}
	}
	return c
}

// permit has the request decided about and put on record.
func (e *exchange) permit(ctx context.Context) (session.Permit, error) {
	c := e.command()
	var err error
	if e.admission, err = e.sess.Admit(ctx, c); err != nil {
		return session.Permit{}, err
	}
	if err := e.sound(); err != nil {
		reason, hint := sallyport.Public(err)
		return session.Permit{}, errors.Join(err, e.sess.Refuse(ctx, c, reason, hint))
	}
	intents := []session.Intent{{Admission: e.admission}}
	var permits []session.Permit
	if e.sess.Early(intents) {
		permits, e.durable, err = e.sess.IntendEarly(ctx, intents...)
	} else {
		permits, err = e.sess.Intend(ctx, intents...)
	}
	if err != nil {
		return session.Permit{}, err
	}
	return permits[0], nil
}

// recorded waits until the intent is durable. Nothing of the answer, not even that there
// is one, leaves before.
func (e *exchange) recorded() error {
	if e.durable == nil {
		return nil
	}
	return e.durable(e.request.Context())
}

// sound refuses what policy admits and the gateway cannot answer rightly.
func (e *exchange) sound() error {
	if e.c.logs() {
		return e.readable()
	}
	if e.shown(kube.OutputBody) == kubemask.Raw && e.shown(kube.OutputData) == kubemask.Raw {
		return nil // who sees everything has got no masks to send back
	}
	return e.body.unmasked()
}

// text is the request as it is sealed for auditors, and as an approval is bound to
// it.
func (e *exchange) text() []byte {
	var b bytes.Buffer
	b.WriteString(e.c.Method + " " + e.c.path)
	if e.c.query != "" {
		b.WriteString("?" + e.c.query)
	}
	b.WriteString("\n")
	if e.body.media != "" {
		b.WriteString("Content-Type: " + e.body.media + "\n")
	}
	b.WriteString("\n")
	b.Write(e.body.json)
	return b.Bytes()
}

// mask returns what policy wants masked of an output, nil for nothing.
func (e *exchange) mask(output int) *sallyport.Mask {
	for _, m := range e.admission.Masks() {
		if m.Output == output {
			return &m
		}
	}
	return nil
}

// shown is how much of an output may be shown.
func (e *exchange) shown(output int) kubemask.Level {
	switch m := e.mask(output); {
	case m == nil:
		return kubemask.Raw
	case m.Scan:
		return kubemask.Scan
	}
	return kubemask.Whole
}

// plan is how the answer is masked.
func (e *exchange) plan() kubemask.Plan {
	p := kubemask.Plan{
		Base: e.shown(kube.OutputBody), Builtin: kube.Builtin(e.c.Group), Frames: e.c.Verb == "watch",
	}
	switch e.t.cfg.Layout.Fields(&e.c.Call) {
	case kube.SecretData:
		p.Data, p.DataLevel = kubemask.SecretData, e.shown(kube.OutputData)
	case kube.ConfigMapData:
		p.Data, p.DataLevel = kubemask.ConfigMapData, e.shown(kube.OutputData)
	case kube.CredentialData:
		p.Data, p.DataLevel = kubemask.CredentialData, e.shown(kube.OutputData)
	}
	return p
}

// like is what the counts of an output have in common; -1 is the request.
func (e *exchange) like(output int) mask.Count {
	c := mask.Count{Output: output, Profile: e.t.cfg.Masking.Profile().Name(), ProfileVersion: e.t.cfg.Masking.Profile().Version()}
	if output < 0 {
		c.Reason, c.Columns = "recording", []string{"request body"}
		return c
	}
	c.Columns = session.SourceNames(e.admission.Statement(), output)
	if m := e.mask(output); m != nil {
		c.Labels, c.Reason = m.Labels, m.Reason
	}
	return c
}

// run sends the admitted request and delivers the answer.
func (e *exchange) run(w http.ResponseWriter, p session.Permit) error {
	settle := func(r session.Result) error { return e.sess.Settle(p, r) }
	if err := e.recordRequest(p); err != nil {
		failed(w, e.request, err)
		return errors.Join(err, settle(session.Result{Status: "skipped"}))
	}
	res, err := e.send(p)
	if err == nil {
		defer res.Body.Close() //nolint:errcheck // it was read as far as it is needed
	}
	if rerr := e.recorded(); rerr != nil {
		failed(w, e.request, rerr)
		return errors.Join(rerr, err, settle(session.Result{Status: "unknown"}))
	}
	if err != nil {
		failed(w, e.request, err)
		return errors.Join(err, settle(session.Result{Status: upstream.Unanswered(err)}))
	}
	if e.c.logs() && res.StatusCode == http.StatusOK {
		result, err := e.deliverLog(w, p, res)
		return errors.Join(err, settle(result))
	}
	o := upstream.Outcome{Code: res.StatusCode}
	o.Bytes, err = e.deliver(w, p, res)
	return errors.Join(err, settle(o.Result(e.request.Context(), err, e.counts)))
}

// send forwards the request.
func (e *exchange) send(p session.Permit) (*http.Response, error) {
	h := http.Header{"Accept": {e.accept.header(e.c, e.shown(kube.OutputBody) == kubemask.Whole)}, "Accept-Encoding": {"identity"}}
	if agent := e.request.UserAgent(); agent != "" {
		h.Set("User-Agent", agent)
	}
	if e.body.media != "" {
		h.Set("Content-Type", e.body.media)
	}
	if !e.c.IsResource && e.request.Header.Get("If-None-Match") != "" {
		h.Set("If-None-Match", e.request.Header.Get("If-None-Match"))
	}
	if err := e.t.cfg.Impersonate.headers(h, e.sess); err != nil {
		return nil, errors.Join(err, upstream.ErrUnsent)
	}
	return e.t.client.Ask(e.request.Context(), e.sess, p, upstream.Request{
		Verb: e.c.Method, To: e.t.at(e.c.path, e.c.query), Header: h, Body: bytes.NewReader(e.body.json), Length: int64(len(e.body.json)),
		Apart: e.c.logs(),
	})
}

// at is an address of the cluster.
func (t *Target) at(path, query string) *url.URL {
	return t.client.At(strings.TrimSuffix(t.cfg.Base.EscapedPath(), "/")+path, query)
}

// recordRequest records the request's body, masked whatever policy says of answers.
func (e *exchange) recordRequest(p session.Permit) error {
	if len(e.body.json) == 0 {
		return nil
	}
	note := mask.Synthetic([]byte("(" + strconv.Itoa(len(e.body.json)) + " bytes)\n"))
	if e.body.patch() {
		return e.sess.Record(p, recordRequest, note)
	}
	b, err := e.t.masks.Body(kubemask.Plan{Data: kubemask.SecretData, Builtin: kube.Builtin(e.c.Group)})
	if err != nil {
		return err
	}
	m, err := b.Write(mask.FromUpstream(e.body.json))
	if err == nil {
		_, err = b.Flush()
	}
	if err != nil {
		return e.sess.Record(p, recordRequest, note)
	}
	e.counts = append(e.counts, b.Counts(e.like(-1))...)
	return e.sess.Record(p, recordRequest, m)
}
