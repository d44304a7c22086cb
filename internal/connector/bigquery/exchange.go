// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
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
	owner     owner
	request   *http.Request
	call      *analyze.Call
	judged    time.Time // before anything was asked that the verdict is about
	own       analyze.Own
	job       *job         // that is asked about, or whose hidden table is
	client    string       // the client's id of a new job
	fresh     *job         // that is new to the registry, until the service has answered
	changing  *job         // that defines something; the call itself where it makes no job
	upload    string       // where the upload goes on at the service
	stream    *readSession // whose stream the call is about
	admission *session.Admission
	counts    []mask.Count
	strict    *sallyport.Statement // what the call is where native mode judges a part of it, else nil
	alike     bool                 // every column of the answer is what the one output is
}

// Kinds of what a recording holds of a request.
const (
	recordRequest = "request"
	recordBody    = "body"
)

// maxAnswer bounds one answer of the service, in bytes. A page of rows has up to
// 20 MB there.
const maxAnswer = 128 << 20

// text is the request as it is sealed for auditors, and as an approval is bound to
// it. A file that is uploaded is no part of it; the job before the file is, in the
// form that it is sent on in.
func (e *exchange) text(path string, body []byte) []byte {
	var b bytes.Buffer
	b.WriteString(e.request.Method + " " + path)
	if e.request.URL.RawQuery != "" {
		b.WriteString("?" + e.request.URL.RawQuery)
	}
	b.WriteString("\n\n")
	if e.call.Media == nil {
		b.Write(body)
	} else if f, err := e.call.Rewrite(analyze.Own{Job: "job"}); err == nil {
		b.Write(f.Body) // what stands before the file
	}
	return b.Bytes()
}

// resolve finds what the call names in the registry, and puts in what the service
// calls it. What reads the answer of a query is judged by the query.
func (e *exchange) resolve() error {
	c, reg := e.call, e.t.jobs
	if c.Method == nil {
		return nil
	}
	if c.Session != "" {
		if err := reg.session(e.owner, c.Session); err != nil {
			return err
		}
		e.own.Session = c.Session
	}
	if c.Parent != "" {
		j, err := reg.job(e.owner, c.Parent)
		if err != nil {
			return err
		}
		e.own.Parent, e.job = j.own, j
	}
	for _, t := range c.Hidden {
		j, err := reg.table(e.owner, t)
		if err != nil {
			return err
		}
		e.job = j
	}
	var err error
	switch c.Method.ID {
	case "bigquery.jobs.insert":
		if c.Upload == analyze.UploadContinue {
			e.upload, err = e.t.tokens.open(e.purpose("upload"), c.UploadID)
			return err
		}
		if e.client = c.Job; e.client == "" {
			if e.client, err = e.newID(); err != nil {
				return err
			}
		}
		e.own.Job, err = e.ownJob()
	case "bigquery.jobs.query":
		e.own.RequestID = analyze.OwnRequest(e.owner.prefix(), c.RequestID)
	case "bigquery.jobs.get", "bigquery.jobs.getQueryResults", "bigquery.jobs.cancel", "bigquery.jobs.delete":
		if e.job, err = reg.job(e.owner, c.Job); err == nil {
			e.own.Job = e.job.own
		}
	}
	if err != nil {
		return err
	}
	if c.PageToken != "" && c.Answer == analyze.AnswerRows {
		if e.own.PageToken, err = e.t.tokens.open(e.purpose("page"), c.PageToken); err != nil {
			return err
		}
	}
	if e.job != nil && c.Answer == analyze.AnswerRows {
		e.inherit(e.job.statement)
	}
	return nil
}

// inherit has the reading of an answer judged by what the answer is made of, as
// the policy of now has it.
func (e *exchange) inherit(of *sallyport.Statement) {
	st := e.call.Statement
	st.Outputs, st.Predicates = of.Outputs, append(slices.Clone(st.Predicates), of.Predicates...)
	for _, a := range of.Accesses {
		if a.Effect == sallyport.Read {
			st.Accesses = append(st.Accesses, a)
			if !slices.Contains(st.Effects, a.Effect) {
				st.Effects = append(st.Effects, a.Effect)
			}
		}
	}
}

// purpose is what a sealed token is good for: for this owner, this kind of use, and
// of rows for this job or table.
func (e *exchange) purpose(kind string) string {
	about := ""
	if kind == "page" {
		c := e.call
		about = strings.Join([]string{"table", c.Table.Project, c.Table.Dataset.ID, c.Table.ID}, "\x00")
		if e.job != nil && len(c.Hidden) == 0 {
			about = "job\x00" + e.job.client
		}
	}
	return strings.Join([]string{kind, string(e.owner.principal), string(e.owner.role), about}, "\x00")
}

