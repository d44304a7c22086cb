// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"errors"
	"io"
	"net/http"

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
		_, err = io.CopyBuffer(struct{ io.Writer }{out}, upstream.Guard(res.Request, e.t.client.CredentialHeaders(), res.Body), make([]byte, pieceSize))
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

// lines lets what is written leave at once.
type lines struct{ w http.ResponseWriter }

// Write implements io.Writer.
func (l lines) Write(p []byte) (int, error) { return l.w.Write(p) }

// Flush has what was written leave.
func (l lines) Flush() error { return http.NewResponseController(l.w).Flush() }
