// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
)

// refusal is an error with a status of HTTP of its own.
type refusal struct {
	code   int
	reason string // the API's word, "" for none
	err    error
}

// status gives an error a status of HTTP and the API's word for it.
func status(code int, reason string, err error) error {
	return &refusal{code: code, reason: reason, err: err}
}

// Error implements error.
func (r *refusal) Error() string { return r.err.Error() }

// Unwrap gives the error itself.
func (r *refusal) Unwrap() error { return r.err }

// bad is an error of a request that cannot be judged.
func bad(what, hint string) error {
	return sallyport.E(sallyport.Invalid, Protocol, what).WithHint(hint)
}

// reasonOf is the API's word for a status of HTTP.
func reasonOf(code int) string {
	switch code {
	case http.StatusBadRequest:
		return "BadRequest"
	case http.StatusUnauthorized:
		return "Unauthorized"
	case http.StatusForbidden:
		return "Forbidden"
	case http.StatusNotFound:
		return "NotFound"
	case http.StatusConflict:
		return "Conflict"
	case http.StatusTooManyRequests:
		return "TooManyRequests"
	case http.StatusServiceUnavailable:
		return "ServiceUnavailable"
	}
	return "InternalError"
}

// statusOf is an error as the API has it, and its status of HTTP. Clients show the
// message alone, so that the hint is part of it.
func statusOf(err error) (int, []byte) {
	code := httpgate.StatusOf(err)
	reason := reasonOf(code)
	var own *refusal
	if errors.As(err, &own) {
		code, reason = own.code, own.reason
	}
	b, merr := json.Marshal(struct {
		Kind       string   `json:"kind"`
		APIVersion string   `json:"apiVersion"`
		Metadata   struct{} `json:"metadata"`
		Status     string   `json:"status"`
		Message    string   `json:"message"`
		Reason     string   `json:"reason,omitempty"`
		Code       int      `json:"code"`
	}{Kind: "Status", APIVersion: "v1", Status: "Failure", Message: message(err), Reason: reason, Code: code})
	if merr != nil {
		b = []byte(`{"kind":"Status","apiVersion":"v1","status":"Failure"}`) // texts only; it cannot be
	}
	return code, append(b, '\n')
}

// failed answers with an error: in the API's form, or for discovery as text, since
// clients show nothing else of an error of discovery.
func failed(w http.ResponseWriter, r *http.Request, err error) {
	if !discovers(r) {
		fail(w, err)
		return
	}
	code, _ := statusOf(err)
	h := headers(w, code)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(message(err) + "\n")) // a client that is gone has nothing to be told
}

// discovers reports whether a request asks what a cluster has.
func discovers(r *http.Request) bool {
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case len(path) > 2 && path[0] == "k8s":
		path = path[2:]
	case len(path) > 3 && path[0] == "r":
		path = path[3:]
	}
	switch path[0] {
	case "api":
		return len(path) < 3
	case "apis":
		return len(path) < 4
	case "openapi", "version":
		return true
	}
	return false
}

// message is what a client is told, with what to do about it.
func message(err error) string {
	msg, hint := sallyport.Public(err)
	msg = "sallyport: " + msg
	if hint != "" {
		msg += " (" + hint + ")"
	}
	return msg
}

// headers sets those of an error.
func headers(w http.ResponseWriter, code int) http.Header {
	h := w.Header()
	for name := range h {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	switch code {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="sallyport"`)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	}
	return h
}

// fail answers with an error in the API's form.
func fail(w http.ResponseWriter, err error) {
	code, body := statusOf(err)
	headers(w, code).Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body) // a client that is gone has nothing to be told
}
