// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package httpgate

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// StatusOf is the HTTP status for an error.
func StatusOf(err error) int {
	switch sallyport.KindOf(err) {
	case sallyport.Invalid:
		return http.StatusBadRequest
	case sallyport.Unauthenticated:
		return http.StatusUnauthorized
	case sallyport.Denied, sallyport.Held:
		return http.StatusForbidden
	case sallyport.NotFound:
		return http.StatusNotFound
	case sallyport.Conflict:
		return http.StatusConflict
	case sallyport.Exhausted:
		return http.StatusTooManyRequests
	case sallyport.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// fail answers in the form of a handler's protocol, or as an API does where there
// is none.
func fail(w http.ResponseWriter, r *http.Request, h Handler, err error) {
	if IsCall(r) {
		FailCall(w, err)
		return
	}
	if sallyport.KindOf(err) == sallyport.Unauthenticated {
		w.Header().Set("WWW-Authenticate", `Bearer realm="sallyport"`)
	}
	if h != nil {
		h.Fail(w, r, err)
		return
	}
	Problem(w, err)
}

// ErrBroken says that a part of an answer has left and the rest will not come.
var ErrBroken = sallyport.E(sallyport.Unavailable, "http", "the answer broke off")

// Ended says in the log why a request has not ended well, and breaks its answer off
// where a part has left. err is nil for one that has.
func (v Visit) Ended(log *slog.Logger, protocol string, err error) {
	if err == nil {
		return
	}
	log.Info("request ended", "protocol", protocol, "session", v.Session.ID(), "err", err)
	if errors.Is(err, ErrBroken) {
		BreakOff()
	}
}

// BreakOff ends an answer of which a part has left, so that the client sees that
// the rest is missing. It does not return: net/http knows no other way that works
// in every version of HTTP.
func BreakOff() { panic(http.ErrAbortHandler) }

// Problem answers with an error as RFC 9457 has it: what happened, and what to do
// about it.
func Problem(w http.ResponseWriter, err error) {
	msg, hint := sallyport.Public(err)
	status := StatusOf(err)
	body, merr := json.Marshal(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Kind   string `json:"kind"`
		Hint   string `json:"hint,omitempty"`
	}{http.StatusText(status), status, msg, strings.ReplaceAll(sallyport.KindOf(err).String(), " ", "-"), hint})
	if merr != nil {
		body = []byte("{}") // texts only; it cannot be
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that is gone has nothing to be told
}
