// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
)

// maxWriteCall bounds the message of a call that has one, in bytes.
const maxWriteCall = 4 << 20

// writing is one call of the Storage Write API and its answer.
type writing struct {
	*exchange
	w     http.ResponseWriter
	reply *httpgate.Reply
	write *analyze.WriteCall
}

// writeMethod is the method of a call of the Storage Write API.
func writeMethod(path string) (string, bool) {
	name, ok := strings.CutPrefix(path, "/"+analyze.WriteService+"/")
	return analyze.WriteService + "." + name, ok
}

// serveWrite answers a call of the Storage Write API. What it returns was told to the
// client already, with what the service says: that is for the client alone, and no
// part of the error.
func (t *Target) serveWrite(w http.ResponseWriter, r *http.Request, v httpgate.Visit, method string) error {
	reply := httpgate.NewReply(w)
	ctx, cancel, err := httpgate.Timed(r)
	if err != nil {
		reply.End(err)
		return err
	}
	defer cancel()
	e, err := t.enter(r.WithContext(ctx), v)
	if err == nil {
		err = (&writing{exchange: e, w: w, reply: reply}).serve(method)
	}
	err = httpgate.WhyEnded(ctx, err)
	reply.End(told(ctx, err))
	return err
}

// serve takes a call through the steps of the engine.
func (x *writing) serve(method string) error {
	ctx := x.request.Context()
	in, message, err := x.first(method)
	if err != nil {
		return err
	}
	x.write, err = x.t.analyser.AnalyseWrite(withSession(ctx, x.sess), method, message)
	st := x.write.Statement
	x.call = &analyze.Call{Method: &analyze.Method{ID: method, Class: analyze.ClassWrite}, Statement: st}
	if err == nil {
		err = x.owns()
	}
	if err == nil {
		_, err = x.t.storageAs(x.owner.role)
	}
	cmd := session.Command{Statement: st, Text: x.write.Text()}
	if err != nil {
		return x.refuseCall(cmd, err)
	}
	var p session.Permit
	if x.admission, p, err = x.sess.Permit(ctx, cmd); err != nil {
		return err
	}
	if method == analyze.AppendRows {
		return x.append(p, in)
	}
	return x.ask(p)
}

// first reads the first message of a call, which for all but AppendRows is the only one.
func (x *writing) first(method string) (*grpc.Reader, []byte, error) {
	if method != analyze.AppendRows {
		message, err := grpc.One(x.request.Body, maxWriteCall)
		return nil, message, err
	}
	in := grpc.NewReader(x.request.Body, analyze.MaxAppend)
	message, err := in.Next()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = sallyport.E(sallyport.Invalid, "grpc", "the call has no whole message").WithHint("send rows, with their stream and schema").Because(upstream.Plain(err))
	}
	return in, message, err
}

// owns checks that the streams of the call are the caller's. What commits rows does
// what was appended.
func (x *writing) owns() error {
	changes := false
	for _, s := range x.write.Streams {
		if s.Default() {
			continue
		}
		c, err := x.t.writes.find(x.owner, s.String())
		if err != nil {
			return err
		}
		changes = changes || c
	}
	if changes && (x.write.Method == analyze.BatchCommitWriteStreams || x.write.Method == analyze.FlushRows) {
		x.write.Deletes()
	}
	return nil
}

// header is that of a call to the service, which is routed by what it is about.
func (x *writing) header() http.Header {
	about := "parent=projects/" + x.write.Table.Project + "/datasets/" + x.write.Table.Dataset.ID + "/tables/" + url.QueryEscape(x.write.Table.ID)
	switch x.write.Method {
	case analyze.AppendRows, analyze.FlushRows:
		about = "write_stream=" + url.QueryEscape(x.write.Streams[0].String())
	case analyze.GetWriteStream, analyze.FinalizeWriteStream:
		about = "name=" + url.QueryEscape(x.write.Streams[0].String())
	}
	return http.Header{
		"Content-Type": {grpc.ContentType}, "Te": {"trailers"}, "Accept-Encoding": {grpc.Identity}, grpc.HeaderAcceptEncoding: {grpc.Identity},
		"X-Goog-Request-Params": {about},
	}
}

func (x *writing) to() *url.URL {
	return x.t.storage.At("/"+analyze.WriteService+"/"+strings.TrimPrefix(x.write.Method, analyze.WriteService+"."), "")
}

// ask answers a permitted call that has one message and one answer.
func (x *writing) ask(p session.Permit) error {
	var r session.Result
	err := x.answerOne(p, &r)
	if r.Bytes = x.reply.Bytes(); r.Status == "" {
		r.Status = "ok"
		if err != nil {
			r.Status = "error"
		}
	}
	code := codeOf(x.request.Context(), err)
	r.Code, r.Tag = strconv.Itoa(int(code)), code.String()
	return errors.Join(err, x.sess.Settle(p, r))
}

func (x *writing) answerOne(p session.Permit, r *session.Result) error {
	made := ""
	if x.write.Method == analyze.CreateWriteStream {
		if err := x.t.writes.reserve(x.owner); err != nil {
			r.Status = "skipped"
			return err
		}
		defer func() { x.t.writes.settle(x.owner, made) }()
	}
	body := grpc.Append(nil, x.write.Message())
	a, err := x.t.askCall(x.request.Context(), x.sess, p, upstream.Request{
		Verb: http.MethodPost, To: x.to(), Header: x.header(), Body: bytes.NewReader(body), Length: int64(len(body)),
	})
	if err != nil {
		r.Status = upstream.Unanswered(err)
		return err
	}
	defer a.Close()
	b, err := a.only()
	if err != nil {
		err = x.spoken(err)
		var s *said
		if !errors.As(err, &s) {
			r.Status = "unknown"
		}
		return err
	}
	out, err := x.answered(b)
	if err != nil {
		return err
	}
	if x.write.Method == analyze.CreateWriteStream {
		made = out.stream
	}
	note := "(" + strconv.Itoa(len(out.message)) + " bytes that describe streams)\n"
	if err := x.sess.Record(p, recordBody, mask.Synthetic([]byte(note))); err != nil {
		return err
	}
	return x.reply.Send(mask.Synthetic(out.message))
}
