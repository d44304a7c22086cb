// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// Client sends the requests of one connector to its target, with the gateway's
// credential. It follows nothing and unpacks nothing. It is safe for concurrent use.
type Client struct {
	protocol  string // of the connector, for errors
	base      *url.URL
	http      *http.Client
	transport *http.Transport
	auth      *Authority
}

// NewClient returns a client; it does not connect yet. secure is nil for plain HTTP,
// and timeout is how long the first byte of an answer may take.
func NewClient(protocol string, base *url.URL, secure *tls.Config, a Auth, timeout time.Duration) *Client {
	t := &http.Transport{
		TLSClientConfig: secure, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		ResponseHeaderTimeout: timeout, MaxResponseHeaderBytes: 64 << 10, ExpectContinueTimeout: 2 * time.Second, DisableCompression: true,
	}
	return &Client{
		protocol: protocol, base: base, transport: t, auth: NewAuthority(a, base),
		http: &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// Close closes connections that are idle.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	c.auth.Close()
}

// CredentialHeaders are the headers of requests that a credential stands in.
func (c *Client) CredentialHeaders() []string { return c.auth.Headers() }

// At is an address of the target. path is escaped and sent as it is, and not in the
// form for proxies; query is without the "?".
func (c *Client) At(path, query string) *url.URL {
	u := *c.base
	u.Path, u.RawPath, u.Opaque, u.RawQuery = path, path, path, query
	return &u
}

// ErrUnsent says of an error that nothing was sent.
var ErrUnsent = errors.New("nothing was sent")

// Ask sends a request and returns the answer, whatever its status, as long as it is
// one of HTTP. length is that of the body, -1 where it is not known. Errors say
// nothing of the address, which can name a record, nor of an answer that is none.
func (c *Client) Ask(ctx context.Context, s *session.Session, verb string, to *url.URL, body io.Reader, length int64, h http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, verb, c.base.String(), body)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, c.protocol, "the request cannot be sent on").Because(errors.Join(ErrUnsent, err))
	}
	req.URL, req.Header, req.ContentLength = to, h, length
	if length == 0 || verb == http.MethodGet || verb == http.MethodHead {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "") // not Go's own
	}
	if err := c.auth.Sign(ctx, s, req); err != nil {
		return nil, sallyport.E(sallyport.Unavailable, c.protocol, "the gateway cannot log in to the target").
			WithHint("the operator must look at the resource's credential").Because(errors.Join(ErrUnsent, err))
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, c.protocol, "the target does not answer").
			WithHint("the request may have been executed; look before you send it again").Because(Plain(err))
	}
	// Others are no answers: of an older or another protocol, or of none.
	if res.StatusCode < http.StatusOK || res.StatusCode > 599 {
		err := sallyport.E(sallyport.Unavailable, c.protocol, "the target answers with a status that is none").
			WithHint("the request may have been executed; look before you send it again")
		return nil, errors.Join(err, res.Body.Close())
	}
	return res, nil
}
