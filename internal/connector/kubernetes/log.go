// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"github.com/sallyport-dev/sallyport/internal/analyze/kube"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/terminal"
)

// readable refuses a log that the role may not see, or one from a node whose
// certificate is not to be verified.
func (e *exchange) readable() error {
	if v := e.c.params.Get("insecureSkipTLSVerifyBackend"); v != "" && v != "false" {
		return bad("the request wants the node's certificate not verified", "leave --insecure-skip-tls-verify-backend out")
	}
	return terminal.Readable(e.admission)
}

// deliverLog masks, records and delivers a pod's log, line by line as it comes.
func (e *exchange) deliverLog(w http.ResponseWriter, p session.Permit, res *http.Response) (session.Result, error) {
	run, err := e.t.terminal.Start(terminal.Options{Session: e.sess, Permit: p, Admission: e.admission, Title: e.c.Readable(), Now: e.t.cfg.Now})
	if err != nil {
		fail(w, err)
		return session.Result{Status: "error"}, err
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	err = http.NewResponseController(w).Flush()
	if err == nil {
		out := run.Output(terminal.Stdout, lines{w})
		in := upstream.Guard(res.Request, e.t.client.CredentialHeaders(), res.Body)
		if e.c.params.Has("limitBytes") && e.mask(kube.OutputBody) != nil {
			in = &uncut{in: in}
		}
		buf := e.t.pieces.Get().(*[pieceSize]byte)
		defer e.t.pieces.Put(buf)
		_, err = io.CopyBuffer(struct{ io.Writer }{out}, in, buf[:])
		err = errors.Join(plain(err), out.Close())
	}
	r := run.Finish(terminal.Exit{}, err)
	r.Code, r.Tag = "200", "200 OK"
	switch {
	case err == nil:
		return r, nil
	case e.request.Context().Err() != nil:
		r.Status = "cancelled"
	default:
		r.Status = "error"
	}
	return r, errors.Join(httpgate.ErrBroken, err)
}

// uncut reads a log that its client has cut off somewhere, without the piece of a line at
// its end: what is left of a value there cannot be recognised.
type uncut struct {
	in  io.Reader
	buf []byte // of a line that has not ended, and what came before it
	end int    // how much of buf may leave
	err error
}

// maxCut is how much of a line is held back at most, in bytes.
const maxCut = 64 << 10

// Read implements io.Reader.
func (u *uncut) Read(p []byte) (int, error) {
	for u.end == 0 && u.err == nil {
		var n int
		n, u.err = u.in.Read(p)
		u.buf = append(u.buf, p[:n]...)
		u.end = max(bytes.LastIndexByte(u.buf, '\n')+1, len(u.buf)-maxCut)
	}
	n := copy(p, u.buf[:u.end])
	u.buf = append(u.buf[:0], u.buf[n:]...)
	if u.end -= n; n > 0 {
		return n, nil
	}
	return 0, u.err
}

// lines lets what is written leave at once.
type lines struct{ w http.ResponseWriter }

// Write implements io.Writer.
func (l lines) Write(p []byte) (int, error) { return l.w.Write(p) }

// Flush has what was written leave.
func (l lines) Flush() error { return http.NewResponseController(l.w).Flush() }