// ownJob is the service's id of a new job.
func (e *exchange) ownJob() (string, error) {
	own, err := analyze.OwnJob(e.owner.prefix(), e.client)
	if err != nil || e.call.Statement.Refused != "" {
		return own, err
	}
	f, err := e.call.Rewrite(analyze.Own{Job: own, Session: e.own.Session})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append([]byte(f.Path+"\x00"), f.Body...))
	return analyze.OwnJob(e.owner.prefix()+hex.EncodeToString(sum[:20])+"_", e.client)
}

func (e *exchange) newID() (string, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(e.t.cfg.Rand, b); err != nil {
		return "", noRandomness(err)
	}
	return "job_" + hex.EncodeToString(b), nil
}

// run sends the admitted request and delivers the answer.
func (e *exchange) run(w http.ResponseWriter, p session.Permit) error {
	var o upstream.Outcome
	err := e.serve(w, p, &o)
	if err != nil && !errors.Is(err, httpgate.ErrBroken) {
		fail(w, err)
	}
	return errors.Join(err, e.sess.Settle(p, o.Result(e.request.Context(), err, e.counts)))
}

// serve answers one permitted request.
func (e *exchange) serve(w http.ResponseWriter, p session.Permit, o *upstream.Outcome) error {
	if e.call.Discovery {
		return e.discovery(w, o)
	}
	if e.call.Method.ID == "bigquery.projects.list" {
		return e.projects(w, o)
	}
	// Remembered before it is sent: what the service has must never be unknown here.
	if err := e.remember(); err != nil {
		o.Status = "skipped"
		return err
	}
	if err := e.begin(); err != nil {
		o.Status = "skipped"
		e.undo()
		return err
	}
	res, err := e.sent(p)
	if e.changing != nil {
		e.t.jobs.arrived(e.changing, "")
	}
	if err != nil {
		o.Status = "unknown"
		if errors.Is(err, upstream.ErrUnsent) {
			o.Status = "skipped"
			e.undo()
		}
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was read as far as it is needed
	if e.fresh != nil && res.StatusCode < http.StatusInternalServerError {
		e.t.jobs.settle(e.fresh, res.StatusCode >= http.StatusBadRequest)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil || len(b) > maxAnswer {
		return sallyport.E(sallyport.Unavailable, "bigquery", "the target's answer broke off, or is too large").
			WithHint("ask for its result again, with fewer rows a page").Because(err)
	}
	e.t.forget(e.call.Statement)
	if e.done(res.StatusCode) {
		e.end(e.changing)
	}
	return e.answer(w, p, res, b, o)
}

// newJob is a job of the call's, by the service's id.
func (e *exchange) newJob(own string, st *sallyport.Statement) *job {
	return &job{owner: e.owner, client: own, own: own, statement: kept(st), basis: e.call.Basis, judged: e.judged, project: e.call.Project, location: e.call.Location}
}

// forget has the catalogue read again what a statement may have changed.
func (t *Target) forget(st *sallyport.Statement) {
	for _, a := range st.Accesses {
		if len(a.Object.Path) < 3 || a.Effect != sallyport.Define && a.Effect != sallyport.Destroy && a.Effect != sallyport.Administer {
			continue
		}
		project, dataset, other := strings.Cut(a.Object.Path[1], ".")
		if !other {
			project, dataset = t.cfg.Project, a.Object.Path[1]
		}
		t.catalogue.Forget(analyze.Table{Dataset: analyze.Dataset{Project: project, ID: dataset}, ID: a.Object.Path[2]})
	}
}

// remember notes a new job.
func (e *exchange) remember() error {
	if e.own.Job == "" || e.client == "" || e.call.DryRun {
		return nil
	}
	st := e.whole()
	if e.call.Kind == "query" && e.call.Table.ID != "" {
		st = mixed(st)
	}
	one := e.newJob(e.own.Job, st)
	one.client = e.client
	j, fresh, err := e.t.jobs.add(one)
	if e.changing = j; fresh {
		e.fresh = j
	}
	return err
}

// mixed is what the answer of a query is judged by that goes into a table of a
// name: the service reads it from there, among whatever else is in the table.
func mixed(st *sallyport.Statement) *sallyport.Statement {
	c := *st
	c.Outputs = slices.Clone(st.Outputs)
	for i := range c.Outputs {
		c.Outputs[i].Unknown, c.Outputs[i].Direct, c.Outputs[i].Why = true, false, "the answer lies in a table that may hold other rows"
	}
	return &c
}

// sent forwards the request. The call may have been held since it was proven that
// the service masks for its role.
func (e *exchange) sent(p session.Permit) (*http.Response, error) {
	if err := e.t.proven(e.request.Context(), e.sess); err != nil {
		return nil, errors.Join(err, upstream.ErrUnsent)
	}
	client, err := e.t.as(e.owner.role)
	if err != nil {
		return nil, err
	}
	return e.send(client, p)
}

func (e *exchange) send(to *upstream.Client, p session.Permit) (*http.Response, error) {
	c := e.call
	if c.Upload == analyze.UploadContinue {
		return e.part(to, p)
	}
	f, err := c.Rewrite(e.own)
	if err != nil {
		return nil, errors.Join(upstream.ErrUnsent, err)
	}
	h := http.Header{"Accept-Encoding": {"identity"}}
	if len(f.Body) > 0 {
		h.Set("Content-Type", "application/json")
	}
	body, length := io.Reader(bytes.NewReader(f.Body)), int64(len(f.Body))
	switch c.Upload {
	case analyze.UploadMultipart:
		return e.file(to, p, f, h)
	case analyze.UploadBegin:
		if c.MediaType != "" {
			h.Set("X-Upload-Content-Type", c.MediaType)
		}
		if v := e.request.Header.Get("X-Upload-Content-Length"); v != "" && strings.Trim(v, "0123456789") == "" {
			h.Set("X-Upload-Content-Length", v)
		}
	}
	if v := e.request.Header.Get("If-Match"); v != "" {
		h.Set("If-Match", v)
	}
	return to.Ask(e.request.Context(), e.sess, p, upstream.Request{Verb: f.Method, To: to.At(f.Path, f.Query), Header: h, Body: body, Length: length})
}

// file sends a job with its file.
func (e *exchange) file(to *upstream.Client, p session.Permit, f analyze.Forward, h http.Header) (*http.Response, error) {
	content := upstream.NewContent(e.call.Media)
	kind, body, err := upstream.Related(e.t.cfg.Rand, f.Body, e.call.MediaType, content)
	if err != nil {
		return nil, errors.Join(upstream.ErrUnsent, err)
	}
	h.Set("Content-Type", kind)
	res, err := to.Ask(e.request.Context(), e.sess, p, upstream.Request{Verb: f.Method, To: to.At(f.Path, f.Query), Header: h, Body: body, Length: -1})
	return e.noted(p, content, res, err)
}

// part sends a part of a file to where the upload goes on.
func (e *exchange) part(client *upstream.Client, p session.Permit) (*http.Response, error) {
	to, err := url.Parse(e.upload)
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, "bigquery", "the upload's address is none").Because(errors.Join(upstream.ErrUnsent, err))
	}
	to.Scheme, to.Host = e.t.cfg.Endpoint.Scheme, e.t.cfg.Endpoint.Host // whatever the answer said
	h := http.Header{"Accept-Encoding": {"identity"}}
	for _, name := range []string{"Content-Type", "Content-Range"} {
		if v := e.request.Header.Get(name); v != "" {
			h.Set(name, v)
		}
	}
	content := upstream.NewContent(e.call.Media)
	res, err := client.Ask(e.request.Context(), e.sess, p, upstream.Request{Verb: http.MethodPut, To: to, Header: h, Body: content, Length: e.request.ContentLength})
	return e.noted(p, content, res, err)
}

