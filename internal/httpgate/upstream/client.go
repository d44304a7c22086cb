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
	apart     *http.Transport // for long answers
	upgrades  *http.Transport // for connections that another protocol takes over
	spare     *spare          // of them; nil where they are made at once
	auth      *Authority
}

// halfOpen is how long nothing may come over a connection of HTTP/2 with requests under
// way until the target is asked for a sign, and how long that may take: what streams to
// it must hear that it is gone.
const halfOpen = 30 * time.Second

// NewClient returns a client; it does not connect yet. secure is nil for plain HTTP,
// and timeout is how long the first byte of an answer may take.
func NewClient(protocol string, base *url.URL, secure *tls.Config, a Auth, timeout time.Duration) *Client {
	if secure != nil { // connections of which each has one request are many
		secure = secure.Clone()
		secure.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	}
	t := &http.Transport{
		TLSClientConfig: secure, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: handshake,
		ResponseHeaderTimeout: timeout, MaxResponseHeaderBytes: 64 << 10, ExpectContinueTimeout: 2 * time.Second, DisableCompression: true,
		HTTP2: &http.HTTP2Config{SendPingTimeout: halfOpen, PingTimeout: halfOpen},
	}
	c := &Client{
		protocol: protocol, base: base, transport: t, apart: apart(secure, timeout), upgrades: apart(secure, timeout), auth: NewAuthority(a, base),
		http: &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	// None is used twice: a request that failed on one that had been idle would be sent
	// again, and a program started twice.
	c.upgrades.DisableKeepAlives = true
	if secure != nil {
		c.spare = &spare{secure: c.upgrades.TLSClientConfig}
		c.upgrades.DialTLSContext = c.spare.dial
	}
	return c
}

// Close closes connections that are idle.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	c.apart.CloseIdleConnections()
	c.upgrades.CloseIdleConnections()
	if c.spare != nil {
		c.spare.close()
	}
	c.auth.Close()
}

// Leg is how the target is reached, for the record.
func (c *Client) Leg() string {
	if c.transport.TLSClientConfig == nil {
		return "none"
	}
	return "TLS, " + c.base.Host
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

// Request is a request to the target. Header belongs to the client from then on.
type Request struct {
	Verb   string
	To     *url.URL
	Header http.Header
	Body   io.Reader // nil for none
	Length int64     // of the body, -1 where it is not known
	// Apart has the answer, which will be long, come over a connection that it has to
	// itself: of HTTP/1.1, which costs the gateway less than frames do.
	Apart bool
}

// Ask sends a statement's request and returns the answer, whatever its status, as
// long as it is one of HTTP. It wants the statement's permit, so that nothing is
// sent without an intent on record. Errors say nothing of the address, which can
// name a record, nor of an answer that is none.
func (c *Client) Ask(ctx context.Context, s *session.Session, p session.Permit, r Request) (*http.Response, error) {
	if !p.Valid(s) {
		return nil, sallyport.E(sallyport.Internal, c.protocol, "a request without a permit").Because(ErrUnsent)
	}
	return c.send(ctx, s, r)
}

// Describe asks a question of the gateway's own: what something at the target is.
// It is no caller's statement and has no permit, so that it can only read; internal/lint
// holds the list of callers.
func Describe(ctx context.Context, c *Client, s *session.Session, to *url.URL) (*http.Response, error) {
	return c.send(ctx, s, Request{Verb: http.MethodGet, To: to, Header: http.Header{"Accept-Encoding": {"identity"}}})
}

// Look is [Describe] with headers: the form that is asked for, and as whom.
func Look(ctx context.Context, c *Client, s *session.Session, to *url.URL, h http.Header) (*http.Response, error) {
	return c.send(ctx, s, Request{Verb: http.MethodGet, To: to, Header: h})
}

func (c *Client) send(ctx context.Context, s *session.Session, r Request) (*http.Response, error) {
	req, err := c.request(ctx, s, r)
	if err != nil {
		return nil, err
	}
	var res *http.Response
	if r.Apart {
		res, err = c.apart.RoundTrip(req) // which follows nothing
	} else {
		res, err = c.http.Do(req)
	}
	return c.answer(res, err, http.StatusOK)
}

// request is a request as it is sent, with the gateway's credential.
func (c *Client) request(ctx context.Context, s *session.Session, r Request) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.Verb, c.base.String(), r.Body)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, c.protocol, "the request cannot be sent on").Because(errors.Join(ErrUnsent, err))
	}
	req.URL, req.Header, req.ContentLength = r.To, r.Header, r.Length
	if r.Length == 0 || r.Verb == http.MethodGet || r.Verb == http.MethodHead {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "") // not Go's own
	}
	if err := c.auth.Sign(ctx, s, req); err != nil {
		return nil, sallyport.E(sallyport.Unavailable, c.protocol, "the gateway cannot log in to the target").
			WithHint("the operator must look at the resource's credential").Because(errors.Join(ErrUnsent, err))
	}
	return req, nil
}

// answer is what came of a request, if it is an answer; least is the lowest status of
// one.
func (c *Client) answer(res *http.Response, err error, least int) (*http.Response, error) {
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, c.protocol, "the target does not answer").
			WithHint("the request may have been executed; look before you send it again").Because(Plain(err))
	}
	// Others are no answers: of an older or another protocol, or of none.
	if res.StatusCode < least || res.StatusCode > 599 {
		err := sallyport.E(sallyport.Unavailable, c.protocol, "the target answers with a status that is none").
			WithHint("the request may have been executed; look before you send it again")
		return nil, errors.Join(err, res.Body.Close())
	}
	return res, nil
}
