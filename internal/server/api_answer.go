// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

const (
	// maxBody is the largest body of a request, in bytes.
	maxBody = 64 << 10
	// bodyPatience is how long the body of a request may take to arrive, and
	// writePatience how long the client may take to accept a piece of the answer.
	bodyPatience, writePatience = 15 * time.Second, 30 * time.Second
	// maxWords is the longest reason that goes on record or to a client, in
	// characters.
	maxWords = 500
)

// endpoint makes the answer that is written as JSON.
type endpoint func(ctx context.Context, r *http.Request, c caller) (any, error)

// streamer writes its answer itself. An error before the first byte is answered
// as any other; one after it cuts the connection, so that what was sent cannot
// pass for whole.
type streamer func(ctx context.Context, w http.ResponseWriter, r *http.Request, c caller) error

// json serves an endpoint to whoever is authenticated.
func (a *api) json(serve endpoint) http.Handler {
	return a.stream(func(ctx context.Context, w http.ResponseWriter, r *http.Request, c caller) error {
		v, err := serve(ctx, r, c)
		if err != nil {
			return err
		}
		a.answer(w, r, http.StatusOK, v)
		return nil
	})
}

// stream serves a streamer to whoever is authenticated.
func (a *api) stream(serve streamer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := &response{ResponseWriter: w, patient: func() { a.deadline(w) }}
		err := a.admit(out, r, serve)
		switch {
		case err == nil:
		case !out.begun:
			a.fail(w, r, err)
		default:
			a.note(r, err)
			_ = http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0)) // the end of the answer is not written
		}
	})
}

// admit authenticates the caller, reads the body, and serves.
func (a *api) admit(w http.ResponseWriter, r *http.Request, serve streamer) error {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ctx := identity.WithClient(r.Context(), host)
	c, err := a.authenticate(ctx, r)
	if err != nil {
		return err
	}
	if err := a.receive(w, r); err != nil {
		return err
	}
	return serve(ctx, w, r, c)
}

// timed bounds how long a handler that reads its own body may take to get it.
func (a *api) timed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(a.g.deps.Now().Add(bodyPatience)) // a connection that takes none is gone
		next.ServeHTTP(w, r)
	})
}