// noted puts on record what was uploaded.
func (e *exchange) noted(p session.Permit, c *upstream.Content, res *http.Response, err error) (*http.Response, error) {
	note := c.Note()
	if err != nil || note == "" {
		return res, err
	}
	if err := e.sess.Record(p, recordRequest, mask.Synthetic([]byte(note))); err != nil {
		return nil, errors.Join(err, res.Body.Close())
	}
	return res, nil
}

// sessionKey finds the session that a reading of the catalogue is for.
type sessionKey struct{}

func withSession(ctx context.Context, s *session.Session) context.Context {
	return context.WithValue(ctx, sessionKey{}, s)
}

// fetch reads what a table is, for the catalogue. It is the gateway's own question,
// asked on behalf of the session that ctx has.
func (t *Target) fetch(ctx context.Context, path string, query url.Values) (int, []byte, error) {
	s, ok := ctx.Value(sessionKey{}).(*session.Session)
	if !ok {
		return 0, nil, sallyport.E(sallyport.Internal, "bigquery", "the catalogue is asked without a session")
	}
	return t.describe(ctx, s, t.client, path, query)
}

// fetchAs reads what something of a role's own is, as the identity of the role.
func (t *Target) fetchAs(ctx context.Context, s *session.Session, role sallyport.RoleID, path string, query url.Values) (int, []byte, error) {
	client, err := t.as(role)
	if err != nil {
		return 0, nil, err
	}
	return t.describe(ctx, s, client, path, query)
}

func (t *Target) describe(ctx context.Context, s *session.Session, client *upstream.Client, path string, query url.Values) (int, []byte, error) {
	res, err := upstream.Describe(ctx, client, s, client.At(path, query.Encode()))
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return res.StatusCode, b, err
}
