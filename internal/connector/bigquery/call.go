// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
)

// serveCall answers a call of gRPC. What it returns was told to the client already.
func (t *Target) serveCall(w http.ResponseWriter, r *http.Request, v httpgate.Visit) error {
	if method, ok := writeMethod(v.Path); ok {
		return t.serveWrite(w, r, v, method)
	}
	reply := httpgate.NewReply(w)
	ctx, cancel, err := httpgate.Timed(r)
	if err != nil {
		reply.End(err)
		return err
	}
	defer cancel()
	err = t.dispatch(ctx, reply, r, v)
	reply.End(told(ctx, err))
	return err
}

// dispatch finds who answers a call.
func (t *Target) dispatch(ctx context.Context, reply *httpgate.Reply, r *http.Request, v httpgate.Visit) error {
	e, err := t.enter(r.WithContext(ctx), v)
	if err != nil {
		return err
	}
	service, method, _ := strings.Cut(strings.TrimPrefix(v.Path, "/"), "/")
	switch {
	case t.storage == nil:
		return e.unserved(v.Path, "the gateway does not know where the Storage API of this resource is", "ask the gateway's operator for bigquery.storage_url, or read by REST")
	case service == analyze.ReadService && slices.Contains([]string{"CreateReadSession", "ReadRows", "SplitReadStream"}, method):
		return httpgate.WhyEnded(ctx, e.read(reply, v.Path, service+"."+method))
	}
	return e.unserved(v.Path, "the gateway does not serve this method", "read by "+analyze.ReadService+"; for all else there is the REST interface")
}

// unserved refuses a call that nobody here answers, on record.
func (e *exchange) unserved(path, reason, hint string) error {
	e.call = &analyze.Call{Statement: &sallyport.Statement{Protocol: Protocol, Class: "unknown", Readable: "(a call that cannot be judged)", Refused: reason, Hint: hint}}
	cmd := session.Command{Statement: e.call.Statement, Text: e.text(path, nil)}
	return errors.Join(grpc.Error(grpc.Unimplemented, reason).WithHint(hint), ignoreDenied(e.sess.Refuse(e.request.Context(), cmd, reason, hint)))
}

// refuseCall is refuse where the call is what is wrong.
func (e *exchange) refuseCall(cmd session.Command, err error) error {
	switch sallyport.KindOf(err) {
	case sallyport.Invalid, sallyport.Denied, sallyport.NotFound:
		return e.refuse(cmd, err)
	}
	return err
}

// read takes a call of the Storage Read API through the steps of the engine.
func (e *exchange) read(reply *httpgate.Reply, path, method string) error {
	ctx := e.request.Context()
	message, err := grpc.One(e.request.Body, analyze.MaxCall)
	if err != nil {
		return err
	}
	call, err := e.t.analyser.AnalyseRead(withSession(ctx, e.sess), method, message)
	e.call = call
	if err == nil && call.Stream != nil {
		err = e.ofStream()
	} else if err == nil {
		err = e.ofSession()
	}
	cmd := session.Command{Statement: e.call.Statement, Text: e.text(path, message)}
	if err != nil {
		return e.refuseCall(cmd, err)
	}
	var p session.Permit
	if e.admission, p, err = e.sess.Permit(ctx, cmd); err != nil {
		return err
	}
	var o upstream.Outcome
	switch method {
	case analyze.CreateReadSession:
		err = e.createSession(reply, p, &o)
	case analyze.ReadRows:
		err = e.readRows(reply, p, &o)
	default:
		err = e.splitStream(reply, p, &o)
	}
	o.Bytes = reply.Bytes()
	result := o.Result(ctx, err, e.counts)
	code := codeOf(ctx, err)
	result.Code, result.Tag = strconv.Itoa(int(code)), code.String()
	return errors.Join(err, e.sess.Settle(p, result))
}

// ofSession finds the job whose hidden table a session is to read. A condition on an
// answer is one on all that the answer is made of.
func (e *exchange) ofSession() error {
	if err := e.resolve(); err != nil {
		return err
	}
	st := e.call.Statement
	if e.job == nil || e.call.Read.Restriction == "" {
		return nil
	}
	st.Predicates = slices.Clone(st.Predicates)
	for _, out := range st.Outputs {
		if out.Unknown {
			return conditionRefused()
		}
		st.Predicates = append(st.Predicates, out.Sources...)
	}
	return nil
}

func conditionRefused() error {
	return sallyport.E(sallyport.Denied, "bigquery", "the rows of an answer are to be chosen by a condition, and not all of it may be seen as it is").
		WithHint("leave row_restriction out, or write the condition into the query")
}

// ofStream finds the session of a stream, by which the call is judged.
func (e *exchange) ofStream() error {
	s, err := e.t.reads.stream(e.owner, e.call.Stream.Name)
	if err != nil {
		return err
	}
	call, st := *s.call, *s.call.Statement
	call.Method, call.Stream, call.Statement = e.call.Method, e.call.Stream, &st
	st.Class, st.Readable = e.call.Statement.Class, e.call.Statement.Readable+" of "+st.Readable
	e.call, e.stream = &call, s
	if len(call.Hidden) > 0 {
		e.job = s.job
	}
	return nil
}

// askRead sends the call's message, written anew, and returns the messages of the answer.
func (e *exchange) askRead(p session.Permit, about string) (*answers, error) {
	body := grpc.Append(nil, e.call.Message())
	h := http.Header{
		"Content-Type": {grpc.ContentType}, "Te": {"trailers"}, "Accept-Encoding": {grpc.Identity}, grpc.HeaderAcceptEncoding: {grpc.Identity},
		"X-Goog-Request-Params": {about},
	}
	to := e.t.storage.At("/"+analyze.ReadService+"/"+strings.TrimPrefix(e.call.Method.ID, analyze.ReadService+"."), "")
	return e.t.askCall(e.request.Context(), e.sess, p, upstream.Request{Verb: http.MethodPost, To: to, Header: h, Body: bytes.NewReader(body), Length: int64(len(body))})
}