// receive reads the whole body, so that the time that it takes is bounded apart
// from the time that the answer takes.
func (a *api) receive(w http.ResponseWriter, r *http.Request) error {
	rc := http.NewResponseController(w)
	if err := rc.SetReadDeadline(a.g.deps.Now().Add(bodyPatience)); err != nil {
		return sallyport.E(sallyport.Internal, "api", "the connection takes no deadline").Because(err)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return invalid(fmt.Sprintf("the body is larger than %d bytes", maxBody), "send less")
	case err != nil:
		return invalid("the body could not be read", "send it whole and without delay")
	case len(body) > 0 && r.Method == http.MethodGet:
		return invalid("a GET has no body", "put the parameters into the query")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return rc.SetReadDeadline(time.Time{})
}

// deadline gives the client some time to accept the next piece.
func (a *api) deadline(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(a.g.deps.Now().Add(writePatience)) // a connection that takes none is gone
}

// response knows whether its first byte was written.
type response struct {
	http.ResponseWriter
	patient func() // called before each write
	begun   bool
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *response) Write(b []byte) (int, error) {
	w.begun = true
	w.patient()
	return w.ResponseWriter.Write(b)
}

// answer writes v as JSON.
func (a *api) answer(w http.ResponseWriter, r *http.Request, status int, v any) {
	b, err := encode(v)
	if err != nil {
		a.note(r, err)
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	a.deadline(w)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // a client that is gone needs no answer
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, sallyport.E(sallyport.Internal, "api", "the answer cannot be encoded").Because(err)
	}
	return b.Bytes(), nil
}

// problem is the answer that tells of an error.
type problem struct {
	Error struct {
		Kind    string `json:"kind"`
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
	} `json:"error"`
}

func problemOf(err error) problem {
	var p problem
	p.Error.Kind = sallyport.KindOf(err).String()
	p.Error.Message, p.Error.Hint = sallyport.Public(err)
	return p
}

// statusOf maps a kind of error to the HTTP status.
func statusOf(k sallyport.Kind) int {
	switch k {
	case sallyport.Invalid:
		return http.StatusBadRequest
	case sallyport.Unauthenticated:
		return http.StatusUnauthorized
	case sallyport.Denied:
		return http.StatusForbidden
	case sallyport.NotFound:
		return http.StatusNotFound
	case sallyport.Held, sallyport.Conflict:
		return http.StatusConflict
	case sallyport.Exhausted:
		return http.StatusTooManyRequests
	case sallyport.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// fail answers with an error.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	a.note(r, err)
	w.Header().Del("Content-Disposition") // of the file that there is not
	status := statusOf(sallyport.KindOf(err))
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="sallyport"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	}
	a.answer(w, r, status, problemOf(err))
}

// note logs an error that is the gateway's own.
func (a *api) note(r *http.Request, err error) {
	level := a.g.deps.Log.DebugContext
	switch sallyport.KindOf(err) {
	case sallyport.Internal, sallyport.Integrity:
		level = a.g.deps.Log.ErrorContext
	case sallyport.Unavailable:
		level = a.g.deps.Log.WarnContext
	}
	if r.Context().Err() != nil { // the client left, or the gateway stops
		level = a.g.deps.Log.DebugContext
	}
	level(r.Context(), "api", "method", r.Method, "route", r.Pattern, "err", err)
}

func invalid(msg, hint string) error {
	return sallyport.E(sallyport.Invalid, "api", msg).WithHint(hint)
}

// decode reads the body into v, which is a pointer to a struct. An empty body
// counts as an empty object.
func decode(r *http.Request, v any) error {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if len(b) == 0 {
		return nil
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return invalid("the body is not declared as JSON", "send it with Content-Type: application/json")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	err = dec.Decode(v)
	if err == nil && dec.More() {
		err = errors.New("more than one value")
	}
	if err != nil {
		what := "the body is not what this path takes"
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok && len(name) < 60 {
			what = "the body has a key that this path does not know: " + strings.Trim(name, `"`)
		}
		return invalid(what, "see docs/reference/api.md")
	}
	return nil
}

// query returns the parameters of the URL; any that is not among names, or
// given twice, is refused.
func query(r *http.Request, names ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalid("the query cannot be read", "escape its values")
	}
	for name, values := range q {
		if !slices.Contains(names, name) {
			return nil, invalid("the query has a parameter that this path does not know", "it knows: "+strings.Join(names, ", "))
		}
		if len(values) > 1 {
			return nil, invalid("the parameter "+name+" is given more than once", "give it once")
		}
	}
	return q, nil
}

// number reads a parameter between 1 and most, or preset where it is absent.
func number(q url.Values, name string, preset, most uint64) (uint64, error) {
	if !q.Has(name) {
		return preset, nil
	}
	n, err := strconv.ParseUint(q.Get(name), 10, 64)
	if err != nil || n < 1 || n > most {
		return 0, invalid(fmt.Sprintf("%s is not a number from 1 to %d", name, most), "")
	}
	return n, nil
}

// instant reads a time, zero where it is absent.
func instant(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, invalid(name+" is not a time", "write it as in RFC 3339: 2026-01-31T08:00:00Z")
	}
	return t, nil
}

// words checks a text that a person gives as a reason. It goes on record and to
// terminals, so it holds nothing but what prints.
func words(what, text string) (string, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return "", invalid("a "+what+" is required", "say why")
	case utf8.RuneCountInString(text) > maxWords:
		return "", invalid(fmt.Sprintf("the %s is longer than %d characters", what, maxWords), "shorten it")
	case strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r)
	}):
		return "", invalid("the "+what+" holds characters that do not print", "write one line of plain text")
	}
	return text, nil
}
