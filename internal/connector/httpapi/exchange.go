// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/httpapi"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/payload"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// exchange is one request and its answer.
type exchange struct {
	t         *Target
	sess      *session.Session
	base      string // prefix of links
	target    analyze.Target
	body      []byte
	request   *http.Request
	admission *session.Admission
	counts    []mask.Count
}

// Kinds of what a recording holds of a request.
const (
	recordRequest = "request"
	recordBody    = "body"
)

// text is the request as it is sealed for auditors, and as an approval is bound
// to it.
func (e *exchange) text() []byte {
	var b bytes.Buffer
	b.WriteString(e.request.Method + " " + e.target.Path)
	if e.target.Query != "" {
		b.WriteString("?" + e.target.Query)
	}
	b.WriteString("\n")
	if err := e.t.requestHeaders(e.request.Header).Write(&b); err != nil {
		b.WriteString("(its headers cannot be shown)\n") // a buffer takes everything
	}
	b.WriteString("\n")
	b.Write(e.body)
	return b.Bytes()
}

// masked reports whether policy wants the answer masked.
func (e *exchange) masked() bool { return e.admission == nil || len(e.admission.Masks()) > 0 }

// run sends the admitted request and delivers the answer.
func (e *exchange) run(w http.ResponseWriter, p session.Permit) error {
	if err := e.recordRequest(p); err != nil {
		httpgate.Problem(w, err)
		return errors.Join(err, e.settle(p, session.Result{Status: "skipped"}))
	}
	res, err := e.send(p)
	if err != nil {
		httpgate.Problem(w, err)
		return errors.Join(err, e.settle(p, session.Result{Status: upstream.Unanswered(err)}))
	}
	defer res.Body.Close() //nolint:errcheck // it was read as far as it is needed
	r := session.Result{Status: "ok", Code: strconv.Itoa(res.StatusCode), Tag: strconv.Itoa(res.StatusCode) + " " + http.StatusText(res.StatusCode)}
	if res.StatusCode >= http.StatusBadRequest {
		r.Status = "error"
	}
	r.Bytes, err = e.deliver(w, p, res)
	if err != nil && r.Status == "ok" && e.request.Context().Err() != nil {
		r.Status = "cancelled"
	}
	r.Masked = e.counts
	return errors.Join(err, e.settle(p, r))
}

func (e *exchange) settle(p session.Permit, r session.Result) error { return e.sess.Settle(p, r) }

// send forwards the request.
func (e *exchange) send(p session.Permit) (*http.Response, error) {
	h := e.t.requestHeaders(e.request.Header)
	h.Set("Accept-Encoding", "identity")
	to := e.t.client.At(strings.TrimSuffix(e.t.cfg.Base.EscapedPath(), "/")+e.target.Path, e.target.Query)
	return e.t.client.Ask(e.request.Context(), e.sess, p, upstream.Request{
		Verb: e.request.Method, To: to, Header: h, Body: bytes.NewReader(e.body), Length: int64(len(e.body)),
	})
}

// like is what the counts of an output have in common; output 0 is the answer,
// -1 the request.
func (e *exchange) like(output int) mask.Count {
	c := mask.Count{Output: output, Profile: e.t.cfg.Masking.Profile().Name(), ProfileVersion: e.t.cfg.Masking.Profile().Version()}
	if output < 0 {
		c.Reason, c.Columns = "recording", []string{"request body"}
		return c
	}
	c.Columns = session.SourceNames(e.admission.Statement(), 0)
	if masks := e.admission.Masks(); len(masks) > 0 {
		c.Labels, c.Reason = masks[0].Labels, masks[0].Reason
	}
	return c
}

// recordRequest records the request's body, masked whatever policy says of
// answers.
func (e *exchange) recordRequest(p session.Permit) error {
	if len(e.body) == 0 {
		return nil
	}
	kind, ok := kindOf(e.request.Header.Get("Content-Type"), e.body)
	if !ok {
		return e.sess.Record(p, recordRequest, mask.Synthetic([]byte("("+strconv.Itoa(len(e.body))+" bytes of a kind that cannot be masked)\n")))
	}
	b := e.t.strict.Body(kind)
	m, err := b.Write(mask.FromUpstream(e.body))
	if err == nil && m.Len() > 0 {
		err = e.sess.Record(p, recordRequest, m)
	}
	if err != nil {
		return err
	}
	if m, err = b.Flush(); err != nil {
		return err
	}
	e.counts = append(e.counts, b.Counts(e.like(-1))...)
	return e.sess.Record(p, recordRequest, m)
}

