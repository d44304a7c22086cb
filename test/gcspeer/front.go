// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcspeer

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// ServeHTTP is the front.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	entry := &Request{Method: r.Method, Path: r.RequestURI, Token: s.token(r), Headers: r.Header.Clone()}
	s.mu.Lock()
	s.requests = append(s.requests, entry)
	s.mu.Unlock()
	r.Body = &teed{ReadCloser: r.Body, s: s, entry: entry}
	settle := func(status int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		entry.Status = status
	}
	fail := func(status int, reason, message string) {
		settle(status)
		refuse(w, r, status, reason, message)
	}
	f, failing := s.fault(r.URL.Path)
	switch {
	case failing && f.Status != 0:
		fail(f.Status, "backendError", "Backend Error")
	case entry.Token != TokenExpected && entry.Token != TokenSession:
		fail(http.StatusUnauthorized, "required", "Anonymous caller does not have access to this resource.")
	case strings.HasPrefix(r.URL.Path, "/_internal/"):
		fail(http.StatusNotFound, "notFound", "Not Found")
	case s.progress(w, r):
		settle(http.StatusPermanentRedirect)
	default:
		proxy := &httputil.ReverseProxy{
			FlushInterval: -1,
			ErrorLog:      log.New(io.Discard, "", 0), // answers are cut on purpose
			Rewrite: func(p *httputil.ProxyRequest) {
				p.Out.URL.Scheme, p.Out.URL.Host = s.behind.Scheme, s.behind.Host
				p.Out.Host = p.In.Host // objects of the XML interface are found by it
				p.Out.Header.Del("Authorization")
			},
			ModifyResponse: func(resp *http.Response) error {
				if err := s.mend(resp); err != nil {
					return err
				}
				settle(resp.StatusCode)
				if failing && f.Cut > 0 {
					resp.Body = &cut{resp.Body, f.Cut}
				}
				return nil
			},
		}
		proxy.ServeHTTP(w, r)
	}
}

func (s *Server) token(r *http.Request) string {
	header := r.Header.Get("Authorization")
	switch {
	case header == "" && s.begun(r.RequestURI):
		return TokenSession
	case header == "" && r.URL.Query().Get("access_token") == "":
		return TokenNone
	case header == "Bearer "+s.Token:
		return TokenExpected
	default:
		return TokenOther
	}
}

func (s *Server) begun(uri string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.sessions[uri]
	return ok
}

// isJSON reports whether a path is of the JSON interface.
func isJSON(path string) bool {
	return slices.ContainsFunc([]string{"/storage/", "/upload/", "/download/", "/batch/"}, func(p string) bool { return strings.HasPrefix(path, p) })
}

// refuse answers in the form of the interface that was asked.
func refuse(w http.ResponseWriter, r *http.Request, status int, reason, message string) {
	if isJSON(r.URL.Path) {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, jsonError(status, reason, message))
		return
	}
	w.Header().Set("Content-Type", "application/xml; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<?xml version='1.0' encoding='UTF-8'?><Error><Code>%s</Code><Message>%s</Message></Error>", reason, message)
}

func jsonError(status int, reason, message string) string {
	return fmt.Sprintf(`{"error":{"code":%d,"message":%q,"errors":[{"message":%[2]q,"domain":"global","reason":%q}]}}`, status, message, reason)
}

// mend makes what fake-gcs-server answers what the service's documentation says:
// 204 without a body after a deletion, and 409 when a bucket to be deleted is not
// empty. It notes where uploads go on.
func (s *Server) mend(resp *http.Response) error {
	path := resp.Request.URL.Path
	if to, err := url.Parse(resp.Header.Get("Location")); err == nil && strings.HasPrefix(to.Path, "/upload/") {
		s.had(to.RequestURI(), 0)
	}
	if last, ok := strings.CutPrefix(resp.Header.Get("Range"), "bytes=0-"); ok && resp.StatusCode == http.StatusPermanentRedirect {
		if n, err := strconv.ParseInt(last, 10, 64); err == nil {
			s.had(resp.Request.URL.RequestURI(), n+1)
		}
	}
	if resp.Request.Method != http.MethodDelete || !isJSON(path) {
		return nil
	}
	bucket, of := strings.CutPrefix(path, "/storage/v1/b/")
	switch {
	case resp.StatusCode == http.StatusOK:
		return replace(resp, http.StatusNoContent, "")
	case resp.StatusCode == http.StatusPreconditionFailed && of && !strings.Contains(bucket, "/"):
		return replace(resp, http.StatusConflict, jsonError(http.StatusConflict, "conflict", "The bucket you tried to delete is not empty."))
	}
	return nil
}

// had notes how much of an upload has come.
func (s *Server) had(uri string, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[uri] = bytes
}

// progress answers the question how much of an upload has come, which
// fake-gcs-server takes for the upload's end.
func (s *Server) progress(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	have, ok := s.sessions[r.RequestURI]
	s.mu.Unlock()
	if !ok || r.Method != http.MethodPut || r.ContentLength != 0 || r.Header.Get("Content-Range") != "bytes */*" {
		return false
	}
	if have > 0 {
		w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", have-1))
	}
	w.WriteHeader(http.StatusPermanentRedirect)
	return true
}

// replace puts another answer in an answer's place.
func replace(resp *http.Response, status int, body string) error {
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	resp.StatusCode, resp.Status = status, ""
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	resp.Header = http.Header{}
	if body != "" {
		resp.Header.Set("Content-Type", "application/json; charset=UTF-8")
		resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	return nil
}

// teed keeps the first part of a request's body for the log.
type teed struct {
	io.ReadCloser
	s     *Server
	entry *Request
}

// Read notes what it reads.
func (b *teed) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	b.entry.Body += string(p[:min(n, loggedBody-len(b.entry.Body))])
	return n, err
}

// cut fails after some bytes, so that the proxy ends the connection.
type cut struct {
	io.ReadCloser
	left int64
}

// Read reads what is left.
func (c *cut) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}
