// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// client speaks to a gateway's API.
type client struct {
	target
	base *url.URL
	http *http.Client
}

const (
	// maxAnswer bounds an answer that is held in memory.
	maxAnswer = 64 << 20
	// answerWait is how long an answer may take that is not a stream, unless its
	// caller says more.
	answerWait = time.Minute
)

// connect makes the client that the settings describe. It does not dial.
func (a *app) connect() (*client, error) {
	t, err := a.resolve()
	if err != nil {
		return nil, err
	}
	return newClient(t)
}

func newClient(t target) (*client, error) {
	u, err := url.Parse(t.server)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, sallyport.E(sallyport.Invalid, "client", "the gateway's URL must be https://HOST:PORT").
			WithHint("a token is never sent without TLS")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.ca != "" {
		pem, _, err := readSmall(t.ca)
		if err != nil {
			return nil, sallyport.E(sallyport.Invalid, "client", "the authority's file cannot be read").Because(err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, sallyport.E(sallyport.Invalid, "client", "the authority's file holds no certificate")
		}
	}
	tr := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 30 * time.Second,
	}
	return &client{target: t, base: u, http: &http.Client{
		Transport: tr,
		// A redirect would take the token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// close ends the connections that are kept.
func (c *client) close() { c.http.CloseIdleConnections() }

// send sends one request and returns the answer when its status is a success.
// The caller closes the body.
func (c *client) send(ctx context.Context, method, path string, query url.Values, contentType string, body io.Reader) (*http.Response, error) {
	u := *c.base
	u.Path += path
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, "client", "the request cannot be made").Because(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	// The endpoints of tokens take one in the body and look at no other.
	if path != tokenPath && path != introspectPath {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err()
		}
		e := sallyport.E(sallyport.Unavailable, "client", "the gateway cannot be reached").Because(err)
		var unknown x509.UnknownAuthorityError
		if errors.As(err, &unknown) {
			return nil, e.WithHint("name the authority of its certificate with --ca FILE")
		}
		return nil, e.WithHint("is it running, and is --server right?")
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		err := problem(res)
		return nil, errors.Join(err, res.Body.Close())
	}
	return res, nil
}

// call sends a request with a body of JSON, unless it is nil, and returns the
// answer as the gateway wrote it. A context without a deadline gets one.
func (c *client) call(ctx context.Context, method, path string, query url.Values, body any) (json.RawMessage, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answerWait)
		defer cancel()
	}
	var (
		in   io.Reader
		kind string
	)
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, sallyport.E(sallyport.Internal, "client", "the request is no JSON").Because(err)
		}
		in, kind = bytes.NewReader(b), "application/json"
	}
	res, err := c.send(ctx, method, path, query, kind, in)
	if err != nil {
		return nil, err
	}
	return readAnswer(res)
}

// fetch sends a request with a body of JSON and returns an answer that is none.
func (c *client) fetch(ctx context.Context, path string, body any) ([]byte, error) {
	in, err := json.Marshal(body)
	if err != nil {
		return nil, sallyport.E(sallyport.Internal, "client", "the request is no JSON").Because(err)
	}
	res, err := c.send(ctx, http.MethodPost, path, nil, "application/json", bytes.NewReader(in))
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxBundle+1))
	if err = errors.Join(err, res.Body.Close()); err != nil || len(b) > maxBundle {
		return nil, sallyport.E(sallyport.Unavailable, "client", "the gateway's answer broke off, or is too large").Because(err)
	}
	return b, nil
}

func readAnswer(res *http.Response) (json.RawMessage, error) {
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	err = errors.Join(err, res.Body.Close())
	switch {
	case err != nil:
		return nil, sallyport.E(sallyport.Unavailable, "client", "the gateway's answer broke off").Because(err)
	case len(b) > maxAnswer:
		return nil, sallyport.E(sallyport.Exhausted, "client", "the gateway's answer is too long").WithHint("narrow the question, or use --limit")
	case len(b) == 0:
		return json.RawMessage("null"), nil
	case !json.Valid(b):
		return nil, sallyport.E(sallyport.Invalid, "client", "what answered is no gateway").WithHint("is --server right?")
	}
	return b, nil
}

// ask is call with the answer decoded into out as well.
func (c *client) ask(ctx context.Context, method, path string, query url.Values, body, out any) (json.RawMessage, error) {
	raw, err := c.call(ctx, method, path, query, body)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return nil, sallyport.E(sallyport.Invalid, "client", "the gateway's answer has another form than this program knows").
			WithHint("are the versions of both the same?")
	}
	return raw, nil
}

// problem reads the error out of an answer: of the API, or of the token
// endpoint (RFC 6749 section 5.2).
func problem(res *http.Response) error {
	var p struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
	}
	var e struct {
		Kind    string `json:"kind"`
		Message string `json:"message"`
		Hint    string `json:"hint"`
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxSmall))
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err == nil && strings.HasSuffix(kind, "json") && json.Unmarshal(b, &p) == nil {
		var code string
		switch {
		case json.Unmarshal(p.Error, &e) == nil && e.Message != "":
			return sallyport.E(kindNamed(e.Kind), "gateway", e.Message).WithHint(e.Hint)
		case json.Unmarshal(p.Error, &code) == nil && p.Description != "":
			msg, hint, _ := strings.Cut(p.Description, "; ")
			return sallyport.E(kindOfCode(code), "gateway", msg).WithHint(hint)
		}
	}
	return sallyport.E(kindOfStatus(res.StatusCode), "gateway", "the gateway answered "+res.Status)
}

func kindNamed(name string) sallyport.Kind {
	for k := sallyport.Internal; k <= sallyport.Integrity; k++ {
		if k.String() == name {
			return k
		}
	}
	return sallyport.Internal
}

// kindOfCode maps the token endpoint's codes back.
func kindOfCode(code string) sallyport.Kind {
	switch code {
	case "authorization_pending":
		return sallyport.Held
	case "invalid_target", "access_denied":
		return sallyport.Denied
	case "temporarily_unavailable":
		return sallyport.Unavailable
	case "server_error":
		return sallyport.Internal
	}
	return sallyport.Invalid
}

func kindOfStatus(status int) sallyport.Kind {
	switch status {
	case http.StatusUnauthorized:
		return sallyport.Unauthenticated
	case http.StatusForbidden:
		return sallyport.Denied
	case http.StatusNotFound:
		return sallyport.NotFound
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		return sallyport.Unavailable
	}
	return sallyport.Internal
}