// kindOf tells how a body is masked; ok is false for what no mask knows.
func kindOf(contentType string, head []byte) (payload.Kind, bool) {
	media, _, err := mime.ParseMediaType(contentType)
	if contentType == "" {
		media, err = "application/octet-stream", nil
	}
	switch {
	case err != nil:
		return "", false
	case media == "text/event-stream":
		return payload.Events, true
	case media == "application/fhir+json":
		return payload.FHIR, true
	case media == "application/x-ndjson", media == "application/ndjson", media == "application/jsonl", media == "application/fhir+ndjson":
		return payload.NDJSON, true
	case media == "text/csv":
		return payload.CSV, true
	case media == "application/json", strings.HasSuffix(media, "+json"), media == "text/json":
		if k := payload.Sniff(head); k == payload.FHIR || k == payload.NDJSON {
			return k, true
		}
		return payload.JSON, true
	case media == "application/hl7-v2", media == "x-application/hl7-v2+er7":
		return payload.HL7, true
	case media == "application/edi-x12":
		return payload.X12, true
	case strings.HasPrefix(media, "text/"), media == "application/xml", strings.HasSuffix(media, "+xml"), media == "application/x-www-form-urlencoded":
		return payload.Text, true
	}
	return "", false
}

// deliver masks, records and delivers an answer, and returns how many bytes of it
// left.
func (e *exchange) deliver(w http.ResponseWriter, p session.Permit, res *http.Response) (uint64, error) {
	body, err := unpacked(res)
	if err != nil {
		return 0, e.withhold(w, err)
	}
	in := bufio.NewReaderSize(upstream.Guard(res.Request, e.t.client.CredentialHeaders(), body), payload.HeadLen)
	// What has come is enough to tell a kind by; an event must not wait for more.
	head, err := in.Peek(1)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, e.withhold(w, err)
	}
	if len(head) > 0 {
		head, _ = in.Peek(in.Buffered())
	}
	m, media, err := e.mask(res, head)
	if err != nil {
		return 0, e.withhold(w, err)
	}
	out := &downstream{w: w, e: e, p: p, live: media == "text/event-stream"}
	err = out.all(res, media, in, m)
	return out.n, err
}

// unpacked is the body of an answer without its packing, which was not asked for.
func unpacked(res *http.Response) (io.Reader, error) {
	switch res.Header.Get("Content-Encoding") {
	case "", "identity":
		return res.Body, nil
	case "gzip":
		return gzip.NewReader(res.Body)
	}
	return nil, sallyport.E(sallyport.Unavailable, "http", "the answer is packed in a way that cannot be masked")
}

// mask chooses the mask of an answer, and its type as the client is told.
func (e *exchange) mask(res *http.Response, head []byte) (*mask.Body, string, error) {
	contentType := res.Header.Get("Content-Type")
	masks := e.admission.Masks()
	if len(masks) == 0 {
		return mask.ClearBody(), contentType, nil
	}
	if len(head) == 0 {
		return mask.ClearBody(), "", nil // there is nothing
	}
	kind, ok := kindOf(contentType, head)
	if !ok {
		return nil, "", sallyport.E(sallyport.Denied, "http", "the answer is of a type that cannot be masked, so it is withheld").
			WithHint("ask for JSON, text or CSV (Accept), or for a policy that permits the raw answer")
	}
	media, params, err := mime.ParseMediaType(contentType)
	if charset := strings.ToLower(params["charset"]); err != nil && contentType != "" || charset != "" && charset != "utf-8" && charset != "us-ascii" {
		return nil, "", sallyport.E(sallyport.Denied, "http", "the answer is in an encoding that cannot be masked, so it is withheld").WithHint("ask for UTF-8 (Accept-Charset)")
	}
	if kind == payload.Text && !masks[0].Scan {
		return nil, "", sallyport.E(sallyport.Denied, "http", "the answer is free text, which this role may not see").
			WithHint("a permit for readScanned shows it without what the scanner finds")
	}
	m := e.t.strict
	if masks[0].Scan {
		m = e.t.scanned
	}
	if media != "" {
		media += "; charset=utf-8"
	}
	return m.Body(kind), strings.Replace(media, "text/event-stream; charset=utf-8", "text/event-stream", 1), nil
}

// withhold answers in place of what cannot be delivered.
func (e *exchange) withhold(w http.ResponseWriter, err error) error {
	var own *sallyport.Error
	if errors.Is(err, upstream.ErrCredential) {
		err = sallyport.E(sallyport.Denied, "http", "the answer holds the gateway's own credential, so it is withheld").
			WithHint("the API shows what it was sent; have it show less").Because(err)
	}
	if !errors.As(err, &own) {
		err = sallyport.E(sallyport.Unavailable, "http", "the target's answer broke off").WithHint("the request was executed; ask for its result again").Because(err)
	}
	if sallyport.KindOf(err) == sallyport.Denied {
		e.counts = append(e.counts, mask.Whole(e.like(0)))
	}
	httpgate.Problem(w, err)
	return err
}
